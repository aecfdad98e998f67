"""Connections that are open and do nothing: each has been answered once and then waits."""
import os
import select
import socket
import struct

EACH_ADDRESS = 20000    # connections from one address of 127.0.0.0/8: ports are 16 bits
TOGETHER = 256          # opened at once: fits every server's backlog
SPARE = 64              # descriptors that this program itself needs

RESET = struct.pack("ii", 1, 0)     # closing resets: nothing stays behind in TIME_WAIT
MASKED_HELLO = b"\x82\x85" + bytes(4) + b"hello"    # a mask of zeros leaves the text as it is
HELLO = b"\x82\x05hello"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class Connections:
    """Opens `count` connections to a server for as long as the block lasts."""

    def __init__(self, server, count):
        self.server, self.count = server, count
        self.sockets = []

    def __enter__(self):
        try:
            while len(self.sockets) < self.count:
                self.open(min(TOGETHER, self.count - len(self.sockets)))
        except BaseException:
            self.close()
            raise
        return self

    def open(self, count):
        begun = len(self.sockets)
        for number in range(begun, begun + count):
            one = socket.socket()
            self.sockets.append(one)
            one.settimeout(30)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            source = 2 + number // EACH_ADDRESS
            one.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
            one.bind((f"127.0.0.{source}", 0))
            one.connect(("127.0.0.1", self.server.port))
        fresh = self.sockets[begun:]
        if self.server.work.kind == "ws":
            self.exchange(fresh, self.upgrade(), lambda got: got.endswith(b"\r\n\r\n"),
                          b"HTTP/1.1 101")
            self.exchange(fresh, MASKED_HELLO, lambda got: got == HELLO, HELLO)
        else:
            self.again(begun)

    def again(self, begun=0):
        """A plaintext request on each, and its answer."""
        request = f"GET {self.server.work.path()} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        self.exchange(self.sockets[begun:], request,
                      lambda got: got.endswith(b"\r\n\r\nHello, World!"), b"HTTP/1.1 200")

    def alive(self):
        """Whether the server has kept all of them: an ended one would have something to read."""
        poller = select.poll()
        for one in self.sockets:
            poller.register(one, select.POLLIN)
        return not poller.poll(0)

    def upgrade(self):
        return (f"GET {self.server.work.path()} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: ").encode() + KEY + b"\r\n\r\n"

    @staticmethod
    def exchange(fresh, request, complete, start):
        for one in fresh:
            one.sendall(request)
        for one in fresh:
            got = b""
            while not complete(got):
                piece = one.recv(4096)
                got += piece
                if not piece or len(got) > 65536:
                    raise RuntimeError(f"wrong answer to an idle connection: {got[:40]!r}")
            if not got.startswith(start):
                raise RuntimeError(f"wrong answer to an idle connection: {got[:40]!r}")

    def close(self):
        for one in self.sockets:
            one.close()
        self.sockets = []

    def __exit__(self, *_):
        self.close()


def room(limit):
    """How many connections this program may hold with a limit of descriptors."""
    return limit - SPARE - TOGETHER - len(os.listdir("/proc/self/fd"))
