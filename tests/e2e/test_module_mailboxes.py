"""tests/e2e/test_module_mailboxes.py: mailboxes of modules' actors (tests/modules/mailboxes.c): their bounds and policies, the
order of messages, answers that come as messages, and who has no more than his share of a loop."""
import json
import os

import pytest

from databases import free_port
from leat import BINARY, await_true
from peer_hosts import BEAT, GRACE, KEY

MODULE = os.path.join(os.path.dirname(os.path.abspath(BINARY)), "tests", "modules", "mailboxes.so")

CONF = """
server: { threads: @THREADS@, compute_threads: 2 }
modules: ["@DIR@/m.so"]
routes:
  POST /send/{name}/{handler}: { body: { type: json }, tasks: { t: { send: "${path.name}", handler: "${path.handler}", message: "${body}" } } }
  POST /open: { tasks: { t: { signal: gate, wake: 1, keep: 1m } } }
"""


def begin(leat, threads=2):
    with open(MODULE, "rb") as file:
        return leat(CONF.replace("@THREADS@", str(threads)), files={"m.so": file.read()})


def live(daemon, name):
    return next((one for one in daemon.admin("GET", "/v1/actors").json()["live"] if one["name"] == name), None)


def tell(daemon, name):
    return daemon.get(f"/{name}/tell").json()


def send(daemon, name, message, handler="add"):
    return daemon.post_json(f"/send/{name}/{handler}", message)


def later(daemon, name, message, handler="add", of=None):
    """A request whose answer comes later."""
    body = json.dumps(message)
    target = f"/{of}" if of else f"/send/{name}/{handler}"
    return daemon.connect().send(f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                                 f"Content-Length: {len(body)}\r\n\r\n{body}")


def begun(daemon, name):
    """What was sent to it is being handled."""
    return live(daemon, name)["in_work"] and live(daemon, name)["mailbox"] == 0


def held(daemon, name, n=2):
    """A message of it is in work until /open, and n wait: 1, 2, …"""
    send(daemon, name, 1, "hold")
    await_true(lambda: begun(daemon, name))
    for number in range(1, n + 1):
        assert send(daemon, name, number).status == 204
    return daemon


def opened(daemon, name, total):
    """They are handled, and add up to `total`."""
    assert daemon.post("/open").status == 204
    await_true(lambda: live(daemon, name)["mailbox"] == 0 and not live(daemon, name)["in_work"])
    assert tell(daemon, name)["sum"] == total


def test_a_full_mailbox_of_a_module_rejects(leat):
    daemon = held(begin(leat), "rejects")
    assert send(daemon, "rejects", 4).json()["code"] == "queue_full"
    assert live(daemon, "rejects")["refused"] == 1
    opened(daemon, "rejects", 3)


def test_a_full_mailbox_of_a_module_lets_as_many_wait_as_may(leat):
    daemon = held(begin(leat), "waits")
    waiting = later(daemon, "waits", 4)
    await_true(lambda: live(daemon, "waits")["mailbox"] == 3)
    assert send(daemon, "waits", 8).json()["code"] == "queue_full"
    opened(daemon, "waits", 7)
    assert waiting.response().status == 204


@pytest.mark.parametrize("name, total, answered", [("drops_oldest", 6, [503, 200]), ("drops_newest", 3, [200, 503])])
def test_a_full_mailbox_of_a_module_drops_the_oldest_or_the_newest_and_who_asks_is_told(leat, name, total, answered):
    daemon = held(begin(leat), name, 0)
    asked = later(daemon, name, 1, of=f"{name}/add")
    await_true(lambda: live(daemon, name)["mailbox"] == 1)
    assert send(daemon, name, 2).status == 204
    last = later(daemon, name, 4, of=f"{name}/add")
    await_true(lambda: live(daemon, name)["refused"] == 1)
    opened(daemon, name, total)
    assert [asked.response().status, last.response().status] == answered


def test_a_mailbox_of_a_module_is_bounded_in_bytes(leat):
    daemon = held(begin(leat), "rejects", 0)
    assert send(daemon, "rejects", "x" * 4096).json()["code"] == "too_large"
    assert send(daemon, "rejects", "x" * 2000).status == 204
    assert send(daemon, "rejects", "x" * 2000).json()["code"] == "queue_full"
    opened(daemon, "rejects", 0)


def test_an_end_at_once_does_not_wait_behind_messages_and_fails_who_asks(leat):
    daemon = held(begin(leat), "rejects", 0)
    asked = later(daemon, "rejects", 1, of="rejects/add")
    await_true(lambda: live(daemon, "rejects")["mailbox"] == 1)
    assert send(daemon, "rejects", 2).status == 204
    assert daemon.post_json("/large/end", "rejects").status == 200
    assert asked.response().status == 503
    await_true(lambda: live(daemon, "rejects") is None)
    assert daemon.post_json("/large/join_itself", 1).status == 503


def test_what_one_actor_sends_another_is_handled_in_order(leat):
    daemon = begin(leat)
    for name in ("large", "computes"):
        assert daemon.post_json("/waits/number", name).status == 200
        await_true(lambda n=name: tell(daemon, n)["last"] == 2000)
        assert tell(daemon, name)["disorders"] == 0


def test_actors_of_modules_that_message_themselves_starve_nobody(leat):
    daemon = begin(leat, threads=1)
    for name in ("large", "waits", "rejects"):
        send(daemon, name, 1, "again")
    for number in range(1, 20):
        assert daemon.post_json("/drops_oldest/add", 1).json() == number
    handled = live(daemon, "large")["handled"]
    await_true(lambda: live(daemon, "large")["handled"] > handled)
    for name in ("large", "waits", "rejects"):  # else the daemon waits for them
        assert daemon.post_json("/drops_newest/end", name).status == 200


def told(daemon, name):
    return json.loads(tell(daemon, name)["told"] or "null")


def test_what_was_delayed_makes_room_for_what_a_module_sends(leat):
    daemon = held(begin(leat), "drops_oldest", 0)
    assert daemon.post_json("/large/soon", {"name": "drops_oldest", "handler": "add"}).status == 200
    await_true(lambda: live(daemon, "drops_oldest")["mailbox"] == 1)
    assert daemon.post_json("/large/number", "drops_oldest").status == 200
    opened(daemon, "drops_oldest", 0)
    assert tell(daemon, "drops_oldest")["last"] == 2000


def test_answers_that_are_there_at_once_find_what_waits_for_them(leat):
    """Whoever is asked is on another loop for some of those who ask, and the answer is there before they have gone on."""
    daemon = held(begin(leat, threads=3), "rejects")
    for name in ("waits", "drops_oldest", "drops_newest", "large"):
        assert daemon.post_json(f"/{name}/rush", {"name": "rejects", "handler": "add"}).status == 200
    opened(daemon, "rejects", 3)


def test_what_is_deferred_comes_as_a_message_while_others_are_handled(leat):
    daemon = begin(leat)
    for name in ("large", "computes"):
        assert daemon.post_json(f"/{name}/later", {"name": "waits", "handler": "hold"}).status == 200
        await_true(lambda: live(daemon, "waits")["in_work"])
        assert daemon.post_json(f"/{name}/add", 3).json() == 3  # not in work meanwhile
        assert daemon.post("/open").status == 204
        await_true(lambda n=name: told(daemon, n) == {"value": None, "with": [7]})
        daemon.post_json(f"/{name}/later", {"name": "drops_oldest", "handler": "add"})
        await_true(lambda n=name, v=5 if name == "large" else 10: told(daemon, n) == {"value": v, "with": [7]})
        daemon.post_json(f"/{name}/later", {"name": "waits", "handler": "refuse"})
        await_true(lambda n=name: told(daemon, n) == {"error": "no_way", "detail": "asked to", "with": [7]})


def test_what_is_deferred_comes_however_full_the_mailbox_is(leat):
    daemon = begin(leat)
    assert daemon.post_json("/rejects/later", {"name": "computes", "handler": "hang"}).status == 200
    await_true(lambda: begun(daemon, "computes"))
    held(daemon, "rejects")
    assert send(daemon, "rejects", 4).json()["code"] == "queue_full"
    assert daemon.post_json("/large/end", "computes").status == 200
    await_true(lambda: live(daemon, "rejects")["mailbox"] == 3)
    opened(daemon, "rejects", 3)
    assert told(daemon, "rejects") == {"value": None, "with": [7]}


def test_what_is_deferred_tells_whether_it_was_set_or_dropped(leat):
    daemon = begin(leat)
    assert daemon.post_json("/large/set", {"x": "é"}).status == 200
    await_true(lambda: told(daemon, "large") == {"value": {"x": "é"}, "with": None})
    assert daemon.post_json("/large/set", None).status == 200
    await_true(lambda: told(daemon, "large") == {"error": "aborted", "detail": "the promise was dropped", "with": None})


def test_a_future_whose_target_has_gone_fails(leat):
    daemon = begin(leat)
    asking = later(daemon, None, {"name": "computes", "handler": "hang"}, of="waits/now")
    await_true(lambda: begun(daemon, "computes"))
    assert daemon.post_json("/large/later", {"name": "computes", "handler": "add"}).status == 200
    await_true(lambda: live(daemon, "computes")["mailbox"] == 1)
    assert daemon.post_json("/drops_newest/end", "computes").status == 200
    await_true(lambda: (told(daemon, "large") or {}).get("error") == "unavailable")
    assert asking.response().json() is None  # it was in work, and was told
    assert daemon.post_json("/waits/now", {"name": "large", "handler": "none"}).status == 404
    assert daemon.post_json("/waits/now", {"name": "large", "handler": "refuse"}).json()["code"] == "no_way"


def test_what_is_associated_is_not_handled_when_nobody_waits_for_it_any_more(leat):
    daemon = held(begin(leat), "large", 0)
    later(daemon, None, {"name": "large", "handler": "add"}, of="waits/now")
    await_true(lambda: live(daemon, "large")["mailbox"] == 1)
    assert daemon.post_json("/drops_newest/end", "waits").status == 200
    await_true(lambda: live(daemon, "waits") is None)
    opened(daemon, "large", 0)


HERE = """
listen: 127.0.0.1:@PORT@
modules: ["@DIR@/m.so"]
peers: { there: { address: "127.0.0.1:@THERE@", as: here, key: @KEY@, heartbeat: @BEAT@, grace: @GRACE@ } }
actors:
  watcher:
    links: { frail@there: gone }
    handlers: { gone: { tasks: { t: { send: large, handler: told, message: "${message}" } } } }
"""

THERE = """
listen: 127.0.0.1:@PORT@
peers: { here: { as: there, key: @KEY@, heartbeat: @BEAT@, grace: @GRACE@ } }
actors:
  frail:
    expose: true
    restart: reset
    handlers:
      twice: { reply: { json: "${message + message}" } }
      fall: { tasks: { t: { fail: fallen } } }
"""


def test_actors_of_modules_ask_those_of_other_hosts_and_hear_of_their_ends(stage):
    port, names = free_port(), {"KEY": KEY, "BEAT": BEAT, "GRACE": GRACE}
    there = stage.leat(THERE, PORT=port, **names)
    with open(MODULE, "rb") as file:
        here = stage.leat(HERE, PORT=free_port(), THERE=port, files={"m.so": file.read()}, **names)
    assert here.post_json("/large/ask", {"name": "frail@there", "handler": "twice"}).json() == 10
    there.post("/frail/fall")
    await_true(lambda: told(here, "large") == {"actor": "frail@there", "reason": "failed"})
    there.stop()
    await_true(lambda: told(here, "large") == {"actor": "frail@there", "reason": "no_connection"}, seconds=30)
