"""tests/e2e/test_durable_jobs.py: what jobs know of themselves after a restart."""
import os
import sqlite3

from backends import hanging
from leat import await_true

STORE = "store: { path: leat.db }\n"
VALUE = "tasks: { t: { value: 1 } }"


def job(daemon, name):
    return next(j for j in daemon.admin("GET", "/v1/jobs").json()["jobs"] if j["name"] == name)


def await_runs(daemon, name, outcome="ok", n=1):
    def look():
        runs = [run for run in daemon.history(name) if run["outcome"] == outcome]
        return runs if len(runs) >= n else None
    return await_true(look, what=f"{n} runs of {name} that are {outcome}")


def change(daemon, sql, *args):
    """Changes the store of a daemon that has ended, as time would."""
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db")) as file:
        assert file.execute(sql, args).rowcount > 0
    file.close()


def end(daemon):
    daemon.signal(15)
    assert daemon.wait(15) == 0
    daemon.process.stderr.close()
    daemon.lines, daemon.addresses, daemon.code = [], [], None


def test_the_history_outlives_kill_9(leat):
    daemon = leat(STORE + f"jobs: {{ j: {{ every: 1h, at_start: true, {VALUE} }} }}")
    before = await_runs(daemon, "j")[0]
    assert daemon.admin("POST", "/v1/jobs/j/pause").status == 200  # what was before it is on the disk
    daemon.restart()
    again = await_runs(daemon, "j")
    assert before in again
    assert before["id"].startswith("j-")
    assert before["generation"] == 1


def test_a_pause_outlives_kill_9(leat):
    daemon = leat(STORE + f"jobs: {{ j: {{ every: 50ms, {VALUE} }} }}")
    assert daemon.admin("POST", "/v1/jobs/j/pause").status == 200
    daemon.restart()
    assert await_true(lambda: job(daemon, "j")["paused"])
    n_runs = len(daemon.history("j"))
    assert daemon.admin("POST", "/v1/jobs/j/resume").status == 200
    await_runs(daemon, "j", n=n_runs + 1)
    daemon.restart()
    assert not job(daemon, "j")["paused"]


def test_what_was_missed_runs_once_after_a_stop(leat):
    daemon = leat(STORE + f"jobs: {{ j: {{ cron: \"0 * * * *\", missed: once, {VALUE} }} }}")
    assert daemon.admin("POST", "/v1/jobs/j/resume").status == 200
    end(daemon)
    change(daemon, "update job set after = after - 3 * 3600 * 1000000000")
    daemon.start()
    run = await_runs(daemon, "j")[0]
    assert run["planned"].endswith(":00:00.000Z")
    assert len(daemon.history("j")) == 1


def test_what_was_missed_is_said_and_not_run_without_missed(leat):
    daemon = leat(STORE + f"jobs: {{ j: {{ cron: \"0 * * * *\", {VALUE} }} }}")
    assert daemon.admin("POST", "/v1/jobs/j/resume").status == 200
    end(daemon)
    change(daemon, "update job set after = after - 3 * 3600 * 1000000000")
    daemon.start()
    assert await_runs(daemon, "j", "skipped")[0]["error"] == "missed"


def test_a_run_that_kill_9_cut_runs_again_by_its_retry(leat, backend):
    up = backend(hanging)
    daemon = leat(STORE + "http: { u: { url: @url@ } }\n"
                  "jobs: { j: { every: 1h, at_start: true, retry: 2, tasks: { t: { get: \"u:/\" } } } }", url=up.url)
    await_true(lambda: len(up.calls) == 1)
    assert daemon.admin("POST", "/v1/jobs/j/resume").status == 200
    daemon.restart()
    await_true(lambda: len(up.calls) >= 2)
    cut = await_runs(daemon, "j", "interrupted")[0]
    again = await_true(lambda: [r for r in daemon.history("j") if r["attempt"] == 2])[0]
    assert again["id"] == cut["id"]
    assert again["planned"] == cut["planned"]


def test_a_run_that_kill_9_cut_is_told_and_not_run_again_without_retry(leat, backend):
    up = backend(hanging)
    daemon = leat(STORE + "http: { u: { url: @url@ } }\n"
                  "jobs: { j: { delay: 0s, tasks: { t: { get: \"u:/\" } } } }", url=up.url)
    await_true(lambda: len(up.calls) == 1)
    assert daemon.admin("POST", "/v1/jobs/j/resume").status == 200
    daemon.restart()
    await_runs(daemon, "j", "interrupted")


def test_the_last_lines_of_a_run_are_in_its_history(leat, backend):
    daemon = leat(STORE + "jobs: { j: { delay: 0s, tasks: { a: { log: first }, b: { log: \"n ${1 + 1}\", after: [a] },"
                  " c: { fail: broken, detail: \"because\", after: [b] } } } }")
    run = await_runs(daemon, "j", "failed")[0]
    assert run["log"][:2] == ["first", "n 2"]
    assert "broken" in run["log"][2] and "because" in run["log"][2]


def test_a_full_store_stops_no_job(leat):
    daemon = leat("store: { path: leat.db, max: 1m }\njobs:\n" + "".join(
        f"  j{i}: {{ every: 5ms, history: 1000, tasks: {{ t: {{ log: \"{'x' * 900}\" }} }} }}\n" for i in range(4)))
    store = await_true(lambda: daemon.status()["store"]["state"] == "degraded" and daemon.status()["store"], 60)
    assert "full" in store["problem"]
    daemon.await_line("store does not work")
    runs = job(daemon, "j0")["runs"]
    await_true(lambda: job(daemon, "j0")["runs"] > runs + 5)
    assert "\nleat_store_up 0\n" in daemon.admin("GET", "/metrics").text


def test_history_bounds_what_is_kept(leat):
    daemon = leat(STORE + f"jobs: {{ j: {{ every: 5ms, history: 3, {VALUE} }} }}")
    await_true(lambda: job(daemon, "j")["runs"] > 10)
    assert len(daemon.history("j")) == 3
    end(daemon)
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db")) as file:
        assert file.execute("select count(*) from job_run").fetchone()[0] == 3
    file.close()
    daemon.start()
