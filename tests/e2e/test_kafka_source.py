"""tests/e2e/test_kafka_source.py: jobs whose messages come from topics, as members of a consumer group."""
import json
import threading

import pytest
from kafka_servers import needs_kafka
from leat import SLOW, await_true

pytestmark = needs_kafka

CONF = r'''
kafka: { bus: { brokers: ["@BROKERS@"] } }
http: { sink: { url: "@SINK@" } }
routes: { GET /: { reply: ok } }
jobs:
  read:
    source: { kafka: bus, topic: in, group: g, session_timeout: 60s @MORE@ }
    @JOB@
    tasks:
      m: { post: "sink:/", json: "${message}" }
'''


class Sink:
    """A service that keeps what it is sent; `answer` says what it answers, and may wait."""

    def __init__(self, backend):
        self.lock, self.messages, self.answer = threading.Lock(), [], lambda message: 200
        self.backend = backend(self.handle)

    def handle(self, call):
        message = json.loads(call.body)
        status = self.answer(message)
        if status == 200:
            with self.lock:
                self.messages.append(message)
        call.json({}, status=status)

    def __len__(self):
        return len(self.messages)

    def values(self):
        with self.lock:
            return [m["value"] for m in self.messages]


@pytest.fixture
def sink(backend):
    return Sink(backend)


@pytest.fixture
def reader(leat, cluster, sink):
    daemons = []

    def start(more="", job="", conf=CONF, **names):
        daemons.append(leat(conf, BROKERS=cluster.bootstrap, SINK=sink.backend.url, MORE=more, JOB=job, **names))
        return daemons[-1]
    yield start
    for daemon in daemons:  # before the cluster goes
        if daemon.code is None:
            daemon.stop()


def source(daemon, name="read"):
    """What the jobs say of it; before it is open, as if it had nothing."""
    job = next(j for j in daemon.admin("GET", "/v1/jobs").json()["jobs"] if j["name"] == name)
    return {"partitions": 0, "paused": False, "state": "closed", **job["messages"]}


def test_a_message_has_all_that_kafka_says_of_it(reader, cluster, sink):
    cluster.topic("in", 2)
    cluster.send("in", "é", key="k", partition=1)
    cluster.send("in", None, partition=0)
    reader()
    await_true(lambda: len(sink) == 2, 30)
    first, second = sorted(sink.messages, key=lambda m: -m["partition"])
    timestamp = first.pop("timestamp")
    assert first == {"value": "é", "key": "k", "headers": {}, "topic": "in", "partition": 1, "offset": 0}
    assert timestamp > 1_500_000_000_000
    assert (second["value"], second["key"]) == (None, None)


def test_messages_of_a_partition_are_handled_in_order_and_committed_after(reader, cluster, sink):
    cluster.topic("in", 2)
    for i in range(40):
        cluster.send("in", i, partition=i % 2)
    daemon = reader(job="concurrency: 4")
    await_true(lambda: len(sink) == 40, 30)
    for partition in (0, 1):
        assert [int(m["value"]) for m in sink.messages if m["partition"] == partition] == list(range(partition, 40, 2))
    await_true(lambda: [cluster.committed("g", "in", p) for p in (0, 1)] == [20, 20], 30)
    assert source(daemon)["done"] == 40 and source(daemon)["partitions"] == 2


def test_what_was_not_handled_is_had_again_by_the_next_member(reader, cluster, sink):
    cluster.topic("in")
    for i in range(3):
        cluster.send("in", i, partition=0)
    gate = threading.Event()
    sink.answer = lambda message: 200 if message["value"] == "0" or gate.wait(60 * SLOW) else 500
    daemon = reader()
    await_true(lambda: cluster.committed("g", "in") == 1, 30)
    daemon.signal(9)
    daemon.process.wait()
    daemon.code = 0
    gate.set()
    reader()
    await_true(lambda: cluster.committed("g", "in") == 3, 60)
    assert sink.values()[0] == "0" and {"1", "2"} <= set(sink.values())


def test_a_message_that_fails_is_tried_again_and_then_a_dead_letter(reader, cluster, sink):
    cluster.topic("in")
    cluster.topic("dead")
    tries = []

    def answer(message):
        tries.append(message["value"])
        return 500 if message["value"] == "bad" else 200
    sink.answer = answer
    for value in ("bad", "good"):
        cluster.send("in", value, key="k", partition=0)
    daemon = reader(more=", dead_letter: dead", job="retry: { times: 2, wait: 10ms }")
    await_true(lambda: cluster.committed("g", "in") == 2, 30)
    assert tries == ["bad"] * 3 + ["good"]
    dead = cluster.read("dead", 1)[0]
    assert (dead.key, dead.value) == (b"k", b"bad")
    assert dict(dead.headers) == {"leat-error": b"upstream_status", "leat-topic": b"in", "leat-partition": b"0", "leat-offset": b"0"}
    assert (source(daemon)["failed"], source(daemon)["retried"]) == (1, 2)


def test_without_a_dead_letter_topic_a_failed_message_is_logged_and_left(reader, cluster, sink):
    cluster.topic("in")
    sink.answer = lambda message: 500 if message["value"] == "bad" else 200
    for value in ("bad", "good"):
        cluster.send("in", value, partition=0)
    daemon = reader()
    await_true(lambda: cluster.committed("g", "in") == 2, 30)
    daemon.await_line("message is left behind job=read topic=in partition=0 offset=0 error=upstream_status")
    assert sink.values() == ["good"]


def test_a_batch_has_messages_of_one_partition_in_order(reader, cluster, sink):
    cluster.topic("in")
    for i in range(10):
        cluster.send("in", i, partition=0)
    conf = CONF.replace('json: "${message}"', 'json: { value: "${message.messages}", n: "${message.count}" }')
    reader(job="batch: { max: 4, wait: 100ms }", conf=conf)
    await_true(lambda: sum(len(v) for v in sink.values()) == 10, 30)
    assert [int(m["value"]) for batch in sink.values() for m in batch] == list(range(10))
    assert max(len(v) for v in sink.values()) <= 4
    await_true(lambda: cluster.committed("g", "in") == 10, 30)


def test_order_is_kept_for_each_key_where_it_is_asked_for(reader, cluster, sink):
    cluster.topic("in")
    gate = threading.Event()
    sink.answer = lambda message: 200 if message["key"] != "slow" or gate.wait(60 * SLOW) else 500
    for i in range(6):
        cluster.send("in", i, key="slow" if i % 2 == 0 else "fast", partition=0)
    reader(more=", order: key", job="concurrency: 4")
    await_true(lambda: sink.values() == ["1", "3", "5"], 30)
    assert cluster.committed("g", "in") < 1  # what is behind a message that is in work is not committed
    gate.set()
    await_true(lambda: len(sink) == 6, 30)
    assert [v for v in sink.values() if int(v) % 2 == 0] == ["0", "2", "4"]
    await_true(lambda: cluster.committed("g", "in") == 6, 30)


def test_partitions_are_paused_while_there_is_no_room(reader, cluster, sink):
    cluster.topic("in")
    gate = threading.Event()
    sink.answer = lambda message: 200 if gate.wait(60 * SLOW) else 500
    for i in range(60):
        cluster.send("in", i, partition=0)
    daemon = reader(job="waiting: 10")
    await_true(lambda: source(daemon)["paused"], 30)
    assert source(daemon)["received"] == 11 or source(daemon)["received"] == 10
    gate.set()
    await_true(lambda: len(sink) == 60, 60)
    assert sorted(map(int, sink.values())) == list(range(60))
    assert [int(v) for v in sink.values()] == list(range(60))


def test_members_share_the_partitions_and_nothing_is_lost_when_one_leaves(reader, cluster, sink):
    cluster.topic("in", 4)
    one = reader()
    await_true(lambda: source(one)["partitions"] == 4, 60)
    two = reader()
    await_true(lambda: (source(one)["partitions"], source(two)["partitions"]) == (2, 2), 60)
    for i in range(40):
        cluster.send("in", i, partition=i % 4)
    await_true(lambda: len(sink) >= 40, 60)
    assert source(two)["done"] > 0
    two.stop()
    await_true(lambda: source(one)["partitions"] == 4, 60)
    for i in range(40, 60):
        cluster.send("in", i, partition=i % 4)
    await_true(lambda: {int(v) for v in sink.values()} == set(range(60)), 60)


def test_what_runs_ends_before_its_partitions_go(reader, cluster, sink):
    cluster.topic("in", 2)
    gate, lock, busy, most = threading.Event(), threading.Lock(), {0: 0, 1: 0}, []

    def answer(message):
        with lock:
            busy[message["partition"]] += 1
            most.append(max(busy.values()))
        gate.wait(60 * SLOW)
        with lock:
            busy[message["partition"]] -= 1
        return 200
    sink.answer = answer
    for partition in (0, 1):
        cluster.send("in", "slow", partition=partition)
    one = reader(job="concurrency: 2")
    await_true(lambda: sum(busy.values()) == 2, 60)
    two = reader(job="concurrency: 2")
    await_true(lambda: source(two)["state"] == "idle" and source(one)["in_work"] == 2)
    assert source(one)["partitions"] == 2 and source(two)["partitions"] == 0
    gate.set()
    await_true(lambda: (source(one)["partitions"], source(two)["partitions"]) == (1, 1), 60)
    await_true(lambda: [cluster.committed("g", "in", p) for p in (0, 1)] == [1, 1], 60)
    assert max(most) == 1, "a message was in work with two members"


def test_a_stop_commits_what_was_in_work_and_leaves_the_rest(reader, cluster, sink):
    cluster.topic("in")
    gate = threading.Event()
    sink.answer = lambda message: 200 if gate.wait(60 * SLOW) else 500
    for i in range(5):
        cluster.send("in", i, partition=0)
    daemon = reader()
    await_true(lambda: source(daemon)["in_work"] == 1 and source(daemon)["waiting"] == 4, 60)
    daemon.signal(15)
    daemon.await_line("stopping")
    gate.set()
    daemon.wait()
    # whatever its loop had begun when the stop came to it is committed, and nothing else
    assert cluster.committed("g", "in") == len(sink) and sink.values() == [str(i) for i in range(len(sink))]


def test_a_broker_that_is_away_stops_no_start_and_comes_back(reader, cluster, sink):
    cluster.topic("in")
    cluster.down()
    daemon = reader()
    assert daemon.get("/").status == 200
    cluster.up()
    cluster.send("in", "x", partition=0)
    await_true(lambda: len(sink) == 1, 60)


def test_a_job_that_is_paused_reads_nothing(reader, cluster, sink):
    cluster.topic("in")
    daemon = reader()
    await_true(lambda: source(daemon)["partitions"] == 1, 30)
    assert daemon.admin("POST", "/v1/jobs/read/pause").status < 300
    await_true(lambda: source(daemon)["state"] == "closed", 30)
    cluster.send("in", "x", partition=0)
    assert len(sink) == 0
    assert daemon.admin("POST", "/v1/jobs/read/resume").status < 300
    await_true(lambda: len(sink) == 1, 60)


def test_bytes_are_told_as_base64_or_are_a_failure(reader, cluster, sink):
    cluster.topic("in")
    cluster.send("in", b"\xff\x00", partition=0)
    daemon = reader()
    daemon.await_line("message is left behind.*offset=0 error=invalid_input", 30)
    daemon.stop()
    reader(more=", encoding: base64", conf=CONF.replace("group: g", "group: h"))
    await_true(lambda: sink.values() == ["/wA="], 60)


WRONG = {
    "{ kafka: buz, topic: t, group: g }": "there is no kafka \"buz\"; did you mean \"bus\"?",
    "{ kafka: bus, group: g }": "needs one of topic and topics",
    "{ kafka: bus, topic: t, topics: [u], group: g }": "needs one of topic and topics",
    "{ kafka: bus, topic: t }": "group",
    "{ kafka: bus, topic: a b, group: g }": "\"a b\" cannot be a topic",
    "{ kafka: bus, topic: t, group: g, dead_letter: a b }": "\"a b\" cannot be a topic",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_source_that_is_wrong_is_an_error_with_its_mend(leat, text):
    daemon = leat("kafka: { bus: { brokers: [a] } }\nroutes: { GET /: { reply: ok } }\n"
                  f"jobs: {{ j: {{ source: {text}, tasks: {{ a: {{ value: 1 }} }} }} }}\n", start=False)
    answer = daemon.cli("check")
    assert answer.returncode == 1 and WRONG[text] in answer.err
