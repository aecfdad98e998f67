"""Runs rows: interleaved rounds of all the servers of a row, and what is kept of each."""
import http.client
import os
import time
from dataclasses import replace

import idle
import loads
import machine
import servers
from report import median
from servers import SERVERS, Absent, Running

LARGE = 1 << 20     # files from here on are counted by their bytes: a round has few whole ones,
LARGE_SECONDS = 1.5     # and each connection has to get one even where it is short


class Engine:
    """What all rows share: processors, how long a round is, quiet, progress and results.

    save() is called after every round, so that what was measured is never lost."""

    def __init__(self, rounds, seconds, warm, results, save, quiet):
        self.server_core, self.load_core = machine.processors()
        self.all_cores = os.sched_getaffinity(0)
        self.rounds, self.seconds, self.warm = rounds, seconds, warm
        self.results, self.save, self.quiet = results, save, quiet
        self.progress = None
        os.sched_setaffinity(0, {self.load_core})

    def cores(self, subject):
        return self.all_cores if subject.everywhere else {self.server_core}

    def load_cores(self, subject):
        return self.all_cores if subject.everywhere else {self.load_core}

    def begin(self, row):
        """The row's place in the results; only those that can take part are in what is returned."""
        place = self.results["rows"][row.key] = {
            "title": row.title, "unit": row.unit, "metric": row.metric, "note": row.note,
            "load": row.load.text() if row.how == "timed" else "", "servers": {}, "left_out": {}}
        present = []
        for subject in row.subjects:
            refusal = SERVERS[subject.server].refusal(row.work)
            if row.work.close and not SERVERS[subject.server].can_close:
                refusal = "answers without closing"
            if refusal:
                place["left_out"][subject.label] = refusal
                continue
            present.append(subject)
            place["servers"][subject.label] = {
                "server": subject.server, "variant": subject.variant, "rounds": [],
                "family": SERVERS[subject.server].family}
        return place, present

    def failed(self, place, subject, error, fatal=False):
        """One failed round is told; a server that never succeeds is left out by name."""
        text = str(error) if isinstance(error, (RuntimeError, Absent)) else repr(error)[:200]
        entry = place["servers"][subject.label]
        entry.setdefault("failures", []).append(text)
        if fatal or (len(entry["failures"]) > 1 and not entry["rounds"]):
            place["left_out"][subject.label] = text
            del place["servers"][subject.label]

    def settle(self, place):
        """After a row: a server without a single good round is left out."""
        for label, entry in list(place["servers"].items()):
            if not entry["rounds"]:
                failures = entry.get("failures", ["not measured"])
                place["left_out"][label] = failures[0]
                del place["servers"][label]
        self.save()

    def rotate(self, row, place, present, measure, rounds=None):
        """Rounds A B C, B C A, …: measure(subject, round) gives one round's figures."""
        rounds = rounds or self.rounds
        for number in range(rounds):
            turn = number % len(present) if present else 0
            for subject in present[turn:] + present[:turn]:
                if subject.label not in place["servers"]:
                    continue
                self.progress.step(row, subject.label, number + 1, rounds)
                try:
                    figures = measure(subject, number)
                    place["servers"][subject.label]["rounds"].append(figures)
                except Absent as error:
                    self.failed(place, subject, error, fatal=True)
                except Exception as error:  # whatever it is, it is told and the others go on
                    self.failed(place, subject, error)
                self.save()
        self.settle(place)

    def timed(self, row):
        place, present = self.begin(row)
        refusal = row.load.refusal()
        if refusal:
            self.leave_out(place, refusal)
            return
        if row.key == "latency-half":
            row = self.at_half_load(row, place)
            if row is None:
                return
        self.rotate(row, place, present,
                    lambda subject, number: self.round(row, place, subject, number))

    def leave_out(self, place, reason):
        place["left_out"]["the row"] = reason
        place["servers"] = {}
        self.save()

    def at_half_load(self, row, place):
        """The rate is half of the lowest throughput of ours and the floor in the first row."""
        base = self.results["rows"].get("plaintext-64", {}).get("servers", {})
        sustained = [median([figures["rps"] for figures in entry["rounds"]])
                     for label, entry in base.items()
                     if entry["family"] in ("ours", "floor") and label != "httpd poll"]
        if not sustained:
            self.leave_out(place, "needs the row plaintext-64, from which it takes the rate")
            return None
        load = replace(row.load, rate=int(min(sustained) / 2))
        place["load"] = load.text()
        return replace(row, load=load)

    def round(self, row, place, subject, number):
        work = replace(row.work, workers=subject.workers)
        self.quiet.wait()
        with Running(SERVERS[subject.server], work, self.cores(subject)) as server:
            check_answer(server)
            with idle.Connections(server, subject.idle):
                self.warm_up(row, place, subject, server, count=number == 0)
                return self.measured(row, subject, server)

    def warm_up(self, row, place, subject, server, count):
        """Loads without timing; the first round's counts the system calls."""
        counter = None
        entry = place["servers"][subject.label]
        if count:
            try:
                counter = machine.SystemCalls(server.pids)
            except RuntimeError as error:
                entry["syscalls_missing"] = str(error)
        try:
            # wrk knows only whole seconds: what isn't counted is done by ours.
            ours = row.load.tool == "wrk" and not count and loads.OURS.exists()
            load = replace(row.load, tool="runnel-bench") if ours else row.load
            figures = loads.run(load, server.url(), self.load_cores(subject),
                                seconds_of(server.work, self.warm))
        finally:
            calls = counter.stop() if counter else None
        if calls is not None:
            entry["syscalls"] = calls / requests_of(figures, server.work)

    def measured(self, row, subject, server):
        server.pids = machine.family(server.process.pid)
        watch, before = machine.Watch(), server.cpu()
        figures = loads.run(row.load, server.url(), self.load_cores(subject),
                            seconds_of(server.work, self.seconds))
        cpu = server.cpu() - before
        others = watch.others(cpu + figures["load_cpu"])
        if server.process.poll() is not None:
            raise RuntimeError(f"{server.server.name} ended under load: {server.said()}")
        if figures["errors"] or figures["connect_errors"]:
            raise RuntimeError(f"{figures['errors']} errors, {figures['connect_errors']} refused "
                               f"connections, {figures['requests']} requests")
        if row.load.rate and figures["rps"] < 0.95 * row.load.rate:
            raise RuntimeError(f"can't carry {row.load.rate} requests a second: "
                               f"{figures['rps']:.0f}")
        done = requests_of(figures, server.work)
        rss, pss = machine.memory_kib(server.pids)
        kept = {key: figures[key] for key in ("p50", "p99", "p999", "requests")}
        return {**kept, "cpu_us": cpu * 1e6 / done, "rps": done / figures["seconds"],
                "rss_kib": rss, "pss_kib": pss, "server_share": cpu / figures["seconds"],
                "load_share": figures["load_cpu"] / figures["seconds"], "others": others,
                "disturbed": others > machine.DISTURBED}


def seconds_of(work, seconds):
    return max(seconds, LARGE_SECONDS) if work.size() >= LARGE else seconds


def requests_of(figures, work):
    return figures["bytes"] / work.size() if work.size() >= LARGE else figures["requests"]


def check_answer(server):
    """Before anything is measured: the answer is the right one."""
    if server.work.kind == "udp":
        return  # what comes back is compared by the load itself
    if server.work.kind == "ws":
        with idle.Connections(server, 1):
            return
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        client.request("GET", server.work.path())
        answer = client.getresponse()
        expected = servers.content(server.work)
        right = answer.read(len(expected)) == expected
        size = len(expected)
        while piece := answer.read(1 << 20):
            size += len(piece)
    except http.client.HTTPException as error:
        raise RuntimeError(f"wrong answer: {error!r}") from None
    finally:
        client.close()
    if answer.status != 200 or size != server.work.size() or not right:
        raise RuntimeError(f"wrong answer: status {answer.status}, {size} bytes")
    time.sleep(0.01)    # the server sees the end of the connection before it is measured
