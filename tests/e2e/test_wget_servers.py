"""Real servers: nginx, Python's, Node's, and our own."""
import os
import random

import pytest

import origin as origins

NAMES = {"empty": 0, "one": 1, "small.txt": 1000, "page": 4096, "some.bin": 70_000,
         "large.bin": 3_000_001, "with space": 300, "umläut": 301}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    content = random.Random(7)
    for name, size in NAMES.items():
        (root / name).write_bytes(content.randbytes(size))
        os.utime(root / name, (1_600_000_000, 1_600_000_000))
    (root / "sub").mkdir()
    (root / "sub" / "index.html").write_bytes(b"<p>sub</p>")
    return root


class Served:
    def __init__(self, name, server):
        self.name = name
        self.server = server

    def url(self, path):
        return f"http://127.0.0.1:{self.server.port}/{path}"


@pytest.fixture(scope="module", params=["httpd", "nginx", "python", "node"])
def served(request, site, tmp_path_factory):
    work = tmp_path_factory.mktemp("server")
    server = origins.START[request.param](work, site)
    yield Served(request.param, server)
    server.close()


def test_bodies_are_identical(wget, served, site):
    wget("-q", *(served.url(name) for name in NAMES))
    for name in NAMES:
        assert (wget.place / name).read_bytes() == (site / name).read_bytes(), name
    assert set(wget.files()) == set(NAMES)


def test_several_at_once(wget, served, site):
    wget("-q", "-j", 4, *(served.url(name) for name in NAMES))
    assert wget.files() == {name: (site / name).read_bytes() for name in NAMES}


def test_to_standard_output(wget, served, site):
    result = wget("-qO-", served.url("small.txt"), served.url("some.bin"))
    assert result.stdout == (site / "small.txt").read_bytes() + (site / "some.bin").read_bytes()
    assert wget.files() == {}


def test_missing_file(wget, served):
    wget.fails(8, "-q", served.url("missing"), word="404")


def test_resumes(wget, served, site):
    """What another program has left is gone on with, or where that can't be fetched anew."""
    whole = (site / "large.bin").read_bytes()
    (wget.place / "large.bin").write_bytes(whole[:1_000_000])
    wget("-q", "-c", served.url("large.bin"))
    assert wget.files() == {"large.bin": whole}


def test_nothing_to_resume(wget, served, site):
    whole = (site / "some.bin").read_bytes()
    (wget.place / "some.bin").write_bytes(whole)
    wget("-q", "-c", served.url("some.bin"))
    assert wget.files() == {"some.bin": whole}


def test_timestamps(wget, served, site):
    url = served.url("some.bin")
    wget("-q", "-N", url)
    place = wget.place / "some.bin"
    assert int(place.stat().st_mtime) == 1_600_000_000
    place.write_bytes(b"x" * 70_000)
    os.utime(place, (1_600_000_000, 1_600_000_000))
    wget("-q", "-N", url)
    assert place.read_bytes() == b"x" * 70_000, "not newer: as it was"
    os.utime(place, (1_500_000_000, 1_500_000_000))
    wget("-q", "-N", url)
    assert wget.files() == {"some.bin": (site / "some.bin").read_bytes()}


def test_directory(wget, served):
    wget("-q", served.url("sub/"))
    assert wget.files() == {"index.html": b"<p>sub</p>"}


def test_redirect_to_a_directory(wget, served):
    result = wget(served.url("sub"))
    assert wget.files() == {"sub": b"<p>sub</p>"}
    assert any("goes on at" in line for line in result.lines)
