"""A new program on the listening sockets of the old one: SIGUSR2, and sockets that were handed over
at the start, as systemd does it."""
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from client import TEXT, Closed, Connection, WebSocket, fetch, request
from server import FLAGS, HUNG, PROGRAM, ROOT, free_port, wait_until

UPGRADES = int(os.environ.get("RUNNEL_UPGRADES", "5"))


def servers_of(word):
    """The processes that run with this word on their command line and serve."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if word.encode() in command_of(pid) and serves(pid)]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def serves(pid):
    """Whether it has workers: its keeper is there before them, and has none."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


class Load:
    """Clients that ask without a pause, some on one connection for as long as they may, some on a
    new one each time; they count what failed."""

    def __init__(self, port, keeping=4, closing=4):
        self.address = ("127.0.0.1", port)
        self.stopping = False
        self.answered = 0
        self.again = 0
        self.longest = 0
        self.failures = []
        self.threads = [threading.Thread(target=self.run, args=(index < keeping,))
                        for index in range(keeping + closing)]

    def run(self, keeping):
        connection = None
        while not self.stopping:
            kept = connection is not None
            try:
                began = time.monotonic()
                connection = connection or Connection(self.address)
                response = connection.exchange(target="/plaintext")
                assert response.status == 200 and response.body == b"Hello, World!"
                self.longest = max(self.longest, time.monotonic() - began)
                self.answered += 1
                if response.closes() or not keeping:
                    connection.close()
                    connection = None
            except (Closed, ConnectionResetError, BrokenPipeError) as problem:
                # A client that stood still for the quarter of a second that a connection has left
                # finds it closed, and asks again on another (RFC 9112, section 9.3.1).
                if kept and not connection.pending:
                    self.again += 1
                else:
                    self.failures.append(repr(problem))
                connection = None
            except Exception as problem:
                self.failures.append(repr(problem))
                connection = None

    def text(self):
        return f"{self.answered} requests, {len(self.failures)} failed, {self.again} on a " \
               f"connection that had ended, the longest {self.longest * 1000:.0f} ms"

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self.stopping = True
        for thread in self.threads:
            thread.join()


@pytest.fixture
def successors():
    """Servers that are not children of this process are ended by their number."""
    found = []
    yield found
    for pid in found:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


def upgrade(port, old, successors):
    """Orders one and returns the number of the process that serves then."""
    os.kill(old, signal.SIGUSR2)

    def replaced():
        pids = servers_of(str(port))
        return len(pids) == 1 and pids[0] != old and pids[0]
    new = wait_until(replaced)
    successors.append(new)
    return new


def end(pid):
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))


@pytest.mark.seconds(240 + 3 * UPGRADES)
def test_upgrades_under_load_lose_nothing(launch, backend, successors):
    server = launch("--backend", backend, workers=2)
    wait_until(lambda: serves(server.pid))
    pid = server.pid
    with Load(server.port) as load:
        for _ in range(UPGRADES):
            before = load.answered
            pid = upgrade(server.port, pid, successors)
            wait_until(lambda: load.answered > before + 100)
    print(f"{backend}: {UPGRADES} upgrades, {load.text()}")
    assert load.failures == []
    assert server.wait() == 0
    end(pid)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address).close()


def test_the_new_program_is_what_stands_at_the_path(launch, backend, tmp_path, successors):
    program = tmp_path / "httpd"
    shutil.copy(ROOT / PROGRAM[-1], program)
    server = launch("--backend", backend, program=[*PROGRAM[:-1], str(program)])
    wait_until(lambda: serves(server.pid))
    shutil.copy(ROOT / PROGRAM[-1], tmp_path / "next")
    os.rename(tmp_path / "next", program)
    inode = program.stat().st_ino
    pid = upgrade(server.port, server.pid, successors)
    assert os.stat(f"/proc/{pid}/exe").st_ino == inode
    assert server.wait() == 0
    end(pid)


@pytest.mark.parametrize("broken", ["missing", "no program", "fails at start"])
def test_a_new_program_that_does_not_start_changes_nothing(launch, backend, tmp_path, broken):
    program = tmp_path / "httpd"
    shutil.copy(ROOT / PROGRAM[-1], program)
    server = launch("--backend", backend, program=[*PROGRAM[:-1], str(program)])
    wait_until(lambda: serves(server.pid))
    program.unlink()
    if broken != "missing":
        program.write_text("#!/bin/false\n" if broken == "fails at start" else "nothing to run")
        program.chmod(0o755)
    server.signal(signal.SIGUSR2)
    if broken != "fails at start":
        wait_until(lambda: f"httpd: cannot start {program} anew: error " in server.text())
    for _ in range(3):
        assert fetch(server.address, target="/plaintext").status == 200
    server.stop()


def test_a_websocket_is_told_goodbye(launch, backend, successors):
    server = launch("--backend", backend)
    wait_until(lambda: serves(server.pid))
    with WebSocket(server.address) as peer:
        peer.echo(TEXT, b"before")
        pid = upgrade(server.port, server.pid, successors)
        assert peer.read_close() == 1001
    with WebSocket(server.address) as peer:
        peer.echo(TEXT, b"after")
    assert server.wait() == 0
    end(pid)


def test_a_request_in_the_middle_is_finished(launch, backend, successors):
    server = launch("--backend", backend, "--echo")
    wait_until(lambda: serves(server.pid))
    with Connection(server.address) as peer:
        peer.send(request("POST", "/", [("Content-Length", "10")]) + b"01234")
        os.kill(server.pid, signal.SIGUSR2)
        wait_until(lambda: any(pid != server.pid for pid in servers_of(str(server.port))))
        peer.send(b"56789")
        assert peer.read_response("POST").body == b"0123456789"
    successors += [pid for pid in servers_of(str(server.port)) if pid != server.pid]
    assert server.wait() == 0


def test_a_socket_file_goes_on_to_the_successor(launch, backend, tmp_path, successors):
    path = str(tmp_path / "socket")
    server = launch("--backend", backend, "-p", "1", bind="unix:" + path, path=path)
    wait_until(lambda: serves(server.pid))
    os.kill(server.pid, signal.SIGUSR2)
    assert server.wait() == 0
    pids = servers_of("unix:" + path)
    assert len(pids) == 1
    successors += pids
    with Connection(path) as peer:
        assert peer.exchange(target="/plaintext").body == b"Hello, World!"
    end(pids[0])
    assert not os.path.exists(path)


def hand_over(sockets, *arguments):
    """Starts httpd as systemd would: the sockets from descriptor 3 on."""
    keep = [os.dup(each.fileno()) for each in sockets]
    high = [os.dup2(fd, 200 + index) for index, fd in enumerate(keep)]
    script = "".join(f" {3 + index}<&{fd} {fd}<&-" for index, fd in enumerate(high))
    command = f'LISTEN_FDS={len(sockets)} LISTEN_PID=$$ exec "$@"{script}'
    try:
        return subprocess.Popen(["bash", "-c", command, "bash", *PROGRAM, *arguments, *FLAGS],
                                cwd=ROOT, pass_fds=high, stderr=subprocess.PIPE, text=True)
    finally:
        for fd in keep + high:
            os.close(fd)


@pytest.mark.parametrize("workers", [1, 3])
def test_sockets_from_whoever_started_it(backend, workers):
    with socket.create_server(("127.0.0.1", 0)) as one, \
            socket.create_server(("127.0.0.1", 0)) as other:
        ports = [each.getsockname()[1] for each in (one, other)]
        process = hand_over([one, other], "--backend", backend, "-w", str(workers))
    try:
        for port in ports:
            for _ in range(4):
                assert fetch(("127.0.0.1", port), target="/plaintext").status == 200
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=HUNG)
    assert process.returncode == 0
    assert "listening on 2 inherited sockets" in errors


def test_sockets_for_another_process_are_left_alone(launch, backend):
    os.environ.update(LISTEN_FDS="1", LISTEN_PID="1")
    try:
        server = launch("--backend", backend)
    finally:
        del os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"]
    assert fetch(server.address, target="/plaintext").status == 200
