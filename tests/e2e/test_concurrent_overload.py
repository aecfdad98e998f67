"""What one client may take of the server, and what becomes of the others meanwhile."""
import socket
import time

import pytest

from client import TEXT, Connection, WebSocket, request, status
from server import HUNG, wait_until

PLAIN = request("GET", "/plaintext")


def total(address, figure):
    return sum(worker[figure] for worker in status(address)["workers"])


def refusal(address, family=socket.AF_INET, source=None):
    """Connects and returns what comes back unasked, to the end."""
    with socket.socket(family) as client:
        client.settimeout(HUNG)
        if source:
            client.bind((source, 0))
        client.connect(address)
        answer = b""
        while piece := client.recv(4096):
            answer += piece
        return answer


# Requests of one connection

def test_last_of_its_requests_closes_a_connection(httpd):
    server = httpd("--max-requests", 3)
    for _ in range(2):
        with Connection(server.address) as connection:
            connection.send(PLAIN * 5)
            answers = [connection.read_response() for _ in range(3)]
            assert [answer.closes() for answer in answers] == [False, False, True]
            assert all(answer.body == b"Hello, World!" for answer in answers)
            assert connection.read_to_end() == b""


# Slow clients

def test_a_body_that_never_stops_but_drips_is_given_up(httpd):
    """No pause comes near the idle timeout, and yet it isn't endured."""
    server = httpd("--echo", "--idle-timeout", 1)
    with Connection(server.address) as connection:
        connection.send(request("POST", "/", [("Content-Length", "100000")]))
        for _ in range(1000):   # the echo has begun, so its end is a reset
            try:
                connection.sock.sendall(b"x")
                connection.sock.recv(65536)
                time.sleep(0.05)
            except OSError:
                break
        else:
            raise AssertionError("it drips on")
    server.stop()


# Connections of one address

def hold(address, count, family=socket.AF_INET, source=None):
    """So many connections, each of which has had an answer."""
    held = []
    for _ in range(count):
        client = socket.socket(family)
        client.settimeout(HUNG)
        if source:
            client.bind((source, 0))
        client.connect(address)
        client.sendall(PLAIN)
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        held.append(client)
    return held


@pytest.mark.parametrize("accept", ["reuseport", "shared"])
def test_connections_of_an_address_are_limited(httpd, accept):
    """By all workers together; another address isn't concerned, and those that end make room."""
    server = httpd("--max-per-address", 5, "--accept", accept, workers=2)
    held = hold(server.address, 5, source="127.0.0.7")
    for _ in range(8):
        answer = refusal(server.address, source="127.0.0.7")
        assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 1\r\n" in answer
    held += hold(server.address, 4, source="127.0.0.8")
    assert total(server.address, "refused_address") == total(server.address, "refused") == 8
    for client in held[:3]:
        client.close()
    wait_until(lambda: total(server.address, "connections") == 7)
    again = hold(server.address, 3, source="127.0.0.7")
    assert refusal(server.address, source="127.0.0.7").startswith(b"HTTP/1.1 503 ")
    for client in held + again:
        client.close()
    wait_until(lambda: total(server.address, "connections") == 1)
    for client in hold(server.address, 5, source="127.0.0.7"):
        client.close()


def test_an_ipv6_network_is_one_address(httpd):
    server = httpd("--max-per-address", 2, bind="::1")
    address = ("::1", server.port)
    held = hold(address, 2, socket.AF_INET6)
    assert refusal(address, socket.AF_INET6).startswith(b"HTTP/1.1 503 ")
    held.pop().close()
    wait_until(lambda: is_served(address))
    for client in held:
        client.close()


def is_served(address):
    """Whether there is room for one more, which goes at once."""
    try:
        client, = hold(address, 1, socket.AF_INET6)
    except (AssertionError, OSError):
        return False
    client.close()
    return True


def test_unix_sockets_have_no_address(httpd, tmp_path):
    path = str(tmp_path / "socket")
    server = httpd("--max-per-address", 1, bind=f"unix:{path}", path=path)
    for client in hold(server.path, 5, socket.AF_UNIX):
        client.close()


# More than may be open

def test_who_finds_no_room_waits(httpd):
    """Once the server has been full it takes one for each that goes: nobody is refused, and all
    who wait have their turn."""
    server = httpd("--max-connections", 4)
    held = hold(server.address, 4)
    for client in held:
        client.close()
    wait_until(lambda: total(server.address, "connections") == 1)
    before = total(server.address, "refused")
    waiting = [socket.create_connection(server.address, timeout=HUNG) for _ in range(60)]
    for client in waiting:
        client.sendall(request("GET", "/plaintext", [("Connection", "close")]))
    for client in waiting:
        answer = b""
        while piece := client.recv(4096):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"Hello, World!")
        client.close()
    wait_until(lambda: total(server.address, "connections") == 1)
    assert total(server.address, "refused") == before


def test_who_is_idle_makes_room_for_who_waits(httpd):
    """Connections that are kept alive and have nothing to ask don't keep others out; when the
    crowd is gone they may be idle again."""
    server = httpd("--max-connections", 4, "--idle-timeout", 600)
    held = hold(server.address, 20)
    for client in held[:16]:
        assert client.recv(1) == b""
    for client in held:
        client.close()
    wait_until(lambda: total(server.address, "connections") == 1)
    kept, = hold(server.address, 1)
    time.sleep(0.5)
    kept.sendall(PLAIN)
    assert kept.recv(4096).startswith(b"HTTP/1.1 200 ")
    kept.close()


def test_the_last_place_goes_round(httpd):
    """All others are taken for good, and each that has it is idle soon."""
    server = httpd("--max-connections", 4, "--idle-timeout", 600)
    sockets = [WebSocket(server.address) for _ in range(3)]
    for client in hold(server.address, 4):
        client.close()
    for each in sockets:
        each.echo(TEXT, b"still there")
        each.close()
