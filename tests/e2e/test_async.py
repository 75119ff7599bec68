"""tests/e2e/test_async.py: requests that are kept, answered with 202, and run then."""
import base64
import json
import os
import sqlite3

from backends import hanging
from leat import await_true, check

STORE = "store: { path: leat.db }\nfiles_root: data\n"
CONF = STORE + """timeouts: { shutdown: 200ms }
routes:
  POST /order/{id}:
    async: true
    body: { type: json }
    tasks: { w: { append: log.txt, from: "${path.id} ${body.qty}\\n" } }
    reply: { status: 201, headers: { X-Id: "${path.id}", X-Query: "${query.q ?? ''}", X-Of: "${headers.x_of ?? ''}" }, json: "${body}" }
  POST /bad: { async: { retry: 2, wait: 1ms }, tasks: { w: { append: log.txt, from: "bad\\n" }, f: { fail: broken, status: 418, after: [w] } } }
  POST /text: { async: true, reply: "${body}" }
  POST /large: { async: { max: 1k }, reply: "${body}" }
  POST /hang: { async: { waiting: 2, keep: 1h }, tasks: { t: { get: "u:/" } }, reply: "done" }
http: { u: { url: @url@ } }
"""


def lines(daemon):
    try:
        with open(os.path.join(daemon.dir, "data", "log.txt"), encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def run_of(daemon, answer):
    assert answer.status == 202, answer
    return daemon.get(answer.get("Location")).json()


def await_over(daemon, answer):
    await_true(lambda: run_of(daemon, answer)["state"] not in ("waiting", "running"), 30)
    return run_of(daemon, answer)


def post(daemon, target, body="", headers=()):
    return daemon.request("POST", target, body=body, headers=headers)


def start(leat, url="http://127.0.0.1:1"):
    return leat(CONF, url=url)


def test_a_request_is_answered_at_once_and_its_result_can_be_asked_for(leat):
    daemon = start(leat)
    answer = post(daemon, "/order/7?q=a%20z", '{"qty": 3}', {"Content-Type": "application/json", "X-Of": "me"})
    location = answer.get("Location")
    assert answer.status == 202 and answer.json() == {"id": location.split("/")[-1], "location": location}
    assert len(location) == len("/runs/") + 32
    run = await_over(daemon, answer)
    assert run["state"] == "ok" and run["tries"] == 1 and run["error"] is None and run["ended"] >= run["started"]
    assert run["result"]["status"] == 201 and run["result"]["body"] == {"qty": 3}
    headers = run["result"]["headers"]
    assert (headers["X-Id"], headers["X-Query"], headers["X-Of"]) == ("7", "a z", "me")
    assert lines(daemon) == ["7 3"]
    told = daemon.get(location)
    assert told.get("Cache-Control") == "no-store" and told.get("Retry-After") is None
    daemon.await_line("async run ended route=\"POST /order/{id}\" status=201")


def test_what_is_wrong_with_a_request_is_said_before_it_is_kept(leat):
    daemon = start(leat)
    assert daemon.post("/order/7", "no json").status == 415
    assert daemon.post_json("/order/7", {"qty": 1}).status == 202
    assert post(daemon, "/order/7", "{", {"Content-Type": "application/json"}).status == 400
    assert daemon.get("/order/7").status == 405


def test_a_result_that_is_no_json_is_a_text_or_base64(leat):
    daemon = start(leat)
    assert await_over(daemon, daemon.post("/text", "hello"))["result"]["body"] == "hello"
    bytes_ = bytes(range(256))
    assert base64.b64decode(await_over(daemon, daemon.post("/text", bytes_))["result"]["body_base64"]) == bytes_


def test_a_result_that_is_too_large_is_not_kept(leat):
    run = (daemon := start(leat)) and await_over(daemon, daemon.post("/large", "x" * 1025))
    assert (run["state"], run["error"], run["result"]) == ("failed", "too_large", None)


def test_a_run_that_fails_is_tried_again_and_its_answer_is_that_of_the_failure(leat):
    daemon = start(leat)
    run = await_over(daemon, daemon.post("/bad"))
    assert (run["state"], run["error"], run["tries"], run["result"]["status"]) == ("failed", "broken", 3, 418)
    assert run["result"]["body"]["code"] == "broken"
    assert lines(daemon) == ["bad"] * 3


def test_who_has_no_id_is_told_nothing(leat):
    daemon = start(leat)
    location = daemon.post("/text", "x").get("Location")
    assert daemon.get(location[:-1] + ("0" if location[-1] != "0" else "1")).status == 404
    for wrong in ["/runs/1", "/runs/" + "0" * 32, "/runs/" + "%00" * 32, "/runs/" + "'" * 32]:
        assert daemon.get(wrong).status in (400, 404)
        assert daemon.request("DELETE", wrong).status in (400, 404)
    ids = {daemon.post("/text", "x").get("Location") for _ in range(50)}
    assert len(ids) == 50


def test_an_idempotency_key_gives_the_same_location_for_the_same_request(leat):
    daemon = start(leat)

    def ask(body, key, target="/text"):
        return post(daemon, target, body, {"Idempotency-Key": key})
    first = ask("x", "k")
    assert first.status == 202 and ask("x", "k").get("Location") == first.get("Location")
    await_over(daemon, first)
    daemon.restart()
    assert ask("x", "k").get("Location") == first.get("Location")
    assert ask("y", "k").status == 422
    assert ask("x", "k2").get("Location") != first.get("Location")
    assert ask("x", "k", "/large").get("Location") != first.get("Location")
    assert ask("x", "").status == 400 and ask("x", "k" * 256).status == 400


def test_one_that_waits_or_runs_is_cancelled(leat, backend):
    up = backend(hanging)
    daemon = start(leat, up.url)
    running = daemon.post("/hang")
    await_true(lambda: len(up.calls) == 1)
    assert run_of(daemon, running)["state"] == "running"
    assert daemon.get(running.get("Location")).get("Retry-After") == "1"
    assert daemon.request("DELETE", running.get("Location")).status in (200, 202)
    run = await_over(daemon, running)
    assert (run["state"], run["result"]) == ("cancelled", None)
    assert up.calls[0].left.wait(10)
    assert daemon.request("DELETE", running.get("Location")).json()["state"] == "cancelled"
    done = daemon.post("/text", "x")
    await_over(daemon, done)
    assert daemon.request("DELETE", done.get("Location")).status == 409
    daemon.restart()
    assert run_of(daemon, running)["state"] == "cancelled" and len(up.calls) == 1


def test_no_more_wait_than_may(leat, backend):
    up = backend(hanging)
    daemon = start(leat, up.url)
    first, second = daemon.post("/hang"), daemon.post("/hang")
    refused = daemon.post("/hang")
    assert refused.status == 503 and refused.json()["code"] == "queue_full" and refused.get("Retry-After")
    await_true(lambda: len(up.calls) == 2)
    daemon.request("DELETE", first.get("Location"))
    await_over(daemon, first)
    assert daemon.post("/hang").status == 202
    assert second.status == 202 and daemon.post("/text", "x").status == 202  # others have room of their own


def test_one_that_kill_9_or_a_shutdown_cut_runs_again(leat, backend):
    up = backend(hanging)
    daemon = start(leat, up.url)
    answer = daemon.post("/hang")
    await_true(lambda: len(up.calls) == 1)
    daemon.restart()
    await_true(lambda: len(up.calls) == 2)
    daemon.restart(15)
    await_true(lambda: len(up.calls) == 3)
    up.handler = lambda call: call.reply("{}")
    daemon.restart()
    run = await_over(daemon, answer)
    assert (run["state"], run["tries"], run["result"]["body"]) == ("ok", 4, "done")


def test_one_whose_route_is_gone_is_given_up(leat, backend):
    up = backend(hanging)
    daemon = start(leat, up.url)
    answer = daemon.post("/hang")
    await_true(lambda: len(up.calls) == 1)
    assert daemon.reload(STORE + "routes: { 'POST /hang': { reply: other }, POST /x: { async: true, reply: x } }\n").returncode == 0
    assert run_of(daemon, answer)["state"] == "running"  # by the configuration that it began with
    daemon.restart()
    run = await_over(daemon, answer)
    assert (run["state"], run["error"], run["result"]) == ("failed", "not_found", None)


def test_what_a_run_reads_of_its_client_is_as_it_was(leat):
    daemon = leat(STORE + """routes:
  POST /who/{rest...}:
    async: true
    tasks: { t: { value: { ip: "${client.ip}", path: "${request.path}", id: "${request.id}", host: "${request.host}", rest: "${path.rest}", c: "${cookies.c}", f: "${form.a}", tls: "${tls.version}" } } }
    reply: { json: "${t}" }
""")
    answer = post(daemon, "/who/a%20b/c?x=1", "a=1%202", {"Cookie": "c=v; d=w", "Content-Type": "application/x-www-form-urlencoded"})
    body = await_over(daemon, answer)["result"]["body"]
    assert len(body.pop("id")) == 20
    assert body == {"ip": "127.0.0.1", "path": "/who/a%20b/c", "host": "leat.test", "rest": "a b/c", "c": "v", "f": "1 2",
                    "tls": None}


def test_header_fields_that_nothing_reads_are_not_kept(leat):
    daemon = start(leat)
    post(daemon, "/text", "x", {"Authorization": "Bearer hidden", "Cookie": "a=hidden"})
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db")) as file:
        text = "\n".join(file.iterdump())
    file.close()
    assert "/text" in text and "hidden" not in text


def test_results_are_forgotten_in_time(leat):
    daemon = leat(STORE + "routes: { POST /: { async: { keep: 1s }, reply: x } }\n")
    answer = daemon.post("/")
    await_over(daemon, answer)
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db"), timeout=30) as file:
        file.execute("update todo set made = made - 2000000000")
    file.close()
    daemon.restart()
    await_true(lambda: daemon.get(answer.get("Location")).status == 404)
    with sqlite3.connect(os.path.join(daemon.dir, "leat.db"), timeout=30) as file:
        assert file.execute("select (select count(*) from todo_answer) + (select count(*) from todo_count)").fetchone() == (0,)
    file.close()


def test_async_says_what_is_wrong_at_load():
    def errors(route):
        code, text = check(f"routes: {{ POST /x: {{ {route} }} }}\n")
        assert code == 1
        return text
    assert "async is true, or a map" in errors("async: 1, reply: x")
    assert "remove files" in errors("async: true, files: /tmp")
    assert "remove cache" in errors("async: true, cache: 1s, reply: x")
    assert "another type" in errors("async: true, body: { type: multipart }, reply: x")
    assert "unknown key" in errors("async: { kep: 1h }, reply: x")
    code, text = check("routes: { POST /x: { async: true, reply: x }, 'GET /runs/{id}': { reply: mine } }\n")
    assert code == 1 and "GET /runs/" in text


def test_figures_tell_of_runs(leat):
    daemon = start(leat)
    await_over(daemon, daemon.post("/text", "x"))
    await_over(daemon, daemon.post("/bad"))
    await_true(lambda: daemon.status()["async"] == {"running": 0, "done": 1, "failed": 3, "dead": 1})
    text = daemon.admin("GET", "/metrics").text
    assert "\nleat_async_runs_total{route=\"POST /bad\"} 3\n" in text
    assert "\nleat_async_failures_total{route=\"POST /bad\"} 3\n" in text
    assert "\nleat_async_runs_total{route=\"POST /text\"} 1\n" in text
    assert json.loads(daemon.cli("routes", "--json").stdout)  # with those that tell of runs
    assert b"GET /runs/{run}" in daemon.cli("explain", "GET", "/runs/x").stdout


def test_a_store_that_is_full_keeps_nothing_and_says_so(leat):
    daemon = leat("store: { path: leat.db, max: 1m }\nroutes: { POST /: { async: { keep: 1d }, reply: \"${body}\" } }\n")
    answers = [daemon.post("/", "x" * 100000).status for _ in range(30)]
    assert answers[0] == 202 and answers[-1] == 503 and set(answers) == {202, 503}
    assert daemon.post("/", "x" * 100000).get("Retry-After") == "1"


def test_leat_jobs_lists_what_routes_with_async_have_to_do(leat):
    daemon = start(leat)
    answer = daemon.post("/bad")
    await_over(daemon, answer)
    await_over(daemon, daemon.post("/text", "x"))
    assert daemon.admin("GET", "/v1/async").json() == {"routes": [
        {"route": "POST /bad", "waiting": 0, "running": 0, "ok": 0, "failed": 1, "cancelled": 0},
        {"route": "POST /text", "waiting": 0, "running": 0, "ok": 1, "failed": 0, "cancelled": 0}]}
    assert "POST /bad " in daemon.cli("jobs").stdout.decode()
    history = daemon.cli("jobs", "history", "POST /bad").stdout.decode()
    assert "broken" in history and answer.json()["id"] not in history
