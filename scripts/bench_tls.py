"""scripts/bench_tls.py: what TLS and many connections cost, beside nginx, for scripts/bench."""
import contextlib
import os
import re
import socket
import ssl
import statistics
import subprocess
import time

from bench_servers import LOAD_CPU, connect, free_port, get, interleave, row, row_ratio, row_round, running, start_leat, \
    start_nginx

SIZES = {"4 KiB": 4 << 10, "16 KiB": 16 << 10, "64 KiB": 64 << 10}
N_HANDSHAKES = 200
N_LATENCIES = 400
N_IDLE_TLS = 500


def make_certificate(directory, kind):
    how = {"rsa": ["-newkey", "rsa:2048"], "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}[kind]
    subprocess.run(["openssl", "req", "-x509", "-nodes", *how, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", f"{directory}/{kind}.key", "-out", f"{directory}/{kind}.pem"],
                   check=True, capture_output=True)


class Both:
    """leat and nginx, each with a port for either kind of certificate."""

    def __init__(self, directory, stack):
        self.ports = {"leat": {}, "nginx": {}}
        listen, servers = [], ""
        for kind in ("ecdsa", "rsa"):
            make_certificate(directory, kind)
            port, other = (free_port() for _ in range(2))
            self.ports["leat"][kind], self.ports["nginx"][kind] = port, other
            listen.append(f'  - {{ address: "127.0.0.1:{port}", tls: {{ cert: {kind}.pem, key: {kind}.key }} }}')
            servers += (f"server {{ listen 127.0.0.1:{other} ssl; ssl_certificate {directory}/{kind}.pem; "
                        f"ssl_certificate_key {directory}/{kind}.key; ssl_protocols TLSv1.2 TLSv1.3; "
                        f"location / {{ root {directory}; }} }}\n")
        routes = ""
        for name, size in SIZES.items():
            path = name.replace(" ", "")
            with open(f"{directory}/{path}", "w", encoding="ascii") as file:
                file.write("x" * size)
            routes += f"  GET /{path}: {{ reply: \"{'x' * size}\" }}\n"
        plain = free_port()
        self.nginx = stack.enter_context(running(start_nginx(directory, servers)))[0]
        listen.append(f'  - "127.0.0.1:{plain}"')
        self.leat = stack.enter_context(running(start_leat(
            directory, "tls", port=plain, listen="\n" + "\n".join(listen), more_routes=routes)))[0]


def context(version=ssl.TLSVersion.TLSv1_3):
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = version
    return made


def latencies(port, path):
    """Microseconds of each answer on one connection that is kept alive, in order of size."""
    took = []
    with contextlib.closing(context().wrap_socket(connect(port))) as sock:
        for _ in range(N_LATENCIES):
            started = time.perf_counter()
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            data = sock.recv(65536)
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            head, body = data.split(b"\r\n\r\n", 1)
            left = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1)) - len(body)
            while left > 0:
                left -= len(sock.recv(262144))
            took.append((time.perf_counter() - started) * 1e6)
    return sorted(took)


def handshakes(server, port, resume):
    """Microseconds of the server's CPU, and of time, for each of N_HANDSHAKES."""
    made, session = context(ssl.TLSVersion.TLSv1_2), None
    if resume:
        with contextlib.closing(made.wrap_socket(connect(port))) as sock:
            session = sock.session
    before, started = server.cpu_ns(), time.perf_counter()
    for _ in range(N_HANDSHAKES):
        with contextlib.closing(made.wrap_socket(socket.create_connection(("127.0.0.1", port)), session=session)) as sock:
            assert sock.session_reused == resume
    return ((server.cpu_ns() - before) / 1000 / N_HANDSHAKES, (time.perf_counter() - started) * 1e6 / N_HANDSHAKES)


def bench_latency(both):
    print("HTTPS, one connection kept alive, p50 of an answer:")
    for name in SIZES:
        path = "/" + name.replace(" ", "")
        p50 = {"leat": [], "nginx": []}
        for _ in range(5):
            for who, results in p50.items():
                results.append(latencies(both.ports[who]["ecdsa"], path)[N_LATENCIES // 2])
        ours, theirs = (statistics.median(p50[who]) for who in ("leat", "nginx"))
        row(f"p50 over TLS, {name}", f"{ours / theirs:.2f}", f"of nginx's {theirs:.0f} us; to reach: 1.2")


def bench_handshakes(both):
    print(f"handshakes (TLS 1.2, {N_HANDSHAKES} one after the other), CPU each:")
    for kind, resume in (("ecdsa", False), ("rsa", False), ("ecdsa", True)):
        cpu = {"leat": [], "nginx": []}
        for _ in range(3):
            for who, results in cpu.items():
                server = both.leat if who == "leat" else both.nginx
                results.append(handshakes(server, both.ports[who][kind], resume)[0])
        ours, theirs = (statistics.median(cpu[who]) for who in ("leat", "nginx"))
        row(f"handshake, {'resumed' if resume else kind}", f"{ours / theirs:.2f}",
            f"of nginx's CPU; {ours:.0f} and {theirs:.0f} us")


def bench_idle_tls(both):
    with contextlib.ExitStack() as stack:
        made = context()
        port = both.ports["leat"]["ecdsa"]
        with contextlib.closing(made.wrap_socket(connect(port))):
            before = both.leat.rss()
        for _ in range(N_IDLE_TLS):
            stack.enter_context(contextlib.closing(made.wrap_socket(connect(port))))
        row("an idle TLS connection", f"{(both.leat.rss() - before) / N_IDLE_TLS:,.0f} bytes", "resident memory")


def bench_tls(directory, n_rounds):
    with contextlib.ExitStack() as stack:
        both = Both(directory, stack)
        few = max(3, n_rounds // 2)
        print(f"HTTPS, 4 KiB, 64 connections kept alive, median of {few} rounds of 1 s:")
        of_leat, of_nginx = interleave(
            few, (both.leat, "/4KiB", None, both.ports["leat"]["ecdsa"], "https"),
            (both.nginx, "/4KiB", None, both.ports["nginx"]["ecdsa"], "https"))
        row_round("leat, HTTPS 4 KiB", of_leat)
        row_round("nginx, HTTPS 4 KiB", of_nginx)
        row_ratio("leat / nginx, HTTPS 4 KiB", of_leat, of_nginx, "; to reach: CPU 0.9")
        bench_latency(both)
        bench_handshakes(both)
        bench_idle_tls(both)


def p99_ms(port, connections):
    command = ["wrk", "-t1", f"-c{connections}", "-d3s", "--latency", f"http://127.0.0.1:{port}/hello"]
    output = subprocess.run(command, capture_output=True, text=True, check=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU})).stdout
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", output).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def bench_connections(directory, n_rounds):
    print("GET /hello by 10 to 10,000 connections:")
    few = max(3, n_rounds // 5)
    with running(start_nginx(directory)) as (nginx,), running(start_leat(directory, "conns")) as (leat,):
        get(leat.port)
        for connections in (10, 100, 1000, 10000):
            of_leat, of_nginx = interleave(few, (leat, "/hello", None, None, "http", connections),
                                           (nginx, "/hello", None, None, "http", connections))
            row_ratio(f"leat / nginx, {connections:,} connections", of_leat, of_nginx)
        ours, theirs = ([p99_ms(server.port, 10000) for _ in range(3)] for server in (leat, nginx))
        row("p99 at 10,000 connections", f"{statistics.median(ours) / statistics.median(theirs):.2f}",
            f"of nginx's {statistics.median(theirs):.0f} ms; to reach: 1")
