"""tests/e2e/test_proxy_trailers.py: fields behind chunked bodies, through `proxy:`, both ways (RFC 9110 §6.5)."""
import pytest

from backends import chunk, send_head
from leat import Closed

CONF = """
http: { app: { url: "@UP@" } }
routes:
  /api/{path...}: { proxy: app }
  /own/{path...}: { proxy: { to: app, headers: { X-User: leat, X-Secret: null } } }
  /kept/{path...}: { proxy: { to: app, cache: { ttl: 1m } } }
  /packed/{path...}: { proxy: app, compress: { min: 1 } }
"""

PASS = [b"X-End: yes", b"Grpc-Status: 0", b"Content-Digest: sha-256=:abc:", b"ETag: \"e\""]
FORBIDDEN = [b"Host: evil", b"Authorization: Basic eDp5", b"Set-Cookie: a=b", b"Cookie: a=b",
             b"Cache-Control: no-store", b"Content-Type: text/html", b"If-Match: x", b"X-Forwarded-For: 6.6.6.6", b"Connection: close", b"X-Hop: 1",
             b"TE: trailers", b"Location: /", b"Trailer: X", b"Proxy-Authorization: Basic eDp5", b"Vary: *", b"Sec-WebSocket-Key: x"]
ALL = [*FORBIDDEN, PASS[0], *FORBIDDEN, *PASS[1:]]


def with_trailers(lines=(b"Content-Length: 3", *ALL), head=("Trailer: X-End", "Connection: X-Hop")):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked", "Content-Type: text/plain", *head)
        call.send(chunk(b"first ") + chunk(b"second" * 100) + b"0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
    return handler


def ask(client, path, *fields, version="1.1"):
    lines = [f"GET {path} HTTP/{version}", "Host: leat.test", *fields, "", ""]
    client.trailers = None
    return client.send("\r\n".join(lines)).response()


def test_those_of_an_answer_go_to_a_client_that_takes_them(leat, backend):
    server = backend(with_trailers())
    daemon = leat(CONF, UP=server.url)
    with daemon.connect() as client:
        for _ in range(2):
            answer = ask(client, "/api/x", "TE: trailers", "Connection: TE")
            assert answer.body == b"first " + b"second" * 100
            assert answer.get("trailer") == "X-End"
            assert client.trailers == PASS
        answer = ask(client, "/api/x")
        assert answer.body == b"first " + b"second" * 100 and client.trailers == [] and not answer.get("trailer")
    with daemon.connect() as client:
        answer = ask(client, "/api/x", "TE: trailers", version="1.0")
        assert answer.body == b"first " + b"second" * 100 and not answer.get("trailer")
    asked = [(call.headers.get("te"), call.headers.get("connection")) for call in server.calls]
    assert asked == [("trailers", "TE")] * 2 + [(None, None)] * 2
    assert server.n_connections == 1  # each was read to its end


def test_what_is_kept_has_none_and_what_announces_some_is_not_packed(leat, backend):
    server = backend(with_trailers())
    daemon = leat(CONF, UP=server.url)
    with daemon.connect() as client:
        for _ in range(2):
            answer = ask(client, "/kept/x", "TE: trailers")
            assert answer.body.startswith(b"first ") and not client.trailers and not answer.get("trailer")
        assert len(server.calls) == 1 and "te" not in server.calls[0].headers
        answer = ask(client, "/packed/x", "TE: trailers", "Accept-Encoding: gzip")
        assert not answer.get("content-encoding") and client.trailers == PASS
        answer = ask(client, "/packed/x", "Accept-Encoding: gzip")
        assert answer.get("content-encoding") == "gzip" and client.trailers == []


@pytest.mark.parametrize("lines", [[b"X-A: " + b"a" * 9000], [b"A: b"] * 65, [b"no field"], [b"A: b\0"], [b" A: b"]])
def test_those_that_are_too_many_or_are_none_cut_the_answer(leat, backend, lines):
    daemon = leat(CONF, UP=backend(with_trailers(lines)).url)
    with daemon.connect() as client, pytest.raises(Closed):
        ask(client, "/api/x", "TE: trailers")


def send_chunked(client, path, lines, *fields, method="PUT"):
    head = [f"{method} {path} HTTP/1.1", "Host: leat.test", "Transfer-Encoding: chunked", *fields, "", ""]
    client.send("\r\n".join(head)).send(chunk(b"some ") + chunk(b"bytes"))
    client.send(b"0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
    return client.response()


def read_all(call):
    body = b"".join(call.pieces())
    call.json({"body": body.decode(), "trailers": call.trailers, "announced": call.headers.get("trailer")})


def test_those_of_a_request_go_to_the_upstream(leat, backend):
    daemon = leat(CONF, UP=backend(read_all, raw=True).url)
    with daemon.connect() as client:
        for path in ("/api/x", "/own/x"):
            came = send_chunked(client, path, [*ALL, b"X-User: me", b"x-secret: 1"], "Trailer: X-End", "Connection: X-Hop").json()
            assert came["body"] == "some bytes" and came["announced"] == "X-End"
            passed = PASS + ([b"X-User: me", b"x-secret: 1"] if path == "/api/x" else [])
            assert came["trailers"] == [line.decode() for line in passed]
        assert send_chunked(client, "/api/x", []).json()["trailers"] == []


def test_those_of_a_request_are_sent_again_with_its_body(leat, backend):
    seen = []

    def handler(call):
        seen.append(call)
        if len(seen) == 2:
            call.reset()
        read_all(call)
    daemon = leat(CONF, UP=backend(handler, raw=True).url)
    with daemon.connect() as client:
        for _ in range(2):
            came = send_chunked(client, "/api/x", [b"X-End: yes"]).json()
            assert came["body"] == "some bytes" and came["trailers"] == ["X-End: yes"]
    assert len(seen) == 3


@pytest.mark.parametrize("lines, status", [([b"X: " + b"a" * 20000], 431), ([b"A: b"] * 65, 431), ([b"A : b"], 400), ([b"Transfer-Encoding: chunked"], 400), ([b"A: b\0"], 400)])
def test_those_of_a_request_that_are_too_many_or_are_none_are_refused(leat, backend, lines, status):
    server = backend(read_all, raw=True)
    daemon = leat(CONF, UP=server.url)
    with daemon.connect() as client:
        assert send_chunked(client, "/api/x", lines).status == status
    assert daemon.get("/api/x").status in (200, 502)  # it goes on
