"""tests/e2e/test_schedule.py: what is to be done once, later or now, and is not lost."""
import json
import os
import sqlite3

import pytest

from backends import hanging
from leat import FLAVOR, await_true

STORE = "store: { path: leat.db }\nfiles_root: data\n"
# each run of `mark` leaves a line; `bad` fails always
FLOWS = """flows:
  mark: { tasks: { w: { append: log.txt, from: "${with.text}\\n" } } }
  slow: { tasks: { p: { wait: 200ms }, w: { append: log.txt, from: "${with.text}\\n", after: [p] } } }
  bad: { tasks: { w: { append: log.txt, from: "${with.text}\\n" }, f: { fail: broken, after: [w] } } }
"""
ROUTES = """routes:
  POST /in/{flow_in}: { tasks: { s: { schedule: mark, in: "${path.flow_in}", with: { text: "${body}" } } }, reply: { json: "${s}" } }
  POST /at/{time}: { tasks: { s: { schedule: mark, at: "${path.time}", with: { text: "${body}" } } }, reply: { json: "${s}" } }
  POST /now: { tasks: { s: { schedule: mark, with: { text: "${body}" } } }, reply: { json: "${s}" } }
  POST /named/{name}: { tasks: { s: { schedule: mark, in: 1h, name: "n:${path.name}", with: { text: "${body}" } } }, reply: { json: "${s}" } }
  POST /soon/{name}: { tasks: { s: { schedule: mark, in: 10ms, replace: true, name: "n:${path.name}", with: { text: "${body}" } } }, reply: { json: "${s}" } }
  POST /cancel/{name}: { tasks: { s: { cancel: "n:${path.name}" } }, reply: { json: "${s}" } }
  POST /keyed/{key}: { tasks: { s: { schedule: slow, key: "${path.key}", with: { text: "${body}" } } }, reply: { json: "${s}" } }
  POST /once/{id}: { tasks: { s: { schedule: mark, idempotency: "${path.id}", with: { text: "${body}" } } }, reply: { json: "${s}" } }
  POST /bad/{key}: { tasks: { s: { schedule: bad, key: "${path.key}", tries: 3, pause: 5ms, with: { text: "${body}" } } }, reply: { json: "${s}" } }
  POST /after/{key}: { tasks: { s: { schedule: mark, key: "${path.key}", with: { text: "${body}" } } }, reply: { json: "${s}" } }
"""
CONF = STORE + FLOWS + ROUTES


def lines(daemon):
    try:
        with open(os.path.join(daemon.dir, "data", "log.txt"), encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def await_lines(daemon, *wanted):
    await_true(lambda: sorted(lines(daemon)) == sorted(wanted), what=f"{wanted}")


def pending(daemon):
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db")) as file:
        return file.execute("select count(*) from todo where state < 2").fetchone()[0]


def post_run(daemon, name, body=None, headers=()):
    text = json.dumps(body) if body is not None else ""
    client = daemon.connect(daemon.admin_address)
    return client.request("POST", f"/v1/jobs/{name}/runs", body=text, headers=headers)


def test_a_flow_runs_later(leat):
    daemon = leat(CONF)
    assert daemon.post("/in/1h", "never").status == 200
    assert daemon.post("/in/20ms", "soon").status == 200
    assert daemon.post("/now", "now").status == 200
    await_lines(daemon, "soon", "now")
    await_true(lambda: pending(daemon) == 1)


def test_a_flow_runs_at_a_time(leat):
    daemon = leat(CONF)
    assert daemon.post("/at/2020-01-31T00:00:00Z", "past").status == 200
    assert daemon.post("/at/2099-01-31T00:00:00Z", "future").status == 200
    assert daemon.post("/at/tomorrow", "x").status == 400
    await_lines(daemon, "past")
    await_true(lambda: pending(daemon) == 1)


def test_what_was_acknowledged_runs_after_kill_9(leat):
    daemon = leat(CONF)
    for i in range(20):
        assert daemon.post("/in/300ms", f"n{i}").status == 200
    daemon.restart()
    await_true(lambda: set(lines(daemon)) == {f"n{i}" for i in range(20)})
    await_true(lambda: pending(daemon) == 0)


def test_one_is_cancelled_by_its_name_until_it_begins(leat):
    daemon = leat(CONF)
    assert daemon.post("/named/a", "x").json() > 0
    assert daemon.post("/cancel/a").json() == 1
    assert daemon.post("/cancel/a").json() == 0
    assert pending(daemon) == 0


def test_a_name_is_taken_unless_it_is_replaced(leat):
    daemon = leat(CONF)
    assert daemon.post("/named/a", "first").status == 200
    taken = daemon.post("/named/a", "second")
    assert taken.status == 500 and taken.json()["code"] == "aborted"
    assert daemon.post("/soon/a", "third").status == 200
    await_lines(daemon, "third")
    await_true(lambda: pending(daemon) == 0)


def test_those_of_one_key_run_one_after_the_other_in_order(leat):
    daemon = leat(CONF)
    for i in range(5):
        assert daemon.post("/keyed/k", f"{i}").status == 200
    await_true(lambda: len(lines(daemon)) == 5)
    assert lines(daemon) == ["0", "1", "2", "3", "4"]


def test_an_idempotency_key_schedules_once(leat):
    daemon = leat(CONF)
    first = daemon.post("/once/a", "x").json()
    assert daemon.post("/once/a", "x").json() == first
    await_lines(daemon, "x")
    await_true(lambda: pending(daemon) == 0)
    assert daemon.post("/once/a", "x").json() == first
    daemon.restart()
    assert daemon.post("/once/a", "x").json() == first
    assert daemon.post("/once/b", "y").json() != first
    await_lines(daemon, "x", "y")


def test_a_head_that_fails_blocks_its_key_and_then_is_given_up(leat):
    daemon = leat(CONF)
    assert daemon.post("/bad/k", "bad").status == 200
    assert daemon.post("/after/k", "behind").status == 200
    await_true(lambda: "behind" in lines(daemon))
    assert lines(daemon) == ["bad"] * 3 + ["behind"]
    daemon.await_line("scheduled run failed what=bad .* given up")
    await_true(lambda: daemon.status()["scheduled"] == {"running": 0, "done": 1, "failed": 3, "dead": 1})
    assert "\nleat_scheduled_dead_total 1\n" in daemon.admin("GET", "/metrics").text


def test_a_run_that_kill_9_cut_runs_again(leat, backend):
    up = backend(hanging)
    daemon = leat(STORE + "http: { u: { url: @url@ } }\nflows: { f: { tasks: { t: { get: \"u:/\" } } } }\n"
                  "routes: { POST /: { tasks: { s: { schedule: f } } } }\n", url=up.url)
    assert daemon.post("/").status == 204
    await_true(lambda: len(up.calls) == 1)
    daemon.restart()
    await_true(lambda: len(up.calls) == 2)
    daemon.restart(15)  # a shutdown that does not wait for it, either
    await_true(lambda: len(up.calls) >= 3)


def test_a_flow_that_is_no_more_is_given_up_after_its_tries(leat):
    daemon = leat(CONF.replace("tries: 3, pause: 5ms", "tries: 2, pause: 5ms, in: 300ms"))
    assert daemon.post("/bad/k", "bad").status == 200
    assert daemon.reload(STORE + "routes: { GET /: { reply: x } }\n").returncode == 0
    daemon.await_line("what=bad .*error=not_found, given up")
    assert lines(daemon) == []


def test_scheduling_says_what_is_wrong_at_load(leat):
    def check(task):
        daemon = leat(FLOWS + f"routes: {{ GET /: {{ tasks: {{ s: {{ {task} }} }} }} }}\n", start=False)
        done = daemon.cli("check")
        assert done.returncode == 1
        return (done.stdout + done.stderr).decode()
    assert "takes the name of a flow" in check("schedule: marc") and "mark" in check("schedule: marc")
    assert "not a duration" in check("schedule: mark, in: soon")
    assert "keep one of them" in check("schedule: mark, in: 1s, at: \"${now()}\"")
    assert "replace needs the name" in check("schedule: mark, replace: true")


# ------------------------------------------------------------------ runs of jobs

JOBS = STORE + """jobs:
  j: { every: 1d, tasks: { w: { append: log.txt, from: "${run.args.text ?? 'none'}\\n" } } }
"""


def test_a_job_runs_now_with_arguments(leat):
    daemon = leat(JOBS)
    assert post_run(daemon, "j").status == 202
    await_lines(daemon, "none")
    await_true(lambda: [r["outcome"] for r in daemon.history("j")] == ["ok"])  # else it is refused: overlap
    assert post_run(daemon, "j", {"args": {"text": "hello"}}).status == 202
    await_lines(daemon, "none", "hello")
    assert await_true(lambda: [r["outcome"] for r in daemon.history("j")] == ["ok", "ok"])
    assert "#" in daemon.history("j")[0]["id"]


def test_a_run_of_a_job_is_kept_until_its_time(leat):
    daemon = leat(JOBS)
    answer = post_run(daemon, "j", {"in": "400ms", "key": "k", "args": {"text": "later"}})
    assert answer.status == 202 and answer.json()["id"] > 0
    assert post_run(daemon, "j", {"at": "2099-01-01T00:00:00Z", "name": "far"}).status == 202
    daemon.restart()
    await_lines(daemon, "later")
    await_true(lambda: pending(daemon) == 1)


def test_an_idempotency_key_runs_a_job_once(leat):
    daemon = leat(JOBS)
    first = post_run(daemon, "j", {"args": {"text": "x"}}, {"Idempotency-Key": "abc"})
    again = post_run(daemon, "j", {"args": {"text": "x"}}, {"Idempotency-Key": "abc"})
    assert first.json() == again.json()
    await_lines(daemon, "x")
    assert post_run(daemon, "j", {"args": {"text": "y"}}, {"Idempotency-Key": "abd"}).json() != first.json()
    await_lines(daemon, "x", "y")


def test_what_a_run_is_asked_by_is_checked(leat):
    daemon = leat(JOBS)
    assert post_run(daemon, "k").status == 404
    for body in [[], {"args": 1}, {"in": "soon"}, {"at": "soon"}, {"at": "2300-01-01T00:00:00Z"}, {"in": "1s", "at": "2099-01-01T00:00:00Z"}, {"x": 1},
                 {"key": ""}]:
        assert post_run(daemon, "j", body).status == 400, body
    assert post_run(daemon, "k", {"key": "a"}).status == 404


def told(daemon, answer):
    return daemon.admin("GET", answer.get("Location")).json()


def test_what_became_of_a_run_of_a_job_can_be_asked_for(leat):
    daemon = leat(JOBS + "  bad: { every: 1d, tasks: { f: { fail: broken } } }\n")
    answer = post_run(daemon, "j", {"in": "1h", "args": {"text": "x"}})
    assert answer.get("Location") == answer.json()["location"] == f"/v1/jobs/j/runs/{answer.json()['id']}"
    waits = told(daemon, answer)
    assert (waits["state"], waits["started"], waits["ended"], waits["job"]) == ("waiting", None, None, "j")
    answer = post_run(daemon, "j", {"args": {"text": "x"}})
    run = await_true(lambda: told(daemon, answer)["state"] == "ok" and told(daemon, answer))
    assert run["tries"] == 1 and run["error"] is None and run["asked"] <= run["started"] <= run["ended"]
    answer = post_run(daemon, "bad")
    await_true(lambda: told(daemon, answer)["state"] == "failed")
    daemon.restart()
    assert told(daemon, answer)["error"] == "broken"
    assert daemon.admin("GET", "/v1/jobs/j/runs/99").status == 404
    assert daemon.admin("GET", answer.get("Location").replace("/bad/", "/j/")).status == 404


def test_leat_jobs_run_takes_arguments_and_waits_for_the_end(leat):
    daemon = leat(JOBS + "  bad: { every: 1d, tasks: { f: { fail: broken } } }\n")
    done = daemon.cli("jobs", "run", "j", "--args", '{"text": "a \\"b\\""}', "--wait")
    assert (done.returncode, done.stdout) == (0, b"j: ok\n") and lines(daemon) == ['a "b"']
    done = daemon.cli("jobs", "run", "j", "--arg", "text=x=y", "--wait", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["state"] == "ok" and lines(daemon)[1:] == ["x=y"]
    done = daemon.cli("jobs", "run", "bad", "--wait")
    assert (done.returncode, done.stdout) == (1, b"bad: failed: broken\n")
    assert daemon.cli("jobs", "run", "none", "--wait").returncode == 1
    for wrong in [["--arg", "x"], ["--args", "[1]"], ["--args", "{"]]:
        assert daemon.cli("jobs", "run", "j", *wrong).returncode == 2
    assert daemon.cli("jobs", "list", "--wait").returncode == 2
    table = daemon.cli("jobs").stdout.decode().splitlines()
    assert table[0].split() == ["NAME", "SCHEDULE", "NEXT", "LAST", "OUTCOME", "TOOK_MS", "RUNS", "FAILURES"]
    row = table[1].split()
    assert row[0] == "j" and "ok" in row and "2" in row


@pytest.mark.skipif(FLAVOR != "release", reason="sanitizers have memory of their own")
def test_many_that_are_far_cost_no_memory(leat):
    daemon = leat(CONF)
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db"), timeout=30) as file:
        file.executemany("insert into todo (kind, target, slot, ord, due, made, args, state, blocked, starts, tries, pause)"
                         " values (0, 'mark', 0, ?1, ?1, 0, '{}', 0, 0, 0, 5, 1000)",
                         (((1 << 61) + i,) for i in range(100000)))
    file.close()

    def resident():
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    before = resident()
    daemon.restart()
    assert daemon.post("/now", "x").status == 200
    await_lines(daemon, "x")
    assert resident() < before + 6000  # KiB; 100,000 of them would be 10,000 and more
