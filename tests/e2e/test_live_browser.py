"""tests/e2e/test_live_browser.py: WebSocket and EventSource of a browser (Chromium), where there is one."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from backends import answering

PAGE = """<!doctype html><script>
const told = {}, done = new Set(), events = [];
let asked = false;
function half() {  // all but the events is done: the connection may be cut
  if (asked || done.size < 4 || events.length < 3) return;
  asked = true;
  fetch("/half", { method: "POST", body: "" }).catch(() => {});
}
function tell(name, value) {
  told[name] = value;
  done.add(name);
  half();
  if (done.size === 5) fetch("/report", { method: "POST", body: JSON.stringify(told) });
}
function closes(name, path, opened, ...protocols) {
  const socket = new WebSocket(`ws://${location.host}${path}`, protocols);
  socket.onopen = () => opened(socket);
  socket.onclose = e => tell(name, { code: e.code, reason: e.reason, clean: e.wasClean });
  return socket;
}
const large = "large ünï ".repeat(20000), noise = new Uint8Array(400000), messages = [];
for (let n = 0; n < noise.length; n += 50000) crypto.getRandomValues(noise.subarray(n, n + 50000));
function name(data) {
  if (typeof data === "string") return data === large ? "large" : data;
  const bytes = new Uint8Array(data);
  return bytes.length === noise.length ? bytes.every((byte, n) => byte === noise[n]) && "noise" : [...bytes];
}
const socket = closes("socket", "/ws", socket => {
  for (const m of ["", "hello", large, new Uint8Array([0, 255, 128]), noise, "news", "bye"]) socket.send(m);
}, "other", "chat");
socket.binaryType = "arraybuffer";
socket.onmessage = e => messages.push(name(e.data));
socket.addEventListener("close", () => {
  Object.assign(told.socket, { messages, protocol: socket.protocol, extensions: socket.extensions });
});
closes("left", "/leave", socket => socket.close(3005, "enough, ünï"));
closes("big", "/small", socket => socket.send("x".repeat(11)));

const source = new EventSource("/events");
let opened = 0;
source.addEventListener("tick", e => {
  events.push([e.data, e.lastEventId !== ""]);
  half();
  if (events.length < 6) return;
  source.close();
  tell("events", { events, opened });
});
source.onopen = () => {
  if (opened++ === 0) for (let n = 0; n < 3; n++) fetch("/publish", { method: "POST", body: `${n}\\nline` });
};

const foreign = new WebSocket(`ws://localhost:${location.port}/ws`);
foreign.onopen = () => tell("foreign", "open");
foreign.onclose = e => tell("foreign", e.code);
</script>"""

CONF = """
server: { threads: 2, compute_threads: 1 }
http: { test: { url: "@url@" } }
routes:
  GET /page: { reply: { body: "${env.PAGE}", headers: { Content-Type: text/html; charset=utf-8 } } }
  GET /ws:
    websocket:
      protocols: [chat]
      deflate: { takeover: true }
      subscribe: news
      on_message:
        tasks: { p: { publish: news, message: "to ${conn.protocol}: ${'published '}", when: "${message.text == 'news'}" } }
        reply:
          text: "${message.text}"
          binary: "${message.base64}"
          close: "${message.text == 'bye' ? 3001 : null}"
          reason: that was all
  GET /leave: { websocket: { on_close: { tasks: { x: { log: "left code=${conn.code} reason=${conn.reason}" } } } } }
  GET /small: { websocket: { max: 10, on_message: { reply: "${message.text}" } } }
  GET /events: { events: { subscribe: ticks, retry: 100ms } }
  POST /publish: { body: { type: text }, tasks: { p: { publish: ticks, message: "${body}", event: tick } }, reply: "${p}" }
  POST /half: { tasks: { p: { post: "test:/half" } } }
  POST /report: { body: { type: text }, tasks: { p: { post: "test:/report", body: "${body}" } } }
"""


class Relay:
    """Between a browser and leat: what the browser says is kept, and all may be cut."""

    def __init__(self, port):
        self.target, self.said, self.sockets = port, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                client, server = self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.target))
                said = bytearray()
                self.said.append(said)
                self.sockets += [client, server]
                threading.Thread(target=self._pass, args=(client, server, said), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client), daemon=True).start()

    @staticmethod
    def _pass(source, to, said=None):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if said is not None:
                    said += data
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)

    def cut(self):
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.cut()


def frames(data):
    """(opcode, final, size) of what a client said behind its handshake."""
    at = data.index(b"\r\n\r\n") + 4
    while at + 2 <= len(data):
        first, size = data[at], data[at + 1]
        assert size & 0x80  # masked
        n, size = {126: 2, 127: 8}.get(size & 127, 0), size & 127
        if n:
            size = int.from_bytes(data[at + 2:at + 2 + n], "big")
        yield first & 15, first >> 7, size
        at += 2 + n + 4 + size


@pytest.fixture
def browser(tmp_path):
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        pytest.skip("there is no chromium here (apt install chromium)")
    running = []

    def start(url):
        running.append(subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", url],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
    yield start
    for process in running:
        os.killpg(process.pid, signal.SIGKILL)  # its own group, that we began
        process.wait()


def test_a_browser_speaks_websocket_and_hears_events_but_not_from_a_foreign_page(leat, backend, browser):
    stub = backend(answering("thanks"))
    daemon = leat(CONF, env={"PAGE": PAGE}, url=stub.url)
    with contextlib.closing(Relay(daemon.port)) as relay:
        browser(f"http://127.0.0.1:{relay.port}/page")
        stub.wait_for(lambda: stub.calls, "the page's WebSockets and three events", 120)
        daemon.await_line("left code=3005 reason=enough, ünï")
        relay.cut()  # the browser comes again, and says which event it had last
        for n in range(3, 6):
            assert daemon.post("/publish", f"{n}\nline").status == 200
        stub.wait_for(lambda: any(call.path == "/report" for call in stub.calls), "the page's report", 120)
        said = [bytes(said) for said in relay.said]
    told = json.loads(next(call.body for call in stub.calls if call.path == "/report"))
    messages = told["socket"].pop("messages")
    assert told["socket"] == {"code": 3001, "reason": "that was all", "clean": True, "protocol": "chat",
                              "extensions": "permessage-deflate"}
    messages.remove("to chat: published ")  # when it comes is not the answer's order
    assert messages == ["", "hello", "large", [0, 255, 128], "noise", "news", "bye"]
    assert told["left"] == {"code": 3005, "reason": "", "clean": True}  # the code comes back
    assert told["big"]["code"] == 1009
    assert sorted(told["events"]["events"]) == [[f"{n}\nline", True] for n in range(6)]
    assert told["events"]["opened"] == 2
    assert told["foreign"] == 1006
    assert any(b"Last-Event-ID: " in head for head in said)
    spoken = next(list(frames(data)) for data in said if data.startswith(b"GET /ws ") and f"Host: 127.0.0.1:{relay.port}".encode() in data)
    assert (0, 1) in [(opcode, final) for opcode, final, _ in spoken]  # it sends what is large in fragments
    routes = {route["route"]: route for route in daemon.admin("GET", "/v1/routes").json()["routes"]}
    assert (routes["GET /ws"]["requests"], routes["GET /ws"]["failures"]) == (2, 1)  # it had an answer: 403
