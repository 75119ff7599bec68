"""tests/e2e/test_composition.py: each, repeat, race, join, and what flows share: locks, pools, queues, signals."""
import re
import select
import threading

import pytest

from backends import answering, hanging
from leat import TIMEOUT, await_true, check


class Gauge:
    """How many are inside at once, and how many ever were."""

    def __init__(self):
        self.lock, self.now, self.most, self.total = threading.Lock(), 0, 0, 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_):
        with self.lock:
            self.now -= 1


def measured(gauge, seconds=0.0, value=None):
    def handler(call):
        with gauge:
            threading.Event().wait(seconds)
        call.json(call.target if value is None else value)
    return handler


def together(*functions):
    """Runs them at once, each on a thread; their results in order."""
    results, errors = [None] * len(functions), []

    def run(index, function):
        try:
            results[index] = function()
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)
    threads = [threading.Thread(target=run, args=item) for item in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT * 3)
    assert not errors, errors
    return results


# ------------------------------------------------------------------ graphs

def test_a_diamond_of_six_runs_in_waves(leat, backend):
    order, lock = [], threading.Lock()

    def handler(call):
        with lock:
            order.append("+" + call.path[1])
        threading.Event().wait(0.03)
        with lock:
            order.append("-" + call.path[1])
        call.json(call.target)
    daemon = leat("""
http: { u: { url: @url@ } }
routes:
  GET /:
    tasks:
      a: { get: "u:/a" }
      b: { get: "u:/b?of=${a.body}" }
      c: { get: "u:/c?of=${a.body}" }
      d: { get: "u:/d?of=${b.body}" }
      e: { get: "u:/e?of=${b.ok && c.ok}" }
      f: { get: "u:/f?of=${d.ok && e.ok}" }
    reply: { json: "${f.body}" }
""", url=backend(handler).url)
    assert daemon.get("/").json() == "/f?of=true"
    at = {mark: index for index, mark in enumerate(order)}
    for before, after in ("ab", "ac", "bd", "be", "ce", "df", "ef"):
        assert at["-" + before] < at["+" + after], order
    assert at["+c"] < at["-b"] and at["+b"] < at["-c"], order  # side by side


def test_join_decides_by_the_outcome(leat, backend):
    daemon = leat("""
http: { good: { url: @good@ }, bad: { url: @bad@ } }
routes:
  GET /:
    tasks:
      good: { get: "good:/", optional: true }
      bad: { get: "bad:/", optional: true }
      all: { value: 1, after: [good, bad], join: ok }
      any: { value: 2, after: [good, bad], join: any }
      done: { value: 3, after: [bad], join: done }
    reply: { json: ["${all}", "${any}", "${done}", "${all.skipped}"] }
""", good=backend(answering(1)).url, bad=backend(answering(1, status=500)).url)
    assert daemon.get("/").json() == [None, 2, 3, True]


# ------------------------------------------------------------------ race

RACE = """
http: { fast: { url: @fast@ }, slow: { url: @slow@ } }
routes:
  GET /:
    tasks:
      r: { race: { a: { get: "slow:/" }, b: { get: "fast:/" } } }
    reply: { json: ["${r}", "${r.winner}"] }
  GET /accept:
    tasks:
      r: { race: { a: { get: "slow:/" }, b: { get: "fast:/" } }, accept: "(a ?? b) != 'stale'" }
    reply: { json: ["${r}", "${r.winner}"] }
  GET /finish:
    tasks:
      r: { race: { a: { get: "slow:/" }, b: { get: "fast:/" } }, losers: finish }
    reply: { json: ["${r}", "${r.winner}"] }
"""


def test_the_loser_of_a_race_is_cancelled_and_its_backend_sees_it(leat, backend):
    slow = backend(hanging)

    def handler(call):
        slow.await_calls(1)  # the loser is at work when the winner answers
        call.json("first")
    daemon = leat(RACE, fast=backend(handler).url, slow=slow.url)
    assert daemon.get("/").json() == ["first", "b"]
    slow.await_left()
    await_true(lambda: daemon.upstream("slow")["in_flight"] == 0, what="the end of the call")


def test_a_result_that_is_not_accepted_does_not_win(leat, backend):
    fast = backend(answering("stale"))

    def handler(call):
        fast.await_calls(1)
        call.json("fresh")
    daemon = leat(RACE, fast=fast.url, slow=backend(handler).url)
    assert daemon.get("/accept").json() == ["fresh", "a"]


def test_losers_may_finish(leat, backend):
    finished = threading.Event()

    def handler(call):
        call.backend.release.wait(TIMEOUT)
        call.json("second")
        finished.set()
    slow = backend(handler)
    daemon = leat(RACE, fast=backend(answering("first")).url, slow=slow.url)
    assert daemon.get("/finish").json() == ["first", "b"]
    slow.await_calls(1)
    assert daemon.upstream("slow")["in_flight"] == 1
    slow.release.set()
    assert finished.wait(TIMEOUT)
    await_true(lambda: daemon.upstream("slow")["in_flight"] == 0, what="the end of the loser")


def test_a_race_that_all_lose_tells_the_last_failure(leat, backend):
    daemon = leat(RACE, fast=backend(answering(1, status=500)).url, slow=backend(answering(1, status=500)).url)
    problem = daemon.get("/").json()
    assert (problem["status"], problem["code"]) == (502, "upstream_status") and problem["task"] in ("r.a", "r.b")


def test_a_client_that_leaves_cancels_the_whole_race(leat, backend):
    one, two = backend(hanging), backend(hanging)
    daemon = leat(RACE, fast=one.url, slow=two.url)
    client = daemon.connect()
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    one.await_calls(1)
    two.await_calls(1)
    client.close()
    one.await_left()
    two.await_left()


# ------------------------------------------------------------------ repeat

def test_a_repeater_pages_an_api(leat, backend):
    pages = [["a", "b"], ["c", "d"], ["e"]]

    def handler(call):
        page = int(re.search(r"page=(\d+)", call.query)[1])
        call.json({"items": pages[page], "has_more": page + 1 < len(pages)})
    upstream = backend(handler)
    daemon = leat("""
http: { u: { url: @url@ } }
routes:
  GET /:
    tasks:
      items: { get: "u:/items?page=${repeat.index}", repeat: { while: "${items.body.has_more}", max: 10 } }
    reply: { json: "${items.results}" }
  GET /endless:
    tasks:
      items: { get: "u:/items?page=0", repeat: { while: items.body.has_more, max: 3 } }
    reply: never
""", url=upstream.url)
    assert [page["items"] for page in daemon.get("/").json()] == pages
    assert len(upstream.calls) == 3
    problem = daemon.get("/endless").json()
    assert (problem["status"], problem["code"], problem["task"]) == (500, "loop_limit", "items")
    assert len(upstream.calls) == 6


def test_a_repeater_polls_until_it_is_there(leat, backend):
    def handler(call):
        n = len(call.backend.calls)
        call.json({"state": "done" if n == 4 else "busy"}, status=503 if n == 2 else 200)
    daemon = leat("""
http: { u: { url: @url@ } }
routes:
  GET /:
    tasks:
      it: { get: "u:/job", optional: true, repeat: { until: "it.body.state == 'done'", delay: 10ms } }
    reply: { json: "${it.results}" }
""", url=backend(handler).url)
    states = daemon.get("/").json()
    assert [s and s["state"] for s in states] == ["busy", None, "busy", "done"]


# ------------------------------------------------------------------ each

EACH = """
limits: { body: 1m }
http: { u: { url: @url@ } }
timeouts: { route: 60s, shutdown: 5s }
routes:
  POST /each:
    tasks: { x: { each: "${body}", concurrency: 16, get: "u:/n/${item}" } }
    reply: { json: "${x}" }
  POST /default:
    tasks: { x: { each: "${body}", get: "u:/n/${item}", default: "${'no ' + string(index)}" } }
    reply: { json: "${x.results}" }
"""


def test_each_over_a_thousand_items_sixteen_at_once(leat, backend):
    gauge = Gauge()
    daemon = leat(EACH, url=backend(measured(gauge, 0.002)).url)
    items = list(range(1000))
    answer = daemon.post("/each", body=str(items), headers={"Content-Type": "application/json"})
    assert answer.json() == [f"/n/{i}" for i in items]
    assert gauge.total == 1000 and gauge.most <= 16
    assert gauge.most >= 8  # and they were at work side by side


def test_a_failed_item_fails_the_task_and_cancels_the_rest(leat, backend):
    def handler(call):
        if call.path == "/n/3":
            call.backend.wait_for(lambda: len(call.backend.calls) >= 16, "16 calls")
            call.json({}, status=500)
        else:
            call.hang()
    upstream = backend(handler)
    daemon = leat(EACH, url=upstream.url)
    answer = daemon.post("/each", body=str(list(range(100))), headers={"Content-Type": "application/json"})
    assert answer.status == 502
    assert (answer.json()["code"], answer.json()["task"]) == ("upstream_status", "x")
    upstream.await_left(15)
    assert len(upstream.calls) == 16


def test_a_default_stands_for_each_failed_item(leat, backend):
    def handler(call):
        call.json(call.path, status=500 if call.path == "/n/2" else 200)
    daemon = leat(EACH, url=backend(handler).url)
    answer = daemon.post("/default", body="[1, 2, 3]", headers={"Content-Type": "application/json"})
    assert answer.json() == ["/n/1", "no 1", "/n/3"]


@pytest.mark.parametrize("body, status, result", [("[]", 200, []), ('{"a": 1}', 500, None), ("7", 500, None)])
def test_each_takes_a_list(leat, backend, body, status, result):
    daemon = leat(EACH, url=backend(answering(1)).url)
    answer = daemon.post("/each", body=body, headers={"Content-Type": "application/json"})
    assert answer.status == status
    assert answer.json() == result if status == 200 else answer.json()["code"] == "expr_error"


# ------------------------------------------------------------------ signals

SIGNALS = """
server: { threads: 4, compute_threads: 1 }
routes:
  GET /gather/{id}:
    tasks: { hooks: { await: "hook:${path.id}", count: 3, wait: 5s } }
    reply: { json: "${hooks.values}" }
  POST /hook/{id}:
    tasks: { s: { signal: "hook:${path.id}", message: "${body}", keep: 1m } }
    reply: { json: "${s}" }
  GET /poll/{user}:
    tasks: { news: { await: "news:${path.user}", wait: 300ms, default: null } }
    reply: { json: "${news}" }
  POST /news/{user}:
    tasks: { s: { signal: "news:${path.user}", message: "${body}" } }
    reply: { json: "${s.result}" }
  GET /strict:
    tasks: { news: { await: never, wait: 20ms } }
    reply: never
"""


def post_json(daemon, path, text):
    return daemon.post(path, body=text, headers={"Content-Type": "application/json"})


def test_a_counter_gathers_three_webhooks_into_one_answer(leat):
    daemon = leat(SIGNALS)
    post_json(daemon, "/hook/7", '{"n": 1}')  # one may come before anybody waits
    post_json(daemon, "/hook/8", '{"n": "of another"}')

    def hooks():
        for n in (2, 3, 4):
            assert post_json(daemon, "/hook/7", f'{{"n": {n}}}').status == 200
    gathered, _ = together(lambda: daemon.get("/gather/7").json(), hooks)
    assert len(gathered) == 3 and gathered[0] == {"n": 1}
    assert {hook["n"] for hook in gathered} <= {1, 2, 3, 4}


def test_a_long_poll_answers_when_there_is_news_or_at_its_end(leat):
    daemon = leat(SIGNALS)
    assert daemon.get("/poll/ann").json() is None  # the wait was over

    def poll_until():
        while True:
            news = daemon.get("/poll/ann").json()
            if news is not None:
                return news

    def publish():  # one that nobody waits for is lost: until it has reached somebody
        await_true(lambda: post_json(daemon, "/news/ann", '"hello"').json() > 0, what="a poll")
    assert together(poll_until, publish)[0] == "hello"
    assert daemon.get("/poll/bob").json() is None


def test_an_expired_wait_is_a_timeout(leat):
    answer = leat(SIGNALS).get("/strict")
    assert (answer.status, answer.json()["code"], answer.json()["task"]) == (504, "timeout", "news")


def test_a_signal_wakes_all_who_wait_on_all_loops(leat):
    daemon = leat(SIGNALS.replace("wait: 300ms", "wait: 9s"))
    clients = [daemon.connect() for _ in range(12)]
    for client in clients:
        client.send("GET /poll/x HTTP/1.1\r\nHost: x\r\n\r\n")
    reached = 0
    while reached < 12:
        reached += post_json(daemon, "/news/x", "[1]").json()
    assert reached == 12
    assert [client.response().json() for client in clients] == [[1]] * 12


def test_one_who_leaves_waits_no_more(leat):
    daemon = leat(SIGNALS.replace("wait: 300ms", "wait: 9s"))
    client = daemon.connect()
    client.send("GET /poll/x HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: daemon.n_connections() == 1, what="the connection")
    client.close()
    await_true(lambda: daemon.n_connections() == 0, what="its end")
    assert post_json(daemon, "/news/x", "1").json() == 0


# ------------------------------------------------------------------ locks and pools

HOLDS = """
server: { threads: 4, compute_threads: 1 }
shared: { few: { permits: 3, waiting: 5 }, one: { permits: 1, waiting: 1 } }
http: { u: { url: @url@ } }
routes:
  GET /lock/{name}:
    tasks: { x: { get: "u:/", lock: "user:${path.name}" } }
    reply: { json: "${x.body}" }
  GET /pool:
    tasks: { x: { get: "u:/", acquire: few } }
    reply: { json: "${x.body}" }
  GET /one:
    tasks: { x: { get: "u:/", acquire: one } }
    reply: { json: "${x.body}" }
  GET /impatient:
    tasks: { x: { get: "u:/", acquire: one, timeout: 50ms } }
    reply: never
"""


def test_a_lock_serialises(leat, backend):
    gauge = Gauge()
    daemon = leat(HOLDS, url=backend(measured(gauge, 0.005)).url)
    answers = together(*[lambda: daemon.get("/lock/ann").status] * 20)
    assert answers == [200] * 20
    assert gauge.total == 20 and gauge.most == 1


def test_different_names_are_different_locks(leat, backend):
    both = threading.Barrier(2)

    def handler(call):
        both.wait(TIMEOUT)
        call.json(1)
    daemon = leat(HOLDS, url=backend(handler).url)
    assert together(lambda: daemon.get("/lock/a").status, lambda: daemon.get("/lock/b").status) == [200, 200]


def test_a_pool_bounds(leat, backend):
    gauge = Gauge()
    daemon = leat(HOLDS.replace("waiting: 5", "waiting: 100"), url=backend(measured(gauge, 0.005)).url)
    assert together(*[lambda: daemon.get("/pool").status] * 20) == [200] * 20
    assert gauge.total == 20 and gauge.most <= 3


def test_too_many_that_wait_are_refused_and_a_wait_ends(leat, backend):
    upstream = backend(lambda call: (call.backend.release.wait(TIMEOUT), call.json(1)))
    daemon = leat(HOLDS, url=upstream.url)
    first, second, third = daemon.connect(), daemon.connect(), daemon.connect()
    first.send("GET /one HTTP/1.1\r\nHost: x\r\n\r\n")
    upstream.await_calls(1)
    answer = daemon.get("/impatient")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    for client in (second, third):  # one of them waits, the other is one too many
        client.send("GET /one HTTP/1.1\r\nHost: x\r\n\r\n")
    ready = select.select([second.sock, third.sock], [], [], TIMEOUT)[0]
    refused, waiting = (second, third) if second.sock in ready else (third, second)
    answer = refused.response()
    assert (answer.status, answer.json()["code"]) == (503, "pool_exhausted") and answer.get("retry-after")
    upstream.release.set()
    assert [first.response().status, waiting.response().status] == [200, 200]


def test_a_client_that_leaves_leaves_nothing_held(leat, backend):
    gate = threading.Event()

    def handler(call):
        if gate.is_set():
            call.json("next")
        else:
            call.hang()
    upstream = backend(handler)
    daemon = leat(HOLDS, url=upstream.url)
    for n, path in enumerate(("/lock/a", "/one")):
        holder = daemon.connect()
        holder.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        upstream.await_calls(n + 1)
        waiter = daemon.connect()
        waiter.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        waiter.close()
        holder.close()
        upstream.await_left(n + 1)
    await_true(lambda: daemon.status()["requests_in_work"] == 0)  # the one who waited has gone, too
    gate.set()
    assert [daemon.get("/lock/a").json(), daemon.get("/one").json()] == ["next", "next"]


# ------------------------------------------------------------------ queues

QUEUES = """
server: { threads: 3, compute_threads: 1 }
shared:
  reject: { queue: 3 }
  wait: { queue: 1, full: wait }
  drop_oldest: { queue: 3, full: drop_oldest }
routes:
@routes@
"""


def queues(leat):
    routes = "".join(f"""
  POST /{name}:
    tasks: {{ q: {{ enqueue: {name}, message: "${{body}}", wait: 100ms }} }}
  GET /{name}:
    tasks: {{ q: {{ dequeue: {name}, wait: 20ms }} }}
    reply: {{ json: "${{q}}" }}
  GET /{name}/slow:
    tasks: {{ q: {{ dequeue: {name} }} }}
    reply: {{ json: "${{q.value}}" }}
""" for name in ("reject", "wait", "drop_oldest"))
    return leat(QUEUES, routes=routes)


def test_a_full_queue_rejects(leat):
    daemon = queues(leat)
    answers = [post_json(daemon, "/reject", str(n)) for n in range(5)]
    assert [answer.status for answer in answers] == [204, 204, 204, 503, 503]
    assert answers[4].json()["code"] == "queue_full" and answers[4].get("retry-after")
    assert [daemon.get("/reject").json() for _ in range(3)] == [0, 1, 2]
    answer = daemon.get("/reject")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")


def test_a_full_queue_waits_for_room(leat):
    daemon = queues(leat)
    assert post_json(daemon, "/wait", "1").status == 204
    answer = post_json(daemon, "/wait", "2")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    client = daemon.connect()
    put, taken = together(lambda: await_true(lambda: post_json(daemon, "/wait", "3").status == 204),
                          lambda: [daemon.get("/wait/slow").json() for _ in range(2)])
    client.close()
    assert put and taken == [1, 3]


def test_a_full_queue_drops_the_oldest(leat):
    daemon = queues(leat)
    assert [post_json(daemon, "/drop_oldest", str(n)).status for n in range(5)] == [204] * 5
    assert [daemon.get("/drop_oldest").json() for _ in range(3)] == [2, 3, 4]


def test_what_lies_in_a_queue_survives_a_reload(leat):
    daemon = queues(leat)
    assert post_json(daemon, "/reject", '{"a": [1, "é"]}').status == 204
    with open(daemon.path, encoding="utf-8") as file:
        text = file.read()
    assert daemon.reload(text.replace("reject: { queue: 3 }", "reject: { queue: 1 }")).returncode == 0
    assert post_json(daemon, "/reject", "2").status == 503
    assert daemon.get("/reject").json() == {"a": [1, "é"]}


def test_each_message_is_taken_once(leat):
    daemon = queues(leat)
    n = 60

    def take():
        return [daemon.get("/wait/slow").json() for _ in range(n // 3)]

    def put(first):
        for number in range(first, n, 2):
            await_true(lambda: post_json(daemon, "/wait", str(number)).status == 204)
    *taken, _, _ = together(take, take, take, lambda: put(0), lambda: put(1))
    assert sorted(sum(taken, [])) == list(range(n))


# ------------------------------------------------------------------ what people see

def test_graph_shows_how_tasks_are_composed(leat):
    daemon = leat("""
shared: { db: { permits: 2 } }
routes:
  GET /:
    tasks:
      l: { value: [1, 2] }
      x: { each: "${l}", concurrency: 2, acquire: db, lock: "u:${query.id}", value: "${item}" }
      r: { race: { a: { value: 1 }, b: { wait: 1s } }, losers: finish }
      j: { value: 1, after: s, join: any }
      s: { wait: 1ms, optional: true, repeat: { until: s.ok, max: 5 } }
      w: { await: "n:${query.id}", wait: 5s }
""")
    for text in (daemon.cli("graph", "GET /").out, daemon.cli("explain", "GET", "/").out,
                 daemon.cli("graph", "GET /", "--dot").out, daemon.cli("graph", "GET /", "--mermaid").out):
        for part in ("each ${l}, 2 at once; lock u:${query.id}; acquire db", "losers finish", "join any",
                     "repeat until s.ok, at most 5 times", "await", "race"):
            assert part in text, text


def test_names_that_are_not_declared_are_load_errors():
    code, text = check("shared: { orders: { queue: 5 } }\nroutes:\n  GET /: { tasks: { a: { dequeue: ordres } } }\n")
    assert code == 1 and 'did you mean "orders"?' in text
