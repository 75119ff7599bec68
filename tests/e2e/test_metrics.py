"""tests/e2e/test_metrics.py: what the metrics say, by a strict reader of their format; health and readiness."""
import contextlib
import os
import time

import pytest

import prometheus
from backends import answering, holding
from leat import await_true

CONF = """
server: { threads: 2 }
http: { u: { url: "http://@up@" } }
compute: { heavy: { running: 1 } }
flows: { f: { tasks: { deep: { value: 1 } } } }
routes:
  GET /const: { reply: hello }
  GET /task/{id}:
    tasks:
      ask: { get: "u:/x/${path.id}" }
      group: { tasks: { inner: { value: 1 } } }
      each: { value: "${item}", each: "${[1, 2, 3]}" }
      called: { call: f }
      skipped: { value: 1, when: false }
    reply: ok
  GET /bad: { tasks: { t: { fail: no_luck } } }
  'GET /q"uo\\te': { reply: x }
jobs:
  good: { delay: 1ms, tasks: { t: { value: 1 } } }
  bad: { delay: 1ms, tasks: { t: { fail: no_luck } } }
"""


def metrics(daemon):
    answer = daemon.admin("GET", "/metrics")
    assert answer.get("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    return prometheus.Metrics(answer.text)


@pytest.fixture
def counted(leat, backend):
    return leat(CONF, up=backend(answering({})).address)


def test_every_line_is_as_the_format_has_it(counted):
    for target in ("/const", "/task/1", "/bad", "/none"):
        counted.get(target)
    families = metrics(counted).families
    assert len(families) > 50 and sum(len(f.series) for f in families.values()) > 100


def test_a_route_is_counted_whatever_it_answers_with(counted):
    with counted.connect() as client:
        for target in ("/const", "/const", "/const", "/task/1", "/bad"):
            client.get(target)
    told = metrics(counted)
    assert told.value("leat_route_requests_total", route="GET /const") == 3
    assert told.value("leat_route_requests_total", route="GET /task/{id}") == 1
    assert told.value("leat_route_failures_total", route="GET /task/{id}") == 0
    assert told.value("leat_route_failures_total", route="GET /bad") == 1
    assert told.value("leat_route_duration_seconds_count", route="GET /task/{id}") == 1
    assert told.value("leat_route_requests_total", route='GET /q"uo\\te') == 0
    assert "GET /const" not in told.names("leat_route_duration_seconds", "route")


def test_tasks_are_counted_by_their_flow_and_their_place_in_it(counted):
    counted.get("/task/1")
    counted.get("/bad")
    told, flow = metrics(counted), "GET /task/{id}"
    for task in ("ask", "group", "group.inner", "each", "called"):
        assert told.value("leat_task_runs_total", flow=flow, task=task) == 1, task
        assert told.value("leat_task_duration_seconds_count", flow=flow, task=task) == 1, task
    assert told.value("leat_task_runs_total", flow=flow, task="skipped") == 0
    assert told.value("leat_task_runs_total", flow="flow f", task="deep") == 1
    assert told.value("leat_task_failures_total", flow="GET /bad", task="t") == 1


def test_a_duration_is_in_the_bucket_that_it_belongs_to(leat):
    daemon = leat("routes: { GET /slow: { tasks: { w: { wait: 60ms } }, reply: ok } }\n")
    daemon.get("/slow")
    told = metrics(daemon)
    for name, labels in (("leat_task_duration_seconds", {"flow": "GET /slow", "task": "w"}),
                         ("leat_route_duration_seconds", {"route": "GET /slow"})):
        assert told.value(name + "_bucket", le="0.05", **labels) == 0
        assert told.value(name + "_bucket", le="+Inf", **labels) == told.value(name + "_count", **labels) == 1
        assert 0.06 <= told.value(name + "_sum", **labels) < 10


def test_upstreams_are_counted_and_timed(counted):
    for _ in range(3):
        counted.get("/task/1")
    told = metrics(counted)
    assert told.value("leat_upstream_calls_total", upstream="u") == 3
    assert told.value("leat_upstream_duration_seconds_count", upstream="u") == 3
    assert told.value("leat_upstream_in_flight", upstream="u") == 0
    assert told.value("leat_upstream_waiting", upstream="u") == 0
    assert told.value("leat_upstream_server_up", upstream="u", server=counted.names["up"]) == 1


def test_a_server_that_is_gone_is_not_up(leat, backend):
    up = backend(answering({}))
    daemon = leat(CONF, up=up.address)
    up.close()
    daemon.get("/task/1")
    assert metrics(daemon).value("leat_upstream_server_up", upstream="u", server=up.address) == 0
    assert metrics(daemon).value("leat_upstream_failed_total", upstream="u") == 1


def jobs_have_run(daemon):
    for name in ("bad", "good"):
        await_true(lambda n=name: metrics(daemon).value("leat_job_runs_total", job=n) == 1)


def test_jobs_are_counted_and_say_when_they_succeeded(counted):
    jobs_have_run(counted)
    told = metrics(counted)
    assert told.value("leat_job_failures_total", job="bad") == 1
    assert abs(told.value("leat_job_last_success_timestamp_seconds", job="good") - time.time()) < 300
    assert told.names("leat_job_last_success_timestamp_seconds", "job") == {"good"}
    assert told.value("leat_job_running", job="good") == 0


def test_a_job_that_runs_is_seen_running(leat, backend):
    up = backend(holding({}))
    daemon = leat('http: { u: { url: "http://@up@" } }\njobs: { j: { delay: 1ms, tasks: { t: { get: "u:/" } } } }\n',
                  up=up.address)
    up.await_calls(1)
    assert metrics(daemon).value("leat_job_running", job="j") == 1
    assert metrics(daemon).value("leat_upstream_in_flight", upstream="u") == 1
    up.release.set()
    await_true(lambda: metrics(daemon).value("leat_job_running", job="j") == 0)


def test_counters_go_on_over_a_reload(counted):
    for target in ("/const", "/task/1"):
        counted.get(target)
    assert counted.reload().returncode == 0
    counted.get("/const")
    told = metrics(counted)
    assert told.value("leat_route_requests_total", route="GET /const") == 2
    assert told.value("leat_task_runs_total", flow="GET /task/{id}", task="ask") == 1
    assert told.value("leat_reloads_total") == 1


def test_what_a_request_says_is_never_a_label(counted):
    jobs_have_run(counted)
    for n in range(50):
        counted.get(f"/task/{n}?q={n}", headers={"X-N": str(n)})
        counted.get(f"/none/{n}")
    before = sum(len(f.series) for f in metrics(counted).families.values())
    for n in range(50, 100):
        counted.get(f"/task/{n}?q={n}")
        counted.get(f"/none/{n}")
    assert sum(len(f.series) for f in metrics(counted).families.values()) == before


def test_of_many_names_a_thousand_are_listed_and_the_rest_is_summed(leat):
    routes = "".join(f"  GET /r{n}: {{ tasks: {{ t: {{ value: 1 }} }}, reply: ok }}\n" for n in range(1100))
    daemon = leat("routes:\n" + routes)
    with daemon.connect() as client:
        for n in (0, 1050, 1060, 1099):
            client.get(f"/r{n}")
    told = metrics(daemon)
    assert len(told.names("leat_route_requests_total", "route")) == 1001
    assert told.value("leat_route_requests_total", route="(others)") == 3
    assert told.value("leat_route_duration_seconds_count", route="(others)") == 3
    assert told.value("leat_task_runs_total", flow="(others)", task="(others)") == 3


def test_loops_and_the_process_tell_of_themselves(counted):
    counted.get("/const")
    told = metrics(counted)
    assert told.names("leat_loop_requests_total", "loop") == {"0", "1"}
    assert sum(told.value("leat_loop_requests_total", loop=str(n)) for n in range(2)) == 1
    assert told.value("leat_loop_turns_total", loop="0") > 0 and told.value("process_cpu_seconds_total") > 0
    assert abs(told.value("process_open_fds") - len(os.listdir(f"/proc/{counted.pid}/fd"))) <= 3
    assert abs(told.value("process_start_time_seconds") - time.time()) < 600
    assert told.names("leat_build_info", "version") == {counted.status()["version"]}


def test_it_is_ready_until_it_stops(leat, backend):
    up = backend(holding({}))
    daemon = leat(CONF, up=up.address)
    assert daemon.admin("GET", "/healthz").json() == {"status": "ok"}
    ready = daemon.admin("GET", "/readyz")
    assert ready.status == 200 and ready.json() == {"status": "ready"}
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(daemon.connect())
        admin = stack.enter_context(daemon.connect(daemon.admin_address))
        client.send("GET /task/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        up.await_calls(1)
        daemon.signal(15)
        daemon.await_line("stopping")
        stopping = admin.get("/readyz", host="leat")
        assert stopping.status == 503 and stopping.json() == {"status": "stopping"}
        up.release.set()
        assert client.response().status == 200


def test_it_is_not_ready_while_requests_use_up_its_memory(leat):
    daemon = leat("limits: { total_memory: 1m, head: 64k }\nroutes: { GET /: { reply: ok } }\n")
    clients = []

    def is_short():
        assert len(clients) < 200
        clients.append(daemon.connect().send("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 25000))  # a head that does not end
        return daemon.admin("GET", "/readyz").status == 503
    await_true(is_short, what="shortness of memory")
    assert daemon.admin("GET", "/readyz").json() == {"status": "short of memory"}
    assert daemon.admin("GET", "/healthz").status == 200
    for client in clients:
        client.close()
    await_true(lambda: daemon.admin("GET", "/readyz").status == 200, what="memory")


GOOD = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 1\n'
HISTOGRAM = ('# HELP h_seconds H.\n# TYPE h_seconds histogram\nh_seconds_bucket{le="1"} 1\nh_seconds_bucket{le="2"} 2\n'
             'h_seconds_bucket{le="+Inf"} 2\nh_seconds_sum 3\nh_seconds_count 2\n')


@pytest.mark.parametrize("text", [GOOD[:-1], GOOD + GOOD, GOOD + 'a_total{x="1"} 2\n', GOOD.replace("a_total", "a"),
                                  GOOD.replace("counter", "gauge"), GOOD.replace(" 1\n", " one\n"), GOOD + "b 1\n",
                                  GOOD.replace("# TYPE", "# TIPE"), GOOD.replace('"1"', '"1'), GOOD.replace(" 1\n", " -1\n"),
                                  GOOD.replace("a_total", "a_ms_total"), GOOD.replace('x="1"', 'x="1",x="2"'),
                                  HISTOGRAM.replace('le="2"} 2', 'le="2"} 0'), HISTOGRAM.replace("count 2", "count 3"),
                                  HISTOGRAM.replace('"+Inf"', '"3"'), HISTOGRAM.replace("h_seconds_sum 3\n", ""),
                                  HISTOGRAM.replace('le="1"', 'le="2"')])
def test_the_reader_itself_lets_nothing_through(text):
    prometheus.parse(GOOD + HISTOGRAM)
    with pytest.raises(AssertionError):
        prometheus.parse(text)


def test_queues_and_pools_tell_how_they_stand(leat, backend):
    up = backend(holding({}))
    daemon = leat("""http: { u: { url: @url@ } }
shared: { mail: { queue: 3 }, few: { permits: 1 } }
routes:
  POST /put: { tasks: { e: { enqueue: mail, message: "12345" } } }
  POST /take: { tasks: { d: { dequeue: mail } } }
  GET /hold: { tasks: { t: { get: "u:/", acquire: few } } }
""", url=up.url)

    def figures():
        found = metrics(daemon)
        return {name: found.value(f"leat_{name}", **({"queue": "mail"} if name[:5] == "queue" else {"pool": "few"}))
                for name in ["queue_messages", "queue_bytes", "queue_takers", "queue_putters", "pool_held", "pool_waiting"]}
    assert set(figures().values()) == {0}
    for _ in range(2):
        assert daemon.post("/put").status == 204
    first, second = daemon.connect(), daemon.connect()
    first.send(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: figures()["pool_held"] == 1)
    second.send(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
    await_true(lambda: figures()["pool_waiting"] == 1)
    assert (figures()["queue_messages"], figures()["queue_bytes"]) == (2, 14)
    for _ in range(2):
        assert daemon.post("/take").status == 204
    assert (figures()["queue_messages"], figures()["queue_bytes"]) == (0, 0)
    up.release.set()
