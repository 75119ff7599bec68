"""tests/e2e/test_live_stress.py: two daemons under everything at once: questions and messages to each other's actors both
ways, by both forms; publications to event streams and WebSockets that come and are cut at any point; the connection between
the hosts cut, their entries changed, the live routes taken away and brought back, each by reloads. Nothing may break, and
afterwards everything works. LEAT_STRESS=SECONDS runs it for longer, with upgrades."""
import os
import random
import select
import socket
import struct
import threading
import time

from databases import free_port
from leat import SLOW, Client, Closed, Daemon, await_true
from peer_hosts import KEY, peer
from upgrades import own_program, upgrade

SECONDS = float(os.environ.get("LEAT_STRESS", 2))

HOST = """
listen: 127.0.0.1:@PORT@
server: { threads: 3, compute_threads: 1 }
limits: { connections: 500 }
timeouts: { shutdown: 10s }
peers:
  @OTHER@: { as: @SELF@, key: @KEY@, address: "127.0.0.1:@TO@", heartbeat: @BEAT@ms, grace: 20ms, timeout: 2s }
  wire: { form: libprocess, auth: none, address: "127.0.0.1:@LINE@", as: "127.0.0.1:@PORT@", from: [127.0.0.1], heartbeat: @BEAT@ms }
actors:
  echo:
    state: { n: 0 }
    links: { echo@@OTHER@: told, gone@@OTHER@: told, echo@wire: told }
    handlers:
      put: { set: { n: "${state.n + 1}" }, reply: { json: "${state.n}" } }
      tell: { tasks: { p: { publish: "t1", message: "${message}" } } }
      told: { tasks: { p: { publish: "t2", message: "${message.reason}" } } }
      wait: { timeout: 5s, tasks: { w: { wait: 20ms } }, reply: { json: 1 } }
  frail:
    restart: stop
    handlers: { fall: { tasks: { f: { fail: fallen } } } }
routes:
  POST /ask/{handler}: { timeout: 2s, tasks: { t: { ask: echo@@OTHER@, handler: "${path.handler}", message: 1 } }, reply: { json: "${t}" } }
  POST /send/{host}/{handler}:
    timeout: 2s
    tasks: { t: { send: "echo@${path.host}", handler: "${path.handler}", message: "${item}", each: [1, 2, 3, 4, 5, 6, 7, 8], concurrency: 8 } }
  POST /fall: { timeout: 2s, tasks: { t: { send: frail@@OTHER@, handler: fall, message: 1 } } }
  POST /publish/{topic}: { tasks: { p: { publish: "${path.topic}", message: "${query.text ?? ''}" } } }
  GET /hello: { reply: hello }
@LIVE@
"""

LIVE = """
  GET /one: { events: { subscribe: t1, history: 5, ping: 50ms, queue: 8k } }
  GET /two: { events: { subscribe: [t1, t2, t1], history: 3, queue: 8k, slow: disconnect, lost: lost, on_close: { tasks: { p: { publish: t2, message: left } } } } }
  GET /ws:
    websocket:
      subscribe: [t2, t1]
      queue: 8k
      ping: 50ms
      pong: 200ms
      on_open: { tasks: { p: { publish: t1, message: came } } }
      on_message: { tasks: { p: { publish: t1, message: "${message.text}" }, s: { send: echo@@OTHER@, handler: put, message: 1 } }, reply: { text: ok } }
      on_close: { tasks: { p: { publish: t2, message: left } } }
"""


class Way(threading.Thread):
    """Passes bytes on to a port, by pieces of any size, and cuts a connection when told."""

    def __init__(self, to):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.to, self.pairs, self.over, self.cuts = self.listener.getsockname()[1], to, {}, False, 0
        self.start()

    def end(self, sock, hard):
        for one in (sock, self.pairs.pop(sock)):
            self.pairs.pop(one, None)
            if hard:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

    def accept(self):
        ours = self.listener.accept()[0]
        try:
            theirs = socket.create_connection(("127.0.0.1", self.to), 5)
        except OSError:
            ours.close()
            return
        self.pairs.update({ours: theirs, theirs: ours})

    def run(self):
        while not self.over:
            while self.cuts and self.pairs:
                self.end(random.choice(list(self.pairs)), random.random() < 0.5)
                self.cuts -= 1
            for sock in select.select([self.listener, *self.pairs], [], [], 0.02)[0]:
                if sock is self.listener:
                    self.accept()
                elif sock in self.pairs:
                    try:
                        data = sock.recv(random.choice([7, 1000, 65536]))
                        self.pairs[sock].sendall(data)
                    except OSError:
                        data = b""
                    if not data:
                        self.end(sock, False)

    def close(self):
        self.over = True
        self.join()
        for sock in (self.listener, *self.pairs):
            sock.close()


class Host:
    def __init__(self, stage, port, other, name):
        self.ways = [Way(other), Way(other)]
        stage.backends.extend(self.ways)
        self.names = {"PORT": port, "TO": self.ways[0].port, "LINE": self.ways[1].port, "KEY": KEY, "SELF": name, "OTHER": "b" if name == "a" else "a"}

        def keep(conf, start, **more):
            daemon = Daemon(conf, start=False, **more)
            stage.daemons.append(daemon)
            return daemon
        self.daemon = own_program(keep, self.conf(), **self.names)
        self.address = ("127.0.0.1", port)
        self.changing = threading.Lock()

    def conf(self, beat=400, live=True):
        return HOST.replace("@BEAT@", str(int(beat * SLOW))).replace("@LIVE@", LIVE if live else "")


class Stress:
    def __init__(self, hosts, seconds):
        self.hosts, self.until, self.errors = hosts, time.monotonic() + seconds, []

    def run(self, work, seed):
        chance = random.Random(seed)
        while time.monotonic() < self.until and not self.errors:
            host = chance.choice(self.hosts)
            try:
                work(chance, host)
            except (OSError, Closed):
                pass  # it was cut, or it is full
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(f"{work.__name__}: {error!r}")

    @staticmethod
    def cut(sock, chance):
        """As programs end, and as they fall."""
        if chance.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def post(self, chance, host):
        target = chance.choice(["/ask/put", "/ask/wait", "/ask/none", "/send/@/put", "/send/wire/put", "/send/wire/tell",
                                "/send/@/tell", "/fall"])
        target = target.replace("@", host.names["OTHER"])
        with socket.create_connection(host.address, 5) as sock:
            for _ in range(chance.randrange(1, 5)):
                sock.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
                if chance.random() < 0.2:
                    time.sleep(chance.random() * 0.02)
                    return self.cut(sock, chance)
                if not sock.recv(4096):
                    return None
        return None

    def publish(self, chance, host):
        with Client(host.address, timeout=5) as client:
            for _ in range(chance.randrange(1, 30)):
                text = "x" * chance.choice([1, 100, 3000])
                client.request("POST", f"/publish/{chance.choice(['t1', 't2', 't3'])}?text={text}", body=b"")

    def events(self, chance, host):
        with socket.create_connection(host.address, 5) as sock:
            if chance.random() < 0.3:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            last = chance.choice(["", "Last-Event-ID: 0.0\r\n", "Last-Event-ID: 1.1-1-1\r\n"])
            sock.sendall(f"GET {chance.choice(['/one', '/two'])} HTTP/1.1\r\nHost: x\r\n{last}\r\n".encode())
            until = time.monotonic() + chance.random() * 0.3
            while time.monotonic() < until and sock.recv(chance.choice([10, 4096])):
                time.sleep(chance.random() * 0.02)
            self.cut(sock, chance)

    @staticmethod
    def frame(opcode, data):
        return bytes([0x80 | opcode, 0x80 | len(data)]) + b"\0\0\0\0" + data

    def websocket(self, chance, host):
        with socket.create_connection(host.address, 5) as sock:
            sock.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                         b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            for _ in range(chance.randrange(12)):
                step = chance.random()
                if step < 0.5:
                    sock.sendall(self.frame(1, b"hello") * chance.randrange(1, 8))
                elif step < 0.6:
                    sock.sendall(self.frame(9, b"?"))
                elif step < 0.7:
                    sock.sendall(self.frame(8, b"\x03\xe8"))
                elif step < 0.75:
                    sock.sendall(b"\xff\xff")
                elif not sock.recv(chance.choice([10, 4096])):
                    break
            self.cut(sock, chance)

    def wire(self, chance, host):
        """As a program of libprocess: who closes behind its last message, and resets it so."""
        with socket.create_connection(host.address, 5) as sock:
            handler = chance.choice(["put", "tell", "none"])
            one = (f"POST /echo/{handler} HTTP/1.1\r\nHost: x\r\nUser-Agent: libprocess/x@127.0.0.1:1\r\n"
                   f"Libprocess-From: x@127.0.0.1:1\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n1").encode()
            sock.sendall((one * chance.randrange(1, 40))[:chance.randrange(1, 8000)])
            if chance.random() < 0.5:
                sock.recv(4096)
            self.cut(sock, chance)

    def line(self, chance, host):
        time.sleep(chance.random() * 0.25)
        chance.choice(host.ways).cuts = 1

    def reload(self, chance, host):
        with host.changing:
            done = host.daemon.reload(host.conf(chance.choice([200, 400, 401]), chance.random() < 0.7))
            assert done.returncode == 0, done.out + done.err
        time.sleep(chance.random() * 0.2)

    def upgrade(self, chance, host):
        time.sleep(chance.random())
        with host.changing:
            upgrade(host.daemon)

    def all(self, works):
        threads = [threading.Thread(target=self.run, args=(work, random.random())) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.errors, self.errors


def test_nothing_breaks_whatever_comes_goes_is_cut_and_is_changed_at_the_same_time(stage):
    ports = [free_port(), free_port()]
    hosts = [Host(stage, ports[0], ports[1], "a"), Host(stage, ports[1], ports[0], "b")]
    stress = Stress(hosts, SECONDS)
    works = [stress.post, stress.post, stress.publish, stress.events, stress.events, stress.websocket, stress.websocket,
             stress.wire, stress.line, stress.reload]
    if "LEAT_STRESS" in os.environ:
        works.append(stress.upgrade)
    stress.all(works)
    for host in hosts:
        done = host.daemon.reload(host.conf())
        assert done.returncode == 0, done.out + done.err
        await_true(lambda: host.daemon.post("/ask/put").status == 200, what="they speak again")
        await_true(lambda: peer(host.daemon, host.names["OTHER"])["queued"] == 0, what="nothing waits")
