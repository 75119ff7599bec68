"""tests/e2e/test_flows.py: tasks in parallel and in order, deadlines, fallbacks, guards, groups, calls."""
import threading
import time

import pytest

from backends import after, answering, hanging, holding
from leat import SLOW, TIMEOUT, await_true

AGGREGATE = """
http: { a: { url: @a@ }, b: { url: @b@ } }
routes:
  GET /both:
    tasks:
      one: { get: "a:/one" }
      two: { get: "b:/two", timeout: 200ms, default: { fallback: true } }
    reply: { json: { one: "${one.body}", two: "${two}", partial: "${two.failed}" } }
  GET /strict:
    tasks: { one: { get: "a:/one" }, two: { get: "b:/two" } }
    reply: { json: { one: "${one.body}", two: "${two.body}" } }
"""


# ------------------------------------------------------------------ the graph

def test_tasks_that_do_not_refer_to_each_other_run_in_parallel(leat, backend):
    both = threading.Barrier(2, timeout=TIMEOUT)  # neither answers before both have been asked

    def handler(call):
        both.wait()
        call.json({"path": call.path})
    upstream = backend(handler)
    answer = leat(AGGREGATE, a=upstream.url, b=upstream.url).get("/strict")
    assert answer.json() == {"one": {"path": "/one"}, "two": {"path": "/two"}}


def test_two_backends_of_100_ms_answer_in_about_100_ms(leat, backend):
    a, b = backend(after(0.1, {"a": 1})), backend(after(0.1, {"b": 2}))
    daemon = leat(AGGREGATE, a=a.url, b=b.url)
    best = 60
    for _ in range(20):  # a busy machine holds one up now and then
        started = time.monotonic()
        assert daemon.get("/strict").json() == {"one": {"a": 1}, "two": {"b": 2}}
        best = min(best, time.monotonic() - started)
        if best < 0.19:
            break
    assert 0.1 <= best < 0.19 * SLOW


def test_one_that_hangs_gives_way_to_its_default_after_its_timeout(leat, backend):
    a, b = backend(answering({"a": 1})), backend(hanging)
    daemon = leat(AGGREGATE, a=a.url, b=b.url)
    started = time.monotonic()
    answer = daemon.get("/both")
    took = time.monotonic() - started
    assert answer.json() == {"one": {"a": 1}, "two": {"fallback": True}, "partial": True}
    assert 0.2 <= took < 5 * SLOW
    b.await_left()  # and its connection was closed, not kept


def test_a_task_starts_when_what_it_refers_to_has_ended(leat, backend):
    def handler(call):
        call.json({"n": len(call.backend.calls), "query": call.query})
    upstream = backend(handler)
    daemon = leat("""
http: { u: { url: @url@ } }
routes:
  GET /diamond:
    tasks:
      bottom: { get: "u:/d?l=${left.body.n}&r=${right.body.n}" }
      left: { get: "u:/l?t=${top.body.n}" }
      right: { get: "u:/r?t=${top.body.n}" }
      top: { get: "u:/t" }
    reply: { json: "${bottom.body}" }
""", url=upstream.url)
    answer = daemon.get("/diamond").json()
    assert answer["n"] == 4 and answer["query"] in ("l=2&r=3", "l=3&r=2")
    assert [c.path for c in upstream.calls][0] == "/t" and upstream.calls[3].path == "/d"


def test_after_gives_order_without_data(leat, backend):
    upstream = backend(answering({}))
    daemon = leat("http: { u: { url: @url@ } }\nroutes:\n  GET /:\n    tasks:\n"
                  "      a: { get: \"u:/a\", after: [b] }\n      b: { get: \"u:/b\", after: c }\n"
                  "      c: { get: \"u:/c\" }\n", url=upstream.url)
    assert daemon.get("/").status == 204
    assert [c.path for c in upstream.calls] == ["/c", "/b", "/a"]


def test_a_hundred_tasks_in_a_row_and_beside_each_other(leat):
    row = "".join(f"      t{i}: {{ value: \"${{t{i - 1} + 1}}\" }}\n" for i in range(1, 100))
    beside = "".join(f"      u{i}: {{ value: {i} }}\n" for i in range(100))
    total = " + ".join(f"u{i}" for i in range(100))
    daemon = leat("routes:\n  GET /:\n    tasks:\n      t0: { value: 0 }\n" + row + beside +
                  f"      all: {{ value: \"${{{total}}}\" }}\n    reply: {{ json: [\"${{t99}}\", \"${{all}}\"] }}\n")
    assert daemon.get("/").json() == [99, 4950]


# ------------------------------------------------------------------ failures

FAILURES = """
http: { bad: { url: @bad@ }, good: { url: @good@ } }
routes:
  GET /required: { tasks: { t: { get: "bad:/" } }, reply: "never" }
  GET /optional:
    tasks: { t: { get: "bad:/", optional: true } }
    reply: { json: { t: "${t}", body: "${t.body}", status: "${t.status}", ok: "${t.ok}", failed: "${t.failed}", code: "${t.error.code}" } }
  GET /default:
    tasks: { t: { get: "bad:/", default: [1] } }
    reply: { json: { t: "${t}", body: "${t.body}", failed: "${t.failed}", or: "${t.body ?? 'other'}" } }
  GET /coalesce: { tasks: { t: { get: "bad:/", optional: true } }, reply: "${t ?? 'instead'}" }
  GET /expect: { tasks: { t: { get: "bad:/", expect: [2xx, 503] } }, reply: "${t.status}" }
  GET /mapped:
    tasks: { t: { get: "bad:/" } }
    on_error: { upstream_status: { status: 409, json: { code: "${error.code}", task: "${error.task}", status: "${error.status}" } } }
    reply: never
  GET /any: { tasks: { t: { get: "bad:/" } }, on_error: { timeout: t, any: "sorry ${error.code}" }, reply: never }
  GET /guard/{id}:
    tasks:
      numbers_only: { fail: invalid_input, when: "!(path.id in ['1', '2'])", detail: "the id is not a number" }
      t: { get: "good:/${path.id}" }
    reply: { json: "${t.body}" }
  GET /own: { tasks: { t: { fail: out_of_tea, status: 418, detail: "no more tea" } }, reply: never }
  GET /own-mapped: { tasks: { t: { fail: out_of_tea, detail: "none left" } }, on_error: { out_of_tea: "${error.code}: ${error.detail}" }, reply: never }
  GET /skipped:
    tasks:
      a: { get: "good:/a", when: "query.yes == '1'" }
      b: { value: "${a.skipped ? 'skipped' : a.body.path}" }
    reply: "${b}"
"""


@pytest.fixture(scope="module")
def failures(module_stage):
    bad = module_stage.backend(answering({"sorry": 1}, status=503))
    good = module_stage.backend(lambda call: call.json({"path": call.path}))
    daemon = module_stage.leat(FAILURES, bad=bad.url, good=good.url)
    daemon.bad, daemon.good = bad, good
    return daemon


def test_a_required_failure_ends_the_flow_with_its_mapped_answer(failures):
    answer = failures.get("/required")
    assert answer.status == 502 and answer.get("content-type") == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "upstream_status" and problem["task"] == "t" and problem["title"] == "Bad Gateway"


def test_an_optional_failure_is_null_and_its_answer_can_be_read(failures):
    assert failures.get("/optional").json() == {"t": None, "body": {"sorry": 1}, "status": 503, "ok": False,
                                                "failed": True, "code": "upstream_status"}


def test_a_default_replaces_the_main_result(failures):
    assert failures.get("/default").json() == {"t": [1], "body": [1], "failed": True, "or": [1]}


def test_coalesce_takes_the_right_side_of_a_failure(failures):
    assert failures.get("/coalesce").text == "instead"


def test_expect_makes_a_status_no_failure(failures):
    assert failures.get("/expect").text == "503"


def test_on_error_maps_a_code_to_a_reply(failures):
    answer = failures.get("/mapped")
    assert answer.status == 409
    assert answer.json()["code"] == "upstream_status" and answer.json()["task"] == "t"


def test_on_error_any_takes_the_rest(failures):
    assert failures.get("/any").text == "sorry upstream_status"


def test_a_guard_stops_before_anything_is_asked(failures):
    before = len(failures.good.calls)
    answer = failures.get("/guard/x")
    assert answer.status == 400 and answer.json()["code"] == "invalid_input"
    assert len(failures.good.calls) == before
    assert failures.get("/guard/2").json() == {"path": "/2"}


def test_fail_with_a_code_and_a_status_of_its_own(failures):
    answer = failures.get("/own")
    assert answer.status == 418 and answer.json()["code"] == "out_of_tea"
    assert failures.get("/own-mapped").text == "out_of_tea: none left"


def test_a_task_whose_when_is_false_is_skipped(failures):
    assert failures.get("/skipped").text == "skipped"
    assert failures.get("/skipped?yes=1").text == "/a"


def test_a_failure_cancels_the_siblings(leat, backend):
    slow, asked = backend(hanging), threading.Event()

    def handler(call):
        slow.await_calls(1)  # the sibling is in flight before this one fails
        asked.set()
        call.json({}, status=500)
    daemon = leat(AGGREGATE, a=backend(handler).url, b=slow.url)
    started = time.monotonic()
    assert daemon.get("/strict").status == 502
    assert time.monotonic() - started < 5 * SLOW  # not after the route's 30 s
    slow.await_left()


def test_the_deadline_of_the_route_cancels_everything(leat, backend):
    slow = backend(hanging)
    daemon = leat("http: { u: { url: @url@ } }\nroutes:\n  GET /:\n    timeout: 150ms\n    tasks:\n"
                  "      a: { get: \"u:/a\" }\n      b: { get: \"u:/b\", default: 1 }\n      c: { wait: 10s }\n"
                  "      d: { get: \"u:/d\", retry: { times: 100, wait: 1s }, optional: true }\n    reply: never\n",
                  url=slow.url)
    started = time.monotonic()
    answer = daemon.get("/")
    took = time.monotonic() - started
    assert answer.status == 504 and answer.json()["code"] == "timeout"
    assert 0.15 <= took < 5 * SLOW
    slow.await_left(3)


# ------------------------------------------------------------------ retry

def failing(times, status=503):
    def handler(call):
        n = len(call.backend.calls)
        call.json({"try": n}, status=status if n <= times else 200)
    return handler


def test_retry_tries_again_what_is_idempotent(leat, backend):
    upstream = backend(failing(2))
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\", retry: "
                  "{ times: 3, wait: 5ms, codes: [503] } } }, reply: { json: \"${t.body}\" } } }", url=upstream.url)
    assert daemon.get("/").json() == {"try": 3}
    assert len(upstream.calls) == 3


def test_retry_gives_up_after_its_times(leat, backend):
    upstream = backend(failing(100))
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\", retry: "
                  "{ times: 2, wait: 1ms, codes: [5xx] } } }, reply: never } }", url=upstream.url)
    assert daemon.get("/").status == 502
    assert len(upstream.calls) == 3


def test_retry_tries_only_the_codes_that_it_names(leat, backend):
    upstream = backend(failing(100, status=500))
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\", retry: "
                  "{ times: 5, wait: 1ms, codes: [503, connect_failed] } } }, reply: never } }", url=upstream.url)
    assert daemon.get("/").status == 502
    assert len(upstream.calls) == 1


def test_a_post_that_was_sent_is_not_tried_again(leat, backend):
    upstream = backend(failing(100))
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { POST /: { tasks: { t: { post: \"u:/\", json: {}, retry: 3 } },"
                  " reply: never } }", url=upstream.url)
    assert daemon.post("/").status == 502
    assert len(upstream.calls) == 1


def test_a_timeout_covers_the_retries(leat, backend):
    upstream = backend(failing(10000))
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\", timeout: 150ms, retry: "
                  "{ times: 100, wait: 20ms, codes: [503] } } }, reply: never } }", url=upstream.url)
    started = time.monotonic()
    assert daemon.get("/").status == 504
    assert time.monotonic() - started < 5 * SLOW


# ------------------------------------------------------------------ detach, groups, calls

def test_what_is_detached_goes_on_after_the_reply(leat, backend):
    upstream = backend(holding({}))
    daemon = leat("http: { u: { url: @url@ } }\nroutes:\n  GET /{id}:\n    tasks:\n"
                  "      a: { value: \"${path.id}!\" }\n"
                  "      later: { post: \"u:/audit/${path.id}\", json: { a: \"${a}\" }, detach: true }\n"
                  "    reply: \"${a}\"\n", url=upstream.url)
    with daemon.connect() as client:
        assert client.get("/7").text == "7!"
    call = upstream.await_calls(1)[0]
    assert call.path == "/audit/7" and call.body == b'{"a":"7!"}'
    assert daemon.status()["requests_in_work"] == 0
    upstream.release.set()
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0)


CALLS = """
http: { u: { url: @url@ } }
flows:
  double: { tasks: { t: { value: "${with.n * 2}" } }, result: "${t}" }
  twice:
    tasks: { a: { call: double, with: { n: "${with.n}" } }, b: { call: double, with: { n: "${a}" } } }
    result: { once: "${a}", twice: "${b}" }
  fetch: { tasks: { t: { get: "u:/${with.path}" } }, result: "${t.body}" }
  around: { tasks: { t: { call: again, when: "with.n > 0", with: { n: "${with.n - 1}" } } }, result: "${with.n}" }
  again: { tasks: { t: { call: around, with: { n: "${with.n}" } } } }
  void: { tasks: { t: { value: 1 } } }
routes:
  GET /twice/{n}: { tasks: { t: { call: twice, with: { n: "${number(path.n)}" } } }, reply: { json: "${t}" } }
  GET /fetch: { tasks: { t: { call: fetch, with: { path: "x" } } }, reply: { json: "${t.result}" } }
  GET /fails: { tasks: { t: { call: fetch, with: { path: "bad" } } }, reply: never }
  GET /saved: { tasks: { t: { call: fetch, with: { path: "bad" }, default: saved } }, reply: "${t}" }
  GET /slow: { tasks: { t: { call: fetch, with: { path: "hang" }, timeout: 100ms } }, reply: never }
  GET /void: { tasks: { t: { call: void } }, reply: { json: ["${t}"] } }
  GET /deep: { tasks: { t: { call: around, with: { n: 1000000 } } }, reply: "${t}" }
  GET /group:
    tasks:
      g:
        tasks: { a: { value: 1 }, b: { value: "${a + 1}" }, c: { get: "u:/c" } }
      after: { value: "${g.result.b + 1}" }
    reply: { json: { g: "${g}", after: "${after}" } }
  GET /group-fails:
    tasks:
      g: { tasks: { a: { get: "u:/bad" }, b: { wait: 10s } }, default: gone }
    reply: "${g}"
  GET /group-slow: { tasks: { g: { tasks: { a: { get: "u:/hang" } }, timeout: 100ms } }, reply: never }
"""


@pytest.fixture(scope="module")
def calls(module_stage):
    def handler(call):
        if call.path == "/hang":
            call.hang()
        call.json({"path": call.path}, status=500 if call.path == "/bad" else 200)
    upstream = module_stage.backend(handler)
    daemon = module_stage.leat(CALLS, url=upstream.url)
    daemon.upstream_backend = upstream
    return daemon


def test_call_runs_a_flow_with_its_arguments(calls):
    assert calls.get("/twice/5").json() == {"once": 10, "twice": 20}
    assert calls.get("/fetch").json() == {"path": "/x"}


def test_a_failure_within_a_call_is_the_call_s(calls):
    answer = calls.get("/fails")
    assert answer.status == 502 and answer.json()["code"] == "upstream_status"
    assert calls.get("/saved").text == "saved"


def test_the_timeout_of_a_call_reaches_what_is_within(calls):
    left = calls.upstream_backend.n_left
    assert calls.get("/slow").status == 504
    calls.upstream_backend.await_left(left + 1)


def test_a_flow_without_a_result_gives_null(calls):
    assert calls.get("/void").json() == [None]


def test_calls_that_never_end_are_stopped(calls):
    answer = calls.get("/deep")
    assert answer.status == 500 and answer.json()["code"] in ("flow_depth", "memory_limit")


def test_a_group_is_one_task(calls):
    assert calls.get("/group").json() == {"g": {"a": 1, "b": 2, "c": {"path": "/c"}}, "after": 3}


def test_a_failure_in_a_group_is_the_group_s(calls):
    assert calls.get("/group-fails").text == "gone"


def test_the_timeout_of_a_group_reaches_what_is_within(calls):
    left = calls.upstream_backend.n_left
    assert calls.get("/group-slow").status == 504
    calls.upstream_backend.await_left(left + 1)


def test_log_writes_a_line_with_control_characters_escaped(leat):
    daemon = leat("routes: { GET /: { tasks: { t: { log: \"said ${query.x}\" } } } }")
    assert daemon.get("/?x=a%0Ab%1B%5B31m").status == 204
    line = daemon.await_line("task log")
    assert "said a" in line and "\x1b" not in line and "31m" in line


def test_defaults_apply_to_every_task(leat, backend):
    upstream = backend(hanging)
    daemon = leat("defaults: { task: { timeout: 100ms } }\nhttp: { u: { url: @url@ } }\n"
                  "routes: { GET /: { tasks: { t: { get: \"u:/\" } }, reply: never } }", url=upstream.url)
    started = time.monotonic()
    assert daemon.get("/").status == 504
    assert time.monotonic() - started < 5 * SLOW
