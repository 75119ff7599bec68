"""tests/e2e/test_tour.py: conf/leat.yaml, the tour, and the configuration of the package: they start, and do what they say."""
import os
import re

import pytest

from leat import Daemon, await_true, cli

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
TOUR = os.path.join(ROOT, "conf", "leat.yaml")


def test_the_configuration_of_the_package_is_right():
    path = os.path.join(ROOT, "packaging", "leat.yaml")
    done = cli("check", "--strict", "-c", path)
    assert done.returncode == 0, done.err


@pytest.fixture(scope="module")
def tour(module_stage):
    """The tour as it is, but on a port of the kernel's; it calls itself, so that port goes into its upstreams too."""
    if not os.path.exists(TOUR):
        pytest.skip("there is no tour yet")
    import socket
    with open(TOUR, encoding="utf-8") as file:
        text = file.read()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = re.sub(r"\b8080\b", str(port), text)
    text = re.sub(r"^admin:.*$", "admin: { listen: \"unix:@DIR@/admin.sock\" }", text, flags=re.M)
    daemon = Daemon(text, start=False)
    daemon.write_conf(text, whole=True)
    module_stage.daemons.append(daemon)
    daemon.start()
    daemon.conf_text = text
    return daemon


def test_the_tour_is_right():
    if not os.path.exists(TOUR):
        pytest.skip("there is no tour yet")
    done = cli("check", "--strict", "-c", TOUR)
    assert done.returncode == 0, done.err


def test_every_curl_of_the_tour_s_comments_answers(tour):
    """A comment `# curl …` is an example: its request is made, and must reach a route and what the route does."""
    found = re.findall(r"#\s*curl\s+(.*)", tour.conf_text)
    assert len(found) > 5
    for line in found:
        method = re.search(r"-X\s*(\w+)", line)
        data = re.search(r"(?:-d|--data)\s*(?:'([^']*)'|\"([^\"]*)\"|(\S+))", line)
        target = re.search(r"(?:localhost|127\.0\.0\.1):\d+(/[^\s'\"]*)?", line)
        assert target, line
        body = next((g for g in data.groups() if g), "") if data else None
        headers = dict(re.findall(r"-H\s*['\"]([^:'\"]+):\s*([^'\"]*)['\"]", line))
        if body is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        answer = tour.request(method[1] if method else "POST" if data else "GET", target[1] or "/", body=body, headers=headers)
        assert answer.status not in (404, 405, 415, 500), (line, answer)


def test_the_jobs_of_the_tour_run(tour):
    jobs = tour.admin("GET", "/v1/jobs").json()["jobs"]
    kinds = {re.match(r"every|delay|", job["schedule"])[0] or "cron" for job in jobs}
    assert kinds == {"every", "delay", "cron"}
    for job in jobs:
        assert tour.admin("POST", f"/v1/jobs/{job['name']}/runs").status in (202, 409)
        await_true(lambda job=job: any(r["outcome"] == "ok" for r in tour.history(job["name"])), what=job["name"])


def test_the_policies_of_the_tour_do_what_they_say(tour):
    assert [tour.get("/seldom").status for _ in range(7)][-1] == 429  # some were taken by the examples above
    origin = {"Origin": "https://app.example.org"}
    answer = tour.request("OPTIONS", "/shop/cart", headers={**origin, "Access-Control-Request-Method": "GET"})
    assert (answer.status, answer.get("access-control-max-age")) == (204, "600")
    answer = tour.get("/shop/cart", headers=origin)
    assert answer.get("access-control-allow-origin") == "https://app.example.org"
    assert (answer.json(), answer.get("cache-control")) == ({"items": []}, "no-store")
    assert tour.get("/shop/pay").text == "paid\n"
