"""The sandbox: what code that runs in a handler can still do. `build/tests/puppet` is httpd with
routes that make one system call each, as an intruder would."""
import errno
import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest

from client import Connection, fetch, request
from server import ROOT, wait_until

PUPPET = [str(ROOT / "build/tests/puppet")]
FORBIDDEN = ["open", "open-resolved", "write", "exec", "socket", "map-executable", "kill"]
POSSIBLE = [name for name in FORBIDDEN if name != "exec"]  # exec would end the server


def landlock_version():
    """Of the running kernel; 0 without it."""
    code = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))"
    result = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True,
                            check=True)
    return max(int(result.stdout), 0)


LANDLOCK = landlock_version()


def figure(server, field):
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return line.split()[1:]
    raise KeyError(field)


def filtered(server):
    return figure(server, "Seccomp") == ["2"]


def do(server, name):
    """The result of the call."""
    return int(fetch(server.address, target=f"/do/{name}").body)


@pytest.fixture
def puppet(launch, backend):
    def start(*arguments):
        server = launch("--backend", backend, *arguments, program=PUPPET)
        if "--no-sandbox" not in arguments:
            wait_until(lambda: filtered(server))
        return server
    return start


@pytest.mark.parametrize("name", POSSIBLE)
def test_without_a_sandbox_it_is_possible(puppet, name):
    server = puppet("--no-sandbox")
    assert figure(server, "NoNewPrivs") == ["0"]
    wait_until(lambda: "no sandbox" in server.text())
    try:
        assert do(server, name) >= 0
    finally:
        Path("/tmp/runnel-puppet").unlink(missing_ok=True)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_call_that_serving_does_not_take_ends_it(puppet, name):
    server = puppet()
    assert figure(server, "NoNewPrivs") == ["1"]
    assert do_fatally(server, name) == -signal.SIGSYS
    assert not Path("/tmp/runnel-puppet").exists()


def do_fatally(server, name):
    with Connection(server.address) as peer:
        peer.send(request(target=f"/do/{name}"))
        assert peer.is_closed()
    return server.wait()


@pytest.mark.skipif(not LANDLOCK, reason="this kernel has no Landlock")
def test_files_outside_the_root_are_out_of_reach(puppet, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/a.txt").write_text("inside")
    server = puppet("--root", tmp_path / "site")
    assert fetch(server.address, target="/a.txt").body == b"inside"
    assert do(server, "open-resolved") == -errno.EACCES


@pytest.mark.skipif(not LANDLOCK, reason="this kernel has no Landlock")
def test_with_logs_only_their_directory_can_be_written(puppet, tmp_path):
    server = puppet("--log", tmp_path / "log")
    assert do(server, "open") == -errno.EACCES
    assert do(server, "write") == -errno.EACCES
    os.rename(tmp_path / "log", tmp_path / "log.1")
    server.signal(signal.SIGHUP)
    wait_until((tmp_path / "log").exists)
    assert server.alive()


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_user(puppet):
    server = puppet("--user", "nobody")
    entry = pwd.getpwnam("nobody")
    assert figure(server, "Uid") == [str(entry.pw_uid)] * 4
    assert figure(server, "Gid") == [str(entry.pw_gid)] * 4
    assert figure(server, "Groups") == []
    for thread in Path(f"/proc/{server.pid}/task").iterdir():
        assert f"Uid:\t{entry.pw_uid}\t" in (thread / "status").read_text()
    assert fetch(server.address, target="/plaintext").status == 200


def test_no_such_user(puppet):
    result = subprocess.run([*PUPPET, "-p", "0", "--user", "nobody-of-that-name"], timeout=10,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "httpd: cannot become nobody-of-that-name: " in result.stderr


def test_a_socket_file_is_removed_in_the_end(launch, backend, tmp_path):
    path = str(tmp_path / "socket")
    server = launch("--backend", backend, bind="unix:" + path, path=path)
    wait_until(lambda: filtered(server))
    server.stop()
    assert not os.path.exists(path)
