"""Certificates for servers on this machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: a CA, and a server's certificate for 127.0.0.1 that it signed."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """A CA of its own and one server. Needs openssl."""
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    certificate, key, asked = folder / "server.pem", folder / "server.key", folder / "server.csr"
    extensions = folder / "extensions"
    # As strict as Python 3.13 is: a CA may sign, and a certificate names the key that signed it.
    extensions.write_text(
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    may_sign = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    new = ["req", "-newkey", "rsa:2048", "-nodes"]
    signed_by = ["-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial"]
    for words in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=test CA", *may_sign, "-keyout", ca_key]
        + ["-out", ca],
        [*new, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", asked],
        ["x509", "-req", "-in", asked, "-days", "2", *signed_by, "-extfile", extensions]
        + ["-out", certificate],
    ):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    return Certificates(ca, certificate, key)
