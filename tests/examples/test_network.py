"""The examples of the network layer."""
import socket
import subprocess
import threading

import pytest
from bed import DATA, EXAMPLES, PATIENCE, run


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


@pytest.mark.parametrize("family", ("TCP", "Unix"))
def test_connect(backend, family, tmp_path):
    if family == "TCP":
        listener = socket.create_server(("127.0.0.1", 0))
        where = f"127.0.0.1:{listener.getsockname()[1]}"
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        where = f"unix:{tmp_path / 'socket'}"
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
    (("127.0.0.1", "colour=1"), 1, "colour=1: there is no such option to set\n"),
    (("127.0.0.1", "ttl"), 1, "ttl: there is no such option to set\n"),
    (("127.0.0.1", "family=1"), 1, "family=1: there is no such option to set\n"),
    (("127.0.0.1", "ttl=1000"), 1, "ttl=1000: invalid argument\n"),
    (("127.0.0.1", "congestion=nosuch"), 1, "congestion=nosuch: "),
    (("192.0.2.1:1",), 1, "192.0.2.1:1: "),
    (("nowhere",), 2, "usage: "),
))
def test_socket_options_refuses(arguments, code, said):
    done = run("socket_options", *arguments, check=False)
    assert (done.returncode, done.stdout) == (code, "") and done.stderr.startswith(said), done
