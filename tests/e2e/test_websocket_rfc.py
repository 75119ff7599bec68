"""tests/e2e/test_websocket_rfc.py: RFC 6455 and RFC 7692, sentence by sentence, with a client of bare sockets.

A row names the section it proves, what is sent, and what has to come: frames, then a close code, or (None) an end in good
order.  What test_websocket_cases.py has is not here again: this is about heads that are wrong, octet by octet, about what may
stand between fragments, about bounds, the opening handshake, and every way to agree on a compression.
"""
import itertools
import random
import struct
import zlib

import pytest

from test_websocket_cases import BINARY, CLOSE, CONT, PING, PONG, TEXT, Socket, frame

ECHO = "on_message: { reply: { text: '${message.text}', binary: '${message.base64}' } }"
CONF = f"""
routes:
  GET /echo: {{ websocket: {{ {ECHO} }} }}
  GET /bounds: {{ websocket: {{ max: 1000, max_frame: 500, deflate: true, {ECHO} }} }}
  GET /takeover: {{ websocket: {{ deflate: {{ takeover: true }}, {ECHO} }} }}
  GET /alone: {{ websocket: {{ deflate: true, {ECHO} }} }}
  GET /chat: {{ websocket: {{ protocols: [chat.v1, chat.v2], {ECHO} }} }}
  GET /bye: {{ websocket: {{ close: 1m, on_message: {{ reply: {{ text: bye, close: 4001, reason: enough }} }} }} }}
  GET /short: {{ websocket: {{ close: 10ms, on_message: {{ reply: {{ close: 4001 }} }} }} }}
  "/any": {{ websocket: {{ {ECHO} }} }}
"""
ZEROS = bytes(4)  # a mask that changes nothing
CLOSE_1000 = frame(CLOSE, b"\x03\xe8")


@pytest.fixture(scope="module")
def daemon(leat_module):
    return leat_module(CONF)


def table(*rows):
    """A test for each: (section, sentence, what is sent, what comes, close code)."""
    return pytest.mark.parametrize("sent, comes, code", [row[2:] for row in rows], ids=[f"{row[0]} {row[1]}" for row in rows])


def converse(daemon, path, offer, sent, comes, code):
    one = Socket(daemon, path, offer)
    one.send(*sent)
    for opcode, payload in comes:
        one.gets(opcode, payload)
    if code is None:
        one.closes()
    else:
        one.is_closed(code)


# ------------------------------------------------------------------ RFC 6455 §5: frames

def head(first, second, *more):
    return bytes([first, second, *more])


@table(
    ("5.1", "a text that is not masked fails at its second octet", [head(0x81, 0x05)], [], 1002),
    ("5.1", "a ping that is not masked fails", [head(0x89, 0x00)], [], 1002),
    ("5.1", "a close that is not masked fails", [head(0x88, 0x02), b"\x03\xe8"], [], 1002),
    ("5.1", "any mask will do", [head(0x81, 0x82) + ZEROS + b"hi", head(0x81, 0x82) + b"\xff" * 4 + b"\x97\x96"],
     [(TEXT, "hi"), (TEXT, "hi")], None),
    ("5.2", "a reserved opcode fails at its octet", [b"\x83"], [], 1002),
    ("5.2", "a reserved control opcode fails at its octet", [b"\x8b"], [], 1002),
    ("5.2", "RSV1 fails at its octet where nothing was agreed on", [b"\xc1"], [], 1002),
    ("5.2", "RSV1 of a continuation fails", [frame(TEXT, "a", final=False), b"\xc0"], [], 1002),
    ("5.2", "RSV2 of a continuation fails", [frame(TEXT, "a", final=False), b"\xa0"], [], 1002),
    ("5.2", "a size of 125 in two octets fails", [head(0x81, 0xfe, 0, 125)], [], 1002),
    ("5.2", "a size of 65535 in eight octets fails", [head(0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255)], [], 1002),
    ("5.2", "a size whose top bit is set fails", [head(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0)], [], 1002),
    ("5.2", "a size of all ones fails", [head(0x82, 0xff) + b"\xff" * 8], [], 1002),
    ("5.4", "a binary message within a text fails", [frame(TEXT, "a", final=False), frame(BINARY, "b")], [], 1002),
    ("5.4", "a message of empty fragments is empty", [frame(BINARY, final=False), *[frame(CONT, final=False)] * 100, frame(CONT)],
     [(BINARY, "")], None),
    ("5.4", "control frames may stand between all fragments",
     [frame(TEXT, "a", final=False), frame(PING, "1"), frame(PONG, "x"), frame(CONT, "b", final=False), frame(PING, "2"),
      frame(PING, "3"), frame(CONT, "c")],
     [(PONG, "1"), (PONG, "2"), (PONG, "3"), (TEXT, "abc")], None),
    ("5.5", "a fragment of a control frame fails at its octet", [b"\x09"], [], 1002),
    ("5.5", "a control frame of 126 octets fails at its second", [head(0x8a, 0xfe)], [], 1002),
    ("5.5", "a control frame of eight octets of size fails", [head(0x88, 0xff)], [], 1002),
    ("5.5", "a control frame may have 125 octets", [frame(PING, b"\0" * 125)], [(PONG, "\0" * 125)], None),
    ("5.5.1", "nothing is done behind a close", [frame(TEXT, "a", final=False), CLOSE_1000, frame(CONT, "b"), frame(PING, "x")],
     [], 1000),
    ("5.5.1", "a close of one octet fails", [frame(CLOSE, b"\x03")], [], 1002),
    ("5.5.1", "what is wrong behind a close is not looked at", [CLOSE_1000, b"\xff" * 100], [], 1000),
    ("5.5.2", "pings are answered in their order, with what they had", [frame(PING, bytes([n])) for n in range(100)],
     [(PONG, bytes([n])) for n in range(100)], None),
    ("5.5.3", "pongs that nobody asked for are ignored", [frame(PONG, b"\xff" * 125)] * 50 + [frame(PING)], [(PONG, "")], None),
    ("5.6", "binary is not looked at", [frame(BINARY, b"\xff\xc0\xed\xa0\x80")], [(BINARY, b"\xff\xc0\xed\xa0\x80")], None),
    ("7.1.7", "what came before an error is answered before it is told", [frame(TEXT, str(n)) for n in range(50)] + [b"\x83"],
     [(TEXT, str(n)) for n in range(50)], 1002),
    ("7.4.1", "1012 to 1014 are registered", [frame(CLOSE, struct.pack(">H", 1012))], [], 1012),
    ("7.4.1", "1015 is never sent", [frame(CLOSE, struct.pack(">H", 1015))], [], 1002),
    ("7.4.2", "2999 is nobody's", [frame(CLOSE, struct.pack(">H", 2999))], [], 1002),
    ("7.4.2", "4999 is an application's", [frame(CLOSE, struct.pack(">H", 4999))], [], 4999),
)
@pytest.mark.parametrize("cut", [None, 1], ids=["whole", "octets"])
def test_frames(daemon, sent, comes, code, cut):
    data = b"".join(sent)
    cut = cut and max(cut, len(data) // 500)  # more pieces say nothing more
    converse(daemon, "/echo", None, [data[at:at + (cut or len(data))] for at in range(0, len(data), cut or len(data))], comes, code)


# ------------------------------------------------------------------ RFC 6455 §8.1: text, octet by octet

BEGIN = "κό".encode()


@pytest.mark.parametrize("good, bad", [
    (b"", b"\x80"), (b"", b"\xbf"), (b"", b"\xc0"), (b"", b"\xc1"), (b"", b"\xf5"), (b"", b"\xff"),
    (b"\xc2", b"\x7f"), (b"\xc2", b"\xc0"), (b"\xdf", b"\x20"), (b"\xe0", b"\x9f"), (b"\xe0\xa0", b"\x7f"), (b"\xe1\x80", b"\xc0"),
    (b"\xed", b"\xa0"), (b"\xed\x9f", b"\xff"), (b"\xef\xbf", b"\x00"), (b"\xf0", b"\x8f"), (b"\xf0\x90\x80", b"\x7f"),
    (b"\xf1\x80\x80", b"\xc0"), (b"\xf4", b"\x90"), (b"\xf4\x8f\xbf", b"\xff")], ids=lambda octets: octets.hex() or "-")
def test_8_1_text_fails_at_the_octet_that_nothing_valid_goes_on_with_and_not_before(daemon, good, bad):
    one = Socket(daemon, "/echo")
    one.send(frame(TEXT, BEGIN, final=False))
    for n, octet in enumerate(good):
        one.send(frame(CONT, bytes([octet]), final=False), frame(PING, bytes([n]))).gets(PONG, bytes([n]))
    one.send(frame(CONT, bad, final=False)).is_closed(1007)
    one = Socket(daemon, "/echo")  # within one frame, whose rest has not come
    one.send(frame(TEXT, BEGIN + good + bad + bytes(100))[:-100]).is_closed(1007)


def test_8_1_a_text_ends_only_at_the_end_of_a_character(daemon):
    text = "aß水🎉".encode()
    for size in range(len(text) + 1):
        one = Socket(daemon, "/echo").send(frame(TEXT, text[:size]))
        if size in (0, 1, 3, 6, 10):
            one.gets(TEXT, text[:size]).closes()
        else:
            one.is_closed(1007)


# ------------------------------------------------------------------ RFC 6455 §7: closing from here

def test_7_1_1_the_server_waits_for_the_client_s_close_and_then_ends_the_connection(daemon):
    one = Socket(daemon, "/bye").send(frame(TEXT, "go")).gets(TEXT, "bye")
    assert one.frame() == (CLOSE, b"\x0f\xa1enough", True, 0)
    one.send(frame(TEXT, "is on its way"), frame(PING, "too"), frame(CLOSE, b"\x0f\xa1"))
    assert one.client.rest() == b""
    one = Socket(daemon, "/bye").send(frame(TEXT, "go")).gets(TEXT, "bye")
    assert one.frame()[0] == CLOSE
    one.send(b"\x83")  # what is wrong now ends it, too, without a second close frame
    one.client.half_close()
    assert one.client.rest() == b""


def test_7_1_1_a_client_that_never_answers_a_close_is_not_waited_for(daemon):
    one = Socket(daemon, "/short").send(frame(TEXT, "go"))
    assert one.frame() == (CLOSE, b"\x0f\xa1", True, 0)
    assert one.client.is_closed()


# ------------------------------------------------------------------ RFC 6455 §10.4: bounds

def deflated(data, level=9, wbits=-15, strategy=zlib.Z_DEFAULT_STRATEGY):
    compressor = zlib.compressobj(level, zlib.DEFLATED, wbits, 8, strategy)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


NOISE = random.Random(6455).randbytes(600)


@table(
    ("10.4", "a frame may have max_frame octets", [frame(BINARY, b"x" * 500)], [(BINARY, b"x" * 500)], None),
    ("10.4", "one more fails by its head", [head(0x82, 0xfe, 501 >> 8, 501 & 255) + ZEROS], [], 1009),
    ("10.4", "the largest size there is fails by its head", [head(0x82, 0xff, 0x7f) + b"\xff" * 7 + ZEROS], [], 1009),
    ("10.4", "fragments may have max octets together",
     [frame(BINARY, b"x" * 500, final=False), frame(CONT, b"y" * 499, final=False), frame(CONT, b"z")],
     [(BINARY, b"x" * 500 + b"y" * 499 + b"z")], None),
    ("10.4", "one more fails", [frame(BINARY, b"x" * 500, final=False), frame(CONT, b"y" * 500, final=False), frame(CONT, b"z")[:-1],
                                frame(CONT, b"z")[-1:]], [], 1009),
    ("7692 8", "what inflates to max is taken", [frame(BINARY, deflated(b"x" * 63 + bytes(937)), rsv=4)], None, None),
    ("7692 8", "one more fails", [frame(BINARY, deflated(bytes(1001)), rsv=4)], [], 1009),
    ("7692 8", "a bomb in fragments fails", [frame(BINARY, deflated(bytes(100 << 10))[:60], final=False, rsv=4),
                                             frame(CONT, deflated(bytes(100 << 10))[60:])], [], 1009),
    ("10.4", "max_frame is of what comes, not of what it inflates to", [frame(BINARY, deflated(NOISE)[:500], final=False, rsv=4),
                                                                        frame(CONT, deflated(NOISE)[500:])], None, None),
)
def test_bounds(daemon, sent, comes, code):
    one = Socket(daemon, "/bounds", "permessage-deflate").send(*sent)
    if comes is None:  # compressed: that it comes is enough
        assert one.frame()[0] == BINARY
        comes = []
    for opcode, payload in comes:
        got = one.frame()
        assert got[0] == opcode
        assert (zlib.decompressobj(-15).decompress(got[1] + b"\0\0\xff\xff") if got[3] else got[1]) == payload
    if code:
        one.is_closed(code)
    else:
        one.closes()


# ------------------------------------------------------------------ RFC 6455 §4: the opening handshake

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = [("Host", "leat.test"), ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY)]


def shake(daemon, line="GET /echo HTTP/1.1", more=(), body="", **replaced):
    """Fields of GOOD by their names: None leaves one out, a list has it several times."""
    fields = list(more)
    for name, value in GOOD:
        value = replaced.get(name.lower().replace("-", "_"), value)
        fields += [(name, one) for one in (value if isinstance(value, list) else [value] if value is not None else [])]
    client = daemon.connect()
    return client, client.send("\r\n".join([line, *(f"{n}: {v}" for n, v in fields)]) + "\r\n\r\n" + body).head()


@pytest.mark.parametrize("status, fields", [
    pytest.param(status, fields, id=f"{section} {sentence}") for section, sentence, status, fields in (
        ("4.2.1", "names of tokens have no case", 101, {"upgrade": "WebSocket", "connection": "UPGRADE"}),
        ("4.2.1", "they may be some of several", 101, {"upgrade": "foo/2, websocket", "connection": ["keep-alive", "x, Upgrade"]}),
        ("4.2.1", "HEAD is not GET", 426, {"line": "HEAD /echo HTTP/1.1"}),
        ("4.2.1", "nor is POST", 426, {"line": "POST /any HTTP/1.1"}),
        ("4.2.1", "a route for all methods has GET", 101, {"line": "GET /any HTTP/1.1"}),
        ("4.2.1", "HTTP/1.0 cannot", 426, {"line": "GET /echo HTTP/1.0"}),
        ("4.2.1", "without Upgrade it is a request", 426, {"upgrade": None}),
        ("4.2.1", "Connection has to name it", 426, {"connection": "keep-alive"}),
        ("4.2.1", "there is one key", 400, {"sec_websocket_key": [KEY, KEY]}),
        ("4.2.1", "of 16 octets and not 17", 400, {"sec_websocket_key": "dGhlIHNhbXBsZSBub25jZWE="}),
        ("4.2.1", "of 16 octets and not 15", 400, {"sec_websocket_key": "dGhlIHNhbXBsZSBub25j"}),
        ("4.2.1", "in the usual alphabet", 400, {"sec_websocket_key": "dGhlIHNhbXBsZSBub25-_Q=="}),
        ("4.2.1", "a body is none of it", 400, {"more": [("Content-Length", "1")], "body": "x"}),
        ("4.2.1", "none at all is as good as one of no length", 101, {"more": [("Content-Length", "0")]}),
        ("4.4", "another version is told of ours", 426, {"sec_websocket_version": "14"}),
        ("4.4", "013 is another", 426, {"sec_websocket_version": "013"}),
        ("4.4", "a list is another", 426, {"sec_websocket_version": "13, 8"}),
        ("4.4", "several are none", 400, {"sec_websocket_version": ["13", "13"]}),
        ("9.1", "extensions that nobody knows are ignored", 101, {"more": [("Sec-WebSocket-Extensions", 'foo; a=b; c="d", bar')]}),
        ("9.1", "what is no list of extensions fails", 400, {"more": [("Sec-WebSocket-Extensions", "permessage-deflate; a=")]}),
        ("9.1", "in any of the fields", 400, {"more": [("Sec-WebSocket-Extensions", "a"), ("Sec-WebSocket-Extensions", "b c")]}),
        ("11.3.4", "subprotocols are tokens", 400, {"more": [("Sec-WebSocket-Protocol", "a b")]}),
        ("10.2", "the origin is that of the target", 101, {"line": "GET http://other.test/echo HTTP/1.1",
                                                           "more": [("Origin", "http://other.test")]}),
        ("10.2", "whatever Host says", 403, {"line": "GET http://other.test/echo HTTP/1.1", "more": [("Origin", "http://leat.test")]}),
        ("10.2", "two are none", 403, {"more": [("Origin", "http://leat.test"), ("Origin", "http://leat.test")]}))])
def test_handshakes(daemon, status, fields):
    client, answer = shake(daemon, **fields)
    assert answer.status == status
    assert answer.all("sec-websocket-version") == (["13"] if status == 426 else [])  # §4.4
    if status in (101, 426):
        assert answer.get("upgrade") == "websocket" and "Upgrade" in answer.all("connection")
    if status == 101:
        client.send(frame(PING, "there"))
        assert client._exactly(7) == b"\x8a\x05there"
    client.close()


@pytest.mark.parametrize("offered, chosen", [
    (["chat.v2, chat.v1"], "chat.v2"), (["x", "chat.v1"], "chat.v1"), (["CHAT.V1"], None), (["chat.v1x,,chat.v"], None)])
def test_4_2_2_the_first_subprotocol_of_the_client_that_is_spoken_is_chosen(daemon, offered, chosen):
    client, answer = shake(daemon, "GET /chat HTTP/1.1", [("Sec-WebSocket-Protocol", names) for names in offered])
    assert (answer.status, answer.get("sec-websocket-protocol")) == (101, chosen)
    client.close()


# ------------------------------------------------------------------ RFC 7692 §7.1: parameters

def parameters(extension):
    name, *rest = (part.strip() for part in extension.split(";"))
    assert name == "permessage-deflate"
    return dict((part.split("=") + [None])[:2] for part in rest)


NO_SERVER, NO_CLIENT = "server_no_context_takeover", "client_no_context_takeover"
BOTH = f"{NO_SERVER}; {NO_CLIENT}"
DEFLATE = "permessage-deflate"
OFFERS = [
    ("7.1", "/takeover", DEFLATE, DEFLATE),
    ("7.1", "/alone", DEFLATE, f"{DEFLATE}; {BOTH}"),
    ("7.1.1.1", "/takeover", f"{DEFLATE}; {NO_SERVER}", f"{DEFLATE}; {NO_SERVER}"),
    ("7.1.1.2", "/takeover", f"{DEFLATE}; {NO_CLIENT}", f"{DEFLATE}; {NO_CLIENT}"),
    ("7.1.1", "/takeover", f"{DEFLATE}; {NO_CLIENT}; {NO_SERVER}", f"{DEFLATE}; {BOTH}"),
    ("7.1.1", "/alone", f"{DEFLATE}; {BOTH}", f"{DEFLATE}; {BOTH}"),
    *(("7.1.2.1", "/takeover", f"{DEFLATE}; server_max_window_bits={bits}", f"{DEFLATE}; server_max_window_bits={bits}")
      for bits in range(9, 16)),
    ("7.1.2.1", "/takeover", f"{DEFLATE}; server_max_window_bits=8", None),  # zlib has no such raw stream
    ("7.1.2.1", "/takeover", f'{DEFLATE}; server_max_window_bits="10"', f"{DEFLATE}; server_max_window_bits=10"),
    ("7.1.2.1", "/alone", f"{DEFLATE}; server_max_window_bits=9; {NO_SERVER}", f"{DEFLATE}; {BOTH}; server_max_window_bits=9"),
    ("7.1.2.2", "/takeover", f"{DEFLATE}; client_max_window_bits", DEFLATE),
    *(("7.1.2.2", "/takeover", f"{DEFLATE}; client_max_window_bits={bits}", DEFLATE) for bits in range(8, 16)),
    ("7.1", "/takeover", f"{DEFLATE}; server_max_window_bits=8, {DEFLATE}; server_max_window_bits=9, {DEFLATE}",
     f"{DEFLATE}; server_max_window_bits=9"),
    ("7.1", "/takeover", f"foo, {DEFLATE}; bar, {DEFLATE}; {NO_SERVER}; client_max_window_bits, {DEFLATE}", f"{DEFLATE}; {NO_SERVER}"),
    *(("7.1", "/takeover", f"{DEFLATE}; {bad}", None) for bad in (
        "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=09",
        "server_max_window_bits=ten", "client_max_window_bits=7", "client_max_window_bits=16", f"{NO_SERVER}=1", f"{NO_CLIENT}=1",
        f"{NO_SERVER}; {NO_SERVER}", "server_max_window_bits=9; server_max_window_bits=9", "unknown")),
    ("6", "/echo", DEFLATE, None),
]
TEXTS = "".join(f'{{"id": {n}, "name": "ünï {n * n % 97}", "on": true}},' for n in range(5000)).encode()
RANDOM = random.Random(7692)
KINDS = {"json": TEXTS, "noise": RANDOM.randbytes(140000),  # and what repeats itself behind every window but the largest
         "far": RANDOM.randbytes(1500) * 94, "farther": RANDOM.randbytes(20000) * 8}
SIZES = [(0, 0), (16, 0), (63, 0), (64, 0), (256, 256), (1024, 0), (4096, 256), (8192, 1000), (32768, 4096), (65536, 32768),
         (65537, 0), (131072, 1024)]


def in_fragments(opcode, payload, size, rsv):
    """Frames of at most `size` octets; 0: one."""
    ends = range(size, len(payload), size) if size else ()
    bounds = [0, *ends, len(payload)]
    for n, (start, end) in enumerate(itertools.pairwise(bounds)):
        yield frame(CONT if n else opcode, payload[start:end], final=end == len(payload), rsv=0 if n else rsv)


class Codec:
    """What a client has agreed on: exactly that window, and no more than that memory."""

    def __init__(self, agreed, offer):
        self.agreed = agreed
        asked = parameters(offer.split(",")[-1] if "client_max_window_bits=" in offer else DEFLATE).get("client_max_window_bits")
        self.own_bits = max(9, int(asked or 15))
        self.peer_bits = int(agreed.get("server_max_window_bits", 15))
        self.deflater = self.inflater = None

    def deflate(self, data):
        if not self.deflater or NO_CLIENT in self.agreed:
            self.deflater = zlib.compressobj(6, zlib.DEFLATED, -self.own_bits)
        return (self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def inflate(self, data, strictly):
        if not self.inflater or NO_SERVER in self.agreed:
            self.inflater = zlib.decompressobj(-self.peer_bits)
        data += b"\0\0\xff\xff"
        if not strictly or self.peer_bits == 15:
            return self.inflater.decompress(data)
        # octet by octet: within one call zlib would find what is no more in the window
        return b"".join(self.inflater.decompress(data[at:at + 1]) for at in range(len(data)))


@pytest.mark.parametrize("path, offer, answer", [row[1:] for row in OFFERS],
                         ids=[f"{row[0]} {row[1]} {row[2].replace(DEFLATE, 'pmd')}" for row in OFFERS])
def test_7692_7_what_is_offered_is_answered_and_held_to(daemon, path, offer, answer):
    one = Socket(daemon, path, offer)
    assert one.extension == answer
    if answer is None:
        one.send(frame(TEXT, "a" * 100)).gets(TEXT, "a" * 100)
        one.send(frame(TEXT, deflated(b"a"), rsv=4)).is_closed(1002)
        return
    codec = Codec(parameters(answer), offer)
    for n, (kind, (size, piece)) in enumerate(itertools.product(KINDS, SIZES)):
        opcode = TEXT if kind == "json" else BINARY
        payload = KINDS[kind][:size] if opcode == BINARY else KINDS[kind][:size].decode(errors="ignore").encode()
        if n % 5 == 4:  # not each message has to be compressed (§6)
            one.send(*in_fragments(opcode, payload, piece, 0))
        else:
            one.send(*in_fragments(opcode, codec.deflate(payload), piece, 4))
        got, data, final, rsv = one.frame()
        assert (got, final, rsv) == (opcode, True, 4 if 64 <= len(payload) <= 65536 else 0)
        assert (codec.inflate(data, kind.startswith("far")) if rsv else data) == payload
    one.closes()


# ------------------------------------------------------------------ RFC 7692 §6, §7.2: messages

def of_hex(text):
    return bytes.fromhex(text)


HELLO = of_hex("f248cdc9c90700")
FINISH = zlib.compressobj(9, zlib.DEFLATED, -15)
FINISHED = FINISH.compress(b"Hello") + FINISH.flush() + b"\0"


@table(
    ("7.2.3.1", "one block", [frame(TEXT, HELLO, rsv=4)], [(TEXT, "Hello")], None),
    ("7.2.3.1", "in two fragments", [frame(TEXT, HELLO[:3], final=False, rsv=4), frame(CONT, HELLO[3:])], [(TEXT, "Hello")], None),
    ("7.2.3.2", "a message refers to the one before", [frame(TEXT, HELLO, rsv=4), frame(TEXT, of_hex("f200110000"), rsv=4)],
     [(TEXT, "Hello"), (TEXT, "Hello")], None),
    ("7.2.3.2", "though one that was not compressed, and a ping, came between",
     [frame(TEXT, HELLO, rsv=4), frame(TEXT, "x"), frame(PING), frame(TEXT, of_hex("f200110000"), rsv=4)],
     [(TEXT, "Hello"), (TEXT, "x"), (PONG, ""), (TEXT, "Hello")], None),
    ("7.2.3.3", "a block that is stored", [frame(TEXT, of_hex("000500faff48656c6c6f00"), rsv=4)], [(TEXT, "Hello")], None),
    ("7.2.3.4", "a block that says it is the last", [frame(TEXT, of_hex("f348cdc9c9070000"), rsv=4)] * 3, [(TEXT, "Hello")] * 3, None),
    ("7.2.3.4", "a stream that is finished, and the next refers behind it",
     [frame(TEXT, FINISHED, rsv=4), frame(TEXT, of_hex("f200110000"), rsv=4)], [(TEXT, "Hello")] * 2, None),
    ("7.2.3.5", "two blocks", [frame(TEXT, of_hex("f248050000 00ffffcac9c90700"), rsv=4)], [(TEXT, "Hello")], None),
    ("7.2.3.6", "an empty message", [frame(TEXT, b"\0", rsv=4), frame(BINARY, b"\0", rsv=4)], [(TEXT, ""), (BINARY, "")], None),
    ("7.2.3.6", "an empty fragment before it, and behind it",
     [frame(TEXT, b"", final=False, rsv=4), frame(CONT, HELLO, final=False), frame(CONT)], [(TEXT, "Hello")], None),
    ("6.1", "control frames may stand between its fragments",
     [frame(TEXT, HELLO[:1], final=False, rsv=4), frame(PING, "1"), frame(CONT, HELLO[1:5], final=False), frame(PING, "2"),
      frame(CONT, HELLO[5:])], [(PONG, "1"), (PONG, "2"), (TEXT, "Hello")], None),
    ("6", "RSV1 of a continuation fails", [frame(TEXT, HELLO[:3], final=False, rsv=4), frame(CONT, HELLO[3:], rsv=4)], [], 1002),
    ("6", "RSV1 of a continuation of a plain text fails", [frame(TEXT, "a", final=False), frame(CONT, HELLO, rsv=4)], [], 1002),
    ("6", "RSV1 of a ping fails", [frame(PING, rsv=4)], [], 1002),
    ("6", "RSV1 of a pong fails", [frame(PONG, rsv=4)], [], 1002),
    ("6", "RSV1 of a close fails", [frame(CLOSE, b"\x03\xe8", rsv=4)], [], 1002),
    ("6", "RSV2 beside RSV1 fails", [frame(TEXT, HELLO, rsv=6)], [], 1002),
    ("6", "RSV3 fails", [frame(TEXT, "a", rsv=1)], [], 1002),
    ("7.2.2", "what is not deflate fails at once", [frame(TEXT, b"\x07" + bytes(100), rsv=4)[:20]], [], 1002),
    ("7.2.2", "a stored block of two lengths fails", [frame(TEXT, of_hex("000500fbff48656c6c6f00"), rsv=4)], [], 1002),
    ("7.2.2", "what refers to before the beginning fails", [frame(TEXT, of_hex("f200110000"), rsv=4)], [], 1002),
    ("6455 8.1", "what inflates to no text fails", [frame(TEXT, deflated(b"abc\xff"), rsv=4)], [], 1007),
    ("6455 8.1", "and to half of a character", [frame(TEXT, deflated("ü".encode()[:1]), rsv=4)], [], 1007),
    ("6455 8.1", "at once, though more is to come", [frame(TEXT, deflated(b"\xed\xa0", 0), final=False, rsv=4)], [], 1007),
    ("6455 8.1", "binary may be anything", [frame(BINARY, deflated(b"\xff\xed\xa0"), rsv=4)], [(BINARY, b"\xff\xed\xa0")], None),
    *(("7.2", f"{name} is inflated", [frame(BINARY, deflated(KINDS["json"][:60], level, strategy=strategy), rsv=4)],
       [(BINARY, KINDS["json"][:60])], None)
      for name, level, strategy in (("level 0", 0, 0), ("level 1", 1, 0), ("fixed codes", 9, zlib.Z_FIXED),
                                    ("Huffman alone", 9, zlib.Z_HUFFMAN_ONLY), ("runs", 9, zlib.Z_RLE))),
)
@pytest.mark.parametrize("cut", [None, 1], ids=["whole", "octets"])
def test_7692_messages(daemon, sent, comes, code, cut):
    data = b"".join(sent)
    converse(daemon, "/takeover", DEFLATE, [data[at:at + (cut or len(data))] for at in range(0, len(data), cut or len(data))], comes, code)


def test_7692_7_2_3_2_without_takeover_a_message_that_refers_to_another_fails(daemon):
    one = Socket(daemon, "/alone", DEFLATE).send(frame(TEXT, HELLO, rsv=4)).gets(TEXT, "Hello")
    one.send(frame(TEXT, of_hex("f200110000"), rsv=4)).is_closed(1002)


def test_7692_8_a_small_message_that_inflates_to_much_holds_nobody_up(daemon):
    bomb = frame(BINARY, deflated(bytes(1 << 20)), rsv=4)
    bombing, other = Socket(daemon, "/alone", DEFLATE), Socket(daemon, "/echo")
    bombing.send(*[bomb] * 8)
    other.send(frame(PING, "there")).gets(PONG, "there").closes()
    for _ in range(8):
        opcode, payload, final, rsv = bombing.frame()
        assert (opcode, final, rsv, len(payload), payload.count(0)) == (BINARY, True, 0, 1 << 20, 1 << 20)
    bombing.closes()
