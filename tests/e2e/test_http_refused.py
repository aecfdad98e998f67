"""Requests that must be refused: the status, the end of the connection, and no second answer."""
import pytest

from client import Connection, fetch, request

NEXT = request("POST", "/smuggled", body=b"smuggled")
GET = "GET / HTTP/1.1\r\nHost: x\r\n"
POST = "POST / HTTP/1.1\r\nHost: x\r\n"
CODED = POST + "Transfer-Encoding: "
CHUNKED = CODED + "chunked\r\n\r\n"

# name: (the bytes, the statuses that may answer them)
REFUSED = {
    # the request line
    "no request line": ("\r\n\r\n\r\n", (400,)),
    "one word": ("GET\r\n\r\n", (400,)),
    "no version": ("GET /\r\n\r\n", (400,)),
    "version in lower case": ("GET / http/1.1\r\nHost: x\r\n\r\n", (400,)),
    "version without a number": ("GET / HTTP/\r\nHost: x\r\n\r\n", (400,)),
    "version with more digits": ("GET / HTTP/1.10\r\nHost: x\r\n\r\n", (400, 505)),
    "version 01.1": ("GET / HTTP/01.1\r\nHost: x\r\n\r\n", (400, 505)),
    "version 2.0": ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", (505,)),
    "version 0.9": ("GET / HTTP/0.9\r\nHost: x\r\n\r\n", (505, 400)),
    "version 3.0": ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", (505,)),
    "preface of HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    "hello of TLS": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x00" * 40, (400,)),
    "two spaces": ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "two spaces after the target": ("GET /  HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "space at the end": ("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", (400,)),
    "space at the start": (" GET / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "tab for space": ("GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "space in the target": ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "method not a token": ("G@T / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "method with a NUL": ("GE\0T / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "target without a slash": ("GET plaintext HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "target with a NUL": ("GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "target with a control": ("GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "target with DEL": ("GET /a\x7fb HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "target with a fragment": ("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "asterisk with GET": ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "authority with GET": ("GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    # line ends
    "bare LF after the request line": ("GET / HTTP/1.1\nHost: x\r\n\r\n", (400,)),
    "bare LF after a field": ("GET / HTTP/1.1\r\nHost: x\n\r\n", (400,)),
    "bare LF at the end": ("GET / HTTP/1.1\r\nHost: x\r\n\n", (400,)),
    "bare CR in the request line": ("GET / HTTP/1.1\rHost: x\r\n\r\n", (400,)),
    "bare CR in a value": (GET + "X-A: a\rb\r\n\r\n", (400,)),
    "CR CR LF": (GET + "X-A: a\r\r\n\r\n", (400,)),
    "folded field": (GET + "X-A: a\r\n b\r\n\r\n", (400,)),
    "folded by a tab": (GET + "X-A: a\r\n\tb\r\n\r\n", (400,)),
    "space before the first field": ("GET / HTTP/1.1\r\n Host: x\r\n\r\n", (400,)),
    # fields
    "space before the colon": (GET + "X-A : a\r\n\r\n", (400,)),
    "no colon": (GET + "X-A\r\n\r\n", (400,)),
    "no name": (GET + ": a\r\n\r\n", (400,)),
    "name not a token": (GET + "X(A): a\r\n\r\n", (400,)),
    "name with a byte over 127": (GET + "X\xe4: a\r\n\r\n", (400,)),
    "NUL in a value": (GET + "X-A: a\0b\r\n\r\n", (400,)),
    "control in a value": (GET + "X-A: a\x02b\r\n\r\n", (400,)),
    "no Host": ("GET / HTTP/1.1\r\n\r\n", (400,)),
    "Host twice": (GET + "Host: x\r\n\r\n", (400,)),
    "two Hosts": (GET + "Host: y\r\n\r\n", (400,)),
    "Host with a space": ("GET / HTTP/1.1\r\nHost: x y\r\n\r\n", (400,)),
    "Host with a path": ("GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", (400,)),
    "Host with a user": ("GET / HTTP/1.1\r\nHost: a@x\r\n\r\n", (400,)),
    "unknown expectation": (POST + "Expect: tea\r\nContent-Length: 0\r\n\r\n", (417,)),
    # framing
    "Content-Length twice": (POST + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", (400,)),
    "Content-Length repeated": (POST + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", (400,)),
    "Content-Length as a list": (POST + "Content-Length: 1, 1\r\n\r\na", (400,)),
    "Content-Length negative": (POST + "Content-Length: -1\r\n\r\n", (400,)),
    "Content-Length with a plus": (POST + "Content-Length: +1\r\n\r\na", (400,)),
    "Content-Length empty": (POST + "Content-Length:\r\n\r\n", (400,)),
    "Content-Length hexadecimal": (POST + "Content-Length: 0x10\r\n\r\n", (400,)),
    "Content-Length with a letter": (POST + "Content-Length: 1a\r\n\r\na", (400,)),
    "Content-Length with a space": (POST + "Content-Length: 1 1\r\n\r\n", (400,)),
    "Content-Length of 2^64": (POST + "Content-Length: 18446744073709551616\r\n\r\n", (400, 413)),
    "Content-Length of 40 digits": (POST + f"Content-Length: {'9' * 40}\r\n\r\n", (400, 413)),
    "length and chunked": (POST + "Content-Length: 3\r\n" + CHUNKED[len(POST):] + "0\r\n\r\n",
                           (400,)),
    "chunked and length": (CODED + "chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", (400,)),
    "unknown coding": (CODED + "gzip\r\n\r\n", (400, 501)),
    "coding before chunked": (CODED + "gzip, chunked\r\n\r\n0\r\n\r\n", (400, 501)),
    "chunked not last": (CODED + "chunked, gzip\r\n\r\n0\r\n\r\n", (400, 501)),
    "chunked twice": (CODED + "chunked, chunked\r\n\r\n0\r\n\r\n", (400, 501)),
    "chunked in two fields": (CODED + "chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                              (400, 501)),
    "identity": (CODED + "identity\r\n\r\n", (400, 501)),
    "coding with a control": (CODED + "\x0bchunked\r\n\r\n0\r\n\r\n", (400, 501)),
    "coding that ends in chunked": (CODED + "xchunked\r\n\r\n0\r\n\r\n", (400, 501)),
    "chunked in HTTP/1.0": ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                            (400, 501)),
    # chunks
    "chunk size not a number": (CHUNKED + "x\r\n", (400,)),
    "chunk size empty": (CHUNKED + "\r\nabc\r\n", (400,)),
    "chunk size negative": (CHUNKED + "-1\r\n", (400,)),
    "chunk size with a plus": (CHUNKED + "+1\r\na\r\n0\r\n\r\n", (400,)),
    "chunk size with 0x": (CHUNKED + "0x1\r\na\r\n0\r\n\r\n", (400,)),
    "chunk size over 64 bits": (CHUNKED + "10000000000000000\r\n", (400, 413)),
    "chunk size of 32 digits": (CHUNKED + "f" * 32 + "\r\n", (400, 413)),
    "chunk size after a space": (CHUNKED + " 1\r\na\r\n0\r\n\r\n", (400,)),
    "chunk line with a bare LF": (CHUNKED + "1\na\r\n0\r\n\r\n", (400,)),
    "chunk line with a bare CR": (CHUNKED + "1\ra\r\n0\r\n\r\n", (400,)),
    "chunk longer than its size": (CHUNKED + "1\r\nab\r\n0\r\n\r\n", (400,)),
    "chunk data with a bare LF": (CHUNKED + "1\r\na\n0\r\n\r\n", (400,)),
    "chunk line of 64 KiB": (CHUNKED + "1;" + "a" * 65536 + "\r\na\r\n0\r\n\r\n", (400, 413, 431)),
    "trailer of 64 KiB": (CHUNKED + "0\r\n" + "X: " + "a" * 65536 + "\r\n\r\n", (400, 413, 431)),
    "trailer without a colon": (CHUNKED + "0\r\nbad\r\n\r\n", (400,)),
    "trailer with a bare LF": (CHUNKED + "0\r\nX: a\n\r\n", (400,)),
    # limits
    "one field of 64 KiB": (GET + "X-Long: " + "a" * 65536 + "\r\n\r\n", (431,)),
    "64 KiB in many fields": (GET + "".join(f"X-{n}: {'a' * 100}\r\n" for n in range(600)) + "\r\n",
                              (431,)),
    "a thousand short fields": (GET + "a:b\r\n" * 1000 + "\r\n", (431,)),
    "a name of 64 KiB": (GET + "X" * 65536 + ": a\r\n\r\n", (431,)),
    "target of 64 KiB": ("GET /" + "a" * 65536 + " HTTP/1.1\r\nHost: x\r\n\r\n", (414,)),
    "target of 10,000 bytes": ("GET /" + "a" * 10000 + " HTTP/1.1\r\nHost: x\r\n\r\n", (414,)),
    "method of 64 KiB": ("G" * 65536 + " / HTTP/1.1\r\nHost: x\r\n\r\n", (400, 414, 501)),
}


BROKEN_BODIES = {name for name in REFUSED if name.startswith(("chunk ", "trailer "))}


def check(connection, statuses):
    data = connection.read_to_end()
    assert b"smuggled" not in data, data[:500]
    connection.pending += data
    response = connection.read_response()
    assert response.status in statuses, response
    assert response.closes(), response
    assert response.header("Date"), response
    assert not connection.pending, bytes(connection.pending[:500])


def refuse(address, data, statuses):
    """The refusal comes whether the bytes come at once or in two pieces."""
    for cut in (0, len(data) // 2):
        with Connection(address) as connection:
            connection.send_unless_closed(data[:cut])
            connection.send_unless_closed(data[cut:] + NEXT)
            check(connection, statuses)


@pytest.mark.parametrize("name", sorted(set(REFUSED) - BROKEN_BODIES))
def test_refused(httpd, name):
    server = httpd("--echo")
    text, statuses = REFUSED[name]
    refuse(server.address, text.encode("latin-1"), statuses)
    assert fetch(server.address, "POST", body=b"alive").body == b"alive"


@pytest.mark.parametrize("name", sorted(BROKEN_BODIES))
def test_broken_body_refused(httpd, name):
    """A handler that waits for the whole body never sees a broken one."""
    server = httpd()
    text, statuses = REFUSED[name]
    data = text.replace("POST /", "GET /plaintext").encode("latin-1")
    refuse(server.address, data, statuses)
    assert fetch(server.address, target="/plaintext").status == 200


@pytest.mark.parametrize("name", sorted(BROKEN_BODIES))
def test_broken_body_in_an_echo(httpd, name):
    """The answer to a body that streams may have begun: then it must have no proper end."""
    server = httpd("--echo")
    text, statuses = REFUSED[name]
    with Connection(server.address) as connection:
        connection.send_unless_closed(text.encode("latin-1") + NEXT)
        data = connection.read_to_end()
    assert b"smuggled" not in data, data[:500]
    if data[:12] != b"HTTP/1.1 200":
        assert data == b"" or int(data[9:12]) in statuses
    assert not data.endswith(b"\r\n0\r\n\r\n"), "a broken body was answered as if it were whole"
    assert fetch(server.address, "POST", body=b"alive").body == b"alive"


GOOD = {
    "Host empty": "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "Host with a port": "GET / HTTP/1.1\r\nHost: x:8000\r\n\r\n",
    "Host of IPv6": "GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n",
    "HTTP/1.0 without Host": "GET / HTTP/1.0\r\n\r\n",
    "value with white space": "GET / HTTP/1.1\r\nHost: \t x \t\r\nX-A:a\r\n\r\n",
    "value with a byte over 127": GET + "X-A: \xe4\xff\r\n\r\n",
    "value with a tab": GET + "X-A: a\tb\r\n\r\n",
    "name with all of a token": GET + "!#$%&'*+-.^_`|~09aZ: x\r\n\r\n",
    "escapes in the target": "GET /%20%c3%a4?%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute target": "GET http://y:80/a?b HTTP/1.1\r\nHost: y:80\r\n\r\n",
    "Content-Length with zeros": POST + "Content-Length: 0000\r\n\r\n",
    "sixty fields": GET + "".join(f"X-{number}: a\r\n" for number in range(60)) + "\r\n",
    "field of 8,000 bytes": GET + f"X-A: {'a' * 8000}\r\n\r\n",
    "target of 4,000 bytes": f"GET /{'a' * 4000} HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_not_refused(httpd, name):
    server = httpd("--echo")
    with Connection(server.address) as connection:
        connection.send(GOOD[name].encode("latin-1"))
        assert connection.read_response().status == 200


def test_head_of_64_kib_that_trickles(httpd):
    """The answer comes at the limit, not at the end of what is sent."""
    server = httpd("--echo")
    with Connection(server.address) as connection:
        connection.send(GET.encode())
        for number in range(64):
            connection.send_unless_closed(b"X-%d: " % number + b"a" * 1016 + b"\r\n")
        assert connection.read_response().status == 431
        assert connection.is_closed()


def test_options_of_the_server(httpd):
    server = httpd()
    assert fetch(server.address, "OPTIONS", "*").status in (200, 204, 404, 405)


def test_higher_minor_version(httpd):
    """RFC 9110, section 2.5: it is taken for the highest that is known."""
    server = httpd("--echo")
    with Connection(server.address) as connection:
        connection.send(b"GET / HTTP/1.9\r\nHost: x\r\n\r\n")
        assert connection.read_response().status == 200


def test_connect_and_trace(httpd):
    server = httpd()
    assert fetch(server.address, "CONNECT", "x:80").status in (400, 405, 501)
    assert fetch(server.address, "TRACE", "/").status in (405, 501)
