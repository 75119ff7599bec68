"""tests/e2e/test_files.py: routes that end in `files:`."""
import os
import re
import time
import urllib.parse

import pytest

from leat import Daemon, await_true, check

CONF = """
routes:
  GET /static/{path...}: { files: www }
  GET /one: { files: www/a.txt }
  /any/{path...}: { files: { root: www, cache_control: "max-age=60", precompressed: [br, gz] } }
  GET /app/{path...}: { files: { root: www, fallback: a.txt } }
  GET /hello: { reply: hello }
"""
BIG = bytes(range(256)) * 12000


@pytest.fixture
def site(stage):
    daemon = Daemon(CONF, start=False)
    stage.daemons.append(daemon)
    daemon.write("www/a.txt", "abcdefghijklmnopqrstuvwxyz")
    daemon.write("www/style.css", "plain")
    daemon.write("www/style.css.gz", "zipped")
    daemon.write("www/sub/index.html", "<p>index")
    daemon.write("www/.hidden", "secret")
    daemon.write("www/big", BIG)
    daemon.write("outside", "outside")
    os.symlink("../outside", os.path.join(daemon.dir, "www/escape"))
    os.symlink("a.txt", os.path.join(daemon.dir, "www/inside"))
    os.mkfifo(os.path.join(daemon.dir, "www/pipe"))
    daemon.start()
    return daemon


def test_a_file_has_its_type_and_validators(site):
    answer = site.get("/static/a.txt")
    assert (answer.status, answer.body) == (200, b"abcdefghijklmnopqrstuvwxyz")
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.get("accept-ranges") == "bytes"
    assert re.fullmatch(r'"[!#-~]+"', answer.get("etag"))
    assert site.get("/static/a.txt", headers={"If-None-Match": answer.get("etag")}).status == 304
    assert site.get("/static/a.txt", headers={"If-Match": '"other"'}).status == 412
    assert site.get("/one").body == answer.body


def test_nothing_outside_hidden_or_special_is_served(site):
    for path in ("escape", ".hidden", "..%2foutside", "sub%2findex.html", "pipe", "none",
                 "a.txt/", "sub//index.html", "%2e%2e/outside"):
        assert site.get("/static/" + path).status == 404, path
    assert site.get("/static/inside").status == 200


def test_a_folder_has_a_slash_and_an_index(site):
    assert site.get("/static/sub/").body == b"<p>index"
    assert site.get("/static/sub?a=b").get("location") == "/static/sub/?a=b"
    assert site.get("/static").status == 308
    assert site.get("/static").get("location") == "/static/"
    assert site.get("/static/").status == 404


def test_other_methods_are_refused(site):
    answer = site.post("/any/a.txt")
    assert (answer.status, answer.get("allow")) == (405, "GET, HEAD, OPTIONS")


def test_precompressed_variants_follow_accept_encoding(site):
    answer = site.get("/any/style.css", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert (answer.body, answer.get("content-encoding")) == (b"zipped", "gzip")
    assert (answer.get("vary"), answer.get("cache-control")) == ("Accept-Encoding", "max-age=60")
    assert answer.get("content-type") == "text/css; charset=utf-8"
    assert site.get("/any/style.css", headers={"Accept-Encoding": "gzip;q=0"}).body == b"plain"
    assert site.get("/any/style.css").body == b"plain"


def test_a_fallback_stands_in_for_what_is_missing(site):
    assert site.get("/app/some/view").body == b"abcdefghijklmnopqrstuvwxyz"


def test_a_large_file_is_sent_whole_and_in_parts(site):
    client = site.connect()
    assert client.get("/static/big").body == BIG
    assert client.get("/static/big", headers={"Range": "bytes=1000-299999"}).body == BIG[1000:300000]
    answer = client.get("/static/big", headers={"Range": "bytes=0-4,-5"})
    assert answer.status == 206 and BIG[:5] in answer.body and BIG[-5:] in answer.body
    assert client.request("HEAD", "/static/big").get("content-length") == str(len(BIG))
    assert client.get("/static/big", headers={"Range": f"bytes={len(BIG)}-"}).status == 416
    assert client.get("/hello").body == b"hello"


def test_a_changed_file_is_seen(site):
    assert site.get("/static/a.txt").status == 200
    site.write("www/a.txt", "changed")
    await_true(lambda: site.get("/static/a.txt").body == b"changed")


def test_a_slow_reader_of_a_large_file_keeps_nobody_waiting(site):
    slow = site.connect(receive_buffer=4096)
    slow.send("GET /static/big HTTP/1.1\r\nHost: a\r\n\r\n")
    for _ in range(20):
        assert site.get("/hello").status == 200
    assert slow.response().body == BIG


# ------------------------------------------------------------------ listings

LISTS = """
routes:
  GET /l/{path...}: { files: { root: www, listing: true } }
  GET /all/{path...}: { files: { root: www, listing: true, hidden: true, symlinks: any } }
  GET /plain/{path...}: { files: www }
"""


@pytest.fixture
def lists(stage):
    daemon = Daemon(LISTS, start=False)
    stage.daemons.append(daemon)
    daemon.write("www/b.txt", "12345")
    daemon.write("www/zoo/x", "")
    daemon.write("www/indexed/index.html", "<p>index")
    daemon.write("www/.secret", "")
    daemon.write('www/<b> & "c".txt', "")
    daemon.write("www/javascript:alert(1)", "")
    daemon.write("www/100% #1?.txt", "hundred")
    daemon.write("outside", "")
    os.symlink("../outside", os.path.join(daemon.dir, "www/escape"))
    os.symlink("b.txt", os.path.join(daemon.dir, "www/link"))
    os.mkfifo(os.path.join(daemon.dir, "www/pipe"))
    with open(os.path.join(daemon.dir.encode(), b"www/bad-\xff"), "wb"):
        pass
    os.utime(os.path.join(daemon.dir, "www/b.txt"), (1e9, 1e9))
    daemon.start()
    return daemon


def test_a_folder_without_an_index_is_listed_as_a_page(lists):
    answer = lists.get("/l/")
    assert (answer.status, answer.get("content-type"), answer.get("vary")) == (200, "text/html; charset=utf-8", "Accept")
    assert answer.get("etag") is None and answer.get("last-modified") is None
    page = answer.body.decode("utf-8", "replace")
    links = re.findall(r'<a href="([^"]*)">', page)
    assert links[:2] == ["./indexed/", "./zoo/"]  # folders first, then by name
    names = [urllib.parse.unquote_to_bytes(link) for link in links[2:]]
    assert names == sorted(names) and "../" not in links
    assert "./javascript%3Aalert%281%29" in links and "./100%25%20%231%3F.txt" in links
    assert "&lt;b&gt; &amp; &quot;c&quot;.txt" in page and "<b>" not in page
    assert ".secret" not in page and "escape" not in page and "pipe" not in page and "./link" in links
    assert re.search(r"b\.txt</a></td><td>5</td><td>2001-09-09 01:46:40</td>", page)
    assert lists.get("/l/100%25%20%231%3F.txt").body == b"hundred"
    assert 'href="../"' in lists.get("/l/zoo/").text
    assert lists.get("/l/indexed/").body == b"<p>index"
    head = lists.request("HEAD", "/l/")
    assert head.get("content-length") == str(len(answer.body))
    assert lists.get("/l/zoo").get("location") == "/l/zoo/"
    assert lists.get("/plain/").status == 404


def test_a_listing_is_json_for_who_prefers_that(lists):
    for accept in ("application/json", "text/html;q=0.5, application/json", "application/*, text/*;q=0.1"):
        answer = lists.get("/l/", headers={"Accept": accept})
        assert answer.get("content-type") == "application/json", accept
    listing = answer.json()
    assert listing["path"] == "/" and listing["more"] is False
    by_name = {entry["name"]: entry for entry in listing["entries"]}
    assert by_name["b.txt"] == {"name": "b.txt", "type": "file", "size": 5, "modified": "2001-09-09T01:46:40Z"}
    assert by_name["zoo"]["type"] == "folder" and by_name["zoo"]["size"] is None
    assert "bad-\ufffd" in by_name and '<b> & "c".txt' in by_name
    for accept in ("text/html", "*/*", "application/json, text/html", "text/html, application/json;q=0.9"):
        assert lists.get("/l/", headers={"Accept": accept}).get("content-type").startswith("text/html"), accept
    assert lists.get("/l/zoo/", headers={"Accept": "application/json"}).json()["path"] == "/zoo/"


def test_hidden_names_and_links_out_are_listed_only_where_they_are_served(lists):
    names = {entry["name"] for entry in lists.get("/all/", headers={"Accept": "application/json"}).json()["entries"]}
    assert {".secret", "escape"} <= names and "pipe" not in names
    assert lists.get("/all/.secret").status == 200 and lists.get("/all/escape").status == 200


def test_a_large_folder_is_listed_up_to_a_bound(lists):
    for i in range(2100):
        lists.write(f"www/many/{i:04}", "")
    listing = lists.get("/l/many/", headers={"Accept": "application/json"}).json()
    assert len(listing["entries"]) == 2000 and listing["more"] is True
    assert "There are more than these 2000." in lists.get("/l/many/").text


# ------------------------------------------------------------------ what is served

def test_hidden_names_are_not_served_but_well_known(stage):
    daemon = Daemon("""
routes:
  /{path...}: { files: www }
  /sub/{path...}: { files: www }
  /hidden/{path...}: { files: { root: www, hidden: true } }
""", start=False)
    stage.daemons.append(daemon)
    for name in (".env", ".git/config", ".well-known/security.txt", "a/.well-known/x", ".well-known/.x", "a/..b"):
        daemon.write("www/" + name, name)
    daemon.start()
    assert daemon.get("/.well-known/security.txt").status == 200
    for path in ("/.env", "/%2eenv", "/.git/config", "/sub/.well-known/security.txt", "/a/.well-known/x",
                 "/.well-known/.x", "/a/..b"):
        assert daemon.get(path).status == 404, path
    for path in ("/hidden/.env", "/hidden/.git/config", "/hidden/.well-known/security.txt", "/hidden/a/..b"):
        assert daemon.get(path).status == 200, path
    for path in ("/hidden/../leat.yaml", "/hidden/%2e%2e/leat.yaml", "/hidden/..%2fleat.yaml", "/hidden/a/../../leat.yaml"):
        assert daemon.get(path).status == 404, path


def test_links_are_followed_as_the_route_says(stage):
    daemon = Daemon("""
routes:
  /inside/{path...}: { files: www }
  /none/{path...}: { files: { root: www, symlinks: none } }
  /any/{path...}: { files: { root: www, symlinks: any } }
""", start=False)
    stage.daemons.append(daemon)
    daemon.write("outside/file", "outside")
    daemon.write("www/real/file", "inside")
    www = os.path.join(daemon.dir, "www")
    os.symlink("real/file", f"{www}/file")
    os.symlink("real", f"{www}/folder")
    os.symlink("../outside", f"{www}/out")
    os.symlink(f"{daemon.dir}/outside/file", f"{www}/absolute-out")
    os.symlink(f"{www}/real/file", f"{www}/absolute-in")
    os.symlink("/proc/self/root", f"{www}/magic")
    os.symlink("loop", f"{www}/loop")
    daemon.start()
    inside = {"file": 200, "folder/file": 200, "out/file": 404, "absolute-out": 404, "absolute-in": 404}
    for name, status in inside.items():
        assert daemon.get("/inside/" + name).status == status, name
        assert daemon.get("/none/" + name).status == 404, name
        assert daemon.get("/any/" + name).status == 200, name
    assert daemon.get("/none/real/file").status == 200
    for route in ("inside", "none", "any"):
        assert daemon.get(f"/{route}/magic{daemon.dir}/outside/file").status == 404
        assert daemon.get(f"/{route}/loop").status == 404


def test_a_folder_that_becomes_a_link_out_is_not_followed(stage):
    daemon = Daemon("routes: { '/s/{path...}': { files: www } }\n", start=False)
    stage.daemons.append(daemon)
    daemon.write("www/folder/file", "inside")
    daemon.write("outside/file", "outside")
    daemon.start()
    assert daemon.get("/s/folder/file").body == b"inside"
    www = os.path.join(daemon.dir, "www")
    os.rename(f"{www}/folder", f"{www}/before")
    os.symlink("../outside", f"{www}/folder")
    seen = set()

    def is_gone():
        answer = daemon.get("/s/folder/file")
        seen.add(answer.body)
        return answer.status == 404
    await_true(is_gone)
    assert b"outside" not in seen


def test_media_types_are_known_and_may_be_added(stage):
    daemon = Daemon("""
routes:
  /t/{path...}: { files: { root: www, types: { foo: application/x-foo, .txt: text/x-mine } } }
""", start=False)
    stage.daemons.append(daemon)
    types = {"a.wasm": "application/wasm", "a.mjs": "text/javascript; charset=utf-8", "a.webp": "image/webp",
             "a.avif": "image/avif", "a.woff2": "font/woff2", "a.webmanifest": "application/manifest+json",
             "a.map": "application/json", "a.jsonld": "application/ld+json", "a.svg": "image/svg+xml",
             "a.md": "text/markdown; charset=utf-8", "A.HTML": "text/html; charset=utf-8", "a.foo": "application/x-foo",
             "a.b.FOO": "application/x-foo", "a.txt": "text/x-mine", "none": "application/octet-stream",
             "a.unknown": "application/octet-stream"}
    for name in types:
        daemon.write("www/" + name, "x")
    daemon.start()
    for name, type_ in types.items():
        assert daemon.get("/t/" + name).get("content-type") == type_, name


@pytest.mark.parametrize("settings, message", [
    ("types: { foo: bar }", "not an ending and a media type"),
    ("types: { a.b: text/plain }", "not an ending and a media type"),
    ('types: { foo: "text/plain\\r\\nX: y" }', "not an ending and a media type"),
    ("index: ../secret", "index is a path beneath the root"),
    ("fallback: /etc/passwd", "fallback is a path beneath the root"),
    ("symlinks: maybe", "symlinks"),
    ("precompressed: [zip]", "not a list of codings"),
    ('cache_control: "a\\nb"', "cache_control has a line break"),
])
def test_wrong_settings_are_errors(settings, message):
    code, text = check(f"routes: {{ 'GET /x/{{p...}}': {{ files: {{ root: ., {settings} }} }} }}\n")
    assert code == 1 and message in text


# ------------------------------------------------------------------ look-ups

def test_paths_that_lead_nowhere_are_looked_for_once_a_second(site):
    client = site.connect()
    before = site.status()["files"]["look_ups"]["done"]
    started = time.monotonic()
    for _ in range(300):
        assert client.get("/static/none").status == 404
    looked = site.status()["files"]["look_ups"]["done"] - before
    assert looked <= 2 + time.monotonic() - started


def test_a_file_that_comes_to_be_is_seen(site):
    assert site.get("/static/new").status == 404
    site.write("www/new", "now")
    await_true(lambda: site.get("/static/new").status == 200)


def test_a_deleted_or_replaced_file_is_seen(site):
    path = os.path.join(site.dir, "www/a.txt")
    first = site.get("/static/a.txt")
    site.write("www/next", "another")
    os.replace(os.path.join(site.dir, "www/next"), path)
    await_true(lambda: site.get("/static/a.txt").body == b"another")
    assert site.get("/static/a.txt", headers={"If-None-Match": first.get("etag")}).status == 200
    os.unlink(path)
    await_true(lambda: site.get("/static/a.txt").status == 404)


def test_open_files_are_bounded(site):
    for i in range(200):
        site.write(f"www/large/{i}", b"x" * 70000)
    for i in range(200):
        assert len(site.get(f"/static/large/{i}").body) == 70000
    names = [os.readlink(f"/proc/{site.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{site.pid}/fd")]
    assert sum("/www/large/" in name for name in names) <= 2 * 64


def test_a_file_that_shrinks_while_it_is_sent_cuts_the_connection(site):
    client = site.connect(receive_buffer=4096)
    client.send("GET /static/big HTTP/1.1\r\nHost: a\r\n\r\n")
    head = client.head()
    os.truncate(os.path.join(site.dir, "www/big"), 100)
    assert len(client.rest()) < int(head.get("content-length"))
    assert site.get("/hello").status == 200


def test_a_root_that_is_not_there_is_an_error():
    code, text = check("routes: { 'GET /x/{p...}': { files: nowhere } }\n")
    assert code != 0 and "cannot open the folder" in text


# ------------------------------------------------------------------ hot files

def without_date(answer):
    return (answer.status, [field for field in answer.fields if field[0] != "date"], answer.body)


def test_a_hot_file_is_answered_as_it_was_when_it_was_cold(site):
    client = site.connect()
    for method, headers in (("GET", {}), ("HEAD", {}), ("GET", {"Accept-Encoding": "gzip"}), ("GET", {"X-Other": "1"})):
        for path in ("/static/a.txt", "/any/style.css", "/one", "/static/sub/", "/app/some/view"):
            answers = [without_date(client.request(method, path, headers=headers)) for _ in range(3)]
            assert answers[0] == answers[1] == answers[2], (method, path)
            assert answers[0][0] == 200
    answer = client.get("/static/a.txt", headers={"Connection": "close"})
    assert answer.get("connection") == "close" and answer.status == 200


def test_a_hot_file_is_looked_at_once_a_second(site):
    client = site.connect()
    client.get("/static/a.txt")
    before, started = site.status()["files"]["look_ups"]["done"], time.monotonic()
    for i in range(600):
        assert client.get("/static/a.txt", headers={"X-Number": str(i // 2)}).status == 200
    assert site.status()["files"]["look_ups"]["done"] - before <= 2 + time.monotonic() - started


def test_hot_files_are_answered_in_order_in_one_write(site):
    site.get("/static/a.txt")
    client = site.connect()
    get = "GET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n"
    big = "GET /static/big HTTP/1.1\r\nHost: a\r\n\r\n"
    client.send(get + get + big + get.replace("GET", "HEAD") + get)
    for expected in (site.get("/static/a.txt").body,) * 2 + (BIG,):
        assert client.response().body == expected
    assert client.response(head=True).get("content-length") == "26"
    assert client.response().body == b"abcdefghijklmnopqrstuvwxyz"


def test_conditions_hold_for_hot_files_too(site):
    client = site.connect()
    first = client.get("/any/style.css")
    etag, modified = first.get("etag"), first.get("last-modified")
    for _ in range(3):
        answer = client.get("/any/style.css", headers={"If-None-Match": f'"x", W/{etag}'})
        assert (answer.status, answer.get("etag"), answer.get("cache-control")) == (304, etag, "max-age=60")
        assert answer.get("vary") == "Accept-Encoding" and answer.get("content-length") is None
        assert client.get("/any/style.css", headers={"If-Modified-Since": modified}).status == 304
        assert client.get("/any/style.css", headers={"If-None-Match": '"x"', "If-Modified-Since": modified}).status == 200
        assert client.get("/any/style.css", headers={"If-Match": "*"}).status == 200
        assert client.get("/any/style.css", headers={"If-Match": '"x"'}).status == 412
        assert client.get("/any/style.css", headers={"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}).status == 412
        assert client.get("/any/style.css").body == b"plain"


def test_the_same_head_gets_the_changed_file(site):
    client = site.connect()
    for _ in range(5):
        assert client.get("/static/a.txt").body == b"abcdefghijklmnopqrstuvwxyz"
    site.write("www/a.txt", "changed")
    await_true(lambda: client.get("/static/a.txt").body == b"changed")
    os.unlink(os.path.join(site.dir, "www/a.txt"))
    await_true(lambda: client.get("/static/a.txt").status == 404)


def test_policies_are_asked_for_hot_files(stage):
    daemon = Daemon("""
routes:
  GET /free/{path...}: { files: www }
  GET /own/{path...}: { files: www, deny: [127.0.0.0/8] }
  GET /named/{path...}: { files: www, headers: { set: { X-Mine: here } } }
defaults:
  /under: { deny: [127.0.0.0/8] }
""", start=False, files={"www/a": "a"})
    daemon.write_conf(open(daemon.path, encoding="utf-8").read().replace(
        "  GET /own", "  GET /under/{path...}: { files: www }\n  GET /own"), whole=True)
    stage.daemons.append(daemon)
    daemon.start()
    for _ in range(3):
        assert daemon.get("/free/a").status == 200
        assert daemon.get("/own/a").status == 403
        assert daemon.get("/under/a").status == 403
        assert daemon.get("/named/a").get("x-mine") == "here"


def test_routes_of_one_folder_do_not_share_what_they_answer(stage):
    daemon = Daemon("""
routes:
  /a/{path...}: { files: { root: www, cache_control: no-cache, etag: false } }
  /b/{path...}: { files: { root: www, types: { txt: text/x-mine }, cache_control: private } }
  /c/{path...}: { files: { root: www, symlinks: none } }
  /d/{path...}: { files: www }
""", start=False, files={"www/a.txt": "text"})
    os.symlink("a.txt", os.path.join(daemon.dir, "www/link"))
    stage.daemons.append(daemon)
    daemon.start()
    client = daemon.connect()
    for _ in range(3):
        answer = client.get("/a/a.txt")
        assert (answer.get("cache-control"), answer.get("etag")) == ("no-cache", None)
        assert answer.get("last-modified") and answer.get("content-type") == "text/plain; charset=utf-8"
        answer = client.get("/b/a.txt")
        assert (answer.get("cache-control"), answer.get("content-type")) == ("private", "text/x-mine")
        assert answer.get("etag")
        assert client.get("/c/link").status == 404 and client.get("/d/link").status == 200


def test_a_reload_serves_by_the_new_settings_at_once(site):
    client = site.connect()
    assert client.get("/static/a.txt").get("cache-control") is None
    assert site.reload(CONF.replace("files: www }", "files: { root: www, cache_control: no-store } }")).returncode == 0
    for _ in range(3):
        assert client.get("/static/a.txt").get("cache-control") == "no-store"


# ------------------------------------------------------------------ ranges

@pytest.mark.parametrize("path, content", [("a.txt", b"abcdefghijklmnopqrstuvwxyz"), ("big", BIG)], ids=["small", "large"])
def test_every_form_of_range_is_answered(site, path, content):
    client, size = site.connect(), len(content)

    def ranged(value, **headers):
        return client.get("/static/" + path, headers={"Range": value, **headers})
    for value, first, last in (("bytes=0-0", 0, 0), ("bytes=3-7", 3, 7), ("bytes=10-", 10, size - 1),
                               ("bytes=-4", size - 4, size - 1), (f"bytes=5-{size * 9}", 5, size - 1),
                               (f"bytes=-{size * 9}", 0, size - 1), ("bytes= 1-2", 1, 2)):
        answer = ranged(value)
        assert (answer.status, answer.body) == (206, content[first:last + 1]), value
        assert answer.get("content-range") == f"bytes {first}-{last}/{size}"
    for value in ("bytes=5-2", "bytes=x", "items=0-1", "bytes", "bytes=--1", "bytes=1-2-3"):
        answer = ranged(value)
        assert (answer.status, answer.body) == (200, content), value
    for value in (f"bytes={size}-", "bytes=-0"):
        answer = ranged(value)
        assert (answer.status, answer.get("content-range")) == (416, f"bytes */{size}"), value
    answer = client.request("HEAD", "/static/" + path, headers={"Range": "bytes=0-1"})
    assert (answer.status, answer.get("content-length")) == (200, str(size))


@pytest.mark.parametrize("path, content", [("a.txt", b"abcdefghijklmnopqrstuvwxyz"), ("big", BIG)], ids=["small", "large"])
def test_several_ranges_come_in_parts(site, path, content):
    size = len(content)
    answer = site.get("/static/" + path, headers={"Range": "bytes=1-3, 20-24 ,-2"})
    boundary = re.fullmatch(r"multipart/byteranges; boundary=(\S+)", answer.get("content-type"))[1].encode()
    type_ = site.get("/static/" + path).get("content-type").encode()
    expected = b"".join(b"\r\n--" + boundary + b"\r\nContent-Type: " + type_ + b"\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
                        % (first, last, size) + content[first:last + 1]
                        for first, last in ((1, 3), (20, 24), (size - 2, size - 1)))
    assert answer.status == 206 and answer.body == expected[2:] + b"\r\n--" + boundary + b"--\r\n"
    assert answer.get("content-range") is None
    many = ",".join(f"{i}-{i}" for i in range(17))
    assert site.get("/static/" + path, headers={"Range": "bytes=" + many}).status == 200  # more than is sensible


def test_if_range_decides_whether_a_part_is_enough(site):
    os.utime(os.path.join(site.dir, "www/a.txt"), (1e9, 1e9))
    first = site.get("/static/a.txt")
    for value, status in ((first.get("etag"), 206), ("W/" + first.get("etag"), 200), ('"other"', 200),
                          (first.get("last-modified"), 206), ("Sun, 06 Nov 1994 08:49:37 GMT", 200), ("nonsense", 200)):
        answer = site.get("/static/a.txt", headers={"Range": "bytes=0-1", "If-Range": value})
        assert answer.status == status, value
    answer = site.get("/static/a.txt", headers={"Range": "bytes=0-1", "If-None-Match": first.get("etag")})
    assert answer.status == 304


# ------------------------------------------------------------------ codings

def test_the_coding_is_what_the_client_likes_best(stage):
    daemon = Daemon("""
routes:
  /{path...}: { files: { root: www, precompressed: [br, zst, gz] } }
""", start=False, files={"www/a.js": "plain", "www/a.js.br": "BR", "www/a.js.zst": "ZSTD", "www/a.js.gz": "GZIP",
                         "www/b.js": "plain", "www/b.js.gz": "GZIP", "www/c.js.gz": "GZIP"})
    stage.daemons.append(daemon)
    daemon.start()
    for accept, body, coding in (
            ("br, zstd, gzip", b"BR", "br"), ("gzip, zstd", b"ZSTD", "zstd"), ("gzip", b"GZIP", "gzip"),
            ("br;q=0.1, gzip;q=0.9", b"GZIP", "gzip"), ("br;q=0, *", b"ZSTD", "zstd"), ("*;q=0.5", b"BR", "br"),
            ("identity", b"plain", None), ("gzip;q=0", b"plain", None), ("gzip;q=0.5, identity;q=0.8", b"plain", None),
            ("GZIP", b"GZIP", "gzip"), ("deflate", b"plain", None), ("", b"plain", None),
            ("identity;q=0, gzip", b"GZIP", "gzip"), ("gzip;q=bad", b"plain", None)):
        answer = daemon.get("/a.js", headers={"Accept-Encoding": accept})
        assert (answer.body, answer.get("content-encoding")) == (body, coding), accept
        assert answer.get("vary") == "Accept-Encoding"
        assert answer.get("content-type") == "text/javascript; charset=utf-8"
    tags = {daemon.get("/a.js", headers={"Accept-Encoding": a}).get("etag") for a in ("br", "zstd", "gzip", "identity")}
    assert len(tags) == 4  # each is another representation
    answer = daemon.get("/b.js", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert answer.body == b"GZIP"  # the next best is there
    answer = daemon.get("/b.js", headers={"Accept-Encoding": "gzip", "Range": "bytes=1-2"})
    assert (answer.status, answer.body, answer.get("content-encoding")) == (206, b"ZI", "gzip")
    assert daemon.get("/c.js", headers={"Accept-Encoding": "gzip"}).status == 404  # nothing stands in for what is not there
    assert daemon.get("/a.js.gz").get("content-type") == "application/gzip"


def test_what_is_kept_of_files_leaves_memory_to_requests(stage):
    files = {f"www/{i}": bytes([65 + i % 26]) * 60000 for i in range(100)}
    daemon = stage.leat("""
limits: { total_memory: 2m }
routes: { "GET /f/{path...}": { files: www }, "POST /echo": { reply: "${request.body}" } }
""", files=files)
    for i in range(100):
        assert daemon.get(f"/f/{i}").body == files[f"www/{i}"]
    for i in range(3000):
        assert daemon.get(f"/f/none/{i}").status == 404
    assert daemon.post("/echo", b"x" * 500000).body == b"x" * 500000
