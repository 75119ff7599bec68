"""tests/e2e/test_actors.py: named state, and handlers that change it, one message at a time."""
import json
import os
import re
import sqlite3
import threading

from backends import answering, holding
from leat import SLOW, TIMEOUT, Closed, await_true, check

COUNTER = """
actors:
  counter:
    expose: true
    help: Counts.
    state: { n: 0 }
    handlers:
      add: { set: { n: "${state.n + message.by}" }, reply: { json: "${state.n}" }, help: Adds by. }
      get: { method: GET, reply: { json: "${state.n}" } }
"""


JSON = {"Content-Type": "application/json"}


class Known(dict):
    """What is not there yet is as good as nothing, for those who wait for it."""

    def __missing__(self, key):
        return Known()


def actors(daemon, key="actors"):
    return Known((one["name"], one) for one in daemon.admin("GET", "/v1/actors").json()[key])


def live(daemon):
    return actors(daemon, "live")


# ------------------------------------------------------------------ state and replies

def test_a_handler_replaces_the_state_and_replies_with_the_new_one(leat):
    daemon = leat(COUNTER)
    assert daemon.post_json("/counter/add", {"by": 2}).json() == 2
    assert daemon.post_json("/counter/add", {"by": 40}).json() == 42
    assert daemon.get("/counter/get").json() == 42


def test_a_handler_that_fails_leaves_the_state_as_it_was(leat):
    daemon = leat("""
actors:
  a:
    expose: true
    state: { n: 1 }
    handlers:
      task: { tasks: { t: { fail: no_way, status: 418 } }, set: { n: 2 } }
      set: { set: { n: "${state.n + message}" }, reply: x }
      reply: { set: { n: 3 }, reply: { json: "${state.n / 0}" } }
      get: { method: GET, reply: { json: "${state}" } }
""")
    failed = daemon.post_json("/a/task", {})
    assert (failed.status, failed.json()["code"]) == (418, "no_way")
    assert daemon.post_json("/a/set", "text").json()["code"] == "expr_error"
    assert daemon.post_json("/a/reply", 1).json()["code"] == "expr_error"
    assert daemon.get("/a/get").json() == {"n": 1}
    assert actors(daemon)["a"]["failed"] == 3


def test_a_failure_tells_the_task_of_the_handler_and_which_actor_it_is(leat):
    daemon = leat("""
actors:
  a/{k}: { max: 1, expose: true, handlers: { go: { tasks: { g: { tasks: { boom: { fail: broken } } } } } } }
routes:
  POST /send/{k}: { tasks: { s: { send: "a/${path.k}", handler: go } } }
  POST /ask/{k}: { tasks: { s: { ask: "a/${path.k}", handler: go } } }
""")
    assert daemon.post_json("/a/x/go", 1).json()["task"] == "answer.g.boom"
    assert daemon.post_json("/ask/x", 1).json()["task"] == "s.g.boom"
    assert daemon.post_json("/send/x", 1).status == 204
    daemon.await_line("actor message failed name=a/x handler=go task=g.boom code=broken")
    assert actors(daemon)["a"]["refused"] == 0
    assert daemon.post_json("/ask/y", 1).json()["code"] == "queue_full" and actors(daemon)["a"]["refused"] == 1


def test_messages_are_handled_one_at_a_time_also_from_many_loops(leat):
    daemon = leat(COUNTER + "server: { threads: 2 }\n")
    results, lock = [], threading.Lock()

    def add():
        with daemon.connect() as client:
            for _ in range(100):
                n = client.request("POST", "/counter/add", body=b'{"by":1}',
                                   headers=JSON).json()
                with lock:
                    results.append(n)
    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT * 3)
    assert sorted(results) == list(range(1, 801))


def test_a_handler_that_waits_keeps_the_next_message_waiting(leat, backend):
    gate = threading.Event()
    inside, most, lock = [0], [0], threading.Lock()

    def handler(call):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        gate.wait(TIMEOUT)
        with lock:
            inside[0] -= 1
        call.json(1)
    daemon = leat("""
http: { u: { url: @url@ } }
actors:
  a:
    expose: true
    state: 0
    handlers:
      go: { tasks: { t: { get: "u:/" } }, set: "${state + t.body}", reply: { json: "${state}" } }
""", url=backend(handler).url)
    clients = [daemon.connect() for _ in range(3)]
    for client in clients:
        client.send("POST /a/go HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    await_true(lambda: live(daemon)["a"]["mailbox"] == 2)
    gate.set()
    assert sorted(client.response().json() for client in clients) == [1, 2, 3]
    assert most[0] == 1


def test_the_message_of_get_is_the_query_and_sender_tells_who(leat):
    daemon = leat("""
actors:
  first:
    expose: true
    handlers:
      ask: { tasks: { t: { ask: second, handler: who, message: 1 } }, reply: { json: "${t}" } }
      query: { method: GET, reply: { json: "${message}" } }
  second: { handlers: { who: { reply: { json: { actor: "${sender.actor}", id: "${sender.id != null}" } } } } }
""")
    assert daemon.get("/first/query?a=1&b=2").json() == {"a": "1", "b": "2"}
    assert daemon.post_json("/first/ask", 0).json() == {"actor": "first", "id": True}


def test_an_actor_that_asks_itself_fails_at_once(leat):
    daemon = leat("""
actors:
  a:
    expose: true
    handlers: { ask: { tasks: { t: { ask: a, handler: ask } } } }
""")
    assert daemon.post_json("/a/ask", 0).json()["code"] == "unavailable"


def test_init_runs_once_before_the_first_message(leat, backend):
    daemon = leat("""
http: { u: { url: @url@ } }
actors:
  a:
    expose: true
    state: nothing
    init: { tasks: { t: { get: "u:/" } }, set: "${t.body}" }
    handlers: { get: { method: GET, reply: { json: "${state}" } } }
""", url=backend(answering({"from": "backend"})).url)
    assert daemon.get("/a/get").json() == {"from": "backend"}
    assert daemon.get("/a/get").json() == {"from": "backend"}


# ------------------------------------------------------------------ over HTTP

def test_actors_are_private_unless_exposed(leat):
    daemon = leat("actors:\n  a: { handlers: { x: { reply: y } } }\n"
                  "  b: { expose: true, handlers: { x: { reply: y }, z: { reply: y, expose: false } } }\n")
    assert daemon.post_json("/a/x", 1).status == 404
    assert daemon.post_json("/b/x", 1).text == "y"
    assert daemon.post_json("/b/z", 1).status == 404
    assert daemon.get("/b/x").status == 405


def test_a_route_that_is_written_wins(leat):
    daemon = leat(COUNTER + "routes: { POST /counter/add: { reply: mine } }\n")
    assert daemon.post_json("/counter/add", {"by": 1}).text == "mine"
    assert daemon.get("/counter/get").json() == 0


def test_a_route_that_is_written_for_all_methods_wins_too_and_keeps_its_policies(leat):
    daemon = leat(COUNTER + CART.replace("actors:\n", "").replace("@more@", "") + """
routes:
  /counter/add: { deny: [127.0.0.0/8], reply: mine }
  /cart/{other}/put: { reply: "${path.other}" }
""")
    assert daemon.post_json("/counter/add", {"by": 1}).status == 403
    assert daemon.get("/counter/get").json() == 0
    assert daemon.post_json("/cart/alice/put", 1).text == "alice"
    assert daemon.get("/cart/alice/get").json()["n"] == 0


def test_policies_hold_for_exposed_handlers(leat):
    daemon = leat(COUNTER + "defaults: { /counter: { deny: [127.0.0.0/8] } }\n")
    assert daemon.get("/counter/get").status == 403


def test_help_lists_actors_and_handlers_on_the_admin_listener(leat):
    daemon = leat(COUNTER)
    assert re.search(r"^/counter +Counts\.$", daemon.admin("GET", "/help").text, re.M)
    assert daemon.admin("GET", "/help/counter").text == \
        "/counter: Counts.\n  POST /counter/add: Adds by.\n  GET  /counter/get\n"
    assert daemon.admin("GET", "/help/other").status == 404
    assert daemon.get("/help").status == 404


def test_status_and_metrics_tell_what_was_handled(leat):
    daemon = leat(COUNTER)
    daemon.post_json("/counter/add", {"by": 2})
    assert live(daemon)["counter"]["state_bytes"] == len('{"n":2}')
    assert "actor       counter: 1 live, 0 messages, 1 handled, 0 failed, 0 refused" in daemon.cli("status").out
    assert 'leat_actor_handled_total{actor="counter"} 1' in daemon.admin("GET", "/metrics").text


# ------------------------------------------------------------------ keys

CART = """
actors:
  "cart/{user}":
    expose: true
    state: { owner: "${path.user}", n: 0 }
    @more@
    handlers:
      put: { set: { owner: "${state.owner}", n: "${state.n + 1}" }, reply: { json: "${state}" } }
      get: { method: GET, reply: { json: "${state}" } }
"""


def test_each_key_has_a_state_of_its_own(leat):
    daemon = leat(CART, more="")
    daemon.post_json("/cart/alice/put", 1)
    assert daemon.get("/cart/alice/get").json() == {"owner": "alice", "n": 1}
    assert daemon.get("/cart/bob/get").json() == {"owner": "bob", "n": 0}


def test_no_key_can_forge_another(leat):
    daemon = leat(CART, more="")
    for name in ("a%2Fb", "a%252Fb", "a%3Ab", "%C3%A9", "a b".replace(" ", "%20")):
        daemon.post_json(f"/cart/{name}/put", 1)
    assert daemon.get("/cart/a%2Fb/get").json() == {"owner": "a/b", "n": 1}
    assert daemon.get("/cart/a%252Fb/get").json() == {"owner": "a%2Fb", "n": 1}
    assert len(live(daemon)) == 5


def test_an_idle_actor_with_a_key_goes(leat):
    daemon = leat(CART, more="idle: 50ms")
    daemon.post_json("/cart/alice/put", 1)
    await_true(lambda: not live(daemon))
    assert daemon.get("/cart/alice/get").json()["n"] == 0


def test_no_more_than_max_live_at_once(leat):
    daemon = leat(CART, more="max: 2")
    assert [daemon.get(f"/cart/u{i}/get").status for i in range(3)] == [200, 200, 503]
    assert daemon.get("/cart/u0/get").status == 200


def test_no_message_is_lost_while_actors_come_and_go(leat):
    daemon = leat(CART.replace("n: 0", "n: 0") + """
routes:
  POST /burst:
    tasks:
      all: { each: "${[1,2,3,4,5,6,7,8]}", ask: "cart/${item % 3}", handler: put, message: "${item}" }
    reply: { json: "${len(all)}" }
""", more="idle: 1ms")
    with daemon.connect() as client:
        for _ in range(150):
            assert client.request("POST", "/burst", body=b"").json() == 8
    assert actors(daemon)["cart"]["handled"] == 150 * 8
    assert actors(daemon)["cart"]["failed"] == 0


# ------------------------------------------------------------------ mailboxes

FULL = """
http: { u: { url: @url@ } }
actors:
  slow:
    state: []
    mailbox: { messages: 2, full: @full@, waiting: 1 }
    handlers:
      go: { tasks: { t: { get: "u:/" } }, set: "${message}" }
      get: { reply: { json: "${state}" } }
routes:
  POST /send/{n}: { tasks: { t: { send: slow, handler: go, message: "${path.n}" } }, reply: sent }
  GET /state: { tasks: { t: { ask: slow, handler: get } }, reply: { json: "${t}" } }
"""


def full(leat, backend, policy):
    """One message in work, two in the mailbox."""
    stub = backend(holding(1))
    daemon = leat(FULL, url=stub.url, full=policy)
    daemon.post("/send/0")
    await_true(lambda: live(daemon)["slow"]["in_work"])
    assert [daemon.post(f"/send/{n}").text for n in (1, 2)] == ["sent", "sent"]
    return daemon, stub.release


def test_a_full_mailbox_rejects_and_its_sender_is_told(leat, backend):
    daemon, gate = full(leat, backend, "reject")
    assert daemon.post("/send/3").json()["code"] == "queue_full"
    assert actors(daemon)["slow"]["refused"] == 1
    gate.set()
    await_true(lambda: actors(daemon)["slow"]["handled"] == 3)


def test_a_full_mailbox_lets_senders_wait(leat, backend):
    daemon, gate = full(leat, backend, "wait")
    waiting = daemon.connect().send("POST /send/3 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    await_true(lambda: live(daemon)["slow"]["mailbox"] == 3)
    assert daemon.post("/send/4").json()["code"] == "queue_full"
    gate.set()
    assert waiting.response().text == "sent"
    await_true(lambda: actors(daemon)["slow"]["handled"] == 4)


def test_a_full_mailbox_drops_the_oldest_or_the_newest(leat, backend):
    for policy, last in (("drop_oldest", "3"), ("drop_newest", "2")):
        daemon, gate = full(leat, backend, policy)
        assert daemon.post("/send/3").text == "sent"
        gate.set()
        await_true(lambda d=daemon: actors(d)["slow"]["handled"] == 3)
        assert daemon.get("/state").json() == last
        daemon.stop()


def test_an_ask_whose_time_is_over_is_withdrawn(leat, backend):
    stub = backend(holding(1))
    daemon = leat("""
http: { u: { url: @url@ } }
actors:
  a:
    expose: true
    state: 0
    handlers:
      hold: { tasks: { t: { get: "u:/" } } }
      add: { set: "${state + 1}", reply: { json: "${state}" } }
routes:
  POST /add: { timeout: 50ms, tasks: { t: { ask: a, handler: add } }, reply: { json: "${t}" } }
""", url=stub.url)
    held = daemon.connect().send("POST /a/hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    await_true(lambda: live(daemon)["a"]["in_work"])
    assert daemon.post("/add").status == 504
    stub.release.set()
    assert held.response().status == 204
    assert daemon.post_json("/a/add", 0).json() == 1


def test_actors_that_message_themselves_starve_nobody(leat):
    daemon = leat("""
server: { threads: 1 }
timeouts: { shutdown: 50ms }
actors:
  spin:
    expose: true
    state: 0
    handlers:
      go: { tasks: { t: { send: spin, handler: go } }, set: "${state + 1}" }
      other: { tasks: { t: { send: "spun", handler: go } }, set: "${state + 1}" }
  spun: { state: 0, handlers: { go: { tasks: { t: { send: spin, handler: other } }, set: "${state + 1}" } } }
routes: { GET /: { reply: alive } }
""")
    assert daemon.post_json("/spin/go", 1).status == 204
    assert daemon.post_json("/spin/other", 1).status == 204
    for _ in range(20):
        assert daemon.get("/").text == "alive"
        assert daemon.admin("GET", "/v1/actors").status == 200
    assert actors(daemon)["spin"]["handled"] > 20


# ------------------------------------------------------------------ later

LATER = COUNTER + """
routes:
  POST /later/{by}:
    tasks: { s: { send: counter, handler: add, message: { by: "${number(path.by)}" }, delay: @delay@, key: "k:${path.by}" } }
    reply: ok
  POST /cancel/{by}: { tasks: { c: { cancel: "k:${path.by}" } }, reply: ok }
  GET /wait: { tasks: { t: { ask: counter, handler: get, delay: 20ms } }, reply: { json: "${t}" } }
"""


def test_a_delayed_message_comes_after_the_reply(leat):
    daemon = leat(LATER, delay="50ms")
    assert daemon.post("/later/5").text == "ok"
    await_true(lambda: daemon.get("/counter/get").json() == 5)


def test_a_delayed_message_is_cancelled_by_its_key_and_no_other(leat):
    daemon = leat(LATER, delay=f"{300 * SLOW}ms")
    for by in (1, 10):
        daemon.post(f"/later/{by}")
    daemon.post("/cancel/1")
    await_true(lambda: daemon.get("/counter/get").json() > 0)
    assert daemon.get("/counter/get").json() == 10


def test_an_ask_may_wait_first(leat):
    daemon = leat(LATER, delay="1h")
    assert daemon.get("/wait").json() == 0
    daemon.post("/later/1")  # is dropped when the daemon stops


# ------------------------------------------------------------------ failures

RESTART = """
actors:
  a:
    expose: true
    restart: @restart@
    state: { n: 0 }
    handlers:
      add: { set: { n: "${state.n + 1}" }, reply: { json: "${state.n}" } }
      bad: { tasks: { t: { fail: broken } } }
  watcher:
    expose: true
    links: { a: ended }
    state: []
    handlers:
      ended: { set: "${message}" }
      get: { method: GET, reply: { json: "${state}" } }
"""


def broken(leat, restart):
    daemon = leat(RESTART, restart=restart)
    assert daemon.post_json("/a/add", 0).json() == 1
    assert daemon.post_json("/a/bad", 0).json()["code"] == "broken"
    return daemon


def test_restart_keep_goes_on_with_the_state(leat):
    daemon = broken(leat, "keep")
    assert daemon.post_json("/a/add", 0).json() == 2
    assert daemon.get("/watcher/get").json() == []


def test_restart_reset_makes_the_state_anew_and_tells_those_that_are_linked(leat):
    daemon = broken(leat, "reset")
    assert daemon.post_json("/a/add", 0).json() == 1
    await_true(lambda: daemon.get("/watcher/get").json() == {"actor": "a", "reason": "failed"})


def test_restart_stop_refuses_messages_until_a_reload(leat):
    daemon = broken(leat, "stop")
    assert daemon.post_json("/a/add", 0).json()["code"] == "unavailable"
    await_true(lambda: daemon.get("/watcher/get").json() == {"actor": "a", "reason": "failed"})
    assert daemon.reload().returncode == 0
    assert daemon.post_json("/a/add", 0).json() == 2


# ------------------------------------------------------------------ reload and end

def test_state_and_delayed_messages_live_through_a_reload(leat):
    daemon = leat(LATER, delay=f"{500 * SLOW}ms")
    daemon.post_json("/counter/add", {"by": 7})
    daemon.post("/later/1")
    assert daemon.reload(LATER.replace("state.n + message.by", "state.n + message.by * 1000")
                         .replace("@delay@", "1h")).returncode == 0
    assert daemon.get("/counter/get").json() in (7, 1007)
    await_true(lambda: daemon.get("/counter/get").json() == 1007)


def test_an_actor_that_a_reload_removes_ends_and_those_that_it_brings_begin(leat):
    daemon = leat(COUNTER)
    daemon.post_json("/counter/add", {"by": 7})
    assert daemon.reload(COUNTER.replace("counter:", "other:")).returncode == 0
    await_true(lambda: list(live(daemon)) == ["other"])
    assert daemon.post_json("/counter/add", {"by": 7}).status == 404
    assert daemon.reload(COUNTER).returncode == 0
    assert daemon.get("/counter/get").json() == 0


def test_reloads_lose_no_message(leat):
    daemon = leat(COUNTER)
    stop, n_sent = threading.Event(), [0]

    def add():
        while not stop.is_set():
            with daemon.connect() as client:
                for _ in range(100):
                    answer = client.request("POST", "/counter/add", body=b'{"by":1}', headers=JSON)
                    assert answer.status == 200, answer
                    n_sent[0] += 1
    thread = threading.Thread(target=add)
    thread.start()
    for i in range(10):
        assert daemon.reload(COUNTER + f"  new{i}: {{ handlers: {{ x: {{ reply: y }} }} }}\n").returncode == 0
    stop.set()
    thread.join(TIMEOUT)
    assert daemon.get("/counter/get").json() == n_sent[0] > 0


def test_what_is_in_mailboxes_is_handled_before_the_end(leat, backend):
    stub = backend(holding(1))
    daemon = leat("""
http: { u: { url: @url@ } }
actors:
  slow: { handlers: { go: { tasks: { t: { get: "u:/${message}" } } } } }
routes: { "POST /send/{n}": { tasks: { t: { send: slow, handler: go, message: "${path.n}" } }, reply: sent } }
""", url=stub.url)
    for n in range(3):
        daemon.post(f"/send/{n}")
    await_true(lambda: live(daemon)["slow"]["in_work"])
    daemon.signal(15)
    daemon.await_line("stopping")
    stub.release.set()
    daemon.wait()
    assert len(stub.calls) == 3


# ------------------------------------------------------------------ what is refused at load

def test_what_is_wrong_with_actors_is_told_with_its_place():
    for text, message in (
            ("actors: { a: { handlers: { x: { reply: 1 } } } }\nroutes: { GET /: { tasks: { t: { ask: b, handler: x } } } }",
             'leat.yaml:2:39: error: there is no actor "b" in `actors:`'),
            ("actors: { a: { handlers: { x: { reply: 1 } } } }\nroutes: { GET /: { tasks: { t: { ask: a, handler: y } } } }",
             'the actor "a" has no handler "y"'),
            ("actors: { a: { handlers: { leave: { reply: 1 } } } }\nroutes: { GET /: { tasks: { t: { ask: a, handler: leav } } } }",
             'leat.yaml:2:51: error: the actor "a" has no handler "leav"; did you mean "leave"?'),
            ('actors: { "a/{k}": { handlers: { x: { reply: 1 } } } }\nroutes: { GET /: { tasks: { t: { ask: a, handler: x } } } }',
             "the actor is called a/{k}; write it with as many keys"),
            ("actors: { A: { handlers: { x: { reply: 1 } } } }", '"A" cannot be the name of an actor'),
            ("actors: { a: { handlers: { x: { set: \"${message.by + stat.n}\" } } } }", "stat"),
            ("actors: { a: { handlers: { x: { set: \"${path.k}\" } } } }", "path"),
            ("actors: { a: { links: { b: x }, handlers: { x: { reply: 1 } } } }", 'there is no actor "b"'),
            ('actors: { "a/{k}": { links: { b: x }, handlers: { x: { reply: 1 } } }, b: { handlers: { x: { reply: 1 } } } }',
             "only an actor without a key can be told of others"),
            ("actors: { a: { init: { reply: 1 }, handlers: { x: { reply: 1 } } } }", "nobody asks for init"),
            ("actors: { a: { handlers: { x: { reply: { status: 99, text: x } } } } }", "the status of a handler is a number"),
            ("actors: { a: { handlers: { x: { reply: 1 } } } }\nroutes: { GET /: { tasks: { t: { send: a, handler: x, key: k } } } }",
             "a message that is sent at once cannot be cancelled"),
            ("actors: { a: { state: 1 } }", "handlers")):
        code, out = check(text + "\n")
        assert code == 1 and message in out, (text, out)


def test_a_secret_cannot_be_in_a_state_or_a_reply():
    for handler in ('{ set: "${secret.s}" }', '{ reply: { json: "${secret.s}" } }', '{ reply: "${secret.s}" }'):
        code, out = check(f"secrets: {{ dir: s }}\nactors: {{ a: {{ handlers: {{ x: {handler} }} }} }}\n",
                          files={"s/s": "x"})
        assert code == 1 and "a secret cannot be in" in out, out


# ------------------------------------------------------------------ states that outlive the process

KEPT = """
store: { path: "@DIR@/leat.db" }
actors:
  "count/{name}":
    expose: true
    persist: true
    idle: @idle@
    state: 0
    handlers:
      add: { set: "${state + 1}", reply: { json: "${state}" } }
      bad: { set: "${state + 1}", reply: { json: "${message / 0}" } }
      drop: { set: null }
"""


def test_a_persistent_state_lives_through_a_stop_and_idleness(leat):
    daemon = leat(KEPT, idle="20ms")
    assert [daemon.post_json("/count/a/add", 0).json() for _ in range(3)] == [1, 2, 3]
    await_true(lambda: not live(daemon))
    assert daemon.post_json("/count/a/add", 0).json() == 4
    assert daemon.post_json("/count/a/bad", 0).status == 500
    daemon.restart(15)
    assert daemon.post_json("/count/a/add", 0).json() == 5
    assert daemon.post_json("/count/b/add", 0).json() == 1


def test_a_persistent_state_that_is_null_is_not_kept(leat):
    daemon = leat(KEPT, idle="20ms")
    assert daemon.post_json("/count/a/add", 0).json() == 1
    assert daemon.post_json("/count/a/drop", 0).status == 204
    await_true(lambda: not live(daemon))
    assert daemon.post_json("/count/a/add", 0).json() == 1


def test_nothing_that_was_replied_to_is_lost_by_a_crash(leat):
    daemon = leat(KEPT, idle="10m")
    replied = {"a": 0, "b": 0}
    for _ in range(10):
        stop, threads = threading.Event(), []
        clients = {name: daemon.connect() for name in replied}

        def add(name, stop=stop, clients=clients):
            try:
                with clients[name] as client:
                    while not stop.is_set():
                        replied[name] = client.request("POST", f"/count/{name}/add", body=b"0",
                                                       headers=JSON).json()
            except (Closed, OSError):
                pass
        before = dict(replied)
        for name in replied:
            threads.append(threading.Thread(target=add, args=(name,)))
            threads[-1].start()
        await_true(lambda b=before: all(replied[name] > b[name] + 3 for name in replied))
        daemon.restart(9)
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT)
        for name, last in replied.items():
            now = daemon.post_json(f"/count/{name}/add", 0).json()
            assert now in (last + 1, last + 2), (name, last, now)
            replied[name] = now


# ------------------------------------------------------------------ what is to be sent to them later

LATER_KEPT = """
store: { path: "@DIR@/leat.db" }
actors:
  note:
    persist: true
    expose: true
    state: ","
    handlers:
      add: { set: "${state + message + ','}" }
      get: { method: GET, reply: { json: "${state}" } }
      fail: { tasks: { f: { fail: broken } } }
  fleeting: { expose: true, state: ",", handlers: { add: { set: "${state + message + ','}" }, get: { method: GET, reply: "${state}" } } }
routes:
  POST /later/{actor}/{handler}/{key}/{text}:
    tasks: { s: { send: "${path.actor}", handler: "${path.handler}", message: "${path.text}", delay: @delay@, key: "k:${path.key}" } }
    reply: ok
  POST /cancel/{key}: { tasks: { c: { cancel: "k:${path.key}" } }, reply: { json: "${c}" } }
"""


def noted(daemon):
    return set(daemon.get("/note/get").json().strip(",").split(","))


def stored(daemon, sql):
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db"), timeout=30) as file:
        rows = file.execute(sql).fetchall()
    file.close()
    return rows


def kept(daemon):
    return stored(daemon, "select count(*) from todo where kind = 2 and state < 2")[0][0]


def test_a_delayed_message_to_an_actor_that_is_kept_is_not_lost_by_kill_9(leat):
    daemon = leat(LATER_KEPT, delay="1h")
    for i in range(20):
        assert daemon.post(f"/later/note/add/k{i // 2}/n{i}").text == "ok"
    assert daemon.post("/later/fleeting/add/f/gone").text == "ok"
    assert daemon.post("/cancel/k3").json() == 2  # all that have the name
    daemon.restart(9)
    assert kept(daemon) == 18
    assert daemon.post("/cancel/k3").json() == 0
    assert daemon.post("/cancel/k4").json() == 2
    stored(daemon, "update todo set due = 0")  # an hour later
    daemon.restart(9)
    await_true(lambda: kept(daemon) == 0, 60)
    assert noted(daemon) == {f"n{i}" for i in range(20) if i not in (6, 7, 8, 9)}
    assert daemon.get("/fleeting/get").text == ","  # it has no place in the store


def test_kill_9_while_kept_messages_are_sent_loses_none(leat):
    daemon, sent = leat(LATER_KEPT, delay="5ms"), set()
    for number in range(3):
        for i in range(30):
            assert daemon.post(f"/later/note/add/k/{number}x{i}").text == "ok"
            sent.add(f"{number}x{i}")
        daemon.restart(9)
    await_true(lambda: kept(daemon) == 0, 60)
    assert noted(daemon) == sent


def test_a_kept_message_whose_handler_fails_is_tried_again_and_can_be_cancelled_meanwhile(leat):
    daemon = leat(LATER_KEPT, delay="5ms")
    assert daemon.post("/later/note/fail/k/x").text == "ok"
    daemon.await_line("scheduled run failed what=note .*try=1 error=broken, trying again")
    await_true(lambda: daemon.post("/cancel/k").json() == 1)
    assert kept(daemon) == 0


def test_a_kept_message_for_nobody_is_refused_at_once(leat):
    daemon = leat(LATER_KEPT, delay="1h")
    assert daemon.post("/later/nobody/add/k/x").status == 404
    assert kept(daemon) == 0


# ------------------------------------------------------------------ memory

MEMORY = """
limits: { total_memory: 8m, body: 1m }
actors:
  "box/{id}":
    max: 100000
    mailbox: { bytes: 64m }
    state: { text: "" }
    handlers:
      put: { tasks: { t: { get: "@up@/" } } }
      grow: { set: { text: "${state.text + message}" }, reply: { json: "${len(state.text)}" } }
      size: { reply: { json: "${len(state.text)}" } }
routes:
  POST /put: { body: { type: json }, tasks: { t: { send: box/one, handler: put, message: "${body}" } }, reply: ok }
  POST /grow: { body: { type: json }, tasks: { t: { ask: box/two, handler: grow, message: "${body}" } }, reply: { json: "${t}" } }
  GET /size: { tasks: { t: { ask: box/two, handler: size } }, reply: { json: "${t}" } }
  POST /many: { body: { type: json }, tasks: { all: { each: "${body}", send: "box/${item}", handler: size } }, reply: ok }
"""


def used(daemon):
    return actors(daemon)["box"]["memory_bytes"]


def until_refused(daemon, target, body):
    """What was answered, until the memory of all is used up."""
    answers = []
    while len(answers) < 100:
        answers.append(daemon.request("POST", target, body=body(len(answers)), headers=JSON))
        if answers[-1].status != 200:
            break
    assert answers[-1].status in (500, 503), answers[-1]
    return answers[:-1]


def test_mailboxes_count_in_the_memory_of_all_and_are_given_back(leat, backend):
    up = backend(holding(1))
    daemon = leat(MEMORY, up=up.url)
    before = used(daemon)
    n_sent = len(until_refused(daemon, "/put", lambda _: json.dumps("x" * 200000)))
    assert 10 < n_sent < 41 and n_sent * 200000 < used(daemon) < 8 << 20
    assert f'leat_actor_memory_bytes{{actor="box"}} {used(daemon)}' in daemon.admin("GET", "/metrics").text
    up.release.set()
    await_true(lambda: used(daemon) < before + 4096 and actors(daemon)["box"]["messages"] == 0, 60)
    assert daemon.post_json("/put", "x" * 200000).status == 200


def test_a_state_that_does_not_fit_into_the_memory_of_all_is_none(leat):
    daemon = leat(MEMORY, up="http://127.0.0.1:1")
    size = until_refused(daemon, "/grow", lambda _: json.dumps("x" * 300000))[-1].json()
    assert 600000 <= size < 8 << 20 and size < used(daemon) < size + 10000
    assert daemon.get("/size").json() == size


def test_actors_themselves_count_in_the_memory_of_all(leat):
    daemon = leat(MEMORY, up="http://127.0.0.1:1")
    until_refused(daemon, "/many", lambda n: json.dumps(list(range(n * 400, n * 400 + 400))))
    assert 4 << 20 < used(daemon) <= 8 << 20
