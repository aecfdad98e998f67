#!/usr/bin/python3
"""Offers the server half, one, two and four times what it can serve, and prints what became of it.

    bench/overload.py [--seconds N] [--backends uring,epoll,poll] [--limits 0,64]

Each request has a connection of its own and is due at a fixed time, whatever became of those
before it; its latency counts from then, and after half a second its client gives up. The request
is for a long directory listing, so that the server has more to do than the load. A limit is
--max-connections; 0: none is set.
"""
import argparse
import json
import os
import resource
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = 400
# Seconds until a client gives up: less than the one after which TCP repeats a SYN that was dropped.
PATIENCE = 0.5
STEPS = (0.5, 1, 2, 4)
COLUMNS = ("offered", "a second", "served", "of the peak", "503", "given up", "p50", "p99", "max")


def stand_out():
    """Other work on the machine must not look like the server's limits: where the scheduler groups
    tasks by session, this one goes first."""
    try:
        os.setsid()
        Path("/proc/self/autogroup").write_text("-20", encoding="ascii")
    except OSError:
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, backend, limit, root):
        self.port = free_port()
        command = ["build/httpd", "-w", "1", "-b", "127.0.0.1", "-p", self.port, "--log", "none",
                   "--backend", backend, "--root", root, "--list"]
        if limit:
            command += ["--max-connections", limit]
        self.process = subprocess.Popen([str(word) for word in command], cwd=ROOT,
                                        stdout=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise SystemExit("httpd does not listen")

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait()

    def load(self, seconds, *arguments):
        command = ["build/runnel-bench", "--json", "--close", "--warmup", "0.5", "--duration",
                   seconds, *arguments, f"http://127.0.0.1:{self.port}/"]
        result = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True,
                                text=True, check=False)
        if not result.stdout:
            raise SystemExit(result.stderr)
        return json.loads(result.stdout)


def good(figures):
    return (figures["requests"] - figures["errors"]) / figures["seconds"]


def descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return (1 << 20 if hard == resource.RLIM_INFINITY else hard) - 100


def offer(server, rate, seconds):
    clients = min(int(rate * PATIENCE * 1.1) + 100, descriptors())
    return server.load(seconds, "--rate", round(rate), "--connections", clients,
                       "--timeout", round(PATIENCE * 1000))


def row(step, figures, peak):
    seconds, latency = figures["seconds"], figures["latency_us"] or {}
    lost = figures["expired"] + figures["errors"] + figures["connect_errors"]
    times = [f"{latency[name] / 1e3:.1f} ms" if latency else "-" for name in ("p50", "p99", "max")]
    return (f"{step:g}x", round(figures["rate"]), round(good(figures)),
            f"{good(figures) / peak * 100:.0f} %", round(figures["shed"] / seconds),
            round(lost / seconds), *times)


def measure(backend, limit, seconds, root):
    with Server(backend, limit, root) as server:
        able = good(server.load(seconds, "--connections", 64))
        found = [(step, offer(server, able * step, seconds)) for step in STEPS]
    peak = max(able, *(good(figures) for _, figures in found))
    print(f"\n{backend}, {f'--max-connections {limit}' if limit else 'no limit'}: "
          f"{able:.0f} a second in a closed loop of 64 connections\n")
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join(["---:"] * len(COLUMNS)), "|")
    for step, figures in found:
        print("|", " | ".join(str(cell) for cell in row(step, figures, peak)), "|", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--backends", default="uring,epoll,poll")
    parser.add_argument("--limits", default="0,64")
    options = parser.parse_args()
    stand_out()
    with tempfile.TemporaryDirectory(prefix="runnel-overload-") as root:
        for number in range(FILES):
            (Path(root) / f"file-number-{number}.txt").touch()
        for limit in options.limits.split(","):
            for backend in options.backends.split(","):
                measure(backend, int(limit), options.seconds, root)


if __name__ == "__main__":
    main()
