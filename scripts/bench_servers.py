"""scripts/bench_servers.py: the servers that scripts/bench measures, the load on them, and its table."""
import contextlib
import glob
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

LEAT = os.path.abspath("build/release/leat")
BENCHES = "build/release/tests/bench"
N_CONNECTIONS = 64
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, LOAD_CPU = CPUS[0], CPUS[-1]
FILE_ROUTE = "  GET /files/{path...}: { files: files }\n"
FILE_SIZES = {"1 KiB": 1 << 10, "1 MiB": 1 << 20}
ROUTES = """
  GET /hello: { reply: "Hello World!\\n" }
  GET /user/{id}: { reply: { json: { id: "${path.id}" } } }
  GET /a: { reply: a }
  GET /b: { tasks: { a: { wait: 1ms } }, reply: b }
  GET /c/{rest...}: { reply: c }
  GET /d: { reply: { json: { d: 1 } } }
  POST /e: { reply: e }
  PUT /f/{x}/{y}: { reply: f }
  GET /two:
    tasks: { first: { get: "backend:/first" }, second: { get: "backend:/second" } }
    reply: { json: { first: "${first.body}", second: "${second.body}" } }
  GET /one:
    tasks: { first: { get: "backend:/first" } }
    reply: { json: "${first.body}" }
"""


def free_ports(n):
    """Different ones: all are held until the last is known."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(n)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in socks]


def free_port():
    return free_ports(1)[0]


def receive_answer(sock):
    """One whole answer that has a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536) or sys.exit("bench: a server closed the connection")
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
    while len(body) < length:
        body += sock.recv(65536) or sys.exit("bench: a server closed the connection")
    return head + b"\r\n\r\n" + body


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def get(port, path="/hello", fields=""):
    with connect(port) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        return receive_answer(sock)


# ---------------------------------------------------------------- servers


class Server:
    """A process that listens on `port`; `pid` is the one whose threads and children are counted."""

    def __init__(self, name, command, port, cpus=(SERVER_CPU,)):
        self.name, self.port = name, port
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.pid = self.process.pid
        os.set_blocking(self.process.stderr.fileno(), False)
        self.wait_until_it_answers()

    def wait_until_it_answers(self):
        until = time.monotonic() + 60
        while True:
            try:
                connect(self.port).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"bench: {self.name} does not answer:\n"
                             f"{(self.process.stderr.read() or b'').decode()}")
                time.sleep(0.02)

    def pids(self):
        pids = [self.pid]
        for pid in pids:
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                pids += [int(child) for child in file.read().split()]
        return pids

    def cpu_ns(self):
        total = 0
        for pid in self.pids():
            for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
                with open(path) as file:
                    total += int(file.read().split()[0])
        return total

    def rss(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as file:
                total += 1024 * int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stderr.close()


def write_file(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


def write_leat_config(directory, name, port, backend_port=1, more_routes="", listen=None, sections=""):
    return write_file(f"{directory}/{name}.yaml", f"""
listen: {listen or f'[ "127.0.0.1:{port}" ]'}
admin: {{ listen: "unix:{directory}/{name}.sock" }}
server: {{ threads: 1, compute_threads: 1 }}
log: {{ level: warning, access: off }}
limits: {{ requests: 1000000000, connections: 20000 }}
http: {{ backend: {{ url: "http://127.0.0.1:{backend_port}", pool: {{ idle: {2 * N_CONNECTIONS} }} }} }}
{sections}routes:{ROUTES}{more_routes}""")


def write_nginx_config(directory, port, more="", modules=()):
    temp = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in
                   ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    loads = "".join(f"load_module {module};" for module in modules)
    return write_file(f"{directory}/nginx.conf", f"""
{loads} {user} worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log stderr error;
events {{ worker_connections 20000; }}
http {{
    {temp} access_log off; sendfile on; tcp_nopush on; etag on;
    open_file_cache max=1000 inactive=60s; open_file_cache_valid 1s; open_file_cache_errors on;
    types {{ text/plain txt; }} keepalive_requests 1000000000; default_type "text/plain; charset=utf-8";
    server {{
        listen 127.0.0.1:{port};
        location /files/ {{ root {directory}; }}
        location = /hello {{ return 200 "Hello World!\\n"; }}
        location = /first {{ default_type application/json; return 200 '{{"id":7,"name":"Ada"}}'; }}
        location = /second {{ default_type application/json; return 200 '[{{"sku":"pear","qty":3}}]'; }}
    }}
    {more}
}}
""")


def write_files(directory):
    os.makedirs(f"{directory}/files", exist_ok=True)
    for name, size in FILE_SIZES.items():
        write_file(f"{directory}/files/{file_name(name)}", "x" * size)


def file_name(name):
    return name.replace(" ", "-") + ".txt"


@contextlib.contextmanager
def running(*servers):
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()


def start_leat(directory, name="leat", before=(), port=None, cpus=(SERVER_CPU,), **config):
    port = port or free_port()
    path = write_leat_config(directory, name, port, **config)
    return Server(name, [*before, LEAT, "run", "-c", path], port, cpus)


def start_nginx(directory, more="", port=None, modules=()):
    port = port or free_port()
    path = write_nginx_config(directory, port, more, modules)
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    return Server("nginx", [nginx, "-e", "stderr", "-p", directory, "-c", path], port)


def start_floor(directory, answer):
    with open(f"{directory}/answer", "wb") as file:
        file.write(answer)
    port = free_port()
    return Server("floor", [f"{BENCHES}/floor", str(port), f"{directory}/answer"], port)


# ---------------------------------------------------------------- load


@contextlib.contextmanager
def on_load_cpu():
    """This process is the load: it keeps off the servers' core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CPU})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Round:
    """Requests a second, microseconds of the server's CPU a request, and the part of its core that was busy."""

    def __init__(self, rate, us):
        self.rate, self.us, self.busy = rate, us, rate * us / 1e6


def wrk(port, path, seconds=1, connections=N_CONNECTIONS, script=None, scheme="http", who=""):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *(["-s", script] if script else []),
               f"{scheme}://127.0.0.1:{port}{path}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60,
                            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU})).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"bench: errors under load of {who or port}:\n{output}")  # its figures would mean nothing
    requests, unit_seconds = re.search(r"(\d+) requests in ([\d.]+)s", output).groups()
    return int(requests), float(unit_seconds)


def measure(server, path="/hello", script=None, port=None, scheme="http", connections=N_CONNECTIONS):
    before = server.cpu_ns()
    requests, seconds = wrk(port or server.port, path, script=script, scheme=scheme, connections=connections,
                            who=server.name)
    return Round(requests / seconds, (server.cpu_ns() - before) / 1000 / max(requests, 1))


def interleave(n_rounds, *jobs):
    """Each job in turn, n_rounds times; the medians of each."""
    rounds = [[] for _ in jobs]
    for _ in range(n_rounds):
        for job, results in zip(jobs, rounds):
            results.append(measure(*job))
    return [Round(statistics.median(r.rate for r in results), statistics.median(r.us for r in results))
            for results in rounds]


# ---------------------------------------------------------------- what is measured

table = []


def row(what, value, note=""):
    table.append((what, value, note))
    print(f"  {what:<52} {value:>14}  {note}", flush=True)


def row_round(what, result):
    row(what, f"{result.us:.2f} us", f"CPU a request; {result.rate:,.0f} requests/s, core {result.busy:.0%} busy")


def row_ratio(what, result, base, note=""):
    row(what, f"{result.us / base.us:.2f}", f"of the CPU a request, {result.rate / base.rate:.2f} of the rate{note}")


def raise_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
