"""tests/e2e/test_websocket_cases.py: the cases of the Autobahn test suite, byte by byte, against an echo.

Each is named by its number there (autobahntestsuite, fuzzing client): what is sent, and what has to come. An echo of text
comes back as text, of bytes as bytes; a failure is a close frame with its code and the end of the connection.
Of 9.1 to 9.6, 12 and 13, whose cases differ in sizes only, there are some; there is no 8 and no 11.
"""
import contextlib
import struct
import zlib

import pytest



CONF = """
routes:
  GET /echo:
    websocket:
      max: 16m
      queue: 16m
      on_message: { reply: { text: "${message.text}", binary: "${message.base64}" } }
  GET /deflate:
    websocket:
      max: 1m
      deflate: { takeover: true }
      on_message: { reply: { text: "${message.text}", binary: "${message.base64}" } }
  GET /deflate_alone:
    websocket:
      max: 1m
      deflate: true
      on_message: { reply: { text: "${message.text}", binary: "${message.base64}" } }
"""
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


@pytest.fixture(scope="module")
def daemon(leat_module):
    return leat_module(CONF)


def xor(payload):
    n = len(payload)
    mask = (MASK * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(n, "big") if n else b""


def frame(opcode, payload=b"", final=True, rsv=0):
    payload = payload.encode() if isinstance(payload, str) else payload
    n = len(payload)
    head = bytes([final << 7 | rsv << 4 | opcode])
    head += bytes([0x80 | n]) if n < 126 else b"\xfe" + struct.pack(">H", n) if n < 65536 \
        else b"\xff" + struct.pack(">Q", n)
    return head + MASK + xor(payload)


class Socket:
    """One connection behind its handshake."""

    def __init__(self, daemon, path="/echo", offer=None, **more):
        self.client = daemon.connect(**more)
        head = (f"GET {path} HTTP/1.1\r\nHost: leat.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
        if offer:
            head += f"Sec-WebSocket-Extensions: {offer}\r\n"
        answer = self.client.send(head + "\r\n").head()
        assert answer.status == 101
        self.extension = answer.get("sec-websocket-extensions")

    def send(self, *frames, cut=None):
        data = b"".join(frames)
        for at in range(0, len(data), cut or len(data)):
            self.client.send(data[at:at + (cut or len(data))])
        return self

    def frame(self):
        """(opcode, payload, final, rsv) of the next frame, which nothing may be wrong with."""
        first, size = self.client._exactly(2)
        assert not size & 0x80
        if size == 126:
            size = struct.unpack(">H", self.client._exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.client._exactly(8))[0]
        return first & 15, self.client._exactly(size), bool(first & 0x80), first >> 4 & 7

    def gets(self, opcode, payload=b""):
        payload = payload.encode() if isinstance(payload, str) else payload
        assert self.frame() == (opcode, payload, True, 0)
        return self

    def is_closed(self, *codes):
        """A close frame with one of the codes (None: without one), and the end."""
        opcode, payload, final, rsv = self.frame()
        assert (opcode, final, rsv) == (CLOSE, True, 0)
        code = struct.unpack(">H", payload[:2])[0] if payload else None
        assert code in codes, (code, payload)
        with contextlib.suppress(OSError):
            self.client.half_close()
        assert self.client.rest() == b""

    def closes(self):
        """In good order: nothing was wrong."""
        self.send(frame(CLOSE, struct.pack(">H", 1000)))
        self.is_closed(1000)


@pytest.fixture
def socket(daemon):
    with contextlib.closing(Socket(daemon).client) as client:
        client.close()
    return lambda *args, **more: Socket(daemon, *args, **more)


# ------------------------------------------------------------------ 1: framing

SIZES = [0, 125, 126, 127, 128, 65535, 65536]


@pytest.mark.parametrize("number, opcode, size, cut", [
    *((f"1.1.{n + 1}", TEXT, size, None) for n, size in enumerate(SIZES)), ("1.1.8", TEXT, 65536, 997),
    *((f"1.2.{n + 1}", BINARY, size, None) for n, size in enumerate(SIZES)), ("1.2.8", BINARY, 65536, 997)])
def test_1_payloads_of_every_size_are_echoed(socket, number, opcode, size, cut):
    payload = b"*" * size if opcode == TEXT else b"\xfe" * size
    socket().send(frame(opcode, payload), cut=cut).gets(opcode, payload).closes()


# ------------------------------------------------------------------ 2: pings and pongs

@pytest.mark.parametrize("number, payload, cut", [
    ("2.1", b"", None), ("2.2", b"Hello, world!", None), ("2.3", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", None),
    ("2.4", b"\xfe" * 125, None), ("2.6", b"\xfe" * 125, 1)])
def test_2_pings_are_answered_with_their_payload(socket, number, payload, cut):
    socket().send(frame(PING, payload), cut=cut).gets(PONG, payload).closes()


def test_2_5_a_ping_of_126_bytes_fails(socket):
    socket().send(frame(PING, b"\xfe" * 126)).is_closed(1002)


def test_2_7_to_2_9_pongs_that_nobody_asked_for_are_ignored(socket):
    socket().send(frame(PONG)).send(frame(PONG, "unsolicited"), frame(PING, "x")).gets(PONG, "x").closes()


def test_2_10_and_2_11_ten_pings_get_ten_pongs_in_their_order(socket):
    pings = [frame(PING, f"payload-{n}") for n in range(10)]
    for cut in (None, 1):
        one = socket().send(*pings, cut=cut)
        for n in range(10):
            one.gets(PONG, f"payload-{n}")
        one.closes()


# ------------------------------------------------------------------ 3: reserved bits

@pytest.mark.parametrize("number, rsv", [(f"3.{rsv}", rsv) for rsv in range(1, 8)])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_3_reserved_bits_fail_and_what_came_before_is_echoed(socket, number, rsv, opcode):
    one = socket().send(frame(TEXT, "Hello, world!"), frame(opcode, "x", rsv=rsv), frame(PING))
    one.gets(TEXT, "Hello, world!").is_closed(1002)


# ------------------------------------------------------------------ 4: opcodes

@pytest.mark.parametrize("number, opcode", [
    *((f"4.1.{n}", opcode) for n, opcode in enumerate(range(3, 8), 1)),
    *((f"4.2.{n}", opcode) for n, opcode in enumerate(range(11, 16), 1))])
@pytest.mark.parametrize("payload", ["", "reserved opcode payload"])
def test_4_reserved_opcodes_fail(socket, number, opcode, payload):
    one = socket().send(frame(TEXT, "Hello, world!"), frame(opcode, payload), frame(PING))
    one.gets(TEXT, "Hello, world!").is_closed(1002)


# ------------------------------------------------------------------ 5: fragments

@pytest.mark.parametrize("number, opcode", [("5.1", PING), ("5.2", PONG)])
def test_5_1_and_5_2_a_control_frame_in_fragments_fails(socket, number, opcode):
    socket().send(frame(opcode, "fragment1", final=False), frame(CONT, "fragment2")).is_closed(1002)


@pytest.mark.parametrize("number, cut", [("5.3", None), ("5.5", 1)])
def test_5_3_to_5_5_fragments_are_put_together(socket, number, cut):
    one = socket().send(frame(TEXT, "fragment1", final=False), frame(CONT, "fragment2"), cut=cut)
    one.gets(TEXT, "fragment1fragment2").closes()


@pytest.mark.parametrize("number, cut", [("5.6", None), ("5.8", 1)])
def test_5_6_to_5_8_a_ping_between_fragments_is_answered_first(socket, number, cut):
    one = socket().send(frame(TEXT, "fragment1", final=False), frame(PING, "ping"), frame(CONT, "fragment2"), cut=cut)
    one.gets(PONG, "ping").gets(TEXT, "fragment1fragment2").closes()


@pytest.mark.parametrize("number, final, cut", [("5.9", True, None), ("5.11", True, 1), ("5.12", False, None),
                                                ("5.14", False, 1)])
def test_5_9_to_5_14_a_continuation_of_nothing_fails(socket, number, final, cut):
    socket().send(frame(CONT, "non-continuation payload", final=final), frame(TEXT, "Hello"), cut=cut).is_closed(1002)


def test_5_15_a_continuation_behind_a_whole_message_fails(socket):
    one = socket().send(frame(TEXT, "fragment1", final=False), frame(CONT, "fragment2"),
                        frame(CONT, "fragment3", final=False), frame(TEXT, "fragment4"))
    one.gets(TEXT, "fragment1fragment2").is_closed(1002)


@pytest.mark.parametrize("number, final", [("5.16", False), ("5.17", True)])
def test_5_16_and_5_17_a_message_that_begins_with_a_continuation_fails(socket, number, final):
    socket().send(frame(CONT, "fragment1", final=final), frame(TEXT, "fragment2", final=False),
                  frame(CONT, "fragment3")).is_closed(1002)


def test_5_18_a_text_within_a_text_fails(socket):
    socket().send(frame(TEXT, "fragment1", final=False), frame(TEXT, "fragment2")).is_closed(1002)


@pytest.mark.parametrize("number, cut", [("5.19", None), ("5.20", 1)])
def test_5_19_and_5_20_pings_between_many_fragments_are_answered(socket, number, cut):
    one = socket().send(frame(TEXT, "fragment1", final=False), frame(CONT, "fragment2", final=False),
                        frame(PING, "pongme 1!"), cut=cut).gets(PONG, "pongme 1!")
    one.send(frame(CONT, "fragment3", final=False), frame(CONT, "fragment4", final=False), frame(PING, "pongme 2!"),
             frame(CONT, "fragment5"), cut=cut).gets(PONG, "pongme 2!")
    one.gets(TEXT, "fragment1fragment2fragment3fragment4fragment5").closes()


# ------------------------------------------------------------------ 6: UTF-8

def test_6_1_empty_fragments_make_an_empty_text(socket):
    one = socket().send(frame(TEXT)).gets(TEXT)
    one.send(frame(TEXT, final=False), frame(CONT, final=False), frame(CONT)).gets(TEXT)
    one.send(frame(TEXT, final=False), frame(CONT, "middle frame payload", final=False), frame(CONT))
    one.gets(TEXT, "middle frame payload").closes()


def test_6_2_text_may_be_cut_anywhere(socket):
    text = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    one = socket().send(frame(TEXT, text)).gets(TEXT, text)
    one.send(frame(TEXT, text[:12], final=False), frame(CONT, text[12:])).gets(TEXT, text)
    one.send(*(frame(CONT if n else TEXT, text[n:n + 1], final=n + 1 == len(text)) for n in range(len(text))))
    one.gets(TEXT, text)
    kosme = "κόσμε".encode()
    one.send(*(frame(CONT if n else TEXT, kosme[n:n + 1], final=n + 1 == len(kosme)) for n in range(len(kosme))))
    one.gets(TEXT, kosme).closes()


BAD = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64"


@pytest.mark.parametrize("number, frames", [
    ("6.3.1", [frame(TEXT, BAD)]),
    ("6.3.2", [frame(CONT if n else TEXT, BAD[n:n + 1], final=n + 1 == len(BAD)) for n in range(len(BAD))])])
def test_6_3_text_that_is_not_utf8_fails(socket, number, frames):
    socket().send(*frames).is_closed(1007)


START, LATER = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", b"\x65\x64\x69\x74\x65\x64"


def test_6_4_text_fails_at_the_byte_that_makes_it_invalid_not_at_its_end(socket):
    socket().send(frame(TEXT, START, final=False), frame(CONT, b"\xf4\x90\x80\x80", final=False)).is_closed(1007)
    socket().send(frame(TEXT, START + b"\xf4", final=False), frame(CONT, b"\x90", final=False)).is_closed(1007)
    whole = frame(TEXT, START + b"\xf4\x90\x80\x80" + LATER)
    socket().send(whole[:6 + len(START) + 4]).is_closed(1007)
    socket().send(whole[:6 + len(START) + 2]).is_closed(1007)


GOOD_TEXTS = {
    "6.5": ["κόσμε".encode()],
    "6.6": [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80", b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf",
            b"\xf4\x8f\xbf\xbf", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd"],
    "6.9": [b"\x7f", b"\xdf\xbf"],
    "6.22": [chr(plane << 16 | 0xfffe | low).encode() for plane in range(17) for low in (0, 1)],
    "6.23": [b"\xef\xbf\xb9", b"\xef\xbf\xba", b"\xef\xbf\xbb", b"\xef\xbf\xbc", b"\xef\xbf\xbd", b"\xef\xbf\xbe",
             b"\xef\xbf\xbf"],
}


@pytest.mark.parametrize("number", GOOD_TEXTS)
def test_6_valid_texts_are_echoed(socket, number):
    one = socket()
    for text in GOOD_TEXTS[number]:
        one.send(frame(TEXT, text)).gets(TEXT, text)
    one.closes()


BAD_TEXTS = {
    "6.6": [b"\xce", b"\xce\xba\xe1", b"\xce\xba\xe1\xbd", b"\xcf\x83\xce"],
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    "6.11": [b"\xf4\x90\x80\x80"],
    "6.12": [b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80\xbf\x80\xbf"],
    "6.13": [bytes(x for byte in range(0xc0, 0xe0) for x in (byte, 0x20)), b"\xe0 ", b"\xf0 ", b"\xf8 ", b"\xfc "],
    "6.14": [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf", b"\xef\xbf",
             b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"],
    "6.16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
    "6.18": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"],
    "6.19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
    "6.20": [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80",
             b"\xed\xbf\xbf"],
    "6.21": [b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf"],
}


@pytest.mark.parametrize("number, text", [
    (f"{number}.{n}", text) for number, texts in BAD_TEXTS.items() for n, text in enumerate(texts, 1)])
def test_6_invalid_texts_fail(socket, number, text):
    socket().send(frame(TEXT, text)).is_closed(1007)


# ------------------------------------------------------------------ 7: closing

def test_7_1_1_a_message_before_the_close_is_echoed(socket):
    socket().send(frame(TEXT, "Hello World!")).gets(TEXT, "Hello World!").closes()


def test_7_1_2_to_7_1_4_nothing_behind_a_close_counts(socket):
    close = frame(CLOSE, struct.pack(">H", 1000))
    for later in (close, frame(PING), frame(TEXT, "Hello World!")):
        socket().send(close, later).is_closed(1000)


def test_7_1_5_a_close_within_a_message_ends_it(socket):
    socket().send(frame(TEXT, "fragment1", final=False), frame(CLOSE, struct.pack(">H", 1000)),
                  frame(CONT, "fragment2")).is_closed(1000)


def test_7_1_6_a_close_behind_much_is_answered_behind_it(socket):
    text = b"BAsd7&jh23" * 26214
    one = socket().send(frame(TEXT, text), frame(TEXT, "Hello World!"), frame(CLOSE, struct.pack(">H", 1000)),
                        frame(PING))
    one.gets(TEXT, text).gets(TEXT, "Hello World!").is_closed(1000)


def test_7_3_close_frames_have_no_payload_or_a_code_and_a_reason(socket):
    socket().send(frame(CLOSE)).is_closed(None)
    socket().send(frame(CLOSE, b"a")).is_closed(1002)
    socket().send(frame(CLOSE, struct.pack(">H", 1000))).is_closed(1000)
    socket().send(frame(CLOSE, struct.pack(">H", 1000) + b"Hello World!")).is_closed(1000)
    socket().send(frame(CLOSE, struct.pack(">H", 1000) + b"*" * 123)).is_closed(1000)
    socket().send(frame(CLOSE, struct.pack(">H", 1000) + b"*" * 124)).is_closed(1002)


def test_7_5_1_a_reason_that_is_not_utf8_fails(socket):
    socket().send(frame(CLOSE, struct.pack(">H", 1000) + BAD)).is_closed(1007)


@pytest.mark.parametrize("number, code", [
    (f"7.7.{n}", code) for n, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000,
                                                 4999), 1)])
def test_7_7_codes_that_may_be_sent_are_answered_with_themselves(socket, number, code):
    socket().send(frame(CLOSE, struct.pack(">H", code))).is_closed(code)


@pytest.mark.parametrize("number, code", [
    *((f"7.9.{n}", code) for n, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1)),
    ("7.13.1", 5000), ("7.13.2", 65535)])
def test_7_9_and_7_13_codes_that_may_not_be_sent_fail(socket, number, code):
    socket().send(frame(CLOSE, struct.pack(">H", code))).is_closed(1002)


# ------------------------------------------------------------------ 9: larger ones, and pieces

@pytest.mark.parametrize("number, opcode, size", [
    ("9.1.1", TEXT, 64 << 10), ("9.1.2", TEXT, 256 << 10), ("9.1.3", TEXT, 1 << 20), ("9.1.4", TEXT, 4 << 20),
    ("9.2.1", BINARY, 64 << 10), ("9.2.2", BINARY, 256 << 10), ("9.2.3", BINARY, 1 << 20), ("9.2.4", BINARY, 4 << 20)])
def test_9_1_and_9_2_large_messages_are_echoed(socket, number, opcode, size):
    payload = (b"BAsd7&jh23" * (size // 10 + 1))[:size]
    socket().send(frame(opcode, payload)).gets(opcode, payload).closes()


@pytest.mark.parametrize("number, opcode, piece", [
    ("9.3.2", TEXT, 256), ("9.3.4", TEXT, 4096), ("9.3.6", TEXT, 64 << 10), ("9.4.2", BINARY, 256), ("9.4.4", BINARY, 4096)])
def test_9_3_and_9_4_large_messages_in_fragments_are_echoed(socket, number, opcode, piece):
    payload = b"*" * (1 << 20)
    frames = [frame(CONT if at else opcode, payload[at:at + piece], final=at + piece >= len(payload))
              for at in range(0, len(payload), piece)]
    socket().send(*frames).gets(opcode, payload).closes()


@pytest.mark.parametrize("number, cut", [("9.5.2", 128), ("9.5.4", 512), ("9.6.2", 2048)])
def test_9_5_and_9_6_large_messages_in_small_writes_are_echoed(socket, number, cut):
    payload = b"*" * (256 << 10)
    socket().send(frame(TEXT, payload), cut=cut).gets(TEXT, payload).closes()


@pytest.mark.parametrize("number, opcode, size", [("9.7.1", TEXT, 0), ("9.7.2", TEXT, 16), ("9.8.4", BINARY, 256)])
def test_9_7_and_9_8_many_round_trips(socket, number, opcode, size):
    one = socket()
    for _ in range(1000):
        one.send(frame(opcode, b"*" * size)).gets(opcode, b"*" * size)
    one.closes()


# ------------------------------------------------------------------ 10: fragments that nobody asked for

def test_10_1_1_a_text_in_fragments_of_1300_bytes_is_echoed(socket):
    payload = b"*" * 65536
    frames = [frame(CONT if at else TEXT, payload[at:at + 1300], final=at + 1300 >= len(payload))
              for at in range(0, len(payload), 1300)]
    socket().send(*frames).gets(TEXT, payload).closes()


# ------------------------------------------------------------------ 12, 13: permessage-deflate

OFFERS = [
    ("/deflate", "permessage-deflate"),
    ("/deflate", "permessage-deflate; client_no_context_takeover"),
    ("/deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    ("/deflate", "permessage-deflate; server_max_window_bits=9; client_max_window_bits"),
    ("/deflate_alone", "permessage-deflate; client_max_window_bits"),
    ("/deflate_alone", "permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits=15"),
]


def deflate(compressor, data):
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize("path, offer", OFFERS)
@pytest.mark.parametrize("size", [16, 1024, 65536, 131072])
def test_12_and_13_compressed_messages_are_echoed_compressed(socket, path, offer, size):
    one = socket(path, offer)
    extension = one.extension or ""
    assert extension.startswith("permessage-deflate")
    compressor, inflater = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)
    for n in range(10):
        payload = (b'{"AutobahnPython": %d, "text": "Lorem ipsum"}' % n * (size // 40 + 1))[:size]
        if "client_no_context_takeover" in extension:
            compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        if "server_no_context_takeover" in extension:
            inflater = zlib.decompressobj(-15)
        data = deflate(compressor, payload)
        half = len(data) // 2
        one.send(frame(TEXT, data[:half], final=False, rsv=4), frame(CONT, data[half:]))
        opcode, data, final, rsv = one.frame()
        assert (opcode, final) == (TEXT, True)
        assert rsv == (4 if 64 <= size <= 65536 else 0)
        assert (inflater.decompress(data + b"\x00\x00\xff\xff") if rsv else data) == payload
    one.closes()


def test_12_a_compressed_bomb_fails_before_it_is_inflated(socket):
    one = socket("/deflate", "permessage-deflate")
    bomb = deflate(zlib.compressobj(9, zlib.DEFLATED, -15), bytes(200 << 20))
    with contextlib.suppress(OSError):
        one.send(frame(BINARY, bomb, rsv=4))
    one.is_closed(1009)


def test_12_what_is_not_deflate_and_what_was_not_agreed_on_fails(socket):
    socket("/deflate", "permessage-deflate").send(frame(TEXT, b"\xff\xff\xff\xff", rsv=4)).is_closed(1002)
    socket("/deflate").send(frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)).is_closed(1002)
    one = socket("/deflate", "permessage-deflate")
    one.send(frame(TEXT, b"\xf2\x48\xcd", final=False, rsv=4), frame(CONT, b"\xc9\xc9\x07\x00", rsv=4)).is_closed(1002)


def test_12_compressed_text_is_judged_as_utf8(socket):
    bad = deflate(zlib.compressobj(9, zlib.DEFLATED, -15), b"abc\xff")
    socket("/deflate", "permessage-deflate").send(frame(TEXT, bad, rsv=4)).is_closed(1007)
