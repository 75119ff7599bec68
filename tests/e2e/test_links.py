"""tests/e2e/test_links.py: links that are made while running: who is told, once, that an actor has ended."""
from leat import SLOW, await_true, check

# `watcher` keeps what it was told, in order; `cart` ends when it is idle, `safe` rests in the store, `frail` is reset.
LINKS = """
actors:
  "cart/{user}":
    expose: true
    idle: @idle@
    handlers: { touch: { reply: ok } }
  "safe/{user}":
    expose: true
    persist: true
    idle: @idle@
    state: 0
    handlers: { add: { set: "${state + 1}", reply: ok } }
  "frail/{user}":
    expose: true
    restart: reset
    handlers: { touch: { reply: ok }, bad: { tasks: { t: { fail: broken } } } }
  counter: { expose: true, restart: stop, handlers: { bad: { tasks: { t: { fail: broken } } } } }
  "watcher/{id}":
    expose: true
    state: ""
    restart: @restart@
    handlers:
      watch: { tasks: { t: { link: "${message}", handler: gone } } }
      kept: { tasks: { t: { link: "cart/${message}", handler: gone } } }
      later: { tasks: { t: { link: "${message}", handler: lost } } }
      unwatch: { tasks: { t: { unlink: "${message}" } } }
      gone: { set: "${state + message.actor + '=' + message.reason + ' '}" }
      lost: { set: "${state + 'lost '}" }
      fail: { tasks: { t: { fail: broken } } }
      told: { method: GET, reply: { json: "${state}" } }
"""
IDLE = f"{200 * SLOW}ms"


def linked(leat, idle=IDLE, restart="keep", more=""):
    return leat(LINKS + more, idle=idle, restart=restart)


def live(daemon):
    return {one["name"]: one for one in daemon.admin("GET", "/v1/actors").json()["live"]}


def watch(daemon, name, by="w", handler="watch"):
    assert daemon.post_json(f"/watcher/{by}/{handler}", name).status == 204


def told(daemon, by="w"):
    return daemon.get(f"/watcher/{by}/told").json().split()


def touch(daemon, name):
    assert daemon.post_json(f"/{name}", 0).text == "ok"


def notice(name, reason):
    return f"{name}={reason}"


def test_a_link_tells_once_that_an_actor_has_ended_and_is_gone_then(leat):
    daemon = linked(leat)
    touch(daemon, "cart/a/touch")
    for _ in range(2):  # a second one has no effect
        watch(daemon, "cart/a")
    watch(daemon, "cart/a", by="v")
    await_true(lambda: told(daemon) == [notice("cart/a", "normal")])
    await_true(lambda: told(daemon, "v") == [notice("cart/a", "normal")])
    assert live(daemon)["watcher/w"]["links"] == 0
    touch(daemon, "cart/a/touch")
    await_true(lambda: "cart/a" not in live(daemon))
    watch(daemon, "cart/b")  # comes behind what another end would have told
    await_true(lambda: told(daemon)[1:] == [notice("cart/b", "no_actor")])


def test_what_does_not_live_is_told_at_once_and_values_in_names_are_one_part(leat):
    daemon = linked(leat, idle="1h")
    touch(daemon, "cart/a%2Fb/touch")
    watch(daemon, "a/b", handler="kept")
    watch(daemon, "cart/never")
    await_true(lambda: told(daemon) == [notice("cart/never", "no_actor")])
    assert live(daemon)["watcher/w"]["links"] == 1
    for name, code in (("other", "not_found"), ("cart", "invalid_input"), ("cart/", "invalid_input"), ("", "invalid_input")):
        failed = daemon.post_json("/watcher/w/watch", name)
        assert failed.json()["code"] == code, name
    assert told(daemon) == [notice("cart/never", "no_actor")]


def test_a_failure_that_resets_or_stops_an_actor_is_its_end_for_those_linked_once(leat):
    daemon = linked(leat)
    touch(daemon, "frail/a/touch")
    watch(daemon, "frail/a")
    watch(daemon, "counter")
    for name in ("frail/a", "counter"):
        daemon.post_json(f"/{name}/bad", 0)
    ends = [notice("counter", "failed"), notice("frail/a", "failed")]
    await_true(lambda: sorted(told(daemon)) == ends)
    daemon.post_json("/frail/a/bad", 0)
    watch(daemon, "cart/b")
    await_true(lambda: len(told(daemon)) == 3)
    assert notice("cart/b", "no_actor") in told(daemon)


def test_a_second_link_to_the_same_actor_changes_the_handler_and_unlink_takes_it_back(leat):
    daemon = linked(leat)
    for name in ("a", "b", "c"):
        touch(daemon, f"frail/{name}/touch")
        watch(daemon, f"frail/{name}")
    watch(daemon, "frail/a", handler="later")
    watch(daemon, "frail/b", handler="unwatch")
    watch(daemon, "frail/b", handler="unwatch")  # and one that is not there
    assert live(daemon)["watcher/w"]["links"] == 2
    for name in ("a", "b", "c"):
        daemon.post_json(f"/frail/{name}/bad", 0)
    await_true(lambda: len(told(daemon)) == 2)
    assert sorted(told(daemon)) == [notice("frail/c", "failed"), "lost"]


def test_an_actor_that_is_reset_has_no_links_any_more(leat):
    daemon = linked(leat, restart="reset")
    touch(daemon, "frail/a/touch")
    watch(daemon, "frail/a")
    assert live(daemon)["watcher/w"]["links"] == 1
    assert daemon.post_json("/watcher/w/fail", 0).status == 500
    assert live(daemon)["watcher/w"]["links"] == 0
    daemon.post_json("/frail/a/bad", 0)
    watch(daemon, "cart/b")
    await_true(lambda: told(daemon) == [notice("cart/b", "no_actor")])


RESTING = """
actors:
  "cart/{user}": { expose: true, restart: reset, handlers: { touch: { reply: ok }, bad: { tasks: { t: { fail: broken } } } } }
  "safe/{user}":
    expose: true
    persist: true
    idle: @idle@
    state: ""
    handlers:
      watch: { tasks: { t: { link: "${message}", handler: gone } }, set: "${state}" }
      gone: { set: "${state + message.actor + '=' + message.reason + ' '}" }
      told: { method: GET, reply: { json: "${state}" } }
  "brief/{user}":
    expose: true
    idle: @idle@
    state: ""
    handlers:
      watch: { tasks: { t: { link: "${message}", handler: gone } } }
      gone: { set: "${state + message.actor + '=' + message.reason + ' '}" }
      told: { method: GET, reply: { json: "${state}" } }
"""


def test_an_actor_that_rests_in_the_store_keeps_its_links_and_is_woken_by_the_notice(leat):
    daemon = leat(RESTING, idle=IDLE)
    touch(daemon, "cart/a/touch")
    for name in ("safe/w", "brief/w", "safe/v"):
        assert daemon.post_json(f"/{name}/watch", "cart/a" if name != "safe/v" else "safe/w").status == 204
    await_true(lambda: not {"safe/w", "brief/w", "safe/v"} & set(live(daemon)))
    daemon.post_json("/cart/a/bad", 0)
    await_true(lambda: daemon.get("/safe/w/told").json().split() == [notice("cart/a", "failed")])
    assert daemon.get("/safe/v/told").json().split() == []  # who rests has not ended
    assert daemon.get("/brief/w/told").json().split() == []  # who has ended has no links


def test_a_reload_keeps_links_and_those_to_what_it_removes_are_told(leat):
    daemon = linked(leat, idle="1h")
    touch(daemon, "cart/a/touch")
    touch(daemon, "frail/a/touch")
    for name in ("cart/a", "frail/a"):
        watch(daemon, name)
    assert daemon.reload(LINKS.replace('"cart/{user}"', '"other/{user}"').replace("cart/$", "other/$")
                         .replace("@idle@", "1h").replace("@restart@", "keep")).returncode == 0
    await_true(lambda: told(daemon) == [notice("cart/a", "normal")])
    daemon.post_json("/frail/a/bad", 0)
    await_true(lambda: told(daemon)[1:] == [notice("frail/a", "failed")])


def test_an_actor_is_linked_to_ten_thousand_others_and_no_more(leat):
    daemon = leat("""
limits: { total_memory: 1g }
actors:
  "safe/{n}": { persist: true, handlers: { touch: { reply: ok } } }
  all:
    expose: true
    handlers:
      watch:
        timeout: 10m
        tasks: { t: { each: "${message}", link: "safe/${item}", handler: gone } }
      one: { tasks: { t: { link: "safe/${message}", handler: gone } } }
      gone: { reply: ok }
""")
    numbers = list(range(10000))
    for at in range(0, 10000, 1000):
        assert daemon.post_json("/all/watch", numbers[at:at + 1000]).status == 204
    assert live(daemon)["all"]["links"] == 10000
    refused = daemon.post_json("/all/one", "more")
    assert refused.json()["code"] == "queue_full"
    assert daemon.post_json("/all/one", 5).status == 204  # which is there


def test_a_detached_task_that_outlives_its_actor_sends_in_its_name_and_links_nothing(leat):
    daemon = leat("""
actors:
  "brief/{user}":
    expose: true
    idle: 1ms
    handlers:
      go:
        tasks:
          g:
            detach: true
            tasks:
              w: { wait: @wait@ }
              s: { send: keeper, handler: note, message: 1, after: w }
              l: { link: keeper, handler: go, after: s, optional: true }
  keeper:
    expose: true
    state: none
    handlers: { note: { set: "${sender.actor}" }, get: { method: GET, reply: { json: "${state}" } } }
""", wait=f"{300 * SLOW}ms")
    daemon.post_json("/brief/" + "x" * 200 + "/go", 0)
    await_true(lambda: not [name for name in live(daemon) if name.startswith("brief")])
    await_true(lambda: daemon.get("/keeper/get").json() == "brief/" + "x" * 200)


def test_links_that_cannot_be_right_are_load_errors():
    actor = "actors: { a: { handlers: { x: { tasks: { t: { @ } } } } }, \"b/{k}\": { handlers: { y: { reply: 1 } } } }"
    for text, says in [
            (actor.replace("@", 'link: c, handler: x'), 'there is no actor "c" in `actors:`'),
            (actor.replace("@", 'link: b, handler: x'), "the actor is called b/{k}; write it with as many keys"),
            (actor.replace("@", 'link: "b/1", handler: y'), 'names a handler of the actor that is told, and "a" has no "y"'),
            (actor.replace("@", 'link: "b/1"'), "handler"),
            (actor.replace("@", 'link: "b@there", handler: x'), 'there is no host "there" in `peers:`'),
            ('routes: { GET /: { tasks: { t: { link: a, handler: x } } } }', "`link` is for handlers of `actors:`"),
            ('flows: { f: { tasks: { t: { unlink: a } } } }', "`unlink` is for handlers of `actors:`")]:
        code, out = check(text)
        assert code != 0 and says in out, (text, out)
