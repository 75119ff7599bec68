"""tests/e2e/test_redis_sources.py: jobs that run when a Redis server has messages, against real servers."""
import contextlib
import json
import signal

import prometheus
import pytest
from backends import hanging, holding
from leat import TIMEOUT, await_true, check
from redis_servers import FalseServer, free_port, needs_redis

pytestmark = needs_redis

CONF = """
server: { threads: 2, compute_threads: 1 }
redis: { main: { url: "@URL@", timeouts: { response: 1s } } }
jobs:
  mails:
    source: { redis: main, @SOURCE@ }
    @MORE@
    tasks: { seen: { redis: main, command: [RPUSH, seen, "${to_json(message)}"] } }
"""
STREAM = "stream: mails, group: leat, consumer: one, start: \"0\""


def start(leat, server, source, more="", conf=CONF, **options):
    return leat(conf.replace("@SOURCE@", source).replace("@MORE@", more), URL=server.url, **options)


def job(daemon, name="mails"):
    return next(j for j in daemon.admin("GET", "/v1/jobs").json()["jobs"] if j["name"] == name)


def messages(daemon, name="mails"):
    return job(daemon, name)["messages"]


def seen(server):
    return [json.loads(text) for text in server.ask("LRANGE", "seen", 0, -1)]


def pending(server, stream="mails"):
    return server.ask("XPENDING", stream, "leat")[0]


def await_connected(daemon, name="mails"):
    await_true(lambda: messages(daemon, name).get("connected"), what="the source to be connected")


# ------------------------------------------------------------------ streams

def test_a_message_of_a_stream_runs_the_flow_and_is_acknowledged(leat, redis):
    server = redis()
    first = server.ask("XADD", "mails", "*", "to", "ada", "n", "1").decode()
    daemon = start(leat, server, STREAM)
    await_true(lambda: len(seen(server)) == 1, what="the first")
    second = server.ask("XADD", "mails", "*", "to", "é").decode()
    await_true(lambda: len(seen(server)) == 2, what="the second")
    assert seen(server) == [{"id": first, "fields": {"to": "ada", "n": "1"}}, {"id": second, "fields": {"to": "é"}}]
    await_true(lambda: pending(server) == 0, what="the acknowledgements")
    told = messages(daemon)
    assert (told["received"], told["done"], told["failed"], told["waiting"], told["in_work"], told["connected"]) == (2, 2, 0, 0, 0, True)
    assert job(daemon)["schedule"] == "redis main, stream mails, group leat" and job(daemon)["next"] is None
    assert prometheus.Metrics(daemon.admin("GET", "/metrics").text).value("leat_job_runs_total", job="mails") == 2


def test_bytes_that_are_not_text_come_in_base64_and_stop_nobody(leat, redis):
    server = redis()
    server.ask("XADD", "mails", "*", b"\xff", b"\x00\xfe")
    server.ask("XADD", "mails", "*", "a", "b")
    start(leat, server, STREAM)
    await_true(lambda: len(seen(server)) == 2)
    assert [m["fields"] for m in seen(server)] == [{"/w==": "AP4="}, {"a": "b"}]


def test_with_a_concurrency_of_one_the_order_is_kept(leat, redis):
    server = redis()
    for n in range(300):
        server.ask("XADD", "mails", "*", "n", n)
    start(leat, server, STREAM)
    await_true(lambda: len(seen(server)) == 300)
    assert [m["fields"]["n"] for m in seen(server)] == [str(n) for n in range(300)]
    await_true(lambda: pending(server) == 0)


def test_no_more_runs_at_once_than_concurrency_and_no_more_wait_than_waiting(leat, redis, backend):
    server, upstream = redis(), backend(hanging)
    for n in range(50):
        server.ask("XADD", "mails", "*", "n", n)
    daemon = leat("""
server: { threads: 1 }
timeouts: { shutdown: 100ms }
http: { u: { url: @UP@ } }
redis: { main: { url: "@URL@", timeouts: { response: 1s } } }
jobs:
  mails:
    source: { redis: main, %s }
    concurrency: 3
    waiting: 7
    tasks: { t: { get: "u:/" } }
""" % STREAM, URL=server.url, UP=upstream.url)
    upstream.await_calls(3)
    await_true(lambda: messages(daemon)["waiting"] == 4)  # of seven: more are asked for when there is half of the room
    assert messages(daemon)["in_work"] == 3 and pending(server) == 7
    assert len(upstream.calls) == 3


def test_a_batch_is_one_run(leat, redis):
    server = redis()
    for n in range(25):
        server.ask("XADD", "mails", "*", "n", n)
    daemon = start(leat, server, STREAM, "batch: { max: 10, wait: 50ms }")
    await_true(lambda: messages(daemon)["done"] == 25)
    batches = seen(server)
    assert [n for b in batches for n in [int(m["fields"]["n"]) for m in b["messages"]]] == list(range(25))
    assert all(len(b["messages"]) == b["count"] <= 10 for b in batches) and len(batches) >= 3
    assert job(daemon)["runs"] == len(batches)
    await_true(lambda: pending(server) == 0)


FAILING = """
server: { threads: 1 }
redis: { main: { url: "@URL@", timeouts: { response: 1s } } }
jobs:
  mails:
    source: { redis: main, @SOURCE@ }
    retry: { times: 2, wait: 10ms }
    tasks:
      seen: { redis: main, command: [RPUSH, seen, "${to_json([message.fields.n, run.attempt])}"] }
      bad: { fail: invalid_input, when: "${message.fields.n == '2'}", after: [seen] }
"""


def test_what_fails_is_tried_again_and_then_a_dead_letter(leat, redis):
    server = redis()
    ids = [server.ask("XADD", "mails", "*", "n", n).decode() for n in range(1, 4)]
    daemon = start(leat, server, STREAM + ", dead_letter: dead", conf=FAILING)
    await_true(lambda: server.ask("XLEN", "dead") == 1 and len(seen(server)) == 5)
    assert seen(server) == [["1", 1], ["2", 1], ["2", 2], ["2", 3], ["3", 1]]
    (_, fields), = server.ask("XRANGE", "dead", "-", "+")
    told = dict(zip(fields[::2], fields[1::2]))
    assert told == {b"n": b"2", b"leat-stream": b"mails", b"leat-id": ids[1].encode(), b"leat-error": b"invalid_input"}
    await_true(lambda: pending(server) == 0)
    now = messages(daemon)
    assert (now["done"], now["failed"], now["retried"]) == (2, 1, 2)


def test_without_dead_letters_it_is_dropped_and_the_log_says_so(leat, redis):
    server = redis()
    server.ask("XADD", "mails", "*", "n", 2)
    daemon = start(leat, server, STREAM, conf=FAILING)
    daemon.await_line("job source drops a message name=mails id=")
    await_true(lambda: pending(server) == 0)


def test_what_was_in_work_at_a_crash_comes_again(leat, redis, backend):
    server, upstream = redis(), backend(holding({}))
    conf = """
server: { threads: 1 }
http: { u: { url: @UP@ } }
redis: { main: { url: "@URL@", timeouts: { response: 1s } } }
jobs: { mails: { source: { redis: main, %s }, tasks: { t: { get: "u:/${message.fields.n}" } } } }
""" % STREAM
    server.ask("XADD", "mails", "*", "n", "7")
    daemon = leat(conf, URL=server.url, UP=upstream.url)
    upstream.await_calls(1)
    daemon.restart(signal.SIGKILL)
    upstream.await_calls(2)
    assert [call.path for call in upstream.calls] == ["/7", "/7"] and pending(server) == 1
    upstream.release.set()
    await_true(lambda: pending(server) == 0)


def test_messages_that_are_too_large_together_come_in_smaller_numbers_and_one_that_is_alone_stops_nobody(leat, redis):
    server = redis()
    ids = [server.ask("XADD", "mails", "*", "n", n, "fill", "x" * (40000 if n == 11 else 2000)).decode() for n in range(30)]
    conf = CONF.replace("timeouts:", "max_reply: 20k, timeouts:").replace("to_json(message)", "to_json({id: message.id, n: message.fields.n})")
    daemon = start(leat, server, STREAM, conf=conf, more="waiting: 100")
    await_true(lambda: len(seen(server)) == 29, what="all but the large one")
    assert sorted(int(m["n"]) for m in seen(server)) == [n for n in range(30) if n != 11]
    await_true(lambda: pending(server) == 1, what="the acknowledgements")
    assert server.ask("XPENDING", "mails", "leat", "-", "+", "9")[0][0].decode() == ids[11]
    daemon.await_line(f"larger than max_reply name=mails redis=main id={ids[11]}")
    server.ask("XADD", "mails", "*", "n", "new")
    await_true(lambda: len(seen(server)) == 30, what="a new one")


def test_what_another_consumer_has_left_is_taken_over(leat, redis):
    server = redis()
    server.ask("XGROUP", "CREATE", "mails", "leat", "0", "MKSTREAM")
    for n in range(3):
        server.ask("XADD", "mails", "*", "n", n)
    assert len(server.ask("XREADGROUP", "GROUP", "leat", "gone", "STREAMS", "mails", ">")[0][1]) == 3
    start(leat, server, STREAM + ", claim: 200ms")
    await_true(lambda: sorted(m["fields"]["n"] for m in seen(server)) == ["0", "1", "2"])
    await_true(lambda: pending(server) == 0)


def test_a_server_that_dies_and_comes_back_goes_on_without_a_reload(leat, redis):
    server = redis(port=free_port())
    daemon = start(leat, server, STREAM)
    await_connected(daemon)
    for n in range(3):
        server.kill()
        await_true(lambda: messages(daemon)["problem"], what="the loss to be seen")
        server.start()  # with nothing in it: the group is made anew
        server.ask("XADD", "mails", "*", "n", n)
        await_true(lambda n=n: [m["fields"] for m in seen(server)] == [{"n": str(n)}])
        await_true(lambda: pending(server) == 0)
    assert messages(daemon)["problem"] is None


def test_a_key_that_is_no_stream_is_told_and_tried_again(leat, redis):
    server = redis()
    server.ask("SET", "mails", "text")
    daemon = start(leat, server, STREAM)
    daemon.await_line("job source failed name=mails redis=main error=\"?WRONGTYPE")
    assert messages(daemon)["problem"].startswith("WRONGTYPE")
    server.ask("DEL", "mails")
    server.ask("XADD", "mails", "*", "n", 1)
    await_true(lambda: len(seen(server)) == 1)


def test_a_stop_waits_for_what_is_in_work_and_acknowledges_it(leat, redis, backend):
    server = redis()

    def handler(call):
        call.backend.release.wait(TIMEOUT)
        call.json({})
    upstream = backend(handler)
    daemon = leat("""
server: { threads: 1 }
http: { u: { url: @UP@ } }
redis: { main: { url: "@URL@", timeouts: { response: 1s } } }
jobs: { mails: { source: { redis: main, %s }, concurrency: 2, tasks: { t: { get: "u:/" } } } }
""" % STREAM, URL=server.url, UP=upstream.url)
    for n in range(5):
        server.ask("XADD", "mails", "*", "n", n)
    upstream.await_calls(2)
    daemon.signal(signal.SIGTERM)
    daemon.await_line("stopping")
    upstream.release.set()
    assert daemon.wait() == 0
    assert pending(server) == 5 - len(upstream.calls)  # what was not begun comes again, and nothing else


def test_a_pause_gives_the_messages_back_and_a_resume_takes_them(leat, redis):
    server = redis()
    daemon = start(leat, server, STREAM)
    await_connected(daemon)
    assert daemon.admin("POST", "/v1/jobs/mails/pause").status == 200
    await_true(lambda: "connected" not in messages(daemon), what="the end of the source")
    server.ask("XADD", "mails", "*", "n", 1)
    assert daemon.admin("POST", "/v1/jobs/mails/runs").status == 409
    assert daemon.admin("POST", "/v1/jobs/mails/resume").status == 200
    await_true(lambda: len(seen(server)) == 1)


def test_a_reload_that_changes_nothing_keeps_the_source_and_one_that_does_begins_anew(leat, redis):
    server = redis()
    daemon = start(leat, server, STREAM)
    await_connected(daemon)
    assert daemon.reload().returncode == 0
    server.ask("XADD", "mails", "*", "n", 1)
    await_true(lambda: messages(daemon)["done"] == 1)
    assert daemon.reload(CONF.replace("@SOURCE@", STREAM.replace("mails", "others")).replace("@MORE@", "")).returncode == 0
    await_connected(daemon)
    server.ask("XADD", "others", "*", "n", 2)
    await_true(lambda: [m["fields"]["n"] for m in seen(server)] == ["1", "2"])
    assert daemon.reload("routes: { GET /: { reply: x } }\n").returncode == 0
    await_true(lambda: daemon.admin("GET", "/v1/jobs").json()["jobs"] == [])
    await_true(lambda: server.ask("CLIENT", "LIST").count(b"cmd=xreadgroup") == 0)


# ------------------------------------------------------------------ channels

def subscribers(server, channel="news"):
    return server.ask("PUBSUB", "NUMSUB", channel)[1]


def test_what_is_published_runs_the_flow_in_order(leat, redis):
    server = redis()
    start(leat, server, "subscribe: [news, sport]")
    await_true(lambda: subscribers(server) == 1 and subscribers(server, "sport") == 1)
    for n in range(50):
        server.ask("PUBLISH", "news" if n % 2 else "sport", n)
    await_true(lambda: len(seen(server)) == 50)
    assert seen(server) == [{"channel": "news" if n % 2 else "sport", "payload": str(n), "pattern": None} for n in range(50)]


def test_patterns(leat, redis):
    server = redis()
    start(leat, server, "psubscribe: \"news.*\"")
    await_true(lambda: server.ask("PUBSUB", "NUMPAT") == 1)
    server.ask("PUBLISH", "news.a", b"\xff")
    await_true(lambda: len(seen(server)) == 1)
    assert seen(server) == [{"channel": "news.a", "payload": "/w==", "pattern": "news.*"}]


def test_what_has_no_room_is_dropped_and_counted(leat, redis, backend):
    server, upstream = redis(), backend(hanging)
    daemon = leat("""
server: { threads: 1 }
timeouts: { shutdown: 100ms }
http: { u: { url: @UP@ } }
redis: { main: { url: "@URL@" } }
jobs: { mails: { source: { redis: main, subscribe: news }, waiting: 5, tasks: { t: { get: "u:/" } } } }
""", URL=server.url, UP=upstream.url)
    await_true(lambda: subscribers(server) == 1)
    server.ask("PUBLISH", "news", "first")
    upstream.await_calls(1)
    for n in range(9):
        server.ask("PUBLISH", "news", n)
    await_true(lambda: messages(daemon)["dropped"] == 4)
    assert messages(daemon)["received"] == 10 and messages(daemon)["waiting"] == 5


def test_a_subscription_comes_back_with_its_server(leat, redis):
    server = redis()
    daemon = start(leat, server, "subscribe: news")
    await_true(lambda: subscribers(server) == 1)
    server.kill()
    await_true(lambda: messages(daemon)["connected"] is False)
    server.start()
    await_true(lambda: subscribers(server) == 1)
    server.ask("PUBLISH", "news", "again")
    await_true(lambda: [m["payload"] for m in seen(server)] == ["again"])
    assert messages(daemon)["connected"] is True and messages(daemon)["problem"] is None


def test_a_subscription_that_the_server_ends_is_made_again(leat):
    def serve(link):
        assert [link.read() for _ in range(3)] == [[b"MULTI"], [b"EXEC"], [b"PING"]]
        link.sock.sendall(b"+OK\r\n*0\r\n+PONG\r\n")
        assert link.read() == [b"SSUBSCRIBE", b"news"]
        link.sock.sendall(b"*3\r\n$10\r\nssubscribe\r\n$4\r\nnews\r\n:1\r\n")
        if server.n_connections == 1:  # as when the slot has gone to another server
            link.sock.sendall(b"*3\r\n$12\r\nsunsubscribe\r\n$4\r\nnews\r\n:0\r\n")
        while True:
            assert link.read() == [b"PING"]
            link.sock.sendall(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
    with contextlib.closing(FalseServer(serve)) as server:
        daemon = start(leat, server, "ssubscribe: news")
        await_true(lambda: server.n_connections == 2, what="the next subscription")
        await_true(lambda: messages(daemon)["connected"] is True)
        assert "the server has ended the subscription" in daemon.stderr


def test_a_server_that_is_silent_is_noticed(leat, redis):
    server = redis()
    daemon = start(leat, server, "subscribe: news")
    await_true(lambda: subscribers(server) == 1)
    server.pause()
    await_true(lambda: messages(daemon)["problem"], what="the silence to be noticed")
    server.process.send_signal(signal.SIGCONT)
    await_true(lambda: messages(daemon)["connected"])


# ------------------------------------------------------------------ the configuration

@pytest.mark.parametrize("source,says", [
    ("{ redis: mian, stream: a, group: b }", 'there is no redis "mian"; did you mean "main"?'),
    ("{ redis: main }", "one of stream, subscribe, psubscribe and ssubscribe"),
    ("{ redis: main, stream: a }", "add group: NAME"),
    ("{ redis: main, subscribe: a, group: b }", "that belongs to a stream"),
    ("{ redis: main, stream: a, subscribe: b, group: c }", "one of stream"),
    ("{ stream: a }", "a source says where its messages come from"),
    ("main", "source takes a map"),
    ("{ redis: main, streem: a }", 'unknown key "streem" in a source; did you mean "stream"?'),
])
def test_what_is_wrong_is_told_at_its_place(source, says):
    _, text = check(f"redis: {{ main: {{ url: \"unix:/x\" }} }}\njobs: {{ j: {{ source: {source}, tasks: {{ t: {{ log: x }} }} }} }}\n")
    assert says in text, text


@pytest.mark.parametrize("job_text,says", [
    ("source: { redis: main, stream: a, group: b }, overlap: skip", "overlap belongs to a job that runs by the clock"),
    ("every: 1s, concurrency: 2", "concurrency belongs to a job with a source"),
    ("every: 1s, source: { redis: main, stream: a, group: b }", "keep one of them"),
])
def test_keys_of_the_clock_and_of_sources_do_not_mix(job_text, says):
    _, text = check(f"redis: {{ main: {{ url: \"unix:/x\" }} }}\njobs: {{ j: {{ {job_text}, tasks: {{ t: {{ log: x }} }} }} }}\n")
    assert says in text, text
