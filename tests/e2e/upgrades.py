"""tests/e2e/upgrades.py: a daemon whose place another process takes, and clients that must not notice."""
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from leat import BINARY, SLOW, TIMEOUT, Client, Closed


IDLE_S = 0.5  # half of how long the old process keeps a connection that nothing comes by


class Adopted:
    """A process that a daemon has started beside itself: a child of ours, as a Popen is."""

    def __init__(self, pid, stderr):
        self.pid, self.stderr, self.returncode = pid, stderr, None

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        deadline = time.monotonic() + (timeout or TIMEOUT)
        pause = threading.Event()
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            pause.wait(0.01)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def own_program(daemon_class, conf, **more):
    """A daemon of a program file of its own, which a test may replace: daemon.program."""
    daemon = daemon_class(conf, start=False, **more)
    daemon.program = os.path.join(daemon.dir, "leat")
    shutil.copy(os.path.abspath(BINARY), daemon.program)
    daemon.binary = daemon.program
    daemon.start()
    return daemon


def replace_program(daemon, text=None):
    """Another file by that name, as a package puts it there: a script, or leat again."""
    path = daemon.program + ".new"
    if text is None:
        shutil.copy(os.path.abspath(BINARY), path)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    os.chmod(path, 0o755)
    os.replace(path, daemon.program)


def upgrade(daemon, wait=True):
    """`leat upgrade`; the daemon is then the new process. The old one's exit code is checked, or its Popen returned."""
    done = daemon.cli("upgrade", "--json")
    assert done.returncode == 0, done.out + done.err
    old = daemon.process
    answer = json.loads(done.out)
    assert answer["before"] == old.pid and answer["pid"] != old.pid
    daemon.process = Adopted(answer["pid"], old.stderr)
    if not wait:
        return old
    assert old.wait(15 * SLOW) == 0, daemon.stderr
    return answer


class Load(threading.Thread):
    """Requests one after the other, each on a new connection or all on one for as long as it is kept."""

    def __init__(self, address, target, keep):
        super().__init__(daemon=True)
        self.address, self.target, self.keep = address, target, keep
        self.done, self.failures, self.stopping = 0, [], threading.Event()

    def run(self):
        client, since = None, time.monotonic()  # since when nothing has come by it
        while not self.stopping.is_set() and len(self.failures) < 5:
            try:
                if client is None:
                    since = time.monotonic()
                    client = Client(self.address)
                    since = time.monotonic()
                answer = client.get(self.target)
                assert answer.status == 200, answer.status
                self.done += 1
                since = time.monotonic()
                if not self.keep or answer.get("connection") == "close":
                    client.close()
                    client = None
            except (OSError, Closed, AssertionError) as error:
                # a connection that this thread has left idle for long may be closed; none may be refused
                if client is None or time.monotonic() - since < IDLE_S:
                    self.failures.append(repr(error))
                client = None
        if client:
            client.close()
