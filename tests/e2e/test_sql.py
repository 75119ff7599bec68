"""tests/e2e/test_sql.py: `sql:` with SQLite, which is built in."""
import contextlib
import os
import sqlite3
import threading

from databases import sql_status
from leat import await_true, check

SCHEMA = """
pragma journal_mode = wal;
create table item (id integer primary key, name text not null unique, qty integer check (qty >= 0), price real, data blob, info text);
create table part (id integer primary key, item integer not null references item (id));
insert into item values (1, 'apple', 3, 1.5, x'00ff10', '{"a":[1]}'), (2, 'pear', 9223372036854775807, null, null, 'no json');
"""

CONF = r'''
files_root: "@DIR@/data"
sql: { shop: { url: "sqlite:shop.db" } }
routes:
  GET /items: { tasks: { q: { sql: shop, query: select * from item order by id, json: info } }, reply: { json: "${q}" } }
  GET /item/{id}:
    tasks: { q: { sql: shop, query: "select id, name from item where id = :id", args: { id: "${number(path.id)}" } } }
    reply: { json: { row: "${q.row}", rows: "${q.rows}", name: "${q.row.name}", n: "${len(q.rows)}", affected: "${q.affected}", last_id: "${q.last_id}" } }
  POST /item:
    body: { type: json }
    tasks:
      q:
        sql: shop
        query: |
          insert into item (name, qty, price, info) -- a comment with :no bind
          values (:name, :qty, :price, :info) returning id, name, ':name' as literal
        args: { name: "${body.name}", qty: "${body.qty}", price: "${body.price}", info: "${body.info}" }
    reply: { status: 201, json: { row: "${q.row}", affected: "${q.affected}", last_id: "${q.last_id}" } }
    on_error:
      sql_error: { status: 409, json: { code: "${error.code}", state: "${error.sqlstate}", task: "${error.task}" } }
  POST /table: { tasks: { q: { sql: shop, query: "create table if not exists other (a primary key) without rowid" } }, reply: { json: { affected: "${q.affected}", last_id: "${q.last_id}" } } }
  POST /other/{a}: { tasks: { q: { sql: shop, query: "insert into other values (:a)", args: { a: "${path.a}" } } }, reply: { json: { affected: "${q.affected}", last_id: "${q.last_id}" } } }
  GET /error: { tasks: { q: { sql: shop, query: select * from nowhere } }, reply: ok }
  GET /twice: { tasks: { q: { sql: shop, query: "select 1 as a, 2 as a" } }, reply: ok, on_error: { sql_error: "${error.detail}" } }
  GET /many: { tasks: { q: { sql: shop, max_rows: 10, query: "with recursive n (i) as (select 1 union all select i + 1 from n limit 11) select * from n" } }, reply: ok }
  GET /large: { tasks: { q: { sql: shop, max_bytes: 1k, query: "select hex(zeroblob(1000)) as x" } }, reply: ok }
  GET /huge/{n}: { tasks: { q: { sql: shop, query: "select length(zeroblob(:n)) as n", args: { n: "${number(path.n)}" } } }, reply: { json: "${q.row.n}" } }
  GET /long:
    tasks: { q: { sql: shop, timeout: 50ms, query: "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) as n from n" } }
    reply: ok
  POST /move:
    body: { type: json }
    tasks:
      t:
        sql: shop
        transaction:
          - { name: taken, query: "update item set qty = qty - :n where id = :from returning qty, name", args: { n: "${body.n}", from: "${body.from}" } }
          - { name: new, query: "insert into item (name, qty) values (:name, :n) returning id", args: { n: "${body.n}", name: "${body.name}" } }
          - { name: part, query: "insert into part (item) values (:new.id) returning id, item, :taken.name as was" }
    reply: { json: { taken: "${t.results.taken.row.qty}", new: "${t.results.new.row.id}", part: "${t.row}" } }
    on_error: { sql_error: { status: 409, json: { detail: "${error.detail}", state: "${error.sqlstate}" } } }
  GET /pragma/function: { tasks: { q: { sql: shop, query: "select load_extension('x') as x" } }, reply: ok, on_error: { sql_error: "${error.sqlstate}" } }
  GET /pragma/tell: { tasks: { q: { sql: shop, query: "pragma user_version" } }, reply: { json: "${q}" } }
  GET /pragma/write: { tasks: { q: { sql: shop, query: "pragma user_version = 7" } }, reply: ok, on_error: { sql_error: "${error.sqlstate}" } }
  GET /args:
    tasks: { q: { sql: shop, query: "select :t as t, :i as i, :r as r, :b as b, :n as n, :l as l, typeof(:i) as ti, typeof(:r) as tr, cast(:t as blob) as blob",
                  args: { t: "${query.t}", i: 9007199254740993, r: 1.5, b: true, n: null, l: [1, { a: "x" }] } } }
    reply: { json: "${q.row}" }
'''


@contextlib.contextmanager
def database(daemon, name="shop.db"):
    base = sqlite3.connect(os.path.join(daemon.dir, "data", name), timeout=30, check_same_thread=False, isolation_level=None)
    try:
        yield base
    finally:
        base.close()


def start(leat, conf=CONF, schema=SCHEMA, **more):
    daemon = leat(conf, start=False, **more)
    os.mkdir(os.path.join(daemon.dir, "data"))
    with database(daemon) as base:
        base.executescript(schema)
    daemon.start()
    return daemon


def test_rows_keep_their_types(leat):
    daemon = start(leat)
    answer = daemon.get("/items")
    assert answer.status == 200, daemon.stderr
    assert answer.text == (
        '[{"id":1,"name":"apple","qty":3,"price":1.5,"data":"AP8Q","info":{"a":[1]}},'
        '{"id":2,"name":"pear","qty":9223372036854775807,"price":null,"data":null,"info":"no json"}]')


def test_a_row_is_the_first_and_null_without_one(leat):
    daemon = start(leat)
    assert daemon.get("/item/2").json() == {"row": {"id": 2, "name": "pear"}, "rows": [{"id": 2, "name": "pear"}],
                                            "name": "pear", "n": 1, "affected": None, "last_id": None}
    assert daemon.get("/item/3").json() == {"row": None, "rows": [], "name": None, "n": 0, "affected": None, "last_id": None}


def test_what_a_statement_has_done_is_not_what_the_one_before_it_has(leat):
    daemon = start(leat)
    assert daemon.post_json("/item", {"name": "plum"}).json()["affected"] == 1
    assert daemon.post("/table").json() == {"affected": 0, "last_id": None}
    assert daemon.post("/other/x").json() == {"affected": 1, "last_id": None}  # its table has no numbers


def test_values_are_bound_and_never_sql(leat):
    daemon = start(leat)
    for number, name in enumerate(["x'); drop table item; --", "' or '1'='1", "é\u0000\U0001f600", "", ":id"]):
        answer = daemon.post_json("/item", {"name": name, "qty": 1, "price": 19.25, "info": {"k": [1]}})
        assert answer.status == 201, answer
        assert answer.json() == {"row": {"id": 3 + number, "name": name, "literal": ":name"}, "affected": 1, "last_id": 3 + number}
    assert len(daemon.get("/items").json()) == 7
    assert daemon.get("/items").json()[2]["info"] == {"k": [1]}


def test_arguments_keep_their_types(leat):
    daemon = start(leat)
    assert daemon.get("/args?t=a%C3%A9").json() == {
        "t": "a\u00e9", "i": 9007199254740993, "r": 1.5, "b": 1, "n": None, "l": '[1,{"a":"x"}]', "ti": "integer", "tr": "real",
        "blob": "YcOp"}


def test_a_violated_constraint_is_told_by_its_sqlstate(leat):
    daemon = start(leat)
    for value, state in [({"name": "apple"}, "23505"), ({"name": None}, "23502"), ({"name": "x", "qty": -1}, "23514")]:
        answer = daemon.post_json("/item", value)
        assert answer.status == 409
        assert answer.json() == {"code": "sql_error", "state": state, "task": "q"}


def test_an_unmapped_failure_tells_nothing_of_the_database(leat):
    daemon = start(leat)
    answer = daemon.get("/error")
    assert (answer.status, answer.json()["code"]) == (502, "sql_error")
    assert "nowhere" not in answer.text
    assert "no such table: nowhere" in daemon.await_line("sql_error")


def test_two_columns_of_one_name_are_an_error(leat):
    daemon = start(leat)
    assert "two columns are called \"a\"" in daemon.get("/twice").text


def test_too_many_rows_or_bytes_are_too_large(leat):
    daemon = start(leat)
    for target in ("/many", "/large"):
        answer = daemon.get(target)
        assert (answer.status, answer.json()["code"]) == (502, "too_large")


def test_a_value_that_a_function_makes_is_bounded(leat):
    daemon = start(leat)
    assert daemon.get("/huge/60000000").json() == 60000000
    answer = daemon.get("/huge/900000000")
    assert (answer.status, answer.json()["code"]) == (502, "too_large")


def test_status_tells_of_databases(leat):
    daemon = start(leat)
    assert daemon.get("/items").status == 200
    assert daemon.get("/error").status == 502
    text = daemon.cli("status").out
    assert "sql         shop: up, 1 open, 0 in use, 0 waiting, 2 queries, 1 errors" in text
    metrics = daemon.admin("GET", "/metrics").text
    assert 'leat_sql_queries_total{database="shop"} 2' in metrics and 'leat_sql_errors_total{database="shop"} 1' in metrics
    assert 'leat_sql_open{database="shop"} 1' in metrics and 'leat_sql_up{database="shop"} 1' in metrics


def test_a_deadline_interrupts_the_statement(leat):
    daemon = start(leat)
    answer = daemon.get("/long")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    await_true(lambda: sql_status(daemon)["in_use"] == 0, what="the end of the statement")


def test_a_transaction_holds_together(leat):
    daemon = start(leat)
    answer = daemon.post_json("/move", {"n": 2, "from": 1, "name": "cherry"})
    assert answer.json() == {"taken": 1, "new": 3, "part": {"id": 1, "item": 3, "was": "apple"}}
    before = daemon.get("/items").text
    answer = daemon.post_json("/move", {"n": 2, "from": 1, "name": "plum"})  # qty would be negative
    assert (answer.status, answer.json()["state"]) == (409, "23514")
    assert answer.json()["detail"].startswith("taken: ")
    answer = daemon.post_json("/move", {"n": 1, "from": 1, "name": "cherry"})  # the name is there
    assert (answer.status, answer.json()["state"]) == (409, "23505")
    answer = daemon.post_json("/move", {"n": 1, "from": 99, "name": "kiwi"})  # no first row of `taken`
    assert (answer.status, answer.json()["state"]) == (409, "02000")
    assert daemon.get("/items").text == before


def test_the_authorizer_refuses_what_leaves_the_data(leat):
    daemon = start(leat)
    assert daemon.get("/pragma/function").text == "42000"
    assert daemon.get("/pragma/write").text == "42501"
    assert daemon.get("/pragma/tell").json() == [{"user_version": 0}]


def test_who_reads_does_not_wait_for_who_writes(leat):
    daemon = start(leat)
    with database(daemon) as base:
        base.execute("begin immediate")
        base.execute("insert into item (name) values ('held')")
        assert len(daemon.get("/items").json()) == 2
        answers = []
        thread = threading.Thread(target=lambda: answers.append(daemon.post_json("/item", {"name": "late"})))
        thread.start()
        await_true(lambda: sql_status(daemon)["in_use"] == 1, what="the waiting writer")
        base.execute("commit")
        thread.join()
    assert answers[0].json()["row"]["id"] == 4


LOCKED = '''
files_root: "@DIR@/data"
sql: { shop: { url: "sqlite:shop.db", timeout: 200ms, pool: { max: 1, waiters: 1 } } }
routes:
  POST /add: { tasks: { q: { sql: shop, query: "insert into item (name) values (:n)", args: { n: "${request.id}" } } }, reply: { json: "${q.affected}" } }
  GET /count: { tasks: { q: { sql: shop, query: "select count(*) as n from item" } }, reply: { json: "${q.row.n}" } }
'''


def test_waiting_is_bounded_in_number_and_time(leat):
    daemon = start(leat, LOCKED.replace("200ms", "60s"))
    with database(daemon) as base:
        base.execute("begin immediate")
        clients = [daemon.connect() for _ in range(2)]
        for number, client in enumerate(clients):
            client.send("POST /add HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            await_true(lambda n=number: (lambda s: s["in_use"] + s["waiting"] == n + 1)(sql_status(daemon)))
        answer = daemon.post("/add")
        assert (answer.status, answer.json()["code"]) == (503, "pool_exhausted")
        assert daemon.get("/count").json() == 2
        base.execute("rollback")
    assert [client.response().json() for client in clients] == [1, 1]
    assert daemon.get("/count").json() == 4
    assert sql_status(daemon)["refused"] == 1


def test_the_timeout_of_the_database_ends_a_wait_for_its_lock(leat):
    daemon = start(leat, LOCKED)
    with database(daemon) as base:
        base.execute("begin immediate")
        answer = daemon.post("/add")
        assert (answer.status, answer.json()["code"]) == (504, "timeout")
        base.execute("rollback")
    assert daemon.get("/count").json() == 2
    assert daemon.post("/add").json() == 1


def test_a_file_that_is_locked_and_not_in_wal_mode_is_read_and_written_when_it_can_be(leat):
    daemon = start(leat, schema=SCHEMA.replace("wal", "delete"))
    with database(daemon) as base:
        base.execute("begin immediate")
        assert len(daemon.get("/items").json()) == 2
        client = daemon.connect()
        client.send('POST /item HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"name":"a"}')
        await_true(lambda: sql_status(daemon)["in_use"] == 1)
        base.execute("rollback")
    assert client.response().status == 201


def test_a_reload_keeps_the_connections_of_an_entry_that_is_the_same(leat):
    daemon = start(leat)
    daemon.get("/items")
    assert sql_status(daemon)["connects"] == 1
    assert daemon.reload(CONF + "  GET /more: { reply: ok }\n").returncode == 0
    assert daemon.get("/items").status == 200
    assert sql_status(daemon)["connects"] == 1
    assert daemon.reload(CONF.replace('"sqlite:shop.db"', '"sqlite:shop.db", timeout: 7s')).returncode == 0
    assert daemon.get("/items").status == 200
    assert sql_status(daemon)["connects"] == 1 and sql_status(daemon)["queries"] == 1


def test_a_database_that_cannot_be_opened_stops_nothing_and_is_found_later(leat):
    conf = CONF.replace("sqlite:shop.db", "sqlite:deep/shop.db")
    daemon = leat(conf)
    answer = daemon.get("/items")
    assert (answer.status, answer.json()["code"]) == (502, "connect_failed")
    assert sql_status(daemon)["state"] == "down"
    os.makedirs(os.path.join(daemon.dir, "data", "deep"), exist_ok=True)
    with database(daemon, "deep/shop.db") as base:
        base.executescript(SCHEMA)
    await_true(lambda: daemon.get("/items").status == 200, what="the database")
    assert sql_status(daemon)["state"] == "up"
    daemon.await_line("database is there again name=shop")


def test_a_symbolic_link_does_not_lead_out_of_the_root(leat):
    daemon = start(leat)
    os.rename(os.path.join(daemon.dir, "data", "shop.db"), os.path.join(daemon.dir, "outside.db"))
    os.symlink(os.path.join(daemon.dir, "outside.db"), os.path.join(daemon.dir, "data", "shop.db"))
    answer = daemon.get("/items")
    assert (answer.status, answer.json()["code"]) == (502, "connect_failed")


def test_who_leaves_interrupts_what_runs(leat):
    daemon = start(leat, CONF.replace("timeout: 50ms, ", ""))
    client = daemon.connect()
    client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: sql_status(daemon)["in_use"] == 1)
    client.reset()
    await_true(lambda: sql_status(daemon)["in_use"] == 0, what="the end of the statement")
    assert daemon.get("/items").status == 200


def test_a_stop_does_not_wait_for_a_statement_whose_client_is_cut(leat):
    daemon = start(leat, "timeouts: { shutdown: 100ms }\n" + CONF.replace("timeout: 50ms, ", ""))
    client = daemon.connect()
    client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: sql_status(daemon)["in_use"] == 1)
    daemon.stop()


ERRORS = '''
sql:
  shop: { url: "sqlite:shop.db" }
  up: { url: "sqlite:../x.db" }
  abs: { url: "sqlite:/x.db" }
  what: { url: "oracle:x" }
  user: { url: "sqlite:x.db", user: u }
routes:
  GET /a: { tasks: { q: { sql: shpo, query: select 1 } } }
  GET /b: { tasks: { q: { sql: shop, query: "select ${query.x}" } } }
  GET /c: { tasks: { q: { sql: shop, query: "select :nmae, 1", args: { name: 1 } } } }
  GET /d: { tasks: { q: { sql: shop, query: "select 1; drop table x" } } }
  GET /e: { tasks: { q: { sql: shop, query: "select 'abc" } } }
  GET /f: { tasks: { q: { sql: shop, query: "select ?" } } }
  GET /g: { tasks: { q: { sql: shop, query: "begin" } } }
  GET /h: { tasks: { q: { sql: shop, query: "attach 'x' as y" } } }
  GET /i: { tasks: { q: { sql: shop } } }
  GET /j: { tasks: { q: { sql: shop, transaction: [ { query: "select :x.id" } ] } } }
  GET /k: { tasks: { q: { sql: shop, query: " -- nothing" } } }
'''


def test_what_is_wrong_is_told_at_its_place():
    code, text = check(ERRORS)
    assert code == 1
    for what in ('there is no database "shpo"; did you mean "shop"?', "a query has no ${}",
                 'there is no value for :nmae; did you mean ":name"?', "the query has no :name", "there is a second statement",
                 "this quote has no end", "`?` has no value here", "`begin` would change the connection", "`attach` would change",
                 "needs one of query and transaction", 'there is no statement "x" before this one', "there is no statement in it",
                 '"sqlite:../x.db" is not a file beneath', '"sqlite:/x.db" is not a file beneath', "no database that leat knows",
                 "a file has no user"):
        assert what in text, (what, text)
    line = next(i for i, l in enumerate(text.splitlines()) if "second statement" in l)
    assert "^" in text.splitlines()[line + 2] and text.splitlines()[line + 2].index("^") == text.splitlines()[line + 1].index("drop")
