"""tests/e2e/test_streams.py: bodies of tasks that are passed on while they come (`stream: true`)."""
import threading

import pytest

from backends import Gone, chunk, send_head
from leat import FLAVOR, SLOW, TIMEOUT, Closed, await_true, check

CONF = """
http: { up: { url: "@UP@" } }
routes:
  GET /s:
    tasks: { x: { get: up:/s, stream: true } }
    reply: { body: "${x.body}" }
"""


def start(leat, backend, handler, conf=CONF):
    server = backend(handler)
    server.sent = 0
    return leat(conf, UP=server.url), server


# ------------------------------------------------------------------ framing

def test_a_body_of_known_length_keeps_its_length_and_its_type(leat, backend):
    daemon, server = start(leat, backend, lambda call: call.reply(b"abc" * 50000, content_type="image/x-test"))
    with daemon.connect() as client:
        for _ in range(3):
            answer = client.get("/s")
            assert answer.get("content-length") == "150000"
            assert answer.get("content-type") == "image/x-test"
            assert answer.body == b"abc" * 50000
    assert server.n_connections == 1  # each whole body gave it back


def test_a_chunked_body_is_passed_on_in_chunks_and_its_trailers_end_it(leat, backend):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked", "Content-Type: text/x-test", "Trailer: X-End")
        for part in (b"first ", b"second ", b"x" * 100000):
            call.send(chunk(part))
        call.send(b"0\r\nX-End: yes\r\n\r\n")
    daemon, server = start(leat, backend, handler)
    with daemon.connect() as client:
        for _ in range(3):
            answer = client.get("/s")
            assert answer.get("transfer-encoding") == "chunked"
            assert answer.body == b"first second " + b"x" * 100000
    assert server.n_connections == 1


def test_a_body_that_ends_with_its_connection_is_passed_on_in_chunks(leat, backend):
    def handler(call):
        send_head(call, "Content-Type: text/plain")
        call.send(b"until the end")
        raise Gone
    daemon, server = start(leat, backend, handler)
    with daemon.connect() as client:
        for n in range(2):
            answer = client.get("/s")
            assert answer.get("transfer-encoding") == "chunked"
            assert answer.body == b"until the end"
            assert server.n_connections == n + 1


def test_http_1_0_gets_a_body_of_unknown_size_until_the_end_of_the_connection(leat, backend):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked")
        call.send(chunk(b"one ") + chunk(b"two") + b"0\r\n\r\n")
    daemon, _ = start(leat, backend, handler)
    with daemon.connect() as client:
        answer = client.send("GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").response()
        assert answer.get("transfer-encoding") is None and answer.get("content-length") is None
        assert answer.get("connection") == "close"
        assert answer.body == b"one two"


def test_http_1_0_keeps_its_connection_when_the_length_is_known(leat, backend):
    daemon, _ = start(leat, backend, lambda call: call.reply(b"known"))
    with daemon.connect() as client:
        for _ in range(2):
            answer = client.send("GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").response()
            assert answer.get("content-length") == "5" and answer.body == b"known"


def test_head_gets_the_head_and_the_connection_goes_on(leat, backend):
    def handler(call):
        send_head(call, "Content-Length: 1000000", "Content-Type: text/x-test")
        call.gone()
        raise Gone
    daemon, server = start(leat, backend, handler)
    with daemon.connect() as client:
        for n in range(2):
            answer = client.request("HEAD", "/s")
            assert (answer.status, answer.get("content-length")) == (200, "1000000")
            server.await_left(n + 1)  # nobody will read it


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body_is_an_empty_one(leat, backend, status):
    daemon, server = start(leat, backend, lambda call: send_head(call, status=status), conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /s:
    tasks: { x: { get: up:/s, stream: true, expect: [2xx, 304] } }
    reply: { body: "${x.body}", headers: { X-Was: "${x.status}" } }
  GET /same:
    tasks: { x: { get: up:/s, stream: true, expect: [2xx, 304] } }
    reply: { body: "${x.body}", status: "${x.status}" }
""")
    with daemon.connect() as client:
        answer = client.get("/s")
        assert (answer.status, answer.body, answer.get("x-was")) == (200, b"", str(status))
        assert answer.get("content-length") == "0"
        assert client.get("/same").status == status
        assert client.get("/s").status == 200
    assert server.n_connections == 1


def test_the_reply_may_say_the_type_and_the_coding_itself(leat, backend):
    def handler(call):
        call.reply(b"\x1f\x8b", content_type="text/x-test", headers={"Content-Encoding": "gzip"})
    daemon, _ = start(leat, backend, handler, conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /passed: { tasks: { x: { get: up:/, stream: true } }, reply: { body: "${x}" } }
  GET /said:
    tasks: { x: { get: up:/, stream: true } }
    reply: { body: "${x}", headers: { Content-Type: a/b, Content-Encoding: x-own } }
""")
    passed, said = daemon.get("/passed"), daemon.get("/said")
    assert (passed.get("content-type"), passed.get("content-encoding")) == ("text/x-test", "gzip")
    assert (said.get("content-type"), said.get("content-encoding")) == ("a/b", "x-own")


def test_status_and_headers_of_a_stream_can_be_read(leat, backend):
    daemon, _ = start(leat, backend, lambda call: call.reply(b"x", status=203, headers={"X-A": "7"}), conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /s:
    tasks:
      x: { get: up:/s, stream: true }
      y: { value: "${x.headers.x_a}" }
    reply: { status: "${x.status}", body: "${x}", headers: { X-B: "${y}" } }
""")
    answer = daemon.get("/s")
    assert (answer.status, answer.get("x-b"), answer.body) == (203, "7", b"x")


# ------------------------------------------------------------------ what goes wrong

def test_a_status_that_is_not_expected_is_a_failure_and_the_body_is_not_read(leat, backend):
    def handler(call):
        send_head(call, "Content-Length: 100000000", status=500)
        call.gone()
        raise Gone
    daemon, server = start(leat, backend, handler)
    assert daemon.get("/s").status == 502
    server.await_left()


def test_retry_asks_again_until_the_head_is_right(leat, backend):
    def handler(call):
        if len(call.backend.calls) < 3:
            call.reply(b"no", status=503)
        else:
            call.reply(b"yes")
    daemon, server = start(leat, backend, handler, conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /s:
    tasks: { x: { get: up:/s, stream: true, retry: { times: 3, wait: 1ms } } }
    reply: { body: "${x.body}" }
""")
    assert daemon.get("/s").body == b"yes"
    assert len(server.calls) == 3


def test_what_failed_gives_its_default_or_nothing(leat, backend):
    daemon, _ = start(leat, backend, lambda call: call.reply(b"no", status=500), conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /default: { tasks: { x: { get: up:/, stream: true, default: instead } }, reply: { body: "${x.body}" } }
  GET /optional: { tasks: { x: { get: up:/, stream: true, optional: true } }, reply: { body: "${x.body}" } }
""")
    assert daemon.get("/default").body == b"instead"
    assert daemon.get("/optional").body == b""


@pytest.mark.parametrize("fields", [["Content-Length: 200000"], ["Transfer-Encoding: chunked"]])
@pytest.mark.parametrize("reset", [False, True])
def test_an_upstream_that_dies_in_the_middle_cuts_the_answer(leat, backend, fields, reset):
    def handler(call):
        send_head(call, *fields)
        call.send(chunk(b"x" * 1000) if "chunked" in fields[0] else b"x" * 1000)
        call.backend.release.wait(TIMEOUT)
        if reset:
            call.reset()
        raise Gone
    daemon, server = start(leat, backend, handler)
    with daemon.connect() as client:
        client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.head().status == 200
        client._until(b"x" * 1000)
        server.release.set()
        try:
            assert client.rest() in (b"", b"\r\n")
        except Closed:
            pass
    daemon.await_line("answer cut route=.*/s")
    assert daemon.upstream("up")["failed"] == 1


def test_an_http_1_0_client_is_reset_when_the_answer_is_cut(leat, backend):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked")
        call.send(chunk(b"x" * 1000))
        call.backend.release.wait(TIMEOUT)
        call.send(b"this is no chunk\r\n")
        call.gone()
        raise Gone
    daemon, server = start(leat, backend, handler)
    with daemon.connect() as client:
        client.send("GET /s HTTP/1.0\r\n\r\n")
        client._until(b"x" * 1000)
        server.release.set()
        with pytest.raises(Closed, match="reset"):
            client.rest()
    server.await_left()


def test_an_upstream_that_falls_silent_in_the_middle_is_given_up(leat, backend):
    def handler(call):
        send_head(call, "Content-Length: 200000")
        call.send(b"x" * 1000)
        call.gone()
        raise Gone
    daemon, server = start(leat, backend, handler, conf=CONF.replace(
        'url: "@UP@"', 'url: "@UP@", timeouts: { idle: 200ms }'))
    with daemon.connect() as client:
        client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
        client._until(b"x" * 1000)
        assert client.is_closed()
    server.await_left()
    daemon.await_line("answer cut route=.*error=ETIMEDOUT")


def test_max_holds_for_a_stream_and_the_upstreams_max_response_does_not(leat, backend):
    def handler(call):
        if call.path == "/length":
            call.reply(b"x" * 5000)
        send_head(call, "Transfer-Encoding: chunked")
        call.send(chunk(b"x" * 5000) + b"0\r\n\r\n")
    daemon, _ = start(leat, backend, handler, conf="""
http: { up: { url: "@UP@", max_response: 1000 } }
routes:
  GET /length: { tasks: { x: { get: up:/length, stream: true, max: 4k } }, reply: { body: "${x.body}" } }
  GET /chunked: { tasks: { x: { get: up:/chunked, stream: true, max: 4k } }, reply: { body: "${x.body}" } }
  GET /free: { tasks: { x: { get: up:/chunked, stream: true } }, reply: { body: "${x.body}" } }
""")
    assert daemon.get("/length").status == 502
    assert len(daemon.get("/free").body) == 5000
    with pytest.raises(Closed):
        daemon.get("/chunked")
    daemon.await_line("answer cut route=.*error=EFBIG")


# ------------------------------------------------------------------ who waits for whom

def endless(call):
    send_head(call, "Transfer-Encoding: chunked")
    piece = chunk(b"x" * 65530)
    try:
        while True:
            call.send(piece)
            call.backend.sent += len(piece)
    except Gone:
        with call.backend.changed:
            call.backend.n_left += 1
            call.backend.changed.notify_all()
        raise


def await_still(server):
    """Until the backend's sending is blocked: what it has sent stays the same for a while."""
    seen = [-1, 0]

    def question():
        seen[1] = seen[1] + 1 if server.sent == seen[0] else 0
        seen[0] = server.sent
        return seen[1] > 30
    await_true(question, what="the backend to be blocked")
    return seen[0]


def test_a_client_that_takes_nothing_stops_the_upstream(leat, backend):
    daemon, server = start(leat, backend, endless)
    with daemon.connect(receive_buffer=4096) as client:
        client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        blocked = await_still(server)
        assert blocked < 32 << 20  # what buffers of sockets hold, on both ways
        client._exactly(blocked + (1 << 20))
        await_true(lambda: server.sent > blocked, what="the backend to go on")
    server.await_left()


def test_a_client_that_leaves_closes_the_upstreams_connection(leat, backend):
    daemon, server = start(leat, backend, endless)
    with daemon.connect() as client:
        client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
        client._exactly(1 << 20)
    server.await_left()
    await_true(lambda: daemon.n_connections() == 0)


def test_a_client_that_leaves_while_nothing_comes_closes_the_upstreams_connection(leat, backend):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked")
        call.gone()
        raise Gone
    daemon, server = start(leat, backend, handler)
    for leave in ("close", "reset"):
        client = daemon.connect()
        client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        getattr(client, leave)()
        server.await_left(1 if leave == "close" else 2)


def test_a_slow_client_is_given_up_after_timeouts_write(leat, backend):
    daemon, server = start(leat, backend, endless, conf=CONF + "timeouts: { shutdown: 5s, write: 300ms }\n")
    client = daemon.connect(receive_buffer=4096)
    client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
    client.head()
    server.await_left()


def test_the_routes_timeout_ends_with_the_head(leat, backend):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked")
        call.send(chunk(b"early "))
        threading.Event().wait(0.5)
        call.send(chunk(b"late") + b"0\r\n\r\n")
    daemon, _ = start(leat, backend, handler, conf="""
http: { up: { url: "@UP@", timeouts: { total: 300ms } } }
routes:
  GET /s:
    timeout: 300ms
    tasks: { x: { get: up:/s, stream: true } }
    reply: { body: "${x.body}" }
""") if SLOW == 1 else start(leat, backend, handler)
    assert daemon.get("/s").body == b"early late"


def test_a_slow_head_is_the_routes_timeout(leat, backend):
    def handler(call):
        call.gone()
        raise Gone
    daemon, server = start(leat, backend, handler, conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /s:
    timeout: 200ms
    tasks: { x: { get: up:/s, stream: true } }
    reply: { body: "${x.body}" }
""")
    assert daemon.get("/s").status == 504
    server.await_left()


def test_small_pieces_go_out_as_they_come(leat, backend):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked")
        for n in range(20):
            call.send(chunk(b"piece %d;" % n))
            assert call.backend.taken.acquire(timeout=TIMEOUT)
        call.send(b"0\r\n\r\n")
    server = backend(handler)
    server.taken = threading.Semaphore(0)
    daemon = leat(CONF, UP=server.url)
    with daemon.connect() as client:
        client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        for n in range(20):
            client._until(b"piece %d;" % n)
            server.taken.release()
        client._until(b"0\r\n\r\n")


def test_what_is_not_used_is_closed(leat, backend):
    def handler(call):
        send_head(call, "Content-Length: 100000000")
        call.gone()
        raise Gone
    daemon, server = start(leat, backend, handler, conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /unused: { tasks: { x: { get: up:/s, stream: true } }, reply: "status ${x.status}" }
  GET /failed:
    tasks:
      x: { get: up:/s, stream: true }
      f: { fail: teapot, when: "${x.status == 200}", status: 418 }
    reply: { body: "${x.body}" }
  GET /other:
    tasks: { x: { get: up:/s, stream: true }, y: { get: up:/t, stream: true } }
    reply: { body: "${y.body}" }
""")
    assert daemon.get("/unused").body == b"status 200"
    server.await_left(1)
    assert daemon.get("/failed").status == 418
    server.await_left(2)
    with daemon.connect() as client:
        client.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        server.await_left(3)  # x; y goes on
    server.await_left(4)


def test_a_small_body_that_is_not_used_leaves_its_connection_to_the_next(leat, backend):
    daemon, server = start(leat, backend, lambda call: call.reply(b"small"), conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /unused: { tasks: { x: { get: up:/s, stream: true } }, reply: "status ${x.status}" }
""")
    with daemon.connect() as client:
        for _ in range(5):
            assert client.get("/unused").body == b"status 200"
    assert server.n_connections == 1


def test_a_pipelined_request_waits_behind_a_stream(leat, backend):
    def handler(call):
        send_head(call, "Content-Length: 300000")
        call.send(b"x" * 100000)
        call.backend.release.wait(TIMEOUT)
        call.send(b"x" * 200000)
    daemon, server = start(leat, backend, handler, conf=CONF + "  GET /hello: { reply: hello }\n")
    with daemon.connect() as client:
        client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        answer = client.head()
        client._exactly(100000)
        server.release.set()
        assert client._exactly(200000) == b"x" * 200000 and answer.status == 200
        assert client.response().body == b"hello"
        assert len(client.response().body) == 300000
        assert client.response().body == b"hello"


def test_the_access_line_comes_at_the_end_with_all_bytes(leat, backend):
    daemon, server = start(leat, backend, lambda call: call.reply(b"x" * 123456))
    daemon.get("/s")
    assert "status=200 sent_bytes=123456" in daemon.access_lines(1)[0]


def test_many_streams_at_once_each_get_their_own_bytes(leat, backend):
    def handler(call):
        mark = call.query.encode()
        send_head(call, "Transfer-Encoding: chunked")
        for _ in range(40):
            call.send(chunk(mark * 5000))
        call.send(b"0\r\n\r\n")
    daemon, _ = start(leat, backend, handler, conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /s/{n}:
    tasks: { x: { get: "up:/s?${path.n}", stream: true } }
    reply: { body: "${x.body}" }
""")
    failures = []

    def run(n):
        with daemon.connect() as client:
            for _ in range(3):
                if client.get(f"/s/{n:03}").body != b"%03d" % n * 5000 * 40:
                    failures.append(n)
    threads = [threading.Thread(target=run, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT * 3)
    assert not failures


def test_200_mib_go_through_in_bounded_memory(leat, backend):
    size = (200 if SLOW == 1 else 20) << 20

    def handler(call):
        send_head(call, f"Content-Length: {size}")
        piece = b"x" * (1 << 20)
        for _ in range(size >> 20):
            call.send(piece)
    daemon, _ = start(leat, backend, handler)
    with daemon.connect(receive_buffer=65536) as client:
        client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        before, most, left = daemon.memory_kib(), 0, size
        client.buf, left = b"", size - len(client.buf)
        while left > 0:
            n = len(client.sock.recv(1 << 20))
            assert n > 0
            left -= n
            most = max(most, daemon.memory_kib())
    assert left == 0
    assert FLAVOR != "release" or most - before < 2048  # sanitizers keep what was freed


# ------------------------------------------------------------------ the life of the daemon

def test_a_stream_goes_on_over_a_reload_and_is_waited_for_at_the_end(leat, backend):
    def handler(call):
        send_head(call, "Transfer-Encoding: chunked")
        call.send(chunk(b"before "))
        call.backend.release.wait(TIMEOUT)
        call.send(chunk(b"after") + b"0\r\n\r\n")
    daemon, server = start(leat, backend, handler, conf=CONF + "timeouts: { shutdown: 30s }\n")
    client = daemon.connect()
    client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
    client._until(b"before ")
    assert daemon.reload("routes: { GET /new: { reply: new } }\n").returncode == 0
    assert daemon.get("/new").body == b"new"
    daemon.signal(15)
    daemon.await_line("shut|drain|stop")
    server.release.set()
    client._until(b"after\r\n0\r\n\r\n")
    assert client.is_closed()
    assert daemon.wait() == 0


def test_a_stream_is_cut_when_the_shutdown_has_no_more_time(leat, backend):
    daemon, server = start(leat, backend, endless, conf=CONF + "timeouts: { shutdown: 300ms }\n")
    client = daemon.connect(receive_buffer=4096)
    client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
    client.head()
    daemon.signal(15)
    server.await_left()
    assert daemon.wait() == 0


# ------------------------------------------------------------------ what is refused at load

ROUTE = """http: {{ up: {{ url: "http://127.0.0.1:1" }} }}
listen: 127.0.0.1:0
routes:
  GET /s:
    tasks:
      x: {{ get: up:/s, stream: true{more} }}
{tasks}    reply: {reply}
{rest}"""


@pytest.mark.parametrize("reply", [
    '{ json: { a: "${x.body.a}" } }', '{ json: "${x.body}" }', '{ text: "${x.body}" }', '"${x}"',
    '{ body: "a ${x.body}" }', '{ body: "${x.body}${x.body}" }', '{ body: "${len(x.body)}" }',
    '{ body: "${x.body ?? 1}" }', '{ body: "${x.body.a}" }', '{ body: "${x[0]}" }', '{ body: "${x.text}" }',
    '{ body: "${x.ok ? x.body : 1}" }', '{ body: a, headers: { A: "${x.body}" } }',
    '{ status: "${x.body}", body: a }', '{ html: "${x.body}" }', '{ body: "${[x]}" }',
])
def test_the_body_of_a_stream_can_only_be_a_whole_body(reply):
    code, out = check(ROUTE.format(more="", tasks="", reply=reply, rest=""))
    assert code == 1 and "stream: true" in out and "leat.yaml:7:" in out, out


@pytest.mark.parametrize("task", [
    'y: { value: "${x.body}" }', 'y: { value: "${x}" }', 'y: { log: "${x.text}" }',
    'y: { get: up:/, when: "${x.body == 1}" }', 'y: { tasks: { z: { value: "${x}" } } }',
    'y: { log: a, when: "x.body" }', 'y: { post: up:/, body: "${x.body}" }',
    'y: { log: "${x.body}", detach: true }', 'y: { call: f, with: { a: "${x.body}" } }',
])
def test_the_body_of_a_stream_is_nothing_for_another_task(task):
    code, out = check(ROUTE.format(more="", tasks=f"      {task}\n", reply='{ body: "${x.body}" }',
                                   rest="flows: { f: { tasks: { a: { log: b } } } }\n"))
    assert code == 1 and "stream: true" in out and "leat.yaml:7:" in out, out


@pytest.mark.parametrize("more", [
    ", each: [1, 2]", ", repeat: { max: 2, while: false }", ", detach: true", ", lock: a", ", acquire: p",
])
def test_modifiers_that_a_stream_cannot_keep_are_refused(more):
    code, out = check(ROUTE.format(more=more, tasks="", reply="a", rest="shared: { p: { permits: 1 } }\n"))
    assert code == 1 and "stream" in out and "leat.yaml:6:" in out, out


@pytest.mark.parametrize("text", [
    "jobs: { j: { every: 1h, tasks: { x: { get: up:/, stream: true } } } }",
    "flows: { f: { tasks: { x: { get: up:/, stream: true } } } }",
    "routes: { GET /: { tasks: { g: { tasks: { x: { get: up:/, stream: true } } } } } }",
    "routes: { GET /: { tasks: { r: { race: { x: { get: up:/, stream: true } } } } } }",
])
def test_a_stream_stands_only_among_the_tasks_of_a_route(text):
    code, out = check('listen: 127.0.0.1:0\nhttp: { up: { url: "http://127.0.0.1:1" } }\n' + text + "\n")
    assert code == 1 and "only a task of a route itself" in out, out


def test_on_error_cannot_pass_a_stream_on():
    code, out = check(ROUTE.format(more="", tasks="", reply='{ body: "${x.body}" }',
                                   rest='    on_error: { any: { body: "${x.body}" } }\n'))
    assert code == 1 and "stream: true" in out and "leat.yaml:8:" in out, out


def test_explain_tells_of_a_stream(leat, backend):
    daemon, _ = start(leat, backend, lambda call: call.reply(b""))
    assert "stream" in daemon.cli("explain", "GET", "/s").out
