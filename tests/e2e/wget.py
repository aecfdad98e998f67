"""Runs one wget in a directory of its own."""
import os
import shlex
import signal
import subprocess
from pathlib import Path

from server import PATIENCE, ROOT

PROGRAM = shlex.split(os.environ.get("RUNNEL_WGET", "build/wget"))
COMMAND = [PROGRAM[0] if "/" not in PROGRAM[0] else str(ROOT / PROGRAM[0]),
           *(str(ROOT / word) for word in PROGRAM[1:])]
# Nothing of the one who runs the tests decides, and no waiting between attempts.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.endswith("_proxy")}


def expect_signals():
    """For a child before exec: the tests may run where these are ignored, as under nohup(1)."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


class Wget:
    """Calls it: wget("-q", url), each time in the directory `place`."""

    def __init__(self, backend, place):
        self.backend = backend
        self.place = Path(place)
        self.place.mkdir(exist_ok=True)

    def command(self, *arguments):
        return [*COMMAND, "--backend", self.backend, *map(str, arguments)]

    def __call__(self, *arguments, code=0, environment=None, **options):
        result = subprocess.run(
            self.command(*arguments), cwd=self.place, capture_output=True, check=False,
            timeout=40 * PATIENCE, stdin=subprocess.DEVNULL,
            env={**ENVIRONMENT, **(environment or {})}, **options)
        result.lines = result.stderr.decode("utf-8", "replace").splitlines()
        assert result.returncode == code, (result.returncode, result.lines)
        return result

    def start(self, *arguments, **options):
        options.setdefault("preexec_fn", expect_signals)
        return subprocess.Popen(self.command(*arguments), cwd=self.place, stdin=subprocess.DEVNULL,
                                env=ENVIRONMENT, **options)

    def files(self):
        """All that lies in the directory, by name."""
        return {path.name: path.read_bytes() for path in self.place.iterdir()}

    def fails(self, code, *arguments, word="", **options):
        """It ends with that code, one line that has the word, and no file more than before."""
        before = self.files()
        result = self(*arguments, code=code, **options)
        assert len(result.lines) == 1, result.lines
        assert result.lines[0].startswith("wget: "), result.lines
        assert word in result.lines[0], result.lines
        assert self.files() == before
        return result
