"""tests/e2e/test_log.py: the access log and the log: one line each, whatever comes."""
import json
import re

from leat import await_true

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
