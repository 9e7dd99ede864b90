"""Certificates for tests, made by the openssl command."""
import subprocess

KINDS = {"rsa": ["-newkey", "rsa:2048"], "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]}


def openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(directory, name, kind="ec", host="localhost"):
    """A self-signed certificate: (certificate, key), paths."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    openssl("req", "-x509", *KINDS[kind], "-nodes", "-keyout", key, "-out", cert, "-days", "2",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1,IP:::1")
    key.chmod(0o600)
    return cert, key


def signed(directory, name, authority, kind="ec"):
    """A certificate signed by authority, (certificate, key) of make()."""
    request, cert, key = (directory / f"{name}.{end}" for end in ("csr", "pem", "key"))
    openssl("req", *KINDS[kind], "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", request, "-CA", authority[0], "-CAkey", authority[1], "-CAcreateserial",
            "-days", "2", "-out", cert)
    key.chmod(0o600)
    return cert, key


def fingerprint(der):
    import hashlib
    return hashlib.sha256(der).hexdigest()
