"""tests/e2e/test_compress.py: `compress:`, what is compressed for whom, and how it goes out."""
import random
import threading

import pytest

from backends import Gone
from codings import DECODERS, decode
from leat import SLOW, TIMEOUT, Closed, await_true, check

TEXT = "".join(f"line {n} of a text that gains by being compressed\n" for n in range(60))
LARGE = "".join(f"line {n} of a large text: {n * 7919 % 10007} {n * 104729 % 7907}\n" for n in range(20000))
CODINGS = ["br", "zstd", "gzip"]

CONF = """
http: {{ up: {{ url: "@UP@" }} }}
routes:
  GET /constant: {{ compress: true, reply: {{ text: "@TEXT@", headers: {{ ETag: '"a"', Accept-Ranges: bytes }} }} }}
  GET /small: {{ compress: true, reply: small }}
  POST /echo: {{ compress: true, body: {{ type: text }}, reply: {{ text: "${{body}}" }} }}
  GET /fetched:
    compress: true
    tasks: {{ x: {{ get: up:/, max: 64m }} }}
    reply: {{ body: "${{x.text}}", headers: {{ Content-Type: "${{x.headers.content_type}}" }} }}
  GET /stream: {{ compress: true, tasks: {{ x: {{ get: up:/s, stream: true }} }}, reply: {{ body: "${{x.body}}" }} }}
  GET /gone: {{ compress: true, reply: {{ status: 204 }} }}
  GET /no-transform:
    compress: true
    reply: {{ text: "@TEXT@", headers: {{ Cache-Control: "private, no-transform" }} }}
  GET /coded: {{ compress: true, reply: {{ text: "@TEXT@", headers: {{ Content-Encoding: x-own }} }} }}
  GET /partial: {{ compress: true, reply: {{ status: 206, text: "@TEXT@", headers: {{ Content-Range: bytes 0-9/99 }} }} }}
  GET /image: {{ compress: true, reply: {{ body: "@TEXT@", headers: {{ Content-Type: image/png }} }} }}
  GET /json: {{ compress: true, reply: {{ json: {{ a: "@TEXT@" }} }} }}
  GET /vary: {{ compress: true, reply: {{ text: "@TEXT@", headers: {{ Vary: Accept-Encoding }} }} }}
  GET /error: {{ compress: true, reply: {{ status: 503, text: "@TEXT@" }} }}
  GET /fast: {{ compress: {{ level: 1, codings: [gzip] }}, reply: "@TEXT@" }}
  GET /typed: {{ compress: {{ types: [image/*, +x], min: 3 }}, reply: {{ body: "${{query.b}}", headers: {{ Content-Type: "${{query.t}}" }} }} }}
{more}"""


@pytest.fixture
def site(leat, backend):
    def make(handler=None, more=""):
        server = backend(handler or (lambda call: call.reply(LARGE, content_type="text/plain")))
        server.sent = 0
        daemon = leat(CONF.format(more=more), UP=server.url, TEXT=TEXT.replace("\n", "\\n"))
        daemon.server = server
        return daemon
    return make


def get(daemon, target, accept=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return daemon.get(target, headers={**({"Accept-Encoding": accept} if accept is not None else {}), **headers})


def text_of(answer):
    coding = answer.get("content-encoding")
    return (decode(coding, answer.body) if coding else answer.body).decode()


# ------------------------------------------------------------------ for whom

@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_is_compressed_for_who_takes_the_coding(site, coding):
    daemon = site()
    for _ in range(3):
        answer = get(daemon, "/constant", coding)
        assert answer.get("content-encoding") == coding
        assert answer.get("vary") == "Accept-Encoding"
        assert len(answer.body) == int(answer.get("content-length")) < len(TEXT) / 4
        assert text_of(answer) == TEXT


@pytest.mark.parametrize("accept, coding", [
    (None, None), ("", None), ("identity", None), ("gzip;q=0", None), ("x-gzip, deflate", None),
    ("gzip", "gzip"), ("GZIP", "gzip"), ("gzip, deflate, br, zstd", "br"), ("zstd, br;q=0.9", "zstd"),
    ("*", "br"), ("*;q=0.1, gzip;q=0", "br"), ("br;q=0.5, gzip;q=0.8", "gzip"), ("gzip;q=0.001", "gzip"),
    ("identity, gzip;q=0.5", None), ("identity;q=0.5, gzip;q=0.5", "gzip"), ("*;q=0", None), ("gzip;q=x", None),
])
def test_the_client_chooses_by_its_weights(site, accept, coding):
    answer = get(site(), "/constant", accept)
    assert answer.get("content-encoding") == coding
    assert answer.get("vary") == "Accept-Encoding"  # a cache must know in either case
    assert text_of(answer) == TEXT


def test_who_refuses_the_body_as_it_is_gets_a_small_one_compressed_too(site):
    daemon = site()
    assert get(daemon, "/typed?t=image/a&b=" + "b" * 200, "gzip, identity;q=0").get("content-encoding") == "gzip"
    answer = get(daemon, "/small", "gzip")
    assert (answer.get("content-encoding"), answer.get("vary")) == (None, "Accept-Encoding")


@pytest.mark.parametrize("target", ["/no-transform", "/coded", "/partial", "/image", "/gone"])
def test_what_must_stay_as_it_is_stays(site, target):
    answer = get(site(), target, "gzip")
    assert answer.get("content-encoding") in (None, "x-own")
    assert answer.get("vary") is None
    assert answer.text in ("", TEXT)


@pytest.mark.parametrize("target", ["/json", "/error", "/vary", "/fast"])
def test_texts_of_all_kinds_are_compressed_once(site, target):
    answer = get(site(), target, "br, gzip")
    assert answer.get("content-encoding") == ("gzip" if target == "/fast" else "br")
    assert answer.get("vary") == "Accept-Encoding"
    assert "line 59 of a text" in text_of(answer)


@pytest.mark.parametrize("type_, coded", [
    ("image/png", True), ("IMAGE/PNG;+a=b", False), ("image/svg%2Bxml;charset=utf-8", True), ("text/plain", False),
    ("application/a%2Bx", True), ("application/a%2BX", True), ("application/ax", False), ("imagex/a", False),
])
def test_types_are_media_types_or_ends_of_them(site, type_, coded):
    answer = get(site(), f"/typed?t={type_}&b={'b' * 300}", "gzip")
    if type_.startswith("IMAGE"):
        coded = True
    assert answer.get("content-encoding") == ("gzip" if coded else None)


def test_a_strong_tag_becomes_a_weak_one_and_ranges_are_not_offered(site):
    daemon = site()
    plain, coded = get(daemon, "/constant"), get(daemon, "/constant", "gzip")
    assert (plain.get("etag"), plain.get("accept-ranges")) == ('"a"', "bytes")
    assert (coded.get("etag"), coded.get("accept-ranges")) == ('W/"a"', None)


@pytest.mark.parametrize("target", ["/constant", "/stream", "/fetched"])
def test_head_tells_what_get_would(site, target):
    daemon = site()
    with daemon.connect() as client:
        for _ in range(2):
            got = client.get(target, headers={"Accept-Encoding": "gzip"})
            head = client.request("HEAD", target, headers={"Accept-Encoding": "gzip"})
            assert head.get("content-encoding") == "gzip" and head.get("vary") == "Accept-Encoding"
            assert head.get("content-length") == got.get("content-length")


def test_what_does_not_become_smaller_is_sent_as_it_is(site):
    body = b"a-z"
    noise = random.Random(2).randbytes(1200).hex()[:1100]
    daemon = site()
    answer = daemon.post("/echo", body=body, headers={"Content-Type": "text/plain", "Accept-Encoding": "gzip, identity;q=0"})
    assert answer.get("content-encoding") is None and answer.body == body
    answer = daemon.post("/echo", body=noise, headers={"Content-Type": "text/plain", "Accept-Encoding": "gzip"})
    assert answer.get("content-encoding") == "gzip" and text_of(answer) == noise


# ------------------------------------------------------------------ large ones

@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("level", [1, 5, 6])
def test_a_large_body_is_compressed_while_it_is_sent(site, coding, level):
    daemon = site(more=f"""
  GET /large: {{ compress: {{ level: {level} }}, tasks: {{ x: {{ get: up:/ }} }}, reply: {{ text: "${{x.body}}" }} }}
""")
    with daemon.connect() as client:
        for _ in range(3):
            answer = client.get("/large", headers={"Accept-Encoding": coding})
            assert answer.get("transfer-encoding") == "chunked" and answer.get("content-length") is None
            assert len(answer.body) < len(LARGE) / 2
            assert text_of(answer) == LARGE


@pytest.mark.parametrize("coding", CODINGS)
def test_a_large_constant_is_compressed_once_and_has_a_length_then(site, coding):
    daemon = site(more="  GET /large: { compress: true, reply: \"" + LARGE.replace("\n", "\\n") + "\" }\n")
    first = get(daemon, "/large", coding)
    assert first.get("transfer-encoding") == "chunked"
    for _ in range(4):
        answer = get(daemon, "/large", coding)
        assert answer.get("content-length") == str(len(first.body)) and answer.body == first.body
    assert text_of(first) == LARGE


def test_http_1_0_gets_a_compressed_stream_until_the_end(site):
    daemon = site()
    answer = daemon.raw("GET /fetched HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
    assert answer.get("content-encoding") == "gzip" and answer.get("transfer-encoding") is None
    assert text_of(answer) == LARGE


@pytest.mark.parametrize("coding", CODINGS)
def test_a_stream_is_compressed_on_its_way(site, coding):
    daemon = site()
    answer = get(daemon, "/stream", coding)
    assert answer.get("content-encoding") == coding and answer.get("content-length") is None
    assert text_of(answer) == LARGE
    assert f"status=200 sent_bytes={len(answer.body)}" in daemon.access_lines(1)[0]


@pytest.mark.parametrize("coding", CODINGS)
def test_what_comes_now_and_then_can_be_read_at_once(site, coding):
    taken = threading.Semaphore(0)

    def handler(call):
        call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for n in range(20):
            event = b"data: %d\n\n" % n
            call.send(b"%x\r\n%s\r\n" % (len(event), event))
            assert taken.acquire(timeout=TIMEOUT)
        call.send(b"0\r\n\r\n")
    daemon = site(handler)
    decoder, seen = DECODERS[coding](), b""
    with daemon.connect() as client:
        client.send(f"GET /stream HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n")
        assert client.head().get("content-encoding") == coding
        for n in range(20):
            while b"data: %d\n\n" % n not in seen:
                size = int(client._until(b"\r\n"), 16)
                seen += decoder.feed(client._exactly(size))
                client._exactly(2)
            taken.release()
        while (size := int(client._until(b"\r\n"), 16)) > 0:
            seen += decoder.feed(client._exactly(size))
            client._exactly(2)
    assert decoder.ended and seen == b"".join(b"data: %d\n\n" % n for n in range(20))


def test_a_body_that_is_coded_already_is_passed_on_as_it_is(site):
    def handler(call):
        call.reply(b"coded " * 1000, content_type="text/plain", headers={"Content-Encoding": "x-own"})
    answer = get(site(handler), "/stream", "gzip")
    assert (answer.get("content-encoding"), answer.get("vary")) == ("x-own", None)
    assert answer.body == b"coded " * 1000


@pytest.mark.parametrize("fields", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_stream_that_dies_is_cut_and_never_ended(site, fields):
    def handler(call):
        call.send(f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{fields}\r\n\r\n".encode())
        call.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n" if "chunked" in fields else b"x" * 1000)
        call.backend.release.wait(TIMEOUT)
        raise Gone
    daemon = site(handler)
    with daemon.connect() as client:
        client.send("GET /stream HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        assert client.head().status == 200
        client._until(b"\r\n")
        daemon.server.release.set()
        try:
            assert b"0\r\n\r\n" not in client.rest()
        except Closed:
            pass
    daemon.await_line("answer cut route=.*/stream")


def endless(call):
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    noise = random.Random(3)  # never the same twice: nothing that a window could find again
    try:
        while True:
            call.send(b"10000\r\n" + noise.randbytes(65536) + b"\r\n")
            call.backend.sent += 65536
    except Gone:
        with call.backend.changed:
            call.backend.n_left += 1
            call.backend.changed.notify_all()
        raise


@pytest.mark.parametrize("coding", CODINGS)
def test_a_client_that_takes_nothing_stops_the_upstream_and_its_leaving_closes_it(site, coding):
    daemon = site(endless)
    server = daemon.server
    client = daemon.connect(receive_buffer=4096)
    client.send(f"GET /stream HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n")
    client.head()
    seen = [-1, 0]

    def is_blocked():
        seen[1] = seen[1] + 1 if server.sent == seen[0] else 0
        seen[0] = server.sent
        return seen[1] > 30
    await_true(is_blocked)
    client.close()
    server.await_left()
    assert get(daemon, "/constant", coding).get("content-encoding") == coding


def test_others_are_served_while_many_bodies_are_compressed(site):
    """The share of a turn is for all of them together: nobody else waits for all."""
    daemon = site(more="  GET /hello: { reply: hello }\n")
    stop, failures = threading.Event(), []

    def load():
        with daemon.connect() as client:
            while not stop.is_set():
                answer = client.get("/fetched", headers={"Accept-Encoding": "br"})
                if text_of(answer) != LARGE:
                    failures.append(answer)
    threads = [threading.Thread(target=load) for _ in range(12)]
    for thread in threads:
        thread.start()
    with daemon.connect() as client:
        for _ in range(200 // SLOW):
            assert client.get("/hello").body == b"hello"
    stop.set()
    for thread in threads:
        thread.join(TIMEOUT * 3)
    assert not failures


def test_off_switches_an_inherited_compress_off(leat):
    daemon = leat("""
defaults: { /a: { compress: true } }
routes:
  GET /a/on: { reply: "@TEXT@" }
  GET /a/off: { compress: off, reply: "@TEXT@" }
""", TEXT=TEXT.replace("\n", "\\n"))
    assert get(daemon, "/a/on", "gzip").get("content-encoding") == "gzip"
    off = get(daemon, "/a/off", "gzip")
    assert (off.get("content-encoding"), off.get("vary")) == (None, None)


def test_a_reload_takes_another_compress_over(leat):
    conf = 'routes: { GET /: { compress: @WHAT@, reply: "@TEXT@" } }\n'
    daemon = leat(conf, WHAT="true", TEXT=TEXT.replace("\n", "\\n"))
    assert get(daemon, "/", "br, gzip").get("content-encoding") == "br"
    daemon.names["WHAT"] = "{ codings: [gzip] }"
    assert daemon.reload(conf).returncode == 0
    assert get(daemon, "/", "br, gzip").get("content-encoding") == "gzip"


def test_without_memory_bodies_go_as_they_are(leat, backend):
    server = backend(lambda call: call.reply(LARGE[:100000], content_type="text/plain"))
    daemon = leat("""
http: { up: { url: "@UP@" } }
limits: { total_memory: 1m }
routes:
  GET /: { compress: true, tasks: { x: { get: up:/ } }, reply: { text: "${x.body}" } }
""", UP=server.url)
    answer = get(daemon, "/", "br")
    assert (answer.status, answer.get("content-encoding"), answer.text) == (200, None, LARGE[:100000])
    assert answer.get("vary") == "Accept-Encoding"


# ------------------------------------------------------------------ files

@pytest.fixture
def folder(leat):
    daemon = leat("""
routes:
  GET /f/{path...}: { compress: true, files: { root: www, precompressed: [br] } }
""", start=False)
    daemon.write("www/small.txt", TEXT)
    daemon.write("www/middle.js", LARGE[:60000])
    daemon.write("www/large.css", LARGE)
    daemon.write("www/image.png", TEXT)
    daemon.write("www/empty.txt", "")
    daemon.write("www/made.html", TEXT)
    daemon.write("www/made.html.br", "made before")
    daemon.start()
    return daemon


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", ["small.txt", "middle.js", "large.css"])
def test_a_file_is_compressed_a_small_one_once(folder, coding, name):
    text = {"small.txt": TEXT, "middle.js": LARGE[:60000], "large.css": LARGE}[name]
    bodies = []
    with folder.connect() as client:
        for _ in range(4):
            answer = client.get("/f/" + name, headers={"Accept-Encoding": coding})
            assert (answer.status, answer.get("content-encoding")) == (200, coding)
            assert answer.get("vary") == "Accept-Encoding" and answer.get("accept-ranges") is None
            assert answer.get("etag").startswith('W/"') and text_of(answer) == text
            bodies.append(answer)
    assert all(answer.body == bodies[0].body for answer in bodies)
    # what is kept has a length: a small one at once, one of middle size when it was sent first, a large one never
    lengths = [answer.get("content-length") is not None for answer in bodies]
    assert lengths == {"small.txt": [True] * 4, "middle.js": [False, True, True, True], "large.css": [False] * 4}[name]


def test_a_compressed_file_follows_its_changes(folder):
    assert text_of(get(folder, "/f/small.txt", "gzip")) == TEXT
    assert text_of(get(folder, "/f/middle.js", "gzip")) == LARGE[:60000]
    folder.write("www/small.txt", TEXT + "more\n")
    folder.write("www/middle.js", LARGE[:50000])
    await_true(lambda: text_of(get(folder, "/f/small.txt", "gzip")) == TEXT + "more\n")
    await_true(lambda: text_of(get(folder, "/f/middle.js", "gzip")) == LARGE[:50000])


def test_what_was_compressed_before_is_served_as_it_is(folder):
    answer = get(folder, "/f/made.html", "br, gzip")
    assert (answer.get("content-encoding"), answer.body) == ("br", b"made before")
    assert answer.get("vary") == "Accept-Encoding" and not answer.get("etag").startswith("W/")
    answer = get(folder, "/f/made.html", "gzip")
    assert answer.get("content-encoding") == "gzip" and text_of(answer) == TEXT
    assert answer.get("vary") == "Accept-Encoding"


def test_ranges_conditions_images_and_nothing_are_not_compressed(folder):
    answer = get(folder, "/f/small.txt", "gzip", Range="bytes=0-9")
    assert (answer.status, answer.get("content-encoding"), answer.text) == (206, None, TEXT[:10])
    assert get(folder, "/f/image.png", "gzip").get("content-encoding") is None
    assert get(folder, "/f/empty.txt", "gzip").body == b""
    for name in ("small.txt", "large.css"):
        etag = get(folder, "/f/" + name, "gzip").get("etag")
        answer = get(folder, "/f/" + name, "gzip", If_None_Match=etag)
        assert (answer.status, answer.get("etag"), answer.get("vary")) == (304, etag, "Accept-Encoding")
        answer = get(folder, "/f/" + name, "gzip", Range="bytes=0-9", If_Range=etag)
        assert (answer.status, answer.get("content-encoding")) == (200, "gzip")  # a weak tag does not hold for it


@pytest.mark.parametrize("name, accept", [("image.png", "gzip"), ("made.html", "br"), ("small.txt", None)])
def test_304_has_the_tag_that_200_had(folder, name, accept):
    first = get(folder, "/f/" + name, accept)
    again = get(folder, "/f/" + name, accept, If_None_Match=first.get("etag"))
    assert again.status == 304 and not first.get("etag").startswith("W/")
    assert (again.get("etag"), again.get("vary")) == (first.get("etag"), first.get("vary"))
    assert again.get("content-type") is None


def test_head_of_a_file_tells_what_get_would(folder):
    with folder.connect() as client:
        for name in ("small.txt", "middle.js", "large.css"):
            for _ in range(2):
                got = client.get("/f/" + name, headers={"Accept-Encoding": "zstd"})
            head = client.request("HEAD", "/f/" + name, headers={"Accept-Encoding": "zstd"})
            for field in ("content-encoding", "content-length", "etag", "vary", "content-type"):
                assert head.get(field) == got.get(field), (name, field)


def test_a_client_that_takes_nothing_of_a_compressed_file_is_waited_for(folder):
    folder.write("www/noise.txt", random.Random(4).randbytes(8 << 20))
    client = folder.connect(receive_buffer=4096)
    client.send("GET /f/noise.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
    answer = client.head()
    for _ in range(20):
        assert get(folder, "/f/small.txt", "gzip").status == 200
    assert decode(answer.get("content-encoding"), client._chunks()) == random.Random(4).randbytes(8 << 20)


# ------------------------------------------------------------------ what is refused

@pytest.mark.parametrize("what, words", [
    ("false", "write true, off"), ("gzip", "write true, off"), ("{ codings: [deflate] }", "any of br, zstd, gzip"),
    ("{ codings: [br, br] }", "twice"), ("{ types: [html] }", "text/html, text/"), ("{ types: [a/b/c] }", "media type"),
    ("{ level: 7 }", "6"), ("{ level: 0 }", "1"), ("{ minimum: 1k }", "min"),
])
def test_what_compress_cannot_be_is_refused(what, words):
    code, out = check(f"listen: 127.0.0.1:0\nroutes:\n  GET /:\n    compress: {what}\n    reply: a\n")
    assert code == 1 and words in out and "leat.yaml:4:" in out, out
