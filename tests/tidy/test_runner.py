"""The runner's sums: a crash, a missing test or a broken report never counts as a success."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import runner  # noqa: E402

OUTPUT = """[==========] Running 3 test(s).
[ RUN      ] first
[       OK ] first
[ RUN      ] second
no such feature
[  SKIPPED ] second
[ RUN      ] third
[  ERROR   ] --- 1 != 2
[   LINE   ] --- x.c:1: error: Failure!
[  FAILED  ] third
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] third
"""
FIRST = "[ RUN      ] first\n[       OK ] first\n"


def test_cmocka_counts():
    tally = runner.parse_cmocka("test_x", 1, OUTPUT)
    assert tally.text() == "1 passed, 1 failed, 1 skipped"
    assert tally.failed == ["test_x: third"]
    assert tally.skipped == ["test_x: second (no such feature)"]


def test_cmocka_crash_is_a_failure():
    tally = runner.parse_cmocka("test_x", -11, FIRST + "[ RUN      ] second\n")
    assert tally.text() == "1 passed, 1 failed"


def test_cmocka_exit_code_is_a_failure():
    tally = runner.parse_cmocka("test_x", 1, FIRST + "==1==ERROR: LeakSanitizer\n")
    assert tally.text() == "1 passed, 1 failed"


def test_cmocka_without_tests_is_a_failure():
    assert runner.parse_cmocka("test_x", 0, "").text() == "0 passed, 1 failed"


def test_report_counts(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text("""<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="x"/></testcase>
<testcase classname="a" name="dirty"/>
<testcase classname="a" name="dirty"><error message="y"/></testcase>
<testcase classname="a" name="left"><skipped message="no kernel for it"/></testcase>
</testsuite></testsuites>""")
    tally = runner.parse_report("http", 1, report)
    assert tally.text() == "1 passed, 2 failed, 1 skipped"
    assert tally.skipped == ["http: a::left (no kernel for it)"]


def test_missing_report_is_a_failure(tmp_path):
    assert runner.parse_report("http", 2, tmp_path / "none.xml").text() == "0 passed, 1 failed"


def test_failure_lines_are_as_many_as_failed():
    assert runner.failure_lines("ok 1\nFAIL clock\n", 2) == ["FAIL clock", "a test failed"]


def test_nothing_run_is_a_failure(monkeypatch, capsys):
    monkeypatch.setattr(runner, "run_part", lambda name: runner.Tally())
    assert runner.main(["tidy"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_last_line_sums_the_parts(monkeypatch, capsys):
    monkeypatch.setattr(runner, "run_apart", lambda name, running: runner.Tally(passed=2))
    assert runner.main(["tidy", "unit"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 passed, 0 failed"


END = """
skipped: ws: left (no kernel for it)
FAILED: ws: bad
in 3 s
7 passed, 1 failed, 1 skipped
"""


def test_part_of_its_own_process():
    tally = runner.parse_part("ws", 1, END)
    assert tally.text() == "7 passed, 1 failed, 1 skipped"
    assert (tally.failed, tally.skipped) == (["ws: bad"], ["ws: left (no kernel for it)"])


def test_part_that_says_nothing_or_the_wrong_thing_is_a_failure():
    assert runner.parse_part("ws", -9, "").text() == "0 passed, 1 failed"
    assert runner.parse_part("ws", 0, END.replace("FAILED: ws: bad\n", "")).passed == 7
    assert runner.parse_part("ws", 1, "3 passed, 0 failed\n").text() == "3 passed, 1 failed"


def test_each_end_to_end_test_is_in_a_part():
    files = {str(path.relative_to(runner.ROOT))
             for path in (runner.ROOT / "tests/e2e").glob("test_*.py")}
    assert files == {file for part in runner.PARTS for file in runner.e2e_files(part)}
