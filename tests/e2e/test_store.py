"""tests/e2e/test_store.py: the file in which is kept what outlives the process."""
import os
import sqlite3
import stat
import subprocess

from leat import BINARY, TIMEOUT, await_true

ROUTE = 'routes: { GET /: { reply: x } }\n'


def with_store(text="path: leat.db"):
    return ROUTE + f"store: {{ {text} }}\n"


def run(daemon, *, env=None):
    """`leat run` of a daemon's configuration that is expected to end by itself."""
    return subprocess.run([os.path.abspath(BINARY), "run", "-c", daemon.path], env=env or daemon.env, cwd=daemon.dir,
                          capture_output=True, text=True, timeout=TIMEOUT * 3)


def db(daemon):
    return os.path.join(daemon.dir, "leat.db")


def test_without_a_state_directory_it_is_in_memory(leat):
    daemon = leat(ROUTE, env={"STATE_DIRECTORY": ""})
    store = daemon.status()["store"]
    assert store["path"] == ":memory:"
    assert store["state"] == "ok"


def test_it_is_in_the_state_directory_of_systemd(leat, tmp_path):
    daemon = leat(ROUTE, env={"STATE_DIRECTORY": f"{tmp_path}:/elsewhere"})
    assert daemon.status()["store"]["path"] == str(tmp_path / "leat.db")
    assert stat.S_IMODE(os.stat(tmp_path / "leat.db").st_mode) == 0o600


def test_its_path_is_relative_to_the_file_that_says_it(leat):
    daemon = leat(with_store())
    assert os.path.samefile(daemon.status()["store"]["path"], db(daemon))


def test_its_figures_are_in_the_metrics(leat):
    text = leat(with_store()).admin("GET", "/metrics").text
    assert "\nleat_store_up 1\n" in text
    assert "\nleat_store_waiting 0\n" in text
    assert "\n# TYPE leat_store_commits_total counter\n" in text


def test_one_daemon_a_file(leat):
    daemon = leat(with_store())
    second = run(daemon)
    assert second.returncode == 1
    assert f"is in use by another leat (process {daemon.pid})" in second.stderr
    assert daemon.get("/").status == 200


def test_the_file_outlives_kill_9_and_its_lock_does_not(leat):
    daemon = leat(with_store())
    daemon.restart()
    assert daemon.get("/").status == 200


def test_a_broken_file_stops_the_start_with_a_way_on(leat):
    daemon = leat(with_store(), start=False)
    with open(db(daemon), "wb") as file:
        file.write(b"no database, whoever asks " * 400)
    ended = run(daemon)
    assert ended.returncode == 1
    assert "is broken (file is not a database)" in ended.stderr
    assert "if_corrupt: move_aside" in ended.stderr


def test_a_broken_file_is_moved_aside_when_that_is_wanted(leat):
    daemon = leat(with_store("path: leat.db, if_corrupt: move_aside"), start=False)
    with open(db(daemon), "wb") as file:
        file.write(b"no database, whoever asks " * 400)
    daemon.start()
    daemon.await_line("store was broken and is moved aside")
    moved = [name for name in os.listdir(daemon.dir) if name.startswith("leat.db.broken-")]
    assert len(moved) == 1
    assert daemon.status()["store"]["state"] == "ok"


def test_a_file_of_a_newer_leat_stops_the_start(leat):
    daemon = leat(with_store())
    daemon.signal(15)
    assert daemon.wait() == 0
    with sqlite3.connect(db(daemon)) as file:
        file.execute("pragma user_version = 9999")
    file.close()
    ended = run(daemon)
    assert ended.returncode == 1
    assert "was written by a newer leat" in ended.stderr


def test_a_reload_cannot_exchange_it(leat):
    daemon = leat(with_store())
    refused = daemon.reload(with_store("path: other.db"))
    assert refused.returncode == 1
    assert "fixed for the life of the process" in (refused.stdout + refused.stderr).decode()
    assert not os.path.exists(os.path.join(daemon.dir, "other.db"))
    assert daemon.reload(with_store()).returncode == 0
    assert await_true(lambda: daemon.status()["generation"] == 2)


def test_check_does_not_open_it(leat):
    daemon = leat(with_store(), start=False)
    assert daemon.cli("check").returncode == 0
    assert not os.path.exists(db(daemon))
