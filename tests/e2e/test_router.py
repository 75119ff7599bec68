"""tests/e2e/test_router.py: which route answers."""
import pytest

CONF = """
routes:
  GET /: { reply: root }
  GET /a: { reply: literal }
  GET /a/: { reply: with a slash }
  GET /{x}: { reply: "one ${path.x}" }
  GET /a/{x}: { reply: "a ${path.x}" }
  GET /a/b: { reply: a b }
  GET /a/{x}/c: { reply: "a ${path.x} c" }
  GET /{x}/b/c: { reply: "${path.x} b c" }
  GET /files/{rest...}: { reply: "rest [${path.rest}]" }
  GET /files/{x}: { reply: "file [${path.x}]" }
  GET /files/fixed/{rest...}: { reply: "fixed [${path.rest}]" }
  GET /any: { reply: by method }
  /any: { reply: "without ${request.method}" }
  GET api.test/host: { reply: by host }
  GET /host: { reply: any host }
  "/m/{x}": { reply: "m ${request.method} ${path.x}" }
  PURGE /m/{x}: { reply: "purge ${path.x}" }
"""


@pytest.fixture(scope="module")
def daemon(module_stage):
    return module_stage.leat(CONF)


@pytest.mark.parametrize("target, text", [
    ("/", "root"),
    ("/a", "literal"),
    ("/a/", "with a slash"),
    ("/b", "one b"),
    ("/a/x", "a x"),
    ("/a/b", "a b"),
    ("/a/x/c", "a x c"),
    ("/a/b/c", "a b c"),
    ("/z/b/c", "z b c"),
    ("/files/x", "file [x]"),
    ("/files/x/y", "rest [x/y]"),
    ("/files/", "rest []"),
    ("/files/fixed/y/z", "fixed [y/z]"),
    ("/files/x/y/", "rest [x/y/]"),
    ("/any", "by method"),
    ("/host", "any host"),
    ("/m/1?x=2", "m GET 1"),
])
def test_the_most_specific_route_answers(daemon, target, text):
    answer = daemon.get(target)
    assert (answer.status, answer.text) == (200, text)


@pytest.mark.parametrize("host", ["api.test", "API.test", "api.test:8080"])
def test_a_route_with_the_host_wins(daemon, host):
    assert daemon.get("/host", host=host).text == "by host"


def test_an_absolute_target_says_the_host(daemon):
    with daemon.connect() as client:
        client.send("GET http://api.test/host HTTP/1.1\r\nHost: api.test\r\n\r\n")
        assert client.response().text == "by host"


def test_a_method_wins_over_any(daemon):
    assert daemon.request("PURGE", "/m/1").text == "purge 1"
    assert daemon.post("/any").text == "without POST"


@pytest.mark.parametrize("target, text", [
    ("/%61", "literal"),
    ("/b%20c", "one b c"),
    ("/%C3%A9", "one é"),
    ("/a%2Fb", "one a/b"),
    ("/a/x%2Fc", "a x/c"),
    ("/files/a%2F..%2Fb/c", "rest [a/../b/c]"),
    ("/x/../a/b", "a b"),
    ("/x/%2e%2E/a/b", "a b"),
    ("/./a/./b", "a b"),
    ("/../../a/b", "a b"),
    ("/files/x/../../a/b", "a b"),
    ("/+", "one +"),
])
def test_the_path_is_split_then_decoded_then_dot_segments_go(daemon, target, text):
    answer = daemon.get(target)
    assert (answer.status, answer.text) == (200, text)


@pytest.mark.parametrize("target", ["/%", "/%4", "/%gg", "/%00", "/a/%00"])
def test_a_bad_escape_is_400(daemon, target):
    assert daemon.get(target).status == 400


@pytest.mark.parametrize("target", ["/a/x/d", "/q/b/c/d", "/files", "//a"])
def test_what_no_route_matches_is_404(daemon, target):
    if target == "/files":
        assert daemon.get(target).text == "one files"  # /files does not match /files/{rest...}
    else:
        assert daemon.get(target).status == 404


def test_a_very_deep_path_is_no_trouble(daemon):
    assert daemon.get("/" + "a/" * 3000).status in (404, 414)


def test_ten_thousand_routes_load_and_answer(leat):
    routes = "".join(f"  GET /r{i}/{{x}}/s{i % 7}: {{ reply: \"{i} ${{path.x}}\" }}\n" for i in range(10000))
    daemon = leat("routes:\n" + routes)
    for i in (0, 1, 4999, 9999):
        assert daemon.get(f"/r{i}/v/s{i % 7}").text == f"{i} v"
    assert daemon.get("/r10000/v/s4").status == 404
