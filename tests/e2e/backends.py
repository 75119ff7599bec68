"""tests/e2e/backends.py: HTTP servers that do as they are told: answer, hang, reset, talk garbage.

A Backend listens on a port of the kernel's; each connection has a thread; each request becomes a
Call that its handler answers as it likes.  What came is counted, and can be waited for.
"""
import json
import re
import socket
import threading

from leat import TIMEOUT, Reader


class Gone(Exception):
    """The client of the backend (leat) has left."""


class Call:
    def __init__(self, backend, sock, number, head, body):
        self.backend, self.sock, self.number, self.body = backend, sock, number, body
        lines = head.decode("latin1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ")
        self.path, _, self.query = self.target.partition("?")
        self.fields = [tuple(re.split(r":\s*", line, maxsplit=1)) for line in lines[1:]]
        self.headers = {name.lower(): value for name, value in self.fields}
        self.left = threading.Event()  # set by gone(), when leat has closed

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def reply(self, body=b"", status=200, content_type="application/json", headers=(), close=False):
        body = body.encode() if isinstance(body, str) else body
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: {content_type}\r\n"
        head += "".join(f"{n}: {v}\r\n" for n, v in dict(headers).items())
        head += f"Content-Length: {len(body)}\r\n" + ("Connection: close\r\n" if close else "") + "\r\n"
        self.send(head.encode("latin1") + (b"" if self.method == "HEAD" else body))
        if close:
            raise Gone

    def json(self, value, **more):
        self.reply(json.dumps(value), **more)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        raise Gone

    def gone(self, seconds=None):
        """Waits until leat closes the connection; whether it has."""
        self.sock.settimeout(seconds or TIMEOUT)
        try:
            if self.sock.recv(1) == b"":
                self.left.set()
        except socket.timeout:
            return False
        except OSError:
            self.left.set()
        if self.left.is_set():
            with self.backend.changed:
                self.backend.n_left += 1
                self.backend.changed.notify_all()
        return self.left.is_set()

    def hang(self):
        """Never answers: waits for leat to leave."""
        self.gone(600)
        raise Gone


class Backend:
    def __init__(self, handler, backlog=128, port=0):
        self.handler = handler
        self.listener = socket.create_server(("127.0.0.1", port), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        self.changed = threading.Condition()
        self.calls, self.n_connections, self.n_open, self.n_left = [], 0, 0, 0
        self.release = threading.Event()  # for handlers that hold: set by the test, or at the end
        self.socks, self.closing = set(), False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.address}"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                self.n_connections += 1
                self.n_open += 1
                self.socks.add(sock)
                self.changed.notify_all()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            with sock:
                self._serve_calls(sock)
        except (Gone, OSError):
            pass
        finally:
            with self.changed:
                self.n_open -= 1
                self.socks.discard(sock)
                self.changed.notify_all()

    def _serve_calls(self, sock):
        buf, number = b"", 0
        while True:
            while b"\r\n\r\n" not in buf:
                data = sock.recv(65536)
                if not data:
                    return
                buf += data
            head, _, buf = buf.partition(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
            length = int(length[1]) if length else 0
            while len(buf) < length:
                data = sock.recv(65536)
                if not data:
                    return
                buf += data
            number += 1
            call = Call(self, sock, number, head, buf[:length])
            buf = buf[length:]
            with self.changed:
                self.calls.append(call)
                self.changed.notify_all()
            self.handler(call)

    def wait_for(self, question, what, seconds=None):
        with self.changed:
            assert self.changed.wait_for(question, seconds or TIMEOUT), f"the backend waited for {what}"

    def await_calls(self, n):
        self.wait_for(lambda: len(self.calls) >= n, f"{n} calls; came: {len(self.calls)}")
        return self.calls

    def await_left(self, n=1):
        """Until leat has closed n connections that a handler watched."""
        self.wait_for(lambda: self.n_left >= n, f"{n} to be left; came: {self.n_left}")

    def close(self):
        self.release.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # close() alone leaves accept() where it is
        except OSError:
            pass
        self.listener.close()
        with self.changed:
            socks = list(self.socks)
        for sock in socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class RawCall(Reader, Call):
    """A call whose body the handler reads itself, while it comes."""
    trailers = ()

    def __init__(self, backend, sock, buf):
        self.sock, self.buf = sock, buf
        super().__init__(backend, sock, 1, self._until(b"\r\n\r\n"), None)

    def _fill(self):
        try:
            data = self.sock.recv(65536)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        self.buf += data

    def chunk(self):
        """The next one; empty: the last, whose trailers are in self.trailers."""
        size = int(self._until(b"\r\n"), 16)
        if size == 0:
            self.trailers = []
            while line := self._until(b"\r\n"):
                self.trailers.append(line.decode())
            return b""
        data = self._exactly(size)
        assert self._exactly(2) == b"\r\n"
        return data

    def pieces(self):
        """Of the body, as they come."""
        if self.headers.get("transfer-encoding") == "chunked":
            while piece := self.chunk():
                yield piece
            return
        left = int(self.headers.get("content-length", 0))
        while left:
            if not self.buf:
                self._fill()
            piece, self.buf = self.buf[:left], self.buf[left:]
            left -= len(piece)
            yield piece

    def some(self):
        """What comes next, whatever it is; empty at the end."""
        if not self.buf:
            try:
                self._fill()
            except Gone:
                return b""
        piece, self.buf = self.buf, b""
        return piece


class RawBackend(Backend):
    """Of each call only the head is read."""

    def _serve_calls(self, sock):
        buf = b""
        while True:
            call = RawCall(self, sock, buf)
            with self.changed:
                self.calls.append(call)
                self.changed.notify_all()
            self.handler(call)
            buf = call.buf


# ------------------------------------------------------------------ answers by hand

def send_head(call, *fields, status=200):
    lines = "".join(f"{field}\r\n" for field in fields)
    call.send(f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode())


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


# ------------------------------------------------------------------ handlers

def answering(value, **more):
    return lambda call: call.json(value, **more)


def after(seconds, value):
    """Answers later: a backend that takes its time."""
    def handler(call):
        threading.Event().wait(seconds)
        call.json(value)
    return handler


def sending(data, close=True):
    """Sends bytes that may be anything, then closes."""
    def handler(call):
        call.send(data)
        if close:
            raise Gone
    return handler


def hanging(call):
    call.hang()


def resetting(call):
    call.reset()


def closing(call):
    raise Gone


def holding(value):
    """Answers when the test says so (backend.release), or sees leat leave."""
    def handler(call):
        call.backend.release.wait(TIMEOUT)
        call.json(value)
    return handler


def flooding(call):
    """A body of 1 GB, as far as anybody takes it."""
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    call.flooded = 0
    for _ in range(16384):
        try:
            call.send(chunk)
        except Gone:
            with call.backend.changed:
                call.backend.n_left += 1
                call.backend.changed.notify_all()
            raise
        call.flooded += len(chunk)
    call.send(b"0\r\n\r\n")


class Refusing:
    """A port that is taken, and at which nobody listens: connection refused, always."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]
        self.url = f"http://{self.address}"

    def close(self):
        self.sock.close()
