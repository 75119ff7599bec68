"""tests/e2e/test_peers_attacks.py: what another host that has the key, or has none, can do to this one."""
import contextlib
import socket
import struct
import threading

import pytest

from databases import free_port
from leat import FLAVOR, SLOW, TIMEOUT, await_true
from peer_hosts import BETA, KEY, LINKED, Pair, Stranger, peer

SHAKING_MAX = 256  # TRUNK_SHAKING_MAX

ASKING = BETA + "  POST /ask: { tasks: { t: { ask: x@alpha, handler: y } }, reply: { json: \"${t}\" } }\n"


def grown(daemon, memory_kib):
    return daemon.memory_kib() - memory_kib if FLAVOR == "release" else 0  # sanitizers keep what was freed


def text16(one):
    return struct.pack(">H", len(one)) + one


@pytest.fixture(scope="module")
def beta(leat_module):
    return leat_module(ASKING, PORT=free_port(), KEY=KEY, MORE="")


@pytest.fixture
def alpha(beta):
    """A host that has the key of alpha, and is none of leat's."""
    stranger = Stranger(beta.port)
    stranger.enter()
    yield stranger
    stranger.sock.close()


def asked(beta, alpha, answer):
    """What the client of beta is told when alpha answers like that."""
    told = []
    thread = threading.Thread(target=lambda: told.append(beta.post("/ask")))
    thread.start()
    kind, body = alpha.until(16)
    alpha.send(18, body[:8] + answer)
    thread.join(TIMEOUT)
    assert kind == 16
    return told[0]


@pytest.mark.parametrize("status, custom, detail, expected", [
    (418, b"no_tea", b"because", (418, "no_tea")),
    (7, b"no_tea", b"because", (500, "no_tea")),
    (200, b"no_tea", b"because", (500, "no_tea")),
    (65535, b"no_tea", b"because", (500, "no_tea")),
    (418, b"No Tea\r\nX: y", b"because", (418, "bad_response")),
    (418, b"no_tea", b"\xff\xfe", (418, "no_tea")),
])
def test_a_failure_that_another_host_makes_up_is_one_that_a_flow_could_have(beta, alpha, status, custom, detail, expected):
    answer = asked(beta, alpha, struct.pack(">HB", status, 0) + text16(custom) + text16(detail))
    assert (answer.status, answer.json()["code"]) == expected
    assert answer.get("X") is None


def test_an_answer_to_nothing_that_was_asked_is_the_end(beta, alpha):
    alpha.send(18, struct.pack(">QHB", 77, 0, 0) + text16(b"") + text16(b"") + b"1")
    assert alpha.is_refused()


@pytest.mark.parametrize("name", [b"cart/%61", b"cart/%ff", b"cart/\xff", b"cart/%2f", b"cart/%", b"cart/a@b", b"cart/", b"cart/a/b",
                                  b"cart/" + b"x" * 600])
def test_one_key_of_an_actor_has_one_name_whoever_writes_it(beta, alpha, name):
    alpha.send(16, alpha.message(1, b"cart/%25%2F%3A%40", b"get"))
    assert alpha.until(18)[1].endswith(b'"%/:@"')
    alpha.send(16, alpha.message(2, name, b"get"))
    assert b"invalid_input" in alpha.until(18)[1]
    assert beta.admin("GET", "/v1/actors").status == 200


@pytest.mark.parametrize("name", [b"", b"x" * 60000, b"a b", b"cart/1", b"\xff"])
def test_what_cannot_be_the_name_of_an_actor_cannot_be_linked_to(alpha, name):
    alpha.send(22, text16(name))
    assert alpha.is_refused()


def test_another_host_is_linked_to_so_many_actors_and_no_more(beta, alpha):
    memory = beta.memory_kib()
    for n in range(1001):
        alpha.send(22, text16(b"a%d" % n))
    assert alpha.is_refused()
    assert grown(beta, memory) < 8192


def test_a_message_is_withdrawn_by_its_number_and_the_others_are_answered(beta, alpha):
    for n in (1, 2, 3):
        alpha.send(16, alpha.message(n, b"counter", b"await" if n == 1 else b"add"))
    alpha.send(19, struct.pack(">Q", 2))
    alpha.send(19, struct.pack(">Q", 99))
    alpha.send(20, b"12345678")
    alpha.until(21)  # all of that has come
    beta.post("/go")
    answers = [alpha.until(18)[1] for _ in range(2)]
    assert [struct.unpack(">Q", one[:8])[0] for one in answers] == [1, 3]
    alpha.send(16, alpha.message(4, b"counter", b"get"))
    assert alpha.until(18)[1].endswith(answers[1][-1:])  # the second was never handled


def test_the_sender_is_of_the_host_that_says_it_whatever_it_says(beta, alpha):
    for n, (sender, told) in enumerate(((b"me", b'"me@alpha"'), (b"me@gamma", b"null"), (b"\xff", b"null"), (b"x" * 600, b"null"))):
        alpha.send(16, struct.pack(">QIB", n + 1, 0, 1) + text16(b"counter") + text16(b"who") + text16(sender) + text16(b""))
        assert b'"actor":' + told in alpha.until(18)[1]


@pytest.mark.parametrize("frame", [
    (17, struct.pack(">Q", 1)),  # RECEIVED of what was not sent
    (17, struct.pack(">Q", 0)),
    (17, b""),
    (16, b"short"),
    (1, b"HELLO again"),
    (4, struct.pack(">I", 1)),
    (24, bytes(8) + text16(b"a") + text16(b"a@gamma") + b"\6failed"),  # of a third host
    (24, bytes(8) + text16(b"a") + text16(b"a") + b"\6fail"),
    (24, bytes(8) + text16(b"a") + text16(b"a") + b"\2\xff\xff"),
])
def test_a_frame_that_cannot_be_right_is_the_end_of_the_connection(alpha, frame):
    alpha.send(*frame)
    assert alpha.is_refused()


@pytest.mark.parametrize("number", [0, 2, 1 << 63])
def test_a_message_has_the_next_number(alpha, number):
    alpha.send(16, alpha.message(number))
    assert alpha.is_refused()


def test_who_reads_no_answers_is_let_go_with_what_he_would_read(stage):
    beta = stage.leat(BETA, PORT=free_port(), KEY=KEY, MORE=", bytes: 64k")
    alpha = Stranger(beta.port, room=4096)
    alpha.enter()
    alpha.sock.settimeout(60 * SLOW)
    memory = beta.memory_kib()
    with contextlib.suppress(ConnectionError):
        for n in range(60000):
            if "does not read what it is sent" in beta.stderr:
                break
            alpha.send(16, alpha.message(n + 1, b"counter", b"twice", b'"' + b"x" * 600 + b'"'))
    assert grown(beta, memory) < 32768
    beta.await_line("does not read what it is sent")
    alpha.sock.close()


def test_ends_that_another_host_makes_up_take_so_much_memory_and_no_more(stage):
    slow = LINKED.replace("told: {", "told: { timeout: 60s, tasks: { t: { await: go, wait: 60s } },").replace("beta", "alpha")
    beta = stage.leat(BETA.replace("routes:", slow + "routes:").replace("key: @KEY@", "auth: none").replace("shutdown: 5s", "shutdown: 100ms"),
                      PORT=free_port(), MORE="")
    memory = beta.memory_kib()
    alpha = Stranger(beta.port)
    alpha.enter(key="")
    body = text16(b"frail") + text16(b"frail") + b"\6failed"
    alpha.sock.settimeout(60 * SLOW)
    for first in range(1, 16001, 1000):
        alpha.sock.sendall(b"".join(struct.pack(">IBQ", 9 + len(body), 24, n) + body for n in range(first, first + 1000)))
    alpha.send(20, b"12345678")
    alpha.until(21)
    watcher = [one for one in beta.admin("GET", "/v1/actors").json()["actors"] if one["name"] == "watcher"][0]
    assert watcher["refused"] >= 5000
    assert grown(beta, memory) < 16384
    alpha.sock.close()


def test_an_end_that_is_said_again_is_heard_once(stage):
    beta = stage.leat(BETA.replace("routes:", LINKED.replace("beta", "alpha") + "routes:"), PORT=free_port(), KEY=KEY, MORE="")
    for numbers in ((1, 1, 2), (1, 2, 3)):  # the same process, connected again
        alpha = Stranger(beta.port)
        alpha.enter()
        for number in numbers:
            alpha.send(24, struct.pack(">Q", number) + text16(b"frail") + text16(b"frail/%d" % number) + b"\6failed")
        assert struct.unpack(">Q", alpha.until(26)[1])[0] <= numbers[-1]
        alpha.send(20, b"12345678")
        alpha.until(21)
        alpha.sock.close()
    await_true(lambda: beta.get("/watcher/get").json() == "".join(f"frail/{n}@alpha=failed " for n in (1, 2, 3)))


def test_so_many_messages_of_another_host_are_in_work_and_no_more(stage):
    conf = BETA.replace("shutdown: 5s", "shutdown: 100ms").replace("  counter:\n", "  counter:\n    mailbox: { messages: 5000 }\n")
    beta = stage.leat(conf, PORT=free_port(), KEY=KEY, MORE=", messages: 6")
    alpha = Stranger(beta.port)
    alpha.enter()
    for number in range(1, 1034):
        alpha.send(16, alpha.message(number, b"counter", b"await"))
    answers = [alpha.until(18)[1] for _ in range(3)]
    assert [struct.unpack(">Q", one[:8])[0] for one in answers] == [1031, 1032, 1033]
    assert all(b"queue_full" in one for one in answers)
    alpha.sock.close()


def test_no_more_messages_are_on_their_way_than_the_window_has(stage):
    conf = BETA + "  POST /many: { body: { type: json }, timeout: 60s, tasks: { t: { send: x@alpha, handler: y, each: \"${body}\", concurrency: 256 } } }\n"
    beta = stage.leat(conf, PORT=free_port(), KEY=KEY, MORE="")
    alpha = Stranger(beta.port)
    alpha.enter()
    threads = [threading.Thread(target=lambda: beta.post_json("/many", list(range(256)))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for number in range(1, 1025):
        assert alpha.until(16)[1][:8] == struct.pack(">Q", number)
    await_true(lambda: peer(beta, "alpha")["queued"] == 256)
    alpha.send(20, b"12345678")
    assert alpha.frame()[0] == 21  # and no message before it
    alpha.send(17, struct.pack(">Q", 1024))
    for number in range(1025, 1281):
        assert alpha.until(16)[1][:8] == struct.pack(">Q", number)
    alpha.sock.close()
    for thread in threads:
        thread.join(TIMEOUT)


def test_a_long_text_of_a_failure_does_not_end_the_connection(stage):
    pair = Pair(stage, more=", max: 2k")
    assert pair.beta.reload(BETA.replace("@MORE@", ", max: 2k").replace("detail: because", f"detail: {'ä' * 20000}")).returncode == 0
    assert pair.ask("no").json()["code"] == "no_way"
    assert pair.code("get") is None
    assert peer(pair.alpha, "beta")["connects"] == 1


def test_strangers_that_say_nothing_keep_nobody_out(stage):
    beta = stage.leat("server: { threads: 1 }\n" + BETA, PORT=free_port(), KEY=KEY, MORE="")
    silent = [Stranger(beta.port) for _ in range(SHAKING_MAX + 20)]
    alpha = Stranger(beta.port)
    alpha.enter()
    alpha.send(16, alpha.message(1))
    assert alpha.until(18)[1].endswith(b"1")
    assert silent[0].is_refused()
    silent[-1].sock.settimeout(0.01)
    with pytest.raises(socket.timeout):
        silent[-1].is_refused()
    for one in (alpha, *silent):
        one.sock.close()
