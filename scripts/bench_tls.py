"""scripts/bench_tls.py: what TLS and many connections cost, beside nginx, for scripts/bench."""
import contextlib
import os
import re
import ssl
import statistics
import subprocess
import sys
import time

from bench_servers import (FILE_ROUTE, LOAD_CPU, connect, free_ports, get, interleave, on_load_cpu, row, row_ratio, row_round,
                           running, start_leat, start_nginx)

SIZES = {"4 KiB": 4 << 10, "16 KiB": 16 << 10, "64 KiB": 64 << 10}
N_HANDSHAKES = 200
HANDSHAKES = [(version, kind, resume) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
              for kind, resume in (("ecdsa", False), ("rsa", False), ("ecdsa", True))]
N_LATENCIES = 400
N_IDLE_TLS = 500


def path_of(name):
    return "/files/" + name.replace(" ", "") + ".txt"


def receive(sock):
    return sock.recv(262144) or sys.exit("bench: a server closed the connection")


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
        plain, other_plain, *ports = free_ports(6)
        for kind in ("ecdsa", "rsa"):
            make_certificate(directory, kind)
            port, other = ports.pop(), ports.pop()
            self.ports["leat"][kind], self.ports["nginx"][kind] = port, other
            listen.append(f'  - {{ address: "127.0.0.1:{port}", tls: {{ cert: {kind}.pem, key: {kind}.key }} }}')
            servers += (f"server {{ listen 127.0.0.1:{other} ssl; ssl_certificate {directory}/{kind}.pem; "
                        f"ssl_certificate_key {directory}/{kind}.key; ssl_protocols TLSv1.2 TLSv1.3; "
                        f"location / {{ root {directory}; }} }}\n")
        for name, size in SIZES.items():  # both serve the same files
            with open(directory + path_of(name), "w", encoding="ascii") as file:
                file.write("x" * size)
        self.nginx = stack.enter_context(running(start_nginx(directory, servers, other_plain)))[0]
        listen.append(f'  - "127.0.0.1:{plain}"')
        self.leat = stack.enter_context(running(start_leat(
            directory, "tls", port=plain, listen="\n" + "\n".join(listen),
            more_routes=FILE_ROUTE)))[0]


def context(version=ssl.TLSVersion.TLSv1_3):
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = version
    return made


def latencies(port, path):
    """Microseconds of each answer on one connection that is kept alive, in order of size."""
    took = []
    with on_load_cpu(), contextlib.closing(context().wrap_socket(connect(port))) as sock:
        for _ in range(N_LATENCIES):
            started = time.perf_counter()
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            data = b""
            while b"\r\n\r\n" not in data:
                data += receive(sock)
            head, body = data.split(b"\r\n\r\n", 1)
            if b" 200 " not in head.split(b"\r\n")[0]:
                sys.exit(f"bench: port {port} answers {path} with {head!r}")
            left = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1)) - len(body)
            while left > 0:
                left -= len(receive(sock))
            took.append((time.perf_counter() - started) * 1e6)
    return sorted(took)


def new_session(made, port):
    """One to be resumed: of TLS 1.3 it comes behind the handshake, with what is read first."""
    with contextlib.closing(made.wrap_socket(connect(port))) as sock:
        sock.sendall(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
        receive(sock)
        return sock.session


def handshakes(server, port, version, resume):
    """Microseconds of the server's CPU, and of time, for each of N_HANDSHAKES."""
    made = context(version)
    session = new_session(made, port) if resume else None
    with on_load_cpu():
        before, started = server.cpu_ns(), time.perf_counter()
        for _ in range(N_HANDSHAKES):
            with contextlib.closing(made.wrap_socket(connect(port), session=session)) as sock:
                if sock.session_reused != resume:
                    sys.exit(f"bench: {server.name} {'resumed' if sock.session_reused else 'did not resume'} a session")
    return ((server.cpu_ns() - before) / 1000 / N_HANDSHAKES, (time.perf_counter() - started) * 1e6 / N_HANDSHAKES)


def bench_latency(both):
    print("HTTPS, one connection kept alive, of each answer:")
    for name in SIZES:
        p50, slowest = {"leat": [], "nginx": []}, {"leat": 0, "nginx": 0}
        for _ in range(7):
            for who, results in p50.items():
                took = latencies(both.ports[who]["ecdsa"], path_of(name))
                results.append(took[len(took) // 2])
                slowest[who] = max(slowest[who], took[-1])
        ours, theirs = (statistics.median(p50[who]) for who in ("leat", "nginx"))
        row(f"p50 over TLS, {name}", f"{ours / theirs:.2f}",
            f"of nginx's {theirs:.0f} us; to reach: 1.2; slowest {slowest['leat'] / 1000:.1f} and "
            f"{slowest['nginx'] / 1000:.1f} ms")


def bench_handshakes(both):
    print(f"handshakes ({N_HANDSHAKES} one after the other), CPU each:")
    for version, kind, resume in HANDSHAKES:
        cpu, took = {"leat": [], "nginx": []}, {"leat": [], "nginx": []}
        for _ in range(5):
            for who in cpu:
                server = both.leat if who == "leat" else both.nginx
                cpu_us, time_us = handshakes(server, both.ports[who][kind], version, resume)
                cpu[who].append(cpu_us)
                took[who].append(time_us)
        ours, theirs = (statistics.median(cpu[who]) for who in ("leat", "nginx"))
        rates = [1e6 / statistics.median(took[who]) for who in ("leat", "nginx")]
        row(f"handshake of TLS {version.name[-3:].replace('_', '.')}, {'resumed' if resume else kind}", f"{ours / theirs:.2f}",
            f"of nginx's CPU; {ours:.0f} and {theirs:.0f} us; {rates[0]:.0f} and {rates[1]:.0f} a second")


def idle_tls_bytes(server, port):
    made = context()
    with contextlib.ExitStack() as stack:
        with contextlib.closing(made.wrap_socket(connect(port))):
            before = server.rss()
        for _ in range(N_IDLE_TLS):
            stack.enter_context(contextlib.closing(made.wrap_socket(connect(port))))
        return (server.rss() - before) / N_IDLE_TLS


def bench_idle_tls(both):
    ours = idle_tls_bytes(both.leat, both.ports["leat"]["ecdsa"])
    theirs = idle_tls_bytes(both.nginx, both.ports["nginx"]["ecdsa"])
    row("an idle TLS connection", f"{ours:,.0f} bytes", f"resident memory; nginx: {theirs:,.0f}")


def with_both(bench):
    def run(directory, n_rounds):
        with contextlib.ExitStack() as stack:
            bench(Both(directory, stack))
    return run


def bench_https(directory, n_rounds):
    with contextlib.ExitStack() as stack:
        both = Both(directory, stack)
        few = max(3, n_rounds // 2)
        print(f"HTTPS, 4 KiB, 64 connections kept alive, median of {few} rounds of 1 s:")
        of_leat, of_nginx = interleave(
            few, (both.leat, path_of("4 KiB"), None, both.ports["leat"]["ecdsa"], "https"),
            (both.nginx, path_of("4 KiB"), None, both.ports["nginx"]["ecdsa"], "https"))
        row_round("leat, HTTPS 4 KiB", of_leat)
        row_round("nginx, HTTPS 4 KiB", of_nginx)
        row_ratio("leat / nginx, HTTPS 4 KiB", of_leat, of_nginx, "; to reach: CPU 0.9")


def p99_ms(server, connections):
    command = ["wrk", "-t1", f"-c{connections}", "-d3s", "--latency", f"http://127.0.0.1:{server.port}/hello"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60,
                            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU})).stdout
    if "Socket errors" in output:
        sys.exit(f"bench: errors under load of {server.name}:\n{output}")
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


def bench_p99(directory, n_rounds):
    print("p99 of GET /hello by 10 to 10,000 connections:")
    with running(start_nginx(directory)) as (nginx,), running(start_leat(directory, "conns")) as (leat,):
        for connections in (10, 100, 1000, 10000):
            pairs = [(p99_ms(leat, connections), p99_ms(nginx, connections)) for _ in range(5)]
            ours, theirs = (statistics.median(column) for column in zip(*pairs))
            row(f"p99 at {connections:,} connections", f"{ours / theirs:.2f}",
                f"of nginx's {theirs:.2f} ms{'; to reach: 1' if connections == 10000 else ''}")
