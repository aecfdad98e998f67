"""The examples that use the HTTP machines by hand."""
import contextlib
import http.client
import socket
import subprocess

import pytest
from bed import DATA, EXAMPLES, PATIENCE, run


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
