"""tests/e2e/test_tls_upstreams.py: calls over TLS."""
import contextlib
import json
import shutil
import socket
import ssl
import threading

import pytest

from certs import Certs
from leat import await_true, check

ROUTES = """
routes:
  GET /: { reply: hello }
  GET /tls: { reply: { json: { tls: "${tls}" } } }
  POST /echo: { body: { max: 4m }, reply: { body: "${request.body}" } }
"""


@pytest.fixture(scope="module")
def certs():
    made = Certs()
    made.make("ca").make("other").make("clients")
    made.make("a", "DNS:a.test", "DNS:localhost", "IP:127.0.0.1", issuer="ca")
    made.make("b", "DNS:b.test", issuer="ca")
    made.make("ada", issuer="clients", subject="/CN=Ada")
    made.make_expired("gone")
    yield made
    made.close()


def pair(folder, name, **more):
    return {"cert": folder.path(f"{name}.pem"), "key": folder.path(f"{name}.key"), **more}


@pytest.fixture
def server(leat, certs):
    """A leat that serves over TLS: its port."""
    def start(cert="a", **more):
        tls = json.dumps(pair(certs, cert, **more))
        return leat(f"listen: [ {{ address: 127.0.0.1:0, tls: {tls} }} ]\n" + ROUTES)
    return start


@pytest.fixture
def caller(leat):
    """A leat that calls https://HOST:PORT."""
    def start(port, tls, host="localhost", more=""):
        return leat(f"http: {{ up: {{ url: \"https://{host}:{port}\", tls: {json.dumps(tls)} {more} }} }}\n"
                    "log: { level: debug }\n"
                    "routes:\n"
                    "  GET /: { tasks: { t: { get: 'up:/' } }, reply: \"${t.text}\" }\n"
                    "  GET /tls: { tasks: { t: { get: 'up:/tls' } }, reply: { json: \"${t.body}\" } }\n"
                    "  POST /echo: { body: { max: 4m }, tasks: { t: { post: 'up:/echo', body: '${request.body}' } },"
                    " reply: { body: \"${t.text}\" } }\n"
                    "  GET /why: { tasks: { t: { get: 'up:/' } }, reply: x, on_error: { tls_failed:"
                    " { status: 502, json: { code: '${error.code}', detail: '${error.detail}' } } } }\n")
    return start


def why(daemon):
    answer = daemon.get("/why")
    assert answer.status == 502
    return answer.json()


# ------------------------------------------------------------------ whom it believes

def test_a_server_of_a_known_authority_is_called(server, caller, certs):
    daemon = caller(server().port, {"ca": certs.path("ca.pem")})
    assert daemon.get("/").text == "hello"
    told = daemon.get("/tls").json()["tls"]
    assert told["version"] == "TLSv1.3" and told["server_name"] == "localhost"


def test_an_address_is_verified_too_and_no_name_is_asked_for(server, caller, certs):
    daemon = caller(server().port, {"ca": certs.path("ca.pem")}, host="127.0.0.1")
    assert daemon.get("/tls").json()["tls"]["server_name"] is None


def test_the_systems_authorities_are_believed_by_default(server, caller, certs):
    failure = why(caller(server().port, {}))
    assert failure["code"] == "tls_failed"
    assert "unable to get local issuer certificate" in failure["detail"]


def test_the_file_of_authorities_may_come_from_the_environment(server, leat, certs):
    daemon = leat(f"http: {{ up: {{ url: \"https://localhost:{server().port}\" }} }}\n"
                  "routes: { GET /: { tasks: { t: { get: 'up:/' } }, reply: \"${t.text}\" } }\n",
                  env={"SSL_CERT_FILE": certs.path("ca.pem")})
    assert daemon.get("/").text == "hello"


@pytest.mark.parametrize("cert,ca,more,detail", [
    ("b", "ca", {}, "hostname mismatch"),
    ("a", "other", {}, "unable to get local issuer certificate"),
    ("a", "ca", {"server_name": "c.test"}, "hostname mismatch"),
    ("gone", "gone", {"server_name": "gone"}, "certificate has expired"),
])
def test_a_failure_says_why(server, caller, certs, cert, ca, more, detail):
    daemon = caller(server(cert).port, {"ca": certs.path(f"{ca}.pem"), **more})
    failure = why(daemon)
    assert failure["code"] == "tls_failed" and detail in failure["detail"], failure
    assert daemon.get("/").status == 502
    assert daemon.get("/").json()["code"] == "tls_failed"


def test_the_name_may_be_said(server, caller, certs):
    daemon = caller(server("b").port, {"ca": certs.path("ca.pem"), "server_name": "b.test"})
    assert daemon.get("/tls").json()["tls"]["server_name"] == "b.test"


def test_verification_may_be_switched_off(server, caller):
    assert caller(server("b").port, {"verify": False}).get("/").text == "hello"


def test_a_certificate_is_shown_to_a_server_that_asks(server, caller, certs):
    port = server("a", client_ca=certs.path("clients.pem")).port
    daemon = caller(port, {"ca": certs.path("ca.pem"), **pair(certs, "ada")})
    assert daemon.get("/tls").json()["tls"]["client"]["subject"] == "CN=Ada"
    assert caller(port, {"ca": certs.path("ca.pem")}).get("/").status == 502


def test_absolute_urls_may_be_https(server, leat, certs):
    port = server().port
    daemon = leat(f"routes: {{ GET /: {{ tasks: {{ t: {{ get: 'https://localhost:{port}/' }} }}, reply: \"${{t.text}}\" }} }}\n",
                  env={"SSL_CERT_FILE": certs.path("ca.pem")})
    assert daemon.get("/").text == "hello"
    assert daemon.get("/").text == "hello"


def test_servers_may_speak_tls_too(server, leat, certs):
    first, second = server(), server()
    daemon = leat(f"http: {{ up: {{ servers: ['localhost:{first.port}', 'localhost:{second.port}'],"
                  f" tls: {{ ca: {certs.path('ca.pem')} }} }} }}\n"
                  "server: { threads: 1, compute_threads: 1 }\n"
                  "routes: { GET /: { tasks: { t: { get: 'up:/' } }, reply: \"${t.text}\" } }\n")
    for _ in range(4):
        assert daemon.get("/").text == "hello"
    for one in (first, second):
        assert one.status()["accepted"] >= 1


# ------------------------------------------------------------------ bytes and connections

def test_large_bodies_go_both_ways(server, caller, certs):
    daemon = caller(server().port, {"ca": certs.path("ca.pem")})
    for size in (1, 16384, 65537, 2000000):
        body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        assert daemon.post("/echo", body).body == body


def test_connections_are_kept_although_tickets_come_late(server, caller, certs):
    other = server()
    daemon = caller(other.port, {"ca": certs.path("ca.pem")})
    with daemon.connect() as client:  # of one loop
        for _ in range(20):
            assert client.get("/").text == "hello"
    assert other.status()["accepted"] == 1


def test_sessions_are_resumed(server, caller, certs):
    other = server()
    daemon = caller(other.port, {"ca": certs.path("ca.pem")}, more=", pool: { idle: 0 }")
    with daemon.connect() as client:
        for _ in range(5):
            assert client.get("/").text == "hello"
    metrics = other.admin("GET", "/metrics").text
    assert "\nleat_tls_handshakes_total 5\n" in metrics
    assert "\nleat_tls_handshakes_resumed_total 4\n" in metrics


def test_a_reload_keeps_connections_unless_the_files_have_changed(server, caller, certs):
    other = server()
    shutil.copy(certs.path("ca.pem"), certs.path("live-ca.pem"))
    daemon = caller(other.port, {"ca": certs.path("live-ca.pem")}, more="")
    with daemon.connect() as client:
        assert client.get("/").text == "hello"
        assert daemon.reload().returncode == 0
        assert client.get("/").text == "hello"
        assert other.status()["accepted"] == 1
        shutil.copy(certs.path("other.pem"), certs.path("live-ca.pem"))
        assert daemon.reload().returncode == 0
        assert client.get("/").status == 502


class Answering:
    """A server with TLS that answers each connection's first request by some bytes, and then ends it
    with a word of TLS, or without one."""

    def __init__(self, certs, answer, cut):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certs.path("a.pem"), certs.path("a.key"))
        self.answer, self.cut = answer, cut
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, ssl.SSLError):
                sock = self.context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
                sock.recv(65536)
                sock.sendall(self.answer)
                if self.cut:
                    socket.socket.shutdown(sock, socket.SHUT_WR)
                    sock.recv(1)
                else:
                    sock.unwrap()
                sock.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.mark.parametrize("cut", [False, True])
def test_an_answer_that_the_end_closes_is_whole_only_with_the_end_of_tls(stage, caller, certs, cut):
    other = Answering(certs, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it", cut)
    stage.backends.append(other)
    answer = caller(other.port, {"ca": certs.path("ca.pem")}).get("/")
    if cut:
        assert answer.status == 502 and answer.json()["code"] == "bad_response"
    else:
        assert answer.text == "all of it"


def test_a_handshake_that_does_not_end_is_a_timeout(leat, caller, certs):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        daemon = caller(silent.getsockname()[1], {"ca": certs.path("ca.pem")}, more=", timeouts: { connect: 200ms }")
        answer = daemon.get("/")
        assert answer.status == 504
        await_true(lambda: daemon.upstream("up")["open"] == 0)


def test_a_server_without_tls_is_no_server(leat, caller, certs):
    plain = leat("routes: { GET /: { reply: x } }")
    failure = why(caller(plain.port, {"ca": certs.path("ca.pem")}))
    assert failure["code"] == "tls_failed" and "wrong version number" in failure["detail"]


# ------------------------------------------------------------------ what is wrong in the file

def test_settings_are_checked_offline(certs):
    def checked(entry):
        return check(f"http: {{ up: {json.dumps(entry)} }}\nlisten: 127.0.0.1:0\nroutes: {{ GET /: {{ reply: x }} }}\n")
    url = "https://a.test"
    assert checked({"url": url})[0] == 0
    assert checked({"url": url, "tls": {"ca": certs.path("ca.pem"), **pair(certs, "ada")}})[0] == 0
    for entry, message in (
            ({"url": "http://a.test", "tls": {}}, "tls is for https"),
            ({"url": url, "tls": {"ca": "/nonexistent"}}, 'ca "/nonexistent" cannot be read: No such file'),
            ({"url": url, "tls": {"ca": certs.path("a.key")}}, "holds no certificate"),
            ({"url": url, "tls": {"cert": certs.path("a.pem")}}, "cert and key belong together"),
            ({"url": url, "tls": {**pair(certs, "a"), "key": certs.path("b.key")}}, "is not the key of that certificate"),
            ({"url": url, "tls": {"verfy": True}}, 'did you mean "verify"')):
        code, text = checked(entry)
        assert code == 1 and message in text, text
