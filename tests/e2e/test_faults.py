"""tests/e2e/test_faults.py: whatever call fails, at whatever number: an answer or a clean close, and the daemon goes on.

A scripted run asks for one of everything.  It is run once to count the calls of a function, and then once for each of
them with that one failing.  LEAT_FAULTS_ALL=1 tries every number; otherwise no more than MOST of them, spread evenly.
"""
import errno
import gzip
import json
import os

import pytest

from backends import answering
from faults import LEAST, MEMORY, Faults
from leat import FLAVOR, Client, Closed, await_true

pytestmark = pytest.mark.skipif(FLAVOR == "tsan", reason="its runtime must come before what is preloaded")

EVERY = os.environ.get("LEAT_FAULTS_ALL") == "1"
MOST = 40 if FLAVOR == "release" else 12

CONF = """
server: { threads: 1, compute_threads: 1, uploads: "@DIR@/uploads" }
log: { access: "@DIR@/access.log", level: error }
timeouts: { head: 5s, body: 5s, idle: 20s, write: 5s, route: 5s, shutdown: 5s }
http: { u: { url: @url@, pool: { idle: 0 } } }
shared: { pool: { permits: 2 }, box: { queue: 10 } }
routes:
  GET /hello: { reply: hello }
  GET /value/{a}: { reply: { headers: { X-A: "${path.a}" }, json: { q: "${query.q}", all: "${headers}" } } }
  POST /echo: { reply: "${request.body}" }
  POST /json: { body: { type: json }, reply: { json: "${body.a}" } }
  POST /form: { body: { type: form }, reply: { json: "${form}" } }
  POST /order: { body: { type: json, schema: order.json }, reply: { json: "${body.n}" } }
  POST /upload: { body: { type: multipart }, reply: { json: ["${form.a}", "${form.f.size}"] } }
  GET /both:
    tasks: { a: { get: "u:/a" }, b: { post: "u:/b", json: { x: "${query.q}" } }, w: { wait: 1ms } }
    reply: { json: ["${a.body}", "${b.body}"] }
  GET /shared:
    tasks: { p: { wait: 0ms, acquire: pool }, l: { wait: 0ms, lock: "${query.q}" }, q: { enqueue: box, message: m },
             d: { dequeue: box, wait: 1s } }
    reply: done
  GET /each: { tasks: { e: { value: "${item * 2}", each: "${[1, 2, 3]}" } }, reply: { json: "${e.results}" } }
  GET /after: { tasks: { w: { wait: 1ms, detach: true } }, reply: now }
  GET /fail: { tasks: { f: { fail: teapot, status: 418 } } }
  GET /caught: { tasks: { f: { fail: teapot } }, on_error: { teapot: { status: 400, text: caught } } }
  GET /files/{path...}: { files: files }
  GET /new/{path...}: { files: new }
"""

SMALL, LARGE, BODY = "small file " * 100, b"0123456789abcdef" * 20000, "x" * 30000
UPSTREAM = {"up": "stream"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
CODED = {**JSON, "Content-Encoding": "gzip"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PARTS = ('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
         '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + "x" * 200000 + "\r\n--b--")
SCHEMA = """{ "properties": { "n": { "type": "integer" }, "list": { "uniqueItems": true } },
              "patternProperties": { "^[a-z]+$": {} }, "unevaluatedProperties": false }"""
ORDER = json.dumps({"n": 7, "list": [[i] for i in range(20)]})
LARGE_ORDER = json.dumps({"n": 7, "list": ["x" * 1000 + str(i) for i in range(100)]})

# what is asked for, and what a good answer is
REQUESTS = [
    ("GET", "/hello", None, {}, 200, b"hello"),
    ("GET", "/value/one?q=two", None, {"X-More": "m" * 3000}, 200, None),
    ("POST", "/echo", BODY, {}, 200, BODY.encode()),
    ("POST", "/json", '{"a": [1, 2, "three"]}', JSON, 200, b'[1,2,"three"]'),
    ("POST", "/form", "a=1&b=%41", FORM, 200, b'{"a":"1","b":"A"}'),
    ("POST", "/order", ORDER, JSON, 200, b"7"),
    ("POST", "/order", LARGE_ORDER, JSON, 200, b"7"),
    ("POST", "/order", gzip.compress(ORDER.encode()), CODED, 200, b"7"),
    ("POST", "/upload", PARTS, MULTIPART, 200, b'["1",200000]'),
    ("GET", "/both?q=z", None, {}, 200, json.dumps([UPSTREAM, UPSTREAM]).replace(", ", ",").encode()),
    ("GET", "/shared?q=n", None, {}, 200, b"done"),
    ("GET", "/each", None, {}, 200, b"[2,4,6]"),
    ("GET", "/after", None, {}, 200, b"now"),
    ("GET", "/fail", None, {}, 418, None),
    ("GET", "/caught", None, {}, 400, b"caught"),
    ("GET", "/files/small.txt", None, {}, 200, SMALL.encode()),
    ("GET", "/files/large.bin", None, {}, 200, LARGE),
    ("GET", "/files/large.bin", None, {"Range": "bytes=0-1,70000-70009"}, 206, None),
    ("GET", "/nowhere", None, {}, 404, None),
    ("GET", "/new/@N@.txt", None, {}, 200, SMALL.encode()),
    ("GET", "/new/@N@.bin", None, {}, 200, LARGE),
]
FAULT_STATUSES = {404, 500, 502, 503, 504, 507}  # 404: a file that cannot be opened is not there


def new_files(daemon):
    """Two names that have not been asked for yet, so that the files are opened; few, for the cache keeps them open."""
    daemon.n_new = getattr(daemon, "n_new", 0) + 1
    for name in ("small.txt", "large.bin"):
        link = os.path.join(daemon.dir, "new", str(daemon.n_new) + name[-4:])
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.link(os.path.join(daemon.dir, "files", name), link)


def ask(daemon, request, must=False):
    """The good answer, one that says what failed, or a close; `must`: only the first."""
    method, target, body, headers, status, expected = request
    target = target.replace("@N@", str(daemon.n_new))
    try:
        client = Client(daemon.addresses[0])
    except OSError:
        assert not must, f"{target}: not connected"
        return
    with client:
        try:
            answer = client.request(method, target, body, headers)
        except (Closed, OSError) as error:
            assert not must, f"{target}: {error}"
            return
        if answer.status == status:
            assert expected is None or answer.body == expected, f"{target}: {answer}"
        else:
            assert not must and answer.status in FAULT_STATUSES, f"{target}: {answer}"


def ask_all(daemon, must=False):
    new_files(daemon)
    for request in REQUESTS:
        ask(daemon, request, must)
    with Client(daemon.addresses[0]) as client:  # two in one write, and a client that leaves
        try:
            client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /value/x HTTP/1.1\r\nHost: a\r\n\r\n")
            assert {client.response().status, client.response().status} <= {200} | FAULT_STATUSES
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        except (Closed, OSError) as error:
            assert not must, f"pipelined: {error}"


def n_descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def at_rest(daemon):
    status = daemon.status()
    return status["connections"] == 0 and status["requests_in_work"] == 0


def files_are_there(daemon):
    """That there was none is believed for a second."""
    return all(daemon.get(f"/files/{name}").status == 200 for name in ("small.txt", "large.bin"))


def good_again(daemon, before):
    await_true(lambda: files_are_there(daemon), what="files")
    ask_all(daemon, must=True)
    await_true(lambda: at_rest(daemon), what="rest")
    await_true(lambda: n_descriptors(daemon) <= before, what=f"no more than {before} descriptors")


def start(stage, faults, upstream):
    daemon = stage.leat(CONF.replace(", level: error", ""), url=upstream.url, env=faults.env, files={
        "order.json": SCHEMA, "files/small.txt": SMALL, "files/large.bin": LARGE, "new/0.txt": SMALL})
    return daemon


@pytest.fixture(scope="module")
def faults():
    faults = Faults()
    yield faults
    faults.close()


@pytest.fixture(scope="module")
def upstream(module_stage):
    return module_stage.backend(answering(UPSTREAM))


@pytest.fixture(scope="module")
def warm(module_stage, faults, upstream):
    """A daemon that has answered much: its cache of files has as many descriptors as it keeps."""
    return start(module_stage, faults, upstream)


def warm_up(daemon):
    """Also after it was short of descriptors, and has closed what it kept."""
    for _ in range(70):
        new_files(daemon)
        ask(daemon, REQUESTS[-1], must=True)


FAULTS = [
    ("malloc", errno.ENOMEM), ("calloc", errno.ENOMEM), ("realloc", errno.ENOMEM),
    ("accept4", errno.EMFILE), ("accept4", errno.ECONNABORTED), ("accept4", errno.EINTR), ("accept4", errno.EPERM),
    ("epoll_ctl", errno.ENOMEM), ("epoll_wait", errno.EINTR),
    ("recv", errno.EINTR), ("recv", errno.ECONNRESET), ("recv", errno.ENOMEM),
    ("send", errno.EINTR), ("send", errno.EPIPE), ("send", LEAST),
    ("sendmsg", errno.EINTR), ("sendmsg", errno.ECONNRESET), ("sendmsg", LEAST),
    ("sendfile", errno.EINTR), ("sendfile", errno.EIO), ("sendfile", errno.ECONNRESET), ("sendfile", LEAST),
    ("pread", errno.EINTR), ("pread", errno.EIO), ("pread", LEAST),
    ("openat2", errno.EMFILE), ("openat2", errno.EACCES), ("openat2", errno.EINTR), ("openat2", errno.EAGAIN),
    ("fstat", errno.EIO), ("socket", errno.EMFILE), ("connect", errno.ECONNREFUSED), ("connect", errno.EADDRNOTAVAIL),
    ("write", errno.EINTR), ("write", errno.ENOSPC), ("write", LEAST),
]


def name_of(how):
    return "the least" if how == LEAST else errno.errorcode[how]


def needs(function):
    if function in MEMORY and FLAVOR not in ("release", "cover"):
        pytest.skip("a sanitizer's memory does not fail")


def count(daemon, faults, function):
    faults.count(function)
    ask_all(daemon)
    faults.disarm()
    return max(faults.n_calls, 1 if function == "write" else 0)  # lines of the log are written now and then


def numbers(n_calls, most=MOST):
    return range(0, n_calls, 1 if EVERY else max(1, n_calls // most))


def survives(daemon, faults, function, at, how, times=1):
    faults.arm(function, at, how, times)
    ask_all(daemon)
    n_failed = faults.disarm()
    assert daemon.process.poll() is None, f"{function} number {at}: it has ended\n{daemon.stderr}"
    return n_failed


@pytest.mark.parametrize("function, how", FAULTS, ids=[f"{f}-{name_of(h)}" for f, h in FAULTS])
def test_whatever_call_fails_there_is_an_answer_or_a_close_and_it_goes_on(warm, faults, function, how):
    needs(function)
    warm_up(warm)
    ask_all(warm, must=True)
    before = n_descriptors(warm)
    n_calls = count(warm, faults, function)
    assert n_calls > 0, f"{function} is not called"
    n_failed = sum(survives(warm, faults, function, at, how) for at in numbers(n_calls))
    assert n_failed > 0 or function == "write"
    good_again(warm, before)


@pytest.mark.parametrize("times", [1, 1000000], ids=["one", "all-from"])
@pytest.mark.parametrize("function", MEMORY)
def test_a_daemon_that_has_just_begun_survives_the_lack_of_memory(stage, faults, upstream, function, times):
    """Little is asked for by one that has answered much: what it has is used again."""
    needs(function)
    daemon = start(stage, faults, upstream)
    n_calls = count(daemon, faults, function)
    daemon.stop()
    for at in numbers(n_calls, MOST // 2):
        daemon = start(stage, faults, upstream)
        survives(daemon, faults, function, at, errno.ENOMEM, times)
        ask_all(daemon, must=True)
        await_true(lambda d=daemon: at_rest(d), what="rest")
        daemon.stop()


@pytest.mark.parametrize("function, how", [
    ("malloc", errno.ENOMEM), ("calloc", errno.ENOMEM), ("realloc", errno.ENOMEM), ("epoll_ctl", errno.ENOMEM),
    ("accept4", errno.EMFILE), ("recv", errno.ECONNRESET), ("send", errno.EPIPE), ("openat2", errno.EMFILE),
], ids=lambda value: value if isinstance(value, str) else name_of(value))
def test_whatever_fails_while_it_reloads_it_serves_on(warm, faults, function, how):
    needs(function)
    warm_up(warm)
    before = n_descriptors(warm)

    def reload():
        try:
            return warm.admin("POST", "/v1/reload").status
        except (Closed, OSError):
            return None
    faults.count(function, main=True)
    assert reload() == 200
    n_calls = faults.n_calls
    assert n_calls > 0
    for at in numbers(n_calls, MOST // 2):
        faults.arm(function, at, how, main=True)
        assert reload() in (200, 422, 500, 502, 503, None)
        faults.disarm()
        assert warm.get("/hello").text == "hello", f"{function} number {at}\n{warm.stderr}"
    assert warm.reload().returncode == 0
    good_again(warm, before)
