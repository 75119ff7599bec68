"""tests/e2e/test_disconnect.py: what happens to a flow when its client leaves."""
import pytest

from backends import hanging, holding
from leat import await_true

CONF = """
http: { u: { url: @url@ } }
routes:
  /any: { tasks: { t: { get: "u:/x" } } }
  GET /get: { tasks: { t: { get: "u:/x" } } }
  POST /post: { tasks: { t: { get: "u:/x" }, then: { get: "u:/y", after: t } } }
  GET /finish: { on_disconnect: finish, tasks: { t: { get: "u:/x" }, then: { get: "u:/y", after: t } } }
  POST /cancel: { on_disconnect: cancel, tasks: { t: { get: "u:/x" } } }
  GET /two: { tasks: { a: { get: "u:/x" }, b: { get: "u:/y" }, c: { wait: 20s } } }
  GET /ok: { reply: ok }
"""

LEAVE = {"closing": lambda c: c.close(), "resetting": lambda c: c.reset(), "half-closing": lambda c: c.half_close()}


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("method, target, n", [("GET", "/get", 1), ("GET", "/any", 1), ("POST", "/cancel", 1), ("GET", "/two", 2)])
def test_a_client_that_leaves_cancels(leat, backend, leave, method, target, n):
    upstream = backend(hanging)
    daemon = leat(CONF, url=upstream.url)
    client = daemon.connect()
    client.send(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream.await_calls(n)
    LEAVE[leave](client)
    upstream.await_left(n)
    await_true(lambda: daemon.status()["requests_in_work"] == 0)
    assert " status=499 " in daemon.access_lines(1)[0]
    await_true(lambda: daemon.n_connections() == 0)
    assert daemon.get("/ok").text == "ok"


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("method, target", [("POST", "/post"), ("GET", "/finish")])
def test_a_client_that_leaves_lets_it_finish(leat, backend, leave, method, target):
    upstream = backend(holding({}))
    daemon = leat(CONF, url=upstream.url)
    client = daemon.connect()
    client.send(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream.await_calls(1)
    LEAVE[leave](client)
    await_true(lambda: daemon.n_connections() == 0)
    assert daemon.status()["requests_in_work"] == 1
    upstream.release.set()
    assert [c.path for c in upstream.await_calls(2)] == ["/x", "/y"]
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_what_goes_on_without_its_client_still_knows_who_that_was(leat, backend):
    upstream = backend(holding({}))
    daemon = leat('''
http: { u: { url: @url@ } }
routes:
  POST /: { tasks: { t: { get: "u:/x" }, then: { get: "u:/y", headers: { X-From: "${client.address}" }, after: t } } }
  GET /ok: { reply: ok }
''', url=upstream.url)
    client = daemon.connect()
    host, port = client.sock.getsockname()
    client.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n")
    upstream.await_calls(1)
    client.close()
    await_true(lambda: daemon.n_connections() == 0)
    others = [daemon.connect() for _ in range(20)]  # which get the memory of the one that has gone
    for other in others:
        assert other.get("/ok").text == "ok"
    upstream.release.set()
    assert upstream.await_calls(2)[1].headers["x-from"] == f"{host}:{port}"


def test_a_half_close_with_a_request_unread_cancels_nothing(leat, backend):
    upstream = backend(holding({}))
    daemon = leat(CONF, url=upstream.url)
    with daemon.connect() as client:
        client.send("GET /get HTTP/1.1\r\nHost: a\r\n\r\n")
        upstream.await_calls(1)
        client.send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n").half_close()
        assert client.is_silent(0.25)
        upstream.release.set()
        assert client.response().status == 204
        assert client.response().text == "ok"


def test_a_client_that_leaves_during_its_body_leaves_nothing_behind(leat):
    daemon = leat("routes: { POST /: { reply: \"${body}\" } }")
    for _ in range(20):
        client = daemon.connect()
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\npart")
        client.close()
    await_true(lambda: daemon.status()["accepted"] == 20)  # the last may not have been seen yet
    await_true(lambda: daemon.n_connections() == 0)
    assert daemon.status()["requests_in_work"] == 0


def test_many_clients_that_leave_at_once(leat, backend):
    upstream = backend(hanging)
    daemon = leat(CONF, url=upstream.url)
    clients = [daemon.connect().send("GET /get HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(50)]
    upstream.await_calls(50)
    for i, client in enumerate(clients):
        client.reset() if i % 2 else client.close()
    upstream.await_left(50)
    await_true(lambda: daemon.status()["requests_in_work"] == 0)
    assert daemon.upstream("u")["in_flight"] == 0
