"""tests/e2e/test_replies.py: what a reply can be, and what it cannot leak or be made to do."""
import json

import pytest

from leat import SLOW, check

CONF = r"""
secrets: { dir: "@DIR@/secrets" }
routes:
  GET /short: { reply: "a short one" }
  GET /text: { reply: { text: "Hi ${query.name ?? 'nobody'}" } }
  GET /json:
    reply:
      json: { text: "${query.x}", number: "${1 + 2}", whole: 7, list: [1, "${query.x}", null], yes: true, none: "${query.none}" }
  GET /html: { reply: { html: "<b>${query.x}</b>${raw('<i>')}" } }
  GET /body: { reply: { headers: { Content-Type: text/csv }, body: "a,${query.x}" } }
  GET /plain-body: { reply: { body: "bytes" } }
  GET /status: { reply: { status: "${number(query.s)}", text: teapot } }
  GET /fixed-status: { reply: { status: 418, json: { tea: true } } }
  GET /empty: { reply: { status: 204 } }
  GET /no-body: { reply: { status: 200 } }
  GET /headers: { reply: { headers: { X-A: "${query.x}", Cache-Control: no-store }, text: x } }
  POST /json-header: { reply: { headers: { X-A: "${body.x}" }, text: x } }
  GET /moved: { redirect: /short }
  GET /gone-to/{id}: { redirect: { to: "/user/${path.id}?x=${query.x}", status: 308 } }
  GET /divide: { reply: "${1 / number(query.d)}" }
  GET /type: { reply: "${query.x + 1}" }
  GET /deep: { reply: "${query.x.y}" }
  POST /pass: { reply: { json: "${body}" } }
  GET /roots:
    reply:
      json: { path: "${request.path}", query: "${request.query_string}", method: "${request.method}", host: "${request.host}",
              version: "${request.version}", scheme: "${request.scheme}", all: "${query_all.x}", q: "${query}", agent: "${headers.user_agent}",
              two: "${headers['x-two']}", cookie: "${cookies.session}", cookies: "${cookies}", missing: "${headers.nope}" }
  GET /hash: { reply: "${sha256(secret.token)}" }
  GET /env: { reply: "${env.LEAT_TEST_GREETING}" }
  GET /uuid: { reply: "${uuid4()} ${request.id}" }
"""


@pytest.fixture(scope="module")
def daemon(module_stage):
    from leat import Daemon
    daemon = Daemon(CONF, start=False, env={"LEAT_TEST_GREETING": "good day"})
    daemon.write("secrets/token", "hunter2")
    module_stage.daemons.append(daemon)
    daemon.start()
    return daemon


def test_the_shorthand_is_text(daemon):
    answer = daemon.get("/short")
    assert answer.text == "a short one" and answer.get("content-type") == "text/plain; charset=utf-8"


def test_text_with_expressions(daemon):
    assert daemon.get("/text?name=Ada").text == "Hi Ada"
    assert daemon.get("/text").text == "Hi nobody"


def test_json_keeps_types_and_escapes_text(daemon):
    answer = daemon.get("/json?x=%22%3C%0A%5C%C3%A9")
    assert answer.get("content-type") == "application/json"
    assert answer.json() == {"text": '"<\n\\é', "number": 3, "whole": 7, "list": [1, '"<\n\\é', None], "yes": True,
                             "none": None}


def test_html_is_escaped_unless_raw_says_so(daemon):
    answer = daemon.get("/html?x=%3Cscript%3E%26%22%27")
    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert "<script>" not in answer.text and answer.text.startswith("<b>&lt;script&gt;&amp;&quot;&#")
    assert answer.text.endswith("<i>")


def test_a_body_has_the_type_that_its_headers_say(daemon):
    answer = daemon.get("/body?x=1")
    assert answer.text == "a,1" and answer.get("content-type") == "text/csv"
    assert daemon.get("/plain-body").get("content-type") == "application/octet-stream"


def test_the_status_may_be_an_expression(daemon):
    assert daemon.get("/status?s=404").status == 404
    assert daemon.get("/fixed-status").status == 418
    for wrong in ("100", "700", "0", "-200"):
        answer = daemon.get(f"/status?s={wrong}")
        assert answer.status == 500 and answer.json()["code"] == "expr_error"


def test_204_has_no_body_and_no_length(daemon):
    answer = daemon.get("/empty")
    assert answer.status == 204 and answer.get("content-length") is None and answer.get("content-type") is None
    assert daemon.get("/no-body").get("content-length") == "0"


def test_headers_are_set(daemon):
    answer = daemon.get("/headers?x=value%20with%20space")
    assert answer.get("x-a") == "value with space" and answer.get("cache-control") == "no-store"


@pytest.mark.parametrize("value", ["a%0D%0ASet-Cookie:%20x=1", "a%0Ab", "a%0Db", "a%0D%0A%0D%0AHTTP/1.1%20200"])
def test_no_value_can_end_a_header_line(daemon, value):
    answer = daemon.get(f"/headers?x={value}")
    assert answer.status in (400, 500)
    assert answer.get("set-cookie") is None and answer.get("x-a") is None


def test_a_nul_from_json_does_not_get_into_a_header(daemon):
    answer = daemon.post("/json-header", body='{"x":"a\\u0000b"}', headers={"Content-Type": "application/json"})
    assert answer.status in (400, 500) and answer.get("x-a") is None


def test_redirects(daemon):
    answer = daemon.get("/moved")
    assert answer.status == 302 and answer.get("location") == "/short" and answer.body == b""
    answer = daemon.get("/gone-to/7?x=1")
    assert answer.status == 308 and answer.get("location") == "/user/7?x=1"


def test_no_value_can_end_the_line_of_a_redirect(daemon):
    answer = daemon.get("/gone-to/7?x=%0D%0ASet-Cookie:%20a")
    assert answer.status in (400, 500) and answer.get("set-cookie") is None


@pytest.mark.parametrize("target", ["/divide?d=0", "/type?x=a", "/deep?x=a", "/status?s=x"])
def test_an_expression_that_fails_is_500_and_a_problem_without_internals(daemon, target):
    answer = daemon.get(target)
    assert answer.status == 500 and answer.get("content-type") == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "expr_error" and problem["status"] == 500 and problem["title"] == "Internal Server Error"
    assert problem["request_id"]
    assert set(problem) <= {"status", "title", "code", "task", "request_id"}
    daemon.await_line(rf"request failed .*expr_error.* id={problem['request_id']}")


@pytest.mark.parametrize("text", ['{"big":12345678901234567890123,"exact":19.99,"a":[ ]}', "[1,2.50,1e3]", '"x"', "null"])
def test_json_that_is_passed_on_keeps_its_bytes(daemon, text):
    answer = daemon.post("/pass", body=text, headers={"Content-Type": "application/json"})
    assert answer.text == text


def test_the_roots_of_a_request(daemon):
    answer = daemon.get("/roots?x=1&x=2&y=%20z", headers={"User-Agent": "tests", "X-Two": "second",
                                                          "Cookie": "session=abc; theme=dark"})
    assert answer.json() == {
        "path": "/roots", "query": "x=1&x=2&y=%20z", "method": "GET", "host": "leat.test", "version": "1.1",
        "scheme": "http", "all": ["1", "2"], "q": {"x": "1", "y": " z"}, "agent": "tests", "two": "second",
        "cookie": "abc", "cookies": {"session": "abc", "theme": "dark"}, "missing": None}


def test_the_environment_is_read_at_load(daemon):
    assert daemon.get("/env").text == "good day"


def test_a_uuid_and_the_id_are_new_each_time(daemon):
    seen = {part for _ in range(50) for part in daemon.get("/uuid").text.split()}
    assert len(seen) == 100


def test_a_hash_of_a_secret_may_be_shown(daemon):
    assert daemon.get("/hash").text == "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7"


@pytest.mark.parametrize("route", [
    "reply: \"${secret.token}\"",
    "reply: { json: { a: \"${secret.token}\" } }",
    "reply: { headers: { X-A: \"${upper(secret.token)}\" }, text: x }",
    "redirect: \"/?${secret.token}\"",
    "tasks: { t: { value: \"${secret.token}\" } }",
    "tasks: { t: { log: \"${secret.token}\" } }",
    "tasks: { t: { fail: x, detail: \"${secret.token}\" } }",
])
def test_a_secret_in_a_reply_or_a_log_is_a_load_error(route):
    code, text = check(f"routes:\n  GET /: {{ {route} }}\nsecrets: {{ dir: . }}\n", files={"token": "hunter2"})
    assert code == 1 and "secret" in text and "hunter2" not in text


def test_a_secret_reaches_the_upstream_and_nobody_else(leat, backend):
    from backends import answering
    from leat import Daemon
    upstream = backend(answering({"ok": True}))
    conf = ("secrets: { dir: \"@DIR@/s\" }\nhttp: { u: { url: @url@ } }\nroutes:\n  GET /:\n    tasks:\n"
            "      t: { get: \"u:/\", headers: { Authorization: \"Bearer ${secret.token}\" } }\n    reply: { json: \"${t.body}\" }\n")
    daemon = Daemon(conf, start=False, url=upstream.url)
    try:
        daemon.write("s/token", "hunter2\n")
        daemon.start()
        assert daemon.get("/").json() == {"ok": True}
        assert upstream.calls[0].headers["authorization"] == "Bearer hunter2"
        assert "hunter2" not in daemon.stderr + "".join(daemon.access_lines(1)) + json.dumps(daemon.status())
    finally:
        daemon.stop()


NAMES = """
routes:
  POST /form: { body: { type: form, max: 2m }, reply: { json: ["${form}", "${form_all}"] } }
  GET /cookies: { reply: { json: "${cookies}" } }
  GET /query: { reply: { json: ["${query}", "${query_all}"] } }
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_names_that_come_again_are_in_their_order(leat):
    daemon = leat(NAMES)
    first, lists = daemon.get("/query?a=1&b=2&a=3&%61=4&c&b=&bad=%zz").json()
    assert first == {"a": "1", "b": "2", "c": ""}
    assert lists == {"a": ["1", "3", "4"], "b": ["2", ""], "c": [""]}
    pairs = [(f"n{i % 300}", str(i)) for i in range(900)]
    first, lists = daemon.post("/form", "&".join(f"{n}={v}" for n, v in pairs), headers=FORM).json()
    assert list(first) == list(lists) == [f"n{i}" for i in range(300)]
    assert first == {f"n{i}": str(i) for i in range(300)}
    assert lists == {f"n{i}": [str(i), str(i + 300), str(i + 600)] for i in range(300)}


def test_many_names_cost_no_more_each_than_few(leat):
    daemon = leat(NAMES + "limits: { head: 64k, memory: 64m }\n")
    cookies = "; ".join(f"{i:x}=" for i in range(9000))
    form = "&".join(f"{i:x}=" + "v" * 1000 for i in range(1000))
    before = daemon.cpu_seconds()
    for _ in range(5):
        assert len(daemon.get("/cookies", headers={"Cookie": cookies}).json()) == 9000
        assert len(daemon.post("/form", form, headers=FORM).json()[1]) == 1000
    assert daemon.cpu_seconds() - before < 0.5 * SLOW
