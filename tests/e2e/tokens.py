"""tests/e2e/tokens.py: keys and signed tokens, made by openssl and hashlib."""
import base64
import hashlib
import hmac
import json
import subprocess
import time


def base64url(data):
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token):
    return {"Authorization": "Bearer " + token}


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout


class Secret:
    """HS256."""

    def __init__(self, text="0123456789abcdef0123456789abcdef"):
        self.text = text

    def sign(self, data):
        return hmac.new(self.text.encode(), data, hashlib.sha256).digest()

    def token(self, claims=None, **header):
        return token(self, {"alg": "HS256", **header}, claims)


class Key:
    """A pair of keys in a folder: RS256, ES256, ES384 or EdDSA."""

    CURVES = {"ES256": ("P-256", 32), "ES384": ("P-384", 48)}

    def __init__(self, folder, alg, kid):
        self.alg, self.kid, self.path = alg, kid, f"{folder}/{alg}-{kid}.pem"
        if alg == "EdDSA":
            args = ["-algorithm", "ED25519"]
        elif alg == "RS256":
            args = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        else:
            args = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{self.CURVES[alg][0]}"]
        openssl("genpkey", *args, "-out", self.path)
        self.der = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")

    def pem(self):
        return openssl("pkey", "-in", self.path, "-pubout").decode()

    def jwk(self, **more):
        if self.alg == "EdDSA":
            parts = {"kty": "OKP", "crv": "Ed25519", "x": base64url(self.der[-32:])}
        elif self.alg == "RS256":
            modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip()
            parts = {"kty": "RSA", "n": base64url(bytes.fromhex(modulus.partition("=")[2])), "e": "AQAB"}
        else:
            curve, size = self.CURVES[self.alg]
            parts = {"kty": "EC", "crv": curve, "x": base64url(self.der[-2 * size:-size]),
                     "y": base64url(self.der[-size:])}
        return {**parts, "kid": self.kid, "use": "sig", **more}

    def sign(self, data):
        if self.alg == "EdDSA":
            with open(self.path + ".data", "wb") as file:
                file.write(data)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", self.path + ".data")
        digest = "-sha384" if self.alg == "ES384" else "-sha256"
        signature = openssl("dgst", digest, "-sign", self.path, data=data)
        return signature if self.alg == "RS256" else self._pair(signature)

    def _pair(self, der):
        """r and s of a DER sequence, side by side."""
        size, at, out = self.CURVES[self.alg][1], 2, b""
        for _ in range(2):
            length = der[at + 1]
            out += der[at + 2:at + 2 + length].lstrip(b"\0").rjust(size, b"\0")
            at += 2 + length
        return out

    def token(self, claims=None, **header):
        return token(self, {"alg": self.alg, "kid": self.kid, **header}, claims)


def token(key, header, claims=None):
    claims = {"exp": int(time.time()) + 3600, **(claims or {})}
    claims = {name: value for name, value in claims.items() if value is not None}
    text = base64url(json.dumps(header)) + "." + base64url(json.dumps(claims))
    return text + "." + base64url(key.sign(text.encode()))


def jwks(*keys):
    return json.dumps({"keys": [key.jwk() for key in keys]})
