"""The example whose own machine is on the stream driver."""
import contextlib
import signal
import socket
import subprocess

from bed import EXAMPLES, PATIENCE, dial


class Caller:
    def __init__(self, port, name):
        self.socket = dial(port)
        self.file = self.socket.makefile("rb")
        assert self.hear() == "your name?"
        self.say(name)

    def say(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def hear(self):
        return self.file.readline().decode().rstrip("\n")

    def hang_up(self):
        self.file.close()
        self.socket.close()

    def is_gone(self):
        """Without a further word, or by a reset."""
        try:
            return self.file.read() == b""
        except ConnectionResetError:
            return True
        finally:
            self.hang_up()


def call(port, *names):
    callers = [Caller(port, name) for name in names]
    assert [one.hear() for one in callers] == [f"hello {name}" for name in names]
    return callers


def test_party_line(start):
    port = start("party_line")
    anna, berta, carla = call(port, "anna", "berta", "carla")
    other = Caller(port, "anna")
    assert other.hear() == "not to be had: anna"
    other.say("\x20" * 21)
    assert other.hear() == "not to be had: " + " " * 21
    anna.socket.sendall(b"hello\r\nto a")  # what is in one piece, and what isn't
    assert berta.hear() == carla.hear() == "anna: hello"
    anna.say("ll \33[2J\0")
    assert berta.hear() == carla.hear() == "anna: to all ?[2J?"
    berta.say("/kick dora")
    assert berta.hear() == "nobody is called dora"
    berta.say("/kick anna")
    assert anna.is_gone()
    assert berta.hear() == carla.hear() == "anna: (has left)"
    carla.say("/kick carla")
    assert carla.is_gone()
    assert berta.hear() == "carla: (has left)"
    other.say("x" * 1000)
    assert other.hear() == "that was too long" and other.is_gone()
    dora, = call(port, "dora")
    berta.say("/quit")
    assert berta.is_gone()
    assert dora.hear() == "berta: (has left)"
    dora.socket.shutdown(socket.SHUT_WR)
    assert dora.is_gone()


def test_party_line_drops_who_does_not_read(start):
    port = start("party_line")
    talker, listener, deaf = call(port, "talker", "listener", "deaf")
    line, said, heard = "x" * 400, 0, ""
    while heard != "deaf: (has left)":  # the kernel's buffers, and then its own, are full
        talker.say(line)
        said += 1
        heard = listener.hear()
        assert heard in (f"talker: {line}", "deaf: (has left)") and said < 100000
    with contextlib.suppress(ConnectionResetError):
        while deaf.file.readline():
            pass
    for one in (talker, listener, deaf):
        one.hang_up()


def test_party_line_asks_who_is_quiet(start):
    with dial(start("party_line", 100)) as connection:
        assert connection.makefile().read() == "your name?\nstill there?\ntoo quiet, goodbye\n"


def test_party_line_says_goodbye(backend):
    with subprocess.Popen([EXAMPLES / "party_line", "127.0.0.1:0", backend],
                          stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline().rpartition(":")[2])
        callers = call(port, "anna", "berta")
        server.send_signal(signal.SIGINT)
        for one in callers:
            assert one.hear() == "the line is closed, goodbye"
            one.hang_up()
        assert server.wait(PATIENCE) == 0
