"""Static files under --root: types, redirects, conditions, encodings, policy, sending."""
import gzip
import hashlib
import html
import os
import random
import re
import signal
import time
import urllib.parse
from email.utils import formatdate, parsedate_to_datetime

import pytest

from client import Closed, Connection, fetch, request
from server import ROOT, become_nobody, wait_until

MEBIBYTE = 1 << 20
OLD = 1_600_000_000
SECRET = b"the secret outside of the root"
PAGE = b"<!doctype html><title>index</title>"
TEXT = bytes(range(32, 127)) * 20


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "bare").mkdir()
    (root / "index.html").write_bytes(PAGE)
    (root / "sub" / "index.html").write_bytes(b"sub " + PAGE)
    (root / "sub" / "deep" / "note.txt").write_bytes(b"deep note")
    (root / "text.txt").write_bytes(TEXT)
    (root / "bare" / "file.txt").write_bytes(b"in a bare directory")
    (root / "empty.txt").write_bytes(b"")
    (root / ".hidden").write_bytes(SECRET)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(SECRET)
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "site-secret").mkdir()
    (tmp_path / "site-secret" / "a.txt").write_bytes(SECRET)
    for path in [root, *root.rglob("*")]:
        os.utime(path, (OLD, OLD))
    return root


@pytest.fixture
def server(httpd, site):
    return httpd("--root", site, workers=2)


def get(server, target, headers=(), method="GET"):
    return fetch(server.address, method, target, headers)


def put(path, data, when=OLD):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (when, when))


def test_file(server):
    response = get(server, "/text.txt")
    assert response.status == 200
    assert response.body == TEXT
    assert response.header("Content-Length") == str(len(TEXT))
    assert response.media_type() == "text/plain"
    assert response.header("Accept-Ranges") == "bytes"
    assert response.header("ETag")
    assert parsedate_to_datetime(response.header("Last-Modified")).timestamp() == OLD


def test_head(server):
    full, head = get(server, "/text.txt"), get(server, "/text.txt", method="HEAD")
    for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"):
        assert head.header(name) == full.header(name)


def test_index(server):
    for target, body in (("/", PAGE), ("/sub/", b"sub " + PAGE), ("/?query", PAGE)):
        response = get(server, target)
        assert (response.status, response.body) == (200, body)
        assert response.media_type() == "text/html"


@pytest.mark.parametrize("target,place", [
    ("/sub", "/sub/"), ("/sub/deep", "/sub/deep/"), ("/sub?a=b&c", "/sub/?a=b&c"),
    ("/bare", "/bare/")])
def test_directory_without_its_slash(server, target, place):
    response = get(server, target)
    assert response.status == 301
    location = urllib.parse.urlsplit(response.header("Location"))
    assert location.netloc in ("", "localhost")
    assert urllib.parse.urlunsplit(("", "", location.path, location.query, "")) == place


def test_redirect_can_not_lead_elsewhere(server, site):
    (site / "elsewhere.example").mkdir()
    for target in ("//elsewhere.example", "//elsewhere.example/%2f..", "/%2felsewhere.example",
                   "/\\elsewhere.example"):
        response = get(server, target)
        location = response.header("Location", "/")
        assert not re.match(r"(\w+:)?[/\\]{2}(?!localhost/)", location), location


def test_file_with_a_slash(server):
    assert get(server, "/text.txt/").status == 404


def test_directory_without_an_index(server):
    assert get(server, "/bare/").status in (403, 404)


def test_missing(server):
    for target in ("/missing", "/sub/missing", "/missing/deeper", "/sub/deep/note.txt/deeper"):
        assert get(server, target).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_method_not_allowed(server, method):
    response = fetch(server.address, method, "/text.txt", body=b"")
    assert response.status == 405
    assert {token.strip() for token in response.header("Allow").split(",")} >= {"GET", "HEAD"}


def test_file_without_permission(httpd, public):
    for name, mode in (("open.txt", 0o644), ("shut.txt", 0)):
        (public / name).write_bytes(SECRET)
        (public / name).chmod(mode)
    server = httpd("--root", public, program=[str(public / "httpd")], steps=[become_nobody])
    assert get(server, "/open.txt").status == 200
    assert get(server, "/shut.txt").status in (403, 404)


def test_special_files_are_refused(server, site):
    os.mkfifo(site / "pipe")
    assert get(server, "/pipe").status in (403, 404)


NAMES = ["with space.txt", "a+b.txt", "per%20cent.txt", "question?.txt", "hash#.txt", "häß€😀.txt",
         "quote\"'.txt", "<tag>&amp;.txt", "semi;colon:.txt", "[1]{2}.txt", "back\\slash.txt",
         "n" * 200 + ".txt", "...three", "tilde~", "a..b", "end.", "=,@!$&'()*"]


@pytest.mark.parametrize("name", NAMES)
def test_odd_names(server, site, name):
    data = name.encode() + b" content"
    put(site / "odd" / name, data)
    target = "/odd/" + urllib.parse.quote(name, safe="")
    response = get(server, target)
    if name.startswith("."):
        assert response.status in (403, 404)
    else:
        assert (response.status, response.body) == (200, data)


def test_percent_encoding_is_decoded_once(server, site):
    put(site / "a%41.txt", b"per cent")
    put(site / "aA.txt", b"letter")
    assert get(server, "/a%2541.txt").body == b"per cent"
    assert get(server, "/a%41.txt").body == b"letter"
    assert get(server, "/%61%41.txt").body == b"letter"


@pytest.mark.parametrize("target", ["/%", "/%4", "/%zz", "/a%2"])
def test_bad_percent_encoding(server, target):
    assert get(server, target).status in (400, 404)


# Content types: at least 80 extensions

TYPES = {
    "html": "text/html", "htm": "text/html", "css": "text/css", "js": "text/javascript",
    "mjs": "text/javascript", "txt": "text/plain", "csv": "text/csv", "md": "text/markdown",
    "xml": "application/xml", "json": "application/json", "svg": "image/svg+xml",
    "png": "image/png",
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "avif": "image/avif", "ico": "image/x-icon", "bmp": "image/bmp", "tiff": "image/tiff",
    "mp3": "audio/mpeg", "ogg": "audio/ogg", "wav": "audio/wav", "flac": "audio/flac",
    "mp4": "video/mp4", "webm": "video/webm", "woff": "font/woff", "woff2": "font/woff2",
    "ttf": "font/ttf", "otf": "font/otf", "pdf": "application/pdf", "zip": "application/zip",
    "wasm": "application/wasm", "gz": "application/gzip", "7z": "application/x-7z-compressed",
    "ics": "text/calendar", "jsonld": "application/ld+json",
    "webmanifest": "application/manifest+json", "rtf": "application/rtf",
    "epub": "application/epub+zip",
}
SAME = [{"application/xml", "text/xml"}, {"image/x-icon", "image/vnd.microsoft.icon"},
        {"audio/wav", "audio/x-wav", "audio/wave"}, {"audio/flac", "audio/x-flac"},
        {"text/javascript", "application/javascript"}, {"application/rtf", "text/rtf"},
        {"application/gzip", "application/x-gzip"}]
MORE = """
    xhtml map mts cjs ts jsx yaml yml toml ini log conf c h cpp py sh rs go java rb pl php tex bib
    tsv vcf rss atom xsl xslt dtd jxl heic heif tif apng psd eot mid midi aac m4a opus weba oga
    mpga aif aiff m4v mpeg mpg mov avi mkv ogv ogx 3gp 3g2 flv wmv m3u8 mpd vtt srt tar bz2 xz zst
    br rar jar war deb rpm iso dmg exe msi apk doc docx xls xlsx ppt pptx odt ods odp swf bin
    glb gltf obj stl geojson kml
    gpx sqlite asc sig pem crt cer der p12 torrent webloc ai eps ps azw diff patch text shtml jfif
    ndjson wsdl mht txz tgz lz lzma cab key pages numbers mobi cbz ttc jp2 ras csh bat appcache
""".split()


def same_type(one, two):
    return one == two or any({one, two} <= group for group in SAME)


def test_content_types(server, site):
    for extension in [*TYPES, *MORE]:
        put(site / "types" / f"file.{extension}", b"x")
    known, wrong = 0, []
    with Connection(server.address) as connection:
        for extension in [*TYPES, *MORE]:
            response = connection.exchange("HEAD", f"/types/file.{extension}")
            assert response.status == 200, extension
            kind = response.media_type()
            assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", kind), (extension, kind)
            known += kind != "application/octet-stream"
            if extension in TYPES and not same_type(kind, TYPES[extension]):
                wrong.append((extension, kind))
    assert not wrong
    assert known >= 80


def test_content_type_of_other_names(server, site):
    for name, kind in (("UPPER.HTML", "text/html"), ("two.dots.css", "text/css"),
                       ("none", "application/octet-stream"),
                       ("odd.unheardof", "application/octet-stream")):
        put(site / name, b"x")
        assert get(server, f"/{name}").media_type() == kind


def test_text_says_its_charset(server):
    assert "charset=utf-8" in get(server, "/").header("Content-Type").lower()


# Conditional requests (RFC 9110, section 13)

def test_etag(server, site):
    response = get(server, "/text.txt")
    assert re.fullmatch(r'(W/)?"[!#-~]*"', response.header("ETag"))
    assert response.header("ETag") == get(server, "/text.txt").header("ETag")
    put(site / "other.txt", TEXT + b"x")
    assert response.header("ETag") != get(server, "/other.txt").header("ETag")


def opaque(etag):
    return etag.removeprefix("W/")


def test_if_none_match(server):
    etag = get(server, "/text.txt").header("ETag")
    weak = "W/" + opaque(etag)
    for value in (etag, weak, opaque(etag), f'"x", {etag}', f'"x",{weak}', "*", f'{etag}, "y"',
                  f'"a,b", {etag}'):
        response = get(server, "/text.txt", [("If-None-Match", value)])
        assert response.status == 304, value
        assert response.header("ETag") == etag
        assert response.header("Content-Length") in (None, str(len(TEXT)))
    for value in ('"x"', 'W/"x"', opaque(etag).strip('"'), '"", W/"y"'):
        response = get(server, "/text.txt", [("If-None-Match", value)])
        assert (response.status, response.body) == (200, TEXT), value


def test_not_modified_keeps_the_connection(server):
    with Connection(server.address) as connection:
        etag = connection.exchange(target="/text.txt").header("ETag")
        for method in ("GET", "HEAD", "GET"):
            response = connection.exchange(method, "/text.txt", [("If-None-Match", etag)])
            assert response.status == 304
        assert connection.exchange(target="/text.txt").body == TEXT


def test_if_match(server):
    etag = get(server, "/text.txt").header("ETag")
    strong = not etag.startswith("W/")
    assert get(server, "/text.txt", [("If-Match", "*")]).status == 200
    assert get(server, "/text.txt", [("If-Match", etag)]).status == (200 if strong else 412)
    response = get(server, "/text.txt", [("If-Match", f'"x", {etag}')])
    assert response.status == (200 if strong else 412)
    for value in ('"x"', "W/" + opaque(etag)):
        assert get(server, "/text.txt", [("If-Match", value)]).status == 412, value


def test_if_modified_since(server):
    def status(when):
        return get(server, "/text.txt", [("If-Modified-Since", when)]).status

    assert status(formatdate(OLD, usegmt=True)) == 304
    assert status(formatdate(OLD + 1000, usegmt=True)) == 304
    assert status(formatdate(OLD - 1, usegmt=True)) == 200
    assert status("nonsense") == 200
    assert status("Sun, 13 Sep 2020 25:26:40 GMT") == 200
    assert status("Sunday, 13-Sep-20 12:26:40 GMT") == 304
    assert status("Sun Sep 13 12:26:40 2020") == 304


def test_if_unmodified_since(server):
    def status(when):
        return get(server, "/text.txt", [("If-Unmodified-Since", when)]).status

    assert status(formatdate(OLD, usegmt=True)) == 200
    assert status(formatdate(OLD + 1, usegmt=True)) == 200
    assert status(formatdate(OLD - 1, usegmt=True)) == 412
    assert status("nonsense") == 200


def test_order_of_conditions(server):
    """Section 13.2.2: entity tags go before dates."""
    etag = get(server, "/text.txt").header("ETag")
    now, before = formatdate(OLD, usegmt=True), formatdate(OLD - 1, usegmt=True)
    for headers, status in (
            ([("If-None-Match", '"x"'), ("If-Modified-Since", now)], 200),
            ([("If-None-Match", etag), ("If-Modified-Since", before)], 304),
            ([("If-Match", "*"), ("If-Unmodified-Since", before)], 200),
            ([("If-Match", '"x"'), ("If-None-Match", etag)], 412),
            ([("If-Match", "*"), ("If-None-Match", etag)], 304),
            ([("If-Unmodified-Since", before), ("If-None-Match", etag)], 412)):
        assert get(server, "/text.txt", headers).status == status, headers


def test_conditions_on_what_is_missing(server):
    assert get(server, "/missing", [("If-None-Match", "*")]).status == 404
    assert get(server, "/missing", [("If-Match", '"x"')]).status in (404, 412)


# Precompressed siblings

CODINGS = {"br": ".br", "gzip": ".gz", "zstd": ".zst"}


@pytest.fixture
def packed(site):
    put(site / "app.js", b"plain " * 100)
    for coding, suffix in CODINGS.items():
        put(site / f"app.js{suffix}", f"packed with {coding}".encode())
    put(site / "only.css", b"plain")
    put(site / "only.css.gz", gzip.compress(b"plain"))
    return site


@pytest.mark.parametrize("accept,codings", [
    (None, [None]), ("", [None]), ("identity", [None]), ("br", ["br"]), ("gzip", ["gzip"]),
    ("zstd", ["zstd"]), ("GZIP", ["gzip"]), ("x-gzip", ["gzip", None]), ("deflate", [None]),
    ("gzip, deflate", ["gzip"]), ("br, gzip, zstd", ["br", "gzip", "zstd"]),
    ("gzip;q=1.0, br;q=0.5, zstd;q=0.1", ["gzip"]), ("gzip;q=0.1, br;q=0.9", ["br"]),
    ("gzip;q=0", [None]), ("gzip;q=0.0, br;q=0.000", [None]), ("br;q=0, *", ["gzip", "zstd", None]),
    ("*", ["br", "gzip", "zstd", None]), ("*;q=0", [None]), ("gzip ; q=0.5", ["gzip"]),
    ("identity;q=1, gzip;q=0.1", [None, "gzip"]), ("notgzip, gzipped", [None]),
])
def test_precompressed(server, packed, accept, codings):
    headers = [] if accept is None else [("Accept-Encoding", accept)]
    response = get(server, "/app.js", headers)
    coding = response.header("Content-Encoding")
    assert coding in codings
    assert response.media_type() == "text/javascript"
    assert "accept-encoding" in response.header("Vary", "").lower()
    if coding:
        assert response.body == f"packed with {coding}".encode()
    else:
        assert response.body == b"plain " * 100


def test_precompressed_has_its_own_etag(server, packed):
    plain = get(server, "/app.js")
    gzipped = get(server, "/app.js", [("Accept-Encoding", "gzip")])
    assert plain.header("ETag") != gzipped.header("ETag")
    response = get(server, "/app.js", [("Accept-Encoding", "gzip"),
                                       ("If-None-Match", gzipped.header("ETag"))])
    assert response.status == 304
    assert "accept-encoding" in response.header("Vary", "").lower()


def test_missing_sibling(server, packed):
    response = get(server, "/only.css", [("Accept-Encoding", "br, gzip;q=0.5")])
    assert response.header("Content-Encoding") == "gzip"
    assert gzip.decompress(response.body) == b"plain"


def test_sibling_by_its_own_name(server, packed):
    response = get(server, "/only.css.gz", [("Accept-Encoding", "gzip")])
    assert response.header("Content-Encoding") is None
    assert gzip.decompress(response.body) == b"plain"


def test_sibling_of_an_index(server, site):
    put(site / "index.html.gz", gzip.compress(PAGE))
    response = get(server, "/", [("Accept-Encoding", "gzip")])
    assert response.header("Content-Encoding") == "gzip"
    assert response.media_type() == "text/html"


def test_sibling_of_a_file_that_is_missing(server, site):
    put(site / "lost.js.gz", gzip.compress(b"lost"))
    response = get(server, "/lost.js", [("Accept-Encoding", "gzip")])
    assert response.status in (200, 404)


# Listing

@pytest.fixture
def listing(httpd, site):
    return httpd("--root", site, "--list")


def test_listing_leads_to_every_file(listing, site):
    names = [name for name in NAMES if not name.startswith(".")]
    for name in names:
        put(site / "odd" / name, name.encode())
    (site / "odd" / "directory").mkdir()
    (site / "odd" / ".hidden").write_bytes(SECRET)
    response = get(listing, "/odd/")
    assert response.status == 200
    assert response.media_type() == "text/html"
    page = response.body.decode()
    assert "<tag>" not in page and ".hidden" not in page
    found = {}
    for link in re.findall(r"""href\s*=\s*["']?([^"' >]+)""", page):
        target = urllib.parse.urljoin("/odd/", html.unescape(link))
        found[urllib.parse.unquote(target)] = target
    assert "/odd/directory/" in found
    for name in names:
        assert f"/odd/{name}" in found, name
        assert get(listing, found[f"/odd/{name}"]).body == name.encode()


def test_listing_of_many_files(listing, site):
    for number in range(2000):
        put(site / "many" / f"file-{number:05}.txt", b"x")
    body = get(listing, "/many/").body
    for number in range(2000):
        assert b"file-%05d.txt" % number in body
    head = get(listing, "/many/", method="HEAD")
    assert head.status == 200


def test_listing_of_an_empty_directory(listing, site):
    (site / "nothing").mkdir()
    assert get(listing, "/nothing/").status == 200


def test_index_goes_before_the_listing(listing):
    assert get(listing, "/").body == PAGE


# Nothing outside of the root

TRAVERSALS = [
    "/../secret.txt", "/../../secret.txt", "/sub/../../secret.txt", "/./../secret.txt",
    "/%2e%2e/secret.txt", "/%2E%2E/secret.txt", "/.%2e/secret.txt", "/%2e./secret.txt",
    "/..%2fsecret.txt", "/..%2Fsecret.txt", "/%2e%2e%2fsecret.txt", "/sub/..%2f..%2fsecret.txt",
    "/..%5csecret.txt", "/..\\secret.txt", "/%252e%252e/secret.txt", "/%252e%252e%252fsecret.txt",
    "/%c0%ae%c0%ae/secret.txt", "/..%c0%afsecret.txt", "/%e0%80%ae%e0%80%ae/secret.txt",
    "/..%00/secret.txt", "/text.txt%00/../../secret.txt", "/%00/../secret.txt", "//../secret.txt",
    "/..;/secret.txt", "/...//secret.txt", "/sub//..//..//secret.txt", "/../site-secret/a.txt",
    "/..%2fsite-secret/a.txt", "/%2e%2e%2fsite-secret%2fa.txt", "/out.txt", "/out-absolute.txt",
    "/out-directory/secret.txt", "/out-directory/", "/out-chain.txt", "/sub/out.txt",
    "/.hidden", "/%2ehidden", "/.git/config", "/.git/", "/%2egit/config", "/sub/../.hidden",
    "/./.hidden", "//.hidden", "/.git%2fconfig", "/sub/%2e%2e/.git/config", "/-secret/a.txt",
]


@pytest.mark.parametrize("target", TRAVERSALS)
def test_nothing_outside_of_the_root(server, site, target):
    (site / "out.txt").symlink_to("../secret.txt")
    (site / "out-absolute.txt").symlink_to(site.parent / "secret.txt")
    (site / "out-directory").symlink_to("..")
    (site / "out-chain.txt").symlink_to("out-directory/secret.txt")
    (site / "sub" / "out.txt").symlink_to("../../secret.txt")
    with Connection(server.address) as connection:
        for version in ("1.1", "1.0"):
            connection.send(request(target=target, version=version,
                                    headers=[("Connection", "keep-alive")]))
            response = connection.read_response()
            assert SECRET not in response.body
            assert response.status in (301, 400, 403, 404), response
            if response.closes():
                break
        assert get(server, "/text.txt").body == TEXT


def test_absolute_target_outside_of_the_root(server, site):
    for target in ("http://localhost/../secret.txt", f"http://localhost{site.parent}/secret.txt",
                   f"/{site.parent}/secret.txt", f"{site.parent}/secret.txt"):
        response = get(server, target)
        assert response.status in (400, 403, 404) and SECRET not in response.body


def test_symlink_within_the_root(server, site):
    (site / "within.txt").symlink_to("sub/deep/note.txt")
    assert get(server, "/within.txt").body == b"deep note"


def test_root_that_is_a_symlink(httpd, site):
    link = site.parent / "link"
    link.symlink_to("site")
    assert get(httpd("--root", link), "/text.txt").body == TEXT


def test_relative_root(httpd, site):
    server = httpd("--root", os.path.relpath(site, ROOT))
    assert get(server, "/text.txt").body == TEXT


# What changes between two requests

def until_new(server, target, check):
    """The server may keep a file in memory, but must look again soon."""
    return wait_until(lambda: check(get(server, target)), 0.05)


@pytest.mark.parametrize("size", [50, 5000, 3 * MEBIBYTE])
def test_file_that_changes(server, site, size):
    path = site / "changing.txt"
    put(path, b"a" * size)
    for _ in range(3):
        assert get(server, "/changing.txt").body == b"a" * size
    put(path, b"b" * (size + 7), OLD + 100)

    def changed(response):
        assert response.body in (b"a" * size, b"b" * (size + 7))
        return response.body[:1] == b"b" and response

    response = until_new(server, "/changing.txt", changed)
    assert parsedate_to_datetime(response.header("Last-Modified")).timestamp() == OLD + 100


def test_file_replaced_by_one_of_the_same_size_and_time(server, site):
    put(site / "swap.txt", b"a" * 100)
    assert get(server, "/swap.txt").body == b"a" * 100
    put(site / "swap.new", b"b" * 100)
    os.rename(site / "swap.new", site / "swap.txt")
    until_new(server, "/swap.txt", lambda response: response.body == b"b" * 100)


def test_file_that_goes_and_comes(server, site):
    put(site / "visitor.txt", b"here")
    assert get(server, "/visitor.txt").body == b"here"
    (site / "visitor.txt").unlink()
    until_new(server, "/visitor.txt", lambda response: response.status == 404)
    put(site / "visitor.txt", b"again")
    until_new(server, "/visitor.txt", lambda response: response.body == b"again")


def test_sibling_that_appears(server, site):
    put(site / "late.js", b"plain")
    gzipped = [("Accept-Encoding", "gzip")]
    assert get(server, "/late.js", gzipped).body == b"plain"
    put(site / "late.js.gz", b"packed")
    wait_until(lambda: get(server, "/late.js", gzipped).body == b"packed", 0.05)


# Sending

@pytest.mark.parametrize("size", [1, 1023, 1024, 4096, 8191, 8192, 16384, 16385, 65535, 65536,
                                  262145])
def test_sizes(server, site, size):
    data = random.Random(size).randbytes(size)
    put(site / "sized.bin", data)
    with Connection(server.address) as connection:
        for _ in range(3):
            assert connection.exchange(target="/sized.bin").body == data
        connection.send(request(target="/sized.bin") * 3)
        for _ in range(3):
            assert connection.read_response().body == data


def test_empty_file(server):
    with Connection(server.address) as connection:
        for _ in range(2):
            response = connection.exchange(target="/empty.txt")
            assert (response.status, response.body) == (200, b"")
            assert response.header("Content-Length") == "0"
        assert connection.exchange(target="/text.txt").body == TEXT


@pytest.fixture
def large(site):
    data = random.Random(5).randbytes(MEBIBYTE) * 32
    put(site / "large.bin", data)
    return data


def test_large_file(server, large):
    response = get(server, "/large.bin")
    assert hashlib.sha256(response.body).digest() == hashlib.sha256(large).digest()


def test_large_file_to_a_slow_reader(server, large):
    with Connection(server.address, receive_buffer=16384) as connection:
        connection.send(request(target="/large.bin"))
        digest, left = hashlib.sha256(), len(large)
        connection.read_until(b"\r\n\r\n")
        time.sleep(0.3)
        while left:
            piece = connection.read_exactly(min(left, MEBIBYTE))
            digest.update(piece)
            left -= len(piece)
            time.sleep(0.002)
    assert digest.digest() == hashlib.sha256(large).digest()


def test_large_files_pipelined_with_small_ones(server, large):
    with Connection(server.address) as connection:
        connection.send(request(target="/large.bin") + request(target="/text.txt")
                        + request("HEAD", "/large.bin") + request(target="/text.txt"))
        assert connection.read_response().body == large
        assert connection.read_response().body == TEXT
        assert connection.read_response("HEAD").status == 200
        assert connection.read_response().body == TEXT


def test_clients_gone_in_the_middle(server, large):
    before = server.settled_descriptors()
    for number in range(20):
        with Connection(server.address, receive_buffer=16384) as connection:
            connection.send(request(target="/large.bin"))
            connection.read_exactly(1000 * (number + 1))
            if number % 2:
                connection.reset()
    assert get(server, "/text.txt").body == TEXT
    wait_until(lambda: server.descriptors() <= before + 2)


def test_file_cut_while_it_is_sent(server, site, large):
    """What was promised can't be sent: the connection must end, and not with other bytes."""
    with Connection(server.address, receive_buffer=16384) as connection:
        connection.send(request(target="/large.bin"))
        got = len(connection.read_exactly(100000))
        os.truncate(site / "large.bin", 5 * MEBIBYTE)
        with pytest.raises((Closed, ConnectionResetError)):
            while got < len(large):
                got += len(connection.read_exactly(4096))
    assert get(server, "/text.txt").body == TEXT


def test_shutdown_lets_a_download_end_or_cuts_it(httpd, site, large):
    server = httpd("--root", site)
    with Connection(server.address) as connection:
        connection.send(request(target="/large.bin"))
        connection.read_exactly(1000)
        server.signal(signal.SIGTERM)
        connection.read_to_end()
        assert server.wait() == 0


def test_stalled_download_does_not_hold_up_the_shutdown(httpd, site, large):
    server = httpd("--root", site)
    with Connection(server.address, receive_buffer=16384) as connection:
        connection.send(request(target="/large.bin"))
        connection.read_exactly(1000)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
