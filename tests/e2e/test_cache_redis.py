"""tests/e2e/test_cache_redis.py: `cache: {in: redis.NAME}`: results and answers that are kept in Redis."""
import contextlib
import os
import signal
from urllib.parse import quote

import pytest
from leat import await_true, check
from redis_servers import RedisServer, needs_redis

pytestmark = needs_redis

CONF = """
http: { up: { url: "@UP@" } }
redis: { main: { url: "@URL@", timeouts: { connect: 500ms } } }
routes:
  GET /t/{id}:
    tasks: { x: { get: "up:/${path.id}", cache: { key: "${path.id}", ttl: @TTL@, stale: @STALE@, in: redis.main } } }
    reply: { body: "${x.text}" }
  GET /r/{id}:
    cache: { key: "${path.id}", ttl: @TTL@, stale: @STALE@, in: redis.main }
    tasks: { x: { get: "up:/${path.id}" } }
    reply: { headers: { X-Own: "${x.status}" }, body: "${x.text}" }
"""


@pytest.fixture(name="server")
def _server():
    with contextlib.closing(RedisServer()) as server:
        yield server


def start(leat, backend, server, handler=None, conf=CONF, ttl="1h", stale="0s"):
    up = backend(handler or (lambda call: call.reply(b"\xff%d" % len(call.backend.calls), content_type="text/x")))
    names = {"UP": up.url, "URL": server.url, "TTL": ttl, "STALE": stale}
    return lambda: leat(conf, **names), up


def keys(server):
    return server.ask("KEYS", "leat:*")


@pytest.mark.parametrize("kind", ["t", "r"])
def test_what_one_daemon_keeps_another_gives(leat, backend, server, kind):
    daemon, up = start(leat, backend, server)
    first = daemon()
    assert first.get(f"/{kind}/1").body == b"\xff1"
    await_true(lambda: len(keys(server)) == 1, what="that it is kept")
    assert 3500000 < server.ask("PTTL", keys(server)[0]) <= 3600000
    assert first.get(f"/{kind}/1").body == b"\xff1"
    second = daemon()
    answer = second.get(f"/{kind}/1")
    assert (answer.body, len(up.calls)) == (b"\xff1", 1)
    if kind == "r":
        assert answer.get("x-own") == "200"
        assert answer.get("cache-status").startswith("leat; hit")
    assert second.get(f"/{kind}/2").body == b"\xff2"
    found = {cache["name"]: cache for cache in second.status()["caches"]}
    assert (found[{"t": "GET /t/{id} > x", "r": "GET /r/{id}"}[kind]]["hits"]) == 1


@pytest.mark.parametrize("kind", ["t", "r"])
def test_redis_that_is_away_is_a_miss_and_never_a_failure(leat, backend, server, kind):
    daemon, up = start(leat, backend, server)
    daemon = daemon()
    assert daemon.get(f"/{kind}/1").body == b"\xff1"
    server.kill()
    for i in range(3):
        assert daemon.get(f"/{kind}/1").body == b"\xff%d" % (2 + i)
    assert len(up.calls) == 4


@pytest.mark.parametrize("kind", ["t", "r"])
@pytest.mark.parametrize("garbage", [b"", b"x", b"leat1", b"leat1" + b"\xff" * 100, b"leat1\x00\xc8\x00" + b"\x00" * 36,
                                     b"leat1\x01\xc8\x00" + b"\xff" * 31 + b"\x7f" + b"\x08\0\0\0\x01\0\x01\0\0\0\n:"])
def test_what_somebody_else_has_put_there_is_a_miss(leat, backend, server, kind, garbage):
    daemon, up = start(leat, backend, server)
    daemon = daemon()
    daemon.get(f"/{kind}/1")
    await_true(lambda: len(keys(server)) == 1, what="that it is kept")
    server.ask("SET", keys(server)[0], garbage)
    assert daemon.get(f"/{kind}/1").body == b"\xff2"


def test_what_is_there_is_not_found_by_a_configuration_that_would_make_something_else(leat, backend, server):
    daemon, up = start(leat, backend, server)
    daemon = daemon()
    daemon.get("/t/1")
    await_true(lambda: len(keys(server)) == 1, what="that it is kept")
    daemon.reload()
    assert daemon.get("/t/1").body == b"\xff1"
    daemon.reload(CONF.replace('get: "up:/${path.id}", cache', 'get: "up:/x/${path.id}", cache'))
    assert daemon.get("/t/1").body == b"\xff2"


@pytest.mark.parametrize("kind", ["t", "r"])
def test_a_stale_one_is_given_while_a_new_one_is_made(leat, backend, server, kind):
    daemon, up = start(leat, backend, server, ttl="1ms", stale="1h")
    daemon = daemon()
    daemon.get(f"/{kind}/1")
    await_true(lambda: len(keys(server)) == 1, what="that it is kept")
    assert daemon.get(f"/{kind}/1").body == b"\xff1"
    await_true(lambda: daemon.get(f"/{kind}/1").body != b"\xff1", what="a new one")


def test_a_key_is_purged_there_too(leat, backend, server):
    daemon, up = start(leat, backend, server)
    daemon = daemon()
    daemon.get("/t/1"), daemon.get("/r/1")
    await_true(lambda: len(keys(server)) == 2, what="that both are kept")
    assert daemon.cli("cache", "purge", "GET /t/{id}", "1").out == "1 entries removed\n"
    assert len(keys(server)) == 1
    assert daemon.admin("DELETE", "/v1/cache?key=1").json() == {"caches": 2, "removed": 1}
    assert keys(server) == []


def test_a_prefix_is_purged_there_too_and_nothing_else(leat, backend, server):
    daemon, up = start(leat, backend, server)
    daemon = daemon()
    ids = ["a*1", "a*2", "ab", "a[b]?", "a[bc", "\\x", "\\\\y", "\u00e9"]
    for id in ids:
        daemon.get(f"/t/{quote(id, safe='')}"), daemon.get(f"/r/{quote(id, safe='')}")
    await_true(lambda: len(keys(server)) == 16, what="that all are kept")
    # several steps of SCAN
    server.ask("EVAL", "for i = 1, 2500 do redis.call('SET', 'leat:of-others:a*' .. i, 'x') end", 0)

    def left(prefix, route="GET /t/{id}"):
        answer = daemon.admin("DELETE", f"/v1/cache?route={quote(route)}&prefix={quote(prefix)}")
        return answer.json()["removed"], len(keys(server)) - 2500
    assert left("a*") == (2, 14)
    assert left("a[b]") == (1, 13)
    assert left("\\x") == (1, 12)
    assert left("\u00e9") == (1, 11)
    assert left("?") == (0, 11)
    assert daemon.cli("cache", "purge", "GET /t/{id}", "a*").out == "2 entries removed\n"
    assert daemon.admin("DELETE", "/v1/cache?prefix=a").json() == {"caches": 2, "removed": 5}
    assert daemon.admin("DELETE", "/v1/cache").json() == {"caches": 2, "removed": 4}
    assert len(keys(server)) == 2500
    assert daemon.get("/t/ab").body == b"\xff%d" % (2 * len(ids) + 1)


def test_redis_that_is_away_is_told_to_who_purges(leat, backend, server):
    daemon, up = start(leat, backend, server)
    daemon = daemon()
    daemon.get("/t/1")
    server.kill()
    for what in ("key=1", "prefix=1"):
        answer = daemon.admin("DELETE", f"/v1/cache?{what}")
        assert (answer.status, answer.json()["code"]) == (502, "redis_error")
        assert answer.json()["detail"].startswith("redis.main: ")
    done = daemon.cli("cache", "purge")
    assert done.returncode == 1 and "redis.main: " in done.err and done.out == ""


def test_who_leaves_ends_a_purge(leat, backend, server):
    daemon, up = start(leat, backend, server)
    daemon = daemon()
    daemon.get("/t/1")
    await_true(lambda: len(keys(server)) == 1, what="that it is kept")
    server.ask("EVAL", "for i = 1, 20000 do redis.call('SET', 'leat:of-others:' .. i, 'x') end", 0)
    watch = daemon.connect(daemon.admin_address)  # one connection, so that descriptors can be counted

    def figures():
        return watch.request("GET", "/v1/status").json()

    def descriptors():
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    assert watch.request("DELETE", "/v1/cache?key=none").json()["removed"] == 0  # there is a connection to Redis
    await_true(lambda: figures()["connections"] == 0)
    server.process.send_signal(signal.SIGSTOP)
    with contextlib.closing(daemon.connect(daemon.admin_address)) as client:
        client.send("DELETE /v1/cache HTTP/1.1\r\nHost: x\r\n\r\n")
        await_true(lambda: figures()["redis"][0]["pipelined"] == 1, what="that Redis is asked")
        before = descriptors()
    await_true(lambda: descriptors() < before, what="that the client has left")
    server.process.send_signal(signal.SIGCONT)
    await_true(lambda: figures()["redis"][0]["pipelined"] == 0, what="that nobody asks it any more")
    assert len(keys(server)) == 20_001
    assert daemon.admin("DELETE", "/v1/cache").json()["removed"] == 1


@pytest.mark.parametrize("place", ["redis.other", "redis", "disk"])
def test_a_place_that_is_none_is_refused(place):
    code, text = check(CONF.replace("redis.main", place).replace("@UP@", "http://127.0.0.1:9").replace(
        "@URL@", "redis://127.0.0.1:9").replace("@TTL@", "1h").replace("@STALE@", "0s"))
    assert code == 1 and f'"{place}" is no place for a cache' in text
