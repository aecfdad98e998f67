"""The examples that use the protocol machines by hand, without the runtime."""
import contextlib
import re
import socket
import struct
import subprocess
import threading

from bed import EXAMPLES, PATIENCE, run, serving

ZONE = """\
# one of each
example.org 3600 SOA ns.example.org hostmaster.example.org 1 7200 900 86400 60
example.org 300 NS ns.example.org
example.org 300 MX 10 mail.example.org
www.example.org 300 A 192.0.2.1
www.example.org 300 AAAA 2001:db8::1
alias.example.org 60 CNAME www.example.org
loop.example.org 60 CNAME loop.example.org
text.example.org 60 TXT say "hello"
_sip._udp.example.org 60 SRV 1 2 5060 www.example.org
""" + "".join(f"many.example.org 60 TXT {number:0200}\n" for number in range(40))


@contextlib.contextmanager
def zone_served(tmp_path):
    (tmp_path / "zone").write_text(ZONE)
    with serving("dns_server", "127.0.0.1:0", "example.org", tmp_path / "zone") as port:
        yield port


def dig(*arguments):
    return run("dns_dig", *arguments).stdout.splitlines()


def test_dns_server_and_dns_dig(tmp_path):
    opt = "additional: . 0 OPT \\# 0 "
    soa = "example.org 3600 SOA ns.example.org hostmaster.example.org 1 7200 900 86400 60"
    with zone_served(tmp_path) as port:
        server = f"127.0.0.1:{port}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for nonsense in (b"", b"x", bytes(12), b"\xff" * 600,
                             struct.pack("!6H", 1, 0, 9, 9, 9, 9)):
                stranger.sendto(nonsense, ("127.0.0.1", port))
        for name, answers in {
                "www.example.org A": ["www.example.org 300 A 192.0.2.1"],
                "example.org MX": ["example.org 300 MX 10 mail.example.org"],
                "example.org NS": ["example.org 300 NS ns.example.org"],
                "example.org SOA": [soa],
                "text.example.org TXT": ['text.example.org 60 TXT "say "hello"" '],
                "_sip._udp.example.org TYPE33": ["_sip._udp.example.org 60 SRV 1 2 5060 "
                                                 "www.example.org"],
                "WWW.Example.Org AAAA": ["www.example.org 300 AAAA 2001:db8::1"],
                "alias.example.org AAAA": ["alias.example.org 60 CNAME www.example.org",
                                           "www.example.org 300 AAAA 2001:db8::1"],
                "loop.example.org A": ["loop.example.org 60 CNAME loop.example.org"] * 16,
        }.items():
            lines = dig(server, *name.split())
            assert lines[0] == "rcode 0, authoritative" and lines[-1] == opt
            assert lines[2:-1] == [f"answer: {answer}" for answer in answers]
        assert dig(server, "many.example.org", "TXT") == [
            "rcode 0, authoritative, truncated", "question: many.example.org TXT", opt]
        for name, status in (("www.example.org TXT", 0), ("nobody.example.org", 3)):
            lines = dig(server, *name.split())
            assert lines[0] == f"rcode {status}, authoritative"
            assert lines[2:] == [f"authority: {soa}", opt]
        assert dig(server, "xexample.org")[0] == "rcode 5"


def test_dns_server_refuses_a_bad_zone(tmp_path):
    for text in ("example.org 1 A 192.0.2.1\n", "example.org 1 SOA a\n", ZONE + "a..b 1 A 1.1.1.1\n"
                 "", ZONE + "a 1 A 1.1.1\n", ZONE + "a 1 SVCB x\n", ZONE + "a 1 TXT x\n" * 1000):
        (tmp_path / "zone").write_text(text)
        done = run("dns_server", "127.0.0.1:0", "example.org", tmp_path / "zone", check=False)
        assert done.returncode == 1 and done.stderr


def message(flags=0x8180, question=b"\3www\0\0\1\0\1", answers=()):
    return struct.pack("!6H", 1, flags, 1, len(answers), 0, 0) + question + b"".join(answers)


def record(kind, data, name=b"\xc0\x0c"):
    return name + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def dump(data):
    done = subprocess.run([EXAMPLES / "dns_dig", "-", "www"], input=data, capture_output=True,
                          timeout=PATIENCE, check=False)
    return done.returncode, (done.stdout + done.stderr).decode().splitlines()


def test_dns_dig_shows_a_message():
    code, lines = dump(message(answers=[
        record(39, b"\3new\xc0\x0c"), record(16, b"\4\x1b[2J\2ok"), record(99, b"\1\xff"),
        record(1, b"\x7f\0\0\1", name=b"\5other\0")]))
    assert code == 0
    assert lines == ["rcode 0", "question: www A", "answer: www 60 TYPE39 new.www",
                     'answer: www 60 TXT "\\027[2J" "ok" ', "answer: www 60 TYPE99 \\# 2 01ff",
                     "answer: other 60 A 127.0.0.1"]
    assert dump(message(question=b"\1x\0\0\1\0\1"))[1][1] == "question: x A, which nobody asked"


def test_dns_dig_refuses_what_is_no_message():
    for data in (b"", message()[:-1], message(question=b"\xc0\x0c\0\1\0\1"),
                 message(answers=[record(1, b"\1\2\3")]), message(answers=[record(5, b"\xc0\xff")]),
                 message(answers=[record(39, b"\3cut")])):
        code, lines = dump(data)
        assert code == 1
        assert lines[-1].endswith("the peer broke the protocol (RN_E_PROTOCOL)"), lines
    for arguments in (("127.0.0.1", "a..b"), ("127.0.0.1", "a", "NONE"), ("nowhere", "a"), ()):
        assert run("dns_dig", *arguments, check=False).returncode == 1


def look_up(tmp_path, config, name, hosts="127.0.0.9 me\n::9 me\n"):
    (tmp_path / "resolv.conf").write_text(config)
    (tmp_path / "hosts").write_text(hosts)
    return run("dns_lookup", name, tmp_path / "resolv.conf", tmp_path / "hosts", check=False)


def test_dns_lookup(tmp_path):
    with zone_served(tmp_path) as port, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config = f"nameserver 127.0.0.1:{closed.getsockname()[1]}\nnameserver 127.0.0.1:{port}\n" \
                 "search example.org\noptions timeout:1\n"
        assert look_up(tmp_path, config, "me").stdout == "127.0.0.9 from the hosts file\n" \
                                                         "::9 from the hosts file\n"
        for name in ("www", "www.example.org", "alias"):
            assert re.fullmatch(r"2001:db8::1 for \d+ s\n192\.0\.2\.1 for \d+ s\n",
                                look_up(tmp_path, config, name).stdout)
        done = look_up(tmp_path, config, "text.example.org.")
        assert done.stderr == "text.example.org.: the name has no address (RN_E_NO_DATA)\n"
        done = look_up(tmp_path, config, "no.example.org.")
        assert done.stderr == "no.example.org.: no such name (RN_E_NO_NAME)\n"
        done = look_up(tmp_path, config, "loop.example.org.")
        assert done.stderr.endswith("(RN_E_NAME_SERVER)\n")
    assert look_up(tmp_path, config, "a..b").stderr.endswith("(RN_E_MISUSE)\n")


def one_port():
    """A UDP and a listening TCP socket at the same port, which others may have in use."""
    for _ in range(100):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        with contextlib.suppress(OSError):
            return udp, socket.create_server(udp.getsockname())
        udp.close()
    raise AssertionError("no port is free for both")


def test_dns_lookup_by_tcp_and_past_forged_answers(tmp_path):
    """By UDP answers come cut, behind forged ones; by TCP whole, in pieces."""
    udp, tcp = one_port()

    def answer(query, flags, answers=()):
        end = 12 + query[12:].index(b"\0") + 5
        head = query[:2] + struct.pack("!5H", 0x8180 | flags, 1, len(answers), 0, 0)
        return head + query[12:end] + b"".join(answers), query[end - 3]

    def serve():
        for _ in range(2):
            query, peer = udp.recvfrom(600)
            forged = bytes([query[0] ^ 1]) + answer(query, 0, [record(1, b"evil")])[0][1:]
            udp.sendto(forged, peer)
            udp.sendto(b"?", peer)
            udp.sendto(answer(query, 0x200)[0], peer)
            connection = tcp.accept()[0]
            query = connection.recv(600)[2:]
            whole, kind = answer(query, 0)
            if kind == 1:
                whole = answer(query, 0, [record(1, bytes([127, 0, 0, i])) for i in range(4)])[0]
            for piece in (struct.pack("!H", len(whole)), whole[:9], whole[9:]):
                connection.sendall(piece)
            connection.close()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    done = look_up(tmp_path, f"nameserver 127.0.0.1:{udp.getsockname()[1]}\noptions timeout:30\n",
                   "www.example.org")
    assert done.stdout == "".join(f"127.0.0.{i} for 60 s\n" for i in range(4)), done.stderr
    server.join(PATIENCE)
    udp.close()
    tcp.close()
