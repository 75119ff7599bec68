"""tests/e2e/test_websocket.py: the ending `websocket:`, spoken to by an independent client (Debian's python3-websockets)."""
import asyncio
import contextlib
import json
import select
import time

import pytest

from certs import Certs, context
from leat import TIMEOUT, await_true, within

websockets = pytest.importorskip("websockets", reason="python3-websockets is not installed")

ECHO = """
routes:
  GET /echo:
    websocket:
      on_message:
        reply: { text: "${message.text}", binary: "${message.base64}" }
  GET /hello: { reply: hello }
"""


def talk(daemon, path, conversation, **more):
    """Runs `await conversation(socket)` on a connection of its own."""
    async def run():
        url = f"ws://127.0.0.1:{daemon.port}{path}"
        async with websockets.connect(url, open_timeout=TIMEOUT, close_timeout=TIMEOUT, **more) as socket:
            return await asyncio.wait_for(conversation(socket), TIMEOUT)
    return asyncio.run(run())


async def closes(socket, code, reason=None):
    """Waits for the end of the connection, by this code."""
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await socket.recv()
    assert socket.close_code == code
    if reason is not None:
        assert socket.close_reason == reason


def test_messages_come_back_in_their_order_and_as_what_they_were(leat):
    daemon = leat(ECHO)

    async def conversation(socket):
        messages = ["a", "", "ünï", b"\x00\xff\x80", b"", "x" * 70000, b"y" * 70000, "last"]
        for message in messages:
            await socket.send(message)
        assert [await socket.recv() for _ in messages] == messages
    talk(daemon, "/echo", conversation, compression=None)


def test_fragments_make_one_message_and_pings_are_answered_between_them(leat):
    daemon = leat(ECHO)

    async def conversation(socket):
        await socket.send(["frag", "men", "", "ted"])
        assert await socket.recv() == "fragmented"
        await (await socket.ping(b"are you there"))
    talk(daemon, "/echo", conversation, compression=None)


def test_handlers_see_the_request_and_the_message_and_may_run_tasks(leat):
    daemon = leat("""
routes:
  GET /room/{id}:
    websocket:
      on_open: { reply: { json: { hello: "${path.id}", agent: "${headers.user_agent}", q: "${query.q}" } } }
      on_message:
        tasks:
          sum: { value: "${message.json.a + message.json.b}" }
          slow: { wait: 10ms, after: [sum] }
        reply: { json: { sum: "${sum}", type: "${message.type}", room: "${path.id}" } }
""")

    async def conversation(socket):
        assert await socket.recv() == '{"hello":"7","agent":"tester","q":"1"}'
        for n in range(5):
            await socket.send('{"a": %d, "b": 2}' % n)
        for n in range(5):
            assert await socket.recv() == '{"sum":%d,"type":"text","room":"7"}' % (n + 2)
    talk(daemon, "/room/7?q=1", conversation, user_agent_header="tester")


def test_a_handler_may_close_with_a_code_and_on_close_is_told(leat):
    daemon = leat("""
routes:
  GET /ws:
    websocket:
      on_message: { reply: { text: bye, close: 4001, reason: "you said ${message.text}" } }
      on_close: { tasks: { x: { log: "closed code=${conn.code} reason=${conn.reason} for=${query.name}" } } }
""")

    async def conversation(socket):
        await socket.send("go")
        assert await socket.recv() == "bye"
        await closes(socket, 4001, "you said go")
    talk(daemon, "/ws?name=ada", conversation)
    daemon.await_line("closed code=4001 reason=you said go for=ada")


def test_on_close_is_told_what_the_client_said_and_that_it_has_just_gone(leat):
    daemon = leat("""
routes:
  GET /ws:
    websocket:
      on_open: { reply: hi }
      on_close: { tasks: { x: { log: "closed code=${conn.code} reason=${conn.reason}" } } }
""")

    async def polite(socket):
        assert await socket.recv() == "hi"
        await socket.close(4002, "enough")

    async def rude(socket):
        assert await socket.recv() == "hi"
        socket.transport.abort()
    talk(daemon, "/ws", polite)
    daemon.await_line("closed code=4002 reason=enough")
    talk(daemon, "/ws", rude)
    daemon.await_line("closed code=1006 reason=")


def test_a_handler_that_fails_closes_with_1011(leat):
    daemon = leat("""
routes:
  GET /ws:
    websocket:
      on_message: { tasks: { x: { fail: invalid_input, detail: "no ${message.text}" } } }
""")

    async def conversation(socket):
        await socket.send("good")
        await closes(socket, 1011)
    talk(daemon, "/ws", conversation)
    daemon.await_line("handler failed route=.*code=invalid_input detail=.*no good")


def test_a_message_that_is_too_large_closes_with_1009(leat):
    daemon = leat("""
routes:
  GET /ws: { websocket: { max: 1000, on_message: { reply: "${message.text}" } } }
""")

    async def conversation(socket):
        await socket.send("x" * 1000)
        assert len(await socket.recv()) == 1000
        await socket.send(["x" * 600, "y" * 600])
        await closes(socket, 1009)
    talk(daemon, "/ws", conversation, compression=None)


def test_messages_that_need_more_than_limits_memory_close_with_1011_and_the_log_says_why(leat):
    daemon = leat("""
limits: { memory: 64k }
routes:
  GET /ws: { websocket: { on_message: { reply: { text: "${message.text}${message.text}", binary: "${message.base64}" } } } }
""")

    for message in (b"x" * 60000, "x" * 40000):
        async def conversation(socket):
            await socket.send(message)
            await closes(socket, 1011)
        talk(daemon, "/ws", conversation, compression=None)
    daemon.await_line("websocket failed .* code=1011 detail=\"limits.memory is reached\"")
    daemon.await_line("handler failed .* task=reply code=memory_limit detail=\"limits.memory is reached\"")


def test_the_subprotocol_is_the_first_of_the_client_that_is_spoken(leat):
    daemon = leat("""
routes:
  GET /ws: { websocket: { protocols: [chat.v1, chat.v2], on_open: { reply: "${conn.protocol}" } } }
""")

    async def conversation(socket):
        assert socket.subprotocol == "chat.v2"
        assert await socket.recv() == "chat.v2"

    async def none(socket):
        assert socket.subprotocol is None
    talk(daemon, "/ws", conversation, subprotocols=["other", "chat.v2", "chat.v1"])
    talk(daemon, "/ws", none, subprotocols=["other"])


def test_a_client_that_does_not_answer_pings_is_given_up(leat):
    daemon = leat("""
routes:
  GET /ws:
    websocket:
      ping: 50ms
      pong: 50ms
      on_close: { tasks: { x: { log: "gone code=${conn.code} reason=${conn.reason}" } } }
""")
    client = daemon.connect()
    client.send(HANDSHAKE.format(path="/ws"))
    assert client.head().status == 101
    assert client._exactly(2) == b"\x89\x00"  # a ping
    assert client.is_closed()
    daemon.await_line("gone code=1006 reason=no pong in time")

    async def alive(socket):
        await asyncio.sleep(0.5)  # the time passes: it answers by itself
        await (await socket.ping())
    talk(daemon, "/ws", alive)


def test_a_client_that_is_slow_with_a_message_is_closed_with_1008_however_it_keeps_awake(leat):
    daemon = leat("""
routes:
  GET /slow: { websocket: { arrival: 50ms, on_message: { reply: "${message.text}" } } }
  GET /usual: { websocket: { on_message: { reply: "${message.text}" } } }
""")
    mask = bytes(4)

    def opened(path):
        client = daemon.connect().send(HANDSHAKE.format(path=path))
        assert client.head().status == 101
        return client

    for begin, more, rest in ((b"\x81\xfe\x10\x00" + mask, b"x", b"x" * 4096),
                              (b"\x01\x81" + mask + b"x", b"\x8a\x80" + mask, b"\x80\x80" + mask)):
        slow, usual = (opened(path).send(begin) for path in ("/slow", "/usual"))
        deadline = within(10)
        while not select.select([slow.sock], [], [], 0.01)[0]:  # it says something, and does not get on
            assert time.monotonic() < deadline
            slow.send(more)
        assert slow._exactly(4) == b"\x88\x1d\x03\xf0"  # 1008
        assert slow._exactly(27) == b"the message came too slowly"
        slow.half_close()
        assert slow.is_closed()
        assert usual.send(rest)._exactly(2)[0] == 0x81
        usual.close()


def test_a_client_that_takes_long_to_read_a_message_is_not_given_up_since_the_ping_is_behind_it(leat):
    daemon = leat("routes: { GET /ws: { websocket: { max: 8m, ping: 300ms, pong: 3s, on_message: { reply: '${message.text}' } } } }")
    client = daemon.connect(receive_buffer=65536)
    client.send(HANDSHAKE.format(path="/ws"))
    assert client.head().status == 101

    def next_head():
        while (head := client._exactly(2)) == b"\x89\x00":
            client.send(b"\x8a\x80" + bytes(4))
        return head

    size = 6 << 20
    client.send(b"\x81\xff" + size.to_bytes(8, "big") + bytes(4) + b"z" * size)
    assert next_head() == b"\x81\x7f"
    left, end = size - len(client.buf) + 8, time.monotonic() + 3.5
    client.buf = b""
    while time.monotonic() < end:  # a little now and then, for longer than ping and pong
        left -= len(client.sock.recv(8192))
        time.sleep(0.01)
    while left > 0:
        left -= len(client.sock.recv(min(left, 262144)))
    client.send(b"\x81\x81" + bytes(4) + b"x")
    assert next_head() == b"\x81\x01"
    client.close()


HANDSHAKE = ("GET {path} HTTP/1.1\r\nHost: leat.test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def shake(daemon, path="/echo", replace=(), headers=""):
    head = HANDSHAKE.format(path=path)
    for old, new in replace:
        assert old in head
        head = head.replace(old, new)
    return daemon.raw(head[:-2] + headers + "\r\n")


def test_a_handshake_is_answered_as_the_rfc_says(leat):
    daemon = leat(ECHO)
    client = daemon.connect().send(HANDSHAKE.format(path="/echo"))
    answer = client.head()
    assert answer.status == 101
    assert answer.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer.get("upgrade") == "websocket" and answer.get("connection") == "Upgrade"
    assert answer.get("sec-websocket-extensions") is None


@pytest.mark.parametrize("replace, status", [
    ((("Upgrade: websocket\r\n", ""),), 426),
    ((("websocket\r\n", "h2c\r\n"),), 426),
    ((("keep-alive, Upgrade", "keep-alive"),), 426),
    ((("Version: 13", "Version: 8"),), 426),
    ((("Sec-WebSocket-Version: 13\r\n", ""),), 400),
    ((("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),), 400),
    ((("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j"),), 400),
    ((("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR=="),), 400),
    ((("HTTP/1.1", "HTTP/1.0"),), 426),
])
def test_a_handshake_that_is_none_is_refused(leat, replace, status):
    daemon = leat(ECHO)
    answer = shake(daemon, replace=replace)
    assert answer.status == status
    if status == 426:
        assert answer.get("upgrade") == "websocket"
        assert answer.get("sec-websocket-version") == "13"


@pytest.mark.parametrize("conf, origin, status", [
    ("", None, 101),
    ("", "http://leat.test", 101),
    ("", "https://leat.test", 101),
    ("", "http://leat.test:81", 403),
    ("", "http://evil.test", 403),
    ("", "http://leat.test.evil.test", 403),
    ("", "null", 403),
    ("", "leat.test", 403),
    ('origins: [https://app.example.org],', "https://app.example.org", 101),
    ('origins: [https://app.example.org],', "http://app.example.org", 403),
    ('origins: [https://app.example.org],', "http://leat.test", 403),
    ('origins: ["*"],', "http://evil.test", 101),
])
def test_pages_of_other_origins_may_not_connect_unless_they_are_named(leat, conf, origin, status):
    daemon = leat("routes: { GET /ws: { websocket: { %s on_message: { reply: x } } } }" % conf)
    headers = f"Origin: {origin}\r\n" if origin else ""
    with contextlib.closing(daemon.connect()) as client:
        client.send(HANDSHAKE.format(path="/ws")[:-2] + headers + "\r\n")
        assert client.head().status == status


def test_a_body_before_the_handshake_on_the_same_connection_does_no_harm(leat):
    daemon = leat(ECHO + "  POST /form: { body: { type: text }, reply: '${body}' }\n")
    client = daemon.connect()
    assert client.request("POST", "/form", body="abc").text == "abc"
    client.send(HANDSHAKE.format(path="/echo"))
    assert client.head().status == 101
    for _ in range(3):
        client.send(b"\x81\x83\x00\x00\x00\x00abc")
        assert client._exactly(5) == b"\x81\x03abc"


def test_frames_may_come_with_the_handshake(leat):
    daemon = leat(ECHO)
    client = daemon.connect()
    client.send(HANDSHAKE.format(path="/echo").encode() + b"\x81\x83\x00\x00\x00\x00abc" * 300)
    assert client.head().status == 101
    assert client._exactly(1500) == b"\x81\x03abc" * 300


def test_a_reload_keeps_connections_and_a_route_that_is_gone_closes_them_with_1001(leat):
    daemon = leat(ECHO)

    async def conversation(socket):
        assert daemon.reload(ECHO + "  GET /more: { reply: more }\n").returncode == 0
        await socket.send("still here")
        assert await socket.recv() == "still here"
        assert daemon.reload("routes: { GET /hello: { reply: hello } }").returncode == 0
        await closes(socket, 1001)
    talk(daemon, "/echo", conversation)
    await_true(lambda: daemon.status()["generations_in_use"] == 1, what="the old generation's end")


def test_at_shutdown_clients_are_told_with_1001(leat):
    daemon = leat(ECHO)

    async def conversation(socket):
        await socket.send("a")
        assert await socket.recv() == "a"
        daemon.process.terminate()
        await closes(socket, 1001)
    talk(daemon, "/echo", conversation)
    assert daemon.wait() == 0


def test_a_client_that_does_not_read_is_not_read_from(leat):
    daemon = leat("""
routes:
  GET /ws: { websocket: { queue: 4k, on_message: { reply: "${message.text}" } } }
""")
    client = daemon.connect(receive_buffer=4096)
    client.send(HANDSHAKE.format(path="/ws"))
    assert client.head().status == 101
    frame = b"\x81\xfe\x10\x00\x00\x00\x00\x00" + b"z" * 4096
    client.sock.settimeout(0.5)
    sent = 0
    try:
        for _ in range(100000):
            client.sock.sendall(frame)
            sent += 1
    except TimeoutError:
        pass
    assert sent < 100000
    client.sock.settimeout(TIMEOUT)
    for _ in range(sent):
        assert client._exactly(4100) == b"\x81\x7e\x10\x00" + b"z" * 4096


def test_a_flood_of_frames_without_content_is_borne_and_holds_nobody_up(leat):
    daemon = leat("server: { threads: 1 }\n" + ECHO)
    mask = b"\x00\x00\x00\x00"
    flooding, other = (daemon.connect().send(HANDSHAKE.format(path="/echo")) for _ in range(2))
    assert flooding.head().status == other.head().status == 101
    for _ in range(20):
        flooding.send((b"\x8a\x80" + mask) * 2000 + b"\x01\x80" + mask + (b"\x00\x80" + mask) * 2000
                      + b"\x80\x80" + mask + b"\x89\x80" + mask)  # pongs; a text of empty fragments; a ping
        other.send(b"\x81\x82" + mask + b"hi")
        assert other._exactly(4) == b"\x81\x02hi"
        assert flooding._exactly(4) == b"\x81\x00\x8a\x00"


def test_pings_of_a_client_that_does_not_read_wait_with_it(leat):
    daemon = leat("routes: { GET /echo: { websocket: { queue: 4k } } }")
    client = daemon.connect(receive_buffer=4096)
    client.send(HANDSHAKE.format(path="/echo"))
    assert client.head().status == 101
    ping = b"\x89\xfd\x00\x00\x00\x00" + b"z" * 125
    client.sock.settimeout(0.5)
    sent = 0
    try:
        for _ in range(100000):
            client.sock.sendall(ping * 100)
            sent += 100
    except TimeoutError:
        pass
    assert sent < 10000000  # it was not read from: no pong waits but those in the queue
    client.sock.settimeout(TIMEOUT)
    for _ in range(sent):
        assert client._exactly(127) == b"\x8a\x7d" + b"z" * 125


def test_over_tls_it_is_the_same(leat):
    with contextlib.closing(Certs()) as certs:
        certs.make("ca")
        certs.make("a", "DNS:a.test", issuer="ca")
        pair = json.dumps({"cert": certs.path("a.pem"), "key": certs.path("a.key")})
        daemon = leat(f"listen: [ {{ address: 127.0.0.1:0, tls: {pair} }} ]\n" + ECHO)

        async def talk_as(origin):
            async with websockets.connect(f"wss://127.0.0.1:{daemon.port}/echo", ssl=context(certs),
                                          server_hostname="a.test", origin=origin) as socket:
                for message in ("a", "x" * 300000, b"\x00" * 100000, "last"):
                    await socket.send(message)
                    assert await socket.recv() == message
        asyncio.run(asyncio.wait_for(talk_as(f"https://127.0.0.1:{daemon.port}"), TIMEOUT))
        for other in (f"http://127.0.0.1:{daemon.port}", "https://127.0.0.1"):
            with pytest.raises(websockets.InvalidStatusCode):
                asyncio.run(asyncio.wait_for(talk_as(other), TIMEOUT))
