"""Headless Chromium, driven through the DevTools protocol on a WebSocket of our own client."""
import json
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

from client import TEXT, WebSocket
from server import HUNG, wait_until

FLAGS = ["--headless=new", "--remote-debugging-port=0", "--no-sandbox", "--disable-gpu",
         "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-default-apps",
         "--disable-extensions", "--disable-dev-shm-usage",
         "--disable-client-side-phishing-detection",
         "--disable-domain-reliability", "--no-default-browser-check", "--no-pings",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-allow-origins=*",
         "--window-size=1200,900"]


class Browser:
    """One Chromium with a profile of its own, both gone at the end."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="runnel-chromium-")
        self.process = subprocess.Popen(
            [shutil.which("chromium"), *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            place = Path(self.profile) / "DevToolsActivePort"
            lines = wait_until(lambda: place.exists() and place.read_text().split(), 0.05)
            self.socket = WebSocket(("127.0.0.1", int(lines[0])), lines[1])
        except BaseException:
            self.end()
            raise
        self.number = 0
        self.events = []

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(HUNG)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def read(self):
        opcode, payload = self.socket.read_message()
        assert opcode == TEXT, opcode
        return json.loads(payload)

    def call(self, method, session=None, **params):
        """Calls a method and returns its result; events that come meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.socket.send(TEXT, json.dumps(message).encode())
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)


class Page:
    """One tab, in a context of its own."""

    def __init__(self, browser):
        self.browser = browser
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        self.target = browser.call("Target.createTarget", url="about:blank",
                                   browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target,
                                    flatten=True)["sessionId"]
        browser.events.clear()
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.browser.call("Target.closeTarget", targetId=self.target)
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait_for(self, expression):
        return wait_until(lambda: self.evaluate(expression), 0.05)

    def events(self, method):
        return [event["params"] for event in self.browser.events
                if event.get("sessionId") == self.session and event["method"] == method]

    def problems(self):
        """What the console of the developer tools would show in red."""
        lines = [entry["entry"] for entry in self.events("Log.entryAdded")
                 if entry["entry"]["level"] in ("error", "warning")]
        lines += [entry for entry in self.events("Runtime.consoleAPICalled")
                  if entry["type"] in ("error", "assert", "warning")]
        return lines + self.events("Runtime.exceptionThrown")

    def hosts(self):
        """The hosts that the page asked for anything."""
        urls = [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]
        urls += [event["url"] for event in self.events("Network.webSocketCreated")]
        parts = [urllib.parse.urlsplit(url) for url in urls]
        return {part.netloc for part in parts if part.scheme not in ("data", "blob", "about")}

    def settle(self, seconds):
        """Lets events come for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.evaluate("1")
            time.sleep(0.05)
