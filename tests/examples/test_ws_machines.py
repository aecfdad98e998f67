"""The examples that use the WebSocket machine by hand."""
import contextlib
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from bed import EXAMPLES, PATIENCE, client, dial, run, serving

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def command(*program):
    return serving("ws_command", "127.0.0.1:0", "https://site.example", *program)


def test_ws_cat_and_ws_command():
    lines = "".join(f"line {number}\n" for number in range(20000)) + "\n" + "x" * 70000 + "\nend"
    with command("tr", "a-z", "A-Z") as port, ThreadPoolExecutor(4) as several:
        def cat(text):
            return run("ws_cat", f"ws://localhost:{port}/any", input=text)

        for done in several.map(cat, (lines, "", "\n", "wörld\n", lines)):
            assert done.stderr == "closed: 1000 \n"
        assert cat(lines).stdout == (lines + "\n").replace("line", "LINE") \
            .replace("x", "X").replace("end", "END")
        done = run("ws_cat", f"ws://localhost:{port}/", 4711, "enough", input="")
        assert (done.stdout, done.stderr) == ("", "closed: 4711 \n")
    for wrong in (("ws://localhost/", 1005), ("ws://localhost/", 99999), ("http://x/",), (),
                  (f"ws://localhost:{port}/",)):
        assert run("ws_cat", *wrong, check=False).returncode == 1


def test_ws_command_for_a_client_that_is_strict():
    with command("sh", "-c", "while read -r line; do echo \"<$line>\"; done") as port:
        address = ("127.0.0.1", port)
        with client.WebSocket(address, headers=[("Sec-WebSocket-Protocol", "x, lines")]) as peer:
            assert peer.response.header("Sec-WebSocket-Protocol") == "lines"
            peer.send(TEXT, b"one", fin=False)
            peer.send(PING, b"still there?")
            assert peer.read_frame() == (PONG, b"still there?", True)
            peer.send(0, b" line")
            assert peer.read_message() == (TEXT, b"<one line>")
            assert peer.close(3001) == 3001
        with client.WebSocket(address, headers=[("Origin", "https://site.example")]) as peer:
            peer.send(TEXT, b"\xff")
            assert peer.read_close() == 1007
        with client.WebSocket(address) as peer:
            peer.send(BINARY, b"", length=(1 << 20) + 1)
            assert peer.read_close() == 1009
        with client.WebSocket(address) as peer:  # which is gone without a word
            peer.send(TEXT, b"a")
    with command("echo", "hello") as port, client.WebSocket(("127.0.0.1", port)) as peer:
        assert peer.read_message() == (TEXT, b"hello")
        assert peer.read_close() == 1000
        peer.send(CLOSE, b"\3\xe8")
        assert peer.connection.is_closed()


@pytest.mark.parametrize("status, request_", (
    (403, client.handshake(headers=[("Origin", "https://other.example")])),
    (426, client.handshake(version="12")), (426, client.request()),
    (400, client.handshake(key="short")), (405, client.handshake(method="POST")),
    (400, b"nonsense\r\n\r\n"), (431, b"GET / HTTP/1.1\r\nx: " + b"x" * 16000)))
def test_ws_command_refuses(status, request_):
    with command("cat") as port, dial(port) as connection:
        connection.sendall(request_)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.endswith(b"\r\n\r\n")


@contextlib.contextmanager
def scripted(head, frames=b""):
    """A server that says that, whatever it is told, and reads until its client is gone."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = []

    def serve():
        with listener.accept()[0] as connection:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += connection.recv(4096)
            key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
            connection.sendall(head.replace(b"KEY", client.accept_key(key).encode()) + frames)
            connection.shutdown(socket.SHUT_WR)
            heard.append(b"".join(iter(lambda: connection.recv(4096), b"")))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], heard
    thread.join(PATIENCE)
    listener.close()


GOOD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
       b"Sec-WebSocket-Accept: KEY\r\n\r\n"


def listen(head, frames=b""):
    with scripted(head, frames) as (port, heard):
        with subprocess.Popen([EXAMPLES / "ws_cat", f"ws://127.0.0.1:{port}/"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            output, error = process.stdout.read(), process.stderr.read()
            process.wait(PATIENCE)
    return process.returncode, output, error.decode(), heard[0]


def server_frame(opcode, payload=b"", fin=True):
    return client.frame(opcode, payload, fin=fin, masked=False)


def test_ws_cat_listens():
    code, output, error, heard = listen(GOOD, b"".join((
        server_frame(PING, b"?"), server_frame(TEXT, b"two ", fin=False),
        server_frame(0, b"pieces"), server_frame(BINARY), server_frame(TEXT, b"x" * 100000),
        server_frame(CLOSE, b"\3\xe8bye"))))
    assert (code, output, error) == (0, b"two pieces\n\n" + b"x" * 100000 + b"\n",
                                     "closed: 1000 bye\n")
    assert [heard[:2], heard[7:9]] == [b"\x8a\x81", b"\x88\x82"] and len(heard) == 7 + 8


@pytest.mark.parametrize("head, frames, message", (
    (GOOD.replace(b"KEY", b"x" * 28), b"", "not the answer to this key, which is "),
    (GOOD.replace(b"101", b"404"), b"", "refused: Not Found"),
    (b"nonsense\r\n\r\n", b"", "response: the peer broke the protocol (RN_E_PROTOCOL)"),
    (GOOD[:-2], b"", "response: the peer closed in the middle (RN_E_CLOSED)"),
    (GOOD, b"", "is gone without a goodbye"),
    (GOOD, server_frame(TEXT, b"cut")[:-1], "is gone without a goodbye"),
    (GOOD, client.frame(TEXT, b"masked"), "error: 1002"),
    (GOOD, server_frame(TEXT, b"\xff"), "error: 1007"),
    (GOOD, server_frame(CLOSE, b"\x0f\xa0"), "closed: 4000")))
def test_ws_cat_tells_what_is_wrong(head, frames, message):
    code, _, error, _ = listen(head, frames)
    assert code == 1 and message in error, error
