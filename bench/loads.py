"""The load: one interface over wrk and our own generator. run() gives plain figures or raises."""
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
    """`tool`: wrk or runnel-bench. With `spin` it never sleeps; a `rate` makes it open-loop."""
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
        if self.tool == "wrk" and not shutil.which("wrk"):
            return "wrk isn't installed"
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
    found = re.search(r"^\{.*\}\s*$", out, re.MULTILINE | re.DOTALL)
    if process.returncode != 0 or not found:
        said = (err or out).strip().replace("\n", " | ")[-160:]
        raise RuntimeError(f"{load.tool} failed ({process.returncode}): {said}")
    figures = of_wrk(found.group(0)) if load.tool == "wrk" else of_ours(found.group(0))
    figures["load_cpu"] = spent() - before
    figures["rps"] = figures["requests"] / figures["seconds"]
    if figures["requests"] == 0:
        raise RuntimeError(f"{load.tool}: no request was answered")
    return figures


def of_wrk(text):
    """wrk counts microseconds; of requests in batches it knows only some latencies."""
    figures = json.loads(text.strip().split("\n")[-1])
    for key in ("p50", "p90", "p99", "p999", "max"):
        figures[key] = figures[key] or None
    return figures


def of_ours(text):
    said = json.loads(text)
    figures = {key: said[key] for key in ("requests", "errors", "seconds", "bytes")}
    figures["connect_errors"] = said.get("connect_errors", 0)
    figures.update({key: said["latency_us"][key]
                    for key in ("p50", "p90", "p99", "p999", "max", "mean")})
    return figures


def version(tool):
    """wrk says its version only while it fails to understand."""
    if tool == "wrk" and shutil.which("wrk"):
        said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
        return (said.stdout + said.stderr).split("\n", 1)[0].split(" Copyright")[0]
    return None
