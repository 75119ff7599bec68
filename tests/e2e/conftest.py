"""tests/e2e/conftest.py: what the tests share: daemons and backends that are cleaned up after."""
import contextlib
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from backends import Backend, RawBackend, Refusing  # noqa: E402
from kafka_servers import KafkaCluster  # noqa: E402
from leat import Daemon  # noqa: E402
from redis_servers import RedisServer  # noqa: E402


class Stage:
    """The daemons and backends of one test: at the end the backends go, then each daemon must end clean."""

    def __init__(self):
        self.daemons, self.backends = [], []

    def leat(self, conf, start=True, **more):
        daemon = Daemon(conf, start=False, **more)
        self.daemons.append(daemon)
        if start:
            daemon.start()
        return daemon

    def backend(self, handler=None, raw=False):
        """`raw`: the handler reads the bodies itself."""
        backend = Refusing() if not handler else RawBackend(handler) if raw else Backend(handler)
        self.backends.append(backend)
        return backend

    def close(self):
        with contextlib.ExitStack() as stack:
            for daemon in self.daemons:
                stack.callback(daemon.stop)
            for backend in self.backends:
                stack.callback(backend.close)
            for daemon in self.daemons:
                for client in daemon.clients:
                    client.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_logreport(report):
    """LEAT_FAILED: the file that takes what failed, a test a line, for scripts/again."""
    yield
    if report.failed and os.environ.get("LEAT_FAILED"):
        with open(os.environ["LEAT_FAILED"], "a+", encoding="utf-8") as file:
            file.seek(0)
            if report.nodeid + "\n" not in file.readlines():
                file.write(report.nodeid + "\n")


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def leat_module():
    """A daemon for all tests of a file, that none of them changes."""
    stage = Stage()
    yield stage.leat
    stage.close()


@pytest.fixture
def leat(stage):
    return stage.leat


@pytest.fixture
def backend(stage):
    return stage.backend


@pytest.fixture(scope="module")
def module_stage():
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def redis():
    """Starts Redis servers, and ends them with the test."""
    with contextlib.ExitStack() as stack:
        def start(*options, **more):
            server = RedisServer(*options, **more)
            stack.callback(server.close)
            return server
        yield start


@pytest.fixture
def cluster():
    """Brokers of Kafka, without messages; their clock makes groups quick (kafka_servers.py)."""
    with contextlib.closing(KafkaCluster()) as cluster:
        yield cluster
