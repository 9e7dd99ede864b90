"""What scanners find at ferryd's explicit and implicit ports: sslscan, and openssl's own client."""
import subprocess
import xml.etree.ElementTree

import pytest

from harness import certs
from harness.server import Ferryd, free_port

STRONG = {
    "TLSv1.3": {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"},
    "TLSv1.2": {f"ECDHE-{kind}-{cipher}" for kind in ("ECDSA", "RSA")
                for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")},
}
