"""The examples of what tasks, fibers, threads and files do together, on each backend."""
import re
import socket

from bed import run


def test_load_generator(backend, start):
    port = start("echo_async")
    done = run("load_generator", f"127.0.0.1:{port}", backend, 40, 2000, 2, 20)
    *pulses, last = done.stdout.splitlines()
    assert last == "40 connections, 0 failed" and len(pulses) == 2
    answers = sum(int(re.fullmatch(r"(\d+) answers, the slowest after \d+ us", pulse).group(1))
                  for pulse in pulses)
    assert 0 < answers <= 2 * 40 * 20, pulses  # 40 ticks each, with 20 permits


def test_load_generator_without_a_server(backend):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = run("load_generator", "127.0.0.1:%d" % closed.getsockname()[1], backend, 3,
                   check=False)
    assert done.returncode == 1
    assert done.stdout == "connection refused\n3 connections, 3 failed\n"


def test_port_check(backend):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        first, last = max(1, port - 500), min(65535, port + 500)
        done = run("port_check", backend, "127.0.0.1", first, last)
    *ports, one, other = done.stdout.splitlines()
    assert f"{port} is open" in ports
    counts = [re.fullmatch(rf"worker {number}: (\d+) ports, (\d+) open", line).groups()
              for number, line in enumerate((one, other))]
    assert sum(int(checked) for checked, _ in counts) == last - first + 1
    assert sum(int(found) for _, found in counts) == sum("is open" in line for line in ports)


def test_port_check_refuses():
    for arguments, message in (
            (("epoll", "nowhere", 1, 2), "nowhere: the caller broke the contract of this call\n"),
            (("epoll", "127.0.0.1", 2, 1), "FROM TO: the caller broke the contract of this call\n"),
            (("epoll", "127.0.0.1", 2), "usage: port_check BACKEND HOST FROM TO\n")):
        assert run("port_check", *arguments, check=False).stderr == message
