"""Servers that break the rules: a clear error each, and nothing left behind."""
import pytest

from conftest import one_backend
from malformed import MALFORMED
from origin import saying


@pytest.fixture
def backend(request):
    return one_backend(request.node.name)


def test_there_are_fifty():
    assert len(MALFORMED) >= 50


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(wget, origin, name):
    text, code, word = MALFORMED[name]
    server = origin(text if callable(text) else saying(text.encode("latin-1")))
    stalls = name.startswith("silence")
    wget.fails(code, "-q", "--tries", 1, "-T", 1 if stalls else 30, server.url(), word=word)


@pytest.mark.parametrize("name", ["fewer bytes than announced", "two lengths", "no last chunk",
                                  "a reset in the content"])
def test_what_is_there_stays(wget, origin, name):
    """A file that should have been replaced is as it was."""
    text, code, word = MALFORMED[name]
    server = origin(text if callable(text) else saying(text.encode("latin-1")))
    (wget.place / "file").write_bytes(b"precious")
    wget.fails(code, "-q", "--tries", 1, "-O", "file", server.url(), word=word)
