"""tests/e2e/test_srv.py: upstreams whose servers are the SRV records of a service (RFC 2782), and what is left when DNS has gone."""
import collections
import contextlib

import pytest

from backends import Refusing, answering
from dns_server import DnsServer
from leat import await_true, check

SERVICE = "_http._tcp.shop.test"
ROUTES = """
routes:
  GET /x: { tasks: { t: { get: "u:/x" } }, reply: { json: "${t.body}" } }
  GET /why: { tasks: { t: { get: "u:/x" } }, reply: x, on_error: { any: { status: 502, json: "${error.code}: ${error.detail}" } } }
"""


def conf(dns, upstream=f"servers: [ srv:{SERVICE} ]", threads=1):
    return f"http: {{ u: {{ {upstream} }} }}\nserver: {{ threads: {threads}, resolvers: [ {dns.address} ] }}\n{ROUTES}"


def srv(*records, ttl=60):
    """The zone of a service: (priority, weight, port) of a host of its own each."""
    zone = {(SERVICE, "SRV"): [(ttl, (priority, weight, port, f"h{i}.shop.test")) for i, (priority, weight, port) in enumerate(records)]}
    for i in range(len(records)):
        zone[(f"h{i}.shop.test", "A")] = [(ttl, "127.0.0.1")]
    return zone


@pytest.fixture
def dns():
    with contextlib.ExitStack() as stack:
        yield lambda zone: stack.enter_context(contextlib.closing(DnsServer(zone)))


def count(daemon, n):
    return collections.Counter(daemon.get("/x").json() for _ in range(n))


@pytest.mark.parametrize("text", [f"servers: [ srv:{SERVICE} ]", f"servers: srv:{SERVICE}", f"servers: [ {{ address: srv:{SERVICE}, weight: 2 }} ]"])
def test_the_records_of_a_service_are_its_servers_by_their_weights(leat, backend, dns, text):
    one, other = backend(answering("one")), backend(answering("other"))
    names = dns(srv((1, 30, one.port), (1, 10, other.port)))
    daemon = leat(conf(names, text))
    assert count(daemon, 40) == {"one": 30, "other": 10}
    assert one.calls[0].headers["host"] == "shop.test"
    status = daemon.upstream("u")
    assert {server["host"] for server in status["servers"]} == {"h0.shop.test", "h1.shop.test"}
    assert status["resolved"][0]["server"] == "srv:" + SERVICE and len(status["resolved"][0]["addresses"]) == 2
    assert names.n_asked(SERVICE, "SRV") == 1


def test_a_weight_of_0_is_hardly_ever_called_and_all_of_0_are_alike(leat, backend, dns):
    one, other = backend(answering("one")), backend(answering("other"))
    daemon = leat(conf(dns(srv((1, 5, one.port), (1, 0, other.port)))))
    assert count(daemon, 50)["one"] >= 49
    daemon = leat(conf(dns(srv((1, 0, one.port), (1, 0, other.port)))))
    assert count(daemon, 10) == {"one": 5, "other": 5}


def test_a_later_priority_is_called_when_nobody_of_an_earlier_one_can_be(leat, backend, dns):
    gone, second, third = Refusing(), backend(answering("second")), backend(answering("third"))
    port = int(gone.address.rpartition(":")[2])
    daemon = leat(conf(dns(srv((30, 9, third.port), (10, 9, port), (20, 1, second.port)))))
    assert count(daemon, 10) == {"second": 10}
    second.close()
    assert count(daemon, 10) == {"third": 10}
    gone.close()


def test_a_listed_backup_comes_after_all_priorities(leat, backend, dns):
    gone, backup = Refusing(), backend(answering("backup"))
    last = backend(answering("last"))
    port = int(gone.address.rpartition(":")[2])
    daemon = leat(conf(dns(srv((1, 1, port), (65535, 0, last.port))), f"servers: [ srv:{SERVICE}, {{ address: {backup.address}, backup: true }} ]"))
    await_true(lambda: daemon.get("/x").json() == "last")  # an address is there before a name is found
    assert count(daemon, 5) == {"last": 5}
    last.close()
    assert count(daemon, 5) == {"backup": 5}
    gone.close()


def test_the_records_are_looked_up_again_while_it_runs(leat, backend, dns):
    one, other = backend(answering("one")), backend(answering("other"))
    names = dns(srv((1, 1, one.port), ttl=1))
    daemon = leat(conf(names, threads=2))
    assert daemon.get("/x").json() == "one"
    names.zone.update(srv((1, 1, other.port), ttl=1))
    await_true(lambda: daemon.get("/x").json() == "other")
    await_true(lambda: count(daemon, 4) == {"other": 4})
    await_true(lambda: one.n_open == 0)  # what it left is drained


def test_a_target_that_is_not_found_is_left_out(leat, backend, dns):
    one = backend(answering("one"))
    zone = srv((1, 1, one.port), (1, 1, one.port))
    del zone["h1.shop.test", "A"]
    daemon = leat(conf(dns(zone)))
    assert count(daemon, 4) == {"one": 4}


@pytest.mark.parametrize("records", [None, [], "garbage", [(60, (0, 0, 80, "."))], [(60, (0, 0, 0, "h0.shop.test"))], [(60, (0, 0, 80, "h9.shop.test"))]])
def test_a_service_that_is_not_there_is_dns_failed(leat, dns, records):
    zone = {("h0.shop.test", "A"): [(60, "127.0.0.1")]}
    if records is not None:
        zone[SERVICE, "SRV"] = records
    daemon = leat(conf(dns(zone), f"servers: [ srv:{SERVICE} ], timeouts: {{ connect: 20s }}"))
    assert daemon.get("/why").json().startswith("dns_failed")
    assert daemon.upstream("u")["in_flight"] == 0


# ------------------------------------------------------------------ DNS is gone

def kinds(backend):
    """An upstream by a service, and one by a name."""
    return {"service": (f"servers: [ srv:{SERVICE} ]", srv((1, 1, backend.port), ttl=1)),
            "name": (f"url: \"http://one.test:{backend.port}\"", {("one.test", "A"): [(1, "127.0.0.1")]})}


@pytest.mark.parametrize("kind", ["service", "name"])
@pytest.mark.parametrize("gone", ["fail", "closed"])
def test_what_was_found_is_used_while_dns_is_gone(leat, backend, dns, kind, gone):
    one = backend(answering("one"))
    upstream, zone = kinds(one)[kind]
    names = dns(zone)
    daemon = leat(conf(names, upstream))
    assert daemon.get("/x").json() == "one"
    if gone == "fail":
        for key in list(zone):
            zone[key] = "fail"
    else:
        names.close()
    await_true(lambda: daemon.get("/x").json() == "one" and daemon.upstream("u")["resolved"][0]["stale"], 30)
    assert count(daemon, 20) == {"one": 20}


@pytest.mark.parametrize("kind", ["service", "name"])
def test_without_stale_ok_calls_fail_when_dns_is_gone_and_recover_with_it(leat, backend, dns, kind):
    one = backend(answering("one"))
    upstream, zone = kinds(one)[kind]
    good = dict(zone)
    names = dns(zone)
    daemon = leat(conf(names, upstream + ", stale_ok: 0"))
    assert daemon.get("/x").json() == "one"
    for key in good:
        zone[key] = "fail"
    await_true(lambda: daemon.get("/why").status == 502, 30)
    assert daemon.get("/why").json().startswith("dns_failed")
    zone.update(good)
    await_true(lambda: daemon.get("/x").status == 200, 30)
    assert daemon.upstream("u")["in_flight"] == 0


@pytest.mark.parametrize("server", ["srv:", "srv:shop.test", "srv:_http", "srv:_http._tcp.", "srv:_http._tcp.shop.test:80", "srv:_http._tcp.a b"])
def test_what_is_no_service_is_said(server):
    code, out = check(f"http: {{ u: {{ servers: [ \"{server}\" ] }} }}\nroutes: {{}}")
    assert code == 1 and ("srv:_http._tcp.domain" in out or "weight=3" in out)


def test_a_proxy_knows_no_services():
    code, out = check(f"http: {{ u: {{ servers: [ srv:{SERVICE} ], tls: {{}}, via: \"http://p:1\" }} }}\nroutes: {{}}")
    assert code == 1 and "no services" in out
