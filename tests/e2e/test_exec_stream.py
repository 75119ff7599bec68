"""tests/e2e/test_exec_stream.py: programs whose output is passed on while it comes (`exec:` with `stream: true`)."""
import os
import signal

import pytest

from leat import SLOW, Closed, await_true, check
from test_exec import await_no_children, children

CONF = '''
routes:
  GET /script: { tasks: { p: { exec: [sh, "@DIR@/script"], stream: true } }, reply: { body: "${p.text}", headers: { Content-Type: text/plain } } }
  GET /count: { tasks: { p: { exec: [seq, "${query.n}"], stream: true } }, reply: { body: "${p}" } }
  GET /ever: { tasks: { p: { exec: ["yes"], stream: true, kill_after: 100ms } }, reply: { body: "${p}" } }
  GET /max: { tasks: { p: { exec: ["yes"], stream: true, max_output: 100k } }, reply: { body: "${p}" } }
  GET /unused: { tasks: { p: { exec: ["yes"], stream: true } }, reply: "not taken" }
  GET /one: { tasks: { p: { exec: [sh, "@DIR@/script"], stream: true, running: 1, waiting: 0 } }, reply: { body: "${p}" } }
  GET /idle: { tasks: { p: { exec: [sh, -c, "echo a; sleep 1000"], stream: true, idle: 100ms } }, reply: { body: "${p}" } }
  GET /late: { tasks: { p: { exec: [sleep, 1000], stream: true, timeout: 50ms } }, reply: { body: "${p}" } }
  POST /cat: { body: { max: 8m }, tasks: { p: { exec: cat, stdin: "${request.body}", stream: true } }, reply: { body: "${p}" } }
  GET /ok: { reply: ok }
'''

SLOWLY = """
echo one
until [ -e @DIR@/go ]; do sleep 0.01; done
echo two
"""


def script(daemon, text):
    daemon.write("script", text)


def send(client, target):
    return client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")


def test_what_it_writes_reaches_the_client_while_it_runs(leat):
    daemon = leat(CONF)
    script(daemon, SLOWLY)
    with daemon.connect() as client:
        send(client, "/script")
        head = client.head()
        assert (head.status, head.get("transfer-encoding"), head.get("content-type")) == (200, "chunked", "text/plain")
        assert client._exactly(9) == b"4\r\none\n\r\n"
        assert len(children(daemon.pid)) == 1
        daemon.write("go", "")
        assert client._exactly(14) == b"4\r\ntwo\n\r\n0\r\n\r\n"
        assert client.get("/ok").text == "ok"
    await_no_children(daemon)


def test_all_of_a_large_output_comes(leat):
    daemon = leat(CONF)
    n = 300000
    assert daemon.get(f"/count?n={n}").body == b"".join(b"%d\n" % i for i in range(1, n + 1))
    body = os.urandom(4 << 20)
    answer = daemon.post("/cat", body)
    assert answer.body == body


def test_without_output_the_body_is_empty_and_its_length_known(leat):
    daemon = leat(CONF)
    script(daemon, "exit 0\n")
    answer = daemon.get("/script")
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "0", b"")


def test_a_failure_before_any_output_is_that_of_the_task(leat):
    daemon = leat(CONF)
    script(daemon, "echo why >&2; exit 2\n")
    answer = daemon.get("/script")
    assert (answer.status, answer.json()["code"]) == (500, "exec_failed")
    daemon.await_line('detail="sh ended with status 2: why"')
    answer = daemon.get("/late")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    await_no_children(daemon)


@pytest.mark.parametrize("end", ["exit 3", "kill -9 $$"])
def test_a_failure_behind_output_cuts_the_answer(leat, end):
    daemon = leat(CONF)
    script(daemon, f"echo half; echo why >&2; {end}\n")
    with daemon.connect() as client:
        send(client, "/script")
        with pytest.raises(Closed):
            client.response()
    daemon.await_line("program failed while its output was passed on program=sh")
    daemon.await_line("answer cut .*error=EIO")
    assert daemon.get("/ok").text == "ok"


def test_a_client_that_takes_nothing_makes_the_program_wait(leat):
    daemon = leat(CONF)
    daemon.get("/ok")
    with daemon.connect(receive_buffer=4096) as client:
        send(client, "/ever")
        client.head()
        pid = await_true(lambda: children(daemon.pid))[0]

        def written():
            with open(f"/proc/{pid}/io", encoding="ascii") as file:
                return int(next(line.split()[1] for line in file if line.startswith("wchar")))

        seen = [-1, 0]

        def still():
            now = written()
            seen[1] = seen[1] + 1 if now == seen[0] else 0
            seen[0] = now
            return seen[1] > 30
        await_true(still, what="the program to be blocked")
        assert seen[0] < 16 << 20
        before = daemon.memory_kib()
        client._exactly(32 << 20)
        if SLOW == 1:
            assert daemon.memory_kib() < before + 4096
    await_no_children(daemon)


def test_a_client_that_leaves_ends_the_program(leat):
    daemon = leat(CONF)
    script(daemon, SLOWLY)
    for target in "/ever", "/script":
        client = daemon.connect()
        send(client, target)
        client.head()
        client.reset()
        await_no_children(daemon)
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_a_bound_that_is_said_holds(leat):
    daemon = leat(CONF)
    with daemon.connect() as client:
        send(client, "/max")
        with pytest.raises(Closed):
            client.response()
    daemon.await_line("answer cut .*error=EFBIG")
    await_no_children(daemon)


def test_a_program_that_falls_silent_is_ended(leat):
    daemon = leat(CONF)
    with daemon.connect() as client:
        send(client, "/idle")
        with pytest.raises(Closed):
            client.response()
    daemon.await_line("answer cut .*error=ETIMEDOUT")
    await_no_children(daemon)


def test_output_that_no_reply_takes_ends_the_program(leat):
    daemon = leat(CONF)
    assert daemon.get("/unused").text == "not taken"
    await_no_children(daemon)


def test_head_ends_the_program(leat):
    daemon = leat(CONF)
    with daemon.connect() as client:
        answer = client.send("HEAD /ever HTTP/1.1\r\nHost: a\r\n\r\n").response(head=True)
        assert answer.status == 200
        await_no_children(daemon)
        assert client.get("/ok").text == "ok"


def test_the_place_is_held_until_the_program_has_ended(leat):
    daemon = leat(CONF)
    script(daemon, SLOWLY)
    with daemon.connect() as client:
        send(client, "/one")
        client.head()
        assert daemon.get("/one").json()["code"] == "queue_full"
        daemon.write("go", "")
        client._until(b"0\r\n\r\n")
    await_no_children(daemon)
    assert daemon.get("/one").text == "one\ntwo\n"


def test_a_shutdown_waits_for_a_stream_and_cuts_it_when_its_time_is_over(leat):
    daemon = leat("timeouts: { shutdown: 200ms }\n" + CONF)
    client = daemon.connect()
    send(client, "/ever")
    client._exactly(1 << 20)
    pid = children(daemon.pid)[0]
    daemon.signal(signal.SIGTERM)
    with pytest.raises(Closed):
        while True:
            client._exactly(1 << 20)
    assert daemon.wait() == 0
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("reply", ['"${x}"', '{ text: "${x.text}" }', '{ json: "${x.text}" }', '{ body: "a${x.text}" }'])
def test_the_output_can_only_be_a_whole_body(reply):
    code, out = check(f"routes:\n  GET /s:\n    tasks:\n      x: {{ exec: echo, stream: true }}\n    reply: {reply}\n")
    assert code == 1 and "stream: true" in out and "leat.yaml:5:" in out, out


@pytest.mark.parametrize("text", [
    "jobs: { j: { every: 1h, tasks: { x: { exec: echo, stream: true } } } }",
    "routes: { GET /: { tasks: { g: { tasks: { x: { exec: echo, stream: true } } } } } }",
    "routes: { GET /: { tasks: { x: { exec: echo, stream: true, each: [1] } } } }",
])
def test_a_stream_stands_only_among_the_tasks_of_a_route(text):
    code, out = check(text + "\n")
    assert code == 1 and "only a task of a route itself" in out, out
