"""tests/e2e/test_redirects.py: `follow`: answers that say to ask elsewhere (RFC 9110 §15.4)."""
import pytest

from backends import answering, hanging, send_head
from certs import Certs
from leat import check

TASK = "GET /x: { tasks: { t: { get: \"u:/a/b?c\", follow: 5 } }, reply: { json: \"${t.body}\" } }"


def conf(upstream="url: @url@", routes=TASK):
    return f"http: {{ u: {{ {upstream} }} }}\nroutes:\n  {routes}\n"


def redirecting(where, status=302, **more):
    """A handler: a redirect to what `where` (a dict by target) says, else the answer is the target."""
    def handler(call):
        to = where.get(call.target)
        if to is None:
            call.json(call.target)
        else:
            call.reply("elsewhere", status=status, content_type="text/plain", headers={"Location": to, **more})
    return handler


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_its_host_is_followed(leat, backend, status):
    u = backend(redirecting({"/a/b?c": "/here"}, status))
    daemon = leat(conf(), url=u.url)
    assert daemon.get("/x").json() == "/here"
    assert [call.target for call in u.calls] == ["/a/b?c", "/here"] and u.n_connections == 1


@pytest.mark.parametrize("location, target", [
    ("d", "/base/a/d"), ("../d?e=f#g", "/base/d?e=f"), ("/d", "/d"), ("?q", "/base/a/b?q"), ("#top", None), ("./", "/base/a/"),
    ("//@u@/d", "/d"), ("http://@u@/d#f", "/d"), ("HTTP://@u@", "/"), ("http://@u@?x", "/?x"), ("d%20e f", "/base/a/d%20e%20f"),
    ("/../../d", "/d"),
])
def test_where_to_is_read_by_where_from(leat, backend, location, target):
    where = {}
    u = backend(redirecting(where))
    where["/base/a/b?c"] = location.replace("@u@", u.address)
    daemon = leat(conf(), url=u.url + "/base")
    answer = daemon.get("/x")
    if target:
        assert answer.json() == target
    else:  # a fragment alone is the same again
        assert answer.status == 502 and len(u.calls) == 1


@pytest.mark.parametrize("method, status, becomes", [
    ("post", 301, "GET"), ("post", 302, "GET"), ("post", 303, "GET"), ("post", 307, "POST"), ("post", 308, "POST"),
    ("put", 301, "PUT"), ("put", 303, "GET"), ("delete", 302, "DELETE"), ("patch", 307, "PATCH"), ("get", 303, "GET"), ("head", 303, "HEAD"),
])
def test_the_method_and_the_body_are_kept_or_not(leat, backend, method, status, becomes):
    u = backend(redirecting({"/a": "/b"}, status))
    body = "" if method in ("get", "head") else ", json: { a: 1 }"
    daemon = leat(conf(routes=f"GET /x: {{ tasks: {{ t: {{ {method}: \"u:/a\"{body}, follow: 1 }} }}, reply: \"${{t.status}}\" }}"), url=u.url)
    assert daemon.get("/x").text == "200"
    second = u.calls[1]
    assert second.method == becomes
    if becomes == "GET":
        assert second.body == b"" and "content-type" not in second.headers and "content-length" not in second.headers
    elif body:
        assert second.body == b'{"a":1}' and second.headers["content-type"] == "application/json"


def test_what_is_no_redirect_is_an_answer(leat, backend):
    statuses = [300, 304, 305, 200, 302]

    def handler(call):
        status = statuses[len(call.backend.calls) - 1]
        send_head(call, "Content-Length: 0", *([] if status == 302 else ["Location: /b"]), status=status)
    u = backend(handler)
    daemon = leat(conf(routes="GET /x: { tasks: { t: { get: \"u:/a\", follow: 5 } }, reply: \"${t.status}\" }"), url=u.url)
    assert [int(daemon.get("/x").text) for _ in statuses] == statuses
    assert {call.target for call in u.calls} == {"/a"}


def test_nothing_is_followed_unless_it_is_asked_for(leat, backend):
    u = backend(redirecting({"/a": "/b"}))
    route = "GET /{n}: { tasks: { t: { get: \"u:/a\"%s } }, reply: \"${t.status}\" }"
    assert leat(conf(routes=route % ""), url=u.url).get("/x").text == "302"
    assert leat(conf("url: @url@, follow: 1", routes=route % ", follow: 0"), url=u.url).get("/x").text == "302"
    assert leat(conf("url: @url@, follow: 1", routes=route % ""), url=u.url).get("/x").text == "200"
    assert [call.target for call in u.calls] == ["/a"] * 3 + ["/b"]


def test_proxy_passes_redirects_on(leat, backend):
    u = backend(redirecting({"/x": "/b"}))
    daemon = leat(conf("url: @url@, follow: 5", routes="GET /{rest...}: { proxy: u }"), url=u.url)
    answer = daemon.get("/x")
    assert answer.status == 302 and answer.get("location") == "/b" and len(u.calls) == 1


def test_too_many_redirects_are_an_error(leat, backend):
    u = backend(lambda call: call.reply("", status=302, headers={"Location": f"/{len(call.backend.calls)}"}))
    daemon = leat(conf(routes="GET /x: { tasks: { t: { get: \"u:/a\", follow: 3 } }, reply: ok }"), url=u.url)
    answer = daemon.get("/x")
    assert (answer.status, answer.json()["code"]) == (502, "bad_response") and len(u.calls) == 4
    daemon.await_line(r"redirected too often")


def test_a_circle_is_an_error_at_once(leat, backend):
    u = backend(redirecting({"/a/b?c": "/d", "/d": "/e", "/e": "/a/b?c"}))
    daemon = leat(conf(), url=u.url)
    answer = daemon.get("/x")
    assert (answer.status, answer.json()["code"]) == (502, "bad_response") and len(u.calls) == 3
    daemon.await_line(r"in a circle")


@pytest.mark.parametrize("location", ["ftp://a/", "http://user@127.0.0.1/", "javascript:alert(1)", "http://", "http://a\\b/", "/a\x01b", "file:///etc/passwd"])
def test_what_cannot_be_followed_is_an_error(leat, backend, location):
    def handler(call):
        call.send(b"HTTP/1.1 302 Found\r\nLocation: " + location.encode() + b"\r\nContent-Length: 0\r\n\r\n")
    u = backend(handler)
    daemon = leat(conf(), url=u.url)
    answer = daemon.get("/x")
    assert (answer.status, answer.json()["code"]) == (502, "bad_response") and len(u.calls) == 1


@pytest.fixture(scope="module")
def certs():
    made = Certs()
    made.make("ca")
    made.make("a", "DNS:localhost", "IP:127.0.0.1", issuer="ca")
    yield made
    made.close()


SECRETS = """GET /x: { tasks: { t: { get: "u:/a", follow: %s, headers: { Authorization: "Basic abc", Cookie: "a=b", Proxy-Authorization: "Basic p",
      X-Key: "k ${secret.key}", X-Plain: plain } } }, reply: { json: "${t.body}" } }"""
CREDENTIALS = {"authorization": "Basic abc", "cookie": "a=b", "proxy-authorization": "Basic p", "x-key": "k hidden"}


def told(call):
    return {name: call.headers[name] for name in (*CREDENTIALS, "x-plain") if name in call.headers}


@pytest.fixture
def secretive(leat, tmp_path):
    """A leat whose task tells who it is."""
    def start(follow, url):
        (tmp_path / "key").write_text("hidden")
        return leat(conf(routes=SECRETS % follow), url=url, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    return start


def test_another_host_is_not_asked_unless_it_is_listed(secretive, backend):
    other = backend(answering("other"))
    u = backend(redirecting({"/a": other.url + "/o"}))
    daemon = secretive(5, u.url)
    answer = daemon.get("/x")  # the same address, but another port
    assert (answer.status, answer.json()["code"]) == (502, "bad_response") and not other.calls
    daemon.await_line(r"allow_hosts")


@pytest.mark.parametrize("listed", ["@o@", "127.0.0.1", "'*'"])
def test_what_tells_who_asks_stays_with_its_host(secretive, backend, listed):
    other = backend(redirecting({"/o": "/p"}))
    u = backend(redirecting({"/a": other.url + "/o"}))
    daemon = secretive("{ allow_hosts: [ %s ] }" % listed.replace("@o@", other.address), u.url)
    assert daemon.get("/x").json() == "/p"
    assert told(u.calls[0]) == {**CREDENTIALS, "x-plain": "plain"}
    assert [told(call) for call in other.calls] == [{"x-plain": "plain"}] * 2
    assert other.calls[0].headers["host"] == other.address and "x-request-id" in other.calls[0].headers


def test_within_its_host_it_goes_along(secretive, backend):
    u = backend(redirecting({"/a": "/b"}))
    daemon = secretive(5, u.url)
    assert daemon.get("/x").json() == "/b"
    assert told(u.calls[1]) == {**CREDENTIALS, "x-plain": "plain"}


def test_it_is_not_taken_up_again_on_the_way_back(secretive, backend):
    where = {}
    other = backend(redirecting(where))
    u = backend(redirecting({"/a": other.url + "/o"}))
    where["/o"] = u.url + "/back"
    daemon = secretive("{ allow_hosts: [ 127.0.0.1 ] }", u.url)
    assert daemon.get("/x").json() == "/back"
    assert told(u.calls[1]) == {"x-plain": "plain"} and daemon.upstream("u")["calls"] == 2  # by its own upstream


def test_an_absolute_url_may_lead_to_its_hosts(leat, backend):
    other = backend(answering("other"))
    u = backend(redirecting({"/a": other.url + "/o"}))
    routes = """GET /x: { tasks: { t: { get: "http://${query.h}/a", hosts: [ "@u@", "@o@" ], follow: 1 } }, reply: { json: "${t.body}" } }
  GET /y: { tasks: { t: { get: "http://@u@/a", follow: 1 } }, reply: { json: "${t.body}" } }"""
    daemon = leat(conf(routes=routes), url=u.url, u=u.address, o=other.address)
    assert daemon.get(f"/x?h={u.address}").json() == "other"
    assert daemon.get("/y").status == 502 and len(other.calls) == 1


def test_https_does_not_lead_to_http_unless_that_is_allowed(leat, backend, certs):
    plain = backend(answering("plain"))
    listen = f"{{ address: 127.0.0.1:0, tls: {{ cert: {certs.path('a.pem')}, key: {certs.path('a.key')} }} }}"
    u = leat(f"listen: [ {listen} ]\nroutes: {{ GET /a: {{ redirect: \"{plain.url}/o\" }} }}")
    route = """GET /%d: { tasks: { t: { get: "u:/a", follow: { allow_hosts: [ 127.0.0.1 ]%s } } }, reply: { json: "${t.body}" } }"""
    daemon = leat(conf("url: @url@, tls: { ca: @ca@ }", routes=route % (1, "") + "\n  " + route % (2, ", allow_http: true")),
                  url=f"https://127.0.0.1:{u.port}", ca=certs.path("ca.pem"))
    assert daemon.get("/1").status == 502 and not plain.calls
    daemon.await_line(r"allow_http")
    assert daemon.get("/2").json() == "plain"


def test_a_body_that_is_passed_on_is_the_last_one(leat, backend):
    u = backend(redirecting({"/a": "/b"}))
    daemon = leat(conf(routes="GET /x: { tasks: { t: { get: \"u:/a\", stream: true, follow: 1 } }, reply: { body: \"${t.body}\" } }"), url=u.url)
    answer = daemon.get("/x")
    assert answer.status == 200 and answer.body == b'"/b"'


def test_a_client_that_leaves_ends_what_was_redirected(leat, backend):
    u = backend(lambda call: hanging(call) if call.target == "/b" else redirecting({"/a/b?c": "/b"})(call))
    daemon = leat(conf(), url=u.url)
    client = daemon.connect()
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    u.await_calls(2)
    client.reset()
    u.await_left()


def test_the_deadline_of_the_task_is_that_of_all_of_it(leat, backend):
    u = backend(lambda call: hanging(call) if call.target == "/b" else redirecting({"/a": "/b"})(call))
    daemon = leat(conf(routes="GET /x: { tasks: { t: { get: \"u:/a\", follow: 1, timeout: 300ms } }, reply: ok }"), url=u.url)
    assert daemon.get("/x").status == 504


@pytest.mark.parametrize("follow, message", [
    ("-1", "0"), ("21", "20"), ("yes", "number"), ("{ max: 0 }", "1"), ("{ allow_hosts: [ 'http://a' ] }", "host:port"),
    ("{ allow_host: a }", "allow_hosts"), ("{ allow_hosts: [ 'a.*' ] }", "not a host"),
])
def test_what_is_wrong_is_said(follow, message):
    code, out = check(conf(f"url: \"http://a\", follow: {follow}", routes="GET /x: ok"))
    assert code == 1 and message in out and "leat.yaml:1:" in out
    code, out = check(f"routes: {{ GET /x: {{ tasks: {{ t: {{ get: \"http://a/\", follow: {follow} }} }}, reply: ok }} }}")
    assert code == 1 and message in out
