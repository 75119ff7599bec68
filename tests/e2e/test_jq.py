"""tests/e2e/test_jq.py: `jq:`, whose programs run in worker processes of leat."""
import json
import os
import signal

import pytest

from leat import await_true, check
from test_exec import children, is_alive

WITHOUT = os.environ.get("WITH_JQ") == "no"
needs_jq = pytest.mark.skipif(WITHOUT, reason="built without jq")
JSON = [("Content-Type", "application/json")]


def workers(daemon):
    found = []
    for pid in children(daemon.pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read() == b"leat\0jq-worker\0":
                    found.append(pid)
        except OSError:
            pass
    return found


def ticks(pid):
    """Of the processor, that it has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def at_work(daemon):
    """The worker that runs a program: one that is only there may not have been given it yet."""
    for pid in workers(daemon):
        if ticks(pid) > 10:  # more than a start and a compile take
            return pid
    return None


def post(daemon, target, value):
    return daemon.post(target, value if isinstance(value, bytes) else json.dumps(value), headers=JSON)


CONF = '''
routes:
  POST /sum: { body: { type: json }, tasks: { s: { jq: '.orders | map(.total) | add', from: "${body}" } }, reply: { json: "${s}" } }
  POST /each: { body: { type: json }, tasks: { s: { jq: '.[]', from: "${body}" } }, reply: { json: { first: "${s.result}", all: "${s.results}" } } }
  POST /with:
    body: { type: json }
    tasks: { s: { jq: 'map(select(. > $min)) | {$who, kept: .}', from: "${body}", with: { min: 2, who: "${query.who}" } } }
    reply: { json: "${s}" }
  GET /none: { tasks: { s: { jq: '[1, .]' } }, reply: { json: "${s}" } }
  POST /same: { body: { type: json }, tasks: { s: { jq: ., from: "${body}", optional: true } }, reply: { json: { v: "${s}", e: "${s.error}" } } }
  POST /fail: { body: { type: json }, tasks: { s: { jq: 'error(.)', from: "${body}" } }, reply: ok, on_error: { jq_failed: { status: 422, text: "${error.detail}" } } }
  POST /plain: { body: { type: json }, tasks: { s: { jq: 'error("inner")', from: "${body}" } }, reply: ok }
  GET /large: { tasks: { s: { jq: '[range(1000)]', max_output: 1k } }, reply: ok }
  GET /loop: { tasks: { s: { jq: '[limit(1e9; repeat(1))] | length', timeout: 100ms } }, reply: ok }
  GET /ever: { tasks: { s: { jq: 'def f: f; f' } }, reply: ok }
  GET /date: { tasks: { s: { jq: todate, from: 1e300 } }, reply: ok }
  GET /ok: { reply: ok }
'''


@needs_jq
def test_a_value_is_reshaped(leat):
    daemon = leat(CONF)
    assert post(daemon, "/sum", {"orders": [{"total": 1}, {"total": 2.5}]}).json() == 3.5
    assert post(daemon, "/each", [1, "a", None, [2]]).json() == {"first": 1, "all": [1, "a", None, [2]]}
    assert post(daemon, "/each", []).json() == {"first": None, "all": []}
    assert post(daemon, "/each", [[{"a": "b,]"}], 2]).json() == {"first": [{"a": "b,]"}], "all": [[{"a": "b,]"}], 2]}
    assert daemon.get("/none").json() == [1, None]


@needs_jq
def test_values_come_into_a_program_as_variables(leat):
    daemon = leat(CONF)
    for who in ["me", '"', "$x", '") | error("', "a b"]:
        answer = post(daemon, "/with?who=" + "".join(f"%{b:02x}" for b in who.encode()), [1, 2, 3, 4])
        assert answer.json() == {"who": who, "kept": [3, 4]}


@needs_jq
def test_a_failure_of_the_program_is_jq_failed(leat):
    daemon = leat(CONF)
    answer = post(daemon, "/fail", "out of pears")
    assert (answer.status, answer.text) == (422, "out of pears")
    answer = post(daemon, "/plain", 1)
    assert (answer.status, answer.json()["code"]) == (500, "jq_failed")
    assert "inner" not in answer.text


@needs_jq
def test_too_large_a_result_is_too_large(leat):
    daemon = leat(CONF)
    answer = daemon.get("/large")
    assert (answer.status, answer.json()["code"]) == (502, "too_large")


@needs_jq
def test_a_worker_is_started_with_the_first_program_and_kept(leat):
    daemon = leat(CONF)
    assert workers(daemon) == []
    post(daemon, "/sum", {"orders": []})
    first = workers(daemon)
    assert len(first) == 1
    for _ in range(20):
        post(daemon, "/sum", {"orders": []})
        post(daemon, "/each", [1])
    assert workers(daemon) == first  # compute_threads is 1
    daemon.reload(CONF + "  GET /new: { reply: ok }\n")
    post(daemon, "/sum", {"orders": []})
    assert workers(daemon) == first


@needs_jq
def test_a_program_that_does_not_end_is_halted_at_its_deadline(leat):
    daemon = leat(CONF)
    for _ in range(3):
        answer = daemon.get("/loop")
        assert (answer.status, answer.json()["code"]) == (504, "timeout")
        assert daemon.get("/ok").status == 200
    assert post(daemon, "/sum", {"orders": [{"total": 1}]}).json() == 1


@needs_jq
def test_a_client_that_leaves_halts_the_program(leat):
    daemon = leat(CONF)
    client = daemon.connect()
    client.send("GET /ever HTTP/1.1\r\nHost: a\r\n\r\n")
    pid = await_true(lambda: at_work(daemon))
    client.reset()
    await_true(lambda: daemon.status()["requests_in_work"] == 0)
    await_true(lambda: pid not in children(daemon.pid))
    assert post(daemon, "/sum", {"orders": [{"total": 1}]}).json() == 1


@needs_jq
def test_hostile_inputs_hurt_no_other_request(leat):
    daemon = leat(CONF)
    for _ in range(3):
        answer = daemon.get("/date")
        assert (answer.status, answer.json()["code"]) == (500, "jq_failed")
        assert post(daemon, "/sum", {"orders": [{"total": 1}]}).json() == 1
    deep = b"[" * 199 + b"]" * 199
    assert post(daemon, "/same", deep).status in (200, 500)
    for text in [b"1e999999", b"-0", b"0.1", b'"\\u0000"', b"123456789012345678901234567890", b'{"a":1,"a":2}', b"[" + b"1," * 50000 + b"1]"]:
        answer = post(daemon, "/same", text)
        assert answer.status == 200, (text[:50], answer)
    assert post(daemon, "/sum", {"orders": [{"total": 1}]}).json() == 1
    assert daemon.get("/ok").status == 200


@needs_jq
def test_a_worker_that_is_killed_in_the_middle_is_started_again(leat):
    daemon = leat(CONF)
    client = daemon.connect()
    client.send("GET /ever HTTP/1.1\r\nHost: a\r\n\r\n")
    os.kill(await_true(lambda: at_work(daemon)), signal.SIGKILL)
    answer = client.response()
    assert (answer.status, answer.json()["code"]) == (500, "jq_failed")
    assert post(daemon, "/sum", {"orders": [{"total": 1}]}).json() == 1
    # and one that is killed while it is idle fails nobody
    idle = workers(daemon)[0]
    os.kill(idle, signal.SIGKILL)
    await_true(lambda: not is_alive(idle))
    assert post(daemon, "/sum", {"orders": [{"total": 2}]}).json() == 2


@needs_jq
def test_a_busy_program_keeps_no_loop(leat):
    """compute_threads is 1: other jq tasks wait for it, and nothing else does."""
    daemon = leat(CONF)
    client = daemon.connect()
    client.send("GET /ever HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: at_work(daemon))
    waiting = daemon.connect()
    waiting.send("GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
    for _ in range(20):
        assert daemon.get("/ok").status == 200
    client.reset()
    assert waiting.response().json() == [1, None]


@needs_jq
def test_a_shutdown_ends_the_workers(leat):
    daemon = leat("timeouts: { shutdown: 100ms }\n" + CONF)
    client = daemon.connect()
    client.send("GET /ever HTTP/1.1\r\nHost: a\r\n\r\n")
    pid = await_true(lambda: at_work(daemon))
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert not os.path.exists(f"/proc/{pid}")


@needs_jq
def test_workers_do_not_outlive_leat(leat):
    daemon = leat(CONF)
    post(daemon, "/sum", {"orders": []})
    pid = workers(daemon)[0]
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()

    def gone():
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True
    await_true(gone)
    daemon.code = 0  # it was not to end well


@needs_jq
def test_many_at_once_each_get_their_own_answer(leat):
    daemon = leat(CONF)
    clients = []
    for i in range(40):
        clients.append(daemon.connect())
        body = json.dumps({"orders": [{"total": i}, {"total": 1}]})
        clients[-1].send(f"POST /sum HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    assert [client.response().json() for client in clients] == [i + 1 for i in range(40)]


# ------------------------------------------------------------------ at load

@needs_jq
@pytest.mark.parametrize("task, where, message", [
    ("{ jq: '.[' }", "5:16", "jq: syntax error"),
    ("{ jq: '. | nope(1)' }", "5:16", "jq: nope/1 is not defined"),
    ("{ jq: '$x + $y', with: { x: 1 } }", "5:16", "jq: $y is not defined"),
    ("{ jq: '.[] | select(.id == ${path.id})' }", "5:16", "values come into a program by `with: {name: …}`"),
    ("{ jq: '.a) | (.b', with: { x: 1 } }", "5:16", "jq: syntax error"),
    ("{ jq: ., with: { then: 1 } }", "5:27", '"then" cannot be a variable of jq'),
    ("{ jq: ., with: { a-b: 1 } }", "5:27", '"a-b" cannot be a variable of jq'),
    ("{ jq: [a] }", "5:16", "`jq` takes a program"),
    ("{ jq: 'include \"a\"; .' }", "5:16", "jq: "),
    ('{ jq: ., from: "${secret.x}" }', "5:25", "a secret cannot be in `from`"),
])
def test_what_is_wrong_with_a_program_is_said_at_load(task, where, message):
    code, said = check(f"secrets: {{ dir: . }}\nroutes:\n  GET /:\n    tasks:\n      p: {task}\n    reply: ok\n",
                       files={"x": "hush"})
    assert code == 1
    assert f"leat.yaml:{where}: error: " in said and message in said, said


@needs_jq
def test_a_mistake_in_a_block_is_shown_in_its_line():
    code, said = check("""routes:
  GET /:
    tasks:
      p:
        jq: |
          .orders
          | map(.total)
          | nope
        from: 1
    reply: ok
""")
    assert code == 1 and "leat.yaml:8:11: error: jq: nope/0 is not defined" in said, said


@needs_jq
def test_many_programs_are_checked_in_a_moment():
    """One worker checks them all."""
    tasks = "".join(f"      t{i}: {{ jq: '. + {i}' }}\n" for i in range(20))
    code, said = check("routes:\n  GET /:\n    tasks:\n" + tasks + "    reply: ok\n")
    assert code == 0, said


@pytest.mark.skipif(not WITHOUT, reason="built with jq")
def test_without_jq_a_configuration_that_uses_it_says_so():
    code, said = check("routes: { GET /: { tasks: { p: { jq: . } }, reply: ok } }\n")
    assert code == 1 and "this leat was built without jq" in said
