#!/usr/bin/python3
"""Makes each mutant of the table in a copy of the tree and runs its tests until one catches it.

    tests/mutants/run.py                 all of them
    tests/mutants/run.py --only model    those whose first test is of that kind
    tests/mutants/run.py WORD...         those with one of these words in their name or file

Prints the table; the exit code is 1 when a mutant survives, or isn't one any more. Each processor
has a copy of its own. The copies, with what was built there, stay in build/mutants, so that the
next run builds little.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from table import ALL, MODEL

ROOT = Path(__file__).resolve().parent.parent.parent
COPIES = ROOT / "build/mutants"
BUILD_SECONDS = 600
TEST_SECONDS = 60
FUZZ_RUNS = 4000
LEFT_OUT = {"build", ".git", "__pycache__", ".pytest_cache"}


class Broken(Exception):
    """A build or a test that fails without any mutant."""


def plan(test):
    """What to build for a test, and the command that runs it."""
    kind, _, name = test.partition(" ")
    asan = "build/hosted-asan/tests"
    if kind == "model":
        return ["build/model/model"], ["build/model/model", name]
    if kind == "unit":
        return ["SAN=asan", f"{asan}/{name}"], [f"{asan}/{name}"]
    if kind == "conformance":
        return ["SAN=asan", f"{asan}/conformance"], [f"{asan}/conformance", name]
    if kind == "fuzz":
        return [f"build/fuzz/fuzz_{name}"], ["tests/fuzz/run.py", "--runs", str(FUZZ_RUNS), name]
    if kind == "e2e":
        file, *rest = name.split(" ", 2)
        return ["all"], ["/usr/bin/python3", "-m", "pytest", "-x", "-c", "tests/pytest.ini",
                         f"tests/e2e/{file}", *rest]
    raise ValueError(f"no such kind of test: {test}")


def files_of(top):
    for path in top.iterdir():
        if path.name in LEFT_OUT:
            continue
        if path.is_dir():
            yield from files_of(path)
        else:
            yield path


class Copy:
    """A copy of the tree in which mutants are made, one at a time."""

    def __init__(self, number):
        self.top = COPIES / str(number)
        self.sound = set()  # tests that pass without a mutant
        self.process = None

    def prepare(self):
        """Makes the copy as the tree is; what is the same stays, with its time: no build for it."""
        self.top.mkdir(parents=True, exist_ok=True)
        wanted = {path.relative_to(ROOT) for path in files_of(ROOT)}
        for name in wanted:
            source, target = ROOT / name, self.top / name
            if not target.exists() or source.read_bytes() != target.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            target.chmod(source.stat().st_mode)
        for path in list(files_of(self.top)):
            if path.relative_to(self.top) not in wanted:
                path.unlink()

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def run(self, command, seconds):
        """The exit code and the output; one that doesn't end is ended, and counts as failed."""
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", PYTHONDONTWRITEBYTECODE="1",
                           RUNNEL_BACKENDS="epoll")
        self.process = subprocess.Popen(command, cwd=self.top, stdout=subprocess.PIPE,
                                        env=environment, stderr=subprocess.STDOUT, text=True,
                                        errors="replace", start_new_session=True)
        try:
            output, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            output, _ = self.process.communicate()
        return self.process.returncode, output

    def passes(self, test):
        """Whether a test passes on the copy as it is; a mutant that doesn't build is no mutant."""
        targets, command = plan(test)
        code, output = self.run(["make", "--no-print-directory", "-j2", *targets], BUILD_SECONDS)
        if code != 0:
            raise Broken(f"does not build: {output.strip().splitlines()[-1:]}")
        return self.run(command, TEST_SECONDS)[0] == 0

    def check(self, tests):
        """They pass before any mutant is made: otherwise they would catch everything."""
        for test in sorted(set(tests) - self.sound):
            if not self.passes(test):
                raise Broken(f"{test} fails without a mutant")
            self.sound.add(test)

    def try_mutant(self, mutant):
        """The test that caught it, or None."""
        self.check(mutant.tests)
        path = self.top / "src" / mutant.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise Broken(f"{text.count(mutant.old)} places in src/{mutant.file} to change")
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            return next((test for test in mutant.tests if not self.passes(test)), None)
        finally:
            path.write_text(text, encoding="utf-8")


def work(copy, waiting, caught):
    """Tries mutants until none is left."""
    copy.prepare()
    while True:
        try:
            mutant = waiting.popleft()
        except IndexError:
            return
        try:
            test = copy.try_mutant(mutant)
            verdict = f"caught by {test}" if test else "SURVIVED"
        except Broken as problem:
            test, verdict = None, str(problem)
        if test:
            caught.append(mutant)
        print(f"  {'' if test else 'FAIL '}{mutant.file}: {mutant.what}: {verdict}", flush=True)


def chosen(options):
    table = MODEL if options.only == "model" else ALL
    for mutant in table:
        name = f"{mutant.what} {mutant.file}"
        if options.only and not mutant.tests[0].startswith(options.only + " "):
            continue
        if not options.words or any(word in name for word in options.words):
            yield mutant


def main():
    parser = argparse.ArgumentParser(description="Runs the tests on mutants.")
    parser.add_argument("--only", default="")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    mutants, caught, started = list(chosen(options)), [], time.monotonic()
    waiting = deque(mutants)
    copies = [Copy(number) for number in range(len(os.sched_getaffinity(0)))]
    with ThreadPoolExecutor(len(copies)) as workers:
        tries = [workers.submit(work, copy, waiting, caught) for copy in copies]
        try:
            for one in tries:
                one.result()
        finally:  # an end before the end, too
            waiting.clear()
            for copy in copies:
                copy.stop()
    print(f"{len(mutants)} mutants in {time.monotonic() - started:.0f} s")
    print(f"{len(caught)} passed, {len(mutants) - len(caught)} failed")
    return 0 if mutants and len(caught) == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
