"""Fixtures of the tests of the examples."""
import re
import signal
import subprocess

import pytest
from bed import EXAMPLES, PATIENCE, REFUSAL


@pytest.fixture(params=("epoll", "poll", "uring"))
def backend(request):
    if request.param == "uring" and REFUSAL:
        pytest.skip(REFUSAL)
    return request.param


@pytest.fixture
def start(backend):
    """Starts an example at a free port, and gives that; it has to end by ctrl-C."""
    running = []

    def run(name, *arguments):
        process = subprocess.Popen([EXAMPLES / name, "127.0.0.1:0", backend, *map(str, arguments)],
                                   stdout=subprocess.PIPE, text=True)
        running.append(process)
        return int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n",
                                process.stdout.readline()).group(1))
    yield run
    codes = []
    for process in running:
        process.send_signal(signal.SIGINT)
        codes.append(process.wait(PATIENCE))
        process.stdout.close()
    assert codes == [0] * len(codes)
