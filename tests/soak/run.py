#!/usr/bin/python3
"""What takes too long for `make test`: each step prints its figures, and fails on the first thing
that is wrong.

    tests/soak/run.py            all steps
    tests/soak/run.py STEP...    some: upgrades, requests, sim, fuzz, asan, valgrind
"""
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/e2e")]

import kernel
import runner
from server import Server, free_port

UPGRADES = int(os.environ.get("UPGRADES", "100"))
REQUESTS = int(os.environ.get("REQUESTS", "2000000"))
RUNS = int(os.environ.get("RUNS", "20000"))
TIME = int(os.environ.get("TIME", "600"))
HOUR = 3600  # no step takes so long
GROWTH_MAX = 8192  # KiB more while it serves millions: less than a byte for each request
# What is asked for: the address behind the port, flags of runnel-bench, and which part of REQUESTS.
LOADS = (
    ("http", "/plaintext", ("--connections", 64), 1),
    ("http", "/plaintext", ("--connections", 64, "--pipeline", 16), 4),
    ("http", "/plaintext", ("--connections", 64, "--close"), 0.1),
    ("http", "/", ("--connections", 1000), 0.5),
    ("ws", "/echo", ("--connections", 64), 1),
    ("ws", "/echo", ("--connections", 64, "--message", 16384), 0.1),
)
ASAN_PARTS = ("http", "static", "ws", "concurrent", "cli", "upgrade", "wget")


class Failed(Exception):
    """Says what was wrong."""


def backends():
    refusal = kernel.io_uring_refusal()
    if refusal:
        print(f"  without uring: {refusal}")
    return [name for name in runner.BACKENDS if name != "uring" or not refusal]


def output_of(command, **environment):
    """What a command printed; all of it goes on only when it failed."""
    variables = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **environment)
    code, output = runner.run([str(word) for word in command], HOUR, env=variables,
                              **runner.CAPTURE)
    if code:
        raise Failed(f"{output}\n{command[0]} ended with exit code {code}")
    return output


def made(*arguments):
    return output_of(["make", "--no-print-directory", *arguments])


def lines(output, pattern):
    found = re.findall(pattern, output, re.MULTILINE)
    if not found:
        raise Failed(f"no figures in: {output}")
    for line in found:
        print(f"  {line}", flush=True)


def upgrades():
    """New programs on the sockets of the old ones while clients ask without a pause."""
    output = output_of(["/usr/bin/python3", "-m", "pytest", "-c", "tests/pytest.ini", "-rP",
                        "tests/e2e/test_upgrade.py", "-k", "under_load"],
                       RUNNEL_UPGRADES=str(UPGRADES))
    lines(output, r"^\w+: \d+ upgrades, .*")


def load(server, scheme, path, flags, count):
    url = f"{scheme}://127.0.0.1:{server.port}{path}"
    figures = json.loads(output_of(["build/runnel-bench", "--json", "--duration", HOUR,
                                    "--requests", count, *flags, url]))
    wrong = [name for name in ("errors", "connect_errors", "unanswered") if figures[name]]
    if wrong or figures["requests"] != count:
        raise Failed(f"{url} {flags}: {figures}")
    words = " ".join(str(word) for word in flags)
    print(f"    {scheme} {path} {words}: {count} requests, {figures['seconds']:.0f} s, 99.9 % in "
          f"{figures['latency_us']['p999'] / 1000:.1f} ms, the longest "
          f"{figures['latency_us']['max'] / 1000:.1f} ms", flush=True)
    return count


def serve_all(server):
    """A little of each load, so that what is made once is there; then all of it."""
    for scheme, path, flags, _ in LOADS:
        load(server, scheme, path, flags, 20000)
    before = server.rss_kib(), server.settled_descriptors()
    count = sum(load(server, scheme, path, flags, int(REQUESTS * part))
                for scheme, path, flags, part in LOADS)
    after = server.rss_kib(), server.settled_descriptors()
    if after[0] > before[0] + GROWTH_MAX or after[1] > before[1]:
        raise Failed(f"memory (KiB) and descriptors: {before} before, {after} after")
    return count, before[0], after[0]


def requests():
    """Millions of requests to one server, which must not grow."""
    for backend in backends():
        with tempfile.TemporaryDirectory(prefix="runnel-soak-") as scratch:
            port = free_port()
            server = Server(["--backend", backend, "-w", 2, "-b", "127.0.0.1", "-p", port,
                             "--ws-echo", "/echo"], Path(scratch), port=port)
            try:
                count, before, after = serve_all(server)
                server.stop()
            finally:
                server.kill()
        print(f"  {backend}: {count} requests, none failed; {before} KiB before, {after} KiB after",
              flush=True)


def sim():
    lines(made("sim", f"RUNS={RUNS}"), r"^sim: .*")


def fuzz():
    lines(made("fuzz", f"TIME={TIME}"), r"^\d+ executions in all")


def asan():
    """All that part `asan` of make test does on one backend each, and more, on each of them."""
    made("-j2", "SAN=asan", "build/hosted-asan/httpd", "build/hosted-asan/wget")
    for backend in backends():
        tally = runner.pytest_asan(backend, ASAN_PARTS)
        if tally.failed:
            raise Failed("\n".join(tally.failed))
        print(f"  {backend}: {tally.text()}", flush=True)


def valgrind():
    lines(made("-j2", "valgrind"), r"^\d+ passed, \d+ failed")


STEPS = {step.__name__: step for step in (upgrades, requests, sim, fuzz, asan, valgrind)}


def main(names):
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        sys.exit(f"tests/soak/run.py: no step {unknown[0]}; there are {' '.join(STEPS)}")
    failed = []
    for name in names or STEPS:
        print(f"== {name}", flush=True)
        started = time.monotonic()
        try:
            STEPS[name]()
        except (Failed, AssertionError) as problem:
            print(problem)
            failed.append(name)
        print(f"== {name}: {'FAILED' if name in failed else 'passed'} "
              f"({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{len(names or STEPS) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
