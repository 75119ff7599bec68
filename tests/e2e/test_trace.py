"""tests/e2e/test_trace.py: W3C trace context in and out, and spans over OTLP/HTTP."""
import re

import pytest

from backends import answering, closing, hanging
from collector import CLIENT, INTERNAL, SERVER, Collector
from leat import SLOW, await_true

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
CONF = """
trace: { export: "http://@collector@/v1/traces", interval: 20ms@more@ }
http: { u: { url: "http://@up@" } }
routes:
  GET /const: { reply: hello }
  GET /one/{id}: { tasks: { t: { get: "u:/x/${path.id}?key=s3cret" } }, reply: { json: "${request.trace_id}" } }
  GET /p/{rest...}: { proxy: u }
"""


@pytest.fixture
def traced(leat, backend):
    """A daemon whose spans come to a collector: daemon, collector, backend."""
    def start(conf=CONF, handler=None, answers=(), more="", **names):
        up, collector = backend(handler or answering({})), Collector(answers)
        daemon = leat(conf, collector=backend(collector).address, up=up.address,
                      more=f", {more}" if more else "", **names)
        return daemon, collector, up
    return start


def parts(header):
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])", header)
    assert match, header
    return match.groups()


# ------------------------------------------------------------------ the header

def test_without_trace_a_traceparent_goes_on_as_it_came(leat, backend):
    up = backend(answering({}))
    daemon = leat(CONF.replace("trace:", "# trace:"), up=up.address, collector="x:1", more="")
    answer = daemon.get("/one/1", headers={"traceparent": SAMPLED, "tracestate": "a=1,b=2"})
    assert answer.json() == TRACE
    assert up.calls[0].headers["traceparent"] == SAMPLED and up.calls[0].headers["tracestate"] == "a=1,b=2"
    assert daemon.get("/one/1").json() is None
    assert "traceparent" not in up.calls[1].headers
    assert f" trace={TRACE}" in daemon.access_lines(2)[0] and "trace=" not in daemon.access_lines(2)[1]


@pytest.mark.parametrize("bad", ["", "00", SAMPLED + "0", SAMPLED.upper(), SAMPLED.replace("00-", "ff-"),
                                 f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"01-{TRACE}-{PARENT}-01x"])
def test_what_is_no_traceparent_begins_a_new_trace(traced, bad):
    daemon, collector, up = traced()
    trace = daemon.get("/one/1", headers={"traceparent": bad, "tracestate": "a=1"}).json()
    assert trace != TRACE and len(trace) == 32
    assert parts(up.calls[0].headers["traceparent"])[0] == trace and "tracestate" not in up.calls[0].headers
    assert collector.await_spans(3)[0].trace == trace and collector.one(kind=SERVER).parent is None


def test_two_traceparents_are_none(traced):
    daemon, collector, _ = traced()
    daemon.raw(f"GET /const HTTP/1.1\r\nHost: a\r\ntraceparent: {SAMPLED}\r\ntraceparent: {SAMPLED}\r\n\r\n")
    assert collector.await_spans(1)[0].trace != TRACE


def test_a_higher_version_is_read_as_far_as_it_is_known(traced):
    daemon, collector, up = traced()
    assert daemon.get("/one/1", headers={"traceparent": f"cc-{TRACE}-{PARENT}-01-more"}).json() == TRACE
    assert parts(up.calls[0].headers["traceparent"])[0] == TRACE


@pytest.mark.parametrize("state", ["no pair", "A=1", "a=b=c", "a=" + "x" * 257, "a=1," + "b=" + "x" * 600])
def test_a_bad_tracestate_is_left_out(traced, state):
    daemon, _, up = traced()
    daemon.get("/one/1", headers={"traceparent": SAMPLED, "tracestate": state})
    assert "tracestate" not in up.calls[0].headers


def test_a_proxy_sends_its_own_span_and_the_state(traced):
    daemon, collector, up = traced()
    daemon.get("/p/x", headers={"traceparent": SAMPLED, "tracestate": "a=1"})
    trace, span, flags = parts(up.calls[0].headers["traceparent"])
    collector.await_spans(2)
    call, request = collector.one(kind=CLIENT), collector.one(kind=SERVER)
    assert (trace, span, flags) == (TRACE, call.id, "01") and up.calls[0].headers["tracestate"] == "a=1"
    assert call.parent == request.id and request.parent == PARENT and call.state == request.state == "a=1"
    assert len([n for n, _ in up.calls[0].fields if n.lower() == "traceparent"]) == 1


def test_a_header_of_the_users_own_is_left_as_it_is(traced):
    conf = CONF.replace('get: "u:/x/${path.id}?key=s3cret"', f'get: "u:/x", headers: {{ traceparent: "{UNSAMPLED}" }}')
    daemon, _, up = traced(conf)
    daemon.get("/one/1")
    assert [v for n, v in up.calls[0].fields if n.lower() == "traceparent"] == [UNSAMPLED]


# ------------------------------------------------------------------ spans

def test_request_task_and_try_are_told_with_every_fact(traced):
    daemon, collector, up = traced(more="service: shop, attributes: { deployment.environment.name: test }")
    assert daemon.get("/one/7?token=abc").status == 200
    collector.await_spans(3)
    request, task, call = (collector.one(kind=kind) for kind in (SERVER, INTERNAL, CLIENT))
    assert request.resource["service.name"] == "shop" and request.resource["deployment.environment.name"] == "test"
    assert request.name == "GET /one/{id}" and request.parent is None and not request.failed
    facts = request.attributes
    client = facts.pop("client.address")
    assert client == "127.0.0.1" and re.fullmatch(r"[0-9a-f]{20}", facts.pop("leat.request.id"))
    assert facts == {"http.request.method": "GET", "url.path": "/one/7", "url.scheme": "http",
                     "http.route": "/one/{id}", "server.address": "leat.test", "network.protocol.version": "1.1",
                     "http.response.status_code": 200}
    assert (task.name, task.parent) == ("t", request.id)
    assert task.attributes == {"leat.task.verb": "get", "leat.task.outcome": "ok"}
    assert (call.name, call.parent) == ("GET", task.id)
    assert call.attributes == {"http.request.method": "GET", "leat.upstream": "u", "url.path": "/x/7", "url.scheme": "http",
                               "server.address": "127.0.0.1", "server.port": up.port, "http.response.status_code": 200}
    assert parts(up.calls[0].headers["traceparent"]) == (request.trace, call.id, "01")
    assert request.start <= task.start <= call.start and call.end <= task.end <= request.end
    told = repr([vars(s) for s in collector.spans])
    assert "s3cret" not in told and "token" not in told  # what a query says may be a credential


def test_constant_replies_files_and_what_has_no_route_are_told(traced):
    conf = CONF + "  GET /f/{path...}: { files: . }\n"
    daemon, collector, _ = traced(conf, )
    daemon.write("a.txt", "text")
    with daemon.connect() as client:
        for target, status in (("/const", 200), ("/f/a.txt", 200), ("/none", 404), ("/const", 200)):
            assert client.get(target).status == status
    collector.await_spans(4)
    assert [s.name for s in collector.spans] == ["GET /const", "GET /f/{path...}", "GET", "GET /const"]
    assert len({s.trace for s in collector.spans}) == 4


def test_inner_tasks_are_parts_of_what_holds_them(traced):
    conf = """
trace: { export: "http://@collector@/v1/traces", interval: 20ms }
flows: { f: { tasks: { deep: { value: 1 } } } }
routes:
  GET /:
    tasks:
      group: { tasks: { inner: { value: 1 } } }
      called: { call: f }
      each: { value: "${item}", each: "${[1, 2]}" }
      skipped: { value: 1, when: false }
    reply: ok
"""
    daemon, collector, _ = traced(conf)
    assert daemon.get("/").status == 200
    collector.await_spans(1 + 3 + 1 + 1 + 2)
    request, group, called = (collector.one(name=name) for name in ("GET /", "group", "called"))
    assert collector.one(name="inner").parent == group.id and collector.one(name="deep").parent == called.id
    assert group.parent == called.parent == request.id
    whole = next(s for s in collector.spans if s.name == "each" and s.parent == request.id)
    assert len([s for s in collector.spans if s.name == "each" and s.parent == whole.id]) == 2


def test_a_detached_task_is_part_of_the_trace_that_began_it(traced):
    conf = CONF.replace("tasks: { t: {", "tasks: { t: { detach: true,")
    daemon, collector, up = traced(conf)
    daemon.get("/one/1", headers={"traceparent": SAMPLED})
    collector.await_spans(4)
    assert {s.trace for s in collector.spans} == {TRACE}
    call = collector.one(kind=CLIENT)
    assert parts(up.calls[0].headers["traceparent"])[1] == call.id


def test_each_try_is_a_span_and_the_server_learns_which(traced):
    seen = []

    def flaky(call):
        seen.append(call.headers["traceparent"])
        if len(seen) < 3:
            closing(call)
        call.json({})
    conf = CONF.replace('url: "http://@up@"', 'url: "http://@up@", retry: { times: 3, wait: 1ms, budget: 100 }')
    daemon, collector, _ = traced(conf, flaky)
    assert daemon.get("/one/1").status == 200
    collector.await_spans(5)
    tries = sorted((s for s in collector.spans if s.kind == CLIENT), key=lambda s: s.start)
    assert [s.id for s in tries] == [parts(header)[1] for header in seen]
    assert [s.failed for s in tries] == [True, True, False]
    assert [s.attributes.get("http.request.resend_count") for s in tries] == [None, 1, 2]
    assert tries[0].attributes["error.type"] == "bad_response" and tries[0].problem


def test_what_fails_says_why(traced):
    daemon, collector, _ = traced(handler=answering({}, status=500))
    assert daemon.get("/one/1").status == 502
    collector.await_spans(3)
    request, task, call = (collector.one(kind=kind) for kind in (SERVER, INTERNAL, CLIENT))
    assert request.failed and task.failed and call.failed
    assert task.attributes["error.type"] == "upstream_status" and task.problem
    assert call.attributes["http.response.status_code"] == 500 and request.attributes["http.response.status_code"] == 502


def test_a_client_that_leaves_is_told(traced):
    daemon, collector, up = traced(handler=hanging)
    with daemon.connect() as client:
        client.send("GET /one/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        up.await_calls(1)
        client.reset()
    collector.await_spans(3)
    request, call = collector.one(kind=SERVER), collector.one(kind=CLIENT)
    assert request.failed and request.attributes["error.type"] == "cancelled"
    assert call.attributes["error.type"] == "cancelled" and "http.response.status_code" not in request.attributes


def test_a_run_of_a_job_is_a_trace(traced):
    daemon, collector, _ = traced(CONF + "jobs: { tidy: { delay: 1ms, tasks: { t: { fail: no_luck } } } }\n")
    collector.await_spans(2)
    run, task = collector.one(name="tidy"), collector.one(name="t")
    assert run.parent is None and task.parent == run.id and run.failed and run.kind == INTERNAL
    assert run.attributes["leat.job.name"] == "tidy" and run.attributes["leat.run.attempt"] == 1
    assert run.attributes["leat.run.outcome"] == "failed" and run.attributes["error.type"] == "no_luck"


# ------------------------------------------------------------------ sampling

def test_the_caller_decides_unless_it_is_not_asked(traced):
    daemon, collector, up = traced(more="sample: 0")
    daemon.get("/one/1", headers={"traceparent": UNSAMPLED})
    daemon.get("/one/2")
    trace, span, flags = parts(up.calls[0].headers["traceparent"])
    assert trace == TRACE and span != PARENT and flags == "00" and parts(up.calls[1].headers["traceparent"])[2] == "00"
    daemon.get("/one/3", headers={"traceparent": SAMPLED})
    collector.await_spans(3)
    assert {s.trace for s in collector.spans} == {TRACE}


@pytest.mark.parametrize("parent,proxies,taken", [("never", False, False), ("trusted", False, False),
                                                  ("trusted", True, True), ("always", False, True)])
def test_whose_traceparent_counts_is_a_setting(traced, parent, proxies, taken):
    listen = "listen: { address: 127.0.0.1:0, trusted_proxies: [127.0.0.1] }\n" if proxies else ""
    daemon, collector, _ = traced(listen + CONF, more=f"parent: {parent}")
    daemon.get("/const", headers={"traceparent": SAMPLED})
    assert (collector.await_spans(1)[0].trace == TRACE) == taken


def test_a_share_of_the_traces_is_sampled(traced):
    daemon, collector, _ = traced(more="sample: 0.5")
    with daemon.connect() as client:
        for _ in range(400):
            client.get("/const")
    def all_told():
        trace = daemon.status()["trace"]
        return trace["spans"] and trace["exported"] == trace["spans"]
    await_true(all_told, what="the end of telling")
    assert 120 < len(collector.spans) < 280  # 8 standard deviations


# ------------------------------------------------------------------ the way to the collector

def test_spans_go_together_and_with_the_fields_that_were_said(traced):
    daemon, collector, _ = traced(CONF.replace("20ms", "2s"), env={"OTLP": "tok"},
                                  more='batch: 5, headers: { Authorization: "Bearer ${env.OTLP}" }')
    with daemon.connect() as client:
        for _ in range(20):
            client.get("/const")
    collector.await_spans(20)
    assert len(collector.posts) < 10  # what is left when a batch has gone waits for the interval
    assert all(path == "/v1/traces" and fields["authorization"] == "Bearer tok" for path, fields, _ in collector.posts)


def test_an_upstream_by_name_takes_them_too(traced):
    conf = CONF.replace("http://@collector@/v1/traces", "otel:/in/v1").replace(
        "http: {", 'http: { otel: { url: "http://@collector@" },')
    daemon, collector, _ = traced(conf)
    daemon.get("/const")
    collector.await_spans(1)
    assert collector.posts[0][0] == "/in/v1"


def test_what_is_not_taken_for_now_is_sent_again(traced):
    daemon, collector, _ = traced(answers=[503])
    daemon.get("/const")
    collector.await_spans(1)
    assert [status for _, _, status in collector.posts] == [503, 200]
    await_true(lambda: daemon.status()["trace"]["exported"] == 1)


def test_what_is_refused_is_dropped_and_counted(traced):
    daemon, collector, _ = traced(answers=[400])
    daemon.get("/const")
    daemon.await_line("spans not exported upstream=trace status=400")
    assert daemon.status()["trace"] == {"spans": 1, "dropped": 1, "exported": 0, "exports_failed": 1}
    daemon.get("/const")
    collector.await_spans(1)


def test_a_collector_that_hangs_holds_up_nobody_and_costs_bounded_memory(leat, backend):
    collector = backend(hanging)
    conf = CONF.replace("interval: 20ms", "interval: 20ms, batch: 10, queue: 50")
    daemon = leat("server: { threads: 1, compute_threads: 1 }\n" + conf, collector=collector.address,
                  up="127.0.0.1:1", more="")
    with daemon.connect() as client:
        for _ in range(300):
            assert client.get("/const").status == 200
    trace = daemon.status()["trace"]
    assert trace["spans"] == 300 and trace["exported"] == 0
    assert trace["dropped"] >= 300 - 50 - 50  # what waits, and what is on its way
    metrics = daemon.admin("GET", "/metrics").text
    assert f"leat_trace_spans_dropped_total {trace['dropped']}\n" in metrics
    daemon.signal(15)
    assert daemon.wait(5 + 2 * SLOW) == 0  # the flush is bounded


def test_what_waits_is_flushed_at_the_end(traced):
    daemon, collector, _ = traced(CONF.replace("20ms", "1h"))
    daemon.get("/one/1")
    assert collector.spans == []
    daemon.signal(15)
    assert daemon.wait() == 0
    collector.await_spans(3)


def test_a_reload_may_take_the_collector_away(traced):
    daemon, collector, up = traced(CONF.replace("20ms", "1h"))
    daemon.get("/one/1")
    assert daemon.reload(CONF.replace("trace:", "# trace:")).returncode == 0
    await_true(lambda: daemon.status()["trace"]["dropped"] == 3)
    assert daemon.get("/one/1").json() is None


@pytest.mark.parametrize("wrong,says", [
    ('export: "otel:/v1"', 'there is no upstream "otel"'),
    ("export: collector", "is not where spans can go"),
    ('export: "http://127.0.0.1:1"', "is not where spans can go"),
    ("service: x", "export"),
    ('export: "http://127.0.0.1:1/v1", sample: 1.5', "is not a share of the traces"),
    ('export: "http://127.0.0.1:1/v1", headers: { Host: a }', "cannot go with the spans"),
    ('export: "http://127.0.0.1:1/v1", attributes: { a: [1] }', "an attribute is a text"),
])
def test_what_is_wrong_in_trace_is_told(leat, wrong, says):
    daemon = leat(f"trace: {{ {wrong} }}\nroutes: {{ GET /: {{ reply: x }} }}\n", start=False)
    checked = daemon.cli("check")
    assert checked.returncode == 1 and says in checked.err + checked.out


# ------------------------------------------------------------------ Server-Timing

TIMING = """
server: { threads: 1 }
defaults: { /api: { server_timing: true } }
routes:
  GET /api/slow: { tasks: { a: { wait: 20ms }, b: { value: 1 }, c: { value: 1, when: false } }, reply: ok }
  GET /api/const: { reply: ok }
  GET /api/fails: { tasks: { a: { fail: no_luck } } }
  GET /api/quiet: { server_timing: off, reply: ok }
  GET /other: { reply: ok }
"""


def timings(answer):
    return {name: float(took) for name, took in re.findall(r"(\w+);dur=([0-9.]+)", answer.get("server-timing"))}


def test_server_timing_tells_the_tasks_that_ran(leat):
    daemon = leat(TIMING)
    took = timings(daemon.get("/api/slow"))
    assert list(took) == ["total", "a", "b"] and took["total"] >= took["a"] >= 20 and took["b"] < took["a"]
    assert list(timings(daemon.get("/api/const"))) == ["total"]
    failed = daemon.get("/api/fails")
    assert failed.status == 500 and list(timings(failed)) == ["total", "a"]
    assert list(timings(daemon.get("/api/none"))) == ["total"]


def test_server_timing_is_told_only_where_it_is_asked_for(leat):
    daemon = leat(TIMING)
    for target in ("/api/quiet", "/other"):
        assert daemon.get(target).get("server-timing") is None
    checked = leat("routes: { GET /: { reply: x, server_timing: 5 } }\n", start=False).cli("check")
    assert checked.returncode == 1 and "server_timing is true or off" in checked.err + checked.out
