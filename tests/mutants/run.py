#!/usr/bin/python3
"""Makes each mutant of the table in a copy of the tree and runs its tests until one catches it.

    tests/mutants/run.py                 all of them
    tests/mutants/run.py --only model    those whose first test is of that kind
    tests/mutants/run.py WORD...         those with one of these words in their name or file

Prints the table; the exit code is 1 when a mutant survives, or isn't one any more. The copy, with
what was built there, stays in build/mutants, so that the next run builds little.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from table import ALL, MODEL

ROOT = Path(__file__).resolve().parent.parent.parent
TREE = ROOT / "build/mutants/tree"
BUILD_SECONDS = 600
TEST_SECONDS = 60
FUZZ_RUNS = 4000
LEFT_OUT = {"build", ".git", "__pycache__", ".pytest_cache"}


class Broken(Exception):
    """A build or a test that fails without any mutant."""


def run(command, seconds):
    """The exit code and the output; a command that doesn't end is ended, and counts as failed."""
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", PYTHONDONTWRITEBYTECODE="1",
                       RUNNEL_BACKENDS="epoll")
    process = subprocess.Popen(command, cwd=TREE, stdout=subprocess.PIPE, env=environment,
                               stderr=subprocess.STDOUT, text=True, errors="replace",
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return -signal.SIGALRM, output
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


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


def passes(test):
    """Whether a test passes on the tree as it is; a mutant that doesn't build is no mutant."""
    targets, command = plan(test)
    code, output = run(["make", "--no-print-directory", "-j2", *targets], BUILD_SECONDS)
    if code != 0:
        raise Broken(f"does not build: {output.strip().splitlines()[-1:]}")
    return run(command, TEST_SECONDS)[0] == 0


def files_of(top):
    for path in top.iterdir():
        if path.name in LEFT_OUT:
            continue
        if path.is_dir():
            yield from files_of(path)
        else:
            yield path


def prepare():
    """Makes the copy as the tree is; what is the same stays, with its time: no build for it."""
    TREE.mkdir(parents=True, exist_ok=True)
    wanted = {path.relative_to(ROOT) for path in files_of(ROOT)}
    for name in wanted:
        source, target = ROOT / name, TREE / name
        if not target.exists() or source.read_bytes() != target.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        target.chmod(source.stat().st_mode)
    for path in list(files_of(TREE)):
        if path.relative_to(TREE) not in wanted:
            path.unlink()


def try_mutant(mutant):
    """The test that caught it, or None."""
    path = TREE / "src" / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise Broken(f"{text.count(mutant.old)} places in src/{mutant.file} to change")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return next((test for test in mutant.tests if not passes(test)), None)
    finally:
        path.write_text(text, encoding="utf-8")


def check_tests(mutants):
    """Each test passes before any mutant is made: otherwise it would catch everything."""
    for test in sorted({test for mutant in mutants for test in mutant.tests}):
        if not passes(test):
            raise Broken(f"{test} fails without a mutant")


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
    mutants = list(chosen(options))
    survived = 0
    started = time.monotonic()
    prepare()
    try:
        check_tests(mutants)
    except Broken as problem:
        print(f"FAIL {problem}\n0 passed, 1 failed")
        return 1
    for mutant in mutants:
        try:
            caught = try_mutant(mutant)
            verdict = f"caught by {caught}" if caught else "SURVIVED"
        except Broken as problem:
            caught, verdict = None, str(problem)
        survived += caught is None
        print(f"  {'' if caught else 'FAIL '}{mutant.file}: {mutant.what}: {verdict}", flush=True)
    print(f"{len(mutants)} mutants in {time.monotonic() - started:.0f} s")
    print(f"{len(mutants) - survived} passed, {survived} failed")
    return 1 if survived or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
