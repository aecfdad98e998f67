"""The examples of the HTTP server."""
import re
import time

from bed import DATA, PATIENCE, client, dial, run


def at(port):
    return ("127.0.0.1", port)


def test_mirror(start):
    port = start("http_mirror")
    with client.Connection(at(port)) as connection:
        answer = connection.exchange("PURGE", "/a%20b/c?d=e&f", [("X-One", "1"), ("x-one", "2")],
                                     b"a body\r\n\0")
        assert (answer.status, answer.header("Cache-Control")) == (200, "no-store")
        assert re.fullmatch(rb"method: PURGE\npath:   /a%20b/c\nquery:  d=e&f\n"
                            rb"from:   127\.0\.0\.1:\d+\n\n"
                            rb"Host: localhost\nX-One: 1\nx-one: 2\nContent-Length: 9\n\n"
                            rb"a body\r\n\0", answer.body)
        # A page takes a place of its own in the output: those behind it wait, and none is lost.
        connection.send(client.request(target="/1") * 20 + client.request("HEAD", "/2"))
        for _ in range(20):
            assert b"path:   /1\n" in connection.read_response().body
        assert int(connection.read_response("HEAD").header("Content-Length")) > 50


def test_mirror_of_a_body(start):
    port = start("http_mirror")
    with client.Connection(at(port)) as connection:
        answer = connection.exchange("POST", "/body", [("Content-Type", "image/png")], DATA[:30000])
        assert (answer.media_type(), answer.body) == ("image/png", DATA[:30000])
        answer = connection.exchange("GET", "/body")
        assert (answer.media_type(), answer.body) == ("application/octet-stream", b"")
        answer = connection.exchange("PUT", "/body", [("Content-Type", "x/" + "y" * 200)], b"!")
        assert (answer.media_type(), answer.body) == ("application/octet-stream", b"!")
    assert client.fetch(at(port), "POST", "/body", body=DATA[:40000]).status == 413


def test_files(start, tmp_path):
    port = start("http_files", tmp_path)
    for name, content in (("large", DATA * 5), ("empty", b""), ("a%20b", b"tea"), ("large", DATA)):
        with client.Connection(at(port)) as connection:
            if not content:  # no body at all is an empty file
                assert connection.exchange("PUT", f"/{name}").status == 201
            elif name == "large":
                connection.send(client.request("PUT", f"/{name}", [
                    ("Transfer-Encoding", "chunked")]) + client.chunked(content, 50000))
                assert connection.read_response().status == 201
            else:
                assert connection.exchange("PUT", f"/{name}", body=content).status == 201
            assert (tmp_path / name).read_bytes() == content
            connection.send(client.request("HEAD", f"/{name}") +
                            client.request(target=f"/{name}") * 3)
            head = connection.read_response("HEAD")
            assert (head.status, head.header("Content-Length")) == (200, str(len(content)))
            assert [connection.read_response().body for _ in range(3)] == [content] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a%20b", "empty", "large"]


def test_files_refused(start, tmp_path):
    port = start("http_files", tmp_path)
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name in ("none", "directory", "link"):
        assert client.fetch(at(port), target=f"/{name}").status == 404
    for name in (".hidden", "x" * 101):
        assert client.fetch(at(port), target=f"/{name}").status == 400
        assert client.fetch(at(port), "PUT", f"/{name}", body=b"x").status == 400
    assert client.fetch(at(port), "PUT", "/directory", body=b"x").status == 500
    assert client.fetch(at(port), "DELETE", "/none").status == 405
    # Nothing stays of an upload whose client goes away.
    with client.Connection(at(port)) as connection:
        connection.send(client.request("PUT", "/half", [("Content-Length", "1000")]) + b"half")
        connection.finish_sending()
        connection.read_to_end()
    end = time.monotonic() + PATIENCE
    while list(tmp_path.glob(".*")) and time.monotonic() < end:
        time.sleep(0.01)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "link"]
    done = run("http_files", "127.0.0.1:0", "auto", tmp_path / "none", check=False)
    assert (done.returncode, done.stderr) == (
        1, f"{tmp_path}/none: no such file or directory\n")


def test_export(start):
    port = start("http_export")
    for rows in (0, 1, 10, 300000):
        with client.Connection(at(port)) as connection:
            connection.send(client.request(target=f"/squares.csv?rows={rows}") * 2)
            for _ in range(2):
                answer = connection.read_response()
                assert (answer.status, answer.media_type()) == (200, "text/csv")
                assert answer.body == b"".join(b"%d,%d\n" % (row, row * row)
                                               for row in range(1, rows + 1))
    head = client.fetch(at(port), "HEAD", "/squares.csv?rows=999999999")
    assert (head.status, head.body) == (200, b"")
    for query in ("row=1", "rows=", "rows=x", "rows=1000000000"):
        assert client.fetch(at(port), target=f"/squares.csv?{query}").status == 400
    with dial(port) as rude:  # goes away in the middle, and the others are served
        rude.sendall(client.request(target="/squares.csv?rows=999999999"))
        rude.recv(1000)
    assert client.fetch(at(port), target="/squares.csv").body.endswith(b"10,100\n")


def test_votes(start):
    port = start("http_votes")
    viewers = [client.WebSocket(at(port), "/tea/live") for _ in range(3)]
    assert [viewer.read_message() for viewer in viewers] == [(client.TEXT, b"0")] * 3
    assert client.fetch(at(port), "POST", "/tea").body == b"1\n"
    assert [viewer.read_message() for viewer in viewers] == [(client.TEXT, b"1")] * 3
    viewers[0].send(client.BINARY, b"any message")
    assert [viewer.read_message() for viewer in viewers] == [(client.TEXT, b"2")] * 3
    assert client.fetch(at(port), target="/coffee").body == b"0\n"
    assert client.fetch(at(port), "POST", "/coffee").body == b"1\n"
    assert client.fetch(at(port), target="/tea").body == b"2\n"
    assert viewers.pop(1).close() == 1000
    viewers.pop(0).connection.reset()
    for _ in range(50):
        client.fetch(at(port), "POST", "/tea")
    counts = [b"2"]
    while counts[-1] != b"52":  # some may be told together, but none goes back
        counts.append(viewers[0].read_message()[1])
        assert int(counts[-1]) > int(counts[-2])
    assert viewers[0].close() == 1000
