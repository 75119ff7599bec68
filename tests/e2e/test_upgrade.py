"""tests/e2e/test_upgrade.py: `leat upgrade`: another process takes the daemon's place, and nobody notices."""
import json
import os
import shutil
import signal
import socket
import sqlite3
import threading

import pytest

from backends import holding
from leat import BINARY, SLOW, Client, Daemon, await_true
from notify import Notify
from upgrades import Adopted, Load, own_program, replace_program, upgrade

ROUTES = "routes: { GET /: { reply: x } }\n"
LONG = """
http: { b: { url: "@URL@" } }
timeouts: { shutdown: 5m }
routes:
  GET /: { reply: x }
  GET /long: { tasks: { s: { get: "b:/", timeout: 5m } }, reply: { json: "${s.body}" }, timeout: 5m }
"""
SCHEDULE = """
store: { path: "@DIR@/store.db" }
files_root: "@DIR@"
flows:
  mark: { tasks: { w: { append: done.txt, from: "${with.n}," } } }
routes:
  POST /add/{n}:
    tasks: { s: { schedule: mark, in: 50ms, with: { n: "${path.n}" } } }
    reply: "${s}"
"""


@pytest.fixture
def program():
    """daemon = program(conf): of a program file of its own."""
    made = []

    def make(conf, **more):
        made.append(own_program(Daemon, conf, **more))
        return made[-1]
    yield make
    for daemon in made:
        daemon.stop()


def test_systemd_is_told_of_the_new_main_process_and_only_that_one_speaks_from_then_on(leat):
    notify = Notify(with_sender=True)
    daemon = leat(ROUTES, shell="WATCHDOG_USEC=200000 WATCHDOG_PID=$$", env={"NOTIFY_SOCKET": notify.path})
    notify.until("READY")
    before = daemon.pid
    upgrade(daemon)
    message = notify.until("MAINPID")
    assert message == {"MAINPID": str(daemon.pid), "sender": before}
    assert daemon.pid != before
    message = notify.until("READY", "1")
    assert message["sender"] == daemon.pid and message["STATUS"] == "serving generation 1"
    for _ in range(3):  # nothing of the old one: systemd does not listen to it any more
        message = notify.next()
        while "WATCHDOG" not in message:
            assert message["sender"] == daemon.pid
            message = notify.next()
        assert message["sender"] == daemon.pid
    notify.close()


def test_systemd_lets_go_of_a_listener_that_the_new_configuration_does_not_have(leat):
    notify = Notify(with_sender=True)
    daemon = leat('listen: [127.0.0.1:0, "unix:@DIR@/gone.sock"]\n' + ROUTES, env={"NOTIFY_SOCKET": notify.path})
    notify.until("READY")
    daemon.write_conf("listen: [127.0.0.1:0]\n" + ROUTES)
    upgrade(daemon)
    notify.until("MAINPID")  # systemd does not listen to the new process before that
    message = notify.until("FDSTOREREMOVE")
    assert message["FDNAME"].endswith("gone.sock") and message["sender"] == daemon.pid
    notify.close()


def test_no_request_is_refused_or_cut_while_it_is_upgraded_again_and_again(leat):
    daemon = leat("routes: { GET /: { reply: x }, GET /slow: { tasks: { w: { wait: 5ms } }, reply: y } }\n")
    loads = [Load(daemon.addresses[0], target, keep) for target in ("/", "/slow") for keep in (True, False) for _ in range(2)]
    for load in loads:
        load.start()
    for _ in range(4):
        before = [load.done for load in loads]
        await_true(lambda: all(load.failures or load.done > n + 20 for load, n in zip(loads, before)))  # pylint: disable=cell-var-from-loop
        upgrade(daemon)
    for load in loads:
        load.stopping.set()
    for load in loads:
        load.join(10 * SLOW)
        assert not load.failures, load.failures
    assert daemon.status()["pid"] == daemon.pid


def test_what_is_in_work_is_finished_by_the_process_that_began_it(leat, stage):
    backend = stage.backend(holding("done"))
    daemon = leat(LONG, URL=backend.url)
    with daemon.connect() as long:
        long.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        await_true(lambda: daemon.status()["requests_in_work"] == 1)
        old = upgrade(daemon, wait=False)
        assert daemon.get("/").text == "x" and daemon.status()["pid"] == daemon.pid and old.poll() is None
        backend.release.set()
        answer = long.response()
        assert answer.json() == "done" and answer.get("connection") == "close"
        assert old.wait(15 * SLOW) == 0


@pytest.mark.parametrize("text, said", [
    ("#!/bin/sh\necho 'cannot find libnothing.so.1' >&2; exit 127\n", "cannot find libnothing.so.1"),
    ("#!/bin/sh\nkill -SEGV $$\n", "the new process ended before it served"),
    ("#!/nowhere\n", "cannot start"),
    ("no program\n", "cannot start"),
])
def test_a_program_that_does_not_start_leaves_the_old_one_serving_and_the_reason_is_told(program, text, said):
    daemon = program(ROUTES)
    with daemon.connect() as client:
        assert client.get("/").text == "x"
        replace_program(daemon, text)
        refused = daemon.cli("upgrade")
        assert refused.returncode == 1 and said in refused.err and f"process {daemon.pid} goes on" in refused.err
        daemon.await_line("upgrade refused")
        assert client.get("/").text == "x" and daemon.get("/").text == "x"
    replace_program(daemon)
    upgrade(daemon)
    assert daemon.get("/").text == "x"


def test_a_program_that_ends_as_soon_as_it_serves_leaves_the_old_one_serving(program):
    daemon = program(ROUTES)
    replace_program(daemon, """#!/usr/bin/python3
import os, socket
sock = socket.socket(fileno=int(os.environ["LEAT_UPGRADE"].split(":")[0]))
sock.recv(1000)  # the keys: unread, they would make its end a reset
sock.shutdown(socket.SHUT_RD)
sock.send(b"S9")
""")
    refused = daemon.cli("upgrade")
    assert refused.returncode == 1 and "ended as soon as it served" in refused.err and f"process {daemon.pid} goes on" in refused.err
    replace_program(daemon)
    assert daemon.get("/").text == "x" and daemon.reload().returncode == 0
    upgrade(daemon)


def test_a_module_that_does_not_start_refuses_the_upgrade_and_says_why(leat):
    daemon = leat(ROUTES)
    path = os.path.join(os.path.dirname(os.path.abspath(BINARY)), "tests", "modules", "fails_init.so")
    daemon.write_conf(f"modules: [{path}]\nroutes: {{ GET /: {{ tasks: {{ n: {{ native: fails_init.run }} }} }} }}\n")
    refused = daemon.cli("upgrade")
    assert refused.returncode == 1 and "the moon is not full" in refused.err and daemon.get("/").text == "x"


def test_a_configuration_that_the_new_process_refuses_leaves_the_old_one_serving(leat):
    daemon = leat(ROUTES)
    daemon.write_conf("routes: { GET /: { rply: x } }\n")
    refused = daemon.cli("upgrade")
    assert refused.returncode == 1 and 'unknown key "rply"' in refused.err and daemon.get("/").text == "x"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        daemon.write_conf("listen: [127.0.0.1:0, 127.0.0.1:%d]\n" % taken.getsockname()[1] + ROUTES)
        refused = daemon.cli("upgrade")
        assert refused.returncode == 1 and "cannot listen on" in refused.err and daemon.get("/").text == "x"
    assert daemon.status()["pid"] == daemon.pid  # the admin socket is still there, too
    daemon.write_conf(ROUTES)
    upgrade(daemon)


def test_the_new_process_has_the_new_configuration_and_the_listeners_that_it_names(leat):
    daemon = leat('listen: [127.0.0.1:0, "unix:@DIR@/web.sock", "unix:@DIR@/gone.sock"]\n' + ROUTES)
    daemon.write_conf('listen: [127.0.0.1:0, "unix:@DIR@/web.sock", "unix:@DIR@/more.sock"]\nroutes: { GET /: { reply: y } }\n')
    upgrade(daemon)
    for address in (daemon.addresses[0], daemon.dir + "/web.sock", daemon.dir + "/more.sock"):
        with Client(address) as client:
            assert client.get("/").text == "y"
    with pytest.raises(OSError):
        Client(daemon.dir + "/gone.sock")
    daemon.stop()
    assert not os.path.exists(daemon.dir + "/admin.sock")


def test_a_job_is_run_by_one_process_at_a_time_and_what_came_due_meanwhile_is_run(leat):
    daemon = leat("store: { path: @DIR@/store.db }\n"
                  "routes: { GET /long: { tasks: { s: { await: go, wait: 60s } }, reply: done, timeout: 60s } }\ntimeouts: { shutdown: 5m }\n"
                  "jobs: { tick: { every: 100ms, history: 100, tasks: { x: { value: 1 } } } }\n")
    n_runs = lambda: len([run for run in daemon.history("tick") if run["outcome"] == "ok"])
    await_true(lambda: n_runs() >= 1, 20)
    with daemon.connect() as long:
        long.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        await_true(lambda: daemon.status()["requests_in_work"] == 1)
        old = upgrade(daemon, wait=False)  # it keeps the store for as long as that request is in work
        long.close()
        assert old.wait(15 * SLOW) == 0
    daemon.await_line("store taken over")
    daemon.await_line("job runs were missed while leat was upgraded name=tick runs_now=1")
    await_true(lambda: n_runs() >= 3, 20)
    with sqlite3.connect(daemon.dir + "/store.db") as store:
        planned = [row[0] for row in store.execute("select planned from job_run where outcome = 'ok' order by planned")]
        numbers = [row[0] for row in store.execute("select number from job_run order by number")]
    assert len(planned) == len(set(planned)), planned
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_job_is_run_by_one_process_at_a_time_without_a_store_of_files_too(leat, stage):
    backend = stage.backend(holding("done"))
    daemon = leat('http: { b: { url: "@URL@" } }\ntimeouts: { shutdown: 5m }\n' + ROUTES +
                  "jobs: { j: { every: 1h, at_start: true, tasks: { s: { get: 'b:/', timeout: 5m } } } }\n", URL=backend.url)
    job = lambda: daemon.admin("GET", "/v1/jobs").json()["jobs"][0]
    await_true(lambda: job()["running"] == 1)
    old = upgrade(daemon, wait=False)
    second = daemon.cli("status", "--json")  # by the new process, whose loops have all had a turn
    assert json.loads(second.out)["pid"] == daemon.pid
    assert json.loads(second.out)["store"]["state"] == "waiting"
    assert job()["running"] == job()["runs"] == 0 and old.poll() is None
    backend.release.set()
    assert old.wait(15 * SLOW) == 0
    await_true(lambda: job()["runs"] == 1)
    assert daemon.status()["store"]["state"] == "ok"


def test_what_was_scheduled_is_done_once_whoever_does_it(leat):
    daemon = leat(SCHEDULE)
    ids, stopping, failures = [], threading.Event(), []

    def add():
        while not stopping.is_set():
            answer = daemon.request("POST", f"/add/{len(ids)}", body="")
            if answer.status != 200:
                failures.append((answer.status, answer.text))
                return
            ids.append(int(answer.text))
    thread = threading.Thread(target=add)
    thread.start()
    for _ in range(3):
        n = len(ids)
        await_true(lambda: failures or len(ids) > n + 5)  # pylint: disable=cell-var-from-loop
        upgrade(daemon)
    stopping.set()
    thread.join(10 * SLOW)
    assert not failures, failures
    assert ids == sorted(set(ids))
    done = lambda: open(daemon.dir + "/done.txt", encoding="ascii").read().split(",")[:-1]  # pylint: disable=consider-using-with
    await_true(lambda: os.path.exists(daemon.dir + "/done.txt") and len(done()) >= len(ids), 20)
    assert sorted(map(int, done())) == list(range(len(ids)))


def test_a_reload_and_a_stop_during_an_upgrade_are_not_lost(program):
    hang = '#!/bin/sh\necho started >>"${0%/*}/started"; exec sleep 600\n'
    daemon = program(ROUTES)
    started = lambda: os.path.exists(daemon.dir + "/started")
    replace_program(daemon, hang)
    asked = threading.Thread(target=lambda: results.append(daemon.cli("upgrade")))
    results = []
    asked.start()
    await_true(started)
    second = daemon.cli("upgrade")
    assert second.returncode == 1 and "another upgrade is in progress" in second.err
    daemon.signal(signal.SIGHUP)  # waits for the upgrade's end
    assert daemon.get("/").text == "x"
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    asked.join(10 * SLOW)
    assert results[0].returncode in (1, 3)  # told so, or cut by the end


def test_a_reload_that_waits_for_an_upgrade_is_done_by_the_new_process(program, stage):
    daemon = program(ROUTES)
    shutil.copy(daemon.program, daemon.program + "-real")
    replace_program(daemon, """#!/bin/sh
echo started >"${0%/*}/started"
while [ ! -e "${0%/*}/go" ]; do sleep 0.02; done
exec "$0-real" "$@"
""")
    done = []
    asked = threading.Thread(target=lambda: done.append(daemon.cli("upgrade", "--json")))
    asked.start()
    await_true(lambda: os.path.exists(daemon.dir + "/started"))
    with Client(daemon.admin_address) as client:
        client.send("POST /v1/reload HTTP/1.1\r\nHost: leat\r\nContent-Length: 0\r\n\r\n")
        assert daemon.status()["pid"] == daemon.pid  # after that, it has come
        daemon.write("go", "")
        answer = client.response()
        assert answer.status == 422 and answer.json()["again"] is True
    asked.join(10 * SLOW)
    old, daemon.process = daemon.process, Adopted(json.loads(done[0].out)["pid"], daemon.process.stderr)
    assert old.wait(15 * SLOW) == 0 and daemon.reload().returncode == 0
    answers = [(422, {"accepted": False, "generation": 1, "again": True, "diagnostics": "upgraded"}),
               (200, {"accepted": True, "generation": 2, "diagnostics": ""})]

    def answer_next(call):
        status, value = answers.pop(0)
        call.json(value, status=status, close=True)
    fake = stage.backend(answer_next)  # `leat reload` asks again
    told = daemon.cli("reload", "--admin", fake.address)
    assert told.returncode == 0 and told.out == "reloaded: generation 2 is at work\n" and told.err == "" and not answers


def test_only_root_and_the_daemons_own_user_may_upgrade_it(leat):
    daemon = leat("admin: { listen: 127.0.0.1:0 }\n" + ROUTES)
    with daemon.connect(daemon.admin_address) as client:
        answer = client.request("POST", "/v1/upgrade", body="", host="localhost")
        assert answer.status == 403 and "unix socket" in json.loads(answer.text)["detail"]
    if os.geteuid() != 0:
        pytest.skip("asking as somebody else needs root")
    daemon = leat(ROUTES)
    os.chmod(daemon.dir, 0o755)
    os.chmod(daemon.admin_address, 0o666)
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(daemon.admin_address)
            sock.sendall(b"POST /v1/upgrade HTTP/1.1\r\nHost: leat\r\nContent-Length: 0\r\n\r\n")
            os._exit(0 if b" 403 " in sock.recv(4096) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
