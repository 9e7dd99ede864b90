"""What scanners find at ferryd's explicit and implicit ports: sslscan, and openssl's own client. TLS 1.2 and 1.3 with
strong ciphers and curves, the ALPN protocol of FTP, and nothing else."""
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

from harness import certs
from harness.server import Ferryd, free_port

CIPHERS = {
    "TLSv1.3": {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"},
    "TLSv1.2": {f"ECDHE-{key}-{cipher}" for key in ("ECDSA", "RSA")
                for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")},
}
GROUPS = {"x25519", "x448", "secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)", "secp521r1 (NIST P-521)"}


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    """Explicit and implicit, with an RSA and an EC certificate: every default cipher can be chosen."""
    directory = tmp_path_factory.mktemp("certs")
    rsa, ec = (certs.make(directory, kind, kind) for kind in ("rsa", "ec"))
    implicit = free_port()
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build, served=True, user="anna", password="s3cret",
                    options={"ssl_enable": "YES", "implicit_ssl_port": implicit,
                             "rsa_cert_file": rsa[0], "rsa_private_key_file": rsa[1],
                             "ec_cert_file": ec[0], "ec_private_key_file": ec[1]})
    server.implicit = implicit
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("way", ["explicit", "implicit"])
def test_sslscan(server, way):
    if shutil.which("sslscan") is None:
        pytest.skip("no sslscan here")
    where = ["--starttls-ftp", f"127.0.0.1:{server.port}"] if way == "explicit" else [f"127.0.0.1:{server.implicit}"]
    done = subprocess.run(["sslscan", "--xml=-", *where], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = xml.etree.ElementTree.fromstring(done.stdout.decode()).find("ssltest")
    assert found is not None, done.stdout
    spoken = {f"{p.get('type')}{p.get('version')}" for p in found.iter("protocol") if p.get("enabled") == "1"}
    assert spoken == {"tls1.2", "tls1.3"}
    for version, expected in CIPHERS.items():
        assert {c.get("cipher") for c in found.iter("cipher") if c.get("sslversion") == version} == expected
    assert {g.get("name") for g in found.iter("group")} == GROUPS
    assert [r.get("supported") for r in found.iter("renegotiation")] == ["0"]
    assert {h.get("vulnerable") for h in found.iter("heartbleed")} == {"0"}
    assert all(c.get("supported") == "0" for c in found.iter("compression"))
    assert all(f.get("supported") == "1" for f in found.iter("fallback"))


def s_client(server, way, *options):
    """What openssl's client reports of one handshake."""
    where = ["-starttls", "ftp", "-connect", f"127.0.0.1:{server.port}"] if way == "explicit" else \
        ["-connect", f"127.0.0.1:{server.implicit}"]
    done = subprocess.run(["openssl", "s_client", *where, *options], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60)
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.parametrize("way", ["explicit", "implicit"])
@pytest.mark.parametrize("options,found", [
    (["-tls1_3"], "New, TLSv1.3, Cipher is TLS_"),
    (["-tls1_2"], "New, TLSv1.2, Cipher is ECDHE-"),
    (["-alpn", "ftp"], "ALPN protocol: ftp"),
    (["-alpn", "http/1.1,ftp"], "ALPN protocol: ftp"),
    (["-alpn", "http/1.1"], "alert no application protocol"),
    (["-alpn", "smtp"], "alert no application protocol"),
    (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], "alert protocol version"),
    (["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], "alert protocol version"),
    (["-tls1_3", "-groups", "ffdhe2048"], "alert handshake failure"),
    (["-tls1_2", "-cipher", "kRSA:DHE"], "alert handshake failure"),
    (["-tls1_2", "-cipher", "AES256-SHA:ECDHE-RSA-AES256-SHA384"], "alert handshake failure"),
    (["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"], "alert handshake failure"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_s_client(server, way, options, found):
    report = s_client(server, way, *options)
    assert found in report, report
    assert "Compression: NONE" in report
