"""tests/e2e/kafka_front.py: what stands before the mock cluster, which speaks neither TLS nor SASL, and speaks them.

Frames are passed on, but that addresses of the broker become this one's, that SASL is among what the broker
can do, and that who is to log in has done so before anything else comes through.
"""
import base64
import hashlib
import hmac
import secrets
import selectors
import socket
import ssl
import struct
import threading

API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 17, 36
UNSUPPORTED_MECHANISM, AUTHENTICATION_FAILED = 33, 58
ROUNDS = 4096


class Refused(Exception):
    pass


def text_at(data, at):
    """A string with its length before it; and what is behind it."""
    size = max(struct.unpack_from(">h", data, at)[0], 0)
    return data[at + 2:at + 2 + size].decode(), at + 2 + size


def to_text(text):
    return struct.pack(">h", len(text)) + text.encode()


def plain(users):
    token = yield
    _, user, password = token.decode().split("\0")
    if users.get(user) != password:
        raise Refused
    yield b"", True


def scram(hash_name):
    """RFC 5802, the server's side. As brokers before Kafka 4 it takes a nonce that has the client's part twice:
    librdkafka before 2.6.1 sends that."""
    def mac(key, text):
        return hmac.digest(key, text, hash_name)

    def login(users):
        first = (yield).decode().split(",", 2)[2]
        fields = dict(field.split("=", 1) for field in first.split(","))
        nonce, salt = fields["r"] + secrets.token_hex(12), secrets.token_bytes(16)
        challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={ROUNDS}"
        final, proof = (yield challenge.encode(), False).decode().split(",p=")
        key = hashlib.pbkdf2_hmac(hash_name, users.get(fields["n"], secrets.token_hex()).encode(), salt, ROUNDS)
        said = ",".join((first, challenge, final)).encode()
        client_key = mac(key, b"Client Key")
        signature = mac(hashlib.new(hash_name, client_key).digest(), said)
        wanted = bytes(a ^ b for a, b in zip(client_key, signature))
        if not final.endswith(nonce) or base64.b64decode(proof) != wanted:
            raise Refused
        yield b"v=" + base64.b64encode(mac(mac(key, b"Server Key"), said)), True
    return login


MECHANISMS = {"PLAIN": plain, "SCRAM-SHA-256": scram("sha256"), "SCRAM-SHA-512": scram("sha512")}


class Visit:
    """One connection: of a client to here, and of here to the broker. One thread: OpenSSL wants that."""

    def __init__(self, front, client):
        self.front, self.client = front, client
        self.login = None  # a mechanism at work
        self.may_pass = not front.users
        self.versions = {}  # of ApiVersions by the number of the request
        self.broker = socket.create_connection(("127.0.0.1", front.broker_port))
        self.bytes = {self.client: b"", self.broker: b""}

    @staticmethod
    def send(sock, data):
        sock.sendall(struct.pack(">i", len(data)) + data)

    def run(self):
        with self.broker, selectors.DefaultSelector() as selector:
            selector.register(self.client, selectors.EVENT_READ)
            selector.register(self.broker, selectors.EVENT_READ)
            while all(self.read(key.fileobj) for key, _ in selector.select()):
                pass

    def read(self, sock):
        """False at the end."""
        while True:
            data = sock.recv(1 << 16)
            if not data:
                return False
            self.bytes[sock] += data
            for frame in self.frames(sock):
                if sock is self.client:
                    self.take(frame)
                else:
                    self.send(self.client, self.front.rewritten(self.with_sasl(frame)))
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                return True

    def frames(self, sock):
        data = self.bytes[sock]
        while len(data) >= 4 and len(data) >= 4 + (size := struct.unpack_from(">i", data)[0]):
            yield data[4:4 + size]
            data = self.bytes[sock] = data[4 + size:]

    # -------------------------------------------------------------- requests

    def take(self, frame):
        api, version, number = struct.unpack_from(">hhi", frame)
        _, at = text_at(frame, 8)
        if api == API_VERSIONS:
            self.versions[number] = version
        elif api == SASL_HANDSHAKE:
            self.take_handshake(number, text_at(frame, at)[0])
            return
        elif api == SASL_AUTHENTICATE:
            size = struct.unpack_from(">i", frame, at)[0]
            self.take_token(number, version, frame[at + 4:at + 4 + size])
            return
        elif not self.may_pass:
            self.front.intruders += 1
            raise Refused
        self.send(self.broker, frame)

    def take_handshake(self, number, mechanism):
        known = mechanism in self.front.mechanisms
        if known:
            self.login = MECHANISMS[mechanism](self.front.users)
            next(self.login)
        names = b"".join(map(to_text, self.front.mechanisms))
        self.send(self.client, struct.pack(">ihi", number, 0 if known else UNSUPPORTED_MECHANISM,
                                           len(self.front.mechanisms)) + names)

    def take_token(self, number, version, token):
        error, said, answer = 0, struct.pack(">h", -1), b""
        try:
            answer, self.may_pass = self.login.send(token)
        except Refused:
            error, said = AUTHENTICATION_FAILED, to_text("these credentials are not known")
        if error or self.may_pass:
            self.front.logins.append(self.may_pass)
        lifetime = struct.pack(">q", 0) if version >= 1 else b""
        self.send(self.client, struct.pack(">ih", number, error) + said + struct.pack(">i", len(answer)) + answer + lifetime)

    # -------------------------------------------------------------- answers

    def with_sasl(self, frame):
        """What the broker can do, and SASL."""
        number, error = struct.unpack_from(">ih", frame)
        version = self.versions.pop(number, None)
        if version is None or error != 0 or not self.front.users:
            return frame
        more = [(SASL_HANDSHAKE, 0, 1), (SASL_AUTHENTICATE, 0, 1)]
        if version < 3:
            n = struct.unpack_from(">i", frame, 6)[0]
            end = 10 + 6 * n
            rows = b"".join(struct.pack(">hhh", *row) for row in more)
            return frame[:6] + struct.pack(">i", n + 2) + frame[10:end] + rows + frame[end:]
        n = frame[6]  # one more than there are, in one byte as long as that is less than 128
        end = 7 + 7 * (n - 1)
        rows = b"".join(struct.pack(">hhhB", *row, 0) for row in more)
        return frame[:6] + bytes([n + 2]) + frame[7:end] + rows + frame[end:]


class KafkaFront:
    def __init__(self, cluster, certs=None, cert=None, client_ca=None, users=None, mechanisms=tuple(MECHANISMS)):
        self.host, port = cluster.bootstrap.rsplit(":", 1)
        self.broker_port, self.users, self.mechanisms = int(port), users or {}, mechanisms
        self.logins, self.intruders, self.seen_by_tls = [], 0, []
        self.context = self.make_context(certs, cert, client_ca) if certs else None
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.bootstrap = f"{self.host}:{self.port}"
        threading.Thread(target=self.run, daemon=True).start()

    @staticmethod
    def make_context(certs, cert, client_ca):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certs.path(f"{cert}.pem"), certs.path(f"{cert}.key"))
        if client_ca:
            context.load_verify_locations(certs.path(f"{client_ca}.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def rewritten(self, frame):
        ours, theirs = (self.host.encode() + struct.pack(">i", port) for port in (self.port, self.broker_port))
        return frame.replace(theirs, ours)

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.welcome, args=(client,), daemon=True).start()

    def welcome(self, client):
        with client:
            try:
                if self.context:
                    client = self.context.wrap_socket(client, server_side=True)
                    self.seen_by_tls.append((client.getpeercert() or {}).get("subject"))
                Visit(self, client).run()
            except (OSError, Refused):
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
