"""tests/e2e/test_systemd.py: what systemd is told, over a socket of its kind."""
import os
import re
import shutil
import signal
import socket
import tempfile
import time

import pytest

from leat import TIMEOUT


class Notify:
    """What NOTIFY_SOCKET names: a datagram a message, each a set of assignments."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="leat-")
        self.path = os.path.join(self.dir, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(TIMEOUT)

    def next(self):
        return dict(line.partition("=")[::2] for line in self.sock.recv(65536).decode().splitlines())

    def until(self, key, value=None):
        while True:
            message = self.next()
            if key in message and value in (None, message[key]):
                return message

    def close(self):
        self.sock.close()
        shutil.rmtree(self.dir)


@pytest.fixture
def notify():
    notify = Notify()
    yield notify
    notify.close()


def test_it_says_when_it_is_ready_reloading_and_stopping(leat, notify):
    daemon = leat("routes: { GET /: { reply: x } }", env={"NOTIFY_SOCKET": notify.path})
    message = notify.until("READY", "1")
    assert message["STATUS"] == "serving generation 1"
    before = time.monotonic_ns() // 1000
    assert daemon.reload().returncode == 0
    message = notify.until("RELOADING", "1")
    assert before <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    message = notify.until("READY", "1")
    assert message["STATUS"] == "serving generation 2"
    daemon.signal(signal.SIGTERM)
    notify.until("STOPPING", "1")
    assert daemon.wait() == 0


def test_a_refused_reload_is_ready_again_and_says_why(leat, notify):
    daemon = leat("routes: { GET /: { reply: x } }", env={"NOTIFY_SOCKET": notify.path})
    notify.until("READY")
    assert daemon.reload("routes:\n  GET /: { rply: x }").returncode == 1
    assert "MONOTONIC_USEC" in notify.until("RELOADING")
    message = notify.until("READY", "1")
    status = message if "STATUS" in message else notify.until("STATUS")
    assert re.fullmatch(r"reload refused, generation 1 goes on: \S*leat.yaml:7: unknown key \"rply\".*", status["STATUS"])


def test_it_is_ready_only_when_it_can_be_reached(leat, notify):
    daemon = leat("routes: { GET /: { reply: x } }", env={"NOTIFY_SOCKET": notify.path})
    notify.until("READY")
    assert daemon.get("/").text == "x"


def test_the_watchdog_is_fed(leat, notify):
    leat("routes: { GET /: { reply: x } }", shell="WATCHDOG_USEC=200000 WATCHDOG_PID=$$",
         env={"NOTIFY_SOCKET": notify.path})
    notify.until("READY")
    last = time.monotonic()
    for _ in range(5):
        notify.until("WATCHDOG", "1")
        assert time.monotonic() - last < TIMEOUT
        last = time.monotonic()


def test_the_watchdog_of_another_process_is_not_fed(leat, notify):
    leat("routes: { GET /: { reply: x } }", env={"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"})
    notify.until("READY")
    notify.sock.settimeout(0.2)
    with pytest.raises(socket.timeout):
        notify.until("WATCHDOG")


def test_the_watchdog_is_not_fed_while_it_is_stopped(leat, notify):
    daemon = leat("routes: { GET /: { reply: x } }", shell="WATCHDOG_USEC=100000 WATCHDOG_PID=$$",
                  env={"NOTIFY_SOCKET": notify.path})
    notify.until("WATCHDOG")
    daemon.signal(signal.SIGSTOP)
    try:
        notify.sock.settimeout(0.3)
        with pytest.raises(socket.timeout):
            while True:
                notify.next()
    finally:
        daemon.signal(signal.SIGCONT)
    notify.sock.settimeout(TIMEOUT)
    notify.until("WATCHDOG")
