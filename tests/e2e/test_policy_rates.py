"""tests/e2e/test_policy_rates.py: `rate_limit:` and `limit:`."""
import threading

import pytest

from leat import Closed, await_true, by, check

# rates that give nothing back while a test runs
CONF = """
listen:
  - 127.0.0.1:0
  - { address: 127.0.0.2:0, rate_limit: 3/d }
  - { address: "[::1]:0", rate_limit: 3/d }
defaults:
  /shared: { rate_limit: { rate: 4/d } }
routes:
  GET /plain: { reply: plain }
  GET /three: { rate_limit: { rate: 1/d, burst: 3 }, reply: three }
  GET /header: { rate_limit: { rate: 2/h, key: "header:X-Key", status: 420 }, reply: header }
  GET /by/{name}: { rate_limit: { rate: 1/h, key: "${path.name}" }, reply: by }
  GET /null: { rate_limit: { rate: 1/h, key: "${headers.x_a}" }, reply: null }
  GET /wrong: { rate_limit: { rate: 1/h, key: "${1 + headers.x_a}" }, reply: wrong }
  GET /shared/a: { reply: a }
  GET /shared/b: { reply: b }
  GET /shared/free: { reply: free, rate_limit: off }
  GET /second: { rate_limit: 1000000/s, reply: second }
  GET /denied: { deny: [127.0.0.1], rate_limit: 1/d, reply: denied }
"""


@pytest.fixture
def site(leat):
    return leat(CONF)


def rate_fields(answer):
    return tuple(int(answer.get("ratelimit-" + name)) for name in ("limit", "remaining", "reset"))


def test_a_client_gets_so_many_and_is_told_when_to_come_again(site):
    for left in (2, 1, 0):
        answer = site.get("/three")
        assert (answer.status, rate_fields(answer)) == (200, (3, left, 86400 * (3 - left)))
    answer = site.get("/three")
    assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
    assert 86390 <= int(answer.get("retry-after")) <= 86400
    limit, remaining, reset = rate_fields(answer)
    assert (limit, remaining) == (3, 0) and 3 * 86400 - 10 <= reset <= 3 * 86400


def test_all_loops_count_together(site):
    answers = [site.get("/three").status for _ in range(20)]
    assert sorted(answers) == [200] * 3 + [429] * 17


def test_a_key_may_be_a_header_and_who_leaves_it_out_is_counted_by_address(site):
    def with_key(key):
        return site.get("/header", headers={"X-Key": key} if key else {}).status
    assert [with_key("a") for _ in range(3)] == [200, 200, 420]
    assert [with_key("b") for _ in range(3)] == [200, 200, 420]
    assert [with_key(None) for _ in range(3)] == [200, 200, 420]
    assert with_key("") == 420


def test_a_key_may_be_made_of_the_request(site):
    assert [site.get("/by/" + name).status for name in ("a", "b", "a", "c")] == [200, 200, 429, 200]
    assert [site.get("/null").status for _ in range(2)] == [200, 429]
    assert site.get("/null", headers={"X-A": "b"}).status == 200
    answer = site.get("/wrong", headers={"X-A": "b"})
    assert (answer.status, answer.json()["code"]) == (500, "expr_error")


def test_what_stands_in_a_prefix_is_shared_by_its_routes(site):
    statuses = [site.get(path).status for path in ("/shared/a", "/shared/b", "/shared/none", "/shared/a", "/shared/b")]
    assert statuses == [200, 200, 404, 200, 429]
    assert [site.get("/shared/free").status for _ in range(6)] == [200] * 6


@pytest.mark.parametrize("number", [1, 2])
def test_what_stands_in_a_listener_counts_all_that_comes_by_it(site, number):
    statuses = [by(site, number, "GET", path).status for path in ("/plain", "/none", "/plain", "/plain", "/none")]
    assert statuses == [200, 404, 200, 429, 429]
    assert site.get("/plain").status == 200


def test_who_is_denied_takes_no_token(site):
    answer = site.get("/denied")
    assert (answer.status, answer.get("ratelimit-limit")) == (403, None)


def test_tokens_come_back_with_time(site):
    assert all(site.get("/second").status == 200 for _ in range(100))


def test_a_reload_that_leaves_its_text_keeps_the_count_and_one_that_changes_it_does_not(site):
    for _ in range(3):
        site.get("/three")
    assert site.reload(CONF + "  GET /new: { reply: new }\n").returncode == 0
    assert site.get("/new").status == 200
    assert site.get("/three").status == 429
    assert site.reload(CONF.replace("burst: 3", "burst: 4")).returncode == 0
    assert rate_fields(site.get("/three"))[:2] == (4, 3)


@pytest.mark.parametrize("limit, message", [
    ("10", '"rate_limit" cannot be "10"; write 100/s, or {rate: 100/s}'),
    ("10/week", '"10/week" is not a rate'),
    ("0/s", '"0/s" is not a rate'),
    ("{ burst: 3 }", 'rate_limit needs the key "rate"'),
    ("{ rate: 1/d, burst: 1000000000 }", "write a smaller burst"),
    ("{ rate: 1/d, key: cookie }", '"cookie" is no key'),
    ("{ rate: 1/d, key: 'header:a b' }", '"header:a b" is no key'),
    ("{ rate: 1/d, key: '${tasks.x}' }", "tasks"),
])
def test_a_wrong_rate_is_an_error_of_loading(limit, message):
    code, out = check(f"listen: 127.0.0.1:0\nroutes:\n  GET /x: {{ reply: x, rate_limit: {limit} }}\n")
    assert code == 1 and message in out, out


# ------------------------------------------------------------------ limit

LIMIT = """
server: { threads: 3, compute_threads: 1 }
routes:
  GET /two:
    limit: { concurrent: 2, queue: 2, wait: 60s }
    tasks: { gate: { await: gate, wait: 60s } }
    reply: two
  GET /short:
    limit: { concurrent: 1, queue: 5, wait: 50ms }
    tasks: { gate: { await: short, wait: 60s } }
    reply: short
  GET /one: { limit: 1, tasks: { gate: { await: one, wait: 60s } }, reply: one }
  GET /keyed/{name}:
    limit: { concurrent: 1, key: "${path.name}" }
    tasks: { gate: { await: keyed, wait: 60s } }
    reply: keyed
  GET /finishes:
    on_disconnect: finish
    limit: { concurrent: 1 }
    tasks: { gate: { await: finishes, wait: 60s } }
    reply: finishes
  POST /open/{name}: { tasks: { all: { signal: "${path.name}", wake: 1, keep: 5m } }, reply: opened }
"""
GET = "GET {} HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def gated(leat):
    return leat(LIMIT)


def send(site, target):
    return site.connect().send(GET.format(target))


def in_work(site, n):
    await_true(lambda: site.status()["requests_in_work"] == n, what=f"{n} requests in work")


def open_gate(site, name):
    assert site.post("/open/" + name).text == "opened"


def test_so_many_are_in_work_the_next_wait_in_order_and_the_rest_is_refused(gated):
    inside = [send(gated, "/two") for _ in range(2)]
    in_work(gated, 2)
    first = send(gated, "/two")
    in_work(gated, 3)
    second = send(gated, "/two")
    in_work(gated, 4)
    answer = gated.get("/two")
    assert (answer.status, answer.json()["code"], answer.get("retry-after")) == (503, "queue_full", "1")
    open_gate(gated, "gate")
    in_work(gated, 3)
    assert second.is_silent()
    for _ in range(3):
        open_gate(gated, "gate")
    for client in (*inside, first, second):
        assert client.response().text == "two"
    assert gated.status()["requests_in_work"] == 0


def test_who_waits_too_long_is_refused(gated):
    inside = send(gated, "/short")
    in_work(gated, 1)
    answer = gated.get("/short")
    assert (answer.status, answer.json()["code"]) == (503, "queue_full")
    open_gate(gated, "short")
    assert inside.response().text == "short"


def test_a_client_that_leaves_gives_its_place_in_the_queue_up(gated):
    inside = [send(gated, "/two") for _ in range(2)]
    in_work(gated, 2)
    leaving = [send(gated, "/two") for _ in range(2)]
    in_work(gated, 4)
    for client in leaving:
        client.reset()
    in_work(gated, 2)
    waiting = send(gated, "/two")
    in_work(gated, 3)
    for _ in range(3):
        open_gate(gated, "gate")
    for client in (*inside, waiting):
        assert client.response().text == "two"


def test_a_client_that_leaves_gives_its_place_in_work_up_when_its_tasks_have_ended(gated):
    leaving = send(gated, "/one")
    in_work(gated, 1)
    leaving.reset()
    in_work(gated, 0)
    staying = send(gated, "/one")
    in_work(gated, 1)
    open_gate(gated, "one")
    assert staying.response().text == "one"
    leaving = send(gated, "/finishes")
    in_work(gated, 1)
    leaving.reset()
    await_true(lambda: gated.n_connections() == 1, what="the end of the connection")
    assert gated.get("/finishes").status == 503
    open_gate(gated, "finishes")
    in_work(gated, 0)


def test_each_key_counts_for_itself(gated):
    clients = [send(gated, "/keyed/" + name) for name in ("a", "b")]
    in_work(gated, 2)
    assert gated.get("/keyed/a").status == 503
    for _ in clients:
        open_gate(gated, "keyed")
    assert [client.response().text for client in clients] == ["keyed", "keyed"]


def test_a_reload_keeps_the_places_that_are_taken(gated):
    inside = send(gated, "/one")
    in_work(gated, 1)
    assert gated.reload(LIMIT + "  GET /new: { reply: new }\n").returncode == 0
    assert gated.get("/one").status == 503
    open_gate(gated, "one")
    assert inside.response().text == "one"
    send(gated, "/one")
    in_work(gated, 1)
    open_gate(gated, "one")


def test_clients_that_come_and_go_leave_no_place_taken(gated):
    """Grants cross with leaving clients, on three loops."""
    def come_and_go(seed):
        for i in range(40):
            client = gated.connect()
            client.send(GET.format("/two") if i % 3 else GET.format("/one"))
            if (i + seed) % 2:
                client.reset()
                continue
            try:
                open_gate(gated, "gate")
                open_gate(gated, "one")
            except Closed:
                pass
            client.close()
    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    in_work(gated, 0)
    for gate, path in (("gate", "/two"), ("gate", "/two"), ("one", "/one")):
        open_gate(gated, gate)
        assert gated.get(path).status == 200
    assert gated.reload(LIMIT).returncode == 0


@pytest.mark.parametrize("limit, message", [
    ("lots", '"limit" cannot be "lots"; write 100, or {concurrent: 100}'),
    ("0", '"concurrent" is from 1 to 1000000'),
    ("{ queue: 3 }", 'limit needs the key "concurrent"'),
    ("{ concurrent: 1, key: user }", '"user" is no key'),
])
def test_a_wrong_limit_is_an_error_of_loading(limit, message):
    code, out = check(f"listen: 127.0.0.1:0\nroutes:\n  GET /x: {{ reply: x, limit: {limit} }}\n")
    assert code == 1 and message in out, out
