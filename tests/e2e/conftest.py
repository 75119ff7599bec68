import pytest

from harness import Daemon


@pytest.fixture
def leat(tmp_path):
    """leat(TEXT) starts a daemon with that configuration; all are stopped, and must end cleanly, with the test."""
    daemons = []

    def start(text, **kwargs):
        daemons.append(Daemon(tmp_path, text, **kwargs))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.stop()
