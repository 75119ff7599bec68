"""tests/e2e/test_file_tasks.py: read, write, append, stat, list, remove, rename, sync; each test with io_uring and with the pool."""
import ctypes
import os
import re
import subprocess
import threading

import pytest

from leat import check

CONF = """
listen: 127.0.0.1:0
server: { threads: 2, compute_threads: 2, io_uring: @RING@ }
files_root: "@DIR@/data"
routes:
  GET /hello: { reply: hello }
  GET /read/{p...}: { tasks: { f: { read: "${path.p}", max: 2m } }, reply: { json: { text: "${f}", size: "${f.size}", mtime: "${f.mtime}" } } }
  GET /user/{id}: { tasks: { f: { read: "users/${path.id}.json" } }, reply: { body: "${f}" } }
  GET /range/{p...}:
    tasks: { f: { read: "${path.p}", offset: "${query.offset == null ? null : number(query.offset)}", length: "${query.length == null ? null : number(query.length)}" } }
    reply: { body: "${f}" }
  GET /stream/{p...}: { tasks: { f: { read: "${path.p}", stream: true } }, reply: { body: "${f}" } }
  GET /tail/{p...}: { tasks: { f: { read: "${path.p}", stream: true, offset: "${number(query.offset)}" } }, reply: { body: "${f}" } }
  PUT /write/{p...}: { body: { type: text, max: 4m }, tasks: { f: { write: "${path.p}", from: "${body}", folders: true } }, reply: { json: "${f.size}" } }
  PUT /new/{p...}: { body: { type: text }, tasks: { f: { write: "${path.p}", from: "${body}", replace: false, mode: "0640", default: null } }, reply: { json: "${f.error}" } }
  PUT /json/{p...}: { body: { type: json }, tasks: { f: { write: "${path.p}", from: { got: "${body}" }, durable: false } }, reply: ok }
  POST /append/{p...}: { body: { type: text }, tasks: { f: { append: "${path.p}", from: "${body}\\n" } }, reply: { json: "${f}" } }
  POST /upload/{p...}: { body: { type: multipart, max: 8m, max_file: 8m }, tasks: { f: { write: "${path.p}", upload: photo } }, reply: { json: "${f}" } }
  GET /stat/{p...}: { tasks: { f: { stat: "${path.p}", missing_ok: true } }, reply: { json: ["${f}", "${f.type}", "${f.size}"] } }
  GET /list: { tasks: { f: { list: . } }, reply: { json: "${f}" } }
  GET /newest: { tasks: { f: { list: ., by: -mtime, take: 1 } }, reply: { json: "${f}" } }
  GET /few: { tasks: { f: { list: ., max: 2, hidden: true } }, reply: { json: "${f}" } }
  DELETE /{p...}: { tasks: { f: { remove: "${path.p}" } }, reply: { json: "${f}" } }
  DELETE /maybe/{p...}: { tasks: { f: { remove: "${path.p}", missing_ok: true } }, reply: { json: "${f}" } }
  POST /rename/{p...}: { tasks: { f: { rename: "${path.p}", to: "${query.to}", folders: true } }, reply: ok }
  POST /sync/{p...}: { tasks: { f: { sync: "${path.p}" } }, reply: ok }
"""


def ring_is_refused():
    """Whether this kernel or sandbox lets nobody have io_uring: asked with the system call itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(425, 1, ctypes.create_string_buffer(120))
    if fd >= 0:
        os.close(fd)
        return None
    return os.strerror(ctypes.get_errno())


@pytest.fixture(scope="module", params=["auto", "off"])
def daemon(request, module_stage):
    refused = ring_is_refused() if request.param == "auto" else None
    if refused:
        pytest.skip(f"io_uring is refused here: {refused}")
    return module_stage.leat(CONF.replace("@RING@", request.param))


def data(daemon, name):
    return os.path.join(daemon.dir, "data", name)


def put(daemon, name, content):
    os.makedirs(os.path.dirname(data(daemon, name)), exist_ok=True)
    with open(data(daemon, name), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


def content(daemon, name):
    with open(data(daemon, name), "rb") as file:
        return file.read()


def ask(daemon, method, path, body=None, status=200, kind="text/plain"):
    answer = daemon.request(method, path, body=body, headers={"Content-Type": kind} if body is not None else {})
    assert answer.status == status, (answer, answer.body)
    return answer


# ------------------------------------------------------------------ reading

def test_a_file_is_read_with_its_size_and_time(daemon):
    put(daemon, "a.txt", "some text")
    os.utime(data(daemon, "a.txt"), (1700000000, 1700000000))
    assert ask(daemon, "GET", "/read/a.txt").json() == {"text": "some text", "size": 9, "mtime": "2023-11-14T22:13:20Z"}
    put(daemon, "empty", "")
    assert ask(daemon, "GET", "/read/empty").json()["text"] == ""


def test_what_is_not_there_is_not_found(daemon):
    assert ask(daemon, "GET", "/read/none", status=404).json()["code"] == "not_found"
    assert ask(daemon, "GET", "/stream/none", status=404).json()["code"] == "not_found"


def test_more_than_max_is_too_large(daemon):
    put(daemon, "large", b"x" * (2 << 20))
    assert ask(daemon, "GET", "/read/large").json()["size"] == 2 << 20
    put(daemon, "large", b"x" * ((2 << 20) + 1))
    assert ask(daemon, "GET", "/read/large", status=502).json()["code"] == "too_large"


def test_ranges_are_read(daemon):
    put(daemon, "digits", "0123456789")
    assert ask(daemon, "GET", "/range/digits?offset=3&length=4").text == "3456"
    assert ask(daemon, "GET", "/range/digits?offset=8").text == "89"
    assert ask(daemon, "GET", "/range/digits").text == "0123456789"
    ask(daemon, "GET", "/range/digits?offset=-1", status=400)
    ask(daemon, "GET", "/range/digits?offset=1.5", status=400)


def test_a_value_that_does_not_fit_into_the_path_is_refused(daemon):
    put(daemon, "users/7.json", "{}")
    assert ask(daemon, "GET", "/user/7").text == "{}"
    for bad in ("..%2F..%2Fetc", "a%2Fb", "%00"):
        answer = daemon.request("GET", f"/user/{bad}")
        assert answer.status in (400, 404), answer
    for bad in ("a%2F..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%2F%2Fb"):
        answer = daemon.request("POST", f"/rename/x?to={bad}")
        assert answer.status == 400 and answer.json()["code"] == "invalid_input", answer


def test_no_link_is_followed(daemon):
    os.makedirs(data(daemon, ""), exist_ok=True)
    if not os.path.islink(data(daemon, "etc")):
        os.symlink("/etc", data(daemon, "etc"))
    assert ask(daemon, "GET", "/read/etc/hostname", status=400).json()["code"] == "invalid_input"
    assert ask(daemon, "PUT", "/write/etc/leat-test", "x", status=400).json()["code"] == "invalid_input"
    assert not os.path.exists("/etc/leat-test")
    assert ask(daemon, "GET", "/stat/etc").json()[1] == "link"
    os.unlink(data(daemon, "etc"))


def test_a_large_file_is_passed_on_in_bounded_memory(daemon):
    block = os.urandom(1 << 20)
    with open(data(daemon, "big.png"), "wb") as file:
        for _ in range(64):
            file.write(block)
    answer = ask(daemon, "GET", "/stream/big.png")
    assert answer.get("content-length") == str(64 << 20) and answer.get("content-type") == "image/png"
    assert answer.body == block * 64
    with open(data(daemon, "big.png"), "rb") as file:  # cold, where the system lets
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert ask(daemon, "GET", f"/tail/big.png?offset={63 << 20}").body == block
    assert ask(daemon, "GET", f"/tail/big.png?offset={65 << 20}").body == b""
    client = daemon.connect(receive_buffer=4096)  # one that reads nothing, and leaves
    client.send("GET /stream/big.png HTTP/1.1\r\nHost: x\r\n\r\n")
    client._fill()
    with open(f"/proc/{daemon.pid}/status") as status:
        resident = int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1))
    client.sock.close()
    if os.environ.get("LEAT_FLAVOR", "release") == "release":
        assert resident < 64 << 10
    os.unlink(data(daemon, "big.png"))


# ------------------------------------------------------------------ writing

def test_a_file_is_written_whole_and_nothing_else_is_left(daemon):
    text = "x" * (3 << 20)
    assert ask(daemon, "PUT", "/write/w/deep/f.txt", text).json() == 3 << 20
    assert content(daemon, "w/deep/f.txt").decode() == text
    ask(daemon, "PUT", "/write/w/deep/f.txt", "other")
    assert content(daemon, "w/deep/f.txt") == b"other"
    assert os.listdir(data(daemon, "w/deep")) == ["f.txt"]
    ask(daemon, "PUT", "/json/j.json", '{"a":19.90}', kind="application/json")
    assert content(daemon, "j.json") == b'{"got":{"a":19.90}}'


def test_a_file_that_is_there_is_not_replaced_where_it_must_not_be(daemon):
    if os.path.exists(data(daemon, "once")):
        os.unlink(data(daemon, "once"))
    assert ask(daemon, "PUT", "/new/once", "first").json() is None
    assert os.stat(data(daemon, "once")).st_mode & 0o777 == 0o640
    error = ask(daemon, "PUT", "/new/once", "second").json()
    assert error["code"] == "io_error" and error["errno"] == "EEXIST" and "once" in error["detail"]
    assert content(daemon, "once") == b"first"


def test_appends_of_many_clients_are_all_there(daemon):
    if os.path.exists(data(daemon, "log")):
        os.unlink(data(daemon, "log"))

    def some(number):
        for i in range(20):
            assert ask(daemon, "POST", "/append/log", f"{number}-{i}").json() == len(f"{number}-{i}") + 1
    threads = [threading.Thread(target=some, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = content(daemon, "log").decode().split()
    assert sorted(lines) == sorted(f"{n}-{i}" for n in range(8) for i in range(20))


def test_a_file_of_a_form_is_stored(daemon):
    photo = os.urandom(3 << 20)
    form = (b'--B\r\nContent-Disposition: form-data; name="photo"; filename="p.bin"\r\n\r\n' + photo + b"\r\n--B--\r\n")
    assert ask(daemon, "POST", "/upload/photo.bin", form, kind="multipart/form-data; boundary=B").json() == 3 << 20
    assert content(daemon, "photo.bin") == photo
    text = b'--B\r\nContent-Disposition: form-data; name="photo"\r\n\r\n/etc/passwd\r\n--B--\r\n'
    assert ask(daemon, "POST", "/upload/stolen", text, status=400, kind="multipart/form-data; boundary=B")
    assert not os.path.exists(data(daemon, "stolen"))


# ------------------------------------------------------------------ names

def test_folders_are_listed_in_order_and_within_a_bound(daemon):
    for name in os.listdir(data(daemon, "")):
        subprocess.run(["rm", "-rf", data(daemon, name)], check=True)
    put(daemon, "b", "22")
    put(daemon, "a", "1")
    put(daemon, "d/x", "")
    put(daemon, ".hidden", "")
    os.utime(data(daemon, "b"), (4000000000, 4000000000))
    entries = ask(daemon, "GET", "/list").json()
    assert [(e["name"], e["type"]) for e in entries] == [("a", "file"), ("b", "file"), ("d", "folder")]
    assert entries[1]["size"] == 2 and entries[1]["mtime"] == "2096-10-02T07:06:40Z"
    assert [e["name"] for e in ask(daemon, "GET", "/newest").json()] == ["b"]
    assert ask(daemon, "GET", "/few", status=502).json()["code"] == "too_large"


def test_stat_tells_what_is_there_and_what_is_not(daemon):
    put(daemon, "s", "12345")
    os.chmod(data(daemon, "s"), 0o604)
    whole, kind, size = ask(daemon, "GET", "/stat/s").json()
    assert (kind, size) == ("file", 5) and whole["mode"] == "0604" and whole["name"] == "s"
    assert ask(daemon, "GET", "/stat/none").json() == [None, None, None]


def test_files_are_renamed_removed_and_synced(daemon):
    put(daemon, "r", "r")
    ask(daemon, "POST", "/rename/r?to=new%2Fr2")
    assert content(daemon, "new/r2") == b"r" and not os.path.exists(data(daemon, "r"))
    ask(daemon, "POST", "/sync/new/r2")
    ask(daemon, "POST", "/sync/new")
    ask(daemon, "POST", "/sync/none", status=404)
    assert ask(daemon, "DELETE", "/new", status=500).json()["code"] == "io_error"
    assert ask(daemon, "DELETE", "/new/r2").json() is True
    assert ask(daemon, "DELETE", "/new").json() is True
    ask(daemon, "DELETE", "/new", status=404)
    assert ask(daemon, "DELETE", "/maybe/new").json() is False


# ------------------------------------------------------------------ at load

@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "''", "/${path.p}", "a/../${path.p}"])
def test_a_bad_constant_path_is_found_by_check(path):
    code, output = check(f"""
listen: 127.0.0.1:0
routes:
  GET /a/{{p}}: {{ tasks: {{ f: {{ read: {path if path == "''" else repr(path)} }} }}, reply: ok }}
""")
    assert code == 1 and "a path beneath files_root" in output


def test_a_write_wants_something_to_write_and_a_mode_that_is_one():
    code, output = check("""
listen: 127.0.0.1:0
routes:
  GET /a: { tasks: { f: { write: a } }, reply: ok }
  GET /b: { tasks: { f: { write: a, from: b, mode: "4755" } }, reply: ok }
""")
    assert code == 1 and "add `from`" in output and "not a mode" in output
