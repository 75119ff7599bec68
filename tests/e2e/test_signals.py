"""tests/e2e/test_signals.py: how it ends, and what it does when it is told to."""
import os
import signal
import threading
import time

import pytest

from backends import hanging, holding
from leat import SLOW, Closed, await_true

CONF = """
timeouts: { shutdown: @shutdown@ }
http: { u: { url: @url@ } }
routes:
  GET /: { reply: x }
  GET /hold: { tasks: { t: { get: "u:/" } }, reply: done }
"""


def test_sigterm_ends_it_with_0(leat):
    daemon = leat("routes: { GET /: { reply: x } }")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert "stopped" in daemon.stderr


def test_sigterm_right_after_the_start(leat):
    listen = "listen: [" + ", ".join(f"\"unix:@DIR@/{i}.sock\"" for i in range(20)) + "]\n"
    for _ in range(10 if SLOW == 1 else 3):
        daemon = leat(listen + "server: { threads: 8 }\nroutes: { GET /: { reply: x } }")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0, daemon.stderr


def test_sigint_does_the_same(leat):
    daemon = leat("routes: { GET /: { reply: x } }")
    daemon.signal(signal.SIGINT)
    assert daemon.wait() == 0


def test_sigterm_drains(leat, backend):
    upstream = backend(holding({}))
    daemon = leat(CONF, url=upstream.url, shutdown="20s")
    idle = [daemon.connect() for _ in range(2)]  # one on each loop
    assert [client.get("/").status for client in idle] == [200, 200]
    busy, half = daemon.connect(), daemon.connect()
    half.send("GET / HTTP/1.1\r\nHo")
    busy.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream.await_calls(1)
    daemon.signal(signal.SIGTERM)
    assert all(c.is_closed() for c in idle)     # idle connections end at once,
    await_true(lambda: not accepts(daemon))     # nobody new comes in,
    half.send("st: a\r\n\r\n")
    assert half.response().get("connection") == "close"
    assert daemon.process.poll() is None
    upstream.release.set()
    answer = busy.response()                    # and what is in work is answered
    assert answer.text == "done" and answer.get("connection") == "close"
    assert busy.is_closed()
    assert daemon.wait() == 0


def accepts(daemon):
    try:
        daemon.connect().close()
        return True
    except ConnectionError:
        return False


def test_who_was_connected_before_sigterm_is_answered(leat):
    daemon = leat("server: { threads: 4 }\nroutes: { GET /: { reply: x } }")
    for _ in range(5 if SLOW == 1 else 2):
        daemon.signal(signal.SIGSTOP)
        clients = [daemon.connect() for _ in range(100)]  # in the kernel's queue
        for client in clients:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGCONT)
        assert all(client.response().text == "x" for client in clients)
        assert daemon.wait() == 0
        daemon = leat("server: { threads: 4 }\nroutes: { GET /: { reply: x } }")


def test_the_drain_has_an_end(leat, backend):
    upstream = backend(hanging)
    daemon = leat(CONF, url=upstream.url, shutdown="300ms")
    client = daemon.connect()
    client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream.await_calls(1)
    started = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert 0.3 <= time.monotonic() - started < 10 * SLOW
    upstream.await_left()
    with pytest.raises(Closed):
        client.response()


def test_the_end_of_the_drain_cancels_what_goes_on_without_its_client(leat, backend):
    upstream = backend(hanging)
    daemon = leat("http: { u: { url: @url@ } }\ntimeouts: { shutdown: 300ms }\n"
                  "routes: { POST /hold: { timeout: 60s, tasks: { t: { get: \"u:/\" } }, reply: x } }", url=upstream.url)
    client = daemon.connect()
    client.send("POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    upstream.await_calls(1)
    client.close()
    await_true(lambda: daemon.n_connections() == 0, what="the connection's end")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    upstream.await_left()


def test_a_second_sigterm_ends_it_at_once(leat, backend):
    upstream = backend(hanging)
    daemon = leat(CONF, url=upstream.url, shutdown="60s")
    client = daemon.connect()
    client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream.await_calls(1)
    daemon.signal(signal.SIGTERM)
    daemon.await_line("stopping connections=1")
    started = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert time.monotonic() - started < 10 * SLOW
    upstream.await_left()


def test_jobs_and_detached_tasks_are_waited_for(leat, backend):
    upstream = backend(holding({}))
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/d\", detach: true } }, reply: x } }\n"
                  "jobs: { j: { delay: 0s, tasks: { t: { get: \"u:/j\" } } } }", url=upstream.url)
    assert daemon.get("/").text == "x"
    upstream.await_calls(2)
    daemon.signal(signal.SIGTERM)
    daemon.await_line("stopping")
    upstream.release.set()
    assert daemon.wait() == 0
    assert "shutdown cancels" not in daemon.stderr


def test_a_reload_while_it_stops_is_refused_or_cut_off(leat, backend):
    upstream = backend(holding({}))
    daemon = leat(CONF, url=upstream.url, shutdown="20s")
    admin = daemon.connect(daemon.admin_address)
    assert admin.get("/readyz").status == 200
    daemon.connect().send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream.await_calls(1)
    daemon.signal(signal.SIGTERM)
    daemon.await_line("stopping")
    daemon.signal(signal.SIGHUP)
    assert admin.get("/readyz").status == 503  # a connection of the admin's goes on until the end
    assert admin.request("POST", "/v1/reload", body="").status == 422
    upstream.release.set()
    assert daemon.wait() == 0


def test_stopping_under_load_answers_what_it_took(leat):
    daemon = leat("routes: { GET /: { tasks: { t: { wait: 5ms } }, reply: x } }")
    failures, started = [], threading.Barrier(9)

    def run():
        client = daemon.connect()
        client.get("/")
        started.wait()
        while True:
            try:
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                client.head()
                client._exactly(1)
            except Closed as closed:
                if client.buf or "after b''" not in str(closed):
                    failures.append(closed)
                return
            except OSError:
                return
    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait()
    daemon.signal(signal.SIGTERM)
    for thread in threads:
        thread.join(30)
    assert daemon.wait() == 0 and failures == []


def test_sigusr1_reopens_the_access_log(leat):
    daemon = leat("routes:\n  GET /{x}: { reply: x }\n")
    daemon.get("/before")
    assert "path=/before" in daemon.access_lines(1)[0]
    log = os.path.join(daemon.dir, "access.log")
    os.rename(log, log + ".1")
    daemon.signal(signal.SIGUSR1)
    await_true(lambda: os.path.exists(log), what="the new log")
    daemon.get("/after")
    assert "path=/after" in daemon.access_lines(1)[0]
    with open(log + ".1", encoding="ascii") as file:
        assert "/after" not in file.read()


def test_sigpipe_is_no_trouble(leat):
    daemon = leat("routes: { GET /: { reply: x } }")
    daemon.signal(signal.SIGPIPE)
    assert daemon.get("/").text == "x"
