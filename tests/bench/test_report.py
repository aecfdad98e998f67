"""What make bench says about results that are made up here: medians, ratios, met or missed, what
was left out. Nothing is measured."""
import json
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "bench"))
import document
import engine
import loads
import plot
import report
import rows
import run
import servers


def rounds(*cpu, **more):
    return [{"cpu_us": value, "rps": 1e6 / value, "p50": 100, "p99": 200, "p999": None,
             "rss_kib": 512, "pss_kib": 500, "server_share": 1.0, "load_share": 0.5,
             "disturbed": False, **more} for value in cpu]


def entry(server, family, measured, variant="", **more):
    return {"server": server, "variant": variant, "family": family, "rounds": measured, **more}


def place(key, metric="cpu_us", **entries):
    row = next(row for row in rows.ROWS if row.key == key)
    return {"title": row.title, "unit": row.unit, "metric": metric, "note": "", "load": "canned",
            "left_out": {}, "servers": {label.replace("_", " "): value
                                        for label, value in entries.items()}}


@pytest.fixture
def results():
    found = place(
        "plaintext-64",
        httpd_uring=entry("httpd uring", "ours", rounds(6.3, 6.1, 6.2), syscalls=0.25),
        httpd_epoll=entry("httpd epoll", "ours", rounds(6.9, 7.1, 7.0, 7.2)),
        floor_uring=entry("floor uring", "floor", rounds(6.0, 5.9, 6.4)),
        floor_epoll=entry("floor epoll", "floor", rounds(6.5, 6.5, 6.5)),
        nginx=entry("nginx", "peer", rounds(8.0, 9.0, 8.5)),
        libuv=entry("libuv", "peer", rounds(6.2, 7.0, 6.8)))
    found["left_out"]["h2o"] = "h2o isn't installed"
    return {"rows": {"plaintext-64": found}, "planned": ["plaintext-64", "ws-20"], "auto": "uring",
            "date": "today", "minutes": 1.5, "versions": {"nginx": "1.22"}, "gave_up_waiting": 0,
            "how": {"rounds": 3, "seconds": 1.0, "warm": 0.5},
            "machine": {"processor": "P", "processors": 2, "memory_gib": 8, "kernel": "6.1",
                        "system": "Debian", "compiler": "gcc"}}


@pytest.mark.parametrize("values,expected", [([3], 3), ([5, 1, 3], 3), ([4, 1, 3, 2], 2.5),
                                             ([], None)])
def test_median(values, expected):
    assert report.median(values) == expected


def test_disturbed_rounds_count_only_without_others():
    mixed = entry("x", "peer", rounds(5.0) + rounds(90.0, disturbed=True))
    assert report.figure(mixed, "cpu_us") == 5.0
    assert report.spread(mixed, "cpu_us") == (5.0, 5.0)
    noisy = entry("x", "peer", rounds(7.0, 9.0, disturbed=True))
    assert report.figure(noisy, "cpu_us") == 8.0


def verdicts(results, against, of=""):
    target = next(target for target in rows.TARGETS if target.row == "plaintext-64" and
                  target.against == against and target.of == of)
    return {label: (ratio, met, base) for label, ratio, met, base in report.judge(results, target)}


def test_against_the_best_floor(results):
    found = verdicts(results, "floor")
    ratio, met, base = found["httpd uring"]
    assert (round(ratio, 4), met, base) == (round(6.2 / 6.0, 4), True, "floor uring")
    ratio, met, base = found["httpd epoll"]
    assert (round(ratio, 4), met) == (round(7.05 / 6.0, 4), False)


def test_against_the_best_peer(results):
    found = verdicts(results, "peer")
    assert found["httpd uring"][1:] == (True, "libuv")
    assert found["httpd epoll"][1:] == (False, "libuv")


def test_below_does_not_allow_the_limit_itself():
    assert not report.holds(rows.Target("x", "peer", 1, below=True), 1.0)
    assert report.holds(rows.Target("x", "peer", 1), 1.0)


def test_throughput_is_a_lower_bound():
    target = rows.Target("x", "nginx", 10, of="rps")
    assert report.holds(target, 10.0) and not report.holds(target, 9.9)
    assert target.text() == "≥ 10 × nginx in throughput"


def test_variant_is_judged_against_itself_without():
    found = {"rows": {"busy-10k": place(
        "busy-10k", httpd_uring=entry("httpd uring", "ours", rounds(5.0)), **{
            "httpd uring, 10,000 open": entry("httpd uring", "ours", rounds(6.0), "10,000 open")})}}
    target = next(target for target in rows.TARGETS if target.row == "busy-10k")
    assert report.judge(found, target) == [("httpd uring, 10,000 open", 1.2, False, "httpd uring")]


def test_plain_figure_is_judged_by_itself():
    found = {"rows": {"instructions": place("instructions", "value", httpd_epoll=entry(
        "httpd epoll", "ours", [{"value": 900}]))}}
    target = next(target for target in rows.TARGETS if target.row == "instructions")
    assert report.judge(found, target) == [("httpd epoll", 900, True, "")]
    assert report.targets_table(found)[1][1] == "≤ 900 instructions"


def test_nothing_is_judged_without_figures(results):
    servers_of = results["rows"]["plaintext-64"]["servers"]
    for label in ("floor uring", "floor epoll"):
        del servers_of[label]
    assert verdicts(results, "floor")["httpd uring"] == ("nothing to compare with", None, "")
    servers_of.clear()
    assert verdicts(results, "floor") == {"ours": ("no figures", None, "")}


def test_tables(results):
    table = report.table_of(results["rows"]["plaintext-64"], "uring")
    assert table[0][:3] == ["server", "CPU µs", "× floor"] and table[0][-1] == "× httpd uring"
    assert [line[0] for line in table[1:]] == ["floor uring", "httpd uring", "floor epoll",
                                               "libuv", "httpd epoll", "nginx"]
    uring = dict(zip(table[0], table[2]))
    assert (uring["CPU µs"], uring["× floor"], uring["min–max"]) == ("6.20", "1.03", "6.10–6.30")
    assert (uring["system calls"], uring["p99.9 µs"]) == ("0.250", "–")
    nginx = dict(zip(table[0], table[-1]))
    assert nginx["× httpd uring"] == "1.37"


def test_load_that_is_the_bottleneck_is_named(results):
    found = results["rows"]["plaintext-64"]
    found["servers"]["httpd uring"]["rounds"] = rounds(6.2, server_share=0.7, load_share=0.99)
    notes = report.notes_of(found)
    assert any("the load was the bottleneck" in note and "httpd uring" in note for note in notes)
    assert "161,290*" in report.terminal_row(found)


def test_what_is_left_out_is_named(results):
    notes = report.notes_of(results["rows"]["plaintext-64"])
    assert "left out: h2o: h2o isn't installed" in notes
    websocket = next(row for row in rows.ROWS if row.key == "ws-20").title
    assert report.missing_rows(results) == [(websocket, "not reached")]
    results["rows"]["ws-20"] = {**place("ws-20"), "left_out": {"the row": "no load"}}
    assert report.missing_rows(results) == [(websocket, "no load")]


def test_page(results):
    page = document.document(results, "plot.svg")
    assert "![" in page and "](plot.svg)" in page
    assert "| ≤ 1.06 × the floor | httpd uring (auto) | 1.03 | floor uring | met |" in page
    assert "- left out: h2o: h2o isn't installed" in page
    for line in page.split("\n"):
        assert not line.endswith(" ") and "\t" not in line


def test_plot(results):
    drawn = plot.svg(results)
    tree = xml.etree.ElementTree.fromstring(drawn)
    kinds = [part.get("class") for part in tree.iter() if part.tag.endswith("rect")]
    assert sorted(kinds) == ["floor"] * 2 + ["ours"] * 2 + ["peer"] * 2
    assert "prefers-color-scheme: dark" in drawn
    assert plot.svg({"rows": {}}) is None


@pytest.mark.parametrize("value,text", [(None, "–"), (1234567.8, "1,234,568"), (99.95, "100.0"),
                                        (6.234, "6.23"), (0.3125, "0.312")])
def test_number(value, text):
    assert report.number(value) == text


def test_rows_and_targets_fit_together():
    keys = [row.key for row in rows.ROWS]
    assert len(set(keys)) == len(keys)
    assert {target.row for target in rows.TARGETS} <= set(keys)
    for row in rows.ROWS:
        assert row.group in run.GROUPS and row.subjects
        for subject in row.subjects:
            assert row.work.kind in servers.SERVERS[subject.server].kinds, (row.key, subject)


class Nothing:
    """Stands in for what has no part in a test."""

    def step(self, *_):
        pass


@pytest.fixture
def bench(results, monkeypatch, tmp_path):
    """An engine whose results are saved to a file, and that measures nothing by itself."""
    monkeypatch.setattr(engine.machine, "processors", lambda: (1, 0))
    monkeypatch.setattr(engine.os, "sched_setaffinity", lambda *_: None)
    saved = tmp_path / "results.json"
    made = engine.Engine(3, 1.0, 0.1, results, lambda: saved.write_text(json.dumps(results)), None)
    made.progress, made.saved = Nothing(), saved
    return made


ROW = rows.Row("canned", "Canned", "http", rows.subjects("httpd uring", "nginx", "libuv"))


def canned(bench, measure):
    place_of = bench.results["rows"]["canned"] = {
        "title": "Canned", "left_out": {}, "note": "", "metric": "cpu_us", "unit": "", "load": "",
        "servers": {subject.label: entry(subject.server, "peer", []) for subject in ROW.subjects}}
    bench.rotate(ROW, place_of, list(ROW.subjects), measure)
    return place_of


def test_rounds_are_interleaved_and_rotated(bench):
    order = []
    canned(bench, lambda subject, number: order.append((number, subject.server)) or {"cpu_us": 1})
    assert order == [(0, "httpd uring"), (0, "nginx"), (0, "libuv"),
                     (1, "nginx"), (1, "libuv"), (1, "httpd uring"),
                     (2, "libuv"), (2, "httpd uring"), (2, "nginx")]


def test_failing_server_does_not_lose_the_others(bench):
    def measure(subject, number):
        if subject.server == "nginx":
            raise RuntimeError("nginx ended at once")
        if subject.server == "libuv" and number == 1:
            raise OSError("a hiccup")
        return {"cpu_us": 1.0}

    found = canned(bench, measure)
    assert found["left_out"] == {"nginx": "nginx ended at once"}
    assert len(found["servers"]["httpd uring"]["rounds"]) == 3
    assert len(found["servers"]["libuv"]["rounds"]) == 2
    assert any("libuv: 1 rounds failed" in note for note in report.notes_of(found))
    assert json.loads(bench.saved.read_text()) == bench.results


def test_interrupt_leaves_what_was_measured(bench):
    def measure(subject, number):
        if number == 1:
            raise KeyboardInterrupt
        return {"cpu_us": 1.0}

    with pytest.raises(KeyboardInterrupt):
        canned(bench, measure)
    saved = json.loads(bench.saved.read_text())["rows"]["canned"]["servers"]
    assert all(len(one["rounds"]) == 1 for one in saved.values())


def test_rate_is_half_of_the_lowest_of_ours_and_the_floor(bench):
    row = next(row for row in rows.ROWS if row.key == "latency-half")
    found = bench.results["rows"]["latency-half"] = place("latency-half")
    assert bench.at_half_load(row, found).load.rate == int((1e6 / 7.0 + 1e6 / 7.1) / 4)
    del bench.results["rows"]["plaintext-64"]
    assert bench.at_half_load(row, found) is None
    assert "needs the row" in found["left_out"]["the row"]


def test_load_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(loads.shutil, "which", lambda name: None)
    monkeypatch.setattr(loads, "OURS", Path("/nowhere/runnel-bench"))
    assert loads.Load("wrk").refusal() == "wrk isn't installed"
    assert loads.Load("runnel-bench").refusal() == "build/runnel-bench isn't built"
    with pytest.raises(servers.Absent):
        loads.run(loads.Load("wrk"), "http://127.0.0.1:1/", {0}, 1)


def test_what_the_generators_say():
    ours = {"requests": 10, "errors": 1, "connect_errors": 2, "seconds": 2.0, "bytes": 500,
            "latency_us": {"p50": 1, "p90": 2, "p99": 3, "p999": 4, "max": 5, "mean": 1.5}}
    figures = loads.of_ours(json.dumps(ours))
    assert (figures["requests"], figures["connect_errors"], figures["p999"]) == (10, 2, 4)
    wrk = loads.of_wrk('{"requests":7,"seconds":1,"p50":5,"p90":6,"p99":0,"p999":0,"max":9}')
    assert (wrk["p50"], wrk["p99"]) == (5, None)
    h2load = loads.of_h2load(
        "finished in 509.08ms, 93272.00 req/s, 10.23MB/s\n"
        "requests: 46640 total, 46700 started, 46640 done, 46636 succeeded, 3 failed, 1 errored, "
        "0 timeout\ntraffic: 5.11MB (5363140) total, 3.16MB (3315700) headers\n")
    assert (h2load["requests"], h2load["errors"], h2load["seconds"]) == (46636, 4, 0.50908)
    assert h2load["bytes"] == 5363140 and h2load["p99"] is None
    assert not any(reader("what?") for reader in loads.READERS.values())
