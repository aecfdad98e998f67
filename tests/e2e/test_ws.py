"""WebSocket (RFC 6455) as a client sees it: handshake, echo, fragments, violations, closing."""
import asyncio
import os
import random
import signal
import struct

import pytest
import websockets

from client import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Connection, WebSocket, fetch,
                    frame, handshake, mask, request)
from server import HUNG, PATIENCE

MEBIBYTE = 1 << 20
SIZES = [0, 1, 2, 124, 125, 126, 127, 128, 1000, 4096, 65534, 65535, 65536, 65537]


@pytest.fixture
def server(httpd):
    return httpd(workers=2)


def text_of(size):
    """Text of that many bytes in UTF-8, with characters of 1 to 4 bytes."""
    data = ("aé€😀" * (size // 10 + 1)).encode()[:size]
    text = data.decode(errors="ignore")
    return (text + "x" * (size - len(text.encode()))).encode()


def close_of(code, reason=b""):
    return struct.pack(">H", code) + reason


# Echo

@pytest.mark.parametrize("size", SIZES)
def test_echo(server, size):
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, text_of(size))
        ws.echo(BINARY, os.urandom(size))
        assert ws.close() == 1000


def test_echo_of_a_mebibyte(httpd):
    server = httpd("--ws-max-message", 2 * MEBIBYTE)
    with WebSocket(server.address) as ws:
        for opcode, payload in ((TEXT, text_of(MEBIBYTE)), (BINARY, os.urandom(MEBIBYTE))):
            answer = bytearray()

            def receive(pending):
                answer[:] = pending
                return len(pending) >= MEBIBYTE + 10

            ws.connection.stream(frame(opcode, payload), receive)
            assert ws.read_message() == (opcode, payload)
        assert ws.close() == 1000


def test_echo_at_another_path(httpd):
    server = httpd("--ws-echo", "/chat/echo")
    with WebSocket(server.address, "/chat/echo") as ws:
        ws.echo(TEXT, b"hello")


def test_frame_cut_at_every_byte(server):
    data = frame(TEXT, "aé€😀".encode()) + frame(PING, b"p") + frame(BINARY, b"\x00\xff" * 70)
    with WebSocket(server.address) as ws:
        for cut in range(1, len(data)):
            ws.connection.send_pieces(data, cut)
            pongs = []
            assert ws.read_message(pongs) == (TEXT, "aé€😀".encode()), f"cut at {cut}"
            assert ws.read_message(pongs) == (BINARY, b"\x00\xff" * 70), f"cut at {cut}"
            assert pongs == [b"p"]


def test_frames_byte_by_byte(server):
    data = frame(TEXT, b"one") + frame(PING, b"p") + frame(TEXT, b"x" * 200)
    with WebSocket(server.address) as ws:
        ws.connection.send_pieces(data, *range(1, len(data)), pause=0.0005)
        pongs = []
        assert ws.read_message(pongs) == (TEXT, b"one")
        assert ws.read_message(pongs) == (TEXT, b"x" * 200)
        assert pongs == [b"p"]


def test_handshake_and_frames_in_one_write(server):
    with Connection(server.address) as connection:
        connection.send(handshake() + frame(TEXT, b"at once"))
        assert connection.read_response().status == 101
        assert WebSocket.over(connection).read_message() == (TEXT, b"at once")


def test_handshake_after_pipelined_requests(server):
    with Connection(server.address) as connection:
        connection.send(request(target="/plaintext") + handshake() + frame(TEXT, b"hello"))
        assert connection.read_response().body == b"Hello, World!"
        assert connection.read_response().status == 101
        assert WebSocket.over(connection).read_message() == (TEXT, b"hello")


def test_many_messages_in_one_write(server):
    messages = [b"message %d" % number for number in range(500)]
    with WebSocket(server.address) as ws:
        ws.connection.send(b"".join(frame(TEXT, message) for message in messages))
        for message in messages:
            assert ws.read_message() == (TEXT, message)


def test_lengths_in_more_bytes_than_needed_are_refused_or_echoed(server):
    """Section 5.2 asks for the shortest form; a server may be lenient, but not lose its place."""
    with WebSocket(server.address) as ws:
        ws.connection.send(b"\x81\xfe\x00\x03" + bytes(4) + b"abc")
        opcode, payload = ws.read_message()
        assert (opcode, payload) == (TEXT, b"abc") or \
            (opcode == CLOSE and struct.unpack(">H", payload[:2])[0] == 1002)


# Fragments and control frames

def test_fragments(server):
    with WebSocket(server.address) as ws:
        for opcode in (TEXT, BINARY):
            ws.send(opcode, b"one ", fin=False)
            ws.send(CONTINUATION, b"", fin=False)
            ws.send(CONTINUATION, b"two ", fin=False)
            ws.send(CONTINUATION, b"three")
            assert ws.read_message() == (opcode, b"one two three")


def test_fragments_of_one_byte_split_characters(server):
    payload = "aé€😀".encode() * 20
    with WebSocket(server.address) as ws:
        for at in range(len(payload)):
            ws.send(TEXT if at == 0 else CONTINUATION, payload[at:at + 1],
                    fin=at == len(payload) - 1)
        assert ws.read_message() == (TEXT, payload)


def test_pings_between_fragments(server):
    with WebSocket(server.address) as ws:
        pongs = []
        for number in range(5):
            ws.send(TEXT if number == 0 else CONTINUATION, b"part %d " % number, fin=False)
            ws.send(PING, b"ping %d" % number)
        ws.send(CONTINUATION, b"end")
        assert ws.read_message(pongs) == (TEXT, b"part 0 part 1 part 2 part 3 part 4 end")
        assert pongs == [b"ping %d" % number for number in range(5)]


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff", b"x" * 125])
def test_ping_is_answered(server, payload):
    with WebSocket(server.address) as ws:
        ws.send(PING, payload)
        assert ws.read_frame() == (PONG, payload, True)


def test_many_pings(server):
    with WebSocket(server.address) as ws:
        ws.connection.send(b"".join(frame(PING, b"%d" % number) for number in range(300)))
        for number in range(300):
            assert ws.read_frame() == (PONG, b"%d" % number, True)


def test_pongs_are_ignored(server):
    with WebSocket(server.address) as ws:
        ws.send(PONG, b"unasked")
        ws.echo(TEXT, b"hello")


# Closing

@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000,
                                  4999])
def test_close_is_answered(server, code):
    with WebSocket(server.address) as ws:
        ws.send(CLOSE, close_of(code, "bye é".encode()))
        assert ws.read_close() in (code, 1000)
        assert ws.connection.is_closed()


def test_close_without_a_code(server):
    with WebSocket(server.address) as ws:
        ws.send(CLOSE)
        assert ws.read_close() in (1000, 1005)
        assert ws.connection.is_closed()


def test_nothing_is_echoed_after_close(server):
    with WebSocket(server.address) as ws:
        ws.connection.send(frame(CLOSE, close_of(1000)) + frame(TEXT, b"late"))
        assert ws.read_frame()[0] == CLOSE
        assert ws.connection.read_to_end() == b""


def test_close_in_the_middle_of_a_message(server):
    with WebSocket(server.address) as ws:
        ws.send(TEXT, b"begun", fin=False)
        assert ws.close() == 1000


@pytest.mark.parametrize("how", ["finish_sending", "reset", "close"])
def test_client_leaves_without_closing(server, how):
    for data in (b"", frame(TEXT, b"hello")[:5], frame(TEXT, b"hello", fin=False)):
        with WebSocket(server.address) as ws:
            ws.connection.send(data)
            getattr(ws.connection, how)()
            if how == "finish_sending":
                ws.connection.read_to_end()
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, b"alive")


def test_shutdown_closes_with_1001(server):
    with WebSocket(server.address) as ws, WebSocket(server.address) as quiet:
        ws.echo(TEXT, b"hello")
        server.signal(signal.SIGTERM)
        assert ws.read_close() == 1001
        ws.send(CLOSE, close_of(1001))
        assert ws.connection.is_closed()
        assert quiet.read_close() == 1001
        assert server.wait() == 0


# Violations (section 7.4.1): each gets its close code and ends the connection.

BAD_UTF8 = {
    "lone continuation": b"\x80", "overlong": b"\xc0\xaf", "overlong of 3": b"\xe0\x80\xaf",
    "surrogate": b"\xed\xa0\x80", "over U+10FFFF": b"\xf4\x90\x80\x80", "byte FF": b"\xff",
    "cut at the end": b"abc\xe2\x82", "cut in the middle": b"\xe2\x82abc",
    "five bytes": b"\xf8\x88\x80\x80\x80",
}
VIOLATIONS = {
    "not masked": (frame(TEXT, b"hello", masked=False), 1002),
    "not masked and empty": (frame(TEXT, b"", masked=False), 1002),
    "RSV1": (frame(TEXT, b"hello", rsv=4), 1002),
    "RSV2": (frame(TEXT, b"hello", rsv=2), 1002),
    "RSV3": (frame(TEXT, b"hello", rsv=1), 1002),
    "RSV1 in a ping": (frame(PING, b"hello", rsv=4), 1002),
    **{f"opcode {opcode}": (frame(opcode, b"hello"), 1002)
       for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "close of 126 bytes": (frame(CLOSE, close_of(1000, b"x" * 124)), 1002),
    "ping in fragments": (frame(PING, b"x", fin=False), 1002),
    "pong in fragments": (frame(PONG, b"x", fin=False), 1002),
    "close in fragments": (frame(CLOSE, b"", fin=False), 1002),
    "continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "continuation of nothing, in fragments": (frame(CONTINUATION, b"x", fin=False), 1002),
    "new message in a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "binary in a text": (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b", fin=False), 1002),
    "close with half a code": (frame(CLOSE, b"\x03"), 1002),
    **{f"close code {code}": (frame(CLOSE, close_of(code)), 1002)
       for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)},
    "close reason not UTF-8": (frame(CLOSE, close_of(1000, b"\xff")), 1007),
    "length of 2^63": (frame(BINARY, b"abc", length=1 << 63), (1002, 1009)),
    "length of 2^64-1": (frame(BINARY, b"abc", length=(1 << 64) - 1), 1009),
    "text of 2^64-1": (frame(TEXT, b"abc", length=(1 << 64) - 1), 1009),
    "length of 2^62": (frame(BINARY, b"abc", length=1 << 62), 1009),
    "fragment of 2^64-1": (frame(TEXT, b"abc", fin=False)
                           + frame(CONTINUATION, b"", length=(1 << 64) - 1), 1009),
    "lengths that overflow": (frame(TEXT, b"abc", fin=False)
                              + frame(CONTINUATION, b"", length=(1 << 64) - 3), 1009),
    **{f"text: {name}": (frame(TEXT, data), 1007) for name, data in BAD_UTF8.items()},
    **{f"fragments: {name}": (frame(TEXT, b"good", fin=False) + frame(CONTINUATION, data), 1007)
       for name, data in BAD_UTF8.items()},
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(server, name):
    data, codes = VIOLATIONS[name]
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, b"before")
        ws.connection.send(data)
        assert ws.read_close() in (codes if isinstance(codes, tuple) else (codes,))
        assert ws.connection.read_to_end() == b""
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, b"after")


def test_bad_utf8_is_refused_as_it_arrives(server):
    with WebSocket(server.address) as ws:
        ws.send(TEXT, b"abc\xff", fin=False)
        assert ws.read_close() == 1007


def test_bad_utf8_is_refused_in_the_middle_of_a_frame(server):
    with WebSocket(server.address) as ws:
        ws.connection.send(frame(TEXT, b"abc\xff" + b"x" * 1000)[:100])
        assert ws.read_close() == 1007


def test_binary_may_be_anything(server):
    with WebSocket(server.address) as ws:
        for data in BAD_UTF8.values():
            ws.echo(BINARY, data)


# Limits

def test_largest_message(httpd):
    server = httpd("--ws-max-message", 1000)
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, b"x" * 1000)
        ws.send(BINARY, b"x" * 600, fin=False)
        ws.send(CONTINUATION, b"x" * 400)
        assert ws.read_message() == (BINARY, b"x" * 1000)
        ws.connection.send(frame(TEXT, b"x" * 1001)[:20])
        assert ws.read_close() == 1009


def test_too_many_fragments_for_the_limit(httpd):
    server = httpd("--ws-max-message", 1000)
    with WebSocket(server.address) as ws:
        ws.send(TEXT, b"x" * 900, fin=False)
        ws.send(CONTINUATION, b"x" * 101)
        assert ws.read_close() == 1009


def test_endless_fragments_do_not_grow_the_server(server):
    empty = frame(CONTINUATION, b"", fin=False) * 50000
    with WebSocket(server.address) as ws:
        ws.connection.send(frame(TEXT, b"begin", fin=False) + empty)
        before = server.rss_kib()
        ws.connection.stream(empty * 3 + frame(CONTINUATION, b" end"),
                             lambda pending: pending.endswith(b" end"))
        assert ws.read_message() == (TEXT, b"begin end")
        assert server.rss_kib() - before < 2048 * PATIENCE


def test_slow_reader(httpd):
    server = httpd("--ws-max-message", 2 * MEBIBYTE)
    payload = os.urandom(MEBIBYTE)
    with WebSocket(server.address, receive_buffer=8192) as ws:
        ws.connection.stream(frame(BINARY, payload), lambda pending: len(pending) >= MEBIBYTE,
                             read_pause=0.001)
        assert ws.read_message() == (BINARY, payload)


def test_reader_that_stalls_holds_up_no_one(server):
    data = frame(BINARY, b"x" * 60000)
    with WebSocket(server.address, receive_buffer=4096, timeout=1) as stalled:
        sent = 0
        try:
            while sent < 64 * MEBIBYTE:
                sent += stalled.connection.sock.send(data[sent % len(data):])
        except TimeoutError:
            pass
        assert sent < 64 * MEBIBYTE, "the server took 64 MiB without one byte being read"
        for _ in range(10):
            with WebSocket(server.address) as ws:
                ws.echo(TEXT, b"quick")
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, b"after")


def test_slow_writer(server):
    payload = os.urandom(2000)
    data = frame(BINARY, payload)
    with WebSocket(server.address) as ws:
        ws.connection.send_pieces(data, *range(3, len(data), 11))
        assert ws.read_message() == (BINARY, payload)


# The handshake (section 4.2)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
BASE = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13")]


def replaced(name, value):
    return [(key, value if key == name else old) for key, old in BASE if key != name or value]


REFUSED = {
    "no key": (handshake(key=None), (400,)),
    "short key": (handshake(key="dGhlIHNhbXBsZSBub25jZQ="), (400,)),
    "key of 15 bytes": (handshake(key="dGhlIHNhbXBsZSBub25j"), (400,)),
    "key of 17 bytes": (handshake(key="dGhlIHNhbXBsZSBub25jZTE="), (400,)),
    "key with a bad character": (handshake(key="dGhlIHNhbXBsZSBub25j*Q=="), (400,)),
    "empty key": (handshake(key=""), (400,)),
    "two keys": (handshake(headers=[("Sec-WebSocket-Key", KEY)]), (400,)),
    "no version": (handshake(version=None), (400, 426)),
    "version 8": (handshake(version="8"), (426,)),
    "version 14": (handshake(version="14"), (426,)),
    "version 1": (handshake(version="1"), (426,)),
    "version 13x": (handshake(version="13x"), (400, 426)),
    "POST": (handshake(method="POST"), (400, 405)),
    "HTTP/1.0": (request("GET", "/ws", BASE, version="1.0"), (400, 426)),
    "no Upgrade": (request("GET", "/ws", replaced("Upgrade", None)), (400, 426)),
    "another Upgrade": (request("GET", "/ws", replaced("Upgrade", "h2c")), (400, 426)),
    "Upgrade begins so": (request("GET", "/ws", replaced("Upgrade", "websockets")), (400, 426)),
    "no Connection": (request("GET", "/ws", replaced("Connection", None)), (400, 426)),
    "another Connection": (request("GET", "/ws", replaced("Connection", "keep-alive")), (400, 426)),
    "an ordinary request": (request("GET", "/ws"), (400, 426)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_handshake_refused(server, name):
    data, statuses = REFUSED[name]
    with Connection(server.address) as connection:
        connection.send(data)
        response = connection.read_response()
        assert response.status in statuses, response
        assert response.header("Sec-WebSocket-Accept") is None
        if response.status == 426:
            assert response.header("Sec-WebSocket-Version") == "13"
            if "ordinary" in name:
                assert response.header("Upgrade", "").lower() == "websocket"
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, b"after")


GOOD = {
    "token lists": request("GET", "/ws", [("Upgrade", "foo, WebSocket"),
                                          ("Connection", "keep-alive, UPGRADE"), *BASE[2:]]),
    "lower case": request("GET", "/ws", [(name.lower(), value) for name, value in BASE]),
    "Connection in two fields": request("GET", "/ws", [("Connection", "keep-alive"), *BASE]),
    "Origin": handshake(headers=[("Origin", "http://elsewhere.example")]),
    "extensions": handshake(headers=[("Sec-WebSocket-Extensions", "permessage-deflate")]),
    "query": handshake("/ws?room=1"),
}


@pytest.mark.parametrize("name", GOOD)
def test_handshake_accepted(server, name):
    with Connection(server.address) as connection:
        connection.send(GOOD[name])
        response = connection.read_response()
        assert response.status == 101
        assert response.header("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert response.header("Sec-WebSocket-Extensions") is None
        connection.send(frame(TEXT, b"hi"))
        assert WebSocket.over(connection).read_message() == (TEXT, b"hi")


def test_handshake_cut_at_every_byte(server):
    data = handshake() + frame(TEXT, b"hi")
    for cut in range(1, len(data), 1 if PATIENCE == 1 else 7):
        with Connection(server.address) as connection:
            connection.send_pieces(data, cut)
            assert connection.read_response().status == 101, f"cut at {cut}"
            assert WebSocket.over(connection).read_message() == (TEXT, b"hi")


def test_handshake_elsewhere(server):
    with Connection(server.address) as connection:
        connection.send(handshake("/plaintext"))
        assert connection.read_response().status in (200, 400, 404, 426)
    with Connection(server.address) as connection:
        connection.send(handshake("/missing"))
        assert connection.read_response().status in (400, 404, 426)


# Many, and another implementation

def test_many_clients(server):
    sockets = []
    try:
        for _ in range(200):
            sockets.append(WebSocket(server.address))
        for number, ws in enumerate(sockets):
            ws.send(TEXT, b"client %d" % number)
        for number, ws in enumerate(sockets):
            assert ws.read_message() == (TEXT, b"client %d" % number)
    finally:
        for ws in sockets:
            ws.connection.close()
    assert fetch(server.address, target="/plaintext").status == 200


def test_random_frames_never_stop_the_server(server):
    choice = random.Random(4)
    for _ in range(150):
        with WebSocket(server.address) as ws:
            data = bytearray(b"".join(
                frame(choice.choice([0, 1, 2, 8, 9, 10]), choice.randbytes(choice.randrange(200)),
                      fin=choice.random() < 0.8) for _ in range(5)))
            for _ in range(choice.randrange(6)):
                data[choice.randrange(len(data))] = choice.randrange(256)
            ws.connection.send_unless_closed(bytes(data))
            try:
                ws.connection.finish_sending()
            except OSError:
                pass
            ws.connection.read_to_end()
    with WebSocket(server.address) as ws:
        ws.echo(TEXT, b"alive")


def url(server):
    return f"ws://127.0.0.1:{server.port}/ws"


def test_websockets_library(server):
    async def talk():
        async with websockets.connect(url(server), compression=None) as ws:
            for message in ("", "hello", "äöü€😀" * 100, b"", b"\x00\xff" * 5000, "x" * 60000):
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["frag", "ments ", "é"])
            assert await ws.recv() == "fragments é"
            await asyncio.wait_for(await ws.ping(), HUNG)
        assert ws.close_code == 1000
    asyncio.run(talk())


def test_websockets_library_offers_compression(server):
    async def talk():
        async with websockets.connect(url(server)) as ws:
            await ws.send("hello " * 1000)
            assert await ws.recv() == "hello " * 1000
    asyncio.run(talk())


def test_websockets_library_many(server):
    async def one(number):
        async with websockets.connect(url(server)) as ws:
            for turn in range(20):
                await ws.send(f"{number} {turn}")
                assert await ws.recv() == f"{number} {turn}"

    async def talk():
        await asyncio.gather(*(one(number) for number in range(40)))
    asyncio.run(talk())


def test_websockets_library_at_shutdown(server):
    async def talk():
        async with websockets.connect(url(server)) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            server.signal(signal.SIGTERM)
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(ws.recv(), HUNG)
            assert ws.close_code == 1001
    asyncio.run(talk())
    assert server.wait() == 0


def test_mask_of_the_client_module():
    payload, key = os.urandom(1001), os.urandom(4)
    assert mask(payload, key) == bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
