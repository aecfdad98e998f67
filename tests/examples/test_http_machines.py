"""The examples that use the HTTP machines by hand."""
import contextlib
import http.client
import http.server
import os
import socket
import ssl
import subprocess
import threading

import pytest
from bed import DATA, EXAMPLES, PATIENCE, client, run


@contextlib.contextmanager
def inetd(directory):
    """A connection to a server on its standard input and output."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with subprocess.Popen([EXAMPLES / "http_inetd", directory], stdin=theirs, stdout=theirs,
                          stderr=subprocess.DEVNULL) as process:
        theirs.close()
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = ours
        connection.auto_open = 0
        yield connection
        connection.close()
        ours.close()
        assert process.wait(PATIENCE) == 0


def ask(connection, *request, **options):
    connection.request(*request, **options)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def test_http_inetd(tmp_path):
    (tmp_path / "sub").mkdir()
    name = "/a%20%26%3Cb%3E"
    with inetd(tmp_path) as connection:
        assert ask(connection, "PUT", name, DATA)[0] == 201
        pieces = iter([DATA[:1], DATA[1:70000], DATA[70000:]])
        assert ask(connection, "PUT", "/sub/x", pieces, encode_chunked=True,
                   headers={"Transfer-Encoding": "chunked"})[0] == 201
        assert (tmp_path / "a &<b>").read_bytes() == (tmp_path / "sub/x").read_bytes() == DATA
        new = {"If-None-Match": "*"}
        assert ask(connection, "PUT", "/sub/x", b"other", headers=new)[0] == 412
        assert ask(connection, "PUT", "/new", b"n", headers=new)[0] == 201
        assert ask(connection, "PUT", "/none/x", b"other")[0] == 409
        assert ask(connection, "GET", name)[:2] == (200, DATA)
        status, body, head = ask(connection, "HEAD", name)
        assert (status, body, head["Content-Length"]) == (200, b"", str(len(DATA)))
        page = ask(connection, "GET", "/?a=b&find=a+%26")[1].decode()
        assert page == f'<p><a href=".{name}">a &#x26;&#x3C;b&#x3E;</a>\n'
        plain = {"Accept": "text/html, Text/Plain"}
        body = ask(connection, "GET", "/", headers=plain)[1].decode()
        assert set(body.splitlines()) == {"a &<b>", "new", "sub/"}
        status, _, head = ask(connection, "GET", "/sub")
        assert (status, head["Location"]) == (301, "/sub/")
        for method, path, status in (("GET", "/nothing", 404), ("GET", "/.upload-1", 404),
                                     ("GET", "/../x", 400), ("GET", "/?find=%", 400),
                                     ("PUT", "/sub/", 405), ("DELETE", "/new", 405)):
            assert ask(connection, method, path)[0] == status, path
        connection.sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                b"Content-Length: 5\r\n\r\n")
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 405 ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a &<b>", "new", "sub"]


@pytest.mark.parametrize("request_, statuses", (
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3, [b"200"] * 3),
    (b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", [b"200"]),
    (b"BAD\r\n\r\n", [b"400"]),
    (b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"x" * 16000, [b"431"]),
    (b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\nxxx",
     [b"100", b"400"]),
    (b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", [b"400"]),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 300, [b"413"]),
    (b"GET / HT", []),
))
def test_http_inetd_with_input_that_ends(tmp_path, request_, statuses):
    done = subprocess.run([EXAMPLES / "http_inetd", tmp_path], input=request_,
                          capture_output=True, timeout=PATIENCE, check=True)
    assert [part[:3] for part in done.stdout.split(b"HTTP/1.1 ")[1:]] == statuses
    assert not list(tmp_path.iterdir())


def test_http_heads():
    def heads(text):
        return run("http_heads", check=False, input=text.replace("\n", "\r\n"))

    good = "HTTP/1.1 200 OK\nContent-Length: 5\nX-Content-Type-Options: nosniff\n"
    done = heads(f"HTTP/1.1 302 Found\nLocation: /x\n\n{good}Set-Cookie: a=b; Path=/; httponly\n"
                 "Cache-Control: max-age=1, Private\n\nHTTP/1.0 304\n\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "302 Found /x", "    all until the end of the connection, then the connection stays",
        "200 OK ", "    5 bytes, then the connection stays",
        "304 Not Modified ", "    all until the end of the connection, then the connection closes"]
    for head, remark in (("HTTP/1.1 200 Fine\nX-Content-Type-Options: nosniff\n", "Fine"),
                         (good + "Set-Cookie: a=b;HttpOnly\n", "caches"),
                         (good + "Cache-Control: no-store\nSet-Cookie: a=b\n", "scripts"),
                         ("HTTP/1.1 204 No Content\n", "browsers"),
                         ("HTTP/1.1 301 Moved Permanently\n", "nowhere")):
        done = heads(head + "\n")
        assert done.returncode == 1 and done.stdout.count("!") == 1 and remark in done.stdout
    for head, error in (("HTTP/2 200\n\n", "UNSUPPORTED"), ("HTTP/1.1 200 OK\n", "CLOSED"),
                        ("HTTP/1.1 200 OK\nA: " + "x" * 16000, "LIMIT"), ("what\n\n", "PROTOCOL")):
        done = heads(head)
        assert done.returncode == 1 and f"(RN_E_{error})" in done.stderr


class Site(http.server.BaseHTTPRequestHandler):
    """Pieces of content, framed as their names say, and redirects."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.client_address, self.path))
        kind, _, rest = self.path[1:].partition("/")
        if kind == "missing":
            self.send_error(404)
            return
        body = b"" if kind == "to" else DATA[:int(rest)]
        self.send_response(302 if kind == "to" else 200)
        self.send_header("Content-Type", f"text/{kind}")
        if kind == "to":
            self.send_header("Location", rest.replace("@", self.server.other))
        if kind == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
            body = client.chunked(body, 5000)
        elif kind in ("close", "rude"):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body) + (kind == "cut")))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = kind in ("close", "rude", "cut")
        # So that the end is known to be the server's word (RFC 8446, 6.1).
        if kind == "close" and self.server.tls:
            self.wfile.flush()
            with contextlib.suppress(OSError):
                self.connection.unwrap()

    def do_PUT(self):
        self.server.seen.append(self.path)
        if self.path == "/no":
            self.close_connection = True
            self.send_response(403)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"no")
            return
        self.server.types.append(self.headers["Content-Type"])
        if self.path == "/moved" and self.server.seen.count("/moved") == 1:
            self.rfile.readline()
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /moved\r\n"
                             b"Content-Length: 0\r\n\r\n")
            return
        body = b""
        if length := self.headers["Content-Length"]:
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                return  # here too
        while not length and (size := int(self.rfile.readline() or b"-1", 16)):
            if size < 0:
                return  # the client gave up
            body += self.rfile.read(size + 2)[:-2]
            self.server.seen.append(body)
        if not length:
            self.rfile.readline()
        self.server.bodies.append(body)
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + body.upper())
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def site(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    server.seen, server.types, server.bodies, server.other = [], [], [], ""
    server.tls = bool(context)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()


@pytest.fixture(scope="module", name="certificate")
def _certificate(tmp_path_factory):
    """A certificate for localhost that says it is its own authority, and its key."""
    place = tmp_path_factory.mktemp("certificate")
    files = place / "certificate.pem", place / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=DNS:localhost", "-out", files[0],
                    "-keyout", files[1]], capture_output=True, check=True)
    return files


def https(files, *urls, trust=True):
    environment = {**os.environ, **({"SSL_CERT_FILE": str(files[0])} if trust else {})}
    return subprocess.run([EXAMPLES / "https_fetch", *urls], capture_output=True, check=False,
                          timeout=PATIENCE, env=environment)


def test_https_fetch(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with site(context) as one, site(context) as two:
        home = f"https://localhost:{one.server_port}"
        one.other = f"https://localhost:{two.server_port}"
        done = https(certificate, *(f"{home}{path}" for path in (
            "/length/100000", "/chunks/70000", "/length/0", "/to//to//length/3")))
        assert done.returncode == 0, done.stderr
        assert done.stdout == DATA[:100000] + DATA[:70000] + DATA[:3]
        assert len(one.seen) == 6 and len({peer for peer, _ in one.seen}) == 1
        one.seen.clear()
        done = https(certificate, f"{home}/close/5", f"{home}/to/@/length/4", f"{home}/length/9")
        assert (done.returncode, done.stdout) == (0, DATA[:5] + DATA[:4] + DATA[:9]), done.stderr
        assert len({peer for peer, _ in one.seen}) == 3 and len(two.seen) == 1
        assert done.stderr.count(b"connected by TLSv1") == 4
        one.seen.clear()
        for path, error in ((b"/cut/70000", b"1 bytes are missing"),
                            (b"/to/http://x/", b"not https"), (b"/to/https:///", b"RN_E_PROTOCOL"),
                            (b"/rude/5", b"ECONNRESET")):
            done = https(certificate, home.encode() + path)
            assert done.returncode == 1 and error in done.stderr, done.stderr
        wrong = home.replace("localhost", "127.0.0.1")
        seen = len(one.seen)
        for done in (https(certificate, f"{home}/length/1", trust=False),
                     https(certificate, f"{wrong}/length/1")):
            assert (done.returncode, done.stdout) == (1, b"")
            assert b"certificate verify failed" in done.stderr
        assert len(one.seen) == seen


def test_http_push():
    with site() as server:
        url = f"http://localhost:{server.server_port}"
        with subprocess.Popen([EXAMPLES / "http_push", f"{url}/x"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            for number, line in enumerate((b"a line\n", b"another\n", DATA)):
                process.stdin.write(line)  # each goes out while the next is not there yet
                process.stdin.flush()
                while len(server.seen) < 2 + number:
                    assert process.poll() is None
            output, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output) == (0, b"A LINE\nANOTHER\n" + DATA.upper())
        assert server.seen[:3] == ["/x", b"a line\n", b"a line\nanother\n"]
        with subprocess.Popen([EXAMPLES / "http_push", f"{url}/no"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:  # whose input doesn't end
            assert process.stdout.read() == b"no"
            assert process.wait(PATIENCE) == 1
    for wrong in ("https://localhost/", "x", url):
        assert run("http_push", wrong, check=False, input="x").returncode == 1


def test_http_copy(backend):
    with site() as one, site() as two:
        source, target = (f"http://localhost:{server.server_port}" for server in (one, two))
        for path, length in (("/length/1000000", 1000000), ("/chunks/700000", 700000),
                             ("/close/300000", 300000), ("/to//length/3", 3), ("/length/0", 0)):
            done = run("http_copy", backend, source + path, f"{target}/x")
            assert done.stdout.endswith(f"{target}/x: 200 OK\n{length} bytes\n")
            assert two.bodies.pop() == DATA[:length]
        assert two.types == ["text/length", "text/chunks", "text/close"] + 2 * ["text/length"]
        for paths, error in ((("/cut/300000", "/x"), "the peer closed in the middle"),
                             (("/missing/", "/x"), ""), (("/length/700000", "/no"), ""),
                             (("/chunks/70000", "/moved"), "")):
            done = run("http_copy", backend, source + paths[0], target + paths[1], check=False)
            assert done.returncode == 1 and error in done.stderr, done
        assert not two.bodies
    done = run("http_copy", backend, target, target, check=False)
    assert (done.returncode, done.stderr) == (1, f"{target}: connection refused\n")
