"""tests/e2e/test_sql_mysql.py: `sql:` with a real MariaDB, which is killed, slow and full."""
import os
import signal
import threading

import pytest

from certs import Certs
from databases import MariaDB, ask_in_a_crowd, sql_status
from leat import await_true, check

pytestmark = pytest.mark.skipif(os.environ.get("WITH_MYSQL") == "no", reason="built without MySQL")
SCHEMA = """
drop table if exists part, item, typed;
create table item (id int auto_increment primary key, name varchar(100) not null unique, qty int check (qty >= 0)) engine = innodb;
create table part (id int auto_increment primary key, item int not null, foreign key (item) references item (id)) engine = innodb;
insert into item (name, qty) values ('apple', 3), ('pear', null);
create table typed (b boolean, i8 bigint, u8 bigint unsigned, num decimal(10, 3), f float, d double, t text, bin varbinary(10), bl blob,
  dt datetime(1), ts timestamp null, da date, ti time, y year, bi bit(9), j json, e enum('x', 'y'), n int) engine = innodb;
set time_zone = '+00:00';
insert into typed values (true, -9223372036854775808, 18446744073709551615, 19.990, 0.1, 1e300, 'é "q" \\\\ x', x'00ff10', x'ff', '2026-11-28 08:30:00.5',
  '2026-11-28 08:30:00', '2026-01-02', '12:34:56', 2026, b'100000001', '{"a": [1, null]}', 'y', null);
"""

CONF = r'''
sql: { shop: { url: "@URL@", pool: { max: 4 } } }
routes:
  GET /items: { tasks: { q: { sql: shop, query: "select * from item order by id" } }, reply: { json: "${q}" } }
  GET /item/{id}:
    tasks: { q: { sql: shop, query: "select id, name from item where id = :id and :id > 0", args: { id: "${path.id}" } } }
    reply: { json: { row: "${q.row}", n: "${len(q.rows)}", affected: "${q.affected}" } }
  GET /types: { tasks: { q: { sql: shop, query: "select * from typed", json: j } }, reply: { json: "${q.row}" } }
  GET /long: { tasks: { q: { sql: shop, query: "select repeat('x', 300000) as x, repeat('y', 70000) as y" } }, reply: { json: ["${len(q.row.x)}", "${len(q.row.y)}"] } }
  POST /args:
    body: { type: json }
    tasks:
      q:
        sql: shop
        query: "select :i as i, :t as t, cast(:n as decimal(10,2)) as n, :n as n2, :b as b, :j as j, :null as z, :r + 0e0 as r"
        args: { i: "${body.i}", t: "${body.t}", n: "${body.n}", b: "${body.b}", j: "${body.j}", "null": null, r: 1.5 }
    reply: { json: "${q.row}" }
  POST /item:
    body: { type: json }
    tasks: { q: { sql: shop, query: "insert into item (name, qty) values (:name, :qty)", args: { name: "${body.name}", qty: "${body.qty}" } } }
    reply: { status: 201, json: { affected: "${q.affected}", last_id: "${q.last_id}" } }
    on_error: { sql_error: { status: 409, json: { state: "${error.sqlstate}", detail: "${error.detail}" } } }
  POST /part:
    tasks: { q: { sql: shop, query: "insert into part (item) values (77)" } }
    reply: ok
    on_error: { sql_error: { status: 409, text: "${error.sqlstate}" } }
  POST /move:
    body: { type: json }
    tasks:
      t:
        sql: shop
        transaction:
          - { query: "update item set qty = qty - :n where id = :from", args: { n: "${body.n}", from: "${body.from}" } }
          - { name: taken, query: "select qty, name from item where id = :from", args: { from: "${body.from}" } }
          - { name: new, query: "insert into item (name, qty) values (:name, :n) returning id", args: { n: "${body.n}", name: "${body.name}" } }
          - { name: part, query: "insert into part (item) values (:new.id) returning item, :taken.name as was" }
    reply: { json: { taken: "${t.results.taken.row.qty}", new: "${t.results.new.row.id}", part: "${t.row}" } }
    on_error: { sql_error: { status: 409, json: { detail: "${error.detail}", state: "${error.sqlstate}" } } }
  GET /error: { tasks: { q: { sql: shop, query: select secret_thing from nowhere } }, reply: ok }
  GET /many: { tasks: { q: { sql: shop, max_rows: 10, query: "select seq from seq_1_to_100000000" } }, reply: ok }
  GET /large: { tasks: { q: { sql: shop, max_bytes: 1k, query: "select repeat('x', 2000) as x" } }, reply: ok }
  GET /sleep: { tasks: { q: { sql: shop, query: "select sleep(600) as s" } }, reply: ok }
  GET /short: { tasks: { q: { sql: shop, timeout: 100ms, query: "select sleep(600) as s" } }, reply: ok }
  GET /late: { tasks: { q: { sql: shop, timeout: 300ms, transaction: [ { query: "insert into item (name) values ('never')" }, { query: "select sleep(600) as s" } ] } }, reply: ok }
  GET /id: { tasks: { q: { sql: shop, query: "select connection_id() as id" } }, reply: { json: "${q.row.id}" } }
  GET /ok: { reply: ok }
'''


@pytest.fixture(scope="module")
def shared():
    server = MariaDB()
    yield server
    server.close()


@pytest.fixture(scope="module")
def certs():
    made = Certs().make("ca").make("other").make("server", "DNS:localhost", issuer="ca")
    yield made
    made.close()


@pytest.fixture
def server(shared):
    if shared.process is None:
        shared.start()
    shared.sql(SCHEMA)
    return shared


def start(leat, server, conf=CONF, url=None, **more):
    return leat(conf, URL=url or server.url, **more)


def queries(server):
    return int(server.sql("select count(*) from information_schema.processlist where user = 'boss' and command in ('Query', 'Execute')"))


def test_rows_keep_their_types(leat, server):
    answer = start(leat, server).get("/types")
    assert answer.status == 200, answer
    assert answer.text == (
        '{"b":1,"i8":-9223372036854775808,"u8":18446744073709551615,"num":"19.990","f":0.1,"d":1e+300,"t":"é \\"q\\" \\\\ x","bin":"AP8Q","bl":"/w==",'
        '"dt":"2026-11-28T08:30:00.5","ts":"2026-11-28T08:30:00Z","da":"2026-01-02","ti":"12:34:56","y":2026,"bi":257,"j":{"a": [1, null]},"e":"y","n":null}')


def test_long_values_are_whole(leat, server):
    assert start(leat, server).get("/long").json() == [300000, 70000]


def test_decimals_are_numbers_when_asked_for(leat, server):
    assert '"num":19.990' in start(leat, server, CONF.replace("pool:", "decimals: number, pool:")).get("/types").text


def test_arguments_keep_their_types(leat, server):
    daemon = start(leat, server)
    value = {"i": 9223372036854775807, "t": "it's \"\\ é\0\U0001f600", "n": 19.99, "b": True, "j": {"k": [1, None]}}
    assert daemon.post_json("/args", value).json() == {
        "i": 9223372036854775807, "t": value["t"], "n": "19.99", "n2": "19.99", "b": 1, "j": '{"k":[1,null]}', "z": None, "r": 1.5}


def test_values_are_bound_and_never_sql(leat, server):
    daemon = start(leat, server)
    for number, name in enumerate(["x'); drop table item; --", "' or '1'='1", "?", ":id", "\\"]):
        assert daemon.post_json("/item", {"name": name, "qty": 1}).json() == {"affected": 1, "last_id": 3 + number}
    assert [row["name"] for row in daemon.get("/items").json()][2:4] == ["x'); drop table item; --", "' or '1'='1"]
    assert daemon.get("/item/1").json() == {"row": {"id": 1, "name": "apple"}, "n": 1, "affected": None}


def test_a_violated_constraint_is_told_by_its_sqlstate(leat, server):
    daemon = start(leat, server)
    for value, state in [({"name": "apple"}, "23505"), ({"name": None}, "23502"), ({"name": "x", "qty": -1}, "23514")]:
        answer = daemon.post_json("/item", value)
        assert (answer.status, answer.json()["state"]) == (409, state), answer
    assert daemon.post("/part").text == "23503"
    assert sql_status(daemon)["connects"] == 1


def test_an_unmapped_failure_tells_nothing_of_the_database(leat, server):
    daemon = start(leat, server)
    answer = daemon.get("/error")
    assert (answer.status, answer.json()["code"]) == (502, "sql_error")
    assert "nowhere" not in answer.text
    assert daemon.get("/items").status == 200


def test_a_transaction_holds_together(leat, server):
    daemon = start(leat, server)
    answer = daemon.post_json("/move", {"n": 2, "from": 1, "name": "cherry"})
    assert answer.json() == {"taken": 1, "new": 3, "part": {"item": 3, "was": "apple"}}, answer
    before = daemon.get("/items").text
    for value, state in [({"n": 2, "from": 1, "name": "plum"}, "23514"), ({"n": 1, "from": 1, "name": "cherry"}, "23505"),
                         ({"n": 1, "from": 99, "name": "kiwi"}, "02000")]:
        answer = daemon.post_json("/move", value)
        assert (answer.status, answer.json()["state"]) == (409, state), answer
        assert daemon.get("/items").text == before
    assert daemon.get("/items").status == 200
    assert sql_status(daemon)["connects"] == 1


def test_too_many_rows_or_bytes_end_the_query(leat, server):
    daemon = start(leat, server)
    for target in ("/many", "/large"):
        answer = daemon.get(target)
        assert (answer.status, answer.json()["code"]) == (502, "too_large")
    await_true(lambda: queries(server) == 0, what="the end of the query")
    assert daemon.get("/items").status == 200


def test_a_deadline_stops_the_query(leat, server):
    daemon = start(leat, server)
    answer = daemon.get("/short")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    await_true(lambda: queries(server) == 0, what="the end of the query")
    await_true(lambda: sql_status(daemon)["in_use"] == 0)
    assert daemon.get("/items").status == 200


def test_a_deadline_rolls_a_transaction_back(leat, server):
    daemon = start(leat, server)
    assert daemon.get("/late").status == 504
    await_true(lambda: queries(server) == 0)
    await_true(lambda: server.sql("select count(*) from information_schema.innodb_trx").strip() == "0")
    assert server.sql("select count(*) from item where name = 'never'").strip() == "0"


def test_the_timeout_of_the_database_is_told_to_the_server(leat, server):
    daemon = start(leat, server, CONF.replace("pool:", "timeout: 200ms, pool:"))
    answer = daemon.get("/sleep")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    await_true(lambda: queries(server) == 0)


def test_who_leaves_stops_the_query(leat, server):
    daemon = start(leat, server)
    client = daemon.connect()
    client.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: queries(server) == 1)
    client.reset()
    await_true(lambda: queries(server) == 0, what="the end of the query")
    await_true(lambda: sql_status(daemon)["in_use"] == 0)


def test_connections_are_bounded_and_so_are_those_who_wait(leat, server):
    daemon = start(leat, server, CONF.replace("pool: { max: 4 }", "pool: { max: 2, waiters: 1 }"))
    clients = [daemon.connect() for _ in range(3)]
    for number, client in enumerate(clients):
        client.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
        await_true(lambda n=number: (lambda s: s["in_use"] == min(n + 1, 2) and s["in_use"] + s["waiting"] == n + 1)(sql_status(daemon)))
    answer = daemon.get("/id")
    assert (answer.status, answer.json()["code"]) == (503, "pool_exhausted")
    for client in clients:
        client.reset()
    await_true(lambda: (lambda s: s["in_use"] + s["waiting"] == 0)(sql_status(daemon)))
    assert daemon.get("/id").status == 200


def test_a_server_that_dies_in_the_middle_of_an_answer_is_an_error_and_found_again(leat, server):
    daemon = start(leat, server)
    client = daemon.connect()
    client.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: queries(server) == 1)
    server.stop(signal.SIGKILL)
    answer = client.response()
    assert (answer.status, answer.json()["code"]) == (502, "sql_error")
    answer = daemon.get("/items")
    assert (answer.status, answer.json()["code"]) == (502, "connect_failed")
    assert sql_status(daemon)["state"] == "down"
    assert daemon.reload().returncode == 0
    server.start()
    await_true(lambda: daemon.get("/items").status == 200, what="the database")
    assert sql_status(daemon)["state"] == "up" and sql_status(daemon)["in_use"] == 0


def test_a_restart_between_two_queries_costs_none(leat, server):
    daemon = start(leat, server)
    assert daemon.get("/items").status == 200
    server.stop(signal.SIGTERM)
    server.start()
    assert daemon.get("/items").status == 200
    assert sql_status(daemon)["connects"] == 2


def test_a_database_that_is_away_stops_neither_start_nor_reload(leat, server):
    server.stop(signal.SIGTERM)
    daemon = start(leat, server)
    assert daemon.get("/ok").status == 200
    assert daemon.reload().returncode == 0
    assert daemon.get("/items").json()["code"] == "connect_failed"
    server.start()
    await_true(lambda: daemon.get("/items").status == 200, what="the database")


def test_a_name_that_cannot_be_looked_up_is_dns_failed(leat, server):
    daemon = start(leat, server, url="mysql://boss@nowhere.invalid/shop")
    answer = daemon.get("/items")
    assert (answer.status, answer.json()["code"]) == (502, "dns_failed")


def test_a_name_is_looked_up_and_a_socket_needs_none(leat, server):
    assert len(start(leat, server, url=server.url.replace("127.0.0.1", "localhost")).get("/items").json()) == 2
    assert len(start(leat, server, url=server.socket_url).get("/items").json()) == 2


def test_a_wrong_password_is_refused_and_not_shown(leat, server):
    conf = CONF.replace("pool:", 'user: guarded, password: "${secret.pw}", pool:').replace("routes:", 'secrets: { dir: "@DIR@/secrets" }\nroutes:')
    daemon = start(leat, server, conf, files={"secrets/pw": "wrong#p@ss\n"})
    answer = daemon.get("/items")
    assert (answer.status, answer.json()["code"]) == (502, "connect_failed")
    daemon.await_line("1045: Access denied")
    assert "wrong#" not in daemon.stderr
    daemon.write("secrets/pw", "right#p@ss/\n")
    assert daemon.reload().returncode == 0
    assert daemon.get("/items").status == 200


def test_too_many_connections_of_the_server_are_waited_for(leat, server):
    daemon = start(leat, server, CONF.replace("pool: { max: 4 }", "pool: { max: 40 }"))
    assert daemon.get("/items").status == 200
    failures = ask_in_a_crowd(daemon, "/items")
    assert not failures, failures[0]
    assert sql_status(daemon)["open"] <= 13


def test_prepared_statements_are_bounded(leat, server):
    daemon = start(leat, server, CONF.replace("pool: { max: 4 }", "statements: 2, pool: { max: 1 }"))
    for _ in range(3):
        for target in ("/items", "/item/1", "/id", "/types", "/long"):
            assert daemon.get(target).status == 200
    count = server.sql("show global status like 'Prepared_stmt_count'").split()[1]
    assert int(count) <= 2


def test_a_reload_keeps_connections_and_a_changed_entry_closes_them(leat, server):
    daemon = start(leat, server)
    number = daemon.get("/id").json()
    assert daemon.reload(CONF + "  GET /more: { reply: ok }\n").returncode == 0
    assert daemon.get("/id").json() == number
    assert daemon.reload(CONF.replace("pool:", "max_rows: 7, pool:")).returncode == 0
    assert daemon.get("/id").json() != number
    await_true(lambda: server.sql("select count(*) from information_schema.processlist where user = 'boss'").strip() == "1")


def test_an_unused_connection_is_closed(leat, server):
    daemon = start(leat, server, CONF.replace("max: 4", "max: 4, idle: 100ms"))
    assert daemon.get("/items").status == 200
    await_true(lambda: sql_status(daemon)["open"] == 0)
    assert sql_status(daemon)["state"] == "idle"


def test_many_requests_while_the_server_dies_are_right_or_mapped(leat, server):
    daemon = start(leat, server, "limits: { requests: 100000000 }\n" + CONF)
    stop, wrong, right = threading.Event(), [], []

    def ask():
        client = daemon.connect()
        while not stop.is_set():
            answer = client.get("/item/1")
            if answer.status == 200 and answer.json()["row"] == {"id": 1, "name": "apple"}:
                right.append(1)
            elif answer.status != 502 or answer.json()["code"] not in ("connect_failed", "sql_error"):
                wrong.append(answer)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    n_right = len(right)
    await_true(lambda n=n_right: len(right) > n + 20)
    server.stop(signal.SIGKILL)
    server.start()
    n_right = len(right)
    await_true(lambda: len(right) > n_right + 20, what="recovery")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert sql_status(daemon)["in_use"] == 0 and sql_status(daemon)["waiting"] == 0


def test_tls_is_verified_when_that_is_asked_for(leat, server, certs):
    conf = CONF + '''  GET /tls: { tasks: { q: { sql: shop, query: "select variable_value <> '' as `ssl` from information_schema.session_status where variable_name = 'Ssl_cipher'" } }, reply: { json: "${q.row}" } }
'''
    server.stop(server.fast)
    server.use_tls(certs, "server")
    server.start()
    url = server.url.replace("127.0.0.1", "localhost") + "?sslmode="
    ca, other = certs.path("ca.pem"), certs.path("other.pem")
    assert start(leat, server, conf, url=url + f"verify-full&sslrootcert={ca}").get("/tls").json() == {"ssl": 1}
    assert start(leat, server, conf, url=url + "require").get("/tls").json() == {"ssl": 1}
    assert start(leat, server, conf, url=url + "disable").get("/tls").json() != {"ssl": 1}
    for wrong in (url + f"verify-full&sslrootcert={other}", server.url + f"?sslmode=verify-full&sslrootcert={ca}"):
        answer = start(leat, server, conf, url=wrong).get("/tls")
        assert (answer.status, answer.json()["code"]) == (502, "tls_failed"), wrong


def test_what_is_wrong_in_a_url_is_told():
    code, text = check('sql: { a: { url: "mysql://h/d?host=x" }, b: { url: "mariadb://h/d?sslmode=maybe" }, c: { url: "mysql://h/d?sslmode=verify-full" } }\nroutes: {}\n')
    assert code == 1
    assert 'has no parameter "host"' in text and "sslmode=maybe is none of mysql" in text
