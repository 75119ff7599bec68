"""tests/e2e/test_proxies.py: `proxy_protocol:` and `trusted_proxies:`: who the client is behind a proxy."""
import ipaddress
import struct

import pytest

from certs import Certs, context, secure
from leat import await_true, check

WHO = '{ json: { ip: "${client.ip}", port: "${client.port}", peer: "${client.peer}", scheme: "${request.scheme}" } }'
CONF = f"""
listen:
  - 127.0.0.1:0
  - {{ address: 127.0.0.2:0, trusted_proxies: [127.0.0.0/8, 10.0.0.0/8, "2001:db8:ffff::/48", unix] }}
  - {{ address: 127.0.0.3:0, proxy_protocol: true }}
  - {{ address: 127.0.0.4:0, proxy_protocol: true, trusted_proxies: [127.0.0.0/8] }}
  - {{ address: 127.0.0.5:0, proxy_protocol: true, trusted_proxies: [192.0.2.0/24] }}
  - {{ address: "unix:@DIR@/web.sock", trusted_proxies: [unix] }}
  - {{ address: 127.0.0.6:0, trusted_proxies: [192.0.2.0/24] }}
timeouts: {{ head: 300ms, shutdown: 5s }}
routes:
  GET /who: {{ reply: {WHO} }}
  GET /constant: {{ reply: constant }}
  GET /allowed: {{ allow: [192.0.2.0/24], reply: yes }}
  GET /rate: {{ rate_limit: {{ rate: 1/d }}, reply: rate }}
  GET /secure: {{ redirect_https: true, reply: secure }}
  GET /id: {{ request_id: {{ trust: true }}, reply: "${{request.id}}" }}
  GET /own: {{ request_id: true, reply: "${{request.id}}" }}
"""
V2 = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def site(module_stage):
    return module_stage.leat(CONF)


def by(site, number, target, headers=()):
    """Headers are pairs: a name may be there more than once."""
    with site.connect(site.addresses[number]) as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return client.send(f"GET {target} HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n").response()


def client_of(site, headers, number=1):
    return by(site, number, "/who", headers).json()


def v2(command, family, addresses, tlvs=b""):
    return V2 + bytes([command, family]) + struct.pack(">H", len(addresses + tlvs)) + addresses + tlvs


def v2_ip(source, target, source_port=4711, target_port=443, tlvs=b""):
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    return v2(0x21, 0x11 if source.version == 4 else 0x21,
              source.packed + target.packed + struct.pack(">HH", source_port, target_port), tlvs)


# ------------------------------------------------------------------ X-Forwarded-For, Forwarded

@pytest.mark.parametrize("value, ip, port", [
    ("192.0.2.1", "192.0.2.1", None),
    ("192.0.2.1:4711", "192.0.2.1", "4711"),
    ("6.6.6.6, 192.0.2.1", "192.0.2.1", None),
    ("6.6.6.6, 192.0.2.1, 10.0.0.1,127.0.0.9", "192.0.2.1", None),
    ("10.0.0.1, 10.0.0.2", "10.0.0.1", None),
    ("2001:db8::1", "2001:db8::1", None),
    ("[2001:db8::1]:80, 2001:db8:ffff::7", "2001:db8::1", "80"),
    ("::ffff:192.0.2.1", "192.0.2.1", None),
    ("\", 192.0.2.1", "192.0.2.1", None),
    ("192.0.2.1, unknown", "127.0.0.1", ...),
    ("192.0.2.1, unknown, 10.0.0.1", "10.0.0.1", None),
    ("192.0.2.1, ", "127.0.0.1", ...),
    ("", "127.0.0.1", ...),
])
def test_the_client_is_the_rightmost_that_is_no_trusted_proxy(site, value, ip, port):
    said = client_of(site, [("X-Forwarded-For", value)])
    assert said["ip"] == ip
    if port is not ...:
        assert said["port"] == port
    assert said["peer"].startswith("127.0.0.1:")


def test_several_lines_are_one_list(site):
    assert client_of(site, [("X-Forwarded-For", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1, 10.0.0.1"),
                            ("X-Forwarded-For", "10.0.0.2")])["ip"] == "192.0.2.1"


@pytest.mark.parametrize("value, ip", [
    ("for=192.0.2.1", "192.0.2.1"),
    ("for=6.6.6.6, For=192.0.2.1;proto=http;by=10.0.0.1, for=10.0.0.1", "192.0.2.1"),
    ('for="[2001:db8::1]:4711"', "2001:db8::1"),
    ('for="_hidden, for=6.6.6.6", for=192.0.2.1', "192.0.2.1"),
    ('host="a;for=6.6.6.6;\\"b"; for=192.0.2.1', "192.0.2.1"),
    ("for=unknown", "127.0.0.1"),
    ("proto=https", "127.0.0.1"),
])
def test_forwarded_says_it_in_the_standard_s_way(site, value, ip):
    assert client_of(site, [("Forwarded", value)])["ip"] == ip


def test_what_nobody_can_make_sense_of_is_refused(site):
    for headers in ([("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.2")],
                    [("Forwarded", 'for="192.0.2.1')],
                    [("Forwarded", 'for="6.6.6.6, for=192.0.2.1')]):
        assert by(site, 1, "/who", headers).status == 400
    assert client_of(site, [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1")])["ip"] == "192.0.2.1"


def test_nobody_is_believed_who_is_no_trusted_proxy(site):
    headers = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("X-Request-Id", "mine")]
    for number in (0, 6):
        said = client_of(site, headers, number)
        assert (said["ip"], said["scheme"]) == ("127.0.0.1", "http")
        assert by(site, number, "/allowed", headers).status == 403
        assert by(site, number, "/id", headers).text != "mine"
        assert by(site, number, "/secure", headers).status == 308


def test_a_proxy_on_a_unix_socket_is_trusted_by_its_word(site):
    said = client_of(site, [("X-Forwarded-For", "192.0.2.1")], 5)
    assert (said["ip"], said["peer"]) == ("192.0.2.1", "unix:")


def test_policies_and_the_log_are_about_the_believed_client(site):
    assert by(site, 1, "/allowed", [("X-Forwarded-For", "192.0.2.1")]).text == "yes"
    assert by(site, 1, "/allowed", [("X-Forwarded-For", "6.6.6.6")]).status == 403
    assert [by(site, 1, "/rate", [("X-Forwarded-For", ip)]).status for ip in
            ("192.0.2.7", "192.0.2.8", "192.0.2.7", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")] == \
        [200, 200, 429, 200, 429, 200]
    by(site, 1, "/constant", [("X-Forwarded-For", "192.0.2.99:1")])
    by(site, 1, "/none", [("X-Forwarded-For", "192.0.2.98:1")])
    for ip in ("99", "98"):
        await_true(lambda: any(f"client=192.0.2.{ip}:1" in line for line in site.access_lines()), what=ip)


def test_a_proxy_says_that_it_was_asked_by_https(site):
    assert by(site, 1, "/secure", [("X-Forwarded-Proto", "https")]).text == "secure"
    assert by(site, 1, "/secure", [("X-Forwarded-Proto", "https, http")]).status == 308
    assert by(site, 1, "/secure", [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1;proto=https")]).text == "secure"
    assert by(site, 1, "/secure", [("Forwarded", "for=192.0.2.1;proto=http")]).status == 308
    assert client_of(site, [("X-Forwarded-Proto", "HTTPS")])["scheme"] == "https"


def test_a_proxy_gives_an_id_where_it_is_trusted_to(site):
    assert by(site, 1, "/id", [("X-Request-Id", "Trace-1.2_3")]).text == "Trace-1.2_3"
    answer = by(site, 1, "/id", [("X-Request-Id", "x" * 128)])
    assert (answer.text, answer.get("x-request-id")) == ("x" * 128, "x" * 128)
    for bad in ("x" * 129, "a b", 'a"', "a=b", ""):
        assert by(site, 1, "/id", [("X-Request-Id", bad)]).text != bad
    assert by(site, 1, "/own", [("X-Request-Id", "mine")]).text != "mine"


# ------------------------------------------------------------------ PROXY

@pytest.mark.parametrize("header, ip", [
    (b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", "192.0.2.1"),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n", "2001:db8::1"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (b"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n", "127.0.0.1"),
    (v2_ip("192.0.2.1", "198.51.100.1"), "192.0.2.1"),
    (v2_ip("192.0.2.1", "198.51.100.1", tlvs=b"\x04\0\x05hello"), "192.0.2.1"),
    (v2_ip("2001:db8::1", "2001:db8::2"), "2001:db8::1"),
    (v2(0x20, 0, b""), "127.0.0.1"),
    (v2(0x20, 0x11, b"x" * 12), "127.0.0.1"),
    (v2(0x21, 0, b"whatever"), "127.0.0.1"),
    (v2(0x21, 0x31, b"a" * 216), "127.0.0.1"),
    (v2(0x21, 0x12, b"a" * 12), "127.0.0.1"),
])
def test_a_connection_is_whose_header_says(site, header, ip):
    for number in (2, 3):
        with site.connect(site.addresses[number]) as client:
            said = client.send(header + GET).response().json()
            assert said["ip"] == ip and said["peer"].startswith("127.0.0.1:")
            assert said["port"] == ("4711" if ip != "127.0.0.1" else said["peer"].split(":")[1])
            assert client.send(GET).response().json()["ip"] == ip


def test_a_header_may_come_byte_by_byte(site):
    for header in (b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", v2_ip("192.0.2.1", "198.51.100.1", tlvs=b"\x04\0\1a")):
        with site.connect(site.addresses[2]) as client:
            for i in range(len(header)):
                client.send(header[i:i + 1])
            assert client.send(GET).response().json()["ip"] == "192.0.2.1"


@pytest.mark.parametrize("header", [
    GET,
    b"PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n",
    b"PROXY TCP4 2001:db8::1 198.51.100.1 4711 443\r\n",
    b"PROXY TCP6 192.0.2.1 198.51.100.1 4711 443\r\n",
    b"PROXY TCP4  192.0.2.1 198.51.100.1 4711 443\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 04711 443\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 65536\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443 \r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r ",
    b"PROXY UDP4 192.0.2.1 198.51.100.1 4711 443\r\n",
    b"PROXY UNKNOWN " + b"x" * 100,
    b"proxy TCP4 192.0.2.1 198.51.100.1 4711 443\r\n",
    v2(0x22, 0x11, b"x" * 12),
    v2(0x31, 0x11, b"x" * 12),
    v2(0x21, 0x11, b"x" * 11),
    v2(0x21, 0x21, b"x" * 35),
    v2(0x21, 0x41, b"x" * 12),
    v2(0x21, 0x13, b"x" * 12),
    V2 + b"\x21\x11\x10\x00",
])
def test_what_is_no_header_closes_the_connection(site, header):
    with site.connect(site.addresses[2]) as client:
        client.send(header)
        assert client.is_closed()


def test_a_header_that_is_not_whole_in_time_closes_the_connection(site):
    for start in (b"", b"PROXY TCP4 ", V2, V2 + b"\x21\x11\0\x0c123"):
        with site.connect(site.addresses[2]) as client:
            client.send(start)
            assert client.is_closed()
    with site.connect(site.addresses[2]) as client:
        client.send(b"PROXY TCP4 ").half_close()
        assert client.is_closed()


def test_only_trusted_proxies_may_send_one(site):
    with site.connect(site.addresses[4]) as client:
        try:
            client.send(b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n" + GET)
        except ConnectionError:
            pass
        assert client.is_closed()
    assert "not a trusted proxy" in site.await_line("connection refused.*not a trusted proxy")


def test_what_stands_behind_it_is_believed_of_the_one_it_names_only(site):
    """127.0.0.0/8 is trusted: 192.0.2.1, for whom the header speaks, is not, and his own words do not count."""
    head = GET[:-2] + b"X-Forwarded-For: 6.6.6.6\r\n\r\n"
    with site.connect(site.addresses[3]) as client:
        assert client.send(b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n" + head).response().json()["ip"] == "192.0.2.1"
    with site.connect(site.addresses[3]) as client:
        assert client.send(b"PROXY TCP4 127.0.0.9 198.51.100.1 4711 443\r\n" + head).response().json()["ip"] == "6.6.6.6"


def test_the_log_has_the_address_of_the_header(site):
    with site.connect(site.addresses[2]) as client:
        client.send(b"PROXY TCP4 192.0.2.44 198.51.100.1 4711 443\r\nGET /constant HTTP/1.1\r\nHost: a\r\n\r\n").response()
    await_true(lambda: any("client=192.0.2.44:4711" in line for line in site.access_lines()), what="the line")


def test_a_daemon_that_stops_does_not_wait_for_headers(leat):
    daemon = leat("listen: { address: 127.0.0.1:0, proxy_protocol: true }\nroutes: { /: { reply: x } }\n"
                  "timeouts: { head: 60s, shutdown: 60s }\n")
    client = daemon.connect()
    await_true(lambda: daemon.n_connections() == 1, what="the connection")
    daemon.signal(15)
    assert client.is_closed()
    assert daemon.wait() == 0


def test_the_header_comes_before_tls_and_redirect_https_sees_tls(leat):
    certs = Certs()
    certs.make("ca")
    certs.make("a", "DNS:a.test", issuer="ca")
    tls = f"{{ cert: {certs.path('a.pem')}, key: {certs.path('a.key')} }}"
    daemon = leat(f"listen: [ {{ address: 127.0.0.1:0, proxy_protocol: true, tls: {tls}, redirect_https: true }} ]\n"
                  f"routes: {{ GET /who: {{ reply: {WHO} }} }}\n")
    for header in (b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", v2_ip("192.0.2.1", "198.51.100.1")):
        with daemon.connect() as client:
            client.send(header)
            with secure(client, context(certs)) as secured:
                said = secured.get("/who").json()
                assert (said["ip"], said["port"], said["scheme"]) == ("192.0.2.1", "4711", "https")
    certs.close()


@pytest.mark.parametrize("listener, message", [
    ("{ address: 127.0.0.1:0, trusted_proxies: [10.0.0.1/8] }", "write 10.0.0.0/8"),
    ("{ address: 127.0.0.1:0, trusted_proxies: [proxy.test] }", "is not an address or a network"),
    ("{ address: 127.0.0.1:0, proxy_protocol: v2 }", '"proxy_protocol" is true or false'),
])
def test_a_wrong_one_is_an_error_of_loading(listener, message):
    code, out = check(f"listen: {listener}\nroutes: {{ /: {{ reply: x }} }}\n")
    assert code == 1 and message in out, out
