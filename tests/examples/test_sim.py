"""The examples of testing a program in the simulator."""
import re

import pytest
from bed import run

PROGRAMS = ("sim_lines", "sim_bank")


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_seeds_are_well(program):
    assert re.fullmatch(r"1000 seeds are well: \d{6,} calls, \d{4,} virtual seconds\n",
                        run(program).stdout)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_seed_is_the_same_each_time(program):
    answers = [run(program, seed).stdout for seed in (7, 8, 7)]
    assert re.fullmatch(r"seed 7 is well: \d+ calls, [0-9a-f]{16}\n", answers[0])
    assert answers[2] == answers[0] != answers[1]
    *calls, last = run(program, 7, "trace").stdout.splitlines(keepends=True)
    assert last == answers[0] and len(calls) > 100


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_mistake_is_found_and_repeated(program):
    done = run(program, "careless", check=False)
    first = re.fullmatch(r"seed (\d+) fails after \d+\.\d{3} s and \d+ calls: .+\n"
                         rf"again: \S*{program} (\d+) careless\n", done.stdout)
    assert done.returncode == 1 and first.group(1) == first.group(2)
    again = run(program, first.group(1), "careless", check=False)
    assert (again.returncode, again.stdout) == (1, done.stdout)
    assert run(program, first.group(1)).stdout.startswith(f"seed {first.group(1)} is well")
