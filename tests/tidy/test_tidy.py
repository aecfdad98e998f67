"""Holds the house rules over the repository, and shows that each reports a planted violation."""
from pathlib import Path

import pytest
import tidy

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("rule", tidy.RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule):
    violations = list(rule(ROOT))
    assert not violations, "\n".join(violations)


def test_there_is_something_to_check():
    assert len(tidy.c_files(ROOT)) > 10
    assert len(tidy.script_files(ROOT)) > 5


def plant(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


PURPOSE = "/* runnel: a file that is planted to be found. */\n"
LONG_BODY = "    work();\n" * 80
UNFINISHED = "FIX" + "ME"

PLANTED = [
    ("include_direction", "src/proto/x.c", '#include "sys/sys.h"\n', "proto includes sys/sys.h"),
    ("include_direction", "src/base/error.c", '#include "sys/sys.h"\n', "base includes sys/sys.h"),
    ("include_direction", "src/core/x.c", '#include "backend/uring.h"\n',
     "core includes backend/uring.h of backend"),
    ("include_direction", "src/backend/x.c", "#include <runnel/net.h>\n",
     "backend includes runnel/net.h of net"),
    ("include_direction", "src/net/x.c", "#include <runnel/http.h>\n", "net includes"),
    ("include_direction", "src/http/x.c", "#include <runnel/runnel.h>\n", "http includes"),
    ("include_direction", "src/http/x.c", '#include "app/flags.h"\n', "http includes app/"),
    ("include_direction", "src/http/x.c", '#include "rpc/a.h"\n', "http includes rpc/a.h of rpc"),
    ("include_direction", "src/stack/x.c", '#include "proto/ws.h"\n', "stack includes proto/ws.h"),
    ("include_direction", "include/runnel/ws.h", "#include <runnel/io.h>\n", "proto includes"),
    ("include_direction", "src/core/x.c", "#include <runnel/secret.h>\n", "in none of the tables"),
    ("include_direction", "src/fancy/x.c", "\n", "belongs to no layer"),
    ("no_libc", "src/net/x.c", "#include <string.h>\n", "includes string.h"),
    ("no_libc", "src/backend/x.c", "#include <linux/io_uring.h>\n", "includes linux/io_uring.h"),
    ("no_libc", "include/runnel/base.h", "#include <sys/types.h>\n", "includes sys/types.h"),
    ("lengths", "src/net/x.c", "int x;\n" * 801, "801 lines"),
    ("lengths", "src/net/x.c", "int x; /* " + "y" * 100 + " */\n", "columns"),
    ("lengths", "tests/e2e/test_x.py", "x = 1\n" * 801, "801 lines"),
    ("lengths", "Makefile", "x = 1\n" * 200, "Makefile: 200 lines"),
    ("function_lengths", "src/net/x.c", "int\nf(int a,\n  int b)\n{\n" + LONG_BODY + "}\n",
     "x.c:1: a function of 85"),
    ("function_lengths", "tests/unit/test_x.c", "int f(void)\n{\n" + LONG_BODY + "}\n",
     "a function of 83"),
    ("function_lengths", "src/net/x.c", "int f(void) {\n}\n", "opening brace"),
    ("white_space", "src/net/x.c", "int x; \n", "white space at the end"),
    ("white_space", "src/net/x.c", "\tint x;\n", "a tab"),
    ("white_space", "README.md", "hello\n\n", "ends with an empty line"),
    ("white_space", "tests/run", "hello", "does not end with a newline"),
    ("unfinished", "docs/LIMITS.md", f"{UNFINISHED}: later\n", UNFINISHED),
    ("commented_out", "src/net/x.c", "// return x;\n", "code in a comment: return x;"),
    ("commented_out", "src/net/x.c", "/*\n * if (x) {\n *     y();\n */\n", "x.c:2: code"),
    ("commented_out", "src/net/x.c", "    /* send(fd, data, 3); */\n", "code in a comment: send"),
    ("commented_out", "src/net/x.c", "#if 0\n#endif\n", "switched off"),
    ("commented_out", "tests/e2e/x.py", "# assert x == 1\n", "code in a comment"),
    ("public_comments", "include/runnel/net.h", PURPOSE + "\nint rn_net_open(int x);\n", "net.h:3"),
    ("public_comments", "include/runnel/net.h",
     "/* One. */\nint rn_a(void);\n\nstatic inline int rn_b(void)\n{\n    return 1;\n}\n", "rn_b"),
    ("purpose_comments", "src/net/x.c", "int x;\n", "does not start with a comment"),
    ("purpose_comments", "src/net/x.h", "/* x */\nint x;\n", "does not start with a comment"),
    ("tests_exist", "src/net/x.c", "int x;\n", "has no tests/unit/test_x.c"),
]


@pytest.mark.parametrize("rule,name,text,expected", PLANTED,
                         ids=[f"{row[0]}-{number}" for number, row in enumerate(PLANTED)])
def test_planted_violation_is_found(tmp_path, monkeypatch, rule, name, text, expected):
    monkeypatch.setattr(tidy, "COVERED_BY", {})
    plant(tmp_path, name, text)
    violations = list(getattr(tidy, rule)(tmp_path))
    assert len(violations) == 1 or rule == "commented_out", violations
    assert expected in violations[0]


GOOD = [
    ("src/proto/x.c", PURPOSE + '#include "proto/y.h"\n#include "base/bytes.h"\n'
     "#include <runnel/ws.h>\n#include <stdint.h>\n"),
    ("src/sys/hosted.c", PURPOSE + '#include <string.h>\n#include "sys/sys.h"\n'),
    ("src/core/x.c", PURPOSE + '#include "sys/sys.h"\n#include <runnel/machine.h>\n'
     '#include "proto/y.h"\n'),
    ("src/app/httpd/x.c", PURPOSE + '#include <runnel/runnel.h>\n#include "http/http.h"\n'),
    ("src/http/x.c", PURPOSE + "/* Sends it; then (if the peer is there) waits for the end. */\n"
     "static int f(int a)\n{\n    return a; /* 0 when idle, see section 3.2; never more. */\n}\n"),
    ("include/runnel/net.h", PURPOSE + "\n/* Opens. The caller writes\n *\n"
     " *     rn_net_open(1);\n */\n"
     "int rn_net_open(int x);\nint rn_net_close(int x);\n"),
    ("tests/unit/test_x.c", "int f(void)\n{\n" + LONG_BODY[:12 * 60] + "}\n"),
    ("tests/e2e/x.py", "# It returns what came: never more than that (see section 3).\nx = 1\n"),
]


@pytest.mark.parametrize("name,text", GOOD, ids=[row[0] for row in GOOD])
def test_good_file_passes(tmp_path, monkeypatch, name, text):
    monkeypatch.setattr(tidy, "COVERED_BY", {})
    plant(tmp_path, name, text)
    plant(tmp_path, "tests/unit/test_x.c", "int x;\n") if "unit" not in name else None
    assert [line for rule in tidy.RULES for line in rule(tmp_path)] == []


def test_covered_by_names_tests_that_exist(tmp_path, monkeypatch):
    table = {"src/net/x.c": "tests/e2e/test_x.py", "src/net/gone.c": "Makefile"}
    monkeypatch.setattr(tidy, "COVERED_BY", table)
    plant(tmp_path, "src/net/x.c", "int x;\n")
    found = list(tidy.tests_exist(tmp_path))
    assert len(found) == 2 and "does not exist" in found[0] and "gone.c" in found[1]
