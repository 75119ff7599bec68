"""tests/e2e/test_sql_hostile.py: `sql:` with a server that speaks PostgreSQL's protocol, and lies."""
import os
import socket
import struct
import threading

import pytest

from leat import FLAVOR

pytestmark = pytest.mark.skipif(os.environ.get("WITH_POSTGRES") == "no", reason="built without PostgreSQL")


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def columns(*names):
    return message(b"T", struct.pack("!H", len(names)) +
                   b"".join(name + b"\0" + struct.pack("!IHIhIH", 0, 0, 23, 4, 0xffffffff, 0) for name in names))


def row(*texts):
    return message(b"D", struct.pack("!H", len(texts)) + b"".join(struct.pack("!I", len(text)) + text for text in texts))


READY = message(b"Z", b"I")
HELLO = message(b"R", struct.pack("!I", 0)) + message(b"K", struct.pack("!II", 1, 2)) + READY
SET = message(b"1") + message(b"2") + message(b"n") + message(b"C", b"SET\0")
SET_UP, PREPARED = SET * 4 + READY, message(b"1") + message(b"t", b"\0\0") + columns(b"a") + READY
BEGUN = message(b"2") + columns(b"a")
ROWS = BEGUN + row(b"1") + message(b"C", b"SELECT 1\0") + READY
COPY = b"\0\0\1\0\0"
NOTIFY = message(b"A", b"\0\0\0\1channel\0payload\0")

LIES = {  # what is said to the set-up, to PREPARE, to the query
    "an end too many": (SET_UP + READY + READY, PREPARED, ROWS),
    "an end too early": (READY + SET_UP, PREPARED, ROWS),
    "no set-up but a copy": (message(b"1") + message(b"2") + message(b"H", COPY), PREPARED, ROWS),
    "nothing prepared": (SET_UP, READY, ROWS),
    "an end before what was prepared": (SET_UP, READY + PREPARED, ROWS),
    "two ends and no rows": (SET_UP, PREPARED, READY + READY),
    "a copy out": (SET_UP, PREPARED, message(b"2") + message(b"H", COPY) + READY),
    "a copy in": (SET_UP, PREPARED, message(b"2") + message(b"G", COPY) + READY),
    "a copy both": (SET_UP, PREPARED, message(b"2") + message(b"W", COPY) + READY),
    "sixty thousand columns": (SET_UP, PREPARED, message(b"2") + columns(*[b"c%d" % i for i in range(60000)]) + message(b"C", b"SELECT 0\0") + READY),
    "a length of two gigabytes": (SET_UP, PREPARED, BEGUN + b"D\x7f\xff\xff\xf0\0\1"),
    "a length below zero": (SET_UP, PREPARED, BEGUN + b"D\xff\xff\xff\xf0\0\1"),
    "no protocol": (SET_UP, PREPARED, b"\0\1\2\3" * 100),
}


class Liar:
    """Says to the n-th block of what is asked the n-th of `answers`, whatever it was; then nothing."""

    def __init__(self, answers):
        self.answers = answers
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rb") as asked:
            try:
                asked.read(struct.unpack("!I", asked.read(4))[0] - 4)
                client.sendall(HELLO)
                for answer in self.answers:
                    kind = b""
                    while kind not in (b"S", b"H"):
                        kind, size = struct.unpack("!cI", asked.read(5))
                        asked.read(size - 4)
                    client.sendall(answer)
                asked.read()
            except (OSError, struct.error):
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def conf(liars):
    databases = "".join(f'  d{i}: {{ url: "postgres://u@127.0.0.1:{liar.port}/d?sslmode=disable", pool: {{ max: 1 }} }}\n'
                        for i, liar in enumerate(liars))
    routes = "".join(f'  GET /{i}: {{ tasks: {{ q: {{ sql: d{i}, query: "select 1 as a" }} }}, reply: {{ json: "${{q.rows}}" }} }}\n'
                     for i in range(len(liars)))
    return f"sql:\n{databases}server: {{ threads: 1 }}\nroutes:\n{routes}  GET /ok: {{ reply: ok }}\n"


@pytest.fixture
def liars():
    opened = []

    def open_them(*scripts):
        opened.extend(Liar(script) for script in scripts)
        return opened
    yield open_them
    for liar in opened:
        liar.close()


def test_what_is_no_answer_costs_the_task_and_not_the_loop(leat, liars):
    daemon = leat(conf(liars((SET_UP, PREPARED, ROWS), *LIES.values())))
    assert daemon.get("/0").json() == [{"a": 1}]
    for i, name in enumerate(LIES, 1):
        answer = daemon.get(f"/{i}")
        assert (answer.status, answer.json()["code"] in ("sql_error", "connect_failed", "too_large")) == (502, True), (name, answer)
        assert daemon.get("/ok").text == "ok", name
    # libpq says nothing by itself, of its files for passwords for one
    assert "WARNING" not in daemon.stderr


@pytest.mark.skipif(FLAVOR != "release", reason="a sanitizer keeps what was freed")
def test_notifications_that_nobody_listens_to_are_not_kept(leat, liars):
    daemon = leat(conf(liars((SET_UP, PREPARED, ROWS), (SET_UP, PREPARED, NOTIFY * 300000 + ROWS))))
    assert daemon.get("/0").status == 200
    before = daemon.memory_kib()
    assert daemon.get("/1").json() == [{"a": 1}]
    assert daemon.memory_kib() < before + 8192
