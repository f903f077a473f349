"""`signature`: a signature over the request itself proves who calls (RFC 9421)."""

from __future__ import annotations

import base64
import difflib
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import override

from lockgate.policies._base import Authentication, Lists, Settings
from lockgate.scalars import Flag, Name, Scalar, Secret, Text, duration, refusal, shown, size

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

DERIVED: Final = (
    "@method",
    "@target-uri",
    "@authority",
    "@scheme",
    "@request-target",
    "@path",
    "@query",
    "@query-param",
)
"""What can be covered of a request besides its fields; the core has the same."""
USUAL: Final = ["@method", "@authority", "@path", "@query"]
ALGORITHMS: Final = (
    "ed25519",
    "ecdsa-p256-sha256",
    "ecdsa-p384-sha384",
    "rsa-pss-sha512",
    "rsa-v1_5-sha256",
    "hmac-sha256",
)
MAX_KEYS: Final = 1_000
MIB: Final = 2**20
_ED25519: Final = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
EXAMPLE: Final = f"-----BEGIN PUBLIC KEY-----\n{_ED25519}\n-----END PUBLIC KEY-----\n"

Algorithm = Literal[
    "ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512", "rsa-v1_5-sha256", "hmac-sha256"
]

_NAME: Final = r"@[a-z-]+|[a-z0-9!#$%&'*+.^_`|~-]+"
_COMPONENT: Final = re.compile(rf'({_NAME})((?:;[a-z*][a-z0-9_.*-]*(?:="[\x20\x21\x23-\x5b\x5d-\x7e]*")?)*)')
_LABEL: Final = re.compile(r"[a-z*][a-z0-9_.*-]{0,63}")
_TAG: Final = re.compile(r"[\x20-\x7e]{1,256}")


def parse_component(value: object) -> str:
    """What has to be covered: a field's name in lower case, or a derived component."""
    allowed = "a field's name in lower case, such as `content-type`, or one of " + ", ".join(DERIVED)
    if not isinstance(value, str) or not (found := _COMPONENT.fullmatch(value)):
        hint = f"write `{value.lower()}`" if isinstance(value, str) and _COMPONENT.fullmatch(value.lower()) else None
        raise refusal("component-malformed", f"{shown(value)} is nothing to be signed", allowed=allowed, hint=hint)
    name, parameters = found[1], found[2]
    if name.startswith("@") and name not in DERIVED:
        close = difflib.get_close_matches(name, DERIVED, n=1)
        hint = f"did you mean `{close[0]}`?" if close else None
        raise refusal("component-malformed", f"a request has no {shown(name)}", allowed=allowed, hint=hint)
    if (name == "@query-param") != (';name="' in parameters):
        hint = "write `'@query-param;name=\"page\"'`" if name == "@query-param" else "only `@query-param` has a `name`"
        raise refusal("component-malformed", f"{shown(value)} is nothing to be signed", allowed=allowed, hint=hint)
    if re.search(r";(req|tr)\b", parameters):
        message = f"{shown(value)}: a request is judged by its own head"
        raise refusal("component-malformed", message, allowed=allowed, hint="take `;req` or `;tr` out")
    return value


def bundled_component(value: str) -> str:
    """A component as a signature base has it."""
    name, semicolon, parameters = value.partition(";")
    return f'"{name}"{semicolon}{parameters}'


Component = Annotated[str, Scalar(parse_component, {"type": "string"})]


def parse_label(value: object) -> str:
    """A key of a dictionary (RFC 8941 section 3.1.2)."""
    if isinstance(value, str) and _LABEL.fullmatch(value):
        return value
    allowed = "a small letter, and then small letters, digits, `_`, `-`, `.` and `*`"
    raise refusal("label-malformed", f"{shown(value)} is no signature's label", allowed=allowed)


def parse_tag(value: object) -> str:
    """What a signature is for: a string of structured fields."""
    if isinstance(value, str) and _TAG.fullmatch(value):
        return value
    raise refusal("tag-malformed", f"{shown(value)} is no `tag`", allowed="1 to 256 plain characters")


def parse_public(value: object) -> str:
    """A public key, or a certificate, in PEM."""
    allowed = 'a public key or a certificate in PEM, such as `"${file:partner.pem}"`'
    text = value.strip() if isinstance(value, str) else ""
    if "PRIVATE KEY" in text:
        # It is not quoted: it is a secret.
        hint = "take its public part: openssl pkey -in KEY -pubout"
        raise refusal("signing-key-private", "this is a private key, which its owner keeps", allowed=allowed, hint=hint)
    if not text.startswith("-----BEGIN ") or _loaded(text) is None:
        # It is not quoted either: a secret may stand there by mistake.
        raise refusal("signing-key-malformed", "this is no public key", allowed=allowed)
    return text


def _loaded(pem: str) -> PublicKeyTypes | None:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        if "BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem.encode()).public_key()
        return serialization.load_pem_public_key(pem.encode())
    except Exception:  # noqa: BLE001 -- Whatever cannot be read is no key.
        return None


def public_jwk(pem: str, algorithm: str) -> dict[str, str] | None:
    """The key as a JWK; nothing where it is none for the algorithm."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    key = _loaded(pem)
    if isinstance(key, ed25519.Ed25519PublicKey) and algorithm == "ed25519":
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": _text(raw)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        curves = {"secp256r1": ("P-256", 32, "ecdsa-p256-sha256"), "secp384r1": ("P-384", 48, "ecdsa-p384-sha384")}
        curve, length, fits = curves.get(key.curve.name, ("", 0, ""))
        if fits != algorithm:
            return None
        numbers = key.public_numbers()
        x, y = (_text(number.to_bytes(length, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": curve, "x": x, "y": y}
    if isinstance(key, rsa.RSAPublicKey) and algorithm in {"rsa-pss-sha512", "rsa-v1_5-sha256"}:
        rsa_numbers = key.public_numbers()
        n, e = (
            _text(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (rsa_numbers.n, rsa_numbers.e)
        )
        return {"kty": "RSA", "n": n, "e": e} if 2048 <= key.key_size <= 8192 else None
    return None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class SigningKey(Settings):
    """A key that requests are signed with: it is for one algorithm, and no other."""

    algorithm: Algorithm = Field(
        description="What the key is for. A signature that names another is refused.", examples=["ed25519"]
    )
    key: Annotated[str, Scalar(parse_public, {"type": "string"})] | None = Field(
        default=None,
        description="The public key, or a certificate with it, in PEM: RSA from 2048 to 8192 bits. Most often "
        '`"${file:partner.pem}"`.',
        examples=[EXAMPLE],
    )
    secret: Secret | None = Field(
        default=None,
        description="The secret of `hmac-sha256`, of at least 32 bytes: a reference, read by the gate and kept in "
        "memory only.",
        examples=["${env:PARTNER_SECRET}"],
    )
    encoding: Literal["text", "base64", "hex"] = Field(
        default="text",
        description="How the secret is written: `text` is its bytes as they stand there.",
        examples=["base64"],
    )
    keyid: Text | None = Field(
        default=None,
        description="What signatures call the key (`keyid`). Left out, by its name here.",
        examples=["partner-2026"],
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.algorithm == "hmac-sha256":
            if self.secret is None or self.key is not None:
                hint = 'write `secret: "${env:NAME}"`, and no `key`'
                raise refusal("signing-key-unfit", "hmac-sha256 goes with a secret that both sides share", hint=hint)
        elif self.key is None or self.secret is not None:
            hint = 'write `key: "${file:partner.pem}"`, and no `secret`'
            raise refusal("signing-key-unfit", f"{self.algorithm} goes with a public key", hint=hint)
        elif public_jwk(self.key, self.algorithm) is None:
            hint = "say the `algorithm` that the key is for"
            raise refusal("signing-key-unfit", f"this is no key for {self.algorithm}", hint=hint)
        return self


def _keys(value: object) -> object:
    if isinstance(value, dict) and len(value) > MAX_KEYS:
        hint = "publish them as a key set, and name its `issuer`"
        raise refusal("list-too-long", f"there are {len(value)} keys", allowed=f"at most {MAX_KEYS}", hint=hint)
    return value


def _components(value: object) -> object:
    if value == []:
        hint = "leave `components` out for " + ", ".join(f"`{one}`" for one in USUAL)
        raise refusal("list-empty", "a signature that covers nothing proves nothing", hint=hint)
    return value


class Signature(Authentication):
    """Takes requests that are signed by RFC 9421 (HTTP message signatures)."""

    room: ClassVar[str] = "signature"

    keys: Annotated[dict[Name, SigningKey], BeforeValidator(_keys)] = Field(
        default={},
        description="Whose requests are taken, by the names that they are known and counted by.",
        examples=[{"partner": {"algorithm": "hmac-sha256", "secret": "${env:PARTNER_SECRET}"}}],
    )
    issuer: Name | None = Field(
        default=None,
        description="A name under `issuers` whose published keys (`jwks`) are taken as well: a signature's `keyid` is "
        "a key's `kid` there.",
        examples=["partners"],
    )
    components: Annotated[list[Component], BeforeValidator(_components)] = Field(
        default=USUAL,
        max_length=32,
        description="What a signature has to cover. `@target-uri` covers `@scheme`, `@authority`, `@path` and `@query` "
        "as well, `@request-target` the last two.",
        examples=[["@method", "@target-uri", "content-type"]],
    )
    content_digest: Flag = Field(
        default=True,
        description="Whether a request with a body has to carry its `Content-Digest` (RFC 9530), which is covered. A "
        "digest that is covered is verified in any case.",
        examples=[False],
    )
    max_age: Annotated[int, duration(1_000, 86_400_000)] = Field(
        default=300_000,
        description="How long ago a signature may have been `created`.",
        examples=["1m"],
        json_schema_extra={"default": "5m"},
    )
    skew: Annotated[int, duration(0, 300_000)] = Field(
        default=30_000,
        description="How far the clocks of client and gate may differ.",
        examples=["10s"],
        json_schema_extra={"default": "30s"},
    )
    expires: Flag = Field(
        default=False,
        description="Whether a signature has to say when it ends (`expires`). One that says so ends then in any case.",
        examples=[True],
    )
    nonce: Flag = Field(
        default=False,
        description="Whether a signature has to carry a `nonce`. One that does counts once, in any case; without one "
        "a request that somebody has recorded can be sent again within `max_age`.",
        examples=[True],
    )
    tag: Annotated[str, Scalar(parse_tag, {"type": "string", "minLength": 1, "maxLength": 256})] | None = Field(
        default=None,
        description="What a signature has to be for (`tag`). Left out, for anything.",
        examples=["orders"],
    )
    label: Annotated[str, Scalar(parse_label, {"type": "string"})] | None = Field(
        default=None,
        description="The label of the signature that is looked at. Left out, any one of them will do.",
        examples=["sig1"],
    )
    body_bytes: Annotated[int, size(1, 16 * MIB)] = Field(
        default=MIB,
        description="Most bytes of a body whose digest is verified: it is held until then.",
        examples=["4MiB"],
        json_schema_extra={"default": "1MiB"},
    )
    forward: Flag = Field(
        default=False,
        description="Leave `Signature` and `Signature-Input` on the request that goes to the upstream. It can verify "
        "them itself, if nothing is changed of what they cover: by `rewrite` or `headers`, or by `strip_path`.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.keys and self.issuer is None:
            hint = 'write `keys: {partner: {algorithm: ed25519, key: "${file:partner.pem}"}}`'
            raise refusal("signature-keyless", "without a key nobody could sign anything", hint=hint)
        known: dict[str, str] = {}
        for name, key in self.keys.items():
            other = known.setdefault(key.keyid or name, name)
            if other != name:
                message = f"{shown(name)} and {shown(other)} have the same `keyid`"
                raise refusal("keyid-repeated", message, hint="a signature could mean either", at=("keys", name))
        return self

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it, but for where secrets are."""
        return {
            "keys": [_bundled(name, key) for name, key in self.keys.items()],
            "issuer": self.issuer,
            "components": [bundled_component(one) for one in self.components],
            "content_digest": self.content_digest,
            "max_age_ms": self.max_age,
            "skew_ms": self.skew,
            "expires": self.expires,
            "nonce": self.nonce,
            "tag": self.tag,
            "label": self.label,
            "body_bytes": self.body_bytes,
            "forward": self.forward,
        }


def _bundled(name: str, key: SigningKey) -> dict[str, Any]:
    form: dict[str, Any] = (
        {"public": public_jwk(key.key, key.algorithm)}
        if key.key is not None
        else {"secret": {"reference": key.secret, "encoding": key.encoding}}
    )
    return {"name": name, "keyid": key.keyid or name, "algorithm": key.algorithm, "key": form}
