"""tests/e2e/test_auth_keys.py: `auth: {jwt: {url: …}}`: keys that are fetched, rotate, and are not to be had."""
import json
import socket
import threading

import pytest

from backends import hanging, resetting
from certs import Certs
from leat import await_true, check
from tokens import Key, bearer, jwks


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return [Key(folder, "ES256", kid) for kid in "abc"]


class Issuer:
    """What a backend answers, changed by the test."""

    def __init__(self, *keys):
        self.text, self.status, self.hold = jwks(*keys), 200, None

    def __call__(self, call):
        if self.hold:
            self.hold.wait(10)
        call.reply(self.text, status=self.status)


def conf(url, refresh="10m", retry="10s", reply="${auth.sub}"):
    return f"""
server: {{ threads: 2, compute_threads: 1 }}
routes:
  GET /jwt: {{ auth: {{ jwt: {{ url: "{url}", refresh: {refresh}, retry: {retry} }} }}, reply: "{reply}" }}
  GET /also: {{ auth: {{ jwt: {{ url: "{url}", refresh: {refresh}, retry: {retry} }} }}, reply: also }}
  GET /hello: {{ reply: hello }}
"""


def test_keys_are_fetched_once_when_they_are_needed(leat, backend, keys):
    issuer = backend(Issuer(keys[0]))
    site = leat(conf(issuer.url + "/keys.json?tenant=7"))
    assert site.get("/hello").text == "hello"
    assert issuer.calls == []
    for _ in range(5):
        assert site.get("/jwt", headers=bearer(keys[0].token({"sub": "a"}))).text == "a"
        assert site.get("/also", headers=bearer(keys[0].token({"sub": "a"}))).text == "also"
    assert [call.target for call in issuer.calls] == ["/keys.json?tenant=7"]
    assert issuer.calls[0].headers["accept"] == "application/jwk-set+json, application/json"
    site.await_line(r"keys fetched url=http://[0-9.:]+/keys.json keys=1")


def test_many_who_need_them_at_once_cause_one_fetch(leat, backend, keys):
    answers = Issuer(keys[0])
    answers.hold = threading.Event()
    issuer = backend(answers)
    site = leat(conf(issuer.url + "/keys"))
    clients = [site.connect() for _ in range(20)]
    text = keys[0].token({"sub": "a"})
    for client in clients:
        client.send(f"GET /jwt HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {text}\r\n\r\n")
    issuer.await_calls(1)
    assert site.get("/hello").text == "hello"
    assert all(client.is_silent(0.001) for client in clients)
    clients.pop().reset()  # one does not want to know any more
    answers.hold.set()
    for client in clients:
        assert client.response().text == "a"
    assert len(issuer.calls) == 1


def test_an_unknown_key_fetches_them_again_but_not_each_time(leat, backend, keys):
    answers = Issuer(keys[0])
    issuer = backend(answers)
    site = leat(conf(issuer.url + "/keys", retry="1h"))
    assert site.get("/jwt", headers=bearer(keys[0].token({"sub": "a"}))).text == "a"
    for _ in range(5):
        answer = site.get("/jwt", headers=bearer(keys[1].token({"sub": "b"})))
        assert answer.status == 401
    site.await_line("auth refused status=401 kind=jwt reason=\"no key for its kid and alg\"")
    assert len(issuer.calls) == 1  # it was fetched less than an hour ago


def test_keys_rotate_without_a_failure(leat, backend, keys):
    answers = Issuer(keys[0])
    issuer = backend(answers)
    site = leat(conf(issuer.url + "/keys", retry="10ms"))
    old, new = keys[0].token({"sub": "old"}), keys[1].token({"sub": "new"})
    assert site.get("/jwt", headers=bearer(old)).text == "old"
    answers.text = jwks(keys[0], keys[1])
    assert await_true(lambda: site.get("/jwt", headers=bearer(new)).status == 200)
    assert site.get("/jwt", headers=bearer(old)).text == "old"
    answers.text = jwks(keys[1])
    await_true(lambda: site.get("/jwt", headers=bearer(keys[2].token())).status == 401
               and site.get("/jwt", headers=bearer(old)).status == 401)
    assert site.get("/jwt", headers=bearer(new)).text == "new"


def test_they_are_fetched_again_in_the_background_when_they_are_old(leat, backend, keys):
    issuer = backend(Issuer(keys[0]))
    site = leat(conf(issuer.url + "/keys", refresh="1s", retry="10ms"))
    text = keys[0].token({"sub": "a"})

    def asked():
        assert site.get("/jwt", headers=bearer(text)).text == "a"
        return len(issuer.calls) >= 3
    await_true(asked)


def test_while_they_cannot_be_had_the_answer_is_503_and_then_they_come(leat, backend, keys):
    answers = Issuer(keys[0])
    answers.status = 500
    issuer = backend(answers)
    site = leat(conf(issuer.url + "/keys", retry="10ms"))
    text = keys[0].token({"sub": "a"})
    answer = site.get("/jwt", headers=bearer(text))
    assert answer.status == 503
    assert answer.get("retry-after") == "1"
    site.await_line('keys not fetched url=\\S+ reason="its status is 500"; answering 503')
    assert site.get("/jwt", headers=bearer("x")).status == 401  # that needs no key
    assert site.get("/jwt").status == 401
    for wrong in ("", "{}", '{"keys":[]}', "<html>", jwks(keys[0])[:-1], " " * 300000):
        answers.status, answers.text = 200, wrong
        before = len(site.lines)

        def refused():
            assert site.get("/jwt", headers=bearer(text)).status == 503
            return any("keys not fetched" in line for line in site.lines[before:])
        await_true(refused)
    answers.text = jwks(keys[0])
    await_true(lambda: site.get("/jwt", headers=bearer(text)).status == 200)


def test_a_server_that_is_down_leaves_the_keys_that_are_there(leat, backend, keys):
    answers = Issuer(keys[0])
    issuer = backend(answers)
    site = leat(conf(issuer.url + "/keys", refresh="1s", retry="10ms"))
    text = keys[0].token({"sub": "a"})
    assert site.get("/jwt", headers=bearer(text)).text == "a"
    issuer.handler = resetting

    def failed():
        assert site.get("/jwt", headers=bearer(text)).text == "a"
        return any("keys not fetched" in line and "going on with those there are" in line for line in site.lines)
    await_true(failed)


def test_nobody_listening_is_503(leat, backend, keys):
    site = leat(conf(backend().url + "/keys"))
    assert site.get("/jwt", headers=bearer(keys[0].token())).status == 503
    site.await_line('reason="connection refused"')


def test_a_fetch_that_hangs_does_not_hold_up_the_end(leat, backend, keys):
    issuer = backend(hanging)
    site = leat(conf(issuer.url + "/keys"))
    with site.connect() as client:
        client.send(f"GET /jwt HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {keys[0].token()}\r\n\r\n")
        issuer.await_calls(1)
        site.signal(15)
        assert client.response().status == 503
    assert site.wait(5) == 0


def test_they_outlive_a_reload(leat, backend, keys):
    issuer = backend(Issuer(keys[0]))
    site = leat(conf(issuer.url + "/keys"))
    text = keys[0].token({"sub": "a"})
    assert site.get("/jwt", headers=bearer(text)).text == "a"
    for number in range(3):
        assert site.reload(conf(issuer.url + "/keys", reply=f"{number}")).returncode == 0
        assert site.get("/jwt", headers=bearer(text)).text == f"{number}"
    assert len(issuer.calls) == 1


def test_a_reload_in_the_middle_of_a_fetch_loses_nobody(leat, backend, keys):
    answers = Issuer(keys[0])
    answers.hold = threading.Event()
    issuer = backend(answers)
    site = leat(conf(issuer.url + "/keys"))
    text = keys[0].token({"sub": "a"})
    with site.connect() as client:
        client.send(f"GET /jwt HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {text}\r\n\r\n")
        issuer.await_calls(1)
        assert site.reload(conf("http://127.0.0.1:1/other")).returncode == 0
        answers.hold.set()
        assert client.response().text == "a"
    assert site.get("/jwt", headers=bearer(text)).status == 503


# ------------------------------------------------------------------ of an upstream of `http:`

@pytest.fixture(scope="module")
def certs():
    made = Certs()
    made.make("ca").make("other")
    made.make("idp", "DNS:localhost", issuer="ca")
    yield made
    made.close()


@pytest.fixture
def issuer_tls(leat, certs, keys):
    """A leat that gives the keys over TLS, by a certificate of an authority that no system knows."""
    def start(*own, listen="127.0.0.1:0"):
        tls = json.dumps({"cert": certs.path("idp.pem"), "key": certs.path("idp.key")})
        return leat(f"listen: [ {{ address: '{listen}', tls: {tls} }} ]\n"
                    f"routes: {{ GET /keys.json: {{ reply: {{ json: {jwks(*(own or keys[:1]))} }} }} }}\n")
    return start


def named(port, ca, reply="${auth.sub}", more=""):
    return f"""
http: {{ idp: {{ url: "https://localhost:{port}", tls: {{ ca: "{ca}" }}, {more} }} }}
server: {{ threads: 2, compute_threads: 1 }}
defaults: {{ /under: {{ auth: {{ jwt: {{ url: "idp:/keys.json", retry: 10ms }} }} }} }}
routes:
  GET /jwt: {{ auth: {{ jwt: {{ url: "idp:/keys.json", retry: 10ms }} }}, reply: "{reply}" }}
  GET /under/jwt: {{ reply: "{reply}" }}
"""


def test_keys_come_from_an_upstream_with_an_authority_of_its_own(issuer_tls, leat, certs, keys):
    idp = issuer_tls()
    site = leat(named(idp.port, certs.path("ca.pem")))
    ada = bearer(keys[0].token({"sub": "ada"}))
    assert site.get("/jwt", headers=ada).text == "ada"
    assert site.get("/under/jwt", headers=ada).text == "ada"
    assert site.get("/jwt", headers=bearer(keys[1].token({"sub": "eve"}))).status == 401
    site.await_line("keys fetched url=idp:/keys.json keys=1")


def test_an_upstream_that_is_not_who_it_should_be_gives_no_keys_and_a_reload_mends_it(issuer_tls, leat, certs, keys):
    idp = issuer_tls()
    site = leat(named(idp.port, certs.path("other.pem")))
    ada = bearer(keys[0].token({"sub": "ada"}))
    answer = site.get("/jwt", headers=ada)
    assert (answer.status, answer.get("retry-after")) == (503, "1")
    site.await_line("keys not fetched url=idp:/keys.json reason=.*answering 503")
    assert site.reload(named(idp.port, certs.path("ca.pem"))).returncode == 0
    assert site.get("/jwt", headers=ada).text == "ada"


def test_keys_of_an_upstream_that_a_reload_has_changed_are_fetched_again(issuer_tls, leat, certs, keys):
    before, after = issuer_tls(keys[0]), issuer_tls(keys[1])
    site = leat(named(before.port, certs.path("ca.pem")))
    ada, eve = (bearer(key.token({"sub": "who"})) for key in keys[:2])
    assert site.get("/jwt", headers=ada).text == "who"
    before.stop()
    assert site.reload(named(before.port, certs.path("ca.pem"), reply="kept")).returncode == 0
    assert site.get("/jwt", headers=ada).text == "kept"  # the upstream says the same: its keys stay
    assert site.reload(named(after.port, certs.path("ca.pem"))).returncode == 0
    assert site.get("/jwt", headers=eve).text == "who"
    assert site.get("/jwt", headers=ada).status == 401


def test_an_upstream_that_is_away_at_the_start_is_503_until_it_comes(leat, backend, issuer_tls, certs, keys):
    with socket.socket() as held:  # nobody else has the port, and nobody listens
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        more = "breaker: { failures: 2, open: 200ms }"
        site = leat(named(port, certs.path("ca.pem"), more=more))
        ada = bearer(keys[0].token({"sub": "ada"}))
        for _ in range(5):
            assert site.get("/jwt", headers=ada).status == 503

        def refused():
            assert site.get("/jwt", headers=ada).status == 503
            return any("keys not fetched" in line and "open" in line for line in site.lines)
        await_true(refused)  # by the upstream's breaker: it is not even called
    issuer_tls(listen=f"127.0.0.1:{port}")
    await_true(lambda: site.get("/jwt", headers=ada).status == 200)


def test_an_upstream_that_is_none_is_told_at_load():
    code, text = check("http: { idp: { url: 'https://a.test' } }\n" + conf("idq:/keys.json"))
    assert code == 1 and 'there is no upstream "idq"; did you mean "idp"?' in text
    for url in ("idp:keys.json", "idp:", ":/x", "idp:/a b"):
        assert "is no URL of keys; write https://host/path, or NAME:/path" in check(conf(url))[1], url
