"""tests/e2e/test_log.py: the access log and the log: one line each, whatever comes."""
import json
import os
import re
import subprocess

import pytest

from leat import BINARY, await_true

LINE = re.compile(r"(\S+Z) info request done method=(\S+) path=(\"(?:[^\"\\]|\\.)*\"|\S+) status=(\d+) sent_bytes=(\d+) took_us=(\d+) client=(\S+)( id=\S+)?")
CONF = "routes:\n  GET /hello: { reply: hello }\n  /any/{x}: { reply: \"${path.x}\" }\n  GET /quiet: { reply: q, log: false }\n"


def test_a_line_for_each_request(leat):
    daemon = leat(CONF)
    with daemon.connect() as client:
        for i in range(10):
            client.get("/hello")
            client.get(f"/any/{i}")
        client.get("/nowhere")
        client.request("HEAD", "/hello")
        client.send("NONSENSE\r\n\r\n").response()
    lines = daemon.access_lines(23)
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found) and len(lines) == 23
    assert [(m[2], m[3], m[4]) for m in found[:2]] == [("GET", "/hello", "200"), ("GET", "/any/0", "200")]
    assert [m[4] for m in found[20:]] == ["404", "200", "400"]
    assert [m[5] for m in found[:2]] == ["5", "1"] and found[21][5] == "0"
    assert found[0][7].startswith("127.0.0.1:") and found[1][8]


def test_no_lines_of_a_route_that_says_so_nor_of_the_admin(leat):
    daemon = leat(CONF)
    daemon.get("/quiet")
    daemon.status()
    daemon.get("/hello")
    assert [LINE.fullmatch(line)[3] for line in daemon.access_lines(1)] == ["/hello"]


def test_off_writes_nothing(leat):
    daemon = leat("log: { access: off }\n" + CONF)
    daemon.get("/hello")
    daemon.process.terminate()
    assert daemon.wait() == 0
    assert "request done" not in daemon.stderr


def test_stderr_is_the_default(leat):
    daemon = leat("log: {}\n" + CONF)
    daemon.get("/hello")
    daemon.await_line("request done method=GET path=/hello status=200")


def test_control_characters_are_escaped(leat):
    daemon = leat(CONF)
    daemon.get("/any/%1b%5b31m%0aforged%22?x=%1b")
    daemon.raw(b"GET /\xff\x1b\n HTTP/1.1\r\nHost: a\r\n\r\n")
    lines = daemon.access_lines(2)
    assert len(lines) == 2
    assert all(" " <= c <= "~" for line in lines for c in line)


def test_json_is_an_object_a_line(leat):
    daemon = leat("log: { format: json, access: \"@DIR@/access.log\" }\n" + CONF.replace("GET /hello:", "GET /fail: { tasks: { t: { fail: invalid_input, detail: \"${query.x}\" } } }\n  GET /hello:"))
    daemon.get("/hello?a=%22b%22&c=\\")
    daemon.get("/fail?x=%22%0A%5C%01%C3%A9")
    for line in daemon.access_lines(2):
        entry = json.loads(line)
        assert entry["method"] == "GET" and isinstance(entry["status"], int) and isinstance(entry["took_us"], int)
    daemon.await_line("request failed")
    for line in daemon.lines:
        json.loads(line)


def test_a_level_hides_what_is_less_important(leat):
    daemon = leat("log: { level: info, access: off }\n" + CONF)
    daemon.reload("log: { level: error, access: off }\n" + CONF)
    n = len(daemon.lines)
    daemon.reload("log: { level: error, access: off }\n" + CONF)
    assert not any("reload done" in line for line in daemon.lines[n:])


def test_the_log_can_be_changed_by_a_reload(leat):
    daemon = leat(CONF)
    daemon.get("/hello")
    daemon.access_lines(1)
    daemon.reload("log: { access: \"@DIR@/other.log\" }\n" + CONF)
    daemon.get("/hello")

    def other():
        try:
            with open(daemon.dir + "/other.log", encoding="ascii") as file:
                return file.read().count("\n") == 1
        except FileNotFoundError:
            return False
    await_true(other)
    assert len(daemon.access_lines()) == 1


def test_an_access_log_that_cannot_be_opened_does_not_stop_it(leat):
    daemon = leat(CONF)
    daemon.reload("log: { access: /nowhere/at/all.log }\n" + CONF)
    assert daemon.get("/hello").text == "hello"


def test_a_line_of_a_very_long_target_is_cut(leat):
    daemon = leat(CONF)
    daemon.get("/hello?" + "x" * 7000)
    line = daemon.access_lines(1)[0]
    assert len(line) < 2000 and LINE.fullmatch(line)


# ------------------------------------------------------------------ while it runs

def test_the_level_can_be_changed_while_it_runs_until_the_next_reload(leat):
    daemon = leat(CONF)
    told = daemon.cli("log")
    assert told.returncode == 0 and re.search(r"^level +info$", told.out, re.M)
    changed = daemon.cli("log", "error")
    assert changed.returncode == 0 and "error until the next reload; the configuration says info" in changed.out
    daemon.await_line("log level changed level=error")
    n = len(daemon.lines)
    assert daemon.admin("PUT", "/v1/log?level=debug").json()["level"] == "debug"
    daemon.await_line("log level changed level=debug", after=n)
    assert daemon.reload().returncode == 0
    assert json.loads(daemon.cli("log", "--json").out) == daemon.admin("GET", "/v1/log").json()
    assert daemon.admin("GET", "/v1/log").json()["level"] == "info"


def test_a_level_that_there_is_not_is_refused(leat):
    daemon = leat(CONF)
    assert daemon.admin("PUT", "/v1/log?level=loud").status == 400
    assert daemon.admin("PUT", "/v1/log").status == 400
    refused = daemon.cli("log", "loud")
    assert refused.returncode == 1 and "level is one of error, warning, info and debug" in refused.err
    assert daemon.cli("log", "info", "debug").returncode == 2
    assert daemon.admin("GET", "/v1/log").json()["level"] == "info"


def test_a_sample_has_all_that_went_wrong_and_some_of_the_rest(leat):
    daemon = leat('log: { access: "@DIR@/access.log", sample: 0.1 }\n' + CONF)
    with daemon.connect() as client:
        for _ in range(1000):
            client.get("/hello")
        for _ in range(20):
            client.get("/none")
    daemon.signal(15)
    assert daemon.wait() == 0
    lines = daemon.access_lines()
    assert sum("status=404" in line for line in lines) == 20
    assert 30 < len(lines) - 20 < 200  # 100, and 7 standard deviations


@pytest.mark.parametrize("share", ["2", "-0.1", "1.5", "0.", "half", "0x1"])
def test_a_sample_is_a_share(leat, share):
    checked = leat(f"log: {{ sample: {share} }}\n" + CONF, start=False).cli("check")
    assert checked.returncode == 1 and "is not a share of the access lines" in checked.err + checked.out


# ------------------------------------------------------------------ systemd's journal

JOURNAL = """
listen: 127.0.0.1:0
admin: { listen: off }
server: { threads: 1, compute_threads: 1 }
log: { access: stderr@more@ }
secrets: { dir: "@DIR@" }
routes:
  GET /hello: { reply: hello }
  GET /fail: { tasks: { t: { fail: invalid_input, detail: "${query.x}" } } }
"""


def journal(leat, tmp_path, more=""):
    """What the journal has after a daemon's life: a list of entries, each a dict."""
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("unshare -m (util-linux) is not allowed here: a journal of its own needs a mount namespace")
    (tmp_path / "leat.yaml").write_text(JOURNAL.replace("@DIR@", str(tmp_path)).replace("@more@", more))
    done = subprocess.run(["unshare", "-m", "/usr/bin/python3", os.path.join(os.path.dirname(__file__), "journal.py"),
                           os.path.abspath(BINARY), str(tmp_path / "leat.yaml")],
                          capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_for_the_journal_is_an_entry_with_fields(leat, tmp_path):
    entries = journal(leat, tmp_path)
    hello = next(e for e in entries if "path=/hello" in e["MESSAGE"])
    assert hello["PRIORITY"] == "6" and hello["SYSLOG_IDENTIFIER"] == "leat"
    assert (hello["LEAT_METHOD"], hello["LEAT_PATH"], hello["LEAT_STATUS"]) == ("GET", "/hello", "200")
    assert hello["MESSAGE"].startswith("request done method=GET ") and int(hello["LEAT_TOOK_US"]) >= 0
    failed = next(e for e in entries if e["MESSAGE"].startswith("request failed"))
    assert failed["LEAT_CODE"] == "invalid_input" and failed["LEAT_DETAIL"] == 'a\nb "c"' and failed["LEAT_ID"]


def test_with_json_its_message_is_the_object(leat, tmp_path):
    entries = journal(leat, tmp_path, ", format: json")
    hello = next(e for e in entries if "/hello" in e["MESSAGE"])
    assert json.loads(hello["MESSAGE"])["status"] == 200 and hello["LEAT_STATUS"] == "200"
