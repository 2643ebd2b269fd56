"""An authority of a test's own, and certificates for 127.0.0.1 that it signed, made by `openssl`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

FOR_127_0_0_1 = "subjectAltName=IP:127.0.0.1\nkeyUsage=digitalSignature,keyEncipherment\n"


@dataclass(frozen=True)
class Signed:
    """Files of a certificate and of its key (PEM, PKCS#8)."""

    certificate: Path
    key: Path

    @property
    def together(self) -> str:
        """Key and certificate as one text, as a Java key store of type PEM is."""
        return self.key.read_text() + self.certificate.read_text()


class Authority:
    """`certificate` is what clients have to trust."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=CryptoViz test authority",
            "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def sign(self, name: str, extensions: str = FOR_127_0_0_1) -> Signed:
        """A certificate under this common name."""
        request, signed = self._folder / f"{name}.csr", self._folder / f"{name}.pem"
        key, more = self._folder / f"{name}.key", self._folder / f"{name}.ext"
        more.write_text(extensions)
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
            "-days", "2", "-extfile", more, "-out", signed,
        )  # fmt: skip
        return Signed(signed, key)


def _openssl(*arguments: str | Path) -> None:
    try:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
