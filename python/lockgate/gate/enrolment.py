"""How a gate on another machine belongs to a control process: its token, its certificate, its link.

The token carries the fingerprint of the control process's own authority, so the
gate knows whom it talks to before it says anything that matters. The key never
leaves this machine.
"""

import base64
import datetime as dt
import hashlib
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Final, Self

from lockgate.gate.frames import message
from lockgate.state import StateError, StateFolder, read_secret, write_private

SERVER_NAME: Final = "lockgate-control"
TOKEN_PREFIX: Final = "lgenr_"  # noqa: S105 -- How tokens begin.
TOKEN_BYTES: Final = 2048
SECONDS: Final = 10.0
ANSWER_BYTES: Final = 65_536

RENEW_AFTER: Final = 2 / 3
"""Part of a certificate's life after which a new one is asked for."""

AGAIN_SECONDS: Final = 3600
"""How soon a renewal that was not answered is tried again."""


class EnrolmentError(Exception):
    """The gate cannot enrol; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A token, read."""

    address: str
    fingerprint: str
    secret: str

    @classmethod
    def read(cls, text: str) -> Self:
        """The token that `lockgate gates token` printed."""
        text = text.strip()
        wrong = "that is no token: `lockgate gates token` prints one, on the control process's machine"
        if not text.startswith(TOKEN_PREFIX) or len(text) > TOKEN_BYTES:
            raise EnrolmentError(wrong)
        packed = text.removeprefix(TOKEN_PREFIX)
        try:
            told = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
            ticket = cls(str(told["a"]), str(told["f"]), str(told["s"]))
            if told["v"] != 1:
                raise EnrolmentError("the token is of a newer Lockgate: upgrade this machine first")
        except (ValueError, KeyError, TypeError) as error:
            raise EnrolmentError(wrong) from error
        return ticket


def enrol(state: StateFolder, ticket: Ticket) -> str:
    """Become a gate of the control process; its name for us."""
    authority = _authority(ticket)
    key, csr = _new_key()
    context = _context(authority)
    said = _ask(ticket.address, context, {"type": "enrol", "token": ticket.secret, "csr": csr})
    if said.get("type") != "enrolled":
        raise EnrolmentError(
            "the control process refuses the token: it was used, is over, or was never its own. Make another with "
            "`lockgate gates token`; its log says which"
        )
    write_private(state.pepper_file, str(said["pepper"]) + "\n")
    write_private(state.public_key_file, str(said["public_key"]) + "\n")
    write_private(state.enrolment_authority_file, authority)
    write_private(state.enrolment_certificate_file, str(said["pem"]) + key)
    told = {"name": str(said["name"]), "address": ticket.address}
    write_private(state.enrolment_file, json.dumps(told) + "\n")  # Last: where it is, all of it is.
    return told["name"]


class Papers:
    """A gate's certificate, and its renewal over the link."""

    def __init__(self, state: StateFolder) -> None:
        """What `enrol` wrote."""
        self._state = state
        told = json.loads(read_secret(state.enrolment_file))
        self.name, self.address = str(told["name"]), str(told["address"])
        self._key: str | None = None
        self._due = self._when_due()

    def dial(self) -> socket.socket:
        """A connection to the control process, both ends proved."""
        context = _context(read_secret(self._state.enrolment_authority_file))
        context.load_cert_chain(self._state.enrolment_certificate_file)
        return _connected(self.address, context)

    def due(self) -> bytes | None:
        """A request for a new certificate, when it is time."""
        now = dt.datetime.now(dt.UTC)
        if now < self._due:
            return None
        self._due = now + dt.timedelta(seconds=AGAIN_SECONDS)
        self._key, csr = _new_key()
        return message("renew", csr=csr)

    def take(self, said: dict[str, Any]) -> None:
        """A new certificate: the next connection is made with it."""
        if self._key is None:
            return
        write_private(self._state.enrolment_certificate_file, str(said["pem"]) + self._key)
        self._key, self._due = None, self._when_due()

    def _when_due(self) -> dt.datetime:
        from cryptography import x509

        certificate = x509.load_pem_x509_certificate(read_secret(self._state.enrolment_certificate_file).encode())
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return begin + (end - begin) * RENEW_AFTER


def _authority(ticket: Ticket) -> str:
    """The authority's certificate, by its fingerprint: whoever gives it need not be trusted for that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    said = _ask(ticket.address, context, {"type": "authority"})
    pem = str(said.get("pem"))
    try:
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    except ValueError as error:
        raise EnrolmentError(f"what answers at {ticket.address} is no control process") from error
    if found != ticket.fingerprint:
        raise EnrolmentError(
            f"what answers at {ticket.address} is not the control process that made the token. Nothing was told to it; "
            "find out who it is before you try again"
        )
    return pem


def _context(authority: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority)
    return context


def _connected(address: str, context: ssl.SSLContext) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(connection, server_hostname=SERVER_NAME)
    except BaseException:
        connection.close()
        raise


def _ask(address: str, context: ssl.SSLContext, question: dict[str, str]) -> dict[str, Any]:
    try:
        with _connected(address, context) as connection:
            connection.sendall(json.dumps(question).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n") and len(received) < ANSWER_BYTES:
                data = connection.recv(ANSWER_BYTES)
                if not data:
                    break
                received += data
        said = json.loads(received)
    except (OSError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise EnrolmentError(f"the control process at {address} cannot be reached: {why}") from error
    if not isinstance(said, dict):
        raise EnrolmentError(f"what answers at {address} is no control process")
    return said


def _new_key() -> tuple[str, str]:
    """A key and a request to certify it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    return pem, csr.public_bytes(serialization.Encoding.PEM).decode()


def enrolled(state: StateFolder) -> Papers | None:
    """The papers of a gate that belongs to a control process elsewhere; nothing for one beside it."""
    if not state.enrolment_file.exists():
        return None
    try:
        return Papers(state)
    except (ValueError, KeyError) as error:
        raise StateError(f"{state.enrolment_file} is damaged: enrol this gate again") from error
