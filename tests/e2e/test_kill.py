"""tests/e2e/test_kill.py: kill -9 at any moment loses nothing that was acknowledged.

The daemon is killed at random while clients schedule flows, each client one after the other under a key of its own,
and while one of them sends requests to a route with `async`.
At the end what the flows have written is compared with what was acknowledged, and with what the store says.
LEAT_KILL_ROUNDS=300 kills that often; by default as often as half a minute lets it, at most 60 times.
"""
import collections
import os
import random
import sqlite3
import threading
import time

from leat import Client, Closed, await_true

CONF = """store: { path: leat.db }
files_root: data
server: { threads: 2, compute_threads: 1 }
flows:
  mark: { tasks: { w: { append: flows.txt, from: "${with.key} ${with.n}\\n" } } }
routes:
  POST /{key}/{n}:
    tasks: { s: { schedule: mark, key: "${path.key}", tries: 100, pause: 1ms, with: { key: "${path.key}", n: "${path.n}" } } }
    reply: { json: "${s}" }
  POST /later/{key}/{n}:
    tasks: { s: { schedule: mark, in: 150ms, tries: 100, pause: 1ms, with: { key: "${path.key}", n: "${path.n}" } } }
    reply: { json: "${s}" }
  POST /async/{key}/{n}:
    async: { retry: 99, wait: 1ms, waiting: 100000 }
    tasks: { w: { append: flows.txt, from: "${path.key} ${path.n}\\n" } }
    reply: { json: { n: "${number(path.n)}" } }
jobs:
  tick: { every: 20ms, history: 1000, retry: 3, tasks: { w: { append: ticks.txt, from: "${run.id} ${run.attempt}\\n" } } }
"""
KEYS = {"l0": "/later", "k1": "", "k2": "", "a3": "/async"}
ROUNDS = int(os.environ.get("LEAT_KILL_ROUNDS", "0"))


class Asker(threading.Thread):
    """Schedules until the daemon is gone; keeps what was acknowledged, in order."""

    def __init__(self, address, key, first):
        super().__init__(daemon=True)
        self.address, self.key, self.next, self.acknowledged, self.wrong = address, key, first, [], []
        self.locations = {}

    def run(self):
        prefix = KEYS[self.key]
        try:
            with Client(self.address) as client:
                while True:
                    answer = client.request("POST", f"{prefix}/{self.key}/{self.next}", body="")
                    if answer.status == 202:
                        self.locations[self.next] = answer.get("Location")
                    elif answer.status != 200:
                        self.wrong.append(answer)
                        return
                    self.acknowledged.append(self.next)
                    self.next += 1
        except (Closed, OSError):
            self.next += 1  # it may have been kept


def read(daemon, name):
    try:
        with open(os.path.join(daemon.dir, "data", name), encoding="utf-8") as file:
            return [line.split() for line in file.read().splitlines()]
    except FileNotFoundError:
        return []


def query(daemon, sql):
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db"), timeout=30) as file:
        rows = file.execute(sql).fetchall()
    file.close()
    return rows


def rounds():
    until = time.monotonic() + 20
    for i in range(ROUNDS or 60):
        if not ROUNDS and time.monotonic() > until:
            return
        yield i


def test_kill_9_loses_nothing_that_was_acknowledged(leat):
    dice = random.Random(os.environ.get("LEAT_KILL_SEED"))
    daemon = leat(CONF)
    acknowledged = {key: [] for key in KEYS}
    locations = {}
    following = dict.fromkeys(acknowledged, 0)
    n_killed = 0
    for _ in rounds():
        askers = [Asker(daemon.addresses[0], key, following[key]) for key in acknowledged]
        for asker in askers:
            asker.start()
        time.sleep(dice.uniform(0, 0.25))  # the moment of the kill: any will do
        daemon.restart()
        n_killed += 1
        for asker in askers:
            asker.join(30)
            assert not asker.is_alive() and not asker.wrong, asker.wrong
            acknowledged[asker.key] += asker.acknowledged
            locations.update(asker.locations)
            following[asker.key] = asker.next
    await_true(lambda: not query(daemon, "select 1 from todo where state < 2 limit 1"), 60, "all of it to be done")
    daemon.admin("POST", "/v1/jobs/tick/pause")
    await_true(lambda: not query(daemon, "select 1 from job_run where outcome in ('running', 'waiting')"))

    done = collections.defaultdict(list)
    for line in read(daemon, "flows.txt"):
        assert len(line) == 2 and line[0] in acknowledged and 0 <= int(line[1]) < following[line[0]], line
        done[line[0]].append(int(line[1]))
    for key, numbers in acknowledged.items():
        assert set(numbers) <= set(done[key]), f"{key}: {sorted(set(numbers) - set(done[key]))[:10]} are lost"
        first = list(dict.fromkeys(done[key]))
        if key.startswith("k"):
            assert first == sorted(first), f"{key} is out of order"
    assert sum(map(len, acknowledged.values())) > 3 * n_killed
    assert query(daemon, "select * from todo where state = 3") == []

    assert len(locations) == len(acknowledged["a3"]) > n_killed / 2
    with daemon.connect() as client:
        for n, location in locations.items():
            run = client.request("GET", location).json()
            assert (run["state"], run["result"]["body"]) == ("ok", {"n": n}), (location, run)

    ticks = {(line[0], int(line[1])) for line in read(daemon, "ticks.txt")}
    recorded = query(daemon, "select id, attempt, outcome from job_run where outcome <> 'skipped'")
    assert len(recorded) > n_killed
    for run, attempt, outcome in recorded:
        assert outcome in ("ok", "interrupted"), (run, outcome)
        assert outcome != "ok" or (run, attempt) in ticks, f"{run} is recorded, and was not done"
    assert query(daemon, "pragma integrity_check") == [("ok",)]
