"""The servers: ours, the floor, the peers. Each knows how it is started for a piece of work, and
why it can't take part: a server that is missing is left out by name."""
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "build/bench"
PEERS = ROOT / "bench/peers"
SITE = BUILT / "site"
RUN = BUILT / "run"

FILES = {"1 KiB": ("1k.bin", 1024), "100 KiB": ("100k.bin", 100 << 10),
         "100 MiB": ("100m.bin", 100 << 20)}


@dataclass(frozen=True)
class Work:
    """What a row asks of a server. `kind`: plaintext, file, ws or udp."""
    kind: str = "plaintext"
    file: str = ""
    close: bool = False
    workers: int = 1

    def path(self):
        if self.kind == "file":
            return "/" + FILES[self.file][0]
        return "/echo" if self.kind == "ws" else "/plaintext"

    def size(self):
        return FILES[self.file][1] if self.file else 13


class Absent(Exception):
    """A server can't take part, and why."""


@dataclass
class Server:
    """One server. command(work, port) gives what to execute; kinds are what it can do."""
    name: str
    family: str                     # ours, floor or peer
    kinds: tuple
    command: object
    version: object = None
    can_close: bool = True
    note: str = ""
    files: dict = field(default_factory=dict)

    def refusal(self, work):
        """Why it can't do this, None when it can."""
        if work.kind not in self.kinds:
            return f"does no {work.kind}"
        try:
            self.command(work, 1)
        except Absent as absent:
            return str(absent)
        return None


def make_site():
    """The files that are served: random, so that nothing can be squeezed or skipped."""
    SITE.mkdir(parents=True, exist_ok=True)
    source = random.Random(1)
    for name, size in FILES.values():
        path = SITE / name
        if not path.exists() or path.stat().st_size != size:
            piece = source.randbytes(min(size, 1 << 20))
            path.write_bytes(piece * (size // len(piece)))
    (SITE / "plaintext").write_bytes(b"Hello, World!")


def content(work):
    """What the answer to a request of this work begins with."""
    if work.kind != "file":
        return b"Hello, World!"
    with open(SITE / FILES[work.file][0], "rb") as file:
        return file.read(1024)


def program(path, how):
    path = ROOT / path
    if not os.access(path, os.X_OK):
        raise Absent(f"{path.relative_to(ROOT)} isn't built ({how})")
    return str(path)


def installed(name):
    found = shutil.which(name, path=machine.search_path())
    if not found:
        raise Absent(f"{name} isn't installed")
    return found


def written(name, text):
    RUN.mkdir(parents=True, exist_ok=True)
    path = RUN / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def httpd(backend, binary="build/httpd"):
    def command(work, port):
        words = [program(binary, "make"), "-w", str(work.workers), "-b", "127.0.0.1", "-p",
                 str(port), "--backend", backend, "--log", "none", "--idle-timeout", "3600"]
        if work.kind == "file":
            words += ["--root", str(SITE)]
        if work.kind == "ws":
            words += ["--ws-echo", "/echo"]
        return words
    return command


def floor_http(loop):
    def command(work, port):
        words = [program(f"build/bench/floor-http-{loop}", "make bench"), str(port)]
        if work.kind == "file":
            words += ["--file", str(SITE / FILES[work.file][0])]
        return words + (["--close"] if work.close else [])
    return command


def floor_ws(loop):
    return lambda work, port: [program(f"build/bench/floor-ws-{loop}", "make bench"), str(port)]


def floor_udp(mode):
    return lambda work, port: [program("build/bench/floor-udp", "make bench"), str(port),
                               "--mode", mode]


NGINX = """
daemon off; worker_processes {workers}; pid {run}/nginx.pid; {user}
worker_rlimit_nofile {descriptors}; error_log {run}/nginx.log crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off; sendfile {sendfile}; tcp_nodelay on; default_type application/octet-stream;
    keepalive_timeout 3600s; keepalive_requests 2000000000; server_tokens off;
    open_file_cache max=100 inactive=3600s; open_file_cache_valid 60s;
    client_body_temp_path {run}/nginx-1; proxy_temp_path {run}/nginx-2;
    fastcgi_temp_path {run}/nginx-3; uwsgi_temp_path {run}/nginx-4; scgi_temp_path {run}/nginx-5;
    server {{
        listen 127.0.0.1:{port} backlog=4096 {reuseport};
        root {site};
        location = /plaintext {{ default_type text/plain; return 200 "Hello, World!"; }}
    }}
}}
"""


def nginx(work, port, sendfile="on"):
    binary = installed("nginx")
    limit = machine.raise_descriptors(0)
    text = NGINX.format(workers=work.workers, run=RUN, port=port, site=SITE, descriptors=limit,
                        connections=limit - 64, user="user root;" if os.getuid() == 0 else "",
                        reuseport="reuseport" if work.workers > 1 else "", sendfile=sendfile)
    return [binary, "-p", str(RUN), "-c", written("nginx.conf", text), "-e", f"{RUN}/nginx.log"]


H2O = """
num-threads: {workers}
max-connections: {connections}
http1-request-timeout: 3600
error-log: {run}/h2o.log
pid-file: {run}/h2o.pid
{user}
listen: {{host: 127.0.0.1, port: {port}}}
hosts:
  "default":
    paths:
      "/":
        file.dir: {site}
        file.send-gzip: OFF
"""


def h2o(work, port):
    binary = installed("h2o")
    text = H2O.format(workers=work.workers, run=RUN, port=port, site=SITE,
                      connections=machine.raise_descriptors(0) - 64,
                      user="user: root" if os.getuid() == 0 else "")
    return [binary, "-m", "worker", "-c", written("h2o.conf", text)]


LIGHTTPD = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{site}"
server.errorlog = "{run}/lighttpd.log"
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 3600
server.max-fds = {descriptors}
server.max-connections = {connections}
server.listen-backlog = 4096
server.event-handler = "linux-sysepoll"
server.network-backend = "sendfile"
server.stat-cache-engine = "simple"
mimetype.assign = ("plaintext" => "text/plain", "" => "application/octet-stream")
"""


def lighttpd(work, port):
    limit = machine.raise_descriptors(0)
    text = LIGHTTPD.format(run=RUN, port=port, site=SITE, descriptors=limit,
                           connections=limit // 2)
    return [installed("lighttpd"), "-D", "-f", written("lighttpd.conf", text)]


HAPROXY = """
global
    nbthread {workers}
    maxconn {connections}
defaults
    mode http
    timeout client 3600s
    timeout http-keep-alive 3600s
    timeout http-request 3600s
    timeout connect 10s
    timeout server 10s
frontend plaintext
    bind 127.0.0.1:{port} backlog 4096
    http-request return status 200 content-type text/plain string "Hello, World!"
"""


def haproxy(work, port):
    text = HAPROXY.format(workers=work.workers, port=port,
                          connections=machine.raise_descriptors(0) // 2 - 64)
    return [installed("haproxy"), "-db", "-f", written("haproxy.conf", text)]


def libuv(work, port):
    return [program("build/bench/libuv-http", "libuv1-dev"), str(port)]


def libwebsockets(work, port):
    return [program("build/bench/lws-echo", "libwebsockets-dev"), str(port)]


def node_http(work, port):
    return [installed("node"), str(PEERS / "node_http.js"), str(port)]


def node_ws(work, port):
    modules = BUILT / "node_modules"
    if not (modules / "ws").exists():
        raise Absent("npm's package ws isn't installed")
    return [installed("node"), str(PEERS / "node_ws.js"), str(port), str(modules)]


def uwebsockets(work, port):
    raise Absent("neither Debian nor npm has it")


def says(*command):
    return lambda: machine.first_line(list(command))


WEB = ("plaintext", "file")
BOTH = ("plaintext", "file", "ws")

SERVERS = {server.name: server for server in (
    Server("httpd uring", "ours", BOTH, httpd("uring"), says("build/httpd", "--version")),
    Server("httpd epoll", "ours", BOTH, httpd("epoll")),
    Server("httpd poll", "ours", BOTH, httpd("poll")),
    Server("httpd unpacked", "ours", BOTH, httpd("uring", "build/httpd.plain"),
           note="build/httpd.plain, the same program before it is packed, on io_uring"),
    Server("floor uring", "floor", WEB, floor_http("uring")),
    Server("floor epoll", "floor", WEB, floor_http("epoll")),
    Server("floor ws uring", "floor", ("ws",), floor_ws("uring")),
    Server("floor ws epoll", "floor", ("ws",), floor_ws("epoll")),
    *(Server(f"floor udp {mode}", "floor", ("udp",), floor_udp(mode))
      for mode in ("recvmmsg", "gro", "uring")),
    Server("nginx", "peer", WEB, nginx, says("nginx", "-v")),
    Server("nginx copying", "peer", ("file",),
           lambda work, port: nginx(work, port, sendfile="off"),
           note="nginx with sendfile off, which is cheaper for small files"),
    Server("h2o", "peer", WEB, h2o, says("h2o", "--version"),
           note="has no canned reply: a cached 13-byte file"),
    Server("lighttpd", "peer", WEB, lighttpd, says("lighttpd", "-v"),
           note="has no canned reply: a cached 13-byte file"),
    Server("haproxy", "peer", ("plaintext",), haproxy, says("haproxy", "-v")),
    Server("libuv", "peer", ("plaintext",), libuv, says("pkg-config", "--modversion", "libuv"),
           can_close=False, note="our loop on libuv: finds the ends of heads, doesn't parse"),
    Server("node", "peer", ("plaintext",), node_http, says("node", "--version")),
    Server("libwebsockets", "peer", ("ws",), libwebsockets,
           says("pkg-config", "--modversion", "libwebsockets")),
    Server("node ws", "peer", ("ws",), node_ws,
           says("node", "-p", f"require('{BUILT}/node_modules/ws/package.json').version")),
    Server("uWebSockets", "peer", ("ws",), uwebsockets),
)}


def free_port():
    """A port that nothing listens on and that the kernel gives to no outgoing connection."""
    for _ in range(100):
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def listens(port, kind="tcp"):
    """Whether something listens. The kernel's table of TCP has the listening sockets first; a UDP
    socket that is bound has the state of a closed one."""
    waiting = {"tcp": "0A", "udp": "07"}[kind]
    with open(f"/proc/net/{kind}", encoding="ascii") as table:
        next(table)
        for line in table:
            fields = line.split()
            if fields[3] != waiting and kind == "tcp":
                return False
            if fields[3] == waiting and int(fields[1].rsplit(":", 1)[1], 16) == port:
                return True
    return False


def fetch(port, path):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request("GET", path)
        return client.getresponse().read()
    except http.client.HTTPException as error:
        raise RuntimeError(repr(error)) from None
    finally:
        client.close()


class Running:
    """A server that runs on its own processor; ended with all its children at the block's end."""

    def __init__(self, server, work, cores, command=None, port=None):
        self.server, self.work = server, work
        self.port = port or free_port()
        self.command = command or server.command(work, self.port)
        self.cores = cores
        self.process = None
        self.log = RUN / "server.log"

    def __enter__(self):
        RUN.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
                preexec_fn=machine.placed(self.cores))
        try:
            self.wait()
        except BaseException:
            self.end()
            raise
        return self

    def wait(self, seconds=20):
        deadline = time.monotonic() + seconds
        while not listens(self.port, "udp" if self.work.kind == "udp" else "tcp"):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.server.name} ended at once: {self.said()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.server.name} didn't listen within {seconds} s")
            time.sleep(0.002)
        time.sleep(0.05)    # what a server still does after listen() isn't part of a request
        self.pids = machine.family(self.process.pid)

    def said(self):
        return machine.text_of(self.log).strip().replace("\n", " | ")[-160:] or "no word"

    def url(self):
        if self.work.kind == "udp":
            return f"udp://127.0.0.1:{self.port}"
        scheme = "ws" if self.work.kind == "ws" else "http"
        return f"{scheme}://127.0.0.1:{self.port}{self.work.path()}"

    def cpu(self):
        return machine.cpu_seconds(self.pids)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                pass
            except BaseException:
                self.kill()
                raise
        self.kill()

    def kill(self):
        """The session is its own: whatever of it is still there ends."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def __exit__(self, *_):
        self.end()


if __name__ == "__main__":
    # servers.py NAME KIND [FILE]: runs one until ^C, to look at by hand.
    make_site()
    chosen = Work(sys.argv[2], *sys.argv[3:4])
    with Running(SERVERS[sys.argv[1]], chosen, os.sched_getaffinity(0)) as running:
        print(running.url(), running.pids, flush=True)
        running.process.wait()
