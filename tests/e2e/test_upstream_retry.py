"""tests/e2e/test_upstream_retry.py: an upstream's own `retry`; servers that come and go under load."""
import concurrent.futures
import threading

import pytest

from backends import Backend, answering, closing, hanging, sending
from leat import await_true, check

ROUTES = """
routes:
  GET /x: { tasks: { t: { get: "u:/x" } }, reply: { json: "${t.body}" } }
  POST /x: { tasks: { t: { post: "u:/x", json: 1 } }, reply: { json: "${t.body}" } }
  GET /p/{rest...}: { proxy: u }
  PUT /p/{rest...}: { proxy: u }
"""


def conf(upstream, threads=1):
    return f"http: {{ u: {{ {upstream} }} }}\nserver: {{ threads: {threads} }}\n{ROUTES}"


BAD = {
    "closes": closing,
    "answers half a head": sending(b"HTTP/1.1 200 OK\r\nContent-"),
    "answers half a body": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    "talks garbage": sending(b"\0\1\2\3"),
    "is too slow": hanging,
    "is busy": answering({}, status=503),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_one_server_fails_another_one_does(leat, backend, bad):
    ill, well = backend(BAD[bad]), backend(answering("well"))
    daemon = leat(conf("servers: [ @ill@, @well@ ], retry: { times: 1, wait: 1ms }, timeouts: { first_byte: 200ms }"),
                  ill=ill.address, well=well.address)
    for _ in range(4):
        assert daemon.get("/x").json() == "well"
    stats = daemon.upstream("u")
    assert len(ill.calls) >= 1 and stats["retries"] == len(ill.calls) and stats["calls"] == 4 and stats["failed"] == 0


def test_what_may_have_been_carried_out_is_not_sent_twice(leat, backend):
    u = backend(closing)
    daemon = leat(conf("url: @url@, retry: 3"), url=u.url)
    assert daemon.post("/x").status == 502
    assert len(u.calls) == 1 and daemon.upstream("u")["retries"] == 0


def test_a_request_that_was_not_sent_goes_to_another_server_whatever_its_method(leat, backend):
    gone, well = backend(), backend(answering("well"))
    daemon = leat(conf("servers: [ @gone@, @well@ ]"), gone=gone.address, well=well.address)
    assert all(daemon.post("/x").json() == "well" for _ in range(4))


def test_the_last_answer_is_the_one_that_is_given(leat, backend):
    u = backend(lambda call: call.json(len(call.backend.calls), status=503))
    daemon = leat(conf("url: @url@, retry: { times: 2, wait: 1ms }"), url=u.url)
    answer = daemon.get("/x")
    assert (answer.status, answer.json()["code"]) == (502, "upstream_status") and len(u.calls) == 3


def test_only_what_is_listed_is_tried_again(leat, backend):
    u = backend(answering({}, status=503))
    daemon = leat(conf("url: @url@, retry: { codes: [connect_failed, 504] }"), url=u.url)
    assert daemon.get("/x").status == 502
    assert len(u.calls) == 1


def test_a_server_in_trouble_gets_no_more_than_the_budget(leat, backend):
    u = backend(closing)
    daemon = leat(conf("url: @url@, retry: { times: 3, wait: 0, budget: 10 }"), url=u.url)
    assert all(daemon.get("/x").status == 502 for _ in range(100))
    assert len(u.calls) - 100 == daemon.upstream("u")["retries"]
    assert 15 <= daemon.upstream("u")["retries"] < 60  # ten to begin with, ten earned, one a second; 300 without


def test_a_client_that_leaves_between_two_tries_ends_it(leat, backend):
    u = backend(answering({}, status=503))
    daemon = leat(conf("url: @url@, retry: { wait: 60s, max_wait: 60s }"), url=u.url)
    client = daemon.connect()
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: daemon.upstream("u")["retries"] == 1)
    client.reset()
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0)
    assert len(u.calls) == 1


def test_a_request_that_is_passed_on_is_tried_again_before_its_answer_has_begun(leat, backend):
    ill, well = backend(closing), backend(lambda call: call.reply(call.body or b"well", content_type="text/plain"))
    daemon = leat(conf("servers: [ @ill@, @well@ ], retry: { times: 1, wait: 1ms }"), ill=ill.address, well=well.address)
    assert [daemon.get("/p/a").body for _ in range(2)] == [b"well"] * 2
    assert len(ill.calls) >= 1


@pytest.mark.parametrize("upstream, message", [
    ("retry: 0", "retry"), ("retry: { codes: [conect_failed] }", "nothing that is tried again"), ("retry: { times: 11 }", "10"),
    ("retry: { codez: [503] }", "codes"),
])
def test_what_is_wrong_is_said(upstream, message):
    code, out = check(conf("url: \"http://a\", " + upstream))
    assert code == 1 and message in out and "leat.yaml:1:" in out


# ------------------------------------------------------------------ faults

class Mortal:
    """A server that dies again and again, in the middle of what it does, and comes back at its port."""

    def __init__(self):
        self.one, self.lives = Backend(answering({"ok": 1})), 1
        self.port, self.over = self.one.port, threading.Event()
        self.thread = threading.Thread(target=self.live, daemon=True)

    def live(self):
        while not self.over.wait(0.05):
            self.one.close()
            try:
                self.one = Backend(answering({"ok": 1}), port=self.port)
                self.lives += 1
            except OSError:  # its port is not free yet
                continue

    def close(self):
        self.over.set()
        self.thread.join()
        self.one.close()


def test_under_a_server_that_dies_all_the_time_every_answer_is_right_or_mapped(leat, backend):
    mortal, well = Mortal(), backend(answering({"ok": 1}))
    daemon = leat(conf("servers: [ @mortal@, @well@ ], retry: { times: 2, wait: 1ms, budget: 100 },"
                       " breaker: { failures: 5, open: 50ms }, pool: { max: 20 }", threads=2),
                  mortal=f"127.0.0.1:{mortal.port}", well=well.address)
    statuses = []

    def ask(_):
        with daemon.connect() as client:
            for _ in range(100):
                answer = client.get("/x")
                assert answer.json() == {"ok": 1} if answer.status == 200 else answer.status in (502, 503, 504)
                statuses.append(answer.status)
    mortal.thread.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(8)))
        assert mortal.lives > 1 and len(statuses) == 800
        assert statuses.count(200) > 760  # nearly all are saved by the other one
    finally:
        mortal.close()
    stats = daemon.upstream("u")
    assert stats["in_flight"] == 0 and stats["pool"]["waiting"] == 0 and stats["pool"]["open"] == stats["open"] <= 20
    assert all(daemon.get("/x").status == 200 for _ in range(20))
