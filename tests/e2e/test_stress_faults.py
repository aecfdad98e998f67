"""What the system does to a server: no descriptors, no memory, no disk, stops, stray signals."""
import ctypes
import json
import os
import resource
import signal
import subprocess
import time

import pytest

from client import Closed, Connection, WebSocket, fetch, request, status, total
from client import TEXT
from server import EMULATED, HUNG, PROGRAM, ROOT, wait_until

CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x4000 | 0x40000
libc = ctypes.CDLL(None, use_errno=True)


def calls_so_far(connection):
    """The system calls so far."""
    return total(json.loads(connection.exchange(target="/status").body), "syscalls")


def test_accept_without_descriptors_makes_few_calls_and_recovers(httpd):
    """The clients wait in the backlog: the listener tries again now and then, and doesn't spin."""
    server = httpd()
    with Connection(server.address) as watcher:
        assert watcher.exchange(target="/plaintext").status == 200
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        few = (server.settled_descriptors(), limits[1])
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, few)
        clients = [Connection(server.address) for _ in range(20)]
        try:
            for client in clients:
                client.send(request(target="/plaintext"))
            time.sleep(0.3)
            began = time.monotonic()
            before = calls_so_far(watcher)
            time.sleep(1)
            calls = calls_so_far(watcher) - before
            seconds = time.monotonic() - began
            assert calls < 200 * seconds, f"{calls} system calls in {seconds} seconds"
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
            for client in clients:
                assert client.read_response().body == b"Hello, World!"
        finally:
            for client in clients:
                client.close()


def serves(path):
    try:
        return fetch(str(path), target="/plaintext").body == b"Hello, World!"
    except (OSError, Closed):
        return False


@pytest.mark.parametrize("mib", [1, 4, 16, 64, 256])
def test_start_with_little_memory(backend, tmp_path, mib):
    """RLIMIT_AS: it says so and ends, or it serves."""
    if EMULATED:
        pytest.skip("the emulator needs memory of its own")

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))
    path = tmp_path / "socket"
    process = subprocess.Popen(
        [*PROGRAM, "--backend", backend, "-w", "2", "-b", f"unix:{path}"], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=limit)
    try:
        wait_until(lambda: process.poll() is not None or serves(path))
        if process.poll() is None:
            process.terminate()
            assert process.wait(HUNG) == 0
        else:
            assert process.returncode == 1
            assert "not enough memory" in process.stdout.read()
    finally:
        process.kill()
        process.wait()


def test_stopped_and_continued(httpd):
    """What came while it was stopped is answered after; nobody is taken for idle at once."""
    server = httpd("--idle-timeout", 30)
    with Connection(server.address) as half, WebSocket(server.address) as socket:
        half.send(request(target="/plaintext")[:10])
        server.signal(signal.SIGSTOP)
        with Connection(server.address) as late:
            late.send(request(target="/plaintext"))
            half.send(request(target="/plaintext")[10:])
            time.sleep(1)
            server.signal(signal.SIGCONT)
            assert late.read_response().body == b"Hello, World!"
            assert half.read_response().body == b"Hello, World!"
        socket.echo(TEXT, b"still here")


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGWINCH, signal.SIGCHLD,
                                    signal.SIGURG, signal.SIGCONT])
def test_stray_signals_do_no_harm(httpd, number):
    server = httpd()
    for _ in range(20):
        server.signal(number)
    assert fetch(server.address, target="/plaintext").body == b"Hello, World!"


def small_disk(path, size):
    """For a child before exec: a disk of that size at `path`, which only it sees."""
    def mount():
        libc.unshare(CLONE_NEWNS)
        libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC_PRIVATE), None)
        if libc.mount(b"none", str(path).encode(), b"tmpfs", ctypes.c_ulong(0),
                      f"size={size}".encode()) != 0:
            raise OSError(ctypes.get_errno(), "mount")
    return mount


def test_disk_that_fills_up_under_the_log(httpd, tmp_path):
    """Requests are answered on; when there is room again, the log goes on and says what it lost."""
    if os.getuid() != 0:
        pytest.skip("not root: can't mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    server = httpd("--access-log", disk / "log", steps=[small_disk(disk, 32768)])
    log = f"/proc/{server.pid}/root{disk}/log"
    with Connection(server.address) as connection:
        for _ in range(1000):
            assert connection.exchange(target="/plaintext").status == 200
        wait_until(lambda: os.path.getsize(log) == 32768 or os.statvfs(log).f_bavail == 0)
        os.truncate(log, 0)
        for _ in range(100):
            assert connection.exchange(target="/plaintext").status == 200
    wait_until(lambda: "lines were dropped" in open(log, encoding="utf-8").read())
    assert status(server.address)
