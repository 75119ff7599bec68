"""tests/e2e/test_many.py: clients that are slow, and clients that are many: others are served meanwhile, memory stays
bounded, and nothing is left.

Each test has a crowd, and a prober that asks all the while, over a connection that it keeps and over new ones.
LEAT_MANY_SECONDS and LEAT_MANY_CONNECTIONS make slowhttptest last longer and take more.
"""
import contextlib
import os
import re
import resource
import shutil
import socket
import subprocess
import threading
import time

import pytest

from certs import Certs
from leat import FLAVOR, SLOW, Client, Closed, await_true

SECONDS = int(os.environ.get("LEAT_MANY_SECONDS", "2"))
CONNECTIONS = int(os.environ.get("LEAT_MANY_CONNECTIONS", "300" if FLAVOR == "release" else "60"))
N_SLOW = 1000 if FLAVOR == "release" else 100
N_IDLE = 10000 if FLAVOR == "release" else 1000
MIB = 1 << 20

CONF = """
server: { threads: 1, compute_threads: 1 }
log: { access: off }
limits: { connections: 20000 }
timeouts: { head: 2s, body: 2s, idle: @IDLE@, write: 3s, handshake: 2s, shutdown: 5s }
routes:
  GET /hello: { reply: hello }
  GET /value/{a}: { reply: { json: "${path.a}" } }
  POST /echo: { body: { max: 2m }, reply: "${request.body}" }
  GET /text: { reply: @TEXT@ }
  GET /files/{path...}: { files: . }
"""


class Prober:
    """Asks every 10 ms; what does not get its answer, or gets another, is told at the end."""

    def __init__(self, daemon, target="/value/x", good=(200,)):
        self.daemon, self.target, self.good = daemon, target, good
        self.n_answers, self.slowest, self.failure = 0, 0, None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        kept = None
        try:
            while not self.ending.wait(0.01):
                for client in (None, kept):
                    began = time.monotonic()
                    if client is None:
                        with Client(self.daemon.addresses[0]) as new:
                            answer = new.get("/hello")
                            assert (answer.status, answer.text) == (200, "hello"), answer
                        kept = kept or Client(self.daemon.addresses[0])
                    else:
                        answer = client.get(self.target)
                        assert answer.status in self.good, answer
                        if answer.get("connection") == "close":
                            kept = None
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    self.n_answers += 1
        except (AssertionError, Closed, OSError) as error:
            self.failure = error
        finally:
            if kept:
                kept.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        try:
            await_true(lambda: self.n_answers > 5 or self.failure, seconds=30, what="answers to the prober")
        finally:
            self.ending.set()
            self.thread.join()
        assert self.failure is None, f"after {self.n_answers} answers: {self.failure!r}"


def memory(daemon):
    """Bytes that are in use, as the kernel sees it."""
    return daemon.memory_kib() * 1024


def ceiling(size):
    """A sanitizer keeps what was freed, and has its shadow."""
    return size if FLAVOR in ("release", "cover") else size * 20 + 200 * MIB


def start(leat, idle="20s", text="x", **more):
    return leat(CONF, IDLE=idle, TEXT=text, **more)


def raise_files(n):
    """As many descriptors as may be had, at most n for connections; how many those are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else n * 2 + 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, n * 2 + 1000), hard))
    return min(n, most - 500)


@contextlib.contextmanager
def crowd(daemon, n, receive_buffer=None, to=None):
    """Connections that are reset at the end: no ports stay in use."""
    socks = []
    try:
        for _ in range(n):
            sock = socket.socket()
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.settimeout(10 * SLOW)
            socks.append(sock)
            sock.connect(to or daemon.addresses[0])
        yield socks
    finally:
        for sock in socks:
            sock.close()


def all_gone(daemon):
    status = daemon.status()
    return status["connections"] == 0 and status["requests_in_work"] == 0


# ------------------------------------------------------------------ slowhttptest

MODES = {
    "slow-heads": ["-H", "-i", "1", "-x", "10", "-t", "GET", "-p", "2"],
    "slow-bodies": ["-B", "-i", "1", "-s", "100000", "-x", "10", "-t", "POST", "-p", "2"],
    "ranges": ["-R", "-a", "1", "-b", "3000", "-t", "HEAD"],
    "slow-reading": ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "3", "-p", "2"],
}
TARGETS = {"slow-heads": "/hello", "slow-bodies": "/echo", "ranges": "/files/large.bin", "slow-reading": "/files/large.bin"}


@pytest.mark.skipif(not shutil.which("slowhttptest"), reason="slowhttptest is not installed")
@pytest.mark.parametrize("mode", MODES)
def test_slowhttptest_keeps_nobody_from_being_served(leat, mode):
    daemon = start(leat, files={"large.bin": b"0123456789abcdef" * 65536})
    assert daemon.get("/files/large.bin").status == 200
    before = memory(daemon)
    with Prober(daemon):
        done = subprocess.run(
            ["slowhttptest", *MODES[mode], "-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", str(SECONDS),
             "-u", f"http://127.0.0.1:{daemon.port}{TARGETS[mode]}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS + 60 * SLOW, check=False)
        assert memory(daemon) - before < ceiling(CONNECTIONS * 64 * 1024)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert "service available:   YES" in shown, shown[-2000:]
    await_true(lambda: all_gone(daemon), what="an end of all connections")


# ------------------------------------------------------------------ many

def test_ten_thousand_connections_that_are_idle(leat):
    n = raise_files(N_IDLE)
    daemon = start(leat, idle="300s")
    assert daemon.get("/value/x").status == 200
    before = memory(daemon)
    with crowd(daemon, n) as socks:
        await_true(lambda: daemon.n_connections() == n, what=f"{n} connections")
        assert memory(daemon) - before < ceiling(n * 1024 + MIB)
        with Prober(daemon):
            for sock in socks[::50]:
                sock.sendall(b"GET /value/y HTTP/1.1\r\nHost: a\r\n\r\n")
            for sock in socks[::50]:
                assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
        await_true(lambda: daemon.n_connections() == n)
    await_true(lambda: all_gone(daemon), what="an end of all connections")


@pytest.mark.parametrize("n, target, size", [(N_SLOW, "/files/large.bin", MIB), (N_SLOW // 10, "/text", 7 * MIB)],
                         ids=["a-file", "a-constant"])
def test_connections_that_read_a_byte_a_second(leat, n, target, size):
    n = raise_files(n)
    daemon = start(leat, text="y" * 7 * MIB, files={"large.bin": b"0123456789abcdef" * 65536})
    assert len(daemon.get(target).body) == size
    before = memory(daemon)
    with crowd(daemon, n, receive_buffer=4096) as socks, Prober(daemon):
        for sock in socks:
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        for _ in range(SECONDS):
            for sock in socks:
                assert len(sock.recv(1)) == 1
            assert memory(daemon) - before < ceiling(n * 4096 + 4 * MIB)
            threading.Event().wait(1)
        assert daemon.n_connections() >= n
    await_true(lambda: all_gone(daemon), what="an end of all connections")


def test_heads_that_do_not_end_count_as_memory(leat):
    """What has no room is refused; the rest waits for its time to run out."""
    daemon = leat(CONF.replace("limits: {", "limits: { total_memory: 4m,").replace("head: 2s", "head: 60s"), IDLE="20s",
                  TEXT="x")
    n = raise_files(300)
    before = memory(daemon)
    with crowd(daemon, n) as socks, Prober(daemon, good=(200, 503)):
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"h" * 30000)
        await_true(lambda: daemon.n_connections() < n / 2, what="a refusal of what has no room")
        assert memory(daemon) - before < ceiling(4 * MIB + n * 2048 + MIB)
    await_true(lambda: all_gone(daemon), what="an end of all connections")
    assert daemon.get("/value/x").status == 200


def test_more_bodies_than_memory(leat):
    """Half a megabyte of each body comes, and the rest does not: what has no room is told so."""
    daemon = leat(CONF.replace("limits: {", "limits: { total_memory: 16m,"), IDLE="20s", TEXT="x")
    n = raise_files(200)
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    before = memory(daemon)
    with crowd(daemon, n) as socks, Prober(daemon, good=(200, 503)):
        for sock in socks:
            with contextlib.suppress(OSError):  # it may be answered and closed already
                sock.sendall(head + b"b" * 500000)
        assert memory(daemon) - before < ceiling(16 * MIB + n * 16384 + 8 * MIB)
    await_true(lambda: all_gone(daemon), what="an end of all connections")
    assert daemon.post("/echo", b"c" * 500000).status == 200


# ------------------------------------------------------------------ handshakes

def test_a_flood_of_handshakes_keeps_nobody_from_being_served(leat):
    certs = Certs()
    certs.make("rsa", "DNS:a.test", rsa=True)
    tls = f'{{ cert: {certs.path("rsa.pem")}, key: {certs.path("rsa.key")} }}'
    daemon = leat(f'listen: ["unix:@DIR@/plain", {{ address: 127.0.0.1:0, tls: {tls} }}]\n' + CONF, IDLE="20s", TEXT="x")
    port = daemon.addresses[1][1]
    said = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16\x03\x01\xff\xff", b"GET / HTTP/1.1\r\n", b"\x80")
    flood = [subprocess.Popen(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", str(SECONDS)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(4)]
    try:
        with Prober(daemon), crowd(daemon, CONNECTIONS, to=daemon.addresses[1]) as silent:
            for i, sock in enumerate(silent):  # others begin a handshake, and say no more, or what is none
                sock.sendall(said[i % len(said)])
            shown = [process.communicate(timeout=60 * SLOW)[0].decode() for process in flood]
    finally:
        for process in flood:
            process.kill()
            process.wait()
        certs.close()
    assert all(int(re.search(r"(\d+) connections in", text)[1]) > 0 for text in shown), shown
    await_true(lambda: all_gone(daemon), what="an end of all connections")
