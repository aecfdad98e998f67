"""From results to text: medians, ratios, met or missed, what was left out. Pure functions of the
results, so that a test can give them canned ones."""
from rows import ROWS, TARGETS


def median(values):
    values = sorted(values)
    if not values:
        return None
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def values_of(entry, metric):
    """One server's figures of the rounds that nothing disturbed; of all when none was quiet."""
    rounds = [one for one in entry["rounds"] if one.get(metric) is not None]
    return [one[metric] for one in rounds if not one.get("disturbed")] or \
        [one[metric] for one in rounds]


def figure(entry, metric):
    """The median over the rounds of one server, None when no round has it."""
    return median(values_of(entry, metric))


def spread(entry, metric):
    values = values_of(entry, metric)
    return min(values), max(values)


def best(place, family, metric):
    """(label, figure) of the best server of a family in a row; the lowest is best."""
    found = [(figure(entry, metric), label) for label, entry in place["servers"].items()
             if entry["family"] == family and figure(entry, metric) is not None]
    return min(found)[::-1] if found else None


def base_of(place, target, entry, metric):
    """(label, figure) of what a target compares with; None when it wasn't measured."""
    if target.against == "":
        return "", 1.0
    if target.against in ("floor", "peer"):
        return best(place, target.against, metric)
    if target.against == "self":
        label = entry["server"]
    else:
        label = target.against
    other = place["servers"].get(label)
    value = figure(other, metric) if other else None
    return (label, value) if value else None


def judge(results, target):
    """One verdict for each of ours in the target's row: (label, ratio, met, compared with); when
    there is nothing to judge, a reason in the place of the ratio."""
    place = results["rows"].get(target.row)
    if place is None:
        return []
    metric = target.of or place["metric"]
    verdicts = []
    for label, entry in place["servers"].items():
        if entry["family"] != "ours" or (target.against == "self" and not entry["variant"]):
            continue
        value = figure(entry, metric)
        base = base_of(place, target, entry, metric)
        if value is None:
            verdicts.append((label, "not measured", None, ""))
        elif base is None:
            verdicts.append((label, "nothing to compare with", None, ""))
        else:
            ratio = value / base[1]
            verdicts.append((label, ratio, holds(target, ratio), base[0]))
    if not verdicts:
        verdicts.append(("ours", "no figures", None, ""))
    return verdicts


def holds(target, ratio):
    if target.of == "rps":
        return ratio >= target.limit
    return ratio < target.limit if target.below else ratio <= target.limit


def number(value):
    """Three digits that matter, and all of those in front of the point."""
    if value is None:
        return "–"
    for limit, digits in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= limit:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"


def limited(entry):
    """Whether the load was at its end while the server wasn't."""
    server, load = figure(entry, "server_share"), figure(entry, "load_share")
    return server is not None and load is not None and load >= 0.95 and server < 0.95


def throughput(entry):
    return number(figure(entry, "rps")) + ("*" if limited(entry) else "")


# Columns of a row under load: the metric, its head, and what goes into the cell.
TIMED = (
    ("cpu_us", "CPU µs", None),
    ("rps", "requests/s", throughput),
    ("p50", "p50 µs", None),
    ("p99", "p99 µs", None),
    ("p999", "p99.9 µs", None),
    ("rss_kib", "RSS KiB", None),
    ("pss_kib", "PSS KiB", None),
    ("syscalls", "system calls", lambda entry: number(entry.get("syscalls"))),
)


def columns_of(place):
    """(head, cell) of each column: what the row is about comes first, with its spread."""
    timed = any("cpu_us" in one for entry in place["servers"].values() for one in entry["rounds"])
    columns = TIMED if timed else (("value", place["unit"], None),)
    made = [(metric, head, cell or (lambda entry, metric=metric: number(figure(entry, metric))))
            for metric, head, cell in columns]
    made.sort(key=lambda column: column[0] != place["metric"])
    made.insert(1, ("", "min–max", lambda entry: "–".join(
        map(number, spread(entry, place["metric"])))))
    return [(head, cell) for _, head, cell in made]


def table_of(place, auto=None):
    """A row as a list of lists: heads, then servers, the best first. `auto`: the backend of ours
    that the last column compares the others with."""
    metric = place["metric"]
    columns = columns_of(place)
    floor = best(place, "floor", metric)
    heads = ["server", *(head for head, _ in columns)]
    if floor:
        heads.insert(2, "× floor")
    chosen = place["servers"].get(f"httpd {auto}")
    ours = figure(chosen, metric) if chosen else None
    if ours and best(place, "peer", metric):
        heads.append(f"× httpd {auto}")
    lines = [heads]
    for label, entry in sorted(place["servers"].items(),
                               key=lambda item: figure(item[1], metric) or 0):
        cells = [label, *(cell(entry) for _, cell in columns)]
        value = figure(entry, metric)
        if floor:
            cells.insert(2, number(value / floor[1]))
        if len(heads) > len(cells):
            cells.append(number(value / ours))
        lines.append(cells)
    return lines


def notes_of(place):
    """What has to be said below a row's table."""
    notes = [place["note"]] if place["note"] else []
    entries = place["servers"].items()
    slow = [label for label, entry in entries if limited(entry)]
    if slow:
        notes.append(f"* the load was the bottleneck, its processor full and the server's not: "
                     f"{', '.join(slow)}")
    disturbed = sum(one.get("disturbed", False) for _, entry in entries for one in entry["rounds"])
    rounds = sum(len(entry["rounds"]) for _, entry in entries)
    if disturbed:
        notes.append(f"others used more than 10 % of a processor in {disturbed} of {rounds} "
                     "rounds: they count only where a server has no other")
    for label, entry in entries:
        if entry.get("failures"):
            notes.append(f"{label}: {len(entry['failures'])} rounds failed: "
                         f"{entry['failures'][0]}")
        if entry.get("syscalls_missing"):
            notes.append(f"{label}: system calls: {entry['syscalls_missing']}")
    for name, reason in place["left_out"].items():
        notes.append(f"left out: {name}: {reason}")
    return notes


def targets_table(results):
    """Heads, then a line for each target and each of ours."""
    lines = [["row", "target", "server", "measured", "compared with", ""]]
    for target in TARGETS:
        place = results["rows"].get(target.row)
        for label, ratio, met, against in judge(results, target):
            verdict = {True: "met", False: "missed", None: "not judged"}[met]
            chosen = label.split(",")[0] == f"httpd {results.get('auto')}"
            unit = f" {place['unit']}" if target.against == "" else ""
            lines.append([place["title"], target.text() + unit,
                          label + (" (auto)" if chosen else ""),
                          ratio if isinstance(ratio, str) else number(ratio), against, verdict])
    return lines


def missing_rows(results):
    """Rows that were to run and have no figures: (title, why)."""
    missing = []
    for row in ROWS:
        place = results["rows"].get(row.key)
        if row.key in results["planned"] and place is None:
            missing.append((row.title, "not reached"))
        elif place is not None and not place["servers"]:
            why = place["left_out"].get("the row") or "; ".join(
                f"{name}: {reason}" for name, reason in place["left_out"].items())
            missing.append((row.title, why or "nothing measured"))
    return missing


def aligned(lines):
    """Text columns for a terminal; the first is to the left, figures are to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  " + "  ".join(
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def wide(lines):
    """As aligned(), but all to the left: for words."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  " + "  ".join(
        cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def terminal_row(place, auto=None):
    parts = [f"\n{place['title']}" + (f" ({place['load']})" if place["load"] else "")]
    if place["servers"]:
        parts.append(aligned(table_of(place, auto)))
    parts += [f"  {note}" for note in notes_of(place)]
    return "\n".join(parts)


def terminal(results):
    """The end of a run: the targets, and what is missing."""
    parts = []
    lines = targets_table(results)
    if len(lines) > 1:
        parts += ["\nTargets", wide(lines)]
    parts += [f"  no figures: {title}: {why}" for title, why in missing_rows(results)]
    return "\n".join(parts)
