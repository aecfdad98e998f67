"""Servers made by hand, for what a real one never says, and real ones: nginx, Python's, Node's."""
import http.server
import os
import shutil
import socket
import subprocess
import threading
from functools import partial

from server import PATIENCE, ROOT, free_port, wait_until


class Origin:
    """Listens, and calls answer(connection, request) for each request's head that comes; it sends
    what it wants, and may close the connection or leave it open. `requests` has the heads."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        """One request after the other, until the answer closes the connection."""
        connection.settimeout(30 * PATIENCE)
        rest = b""
        try:
            while connection.fileno() >= 0:
                while b"\r\n\r\n" not in rest:
                    piece = connection.recv(65536)
                    if not piece:
                        connection.close()
                        return
                    rest += piece
                head, rest = rest.split(b"\r\n\r\n", 1)
                self.requests.append(head.decode("latin-1"))
                rest = self.answer(connection, Request(head, rest)) or b""
        except OSError:
            connection.close()

    def url(self, path="/file"):
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()


class Request:
    """A request's head, and what of its body has come with it."""

    def __init__(self, head, rest=b""):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ")
        self.fields = {name.lower(): value.strip()
                       for name, value in (line.split(":", 1) for line in lines[1:])}
        self.rest = rest

    def range(self):
        """Where "bytes=N-" begins, or None."""
        value = self.fields.get("range")
        return int(value[len("bytes="):].split("-")[0]) if value else None

    def body(self, connection):
        length = int(self.fields.get("content-length", 0))
        body = self.rest
        while len(body) < length:
            body += connection.recv(65536)
        return body[:length]


def response(body=b"", status="200 OK", **fields):
    """A whole response; a field's name has _ for -, None leaves Content-Length out."""
    fields = {"Content_Length": len(body), **fields}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()
             if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1") + body


def saying(text):
    """An answer that is always the same, and then the end of the connection."""
    def answer(connection, request):
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        connection.close()
    return answer


def file_server(body, **fields):
    """Answers with the body, or the part that is asked for, and understands If-Range."""
    def answer(connection, request):
        first = request.range()
        wanted = request.fields.get("if-range")
        if wanted and wanted not in (fields.get("ETag"), fields.get("Last_Modified")):
            first = None
        if first is None:
            connection.sendall(response(body, **fields))
        elif first >= len(body):
            connection.sendall(response(b"", "416 Range Not Satisfiable",
                                        Content_Range=f"bytes */{len(body)}", **fields))
        else:
            connection.sendall(response(
                body[first:], "206 Partial Content",
                Content_Range=f"bytes {first}-{len(body) - 1}/{len(body)}", **fields))
    return answer


# ---- Real ones -----------------------------------------------------------------------------------

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class PythonServer:
    def __init__(self, work, root):
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Quiet, directory=str(root)))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Process:
    """A server that is a program."""

    def __init__(self, command, port, cwd):
        self.port = port
        with open(cwd / "server.log", "wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], cwd=cwd, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or self.accepts())
        assert self.process.poll() is None, (cwd / "server.log").read_text(errors="replace")

    def accepts(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.process.terminate()
        self.process.wait()


NGINX = """
daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/error.log crit; {user}
events {{ worker_connections 256; }}
http {{
    access_log off; default_type application/octet-stream; sendfile on;
    client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
    uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
        location /limited/ {{ limit_rate 1m; alias {root}/; }}
        location = /forbidden {{ return 403; }}
        location = /broken {{ return 500; }}
    }}
}}
"""

NODE = """
const fs = require('fs'), http = require('http'), path = require('path');
http.createServer((request, response) => {
  let name = path.join(process.argv[3], decodeURIComponent(request.url));
  if (name.endsWith('/')) name += 'index.html';
  fs.stat(name, (error, info) => {
    const date = info && info.mtime.toUTCString();
    if (error) { response.writeHead(404); response.end('no'); return; }
    if (info.isDirectory()) {
      response.writeHead(301, {Location: request.url + '/'}); response.end(); return;
    }
    if (request.headers['if-modified-since'] === date) {
      response.writeHead(304); response.end(); return;
    }
    response.writeHead(200, {'Last-Modified': date});
    fs.createReadStream(name).pipe(response); // chunked
  });
}).listen(+process.argv[2], '127.0.0.1');
"""


def nginx(work, root):
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""
    (work / "nginx.conf").write_text(NGINX.format(work=work, root=root, port=port, user=user))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return Process([program, "-p", work, "-e", work / "error.log", "-c", work / "nginx.conf"],
                   port, work)


def node(work, root):
    port = free_port()
    (work / "server.js").write_text(NODE)
    return Process(["node", "server.js", port, root], port, work)


def httpd(work, root):
    port = free_port()
    return Process([ROOT / "build/httpd", "--root", root, "-b", "127.0.0.1", "-p", port, "-w", 1],
                   port, work)


START = {"httpd": httpd, "nginx": nginx, "python": PythonServer, "node": node}
