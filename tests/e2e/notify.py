"""tests/e2e/notify.py: the socket by which systemd is told (NOTIFY_SOCKET)."""
import os
import shutil
import socket
import struct
import tempfile

from leat import TIMEOUT


class Notify:
    """What NOTIFY_SOCKET names: a datagram a message, each a set of assignments."""

    def __init__(self, with_sender=False):
        """`with_sender`: each message has "sender", the process that has sent it."""
        self.dir = tempfile.mkdtemp(prefix="leat-")
        self.path = os.path.join(self.dir, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(TIMEOUT)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.with_sender = with_sender

    def next(self):
        """The next message; "fds": the descriptors that came with it, which are the caller's."""
        data, parts, _, _ = self.sock.recvmsg(65536, 4096)
        message = dict(line.partition("=")[::2] for line in data.decode().splitlines())
        for _, kind, value in parts:
            if kind == socket.SCM_CREDENTIALS and self.with_sender:
                message["sender"] = struct.unpack("iII", value)[0]
            if kind == socket.SCM_RIGHTS:
                message["fds"] = list(struct.unpack(f"{len(value) // 4}i", value))
        return message

    def until(self, key, value=None):
        while True:
            message = self.next()
            if key in message and value in (None, message[key]):
                return message

    def close(self):
        self.sock.close()
        shutil.rmtree(self.dir)
