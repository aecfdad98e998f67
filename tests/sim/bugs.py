"""Shows that the simulator finds bugs: each of these is put into a copy of the sources, and a seed
below 1,000 must fail. Prints which one is the first.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = 1000
# name, file, what stands there (a regular expression), and what stands there instead
BUGS = (
    ("accepting that is not tried again after an error", "src/net/listener.c",
     r"        rn_timer_start\(listener->worker, &listener->retry,\n.*retry_time\);\n", ""),
    ("a buffer that is given back twice", "src/net/driver.c",
     r"        if \(buf\) put\(driver, buf\);\n",
     "        if (buf) put(driver, buf), put(driver, buf);\n"),
    ("output without a deadline", "src/net/driver.c",
     r"sending->deadline = rn_worker_now\(.*;\n", "sending->deadline = RN_NEVER;\n"),
    ("a worker that sleeps without a second look", "src/core/worker.c",
     r"rn_inbox_empty\(&worker->inbox\) &&\n", ""),
    ("an edge that is forgotten", "src/backend/readiness.c",
     r"if \(events & READ\) entry->flags \|= READABLE;\n",
     "if (events & READ && entry->op[RN_READ_SIDE]) entry->flags |= READABLE;\n"),
    ("a resolution that ends before its operations", "src/net/resolver.c",
     r"if \(lookup->machine.done && first && second\) finish", "if (lookup->machine.done) finish"),
    ("attempts to connect that are forgotten", "src/net/connect.c",
     r"connect->over = !busy && ", "connect->over = "),
    ("a helper that is not woken", "src/core/helper.c",
     r"    if \(idle && result == 0\) ring\(pool, 1\);\n", ""),
    ("a close that who waits doesn't hear of", "src/net/fd_table.c",
     r"    if \(used && file->ops\) file->ops->interrupt\(file->handle\);\n", ""),
    ("who waits to write is not woken", "src/net/net_poll.c",
     r"    rn_wake\(rn_container_of\(op, struct rn_io, write\)->writer\);\n", ""),
    ("a fiber's closing that is cancelled", "src/net/fiber_net.c",
     r"    rn_fiber_shield\(\);\n    rn_op_begin\(rn_fiber_cx\(\), &op, RN_NEVER\);\n"
     r"    \(void\)finish\(&op\);\n",
     "    rn_fiber_shield();\n    if (rn_fiber_cancelled()) return rn_fiber_unshield();\n"
     "    rn_op_begin(rn_fiber_cx(), &op, RN_NEVER);\n    (void)finish(&op);\n"),
    ("a permit that goes with a wait that was given up", "src/core/sync.c",
     r"    if \(wait->waiter.state == RN_WAITER_SERVED\) "
     r"line->value \+= wait->waiter.count;\n", ""),
    ("a notice that goes with a wait that was given up", "src/core/sync.c",
     r"    if \(wait->waiter.state == RN_WAITER_SERVED\) notify_next\(line, last\);\n", ""),
    ("a client that closes without a word", "src/http/ws_client.c",
     r"    queue_close\(client, code, reason\);\n", ""),
    ("what came of a record whose wait was given up", "src/net/buffered.c",
     r"reader->to, \(size_t\)reader->have, came", "NULL, 0, came"),
)


def run(command, directory):
    return subprocess.run(command, cwd=directory, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)


def put_in(copy, file, old, new):
    path = copy / file
    text, count = re.subn(old, lambda _: new, path.read_text(encoding="utf-8"))
    if count != 1:
        return f"{file} has changed: the bug has no place there any more"
    path.write_text(text, encoding="utf-8")
    return None


def judge(copy, name, file, old, new):
    """Builds with the bug, walks the seeds, and takes it out again."""
    before = (copy / file).read_text(encoding="utf-8")
    problem = put_in(copy, file, old, new)
    if problem:
        return f"not found: {name}: {problem}"
    built = run(["make", "-j2", "SAN=sim", "build/hosted-sim/tests/sim"], copy)
    walked = run(["build/hosted-sim/tests/sim", f"--runs={SEEDS}"], copy)
    (copy / file).write_text(before, encoding="utf-8")
    lines = walked.stdout.splitlines()
    if built.returncode:
        return f"not found: {name}: it does not build"
    if walked.returncode == 0 or len(lines) < 2:
        return f"not found: {name}"
    return f"found: {name}: {lines[0].rstrip(':')}: {lines[1].strip()}"


def main():
    with tempfile.TemporaryDirectory(prefix="runnel-bugs-") as scratch:
        copy = Path(scratch)
        (copy / "build").mkdir()
        run(["cp", "-a", "build/hosted-sim", str(copy / "build")], ROOT)
        names = [path.name for path in ROOT.iterdir() if path.name not in (".git", "build")]
        run(["cp", "-a", *names, str(copy)], ROOT)
        lines = [judge(copy, *bug) for bug in BUGS]
    print("\n".join(lines))
    return 0 if all(line.startswith("found") for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
