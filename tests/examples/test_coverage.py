"""Every public function is used by an example or by a program, outside of the headers."""
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from bed import ROOT

sys.path.insert(0, str(ROOT / "tests/package"))
from declared import functions, preprocessed  # noqa: E402

FUNCTIONS = functions()
HEADERS = sorted(ROOT.glob("include/runnel/*.h"))
OURS = ("examples/", "src/app/")
SOURCES = sorted([*ROOT.glob("examples/*.c"), *ROOT.glob("src/app/**/*.c")])


def names_in(text):
    """The names in the lines that come from files of OURS, not from what they include."""
    names, own = set(), False
    for line in text.splitlines():
        marker = re.match(r'# \d+ "(.*?)"', line)
        if marker:
            own = marker.group(1).startswith(OURS)
        elif own:
            names.update(re.findall(r"\brn_\w+", re.sub(r'"(\\.|[^"\\])*"', "", line)))
    return names


def names_of(source):
    return names_in(preprocessed("-Isrc", "-D_GNU_SOURCE", source.relative_to(ROOT)))


@pytest.fixture(scope="module")
def used():
    with ThreadPoolExecutor(2) as compilers:
        return set().union(*compilers.map(names_of, SOURCES))


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
def test_every_public_function_is_used(used, header):
    words = set(re.findall(r"\brn_\w+", header.read_text(encoding="utf-8")))
    assert sorted(FUNCTIONS & words - used) == []


def test_what_counts_as_used():
    text = ('# 1 "examples/a.c"\nrn_one(rn_two);\n# 9 "include/runnel/net.h" 1 3\n'
            'int rn_three(int); static void f() { rn_four(); }\n# 2 "examples/a.c" 2\n'
            'say("rn_five", rn_six(), "\\"rn_seven"); rn_eight\n# 1 "src/net/net.h" 1\nrn_nine();\n'
            '# 3 "src/app/b/b.c" 2\nrn_ten();\n')
    assert names_in(text) == {"rn_one", "rn_two", "rn_six", "rn_eight", "rn_ten"}
