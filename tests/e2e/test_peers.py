"""tests/e2e/test_peers.py: actors on other hosts, between daemons: messages, answers, links, and what becomes of
them when a host, its key or the connection is gone."""
import json
import os
import signal
import struct
import threading

import pytest

from certs import Certs
from databases import free_port
from leat import SLOW, TIMEOUT, await_true, check
from peer_hosts import ALPHA, BEAT, BETA, GRACE, KEY, LINKED, Networks, Pair, Stranger, peer, stalls

# ------------------------------------------------------------------ messages and answers

def test_an_ask_runs_as_if_the_actor_were_here(stage):
    pair = Pair(stage, more=f", heartbeat: {BEAT}")
    assert pair.ask("add", 2).json() == {"value": 2}
    assert pair.ask("add", 40).json() == {"value": 42}
    assert pair.alpha.post("/cart/a%40beta%2Fc/get").json() == "a@beta/c"
    who = pair.ask("who").json()["value"]
    assert who["actor"] is None and who["id"]
    failed = pair.ask("no")
    assert (failed.status, failed.json()["code"]) == (418, "no_way")
    assert pair.code("nothing") == "not_found"
    for to in ("nobody@beta", "counter@gamma", "counter@127.0.0.1:1", "counter@beta@beta"):
        assert pair.alpha.post(f"/any?to={to}").json()["code"] == "not_found"
    assert pair.alpha.post("/any?to=counter@beta").json() == 42
    alpha, beta = peer(pair.alpha, "beta"), peer(pair.beta, "alpha")
    assert (alpha["state"], beta["state"]) == ("connected", "connected")
    assert alpha["acked"] == alpha["sent"] == beta["received"] > 5
    assert alpha["lost"] == 0 and alpha["connects"] == 1
    await_true(lambda: peer(pair.alpha, "beta")["rtt_ms"] is not None)
    assert 'leat_peer_sent_total{peer="beta"}' in pair.alpha.admin("GET", "/metrics").text
    assert "peer        beta: connected" in pair.alpha.cli("status").stdout.decode()


def test_five_thousand_messages_arrive_in_their_order_and_one_connection_carries_them(stage):
    pair = Pair(stage)
    for first in range(0, 5000, 1250):
        assert pair.alpha.post_json("/send", list(range(first, first + 1250))).status == 204
    await_true(lambda: pair.beta.get("/order/get").json()["n"] == 5000, seconds=30, what="all are handled")
    assert pair.beta.get("/order/get").json() == {"n": 5000, "right": True}
    assert peer(pair.alpha, "beta")["connects"] == 1


def test_who_cannot_be_connected_to_is_answered_all_the_same(stage):
    pair = Pair(stage)
    for n in range(10):
        assert pair.alpha.post_json("/back/call", n).status == 204
    await_true(lambda: pair.alpha.get("/back/get").json() == "0 1 2 3 4 5 6 7 8 9 ")


def test_a_message_goes_round_three_hosts(stage):
    ports = [free_port() for _ in range(3)]
    hosts = []
    for i in range(3):
        before, after = (i + 2) % 3, (i + 1) % 3
        hosts.append(stage.leat(f"""
listen: 127.0.0.1:{ports[i]}
peers:
  h{before}: {{ as: h{i}, key: {KEY}, address: "127.0.0.1:{ports[before]}" }}
  h{after}: {{ as: h{i}, key: {KEY}, address: "127.0.0.1:{ports[after]}" }}
actors:
  ring:
    expose: true
    handlers:
      pass:
        tasks: {{ t: {{ ask: ring@h{after}, handler: pass, message: "${{message - 1}}", when: "${{message > 0}}" }} }}
        reply: {{ json: "${{'{i}' + (t ?? '')}}" }}
"""))
    assert hosts[0].post_json("/ring/pass", 2).json() == "012"
    assert hosts[1].post_json("/ring/pass", 2).json() == "120"


def test_both_may_connect_at_the_same_time_and_one_connection_is_left(stage):
    ports = [free_port(), free_port()]
    hosts = [stage.leat(f"""
listen: 127.0.0.1:{ports[i]}
peers: {{ h{1 - i}: {{ as: h{i}, key: {KEY}, address: "127.0.0.1:{ports[1 - i]}", connect: always }} }}
actors: {{ a: {{ expose: true, handlers: {{ get: {{ reply: {{ json: {i} }} }}, other: {{ tasks: {{ t: {{ ask: a@h{1 - i}, handler: get }} }}, reply: {{ json: "${{t}}" }} }} }} }} }}
""") for i in range(2)]
    await_true(lambda: hosts[0].post_json("/a/other", 1).status == 200)
    for _ in range(20):
        assert [host.post_json("/a/other", 1).json() for host in hosts] == [1, 0]
    await_true(lambda: all(peer(host, f"h{1 - i}")["state"] == "connected" for i, host in enumerate(hosts)))
    await_true(lambda: sum(host.n_connections() for host in hosts) == 1)


def test_bounds_are_errors_of_who_sends(stage):
    pair = Pair(stage, more=", messages: 2, max: 2k", timeout=f"{int(1000 * SLOW)}ms")
    assert pair.code("who", "x" * 3000) == "too_large"
    assert pair.code("twice", "x" * 1500) == "too_large"
    answers, threads = [], []
    for _ in range(4):
        threads.append(threading.Thread(target=lambda: answers.append(pair.ask("await").json()["code"])))
        threads[-1].start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert sorted(answers) == ["queue_full", "queue_full", "timeout", "timeout"], answers
    pair.beta.post("/go")


# ------------------------------------------------------------------ who may come

def test_a_wrong_key_and_an_unknown_name_get_nowhere(stage):
    pair = Pair(stage, key="another key of the same length!!")
    answer = pair.ask("add", 1)
    assert (answer.status, answer.json()["code"]) == (503, "unavailable")
    assert "does not have the key" in peer(pair.alpha, "beta")["problem"]
    assert peer(pair.beta, "alpha")["received"] == 0
    assert KEY not in pair.beta.stderr and "another key" not in pair.alpha.stderr


def test_what_is_not_proven_touches_no_actor(stage):
    port = free_port()
    beta = stage.leat(BETA, PORT=port, KEY=KEY, MORE="")
    right = Stranger(port)
    right.enter()
    right.send(16, right.message(1))
    answer = {}
    for _ in range(2):
        kind, body = right.frame()
        answer[kind] = body
    assert answer[17] == struct.pack(">Q", 1) and answer[18].endswith(b"1") and len(answer) == 2
    wrongs = []
    for wrong in ("early", "sealless", "proof", "replay", "reflect", "unknown", "other", "version", "garbage", "huge"):
        one = Stranger(port)
        wrongs.append(one)
        if wrong == "early":
            one.send(16, one.message(1))
        elif wrong == "sealless":
            one.hello()
            one.send(16, one.message(1))
        elif wrong == "proof":
            one.hello()
            one.send(3, one.proof(b"connects", "x" * 32))
        elif wrong == "replay":
            one.hello()
            one.send(3, right.proof(b"connects"))
        elif wrong == "reflect":
            one.hello()
            one.send(3, one.theirs[40:72])
        elif wrong == "unknown":
            one.hello(b"nobody")
            one.send(3, one.proof(b"connects"))
        elif wrong == "other":
            one.hello(b"alpha", b"gamma")
            one.send(3, one.proof(b"connects"))
        elif wrong == "version":
            one.send(1, b"\2" + os.urandom(40) + b"\5alpha\4beta")
        elif wrong == "garbage":
            one.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        else:
            one.sock.sendall(b"\0\0\x10\0\1" + b"x" * 4096)
        assert one.is_refused(), wrong
    assert peer(beta, "alpha")["denied"] == 3
    right.send(16, right.message(2))  # the one that has proven itself goes on
    await_true(lambda: peer(beta, "alpha")["received"] == 2)
    right.sock.sendall(struct.pack(">IB", 1 + 16, 25) + b"x" * 16)  # a seal that is wrong
    assert right.is_refused()
    for one in (right, *wrongs):
        one.sock.close()


def test_the_path_of_peers_is_there_when_there_are_peers(stage):
    beta = stage.leat(BETA, PORT=free_port(), KEY=KEY, MORE="")
    answer = beta.get("/.well-known/leat-peer")
    assert answer.status == 426 and answer.get("Upgrade") == "leat-peer/1"
    alone = stage.leat("actors: { a: { handlers: { x: {} } } }\n")
    assert alone.get("/.well-known/leat-peer").status == 404


# ------------------------------------------------------------------ losses

def test_a_host_that_is_killed_fails_what_was_asked_tells_the_linked_and_comes_back(stage):
    pair = Pair(stage, more=f", grace: {GRACE}", links=LINKED)
    await_true(lambda: pair.told().count("nobody@beta=no_actor") == 1, what="there is no such actor")
    assert pair.beta.post_json("/frail/fall", 1).json()["code"] == "fallen"
    await_true(lambda: pair.told().count("frail@beta=failed") == 1, what="it was reset")
    gone = pair.told().count("frail@beta=no_connection") + 1
    asking = pair.asking("await")
    pair.beta.signal(signal.SIGKILL)
    asking.join(TIMEOUT)
    assert asking.answer.json()["code"] == "unavailable"
    pair.beta.wait()
    for name in ("frail", "nobody"):
        await_true(lambda name=name: pair.told().count(f"{name}@beta=no_connection") == gone, what="they are told")
    assert pair.code("get") == "unavailable"
    assert peer(pair.alpha, "beta")["lost"] == 1
    pair.beta.process.stderr.close()
    pair.beta.lines, pair.beta.addresses, pair.beta.code = [], [], None
    pair.beta.start()
    await_true(lambda: pair.code("add", 5) is None, what="it is connected to again", seconds=20)
    await_true(lambda: pair.told().count("nobody@beta=no_actor") == 2, what="the new process is asked")
    assert pair.told().count("frail@beta=no_connection") == gone  # once
    assert pair.beta.post_json("/frail/fall", 1).json()["code"] == "fallen"
    await_true(lambda: pair.told().count("frail@beta=failed") == 2, what="the link is there again")


def test_a_connection_that_stalls_is_noticed_and_made_anew(stage):
    between, through = stalls(stage)
    pair = Pair(stage, more=f", heartbeat: {BEAT}, grace: {GRACE}, timeout: {BEAT}", links=LINKED, through=through)
    await_true(lambda: pair.code("add", 1) is None)
    await_true(lambda: "nobody@beta=no_actor" in pair.told())
    gone = pair.told().count("frail@beta=no_connection") + 1
    asking = pair.asking("await")
    between[0].stalled = True
    asking.join(TIMEOUT)
    assert asking.answer.json()["code"] == "unavailable"
    pair.alpha.await_line("peer disconnected .*no sign of life")
    pair.beta.await_line("peer disconnected .*no sign of life")
    await_true(lambda: pair.told().count("frail@beta=no_connection") == gone)
    between[0].stalled = False
    pair.beta.post("/go")
    await_true(lambda: pair.code("add", 1) is None, what="it is connected to again")


# ------------------------------------------------------------------ reload, stop

def test_a_reload_under_traffic_keeps_the_connection(stage):
    pair = Pair(stage)
    stop, answers = threading.Event(), []

    def ask():
        while not stop.is_set():
            answers.append(pair.ask("add", 1).status)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        seen = len(answers)
        for host in (pair.alpha, pair.beta):
            assert host.reload().returncode == 0
        await_true(lambda: len(answers) > seen + 5)
    stop.set()
    for thread in threads:
        thread.join(TIMEOUT)
    assert set(answers) == {200}
    assert peer(pair.alpha, "beta")["connects"] == 1
    assert pair.ask("get").json() == {"value": len(answers)}


def test_a_peer_that_is_removed_is_let_go_and_one_that_is_changed_connects_anew(stage):
    pair = Pair(stage)
    assert pair.ask("add", 1).status == 200
    assert pair.alpha.reload(ALPHA.replace("as: alpha,", "as: alpha, heartbeat: 4s,")).returncode == 0
    await_true(lambda: pair.code("get") is None)
    assert peer(pair.alpha, "beta")["connects"] == 1
    pair.beta.await_line("peer disconnected")
    assert pair.beta.reload("listen: 127.0.0.1:@PORT@\n").returncode == 0
    await_true(lambda: pair.code("get") == "unavailable")
    assert pair.beta.admin("GET", "/v1/peers").json() == {"peers": []}


def test_what_is_in_work_is_answered_before_a_host_stops(stage):
    pair = Pair(stage)
    asking = pair.asking("pause")
    pair.beta.signal(signal.SIGTERM)
    asking.join(TIMEOUT)
    assert asking.answer.json() == {"value": "done"}
    assert pair.beta.wait() == 0
    assert pair.code("get") == "unavailable"

# ------------------------------------------------------------------ TLS, networks

def test_the_connection_may_be_tls_and_the_certificate_is_looked_at(stage):
    certs = Certs()
    try:
        certs.make("ca").make("beta", "IP:127.0.0.1", issuer="ca").make("other", "DNS:other.test", issuer="ca")
        port = free_port()
        names = {"KEY": KEY, "MORE": "", "LINKS": "", "TIMEOUT": "10s"}
        listen = "listen: 127.0.0.1:@PORT@\n"

        def secure(name):
            return BETA.replace(listen, "listen: { address: 127.0.0.1:@PORT@, tls: "
                                f'{{ cert: {certs.path(name + ".pem")}, key: {certs.path(name + ".key")} }} }}\n', 1)
        beta = stage.leat(secure("beta"), PORT=port, **names)
        alpha = stage.leat(ALPHA, PORT=free_port(), BETA=port,
                           **{**names, "MORE": f', tls: {{ ca: {certs.path("ca.pem")} }}'})
        assert alpha.post("/ask/add", body=b"2").json() == {"value": 2}
        assert beta.reload(secure("other")).returncode == 0
        beta.restart(15)
        await_true(lambda: alpha.post("/ask/add", body=b"2").json()["code"] == "unavailable"
                   and "peer TLS failed" in alpha.stderr)
    finally:
        certs.close()


def test_a_host_that_is_cut_off_is_told_of_and_found_again_by_the_others(stage):
    networks = Networks(3)
    stage.backends.append(networks)
    hosts = []
    for i in range(3):
        peers = "".join(f'  h{j}: {{ as: h{i}, key: {KEY}, address: "10.99.0.1{j}:8080", heartbeat: {BEAT}, grace: {GRACE}, '
                        f"timeout: {int(1000 * SLOW)}ms, connect: always }}\n" for j in range(3) if j != i)
        links = ", ".join(f"n@h{j}: told" for j in range(3) if j != i)
        hosts.append(stage.leat(f"""
listen: [ "unix:@DIR@/http.sock", "10.99.0.1{i}:8080" ]
peers:
{peers}
actors:
  n: {{ state: 0, handlers: {{ add: {{ set: "${{state + 1}}", reply: {{ json: "${{state}}" }} }} }} }}
  told:
    expose: true
    state: ""
    links: {{ {links} }}
    handlers:
      told: {{ set: "${{state + message.actor + '=' + message.reason + ' '}}" }}
      get: {{ method: GET, reply: {{ json: "${{state}}" }} }}
routes:
  POST /add/{{host}}: {{ tasks: {{ t: {{ ask: "n@${{path.host}}", handler: add }} }}, reply: {{ json: "${{t}}" }} }}
""", shell=networks.shell(i)))

    def ok(i, j):
        return hosts[i].post(f"/add/h{j}").status == 200
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    for i, j in pairs:
        await_true(lambda i=i, j=j: ok(i, j))
    before = [host.get("/told/get").json() for host in hosts]
    networks.cut(2)
    for i in (0, 1):
        await_true(lambda i=i: hosts[i].get("/told/get").json() == before[i] + "n@h2=no_connection ")
        assert hosts[i].post("/add/h2").json()["code"] == "unavailable"
    await_true(lambda: hosts[2].get("/told/get").json().count("no_connection") == before[2].count("no_connection") + 2)
    assert ok(0, 1) and ok(1, 0)
    networks.cut(2, down=False)
    for i, j in pairs:
        await_true(lambda i=i, j=j: ok(i, j), seconds=30)
    for i in (0, 1):
        assert hosts[i].get("/told/get").json() == before[i] + "n@h2=no_connection "
    for host in hosts:  # while they can still say goodbye
        host.stop()


# ------------------------------------------------------------------ the configuration

@pytest.mark.parametrize("entry, message", [
    ("b: { as: a, key: 0123456789abcdef, address: nonsense }", "is not the address of a peer"),
    ("b: { key: 0123456789abcdef }", "needs `as`"),
    ("b: { as: b, key: 0123456789abcdef }", "both hosts are called b"),
    ("b: { as: a }", "needs a key"),
    ("b: { as: a, key: short }", "too short to be a secret"),
    ("b: { as: a, key: 0123456789abcdef, auth: none }", "the key is not used"),
    ("b: { as: a, key: 0123456789abcdef, connect: always }", "has no address"),
    ("b: { as: a, key: 0123456789abcdef, form: morse }", "form"),
    ("B: { as: a, key: 0123456789abcdef }", "cannot be the name of a peer"),
    ("b: { as: a, auth: none, address: 'x:1' }, c: { as: a, auth: none, address: 'X:1' }", "two peers have the address"),
])
def test_a_peer_that_cannot_be_right_is_refused(entry, message):
    code, out = check(f"peers: {{ {entry} }}\n")
    assert code == 1 and message in out, out


def test_names_of_other_hosts_are_checked_when_the_file_is_read():
    conf = """
peers: { shop: { as: depot, auth: none, address: "10.0.0.2:80" } }
actors: { a: { handlers: { x: {} }, links: { %s: x } } }
routes: { GET /: { tasks: { t: { send: "%s", handler: x } } } }
"""
    assert check(conf % ('"c@10.0.0.2:80"', "cart/${query.id}@shop"))[0] == 0
    for link, name, message in (("c@shap", "c@shop", 'did you mean "shop"'), ("c@shop", "c@10.0.0.3:80", "there is no host"),
                                ("c@shop", "@shop", "the name of the actor is missing"), ("c/1@shop", "c@shop", "without keys")):
        code, out = check(conf % (link, name))
        assert code == 1 and message in out, out


def test_the_route_of_peers_can_be_explained_and_the_schema_knows_names(leat):
    daemon = leat("peers: { shop: { as: depot, auth: none } }\n")
    assert b"a connection of a peer" in daemon.cli("explain", "GET", "/.well-known/leat-peer").stdout
    schema = json.loads(daemon.cli("schema", conf=False).stdout)
    assert "address" in schema["properties"]["peers"]["additionalProperties"]["properties"]
