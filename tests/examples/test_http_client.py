"""The examples of the HTTP client that send what comes on standard input."""
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from bed import DATA, EXAMPLES, PATIENCE, client, run

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nheard\n"


class Served(client.Connection):
    """The server's end of a connection."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.pending = bytearray()

    def head(self):
        return self.read_until(b"\r\n\r\n").decode().split("\r\n")

    def piece(self):
        piece = self.read_exactly(int(self.read_until(b"\r\n"), 16))
        assert self.read_exactly(2) == b"\r\n"
        return piece


@contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener, f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def running(name, *arguments):
    with subprocess.Popen([EXAMPLES / name, *arguments], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def results(process):
    out, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, out, errors.decode()


def test_post(backend):
    with listening() as (listener, address):
        with running("http_post", backend, f"http://{address}/logs") as process, \
                ThreadPoolExecutor(1) as writer:
            process.stdin.write(b"first\n")
            process.stdin.flush()
            with Served(listener.accept()[0]) as connection:
                head = connection.head()
                assert head[0] == "POST /logs HTTP/1.1"
                assert "transfer-encoding: chunked" in map(str.lower, head)
                assert connection.piece() == b"first\n"  # while more is to come
                rest = writer.submit(lambda: (process.stdin.write(DATA), process.stdin.close()))
                pieces = list(iter(connection.piece, b""))
                assert b"".join(pieces) == DATA and len(pieces) > 1
                rest.result()
                process.stdin = None
                connection.send(OK)
                assert results(process) == (0, b"heard\n", "200\n")


def test_post_of_a_file(backend, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    with listening() as (listener, address), open(tmp_path / "file", "rb") as file, \
            subprocess.Popen([EXAMPLES / "http_post", backend, f"http://{address}/"], stdin=file,
                             stdout=subprocess.PIPE) as process:
        with Served(listener.accept()[0]) as connection:
            connection.head()
            assert b"".join(iter(connection.piece, b"")) == DATA
            connection.send(OK)
        assert process.communicate(timeout=PATIENCE)[0] == b"heard\n"


def test_post_that_is_answered_early(backend):
    with listening() as (listener, address):
        with running("http_post", backend, f"http://{address}/") as process:
            with Served(listener.accept()[0]) as connection:
                connection.head()
                connection.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n"
                                b"Connection: close\r\n\r\n")
                assert process.wait(PATIENCE) == 0  # its input is still open
                assert results(process) == (0, b"", "413\n")


def test_post_that_cannot_be_sent_again(backend):
    with listening() as (listener, address):
        with running("http_post", backend, f"http://{address}/") as process:
            process.stdin.write(DATA[:40000])
            process.stdin.close()
            process.stdin = None
            with Served(listener.accept()[0]) as connection:
                connection.head()
                assert b"".join(iter(connection.piece, b"")) == DATA[:40000]
                connection.send(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /b\r\n"
                                b"Content-Length: 0\r\n\r\n")
                assert results(process) == (
                    1, b"", f"http://{address}/: the peer asked for something that is not "
                            "supported\n")
    refused = run("http_post", backend, f"http://{address}/", check=False, input="")
    assert (refused.returncode, refused.stderr) == (1, f"http://{address}/: connection refused\n")


def test_tunnel(backend):
    with listening() as (listener, address):
        with running("http_tunnel", backend, address, "inside.example:22") as process, \
                ThreadPoolExecutor(1) as reader:
            with Served(listener.accept()[0]) as connection:
                assert connection.head()[:2] == ["CONNECT inside.example:22 HTTP/1.1",
                                                 "Host: inside.example:22"]
                connection.send(b"HTTP/1.1 200 Go on\r\n\r\nearly,")
                answer = reader.submit(process.communicate, DATA, PATIENCE)
                assert connection.read_to_end() == DATA
                connection.send(DATA[::-1])
                connection.finish_sending()
                assert answer.result() == (b"early," + DATA[::-1], b"")
                assert process.returncode == 0


@pytest.mark.parametrize("answer, result", (
    (b"200 OK\r\n\r\nbye", (0, b"bye", "")),
    (b"403 Forbidden\r\nContent-Length: 0\r\n\r\n",
     (1, b"", "the proxy says 403\nh:1: permission denied\n")),
))
def test_tunnel_that_ends_at_once(backend, answer, result):
    with listening() as (listener, address):
        with running("http_tunnel", backend, address, "h:1") as process:
            with Served(listener.accept()[0]) as connection:
                connection.head()
                connection.send(b"HTTP/1.1 " + answer)
            process.wait(PATIENCE)  # its input is still open
            assert results(process) == result


def test_tunnel_without_a_proxy(backend):
    with listening() as (_, address):
        pass
    done = run("http_tunnel", backend, address, "h:1", check=False, input="")
    assert (done.returncode, done.stderr) == (1, "h:1: connection refused\n")
    assert run("http_tunnel", backend, address, "x" * 300, check=False).returncode == 1
