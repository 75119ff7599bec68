"""tests/e2e/test_proxy.py: the ending `proxy:`: requests that are passed on, and their answers."""
import threading

import pytest

from backends import Gone, chunk, resetting, send_head
from leat import FLAVOR, TIMEOUT, Closed, await_true, check

CONF = """
http: { app: { url: "@UP@" } }
routes:
  /api/{path...}: { proxy: app }
  /whole: { proxy: app }
"""


def start(leat, backend, handler, conf=CONF, raw=False, **more):
    server = backend(handler, raw=raw)
    return leat(conf, UP=server.url, **more), server


def mirror(call):
    """Says what came."""
    call.json({"method": call.method, "target": call.target, "fields": call.fields,
               "body": call.body.decode("latin1")})


def mirrored(answer):
    came = answer.json()
    came["headers"] = {name.lower(): value for name, value in came["fields"]}
    return came


# ------------------------------------------------------------------ where it goes

def test_the_rest_of_the_path_goes_on_as_it_came_without_dot_segments_and_with_the_query(leat, backend):
    daemon, _ = start(leat, backend, mirror)
    for target, upstream in [("/api/a%20b/c%2Fd?x=1&y=%2F", "/a%20b/c%2Fd?x=1&y=%2F"), ("/api/a/../b/./c", "/b/c"), ("/api/", "/"),
                             ("/api/a/", "/a/"), ("/api/a/%2e%2e/b", "/b"), ("/api/?", "/?"), ("/api//a", "//a"), ("/whole?q", "/whole?q")]:
        assert mirrored(daemon.get(target))["target"] == upstream, target


def test_a_path_that_leaves_its_prefix_is_not_passed_on(leat, backend):
    daemon, server = start(leat, backend, mirror)
    assert daemon.get("/api/../../etc/passwd").status == 404
    assert daemon.get("/api").status == 404
    assert server.calls == []


def test_a_url_may_have_a_prefix_of_its_own_or_be_the_whole_path(leat, backend):
    daemon, _ = start(leat, backend, mirror, """
http: { app: { url: "@UP@/base" } }
routes:
  /v1/{rest...}: { proxy: "app:/v2/" }
  /user/{id}: { proxy: "app:/people/${path.id}" }
  /abs/{rest...}: { proxy: { to: "@UP@/x/" } }
""")
    assert mirrored(daemon.get("/v1/a/b?q=1"))["target"] == "/base/v2/a/b?q=1"
    assert mirrored(daemon.get("/user/a%2Fb?q=1"))["target"] == "/base/people/a%2Fb?q=1"
    assert mirrored(daemon.get("/abs/a"))["target"] == "/x/a"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_every_method_goes_on_but_connect_and_trace(leat, backend, method):
    daemon, _ = start(leat, backend, mirror)
    assert mirrored(daemon.request(method, "/api/x"))["method"] == method
    assert daemon.request("TRACE", "/api/x").status == 405


# ------------------------------------------------------------------ fields

def test_fields_between_two_neighbours_are_not_passed_on(leat, backend):
    def handler(call):
        call.reply("ok", headers={"Connection": "X-Hop", "X-Hop": "1", "X-Far": "2", "Keep-Alive": "timeout=5", "Proxy-Authenticate": "Basic",
                                  "Upgrade": "h2c"})
    daemon, server = start(leat, backend, handler)
    answer = daemon.get("/api/", headers={"Connection": "close, x-secret", "X-Secret": "1", "X-Far": "2", "Keep-Alive": "3", "TE": "gzip",
                                          "Proxy-Authorization": "Basic eDp5", "Proxy-Connection": "keep-alive", "Trailer": "X"})
    came = server.calls[0].headers
    assert came["x-far"] == "2"
    assert not {"connection", "x-secret", "keep-alive", "te", "proxy-authorization", "proxy-connection", "trailer"} & set(came)
    assert answer.get("x-far") == "2"
    assert not {"x-hop", "keep-alive", "proxy-authenticate", "upgrade"} & {name for name, _ in answer.fields}


def test_a_connection_field_with_more_names_than_anybody_needs_is_400(leat, backend):
    daemon, server = start(leat, backend, mirror)
    assert daemon.get("/api/", headers={"Connection": ",".join(f"a{n}" for n in range(40))}).status == 400
    assert server.calls == []


def test_the_upstream_is_told_of_the_client_whatever_the_client_says(leat, backend):
    daemon, _ = start(leat, backend, mirror)
    came = mirrored(daemon.get("/api/", headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil",
                                                 "Forwarded": "for=6.6.6.6", "Via": "1.0 before"}))["headers"]
    assert came["x-forwarded-for"] == "127.0.0.1"
    assert came["x-forwarded-proto"] == "http"
    assert came["x-forwarded-host"] == "leat.test"
    assert "forwarded" not in came
    assert came["via"] == "1.0 before, 1.1 leat"
    assert came["x-request-id"]
    assert came["host"].startswith("127.0.0.1:")


def test_what_a_trusted_proxy_says_of_the_client_is_added_to(leat, backend):
    daemon, _ = start(leat, backend, mirror, CONF + "listen: [{ address: 127.0.0.1:0, trusted_proxies: [127.0.0.0/8] }]\n")
    came = mirrored(daemon.get("/api/", headers={"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}))["headers"]
    assert came["x-forwarded-for"] == "9.9.9.9, 127.0.0.1"
    assert came["x-forwarded-proto"] == "https"


def test_forwarded_may_be_that_of_rfc_7239_or_be_left_alone(leat, backend):
    daemon, _ = start(leat, backend, mirror, """
http: { app: { url: "@UP@" } }
routes:
  /new/{rest...}: { proxy: { to: app, forwarded: rfc7239 } }
  /both/{rest...}: { proxy: { to: app, forwarded: both } }
  /off/{rest...}: { proxy: { to: app, forwarded: off } }
""")
    sent = {"X-Forwarded-For": "6.6.6.6"}
    came = mirrored(daemon.get("/new/", headers=sent))["headers"]
    assert came["forwarded"] == 'for=127.0.0.1;proto=http;host="leat.test"'
    assert "x-forwarded-for" not in came
    came = mirrored(daemon.get("/both/", headers=sent))["headers"]
    assert came["forwarded"].startswith("for=127.0.0.1") and came["x-forwarded-for"] == "127.0.0.1"
    assert mirrored(daemon.get("/off/", headers=sent))["headers"]["x-forwarded-for"] == "6.6.6.6"


def test_headers_of_the_request_are_set_by_templates_and_taken_out_by_null(leat, backend):
    daemon, _ = start(leat, backend, mirror, """
http: { app: { url: "@UP@" } }
routes:
  /api/{rest...}:
    proxy: { to: app, preserve_host: true, headers: { X-User: "${query.u}", Cookie: null, X-None: "${query.none}", Via: me } }
""")
    came = mirrored(daemon.get("/api/?u=ada", headers={"X-User": "evil", "Cookie": "a=b", "X-None": "x"}))["headers"]
    assert came["x-user"] == "ada"
    assert came["host"] == "leat.test"
    assert came["via"] == "me"
    assert not {"cookie", "x-none"} & set(came)
    answer = daemon.get("/api/?u=a%0d%0ab")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_input")


# ------------------------------------------------------------------ answers

def test_head_204_and_304_have_no_body_and_keep_their_fields(leat, backend):
    def handler(call):
        if call.path == "/none":
            call.send(b"HTTP/1.1 204 No\r\nX-A: b\r\n\r\n")
        elif call.path == "/same":
            call.send(b'HTTP/1.1 304 Same\r\nETag: "v"\r\n\r\n')
        else:
            call.reply("x" * 1234, headers={"ETag": '"v"'})
    daemon, server = start(leat, backend, handler)
    with daemon.connect() as client:
        answer = client.request("HEAD", "/api/")
        assert (answer.status, answer.get("content-length"), answer.get("etag")) == (200, "1234", '"v"')
        answer = client.get("/api/none")
        assert (answer.status, answer.get("x-a"), answer.get("content-length")) == (204, "b", None)
        answer = client.get("/api/same", headers={"If-None-Match": '"v"'})
        assert (answer.status, answer.get("etag")) == (304, '"v"')
        answer = client.get("/api/", headers={"If-None-Match": '"v"'})
        assert (answer.status, len(answer.body)) == (200, 1234)  # it is the upstream that knows
    assert server.n_connections == 1


def test_answers_of_every_framing_go_back_whole_over_one_connection_of_the_client(leat, backend):
    def handler(call):
        if call.path == "/length":
            call.reply(b"abc" * 50000)
        elif call.path == "/chunked":
            send_head(call, "Transfer-Encoding: chunked")
            call.send(chunk(b"one ") + chunk(b"two") + b"0\r\n\r\n")
        else:
            send_head(call)
            call.send(b"until the end")
            raise Gone
    daemon, _ = start(leat, backend, handler)
    with daemon.connect() as client:
        for _ in range(2):
            assert client.get("/api/length").body == b"abc" * 50000
            assert client.get("/api/chunked").body == b"one two"
            assert client.get("/api/end").body == b"until the end"


def test_an_event_goes_out_before_the_next_one_is_made(leat, backend):
    def handler(call):
        send_head(call, "Content-Type: text/event-stream")
        for n in range(3):
            call.send(b"data: %d\n\n" % n)
            assert call.backend.release.wait(TIMEOUT)
            call.backend.release.clear()
        raise Gone
    daemon, server = start(leat, backend, handler)
    with daemon.connect() as client:
        client.send("GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.head().get("content-type") == "text/event-stream"
        for n in range(3):
            size = int(client._until(b"\r\n"), 16)
            assert client._exactly(size + 2) == b"data: %d\n\n\r\n" % n
            server.release.set()
        assert client._until(b"\r\n") == b"0"


def test_a_large_answer_is_held_back_by_a_slow_client_and_memory_stays_bounded(leat, backend):
    sent = []

    def handler(call):
        send_head(call, "Transfer-Encoding: chunked")
        for _ in range(1024):
            call.send(chunk(b"x" * 65536))
            sent.append(65536)
        call.send(b"0\r\n\r\n")
    daemon, _ = start(leat, backend, handler)
    before = daemon.memory_kib()
    with daemon.connect(receive_buffer=65536) as client:
        client.send("GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        n = 0
        while n != len(sent) or n == 0:  # until nothing moves any more
            n = len(sent)
            threading.Event().wait(0.3)
        assert n < 512
        assert FLAVOR != "release" or daemon.memory_kib() - before < 4096  # sanitizers keep what is freed
        assert len(client._chunks()) == 1024 * 65536


def test_policies_hold_for_what_is_passed_on(leat, backend):
    def handler(call):
        call.reply("x" * 5000, content_type="text/plain", headers={"X-Powered-By": "it"})
    daemon, server = start(leat, backend, handler, """
http: { app: { url: "@UP@" } }
routes:
  /api/{path...}:
    auth: { api_key: { from: header:X-Key, keys: { ada: sesame-open-yourself } } }
    compress: { min: 100 }
    headers: { set: { X-Frame-Options: DENY }, remove: [X-Powered-By] }
    proxy: { to: app, headers: { X-Who: "${auth.name}" } }
""")
    assert daemon.get("/api/").status == 401
    assert server.calls == []
    answer = daemon.get("/api/", headers={"X-Key": "sesame-open-yourself", "Accept-Encoding": "gzip"})
    assert (answer.status, answer.get("content-encoding"), answer.get("x-frame-options")) == (200, "gzip", "DENY")
    assert answer.get("x-powered-by") is None


# ------------------------------------------------------------------ bodies of requests

@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_body_goes_on_while_it_comes_and_memory_stays_bounded(leat, backend, framing):
    size = 48 << 20
    seen = {}

    def handler(call):
        seen["first"] = next(call.pieces())
        call.backend.release.wait(TIMEOUT)
        call.left_over = len(seen["first"]) + sum(len(piece) for piece in call.pieces()) \
            if framing == "chunked" else len(seen["first"]) + len(call._exactly(size - len(seen["first"])))
        call.reply(str(call.left_over))
    daemon, server = start(leat, backend, handler, raw=True)
    before = daemon.memory_kib()
    with daemon.connect() as client:
        client.send("POST /api/ HTTP/1.1\r\nHost: a\r\n" +
                    (f"Content-Length: {size}\r\n\r\n" if framing == "length" else "Transfer-Encoding: chunked\r\n\r\n"))
        piece = b"x" * 65536 if framing == "length" else chunk(b"x" * 65536)

        def feed():
            for _ in range(size // 65536):
                client.send(piece)
                feed.sent += 1
            if framing == "chunked":
                client.send(b"0\r\n\r\n")
        feed.sent = 0
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        n = 0
        while n != feed.sent or n == 0:
            n = feed.sent
            threading.Event().wait(0.3)
        assert "first" in seen  # the upstream had it before the client had sent all
        assert n < size // 65536
        assert FLAVOR != "release" or daemon.memory_kib() - before < 4096  # sanitizers keep what is freed
        server.release.set()
        feeder.join(TIMEOUT)
        assert client.response().body == str(size).encode()
    assert server.calls[0].headers.get("content-length") == (str(size) if framing == "length" else None)


def test_a_body_has_no_limit_unless_the_route_has_one(leat, backend):
    daemon, server = start(leat, backend, lambda call: call.reply(str(len(call.body))), """
limits: { body: 1k }
http: { app: { url: "@UP@" } }
routes:
  /any: { proxy: app }
  /some: { proxy: app, body: { max: 2k } }
""")
    assert daemon.post("/any", b"x" * 100000).body == b"100000"
    assert daemon.post("/some", b"x" * 2048).body == b"2048"
    assert daemon.post("/some", b"x" * 2049).status == 413
    assert len(server.calls) == 2


def test_a_chunked_body_that_grows_too_large_is_refused_and_the_upstream_sees_it_cut(leat, backend):
    def handler(call):
        for _ in call.pieces():
            pass
    daemon, server = start(leat, backend, handler, """
http: { app: { url: "@UP@" } }
routes: { /some: { proxy: app, body: { max: 2k } } }
""", raw=True)
    with daemon.connect() as client:
        client.send(b"POST /some HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x" * 1000))
        server.await_calls(1)
        client.send(chunk(b"x" * 2000))
        assert client.response().status == 413
        assert client.is_closed()
    server.wait_for(lambda: server.n_open == 0, "the call to be cut")
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_100_continue_comes_from_the_upstream(leat, backend):
    def handler(call):
        assert call.headers["expect"] == "100-continue"
        if call.path == "/no":
            call.reply("no", status=403)
            raise Gone
        call.backend.release.wait(TIMEOUT)
        call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        call.reply(b"".join(call.pieces()))
    daemon, server = start(leat, backend, handler, raw=True)
    with daemon.connect() as client:
        client.send("POST /api/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        server.await_calls(1)
        assert client.is_silent()
        server.release.set()
        assert client.head().status == 100
        assert client.send("hello").response().body == b"hello"
        client.send("POST /api/no HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.body) == (403, b"no")
        assert client.is_closed()


def test_early_hints_go_on_to_clients_that_know_them(leat, backend):
    def handler(call):
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        call.backend.release.wait(TIMEOUT)
        call.reply("done")
    daemon, server = start(leat, backend, handler)
    with daemon.connect() as client:
        client.send("GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n")
        hints = client.head()
        assert (hints.status, hints.get("link")) == (103, "</a.css>; rel=preload")
        server.release.set()
        assert client.response().body == b"done"
    with daemon.connect() as client:
        assert client.send("GET /api/ HTTP/1.0\r\nHost: a\r\n\r\n").head().status == 200


def test_an_answer_that_comes_while_the_body_does_goes_back_beside_it(leat, backend):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked")
        for piece in call.pieces():
            call.send(chunk(piece.upper()))
        call.send(b"0\r\n\r\n")
    daemon, _ = start(leat, backend, handler, raw=True)
    with daemon.connect() as client:
        client.send("POST /api/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for n, word in enumerate([b"first", b"second", b"third"]):
            client.send(chunk(word))
            if n == 0:
                assert client.head().status == 200
            size = int(client._until(b"\r\n"), 16)
            assert client._exactly(size + 2) == word.upper() + b"\r\n"
        client.send(b"0\r\n\r\n")
        assert client._chunks() == b""
        assert client.request("POST", "/api/", body=b"again").body == b"AGAIN"  # the connection lives


def test_an_early_refusal_goes_back_and_ends_the_connection(leat, backend):
    def handler(call):
        call.reply("too much", status=413)
        raise Gone
    daemon, server = start(leat, backend, handler, raw=True)
    with daemon.connect() as client:
        client.send(b"POST /api/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        answer = client.response()
        assert (answer.status, answer.get("connection"), answer.body) == (413, "close", b"too much")
        client.half_close()
        assert client.is_closed()
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_requests_that_are_pipelined_behind_a_proxied_one_are_answered_in_order(leat, backend):
    daemon, _ = start(leat, backend, lambda call: call.reply(call.path.encode() + b"".join(call.pieces())),
                      CONF + "  GET /own: { reply: own }\n", raw=True)
    with daemon.connect() as client:
        client.send("GET /own HTTP/1.1\r\nHost: a\r\n\r\n"
                    "POST /api/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                    "GET /own HTTP/1.1\r\nHost: a\r\n\r\n"
                    "POST /api/2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
                    "GET /api/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [client.response().body for _ in range(5)] == [b"own", b"/1abc", b"own", b"/2xyz", b"/3"]


# ------------------------------------------------------------------ protocols that are switched to

UPGRADE = "GET /api/ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"


def switching(call):
    assert call.headers["connection"].lower() == "upgrade" and call.headers["upgrade"] == "websocket"
    assert call.headers["sec-websocket-key"] == "k"
    send_head(call, "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: v", status=101)


def test_an_upgrade_becomes_a_tunnel_both_ways(leat, backend):
    def handler(call):
        switching(call)
        while piece := call.some():
            call.send(piece.upper())
        call.send(b"bye")
        raise Gone
    daemon, server = start(leat, backend, handler, raw=True)
    with daemon.connect() as client:
        client.send(UPGRADE + "early")
        answer = client.head()
        assert (answer.status, answer.get("upgrade"), answer.get("connection"), answer.get("sec-websocket-accept")) == \
            (101, "websocket", "Upgrade", "v")
        assert client._exactly(5) == b"EARLY"
        for _ in range(3):
            assert client.send(b"ping\0\r\n\r\n")._exactly(9) == b"PING\0\r\n\r\n"
        big = b"z" * 3000000
        feeder = threading.Thread(target=client.send, args=(big,), daemon=True)
        feeder.start()
        assert client._exactly(len(big)) == big.upper()
        feeder.join()
        client.half_close()  # what the upstream still says is heard
        assert client.rest() == b"bye"
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_a_tunnel_ends_with_its_upstream_and_with_its_client(leat, backend):
    def handler(call):
        switching(call)
        if call.some() == b"end":
            raise Gone
        call.hang()
    daemon, server = start(leat, backend, handler, raw=True)
    with daemon.connect() as client:
        client.send(UPGRADE).head()
        client.send("end")
        assert client.is_closed()
    client = daemon.connect()
    client.send(UPGRADE).head()
    client.send("more")
    server.await_calls(2)
    client.reset()
    server.await_left()
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_a_tunnel_that_is_silent_for_too_long_is_closed(leat, backend):
    def handler(call):
        switching(call)
        call.hang()
    daemon, server = start(leat, backend, handler, """
http: { app: { url: "@UP@" } }
routes: { "/api/{path...}": { proxy: { to: app, tunnel: 1s } } }
""", raw=True)
    with daemon.connect() as client:
        assert client.send(UPGRADE).head().status == 101
        assert client.is_closed()
    server.await_left()


def test_an_upgrade_that_the_upstream_refuses_is_an_answer_like_others(leat, backend):
    daemon, server = start(leat, backend, lambda call: call.reply("no", status=426))
    with daemon.connect() as client:
        answer = client.send(UPGRADE).response()
        assert (answer.status, answer.body) == (426, b"no")
        assert client.get("/api/").status == 426
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_a_switch_that_nobody_asked_for_is_a_bad_response(leat, backend):
    daemon, _ = start(leat, backend, lambda call: send_head(call, "Upgrade: x", status=101))
    assert daemon.get("/api/").json()["code"] == "bad_response"


# ------------------------------------------------------------------ failures

def test_an_upstream_that_is_not_there_is_502_or_what_on_error_says(leat, backend):
    server = backend()
    daemon = leat("""
http: { app: { url: "@UP@" } }
routes:
  /api/{path...}: { proxy: app }
  /own/{path...}: { proxy: app, on_error: { connect_failed: { status: 503, text: "down for ${error.code}" } } }
""", UP=server.url)
    answer = daemon.get("/api/")
    assert (answer.status, answer.json()["code"], answer.json()["task"]) == (502, "connect_failed", "proxy")
    answer = daemon.post("/own/", b"x" * 100000)
    assert (answer.status, answer.text) == (503, "down for connect_failed")


@pytest.mark.parametrize("start_of_it", [b"Content-Length: 100\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"])
def test_an_answer_that_is_cut_is_cut_for_the_client_too(leat, backend, start_of_it):
    def handler(call):
        call.send(b"HTTP/1.1 200 OK\r\n" + start_of_it)
        call.reset()
    daemon, _ = start(leat, backend, handler)
    with daemon.connect() as client, pytest.raises(Closed):
        client.get("/api/")
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_an_upstream_that_resets_before_it_answers_is_a_bad_response(leat, backend):
    daemon, server = start(leat, backend, resetting)
    assert daemon.get("/api/").json()["code"] == "bad_response"
    assert len(server.calls) == 1


def test_a_kept_connection_that_has_died_is_replaced_with_a_small_body_too(leat, backend):
    def handler(call):
        call.reply(call.body)
        if len(call.backend.calls) in (1, 3):
            call.backend.release.wait(TIMEOUT)
            call.backend.release.clear()
            call.backend.calls[-1].dead = True
            call.sock.recv(65536)  # the next request is read, and dies with its connection
            call.reset()
    daemon, server = start(leat, backend, handler)
    for body in (b"abc", b"x" * 30000):
        first = len(server.calls)
        assert daemon.request("PUT", "/api/", body=body).body == body
        server.release.set()
        assert daemon.request("PUT", "/api/", body=body).body == body
        assert len(server.calls) == first + 2


def test_the_timeout_of_the_route_is_until_the_head_of_the_answer(leat, backend):
    def handler(call):
        if call.path == "/slow":
            call.hang()
        send_head(call, "Content-Length: 4")
        call.backend.release.wait(1.5)
        call.send(b"done")
    daemon, server = start(leat, backend, handler, """
http: { app: { url: "@UP@" } }
routes: { "/api/{path...}": { timeout: 1s, proxy: app } }
""")
    answer = daemon.get("/api/slow")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    server.await_left()
    assert daemon.get("/api/x").body == b"done"


@pytest.mark.parametrize("when", ["before the answer", "in the answer", "in the body"])
def test_a_client_that_leaves_ends_the_call(leat, backend, when):
    def handler(call):
        if when == "in the answer":
            send_head(call, "Transfer-Encoding: chunked")
            call.send(chunk(b"x"))
        while call.some():
            pass
        with call.backend.changed:
            call.backend.n_left += 1
            call.backend.changed.notify_all()
        raise Gone
    daemon, server = start(leat, backend, handler, raw=True)
    client = daemon.connect()
    client.send(b"POST /api/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\nab" % (10 if when == "in the body" else 2))
    server.await_calls(1)
    if when == "in the answer":
        client.head()
    client.reset()
    server.await_left()
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_a_tunnel_and_a_stream_live_through_a_reload(leat, backend):
    def handler(call):
        switching(call)
        while piece := call.some():
            call.send(piece)
        raise Gone
    daemon, _ = start(leat, backend, handler, raw=True)
    with daemon.connect() as client:
        client.send(UPGRADE).head()
        assert daemon.reload('routes: { GET /: { reply: ok } }\n').returncode == 0
        assert client.send("still")._exactly(5) == b"still"


# ------------------------------------------------------------------ load errors

@pytest.mark.parametrize("route, words", [
    ("{ proxy: ap }", 'there is no upstream "ap"; did you mean "app"'),
    ("{ proxy: app, reply: x }", "a route with proxy has no tasks, reply or redirect; keep one"),
    ("{ proxy: app, tasks: { a: { value: 1 } } }", "keep one"),
    ("{ proxy: app, files: . }", "keep one"),
    ("{ proxy: app, body: { type: json } }", "remove type"),
    ("{ proxy: { to: app, headers: { Host: x } } }", "preserve_host: true"),
    ("{ proxy: { to: app, headers: { Content-Length: 3 } } }", "leat sets the header Content-Length itself"),
    ("{ proxy: { too: app } }", 'did you mean "to"'),
    ('{ proxy: "app:/${body.x}" }', "body"),
])
def test_a_proxy_that_cannot_be_is_a_load_error(route, words):
    code, text = check("http: { app: { url: http://127.0.0.1:1 } }\nroutes: { /a: %s }\n" % route)
    assert code == 1
    assert words in text, text
