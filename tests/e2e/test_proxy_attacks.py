"""tests/e2e/test_proxy_attacks.py: what a client may try, so that the upstream takes a request for another one than leat does."""
import threading

import pytest

from backends import send_head
from leat import FLAVOR, await_true

CONF = """
http: { app: { url: "@UP@" } }
routes:
  /api/{path...}: { proxy: app }
  /own/{path...}: { proxy: { to: app, preserve_host: true, headers: { X-User: leat, X-Secret: null } } }
  /kept/{path...}: { proxy: { to: app, cache: true } }
"""


def mirror(call):
    """Says what came."""
    call.json({name.lower(): value for name, value in call.fields})


def ask(client, target, *fields):
    return client.send("\r\n".join([f"GET {target} HTTP/1.1", "Host: a.test", *fields, "", ""])).response()


def test_names_that_a_server_may_take_for_those_that_leat_writes_are_not_passed_on(leat, backend):
    daemon = leat(CONF, UP=backend(mirror).url)
    forged = ["X_Forwarded_For: 6.6.6.6", "X-Forwarded_Proto: https", "x_request_id: me", "Transfer_Encoding: chunked", "Content_Length: 3"]
    with daemon.connect() as client:
        came = ask(client, "/api/", *forged, "X_User: me", "X_Other: 1").json()
        assert not [name for name in came if "_" in name and name not in ("x_user", "x_other")]
        assert (came["x-forwarded-for"], came["x-forwarded-proto"], came["x_user"], came["x_other"]) == ("127.0.0.1", "http", "me", "1")
        came = ask(client, "/own/", *forged, "X_User: me", "X_SECRET: 1", "X_Other: 1").json()
        assert (came["x-user"], came["x_other"]) == ("leat", "1") and not {"x_user", "x_secret"} & set(came)


def test_the_host_of_an_absolute_target_is_that_of_the_request(leat, backend):
    daemon = leat(CONF, UP=backend(mirror).url)
    with daemon.connect() as client:
        came = ask(client, "http://B.test:81/own/").json()
        assert (came["host"], came["x-forwarded-host"]) == ("B.test:81", "B.test:81")
        came = ask(client, "/own/").json()
        assert (came["host"], came["x-forwarded-host"]) == ("a.test", "a.test")


@pytest.mark.parametrize("protocols", ["h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.3, HTTP/1.1"])
def test_nobody_gets_a_tunnel_for_requests_of_his_own(leat, backend, protocols):
    daemon = leat(CONF, UP=backend(mirror).url)
    with daemon.connect() as client:
        for connection in ("Upgrade, HTTP2-Settings", "Upgrade"):
            answer = ask(client, "/api/", f"Connection: {connection}", f"Upgrade: {protocols}", "HTTP2-Settings: AAMAAABkAAQAAP__")
            assert answer.status == 200 and not {"upgrade", "connection", "http2-settings"} & set(answer.json())


def test_a_client_learns_which_of_its_protocols_was_chosen(leat, backend):
    daemon = leat(CONF, UP=backend(lambda call: send_head(call, "Connection: Upgrade", "Upgrade: chat/2", status=101), raw=True).url)
    with daemon.connect() as client:
        answer = client.send("GET /api/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, chat/2\r\n\r\n").head()
        assert (answer.status, answer.all("upgrade"), answer.get("connection")) == (101, ["chat/2"], "Upgrade")


def test_an_answer_whose_connection_names_more_than_anybody_needs_is_a_bad_response(leat, backend):
    names = ",".join(f"a{n}" for n in range(40))
    daemon = leat(CONF, UP=backend(lambda call: call.reply("ok", headers={"Connection": names})).url)
    for path in ("/api/", "/kept/"):
        answer = daemon.get(path)
        assert (answer.status, answer.json()["code"]) == (502, "bad_response")
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_what_was_made_without_a_field_that_connection_names_is_not_kept_for_those_who_send_it(leat, backend):
    server = backend(lambda call: call.reply(call.headers.get("accept-language", "none"),
                                             headers={"Cache-Control": "max-age=60", "Vary": "Accept-Language"}))
    daemon = leat(CONF, UP=server.url)
    with daemon.connect() as client:
        for _ in range(2):
            answer = ask(client, "/kept/", "Connection: Accept-Language", "Accept-Language: de")
            assert answer.body == b"none" and "stored" not in answer.all("cache-status")[-1]
        assert ask(client, "/kept/", "Accept-Language: de").body == b"de"
        answer = ask(client, "/kept/", "Accept-Language: de")
        assert answer.body == b"de" and answer.all("cache-status")[-1].startswith("leat; hit")
    assert len(server.calls) == 3  # nor did it keep others from keeping theirs


def test_what_was_made_for_another_origin_by_the_word_of_a_client_is_not_kept(leat, backend):
    server = backend(lambda call: call.reply(call.headers.get("x-forwarded-host", "none"), headers={"Cache-Control": "max-age=60"}))
    daemon = leat(CONF.replace("cache: true", "cache: true, forwarded: off"), UP=server.url)
    with daemon.connect() as client:
        assert ask(client, "/kept/", "X-Forwarded-Host: evil").body == b"evil"
        assert ask(client, "/kept/", "X-Forwarded-Proto: https").body == b"none"
        assert ask(client, "/kept/", "Forwarded: host=evil").body == b"none"
        for _ in range(2):
            assert ask(client, "/kept/", "X-Forwarded-Host: A.test", "X-Forwarded-Proto: http").body == b"A.test"
        assert ask(client, "/kept/").body == b"A.test"
    assert len(server.calls) == 4


def test_a_body_in_chunks_of_one_byte_costs_no_more_than_others(leat, backend):
    n_clients, n_chunks = 4, 50000
    whole = threading.Semaphore(0)

    def handler(call):
        end = b""
        while not end.endswith(b"0\r\n\r\n"):
            end = (end + call.some())[-5:]
        whole.release()
        call.backend.release.wait()
        call.reply("ok")
    server = backend(handler, raw=True)
    daemon = leat(CONF, UP=server.url)
    daemon.get("/none")
    before = daemon.memory_kib()
    clients = [daemon.connect() for _ in range(n_clients)]
    for client in clients:
        client.send(b"PUT /api/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * n_chunks + b"0\r\n\r\n")
    for _ in clients:
        whole.acquire()
    assert FLAVOR != "release" or daemon.memory_kib() - before < 4096  # sanitizers keep what is freed
    server.release.set()
    assert [client.response().body for client in clients] == [b"ok"] * n_clients
