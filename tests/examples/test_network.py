"""The examples of the network layer."""
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from bed import DATA, EXAMPLES, PATIENCE, Datagrams, dial, exchange, run


def serve_one(listener, answer):
    """Gives what the first connection sent to `answer`, and that back to it."""
    def serve():
        with listener, listener.accept()[0] as connection:
            data = b"".join(iter(lambda: connection.recv(1 << 16), b""))
            connection.sendall(answer(data))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_addresses(backend, tmp_path):
    hosts, servers = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text("10.1.2.3 printer\n2001:db8::5 printer\n", encoding="ascii")
    servers.write_text("nameserver 127.0.0.1:9\noptions timeout:1 attempts:1\n", encoding="ascii")
    said = run("addresses", backend, "printer/12", servers, hosts).stdout
    assert "10.1.2.3\n  private\n  its name is at 3.2.1.10.in-addr.arpa\n" in said
    assert "  network 10.0.0.0 to 10.15.255.255\n" in said
    assert "2001:db8::5\n  example\n  its name is at 5.0.0.0." in said
    assert ".8.b.d.0.1.0.0.2.ip6.arpa\n  network 2000:: to 200f:ffff:" in said
    done = run("addresses", backend, "nobody", servers, hosts, check=False)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("nobody: ")


@pytest.mark.parametrize("name, said", (
    ("[::ffff:192.168.1.1]:80/33", "::ffff:192.168.1.1\n  IPv4 inside of IPv6: 192.168.1.1\n"
     "  private\n  port 80\n  its name is at 1.1.168.192.in-addr.arpa\n"
     "  no network: of 32 bits\n"),
    ("fe80::1%lo/10", "fe80::1%lo\n  link-local\n  on interface lo\n  its name is at "
     + "1" + ".0" * 28 + ".8.e.f.ip6.arpa\n  network fe80:: to febf" + ":ffff" * 7 + "\n"),
    ("239.1.1.1/4", "239.1.1.1\n  multicast\n  its name is at 1.1.1.239.in-addr.arpa\n"
     "  network 224.0.0.0 to 239.255.255.255\n"),
    ("8.8.8.8/0", "8.8.8.8\n  global\n  its name is at 8.8.8.8.in-addr.arpa\n"
     "  network 0.0.0.0 to 255.255.255.255\n"),
    ("unix:/a/b", "a Unix socket\n"),
))
def test_addresses_of_each_kind(name, said):
    assert run("addresses", "auto", name).stdout == said


@pytest.mark.parametrize("name, code, said", (
    ("1.2.3.4/", 2, "usage: "), ("1.2.3.4/x", 2, "usage: "), ("1.2.3.4/8x", 2, "usage: "),
    ("1.2.3.4/9999", 2, "usage: "), ("a b", 1, "a b: "), ("1.2.3.4:99999", 1, "1.2.3.4:99999: "),
))
def test_addresses_refuses(name, code, said):
    done = run("addresses", "auto", name, check=False)
    assert (done.returncode, done.stdout) == (code, "") and done.stderr.startswith(said), done


@pytest.fixture(params=("TCP", "Unix"))
def listening(request, tmp_path):
    """A listening socket of each kind, and where that is."""
    if request.param == "TCP":
        listener = socket.create_server(("127.0.0.1", 0))
        where = f"127.0.0.1:{listener.getsockname()[1]}"
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        where = f"unix:{tmp_path / 'socket'}"
    with listener:
        yield listener, where


def test_connect(backend, listening, tmp_path):
    listener, where = listening
    server = serve_one(listener, lambda data: data[::-1])
    file = tmp_path / "input"
    file.write_bytes(DATA)
    with file.open("rb") as source:
        done = subprocess.run([EXAMPLES / "connect", backend, where], stdin=source, check=True,
                              capture_output=True, timeout=PATIENCE)
    assert done.stdout == DATA[::-1]
    assert done.stderr.decode() == f"connected to {where}\n"
    server.join(PATIENCE)


def test_connect_ends_with_the_peer(backend):
    """The input is still open: a pipe that says nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        with subprocess.Popen([EXAMPLES / "connect", backend, where, "127.0.0.3:0"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            connection, peer = listener.accept()
            assert peer[0] == "127.0.0.3"
            process.stdin.write(b"a question")
            process.stdin.flush()
            assert connection.recv(100) == b"a question"
            connection.sendall(b"an answer")
            connection.close()
            assert process.stdout.read() == b"an answer"
            assert process.wait(PATIENCE) == 0


def test_connect_refused(backend):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for arguments, code, said in (
                ((f"127.0.0.1:{port}",), 1, "connect: connection refused\n"),
                ((f"127.0.0.1:{port}", "192.0.2.1"), 1, "source: "),
                (("unix:/nosuch/socket",), 1, "connect: no such file"),
                (("somewhere",), 2, "usage: "), ((), 2, "usage: ")):
            done = run("connect", backend, *arguments, check=False)
            assert done.returncode == code and done.stderr.startswith(said), done


def test_socket_options():
    said = run("socket_options", "127.0.0.1:0", "ttl=3", "send-buffer=65536", "congestion=reno",
               "keepalive-idle=77").stdout
    told = dict(line.split("=") for line in said.splitlines())
    assert {"family": "2", "listening": "1", "ttl": "3", "send-buffer": "131072",
            "congestion": "reno", "keepalive-idle": "77", "device": ""}.items() <= told.items()
    assert "hops" not in told
    assert "\nhops=" in run("socket_options", "[::1]:0").stdout


def test_socket_options_of_a_unix_socket(tmp_path):
    path = tmp_path / "socket"
    said = run("socket_options", f"unix:{path}", "receive-buffer=4096").stdout
    assert said.startswith("family=1\ntype=1\n") and "receive-buffer=8192\n" in said
    assert "ttl" not in said and not path.exists()


@pytest.mark.parametrize("arguments, code, said", (
    (("127.0.0.1", "colour=1"), 1, "colour=1: no such option\n"),
    (("127.0.0.1", "ttl"), 1, "ttl: no such option\n"),
    (("127.0.0.1", "family=1"), 1, "family=1: no such option\n"),
    (("127.0.0.1", "ttl=1000"), 1, "ttl=1000: invalid argument\n"),
    (("127.0.0.1", "congestion=nosuch"), 1, "congestion=nosuch: "),
    (("192.0.2.1:1",), 1, "192.0.2.1:1: "),
    (("nowhere",), 2, "usage: "),
))
def test_socket_options_refuses(arguments, code, said):
    done = run("socket_options", *arguments, check=False)
    assert (done.returncode, done.stdout) == (code, "") and done.stderr.startswith(said), done


def test_gateway(start, listening):
    listener, where = listening
    port = start("gateway", where)
    with dial(port) as client, listener.accept()[0] as server:
        client.shutdown(socket.SHUT_WR)
        assert server.recv(10) == b""
        server.sendall(b"late")
        server.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"late"
    with dial(port) as client, listener.accept()[0] as server:  # the other way round
        server.sendall(b"hello")
        server.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"hello"
        client.sendall(b"x" * 1000)
        client.shutdown(socket.SHUT_WR)
        assert server.makefile("rb").read() == b"x" * 1000


def test_gateway_with_many_at_once(start):
    port = start("gateway", f"127.0.0.1:{start('echo_async')}")
    with ThreadPoolExecutor(8) as clients:
        for answer in clients.map(lambda _: exchange(dial(port), DATA), range(16)):
            assert answer == DATA


def test_gateway_to_nothing(backend, start):
    port = start("gateway", "unix:/nosuch/socket")
    assert exchange(dial(port), b"") == b""
    done = run("gateway", "127.0.0.1:0", backend, check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage: ")


def graceful(backend, *arguments):
    process = subprocess.Popen([EXAMPLES / "graceful", "127.0.0.1:0", backend, *arguments],
                               stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline().rsplit(":", 1)[1])


def test_graceful_lets_them_finish(backend):
    process, port = graceful(backend)
    with process, dial(port) as client, dial(port) as other:
        for connection in (client, other):
            connection.sendall(b"a")
            assert connection.recv(1) == b"a"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "2 to finish\n"
        other.close()
        client.sendall(b"still here")
        assert client.makefile("rb").read(10) == b"still here"
        assert process.poll() is None
        with pytest.raises(ConnectionRefusedError):
            while True:
                dial(port).close()
        client.close()
        assert process.wait(PATIENCE) == 0


def test_graceful_ends_all_by_a_second_signal(backend):
    process, port = graceful(backend)
    with process, dial(port) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "1 to finish\n"
        assert process.wait(PATIENCE) == 0
        assert client.recv(1) == b""


def test_graceful_has_a_limit(backend):
    process, port = graceful(backend, "1")
    with process:
        with dial(port) as first:  # from now on it accepts one at a time
            assert exchange(first, b"first") == b"first"
        with dial(port) as client, dial(port) as waiting:
            client.sendall(b"a")
            assert client.recv(1) == b"a"
            waiting.sendall(b"b")
            waiting.settimeout(0.3)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            client.close()
            waiting.settimeout(PATIENCE)
            assert waiting.recv(1) == b"b"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    done = run("graceful", "127.0.0.1:0", backend, "0", check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage: ")


def test_udp_ping(backend):
    def answer(data, peer):
        return b"junk", data, data, bytes(8) + data[8:], data + b"!"
    with Datagrams(answer) as service:
        said = run("udp_ping", backend, f"127.0.0.1:{service.port}", 3, PATIENCE).stdout
    assert re.fullmatch(r"0: [\d.]+ ms\n1: [\d.]+ ms\n2: [\d.]+ ms\n3 of 3 came back\n", said)


def test_udp_ping_without_answers(backend):
    with Datagrams(lambda data, peer: ()) as service:
        done = run("udp_ping", backend, f"127.0.0.1:{service.port}", 2, 1, check=False)
    assert (done.returncode, done.stdout) == (1, "0 of 2 came back\n")
    assert done.stderr.endswith(": timed out\n")


def test_udp_ping_refused(backend):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    done = run("udp_ping", backend, f"127.0.0.1:{port}", check=False)
    assert (done.returncode, done.stdout) == (1, "0 of 5 came back\n")
    assert done.stderr.endswith(": connection refused\n")
    for arguments in (("x",), ("127.0.0.1", "0"), ("127.0.0.1", "1001"), ()):
        done = run("udp_ping", backend, *arguments, check=False)
        assert done.returncode == 2 and done.stderr.startswith("usage: ")


def ask(port, *questions):
    """Asks over TCP, in one connection, and yields the answers."""
    with dial(port) as connection, connection.makefile("rb") as file:
        connection.sendall(b"".join(struct.pack(">H", len(one)) + one for one in questions))
        connection.shutdown(socket.SHUT_WR)
        while head := file.read(2):
            yield file.read(struct.unpack(">H", head)[0])


QUESTION = bytes.fromhex("12340100 0001000000000000 03777777 076578616d706c65 00 0001 0001")


def answer_to(data):
    return data[:2] + bytes((data[2] | 0x80,)) + data[3:] + b"an answer"


def test_dns_over_tcp(start):
    asked = []

    def answer(data, peer):
        asked.append(data)
        if len(asked) == 1:
            return ()  # lost
        return bytes(12), data, b"?", answer_to(data)
    with Datagrams(answer) as service:
        port = start("dns_over_tcp", f"127.0.0.1:{service.port}")
        second = b"\x43\x21" + QUESTION[2:]
        assert list(ask(port, QUESTION, second)) == [answer_to(QUESTION), answer_to(second)]
        assert asked[:2] == [QUESTION, QUESTION] and set(asked[2:]) >= {second}
        with dial(port), ThreadPoolExecutor(4) as clients:
            for answers in clients.map(lambda _: list(ask(port, QUESTION)), range(8)):
                assert answers == [answer_to(QUESTION)]
        assert not list(ask(port, b""))


def test_dns_over_tcp_without_a_server(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    failure = QUESTION[:2] + b"\x81\x02" + QUESTION[4:]
    assert list(ask(start("dns_over_tcp", f"127.0.0.1:{port}"), QUESTION)) == [failure]


def test_udp_echo(start):
    port = start("udp_echo")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(PATIENCE)
        one.connect(("127.0.0.1", port))
        for data in (b"a", b"", b"x" * 9000, b"last"):
            one.send(data)
            assert one.recv(1 << 16) == data
    with ThreadPoolExecutor(4) as askers:
        for said in askers.map(lambda _: run("udp_ping", "auto", f"127.0.0.1:{port}", 3,
                                              PATIENCE).stdout,
                               range(8)):
            assert said.endswith("3 of 3 came back\n")
    done = run("udp_echo", f"127.0.0.1:{port}", "auto", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "bind: address already in use\n"


def test_slow_line(start):
    """There and back takes twice the delay, through any number of buffers."""
    port = start("udp_echo")
    for arguments in ((150,), (60, 5)):
        line = start("slow_line", f"127.0.0.1:{port}", *arguments)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(PATIENCE)
            one.connect(("127.0.0.1", line))
            data = [bytes((number,)) * 1000 * number for number in range(9)]
            began = time.monotonic()
            for datagram in data:
                one.send(datagram)
            assert [one.recv(1 << 16) for _ in data] == data
            assert time.monotonic() - began >= 2 * arguments[0] / 1000


def test_slow_line_to_nobody_at_first(start, backend):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        where = there.getsockname()
    line = start("slow_line", f"127.0.0.1:{where[1]}", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(PATIENCE)
        one.connect(("127.0.0.1", line))
        for _ in range(3):
            one.send(b"lost")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
            there.bind(where)
            there.settimeout(PATIENCE)
            data = b"lost"
            while data == b"lost":  # what was sent before is on its way still
                one.send(b"found")
                data, line = there.recvfrom(100)
            there.sendto(b"answer", line)
            assert (data, one.recv(100)) == (b"found", b"answer")
    for arguments in ((), ("127.0.0.1:9",), ("127.0.0.1:9", "5", "4"), ("x", "5")):
        done = run("slow_line", "127.0.0.1:0", backend, *arguments, check=False)
        assert done.returncode == 2 and done.stderr.startswith("usage: ")


class Log:
    """A program that logs, from a socket with a name."""

    def __init__(self, path, to):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(to)

    def say(self, text):
        self.socket.send(text)
        return int(self.socket.recv(100))


def test_log_hub(start, tmp_path):
    path = str(tmp_path / "log")
    port = start("log_hub", f"unix:{path}")
    named = Log(str(tmp_path / "me"), path)
    assert named.say(b"nobody follows") == 1
    with dial(port) as gone, dial(port) as follower:
        lines = follower.makefile("rb")
        nameless = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        nameless.connect(path)
        while not select.select([follower], [], [], 0.01)[0]:  # until it was accepted
            nameless.send(b"again\n")
        text = b"again"
        while text == b"again":
            number, sender, text = lines.readline().rstrip(b"\n").split(b" ", 2)
            assert sender == b"somebody:"
            nameless.send(b"one\n2 root: forged\0")
        assert text == b"one 2 root: forged"
        gone.close()
        answered = named.say(b"x" * 5000)
        while sender == b"somebody:":
            number, sender, text = lines.readline().rstrip(b"\n").split(b" ", 2)
        assert (int(number), sender.decode()) == (answered, f"unix:{tmp_path / 'me'}:")
        assert text == b"x" * 1000 + b" (cut)"
    nameless.close()
    more = [dial(port) for _ in range(20)]  # four wait for a place
    named.say(b"x")
    for one in more:
        one.close()
    with dial(port) as follower:
        while not select.select([follower], [], [], 0.01)[0]:
            named.say(b"y")
        assert follower.recv(1000).endswith(b": y\n")
    named.socket.close()


def test_log_hub_refuses(backend, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"")
    done = run("log_hub", "127.0.0.1:0", backend, f"unix:{path}", check=False)
    assert (done.returncode, done.stderr) == (1, "socket: address already in use\n")
    done = run("log_hub", "127.0.0.1:0", backend, check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage: ")
