"""tests/e2e/test_live_actors.py: live connections bound to actors and topics: what a client says is sent to an actor, which
publishes to those who subscribe; an actor for each connection; reloads under both."""
import asyncio
import json

from leat import await_true
from test_actors import live
from test_events import Stream
from test_websocket import closes, talk, websockets

CONF = """
server: { threads: 4, compute_threads: 1 }
actors:
  room:
    state: { n: 0 }
    handlers:
      say:
        tasks: { told: { publish: news, message: { n: "${state.n + 1}", by: "${sender}", said: "${message}" } } }
        set: { n: "${state.n + 1}" }
  "seat/{conn}":
    state: { conn: "${path.conn}", heard: 0, last: null }
    handlers:
      hear:
        set: { conn: "${state.conn}", heard: "${state.heard + 1}", last: "${message}" }
        reply: { json: { heard: "${state.heard}", conn: "${state.conn}" } }
      leave:
        tasks: { told: { publish: left, message: "${state}" } }
routes:
  GET /ws:
    websocket:
      subscribe: news
      on_message: { tasks: { s: { send: room, handler: say, message: "${message.text}" } } }
  GET /seat:
    websocket:
      on_message:
        tasks: { a: { ask: "seat/${conn.id}", handler: hear, message: "${message.text}" } }
        reply: { json: "${a}" }
      on_close: { tasks: { b: { send: "seat/${conn.id}", handler: leave } } }
  GET /news: { events: { subscribe: news, ping: 1h } }
  GET /left: { events: { subscribe: left, ping: 1h } }
"""


def test_what_clients_say_goes_by_an_actor_to_all_who_subscribe_in_one_order(leat):
    daemon = leat(CONF)
    stream = Stream(daemon, "/news")
    each, n_clients = 25, 6

    async def client(number, url):
        async with websockets.connect(url, max_queue=None) as socket:
            for n in range(each):
                await socket.send(f"{number}.{n}")
            return [json.loads(await socket.recv()) for _ in range(each)], socket.close_code

    async def all_of_them():
        url = f"ws://127.0.0.1:{daemon.port}/ws"
        async with websockets.connect(url, max_queue=None) as watching:
            await asyncio.gather(*(client(number, url) for number in range(n_clients)))
            return [json.loads(await watching.recv()) for _ in range(each * n_clients)]
    seen = asyncio.run(asyncio.wait_for(all_of_them(), 60))
    assert [told["n"] for told in seen] == list(range(1, each * n_clients + 1))  # one at a time
    for number in range(n_clients):
        own = [told["said"] for told in seen if told["said"].startswith(f"{number}.")]
        assert own == [f"{number}.{n}" for n in range(each)]
    assert [json.loads(stream.event()) for _ in seen] == seen


def test_each_connection_has_an_actor_of_its_own_which_hears_of_its_end(leat):
    daemon = leat(CONF)
    left = Stream(daemon, "/left")

    async def conversation(socket):
        for n in range(1, 4):
            await socket.send(f"m{n}")
            told = json.loads(await socket.recv())
            assert told["heard"] == n
        return told["conn"]
    conns = [talk(daemon, "/seat", conversation) for _ in range(3)]
    assert len(set(conns)) == 3
    told = sorted((json.loads(left.event()) for _ in conns), key=lambda one: one["conn"])
    assert told == [{"conn": conn, "heard": 3, "last": "m3"} for conn in sorted(conns)]
    assert len(live(daemon)) == 4  # the room, and a seat each


def test_a_connection_lives_on_while_a_reload_changes_its_actor(leat):
    daemon = leat(CONF)
    changed = CONF.replace('"${state.heard + 1}"', '"${state.heard + 100}"')

    async def conversation(socket):
        async def say():
            await socket.send("x")
            return json.loads(await socket.recv())["heard"]
        assert [await say(), await say()] == [1, 2]
        assert (await asyncio.to_thread(daemon.reload, changed)).returncode == 0
        assert [await say(), await say()] == [102, 202]  # the state stays, what is done with it is new
        assert (await asyncio.to_thread(daemon.reload, CONF)).returncode == 0
        assert await say() == 203
    talk(daemon, "/seat", conversation)


def test_reloads_lose_no_message_of_a_connection_to_an_actor(leat):
    daemon = leat(CONF)

    async def conversation(socket):
        reloads = asyncio.create_task(asyncio.to_thread(
            lambda: [daemon.reload(CONF + f"  GET /x{n}: {{ reply: x }}\n").returncode for n in range(10)]))
        n = 0
        while not reloads.done() or n < 100:
            await socket.send("x")
            n += 1
            assert json.loads(await socket.recv())["heard"] == n
        assert await reloads == [0] * 10
    talk(daemon, "/seat", conversation)


def test_an_actor_that_a_reload_takes_away_fails_its_connections_handler(leat):
    daemon = leat(CONF)
    gone = CONF.replace("ask: \"seat/${conn.id}\", handler: hear, message: \"${message.text}\"", "value: { heard: 0 }") \
        .replace("send: \"seat/${conn.id}\", handler: leave", "value: 0").replace("seat/{conn}", "other/{conn}")

    async def conversation(socket):
        await socket.send("x")
        assert json.loads(await socket.recv())["heard"] == 1
        assert (await asyncio.to_thread(daemon.reload, gone)).returncode == 0
        await asyncio.to_thread(await_true, lambda: list(live(daemon)) == ["room"])
        await socket.send("x")
        await closes(socket, 1011)
    talk(daemon, "/seat", conversation)
    daemon.await_line(r"handler failed route=.GET /seat. .*task=a code=\w+")
