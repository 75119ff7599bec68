"""tests/e2e/test_kafka_secure.py: `tls:` and `sasl:` of `kafka:`; the mock cluster has a front that speaks both."""
import contextlib
import ctypes

import pytest
from certs import Certs
from kafka_front import KafkaFront
from kafka_servers import needs_kafka
from leat import SLOW, await_true

pytestmark = needs_kafka

USERS = {"ann": "to, pass= in\u00e9"}
WRONG = "not to pass"
CONF = r'''
log: { level: debug }
kafka: { bus: { brokers: ["@BROKERS@"], timeout: @TIMEOUT@, request_timeout: 5s @MORE@ } }
secrets: { dir: "@DIR@/secrets" }
routes:
  POST /send: { tasks: { m: { kafka: bus, topic: t, message: hello } }, reply: { json: "${m.offset}" } }
'''
SOURCE = r'''
http: { sink: { url: "@SINK@" } }
jobs:
  read: { source: { kafka: bus, topic: t, group: g, session_timeout: 60s }, tasks: { m: { post: "sink:/", json: "${message}" } } }
'''


@pytest.fixture(scope="module")
def certs():
    with contextlib.closing(Certs()) as certs:
        for name in ("ca", "other"):
            certs.make(name)
        certs.make("broker", "IP:127.0.0.1", issuer="ca")
        certs.make("elsewhere", "DNS:elsewhere.test", issuer="ca")
        certs.make("client", issuer="ca", subject="/CN=ann")
        yield certs


@pytest.fixture
def front(cluster):
    with contextlib.ExitStack() as stack:
        def start(**more):
            return stack.enter_context(contextlib.closing(KafkaFront(cluster, **more)))
        yield start


def start(leat, front, more, conf=CONF, timeout=f"{20 * SLOW}s", **names):
    daemon = leat(conf, start=False, BROKERS=front.bootstrap, MORE="," + more, TIMEOUT=timeout, **names)
    daemon.write("secrets/right", USERS["ann"])
    daemon.write("secrets/wrong", WRONG)
    daemon.start()
    return daemon


def kafka(daemon):
    return daemon.status()["kafka"][0]


def tls(certs, ca="ca", **more):
    words = [f'{name}: "{certs.path(value)}"' for name, value in more.items()]
    return "tls: { " + ", ".join([f'ca: "{certs.path(ca)}.pem"', *words]) + " }"


def sasl(mechanism, secret="right"):
    return f'sasl: {{ mechanism: {mechanism}, user: ann, password: "${{secret.{secret}}}" }}'


def test_messages_come_and_go_over_tls_with_a_certificate_and_a_password(leat, cluster, front, certs, backend):
    cluster.topic("t")
    sink = []
    server = backend(lambda call: (sink.append(call.body), call.json({})))
    door = front(certs=certs, cert="broker", client_ca="ca", users=USERS)
    daemon = start(leat, door, tls(certs, cert="client.pem", key="client.key") + ", " + sasl("SCRAM-SHA-512"),
                   conf=CONF + SOURCE, SINK=server.url)
    assert daemon.post("/send").json() == 0
    await_true(lambda: len(sink) == 1, 30)
    assert {subject[0][0][1] for subject in door.seen_by_tls} == {"ann"}
    assert door.logins and all(door.logins) and door.intruders == 0
    assert USERS["ann"] not in daemon.stderr + str(daemon.status())
    daemon.stop()  # while there are brokers to leave


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_password_is_shown_to_brokers(leat, cluster, front, mechanism):
    cluster.topic("t")
    door = front(users=USERS, mechanisms=(mechanism,))
    daemon = start(leat, door, sasl(mechanism) + ", options: { debug: all }")
    assert daemon.post("/send").json() == 0
    assert door.logins and all(door.logins)
    daemon.await_line("kafka says name=bus")
    assert USERS["ann"] not in daemon.stderr


def refused(daemon, door, words):
    """Nothing goes through, and people are told why."""
    answer = daemon.post("/send")
    assert answer.status == 504
    line = daemon.await_line("kafka brokers cannot be reached name=bus")
    assert words in line
    assert words in kafka(daemon)["problem"] and kafka(daemon)["state"] == "down"
    assert door.intruders == 0
    for secret in (USERS["ann"], WRONG):
        assert secret not in daemon.stderr + str(daemon.status())


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_refused_and_told(leat, cluster, front, mechanism):
    door = front(users=USERS)
    daemon = start(leat, door, sasl(mechanism, "wrong"), timeout="500ms")
    refused(daemon, door, "these credentials are not known")
    assert door.logins and not any(door.logins)
    if mechanism != "PLAIN" and ctypes.CDLL("librdkafka.so.1").rd_kafka_version() < 0x02060100:
        daemon.await_line("kafka 4 takes no SCRAM of librdkafka before 2.6.1 name=bus")
    else:
        assert "SCRAM" not in daemon.stderr


def test_a_mechanism_that_brokers_do_not_have_is_refused_and_told(leat, cluster, front):
    door = front(users=USERS, mechanisms=("SCRAM-SHA-256",))
    refused(start(leat, door, sasl("PLAIN"), timeout="500ms"), door, "Unsupported SASL mechanism")


@pytest.mark.parametrize("cert,ca,words", [("broker", "other", "certificate"), ("elsewhere", "ca", "certificate")])
def test_a_broker_that_is_not_believed_is_sent_nothing(leat, cluster, front, certs, cert, ca, words):
    """Its authority is another one, or its name is."""
    door = front(certs=certs, cert=cert, users=USERS)
    refused(start(leat, door, tls(certs, ca) + ", " + sasl("PLAIN"), timeout="500ms"), door, words)
    assert not door.logins


def test_a_broker_may_be_believed_whatever_it_shows(leat, cluster, front, certs):
    cluster.topic("t")
    door = front(certs=certs, cert="elsewhere")
    daemon = start(leat, door, "tls: { verify: false }")
    assert daemon.post("/send").json() == 0
