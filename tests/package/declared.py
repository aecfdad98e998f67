"""What the public headers declare."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def preprocessed(*arguments):
    return subprocess.run(["cc", "-E", "-Iinclude", *map(str, arguments)], cwd=ROOT, text=True,
                          capture_output=True, timeout=100, check=True).stdout


def statements():
    """Those of all headers, without what is in braces."""
    text = preprocessed("-P", "include/runnel/runnel.h")
    blocks = 1
    while blocks:
        text, blocks = re.subn(r"\{[^{}]*\}", ";", text)
    return text.split(";")


def functions():
    """Those that the headers declare and don't define."""
    found = (re.match(r"[\w\s*()]*?\b(rn_[a-z0-9_]+)\s*\(", statement.strip())
             for statement in statements() if "static inline" not in statement)
    return {function.group(1) for function in found if function}


def declared():
    """The same, and objects."""
    return functions().union(*(re.findall(r"extern const struct \w+ (rn_\w+)", statement)
                               for statement in statements()))
