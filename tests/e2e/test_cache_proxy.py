"""tests/e2e/test_cache_proxy.py: `proxy: {cache: …}`: answers of an upstream are kept as RFC 9111 says."""
import threading

import pytest

from backends import Gone
from leat import Closed, await_true, check

CONF = """
http: { up: { url: "@UP@" } }
routes:
  /{path...}: { proxy: { to: up, cache: @CACHE@ } }
"""


def start(leat, backend, handler, cache="true", conf=CONF):
    server = backend(handler)
    return leat(conf, UP=server.url, CACHE=cache), server


def numbered(*fields, status=200, **more):
    """A handler whose answers count, with these fields."""
    headers = dict(field.split(": ", 1) for field in fields)
    return lambda call: call.reply(f"{len(call.backend.calls)}", status=status, headers={**headers, **more})


def cache_status(answer):
    return answer.all("cache-status")[-1]


def figures(daemon):
    return daemon.status()["caches"][0]


# ------------------------------------------------------------------ what is kept

@pytest.mark.parametrize("fields, kept", [
    (["Cache-Control: max-age=60"], True),
    (["Cache-Control: s-maxage=60, max-age=0"], True),
    (["Expires: Fri, 01 Jan 2100 00:00:00 GMT"], True),
    (["Cache-Control: max-age=60, private"], False),
    (["Cache-Control: max-age=60, no-store"], False),
    (["Cache-Control: max-age=60, no-cache"], False),
    (["Cache-Control: max-age=60", "Set-Cookie: a=b"], False),
    (["Cache-Control: max-age=60", "Vary: *"], False),
    (["Cache-Control: max-age=60", "Age: 60"], False),
    (["Expires: 0"], False),
    ([], False),
])
def test_what_the_fields_of_an_answer_say_is_done(leat, backend, fields, kept):
    daemon, server = start(leat, backend, numbered(*fields))
    first, second = daemon.get("/a?b=c"), daemon.get("/a?b=c")
    assert (first.text, second.text) == ("1", "1" if kept else "2")
    assert cache_status(first) == "leat; fwd=uri-miss" + ("; stored" if kept else "")
    assert cache_status(second).startswith("leat; hit; ttl=" if kept else "leat; fwd=uri-miss")
    if kept:
        assert 0 <= int(second.get("age")) < 60
    assert daemon.get("/a?b=d").text == str(len(server.calls))


def test_errors_and_redirects_are_kept_where_they_say_so(leat, backend):
    daemon, server = start(leat, backend, lambda call: call.reply(
        str(len(call.backend.calls)), status=int(call.path[1:4]), headers={"Cache-Control": "max-age=60"}))
    for status in (404, 302, 410):
        assert daemon.get(f"/{status}").status == status
        assert daemon.get(f"/{status}").status == status
    assert len(server.calls) == 3


def test_without_a_word_an_answer_is_fresh_only_where_the_configuration_says_so(leat, backend):
    daemon, server = start(leat, backend, numbered(), cache="{ ttl: 1h }")
    assert [daemon.get("/a").text for _ in range(3)] == ["1"] * 3
    assert "ttl=35" in cache_status(daemon.get("/a"))


def test_the_age_that_an_answer_had_counts(leat, backend):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=60", "Age: 50"))
    daemon.get("/a")
    answer = daemon.get("/a")
    assert 50 <= int(answer.get("age")) < 60
    assert 0 < int(cache_status(answer).split("ttl=")[1]) <= 10


def test_hop_by_hop_fields_and_the_date_are_not_kept(leat, backend):
    daemon, server = start(leat, backend, numbered(
        "Cache-Control: max-age=60", "Connection: X-Hop", "X-Hop: a", "X-End: b",
        "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Expires: Fri, 01 Jan 2100 00:00:00 GMT"), cache="{ ttl: 1h }")
    daemon.get("/a")
    answer = daemon.get("/a")
    assert answer.get("x-hop") is None
    assert len(answer.all("date")) == 1


# ------------------------------------------------------------------ what a request says

@pytest.mark.parametrize("field, text", [
    ("Cache-Control: no-cache", "2"),
    ("Pragma: no-cache", "2"),
    ("Cache-Control: min-fresh=100", "2"),
    ("Cache-Control: min-fresh=10", "1"),
    ("Cache-Control: no-store", "1"),
    ("Cache-Control: only-if-cached", "1"),
])
def test_what_a_request_says_is_done(leat, backend, field, text):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=60"))
    daemon.get("/a")
    assert daemon.get("/a", headers=[field.split(": ")]).text == text


def test_only_if_cached_never_asks_the_upstream(leat, backend):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=60"))
    assert daemon.get("/a", headers=[("Cache-Control", "only-if-cached")]).status == 504
    assert not server.calls


def test_what_a_request_forbids_to_keep_is_not_kept(leat, backend):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=60"))
    daemon.get("/a", headers=[("Cache-Control", "no-store")])
    assert daemon.get("/a").text == "2"


@pytest.mark.parametrize("control, kept", [("max-age=60", False), ("max-age=60, public", True), ("s-maxage=60", True)])
def test_an_answer_for_one_who_has_shown_himself_is_for_others_only_when_it_says_so(leat, backend, control, kept):
    daemon, server = start(leat, backend, numbered(f"Cache-Control: {control}"))
    daemon.get("/a", headers=[("Authorization", "Basic eDp5")])
    assert daemon.get("/a").text == ("1" if kept else "2")


# ------------------------------------------------------------------ Vary

def test_answers_are_chosen_by_the_fields_that_vary_names(leat, backend):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=60", "Vary: Accept-Language, X-A"))

    def get(*headers):
        return daemon.get("/a", headers=headers).text
    assert get(("Accept-Language", "de")) == "1"
    assert get(("Accept-Language", "fr")) == "2"
    assert get(("Accept-Language", "de"), ("X-A", "1")) == "3"
    assert get() == "4"
    assert get(("Accept-Language", "")) == "5"
    assert get(("Accept-Language", "de"), ("Other", "x")) == "1"
    assert get(("Accept-Language", "fr")) == "2"
    assert get(("X-A", "1"), ("Accept-Language", "de")) == "3"
    assert get() == "4"
    daemon.admin("DELETE", "/v1/cache?key=http://leat.test/a")
    assert figures(daemon)["entries"] == 0


def test_those_who_waited_for_another_variant_do_not_get_it(leat, backend):
    def handler(call):
        if call.headers["x-lang"] == "de":
            call.backend.release.wait()
        call.reply(call.headers["x-lang"], headers={"Cache-Control": "max-age=60", "Vary": "X-Lang"})
    daemon, server = start(leat, backend, handler)
    clients = {}
    for lang in ("de", "fr", "it"):
        clients[lang] = daemon.connect()
        clients[lang].send(f"GET /a HTTP/1.1\r\nHost: a\r\nX-Lang: {lang}\r\n\r\n".encode())
        await_true(lambda: len(server.calls) == 1, what="the first call")
    await_true(lambda: figures(daemon)["waiting"] == 2, what="that the others wait")
    server.release.set()
    for lang, client in clients.items():
        assert client.response().text == lang


# ------------------------------------------------------------------ validation

def test_what_is_stale_is_asked_about_and_made_fresh_by_304(leat, backend):
    def handler(call):
        if call.headers.get("if-none-match") == '"a"':
            call.send(b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nX-New: b\r\nETag: \"a\"\r\n\r\n")
        else:
            call.reply("body", headers={"ETag": '"a"', "Cache-Control": "max-age=0", "X-Old": "a",
                                        "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"})
    daemon, server = start(leat, backend, handler)
    assert daemon.get("/a").text == "body"
    answer = daemon.get("/a")
    assert (answer.status, answer.text, answer.get("x-old"), answer.get("x-new")) == (200, "body", "a", "b")
    assert "fwd=stale; fwd-status=304; stored" in cache_status(answer)
    assert server.calls[1].headers["if-modified-since"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert cache_status(daemon.get("/a")).startswith("leat; hit")
    assert len(server.calls) == 2


def test_what_has_changed_takes_the_place_of_what_was_kept(leat, backend):
    def handler(call):
        call.reply(f"{len(call.backend.calls)}", headers={"ETag": f'"{len(call.backend.calls)}"',
                                                          "Cache-Control": "no-cache"})
    daemon, server = start(leat, backend, handler)
    assert [daemon.get("/a").text for _ in range(3)] == ["1", "2", "3"]
    assert [call.headers.get("if-none-match") for call in server.calls] == [None, '"1"', '"2"']
    assert figures(daemon)["entries"] == 1


def test_conditions_of_clients_are_answered_from_what_is_kept(leat, backend):
    daemon, server = start(leat, backend, numbered('ETag: "a"', "Cache-Control: max-age=60"))
    assert daemon.get("/a", headers=[("If-None-Match", '"a"')]).status == 304  # it was asked for whole
    assert "if-none-match" not in server.calls[0].headers
    assert daemon.get("/a", headers=[("If-None-Match", '"a"')]).status == 304
    assert daemon.get("/a", headers=[("If-None-Match", '"b"')]).status == 200
    assert daemon.get("/a", headers=[("If-Match", '"b"')]).status == 412
    assert len(server.calls) == 1


def test_an_unsafe_method_that_succeeds_makes_what_is_kept_invalid(leat, backend):
    def handler(call):
        call.reply(str(len(call.backend.calls)), status=500 if call.path == "/fail" else 200,
                   headers={"Cache-Control": "max-age=60", "Location": "/b?c"})
    daemon, server = start(leat, backend, handler)
    daemon.get("/a"), daemon.get("/b?c")
    assert (daemon.get("/a").text, daemon.get("/b?c").text) == ("1", "2")
    daemon.post("/a", body=b"x")
    assert (daemon.get("/a").text, daemon.get("/b?c").text) == ("4", "5")


def test_an_unsafe_method_on_another_route_makes_what_proxies_keep_of_the_uri_invalid(leat, backend):
    """RFC 9111 §4.4 is about the URI, whatever route answers; a refusal changes nothing."""
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=60"), conf="""
http: { up: { url: "@UP@" } }
routes:
  GET /items/{id}: { proxy: { to: up, cache: true } }
  PUT /items/{id}: { tasks: { a: { fail: conflict, when: "query.n == '1'", status: 409 } }, reply: { status: 204 } }
  POST /items:
    tasks: { n: { value: 1 } }
    reply: { status: 201, headers: { Location: "/items/x/../a#end", Content-Location: "http://${headers.host}/items/b?x" } }
  GET /key/{id}: { proxy: { to: up, cache: { key: "${path.id}" } } }
  PUT /key/{id}: { proxy: up }
""")

    def kept(*paths):
        return [cache_status(daemon.get(path)).startswith("leat; hit") for path in paths]
    paths = ["/items/a", "/items/a?n=1", "/items/b?x", "/key/c"]
    assert (kept(*paths), kept(*paths)) == ([False] * 4, [True] * 4)
    assert daemon.request("PUT", "/items/a?n=1", body=b"").status == 409
    assert kept(*paths) == [True] * 4
    assert daemon.request("PUT", "/items/a", body=b"").status == 204
    assert kept(*paths) == [False, True, True, True]
    assert daemon.post("/items", body=b"").status == 201
    assert kept(*paths) == [False, True, False, True]
    assert daemon.request("PUT", "/key/c", body=b"").status == 200
    assert kept("/key/c") == [True]  # whose key another route cannot tell


# ------------------------------------------------------------------ HEAD and Range

def test_head_is_answered_from_get(leat, backend):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=60"))
    daemon.request("HEAD", "/a")
    body = daemon.get("/a").body
    assert len(server.calls) == 2
    answer = daemon.request("HEAD", "/a")
    assert (answer.status, answer.get("content-length")) == (200, str(len(body)))
    assert len(server.calls) == 2


def test_ranges_are_cut_out_of_a_whole_answer_and_parts_are_not_kept(leat, backend):
    def handler(call):
        if "range" in call.headers:
            call.reply("0123", status=206, headers={"Cache-Control": "max-age=60", "Content-Range": "bytes 0-3/10"})
        else:
            call.reply("0123456789", headers={"Cache-Control": "max-age=60", "ETag": '"a"'})
    daemon, server = start(leat, backend, handler)

    def get(value, *more):
        return daemon.get("/a", headers=[("Range", value), *more])
    assert get("bytes=0-3").status == 206
    assert daemon.get("/a").text == "0123456789"
    answer = get("bytes=2-5")
    assert (answer.status, answer.text, answer.get("content-range")) == (206, "2345", "bytes 2-5/10")
    answer = get("bytes=20-")
    assert (answer.status, answer.get("content-range")) == (416, "bytes */10")
    assert get("bytes=2-5", ("If-Range", '"b"')).text == "0123456789"
    assert get("bytes=2-5", ("If-Range", '"a"')).text == "2345"
    assert get("bytes=0-1,4-5").text == "0123456789"
    assert get("bytes=2-5", ("If-None-Match", '"a"')).status == 304
    assert len(server.calls) == 2


# ------------------------------------------------------------------ stale

def test_a_stale_answer_is_given_while_a_new_one_is_asked_for(leat, backend):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=0, stale-while-revalidate=60"))
    assert daemon.get("/a").text == "1"
    answer = daemon.get("/a")
    assert answer.text == "1"
    assert cache_status(answer).startswith("leat; hit; ttl=")
    await_true(lambda: daemon.get("/a").text != "1", what="the new one")


def test_a_stale_answer_is_given_when_the_upstream_fails(leat, backend):
    def handler(call):
        if len(call.backend.calls) == 1:
            call.reply("good", headers={"Cache-Control": "max-age=0, stale-if-error=60"})
        elif len(call.backend.calls) == 2:
            call.reply("bad", status=503)
        else:
            call.reset()
    daemon, server = start(leat, backend, handler)
    for i in range(4):
        answer = daemon.get("/a")
        assert (answer.status, answer.text) == (200, "good")
        if i == 1:
            assert "fwd=stale; fwd-status=503" in cache_status(answer)


def test_what_must_be_revalidated_is_never_given_stale(leat, backend):
    def handler(call):
        if len(call.backend.calls) == 1:
            call.reply("good", headers={"ETag": '"a"', "Cache-Control": "max-age=0, stale-if-error=60, must-revalidate"})
        else:
            call.reset()
    daemon, server = start(leat, backend, handler, cache="{ stale: 1h }")
    assert daemon.get("/a").text == "good"
    assert daemon.get("/a").status == 502
    assert daemon.get("/a", headers=[("Cache-Control", "max-stale")]).status == 502


def test_a_client_may_take_what_is_stale(leat, backend):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=0", 'ETag: "a"'))
    daemon.get("/a")
    assert daemon.get("/a", headers=[("Cache-Control", "max-stale=100")]).text == "1"


# ------------------------------------------------------------------ coalescing, bodies that come

def test_many_ask_and_the_upstream_is_asked_once(leat, backend):
    def handler(call):
        call.backend.release.wait()
        call.reply(b"x" * 100000, headers={"Cache-Control": "max-age=60"})
    daemon, server = start(leat, backend, handler)
    clients = [daemon.connect() for _ in range(12)]
    for client in clients:
        client.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: figures(daemon)["waiting"] == 11, what="that they wait")
    server.release.set()
    for client in clients:
        assert client.response().body == b"x" * 100000
    assert len(server.calls) == 1


def test_those_who_waited_for_what_is_not_for_them_ask_themselves(leat, backend):
    def handler(call):
        if len(call.backend.calls) == 1:
            call.backend.release.wait()
        call.reply(str(len(call.backend.calls)), headers={"Cache-Control": "private"})
    daemon, server = start(leat, backend, handler)
    clients = [daemon.connect() for _ in range(4)]
    for client in clients:
        client.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    await_true(lambda: figures(daemon)["waiting"] == 3, what="that they wait")
    server.release.set()
    assert {client.response().text for client in clients} == {"1", "2", "3", "4"} or len(server.calls) == 4


def test_what_was_not_to_be_kept_is_not_waited_for_the_next_time(leat, backend):
    def handler(call):
        if len(call.backend.calls) > 1:
            with call.backend.changed:
                call.backend.changed.wait_for(lambda: len(call.backend.calls) == 4, 60)
        call.reply("x", headers={"Cache-Control": "private"})
    daemon, server = start(leat, backend, handler)
    daemon.get("/a")
    clients = [daemon.connect() for _ in range(3)]
    for client in clients:  # each is answered only when all have come
        client.send(b"GET /a HTTP/1.1\r\nHost: leat.test\r\n\r\n")
    assert [client.response().text for client in clients] == ["x"] * 3


def test_hosts_ports_and_schemes_have_answers_of_their_own(leat, backend):
    daemon, server = start(leat, backend, numbered("Cache-Control: max-age=60"))
    assert [daemon.get("/a", host=host).text for host in ("a", "a:1", "A", "b", "a:1")] == ["1", "2", "1", "3", "2"]


def test_an_answer_that_varies_by_what_leat_writes_is_not_kept(leat, backend):
    conf = CONF.replace("cache: @CACHE@", 'cache: @CACHE@, headers: { X-Own: "${query.a}" }')
    daemon, server = start(leat, backend, lambda call: call.reply(
        str(len(call.backend.calls)), headers={"Cache-Control": "max-age=60", "Vary": call.path[1:]}), conf=conf)
    for name, kept in (("X-Own", False), ("X-Forwarded-For", False), ("X-Other", True)):
        first = daemon.get("/" + name).text
        assert (daemon.get("/" + name).text == first) is kept, name


def test_who_has_logged_in_is_part_of_the_key_where_the_upstream_is_told(tmp_path):
    conf = """
http: { up: { url: "http://127.0.0.1:9" } }
routes:
  /{path...}: { proxy: { to: up, cache: %s, headers: { X-User: "${auth.user}" } } }
"""
    code, text = check(conf % "true")
    assert code == 1 and "the upstream is told ${auth…}" in text
    assert check(conf % '{ key: "${auth.user}/${request.path}" }')[0] == 0


def test_a_lifetime_is_not_guessed_of_an_answer_to_a_cookie(leat, backend):
    daemon, server = start(leat, backend, numbered(), cache="{ ttl: 1h }")
    assert [daemon.get("/a", headers=[("Cookie", "a=b")]).text for _ in range(2)] == ["1", "2"]


def test_a_client_that_is_slow_or_leaves_does_not_stop_what_others_wait_for(leat, backend):
    def handler(call):
        call.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 900000\r\n\r\n" + b"x" * 450000)
        call.backend.release.wait()
        call.send(b"x" * 450000)
    daemon, server = start(leat, backend, handler)
    first = daemon.connect(receive_buffer=4096)
    first.send(b"GET /a HTTP/1.1\r\nHost: leat.test\r\n\r\n")  # and reads nothing
    await_true(lambda: len(server.calls) == 1, what="the call")
    second = daemon.connect()
    second.send(b"GET /a HTTP/1.1\r\nHost: leat.test\r\n\r\n")
    await_true(lambda: figures(daemon)["waiting"] == 1, what="that it waits")
    first.reset()
    await_true(lambda: daemon.n_connections() == 1, what="that it has left")
    server.release.set()
    assert len(second.response().body) == 900000
    assert len(daemon.get("/a").body) == 900000
    assert len(server.calls) == 1


def test_a_slow_client_gets_all_of_a_body_that_was_kept_meanwhile(leat, backend):
    body = bytes(i % 251 for i in range(900000))

    def handler(call):
        call.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(body), 30000):
            call.send(b"%x\r\n%s\r\n" % (30000, body[i:i + 30000]))
        call.send(b"0\r\n\r\n")
    daemon, server = start(leat, backend, handler)
    slow = daemon.connect(receive_buffer=4096)
    slow.send(b"GET /a HTTP/1.1\r\nHost: leat.test\r\n\r\n")
    await_true(lambda: figures(daemon)["entries"] == 1, what="that it is kept")
    assert daemon.get("/a").body == body
    assert slow.response().body == body


def test_what_becomes_too_large_is_passed_on_and_not_kept(leat, backend):
    def handler(call):
        call.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(40):
            call.send(b"%x\r\n%s\r\n" % (50000, bytes([65 + i % 26]) * 50000))
        call.send(b"0\r\n\r\n")
    daemon, server = start(leat, backend, handler)
    want = b"".join(bytes([65 + i % 26]) * 50000 for i in range(40))
    assert [daemon.get("/a").body == want for _ in range(2)] == [True, True]
    assert len(server.calls) == 2
    assert figures(daemon)["bytes"] == 0


def test_a_body_that_is_cut_is_not_kept(leat, backend):
    def handler(call):
        if len(call.backend.calls) == 1:
            call.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\nhalf")
            raise Gone
        call.reply("whole", headers={"Cache-Control": "max-age=60"})
    daemon, server = start(leat, backend, handler)
    with pytest.raises(Closed):
        daemon.get("/a")
    assert daemon.get("/a").text == "whole"


def test_bytes_are_given_back_when_all_has_been_said(leat, backend):
    daemon, server = start(leat, backend, lambda call: call.reply(
        b"x" * 10000, headers={"Cache-Control": "max-age=60", "Vary": "X-A"}), cache="{ max: 128k, max_entry: 32k }")

    def work(i):
        with daemon.connect() as client:
            for j in range(50):
                assert client.get(f"/{j % 30}", headers=[("X-A", str(i % 2))]).body == b"x" * 10000
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < figures(daemon)["bytes"] <= 128 << 10
    assert figures(daemon)["evicted"] > 0
    assert daemon.cli("cache", "purge").returncode == 0
    assert figures(daemon)["bytes"] == 0


def test_what_is_kept_goes_through_the_policies_of_each_client(leat, backend):
    conf = """
http: { up: { url: "@UP@" } }
routes:
  /{path...}: { proxy: { to: up, cache: @CACHE@ }, compress: { min: 10 } }
"""
    daemon, server = start(leat, backend, lambda call: call.reply(
        "x" * 5000, content_type="text/plain", headers={"Cache-Control": "max-age=60"}), conf=conf)
    assert len(daemon.get("/a").body) == 5000
    answer = daemon.get("/a", headers=[("Accept-Encoding", "gzip")])
    assert answer.get("content-encoding") == "gzip"
    assert len(answer.body) < 1000
    assert len(daemon.get("/a").body) == 5000
    assert len(server.calls) == 1
