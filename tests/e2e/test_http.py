"""HTTP/1.1 as a client sees it: routes, every split, pipelining, keep-alive, timeouts, curl."""
import json
import random
import re
import subprocess
import time
from email.utils import parsedate_to_datetime

import pytest

from client import Connection, Closed, chunked, fetch, request, status, total
from server import HUNG, VERSION, wait_until

MEBIBYTE = 1 << 20


@pytest.fixture
def demo(httpd):
    return httpd(workers=2)


@pytest.fixture
def echo(httpd):
    return httpd("--echo", workers=2)


def test_plaintext(demo):
    response = fetch(demo.address, target="/plaintext")
    assert response.status == 200 and response.reason == "OK"
    assert response.body == b"Hello, World!"
    assert response.header("Content-Length") == "13"
    assert response.media_type() == "text/plain"


def test_date_is_an_imf_fixdate_of_now(demo):
    before = time.time()
    date = fetch(demo.address, target="/plaintext").header("Date")
    after = time.time()
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|"
                        r"Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT", date)
    assert before - 2 <= parsedate_to_datetime(date).timestamp() <= after + 1
    assert parsedate_to_datetime(date).strftime("%a") == date[:3]


def test_date_moves_on_while_a_connection_is_kept(demo):
    before = time.monotonic()
    with Connection(demo.address) as connection:
        first = connection.exchange(target="/plaintext").header("Date")
        time.sleep(2.1)
        second = connection.exchange(target="/plaintext").header("Date")
    moved = parsedate_to_datetime(second) - parsedate_to_datetime(first)
    assert 1 <= moved.total_seconds() <= time.monotonic() - before + 2


def test_json(demo):
    response = fetch(demo.address, target="/json")
    assert response.status == 200
    assert response.media_type() == "application/json"
    assert json.loads(response.body)


def test_status_reports_the_server(demo, backend):
    response = fetch(demo.address, target="/status")
    assert response.status == 200
    assert response.media_type() == "application/json"
    figures = json.loads(response.body)
    assert figures["backend"] == backend
    assert figures["version"] == VERSION
    assert figures["uptime"] >= 0
    assert len(figures["workers"]) == 2
    for worker in figures["workers"]:
        assert {"connections", "requests"} <= set(worker)


def test_page_loads_nothing_from_elsewhere(demo):
    response = fetch(demo.address)
    assert response.status == 200
    assert response.media_type() == "text/html"
    elsewhere = rb"""(src|href|url|import)\s*[=(]?\s*["']?\s*(https?:)?//"""
    assert not re.search(elsewhere, response.body)


def test_query_does_not_change_the_route(demo):
    assert fetch(demo.address, target="/plaintext?a=1&b=%20").body == b"Hello, World!"


def test_absolute_target(demo):
    assert fetch(demo.address, target="http://localhost/plaintext").body == b"Hello, World!"


def test_unknown_path(demo):
    response = fetch(demo.address, target="/nothing/here")
    assert response.status == 404


@pytest.mark.parametrize("target", ["/", "/plaintext", "/json", "/status", "/nothing"])
def test_head_is_get_without_the_body(demo, target):
    with Connection(demo.address) as connection:
        connection.send(request("HEAD", target) + request("GET", "/plaintext"))
        head = connection.read_response("HEAD")
        assert connection.read_response().body == b"Hello, World!"
        full = connection.exchange(target=target)
    assert head.status == full.status
    assert head.header("Content-Type") == full.header("Content-Type")
    if target not in ("/status",):
        assert head.header("Content-Length") == full.header("Content-Length")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_method_not_allowed(demo, method):
    response = fetch(demo.address, method, "/plaintext", body=b"abc")
    assert response.status == 405
    allowed = {token.strip() for token in response.header("Allow").split(",")}
    assert {"GET", "HEAD"} <= allowed and method not in allowed


@pytest.mark.parametrize("method", ["BREW", "get", "X-Y.Z", "PROPFIND"])
def test_unknown_method(demo, method):
    assert fetch(demo.address, method, "/plaintext").status in (405, 501)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_echo_answers_every_method_and_path(echo, method):
    response = fetch(echo.address, method, "/any/path?x=1", body=b"some body")
    assert response.status == 200
    assert response.body == (b"" if method == "HEAD" else b"some body")


TEXT = b"the request's body"
REQUESTS = {
    "get": (request("GET", "/path", [("Accept", "*/*"), ("X-Empty", "")]), b""),
    "length": (request("POST", "/path", [("X-A", "b")], TEXT), TEXT),
    "chunked": (request("POST", "/path", [("Transfer-Encoding", "chunked")])
                + chunked(TEXT, 7, b';name="a;\\"b"', b"X-Trailer: value\r\n"), TEXT),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_request_cut_at_every_byte(echo, kind):
    data, body = REQUESTS[kind]
    with Connection(echo.address) as connection:
        for cut in range(1, len(data)):
            connection.send_pieces(data, cut)
            response = connection.read_response()
            assert (response.status, response.body) == (200, body), f"cut at {cut}"


@pytest.mark.parametrize("kind", REQUESTS)
def test_request_byte_by_byte(echo, kind):
    data, body = REQUESTS[kind]
    with Connection(echo.address) as connection:
        for _ in range(2):
            connection.send_pieces(data, *range(1, len(data)), pause=0.0005)
            assert connection.read_response().body == body


def test_connections_cut_at_every_byte_and_closed(httpd):
    echo = httpd("--echo", "--header-timeout", 600, "--idle-timeout", 600)
    before = echo.settled_descriptors()
    data, _ = REQUESTS["chunked"]
    for cut in range(len(data)):
        with Connection(echo.address) as connection:
            connection.send(data[:cut])
            if cut % 2:
                connection.reset()
    assert fetch(echo.address, "POST", body=b"alive").body == b"alive"
    wait_until(lambda: echo.descriptors() <= before)


@pytest.mark.parametrize("depth", [1, 2, 3, 16, 64, 200])
def test_pipelined_answers_come_in_order(echo, depth):
    bodies = [b"answer %d " % number * (number % 50 + 1) for number in range(depth)]
    in_chunks = [("Transfer-Encoding", "chunked")]
    data = b"".join(request("POST", f"/{number}", body=body) if number % 3 else
                    request("POST", f"/{number}", in_chunks) + chunked(body, 10)
                    for number, body in enumerate(bodies))
    with Connection(echo.address) as connection:
        for _ in range(2):
            connection.send(data)
            for body in bodies:
                assert connection.read_response().body == body
        assert connection.is_open()


def test_pipelined_in_random_pieces(demo):
    choice = random.Random(1)
    kinds = [("GET", "/plaintext", 200), ("HEAD", "/json", 200), ("GET", "/missing", 404),
             ("POST", "/plaintext", 405), ("GET", "/json", 200)]
    sequence = [choice.choice(kinds) for _ in range(100)]
    body = b"GET / HTTP/1.1\r\n\r\n"
    data = b"".join(request(method, target, body=body if method == "POST" else None)
                    for method, target, _ in sequence)
    cuts = sorted(choice.sample(range(1, len(data)), 80))
    with Connection(demo.address) as connection:
        connection.send_pieces(data, *cuts)
        for method, _, status in sequence:
            assert connection.read_response(method).status == status


def test_pipelining_client_that_never_reads_holds_up_no_one(demo):
    """So many answers don't fit the sockets' buffers: the server must stop reading, and go on."""
    data = request("GET", "/plaintext") * 20000
    with Connection(demo.address, receive_buffer=4096, timeout=1) as greedy:
        sent = 0
        try:
            while sent < 10 * len(data):
                sent += greedy.sock.send(data[sent % len(data):])
        except TimeoutError:
            pass
        assert fetch(demo.address, target="/plaintext").status == 200
        greedy.sock.settimeout(HUNG)
        whole = sent // len(request("GET", "/plaintext"))
        for _ in range(min(whole, 3000)):
            assert greedy.read_response().body == b"Hello, World!"
    assert fetch(demo.address, target="/plaintext").status == 200


def test_keep_alive(demo):
    with Connection(demo.address) as connection:
        for _ in range(200):
            response = connection.exchange(target="/plaintext")
            assert response.status == 200 and not response.closes()


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close", "foo,close"])
def test_connection_close(demo, value):
    with Connection(demo.address) as connection:
        response = connection.exchange(target="/plaintext", headers=[("Connection", value)])
        assert response.body == b"Hello, World!"
        assert response.closes()
        assert connection.is_closed()


def test_requests_after_close_are_not_answered(demo):
    with Connection(demo.address) as connection:
        connection.send(request(target="/plaintext", headers=[("Connection", "close")])
                        + request(target="/json"))
        assert connection.read_response().body == b"Hello, World!"
        assert connection.is_closed()


def test_http10_closes(demo):
    with Connection(demo.address) as connection:
        response = connection.exchange(target="/plaintext", version="1.0", host=None)
        assert response.body == b"Hello, World!"
        assert response.header("Transfer-Encoding") is None
        assert connection.is_closed()


def test_http10_keep_alive(demo):
    with Connection(demo.address) as connection:
        for _ in range(3):
            response = connection.exchange(target="/plaintext", version="1.0",
                                           headers=[("Connection", "keep-alive")])
            assert response.body == b"Hello, World!"
            assert response.header("Connection", "").lower() == "keep-alive"
        assert connection.is_open()


def test_half_closed_client_gets_its_answers(demo):
    with Connection(demo.address) as connection:
        connection.send(request(target="/plaintext") * 3)
        connection.finish_sending()
        for _ in range(3):
            assert connection.read_response().body == b"Hello, World!"
        assert connection.is_closed()


def test_half_close_in_the_middle_of_a_request(echo):
    for data in (b"GET / HT", request("POST", "/", [("Content-Length", "10")]) + b"abc"):
        with Connection(echo.address) as connection:
            connection.send(data)
            connection.finish_sending()
            assert connection.read_to_end()[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 408",
                                                     b"HTTP/1.1 200")


def test_empty_lines_before_a_request(demo):
    with Connection(demo.address) as connection:
        connection.send(b"\r\n" + request(target="/plaintext") + b"\r\n" + request(target="/json"))
        assert connection.read_response().status == 200
        assert connection.read_response().status == 200


# Expect (RFC 9110, section 10.1.1)

def test_expect_continue(echo):
    with Connection(echo.address) as connection:
        for _ in range(2):
            connection.send(request("POST", "/", [("Expect", "100-continue"),
                                                  ("Content-Length", "5")]))
            assert connection.read_response(interim=True).status == 100
            connection.send(b"hello")
            response = connection.read_response()
            assert (response.status, response.body, response.interim) == (200, b"hello", [])


def test_expect_continue_with_chunks(echo):
    with Connection(echo.address) as connection:
        connection.send(request("POST", "/", [("Expect", "100-Continue"),
                                              ("Transfer-Encoding", "chunked")]))
        assert connection.read_response(interim=True).status == 100
        connection.send(chunked(b"hello", 2))
        assert connection.read_response().body == b"hello"


def test_expect_with_the_body_at_once(echo):
    with Connection(echo.address) as connection:
        connection.send(request("POST", "/", [("Expect", "100-continue")], b"hello"))
        assert connection.read_response().body == b"hello"


def test_expect_of_http10_is_ignored(echo):
    with Connection(echo.address) as connection:
        connection.send(request("POST", "/", [("Expect", "100-continue")], b"hello", version="1.0"))
        response = connection.read_response()
        assert (response.body, response.interim) == (b"hello", [])


def test_unknown_expectation(echo):
    assert fetch(echo.address, "POST", headers=[("Expect", "a-miracle")], body=b"x").status == 417


# Timeouts

@pytest.mark.parametrize("data", [b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHo"])
def test_head_that_stays_incomplete_gets_408(httpd, data):
    server = httpd("--header-timeout", 1, "--idle-timeout", 30)
    with Connection(server.address) as connection:
        connection.send(data)
        assert connection.read_response().status == 408
        assert connection.is_closed()


def test_head_that_trickles_gets_408(httpd):
    server = httpd("--header-timeout", 1, "--idle-timeout", 30)
    with Connection(server.address) as connection:
        data = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 1000
        for at in range(len(data)):
            connection.send_unless_closed(data[at:at + 1])
            time.sleep(0.1)
            if not connection.is_open() or connection.pending:
                break
        else:
            pytest.fail("it may trickle on for ever")
        assert connection.read_response().status == 408


def test_second_request_has_its_own_header_timeout(httpd):
    server = httpd("--header-timeout", 1, "--idle-timeout", 30)
    with Connection(server.address) as connection:
        assert connection.exchange(target="/plaintext").status == 200
        time.sleep(1.5)
        assert connection.exchange(target="/plaintext").status == 200
        connection.send(b"GET /")
        assert connection.read_response().status == 408


def test_idle_connections_are_closed(httpd):
    server = httpd("--idle-timeout", 1, "--header-timeout", 30)
    with Connection(server.address) as connection:
        connection.send_unless_closed(request(target="/plaintext"))
        answer = connection.read_to_end()  # none, where a second passed before that was sent
        assert answer == b"" or answer.endswith(b"Hello, World!")


def test_connection_without_a_request_is_closed(httpd):
    server = httpd("--idle-timeout", 1, "--header-timeout", 1)
    with Connection(server.address) as connection:
        rest = connection.read_to_end()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 408")


def test_body_that_stops_is_given_up(httpd):
    server = httpd("--echo", "--idle-timeout", 1, "--header-timeout", 30)
    with Connection(server.address) as connection:
        connection.send_unless_closed(request("POST", "/", [("Content-Length", "100")]) + b"abc")
        connection.read_to_end()
    server.stop()


# Curl

def curl(*arguments, data=None):
    result = subprocess.run(["curl", "-sS", "--max-time", str(HUNG), *arguments],
                            input=data, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_curl_shows_the_page(demo):
    output = curl("-i", f"http://127.0.0.1:{demo.port}/")
    assert output.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"<html" in output.lower()


def test_curl_http10(demo):
    assert curl("--http1.0", f"http://127.0.0.1:{demo.port}/plaintext") == b"Hello, World!"


def test_curl_head(demo):
    output = curl("-I", f"http://127.0.0.1:{demo.port}/plaintext")
    assert b"Content-Length: 13\r\n" in output and output.endswith(b"\r\n\r\n")


def test_curl_reuses_its_connection(demo):
    url = f"http://127.0.0.1:{demo.port}/plaintext"
    output = curl("-w", " %{num_connects}\n", url, url, url)
    assert output == b"Hello, World! 1\nHello, World! 0\nHello, World! 0\n"


@pytest.mark.parametrize("header", ["Expect: 100-continue", "Transfer-Encoding: chunked",
                                    "Expect:"])
def test_curl_uploads(echo, tmp_path, header):
    data = random.Random(2).randbytes(3 * MEBIBYTE)
    upload = tmp_path / "upload"
    upload.write_bytes(data)
    assert curl("-T", str(upload), "-H", header, f"http://127.0.0.1:{echo.port}/x") == data


# Bad clients

def mutate(choice, data):
    data = bytearray(data)
    for _ in range(choice.randint(1, 4)):
        at = choice.randrange(len(data))
        kind = choice.randrange(3)
        if kind == 0:
            data[at] = choice.randrange(256)
        elif kind == 1:
            del data[at:at + choice.randint(1, 8)]
        else:
            data[at:at] = choice.randbytes(choice.randint(1, 8))
        data = data or bytearray(b"x")
    return bytes(data)


def test_random_input_never_breaks_the_framing(echo):
    """Whatever comes, the answers are well-formed, and the server lives on."""
    choice = random.Random(3)
    originals = [data for data, _ in REQUESTS.values()]
    for number in range(300):
        data = mutate(choice, choice.choice(originals)) if number % 4 else choice.randbytes(200)
        with Connection(echo.address, timeout=HUNG) as connection:
            connection.send_unless_closed(data + request("GET", "/", [("Connection", "close")]))
            try:
                connection.finish_sending()
                while True:
                    response = connection.read_response("HEAD" if data[:4] == b"HEAD" else "GET")
                    if response.closes():
                        break
            except (Closed, OSError) as error:
                assert not isinstance(error, TimeoutError), data
    assert fetch(echo.address, "POST", body=b"alive").body == b"alive"


def test_slots_are_free_again_after_all_kinds_of_ends(httpd):
    demo = httpd("--header-timeout", 600, "--idle-timeout", 600, workers=2)
    for number in range(120):
        connection = Connection(demo.address)
        connection.send([b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", request(),
                         request("POST", "/", body=b"x" * 1000), b"bad\r\n\r\n"][number % 6])
        if number % 3 == 0:
            connection.reset()
        elif number % 3 == 1:
            connection.close()
        else:
            connection.finish_sending()
            connection.read_to_end()
            connection.close()
    wait_until(lambda: total(status(demo.address), "connections") == 1)
