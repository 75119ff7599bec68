"""tests/e2e/kafka_servers.py: librdkafka's mock cluster (tests/tools/kafka_mock.c) in a process of its own."""
import os
import subprocess
import threading

import pytest
from leat import BINARY, SLOW

MOCK = os.path.join(os.path.dirname(os.path.abspath(BINARY)), "tests/tools/kafka_mock")
if not os.path.exists(MOCK):  # build/leat is a link
    MOCK = os.path.join(os.path.dirname(os.path.realpath(BINARY)), "tests/tools/kafka_mock")

needs_kafka = pytest.mark.skipif(os.environ.get("WITH_KAFKA") == "no", reason="built without Kafka")

# what brokers say, and what they are asked, by Kafka's numbers
UNKNOWN_TOPIC, NOT_LEADER, TOO_LARGE, TOPIC_DENIED, INVALID_ACKS = 3, 6, 10, 29, 21
PRODUCE, FETCH, OFFSET_COMMIT, HEARTBEAT = 0, 1, 8, 12


def to_hex(value):
    if value is None:
        return "-"
    return (value if isinstance(value, bytes) else str(value).encode()).hex()


def from_hex(word):
    return None if word == "-" else bytes.fromhex(word)


class Message:
    def __init__(self, line):
        _, partition, offset, key, value, *headers = line.split(" ")
        self.partition, self.offset = int(partition), int(offset)
        self.key, self.value = from_hex(key), from_hex(value)
        self.headers = [(h.split("=")[0], from_hex(h.split("=")[1])) for h in headers]

    def __repr__(self):
        return f"<{self.partition}@{self.offset} {self.key!r}: {self.value!r} {self.headers}>"


HURRY = 10  # times as fast runs the cluster's clock: a session_timeout of 60s is one of 6


class KafkaCluster:
    def __init__(self, brokers=1):
        self.lock = threading.Lock()
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": "report_bugs=0"}  # it is a tool
        self.process = subprocess.Popen([MOCK, str(brokers), str(HURRY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=env)
        word, _, self.bootstrap = self.process.stdout.readline().strip().partition(" ")
        assert word == "bootstrap", "the mock cluster did not start"

    def ask(self, *words):
        with self.lock:
            self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
            self.process.stdin.flush()
            lines = []
            while True:
                line = self.process.stdout.readline().rstrip("\n")
                assert line, "the mock cluster has ended"
                if line.startswith("ok"):
                    return lines
                assert not line.startswith("error"), f"{words}: {line}"
                lines.append(line)

    def topic(self, name, partitions=1):
        self.ask("topic", name, partitions)

    def send(self, topic, value, key=None, partition=-1):
        self.ask("send", topic, partition, to_hex(key), to_hex(value))

    def read(self, topic, n, partitions=1, wait=5000):
        """n messages from the beginning; fewer only when none comes for that long."""
        return [Message(line) for line in self.ask("read", topic, partitions, n, wait * SLOW)]

    def committed(self, group, topic, partition=0):
        return int(self.ask("committed", group, topic, partition)[0].split(" ")[1])

    def down(self, broker=1):
        self.ask("down", broker)

    def up(self, broker=1):
        self.ask("up", broker)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
