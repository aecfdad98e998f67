"""HTTP bodies, both ways: --echo sends back what it gets, in any size, framing and speed."""
import hashlib
import random
import threading
import time

import pytest

from client import Connection, chunked, fetch, parse_head, request
from server import wait_until

MEBIBYTE = 1 << 20
SIZES = [0, 1, 2, 100, 4095, 4096, 4097, 8191, 16383, 16384, 16385, 32768, 65535, 65537, MEBIBYTE]


@pytest.fixture
def echo(httpd):
    return httpd("--echo", workers=2)


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def chunked_request(body, size, **options):
    return request("POST", "/", [("Transfer-Encoding", "chunked")]) + chunked(body, size, **options)


def exchange(connection, data, method="POST", read_pause=0):
    """Sends a request larger than the sockets' buffers and returns the whole answer's body."""
    state = {"head": None, "need": None, "from": 0}

    def receive(pending):
        if state["head"] is None:
            end = pending.find(b"\r\n\r\n")
            if end < 0:
                return False
            state["head"] = parse_head(bytes(pending[:end]))
            assert state["head"].status == 200, state["head"]
            state["from"] = end + 4
            length = state["head"].header("Content-Length")
            state["need"] = int(length) if length is not None else None
        if state["need"] is not None:
            return len(pending) - state["from"] >= state["need"]
        return pending.endswith(b"0\r\n\r\n")

    connection.stream(data, receive, read_pause=read_pause)
    return connection.read_response(method).body


@pytest.mark.parametrize("size", SIZES)
def test_content_length(echo, size):
    body = content(size)
    with Connection(echo.address) as connection:
        for _ in range(2):
            answer = exchange(connection, request("POST", "/", body=body))
            assert digest(answer) == digest(body)
        assert connection.is_open()


@pytest.mark.parametrize("size", SIZES)
def test_chunked(echo, size):
    body = content(size)
    with Connection(echo.address) as connection:
        for chunk in (size // 3 + 1, 4096, max(size, 1)):
            answer = exchange(connection, chunked_request(body, chunk))
            assert digest(answer) == digest(body)
        assert connection.is_open()


def test_chunks_of_one_byte(echo):
    body = content(5000)
    with Connection(echo.address) as connection:
        assert exchange(connection, chunked_request(body, 1)) == body


def test_chunk_extensions_and_trailers(echo):
    body = content(1000)
    with Connection(echo.address) as connection:
        for extension in (b";a", b";a=b", b';a="b;c\\"d "', b";a=b;c=d", b" ;a"):
            connection.send(chunked_request(body, 100, extension=extension,
                                            trailer=b"X-One: 1\r\nX-Two: 2\r\n"))
            response = connection.read_response()
            if extension == b" ;a" and response.status == 400:
                break
            assert response.body == body


def test_chunk_sizes_in_any_writing(echo):
    coded = b"00000A\r\n0123456789\r\n" + b"a\r\n0123456789\r\n" + b"000\r\n\r\n"
    with Connection(echo.address) as connection:
        connection.send(request("POST", "/", [("Transfer-Encoding", "Chunked")]) + coded)
        assert connection.read_response().body == b"0123456789" * 2


def test_trailers_do_not_become_fields(echo):
    with Connection(echo.address) as connection:
        connection.send(chunked_request(b"abc", 3, trailer=b"Content-Length: 100\r\nHost: y\r\n")
                        + request("POST", "/", body=b"next"))
        first = connection.read_response()
        if first.status == 200:
            assert first.body == b"abc"
            assert connection.read_response().body == b"next"
        else:
            assert first.status == 400


def test_http10_body(echo):
    with Connection(echo.address) as connection:
        connection.send(request("POST", "/", body=content(100000), version="1.0"))
        response = connection.read_response()
        assert response.header("Transfer-Encoding") is None
        assert response.body == content(100000)
        assert connection.is_closed()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_body(echo, framing):
    body = content(12 * MEBIBYTE)
    data = request("POST", "/", body=body) if framing == "length" else chunked_request(body, 100000)
    with Connection(echo.address) as connection:
        assert digest(exchange(connection, data)) == digest(body)
        assert connection.exchange("POST", "/", body=b"after").body == b"after"


def test_large_bodies_pipelined(echo):
    bodies = [content(MEBIBYTE, seed) for seed in range(4)]
    data = b"".join(request("POST", "/", body=body) for body in bodies)
    with Connection(echo.address) as connection:
        connection.stream(data, lambda pending: len(pending) > 4 * MEBIBYTE + 4 * 60)
        for body in bodies:
            assert digest(connection.read_response().body) == digest(body)


def test_slow_reader(echo):
    body = content(2 * MEBIBYTE)
    with Connection(echo.address, receive_buffer=8192) as connection:
        answer = exchange(connection, request("POST", "/", body=body), read_pause=0.001)
        assert digest(answer) == digest(body)


def test_slow_writer(echo):
    body = content(3000)
    data = chunked_request(body, 50)
    with Connection(echo.address) as connection:
        connection.send_pieces(data, *range(7, len(data), 13))
        assert connection.read_response().body == body


def test_stalled_reader_holds_up_no_one(echo):
    """The server can't send, so it must stop reading from that client, and serve all the others."""
    body = content(64 * MEBIBYTE)
    data = request("POST", "/", body=body)
    with Connection(echo.address, receive_buffer=4096, timeout=1) as stalled:
        sent = 0
        try:
            while sent < len(data):
                sent += stalled.sock.send(data[sent:sent + 65536])
        except TimeoutError:
            pass
        assert sent < len(data), "64 MiB went into the server without one byte being read"
        for _ in range(20):
            assert fetch(echo.address, "POST", body=b"quick").body == b"quick"
    assert fetch(echo.address, "POST", body=b"after").body == b"after"


def test_stalled_reader_goes_on(echo):
    body = content(8 * MEBIBYTE)
    with Connection(echo.address, receive_buffer=4096) as connection:
        sender = threading.Thread(target=connection.send, args=(request("POST", "/", body=body),))
        sender.start()
        time.sleep(0.5)
        answer = connection.read_response().body
        sender.join()
        assert digest(answer) == digest(body)


def test_many_echoes_at_once(echo):
    bodies = [content(100000, seed) for seed in range(40)]
    connections = [Connection(echo.address) for _ in bodies]
    try:
        for connection, body in zip(connections, bodies):
            connection.send(request("POST", "/", body=body)[:50000])
        for connection, body in zip(connections, bodies):
            connection.send(request("POST", "/", body=body)[50000:])
        for connection, body in zip(connections, bodies):
            assert digest(connection.read_response().body) == digest(body)
    finally:
        for connection in connections:
            connection.close()


def test_body_that_no_one_wants_is_skipped(httpd):
    """The bytes of a refused request's body must never be taken for the next request."""
    server = httpd()
    inner = request(target="/json")
    for data in (request("POST", "/plaintext", body=inner),
                 request("GET", "/plaintext", body=inner),
                 request("GET", "/plaintext", [("Transfer-Encoding", "chunked")])
                 + chunked(inner, 9)):
        with Connection(server.address) as connection:
            connection.send(data + request(target="/missing"))
            first = connection.read_response()
            assert first.status in (200, 405)
            if first.closes():
                assert connection.is_closed()
            else:
                assert connection.read_response().status == 404
                assert connection.is_open() and not connection.pending


def test_large_body_that_no_one_wants(httpd):
    server = httpd()
    with Connection(server.address) as connection:
        connection.send_unless_closed(request("POST", "/plaintext", body=content(4 * MEBIBYTE)))
        assert connection.read_response().status in (405, 413)
    assert fetch(server.address, target="/plaintext").status == 200


def test_client_gone_while_an_echo_runs(echo):
    body = content(MEBIBYTE)
    before = echo.settled_descriptors()
    for number in range(20):
        with Connection(echo.address, receive_buffer=4096, timeout=0.05) as connection:
            try:
                connection.send(request("POST", "/", body=body))
            except (TimeoutError, ConnectionResetError, BrokenPipeError):
                pass
            if number % 2:
                connection.reset()
    assert fetch(echo.address, "POST", body=b"alive").body == b"alive"
    wait_until(lambda: echo.descriptors() <= before)
