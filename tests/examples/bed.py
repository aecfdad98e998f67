"""What the tests of the examples share."""
import contextlib
import http.server
import json
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "build/hosted/examples"
sys.path.insert(0, str(ROOT / "tests/e2e"))
import client  # noqa: E402
import kernel  # noqa: E402

REFUSAL = kernel.io_uring_refusal()
PATIENCE = 30
DATA = bytes(range(256)) * 4000


def run(name, *arguments, check=True, **options):
    """Runs an example to its end."""
    return subprocess.run([EXAMPLES / name, *map(str, arguments)], capture_output=True, text=True,
                          timeout=PATIENCE, check=check, **options)


def dial(port):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def exchange(connection, data):
    """Sends it all and the end, and returns all that comes back."""
    sender = threading.Thread(target=lambda: (connection.sendall(data),
                                              connection.shutdown(socket.SHUT_WR)))
    sender.start()
    answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    sender.join()
    return answer


def get(port, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)


class Lines:
    """A client that sends lines and reads them."""

    def __init__(self, port):
        self.file = dial(port).makefile("rw")

    def say(self, line):
        self.file.write(line + "\n")
        self.file.flush()

    def ask(self, line):
        self.say(line)
        return self.file.readline()

    def close(self):
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Files(http.server.BaseHTTPRequestHandler):
    """/N: N bytes."""

    def do_GET(self):
        body = b"x" * int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(name, *arguments):
    """Runs a server that listens until it is told to end; gives its port."""
    with subprocess.Popen([EXAMPLES / name, *map(str, arguments)], stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            yield int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n",
                                   process.stdout.readline()).group(1))
            assert process.poll() is None
        finally:
            process.terminate()


class Datagrams:
    """A UDP service: what answer(datagram, peer) gives, a list, goes back."""

    def __init__(self, answer):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, args=(answer,))

    def serve(self, answer):
        while True:
            data, peer = self.socket.recvfrom(1 << 16)
            if data == b"the end":
                return
            for one in answer(data, peer):
                self.socket.sendto(one, peer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.socket.sendto(b"the end", ("127.0.0.1", self.port))
        self.thread.join(PATIENCE)
        self.socket.close()
