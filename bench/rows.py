"""The rows of the benchmark and the targets: both are tables, and a new one is a line in them."""
from dataclasses import dataclass, replace

from loads import Load
from servers import Work

HTTPD = ("httpd uring", "httpd epoll")
FLOOR = ("floor uring", "floor epoll")
FLOOR_UDP = ("floor udp recvmmsg", "floor udp gro", "floor udp uring")
FLOOR_WS = ("floor ws uring", "floor ws epoll")
FILE_PEERS = ("nginx", "h2o", "lighttpd")
PEERS = (*FILE_PEERS, "haproxy", "libuv", "node")
WS_PEERS = ("libwebsockets", "node ws", "uWebSockets")

MICROSECONDS = "CPU µs per request"


@dataclass(frozen=True)
class Subject:
    """A server in a row; a variant of it has a name and what is different."""
    server: str
    variant: str = ""
    workers: int = 1
    idle: int = 0           # connections that are open beside the busy ones
    everywhere: bool = False   # may run on all processors, and so may the load

    @property
    def label(self):
        return f"{self.server}, {self.variant}" if self.variant else self.server


@dataclass(frozen=True)
class Row:
    """`how`: timed (rounds under load), or the name of a measurement of special.py. A row's figures
    are judged by `metric`."""
    key: str
    title: str
    group: str
    subjects: tuple
    work: Work = Work()
    load: Load = Load()
    how: str = "timed"
    metric: str = "cpu_us"
    unit: str = MICROSECONDS
    count: int = 0
    quick: bool = False
    note: str = ""


def subjects(*names):
    return tuple(Subject(name) for name in names)


def pairs(**difference):
    """Both of ours, each without and with a difference."""
    return tuple(subject for name in HTTPD
                 for subject in (Subject(name, everywhere=difference.get("everywhere", False)),
                                 Subject(name, **difference)))


RUNNEL = Load("runnel-bench")

ROWS = (
    Row("plaintext-64", "Plaintext, keep-alive, 64 connections", "http",
        subjects(*HTTPD, "httpd poll", *FLOOR, *PEERS), quick=True),
    Row("plaintext-64-spin", "Plaintext, 64 connections, load that never sleeps", "http",
        subjects(*HTTPD, *FLOOR, *PEERS), load=replace(RUNNEL, spin=True)),
    Row("plaintext-64-h2load", "Plaintext, 64 connections, another load that sleeps", "http",
        subjects(*HTTPD, *FLOOR, "nginx", "libuv"), load=Load("h2load")),
    Row("plaintext-512", "Plaintext, keep-alive, 512 connections", "http",
        subjects(*HTTPD, *FLOOR, *PEERS), load=Load(connections=512)),
    Row("pipelined-16", "Plaintext, pipelined by 16, 64 connections", "http",
        subjects(*HTTPD, *FLOOR, *PEERS), load=replace(RUNNEL, pipeline=16), quick=True),
    Row("latency-half", "Latency at 50 % load, 64 connections", "http",
        subjects(*HTTPD, *FLOOR, *PEERS), load=RUNNEL, metric="p99", unit="p99, µs",
        note="open loop; the rate is half of the lowest throughput that our servers and the floor "
        "had with 64 connections, the same for all: one that can't carry it is left out"),
    Row("workers", "Two workers against one, 64 connections", "http",
        pairs(variant="2 workers", workers=2, everywhere=True),
        load=replace(RUNNEL, pipeline=4),
        note="server and load may use every processor in both cases"),
    Row("instructions", "User-space instructions for one plaintext request", "http",
        subjects(*HTTPD), how="instructions", metric="value", unit="instructions"),
    Row("file-1k", "Static file of 1 KiB, 64 connections", "static",
        subjects(*HTTPD, *FLOOR, *FILE_PEERS, "nginx copying"), Work("file", "1 KiB"), RUNNEL,
        quick=True),
    Row("file-100k", "Static file of 100 KiB, 64 connections", "static",
        subjects(*HTTPD, *FLOOR, *FILE_PEERS), Work("file", "100 KiB"), RUNNEL),
    Row("file-100m", "Static file of 100 MiB, 4 connections", "static",
        subjects(*HTTPD, *FLOOR, *FILE_PEERS), Work("file", "100 MiB"),
        replace(RUNNEL, connections=4)),
    Row("close", "A new connection for each request, 64 at a time", "conns",
        subjects(*HTTPD, *FLOOR, *FILE_PEERS, "haproxy", "node"), Work(close=True),
        Load(close=True)),
    Row("busy-10k", "10,000 connections, 64 of them busy", "conns",
        pairs(variant="10,000 open", idle=9936), load=RUNNEL),
    Row("udp", "UDP echo, 64 senders (the floor alone, for information)", "conns",
        subjects(*FLOOR_UDP), Work("udp"), replace(RUNNEL, message=64),
        unit="CPU µs per datagram"),
    Row("udp-burst", "UDP echo, bursts of 32 from one sender (the floor alone, for information)",
        "conns", subjects(*FLOOR_UDP), Work("udp"),
        replace(RUNNEL, connections=1, pipeline=32, message=1200, gso=True),
        unit="CPU µs per datagram"),
    Row("ws-20", "WebSocket echo, 20 bytes, 100 connections", "ws",
        subjects(*HTTPD, "httpd poll", *FLOOR_WS, *WS_PEERS), Work("ws"),
        replace(RUNNEL, connections=100, message=20), quick=True, unit="CPU µs per message"),
    Row("ws-16k", "WebSocket echo, 16 KiB, 100 connections", "ws",
        subjects(*HTTPD, *FLOOR_WS, *WS_PEERS), Work("ws"),
        replace(RUNNEL, connections=100, message=16384), unit="CPU µs per message"),
    *(Row(f"idle-{kind}-{count}", f"Memory of {count:,} idle {name} connections", "idle",
          subjects(*HTTPD, "httpd poll", *peers), Work(work), how="idle", metric="value",
          unit="bytes of RSS per connection", count=count)
      for count in (10000, 100000)
      for kind, name, work, peers in (
          ("http", "keep-alive", "plaintext", ("nginx", "libuv")),
          ("ws", "WebSocket", "ws", ("libwebsockets", "node ws")))),
    Row("start", "From exec to the first connection", "idle",
        subjects(*HTTPD, "httpd unpacked", *FLOOR, *PEERS), how="start", metric="value", unit="ms",
        count=5),
)


@dataclass(frozen=True)
class Target:
    """A limit for one of ours in a row. `against`: the best floor, the best peer, a server by name,
    "self" (the same server without the variant), or "" for the figure itself. `of`: the metric,
    when it isn't the row's; a target of throughput is a lower bound, others are upper ones."""
    row: str
    against: str
    limit: float
    of: str = ""
    below: bool = False     # the limit itself isn't allowed

    def text(self):
        sign = "≥" if self.of == "rps" else "<" if self.below else "≤"
        what = {"floor": "× the floor", "peer": "× the best peer", "": "",
                "self": "× the same without"}.get(self.against, f"× {self.against}")
        return f"{sign} {self.limit:g}{' ' + what if what else ''}" + \
            (" in throughput" if self.of == "rps" else "")


def floor_and_peers(row, limit):
    return Target(row, "floor", limit), Target(row, "peer", 1, below=True)


TARGETS = (
    *floor_and_peers("plaintext-64", 1.06),
    *floor_and_peers("plaintext-64-spin", 1.06),
    *floor_and_peers("plaintext-64-h2load", 1.06),
    *floor_and_peers("plaintext-512", 1.06),
    *floor_and_peers("pipelined-16", 1.30),
    Target("pipelined-16", "nginx", 10, of="rps"),
    Target("latency-half", "peer", 1),
    Target("workers", "self", 1.05),
    Target("instructions", "", 900),
    Target("file-1k", "floor", 1.08),
    Target("file-1k", "nginx", 0.55),
    Target("file-100k", "floor", 1.05),
    Target("file-100k", "nginx", 1),
    Target("file-100m", "floor", 1.05),
    Target("file-100m", "nginx", 1),
    Target("close", "floor", 1.10),
    Target("close", "nginx", 1, below=True),
    Target("busy-10k", "self", 1.15),
    *floor_and_peers("ws-20", 1.10),
    *floor_and_peers("ws-16k", 1.15),
    *(Target(row.key, "", 400) for row in ROWS if row.how == "idle"),
)
