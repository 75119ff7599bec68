"""tests/e2e/test_via.py: upstreams that are reached by an HTTP proxy (`via`)."""
import base64
import json
import select
import socket

import pytest

from backends import Gone, Refusing, answering, closing, hanging, sending
from certs import Certs
from leat import await_true, check

ROUTES = """
routes:
  GET /x: { tasks: { t: { get: "u:/x?a=b" } }, reply: { json: "${t.body}" } }
  POST /x: { tasks: { t: { post: "u:/x", json: 1 } }, reply: { json: "${t.body}" } }
  GET /why: { tasks: { t: { get: "u:/x" } }, reply: x, on_error: { any: { status: 502, json: "${error.code}: ${error.detail}" } } }
"""


def conf(upstream, more=""):
    return f"http: {{ u: {{ {upstream} }} }}\n{more}{ROUTES}"


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def pump(one, other):
    """Both ways, until one side ends."""
    while True:
        for sock in select.select([one, other], [], [])[0]:
            data = sock.recv(65536)
            if not data:
                return
            (other if sock is one else one).sendall(data)


def connecting(login=None):
    """A proxy's handler: CONNECT to wherever is asked for."""
    def handler(call):
        assert call.method == "CONNECT" and call.headers["host"] == call.target
        if login and call.headers.get("proxy-authorization") != basic(login):
            call.reply("no", status=407, headers={"Proxy-Authenticate": "Basic"})
            return
        host, _, port = call.target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as origin:
            call.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pump(call.sock, origin)
        raise Gone
    return handler


@pytest.fixture(scope="module")
def certs():
    made = Certs()
    made.make("ca")
    made.make("a", "DNS:localhost", "IP:127.0.0.1", issuer="ca")
    made.make("b", "DNS:b.test", issuer="ca")
    yield made
    made.close()


@pytest.fixture
def origin(leat, certs):
    """A server with TLS that tells what it was asked."""
    def start(cert="a", name="origin"):
        listen = f"{{ address: 127.0.0.1:0, tls: {{ cert: {certs.path(cert + '.pem')}, key: {certs.path(cert + '.key')} }} }}"
        told = json.dumps({"name": name, "host": "${headers.host}", "login": "${headers.proxy_authorization}", "path": "${request.path}"})
        return leat(f"listen: [ {listen} ]\nroutes: {{ GET /x: {{ reply: {{ json: {told} }} }}, POST /x: {{ body: {{ max: 1k }}, reply: {{ json: posted }} }} }}")
    return start


def test_https_goes_through_a_tunnel_and_keeps_it(leat, backend, origin, certs):
    proxy, server = backend(connecting()), origin()
    daemon = leat(conf("url: \"https://localhost:@port@\", tls: { ca: @ca@ }, via: @via@"), port=server.port, ca=certs.path("ca.pem"), via=proxy.url)
    told = {"name": "origin", "host": f"localhost:{server.port}", "login": None, "path": "/x"}
    assert [daemon.get("/x").json() for _ in range(3)] == [told] * 3 and daemon.post("/x").json() == "posted"
    assert [call.target for call in proxy.calls] == [f"localhost:{server.port}"]
    assert "proxy-authorization" not in proxy.calls[0].headers
    stats = daemon.upstream("u")
    assert (stats["connects"], stats["reused"]) == (1, 3)
    assert stats["servers"][0]["address"] == proxy.address and stats["servers"][0]["host"] == "localhost"


@pytest.mark.parametrize("login", ["user:pass", "us%40er:p%2Fa%3A", "${secret.login}"])
def test_the_proxy_and_nobody_else_gets_the_credentials(leat, backend, origin, certs, tmp_path, login):
    (tmp_path / "login").write_text("ada:secret")
    plain = {"us%40er:p%2Fa%3A": "us@er:p/a:", "${secret.login}": "ada:secret"}.get(login, login)
    proxy, server = backend(connecting(plain)), origin()
    daemon = leat(conf(f"url: \"https://localhost:@port@\", tls: {{ ca: @ca@ }}, via: \"http://{login}@@address@\""), port=server.port,
                  ca=certs.path("ca.pem"), address=proxy.address, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert daemon.get("/x").json()["login"] is None
    status = str(daemon.status())
    assert plain not in status and basic(plain) not in status


def test_credentials_that_are_not_accepted_are_named(leat, backend, origin, certs):
    proxy, server = backend(connecting("a:b")), origin()
    daemon = leat(conf("url: \"https://localhost:@port@\", tls: { ca: @ca@ }, via: \"http://a:wrong@@address@\""), port=server.port,
                  ca=certs.path("ca.pem"), address=proxy.address)
    assert daemon.get("/why").json() == "connect_failed: u: the proxy does not accept the credentials of via (407)"
    assert daemon.get("/x").status == 502 and daemon.post("/x").status == 502


@pytest.mark.parametrize("handler, problem", [
    (answering("no", status=503), "refused to connect (503)"), (closing, "closed the connection"), (sending(b"\0\1\2"), "not HTTP"),
    (sending(b"HTTP/1.1 200 OK\r\n\r\nmore", close=False), "said too much"), (hanging, "did not connect in time"),
    (sending(b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\n\r\n"), "refused to connect (302)"),
])
def test_a_proxy_that_does_not_connect_is_a_connection_that_failed(leat, backend, certs, handler, problem):
    proxy = backend(handler)
    daemon = leat(conf("url: \"https://localhost:1\", tls: { ca: @ca@ }, via: @via@, timeouts: { connect: 500ms }"), ca=certs.path("ca.pem"), via=proxy.url)
    answer = daemon.get("/why").json()
    assert answer.startswith("connect_failed") and problem in answer
    await_true(lambda: daemon.upstream("u")["open"] == 0)
    assert daemon.upstream("u")["in_flight"] == 0


def test_a_proxy_that_is_not_there_is_a_connection_that_failed(leat, certs):
    gone = Refusing()
    daemon = leat(conf("url: \"https://localhost:1\", tls: { ca: @ca@ }, via: @via@"), ca=certs.path("ca.pem"), via=gone.url)
    assert daemon.get("/why").json().startswith("connect_failed: u: connection refused")
    gone.close()


def test_the_certificate_is_that_of_the_server_behind_it(leat, backend, origin, certs):
    proxy, server = backend(connecting()), origin("b")
    daemon = leat(conf("url: \"https://localhost:@port@\", tls: { ca: @ca@ }, via: @via@"), port=server.port, ca=certs.path("ca.pem"), via=proxy.url)
    assert daemon.get("/why").json().startswith("tls_failed")


def test_several_servers_have_a_tunnel_each(leat, backend, origin, certs):
    proxy, one, other = backend(connecting()), origin(name="one"), origin(name="other")
    daemon = leat(conf("servers: [ \"localhost:@one@\", \"localhost:@other@\" ], tls: { ca: @ca@ }, via: @via@"),
                  one=one.port, other=other.port, ca=certs.path("ca.pem"), via=proxy.url)
    assert sorted(daemon.get("/x").json()["name"] for _ in range(6)) == ["one"] * 3 + ["other"] * 3
    assert sorted(call.target for call in proxy.calls) == sorted(f"localhost:{server.port}" for server in (one, other))


def test_a_server_that_the_proxy_does_not_reach_is_passed_over(leat, backend, origin, certs):
    def handler(call):
        if call.target == "localhost:1":
            call.reply("no", status=502)
        else:
            connecting()(call)
    proxy, server = backend(handler), origin()
    daemon = leat(conf("servers: [ \"localhost:1\", \"localhost:@port@\" ], tls: { ca: @ca@ }, via: @via@"),
                  port=server.port, ca=certs.path("ca.pem"), via=proxy.url)
    assert all(daemon.get("/x").json()["name"] == "origin" for _ in range(4))
    assert all(daemon.post("/x").json() == "posted" for _ in range(4))


@pytest.mark.parametrize("upstream", ["servers: [ \"origin.test:81\" ]", "url: \"http://origin.test:81\""])
def test_http_says_the_whole_url(leat, backend, upstream):
    proxy = backend(lambda call: call.json({"target": call.target, "host": call.headers["host"], "login": call.headers.get("proxy-authorization")}))
    daemon = leat(conf(upstream + ", via: \"http://a:b@@address@\""), address=proxy.address)
    told = {"target": "http://origin.test:81/x?a=b", "host": "origin.test:81", "login": basic("a:b")}  # a name that only the proxy knows
    assert [daemon.get("/x").json() for _ in range(2)] == [told] * 2 and proxy.n_connections == 1


def test_http_has_its_prefix_and_proxy_its_host(leat, backend):
    proxy = backend(lambda call: call.json([call.target, call.headers["host"]]))
    daemon = leat("http: { u: { url: \"http://origin.test/v1\", via: @via@ } }\nroutes:\n  GET /p/{rest...}: { proxy: { to: u, preserve_host: true } }\n", via=proxy.url)
    assert daemon.get("/p/a").json() == ["http://origin.test/v1/a", "origin.test"]


def test_407_of_the_proxy_is_no_answer_of_the_server(leat, backend):
    proxy = backend(answering("no", status=407))
    daemon = leat(conf("url: \"http://origin.test\", via: @via@"), via=proxy.url)
    assert daemon.get("/why").json() == "connect_failed: u: the proxy does not accept the credentials of via (407)"
    assert daemon.upstream("u")["in_flight"] == 0


def test_other_credentials_after_a_reload_make_other_connections(leat, backend, origin, certs):
    proxy, server = backend(connecting()), origin()
    text = conf("url: \"https://localhost:@port@\", tls: { ca: @ca@ }, via: \"http://%s@@address@\"")
    daemon = leat(text % "a:b", port=server.port, ca=certs.path("ca.pem"), address=proxy.address)
    assert daemon.get("/x").status == 200
    daemon.reload(text % "a:c")
    assert daemon.get("/x").status == 200
    assert [call.headers["proxy-authorization"] for call in proxy.calls] == [basic("a:b"), basic("a:c")]


@pytest.mark.parametrize("via", ["proxy:3128", "https://proxy:3128", "http://proxy", "http://proxy:3128/x", "http://proxy:3128?x", "http://:3128", "http://a:hush@:1"])
def test_what_is_no_proxy_is_said(via):
    code, out = check(conf(f"url: \"http://a\", via: \"{via}\""))
    assert code == 1 and "via: http://proxy:3128" in out and out.count("hush") <= 1  # the line of the file is shown


def test_http_through_a_proxy_has_one_server():
    code, out = check(conf("servers: [ a, b ], via: \"http://p:1\""))
    assert code == 1 and "one server" in out
