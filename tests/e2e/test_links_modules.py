"""tests/e2e/test_links_modules.py: actors of modules are linked to others by their names, and others to them."""
import os

import pytest

from databases import free_port
from leat import BINARY, await_true
from peer_hosts import BETA, KEY

MODULE = os.path.join(os.path.dirname(os.path.abspath(BINARY)), "tests", "modules", "links.so")

CONF = """
modules: ["@DIR@/m.so"]
peers: { beta: { address: "127.0.0.1:@BETA@", as: alpha, key: @KEY@ } }
actors:
  "frail/{id}": { expose: true, restart: reset, handlers: { touch: { reply: ok }, fall: { tasks: { t: { fail: fallen } } } } }
  yaml:
    expose: true
    state: ""
    handlers:
      watch: { tasks: { t: { link: "thing/${message}", handler: gone } } }
      gone: { set: "${state + message.actor + '=' + message.reason + ' '}" }
      told: { method: GET, reply: { json: "${state}" } }
"""


def begin(leat, beta=1):
    with open(MODULE, "rb") as file:
        return leat(CONF, files={"m.so": file.read()}, BETA=beta, KEY=KEY)


def say(daemon, who, handler, name, code=None):
    answer = daemon.post_json(f"/{who}/{handler}", name)
    assert answer.status == 200 if code is None else answer.json()["code"] == code, answer.text


def told(daemon, who):
    return sorted(daemon.get(f"/{who}/told").json().split())


def links(daemon, who):
    return {one["name"]: one["links"] for one in daemon.admin("GET", "/v1/actors").json()["live"]}[who]


@pytest.mark.parametrize("who", ["looped", "pooled"])
def test_a_handler_links_its_actor_by_name_to_any_other(leat, who):
    daemon = begin(leat)
    for name in ("a", "b"):
        daemon.post_json(f"/frail/{name}/touch", 0)
        say(daemon, who, "make", f"thing/{name}")
    for name in ("frail/a", "frail/b", "thing/a", "thing/a", "thing/b"):
        say(daemon, who, "watch", name)
    say(daemon, who, "unwatch", "thing/b")
    say(daemon, who, "both", "thing/b")
    await_true(lambda: links(daemon, who) == 3)
    say(daemon, who, "watch", "thing/none")
    ends = ["thing/none=no_actor"]
    await_true(lambda: told(daemon, who) == ends)
    for name, message in (("thing/a", True), ("thing/b", False)):
        say(daemon, name, "end", message)
    daemon.post_json("/frail/a/fall", 0)
    ends += ["thing/a=failed", "frail/a=failed"]
    await_true(lambda: told(daemon, who) == sorted(ends))
    assert links(daemon, who) == 1
    if who == "looped":
        for name, code in (("nobody", "not_found"), ("thing", "invalid_input"), ("x@nowhere", "not_found"), ("", "not_found")):
            say(daemon, who, "watch", name, code)
    else:
        say(daemon, who, "watch", "nobody")
        ends.append("nobody=no_actor")
    await_true(lambda: told(daemon, who) == sorted(ends))
    say(daemon, who, "last", "frail/b")  # its links go with it
    await_true(lambda: who not in [one["name"] for one in daemon.admin("GET", "/v1/actors").json()["live"]])
    daemon.post_json("/frail/b/fall", 0)


def test_an_actor_of_yaml_is_linked_to_one_of_a_module_with_keys(leat):
    daemon = begin(leat)
    say(daemon, "looped", "make", "thing/a")
    assert daemon.post_json("/yaml/watch", "a").status == 204
    assert daemon.post_json("/yaml/watch", "b").status == 204
    await_true(lambda: told(daemon, "yaml") == ["thing/b=no_actor"])
    say(daemon, "thing/a", "end", False)
    await_true(lambda: told(daemon, "yaml") == ["thing/a=normal", "thing/b=no_actor"])
    say(daemon, "looped", "make", "thing/a")  # the name is free, and its next actor nobody's
    assert links(daemon, "yaml") == 0


@pytest.mark.parametrize("who", ["looped", "pooled"])
def test_an_actor_of_a_module_hears_of_the_ends_of_other_hosts_actors(stage, who):
    port = free_port()
    beta = stage.leat(BETA, PORT=port, KEY=KEY, MORE="")
    daemon = begin(stage.leat, port)
    say(daemon, who, "watch", f"frail@127.0.0.1:{port}")
    say(daemon, who, "watch", "cart/none@beta")
    await_true(lambda: told(daemon, who) == ["cart/none@beta=no_actor"])
    assert beta.post_json("/frail/fall", 1).json()["code"] == "fallen"
    await_true(lambda: told(daemon, who) == ["cart/none@beta=no_actor", "frail@beta=failed"])


def test_a_reload_without_the_module_lets_its_links_go(leat):
    daemon = begin(leat)
    daemon.post_json("/frail/a/touch", 0)
    for who in ("looped", "pooled"):
        say(daemon, who, "watch", "frail/a")
        await_true(lambda who=who: links(daemon, who) == 1)
    assert daemon.reload(CONF.replace('modules: ["@DIR@/m.so"]\n', "").replace("thing/$", "frail/$")).returncode == 0
    await_true(lambda: "looped" not in [one["name"] for one in daemon.admin("GET", "/v1/actors").json()["live"]])
    daemon.post_json("/frail/a/fall", 0)
    assert daemon.post_json("/frail/a/touch", 0).text == "ok"
