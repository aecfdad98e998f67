"""Runs the parts of the tests and sums what passed and failed.

Each kind of part (cmocka programs, a script, pytest) has one function that returns a Tally. The
last line is `N passed, N failed`, with the skipped ones if there are any; the exit code is 0 only
when something ran in every part and nothing failed. One part prints as it goes; of several, two
run at a time, each in a process of its own, and what one printed follows when it has ended.
"""
import concurrent.futures
import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = (  # the long ones first, so that both lanes end together
    "tidy",         # the house rules: include direction, sizes, comments
    "unit",         # one cmocka program for each source file, under ASan and UBSan
    "aarch64",      # the HTTP and WebSocket tests on the 64-bit ARM build, under qemu
    "stress",       # load, limits, resets, 10,000 connections
    "sys",          # the freestanding system layer against the hosted one
    "conformance",  # what every backend promises
    "model",        # lock-free parts through every interleaving, and the mutants that it must find
    "fuzz",         # each parser and machine on its corpus and a few thousand inputs more
    "faults",       # each system call of a start, a service and a shutdown fails once
    "wget-faults",  # each system call of a fetch fails, the first time and the last
    "sim",          # whole servers and clients in virtual time; the simulator itself
    "tsan",         # the threaded parts, and many workers, under the thread sanitizer
    "asan",         # httpd under ASan and UBSan, most of what follows
    "package",      # what make install gives: a program outside the tree, C++, CMake, pages
    "examples",     # each program of examples/, and a client of its kind
    "cli",          # flags, logs, errors at start, sizes
    "sandbox",      # what a hole in a handler is worth
    "upgrade",      # a new program on the old one's sockets
    "http",         # HTTP/1.1 over raw sockets and curl
    "static",       # files: conditional requests, ranges, encodings, traversal
    "ws",           # WebSocket
    "wget",         # the client against real servers and malformed ones, full disks, signals
    "concurrent",   # many workers, many clients, all kinds of addresses
    "bench",        # the load generator, the floor programs, and what make bench reports
    "browser",      # the demo page in headless Chromium
)
ALIASES = {"e2e": ("cli", "sandbox", "upgrade", "http", "static", "ws", "wget", "concurrent",
                   "stress", "bench", "browser")}
BACKENDS = ("uring", "epoll", "poll")
SIM_WORKLOADS = ("http", "websocket", "udp", "tasks", "storm", "upgrade", "names",
                 "files", "polls", "fibers", "calls", "descriptors", "sync", "ws_client",
                 "fiber_calls", "buffered", "groups")
SIM_RUNS = 2000  # seeds, of each
# Unit tests that do I/O, which run in a simulated kernel too.
SIM_UNITS = (
    "await", "block_on", "buffered", "channel", "client", "client_by_hand", "client_pool",
    "client_redirect", "client_server", "conn", "connect", "driver", "driver_end",
    "driver_sockets", "fd", "fd_close", "fiber", "fiber_net", "file", "helper", "http_server",
    "http_time", "interval", "listener", "log", "net_poll", "op", "request", "resolver",
    "response", "runtime", "scope", "socket", "static", "static_cache", "static_list", "stream",
    "sync", "task", "udp", "websocket", "worker", "ws_client")
# What runs against httpd under ASan and UBSan; `make soak` has all of it on each backend.
ASAN_PARTS = {"uring": ("http", "ws"), "epoll": ("static", "cli"),
              "poll": ("concurrent", "upgrade")}
# Those of the server itself wait for its timeouts, for which it is too slow then.
TSAN_UNITS = ("inbox", "shared_stack", "task", "runtime", "worker", "listener", "static_cache",
              "log", "sync", "channel", "scope", "block_on", "fiber", "helper",
              "fd_close")
# Parts that are programs of their own: what is built first, and the command. They print a line that
# begins with FAIL for each failure, and at the end "N passed, N failed".
SCRIPTS = {
    "sys": ((), ("bash", "tests/sys/run.sh")),
    "fuzz": (("fuzz-programs",), ("tests/fuzz/run.py", "--runs", "3000")),
    "model": (("build/model/model",), ("bash", "tests/model/run.sh")),
    "faults": (("faults-programs",), ("tests/faults/run.py",)),
    "wget-faults": (("build/faults/asan/wget",), ("tests/faults/wget.py",)),
}
PROGRAM_TIMEOUT = 900
PYTEST_TIMEOUT = 1800
LANES = 2  # parts at a time: most wait for timeouts more than they compute


class Tally:
    """What a part ran: passed, and the names of what failed or was skipped."""

    def __init__(self, passed=0, failed=(), skipped=()):
        self.passed = passed
        self.failed = list(failed)
        self.skipped = list(skipped)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def ran(self):
        return self.passed + len(self.failed) + len(self.skipped)

    def text(self):
        text = f"{self.passed} passed, {len(self.failed)} failed"
        return text + (f", {len(self.skipped)} skipped" if self.skipped else "")


CAPTURE = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True,
           "errors": "replace"}


def run(command, timeout, **options):
    """Runs a command in a process group of its own, and ends all of it at the timeout."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **options)
    try:
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return -signal.SIGALRM, (output or "") + f"\n(ended after {timeout} s)\n"
        raise


def make(*arguments):
    """Builds, one part at a time; what was printed goes on only when it failed."""
    jobs = f"-j{os.cpu_count() or 2}"
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build/.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, output = run(["make", "--no-print-directory", jobs, *arguments], 600, **CAPTURE)
    if code != 0:
        print(output)
    return code == 0


def parse_cmocka(program, code, output):
    """Counts the outcomes of the tests that a cmocka program started; one without an end failed."""
    tally = Tally()
    running = None
    for line in output.splitlines():
        match = re.match(r"\[\s*(RUN|OK|FAILED|SKIPPED|ERROR)\s*\] (\S+(?: on \S+)?)$", line)
        if not match:
            continue
        kind, name = match.groups()
        if kind == "RUN":
            if running:
                tally.failed.append(f"{program}: {running} did not end")
            running = name
        elif name == running:
            running = None
            if kind == "OK":
                tally.passed += 1
            elif kind == "SKIPPED":
                tally.skipped.append(f"{program}: {name} {skip_reason(output, name)}")
            else:
                tally.failed.append(f"{program}: {name}")
    if running:
        tally.failed.append(f"{program}: {running} did not end")
    if code != 0 and not tally.failed:
        tally.failed.append(f"{program}: exit code {code}")
    if code == 0 and tally.ran() == 0:
        tally.failed.append(f"{program}: ran no test")
    return tally


def skip_reason(output, name):
    """The line that a test printed between its start and its end: by custom, why it is skipped."""
    match = re.search(rf"\] {re.escape(name)}\n(.*)\n\[\s*SKIPPED", output)
    return f"({match.group(1).strip()})" if match else "(no reason given)"


def cmocka(program, *arguments, prefix=()):
    """Runs one cmocka program and shows its output when it failed."""
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="stdout", ASAN_OPTIONS="detect_leaks=1",
                       UBSAN_OPTIONS="print_stacktrace=1",
                       TSAN_OPTIONS="suppressions=tests/sanitizers/tsan.supp")
    code, output = run([*prefix, str(program), *arguments], PROGRAM_TIMEOUT, env=environment,
                       **CAPTURE)
    name = " ".join([program.name, *arguments])
    tally = parse_cmocka(name, code, output)
    if tally.failed:
        print(output)
    print(f"  {name}: {tally.text()}", flush=True)
    return tally


def part_unit():
    if not make("SAN=asan", "unit"):
        return Tally(failed=["unit: the build failed"])
    tally = Tally()
    for source in sorted((ROOT / "tests/unit").glob("test_*.c")):
        tally.add(cmocka(ROOT / "build/hosted-asan/tests" / source.stem))
    return tally


def part_conformance():
    if not make("SAN=asan", "unit"):
        return Tally(failed=["conformance: the build failed"])
    program = ROOT / "build/hosted-asan/tests/conformance"
    tally = Tally()
    for backend in (*BACKENDS, "sim"):
        refusal = io_uring_refusal() if backend == "uring" else None
        if refusal:
            tally.skipped.append(f"conformance uring: {refusal}")
        elif program.exists():
            tally.add(cmocka(program, backend))
    return tally


def part_sim():
    programs = ROOT / "build/hosted-sim/tests"
    units = [f"build/hosted-sim/simulated/test_{name}" for name in SIM_UNITS]
    if not make("SAN=sim", "build/hosted-sim/tests/sim", "build/hosted-sim/tests/conformance",
                *units):
        return Tally(failed=["sim: the build failed"])
    tally = Tally()
    for backend in ("sim", "sim/epoll", "sim/poll"):
        tally.add(cmocka(programs / "conformance", backend))
    for unit in units:
        tally.add(cmocka(ROOT / unit))
    for workload in SIM_WORKLOADS:
        command = [str(programs / "sim"), f"--runs={SIM_RUNS}", f"--workload={workload}"]
        code, output = run(command, PROGRAM_TIMEOUT, **CAPTURE)
        print(f"  {workload}: {output.strip()}", flush=True)
        tally.add(Tally(failed=[f"sim: {workload}"]) if code else Tally(passed=1))
    code, output = run(["make", "sim", "ASAN=1", f"RUNS={SIM_RUNS}"], PROGRAM_TIMEOUT, **CAPTURE)
    print(f"  with sanitizers: {output.strip().splitlines()[-1]}", flush=True)
    tally.add(Tally(failed=["sim: with sanitizers"]) if code else Tally(passed=1))
    code, output = run(["/usr/bin/python3", "tests/sim/bugs.py"], PROGRAM_TIMEOUT, **CAPTURE)
    print(output, end="", flush=True)
    tally.passed += len(re.findall(r"^found: ", output, re.MULTILINE))
    tally.failed += [f"sim: {line}" for line in re.findall(r"^not found: .*", output, re.MULTILINE)]
    if code != 0 and not tally.failed:
        tally.failed.append(f"sim: bugs.py ended with exit code {code}")
    return tally


def io_uring_refusal():
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    import kernel
    return kernel.io_uring_refusal()


def part_script(name):
    targets, command = SCRIPTS[name]
    if targets and not make(*targets):
        return Tally(failed=[f"{name}: the build failed"])
    code, output = run(command, PYTEST_TIMEOUT, **CAPTURE)
    print(output, end="", flush=True)
    found = re.findall(r"^(\d+) passed, (\d+) failed", output, re.MULTILINE)
    if not found:
        return Tally(failed=[f"{name}: no summary, exit code {code}"])
    passed, failed = map(int, found[-1])
    skipped = [f"{name}: {text}" for text in re.findall(r"^skipped: (.*)", output, re.MULTILINE)]
    tally = Tally(passed, [f"{name}: {line.strip()}" for line in failure_lines(output, failed)],
                  skipped)
    if code != 0 and not tally.failed:
        tally.failed.append(f"{name}: exit code {code}")
    return tally


def failure_lines(output, count):
    """As many lines as tests failed: those that the output names, and others up to the count."""
    lines = re.findall(r"^(?:FAIL|not ok)\b.*", output, re.MULTILINE)[:count]
    return lines + ["a test failed"] * (count - len(lines))


def pytest_part(name, *paths, environment=None):
    """Runs pytest over paths and reads the outcomes from its XML report."""
    with tempfile.TemporaryDirectory(prefix="runnel-test-") as scratch:
        report = Path(scratch) / "report.xml"
        command = ["/usr/bin/python3", "-m", "pytest", "-c", "tests/pytest.ini",
                   f"--junitxml={report}", f"--basetemp={scratch}/work", "--maxfail=50", *paths]
        variables = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **(environment or {}))
        code, _ = run(command, PYTEST_TIMEOUT, env=variables)
        return parse_report(name, code, report)


def parse_report(name, code, report):
    outcomes = {}
    if report.exists():
        for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
            title = f"{name}: {case.get('classname', '')}::{case.get('name', '')}"
            kinds = {child.tag: child.get("message", "") for child in case}
            if "failure" in kinds or "error" in kinds:
                outcomes[title] = ("failed", "")
            elif "skipped" in kinds:
                outcomes.setdefault(title, ("skipped", kinds["skipped"]))
            else:
                outcomes.setdefault(title, ("passed", ""))
    tally = Tally()
    for title, (outcome, reason) in outcomes.items():
        if outcome == "passed":
            tally.passed += 1
        elif outcome == "failed":
            tally.failed.append(title)
        else:
            tally.skipped.append(f"{title} ({reason})")
    if code != 0 and not tally.failed:
        tally.failed.append(f"{name}: pytest ended with exit code {code}")
    return tally


def part_package():
    if not make("all", "lib"):
        return Tally(failed=["package: the build failed"])
    return pytest_part("package", "tests/package")


def part_examples():
    if not make("examples"):
        return Tally(failed=["examples: the build failed"])
    return pytest_part("examples", "tests/examples")


def part_tidy():
    return pytest_part("tidy", "tests/tidy")


def part_e2e(name):
    if not make("all", *(["puppet"] if name == "sandbox" else [])):
        return Tally(failed=[f"{name}: the build failed"])
    if name in ("cli", "aarch64") and not make("ARCH=aarch64", "all"):
        return Tally(failed=[f"{name}: the build for aarch64 failed"])
    if name != "aarch64":
        return pytest_part(name, *e2e_files(name))
    return pytest_part(name, *e2e_files("http"), *e2e_files("ws"), environment={
        "RUNNEL_HTTPD": "qemu-aarch64 build/aarch64/httpd", "RUNNEL_BACKENDS": "epoll,poll"})


def part_wget():
    """The released program on every backend; the hosted one under ASan; the one for 64-bit ARM."""
    if not make("all") or not make("ARCH=aarch64", "all") or \
            not make("SAN=asan", "build/hosted-asan/httpd", "build/hosted-asan/wget"):
        return Tally(failed=["wget: the build failed"])
    tally = pytest_part("wget", *e2e_files("wget"))
    tally.add(pytest_asan("uring", ("wget",)))
    tally.add(pytest_part("wget aarch64", "tests/e2e/test_wget_servers.py", environment={
        "RUNNEL_WGET": "qemu-aarch64 build/aarch64/wget", "RUNNEL_BACKENDS": "epoll"}))
    return tally


def pytest_asan(backend, parts):
    """End-to-end tests on the hosted programs; the sizes are those of others."""
    files = [file for part in parts for file in e2e_files(part)]
    return pytest_part(f"asan {backend}", *files, "-k", "not size_of_the_program", environment={
        "RUNNEL_HTTPD": "build/hosted-asan/httpd", "RUNNEL_WGET": "build/hosted-asan/wget",
        "RUNNEL_BACKENDS": backend, "ASAN_OPTIONS": "detect_leaks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1"})


def part_asan():
    """The hosted program under ASan and UBSan; the freestanding one with UBSan's traps."""
    if not make("SAN=asan", "build/hosted-asan/httpd") or not make("DEBUG=1", "all"):
        return Tally(failed=["asan: the build failed"])
    tally = Tally()
    for backend, parts in ASAN_PARTS.items():
        tally.add(pytest_asan(backend, parts))
    tally.add(pytest_part("debug", *e2e_files("http_refused"), environment={
        "RUNNEL_HTTPD": "build/debug/httpd", "RUNNEL_BACKENDS": "uring,epoll"}))
    return tally


def part_tsan():
    programs = [f"build/hosted-tsan/tests/test_{name}" for name in TSAN_UNITS]
    if not make("SAN=tsan", "build/hosted-tsan/httpd", *programs):
        return Tally(failed=["tsan: the build failed"])
    tally = Tally()
    for program in programs:
        tally.add(cmocka(ROOT / program, prefix=("setarch", "-R")))
    tally.add(pytest_part("tsan", *e2e_files("concurrent"), environment={
        "RUNNEL_HTTPD": "setarch -R build/hosted-tsan/httpd", "RUNNEL_BACKENDS": "uring,epoll",
        "TSAN_OPTIONS": "suppressions=tests/sanitizers/tsan.supp:history_size=4"}))
    return tally


def part_bench():
    if not make("all", "bench-tests"):
        return Tally(failed=["bench: the build failed"])
    tally = Tally()
    for source in sorted((ROOT / "tests/bench").glob("test_*.c")):
        tally.add(cmocka(ROOT / "build/bench/tests" / source.stem))
    tally.add(pytest_part("bench", "tests/bench", *e2e_files("bench")))
    return tally


def e2e_files(name):
    found = sorted((ROOT / "tests/e2e").glob(f"test_{name}*.py"))
    return [str(path.relative_to(ROOT)) for path in found]


def run_part(name):
    others = {"unit": part_unit, "conformance": part_conformance, "tidy": part_tidy,
              "sim": part_sim, "bench": part_bench, "wget": part_wget, "package": part_package,
              "examples": part_examples, "asan": part_asan, "tsan": part_tsan}
    if name in SCRIPTS:
        return part_script(name)
    return others[name]() if name in others else part_e2e(name)


def choose(names):
    chosen = []
    for name in names or PARTS:
        for part in ALIASES.get(name, (name,)):
            if part not in PARTS:
                sys.exit(f"tests/run: no part {part!r}; there are {' '.join(PARTS)}")
            if part not in chosen:
                chosen.append(part)
    return chosen


def run_here(name):
    """Runs a part in this process."""
    print(f"== {name}", flush=True)
    before = time.monotonic()
    tally = run_part(name)
    if tally.ran() == 0:
        tally.failed.append(f"{name}: ran no test")
    print(f"== {name}: {tally.text()} ({time.monotonic() - before:.0f} s)", flush=True)
    return tally


def run_apart(name, running):
    """Runs a part in a process of its own."""
    process = subprocess.Popen([sys.executable, __file__, name], cwd=ROOT, **CAPTURE)
    running.add(process)
    output, _ = process.communicate()
    running.remove(process)
    end = output.find("\n", output.rfind(f"\n== {name}: ") + 1)
    print(output[:end], flush=True)
    return parse_part(name, process.returncode, output[end:])


def parse_part(name, code, end):
    """The tally of a part's process, from the lines at the end of what it printed."""
    tally = Tally(0, re.findall(r"^FAILED: (.*)", end, re.MULTILINE),
                  re.findall(r"^skipped: (.*)", end, re.MULTILINE))
    found = re.findall(r"^(\d+) passed, (\d+) failed", end, re.MULTILINE)
    tally.passed = int(found[-1][0]) if found else 0
    if not found or (code == 0) != (not tally.failed):
        tally.failed.append(f"{name}: ended with exit code {code}")
    return tally


def run_all(names):
    if len(names) == 1:
        return run_here(names[0])
    total = Tally()
    running = set()
    with concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
        try:
            for tally in lanes.map(lambda name: run_apart(name, running), names):
                total.add(tally)
        except BaseException:
            lanes.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.terminate()  # it ends what it started
            raise
    return total


def main(names):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    total = run_all(choose(names))
    for line in total.skipped:
        print(f"skipped: {line}")
    for line in total.failed:
        print(f"FAILED: {line}")
    print(f"in {time.monotonic() - started:.0f} s")
    print(total.text(), flush=True)
    return 1 if total.failed or not total.ran() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
