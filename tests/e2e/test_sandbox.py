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
from server import HUNG, ROOT, wait_until

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
    result = subprocess.run([*PUPPET, "-p", "0", "--user", "nobody-of-that-name"], timeout=HUNG,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "httpd: cannot become nobody-of-that-name: " in result.stderr


def test_a_socket_file_is_removed_in_the_end(launch, backend, tmp_path):
    path = str(tmp_path / "socket")
    server = launch("--backend", backend, bind="unix:" + path, path=path)
    wait_until(lambda: filtered(server))
    server.stop()
    assert not os.path.exists(path)


# Memory: where it is and what may be done with it

RANDOM = Path("/proc/sys/kernel/randomize_va_space").read_text().strip() == "2"


@pytest.fixture(params=["httpd", "httpd.plain"])
def running(request, launch, backend):
    """Starts the program, packed or as it was before."""
    def start():
        program = str(ROOT / "build" / request.param)
        return launch("--backend", backend, workers=2, program=[program])
    return start


def areas(server):
    """(first address, end, permissions, name) of what is mapped."""
    for line in Path(f"/proc/{server.pid}/maps").read_text().splitlines():
        span, permissions, _offset, _device, _inode, *name = line.split(maxsplit=5)
        first, end = (int(part, 16) for part in span.split("-"))
        yield first, end, permissions, "".join(name)


def permissions(server, address):
    return next(row[2] for row in areas(server) if row[0] <= address < row[1])


def symbols():
    lines = subprocess.run(["nm", str(ROOT / "build/httpd.debug")], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return {name: int(address, 16) for address, _kind, name in map(str.split, lines)}


def code_begins(server):
    """Where the program's code is: the only area to be executed that isn't the kernel's."""
    [begin] = [row[0] for row in areas(server) if "x" in row[2] and not row[3].startswith("[")]
    return begin


def test_no_page_is_written_and_executed(running):
    server = running()
    for _ in range(3):
        fetch(server.address, target="/plaintext")
        assert not [row for row in areas(server) if "w" in row[2] and "x" in row[2]]
    assert [row[2] for row in areas(server) if row[3] == "[stack]"] == ["rw-p"]


def test_constants_can_not_be_written(running):
    server = running()
    at, base = symbols(), code_begins(server)
    for name in ("__stack_chk_guard", "rn_clock_source", "rn_backend_uring"):
        assert at["rn_constants"] < at[name] < at["rn_constants_end"]
    assert at["rn_constants_end"] % 4096 == 0
    assert permissions(server, base + at["_start"]) == "r-xp"
    for address in range(at["rn_constants"], at["rn_constants_end"], 4096):
        assert permissions(server, base + address) == "r--p"
    assert permissions(server, base + at["rn_constants_end"]) == "rw-p"


@pytest.mark.skipif(not RANDOM, reason="this kernel is told not to choose addresses at random")
def test_each_start_has_its_own_addresses_and_canary(running):
    seen = []
    at = symbols()
    for _ in range(3):
        server = running()
        base = code_begins(server)
        with open(f"/proc/{server.pid}/mem", "rb") as memory:
            memory.seek(base + at["__stack_chk_guard"])
            canary = memory.read(8)
        assert canary[0] == 0
        stack = next(row[0] for row in areas(server) if row[3] == "[stack]")
        seen.append((base, stack, canary))
    assert all(len(set(values)) == 3 for values in zip(*seen))


def test_a_stack_that_is_overrun_ends_it(puppet):
    server = puppet()
    assert do_fatally(server, "overrun") == -signal.SIGILL
    wait_until(lambda: "stack overrun: stopped" in server.text())
