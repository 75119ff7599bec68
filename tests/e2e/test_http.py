"""The HTTP server: framing, limits, timeouts, statuses."""
import os
import socket
import subprocess
import sys

import pytest

from harness import Client

CORPUS = os.path.join(os.path.dirname(__file__), "corpus")

ECHO = """
timeouts: { head: 2s, body: 2s, idle: 2s }
log: { access: off }
routes:
  /echo: { reply: "${request.body == '' ? 'hello' : request.body}" }
  GET /static/a.txt: { reply: abcdefghijklmnopqrstuvwxyz }
"""


def test_every_case_of_the_corpus_passes_but_those_that_need_files(leat):
    """Ranges and conditionals come with `files:`; framing may not wait."""
    daemon = leat(ECHO)
    done = subprocess.run([sys.executable, os.path.join(CORPUS, "run.py"), "--port", str(daemon.port), "--known",
                           os.path.join(CORPUS, "known.txt"), os.path.join(CORPUS, "h1-cases.jsonl")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]


HELLO = """
log: { access: off }
limits: { line: 1k, head: 4k, fields: 20, body: 10k }
timeouts: { head: 300ms, body: 300ms, idle: 10s }
routes:
  GET /hello: { reply: "Hello World!" }
  POST /json: { body: { type: json }, reply: { json: "${body}" } }
  POST /post: { reply: "${request.body}" }
  GET /slow: { tasks: { w: { wait: 50ms } }, reply: slow }
"""


def test_get_head_and_date(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        got = client.request("GET", "/hello")
        assert (got.status, got.body) == (200, b"Hello World!")
        assert got.header("date").endswith(" GMT")
        head = client.request("HEAD", "/hello")
        assert (head.status, head.header("content-length")) == (200, "12")
        assert client.request("GET", "/hello").status == 200


def test_pipelined_requests_are_answered_in_order(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                    "GET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [client.read().status for _ in range(4)] == [200, 200, 404, 200]


def test_405_lists_the_methods_and_options_answers_them(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        got = client.request("DELETE", "/hello")
        assert (got.status, got.header("allow")) == (405, "GET, HEAD, OPTIONS")
        got = client.request("OPTIONS", "/post")
        assert (got.status, got.header("allow")) == (204, "POST, OPTIONS")
        assert client.request("OPTIONS", "*").status == 204


@pytest.mark.parametrize("raw, status", [
    (b"GET /hello HTTP/1.1\r\n\r\n", 400),
    (b"GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 5000 + b"\r\n\r\n", 431),
    (b"GET /hello HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 30 + b"\r\n", 431),
    (b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 413),
    (b"POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"POST /post HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", 417),
    (b"POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"G\x00T /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400),
])
def test_bad_requests_get_their_status_and_a_closed_connection(leat, raw, status):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        client.send(raw)
        assert client.read().status == status
        assert client.is_closed()
    assert daemon.get("/hello").status == 200


def test_statuses_that_keep_the_connection(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        assert client.request("POST", "/json").status == 411
        assert client.request("POST", "/json", {"Content-Type": "text/plain"}, "x").status == 415
        got = client.request("POST", "/json", {"Content-Type": "application/json"}, "{nope")
        assert (got.status, got.header("content-type")) == (400, "application/problem+json")
        got = client.request("POST", "/json", {"Content-Type": "application/json"}, '{"n":18446744073709551615,"d":19.99}')
        assert got.body == b'{"n":18446744073709551615,"d":19.99}'


def test_a_slow_head_gets_408_counted_from_its_first_byte(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        client.send("GET /hello HT")
        got = client.read()
        assert (got.status, got.header("connection")) == (408, "close")
        assert client.is_closed()


def test_a_body_that_stops_coming_gets_408(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        client.send("POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert client.read().status == 408
        assert client.is_closed()


def test_expect_continue(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        client.send("POST /post HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert client.read(interim=True).status == 100
        client.send("abc")
        assert client.read().body == b"abc"


def test_http_1_0_closes_unless_asked_to_keep(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        assert client.request("GET", "/hello", version="1.0").header("connection") == "close"
        assert client.is_closed()
    with daemon.connect() as client:
        got = client.request("GET", "/hello", {"Connection": "keep-alive"}, version="1.0")
        assert got.header("connection") == "keep-alive"
        assert client.request("GET", "/hello").status == 200


def test_chunked_bodies_however_they_are_cut(leat):
    daemon = leat(HELLO)
    raw = (b"POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
           b"3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n")
    with daemon.connect() as client:
        for size in (1, 2, 7, len(raw)):
            for at in range(0, len(raw), size):
                client.send(raw[at:at + size])
            assert client.read().body == b"abc0123456789"


def test_more_connections_than_the_limit_get_503_and_never_a_reset(leat):
    daemon = leat("limits: { connections: 5 }\n" + HELLO.replace("limits: { line", "#"))
    kept = [daemon.connect() for _ in range(5)]
    for client in kept:
        assert client.request("GET", "/hello").status == 200
    with daemon.connect() as client:
        client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        got = client.read()
        assert (got.status, got.header("retry-after")) == (503, "1")
        assert client.is_closed()
    for client in kept:
        client.close()


def test_connections_are_spread_over_the_loops(leat):
    daemon = leat("server: { threads: 2 }\n" + HELLO)
    clients = [daemon.connect() for _ in range(40)]
    for client in clients:
        assert client.request("GET", "/hello").status == 200
    counts = [loop["connections"] for loop in daemon.status()["loops"]]
    assert counts == [20, 20]
    for client in clients:
        client.close()


def test_listeners_of_every_kind(leat, tmp_path):
    addresses = ["127.0.0.1:0", "127.0.0.2:0", f"unix:{tmp_path}/public.sock"]
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6") and open("/proc/net/if_inet6").read():
        addresses.append("[::1]:0")
    daemon = leat("listen: [" + ", ".join(f'"{a}"' for a in addresses) + "]\n" + HELLO)
    assert len(daemon.ports) == len(addresses) - 1 and len(daemon.unix) == 1
    assert Client(("127.0.0.2", daemon.ports[1])).request("GET", "/hello").status == 200
    assert Client(daemon.unix[0]).request("GET", "/hello").status == 200
    if len(addresses) == 4:
        assert Client(("::1", daemon.ports[2])).request("GET", "/hello").status == 200


def test_a_client_that_reads_slowly_gets_all_of_a_large_answer(leat):
    daemon = leat("""
limits: { body: 8m, memory: 64m }
routes:
  POST /big: { reply: "${request.body}${request.body}" }
""")
    body = os.urandom(1 << 20).hex().encode()
    with daemon.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        assert client.request("POST", "/big", body=body).body == body * 2
        assert client.request("POST", "/big", body="x").body == b"xx"


def test_the_router(leat):
    daemon = leat("""
routes:
  GET /a/{x}: { reply: "param ${path.x}" }
  GET /a/b: { reply: literal }
  /a/b: { reply: any method }
  GET /a/{rest...}: { reply: "rest ${path.rest}" }
  GET host.test/a/b: { reply: host }
  GET /sp%20ce: { reply: never }
""".replace("  GET /sp%20ce: { reply: never }\n", ""))
    cases = [("GET", "/a/b", "literal"), ("POST", "/a/b", "any method"), ("GET", "/a/c", "param c"),
             ("GET", "/a/c/d", "rest c/d"), ("GET", "/a/", "rest "), ("GET", "/x/../a/./b", "literal"),
             ("GET", "/a/%63", "param c"), ("GET", "/a/x%2Fy", "param x/y"), ("GET", "/%61/b?q=1", "literal")]
    with daemon.connect() as client:
        for method, path, want in cases:
            assert client.request(method, path).text == want, path
        assert client.request("GET", "/a/b", {"Host": "HOST.test:80"}).text == "host"
        assert client.request("GET", "/a").status == 404
