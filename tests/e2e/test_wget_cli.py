"""The command line of wget: help, mistakes, names of files, exit codes."""
import os
import re
import socket

import pytest

from conftest import one_backend
from origin import file_server, response, saying
from server import ROOT, VERSION

FLAGS = ["--output-document", "--continue", "--timestamping", "--jobs", "--quiet",
         "--server-response", "--header", "--method", "--body-data", "--body-file",
         "--max-redirect", "--tries", "--timeout", "--limit-rate", "--user", "--password",
         "--proxy", "--backend", "--version", "--help"]


@pytest.fixture
def backend(request):
    return one_backend(request.node.name)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(wget, flag):
    text = wget(flag).stdout.decode()
    for name in FLAGS:
        assert re.search(rf"{name}\b", text), name
    assert max(map(len, text.splitlines())) <= 100


def test_version(wget):
    assert VERSION in wget("-V").stdout.decode()


@pytest.mark.parametrize("program", ["build/wget", "build/aarch64/wget"])
def test_size_of_the_program(program):
    if not (ROOT / program).exists():
        pytest.skip("not built")
    assert (ROOT / program).stat().st_size <= 40_960


WRONG = {
    "no URL": ([], "which URL"),
    "unknown flag": (["--frobnicate", "http://h/"], "--frobnicate"),
    "unknown letter": (["-Z", "http://h/"], "-Z"),
    "unknown letter behind another": (["-qZ", "http://h/"], "-Z"),
    "jobs": (["-j", "0", "http://h/"], "'0'"),
    "too many jobs": (["-j", "65", "http://h/"], "'65'"),
    "rate": (["--limit-rate", "fast", "http://h/"], "fast"),
    "rate of nothing": (["--limit-rate", "0", "http://h/"], "'0'"),
    "field": (["--header", "no colon", "http://h/"], "no colon"),
    "field that would be two": (["--header", "A: b\r\nC: d", "http://h/"], "Name: value"),
    "method": (["--method", "A B", "http://h/"], "A B"),
    "two bodies": (["--body-data", "a", "--body-file", "b", "http://h/"], "--body-data"),
    "two files for one name": (["-O", "x", "http://h/1", "http://h/2"], "-O"),
    "no URL but a word": (["http://"], "no URL"),
    "a port that is none": (["http://h:99999/"], "no URL"),
    "a control in the URL": (["http://h/a\nb"], "no URL"),
    "another scheme": (["gopher://h/"], "not http"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(wget, name):
    arguments, word = WRONG[name]
    wget.fails(2, *arguments, word=word)


def test_tls(wget):
    wget.fails(5, "https://127.0.0.1/", word="TLS")


def test_backend_unknown(wget):
    wget.fails(2, "--backend", "kqueue", "http://h/", word="kqueue")


def test_refused(wget):
    """As GNU wget has it, this is not tried again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        wget.fails(4, f"http://127.0.0.1:{taken.getsockname()[1]}/", word="refused")


def test_no_such_name(wget):
    wget.fails(4, "-T", 10, "http://nothing.invalid/", word="nothing.invalid")


STATUSES = {"400 Bad Request": 8, "401 Unauthorized": 6, "403 Forbidden": 8, "404 Not Found": 8,
            "407 Proxy Authentication Required": 6, "410 Gone": 8, "500 Internal Server Error": 8,
            "503 Service Unavailable": 8, "300 Multiple Choices": 8, "304 Not Modified": 8,
            "416 Range Not Satisfiable": 8, "599 What": 8}


@pytest.mark.parametrize("status", STATUSES)
def test_status(wget, origin, status):
    server = origin(saying(response(b"no", status)))
    wget.fails(STATUSES[status], "-q", server.url(), word=status)


def test_the_lowest_code_counts(wget, origin):
    server = origin(saying(response(b"no", "404 Not Found")))
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    wget("-q", server.url(), f"http://127.0.0.1:{nobody.getsockname()[1]}/", "http://h:0/", code=2)
    wget("-q", server.url(), f"http://127.0.0.1:{nobody.getsockname()[1]}/", code=4)
    nobody.close()


# What a path of a URL becomes as a file's name.
NAMES = {
    "/a": "a", "/a/b/c.txt": "c.txt", "/": "index.html", "/a/": "index.html", "": "index.html",
    "/a?x=1&y=2": "a?x=1&y=2", "/?x": "index.html?x", "/a%20b": "a b", "/a%2Fb": "a_b",
    "/%2E%2E%2Fpasswd": "_._passwd", "/..%2f..%2fx": "_._.._x", "/.hidden": "_hidden",
    "/-rf": "_rf", "/a%0Ab": "a_b", "/a%00b": "a%00b", "/%1b%5b31m": "_[31m", "/a?b/c": "a?b_c",
    "/%C3%A4": "ä", "/" + "n" * 300: "n" * 230, "/a/../b": "b", "/a#part": "a",
}


@pytest.mark.parametrize("path", NAMES)
def test_name(wget, origin, path):
    server = origin(file_server(b"content"))
    wget("-q", server.url(path))
    assert wget.files() == {NAMES[path]: b"content"}


def test_name_is_not_the_redirects(wget, origin):
    def answer(connection, request):
        if request.target == "/file":
            connection.sendall(response(b"", "302 Found", Location="/.bashrc"))
        else:
            connection.sendall(response(b"content"))
    wget("-q", origin(answer).url())
    assert wget.files() == {"file": b"content"}


def test_names_that_exist_are_left(wget, origin):
    server = origin(file_server(b"content"))
    (wget.place / "file").write_bytes(b"precious")
    wget("-q", server.url(), server.url())
    assert wget.files() == {"file": b"precious", "file.1": b"content", "file.2": b"content"}


def test_one_name_at_once(wget, origin):
    server = origin(file_server(b"content"))
    wget("-q", "-j", 4, *[server.url()] * 8)
    assert len(wget.files()) == 8 and set(wget.files().values()) == {b"content"}


def test_output_file(wget, origin):
    server = origin(file_server(b"content"))
    wget("-q", server.url(), "out")
    wget("-q", server.url(), "-O", "other")
    wget("-q", "-Oout2", server.url())
    wget("-q", f"--output-document={wget.place}/out3", server.url())
    assert wget.files() == dict.fromkeys(("out", "other", "out2", "out3"), b"content")


def test_url_without_a_scheme(wget, origin):
    server = origin(file_server(b"content"))
    wget("-q", f"127.0.0.1:{server.port}/file")
    assert wget.files() == {"file": b"content"}


def test_fields_are_sent(wget, origin):
    server = origin(file_server(b""))
    wget("-q", "--header", "X-One: 1", "--header=X-Two:  2 ", "--header", "Accept: text/plain",
         "-U", "me", server.url())
    head = server.requests[0].split("\r\n")
    assert {"X-One: 1", "X-Two: 2", "Accept: text/plain", "User-Agent: me"} <= set(head), head
    assert sum(line.lower().startswith("accept:") for line in head) == 1


@pytest.mark.parametrize("arguments, method, body, kind", [
    (["--body-data", "a=b"], "POST", b"a=b", "application/x-www-form-urlencoded"),
    (["--method", "PUT", "--body-file", "body", "--header", "Content-Type: x/y"], "PUT",
     b"0123456789" * 30000, "x/y"),
    (["--method", "DELETE"], "DELETE", b"", None),
])
def test_body(wget, origin, arguments, method, body, kind):
    seen = {}

    def answer(connection, request):
        seen.update(method=request.method, body=request.body(connection),
                    kind=request.fields.get("content-type"))
        connection.sendall(response(b"thanks"))
    (wget.place / "body").write_bytes(b"0123456789" * 30000)
    wget("-q", *arguments, origin(answer).url())
    assert seen == {"method": method, "body": body, "kind": kind}
    assert wget.files()["file"] == b"thanks"


def test_body_that_is_no_file(wget):
    wget.fails(3, "--body-file", "missing", "http://h/", word="missing")
    wget.fails(3, "--body-file", "/dev/null", "http://h/", word="regular")


def test_head(wget, origin):
    server = origin(saying(response(b"", Content_Length=1234)))
    result = wget("-S", "--method", "HEAD", server.url())
    assert wget.files() == {}
    assert "  Content-Length: 1234" in result.lines


def test_server_response(wget, origin):
    def answer(connection, request):
        if request.target == "/file":
            connection.sendall(response(b"", "302 Found", Location="/there", X_Evil="\x9b31m"))
        else:
            connection.sendall(response(b"content", Server="me"))
    result = wget("-qS", origin(answer).url())
    assert [line for line in result.lines if line.startswith("  HTTP/1.1 ")] == \
        ["  HTTP/1.1 302 Found", "  HTTP/1.1 200 OK"]
    assert "  Server: me" in result.lines and "  Location: /there" in result.lines


@pytest.mark.parametrize("arguments, credentials", [
    (["--user", "me", "--password", "secret"], "Basic bWU6c2VjcmV0"),
    (["--user", "me"], "Basic bWU6"),
])
def test_user(wget, origin, arguments, credentials):
    server = origin(file_server(b""))
    wget("-q", *arguments, server.url())
    assert f"Authorization: {credentials}" in server.requests[0]


def test_user_in_the_url(wget, origin):
    server = origin(file_server(b""))
    wget("-q", server.url().replace("//", "//me:se%63ret@"))
    assert "Authorization: Basic bWU6c2VjcmV0" in server.requests[0]


def test_password_is_not_shown(wget, origin):
    refused = origin(saying(response(b"", "404 No")))
    for arguments, code in ((["-O-", origin(file_server(b"")).url()], 0), ([refused.url()], 8),
                            (["--tries", "2", origin(saying(b"")).url()], 4),
                            (["https://h/"], 5)):
        result = wget(*(word.replace("://", "://me:secret@") for word in arguments), code=code)
        assert b"secret" not in result.stderr and b"://" in result.stderr


def test_url_that_is_too_long(wget):
    """Also one that would be short enough without its dots, if it were read to its end."""
    wget.fails(2, "http://h/" + "./" * 2048 + "name", word="too long")


def test_password_stays_with_its_origin(wget, origin):
    other = origin(file_server(b"content"))
    server = origin(saying(response(b"", "302 Found", Location=other.url())))
    wget("-q", "--user", "me", "--password", "secret", server.url())
    assert "Authorization" in server.requests[0] and "Authorization" not in other.requests[0]


@pytest.mark.parametrize("way", ["flag", "environment", "environment without a scheme"])
def test_proxy(wget, origin, way):
    proxy = origin(file_server(b"content"))
    where = f"http://127.0.0.1:{proxy.port}"
    if way == "flag":
        wget("-q", "--proxy", where, "http://example.invalid/file")
    else:
        value = where if way == "environment" else where[len("http://"):]
        wget("-q", "http://example.invalid/file", environment={"http_proxy": value})
    assert proxy.requests[0].startswith("GET http://example.invalid/file HTTP/1.1")
    assert wget.files() == {"file": b"content"}


@pytest.mark.parametrize("arguments, environment", [
    (["--no-proxy"], {}), ([], {"no_proxy": "example.com, 127.0.0.1"}), ([], {"no_proxy": "*"}),
])
def test_no_proxy(wget, origin, arguments, environment):
    server = origin(file_server(b"content"))
    wget("-q", *arguments, server.url(), environment={"http_proxy": "http://127.0.0.1:9",
                                                      **environment})
    assert wget.files() == {"file": b"content"}


def test_max_redirect(wget, origin):
    def answer(connection, request):
        number = int(request.target.rsplit("/", 1)[1])
        connection.sendall(response(b"", "302 Found", Location=f"/{number + 1}") if number < 3
                           else response(b"content"))
    server = origin(answer)
    wget("-q", "--max-redirect", 3, server.url("/0"))
    wget.fails(8, "-q", "--max-redirect", 2, server.url("/0"), word="redirects")
    wget.fails(8, "-q", "--max-redirect", 0, server.url("/0"), word="redirect")
    assert list(wget.files().values()) == [b"content"]


def test_mode_follows_the_umask(wget, origin):
    before = os.umask(0o027)
    try:
        wget("-q", origin(file_server(b"content")).url())
    finally:
        os.umask(before)
    assert (wget.place / "file").stat().st_mode & 0o777 == 0o640
