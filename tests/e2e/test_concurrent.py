"""Many clients on 1 to 16 workers, both ways to accept, and every kind of address."""
import os
import signal
import socket
import threading

import pytest

from client import TEXT, Connection, WebSocket, fetch, request, status, total
from server import HUNG, free_port, listening_path, wait_until

WORKERS = [1, 2, 4, 8, 16]


def open_all(address, count):
    connections = []
    try:
        for _ in range(count):
            connections.append(Connection(address))
    except BaseException:
        close_all(connections)
        raise
    return connections


def close_all(connections):
    for connection in connections:
        connection.close()


def ask_all(connections, target="/plaintext"):
    """Sends on all before it reads from any."""
    data = request(target=target)
    for connection in connections:
        connection.send(data)
    for connection in connections:
        assert connection.read_response().status == 200


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("accept", ["reuseport", "shared"])
def test_all_clients_are_served_and_counted(httpd, workers, accept):
    server = httpd("--accept", accept, workers=workers)
    assert len(status(server.address)["workers"]) == workers
    connections = open_all(server.address, 128)
    try:
        for _ in range(5):
            ask_all(connections)
        figures = status(server.address)
        assert total(figures, "connections") == 129
        assert total(figures, "requests") in (641, 642)
        shares = [worker["connections"] for worker in figures["workers"]]
        if accept == "shared":
            assert max(shares) - min(shares) <= 3, shares
        elif workers <= 4:
            assert min(shares) > 0, shares
    finally:
        close_all(connections)
    wait_until(lambda: total(status(server.address), "connections") == 1)


@pytest.mark.parametrize("workers", [1, 4])
def test_websockets_on_all_workers(httpd, workers):
    server = httpd(workers=workers)
    sockets = []
    try:
        for _ in range(64):
            sockets.append(WebSocket(server.address))
        for turn in range(5):
            for number, ws in enumerate(sockets):
                ws.send(TEXT, b"%d of %d" % (turn, number))
            for number, ws in enumerate(sockets):
                assert ws.read_message() == (TEXT, b"%d of %d" % (turn, number))
    finally:
        close_all([ws.connection for ws in sockets])


@pytest.mark.parametrize("accept", ["reuseport", "shared"])
def test_clients_in_threads(httpd, accept):
    server = httpd("--echo", "--accept", accept, workers=4)
    failures = []

    def work(number):
        try:
            for turn in range(10):
                with Connection(server.address) as connection:
                    for step in range(10):
                        body = b"%d/%d/%d" % (number, turn, step)
                        assert connection.exchange("POST", "/", body=body).body == body
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_idle_client_blocks_no_one(httpd):
    server = httpd(workers=1)
    with Connection(server.address) as idle, Connection(server.address) as partial:
        partial.send(b"GET /plaintext HTTP/1.1\r\nHost")
        for _ in range(50):
            assert fetch(server.address, target="/plaintext").body == b"Hello, World!"
        partial.send(b": x\r\n\r\n")
        assert partial.read_response().body == b"Hello, World!"
        assert idle.exchange(target="/plaintext").body == b"Hello, World!"


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("accept", ["reuseport", "shared"])
def test_1100_idle_connections(httpd, workers, accept):
    server = httpd("--accept", accept, workers=workers)
    connections = open_all(server.address, 1100)
    try:
        wait_until(lambda: total(status(server.address), "connections") == 1101)
        for _ in range(100):
            assert fetch(server.address, target="/plaintext").status == 200
        ask_all(connections)
        ask_all(connections[::50])
    finally:
        close_all(connections)
    wait_until(lambda: total(status(server.address), "connections") == 1)


def test_burst_of_connections(httpd):
    """More clients at once than the server takes in one turn."""
    server = httpd("--accept", "shared", workers=2)
    for _ in range(3):
        connections = []
        try:
            for _ in range(500):
                sock = socket.socket()
                sock.setblocking(False)
                connections.append(sock)
                sock.connect_ex(server.address)
            served = 0
            for sock in connections:
                sock.settimeout(HUNG)
                sock.sendall(request(target="/plaintext", headers=[("Connection", "close")]))
            for sock in connections:
                data = b""
                while piece := sock.recv(4096):
                    data += piece
                served += data.endswith(b"Hello, World!")
            assert served == 500
        finally:
            close_all(connections)


# Addresses

@pytest.fixture
def socket_path(public):
    return str(public / "http.sock")


def test_unix_socket(httpd, socket_path):
    server = httpd(bind=f"unix:{socket_path}", path=socket_path, workers=2)
    connections = open_all(socket_path, 20)
    try:
        ask_all(connections)
    finally:
        close_all(connections)
    with WebSocket(socket_path) as ws:
        ws.echo(TEXT, b"through a file")
    server.stop()
    assert not os.path.exists(socket_path)


def test_unix_socket_left_behind(httpd, socket_path):
    killed = httpd(bind=f"unix:{socket_path}", path=socket_path)
    killed.signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    wait_until(lambda: not listening_path(socket_path))  # the kernel ends a ring after its process
    assert os.path.exists(socket_path)
    httpd(bind=f"unix:{socket_path}", path=socket_path)
    assert fetch(socket_path, target="/plaintext").status == 200


def test_unix_socket_in_use(httpd, socket_path):
    httpd(bind=f"unix:{socket_path}", path=socket_path)
    second = httpd(bind=f"unix:{socket_path}", path=socket_path, wait=False)
    assert second.wait() not in (0, -signal.SIGKILL)
    assert socket_path in second.text()
    assert fetch(socket_path, target="/plaintext").status == 200


def test_unix_socket_is_not_made_of_a_file(httpd, socket_path):
    with open(socket_path, "wb") as file:
        file.write(b"precious")
    second = httpd(bind=f"unix:{socket_path}", path=socket_path, wait=False)
    assert second.wait() not in (0, -signal.SIGKILL)
    with open(socket_path, "rb") as file:
        assert file.read() == b"precious"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.parametrize("bind", ["::1", "[::1]"])
def test_ipv6(httpd, bind):
    if not has_ipv6():
        pytest.skip("no ::1 here")
    server = httpd(bind=bind)
    address = ("::1", server.port)
    assert fetch(address, target="/plaintext").body == b"Hello, World!"
    with WebSocket(address) as ws:
        ws.echo(TEXT, b"over IPv6")
    with pytest.raises(OSError):
        Connection(server.address).close()


@pytest.mark.parametrize("accept", ["reuseport", "shared"])
def test_several_addresses(httpd, socket_path, accept):
    port = free_port()
    binds = ["-b", "127.0.0.1", "-b", "127.0.0.2", "-b", f"unix:{socket_path}"]
    addresses = [("127.0.0.1", port), ("127.0.0.2", port), socket_path]
    if has_ipv6():
        binds += ["-b", "::1"]
        addresses.append(("::1", port))
    httpd(*binds, "--accept", accept, bind=None, port=port, workers=2)
    wait_until(lambda: listening_path(socket_path))
    for address in addresses:
        connections = open_all(address, 10)
        try:
            ask_all(connections)
        finally:
            close_all(connections)


def test_positional_arguments(launch, backend):
    port = free_port()
    launch.plain("3", "127.0.0.1", port, "--backend", backend, port=port)
    assert len(status(("127.0.0.1", port))["workers"]) == 3


# Shutdown

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 4])
def test_shutdown_with_idle_connections(httpd, number, workers):
    server = httpd(workers=workers)
    connections = open_all(server.address, 50)
    try:
        ask_all(connections[:25])
        server.signal(number)
        for connection in connections:
            assert connection.is_closed()
        assert server.wait() == 0
        with pytest.raises(OSError):
            Connection(server.address).close()
    finally:
        close_all(connections)


def test_shutdown_lets_a_request_end(httpd):
    server = httpd("--echo", workers=2)
    with Connection(server.address) as connection, Connection(server.address) as idle:
        connection.send(request("POST", "/", [("Content-Length", "10")]) + b"12345")
        assert idle.exchange("POST", "/", body=b"x").body == b"x"
        server.signal(signal.SIGTERM)
        assert idle.is_closed()
        connection.send(b"67890")
        response = connection.read_response()
        assert response.body == b"1234567890"
        assert connection.is_closed()
    assert server.wait() == 0


def test_second_signal_does_no_harm(httpd):
    server = httpd(workers=2)
    with Connection(server.address) as connection:
        connection.send(b"GET / HT")
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGINT)
        server.signal(signal.SIGTERM)
        connection.read_to_end()
    assert server.wait() is not None
