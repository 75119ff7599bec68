"""tests/e2e/test_actor_life.py: what becomes of actors when they fail, when the file changes, when the store does not work."""
import json
import os
import re
import sqlite3
import threading

from backends import holding
from leat import SLOW, await_true, check
from test_actors import actors, live

# ------------------------------------------------------------------ what is refused at load


def test_what_other_systems_have_and_what_cannot_be_is_told_with_the_way_on():
    for text, message in (
            ("actors:\n  a:\n    on: pool\n    handler: {}\n    handlers: { x: { reply: 1 } }",
             "leat.yaml:3:5: error: an actor has no `on`: remove it. Handlers run on a loop, and their tasks that compute"),
            ("actors:\n  a:\n    on: loop\n    handler: {}\n    handlers: { x: { reply: 1 } }", 'unknown key "handler" in actor "a"; did you mean "handlers"'),
            ('actors: { "a/{k}/{k}": { handlers: { x: { reply: 1 } } } }', "two keys of the actor are called k"),
            ('actors: { "a/{user}": { handlers: { x: { reply: "${path.usr}" } } } }', 'did you mean "user"?')):
        code, out = check(text + "\n")
        assert code == 1 and message in out, (text, out)
        assert 'unknown key "on"' not in out and "route's path" not in out, out


# ------------------------------------------------------------------ mailboxes

BOUNDED = """
actors:
  a:
    expose: true
    mailbox: { messages: 2, bytes: 2k, full: wait }
    state: 0
    handlers:
      count: { set: "${state + 1}" }
      get: { method: GET, reply: { json: "${state}" } }
      self:
        timeout: 1h
        tasks: { all: { each: "${message}", send: a, handler: count } }
  c: { expose: true, handlers: { ask: { timeout: 100ms, tasks: { t: { ask: d, handler: ask } }, reply: "${t}" }, go: { reply: went } } }
  d: { handlers: { ask: { timeout: 1h, tasks: { t: { ask: c, handler: ask } }, reply: "${t}" } } }
"""


def test_an_actor_does_not_wait_for_room_in_its_own_mailbox(leat):
    daemon = leat(BOUNDED)
    assert daemon.post_json("/a/self", [1, 2, 3]).json()["code"] == "queue_full"
    assert daemon.post_json("/a/self", [1]).status == 204
    await_true(lambda: daemon.get("/a/get").json() == 3)


def test_a_message_larger_than_the_mailbox_is_413(leat):
    daemon = leat(BOUNDED)
    refused = daemon.post_json("/a/count", "x" * 3000)
    assert (refused.status, refused.json()["code"]) == (413, "too_large")


def test_actors_that_ask_each_other_in_a_circle_fail_in_time_and_go_on(leat):
    daemon = leat(BOUNDED)
    failed = daemon.post_json("/c/ask", 0)
    assert (failed.status, failed.json()["code"]) == (504, "timeout")
    assert daemon.post_json("/c/go", 0).text == "went"


# ------------------------------------------------------------------ failures

def test_who_wants_a_state_kept_without_a_file_is_told(leat):
    daemon = leat("actors: { a: { persist: true, handlers: { x: { set: 1 } } } }\n")
    daemon.await_line("actor state is lost with this process name=a: the store is in memory")


def test_the_pause_of_resets_doubles_also_when_init_succeeds_between_them(leat):
    daemon = leat("""
actors:
  a:
    expose: true
    restart: reset
    init: { set: 1 }
    handlers: { bad: { tasks: { t: { fail: broken } } } }
""")
    for n in range(1, 4):
        assert daemon.post_json("/a/bad", 0).json()["code"] == "broken"
        daemon.await_line(f"actor reset name=.*failures={n}")


FULL = """
store: { path: "@DIR@/leat.db", max: 1m }
actors:
  a:
    expose: true
    persist: true
    restart: reset
    state: ""
    handlers:
      put: { set: "${message}" }
      size: { reply: { json: "${len(state)}" } }
"""


def test_a_store_that_is_full_is_no_reason_to_lose_a_state(leat):
    daemon = leat(FULL)
    assert daemon.post_json("/a/put", "x" * 1000).status == 204
    refused = daemon.post_json("/a/put", "y" * 1000000)
    assert (refused.status, refused.json()["code"]) == (500, "io_error")
    assert re.search(r"^store +\S+leat.db: (degraded|ok), \d+ bytes, .* [1-9]\d* failed, 0 refused", daemon.cli("status").out, re.M)
    assert daemon.post_json("/a/size", 0).json() == 1000
    daemon.restart(9)
    assert daemon.post_json("/a/size", 0).json() == 1000
    await_true(lambda: daemon.post_json("/a/put", "z").status == 204)
    assert daemon.post_json("/a/size", 0).json() == 1


# ------------------------------------------------------------------ reloads

CHANGES = """
store: { path: "@DIR@/leat.db" }
http: { u: { url: @url@ } }
actors:
  @name@:
    expose: true
    persist: @persist@
    state: { n: 0 }
    handlers:
      add: { set: { n: "${state.n + 1}" }, reply: { json: "${state.n}" } }
      slow: { tasks: { t: { get: "u:/" } }, set: { n: "${state.n + t.body}" }, reply: { json: "${state.n}" } }
"""


def stored(daemon):
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db"), timeout=30) as file:
        rows = file.execute("select state from actor where name = 'a'").fetchall()
    file.close()
    return [json.loads(row[0])["n"] for row in rows]


def changed(url, name="a", persist="false"):
    return CHANGES.replace("@url@", url).replace("@name@", name).replace("@persist@", persist)


def test_a_state_that_is_to_persist_from_now_on_is_the_one_that_lives(leat):
    daemon = leat(changed("http://127.0.0.1:1", persist="true"))
    assert daemon.post_json("/a/add", 0).json() == 1
    assert daemon.reload(changed("http://127.0.0.1:1")).returncode == 0
    daemon.restart(15)
    assert [daemon.post_json("/a/add", 0).json() for _ in range(5)] == [1, 2, 3, 4, 5]
    assert daemon.reload(changed("http://127.0.0.1:1", persist="true")).returncode == 0
    await_true(lambda: stored(daemon) == [5])  # without a message
    assert daemon.post_json("/a/add", 0).json() == 6
    daemon.restart(9)
    assert daemon.post_json("/a/add", 0).json() == 7


def send(client, handler):
    client.send(f"POST /a/{handler} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")


def test_there_are_never_two_actors_of_one_name_though_it_goes_and_comes_back_while_a_message_is_in_work(leat, backend):
    up = backend(holding(1))
    daemon = leat(changed(up.url, persist="true"))
    with daemon.connect() as slow, daemon.connect() as fast:
        send(slow, "slow")
        await_true(lambda: live(daemon)["a"]["in_work"])
        assert daemon.reload(changed(up.url, name="b", persist="true")).returncode == 0
        assert daemon.post_json("/a/add", 0).status == 404
        assert daemon.reload(changed(up.url, persist="true")).returncode == 0
        send(fast, "add")
        await_true(lambda: live(daemon)["a"]["mailbox"] == 1)
        up.release.set()
        assert [slow.response().json(), fast.response().json()] == [1, 2]
    assert stored(daemon) == [2]


def test_what_waits_for_an_actor_that_a_reload_removes_is_not_found_and_what_is_in_work_ends(leat, backend):
    up = backend(holding(1))
    daemon = leat(changed(up.url))
    clients = [daemon.connect() for _ in range(3)]
    send(clients[0], "slow")
    await_true(lambda: live(daemon)["a"]["in_work"])
    for client in clients[1:]:
        send(client, "add")
    await_true(lambda: live(daemon)["a"]["mailbox"] == 2)
    assert daemon.reload(changed(up.url, name="b")).returncode == 0
    up.release.set()
    assert [client.response().status for client in clients] == [200, 404, 404]
    await_true(lambda: list(live(daemon)) == ["b"])


def test_a_reload_ends_the_pause_after_a_failure(leat):
    text = ("actors: { a: { expose: true, restart: reset, init: { tasks: { t: { fail: broken, when: @broken@ } } },"
            " handlers: { go: { reply: ok } } } }\n")
    daemon = leat(text, broken="true")
    for n in range(2, 6):
        assert daemon.post("/a/go").json()["code"] == "broken"
        daemon.await_line(f"actor not ready name=.*failures={n}")
    assert daemon.reload(text.replace("@broken@", "false")).returncode == 0
    assert live(daemon)["a"]["pause_ms"] == 0  # it was 320 to 640 before
    assert daemon.post("/a/go").text == "ok"


# ------------------------------------------------------------------ what people are shown

MANY = """
http: { u: { url: @url@ } }
actors:
  "box/{id}":
    state: { n: 1 }
    handlers:
      hi: { set: { n: 2 } }
      slow: { tasks: { t: { get: "u:/" }, u: { value: "${t.body}" } }, set: { n: "${u}" } }
  other: { init: { tasks: { first: { log: begun } } }, handlers: { x: { reply: x } } }
routes:
  POST /many: { body: { type: json }, tasks: { all: { each: "${body}", send: "box/${item}", handler: hi } }, reply: ok }
  POST /slow: { tasks: { t: { send: box/slow, handler: slow } }, reply: ok }
"""


def test_of_many_actors_those_at_work_are_shown_and_how_many_are_not(leat, backend):
    up = backend(holding(1))
    daemon = leat(MANY, url=up.url)
    assert daemon.post("/slow").text == "ok"
    for i in range(0, 3000, 1000):
        assert daemon.post_json("/many", list(range(i, i + 1000))).text == "ok"
    await_true(lambda: (box := actors(daemon)["box"])["handled"] == 3000 and box["messages"] == 1)
    shown = daemon.admin("GET", "/v1/actors").json()
    assert 1000 <= len(shown["live"]) <= 2000 and shown["left_out"] == 3002 - len(shown["live"])
    assert [one["name"] for one in shown["live"] if one["in_work"]] == ["box/slow"]
    one = daemon.admin("GET", "/v1/actors?name=box%2F17").json()
    assert [(one["name"], one["state_bytes"]) for one in one["live"]] == [("box/17", 7)] and one["left_out"] == 0
    assert len(daemon.admin("GET", "/v1/actors?name=other").json()["live"]) == 1
    boxes = daemon.admin("GET", "/v1/actors?name=box").json()
    assert boxes["left_out"] == 3001 - len(boxes["live"]) and all(one["name"].startswith("box/") for one in boxes["live"])
    assert daemon.admin("GET", "/v1/actors?name=box%2Fnobody").json()["live"] == []
    up.release.set()
    await_true(lambda: not [one for one in daemon.admin("GET", "/v1/actors?name=box%2Fslow").json()["live"] if one["in_work"]])


def test_the_graph_of_a_handler_is_shown_by_its_name(leat):
    daemon = leat(MANY, url="http://127.0.0.1:1")
    for more in ((), ("--running",)):
        assert "wave 2:" in daemon.cli("graph", "box.slow", *more).out
        assert "first: log begun" in daemon.cli("graph", "other.init", *more).out
    assert '"t" -> "u"' in daemon.cli("graph", "box.slow", "--dot").out
    for name in ("box.no", "box.", "no.slow", ".", "box/{id}.slow", "box.init"):
        assert daemon.cli("graph", name).returncode == 1
