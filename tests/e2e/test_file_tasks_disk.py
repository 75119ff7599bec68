"""tests/e2e/test_file_tasks_disk.py: tasks on files while the disk does not answer, or fails. The disk is the pool's: what the
kernel's io_uring does when a call does not return is tested in tests/core/io/file_io.c."""
import errno
import os
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from leat import FLAVOR, Daemon, await_true

pytestmark = pytest.mark.skipif(FLAVOR == "tsan", reason="its runtime must come before what is preloaded")

CONF = """
server: { threads: 1, compute_threads: @THREADS@, io_uring: off }
files_root: "@DIR@/data"
routes:
  GET /hello: { reply: hello }
  GET /read/{p...}: { tasks: { f: { read: "${path.p}" } }, reply: { body: "${f}" } }
  GET /stream/{p...}: { tasks: { f: { read: "${path.p}", stream: true } }, reply: { body: "${f}" } }
  GET /soon/{p...}: { timeout: 50ms, tasks: { f: { read: "${path.p}" } }, reply: { body: "${f}" } }
  PUT /write/{p...}: { body: { type: text }, tasks: { f: { write: "${path.p}", from: "${body}", default: null } }, reply: { json: "${f.error}" } }
  POST /append/{p...}: { body: { type: text }, tasks: { f: { append: "${path.p}", from: "${body}\\n" } }, reply: { json: "${f}" } }
"""


class BadDisk:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="leat-bad-")
        library = os.path.join(self.dir, "bad_disk.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bad_disk.c")
        subprocess.run(["cc", "-std=gnu11", "-O1", "-w", "-shared", "-fPIC", "-o", library, source, "-lpthread"], check=True)
        self.log, self.hold, self.fail = (os.path.join(self.dir, name) for name in ("log", "hold", "fail"))
        self.env = {"LD_PRELOAD": library, "LEAT_DISK_LOG": self.log, "LEAT_DISK_HOLD": self.hold, "LEAT_DISK_FAIL": self.fail}
        if FLAVOR != "release":
            self.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"

    def say(self, path, text):
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(path + ".new", path)

    def stop(self, call):
        self.say(self.hold, call)

    def let_go(self):
        self.say(self.hold, "nothing")

    def break_(self, call, number):
        self.say(self.fail, f"{call} {number}")

    def calls(self, call):
        with open(self.log, encoding="ascii") as file:
            return [line.split()[1] for line in file if line.startswith(call + " ")]

    def await_call(self, call, n=1):
        await_true(lambda: len(self.calls(call)) >= n, what=call)


@pytest.fixture
def disk():
    disk = BadDisk()
    yield disk
    disk.let_go()
    shutil.rmtree(disk.dir, ignore_errors=True)


@pytest.fixture
def start(stage, disk):
    def begin(threads=2):
        daemon = Daemon(CONF.replace("@THREADS@", str(threads)), env=disk.env, start=False, files={"data/f": "old", "data/g": "g"})
        stage.daemons.append(daemon)
        daemon.start()
        return daemon
    yield begin
    disk.let_go()


def aside(work):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("path", ["/read/f", "/stream/f"])
def test_a_read_that_the_disk_holds_stops_nobody_else(start, disk, path):
    daemon = start()
    disk.stop("read")
    thread, answers = aside(lambda: daemon.get(path))
    disk.await_call("read")
    for _ in range(50):
        assert daemon.get("/hello").body == b"hello"
    assert not answers
    disk.let_go()
    thread.join()
    assert answers[0].body == b"old"
    assert set(disk.calls("read")) == {"leat-compute"}


def test_a_task_past_its_deadline_ends_though_the_disk_does_not(start, disk):
    daemon = start()
    disk.stop("read")
    assert daemon.get("/soon/f").status == 504
    # the one thread of files is held by a task that has gone
    await_true(lambda: daemon.get("/soon/f").status == 503)
    disk.let_go()
    await_true(lambda: daemon.get("/read/f").body == b"old")


def test_a_client_that_leaves_leaves_nothing_behind(start, disk):
    daemon = start()
    disk.stop("read")
    client = daemon.connect()
    client.send("GET /stream/f HTTP/1.1\r\nHost: x\r\n\r\n")
    disk.await_call("read")
    client.sock.close()
    disk.let_go()
    await_true(lambda: daemon.get("/read/f").body == b"old")


def test_a_daemon_that_dies_in_a_write_leaves_the_old_file_alone(start, disk):
    daemon = start()
    disk.stop("fsync")
    client = daemon.connect()
    client.send("PUT /write/f HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nnew")
    disk.await_call("fsync")
    daemon.signal(signal.SIGKILL)
    assert daemon.wait() == -signal.SIGKILL
    daemon.code = 0  # that was meant
    folder = os.path.join(daemon.dir, "data")
    assert sorted(os.listdir(folder)) == ["f", "g"]
    with open(os.path.join(folder, "f"), encoding="ascii") as file:
        assert file.read() == "old"


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_what_the_disk_says_reaches_the_flow(start, disk, call, number):
    daemon = start()
    disk.break_(call, number)
    answer = daemon.request("PUT", "/write/f", body="new", headers={"Content-Type": "text/plain"})
    assert answer.json()["code"] == "io_error" and answer.json()["errno"] == errno.errorcode[number]
    assert answer.json()["detail"] == f"{errno.errorcode[number]}: {call} of f"
    assert sorted(os.listdir(os.path.join(daemon.dir, "data"))) == ["f", "g"]
    assert daemon.get("/read/f").body == b"old"
    disk.break_("read", number)
    answer = daemon.get("/read/f")
    assert answer.status == 500 and answer.json()["code"] == "io_error" and "errno" not in answer.json()


def test_appends_that_wait_at_once_share_one_sync(start, disk):
    daemon = start(threads=8)
    log = os.path.join(daemon.dir, "data", "log")
    disk.stop("fsync")

    def some():
        return daemon.request("POST", "/append/log", body="x", headers={"Content-Type": "text/plain"})
    threads = [aside(some) for _ in range(10)]
    await_true(lambda: os.path.exists(log) and os.path.getsize(log) == 20)
    daemon.get("/hello")
    disk.let_go()
    for thread, answers in threads:
        thread.join()
        assert answers[0].json() == 2
    assert len(disk.calls("fsync")) <= 5  # the first, those who came while it ran, and a few that were late


def test_a_shutdown_waits_for_what_the_disk_still_has(start, disk):
    daemon = start()
    disk.stop("read")
    assert daemon.get("/soon/f").status == 504
    daemon.signal(signal.SIGTERM)
    daemon.await_line("stopping")
    disk.let_go()
    assert daemon.wait(15) == 0
