"""The house rules as functions: each takes the repository's root and yields a line for a violation.

The tables come first; a new layer, public header or exception is a line in one of them.
"""
import re
from pathlib import Path

# Which layers a layer may include besides itself.
BELOW_CORE = {"proto", "stack", "base", "sys"}
BELOW_BACKEND = BELOW_CORE | {"core"}
BELOW_NET = BELOW_BACKEND | {"backend"}
BELOW_HTTP = BELOW_NET | {"net"}
INCLUDES = {
    "base": set(),
    "sys": {"base"},
    "proto": {"base"},
    "stack": {"base"},
    "core": BELOW_CORE,
    "backend": BELOW_BACKEND,
    "net": BELOW_NET,
    "http": BELOW_HTTP,
    "rpc": BELOW_HTTP,
    "app": BELOW_HTTP | {"http", "rpc"},
}

# The layer of each public header; runnel.h includes them all, so it is above all.
PUBLIC = {
    "base.h": "base", "machine.h": "base",
    "http1.h": "proto", "ws.h": "proto", "url.h": "proto", "dns.h": "proto",
    "io.h": "core", "task.h": "core", "runtime.h": "core", "log.h": "core",
    "helper.h": "core", "file.h": "net", "socket.h": "net",
    "sync.h": "core", "channel.h": "core", "concurrency.h": "core", "fiber.h": "core",
    "backend.h": "backend", "sim.h": "backend",
    "net.h": "net", "driver.h": "net", "fiber_net.h": "net", "resolver.h": "net",
    "http1_client.h": "proto", "buffered.h": "net",
    "http.h": "http", "http_client.h": "http", "ws_client.h": "http",
    "runnel.h": "app",
}

# The headers that a compiler brings along without a libc. Only HOSTED may use a libc.
COMPILER_HEADERS = {"stdint.h", "stddef.h", "stdbool.h", "stdarg.h"}
HOSTED = "src/sys/hosted.c"

# Sources without a test program of their own, and the test that covers them.
COVERED_BY = {
    **{f"src/backend/{name}.c": "tests/conformance/bed.c"
       for name in ("epoll", "poll", "readiness", "select", "sim", "sim_backend", "sim_call",
                    "sim_datagram", "sim_file", "sim_name", "sim_option", "sim_stream",
                    "sim_wait", "uring")},
    **{f"src/backend/{name}.c": "tests/unit/test_file.c" for name in ("file_call", "uring_file")},
    **{f"src/http/{name}.c": "tests/e2e/test_http.py"
       for name in ("conn", "request", "response", "route", "server")},
    "src/http/websocket.c": "tests/e2e/test_ws.py",
    **{f"src/http/client_{name}.c": "tests/unit/test_client.c"
       for name in ("connection", "request")},
    **{f"src/net/fd_{name}.c": "tests/unit/test_fd.c"
       for name in ("file", "kernel", "resolve", "socket", "table")},
    "src/net/ip.c": "tests/unit/test_address.c",
    "src/sys/system.c": "tests/sys/both.c",
    "src/sys/context.c": "tests/unit/test_fiber.c",
    "src/core/lock.c": "tests/unit/test_block_on.c",
}

FUNCTION_LINES = 70
FILE_LINES = 800
LINE_COLUMNS = 100
MAKEFILE_LINES = 199


def files(root, *patterns):
    """The files under root that match, without what a build or a tool leaves behind."""
    found = set()
    for pattern in patterns:
        found.update(path for path in Path(root).glob(pattern) if path.is_file())
    left_behind = {"build", "__pycache__"}
    return sorted(path for path in found if not left_behind & set(path.relative_to(root).parts))


def c_files(root):
    return files(root, "src/**/*.[ch]", "include/**/*.h", "tests/**/*.[ch]", "pack/**/*.[ch]",
                 "bench/**/*.[ch]")


def script_files(root):
    return files(root, "tests/**/*.py", "tests/**/*.sh", "tests/run", "tests/install", ".ci/run",
                 "bench/**/*.py", "bench/install")


def text_files(root):
    others = files(root, "Makefile", "*.md", "docs/**/*.md", "examples/**/*.[ch]", "tests/**/*.md")
    return sorted(set(c_files(root) + script_files(root) + others))


def lines_of(path):
    return path.read_text(encoding="utf-8").split("\n")


def place(root, path, number=None):
    name = str(path.relative_to(root))
    return f"{name}:{number}" if number else name


def layer_of(root, path):
    """The layer that a file belongs to, None where the table of layers does not reach (tests)."""
    parts = path.relative_to(root).parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ("include", "runnel"):
        return PUBLIC.get(parts[2])
    return None


INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(root, path):
    """Yields (line number, name, layer) for each include; layer is "" for a header of the compiler
    or a libc, None for an unknown one."""
    for number, line in enumerate(lines_of(path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(2), included_layer(root, path, *match.groups())


def included_layer(root, path, bracket, name):
    parts = name.split("/")
    if parts[0] == "runnel":
        return PUBLIC.get(parts[1])
    if bracket == "<":
        return ""
    if len(parts) > 1:
        return parts[0] if parts[0] in INCLUDES else None
    return layer_of(root, path)


def include_direction(root):
    root = Path(root).resolve()
    for path in files(root, "src/**/*.[ch]", "include/runnel/*.h"):
        layer = layer_of(root, path)
        if layer not in INCLUDES:
            yield f"{place(root, path)}: belongs to no layer of the table"
            continue
        for number, name, target in includes(root, path):
            if target is None:
                yield f"{place(root, path, number)}: {name} is in none of the tables of headers"
            elif target and target != layer and target not in INCLUDES[layer]:
                yield f"{place(root, path, number)}: {layer} includes {name} of {target}"


def no_libc(root):
    root = Path(root).resolve()
    for path in files(root, "src/**/*.[ch]", "include/runnel/*.h"):
        if place(root, path) == HOSTED:
            continue
        for number, name, layer in includes(root, path):
            if layer == "" and name not in COMPILER_HEADERS:
                yield f"{place(root, path, number)}: includes {name}, which is not the compiler's"


def lengths(root):
    root = Path(root).resolve()
    for path in c_files(root) + script_files(root):
        lines = lines_of(path)
        if len(lines) - 1 > FILE_LINES:
            yield f"{place(root, path)}: {len(lines) - 1} lines, {FILE_LINES} at most"
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_COLUMNS and "http://" not in line and "https://" not in line:
                yield f"{place(root, path, number)}: {len(line)} columns, {LINE_COLUMNS} at most"
    for path in files(root, "Makefile"):
        if len(lines_of(path)) - 1 > MAKEFILE_LINES:
            yield f"Makefile: {len(lines_of(path)) - 1} lines, {MAKEFILE_LINES} at most"


def function_lengths(root):
    """A function's body opens and closes with a brace in the first column."""
    root = Path(root).resolve()
    for path in c_files(root):
        lines = lines_of(path)
        start = 0
        for number, line in enumerate(lines, 1):
            if re.match(r"[A-Za-z_].*\)\s*\{$", line) and not re.match(r"(extern|typedef)\b", line):
                yield f"{place(root, path, number)}: a function's opening brace has its own line"
            if line == "{":
                start = number - 1
                while start > 1 and re.match(r"[\sA-Za-z_]", lines[start - 2] or "#"):
                    start -= 1
            if line.startswith("}") and start:
                length = number - start + 1
                if length > FUNCTION_LINES:
                    yield f"{place(root, path, start)}: a function of {length} lines, " \
                          f"{FUNCTION_LINES} at most"
                start = 0


def white_space(root):
    root = Path(root).resolve()
    for path in text_files(root):
        lines = lines_of(path)
        if lines[-1] != "":
            yield f"{place(root, path)}: does not end with a newline"
        elif len(lines) > 1 and lines[-2] == "":
            yield f"{place(root, path)}: ends with an empty line"
        for number, line in enumerate(lines, 1):
            if line.endswith((" ", "\t", "\r")):
                yield f"{place(root, path, number)}: white space at the end"
            if "\t" in line and path.name != "Makefile":
                yield f"{place(root, path, number)}: a tab"


MARKS = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")
UNFINISHED = re.compile(r"\b(" + "|".join(MARKS) + r")\b")


def unfinished(root):
    root = Path(root).resolve()
    for path in text_files(root):
        for number, line in enumerate(lines_of(path), 1):
            match = UNFINISHED.search(line)
            if match:
                yield f"{place(root, path, number)}: {match.group(1)}"


C_CODE = re.compile(r"""^(
    (if|for|while|switch)\s*\(.*[;{)]
  | (return|goto)\b[^.]*;
  | (static\s|const\s|struct\s|u?int\d*(_t)?\s|char\s|void\s|size_t\s|bool\s)[^.]*[;{]
  | \#\s*(include|define|if|ifdef|endif)\b.*
  | [\w.>*\[\]-]+\s*[-+|&]?=\s*[^=].*;
  | \w+\(.*\);
  | \}|\{|\}\s*else.*
)$""", re.VERBOSE)
SCRIPT_CODE = re.compile(r"""^(
    (import\s\w+|from\s[\w.]+\simport\s.*)
  | (def|class)\s\w+.*:
  | (if|for|while|with|elif)\s.*:
  | (return|assert)\s[\w.]+(\(.*|\s[=<>!]=?\s.*)
  | [\w.]+\s=\s\S+
  | [\w.]+\(.*\)
)$""", re.VERBOSE)


def c_comments(lines):
    """Yields (line number, text) for each line of a comment. Indented text is an example."""
    inside = False
    for number, line in enumerate(lines, 1):
        if inside:
            text, end, _ = line.partition("*/")
            yield number, re.sub(r"^\s*\*? ?", "", text) if re.match(r"\s*\*", line) else text
            inside = not end
            continue
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        match = re.search(r"//\s?(.*)|/\*\s?(.*?)(\*/|$)", code)
        if match:
            yield number, match.group(1) if match.group(1) is not None else match.group(2)
            inside = match.group(1) is None and match.group(3) == ""


def commented_out(root):
    root = Path(root).resolve()
    for path in c_files(root):
        lines = lines_of(path)
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*#\s*if\s+0\b", line):
                yield f"{place(root, path, number)}: code switched off"
        for number, text in c_comments(lines):
            if not text.startswith("  ") and C_CODE.match(text.strip()):
                yield f"{place(root, path, number)}: code in a comment: {text.strip()}"
    for path in script_files(root):
        for number, line in enumerate(lines_of(path), 1):
            match = re.match(r"\s*# ?(\S.*)$", line)
            if match and SCRIPT_CODE.match(match.group(1)):
                yield f"{place(root, path, number)}: code in a comment: {match.group(1)}"


def public_comments(root):
    """In a public header a function has a comment above it, or stands right below one that has."""
    root = Path(root).resolve()
    for path in files(root, "include/runnel/*.h"):
        lines = lines_of(path)
        explained = False
        depth = 0
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*/\*", line):
                explained = True
            elif line == "" and depth == 0:
                explained = False
            if depth == 0 and re.match(r"[A-Za-z][^=;]*\brn_\w+\(", line) and not explained:
                yield f"{place(root, path, number)}: without a comment: {line.strip()}"
            depth += line.count("{") - line.count("}") - ('extern "C" {' in line)
            depth = max(depth, 0)


def purpose_comments(root):
    root = Path(root).resolve()
    for path in files(root, "src/**/*.[ch]", "include/runnel/*.h"):
        lines = lines_of(path)
        if not re.match(r"/\*", lines[0]) or len(" ".join(lines[:3]).strip("/* ")) < 20:
            yield f"{place(root, path)}: does not start with a comment that says what it is for"


def tests_exist(root):
    root = Path(root).resolve()
    sources = {place(root, path): path for path in files(root, "src/**/*.c")}
    for name, path in sources.items():
        if name.startswith("src/app/") or path.name.startswith("free_") or name == HOSTED:
            continue
        test = f"tests/unit/test_{path.stem}.c"
        if name in COVERED_BY:
            if not (root / COVERED_BY[name]).exists():
                yield f"{name}: the test that should cover it, {COVERED_BY[name]}, does not exist"
        elif not (root / test).exists():
            yield f"{name}: has no {test} and is not in the table of what covers it"
    for name in COVERED_BY:
        if name not in sources:
            yield f"{name}: is in the table of what covers it, but does not exist"


RULES = (include_direction, no_libc, lengths, function_lengths, white_space, unfinished,
         commented_out, public_comments, purpose_comments, tests_exist)
