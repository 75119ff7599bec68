"""tests/e2e/test_upstream_hedge.py: `hedge`: a second try beside one that is slow to answer."""
import concurrent.futures

import pytest

from backends import Gone, answering, closing, hanging, holding, send_head
from leat import await_true, check

ROUTES = """
routes:
  GET /x: { tasks: { t: { get: "u:/x" } }, reply: { json: "${t.body}" } }
  GET /any: { tasks: { t: { get: "u:/x", expect: [2xx, 5xx] } }, reply: { json: "${t.body}" } }
  POST /x: { tasks: { t: { post: "u:/x", json: 1 } }, reply: { json: "${t.body}" } }
  GET /off: { tasks: { t: { get: "u:/x", hedge: off } }, reply: { json: "${t.body}" } }
  GET /own: { tasks: { t: { get: "u:/x", hedge: { after: 1ms, max: 2 } } }, reply: { json: "${t.body}" } }
  GET /p/{rest...}: { proxy: u }
"""


def conf(upstream, threads=1):
    return f"http: {{ u: {{ {upstream} }} }}\nserver: {{ threads: {threads} }}\n{ROUTES}"


def pair(leat, backend, first, second, upstream="hedge: 10ms"):
    """Two servers of which `first` is called first: the other one is a backup."""
    one, other = backend(first), backend(second)
    daemon = leat(conf(f"servers: [ @one@, {{ address: @other@, backup: true }} ], {upstream}"),
                  one=one.address, other=other.address)
    return daemon, one, other


def until(question):
    """A handler's own wait for what another server has seen."""
    await_true(question)


@pytest.mark.parametrize("path", ["/x", "/p/x"])
def test_the_answer_of_the_second_server_counts_and_the_first_is_left(leat, backend, path):
    daemon, slow, _ = pair(leat, backend, hanging, answering("well"))
    assert daemon.get(path).json() == "well"
    slow.await_left()
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0)
    stats = daemon.upstream("u")
    assert (stats["calls"], stats["failed"], stats["hedged"], stats["hedges_won"]) == (1, 0, 1, 1)
    assert (stats["open"], stats["idle"]) == (1, 1)  # the other one's is kept
    metrics = daemon.admin("GET", "/metrics").text
    assert 'leat_upstream_hedged_total{upstream="u"} 1' in metrics
    assert 'leat_upstream_hedges_won_total{upstream="u"} 1' in metrics


@pytest.mark.parametrize("path", ["/x", "/p/x"])
def test_the_answer_of_the_first_server_counts_when_it_comes_first(leat, backend, path):
    def first(call):
        other.wait_for(lambda: other.calls, "the second try")
        call.json("first")
    daemon, one, other = pair(leat, backend, first, hanging)
    assert daemon.get(path).json() == "first"
    other.await_left()
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0)
    stats = daemon.upstream("u")
    assert (stats["hedged"], stats["hedges_won"], stats["open"]) == (1, 0, 1)
    assert one.n_connections == 1


def test_a_quick_answer_is_not_asked_for_twice(leat, backend):
    daemon, _, other = pair(leat, backend, answering("quick"), answering("no"), "hedge: 30s")
    assert all(daemon.get("/x").json() == "quick" for _ in range(20))
    assert daemon.upstream("u")["hedged"] == 0 and not other.calls


@pytest.mark.parametrize("fails", ["closes", "resets", "garbage"])
def test_a_first_try_that_fails_leaves_it_to_the_second(leat, backend, fails):
    def first(call):
        other.wait_for(lambda: other.calls, "the second try")
        if fails == "garbage":
            call.send(b"\0\1\2\3")
        elif fails == "resets":
            call.reset()
        raise Gone

    def second(call):
        until(lambda: one.n_open == 0)
        call.json("second")
    daemon, one, other = pair(leat, backend, first, second)
    assert daemon.get("/x").json() == "second"
    assert daemon.upstream("u")["hedges_won"] == 1 and daemon.upstream("u")["in_flight"] == 0


@pytest.mark.parametrize("path", ["/any", "/p/x"])
@pytest.mark.parametrize("second_is", ["good", "bad", "gone"])
def test_a_bad_answer_counts_only_when_there_is_no_better_one(leat, backend, path, second_is):
    def first(call):
        other.wait_for(lambda: other.calls, "the second try")
        call.json("busy", status=503)

    def second(call):
        if path == "/any":
            until(lambda: daemon.upstream("u")["idle"] == 1)  # the first one's answer was read
        if second_is == "gone":
            raise Gone
        call.json("second", status=200 if second_is == "good" else 500)
    daemon, one, other = pair(leat, backend, first, second)
    assert daemon.get(path).json() == ("second" if second_is == "good" else "busy")
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0)
    assert daemon.upstream("u")["hedges_won"] == (second_is == "good")


def test_a_second_try_that_fails_leaves_it_to_the_first(leat, backend):
    def first(call):
        other.wait_for(lambda: other.calls and other.n_open == 0, "the second try to be over")
        call.json("first")
    daemon, _, other = pair(leat, backend, first, closing)
    assert daemon.get("/x").json() == "first"
    stats = daemon.upstream("u")
    assert (stats["failed"], stats["hedged"], stats["hedges_won"], stats["in_flight"]) == (0, 1, 0, 0)


def test_what_may_not_be_carried_out_twice_is_not_hedged(leat, backend):
    def handler(call):
        call.backend.release.wait(0.2)
        call.json("once")
    daemon, one, other = pair(leat, backend, handler, handler, "hedge: 1ms")
    assert daemon.post("/x").json() == "once"
    assert daemon.get("/off").json() == "once"
    assert (len(one.calls), len(other.calls), daemon.upstream("u")["hedged"]) == (2, 0, 0)


def test_a_task_has_its_own_and_more_than_one_second_try(leat, backend):
    ill, ill2, well = backend(hanging), backend(hanging), backend(answering("well"))
    daemon = leat(conf("servers: [ @a@, @b@, { address: @c@, backup: true } ]"), a=ill.address, b=ill2.address, c=well.address)
    assert daemon.get("/own").json() == "well"
    ill.await_left(), ill2.await_left()
    assert (daemon.upstream("u")["hedged"], daemon.upstream("u")["hedges_won"]) == (2, 1)


def test_they_spend_of_the_budget_of_retries(leat, backend):
    def slow(call):
        call.backend.release.wait(0.02)
        call.json("slow")
    u = backend(slow)
    daemon = leat(conf("url: @url@, hedge: 1ms, retry: { times: 1, budget: 10 }"), url=u.url)
    assert all(daemon.get("/x").json() == "slow" for _ in range(100))
    # ten to begin with, ten earned, one a second; a hundred without
    assert 10 <= daemon.upstream("u")["hedged"] < 60


def test_when_all_have_failed_the_call_is_made_again(leat, backend):
    def first(call):
        if len(one.calls) > 1:
            call.json("again")
            return
        other.wait_for(lambda: other.calls, "the second try")
        raise Gone

    def second(call):
        until(lambda: one.n_open == 0)
        raise Gone
    daemon, one, other = pair(leat, backend, first, second, "hedge: { after: 10ms, max: 1 }, retry: { times: 1, wait: 1ms }")
    assert daemon.get("/x").status in (200, 502)  # the backup may be the one that is asked again
    stats = daemon.upstream("u")
    assert (stats["retries"], stats["hedged"], stats["in_flight"]) == (1, 1, 0)


def test_a_client_that_leaves_ends_both(leat, backend):
    daemon, one, other = pair(leat, backend, hanging, hanging)
    client = daemon.connect()
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    other.await_calls(1)
    client.reset()
    one.await_left(), other.await_left()
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0)


def test_the_time_of_the_call_is_that_of_both(leat, backend):
    daemon, one, other = pair(leat, backend, hanging, hanging, "hedge: 10ms, timeouts: { total: 500ms }")
    assert daemon.get("/x").status == 504
    one.await_left()
    if other.calls:
        other.await_left()
    assert daemon.upstream("u")["in_flight"] == 0


def test_a_second_try_takes_no_connection_that_others_wait_for(leat, backend):
    daemon, one, other = pair(leat, backend, holding("first"), answering("second"), "hedge: 1ms, pool: { max: 1 }")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(daemon.get, "/x")
        await_true(lambda: daemon.upstream("u")["hedged"] == 1 and daemon.upstream("u")["in_flight"] == 1)
        assert not other.calls and daemon.upstream("u")["pool"]["waiting"] == 0
        one.release.set()
        assert answer.result().json() == "first"


def test_after_a_hundred_answers_those_that_are_slower_than_95_of_them_are_hedged(leat, backend):
    hangs = []

    def first(call):
        if hangs:
            call.hang()
        call.json("first")
    daemon, one, other = pair(leat, backend, first, answering("second"), "hedge: p95")
    hangs.append(1)
    client = daemon.connect()
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    one.await_calls(1)
    assert daemon.upstream("u")["hedged"] == 0
    client.reset()
    one.await_left()
    hangs.clear()
    with daemon.connect() as many:
        for _ in range(150):
            assert many.get("/x").status == 200
    assert daemon.upstream("u")["p95_ms"] > 0
    hangs.append(1)
    before = daemon.upstream("u")["hedges_won"]
    assert daemon.get("/x").json() == "second"
    assert daemon.upstream("u")["hedges_won"] == before + 1


def test_a_stream_that_another_one_has_overtaken_is_closed(leat, backend):
    """The first answers badly, with a body that never ends; it is neither passed on nor kept."""
    def first(call):
        other.wait_for(lambda: other.calls, "the second try")
        send_head(call, "Content-Length: 1000000000", status=500)
        call.hang()

    daemon, one, other = pair(leat, backend, first, holding("second"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(daemon.get, "/p/x")
        # the head was read: the server is no longer waited for
        await_true(lambda: daemon.upstream("u")["servers"][0]["failed"] == 0 and other.calls)
        other.release.set()
        assert answer.result().json() == "second"
    one.await_left()
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0)


@pytest.mark.parametrize("upstream, message", [
    ("hedge: 0", "hedge: 50ms"), ("hedge: p99", "hedge: p95"), ("hedge: { after: 2h }", "up to 1h"), ("hedge: { after: 1s, max: 4 }", "3"),
    ("hedge: { max: 1 }", "after"), ("hedge: { aftr: 1s }", "after"),
])
def test_what_is_wrong_is_said(upstream, message):
    code, out = check(conf("url: \"http://a\", " + upstream))
    assert code == 1 and message in out and "leat.yaml:1:" in out


def test_hedging_what_may_not_be_carried_out_twice_is_an_error():
    code, out = check('routes: { POST /x: { tasks: { t: { post: "http://a/", hedge: 1s } }, reply: 204 } }')
    assert code == 1 and "may not be carried out twice" in out
