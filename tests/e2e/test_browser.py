"""The demo page in headless Chromium: it loads, echoes over WebSocket and shows live figures."""
import base64
import json
import signal

import pytest

from client import fetch, request, Connection
from devtools import Browser, Page


@pytest.fixture(scope="module")
def browser():
    running = Browser()
    yield running
    running.end()


@pytest.fixture
def page(browser):
    with Page(browser) as tab:
        yield tab


@pytest.fixture
def server(httpd):
    return httpd(workers=2)


def type_and_send(page, text):
    page.evaluate(f"document.getElementById('message').value = {json.dumps(text)};"
                  "document.getElementById('message').dispatchEvent(new Event('input'));"
                  "document.getElementById('send').click()")


def log_of(page):
    return page.evaluate("document.getElementById('log').textContent")


def test_page_echoes(server, page, tmp_path):
    page.open(f"http://127.0.0.1:{server.port}/")
    assert page.evaluate("document.title")
    page.wait_for("!document.getElementById('send').disabled")
    page.settle(0.5)
    for text in ("hello from a browser", "äöü €😀", "x" * 1000):
        type_and_send(page, text)
        page.wait_for(f"document.getElementById('log').textContent.includes({json.dumps(text)})")
    frames = [event["response"]["payloadData"]
              for event in page.events("Network.webSocketFrameReceived")]
    assert "hello from a browser" in frames and "äöü €😀" in frames
    page.settle(1)
    assert page.problems() == []
    assert page.hosts() == {f"127.0.0.1:{server.port}"}
    picture = base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"])
    (tmp_path / "page.png").write_bytes(picture)
    assert picture.startswith(b"\x89PNG") and len(picture) > 5000


def test_text_is_shown_as_text(server, page):
    page.open(f"http://127.0.0.1:{server.port}/")
    page.wait_for("!document.getElementById('send').disabled")
    page.settle(0.5)
    evil = "<img src=x onerror=\"document.title='broken'\">"
    type_and_send(page, evil)
    page.wait_for(f"document.getElementById('log').textContent.includes({json.dumps(evil)})")
    assert page.evaluate("document.querySelectorAll('#log img').length") == 0
    assert page.evaluate("document.title") != "broken"


def test_figures_are_live(server, page):
    page.open(f"http://127.0.0.1:{server.port}/")
    first = page.wait_for("document.getElementById('figures').textContent.trim()")
    with Connection(server.address) as connection:
        connection.send(request(target="/plaintext") * 500)
        for _ in range(500):
            assert connection.read_response().status == 200
    page.wait_for(f"document.getElementById('figures').textContent.trim() !== {json.dumps(first)}")
    assert page.problems() == []


def test_page_fits_a_telephone(server, page):
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=2,
              mobile=True)
    page.open(f"http://127.0.0.1:{server.port}/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_page_outlives_the_server(server, page):
    page.open(f"http://127.0.0.1:{server.port}/")
    page.wait_for("!document.getElementById('send').disabled")
    page.settle(0.5)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    page.settle(0.5)
    assert page.events("Runtime.exceptionThrown") == []


def test_browser_loads_files(httpd, page, tmp_path):
    root = tmp_path / "site"
    root.mkdir()
    (root / "index.html").write_text(
        "<!doctype html><link rel=icon href='data:,'><link rel=stylesheet href=style.css>"
        "<title>t</title><p id=text>plain</p><script type=module src=code.mjs></script>")
    (root / "style.css").write_text("#text { color: rgb(1, 2, 3) }")
    (root / "code.mjs").write_text("document.getElementById('text').textContent = 'by code'")
    server = httpd("--root", root)
    page.open(f"http://127.0.0.1:{server.port}/")
    page.wait_for("document.getElementById('text').textContent === 'by code'")
    color = page.evaluate("getComputedStyle(document.getElementById('text')).color")
    assert color == "rgb(1, 2, 3)"
    assert page.problems() == []
    assert fetch(server.address, target="/code.mjs").media_type() == "text/javascript"
