"""tests/e2e/test_files_cold.py: files that are not in memory: whatever the disk does, no loop waits for it."""
import json
import os
import resource
import shutil
import subprocess
import tempfile
import threading

import pytest

import certs as certificates
from certs import Certs
from leat import FLAVOR, Client, Daemon, await_true

needs_preload = pytest.mark.skipif(FLAVOR == "tsan", reason="its runtime must come before what is preloaded")

ROUTES = """
server: { threads: 2, compute_threads: 2 }
limits: { connections: 5000 }
routes:
  GET /hello: { reply: hello }
  GET /f/{path...}: { files: www }
"""
SIZE = 12 << 20
BODY = bytes(i * 7 & 255 for i in range(4099)) * (SIZE // 4099)


class SlowDisk:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="leat-slow-")
        library = os.path.join(self.dir, "slow_disk.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_disk.c")
        subprocess.run(["cc", "-std=gnu11", "-O1", "-w", "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread"],
                       check=True)
        self.log, self.hold = os.path.join(self.dir, "log"), os.path.join(self.dir, "hold")
        self.env = {"LD_PRELOAD": library, "LEAT_SLOW_LOG": self.log, "LEAT_SLOW_HOLD": self.hold}
        if FLAVOR != "release":
            self.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"

    def stop_answering(self):
        with open(self.hold, "w", encoding="ascii"):
            pass

    def answer_again(self):
        if os.path.exists(self.hold):
            os.unlink(self.hold)

    def waits(self):
        """(call, thread) of each call that has waited for the disk."""
        with open(self.log, encoding="ascii") as file:
            return [tuple(line.split()) for line in file]

    def close(self):
        self.answer_again()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def disk():
    disk = SlowDisk()
    yield disk
    disk.close()


@pytest.fixture(scope="module")
def certs():
    made = Certs()
    made.make("ca")
    made.make("a", "DNS:a.test", issuer="ca")
    yield made
    made.close()


@pytest.fixture
def start(stage, disk):
    def begin(conf=ROUTES, env=None):
        daemon = Daemon(conf, env=disk.env if env is None else env, start=False,
                        files={"www/big.slow": BODY, "www/other.slow": BODY, "www/small.slow": b"s" * 1000})
        stage.daemons.append(daemon)
        daemon.start()
        return daemon
    yield begin
    disk.answer_again()


def hellos_during(daemon, work):
    """How many times another client, on each loop, was answered while `work` went on."""
    clients = [daemon.connect() for _ in range(4)]
    n_hellos = 0
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        for client in clients:
            assert client.get("/hello").body == b"hello"
        n_hellos += 1
    thread.join()
    return n_hellos


def assert_no_loop_waited(disk, at_least):
    waits = disk.waits()
    assert [wait for wait in waits if wait[1].startswith("leat-loop")] == []
    assert all(thread == "leat-compute" for _, thread in waits) and len(waits) >= at_least


@needs_preload
def test_a_cold_file_is_read_by_the_pool_while_others_are_served(start, disk):
    daemon, bodies = start(), []
    n_hellos = hellos_during(daemon, lambda: bodies.append(daemon.get("/f/big.slow").body))
    assert bodies == [BODY] and n_hellos >= 10
    assert_no_loop_waited(disk, SIZE // 65536)
    n_waits = len(disk.waits())
    assert daemon.get("/f/big.slow").body == BODY  # it is warm now
    assert len(disk.waits()) == n_waits


@needs_preload
def test_cold_ranges_are_read_by_the_pool_too(start, disk):
    daemon = start()
    answer = daemon.get("/f/big.slow", headers={"Range": "bytes=3000000-3000999,9000000-9100000,-10"})
    assert answer.status == 206
    for part in (BODY[3000000:3001000], BODY[9000000:9100001], BODY[-10:]):
        assert part in answer.body
    assert daemon.get("/f/other.slow", headers={"Range": "bytes=1048575-1048576"}).body == BODY[1048575:1048577]
    assert_no_loop_waited(disk, 3)


@needs_preload
def test_a_cold_file_goes_through_tls_and_no_loop_waits(start, disk, certs):
    pair = {"cert": certs.path("a.pem"), "key": certs.path("a.key")}
    daemon = start(f"listen: [ 127.0.0.1:0, {{ address: 127.0.0.2:0, tls: {json.dumps(pair)} }} ]\n" + ROUTES)
    bodies = []

    def download():
        with certificates.connect(daemon, certificates.context(certs), address=daemon.addresses[1]) as client:
            bodies.append(client.get("/f/big.slow").body)
    assert hellos_during(daemon, download) >= 10
    assert bodies == [BODY]
    assert_no_loop_waited(disk, SIZE // 65536)


@needs_preload
def test_clients_that_leave_while_the_disk_is_asked_leave_nothing_behind(start, disk):
    daemon = start()
    for _ in range(20):
        client = daemon.connect()
        client.send("GET /f/big.slow HTTP/1.1\r\nHost: a\r\n\r\n").head()
        client.close()
    await_true(lambda: daemon.n_connections() == 0)
    assert daemon.get("/f/big.slow").body == BODY
    assert_no_loop_waited(disk, 1)


@needs_preload
def test_who_asks_for_the_same_waits_for_one_look_up(start, disk):
    daemon = start("server: { threads: 1, compute_threads: 2 }\n" + ROUTES.split("\n", 2)[2])
    disk.stop_answering()
    clients = [daemon.connect() for _ in range(30)]
    for client in clients:
        client.send("GET /f/small.slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: daemon.status()["requests_in_work"] == 30)
    assert daemon.get("/hello").body == b"hello"
    for client in clients[:5]:  # who leaves is not waited for
        client.close()
    await_true(lambda: daemon.status()["requests_in_work"] == 25)
    disk.answer_again()
    for client in clients[5:]:
        assert client.response().body == b"s" * 1000
    await_true(lambda: daemon.status()["files"]["look_ups"]["done"] == 1)  # counted when its thread is free
    assert_no_loop_waited(disk, 1)


@needs_preload
def test_too_many_look_ups_are_refused_and_the_rest_go_on(start, disk):
    n_clients = 1200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * n_clients), hard))
    daemon = start()
    for i in range(n_clients):
        os.link(os.path.join(daemon.dir, "www/small.slow"), os.path.join(daemon.dir, f"www/{i}.slow"))
    disk.stop_answering()
    clients = [Client(daemon.addresses[0]) for _ in range(n_clients)]
    for i, client in enumerate(clients):
        client.send(f"GET /f/{i}.slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: daemon.status()["files"]["look_ups"]["refused"] >= n_clients - 1024 - 2, seconds=30)
    assert daemon.get("/hello").body == b"hello"
    disk.answer_again()
    answers = [client.response() for client in clients]
    for client in clients:
        client.close()
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) in (n_clients - 1024 - 2, n_clients - 1024 - 1)
    assert all(answer.get("retry-after") for answer in refused)
    assert all(answer.body == b"s" * 1000 for answer in answers if answer.status == 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@needs_preload
def test_a_look_up_that_takes_too_long_answers_504(start, disk):
    daemon = start(ROUTES.replace("{ files: www }", "{ files: www, timeout: 300ms }"))
    disk.stop_answering()
    answer = daemon.get("/f/small.slow")
    assert (answer.status, answer.json()["code"]) == (504, "timeout")
    disk.answer_again()
    await_true(lambda: daemon.get("/f/small.slow").status == 200)


def drop_from_memory(path):
    """False where this filesystem keeps it, or does not tell."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            os.preadv(file.fileno(), [bytearray(1)], SIZE // 2, os.RWF_NOWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def test_a_real_file_that_was_dropped_from_memory_is_read_by_the_pool(start):
    daemon = start(env={})
    path = os.path.join(daemon.dir, "www/big.slow")
    assert daemon.get("/f/big.slow").body == BODY
    if not drop_from_memory(path):
        pytest.skip("this filesystem keeps the file in memory")
    before = daemon.status()["files"]["reads"]["done"]
    bodies = []
    assert hellos_during(daemon, lambda: bodies.append(daemon.get("/f/big.slow").body)) >= 1
    assert bodies == [BODY]
    assert daemon.status()["files"]["reads"]["done"] > before
