"""Raw clients for HTTP/1.1 and WebSocket on blocking sockets with timeouts.

They send exactly what a test says and check strictly what comes back.
"""
import base64
import hashlib
import json
import os
import re
import select
import socket
import struct
import time

from server import HUNG

TIMEOUT = HUNG
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
BODILESS = (204, 304)


class ProtocolError(AssertionError):
    """The server sent something that the protocol forbids."""


class Closed(ProtocolError):
    """The connection ended where an answer, or more of one, was due."""


def request(method="GET", target="/", headers=(), body=None, version="1.1", host="localhost"):
    """The bytes of a request; a body that is given goes with its Content-Length."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunked(body, size, extension=b"", trailer=b""):
    """A body in chunks of that size."""
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)
    return coded + b"0" + extension + b"\r\n" + trailer + b"\r\n"


class Response:
    def __init__(self, version, status, reason, headers):
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""

    def header(self, name, default=None):
        """The value of a field that must stand at most once."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        if len(values) > 1:
            raise ProtocolError(f"{name} stands {len(values)} times")
        return values[0] if values else default

    def media_type(self):
        return self.header("Content-Type", "").split(";")[0].strip().lower()

    def closes(self):
        tokens = [token.strip().lower() for token in self.header("Connection", "").split(",")]
        return "close" in tokens or (self.version == "1.0" and "keep-alive" not in tokens)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers} {len(self.body)} bytes: " \
               f"{self.body[:80]!r}>"


def parse_head(head):
    lines = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/(1\.[01]) (\d{3}) ([\t -~]*)", lines[0])
    if not match:
        raise ProtocolError(f"bad status line {lines[0]!r}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not TOKEN.fullmatch(name) or "\n" in line or "\r" in line:
            raise ProtocolError(f"bad header line {line!r}")
        headers.append((name, value.strip(" \t")))
    return Response(match.group(1), int(match.group(2)), match.group(3), headers)


def connect(address, timeout=TIMEOUT, receive_buffer=None, source=None):
    """A connected socket to (host, port) or to the path of a Unix socket."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(timeout)
    try:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            sock.bind((source, 0))
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


class Connection:
    """One client connection. Use it in a `with` statement."""

    def __init__(self, address, **options):
        self.sock = connect(address, **options)
        self.pending = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes so that the peer gets a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def send_pieces(self, data, *cuts, pause=0.001):
        """Sends data in pieces, so that the server most probably reads it in these."""
        edges = [0, *cuts, len(data)]
        for start, end in zip(edges, edges[1:]):
            if start != end:
                self.sock.sendall(data[start:end])
                if end != len(data):
                    time.sleep(pause)

    def send_unless_closed(self, data):
        """Sends what the server takes: it may close before it has all of what it refuses."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finish_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    def fill(self):
        """Reads more; False at the end of input."""
        data = self.sock.recv(1 << 18)
        self.pending += data
        return bool(data)

    def take(self, count):
        data = bytes(self.pending[:count])
        del self.pending[:count]
        return data

    def read_exactly(self, count):
        while len(self.pending) < count:
            if not self.fill():
                raise Closed(f"closed after {len(self.pending)} of {count} bytes")
        return self.take(count)

    def read_until(self, mark, limit=1 << 20):
        while True:
            at = self.pending.find(mark)
            if at >= 0:
                return self.take(at + len(mark))[:-len(mark)]
            if len(self.pending) > limit:
                raise ProtocolError("no end of a line or head in sight")
            if not self.fill():
                raise Closed(f"closed in the middle of {bytes(self.pending[:200])!r}")

    def read_to_end(self):
        """All that comes until the server closes; a reset ends it as well."""
        try:
            while self.fill():
                pass
        except ConnectionResetError:
            pass
        return self.take(len(self.pending))

    def read_response(self, method="GET", interim=False):
        """Reads one final response with its body; interim ones (1xx) are kept in its `interim`."""
        before = []
        while True:
            response = parse_head(self.read_until(b"\r\n\r\n"))
            if response.status == 101 or interim or response.status >= 200:
                break
            before.append(response.status)
        response.interim = before
        if response.status >= 200 and method != "HEAD" and response.status not in BODILESS:
            response.body = self.read_body(response)
        return response

    def read_body(self, response):
        coding = response.header("Transfer-Encoding")
        length = response.header("Content-Length")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None or response.version == "1.0":
                raise ProtocolError(f"bad framing {response}")
            return self.read_chunks()
        if length is not None:
            if not re.fullmatch(r"\d+", length):
                raise ProtocolError(f"bad Content-Length {length!r}")
            return self.read_exactly(int(length))
        if not response.closes():
            raise ProtocolError(f"a body without an end {response}")
        return self.read_to_end()

    def read_chunks(self):
        pieces = []
        while True:
            line = self.read_until(b"\r\n")
            if not re.fullmatch(rb"[0-9A-Fa-f]+", line):
                raise ProtocolError(f"bad chunk size {line!r}")
            size = int(line, 16)
            if size == 0:
                while self.read_until(b"\r\n"):
                    pass
                return b"".join(pieces)
            pieces.append(self.read_exactly(size))
            if self.read_exactly(2) != b"\r\n":
                raise ProtocolError("no CRLF after a chunk")

    def exchange(self, method="GET", target="/", headers=(), body=None, **options):
        """Sends a request and reads its response."""
        self.send(request(method, target, headers, body, **options))
        return self.read_response(method)

    def stream(self, data, receive, piece=1 << 16, read_pause=0):
        """Sends data while it reads, so that neither side blocks the other: `receive` gets all that
        comes and returns True when it has enough."""
        view = memoryview(data)
        self.sock.setblocking(False)
        deadline = time.monotonic() + TIMEOUT
        try:
            while view or not receive(self.pending):
                assert time.monotonic() < deadline, f"stuck with {len(view)} bytes to send"
                readable, writable, _ = select.select(
                    [self.sock], [self.sock] if view else [], [], 1)
                if writable:
                    try:
                        view = view[self.sock.send(view[:piece]):]
                    except BlockingIOError:
                        pass
                if readable:
                    time.sleep(read_pause)
                    if not self.fill():
                        raise Closed(f"closed with {len(view)} bytes to send")
        finally:
            self.sock.settimeout(TIMEOUT)

    def is_closed(self):
        """Waits for the end of input; False when data or nothing comes."""
        if self.pending:
            return False
        self.sock.settimeout(TIMEOUT)
        try:
            return not self.fill()
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        finally:
            self.sock.settimeout(TIMEOUT)

    def is_open(self):
        """Whether the connection is still there now."""
        if self.pending:
            return True
        readable, _, _ = select.select([self.sock], [], [], 0)
        try:
            return not readable or self.fill()
        except ConnectionResetError:
            return False


def fetch(address, method="GET", target="/", headers=(), body=None, **options):
    """One request on a connection of its own."""
    with Connection(address, **options) as connection:
        return connection.exchange(method, target, [*headers, ("Connection", "close")], body)


def status(address):
    """The server's live figures; `total` sums one of them over the workers."""
    return json.loads(fetch(address, target="/status").body)


def total(figures, name):
    return sum(worker[name] for worker in figures["workers"])


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def handshake(path="/ws", key="dGhlIHNhbXBsZSBub25jZQ==", headers=(), version="13", method="GET"):
    """The bytes of an opening handshake; key or version None leave that field away."""
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    if key is not None:
        fields.append(("Sec-WebSocket-Key", key))
    if version is not None:
        fields.append(("Sec-WebSocket-Version", version))
    return request(method, path, [*fields, *headers])


def mask(payload, key):
    if not payload:
        return payload
    repeated = (key * (len(payload) // 4 + 1))[:len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None, key=None):
    """The bytes of a frame. `length` announces another length than the payload's, in 64 bits."""
    first = bytes([fin << 7 | rsv << 4 | opcode])
    bit = 0x80 if masked else 0
    if length is not None:
        size = bytes([bit | 127]) + struct.pack(">Q", length)
    elif len(payload) < 126:
        size = bytes([bit | len(payload)])
    elif len(payload) < 1 << 16:
        size = bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        size = bytes([bit | 127]) + struct.pack(">Q", len(payload))
    if not masked:
        return first + size + payload
    key = key or os.urandom(4)
    return first + size + key + mask(payload, key)


class WebSocket:
    """A client that has done its handshake. Use it in a `with` statement."""

    def __init__(self, address, path="/ws", headers=(), **options):
        self.connection = Connection(address, **options)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            self.connection.send(handshake(path, key, headers))
            self.response = self.connection.read_response()
            assert self.response.status == 101, self.response
            assert self.response.header("Upgrade", "").lower() == "websocket", self.response
            assert self.response.header("Connection", "").lower() == "upgrade", self.response
            assert self.response.header("Sec-WebSocket-Accept") == accept_key(key), self.response
            assert self.response.header("Sec-WebSocket-Extensions") is None, self.response
        except BaseException:
            self.connection.close()
            raise

    @classmethod
    def over(cls, connection):
        """A client on a connection whose handshake is done."""
        ws = cls.__new__(cls)
        ws.connection = connection
        return ws

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.connection.close()

    def send(self, opcode, payload=b"", **options):
        self.connection.send(frame(opcode, payload, **options))

    def read_frame(self):
        """One frame as (opcode, payload, fin), checked as a client must."""
        first, second = self.connection.read_exactly(2)
        if first & 0x70 or second & 0x80:
            raise ProtocolError(f"reserved bits or a mask from the server: {first:x} {second:x}")
        opcode, fin, size = first & 15, bool(first & 0x80), second
        if opcode >= 8 and (size > 125 or not fin):
            raise ProtocolError("a control frame that is long or fragmented")
        if size == 126:
            size = struct.unpack(">H", self.connection.read_exactly(2))[0]
            if size < 126:
                raise ProtocolError("a length in more bytes than it needs")
        elif size == 127:
            size = struct.unpack(">Q", self.connection.read_exactly(8))[0]
            if size < 1 << 16:
                raise ProtocolError("a length in more bytes than it needs")
        return opcode, self.connection.read_exactly(size), fin

    def read_message(self, pongs=None):
        """One message as (opcode, payload); pongs in between go to the list, if one is given."""
        kind, pieces = None, []
        while True:
            opcode, payload, fin = self.read_frame()
            if opcode == PONG and pongs is not None:
                pongs.append(payload)
                continue
            if opcode >= 8:
                return opcode, payload
            if (opcode == CONTINUATION) != (kind is not None):
                raise ProtocolError(f"opcode {opcode} where it can't stand")
            kind = kind or opcode
            pieces.append(payload)
            if fin:
                return kind, b"".join(pieces)

    def echo(self, opcode, payload, **options):
        self.send(opcode, payload, **options)
        kind, answer = self.read_message()
        assert kind == opcode, (kind, answer[:200])
        assert answer == payload

    def read_close(self):
        """Skips to the close frame and returns its code (1005 when it has none)."""
        while True:
            opcode, payload, _ = self.read_frame()
            if opcode == CLOSE:
                if len(payload) == 1:
                    raise ProtocolError("a close frame with half a code")
                payload[2:].decode()
                return struct.unpack(">H", payload[:2])[0] if payload else 1005

    def close(self, code=1000):
        """The closing handshake; the server must close the connection after it."""
        self.send(CLOSE, struct.pack(">H", code))
        answer = self.read_close()
        assert self.connection.is_closed()
        return answer
