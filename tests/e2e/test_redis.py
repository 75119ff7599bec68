"""tests/e2e/test_redis.py: `redis:` against a real server: what is sent, and what becomes of replies."""
import contextlib
import json
import threading

import pytest
from leat import Client, await_true, check
from redis_servers import RedisServer, needs_redis

pytestmark = needs_redis

CONF = r'''
redis: { main: { url: "@URL@" } }
routes:
  GET /get/{key}: { tasks: { r: { redis: main, command: [GET, "${path.key}"] } }, reply: { json: "${r}" } }
  PUT /set/{key}:
    body: { type: text }
    tasks: { r: { redis: main, command: [SET, "${path.key}", "${body}"] } }
    reply: { json: "${r.result}" }
  GET /run:
    tasks: { r: { redis: main, command: [LRANGE, list, 0, -1] }, n: { redis: main, command: [LLEN, list] },
             none: { redis: main, command: [GET, nothing] }, h: { redis: main, command: [HGETALL, hash] },
             empty: { redis: main, command: [LRANGE, nothing, 0, -1] },
             nested: { redis: main, command: [EVAL, "return {1, {'two', {false}}, 'x'}", 0] } }
    reply: { json: { list: "${r}", n: "${n}", none: "${none}", h: "${h}", empty: "${empty}", nested: "${nested}" } }
  GET /many:
    tasks: { r: { redis: main, commands: [[SET, a, 1], [INCR, a], [GET, a], [GET, nothing]] } }
    reply: { json: { all: "${r}", second: "${r.result[1]}" } }
  GET /wrong: { tasks: { r: { redis: main, command: [INCR, list] } }, reply: ok, on_error: { redis_error: { status: 409, json: { detail: "${error.detail}" } } } }
  GET /secret-words/{x}: { tasks: { r: { redis: main, command: [NOSUCHCOMMAND, "${path.x}"] } }, reply: ok, on_error: { redis_error: "${error.detail}" } }
  GET /some-wrong:
    tasks: { r: { redis: main, optional: true, commands: [[SET, b, 1], [INCR, list], [GET, b]] } }
    reply: { json: { code: "${r.error.code}", detail: "${r.error.detail}" } }
  GET /binary: { tasks: { r: { redis: main, command: [GET, binary] } }, reply: { json: "${r}" } }
  GET /base64: { tasks: { r: { redis: main, command: [GET, binary], binary: base64 } }, reply: { json: "${r}" } }
  GET /large: { tasks: { r: { redis: main, command: [GET, large] } }, reply: { text: "${len(r)}" } }
  GET /bounded: { tasks: { r: { redis: main, command: [GET, large], max_reply: 1k } }, reply: ok }
  POST /transfer:
    body: { type: json }
    tasks:
      r:
        redis: main
        transaction: true
        commands: [[DECRBY, "${body.from}", "${body.n}"], [INCRBY, "${body.to}", "${body.n}"]]
    reply: { json: "${r}" }
    on_error: { redis_error: { status: 409, json: { detail: "${error.detail}" } } }
  POST /script:
    body: { type: json }
    tasks:
      r:
        redis: main
        script: |
          redis.call('SET', KEYS[1], ARGV[1])
          return {KEYS[1], ARGV[1], #ARGV}
        keys: ["${body.key}"]
        args: ["${body.value}", 2]
    reply: { json: "${r}" }
  POST /later/{key}: { tasks: { r: { redis: main, detach: true, command: [INCR, "${path.key}"] } }, reply: ok }
  GET /eval/{x}:
    tasks: { r: { redis: main, command: [EVAL, "return ARGV[1]", 0, "${path.x}"] } }
    reply: { json: "${r}" }
  GET /block/{x}:
    tasks: { r: { redis: main, command: [XREAD, "${path.x}", 0, STREAMS, s, 0] } }
    reply: ok
jobs:
  count: { every: 1h, at_start: true, tasks: { r: { redis: main, command: [INCR, job] } } }
'''


@pytest.fixture(scope="module")
def server():
    with contextlib.closing(RedisServer()) as server:
        server.ask("RPUSH", "list", "a", "b", "é")
        server.ask("HSET", "hash", "x", "1", "y", "2")
        server.ask("SET", "binary", b"\xff\x00\x10")
        server.ask("SET", "large", b"x" * 3_000_000)
        yield server


@pytest.fixture
def daemon(leat, server):
    return leat(CONF, URL=server.url)


def test_values_go_and_come_as_they_are(daemon, server):
    value = "a b\r\nGET x\r\n* é ${x}"
    assert daemon.request("PUT", "/set/k%20%2F%0d%0a", value).json() == "OK"
    assert server.ask("GET", "k /\r\n").decode() == value
    assert daemon.get("/get/k%20%2F%0d%0a").json() == value
    assert daemon.get("/get/nothing").json() is None


def test_replies_become_values_of_their_types(daemon):
    assert daemon.get("/run").json() == {
        "list": ["a", "b", "é"], "n": 3, "none": None, "h": {"x": "1", "y": "2"}, "empty": [],
        "nested": [1, ["two", [None]], "x"]}


def test_several_commands_of_a_task_have_a_result_each(daemon):
    assert daemon.get("/many").json() == {"all": ["OK", 2, "2", None], "second": 2}


def test_an_error_of_the_server_is_redis_error_with_its_word_and_nothing_else(daemon):
    answer = daemon.get("/wrong")
    assert (answer.status, answer.json()) == (409, {"detail": "main: WRONGTYPE"})
    assert daemon.get("/secret-words/hunter2").text == "main: ERR"
    assert daemon.get("/some-wrong").json() == {"code": "redis_error", "detail": "main: command 2: WRONGTYPE"}
    assert daemon.get("/get/b").json() == "1"  # what stood before and behind it was carried out


def test_a_reply_that_is_not_utf8_is_an_error_or_base64(daemon):
    answer = daemon.get("/binary")
    assert (answer.status, answer.json()["code"]) == (502, "bad_response")
    assert daemon.get("/base64").json() == "/wAQ"


def test_a_reply_that_is_too_large_costs_nobody_else_anything(daemon):
    before = daemon.status()["redis"][0]
    assert daemon.get("/large").text == "3000000"
    for _ in range(5):
        answer = daemon.get("/bounded")
        assert (answer.status, answer.json()["code"]) == (502, "too_large")
    after = daemon.status()["redis"][0]
    assert (after["reconnects"], after["problem"]) == (before["reconnects"], "")


def test_a_transaction_is_carried_out_whole_or_not_at_all(daemon, server):
    headers = [("Content-Type", "application/json")]
    server.ask("MSET", "alice", "100", "bob", "0")

    def transfer():
        with contextlib.closing(Client(daemon.addresses[0])) as client:
            for _ in range(50):
                answer = client.request("POST", "/transfer", json.dumps({"from": "alice", "to": "bob", "n": 1}), headers)
                left, got = answer.json()
                assert left + got == 100, "somebody came between"
    threads = [threading.Thread(target=transfer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.ask("GET", "alice"), server.ask("GET", "bob")) == (b"0", b"100")
    answer = daemon.post("/transfer", json.dumps({"from": "list", "to": "bob", "n": 1}), headers=headers)
    assert (answer.status, answer.json()["detail"]) == (409, "main: command 1: WRONGTYPE")


def test_a_script_is_sent_once_and_then_known_by_its_hash(daemon, server):
    headers = [("Content-Type", "application/json")]
    server.ask("CONFIG", "RESETSTAT")
    for i in range(3):
        answer = daemon.post("/script", json.dumps({"key": f"s{i}", "value": "v"}), headers=headers)
        assert answer.json() == [f"s{i}", "v", 2]
    stats = server.ask("INFO", "commandstats").decode()
    assert "cmdstat_eval:calls=1," in stats and "cmdstat_evalsha:calls=3," in stats
    server.ask("SCRIPT", "FLUSH")
    assert daemon.post("/script", json.dumps({"key": "s", "value": "w"}), headers=headers).json() == ["s", "w", 2]


def test_no_value_becomes_a_program_or_an_option(daemon):
    assert daemon.get("/eval/1)%20return%20redis.call('FLUSHALL'").json() == "1) return redis.call('FLUSHALL'"
    answer = daemon.get("/block/BLOCK")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_input")


def test_many_tasks_share_few_connections(daemon, server):
    server.ask("SET", "k", "v")

    def ask():
        with contextlib.closing(Client(daemon.addresses[0])) as client:
            for _ in range(100):
                assert client.get("/get/k").json() == "v"
    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = daemon.status()["redis"][0]
    assert status["connections"] <= 4  # two of each loop
    assert status["commands"] >= 1600 and status["errors"] == 0 and status["pipelined"] == 0 and status["waiting"] == 0


def test_tasks_that_outlive_their_request_ask_too(daemon, server):
    assert daemon.post("/later/outlived").text == "ok"
    await_true(lambda: server.ask("GET", "outlived") == b"1", what="the detached command")


def test_jobs_ask_too(daemon, server):
    await_true(lambda: server.ask("GET", "job"), what="the job's command")


def test_the_status_tells_of_each_entry(daemon):
    assert daemon.status()["redis"][0]["state"] in ("idle", "up")  # the job may have asked
    daemon.get("/get/k")
    status = daemon.status()["redis"][0]
    assert (status["name"], status["mode"], status["state"]) == ("main", "single", "up")
    assert status["connections"] >= 1 and status["commands"] >= 1
    assert "redis       main: up, " in daemon.cli("status").out

    def agree():
        commands = daemon.status()["redis"][0]["commands"]
        return f'leat_redis_commands_total{{redis="main"}} {commands}\n' in daemon.admin("GET", "/metrics").text
    await_true(agree, what="the same figure in both")  # the job may have asked between them
    assert 'leat_redis_pending{redis="main"} 0\n' in daemon.admin("GET", "/metrics").text


REFUSED = {
    "[SUBSCRIBE, news]": "stream of messages", "[psubscribe, news]": "stream of messages", "[MONITOR]": "stream of messages",
    "[BLPOP, q, 0]": "the command that does not wait", "[blmove, a, b, LEFT, RIGHT, 0]": "the command that does not wait",
    "[WAIT, 1, 0]": "the command that does not wait", "[XREAD, BLOCK, 0, STREAMS, s, $]": "BLOCK cannot be sent",
    "[SELECT, 1]": "write `db`", "[AUTH, x]": "`password`", "[HELLO, 3]": "`password`", "[WATCH, k]": "transaction: true",
    "[MULTI]": "transaction: true", "[EXEC]": "transaction: true", "[QUIT]": "remove it", "[RESET]": "remove it",
    "[SHUTDOWN]": "it stops the server", "[DEBUG, SLEEP, 1]": "it stops the server", "[CLIENT, REPLY, \"OFF\"]": "REPLY cannot be sent",
    "[\"${query.x}\", k]": "the name of a command is constant", "[CLIENT, \"${query.x}\"]": "the name of a command is constant",
    "[EVAL, \"${query.x}\", 0]": "a program is constant", "[]": "a command is a list of its name", "GET x": "a list",
}


@pytest.mark.parametrize("command", REFUSED)
def test_what_would_break_a_shared_connection_is_refused_at_load(command):
    code, said = check(f"redis: {{ main: {{ url: redis://127.0.0.1 }} }}\n"
                       f"routes: {{ GET /: {{ tasks: {{ r: {{ redis: main, command: {command} }} }}, reply: ok }} }}\n")
    assert code == 1 and REFUSED[command] in said, said


WRONG = {
    "redis: { main: {} }": "needs one of url, servers and sentinels",
    "redis: { main: { url: http://x } }": "not a URL of a Redis server",
    "redis: { main: { url: redis://h/x } }": "number of the database",
    "redis: { main: { url: redis://h, tls: {} } }": "write url: rediss://",
    "redis: { main: { servers: [h:1] } }": "write cluster: true",
    "redis: { main: { sentinels: [h:1] } }": "needs both of sentinels and master",
    "redis: { main: { url: redis://u@h } }": "user without a password",
    "redis: { main: { servers: [h:1], cluster: true, db: 1 } }": "a cluster has only the number 0",
    "redis: { main: { servers: [h:x], cluster: true } }": "write host:port",
    "redis: { main: { url: redis://h, urll: x } }": "did you mean \"url\"",
    "redis: { main: { url: redis://h } }\nroutes: { GET /: { tasks: { r: { redis: mian, command: [PING] } } } }": "did you mean \"main\"",
    "redis: { main: { url: redis://h } }\nroutes: { GET /: { tasks: { r: { redis: main } } } }": "needs one of command, commands and script",
    "redis: { main: { url: redis://h } }\nroutes: { GET /: { tasks: { r: { redis: main, command: [GET, x], keys: [x] } } } }": "are for a `script`",
    "redis: { main: { url: redis://h } }\nroutes: { GET /: { tasks: { r: { redis: main, command: [GET, x], transaction: true } } } }": "is for `commands`",
    "redis: { main: { url: redis://h } }\nroutes: { GET /: { tasks: { r: { redis: main, script: \"return ${query.x}\" } } } }": "a script is a constant text",
}


@pytest.mark.parametrize("conf", WRONG)
def test_what_does_not_belong_together_is_told_at_load(conf):
    code, said = check(conf)
    assert code == 1 and WRONG[conf] in said, said


def test_a_password_is_in_no_message():
    code, said = check("redis: { main: { url: \"redis://:${env.REDIS_PASSWORD}@h/x\" } }", env={"REDIS_PASSWORD": "hunter2"})
    assert code == 1 and "hunter2" not in said
