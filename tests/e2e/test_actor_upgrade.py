"""tests/e2e/test_actor_upgrade.py: actors that persist, one for each key, and what is to be sent to them later, while `leat upgrade` hands
them from one process to the next under load: nothing is lost, nothing is done twice."""
import json
import threading
import time

from backends import holding
from leat import SLOW, Client, Closed, await_true
from test_actors import JSON, live
from upgrades import upgrade

CONF = """
store: { path: "@DIR@/leat.db" }
timeouts: { shutdown: 5m, route: 5m }
actors:
  "count/{name}":
    expose: true
    persist: true
    idle: @idle@
    state: { n: 0, seen: "" }
    handlers:
      add: { set: { n: "${state.n + 1}", seen: "${state.seen + message + ' '}" }, reply: { json: "${state.n}" } }
      note: { set: { n: "${state.n}", seen: "${state.seen + message + ' '}" } }
      get: { method: GET, reply: { json: "${state}" } }
      slow: { timeout: 5m, tasks: { t: { get: "u:/", timeout: 5m } }, set: { n: "${state.n + t.body}", seen: "" }, reply: { json: "${state.n}" } }
http: { u: { url: @url@ } }
routes:
  POST /later/{name}/{text}:
    tasks: { s: { send: "count/${path.name}", handler: note, message: "${path.text}", delay: 50ms } }
    reply: ok
"""


class Adder(threading.Thread):
    """Messages to one actor, one after the other; each tenth is put off. A connection that this thread has left idle for long may be
    closed: then nothing may have come of the request that was under way."""

    def __init__(self, daemon, name):
        super().__init__(daemon=True)
        self.address, self.actor, self.n, self.kept, self.failures, self.stopping = daemon.addresses[0], name, 0, [], [], threading.Event()

    def add(self, client):
        answer = client.request("POST", f"/count/{self.actor}/add", body=json.dumps(str(self.n)).encode(), headers=JSON)
        assert answer.status == 200 and answer.json() == self.n + 1, (answer, answer.text, self.n)
        self.n += 1
        return answer

    def later(self):
        with Client(self.address) as client:
            assert client.request("POST", f"/later/{self.actor}/L{self.n}", body=b"").text == "ok"
        self.kept.append(f"L{self.n}")

    def series(self, client):
        for _ in range(10):
            if self.add(client).get("connection") == "close":
                return

    def run(self):
        while not self.stopping.is_set():
            try:
                with Client(self.address) as client:
                    try:
                        self.series(client)
                    except (OSError, Closed):
                        with Client(self.address) as other:
                            assert other.get(f"/count/{self.actor}/get").json()["n"] == self.n
                self.later()
            except (OSError, Closed, AssertionError) as error:
                self.failures.append(repr(error))
                return


def test_no_message_is_lost_or_handled_twice_over_upgrades(leat):
    daemon = leat(CONF, idle="5ms", url="http://127.0.0.1:1")
    adders = [Adder(daemon, f"k{i}") for i in range(4)]
    for adder in adders:
        adder.start()
    for _ in range(3):
        n = [adder.n for adder in adders]
        await_true(lambda n=n: all(a.failures or a.n > before + 12 for a, before in zip(adders, n)), 60)
        upgrade(daemon)
    for adder in adders:
        adder.stopping.set()
    for adder in adders:
        adder.join(60 * SLOW)
        assert not adder.failures, adder.failures
    for adder in adders:
        seen = lambda a=adder: daemon.get(f"/count/{a.actor}/get").json()["seen"].split()
        await_true(lambda a=adder, s=seen: len(s()) >= a.n + len(a.kept), 60)
        assert [x for x in seen() if x[0] != "L"] == [str(i) for i in range(adder.n)]
        assert sorted(x for x in seen() if x[0] == "L") == sorted(adder.kept)


def test_a_message_in_work_in_the_old_process_comes_before_those_of_the_new_one(leat, backend):
    up = backend(holding(10))
    daemon = leat(CONF, idle="1h", url=up.url)
    assert daemon.post_json("/count/a/add", "0").json() == 1
    with daemon.connect() as slow:
        slow.send("POST /count/a/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        await_true(lambda: live(daemon)["count/a"]["in_work"])
        old = upgrade(daemon, wait=False)
        with daemon.connect() as fast:
            fast.send("POST /count/a/add HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n\"1\"")
            for _ in range(100):  # it waits for the store, but where the old process has accepted the connection just yet: there it waits, too
                if live(daemon)["count/a"]["in_work"]:
                    break
                time.sleep(0.01)
            up.release.set()
            assert slow.response().json() == 11
            assert fast.response().json() == 12
    assert old.wait(15 * SLOW) == 0
