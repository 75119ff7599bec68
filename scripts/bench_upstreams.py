"""scripts/bench_upstreams.py: requests that go on to another server, for scripts/bench: proxy, its cache, two answers
merged, Redis, SQLite, PostgreSQL."""
import contextlib
import glob
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time

from bench_servers import (LOAD_CPU, Server, free_port, free_ports, get, interleave, row, row_ratio, row_round, running,
                           start_leat, start_nginx)

N_ROWS = 10_000
N_CLIENTS = 64
E2E = os.path.abspath("tests/e2e")


def on(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


def few(n_rounds):
    return max(3, n_rounds // 3)


def must_hold(server, path, text):
    answer = get(server.port, path)
    if not answer.startswith(b"HTTP/1.1 200") or text not in answer:
        sys.exit(f"bench: {path} of {server.name} answers {answer[:300]!r}")


@contextlib.contextmanager
def backend_on_load_cpu(directory, more=""):
    """So that each server that is measured has its core for itself."""
    os.makedirs(f"{directory}/backend", exist_ok=True)
    with running(start_nginx(f"{directory}/backend", more)) as (backend,):
        for pid in backend.pids():
            os.sched_setaffinity(pid, {LOAD_CPU})
        yield backend


def bench_proxy(directory, n_rounds):
    port = free_port()
    print("a proxy, connections kept on both sides; nginx with proxy_pass and keepalive:")
    with backend_on_load_cpu(directory) as backend:
        more = f"""
    upstream there {{ server 127.0.0.1:{backend.port}; keepalive {N_CLIENTS}; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port};
        location /api/ {{ proxy_pass http://there/; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}"""
        with running(start_nginx(directory, more)) as (nginx,), \
                running(start_leat(directory, backend_port=backend.port,
                                   more_routes="  /api/{path...}: { proxy: backend }\n")) as (leat,):
            must_hold(leat, "/api/hello", b"Hello World!")
            of_leat, of_nginx = interleave(few(n_rounds), (leat, "/api/hello"), (nginx, "/api/hello", None, port))
    row_round("leat, proxy", of_leat)
    row_round("nginx, proxy", of_nginx)
    row_ratio("leat / nginx, proxy", of_leat, of_nginx, "; to reach: CPU 0.75")


def bench_cache(directory, n_rounds):
    """What the backend is not asked for; nginx keeps it in files, which the kernel keeps in memory."""
    port, backend_port = free_ports(2)
    print("an answer of a backend that is in the cache of a proxy; nginx with proxy_cache:")
    answers = f"""
    server {{
        listen 127.0.0.1:{backend_port};
        location / {{ add_header Cache-Control max-age=86400; return 200 "{'x' * 1024}"; }}
    }}"""
    keeps = f"""
    proxy_cache_path {directory}/kept keys_zone=kept:10m use_temp_path=off;
    server {{
        listen 127.0.0.1:{port};
        location /api/ {{
            proxy_pass http://127.0.0.1:{backend_port}/; proxy_cache kept; proxy_cache_lock on;
            add_header X-Cache $upstream_cache_status;
        }}
    }}"""
    with backend_on_load_cpu(directory, answers), running(start_nginx(directory, keeps)) as (nginx,), \
            running(start_leat(directory, backend_port=backend_port,
                               more_routes="  /api/{path...}: { proxy: { to: backend, cache: true } }\n")) as (leat,):
        get(leat.port, "/api/x"), get(port, "/api/x")
        must_hold(leat, "/api/x", b"leat; hit")
        if b"X-Cache: HIT" not in get(port, "/api/x"):
            sys.exit("bench: nginx does not keep what it should")
        of_leat, of_nginx = interleave(few(n_rounds), (leat, "/api/x"), (nginx, "/api/x", None, port))
    row_round("leat, a hit of the cache", of_leat)
    row_round("nginx, a hit of the cache", of_nginx)
    row_ratio("leat / nginx, a hit of the cache", of_leat, of_nginx)


# ---------------------------------------------------------------- two answers merged


def lua_modules():
    """In the order in which nginx wants them; none where they are not installed."""
    found = [glob.glob(f"/usr/lib*/nginx/modules/{name}_module.so") for name in ("ndk_http", "ngx_http_lua")]
    return [paths[0] for paths in found] if all(found) else []


def lua_config(port, backend_port):
    """It pastes texts together: leat, which reads them as JSON, has the harder work."""
    return f"""
    upstream there {{ server 127.0.0.1:{backend_port}; keepalive {2 * N_CLIENTS}; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port};
        location /there/ {{
            internal; proxy_pass http://there/; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
        location = /two {{
            content_by_lua_block {{
                local first, second = ngx.location.capture_multi({{ {{ "/there/first" }}, {{ "/there/second" }} }})
                if first.status ~= 200 or second.status ~= 200 then
                    return ngx.exit(502)
                end
                local text = '{{"first":' .. first.body .. ',"second":' .. second.body .. '}}'
                ngx.header.content_type = "application/json"
                ngx.header.content_length = #text
                ngx.print(text)
            }}
        }}
    }}"""


def bench_aggregate(directory, n_rounds):
    print("two answers of a backend merged; nginx with Lua and ngx.location.capture_multi:")
    modules, port = lua_modules(), free_port()
    with backend_on_load_cpu(directory) as backend, contextlib.ExitStack() as stack:
        leat = start_leat(directory, backend_port=backend.port)
        stack.enter_context(running(leat))
        jobs = [(leat, "/two"), (leat, "/one")]
        if modules:
            nginx = start_nginx(directory, lua_config(port, backend.port), modules=modules)
            stack.enter_context(running(nginx))
            jobs.append((nginx, "/two", None, port))
            ours, theirs = (get(p, "/two").split(b"\r\n\r\n")[1] for p in (leat.port, port))
            if ours != theirs:
                sys.exit(f"bench: leat merges to {ours!r}, nginx to {theirs!r}")
        of_two, of_one, *of_nginx = interleave(few(n_rounds), *jobs)
    row_round("two calls at once, JSON merged", of_two)
    row_round("one call, its JSON", of_one)
    if not of_nginx:
        row("nginx with Lua, two calls at once", "-", "nginx's Lua module is not installed (libnginx-mod-http-lua)")
        return
    row_round("nginx with Lua, two calls at once", of_nginx[0])
    row_ratio("leat / nginx with Lua, two calls at once", of_two, of_nginx[0], "; to reach: CPU 0.5")


# ---------------------------------------------------------------- Redis


def redis_rate(port):
    said = subprocess.run(["redis-benchmark", "-p", str(port), "-c", str(N_CLIENTS), "-n", "100000", "-t", "get", "--csv"],
                          capture_output=True, text=True, check=True, timeout=60, preexec_fn=on(LOAD_CPU)).stdout
    return float(re.search(r'^"GET","([\d.]+)"', said, re.M).group(1))


def bench_redis(directory, n_rounds):
    if not shutil.which("redis-server"):
        row("a GET of Redis in a route", "-", "redis-server is not installed")
        return
    print("GET of a value of Redis, through a route and by redis-benchmark; redis-server has the load's core:")
    port = free_port()
    server = Server("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory,
                              "--logfile", "redis.log"],
                    port, (LOAD_CPU,))
    with running(server):
        subprocess.run(["redis-cli", "-p", str(port), "set", "k", "value"], check=True, stdout=subprocess.DEVNULL)
        with running(start_leat(directory, sections=f'redis: {{ main: {{ url: "redis://127.0.0.1:{port}" }} }}\n',
                                more_routes='  GET /get/{key}: { tasks: { r: { redis: main, command: [GET, "${path.key}"] } }, '
                                            'reply: "${r}" }\n')) as (leat,):
            must_hold(leat, "/get/k", b"value")
            of_get, of_hello = interleave(few(n_rounds), (leat, "/get/k"), (leat, "/user/k"))
        theirs = redis_rate(port)
    row_round("a GET of Redis in a route", of_get)
    row_ratio("a GET of Redis in a route / a route with JSON", of_get, of_hello)
    row("redis-benchmark, no pipeline", f"{theirs:,.0f}", f"a second; the route has {of_get.rate / theirs:.2f} of that")


# ---------------------------------------------------------------- SQL


def route_of(query):
    return (f'  GET /row/{{id}}: {{ tasks: {{ q: {{ sql: shop, query: "{query}", args: {{ id: "${{number(path.id)}}" }} }} }}, '
            'reply: { json: "${q.row}" } }\n')


def sqlite_rate(path):
    """By Python's module, one statement after the other, kept prepared."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        started, n = time.monotonic(), 0
        while time.monotonic() - started < 1:
            for i in range(1000):
                db.execute("select name from item where id = ?", (i,)).fetchone()
            n += 1000
        return n / (time.monotonic() - started)


def bench_sqlite(directory, n_rounds):
    print("a row of SQLite by its key:")
    path = f"{directory}/shop.db"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table item (id integer primary key, name text)")
        db.executemany("insert into item values (?, ?)", ((i, f"item {i}") for i in range(N_ROWS)))
    with running(start_leat(directory, sections=f'files_root: {directory}\nsql: {{ shop: {{ url: "sqlite:shop.db" }} }}\n',
                            more_routes=route_of("select name from item where id = :id"))) as (leat,):
        must_hold(leat, "/row/7", b"item 7")
        of_row, of_user = interleave(few(n_rounds), (leat, "/row/7"), (leat, "/user/7"))
    theirs = sqlite_rate(path)
    row_round("a row of SQLite in a route", of_row)
    row_ratio("a row of SQLite in a route / a route with JSON", of_row, of_user)
    row("the same rows in a loop of Python's sqlite3", f"{theirs:,.0f}", f"a second; the route has {of_row.rate / theirs:.2f} of that")


def pgbench(server, *args):
    return subprocess.run([f"{server.bin}/pgbench", "-h", "127.0.0.1", "-p", str(server.port), "-U", "boss", *args, "postgres"],
                          capture_output=True, text=True, check=True, timeout=120, preexec_fn=on(LOAD_CPU)).stdout


def bench_postgres(directory, n_rounds):
    sys.path.insert(0, E2E)
    try:
        from databases import Postgres  # the server that the tests use
    except ImportError as error:
        row("a row of PostgreSQL in a route", "-", f"left out: {error}")
        return
    if not shutil.which("pgbench"):
        row("a row of PostgreSQL in a route", "-", "pgbench is not installed")
        return
    print("a row of PostgreSQL by its key, through a route and by pgbench -S; the server has the load's core:")
    server = Postgres()
    try:
        for pid in (server.process.pid,):
            os.sched_setaffinity(pid, {LOAD_CPU})
        pgbench(server, "-i", "-q")
        with running(start_leat(directory, sections=f'sql: {{ shop: {{ url: "postgres://boss@127.0.0.1:{server.port}/postgres", '
                                                    'pool: { max: 8 } } }\n',
                                more_routes=route_of("select abalance from pgbench_accounts where aid = :id"))) as (leat,):
            must_hold(leat, "/row/7", b"abalance")
            of_row, of_user = interleave(few(n_rounds), (leat, "/row/7"), (leat, "/user/7"))
        said = pgbench(server, "-S", "-n", "-M", "prepared", "-c", "8", "-T", "3")
    finally:
        server.close()
    theirs = float(re.search(r"tps = ([\d.]+)", said).group(1))
    row_round("a row of PostgreSQL in a route", of_row)
    row_ratio("a row of PostgreSQL in a route / a route with JSON", of_row, of_user)
    row("pgbench -S, prepared, 8 connections", f"{theirs:,.0f}", f"a second; the route has {of_row.rate / theirs:.2f} of that")
