"""tests/e2e/test_upstream_faults.py: HTTP servers that die, vanish, hang, talk nonsense or have no room: every answer is right or
mapped, nothing leaks, and all is well again without a reload."""
import concurrent.futures
import os
import random
import signal
import socket
import subprocess
import sys
import threading

import pytest

from backends import Backend, Gone, Refusing, answering, holding
from leat import FLAVOR, await_true

ROUTES = """
routes:
  GET /alive: { reply: alive }
  GET /x/{n}: { tasks: { t: { get: "u:/${path.n}" } }, reply: { json: "${t.body}" } }
  POST /x/{n}: { tasks: { t: { post: "u:/${path.n}", json: 1 } }, reply: { json: "${t.body}" } }
  GET /p/{rest...}: { proxy: u }
"""


def conf(upstream, threads=1):
    return f"http: {{ u: {{ {upstream} }} }}\nserver: {{ threads: {threads} }}\n{ROUTES}"


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def echo(call):
    call.json(call.path)


class Mortal:
    """A server at one port that dies every second, in the middle of whatever it does, and comes back."""

    def __init__(self):
        self.one, self.lives = Backend(echo), 1
        self.port, self.over = self.one.port, threading.Event()
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()

    def live(self):
        while not self.over.wait(1):
            self.one.close()
            self.over.wait(0.02)  # nobody listens meanwhile
            self.rise()

    def rise(self):
        self.one = revived(self.port)
        self.lives += 1

    def stay(self):
        """It dies no more."""
        self.over.set()
        self.thread.join()


def revived(port):
    """A server at that port, as soon as it is free."""
    made = []

    def rise():
        try:
            made.append(Backend(echo, port=port))
        except OSError:
            return False
        return True
    await_true(rise)
    return made[0]


@pytest.mark.parametrize("path", ["/x", "/p"])
def test_ten_thousand_requests_to_a_server_that_dies_every_second(leat, path):
    mortal = Mortal()
    daemon = leat(conf("url: @url@, pool: { max: 50 }", threads=2), url=f"http://127.0.0.1:{mortal.port}")
    each = 10000 // 8 if FLAVOR == "release" else 200  # a sanitizer's daemon is not asked so often
    counts, settled = {200: 0}, threading.Barrier(8)

    def ask(worker):
        statuses = []
        with daemon.connect() as client:
            for n in range(each):
                answer = client.get(f"{path}/{worker}-{n}")
                statuses.append(answer.status)
                if answer.status == 200:
                    assert answer.json() == f"/{worker}-{n}"  # its own answer, and all of it
                else:
                    assert answer.status in (502, 503, 504), answer
                if n == each // 4:
                    settled.wait(120)
                    if worker == 0:
                        before.extend([descriptors(daemon), daemon.memory_kib()])
        return statuses
    before = []
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for statuses in pool.map(ask, range(8)):
                for status in statuses:
                    counts[status] = counts.get(status, 0) + 1
        await_true(lambda: mortal.lives > 1)
    finally:
        mortal.stay()
    assert sum(counts.values()) == 8 * each and counts[200] > 0
    await_true(lambda: all(daemon.get(f"{path}/after").status == 200 for _ in range(20)))  # without a reload
    mortal.one.close()
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0 and daemon.upstream("u")["open"] == 0)
    assert daemon.upstream("u")["pool"]["waiting"] == 0 and daemon.upstream("u")["pool"]["open"] == 0
    await_true(lambda: descriptors(daemon) <= before[0])
    if FLAVOR == "release":  # a sanitizer keeps what was freed
        assert daemon.memory_kib() < before[1] + 8192


def test_what_comes_back_is_called_again_without_a_reload(leat):
    first = Backend(echo)
    daemon = leat(conf("url: @url@, breaker: { failures: 3, open: 100ms }", threads=2), url=first.url)
    assert daemon.get("/x/1").json() == "/1"
    for _ in range(3):
        first.close()
        assert all(daemon.get("/x/2").status in (502, 503) for _ in range(10))
        first = revived(first.port)
        await_true(lambda: all(daemon.get("/x/3").status == 200 for _ in range(5)))
    first.close()


# ------------------------------------------------------------------ half-open: the peer has gone and never said so

TCP_REPAIR = 19


def vanish(backend):
    """Its connections end without a FIN: as if the machine had lost its power and come back."""
    with backend.changed:
        socks = list(backend.socks)
    for sock in socks:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except PermissionError:
            pytest.skip("TCP_REPAIR needs CAP_NET_ADMIN")
    nothing = os.open(os.devnull, os.O_RDWR)
    for sock in socks:
        os.dup2(nothing, sock.fileno())  # closed silently, as long as nobody reads from it
    os.close(nothing)
    return len(socks)


def once(call):
    """Answers, and reads no more from its connection."""
    echo(call)
    call.backend.release.wait()
    raise Gone


def test_a_kept_connection_whose_peer_has_vanished_is_replaced(leat, backend):
    u = backend(once)
    daemon = leat(conf("url: @url@"), url=u.url)
    assert daemon.get("/x/1").json() == "/1"
    assert vanish(u) == 1
    assert daemon.upstream("u")["idle"] == 1  # nobody knows yet
    assert daemon.get("/x/2").json() == "/2"
    assert u.n_connections == 2 and daemon.upstream("u")["failed"] == 0


def test_a_post_over_one_is_not_sent_twice_but_mapped(leat, backend):
    u = backend(once)
    daemon = leat(conf("url: @url@"), url=u.url)
    assert daemon.get("/x/1").json() == "/1"
    vanish(u)
    assert daemon.post("/x/2").status == 502
    assert daemon.post("/x/3").json() == "/3"
    assert [call.path for call in u.calls] == ["/1", "/3"]


@pytest.mark.parametrize("path, after", [("/x/1", b""), ("/x/1", b"HTTP/1.1 200 OK\r\nContent-Le"),
                                         ("/x/1", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")])
def test_a_peer_that_vanishes_in_the_middle_is_given_up_in_time(leat, backend, path, after):
    def handler(call):
        call.send(after)
        call.backend.release.wait()
        raise Gone
    u = backend(handler)
    daemon = leat(conf("url: @url@, timeouts: { first_byte: 300ms, idle: 300ms }"), url=u.url)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(daemon.get, path)
        u.await_calls(1)
        vanish(u)
        assert answer.result().status == 504
    assert (daemon.upstream("u")["open"], daemon.upstream("u")["in_flight"]) == (0, 0)


SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b'"slow"')
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_a_server_that_stands_still_is_passed_over_and_called_again_when_it_goes_on(leat, backend):
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as server:
        try:
            well = backend(answering("well"))
            daemon = leat(conf("servers: [ @slow@, @well@ ], timeouts: { connect: 2s, first_byte: 1s }, breaker: { failures: 1, open: 300ms }"),
                          slow=f"127.0.0.1:{int(server.stdout.readline())}", well=well.address)
            assert {daemon.get("/x/1").json() for _ in range(10)} == {"slow", "well"}
            server.send_signal(signal.SIGSTOP)
            statuses = [daemon.get("/x/1").status for _ in range(6)]
            assert set(statuses) <= {200, 504} and statuses.count(200) >= 1
            server.send_signal(signal.SIGCONT)
            await_true(lambda: daemon.get("/x/1").json() == "slow")
        finally:
            server.send_signal(signal.SIGCONT)
            server.kill()


# ------------------------------------------------------------------ nonsense, slowness, no room

def test_whatever_a_server_says_the_answer_is_right_or_mapped(leat, backend):
    dice = random.Random(6)
    whole = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"ok"'

    def handler(call):
        kind = dice.randrange(4)
        if kind == 0:  # noise
            call.send(bytes(dice.randrange(256) for _ in range(dice.randrange(1, 200))))
        elif kind == 1:  # cut
            call.send(whole[:dice.randrange(len(whole))])
        elif kind == 2:  # a byte is another one; a comma in a status line or a length
            at = dice.randrange(len(whole) - 4)
            call.send(whole[:at] + bytes([dice.randrange(256)]) + whole[at + 1:])
        else:  # something behind it
            call.send(whole + b"HTTP/1.1 200 OK\r\n")
        raise Gone
    u = backend(handler)
    daemon = leat(conf("url: @url@, timeouts: { first_byte: 1s, idle: 1s }"), url=u.url)
    seen = set()
    for n in range(300):
        answer = daemon.get(f"/x/{n}")
        seen.add(answer.status)
        assert answer.status in (200, 502, 504), answer
        assert answer.status != 200 or answer.json() == "ok" or isinstance(answer.json(), (str, type(None), int))
    assert {200, 502} <= seen
    await_true(lambda: daemon.upstream("u")["in_flight"] == 0 and daemon.upstream("u")["open"] == 0)


def test_a_server_that_sends_a_byte_at_a_time_has_the_time_of_the_call_and_no_more(leat, backend):
    def handler(call):
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000000:
            call.send(bytes([byte]))
            if call.backend.release.wait(0.005):
                raise Gone
    u = backend(handler)
    daemon = leat(conf("url: @url@, timeouts: { total: 500ms }"), url=u.url)
    assert daemon.get("/x/1").status == 504
    assert daemon.upstream("u")["open"] == 0


def test_a_server_that_takes_few_connections_is_asked_over_few(leat, backend):
    def handler(call):
        with call.backend.changed:  # what leat has closed is seen a little later
            if not call.backend.changed.wait_for(lambda: call.backend.n_open <= 2, 5):
                raise Gone  # too many: it hangs up
        call.json(call.path)
    u = backend(handler)
    daemon = leat(conf("url: @url@, pool: { max: 2 }", threads=2), url=u.url)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: daemon.get(f"/x/{n}"), range(200)))
    assert [answer.json() for answer in answers] == [f"/{n}" for n in range(200)]
    assert daemon.upstream("u")["pool"]["refused"] == 0


def test_a_server_that_accepts_nobody_is_a_timeout_and_the_next_is_asked(leat, backend):
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port, fillers = full.getsockname()[1], []
    for _ in range(4):  # its backlog is full: who comes now is not answered
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    well = backend(answering("well"))
    daemon = leat(conf("servers: [ @full@, @well@ ], timeouts: { connect: 1s }"), full=f"127.0.0.1:{port}", well=well.address)
    for _ in range(4):
        assert daemon.get("/x/1").status in (200, 504)
    assert daemon.get("/x/1").json() == "well"
    for sock in (full, *fillers):
        sock.close()


def test_more_than_the_daemon_has_descriptors_for_is_mapped_and_passes(leat, backend):
    u = backend(holding("late"))
    daemon = leat(conf("url: @url@"), url=u.url, shell="ulimit -n 64;")
    clients = [daemon.connect() for _ in range(12)]
    for client in clients:
        client.send(b"GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    u.release.set()
    statuses = [client.response().status for client in clients]
    assert set(statuses) <= {200, 502, 503}
    await_true(lambda: daemon.get("/x/2").status == 200)


# ------------------------------------------------------------------ every kind of upstream is away

AWAY = """
http:
  gone: { url: "http://@GONE@" }
  nameless: { url: "http://nobody.invalid" }
  secure: { servers: [ "@GONE@" ], tls: { verify: false } }
  behind: { url: "https://nobody.invalid", via: "http://@GONE@" }
  service: { servers: [ srv:_http._tcp.nobody.invalid ], health: { interval: 100ms } }
redis: { cache: { url: "redis://@GONE@" } }
sql:
  pg: { url: "postgres://u:p@@GONE@/db" }
  maria: { url: "mysql://u:p@@GONE@/db" }
kafka: { bus: { brokers: [ "@GONE@" ], timeout: 1s } }
routes:
  GET /alive: { reply: alive }
  GET /http/gone: { tasks: { t: { get: "gone:/" } }, reply: ok }
  GET /http/nameless: { tasks: { t: { get: "nameless:/" } }, reply: ok }
  GET /http/secure: { tasks: { t: { get: "secure:/" } }, reply: ok }
  GET /http/behind: { tasks: { t: { get: "behind:/" } }, reply: ok }
  GET /http/service: { tasks: { t: { get: "service:/" } }, reply: ok }
  GET /redis: { tasks: { t: { redis: cache, command: [ GET, a ] } }, reply: ok }
  GET /pg: { tasks: { t: { sql: pg, query: "select 1" } }, reply: ok }
  GET /maria: { tasks: { t: { sql: maria, query: "select 1" } }, reply: ok }
  GET /kafka: { tasks: { t: { kafka: bus, topic: a, message: b } }, reply: ok }
"""


def test_upstreams_of_any_kind_that_are_away_stop_no_start_no_reload_and_no_end(leat):
    gone = Refusing()
    text = AWAY.replace("@GONE@", gone.address)
    daemon = leat(text)
    paths = ["http/gone", "http/nameless", "http/secure", "http/behind", "http/service", "redis", "pg", "maria", "kafka"]

    def ask_all():
        with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
            for path, answer in zip(paths, pool.map(lambda path: daemon.get("/" + path), paths)):
                assert answer.status in (502, 503, 504), (path, answer)
                assert answer.json()["code"] in ("connect_failed", "dns_failed", "timeout", "unavailable", "kafka_error", "sql_error"), (path, answer.json())
    assert daemon.get("/alive").text == "alive"
    ask_all()
    daemon.reload(text + "  GET /more: { reply: more }\n")
    assert daemon.get("/more").text == "more"
    ask_all()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:  # also while somebody waits for one of them
        waiting = pool.submit(daemon.get, "/kafka")
        daemon.reload(text)
        assert daemon.get("/more").status == 404
        assert waiting.result().status in (502, 503, 504)
    gone.close()
