"""Task graphs against real backends, and backends that fail in every way."""
import threading
import time

import pytest

from harness import Backend, PATIENCE, SANITIZED, free_port, json_backend


def test_two_backends_are_called_at_once_and_merged(leat):
    both = threading.Barrier(2, timeout=PATIENCE)  # answers only when both requests are there

    def handle(exchange):
        both.wait()
        exchange.json({"from": exchange.target})

    with Backend(handle) as a, Backend(handle) as b:
        daemon = leat(f"""
http: {{ a: {{ url: "http://127.0.0.1:{a.port}" }}, b: {{ url: "http://127.0.0.1:{b.port}/base/" }} }}
routes:
  GET /user/{{id}}:
    tasks:
      x: {{ get: "a:/x/${{path.id}}" }}
      y: {{ get: "b:/y?q=${{path.id}}" }}
    reply: {{ json: {{ x: "${{x.body}}", y: "${{y.body.from}}" }} }}
""")
        got = daemon.get("/user/a%20b%26c")
        assert got.json() == {"x": {"from": "/x/a%20b%26c"}, "y": "/base/y?q=a%20b%26c"}


def test_two_backends_of_100_ms_answer_in_about_100_ms(leat):
    def handle(exchange):
        time.sleep(0.1)  # this is the backend's work, not a wait of the test
        exchange.json(1)

    with Backend(handle) as a, Backend(handle) as b:
        daemon = leat(f"""
routes:
  GET /:
    tasks:
      x: {{ get: "http://127.0.0.1:{a.port}/" }}
      y: {{ get: "http://127.0.0.1:{b.port}/" }}
    reply: {{ json: ["${{x.body}}", "${{y.body}}"] }}
""")
        daemon.get("/")
        started = time.monotonic()
        assert daemon.get("/").json() == [1, 1]
        assert 0.1 <= time.monotonic() - started < (2 if SANITIZED else 0.19)


def test_a_hanging_backend_costs_its_timeout_and_the_fallback_is_used(leat):
    with json_backend({"ok": True}) as a, Backend(lambda exchange: exchange.hang()) as b:
        daemon = leat(f"""
routes:
  GET /:
    tasks:
      x: {{ get: "http://127.0.0.1:{a.port}/" }}
      y: {{ get: "http://127.0.0.1:{b.port}/y", timeout: 200ms, default: [] }}
    reply: {{ json: {{ x: "${{x.body}}", y: "${{y}}", partial: "${{y.failed}}", code: "${{y.error.code}}" }} }}
""")
        started = time.monotonic()
        got = daemon.get("/")
        took = time.monotonic() - started
        assert got.json() == {"x": {"ok": True}, "y": [], "partial": True, "code": "timeout"}
        assert 0.2 <= took < (3 if SANITIZED else 0.35)
        assert b.closed.get(timeout=PATIENCE) == "/y"


def answer_half(exchange):
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    return False


def answer_a_gigabyte(exchange):
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    block = b"x" * 65536
    while True:
        exchange.send(block)


def answer_endlessly(exchange):
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        exchange.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")


@pytest.mark.parametrize("handle, status, code", [
    (lambda e: e.reset(), 502, "bad_response"),
    (lambda e: e.hang(), 504, "timeout"),
    (lambda e: e.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), 502, "bad_response"),
    (lambda e: e.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), 502, "bad_response"),
    (answer_half, 502, "bad_response"),
    (answer_a_gigabyte, 502, "too_large"),
    (answer_endlessly, 502, "too_large"),
    (lambda e: e.reply("no", status="500 Oops"), 502, "upstream_status"),
    (lambda e: e.reply("{", type="application/json"), 502, "bad_response"),
])
def test_a_backend_that_fails_ends_in_the_mapped_status_and_cancels_its_siblings(leat, handle, status, code):
    with Backend(handle) as bad, Backend(lambda exchange: exchange.hang()) as sibling:
        daemon = leat(f"""
http: {{ bad: {{ url: "http://127.0.0.1:{bad.port}" }} }}
routes:
  GET /:
    timeout: 1s
    tasks:
      x: {{ get: "bad:/" }}
      y: {{ get: "http://127.0.0.1:{sibling.port}/sibling" }}
    reply: ok
  GET /alone: {{ timeout: 300ms, tasks: {{ x: {{ get: "bad:/" }} }}, reply: ok }}
""")
        got = daemon.get("/")
        assert (got.status, got.header("content-type")) == (status, "application/problem+json")
        problem = got.json()
        assert (problem["status"], problem["code"]) == (status, code)
        assert problem["request_id"] and problem["task"]
        assert set(problem) <= {"status", "title", "code", "task", "request_id"}
        assert sibling.closed.get(timeout=PATIENCE) == "/sibling"
        if code != "upstream_status" and "json" not in str(handle):
            before = bad.n_connections
            assert daemon.get("/alone").status == status
            assert code == "bad_response" or bad.n_connections == before + 1  # not reused


def test_a_refused_connection_is_502_and_retried_as_told(leat):
    daemon = leat(f"""
routes:
  GET /: {{ tasks: {{ x: {{ get: "http://127.0.0.1:{free_port()}/", retry: {{ times: 2, wait: 1ms }} }} }}, reply: ok }}
""")
    assert daemon.get("/").json()["code"] == "connect_failed"


def test_retry_is_counted_and_kept_from_what_is_not_idempotent(leat):
    with Backend(lambda e: e.reply("later", status="503 Later")) as backend:
        daemon = leat(f"""
http: {{ b: {{ url: "http://127.0.0.1:{backend.port}" }} }}
routes:
  GET /get: {{ tasks: {{ x: {{ get: "b:/get", retry: {{ times: 2, wait: 1ms }} }} }}, reply: ok }}
  GET /post: {{ tasks: {{ x: {{ post: "b:/post", retry: {{ times: 2, wait: 1ms }} }} }}, reply: ok }}
  GET /told: {{ tasks: {{ x: {{ post: "b:/told", retry: {{ times: 2, wait: 1ms, codes: [503] }} }} }}, reply: ok }}
""")
        for path, tries in (("/get", 3), ("/post", 1), ("/told", 3)):
            assert daemon.get(path).status == 502
            assert [t for _, t, _, _ in backend.requests].count(path) == tries


def test_connections_are_kept_and_a_stale_one_is_replaced_once(leat):
    closing = threading.Event()

    def handle(exchange):
        exchange.reply("hi")
        return not closing.is_set()

    with Backend(handle) as backend:
        daemon = leat(f"""
server: {{ threads: 1 }}
http: {{ b: {{ url: "http://127.0.0.1:{backend.port}" }} }}
routes:
  GET /: {{ tasks: {{ x: {{ get: "b:/" }} }}, reply: "${{x.text}}" }}
""")
        for _ in range(5):
            assert daemon.get("/").text == "hi"
        assert backend.n_connections == 1
        closing.set()
        for _ in range(5):
            assert daemon.get("/").text == "hi"


def test_what_is_sent_to_a_backend(leat):
    with json_backend({}) as backend:
        daemon = leat(f"""
http: {{ b: {{ url: "http://127.0.0.1:{backend.port}" }} }}
routes:
  POST /json: {{ tasks: {{ x: {{ post: "b:/j", json: {{ a: "${{body.n}}", b: [1, "two"] }}, headers: {{ X-A: "${{headers.x_in}}" }} }} }}, reply: ok }}
  GET /form: {{ tasks: {{ x: {{ post: "b:/f", form: {{ a: "x y&z", b: 1 }} }} }}, reply: ok }}
  GET /body: {{ tasks: {{ x: {{ put: "b:/b", body: "raw ${{query.q}}" }} }}, reply: ok }}
  GET /query: {{ tasks: {{ x: {{ get: "b:/q", query: {{ a: "1&2", n: null, l: [1, 2] }} }} }}, reply: ok }}
  GET /verbs: {{ tasks: {{ p: {{ patch: "b:/p", body: x }}, d: {{ delete: "b:/d" }}, h: {{ head: "b:/h" }}, o: {{ http: "b:/o", method: OPTIONS }} }}, reply: ok }}
""")
        assert daemon.request("POST", "/json", {"Content-Type": "application/json", "X-In": "v"}, '{"n": 19.990}').status == 200
        for path in ("/form", "/body?q=1", "/query", "/verbs"):
            assert daemon.get(path).status == 200
        seen = {target: (method, headers, body) for method, target, headers, body in backend.requests}
        method, headers, body = seen["/j"]
        assert (method, body, headers["content-type"], headers["x-a"]) == ("POST", b'{"a":19.990,"b":[1,"two"]}', "application/json", "v")
        assert headers["host"] == f"127.0.0.1:{backend.port}" and headers["x-request-id"]
        assert seen["/f"][2] == b"a=x%20y%26z&b=1" or seen["/f"][2] == b"a=x+y%26z&b=1"
        assert seen["/b"][0] == "PUT" and seen["/b"][2] == b"raw 1"
        assert "/q?a=1%262&l=1&l=2" in seen
        assert sorted(seen[t][0] for t in ("/p", "/d", "/h", "/o")) == ["DELETE", "HEAD", "OPTIONS", "PATCH"]


FLOWS = """
routes:
  GET /diamond:
    tasks:
      top: { value: 1 }
      left: { value: "${top.result + 1}" }
      right: { value: "${top.result + 2}" }
      bottom: { value: "${left.result * right.result}" }
    reply: { json: "${bottom}" }
  GET /guard/{n}:
    tasks:
      odd: { fail: odd_number, when: "${number(path.n) % 2 == 1}", status: 409, detail: "odd ${path.n}" }
      work: { value: done }
    reply: "${work}"
    on_error:
      odd_number: { status: 418, json: { code: "${error.code}", detail: "${error.detail}", task: "${error.task}" } }
  GET /unmapped: { tasks: { f: { fail: my_code, status: 409 } }, reply: ok }
  GET /skip:
    tasks:
      a: { value: 1, when: "${query.run == 'yes'}" }
      b: { value: { skipped: "${a.skipped}", a: "${a}" } }
    reply: { json: "${b}" }
  GET /optional:
    tasks:
      a: { fail: unavailable, optional: true }
    reply: { json: { a: "${a}", failed: "${a.failed}", code: "${a.error.code}" } }
  GET /group:
    tasks:
      g: { tasks: { a: { value: 1 }, b: { value: "${a.result + 1}" } } }
    reply: { json: "${g.result}" }
  GET /call: { tasks: { c: { call: twice, with: { n: 21 } } }, reply: { json: "${c}" } }
  GET /recurse: { tasks: { c: { call: again } }, reply: ok }
  GET /error: { reply: "${1 / number(query.n ?? '1')}" }
  GET /inject: { reply: { headers: { X: "${query.v}" }, text: ok } }
  GET /html: { reply: { html: "<p>${query.v}</p>" } }
  GET /only-tasks: { tasks: { a: { value: 1 } } }
  GET /timeout: { timeout: 50ms, tasks: { w: { wait: 10s } }, reply: ok }
  GET /memory: { tasks: { a: { value: "${join(split(query.v, ''), query.v)}" } }, reply: "${a}" }
flows:
  twice: { tasks: { v: { value: "${with.n * 2}" } }, result: "${v.result}" }
  again: { tasks: { c: { call: again } }, result: 1 }
"""


@pytest.mark.parametrize("path, status, want", [
    ("/diamond", 200, 6),
    ("/guard/2", 200, "done"),
    ("/guard/3", 418, {"code": "odd_number", "detail": "odd 3", "task": "odd"}),
    ("/unmapped", 409, None),
    ("/skip", 200, {"skipped": True, "a": None}),
    ("/skip?run=yes", 200, {"skipped": False, "a": 1}),
    ("/optional", 200, {"a": None, "failed": True, "code": "unavailable"}),
    ("/group", 200, {"a": 1, "b": 2}),
    ("/call", 200, 42),
    ("/recurse", 500, None),
    ("/error?n=0", 500, None),
    ("/inject?v=a%0d%0aSet-Cookie:%20x", 400, None),
    ("/html?v=%3Cscript%3E%26", 200, "<p>&lt;script&gt;&amp;</p>"),
    ("/only-tasks", 204, None),
    ("/timeout", 504, None),
])
def test_flows(leat, path, status, want):
    got = leat(FLOWS).get(path)
    assert got.status == status
    if want is not None:
        assert (got.text if isinstance(want, str) else got.json()) == want
    if status >= 400 and want is None:
        assert got.header("content-type") == "application/problem+json"
        assert "Set-Cookie" not in got.raw_head.decode()


def test_a_detached_task_goes_on_behind_the_reply(leat):
    arrived, answer = threading.Event(), threading.Event()

    def handle(exchange):
        arrived.set()
        answer.wait(PATIENCE)
        exchange.reply("x")

    with Backend(handle) as backend:
        daemon = leat(f"""
routes:
  GET /{{id}}:
    tasks:
      audit: {{ post: "http://127.0.0.1:{backend.port}/audit/${{path.id}}", json: "${{headers}}", detach: true }}
    reply: "now ${{path.id}}"
""")
        assert daemon.get("/7").text == "now 7"
        assert arrived.wait(PATIENCE)
        answer.set()
        assert backend.requests[0][1] == "/audit/7" and b'"host"' in backend.requests[0][3]


@pytest.mark.parametrize("method, option, cancelled", [
    ("GET", "", True), ("POST", "", False), ("GET", "on_disconnect: finish", False), ("POST", "on_disconnect: cancel", True),
])
def test_a_client_that_vanishes_cancels_or_not(leat, method, option, cancelled):
    with Backend(lambda exchange: exchange.hang()) as backend:
        daemon = leat(f"""
routes:
  {method} /:
    timeout: {"60s" if cancelled else "1s"}
    {option}
    tasks: {{ x: {{ get: "http://127.0.0.1:{backend.port}/x" }} }}
    reply: ok
""")
        client = daemon.connect()
        client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n")
        while not backend.requests:
            time.sleep(0.001)  # until the backend has it
        client.close()
        assert backend.closed.get(timeout=PATIENCE) == "/x"
        if cancelled:
            daemon.await_log("status=499")
        else:
            daemon.await_log("code=timeout")


def test_request_roots(leat):
    daemon = leat("""
routes:
  POST /{a}/{rest...}:
    reply:
      json:
        path: "${path}"
        query: "${query.x}"
        all: "${query_all.x}"
        header: "${headers.x_request_id}"
        exact: "${headers['x-request-id']}"
        cookie: "${cookies.session}"
        form: "${form}"
        method: "${request.method}"
        raw: "${request.path}"
        ip: "${client.ip}"
        none: "${query.none}"
""")
    got = daemon.request("POST", "/v%201/b/c%2Fd?x=1&x=%C3%A9&y", {
        "X-Request-Id": "r1", "Cookie": "a=b; session=s3", "Content-Type": "application/x-www-form-urlencoded"}, "k=v+w&e=")
    assert got.json() == {
        "path": {"a": "v 1", "rest": "b/c/d"}, "query": "1", "all": ["1", "é"], "header": "r1", "exact": "r1",
        "cookie": "s3", "form": {"k": "v w", "e": ""}, "method": "POST", "raw": "/v%201/b/c%2Fd", "ip": "127.0.0.1",
        "none": None}


def test_a_secret_is_used_and_never_shown(leat, tmp_path):
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "token").write_text("s3cr3t\n")
    with json_backend({}) as backend:
        daemon = leat(f"""
routes:
  GET /: {{ tasks: {{ x: {{ get: "http://127.0.0.1:{backend.port}/", headers: {{ Authorization: "Bearer ${{secret.token}}" }} }} }}, reply: ok }}
""", env={"CREDENTIALS_DIRECTORY": str(tmp_path / "creds")})
        assert daemon.get("/").status == 200
        assert backend.requests[0][2]["authorization"] == "Bearer s3cr3t"
        daemon.write('routes: { GET /: { reply: "${secret.token}" } }')
        refused = daemon.command("reload")
        assert refused.returncode == 1 and "secret" in refused.stderr and "s3cr3t" not in refused.stderr
        assert not any("s3cr3t" in line for line in daemon.log)
