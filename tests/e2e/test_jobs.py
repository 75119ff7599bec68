"""tests/e2e/test_jobs.py: tasks that run by the clock."""
import datetime
import time

import pytest

from backends import answering, hanging, holding
from leat import SLOW, await_true

UP = "http: { u: { url: @url@ } }\n"


def ended(daemon, job, n=1):
    """The newest n entries of the history, once that many have ended."""
    def look():
        runs = [run for run in daemon.history(job) if run["outcome"] != "running"]
        return runs if len(runs) >= n else None
    return await_true(look, what=f"{n} runs of {job}")


def job(daemon, name):
    return next(j for j in daemon.admin("GET", "/v1/jobs").json()["jobs"] if j["name"] == name)


# ------------------------------------------------------------------ schedules

def test_every_runs_at_its_period_without_drift(leat):
    daemon = leat("jobs: { j: { every: 100ms, tasks: { t: { value: 1 } } } }")
    runs = ended(daemon, "j", 5)
    planned = sorted(datetime.datetime.fromisoformat(r["planned"].replace("Z", "+00:00")) for r in runs)
    gaps = {round((b - a).total_seconds() * 1000) for a, b in zip(planned, planned[1:])}
    assert all(gap % 100 == 0 and gap > 0 for gap in gaps)
    assert {r["outcome"] for r in runs} == {"ok"}


def test_every_runs_first_after_one_period_unless_at_start(leat):
    daemon = leat("jobs:\n  late: { every: 1h, tasks: { t: { value: 1 } } }\n"
                  "  soon: { every: 1h, at_start: true, tasks: { t: { value: 1 } } }\n")
    ended(daemon, "soon")
    assert daemon.history("late") == []
    assert job(daemon, "late")["next"] is not None


def test_delay_runs_once(leat):
    daemon = leat("jobs: { j: { delay: 50ms, tasks: { t: { value: 1 } } } }")
    assert len(ended(daemon, "j")) == 1
    assert job(daemon, "j")["next"] is None
    assert daemon.reload().returncode == 0
    assert len(daemon.history("j")) == 1


def test_a_delay_that_a_reload_brings_counts_from_the_reload(leat):
    daemon = leat("routes: { GET /: { reply: x } }")
    assert daemon.reload("jobs: { j: { delay: 50ms, tasks: { t: { value: 1 } } } }").returncode == 0
    assert len(ended(daemon, "j")) == 1


def test_cron_is_planned_by_the_calendar_of_its_zone(leat):
    daemon = leat("jobs:\n  utc: { cron: \"0 3 * * *\", timezone: UTC, tasks: { t: { value: 1 } } }\n"
                  "  paris: { cron: \"0 3 * * *\", timezone: Europe/Paris, tasks: { t: { value: 1 } } }\n"
                  "  daily: { cron: \"@daily\", timezone: UTC, tasks: { t: { value: 1 } } }\n"
                  "  minutely: { cron: \"* * * * *\", tasks: { t: { value: 1 } } }\n")
    now = time.time()
    hours = {}
    for name in ("utc", "paris", "daily", "minutely"):
        at = datetime.datetime.fromisoformat(job(daemon, name)["next"].replace("Z", "+00:00"))
        assert now < at.timestamp() <= now + 25 * 3600
        hours[name] = (at.hour, at.minute)
    assert hours["utc"] == (3, 0) and hours["daily"] == (0, 0)
    assert hours["paris"] in ((1, 0), (2, 0))
    assert datetime.datetime.fromisoformat(job(daemon, "minutely")["next"].replace("Z", "+00:00")).timestamp() <= now + 61


# ------------------------------------------------------------------ runs

def test_a_job_knows_its_run(leat, backend):
    upstream = backend(answering({}))
    daemon = leat(UP + "jobs: { j: { delay: 0s, timezone: UTC, tasks: { t: { post: \"u:/\", json: "
                       "{ name: \"${run.name}\", id: \"${run.id}\", date: \"${run.date}\", attempt: \"${run.attempt}\", job: \"${job.name}\" } } } } }",
                  url=upstream.url)
    import json
    sent = json.loads(upstream.await_calls(1)[0].body)
    today = datetime.datetime.utcnow().date()
    assert sent["name"] == sent["job"] == "j" and sent["attempt"] == 1 and sent["id"].startswith("j-")
    assert sent["date"] in {str(today), str(today - datetime.timedelta(days=1))}
    assert ended(daemon, "j")[0]["outcome"] == "ok"


def test_a_failure_is_in_the_history_and_in_the_log(leat, backend):
    daemon = leat(UP + "jobs: { j: { delay: 0s, tasks: { t: { get: \"u:/\" } } } }", url=backend(answering({}, status=500)).url)
    run = ended(daemon, "j")[0]
    assert run["outcome"] == "failed" and "upstream_status" in run["error"]
    assert job(daemon, "j")["failures"] == 1
    daemon.await_line("job run ended name=j outcome=failed")


def test_timeout_ends_an_attempt(leat, backend):
    upstream = backend(hanging)
    daemon = leat(UP + "jobs: { j: { delay: 0s, timeout: 100ms, tasks: { t: { get: \"u:/\" } } } }", url=upstream.url)
    run = ended(daemon, "j")[0]
    assert run["outcome"] == "timeout" and 100 <= run["took_ms"] < 5000 * SLOW
    upstream.await_left()


def test_retry_tries_again(leat, backend):
    upstream = backend(lambda call: call.json({}, status=500 if len(call.backend.calls) < 3 else 200))
    daemon = leat(UP + "jobs: { j: { delay: 0s, retry: { times: 5, wait: 10ms }, tasks: { t: { get: \"u:/\" } } } }", url=upstream.url)
    runs = ended(daemon, "j", 3)
    assert sorted((r["attempt"], r["outcome"]) for r in runs) == [(1, "failed"), (2, "failed"), (3, "ok")]
    assert len(upstream.calls) == 3


def test_retry_has_an_end(leat, backend):
    upstream = backend(answering({}, status=500))
    daemon = leat(UP + "jobs: { j: { delay: 0s, retry: { times: 2, wait: 1ms }, tasks: { t: { get: \"u:/\" } } } }", url=upstream.url)
    ended(daemon, "j", 3)
    assert job(daemon, "j")["running"] == 0
    assert len(upstream.calls) == 3


def test_when_skips_a_run(leat):
    daemon = leat("jobs: { j: { delay: 0s, when: \"run.name == 'other'\", tasks: { t: { value: 1 } } } }")
    run = ended(daemon, "j")[0]
    assert run["outcome"] == "skipped"


# ------------------------------------------------------------------ overlap

def overlapping(leat, backend, overlap, handler=None):
    upstream = backend(handler or holding({}))
    daemon = leat(UP + f"jobs: {{ j: {{ every: 1h, overlap: {overlap}, tasks: {{ t: {{ get: \"u:/\" }} }} }} }}", url=upstream.url)
    assert daemon.admin("POST", "/v1/jobs/j/runs").status == 202
    upstream.await_calls(1)
    return daemon, upstream


def test_overlap_skip(leat, backend):
    upstream = backend(holding({}))
    daemon = leat(UP + "jobs: { j: { every: 50ms, tasks: { t: { get: \"u:/\" } } } }", url=upstream.url)
    upstream.await_calls(1)
    skipped = await_true(lambda: [r for r in daemon.history("j") if r["outcome"] == "skipped" and r.get("times", 1) >= 3])
    assert "overlap" in skipped[0]["error"]
    assert len(upstream.calls) == 1
    upstream.release.set()
    upstream.await_calls(2)


def test_overlap_skip_refuses_a_run_by_hand(leat, backend):
    daemon, upstream = overlapping(leat, backend, "skip")
    assert daemon.admin("POST", "/v1/jobs/j/runs").status == 409
    done = daemon.cli("jobs", "run", "j")
    assert done.returncode == 1 and "running" in done.err
    upstream.release.set()


def test_overlap_queue(leat, backend):
    daemon, upstream = overlapping(leat, backend, "queue")
    for _ in range(2):
        assert daemon.admin("POST", "/v1/jobs/j/runs").status == 202
    assert (job(daemon, "j")["running"], job(daemon, "j")["waiting"]) == (1, 2)
    assert len(upstream.calls) == 1
    upstream.release.set()
    assert [r["outcome"] for r in ended(daemon, "j", 3)] == ["ok"] * 3


def test_overlap_parallel(leat, backend):
    daemon, upstream = overlapping(leat, backend, "parallel")
    assert daemon.admin("POST", "/v1/jobs/j/runs").status == 202
    upstream.await_calls(2)
    assert job(daemon, "j")["running"] == 2
    upstream.release.set()
    ended(daemon, "j", 2)


def test_overlap_cancel_previous(leat, backend):
    def handler(call):
        if len(call.backend.calls) == 1:
            call.hang()
        call.json({})
    daemon, upstream = overlapping(leat, backend, "cancel_previous", handler)
    assert daemon.admin("POST", "/v1/jobs/j/runs").status == 202
    upstream.await_left()
    assert sorted(r["outcome"] for r in ended(daemon, "j", 2)) == ["cancelled", "ok"]


# ------------------------------------------------------------------ by hand

def test_the_command_lists_runs_and_shows(leat):
    daemon = leat("jobs:\n  j: { every: 1h, tasks: { t: { value: 1 } } }\n  k: { cron: \"@daily\", tasks: { t: { value: 1 } } }\n")
    done = daemon.cli("jobs")
    assert done.returncode == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:3] == ["NAME", "SCHEDULE", "NEXT"] and {line.split()[0] for line in lines[1:]} == {"j", "k"}
    assert daemon.cli("jobs", "list").out == done.out
    assert daemon.cli("jobs", "run", "j").returncode == 0
    ended(daemon, "j")
    done = daemon.cli("jobs", "history", "j")
    assert done.returncode == 0 and " ok " in done.out.splitlines()[1]


def test_a_paused_job_does_not_run_until_it_is_resumed(leat):
    daemon = leat("jobs: { j: { every: 20ms, tasks: { t: { value: 1 } } } }")
    ended(daemon, "j")
    assert daemon.cli("jobs", "pause", "j").returncode == 0
    n = len(daemon.history("j"))
    time_to_run = time.monotonic() + 0.15
    await_true(lambda: time.monotonic() > time_to_run)
    assert len(daemon.history("j")) <= n + 1  # the one that was under way
    assert job(daemon, "j")["paused"] is True and "paused" in daemon.cli("jobs").out
    n = len(daemon.history("j"))
    assert daemon.reload().returncode == 0 and job(daemon, "j")["paused"] is True  # a reload keeps it so
    assert daemon.cli("jobs", "resume", "j").returncode == 0
    ended(daemon, "j", n + 1)


@pytest.mark.parametrize("what", ["run", "pause", "resume", "history"])
def test_a_job_that_does_not_exist_is_said_so(leat, what):
    daemon = leat("jobs: { j: { every: 1h, tasks: { t: { value: 1 } } } }")
    done = daemon.cli("jobs", what, "nope")
    assert done.returncode == 1 and "there is no job \"nope\"" in done.err


def test_a_reload_keeps_the_history_and_a_run_in_work(leat, backend):
    upstream = backend(holding({}))
    conf = UP + "jobs: { j: { every: 1h, at_start: true, tasks: { t: { get: \"u:/@v@\" } } } }"
    daemon = leat(conf, url=upstream.url, v="one")
    upstream.await_calls(1)
    daemon.names["v"] = "two"
    assert daemon.reload(conf).returncode == 0
    assert job(daemon, "j")["running"] == 1
    upstream.release.set()
    assert [r["outcome"] for r in ended(daemon, "j")] == ["ok"]
    assert daemon.cli("jobs", "run", "j").returncode == 0
    ended(daemon, "j", 2)
    assert [c.path for c in upstream.calls] == ["/one", "/two"]


def test_a_job_that_a_reload_removes_runs_no_more(leat):
    daemon = leat("jobs: { j: { every: 20ms, tasks: { t: { value: 1 } } } }")
    ended(daemon, "j")
    assert daemon.reload("routes: { GET /: { reply: x } }").returncode == 0
    assert daemon.admin("GET", "/v1/jobs").json() == {"jobs": []}
