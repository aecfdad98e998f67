"""Load, limits, resets: nothing that clients do stops a worker, leaks a slot or grows memory.

RUNNEL_STRESS_REQUESTS=2000000 makes each load test go on until so many requests are answered.
"""
import os
import re
import resource
import select
import socket
import subprocess
import time

import pytest

from client import TEXT, Connection, WebSocket, fetch, handshake, request, status, total
from server import HUNG, ROOT, wait_until

REQUESTS = int(os.environ.get("RUNNEL_STRESS_REQUESTS", "1"))
WORKERS = [1, 2, 16]
KIBIBYTE = 1024


def raise_descriptor_limit(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
        except (ValueError, OSError):
            pytest.skip(f"{count} descriptors are not allowed here (limit {hard})")


def wrk(server, target="/plaintext", seconds=1, connections=64, script=None):
    """Runs wrk and returns how many requests were answered; there must be no error of any kind."""
    command = ["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds}s",
               "--timeout", f"{HUNG}s"]
    if script:
        command += ["-s", str(ROOT / "tests/e2e" / script)]
    url = f"http://127.0.0.1:{server.port}{target}"
    result = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + HUNG,
                            check=False)
    assert result.returncode == 0, result.stderr
    assert "Socket errors" not in result.stdout, result.stdout
    assert "Non-2xx" not in result.stdout, result.stdout
    return int(re.search(r"(\d+) requests in", result.stdout).group(1))


def load(server, count=REQUESTS, **options):
    done = 0
    while True:
        done += wrk(server, **options)
        if done >= count:
            return done


def is_empty(server):
    return total(status(server.address), "connections") == 1


@pytest.mark.seconds(240 + REQUESTS // 500)
@pytest.mark.parametrize("workers", WORKERS)
def test_load(httpd, workers):
    server = httpd(workers=workers)
    done = load(server)
    assert total(status(server.address), "requests") >= done
    wait_until(lambda: is_empty(server))


@pytest.mark.seconds(240 + REQUESTS // 500)
@pytest.mark.parametrize("workers", WORKERS)
def test_pipelined_load(httpd, workers):
    server = httpd(workers=workers)
    load(server, script="pipeline.lua")
    wait_until(lambda: is_empty(server))


def test_load_on_files(httpd, tmp_path):
    root = tmp_path / "site"
    root.mkdir()
    (root / "small.html").write_bytes(b"x" * 1000)
    (root / "large.bin").write_bytes(bytes(range(256)) * 1200)
    server = httpd("--root", root, workers=2)
    wrk(server, "/small.html")
    wrk(server, "/large.bin")
    wait_until(lambda: server.descriptors() < 64)


def test_load_with_a_connection_for_each_request(httpd):
    server = httpd(workers=2)
    before = server.settled_descriptors()
    wrk(server, script="close.lua")
    wait_until(lambda: server.descriptors() <= before)
    wait_until(lambda: is_empty(server))


def test_memory_does_not_grow_with_requests(httpd):
    server = httpd(workers=1)
    wrk(server, seconds=1)
    wrk(server, seconds=1, script="pipeline.lua")
    before = server.rss_kib()
    load(server, seconds=2, script="pipeline.lua")
    wrk(server, seconds=1)
    assert server.rss_kib() - before <= 64


def test_memory_does_not_grow_with_connections_that_come_and_go(httpd):
    server = httpd(workers=1)
    wrk(server, script="close.lua")
    before = server.rss_kib()
    wrk(server, script="close.lua")
    wrk(server, script="close.lua")
    assert server.rss_kib() - before <= 64


def idle(address, count, connections, source):
    """Opens more connections, each of which has had an answer and is kept."""
    data = request(target="/plaintext")
    fresh = [Connection(address, source=source) for _ in range(count)]
    connections.extend(fresh)
    for connection in fresh:
        connection.send(data)
    for connection in fresh:
        assert connection.read_response().status == 200


@pytest.mark.seconds(480)
def test_10000_connections_on_one_worker(httpd):
    raise_descriptor_limit(10300)
    server = httpd("--max-connections", 12000, "--idle-timeout", 300, workers=1)
    connections = []
    try:
        idle(server.address, 1000, connections, "127.0.0.1")
        small = server.rss_kib()
        for number in range(9):
            idle(server.address, 1000, connections, f"127.0.0.{number + 2}")
        large = server.rss_kib()
        assert total(status(server.address), "connections") == 10001
        wrk(server)
        assert total(status(server.address), "connections") >= 10001
        for connection in connections[::100]:
            assert connection.exchange(target="/plaintext").body == b"Hello, World!"
        assert (large - small) * KIBIBYTE / 9000 <= KIBIBYTE, f"{small} KiB, then {large} KiB"
    finally:
        for connection in connections:
            connection.reset()
    wait_until(lambda: is_empty(server))


# Limits

def answers(connections, least):
    """Asks on all: the list of statuses, None where no answer comes. At least so many are 200, and
    it waits until nothing more comes."""
    for connection in connections:
        connection.send_unless_closed(request(target="/plaintext"))
    found = {}
    while True:
        left = [c.sock for c in connections if c not in found]
        enough = list(found.values()).count(200) >= least
        ready, _, _ = select.select(left, [], [], 0.5 if enough else HUNG)
        if not ready:
            return [found.get(connection) for connection in connections]
        found.update((c, c.read_response().status) for c in connections if c.sock in ready)


@pytest.mark.parametrize("accept", ["reuseport", "shared"])
def test_connection_limit(httpd, accept):
    server = httpd("--max-connections", 16, "--accept", accept, workers=1)
    for _ in range(2):
        connections = [Connection(server.address) for _ in range(40)]
        try:
            found = answers(connections, 16)
            assert set(found) <= {200, 503, None}
            assert found.count(200) >= 16
            assert_served(connections, found)     # those who are idle make room for them
        finally:
            for connection in connections:
                connection.close()
        wait_until(lambda: fetch_status(server) == 200)


def assert_served(connections, found):
    """Those who waited have their turn."""
    for late, answer in zip(connections, found):
        late.sock.settimeout(HUNG)
        assert answer is not None or late.read_response().status == 200


def fetch_status(server):
    try:
        with Connection(server.address) as connection:
            closing = [("Connection", "close")]
            return connection.exchange(target="/plaintext", headers=closing).status
    except (OSError, AssertionError):
        return None


def test_connection_limit_with_more_workers(httpd):
    server = httpd("--max-connections", 16, workers=2)
    connections = [Connection(server.address) for _ in range(80)]
    try:
        found = answers(connections, 1)
        assert set(found) <= {200, 503, None}
        assert 200 in found
    finally:
        for connection in connections:
            connection.close()
    wait_until(lambda: fetch_status(server) == 200)


@pytest.mark.parametrize("accept", ["reuseport", "shared"])
def test_descriptor_limit(httpd, accept):
    """At RLIMIT_NOFILE the listener must not make the worker spin; later clients are served."""
    server = httpd("--accept", accept, workers=1, nofile=48)
    for _ in range(2):
        connections = [Connection(server.address) for _ in range(100)]
        try:
            found = answers(connections[:60], 1)
            assert 200 in found
            before = server.cpu_seconds()
            time.sleep(1.5)
            assert server.cpu_seconds() - before < 0.5, "the server spins at its descriptor limit"
            assert_served(connections[:60], found)
        finally:
            for connection in connections:
                connection.close()
        wait_until(lambda: fetch_status(server) == 200)


def test_idle_server_uses_no_time(httpd):
    server = httpd(workers=4)
    with Connection(server.address) as kept:
        assert kept.exchange(target="/plaintext").status == 200
        before = server.cpu_seconds()
        time.sleep(1.5)
        assert server.cpu_seconds() - before <= 0.05


# Bad clients

PATIENT = ["--header-timeout", 600, "--idle-timeout", 600]


@pytest.mark.parametrize("pause", [0, 0.01])
@pytest.mark.parametrize("data", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX", request()])
def test_reset_is_noticed(httpd, data, pause):
    """A reset frees the slot at once, not at a timeout, and what came before makes no loop."""
    server = httpd(*PATIENT, workers=1)
    before = server.settled_descriptors()
    for _ in range(3):
        connection = Connection(server.address)
        connection.send(data)
        time.sleep(pause)
        connection.reset()
    wait_until(lambda: server.descriptors() <= before)
    spent = server.cpu_seconds()
    time.sleep(0.3)
    assert server.cpu_seconds() - spent < 0.1, "the server spins after a reset"
    assert fetch_status(server) == 200


def test_resets_in_every_phase(httpd):
    server = httpd("--echo", "--ws-echo", "/ws", *PATIENT, workers=2)
    assert fetch(server.address, "POST", body=b"x").status == 200
    before = server.settled_descriptors()
    phases = [b"", b"GET / HT", request(),
              request("POST", "/", [("Content-Length", "99999")]) + b"x" * 999,
              request("POST", "/", body=b"x" * 200000), request() * 50, handshake()[:50],
              request("POST", "/", [("Transfer-Encoding", "chunked")]) + b"ffff\r\nabc"]
    for turn in range(25):
        for data in phases:
            connection = Connection(server.address, receive_buffer=4096)
            connection.send_unless_closed(data)
            if turn % 5 == 4:
                time.sleep(0.005)
            connection.reset()
    assert fetch(server.address, "POST", body=b"alive").body == b"alive"
    wait_until(lambda: server.descriptors() <= before)


def test_resets_of_websockets(httpd):
    server = httpd(*PATIENT, workers=2)
    before = server.settled_descriptors()
    for turn in range(50):
        ws = WebSocket(server.address, receive_buffer=4096)
        if turn % 2:
            ws.send(TEXT, b"x" * 30000)
        ws.connection.send(b"\x81\xfe\x10")
        ws.connection.reset()
    wait_until(lambda: server.descriptors() <= before)
    wait_until(lambda: is_empty(server))


def test_resets_before_accept(httpd):
    server = httpd(*PATIENT, workers=1)
    before = server.settled_descriptors()
    for _ in range(300):
        Connection(server.address).reset()
    assert fetch_status(server) == 200
    wait_until(lambda: server.descriptors() <= before)


def test_slow_clients_hold_up_no_one(httpd):
    server = httpd(*PATIENT, workers=1)
    writers, readers = [], []
    try:
        for _ in range(100):
            writers.append(Connection(server.address))
            readers.append(Connection(server.address, receive_buffer=4096))
        for connection in readers:
            connection.sock.setblocking(False)
            try:
                for _ in range(20):
                    connection.sock.send(request(target="/") * 20)
            except BlockingIOError:
                pass
        data = request(target="/plaintext")
        for at in range(len(data)):
            for connection in writers:
                connection.send(data[at:at + 1])
            if at == len(data) // 2:
                wrk(server)
        for connection in writers:
            assert connection.read_response().body == b"Hello, World!"
    finally:
        for connection in [*writers, *readers]:
            connection.close()
    wait_until(lambda: is_empty(server))


def test_stalled_readers_do_not_grow_the_server(httpd):
    """Where answers aren't read, the requests must stay in the sockets, not in memory of ours."""
    server = httpd("--echo", workers=1)
    data = request("POST", "/", body=b"x" * 1_000_000)
    connections = [Connection(server.address, receive_buffer=4096) for _ in range(100)]
    try:
        for connection in connections:
            connection.sock.setblocking(False)
        before = server.rss_kib()
        quiet = 0
        offsets = [0] * len(connections)
        while quiet < 5:
            moved = 0
            for number, connection in enumerate(connections):
                try:
                    sent = connection.sock.send(data[offsets[number]:offsets[number] + 65536])
                    offsets[number] += sent
                    moved += sent
                except BlockingIOError:
                    pass
            quiet = 0 if moved else quiet + 1
            time.sleep(0.05)
        assert server.rss_kib() - before < 100 * 128
        assert fetch(server.address, "POST", body=b"alive").body == b"alive"
    finally:
        for connection in connections:
            connection.close()


def test_garbage_on_many_connections(httpd):
    server = httpd(workers=2)
    before = server.settled_descriptors()
    for number in range(200):
        with Connection(server.address) as connection:
            connection.send_unless_closed(os.urandom(number * 13 % 3000 + 1))
            if number % 4 == 0:
                connection.sock.shutdown(socket.SHUT_RDWR)
    assert fetch_status(server) == 200
    wait_until(lambda: server.descriptors() <= before)
