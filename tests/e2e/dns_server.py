"""tests/e2e/dns_server.py: a small server of names on a port of the kernel's, over UDP and TCP."""
import socket
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}


def name_of(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def data(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "TXT":
        parts = [value] if isinstance(value, bytes) else value
        return b"".join(bytes([len(part)]) + part for part in parts)
    if kind == "MX":
        return struct.pack(">H", value[0]) + name_of(value[1])
    if kind == "SRV":
        return struct.pack(">HHH", *value[:3]) + name_of(value[3])
    return name_of(value)


class DnsServer:
    """`zone` is (name, type) to [(ttl, value)]; "fail" answers SERVFAIL, "silent" nothing, "garbage" nonsense, bytes as they are."""

    def __init__(self, zone):
        self.zone, self.asked, self.lock = zone, [], threading.Lock()
        while True:  # the same port for both
            self.tcp = socket.create_server(("127.0.0.1", 0))
            self.port = self.tcp.getsockname()[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(("127.0.0.1", self.port))
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.address = f"127.0.0.1:{self.port}"
        for target in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=target, daemon=True).start()

    def n_asked(self, name, kind):
        with self.lock:
            return self.asked.count((name, kind))

    def _answer(self, query, udp):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        kind = {number: kind for kind, number in TYPES.items()}.get(struct.unpack(">H", query[at + 1:at + 3])[0], "?")
        question, name = query[12:at + 5], ".".join(labels)
        with self.lock:
            self.asked.append((name, kind))
        records = self.zone.get((name, kind))
        head = lambda flags, n: query[:2] + struct.pack(">HHHHH", flags, 1, n, 0, 0)  # noqa: E731
        if records == "silent":
            return None
        if records == "garbage":
            return head(0x8180, 3) + question + b"\xc0\x0c\xff\xff"
        if records == "fail":
            return head(0x8182, 0) + question
        if records is None:
            known = any(n == name for n, _ in self.zone)
            return head(0x8180 if known else 0x8183, 0) + question
        body = b""
        for ttl, value in records:
            value_kind = kind
            if isinstance(value, tuple) and value[0] in TYPES:
                value_kind, value = value
            rdata = data(value_kind, value)
            body += b"\xc0\x0c" + struct.pack(">HHIH", TYPES[value_kind], 1, ttl, len(rdata)) + rdata
        if udp and len(body) > 400:
            return head(0x8380, 0) + question  # truncated: ask by TCP
        return head(0x8180, len(records)) + question + body

    def _serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            answer = self._answer(query, True)
            if answer:
                self.udp.sendto(answer, peer)

    def _serve_tcp(self):
        while True:
            try:
                peer, _ = self.tcp.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as file:
                while len(size := file.read(2)) == 2:
                    answer = self._answer(file.read(struct.unpack(">H", size)[0]), False)
                    if not answer:
                        break
                    peer.sendall(struct.pack(">H", len(answer)) + answer)

    def close(self):
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
