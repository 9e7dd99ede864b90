"""Certificates for the tests, made by openssl: an authority of their own, and what it signs."""
import hashlib
import pathlib
import ssl
import subprocess


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, **kwargs).stdout


class Authority:
    """Makes NAME.crt and NAME.key in a directory; its own certificate is ca.crt there."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.file = self.path("ca.crt")
        self.self_signed("ca", "Test Authority")

    def path(self, name):
        return self.directory / name

    def key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path(name + ".key"))

    def self_signed(self, name, subject="localhost", names="DNS:localhost,IP:127.0.0.1"):
        self.key(name)
        openssl("req", "-x509", "-new", "-key", self.path(name + ".key"), "-subj", f"/CN={subject}", "-days", "30",
                "-addext", f"subjectAltName={names}", "-out", self.path(name + ".crt"))
        return self.path(name + ".crt"), self.path(name + ".key")

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", days=30):
        """days negative: it has expired."""
        self.key(name)
        request = openssl("req", "-new", "-key", self.path(name + ".key"), "-subj", f"/CN={name}")
        extensions = self.path(name + ".ext")
        extensions.write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-CA", self.file, "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", days,
                "-extfile", extensions, "-out", self.path(name + ".crt"), input=request)
        return self.path(name + ".crt"), self.path(name + ".key")

    def pin(self, name):
        """SHA-256 of the public key, in hexadecimal."""
        public = openssl("x509", "-in", self.path(name + ".crt"), "-pubkey", "-noout")
        return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", input=public)).hexdigest()


def context(pair, version=None, client_authority=None):
    """A server's ssl context; version: the only one it speaks."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(*pair)
    if version is not None:
        c.minimum_version = c.maximum_version = version
    if client_authority is not None:
        c.load_verify_locations(client_authority)
        c.verify_mode = ssl.CERT_REQUIRED
    return c
