"""tests/e2e/test_conditional.py: preconditions of answers that are not files (RFC 9110 §13), and `etag: true`."""
import re

import pytest

from codings import decode
from leat import check

DATE, EARLIER, LATER = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:36 GMT",
                        "Sun, 06 Nov 1994 08:49:38 GMT")
CONF = f"""
http: {{ up: {{ url: "@UP@" }} }}
routes:
  GET /strong: {{ reply: {{ text: body, headers: {{ ETag: '"a"', Cache-Control: max-age=5, Content-Language: en }} }} }}
  GET /weak: {{ reply: {{ text: body, headers: {{ ETag: 'W/"a"' }} }} }}
  GET /dated: {{ reply: {{ text: body, headers: {{ Last-Modified: "{DATE}" }} }} }}
  GET /both: {{ reply: {{ text: body, headers: {{ ETag: '"a"', Last-Modified: "{DATE}" }} }} }}
  GET /made: {{ reply: {{ text: "body ${{query.q}}", headers: {{ ETag: '"${{query.tag}}"' }} }} }}
  GET /none: {{ reply: body }}
  GET /error: {{ reply: {{ status: 404, text: body, headers: {{ ETag: '"a"' }} }} }}
  POST /strong: {{ reply: {{ text: body, headers: {{ ETag: '"a"' }} }} }}
  GET /tagged: {{ reply: {{ text: body, etag: true }} }}
  GET /tagged/made: {{ reply: {{ text: "${{query.q}}", etag: true }} }}
  GET /tagged/json: {{ reply: {{ json: {{ a: "${{query.q}}" }}, etag: true, status: "${{number(query.s)}}" }} }}
  GET /tagged/coded: {{ compress: true, reply: {{ text: "${{query.q}}", etag: true }} }}
  GET /304/text: {{ compress: true, reply: {{ text: "{"a" * 2000}", headers: {{ ETag: '"a"' }} }} }}
  GET /304/typed: {{ compress: true, reply: {{ body: "{"a" * 2000}", headers: {{ ETag: '"a"', Content-Type: text/x }} }} }}
  GET /304/image: {{ compress: true, reply: {{ body: "{"a" * 2000}", headers: {{ ETag: '"a"', Content-Type: image/png }} }} }}
  GET /304/coded: {{ compress: true, reply: {{ text: "{"a" * 2000}", headers: {{ ETag: '"a"', Content-Encoding: x }} }} }}
  GET /stream:
    tasks: {{ x: {{ get: up:/s, stream: true }} }}
    reply: {{ body: "${{x}}", headers: {{ ETag: "${{x.headers.etag}}" }} }}
"""


@pytest.fixture(scope="module")
def site(module_stage):
    def handler(call):
        call.send(b'HTTP/1.1 200 OK\r\nETag: "s"\r\nContent-Length: 100000000\r\n\r\n' + b"x" * 1000)
        call.gone()
    server = module_stage.backend(handler)
    daemon = module_stage.leat(CONF, UP=server.url)
    daemon.server = server
    return daemon


def ask(site, target, method="GET", **fields):
    return site.request(method, target, headers={name.replace("_", "-"): value for name, value in fields.items()})


@pytest.mark.parametrize("target, field, value, status", [
    ("/strong", "If-None-Match", '"a"', 304), ("/strong", "If-None-Match", 'W/"a"', 304),
    ("/strong", "If-None-Match", '"b", "a"', 304), ("/strong", "If-None-Match", "*", 304),
    ("/strong", "If-None-Match", '"b"', 200), ("/strong", "If-None-Match", "a", 200),
    ("/weak", "If-None-Match", '"a"', 304), ("/weak", "If-None-Match", 'W/"a"', 304),
    ("/weak", "If-None-Match", 'W/"b"', 200),
    ("/strong", "If-Match", '"a"', 200), ("/strong", "If-Match", '"b", "a"', 200), ("/strong", "If-Match", "*", 200),
    ("/strong", "If-Match", '"b"', 412), ("/strong", "If-Match", 'W/"a"', 412),
    ("/weak", "If-Match", '"a"', 412), ("/weak", "If-Match", 'W/"a"', 412), ("/weak", "If-Match", "*", 200),
    ("/dated", "If-Modified-Since", DATE, 304), ("/dated", "If-Modified-Since", LATER, 304),
    ("/dated", "If-Modified-Since", EARLIER, 200), ("/dated", "If-Modified-Since", "yesterday", 200),
    ("/dated", "If-Unmodified-Since", DATE, 200), ("/dated", "If-Unmodified-Since", EARLIER, 412),
    ("/dated", "If-None-Match", '"a"', 200), ("/dated", "If-Match", '"a"', 412),
    ("/strong", "If-Modified-Since", LATER, 200), ("/strong", "If-Unmodified-Since", EARLIER, 200),
    ("/made?tag=x", "If-None-Match", '"x"', 304), ("/made?tag=y", "If-None-Match", '"x"', 200),
    ("/none", "If-None-Match", "*", 200), ("/none", "If-Match", '"a"', 200),
    ("/error", "If-None-Match", '"a"', 404), ("/error", "If-Match", '"b"', 404),
])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_condition_is_met_or_not(site, method, target, field, value, status):
    with site.connect() as client:
        for _ in range(2):  # the connection goes on
            answer = client.request(method, target, headers={field: value})
            assert answer.status == status
            if status == 200 and method == "GET":
                assert answer.text.startswith("body")
            if status == 304:
                assert answer.get("content-length") is None and answer.get("content-type") is None


def test_a_tag_decides_before_a_date(site):
    assert ask(site, "/both", If_None_Match='"b"', If_Modified_Since=LATER).status == 200
    assert ask(site, "/both", If_None_Match='"a"', If_Modified_Since=EARLIER).status == 304
    assert ask(site, "/both", If_Match='"a"', If_Unmodified_Since=EARLIER).status == 200
    assert ask(site, "/both", If_Match='"a"', If_None_Match='"a"').status == 304


def test_304_says_what_caches_need_and_nothing_of_the_body(site):
    answer = ask(site, "/strong", If_None_Match='"a"')
    assert (answer.status, answer.get("etag"), answer.get("cache-control")) == (304, '"a"', "max-age=5")
    assert answer.get("content-language") is None and answer.get("date")


def test_other_methods_have_no_conditions(site):
    answer = ask(site, "/strong", "POST", If_None_Match='"a"', If_Match='"b"')
    assert (answer.status, answer.text) == (200, "body")


def test_a_condition_with_a_body_is_still_answered_behind_it(site):
    with site.connect() as client:
        client.send('GET /strong HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nIf-None-Match: "a"\r\n\r\n12345')
        assert client.response().status == 304
        assert client.get("/strong").text == "body"


def test_the_body_of_a_stream_that_did_not_change_is_not_read(site):
    before = site.server.n_left
    assert ask(site, "/stream", If_None_Match='"s"').status == 304
    assert ask(site, "/stream", If_Match='"t"').status == 412
    site.server.await_left(before + 2)


# ------------------------------------------------------------------ etag: true

def test_a_tag_is_made_of_the_body(site):
    tags = [ask(site, target).get("etag") for target in
            ("/tagged", "/tagged/made?q=body", "/tagged/made?q=body", "/tagged/made?q=other", "/tagged/made?q=")]
    assert all(re.fullmatch('"[0-9a-f]{32}"', tag) for tag in tags)
    assert tags[0] == tags[1] == tags[2] and len(set(tags)) == 3
    assert tags[0] == '"230d8358dc8e8890b4c58deeb62912ee"'  # by sha256sum


def test_a_made_tag_can_be_asked_by(site):
    for target in ("/tagged", "/tagged/made?q=a", "/tagged/json?q=a&s=200"):
        first = ask(site, target)
        assert ask(site, target, If_None_Match=first.get("etag")).status == 304
        assert ask(site, target, If_None_Match='"other"').body == first.body
        assert ask(site, target, If_Match='"other"').status == 412
        assert ask(site, target, "HEAD").get("etag") == first.get("etag")


def test_only_200_has_a_made_tag(site):
    assert ask(site, "/tagged/json?q=a&s=200").get("etag")
    assert ask(site, "/tagged/json?q=a&s=201").get("etag") is None


def test_a_compressed_body_has_a_weak_tag_that_can_be_asked_by(site):
    target = "/tagged/coded?q=" + "a" * 2000
    plain, coded = ask(site, target), ask(site, target, Accept_Encoding="gzip")
    assert coded.get("etag") == "W/" + plain.get("etag")
    assert decode("gzip", coded.body) == plain.body
    for tag in (plain.get("etag"), coded.get("etag")):
        answer = ask(site, target, Accept_Encoding="gzip", If_None_Match=tag)
        assert (answer.status, answer.get("etag")) == (304, coded.get("etag"))
        assert answer.get("vary") == "Accept-Encoding"
        answer = ask(site, target, If_None_Match=tag)
        assert (answer.status, answer.get("etag")) == (304, plain.get("etag"))


@pytest.mark.parametrize("kind, weak", [("text", True), ("typed", True), ("image", False), ("coded", False)])
def test_304_has_the_tag_that_200_had(site, kind, weak):
    first = ask(site, "/304/" + kind, Accept_Encoding="gzip")
    again = ask(site, "/304/" + kind, Accept_Encoding="gzip", If_None_Match='"a"')
    assert (again.status, again.get("etag")) == (304, first.get("etag")) and first.get("etag").startswith("W/") == weak
    assert again.get("vary") == first.get("vary")
    assert again.get("content-type") is None and again.get("content-encoding") is None


@pytest.mark.parametrize("reply, words", [
    ('{ text: a, etag: true, headers: { etag: "x" } }', "an ETag already"),
    ('{ body: "${x}", etag: true }', "remove `etag`"),
    ('{ text: a, etag: maybe }', "true"),
])
def test_where_no_tag_can_be_made_is_refused(reply, words):
    code, out = check(f"""listen: 127.0.0.1:0
http: {{ up: {{ url: "http://127.0.0.1:1" }} }}
routes:
  GET /:
    tasks: {{ x: {{ get: up:/, stream: true }} }}
    reply: {reply}
""")
    assert code == 1 and words in out and "leat.yaml:6:" in out, out
