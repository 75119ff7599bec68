"""tests/e2e/test_websocket_ends.py: a route that is gone, a shutdown, an upgrade: what each does to a WebSocket in each of its
states: each is told with 1001, may say its own close frame, and nothing of it is left.  And what too little memory does."""

import re

import pytest

from backends import holding
from leat import SLOW, await_true
from test_websocket_cases import CLOSE, CONT, PING, PONG, TEXT, Socket, frame
from test_websocket_rfc import deflated
from upgrades import upgrade

SHORT = "server: { threads: 1, compute_threads: 1 }\ntimeouts: { shutdown: 60s }\nhttp: { slow: { url: '@url@', timeout: 60s } }\nroutes:\n  GET /stays: { reply: x }\n"
CONF = SHORT + """
  GET /echo: { websocket: { deflate: true, subscribe: news, on_message: { reply: "${message.text}" } } }
  GET /busy: { websocket: { close: 10ms, on_message: { tasks: { x: { get: "slow:/" } }, reply: never } } }
  GET /full: { websocket: { queue: 1k, on_message: { reply: "${message.text}" } } }
  GET /closing: { websocket: { close: 60s, on_message: { reply: { close: 4001 } } } }
"""
GOING = b"\x03\xe9"
TEXTS = deflated(b"a text that is compressed" * 10)


def websockets(daemon):
    return daemon.status()["live"]["websockets"]


def begun(daemon, part):
    """What it has sent is read up to its ping; behind that stands a part of something."""
    return Socket(daemon, "/echo", "permessage-deflate").send(frame(PING, "1") + part).gets(PONG, "1")


def full(daemon):
    """It does not read what comes back, and is not read from any more."""
    one = Socket(daemon, "/full", receive_buffer=4096)
    one.client.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        for _ in range(10000):
            one.client.sock.sendall(frame(TEXT, "z" * 4000))
    one.client.sock.settimeout(10 * SLOW)
    return one


def closing(daemon):
    one = Socket(daemon, "/closing").send(frame(TEXT, "go"))
    assert one.frame()[:2] == (CLOSE, b"\x0f\xa1")
    return one


def parts():
    whole, ping = frame(TEXT, "x" * 300), frame(PING, "y")
    yield "idle", b"", b""
    for name, size in (("opcode", 1), ("size", 3), ("mask", 7), ("payload", 200)):
        yield f"in the midst of a frame: {name}", whole[:size], whole[size:]
    yield "between fragments", frame(TEXT, "x", final=False), frame(CONT, "y")
    yield "within a ping between fragments", frame(TEXT, "x", final=False) + ping[:-1], ping[-1:]
    yield "within a compressed message", frame(TEXT, TEXTS[:-5], final=False, rsv=4), frame(CONT, TEXTS[-5:])


def told(one, rest=b""):
    """It is told, says the rest of what it was about to say, closes, and is heard out."""
    while (got := one.frame())[0] == TEXT:
        pass  # what was queued
    assert got == (CLOSE, GOING, True, 0)
    if rest is None:  # where the client stands in its own frame is not known
        one.client.half_close()
    else:
        one.send(rest + frame(CLOSE, GOING))
    assert one.client.rest() == b""


@pytest.mark.parametrize("end", ["reload", "stop", "upgrade"])
def test_a_websocket_in_any_state_is_told_with_1001_and_ends(leat, backend, end):
    stub = backend(holding("late"))
    daemon = leat(CONF, url=stub.url)
    own = Socket(daemon, "/busy").send(frame(TEXT, "go"))
    stub.await_calls(1)
    open_parts = [(begun(daemon, part), rest) for _, part, rest in parts()]
    stuck, gone = full(daemon), closing(daemon)
    await_true(lambda: websockets(daemon) == len(open_parts) + 3)
    if end == "reload":
        assert daemon.reload(SHORT).returncode == 0
    elif end == "upgrade":
        old = upgrade(daemon, wait=False)
    else:
        daemon.process.terminate()
    for one, rest in open_parts:
        told(one, rest)
    told(stuck, None)
    assert own.frame() == (CLOSE, GOING, True, 0)  # the handler goes on; nobody waits for what it would say
    assert own.client.is_closed()
    stub.release.set()
    gone.send(frame(CLOSE, b"\x0f\xa1"))  # it was closed already: it is told nothing more
    assert gone.client.rest() == b""
    if end == "reload":
        await_true(lambda: websockets(daemon) == 0 and daemon.status()["generations_in_use"] == 1)
        assert daemon.get("/stays").text == "x"
    elif end == "upgrade":
        assert old.wait(60 * SLOW) == 0
        assert daemon.get("/stays").text == "x"
    else:
        assert daemon.wait(60) == 0


def memory_used(daemon):
    return int(re.search(r"^leat_memory_used_bytes (\d+)", daemon.admin("GET", "/metrics").text, re.M)[1])


def test_messages_that_never_end_fail_with_1013_when_total_memory_is_used_up_and_give_it_back(leat):
    daemon = leat(CONF + "limits: { total_memory: 4m }\n", url="http://127.0.0.1:1")
    with Socket(daemon).client as client:
        client.send(frame(PING, "1"))
        assert client._exactly(3) == b"\x8a\x011"
    await_true(lambda: websockets(daemon) == 0)
    before, text = memory_used(daemon), b"x" * 900000
    plain, packed = frame(TEXT, text), frame(TEXT, deflated(text), rsv=4)
    sockets = [Socket(daemon, "/echo", "permessage-deflate").send(whole[:-1]) for whole in [plain, packed] * 6]
    await_true(lambda: "websocket failed" in daemon.stderr)
    assert memory_used(daemon) <= 4 << 20
    assert daemon.get("/stays").text == "x"  # what needs little is there for others
    ends = []
    for one, whole in zip(sockets, [plain, packed] * 6):
        one.send(whole[-1:])
        opcode, payload, _, _ = one.frame()
        ends.append(payload[:2] if opcode == CLOSE else opcode)
        one.client.close()
    assert set(ends) <= {TEXT, b"\x03\xf5", b"\x03\xf3"} and b"\x03\xf5" in ends, ends  # 1013; 1011: no memory to answer
    await_true(lambda: websockets(daemon) == 0 and memory_used(daemon) <= before + 4096, what="the memory's return")
    one = Socket(daemon).send(frame(TEXT, text))
    assert one.frame()[:2] == (TEXT, text)
    one.closes()


def test_when_others_have_all_of_total_memory_clients_are_still_pinged_and_told_why_they_are_closed(leat):
    conf = """
limits: { total_memory: %s }
routes:
  GET /large: { websocket: { max: 8m } }
  GET /asked: { websocket: { ping: 1s, pong: 60s, on_message: { reply: "${message.text}" } } }
"""
    daemon = leat(conf % "64m")
    one, holder = Socket(daemon, "/asked"), Socket(daemon, "/large")
    holder.send(frame(TEXT, b"x" * (4 << 20), final=False), frame(PING, "held")).gets(PONG, "held")
    assert daemon.reload(conf % "1m").returncode == 0  # what is held stays; there is nothing for others
    assert one.frame()[:2] == (PING, b"")
    one.send(frame(TEXT, "needs memory"))
    while (got := one.frame())[0] == PING:
        pass
    assert got[:2] == (CLOSE, b"\x03\xf5no memory")  # 1013
