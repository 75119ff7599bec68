"""tests/e2e/test_cli.py: the commands: what they print, and their exit codes."""
import json
import os
import re

import pytest

from backends import answering
from leat import Client, check, cli

CONF = """
http: { users: { url: "http://127.0.0.1:9001" } }
flows: { load: { tasks: { a: { get: "users:/v1" }, b: { value: "${a.body}" } } } }
routes:
  GET /hello: { reply: hello }
  GET /user/{id}:
    timeout: 200ms
    tasks:
      allowed: { fail: invalid_input, when: "path.id == '0'" }
      profile: { get: "users:/v1/${path.id}" }
      orders: { get: "users:/o/${path.id}", default: [], timeout: 100ms }
      both: { value: ["${profile.body}", "${orders}"] }
      audit: { post: "users:/a", detach: true, after: both }
      inner: { tasks: { x: { value: 1 }, y: { value: "${x}" } }, optional: true }
    reply: { json: "${both}" }
  POST /user: { tasks: { t: { call: load } } }
  GET api.test/files/{rest...}: { reply: "${path.rest}" }
jobs: { nightly: { cron: "0 3 * * *", tasks: { t: { call: load } } } }
"""


@pytest.fixture(scope="module")
def daemon(module_stage):
    return module_stage.leat(CONF)


def test_help_version_and_wrong_commands(tmp_path):
    assert cli("--help").returncode == 0 and "usage: leat COMMAND" in cli("--help").out
    assert cli("help").returncode == 0 and cli("help").out == cli("--help").out
    assert re.fullmatch(r"leat \d+\.\d+\.\d+\n", cli("--version").out)
    for wrong in ([], ["nonsense"], ["check", "--nonsense"], ["check", "a", "b"], ["run", "x"], ["explain"], ["graph"],
                  ["jobs", "dance"], ["jobs", "run"], ["reload", "x"], ["status", "x"], ["check", "-c"]):
        done = cli(*wrong)
        assert done.returncode == 2, wrong
        assert done.out == "" and done.err != ""


def test_who_is_not_the_admin_listener_is_not_taken_for_it(daemon):
    host, port = daemon.addresses[0]
    for command in ("status", "reload", "upgrade"):
        done = cli(command, "--admin", f"{host}:{port}")
        assert done.returncode == 3 and done.out == "" and "it is not the admin listener" in done.err, (command, done.out, done.err)


def test_reload_is_told_as_json_too(leat):
    daemon = leat("routes: { GET /: { reply: x } }\n")
    assert json.loads(daemon.cli("reload", "--json").out)["generation"] == 2
    daemon.write_conf("routes: { GET /: { rply: x } }\n")
    done = daemon.cli("reload", "--json")
    assert done.returncode == 1 and 'unknown key "rply"' in json.loads(done.out)["diagnostics"]


def test_check_says_ok(daemon):
    done = daemon.cli("check")
    assert done.returncode == 0 and done.err == ""
    assert done.out == f"{daemon.path}: ok, 4 routes, 1 job\n"


def test_check_prints_all_errors_at_once():
    code, text = check("""listn: 1
listen: nonsense
limits: { connections: -1, body: 5 apples }
timeouts: { idle: 3 }
http: { u: { ulr: x } }
routes:
  GET /a: { reply: "${pth.id}" }
  GET /b: { reply: "${path.id}", when: x }
  GET /c: { tasks: { t: { gett: x } } }
  GET /d: { tasks: { a: { value: "${b}" }, b: { value: "${a}" } } }
  GET /e: { tasks: { t: { get: "usrs:/x" } } }
  GET /f: { reply: "${lenn(query.x)}" }
  GET /g/{x}: { reply: a }
  GET /g/{y}: { reply: b }
  GET /h: { reply: { text: a, json: b } }
jobs:
  j: { cron: "61 * * * *", tasks: { t: { value: 1 } } }
  k: { every: 1s, delay: 1s, tasks: { t: { value: 1 } } }
""")
    assert code == 1
    lines = {int(n) for n in re.findall(r"^leat\.yaml:(\d+):\d+: error: ", text, re.M)}
    assert lines == set(range(1, 6)) | {7, 8, 9, 10, 11, 12, 14, 15, 17, 18}
    assert re.search(r"^leat.yaml: \d\d errors$", text, re.M)
    assert text.count("^") >= 15


def test_check_of_a_file_that_is_not_there():
    done = cli("check", "-c", "/nowhere/leat.yaml")
    assert done.returncode == 1 and "/nowhere/leat.yaml" in done.err


def test_check_warns_of_a_missing_secret_and_strict_refuses_it():
    text = "http: { u: { url: \"http://a\" } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\", headers: { A: \"${secret.nope}\" } } } } }\n"
    code, out = check(text)
    assert code == 0 and "warning" in out and "nope" in out
    code, out = check(text, "--strict")
    assert code == 1 and "error" in out and "nope" in out


def test_routes_shows_the_table(daemon):
    lines = daemon.cli("routes").out.splitlines()
    assert [re.split(r"  +", line)[0] for line in lines] == ["GET /hello", "GET /user/{id}", "POST /user", "GET api.test/files/{rest...}"]
    assert re.search(r"6 tasks +reply", lines[1]) and re.search(r"1 task +204", lines[2]) and "constant reply" in lines[0]
    assert lines[0].endswith("leat.yaml:10")


def test_routes_as_json_and_of_the_running_daemon(daemon):
    routes = json.loads(daemon.cli("routes", "--json").out)
    assert [r["route"] for r in routes][:2] == ["GET /hello", "GET /user/{id}"] and routes[1]["timeout_ms"] == 200
    running = json.loads(daemon.cli("routes", "--running").out)
    assert [r["route"] for r in running["routes"]] == [r["route"] for r in routes]


@pytest.mark.parametrize("running", [[], ["--running"]])
def test_explain_shows_the_match_and_the_waves(daemon, running):
    done = daemon.cli("explain", "GET", "/user/7?x=1", *running)
    assert done.returncode == 0
    assert "route    GET /user/{id}\n" in done.out and "path     id = 7\n" in done.out and "timeout  200ms\n" in done.out
    waves = re.split(r"^wave \d:\n", done.out, flags=re.M)[1:]
    names = [set(re.findall(r"^  (\w+):", wave, re.M)) for wave in waves]
    assert names == [{"allowed"}, {"profile", "orders", "inner"}, {"both"}, {"audit"}]
    assert re.search(r"allowed: .* guard$", done.out, re.M) and re.search(r"orders: .*timeout 100ms +default$", done.out, re.M)
    assert re.search(r"audit: .*detached$", done.out, re.M) and re.search(r"inner: .*optional$", done.out, re.M)
    assert re.search(r"^ +x: value", done.out, re.M)


@pytest.mark.parametrize("args, text", [
    (["GET", "/nope"], "404"), (["PUT", "/user"], "405"), (["GET", "/%zz"], "400"), (["GET", "/files/a"], "404"), (["nonsense"], "404")])
def test_explain_says_why_nothing_matches(daemon, args, text):
    for running in ([], ["--running"]):
        done = daemon.cli("explain", *args, *running)
        assert done.returncode == 1 and text in done.out + done.err


def test_explain_with_a_host_and_the_rest(daemon):
    done = daemon.cli("explain", "api.test/files/a/b%20c")
    assert done.returncode == 0 and "path     rest = a/b c\n" in done.out


@pytest.mark.parametrize("running", [[], ["--running"]])
def test_graph_as_text_dot_and_mermaid(daemon, running):
    text = daemon.cli("graph", "GET /user/{id}", *running)
    assert text.returncode == 0 and "wave 1:\n  allowed: fail" in text.out
    dot = daemon.cli("graph", "GET /user/{id}", "--dot", *running)
    assert dot.out.startswith("digraph ") and '"profile" -> "both";' in dot.out and '"orders" -> "both";' in dot.out
    mermaid = daemon.cli("graph", "GET", "/user/{id}", "--mermaid", *running)
    assert mermaid.out.startswith("graph ") and "profile --> both" in mermaid.out


def test_graph_of_a_job_and_of_a_flow(daemon):
    assert "t: call load" in daemon.cli("graph", "nightly").out
    assert "a: get users:/v1" in daemon.cli("graph", "load").out
    done = daemon.cli("graph", "GET /nope")
    assert done.returncode == 1 and "there is no route" in done.err


LIVE = """
server: { threads: 1, compute_threads: 1 }
routes:
  GET /ws/{room}:
    websocket:
      subscribe: ["room:${path.room}", all]
      on_open: { reply: hello }
      on_message:
        tasks:
          said: { value: "${message.text}" }
          told: { publish: "room:${path.room}", message: "${said}" }
        timeout: 2s
  GET /news: { events: { subscribe: news, on_close: { tasks: { bye: { publish: all, message: gone } } } } }
  /up/{rest...}: { proxy: "http://127.0.0.1:1" }
"""


@pytest.mark.parametrize("running", [[], ["--running"]])
def test_handlers_of_live_routes_are_shown_in_waves_and_drawn(leat, running):
    daemon = leat(LIVE)
    told = daemon.cli("explain", "GET", "/ws/x", *running).out
    waves = "on_open:  timeout 30000ms  replies\non_message:  timeout 2000ms\n  wave 1:\n    said: value ${message.text}\n" \
        "  wave 2:\n    told: publish room:${path.room}  after said\n"
    assert "ending   websocket\ntopics   room:${path.room}, all\n" in told and told.endswith(waves)
    assert daemon.cli("graph", "GET /ws/{room}", *running).out == waves
    news = daemon.cli("explain", "GET", "/news", *running).out
    assert "ending   events\ntopics   news\n" in news and "on_close:  timeout 30000ms\n  wave 1:\n    bye: publish all" in news
    dot = daemon.cli("graph", "GET /ws/{room}", "--dot", *running).out
    assert '"on_message__said" -> "on_message__told";' in dot and '"on_message" -> "on_message__said" [style=dashed]' in dot
    assert "on_message__said --> on_message__told" in daemon.cli("graph", "GET /ws/{room}", "--mermaid", *running).out
    endings = [re.split(r"  +", line)[2] for line in daemon.cli("routes").out.splitlines()]
    assert endings == ["websocket", "events", "proxy"] and "2 tasks" in daemon.cli("routes").out


def test_the_graph_of_a_live_route_as_json_has_its_handlers(leat):
    daemon = leat(LIVE)
    graph = daemon.admin("GET", "/v1/graph?format=json&name=GET%20/ws/%7Broom%7D").json()
    assert graph["tasks"] == [] and [h["name"] for h in graph["handlers"]] == ["on_open", "on_message"]
    assert [(t["name"], t["after"]) for t in graph["handlers"][1]["tasks"]] == [("said", []), ("told", ["said"])]
    assert "handlers" not in daemon.admin("GET", "/v1/graph?format=json&name=/up/%7Brest...%7D").json()


def test_status_in_words_and_as_json(daemon):
    done = daemon.cli("status")
    assert done.returncode == 0
    for word in ("leat ", "generation  1,", "routes      4, jobs 1", "connections ", "listening   127.0.0.1:", "upstream    users:"):
        assert word in done.out
    status = json.loads(daemon.cli("status", "--json").out)
    assert status["pid"] == daemon.pid and status["state"] == "serving" and len(status["loops"]) == 2


def test_status_counts(leat, backend):
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\" } }, reply: x } }", url=backend(answering({})).url)
    before = daemon.status()
    for _ in range(5):
        assert daemon.get("/").status == 200
    after = daemon.status()
    assert after["requests"] - before["requests"] >= 5 and after["accepted"] - before["accepted"] >= 5
    assert after["upstreams"][0]["calls"] == 5 and after["uptime_ms"] >= before["uptime_ms"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", after["started"])


def test_metrics_are_in_the_format_of_prometheus(daemon):
    assert daemon.get("/hello").status == 200
    text = daemon.admin("GET", "/metrics").text
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+(\{\w+=\"([^\"\\\n]|\\.)*\"(,\w+=\"([^\"\\\n]|\\.)*\")*\})? [\d.e+-]+", line), line
    assert "leat_generation 1" in text


def test_the_commands_that_need_the_daemon_exit_3_without_it(tmp_path):
    path = tmp_path / "leat.yaml"
    path.write_text(f"admin: {{ listen: \"unix:{tmp_path}/none.sock\" }}\nroutes: {{ GET /: {{ reply: x }} }}\n")
    for command in (["reload"], ["status"], ["jobs"], ["jobs", "run", "x"], ["routes", "--running"], ["explain", "/", "--running"],
                    ["graph", "GET /", "--running"]):
        done = cli(*command, "-c", str(path))
        assert done.returncode == 3 and "cannot be reached" in done.err and f"{tmp_path}/none.sock" in done.err


def test_the_admin_address_can_be_given(daemon):
    done = cli("status", "-c", "/nowhere", "--admin", "unix:" + daemon.admin_address)
    assert done.returncode == 0


def test_the_admin_can_be_on_a_port(leat):
    daemon = leat("admin: { listen: \"127.0.0.1:0\" }\nroutes: { GET /: { reply: x } }")
    assert daemon.cli("status", "--admin", f"127.0.0.1:{daemon.admin_address[1]}").returncode == 0


def test_the_admin_answers_no_page_of_another_site(leat):
    daemon = leat("admin: { listen: \"127.0.0.1:0\" }\nroutes: { GET /: { reply: x } }")
    port = daemon.admin_address[1]

    def ask(method, host, **headers):
        with Client(daemon.admin_address) as client:
            return client.request(method, "/v1/reload" if method == "POST" else "/v1/status", host=host, headers=headers,
                                  body=b"" if method == "POST" else None).status
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "leat", "LOCALHOST"):
        assert ask("GET", host) == 200
        assert ask("POST", host, Origin=f"http://{host}") == 200
        assert ask("POST", host, Origin="http://localhost:1") == 403
        assert ask("POST", host, Origin="null") == 403
    for host in ("evil.example", f"evil.example:{port}", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example"):
        assert ask("GET", host) == ask("POST", host) == ask("POST", host, Origin=f"http://{host}") == 403


@pytest.mark.parametrize("address", ["0.0.0.0:1", "*:1", "[::]:1", "10.0.0.1:1", "[fe80::1]:1"])
def test_the_admin_is_not_reached_from_elsewhere(address):
    code, text = check(f"admin: {{ listen: \"{address}\" }}\nroutes: {{ GET /: {{ reply: x }} }}\n")
    assert code == 1 and "can be reached from elsewhere" in text


def test_the_schema_is_a_json_schema():
    done = cli("schema")
    assert done.returncode == 0
    schema = json.loads(done.out)
    assert "$schema" in schema and {"listen", "routes", "jobs", "flows", "http"} <= set(schema["properties"])


def keys_of(part, keys):
    """The keys of all maps of a schema."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict):
            keys.update(part["properties"])
        for inner in part.values():
            keys_of(inner, keys)
    elif isinstance(part, list):
        for inner in part:
            keys_of(inner, keys)
    return keys


def test_the_manual_has_each_key_and_an_entry_for_each_verb():
    schema = json.loads(cli("schema").out)
    with open(os.path.join(os.path.dirname(__file__), "../../packaging/leat.yaml.5"), encoding="utf-8") as file:
        manual = file.read()
    keys = keys_of(schema, set())
    assert len(keys) > 250
    assert [key for key in sorted(keys) if not re.search(f"(?<![a-z_]){key}(?![a-z_])", manual)] == []
    tasks = schema["$defs"]["tasks"]["additionalProperties"]["properties"]
    verbs = [name for name, task in tasks.items() if task.get("$comment") == "a verb"]
    heads = re.findall(r"^\.TP\n(.*)", re.search(r"^\.SH TASKS$(.*?)^\.SH ", manual, re.S | re.M)[1], re.M)
    assert len(verbs) > 40 and set(verbs) - set(re.findall("[a-z_]+", " ".join(heads))) == set()


def test_the_manual_has_each_function_as_its_table_tells_it():
    here = os.path.dirname(__file__)
    with open(os.path.join(here, "../../server/expr/functions.c"), encoding="utf-8") as file:
        names = re.findall(r'^\t\{ "(\w+)", \d', file.read(), re.M)
    with open(os.path.join(here, "../../packaging/leat.yaml.5"), encoding="utf-8") as file:
        part = file.read().partition("\n.SH EXPRESSIONS\n")[2]
    assert len(names) > 30 and [name for name in names if f"\n.TP\n.B {name}(" not in part] == []
