"""tests/e2e/test_live_browser.py: WebSocket and EventSource of a browser (Chromium), where there is one."""
import json
import os
import shutil
import signal
import subprocess

import pytest

from backends import answering

PAGE = """<!doctype html><script>
const told = {}, done = new Set();
function tell(name, value) {
  told[name] = value;
  done.add(name);
  if (done.size === 3) fetch("/report", { method: "POST", body: JSON.stringify(told) });
}
const messages = [], large = "large ünï ".repeat(20000), socket = new WebSocket(`ws://${location.host}/ws`, ["other", "chat"]);
socket.binaryType = "arraybuffer";
socket.onopen = () => { for (const m of ["", "hello", large, new Uint8Array([0, 255, 128]), "news", "bye"]) socket.send(m); };
socket.onmessage = e => messages.push(typeof e.data === "string" ? (e.data === large ? "large" : e.data) : [...new Uint8Array(e.data)]);
socket.onclose = e => tell("socket", { messages, code: e.code, reason: e.reason, clean: e.wasClean, protocol: socket.protocol,
                                       extensions: socket.extensions });

const source = new EventSource("/events"), events = [];
source.addEventListener("tick", e => {
  events.push([e.data, e.lastEventId !== ""]);
  if (events.length < 3) return;
  source.close();
  tell("events", events);
});
source.onopen = () => { for (let n = 0; n < 3; n++) fetch("/publish", { method: "POST", body: `${n}\\nline` }); };

const foreign = new WebSocket(`ws://localhost:${location.port}/ws`);
foreign.onopen = () => tell("foreign", "open");
foreign.onclose = e => tell("foreign", e.code);
</script>"""

CONF = """
server: { threads: 2, compute_threads: 1 }
http: { test: { url: "@url@" } }
routes:
  GET /page: { reply: { body: "${env.PAGE}", headers: { Content-Type: text/html } } }
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
  GET /events: { events: { subscribe: ticks } }
  POST /publish: { body: { type: text }, tasks: { p: { publish: ticks, message: "${body}", event: tick } }, reply: "${p}" }
  POST /report: { body: { type: text }, tasks: { p: { post: "test:/", body: "${body}" } } }
"""


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
    browser(f"http://127.0.0.1:{daemon.port}/page")
    stub.wait_for(lambda: stub.calls, "the page's report", 120)
    told = json.loads(stub.calls[0].body)
    messages = told["socket"].pop("messages")
    assert told["socket"] == {"code": 3001, "reason": "that was all", "clean": True, "protocol": "chat",
                              "extensions": "permessage-deflate"}
    messages.remove("to chat: published ")  # when it comes is not the answer's order
    assert messages == ["", "hello", "large", [0, 255, 128], "news", "bye"]
    assert sorted(told["events"]) == [[f"{n}\nline", True] for n in range(3)]
    assert told["foreign"] == 1006
    routes = {route["route"]: route for route in daemon.admin("GET", "/v1/routes").json()["routes"]}
    assert (routes["GET /ws"]["requests"], routes["GET /ws"]["failures"]) == (2, 1)  # it had an answer: 403
