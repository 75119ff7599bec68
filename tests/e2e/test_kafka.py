"""tests/e2e/test_kafka.py: `kafka:` against librdkafka's mock cluster over TCP: what is sent, and what becomes of it."""
import base64
import contextlib
import json
import socket
import threading

import pytest
from kafka_servers import PRODUCE, TOO_LARGE, needs_kafka
from leat import SLOW, Client, await_true

pytestmark = needs_kafka

CONF = r'''
kafka: { bus: { brokers: ["@BROKERS@"], timeout: @TIMEOUT@ } }
routes:
  POST /send/{topic}:
    body: { type: json }
    tasks:
      m: { kafka: bus, topic: "${path.topic}", key: "${body.key}", message: "${body.value}" }
    reply: { json: "${m}" }
    on_error: { kafka_error: { status: 409, json: { code: "${error.code}", kafka: "${error.kafka}", detail: "${error.detail}" } } }
  POST /placed/{n}:
    tasks: { m: { kafka: bus, topic: placed, partition: "${path.n}", message: x, headers: { a: "1 ${path.n}", b: null, c: "" } } }
    reply: { json: [ "${m.topic}", "${m.partition}", "${m.offset}" ] }
    on_error: { kafka_error: { status: 409, json: { kafka: "${error.kafka}" } } }
  POST /bytes:
    body: { type: json }
    tasks: { m: { kafka: bus, topic: bytes, message: "${body.value}", encoding: base64 } }
    reply: ok
  POST /leader: { tasks: { m: { kafka: bus, topic: leader, message: x, acks: leader } }, reply: { json: "${m}" } }
  POST /none: { tasks: { m: { kafka: bus, topic: none, message: x, acks: none } }, reply: { json: "${m}" } }
  POST /short: { tasks: { m: { kafka: bus, topic: short, message: x, timeout: 200ms } }, reply: ok }
  POST /later: { tasks: { m: { kafka: bus, topic: later, message: x, detach: true } }, reply: ok }
  POST /anyhow:
    tasks: { m: { kafka: bus, topic: anyhow, message: x, optional: true } }
    reply: { json: { failed: "${m.failed}", topic: "${m.topic}", code: "${m.error.code}" } }
'''
JSON = [("Content-Type", "application/json")]


@pytest.fixture
def daemon(leat, cluster):
    return leat(CONF, BROKERS=cluster.bootstrap, TIMEOUT=f"{30 * SLOW}s")


def send(daemon, topic, value, key=None):
    return daemon.post(f"/send/{topic}", json.dumps({"key": key, "value": value}), headers=JSON)


def kafka(daemon):
    return daemon.status()["kafka"][0]


def dead_port():
    """A port on which nobody listens, kept so."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock, f"127.0.0.1:{sock.getsockname()[1]}"


def test_a_value_is_sent_as_text_as_json_or_as_none(daemon, cluster):
    cluster.topic("t")
    for value in ["a b\r\né", {"a": [1, 19.99, None]}, None, "", 5, True]:
        answer = send(daemon, "t", value, key="k")
        assert answer.status == 200, answer
    assert answer.json() == {"topic": "t", "partition": 0, "offset": 5}
    messages = cluster.read("t", 6)
    assert [m.value for m in messages] == ["a b\r\né".encode(), b'{"a":[1,19.99,null]}', None, b"", b"5", b"true"]
    assert {m.key for m in messages} == {b"k"}


def test_messages_of_one_key_are_in_one_partition_in_order(daemon, cluster):
    cluster.topic("keys", 4)
    for i in range(20):
        assert send(daemon, "keys", i, key=f"key{i % 3}").status == 200
    messages = cluster.read("keys", 20, partitions=4)
    for key in (b"key0", b"key1", b"key2"):
        mine = [m for m in messages if m.key == key]
        assert len({m.partition for m in mine}) == 1
        assert [int(m.value) for m in sorted(mine, key=lambda m: m.offset)] == list(range(int(key[3:]), 20, 3))


def test_keys_are_in_the_partitions_that_javas_clients_choose(daemon, cluster):
    cluster.topic("java", 4)
    # murmur2 of "abc" is 479470107, of "foobar" -790332482: Kafka's own tests say so
    assert send(daemon, "java", 1, key="abc").json()["partition"] == 479470107 % 4
    assert send(daemon, "java", 1, key="foobar").json()["partition"] == (-790332482 & 0x7fffffff) % 4


def test_partition_and_headers_are_as_they_were_said(daemon, cluster):
    cluster.topic("placed", 3)
    assert daemon.post("/placed/2").json() == ["placed", 2, 0]
    message = cluster.read("placed", 1, partitions=3)[0]
    assert (message.partition, message.key) == (2, None)
    assert message.headers == [("a", b"1 2"), ("b", None), ("c", b"")]
    answer = daemon.post("/placed/7")
    assert (answer.status, answer.json()) == (409, {"kafka": "_UNKNOWN_PARTITION"})
    assert daemon.post("/placed/x").json()["code"] == "invalid_input"
    assert daemon.post("/placed/99999999999").json()["code"] == "invalid_input"


def test_bytes_are_sent_by_base64(daemon, cluster):
    data = bytes(range(256))
    assert daemon.post("/bytes", json.dumps({"value": base64.b64encode(data).decode()}), headers=JSON).status == 200
    assert cluster.read("bytes", 1, partitions=4)[0].value == data
    for wrong in ["a", "/w=", "é", 5, {"a": 1}]:
        answer = daemon.post("/bytes", json.dumps({"value": wrong}), headers=JSON)
        assert (answer.status, answer.json()["code"]) == (400, "invalid_input")


def test_a_topic_that_is_none_is_invalid_input(daemon):
    for topic in ["a%20b", "a%2Fb", "%C3%A9", "x" * 250, "a%00b"]:
        assert send(daemon, topic, "x").status == 400, topic


def test_acks_of_a_task_have_their_own_producers(daemon, cluster):
    for name in ("leader", "none"):
        cluster.topic(name)
    assert daemon.post("/leader").json() == {"topic": "leader", "partition": 0, "offset": 0}
    assert daemon.post("/none").json()["offset"] in (None, 0)
    assert [m.value for m in cluster.read("leader", 1) + cluster.read("none", 1)] == [b"x", b"x"]


def test_what_the_broker_refuses_is_kafka_error_with_its_name(daemon, cluster):
    cluster.topic("wrong")
    assert send(daemon, "wrong", "x").status == 200
    cluster.ask("errors", PRODUCE, *[TOO_LARGE] * 3)
    answer = send(daemon, "wrong", "secret-words")
    assert (answer.status, answer.json()["code"], answer.json()["kafka"]) == (409, "kafka_error", "MSG_SIZE_TOO_LARGE")
    assert answer.json()["detail"].startswith("bus: ") and "secret-words" not in answer.json()["detail"]
    cluster.ask("errors", PRODUCE)
    assert await_true(lambda: send(daemon, "wrong", "x").status == 200)


def test_a_message_that_is_too_large_is_refused_at_once(leat, cluster):
    daemon = leat(CONF.replace("timeout: @TIMEOUT@", "max_message: 2k"), BROKERS=cluster.bootstrap)
    answer = send(daemon, "t", "x" * 3000)
    assert (answer.status, answer.json()["kafka"]) == (409, "MSG_SIZE_TOO_LARGE")
    assert kafka(daemon)["refused"] == 1


def test_a_failed_task_has_its_code_and_no_results(leat):
    sock, address = dead_port()
    with sock:
        daemon = leat(CONF, BROKERS=address, TIMEOUT="300ms")
        assert daemon.post("/anyhow").json() == {"failed": True, "topic": None, "code": "timeout"}


def test_a_dead_broker_costs_bounded_memory_and_is_queue_full(leat):
    sock, address = dead_port()
    with sock:
        daemon = leat("kafka: { bus: { brokers: ['@BROKERS@'], timeout: 1h, queue: 10 } }\n"
                      "routes: { POST /s: { timeout: 1h, on_disconnect: finish, tasks: { m: { kafka: bus, topic: t, message: x } }, reply: ok } }\n"
                      "timeouts: { shutdown: 1s }\n", BROKERS=address)
        clients = [daemon.connect() for _ in range(10)]
        for client in clients:
            client.send("POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await_true(lambda: kafka(daemon)["queued"] == 10)
        answer = daemon.post("/s")
        assert (answer.status, answer.json()["code"]) == (503, "queue_full")
        assert answer.get("retry-after")
        await_true(lambda: kafka(daemon)["state"] == "down")
        assert kafka(daemon)["problem"]
        daemon.await_line("kafka brokers cannot be reached name=bus")
        # what waits is cancelled when the time of the shutdown is over, and given up after it


def test_a_task_ends_at_its_deadline_and_its_message_may_go_out_all_the_same(daemon, cluster):
    cluster.topic("short")
    cluster.down()
    answer = daemon.post("/short")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    assert kafka(daemon)["queued"] == 1
    cluster.up()
    await_true(lambda: kafka(daemon)["queued"] == 0, 30)
    assert [m.value for m in cluster.read("short", 1)] == [b"x"]


def test_a_broker_that_comes_back_takes_what_has_waited(daemon, cluster):
    cluster.topic("t")
    assert send(daemon, "t", 0).status == 200
    cluster.down()
    answers = []
    threads = [threading.Thread(target=lambda i=i: answers.append(send(daemon, "t", i, key="k"))) for i in range(1, 6)]
    for thread in threads:
        thread.start()
    await_true(lambda: kafka(daemon)["queued"] == 5)
    cluster.up()
    for thread in threads:
        thread.join()
    assert [a.status for a in answers] == [200] * 5
    assert sorted(int(m.value) for m in cluster.read("t", 6)) == list(range(6))
    assert kafka(daemon)["state"] == "up" and kafka(daemon)["problem"] == ""


def test_requests_of_all_loops_share_the_producer(daemon, cluster):
    cluster.topic("many", 4)

    def work(n):
        with contextlib.closing(Client(daemon.addresses[0])) as client:
            for i in range(50):
                body = json.dumps({"key": f"k{n}", "value": i})
                assert client.request("POST", "/send/many", body, JSON).status == 200
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = cluster.read("many", 400, partitions=4)
    for n in range(8):
        mine = sorted((m for m in messages if m.key == f"k{n}".encode()), key=lambda m: m.offset)
        assert [int(m.value) for m in mine] == list(range(50))
    assert kafka(daemon) == {"name": "bus", "state": "up", "queued": 0, "sent": 400, "errors": 0, "refused": 0, "problem": "",
                             "spooled": 0, "given_up": 0}
    metrics = daemon.admin("GET", "/metrics").text
    assert 'leat_kafka_sent_total{kafka="bus"} 400\n' in metrics and 'leat_kafka_up{kafka="bus"} 1\n' in metrics
    assert 'leat_kafka_queued{kafka="bus"} 0\n' in metrics


def test_what_a_detached_task_sends_is_flushed_at_shutdown(daemon, cluster):
    cluster.topic("later")
    for _ in range(20):
        assert daemon.post("/later").status == 200
    daemon.stop()
    assert len(cluster.read("later", 20)) == 20


def test_what_a_cancelled_task_has_left_is_flushed_at_shutdown(daemon, cluster):
    cluster.topic("short")
    assert send(daemon, "short", "first").status == 200
    cluster.ask("rtt", 1, 1000)
    assert daemon.post("/short").status == 504
    assert kafka(daemon)["queued"] == 1
    daemon.stop()
    cluster.ask("rtt", 1, 0)
    assert len(cluster.read("short", 2)) == 2


def test_an_entry_is_carried_over_a_reload_when_it_says_the_same(daemon, cluster):
    assert send(daemon, "t", 1).status == 200
    before = kafka(daemon)["sent"]
    assert daemon.reload(daemon.expand(CONF) + "  GET /new: { reply: new }\n").returncode == 0
    assert kafka(daemon)["sent"] == before == 1
    assert daemon.get("/new").text == "new"
    changed = CONF.replace("brokers:", "client_id: other, brokers:")
    assert daemon.reload(daemon.expand(changed)).returncode == 0
    assert kafka(daemon)["sent"] == 0
    assert send(daemon, "t", 2).status == 200
    assert len(cluster.read("t", 2, partitions=4)) == 2


def test_messages_of_an_entry_that_a_reload_drops_are_sent(daemon, cluster):
    cluster.topic("short")
    assert send(daemon, "short", "first").status == 200
    cluster.ask("rtt", 1, 1000)
    assert daemon.post("/short").status == 504
    assert daemon.reload("routes: { GET /: { reply: ok } }\n").returncode == 0
    assert daemon.status()["kafka"] == []
    cluster.ask("rtt", 1, 0)
    assert len(cluster.read("short", 2)) == 2


WRONG = {
    "kafka: { bus: { brokers: [] } }": "brokers names no broker",
    "kafka: { bus: { brokers: ['a b'] } }": "\"a b\" is not a broker; write host:port",
    "kafka: { Bus: { brokers: [a] } }": "\"Bus\" cannot be the name of a cluster",
    "kafka: { bus: { brokers: [a], options: { bootstrap.servers: b } } }": "the option \"bootstrap.servers\" cannot be set here: write `brokers`",
    "kafka: { bus: { brokers: [a], options: { plugin.library.paths: /tmp/x.so } } }": "no code is loaded",
    "kafka: { bus: { brokers: [a], options: { ssl.ca.location: b } } }": "write `tls`",
    "kafka: { bus: { brokers: [a], options: { nothing.known: b } } }": "No such configuration property",
    "kafka: { bus: { brokers: [a], options: { batch.size: many } } }": "batch.size",
    "kafka: { bus: { brokers: [a], tls: { ca: missing.pem } } }": "missing.pem",
    "kafka: { bus: { brokers: [a], tls: { cert: a.pem } } }": "cert and key belong together",
    "kafka: { bus: { brokers: [a], sasl: { user: x } } }": "password",
    "kafka: { bus: { brokers: [a] } }\nroutes: { GET /x: { tasks: { m: { kafka: buz, topic: t } }, reply: ok } }": "there is no kafka \"buz\"; did you mean \"bus\"?",
    "kafka: { bus: { brokers: [a] } }\nroutes: { GET /x: { tasks: { m: { kafka: bus } }, reply: ok } }": "topic",
    "kafka: { bus: { brokers: [a] } }\nroutes: { GET /x: { tasks: { m: { kafka: bus, topic: a b } }, reply: ok } }": "\"a b\" cannot be a topic",
}


@pytest.mark.parametrize("conf", WRONG)
def test_a_configuration_that_is_wrong_is_an_error_with_its_mend(leat, conf):
    daemon = leat(conf + ("" if "routes" in conf else "\nroutes: { GET /x: { reply: ok } }"), start=False)
    answer = daemon.cli("check")
    assert answer.returncode == 1
    assert WRONG[conf] in answer.out + answer.err


def test_options_reach_librdkafka(leat, cluster):
    cluster.topic("t")
    daemon = leat(CONF.replace("timeout: @TIMEOUT@", "compression: gzip, options: { batch.num.messages: 1 }"), BROKERS=cluster.bootstrap)
    assert send(daemon, "t", "x" * 1000).status == 200
    assert cluster.read("t", 1)[0].value == b"x" * 1000


def test_names_that_requests_make_up_do_not_use_a_producer_up(leat, cluster):
    """librdkafka forgets no topic: a producer that knows a thousand makes room for another, when it has nothing to do."""
    daemon = leat('''
kafka: { bus: { brokers: ["@BROKERS@"], timeout: @TIMEOUT@ } }
routes:
  POST /each/{word}:
    timeout: @TIMEOUT@
    body: { type: json }
    tasks: { all: { kafka: bus, topic: "${path.word}${item}", message: "${item}", each: "${body}", concurrency: 100 } }
    reply: { json: "${len(all.results)}" }
''', BROKERS=cluster.bootstrap, TIMEOUT=f"{30 * SLOW}s")

    cluster.topic("real2")  # one partition

    def send_to(word, numbers):
        return daemon.post(f"/each/{word}", json.dumps(list(numbers)), headers=JSON)
    assert send_to("made", range(1000)).json() == 1000
    daemon.await_line("kafka producer knows too many topics name=bus topics=1000, going on with another")
    assert send_to("real", range(3)).json() == 3
    assert [m.value for m in cluster.read("real2", 1)] == [b"2"]
    assert "given up" not in daemon.stderr
