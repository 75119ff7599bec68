"""tests/e2e/test_policy_headers.py: `headers:`, `request_id:` and `redirect_https:`."""
import re

import pytest

from leat import await_true, by, check

CONF = """
listen:
  - 127.0.0.1:0
  - address: 127.0.0.2:0
    headers: { set: { X-Place: listener, X-Who: "${client.ip} ${request.method}", X-Listener: l } }
    request_id: true
  - { address: 127.0.0.3:0, redirect_https: true }
  - { address: 127.0.0.4:0, redirect_https: { port: 8443, status: 301 } }
defaults:
  /api: { headers: { set: { X-Place: prefix, X-Prefix: p, Cache-Control: no-store }, add: { X-Many: one } } }
routes:
  GET /plain: { reply: plain }
  GET /api/x: { reply: x, headers: { set: { X-Place: route, Content-Type: text/x }, remove: [X-Prefix], add: { X-Many: two } } }
  GET /api/off: { reply: x, headers: off }
  GET /api/made/{name}: { reply: "${path.name}", headers: { set: { X-Name: "${path.name}", X-Query: "${query.q ?? 'none'}" } } }
  POST /api/json: { body: { type: json, max: 20 }, reply: { json: "${body}" } }
  POST /api/constant: { body: { max: 20 }, reply: constant }
  GET /api/fails: { tasks: { a: { fail: not_found } } }
  GET /api/denied: { deny: [127.0.0.0/8], reply: x }
  GET /type: { reply: { status: 204 }, headers: { remove: [Content-Type], set: { Content-Type: text/x } } }
  GET /id: { reply: "${request.id}", request_id: { header: X-Trace } }
  GET /quiet: { reply: "${request.id}", request_id: { respond: false } }
  GET /trusts: { reply: "${request.id}", request_id: { trust: true } }
  GET /secure: { redirect_https: off, reply: here }
"""


@pytest.fixture(scope="module")
def site(module_stage):
    return module_stage.leat(CONF)


def places(answer):
    return answer.get("x-place"), answer.get("x-prefix"), answer.all("x-many")


def test_the_places_merge_by_name_and_the_inner_one_wins(site):
    for _ in range(2):  # a constant reply: the second time its head is known
        answer = site.get("/api/x")
        assert places(answer) == ("route", None, ["one", "two"])
        assert (answer.get("content-type"), answer.get("cache-control"), answer.text) == ("text/x", "no-store", "x")
    answer = by(site, 1, "GET", "/api/x")
    assert places(answer) == ("route", None, ["one", "two"])
    assert (answer.get("x-listener"), answer.get("x-who")) == ("l", "127.0.0.1 GET")


def test_off_cuts_off_what_the_outer_places_say(site):
    for number in (0, 1):
        answer = by(site, number, "GET", "/api/off")
        assert places(answer) == (None, None, []) and answer.get("x-listener") is None


def test_values_may_be_of_the_request(site):
    answer = site.get("/api/made/Ada?q=1")
    assert (answer.get("x-name"), answer.get("x-query"), answer.get("x-place")) == ("Ada", "1", "prefix")


def test_a_value_with_a_line_break_is_refused_and_breaks_no_line(site):
    for target in ("/api/made/Ada?q=a%0d%0aX-Evil:%20b", "/api/made/A%0Ab", "/api/made/x?q=%01a", "/api/made/x?q=%7f"):
        answer = site.get(target)
        assert answer.status == 400, target
        assert (answer.get("x-evil"), answer.get("x-place")) == (None, "prefix")


@pytest.mark.parametrize("method, target, body, headers, status", [
    ("GET", "/api/none", None, {}, 404),
    ("PUT", "/api/x", None, {}, 405),
    ("GET", "/api/fails", None, {}, 404),
    ("GET", "/api/denied", None, {}, 403),
    ("POST", "/api/json", "{}", {}, 415),
    ("POST", "/api/json", "{", {"Content-Type": "application/json"}, 400),
    ("POST", "/api/json", '{"a":"aaaaaaaaaaaaaaaaaaa"}', {"Content-Type": "application/json"}, 413),
    ("POST", "/api/json", None, {}, 411),
    ("POST", "/api/constant", "a" * 30, {}, 413),
    ("POST", "/api/constant", "a", {}, 200),
    ("OPTIONS", "/api/x", None, {}, 204),
    ("HEAD", "/api/x", None, {}, 200),
])
def test_answers_of_every_kind_have_them(site, method, target, body, headers, status):
    answer = site.request(method, target, body=body, headers=headers)
    assert answer.status == status
    assert answer.get("cache-control") == "no-store"
    answer = by(site, 1, method, target, body=body, headers=headers)
    assert (answer.status, answer.get("x-listener")) == (status, "l")


def test_a_listener_s_hold_where_there_is_no_route(site):
    answer = by(site, 1, "GET", "/none")
    assert (answer.status, answer.get("x-place")) == (404, "listener")
    assert site.get("/none").get("x-place") is None


def test_a_route_without_any_has_none(site):
    answer = site.get("/plain")
    assert [name for name, _ in answer.fields] == ["content-type", "content-length", "date"]


@pytest.mark.parametrize("headers, message", [
    ("{ set: { Content-Length: 5 } }", "Content-Length frames the message and is written by leat itself"),
    ("{ remove: [connection] }", "connection frames the message"),
    ("{ add: { Transfer-Encoding: chunked } }", "Transfer-Encoding frames the message"),
    ("{ set: { Date: now } }", "Date frames the message"),
    ("{ set: { \"X Y\": z } }", "is not the name of a header field"),
    ("{ set: { X: \"a\\r\\nb\" } }", "no line breaks or other control characters"),
    ("{ set: { X: \"${'a\\\\nb'}\" } }", "line breaks or other control characters"),
    ("{ set: { X: \"${secret.s}\" } }", "must not show a secret"),
    ("{ set: { X: \"${nothing.s}\" } }", "nothing"),
    ("{}", "headers set, add or remove from 1 to"),
    ("[a]", "headers is a map of keys"),
])
def test_a_wrong_one_is_an_error_of_loading(headers, message):
    code, out = check(f"listen: 127.0.0.1:0\nsecrets: {{ dir: . }}\nroutes:\n  GET /x: {{ reply: x, headers: {headers} }}\n",
                      files={"s": "secret"})
    assert code == 1 and message in out, out


# ------------------------------------------------------------------ request_id

def test_the_id_of_a_request_is_told_and_logged(site):
    answer = site.get("/id")
    assert answer.get("x-trace") == answer.text
    await_true(lambda: any(f"id={answer.text}" in line for line in site.access_lines()), what="the line")
    assert site.get("/quiet").get("x-request-id") is None
    answer = by(site, 1, "GET", "/plain")
    assert re.fullmatch("[0-9a-f]{20}", answer.get("x-request-id"))


def test_an_id_is_not_taken_from_just_anybody(site):
    for target in ("/id", "/trusts"):
        answer = site.get(target, headers={"X-Request-Id": "forged", "X-Trace": "forged"})
        assert answer.text != "forged"


# ------------------------------------------------------------------ redirect_https

def test_what_does_not_come_over_tls_is_sent_to_the_same_place_of_https(site):
    answer = by(site, 2, "GET", "/a%20b/c?d=e", host="www.example.org:8080")
    assert (answer.status, answer.get("location")) == (308, "https://www.example.org/a%20b/c?d=e")
    answer = by(site, 3, "POST", "/plain", body="x" * 100, host="[::1]:80")
    assert (answer.status, answer.get("location")) == (301, "https://[::1]:8443/plain")
    assert by(site, 2, "GET", "/secure").text == "here"


def test_an_absolute_target_is_sent_to_its_own_host(site):
    answer = by(site, 2, "GET", "http://other.test/x?y", host="www.example.org")
    assert answer.get("location") == "https://other.test/x?y"


def test_without_a_host_there_is_nowhere_to_go(site):
    with site.connect(site.addresses[2]) as client:
        assert client.send("GET / HTTP/1.0\r\n\r\n").response().status == 400


def test_a_status_that_redirects_in_another_way_is_an_error_of_loading():
    code, out = check("listen: 127.0.0.1:0\nroutes: { /x: { reply: x, redirect_https: { status: 303 } } }\n")
    assert code == 1 and "308 keeps the method" in out
    code, out = check("listen: 127.0.0.1:0\nroutes: { /x: { reply: x, redirect_https: yes } }\n")
    assert code == 1 and '"redirect_https" cannot be "yes"; write true, off' in out


def test_an_id_that_nobody_is_trusted_to_give_is_warned_of():
    routes = "routes: { GET /: { reply: x, request_id: { trust: true } } }\n"
    code, text = check(routes)
    assert code == 0 and "1:51: warning: no listener has trusted_proxies, so no id is ever taken" in text, text
    code, text = check("listen: [{ address: 127.0.0.1:0, trusted_proxies: [10.0.0.0/8] }]\n" + routes)
    assert code == 0 and "warning" not in text, text
