"""tests/e2e/test_cache.py: results and answers that are kept: `cache:` of tasks and routes."""
import pytest

from backends import Gone
from leat import Closed, await_true, check

TASK = """
http: { up: { url: "@UP@" } }
server: { threads: 2, compute_threads: 1 }
routes:
  GET /x/{id}:
    tasks:
      x:
        get: up:/x/${path.id}
        cache: { key: "${path.id}", ttl: @TTL@, stale: @STALE@ }
    reply: { json: { body: "${x.body}", text: "${x.text}", type: "${x.headers.content_type}", status: "${x.status}" } }
"""


def counting(call):
    call.reply(f'{{"n": {len(call.backend.calls)}}}')


def start(leat, backend, handler=counting, conf=TASK, **names):
    server = backend(handler)
    return leat(conf, UP=server.url, **{"TTL": "1h", "STALE": "0s", **names}), server


def figures(daemon, number=0):
    return daemon.status()["caches"][number]


# ------------------------------------------------------------------ tasks

def test_a_result_that_was_kept_is_given_again_with_all_its_fields(leat, backend):
    daemon, server = start(leat, backend)
    first = daemon.get("/x/1").json()
    assert first == {"body": {"n": 1}, "text": '{"n": 1}', "type": "application/json", "status": 200}
    assert [daemon.get("/x/1").json() for _ in range(5)] == [first] * 5
    assert daemon.get("/x/2").json()["body"] == {"n": 2}
    assert len(server.calls) == 2


def test_a_result_that_is_no_utf8_comes_back_as_it_was(leat, backend):
    body = bytes(range(256))
    conf = TASK.split("    reply:")[0] + '    reply: { body: "${x.text}" }\n'
    daemon, server = start(leat, backend, lambda call: call.reply(body, content_type="image/x"), conf=conf)
    assert [daemon.get("/x/1").body for _ in range(3)] == [body] * 3
    assert len(server.calls) == 1


def test_requests_for_one_key_become_one_on_all_loops(leat, backend):
    def handler(call):
        call.backend.release.wait()
        counting(call)
    daemon, server = start(leat, backend, handler)
    clients = [daemon.connect() for _ in range(20)]
    for client in clients:
        client.send(b"GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: figures(daemon)["waiting"] == 20, what="that all wait")
    server.release.set()
    assert {client.response().body for client in clients} == {clients[0].get("/x/1").body}
    assert len(server.calls) == 1


def test_who_leaves_does_not_stop_what_others_wait_for(leat, backend):
    def handler(call):
        call.backend.release.wait()
        counting(call)
    daemon, server = start(leat, backend, handler)
    first, second = daemon.connect(), daemon.connect()
    first.send(b"GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: len(server.calls) == 1, what="the call")
    second.send(b"GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: figures(daemon)["waiting"] == 2, what="that both wait")
    first.reset()
    await_true(lambda: figures(daemon)["waiting"] == 1, what="that it has left")
    server.release.set()
    assert second.response().json()["body"] == {"n": 1}
    assert len(server.calls) == 1


def test_a_failure_is_not_kept_and_is_that_of_all_who_waited(leat, backend):
    def handler(call):
        if len(call.backend.calls) == 1:
            call.backend.release.wait()
            call.reply("no", status=500)
        else:
            counting(call)
    daemon, server = start(leat, backend, handler)
    clients = [daemon.connect() for _ in range(4)]
    for client in clients:
        client.send(b"GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: figures(daemon)["waiting"] == 4, what="that all wait")
    server.release.set()
    for client in clients:
        answer = client.response()
        assert (answer.status, answer.json()["code"], answer.json()["task"]) == (502, "upstream_status", "x")
    assert len(server.calls) == 1
    assert daemon.get("/x/1").status == 200


def test_an_old_result_is_given_while_a_new_one_is_made(leat, backend):
    daemon, server = start(leat, backend, TTL="1ms", STALE="1h")
    assert daemon.get("/x/1").json()["body"] == {"n": 1}
    await_true(lambda: daemon.get("/x/1").json()["body"] != {"n": 1}, what="the new one")


def test_an_old_result_is_given_when_a_new_one_cannot_be_made(leat, backend):
    def handler(call):
        if len(call.backend.calls) > 1:
            call.reply("no", status=500)
        else:
            counting(call)
    daemon, server = start(leat, backend, handler, TTL="1ms", STALE="{ if_error: 1h }")
    for _ in range(3):
        assert daemon.get("/x/1").json()["body"] == {"n": 1}
    await_true(lambda: daemon.get("/x/1").json()["body"] == {"n": 1} and len(server.calls) > 2, what="a failed try")


def test_a_result_made_with_a_default_is_not_kept(leat, backend):
    conf = """
http: { up: { url: "@UP@" } }
routes:
  GET /x:
    tasks:
      x:
        tasks: { y: { get: up:/y, default: none } }
        result: "${y}"
        cache: 1h
    reply: "${x}"
"""
    def handler(call):
        if len(call.backend.calls) == 1:
            call.reply("no", status=500)
        else:
            call.reply('"yes"')
    daemon, server = start(leat, backend, handler, conf=conf)
    assert [daemon.get("/x").text for _ in range(3)] == ["none", "yes", "yes"]
    assert len(server.calls) == 2


def test_each_element_of_a_list_is_kept_by_itself(leat, backend):
    conf = """
http: { up: { url: "@UP@" } }
routes:
  GET /x:
    tasks:
      x:
        each: [1, 2, 1, 1, 2]
        concurrency: 1
        get: up:/x/${item}
        cache: { key: "${item}", ttl: 1h }
    reply: { json: "${x.results}" }
"""
    daemon, server = start(leat, backend, conf=conf)
    assert daemon.get("/x").json() == [{"n": 1}, {"n": 2}, {"n": 1}, {"n": 1}, {"n": 2}]
    assert len(server.calls) == 2


def test_what_is_kept_is_bounded_in_bytes(leat, backend):
    conf = TASK.replace("stale: @STALE@", "max: 256k, max_entry: 20k")
    daemon, server = start(leat, backend, lambda call: call.reply(b"x" * 10000, content_type="text/plain"), conf=conf)
    for i in range(100):
        daemon.get(f"/x/{i}")
    kept = len(server.calls)
    daemon.get("/x/0")
    assert kept == 100 and len(server.calls) == 101  # the first had to go


def test_a_result_that_is_too_large_is_given_and_not_kept(leat, backend):
    conf = TASK.replace("stale: @STALE@", "max_entry: 1k")
    daemon, server = start(leat, backend, lambda call: call.reply(b"x" * 10000, content_type="text/plain"), conf=conf)
    assert [len(daemon.get("/x/1").json()["text"]) for _ in range(3)] == [10000] * 3
    assert len(server.calls) == 3


def test_what_was_kept_survives_a_reload_unless_its_task_or_upstream_has_changed(leat, backend):
    daemon, server = start(leat, backend)
    daemon.get("/x/1")
    daemon.reload()
    assert daemon.get("/x/1").json()["body"] == {"n": 1}
    daemon.reload(TASK + '  GET /other: { reply: "x" }\n')
    assert daemon.get("/x/1").json()["body"] == {"n": 1}
    daemon.reload(TASK.replace("up:/x", "up:/y"))
    assert daemon.get("/x/1").json()["body"] == {"n": 2}
    daemon.reload(TASK.replace("up:/x", "up:/y").replace('"@UP@"', '"@UP@", timeout: 7s'))
    assert daemon.get("/x/1").json()["body"] == {"n": 3}


# ------------------------------------------------------------------ figures and purging

def test_what_is_kept_is_told_in_figures(leat, backend):
    daemon, server = start(leat, backend)
    for _ in range(3):
        daemon.get("/x/1")
    found = figures(daemon)
    assert found["name"] == "GET /x/{id} > x"
    assert (found["misses"], found["hits"], found["entries"]) == (1, 2, 1)
    assert 100 < found["bytes"] < 1000
    metrics = daemon.admin("GET", "/metrics").text
    assert 'leat_cache_hits_total{cache="GET /x/{id} > x"} 2\n' in metrics
    assert "cache       GET /x/{id} > x: 1 entries" in daemon.cli("status").out
    assert "2 hits, 1 misses" in daemon.cli("cache").out


def test_purging_forgets_a_key_a_prefix_or_all(leat, backend):
    daemon, server = start(leat, backend)
    for i in ("a1", "a2", "b1", "b"):
        daemon.get(f"/x/{i}")
    assert daemon.admin("DELETE", "/v1/cache?route=GET%20/x/{id}&key=b").json() == {"caches": 1, "removed": 1}
    assert daemon.admin("DELETE", "/v1/cache?prefix=a").json() == {"caches": 1, "removed": 2}
    assert figures(daemon)["entries"] == 1
    assert daemon.admin("DELETE", "/v1/cache?route=nothing").status == 404
    assert daemon.cli("cache", "purge", "GET /x/{id}", "b*").out == "1 entries removed\n"
    daemon.get("/x/b1")
    assert daemon.cli("cache", "purge").returncode == 0
    assert figures(daemon)["entries"] == 0
    assert daemon.cli("cache", "purge", "other").returncode == 1


def test_what_is_being_made_when_its_key_is_purged_is_not_kept(leat, backend):
    def handler(call):
        call.backend.release.wait()
        counting(call)
    daemon, server = start(leat, backend, handler)
    client = daemon.connect()
    client.send(b"GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: figures(daemon)["waiting"] == 1, what="that it waits")
    daemon.admin("DELETE", "/v1/cache?key=1")
    server.release.set()
    assert client.response().json()["body"] == {"n": 1}
    assert daemon.get("/x/1").json()["body"] == {"n": 2}


@pytest.mark.parametrize("task, message", [
    ('get: up:/x/${path.id}, cache: 1h', "the task reads ${path…}, which its cache has no key for"),
    ('get: up:/x/${path.id}, cache: { key: "${query.a}", ttl: 1h }', "the task reads ${path…}"),
    ('get: up:/x/${y.body}, cache: { key: "${path.id}", ttl: 1h }', "the task reads ${y…}"),
    ('post: up:/x, cache: 1h', "changes something (`post`)"),
    ('put: up:/x, cache: 1h', "changes something (`put`)"),
    ('write: x, from: y, cache: 1h', "changes something (`write`)"),
    ('exec: [date], cache: 1h', "changes something (`exec`)"),
    ('call: f, cache: 1h', "changes something (`delete`)"),
    ('log: x, cache: 1h', "gives no result that could be kept"),
    ('get: up:/x, cache: { key: "${secret.s}", ttl: 1h }', "a secret cannot be in `key`"),
    ('get: up:/x, cache: { key: a }', 'needs the key "ttl"'),
    ('get: up:/x, cache: { ttl: 1h, max: 1m, max_entry: 1m }', "max_entry is more than half of max"),
    ('get: up:/x, cache: { ttl: 1h, stale: soon }', "soon"),
])
def test_what_cannot_be_kept_is_refused_at_load(task, message):
    lines = "".join(f"        {part}\n" for part in split_keys(task))
    code, text = check("""
http: { up: { url: "http://127.0.0.1:9" } }
flows: { f: { tasks: { d: { delete: up:/x } } } }
secrets: { dir: . }
routes:
  GET /{id}:
    tasks:
      y: { get: up:/y }
      x:
""" + lines + '    reply: { json: "${y.body}" }\n', files={"s": "geheim"})
    assert code == 1
    assert message in text


def split_keys(task):
    """`a: b, c: { d, e }` at its outer commas."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(task):
        depth += char in "{[" and 1 or char in "}]" and -1 or 0
        if char == "," and depth == 0:
            parts.append(task[start:i].strip())
            start = i + 1
    return parts + [task[start:].strip()]


# ------------------------------------------------------------------ routes

ROUTE = """
http: { up: { url: "@UP@" } }
routes:
  GET /r/{id}:
    cache: { ttl: @TTL@, stale: @STALE@ }
    tasks: { x: { get: "up:/x/${path.id}?q=${query.q}" } }
    reply: { headers: { X-Own: "a", ETag: '"${x.body.n}"' }, json: "${x.body}" }
"""


def cache_status(answer):
    return answer.all("cache-status")[-1]


def test_the_answer_of_a_route_is_kept_with_status_fields_and_body(leat, backend):
    daemon, server = start(leat, backend, conf=ROUTE)
    first = daemon.get("/r/1?q=a")
    assert (first.json(), cache_status(first), first.get("age")) == ({"n": 1}, "leat; fwd=uri-miss; stored", None)
    for _ in range(3):
        answer = daemon.get("/r/1?q=a")
        assert (answer.status, answer.body, answer.get("x-own")) == (200, first.body, "a")
        assert answer.get("content-type") == first.get("content-type")
        assert 0 <= int(answer.get("age")) < 100
        assert cache_status(answer).startswith("leat; hit; ttl=35")
    assert daemon.get("/r/1?q=b").json() == {"n": 2}
    assert daemon.get("/r/2?q=a").json() == {"n": 3}
    head = daemon.request("HEAD", "/r/1?q=a")
    assert head.get("content-length") == str(len(first.body))
    assert daemon.get("/r/1?q=a", headers=[("If-None-Match", '"1"')]).status == 304
    assert len(server.calls) == 3
    assert figures(daemon)["name"] == "GET /r/{id}"


def test_requests_for_one_answer_become_one_and_who_leaves_stops_nothing(leat, backend):
    def handler(call):
        call.backend.release.wait()
        counting(call)
    daemon, server = start(leat, backend, handler, conf=ROUTE)
    first = daemon.connect()
    first.send(b"GET /r/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: len(server.calls) == 1, what="the call")
    clients = [daemon.connect() for _ in range(8)]
    for client in clients:
        client.send(b"GET /r/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: figures(daemon)["waiting"] == 8, what="that they wait")
    first.reset()
    clients.pop().reset()
    await_true(lambda: figures(daemon)["waiting"] == 7, what="that one has left")
    server.release.set()
    for client in clients:
        answer = client.response()
        assert answer.json() == {"n": 1}
        assert "collapsed" in cache_status(answer)
    assert len(server.calls) == 1


def test_an_old_answer_is_given_at_once_and_a_new_one_made_behind_it(leat, backend):
    daemon, server = start(leat, backend, conf=ROUTE, TTL="1ms", STALE="1h")
    assert daemon.get("/r/1").json() == {"n": 1}
    await_true(lambda: daemon.get("/r/1").json() != {"n": 1}, what="a new one")
    with daemon.connect() as client:
        for _ in range(20):
            assert client.get("/r/1").status == 200


def test_an_old_answer_is_given_when_a_new_one_fails(leat, backend):
    def handler(call):
        if len(call.backend.calls) > 1:
            call.reply("no", status=500)
        else:
            counting(call)
    daemon, server = start(leat, backend, handler, conf=ROUTE, TTL="1ms", STALE="{ if_error: 1h }")
    assert daemon.get("/r/1").json() == {"n": 1}
    await_true(lambda: daemon.get("/r/1").json() == {"n": 1} and len(server.calls) > 2, what="a failed try")
    assert daemon.get("/r/2").status == 502


def test_answers_that_set_cookies_fail_or_are_private_are_not_kept(leat, backend):
    conf = """
http: { up: { url: "@UP@" } }
routes:
  GET /cookie: { cache: 1h, tasks: { x: { get: up:/x } }, reply: { headers: { Set-Cookie: a=b }, json: "${x.body}" } }
  GET /private: { cache: 1h, tasks: { x: { get: up:/x } }, reply: { headers: { Cache-Control: private }, json: "${x.body}" } }
  GET /partial: { cache: 1h, tasks: { x: { get: up:/fail, optional: true } }, reply: { json: "${x.failed}" } }
  GET /fails: { cache: 1h, tasks: { x: { get: up:/fail } }, reply: "x" }
  GET /status: { cache: 1h, tasks: { x: { get: up:/x } }, reply: { status: 500, json: "${x.body}" } }
"""
    def handler(call):
        if call.path == "/fail":
            call.reply("no", status=500)
        else:
            counting(call)
    daemon, server = start(leat, backend, handler, conf=conf)
    for path in ("cookie", "private", "partial", "fails", "status"):
        n_calls = len(server.calls)
        assert "stored" not in cache_status(daemon.get("/" + path))
        daemon.get("/" + path)
        assert len(server.calls) == n_calls + 2, path


def test_a_streamed_answer_is_kept_when_it_came_whole(leat, backend):
    conf = """
http: { up: { url: "@UP@" } }
routes:
  GET /s/{id}:
    cache: { ttl: 1h, max_entry: 100k }
    tasks: { x: { get: "up:/${path.id}", stream: true } }
    reply: { body: "${x.body}" }
"""
    def handler(call):
        if call.path == "/cut" and not call.backend.release.is_set():
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            raise Gone
        call.reply(b"x" * (200000 if call.path == "/large" else 50000), content_type="text/x-test")
    daemon, server = start(leat, backend, handler, conf=conf)
    for _ in range(2):
        answer = daemon.get("/s/small")
        assert (answer.body, answer.get("content-type")) == (b"x" * 50000, "text/x-test")
    assert len(server.calls) == 1
    for _ in range(2):
        assert daemon.get("/s/large").body == b"x" * 200000
    assert len(server.calls) == 3
    with pytest.raises(Closed):
        daemon.get("/s/cut")
    server.release.set()
    assert daemon.get("/s/cut").body == b"x" * 50000


@pytest.mark.parametrize("route, message", [
    ('GET /x: { cache: 1h, reply: hello }', "always the same"),
    ('POST /x: { cache: 1h, tasks: { x: { get: up:/x } }, reply: "${x}" }', "only answers to GET and HEAD"),
    ('GET /x: { cache: 1h, tasks: { x: { post: up:/x } }, reply: "${x}" }', 'the task "x" changes something'),
    ('GET /x: { cache: 1h, reply: "${headers.x}" }', "the route reads ${headers…}"),
    ('GET /x: { cache: { key: "${query.a}", ttl: 1h }, reply: "${auth.user}" }', "the route reads ${auth…}"),
    ('GET /x: { cache: { key: "${secret.s}", ttl: 1h }, reply: "${query.a}" }', "a secret cannot be in `key`"),
    ('GET /x: { cache: { key: "${t}", ttl: 1h }, tasks: { t: { value: 1 } }, reply: "${t}" }', "t"),
    ('GET /x: { cache: 1h, proxy: up }', "the cache of a proxy stands in it"),
    ('GET /x: { proxy: { to: up, cache: 1h } }', "the cache of a proxy is true, or a map"),
    ('GET /x: { cache: 1h, files: . }', "a route with files has no"),
])
def test_routes_that_cannot_be_kept_are_refused_at_load(route, message):
    code, text = check('http: { up: { url: "http://127.0.0.1:9" } }\nsecrets: { dir: . }\nroutes:\n  ' + route + "\n",
                       files={"s": "geheim"})
    assert code == 1
    assert message in text
