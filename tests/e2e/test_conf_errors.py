"""tests/e2e/test_conf_errors.py: mistakes in the configuration, as their authors see them."""
import re

import pytest

from leat import TIMEOUT, check

TASKS = "routes:\n  GET /:\n    tasks:\n"


def error(text, pattern, line, column=None, shown=None, files=None, env=None):
    """The text has exactly the errors that it should: one that matches, at that place, with a caret below it."""
    code, out = check(text, files=files, env=env)
    assert code == 1, out
    match = re.search(rf"^leat\.yaml:{line}:(\d+): error: (.*)$", out, re.M)
    assert match, out
    assert re.search(pattern, match[2]), out
    if column:
        assert int(match[1]) == column, out
    if shown:
        source = next(l for l in out.splitlines() if l.startswith(f"{line:>6} | "))
        caret = out.splitlines()[out.splitlines().index(source) + 1]
        assert source[9:][caret.index("^") - 9:].startswith(shown), out
    return out


def test_a_cycle_shows_its_path():
    error(TASKS + "      a: { value: \"${c}\" }\n      b: { value: \"${a}\" }\n      c: { value: \"${b}\" }\n",
          r"wait for each other: \w → \w → \w → \w", 4)


def test_a_task_that_waits_for_itself():
    error(TASKS + "      a: { value: \"${a}\" }\n", r"a → a|itself", 4)


def test_a_cycle_by_after():
    error(TASKS + "      a: { value: 1, after: b }\n      b: { value: \"${a}\" }\n", "wait for each other: a → b → a|b → a → b", 4)


def test_flows_that_only_call_each_other_are_found_when_they_cannot_end():
    code, _ = check("flows:\n  a: { tasks: { t: { call: b } } }\n  b: { tasks: { t: { call: a } } }\nroutes: { GET /: { tasks: { t: { call: a } } } }\n")
    assert code in (0, 1)  # a load error or, at run time, flow_depth: never a hang


@pytest.mark.parametrize("text, pattern, line, column", [
    (TASKS + "      profile: { value: 1 }\n      b: { value: \"${profle}\" }\n", 'unknown name "profle"; did you mean "profile"', 5, 22),
    (TASKS + "      a: { value: 1, after: bb }\n      b: { value: 1 }\n", 'there is no task "bb"', 4, 29),
    (TASKS + "      a: { call: lod }\nflows: { load: { tasks: { t: { value: 1 } } } }\n", 'did you mean "load"', 4, 18),
    (TASKS + "      a: { get: \"usrs:/x\" }\nhttp: { users: { url: \"http://a\" } }\n", 'did you mean "users"', 4, 18),
    (TASKS + "      a: { value: \"${uper('x')}\" }\n", 'did you mean "upper"', 4, 22),
    (TASKS + "      a: { wiat: 1s }\n", 'did you mean "wait"', 4, 12),
    (TASKS + "      a: { value: 1, tiemout: 1s }\n", 'did you mean "timeout"', 4, 22),
    ("routes: { GET /: { reply: { jsn: 1 } } }\n", 'did you mean "json"', 1, 29),
    ("rutes: {}\n", 'did you mean "routes"', 1, 1),
    ("limits: { conections: 5 }\n", 'did you mean "connections"', 1, 11),
    ("routes: { GET /: { tasks: { t: { value: 1 } }, on_error: { timeot: x } } }\n", 'did you mean "timeout"', 1, 60),
    (TASKS + "      a: { value: 1 }\n      b: { value: \"${a.boddy}\" }\n", "boddy", 5, 24),
    ("routes:\n  GET /u/{id}: { reply: \"${path.ident}\" }\n", "ident", 2, 33),
])
def test_an_unknown_name_is_told_with_the_one_that_was_meant(text, pattern, line, column):
    error(text, pattern, line, column)


@pytest.mark.parametrize("expression, shown", [
    ("1 +", ""), ("(1", ""), ("1 2", "2"), ("a b", ""), ("query.x ==", ""), ("len()", "len"), ("len(1, 2)", "len"), ("1 = 2", "= 2"),
    ("1 && 2 &", "&"), ("query..x", ".x"), ("[1, 2", ""), ("@", "@"), ("query.x ? 1", ""),
])
def test_a_bad_expression_is_shown_at_its_column(expression, shown):
    out = error(f"routes:\n  GET /:\n    reply: \"before ${{query.ok}} ${{{expression}}} after\"\n", ".", 3)
    column = int(re.search(r"leat\.yaml:3:(\d+):", out)[1])
    begin = len("    reply: \"before ${query.ok} ${") + 1
    assert begin <= column <= begin + len(expression), out
    if shown:
        error(f"routes:\n  GET /:\n    reply: \"before ${{query.ok}} ${{{expression}}} after\"\n", ".", 3, shown=shown)


@pytest.mark.parametrize("text, mend", [
    ("routes:\n  GET /: { reply: ${query.x} }\n", 'write "\\$\\{query\\.x\\}"'),
    ("jobs:\n  j:\n    cron: * * * * *\n    tasks: {}\n", 'quote|"\\* \\* \\* \\* \\*"'),
    ("routes:\n  GET /:\n    tasks:\n      t: { value: 1, when: !query.ok }\n", "quote|not "),
    ("routes:\n  GET /:\n    reply: a #${query.x}\n", "#"),
    ("routes:\n\tGET /: { reply: x }\n", "tab"),
    ("a: &x { b: 1 }\nroutes:\n  <<: *x\n", "merge|<<"),
    ("routes: { GET /: { reply: !!str x } }\n", "tag"),
    ("routes:\n  GET /: { reply: x }\n  GET /: { reply: y }\n", "twice|already|duplicate"),
    ("routes: { GET /: { reply: \"open } }\n", "quote"),
    ("routes:\n  GET /: [\n", "value"),
    ("routes:\n  GET /: { reply: \"\\q\" }\n", "\\\\q|escape"),
    ("routes: 'x\n", "'"),
    ("%TAG ! x\n---\nroutes: {}\n", "%|directive"),
    ("routes: {}\n---\nroutes: {}\n", "document|---"),
    ("routes:\n  GET /:\n    reply: x\n   timeout: 1s\n", "indent|column"),
])
def test_a_trap_of_yaml_is_told_with_its_mend(text, mend):
    code, out = check(text)
    assert code == 1, out
    assert re.search(r"^leat\.yaml:\d+:\d+: error: ", out, re.M) and "^" in out
    assert re.search(mend, out), out
    for foreign in ("libyaml", "mapping values are not allowed", "did not find expected", "block mapping"):
        assert foreign not in out


@pytest.mark.parametrize("text, pattern", [
    ("limits: { body: 5 apples }\n", "not a size"),
    ("timeouts: { idle: 5 }\n", "5s|bare number"),
    ("timeouts: { idle: soon }\n", "not a duration"),
    ("limits: { connections: 0 }\n", "1"),
    ("limits: { connections: many }\n", "whole number"),
    ("listen: somewhere\n", "not an address"),
    ("listen: [127.0.0.1:1, 127.0.0.1:1]\n", "twice"),
    ("log: { format: xml }\n", "text|json"),
    ("server: { threads: none }\n", "threads"),
    ("http: { u: { url: ftp://x } }\n", "http://"),
    ("http: { u: {} }\n", "url|server"),
    ("routes: { GET: { reply: x } }\n", "/"),
    ("routes: { \"GET /a/{x}/{x}\": { reply: x } }\n", "twice|x"),
    ("routes: { \"GET /a/{x...}/b\": { reply: x } }\n", "last|end"),
    ("routes: { \"GET /{\": { reply: x } }\n", "\\}|brace|\\{"),
    ("routes: { GET /: {} }\n", "reply|tasks"),
    ("routes: { GET /: { reply: x, redirect: / } }\n", "one of reply and redirect|one way"),
    ("routes: { GET /: { reply: { status: 99 } } }\n", "200"),
    ("routes: { GET /: { reply: { headers: { Content-Length: 5 } } } }\n", "leat itself"),
    ("routes: { GET /: { reply: { headers: { \"a b\": 5 } } } }\n", "header"),
    ("routes: { GET /: { async: yes, reply: x } }\n", "async is true, or a map"),
    ("routes: { GET /: { events: {} } }\n", "subscribe"),
    ("routes: { GET /: { events: [] } }\n", "1 to 16"),
    ("routes: { GET /: { events: t, reply: x } }\n", "keep one"),
    ("routes: { GET /: { websocket: { origins: [app.example.org] } } }\n", "https://host"),
    ("routes: { GET /: { websocket: { protocols: [a b] } } }\n", "token"),
    ("routes: { GET /: { websocket: { on_close: { reply: x } } } }\n", "cannot reply"),
    ("routes: { GET /: { websocket: { on_message: { reply: { text: a, json: b } } } } }\n", "one of text and json"),
    ("routes: { GET /: { websocket: { subscribe: '' } } }\n", "empty"),
    ("routes: { POST /: { websocket: { on_open: { reply: x } } } }\n", "opened by GET, not by POST"),
    ("routes: { GET /: { proxy: users } }\n", "no upstream"),
    ("redis: { main: {} }\n", "url, servers and sentinels"),
    ("kafka: { bus: {} }\n", "brokers"),
    (TASKS + "      path: { value: 1 }\n", "path"),
    (TASKS + "      A: { value: 1 }\n", "A"),
    (TASKS + "      a: { value: 1, wait: 1s }\n", "verb"),
    (TASKS + "      a: {}\n", "verb"),
    (TASKS + "      a: { value: 1, json: {} }\n", "json"),
    (TASKS + "      a: { get: \"http://${query.host}/\" }\n", "host|constant"),
    (TASKS + "      a: { get: \"nocolon\" }\n", "upstream|http://|URL"),
    (TASKS + "      a: { http: \"http://a/\", method: CONNECT }\n", "method"),
    (TASKS + "      a: { value: 1, retry: { codes: [nope] } }\n", "nope"),
    (TASKS + "      a: { get: \"http://a/\", expect: 4x }\n", "status"),
    ("jobs: { j: { tasks: { t: { value: 1 } } } }\n", "every|cron"),
    ("jobs: { j: { every: 1s, cron: \"@daily\", tasks: { t: { value: 1 } } } }\n", "one of|every"),
    ("jobs: { j: { cron: \"* * * *\", tasks: { t: { value: 1 } } } }\n", "five fields"),
    ("jobs: { j: { cron: \"60 * * * *\", tasks: { t: { value: 1 } } } }\n", "60|59"),
    ("jobs: { j: { cron: \"@daily\", timezone: Europe/Pairs, tasks: { t: { value: 1 } } } }\n", "Pairs"),
    ("jobs: { j: { delay: 1s, missed: all, tasks: { t: { value: 1 } } } }\n", "missed belongs to every and cron"),
    ("jobs: { J!: { every: 1s, tasks: { t: { value: 1 } } } }\n", "name"),
    ("routes: { GET /: { reply: \"${1 / 0}\" } }\n", "zero|division"),
    ("routes: { GET /: { tasks: { t: { value: 1, when: 5 } }, reply: x } }\n", "condition|true or false|when"),
])
def test_a_wrong_value_is_told_at_load(text, pattern):
    code, out = check(text)
    if "1 / 0" in text:  # a constant that fails may also be left to fail at run time
        return
    assert code == 1, out
    assert re.search(r"^leat\.yaml:\d+:\d+: error: ", out, re.M), out
    assert re.search(pattern, out), out


def test_two_routes_that_are_equally_specific_show_both_places():
    code, out = check("routes:\n  GET /a/{x}: { reply: x }\n  GET /a/{y}: { reply: y }\n")
    assert code == 1 and "leat.yaml:3:3" in out and re.search(r"leat\.yaml:2|line 2", out)


# ------------------------------------------------------------------ several files

def test_includes_are_read_in_order():
    code, out = check("include: conf.d/*.yaml\nroutes: { GET /: { reply: x } }\n",
                      files={"conf.d/b.yaml": "routes: { GET /b: { reply: b } }\n", "conf.d/a.yaml": "routes: { GET /a: { reply: a } }\n",
                             "conf.d/c.txt": "nonsense: [\n"})
    assert code == 0 and "3 routes" in out


def test_the_same_name_in_two_files_shows_both_places():
    code, out = check("include: [a.yaml, b.yaml]\n", files={"a.yaml": "routes:\n  GET /x: { reply: a }\n", "b.yaml": "routes:\n\n  GET /x: { reply: b }\n"})
    assert code == 1
    assert "a.yaml:2" in out and "b.yaml:3:3" in out and "GET /x" in out


def test_errors_of_all_files_are_shown():
    code, out = check("include: [a.yaml, b.yaml]\nroutes: { GET /0: { rply: x } }\n",
                      files={"a.yaml": "routes: { GET /a: { rply: a } }\n", "b.yaml": "routes: { GET /b: { rply: b } }\n"})
    assert code == 1 and all(f"{name}.yaml:" in out for name in ("a", "b", "leat")) and out.count("did you mean \"reply\"") == 3


def test_an_include_that_is_not_there():
    code, out = check("include: nowhere.yaml\n")
    assert code == 1 and "nowhere.yaml" in out


def test_files_that_include_each_other_end():
    code, out = check("include: a.yaml\nroutes: { GET /: { reply: x } }\n", files={"a.yaml": "include: leat.yaml\n"})
    assert code in (0, 1) and len(out) < 2000


# ------------------------------------------------------------------ secrets and environment

def test_a_missing_secret_stops_the_start(leat):
    from leat import Daemon
    daemon = Daemon("http: { u: { url: \"http://a\" } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\", headers: { A: \"${secret.token}\" } } } } }",
                    start=False)
    done = daemon.cli("run")
    assert done.returncode == 1 and re.search(r"leat\.yaml:7:\d+: error: .*token", done.err), done.err
    daemon.stop()


def test_a_secret_from_the_credentials_of_systemd(leat, backend, tmp_path):
    from backends import answering
    (tmp_path / "token").write_text("from-systemd")
    upstream = backend(answering({}))
    daemon = leat("http: { u: { url: @url@ } }\nroutes: { GET /: { tasks: { t: { get: \"u:/\", headers: { A: \"${secret.token}\" } } } } }",
                  url=upstream.url, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert daemon.get("/").status == 204
    assert upstream.calls[0].headers["a"] == "from-systemd"


# ------------------------------------------------------------------ hostile files

@pytest.mark.parametrize("text", [
    b"[" * 100000, b"{a: " * 50000, b"- " * 100000, b"? " * 50000,
    b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((c + 1, c + 1) + (c,) * 9) for c in range(97, 110)),
    b"\xff\xfe\x00", b"a: \xc3\x28\n", b"a: \x00\n", b"a: \x1b[31m\n", b"\xed\xa0\x80", b"a: &a\n  b: *a\n", b"\x85" * 100, b"a" * 5000000,
    b"routes:\n" + b"".join(b"  x%d: 1\n" % i for i in range(20000)),
], ids=["deep-list", "deep-map", "deep-block", "deep-keys", "laughs", "utf16", "bad-utf8", "nul", "escape", "surrogate", "alias-cycle", "nel", "long", "many-errors"])
def test_a_hostile_file_is_refused_soon(text):
    code, out = check(text)
    assert code == 1 and "leat.yaml" in out and len(out) < 3000000
    assert TIMEOUT
