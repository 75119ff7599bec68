"""tests/e2e/test_files.py: routes that end in `files:`."""
import os
import re

import pytest

from leat import check

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
    from leat import Daemon
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
    from leat import await_true
    assert site.get("/static/a.txt").status == 200
    site.write("www/a.txt", "changed")
    await_true(lambda: site.get("/static/a.txt").body == b"changed")


def test_a_slow_reader_of_a_large_file_keeps_nobody_waiting(site):
    slow = site.connect(receive_buffer=4096)
    slow.send("GET /static/big HTTP/1.1\r\nHost: a\r\n\r\n")
    for _ in range(20):
        assert site.get("/hello").status == 200
    assert slow.response().body == BIG


def test_a_root_that_is_not_there_is_an_error():
    code, text = check("routes: { 'GET /x/{p...}': { files: nowhere } }\n")
    assert code != 0 and "cannot open the folder" in text
