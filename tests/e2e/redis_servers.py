"""tests/e2e/redis_servers.py: Redis servers for tests: real ones in folders of their own, and false ones that say what a test wants."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
from leat import SLOW, within

needs_redis = pytest.mark.skipif(not shutil.which("redis-server"),
                                 reason="no redis-server here; install the package redis-server")


def encode(*args):
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class RedisError(Exception):
    pass


class Link:
    """A client that speaks the protocol, for what a test does beside the daemon; and the reader of a false server."""

    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile("rb")

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        assert kind == b"*", line
        return None if rest == b"-1" else [self.read() for _ in range(int(rest))]

    def ask(self, *args):
        self.sock.sendall(encode(*args))
        return self.read()

    def close(self):
        self.file.close()
        self.sock.close()


def free_port():
    """Of the kernel's choice; from a range from which no outgoing connection takes one meanwhile."""
    with contextlib.closing(socket.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class RedisServer:
    """One redis-server: on a unix socket, and on a port if it has one. It is stopped by its pid."""

    def __init__(self, *options, port=0, program="redis-server", password=None, conf=None):
        self.dir = tempfile.mkdtemp(prefix="leat-redis-")
        self.socket, self.options = os.path.join(self.dir, "s"), options
        self.port, self.program, self.password, self.process = port, program, password, None
        self.conf = conf
        self.start()

    @property
    def url(self):
        return f"unix:{self.socket}"

    def start(self):
        command = [self.program]
        if self.conf is not None:
            path = os.path.join(self.dir, "redis.conf")
            if not os.path.exists(path):
                with open(path, "w", encoding="ascii") as file:
                    file.write(self.conf)
            command.append(path)
            if self.program == "redis-sentinel":
                command = ["redis-server", path, "--sentinel"]
        command += ["--port", str(self.port), "--unixsocket", self.socket, "--dir", self.dir, "--save", "",
                    "--appendonly", "no", "--bind", "127.0.0.1", "--daemonize", "no", *self.options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=self.dir)
        self.lines = []
        threading.Thread(target=self._drain, args=(self.process.stdout,), daemon=True).start()
        deadline = within(10)
        while True:
            with contextlib.suppress(OSError, RedisError):
                with contextlib.closing(self.link(login=False)) as link:
                    with contextlib.suppress(RedisError):
                        link.ask("PING")
                    return
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, "the server does not begin to serve"
            time.sleep(0.01)

    def _drain(self, pipe):
        with pipe:
            for line in pipe:
                self.lines.append(line.decode("utf-8", "replace"))

    def link(self, login=True):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10 * SLOW)
        sock.connect(self.socket)
        link = Link(sock)
        if login and self.password:
            link.ask("AUTH", self.password)
        return link

    def ask(self, *args):
        with contextlib.closing(self.link()) as link:
            return link.ask(*args)

    def says(self, text, section):
        """Whether INFO has that text; not while it changes its role, when it drops its clients."""
        with contextlib.suppress(OSError, RedisError):
            return text.encode() in self.ask("INFO", section)
        return False

    def kill(self):
        """As a crash: no goodbye."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.go_on()
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class FalseServer:
    """Listens on a unix socket, or a port; `serve(link)` speaks on each connection, in a thread of its own."""

    def __init__(self, serve, port=None):
        self.dir = tempfile.mkdtemp(prefix="leat-false-")
        self.path, self.serve, self.links, self.n_connections = os.path.join(self.dir, "s"), serve, [], 0
        self.listener = socket.socket(socket.AF_INET if port else socket.AF_UNIX)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port) if port else self.path)
        self.listener.listen(64)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"unix:{self.path}"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.n_connections += 1
            link = Link(sock)
            self.links.append(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        with contextlib.suppress(OSError, ConnectionError, ValueError):
            self.serve(link)
        with contextlib.suppress(OSError):
            link.sock.shutdown(socket.SHUT_RDWR)
        link.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            with contextlib.suppress(OSError):
                link.sock.shutdown(socket.SHUT_RDWR)
        shutil.rmtree(self.dir, ignore_errors=True)
