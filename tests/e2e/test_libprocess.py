"""tests/e2e/test_libprocess.py: messages from and to programs of libprocess, in their own form."""
import gzip
import json
import socket
import struct
import threading

import pytest

from backends import holding
from certs import Certs, connect, context
from databases import free_port
from leat import SLOW, TIMEOUT, await_true, check
from libprocess_peer import LibprocessPeer, letter

ACTORS = """
peers:
  mesos: { form: libprocess, auth: none, address: @peer@, as: 127.0.0.1:@as@@more@ }
actors:
  me:
    state: ""
    handlers:
      pong: { set: "${state + to_json({ message: message, from: sender.actor }) + '\\n'}" }
      get: { reply: "${state}" }
      bad: { tasks: { t: { fail: broken } } }
  "cart/{user}":
    state: 0
    handlers: { put: { set: "${state + 1}" }, get: { reply: { json: "${[path.user, state]}" } } }
routes:
  GET /got: { tasks: { t: { ask: me, handler: get } }, reply: "${t}" }
  GET /cart/{user}: { tasks: { t: { ask: "cart/${path.user}", handler: get } }, reply: { json: "${t}" } }
"""


@pytest.fixture(name="peer")
def fixture_peer(stage):
    def make(**more):
        peer = LibprocessPeer(**more)
        stage.backends.append(peer)
        return peer
    return make


def got(daemon):
    return [json.loads(line) for line in daemon.get("/got").text.splitlines()]


def start(leat, peer, conf=ACTORS, more="", **names):
    return leat(conf, peer=peer.address, more=more, **{"as": "1", **names})


# ------------------------------------------------------------------ what comes

def test_a_message_is_in_the_mailbox_when_it_is_answered(leat, peer):
    one = peer()
    daemon = start(leat, one)
    answer = one.send(daemon, "me", "pong", b"payload", sender="hello")
    assert (answer.status, answer.get("content-length")) == (202, "0")
    assert one.send(daemon, "me", "pong", b'{"n": 19.990}').status == 202
    assert one.send(daemon, "me", "pong").status == 202
    assert got(daemon) == [{"message": "payload", "from": one.pid("hello")},
                           {"message": {"n": 19.990}, "from": one.pid("me")},
                           {"message": None, "from": one.pid("me")}]


def test_what_is_not_taken_is_answered_as_libprocess_answers_it(leat, peer):
    one = peer()
    daemon = start(leat, one)
    host = f"127.0.0.1:{daemon.port}"
    for to, name, status in (("me", "nothing", 202), ("me", "bad", 202), ("nobody", "pong", 404),
                             ("cart", "put", 404), ("cart%2Falice", "put", 202), ("cart%2Fa%2Fb", "put", 404),
                             ("cart%2Fa%252Fb", "put", 202), ("cart%2Fa%253a", "put", 404), ("", "pong", 404),
                             ("m%65", "pong", 202), ("me%", "pong", 400), ("me%00", "pong", 400),
                             ("x/../me", "pong", 400)):
        assert daemon.raw(letter(to, name, one.pid("me"), host)).status == status, (to, name)
    assert daemon.get("/cart/alice").json() == ["alice", 1]
    assert daemon.get("/cart/a%2Fb").json() == ["a/b", 1]
    assert len(got(daemon)) == 1


def test_a_sender_that_cannot_be_read_is_nobody_and_any_framing_will_do(leat, peer):
    daemon = start(leat, peer())
    for head in ("Libprocess-From: ?\r\nUser-Agent: libprocess/a@1.2.3.4:5\r\nContent-Length: 1\r\n\r\n1",
                 "User-Agent: libprocess/\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n2;x=y\r\n34\r\n0\r\nA: b\r\n\r\n",
                 "Libprocess-From: a@1.2.3.4:5\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n5"):
        assert daemon.raw("POST /me/pong HTTP/1.1\r\nHost: \r\n" + head).status == 202
    assert got(daemon) == [{"message": 1, "from": None}, {"message": 234, "from": None},
                           {"message": 5, "from": "a@1.2.3.4:5"}]


def test_a_message_is_an_http_request_in_all_else(leat, peer):
    one = peer()
    daemon = start(leat, one, ACTORS + "limits: { body: 1k, inflated: 4k }\n")
    head = f"Libprocess-From: {one.pid('me')}\r\n"
    for request, status in (
            (f"POST /me/pong HTTP/1.1\r\n{head}\r\n", 400),  # no Host
            (f"POST /me/pong HTTP/1.1\r\nHost: a\r\nHost: a\r\n{head}\r\n", 400),
            (f"POST /me/pong HTTP/1.1\r\nHost: a\r\n{head}Content-Length: 1025\r\n\r\n" + "x" * 1025, 413),
            (f"POST /me/pong HTTP/1.1\r\nHost: a\r\n{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (f"GET /me/pong HTTP/1.1\r\nHost: a\r\n{head}\r\n", 404),
            (f"PUT /me/pong HTTP/1.1\r\nHost: a\r\n{head}Content-Length: 0\r\n\r\n", 404)):
        assert daemon.raw(request).status == status, request
    assert daemon.raw(f"HEAD /got HTTP/1.1\r\nHost: a\r\n{head}\r\n", head=True).status == 200
    with daemon.connect() as client:
        client.send(f"POST /me/pong HTTP/1.1\r\nHost: a\r\n{head}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert client.head().status == 100
        assert client.send("1").response().status == 202
    assert got(daemon) == [{"message": 1, "from": one.pid("me")}]


def test_what_a_body_inflates_to_is_bounded_and_what_cannot_be_decoded_is_500(leat, peer):
    one = peer()
    daemon = start(leat, one, ACTORS + "limits: { body: 1m, inflated: 1m }\n")

    def send(body, coding="gzip"):
        return daemon.raw(f"POST /me/pong HTTP/1.1\r\nHost: a\r\nLibprocess-From: {one.pid('me')}\r\nContent-Encoding: {coding}\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body).status
    before = daemon.memory_kib("VmHWM")
    assert send(gzip.compress(bytes(64 << 20))) == 413
    assert daemon.memory_kib("VmHWM") - before < (24 << 10) * SLOW
    assert send(b"this is no gzip") == 500
    assert send(b"\xff\xfe", "identity") == 500
    assert send(gzip.compress(b'"text"')) == 202
    assert [one["message"] for one in got(daemon)] == ["text"]


def test_only_peers_that_the_configuration_names_may_send(leat, peer):
    one = peer()
    host = "127.0.0.1"
    daemon = start(leat, one, more=", from: [192.0.2.0/24]")
    for head in (letter("me", "pong", "me@192.0.2.1:5050", host, b"1"), letter("got", "", "me@192.0.2.1:5050", host)):
        assert daemon.raw(head).status == 403
    with daemon.connect() as client:  # before its body has come
        client.send("POST /me/pong HTTP/1.1\r\nHost: a\r\nLibprocess-From: x\r\nContent-Length: 1000000\r\n\r\n")
        assert client.response().status == 403
    assert got(daemon) == []
    plain = leat("actors: { me: { handlers: { pong: { reply: x } } } }\nroutes: { POST /me/pong: { reply: route } }\n")
    assert plain.raw(letter("me", "pong", "me@127.0.0.1:1", host)).text == "route"  # it means nothing there
    assert plain.raw(letter("me", "other", "me@127.0.0.1:1", host)).status == 404


def test_a_client_behind_a_trusted_proxy_is_not_the_proxy(leat, peer):
    one = peer()
    daemon = start(leat, one, ACTORS + "listen: [ { address: 127.0.0.1:0, trusted_proxies: [127.0.0.1] } ]\n")
    data = letter("me", "pong", one.pid("me"), "a").replace(b"Host:", b"X-Forwarded-For: 203.0.113.5\r\nHost:")
    assert daemon.raw(data).status == 403
    assert one.send(daemon, "me", "pong").status == 202


def test_policies_hold_for_messages_as_for_requests(leat, peer):
    one = peer()
    daemon = start(leat, one, ACTORS + """
defaults: { /: { rate_limit: { rate: 1/h, burst: 3 } } }
""")
    assert [one.send(daemon, "me", "pong").status for _ in range(4)] == [202, 202, 202, 429]
    daemon = start(leat, one, ACTORS + "defaults: { /me: { deny: [127.0.0.1] } }\n")
    assert one.send(daemon, "me", "pong").status == 403
    assert one.send(daemon, "m%65", "pong").status == 403
    assert one.send(daemon, "cart%2Fa", "put").status == 202
    assert got(daemon) == []


def test_bodies_are_what_the_peer_s_entry_says(leat, peer):
    one = peer()
    daemon = start(leat, one, more=", body: text")
    assert [one.send(daemon, "me", "pong", body).status for body in (b"12", b"\xff")] == [202, 500]
    assert [message["message"] for message in got(daemon)] == ["12"]
    daemon = start(leat, one, more=", body: base64")
    assert one.send(daemon, "me", "pong", b"\x00\xff\xfe").status == 202
    assert [message["message"] for message in got(daemon)] == ["AP/+"]


def test_a_full_mailbox_is_told_to_the_sender(leat, peer, backend):
    one, stub = peer(), backend(holding("done"))
    daemon = start(leat, one, """
http: { u: { url: @url@ } }
peers: { mesos: { form: libprocess, auth: none, address: @peer@, as: "127.0.0.1:1" } }
actors:
  slow: { mailbox: { messages: 2 }, handlers: { go: { tasks: { t: { get: "u:/" } } } } }
""", url=stub.url)
    statuses = [one.send(daemon, "slow", "go").status for _ in range(8)]
    stub.release.set()
    assert statuses.count(503) >= 5 and set(statuses) == {202, 503}


def test_each_of_a_burst_is_handled_in_order(leat, peer):
    one = peer()
    daemon = start(leat, one, """
peers: { mesos: { form: libprocess, auth: none, address: @peer@, as: "127.0.0.1:1" } }
limits: { requests: 100 }
actors:
  me:
    state: { next: 0, wrong: 0 }
    mailbox: { messages: 5000 }
    handlers:
      pong: { set: { next: "${state.next + 1}", wrong: "${message == state.next ? state.wrong : state.wrong + 1}" } }
      get: { reply: { json: "${state}" } }
routes: { GET /got: { tasks: { t: { ask: me, handler: get } }, reply: { json: "${t}" } } }
""")
    data = b"".join(letter("me", "pong", one.pid("a"), "a", b"%d" % n) for n in range(5000))
    client = one.client(daemon)
    writer = threading.Thread(target=client.send, args=(data,))
    writer.start()
    assert all(client.response().status == 202 for _ in range(5000))  # and limits.requests ends no link
    writer.join(TIMEOUT)
    await_true(lambda: daemon.get("/got").json() == {"next": 5000, "wrong": 0})


@pytest.mark.parametrize("reset", (False, True))
def test_messages_of_who_has_left_are_handled_to_the_last(leat, peer, backend, reset):
    one, stub = peer(), backend(holding("done"))
    daemon = start(leat, one, """
http: { u: { url: @url@ } }
peers: { mesos: { form: libprocess, auth: none, address: @peer@, as: "127.0.0.1:1" } }
actors:
  me:
    state: ""
    mailbox: { messages: 1, full: wait }
    handlers: { go: { tasks: { t: { get: "u:/" } }, set: "${state + to_json(message) + ' '}" }, get: { reply: "${state}" } }
routes:
  GET /got: { tasks: { t: { ask: me, handler: get } }, reply: "${t}" }
""", url=stub.url)
    host = f"127.0.0.1:{daemon.port}"
    letters = [letter("me", "go", one.pid("a"), host, b"%d" % n) for n in range(50)]
    one.send_and_leave(daemon, letters, reset)
    stub.release.set()

    await_true(lambda: daemon.get("/got").text == " ".join(map(str, range(50))) + " ")


def test_messages_that_come_together_are_answered_together_in_their_order(leat, peer):
    one = peer()
    daemon = start(leat, one, more=", body: text")
    host = f"127.0.0.1:{daemon.port}"
    burst = b"".join(letter(to, "pong", one.pid("a"), host, body)
                     for to, body in [("me", b"1"), ("nobody", b"2"), ("me", b"\xff"), ("me", b"4")] * 12)

    def packets(more, statuses):
        with daemon.connect() as client:
            client.send(burst + more)
            assert [client.response().status for _ in range(48 + len(statuses))] == [202, 404, 500, 202] * 12 + statuses
            info = client.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
            return struct.unpack_from("I", info, 152)[0]  # tcpi_data_segs_in
    await_true(lambda: packets(b"", []) <= 24)  # most of those that take no time
    packets(b"GET /got HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n" + letter("me", "pong", "a", "a"), [200, 404, 202])
    packets(b"GET / HTTP/9\r\n\r\n", [400])
    packets(letter("me", "pong", "a", "a", b"5").replace(b"Keep-Alive", b"close"), [202])


def test_a_link_stays_open_though_it_is_silent(leat, peer):
    one = peer()
    daemon = start(leat, one, ACTORS + "timeouts: { idle: 50ms, shutdown: 5s }\n")
    other = start(leat, one, ACTORS + "timeouts: { idle: 50ms, shutdown: 5s }\n", more=", from: [192.0.2.1]")
    link = one.link(daemon)
    assert one.link(other).is_closed()
    assert link.is_silent(0.5)
    link.send(letter("me", "pong", one.pid("a"), "a"))
    assert link.response().status == 202


def test_who_opens_many_connections_ends_no_link(leat, peer):
    daemon = start(leat, peer(), ACTORS + "server: { threads: 1 }\ntimeouts: { idle: 4s }\nlimits: { connections: 3 }\n",
                   more=", from: [127.0.0.2]")
    link = socket.create_connection(("127.0.0.1", daemon.port), TIMEOUT, ("127.0.0.2", 0))
    idle = daemon.connect()
    assert idle.is_silent(1.2)  # longer than a quarter of `idle`: it is closed to make room, and the link is not
    others = [daemon.connect().send("GET /got HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(3)]
    assert 200 in [client.response().status for client in others]
    assert idle.is_closed()
    link.sendall(letter("me", "pong", "a@127.0.0.2:1", "a"))
    assert link.recv(4096).startswith(b"HTTP/1.1 202 ")
    link.close()


# ------------------------------------------------------------------ what goes

TALK = """
listen: 127.0.0.1:@as@
peers:
  mesos: { form: libprocess, auth: none, address: @peer@, as: 127.0.0.1:@as@@more@ }
actors:
  me:
    state: ""
    handlers:
      back: { set: "${state + to_json([message, sender.actor]) + '\\n'}" }
      call: { tasks: { t: { send: pong@mesos, handler: ping, message: "${message}" } } }
      ping: { tasks: { t: { send: "${sender.actor}", handler: pong, message: { n: "${message}" } } } }
      get: { reply: "${state}" }
  "cart/{user}":
    handlers: { tell: { tasks: { t: { send: "pong@mesos", handler: told, message: "${message}" } } } }
  watcher: { state: 0@links@, handlers: { gone: { set: "${state + 1}" }, get: { reply: { json: "${state}" } } } }
routes:
  GET /got: { tasks: { t: { ask: me, handler: get } }, reply: "${t}" }
  GET /gone: { tasks: { t: { ask: watcher, handler: get } }, reply: { json: "${t}" } }
  POST /send/{to}/{name}:
    timeout: @timeout@
    tasks: { t: { send: "${path.to}@@peer@", handler: "${path.name}", message: "${request.body}" } }
    reply: sent
  POST /call: { tasks: { t: { send: me, handler: call, message: "${request.body}" } } }
  POST /later: { tasks: { t: { send: pong@mesos, handler: later, delay: 10ms, message: "${request.body}" } }, reply: ok }
  POST /tell/{user}: { tasks: { t: { send: "cart/${path.user}", handler: tell, message: "${request.body}" } } }
  POST /burst:
    tasks: { all: { each: "${body}", send: pong@mesos, handler: ping, message: "${item}", optional: true, concurrency: 1000 } }
    reply: { json: "${len(all)}" }
"""


def talk(leat, one, more="", links="", timeout="10s", port=None):
    return leat(TALK, peer=one.address, more=more, links=links, timeout=timeout, **{"as": port or free_port()})


def figures(daemon):
    return daemon.admin("GET", "/v1/peers").json()["peers"][0]


def test_messages_go_in_their_order_over_one_connection_with_the_bytes_of_libprocess(leat, peer):
    one = peer()
    daemon = talk(leat, one)
    assert daemon.post("/send/pong/ping", b"payload").text == "sent"
    assert daemon.post("/send/slave(1)/a.b").text == "sent"
    assert daemon.post("/later", b"1").text == "ok"
    assert one.await_messages(3).pop().name == "later"
    for n in range(50):
        daemon.post("/tell/a%2Fb", b"%d" % n)
    messages = one.await_messages(52)
    assert messages[0].head == (f"POST /pong/ping HTTP/1.1\r\nUser-Agent: libprocess/leat@127.0.0.1:{daemon.port}\r\n"
                                f"Libprocess-From: leat@127.0.0.1:{daemon.port}\r\nConnection: Keep-Alive\r\n"
                                f"Host: {one.address}\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    assert (messages[1].to, messages[1].name, messages[1].body) == ("slave(1)", "a.b", b"")
    assert [message.body for message in messages[2:]] == [b"%d" % n for n in range(50)]
    assert {message.sender for message in messages[2:]} == {f"cart%2Fa%252Fb@127.0.0.1:{daemon.port}"}
    assert {message.connection for message in messages} == {1}
    for to, written in (("a%2Fb", "a%2Fb"), ("a%20b", "a%20b"), ("a%3F", "a%3F"), ("a+b", "a%2Bb"), ("%C3%A9", "%C3%A9")):
        assert daemon.post(f"/send/{to}/x").text == "sent"
        assert one.messages[-1].to == written  # which is decoded there, a "+" to a space
    assert daemon.post("/send/pong/..%2Fx").json()["code"] == "invalid_input"
    assert daemon.post("/send/pong/x%0D%0Ay").json()["code"] == "invalid_input"
    assert not one.faults


def test_a_program_of_libprocess_and_leat_answer_each_other(leat, peer):
    one = peer()
    daemon = talk(leat, one)
    assert daemon.post("/call", b"1").status == 204
    ping = one.await_messages(1)[0]
    name, _, address = ping.sender.partition("@")
    assert (name, address, ping.body) == ("me", f"127.0.0.1:{daemon.port}", b"1")
    assert one.send(daemon, name, "back", b'"hello"', "pong").status == 202
    assert got(daemon) == [["hello", one.pid("pong")]]
    assert one.send(daemon, "me", "ping", b"7", sender="asker").status == 202
    pong = one.await_messages(2)[1]
    assert (pong.to, pong.name, pong.body, pong.sender) == ("asker", "pong", b'{"n":7}', f"me@{address}")
    assert one.send(daemon, "me", "ping", b"8", sender="a/b+c").status == 202
    assert one.await_messages(3)[2].to == "a%2Fb%2Bc"


def test_what_the_peer_answers_is_what_the_sender_is_told(leat, peer):
    one = peer(answer=lambda message: int(message.name))
    daemon = talk(leat, one)
    for status, code in ((404, "not_found"), (403, "unavailable"), (413, "too_large"), (503, "queue_full"),
                         (500, "bad_response"), (202, None)):
        answer = daemon.post(f"/send/pong/{status}")
        assert answer.text == "sent" if code is None else answer.json()["code"] == code
    seen = figures(daemon)
    assert (seen["sent"], seen["acked"], seen["refused"], seen["lost"], seen["queued"]) == (6, 1, 5, 0, 0)


def test_each_of_a_burst_arrives_or_its_loss_is_told(leat, peer):
    one = peer()
    daemon = talk(leat, one)
    body = json.dumps(list(range(5000)))
    assert daemon.post_json("/burst", body.encode()).json() == 5000
    assert [int(message.body) for message in one.await_messages(5000)] == list(range(5000))
    assert figures(daemon)["acked"] == 5000

    count = [0]

    def cut(_):
        count[0] += 1
        return "close" if count[0] % 1000 == 500 else 202
    one.answer = cut
    assert daemon.post_json("/burst", body.encode()).json() == 5000
    seen = figures(daemon)
    assert seen["acked"] + seen["lost"] == seen["sent"] == 10000 and seen["lost"] > 0
    arrived = [int(message.body) for message in one.messages[5000:]]
    assert arrived == sorted(arrived) and seen["acked"] - 5000 <= len(arrived) <= 5000
    assert "queued\":0" in daemon.admin("GET", "/v1/peers").text


def test_a_peer_that_is_away_fails_messages_at_once_and_is_found_again(leat, peer):
    port = free_port()
    daemon = leat(TALK, peer=f"127.0.0.1:{port}", more="", links="", timeout="20s", **{"as": free_port()})
    assert daemon.post("/send/pong/ping").json()["code"] == "connect_failed"
    back = peer(port=port)
    await_true(lambda: daemon.post("/send/pong/ping").text == "sent")
    assert len(back.messages) == 1


def test_what_waits_for_a_peer_is_bounded(leat, peer):
    gate = threading.Event()

    def hold(_):
        gate.wait(TIMEOUT)
        return 202
    one = peer(answer=hold)
    daemon = talk(leat, one, more=", messages: 2, max: 2k", timeout="20s")
    waiting = [daemon.connect().send("POST /send/pong/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") for _ in range(2)]
    await_true(lambda: figures(daemon)["queued"] == 2)
    assert daemon.post("/send/pong/x").json()["code"] == "queue_full"
    assert daemon.post("/send/pong/x", b"x" * 2049).json()["code"] == "too_large"
    gate.set()
    assert [client.response().text for client in waiting] == ["sent", "sent"]


def test_a_peer_that_does_not_answer_is_not_waited_for(leat, peer):
    one = peer(answer=lambda message: None)
    daemon = talk(leat, one, more=", answers: false", timeout="10s")
    assert [daemon.post("/send/pong/ping").text for _ in range(3)] == ["sent"] * 3
    one.await_messages(3)


def test_a_link_is_a_connection_and_its_end_is_told_once(leat, peer):
    one = peer()
    daemon = talk(leat, one, links=", links: { pong@mesos: gone }")
    await_true(lambda: one.open == 1)  # without a message
    assert daemon.get("/gone").json() == 0
    one.cut()
    await_true(lambda: daemon.get("/gone").json() == 1)
    await_true(lambda: len(one.connections) == 2 and one.open == 1)  # again
    one.close()
    await_true(lambda: daemon.get("/gone").json() == 2)
    await_true(lambda: daemon.post("/send/pong/ping").json().get("code") == "connect_failed")
    assert daemon.get("/gone").json() == 2
    assert not one.messages


def test_messages_can_be_bytes_in_base64(leat, peer):
    one = peer()
    daemon = talk(leat, one, more=", body: base64")
    assert daemon.post("/send/pong/ping", b"AP/+").text == "sent"
    assert one.await_messages(1)[0].body == b"\x00\xff\xfe"
    assert daemon.post("/send/pong/ping", b"no base64!").json()["code"] == "invalid_input"


def test_reloads_keep_the_connection_of_what_is_the_same_and_end_the_rest(leat, peer):
    one, other = peer(), peer()
    daemon = talk(leat, one)
    port = daemon.port
    assert daemon.post("/send/pong/1").text == "sent"
    assert daemon.reload(TALK.replace("watcher", "other")).returncode == 0
    assert daemon.post("/send/pong/2").text == "sent"
    assert [message.connection for message in one.messages] == [1, 1]
    daemon.names["peer"] = other.address
    assert daemon.reload(TALK).returncode == 0
    await_true(lambda: one.open == 0)
    assert daemon.post("/send/pong/3").text == "sent"
    assert (len(one.messages), len(other.messages), daemon.port) == (2, 1, port)


def test_what_is_wrong_with_such_a_peer_is_told_with_its_place():
    peer = "peers: { p: { form: libprocess, %s } }\n"
    right = 'auth: none, address: "10.0.0.9:5050", as: "10.0.0.2:80"'
    ask = "routes: { GET /: { tasks: { t: { ask: pong@p, handler: x } } } }\n"
    for text, message in (
            (peer % 'address: "10.0.0.9:5050", as: "10.0.0.2:80"', "say so by auth: none"),
            (peer % 'auth: none, as: "10.0.0.2:80"', "has to be reached: add address"),
            (peer % 'auth: none, address: "10.0.0.9:5050"', "add as: HOST:PORT"),
            (peer % 'auth: none, address: "10.0.0.9:5050", as: alpha', "add as: HOST:PORT"),
            (peer % 'auth: none, address: "mesos.test:5050", as: "10.0.0.2:80"', "add from:"),
            (peer % (right + ", from: [10.0.0.1/8]"), "has bits behind the length"),
            (peer % (right + ", body: xml"), "body"),
            (peer % (right + ", grace: 1s"), "form: libprocess has no use for grace"),
            ("peers: { p: { as: a, key: 0123456789abcdef, answers: false } }\n", "form: leat has no use for answers"),
            (peer % right + ask, "leat.yaml:2:39: error: p speaks libprocess, which answers by messages of its own; use send:")):
        code, out = check(text)
        assert code == 1 and message in out, (text, out)
    assert check(peer % right + ask.replace("ask:", "send:"))[0] == 0


# ------------------------------------------------------------------ what goes wrong elsewhere

def test_a_slow_actor_keeps_nobody_from_looking_and_no_message_is_shown(leat, peer, backend):
    one, stub = peer(), backend(holding("done"))
    daemon = start(leat, one, """
server: { threads: 1 }
http: { u: { url: @url@ } }
peers: { mesos: { form: libprocess, auth: none, address: @peer@, as: "127.0.0.1:1" } }
actors:
  slow: { help: Is slow., handlers: { go: { tasks: { t: { get: "u:/" } } } } }
  spin: { handlers: { go: { tasks: { t: { send: spun, handler: go } } } } }
  spun: { handlers: { go: { tasks: { t: { send: spin, handler: go } } } } }
routes: { GET /: { reply: alive } }
timeouts: { shutdown: 50ms }
""", url=stub.url)
    for to in ("slow", "slow", "spin"):
        assert one.send(daemon, to, "go", b"quite private").status == 202
    for _ in range(20):
        assert daemon.get("/").text == "alive"
        assert "slow" in daemon.admin("GET", "/help").text
        seen = daemon.admin("GET", "/v1/actors")
        assert seen.status == 200 and "private" not in seen.text
    stub.release.set()


def test_a_message_to_an_actor_that_has_stopped_fails_and_others_do_not_notice(leat, peer):
    one = peer()
    daemon = start(leat, one, """
peers: { mesos: { form: libprocess, auth: none, address: @peer@, as: "127.0.0.1:1" } }
actors:
  frail: { restart: stop, handlers: { fall: { tasks: { t: { fail: broken } } }, get: { reply: x } } }
  other: { handlers: { get: { reply: well } } }
routes:
  GET /ask/{name}: { tasks: { t: { ask: "${path.name}", handler: get } }, reply: "${t}" }
""")
    assert daemon.get("/ask/frail").text == "x"
    assert one.send(daemon, "frail", "fall").status == 202
    await_true(lambda: daemon.get("/ask/frail").status == 503)
    assert daemon.get("/ask/frail").json()["code"] == "unavailable"
    assert daemon.get("/ask/other").text == "well"


def test_messages_go_over_tls_to_a_peer_whose_certificate_is_believed(leat, peer):
    certs = Certs()
    certs.make("ca").make("other").make("a", "IP:127.0.0.1", issuer="ca")
    port = free_port()
    conf = """
listen: [ { address: "127.0.0.1:@as@", tls: { cert: "@a@.pem", key: "@a@.key" } } ]
peers: { me: { form: libprocess, auth: none, address: "127.0.0.1:@as@", as: "127.0.0.1:@as@", tls: { ca: "@ca@.pem" } } }
actors: { a: { state: 0, handlers: { x: { set: "${message}" }, get: { reply: { json: "${state}" } } } } }
routes:
  POST /send: { tasks: { t: { send: a@me, handler: x, message: 42 } }, reply: sent }
  GET /state: { tasks: { t: { ask: a, handler: get } }, reply: { json: "${t}" } }
"""
    trust = context(certs)
    for ca in ("ca", "other"):
        daemon = leat(conf, a=certs.path("a"), ca=certs.path(ca), **{"as": port})
        with connect(daemon, trust, name="127.0.0.1") as client:
            answer = client.request("POST", "/send", body=b"")
            assert answer.text == "sent" if ca == "ca" else answer.json()["code"] == "connect_failed"
            await_true(lambda c=client, n=42 if ca == "ca" else 0: c.get("/state").json() == n)
        daemon.stop()
        port = free_port()
    certs.close()
