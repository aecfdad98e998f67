"""Measurements that aren't rounds under load: instructions, memory, start, datagrams.

Each takes the engine and the row, and puts its figures into the row's place in the results."""
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import threading
import time

import idle
import machine
import servers
from servers import RUN, SERVERS, Running

# ---- User-space instructions ---------------------------------------------------------------------

REQUESTS = (1000, 3000)     # the difference of two runs: what starts and ends a server cancels out


def instructions(run, row):
    place, present = run.begin(row)
    if not shutil.which("valgrind"):
        run.leave_out(place, "valgrind isn't installed")
        return
    run.rotate(row, place, present, lambda subject, _: one_by_one(run, row, subject), rounds=1)


def one_by_one(run, row, subject):
    few, many = (under_callgrind(run, row, subject, count) for count in REQUESTS)
    return {"value": (many - few) / (REQUESTS[1] - REQUESTS[0])}


def under_callgrind(run, row, subject, count):
    """Instructions that a server executes in user space in a run with so many requests, which one
    connection makes one after the other, so that each pays for a whole turn of the loop."""
    server, port = SERVERS[subject.server], servers.free_port()
    command = [*server.command(row.work, port)]
    command[0] = command[0].replace("build/httpd", "build/httpd.plain")
    command[:0] = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={RUN}/callgrind.out"]
    with Running(server, row.work, {run.server_core}, command, port) as running:
        with idle.Connections(running, 1) as one:
            for _ in range(count - 1):
                one.again()
        ask_to_end(running)
        said = machine.text_of(running.log)
    counts = re.findall(r"Collected : (\d+)", said)     # one for each process
    if not counts:
        raise RuntimeError(f"callgrind gave no count: {running.said()}")
    return sum(map(int, counts))


def ask_to_end(running):
    """valgrind keeps a signal from a server that waits in io_uring_enter until it returns: a
    connection makes it."""
    running.process.send_signal(signal.SIGTERM)
    for _ in range(200):
        with socket.socket() as poke:
            poke.connect_ex(("127.0.0.1", running.port))
        try:
            running.process.wait(0.1)
            return
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError("it didn't end under callgrind")


# ---- Memory of idle connections ------------------------------------------------------------------

IDLE_ROUNDS = 2


def idle_memory(run, row):
    place, present = run.begin(row)
    limit = machine.raise_descriptors(0)
    if row.count > idle.room(limit):
        run.leave_out(place, f"needs {row.count:,} descriptors in one process, and no more than "
                      f"{limit:,} are allowed here")
        return
    rounds = IDLE_ROUNDS if row.count <= 20000 else 1
    run.rotate(row, place, present, lambda subject, _: growth(run, row, subject), rounds=rounds)


def growth(run, row, subject):
    """By how much a server grows with each connection that was answered once and waits. Some come
    before and stay, so that what it needs at all isn't taken for theirs."""
    with Running(SERVERS[subject.server], row.work, {run.server_core}) as server, \
            idle.Connections(server, idle.TOGETHER):
        time.sleep(0.3)
        before = machine.memory_kib(server.pids)
        with idle.Connections(server, row.count) as connections:
            time.sleep(0.3)
            after = machine.memory_kib(server.pids)
            if not connections.alive():
                raise RuntimeError("the server closed a connection that should be idle")
    grown = [(late - early) * 1024 / row.count for early, late in zip(before, after)]
    return {"value": grown[0], "pss_bytes": grown[1], "rss_kib": after[0], "pss_kib": after[1]}


# ---- From exec to the first connection -----------------------------------------------------------


def start(run, row):
    place, present = run.begin(row)
    run.rotate(row, place, present, lambda subject, _: {
        "value": statistics.median(first_connection(run, row, subject)
                                   for _ in range(row.count))})


def first_connection(run, row, subject):
    """Milliseconds from posix_spawn, on the server's processor, to a connection that is accepted
    by the kernel, which this processor tries without a pause."""
    port = servers.free_port()
    command = SERVERS[subject.server].command(row.work, port)
    begun, ready, process = [], threading.Event(), []

    def spawn():
        os.sched_setaffinity(0, {run.server_core})
        begun.append(time.monotonic())
        ready.set()
        process.append(os.posix_spawn(command[0], command, os.environ, setsid=True, file_actions=[
            (os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]))

    thread = threading.Thread(target=spawn)
    thread.start()
    try:
        ready.wait()
        return (until_connected(port) - begun[0]) * 1000
    finally:
        thread.join()
        end_session(process[0])


def until_connected(port, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return time.monotonic()
    raise RuntimeError(f"no connection within {seconds} s")


def end_session(pid):
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 3
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(0.002)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


MEASURES = {"instructions": instructions, "idle": idle_memory, "start": start}


def cost(row, run):
    """Seconds that a row will take, by experience."""
    if row.how == "idle":
        rounds = IDLE_ROUNDS if row.count <= 20000 else 1
        possible = row.count <= idle.room(machine.raise_descriptors(0))
        return len(row.subjects) * rounds * (1.0 + row.count / 9000) if possible else 0
    each = {"instructions": 8 / run.rounds, "start": 0.1 * row.count}
    return run.rounds * len(row.subjects) * each[row.how]
