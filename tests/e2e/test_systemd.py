"""tests/e2e/test_systemd.py: what systemd is told, over a socket of its kind."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from leat import REPORT, TIMEOUT, Client, await_true
from notify import Notify
from upgrades import upgrade


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


# ------------------------------------------------------------------ sockets of systemd

def socket_of(family=socket.AF_INET, address=("127.0.0.1", 0), listen=True):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind(address)
    if listen:
        sock.listen(16)
    return sock


def activate_by(daemon, sockets):
    """It will be started with these sockets, from systemd, by their names."""
    activate = os.path.join(os.path.dirname(__file__), "activate.py")
    pairs = " ".join(f"{name}={sock.fileno()}" for name, sock in sockets.items())
    daemon.shell = f'exec /usr/bin/python3 {activate} {pairs} -- "$0" "$@";'
    daemon.fds = tuple(sock.fileno() for sock in sockets.values())


def activated(leat, conf, **sockets):
    daemon = leat(conf, start=False)
    activate_by(daemon, sockets)
    daemon.start()
    return daemon


ROUTES = "routes: { GET /: { reply: x } }\n"


def test_a_socket_of_systemd_is_taken_by_its_name(leat):
    with socket_of() as web, socket_of() as other:
        with Client(web.getsockname()) as early:  # before anybody accepts: it waits
            early.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            daemon = activated(leat, "listen: [systemd:other, systemd:web]\n" + ROUTES, web=web, other=other)
            assert early.response().text == "x"
        for sock in (web, other):
            with Client(sock.getsockname()) as client:
                assert client.get("/").text == "x"
        assert not any("not used" in line for line in daemon.lines)
        assert "127.0.0.1:%d" % web.getsockname()[1] in [one["address"] for one in daemon.status()["listeners"]]


def test_a_start_that_fails_leaves_who_waits_in_a_socket_of_systemd_to_the_next_start(leat):
    with socket_of() as web, socket_of() as taken:
        daemon = leat("listen: [systemd:web, \"127.0.0.1:%d\"]\n" % taken.getsockname()[1] + ROUTES, start=False)
        with Client(web.getsockname()) as early:
            early.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            activate_by(daemon, {"web": web})
            done = subprocess.run(["/bin/sh", "-c", daemon.shell, daemon.binary, "run", "-c", daemon.path], pass_fds=daemon.fds,
                                  stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
            assert done.returncode == 1 and "Address already in use" in done.stderr
            assert not REPORT.search(done.stderr), done.stderr
            daemon.write_conf("listen: systemd:web\n" + ROUTES)
            daemon.start()
            assert early.response().text == "x"


def test_a_socket_of_systemd_is_taken_by_its_address(leat):
    with socket_of() as web:
        port = web.getsockname()[1]
        activated(leat, f"listen: 127.0.0.1:{port}\n" + ROUTES, anything=web)  # binding would say EADDRINUSE
        with Client(("127.0.0.1", port)) as client:
            assert client.get("/").text == "x"


def test_a_reload_keeps_a_socket_of_systemd(leat):
    with socket_of() as web:
        daemon = activated(leat, "listen: systemd:web\n" + ROUTES, web=web)
        with Client(web.getsockname()) as client:
            assert client.get("/").text == "x"
            assert daemon.reload("listen: systemd:web\nroutes: { GET /: { reply: y } }\n").returncode == 0
            assert client.get("/").text == "y"
        with Client(web.getsockname()) as client:
            assert client.get("/").text == "y"


def test_a_socket_that_nobody_asks_for_is_told_of_and_may_be_asked_for_later(leat):
    with socket_of() as web:
        daemon = activated(leat, ROUTES, web=web)
        daemon.await_line("socket of systemd not used name=web")
        assert daemon.reload("listen: systemd:web\n" + ROUTES).returncode == 0
        with Client(web.getsockname()) as client:
            assert client.get("/").text == "x"


def test_a_name_that_systemd_has_not_passed_is_an_error_with_its_place(leat):
    daemon = leat(ROUTES)
    refused = daemon.reload("listen: systemd:nope\n" + ROUTES)
    assert refused.returncode == 1 and "systemd has passed no socket of that name" in refused.err
    assert "leat.yaml:" in refused.err and daemon.get("/").text == "x"


def test_what_does_not_listen_is_ignored(leat):
    with socket_of(listen=False) as bad, socket_of() as web:
        daemon = activated(leat, "listen: systemd:web\n" + ROUTES, bad=bad, web=web)
        daemon.await_line("descriptor of systemd ignored name=bad")
        with Client(web.getsockname()) as client:
            assert client.get("/").text == "x"


def test_the_socket_of_another_process_is_not_taken(leat):
    daemon = leat(ROUTES, env={"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"})
    assert daemon.get("/").text == "x" and not any("systemd" in line for line in daemon.lines)


def test_the_socket_unit_is_understood(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze (systemd) is not here")
    for name in ("leat.socket", "leat.service"):
        with open(f"packaging/{name}", encoding="utf-8") as file:
            (tmp_path / name).write_text(file.read().replace("/usr/sbin/leat", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "leat.socket"], capture_output=True, timeout=60, check=False)
    assert b"leat." not in done.stderr, done.stderr.decode()


# ------------------------------------------------------------------ descriptors that systemd keeps

def kept(notify, *names):
    """What systemd has been given to keep, by its names; the others of its messages are dropped."""
    found = {}
    while not all(any(name in one for one in found) for name in names):
        message = notify.until("FDSTORE", "1")
        assert not message["FDNAME"] in found
        found[message["FDNAME"]], = message["fds"]
    return {name: socket.socket(fileno=fd) for name, fd in found.items()}


def test_listeners_are_kept_by_systemd_and_a_crash_refuses_nobody(leat, notify):
    conf = 'listen: [127.0.0.1:0, "unix:@DIR@/web.sock"]\n' + ROUTES
    daemon = leat(conf, env={"NOTIFY_SOCKET": notify.path})
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(sock) for name, sock in kept(notify, "127.0.0.1", "web.sock", "admin.sock").items()}
        assert set(sockets) == {"leat-listener-127.0.0.1%3a0", f"leat-listener-unix%3a{daemon.dir}/web.sock",
                                f"leat-listener-unix%3a{daemon.dir}/admin.sock"}
        assert "READY" in notify.until("READY")  # they are kept before it is ready
        port, web, admin = daemon.port, daemon.dir + "/web.sock", daemon.admin_address
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        early = [stack.enter_context(Client(address)) for address in (("127.0.0.1", port), web)]
        for client in early:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        daemon.process.stderr.close()
        daemon.lines, daemon.addresses, daemon.code = [], [], None
        activate_by(daemon, sockets)
        daemon.start()
        assert [client.response().text for client in early] == ["x", "x"]
        assert daemon.port == port and daemon.admin_address == admin and daemon.status()["pid"] == daemon.pid
        assert not any("not used" in line for line in daemon.lines)


def test_a_listener_that_leaves_is_not_kept_any_more(leat, notify):
    daemon = leat('listen: [127.0.0.1:0, "unix:@DIR@/web.sock"]\n' + ROUTES, env={"NOTIFY_SOCKET": notify.path})
    for sock in kept(notify, "127.0.0.1", "web.sock", "admin.sock").values():
        sock.close()
    assert daemon.reload('listen: [127.0.0.1:0, "unix:@DIR@/more.sock"]\n' + ROUTES).returncode == 0
    assert notify.until("FDSTOREREMOVE", "1")["FDNAME"].endswith("/web.sock")
    for sock in kept(notify, "more.sock").values():
        sock.close()
    daemon.signal(signal.SIGTERM)  # the path of the admin socket goes, TCP is for who comes after a restart
    assert notify.until("FDSTOREREMOVE", "1")["FDNAME"].endswith("/admin.sock")
    assert daemon.wait() == 0
    notify.sock.settimeout(0)
    with pytest.raises(BlockingIOError):
        notify.until("FDSTOREREMOVE")


def test_what_was_kept_and_is_not_in_the_file_any_more_is_closed(leat, notify):
    web = socket_of()
    port = web.getsockname()[1]
    daemon = leat(ROUTES, start=False, env={"NOTIFY_SOCKET": notify.path})
    name = f"leat-listener-127.0.0.1%3a{port}"
    activate_by(daemon, {name: web})
    daemon.start()
    web.close()
    daemon.await_line("listener of before is closed")
    assert notify.until("FDSTOREREMOVE", "1")["FDNAME"] == name
    with pytest.raises(ConnectionRefusedError):
        Client(("127.0.0.1", port))


def test_a_kept_socket_whose_path_is_gone_is_made_anew(leat):
    daemon = leat('listen: "unix:@DIR@/web.sock"\n' + ROUTES, start=False)
    path = daemon.dir + "/web.sock"
    with socket_of(socket.AF_UNIX, path) as web:
        os.unlink(path)
        activate_by(daemon, {f"leat-listener-unix%3a{path}": web})
        daemon.start()
        with Client(path) as client:
            assert client.get("/").text == "x"


def test_a_socket_of_a_socket_unit_is_not_given_to_systemd_to_keep(leat, notify):
    with socket_of() as web:
        daemon = leat("listen: systemd:web\n" + ROUTES, start=False, env={"NOTIFY_SOCKET": notify.path})
        activate_by(daemon, {"web": web})
        daemon.start()
        for name, sock in kept(notify, "admin.sock").items():
            assert "web" not in name
            sock.close()
        notify.until("READY")


def test_an_activated_daemon_is_upgraded_with_its_sockets(leat):
    with socket_of() as web, socket_of() as later:
        daemon = activated(leat, "listen: systemd:web\n" + ROUTES, web=web, later=later)
        upgrade(daemon)
        with Client(web.getsockname()) as client:
            assert client.get("/").text == "x"
        assert daemon.reload("listen: [systemd:web, systemd:later]\n" + ROUTES).returncode == 0
        with Client(later.getsockname()) as client:
            assert client.get("/").text == "x"


def test_systemd_socket_activate_works(leat):
    if not shutil.which("systemd-socket-activate"):
        pytest.skip("systemd-socket-activate (systemd) is not here")
    daemon = leat("listen: systemd:http\n" + ROUTES, start=False)
    path = daemon.dir + "/web.sock"
    daemon.shell = f'exec systemd-socket-activate -l {path} --fdname=http -- "$0" "$@";'
    threading.Thread(target=daemon.start, daemon=True).start()

    def ask():
        with contextlib.suppress(OSError), Client(path) as client:  # the first one starts the daemon
            return client.get("/").text == "x"
        return False
    await_true(ask)
    daemon.await_line("serving.*version")
