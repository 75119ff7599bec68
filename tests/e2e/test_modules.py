"""tests/e2e/test_modules.py: native modules: functions, verbs, loading, reloading; and the examples."""
import json
import os
import re
import threading

import pytest

from leat import BINARY, TIMEOUT, await_true, cli

BUILT = os.path.dirname(os.path.abspath(BINARY))


def module(name):
    return os.path.join(BUILT, "tests", "modules", name + ".so")


def example(name):
    return os.path.join(BUILT, "examples", name)


def read(path):
    with open(path, "rb") as file:
        return file.read()


CONF = f"""
server: {{ threads: 1, compute_threads: 3 }}
limits: {{ memory: 1m, body: 8m }}
modules: [{module("calc")}, {module("plus")}]
compute: {{ narrow: {{ running: 1, waiting: 1 }} }}
routes:
  POST /echo: {{ body: {{ type: json }}, tasks: {{ n: {{ native: calc.echo, with: "${{body}}" }} }}, reply: {{ json: "${{n}}" }} }}
  POST /made: {{ body: {{ type: json }}, tasks: {{ n: {{ native: calc.echo, with: {{ a: [1, "${{body}}"], b: "x${{body.y}}" }} }} }}, reply: {{ json: "${{n.result}}" }} }}
  POST /describe: {{ body: {{ type: json }}, tasks: {{ n: {{ native: calc.describe, with: "${{body}}" }} }}, reply: {{ json: "${{n}}" }} }}
  POST /raw: {{ body: {{ type: any }}, tasks: {{ n: {{ native: calc.raw, with: {{ body: "${{request.body}}" }} }} }}, reply: {{ body: "${{n}}" }} }}
  GET /nothing: {{ tasks: {{ n: {{ native: calc.nothing }} }}, reply: {{ json: "${{n}}" }} }}
  POST /refuse: {{ body: {{ type: json }}, tasks: {{ n: {{ native: calc.refuse, with: "${{body}}" }} }}, reply: {{ json: "${{n}}" }} }}
  POST /deep: {{ body: {{ type: json }}, tasks: {{ n: {{ native: calc.deep, with: "${{body.n}}" }} }}, reply: {{ json: "${{n}}" }} }}
  GET /greedy: {{ tasks: {{ n: {{ native: calc.greedy }} }}, reply: {{ json: "${{n}}" }} }}
  GET /verbose: {{ tasks: {{ n: {{ native: calc.verbose }} }}, reply: {{ json: "${{n}}" }} }}
  GET /spin: {{ tasks: {{ n: {{ native: calc.spin, timeout: 50ms }} }} }}
  GET /spin/long: {{ tasks: {{ n: {{ native: calc.spin }} }} }}
  GET /narrow: {{ tasks: {{ n: {{ native: calc.spin, queue: narrow, timeout: 5s }} }} }}
  GET /cancelled: {{ tasks: {{ n: {{ native: calc.cancelled }} }}, reply: {{ json: "${{n}}" }} }}
  GET /keys: {{ tasks: {{ n: {{ calc_keys: "a${{query.v}}" }} }}, reply: {{ json: "${{n}}" }} }}
  GET /keys/all:
    tasks:
      n:
        calc_keys: text
        flag: false
        times: 3
        label: L
        every: 2s
        room: 1k
        manner: fast
        any: {{ x: [1] }}
        width: ${{number(query.w)}}
        often: ${{query.often ?? '5s'}}
        token: ${{secret.token}}
        queue: narrow
    reply: {{ json: "${{n}}" }}
  POST /plus: {{ body: {{ type: json }}, tasks: {{ n: {{ native: plus.reverse, with: "${{body}}" }}, s: {{ plus: "${{body[0]}}" }} }}, reply: {{ json: ["${{n}}", "${{s}}"] }} }}
  GET /plus: {{ tasks: {{ s: {{ plus: hey }} }}, reply: {{ text: "${{s}}" }} }}
"""


@pytest.fixture(scope="module")
def daemon(module_stage):
    return module_stage.leat(CONF + "secrets: { dir: secrets }\n", files={"secrets/token": "12345"})


def post(daemon, path, value, status=200):
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    answer = daemon.post(path, body, headers={"Content-Type": "application/json"})
    assert answer.status == status, answer
    return answer


# ------------------------------------------------------------------ functions

def test_values_go_in_and_out_as_they_are(daemon):
    for text in ('null', 'true', '[]', '{}', '"a\\"b\\u0000c\u00e9"', '18446744073709551616', '19.99', '-0.0',
                 '{"a":[1,2,{"b":null}],"a b":{}}'):
        assert post(daemon, "/echo", text).text == text
    assert post(daemon, "/made", {"y": 7}).json() == {"a": [1, {"y": 7}], "b": "x7"}
    assert daemon.get("/nothing").text == "null"


def test_what_is_read_says_what_it_is(daemon):
    nothing = {"boolean": False, "integer": None, "number": None, "bytes": 0, "len": 0, "first": None, "past": None,
               "a": None, "last": ["", None]}
    for value, more in ((None, {"type": "null"}),
                        (True, {"type": "boolean", "boolean": True}),
                        (7, {"type": "number", "integer": 7, "number": 7}),
                        (1.5, {"type": "number", "number": 1.5}),
                        (1e3, {"type": "number", "integer": 1000, "number": 1000}),
                        (2**63, {"type": "number", "number": 9223372036854775808}),
                        ("é", {"type": "text", "bytes": 2}),
                        ([4, 5], {"type": "list", "len": 2, "first": 4}),
                        ({"a": {"b": 1}, "z": [2]}, {"type": "object", "len": 2, "a": 1, "last": ["z", [2]]})):
        answer = post(daemon, "/describe", json.dumps(value)).json()
        assert answer == {**nothing, **more}, value


def test_bytes_of_any_kind_pass_through(daemon):
    data = bytes(range(256)) * 100
    answer = daemon.post("/raw", data, headers={"Content-Type": "application/octet-stream"})
    assert answer.status == 200 and answer.body == data


def test_a_failure_has_its_code_its_status_and_its_detail_in_the_log(daemon):
    problem = post(daemon, "/refuse", {"code": "invalid_input"}, 400).json()
    assert problem["code"] == "invalid_input" and problem["task"] == "n" and "much" not in json.dumps(problem)
    line = daemon.await_line(f"request failed .* id={problem['request_id']}")
    assert 'detail="so much for invalid_input"' in line
    assert post(daemon, "/refuse", {"code": "too_small"}, 500).json()["code"] == "too_small"
    assert post(daemon, "/refuse", {"code": "too_small", "status": 422}, 422).json()["code"] == "too_small"


def test_a_result_that_nests_too_deeply_is_a_failure(daemon):
    assert post(daemon, "/deep", {"n": 190}).json()["a"]
    assert post(daemon, "/deep", {"n": 1000}, 502).json()["code"] == "too_large"


def test_a_function_has_as_much_memory_as_its_request(daemon):
    for path in ("/greedy", "/verbose"):
        answer = daemon.get(path)
        assert answer.status == 500 and answer.json()["code"] == "memory_limit"
    assert daemon.get("/nothing").status == 200


def test_the_deadline_cancels_a_function_and_does_not_wait_for_it(daemon):
    before = daemon.get("/cancelled").json()
    assert daemon.get("/spin").status == 504
    await_true(lambda: daemon.get("/cancelled").json() > before or not daemon.get("/spin"),  # it may have had no thread in time
               what="the function saw it")
    daemon.await_line('module says module=calc text="a cancelled function has seen it"')


def test_a_client_that_leaves_cancels_a_function(daemon):
    before = daemon.get("/cancelled").json()
    client = daemon.connect()
    client.send("GET /spin/long HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: any(queue["running"] for queue in daemon.status()["compute"]), what="the function runs")
    client.reset()
    await_true(lambda: daemon.get("/cancelled").json() == before + 1, what="the function saw it")


def test_a_full_queue_refuses_at_once(daemon):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.get("/narrow"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    await_true(lambda: answers, what="one of three is refused")
    assert answers[0].status == 503 and answers[0].json()["code"] == "queue_full"
    assert answers[0].get("retry-after")
    for thread in threads:
        thread.join(TIMEOUT)
    # two when neither of the others had a thread yet
    assert sorted(a.status for a in answers) in ([503, 504, 504], [503, 503, 504])


# ------------------------------------------------------------------ verbs

def test_a_verb_has_the_defaults_of_its_table(daemon):
    assert daemon.get("/keys?v=b").json() == {
        "value": "ab", "flag": True, "times": None, "label": "none", "every": 90000, "room": 65536, "manner": "exact",
        "any": [1, "two"], "width": 100, "token": 0, "often": None}


def test_a_verb_gets_its_keys_as_their_types_say(daemon):
    assert daemon.get("/keys/all?w=640").json() == {
        "value": "text", "flag": False, "times": 3, "label": "L", "every": 2000, "room": 1024, "manner": "fast",
        "any": {"x": [1]}, "width": 640, "token": 5, "often": 5000}
    assert daemon.get("/keys/all?w=640&often=1m").json()["often"] == 60000


@pytest.mark.parametrize("query, detail", [
    ("w=0", "`width` takes a whole number from 1 to 4096, not this number"),
    ("w=1.5", "`width` takes a whole number from 1 to 4096, not this number"),
    ("w=9&often=2m", "`often` takes a duration such as 200ms or 5s, not this"),
    ("w=9&often=soon", "`often` takes a duration such as 200ms or 5s, not this text"),
])
def test_a_value_that_does_not_fit_a_key_is_invalid_input(daemon, query, detail):
    answer = daemon.get("/keys/all?" + query)
    assert answer.status == 400, answer
    assert detail in daemon.await_line(f"request failed .* id={answer.json()['request_id']}")


def test_a_module_may_be_written_in_cpp(daemon):
    assert post(daemon, "/plus", [1, 2, 3.5]).json() == [[3.5, 2, 1], "!"]
    assert daemon.get("/plus").text == "hey!"


# ------------------------------------------------------------------ what is wrong with a configuration

def refusal(text, *more, files=None):
    """What `leat check` prints of a text in which @NAME@ is the file of a test's module."""
    from leat import check
    text = re.sub(r"@(\w+)@", lambda match: module(match[1]), text)
    code, printed = check("listen: 127.0.0.1:0\n" + text, *more, files=files)
    return code, printed


@pytest.mark.parametrize("text, message", [
    ("modules: [nowhere.so]", 'leat.yaml:2:11: error: the module nowhere.so cannot be read: '),
    ("modules: [@no_module@]", "is a shared object, but no module of leat: it has no symbol leat_module; write LEAT_MODULE(…)"),
    ("modules: [@old_abi@]", "was built with version 7.3 of leat.h, and this leat has 1.3; build it with the leat.h that came"),
    ("modules: [@unresolved@]", "undefined symbol: this_is_nowhere; build it"),
    ("modules: [leat.yaml]", "cannot be loaded: "),
    ("modules: [5]", "`modules` is a list of files, and this is a number; write [hello.so]"),
    ("modules: { a: b }", "`modules` is a list of files, and this is a map"),
    ("modules: [@calc@, @calc@]", 'the module "calc" is there already: it is that of '),
])
def test_a_module_that_cannot_be_loaded_is_told_with_place_and_mend(text, message):
    code, printed = refusal(text)
    printed = re.sub(r"/\S*leat-\w+/", "/", printed)
    assert code == 1 and message in printed, printed


def test_tables_that_are_wrong_are_told_with_all_that_is_wrong():
    code, printed = refusal("modules: [@bad_tables@]")
    assert code == 1
    for part in ('"Not_a_name" cannot be the name of a function', "the function helpless has no help",
                 "the function empty has no run()", "it has two functions twice",
                 "the key timeout of the verb bad means something else in every task",
                 "the key get of the verb bad means something else", "the key queue of the verb bad means something else",
                 'number of the verb bad has the default "many", which it does not take itself',
                 'range of the verb bad has the default "11", which it does not take itself',
                 "choice of the verb bad: choices belong to LEAT_KEY_CHOICE",
                 "choices of the verb bad: choices belong to LEAT_KEY_CHOICE",
                 "hidden of the verb bad: LEAT_SECRET belongs to LEAT_EXPRESSION",
                 "flags of the verb bad has a type or a flag that is none", "the verb bad has two keys same",
                 "the verb bad needs one of run() and start(), and not both",
                 "the verb foreign is not called bad, or bad_ and something"):
        assert f"leat.yaml:2:11: error: the module bad is wrong: {part}" in printed, (part, printed)


@pytest.mark.parametrize("task, message", [
    ("native: calc.ecko", 'leat.yaml:3:42: error: the module calc has no function "ecko"; did you mean "echo"?'),
    ("native: calk.echo", 'there is no module "calk"; did you mean "calc"?'),
    ("native: other.echo", 'there is no module "other"; name its file: modules: [other.so]'),
    ("native: echo", "`native` takes a function of a module: native: MODULE.FUNCTION"),
    ("native: calc.echo, wiht: 1", 'unknown key "wiht" in a task; did you mean "with"?'),
    ("native: calc.echo, queue: fast", 'there is no compute queue "fast"; declare it'),
    ("native: calc.echo, with: \"${secret.token}\"", "a secret cannot be in `with`, where it could be seen"),
    ("calc_keys: a, widht: 3", 'unknown key "widht" in a task; did you mean "width"?'),
    ("calc_kyes: a", 'unknown key "calc_kyes" in a task; did you mean "calc_keys"?'),
    ("calc_keys: [a]", "`calc_keys` takes a text, not this list"),
    ("calc_keys: a, times: 11", '"times" is from 1 to 10, not 11'),
    ("calc_keys: a, times: \"${1}\"", '"times" takes no ${}: it is read once'),
    ("calc_keys: a, width: 5000", "`width` takes a whole number from 1 to 4096, not this number"),
    ("calc_keys: a, width: wide", "`width` takes a whole number from 1 to 4096, not this text"),
    ("calc_keys: a, manner: fats", '"manner" is fast or exact, not the text "fats"; did you mean "fast"?'),
    ("calc_keys: a, any: \"${query.x}\"", "`any` takes no ${}: it is constant"),
    ("calc_keys: \"${secret.token}\"", "a secret cannot be in `calc_keys`, where it could be seen"),
    ("get: \"http://127.0.0.1/\", width: 3", "`width` belongs to"),
])
def test_a_task_that_is_wrong_is_told_with_place_and_mend(task, message):
    code, printed = refusal("modules: [@calc@]\nroutes: { GET /: { tasks: { n: { " + task + " } } } }\n")
    assert code == 1 and message in printed, printed


def test_a_module_is_found_beside_the_file_that_names_it():
    conf = "include: more/part.yaml\nmodules: [calc.so]\nroutes: { GET /: { tasks: { n: { plus: a }, m: { calc_keys: b } } } }\n"
    code, printed = refusal(conf, files={"more/part.yaml": "modules: [plus.so]\n", "more/plus.so": read(module("plus")),
                                         "calc.so": read(module("calc"))})
    assert code == 0, printed


def test_check_reads_the_tables_and_starts_nothing(leat):
    conf = f"modules: [{module('fails_init')}]\nroutes: {{ GET /: {{ tasks: {{ n: {{ native: fails_init.run }} }} }} }}\n"
    assert refusal(conf)[0] == 0
    daemon = leat("routes: { GET /: { reply: one } }")
    done = daemon.reload(conf)
    assert done.returncode == 1
    assert "error: the module fails_init does not start: the moon is not full" in done.err
    assert daemon.get("/").text == "one"


def test_a_daemon_whose_module_does_not_start_says_why_and_ends(leat):
    daemon = leat(f"modules: [{module('fails_init')}]\n"
                  "routes: { GET /: { tasks: { n: { native: fails_init.run } } } }\n"
                  "jobs: { j: { every: 1h, at_start: true, tasks: { w: { wait: 1h } } } }\n", start=False)
    done = daemon.cli("run")  # no signal
    assert done.returncode == 1 and "the module fails_init does not start: the moon is not full" in done.err
    assert "serving" not in done.err


def test_the_schema_knows_the_verbs_of_a_configuration(leat):
    daemon = leat(f"modules: [{module('calc')}]\nroutes: {{ GET /: {{ reply: x }} }}\n")
    plain = json.loads(cli("schema").out)["$defs"]["tasks"]["additionalProperties"]["properties"]
    mine = json.loads(daemon.cli("schema").out)["$defs"]["tasks"]["additionalProperties"]["properties"]
    assert "native" in plain and "calc_keys" not in plain
    assert mine["calc_keys"]["description"] == "Its keys."
    assert mine["times"] == {"type": "integer", "minimum": 1, "maximum": 10, "description": "How often."}
    assert mine["manner"]["enum"] == ["fast", "exact"]


# ------------------------------------------------------------------ one generation after the other

VERSION = """
server: { threads: 2, compute_threads: 2 }
modules: [version.so]
routes:
  GET /: { tasks: { n: { native: version.tell } }, reply: { json: "${n}" } }
  GET /wait: { timeout: 30s, tasks: { n: { native: version.wait } } }
"""


def version(number):
    return read(module("version")).replace(b"version=1", b"version=%d" % number)


def replace(daemon, number):
    """In one step, and in place: the old bytes are gone from the file that was loaded."""
    with open(os.path.join(daemon.dir, "version.so"), "r+b") as file:
        file.write(version(number))


def test_a_module_that_has_changed_is_loaded_anew_and_the_old_one_unloaded(leat):
    daemon = leat(VERSION, files={"version.so": version(1)})
    assert daemon.get("/").json() == ["version=1", 1]
    for number in (2, 3, 4):
        replace(daemon, number)
        assert daemon.get("/").json()[0] == f"version={number - 1}"
        assert daemon.reload().returncode == 0
        assert daemon.get("/").json() == [f"version={number}", 1]
        daemon.await_line(f'fini of version={number - 1}"')
        await_true(lambda: read(f"/proc/{daemon.pid}/maps").count(b"leat-module") <= 6, what="the old one is unloaded")


def test_a_module_that_is_the_same_goes_on_with_its_state(leat):
    daemon = leat(VERSION, files={"version.so": version(1)})
    assert daemon.get("/").json() == ["version=1", 1]
    assert daemon.reload().returncode == 0
    assert daemon.get("/").json() == ["version=1", 2]
    assert sum("init of" in line for line in daemon.lines) == 1


def test_a_refused_reload_leaves_the_module_that_runs(leat):
    daemon = leat(VERSION, files={"version.so": version(1)})
    replace(daemon, 2)
    assert daemon.reload(VERSION + "  GET /x: { reply: \"${nothing}\" }\n").returncode == 1
    assert daemon.get("/").json() == ["version=1", 1]
    assert not any("version=2" in line for line in daemon.lines)


def test_a_module_stays_until_its_last_run_has_ended(leat):
    daemon = leat(VERSION, files={"version.so": version(1)})
    client = daemon.connect()
    client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: daemon.status()["requests_in_work"], what="the request is in work")
    replace(daemon, 2)
    assert daemon.reload().returncode == 0
    assert daemon.get("/").json() == ["version=2", 1]
    assert not any("fini of" in line for line in daemon.lines)
    client.reset()
    daemon.await_line('fini of version=1"')
    order = [line for line in daemon.lines if "version=1\"" in line]
    assert "end of a run" in order[-2] and "fini" in order[-1], order


def test_a_module_that_is_named_no_more_is_unloaded(leat):
    daemon = leat(VERSION, files={"version.so": version(1)})
    assert daemon.reload("routes: { GET /: { reply: one } }").returncode == 0
    daemon.await_line('fini of version=1"')
    await_true(lambda: b"leat-module" not in read(f"/proc/{daemon.pid}/maps"), what="it is unloaded")


# ------------------------------------------------------------------ the examples

def example_conf(name):
    """As it is, but for its addresses."""
    conf = read(example(name + ".yaml")).decode()
    return conf.replace("listen: 127.0.0.1:8080", "listen: 127.0.0.1:0").replace("unix:/tmp/", "unix:@DIR@/")


def test_the_matrix_service_multiplies(stage):
    conf = example_conf("matrix")
    daemon = stage.leat(conf, files={"matrix.so": read(example("matrix.so"))})
    product = post(daemon, "/multiply", {"a": [[1, 2, 3], [4, 5, 6]], "b": [[7, 8], [9, 10], [11, 12]]})
    assert product.json() == [[58, 64], [139, 154]]
    n = 60
    a = [[(i * j) % 7 - 3 for j in range(n)] for i in range(n)]
    unit = [[1 if i == j else 0 for j in range(n)] for i in range(n)]
    assert post(daemon, "/multiply", {"a": a, "b": unit}).json() == a
    for a, b, error in (([[1, 2]], [[1, 2]], "a has 2 columns and b 1 rows"), ([[1], [1, 2]], [[1]], "row 2 of a is not 1 numbers"),
                        (1, [[1]], "a is no list of rows"), ([[1]], [["x"]], "row 1 of b is not 1 numbers")):
        assert error in post(daemon, "/multiply", {"a": a, "b": b}, 422).json()["error"]


def test_the_smallest_module_greets(stage):
    conf = example_conf("hello")
    daemon = stage.leat(conf, files={"hello.so": read(example("hello.so"))})
    assert daemon.get("/greet/Ada").json() == {"text": "Hello, Ada!"}
    assert daemon.get("/greet/" + "x" * 101).status == 400


# ------------------------------------------------------------------ tasks on the loop

WEAVE = """
server: { threads: 2, compute_threads: 2 }
modules: [@WEAVE@]
http: { users: { url: "http://127.0.0.1:@PORT@/v1" } }
routes:
  POST /: { timeout: 20s, body: { type: json }, tasks: { n: { weave: "${body}" } }, reply: { text: "${n}" } }
"""


@pytest.fixture(scope="module")
def woven(module_stage):
    def answer(call):
        call.reply(b"x" * 10000 if call.path == "/v1/large" else b"42", status=404 if call.path == "/v1/missing" else 200)
    backend = module_stage.backend(answer)
    daemon = module_stage.leat(WEAVE, WEAVE=module("weave"), PORT=backend.port)
    daemon.backend = backend
    return daemon


def weave(daemon, plan):
    return post(daemon, "/", plan).text


def test_a_verb_makes_requests_to_services_and_hosts(woven):
    assert weave(woven, {"http": "users:/7?a=b", "name": "h", "word": "blue"}) == "h=ok:42"
    request = woven.backend.calls[-1]
    assert (request.method, request.target) == ("GET", "/v1/7?a=b") and request.headers["x-word"] == "blue"
    port = woven.backend.port
    assert weave(woven, {"http": f"http://127.0.0.1:{port}/v1/missing", "name": "h"}) == "h=ok:42"
    assert weave(woven, {"http": f"http://127.0.0.1:{port}", "name": "h", "post": "hello"}) == "h=ok:42"
    request = woven.backend.calls[-1]
    assert (request.method, request.target, request.body) == ("POST", "/", b"hello")


@pytest.mark.parametrize("plan, end", [
    ({"http": "nobody:/x"}, "h=failed:not_found"),
    ({"http": "users"}, "h=failed:invalid_input"),
    ({"http": "http:///x"}, "h=failed:invalid_input"),
    ({"http": "users:/a b"}, "h=failed:invalid_input"),
    ({"http": "users:/a\r\nX: y"}, "h=failed:invalid_input"),
    ({"http": "users:/x", "word": "a\r\nX-Evil: b"}, "h=failed:invalid_input"),
    ({"http": "users:/large", "max": 100}, "h=failed:too_large"),
    ({"http": "http://127.0.0.1:1/"}, "h=failed:connect_failed"),
])
def test_a_request_that_cannot_be_sent_fails(woven, plan, end):
    n_requests = len(woven.backend.calls)
    assert weave(woven, {**plan, "name": "h"}) == end
    assert len(woven.backend.calls) == n_requests + ("large" in plan["http"])


def test_requests_computations_and_threads_are_awaited_together(woven):
    plan = {"series": [
        {"parallel": [{"http": "users:/1", "name": "a"}, {"compute": 5, "name": "b"}, {"future": "thread", "name": "c"}]},
        {"timer": 1, "name": "d"}]}
    log = weave(woven, plan).split(" ")
    assert sorted(log) == ["a=ok:42", "b=ok:5", "c=ok:data", "d=ok"] and log[-1] == "d=ok"


def test_many_calls_at_once_on_all_loops(woven):
    plan = {"parallel": [{"compute": 5, "name": "b"}, {"future": "thread", "name": "c"}, {"http": "users:/1", "name": "a"}]}
    failures = []

    def ask():
        with woven.connect() as client:
            for _ in range(20):
                answer = client.request("POST", "/", json.dumps(plan), headers={"Content-Type": "application/json"})
                if sorted(answer.text.split(" ")) != ["a=ok:42", "b=ok:5", "c=ok:data"]:
                    failures.append(answer)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT * 3)
    assert not failures


def test_a_client_that_leaves_cancels_all_tasks_of_a_call(woven):
    plan = json.dumps({"parallel": [{"future": "held"}, {"counter": 1}, {"compute": "spin"}, {"timer": 100000}]})
    conf = WEAVE.replace("POST /:", "GET /{x...}: { on_disconnect: cancel, tasks: { n: { weave: "
                         + plan + " } } }\n  POST /:")
    assert woven.reload(conf).returncode == 0
    client = woven.connect()
    client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: woven.status()["requests_in_work"] == 1, what="the request is in work")
    client.reset()
    await_true(lambda: woven.status()["requests_in_work"] == 0, what="it has ended")


def test_a_shutdown_ends_calls_that_wait_for_nothing(leat):
    daemon = leat(WEAVE.replace("timeout: 20s", "timeout: 600s") + "timeouts: { shutdown: 200ms }\n", WEAVE=module("weave"), PORT=1)
    client = daemon.connect()
    body = json.dumps({"parallel": [{"future": "held"}, {"compute": "spin"}]})
    client.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    await_true(lambda: daemon.status()["requests_in_work"] == 1, what="the request is in work")
    # the fixture stops it, and looks whether it ended clean


def test_the_first_of_several_services_answers(stage, backend):
    slow, quick = backend(lambda call: call.hang()), backend(lambda call: call.json({"from": "west"}))
    conf = example_conf("first")
    conf = conf.replace("http://127.0.0.1:8080/east", f"http://127.0.0.1:{slow.port}")
    conf = conf.replace("http://127.0.0.1:8080/west", f"http://127.0.0.1:{quick.port}")
    daemon = stage.leat(conf, files={"first.so": read(example("first.so"))})
    assert daemon.get("/either").json() == {"service": 1, "status": 200, "body": {"from": "west"}}
    await_true(lambda: slow.n_left == 1, what="the other request is cancelled")
    assert daemon.reload(conf.replace(f":{quick.port}", ":1").replace("within: 1s", "within: 50ms")).returncode == 0
    assert daemon.get("/either").status == 503
