"""The command line: help, errors with one clear line, logs, and kernels that lack something."""
import errno
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import kernel
from client import TEXT, Connection, WebSocket, fetch, request, status
from server import HUNG, PROGRAM, ROOT, VERSION, become_nobody, free_port, wait_until

FLAGS = ["--root", "--workers", "--bind", "--port", "--backend", "--accept", "--ws-echo",
         "--ws-max-message", "--echo", "--list", "--max-connections",
         "--max-per-address", "--max-requests", "--min-rate", "--busy-poll",
         "--idle-timeout", "--header-timeout", "--log", "--log-level",
         "--access-log", "--user", "--no-sandbox",
         "--version", "--help"]


def run(*arguments, **options):
    return subprocess.run([*PROGRAM, *map(str, arguments)], cwd=ROOT, capture_output=True,
                          text=True, timeout=HUNG, check=False, stdin=subprocess.DEVNULL, **options)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(flag):
    result = run(flag)
    assert result.returncode == 0
    assert result.stderr == ""
    for name in FLAGS:
        assert re.search(rf"{name}\b", result.stdout), name
    assert max(map(len, result.stdout.splitlines())) <= 100


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag):
    result = run(flag)
    assert result.returncode == 0
    assert VERSION in result.stdout
    assert len(result.stdout.splitlines()) == 1


def assert_one_clear_line(result, *words):
    """One line on standard error that names what is wrong, and a non-zero exit."""
    assert result.returncode not in (0, None) and result.returncode > 0, result
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    for word in words:
        assert str(word).lower() in lines[0].lower(), lines[0]


WRONG = {
    "unknown long flag": (["--frobnicate"], "--frobnicate"),
    "unknown short flag": (["-Z"], "-Z"),
    "no value": (["--port"], "--port"),
    "no value for a short flag": (["-r"], "-r"),
    "port not a number": (["-p", "http"], "http"),
    "port too large": (["-p", "65536"], "65536"),
    "port negative": (["-p", "-1"], "-1"),
    "port with more": (["-p", "80x"], "80x"),
    "no workers": (["-w", "0"], "0"),
    "too many workers": (["-w", "65"], "65"),
    "workers not a number": (["-w", "many"], "many"),
    "far too many workers": (["-w", "99999999999999999999"], "99999999999999999999"),
    "positional workers": (["1000", "127.0.0.1"], "1000"),
    "positional address": (["1", "127.0.0.256"], "127.0.0.256"),
    "positional port": (["1", "127.0.0.1", "99999"], "99999"),
    "too many arguments": (["1", "127.0.0.1", "8000", "surplus"], "surplus"),
    "address not one": (["-b", "localhost.invalid"], "localhost.invalid"),
    "address of three parts": (["-b", "1.2.3"], "1.2.3"),
    "address of IPv6 with a typo": (["-b", "::g"], "::g"),
    "socket path too long": (["-b", "unix:/tmp/" + "x" * 200], "x" * 100),
    "socket path empty": (["-b", "unix:"], "unix:"),
    "backend unknown": (["--backend", "kqueue"], "kqueue"),
    "accept unknown": (["--accept", "random"], "random"),
    "log level unknown": (["--log-level", "loud"], "loud"),
    "limit not a number": (["--max-connections", "all"], "all"),
    "timeout negative": (["--idle-timeout", "-5"], "-5"),
    "message limit not a number": (["--ws-max-message", "1x"], "1x"),
    "log in a missing directory": (["--log", "/nonexistent/httpd.log"], "/nonexistent/httpd.log"),
    "access log in a missing directory": (["--access-log", "/nonexistent/a.log"],
                                          "/nonexistent/a.log"),
    "root missing": (["--root", "/nonexistent/site"], "/nonexistent/site"),
    "root not a directory": (["--root", "/dev/null"], "/dev/null"),
    "socket in a missing directory": (["-b", "unix:/nonexistent/http.sock"],
                                      "/nonexistent/http.sock"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name):
    arguments, word = WRONG[name]
    has_port = {"-p", "--port"} & set(arguments) or arguments[0].isdigit()
    assert_one_clear_line(run(*([] if has_port else ["-p", free_port()]), *arguments), word)


@pytest.mark.parametrize("accept", ["reuseport", "shared"])
@pytest.mark.parametrize("workers", [1, 4])
def test_port_in_use(accept, workers):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_one_clear_line(run("-b", "127.0.0.1", "-p", port, "--accept", accept, "-w", workers),
                              port, "in use")


@pytest.mark.parametrize("first", ["reuseport", "shared"])
@pytest.mark.parametrize("second", ["reuseport", "shared"])
def test_port_in_use_by_another_httpd(launch, first, second):
    """Two servers that share a port by SO_REUSEPORT would each get half of the clients."""
    server = launch("--accept", first, workers=2)
    result = run("-b", "127.0.0.1", "-p", server.port, "--accept", second)
    assert_one_clear_line(result, server.port, "in use")


def test_port_is_free_again_at_once(launch):
    first = launch()
    with Connection(first.address) as connection:
        assert connection.exchange(target="/plaintext").status == 200
        first.stop()
    launch(port=first.port)
    assert fetch(first.address, target="/plaintext").status == 200


def test_address_of_another_machine():
    port = free_port()
    assert_one_clear_line(run("-b", "192.0.2.1", "-p", port), "192.0.2.1")


def test_privileged_port(public):
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first <= 81:
        pytest.skip("every user may bind port 81 here")
    result = subprocess.run([str(public / "httpd"), "-b", "127.0.0.1", "-p", "81"], check=False,
                            capture_output=True, text=True, timeout=HUNG, preexec_fn=become_nobody)
    assert_one_clear_line(result, "81")
    assert re.search(r"permission|denied|root|privilege", result.stderr, re.IGNORECASE)


def test_root_without_permission(public):
    (public / "shut").mkdir()
    (public / "shut").chmod(0)
    result = subprocess.run(
        [str(public / "httpd"), "-p", str(free_port()), "--root", str(public / "shut")],
        check=False, capture_output=True, text=True, timeout=HUNG, preexec_fn=become_nobody)
    assert_one_clear_line(result, public / "shut")


def test_long_flags(launch):
    port = free_port()
    launch.plain("--bind", "127.0.0.1", "--port", port, "--workers", 2, "--accept", "shared",
                 "--max-connections", 100, "--idle-timeout", 10, "--header-timeout", 5,
                 "--busy-poll", 50, "--max-per-address", 9, "--max-requests", 8, "--min-rate", 7,
                 port=port)
    assert len(status(("127.0.0.1", port))["workers"]) == 2


def test_defaults_are_shown():
    text = run("--help").stdout
    assert "8000" in text and "0.0.0.0" in text


# Logs

LINES = [r"\[ACCEPT\] fd=\d+", r"\[HTTP\] fd=\d+ recv request",
         r"\[HTTP\] fd=\d+ route=/ \(index\)", r"\[HTTP\] fd=\d+ done, closing",
         r"\[WS\] fd=\d+ handshake complete", r"\[WS\] fd=\d+ recv 18 bytes"]


def talk(server):
    assert fetch(server.address).status == 200
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, b"eighteen bytes, ok")
        ws.close()


def test_debug_lines(httpd, tmp_path):
    log = tmp_path / "httpd.log"
    server = httpd("--log", log, "--log-level", "debug", workers=2)
    talk(server)
    for line in LINES:
        wait_until(lambda: re.search(line, log.read_text()))
    server.stop()
    text = log.read_text()
    accepted = re.search(r"\[ACCEPT\] fd=(\d+)", text).group(1)
    assert f"[HTTP] fd={accepted} recv request" in text
    assert text.endswith("\n")


def test_no_debug_lines_by_default(httpd, tmp_path):
    log = tmp_path / "httpd.log"
    server = httpd("--log", log)
    talk(server)
    server.stop()
    assert "[HTTP]" not in log.read_text() and "[ACCEPT]" not in log.read_text()


def test_start_is_logged(httpd, tmp_path, backend):
    log = tmp_path / "httpd.log"
    server = httpd("--log", log)
    text = wait_until(log.read_text)
    assert str(server.port) in text and backend in text


def test_log_to_standard_output_or_error(httpd):
    server = httpd("--log", "-", "--log-level", "debug")
    talk(server)
    wait_until(lambda: "[WS]" in server.text())


def test_no_log(httpd):
    server = httpd("--log", "none", "--log-level", "debug")
    talk(server)
    server.stop()
    assert server.text() == ""


def test_access_log(httpd, tmp_path):
    log = tmp_path / "access.log"
    server = httpd("--access-log", log, workers=2)
    assert fetch(server.address, target="/plaintext?q=1").status == 200
    assert fetch(server.address, target="/missing").status == 404
    assert fetch(server.address, "POST", "/plaintext", body=b"x").status == 405
    wait_until(lambda: log.read_text().count("\n") >= 3)
    server.stop()
    lines = log.read_text().splitlines()
    assert len(lines) == 3
    for method, target, code in (("GET", "/plaintext?q=1", "200"), ("GET", "/missing", "404"),
                                 ("POST", "/plaintext", "405")):
        assert any(method in line and target in line and re.search(rf"\b{code}\b", line)
                   and "127.0.0.1" in line for line in lines), (target, lines)


def test_access_log_can_not_be_forged(httpd, tmp_path):
    """What a client sends must not begin a line of its own, nor hold control characters."""
    log = tmp_path / "access.log"
    server = httpd("--access-log", log)
    fetch(server.address, target="/a%0a127.0.0.1%20forged", headers=[("User-Agent", "x\ty\xe9")])
    with Connection(server.address) as connection:
        connection.send(b"GET /\x1b[31mred HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.read_to_end()
    server.stop()
    text = log.read_bytes()
    assert b"\x1b" not in text
    assert not re.search(rb"^127\.0\.0\.1 forged", text, re.MULTILINE)


def test_access_log_of_many_requests(httpd, tmp_path):
    """Each line is whole, also when workers write at the same time."""
    log = tmp_path / "access.log"
    server = httpd("--access-log", log, workers=4)
    connections = [Connection(server.address) for _ in range(20)]
    try:
        for connection in connections:
            connection.send(request(target="/plaintext") * 20)
        for connection in connections:
            for _ in range(20):
                assert connection.read_response().status == 200
    finally:
        for connection in connections:
            connection.close()
    server.stop()
    lines = log.read_text().splitlines()
    assert len(lines) == 400
    assert all("/plaintext" in line and "200" in line for line in lines)


def test_sighup_reopens_the_logs(httpd, tmp_path):
    """As logrotate does it: rename, SIGHUP; the new lines go to a new file."""
    log, access = tmp_path / "httpd.log", tmp_path / "access.log"
    server = httpd("--log", log, "--log-level", "debug", "--access-log", access, workers=2)
    assert fetch(server.address, target="/plaintext").status == 200
    wait_until(lambda: "/plaintext" in access.read_text() and "[HTTP]" in log.read_text())
    os.rename(log, tmp_path / "httpd.log.1")
    os.rename(access, tmp_path / "access.log.1")
    server.signal(signal.SIGHUP)
    wait_until(lambda: log.exists() and access.exists())
    assert fetch(server.address, target="/json").status == 200
    wait_until(lambda: "/json" in access.read_text() and "[HTTP]" in log.read_text())
    assert "/json" not in (tmp_path / "access.log.1").read_text()
    assert "/plaintext" not in access.read_text()


def test_sighup_without_logs_does_no_harm(httpd):
    server = httpd("--log", "none")
    for _ in range(3):
        server.signal(signal.SIGHUP)
        assert fetch(server.address, target="/plaintext").status == 200


def test_sighup_when_a_log_can_not_be_reopened(httpd, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    server = httpd("--log", logs / "httpd.log", "--access-log", logs / "access.log")
    os.rename(logs, tmp_path / "gone")
    server.signal(signal.SIGHUP)
    for _ in range(10):
        assert fetch(server.address, target="/plaintext").status == 200


def test_full_disk_under_the_log(httpd):
    server = httpd("--log", "/dev/full", "--log-level", "debug", "--access-log", "/dev/full")
    for _ in range(50):
        talk(server)


def test_log_that_no_one_reads_holds_up_no_one(httpd):
    """A pipe that is full: lines are dropped and counted, requests go on."""
    reader, writer = os.pipe()
    try:
        server = httpd("--log", "-", "--log-level", "debug", "--access-log", "-", stdout=writer,
                       stderr=writer)
        with Connection(server.address) as connection:
            for _ in range(30):
                connection.send(request(target="/plaintext") * 200)
                for _ in range(200):
                    assert connection.read_response().status == 200
        server.stop()
    finally:
        os.close(reader)
        os.close(writer)


def test_log_reader_that_goes_away(httpd):
    reader, writer = os.pipe()
    server = httpd("--log", "-", "--log-level", "debug", stdout=writer, stderr=writer)
    os.close(writer)
    os.close(reader)
    for _ in range(20):
        talk(server)


# Kernels that lack something

def seccomp_works():
    try:
        result = subprocess.run(["true"], preexec_fn=kernel.deny({9999: errno.EPERM}), check=False)
        return result.returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


needs_seccomp = pytest.mark.skipif(not seccomp_works(), reason="no seccomp filters here")
ERRORS = {"ENOSYS": errno.ENOSYS, "EPERM": errno.EPERM}


def refused(launch, tmp_path, refusals):
    """Starts with those system calls refused; returns the server and what it logged."""
    log = tmp_path / "httpd.log"
    server = launch("--log", log, steps=[kernel.deny(refusals)])
    assert fetch(server.address, target="/plaintext").status == 200
    wait_until(log.read_text)
    return status(server.address)["backend"], log.read_text()


@needs_seccomp
@pytest.mark.parametrize("error", ERRORS)
def test_auto_without_io_uring(launch, tmp_path, error):
    backend, text = refused(launch, tmp_path, {kernel.IO_URING_SETUP: ERRORS[error]})
    assert backend == "epoll"
    lines = [line for line in text.splitlines() if "uring" in line]
    assert len(lines) >= 1, text


@needs_seccomp
def test_reasons_are_told_apart(launch, tmp_path):
    lines = []
    for number in ERRORS.values():
        _, text = refused(launch, tmp_path, {kernel.IO_URING_SETUP: number})
        lines.append([line for line in text.splitlines() if "uring" in line][0])
        (tmp_path / "httpd.log").unlink()
    assert lines[0].split("uring", 1)[1] != lines[1].split("uring", 1)[1]


@needs_seccomp
def test_auto_without_io_uring_and_epoll(launch, tmp_path):
    backend, text = refused(launch, tmp_path, {kernel.IO_URING_SETUP: errno.ENOSYS,
                                               kernel.EPOLL_CREATE1: errno.ENOSYS})
    assert backend == "poll"
    assert "uring" in text and "epoll" in text


@needs_seccomp
def test_auto_where_io_uring_lacks_a_feature(launch, tmp_path):
    """As on an old kernel: rings can be made, but buffer rings can't be registered."""
    backend, text = refused(launch, tmp_path, {kernel.IO_URING_REGISTER: errno.EINVAL})
    assert backend in ("uring", "epoll")
    assert backend == "uring" or "uring" in text


@needs_seccomp
@pytest.mark.parametrize("error", ERRORS)
def test_uring_that_is_asked_for_and_refused(error):
    result = run("--backend", "uring", "-b", "127.0.0.1", "-p", free_port(),
                 preexec_fn=kernel.deny({kernel.IO_URING_SETUP: ERRORS[error]}))
    assert_one_clear_line(result, "uring")


@needs_seccomp
def test_epoll_that_is_asked_for_and_refused():
    result = run("--backend", "epoll", "-b", "127.0.0.1", "-p", free_port(),
                 preexec_fn=kernel.deny({kernel.EPOLL_CREATE1: errno.EPERM}))
    assert_one_clear_line(result, "epoll")


def test_auto_takes_the_best(launch, tmp_path):
    log = tmp_path / "httpd.log"
    server = launch("--backend", "auto", "--log", log)
    expected = "epoll" if kernel.io_uring_refusal() else "uring"
    assert status(server.address)["backend"] == expected
    wait_until(lambda: f"backend {expected}, the fastest of those that work here" in
               log.read_text())


# Start and size

SIZES = [("build/httpd", 32768), ("build/aarch64/httpd", 40960)]


@pytest.mark.parametrize("name,limit", SIZES)
def test_size_of_the_program(name, limit):
    if os.uname().machine != "x86_64":
        pytest.skip("the sizes are those of builds on x86-64")
    assert (ROOT / name).stat().st_size <= limit


@pytest.mark.parametrize("name,limit", SIZES)
def test_program_needs_no_library(name, limit):
    if not (ROOT / name).exists():
        pytest.skip(f"no {name}: built only across from x86-64")
    text = subprocess.run(["readelf", "-h", "-l", "-d", "-S", str(ROOT / name)], check=True,
                          capture_output=True, text=True).stdout
    assert re.search(r"Type: +DYN", text) and "RWE" not in text
    assert "NEEDED" not in text and "INTERP" not in text and "DYNAMIC" not in text
    assert "GNU_STACK" not in text or re.search(r"GNU_STACK.*\n?.*RW ", text)
