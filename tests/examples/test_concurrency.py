"""The examples of what tasks, fibers, threads and files do together, on each backend."""
import contextlib
import gzip
import http.server
import os
import re
import signal
import socket
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from bed import EXAMPLES, PATIENCE, Files, Lines, dial, exchange, run


def test_load_generator(backend, start):
    port = start("echo_async")
    done = run("load_generator", f"127.0.0.1:{port}", backend, 40, 2000, 2, 20)
    *pulses, last = done.stdout.splitlines()
    assert last == "40 connections, 0 failed" and len(pulses) == 2
    answers = sum(int(re.fullmatch(r"(\d+) answers, the slowest after \d+ us", pulse).group(1))
                  for pulse in pulses)
    assert 0 < answers <= 2 * 40 * 20, pulses  # 40 ticks each, with 20 permits


def test_load_generator_without_a_server(backend):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = run("load_generator", "127.0.0.1:%d" % closed.getsockname()[1], backend, 3,
                   check=False)
    assert done.returncode == 1
    assert done.stdout == "connection refused\n3 connections, 3 failed\n"


def test_port_check(backend):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        first, last = max(1, port - 500), min(65535, port + 500)
        done = run("port_check", backend, "127.0.0.1", first, last)
    *ports, one, other = done.stdout.splitlines()
    assert f"{port} is open" in ports
    counts = [re.fullmatch(rf"worker {number}: (\d+) ports, (\d+) open", line).groups()
              for number, line in enumerate((one, other))]
    assert sum(int(checked) for checked, _ in counts) == last - first + 1
    assert sum(int(found) for _, found in counts) == sum("is open" in line for line in ports)


def test_port_check_refuses():
    for arguments, message in (
            (("epoll", "nowhere", 1, 2), "nowhere: the caller broke the contract of this call\n"),
            (("epoll", "127.0.0.1", 2, 1), "FROM TO: the caller broke the contract of this call\n"),
            (("epoll", "127.0.0.1", 2), "usage: port_check BACKEND HOST FROM TO\n")):
        assert run("port_check", *arguments, check=False).stderr == message


def test_lockstep(start):
    port = start("lockstep", 3)
    for _ in range(2):  # one game after the other
        players = [Lines(port) for _ in range(3)]
        for turn in range(5):
            for number, player in enumerate(players):
                player.say(f"move {turn} of {number}")
            for player in players:
                assert [player.file.readline() for _ in players] == [
                    f"{number + 1}: move {turn} of {number}\n" for number in range(3)]
        players[0].say("the last")
        players[1].close()
        assert players[0].file.read() == players[2].file.read() == "The game is over.\n"
        players[0].close()
        players[2].close()


def test_factor(start):
    port = start("factor")
    slow, quick = Lines(port), Lines(port)
    slow.say("18446744073709551557")  # minutes of computing
    for number, factors in ((2, "2"), (91, "7 13"), (2 ** 63, "2 " * 62 + "2"), (97, "97"),
                            (65537 ** 2, "65537 65537"), (3 ** 40, "3 " * 39 + "3")):
        assert quick.ask(str(number)) == f"{number}: {factors}\n"
    for wrong in ("1", "", "x", "-5", "18446744073709551616", "7 "):
        assert quick.ask(wrong).startswith("not a number"), wrong
    assert exchange(dial(port), b"9" * 64) == b""  # as long as the buffer, and no end


def test_spell_server(start, tmp_path):
    words = tmp_path / "words"
    words.write_text("hello\nhelp\nyellow\nthe\n" + "".join(f"word{n}\n" for n in range(20000)))
    port = start("spell_server", words)
    questions = {"helo": "hello", "hello": "hello", "thee": "the", "yelow": "yellow",
                 "word1234x5": "word12345", "": "the", "Z" * 63: "hello"}
    with ThreadPoolExecutor(8) as clients:
        for _ in range(2):
            asked = list(questions) * 4
            answers = clients.map(lambda word: Lines(port).ask(word), asked)
            assert list(answers) == [questions[word] + "\n" for word in asked]
    reloader = Lines(port)
    words.write_text("aardvark\nhelp\n")
    assert reloader.ask("helo") == "hello\n"  # the old ones, until someone says so
    assert reloader.ask("RELOAD") == "2 words\n"
    assert reloader.ask("yelow") == "help\n"
    words.unlink()
    assert reloader.ask("RELOAD") == "no such file or directory\n"
    assert reloader.ask("yelow") == "help\n"
    words.write_text("")
    assert reloader.ask("RELOAD") == "0 words\n"
    assert reloader.ask("yelow") == "the name has no address\n"


def test_spell_server_reloads_once_at_a_time(start, tmp_path):
    words = tmp_path / "words"
    words.write_text("hello\n")
    port = start("spell_server", words)
    words.unlink()
    os.mkfifo(words)  # loading lasts until somebody writes to it
    first, second = Lines(port), Lines(port)
    first.say("RELOAD")
    with open(words, "w", encoding="utf-8") as writer:
        assert second.ask("RELOAD") == "in use\n"
        assert second.ask("helo") == "hello\n"
        writer.write("help\n")
    assert first.file.readline() == "1 words\n"
    assert second.ask("helo") == "help\n"


def test_spell_server_without_words():
    done = run("spell_server", "127.0.0.1:0", "poll", "/nowhere", check=False)
    assert (done.returncode, done.stderr) == (1, "/nowhere: no such file or directory\n")


@contextlib.contextmanager
def serving(name, backend, *arguments, ends_by=signal.SIGINT):
    """An example's process, and the port that it serves at."""
    with subprocess.Popen([EXAMPLES / name, "127.0.0.1:0", backend, *map(str, arguments)],
                          stdout=subprocess.PIPE, text=True) as process:
        yield process, int(process.stdout.readline().rpartition(":")[2])
        process.send_signal(ends_by)
        assert process.wait(PATIENCE) == (0 if ends_by == signal.SIGINT else -ends_by)


@pytest.fixture
def files():
    """The port of a server of such files."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def socks(backend):
    with serving("socks_server", backend) as proxy:
        yield proxy


def test_socks_server(socks, files):
    process, proxy = socks
    for option, name in (("--socks4", "127.0.0.1"), ("--socks4a", "localhost")):
        got = subprocess.run(["curl", "-sS", option, f"127.0.0.1:{proxy}",
                              f"http://{name}:{files}/500000"], capture_output=True,
                             timeout=PATIENCE, check=True)
        assert got.stdout == b"x" * 500000
    assert re.fullmatch(r"127.0.0.1:\d+: served, \d+ bytes up, 500\d\d\d down\n",
                        process.stdout.readline())
    assert process.stdout.readline().startswith("localhost: served, ")


def test_socks_server_passes_on_what_came_with_the_request(start, socks):
    _, proxy = socks
    port = start("echo_async")
    request = b"\4\1" + port.to_bytes(2, "big") + bytes((127, 0, 0, 1)) + b"user\0"
    for data in (b"", b"at once", bytes(range(256)) * 1000):
        answer = exchange(dial(proxy), request + data)
        assert answer == b"\0\x5a" + bytes(6) + data


def test_socks_server_refuses(socks):
    process, proxy = socks
    broke = "the peer broke the protocol"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1].to_bytes(2, "big")
        for request, message in (
                (b"\4\1" + port + b"\x7f\0\0\1\0", "connection refused"),
                (b"\4\1" + port + b"\0\0\0\1\0" + b"n" * 256 + b"\0", broke),
                (b"\4\1" + port + b"\0\0\0\1\0name", broke),
                (b"\4\2" + port + b"\x7f\0\0\1\0", broke), (b"\5\1\0", broke), (b"", broke)):
            assert exchange(dial(proxy), request) in (b"\0\x5b" + bytes(6), b"")
            assert f": {message}, 0 bytes up, 0 down\n" in process.stdout.readline()


def test_live_config(start, tmp_path):
    config = tmp_path / "config"
    config.write_text("one\n")
    port = start("live_config", config)
    clients = [Lines(port) for _ in range(5)]
    for client in clients:
        assert client.file.readline() == "one\n"
    clients.pop().close()
    for text in ("two\n", "three\n"):
        (tmp_path / "other").write_text("nobody is told of this one")
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").rename(config)
        for client in clients:
            assert client.file.readline() == text
    with Lines(port) as late:
        assert late.file.readline() == "three\n"
        late.say("")  # whoever says something has heard enough
        assert late.file.readline() == ""
    config.unlink()
    for client in clients:
        assert client.file.read() == ""
    assert Lines(port).file.read() == "three\n"  # the last version, then the end


def collected(directory):
    """All lines of all the files, the oldest first."""
    older = sorted(directory.glob("log.*.gz"), key=lambda path: -int(path.name.split(".")[1]))
    return b"".join([gzip.decompress(path.read_bytes()) for path in older]
                    + [(directory / "log").read_bytes()])


def wait_until_collected(directory, lines):
    until = time.monotonic() + PATIENCE
    found = None
    while found != lines:
        assert time.monotonic() < until, found
        time.sleep(0.005)
        with contextlib.suppress(OSError, EOFError, zlib.error):  # it is just being rotated
            found = collected(directory)


def test_log_collector(start, tmp_path):
    logs, lines = tmp_path / "logs", b"from before\n"
    logs.mkdir()
    (logs / "log").write_bytes(lines)
    port = start("log_collector", logs, 100, 50)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for number in range(40):
            sender.send(b"line %d\nof those that were sent" % number)
            lines += b"line %d of those that were sent\n" % number
            if number % 8 == 7:
                wait_until_collected(logs, lines)
        sender.send(b"x" * 3000)
        wait_until_collected(logs, lines + b"x" * 2048 + b"\n")
    assert (logs / "log.1.gz").exists()


def test_log_collector_keeps_so_many(start, tmp_path):
    logs = tmp_path / "logs"  # which it makes
    port = start("log_collector", logs, 1, 2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        until = time.monotonic() + PATIENCE
        for number in range(1000000):
            sender.send(b"%d" % number)
            time.sleep(0.005)
            names = {path.name for path in logs.iterdir()} if logs.exists() else set()
            if "log.2.gz" in names and number > 20:
                break
            assert time.monotonic() < until, names
    assert names <= {"log", "log.1", "log.1.gz", "log.2.gz"}


def test_log_collector_without_a_directory(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("log_collector", "127.0.0.1:0", "poll", tmp_path / "file", check=False)
    assert (done.returncode, done.stderr) == (1, f"{tmp_path}/file: not a directory\n")


def test_journal(backend, tmp_path):
    journal = tmp_path / "journal"
    with serving("journal", backend, journal, ends_by=signal.SIGKILL) as (_, port):
        clients = [Lines(port) for _ in range(8)]
        for number in range(80):
            clients[number % 8].say(f"SET key{number // 2} value{number}")
        for client in clients:
            assert [client.file.readline() for _ in range(10)] == ["saved\n"] * 10
        assert clients[0].ask("SET key0 last") == "saved\n"
        for wrong in ("", "SET", "SET key", "GET", "GET a b", "PUT key value"):
            assert clients[0].ask(wrong) == "SET key value, or GET key\n"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b"key1 half a li")
    with serving("journal", backend, journal, len(whole) + 14) as (_, port), Lines(port) as client:
        assert client.ask("GET key0") == "last\n"
        assert client.ask("GET nothing") == "\n"
        for number in range(1, 40):
            assert client.ask(f"GET key{number}") in (f"value{2 * number}\n",
                                                      f"value{2 * number + 1}\n")
        assert journal.read_bytes() == whole
        assert client.ask("SET key1 new") == "saved\n"
        assert client.ask("SET key1 newer") == "there is no room left\n"
        assert client.ask("GET key1") == "new\n"
    assert journal.read_bytes() == whole + b"key1 new\n"


def test_journal_is_bounded(start, tmp_path):
    journal = tmp_path / "journal"
    journal.write_text("".join(f"{number} x\n" for number in range(999)))
    with Lines(start("journal", journal)) as client:
        assert client.ask("SET 999 x") == "saved\n"
        assert client.ask("SET 1000 x") == "there is no room left\n"
        assert client.ask("GET 1000") == "\n"
        assert client.ask("SET 999 y") == "saved\n"


def test_journal_without_a_file(tmp_path):
    for path, message in ((tmp_path, "is a directory"), ("/no/such", "no such file or directory")):
        done = run("journal", "127.0.0.1:0", "poll", path, check=False)
        assert (done.returncode, done.stderr) == (1, f"{path}: {message}\n")
    (tmp_path / "large").write_bytes(b"x" * 101)
    done = run("journal", "127.0.0.1:0", "poll", tmp_path / "large", 100, check=False)
    assert (done.returncode, done.stderr) == (1, f"{tmp_path}/large: file too large\n")


def test_first_answer(backend, tmp_path, files):
    target = tmp_path / "got"
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        urls = [f"http://127.0.0.1:{port}/{length}" for port, length in (
            (silent.getsockname()[1], 1), (closed.getsockname()[1], 2), (files, 300000),
            (files, 300000))]
        done = run("first_answer", backend, target, *urls)
        loser, _ = silent.accept()
        with loser:
            assert b"GET /1 HTTP/1.1" in loser.makefile("rb").read()  # it was left
    assert target.read_bytes() == b"x" * 300000
    lines = done.stdout.splitlines()  # how many were asked is a matter of time
    assert f"{urls[0]}: canceled" in lines and f"{urls[2]}: came whole" in lines
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


def test_first_answer_is_nobody_s(backend, tmp_path, files):
    target = tmp_path / "got"
    target.write_text("an older one")
    url = f"http://127.0.0.1:{files}/"
    done = run("first_answer", backend, target, url + "9999999", url + "9999999", check=False)
    assert (done.returncode, target.read_text()) == (1, "an older one")
    assert done.stdout == f"{url}9999999: a limit was reached\n" * 2
    done = run("first_answer", backend, tmp_path / "none/x", url + "1", check=False)
    assert (done.returncode, done.stdout) == (1, f"{url}1: no such file or directory\n")
    done = run("first_answer", backend, target, *[url] * 9, check=False)
    assert (done.returncode, done.stderr) == (
        2, "usage: first_answer BACKEND FILE URL... (8 at most)\n")
