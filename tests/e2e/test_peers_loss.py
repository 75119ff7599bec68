"""tests/e2e/test_peers_loss.py: at most once, in order, and nothing lost unsaid: whatever becomes of the connection, and
of the processes at its ends."""
import hashlib
import hmac
import signal
import socket
import struct
import threading

import pytest

from databases import free_port
from leat import SLOW, TIMEOUT, Daemon, await_true
from peer_hosts import KEY, LINKED, Pair, Stranger, peer, stalls
from upgrades import own_program, upgrade

HERE = """
listen: 127.0.0.1:@PORT@
timeouts: { shutdown: 60s }
peers: { there: { as: here, key: @KEY@, address: "127.0.0.1:@TO@", heartbeat: 60s } }
routes:
  POST /ask/{handler}/{n}:
    timeout: @TIMEOUT@
    tasks: { t: { ask: seen@there, handler: "${path.handler}", message: "${path.n}" } }
    reply: { json: "${t}" }
  POST /twice/{n}:
    tasks:
      a: { ask: seen@there, handler: put, message: "${path.n + 'a'}" }
      w: { wait: 50ms, after: a }
      b: { ask: seen@there, handler: put, message: "${path.n + 'b'}", after: w }
    reply: { json: "${b}" }
"""

THERE = """
listen: 127.0.0.1:@PORT@
timeouts: { shutdown: 60s }
peers: { here: { as: there, key: @KEY@, heartbeat: 60s } }
store: { path: "@DIR@/store.db" }
actors:
  seen:
    expose: true
    persist: true
    state: ""
    mailbox: { messages: 20000 }
    handlers:
      put: { set: "${state + message + ' '}", reply: { json: "${message}" } }
      hold: { timeout: 60s, tasks: { t: { await: go, wait: 60s } }, set: "${state + message + ' '}" }
      get: { method: GET, reply: { json: "${state}" } }
routes:
  POST /go: { tasks: { t: { signal: go, wake: all, keep: 1m } } }
"""


class Both:
    """`here` asks, `there` writes down in what order it handles; bytes may pass through something between them."""

    def __init__(self, stage, through=None, timeout="60s"):
        self.names = {"KEY": KEY, "TIMEOUT": timeout}
        port = free_port()
        self.there = own_program(lambda conf, start, **more: self.keep(stage, conf, **more), THERE, PORT=port, **self.names)
        to = through(port) if through else port
        self.here = own_program(lambda conf, start, **more: self.keep(stage, conf, **more), HERE, PORT=free_port(), TO=to,
                                **self.names)

    @staticmethod
    def keep(stage, conf, **more):
        daemon = Daemon(conf, start=False, **more)
        stage.daemons.append(daemon)
        return daemon

    def ask(self, n, handler="put"):
        return self.here.post(f"/ask/{handler}/{n}")

    def seen(self):
        return self.there.get("/seen/get").json().split()


class Asking(threading.Thread):
    """Asks one after the other, and remembers what was answered and what is in doubt."""

    def __init__(self, both, name, path="ask/put"):
        super().__init__(daemon=True)
        self.both, self.prefix, self.path = both, name, path
        self.answered, self.doubt, self.wrong, self.stopping = [], [], [], threading.Event()

    def run(self):
        n = 0
        while not self.stopping.is_set():
            name = f"{self.prefix}-{n}"
            answer = self.both.here.post(f"/{self.path}/{name}")
            if answer.status == 200:
                self.answered.append(name)
            elif answer.json()["code"] == "unavailable":
                self.doubt.append(name)
            else:
                self.wrong.append(answer.json())
            n += 1

    def done(self):
        return len(self.answered)


def run(both, turns, during, path="ask/put", n=4):
    """Asks of several clients, while that happens so often; each makes progress in between."""
    threads = [Asking(both, name, path) for name in "abcdefgh"[:n]]
    for thread in threads:
        thread.start()
    for turn in range(turns):
        before = [thread.done() for thread in threads]
        await_true(lambda: all(thread.done() > n + 5 for thread, n in zip(threads, before)), seconds=60)  # pylint: disable=cell-var-from-loop
        during(turn)
    before = [thread.done() for thread in threads]
    await_true(lambda: all(thread.done() > n + 5 for thread, n in zip(threads, before)), seconds=60)
    for thread in threads:
        thread.stopping.set()
        thread.join(TIMEOUT)
        assert thread.wrong == []
    return threads


def test_what_is_asked_while_the_connection_is_cut_is_handled_once_or_not_and_in_order(stage):
    between, through = stalls(stage)
    both = Both(stage, through)
    threads = run(both, 3, lambda _: between[0].cut())
    assert peer(both.here, "there")["connects"] >= 3
    seen = both.seen()
    assert len(seen) == len(set(seen)), "one was handled twice"
    for thread in threads:
        own = [name for name in seen if name.startswith(thread.prefix)]
        assert own == sorted(own, key=lambda name: int(name.split("-")[1]))
        assert set(thread.answered) <= set(own) <= set(thread.answered + thread.doubt)
    assert peer(both.here, "there")["lost"] <= sum(len(thread.doubt) for thread in threads)


def test_the_ask_that_is_handled_while_the_connection_is_cut_is_in_doubt_and_handled_at_most_once(stage):
    between, through = stalls(stage)
    both = Both(stage, through)
    assert both.ask("first").status == 200
    answers = []
    thread = threading.Thread(target=lambda: answers.append(both.ask("held", "hold")))
    thread.start()
    await_true(lambda: peer(both.there, "here")["received"] == 2)
    between[0].cut()
    thread.join(TIMEOUT)
    assert answers[0].json()["code"] == "unavailable"
    assert peer(both.here, "there")["lost"] == 1
    both.there.post("/go")
    assert both.ask("last").status == 200  # it waits for the next try
    assert both.seen() in (["first", "last"], ["first", "held", "last"])


def test_the_end_of_an_actor_is_told_once_also_when_the_connection_is_lost_with_the_word_of_it(stage):
    between, through = stalls(stage)
    pair = Pair(stage, more=", heartbeat: 60s, grace: 60s", links=LINKED, through=through)
    await_true(lambda: "nobody@beta=no_actor" in pair.told())
    for n in (1, 2):
        between[0].stall()
        assert pair.beta.post_json("/frail/fall", n).json()["code"] == "fallen"
        await_true(between[0].has_bytes, what="the word is on its way")
        between[0].cut()
        between[0].stalled = False
        await_true(lambda n=n: pair.told().count("frail@beta=failed") == n, what="it is said again")
    assert pair.beta.post_json("/frail/fall", 3).json()["code"] == "fallen"
    await_true(lambda: pair.told().count("frail@beta=failed") == 3)
    assert "frail@beta=no_connection" not in pair.told()


def dialled_and_proven(listener, key):
    """Takes a connection of a daemon, and lets it prove itself; says no WELCOME."""
    sock = listener.accept()[0]
    sock.settimeout(TIMEOUT)
    data = sock.makefile("rb")
    while data.readline() != b"\r\n":
        pass
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: leat-peer/1\r\n\r\n")
    hello = data.read(struct.unpack(">I", data.read(4))[0])
    ours, names = bytes(40), hello[42:]
    said = b"\x0bleat-peer/1\x07accepts" + names + hello[34:42] + hello[2:34] + ours[32:] + ours[:32]
    proof = hmac.new(key.encode(), said, hashlib.sha256).digest()
    sock.sendall(struct.pack(">IB", 105, 2) + ours + proof + bytes(32))
    assert data.read(5) == struct.pack(">IB", 33, 3)
    return sock, data


@pytest.mark.parametrize("ours, theirs, answer", [(b"a", b"b", 5), (b"b", b"a", 4)])
def test_of_two_connections_at_the_same_time_the_one_that_the_lesser_name_makes_is_left(stage, ours, theirs, answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        daemon = stage.leat(f"""
listen: 127.0.0.1:@PORT@
peers: {{ {theirs.decode()}: {{ as: {ours.decode()}, key: {KEY}, address: "127.0.0.1:{listener.getsockname()[1]}", connect: always }} }}
""", PORT=free_port())
        sock, data = dialled_and_proven(listener, KEY)
        stranger = Stranger(daemon.port, name=theirs, to=ours)
        stranger.hello()
        stranger.send(3, stranger.proof(b"connects"))
        stranger.keys = [stranger.proof(b"seals of who connects"), stranger.proof(b"seals of who accepts")]
        assert stranger.frame()[0] == answer  # REFUSED, or WELCOME
        for one in (stranger.sock, data, sock):
            one.close()


def test_another_process_in_the_place_of_a_host_is_told_of_before_its_grace_is_over(stage):
    pair = Pair(stage, more=", heartbeat: 60s, grace: 60s", links=LINKED)
    await_true(lambda: "nobody@beta=no_actor" in pair.told())
    pair.beta.restart()
    await_true(lambda: "frail@beta=no_connection" in pair.told())
    await_true(lambda: pair.told().count("nobody@beta=no_actor") == 2, what="and asked anew")
    assert pair.told().count("frail@beta=no_connection") == 1


def test_a_deadline_goes_with_the_message_and_no_clocks_are_compared(stage):
    both = Both(stage, timeout=f"{int(500 * SLOW)}ms")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(both.ask("held", "hold")))
    thread.start()
    await_true(lambda: peer(both.there, "here")["received"] == 1)
    assert both.ask("late").json()["code"] == "timeout"  # it waits behind that one
    thread.join(TIMEOUT)
    await_true(lambda: peer(both.here, "there")["unanswered"] == 0, what="the other side has answered both: too late")
    both.there.post("/go")
    assert both.ask("in_time").status == 200
    assert "late" not in both.seen()  # nobody waited for it, which only its deadline can have told
    stranger = Stranger(both.there.port, name=b"here", to=b"there")
    stranger.enter()
    stranger.send(16, stranger.message(1, b"seen", b"hold", timeout_ms=20))
    assert b"timeout" in stranger.until(18)[1]
    stranger.sock.close()
    both.there.post("/go")


@pytest.mark.parametrize("which", ["there", "here"])
def test_an_upgrade_of_either_host_cuts_no_ask_and_handles_none_twice(stage, which):
    both = Both(stage)
    assert both.ask("x-0").status == 200
    threads = run(both, 1, lambda _: upgrade(getattr(both, which)), path="twice")
    seen = both.seen()
    assert len(seen) == len(set(seen))
    for thread in threads:
        assert thread.doubt == []
        assert [name for name in seen if name.startswith(thread.prefix)] == [
            name + part for name in thread.answered for part in "ab"]


def test_what_was_on_its_way_to_a_host_that_says_goodbye_is_handled_there(stage):
    there = stage.leat(THERE, PORT=free_port(), KEY=KEY)
    stranger = Stranger(there.port, name=b"here", to=b"there")
    stranger.enter()
    there.signal(signal.SIGTERM)
    assert stranger.until(25) == (25, b"")
    stranger.send(16, stranger.message(1, b"seen", b"put", b'"late"'))
    kind, body = stranger.until(18)
    assert (kind, body) == (18, struct.pack(">QHBHH", 1, 0, 0, 0, 0) + b'"late"'), body
    stranger.send(21, struct.pack(">Q", 2 ** 64 - 1))  # the PONG: nothing is on its way
    assert stranger.is_refused()
    assert there.wait() == 0


def test_the_time_that_is_left_is_what_a_message_says_of_its_deadline(stage):
    there = stage.leat(HERE, PORT=free_port(), KEY=KEY, TO=1, TIMEOUT="5s")
    stranger = Stranger(there.port, name=b"there", to=b"here")
    stranger.enter()
    thread = threading.Thread(target=lambda: there.post("/ask/put/1"))
    thread.start()
    body = stranger.until(16)[1]
    number, timeout_ms = struct.unpack(">QI", body[:12])
    assert number == 1 and 0 < timeout_ms <= 5000
    stranger.sock.close()
    thread.join(TIMEOUT)
