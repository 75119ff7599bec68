"""tests/e2e/test_events.py: what is published to a topic, by event streams and WebSockets."""
import asyncio
import contextlib
import re
import socket
import time
import zlib

import pytest

from leat import FLAVOR, SLOW, TIMEOUT, Closed, Daemon, await_true, check
from test_websocket import closes, talk, websockets
from tokens import Secret, bearer
from upgrades import own_program, upgrade

CONF = """
server: { threads: 4, compute_threads: 1 }
routes:
  GET /events/{topic}: { events: { subscribe: "${path.topic}", ping: 1h } }
  GET /both: { events: { subscribe: [a, b], ping: 1h } }
  GET /ws/{topic}: { websocket: { subscribe: ["${path.topic}", "user:${query.user ?? 'none'}"] } }
  POST /publish/{topic}:
    body: { type: text }
    tasks: { p: { publish: "${path.topic}", message: "${body ?? ''}", event: "${query.event ?? ''}" } }
    reply: "${p}"
  POST /user/{id}:
    body: { type: json }
    tasks: { p: { publish: "user:${path.id}", message: { got: "${body}" } } }
    reply: "${p}"
"""


class Stream:
    """An event stream, read event by event."""

    def __init__(self, daemon, path, last_id=None, headers=None, **more):
        self.client = daemon.connect(**more)
        last = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        last += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self.client.send(f"GET {path} HTTP/1.1\r\nHost: leat.test\r\nAccept: text/event-stream\r\n{last}\r\n")
        self.head = self.client.head()
        assert self.head.status == 200, self.head
        assert self.head.get("content-type") == "text/event-stream"
        assert self.head.get("transfer-encoding") == "chunked"
        self.text, self.id = "", None
        if not last_id:  # else what was missed comes first
            first = self.block()  # tells where the client is
            assert first["retry"] == "3000" and "data" not in first

    def block(self):
        """The next block as it came: field to value."""
        while "\n\n" not in self.text:
            size = int(self.client._until(b"\r\n"), 16)
            assert size > 0, "the stream has ended"
            self.text += self.client._exactly(size).decode()
            assert self.client._exactly(2) == b"\r\n"
        block, _, self.text = self.text.partition("\n\n")
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        self.id = fields.get("id", self.id)
        return fields

    def event(self):
        """The data of the next one that has some."""
        while True:
            block = self.block()
            if "data" in block:
                return block["data"]


def publish(daemon, topic, text, event=None):
    """How many have got it."""
    return int(daemon.post(f"/publish/{topic}" + (f"?event={event}" if event else ""), text).text)


def test_what_is_published_reaches_every_subscriber_on_every_loop_in_order(leat):
    daemon = leat(CONF)
    streams = [Stream(daemon, "/events/room") for _ in range(20)]
    other = Stream(daemon, "/events/other")
    for n in range(10):
        assert publish(daemon, "room", f"message {n}") == 20
    for stream in streams:
        assert [stream.event() for _ in range(10)] == [f"message {n}" for n in range(10)]
    assert publish(daemon, "other", "x") == 1
    assert other.event() == "x"
    assert publish(daemon, "nobody", "x") == 0


def test_an_event_has_a_name_when_it_is_told_and_a_line_for_each_line_of_the_message(leat):
    daemon = leat(CONF)
    stream = Stream(daemon, "/events/t")
    publish(daemon, "t", "one\ntwo\r\nthree\rfour\n", event="lines")
    assert stream.block() == {"id": stream.id, "event": "lines", "data": "one\ntwo\nthree\nfour\n"}
    publish(daemon, "t", "")
    assert stream.block() == {"id": stream.id, "data": ""}


def test_the_name_of_an_event_cannot_bring_fields_of_its_own(leat):
    daemon = leat(CONF)
    assert daemon.post("/publish/t?event=a%0Adata:%20forged", "x").status == 400


def test_who_comes_again_gets_what_was_published_meanwhile_once(leat):
    daemon = leat(CONF)
    stream = Stream(daemon, "/events/t")
    publish(daemon, "t", "first")
    assert stream.event() == "first"
    stream.client.close()
    await_true(lambda: publish(daemon, "t", "missed") == 0, what="the end of the first one")
    publish(daemon, "t", "missed too")
    again = Stream(daemon, "/events/t", last_id=stream.id)
    missed = [again.event()]
    while missed[-1] != "missed too":
        missed.append(again.event())
    assert set(missed) == {"missed", "missed too"}
    publish(daemon, "t", "new")
    assert again.event() == "new"


def test_who_has_seen_no_event_yet_misses_none_either(leat):
    daemon = leat(CONF)
    publish(daemon, "t", "before")
    stream = Stream(daemon, "/events/t")
    first_id = stream.id
    assert first_id
    stream.client.close()
    await_true(lambda: publish(daemon, "t", "missed") == 0, what="the end of the first one")
    assert Stream(daemon, "/events/t", last_id=first_id).event() == "missed"


def test_of_several_topics_each_has_its_own_place_in_the_id(leat):
    daemon = leat(CONF)
    stream = Stream(daemon, "/both")
    publish(daemon, "a", "a1")
    publish(daemon, "b", "b1")
    assert {stream.event(), stream.event()} == {"a1", "b1"}
    assert re.fullmatch("[0-9a-f]+[.][0-9a-f]+-[0-9a-f]+", stream.id)
    stream.client.close()
    await_true(lambda: publish(daemon, "a", "a2") == 0, what="the end of the first one")
    publish(daemon, "b", "b2")
    again = Stream(daemon, "/both", last_id=stream.id)
    missed = set()
    while not {"a2", "b2"} <= missed:
        missed.add(again.event())
    assert missed == {"a2", "b2"}


@pytest.mark.parametrize("last_id", [
    "", "x", "-", "1-2-3", "5" * 17, "zz-zz", ".", "1.", "1.x", "1.-", "1.1-", ".1", "123456789.1", "1." + "5" * 17,
    "1." + "-".join("1" * 17), "1.1\xff", "1" * 5000])
def test_an_id_that_is_none_of_ours_is_as_good_as_none(leat, last_id):
    daemon = leat(CONF)
    Stream(daemon, "/both").client.close()
    publish(daemon, "a", "old")
    stream = Stream(daemon, "/both", last_id=last_id)
    await_true(lambda: publish(daemon, "a", "new") >= 1)
    assert stream.event() == "new"


def test_the_history_is_bounded(leat):
    daemon = leat(CONF.replace("ping: 1h }", "ping: 1h, history: 3 }", 1))
    stream = Stream(daemon, "/events/t")
    for n in range(10):
        publish(daemon, "t", str(n))
    assert [stream.event() for _ in range(10)] == [str(n) for n in range(10)]
    again = Stream(daemon, "/events/t", last_id="0.1")
    assert [again.event() for _ in range(3)] == ["7", "8", "9"]


def test_a_silent_stream_has_comments(leat):
    daemon = leat(CONF.replace("ping: 1h", "ping: 20ms", 1))
    stream = Stream(daemon, "/events/t")
    assert stream.block() == {":": ""}
    assert stream.block() == {":": ""}


def test_websockets_get_what_is_published_too_and_values_as_json(leat):
    daemon = leat(CONF)

    async def conversation(socket):
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, publish, daemon, "room", "hello") == 1
        assert await socket.recv() == "hello"
        answer = await loop.run_in_executor(
            None, lambda: daemon.post("/user/7", '{"a":[1,2]}', headers={"Content-Type": "application/json"}))
        assert answer.text == "1"
        assert await socket.recv() == '{"got":{"a":[1,2]}}'
    talk(daemon, "/ws/room?user=7", conversation)
    await_true(lambda: publish(daemon, "room", "x") == 0, what="the end of its subscription")


def test_a_value_cannot_forge_another_topic(leat):
    daemon = leat(CONF)

    async def conversation(socket):
        loop = asyncio.get_running_loop()
        for name in ("user:7", "user%3A7"):
            assert (await loop.run_in_executor(None, publish, daemon, name, "forged")) == (1 if name != "user:7" else 1)
        assert await socket.recv() == "forged"
    talk(daemon, "/ws/user%3A7?user=8", conversation)
    talk_none = daemon.post("/user/7", "{}", headers={"Content-Type": "application/json"})
    assert talk_none.text == "0"


def test_a_chat_publishes_what_its_clients_say(leat):
    daemon = leat("""
routes:
  GET /chat/{room}:
    websocket:
      subscribe: "chat:${path.room}"
      on_open: { tasks: { p: { publish: "chat:${path.room}", message: "${query.name} came" } } }
      on_message: { tasks: { p: { publish: "chat:${path.room}", message: "${query.name}: ${message.text}" } } }
      on_close: { tasks: { p: { publish: "chat:${path.room}", message: "${query.name} left" } } }
""")

    async def run():
        url = f"ws://127.0.0.1:{daemon.port}/chat/1?name="
        async with websockets.connect(url + "ada") as ada:
            assert await ada.recv() == "ada came"
            async with websockets.connect(url + "bob") as bob:
                assert await ada.recv() == await bob.recv() == "bob came"
                await bob.send("hi")
                assert await ada.recv() == await bob.recv() == "bob: hi"
            assert await ada.recv() == "bob left"
    asyncio.run(asyncio.wait_for(run(), TIMEOUT))


def test_jobs_publish(leat):
    daemon = leat("""
routes: { GET /e: { events: ticks } }
jobs: { tick: { every: 50ms, tasks: { p: { publish: ticks, message: tick } } } }
""")
    stream = Stream(daemon, "/e")
    assert [stream.event() for _ in range(3)] == ["tick"] * 3


BIG = "x" * 10000


def unread(daemon, path):
    client = daemon.connect(receive_buffer=4096)
    client.send(f"GET {path} HTTP/1.1\r\nHost: leat.test\r\n\r\n")
    assert client.head().status == 200
    return client


def test_a_client_that_does_not_read_is_cut_and_the_others_are_not_held_up(leat):
    daemon = leat(CONF.replace("ping: 1h }", "ping: 1h, queue: 64k }", 1))
    slow, quick = unread(daemon, "/events/t"), Stream(daemon, "/events/t")
    n = 0
    while publish(daemon, "t", BIG) == 2 and n < 2000:
        assert quick.event() == BIG
        n += 1
    assert n < 2000
    size = 1
    while size > 0:  # in good order: it comes again, with its last id
        size = int(slow._until(b"\r\n"), 16)
        slow._exactly(size + 2)


def test_a_client_that_does_not_read_may_lose_the_oldest_instead(leat):
    daemon = leat(CONF.replace("ping: 1h }", "ping: 1h, queue: 64k, slow: drop_oldest }", 1))
    slow, quick = unread(daemon, "/events/t"), Stream(daemon, "/events/t")
    for n in range(1000):
        assert publish(daemon, "t", f"{n} {BIG}") == 2
        assert quick.event() == f"{n} {BIG}"
    assert publish(daemon, "t", "last") == 2
    data = b""
    while not data.startswith(b"id: ") or b"\ndata: last\n" not in data:
        data = slow._exactly(int(slow._until(b"\r\n"), 16) + 2)
    assert daemon.status()["live"]["dropped"] > 0


def test_a_websocket_that_does_not_read_is_closed_with_1013(leat):
    daemon = leat(CONF.replace("subscribe: [\"${path.topic}\"", "queue: 64k, close: 200ms, subscribe: [\"${path.topic}\""))
    from test_websocket import HANDSHAKE
    client = daemon.connect(receive_buffer=4096)
    client.send(HANDSHAKE.format(path="/ws/t"))
    assert client.head().status == 101
    # its loop is told a little later than the answer tells how many there were
    await_true(lambda: sum(publish(daemon, "t", BIG) for _ in range(50)) >= 0 and daemon.status()["live"]["slow"] > 0, 30)
    data = client.rest()
    assert data.endswith(b"\x88\x0a\x03\xf5too slow")


def test_a_million_names_leave_nothing_behind(leat):
    daemon = leat(CONF)

    def rss():
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
            return int(next(line.split()[1] for line in file if line.startswith("VmRSS")))

    def names(first, n):
        for start in range(first, first + n, 5000):
            client = daemon.connect()
            for at in range(start, min(start + 5000, first + n), 50):
                client.send(b"".join(b"POST /publish/t%d HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" % name
                                     for name in range(at, at + 50)))
                for _ in range(50):
                    assert client.response().text == "0"
    names(0, 2000)
    before = rss()
    names(2000, 20000)
    assert rss() < before + 1000 or FLAVOR != "release"  # sanitizers keep what was freed
    assert daemon.status()["live"]["topics"] == 0


@pytest.mark.parametrize("leave", ["close", "half-close", "half-close while events come"])
def test_a_client_that_leaves_behind_something_unread_is_found_gone_at_once(leat, leave):
    daemon = leat(CONF)  # pings once an hour
    stream = Stream(daemon, "/events/t")
    stream.client.send("GET /events/t HTTP/1.1\r\nHost: leat.test\r\n\r\n" + "x" * 5000)
    publish(daemon, "t", "x")
    assert stream.event() == "x"  # nothing is unread here, so that the end is a FIN
    if leave == "close":
        stream.client.close()
    else:
        stream.client.sock.shutdown(socket.SHUT_WR)
    if leave == "half-close while events come":
        await_true(lambda: publish(daemon, "t", "y") == 0, what="its end")
    live = await_true(lambda: daemon.status()["live"] if not daemon.status()["live"]["event_streams"] else None)
    assert live["subscribers"] == 0


def test_topics_that_nobody_subscribes_to_any_more_go_when_their_time_is_over(leat):
    daemon = leat(CONF.replace("ping: 1h }", "ping: 1h, keep: 10ms }", 1))
    for n in range(50):
        with contextlib.closing(Stream(daemon, f"/events/t{n}").client):
            pass
    await_true(lambda: daemon.status()["live"]["topics"] == 0)
    assert daemon.status()["live"]["subscribers"] == 0


def test_figures_tell_of_connections_topics_and_messages(leat):
    daemon = leat(CONF)
    stream = Stream(daemon, "/events/t")
    publish(daemon, "t", "x")
    assert stream.event() == "x"

    async def conversation(socket):
        await socket.send("in")
        live = await_true(lambda: daemon.status()["live"] if daemon.status()["live"]["received"] else None)
        assert (live["websockets"], live["event_streams"], live["subscribers"]) == (1, 1, 3)
        assert live["published"] == 1 and live["sent"] == 1
        metrics = daemon.admin("GET", "/metrics").text
        assert 'leat_live_connections{kind="websocket"} 1\n' in metrics
        assert 'leat_live_connections{kind="events"} 1\n' in metrics
        text = daemon.cli("status").out
        assert "1 websockets, 1 event streams, 1 received, 1 sent, 0 dropped" in text
        assert re.search("topics +3, 3 subscribers, 1 published", text)
        assert "leat_topics 3\n" in metrics and "leat_topic_subscribers 3\n" in metrics
    talk(daemon, "/ws/other", conversation)


def test_a_reload_keeps_streams_and_a_route_that_is_gone_ends_them(leat):
    daemon = leat(CONF)
    stream = Stream(daemon, "/events/t")
    assert daemon.reload(CONF + "  GET /more: { reply: more }\n").returncode == 0
    assert publish(daemon, "t", "still") == 1
    assert stream.event() == "still"
    assert daemon.reload("routes: { GET /hello: { reply: hello } }").returncode == 0
    assert stream.client._until(b"\r\n") == b"0"


def test_at_shutdown_streams_end_in_good_order(leat):
    daemon = leat(CONF)
    stream = Stream(daemon, "/events/t")
    daemon.process.terminate()
    assert stream.client._until(b"\r\n") == b"0"
    assert daemon.wait() == 0


def test_head_has_no_stream_and_cors_and_compression_hold(leat):
    daemon = leat("""
routes:
  GET /e:
    cors: { origins: [https://app.example.org] }
    compress: { types: [text/event-stream], min: 1 }
    events: t
""")
    with daemon.connect() as client:
        client.send("HEAD /e HTTP/1.1\r\nHost: leat.test\r\n\r\n")
        assert client.response(head=True).get("content-type") == "text/event-stream"
        client.send("GET /e HTTP/1.1\r\nHost: leat.test\r\nOrigin: https://app.example.org\r\n"
                    "Accept-Encoding: gzip\r\n\r\n")
        head = client.head()
        assert head.get("access-control-allow-origin") == "https://app.example.org"
        assert head.get("content-encoding") == "gzip"
        size = int(client._until(b"\r\n"), 16)
        assert b"retry: 3000\n" in zlib.decompressobj(31).decompress(client._exactly(size))


def test_a_topic_that_is_named_twice_is_told_of_twice_and_ends_once(leat):
    daemon = leat("""
routes:
  GET /e: { events: { subscribe: [t, t], queue: 64k } }
  POST /publish/{topic}:
    body: { type: text }
    tasks: { p: { publish: "${path.topic}", message: "${body}" } }
    reply: "${p}"
""")
    stream, slow = Stream(daemon, "/e"), unread(daemon, "/e")
    assert publish(daemon, "t", "x") == 4
    assert (stream.event(), stream.event()) == ("x", "x")
    while publish(daemon, "t", BIG) == 4:
        assert (stream.event(), stream.event()) == (BIG, BIG)
    slow.close()


def test_a_publication_that_is_larger_than_the_queue_reaches_who_reads(leat):
    daemon = leat(CONF.replace("ping: 1h }", "ping: 1h, queue: 4k }", 1))
    stream = Stream(daemon, "/events/t")
    for _ in range(3):
        assert publish(daemon, "t", BIG) == 1
        assert stream.event() == BIG
    assert daemon.status()["live"]["slow"] == 0


# ------------------------------------------------------------ what may be missing is told

LOST = CONF.replace("ping: 1h }", "ping: 1h, lost: lost, history: 3, queue: 64k }", 1).replace(
    "subscribe: [a, b], ping: 1h", "subscribe: [a, b], ping: 1h, lost: lost, slow: drop_oldest, queue: 64k")


def test_an_id_of_another_process_is_not_taken_for_one_of_this(leat):
    daemon = leat(LOST)
    stream = Stream(daemon, "/events/t")
    for n in range(3):
        publish(daemon, "t", str(n))
    epoch = stream.id.split(".")[0]
    other = "1" if epoch != "1" else "2"
    # as after a restart, with a clock that was behind or before
    for number in ("1", stream.id.split(".")[1], "7fffffffffffffff"):
        again = Stream(daemon, "/events/t", last_id=f"{other}.{number}")
        assert [again.event() for _ in range(3)] == ["0", "1", "2"]
        assert again.block()["id"].split(".")[0] == epoch
        assert again.block() == {"event": "lost", "data": "history"}


def test_who_comes_back_too_late_is_told_and_who_does_not_is_not(leat):
    daemon = leat(LOST)
    stream = Stream(daemon, "/events/t")
    seen = [stream.id]
    for n in range(5):
        publish(daemon, "t", str(n))
        assert stream.event() == str(n)
        seen.append(stream.id)
    for behind, last_id in enumerate(seen):
        again = Stream(daemon, "/events/t", last_id=last_id)
        assert [again.event() for _ in range(min(3, 5 - behind))] == [str(n) for n in range(max(2, behind), 5)]
        assert again.block()["retry"] == "3000"
        if behind < 2:
            assert again.block() == {"event": "lost", "data": "history"}
    publish(daemon, "t", "end")
    assert again.block()["data"] == "end"  # nothing in between


def test_who_loses_events_by_not_reading_is_told_when_it_has_caught_up(leat):
    daemon = leat(LOST)
    slow = Stream(daemon, "/both", receive_buffer=4096)
    for n in range(2000):
        publish(daemon, "ab"[n % 2], f"{n} {BIG}")
        if daemon.status()["live"]["dropped"]:
            break
    publish(daemon, "a", "last")
    blocks = [slow.block()]
    while blocks[-1].get("event") != "lost":
        blocks.append(slow.block())
    assert blocks[-1]["data"] == "slow"
    if blocks[-2]["data"] != "last":  # the kernel took all of it before that, as on a busy machine: it had caught up
        blocks.append(slow.block())
        blocks[-2:] = blocks[:-3:-1]
    assert blocks[-2]["data"] == "last"
    numbers = [int(block["data"].split()[0]) for block in blocks[:-2]]
    assert numbers == sorted(set(numbers)) and len(numbers) < n + 1
    daemon.await_line("client is slow route=.GET /both. policy=drop_oldest")
    again = Stream(daemon, "/both", last_id=slow.id)  # the ids of several topics are right behind that, too
    publish(daemon, "b", "new")
    assert again.event() == "new"


def test_what_is_kept_is_bounded_in_time(leat):
    daemon = leat(CONF.replace("ping: 1h }", "ping: 1h, lost: lost, history_age: 100ms }", 1))
    stream = Stream(daemon, "/events/t")
    first = stream.id
    publish(daemon, "t", "old")
    assert stream.event() == "old"
    await_true(lambda: daemon.status()["live"]["history_bytes"] == 0)
    again = Stream(daemon, "/events/t", last_id=first)
    assert again.block()["retry"] == "3000"
    assert again.block() == {"event": "lost", "data": "history"}


def test_a_client_that_knew_other_topics_gets_all_behind_what_it_has_seen(leat):
    daemon = leat(CONF)
    stream = Stream(daemon, "/both")
    publish(daemon, "a", "a1")
    publish(daemon, "b", "b1")
    assert {stream.event(), stream.event()} == {"a1", "b1"}
    assert daemon.reload(CONF.replace("[a, b]", "[b, c, a]")).returncode == 0
    publish(daemon, "b", "b2")
    again = Stream(daemon, "/both", last_id=stream.id)
    missed = []
    while "b2" not in missed:
        missed.append(again.event())
    assert set(missed) <= {"a1", "b1", "b2"}


def test_the_name_of_the_event_that_tells_is_one_line():
    code, out = check('routes: { GET /e: { events: { subscribe: t, lost: "a\\nb" } } }\n')
    assert code == 1 and "the name of the event `lost` is one line of UTF-8" in out


def test_head_says_what_get_does_and_a_client_of_http_1_0_reads_to_the_end(leat):
    daemon = leat(CONF)
    head = daemon.raw("HEAD /events/t HTTP/1.1\r\nHost: leat.test\r\n\r\n", head=True)
    get = Stream(daemon, "/events/t").head
    for name in ("content-type", "cache-control", "x-accel-buffering"):
        assert head.get(name) == get.get(name) is not None
    client = daemon.connect()
    client.send("GET /events/t HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert client.head().get("transfer-encoding") is None
    client._until(b"\n\n")
    publish(daemon, "t", "x\ny")
    assert client._until(b"\n\n").split(b"\n")[1:] == [b"data: x", b"data: y"]
    assert daemon.reload("routes: { GET /hello: { reply: hello } }").returncode == 0
    with pytest.raises(Closed):
        client._fill()


def test_a_stream_asks_who_comes_as_other_routes_do(leat):
    daemon = leat("""
routes:
  GET /e: { auth: { api_key: { keys: { ci: sesame-open-yourself } } }, events: t }
""")
    assert daemon.get("/e").status == 401
    with daemon.connect() as client:
        client.send("GET /e HTTP/1.1\r\nHost: leat.test\r\nX-Api-Key: sesame-open-yourself\r\n\r\n")
        assert client.head().status == 200
    assert daemon.raw("GET /e HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1.\x01\r\n\r\n").status == 400


def test_in_an_upgrade_a_stream_ends_in_good_order_and_its_client_comes_again_to_the_new_process():
    daemon = own_program(Daemon, LOST)
    try:
        stream = Stream(daemon, "/events/t")
        publish(daemon, "t", "old")
        assert stream.event() == "old"
        upgrade(daemon)
        assert stream.client._until(b"\r\n") == b"0"
        there = Stream(daemon, "/events/t")  # of the new process: its history begins here
        publish(daemon, "t", "new")
        assert there.event() == "new"
        again = Stream(daemon, "/events/t", last_id=stream.id)
        assert again.block()["data"] == "new"
        assert again.block()["retry"] == "3000"
        assert again.block() == {"event": "lost", "data": "history"}
    finally:
        daemon.stop()


def test_each_event_that_is_compressed_is_there_at_once(leat):
    daemon = leat(CONF.replace("GET /events/{topic}: {", "GET /events/{topic}: { compress: { types: [text/event-stream] },"))
    client, inflate = daemon.connect(), zlib.decompressobj(31)
    client.send("GET /events/t HTTP/1.1\r\nHost: leat.test\r\nAccept-Encoding: gzip\r\n\r\n")
    assert client.head().get("content-encoding") == "gzip"
    text = b""
    for event in (b"one", b"two" * 10000, b"three"):
        publish(daemon, "t", event)
        while not text.endswith(b"data: " + event + b"\n\n"):
            text += inflate.decompress(client._exactly(int(client._until(b"\r\n"), 16)))
            client._exactly(2)


# ------------------------------------------------------------------ what on_open says, and what is published meanwhile

OPENING = """
server: { threads: 1 }
routes:
  GET /stream:
    events: { subscribe: news, ping: 1h, on_open: { tasks: { g: { await: "go:${query.n}", wait: 20s } }, reply: "${g}" } }
  GET /quiet: { events: { subscribe: news, ping: 1h, on_open: { tasks: { g: { await: never, wait: 20s } } } } }
  GET /full: { events: { subscribe: news, ping: 1h, queue: 1k, on_open: { tasks: { g: { await: never, wait: 20s } }, reply: x } } }
  GET /ws:
    websocket:
      subscribe: news
      deflate: { takeover: true }
      on_open: { tasks: { g: { await: "go:${query.n}", wait: 20s } }, reply: "${g}" }
      on_message: { reply: "${message.text}" }
  POST /publish: { body: { type: text }, tasks: { p: { publish: news, message: "${body}" } }, reply: "${p}" }
  POST /go/{n}: { body: { type: text }, tasks: { s: { signal: "go:${path.n}", message: "${body}", keep: 1m } } }
"""


def test_what_is_published_while_on_open_runs_comes_behind_what_it_says(leat):
    daemon = leat(OPENING)
    stream = Stream(daemon, "/stream?n=1")
    assert [daemon.post("/publish", text).text for text in ("1", "2")] == ["1", "1"]
    assert daemon.post("/go/1", "state").status == 204
    assert [stream.event() for _ in range(3)] == ["state", "1", "2"]
    stream.client.close()
    assert daemon.post("/publish", "3").status == 200
    again = Stream(daemon, "/stream?n=2", last_id=stream.id)
    assert again.event() == "3" and again.block()["retry"] == "3000"
    assert daemon.post("/publish", "4").status == daemon.post("/go/2", "newer").status - 4 == 200
    assert [again.event() for _ in range(2)] == ["newer", "4"]


def test_publications_do_not_wait_where_on_open_says_nothing_or_more_comes_than_has_room(leat):
    daemon = leat(OPENING)
    for path in ("/quiet", "/full"):
        stream = Stream(daemon, path)
        for n in range(20):
            assert int(daemon.post("/publish", f"{n} {'x' * 100}").text) >= 1
        assert stream.event().startswith("0 ")


def test_a_websocket_has_what_on_open_says_before_what_was_published_compressed_or_not(leat):
    daemon = leat(OPENING)
    words, others = (" ".join(f"{word}-{n}" for n in range(60)) for word in ("word", "other"))

    async def conversation(socket):
        loop = asyncio.get_running_loop()
        assert (await loop.run_in_executor(None, daemon.post, "/publish", others)).text == "1"
        await loop.run_in_executor(None, daemon.post, "/go/3", words)
        assert [await socket.recv() for _ in range(2)] == [words, others]
        for _ in range(2):  # which refers to what it was sent
            await socket.send(words)
            assert await socket.recv() == words
    talk(daemon, "/ws?n=3", conversation)


# ------------------------------------------------------------------ what opened it has an end

GUARDED = """
secrets: { dir: "@DIR@/secrets" }
routes:
  GET /e: { auth: { jwt: { secret: "${secret.jwt}" } }, events: { subscribe: news, ping: 1h } }
  GET /stay: { auth: { jwt: { secret: "${secret.jwt}", live: any } }, events: { subscribe: news, ping: 1h } }
  GET /ws: { auth: { jwt: { secret: "${secret.jwt}" } }, websocket: { subscribe: news } }
  GET /to: { auth: { jwt: { secret: "${secret.jwt}" } }, reply: "${auth.exp}" }
  POST /publish: { body: { type: text }, tasks: { p: { publish: news, message: "${body}" } }, reply: "${p}" }
"""


def expired(stream):
    """Its end, in good order."""
    with contextlib.suppress(AssertionError):
        stream.block()
    assert stream.text == ""


def test_what_a_token_has_opened_ends_with_it_unless_it_may_go_on(leat):
    secret = Secret()
    daemon = leat(GUARDED, start=False)
    daemon.write("secrets/jwt", secret.text)
    daemon.start()

    def for_seconds(seconds):
        return bearer(secret.token({"exp": time.time() + seconds}))
    lasting = Stream(daemon, "/e", headers=for_seconds(3600))
    short = for_seconds(3 * SLOW)
    ending, staying = (Stream(daemon, path, headers=short) for path in ("/e", "/stay"))

    async def conversation(socket):
        await closes(socket, 1008, "the token has expired")
    talk(daemon, "/ws", conversation, extra_headers=short)
    expired(ending)
    assert daemon.get("/to", headers=short).status == 401
    await_true(lambda: daemon.post("/publish", "on").text == "2")
    assert staying.event() == lasting.event() == "on"
