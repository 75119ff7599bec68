"""tests/e2e/test_policies.py: where policies stand and which hold; `allow:` and `deny:`."""
import json

import pytest

from leat import by, check, cli

CONF = """
listen:
  - 127.0.0.1:0
  - { address: "127.0.0.2:0", deny: [127.0.0.0/8] }
  - { address: "unix:@DIR@/web.sock", allow: [unix] }
defaults:
  /in: { allow: [10.0.0.0/8] }
  /in/ner: { allow: [127.0.0.1] }
  /open: { deny: off }
routes:
  GET /hello: { reply: hello }
  GET /denied: { deny: [127.0.0.1], reply: no }
  GET /longer: { allow: [127.0.0.1], deny: [127.0.0.0/8], reply: yes }
  GET /equal: { allow: [127.0.0.0/8], deny: [127.0.0.0/8], reply: no }
  GET /neither: { allow: [10.0.0.1], deny: [11.0.0.0/8], reply: no }
  GET /six: { allow: ["::/0"], reply: no }
  GET /in/a: { reply: a }
  GET /in/off: { allow: off, reply: off }
  GET /in/ner/b: { reply: b }
  GET /inside: { reply: inside }
  GET /open/c: { reply: c }
  POST /in/echo: { reply: "${request.body}" }
  /{any...}: { reply: any }
"""


@pytest.fixture(scope="module")
def site(module_stage):
    return module_stage.leat(CONF)


def test_a_denied_client_gets_a_problem_of_403(site):
    answer = site.get("/denied")
    assert answer.status == 403
    assert answer.get("content-type") == "application/problem+json"
    assert answer.json()["code"] == "denied"
    assert len(answer.json()["request_id"]) == 20


def test_the_longest_network_decides_and_deny_where_both_are_as_long(site):
    assert site.get("/longer").text == "yes"
    assert site.get("/equal").status == 403


def test_an_allow_list_refuses_whoever_is_in_no_list(site):
    assert site.get("/neither").status == 403
    assert site.get("/six").status == 403


def test_the_longest_prefix_holds_by_whole_segments_and_a_route_switches_it_off(site):
    assert site.get("/in/a").status == 403
    assert site.get("/in/off").text == "off"
    assert site.get("/in/ner/b").text == "b"
    assert site.get("/inside").text == "inside"


def test_a_prefix_holds_for_what_a_pattern_with_parameters_serves_beneath_it(site):
    assert site.get("/other").text == "any"
    assert site.get("/in/x").status == 403
    assert site.get("/in/%6eer/x").text == "any"
    assert site.get("/x/../in/y").status == 403
    assert site.get("/in").status == 403


def test_a_listener_holds_for_all_of_its_routes_but_where_a_prefix_says_off(site):
    assert by(site, 0, "GET", "/hello").text == "hello"
    for _ in range(2):  # a head that is known on another listener, too
        assert by(site, 1, "GET", "/hello").status == 403
        assert by(site, 0, "GET", "/hello").text == "hello"
    assert by(site, 1, "GET", "/open/c").text == "c"
    assert by(site, 1, "GET", "/in/ner/b").text == "b"  # the prefix's network is the longer one


def test_a_listener_s_policies_hold_where_there_is_no_route_and_for_options_of_all(site):
    assert by(site, 1, "OPTIONS", "*").status == 403
    assert by(site, 1, "PUT", "/hello").status == 403
    assert by(site, 0, "OPTIONS", "*").status == 204
    assert by(site, 0, "PUT", "/denied").text == "any"


def test_a_unix_client_is_allowed_by_its_word_only(site):
    assert by(site, 2, "GET", "/hello").text == "hello"
    assert by(site, 2, "GET", "/in/a").status == 403


def test_the_body_of_a_refused_request_is_not_taken_for_the_next_one(site):
    with site.connect() as client:
        assert client.request("POST", "/in/echo", body="GET /hello HTTP/1.1\r\n\r\n").status == 403
        assert client.get("/hello").text == "hello"
        client.send("POST /in/echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert client.response().status == 403
        assert client.is_closed()


@pytest.mark.parametrize("routes, message", [
    ("GET /x: { allow: [10.0.0.1/8], reply: x }", 'has bits behind the length of its network; write 10.0.0.0/8'),
    ("GET /x: { deny: [localhost], reply: x }", '"localhost" is not an address or a network'),
    ("GET /x: { alow: [10.0.0.1], reply: x }", 'did you mean "allow"'),
])
def test_a_wrong_list_is_an_error_of_loading(routes, message):
    code, out = check(f"listen: 127.0.0.1:0\nroutes:\n  {routes}\n")
    assert code == 1 and message in out


def test_a_wrong_key_of_defaults_is_an_error_of_loading():
    code, out = check("listen: 127.0.0.1:0\ndefaults: { api: { allow: [unix] } }\nroutes: { /x: { reply: x } }\n")
    assert code == 1 and 'unknown key "api" in defaults' in out
    code, out = check('listen: 127.0.0.1:0\ndefaults: { "/a/{b}": { allow: [unix] } }\nroutes: { /x: { reply: x } }\n')
    assert code == 1 and "a prefix of defaults has no parameters" in out


# ------------------------------------------------------------------ what people see

def test_explain_says_where_each_policy_stands(leat):
    daemon = leat("""
listen:
  - { address: 127.0.0.1:0, deny: [10.0.0.0/8], headers: { set: { X-A: a } }, request_id: true }
defaults:
  /api: { headers: { set: { X-B: b } }, rate_limit: 10/s, request_id: off }
routes:
  GET /api/x: { reply: x, headers: { set: { X-C: c } }, rate_limit: 5/s }
  GET /y/{rest...}: { reply: y }
  GET /{any...}: { reply: any }
""")
    def explain(target):
        done = daemon.cli("explain", "GET", target)
        assert done.returncode == 0, done.err
        return [line.replace(daemon.path, "F") for line in done.out.splitlines() if line.startswith("policy")]
    assert explain("/api/x") == [
        "policy   request_id: defaults of /api: off",
        "policy   deny: listener 127.0.0.1:0 (F:7)",
        "policy   rate_limit: the route (F:11)",
        "policy   headers: the route (F:11), then defaults of /api (F:9)",
        "policy   headers: listener 127.0.0.1:0 (F:7)"]
    assert explain("/y/z") == [
        "policy   request_id: listener 127.0.0.1:0 (F:7)",
        "policy   deny: listener 127.0.0.1:0 (F:7)",
        "policy   headers: listener 127.0.0.1:0 (F:7)"]
    assert "policy   rate_limit: defaults of /api (F:9)" in explain("/api/z")


def test_refusals_are_counted_by_policy(leat):
    daemon = leat("routes:\n  GET /a: { deny: [127.0.0.1], reply: a }\n  GET /b: { rate_limit: 1/d, reply: b }\n"
                  "  GET /c: { redirect_https: true, reply: c }\n")
    for path in ("/a", "/a", "/b", "/b", "/b", "/b", "/c"):
        daemon.get(path)
    assert daemon.status()["refused"] == {"deny": 2, "redirect_https": 1, "rate_limit": 3}
    metrics = daemon.admin("GET", "/metrics").text
    assert 'leat_policy_refused_total{policy="deny"} 2\n' in metrics
    assert 'leat_policy_refused_total{policy="limit"} 0\n' in metrics
    assert "refused     deny 2, redirect_https 1, rate_limit 3\n" in daemon.cli("status").out


def test_the_schema_has_every_policy_in_each_place():
    properties = json.loads(cli("schema").out)["properties"]
    places = (properties["routes"]["additionalProperties"], properties["listen"]["items"],
              properties["defaults"]["patternProperties"]["^/"])
    for place in places:
        assert {"allow", "deny", "cors", "rate_limit", "limit", "headers", "redirect_https", "request_id"} <= set(place["properties"])
        assert "credentials" in place["properties"]["cors"]["properties"]
        assert all(row["description"] for row in place["properties"].values() if "$ref" not in row)


def test_combined_policies_hold_in_their_order(leat):
    """A preflight is answered before the rate is counted; who is denied takes no token; refusals can be read by the page."""
    daemon = leat("""
listen: { address: 127.0.0.1:0, headers: { set: { X-Frame-Options: DENY } }, request_id: true }
defaults:
  /api: { cors: { origins: ["https://a.test"] }, rate_limit: 2/d, limit: 1 }
routes:
  GET /api/x: { reply: x }
  GET /api/no: { reply: no, deny: [127.0.0.1] }
""")
    origin = {"Origin": "https://a.test"}
    for _ in range(5):
        answer = daemon.request("OPTIONS", "/api/x", headers={**origin, "Access-Control-Request-Method": "GET"})
        assert answer.status == 204
        assert daemon.get("/api/no", headers=origin).status == 403
    statuses = [daemon.get("/api/x", headers=origin) for _ in range(3)]
    assert [answer.status for answer in statuses] == [200, 200, 429]
    for answer in statuses:
        assert answer.get("access-control-allow-origin") == "https://a.test"
        assert answer.get("x-frame-options") == "DENY"
        assert answer.get("ratelimit-limit") == "2"
        assert len(answer.get("x-request-id")) == 20
    assert statuses[2].json()["request_id"] == statuses[2].get("x-request-id")
