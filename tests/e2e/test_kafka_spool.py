"""tests/e2e/test_kafka_spool.py: `spool: true`: what was acknowledged reaches the brokers, whatever happens in between."""
import contextlib
import json
import random
import threading

import pytest
from kafka_servers import PRODUCE, TOO_LARGE, needs_kafka
from leat import SLOW, Client, Closed, await_true
from upgrades import upgrade

pytestmark = needs_kafka

CONF = r'''
store: { path: "@DIR@/leat.db" }
kafka: { bus: { brokers: ["@BROKERS@"], timeout: 5s, spool: 1000 } }
routes:
  POST /keep/{topic}:
    body: { type: json }
    tasks:
      m: { kafka: bus, topic: "${path.topic}", key: "${body.key}", message: "${body.value}", headers: { a: "${body.value}", b: null }, spool: true }
    reply: { json: "${m}" }
'''
JSON = [("Content-Type", "application/json")]


@pytest.fixture
def daemon(leat, cluster):
    return leat(CONF, BROKERS=cluster.bootstrap)


def keep(daemon, value, key=None, topic="t", client=None):
    body = json.dumps({"key": key, "value": value})
    return (client or daemon).request("POST", f"/keep/{topic}", body, JSON)


def kafka(daemon):
    return daemon.status()["kafka"][0]


def await_sent(daemon):
    await_true(lambda: kafka(daemon)["spooled"] == 0, 40)


def test_a_message_is_kept_and_then_sent_as_it_is(daemon, cluster):
    cluster.topic("t")
    values = ["a é\n", "", {"a": [1, None]}, None]
    for value in values:
        answer = keep(daemon, value, key="k")
        assert (answer.status, answer.json()) == (200, {"topic": "t", "partition": None, "offset": None})
    await_sent(daemon)
    messages = cluster.read("t", 4)
    assert [m.value for m in messages] == ["a é\n".encode(), b"", b'{"a":[1,null]}', None]
    assert {m.key for m in messages} == {b"k"}
    assert messages[0].headers == [("a", "a é\n".encode()), ("b", None)]
    metrics = daemon.admin("GET", "/metrics").text
    assert 'leat_kafka_spooled{kafka="bus"} 0\n' in metrics and 'leat_kafka_given_up_total{kafka="bus"} 0\n' in metrics


def test_a_task_succeeds_without_any_broker_and_the_depth_is_told(daemon, cluster):
    cluster.topic("t")
    cluster.down()
    for i in range(20):
        assert keep(daemon, i, key=f"k{i % 2}").status == 200
    assert kafka(daemon)["spooled"] == 20
    assert 'leat_kafka_spooled{kafka="bus"} 20\n' in daemon.admin("GET", "/metrics").text
    cluster.up()
    await_sent(daemon)
    messages = cluster.read("t", 20)
    for key in (0, 1):
        assert [int(m.value) for m in messages if m.key == b"k%d" % key] == list(range(key, 20, 2))


def test_what_is_kept_is_bounded(leat, cluster):
    cluster.down()
    daemon = leat(CONF.replace("spool: 1000", "spool: 5"), BROKERS=cluster.bootstrap)
    for i in range(5):
        assert keep(daemon, i).status == 200
    answer = keep(daemon, 5)
    assert (answer.status, answer.json()["code"]) == (503, "queue_full")
    assert kafka(daemon)["spooled"] == 5


def test_what_is_kept_outlives_a_stop_and_a_kill(daemon, cluster):
    cluster.topic("t")
    cluster.down()
    for i in range(10):
        assert keep(daemon, i, key="k").status == 200
    daemon.restart(15)
    await_true(lambda: kafka(daemon)["spooled"] == 10)
    for i in range(10, 20):
        assert keep(daemon, i, key="k").status == 200
    daemon.restart(9)
    await_true(lambda: kafka(daemon)["spooled"] == 20)
    cluster.up()
    await_sent(daemon)
    assert [int(m.value) for m in cluster.read("t", 20)] == list(range(20))


def test_what_is_kept_is_sent_once_and_in_order_whichever_process_of_an_upgrade_sends_it(daemon, cluster):
    cluster.topic("t")
    cluster.down()
    for i in range(5):
        assert keep(daemon, i, key="k").status == 200
    old = upgrade(daemon, wait=False)
    for i in range(5, 10):  # to the new process: the store is the old one's until that has ended
        assert keep(daemon, i, key="k").status == 200
    assert old.wait(15 * SLOW) == 0
    await_true(lambda: kafka(daemon)["spooled"] == 10)
    cluster.up()
    for i in range(10, 20):  # while what is older is on its way
        assert keep(daemon, i, key="k").status == 200
        if i == 14:
            upgrade(daemon)
    await_sent(daemon)
    assert [int(m.value) for m in cluster.read("t", 20)] == list(range(20))


def test_nothing_that_was_acknowledged_is_lost_by_kills_and_dying_brokers(daemon, cluster):
    cluster.topic("t", 2)
    rng = random.Random(7)
    acknowledged = {key: [] for key in range(4)}
    stop = threading.Event()
    lock = threading.Lock()

    def work(key):
        n = 0
        while not stop.is_set():
            with lock:
                address = daemon.addresses[0] if daemon.addresses else None
            try:
                with contextlib.closing(Client(address)) as client:
                    while not stop.is_set():
                        if keep(daemon, n, key=str(key), client=client).status == 200:
                            acknowledged[key].append(n)
                        n += 1
            except (Closed, OSError, TypeError, AssertionError):
                n += 1
                stop.wait(0.05)
    threads = [threading.Thread(target=work, args=(key,)) for key in acknowledged]
    for thread in threads:
        thread.start()
    for _ in range(4):
        seen = sum(map(len, acknowledged.values()))
        await_true(lambda seen=seen: sum(map(len, acknowledged.values())) > seen + rng.randrange(20, 80), 30)
        cluster.down()
        seen = sum(map(len, acknowledged.values()))
        await_true(lambda seen=seen: sum(map(len, acknowledged.values())) > seen + 20, 30)
        daemon.restart(9)
        cluster.up()
    stop.set()
    for thread in threads:
        thread.join()
    await_sent(daemon)
    messages = cluster.read("t", 1_000_000, partitions=2)
    for key, numbers in acknowledged.items():
        got = [int(m.value) for m in messages if m.key == str(key).encode()]
        assert set(numbers) <= set(got), f"lost: {sorted(set(numbers) - set(got))}"
        first = list(dict.fromkeys(got))  # what was sent twice counts where it came first
        assert first == sorted(first), "out of order"


def test_a_message_that_brokers_refuse_is_kept_and_told_and_others_go_on(daemon, cluster):
    cluster.topic("t")
    assert keep(daemon, "first").status == 200
    await_sent(daemon)
    cluster.ask("errors", PRODUCE, *[TOO_LARGE] * 5)
    assert keep(daemon, "refused", key="k").status == 200
    daemon.await_line("kafka message is refused again and again name=bus topic=t error=MSG_SIZE_TOO_LARGE", 40)
    assert keep(daemon, "next", key="k").status == 200
    await_true(lambda: (kafka(daemon)["spooled"], kafka(daemon)["given_up"]) == (1, 1), 30)
    assert [m.value for m in cluster.read("t", 2)] == [b"first", b"next"]
    daemon.restart(15)
    await_sent(daemon)
    assert [m.value for m in cluster.read("t", 3)] == [b"first", b"next", b"refused"]


def test_an_entry_that_a_reload_changes_goes_on_with_what_is_kept(daemon, cluster):
    cluster.topic("t")
    cluster.down()
    for i in range(5):
        assert keep(daemon, i, key="k").status == 200
    assert daemon.reload(daemon.expand(CONF).replace("brokers:", "client_id: other, brokers:")).returncode == 0
    assert kafka(daemon)["spooled"] == 5
    cluster.up()
    await_sent(daemon)
    got = [int(m.value) for m in cluster.read("t", 5)]
    assert got[-1] == 4 and list(dict.fromkeys(got)) == [0, 1, 2, 3, 4]


def test_what_is_kept_waits_for_its_entry(leat, cluster):
    daemon = leat(CONF, BROKERS=cluster.bootstrap)
    cluster.topic("t")
    cluster.down()
    assert keep(daemon, 1).status == 200
    daemon.write_conf('store: { path: "@DIR@/leat.db" }\nroutes: { GET /: { reply: ok } }\n')
    daemon.restart(15)
    assert daemon.status()["kafka"] == []
    cluster.up()
    # no task spools any more, and what was kept goes out all the same
    assert daemon.reload(daemon.expand('store: { path: "@DIR@/leat.db" }\nkafka: { bus: { brokers: ["@BROKERS@"] } }\n'
                                       "routes: { GET /: { reply: ok } }\n")).returncode == 0
    await_sent(daemon)
    assert [m.value for m in cluster.read("t", 1)] == [b"1"]


def test_acks_and_spool_are_not_for_one_task(leat):
    daemon = leat("kafka: { bus: { brokers: [a] } }\nroutes: { GET /x: { tasks: { m: { kafka: bus, topic: t, acks: none, spool: true } }, reply: ok } }\n", start=False)
    answer = daemon.cli("check")
    assert answer.returncode == 1 and "remove acks, or spool" in answer.err
