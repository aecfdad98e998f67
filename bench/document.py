"""docs/BENCHMARKS.md from the results."""
import report
from rows import ROWS
from servers import SERVERS

HOW = """\
The server has one processor and the load the other. One server runs at a time, started afresh for
each round; rounds are interleaved (A B C, B C A, …), each after a warm-up and after the machine has
been quiet. Before a server is measured its answer is checked; a round with a single error doesn't
count. Every server has one worker, no access log, keep-alive without an end, and a cache of open
files where it has one.

Loads repeat one request. httpd recognises a head that comes again (docs/LIMITS.md), which saves it
parsing and routing: about 1,000 instructions of a head as short as these, and 3,000 of a head as
browsers send it. Clients that never send the same one twice cost it that much more.

- **CPU µs** is the server's CPU time for each request: the time on the processor of all its
  threads and processes (`/proc/PID/task/*/schedstat`), by the requests that were answered. On
  loopback most of it is the kernel's TCP, so the floor is what tells how much a server adds.
- **The floor** (`bench/floor/`) is a loop that doesn't parse and sends a canned answer, on epoll
  and on io_uring. Ratios are to the better one, in the same run.
- Figures are medians over the rounds, *min–max* is their spread. Rounds in which others used more
  than 10 % of a processor count only where a server has no quiet one.
- **System calls** are those of one request, counted in the warm-up by `perf` (or `strace`).
- **RSS** and **PSS** are the server's at the end of a round.
- Latencies are the load's. With a load that always waits for the answer (all rows but the one at
  50 % load) they tell the throughput in other words.
- **instructions**: callgrind, the difference of two runs of different length, by the requests; one
  connection makes one request after the other, so each pays for a whole turn of the loop. (Reading
  the clock is a system call there, and isn't counted.)
- Memory of idle connections: what RSS grows by, after each was answered once.
"""


def markdown_table(lines):
    heads, *body = lines
    parts = ["| " + " | ".join(heads) + " |",
             "| --- |" + " ---: |" * (len(heads) - 1)]
    parts += ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
              for line in body]
    return "\n".join(parts)


def machine_of(results):
    found, how = results["machine"], results["how"]
    parts = [f"- {found['processor']}, {found['processors']} processors, {found['memory_gib']} GiB",
             f"- Linux {found['kernel']}, {found['system']}; {found['compiler']}",
             f"- {how['rounds']} rounds of {how['seconds']:g} s for each server of a row, after "
             f"{how['warm']:g} s of warm-up"]
    if results.get("gave_up_waiting"):
        parts.append(f"- the machine wasn't quiet before {results['gave_up_waiting']} rounds, "
                     "which began all the same")
    if results.get("auto"):
        parts.append(f"- `--backend auto` takes {results['auto']} here")
    return "\n".join(parts)


def versions_of(results):
    versions = ", ".join(f"{name.removesuffix(' uring')} {said}"
                         for name, said in results["versions"].items())
    notes = [f"- {server.name}: {server.note}" for server in SERVERS.values() if server.note]
    return "\n".join([f"- {versions}", *notes])


def row_section(place, auto):
    parts = [f"### {place['title']}\n"]
    if place["load"]:
        parts.append(f"Load: {place['load']}.\n")
    if place["servers"]:
        parts.append(markdown_table(report.table_of(place, auto)) + "\n")
    notes = report.notes_of(place)
    if notes:
        parts.append("\n".join("- " + note.replace("* the", "\\* the") for note in notes) + "\n")
    return "\n".join(parts)


def document(results, plot):
    """The whole page. `plot`: the name of the plot's file, None when there is none."""
    parts = ["# Benchmarks\n",
             f"`make bench` wrote this page on {results['date']}, in {results['minutes']} minutes."
             " `make bench-quick` prints the main rows in two.\n"]
    if plot:
        parts.append(f"![CPU time per request of each server, for the main rows]({plot})\n")
    parts += ["## Targets\n",
              "Each of our backends is judged; `auto` marks the one that is taken when none is "
              "named.\n",
              markdown_table(report.targets_table(results)) + "\n"]
    missing = report.missing_rows(results)
    if missing:
        parts.append("Rows without figures:\n\n" + "\n".join(
            f"- {title}: {why}" for title, why in missing) + "\n")
    parts += ["## Machine\n", machine_of(results) + "\n", "## Versions\n",
              versions_of(results) + "\n", "## How it is measured\n", HOW, "## Rows\n"]
    parts += [row_section(results["rows"][row.key], results.get("auto"))
              for row in ROWS if row.key in results["rows"]]
    return "\n".join(parts)
