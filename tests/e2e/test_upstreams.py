"""tests/e2e/test_upstreams.py: calls to other servers: what is sent, what may come back, faults of every kind."""
import json
import time

import pytest

from backends import Gone, answering, closing, flooding, hanging, resetting, sending
from leat import SLOW, TIMEOUT, await_true

CONF = """
http:
  u: { url: "@url@", max_response: 1m, timeouts: { first_byte: 300ms, idle: 300ms } }
routes:
  GET /x: { tasks: { t: { get: "u:/x" } }, reply: { json: "${t.body}" } }
  POST /x: { tasks: { t: { post: "u:/x", json: "${body}" } }, reply: { json: "${t.body}" } }
  GET /beside:
    tasks: { bad: { get: "u:/x" }, slow: { get: "s:/slow" } }
    reply: never
"""


def start(leat, url, more="http"):
    conf = CONF.replace("routes:", "  s: { url: \"@slow@\" }\nroutes:")
    return leat(conf, url=url, slow=more)


# ------------------------------------------------------------------ faults

FAULTS = {
    "refuses": (None, 502, "connect_failed"),
    "resets": (resetting, 502, "bad_response"),
    "closes without a word": (closing, 502, "bad_response"),
    "hangs": (hanging, 504, "timeout"),
    "talks garbage": (sending(b"220 mail.example ESMTP\r\n"), 502, "bad_response"),
    "sends bytes of no kind": (sending(bytes(range(256)) * 20), 502, "bad_response"),
    "answers half a head": (sending(b"HTTP/1.1 200 OK\r\nContent-Ty"), 502, "bad_response"),
    "answers half a body": (sending(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), 502, "bad_response"),
    "answers half a chunk": (sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf"), 502, "bad_response"),
    "hangs in the head": (lambda c: (c.send(b"HTTP/1.1 200 OK\r\n"), c.hang()), 504, "timeout"),
    "hangs in the body": (lambda c: (c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), c.hang()), 504, "timeout"),
    "announces 1 GB": (lambda c: (c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nab"), c.hang()), 502, "too_large"),
    "sends 1 GB": (flooding, 502, "too_large"),
    "sends a head without end": (lambda c: [c.send(b"HTTP/1.1 200 OK\r\n")] + [c.send(b"X: " + b"y" * 1000 + b"\r\n") for _ in range(10000)],
                                 502, "bad_response"),
    "has two lengths": (sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), 502, "bad_response"),
    "has a length and chunks": (sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 502, "bad_response"),
    "sends JSON that is none": (answering({}, content_type="application/json") and (lambda c: c.reply("{oops")), 502, "bad_response"),
    "is in trouble": (answering({}, status=500), 502, "upstream_status"),
    "speaks HTTP/2": (sending(b"HTTP/2 200\r\n\r\n"), 502, "bad_response"),
    "switches protocols": (sending(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), 502, "bad_response"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_backend_that(leat, backend, fault):
    """… ends in the mapped status within the deadline; its siblings are cancelled; its connection is not used again."""
    handler, status, code = FAULTS[fault]
    slow = backend(hanging)

    def together(call):  # the fault comes when the sibling is in flight, so that there is one to cancel
        if call.backend.beside:
            slow.await_calls(1)
        handler(call)
    upstream = backend(together if handler else None)
    upstream.beside = False
    daemon = start(leat, upstream.url, slow.url)
    started = time.monotonic()
    for _ in range(2):
        answer = daemon.get("/x")
        assert answer.status == status
        problem = answer.json()
        assert (problem["code"], problem["task"]) == (code, "t")
        assert set(problem) <= {"status", "title", "code", "task", "request_id"}
    upstream.beside = True
    assert daemon.get("/beside").status == status
    assert time.monotonic() - started < 20 * SLOW
    if handler:
        if fault not in ("is in trouble", "sends JSON that is none"):  # those are whole, and may be kept
            assert upstream.n_connections == len(upstream.calls)
            await_true(lambda: upstream.n_open == 0, what="the end of its connections")
        slow.await_left()
    stats = daemon.upstream("u")
    assert stats["in_flight"] == 0


def test_a_flood_is_stopped_early(leat, backend):
    upstream = backend(flooding)
    daemon = start(leat, upstream.url, upstream.url)
    assert daemon.get("/x").json()["code"] == "too_large"
    upstream.await_left()
    assert upstream.calls[0].flooded < 64 << 20  # what fits the sockets and the limit, not 1 GB


def test_connecting_has_a_deadline(leat):
    # 192.0.2.0/24 is for documentation: nobody answers, or the machine has no route there
    daemon = leat("http: { u: { url: \"http://192.0.2.1:9\", timeouts: { connect: 200ms } } }\n"
                  "routes: { GET /: { tasks: { t: { get: \"u:/\" } }, reply: never } }")
    started = time.monotonic()
    answer = daemon.get("/")
    assert answer.json()["code"] in ("timeout", "connect_failed") and answer.status in (502, 504)
    assert time.monotonic() - started < 4 * SLOW


def test_a_name_that_does_not_exist_is_dns_failed(leat):
    daemon = leat("http: { u: { url: \"http://nowhere.invalid\", timeouts: { connect: 2s } } }\n"
                  "routes: { GET /: { tasks: { t: { get: \"u:/\" } }, reply: never } }")
    answer = daemon.get("/")  # without any name server it may also take until the deadline
    assert (answer.status, answer.json()["code"]) in ((502, "dns_failed"), (504, "timeout"))


def test_localhost_by_name(leat, backend):
    upstream = backend(answering({"ok": 1}))
    daemon = start(leat, f"http://localhost:{upstream.port}", upstream.url)
    assert daemon.get("/x").json() == {"ok": 1}


# ------------------------------------------------------------------ connections

def test_connections_are_kept_and_used_again(leat, backend):
    upstream = backend(answering({}))
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=upstream.url)
    with daemon.connect() as client:
        for _ in range(10):
            assert client.get("/x").status == 200
    assert upstream.n_connections == 1 and len(upstream.calls) == 10
    stats = daemon.upstream("u")
    assert (stats["calls"], stats["connects"], stats["reused"], stats["failed"]) == (10, 1, 9, 0)


def test_a_stale_connection_is_replaced_once(leat, backend):
    def handler(call):
        if call.number == 2:  # the second request of a connection: it was closed meanwhile
            raise Gone
        call.json({"n": len(call.backend.calls)})
    upstream = backend(handler)
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=upstream.url)
    with daemon.connect() as client:
        assert client.get("/x").json() == {"n": 1}
        assert client.get("/x").json() == {"n": 3}
    assert len(upstream.calls) == 3 and upstream.n_connections == 2


def test_a_fresh_connection_that_fails_is_not_tried_again(leat, backend):
    upstream = backend(closing)
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=upstream.url)
    assert daemon.get("/x").status == 502
    assert len(upstream.calls) == 1


def test_a_post_on_a_stale_connection_is_not_sent_twice(leat, backend):
    def handler(call):
        if call.number == 2:
            raise Gone
        call.json({})
    upstream = backend(handler)
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=upstream.url)
    with daemon.connect() as client:
        for status in (200, 502):
            assert client.request("POST", "/x", body="{}", headers={"Content-Type": "application/json"}).status == status
    assert [c.method for c in upstream.calls] == ["POST", "POST"]


def test_a_backend_that_closes_between_calls_is_no_failure(leat, backend):
    upstream = backend(lambda call: call.json({}, close=True))
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=upstream.url)
    with daemon.connect() as client:
        assert [client.get("/x").status for _ in range(5)] == [200] * 5
    assert upstream.n_connections == 5


def test_bytes_after_the_answer_spoil_the_connection(leat, backend):
    def handler(call):
        call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                  b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"ev\":il}")
    upstream = backend(handler)
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=upstream.url)
    with daemon.connect() as client:
        assert [client.get("/x").json() for _ in range(3)] == [{}] * 3
    assert upstream.n_connections == 3


def test_calls_go_to_the_servers_in_turn_and_past_one_that_refuses(leat, backend):
    a, b, dead = backend(answering("a")), backend(answering("b")), backend()
    daemon = leat("http: { u: { servers: [@a@, @dead@, @b@] } }\nserver: { threads: 1 }\n"
                  "routes: { GET /: { tasks: { t: { get: \"u:/\" } }, reply: { json: \"${t.body}\" } } }",
                  a=a.address, b=b.address, dead=dead.address)
    assert {daemon.get("/").json() for _ in range(12)} == {"a", "b"}


# ------------------------------------------------------------------ requests

def echo(call):
    call.json({"method": call.method, "target": call.target, "headers": call.headers, "body": call.body.decode()})


REQUESTS = """
http: { u: { url: "@url@/base" } }
routes:
  /path/{p}: { tasks: { t: { get: "u:/a/${path.p}/z?q=${query.q}" } }, reply: { json: "${t.body}" } }
  /query: { tasks: { t: { get: "u:/x?a=1", query: { b: "${query.q}", c: [1, 2], d: null } } }, reply: { json: "${t.body}" } }
  /json: { tasks: { t: { post: "u:/x", json: { q: "${query.q}", n: 1, none: "${query.none}" } } }, reply: { json: "${t.body}" } }
  /form: { tasks: { t: { put: "u:/x", form: { q: "${query.q}", n: 1 } } }, reply: { json: "${t.body}" } }
  /body: { tasks: { t: { patch: "u:/x", body: "raw ${query.q}", headers: { Content-Type: text/x } } }, reply: { json: "${t.body}" } }
  /delete: { tasks: { t: { delete: "u:/x" } }, reply: { json: "${t.body}" } }
  /method: { tasks: { t: { http: "u:/x", method: PURGE, headers: { X-Q: "${query.q}", X-None: "${query.none}" } } }, reply: { json: "${t.body}" } }
  /absolute: { tasks: { t: { get: "@url@/abs" } }, reply: { json: "${t.body}" } }
  /head: { tasks: { t: { head: "u:/x" } }, reply: { json: ["${t.status}", "${t.headers.content_type}", "${t.body}"] } }
  /answer: { tasks: { t: { get: "u:/x" } }, reply: { json: { status: "${t.status}", type: "${t.headers['content-type']}", ms: "${t.ms >= 0}",
             text: "${len(t.text) > 0}", ok: "${t.ok}" } } }
"""


@pytest.fixture(scope="module")
def requests(module_stage):
    return module_stage.leat(REQUESTS, url=module_stage.backend(echo).url)


def test_values_are_percent_encoded_in_paths_and_queries(requests):
    target = requests.get("/path/a%2F..%3F%26%20b%C3%A9?q=%26x=1%23%0D%0A").json()["target"]
    assert target == "/base/a/a%2F..%3F%26%20b%C3%A9/z?q=%26x%3D1%23%0D%0A"


@pytest.mark.parametrize("segment", ["%2E%2E", ".", ".."])
def test_a_value_cannot_climb_out_of_its_segment(requests, segment):
    answer = requests.get(f"/path/{segment}")
    assert answer.status in (400, 404)


def test_query_pairs_are_added(requests):
    assert requests.get("/query?q=a%20b").json()["target"] == "/base/x?a=1&b=a%20b&c=1&c=2"


def test_json_form_and_raw_bodies(requests):
    sent = requests.get("/json?q=%22").json()
    assert sent["method"] == "POST" and sent["headers"]["content-type"] == "application/json"
    assert json.loads(sent["body"]) == {"q": '"', "n": 1, "none": None}
    sent = requests.get("/form?q=a%26b%20c").json()
    assert sent["method"] == "PUT" and sent["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert sent["body"].replace("+", "%20") == "q=a%26b%20c&n=1"
    sent = requests.get("/body?q=x").json()
    assert (sent["method"], sent["body"], sent["headers"]["content-type"]) == ("PATCH", "raw x", "text/x")


def test_other_methods(requests):
    assert requests.get("/delete").json()["method"] == "DELETE"
    sent = requests.get("/method?q=1").json()
    assert sent["method"] == "PURGE" and sent["headers"]["x-q"] == "1" and "x-none" not in sent["headers"]
    assert requests.get("/head").json() == [200, "application/json", None]
    assert requests.get("/absolute").json()["target"] == "/abs"


def test_no_value_can_end_a_header_line_of_a_call(requests):
    answer = requests.get("/method?q=a%0D%0AX-Evil:%201")
    assert answer.status in (400, 500)


def test_a_call_carries_the_host_and_the_id(requests):
    headers = requests.get("/absolute").json()["headers"]
    assert headers["host"].startswith("127.0.0.1:") and headers["x-request-id"]


def test_the_parts_of_an_answer(requests):
    assert requests.get("/answer").json() == {"status": 200, "type": "application/json", "ms": True, "text": True, "ok": True}


@pytest.mark.parametrize("answer, body", [
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n3;x=y\r\n,2]\r\n0\r\nX: y\r\n\r\n", [1, 2]),
    (b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[3]", [3]),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[4]", [4]),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[5]", [5]),
    (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
    (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n[6]", "[6]"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n", None),
    (b"HTTP/1.1 200\r\nContent-Type: application/vnd.x+json\r\nContent-Length: 3\r\n\r\n[7]", [7]),
])
def test_answers_of_every_shape(leat, backend, answer, body):
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=backend(sending(answer)).url)
    assert daemon.get("/x").json() == body


def test_an_answer_may_come_byte_by_byte(leat, backend):
    def handler(call):
        for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n":
            call.send(bytes([byte]))
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=backend(handler).url)
    assert [daemon.get("/x").json() for _ in range(3)] == [[1]] * 3


def test_a_megabyte_is_passed_on_whole(leat, backend):
    value = ["x" * 100] * 9000
    daemon = leat(CONF.replace("s:/slow", "u:/y"), url=backend(answering(value)).url)
    assert daemon.get("/x").json() == value


def test_an_early_refusal_of_a_large_body_is_seen(leat, backend):
    upstream = backend(lambda call: call.json({"why": "no"}, status=403, close=True))
    daemon = leat("limits: { body: 4m }\nhttp: { u: { url: @url@ } }\nroutes: { POST /: { tasks: { t: { post: \"u:/\","
                  " body: \"${body}\", expect: 403 } }, reply: { json: \"${t.body}\" } } }", url=upstream.url)
    assert daemon.post("/", body=b"x" * 3000000).json() == {"why": "no"}


def test_waiting_has_an_end_for_each_phase(leat, backend):
    """first_byte and idle are per phase: a backend that trickles is cut off by the total only."""
    def handler(call):
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not call.gone(0.02):
            call.send(b"x")
        raise Gone
    upstream = backend(handler)
    daemon = leat("http: { u: { url: @url@, timeout: 250ms, timeouts: { idle: 200ms } } }\n"
                  "routes: { GET /: { tasks: { t: { get: \"u:/\" } }, reply: never } }", url=upstream.url)
    started = time.monotonic()
    assert daemon.get("/").status == 504
    assert 0.25 <= time.monotonic() - started < 5 * SLOW
    upstream.await_left()
    assert TIMEOUT
