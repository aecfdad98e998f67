"""The examples of the calls on descriptors, on an ordinary thread."""
import random
import socket
import struct
import subprocess
import time

import pytest
from bed import EXAMPLES, PATIENCE, Datagrams, run


def stamp(ahead=0):
    return int((time.time() + 2208988800 + ahead) * 2 ** 32) % 2 ** 64


def time_answer(question, ahead, stratum=2):
    now = struct.pack(">QQ", stamp(ahead), stamp(ahead))
    return bytes((0x24, stratum)) + bytes(22) + question[40:48] + now


def time_service(ahead, lost=0, stratum=2):
    asked = []

    def serve(question, asker):
        assert (len(question), question[0]) == (48, 0x23)
        asked.append(question)
        if len(asked) <= lost:
            return ()
        answer = time_answer(question, ahead, stratum)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(time_answer(question, 5), asker)
        return (b"", answer[:40], b"\x23" + answer[1:], answer[:24] + bytes(8) + answer[32:],
                answer)
    return Datagrams(serve)


@pytest.mark.parametrize("ahead, lost", ((1000, 0), (-86400, 1), (2 ** 31 - 100, 0)))
def test_sntp(ahead, lost):
    with time_service(ahead, lost) as service:
        said = run("sntp", "127.0.0.1", service.port).stdout.split()
    assert said[:2] == [f"127.0.0.1:{service.port}", "is"]
    assert abs(float(said[2]) - ahead) < PATIENCE and said[2][0] == "-+"[ahead > 0]


def test_sntp_without_an_answer():
    with time_service(0, stratum=0) as service:
        done = run("sntp", "127.0.0.1", service.port, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"127.0.0.1:{service.port}: permission denied\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        done = run("sntp", "127.0.0.1", port, check=False)
    assert (done.returncode, done.stderr) == (1, f"127.0.0.1:{port}: timed out\n")
    done = run("sntp", "no such name", check=False)
    assert done.returncode == 1 and done.stderr.startswith("no such name: ")
    assert run("sntp", check=False).returncode == 2


def block(kind, number):
    return struct.pack(">HH", kind, number)


def transfer(data, lost=None, twice=None, stranger=None):
    """A TFTP server, for one transfer from a port of its own; what happens to which block."""
    def serve(client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            for one in (own, other):
                one.bind(("127.0.0.1", 0))
                one.settimeout(PATIENCE)
            for number in range(1, len(data) // 512 + 2):
                packet = block(3, number) + data[number * 512 - 512:number * 512]
                for _ in range((number != lost) + (number == twice)):
                    own.sendto(packet, client)
                if number == stranger:
                    other.sendto(packet, client)
                    assert other.recv(100) == b"\0\5\0\5\0"
                while (said := own.recv(100)) != block(4, number):
                    assert said == block(4, number - 1)
                    if number == lost:
                        own.sendto(packet, client)

    began = []

    def answer(request, client):
        assert request == b"\0\1some file\0octet\0"
        if client not in began:  # asked again when it took long
            began.append(client)
            serve(client)
        return ()
    return Datagrams(answer)


def tftp_get(port, check=True):
    return subprocess.run([EXAMPLES / "tftp_get", f"127.0.0.1:{port}", "some file"],
                          capture_output=True, timeout=PATIENCE, check=check)


@pytest.mark.parametrize("length, events", (
    (0, {}), (511, {}), (512, {}), (100000, {"lost": 77, "twice": 99, "stranger": 2}),
))
def test_tftp_get(length, events):
    data = random.Random(length).randbytes(length)
    with transfer(data, **events) as service:
        assert tftp_get(service.port).stdout == data


@pytest.mark.parametrize("answer, said", (
    (b"\0\5\0\1no such file\0", b"the server says: no such file\n"
     b"some file: the peer broke the protocol\n"),
    (b"\0\5\0\1no end", b"the server says: no end\nsome file: the peer broke the protocol\n"),
    (block(3, 1) + bytes(513), b"some file: the peer broke the protocol\n"),
    (block(4, 0), b"some file: the peer broke the protocol\n"),
))
def test_tftp_get_refused(answer, said):
    with Datagrams(lambda request, client: (b"\0\3", answer)) as service:
        done = tftp_get(service.port, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", said)
    done = run("tftp_get", "nowhere", "x", check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage: ")


def test_tftp_get_onto_a_full_disk():
    with Datagrams(lambda *unused: (block(3, 1) + b"x",)) as service, \
            open("/dev/full", "wb") as full:
        done = subprocess.run([EXAMPLES / "tftp_get", f"127.0.0.1:{service.port}", "some file"],
                              stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (1, b"write: no space left\n")


def test_wait_for(tmp_path):
    path = tmp_path / "socket"
    with socket.create_server(("127.0.0.1", 0)) as early, socket.socket() as late, \
            socket.socket(socket.AF_UNIX) as local:
        late.bind(("127.0.0.1", 0))
        where = [f"127.0.0.1:{one.getsockname()[1]}" for one in (early, late)] + [f"unix:{path}"]
        with subprocess.Popen([EXAMPLES / "wait_for", str(PATIENCE), *where],
                              stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == f"{where[0]} is up\n"
            late.listen()
            assert process.stdout.readline() == f"{where[1]} is up\n"
            local.bind(str(path))
            local.listen()
            assert process.stdout.readline() == f"{where[2]} is up\n"
            assert process.wait(PATIENCE) == 0


def test_wait_for_too_long(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as there, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        up, down = (f"127.0.0.1:{one.getsockname()[1]}" for one in (there, closed))
        done = run("wait_for", 0.3, down, up, f"unix:{tmp_path}/nothing", check=False)
    assert (done.returncode, done.stdout) == (1, f"{up} is up\n")
    assert done.stderr == (f"{down}: connection refused\n"
                           f"unix:{tmp_path}/nothing: no such file or directory\n")
    for arguments, code in (((), 2), (("1",), 2), (("1", "x"), 1), (("1", *["x"] * 65), 2)):
        assert run("wait_for", *arguments, check=False).returncode == code
