"""The load: one interface over wrk, h2load and our own generator. run() gives plain figures or
raises."""
import json
import os
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass

import machine
from servers import ROOT, Absent

OURS = ROOT / "build/runnel-bench"


@dataclass(frozen=True)
class Load:
    """`tool`: wrk, h2load or runnel-bench. With `spin` it never sleeps; a `rate` is open-loop."""
    tool: str = "wrk"
    connections: int = 64
    pipeline: int = 1
    close: bool = False
    message: int = 0
    gso: bool = False
    rate: int = 0
    spin: bool = False

    def refusal(self):
        """Why this load can't be made here, None when it can."""
        if self.tool != "runnel-bench" and not shutil.which(self.tool):
            return f"{self.tool} isn't installed"
        if self.tool == "runnel-bench" and not os.access(OURS, os.X_OK):
            return "build/runnel-bench isn't built"
        return None

    def text(self):
        words = [f"{self.connections} connections"]
        words += [f"{self.pipeline} in a write"] if self.pipeline > 1 else []
        words += [f"messages of {self.message:,} bytes"] if self.message else []
        words += ["a new connection for each request"] if self.close else []
        words += ["never sleeps"] if self.spin else []
        words += [f"{self.rate} requests a second, open loop"] if self.rate else []
        return f"{self.tool}, " + ", ".join(words)

    def command(self, url, seconds):
        if self.tool == "wrk":
            words = ["wrk", "-t1", f"-c{self.connections}", f"-d{max(1, round(seconds))}s",
                     "--timeout", "10s", "-s", str(ROOT / "bench/wrk.lua")]
            words += ["-H", "Connection: close"] if self.close else []
            return words + [url, "--", str(self.pipeline)]
        if self.tool == "h2load":
            return ["h2load", "--h1", "-t1", f"-c{self.connections}", f"-m{self.pipeline}",
                    "-D", f"{seconds * 1000:.0f}ms", url]
        words = [str(OURS), "--json", "--connections", str(self.connections),
                 "--duration", f"{seconds:g}", "--warmup", "0"]
        words += ["--pipeline", str(self.pipeline)] if self.pipeline > 1 else []
        words += ["--close"] if self.close else []
        words += ["--message", str(self.message)] if self.message else []
        words += ["--gso"] if self.gso else []
        words += ["--rate", str(self.rate)] if self.rate else []
        words += ["--spin"] if self.spin else []
        return words + [url]


def spent():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(load, url, cores, seconds):
    """Loads for a while. Returns requests, errors, seconds, bytes, rps, the latencies in
    microseconds and the CPU seconds of the generator."""
    refusal = load.refusal()
    if refusal:
        raise Absent(refusal)
    before = spent()
    process = subprocess.Popen(
        load.command(url, seconds), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT,
        preexec_fn=machine.placed(cores))
    try:
        out, err = process.communicate(timeout=seconds + 30)
    except BaseException as error:
        process.kill()
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise RuntimeError(f"{load.tool} did not end") from None
        raise
    figures = READERS[load.tool](out) if process.returncode == 0 else None
    if not figures:
        said = (err or out).strip().replace("\n", " | ")[-160:]
        raise RuntimeError(f"{load.tool} failed ({process.returncode}): {said}")
    figures["load_cpu"] = spent() - before
    figures["rps"] = figures["requests"] / figures["seconds"]
    if figures["requests"] == 0:
        raise RuntimeError(f"{load.tool}: no request was answered")
    return figures


def last_object(text):
    found = re.search(r"^\{.*\}\s*$", text, re.MULTILINE)
    return json.loads(found.group(0)) if found else None


def of_wrk(text):
    """wrk counts microseconds; of requests in batches it knows only some latencies."""
    figures = last_object(text)
    if not figures:
        return None
    for key in ("p50", "p90", "p99", "p999", "max"):
        figures[key] = figures[key] or None
    return figures


def of_ours(text):
    said = last_object(text)
    if not said:
        return None
    figures = {key: said[key] for key in ("requests", "errors", "seconds", "bytes")}
    figures["connect_errors"] = said.get("connect_errors", 0)
    figures.update({key: said["latency_us"][key]
                    for key in ("p50", "p90", "p99", "p999", "max", "mean")})
    return figures


def of_h2load(text):
    """h2load tells of latencies only the least, the mean and the most."""
    done = re.search(r"^finished in ([\d.]+)(m?s),", text, re.MULTILINE)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    traffic = re.search(r"^traffic: \S+ \((\d+)\) total", text, re.MULTILINE)
    if not done or not counts or not traffic:
        return None
    requests, failed, errored, late = map(int, counts.groups())
    return {"requests": requests, "errors": failed + errored + late, "connect_errors": 0,
            "seconds": float(done.group(1)) / (1000 if done.group(2) == "ms" else 1),
            "bytes": int(traffic.group(1)), "p50": None, "p99": None, "p999": None}


READERS = {"wrk": of_wrk, "h2load": of_h2load, "runnel-bench": of_ours}


def versions():
    """wrk says its version only while it complains."""
    return {tool: machine.first_line([tool, flag])
            for tool, flag in (("wrk", "-v"), ("h2load", "--version"))}
