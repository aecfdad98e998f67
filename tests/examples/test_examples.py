"""Each example is built, run on each backend, and used by a client of its kind."""
import http.server
import re
import socket
import subprocess
import threading
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bed import DATA, EXAMPLES, PATIENCE, ROOT, Files, Lines, client, dial, exchange, get, run

HERE = Path(__file__).resolve().parent


def test_each_is_short_and_told_of_and_tested():
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    told = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    for source in (ROOT / "examples").glob("*.c"):
        assert len(source.read_text(encoding="utf-8").splitlines()) < 120, source.name
        assert f'"{source.stem}"' in tests, source.name
        assert f"[{source.stem}]({source.name})" in told, source.name


@pytest.mark.parametrize("style", ("echo_async", "echo_poll", "echo_fiber", "echo_calls"))
def test_echo(start, style):
    port = start(style)
    with dial(port):  # one that says nothing keeps nobody else waiting
        with ThreadPoolExecutor(8) as clients:
            for answer in clients.map(lambda _: exchange(dial(port), DATA), range(16)):
                assert answer == DATA


def test_udp_time(start):
    port = start("udp_time")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(PATIENCE)
        for question in (b"?", b"", b"x" * 9000):
            asker.sendto(question, ("127.0.0.1", port))
            assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", asker.recv(100))


def test_port_forwarder(start):
    port = start("port_forwarder", "localhost", start("echo_async"))
    with ThreadPoolExecutor(4) as clients:
        for answer in clients.map(lambda _: exchange(dial(port), DATA), range(8)):
            assert answer == DATA


def test_port_forwarder_without_a_server(start):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert exchange(dial(start("port_forwarder", "127.0.0.1", closed.getsockname()[1])),
                        b"") == b""


def test_chat(start):
    port = start("chat")
    members = [client.WebSocket(("127.0.0.1", port), "/chat") for _ in range(8)]
    for number, speaker in enumerate(members):
        line = f"I am {number}".encode()
        speaker.send(client.TEXT, line)
        assert [member.read_message() for member in members] == [(client.TEXT, line)] * 8
    assert members.pop().close() == 1000
    members[0].send(client.TEXT, b"x" * 600)
    assert members[0].read_close() == 1009
    members[0].connection.close()
    members[1].send(client.TEXT, b"still here")
    for member in members[1:]:
        assert member.read_message() == (client.TEXT, b"still here")
        assert member.close() == 1000


def test_http_api(start):
    port = start("http_api")
    with ThreadPoolExecutor(1) as slow:
        report = slow.submit(get, port, "/report/300")
        assert get(port, "/counters/tea") == {"name": "tea", "count": 0}
        assert [get(port, "/counters/tea", "POST")["count"] for _ in range(3)] == [1, 2, 3]
        assert report.result(PATIENCE) == {"waited_ms": 300}
    for path, status in (("/counters/T", 400), ("/counters/" + 33 * "a", 400), ("/", 404)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(port, path)
        assert refused.value.code == status
    names = [a + b for a in "abcdefghij" for b in "abcdefghij"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        for name in names:
            get(port, f"/counters/{name}")
    assert refused.value.code == 507


def test_http2_server(start):
    port = start("http2_server")
    for arguments in ((), ("-d", "some content")):
        answer = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", *arguments,
                                 f"http://127.0.0.1:{port}/a"], capture_output=True, text=True,
                                timeout=PATIENCE, check=True).stdout
        assert answer == "Hello over HTTP/2, stream 1\n"


def fnv(data):
    total = 2166136261
    for byte in data:
        total = (total ^ byte) * 16777619 & 0xFFFFFFFF
    return total


def test_downloader(backend):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = [f"http://127.0.0.1:{server.server_port}/{length}" for length in (0, 1, 1000, 300000)]
    done = run("downloader", backend, "2", *urls, "gopher://x/", check=False)
    server.shutdown()
    server.server_close()
    lines = done.stdout.splitlines()
    for line, url in zip(lines, urls):
        length = int(url.rpartition("/")[2])
        assert line == f"{url}: 200, {length} bytes, {fnv(b'x' * length):08x}"
    assert lines[4].startswith("gopher://x/: ") and done.returncode == 1


def test_pipeline(backend):
    done = run("pipeline", backend, "3000")
    divisors = sum(3000 // number for number in range(1, 3001))
    assert done.stdout == f"3000 numbers, {divisors} divisors, 430 primes\n"


def test_copy_files(backend, tmp_path):
    source, target = tmp_path / "from", tmp_path / "to"
    (source / "a directory").mkdir(parents=True)
    target.mkdir()
    for number in range(40):
        (source / f"{number}").write_bytes(DATA[:number * 7919])
    (source / "closed").write_bytes(b"")
    (target / "7").write_bytes(b"an older one")
    (target / ".closed.part").mkdir()
    done = run("copy_files", backend, source, target, check=False)
    assert done.returncode == 1
    assert "closed: is a directory" in done.stdout.splitlines(), done.stdout
    assert sorted(path.name for path in target.iterdir()) == sorted(
        [".closed.part", *map(str, range(40))])
    for number in range(40):
        assert (target / f"{number}").read_bytes() == DATA[:number * 7919]


def test_kv_server(start):
    port = start("kv_server")
    clients = [Lines(port) for _ in range(6)]
    for number, one in enumerate(clients):
        assert one.ask(f"SET {number} value{number}") == f"value{number}\n"
    assert clients[0].ask("GET 5") == "value5\n"
    watcher = Lines(port)
    for _ in range(2):  # a watch that ends with a line, and one that ends with a change
        watcher.say("WATCH")
        assert watcher.ask("GET 3") == "\n" and watcher.file.readline() == "value3\n"
    watcher.say("WATCH")
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(watcher.file.readline)
        while not answer.done():
            assert clients[1].ask("SET x y") == "y\n"
        assert answer.result() == "\n"
    assert watcher.ask("GET x") == "y\n"
    clients[2].say("LOAD 2")
    assert [one.ask("GET 2") for one in clients[3:]] == ["value2\n"] * 3
    assert clients[2].file.readline() == "value2\n"


def test_fiber_client(backend, start):
    port = start("echo_fiber")
    done = run("fiber_client", backend, "localhost", port, "40")
    assert done.stdout.splitlines()[-1].startswith("40 connections, 0 failed"), done.stdout
    assert f"localhost is at 127.0.0.1:{port}" in done.stdout.splitlines()


def test_fiber_client_without_a_server(backend):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = run("fiber_client", backend, "127.0.0.1", closed.getsockname()[1], 2, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:3] == [f"{i}: connection refused" for i in range(2)]


def test_ws_say(backend, start):
    url = f"ws://127.0.0.1:{start('chat')}/chat"
    texts = ["hello", "", "x" * 500]
    done = run("ws_say", backend, url, *texts)
    assert done.stdout.splitlines() == texts
    done = run("ws_say", backend, url, "x" * 600, "more", check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_fetch_calls(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port, file = str(server.server_port), tmp_path / "file"
    done = run("fetch_calls", "localhost", port, "/100000", file)
    server.shutdown()
    server.server_close()
    head, _, body = file.read_bytes().partition(b"\r\n\r\n")
    assert body == b"x" * 100000
    assert done.stdout == (f"connected to 127.0.0.1:{port}\n"
                           f"HTTP/1.0 200, {len(head) + 4 + len(body)} bytes\n")
    done = run("fetch_calls", "localhost", port, "/", file, check=False)
    assert (done.returncode, done.stderr) == (1, "connect: connection refused\n")


def test_discover(backend):
    short = run("discover", backend, "lo", "carla", "1")
    assert re.fullmatch(r"carla is at [\d.]+:7071\n", short.stdout)
    both = [subprocess.Popen([EXAMPLES / "discover", backend, "lo", name, "20"],
                             stdout=subprocess.PIPE, text=True)
            for name in ("anna", "berta")]
    heard = [sorted(one.stdout.readline().split()[0] for _ in range(2)) for one in both]
    for one in both:
        one.kill()
        one.wait(PATIENCE)
        one.stdout.close()
    assert heard == [["anna", "berta"]] * 2
    wrong = run("discover", backend, "nosuch", "x", "1", check=False)
    assert (wrong.returncode, wrong.stderr) == (1, "nosuch: no such device\n")
