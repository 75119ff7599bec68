"""tests/e2e/test_upstream_health.py: servers that are asked again and again whether they are well."""
import pytest

from backends import answering, hanging
from leat import await_true, check

ROUTES = '\nroutes: { GET /x: { tasks: { t: { get: "u:/x" } }, reply: { json: "${t.body}" } } }\n'
HEALTH = "health: { path: /health, interval: 20ms, timeout: 200ms, rise: 2, fall: 3 }"


def conf(upstream, threads=2):
    return f"http: {{ u: {{ {upstream} }} }}\nserver: {{ threads: {threads} }}{ROUTES}"


def state(daemon, backend):
    return next(s["state"] for s in daemon.upstream("u")["servers"] if s["address"] == backend.address)


@pytest.fixture
def moody(backend):
    made = backend(lambda call: made.mood(call) if call.path == "/health" else call.json("moody"))
    made.mood = answering({})
    return made


@pytest.mark.parametrize("mood", [answering({}, status=500), hanging], ids=["is ill", "hangs"])
def test_a_server_that_is_down_is_not_called_until_it_is_well_again(leat, backend, moody, mood):
    well = backend(answering("well"))
    daemon = leat(conf("servers: [ @moody@, @well@ ], " + HEALTH), moody=moody.address, well=well.address)
    await_true(lambda: {daemon.get("/x").json() for _ in range(4)} == {"moody", "well"})
    moody.mood = mood
    await_true(lambda: state(daemon, moody) == "down")
    assert {daemon.get("/x").json() for _ in range(10)} == {"well"}
    moody.mood = answering({})
    await_true(lambda: state(daemon, moody) == "up")
    assert {daemon.get("/x").json() for _ in range(10)} == {"moody", "well"}


def test_checks_need_no_permit_and_are_no_calls(leat, moody):
    daemon = leat(conf("url: @url@, pool: { max: 1 }, " + HEALTH), url=moody.url)
    moody.await_calls(5)
    stats = daemon.upstream("u")
    assert (stats["calls"], stats["pool"]["open"], stats["in_flight"]) == (0, 0, 0)
    assert stats["servers"][0]["calls"] == 0
    assert {c.path for c in moody.calls} == {"/health"}


def test_when_nobody_is_well_calls_fail_at_once(leat, moody):
    moody.mood = answering({}, status=500)
    daemon = leat(conf("url: @url@, " + HEALTH), url=moody.url)
    await_true(lambda: state(daemon, moody) == "down")
    answer = daemon.get("/x")
    assert (answer.status, answer.json()["code"]) == (503, "unavailable")


def test_one_loop_checks_and_stops_with_the_generation(leat, moody):
    daemon = leat(conf("url: @url@, health: { interval: 200ms }", threads=3), url=moody.url)
    await_true(lambda: len(moody.calls) >= 2)
    assert daemon.reload(conf("url: @url@", threads=3)).returncode == 0
    await_true(lambda: moody.n_open == 0)
    n = len(moody.calls)
    assert daemon.get("/x").json() == "moody" and len(moody.calls) <= n + 2


@pytest.mark.parametrize("health, message", [
    ("{ path: health }", "is not a path"), ("{ expect: [20x] }", "is not a status"), ("{ fall: 0 }", "fall"), ("{ intervall: 1s }", "interval"),
])
def test_what_is_wrong_is_said(health, message):
    code, out = check(conf('url: "http://a", health: ' + health))
    assert code == 1 and message in out and "leat.yaml:1:" in out
