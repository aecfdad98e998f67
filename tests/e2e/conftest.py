"""Fixtures: `launch` starts an httpd with any arguments, `httpd` one on the backend under test."""
import os
import shutil
import signal
import tempfile
import zlib
from pathlib import Path

import pytest

import kernel
from origin import Origin
from server import PATIENCE, PROGRAM, ROOT, Server, free_port
from wget import Wget

BACKENDS = os.environ.get("RUNNEL_BACKENDS", "uring,epoll,poll").split(",")
URING_REFUSAL = kernel.io_uring_refusal() if "uring" in BACKENDS else None


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "uring" and URING_REFUSAL:
        pytest.skip(URING_REFUSAL)
    return request.param


class Launcher:
    """Starts servers and ends all of them when the test is over."""

    def __init__(self, scratch, arguments=()):
        self.scratch = scratch
        self.arguments = arguments
        self.servers = []

    def __call__(self, *arguments, workers=1, bind="127.0.0.1", port=None, **options):
        """bind=None and workers=None leave those flags away."""
        if port is None and options.get("path") is None:
            port = free_port()
        command = [*self.arguments]
        if bind is not None:
            command += ["-b", bind]
        if port is not None:
            command += ["-p", port]
        if workers is not None:
            command += ["-w", workers]
        return self.plain(*command, *arguments, port=port, **options)

    def plain(self, *arguments, **options):
        """Starts it with these arguments and no others."""
        server = Server(arguments, self.scratch, **options)
        self.servers.append(server)
        return server

    def end(self):
        problems = []
        for server in self.servers:
            try:
                server.stop()
            except AssertionError as problem:
                problems.append(str(problem))
                server.kill()
        assert not problems, "\n".join(problems)


def launcher(tmp_path, arguments=()):
    scratch = tmp_path / "servers"
    scratch.mkdir(exist_ok=True)
    return Launcher(scratch, arguments)


@pytest.fixture
def launch(tmp_path, request):
    starter = launcher(tmp_path)
    request.node.launcher = starter
    yield starter
    starter.end()


@pytest.fixture
def httpd(tmp_path, request, backend):
    starter = launcher(tmp_path, ["--backend", backend])
    request.node.launcher = starter
    yield starter
    starter.end()


@pytest.fixture
def public():
    """A directory that every user may read, unlike tmp_path, with a copy of the program."""
    with tempfile.TemporaryDirectory(prefix="runnel-public-") as name:
        os.chmod(name, 0o755)
        shutil.copy(ROOT / PROGRAM[-1], f"{name}/httpd")
        os.chmod(f"{name}/httpd", 0o755)
        yield Path(name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Ends a test that hangs."""
    mark = item.get_closest_marker("seconds")
    seconds = (mark.args[0] if mark else 240) * PATIENCE

    def on_alarm(number, frame):
        raise TimeoutError(f"the test took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Shows what the servers wrote when a test failed."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in getattr(getattr(item, "launcher", None), "servers", []):
            text = server.text()[-3000:]
            report.sections.append((f"httpd {' '.join(server.arguments)}", text))


def one_backend(name):
    """For tests that run on one backend each, and all together on all."""
    usable = [backend for backend in BACKENDS if backend != "uring" or not URING_REFUSAL]
    return usable[zlib.crc32(name.encode()) % len(usable)]


@pytest.fixture
def wget(tmp_path, backend):
    return Wget(backend, tmp_path / "got")


@pytest.fixture
def origin(request):
    """Starts servers made by hand: origin(answer)."""
    started = []

    def start(answer):
        started.append(Origin(answer))
        return started[-1]

    yield start
    for server in started:
        server.close()
