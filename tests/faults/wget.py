#!/usr/bin/python3
"""Makes each system call of a fetch fail, its first and its last time, one at a time.

A first run without a fault tells which calls there are. Then wget is started once for each fault.
It passes when it has the file, whole, or says in one line what went wrong, with an exit code that
isn't 0; and nothing else lies in its directory. It fails when it hangs, crashes, or a sanitizer
complains.
"""
import concurrent.futures
import errno
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import run

sys.path.insert(0, str(run.ROOT / "tests/e2e"))
from origin import Origin, file_server  # noqa: E402

PROGRAM = run.ROOT / "build/faults/asan/wget"
BODY = bytes(range(256)) * 1000
SECONDS = 60
AT_ONCE = 2
BACKENDS = ("uring", "epoll")
# What is made to fail beside what httpd is, and what can't fail as it is used.
PLAUSIBLE = {**run.PLAUSIBLE, "renameat2": "ENOSPC", "ftruncate": "EIO", "utimensat": "EPERM",
             "flock": "ENOLCK", "ioctl": "ENOTTY", "fsetxattr": "EOPNOTSUPP",
             "fgetxattr": "EOPNOTSUPP", "fremovexattr": "EOPNOTSUPP", "connect": "EPERM",
             "write": "ENOSPC"}
WITHOUT = {"futex", "rt_sigaction", "rt_sigprocmask", "kill", "getpid", "munmap", "mprotect",
           "exit_group", "getrandom", "clock_gettime", "getsockopt"}


def fetch(scratch, name, url, backend, more=(), fault=None):
    """Runs it in a directory of its own; returns the directory, the process and the counts."""
    place = scratch / name
    place.mkdir()
    counts = scratch / f"{name}.counts"
    counts.write_bytes(bytes(4 * 512))
    environment = {"FAULT_COUNTS": str(counts), "PATH": os.environ["PATH"],
                   "ASAN_OPTIONS": "detect_leaks=0"}
    if fault:
        more = (*more, "-T", "3")  # a send that seems to fail leaves the peer waiting
        environment["FAULT"] = ":".join(map(str, fault))
    result = subprocess.run(
        [str(PROGRAM), "-q", "--tries", "1", "--backend", backend, *more, url], cwd=place,
        env=environment, capture_output=True, timeout=SECONDS, check=False)
    return place, result, struct.unpack("<512I", counts.read_bytes())


def problem(place, result):
    """What is wrong with how it went, or None."""
    files = {path.name: path.read_bytes() for path in place.iterdir()}
    lines = result.stderr.decode("utf-8", "replace").splitlines()
    if result.returncode == 0:
        return None if files == {"file": BODY} and not lines else f"{sorted(files)} {lines}"
    if not 0 < result.returncode <= 8:
        return f"exit code {result.returncode}: {lines[:3]}"
    if len(lines) != 1 or not lines[0].startswith("wget: "):
        return f"said {lines[:3]}"
    parts = {name for name in files if name.endswith(".part")}
    return f"left {sorted(files)}" if set(files) - parts else None


def faults(counts, numbers):
    for name, errors in PLAUSIBLE.items():
        number = numbers.get(name)
        if number is None or name in WITHOUT or not counts[number]:
            continue
        for nth in sorted({1, counts[number]}):
            yield name, nth, (number, nth, getattr(errno, errors.split()[0]))


def check(scratch, url, backend, more, tally):
    kind = "-".join([backend, *more])
    place, result, counts = fetch(scratch, kind, url, backend, more)
    if problem(place, result) or result.returncode:
        print(f"FAIL {kind} without a fault: {result.returncode} {result.stderr[-300:]}")
        tally[1] += 1
        return
    numbers = {name: number for number, name in run.call_names().items()}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {f"{kind} {name} {nth}":
                pool.submit(fetch, scratch, f"{kind}-{name}-{nth}", url, backend, more, fault)
                for name, nth, fault in faults(counts, numbers)}
        for title, job in jobs.items():
            try:
                wrong = problem(*job.result()[:2])
            except subprocess.TimeoutExpired:
                wrong = f"hangs for {SECONDS} s"
            tally[1 if wrong else 0] += 1
            if wrong:
                print(f"FAIL {title}: {wrong}")


def main():
    tally = [0, 0]
    server = Origin(file_server(BODY, ETag='"v1"', Last_Modified="Sun, 13 Sep 2020 12:26:40 GMT"))
    with tempfile.TemporaryDirectory(prefix="runnel-faults-") as scratch:
        for backend in BACKENDS:
            if backend == "uring" and run.kernel.io_uring_refusal():
                print(f"skipped: wget on uring: {run.kernel.io_uring_refusal()}")
                continue
            for more in ((), ("-c",)):
                check(Path(scratch), server.url(), backend, more, tally)
    server.close()
    print(f"{tally[0]} passed, {tally[1]} failed")
    return 1 if tally[1] or not tally[0] else 0


if __name__ == "__main__":
    sys.exit(main())
