"""tests/e2e/test_sql_postgres.py: `sql:` with a real PostgreSQL, which is killed, slow and full."""
import os
import signal
import threading

import pytest

from certs import Certs
from databases import Postgres, ask_in_a_crowd, sql_status
from leat import await_true, check

pytestmark = pytest.mark.skipif(os.environ.get("WITH_POSTGRES") == "no", reason="built without PostgreSQL")
SCHEMA = """
drop table if exists part, item;
create table item (id serial primary key, name text not null unique, qty int check (qty >= 0));
create table part (id serial primary key, item int not null references item (id));
insert into item (name, qty) values ('apple', 3), ('pear', null);
"""

CONF = r'''
sql: { shop: { url: "@URL@", pool: { max: 4 } } }
routes:
  GET /items: { tasks: { q: { sql: shop, query: "select * from item order by id" } }, reply: { json: "${q}" } }
  GET /item/{id}:
    tasks: { q: { sql: shop, query: "select id, name from item where id = :id", args: { id: "${path.id}" } } }
    reply: { json: { row: "${q.row}", n: "${len(q.rows)}", affected: "${q.affected}" } }
  GET /types:
    tasks:
      q:
        sql: shop
        query: |
          select true as t, false as f, 1::int2 as i2, 9223372036854775807::int8 as i8, 19.990::numeric as num, 'NaN'::numeric as nan,
            1.5::float8 as r, 1e300::float8 as big, 'Infinity'::float4 as inf, '2026-11-28 08:30:00.5+02'::timestamptz at time zone 'utc' as ts,
            '2026-01-02'::date as d, '\x00ff10'::bytea as b, '{"a": [1, null]}'::jsonb as j, '[1, 2]'::json as j2, null::int as nothing,
            array[1, null, 3] as ai, array['a"b', 'c,d', null, 'NULL', '{x}', 'e\f'] as at, array[array[1, 2], array[3, 4]] as a2,
            array[]::int[] as a0, array[1.50, 2]::numeric[] as an, array[true, false] as ab, 'é "q" \ x' as text,
            'b8a6a0a0-0000-4000-8000-000000000001'::uuid as u, '1 day 02:00'::interval as iv, array['2026-01-01 00:00:00']::timestamp[] as ats
    reply: { json: "${q.row}" }
  GET /zone: { tasks: { q: { sql: shop, query: "select '2026-11-28 08:30:00.25+00'::timestamptz as t, '2026-07-01 12:00+00'::timestamptz as s" } }, reply: { json: "${q.row}" } }
  POST /args:
    body: { type: json }
    tasks:
      q:
        sql: shop
        query: "select :i::int8 as i, :t::text as t, :n::numeric as n, :b::bool as b, :j::jsonb as j, :null::text as z, :a::int[] as a, :s::text[] as s, :l::jsonb as l, 5 = any(:a) as has"
        args: { i: "${body.i}", t: "${body.t}", n: "${body.n}", b: "${body.b}", j: "${body.j}", "null": null, a: "${body.a}", s: "${body.s}", l: "${body.a}" }
    reply: { json: "${q.row}" }
  POST /item:
    body: { type: json }
    tasks: { q: { sql: shop, query: "insert into item (name, qty) values (:name, :qty) returning id, name", args: { name: "${body.name}", qty: "${body.qty}" } } }
    reply: { status: 201, json: { row: "${q.row}", affected: "${q.affected}" } }
    on_error: { sql_error: { status: 409, json: { state: "${error.sqlstate}", detail: "${error.detail}" } } }
  POST /move:
    body: { type: json }
    tasks:
      t:
        sql: shop
        transaction:
          - { name: taken, query: "update item set qty = qty - :n where id = :from returning qty, name", args: { n: "${body.n}", from: "${body.from}" } }
          - { name: new, query: "insert into item (name, qty) values (:name, :n) returning id", args: { n: "${body.n}", name: "${body.name}" } }
          - { name: part, query: "insert into part (item) values (:new.id) returning item, :taken.name::text as was" }
    reply: { json: { taken: "${t.results.taken.row.qty}", new: "${t.results.new.row.id}", part: "${t.row}" } }
    on_error: { sql_error: { status: 409, json: { detail: "${error.detail}", state: "${error.sqlstate}" } } }
  POST /plain:
    body: { type: json }
    tasks: { t: { sql: shop, transaction: [ { name: a, query: "insert into item (name) values (:x)", args: { x: "${body.a}" } }, { query: "update item set qty = 7 where name = :x", args: { x: "${body.a}" } }, { query: "insert into item (name) values (:x)", args: { x: "${body.b}" } } ] } }
    reply: { json: { affected: "${t.affected}", a: "${t.results.a.affected}", rows: "${t.rows}" } }
    on_error: { sql_error: { status: 409, text: "${error.sqlstate}" } }
  GET /error: { tasks: { q: { sql: shop, query: select secret_thing from nowhere } }, reply: ok }
  GET /many: { tasks: { q: { sql: shop, max_rows: 10, query: "select generate_series(1, 100000000) as n" } }, reply: ok }
  GET /large: { tasks: { q: { sql: shop, max_bytes: 1k, query: "select repeat('x', 2000) as x" } }, reply: ok }
  GET /sleep: { tasks: { q: { sql: shop, query: "select pg_sleep(600)" } }, reply: ok }
  GET /short: { tasks: { q: { sql: shop, timeout: 100ms, query: "select pg_sleep(600)" } }, reply: ok }
  GET /late: { tasks: { q: { sql: shop, timeout: 300ms, transaction: [ { query: "insert into item (name) values ('never')" }, { query: "select pg_sleep(600)" } ] } }, reply: ok }
  GET /pid: { tasks: { q: { sql: shop, query: "select pg_backend_pid() as pid" } }, reply: { json: "${q.row.pid}" } }
  GET /forget: { tasks: { q: { sql: shop, query: "do $$ begin execute 'deallocate all'; end $$" } }, reply: ok }
  GET /ok: { reply: ok }
'''


@pytest.fixture(scope="module")
def shared():
    server = Postgres()
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


def backends(server, what="true"):
    return int(server.sql(f"select count(*) from pg_stat_activity where application_name = 'leat' and {what}"))


def test_rows_keep_their_types(leat, server):
    answer = start(leat, server).get("/types")
    assert answer.status == 200, answer
    assert answer.text == (
        '{"t":true,"f":false,"i2":1,"i8":9223372036854775807,"num":"19.990","nan":"NaN","r":1.5,"big":1e+300,"inf":"Infinity",'
        '"ts":"2026-11-28T06:30:00.5","d":"2026-01-02","b":"AP8Q","j":{"a": [1, null]},"j2":[1, 2],"nothing":null,'
        '"ai":[1,null,3],"at":["a\\"b","c,d",null,"NULL","{x}","e\\\\f"],"a2":[[1,2],[3,4]],"a0":[],"an":["1.50","2"],"ab":[true,false],'
        '"text":"é \\"q\\" \\\\ x","u":"b8a6a0a0-0000-4000-8000-000000000001","iv":"1 day 02:00:00","ats":["2026-01-01T00:00:00"]}')


def test_times_are_rfc_3339_in_the_zone_of_the_session(leat, server):
    assert start(leat, server, url=server.url + "?options=-ctimezone%3DUTC").get("/zone").json() == {
        "t": "2026-11-28T08:30:00.25Z", "s": "2026-07-01T12:00:00Z"}
    assert start(leat, server, url=server.url + "?options=-ctimezone%3DEurope%2FParis").get("/zone").json() == {
        "t": "2026-11-28T09:30:00.25+01:00", "s": "2026-07-01T14:00:00+02:00"}


def test_decimals_are_numbers_when_asked_for(leat, server):
    daemon = start(leat, server, CONF.replace("pool:", "decimals: number, pool:"))
    text = daemon.get("/types").text
    assert '"num":19.990,"nan":"NaN"' in text and '"an":[1.50,2]' in text


def test_arguments_keep_their_types(leat, server):
    daemon = start(leat, server)
    value = {"i": 9223372036854775807, "t": "it's \"\\ é", "n": 19.99, "b": True, "j": {"k": [1, None]}, "a": [5, None, 7],
             "s": ["a\"b", "c\\d", "", "NULL", None, "{,}"]}
    assert daemon.post_json("/args", value).json() == {**value, "n": "19.99", "z": None, "l": [5, None, 7], "has": True}
    answer = daemon.post_json("/args", {**value, "t": "a\0b"})
    assert (answer.status, answer.json()["code"]) == (400, "invalid_input")
    assert daemon.post_json("/args", value).status == 200


def test_values_are_bound_and_never_sql(leat, server):
    daemon = start(leat, server)
    for name in ["x'); drop table item; --", "' or '1'='1", "$1", ":id", ""]:
        answer = daemon.post_json("/item", {"name": name, "qty": 1})
        assert answer.status == 201 and answer.json()["row"]["name"] == name and answer.json()["affected"] == 1
    assert len(daemon.get("/items").json()) == 7


def test_a_violated_constraint_is_told_by_its_sqlstate(leat, server):
    daemon = start(leat, server)
    for value, state in [({"name": "apple"}, "23505"), ({"name": None}, "23502"), ({"name": "x", "qty": -1}, "23514"),
                         ({"name": "x", "qty": "many"}, "22P02")]:
        answer = daemon.post_json("/item", value)
        assert (answer.status, answer.json()["state"]) == (409, state)
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
    for value, state, where in [({"n": 2, "from": 1, "name": "plum"}, "23514", "taken: "), ({"n": 1, "from": 1, "name": "cherry"}, "23505", "new: "),
                                ({"n": 1, "from": 99, "name": "kiwi"}, "02000", "taken: ")]:
        answer = daemon.post_json("/move", value)
        assert (answer.status, answer.json()["state"]) == (409, state), answer
        assert answer.json()["detail"].startswith(where)
        assert daemon.get("/items").text == before
    assert daemon.post_json("/move", {"n": 1, "from": 1, "name": "fig"}).status == 200
    assert sql_status(daemon)["connects"] == 1


def test_a_transaction_without_rows_is_one_round_trip_and_whole(leat, server):
    daemon = start(leat, server)
    assert daemon.post_json("/plain", {"a": "x", "b": "y"}).json() == {"affected": 1, "a": 1, "rows": []}
    pid = daemon.get("/pid").json()
    answer = daemon.post_json("/plain", {"a": "z", "b": "y"})
    assert (answer.status, answer.text) == (409, "23505")
    assert server.sql("select name, qty from item order by id").split() == ["apple|3", "pear|", "x|7", "y|"]
    assert daemon.get("/pid").json() == pid  # it was rolled back: whoever violates a constraint costs no connection
    # somebody has dropped what was prepared: it is prepared anew, with or without rows
    assert daemon.get("/forget").status == 200
    assert daemon.post_json("/plain", {"a": "v", "b": "w"}).json() == {"affected": 1, "a": 1, "rows": []}
    assert daemon.get("/pid").json() == pid


def test_too_many_rows_or_bytes_stop_the_query(leat, server):
    daemon = start(leat, server)
    for target in ("/many", "/large"):
        answer = daemon.get(target)
        assert (answer.status, answer.json()["code"]) == (502, "too_large")
    await_true(lambda: sql_status(daemon)["in_use"] == 0)
    assert daemon.get("/items").status == 200


def test_a_deadline_stops_the_query_and_the_connection_lives_on(leat, server):
    daemon = start(leat, server)
    pid = daemon.get("/pid").json()
    answer = daemon.get("/short")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    await_true(lambda: backends(server, "state = 'active'") == 0, what="the end of the query")
    await_true(lambda: sql_status(daemon)["in_use"] == 0)
    assert daemon.get("/pid").json() == pid


def test_a_deadline_rolls_a_transaction_back(leat, server):
    daemon = start(leat, server)
    assert daemon.get("/late").status == 504
    await_true(lambda: sql_status(daemon)["in_use"] == 0)
    assert backends(server, "state <> 'idle'") == 0
    assert server.sql("select count(*) from item where name = 'never'").strip() == "0"


def test_the_timeout_of_the_database_is_told_to_the_server(leat, server):
    daemon = start(leat, server, CONF.replace("pool:", "timeout: 200ms, pool:"))
    answer = daemon.get("/sleep")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    await_true(lambda: backends(server, "state = 'active'") == 0)


def test_who_leaves_stops_the_query(leat, server):
    daemon = start(leat, server)
    client = daemon.connect()
    client.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: backends(server, "state = 'active'") == 1)
    client.reset()
    await_true(lambda: backends(server, "state = 'active'") == 0, what="the end of the query")


def test_connections_are_bounded_and_so_are_those_who_wait(leat, server):
    daemon = start(leat, server, CONF.replace("pool: { max: 4 }", "pool: { max: 2, waiters: 1 }"))
    clients = [daemon.connect() for _ in range(3)]
    for number, client in enumerate(clients):
        client.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
        await_true(lambda n=number: (lambda s: s["in_use"] == min(n + 1, 2) and s["in_use"] + s["waiting"] == n + 1)(sql_status(daemon)))
    answer = daemon.get("/ok")
    assert answer.status == 200
    answer = daemon.get("/pid")
    assert (answer.status, answer.json()["code"]) == (503, "pool_exhausted")
    for client in clients:
        client.reset()
    await_true(lambda: (lambda s: s["in_use"] + s["waiting"] == 0)(sql_status(daemon)))
    assert daemon.get("/pid").status == 200
    assert backends(server) <= 2


def test_a_server_that_dies_in_the_middle_of_an_answer_is_an_error_and_found_again(leat, server):
    daemon = start(leat, server)
    client = daemon.connect()
    client.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: backends(server, "state = 'active'") == 1)
    server.stop(signal.SIGQUIT)  # at once, with its sessions
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
    server.stop(signal.SIGINT)
    await_true(lambda: sql_status(daemon)["open"] == 0, what="the end of the connection")
    server.start()
    await_true(lambda: daemon.get("/items").status == 200, what="the database")


def test_a_database_that_is_away_stops_neither_start_nor_reload(leat, server):
    server.stop(signal.SIGINT)
    daemon = start(leat, server)
    assert daemon.get("/ok").status == 200
    assert daemon.reload().returncode == 0
    assert daemon.get("/items").json()["code"] == "connect_failed"
    server.start()
    await_true(lambda: daemon.get("/items").status == 200, what="the database")


def test_a_name_that_cannot_be_looked_up_is_dns_failed(leat, server):
    daemon = start(leat, server, url="postgres://boss@nowhere.invalid/postgres")
    answer = daemon.get("/items")
    assert (answer.status, answer.json()["code"]) == (502, "dns_failed")
    assert daemon.get("/ok").status == 200


def test_a_name_is_looked_up_and_a_socket_needs_none(leat, server):
    url = server.url.replace("127.0.0.1", "localhost")
    assert len(start(leat, server, url=url).get("/items").json()) == 2
    assert len(start(leat, server, url=server.socket_url).get("/items").json()) == 2


def test_a_wrong_password_is_refused_and_not_shown(leat, server):
    server.sql("drop role if exists guarded; set password_encryption to 'scram-sha-256'; create role guarded login password 'right#p@ss/'; grant all on item to guarded")
    conf = CONF.replace("pool:", 'user: guarded, password: "${secret.pw}", pool:').replace("routes:", 'secrets: { dir: "@DIR@/secrets" }\nroutes:')
    daemon = start(leat, server, conf, files={"secrets/pw": "wrong#p@ss\n"})
    answer = daemon.get("/items")
    assert (answer.status, answer.json()["code"]) == (502, "connect_failed")
    daemon.await_line("password authentication failed")
    assert "wrong#" not in daemon.stderr
    daemon.write("secrets/pw", "right#p@ss/\n")
    assert daemon.reload().returncode == 0
    assert daemon.get("/items").status == 200


def test_too_many_connections_of_the_server_are_waited_for(leat, server):
    daemon = start(leat, server, CONF.replace("pool: { max: 4 }", "pool: { max: 40 }").replace('"@URL@"', '"@URL@", user: plain'))
    server.sql("drop role if exists plain; create role plain login; grant all on all tables in schema public to plain")
    assert daemon.get("/items").status == 200
    failures = ask_in_a_crowd(daemon, "/items")
    assert not failures, failures[0]
    assert sql_status(daemon)["open"] <= 17


def test_a_table_that_was_changed_is_prepared_anew(leat, server):
    daemon = start(leat, server)
    assert len(daemon.get("/items").json()[0]) == 3
    server.sql("alter table item add column more text")
    assert len(daemon.get("/items").json()[0]) == 4
    server.sql("alter table item drop column more")


def test_prepared_statements_are_bounded(leat, server):
    daemon = start(leat, server, CONF.replace("pool: { max: 4 }", "statements: 2, pool: { max: 1 }") +
                   '  GET /known: { tasks: { q: { sql: shop, query: "select count(*) as n from pg_prepared_statements" } }, reply: { json: "${q.row.n}" } }\n')
    for _ in range(3):
        for target in ("/items", "/item/1", "/pid", "/zone", "/types"):
            assert daemon.get(target).status == 200
    assert daemon.get("/known").json() <= 3


def test_a_reload_keeps_connections_and_a_changed_entry_closes_them(leat, server):
    daemon = start(leat, server)
    pid = daemon.get("/pid").json()
    assert daemon.reload(CONF + "  GET /more: { reply: ok }\n").returncode == 0
    assert daemon.get("/pid").json() == pid
    assert daemon.reload(CONF.replace("pool:", "max_rows: 7, pool:")).returncode == 0
    assert daemon.get("/pid").json() != pid
    await_true(lambda: backends(server) == 1, what="the end of the old connection")


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
    for _ in range(2):
        n_right = len(right)
        await_true(lambda n=n_right: len(right) > n + 20)
        server.stop(signal.SIGQUIT)
        server.start()
    n_right = len(right)
    await_true(lambda: len(right) > n_right + 20, what="recovery")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert sql_status(daemon)["in_use"] == 0 and sql_status(daemon)["waiting"] == 0


def test_tls_is_verified_when_that_is_asked_for(leat, server, certs):
    conf = CONF + '  GET /tls: { tasks: { q: { sql: shop, query: "select ssl from pg_stat_ssl where pid = pg_backend_pid()" } }, reply: { json: "${q.row}" } }\n'
    server.stop(server.fast)
    server.use_tls(certs, "server")
    server.start()
    url = server.url.replace("127.0.0.1", "localhost") + "?sslmode="
    ca, other = certs.path("ca.pem"), certs.path("other.pem")
    assert start(leat, server, conf, url=url + f"verify-full&sslrootcert={ca}").get("/tls").json() == {"ssl": True}
    assert start(leat, server, conf, url=url + "require").get("/tls").json() == {"ssl": True}
    assert start(leat, server, conf, url=url + "disable").get("/tls").json() != {"ssl": True}
    for wrong in (url + f"verify-full&sslrootcert={other}", server.url + f"?sslmode=verify-full&sslrootcert={ca}"):
        answer = start(leat, server, conf, url=wrong).get("/tls")
        assert (answer.status, answer.json()["code"]) == (502, "tls_failed"), wrong


def test_what_is_wrong_in_a_url_is_told_without_it():
    code, text = check('sql: { a: { url: "postgres://u:hidden@h:x/" }, b: { url: "postgres://h/d?host=x" }, c: { url: "postgres://h/d?sslmode=require" } }\nroutes: {}\n')
    assert code == 1
    assert "not a URL of a database" in text and 'has no parameter "host"' in text
