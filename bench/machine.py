"""What the benchmark asks of the machine: processors, CPU time, memory, quiet, versions."""
import functools
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

DISTURBED = 0.10    # of one processor, taken by others while a round ran
TICK = 1 / os.sysconf("SC_CLK_TCK")


def processors():
    """(server's, load's): the last processor that we may use, and the one before it."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("bench: needs two processors, one for the server and one for the load")
    return allowed[-1], allowed[-2]


nice = 0    # the priority of server and load, set at the start


def placed(cores):
    """For a child before exec: puts it on these processors, with the priority asked for. Where the
    kernel groups processes by session, it is the group's priority that counts."""
    def place():
        os.sched_setaffinity(0, cores)
        if nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
            if os.access("/proc/self/autogroup", os.W_OK):
                Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")
    return place


def raise_descriptors(wanted):
    """Raises the limit of open files as far as is allowed, and returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (wanted, hard):
        if limit <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
            return limit
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def text_of(path):
    """The text of a file of /proc, empty when what it tells of is gone."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def family(pid):
    """The process and all that descend from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = text_of(f"/proc/{entry}/stat").rsplit(")", 1)[-1].split()
            if len(fields) > 1:
                children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_seconds(pids):
    """CPU time of all threads of these processes: schedstat counts nanoseconds, stat only ticks."""
    total = 0.0
    for pid in pids:
        threads = [text_of(f"/proc/{pid}/task/{thread}/schedstat").split()
                   for thread in listed(f"/proc/{pid}/task")]
        if any(threads):
            total += sum(int(fields[0]) for fields in threads if fields) / 1e9
        else:
            fields = text_of(f"/proc/{pid}/stat").rsplit(")", 1)[-1].split()
            total += (int(fields[11]) + int(fields[12])) * TICK if len(fields) > 12 else 0
    return total


def listed(directory):
    try:
        return os.listdir(directory)
    except OSError:
        return []


def memory_kib(pids):
    """(RSS, PSS) of these processes together, counted page by page: VmRSS of status is the same
    figure, but newer kernels keep it per processor and let it lag behind."""
    sums = []
    for what in ("Rss", "Pss"):
        sums.append(sum(int(value) for pid in pids for value in re.findall(
            rf"^{what}:\s+(\d+)", text_of(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)))
    return tuple(sums)


def busy_seconds():
    """(used, stolen) by all processors since boot: all but idle and waiting for disks."""
    line = text_of("/proc/stat").split("\n", 1)[0].split()[1:]
    values = [int(value) * TICK for value in line[:8]]
    return sum(values) - values[3] - values[4], values[7]


class Quiet:
    """Waits for the rest of the machine to be quiet, and counts what it saw."""

    def __init__(self, patience, budget, share=0.06):
        self.patience = patience    # seconds to wait before one round
        self.budget = budget        # and before all of them
        self.share = share          # of one processor, that others may use
        self.gave_up = 0

    def wait(self, window=0.12):
        started = time.monotonic()
        while True:
            before, begun = busy_seconds()[0], time.monotonic()
            time.sleep(window)
            now = time.monotonic()
            if (busy_seconds()[0] - before) / (now - begun) <= self.share:
                break
            if now - started > min(self.patience, self.budget):
                self.gave_up += 1
                break
        self.budget -= max(0.0, time.monotonic() - started - window)


class Watch:
    """CPU time that others took (programs that are neither the server nor the load, and the
    hypervisor) while something was measured, as a share of one processor."""

    def __init__(self):
        self.begun = time.monotonic()
        self.busy, _ = busy_seconds()

    def others(self, ours):
        return max(0.0, busy_seconds()[0] - self.busy - ours) / (time.monotonic() - self.begun)


class SystemCalls:
    """Counts the system calls of processes from its start to stop(): perf, or strace."""

    def __init__(self, pids):
        joined = ",".join(map(str, pids))
        if perf_counts():
            command = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", joined]
        elif shutil.which("strace"):
            command = ["strace", "-f", "-c", "-qq"]
            for pid in pids:
                command += ["-p", str(pid)]
        else:
            raise RuntimeError("neither perf nor strace can count system calls here")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True,
                                        stderr=subprocess.PIPE, start_new_session=True)
        time.sleep(0.15)    # they don't say when they have attached

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            _, text = self.process.communicate(timeout=10)
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise
        found = re.search(r"^(\d+),.*raw_syscalls", text, re.MULTILINE) or \
            re.search(r"^100\.00\s+\S+(?:\s+\S+)?\s+(\d+).*total", text, re.MULTILINE)
        if not found:
            raise RuntimeError(f"system calls not counted: {text.strip()[:80]}")
        return int(found.group(1))


@functools.cache
def perf_counts():
    """Whether perf may count the system calls of a process; asked once."""
    try:
        tried = subprocess.run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"],
                               capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(re.search(r"^\d+,", tried.stderr, re.MULTILINE))


def first_line(command):
    """What a program says about its version; None when it isn't there."""
    if not shutil.which(command[0], path=search_path()):
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False,
                              env=dict(os.environ, PATH=search_path()))
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout + done.stderr).strip().split("\n")
    return lines[0].strip()


def search_path():
    """Servers live in sbin, which isn't everyone's to search."""
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def description():
    """The machine in a few words."""
    model = re.search(r"^model name\s*:\s*(.*)$", text_of("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+)", text_of("/proc/meminfo"), re.MULTILINE)
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', text_of("/etc/os-release"), re.MULTILINE)
    virtual = " hypervisor" in text_of("/proc/cpuinfo")
    return {
        "processor": (model.group(1) if model else platform.machine()) +
        (" (virtual machine)" if virtual else ""),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.group(1)) / 2**20) if memory else None,
        "kernel": platform.release(),
        "system": system.group(1) if system else "",
        "compiler": first_line(["gcc", "--version"]),
    }
