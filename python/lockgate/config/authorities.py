"""What files of authorities and of revoked certificates hold, as far as a configuration can be doubted by it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

_LIST: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Authorities:
    """Who vouches for clients."""

    names: frozenset[bytes]
    """Their subjects, DER."""
    without_authority: tuple[int, ...]
    """The files that hold certificates, and none that may issue others."""

    @classmethod
    def of(cls, files: Sequence[bytes]) -> Authorities:
        """Read PEM files that the core has taken already; what cannot be read here is not doubted."""
        names: set[bytes] = set()
        without: list[int] = []
        for number, content in enumerate(files):
            try:
                held = x509.load_pem_x509_certificates(content)
                names.update(each.subject.public_bytes() for each in held)
                if held and not any(map(_may_issue, held)):
                    without.append(number)
            except ValueError:
                continue
        return cls(frozenset(names), tuple(without))

    def strangers(self, content: bytes) -> list[str]:
        """The issuers of lists in a file that are none of the authorities; none where one of them is."""
        issuers = []
        for found in _LIST.finditer(content):
            try:
                issuers.append(x509.load_pem_x509_crl(found[0]).issuer)
            except ValueError:
                return []
        if any(issuer.public_bytes() in self.names for issuer in issuers):
            return []
        return [issuer.rfc4514_string() for issuer in issuers]


def _may_issue(certificate: x509.Certificate) -> bool:
    """Whether it is an authority's. One of version 1 cannot say so, and old authorities have such."""
    if certificate.version is x509.Version.v1:
        return True
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
