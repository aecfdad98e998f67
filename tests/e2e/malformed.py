"""Fifty servers that break the rules, each by its own name: what it sends, the exit code that is
due, and a word that the one line of complaint must have."""
import itertools
import socket
import struct

NETWORK, TLS, PROTOCOL, SERVER = 4, 5, 7, 8
OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n"


def head(*lines):
    return OK + "".join(line + "\r\n" for line in lines) + "\r\nhello"


def redirect(location):
    return f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n"


def endless(start, piece, pieces=200_000):
    """What goes on until the client has had enough; bounded all the same."""
    def answer(connection, request):
        connection.sendall(start.encode())
        block = piece.encode() * 100
        for _ in itertools.repeat(None, pieces // 100):
            connection.sendall(block)
        connection.close()
    return answer


def reset(text):
    def answer(connection, request):
        connection.sendall(text.encode())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    return answer


def silence(text):
    """Says that, and then nothing until the client goes."""
    def answer(connection, request):
        connection.sendall(text.encode())
        connection.recv(1)
        connection.close()
    return answer


MALFORMED = {
    # The status line.
    "nothing but an empty line": ("\r\n\r\n", PROTOCOL, "head"),
    "another protocol": ("SSH-2.0-OpenSSH_9.2p1\r\n\r\n", PROTOCOL, "head"),
    "no head at all": ("<html>hello, this is HTTP/0.9</html>\r\n\r\n", PROTOCOL, "head"),
    "a typo in the protocol": ("HTP/1.1 200 OK\r\n\r\n", PROTOCOL, "head"),
    "another major version": ("HTTP/2.0 200 OK\r\n\r\n", PROTOCOL, "version"),
    "a status of two digits": ("HTTP/1.1 20 OK\r\n\r\n", PROTOCOL, "head"),
    "a status of four digits": ("HTTP/1.1 2000 OK\r\n\r\n", PROTOCOL, "head"),
    "a status in letters": ("HTTP/1.1 two OK\r\n\r\n", PROTOCOL, "head"),
    "a status below 100": ("HTTP/1.1 099 Low\r\n\r\n", PROTOCOL, "head"),
    # The fields.
    "lines without a carriage return": ("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", PROTOCOL,
                                        "head"),
    "a blank before the colon": (head("Content-Length : 5"), PROTOCOL, "head"),
    "a folded line": (head("X-A: b", " c", "Content-Length: 5"), PROTOCOL, "head"),
    "a field without a colon": (head("Content-Length 5"), PROTOCOL, "head"),
    "a field without a name": (head(": 5"), PROTOCOL, "head"),
    "a NUL in a value": (head("X-A: b\0c", "Content-Length: 5"), PROTOCOL, "head"),
    "a lone carriage return in a value": (head("X-A: b\rc", "Content-Length: 5"), PROTOCOL, "head"),
    "more fields than fit": (head(*(f"X-{i}: {i}" for i in range(100))), PROTOCOL, "too long"),
    "a field of 20,000 bytes": (head("X-A: " + "b" * 20000), PROTOCOL, "too long"),
    "fields without end": (endless(OK, "X-Bomb: boom\r\n"), PROTOCOL, "too long"),
    "a value without end": (endless(OK + "X-Bomb: ", "boom"), PROTOCOL, "too long"),
    # The framing.
    "a length in words": (head("Content-Length: five"), PROTOCOL, "head"),
    "a negative length": (head("Content-Length: -5"), PROTOCOL, "head"),
    "a length with a sign": (head("Content-Length: +5"), PROTOCOL, "head"),
    "a length over 2^63": (head("Content-Length: 9223372036854775808"), PROTOCOL, "head"),
    "a length of 40 digits": (head("Content-Length: " + "1" * 40), PROTOCOL, "head"),
    "two lengths": (head("Content-Length: 5", "Content-Length: 6"), PROTOCOL, "head"),
    "a list of lengths": (head("Content-Length: 5, 6"), PROTOCOL, "head"),
    "both framings": (head("Content-Length: 5", "Transfer-Encoding: chunked"), PROTOCOL, "head"),
    "chunked before another coding": (head("Transfer-Encoding: chunked, gzip"), PROTOCOL, ""),
    "a coding that nobody asked for": (head("Transfer-Encoding: gzip"), PROTOCOL, "coding"),
    "chunks in HTTP/1.0": ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                           PROTOCOL, "head"),
    # Chunks.
    "a chunk's size in letters": (CHUNKED + "xyz\r\nhello\r\n0\r\n\r\n", PROTOCOL, "chunk"),
    "a chunk without a size": (CHUNKED + "\r\nhello\r\n0\r\n\r\n", PROTOCOL, "chunk"),
    "a negative chunk": (CHUNKED + "-5\r\nhello\r\n0\r\n\r\n", PROTOCOL, "chunk"),
    "a chunk's size of 17 digits": (CHUNKED + "1" * 17 + "\r\nhello", PROTOCOL, "chunk"),
    "a chunk that is longer than its size": (CHUNKED + "5\r\nhello, world\r\n0\r\n\r\n", PROTOCOL,
                                             "chunk"),
    "a chunk's extension without end": (endless(CHUNKED + "5;", "a=b;"), PROTOCOL, "chunk"),
    "a trailer without end": (endless(CHUNKED + "0\r\n", "X-Bomb: boom\r\n"), PROTOCOL, "trailer"),
    # What comes before the response, and never stops to.
    "1xx without end": (endless("", "HTTP/1.1 100 Continue\r\n\r\n"), PROTOCOL, "head"),
    "another protocol that nobody asked for": (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", PROTOCOL,
        ""),
    "a part that nobody asked for": (
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-6/9\r\nContent-Length: 5\r\n\r\n"
        "hello", PROTOCOL, "206"),
    # Too little.
    "the end at once": ("", NETWORK, "ended"),
    "the end in the status line": ("HTTP/1.1 20", NETWORK, "ended"),
    "the end in the head": (OK + "Content-Le", NETWORK, "ended"),
    "fewer bytes than announced": (OK + "Content-Length: 50\r\n\r\nhello", NETWORK, "45 bytes"),
    "no last chunk": (CHUNKED + "5\r\nhello\r\n", NETWORK, "ended"),
    "the end in a chunk": (CHUNKED + "ff\r\nhello", NETWORK, "ended"),
    "a reset in the content": (reset(OK + "Content-Length: 50\r\n\r\nhello"), NETWORK, ""),
    "silence": (silence(""), NETWORK, "in time"),
    "silence in the content": (silence(OK + "Content-Length: 50\r\n\r\nhello"), NETWORK, "in time"),
    # Redirects.
    "a redirect to itself": (redirect("/file"), SERVER, "redirects"),
    "a redirect to nowhere": ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", SERVER,
                              "302"),
    "a redirect to half an address": (redirect("http://[::1/file"), PROTOCOL, "redirect"),
    "a redirect with a password": (redirect("http://you:secret@127.0.0.1/"), PROTOCOL, "redirect"),
    "a redirect to a mailbox": (redirect("mailto:you@example.com"), PROTOCOL, "redirect"),
    "a redirect to TLS": (redirect("https://127.0.0.1/file"), TLS, "TLS"),
}
