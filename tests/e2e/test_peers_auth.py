"""tests/e2e/test_peers_auth.py: who another host is, and what it may reach here."""
import struct

import pytest

from certs import Certs
from databases import free_port
from leat import await_true, check
from peer_hosts import ALPHA, BETA, KEY, LINKED, Pair, Stranger, peer

LISTEN = "listen: 127.0.0.1:@PORT@\n"


# ------------------------------------------------------------------ certificates

@pytest.fixture(scope="module")
def certs():
    made = Certs()
    made.make("ca").make("beta", "IP:127.0.0.1", issuer="ca").make("other_ca")
    made.make("alpha", issuer="ca").make("gamma", issuer="ca")
    made.make("forged", issuer="other_ca", subject="/CN=alpha")
    yield made
    made.close()


class Certified:
    """Alpha connects to beta; both know the other by nothing but its certificate."""

    def __init__(self, stage, certs, ask=", client_ca: @CA@, require: false"):
        self.certs, port = certs, free_port()
        listen = ("listen: { address: 127.0.0.1:@PORT@, tls: { cert: @CERT@, key: @CERTKEY@" + ask + " } }\n")
        self.names = {"CA": certs.path("ca.pem"), "MORE": "", "LINKS": "", "TIMEOUT": "10s"}
        self.beta = stage.leat(BETA.replace(LISTEN, listen).replace("key: @KEY@", 'auth: tls, subject: "CN=alpha"'), PORT=port,
                               CERT=certs.path("beta.pem"), CERTKEY=certs.path("beta.key"), **self.names)
        self.alpha = stage.leat(self.conf("alpha"), PORT=free_port(), BETA=port, **self.names)

    def conf(self, name, auth="auth: tls"):
        cert = (f", cert: {self.certs.path(name + '.pem')}, key: {self.certs.path(name + '.key')}" if name else "")
        return ALPHA.replace("key: @KEY@", f"{auth}, tls: {{ ca: @CA@{cert} }}")

    def code(self):
        return self.alpha.post("/ask/add", body=b"1").json().get("code")

    def refused(self, name, auth="auth: tls"):
        """Alpha with that certificate and way to prove itself reaches nothing."""
        before = peer(self.beta, "alpha")["received"]
        assert self.alpha.reload(self.conf(name, auth)).returncode == 0
        await_true(lambda: self.code() == "unavailable")
        return peer(self.beta, "alpha")["received"] == before


def test_certificates_alone_prove_who_both_are(stage, certs):
    both = Certified(stage, certs)
    assert both.code() is None
    assert peer(both.alpha, "beta")["state"] == peer(both.beta, "alpha")["state"] == "connected"
    assert both.refused("gamma")  # of the same authority, and somebody else
    both.beta.await_line('peer denied name="?alpha"? certificate="?CN=gamma"?')
    assert both.refused("forged")  # says the right name, of another authority
    assert both.refused(None, f"key: {KEY}")  # shows none, and comes with a key
    assert both.alpha.reload(both.conf("alpha")).returncode == 0
    await_true(lambda: both.code() is None)


def test_a_listener_that_asks_for_no_certificate_lets_nobody_in_who_needs_one(stage, certs):
    both = Certified(stage, certs, ask="")
    assert both.code() == "unavailable"
    assert peer(both.beta, "alpha")["received"] == 0


def test_what_certificates_prove_cannot_be_had_without_tls(stage):
    beta = stage.leat(BETA.replace("key: @KEY@", 'auth: tls, subject: "CN=alpha"'), PORT=free_port(), MORE="")
    one = Stranger(beta.port)
    body = one.hello()
    assert body[40:72] != one.proof(b"accepts", key="")  # nor is told that there is such a peer
    one.send(3, one.proof(b"connects", key=""))
    assert one.is_refused()
    one.sock.close()


# ------------------------------------------------------------------ keys

def test_a_key_is_changed_on_one_host_after_the_other(stage):
    pair = Pair(stage)
    new = "the new key that both have now"

    def both(beta, alpha):
        for host, conf, keys in ((pair.beta, BETA, beta), (pair.alpha, ALPHA, alpha)):
            assert host.reload(conf.replace("key: @KEY@", keys)).returncode == 0
        await_true(lambda: pair.code("add", 1) is None, what=f"{beta} and {alpha} go together")
    assert pair.code("add", 1) is None
    both(f"key: {new}, old_key: {KEY}", f"key: {KEY}")
    both(f"key: {new}, old_key: {KEY}", f"key: {new}")
    both(f"key: {new}", f"key: {new}, old_key: {KEY}")
    both(f"key: {KEY}", f"key: {new}, old_key: {KEY}")
    assert pair.beta.reload(BETA.replace("@KEY@", "a third key that nobody else has")).returncode == 0
    await_true(lambda: pair.code("get") == "unavailable")
    for host in (pair.alpha, pair.beta):
        assert KEY not in host.stderr and new not in host.stderr


def test_keys_that_change_while_messages_are_under_way_lose_none_unsaid(stage):
    """Each message was handled once and is answered, or is in doubt; those that came are in order."""
    pair = Pair(stage)
    asking = pair.asking("await")
    for n in range(4):
        keys = f"key: key {n} of the two hosts, old_key: key {n - 1} of the two hosts"
        if n == 0:
            keys = f"key: key {n} of the two hosts, old_key: {KEY}"
        for host, conf in ((pair.beta, BETA), (pair.alpha, ALPHA)):
            assert host.reload(conf.replace("key: @KEY@", keys)).returncode == 0
    asking.join(60)
    assert asking.answer.json()["code"] == "unavailable"
    pair.beta.post("/go")
    await_true(lambda: pair.code("get") is None)


# ------------------------------------------------------------------ what may be reached

def test_a_peer_reaches_no_actors_but_those_that_its_entry_lists(stage):
    more = ", actors: [counter, cart, frail]"
    pair = Pair(stage, links=LINKED)
    assert pair.beta.reload(BETA.replace("@MORE@", more)).returncode == 0
    await_true(lambda: pair.code("add", 1) is None)
    assert pair.alpha.post("/cart/bob/get").json() == "bob"
    for hidden in ("order@beta", "nobody@beta"):
        assert pair.alpha.post(f"/any?to={hidden}").json()["code"] == "not_found"
    assert pair.beta.reload(BETA.replace("@MORE@", ", actors: []")).returncode == 0
    await_true(lambda: pair.code("get") == "not_found")
    await_true(lambda: "frail@beta=no_actor" in pair.told(), what="nor is it told of one")
    told = len(pair.told())
    assert pair.beta.post_json("/frail/fall", 1).json()["code"] == "fallen"
    assert pair.code("get") == "not_found"  # behind what would have been told
    assert len(pair.told()) == told


def test_a_program_of_libprocess_reaches_no_actors_but_those_that_its_entry_lists(leat):
    daemon = leat("""
listen: 127.0.0.1:@PORT@
peers: { mesos: { form: libprocess, auth: none, address: "127.0.0.1:1", as: "127.0.0.1:@PORT@", actors: counter } }
actors: { counter: { handlers: { x: {} } }, order: { handlers: { x: {} } } }
""", PORT=free_port())
    sender = {"Libprocess-From": "a@127.0.0.1:1"}
    assert daemon.post("/counter/x", headers=sender).status == 202
    assert daemon.post("/order/x", headers=sender).status == 404


@pytest.mark.parametrize("entry, message", [
    ("b: { as: a, key: 0123456789abcdef, old_key: short }", "too short to be a secret"),
    ("b: { as: a, auth: none, old_key: 0123456789abcdef }", "the key is not used"),
    ("b: { as: a, key: 0123456789abcdef, subject: CN=b }", "looked at with auth: tls"),
    ("b: { as: a, auth: tls }", "add subject"),
    ("b: { as: a, auth: tls, key: 0123456789abcdef, subject: CN=b }", "the key is not used"),
    ("b: { as: a, auth: tls, address: 'x:1' }", "add tls"),
    ("b: { as: a, key: 0123456789abcdef, actors: [coynter] }", 'did you mean "counter"'),
    ("b: { as: a, key: 0123456789abcdef, actors: nobody }", 'there is no actor "nobody"'),
])
def test_what_cannot_prove_anything_is_refused(entry, message):
    code, out = check(f"peers: {{ {entry} }}\nactors: {{ counter: {{ handlers: {{ x: {{}} }} }} }}\n")
    assert code == 1 and message in out, out


def test_a_certificate_that_is_not_looked_at_proves_nothing():
    with_cert = Certs()
    try:
        with_cert.make("a")
        tls = f"cert: {with_cert.path('a.pem')}, key: {with_cert.path('a.key')}, verify: false"
        code, out = check(f"peers: {{ b: {{ as: a, auth: tls, address: 'x:1', tls: {{ {tls} }} }} }}\n")
        assert code == 1 and "has to be looked at" in out, out
    finally:
        with_cert.close()


# ------------------------------------------------------------------ versions

def test_the_version_is_agreed_on_before_anything_is_said(stage):
    beta = stage.leat(BETA, PORT=free_port(), KEY=KEY, MORE="")
    with beta.connect() as client:
        both = client.request("GET", "/.well-known/leat-peer", headers=(("Connection", "Upgrade"), ("Upgrade", "leat-peer/2")))
        assert both.status == 426 and both.get("Upgrade") == "leat-peer/1"
    one = Stranger(beta.port, upgrade="leat-peer/2, leat-peer/1")
    one.enter()
    one.send(16, one.message(1))
    kinds = {one.frame()[0] for _ in range(2)}
    assert kinds == {17, 18}
    one.send(99, struct.pack(">Q", 1))  # a frame of another version
    assert one.is_refused()
    one.sock.close()
