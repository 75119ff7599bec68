"""tests/e2e/test_compute.py: sort, merge, reduce, and the section compute."""
import glob
import json
import os
import random
import re
import threading

import pytest

from leat import await_true, check

CONF = """
listen: 127.0.0.1:0
server: { threads: 1, compute_threads: 2 }
limits: { memory: 64m, body: 32m }
compute: { narrow: { running: 1, waiting: 1 } }
routes:
  GET /hello: { reply: hello }
  POST /sort/{by}: { body: { type: json }, tasks: { s: { sort: "${body}" } }, reply: { json: "${s}" } }
  POST /price: { body: { type: json }, tasks: { s: { sort: "${body}", by: price } }, reply: { json: "${s}" } }
  POST /two: { body: { type: json }, tasks: { s: { sort: "${body}", by: [-price, who.name] } }, reply: { json: "${s}" } }
  POST /top: { body: { type: json }, tasks: { s: { sort: "${body}", by: -price, take: 2 } }, reply: { json: "${s}" } }
  POST /narrow: { body: { type: json }, tasks: { s: { sort: "${body}", queue: narrow } }, reply: { json: "${len(s)}" } }
  POST /merge: { body: { type: json }, tasks: { s: { merge: "${body}" } }, reply: { json: "${s}" } }
  POST /made: { body: { type: json }, tasks: { s: { sort: [3, "${body[0]}", 1] } }, reply: { json: "${s}" } }
  POST /reduce/{of}:
    body: { type: json }
    tasks:
      sum: { reduce: "${body}", of: n }
      count: { reduce: "${body}", of: n, combine: count }
      avg: { reduce: "${body}", of: n, combine: avg }
      min: { reduce: "${body}", of: n, combine: min }
      max: { reduce: "${body}", of: n, combine: max }
      first: { reduce: "${body}", of: n, combine: first }
      last: { reduce: "${body}", of: n, combine: last }
    reply: { json: ["${sum}", "${count}", "${avg}", "${min}", "${max}", "${first}", "${last}"] }
  POST /by: { body: { type: json }, tasks: { s: { reduce: "${body}", of: n, by: k } }, reply: { json: "${s}" } }
  POST /plain: { body: { type: json }, tasks: { s: { reduce: "${body}" } }, reply: { json: "${s}" } }
"""


@pytest.fixture(scope="module")
def daemon(module_stage):
    return module_stage.leat(CONF)


def post(daemon, path, value, status=200):
    body = value if isinstance(value, str) else json.dumps(value)
    answer = daemon.post(path, body, headers={"Content-Type": "application/json"})
    assert answer.status == status, answer
    return answer


def detail(daemon, path, value):
    problem = post(daemon, path, value, 500).json()
    assert problem["code"] == "expr_error"
    return daemon.await_line(f"request failed .* id={problem['request_id']}")


# ------------------------------------------------------------------ sort

def test_numbers_are_sorted_whatever_their_form_and_come_out_as_they_came_in(daemon):
    text = "[10,2.50,1e1,-0,9007199254740993,9007199254740992,0.1e2]"
    assert post(daemon, "/sort/x", text).text == "[-0,2.50,10,1e1,0.1e2,9007199254740992,9007199254740993]"


def test_texts_are_sorted_by_their_bytes_null_comes_first_and_false_before_true(daemon):
    assert post(daemon, "/sort/x", ["é", "b", None, "B", ""]).json() == [None, "", "B", "b", "é"]
    assert post(daemon, "/sort/x", [True, False, None]).json() == [None, False, True]
    assert post(daemon, "/sort/x", []).json() == []


def test_elements_are_sorted_by_names_in_them_down_and_up(daemon):
    people = [{"price": 1, "who": {"name": "b"}}, {"price": 2, "who": {"name": "c"}}, {"price": 1, "who": {"name": "a"}},
              {"who": {"name": "d"}}]
    assert [p["who"]["name"] for p in post(daemon, "/two", people).json()] == ["c", "a", "b", "d"]
    assert [p["who"]["name"] for p in post(daemon, "/price", people).json()] == ["d", "b", "a", "c"]
    assert [p["who"]["name"] for p in post(daemon, "/top", people).json()] == ["c", "b"]


def test_a_long_list_is_sorted_by_several_threads_and_equals_keep_their_order(daemon):
    items = [{"price": random.randrange(500), "i": i} for i in range(50000)]
    assert post(daemon, "/price", items).json() == sorted(items, key=lambda item: item["price"])


def test_a_list_that_was_made_of_values_is_sorted_too(daemon):
    assert post(daemon, "/made", [2]).json() == [1, 2, 3]


def test_what_has_no_order_is_an_error_that_says_so(daemon):
    assert "sometimes number, sometimes text" in detail(daemon, "/sort/x", [1, "a"])
    assert "lists and objects have no order" in detail(daemon, "/sort/x", [{}, {}])
    assert "wants a list, not object" in detail(daemon, "/sort/x", {"a": 1})
    assert "wants a list, not null" in detail(daemon, "/sort/x", "null")


# ------------------------------------------------------------------ merge

def test_lists_in_order_are_merged(daemon):
    assert post(daemon, "/merge", [[1, 4, 9], [], [2, 4], [0]]).json() == [0, 1, 2, 4, 4, 9]
    assert post(daemon, "/merge", []).json() == []
    lists = [sorted(random.randrange(10**6) for _ in range(n)) for n in (20000, 1, 35000, 0, 7)]
    assert post(daemon, "/merge", lists).json() == sorted(sum(lists, []))


def test_a_list_that_is_not_in_order_is_an_error_that_says_where(daemon):
    assert "list 2 is not in order: its element 3" in detail(daemon, "/merge", [[1], [1, 3, 2]])
    assert "number 2 is number" in detail(daemon, "/merge", [[1], 2])


# ------------------------------------------------------------------ reduce

def test_values_are_reduced_and_null_is_none(daemon):
    items = [{"n": 3}, {"n": None}, {}, {"n": 4.5}, {"n": -1}]
    assert post(daemon, "/reduce/n", items).json() == [6.5, 3, 6.5 / 3, -1, 4.5, 3, -1]
    assert post(daemon, "/reduce/n", []).json() == [0, 0, None, None, None, None, None]


def test_a_long_list_is_reduced_by_several_threads_exactly(daemon):
    items = [{"n": random.randrange(-10**12, 10**12)} for _ in range(60000)]
    numbers = [item["n"] for item in items]
    answer = post(daemon, "/reduce/n", items).json()
    assert answer[0] == sum(numbers) and answer[1] == len(numbers)
    assert answer[3:] == [min(numbers), max(numbers), numbers[0], numbers[-1]]


def test_groups_stand_in_the_order_of_their_first_appearance(daemon):
    items = [{"k": "b", "n": 1}, {"k": 2, "n": 5}, {"k": "2", "n": 7}, {"k": "b", "n": 2}, {"n": 9}]
    assert post(daemon, "/by", items).json() == [
        {"key": "b", "value": 3, "count": 2}, {"key": 2, "value": 5, "count": 1},
        {"key": "2", "value": 7, "count": 1}, {"key": None, "value": 9, "count": 1}]
    many = [{"k": f"k{random.randrange(300)}", "n": 1} for _ in range(40000)]
    answer = post(daemon, "/by", many).json()
    assert [group["key"] for group in answer] == list(dict.fromkeys(item["k"] for item in many))
    assert sum(group["value"] for group in answer) == len(many)


def test_a_sum_past_64_bits_is_an_error_and_never_a_wrong_number(daemon):
    assert post(daemon, "/plain", "[9223372036854775807]").text == "9223372036854775807"
    assert "past 64 bits" in detail(daemon, "/plain", "[9223372036854775807,1]")
    assert "sum and avg are of numbers" in detail(daemon, "/plain", [1, "a"])


# ------------------------------------------------------------------ queues

def test_a_full_queue_answers_503_and_others_go_on(daemon):
    """One runs, one waits; of eight at once some are refused, and none is lost."""
    body = json.dumps([random.random() for _ in range(100000)])
    statuses, lock = [], threading.Lock()

    def one():
        answer = daemon.post("/narrow", body, headers={"Content-Type": "application/json"})
        with lock:
            statuses.append((answer.status, answer.json() if answer.status == 200 else answer.json()["code"]))
    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert daemon.get("/hello").text == "hello"
    for thread in threads:
        thread.join()
    assert set(statuses) <= {(200, 100000), (503, "queue_full")}
    assert (200, 100000) in statuses
    n_done, n_refused = (sum(status == wanted for status, _ in statuses) for wanted in (200, 503))

    def counted():  # what was done is counted when its thread is free again
        queue = next(q for q in daemon.status()["compute"] if q["name"] == "narrow")
        return (queue["done"], queue["refused"]) == (n_done, n_refused)
    await_true(counted)


def test_the_metrics_tell_how_long_works_waited_and_ran(daemon):
    post(daemon, "/narrow", [random.random() for _ in range(100000)])

    def counted():
        text = daemon.admin("GET", "/metrics").text
        return {match[1]: float(match[2]) for match in
                re.finditer(r'^leat_compute_(\w+){queue="narrow"} (\S+)$', text, re.M)}
    await_true(lambda: counted()["running"] == 0)
    figures = counted()
    assert set(figures) == {"waiting", "running", "done_total", "refused_total", "waited_seconds_total",
                            "ran_seconds_total"}
    queue = next(q for q in daemon.status()["compute"] if q["name"] == "narrow")
    assert (figures["done_total"], figures["refused_total"], figures["waiting"]) == (queue["done"], queue["refused"], 0)
    assert 0 < figures["ran_seconds_total"] < 1000 and abs(figures["ran_seconds_total"] * 1000 - queue["ran_ms"]) <= 1


def n_threads(daemon):
    names = []
    for path in glob.glob(f"/proc/{daemon.pid}/task/*/comm"):
        with open(path, encoding="ascii") as file:
            names.append(file.read().strip())
    return sum(n.startswith("leat-loop-") for n in names), names.count("leat-compute")


def test_there_are_as_many_threads_as_the_affinity_mask_has_cpus(leat):
    conf = "server: { threads: auto, compute_threads: auto }\nroutes: { GET /: { reply: x } }\n"
    mine = sorted(os.sched_getaffinity(0))
    one = leat(conf, shell=f"exec taskset -c {mine[0]} \"$0\" \"$@\";")
    await_true(lambda: n_threads(one) == (1, 1))  # a thread says its name when it runs
    free = leat(conf)
    await_true(lambda: (n := n_threads(free))[0] == n[1] and 1 <= n[0] <= len(mine))
    n_loops = len(free.status()["loops"])
    if len(mine) > 1:
        two = leat(conf, shell=f"exec taskset -c {mine[0]},{mine[1]} \"$0\" \"$@\";")
        await_true(lambda: n_threads(two) == (min(2, n_loops),) * 2)  # fewer where a cgroup has a quota


def test_the_status_tells_of_each_queue(daemon):
    await_true(lambda: all(q["running"] == 0 for q in daemon.status()["compute"]))
    post(daemon, "/narrow", [3, 2, 1])
    assert re.search(r"^compute     narrow: 0 waiting, \d running, \d+ done, \d+ refused; waited \d+ ms, at most \d+ ms, "
                     r"ran \d+ ms$", daemon.cli("status").out, re.M)
    names = [queue["name"] for queue in daemon.status()["compute"]]
    assert names == ["compute", "narrow"]
    assert {"name", "waiting", "running", "done", "refused", "waited_ms", "waited_max_ms", "ran_ms"} == \
        set(daemon.status()["compute"][0])


# ------------------------------------------------------------------ what load finds

@pytest.mark.parametrize("task, message", [
    ("{ sort: '${body}', by: '${body.x}' }", "`by` says where to look"),
    ("{ sort: '${body}', by: a..b }", "`by` says where to look"),
    ("{ sort: '${body}', by: [] }", "`by` takes one to 8 names"),
    ("{ sort: '${body}', queue: hevay }", "there is no compute queue \"hevay\"; did you mean \"heavy\"?"),
    ("{ sort: '${body}', take: 0 }", "take"),
    ("{ reduce: '${body}', combine: mul }", "combine"),
    ("{ sort: '${secret.x}' }", "secret"),
])
def test_wrong_keys_are_load_errors(task, message):
    code, out = check("compute: { heavy: { weight: 2 } }\nroutes:\n  POST /x:\n    tasks: { a: %s }\n" % task)
    assert code == 1 and message in out, out


def test_the_section_compute_is_checked():
    code, out = check("compute: { Heavy: { weight: 2 }, b: { wieght: 1 } }\nroutes: {}\n")
    assert code == 1 and "cannot be the name of a queue" in out and "did you mean \"weight\"" in out, out


@pytest.mark.skipif(os.environ.get("WITH_GPU") != "no", reason="built with gpu")
def test_without_gpu_a_configuration_that_uses_it_says_so():
    code, out = check("routes: { GET /: { tasks: { p: { gpu: k.cl } }, reply: ok } }\n")
    assert code == 1 and "this leat was built without gpu" in out
