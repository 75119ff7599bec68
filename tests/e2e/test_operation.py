"""Reload, signals, systemd, jobs, the command line, logs, descriptors."""
import json
import os
import resource
import signal
import socket
import threading
import time

import pytest

from harness import LEAT, PATIENCE, Backend, Client, Daemon, run_leat

@pytest.fixture(name="leat")
def start_daemons(tmp_path):
    """leat(TEXT) starts a daemon; all are stopped, and must end cleanly, with the test."""
    daemons = []

    def start(text, **kwargs):
        daemons.append(Daemon(tmp_path, text, **kwargs))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.stop()


HELLO = 'routes: { GET /: { reply: "one" }, GET /slow: { tasks: { w: { wait: 300ms } }, reply: "slow one" } }\n'


def test_reload_takes_over_and_a_refused_one_changes_nothing(leat):
    daemon = leat(HELLO)
    done = daemon.reload(HELLO.replace("one", "two"))
    assert (done.returncode, done.stdout) == (0, "reloaded: generation 2 is at work\n")
    assert daemon.get("/").text == "two"
    done = daemon.reload('routes: { GET /: { reply: "${nope}" } }')
    assert done.returncode == 1
    assert ':3:30: error: unknown name "nope"' in done.stderr and "^~~~" in done.stderr
    assert "generation 2 goes on" in done.stderr
    assert daemon.get("/").text == "two"
    assert daemon.status()["reloads_refused"] == 1
    assert daemon.reload("routes: [").returncode == 1  # not even YAML: the daemon is still found
    assert daemon.reload(HELLO).returncode == 0


def test_a_request_ends_with_the_generation_that_it_began_with(leat):
    daemon = leat(HELLO)
    with daemon.connect() as client:
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        while daemon.status()["requests_in_work"] == 0:
            pass
        assert daemon.reload(HELLO.replace("one", "two")).returncode == 0
        assert client.read().text == "slow one"
        assert client.request("GET", "/slow").text == "slow two"
    assert daemon.status()["generations_in_use"] == 1


def test_listeners_come_and_go_and_connections_stay(leat):
    daemon = leat("listen: [127.0.0.1:0]\n" + HELLO)
    with daemon.connect() as client:
        assert client.request("GET", "/").text == "one"
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
            done = daemon.reload(f"listen: [127.0.0.1:0, 127.0.0.1:{port}]\n" + HELLO)
            assert done.returncode == 1 and "cannot listen" in done.stderr
        assert daemon.reload(f"listen: [127.0.0.1:0, 127.0.0.1:{port}]\n" + HELLO).returncode == 0
        assert Client(("127.0.0.1", port)).request("GET", "/").text == "one"
        assert daemon.reload(f"listen: [127.0.0.1:{port}]\n" + HELLO.replace("one", "two")).returncode == 0
        assert client.request("GET", "/").text == "two"
        with pytest.raises(ConnectionRefusedError):
            daemon.connect()


def test_reloads_under_load_fail_no_request(leat):
    daemon = leat("log: { access: off }\n" + HELLO)
    stop, answered, failed = threading.Event(), [0] * 4, []

    def load(index):
        try:
            with daemon.connect() as client:
                while not stop.is_set():
                    assert client.request("GET", "/").status == 200
                    answered[index] += 1
        except Exception as error:  # noqa: any failure at all is what is looked for
            failed.append(error)

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert daemon.ask("POST", "/v1/reload").json()["accepted"]
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed and all(answered)
    assert daemon.status()["generation"] == 21


def test_sighup_reloads_and_sigusr1_reopens_the_access_log(leat, tmp_path):
    log = tmp_path / "access.log"
    text = f"log: {{ access: {log} }}\n" + HELLO
    daemon = leat(text)
    daemon.get("/")
    daemon.write(text.replace("one", "two"))
    daemon.signal(signal.SIGHUP)
    daemon.await_log("reload done generation=2")
    assert daemon.get("/").text == "two"
    os.rename(log, tmp_path / "old.log")
    daemon.signal(signal.SIGUSR1)
    while not log.exists():
        time.sleep(0.001)
    daemon.get("/?second")
    daemon.stop()
    assert "path=/?second" in log.read_text().replace('"', "")
    assert ((tmp_path / "old.log").read_text() + log.read_text()).count("request done") == 3


def test_sigterm_lets_what_is_in_work_finish(leat):
    daemon = leat(HELLO)
    idle = daemon.connect()
    assert idle.request("GET", "/").status == 200
    with daemon.connect() as client:
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        while daemon.status()["requests_in_work"] == 0:
            pass
        daemon.signal(signal.SIGTERM)
        assert idle.is_closed()
        got = client.read()
        assert (got.text, got.header("connection")) == ("slow one", "close")
    daemon.wait()


@pytest.mark.parametrize("second", [True, False])
def test_the_end_comes_at_the_timeout_or_at_a_second_sigterm(leat, second):
    daemon = leat(f"timeouts: {{ shutdown: {'60s' if second else '100ms'} }}\n"
                  "routes: { GET /: { timeout: 60s, tasks: { w: { wait: 60s } }, reply: x } }")
    client = daemon.connect()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    while daemon.status()["requests_in_work"] == 0:
        pass
    daemon.signal(signal.SIGTERM)
    daemon.await_log("stopping")
    if second:
        daemon.signal(signal.SIGTERM)
    daemon.await_log("shutdown cancels")
    assert client.is_closed()
    daemon.wait()


class NotifySocket:
    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(PATIENCE)

    def next(self):
        return dict(line.split("=", 1) for line in self.sock.recv(4096).decode().splitlines())


def test_what_systemd_is_told(leat, tmp_path):
    notify = NotifySocket(tmp_path / "notify")
    daemon = leat(HELLO, env={"NOTIFY_SOCKET": notify.path})
    assert notify.next()["READY"] == "1"
    assert daemon.reload(HELLO.replace("one", "two")).returncode == 0
    reloading = notify.next()
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
    ready = notify.next()
    assert ready["READY"] == "1" and "generation 2" in ready["STATUS"]
    assert daemon.reload("routes: 7").returncode == 1
    assert notify.next()["RELOADING"] == "1"
    ready = notify.next()
    assert ready["READY"] == "1" and "refused" in ready["STATUS"]
    daemon.signal(signal.SIGTERM)
    assert notify.next()["STOPPING"] == "1"


def test_the_watchdog_is_fed(leat, tmp_path):
    notify = NotifySocket(tmp_path / "notify")
    leat(HELLO, env={"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "100000"})
    assert notify.next()["READY"] == "1"
    assert [notify.next()["WATCHDOG"] for _ in range(3)] == ["1"] * 3


def test_jobs_run_and_obey_commands(leat):
    daemon = leat("""
jobs:
  often: { every: 50ms, tasks: { l: { log: "tick ${run.planned}" } } }
  once: { delay: 10ms, tasks: { l: { log: "just once" } } }
  never: { cron: 0 0 29 2 *, timezone: Europe/Paris, tasks: { f: { fail: unavailable } }, retry: { times: 1, wait: 1ms } }
routes: { GET /: { reply: x } }
""")
    daemon.await_log("text=\"tick", 3)
    daemon.await_log("just once")
    listed = daemon.command("jobs")
    assert listed.returncode == 0 and "often" in listed.stdout and "0 0 29 2 *" in listed.stdout
    assert daemon.command("jobs", "run", "never").returncode == 0
    daemon.await_log("name=never outcome=failed", 2)
    history = json.loads(daemon.command("jobs", "history", "never", "--json").stdout)["runs"]
    assert [(r["outcome"], r["attempt"], r["error"]) for r in history] == [("failed", 2, "unavailable"), ("failed", 1, "unavailable")]
    assert daemon.command("jobs", "pause", "often").returncode == 0
    assert "paused" in daemon.command("jobs").stdout
    assert daemon.command("jobs", "resume", "often").returncode == 0
    missing = daemon.command("jobs", "run", "nothing")
    assert missing.returncode == 1 and 'no job "nothing"' in missing.stderr


def test_a_job_that_overlaps_is_skipped_and_one_that_hangs_times_out(leat):
    with Backend(lambda exchange: exchange.hang()) as backend:
        daemon = leat(f"""
jobs:
  hang: {{ every: 50ms, timeout: 200ms, tasks: {{ g: {{ get: "http://127.0.0.1:{backend.port}/h" }} }} }}
routes: {{ GET /: {{ reply: x }} }}
""")
        daemon.await_log("name=hang outcome=timeout")
        assert backend.closed.get(timeout=PATIENCE) == "/h"
        assert backend.n_most == 1


# ---------------------------------------------------------------- the command line

def check(tmp_path, text, *args, **files):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    path = tmp_path / "check.yaml"
    path.write_text(text)
    return run_leat("check", "-c", str(path), *args)


def test_check_prints_every_error_with_its_place(tmp_path):
    done = check(tmp_path, """\
listen: [nowhere]
http: { users: { url: "http://127.0.0.1:1" } }
routes:
  GET /a:
    tasks: { x: { get: "usrs:/" } }
    reply: "${y.body}"
  GET /b: { tsaks: {} }
  GET /c: { tasks: { p: { value: "${q}" }, q: { value: "${p}" } } }
  GET /{x}: { reply: a }
  GET /{y}: { reply: b }
""")
    assert done.returncode == 1
    for line in (':1:10: error: "nowhere" is not an address', 'no upstream "usrs"; did you mean "users"?',
                 'unknown name "y"', 'unknown key "tsaks" in a route; did you mean "tasks"?',
                 "matches the same requests as", "6 errors"):
        assert line in done.stderr, line
    assert "p" in done.stderr and "→" in done.stderr or "->" in done.stderr


@pytest.mark.parametrize("text, want", [
    ("routes: { GET /: { reply: { json: { a: ${path.x} } } } }", 'unquoted ${}'),
    ("jobs: { j: { cron: * * * * *, tasks: {} } }", "quote"),
    ("routes:\n\tGET /: { reply: x }", "tab"),
    ("routes: { GET /: { reply: a }, GET /: { reply: b } }", "GET /"),
    ("routes: { GET /: { reply: '${1 +}' } }", ":1:"),
    ("routes: { GET /: { reply: '${secret.none}' } }", "secret"),
    ("redis: {}", "not in this version"),
])
def test_traps_have_their_own_messages(tmp_path, text, want):
    done = check(tmp_path, text, "--strict")
    assert done.returncode == 1 and want in done.stderr and ": error: " in done.stderr


def test_the_same_name_in_two_files_shows_both_places(tmp_path):
    done = check(tmp_path, 'include: "*.inc.yaml"\nroutes: { GET /: { reply: a } }', **{"b.inc.yaml": "routes: { GET /: { reply: b } }"})
    assert done.returncode == 1 and "b.inc.yaml:1" in done.stderr and "check.yaml:2" in done.stderr


def test_exit_codes(tmp_path):
    assert check(tmp_path, HELLO).returncode == 0
    assert run_leat().returncode == 2
    assert run_leat("nonsense").returncode == 2
    assert run_leat("check", "--nonsense").returncode == 2
    assert run_leat("status", "--admin", f"unix:{tmp_path}/none.sock").returncode == 3
    assert run_leat("--version").stdout.startswith("leat ")
    assert json.loads(run_leat("schema").stdout)["properties"]["routes"]


def test_routes_explain_and_graph(tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text("""
routes:
  GET /u/{id}:
    tasks:
      a: { wait: 1ms }
      b: { wait: 1ms }
      c: { value: "${a.ok && b.ok}", timeout: 5s }
      g: { fail: x, when: "false" }
    reply: "${c}"
""")
    def leat(*args):
        return run_leat(*args, "-c", str(path))

    assert "GET /u/{id}" in leat("routes").stdout
    explained = leat("explain", "GET", "/u/7").stdout
    assert "id = 7" in explained and "wave 1:\n  g: fail" in explained and "guard" in explained
    assert leat("explain", "POST", "/u/7").returncode == 1
    assert leat("explain", "/none").returncode == 1
    assert '"a" -> "c"' in leat("graph", "GET /u/{id}", "--dot").stdout
    assert "a --> c" in leat("graph", "GET /u/{id}", "--mermaid").stdout
    assert leat("graph", "GET", "/none").returncode == 1


def test_the_admin_api(leat):
    daemon = leat(HELLO)
    daemon.get("/")
    assert daemon.status()["requests"] >= 1
    assert daemon.ask("GET", "/v1/routes").json()["routes"][0]["route"] == "GET /"
    assert b"route    GET /" in daemon.ask("GET", "/v1/explain?method=GET&path=/").body
    assert daemon.ask("GET", "/v1/graph?name=GET%20/slow").status == 200
    assert daemon.ask("GET", "/v1/upstreams").json() == {"upstreams": []}
    assert daemon.ask("GET", "/healthz").status == daemon.ask("GET", "/readyz").status == 200
    metrics = daemon.ask("GET", "/metrics").text
    assert 'leat_responses_total{code="2xx"}' in metrics
    for line in metrics.splitlines():
        assert line.startswith("# ") or len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) >= 0
    assert daemon.ask("GET", "/nothing").status == 404
    assert daemon.get("/v1/status").status == 404  # not on the public listener
    assert "serving" in daemon.command("status").stdout


# ---------------------------------------------------------------- logs and descriptors

def test_access_lines_cannot_be_forged(leat):
    daemon = leat("log: { format: json }\n" + HELLO.replace("GET /:", "'GET /{x}':"))
    daemon.get("/%0a%22status%22:200?a=b\\c'")
    line = json.loads(daemon.await_log("request done")[0])
    assert line["method"] == "GET" and line["status"] == 200 and line["path"] == "/%0a%22status%22:200?a=b\\c'"


def test_out_of_descriptors_it_neither_spins_nor_dies(leat):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

    daemon = leat("server: { threads: 1, compute_threads: 1 }\nlog: { access: off }\n" + HELLO, preexec=few)
    clients = [daemon.connect() for _ in range(80)]
    daemon.await_log("accept failed", 2)

    def cpu():
        with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, started = cpu(), time.monotonic()
    daemon.await_log("accept failed", 6)  # some 100 ms apart
    assert cpu() - before < 0.5 * (time.monotonic() - started) + 0.05
    for client in clients:
        client.close()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if daemon.get("/").status == 200:
                return
        except (OSError, EOFError):
            continue
    raise AssertionError("it did not recover")


def test_the_tour_answers_as_it_says(leat):
    path = os.path.join(os.path.dirname(__file__), "../../conf/leat.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    text = "\n".join(line for line in text.replace("8080", str(port)).splitlines() if not line.startswith("admin:"))
    daemon = leat(text)
    assert daemon.get("/hello").text == "Hello World!\n"
    assert daemon.get("/greet/Ada?greeting=Salut").json() == {"text": "Salut, Ada!", "length": 3}
    assert daemon.get("/old").header("location") == "/hello"
    user = daemon.get("/user/7").json()
    assert user["profile"]["name"] == "user 7" and user["first_sku"] == "apple" and user["partial"] is True
    assert daemon.get("/total/7").json() == {"user": "7", "items": 2, "first": 3}
    assert daemon.get("/down").text == "nobody is at home\n"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert daemon.request("POST", "/form", form, "name=Ada&age=36").status == 201
    assert daemon.request("POST", "/form", form, "age=36").json() == {"error": "name is missing"}
    daemon.await_log("warmed up: 2 items")
