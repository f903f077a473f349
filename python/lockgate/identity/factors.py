"""Second factors: passkeys (WebAuthn level 3), codes of an app (TOTP, RFC 6238), and codes for when both are lost.

What is kept of them is sealed; what counts once is counted by the store, so that it counts once for all processes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import pyotp
import segno
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from lockgate.config.model_sign_in import MEANS

Kind = Literal["passkey", "totp", "recovery"]

STEP_SECONDS: Final = 30
DRIFT: Final = 1
"""Steps before and after that are taken, too: a phone's clock may be half a minute off (RFC 6238 section 5.2)."""
RECOVERY_CODES: Final = 10
FACTORS: Final = 20
"""Factors of one person, without recovery codes."""
CREDENTIAL_BYTES: Final = 16 * 2**10
MFA: Final = "mfa"
OURS: Final = frozenset[str]().union(*MEANS.values())
"""Means that are proved here."""


class FactorError(Exception):
    """What was shown proves nothing; the message is safe to show."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose factors they are: a person as a provider knows them."""

    iss: str
    subject: str


@dataclass(frozen=True, slots=True)
class Factor:
    """One of them."""

    id: str
    kind: Kind
    name: str
    mark: str | None
    """What it is known again by, of all people's: a passkey's id, a recovery code's hash."""
    secret: str = field(repr=False)
    counter: int
    """The last step of a code, or a passkey's own count: what is not above it was used before."""
    created_ms: int
    used_ms: int | None = None


class FactorStore(Protocol):
    """Where they are kept. Called in threads."""

    def of(self, owner: Owner) -> list[Factor]:
        """All that a person has."""

    def add(self, owner: Owner, factors: Sequence[Factor]) -> None:
        """Keep some. Raises `FactorError` where a passkey is somebody's already."""

    def remove(self, owner: Owner, factor_id: str) -> bool:
        """Forget one; whether it was there."""

    def forget(self, owner: Owner, kind: Kind) -> None:
        """Forget all of a kind."""

    def used(self, factor: Factor, counter: int) -> bool:
        """Note its use; false where the counter was reached before, so that it was used already."""

    def attempt(self, owner: Owner) -> int:
        """Count an attempt before it is looked at; until when none is looked at, milliseconds, or 0."""

    def succeeded(self, owner: Owner) -> None:
        """Forget failures."""


@dataclass(frozen=True, slots=True)
class Relying:
    """The host at which passkeys are made and used."""

    id: str
    """Without a port (WebAuthn section 5.1.2)."""
    origin: str
    name: str


def totp_secret() -> str:
    """A new secret of 160 bits, in base32."""
    return pyotp.random_base32(32)


def totp_shown(secret: str, account: str, issuer: str) -> tuple[str, str]:
    """A secret's address for apps (`otpauth:`), and that as a picture (SVG)."""
    address = pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)
    picture = segno.make(address, error="m").svg_inline(scale=5, border=2, dark="#000", light="#fff")
    return address, picture


def totp_step(secret: str, code: str, now_s: float) -> int | None:
    """The step of which this is the code, or nothing; each is compared in constant time."""
    digits = code.replace(" ", "")
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return None
    now = int(now_s) // STEP_SECONDS
    maker = pyotp.TOTP(secret)
    found = None
    for step in range(now - DRIFT, now + DRIFT + 1):
        if hmac.compare_digest(maker.at(step * STEP_SECONDS), digits):
            found = step
    return found


def recovery_codes(pepper_key: bytes, now_ms: int) -> tuple[list[str], list[Factor]]:
    """New codes to be shown once, and what is kept of them."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"

    def half() -> str:
        return "".join(secrets.choice(alphabet) for _ in range(5))

    codes = [f"{half()}-{half()}" for _ in range(RECOVERY_CODES)]

    kept = [
        Factor(secrets.token_hex(16), "recovery", "recovery code", recovery_mark(pepper_key, code), "", 0, now_ms)
        for code in codes
    ]
    return codes, kept


def recovery_mark(pepper_key: bytes, code: str) -> str:
    """What a code is known by; it has 49 bits by chance, so a keyed hash keeps it (no slow one is needed)."""
    plain = code.strip().lower().replace(" ", "").replace("-", "")
    return hmac.new(pepper_key, plain.encode(), hashlib.sha256).hexdigest()


def passkey_options(relying: Relying, owner: Owner, name: str, known: Sequence[Factor]) -> tuple[bytes, str]:
    """The challenge, and what a browser makes a passkey by (JSON)."""
    options = webauthn.generate_registration_options(
        rp_id=relying.id,
        rp_name=relying.name,
        # The person's number for authenticators: nothing that names them (WebAuthn section 14.6.1).
        user_id=hashlib.sha256(f"{owner.iss}\0{owner.subject}".encode()).digest(),
        user_name=name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(known),
    )
    return options.challenge, webauthn.options_to_json(options)


def passkey_made(relying: Relying, challenge: bytes, credential: str, name: str, now_ms: int) -> Factor:
    """The passkey that a browser made. Raises `FactorError`."""
    try:
        made = webauthn.verify_registration_response(
            credential=_credential(credential),
            expected_challenge=challenge,
            expected_rp_id=relying.id,
            expected_origin=relying.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise FactorError("this passkey cannot be taken") from error
    kept = {
        "key": base64.b64encode(made.credential_public_key).decode(),
        "device": made.credential_device_type == CredentialDeviceType.SINGLE_DEVICE,
        "rp": relying.id,
    }
    mark = bytes_to_base64url(made.credential_id)
    if len(mark) > 1_400:  # WebAuthn section 5.8.3: at most 1,023 bytes.
        raise FactorError("this passkey has too long an id")
    return Factor(
        secrets.token_hex(16), "passkey", name, _short(mark), json.dumps(kept | {"id": mark}), made.sign_count, now_ms
    )


def passkey_asked(relying: Relying, known: Sequence[Factor]) -> tuple[bytes, str]:
    """The challenge, and what a browser answers it by (JSON)."""
    options = webauthn.generate_authentication_options(
        rp_id=relying.id,
        allow_credentials=_descriptors(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options.challenge, webauthn.options_to_json(options)


def passkey_shown(
    relying: Relying, challenge: bytes, credential: str, known: Sequence[Factor]
) -> tuple[Factor, int, list[str]]:
    """Which passkey answered, its own count, and by what means that authenticates. Raises `FactorError`."""
    try:
        said = _credential(credential)
        mark = str(said["id"])
        found = next(one for one in known if hmac.compare_digest(json.loads(one.secret)["id"], mark))
        kept = json.loads(found.secret)
        shown = webauthn.verify_authentication_response(
            credential=said,
            expected_challenge=challenge,
            expected_rp_id=relying.id,
            expected_origin=relying.origin,
            credential_public_key=base64.b64decode(kept["key"]),
            credential_current_sign_count=found.counter,
            require_user_verification=True,
        )
    except StopIteration as error:
        raise FactorError("this passkey is none of yours here") from error
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise FactorError("this passkey's answer does not hold") from error
    # RFC 8176: a key that cannot leave its device, or one that is kept in step with others.
    return found, shown.new_sign_count, ["hwk" if kept["device"] else "swk", "user", MFA]


def is_bound(passkey: Factor) -> bool:
    """Whether a passkey cannot leave its device."""
    return bool(json.loads(passkey.secret)["device"])


def host_of_passkey(passkey: Factor) -> str:
    """The host at which it was made, and can be used."""
    return str(json.loads(passkey.secret)["rp"])


def satisfies(kind: Kind, amr: Sequence[str]) -> bool:
    """Whether a factor of this kind can be one of the means that are wanted; none wanted is any."""
    means = MEANS["totp" if kind == "recovery" else kind]
    return not amr or bool(means & set(amr))


def _descriptors(known: Sequence[Factor]) -> list[PublicKeyCredentialDescriptor]:
    ids = (json.loads(one.secret)["id"] for one in known if one.kind == "passkey")
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in ids]


def _credential(text: str) -> dict[str, Any]:
    if len(text) > CREDENTIAL_BYTES:
        raise ValueError("it is too long")
    said = json.loads(text)
    if not isinstance(said, dict):
        raise TypeError("it is no object")
    return said


def _short(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()
