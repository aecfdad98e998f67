#!/usr/bin/python3
"""Runs the fuzz programs, a few at a time, and sums up their executions.

    tests/fuzz/run.py --seconds 60 [NAME...]    60 seconds of machine time in all, shared equally
    tests/fuzz/run.py --runs 2000 [NAME...]     the corpus and so many runs of each, always the same

What a program finds is kept in build/fuzz/found, and the command that repeats it is printed. New
inputs that reach new code gather in build/fuzz/corpus. The exit code is 1 when anything was found.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path("build/fuzz")
LENGTH_MAX = 4096
HANG_SECONDS = 25
PATIENCE = 120  # beyond the time that was asked for


def names_of(chosen):
    names = sorted(path.stem[len("fuzz_"):] for path in (ROOT / "tests/fuzz").glob("fuzz_*.c"))
    for name in chosen:
        if name not in names:
            sys.exit(f"fuzz: no program {name!r}; there are {' '.join(names)}")
    return chosen or names


def command_of(name, options, seconds):
    kept, gathered = f"tests/fuzz/corpus/{name}", BUILD / "corpus" / name
    found = BUILD / "found"
    if options.runs:
        shutil.rmtree(ROOT / gathered, ignore_errors=True)
    for folder in (gathered, found):
        (ROOT / folder).mkdir(parents=True, exist_ok=True)
    limit = [f"-runs={options.runs}", "-seed=1"] if options.runs else [f"-max_total_time={seconds}"]
    words = ROOT / f"tests/fuzz/{name}.dict"
    return [str(BUILD / f"fuzz_{name}"), f"-max_len={LENGTH_MAX}", f"-timeout={HANG_SECONDS}",
            f"-artifact_prefix={found}/{name}-", "-print_final_stats=1", "-rss_limit_mb=3000",
            *([f"-dict=tests/fuzz/{name}.dict"] if words.exists() else []),
            *limit, str(gathered), kept]


def run_one(name, options, seconds):
    """Returns (name, executions, what went wrong or None)."""
    command = command_of(name, options, seconds)
    environment = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1",
                       ASAN_OPTIONS="detect_leaks=1:handle_segv=1")
    try:
        result = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace",
                                timeout=seconds + PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return name, 0, f"did not end: {' '.join(command)}"
    count = re.search(r"stat::number_of_executed_units: (\d+)", result.stdout)
    executions = int(count.group(1)) if count else 0
    if result.returncode == 0 and executions:
        return name, executions, None
    unit = re.search(r"Test unit written to (\S+)", result.stdout)
    repeat = f"{BUILD}/fuzz_{name} {unit.group(1) if unit else '(no input was written)'}"
    lines = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    tail = "\n".join(lines[-40:])
    return name, executions, f"{tail}\nrepeat with: {repeat}"


def main():
    parser = argparse.ArgumentParser(description="Runs the fuzz programs.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = names_of(options.names)
    at_once = min(os.cpu_count() or 2, len(names))
    seconds = 600 if options.runs else max(1, options.seconds * at_once // len(names))
    total = 0
    failed = []
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for name, executions, problem in pool.map(lambda name: run_one(name, options, seconds),
                                                  names):
            total += executions
            print(f"  fuzz {name}: {executions} executions{', FOUND' if problem else ''}",
                  flush=True)
            if problem:
                print(problem, flush=True)
                failed.append(name)
    for name in failed:
        print(f"FAIL {name}")
    print(f"{total} executions in all")
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
