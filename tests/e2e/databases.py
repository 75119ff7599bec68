"""tests/e2e/databases.py: real database servers, each in a folder of its own, on loopback.

They do not run as root: when the tests do, they are started as the user of their package, or as nobody.
"""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from leat import SLOW


def sql_status(daemon, name="shop"):
    return next(database for database in daemon.status()["sql"] if database["name"] == name)


def ask_in_a_crowd(daemon, target, n_threads=30, n_times=10):
    """All at once; the answers that are not 200."""
    failures = []

    def ask():
        for _ in range(n_times):
            answer = daemon.get(target)
            if answer.status != 200:
                failures.append(answer)
    threads = [threading.Thread(target=ask) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def hold_port():
    """A port for a server that is not always there: the kernel gives it to nobody else as long as the socket is open. One
    that only was free may be the near end of any connection of the machine when the server wants to have it (again)."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the server does so, too: then both may have it
    sock.bind(("127.0.0.1", 0))
    return sock


def user_for(*names):
    """Of the users, the first that exists here; None when the tests are not root's."""
    if os.getuid() != 0:
        return None
    for name in (*names, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise AssertionError("no user to run a server as")


def as_user(user, command):
    if user is None:
        return command
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]


class Server:
    """A server that can be killed and started again on the same port."""

    def __init__(self, user):
        self.user = user
        self.dir = tempfile.mkdtemp(prefix="leat-db-")
        os.chmod(self.dir, 0o755)
        if user:
            os.chown(self.dir, user.pw_uid, user.pw_gid)
        self.held, self.process = hold_port(), None
        self.port = self.held.getsockname()[1]
        self.log_path = os.path.join(self.dir, "log")

    def run(self, command, text=None):
        done = subprocess.run(as_user(self.user, command), input=text, capture_output=True, text=True, cwd=self.dir,
                              timeout=120 * SLOW, check=False, env={"PATH": os.environ["PATH"], "HOME": self.dir, "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def spawn(self, command):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(as_user(self.user, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.dir, env={"PATH": os.environ["PATH"], "HOME": self.dir, "LC_ALL": "C.UTF-8"})

    def await_ready(self, question):
        deadline = time.monotonic() + 60 * SLOW
        while not question():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60 * SLOW)
        self.process = None

    def close(self):
        self.stop(self.fast)
        self.held.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    fast = signal.SIGTERM


def postgres_programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    here = os.path.dirname(found[-1]) if found else os.path.dirname(shutil.which("initdb") or "")
    if not here:
        pytest.skip("needs the package postgresql")
    return here


class Postgres(Server):
    fast = signal.SIGINT  # a fast shutdown: sessions are cut

    def __init__(self):
        self.bin = postgres_programs()
        super().__init__(user_for("postgres"))
        self.data = os.path.join(self.dir, "data")
        self.run([f"{self.bin}/initdb", "-N", "-A", "trust", "-U", "boss", "-E", "UTF8", "--locale=C", "-D", self.data])
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as file:
            file.write(f"fsync = off\nport = {self.port}\nlisten_addresses = '127.0.0.1'\nmax_connections = 20\n"
                       f"superuser_reserved_connections = 3\nunix_socket_directories = '{self.dir}'\nshared_buffers = 16MB\n")
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="ascii") as file:
            file.write("local all all trust\nhost all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        self.start()

    def use_tls(self, certs, name):
        """From the next start on, with that certificate."""
        for kind in ("pem", "key"):
            path = os.path.join(self.data, f"server.{kind}")
            shutil.copy(certs.path(f"{name}.{kind}"), path)
            os.chmod(path, 0o600)
            if self.user:
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as file:
            file.write("ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n")

    def start(self):
        self.spawn([f"{self.bin}/postgres", "-D", self.data])
        self.await_ready(lambda: subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                                                check=False).returncode == 0)

    def sql(self, text):
        return self.run([f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.dir, "-p", str(self.port),
                         "-U", "boss", "postgres"], text)

    @property
    def url(self):
        return f"postgres://boss@127.0.0.1:{self.port}/postgres"

    @property
    def socket_url(self):
        return f"postgres://boss@{self.dir.replace('/', '%2F')}:{self.port}/postgres"


class MariaDB(Server):
    def __init__(self):
        self.program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/libexec")
        if not self.program or not shutil.which("mariadb-install-db"):
            pytest.skip("needs the package mariadb-server")
        super().__init__(user_for("mysql"))
        self.options = []
        self.data, self.socket = os.path.join(self.dir, "data"), os.path.join(self.dir, "sock")
        self.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
                  "--skip-test-db", "--innodb-log-file-size=8M"])
        self.start()
        self.sql("create database shop; create user boss@'127.0.0.1'; grant all on *.* to boss@'127.0.0.1'; "
                 "create user boss@localhost; grant all on *.* to boss@localhost;"
                 "create user guarded@'127.0.0.1' identified by 'right#p@ss/'; grant all on shop.* to guarded@'127.0.0.1'", database="")

    def start(self):
        self.spawn([self.program, "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", "--bind-address=127.0.0.1",
                    f"--port={self.port}", f"--pid-file={self.dir}/pid", "--skip-name-resolve", "--max-connections=12",
                    "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M",
                    "--character-set-server=utf8mb4", *self.options])
        self.await_ready(lambda: subprocess.run(self.client("") + ["-e", "select 1"], capture_output=True, check=False).returncode == 0)

    def use_tls(self, certs, name):
        """From the next start on, with that certificate."""
        for kind in ("pem", "key"):
            path = os.path.join(self.dir, f"server.{kind}")
            shutil.copy(certs.path(f"{name}.{kind}"), path)
            if self.user:
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        self.options = [f"--ssl-cert={self.dir}/server.pem", f"--ssl-key={self.dir}/server.key"]

    def client(self, database):
        return ["mariadb", "--no-defaults", "-N", "-B", f"--socket={self.socket}", "-u", "root", *([database] if database else [])]

    def sql(self, text, database="shop"):
        done = subprocess.run(self.client(database), input=text, capture_output=True, text=True, timeout=60 * SLOW, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def url(self):
        return f"mysql://boss@127.0.0.1:{self.port}/shop"

    @property
    def socket_url(self):
        return f"mariadb://boss@{self.socket.replace('/', '%2F')}/shop"
