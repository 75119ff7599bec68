"""tests/e2e/test_policy_cors.py: `cors:`, by the Fetch standard."""
import pytest

from leat import by, check

CONF = """
listen:
  - 127.0.0.1:0
  - { address: 127.0.0.2:0, cors: { origins: ["*"], expose: [X-L] } }
  - { address: 127.0.0.3:0, deny: [127.0.0.0/8], cors: { origins: ["*"] } }
defaults:
  /api: { cors: { origins: ["https://app.example.org", "https://*.example.net", "http://localhost:3000", "null"],
                  credentials: true, expose: [X-Total, X-Page], max_age: 10m } }
routes:
  GET /plain: { reply: plain }
  GET /api/x: { reply: x }
  POST /api/x: { reply: "${request.body}" }
  DELETE /api/x: { cors: off, reply: gone }
  PUT /api/x: { cors: { origins: ["*"], methods: [PUT, PATCH], headers: [X-One, X-Two] }, reply: put }
  GET /api/options: { reply: x }
  OPTIONS /api/options: { reply: mine, cors: off }
  GET /api/vary: { reply: x, headers: { add: { Vary: Accept-Language } } }
"""
APP = "https://app.example.org"


@pytest.fixture(scope="module")
def site(module_stage):
    return module_stage.leat(CONF)


def preflight(site, target, method, origin=APP, number=0, **more):
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    headers.update({name.replace("_", "-"): value for name, value in more.items()})
    return by(site, number, "OPTIONS", target, headers=headers)


def test_an_answer_says_which_origin_may_read_it(site):
    answer = site.get("/api/x", headers={"Origin": APP})
    assert answer.get("access-control-allow-origin") == APP
    assert answer.get("access-control-allow-credentials") == "true"
    assert answer.get("access-control-expose-headers") == "X-Total, X-Page"
    assert answer.get("vary") == "Origin"


def test_an_answer_that_depends_on_the_origin_says_so_to_everybody(site):
    for headers in ({}, {"Origin": "https://evil.test"}):
        answer = site.get("/api/x", headers=headers)
        assert (answer.status, answer.text, answer.get("vary")) == (200, "x", "Origin")
        assert answer.get("access-control-allow-origin") is None
        assert answer.get("access-control-allow-credentials") is None
    assert site.get("/api/vary").all("vary") == ["Origin", "Accept-Language"]


def test_for_everybody_the_answer_is_the_same(site):
    for headers in ({}, {"Origin": "https://any.test"}):
        answer = by(site, 1, "GET", "/plain", headers=headers)
        assert answer.get("access-control-allow-origin") == "*"
        assert answer.get("vary") is None
        assert answer.get("access-control-expose-headers") == "X-L"
        assert answer.get("access-control-allow-credentials") is None


@pytest.mark.parametrize("origin, allowed", [
    ("https://a.example.net", True),
    ("https://a.b.example.net", True),
    ("http://localhost:3000", True),
    ("null", True),
    ("https://example.net", False),
    ("https://.example.net", False),
    ("http://a.example.net", False),
    ("https://a.example.net:8443", False),
    ("https://evilexample.net", False),
    ("https://evil.test/.example.net", False),
    ("https://evil.test#.example.net", False),
    ("https://evil.test?.example.net", False),
    ("https://user@a.example.net", False),
    ("https://evil.test:80.example.net", False),
    ("https://app.example.org.evil.test", False),
    ("https://app.example.org:443", False),
    ("HTTPS://APP.EXAMPLE.ORG", False),
    ("http://localhost:30000", False),
    ("https://app.example.org https://evil.test", False),
    ("", False),
])
def test_an_origin_is_compared_whole(site, origin, allowed):
    answer = site.get("/api/x", headers={"Origin": origin})
    assert (answer.get("access-control-allow-origin") == origin) == allowed
    assert preflight(site, "/api/x", "GET", origin=origin).status == (204 if allowed else 403)


def test_two_origins_are_none(site):
    answer = site.raw(f"GET /api/x HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\nOrigin: {APP}\r\n\r\n")
    assert answer.get("access-control-allow-origin") is None


def test_a_preflight_is_answered_though_no_route_is_for_options(site):
    answer = preflight(site, "/api/x", "POST", Access_Control_Request_Headers="content-type, x-a")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.get("access-control-allow-origin") == APP
    assert answer.get("access-control-allow-credentials") == "true"
    assert answer.get("access-control-allow-methods") == "POST"
    assert answer.get("access-control-allow-headers") == "content-type, x-a"
    assert answer.get("access-control-max-age") == "600"
    assert "Origin" in answer.all("vary")
    assert answer.get("access-control-expose-headers") is None


def test_a_preflight_is_for_the_route_of_the_method_that_it_asks_about(site):
    answer = preflight(site, "/api/x", "PUT", origin="https://any.test", Access_Control_Request_Headers="x-three")
    assert answer.status == 204
    assert answer.get("access-control-allow-origin") == "*"
    assert answer.get("access-control-allow-methods") == "PUT, PATCH"
    assert answer.get("access-control-allow-headers") == "X-One, X-Two"
    answer = preflight(site, "/api/x", "DELETE")
    assert (answer.status, answer.get("access-control-allow-methods")) == (204, None)
    assert answer.get("allow") is not None


def test_a_preflight_of_an_origin_that_is_not_allowed_is_refused(site):
    answer = preflight(site, "/api/x", "GET", origin="https://evil.test")
    assert (answer.status, answer.json()["detail"]) == (403, "the origin is not allowed")
    assert answer.get("access-control-allow-origin") is None


def test_options_without_an_origin_or_a_method_go_on_as_before(site):
    answer = site.request("OPTIONS", "/api/x")
    assert (answer.status, answer.get("allow")) == (204, "GET, HEAD, POST, PUT, DELETE, OPTIONS")
    answer = by(site, 0, "OPTIONS", "/api/x", headers={"Origin": APP})
    assert (answer.status, answer.get("allow") is None) == (204, False)
    assert site.request("OPTIONS", "/api/options").text == "mine"
    assert by(site, 0, "OPTIONS", "/api/options", headers={"Origin": APP}).text == "mine"
    assert preflight(site, "/api/options", "GET").status == 204
    assert preflight(site, "/api/options", "POST").text == "mine"


def test_a_preflight_passes_allow_and_deny_first(site):
    assert preflight(site, "/plain", "GET", number=2).status == 403
    assert preflight(site, "/plain", "GET", number=1).status == 204


def test_header_names_that_are_none_are_not_sent_back(site):
    answer = preflight(site, "/api/x", "GET", Access_Control_Request_Headers="a, b c")
    assert (answer.status, answer.get("access-control-allow-headers")) == (204, None)


def test_a_refusal_can_be_read_by_the_page(site):
    answer = site.get("/api/none", headers={"Origin": APP})
    assert (answer.status, answer.get("access-control-allow-origin")) == (404, APP)


@pytest.mark.parametrize("cors, message", [
    ('{ origins: ["*"], credentials: true }', "would let every page act as its reader; name the origins"),
    ('{ origins: ["https://a.test"], credentials: true, headers: ["*"] }', 'with credentials "*" means nothing'),
    ('{ origins: ["a.test"] }', "is not an origin as browsers send it"),
    ('{ origins: ["https://a.test/"] }', "is not an origin as browsers send it"),
    ('{ origins: ["https://a.test:443"] }', "is not an origin as browsers send it"),
    ('{ origins: ["https://a.*.test"] }', "is not an origin as browsers send it"),
    ('{ methods: [GET] }', 'cors needs the key "origins"'),
    ('{ origins: ["*"], expose: ["a b"] }', "not a name"),
    ('true', "cors is a map of keys"),
])
def test_a_wrong_one_is_an_error_of_loading(cors, message):
    code, out = check(f"listen: 127.0.0.1:0\nroutes:\n  GET /x: {{ reply: x, cors: {cors} }}\n")
    assert code == 1 and message in out, out
