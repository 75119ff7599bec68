"""tests/e2e/test_links_hosts.py: links that are made while running, to actors of other hosts and of libprocess' programs."""
import signal
import struct

import pytest

from databases import free_port
from leat import SLOW, await_true
from libprocess_peer import LibprocessPeer
from peer_hosts import ALPHA, BEAT, BETA, GRACE, KEY, Stranger, stalls

WATCH, UNWATCH, DOWN, PING, PONG = 27, 28, 29, 20, 21

# For one of the two, in the place of its links.
WATCHER = """
  "watcher/{id}":
    expose: true
    state: ""
    handlers:
      watch: { tasks: { t: { link: "${message}", handler: gone } } }
      unwatch: { tasks: { t: { unlink: "${message}" } } }
      gone: { set: "${state + message.actor + '=' + message.reason + ' '}" }
      told: { method: GET, reply: { json: "${state}" } }
"""

# For beta: one that is reset, one that rests in the store, one that ends when it is idle.
MORE = """
  "weak/{id}": { expose: true, restart: reset, handlers: { touch: { reply: ok }, fall: { tasks: { t: { fail: fallen } } } } }
  "safe/{id}": { expose: true, persist: true, idle: @idle@, state: 1, handlers: { touch: { reply: ok } } }
  "brief/{id}": { expose: true, idle: @idle@, handlers: { touch: { reply: ok } } }
routes:
""".replace("@idle@", f"{300 * SLOW}ms")


BETA_MORE = BETA.replace("routes:\n", MORE, 1)


class Hosts:
    """Alpha, whose watchers are told, and connects to beta."""

    def __init__(self, stage, more="", through=None, alpha=ALPHA, beta=BETA_MORE, start=True):
        self.port = free_port()
        names = {"MORE": more, "LINKS": WATCHER, "TIMEOUT": "10s", "KEY": KEY}
        self.beta = stage.leat(beta, PORT=self.port, start=start, **names)
        self.alpha = stage.leat(alpha, PORT=free_port(), BETA=through(self.port) if through else self.port, **names)

    def touch(self, *names):
        for name in names:
            assert self.beta.post_json(f"/{name}/touch", 0).text == "ok"

    def watch(self, *names, by="w", handler="watch"):
        for name in names:
            assert self.alpha.post_json(f"/watcher/{by}/{handler}", name).status == 204, name

    def told(self, by="w"):
        return self.alpha.get(f"/watcher/{by}/told").json().split()

    def await_told(self, *notices, by="w", what="they are told"):
        await_true(lambda: sorted(self.told(by)) == sorted(notices), what=what, seconds=20)


def test_the_end_of_one_actor_on_another_host_is_told_once(stage):
    hosts = Hosts(stage)
    hosts.touch("weak/a", "weak/b", "brief/a", "safe/a")
    hosts.watch("weak/a@beta", "weak/a@beta", f"brief/a@127.0.0.1:{hosts.port}", "safe/a@beta", "weak/never@beta", "other@beta",
                "counter@beta")
    hosts.watch("weak/a@beta", by="v")
    ends = ["weak/never@beta=no_actor", "other@beta=no_actor", "brief/a@beta=normal"]
    hosts.await_told(*ends)
    for name in ("weak/a", "weak/b"):
        for _ in range(2):
            assert hosts.beta.post_json(f"/{name}/fall", 1).json()["code"] == "fallen"
    hosts.await_told(*ends, "weak/a@beta=failed")
    hosts.await_told("weak/a@beta=failed", by="v")
    await_true(lambda: "safe/a" not in [one["name"] for one in hosts.beta.admin("GET", "/v1/actors").json()["live"]])
    hosts.watch("weak/b@beta", "weak/a@beta")
    hosts.watch("weak/b@beta", handler="unwatch")
    assert hosts.beta.post_json("/weak/b/fall", 1).json()["code"] == "fallen"
    assert hosts.beta.post_json("/weak/a/fall", 1).json()["code"] == "fallen"
    hosts.await_told(*ends, "weak/a@beta=failed", "weak/a@beta=failed")
    for name, code in (("weak/a@nowhere", "not_found"), ("@beta", "invalid_input"), ("a" * 600 + "@beta", "invalid_input")):
        assert hosts.alpha.post_json("/watcher/w/watch", name).json()["code"] == code


def test_what_ends_while_the_line_is_cut_is_told_by_the_next_one_once(stage):
    between, through = stalls(stage)
    hosts = Hosts(stage, more=f", heartbeat: {BEAT}, grace: 10m", through=through)
    hosts.touch("weak/a", "weak/b")
    hosts.watch("weak/a@beta", "weak/b@beta", "weak/none@beta")
    hosts.await_told("weak/none@beta=no_actor")
    between[0].stall()
    assert hosts.beta.post_json("/weak/a/fall", 1).json()["code"] == "fallen"
    between[0].cut()
    hosts.watch("weak/later@beta")
    between[0].stalled = False
    hosts.await_told("weak/none@beta=no_actor", "weak/a@beta=failed", "weak/later@beta=no_actor")
    assert hosts.beta.post_json("/weak/b/fall", 1).json()["code"] == "fallen"
    hosts.await_told("weak/none@beta=no_actor", "weak/a@beta=failed", "weak/later@beta=no_actor", "weak/b@beta=failed")


def test_a_host_that_is_lost_is_told_once_and_can_be_linked_to_again(stage):
    hosts = Hosts(stage, more=f", grace: {GRACE}")
    hosts.touch("weak/a", "safe/a")
    hosts.watch("weak/a@beta", "safe/a@beta", "counter@beta", "weak/none@beta")
    hosts.await_told("weak/none@beta=no_actor")
    hosts.beta.signal(signal.SIGKILL)
    lost = ["weak/none@beta=no_actor", *(f"{name}@beta=no_connection" for name in ("weak/a", "safe/a", "counter"))]
    hosts.await_told(*lost)
    hosts.watch("counter@beta", by="v")  # while it is away
    hosts.await_told("counter@beta=no_connection", by="v")
    hosts.beta.wait()
    hosts.beta.process.stderr.close()
    hosts.beta.lines, hosts.beta.addresses, hosts.beta.code = [], [], None
    hosts.beta.start()
    hosts.touch("weak/b")
    hosts.watch("weak/b@beta", by="u")
    await_true(lambda: hosts.alpha.post("/ask/get").status == 200, seconds=20)
    hosts.watch("weak/none@beta", by="u")
    await_true(lambda: "weak/none@beta=no_actor" in hosts.told("u"), seconds=20)
    assert hosts.told() == lost or sorted(hosts.told()) == sorted(lost)


def test_another_process_in_the_place_of_a_host_and_a_reload_without_it_are_told(stage):
    hosts = Hosts(stage, more=", grace: 10m")
    hosts.touch("weak/a")
    hosts.watch("weak/a@beta")
    assert hosts.alpha.post("/ask/get").status == 200
    hosts.beta.restart(signal.SIGKILL)
    hosts.await_told("weak/a@beta=no_connection")
    hosts.touch("weak/a")
    hosts.watch("weak/a@beta", "weak/none@beta")
    hosts.await_told("weak/a@beta=no_connection", "weak/none@beta=no_actor")
    assert hosts.alpha.reload(ALPHA.replace("as: alpha,", "as: alpha, heartbeat: 4s,")).returncode == 0
    hosts.await_told("weak/a@beta=no_connection", "weak/none@beta=no_actor", "weak/a@beta=no_connection")
    hosts.watch("weak/a@beta")  # by the new entry
    assert hosts.beta.post_json("/weak/a/fall", 1).json()["code"] == "fallen"
    await_true(lambda: "weak/a@beta=failed" in hosts.told() or
               hosts.beta.post_json("/weak/a/fall", 1).json()["code"] != "fallen", seconds=20)


# ------------------------------------------------------------------ older hosts, and those that lie

def text16(one):
    return struct.pack(">H", len(one)) + one


@pytest.fixture
def beta(stage):
    """It has watchers, and alpha is a stranger that has the key."""
    return stage.leat(BETA.replace("routes:\n", WATCHER + "routes:\n", 1), PORT=free_port(), KEY=KEY, MORE="")


def linked(beta, name, by="w"):
    assert beta.post_json(f"/watcher/{by}/watch", name).status == 204


def heard(beta, by="w"):
    return beta.get(f"/watcher/{by}/told").json().split()


def test_an_older_host_is_never_sent_what_it_does_not_know_and_those_linked_are_told(beta):
    old = Stranger(beta.port)
    old.enter()
    body = old.first_ping
    assert len(body) == 9 and body[8] == 1
    linked(beta, "x/1@alpha")
    old.send(PONG, body[:8])
    await_true(lambda: heard(beta) == ["x/1@alpha=no_connection"])
    linked(beta, "x/2@alpha")
    await_true(lambda: heard(beta) == ["x/1@alpha=no_connection", "x/2@alpha=no_connection"])
    assert len([line for line in beta.lines if "is an older leat" in line]) == 1
    old.send(PING, b"12345678")
    kinds = [old.frame()[0]]
    while kinds[-1] != PONG:
        kinds.append(old.frame()[0])
    assert not {WATCH, UNWATCH, DOWN} & set(kinds)
    old.sock.close()


def test_ends_that_another_host_tells_are_heard_once_and_noted(beta):
    alpha = Stranger(beta.port)
    alpha.enter()
    alpha.send(PING, b"12345678\1")
    assert alpha.until(UNWATCH)[1] == text16(b"")  # nothing was watched before
    linked(beta, "x/1@alpha")
    assert alpha.until(WATCH)[1] == text16(b"x/1")
    for number, reason in ((1, b"killed"), (1, b"failed"), (2, b"of a later version")):
        alpha.send(DOWN, struct.pack(">Q", number) + text16(b"x/1") + bytes([len(reason)]) + reason)
    assert alpha.until(UNWATCH)[1] == text16(b"x/1")
    linked(beta, "x/2@alpha")
    assert alpha.until(WATCH)[1] == text16(b"x/2")
    alpha.send(DOWN, struct.pack(">Q", 3) + text16(b"x/2") + b"\7unknown")
    await_true(lambda: heard(beta) == ["x/1@alpha=killed", "x/2@alpha=failed"])
    alpha.sock.close()


@pytest.mark.parametrize("kind, body", [
    (WATCH, text16(b"")), (WATCH, text16(b"a@b")), (WATCH, text16(b"a%41")), (WATCH, text16(b"a" * 513)), (WATCH, text16(b"\xff")),
    (WATCH, text16(b"a") + b"x"), (WATCH, b"\0\7a"), (UNWATCH, b""), (DOWN, b"1234567"), (DOWN, bytes(8) + text16(b"a@b") + b"\0"),
    (DOWN, bytes(8) + text16(b"a") + b"\7x")])
def test_frames_about_single_actors_that_are_not_right_end_the_connection(beta, kind, body):
    alpha = Stranger(beta.port)
    alpha.enter()
    alpha.send(kind, body)
    assert alpha.is_refused()


# ------------------------------------------------------------------ libprocess

def test_a_link_to_a_program_of_libprocess_is_its_connection(leat):
    one = LibprocessPeer()
    try:
        daemon = leat("""
peers: { mesos: { form: libprocess, auth: none, address: @peer@, as: "127.0.0.1:@as@" } }
actors:
""" + WATCHER, peer=one.address, **{"as": free_port()})

        def linked(name, by="w", handler="watch"):
            assert daemon.post_json(f"/watcher/{by}/{handler}", name).status == 204
        linked("slave(1)@mesos")
        linked(f"slave(1)@{one.address}")  # the same
        linked("slave(2)@mesos", by="v")
        linked("slave(3)@mesos")
        linked("slave(3)@mesos", handler="unwatch")
        await_true(lambda: one.open == 1)
        one.cut()
        await_true(lambda: heard(daemon) == ["slave(1)@mesos=no_connection"])
        await_true(lambda: heard(daemon, "v") == ["slave(2)@mesos=no_connection"])
        linked("slave(1)@mesos")
        await_true(lambda: one.open == 1)
        assert heard(daemon) == ["slave(1)@mesos=no_connection"]
        one.close()
        await_true(lambda: heard(daemon) == ["slave(1)@mesos=no_connection"] * 2)
        linked("slave(1)@mesos")
        await_true(lambda: heard(daemon) == ["slave(1)@mesos=no_connection"] * 3)
        assert not one.messages
        assert daemon.post_json("/watcher/w/watch", "..@mesos").json()["code"] == "invalid_input"
    finally:
        one.close()
