"""tests/e2e/test_tls.py: listeners with TLS."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from certs import Certs, common_name, connect, context, secure
from leat import Client, Closed, await_true, check
from upgrades import upgrade

ROUTES = """
routes:
  GET /: { reply: hello }
  GET /tls: { reply: { json: { tls: "${tls}", scheme: "${request.scheme}", client: "${tls.client}" } } }
  GET /big: { reply: "@BIG@" }
  POST /echo: { reply: { body: "${request.body}" } }
  GET /static/{path...}: { files: "@WWW@" }
  GET /slow: { tasks: { w: { wait: 200ms } }, reply: slow }
"""


@pytest.fixture(scope="module")
def certs():
    made = Certs()
    made.make("ca").make("other").make("clients")
    made.make("a", "DNS:a.test", "IP:127.0.0.1", issuer="ca")
    made.make("b", "DNS:b.test", issuer="ca")
    made.make("wild", "DNS:*.wild.test", issuer="ca")
    made.make("exact", "DNS:exact.wild.test", issuer="ca")
    made.make("rsa", "DNS:a.test", issuer="ca", rsa=True)
    made.make("ada", issuer="clients", subject="/O=Example, Inc/CN=Ada")
    yield made
    made.close()


def pair(folder, name, **more):
    return {"cert": folder.path(f"{name}.pem"), "key": folder.path(f"{name}.key"), **more}


def listen(folder, cert="a", **more):
    return f"listen: [ {{ address: 127.0.0.1:0, tls: {json.dumps(pair(folder, cert, **more))} }} ]\n"


@pytest.fixture
def serve(leat, certs, tmp_path):
    def start(conf="", routes=ROUTES, **more):
        return leat((conf or listen(certs)) + routes, BIG="x" * 100000, WWW=tmp_path, **more)
    return start


# ------------------------------------------------------------------ what is agreed

@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_both_versions_serve_with_modern_ciphers(serve, certs, version):
    daemon = serve()
    wanted = ssl.TLSVersion[version]
    with connect(daemon, context(certs, minimum_version=wanted, maximum_version=wanted)) as client:
        assert client.get("/").text == "hello"
        assert client.get("/").text == "hello"
        cipher = client.sock.cipher()[0]
        assert re.fullmatch(r"(TLS_AES_|TLS_CHACHA20_|ECDHE-ECDSA-AES|ECDHE-ECDSA-CHACHA).*", cipher)
        assert not client.sock.compression()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_and_weak_ciphers_are_refused(serve, certs):
    daemon = serve(listen(certs, "rsa"))
    for cipher in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"):
        ctx = context(certs, maximum_version=ssl.TLSVersion.TLSv1_2)
        ctx.set_ciphers(cipher)
        with pytest.raises(ssl.SSLError):
            connect(daemon, ctx)
    ctx = context(certs, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    ctx.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        connect(daemon, ctx)
    daemon.await_line("tls handshake failed .*reason=")


def test_the_oldest_version_and_the_ciphers_may_be_said(serve, certs):
    daemon = serve(listen(certs, min="1.3", ciphers="TLS_AES_256_GCM_SHA384"))
    with pytest.raises(ssl.SSLError):
        connect(daemon, context(certs, maximum_version=ssl.TLSVersion.TLSv1_2))
    with connect(daemon, context(certs)) as client:
        assert client.sock.cipher()[0] == "TLS_AES_256_GCM_SHA384"


def test_http_1_1_is_agreed_on_and_a_client_that_only_speaks_others_is_refused(serve, certs):
    daemon = serve()
    ctx = context(certs)
    ctx.set_alpn_protocols(["h2", "http/1.1"])
    with connect(daemon, ctx) as client:
        assert client.sock.selected_alpn_protocol() == "http/1.1"
    ctx.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(daemon, ctx)


def test_certificates_are_chosen_by_name(serve, certs):
    daemon = serve(listen(certs, certs=[pair(certs, "wild"), pair(certs, "exact"), pair(certs, "rsa")]))
    for name, shown in (("a.test", "a"), ("x.wild.test", "wild"), ("X.WILD.test", "wild"),
                        ("exact.wild.test", "exact")):
        with connect(daemon, context(certs), name) as client:
            assert common_name(client) == shown
            assert client.get("/tls").json()["tls"]["server_name"] == name
    for name in ("wild.test", "x.y.wild.test", "b.test"):
        with connect(daemon, context(certs, check_hostname=False), name) as client:
            assert common_name(client) == "a"  # the first
    with connect(daemon, context(certs, check_hostname=False), None) as client:
        assert common_name(client) == "a"
        assert client.get("/tls").json()["tls"]["server_name"] is None
    ctx = context(certs, maximum_version=ssl.TLSVersion.TLSv1_2)
    ctx.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # a client without EC gets the RSA key of the same name
    with connect(daemon, ctx) as client:
        assert common_name(client) == "rsa"


def test_what_was_agreed_is_a_value(serve, certs):
    daemon = serve()
    with connect(daemon, context(certs)) as client:
        told = client.get("/tls").json()
    assert told["tls"] == {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "server_name": "a.test",
                           "client": None}
    assert told["scheme"] == "https" and told["client"] is None


def test_without_tls_it_is_null(serve):
    daemon = serve("listen: 127.0.0.1:0\n")
    assert daemon.get("/tls").json() == {"tls": None, "scheme": "http", "client": None}


def test_plain_and_secure_listeners_stand_side_by_side_and_status_tells_them_apart(serve, certs):
    tls = json.dumps(pair(certs, "a"))
    daemon = serve(f"listen: [ 127.0.0.1:0, {{ address: 127.0.0.2:0, tls: {tls} }} ]\n")
    assert daemon.get("/").text == "hello"
    secure_address = daemon.addresses[1]
    with connect(daemon, context(certs), address=secure_address) as client:
        assert client.get("/").text == "hello"
    listeners = {one["address"]: one["tls"] for one in daemon.status()["listeners"]}
    assert listeners[f"127.0.0.1:{daemon.port}"] is False
    assert listeners[f"127.0.0.2:{secure_address[1]}"] is True


# ------------------------------------------------------------------ bytes

def test_bodies_of_all_sizes_go_both_ways(serve, certs):
    daemon = serve()
    with connect(daemon, context(certs)) as client:
        assert client.get("/big").body == b"x" * 100000
        for size in (0, 1, 4095, 16384, 16385, 65536, 1000000):
            body = os.urandom(size)
            assert client.request("POST", "/echo", body).body == body


def test_a_body_may_come_in_the_smallest_records(serve, certs):
    daemon = serve()
    with connect(daemon, context(certs)) as client:
        for byte in b"POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello":
            client.send(bytes([byte]))
        assert client.response().body == b"hello"


def test_pipelined_requests_are_answered_in_order(serve, certs):
    daemon = serve()
    with connect(daemon, context(certs)) as client:
        client.send("".join(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n{n:03}" for n in range(300)))
        assert [client.response().text for _ in range(300)] == [f"{n:03}" for n in range(300)]


def test_files_small_and_large(serve, certs, tmp_path):
    daemon = serve()
    large = os.urandom(3000000)
    (tmp_path / "small.txt").write_text("small")
    (tmp_path / "large.bin").write_bytes(large)
    with connect(daemon, context(certs)) as client:
        assert client.get("/static/small.txt").text == "small"
        assert client.get("/static/large.bin").body == large
        assert client.get("/static/large.bin", headers={"Range": "bytes=999999-2000000"}).body == large[999999:2000001]


def test_a_slow_reader_gets_all_of_it_while_others_are_served(serve, certs, tmp_path):
    daemon = serve()
    large = os.urandom(8000000)
    (tmp_path / "large.bin").write_bytes(large)
    slow = Client(daemon.addresses[0], receive_buffer=4096)
    secure(slow, context(certs))
    slow.send("GET /static/large.bin HTTP/1.1\r\nHost: a.test\r\n\r\n")
    for _ in range(20):
        with connect(daemon, context(certs)) as client:
            assert client.get("/").text == "hello"
    assert slow.response().body == large
    slow.close()


# ------------------------------------------------------------------ ends

def test_the_last_answer_is_followed_by_the_end_of_tls(serve, certs):
    daemon = serve()
    with connect(daemon, context(certs)) as client:
        answer = client.get("/", headers={"Connection": "close"})
        assert answer.text == "hello"
        assert client.rest() == b""  # an end without close_notify raises


def test_an_idle_connection_ends_with_the_end_of_tls(serve, certs):
    daemon = serve(listen(certs) + "timeouts: { idle: 100ms, shutdown: 5s }\n")
    with connect(daemon, context(certs)) as client:
        client.get("/")
        assert client.rest() == b""


def test_a_client_that_ends_tls_has_left(serve, certs):
    daemon = serve()
    client = connect(daemon, context(certs))
    client.send("GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
    with contextlib.suppress(OSError, ssl.SSLError):
        client.sock.setblocking(False)
        client.sock.unwrap()  # close_notify without the socket's end
    daemon.access_lines(1)
    assert " status=499" in daemon.access_lines(1)[0] or " 499 " in daemon.access_lines(1)[0]


def test_a_client_that_half_closes_is_answered(serve, certs):
    daemon = serve()
    with connect(daemon, context(certs)) as client:
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        socket.socket.shutdown(client.sock, socket.SHUT_WR)
        assert client.response().text == "hello"


def test_a_plain_request_is_told_that_this_port_speaks_https(serve, certs):
    daemon = serve()
    answer = daemon.get("/")
    assert answer.status == 400 and "HTTPS" in answer.text
    assert answer.get("content-type").startswith("text/plain")
    daemon.await_line('tls handshake failed .*reason="?a request without TLS')


def test_what_is_no_tls_is_dropped(serve):
    daemon = serve()
    with daemon.connect() as client:
        assert client.send(b"\x00\x01\x02\x03" * 10).is_closed()
    with daemon.connect() as client:
        assert client.send(b"\x16\x03\x01\x00\x05hello" * 10).sock.recv(100)[:1] in (b"", b"\x15")


def test_a_handshake_has_its_time(serve, certs):
    daemon = serve(listen(certs) + "timeouts: { handshake: 200ms, shutdown: 5s }\n")
    with daemon.connect() as silent, daemon.connect() as partial:
        partial.send(b"\x16\x03\x01")
        assert silent.is_closed() and partial.is_closed()
    daemon.await_line("tls handshake failed .*reason=timeout")
    with connect(daemon, context(certs)) as client:
        assert client.get("/").text == "hello"


# ------------------------------------------------------------------ clients' certificates

def test_clients_must_show_a_certificate(serve, certs):
    daemon = serve(listen(certs, client_ca=certs.path("clients.pem")))
    with connect(daemon, context(certs, cert="ada")) as client:
        told = client.get("/tls").json()["client"]
    fingerprint = certs.openssl("x509", "-in", "ada.pem", "-noout", "-fingerprint", "-sha256")
    serial = certs.openssl("x509", "-in", "ada.pem", "-noout", "-serial").strip().split("=")[1]
    assert told == {"subject": "CN=Ada,O=Example\\, Inc", "issuer": "CN=clients", "serial": serial, "verified": True,
                    "fingerprint": fingerprint.strip().split("=")[1].replace(":", "").lower()}
    for ctx in (context(certs), context(certs, cert="a")):
        with pytest.raises((ssl.SSLError, Closed, ConnectionError)):
            with connect(daemon, ctx) as client:
                client.get("/")
    daemon.await_line('reason="?peer did not return a certificate')
    daemon.await_line('reason="?self-signed certificate in certificate chain')


def test_clients_may_show_a_certificate(serve, certs):
    daemon = serve(listen(certs, client_ca=certs.path("clients.pem"), require=False))
    with connect(daemon, context(certs, cert="ada")) as client:
        assert client.get("/tls").json()["client"]["subject"].startswith("CN=Ada")
    with connect(daemon, context(certs)) as client:
        assert client.get("/tls").json()["client"] is None
    with pytest.raises((ssl.SSLError, Closed, ConnectionError)):
        with connect(daemon, context(certs, cert="a")) as client:
            client.get("/")


# ------------------------------------------------------------------ sessions

def session_of(daemon, ctx, session=None):
    with connect(daemon, ctx, session=session) as client:
        assert client.get("/").text == "hello"
        return client.sock.session, client.sock.session_reused


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_sessions_are_resumed_also_after_a_reload(serve, certs, version):
    daemon = serve()
    wanted = ssl.TLSVersion[version]
    ctx = context(certs, minimum_version=wanted, maximum_version=wanted)
    session, reused = session_of(daemon, ctx)
    assert not reused
    session, reused = session_of(daemon, ctx, session)
    assert reused
    assert daemon.reload().returncode == 0
    _, reused = session_of(daemon, ctx, session)
    assert reused


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_sessions_are_resumed_after_an_upgrade(serve, certs, version):
    daemon = serve()
    wanted = ssl.TLSVersion[version]
    ctx = context(certs, minimum_version=wanted, maximum_version=wanted)
    session, _ = session_of(daemon, ctx)
    upgrade(daemon)
    _, reused = session_of(daemon, ctx, session)
    assert reused


def test_without_tickets_there_is_no_resumption(serve, certs):
    daemon = serve(listen(certs, tickets=False))
    ctx = context(certs)
    session, _ = session_of(daemon, ctx)
    assert session is None or not session.has_ticket


def test_a_session_without_a_certificate_is_no_way_around_it(serve, certs):
    plain, strict = pair(certs, "a"), pair(certs, "a", client_ca=certs.path("clients.pem"))
    daemon = serve(f"listen: [ {{ address: 127.0.0.1:0, tls: {json.dumps(plain)} }},"
                   f" {{ address: 127.0.0.2:0, tls: {json.dumps(strict)} }} ]\n")
    ctx = context(certs)
    session, _ = session_of(daemon, ctx)
    with pytest.raises((ssl.SSLError, Closed, ConnectionError)):
        with connect(daemon, ctx, address=daemon.addresses[1], session=session) as client:
            client.get("/")


# ------------------------------------------------------------------ OCSP

def test_an_ocsp_response_is_stapled(serve, certs):
    certs.make_ocsp("a", "ca", "a.der")
    daemon = serve(listen(certs, ocsp=certs.path("a.der"), certs=[pair(certs, "b")]))
    asked = ["s_client", "-connect", f"127.0.0.1:{daemon.port}", "-CAfile", "ca.pem", "-status", "-servername"]
    assert "OCSP Response Status: successful" in certs.openssl(*asked, "a.test")
    assert "OCSP response: no response sent" in certs.openssl(*asked, "b.test")


# ------------------------------------------------------------------ reload

def test_a_reload_takes_new_certificates_for_new_connections_only(serve, certs):
    for suffix in ("pem", "key"):
        shutil.copy(certs.path(f"a.{suffix}"), certs.path(f"live.{suffix}"))
    daemon = serve(listen(certs, "live"))
    with connect(daemon, context(certs, check_hostname=False)) as before:
        assert before.get("/").text == "hello"
        for suffix in ("pem", "key"):
            shutil.copy(certs.path(f"b.{suffix}"), certs.path(f"live.{suffix}"))
        assert daemon.reload().returncode == 0
        with connect(daemon, context(certs), "b.test") as after:
            assert common_name(after) == "b"
            assert after.get("/").text == "hello"
        assert common_name(before) == "a"
        assert before.get("/").text == "hello"


def test_a_reload_with_a_wrong_certificate_changes_nothing(serve, certs):
    for suffix in ("pem", "key"):
        shutil.copy(certs.path(f"a.{suffix}"), certs.path(f"live.{suffix}"))
    daemon = serve(listen(certs, "live"))
    shutil.copy(certs.path("b.pem"), certs.path("live.pem"))
    done = daemon.reload()
    assert done.returncode == 1 and "is not the key of that certificate" in done.err
    with connect(daemon, context(certs)) as client:
        assert common_name(client) == "a"


def test_reloads_under_load_fail_no_request(serve, certs):
    daemon = serve()
    stop, failures, counts = threading.Event(), [], []

    def load():
        n = 0
        ctx = context(certs)
        try:
            while not stop.is_set():
                with connect(daemon, ctx) as client:
                    for _ in range(5):
                        assert client.get("/").text == "hello"
                        n += 1
        except Exception as error:  # noqa: BLE001: whatever it is, it is a failure
            failures.append(repr(error))
        counts.append(n)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        assert daemon.reload().returncode == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and sum(counts) > 20


def test_a_port_may_become_secure_and_plain_again(serve, certs):
    daemon = serve("listen: 127.0.0.1:0\n")
    port = daemon.port
    tls = json.dumps(pair(certs, "a"))
    assert daemon.get("/").text == "hello"
    assert daemon.reload(f"listen: [ {{ address: 127.0.0.1:0, tls: {tls} }} ]\n" + ROUTES).returncode == 0
    with connect(daemon, context(certs), address=("127.0.0.1", port)) as client:
        assert client.get("/").text == "hello"
    assert daemon.reload("listen: 127.0.0.1:0\n" + ROUTES).returncode == 0
    assert daemon.get("/").text == "hello"


def test_draining_answers_what_is_in_work_and_ends_tls(serve, certs):
    daemon = serve()
    with connect(daemon, context(certs)) as idle, connect(daemon, context(certs)) as busy, daemon.connect():
        idle.get("/")
        busy.send("GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
        await_true(lambda: daemon.status()["requests_in_work"] >= 1)
        daemon.signal(signal.SIGTERM)
        assert idle.rest() == b""
        assert busy.response().text == "slow"
        assert busy.rest() == b""
        assert daemon.wait() == 0


# ------------------------------------------------------------------ a flood

def test_a_flood_of_handshakes_does_not_stop_others(serve, certs):
    """Each handshake is one computation a turn of the loop, so a plain request waits for one of them at most."""
    tls = json.dumps(pair(certs, "rsa"))
    daemon = serve(f"listen: [ 127.0.0.1:0, {{ address: 127.0.0.2:0, tls: {tls} }} ]\n"
                   "server: { threads: 1, compute_threads: 1 }\n")
    hello = certs.path("hello.bin")
    recorder = socket.create_server(("127.0.0.1", 0))
    with contextlib.suppress(subprocess.TimeoutExpired):  # one ClientHello, to be sent again and again
        talker = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{recorder.getsockname()[1]}"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peer, _ = recorder.accept()
        with open(hello, "wb") as file:
            file.write(peer.recv(65536))
        peer.close()
        talker.wait(10)
    recorder.close()
    with open(hello, "rb") as file:
        data = file.read()
    assert data[0] == 22
    flood = []
    for _ in range(300):
        sock = socket.create_connection(daemon.addresses[1])
        sock.sendall(data)
        flood.append(sock)
    answered = 0
    with daemon.connect() as client:
        for _ in range(50):
            assert client.get("/").text == "hello"
            answered += 1
    assert answered == 50
    for sock in flood:
        sock.settimeout(30)
        assert sock.recv(1)  # each is answered, too
        sock.close()
    await_true(lambda: daemon.n_connections() <= 1)


# ------------------------------------------------------------------ what is wrong in the file

def checked(certs, tls):
    return check(f"listen: [ {{ address: 127.0.0.1:0, tls: {json.dumps(tls)} }} ]\nroutes: {{ GET /: {{ reply: x }} }}\n")


def test_files_are_checked_offline(certs):
    good = pair(certs, "a")
    assert checked(certs, good)[0] == 0
    for change, message in (
            ({"cert": "none.pem"}, 'cert "none.pem" cannot be read: No such file or directory'),
            ({"key": certs.path("b.key")}, "is not the key of that certificate"),
            ({"key": certs.path("a.pem")}, "holds no private key in PEM"),
            ({"cert": certs.path("a.key")}, "holds no certificate in PEM"),
            ({"ocsp": certs.path("a.pem")}, "is not a successful OCSP response in DER"),
            ({"client_ca": "/nonexistent"}, 'client_ca "/nonexistent" cannot be read: No such file'),
            ({"ciphers": "NOPE"}, 'ciphers "NOPE" no such cipher'),
            ({"min": "1.1"}, "1.2"),
            ({"require": True}, "require is for certificates of clients"),
            ({"certs": [pair(certs, "b"), pair(certs, "b")]}, "the name b.test is in a certificate above"),
            ({"certs": [{"cert": certs.path("b.pem")}]}, "key"),
            ({"kye": "x"}, 'unknown key "kye" in tls')):
        code, text = checked(certs, {**good, **change})
        assert code == 1 and message in text, text
        assert "leat.yaml:1:" in text


def test_paths_are_relative_to_the_file_that_names_them(certs):
    files = {}
    for name in ("a.pem", "a.key"):
        with open(certs.path(name), "rb") as file:
            files[f"sub/tls/{name}"] = file.read()
    files["sub/more.yaml"] = ("listen: { address: 127.0.0.1:0, tls: { cert: tls/a.pem, key: tls/a.key } }\n"
                              "routes: { GET /: { reply: x } }\n")
    assert check("include: sub/more.yaml\n", files=files)[0] == 0


def test_an_expired_certificate_is_a_warning(certs):
    certs.make_expired("gone")
    code, text = checked(certs, pair(certs, "gone"))
    assert code == 0 and "warning: the certificate has expired" in text


def test_an_encrypted_key_is_told_how_to_be_opened(certs):
    certs.openssl("pkey", "-in", "a.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key")
    code, text = checked(certs, {**pair(certs, "a"), "key": certs.path("locked.key")})
    assert code == 1 and "is encrypted" in text and "secret" not in text


def test_an_unknown_member_of_tls_is_an_error():
    code, text = check('routes: { GET /: { reply: "${tls.cypher}" } }\n')
    assert code == 1 and 'tls has no "cypher"; did you mean "cipher"?' in text


def test_handshakes_are_counted(serve, certs):
    daemon = serve()
    ctx = context(certs)
    session, _ = session_of(daemon, ctx)
    session_of(daemon, ctx, session)
    assert daemon.get("/").status == 400
    metrics = daemon.admin("GET", "/metrics").text
    for name, value in (("", 2), ("_resumed", 1), ("_failed", 1)):
        assert f"\nleat_tls_handshakes{name}_total {value}\n" in metrics


def test_plain_requests_are_sent_to_https_and_secure_ones_are_served(serve, certs):
    tls = json.dumps(pair(certs, "a"))
    daemon = serve(f"listen: [ 127.0.0.1:0, {{ address: 127.0.0.2:0, tls: {tls} }} ]\n"
                   "defaults: { /: { redirect_https: true } }\n")
    answer = daemon.get("/tls?x=1")
    assert answer.status == 308 and answer.get("location") == "https://leat.test/tls?x=1"
    with connect(daemon, context(certs), address=daemon.addresses[1]) as client:
        assert client.get("/").text == "hello"
        assert client.get("/tls").json()["scheme"] == "https"


def test_ciphers_that_do_not_go_with_the_key_are_a_load_error(certs):
    conf = """
listen: [{ address: 127.0.0.1:0, tls: { cert: a.pem, key: a.key, ciphers: ECDHE-RSA-AES128-GCM-SHA256%s } }]
routes: { GET /: { reply: ok } }
"""
    def read(name):
        with open(f"{certs.dir}/{name}", "rb") as file:
            return file.read()
    files = {name: read(name) for name in ("a.pem", "a.key")}
    code, text = check(conf % "", files=files)
    assert code == 1 and 'ciphers "ECDHE-RSA-AES128-GCM-SHA256" lets no handshake of TLS 1.2 come to an end; name ciphers' in text, text
    assert check(conf % ', min: "1.3"', files=files)[0] == 0
