"""Starting the daemon, talking to it, and backends that behave as a test says.

Nothing here sleeps to wait for something: lines of the log, sockets and events are awaited.
"""
import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading
import time

LEAT = os.environ.get("LEAT_BINARY", os.path.join(os.path.dirname(__file__), "../../build/leat"))
LEAT = os.path.abspath(LEAT)
SANITIZED = any(f"/{flavor}/" in os.path.realpath(LEAT) for flavor in ("asan", "tsan"))
PATIENCE = 60 if SANITIZED else 20  # seconds: how long anything that must happen may take


class Response:
    def __init__(self, status, headers, body, raw_head):
        self.status, self.headers, self.body, self.raw_head = status, headers, body, raw_head

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()

    def header(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


class Client:
    """One connection that reads answers by their framing."""

    def __init__(self, address, timeout=PATIENCE):
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, timeout=timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def fill(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def take(self, size):
        while len(self.buffer) < size:
            if not self.fill():
                raise EOFError(f"closed after {len(self.buffer)} of {size} bytes")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def take_until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise EOFError(f"closed before {mark!r}: {self.buffer[:200]!r}")
        at = self.buffer.index(mark) + len(mark)
        return self.take(at)

    def read(self, head=False, interim=False):
        """The next final response (or, with interim, the next one at all)."""
        raw = self.take_until(b"\r\n\r\n")
        lines = raw.decode("latin1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = [tuple(x.strip() for x in line.split(":", 1)) for line in lines[1:] if line]
        response = Response(status, headers, b"", raw)
        if status < 200:
            return response if interim else self.read(head)
        length = response.header("content-length")
        if head or status in (204, 304):
            return response
        if response.header("transfer-encoding") == "chunked":
            while True:
                size = int(self.take_until(b"\r\n").split(b";")[0], 16)
                data = self.take(size + 2)[:-2] if size else b""
                response.body += data
                if size == 0:
                    self.take_until(b"\r\n")
                    return response
        response.body = self.take(int(length))
        return response

    def request(self, method, path, headers=None, body=None, version="1.1"):
        lines = [f"{method} {path} HTTP/{version}"]
        headers = dict(headers or {})
        if "Host" not in headers:
            lines.append("Host: test")
        if body is not None:
            body = body.encode() if isinstance(body, str) else body
            headers.setdefault("Content-Length", str(len(body)))
        lines += [f"{n}: {v}" for n, v in headers.items()]
        self.send("\r\n".join(lines).encode("latin1") + b"\r\n\r\n" + (body or b""))
        return self.read(head=method == "HEAD")

    def is_closed(self):
        """Waits for the end of the connection; False when something else comes."""
        try:
            return self.sock.recv(1) == b"" and not self.buffer
        except ConnectionResetError:
            return True


class Daemon:
    def __init__(self, folder, text, name="leat.yaml", env=None, preexec=None, args=(), ready=True):
        self.folder = str(folder)
        self.path = os.path.join(self.folder, name)
        self.admin = os.path.join(self.folder, "admin.sock")
        self.write(text)
        self.log = []
        self.log_grew = threading.Condition()
        environment = dict(os.environ)
        environment.pop("NOTIFY_SOCKET", None)
        environment.update(env or {})
        self.process = subprocess.Popen(
            [LEAT, "run", "-c", self.path, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=self.folder, env=environment, preexec_fn=preexec)
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        self.ports, self.unix = [], []
        if ready:
            self.await_log(r"serving\W.*version")
            for line in self.log:
                found = re.search(r'listening\W.*address"?[=:]"?([^" ]+)"?(.*admin)?', line)
                if found and not found.group(2):
                    if found.group(1).startswith("unix:"):
                        self.unix.append(found.group(1)[5:])
                    else:
                        self.ports.append(int(found.group(1).rsplit(":", 1)[1]))

    def write(self, text):
        """The configuration, with an admin socket and (unless it says otherwise) one port of the kernel's choice."""
        if "\nadmin:" not in "\n" + text:
            text = f'admin: {{ listen: "unix:{self.admin}" }}\n' + text
        if "\nlisten:" not in "\n" + text:
            text = "listen: [127.0.0.1:0]\n" + text
        temporary = self.path + ".new"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, self.path)

    def _read_log(self):
        for line in self.process.stderr:
            with self.log_grew:
                self.log.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.log_grew.notify_all()
        with self.log_grew:
            self.log.append("<end of the log>")
            self.log_grew.notify_all()

    def await_log(self, pattern, count=1):
        """The lines that match, once there are `count` of them."""
        deadline = time.monotonic() + PATIENCE
        with self.log_grew:
            while True:
                found = [line for line in self.log if re.search(pattern, line)]
                if len(found) >= count:
                    return found
                ended = self.log and self.log[-1] == "<end of the log>"
                if ended or not self.log_grew.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no line {pattern!r} in the log:\n" + "\n".join(self.log))

    @property
    def port(self):
        return self.ports[0]

    def connect(self, port=None):
        return Client(("127.0.0.1", port or self.port))

    def request(self, method, path, headers=None, body=None):
        with self.connect() as client:
            return client.request(method, path, headers, body)

    def get(self, path, **headers):
        return self.request("GET", path, headers)

    def ask(self, method, path):
        with Client(self.admin) as client:
            return client.request(method, path, body="" if method == "POST" else None)

    def status(self):
        return self.ask("GET", "/v1/status").json()

    def command(self, *args):
        return run_leat(*args, "-c", self.path)

    def reload(self, text=None):
        if text is not None:
            self.write(text)
        return self.command("reload")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """SIGTERM, and an exit that is clean."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        self.wait()

    def wait(self, code=0):
        try:
            got = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the daemon did not end:\n" + "\n".join(self.log[-50:]))
        self.reader.join(PATIENCE)
        log = "\n".join(self.log)
        assert "Sanitizer" not in log and "check failed" not in log, log
        assert got == code, f"exit code {got}\n{log}"


def run_leat(*args, env=None, stdin=None):
    environment = dict(os.environ)
    environment.update(env or {})
    return subprocess.run([LEAT, *args], capture_output=True, text=True, timeout=PATIENCE * 2, env=environment,
                          input=stdin, check=False)


class Backend:
    """A server on a port of the kernel's choice; `handle(exchange)` says what each request gets."""

    def __init__(self, handle):
        self.handle = handle
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.sock.getsockname()[1]
        self.lock = threading.Lock()
        self.requests = []       # (method, target, headers, body)
        self.n_connections = 0
        self.n_now = self.n_most = 0  # requests that are being handled; the most there were at once
        self.closed = queue.Queue()   # a target for each connection that the peer closed while handled
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with self.lock:
                self.n_connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn:
            try:
                while self._serve_one(conn):
                    pass
            except OSError:
                pass

    def _serve_one(self, conn):
        data = b""
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                return False
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {n.lower(): v.strip() for n, v in (line.split(":", 1) for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        while len(body) < length:
            body += conn.recv(65536)
        with self.lock:
            self.requests.append((method, target, headers, body))
            self.n_now += 1
            self.n_most = max(self.n_most, self.n_now)
        try:
            return self.handle(Exchange(self, conn, method, target, headers, body)) is not False
        finally:
            with self.lock:
                self.n_now -= 1


class Exchange:
    def __init__(self, backend, conn, method, target, headers, body):
        self.backend, self.conn = backend, conn
        self.method, self.target, self.headers, self.body = method, target, headers, body

    def send(self, data):
        self.conn.sendall(data)

    def reply(self, body=b"", status="200 OK", type="text/plain", headers=""):
        body = body.encode() if isinstance(body, str) else body
        self.send(f"HTTP/1.1 {status}\r\nContent-Type: {type}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
                  .encode() + (b"" if self.method == "HEAD" else body))

    def json(self, value, **kwargs):
        self.reply(json.dumps(value), type="application/json", **kwargs)

    def reset(self):
        self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False

    def hang(self):
        """Answers nothing until the peer closes, which is then told to backend.closed."""
        self.conn.settimeout(PATIENCE)
        try:
            gone = self.conn.recv(1) == b""
        except OSError:
            gone = True
        if gone:
            self.backend.closed.put(self.target)
        return False


def json_backend(value):
    return Backend(lambda exchange: exchange.json(value))


def free_port():
    """A port on which nobody listens (for a moment at least)."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]
