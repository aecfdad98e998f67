"""Range requests (RFC 9110, section 14) and files of more than 4 GiB."""
import os
import re
from email.utils import formatdate

import pytest

from client import Connection, fetch

OLD = 1_600_000_000
SIZE = 100_000
DATA = bytes(at * 7 % 251 for at in range(SIZE))


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    root.mkdir()
    for name, data in (("data.bin", DATA), ("small.txt", b"0123456789"), ("empty.txt", b"")):
        (root / name).write_bytes(data)
        os.utime(root / name, (OLD, OLD))
    return root


@pytest.fixture
def server(httpd, site):
    return httpd("--root", site)


def get(server, ranges, target="/data.bin", headers=(), method="GET"):
    return fetch(server.address, method, target, [("Range", ranges), *headers])


SINGLE = {
    "bytes=0-0": (0, 0), "bytes=0-99": (0, 99), "bytes=1-1": (1, 1), "bytes=99999-": (99999, 99999),
    "bytes=50000-": (50000, 99999), "bytes=-1": (99999, 99999), "bytes=-500": (99500, 99999),
    "bytes=0-": (0, 99999), "bytes=99990-200000": (99990, 99999), "bytes=-200000": (0, 99999),
    "bytes=10000-89999": (10000, 89999), "Bytes=0-9": (0, 9), "bytes= 5-6": (5, 6),
    "bytes=5-6 ": (5, 6), "bytes=0-18446744073709551615": (0, 99999), "bytes=,0-9,": (0, 9),
}


@pytest.mark.parametrize("ranges", SINGLE)
def test_single(server, ranges):
    first, last = SINGLE[ranges]
    response = get(server, ranges)
    if response.status == 200 and ranges in ("Bytes=0-9", "bytes= 5-6", "bytes=,0-9,"):
        assert response.body == DATA
        return
    assert response.status == 206
    assert response.header("Content-Range") == f"bytes {first}-{last}/{SIZE}"
    assert response.body == DATA[first:last + 1]
    assert response.header("Content-Length") == str(last + 1 - first)
    assert response.header("ETag") and response.header("Date")


@pytest.mark.parametrize("ranges", ["bytes=100000-", "bytes=100000-100001", "bytes=-0",
                                    "bytes=200000-300000,400000-"])
def test_not_satisfiable(server, ranges):
    response = get(server, ranges)
    assert response.status == 416
    assert response.header("Content-Range") == f"bytes */{SIZE}"


@pytest.mark.parametrize("ranges", ["bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5",
                                    "bytes=6-5", "bytes=1--2", "bytes=0-1;2-3", "lines=0-5",
                                    "bytes=0x0-0x5", "bytes 0-5", "bytes=1-2-3", "=0-1"])
def test_nonsense_is_ignored(server, ranges):
    response = get(server, ranges)
    assert response.status in (200, 416) and (response.status == 416 or response.body == DATA)
    if ranges.startswith(("lines", "=", "bytes 0")):
        assert response.status == 200


def test_number_over_64_bits(server):
    response = get(server, "bytes=0-99999999999999999999999")
    assert response.status in (200, 206) and response.body == DATA
    assert get(server, "bytes=99999999999999999999999-").status in (200, 416)


def test_empty_file(server):
    assert get(server, "bytes=0-", "/empty.txt").status in (200, 416)
    assert get(server, "bytes=-5", "/empty.txt").status in (200, 416)


def test_small_file(server):
    response = get(server, "bytes=2-4", "/small.txt")
    assert (response.status, response.body) == (206, b"234")


def test_head_has_no_ranges(server):
    response = get(server, "bytes=0-9", method="HEAD")
    assert response.status in (200, 206)
    assert response.header("Content-Length") == ("10" if response.status == 206 else str(SIZE))


def parts(response):
    """The parts of a multipart/byteranges body as (first, last, size, data)."""
    assert response.status == 206 and response.header("Content-Range") is None
    kind = re.fullmatch(r'multipart/byteranges;\s*boundary="?([^"]+)"?',
                        response.header("Content-Type"))
    boundary = b"--" + kind.group(1).encode()
    body = b"\r\n" + response.body
    pieces = body.split(b"\r\n" + boundary)
    assert pieces[0].strip() == b"" and pieces[-1].strip() == b"--"
    found = []
    for piece in pieces[1:-1]:
        head, _, data = piece.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.strip().split(b"\r\n"))
        fields = {name.lower(): value for name, value in fields.items()}
        assert fields[b"content-type"] == b"application/octet-stream"
        numbers = re.fullmatch(rb"bytes (\d+)-(\d+)/(\d+)", fields[b"content-range"]).groups()
        found.append((*map(int, numbers), data))
    return found


@pytest.mark.parametrize("ranges,expected", [
    ("bytes=0-0,2-3", [(0, 0), (2, 3)]),
    ("bytes=0-99, 1000-1999, -5", [(0, 99), (1000, 1999), (99995, 99999)]),
    ("bytes=0-0,200000-300000", [(0, 0)]),
    ("bytes=50000-99999,0-49998", [(50000, 99999), (0, 49998)]),
])
def test_multiple(server, ranges, expected):
    response = get(server, ranges)
    if len(expected) == 1 and response.header("Content-Range"):
        assert response.body == DATA[:1]
        return
    found = parts(response)
    assert [(first, last) for first, last, _, _ in found] == expected
    for first, last, size, data in found:
        assert size == SIZE
        assert data == DATA[first:last + 1]


def test_multiple_leave_the_connection_open(server):
    headers = [("Range", "bytes=0-9,20-29")]
    with Connection(server.address) as connection:
        for _ in range(3):
            response = connection.exchange(target="/data.bin", headers=headers)
            assert len(parts(response)) == 2
        assert connection.exchange(target="/small.txt").body == b"0123456789"


def test_many_or_overlapping_ranges_are_no_attack(server):
    """Section 14.2: a server may ignore or join ranges that ask for more than the file."""
    for ranges in ("bytes=" + ",".join(["0-"] * 500),
                   "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 2000, 2))):
        response = get(server, ranges)
        assert response.status in (200, 206, 416)
        assert len(response.body) <= 4 * SIZE


def test_if_range(server):
    etag = fetch(server.address, target="/data.bin").header("ETag")
    strong = not etag.startswith("W/")
    date = formatdate(OLD, usegmt=True)
    for value, status in ((etag, 206 if strong else 200), ('"x"', 200), (f"W/{etag}", 200),
                          (date, 206), (formatdate(OLD - 1, usegmt=True), 200),
                          (formatdate(OLD + 1, usegmt=True), 200), ("nonsense", 200)):
        response = get(server, "bytes=0-9", headers=[("If-Range", value)])
        assert response.status == status, value
        assert response.body == (DATA[:10] if status == 206 else DATA)


def test_if_range_that_fails_makes_no_416(server):
    assert get(server, "bytes=200000-", headers=[("If-Range", '"x"')]).status == 200


def test_conditions_go_before_ranges(server):
    etag = fetch(server.address, target="/data.bin").header("ETag")
    assert get(server, "bytes=0-9", headers=[("If-None-Match", etag)]).status == 304
    assert get(server, "bytes=0-9", headers=[("If-Match", '"x"')]).status == 412


HUGE = (5 << 30) + 12345
MARK = b"the mark at the end"


@pytest.fixture
def huge(site):
    with open(site / "huge.bin", "wb") as file:
        file.truncate(HUGE)
        file.seek(HUGE - len(MARK))
        file.write(MARK)
        file.seek((4 << 30) - 4)
        file.write(b"ABCDEFGH")


def test_huge_file(server, huge):
    head = fetch(server.address, "HEAD", "/huge.bin")
    assert head.header("Content-Length") == str(HUGE)
    response = get(server, f"bytes=-{len(MARK)}", "/huge.bin")
    assert (response.status, response.body) == (206, MARK)
    assert response.header("Content-Range") == f"bytes {HUGE - len(MARK)}-{HUGE - 1}/{HUGE}"
    at = (4 << 30) - 4
    assert get(server, f"bytes={at}-{at + 7}", "/huge.bin").body == b"ABCDEFGH"
    assert get(server, f"bytes={at + 4}-{at + 7}", "/huge.bin").body == b"EFGH"
    found = parts(get(server, f"bytes=0-1,{at}-{at + 7}", "/huge.bin"))
    assert found[1] == (at, at + 7, HUGE, b"ABCDEFGH")


def test_huge_range_across_4_gib(server, huge):
    start = (4 << 30) - (8 << 20)
    response = get(server, f"bytes={start}-{start + (16 << 20) - 1}", "/huge.bin")
    assert response.status == 206 and len(response.body) == 16 << 20
    assert response.body[(8 << 20) - 4:(8 << 20) + 4] == b"ABCDEFGH"
    assert response.body.count(0) == (16 << 20) - 8
