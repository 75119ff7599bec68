"""tests/e2e/test_cache_redis.py: `cache: {in: redis.NAME}`: results and answers that are kept in Redis."""
import contextlib

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
    assert daemon.cli("cache", "purge", "GET /t/{id}", "1").returncode == 0
    await_true(lambda: len(keys(server)) == 1, what="that it is gone")
    assert daemon.admin("DELETE", "/v1/cache?prefix=1").status == 400
    assert daemon.admin("DELETE", "/v1/cache?key=1").status == 200
    await_true(lambda: not keys(server), what="that all is gone")


@pytest.mark.parametrize("place", ["redis.other", "redis", "disk"])
def test_a_place_that_is_none_is_refused(place):
    code, text = check(CONF.replace("redis.main", place).replace("@UP@", "http://127.0.0.1:9").replace(
        "@URL@", "redis://127.0.0.1:9").replace("@TTL@", "1h").replace("@STALE@", "0s"))
    assert code == 1 and f'"{place}" is no place for a cache' in text
