"""tests/e2e/test_exec.py: programs as tasks."""
import json
import os
import signal
from urllib.parse import quote

import pytest

from leat import FLAVOR, await_true, check

PLAIN = "reply: { json: \"${p}\" }"


def children(pid):
    """The pids whose parent is `pid`, zombies too."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="latin1") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(name))
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin1") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def await_no_children(daemon):
    await_true(lambda: not children(daemon.pid), what="the end of all programs")


def gate(daemon):
    """A named pipe: `cat` of it waits until it is opened for writing, and closed."""
    path = os.path.join(daemon.dir, "gate")
    os.mkfifo(path)
    return path


def let_go(daemon):
    """Whoever waits for the file `go`, now and later, goes on."""
    daemon.write("go", "")


# ------------------------------------------------------------------ what it is given, what it gives

def test_what_it_writes_is_the_result(leat):
    daemon = leat('''
routes:
  GET /: { tasks: { p: { exec: [printf, "%s-%s", a, "${query.x}"] } }, reply: "<${p}> <${p.text}> ${p.status}" }
  GET /alone: { tasks: { p: { exec: pwd, cwd: /usr } }, reply: "${p}" }
  GET /all:
    tasks: { p: { exec: [sh, -c, "echo out; echo err >&2; exit 3"], accept: [0, 3] } }
    reply: { json: { text: "${p.text}", stderr: "${p.stderr}", status: "${p.status}", signal: "${p.signal}", ok: "${p.ok}" } }
''')
    assert daemon.get("/?x=b").text == "<a-b> <a-b> 0"
    assert daemon.get("/alone").text == "/usr\n"
    assert daemon.get("/all").json() == {"text": "out\n", "stderr": "err\n", "status": 3, "signal": None, "ok": True}


HOSTILE = ["a b", "'; rm -rf /; '", '"$(id)"', "`id`", "line\nbreak", "--help", "-", "", "*", "~", "a\\b", "$PATH", "é€", "%s%n", "|", "&&"]


def test_each_argument_is_one_argument_whatever_it_holds(leat):
    daemon = leat('''
routes:
  POST /:
    body: { type: json }
    tasks: { p: { exec: [printf, '[%s]', "${body.a}", "x${body.a}y", "${body.a}"] } }
    ''' + PLAIN)
    for text in HOSTILE:
        answer = daemon.post("/", json.dumps({"a": text}), headers=[("Content-Type", "application/json")])
        assert answer.json() == f"[{text}][x{text}y][{text}]"


def test_a_value_that_is_no_text_is_one_argument_too(leat):
    daemon = leat('''
routes:
  POST /:
    body: { type: json }
    tasks: { p: { exec: [printf, '[%s]', "${body}", "${body.none}", 5, true] } }
    ''' + PLAIN)
    answer = daemon.post("/", b'{"a":[1,"x y"]}', headers=[("Content-Type", "application/json")])
    assert answer.json() == '[{"a":[1,"x y"]}][][5][true]'


def test_a_nul_is_invalid_input(leat):
    daemon = leat('''
routes:
  POST /arg: { body: { type: json }, tasks: { p: { exec: [echo, "${body.a}"] } }, reply: ok }
  POST /env: { body: { type: json }, tasks: { p: { exec: env, env: { A: "${body.a}" } } }, reply: ok }
  POST /stdin: { body: { type: json }, tasks: { p: { exec: [od, -An, -tx1], stdin: "${body.a}" } }, reply: "${p}" }
''')
    for target in "/arg", "/env":
        answer = daemon.post(target, b'{"a":"x\\u0000y"}', headers=[("Content-Type", "application/json")])
        assert (answer.status, answer.json()["code"]) == (400, "invalid_input")
    assert daemon.post("/stdin", b'{"a":"x\\u0000y"}', headers=[("Content-Type", "application/json")]).text.split() == ["78", "00", "79"]


def test_its_input_is_a_text_or_json(leat):
    daemon = leat('''
routes:
  POST /text: { tasks: { p: { exec: cat, stdin: "<${request.body}>" } }, reply: "${p}" }
  POST /json: { body: { type: json }, tasks: { p: { exec: cat, stdin: { got: "${body}", n: 1 } } }, reply: "${p}" }
  GET /null: { tasks: { p: { exec: cat, stdin: "${query.none}" } }, reply: "[${p}]" }
  GET /none: { tasks: { p: { exec: cat } }, reply: "[${p}]" }
''')
    assert daemon.post("/text", b"hello").text == "<hello>"
    assert daemon.post("/json", b'{"a": 1.50}', headers=[("Content-Type", "application/json")]).text == '{"got":{"a": 1.50},"n":1}'
    assert daemon.get("/null").text == "[]"
    assert daemon.get("/none").text == "[]"


def test_a_mebibyte_goes_through(leat):
    daemon = leat('''
limits: { body: 2m }
routes:
  POST /: { tasks: { p: { exec: cat, stdin: "${request.body}", max_output: 1m } }, reply: "${p}" }
  POST /true: { tasks: { p: { exec: "true", stdin: "${request.body}" } }, reply: "ok${p}" }
''')
    body = bytes(range(97, 123)) * 40329 + b"!" * (1048576 - 26 * 40329)
    answer = daemon.post("/", body)
    assert answer.body == body, daemon.stderr
    assert daemon.post("/true", body).text == "ok"  # which reads nothing of it


def test_its_environment_is_minimal(leat):
    daemon = leat('''
routes:
  GET /: { tasks: { p: { exec: env } }, reply: "${p}" }
  GET /more: { tasks: { p: { exec: env, env: { LANG: de, PATH: ~, HOME: ~, TZ: ~, A: "${query.a}", N: 5 } } }, reply: "${p}" }
''', env={"HOME": "/home/x", "TZ": "UTC", "LANG": "C.UTF-8", "NOTIFY_SOCKET_OF_OTHERS": "1", "SECRET_X": "1"})
    lines = daemon.get("/").text.splitlines()
    assert sorted(lines) == sorted([f"PATH={os.environ['PATH']}", "HOME=/home/x", "LANG=C.UTF-8", "TZ=UTC"])
    assert sorted(daemon.get("/more?a=x%20y%0Az").text.splitlines()) == ["A=x y", "LANG=de", "N=5", "z"]


def test_no_descriptor_of_leat_is_in_it(leat):
    daemon = leat('''
routes:
  GET /: { tasks: { p: { exec: [ls, -l, /proc/self/fd], stdin: x } }, reply: "${p}" }
''')
    clients = [daemon.connect() for _ in range(5)]
    links = [line.split()[8:] for line in clients[0].request("GET", "/").text.splitlines() if " -> " in line]
    assert [link[0] for link in links] == ["0", "1", "2", "3"]  # 3 is ls's own
    assert [link[2].split(":")[0] for link in links[:3]] == ["pipe"] * 3
    assert links[3][2].startswith("/proc/")


def test_no_signal_is_blocked_or_ignored_in_it(leat):
    daemon = leat('''
routes:
  GET /: { tasks: { p: { exec: [grep, -E, "^Sig(Blk|Ign)", /proc/self/status] } }, reply: "${p}" }
''')
    masks = [int(line.split()[1], 16) for line in daemon.get("/").text.splitlines()]
    assert masks[0] == 0 and masks[1] & ~0x180000000 == 0


def test_a_program_may_be_a_file_beside_the_configuration(leat):
    daemon = leat("routes: { GET /: { reply: ok } }")
    path = daemon.write("bin/hello", "#!/bin/sh\necho hello $1 in $(basename $PWD)\n")
    os.chmod(path, 0o755)
    os.mkdir(os.path.join(daemon.dir, "work"))
    done = daemon.reload('routes: { GET /: { tasks: { p: { exec: [./bin/hello, "${query.x}"], cwd: work } }, reply: "${p}" } }')
    assert done.returncode == 0 and "warning" not in done.err
    assert daemon.get("/?x=you").text == "hello you in work\n"


# ------------------------------------------------------------------ failures

FAIL = '''
routes:
  GET /status: { tasks: { p: { exec: [sh, -c, "echo out; echo no such luck >&2; echo more >&2; exit 4"] } }, reply: ok, on_error: { exec_failed: { status: 500, text: "${error.detail}" } } }
  GET /signal: { tasks: { p: { exec: [sh, -c, "kill -KILL $$"] } }, reply: ok, on_error: { exec_failed: { status: 500, text: "${error.detail}" } } }
  GET /none: { tasks: { p: { exec: [nonesuch_program, x] } }, reply: ok, on_error: { exec_failed: { status: 500, text: "${error.detail}" } } }
  GET /read: { tasks: { p: { exec: [sh, -c, "echo out; echo why >&2; exit ${query.n}"], default: fallback } }, reply: { json: ["${p}", "${p.failed}", "${p.status}", "${p.signal}", "${p.stderr}", "${p.error.code}"] } }
  GET /killed: { tasks: { p: { exec: [sh, -c, "kill -USR1 $$"], optional: true } }, reply: { json: ["${p}", "${p.status}", "${p.signal}"] } }
  GET /plain: { tasks: { p: { exec: "false" } }, reply: ok }
'''


def test_an_exit_status_that_is_not_accepted_is_exec_failed(leat):
    daemon = leat(FAIL)
    answer = daemon.get("/plain")
    assert (answer.status, answer.json()["code"], answer.json()["task"]) == (500, "exec_failed", "p")
    assert daemon.get("/status").text == "sh ended with status 4: no such luck"
    assert daemon.get("/signal").text == "sh was ended by SIGKILL"
    assert daemon.get("/none").text == "nonesuch_program cannot be started: ENOENT"


def test_of_a_failure_everything_can_be_read(leat):
    daemon = leat(FAIL)
    assert daemon.get("/read?n=9").json() == ["fallback", True, 9, None, "why\n", "exec_failed"]
    assert daemon.get("/killed").json() == [None, None, "USR1"]


def test_too_much_output_is_too_large_and_the_program_ends(leat):
    daemon = leat('''
routes:
  GET /out: { tasks: { p: { exec: [sh, -c, "echo $$ >@DIR@/pid; exec yes"], max_output: 100k } }, reply: ok }
  GET /err: { tasks: { p: { exec: [sh, -c, "exec yes >&2"], max_output: 100k } }, reply: ok }
  GET /fits: { tasks: { p: { exec: [head, -c, 102400, /dev/zero], max_output: 100k } }, reply: "${len(p)}" }
  GET /more: { tasks: { p: { exec: [head, -c, 102401, /dev/zero], max_output: 100k } }, reply: "${len(p)}" }
''')
    for target in "/out", "/err", "/more":
        answer = daemon.get(target)
        assert (answer.status, answer.json()["code"]) == (502, "too_large")
    assert daemon.get("/fits").status == 200
    await_no_children(daemon)


def test_a_program_that_has_come_since_the_load_is_found(leat):
    daemon = leat('routes: { GET /: { tasks: { p: { exec: ./later } }, reply: "${p}" } }')
    assert "later\\\" is not there" in daemon.stderr or 'later" is not there' in daemon.stderr
    assert daemon.get("/").status == 500
    path = daemon.write("later", "#!/bin/sh\necho here\n")
    os.chmod(path, 0o755)
    assert daemon.get("/").text == "here\n"


# ------------------------------------------------------------------ ends

SLEEPERS = '''
routes:
  GET /sleep: { tasks: { p: { exec: [sleep, 1000] } }, reply: ok }
  GET /timeout: { tasks: { p: { exec: [sleep, 1000], timeout: 50ms } }, reply: ok }
  GET /route: { timeout: 50ms, tasks: { p: { exec: [sleep, 1000] } }, reply: ok }
  GET /stubborn: { tasks: { p: { exec: [sh, -c, "trap '' TERM; sleep 1000 & echo $! >@DIR@/pid; echo ready >@DIR@/gate; while :; do sleep 1000; done"], kill_after: 50ms } }, reply: ok }
  GET /ok: { reply: ok }
'''


@pytest.mark.parametrize("target", ["/timeout", "/route"])
def test_the_deadline_ends_the_program(leat, target):
    daemon = leat(SLEEPERS)
    answer = daemon.get(target)
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    await_no_children(daemon)


def test_a_client_that_leaves_ends_the_program(leat):
    daemon = leat(SLEEPERS)
    client = daemon.connect()
    client.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: children(daemon.pid))
    client.reset()
    await_no_children(daemon)
    await_true(lambda: daemon.status()["requests_in_work"] == 0)


def test_what_ignores_term_is_killed_with_its_whole_group(leat):
    daemon = leat(SLEEPERS)
    path = gate(daemon)
    client = daemon.connect()
    client.send("GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
    with open(path, encoding="ascii") as file:
        assert file.read() == "ready\n"
    with open(os.path.join(daemon.dir, "pid"), encoding="ascii") as file:
        grandchild = int(file.read())
    assert is_alive(grandchild)
    client.reset()
    # the task has ended at once, whatever the program does
    await_true(lambda: daemon.status()["requests_in_work"] == 0)
    await_no_children(daemon)
    await_true(lambda: not is_alive(grandchild))


def test_what_is_left_of_its_group_ends_with_it(leat):
    daemon = leat('''
routes:
  GET /: { tasks: { p: { exec: [sh, -c, "sleep 1000 >/dev/null 2>&1 & echo $!"] } }, reply: "${p}" }
''')
    grandchild = int(daemon.get("/").text)
    await_true(lambda: not is_alive(grandchild))


def test_a_shutdown_waits_for_programs_and_hurries_those_that_do_not_end(leat):
    daemon = leat("timeouts: { shutdown: 200ms }\n" + SLEEPERS.replace("kill_after: 50ms", "kill_after: 60s"))
    path = gate(daemon)
    client = daemon.connect()
    client.send("GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
    with open(path, encoding="ascii") as file:
        assert file.read() == "ready\n"
    with open(os.path.join(daemon.dir, "pid"), encoding="ascii") as file:
        grandchild = int(file.read())
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    await_true(lambda: not is_alive(grandchild))


# ------------------------------------------------------------------ how many

GATED = '''
routes:
  GET /: { tasks: { p: { exec: [sh, -c, "until [ -e @DIR@/go ]; do sleep 0.01; done"], running: 2, waiting: 3 } }, reply: ok }
  GET /none: { tasks: { p: { exec: [sh, -c, "until [ -e @DIR@/go ]; do sleep 0.01; done"], running: 1, waiting: 0 } }, reply: ok }
'''


def ask(daemon, target):
    client = daemon.connect()
    client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    return client


def test_so_many_run_and_so_many_wait(leat):
    daemon = leat(GATED)
    clients = [ask(daemon, "/") for _ in range(2)]
    await_true(lambda: len(children(daemon.pid)) == 2)
    clients += [ask(daemon, "/") for _ in range(3)]
    await_true(lambda: daemon.status()["requests_in_work"] == 5)
    answer = daemon.get("/")
    assert (answer.status, answer.json()["code"]) == (503, "queue_full")
    assert answer.get("retry-after")
    assert len(children(daemon.pid)) == 2
    let_go(daemon)
    assert [client.response().status for client in clients] == [200] * 5
    await_no_children(daemon)


def test_with_no_waiting_the_second_fails_at_once(leat):
    daemon = leat(GATED)
    client = ask(daemon, "/none")
    await_true(lambda: len(children(daemon.pid)) == 1)
    answer = daemon.get("/none")
    assert (answer.status, answer.json()["code"]) == (503, "queue_full")
    let_go(daemon)
    assert client.response().status == 200


def test_those_who_wait_may_leave(leat):
    daemon = leat(GATED)
    first = [ask(daemon, "/") for _ in range(2)]
    await_true(lambda: len(children(daemon.pid)) == 2)
    for _ in range(4):
        client = ask(daemon, "/")
        await_true(lambda: daemon.status()["requests_in_work"] == 3)
        client.reset()
        await_true(lambda: daemon.status()["requests_in_work"] == 2)
    let_go(daemon)
    assert [client.response().status for client in first] == [200] * 2


def test_a_program_that_will_not_end_keeps_its_place(leat):
    """`running` bounds processes: a task that was cancelled does not make room before its program is gone."""
    daemon = leat('''
routes:
  GET /: { tasks: { p: { exec: [sh, -c, "trap '' TERM; echo >@DIR@/gate; while :; do sleep 1000; done"], running: 1, waiting: 0, kill_after: 60s } }, reply: ok }
timeouts: { shutdown: 100ms }
''')
    path = gate(daemon)
    client = ask(daemon, "/")
    with open(path, encoding="ascii") as file:
        file.read()
    client.reset()
    await_true(lambda: daemon.status()["requests_in_work"] == 0)
    assert daemon.get("/").json()["code"] == "queue_full"


def test_an_each_runs_one_program_an_element(leat):
    daemon = leat('''
routes:
  GET /: { tasks: { p: { exec: [echo, "${item}"], each: ["a", "b c", "d"] } }, reply: { json: "${p.results}" } }
''')
    assert daemon.get("/").json() == ["a\n", "b c\n", "d\n"]


def test_jobs_run_programs_too(leat):
    daemon = leat('''
jobs:
  j: { delay: 1h, tasks: { p: { exec: [sh, -c, "echo ran >@DIR@/ran"] } } }
routes: { GET /: { reply: ok } }
''')
    assert daemon.admin("POST", "/v1/jobs/j/runs").status in (200, 202)
    await_true(lambda: daemon.history("j") and daemon.history("j")[0]["outcome"] == "ok")
    assert os.path.exists(os.path.join(daemon.dir, "ran"))


def test_many_programs_leave_nothing_behind(leat):
    daemon = leat('''
routes:
  GET /: { tasks: { p: { exec: [echo, "${query.x}"], waiting: 1000 } }, reply: "${p}" }
''')
    daemon.get("/?x=0")
    before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    clients = [ask(daemon, f"/?x={i}") for i in range(60)]
    assert [client.response().text for client in clients] == [f"{i}\n" for i in range(60)]
    for client in clients:
        client.close()
    await_true(lambda: daemon.n_connections() == 0)
    await_true(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= before)
    assert not children(daemon.pid)


# ------------------------------------------------------------------ what is refused at load

@pytest.mark.parametrize("task, message", [
    ('{ exec: "${query.x}" }', "the program is constant"),
    ('{ exec: ["${query.x}", a] }', "the program is constant"),
    ("{ exec: [] }", "takes a program and its arguments"),
    ('{ exec: "" }', "takes a program and its arguments"),
    ("{ exec: { a: b } }", "takes a program and its arguments"),
    ("{ exec: [echo, [a]] }", ""),
    ('{ exec: [echo, "${secret.x}"] }', "a secret cannot be in `exec`"),
    ("{ exec: [echo], accept: [256] }", '"256" is not an exit status'),
    ("{ exec: [echo], accept: ok }", '"ok" is not an exit status'),
    ("{ exec: [echo], env: { A-B: x } }", '"A-B" cannot be the name of a variable'),
    ("{ exec: [echo], running: 0 }", "running"),
    ("{ exec: [echo], user: root }", 'unknown key "user"'),
    ('{ exec: [echo], cwd: "${query.x}" }', "`cwd` is a constant folder"),
])
def test_what_is_wrong_is_said_at_load(task, message):
    code, said = check(f"secrets: {{ dir: . }}\nroutes:\n  GET /:\n    tasks:\n      p: {task}\n    reply: ok\n",
                       files={"x": "hush"})
    assert code == 1
    assert message in said and "leat.yaml:5:" in said


def test_a_program_that_is_not_there_is_a_warning():
    code, said = check("routes: { GET /: { tasks: { p: { exec: [no_such_program_here] } }, reply: ok } }\n")
    assert code == 0
    assert 'warning: "no_such_program_here" is not in the PATH of leat' in said


def test_a_secret_may_be_in_its_input_and_environment():
    code, said = check("""
secrets: { dir: . }
routes: { GET /: { tasks: { p: { exec: [cat], stdin: "${secret.x}", env: { X: "${secret.x}" } } }, reply: ok } }
""", files={"x": "hush"})
    assert (code, "hush" in said) == (0, False), said


def test_a_segment_of_the_path_is_one_argument(leat):
    daemon = leat('''
routes:
  GET /{x}: { tasks: { p: { exec: [printf, "%s", "${path.x}"] } }, reply: "${p}" }
''')
    for text in HOSTILE:
        if text:
            assert daemon.get("/" + quote(text, safe="")).text == text


# ------------------------------------------------------------------ where little is allowed

# As the unit has it by MemoryDenyWriteExecute= and NoNewPrivileges=; a kernel before 6.3 does not know the first.
CONFINED = ('exec /usr/bin/python3 -c "import ctypes, os, sys; libc = ctypes.CDLL(None); '
            'libc.prctl(65, 1, 0, 0, 0); assert libc.prctl(38, 1, 0, 0, 0) == 0; os.execv(sys.argv[1], sys.argv[1:])" "$0" "$@"; ')


@pytest.mark.skipif(FLAVOR != "release", reason="sanitizers make memory that is both")
def test_programs_run_where_no_memory_may_be_made_executable(leat):
    jq = "" if os.environ.get("WITH_JQ") == "no" else "GET /jq: { tasks: { p: { jq: '[1, 2] | map(tostring | test(\"1\"))' } }, reply: { json: \"${p}\" } }"
    daemon = leat(f'''
routes:
  GET /: {{ tasks: {{ p: {{ exec: [echo, hello] }} }}, reply: "${{p}}" }}
  {jq}
''', shell=CONFINED)
    assert daemon.get("/").text == "hello\n"
    if jq:
        assert daemon.get("/jq").json() == [True, False]


# ------------------------------------------------------------------ large inputs and outputs

def test_ten_megabytes_for_a_program_that_never_reads_cost_no_other_request_anything(leat):
    """The input waits at the full pipe; at the deadline it goes with the program."""
    daemon = leat('''
limits: { body: 16m, memory: 64m }
routes:
  POST /deaf: { body: { type: text }, timeout: 300ms, tasks: { p: { exec: [sleep, 1000], stdin: "${body}" } }, reply: ok }
  POST /gone: { body: { type: text }, tasks: { p: { exec: ["true"], stdin: "${body}" } }, reply: ok }
  POST /echo: { body: { type: text }, tasks: { p: { exec: [cat], stdin: "${body}", max_output: 16m } }, reply: "${len(p)}" }
  GET /hello: { reply: hello }
''')
    body = b"x" * (10 << 20)
    clients = [daemon.connect() for _ in range(3)]
    for client in clients:
        client.send(b"POST /deaf HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert daemon.get("/hello").text == "hello"
    assert [client.response().status for client in clients] == [504] * 3
    await_no_children(daemon)
    for target, text in ("/gone", "ok"), ("/echo", str(len(body))):
        answer = daemon.post(target, body, headers={"Content-Type": "text/plain"})
        assert (answer.status, answer.text) == (200, text)
    await_no_children(daemon)


def test_what_programs_write_counts_as_memory_of_all_requests(leat):
    """A program that has written too much for that is ended then, not when it has written it all."""
    daemon = leat('''
limits: { total_memory: 8m, memory: 4m }
routes:
  GET /much: { tasks: { p: { exec: [sh, -c, "head -c 16777216 /dev/zero; exec sleep 1000"], max_output: 1g } }, reply: ok }
''')
    answer = daemon.get("/much")
    assert (answer.status, answer.json()["code"]) == (500, "memory_limit")
    await_no_children(daemon)
