"""scripts/bench_compute.py: what computing costs (the pool, jq, sorting), and what it leaves to others, for scripts/bench."""
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import time

from bench_servers import (BENCHES, CPUS, connect, get, on_load_cpu, receive_answer, row, running, start_leat,
                           write_file)

EXAMPLES = os.path.abspath("build/release/examples")
N_JQ = {"1 KiB": 200, "1 MiB": 8}
N_PACED = 400        # requests for hello, one each PACE_S
PACE_S = 0.002
N_POSTERS = 4        # clients of the route that computes: one runs, one waits, the others are refused
MATRIX_SIZE = 300
POST_S = 2           # as long as the paced requests take, and longer

ROUTES = """
  POST /jq: { body: { type: json, max: 4m }, tasks: { x: { jq: "map(.n) | add", from: "${body}" } }, reply: { json: "${x}" } }
  POST /read: { body: { type: json, max: 4m }, reply: { json: "${len(body)}" } }
"""


def post(sock, path, body):
    sock.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                 f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return receive_answer(sock)


def expect(answer, status):
    if not answer.startswith(b"HTTP/1.1 %d " % status):
        sys.exit(f"bench: not {status} but {answer[:300]!r}")


def p50_us(port, path, body, n):
    took = []
    with on_load_cpu(), connect(port) as sock:
        for _ in range(n + 1):  # the first one starts what is started lazily
            started = time.perf_counter()
            expect(post(sock, path, body), 200)
            took.append((time.perf_counter() - started) * 1e6)
    return statistics.median(took[1:])


def json_of_size(size):
    """A list of objects, of about that many bytes."""
    item = {"n": 7, "name": "a pear of the usual size", "tags": ["green", "ripe"]}
    return json.dumps([item] * (size // (len(json.dumps(item)) + 2))).encode()


def program_ms(directory, body):
    """The program jq with the same filter, its start included."""
    path = f"{directory}/input.json"
    with open(path, "wb") as file:
        file.write(body)
    took = []
    with on_load_cpu():
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run(["jq", "map(.n) | add", path], check=True, capture_output=True, timeout=60)
            took.append((time.perf_counter() - started) * 1e3)
    return statistics.median(took)


def bench_jq(directory, n_rounds):
    print("jq: map(.n) | add over a body, one request after the other:")
    with running(start_leat(directory, more_routes=ROUTES)) as (leat,):
        for name, size in (("1 KiB", 1 << 10), ("1 MiB", 1 << 20)):
            body, n = json_of_size(size), N_JQ[name]
            whole = p50_us(leat.port, "/jq", body, n)
            read = p50_us(leat.port, "/read", body, n)
            row(f"jq of {name}, p50", f"{whole:,.0f} us", f"{read:,.0f} us of it without jq: reading the body")
            try:
                row(f"jq of {name}, leat / the program jq", f"{whole / 1000 / program_ms(directory, body):.2f}",
                    "of its time, its start included")
            except FileNotFoundError:
                pass


def bench_sort(directory, n_rounds):
    print("sorting 10 million numbers (tests/bench/sort):")
    said = subprocess.run([f"{BENCHES}/sort"], capture_output=True, text=True, check=True, timeout=240).stdout
    found = re.search(r"qsort ([\d.]+) s, one thread ([\d.]+) s .*two threads ([\d.]+) s", said)
    if not found:
        sys.exit(f"bench: tests/bench/sort said {said!r}")
    qsort, one, two = map(float, found.groups())
    row("sort 10 M numbers, two threads / one", f"{two / one:.2f}", f"of {one:.2f} s; to reach: below 1, with two cores")
    row("sort 10 M numbers, two threads / qsort", f"{two / qsort:.2f}", f"of {qsort:.2f} s; to reach: below 1")
    row("sort 10 M numbers, one thread / qsort", f"{one / qsort:.2f}", "")


# ---------------------------------------------------------------- a route that computes, at its limit


POSTS = """
local last
function init()
    local row = "[" .. string.rep("1,", SIZE - 1) .. "1]"
    local matrix = "[" .. string.rep(row .. ",", SIZE - 1) .. row .. "]"
    wrk.method, wrk.body = "POST", '{"a":' .. matrix .. ',"b":' .. matrix .. '}'
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Host"] = "a"
end
function response(status)
    last = status
    n = (status ~= 200 and status ~= 503) and os.exit(3) or 0
end
function delay()
    return last == 503 and 50 or 0 -- who is refused comes back later
end
"""


@contextlib.contextmanager
def posting(leat, script, counts):
    """Clients that ask for products of matrices as fast as they are told one."""
    with subprocess.Popen(["wrk", "-t1", f"-c{N_POSTERS}", f"-d{POST_S}s", "-s", script,
                           f"http://127.0.0.1:{leat.port}/multiply"], stdout=subprocess.PIPE, text=True) as load:
        try:
            time.sleep(0.3)  # the first products are under way
            yield
            output = load.communicate(timeout=60)[0]
        finally:
            load.kill()
    requests = re.search(r"(\d+) requests in", output)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if load.returncode != 0 or not requests or "Socket errors" in output:
        sys.exit(f"bench: errors of /multiply:\n{output}")
    counts[503] += int(refused[1]) if refused else 0
    counts[200] += int(requests[1]) - (int(refused[1]) if refused else 0)


def paced_p99_ms(server):
    """Of requests for hello that come one each PACE_S, whatever the answers take."""
    took = []
    with connect(server.port) as sock:
        for _ in range(N_PACED):
            started = time.perf_counter()
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            expect(receive_answer(sock), 200)
            took.append((time.perf_counter() - started) * 1e3)
            time.sleep(PACE_S)
    return sorted(took)[N_PACED * 99 // 100]


def bench_busy(directory, n_rounds):
    """leat may use all cores, as it would: its loop and its one computing thread beside each other."""
    route = """
  POST /multiply:
    body: { type: json, max: 4m }
    tasks: { p: { native: matrix.multiply, queue: products, with: { a: "${body.a}", b: "${body.b}" } } }
    reply: { json: "${len(p)}" }
"""
    sections = f"modules: [ {EXAMPLES}/matrix.so ]\ncompute: {{ products: {{ running: 1, waiting: 1 }} }}\n"
    script = write_file(f"{directory}/post.lua", POSTS.replace("SIZE", str(MATRIX_SIZE)))
    print(f"hello, asked each {PACE_S * 1000:.0f} ms, while a route that multiplies matrices is at its limit:")
    with running(start_leat(directory, more_routes=route, sections=sections, cpus=CPUS)) as (leat,):
        get(leat.port)
        idle, busy, counts = [], [], {200: 0, 503: 0}
        for _ in range(5):
            idle.append(paced_p99_ms(leat))
            with posting(leat, script, counts):
                busy.append(paced_p99_ms(leat))
    if not counts[200] or not counts[503]:
        sys.exit(f"bench: /multiply was not at its limit: {counts}")
    ours, base = statistics.median(busy), statistics.median(idle)
    row("p99 of hello, busy / idle", f"{ours / base:.2f}",
        f"of {base:.2f} ms; to reach: 2; meanwhile {counts[200]} products, {counts[503]} refused")
