#!/usr/bin/python3
"""Makes each system call of a start, a short service and a shutdown fail, one at a time.

    tests/faults/run.py               one error for each call, and only its first and last times
    tests/faults/run.py --all         each time, and every plausible error
    tests/faults/run.py BACKEND...    only on these

A first run without a fault tells which calls there are. Then httpd is started once for each fault.
It passes when it ends with a message and an exit code that isn't 0, or serves on: what was under
way may visibly fail, what comes after is answered right, and SIGTERM ends it. It fails when it
hangs, crashes, a sanitizer complains, or an answer is wrong.
"""
import argparse
import concurrent.futures
import errno
import itertools
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
import kernel  # noqa: E402
from client import TEXT, Closed, Connection, ProtocolError, WebSocket  # noqa: E402

PROGRAMS = ("asan", "free")  # build/faults/…/httpd
PORT = 8000
HAPPENED = 511  # where hook.c says that the fault has come
START_SECONDS = 60
END_SECONDS = 60
AT_ONCE = 4

# What a call can fail with, by its manual page, the most telling one first. EAGAIN on a socket is
# no failure but a promise of an event, and only comes when there is one to wait for.
PLAUSIBLE = {
    "read": "EINTR EIO", "write": "ENOSPC EINTR EAGAIN EPIPE", "pread64": "EIO EINTR",
    "close": "EIO EINTR", "lseek": "EINVAL", "openat": "EMFILE ENOENT EACCES ENOMEM",
    "openat2": "EMFILE ENOENT EACCES ENOMEM EAGAIN",
    "statx": "EACCES ENOMEM ENOENT", "getdents64": "EIO",
    "socket": "EMFILE ENOBUFS EACCES", "bind": "EADDRINUSE EACCES", "listen": "EADDRINUSE",
    "accept4": "EMFILE ECONNABORTED EINTR ENOMEM", "shutdown": "ENOTCONN",
    "getsockname": "ENOBUFS", "getpeername": "ENOTCONN", "setsockopt": "ENOPROTOOPT ENOMEM",
    "getsockopt": "ENOBUFS", "sendto": "ECONNRESET EPIPE EINTR ENOBUFS ENOMEM",
    "sendmsg": "ECONNRESET EPIPE EINTR ENOBUFS",
    "recvfrom": "ECONNRESET EINTR ENOMEM", "recvmsg": "ECONNRESET EINTR",
    "sendfile": "EIO ECONNRESET EINTR", "epoll_create1": "EMFILE ENOMEM ENOSYS",
    "epoll_ctl": "ENOSPC ENOMEM", "epoll_pwait": "EINTR", "epoll_pwait2": "EINTR ENOSYS",
    "ppoll": "EINTR ENOMEM", "eventfd2": "EMFILE ENOMEM", "rt_sigtimedwait": "EINTR",
    "io_uring_setup": "ENOMEM EPERM ENOSYS EMFILE",
    "io_uring_enter": "EINTR EAGAIN EBUSY", "io_uring_register": "ENOMEM EINVAL",
    "mmap": "ENOMEM", "futex": "EINTR EAGAIN", "prlimit64": "EPERM", "getrandom": "EINTR",
    "sched_getaffinity": "EPERM", "unlinkat": "ENOENT EACCES", "fcntl": "EMFILE",
    "fchmodat": "EPERM", "dup3": "EBUSY", "prctl": "EINVAL", "seccomp": "EINVAL",
    "landlock_create_ruleset": "ENOSYS EOPNOTSUPP", "landlock_add_rule": "ENOMEM",
    "landlock_restrict_self": "E2BIG", "clone": "EAGAIN ENOMEM",
    "execve": "ENOENT", "wait4": "ECHILD", "setgroups": "EPERM", "setresgid": "EPERM",
    "setresuid": "EPERM", "pipe2": "EMFILE", "tgkill": "ESRCH",
    "madvise": "EINVAL ENOMEM",
}
OTHERS = "EPERM ENOSYS"  # as from a filter
# Calls that can't fail with the arguments they get: the program stops itself, which is what it
# promises for what is impossible.
IMPOSSIBLE = {"munmap", "rt_sigprocmask", "rt_sigaction", "exit_group", "getpid", "gettid",
              "mprotect", "clock_gettime", "kill", "arch_prctl"}

FILES = {"small.txt": b"a small file\n" * 20, "large.bin": bytes(range(256)) * 700}


def call_names():
    """The names of the calls by number, from the table in src/sys."""
    names = {}
    for header in (ROOT / "src/sys").rglob("*.h"):
        for name, number in re.findall(r"#define RN_NR_(\w+)\s+(\d+)", header.read_text()):
            if header.stem not in ("aarch64", "x86_64") or header.stem == os.uname().machine:
                names[int(number)] = name.lower()
    return names


NAMES = call_names()
numbers = itertools.count(random.SystemRandom().randrange(0, 1 << 20, 1 << 10))


class Wrong(Exception):
    """What must not come of a fault."""


class Run:
    """One httpd with a fault, or without."""

    def __init__(self, scratch, program, backend, site, fault=None):
        # An address of its own for each, so that runs can overlap.
        number = next(numbers)
        host = f"127.{64 + (number >> 16) % 64}.{number >> 8 & 255}.{number & 255}"
        self.address = (host, PORT)
        self.counts = scratch / f"counts{number}"
        self.output = scratch / f"output{number}"
        self.visible = []
        self.counts.write_bytes(bytes(4 * (HAPPENED + 1)))
        environment = dict(os.environ, FAULT_COUNTS=str(self.counts),
                           ASAN_OPTIONS="detect_leaks=0:abort_on_error=0",
                           UBSAN_OPTIONS="print_stacktrace=1")
        if fault:
            environment["FAULT"] = ":".join(map(str, fault))
        command = [str(ROOT / f"build/faults/{program}/httpd"), "--backend", backend, "-w", "1",
                   "-b", host, "-p", str(PORT), "--root", str(site), "--ws-echo", "/ws", "--list",
                   *(["--no-sandbox"] if program == "asan" else [])]
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out,
                                            stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def text(self):
        return self.output.read_text(errors="replace")

    def happened(self):
        return struct.unpack("<512I", self.counts.read_bytes())[HAPPENED]

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait_serving(self):
        """Whether it listens; False when it ended first."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            try:
                Connection(self.address, timeout=END_SECONDS).close()
                return True
            except OSError:
                time.sleep(0.01)
        raise Wrong(f"neither listens nor ends within {START_SECONDS} s")

    def attempt(self, step, strict):
        try:
            step()
        except TimeoutError as problem:
            raise Wrong(f"{step.__name__} hangs") from problem
        except (Closed, ConnectionError, EOFError) as problem:
            if strict:
                raise Wrong(f"{step.__name__} after the fault: {problem!r}") from problem
            self.visible.append(step.__name__)
        except Refused as problem:
            if strict:
                raise Wrong(f"{step.__name__} after the fault: {problem}") from problem
            self.visible.append(step.__name__)
        except ProtocolError as problem:
            raise Wrong(f"{step.__name__}: {problem!r}") from problem

    def files(self):
        with Connection(self.address, timeout=END_SECONDS) as connection:
            for name, content in FILES.items():
                self.expect(connection.exchange(target=f"/{name}"), content)
            self.expect(connection.exchange(target="/"))

    def expect(self, response, content=None):
        if response.status >= 500 or (response.status in (403, 404) and not self.errorless):
            raise Refused(response.status)
        right = response.body == content if content else b"small.txt" in response.body
        if response.status != 200 or not right:
            raise Wrong(f"answered {response.status} with {len(response.body)} bytes")

    def websocket(self):
        with WebSocket(self.address, timeout=END_SECONDS) as socket:
            socket.echo(TEXT, b"hello")
            socket.close()

    errorless = True  # a missing or forbidden file is no possible answer

    def ended(self):
        """It ended by itself: in good order, and saying why?"""
        code = self.process.returncode
        text = self.text()
        if code <= 0 or code > 2:
            raise Wrong(f"ended with {code}")
        if not re.search(r"^httpd: .{10}", text, re.MULTILINE):
            raise Wrong(f"ended with {code} and no message")
        return "refused"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired as problem:
            raise Wrong(f"did not end within {END_SECONDS} s after SIGTERM") from problem
        if code != 0:
            return self.ended()
        return "failed visibly" if self.visible else "unnoticed"

    def outcome(self):
        if not self.wait_serving():
            return self.ended()
        for _ in range(2):
            for step in (self.files, self.websocket):
                try:
                    self.attempt(step, strict=self.happened())
                except Wrong:
                    if not self.gone(1):
                        raise
                if self.gone(0.1 if self.visible else 0):
                    return self.ended()
        if self.visible:
            self.attempt(self.files, strict=True)
        return self.stop()

    def gone(self, seconds):
        """Whether it ended; one that is about to is given the time to."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class Refused(Exception):
    """An answer that says that something went wrong."""


def check(scratch, program, backend, site, fault):
    """What came of one fault, and whether that is wrong."""
    run = Run(scratch, program, backend, site, fault)
    if fault and fault[2] in (errno.ENOENT, errno.EACCES):
        run.errorless = False
    try:
        outcome = run.outcome()
        if re.search("Sanitizer|runtime error", run.text()):
            raise Wrong("a sanitizer complains")
        if fault and not run.happened():
            return "not reached", False
        return outcome, False
    except Wrong as problem:
        return f"{problem}\n{run.text()[-1500:]}", True
    finally:
        run.end()


def faults_of(counts, every):
    """The faults to try: (call, which time, errno)."""
    for number, count in enumerate(counts[:HAPPENED]):
        name = NAMES.get(number, str(number))
        if not count or name in IMPOSSIBLE:
            continue
        errors = [getattr(errno, error) for error in PLAUSIBLE.get(name, OTHERS).split()]
        times = range(1, count + 1)
        if not every:
            errors = errors[:1]
            times = sorted({1, 2, count // 2, count} & set(times))
        for time_, error in itertools.product(times, errors):
            yield number, time_, error


def make_site(folder):
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def run_backend(scratch, site, program, backend, every):
    name = f"{program} {backend}"
    run = Run(scratch, program, backend, site)
    try:
        outcome = run.outcome()
        counts = struct.unpack("<512I", run.counts.read_bytes())
    except Wrong as problem:
        outcome = str(problem)
    finally:
        run.end()
    if outcome != "unnoticed":
        print(f"FAIL {name} without a fault: {outcome}\n{run.text()}")
        return {}, 1
    faults = list(faults_of(counts, every))
    outcomes, failed = {}, 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda fault: check(scratch, program, backend, site, fault), faults)
        for (number, nth, error), (outcome, wrong) in zip(faults, results):
            if wrong:
                failed += 1
                print(f"FAIL {name}: {NAMES.get(number, number)} number {nth} with "
                      f"{errno.errorcode[error]}: {outcome}", flush=True)
            else:
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
    calls = sum(counts[:HAPPENED])
    print(f"  {name}: {calls} calls, {len(faults)} faults: " +
          ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())), flush=True)
    return outcomes, failed


def main():
    parser = argparse.ArgumentParser(description="Lets system calls fail.")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("backends", nargs="*", default=["epoll", "poll", "uring"])
    options = parser.parse_args()
    passed = failed = 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="runnel-faults-") as name:
        scratch = Path(name)
        site = make_site(scratch / "site")
        for backend in options.backends:
            refusal = kernel.io_uring_refusal() if backend == "uring" else None
            if refusal:
                print(f"skipped: {backend}: {refusal}")
                continue
            for program in PROGRAMS:
                outcomes, wrong = run_backend(scratch, site, program, backend, options.all)
                passed += sum(outcomes.values())
                failed += wrong
    print(f"in {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
