"""tests/e2e/test_websocket_deflate.py: permessage-deflate (RFC 7692) with Debian's python3-websockets, and publications
that are compressed once for all who subscribe."""
import asyncio
import re
import zlib

import pytest

from leat import TIMEOUT, await_true
from test_websocket import talk, websockets
from test_websocket_cases import TEXT, Socket

permessage_deflate = pytest.importorskip("websockets.extensions.permessage_deflate", reason="python3-websockets is not installed")

CONF = """
server: { threads: 2, compute_threads: 1 }
routes:
  GET /echo: { websocket: { deflate: true, max: 100k, on_message: { reply: "${message.text}" } } }
  GET /takeover:
    websocket: { deflate: { takeover: true }, subscribe: news, on_message: { reply: "${message.text}" } }
  GET /alone: { websocket: { deflate: true, subscribe: news } }
  GET /plain: { websocket: { subscribe: news } }
  POST /publish: { body: { type: text }, tasks: { p: { publish: news, message: "${body}" } }, reply: "${p}" }
"""
WORDS = " ".join(f"word-{n}" for n in range(100))


@pytest.fixture(scope="module")
def daemon(leat_module):
    return leat_module(CONF)


def publish(daemon, text):
    return int(daemon.post("/publish", text).text)


def memory_used(daemon):
    return int(re.search(r"^leat_memory_used_bytes (\d+)", daemon.admin("GET", "/metrics").text, re.M)[1])


def factory(**more):
    return [permessage_deflate.ClientPerMessageDeflateFactory(**more)]


@pytest.mark.parametrize("path", ["/takeover", "/echo"])
@pytest.mark.parametrize("more", [{}, {"server_no_context_takeover": True}, {"client_no_context_takeover": True},
                                  {"server_max_window_bits": 9, "client_max_window_bits": 9},
                                  {"client_max_window_bits": True}])
def test_messages_are_compressed_as_was_agreed_on(daemon, path, more):
    async def conversation(socket):
        assert [e.name for e in socket.extensions] == ["permessage-deflate"]
        for n in range(30):
            for message in (f"{n} {WORDS}", WORDS, "", "x" * n, [WORDS[:n], "", WORDS[n:]]):
                await socket.send(message)
                assert await socket.recv() == (message if isinstance(message, str) else "".join(message))
    talk(daemon, path, conversation, compression=None, extensions=factory(**more))


def test_what_inflates_to_more_than_a_message_may_have_closes_with_1009(daemon):
    async def conversation(socket):
        await socket.send("z" * 100 * 1024)
        assert len(await socket.recv()) == 100 * 1024
        await socket.send("z" * (100 * 1024 + 1))
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1009
    talk(daemon, "/echo", conversation)


def test_publications_come_between_messages_that_refer_to_those_before(daemon):
    async def conversation(socket):
        for n in range(20):
            for message in (WORDS, f"{n} {WORDS[:200]}"):
                await socket.send(message)
                assert await socket.recv() == message
            text = f"{WORDS[n:]} {n}" if n % 3 else "short"
            assert await asyncio.to_thread(publish, daemon, text) >= 1
            assert await socket.recv() == text
    talk(daemon, "/takeover", conversation)


def test_a_publication_is_compressed_once_for_all_that_can_read_it(daemon):
    await_true(lambda: publish(daemon, "nobody") == 0)
    offer = "permessage-deflate"
    sockets = [Socket(daemon, "/takeover", offer), Socket(daemon, "/alone", offer), Socket(daemon, "/alone", offer),
               Socket(daemon, "/alone", offer + "; server_max_window_bits=9"), Socket(daemon, "/alone"),
               Socket(daemon, "/plain", offer)]
    for text in (WORDS, "too short for that", WORDS * 100, WORDS):
        assert publish(daemon, text) == len(sockets)
        frames = [socket.frame() for socket in sockets]
        compressed = 64 <= len(text) <= 65536
        for opcode, payload, final, rsv in frames[:3]:
            assert (opcode, final, rsv) == (TEXT, True, 4 if compressed else 0)
            assert payload == frames[0][1]
            if compressed:
                assert len(payload) < len(text) / 2
                payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
            assert payload == text.encode()
        assert all(other == (TEXT, text.encode(), True, 0) for other in frames[3:])
    for socket in sockets:
        socket.closes()


def test_what_cannot_be_made_smaller_is_sent_as_it_is(daemon):
    await_true(lambda: publish(daemon, "nobody") == 0)
    socket = Socket(daemon, "/alone", "permessage-deflate")
    text = "".join(chr(33 + n * n * 7 % 89 + n % 3) for n in range(64))
    assert publish(daemon, text) == 1
    assert socket.frame() == (TEXT, text.encode(), True, 0)
    socket.closes()


def test_memory_of_what_is_compressed_is_given_back(leat):
    daemon = leat(CONF)
    sockets = [Socket(daemon, "/alone", "permessage-deflate") for _ in range(10)]
    for n in range(101):
        assert publish(daemon, f"{n} {WORDS}") == 10
        assert all(socket.frame()[3] == 4 for socket in sockets)
        if n == 50:  # the loops have made what they keep
            before = memory_used(daemon)
    await_true(lambda: memory_used(daemon) <= before + 5000, TIMEOUT)  # 50 publications are 30,000
