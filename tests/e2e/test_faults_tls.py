"""tests/e2e/test_faults_tls.py: as test_faults.py, for what speaks TLS."""
import errno
import ssl

import pytest

from certs import Certs, context, secure
from faults import MEMORY, Faults
from leat import FLAVOR, Client, Closed, await_true
from test_faults import LARGE, MOST, at_rest, n_descriptors, needs, numbers

pytestmark = pytest.mark.skipif(FLAVOR == "tsan", reason="its runtime must come before what is preloaded")

CONF = """
listen:
  - { address: 127.0.0.1:0, tls: { cert: "@CERTS@/a.pem", key: "@CERTS@/a.key", client_ca: "@CERTS@/ca.pem", require: false } }
server: { threads: 1, compute_threads: 1 }
log: { access: off }
timeouts: { head: 5s, body: 5s, idle: 20s, write: 5s, handshake: 5s, shutdown: 5s }
routes:
  GET /hello: { reply: hello }
  GET /who: { reply: "${tls.version} ${tls.client.subject ?? 'nobody'}" }
  POST /echo: { reply: "${request.body}" }
  GET /large: { files: large.bin }
"""
BODY = b"x" * 50000
REQUESTS = [("GET", "/hello", None, b"hello"), ("GET", "/who", None, None), ("POST", "/echo", BODY, BODY),
            ("GET", "/large", None, LARGE)]
ERRORS = (Closed, OSError, ssl.SSLError)  # a session that ends is an end


@pytest.fixture(scope="module")
def certs():
    made = Certs()
    made.make("ca").make("a", "DNS:a.test", "IP:127.0.0.1", issuer="ca").make("ada", issuer="ca", subject="/CN=Ada")
    yield made
    made.close()


@pytest.fixture(scope="module")
def faults():
    faults = Faults()
    yield faults
    faults.close()


def start(stage, faults, certs):
    daemon = stage.leat(CONF, CERTS=certs.dir, env=faults.env, files={"large.bin": LARGE})
    daemon.contexts = [context(certs, maximum_version=ssl.TLSVersion.TLSv1_2), context(certs), context(certs, cert="ada")]
    return daemon


@pytest.fixture(scope="module")
def warm(module_stage, faults, certs):
    daemon = start(module_stage, faults, certs)
    ask_all(daemon, must=True)
    return daemon


def ask(daemon, made, session=None):
    with Client(daemon.addresses[0]) as client:
        secure(client, made, session=session)
        for method, target, body, good in REQUESTS:
            answer = client.request(method, target, body)
            if answer.status >= 500:
                raise Closed("something has failed")
            assert answer.status == 200 and (good is None or answer.body == good), answer
        return client.sock.session


def ask_all(daemon, must=False):
    for made in daemon.contexts:
        session = None
        for _ in range(2):  # the second one takes the session of the first up again
            try:
                session = ask(daemon, made, session)
            except ERRORS:
                assert not must
    with Client(daemon.addresses[0]) as client:  # a request without TLS, and a client that leaves in a handshake
        try:
            assert client.get("/hello").status in (400, 503)
        except ERRORS:
            assert not must
    with Client(daemon.addresses[0]) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")


def count(daemon, faults, function):
    faults.count(function)
    ask_all(daemon)
    faults.disarm()
    return faults.n_calls


def survives(daemon, faults, function, at, times=1):
    faults.arm(function, at, errno.ENOMEM, times)
    ask_all(daemon)
    n_failed = faults.disarm()
    assert daemon.process.poll() is None, f"{function} number {at}: it has ended\n{daemon.stderr}"
    return n_failed


@pytest.mark.parametrize("function", ["SSL_new", "SSL_do_handshake", "SSL_read_ex", "SSL_write_ex", "BIO_new", "RAND_bytes",
                                      "EVP_CipherInit_ex", *MEMORY])
def test_whatever_fails_a_session_is_served_or_ends(warm, faults, function):
    needs(function)
    before = n_descriptors(warm)
    n_calls = count(warm, faults, function)
    assert n_calls > 0, f"{function} is not called"
    n_failed = sum(survives(warm, faults, function, at) for at in numbers(n_calls, MOST // 2))
    assert n_failed > 0
    ask_all(warm, must=True)
    await_true(lambda: at_rest(warm), what="rest")
    await_true(lambda: n_descriptors(warm) <= before, what=f"no more than {before} descriptors")


@pytest.mark.parametrize("times", [1, 1000000], ids=["one", "all-from"])
@pytest.mark.parametrize("function", ["malloc", "calloc", "realloc"])
def test_the_first_sessions_survive_the_lack_of_memory(stage, faults, certs, function, times):
    needs(function)
    daemon = start(stage, faults, certs)
    n_calls = count(daemon, faults, function)
    daemon.stop()
    for at in numbers(n_calls, MOST // 4):
        daemon = start(stage, faults, certs)
        survives(daemon, faults, function, at, times)
        ask_all(daemon, must=True)
        with Client(daemon.addresses[0]) as client:
            assert client.get("/hello").status == 400
        await_true(lambda d=daemon: at_rest(d), what="rest")
        daemon.stop()


@pytest.mark.parametrize("function", ["SSL_CTX_new", "BIO_new", "RAND_bytes", *MEMORY])
def test_whatever_fails_while_certificates_are_loaded_it_serves_on(warm, faults, function):
    needs(function)

    def reload():
        try:
            return warm.admin("POST", "/v1/reload").status
        except ERRORS:
            return None
    faults.count(function, main=True)
    assert reload() == 200
    n_calls = faults.n_calls
    for at in numbers(n_calls, MOST // 4):
        faults.arm(function, at, errno.ENOMEM, main=True)
        assert reload() in (200, 422, 500, 502, 503, None)
        faults.disarm()
        ask_all(warm, must=True)
    assert warm.reload().returncode == 0
    ask_all(warm, must=True)
