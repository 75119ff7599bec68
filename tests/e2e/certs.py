"""tests/e2e/certs.py: certificates made by the command openssl, and clients that speak TLS."""
import os
import shutil
import ssl
import subprocess
import tempfile

from leat import TIMEOUT, Client


class Certs:
    """A folder of certificates. Each NAME has NAME.pem and NAME.key."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="leat-certs-")

    def path(self, name):
        return os.path.join(self.dir, name)

    def openssl(self, *args, **more):
        done = subprocess.run(["openssl", *args], cwd=self.dir, capture_output=True, timeout=TIMEOUT * 3,
                              stdin=subprocess.DEVNULL, check=False, **more)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def make(self, name, *names, issuer=None, subject=None, days=30, rsa=False):
        """An authority without an issuer; else a certificate for `names` ("DNS:a.test", "IP:127.0.0.1")."""
        kind = ["-newkey", "rsa:2048"] if rsa else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        args = ["req", "-x509", *kind, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-subj", subject or f"/CN={name}", "-days", str(days)]
        if issuer:
            args += ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-addext", "basicConstraints=CA:FALSE"]
        if names:
            args += ["-addext", "subjectAltName=" + ",".join(names)]
        self.openssl(*args)
        return self

    def make_expired(self, name):
        with open(self.path("ca.cnf"), "w", encoding="ascii") as file:
            file.write("[ca]\ndefault_ca = own\n[own]\ndatabase = own.txt\nnew_certs_dir = .\nrand_serial = yes\n"
                       "default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n")
        with open(self.path("own.txt"), "w", encoding="ascii"):
            pass
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self.openssl("ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", f"{name}.key", "-in", f"{name}.csr",
                     "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext", "-out", f"{name}.pem")

    def make_ocsp(self, name, issuer, out):
        """What the issuer says of the certificate: good, for three days."""
        serial = self.openssl("x509", "-in", f"{name}.pem", "-noout", "-serial").strip().split("=")[1]
        with open(self.path("index.txt"), "w", encoding="ascii") as file:
            file.write(f"V\t350101000000Z\t\t{serial}\tunknown\t/CN={name}\n")
        self.openssl("ocsp", "-index", "index.txt", "-rsigner", f"{issuer}.pem", "-rkey", f"{issuer}.key",
                     "-CA", f"{issuer}.pem", "-issuer", f"{issuer}.pem", "-cert", f"{name}.pem",
                     "-ndays", "3", "-respout", out)

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def context(certs, ca="ca", cert=None, **options):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        made.load_verify_locations(certs.path(f"{ca}.pem"))
    else:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if cert:
        made.load_cert_chain(certs.path(f"{cert}.pem"), certs.path(f"{cert}.key"))
    for name, value in options.items():
        setattr(made, name, value)
    return made


def secure(client, ctx, name="a.test", session=None):
    """Shakes hands over the client's connection; from then on it speaks TLS."""
    client.sock = ctx.wrap_socket(client.sock, server_hostname=name, session=session,
                                  suppress_ragged_eofs=False)
    return client


def connect(daemon, ctx, name="a.test", address=None, session=None):
    client = Client(address or daemon.addresses[0])
    daemon.clients.append(client)
    return secure(client, ctx, name, session)


def common_name(client):
    return dict(part[0] for part in client.sock.getpeercert()["subject"])["commonName"]
