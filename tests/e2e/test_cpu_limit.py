"""tests/e2e/test_cpu_limit.py: a route that computes, at its limit: refused beyond it, while others are answered."""
import os

from leat import BINARY, await_true

CALC = os.path.join(os.path.dirname(os.path.abspath(BINARY)), "tests", "modules", "calc.so")
CONF = f"""
server: {{ threads: 1, compute_threads: 1 }}
modules: [{CALC}]
compute: {{ images: {{ running: 1, waiting: 1 }} }}
routes:
  GET /hello: {{ reply: hello }}
  GET /image: {{ tasks: {{ n: {{ native: calc.spin, queue: images }} }} }}
  GET /sum: {{ tasks: {{ n: {{ value: "${{1 + 2}}" }} }}, reply: {{ json: "${{n}}" }} }}
"""


def test_at_its_limit_a_route_that_computes_is_refused_at_once_and_all_others_are_answered_meanwhile(leat):
    """The only thread that computes never comes back by itself: nothing here can be a matter of luck."""
    daemon = leat(CONF)

    def at_work():
        queue = next(q for q in daemon.status()["compute"] if q["name"] == "images")
        return queue["running"], queue["waiting"]

    clients = [daemon.connect() for _ in range(2)]
    clients[0].send("GET /image HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: at_work() == (1, 0), what="one computes")
    clients[1].send("GET /image HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: at_work() == (1, 1), what="one waits")
    with daemon.connect() as other:
        for _ in range(100):
            refused = other.get("/image")
            assert refused.status == 503 and refused.json()["code"] == "queue_full" and refused.get("retry-after")
            assert other.get("/hello").text == "hello"
            assert other.get("/sum").json() == 3
    assert at_work() == (1, 1)
    for client in clients:
        client.reset()
    await_true(lambda: at_work() == (0, 0), what="those who left are computed for no more")
