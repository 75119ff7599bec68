"""tests/e2e/test_listeners.py: where the daemon can be reached, and how connections are spread."""
import os
import socket
import stat

import pytest

from leat import Daemon, await_true, cli

ROUTES = "routes: { GET /: { reply: \"${client.addr}\" } }"


def test_tcp_over_ipv4(leat):
    assert leat("listen: 127.0.0.1:0\nroutes: { GET /: { reply: x } }").get("/").text == "x"


def test_tcp_over_ipv6(leat):
    daemon = leat("listen: \"[::1]:0\"\nroutes: { GET /: { reply: x } }")
    assert daemon.addresses[0][0] == "::1"
    assert daemon.get("/").text == "x"


def test_a_unix_socket(leat):
    daemon = leat("listen: \"unix:@DIR@/web.sock\"\nroutes: { GET /: { reply: x } }")
    assert daemon.get("/").text == "x"


def test_several_at_once(leat):
    daemon = leat("listen:\n  - 127.0.0.1:0\n  - \"[::1]:0\"\n  - address: \"unix:@DIR@/a.sock\"\n"
                  "routes: { GET /: { reply: x } }")
    assert len(daemon.addresses) == 3
    for address in daemon.addresses:
        with daemon.connect(address) as client:
            assert client.get("/").text == "x"


def test_the_wildcard_takes_both_families(leat):
    daemon = leat("listen: \"*:0\"\nroutes: { GET /: { reply: x } }")
    for host in ("127.0.0.1", "::1"):
        with daemon.connect((host, daemon.port)) as client:
            assert client.get("/").text == "x"


def test_an_address_that_is_taken_is_an_error_that_shows_its_place(leat):
    daemon = leat("routes: { GET /: { reply: x } }")
    path = daemon.write("other.yaml", f"listen: 127.0.0.1:{daemon.port}\nadmin: {{ listen: off }}\n"
                                      "routes: { GET /: { reply: x } }\n")
    done = cli("run", "-c", path)
    assert done.returncode == 1
    assert f"other.yaml:1:9: error: cannot listen on 127.0.0.1:{daemon.port}" in done.err


def test_a_stale_unix_socket_is_replaced_and_one_in_use_is_not(leat):
    daemon = leat("listen: \"unix:@DIR@/web.sock\"\nroutes: { GET /: { reply: x } }")
    path = daemon.write("other.yaml", "listen: \"unix:@DIR@/web.sock\"\nadmin: { listen: off }\n"
                                      "routes: { GET /: { reply: other } }\n")
    assert cli("run", "-c", path).returncode == 1
    assert daemon.get("/").text == "x"
    stale = os.path.join(daemon.dir, "stale.sock")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(stale)
    assert daemon.reload(f"listen: [\"unix:@DIR@/web.sock\", \"unix:{stale}\"]\n"
                         "routes: { GET /: { reply: x } }").returncode == 0
    with daemon.connect(stale) as client:
        assert client.get("/").text == "x"


def test_the_admin_socket_is_not_for_everybody(leat):
    daemon = leat("routes: { GET /: { reply: x } }")
    assert stat.S_IMODE(os.stat(daemon.admin_address).st_mode) == 0o660


def test_the_admin_socket_is_gone_after_the_end(leat):
    daemon = leat("admin: { listen: \"unix:@DIR@/gone.sock\" }\nroutes: { GET /: { reply: x } }")
    path = daemon.admin_address
    assert os.path.exists(path)
    daemon.process.terminate()
    assert daemon.wait() == 0
    assert not os.path.exists(path)


def test_routes_of_the_admin_are_not_on_the_other_listeners(leat):
    daemon = leat("routes: { GET /: { reply: x } }")
    for target in ("/v1/status", "/metrics", "/healthz"):
        assert daemon.get(target).status == 404
        assert daemon.admin("GET", target).status == 200
    assert daemon.admin("GET", "/").status != 200 or daemon.admin("GET", "/").text != "x"


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_connections_are_spread_evenly_over_the_loops(leat, threads):
    daemon = leat(f"server: {{ threads: {threads} }}\nroutes: {{ GET /: {{ reply: x }} }}")
    clients = [daemon.connect() for _ in range(40)]
    assert [client.get("/").status for client in clients] == [200] * 40
    assert [loop["connections"] for loop in daemon.status()["loops"]] == [40 // threads] * threads
    for client in clients[::2]:
        client.close()
    await_true(lambda: daemon.n_connections() == 20)
    more = [daemon.connect() for _ in range(20)]
    assert [client.get("/").status for client in more] == [200] * 20
    spread = [loop["connections"] for loop in daemon.status()["loops"]]
    assert max(spread) - min(spread) <= 1


def test_a_daemon_without_listeners_serves_jobs_and_the_admin(leat):
    daemon = leat("listen: []\njobs: { j: { every: 1h, tasks: { t: { value: 1 } } } }")
    assert daemon.addresses == []
    assert daemon.status()["jobs"] == 1


def test_a_daemon_that_cannot_start_says_why_and_exits_1():
    daemon = Daemon("listen: 127.0.0.1:0\nroutes: { GET /: { rply: x } }", start=False)
    done = daemon.cli("run")
    assert done.returncode == 1
    assert "did you mean \"reply\"?" in done.err
    daemon.stop()
