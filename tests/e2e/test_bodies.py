"""tests/e2e/test_bodies.py: bodies of requests: their types, schemas, codings, forms and files."""
import gzip
import json
import os
import re
import struct
import threading
import zlib

import pytest

from leat import Client, await_true

ORDER = """{
  "type": "object",
  "required": ["sku", "qty"],
  "additionalProperties": false,
  "properties": {
    "sku": { "$ref": "common.json#/$defs/sku" },
    "qty": { "type": "integer", "minimum": 1 },
    "price": { "multipleOf": 0.01 },
    "tags": { "type": "array", "uniqueItems": true, "items": { "maxLength": 8 } }
  }
}"""
COMMON = '{ "$defs": { "sku": { "type": "string", "pattern": "^[a-z]+$" } } }'
TREE = """{ "oneOf": [ { "properties": { "c": { "$ref": "#" } } },
                       { "properties": { "c": { "$ref": "#" } } } ] }"""
FORM = '{ "required": ["name"], "properties": { "name": { "minLength": 2 }, "age": { "pattern": "^[0-9]+$" } } }'

FILES = {"schemas/order.json": ORDER, "schemas/common.json": COMMON, "schemas/tree.json": TREE,
         "schemas/form.json": FORM, "schemas/any.json": '{ "items": { "maxLength": 20 } }'}

CONF = """
limits: { body: 1m, inflated: 2m }
server: { threads: 2, compute_threads: 1, uploads: @DIR@/uploads }
routes:
  POST /order:
    body: { type: json, schema: schemas/order.json, max: 64k }
    reply: { json: { sku: "${body.sku}", qty: "${body.qty}" } }
  POST /mapped:
    body: { type: json, schema: schemas/order.json, max: 1k }
    reply: { json: "${body}" }
    on_error:
      invalid_input: { status: 409, json: { why: "${error.detail}", status: "${error.status}", all: "${error.errors}" } }
      too_large: { status: 418, json: { why: "${error.detail}" } }
  POST /tree: { body: { type: json, schema: schemas/tree.json }, reply: fits }
  POST /large: { body: { type: json, schema: schemas/any.json }, reply: { json: "${len(body)}" } }
  POST /json: { body: { type: json }, reply: { json: "${body}" } }
  POST /form: { body: { type: form, schema: schemas/form.json }, reply: { json: "${form}" } }
  POST /text: { body: { type: text }, reply: "${body}" }
  POST /any: { reply: "${body}" }
  POST /raw: { reply: { body: "${request.body}" } }
  POST /unread: { reply: "constant" }
  POST /small: { body: { type: text, max: 1k }, reply: "${len(body)}" }
  POST /upload:
    body: { type: multipart, max: 20m, files: 3, max_file: 8m }
    reply: { json: { form: "${form}", all: "${form_all}", body: "${body}" } }
  POST /note:
    body: { type: multipart, schema: schemas/form.json }
    reply: { json: "${form.name}" }
  POST /slow:
    body: { type: multipart, max: 20m }
    tasks: { t: { wait: 10s } }
    reply: { json: "${form}" }
  POST /slow/cancelled:
    body: { type: multipart, max: 20m }
    on_disconnect: cancel
    tasks: { t: { wait: 10s } }
    reply: { json: "${form}" }
"""

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def daemon(module_stage):
    return module_stage.leat(CONF, files=FILES)


@pytest.fixture
def client(daemon):
    with daemon.connect() as client:
        yield client


def problem(answer, status, code="invalid_input"):
    assert answer.status == status
    assert answer.get("content-type") == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["code"]) == (status, code)
    assert re.fullmatch(r"[\w-]+", told["request_id"])
    return told


# ------------------------------------------------------------------ types

@pytest.mark.parametrize("target, type_, accept", [
    ("/json", "text/plain", "application/json"),
    ("/json", "application/jsonx", "application/json"),
    ("/form", "application/json", "application/x-www-form-urlencoded"),
    ("/form", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"),
    ("/upload", "application/x-www-form-urlencoded", "multipart/form-data"),
    ("/text", "image/png", "text/plain"),
])
def test_another_type_is_415_and_is_told_which_would_do(client, target, type_, accept):
    answer = client.request("POST", target, "x", {"Content-Type": type_})
    assert problem(answer, 415)["detail"] == f"the body must be {accept}"
    assert answer.get("accept") == accept
    assert client.request("POST", "/any", "x").status == 200  # the connection lives


@pytest.mark.parametrize("type_", ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"])
def test_json_goes_by_several_names(client, type_):
    assert client.request("POST", "/json", "[1.10]", {"Content-Type": type_}).text == "[1.10]"


def test_what_is_not_json_is_400_with_the_byte(client):
    told = problem(client.request("POST", "/json", '{"a":}', JSON), 400)
    assert told["detail"] == "the body is not JSON: a value was expected at byte 6"
    assert problem(client.request("POST", "/json", "", JSON), 400)["detail"].startswith("the body is not JSON")


def test_a_type_needs_a_length(client):
    client.send("POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\r\n")
    assert client.response().status == 411


# ------------------------------------------------------------------ schemas

def test_a_body_that_fits_goes_through(client):
    answer = client.request("POST", "/order", '{"sku":"pear","qty":2,"price":19.99,"tags":["a","b"]}', JSON)
    assert (answer.status, answer.json()) == (200, {"sku": "pear", "qty": 2})


def test_every_fault_is_listed_by_its_pointer(client):
    answer = client.request("POST", "/order", '{"sku":"Pear","tags":["a","a","123456789"],"price":0.001,"x/y":1}', JSON)
    told = problem(answer, 422)
    assert told["title"] == "Unprocessable Content"
    assert told["detail"] == "the body does not fit its schema"
    assert told["errors"] == [
        {"pointer": "", "keyword": "required", "detail": '"qty" is missing'},
        {"pointer": "/sku", "keyword": "pattern", "detail": "must match ^[a-z]+$"},
        {"pointer": "/tags", "keyword": "uniqueItems", "detail": "holds the same item twice, at 0 and 1"},
        {"pointer": "/tags/2", "keyword": "maxLength", "detail": "must have at most 8 characters"},
        {"pointer": "/price", "keyword": "multipleOf", "detail": "must be a multiple of 0.01"},
        {"pointer": "/x~1y", "keyword": "additionalProperties", "detail": "is not allowed here"},
    ]
    assert client.request("POST", "/any", "x").status == 200


def test_a_key_that_is_there_twice_is_refused(client):
    told = problem(client.request("POST", "/order", '{"sku":"a","qty":1,"qty":-1}', JSON), 422)
    assert told["errors"] == [{"pointer": "/qty", "keyword": "duplicate", "detail": "is there twice in its object"}]


def test_a_form_is_asked_about_its_texts(client):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.request("POST", "/form", "name=Ada&age=36", form).json() == {"name": "Ada", "age": "36"}
    told = problem(client.request("POST", "/form", "name=A&age=x", form), 422)
    assert [e["pointer"] for e in told["errors"]] == ["/name", "/age"]
    assert problem(client.request("POST", "/form", "name=%zz", form), 400)["detail"] == "the form has a malformed escape"
    many = "&".join(f"f{i}=1" for i in range(1001)) + "&name=Ada"
    assert problem(client.request("POST", "/form", many, form), 413, "too_large")


def test_refusals_are_the_routes_to_map(client):
    answer = client.request("POST", "/mapped", '{"sku":"a"}', JSON)
    assert (answer.status, answer.json()) == (409, {
        "why": "the body does not fit its schema", "status": 422,
        "all": [{"pointer": "", "keyword": "required", "detail": '"qty" is missing'}]})
    answer = client.request("POST", "/mapped", "{", JSON)
    assert (answer.status, answer.json()["status"], answer.json()["all"]) == (409, 400, None)
    answer = client.request("POST", "/mapped", "x", {"Content-Type": "text/plain"})
    assert (answer.status, answer.json()["status"]) == (409, 415)
    answer = client.request("POST", "/mapped", " " * 1025, JSON)
    assert (answer.status, answer.json()) == (418, {"why": "the body is larger than may be"})


def test_a_large_body_is_checked_beside_the_loop(client):
    body = json.dumps(["x" * 20] * 20000)
    assert client.request("POST", "/large", body, JSON).json() == 20000
    told = problem(client.request("POST", "/large", body[:-1] + ',"' + "y" * 21 + '"]', JSON), 422)
    assert told["errors"][0]["pointer"] == "/20000"
    assert problem(client.request("POST", "/large", body[:-1], JSON), 400)


def test_a_list_of_faults_ends(client):
    told = problem(client.request("POST", "/large", json.dumps(["y" * 21] * 1000), JSON), 422)
    assert len(told["errors"]) == 100
    assert told["detail"] == "the body does not fit its schema; the first faults are listed"


def test_what_would_take_for_ever_is_refused_while_others_are_served(daemon, client):
    client.send(f"POST /tree HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {150 * 5 + 1 + 150}"
                "\r\n\r\n" + '{"c":' * 150 + "1" + "}" * 150)
    assert daemon.post("/any", "x").status == 200
    told = problem(client.response(), 422)
    assert told["detail"] == "the body takes too long to be compared with its schema"


def test_a_client_that_leaves_during_the_check_leaves_nothing(daemon):
    body = ('{"c":' * 150 + "1" + "}" * 150).encode()
    for _ in range(3):
        with daemon.connect() as client:
            client.send(b"POST /tree HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                        % len(body) + body)
            client.reset()
    await_true(lambda: daemon.n_connections() == 0, what="the end of the connections")
    assert daemon.post("/json", "1", headers=JSON).text == "1"


# ------------------------------------------------------------------ codings

BR = bytes.fromhex("0b0b807b22736b75223a226170706c65222c22717479223a337d03")
ZSTD = bytes.fromhex("28b52ffd2017b900007b22736b75223a226170706c65222c22717479223a337d")
PLAIN = b'{"sku":"apple","qty":3}'


def coded(coding, **more):
    return {"Content-Type": "application/json", "Content-Encoding": coding, **more}


def chunked(client, target, pieces, headers):
    fields = "".join(f"{n}: {v}\r\n" for n, v in headers.items())
    client.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{fields}\r\n")
    for piece in pieces:
        client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    return client.send("0\r\n\r\n").response()


@pytest.mark.parametrize("coding, body", [
    ("gzip", gzip.compress(PLAIN)), ("x-gzip", gzip.compress(PLAIN)), ("GZIP", gzip.compress(PLAIN)),
    ("deflate", zlib.compress(PLAIN)), ("br", BR), ("zstd", ZSTD), ("identity", PLAIN), ("identity, ", PLAIN),
    ("gzip", gzip.compress(PLAIN[:9]) + gzip.compress(PLAIN[9:])),
])
def test_a_coding_is_taken_off(client, coding, body):
    assert client.request("POST", "/order", body, coded(coding)).json() == {"sku": "apple", "qty": 3}
    assert chunked(client, "/order", [bytes([b]) for b in body], coded(coding)).json() == {"sku": "apple", "qty": 3}


@pytest.mark.parametrize("coding", ["compress", "gzip, br", "gzip, gzip", "aes128gcm"])
def test_another_coding_is_415_and_is_told_which_would_do(client, coding):
    answer = client.request("POST", "/order", b"x", coded(coding))
    assert problem(answer, 415)
    assert answer.get("accept-encoding") == "gzip, deflate, br, zstd"


def test_a_route_that_does_not_read_the_body_takes_any_coding(client):
    assert client.request("POST", "/unread", b"x", coded("aes128gcm")).text == "constant"
    assert client.request("POST", "/raw", b"\x00x", coded("gzip")).body == b"\x00x"


@pytest.mark.parametrize("coding, body", [
    ("gzip", gzip.compress(PLAIN)), ("deflate", zlib.compress(PLAIN)), ("br", BR), ("zstd", ZSTD),
])
def test_what_a_coding_does_not_say_is_400(daemon, client, coding, body):
    ends = problem(client.request("POST", "/order", body[:-1], coded(coding)), 400)
    assert ends["detail"] == "the body ends before its Content-Encoding does"
    for bad in (b"\xff\xff" + body, body + b"\xff\xff"):
        told = problem(daemon.post("/order", bad, headers=coded(coding)), 400)
        assert told["detail"] in ("the body is not what its Content-Encoding says",
                                  "the body ends before its Content-Encoding does")


def zstd_of(char, n_blocks):
    """Blocks of 128 KiB of one byte."""
    block = struct.pack("<I", 131072 << 3 | 1 << 1)[:3] + char
    last = struct.pack("<I", 0 << 3 | 1)[:3]
    return bytes.fromhex("28b52ffd0058") + block * n_blocks + last  # a window of 2 MiB


BR_20M = bytes.fromhex("cbffff3f002440e2b14072effff8ffff078004401c1680eefd5ffeffff00900088c302d0bdff01")


@pytest.mark.parametrize("coding, body", [
    ("gzip", gzip.compress(b" " * (3 << 20))), ("deflate", zlib.compress(b" " * (3 << 20))),
    ("br", BR_20M), ("zstd", zstd_of(b" ", 8000)),
])
def test_a_body_that_inflates_past_the_limit_is_413(daemon, coding, body):
    told = problem(daemon.post("/json", body, headers=coded(coding)), 413, "too_large")
    assert told["detail"] == "the body is larger than may be, decoded"


def test_a_body_inflates_to_the_limit_in_several_turns(client):
    body = gzip.compress(b" " * ((2 << 20) - 1) + b"7")
    assert client.request("POST", "/json", body, coded("gzip")).text == "7"
    assert client.request("POST", "/json", zstd_of(b" ", 15) + ZSTD, coded("zstd")).json()["qty"] == 3


def test_what_the_route_says_holds_for_the_decoded_body_too(client):
    text = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    assert client.request("POST", "/small", gzip.compress(b"x" * 1024), text).text == "1024"
    assert problem(client.request("POST", "/small", gzip.compress(b"x" * 1025), text), 413, "too_large")


def test_zstd_windows_are_bounded(client):
    huge = bytes.fromhex("28b52ffd0088") + bytes.fromhex("010000")  # 128 MiB
    assert problem(client.request("POST", "/json", huge, coded("zstd")), 400)


# ------------------------------------------------------------------ multipart

def part(name, data, filename=None, type_=None):
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    head += f"\r\nContent-Type: {type_}" if type_ else ""
    return head.encode() + b"\r\n\r\n" + (data.encode() if isinstance(data, str) else data)


def multipart(*parts, boundary=b"xyz"):
    return b"".join(b"--" + boundary + b"\r\n" + p + b"\r\n" for p in parts) + b"--" + boundary + b"--\r\n"


MULTIPART = {"Content-Type": "multipart/form-data; boundary=xyz"}


def uploads(daemon):
    """The files that wait on the disk, in this process's folder."""
    base = os.path.join(daemon.dir, "uploads")
    runs = os.listdir(base) if os.path.exists(base) else []
    return [os.path.join(base, run, name) for run in runs for name in os.listdir(os.path.join(base, run))]


def await_no_uploads(daemon):
    await_true(lambda: uploads(daemon) == [], what="the deletion of the files")


def test_a_form_has_fields_and_files(daemon, client):
    body = multipart(part("a", "1"), part("a", "2"), part("f", b"\0\xff" * 10, "../x/photo.png", "image/png"),
                     part("empty", b"", "e.txt"), part("none", b"", ""), part("ü", "é"))
    told = client.request("POST", "/upload", body, MULTIPART).json()
    photo = told["form"]["f"]
    assert told["form"]["a"] == "1" and told["all"]["a"] == ["1", "2"] and told["form"]["ü"] == "é"
    assert (photo["filename"], photo["type"], photo["size"]) == ("photo.png", "image/png", 20)
    assert (told["form"]["empty"]["size"], told["form"]["empty"]["type"]) == (0, "text/plain")
    assert "none" not in told["form"] and told["body"] == told["form"]
    assert re.fullmatch(re.escape(daemon.dir) + r"/uploads/run-[0-9]+-[0-9a-f]{16}/[0-9a-f]{32}", photo["path"])
    await_no_uploads(daemon)


def test_files_are_there_while_the_request_is_in_work(daemon, client):
    data = os.urandom(5 << 20)
    client.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
                b"Content-Length: %d\r\n\r\n" % len(multipart(part("f", data, "x"), part("g", "small", "y"))))
    client.send(multipart(part("f", data, "x"), part("g", "small", "y")))
    paths = await_true(lambda: len(uploads(daemon)) == 2 and
                       sum(os.path.getsize(p) for p in uploads(daemon)) == len(data) + 5 and uploads(daemon))
    contents = sorted((open(p, "rb").read() for p in paths), key=len)
    assert contents == [b"small", data]
    assert all(os.stat(p).st_mode & 0o777 == 0o600 for p in paths)
    client.close()
    daemon.status()


def test_files_go_when_the_client_does(daemon, leat):
    own = leat(CONF, files=FILES)
    client = own.connect()
    body = multipart(part("f", b"x" * 300000, "x"))
    client.send(b"POST /slow/cancelled HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await_true(lambda: len(uploads(own)) == 1)
    client.reset()
    await_no_uploads(own)


def test_files_go_when_the_client_leaves_in_the_middle(daemon):
    for _ in range(5):
        with daemon.connect() as client:
            client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
                        b"Content-Length: 10000000\r\n\r\n--xyz\r\n" + part("f", b"x" * 1000000, "x"))
            client.reset()
    await_true(lambda: daemon.n_connections() == 0)
    assert daemon.post("/upload", multipart(part("a", "1")), headers=MULTIPART).status == 200


@pytest.mark.parametrize("size", [0, 1, 131072, 131073, 262144, 1000000, 7999999])
def test_files_of_any_size_are_whole(daemon, client, size):
    data = os.urandom(size)
    body = multipart(part("a", "x" * 100), part("f", data, "f"), part("g", data[:100], "g"))
    told = client.request("POST", "/upload", body, MULTIPART).json()
    assert (told["form"]["f"]["size"], told["form"]["g"]["size"]) == (size, min(size, 100))


def test_a_form_may_come_coded(client):
    body = multipart(part("f", b"z" * 1500000, "f"), part("a", "1"))
    told = client.request("POST", "/upload", gzip.compress(body), {**MULTIPART, "Content-Encoding": "gzip"}).json()
    assert (told["form"]["f"]["size"], told["form"]["a"]) == (1500000, "1")
    body = multipart(part("f", b"z" * 3000000, "f"))
    answer = client.request("POST", "/upload", gzip.compress(body), {**MULTIPART, "Content-Encoding": "gzip"})
    assert problem(answer, 413, "too_large")


def test_a_form_may_come_byte_by_byte(client):
    body = multipart(part("f", b"abc\r\n--xy", "f"), part("a", "1"))
    told = chunked(client, "/upload", [bytes([b]) for b in body], MULTIPART).json()
    assert (told["form"]["f"]["size"], told["form"]["a"]) == (9, "1")


@pytest.mark.parametrize("body, status, detail", [
    (b"", 400, "malformed multipart/form-data: the body is empty"),
    (b"--xyz\r\n", 400, "the body ends before its last boundary"),
    (b"--xyz\r\nX: 1\r\n\r\n1\r\n--xyz--", 400,
     "malformed multipart/form-data: a part without a Content-Disposition of form-data"),
    (multipart(*[part("f", "1", str(i)) for i in range(4)]), 413, "the form has more files than may be"),
    (multipart(part("f", b"x" * (8 << 20) + b"y", "f")), 413, "a file is larger than may be"),
    (multipart(part("f", b"x" * (1 << 20) + b"y")), 413, "the form is larger than may be"),
    (multipart(*[part("f", "")] * 1004), 413, "malformed multipart/form-data: too many parts"),
])
def test_forms_that_are_refused(daemon, body, status, detail):
    with daemon.connect() as client:
        sender = threading.Thread(target=send_and_ignore, args=(client, body))
        sender.start()
        told = problem(client.response(), status, "too_large" if status == 413 else "invalid_input")
        assert told["detail"] == detail
        client.close()
        sender.join()
    await_true(lambda: daemon.n_connections() == 0)


def send_and_ignore(client: Client, body):
    """A refusal may come, and the connection end, before all is sent."""
    try:
        client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body)
    except OSError:
        pass


def test_a_boundary_must_be_said(client):
    told = problem(client.request("POST", "/upload", b"x", {"Content-Type": "multipart/form-data"}), 400)
    assert told["detail"] == "multipart/form-data without a boundary"


def test_a_multipart_form_is_asked_about_by_its_schema(client):
    assert client.request("POST", "/note", multipart(part("name", "Ada")), MULTIPART).json() == "Ada"
    told = problem(client.request("POST", "/note", multipart(part("name", "A")), MULTIPART), 422)
    assert told["errors"][0]["pointer"] == "/name"


# ------------------------------------------------------------------ the disk

def test_leftovers_are_removed_at_start_and_those_of_others_are_not(leat):
    first = leat(CONF, files=FILES)
    client = first.connect()
    body = multipart(part("f", b"x" * 300000, "x"))
    client.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await_true(lambda: len(uploads(first)) == 1)
    os.makedirs(os.path.join(first.dir, "uploads/run-1-0123456789abcdef"))
    first.write("uploads/run-1-0123456789abcdef/left", "over")
    second = leat(CONF.replace("@DIR@/uploads", first.dir + "/uploads"), files=FILES)
    assert second.post("/upload", multipart(part("f", "1", "f")), headers=MULTIPART).status == 200
    await_true(lambda: len(uploads(first)) == 1, what="only what is in use")
    assert "left" not in str(uploads(first))
    assert len(os.listdir(os.path.join(first.dir, "uploads"))) == 2
    second.stop()
    assert len(os.listdir(os.path.join(first.dir, "uploads"))) == 1


def test_a_disk_without_room_is_507(leat):
    own = leat(CONF, files=FILES, shell="ulimit -f 512;")
    answer = own.post("/upload", multipart(part("f", b"x" * 200000, "f")), headers=MULTIPART)
    assert answer.status == 200
    await_no_uploads(own)
    with own.connect() as client:
        sender = threading.Thread(target=send_and_ignore, args=(client, multipart(part("f", b"x" * 2000000, "f"))))
        sender.start()
        assert problem(client.response(), 507, "io_error")["detail"] == "there is no room for the files"
        client.close()
        sender.join()
    assert own.await_line("upload failed folder=.* error=EFBIG")
    await_no_uploads(own)


def test_a_folder_that_cannot_be_made_refuses_uploads_alone(leat):
    own = leat(CONF.replace("@DIR@/uploads", "@DIR@/no/such/folder"), files=FILES)
    assert own.await_line("uploads are refused folder=.* error=ENOENT")
    assert problem(own.post("/upload", multipart(part("f", "1", "f")), headers=MULTIPART), 500, "io_error")
    assert own.post("/upload", multipart(part("a", "1")), headers=MULTIPART).json()["form"] == {"a": "1"}
    os.makedirs(os.path.join(own.dir, "no/such"))
    assert own.post("/upload", multipart(part("f", "1", "f")), headers=MULTIPART).status == 200


# ------------------------------------------------------------------ load errors

@pytest.mark.parametrize("body, error", [
    ("{ schema: schemas/order.json }", "a schema needs a body with parts; write type: json, form or multipart"),
    ("{ type: text, schema: schemas/order.json }", "a schema needs a body with parts"),
    ("{ type: json, files: 3 }", "files is for files; write type: multipart"),
    ("{ type: json, schema: none.json }", 'cannot read the schema "@DIR@/none.json": No such file'),
    ("{ type: json, schema: bad.json }", 'bad.json:1:3: error: unknown keyword "typ"; did you mean "type"?'),
    ("{ type: xml }", "body.type"),
])
def test_what_is_wrong_with_a_body_is_a_load_error(leat, body, error):
    own = leat("routes: { GET /a: { reply: a } }", files={**FILES, "bad.json": '{"typ":1}'})
    own.write_conf(f"routes: {{ POST /a: {{ body: {body}, reply: a }} }}")
    told = own.cli("check")
    assert told.returncode == 1
    assert own.expand(error) in told.out + told.err or "xml" in body


def test_a_body_that_is_too_large_is_answered_the_same_in_every_framing_and_can_be_mapped(leat):
    daemon = leat("""
routes:
  POST /plain: { body: { type: text, max: 10 }, reply: "${body}" }
  POST /mapped: { body: { type: text, max: 10 }, reply: "${body}", on_error: { too_large: { status: 413, text: "at most 10" } } }
""")
    for framing in ("Content-Length: 11\r\n\r\nhello world", "Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"):
        told = daemon.raw(f"POST /plain HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n{framing}")
        assert (told.status, told.json()["code"], told.json()["detail"]) == (413, "too_large", "the body is larger than may be"), told
        told = daemon.raw(f"POST /mapped HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n{framing}")
        assert (told.status, told.text) == (413, "at most 10")


def test_a_body_that_comes_to_the_memory_of_its_request_can_be_mapped(leat):
    daemon = leat("""
limits: { memory: 64k }
routes:
  POST /: { body: { type: text, max: 1m }, reply: "${body}", on_error: { too_large: { status: 413, text: "no room" } } }
""")
    for framing in (b"Content-Length: 200000\r\n\r\n" + b"x" * 200000, b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n" + b"8000\r\n" + b"x" * 0x8000):
        told = daemon.raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n" + framing)
        assert (told.status, told.text) == (413, "no room")
