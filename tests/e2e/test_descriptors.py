"""tests/e2e/test_descriptors.py: out of file descriptors: neither spinning nor dying."""
import threading

from backends import answering
from leat import FLAVOR, Client, Closed, await_true

LIMIT = 64


def test_out_of_descriptors_it_neither_spins_nor_dies_and_recovers(leat):
    daemon = leat("timeouts: { idle: 60s }\nroutes: { GET /: { reply: x } }", shell=f"ulimit -n {LIMIT};")
    clients = []
    for _ in range(LIMIT * 2):  # those that find no room are refused, or wait in the backlog
        client = Client(daemon.addresses[0])
        daemon.clients.append(client)
        clients.append(client)
    daemon.await_line("accept failed .*EMFILE")
    before = daemon.cpu_seconds()
    threading.Event().wait(1)  # a spinning loop would use a second of CPU in it
    used = daemon.cpu_seconds() - before
    assert used < (0.2 if FLAVOR == "release" else 0.6)
    assert clients[0].get("/").text == "x"  # who is in is served
    for client in clients:
        client.close()
    await_true(lambda: try_get(daemon) == "x", seconds=30, what="recovery")
    assert daemon.status()["state"] == "serving"


def try_get(daemon):
    try:
        with Client(daemon.addresses[0]) as client:
            answer = client.get("/")
            return answer.text if answer.status == 200 else None
    except (Closed, OSError):
        return None


def test_who_finds_no_room_is_told_503(leat):
    daemon = leat("routes: { GET /: { reply: x } }", shell=f"ulimit -n {LIMIT};")
    clients = [Client(daemon.addresses[0]) for _ in range(LIMIT * 2)]
    daemon.clients += clients
    answers = []

    def ask(client):
        try:
            answers.append(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response().status)
        except (Closed, OSError, AssertionError):
            answers.append(None)
    for client in clients:
        client.sock.settimeout(2)
    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers.count(200) >= 20 and answers.count(503) >= 1
    assert set(answers) <= {200, 503, None}


def test_a_call_without_a_descriptor_fails_alone(leat, backend):
    upstream = backend(answering({}))
    daemon = leat("http: { u: { url: @url@, pool: { idle: 0 } } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\" } }, reply: ok } }",
                  url=upstream.url, shell=f"ulimit -n {LIMIT};")
    clients = [Client(daemon.addresses[0]) for _ in range(LIMIT)]
    daemon.clients += clients
    daemon.await_line("accept failed .*EMFILE")
    answer = clients[0].get("/")
    assert answer.status in (200, 502, 503)
    for client in clients[1:]:
        client.close()
    await_true(lambda: clients[0].get("/").status == 200, seconds=30, what="recovery")


def test_a_reload_without_descriptors_fails_or_succeeds_but_serves_on(leat):
    daemon = leat("routes: { GET /: { reply: x } }", shell=f"ulimit -n {LIMIT};")
    clients = [Client(daemon.addresses[0]) for _ in range(LIMIT)]
    daemon.clients += clients
    daemon.await_line("accept failed .*EMFILE")
    daemon.signal(1)
    daemon.await_line("reload (done|refused)")
    assert clients[0].get("/").text == "x"


def test_a_file_without_a_descriptor_is_answered_with_503_and_served_later(leat):
    daemon = leat("limits: { connections: 1000 }\nroutes:\n  GET /f/{path...}: { files: www }\n  GET /: { reply: x }\n",
                  files={"www/small": "small", "www/large": b"l" * 100000}, shell=f"ulimit -n {LIMIT};")
    clients = [Client(daemon.addresses[0]) for _ in range(LIMIT)]
    daemon.clients += clients
    daemon.await_line("accept failed .*EMFILE")
    for target in ("small", "large"):
        assert clients[0].get(f"/f/{target}").status in (200, 503)
        assert clients[0].get("/").text == "x"
    for client in clients[1:]:
        client.close()
    for target, size in (("small", 5), ("large", 100000)):
        await_true(lambda t=target, n=size: len(clients[0].get(f"/f/{t}").body) == n, seconds=30, what="recovery")
