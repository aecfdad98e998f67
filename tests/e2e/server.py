"""Starts, watches and ends one httpd."""
import os
import random
import resource
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = shlex.split(os.environ.get("RUNNEL_HTTPD", "build/httpd"))
EMULATED = "qemu" in PROGRAM[0]
SANITIZED = "hosted-" in PROGRAM[-1]
# Sanitizers make system calls of their own, which a sandbox would not let through.
FLAGS = ["--no-sandbox"] if SANITIZED else []
PATIENCE = 4 if EMULATED else 1  # for what takes longer there
HUNG = 45  # seconds: what takes longer hangs; less than the server's own timeouts
VERSION = (ROOT / "include/runnel/base.h").read_text().split('RN_VERSION "')[1].split('"')[0]


def free_port():
    """One that nobody has, outside the range that the kernel hands to clients: until a server takes
    it no connection of another test can, and one by chance is not likely to be tried twice."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until(condition, pause=0.01):
    """Waits for condition() to be true and returns what it gave; asserts that it comes true."""
    deadline = time.monotonic() + HUNG
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {HUNG} s: {condition}"
        time.sleep(pause)


def listeners(port):
    """How many TCP sockets listen on a port: the kernel's table has the listening ones first."""
    count = 0
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name, encoding="ascii") as table:
            next(table)
            for line in table:
                fields = line.split()
                if fields[3] != "0A":
                    break
                count += int(fields[1].rsplit(":", 1)[1], 16) == port
    return count


def listening_path(path):
    with open("/proc/net/unix", encoding="utf-8") as table:
        return any(line.rstrip("\n").endswith(" " + path) and line.split()[3] == "00010000"
                   for line in table)


def become_nobody():
    """For a child before exec: gives up root's rights."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def prepare(nofile, steps):
    """What the child does before exec."""
    def run():
        if nofile:
            resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
        for step in steps:
            step()
    return run


class Server:
    """One running httpd. `port` is its TCP port, `path` a Unix socket it was told to bind."""

    def __init__(self, arguments, scratch, port=None, path=None, nofile=None, steps=(),
                 program=None, stdout=None, stderr=None, wait=True):
        self.arguments = [str(argument) for argument in arguments]
        self.port = port
        self.path = path
        self.ended = None
        number = len(list(scratch.glob("httpd*.out")))
        self.stdout_path = scratch / f"httpd{number}.out"
        self.stderr_path = scratch / f"httpd{number}.err"
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(
                [*(program or PROGRAM), *self.arguments, *FLAGS], cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stdout or out, stderr=stderr or err, preexec_fn=prepare(nofile, steps))
        self.pid = self.process.pid
        if wait:
            self.wait_listening()

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def wait_listening(self, count=1):
        def ready():
            assert self.process.poll() is None, f"httpd ended: {self.text()}"
            if self.path:
                return listening_path(self.path)
            return listeners(self.port) >= count
        wait_until(ready, pause=0.001)

    def text(self):
        """All that it wrote to its standard streams."""
        return self.stdout_path.read_text(errors="replace") + \
            self.stderr_path.read_text(errors="replace")

    def rss_kib(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def settled_descriptors(self):
        """The same when nothing changes any more. It listens before its workers have begun, but
        none of them answers before all have."""
        with socket.create_connection(self.address, HUNG) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while peer.recv(65536):
                pass
        while True:
            before = self.descriptors()
            time.sleep(0.03)
            if self.descriptors() == before:
                return before

    def signal(self, number):
        self.process.send_signal(number)

    def alive(self):
        return self.process.poll() is None

    def wait(self):
        """Waits for its end and returns the exit code; kills it and fails when it doesn't end."""
        try:
            self.ended = self.process.wait(HUNG)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"httpd did not end within {HUNG} s") from None
        return self.ended

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.ended = self.process.wait()

    def stop(self):
        """Ends it in good order: SIGTERM must make it exit with 0 in a bounded time."""
        if self.ended is not None:
            return
        early = self.process.poll()
        assert early is None, f"httpd ended by itself with {early}: {self.text()[-2000:]}"
        started = time.monotonic()
        self.signal(signal.SIGTERM)
        code = self.wait()
        seconds = time.monotonic() - started
        assert code == 0, f"httpd exited with {code} after SIGTERM: {self.text()[-2000:]}"
        assert "Sanitizer" not in self.text(), self.text()[-2000:]
        return seconds
