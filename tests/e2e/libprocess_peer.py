"""tests/e2e/libprocess_peer.py: a program of libprocess, as far as its messages go: written from the bytes that a
running one was seen to send, and nothing of leat's.

It listens, takes messages and answers each with 202; it sends over one connection a receiver, whose answers it
reads and keeps; it links by a connection that says nothing.
"""
import fcntl
import re
import socket
import struct
import termios
import threading

from leat import TIMEOUT, Client, await_true


class Message:
    def __init__(self, head, to, name, sender, body, connection):
        self.head, self.to, self.name, self.sender, self.body = head, to, name, sender, body
        self.connection = connection

    def __repr__(self):
        return f"<{self.to}/{self.name} from {self.sender}: {self.body[:60]!r}>"


def letter(to, name, sender, host, body=b""):
    """What libprocess writes."""
    head = (f"POST /{to}/{name} HTTP/1.1\r\nUser-Agent: libprocess/{sender}\r\nLibprocess-From: {sender}\r\n"
            f"Connection: Keep-Alive\r\nHost: {host}\r\n").encode()
    if not body:
        return head + b"\r\n"
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


class LibprocessPeer:
    """`answer` gives the status of the answer to a message; None: there is none, "close": and the connection ends."""

    def __init__(self, answer=lambda message: 202, port=0):
        self.answer = answer
        self.messages, self.faults, self.connections = [], [], []
        self.open, self.links, self.out = 0, [], {}
        self.stopping = False
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    @property
    def port(self):
        return self.listener.getsockname()[1]

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def pid(self, name):
        return f"{name}@{self.address}"

    # ------------------------------------------------------------ what comes

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if self.stopping:
                sock.close()
                return
            with self.changed:
                self.connections.append(sock)
                self.open += 1
                self.changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(sock, len(self.connections)), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, sock, number):
        try:
            with sock, sock.makefile("rb") as file:
                while self._take(sock, file, number):
                    pass
        except OSError:
            pass
        finally:
            with self.changed:
                self.open -= 1
                self.changed.notify_all()

    def _take(self, sock, file, number):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return False
            head += line
        message = self._read(head, file, number)
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()
        status = self.answer(message)
        if status == "close":
            sock.shutdown(socket.SHUT_RDWR)
            return False
        if status:
            sock.sendall(f"HTTP/1.1 {status} Answer\r\nContent-Length: 0\r\n\r\n".encode())
        return True

    def _read(self, head, file, number):
        """Exactly the fields that libprocess sends, in their order; anything else is a fault."""
        match = re.fullmatch(
            rb"POST /([^/ ]*)/([^ ]*) HTTP/1\.1\r\nUser-Agent: libprocess/([^\r\n]+)\r\nLibprocess-From: ([^\r\n]+)\r\n"
            rb"Connection: Keep-Alive\r\nHost: ([^\r\n]*)\r\n(Transfer-Encoding: chunked\r\n)?\r\n", head)
        if not match or match[3] != match[4] or match[5].decode() != self.address:
            self.faults.append(head)
        body = b""
        if b"\r\nTransfer-Encoding: chunked\r\n" in head:
            body = file.read(int(file.readline(), 16))
            rest = file.read(7)
            if rest != b"\r\n0\r\n\r\n":
                self.faults.append(rest)
        to, name, sender = (match[n].decode() for n in (1, 2, 4)) if match else ("", "", "")
        return Message(head, to, name, sender, body, number)

    def await_messages(self, count):
        await_true(lambda: len(self.messages) >= count, 30, f"{count} messages")
        assert not self.faults, self.faults
        return self.messages

    def cut(self):
        """Ends all connections that came."""
        for sock in self.connections:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # ------------------------------------------------------------ what goes

    def client(self, daemon):
        return self.out.setdefault(daemon, daemon.connect())

    def send(self, daemon, to, name, body=b"", sender="me"):
        """Returns the answer, which libprocess reads and ignores."""
        client = self.client(daemon)
        client.send(letter(to, name, self.pid(sender), f"127.0.0.1:{daemon.port}", body))
        return client.response()

    def send_and_leave(self, daemon, letters, reset):
        """As to somebody that no process is linked to: the connection is closed when the last message is written,
        whatever has been answered; with an answer that was not read this resets it."""
        client = daemon.connect()
        client.send(b"".join(letters))
        await_true(lambda: struct.unpack("i", fcntl.ioctl(client.sock, termios.TIOCOUTQ, b"\0" * 4)) == (0,))
        client.reset() if reset else client.close()

    def link(self, daemon):
        """A connection whose end is `exited`."""
        self.links.append(daemon.connect())
        return self.links[-1]

    # ------------------------------------------------------------

    def close(self):
        if self.stopping:
            return
        self.stopping = True
        try:
            socket.create_connection(self.listener.getsockname(), timeout=TIMEOUT).close()
        except OSError:
            pass
        self.listener.close()
        self.cut()
        for thread in self.threads:
            thread.join(TIMEOUT)


__all__ = ["Client", "LibprocessPeer", "Message", "letter"]
