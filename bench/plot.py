"""The plot of the main rows: horizontal bars of CPU time by server, as an SVG that is readable on
light and on dark pages."""
from html import escape

import report

ROWS = ("plaintext-64", "pipelined-16", "file-1k", "close", "ws-20", "ws-16k")
WIDTH, NAMES, FIGURES = 760, 150, 70
BAR, TITLE, GAP = 18, 34, 12
LONGEST = 4         # times the best: a longer bar is cut, and its end says so

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .small { font-size: 12px; fill: #59636e }
.ours { fill: #1a7f37 } .floor { fill: #afb8c1 } .peer { fill: #54aeff }
.cut { stroke: #ffffff; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 }
.ours { fill: #3fb950 } .floor { fill: #6e7681 } .peer { fill: #1f6feb }
.cut { stroke: #0d1117 } }
"""


def bars(place):
    """(label, family, figure), the best first."""
    found = [(report.figure(entry, place["metric"]), label, entry["family"])
             for label, entry in place["servers"].items()]
    return [(label, family, value) for value, label, family in sorted(found)]


def bar(top, label, family, value, scale):
    room = WIDTH - NAMES - FIGURES
    length = min(room, value * scale)
    parts = [f'<text x="{NAMES - 8}" y="{top + 13}" text-anchor="end">{escape(label)}</text>',
             f'<rect class="{family}" x="{NAMES}" y="{top + 2}" width="{length:.1f}" '
             f'height="{BAR - 4}" rx="2"/>',
             f'<text x="{NAMES + length + 6:.1f}" y="{top + 13}">{report.number(value)}</text>']
    if value * scale > room:
        cut = NAMES + room - 24
        parts.append(f'<path class="cut" d="M{cut} {top + BAR} l6 -{BAR}"/>')
    return parts


def panel(top, place):
    found = bars(place)
    room = WIDTH - NAMES - FIGURES
    scale = room / min(found[-1][2], found[0][2] * LONGEST)
    parts = [f'<text class="title" x="0" y="{top + 20}">{escape(place["title"])}</text>',
             f'<text class="small" x="{WIDTH}" y="{top + 20}" text-anchor="end">'
             f'{escape(place["unit"])}</text>']
    for number, (label, family, value) in enumerate(found):
        parts += bar(top + TITLE + number * BAR, label, family, value, scale)
    return parts, top + TITLE + len(found) * BAR + GAP


def svg(results):
    """The whole plot; None when there is nothing to draw."""
    top, parts = 0, []
    for key in ROWS:
        place = results["rows"].get(key)
        if place and place["servers"]:
            more, top = panel(top, place)
            parts += more
    if not parts:
        return None
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
            f'viewBox="0 0 {WIDTH} {top}" role="img" '
            f'aria-label="CPU time per request, by server">\n<style>{STYLE}</style>\n' +
            "\n".join(parts) + "\n</svg>\n")
