"""tests/e2e/test_http.py: HTTP/1.1 as clients see it: framing, methods, refusals, limits, deadlines."""
import re
import threading
import time
from email.utils import parsedate_to_datetime

import pytest

from backends import answering
from leat import FLAVOR, SLOW, Closed, await_true

CONF = """
limits: { body: 256k, line: 2k, head: 8k, fields: 20 }
routes:
  GET /hello: { reply: "Hello!" }
  /any: { reply: "${request.method} ${request.body}" }
  POST /echo: { reply: { body: "${request.body}" } }
  POST /small: { body: { max: 10 }, reply: "${body}" }
  POST /json: { body: { type: json }, reply: { json: "${body}" } }
  POST /form: { body: { type: form }, reply: { json: "${form}" } }
  POST /text: { body: { type: text }, reply: "${body}" }
  PUT /thing: { reply: put }
  DELETE /thing: { tasks: { t: { value: 1 } } }
  GET /slow: { tasks: { t: { wait: 50ms } }, reply: slow }
  GET /fast: { reply: fast }
"""


@pytest.fixture(scope="module")
def daemon(module_stage):
    return module_stage.leat(CONF)


@pytest.fixture
def client(daemon):
    with daemon.connect() as client:
        yield client


# ------------------------------------------------------------------ requests and answers

def test_a_constant_reply_is_answered(client):
    answer = client.get("/hello")
    assert (answer.status, answer.reason, answer.text) == (200, "OK", "Hello!")
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.get("content-length") == "6"


def test_every_answer_has_the_date(client):
    for target in ("/hello", "/any", "/nowhere"):
        date = parsedate_to_datetime(client.get(target).get("date"))
        assert abs(date.timestamp() - time.time()) < 5


def test_a_connection_is_kept_alive(client):
    assert [client.get("/hello").status for _ in range(20)] == [200] * 20


def test_connection_close_is_honoured(client):
    answer = client.get("/hello", headers={"Connection": "close"})
    assert answer.status == 200 and answer.get("connection") == "close"
    assert client.is_closed()


def test_http_1_0_closes(client):
    answer = client.send("GET /hello HTTP/1.0\r\n\r\n").response()
    assert answer.text == "Hello!"
    assert client.is_closed()


def test_http_1_0_is_kept_alive_when_it_asks(client):
    for _ in range(3):
        client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = client.response()
        assert answer.text == "Hello!" and answer.get("connection").lower() == "keep-alive"


def test_pipelined_requests_are_answered_in_order(client):
    client.send("".join(f"POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: {len(str(i))}\r\n\r\n{i}"
                        for i in range(100)))
    assert [client.response().text for _ in range(100)] == [f"POST {i}" for i in range(100)]


def test_a_slow_flow_holds_back_the_fast_answer_behind_it(client):
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /fast HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    assert [client.response().text for _ in range(6)] == ["slow", "fast"] * 3


def test_constant_replies_can_be_pipelined_by_the_thousand(daemon):
    with daemon.connect() as client:
        sender = threading.Thread(target=client.send, args=("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 5000,))
        sender.start()
        assert all(client.response().text == "Hello!" for _ in range(5000))
        sender.join()


def test_a_head_may_come_byte_by_byte(client):
    for byte in b"GET /hello HTTP/1.1\r\nHost: a\r\nX-Long: value\r\n\r\n":
        client.send(bytes([byte]))
    assert client.response().text == "Hello!"


def test_head_answers_like_get_without_the_body(client):
    get = client.get("/hello")
    head = client.request("HEAD", "/hello")
    assert head.status == 200 and head.get("content-length") == get.get("content-length")
    assert client.get("/hello").text == "Hello!"  # and no stray body was in between


def test_head_of_a_reply_with_expressions_has_its_length(client):
    assert client.request("HEAD", "/any").get("content-length") == "5"
    assert client.get("/fast").text == "fast"


def test_options_says_what_is_allowed(client):
    answer = client.request("OPTIONS", "/thing")
    assert answer.status in (200, 204)
    assert set(re.split(", *", answer.get("allow"))) == {"PUT", "DELETE", "OPTIONS"}


def test_options_of_the_server_is_answered(client):
    answer = client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").response()
    assert answer.status in (200, 204)


def test_404_for_a_path_without_a_route(client):
    answer = client.get("/nowhere")
    assert answer.status == 404
    assert client.get("/hello").status == 200


def test_405_with_allow_for_another_method(client):
    answer = client.request("POST", "/hello", body="x")
    assert answer.status == 405
    assert set(re.split(", *", answer.get("allow"))) == {"GET", "HEAD", "OPTIONS"}
    assert client.get("/hello").status == 200


def test_a_route_with_tasks_and_no_reply_answers_204(client):
    answer = client.request("DELETE", "/thing")
    assert answer.status == 204 and answer.body == b""
    assert answer.get("content-length") is None
    assert client.get("/hello").status == 200


def test_501_for_a_method_that_nobody_knows(client):
    assert client.request("BREW", "/nowhere").status == 501


def test_a_route_without_a_method_takes_any(client):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert client.request(method, "/any", body="b").text == f"{method} b"


# ------------------------------------------------------------------ bodies

@pytest.mark.parametrize("size", [0, 1, 4096, 65535, 65536, 262144])
def test_a_body_of_known_length_comes_back_whole(client, size):
    body = bytes(i * 7 % 251 for i in range(size))
    assert client.request("POST", "/echo", body=body).body == body
    assert client.get("/hello").status == 200


def test_a_chunked_body_comes_back_whole(client):
    chunks = [b"a" * 1, b"b" * 5000, b"c" * 70000, b"d" * 3]
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for chunk in chunks:
        client.send(b"%X\r\n%s\r\n" % (len(chunk), chunk))
    client.send(b"0\r\n\r\n")
    assert client.response().body == b"".join(chunks)
    assert client.get("/hello").status == 200


def test_chunk_extensions_and_trailers_are_read_over(client):
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;name=value\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n")
    assert client.response().body == b"abc"
    assert client.get("/hello").status == 200


def test_expect_100_continue_is_answered_before_the_body(client):
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert client.head().status == 100
    assert client.send("12345").response().text == "12345"


def test_expect_100_continue_of_a_body_too_large_is_refused_at_once(client):
    client.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n")
    assert client.head().status == 413


def test_a_body_sent_to_a_route_that_reads_none_is_read_over(client):
    assert client.request("PUT", "/thing", body="GET /evil HTTP/1.1\r\nHost: a\r\n\r\n").text == "put"
    assert client.get("/hello").text == "Hello!"


def test_a_body_sent_to_no_route_is_read_over(client):
    assert client.request("POST", "/nowhere", body="GET /evil HTTP/1.1\r\nHost: a\r\n\r\n").status == 404
    assert client.get("/hello").text == "Hello!"


def test_a_large_reply_reaches_a_slow_reader_whole(leat, backend):
    big = "x" * (6 << 20)
    upstream = backend(lambda call: call.reply(big, content_type="text/plain"))
    daemon = leat("http: { u: { url: @url@ } }\n"
                  "routes: { GET /big: { tasks: { t: { get: \"u:/\" } }, reply: \"${t.text}\" } }", url=upstream.url)
    with daemon.connect(receive_buffer=4096) as client:
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        upstream.await_calls(1)
        assert len(client.response().body) == len(big)
        assert len(client.response().body) == len(big)


def test_a_client_that_takes_nothing_is_cut_off(leat, backend):
    big = "x" * (7 << 20)
    upstream = backend(lambda call: call.reply(big, content_type="text/plain"))
    daemon = leat("timeouts: { write: 300ms }\nhttp: { u: { url: @url@ } }\n"
                  "routes: { GET /big: { tasks: { t: { get: \"u:/\" } }, reply: \"${t.text}\" } }", url=upstream.url)
    client = daemon.connect(receive_buffer=4096)
    client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream.await_calls(1)
    await_true(lambda: daemon.n_connections() == 0, what="the connection's end")
    with pytest.raises(Closed):
        client.response()


# ------------------------------------------------------------------ refusals

@pytest.mark.parametrize("bytes_, status", [
    (b"GARBAGE\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"GET /hello HTTP/1.1\r\n\r\n", 400),
    (b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    (b"GET /hello HTTP/1.1\nHost: a\n\n", 400),
    (b"GET /hello HTTP/1.1\r\nHost: a\r\nbad name: x\r\n\r\n", 400),
    (b"GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    (b"GET /he%zzo HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /he%00o HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\nx", 417),
    (b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
    (b"GET /hello HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 30 + b"\r\n", 431),
    (b"GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"GET /hello HTTP/0.9\r\n\r\n", 505),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n", 413),
    (b"POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + b"x" * 20 + b"\r\n", 413),
])
def test_a_bad_request_gets_its_status_and_a_closed_connection(client, bytes_, status):
    answer = client.send(bytes_).response()
    assert answer.status == status
    assert answer.get("connection") == "close"
    assert client.is_closed()


def test_good_answers_before_a_bad_request_are_not_lost(client):
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\nNONSENSE\r\n\r\n")
    assert [client.response().status for _ in range(3)] == [200, 200, 400]
    assert client.is_closed()


def test_a_refusal_is_readable_though_the_client_still_sends(daemon):
    with daemon.connect() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
        try:
            client.send(b"x" * 3000000)
        except OSError:
            pass
        assert client.response().status == 413


def test_411_where_a_typed_body_has_no_length(client):
    assert client.send("POST /json HTTP/1.1\r\nHost: a\r\n\r\n").response().status == 411


@pytest.mark.parametrize("target, content_type, body, status", [
    ("/json", "application/json", '{"a":1}', 200),
    ("/json", "application/problem+json; charset=utf-8", '{"a":1}', 200),
    ("/json", "text/plain", '{"a":1}', 415),
    ("/json", "application/json", '{"a":1', 400),
    ("/json", "application/json", '{"a":1,"a":2}', 200),
    ("/json", "application/json", "", 400),
    ("/json", "application/json", "[" * 10000, 400),
    ("/form", "application/x-www-form-urlencoded", "a=1&b=x+y%21", 200),
    ("/form", "application/json", "{}", 415),
    ("/form", "application/x-www-form-urlencoded", "a=%zz", 400),
    ("/text", "text/csv", "a,b", 200),
    ("/text", "application/json", "{}", 415),
])
def test_a_body_is_of_the_type_that_the_route_asks_for(client, target, content_type, body, status):
    answer = client.request("POST", target, body=body, headers={"Content-Type": content_type})
    assert answer.status == status
    if status == 200 and content_type.endswith("urlencoded"):
        assert answer.json() == {"a": "1", "b": "x y!"}
    if status in (400, 415):
        assert answer.json()["code"] == "invalid_input"
    assert client.get("/hello").status == 200


# ------------------------------------------------------------------ deadlines

def test_408_for_a_head_that_does_not_end(leat):
    daemon = leat("timeouts: { head: 300ms }\nroutes: { GET /: { reply: x } }")
    with daemon.connect() as client:
        started = time.monotonic()
        client.send("GET / HTTP/1.1\r\nHo")
        answer = client.response()
        took = time.monotonic() - started
        assert answer.status == 408 and answer.get("connection") == "close"
        assert 0.29 <= took < 5 * SLOW
        assert client.is_closed()


def test_the_deadline_of_a_head_is_absolute(leat):
    daemon = leat("timeouts: { head: 300ms }\nroutes: { GET /: { reply: x } }")
    with daemon.connect() as client:
        started = time.monotonic()
        client.send("GET / HTTP/1.1\r\n")
        while client.is_silent(0.05):  # a byte each 50 ms does not help
            client.send("X")
        assert client.response().status == 408
        assert time.monotonic() - started < 5 * SLOW


def test_408_for_a_body_that_does_not_come(leat):
    daemon = leat("timeouts: { body: 200ms }\nroutes: { POST /: { reply: \"${body}\" } }")
    with daemon.connect() as client:
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        assert client.response().status == 408
        assert client.is_closed()


def test_an_idle_connection_is_closed_without_a_word(leat):
    daemon = leat("timeouts: { idle: 200ms }\nroutes: { GET /: { reply: x } }")
    with daemon.connect() as client:
        assert client.get("/").status == 200
        assert client.is_closed()


def test_504_when_the_route_takes_too_long(leat):
    daemon = leat("timeouts: { route: 100ms }\nroutes:\n  GET /d: { tasks: { t: { wait: 10s } } }\n"
                  "  GET /own: { timeout: 50ms, tasks: { t: { wait: 10s } } }")
    for target in ("/d", "/own"):
        answer = daemon.get(target)
        assert answer.status == 504 and answer.json()["code"] == "timeout"


# ------------------------------------------------------------------ full

def test_connections_past_the_limit_get_503_and_no_reset(leat):
    daemon = leat("limits: { connections: 4 }\nroutes: { GET /: { reply: x } }")
    inside = [daemon.connect() for _ in range(4)]
    assert [client.get("/").status for client in inside] == [200] * 4
    for _ in range(20):
        with daemon.connect() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = client.response()
            assert answer.status == 503 and int(answer.get("retry-after")) >= 1
            assert client.is_closed()
    inside[0].close()
    await_true(lambda: daemon.get("/").status == 200, what="room for one")
    assert [client.get("/").status for client in inside[1:]] == [200] * 3


def test_a_connection_that_is_idle_makes_room_when_there_is_none(leat):
    daemon = leat("server: { threads: 1 }\nlimits: { connections: 4 }\ntimeouts: { idle: 8s, head: 60s }\n"
                  "routes: { GET /: { reply: x }, GET /slow: { tasks: { w: { wait: 20s } }, reply: x } }")
    inside = [daemon.connect() for _ in range(4)]
    inside[0].send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    inside[1].send("GET / HT")
    assert [client.get("/").status for client in inside[2:]] == [200] * 2

    def served():
        with daemon.connect() as client:
            return client.get("/").status == 200
    await_true(served, what="room for one")  # after two seconds; after eight all would have gone
    n_left = 0
    for client in inside[2:]:
        try:
            n_left += client.get("/").status == 200
        except Closed:
            pass
    assert n_left == 1
    assert inside[1].send("TP/1.1\r\nHost: a\r\n\r\n").response().status == 200
    assert daemon.status()["requests_in_work"] == 1


def test_a_connection_ends_after_its_number_of_requests(leat):
    daemon = leat("limits: { requests: 3 }\nroutes: { GET /: { reply: x } }")
    with daemon.connect() as client:
        answers = [client.get("/") for _ in range(3)]
        assert [a.get("connection") for a in answers] == [None, None, "close"]
        assert client.is_closed()


def test_a_request_that_uses_too_much_memory_fails_alone(leat, backend):
    upstream = backend(answering("y" * 200000))
    daemon = leat("limits: { memory: 128k }\nhttp: { u: { url: @url@ } }\nroutes:\n"
                  "  GET /big: { tasks: { t: { get: \"u:/\" } }, reply: { json: \"${t.body}\" } }\n"
                  "  GET /: { reply: x }", url=upstream.url)
    answer = daemon.get("/big")
    assert answer.status == 500 and answer.json()["code"] == "memory_limit"
    assert daemon.get("/").status == 200


def test_a_half_closed_client_still_gets_its_answer(daemon):
    with daemon.connect() as client:
        client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").half_close()
        assert client.response().text == "Hello!"


def test_a_thousand_connections_come_and_go(daemon):
    for _ in range(1000 // (1 if FLAVOR == "release" else 4)):
        assert daemon.get("/hello").status == 200
    await_true(lambda: daemon.n_connections() == 0)


def test_connections_that_say_nothing_do_no_harm(daemon):
    for _ in range(50):
        client = daemon.connect()
        client.close()
    for _ in range(50):
        client = daemon.connect()
        client.send("GET /sl")
        client.reset()
    assert daemon.get("/hello").status == 200
