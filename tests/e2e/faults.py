"""tests/e2e/faults.py: a daemon whose calls fail when a test says so (tests/e2e/faults.c)."""
import ctypes
import errno
import mmap
import os
import shutil
import subprocess
import tempfile

from leat import FLAVOR

FUNCTIONS = ["nothing", "malloc", "calloc", "realloc", "accept4", "epoll_ctl", "epoll_wait", "recv", "send", "sendmsg",
             "sendfile", "pread", "openat2", "fstat", "socket", "connect", "write",
             "SSL_new", "SSL_do_handshake", "SSL_read_ex", "SSL_peek_ex", "SSL_write_ex", "SSL_CTX_new", "BIO_new",
             "RAND_bytes", "EVP_CipherInit_ex"]
MEMORY = FUNCTIONS[1:4]
LEAST = -1  # does the least it can: one byte, one part
NEVER = 1 << 30


class Shared(ctypes.Structure):
    _fields_ = [("function", ctypes.c_uint), ("main", ctypes.c_uint), ("at", ctypes.c_int), ("times", ctypes.c_int),
                ("how", ctypes.c_int), ("n_calls", ctypes.c_uint), ("n_failed", ctypes.c_uint)]


class Faults:
    """Built for one daemon: give its `env` to it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="leat-faults-")
        library, path = os.path.join(self.dir, "faults.so"), os.path.join(self.dir, "shared")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faults.c")
        options = [] if FLAVOR in ("release", "cover") else ["-DWITHOUT_MEMORY"]
        subprocess.run(["cc", "-std=gnu11", "-O1", "-w", "-shared", "-fPIC", *options, "-o", library, source, "-ldl"],
                       check=True)
        with open(path, "w+b") as file:
            file.truncate(mmap.PAGESIZE)
            self.memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.shared = Shared.from_buffer(self.memory)
        self.env = {"LD_PRELOAD": library, "LEAT_FAULTS": path, "MALLOC_PERTURB_": "165"}
        if FLAVOR != "release":
            self.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"

    def arm(self, function, at=0, how=errno.ENOMEM, times=1, main=False):
        """After `at` more calls of the function the next `times` fail."""
        self.disarm()
        self.shared.main, self.shared.at, self.shared.times, self.shared.how = main, at, times, how
        self.shared.n_calls = self.shared.n_failed = 0
        self.shared.function = FUNCTIONS.index(function)

    def count(self, function, main=False):
        self.arm(function, NEVER, main=main)

    def disarm(self):
        """How many calls have failed."""
        self.shared.function = 0
        return self.shared.n_failed

    @property
    def n_calls(self):
        return self.shared.n_calls

    def close(self):
        self.shared = None
        shutil.rmtree(self.dir, ignore_errors=True)
