"""tests/e2e/test_reload.py: one configuration after the other, while requests are answered."""
import os
import signal
import threading
import time

import pytest

from backends import answering, holding
from leat import SLOW, TIMEOUT, Closed, await_true

ONE, TWO = ("routes: { GET /: { reply: one } }", "routes: { GET /: { reply: two } }")


def test_a_reload_puts_the_new_configuration_to_work(leat):
    daemon = leat(ONE)
    assert daemon.get("/").text == "one"
    done = daemon.reload(TWO)
    assert done.returncode == 0 and done.out == "reloaded: generation 2 is at work\n" and done.err == ""
    assert daemon.get("/").text == "two"
    status = daemon.status()
    assert (status["generation"], status["reloads"], status["reloads_refused"]) == (2, 1, 0)


def test_a_rejected_reload_changes_nothing_and_says_why(leat):
    daemon = leat(ONE)
    done = daemon.reload("routes:\n  GET /: { reply: \"${pth.x}\" }\n  GET /y: { rply: x }\n")
    assert done.returncode == 1
    assert "leat.yaml:7:22: error: unknown name \"pth\"; did you mean \"path\"?" in done.err
    assert "     7 |   GET /: { reply: \"${pth.x}\" }\n       |                      ^~~\n" in done.err
    assert "leat.yaml:8:13: error: unknown key \"rply\" in a route; did you mean \"reply\"?" in done.err
    assert "generation 1 goes on" in done.err and done.out == ""
    assert daemon.get("/").text == "one"
    status = daemon.status()
    assert (status["generation"], status["reloads"], status["reloads_refused"]) == (1, 0, 1)
    daemon.await_line("reload refused errors=2")
    assert daemon.reload(TWO).returncode == 0
    assert daemon.get("/").text == "two"


@pytest.mark.parametrize("broken", [b"routes: [\n", b"\xff\xfe", b"", b"routes:\n\tGET /: x\n", b"a: &a [*a]\n"])
def test_a_file_that_cannot_be_read_as_yaml_is_refused(leat, broken):
    daemon = leat(ONE)
    admin = "unix:" + daemon.admin_address
    daemon.write("leat.yaml", broken)
    done = daemon.cli("reload", "--admin", admin)
    assert done.returncode == (1 if broken else 0)
    if broken:
        assert "leat.yaml:" in done.err and "error: " in done.err
        assert daemon.get("/").text == "one"


def test_a_missing_file_is_refused(leat):
    daemon = leat(ONE)
    os.unlink(daemon.path)
    done = daemon.cli("reload", "--admin", "unix:" + daemon.admin_address)
    assert done.returncode == 1 and "leat.yaml" in done.err
    assert daemon.get("/").text == "one"


def test_reload_finds_the_daemon_though_the_file_is_broken(leat):
    daemon = leat(ONE)
    daemon.write_conf("routes: [\n")
    done = daemon.cli("reload")
    assert done.returncode == 1 and "error: " in done.err


def test_sighup_reloads(leat):
    daemon = leat(ONE)
    daemon.write_conf(TWO)
    daemon.signal(signal.SIGHUP)
    daemon.await_line("reload done generation=2")
    assert daemon.get("/").text == "two"


def test_sighup_with_errors_prints_them(leat):
    daemon = leat(ONE)
    daemon.write_conf("routes: { GET /: { rply: x } }")
    daemon.signal(signal.SIGHUP)
    daemon.await_line("reload refused")
    daemon.await_line("did you mean \"reply\"")
    assert daemon.get("/").text == "one"


def test_the_admin_api_reloads(leat):
    daemon = leat(ONE)
    daemon.write_conf(TWO)
    answer = daemon.admin("POST", "/v1/reload")
    assert answer.status == 200 and answer.json() == {"accepted": True, "generation": 2, "diagnostics": ""}
    daemon.write_conf("x: 1")
    answer = daemon.admin("POST", "/v1/reload")
    assert answer.status == 422 and answer.json()["accepted"] is False and "unknown key" in answer.json()["diagnostics"]


# ------------------------------------------------------------------ what lives on

def test_a_kept_connection_survives(leat):
    daemon = leat(ONE)
    with daemon.connect() as client:
        assert client.get("/").text == "one"
        daemon.reload(TWO)
        assert client.get("/").text == "two"
        daemon.reload("routes: { broken")
        assert client.get("/").text == "two"


def test_a_request_in_work_ends_with_what_it_began_with(leat, backend):
    upstream = backend(holding({}))
    conf = "http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\" } }, reply: \"@word@ ${t.status}\" } }"
    daemon = leat(conf, url=upstream.url, word="old")
    with daemon.connect() as old, daemon.connect() as new:
        old.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        upstream.await_calls(1)
        daemon.names["word"] = "new"
        assert daemon.reload(conf).returncode == 0
        assert daemon.status()["generations_in_use"] == 2
        new.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        upstream.await_calls(2)
        upstream.release.set()
        assert old.response().text == "old 200"
        assert new.response().text == "new 200"
    await_true(lambda: daemon.status()["generations_in_use"] == 1, what="the end of the old generation")


def test_a_half_sent_request_survives(leat):
    daemon = leat("routes: { POST /: { reply: \"one ${body}\" } }")
    with daemon.connect() as head, daemon.connect() as body:
        head.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Le")
        body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        await_true(lambda: daemon.status()["requests_in_work"] == 1)
        daemon.reload("routes: { POST /: { reply: \"two ${body}\" } }")
        head.send("ngth: 1\r\n\r\nx")
        body.send("cd")
        assert head.response().text == "two x"
        assert body.response().text == "one abcd"


def test_a_listener_can_be_added_and_removed(leat):
    daemon = leat("listen: [127.0.0.1:0]\n" + ONE)
    first = daemon.addresses[0]
    kept = daemon.connect()
    assert kept.get("/").text == "one"
    listen = f"listen: [127.0.0.1:{first[1]}, \"unix:@DIR@/more.sock\"]\n"
    # The first was asked for as port 0, so by its number it is another one.
    assert daemon.reload("listen: [127.0.0.1:0, \"unix:@DIR@/more.sock\"]\n" + TWO).returncode == 0, listen
    with daemon.connect(os.path.join(daemon.dir, "more.sock")) as client:
        assert client.get("/").text == "two"
        assert daemon.get("/").text == "two"
        assert daemon.reload("listen: [\"unix:@DIR@/more.sock\"]\n" + ONE).returncode == 0
        assert client.get("/").text == "one"  # connections of both go on,
        assert kept.get("/").text == "one"    # those of a listener that is gone too

        def refused():
            try:
                daemon.connect(first).close()
            except ConnectionError:
                return True
            return False
        await_true(refused, what="the end of the first listener")


def test_who_is_kept_out_by_a_listener_is_not_let_in_when_that_goes(leat):
    routes = "routes: { GET /: { reply: x }, GET /t: { tasks: { w: { wait: 1ms } }, reply: y } }\n"
    daemon = leat('listen: [127.0.0.1:0, { address: "unix:@DIR@/guarded", deny: [unix] }]\n' + routes)
    address = next(a for a in daemon.addresses if isinstance(a, str))
    kept = [daemon.connect(address) for _ in range(3)]  # the third one has not asked yet
    assert [c.get("/").status for c in kept[:2]] == [403, 403]
    assert daemon.reload("listen: 127.0.0.1:0\n" + routes).returncode == 0
    for client, target in zip(kept, ["/", "/t", "/"]):
        assert client.get(target).status == 503
        assert client.is_closed()
    assert daemon.get("/").text == "x"


def test_a_listener_that_cannot_be_opened_refuses_the_reload(leat):
    daemon, other = leat(ONE), leat(ONE)
    done = daemon.reload(f"listen: [127.0.0.1:0, \"unix:@DIR@/new.sock\", 127.0.0.1:{other.port}]\n" + TWO)
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{other.port}" in done.err
    assert daemon.get("/").text == "one"
    assert len(daemon.status()["listeners"]) == 2  # its own and the admin's: the new one that could be opened is gone again


def test_connections_to_upstreams_are_carried_over(leat, backend):
    upstream = backend(answering({}))
    conf = "server: { threads: 1 }\nhttp: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\" } } } }"
    daemon = leat(conf, url=upstream.url)
    for _ in range(5):
        assert daemon.get("/").status == 204
        assert daemon.reload().returncode == 0
    assert daemon.get("/").status == 204
    assert upstream.n_connections == 1
    assert daemon.upstream("u")["calls"] == 6


def test_connections_to_an_upstream_that_is_gone_are_closed(leat, backend):
    upstream = backend(answering({}))
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\" } } } }", url=upstream.url)
    assert daemon.get("/").status == 204 and upstream.n_open == 1
    assert daemon.reload(ONE).returncode == 0
    await_true(lambda: upstream.n_open == 0, what="the end of its connections")


def test_new_limits_hold_at_once(leat):
    daemon = leat("routes: { GET /: { reply: one } }")
    long = "/?" + "x" * 3000
    assert daemon.get(long).status == 200
    daemon.reload("limits: { line: 1k }\n" + ONE)
    assert daemon.get(long).status == 414


def test_threads_are_fixed_and_a_reload_says_so(leat):
    daemon = leat(ONE)
    done = daemon.reload("server: { threads: 3 }\n" + TWO)
    assert done.returncode == 0 and "warning" in done.err and "restart" in done.err
    assert len(daemon.status()["loops"]) == 2


# ------------------------------------------------------------------ under load

class Load:
    """Clients on kept connections that ask as fast as they can, and count what is not as it should be."""

    def __init__(self, daemon, n, target="/"):
        self.daemon, self.target, self.stopping = daemon, target, threading.Event()
        self.n_answers, self.failures = [0] * n, []
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]
        for thread in self.threads:
            thread.start()

    def run(self, i):
        try:
            while not self.stopping.is_set():
                self.use_connection(i)
        except (AssertionError, Closed, OSError) as error:
            self.failures.append((self.target, self.n_answers[i], error))

    def use_connection(self, i):
        """Until it is told that this was the last answer (limits.requests); an end without that is a failure."""
        with self.daemon.connect() as client:
            while not self.stopping.is_set():
                answer = client.get(self.target)
                if answer.status != 200:
                    self.failures.append(answer)
                self.n_answers[i] += 1
                if answer.get("connection") == "close":
                    return

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(TIMEOUT)
        assert self.failures == []
        assert min(self.n_answers) > 0
        return sum(self.n_answers)


def test_a_reload_every_100_ms_under_load_fails_no_request(leat, backend):
    upstream = backend(answering({"a": 1}))
    conf = ("limits: { requests: 2000 }\nhttp: { u: { url: @url@ } }\nroutes:\n  GET /: { reply: \"generation @n@\" }\n"
            "  GET /flow: { tasks: { a: { get: \"u:/a\" }, b: { get: \"u:/b\" } }, reply: { json: [\"${a.body}\", \"${b.body}\"] } }\n"
            "  GET /id/{x}: { reply: \"${path.x} @n@\" }\njobs: { j: { every: 20ms, tasks: { t: { get: \"u:/job\" } } } }\n")
    daemon = leat(conf, url=upstream.url, n=0)
    loads = [Load(daemon, 4), Load(daemon, 2, "/flow"), Load(daemon, 2, "/id/7")]
    tick, end, n = threading.Event(), time.monotonic() + 3, 0
    least = 15 if SLOW == 1 else 3
    while time.monotonic() < end or n < least:
        n += 1
        daemon.names["n"] = n
        daemon.write_conf(conf)
        assert daemon.admin("POST", "/v1/reload").status == 200
        tick.wait(0.1)
    total = sum(load.stop() for load in loads)
    assert total > 100 and n >= least
    assert daemon.get("/").text == f"generation {n}"
    await_true(lambda: daemon.status()["generations_in_use"] <= 2, what="the end of old generations")


def test_reloads_at_once_are_all_answered(leat):
    daemon = leat(ONE)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.admin("POST", "/v1/reload").status)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert answers == [200] * 20


def test_a_reload_whose_asker_leaves_is_done_all_the_same(leat):
    daemon = leat(ONE)
    daemon.write_conf(TWO)
    client = daemon.connect(daemon.admin_address)
    client.send("POST /v1/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    client.reset()
    await_true(lambda: daemon.get("/").text == "two")


def test_many_reloads_leak_nothing(leat):
    daemon = leat(ONE)

    n = 100 if SLOW == 1 else 20
    for i in range(n):
        assert daemon.admin("POST", "/v1/reload").status == 200
    before = daemon.memory_kib()
    for i in range(n):
        assert daemon.admin("POST", "/v1/reload").status == 200
    if SLOW == 1:  # LeakSanitizer looks for itself, and its own memory grows
        assert daemon.memory_kib() - before < 2048
    assert daemon.status()["generation"] == 2 * n + 1


def test_an_admin_who_reads_nothing_keeps_an_old_generation_to_the_end_of_the_process(leat):
    daemon = leat("routes:\n" + "".join(f"  GET /{'a' * 200}/{i}: {{ reply: one }}\n" for i in range(4000)))
    client = daemon.connect(daemon.admin_address)
    client.send("GET /v1/routes HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.sock.recv(1) == b"H"  # the rest is more than the socket takes
    assert daemon.reload(TWO).returncode == 0
    assert daemon.status()["generations_in_use"] == 2
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
