"""tests/e2e/test_dns.py: the verb dns, against servers of the test's own."""
import contextlib
import threading

import pytest

from backends import answering
from dns_server import DnsServer
from leat import await_true, check

ZONE = {
    ("a.test", "A"): [(60, "192.0.2.1"), (60, "192.0.2.2")],
    ("a.test", "AAAA"): [(60, "2001:db8::1")],
    ("four.test", "A"): [(60, "192.0.2.4")],
    ("mail.test", "MX"): [(60, (10, "mx1.mail.test")), (60, (20, "mx2.mail.test"))],
    ("text.test", "TXT"): [(60, [b"v=spf1 ", b"-all"]), (60, "é \"quoted\"\\".encode())],
    ("_http._tcp.srv.test", "SRV"): [(60, (1, 5, 8080, "one.srv.test")), (60, (2, 0, 80, "two.srv.test"))],
    ("zone.test", "NS"): [(60, "ns1.zone.test"), (60, "ns2.zone.test")],
    ("www.test", "CNAME"): [(60, "a.test")],
    ("alias.test", "MX"): [(60, ("CNAME", "mail.test")), (60, (5, "mx.alias.test"))],
    ("1.2.0.192.in-addr.arpa", "PTR"): [(60, "host.test")],
    ("1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): [(60, "host6.test")],
    ("large.test", "TXT"): [(60, b"%03d" % n + b"x" * 200) for n in range(40)],
    ("brief.test", "TXT"): [(1, b"brief")],
    ("fail.test", "MX"): "fail",
    ("garbage.test", "MX"): "garbage",
    ("silent.test", "MX"): "silent",
    ("slow.test", "TXT"): "silent",
}

CONF = """
server: { threads: 1, compute_threads: 1, resolvers: [%s] }
routes:
  GET /A/{name}: { tasks: { d: { dns: "${path.name}" } }, reply: { json: "${d}" } }
  GET /hello: { reply: hello }
  GET /first/{name}: { tasks: { d: { dns: "${path.name}", type: MX, default: [], timeout: 5s } }, reply: { json: "${d.result[0].host ?? 'none'}" } }
  GET /impatient/{name}: { tasks: { d: { dns: "${path.name}", type: TXT, timeout: 100ms } }, reply: { json: "${d}" } }
""" + "".join(f"""
  GET /{kind}/{{name}}: {{ tasks: {{ d: {{ dns: "${{path.name}}", type: {kind} }} }}, reply: {{ json: "${{d}}" }} }}
""" for kind in ("AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"))


@pytest.fixture(scope="module")
def server():
    with contextlib.closing(DnsServer(ZONE)) as server:
        yield server


@pytest.fixture(scope="module")
def daemon(module_stage, server):
    return module_stage.leat(CONF % f'"{server.address}"')


@pytest.mark.parametrize("target, result", [
    ("/A/a.test", ["192.0.2.1", "192.0.2.2"]),
    ("/A/A.TEST.", ["192.0.2.1", "192.0.2.2"]),
    ("/AAAA/a.test", ["2001:db8::1"]),
    ("/AAAA/four.test", []),
    ("/MX/mail.test", [{"priority": 10, "host": "mx1.mail.test"}, {"priority": 20, "host": "mx2.mail.test"}]),
    ("/MX/alias.test", [{"priority": 5, "host": "mx.alias.test"}]),
    ("/TXT/text.test", ["v=spf1 -all", "é \"quoted\"\\"]),
    ("/SRV/_http._tcp.srv.test", [{"priority": 1, "weight": 5, "port": 8080, "host": "one.srv.test"},
                                  {"priority": 2, "weight": 0, "port": 80, "host": "two.srv.test"}]),
    ("/NS/zone.test", ["ns1.zone.test", "ns2.zone.test"]),
    ("/CNAME/www.test", ["a.test"]),
    ("/PTR/192.0.2.1", ["host.test"]),
    ("/PTR/1.2.0.192.in-addr.arpa", ["host.test"]),
    ("/PTR/2001:db8::1", ["host6.test"]),
    ("/MX/a.test", []),
    ("/A/127.0.0.1", ["127.0.0.1"]),
    ("/first/mail.test", "mx1.mail.test"),
    ("/first/none.test", "none"),
])
def test_records_of_each_type_are_the_result(daemon, target, result):
    answer = daemon.get(target)
    assert (answer.status, answer.json()) == (200, result)


def test_etc_hosts_is_honoured(daemon, server):
    assert "127.0.0.1" in daemon.get("/A/localhost").json()
    assert server.n_asked("localhost", "A") == 0


def test_an_answer_that_is_too_large_for_a_datagram_comes_by_tcp(daemon):
    result = daemon.get("/TXT/large.test").json()
    assert result == ["%03d" % n + "x" * 200 for n in range(40)]


@pytest.mark.parametrize("target, status, code", [
    ("/MX/none.test", 404, "not_found"),
    ("/A/none.test", 404, "not_found"),
    ("/MX/fail.test", 502, "dns_failed"),
    ("/MX/garbage.test", 502, "dns_failed"),
    ("/MX/a%20b.test", 400, "invalid_input"),
    ("/MX/a..test", 400, "invalid_input"),
    ("/MX/" + "x" * 64 + ".test", 400, "invalid_input"),
    ("/MX/" + "x." * 127 + "test", 400, "invalid_input"),
])
def test_what_cannot_be_answered_is_an_error_with_a_code(daemon, target, status, code):
    answer = daemon.get(target)
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_an_answer_is_kept_for_its_time_and_asked_for_again_then(daemon, server):
    for _ in range(3):
        assert daemon.get("/NS/zone.test").status == 200
    assert server.n_asked("zone.test", "NS") == 1
    assert daemon.get("/TXT/brief.test").json() == ["brief"]
    before = server.n_asked("brief.test", "TXT")
    await_true(lambda: daemon.get("/TXT/brief.test").json() == ["brief"] and server.n_asked("brief.test", "TXT") > before)


def test_those_who_ask_the_same_at_once_share_a_query(daemon, server):
    clients = [daemon.connect() for _ in range(8)]
    for client in clients:
        client.send("GET /impatient/slow.test HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [client.response().status for client in clients] == [504] * 8
    assert server.n_asked("slow.test", "TXT") == 1


def test_a_server_that_is_silent_holds_nobody_else_up(daemon):
    waiting = daemon.connect()
    waiting.send("GET /first/silent.test HTTP/1.1\r\nHost: a\r\n\r\n")
    for _ in range(20):
        assert daemon.get("/MX/mail.test").status == 200
    assert daemon.get("/hello").text == "hello"
    waiting.reset()


def test_of_several_servers_the_next_is_asked_when_one_fails(leat):
    with contextlib.closing(DnsServer({("mail.test", "MX"): "fail", ("mail.test", "A"): "fail"})) as bad, \
            contextlib.closing(DnsServer({**ZONE, ("mail.test", "A"): [(60, "192.0.2.9")]})) as good:
        daemon = leat(CONF % f'"{bad.address}", "{good.address}"')
        assert daemon.get("/MX/mail.test").json()[0]["host"] == "mx1.mail.test"
        assert daemon.get("/A/mail.test").json() == ["192.0.2.9"]
        assert bad.n_asked("mail.test", "MX") >= 1


def test_services_are_found_by_these_servers_too(leat, backend):
    origin = backend(answering({"found": 1}))
    with contextlib.closing(DnsServer({("service.test", "A"): [(60, "127.0.0.1")]})) as server:
        daemon = leat("server: { resolvers: [%s] }\nroutes:\n  GET /:\n    tasks: { s: { get: http://service.test:%d/ } }\n"
                      "    reply: \"${s.text}\"\n" % (server.address, origin.port))
        assert daemon.get("/").status == 200
        assert server.n_asked("service.test", "A") == 1


def test_a_thousand_names_do_not_pile_up(daemon):
    """The cache is bounded: past it the one that was used longest ago goes."""
    def some(k):
        client = daemon.connect()
        for i in range(400):
            assert client.get(f"/MX/n{k}x{i}.test").status == 404
    threads = [threading.Thread(target=some, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert daemon.get("/MX/mail.test").status == 200


@pytest.mark.parametrize("text, message", [
    ("routes: { GET /: { tasks: { d: { dns: a.test, type: ANY } }, reply: ok } }", "type"),
    ("routes: { GET /: { tasks: { d: { dns: [a.test] } }, reply: ok } }", "`dns` takes a name"),
    ("routes: { GET /: { tasks: { d: { dns: '${secret.x}' } }, reply: ok } }", "secret"),
    ("server: { resolvers: [dns.example.org] }\nroutes: {}", "is no server of names; write an address"),
    ("server: { resolvers: ['unix:/x'] }\nroutes: {}", "is no server of names; write an address"),
])
def test_what_is_wrong_is_said_at_load(text, message):
    code, out = check(text + "\n")
    assert code == 1 and message in out, out


def test_other_servers_need_a_restart(daemon, server):
    done = daemon.reload(CONF % '"127.0.0.1:1"')
    assert done.returncode == 0 and "resolvers and io_uring are fixed" in done.err
    assert daemon.get("/MX/mail.test").status == 200
