"""tests/e2e/test_redis_faults.py: Redis servers that are away, die, are slow, lie, or are full."""
import contextlib
import json
import threading

import pytest
from certs import Certs
from leat import Client, await_true
from redis_servers import FalseServer, free_port, needs_redis

CONF = r'''
server: { threads: 1, compute_threads: 1 }
limits: { requests: 10000000 }
redis: { main: { url: "@URL@"@MORE@ } }
routes:
  GET /get/{key}: { tasks: { r: { redis: main, command: [GET, "${path.key}"] } }, reply: { json: "${r}" } }
  GET /get-soon/{key}: { tasks: { r: { redis: main, command: [GET, "${path.key}"], timeout: 100ms } }, reply: { json: "${r}" } }
  POST /incr/{key}: { tasks: { r: { redis: main, command: [INCR, "${path.key}"] } }, reply: { json: "${r}" } }
  POST /patient/{key}: { tasks: { r: { redis: main, command: [INCR, "${path.key}"], retry: { times: 8, wait: 50ms } } }, reply: { json: "${r}" } }
  GET /why/{key}: { tasks: { r: { redis: main, optional: true, command: [GET, "${path.key}"] } }, reply: { json: { code: "${r.error.code}", detail: "${r.error.detail}", value: "${r}" } } }
  POST /why/{key}: { tasks: { r: { redis: main, optional: true, command: [INCR, "${path.key}"] } }, reply: { json: { code: "${r.error.code}", detail: "${r.error.detail}" } } }
  POST /both/{key}: { tasks: { r: { redis: main, transaction: true, commands: [[INCR, "${path.key}"], [INCR, "${path.key}"]] } }, reply: ok, on_error: { redis_error: "${error.detail}" } }
  GET /ping: { reply: pong }
'''


@pytest.fixture
def certs():
    with contextlib.closing(Certs()) as made:
        yield made.make("ca").make("redis", "IP:127.0.0.1", issuer="ca")


@pytest.fixture
def false():
    with contextlib.ExitStack() as stack:
        def start(serve):
            server = FalseServer(serve)
            stack.callback(server.close)
            return server
        yield start


def login(link):
    """Answers what every connection begins with."""
    assert [link.read() for _ in range(3)] == [[b"MULTI"], [b"EXEC"], [b"PING"]]
    link.sock.sendall(b"+OK\r\n*0\r\n+PONG\r\n")


def why(daemon, key="k", method="GET"):
    answer = daemon.request(method, f"/why/{key}", body=b"" if method == "POST" else None).json()
    return answer["code"], answer["detail"]


def in_threads(*works):
    failures = []

    def run(work):
        try:
            work()
        except BaseException as error:  # noqa: BLE001 # told to the test's thread
            failures.append(error)
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    return threads, failures


# ------------------------------------------------------------------ away

@needs_redis
def test_a_server_that_is_away_stops_no_start_and_no_reload_and_is_found_when_it_comes(leat, redis):
    server = redis()
    server.kill()
    daemon = leat(CONF, URL=server.url, MORE="")
    assert daemon.reload().returncode == 0 and daemon.get("/ping").text == "pong"
    assert daemon.status()["redis"][0]["state"] == "idle"
    assert why(daemon)[0] == "connect_failed"
    status = daemon.status()["redis"][0]
    assert status["state"] == "down" and status["problem"] == "connection refused"
    server.start()
    await_true(lambda: why(daemon) == (None, None), what="the server's answer")
    assert daemon.status()["redis"][0]["state"] == "up"


def test_a_server_that_is_away_is_not_asked_by_every_task(leat):
    daemon = leat(CONF, URL=f"redis://127.0.0.1:{free_port()}", MORE="")
    for _ in range(100):
        assert why(daemon)[0] == "connect_failed"
    status = daemon.status()["redis"][0]
    assert status["errors"] == 100 and status["connects"] + status["reconnects"] < 50


def test_a_name_that_is_none_is_dns_failed(leat):
    daemon = leat(CONF, URL="redis://nobody.invalid", MORE="")
    assert why(daemon)[0] in ("dns_failed", "timeout")


@needs_redis
def test_a_write_that_was_not_sent_is_tried_again_when_the_task_says_so(leat, redis):
    server = redis()
    daemon = leat(CONF, URL=server.url, MORE="")
    assert daemon.post("/incr/k").json() == 1
    server.kill()
    threads, failures = in_threads(lambda: check_patient(daemon))
    server.start()
    threads[0].join()
    assert not failures and server.ask("GET", "k") == b"1"


def check_patient(daemon):
    assert daemon.post("/patient/k").json() == 1  # the server has forgotten the first


# ------------------------------------------------------------------ dies

def test_a_write_that_was_sent_is_never_sent_again_and_a_read_is_once(leat, false):
    asked = []

    def serve(link):
        login(link)
        asked.append(link.read())
        link.sock.sendall(b"$100\r\nin the middle of")
    server = false(serve)
    daemon = leat(CONF, URL=server.url, MORE="")
    code, detail = why(daemon, method="POST")
    assert code == "redis_error" and "closed the connection" in detail
    assert asked == [[b"INCR", b"k"]]
    assert why(daemon)[0] == "redis_error"
    assert asked[1:] == [[b"GET", b"k"], [b"GET", b"k"]]


def test_a_read_over_a_connection_that_died_is_answered_by_the_next(leat, false):
    def serve(link):
        login(link)
        assert link.read() == [b"GET", b"k"]
        if server.n_connections > 1:
            link.sock.sendall(b"$1\r\nv\r\n")
            link.read()
    server = false(serve)
    daemon = leat(CONF, URL=server.url, MORE="")
    assert daemon.get("/get/k").json() == "v"
    assert server.n_connections == 2 and daemon.status()["redis"][0]["reconnects"] == 1


@needs_redis
def test_answers_are_right_or_mapped_while_the_server_dies_and_comes_back(leat, redis):
    server = redis()
    daemon = leat(CONF, URL=server.url, MORE=", timeouts: { connect: 1s, response: 1s }")
    over = threading.Event()
    seen = {}

    def ask(number):
        with contextlib.closing(Client(daemon.addresses[0])) as client:
            while not over.is_set():
                answer = client.get(f"/get/key{number}")
                if answer.status == 200:
                    assert answer.json() in (None, f"value{number}")
                else:
                    assert answer.json()["code"] in ("connect_failed", "redis_error", "timeout"), answer
                seen[answer.status] = seen.get(answer.status, 0) + 1
    threads, failures = in_threads(*[lambda n=n: ask(n) for n in range(8)])
    try:
        for _ in range(4):
            server.ask("MSET", *[word for n in range(8) for word in (f"key{n}", f"value{n}")])
            count = seen.get(200, 0)
            await_true(lambda n=count: failures or seen.get(200, 0) > n + 200, what="answers")
            server.kill()
            count = sum(seen.values())
            await_true(lambda n=count: failures or sum(seen.values()) > n + 50, what="answers without a server")
            server.start()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures, failures
    await_true(lambda: daemon.get("/get/none").status == 200, what="the recovery")
    status = daemon.status()["redis"][0]
    assert status["pipelined"] == 0 and status["waiting"] == 0 and status["connections"] <= 2


# ------------------------------------------------------------------ slow

@needs_redis
def test_a_server_that_does_not_answer_is_a_timeout_and_its_connection_is_closed(leat, redis):
    server = redis()
    daemon = leat(CONF, URL=server.url, MORE=", timeouts: { response: 200ms, connect: 5s }")
    assert daemon.post("/incr/k").json() == 1
    server.pause()
    answer = daemon.post("/incr/k")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    assert daemon.status()["redis"][0]["problem"] == "the server does not answer"
    server.go_on()
    await_true(lambda: why(daemon) == (None, None), what="the recovery")


@needs_redis
def test_a_task_that_was_cancelled_ends_at_once_and_the_order_is_kept(leat, redis):
    server = redis()
    server.ask("MSET", *[word for n in range(40) for word in (f"k{n}", f"v{n}")])
    daemon = leat(CONF, URL=server.url, MORE=", connections: 1, timeouts: { response: 60s }")
    assert daemon.get("/get/k0").json() == "v0"
    server.pause()
    waiting = [daemon.connect() for _ in range(20)]
    for n, client in enumerate(waiting):
        path = "get-soon" if n % 2 else "get"
        client.send(f"GET /{path}/k{n} HTTP/1.1\r\nHost: x\r\n\r\n")
    for client in waiting[1::2]:
        answer = client.response()
        assert (answer.status, answer.json()["code"]) == (504, "timeout")
    assert daemon.status()["redis"][0]["pipelined"] == 20
    server.go_on()
    for n, client in enumerate(waiting):
        if n % 2 == 0:
            assert client.response().json() == f"v{n}"
    assert await_true(lambda: daemon.status()["redis"][0]["pipelined"] == 0)
    status = daemon.status()["redis"][0]
    assert status["connections"] == 1 and status["reconnects"] == 0


def test_too_many_that_wait_are_pool_exhausted(leat, false):
    go_on = threading.Event()

    def serve(link):
        login(link)
        for _ in range(3):
            link.read()
        go_on.wait(30)
        link.sock.sendall(b"+OK\r\n" * 3)
        link.read()
    server = false(serve)
    daemon = leat(CONF, URL=server.url, MORE=", connections: 1, waiting: 3, timeouts: { response: 60s }")
    clients = [daemon.connect() for _ in range(3)]
    for client in clients:
        client.send("GET /get/k HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: daemon.status()["redis"][0]["pipelined"] == 3)
    answer = daemon.get("/get/k")
    assert (answer.status, answer.json()["code"]) == (503, "pool_exhausted")
    go_on.set()
    for client in clients:
        assert client.response().json() == "OK"


def test_bytes_that_wait_are_bounded(leat, false):
    go_on = threading.Event()

    def serve(link):
        go_on.wait(30)
        login(link)
        link.read()
        link.sock.sendall(b"+OK\r\n")
        link.read()
    daemon = leat(CONF, URL=false(serve).url, MORE=", connections: 1, waiting_bytes: 1k, timeouts: { connect: 60s }")
    client = daemon.connect()
    client.send(f"GET /get/{'x' * 600} HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: daemon.status()["redis"][0]["waiting"] == 1)
    assert why(daemon, "y" * 600)[0] == "pool_exhausted"
    assert why(daemon, "y" * 1100)[0] == "too_large"
    go_on.set()
    assert client.response().json() == "OK"


def test_a_client_that_leaves_leaves_nothing_behind(leat, false):
    go_on = threading.Event()

    def serve(link):
        login(link)
        link.read()
        go_on.wait(30)
        link.sock.sendall(b"$3\r\nold\r\n")
        assert link.read() == [b"GET", b"next"]
        link.sock.sendall(b"$3\r\nnew\r\n")
        link.read()
    daemon = leat(CONF, URL=false(serve).url, MORE="")
    client = daemon.connect()
    client.send("GET /get/old HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: daemon.status()["redis"][0]["pipelined"] == 1)
    client.reset()
    await_true(lambda: daemon.status()["requests_in_work"] == 0)
    go_on.set()
    assert daemon.get("/get/next").json() == "new"


# ------------------------------------------------------------------ lies

@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-7\r\n", b"*1\r\n" * 200 + b":1\r\n", b":12x\r\n"],
                         ids=["http", "length", "depth", "number"])
def test_what_is_no_reply_closes_the_connection(leat, false, garbage):
    def serve(link):
        login(link)
        link.read()
        link.sock.sendall(garbage)
        link.read()
    daemon = leat(CONF, URL=false(serve).url, MORE="")
    code, detail = why(daemon)
    assert code == "redis_error" and "no reply" in detail
    await_true(lambda: daemon.status()["redis"][0]["connections"] == 0)


def test_a_server_that_speaks_unasked_is_left(leat, false):
    def serve(link):
        login(link)
        link.read()
        link.sock.sendall(b"+one\r\n+two\r\n")
        link.read()
    daemon = leat(CONF, URL=false(serve).url, MORE="")
    assert daemon.get("/get/k").json() == "one"
    await_true(lambda: daemon.status()["redis"][0]["problem"] == "the server speaks unasked")


def test_a_list_of_a_billion_elements_that_never_come_takes_no_memory(leat, false):
    def serve(link):
        login(link)
        link.read()
        link.sock.sendall(b"*1000000000\r\n:1\r\n:2\r\n")
        link.read()
    daemon = leat(CONF, URL=false(serve).url, MORE=", timeouts: { response: 200ms }")
    assert why(daemon)[0] == "timeout"


# ------------------------------------------------------------------ who may ask

@needs_redis
def test_a_wrong_password_is_told_and_no_password_is(leat, redis):
    server = redis("--requirepass", "right")
    daemon = leat(CONF, URL=server.url, MORE=', password: "hunter2"')
    assert why(daemon) == ("redis_error", "main: WRONGPASS at AUTH")
    assert daemon.reload(daemon.expand(CONF).replace(', password: "hunter2"', "")).returncode == 0
    assert why(daemon) == ("redis_error", "main: NOAUTH at login")
    assert "hunter2" not in daemon.stderr + json.dumps(daemon.status()) + daemon.cli("status").out


@needs_redis
def test_users_passwords_and_databases_are_those_of_the_url_or_of_their_keys(leat, redis):
    port = free_port()
    server = redis("--user", "ada", "on", ">s/e:c@r+t", "~*", "&*", "+@all", port=port)
    daemon = leat(CONF, URL=f"redis://ada:s%2Fe:c%40r+t@127.0.0.1:{port}/3", MORE="")
    assert daemon.post("/incr/k").json() == 1
    assert server.ask("GET", "k") is None
    with contextlib.closing(server.link()) as link:
        assert link.ask("SELECT", 3) == "OK" and link.ask("GET", "k") == b"1"
        assert "user=ada" in link.ask("CLIENT", "LIST").decode()
    daemon.env["THE_SECRET"] = "s/e:c@r+t"
    conf = daemon.expand(CONF).replace(daemon.names["URL"], f"redis://127.0.0.1:{port}").replace(
        'server: {', 'secrets: { dir: "@DIR@/secrets" }\nserver: {').replace(
        " } }\nroutes", ', user: ada, password: "${secret.redis}", db: 3 } }\nroutes')
    daemon.write("secrets/redis", "s/e:c@r+t\n")
    assert daemon.reload(conf).returncode == 0
    assert daemon.post("/incr/k").json() == 2


@needs_redis
def test_a_user_who_may_do_little_may_do_that(leat, redis):
    server = redis("--user", "eve", "on", ">pw", "~*", "+get")
    server.ask("SET", "k", "v")
    daemon = leat(CONF, URL=server.url, MORE=', user: eve, password: "pw"')
    assert daemon.get("/get/k").json() == "v"
    assert why(daemon, method="POST") == ("redis_error", "main: NOPERM")


@needs_redis
def test_a_transaction_of_a_user_who_may_have_none_does_nothing(leat, redis):
    server = redis("--user", "eve", "on", ">pw", "~*", "+incr")
    daemon = leat(CONF, URL=server.url, MORE=', user: eve, password: "pw"')
    for _ in range(2):
        assert daemon.post("/both/k").text == "main: command 1: NOPERM at MULTI"
    assert server.ask("GET", "k") is None
    assert daemon.post("/incr/k").json() == 1


@needs_redis
def test_a_server_that_is_full_is_told(leat, redis):
    server = redis("--maxclients", "1")
    daemon = leat(CONF, URL=server.url, MORE="")
    with contextlib.closing(server.link()):
        code, detail = why(daemon)
        assert (code, detail) == ("redis_error", "main: the server has too many clients")
    await_true(lambda: why(daemon) == (None, None), what="room")


@needs_redis
def test_tls_is_verified_as_for_services(leat, redis, certs):
    port, tls = free_port(), f', tls: {{ ca: "{certs.path("ca.pem")}" }}'
    redis("--tls-port", str(port), "--tls-cert-file", certs.path("redis.pem"), "--tls-key-file", certs.path("redis.key"),
          "--tls-ca-cert-file", certs.path("ca.pem"), "--tls-auth-clients", "no")
    daemon = leat(CONF, URL=f"rediss://127.0.0.1:{port}", MORE=tls)
    assert daemon.post("/incr/k").json() == 1
    answers = [daemon.get("/get/k").json() for _ in range(20)]
    assert answers == ["1"] * 20
    assert daemon.reload(daemon.expand(CONF).replace(tls, "")).returncode == 0
    assert why(daemon)[0] == "tls_failed"


# ------------------------------------------------------------------ reloads

def client_ids(server):
    lines = server.ask("CLIENT", "LIST").decode().splitlines()
    return {line.split()[0] for line in lines if "cmd=client|list" not in line}


@needs_redis
def test_connections_are_carried_over_a_reload_and_closed_when_their_entry_goes(leat, redis):
    server = redis()
    daemon = leat(CONF, URL=server.url, MORE="")
    assert daemon.post("/incr/k").json() == 1
    before = client_ids(server)
    assert len(before) == 1
    assert daemon.reload(daemon.expand(CONF) + "  GET /more: { reply: more }\n").returncode == 0
    assert daemon.get("/more").text == "more" and daemon.post("/incr/k").json() == 2
    assert client_ids(server) == before
    commands = daemon.status()["redis"][0]["commands"]
    assert commands == 2
    assert daemon.reload(daemon.expand(CONF).replace(" } }\nroutes", ", connections: 3 } }\nroutes")).returncode == 0
    assert daemon.post("/incr/k").json() == 3
    await_true(lambda: len(client_ids(server)) == 1 and not client_ids(server) & before, what="the old connection's end")
    assert daemon.reload("routes: { GET /ping: { reply: pong } }\n").returncode == 0
    await_true(lambda: not client_ids(server), what="no connection")


def test_what_is_in_work_at_a_reload_is_answered(leat, false):
    go_on = threading.Event()

    def serve(link):
        login(link)
        link.read()
        go_on.wait(30)
        link.sock.sendall(b"$3\r\nold\r\n")
        link.read()
    daemon = leat(CONF, URL=false(serve).url, MORE="")
    client = daemon.connect()
    client.send("GET /get/k HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: daemon.status()["redis"][0]["pipelined"] == 1)
    assert daemon.reload("routes: { GET /ping: { reply: pong } }\n").returncode == 0
    go_on.set()
    assert client.response().json() == "old"
