"""tests/e2e/test_balance.py: which server a call goes to; pools, breakers; what a reload carries over."""
import collections
import concurrent.futures
import threading

import pytest

from backends import answering, closing, hanging, holding
from leat import SLOW, await_true, check

ROUTE = 'routes: { "GET /{id}": { tasks: { t: { get: "u:/${path.id}" } }, reply: { json: "${t.body}" } } }\n'
ONE = "server: { threads: 1 }\n"


def conf(upstream, more=ONE):
    return f"http: {{ u: {{ {upstream} }} }}\n{more}{ROUTE}"


def named(backend, *names):
    return [backend(answering(name)) for name in names]


def count(daemon, n, target="/x"):
    with daemon.connect() as client:
        return collections.Counter(client.get(target).json() for _ in range(n))


def servers(daemon):
    return {s["address"]: s for s in daemon.upstream("u")["servers"]}


# ------------------------------------------------------------------ balance

def test_weights_are_shares(leat, backend):
    a, b, c = named(backend, "a", "b", "c")
    daemon = leat(conf("servers: [ @a@ weight=3, { address: @b@, weight: 2 }, @c@ ], balance: weighted"),
                  a=a.address, b=b.address, c=c.address)
    assert count(daemon, 60) == {"a": 30, "b": 20, "c": 10}
    assert servers(daemon)[a.address]["weight"] == 3


def test_a_backup_is_called_when_nobody_else_of_its_group_can_be(leat, backend):
    a, b, spare = named(backend, "a", "b", "spare")
    daemon = leat(conf("servers: [ { address: @a@, group: left }, { address: @spare@, group: left, backup: true },"
                       " { address: @b@, group: right } ]"), a=a.address, b=b.address, spare=spare.address)
    assert set(count(daemon, 20)) == {"a", "b"}
    a.close()
    assert set(count(daemon, 20)) == {"spare", "b"}
    assert servers(daemon)[a.address]["state"] == "doubted"
    assert servers(daemon)[spare.address]["backup"] is True


def test_the_least_busy_server_is_called(leat, backend):
    busy, free = backend(holding("busy")), backend(answering("free"))
    daemon = leat(conf("servers: [ @busy@, @free@ ], balance: least_conn"), busy=busy.address, free=free.address)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = [pool.submit(daemon.get, "/x") for _ in range(2)]
        await_true(lambda: sum(f.done() for f in first) == 1, what="the answer of the one that went to the free server")
        await_true(lambda: {a: s["in_flight"] for a, s in servers(daemon).items()} == {busy.address: 1, free.address: 0})
        assert count(daemon, 10) == {"free": 10}
        busy.release.set()
        assert sorted(f.result().json() for f in first) == ["busy", "free"]


def test_of_two_at_random_the_less_busy_one(leat, backend):
    a, b, c = named(backend, "a", "b", "c")
    daemon = leat(conf("servers: [ @a@, @b@, @c@ ], balance: random_two"), a=a.address, b=b.address, c=c.address)
    counted = count(daemon, 200)
    assert sum(counted.values()) == 200 and all(counted[name] > 10 for name in "abc")


def test_a_key_keeps_its_server_on_every_loop(leat, backend):
    a, b, c = named(backend, "a", "b", "c")
    daemon = leat(conf('servers: [ @a@, @b@, @c@ ], balance: { consistent_hash: "${path.id}" }', "server: { threads: 2 }\n"),
                  a=a.address, b=b.address, c=c.address)
    homes = {}
    for _ in range(3):
        for i in range(30):
            home = daemon.get(f"/user{i}").json()
            assert homes.setdefault(i, home) == home
    assert set(homes.values()) == {"a", "b", "c"}
    lost = homes[0]
    {"a": a, "b": b, "c": c}[lost].close()
    for i, home in homes.items():
        assert daemon.get(f"/user{i}").json() == home or home == lost


@pytest.mark.parametrize("upstream, message", [
    ('servers: ["a:80 weight=0"]', "weight=3"),
    ('servers: ["a:80", "b:80 weight=2"], balance: round_robin', "write balance: weighted"),
    ('servers: ["a:80"], balance: fastest', "no way to balance"),
    ('servers: ["a:80", "A:80"]', "listed twice"),
    ('servers: [{ address: "a:80", backup: true }]', "at least one is not"),
    ("servers: []", "there are no servers"),
    ('servers: [["a:80"]]', "a server is host:port"),
    ('servers: [{ weight: 3 }]', "address"),
    ('servers: [{ address: "a:80", wieght: 3 }]', "weight"),
    ('servers: ["a:80"], breaker: { failures: 0 }', "never opens"),
    ('servers: ["a:80"], pool: { max: -1 }', "max"),
    ('servers: ["a:80"], balance: { consistent_hash: "${path.nix}" }', "nix"),
    ('url: "http://a", servers: ["b:80"]', "needs one of url and servers"),
])
def test_what_is_wrong_is_said_with_its_mend(upstream, message):
    code, out = check(conf(upstream))
    assert code == 1 and message in out and "leat.yaml:1:" in out


# ------------------------------------------------------------------ pool

POOL = "url: @url@, pool: { max: 2, waiters: @waiters@ }, timeouts: { acquire: @acquire@ }"


def test_no_more_connections_are_opened_than_the_pool_has(leat, backend):
    """… by all loops together; calls wait for one, and every one of them is answered."""
    u = backend(answering("ok"))
    daemon = leat(conf(POOL, "server: { threads: 2 }\n"), url=u.url, waiters=1000, acquire="60s")
    most = 0
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        counts = [pool.submit(count, daemon, 20) for _ in range(16)]
        while not all(c.done() for c in counts):
            stats = daemon.upstream("u")
            most = max(most, stats["open"], stats["pool"]["open"])
    assert all(c.result() == {"ok": 20} for c in counts) and most <= 2
    stats = daemon.upstream("u")
    assert stats["pool"]["open"] == stats["open"] <= 2 and stats["pool"]["waiting"] == 0
    assert stats["failed"] == 0 and stats["calls"] == 320


def test_who_waits_too_long_or_is_one_too_many_is_told_so(leat, backend):
    u = backend(holding("ok"))
    daemon = leat(conf(POOL), url=u.url, waiters=1, acquire="100ms")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        held = [pool.submit(daemon.get, "/x") for _ in range(2)]
        u.await_calls(2)
        answer = daemon.get("/x")  # nobody gives one up in time
        assert (answer.status, answer.json()["code"]) == (503, "pool_exhausted") and answer.get("retry-after")
        u.release.set()
        assert [f.result().status for f in held] == [200, 200]
        assert daemon.get("/x").status == 200


def test_one_waiter_too_many_is_refused_at_once(leat, backend):
    u = backend(holding("ok"))
    daemon = leat(conf(POOL), url=u.url, waiters=1, acquire="60s")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        held = [pool.submit(daemon.get, "/x") for _ in range(2)]
        u.await_calls(2)
        held.append(pool.submit(daemon.get, "/x"))
        await_true(lambda: daemon.upstream("u")["pool"]["waiting"] == 1)
        assert daemon.get("/x").json()["code"] == "pool_exhausted"
        assert daemon.upstream("u")["pool"]["refused"] == 1
        u.release.set()
        assert [f.result().status for f in held] == [200] * 3
    assert u.n_connections == 2  # who waited was handed one of them


def test_who_leaves_while_it_waits_takes_no_permit_along(leat, backend):
    u = backend(holding("ok"))
    daemon = leat(conf(POOL), url=u.url, waiters=10, acquire="60s")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        held = [pool.submit(daemon.get, "/x") for _ in range(2)]
        u.await_calls(2)
        for _ in range(5):
            client = daemon.connect()
            client.send(b"GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
            await_true(lambda: daemon.upstream("u")["pool"]["waiting"] == 1)
            client.reset()
            await_true(lambda: daemon.upstream("u")["pool"]["waiting"] == 0)
        u.release.set()
        assert [f.result().status for f in held] == [200, 200]
    assert {c.path for c in u.calls} == {"/x"}


# ------------------------------------------------------------------ breaker

BREAKER = "servers: [ @a@ ], breaker: { failures: 3, open: 300ms, count_5xx: true }, pool: { idle: 0 }"


@pytest.fixture
def moody(backend):
    """Answers, or not, as it is in the mood."""
    made = backend(lambda call: made.mood(call))
    made.mood = answering("well")
    return made


@pytest.mark.parametrize("mood, code", [(closing, "bad_response"), (answering("ill", status=500), "upstream_status")])
def test_a_server_that_fails_is_left_alone_until_a_probe_succeeds(leat, moody, mood, code):
    daemon = leat(conf(BREAKER), a=moody.address)
    assert daemon.get("/x").status == 200
    moody.mood = mood
    for _ in range(3):
        assert daemon.get("/x").json()["code"] == code
    answer = daemon.get("/x")
    assert (answer.status, answer.json()["code"]) == (503, "breaker_open") and answer.get("retry-after")
    assert len(moody.calls) == 4
    server, = daemon.upstream("u")["servers"]
    assert (server["state"], server["breaker"], server["failed"]) == ("open", "open", 3)
    assert "breaker open" in daemon.cli("status").out
    await_true(lambda: daemon.get("/x").json()["code"] == code, what="a probe")
    assert daemon.get("/x").json()["code"] == "breaker_open"
    moody.mood = answering("well")
    await_true(lambda: daemon.get("/x").status == 200, what="a probe that succeeds")
    server, = daemon.upstream("u")["servers"]
    assert (server["state"], server["breaker"]) == ("up", "closed")


def test_a_server_that_is_too_slow_for_the_route_opens_its_breaker_too(leat, backend):
    u = backend(hanging)
    daemon = leat(conf("url: @url@, breaker: { failures: 2, open: 60s }").replace(
        'get: "u:/${path.id}"', 'get: "u:/${path.id}", timeout: 50ms'), url=u.url)
    assert [daemon.get("/x").json()["code"] for _ in range(3)] == ["timeout", "timeout", "breaker_open"]


def test_a_client_that_leaves_is_no_failure_of_the_server(leat, backend):
    u = backend(hanging)
    daemon = leat(conf("url: @url@, breaker: { failures: 1, open: 60s }"), url=u.url)
    for i in range(3):
        client = daemon.connect()
        client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        u.await_calls(i + 1)
        client.reset()
        u.await_left(i + 1)
    server, = daemon.upstream("u")["servers"]
    assert (server["breaker"], server["failed"]) == ("closed", 0)


def test_with_one_breaker_open_the_others_are_called(leat, backend):
    bad, good = backend(closing), backend(answering("good"))
    daemon = leat(conf("servers: [ @bad@, @good@ ], breaker: { failures: 1, open: 60s }"), bad=bad.address, good=good.address)
    answers = [daemon.get("/x").status for _ in range(10)]
    assert answers.count(502) == 1 and answers.count(200) == 9 and len(bad.calls) == 1


# ------------------------------------------------------------------ reload

def test_a_reload_carries_over_what_is_known_of_each_server(leat, backend):
    bad, good, new = backend(closing), backend(answering("good")), backend(answering("new"))
    text = conf("servers: [ @bad@, @good@ ], breaker: { failures: 1, open: 60s }")
    daemon = leat(text, bad=bad.address, good=good.address, new=new.address)
    await_true(lambda: daemon.get("/x").status == 502)
    daemon.get("/x")
    assert good.n_open == 1
    result = daemon.reload(text.replace("[ @bad@, @good@ ]", "[ @new@, @good@, @bad@ ], max_response: 1m"))
    assert result.returncode == 0
    assert set(count(daemon, 20)) == {"good", "new"}
    known = servers(daemon)
    assert known[bad.address]["breaker"] == "open" and len(bad.calls) == 1
    assert good.n_connections == 1 and known[good.address]["reused"] >= 10  # the same connection
    assert daemon.upstream("u")["calls"] >= 22


def test_a_server_that_leaves_the_list_is_drained(leat, backend):
    started = threading.Event()

    def handler(call):
        if call.path == "/slow":
            started.set()
            call.backend.release.wait(20 * SLOW)
        call.json("gone")
    gone, stays = backend(handler), backend(answering("stays"))
    text = conf("servers: [ @gone@, @stays@ ]")
    daemon = leat(text, gone=gone.address, stays=stays.address)
    assert set(count(daemon, 4)) == {"gone", "stays"}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        def slow():
            while True:
                answer = daemon.get("/slow")
                if answer.json() == "gone":
                    return answer.status
        held = pool.submit(slow)
        started.wait(20 * SLOW)
        assert daemon.reload(text.replace("@gone@, ", "")).returncode == 0
        assert count(daemon, 10) == {"stays": 10}
        gone.release.set()
        assert held.result() == 200
    await_true(lambda: gone.n_open == 0, what="the end of its connections")
    assert stays.n_connections == stays.n_open == 1
    assert list(servers(daemon)) == [stays.address]


def test_a_pool_that_becomes_smaller_or_larger_counts_on(leat, backend):
    u = backend(holding("ok"))
    text = conf("url: @url@, pool: { max: 1 }")
    daemon = leat(text, url=u.url)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        held = [pool.submit(daemon.get, "/x") for _ in range(3)]
        await_true(lambda: daemon.upstream("u")["pool"]["waiting"] == 2)
        assert daemon.reload(text.replace("max: 1", "max: 3")).returncode == 0
        u.await_calls(3)  # those who waited go on by the new bound
        u.release.set()
        assert [f.result().status for f in held] == [200] * 3
