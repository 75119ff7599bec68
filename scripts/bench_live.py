"""scripts/bench_live.py: what one publication costs that goes to many clients, for scripts/bench."""
import base64
import os
import select
import statistics
import sys
import time

from bench_servers import connect, on_load_cpu, receive_answer, row, running, start_leat

N_SUBSCRIBERS = 10_000
N_TRIES = 9
N_NEAR = 200  # how many connections are opened at once
PAYLOAD = "x" * 100

ROUTES = """
  GET /events: { events: { subscribe: all, ping: 1h } }
  GET /ws: { websocket: { subscribe: all, ping: 1h } }
  POST /publish: { body: { type: text }, tasks: { p: { publish: all, message: "${body}" } }, reply: "${p}" }
"""


def head(kind):
    if kind == "events":
        return b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n", b"\n\n\r\n"
    key = base64.b64encode(os.urandom(16))
    return (b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"), b"\r\n\r\n"


def open_clients(port, kind):
    clients = []
    while len(clients) < N_SUBSCRIBERS:
        some = [connect(port) for _ in range(min(N_NEAR, N_SUBSCRIBERS - len(clients)))]
        request, end = head(kind)
        for sock in some:
            sock.sendall(request)
        for sock in some:
            answer = b""
            while not (answer.endswith(end) and answer.count(b"\r\n\r\n")):
                data = sock.recv(4096)
                if not data:
                    sys.exit(f"bench: a {kind} client was refused: {answer[:200]!r}")
                answer += data
        clients += some
    return clients


def publish(port):
    body = PAYLOAD.encode()
    with connect(port) as sock:
        sock.sendall(b"POST /publish HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = receive_answer(sock)
    if not answer.endswith(b"\r\n\r\n%d" % N_SUBSCRIBERS):
        sys.exit(f"bench: not all of them: {answer[:300]!r}")


def receive_all(poller, clients):
    """Until each has something; what came is thrown away."""
    waiting = set(clients)
    while waiting:
        for fd, _ in poller.poll(10):
            if clients[fd].recv(65536) and fd in waiting:
                waiting.remove(fd)


def bench_fanout(directory, n_rounds):
    print(f"one publication of {len(PAYLOAD)} bytes to {N_SUBSCRIBERS:,} subscribers:")
    for kind in ("events", "ws"):
        with running(start_leat(directory, f"fanout-{kind}", more_routes=ROUTES)) as (leat,), \
                on_load_cpu():
            before = leat.rss()
            clients = {sock.fileno(): sock for sock in open_clients(leat.port, kind)}
            size = (leat.rss() - before) / N_SUBSCRIBERS
            poller = select.epoll()
            for fd in clients:
                poller.register(fd, select.EPOLLIN)
            took, cpu = [], []
            for _ in range(N_TRIES):
                cpu_before, started = leat.cpu_ns(), time.perf_counter()
                publish(leat.port)
                receive_all(poller, clients)
                took.append((time.perf_counter() - started) * 1e3)
                cpu.append((leat.cpu_ns() - cpu_before) / N_SUBSCRIBERS)
            poller.close()
            for sock in clients.values():
                sock.close()
        name = "event streams" if kind == "events" else "WebSockets"
        row(f"publish to {N_SUBSCRIBERS:,} {name}, CPU each", f"{statistics.median(cpu) / 1000:.2f} us",
            f"all have it after {statistics.median(took):.0f} ms, a client in Python on the other core")
        row(f"one of {N_SUBSCRIBERS:,} {name}", f"{size:,.0f} bytes", "resident memory")
