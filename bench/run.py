"""Measures the servers: ours, the floor, the peers. `make bench` runs it; see docs/BENCHMARKS.md.

run.py [http|static|conns|ws|idle]... [--quick] [--rows KEY,...] [--servers NAME,...]
       [--rounds N] [--seconds S] [--nice N] [--write]

--nice -10 (as root) keeps what else runs on a busy machine away from server and load.
"""
import argparse
import json
import os
import re
import shutil
import signal
import sys
import time
from dataclasses import replace

import document
import engine
import idle
import loads
import machine
import plot
import report
import servers
import special
from rows import ROWS

RESULTS = servers.BUILT / "results.json"
GROUPS = ("http", "static", "conns", "ws", "idle")
QUICK_SERVERS = ("httpd uring", "httpd epoll", "floor uring", "floor epoll", "floor ws uring",
                 "floor ws epoll", "nginx", "libuv", "libwebsockets")


class Progress:
    """Says what runs and how long it may still take: on a terminal in one line that stays."""

    def __init__(self, costs):
        self.costs, self.total = costs, sum(costs.values())
        self.started = time.monotonic()
        self.done = 0.0
        self.row = None
        self.terminal = sys.stderr.isatty()
        self.last = None

    def begin(self, row):
        if self.row:
            self.done += self.costs[self.row.key]
        self.row, self.begun = row, time.monotonic()

    def step(self, row, label, number, rounds):
        elapsed = time.monotonic() - self.started
        inside = min(time.monotonic() - self.begun, self.costs[row.key])
        pace = elapsed / (self.done + inside) if self.done > 20 else 1.0
        left = max(0.0, (self.total - self.done - inside) * pace)
        place = list(self.costs).index(row.key) + 1
        text = f"[{place}/{len(self.costs)}] {row.key}: round {number}/{rounds}"
        time_left = f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left"
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            line = f"{text}: {label}; {time_left}"[:width]
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif text != self.last:
            print(f"{text}; {time_left}", file=sys.stderr, flush=True)
        self.last = text

    def clear(self):
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(usage="\n\n".join(__doc__.strip().split("\n\n")[1:]))
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", default="")
    parser.add_argument("--servers", default="")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    known = [row.key for row in ROWS]
    for key in filter(None, chosen.rows.split(",")):
        if key not in known:
            parser.error(f"no row {key}; there are {' '.join(known)}")
    for name in filter(None, chosen.servers.split(",")):
        if name not in servers.SERVERS:
            parser.error(f"no server {name}; there are {', '.join(servers.SERVERS)}")
    if not 1 <= (chosen.rounds or 1) <= 100 or not 0.2 <= (chosen.seconds or 1) <= 600:
        parser.error("1 to 100 rounds of 0.2 to 600 seconds")
    return chosen


def chosen_rows(chosen):
    keys = set(filter(None, chosen.rows.split(",")))
    names = set(filter(None, chosen.servers.split(",")))
    rows = [row for row in ROWS
            if (row.key in keys if keys else row.group in (chosen.groups or GROUPS))]
    if chosen.quick and not keys:
        rows = [row for row in rows if row.quick]
    if chosen.quick and not names:
        names = set(QUICK_SERVERS)
    if names:
        rows = [replace(row, subjects=tuple(subject for subject in row.subjects
                                            if subject.server in names)) for row in rows]
    return rows


def cost(row, run):
    """Seconds that a row will take, by experience."""
    if row.how == "timed":
        extra = sum(subject.idle for subject in row.subjects) / max(1, len(row.subjects)) / 15000
        return run.rounds * len(row.subjects) * (run.seconds + run.warm + 0.6 + extra)
    return special.cost(row, run)


def what_auto_picks():
    """The backend that httpd takes when it isn't told one."""
    server = servers.SERVERS["httpd epoll"]
    port = servers.free_port()
    try:
        command = servers.httpd("auto")(servers.Work(), port)
        with servers.Running(server, servers.Work(), os.sched_getaffinity(0), command, port) as one:
            return json.loads(servers.fetch(one.port, "/status"))["backend"]
    except (servers.Absent, RuntimeError, OSError, ValueError, KeyError):
        return None


def header():
    said = {name: server.version() for name, server in servers.SERVERS.items() if server.version}
    said.update(loads.versions())
    numbers = {name: re.search(r"\d+\.\d[\w.+~]*", line or "") for name, line in said.items()}
    versions = {name: found.group(0) for name, found in numbers.items() if found}
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "machine": machine.description(), "versions": versions, "auto": what_auto_picks(),
            "descriptors": idle.room(machine.raise_descriptors(250000)), "rows": {}}


def save(results):
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    fresh = RESULTS.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(RESULTS)


def write_pages(results):
    docs = servers.ROOT / "docs"
    drawn = plot.svg(results)
    if drawn:
        (docs / "benchmarks.svg").write_text(drawn, encoding="utf-8")
    page = document.document(results, "benchmarks.svg" if drawn else None)
    (docs / "BENCHMARKS.md").write_text(page, encoding="utf-8")
    print("  docs/BENCHMARKS.md is written")


def stop(*_):
    raise KeyboardInterrupt


def run_rows(rows, run):
    for row in rows:
        run.progress.begin(row)
        try:
            if row.how == "timed":
                run.timed(row)
            else:
                special.MEASURES[row.how](run, row)
        except Exception as error:  # one row must not lose the others
            place = run.results["rows"].setdefault(row.key, {
                "title": row.title, "unit": row.unit, "metric": row.metric, "note": row.note,
                "load": "", "servers": {}, "left_out": {}})
            place["left_out"]["the rest of the row"] = repr(error)[:200]
            run.settle(place)
        run.progress.clear()
        print(report.terminal_row(run.results["rows"][row.key], run.results["auto"]), flush=True)


def main():
    chosen = arguments()
    rows = chosen_rows(chosen)
    if not rows:
        sys.exit("bench: no such row in what was chosen")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    machine.nice = chosen.nice
    servers.make_site()
    results = header()
    results["planned"] = [row.key for row in rows]
    rounds, seconds, warm = (3, 0.8, 0.3) if chosen.quick else (4, 1.5, 0.4)
    run = engine.Engine(chosen.rounds or rounds, chosen.seconds or seconds, warm, results,
                        lambda: save(results),
                        machine.Quiet(1.0, 8.0) if chosen.quick else machine.Quiet(8.0, 120.0))
    run.progress = Progress({row.key: cost(row, run) for row in rows})
    results["how"] = {"rounds": run.rounds, "seconds": run.seconds, "warm": run.warm,
                      "server_core": run.server_core, "load_core": run.load_core}
    interrupted = False
    begun = time.monotonic()
    try:
        run_rows(rows, run)
    except KeyboardInterrupt:
        interrupted = True
        run.progress.clear()
        print("\nbench: interrupted; this is what was measured", flush=True)
        if run.progress.row and run.progress.row.key in results["rows"]:
            place = results["rows"][run.progress.row.key]
            run.settle(place)
            print(report.terminal_row(place, results["auto"]), flush=True)
    results["gave_up_waiting"] = run.quiet.gave_up
    results["minutes"] = round((time.monotonic() - begun) / 60, 1)
    save(results)
    print(report.terminal(results))
    if chosen.write and not interrupted:
        write_pages(results)
    if run.quiet.gave_up:
        print(f"  the machine wasn't quiet: {run.quiet.gave_up} rounds began without waiting more")
    print(f"  {RESULTS.relative_to(servers.ROOT)} has every round; {results['minutes']} minutes")
    sys.exit(130 if interrupted else 0)


if __name__ == "__main__":
    main()
