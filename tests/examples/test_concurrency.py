"""The examples of what tasks, fibers, threads and files do together, on each backend."""
import re
import socket

from bed import Lines, dial, exchange, run


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


def test_lockstep(start):
    port = start("lockstep", 3)
    for _ in range(2):  # one game after the other
        players = [Lines(port) for _ in range(3)]
        for turn in range(5):
            for number, player in enumerate(players):
                player.say(f"move {turn} of {number}")
            for player in players:
                assert [player.file.readline() for _ in players] == [
                    f"{number + 1}: move {turn} of {number}\n" for number in range(3)]
        players[0].say("the last")
        players[1].close()
        assert players[0].file.read() == players[2].file.read() == "The game is over.\n"
        players[0].close()
        players[2].close()


def test_factor(start):
    port = start("factor")
    slow, quick = Lines(port), Lines(port)
    slow.say("18446744073709551557")  # minutes of computing
    for number, factors in ((2, "2"), (91, "7 13"), (2 ** 63, "2 " * 62 + "2"), (97, "97"),
                            (65537 ** 2, "65537 65537"), (3 ** 40, "3 " * 39 + "3")):
        assert quick.ask(str(number)) == f"{number}: {factors}\n"
    for wrong in ("1", "", "x", "-5", "18446744073709551616", "7 "):
        assert quick.ask(wrong).startswith("not a number"), wrong
    assert exchange(dial(port), b"9" * 64) == b""  # as long as the buffer, and no end
