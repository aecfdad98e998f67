"""The load generator and the floor programs: what one counts, the other must have seen."""
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import threading

import pytest

from client import accept_key, fetch, status, total
from conftest import URING_REFUSAL
from server import HUNG, ROOT, become_nobody, free_port, wait_until

BENCH = str(ROOT / "build/runnel-bench")
FLOORS = ["epoll", pytest.param("uring", marks=pytest.mark.skipif(
    URING_REFUSAL is not None, reason=URING_REFUSAL or ""))]
MESSAGES = [["--message", "20"], ["--message", "16384"], ["--message", "125", "--pipeline", "7"],
            ["--message", "126", "--text"], ["--message", "65000"], ["--message", "0"],
            ["--message", "20000", "--pipeline", "20"]]


def words(values):
    return " ".join(map(str, values)) or "none"


def bench(*arguments, **options):
    return subprocess.run([BENCH, *map(str, arguments)], capture_output=True, text=True,
                          timeout=HUNG, check=False, **options)


def measured(*arguments):
    """Runs it to its end without an error, and returns what it reports."""
    done = bench("--json", "--duration", 30, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def clean(*arguments, requests=1000):
    figures = measured("--requests", requests, *arguments)
    assert figures["requests"] == requests
    assert figures["errors"] == figures["connect_errors"] == figures["unanswered"] == 0
    latency = figures["latency_us"]
    order = [latency[name] for name in ("p50", "p90", "p99", "p999", "max")]
    assert 0 < order[0] and order == sorted(order) and latency["mean"] <= latency["max"]
    return figures


@pytest.fixture
def floor():
    """Starts a floor program; SIGTERM must end each with 0, and free its port at once."""
    started = []

    def start(name, *arguments, port=None):
        port = port or free_port()
        command = [str(ROOT / f"build/bench/floor-{name}"), str(port), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert f"listening on 127.0.0.1:{port}" in process.stdout.readline()
        return port, process

    yield start
    for process in started:
        process.terminate()
        code = process.wait(HUNG)
        process.stdout.close()
        assert code == 0


@pytest.fixture
def scripted():
    """A server of which each connection is handled by a function of the test."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threads = []

    def serve(handle):
        def accept():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    try:
                        handle(peer)
                    except OSError:
                        pass
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield serve
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(10)


def answering(*replies):
    """Handles a connection by these replies, the last one again and again."""
    def handle(peer):
        sent = 0
        while peer.recv(65536):
            peer.sendall(replies[min(sent, len(replies) - 1)])
            sent += 1
    return handle


def counted(server, name, *arguments):
    """What the server counted while the load ran, less the request that asks for it."""
    before = total(status(server.address), name)
    clean(*arguments)
    return total(status(server.address), name) - before


@pytest.mark.parametrize("shape", [
    [], ["--connections", 1], ["--pipeline", 16], ["--pipeline", 7, "--connections", 3],
    ["--close"], ["--rate", 5000], ["--rate", 5000, "--close"], ["--spin"]], ids=words)
def test_http_requests_are_those_that_the_server_counted(httpd, shape):
    server = httpd()
    url = f"http://127.0.0.1:{server.port}/plaintext"
    assert counted(server, "requests", *shape, url) == 1000 + 1


def test_a_connection_for_each_request(httpd):
    server = httpd()
    url = f"http://127.0.0.1:{server.port}/plaintext"
    assert counted(server, "accepted", "--close", url) == 1000 + 1


@pytest.mark.parametrize("message", MESSAGES, ids=words)
def test_ws_messages_are_those_that_the_server_counted(httpd, message):
    server = httpd("--ws-echo", "/echo")
    url = f"ws://127.0.0.1:{server.port}/echo"
    assert counted(server, "messages", "--connections", 10, *message, url) == 1000


@pytest.mark.parametrize("scheme, path", [("http", "/plaintext"), ("ws", "/echo")])
def test_idle_connections_are_held(httpd, scheme, path):
    server = httpd("--ws-echo", "/echo")
    url = f"{scheme}://127.0.0.1:{server.port}{path}"
    command = [BENCH, "--connections", "0", "--idle", "300", "--hold", "50", "--json", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "holding 300\n"
        assert total(status(server.address), "connections") == 300 + 1
        process.send_signal(signal.SIGINT)
        figures = json.loads(process.communicate(timeout=HUNG)[0])
        assert process.returncode == 0
    assert figures["idle"] == 300 and figures["idle_lost"] == figures["requests"] == 0


def test_idle_connections_that_the_server_closes_are_seen(httpd):
    server = httpd()
    command = [BENCH, "--connections", "0", "--idle", "20", "--hold", "50", "--json",
               f"http://127.0.0.1:{server.port}/plaintext"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "holding 20\n"
        server.stop()
        figures = json.loads(process.communicate(timeout=HUNG)[0])
    assert figures["idle"] == 0 and figures["idle_lost"] == 20
    assert figures["seconds"] < 50


def test_busy_ones_beside_idle_ones(httpd):
    server = httpd()
    url = f"http://127.0.0.1:{server.port}/plaintext"
    assert clean("--idle", 200, "--connections", 8, url)["idle"] == 200


def test_large_files_are_counted_whole(httpd, tmp_path):
    size = 5_000_000
    (tmp_path / "large.bin").write_bytes(os.urandom(size))
    server = httpd("-r", tmp_path)
    figures = clean("--connections", 4, f"http://127.0.0.1:{server.port}/large.bin", requests=40)
    assert 40 * size < figures["bytes"] < 40 * (size + 1000)


def test_the_time_of_the_server_is_reported(httpd):
    server = httpd()
    figures = clean("--server-pid", server.pid, f"http://127.0.0.1:{server.port}/plaintext")
    assert figures["server_cpu_us_per_request"] == pytest.approx(
        figures["server_cpu_seconds"] * 1e6 / figures["requests"], rel=0.01)
    assert figures["server_cpu_seconds"] > 0 and figures["cpu_seconds"] > 0


def test_sigint_ends_early_with_what_was_measured(httpd):
    server = httpd()
    url = f"http://127.0.0.1:{server.port}/plaintext"
    with subprocess.Popen([BENCH, "--json", "--duration", "50", url], stdout=subprocess.PIPE,
                          text=True) as process:
        wait_until(lambda: total(status(server.address), "requests") > 1000)
        process.send_signal(signal.SIGINT)
        figures = json.loads(process.communicate(timeout=HUNG)[0])
        assert process.returncode == 0
    assert figures["requests"] > 0 and figures["seconds"] < 50


def test_text_names_the_figures(httpd):
    server = httpd()
    done = bench("--requests", 100, "--idle", 3, f"http://127.0.0.1:{server.port}/plaintext")
    assert done.returncode == 0
    for word in ("requests    100,", "errors      0", "99.9 %", "3 open", "load's CPU"):
        assert word in done.stdout


@pytest.mark.parametrize("kind", FLOORS)
def test_floor_replies_as_httpd(launch, floor, kind):
    """As many bytes on the wire, in the same fields, as what it is held against."""
    port, _ = floor(f"http-{kind}")
    server = launch()
    ours = fetch(server.address, target="/plaintext")
    theirs = fetch(("127.0.0.1", port), target="/plaintext")
    assert theirs.body == ours.body
    fields = [(name, value) for name, value in ours.headers if name.lower() != "connection"]
    assert [name for name, _ in theirs.headers] == [name for name, _ in fields]
    assert [len(value) for _, value in theirs.headers] == [len(value) for _, value in fields]


@pytest.mark.parametrize("kind", FLOORS)
@pytest.mark.parametrize("shape", [[], ["--pipeline", 16], ["--pipeline", 300], ["--close"]],
                         ids=words)
@pytest.mark.parametrize("body", [13, 1024, 100_000])
def test_floor_http(floor, kind, shape, body):
    closes = ["--close"] if "--close" in shape else []
    port, _ = floor(f"http-{kind}", "--body", body, *closes)
    figures = clean("--connections", 20, *shape, f"http://127.0.0.1:{port}/")
    assert figures["bytes"] >= 1000 * (body + 100)
    clean("--connections", 20, *shape, f"http://127.0.0.1:{port}/", requests=500)


@pytest.mark.parametrize("kind", FLOORS)
@pytest.mark.parametrize("flags", [[], ["--send", "copy"], ["--close"],
                                   ["--send", "copy", "--close"]], ids=words)
@pytest.mark.parametrize("size", [1024, 102_400, 3_000_000])
def test_floor_file(floor, tmp_path, kind, flags, size):
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    port, _ = floor(f"http-{kind}", "--file", tmp_path / "file", *flags)
    assert fetch(("127.0.0.1", port)).body == content
    shape = ["--close"] if "--close" in flags else []
    clean("--connections", 20, *shape, f"http://127.0.0.1:{port}/", requests=200)


@pytest.mark.parametrize("kind", FLOORS)
@pytest.mark.parametrize("message", MESSAGES, ids=words)
def test_floor_ws(floor, kind, message):
    port, _ = floor(f"ws-{kind}")
    clean("--connections", 20, *message, f"ws://127.0.0.1:{port}/")


@pytest.mark.parametrize("mode", ["recvmmsg", "gro", *FLOORS[1:]])
@pytest.mark.parametrize("shape", [[], ["--message", 8], ["--message", 1400, "--pipeline", 8],
                                   ["--gso", "--message", 100, "--pipeline", 32]],
                         ids=words)
def test_floor_udp(floor, mode, shape):
    port, _ = floor("udp", "--mode", mode)
    clean("--connections", 10, *shape, f"udp://127.0.0.1:{port}")


@pytest.mark.parametrize("kind", FLOORS)
def test_floor_port_is_free_at_once(floor, kind):
    """Also while connections are open, and while a datagram is waited for."""
    port = None
    for _ in range(5):
        port, process = floor(f"http-{kind}", port=port)
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                peer = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert peer.recv(1000)
            process.terminate()
            assert process.wait(HUNG) == 0
    for _ in range(20):
        _, process = floor("udp", "--mode", "recvmmsg" if kind == "epoll" else kind, port=port)
        process.terminate()
        assert process.wait(HUNG) == 0


@pytest.mark.parametrize("arguments", [
    ["http-epoll"], ["http-epoll", "x"], ["http-epoll", "70000"], ["http-epoll", "80", "81"],
    ["http-epoll", "80", "--mode", "gro"], ["http-uring", "80", "--send", "mail"],
    ["ws-epoll", "80", "--body", "3"], ["udp", "80", "--mode", "tcp"]], ids=words)
def test_floor_wrong_flag(arguments):
    done = subprocess.run([str(ROOT / f"build/bench/floor-{arguments[0]}"), *arguments[1:]],
                          capture_output=True, text=True, timeout=HUNG, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"])
def test_other_statuses_are_errors(scripted, reply):
    figures = measured("--connections", 1, "--requests", 10, scripted(answering(reply)))
    assert figures["requests"] == figures["errors"] == 10


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 None\r\n\r\n"])
def test_other_forms_of_success(scripted, reply):
    clean("--connections", 1, scripted(answering(reply)), requests=10)


def test_a_body_until_the_end(scripted):
    def handle(peer):
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    clean("--connections", 1, scripted(handle), requests=10)


def test_what_breaks_off_is_an_error(scripted):
    def handle(peer):
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all")
    figures = bench("--json", "--connections", 1, "--requests", 10, scripted(handle))
    assert figures.returncode == 1 and "no request was answered" in figures.stderr
    assert json.loads(figures.stdout)["errors"] == 10
    assert json.loads(figures.stdout)["latency_us"] is None


def test_what_is_not_http_is_an_error(scripted):
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    figures = measured("--connections", 1, "--requests", 10,
                       scripted(answering(good, good, b"nonsense\r\n\r\n")))
    assert figures["errors"] == 3 and figures["requests"] == 7


def test_a_close_that_is_announced_is_no_error(scripted):
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def handle(peer):
        peer.recv(65536)
        peer.sendall(reply)
    clean("--connections", 1, scripted(handle), requests=10)


def ws_server(spoil):
    """Echoes messages of 20 bytes, after spoil(frame) has had its way with the server's frame."""
    def handle(peer):
        request = peer.recv(65536)
        key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        accept = accept_key(key.decode()).encode()
        peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while frame := peer.recv(65536):
            payload = bytes(byte ^ frame[2 + at % 4] for at, byte in enumerate(frame[6:26]))
            peer.sendall(spoil(frame[:1], payload))
    return handle


def test_a_fragmented_echo_is_right(scripted):
    url = scripted(ws_server(lambda kind, payload: bytes([kind[0] & 0x7F, 5]) + payload[:5] +
                             b"\x89\x02hi" + bytes([0x80, 15]) + payload[5:]))
    clean("--ws", "--connections", 1, url, requests=1)


@pytest.mark.parametrize("spoil", [
    lambda kind, payload: kind + bytes([19]) + payload[:19],
    lambda kind, payload: kind + bytes([21]) + payload + b"x",
    lambda kind, payload: kind + bytes([20]) + payload[:19] + b"?",
    lambda kind, payload: b"\x81" + bytes([20]) + payload,
    lambda kind, payload: b"\x88\x00"], ids=["short", "long", "other", "text", "close"])
def test_a_wrong_echo_is_an_error(scripted, spoil):
    url = scripted(ws_server(spoil))
    done = bench("--json", "--ws", "--connections", 1, "--requests", 3, url)
    assert json.loads(done.stdout)["errors"] == 3


def test_no_websocket_there(httpd):
    server = httpd()
    done = bench(f"ws://127.0.0.1:{server.port}/nothing")
    assert done.returncode == 1 and "answered with 404" in done.stderr and done.stdout == ""


def test_open_loop_counts_from_when_a_request_was_due(scripted):
    """One connection and an answer that comes late: those that wait for it have waited, too."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    release = threading.Event()
    first = []

    def handle(peer):
        while peer.recv(65536):
            if not first:
                first.append(True)
                release.wait(0.4)
            peer.sendall(reply)
    url = scripted(handle)
    figures = clean("--connections", 1, "--rate", 100, url, requests=30)
    assert figures["latency_us"]["max"] >= 400_000
    assert figures["latency_us"]["mean"] >= 200_000
    assert figures["latency_us"]["p50"] >= 200_000


def test_503_is_neither_a_request_nor_an_error(scripted):
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    figures = measured("--connections", 1, "--requests", 10,
                       scripted(answering(good, busy, busy, good)))
    assert (figures["requests"], figures["shed"], figures["errors"]) == (8, 2, 0)


def test_what_is_not_answered_in_time_is_given_up(scripted):
    """The first request is never answered; its client connects anew for the next one."""
    answer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    first = []

    def handle(peer):
        if first:
            answer(peer)
        first.append(True)
        while peer.recv(65536):
            pass
    figures = measured("--connections", 1, "--requests", 5, "--timeout", 1000, scripted(handle))
    assert figures["expired"] >= 1 and figures["requests"] + figures["expired"] == 5
    assert figures["errors"] == 0


def test_nobody_listens():
    done = bench(f"http://127.0.0.1:{free_port()}/")
    assert done.returncode == 1 and "Connection refused" in done.stderr and done.stdout == ""


def test_too_few_descriptors(public):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        become_nobody()
    os.chmod(public, 0o755)
    program = public / "runnel-bench"
    program.write_bytes((ROOT / "build/runnel-bench").read_bytes())
    program.chmod(0o755)
    done = subprocess.run([str(program), "--connections", "100", "http://127.0.0.1:1/"],
                          timeout=HUNG, capture_output=True, text=True, check=False,
                          preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr == "runnel-bench: needs 164 descriptors, but no more than 100 are allowed\n"


URL = "http://127.0.0.1:1/"


@pytest.mark.parametrize("arguments", [
    [], [URL, URL], ["--wrong", URL], ["--connections"], ["--connections", "x", URL],
    ["--connections", "1.5", URL], ["--connections", "-1", URL], ["--duration", "0", URL],
    ["--pipeline", "1025", URL], ["--rate", "nan", URL], ["--header", "no colon", URL],
    ["--connections", "0", URL], ["--hold", "3", URL], ["--connections", "0", "--hold", "3", URL],
    ["--udp", "--timeout", "5", URL],
    ["--close", "--pipeline", "2", URL], ["--close", "--ws", URL], ["--gso", URL],
    ["--requests", "5", "--warmup", "1", URL], ["--message", "7", "udp://127.0.0.1:1"],
    ["--text", URL], ["ftp://127.0.0.1/"], ["http://"], ["http://:80/"], ["http://a:99999/"],
    ["http://a:x/"], ["http://a/ b"], ["--server-pid", "0", URL]], ids=words)
def test_wrong_flag(arguments):
    done = bench(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("runnel-bench: ") and len(done.stderr.splitlines()) == 1


def test_help():
    done = bench("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("Usage: runnel-bench")
    assert max(map(len, done.stdout.splitlines())) <= 100
