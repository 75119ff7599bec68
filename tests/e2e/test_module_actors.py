"""tests/e2e/test_module_actors.py: actors of native modules, and how flows, HTTP and they reach each other."""
import os
import threading

from leat import BINARY, SLOW, await_true, check

BUILT = os.path.dirname(os.path.abspath(BINARY))
MODULE = os.path.join(BUILT, "tests", "modules", "actors.so")
ROOMS = os.path.join(BUILT, "examples", "rooms.so")

CONF = """
server: { threads: 2, compute_threads: 2 }
modules: ["@DIR@/m.so"]
actors:
  yaml:
    state: 0
    links: { soft: told }
    handlers:
      add: { set: "${state + message}", reply: { json: "${state}" } }
      told: { set: "${message.reason}" }
      get: { reply: { json: "${state}" } }
routes:
  GET /yaml: { tasks: { t: { ask: yaml, handler: get } }, reply: { json: "${t}" } }
  POST /send/{name}/{handler}: { body: { type: json }, tasks: { t: { send: "${path.name}", handler: "${path.handler}", message: "${body}" } } }
  GET /hang: { tasks: { t: { ask: hard, handler: hang, timeout: 50ms } }, reply: { json: "${t}" } }
"""


def read(path):
    with open(path, "rb") as file:
        return file.read()


def begin(leat, more=""):
    return leat(CONF + more, files={"m.so": read(MODULE)})


def state(daemon, name="soft"):
    return daemon.get(f"/{name}/get").json()


def test_flows_and_http_reach_actors_of_modules_on_the_loop_and_on_the_pool(leat):
    daemon = begin(leat)
    for name in ("soft", "hard"):
        assert daemon.post_json(f"/{name}/add", 5).json() == 5
        assert daemon.post_json(f"/send/{name}/add", 2).status == 204
        await_true(lambda n=name: state(daemon, n)["n"] == 7)
    assert daemon.post_json("/soft/refuse", 1).status == 418
    shown = daemon.admin("GET", "/v1/actors").json()
    assert {one["name"] for one in shown["live"]} == {"soft", "hard", "yaml"}
    assert [one["failed"] for one in shown["actors"] if one["name"] == "soft"] >= [1]
    assert "POST /soft/add: Adds." in daemon.admin("GET", "/help/soft").text


def test_one_message_is_handled_at_a_time(leat):
    daemon = begin(leat)

    def many(name, handler):
        with daemon.connect() as client:
            for _ in range(50):
                answer = client.request("POST", f"/{name}/{handler}", body="1", headers={"Content-Type": "application/json"})
                assert answer.status == 200
    threads = [threading.Thread(target=many, args=args)
               for args in [("soft", "slow"), ("soft", "add"), ("hard", "add"), ("hard", "add")]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(daemon)["overlaps"] == 0 and state(daemon)["n"] == 100
    assert state(daemon, "hard")["overlaps"] == 0


def test_an_actor_of_a_module_asks_others_by_name(leat):
    daemon = begin(leat)
    assert daemon.post_json("/soft/relay", {"name": "yaml", "handler": "add", "message": 3}).json() == 3
    assert daemon.post_json("/soft/relay", {"name": "hard", "handler": "add", "message": 4}).json() == 4
    assert daemon.post_json("/soft/relay", {"name": "nobody", "handler": "add"}).status == 404
    assert daemon.post_json("/soft/relay", {"name": "soft", "handler": "add"}).status == 503  # itself


def test_links_and_joins_are_told_why_an_actor_has_ended(leat):
    daemon = begin(leat)
    for how in ("normal", "killed", "failed"):
        assert daemon.post_json("/soft/child", how).json() is True
        await_true(lambda h=how: state(daemon)["reason"][:6] == h)
    await_true(lambda: state(daemon)["states"] == 2)  # the children's are gone
    assert state(daemon)["overlaps"] == 0
    daemon.post_json("/send/soft/end", 1)
    await_true(lambda: daemon.get("/yaml").json() == "failed")
    await_true(lambda: daemon.post_json("/soft/add", 1).status == 404)


def test_a_delayed_message_comes_or_is_cancelled(leat):
    daemon = begin(leat)
    daemon.post_json("/soft/delayed", 5)
    await_true(lambda: state(daemon)["n"] == 100)
    assert daemon.post_json("/soft/delayed", -1).json() is False  # it was sent
    daemon.post_json("/soft/delayed", 3600000)
    assert daemon.post_json("/soft/delayed", -1).json() is True
    daemon.post_json("/soft/delayed", 3600000)  # goes with the daemon


def test_what_computes_is_told_that_nobody_waits(leat):
    daemon = begin(leat)
    assert daemon.get("/hang").status == 504
    await_true(lambda: state(daemon, "hard")["n"] == 0)


def test_a_module_is_unloaded_after_its_actors_have_ended(leat):
    daemon = begin(leat)
    daemon.post_json("/soft/add", 1)
    daemon.post_json("/send/soft/slow", 300 * SLOW)
    with open(os.path.join(daemon.dir, "n.so"), "wb") as file:
        file.write(read(MODULE))
    assert daemon.reload(CONF.replace("m.so", "n.so")).returncode == 0
    assert daemon.get("/soft/get").json()["n"] == 0  # of the new one, while the old one is at work
    daemon.await_line("fini states=0")
    assert daemon.reload("routes: { GET /: { reply: ok } }\n").returncode == 0
    await_true(lambda: daemon.stderr.count("fini states=0") == 2)


def test_an_end_at_once_is_told_to_what_computes_and_lets_the_module_go(leat):
    daemon = begin(leat)
    daemon.post_json("/send/hard/hang", 1)
    await_true(lambda: any(one["name"] == "hard" and one["in_work"] for one in daemon.admin("GET", "/v1/actors").json()["live"]))
    daemon.post_json("/send/soft/slow", 300 * SLOW)
    daemon.post_json("/send/soft/kill_hard", 1)
    assert daemon.reload("routes: { GET /: { reply: ok } }\n").returncode == 0  # before the one is killed
    daemon.await_line("fini states=0")


def test_a_module_stays_until_the_last_message_of_its_actors_is_released(leat):
    daemon = begin(leat)
    daemon.post_json("/soft/flood", 1)
    assert daemon.reload("routes: { GET /: { reply: ok } }\n").returncode == 0
    daemon.await_line("fini states=0")
    assert daemon.get("/").text == "ok"


def test_a_message_that_its_call_has_no_memory_for_is_not_handled(leat):
    daemon = begin(leat, "limits: { memory: 64k }\n")
    assert daemon.post_json("/soft/big", 1).status == 200
    await_true(lambda: [one["failed"] for one in daemon.admin("GET", "/v1/actors").json()["live"] if one["name"] == "hard"] == [1])
    assert state(daemon, "hard")["n"] == 0


def test_what_the_file_says_of_actors_of_modules_is_checked():
    for text, message in (
            ("actors: { soft: { handlers: { x: { reply: 1 } } } }", 'there is an actor "soft" already'),
            ("routes: { GET /: { tasks: { t: { ask: sofd, handler: add } } } }", 'did you mean "soft"?'),
            ("routes: { GET /: { tasks: { t: { ask: soft, handler: ad } } } }", 'has no handler "ad"; did you mean "add"?'),
            ("routes: { GET /: { tasks: { t: { ask: soft/x, handler: add } } } }", "write it with as many keys")):
        code, out = check(f"modules: [{MODULE}]\n{text}\n")
        assert code == 1 and message in out, (text, out)


def test_the_example_with_rooms_counts_guests(leat):
    with open(os.path.join(BUILT, "examples", "rooms.yaml"), encoding="utf-8") as file:
        text = file.read().replace("listen: 127.0.0.1:8080\n", "")
    daemon = leat(text, files={"rooms.so": read(ROOMS)})
    assert daemon.post("/rooms/blue/guests").status == 404
    assert daemon.post_json("/hall/open", "blue").json() is None
    assert daemon.post_json("/hall/open", "blue").status == 409
    assert [daemon.post("/rooms/blue/guests").json() for _ in range(3)] == [1, 2, 3]
    assert daemon.post_json("/hall/guide", "blue").json() is None
    assert daemon.post_json("/hall/guide", "red").status == 404
    await_true(lambda: daemon.get("/hall/count").json() == {"rooms": 1, "gone": 0, "guests": 1})
    assert daemon.post("/rooms/blue/guests").json() == 5
    assert daemon.request("DELETE", "/rooms/blue").status == 204
    await_true(lambda: daemon.get("/hall/count").json() == {"rooms": 1, "gone": 1, "guests": 1})
    await_true(lambda: daemon.get("/diary").json() == "room/blue")
