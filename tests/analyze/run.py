#!/usr/bin/python3
"""Runs the static analysers over src/, and the unit tests under valgrind.

A finding is "file check"; those in accepted.txt are explained there and left out. The exit code is
1 when there is any other, or when one that was accepted isn't found any more.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = ["-std=gnu17", "-Iinclude", "-Isrc", "-D_GNU_SOURCE", "-fno-strict-aliasing",
         "-DRN_SYSCALL_HOOK"]  # a system call is a function then, whose pointers may be written to
# Unit tests that mention this are not for valgrind: it doesn't know io_uring, runs one thread at a
# time, and takes a child that stops itself at an assertion for a crash.
NOT_VALGRIND = re.compile(r"rn_backend_(uring|epoll|poll|select)\b|SIGILL")


def output_of(command):
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="replace", check=False)
    return result.stdout


def gcc(source):
    text = output_of(["gcc", *FLAGS, "-O2", "-fanalyzer", "-c", "-o", "/dev/null", source])
    return re.findall(r"^(\S+?):(\d+):\d+: warning: (.*) \[-W([\w-]+)\]$", text, re.MULTILINE)


def clang_tidy(source):
    text = output_of(["clang-tidy", "--quiet", source, "--", *FLAGS])
    return re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error): (.*) \[([\w.-]+)[^\]]*\]$", text,
                      re.MULTILINE)


def cppcheck(source):
    text = output_of(["cppcheck", "-q", "--std=c11", "--enable=warning,performance,portability",
                      "-Iinclude", "-Isrc", "-DRN_SYSCALL_HOOK", "-D__x86_64__",
                      "--suppress=missingIncludeSystem",
                      "--template={file}:{line}:0: warning: {message} [-W{id}]", source])
    return re.findall(r"^(\S+?):(\d+):\d+: warning: (.*) \[-W([\w-]+)\]$", text, re.MULTILINE)


def valgrind(name):
    program = f"build/hosted/tests/test_{name}"
    result = subprocess.run(["valgrind", "-q", "--error-exitcode=99", "--leak-check=full",
                             program], cwd=ROOT, stdout=subprocess.PIPE, check=False,
                            stderr=subprocess.STDOUT, text=True, errors="replace", timeout=600)
    found = re.findall(r"^==\d+== (\S.*)$", result.stdout, re.MULTILINE)
    if result.returncode == 99 or found:
        return [(f"tests/unit/test_{name}.c", "1", (found or ["an error"])[0], "valgrind")]
    return [] if result.returncode == 0 else [(program, "1", "it fails", "valgrind-run")]


def text_of(path):
    """A test with the headers that it includes."""
    text = path.read_text(encoding="utf-8")
    names = re.findall(r'^#include "(\w+\.h)"$', text, re.MULTILINE)
    headers = [path.parent / name for name in names if (path.parent / name).exists()]
    return text + "".join(text_of(header) for header in headers)


def valgrind_units():
    return sorted(path.stem.removeprefix("test_") for path in (ROOT / "tests/unit").glob("test_*.c")
                  if not NOT_VALGRIND.search(text_of(path)))


def accepted():
    """The explained findings: each a "file check" on a line, behind lines that say why."""
    lines = (ROOT / "tests/analyze/accepted.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def sources():
    everything = [*(ROOT / "src").glob("*/*.c"), *(ROOT / "src/app").glob("*/*.c")]
    return sorted(str(path.relative_to(ROOT)) for path in everything
                  if not path.name.startswith("free_"))


def main(only):
    """All of it, or only what valgrind says, which accepts nothing."""
    jobs = [(tool, source) for source in sources() for tool in (gcc, clang_tidy, cppcheck)]
    known, seen, new = accepted(), set(), set()
    if only == ["--only", "valgrind"]:
        jobs, known = [], set()
    jobs += [(valgrind, name) for name in valgrind_units()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for findings in pool.map(lambda job: job[0](job[1]), jobs):
            for path, line, message, check in findings:
                name = path.replace(f"{ROOT}/", "")
                seen.add(f"{name} {check}")
                if f"{name} {check}" not in known:
                    new.add(f"{name}:{line}: {message} [{check}]")
    gone = known - seen
    for finding in sorted(new):
        print(f"FAIL {finding}")
    for finding in sorted(gone):
        print(f"FAIL accepted, but not found any more: {finding}")
    print(f"{len(jobs)} runs, {len(known)} findings that are explained")
    print(f"{len(jobs)} passed, {len(new) + len(gone)} failed")
    return 1 if new or gone else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
