"""What wget does with what comes: attempts, parts, times, rates, disks that are full, signals."""
import os
import pty
import resource
import select
import shutil
import signal
import subprocess
import threading
import time

import pytest

from origin import file_server, response, saying
from server import wait_until

BODY = bytes(range(256)) * 4096  # 1 MiB
TAG = '"v1"'


def cut(count, body=BODY, **fields):
    """Breaks off in the middle of the first `count` responses, 300,000 bytes each."""
    whole = file_server(body, **fields)
    left = [count]

    class Short:
        def __init__(self, connection):
            self.connection = connection

        def sendall(self, data):
            head, content = data.split(b"\r\n\r\n", 1)
            self.connection.sendall(head + b"\r\n\r\n" + content[:300_000])
            self.connection.close()

    def answer(connection, request):
        left[0] -= 1
        return whole(Short(connection) if left[0] >= 0 else connection, request)
    return answer


# ---- Attempts ------------------------------------------------------------------------------------

def test_goes_on_after_a_break(wget, origin):
    server = origin(cut(1, ETag=TAG))
    wget("-q", server.url())
    assert wget.files() == {"file": BODY}
    heads = [head.split("\r\n") for head in server.requests]
    assert len(heads) == 2
    assert "Range: bytes=300000-" in heads[1] and f"If-Range: {TAG}" in heads[1]


def test_starts_over_when_it_changed(wget, origin):
    answers = [cut(1, b"o" * 1_000_000, ETag='"old"'), file_server(BODY, ETag=TAG)]

    def answer(connection, request):
        return (answers.pop(0) if len(answers) > 1 else answers[0])(connection, request)
    wget("-q", origin(answer).url())
    assert wget.files() == {"file": BODY}


def cut_once():
    """All of it, without ranges; but the first time only a part, and then the end."""
    count = [0]

    def answer(connection, request):
        count[0] += 1
        connection.sendall(response(BODY)[:500_000 if count[0] == 1 else None])
        if count[0] == 1:
            connection.close()
    return answer


def test_starts_over_without_ranges(wget, origin):
    wget("-q", origin(cut_once()).url())
    assert wget.files() == {"file": BODY}


def test_standard_output_has_all_once(wget, origin):
    """It can't go back there: what comes twice is dropped."""
    assert wget("-qO-", origin(cut_once()).url()).stdout == BODY


def test_standard_output_is_of_one_content(wget, origin):
    """What was written there can't be taken back, and the rest of something else isn't put behind
    it."""
    answers = [cut(1, b"o" * 1_000_000, ETag='"old"'), file_server(BODY, ETag=TAG)]

    def answer(connection, request):
        return (answers.pop(0) if len(answers) > 1 else answers[0])(connection, request)
    server = origin(answer)
    result = wget("-qO-", server.url(), code=7)
    assert 'If-Range: "old"' in server.requests[1]
    assert result.stdout == b"o" * len(result.stdout) and "changed" in result.lines[0]


@pytest.mark.parametrize("method, requests", [("POST", 1), ("PATCH", 1), ("PUT", 2)])
def test_what_may_not_be_done_twice(wget, origin, method, requests):
    """The server may have done it before it broke off (RFC 9110, section 9.2.2)."""
    server = origin(saying(b""))
    wget("-q", "--tries", 2, "--method", method, "--body-data", "x", server.url(), code=4)
    assert len(server.requests) == requests


def test_what_a_redirect_made_a_get_of(wget, origin):
    other = origin(saying(b""))
    server = origin(saying(response(b"", "303 See Other", Location=other.url())))
    wget("-q", "--tries", 2, "--body-data", "x", server.url(), code=4)
    assert len(server.requests) == 1


def test_gives_up_after_so_many(wget, origin):
    server = origin(saying(b""))
    result = wget("--tries", 2, server.url(), code=4)
    assert len(server.requests) == 2
    assert sum("follows" in line for line in result.lines) == 1
    assert wget.files() == {}


@pytest.mark.parametrize("status", ["404 Not Found", "503 Service Unavailable"])
def test_no_second_attempt_for_an_answer(wget, origin, status):
    server = origin(saying(response(b"", status)))
    wget("-q", server.url(), code=8)
    assert len(server.requests) == 1


def test_timeout(wget, origin):
    def answer(connection, request):
        connection.sendall(response(BODY)[:5000])
    wget.fails(4, "-q", "-T", 1, "--tries", 1, origin(answer).url(), word="in time")


# ---- Parts ---------------------------------------------------------------------------------------

def attributes_work(place):
    try:
        probe = place / "probe"
        probe.write_bytes(b"")
        os.setxattr(probe, "user.wget.validator", b"x")
        return True
    except OSError:
        return False
    finally:
        probe.unlink()


def test_part_is_kept_and_gone_on_with(wget, origin):
    server = origin(cut(1, ETag=TAG))
    wget("-q", "-c", "--tries", 1, server.url(), code=4)
    assert wget.files() == {"file.part": BODY[:300_000]}
    wget("-q", "-c", server.url())
    assert wget.files() == {"file": BODY}
    assert "Range: bytes=300000-" in server.requests[1]
    if attributes_work(wget.place):
        assert f"If-Range: {TAG}" in server.requests[1]
        assert "user.wget.validator" not in os.listxattr(wget.place / "file")


def test_part_of_something_else_is_dropped(wget, origin):
    if not attributes_work(wget.place):
        pytest.skip("the file system has no attributes")
    first = origin(cut(1, b"o" * 1_000_000, ETag='"old"'))
    wget("-q", "-c", "--tries", 1, first.url(), code=4)
    second = origin(file_server(BODY, ETag=TAG))
    wget("-q", "-c", second.url())
    assert wget.files() == {"file": BODY}


def test_part_that_is_older_than_the_file(wget, origin):
    """No validator is known, but the dates tell."""
    (wget.place / "file.part").write_bytes(b"o" * 1000)
    os.utime(wget.place / "file.part", (1_000_000_000, 1_000_000_000))
    server = origin(file_server(BODY, Last_Modified="Sun, 13 Sep 2020 12:26:40 GMT"))
    wget("-q", "-c", server.url())
    assert wget.files() == {"file": BODY}
    assert len(server.requests) == 2


def test_part_that_is_all(wget, origin):
    (wget.place / "file.part").write_bytes(BODY)
    wget("-q", "-c", origin(file_server(BODY)).url())
    assert wget.files() == {"file": BODY}


def test_part_that_is_too_long(wget, origin):
    (wget.place / "file.part").write_bytes(BODY + b"more")
    wget("-q", "-c", origin(file_server(BODY)).url())
    assert wget.files() == {"file": BODY}


def test_file_that_is_longer(wget, origin):
    (wget.place / "file").write_bytes(BODY + b"mine")
    wget.fails(8, "-q", "-c", origin(file_server(BODY)).url(), word="longer")


def test_server_without_ranges(wget, origin):
    def answer(connection, request):
        connection.sendall(response(BODY))
    (wget.place / "file.part").write_bytes(b"o" * 1000)
    wget("-q", "-c", origin(answer).url())
    assert wget.files() == {"file": BODY}


@pytest.mark.parametrize("content_range", ["bytes 0-1048575/1048576", "bytes 11-1048575/1048576",
                                           "bytes 10-5/1048576", "lines 10-20/30", "", None])
def test_wrong_part(wget, origin, content_range):
    fields = {} if content_range is None else {"Content_Range": content_range}
    server = origin(saying(response(BODY[10:], "206 Partial Content", **fields)))
    (wget.place / "file.part").write_bytes(BODY[:10])
    wget.fails(7, "-q", "-c", server.url(), word="206")


def test_part_of_another_length_than_its_range(wget, origin):
    server = origin(saying(response(BODY[10:50], "206 Partial Content",
                                    Content_Range="bytes 10-1048575/1048576")))
    (wget.place / "file.part").write_bytes(BODY[:10])
    wget.fails(7, "-q", "-c", server.url(), word="contradicts")


def test_part_that_goes_on_behind_its_range(wget, origin):
    rest = BODY[10:] + b"more"
    server = origin(saying(response(f"{len(rest):x}\r\n".encode() + rest + b"\r\n0\r\n\r\n",
                                    "206 Partial Content", Content_Length=None,
                                    Content_Range="bytes 10-1048575/1048576",
                                    Transfer_Encoding="chunked")))
    (wget.place / "file.part").write_bytes(BODY[:10])
    result = wget("-q", "-c", server.url(), code=7)
    assert "more than it announced" in result.lines[0]
    assert "file" not in wget.files()


def test_part_in_use(wget, origin):
    import fcntl
    with open(wget.place / "file.part", "wb") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        wget.fails(3, "-q", "-c", origin(file_server(BODY)).url(), word="in use")


def test_part_that_is_a_link(wget, origin, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (wget.place / "file.part").symlink_to(tmp_path / "elsewhere")
    result = wget("-q", "-c", origin(file_server(BODY)).url(), code=3)
    assert len(result.lines) == 1
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"


def test_file_that_is_a_link(wget, origin, tmp_path):
    (tmp_path / "elsewhere").write_bytes(BODY[:1000])
    (wget.place / "file").symlink_to(tmp_path / "elsewhere")
    wget.fails(3, "-q", "-c", origin(file_server(BODY)).url(), word="symbolic links")
    assert (wget.place / "file").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == BODY[:1000]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_name_that_is_no_file(wget, origin, make):
    """What the URL is called is no reason to write there."""
    make(wget.place / "file")
    server = origin(file_server(BODY))
    wget("-q", server.url())
    assert (wget.place / "file.1").read_bytes() == BODY
    assert "exists already" in wget("-q", "-c", server.url(), code=3).lines[0]


# ---- Times ---------------------------------------------------------------------------------------

def test_server_that_ignores_dates(wget, origin):
    """A date that is no newer and the same length: it isn't fetched again."""
    date = "Sun, 13 Sep 2020 12:26:40 GMT"
    server = origin(file_server(BODY, Last_Modified=date))
    wget("-q", "-N", server.url())
    wget("-q", "-N", server.url())
    assert f"If-Modified-Since: {date}" in server.requests[1]
    assert int((wget.place / "file").stat().st_mtime) == 1_600_000_000
    (wget.place / "file").write_bytes(b"short")
    os.utime(wget.place / "file", (1_600_000_000, 1_600_000_000))
    wget("-q", "-N", server.url())
    assert wget.files() == {"file": BODY}


def test_dates_that_are_none(wget, origin):
    wget("-q", "-N", origin(file_server(BODY, Last_Modified="yesterday")).url())
    assert time.time() - (wget.place / "file").stat().st_mtime < 1000


# ---- Rates and what is shown ---------------------------------------------------------------------

def test_limit_rate(wget, origin):
    """100,000 bytes at 200,000 a second: never in less than about half a second."""
    server = origin(file_server(BODY[:100_000]))
    began = time.monotonic()
    wget("-q", "--limit-rate", "200000", server.url())
    assert time.monotonic() - began > 0.45
    assert wget.files() == {"file": BODY[:100_000]}


def test_plain_lines(wget, origin):
    result = wget(origin(file_server(BODY, Content_Type="a/b")).url())
    assert len(result.lines) == 2, result.lines
    assert "200 OK, 1.0 MiB, a/b" in result.lines[0]
    assert result.lines[1].startswith("saved 'file', 1048576 bytes in ")
    assert b"\r" not in result.stderr and b"\033" not in result.stderr


def test_quiet(wget, origin):
    assert wget("-q", origin(file_server(BODY)).url()).stderr == b""


def test_no_controls_from_the_server(wget, origin):
    fields = {"X": "a\tb", "Y": "\x9b31m", "Z": "\xc2\x9b31m", "Known": "\xc3\x9b"}
    result = wget("-S", origin(saying(response(b"", "404 No\tno", **fields))).url(), code=8)
    assert b"404 No?no" in result.stderr and b"X: a?b" in result.stderr
    assert not any(byte < 32 and byte != 10 for byte in result.stderr)
    assert b"Y: ?31m" in result.stderr and b"Z: \xc2?31m" in result.stderr
    assert b"Known: \xc3\x9b" in result.stderr


def test_bar(wget, origin):
    """On a terminal: a bar that fits its width, also after that has changed."""
    go = threading.Event()

    def answer(connection, request):
        connection.sendall(response(BODY)[:600_000])
        go.wait(30)
        connection.sendall(response(BODY)[600_000:])
    master, slave = pty.openpty()
    seen = b""

    def read_until(word):
        nonlocal seen
        def found():
            nonlocal seen
            assert process.poll() is None, seen
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 65536)
            return word in seen
        wait_until(found, pause=0)
    with_size(slave, 100)
    process = wget.start(origin(answer).url("/fi%C2%9Ble"), stderr=slave)
    read_until(b"57%")
    assert b"\x9b" not in seen and b"fi\xc2?le" in seen
    bar = seen.split(b"\r")[-1].split(b"\033")[0] or seen.split(b"\r")[-2].split(b"\033")[0]
    assert b"[=" in bar and b"KiB" in bar and len(bar) <= 100
    with_size(slave, 50)
    process.send_signal(signal.SIGWINCH)
    seen = b""
    read_until(b"57%")
    seen = b""
    read_until(b"57%")
    assert len(seen.split(b"\r")[-1].split(b"\033")[0]) <= 50
    go.set()
    assert process.wait(30) == 0
    os.close(slave)
    os.close(master)
    assert wget.files() == {"fi\x9ble": BODY}


def with_size(terminal, columns):
    import fcntl
    import struct
    import termios
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


# ---- Disks, directories, signals -----------------------------------------------------------------

def test_full_device(wget, origin):
    wget.fails(3, "-q", "-O", "/dev/full", origin(file_server(BODY)).url(), word="no space left")


def test_full_disk(wget, origin, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.getuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], check=False,
            capture_output=True).returncode:
        pytest.skip("mounting is not permitted")
    try:
        (disk / "file").write_bytes(b"precious")
        for arguments in (["-O", disk / "file"], ["-O", disk / "new"]):
            result = wget("-q", *arguments, origin(file_server(BODY)).url(), code=3)
            assert len(result.lines) == 1 and "no space left" in result.lines[0]
        assert {path.name: path.read_bytes() for path in disk.iterdir()} == {"file": b"precious"}
        wget("-q", "-c", "-O", disk / "part", origin(file_server(BODY)).url(), code=3)
        kept = (disk / "part.part").read_bytes()
        assert kept and BODY.startswith(kept)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_file_that_may_not_grow(wget, origin):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    (wget.place / "file").write_bytes(b"precious")
    wget.fails(3, "-q", "-O", "file", origin(file_server(BODY)).url(), word="too large",
               preexec_fn=limit)


@pytest.mark.parametrize("reader", ["stopped", "late"])
def test_output_that_is_stuck(wget, origin, reader):
    """One goes to a pipe that nobody empties, or even opens: the others don't wait for it."""
    pipe = wget.place / "pipe"
    os.mkfifo(pipe)
    server = origin(file_server(BODY))
    others = [f"file{number}" for number in range(5)]
    # It may not be opened for writing before there is a reader: no waiting for that here.
    stopped = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK) if reader == "stopped" else -1
    process = wget.start("-q", "-N", "-j", "2", server.url("/pipe"),
                         *(server.url(f"/{name}") for name in others))
    wait_until(lambda: all((wget.place / name).exists() for name in others))
    assert process.poll() is None
    if stopped < 0:
        stopped = os.open(pipe, os.O_RDONLY)
    os.set_blocking(stopped, True)
    with os.fdopen(stopped, "rb") as stream:
        assert stream.read() == BODY
    assert process.wait(30) == 0
    pipe.unlink()
    assert wget.files() == dict.fromkeys(others, BODY)


def test_missing_directory(wget, origin):
    wget.fails(3, "-q", "-O", "missing/file", origin(file_server(BODY)).url(), word="no such file")


def test_directory_as_the_file(wget, origin, tmp_path):
    (tmp_path / "dir").mkdir()
    for name in (f"{tmp_path}/dir", f"{tmp_path}/dir/"):
        wget.fails(3, "-q", "-O", name, origin(file_server(BODY)).url(), word="is a directory")


def half(go):
    def answer(connection, request):
        first = request.range() or 0
        connection.sendall(response(BODY)[:600_000])
        go.wait(30)
        connection.sendall(response(BODY)[600_000:])
    return answer


def temporary(place):
    return [path for path in place.iterdir() if path.name.startswith(".wget-")]


def test_vanished_directory(wget, origin, tmp_path):
    go = threading.Event()
    place = tmp_path / "gone"
    place.mkdir()
    process = wget.start("-q", "-O", f"{place}/file", origin(half(go)).url(),
                         stderr=subprocess.PIPE)
    wait_until(lambda: temporary(place))
    shutil.rmtree(place)
    go.set()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 3
    assert errors.count(b"\n") == 1 and b"no such file" in errors
    assert not place.exists()


def test_moved_directory(wget, origin, tmp_path):
    """The file goes where its directory went."""
    go = threading.Event()
    place = tmp_path / "before"
    place.mkdir()
    process = wget.start("-q", "-O", f"{place}/file", origin(half(go)).url())
    wait_until(lambda: temporary(place))
    place.rename(tmp_path / "after")
    go.set()
    assert process.wait(30) == 0
    assert [path.name for path in (tmp_path / "after").iterdir()] == ["file"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(wget, origin, number):
    go = threading.Event()
    server = origin(half(go))
    (wget.place / "file").write_bytes(b"precious")
    process = wget.start("-q", "-O", "file", server.url(), stderr=subprocess.PIPE)
    wait_until(lambda: temporary(wget.place))
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    go.set()
    assert process.returncode == -number
    assert errors == b"wget: interrupted\n"
    assert wget.files() == {"file": b"precious"}


def test_interrupted_part_stays(wget, origin):
    go = threading.Event()
    process = wget.start("-q", "-c", origin(half(go)).url(), stderr=subprocess.PIPE)
    part = wget.place / "file.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 500_000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    go.set()
    assert set(wget.files()) == {"file.part"}
    assert BODY.startswith(part.read_bytes())
    wget("-q", "-c", origin(file_server(BODY)).url())
    assert wget.files() == {"file": BODY}


def test_interrupted_between_attempts(wget, origin):
    server = origin(saying(b""))
    process = wget.start("-q", "--waitretry", "100", server.url(), stderr=subprocess.PIPE)
    wait_until(lambda: len(server.requests) >= 2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (-signal.SIGINT, b"wget: interrupted\n")


def test_interrupted_with_many_at_once(wget, origin):
    go = threading.Event()
    server = origin(half(go))
    process = wget.start("-q", "-j", "8", *[server.url()] * 20, stderr=subprocess.PIPE)
    wait_until(lambda: len(temporary(wget.place)) == 8)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    go.set()
    assert (process.returncode, errors) == (-signal.SIGINT, b"wget: interrupted\n")
    assert wget.files() == {}


def test_ignored_hangup(wget, origin):
    """As under nohup(1)."""
    go = threading.Event()
    process = wget.start("-q", origin(half(go)).url(),
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_until(lambda: temporary(wget.place))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    go.set()
    assert process.wait(30) == 0
    assert wget.files() == {"file": BODY}


def test_reader_that_is_gone(wget, origin):
    """wget -O- | head -c 1"""
    process = wget.start("-qO-", origin(file_server(BODY * 8)).url(), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(30) == 3
    assert process.stderr.read().count(b"\n") == 1
    process.stderr.close()
