"""tests/e2e/peer_hosts.py: two daemons that know each other, and what stands between them or in the place of one."""
import hashlib
import hmac
import os
import select
import socket
import struct
import subprocess
import threading

import pytest

from databases import free_port
from leat import SLOW, TIMEOUT, Closed, await_true

KEY = "0123456789abcdef0123456789abcdef"
BEAT, GRACE = f"{int(400 * SLOW)}ms", f"{int(300 * SLOW)}ms"

ALPHA = """
listen: 127.0.0.1:@PORT@
peers:
  beta: { address: "127.0.0.1:@BETA@", as: alpha, key: @KEY@ @MORE@ }
actors:
  back:
    expose: true
    state: ""
    handlers:
      put: { set: "${state + string(message) + ' '}" }
      get: { method: GET, reply: { json: "${state}" } }
      call: { tasks: { t: { send: log@beta, handler: answer, message: "${message}" } } }
@LINKS@
routes:
  POST /ask/{handler}:
    timeout: @TIMEOUT@
    tasks: { t: { ask: counter@beta, handler: "${path.handler}", message: "${request.body}" } }
    reply: { json: { value: "${t}" } }
  POST /cart/{id}/{handler}:
    tasks: { t: { ask: "cart/${path.id}@beta", handler: "${path.handler}" } }
    reply: { json: "${t}" }
  POST /any:
    tasks: { t: { ask: "${query.to}", handler: get } }
    reply: { json: "${t}" }
  POST /send:
    body: { type: json }
    tasks: { t: { send: "order@127.0.0.1:@BETA@", handler: put, message: "${item}", each: "${body}", concurrency: 256 } }
"""

BETA = """
listen: 127.0.0.1:@PORT@
timeouts: { shutdown: 5s }
peers:
  alpha: { as: beta, key: @KEY@ @MORE@ }
actors:
  counter:
    state: { n: 0 }
    handlers:
      add: { set: { n: "${state.n + number(message)}" }, reply: { json: "${state.n}" } }
      get: { reply: { json: "${state.n}" } }
      no: { tasks: { t: { fail: no_way, status: 418, detail: because } } }
      await: { timeout: 60s, tasks: { t: { await: go, wait: 60s } }, reply: { json: done } }
      pause: { tasks: { t: { wait: 700ms } }, reply: { json: done } }
      who: { reply: { json: "${sender}" } }
      twice: { reply: { json: "${message + message}" } }
  cart/{user}:
    expose: true
    state: "${path.user}"
    handlers: { get: { reply: { json: "${state}" } } }
  order:
    expose: true
    state: { n: 0, right: true }
    mailbox: { messages: 20000 }
    handlers:
      put: { set: { n: "${state.n + 1}", right: "${state.right && message == state.n}" } }
      get: { method: GET, reply: { json: "${state}" } }
  log:
    handlers:
      answer: { tasks: { t: { send: "${sender.actor}", handler: put, message: "${message}" } } }
  frail:
    expose: true
    restart: reset
    handlers: { fall: { tasks: { t: { fail: fallen } } } }
routes:
  POST /go: { tasks: { t: { signal: go, wake: all, keep: 1m } } }
"""

LINKED = """
  watcher:
    expose: true
    state: ""
    links: { frail@beta: told, nobody@beta: told }
    handlers:
      told: { set: "${state + message.actor + '=' + message.reason + ' '}" }
      get: { method: GET, reply: { json: "${state}" } }
"""


class Pair:
    """Two daemons: alpha connects to beta, which cannot connect to alpha."""

    def __init__(self, stage, more="", key=KEY, links="", timeout="10s", through=None, start=True):
        self.port = free_port()
        names = {"MORE": more, "LINKS": links, "TIMEOUT": timeout}
        self.beta = stage.leat(BETA, PORT=self.port, KEY=KEY, start=start, **names)
        to = through(self.port) if through else self.port
        self.alpha = stage.leat(ALPHA, PORT=free_port(), BETA=to, KEY=key, **names)

    def ask(self, handler, value=""):
        return self.alpha.post(f"/ask/{handler}", body=str(value).encode())

    def code(self, handler, value=""):
        answer = self.ask(handler, value)
        return answer.json().get("code") if answer.status != 200 else None

    def asking(self, handler, value=""):
        """The same in a thread; `.answer` when it has ended."""
        def run():
            thread.answer = self.ask(handler, value)
        thread = threading.Thread(target=run)
        thread.start()
        await_true(lambda: peer(self.alpha, "beta")["unanswered"] > 0, what="the message is there")
        return thread

    def told(self):
        return self.alpha.get("/watcher/get").json().split()


def peer(daemon, name):
    return {one["name"]: one for one in daemon.admin("GET", "/v1/peers").json()["peers"]}[name]


class Stranger:
    """The protocol once more, from its description."""

    def __init__(self, port, upgrade="leat-peer/1", name=b"alpha", to=b"beta", room=None):
        self.name, self.to = name, to
        self.sock = socket.socket()
        if room:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(b"GET /.well-known/leat-peer HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                          b"Upgrade: " + upgrade.encode() + b"\r\n\r\n")
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.fill()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.keys, self.counts = None, [0, 0]

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed("closed")
        self.data += data

    def seal(self, side, frame):
        text = struct.pack(">Q", self.counts[side]) + hashlib.sha256(frame).digest()
        self.counts[side] += 1
        return hmac.new(self.keys[side], text, hashlib.sha256).digest()[:16]

    def send(self, kind, body):
        sealed = 16 if self.keys else 0
        frame = struct.pack(">IB", 1 + len(body) + sealed, kind) + body
        self.sock.sendall(frame + (self.seal(0, frame) if sealed else b""))

    def frame(self):
        while len(self.data) < 4 or len(self.data) < 4 + struct.unpack(">I", self.data[:4])[0]:
            self.fill()
        size = 4 + struct.unpack(">I", self.data[:4])[0]
        frame, self.data = self.data[:size], self.data[size:]
        if self.keys:
            assert self.seal(1, frame[:-16]) == frame[-16:]
            frame = frame[:-16]
        return frame[4], frame[5:]

    def hello(self, name=None, to=None, version=1):
        name, to = name or self.name, to or self.to
        self.nonce = os.urandom(32)
        self.said = [name, to, self.nonce]
        self.send(1, bytes([version]) + self.nonce + struct.pack(">Q", 7) + bytes([len(name)]) + name + bytes([len(to)]) + to)
        kind, body = self.frame()
        assert kind == 2 and len(body) == 104
        self.theirs = body
        return body

    def proof(self, label, key=KEY):
        name, to, nonce = self.said
        text = b"".join(bytes([len(part)]) + part for part in (b"leat-peer/1", label, name, to))
        text += struct.pack(">Q", 7) + nonce + self.theirs[32:40] + self.theirs[:32]
        return hmac.new(key.encode(), text, hashlib.sha256).digest()

    def enter(self, key=KEY):
        self.hello()
        assert self.theirs[40:72] == self.proof(b"accepts", key)
        self.send(3, self.proof(b"connects", key))
        if key:
            self.keys = [self.proof(b"seals of who connects", key), self.proof(b"seals of who accepts", key)]
        assert self.frame() == (4, struct.pack(">I", 1 << 20))
        self.send(4, struct.pack(">I", 1 << 20))
        kind, self.first_ping = self.frame()  # which says what the other side knows
        assert kind == 20

    def until(self, kind):
        """The next frame of that type; others are passed over."""
        frame = self.frame()
        while frame[0] != kind:
            frame = self.frame()
        return frame

    def message(self, number, actor=b"counter", handler=b"add", value=b"1", timeout_ms=0):
        def text(one):
            return struct.pack(">H", len(one)) + one
        return struct.pack(">QIB", number, timeout_ms, 1) + text(actor) + text(handler) + text(b"") + text(b"") + value

    def is_refused(self):
        """The connection ends; and before there is a heartbeat, whose silence would end any."""
        try:
            while self.frame()[0] != 20:
                pass
            return False
        except (Closed, ConnectionError):
            return True


class Stalling:
    """Passes bytes on to a port, until it is told to pass none (and says nothing of it)."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.to, self.stalled, self.socks = self.listener.getsockname()[1], port, False, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.pairs, self.over, self.cutting, self.at_rest = {}, False, False, False
        self.thread.start()

    def run(self):
        while not self.over:
            self.at_rest = self.stalled
            if self.cutting:
                for sock in self.pairs:
                    sock.close()
                self.pairs, self.cutting = {}, False
            watched = [self.listener, *(self.pairs if not self.stalled else [])]
            for sock in select.select(watched, [], [], 0.02)[0]:
                if sock is self.listener:
                    a, b = sock.accept()[0], socket.create_connection(("127.0.0.1", self.to))
                    self.pairs.update({a: b, b: a})
                    continue
                if sock not in self.pairs:
                    continue  # it went with the other one
                try:
                    data = sock.recv(65536)
                    self.pairs[sock].sendall(data)
                except OSError:
                    data = b""
                if not data:
                    other = self.pairs.pop(sock)
                    del self.pairs[other]
                    sock.close()
                    other.close()

    def stall(self):
        """What comes from now on stays here."""
        self.stalled = True
        await_true(lambda: self.at_rest)

    def has_bytes(self):
        return bool(select.select(list(self.pairs), [], [], 0)[0])

    def cut(self):
        """All connections end, with what is on its way by them; others may be made."""
        self.cutting = True
        await_true(lambda: not self.cutting)

    def close(self):
        self.over = True
        self.thread.join(TIMEOUT)
        for sock in (self.listener, *self.pairs):
            sock.close()


class Networks:
    """Hosts in network namespaces, on one bridge: h0 is 10.99.0.10, h1 10.99.0.11, …"""

    def __init__(self, n_hosts):
        self.names = [f"leat{os.getpid()}-{i}" for i in range(n_hosts + 1)]
        self.bridge = self.names[-1]
        try:
            self.ip("-batch", "-", lines=[f"netns add {name}" for name in self.names])
        except (OSError, subprocess.CalledProcessError):
            self.close()
            pytest.skip("no network namespaces can be made here (ip, of iproute2, as root)")
        self.ip("-n", self.bridge, "-batch", "-", lines=["link add br0 type bridge", "link set br0 up"])
        for i, name in enumerate(self.names[:-1]):
            self.ip("-n", name, "-batch", "-", lines=[
                f"link add eth0 type veth peer name to{i} netns {self.bridge}", f"addr add 10.99.0.1{i}/24 dev eth0",
                "link set eth0 up"])
        self.ip("-n", self.bridge, "-batch", "-", lines=[f"link set to{i} master br0 up" for i in range(n_hosts)])

    @staticmethod
    def ip(*args, lines=()):
        subprocess.run(["ip", *args], check=True, capture_output=True, timeout=TIMEOUT, input="\n".join(lines).encode())

    def cut(self, i, down=True):
        self.ip("-n", self.bridge, "link", "set", f"to{i}", "down" if down else "up")

    def shell(self, i):
        return f'exec nsenter --net=/run/netns/{self.names[i]} "$0" "$@";'

    def close(self):
        ending = [subprocess.Popen(["ip", "netns", "del", name], stderr=subprocess.DEVNULL) for name in self.names]
        for one in ending:  # each waits for the kernel
            one.wait()


def stalls(stage):
    """What bytes pass through, in a list when it is there; and what puts it in front of a port."""
    between = []

    def through(port):
        between.append(Stalling(port))
        stage.backends.append(between[0])
        return between[0].port
    return between, through
