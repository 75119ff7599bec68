"""tests/e2e/leat.py: the daemon as a test sees it: started, spoken to over sockets, stopped, and found clean.

A Daemon is one `leat run` in a folder of its own.  Its configuration is text in which @NAME@ is
replaced; sections that the text lacks (listen, admin, server, log, timeouts) get the defaults of
the tests.  Ports are the kernel's: the daemon says on stderr what it listens on, and that is waited for.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

BINARY = os.environ.get("LEAT_BINARY", "build/leat")
FLAVOR = os.environ.get("LEAT_FLAVOR", "release")
SLOW = 1 if FLAVOR == "release" else 6  # how much longer things may take under a sanitizer
PATIENCE = 4 if os.environ.get("CI") and SLOW == 1 else 1  # on a machine that nobody knows: only what fails takes longer by it
TIMEOUT = 10 * SLOW  # how long anything that must happen may take to happen

REPORT = re.compile(r"AddressSanitizer|ThreadSanitizer|LeakSanitizer|UndefinedBehavior|runtime error:"
                    r"|check failed|stack smashing|buffer overflow detected")

DEFAULTS = {
    "listen": "listen: 127.0.0.1:0\n",
    "admin": 'admin: { listen: "unix:@DIR@/admin.sock" }\n',
    "server": "server: { threads: 2, compute_threads: 1 }\n",
    "log": 'log: { access: "@DIR@/access.log" }\n',
    "timeouts": "timeouts: { shutdown: 5s }\n",
}


def within(seconds):
    """The moment until which something may take, in the time of the flavour."""
    return time.monotonic() + seconds * SLOW * PATIENCE


def await_true(question, seconds=10, what="it"):
    """Asks until the answer is true: for what shows itself only by being looked at."""
    deadline = within(seconds)
    pause = threading.Event()
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what} did not come to be in {seconds * SLOW * PATIENCE} s"
        pause.wait(0.01)


# ------------------------------------------------------------------ HTTP, byte by byte

class Closed(Exception):
    """The peer closed, or reset, before a whole response."""


class Response:
    def __init__(self, version, status, reason, fields):
        self.version, self.status, self.reason, self.fields = version, status, reason, fields
        self.body = b""

    def all(self, name):
        return [v for n, v in self.fields if n == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else default

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.fields} {self.body[:300]!r}>"


class Reader:
    """What stands in `buf`, and then what _fill() adds to it."""

    def _until(self, mark):
        while mark not in self.buf:
            self._fill()
        part, _, self.buf = self.buf.partition(mark)
        return part

    def _exactly(self, size):
        parts, have = [self.buf], len(self.buf)
        while have < size:
            self.buf = b""
            self._fill()
            parts.append(self.buf)
            have += len(self.buf)
        whole = b"".join(parts)
        self.buf = whole[size:]
        return whole[:size]


class Client(Reader):
    """One connection: bytes out, responses in by their exact framing."""

    def __init__(self, address, timeout=None, receive_buffer=None):
        family = socket.AF_UNIX if isinstance(address, str) else \
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout or TIMEOUT)
        self.sock.connect(address)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def _fill(self):
        try:
            data = self.sock.recv(262144)
        except ConnectionError as error:
            raise Closed(f"reset after {self.buf[:200]!r}") from error
        except socket.timeout as error:
            raise AssertionError(f"nothing came; so far {self.buf[:200]!r}") from error
        if not data:
            raise Closed(f"closed after {self.buf[:200]!r}")
        self.buf += data

    def head(self):
        lines = self._until(b"\r\n\r\n").decode("latin1").split("\r\n")
        match = re.fullmatch(r"HTTP/(1\.[01]) ([1-5][0-9][0-9]) (.*)", lines[0])
        assert match, f"not a status line: {lines[0]!r}"
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon and re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name), f"not a field: {line!r}"
            fields.append((name.lower(), value.strip(" \t")))
        return Response(match[1], int(match[2]), match[3], fields)

    def _chunks(self):
        """The trailers that stand behind them are in self.trailers."""
        body = b""
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                self.trailers = list(iter(lambda: self._until(b"\r\n"), b""))
                return body
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"

    def response(self, head=False):
        """The next final response."""
        answer = self.head()
        while answer.status < 200:
            answer = self.head()
        length, coding = answer.get("content-length"), answer.get("transfer-encoding")
        assert not (length and coding)
        if head or answer.status in (204, 304):
            return answer
        if coding:
            assert coding == "chunked"
            answer.body = self._chunks()
        elif length is not None:
            answer.body = self._exactly(int(length))
        else:
            answer.body = self.rest()
        return answer

    def rest(self):
        """Everything until the peer closes its side."""
        while True:
            try:
                self._fill()
            except Closed as closed:
                if str(closed).startswith("reset"):
                    raise
                rest, self.buf = self.buf, b""
                return rest

    def is_closed(self, seconds=None):
        """Waits until the peer has closed; False when it has not by then. Bytes that come are an error."""
        self.sock.settimeout(seconds * SLOW if seconds else TIMEOUT)
        try:
            data = self.sock.recv(4096)
        except socket.timeout:
            return False
        except ConnectionError:
            return True
        assert data == b"" and self.buf == b"", f"bytes instead of an end: {self.buf + data!r}"
        return True

    def is_silent(self, seconds=0.1):
        """Whether nothing comes, no end either, for that long."""
        self.sock.settimeout(seconds)
        try:
            self.buf += self.sock.recv(4096)
            return False
        except socket.timeout:
            return True
        finally:
            self.sock.settimeout(TIMEOUT)

    def request(self, method, target, body=None, headers=(), host="leat.test"):
        head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n"
        head += "".join(f"{n}: {v}\r\n" for n, v in dict(headers).items())
        if body is not None:
            body = body.encode() if isinstance(body, str) else body
            head += f"Content-Length: {len(body)}\r\n"
        self.send(head.encode("latin1") + b"\r\n" + (body or b""))
        return self.response(head=method == "HEAD")

    def get(self, target, **more):
        return self.request("GET", target, **more)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ------------------------------------------------------------------ the daemon

class Daemon:
    def __init__(self, conf, env=None, shell=None, start=True, files=None, fds=(), **names):
        """`shell` goes before the daemon's command in a shell: "ulimit -n 40;"; `files` are there before it starts."""
        self.dir = tempfile.mkdtemp(prefix="leat-")
        self.names = {"DIR": self.dir, **names}
        self.path = os.path.join(self.dir, "leat.yaml")
        self.env = {**os.environ, **(env or {})}
        self.shell, self.fds, self.binary = shell, fds, os.path.abspath(BINARY)
        self.lines, self.changed = [], threading.Condition()
        self.clients, self.process, self.code = [], None, None
        self.addresses, self.admin_address = [], None
        for name, text in (files or {}).items():
            self.write(name, text)
        self.write_conf(conf)
        if start:
            self.start()

    # -------------------------------------------------------- its configuration

    def expand(self, text):
        for name, value in self.names.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(self.expand(text).encode() if isinstance(text, str) else text)
        return path

    def write_conf(self, conf, whole=False):
        missing = "" if whole else "".join(
            text for key, text in DEFAULTS.items() if not re.search(rf"^{key}:", conf, re.M))
        self.write("next.yaml", missing + conf)
        os.replace(os.path.join(self.dir, "next.yaml"), self.path)  # never seen half written

    def reload(self, conf=None):
        if conf is not None:
            self.write_conf(conf)
        return self.cli("reload")

    # -------------------------------------------------------- its life

    def start(self):
        command = [self.binary, "run", "-c", self.path]
        if self.shell:
            command = ["/bin/sh", "-c", f'{self.shell} exec "$0" "$@"', *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, env=self.env, cwd=self.dir, pass_fds=self.fds)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.await_line("serving.*version")
        for line in self.lines:
            self._note_address(line)

    def _note_address(self, line):
        match = re.search(r"listening address=(\S+)( for=admin)?", line) or \
            re.search(r'"message":"listening","address":"([^"]+)"(,"for":"admin")?', line)
        if match:
            address = parse_address(match[1])
            if match[2]:
                self.admin_address = address
            else:
                self.addresses.append(address)

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append("(end)")
            self.changed.notify_all()

    @property
    def pid(self):
        return self.process.pid

    @property
    def stderr(self):
        return "\n".join(self.lines)

    def memory_kib(self, line="VmRSS"):
        """Resident now; VmHWM: at most so far."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(words.split()[1]) for words in file if words.startswith(line))

    def await_line(self, pattern, seconds=10, after=0):
        """The first line of stderr that matches, from line number `after` on."""
        deadline = within(seconds)
        with self.changed:
            while True:
                for line in self.lines[after:]:
                    if re.search(pattern, line):
                        return line
                assert "(end)" not in self.lines, f"the daemon ended:\n{self.stderr}"
                left = deadline - time.monotonic()
                assert left > 0, f"no line /{pattern}/ in {seconds} s:\n{self.stderr}"
                self.changed.wait(left)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=10):
        """Its exit code, once it has ended by itself."""
        self.code = self.process.wait(seconds * SLOW * PATIENCE)
        self.reader.join(TIMEOUT)
        return self.code

    def restart(self, number=9):
        """Ends it by a signal, and starts it anew in the same folder."""
        self.signal(number)
        self.wait(15)
        self.process.stderr.close()
        assert not REPORT.search(self.stderr), self.stderr
        self.lines, self.addresses, self.code = [], [], None
        self.start()

    def stop(self):
        """Ends it, and fails unless it ends soon, with 0, and nothing to complain about."""
        for client in self.clients:
            client.close()
        try:
            if self.process and self.code is None:
                if self.process.poll() is None:
                    self.signal(signal.SIGTERM)
                self.wait(15)
            assert not self.process or self.code == 0, f"exit code {self.code}:\n{self.stderr}"
            assert not REPORT.search(self.stderr), self.stderr
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.process:
                self.process.stderr.close()
            shutil.rmtree(self.dir, ignore_errors=True)

    # -------------------------------------------------------- talking to it

    @property
    def port(self):
        return self.addresses[0][1]

    def connect(self, address=None, **more):
        client = Client(address or self.addresses[0], **more)
        self.clients.append(client)
        return client

    def request(self, method, target, body=None, headers=(), host="leat.test"):
        with contextlib.closing(self.connect()) as client:
            return client.request(method, target, body, headers, host)

    def get(self, target, **more):
        return self.request("GET", target, **more)

    def post(self, target, body=b"", **more):
        return self.request("POST", target, body=body, **more)

    def post_json(self, target, value):
        """`value`: what json.dumps() takes, or bytes as they are."""
        return self.post(target, value if isinstance(value, bytes) else json.dumps(value), headers={"Content-Type": "application/json"})

    def raw(self, data, head=False):
        """What a connection of its own answers to these bytes: the first response."""
        with contextlib.closing(self.connect()) as client:
            return client.send(data).response(head=head)

    def admin(self, method, target):
        with contextlib.closing(self.connect(self.admin_address)) as client:
            return client.request(method, target, body=b"" if method == "POST" else None)

    def status(self):
        return self.admin("GET", "/v1/status").json()

    def n_connections(self):
        """Open connections of clients; the admin's are not among them."""
        return sum(loop["connections"] for loop in self.status()["loops"])

    def upstream(self, name):
        return next(u for u in self.status()["upstreams"] if u["name"] == name)

    def history(self, job):
        return self.admin("GET", f"/v1/jobs/{job}/history").json()["runs"]

    def cli(self, *args, conf=True):
        return cli(*args, *(["-c", self.path] if conf else []), env=self.env, cwd=self.dir)

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def access_lines(self, at_least=0):
        """The lines of the access log, once there are that many."""
        path = os.path.join(self.dir, "access.log")

        def read():
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
            return lines if len(lines) >= at_least else None
        return await_true(read, what=f"{at_least} access lines") if at_least else read()


def by(daemon, number, method, target, **more):
    """One request by the listener of that number."""
    with daemon.connect(daemon.addresses[number]) as client:
        return client.request(method, target, **more)


def parse_address(text):
    if text.startswith("unix:"):
        return text[5:]
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port))


def cli(*args, env=None, cwd=None):
    done = subprocess.run([os.path.abspath(BINARY) if not os.path.isabs(BINARY) else BINARY, *args],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT * 3,
                          env=env, cwd=cwd, check=False)
    done.out, done.err = done.stdout.decode(), done.stderr.decode("utf-8", "replace")
    assert not REPORT.search(done.err), done.err
    assert done.returncode >= 0, f"killed by signal {-done.returncode}:\n{done.err}"
    return done


def check(text, *more, files=None, env=None):
    """`leat check` of a text: (exit code, what it printed), file names shortened to their last part."""
    folder = tempfile.mkdtemp(prefix="leat-")
    try:
        for name, content in {"leat.yaml": text, **(files or {})}.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
        done = cli("check", "-c", "leat.yaml", *more, env={**os.environ, **(env or {})}, cwd=folder)
        return done.returncode, (done.out + done.err).replace(folder + "/", "")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
