"""tests/e2e/test_status_page.py: the page at / of the admin listener, and what it reads."""
import base64
import hashlib
import re
import shutil
import subprocess

import pytest

from backends import answering
from leat import SLOW, await_true

CONF = """
admin: { listen: 127.0.0.1:0 }
http: { u: { url: "http://@up@" } }
routes:
  GET /hello: { reply: hello }
  GET /user/{id}:
    tasks:
      first: { get: "u:/x" }
      group: { after: [first], tasks: { inner: { wait: 20ms }, fails: { fail: no_luck, optional: true } } }
      last: { value: 1, after: [group] }
    reply: ok
  'GET /<img src=x onerror=alert(1)>': { reply: x }
  POST /later: { async: true, tasks: { t: { fail: no_luck, when: "query.fails == '1'" } }, reply: ok }
jobs:
  tidy: { every: 1h, tasks: { t: { value: 1 } } }
"""
ACTORS = """
actors:
  basket/{user}: { expose: true, handlers: { put: { tasks: { t: { fail: no_luck, when: "message == 3" } }, set: "${message}" } } }
"""


@pytest.fixture
def seen(leat, backend):
    daemon = leat(CONF, up=backend(answering({})).address)
    for _ in range(3):
        assert daemon.get("/user/1").status == 200
    return daemon


def ask(daemon, target, method="GET"):
    with daemon.connect(daemon.admin_address) as client:
        return client.request(method, target, host="localhost")


def graph(daemon, name):
    answer = ask(daemon, f"/v1/graph?format=json&name={name}")
    return answer.json() if answer.status == 200 else answer.status


def test_the_graph_has_how_long_its_tasks_take(seen):
    told = graph(seen, "GET%20/user/%7Bid%7D")
    assert told["name"] == "GET /user/{id}"
    tasks = {task["name"]: task for task in told["tasks"]}
    assert {name: (task["verb"], task["wave"], task["after"]) for name, task in tasks.items()} == {
        "first": ("get", 0, []), "group": ("tasks", 1, ["first"]), "last": ("value", 2, ["group"])}
    inner = {task["name"]: task for task in tasks["group"]["group"]}
    for task in (*tasks.values(), *inner.values()):
        assert task["runs"] == task["timed"] == 3
        assert 0 <= task["p50_ms"] <= task["p95_ms"] <= task["max_ms"] and task["mean_ms"] <= task["max_ms"]
    assert inner["inner"]["p50_ms"] >= 10 and inner["inner"]["max_ms"] >= 20 and tasks["group"]["max_ms"] >= 20
    assert inner["fails"]["failures"] == 3 and tasks["first"]["failures"] == 0
    assert graph(seen, "GET%20/hello") == {"name": "GET /hello", "tasks": []} and graph(seen, "nope") == 404
    assert graph(seen, "tidy")["tasks"][0]["runs"] == 0 and "p50_ms" not in graph(seen, "tidy")["tasks"][0]


def test_routes_have_how_long_they_take(seen):
    seen.get("/hello")
    routes = {route["route"]: route for route in ask(seen, "/v1/routes").json()["routes"]}
    user, hello = routes["GET /user/{id}"], routes["GET /hello"]
    assert user["requests"] == 3 and 20 <= user["max_ms"] and user["p50_ms"] <= user["p95_ms"]
    assert hello["requests"] == 1 and "p50_ms" not in hello
    assert ask(seen, "/v1/status").json()["responses"]["2xx"] == 4


def page(daemon):
    answer = ask(daemon, "/")
    assert answer.status == 200 and answer.get("content-type") == "text/html; charset=utf-8"
    return answer


def test_the_page_is_whole_in_itself_and_its_policy_lets_nothing_else_in(seen):
    answer = page(seen)
    policy = dict(part.strip().partition(" ")[::2] for part in answer.get("content-security-policy").split(";"))
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        text = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.S)
        assert len(text) == 1
        assert policy.pop(kind) == f"'sha256-{base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()}'"
    assert policy == {"default-src": "'none'", "connect-src": "'self'", "base-uri": "'none'", "form-action": "'none'",
                      "frame-ancestors": "'none'", "require-trusted-types-for": "'script'"}
    assert answer.get("x-content-type-options") == "nosniff" and answer.get("cache-control") == "no-store"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<link|<img|@import|\bsrc=|\bstyle=|innerHTML", answer.text)


def test_the_page_only_reads(seen):
    assert ask(seen, "/", method="POST").status == 405
    assert not re.search(r"method:|POST|PUT|DELETE", page(seen).text)


def test_pages_of_other_sites_do_not_get_it(seen):
    with seen.connect(seen.admin_address) as client:
        assert client.get("/", host="evil.example").status == 403
        assert client.get("/", host="localhost").status == 200


# ------------------------------------------------------------------ in a browser

def browse(daemon, tmp_path):
    """The page's document after some looks, and what the browser had to complain about."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        pytest.skip("there is no chromium here (apt install chromium)")
    done = subprocess.run([browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                           f"--user-data-dir={tmp_path}", "--window-size=1280,1400", "--virtual-time-budget=9000",
                           "--dump-dom", f"http://{daemon.admin_address[0]}:{daemon.admin_address[1]}/"],
                          capture_output=True, timeout=120 * SLOW, check=False)
    said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    return re.sub(r"<script>.*</script>", "", done.stdout.decode(), flags=re.S), said


def test_a_browser_shows_what_becomes_of_requests_that_run_later(seen, tmp_path):
    answers = [seen.request("POST", target, body="") for target in ("/later", "/later", "/later?fails=1")]
    await_true(lambda: all(seen.get(answer.get("Location")).json()["state"] in ("ok", "failed") for answer in answers), 20)
    document, complaints = browse(seen, tmp_path)
    assert complaints == []
    part = re.search(r'<div id="async-part">.*?</table>', document, re.S)[0]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", part)
    assert cells == ["POST /later", "0", "0", "2", "1", "0"], cells


def test_a_browser_shows_what_actors_do(leat, tmp_path):
    daemon = leat(CONF + ACTORS, up="127.0.0.1:1")
    for n, status in ((1, 204), (2, 204), (3, 500)):
        assert daemon.post_json(f"/basket/{n}/put", n).status == status
    document, complaints = browse(daemon, tmp_path)
    assert complaints == []
    part = re.search(r'<div id="actors-part">.*?</table>', document, re.S)[0]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", part)
    assert cells[:3] == ["basket", "3", "0"] and cells[4:7] == ["3", "1", "0"] and re.fullmatch(r"[0-9.]+ k?B", cells[7]), cells


def test_a_browser_shows_traffic_routes_jobs_upstreams_and_the_graph(seen, tmp_path):
    document, complaints = browse(seen, tmp_path)
    assert complaints == []
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", document))
    assert int(re.search(r'data-looks="(\d+)"', document)[1]) >= 2  # it goes on looking
    assert '<div id="async-part" hidden' in document and '<div id="actors-part" hidden' in document  # there are none
    for part in ("serving", "requests a second", "GET /hello", "GET /user/{id}", "tidy", "every 1h", "up", seen.names["up"]):
        assert part in text, part
    drawn = re.search(r"<svg[^>]*aria-label=\"Tasks of GET /user/\{id\}\".*?</svg>", document, re.S)[0]
    for name in ("first", "group", "inner", "fails", "last"):
        assert re.search(rf'class="mono"[^>]*>{name}<', drawn), name
    assert "3 failed" in drawn and "p95" in drawn and drawn.count('class="edge"') == 3  # a guard is waited for


def test_what_a_name_says_is_text_to_the_page(seen, tmp_path):
    document, complaints = browse(seen, tmp_path)
    assert complaints == [] and "&lt;img src=x onerror=alert(1)&gt;" in document and "<img" not in document
