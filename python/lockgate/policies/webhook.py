"""`webhook`: a sender's signature over a webhook proves who sent it."""

from __future__ import annotations

import base64
import binascii
import difflib
import itertools
import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import override

from lockgate.headers import Header
from lockgate.policies._base import Authentication, Lists, Settings
from lockgate.scalars import Flag, Name, Scalar, Secret, ShortForm, duration, refusal, shown, size

MIB: Final = 2**20
MAX_KEYS: Final = 16

_PARTS: Final = re.compile(r"(\{[a-z]+\})")
_KNOWN: Final = {"{id}": "id", "{timestamp}": "timestamp", "{body}": "body"}
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]{0,32}")


def parse_signed(value: object) -> str:
    """What is signed: a text in which `{id}`, `{timestamp}` and `{body}` stand for these."""
    allowed = "a text with `{body}` at its end, such as `{id}.{timestamp}.{body}`"
    parts = [part for part in _PARTS.split(value) if part] if isinstance(value, str) else []
    names = [part for part in parts if part.startswith("{")]
    texts = [part for part in parts if not part.startswith("{")]
    known = all(part in _KNOWN for part in names) and len(set(names)) == len(names)
    plain = all(_PRINTABLE.fullmatch(text) and not set(text) & set("{}") for text in texts)
    if not known or not plain or not parts or parts[-1] != "{body}":
        raise refusal("webhook-signed-malformed", f"{shown(value)} is nothing that is signed", allowed=allowed)
    for part, following in itertools.pairwise(parts):
        if part.startswith("{") and following.startswith("{"):
            message = f"{shown(value)}: nobody could tell where `{part}` ends"
            raise refusal("webhook-signed-malformed", message, allowed=allowed)
    return str(value)


def parse_part(value: object) -> str:
    """What stands before or between signatures."""
    if isinstance(value, str) and _PRINTABLE.fullmatch(value):
        return value
    raise refusal("webhook-text-malformed", f"{shown(value)} cannot stand there", allowed="up to 32 plain characters")


def parse_public_key(value: object) -> str:
    """A public key of Ed25519, as Standard Webhooks writes it."""
    text = value if isinstance(value, str) else ""
    try:
        raw = base64.b64decode(text.removeprefix("whpk_"), validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if not text.startswith("whpk_") or len(raw) != 32:
        allowed = "`whpk_` and the 32 bytes of a public key of Ed25519, in base64"
        # A secret may stand there by mistake.
        raise refusal("webhook-key-malformed", "this is no public key of a sender", allowed=allowed)
    return text


Part = Annotated[str, Scalar(parse_part, {"type": "string", "maxLength": 32})]


class Form(Settings):
    """How a sender signs what it sends."""

    header: Header = Field(description="The field that carries signatures.", examples=["X-Signature"])
    signed: Annotated[str, Scalar(parse_signed, {"type": "string"})] = Field(
        description="What is signed: `{body}` at the end, and before it what the sender says, with `{timestamp}` and "
        "`{id}` for these.",
        examples=["{timestamp}.{body}"],
    )
    prefix: Part = Field(default="", description="What stands before a signature.", examples=["sha256="])
    encoding: Literal["hex", "base64"] = Field(
        default="hex", description="How a signature is written.", examples=["base64"]
    )
    separator: Part | None = Field(
        default=None, description="What stands between several signatures. Left out, there is one.", examples=[","]
    )
    id: Header | None = Field(
        default=None, description="The field that carries the webhook's id.", examples=["X-Webhook-Id"]
    )
    timestamp: Header | None = Field(
        default=None, description="The field that carries the time, in seconds.", examples=["X-Timestamp"]
    )
    timestamp_prefix: Part | None = Field(
        default=None,
        description="What stands before the time, where it stands among the signatures.",
        examples=["t="],
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        timed = self.timestamp is not None or self.timestamp_prefix is not None
        wrong = None
        if self.timestamp is not None and self.timestamp_prefix is not None:
            wrong = "the time stands in a field of its own (`timestamp`) or among the signatures (`timestamp_prefix`)"
        elif self.timestamp_prefix is not None and not self.separator:
            wrong = "what stands among signatures wants a `separator`"
        elif self.separator == "":
            wrong = "an empty `separator` separates nothing"
        elif timed != ("{timestamp}" in self.signed):
            wrong = "a time that is not signed proves nothing: `signed` has `{timestamp}` just where there is one"
        elif "{id}" in self.signed and self.id is None:
            wrong = "`signed` has `{id}`, and no field carries it (`id`)"
        if wrong is not None:
            raise refusal("webhook-form-malformed", wrong)
        return self

    @property
    def timed(self) -> bool:
        """Whether it tells when a webhook was signed."""
        return self.timestamp is not None or self.timestamp_prefix is not None

    def bundled(self) -> dict[str, Any]:
        """As the bundle has it."""
        parts = [part for part in _PARTS.split(self.signed) if part]
        return {
            "header": self.header,
            "separator": self.separator,
            "prefix": self.prefix,
            "public_prefix": None,
            "encoding": self.encoding,
            "secret_prefix": None,
            "id": self.id,
            "timestamp": self.timestamp,
            "timestamp_prefix": self.timestamp_prefix,
            "signed": [_KNOWN.get(part) or {"text": part} for part in parts],
        }


_STANDARD: Final = {"signed": "{id}.{timestamp}.{body}", "prefix": "v1,", "encoding": "base64", "separator": " "}
FORMS: Final[dict[str, dict[str, str]]] = {
    "standard": {**_STANDARD, "header": "webhook-signature", "id": "webhook-id", "timestamp": "webhook-timestamp"},
    "svix": {**_STANDARD, "header": "svix-signature", "id": "svix-id", "timestamp": "svix-timestamp"},
    "github": {"header": "X-Hub-Signature-256", "prefix": "sha256=", "signed": "{body}"},
    "stripe": {
        "header": "Stripe-Signature",
        "prefix": "v1=",
        "separator": ",",
        "timestamp_prefix": "t=",
        "signed": "{timestamp}.{body}",
    },
    "slack": {
        "header": "X-Slack-Signature",
        "prefix": "v0=",
        "timestamp": "X-Slack-Request-Timestamp",
        "signed": "v0:{timestamp}:{body}",
    },
    "shopify": {"header": "X-Shopify-Hmac-Sha256", "encoding": "base64", "signed": "{body}"},
    "zoom": {
        "header": "x-zm-signature",
        "prefix": "v0=",
        "timestamp": "x-zm-request-timestamp",
        "signed": "v0:{timestamp}:{body}",
    },
    "paddle": {
        "header": "Paddle-Signature",
        "prefix": "h1=",
        "separator": ";",
        "timestamp_prefix": "ts=",
        "signed": "{timestamp}:{body}",
    },
}
"""Forms that have a name. There is no code for any of them: an operator's own says the same."""

_STANDARD_MORE: Final = {"public_prefix": "v1a,", "secret_prefix": "whsec_"}
MORE: Final[dict[str, dict[str, str]]] = {"standard": _STANDARD_MORE, "svix": _STANDARD_MORE}
"""What Standard Webhooks has besides: secrets in base64, and public keys."""


def parse_form(value: object) -> object:
    """A form's name, or a form."""
    if isinstance(value, dict | Form):
        return value
    if isinstance(value, str) and value in FORMS:
        return FORMS[value]
    allowed = ", ".join(FORMS) + ", or a mapping with `header` and `signed`"
    close = difflib.get_close_matches(str(value).lower(), FORMS, n=1)
    hint = f"did you mean `{close[0]}`?" if close else None
    raise refusal("webhook-form-unknown", f"{shown(value)} is no form of webhooks", allowed=allowed, hint=hint)


class Webhook(Authentication):
    """Takes webhooks that are signed, by Standard Webhooks or in another sender's form."""

    room: ClassVar[str] = "webhook"

    name: Name = Field(
        default="webhook",
        description="By which the sender is known and counted.",
        examples=["payments"],
    )
    form: Annotated[Form, BeforeValidator(parse_form), ShortForm({"enum": list(FORMS)})] = Field(
        default_factory=lambda: Form.model_validate(FORMS["standard"]),
        description="How the sender signs: a name, or a form of its own. `standard` is Standard Webhooks.",
        examples=["github", {"header": "X-Signature", "signed": "{body}", "encoding": "base64"}],
        json_schema_extra={"default": "standard"},
    )
    secrets: list[Secret] = Field(
        default=[],
        max_length=MAX_KEYS,
        description="Secrets that the sender shares, of at least 16 bytes; any one of them will do, so that one can be "
        "changed for the next: references, read by the gate and kept in memory only.",
        examples=[["${env:WEBHOOK_SECRET}"]],
    )
    public_keys: list[Annotated[str, Scalar(parse_public_key, {"type": "string", "pattern": "^whpk_"})]] = Field(
        default=[],
        max_length=MAX_KEYS,
        description="Public keys of the sender (Ed25519, `v1a` of Standard Webhooks); any one of them will do.",
        examples=[["whpk_NtFvNpKCzcNKkvUWJwg/dhoPYY1oWMjZLUKMW/4JV4w="]],
    )
    tolerance: Annotated[int, duration(1_000, 86_400_000)] = Field(
        default=300_000,
        description="How far the time of a webhook may lie back, or ahead.",
        examples=["1m"],
        json_schema_extra={"default": "5m"},
    )
    once: Flag | None = Field(
        default=None,
        description="Whether an attempt is taken once. Left out, so it is where the form has a time: what is older is "
        "refused by that. A sender that tries again signs anew, and is let through.",
        examples=[False],
    )
    body_bytes: Annotated[int, size(1, 16 * MIB)] = Field(
        default=MIB,
        description="Most bytes of a body: it is held until its signature is known to hold.",
        examples=["4MiB"],
        json_schema_extra={"default": "1MiB"},
    )
    forward: Flag = Field(
        default=False,
        description="Leave the signature on the request that goes to the upstream. Its id and its time go there in "
        "any case.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.secrets and not self.public_keys:
            hint = 'write `secrets: ["${env:WEBHOOK_SECRET}"]`'
            raise refusal("webhook-secretless", "without a secret or a key nobody could sign anything", hint=hint)
        if self.public_keys and not self._more:
            hint = "take `public_keys` out, and name `secrets`"
            raise refusal("webhook-key-unfit", "senders of this form sign with secrets alone", hint=hint)
        if self.once and not self.form.timed:
            message = "without a time in the form nobody could say how long to remember"
            raise refusal("webhook-once-timeless", message, hint="take `once` out")
        return self

    @property
    def _more(self) -> dict[str, str]:
        said = (more for name, more in MORE.items() if self.form == Form.model_validate(FORMS[name]))
        return next(said, {})

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it, but for where secrets are."""
        return {
            "name": self.name,
            "secrets": list(self.secrets),
            "public_keys": list(self.public_keys),
            "form": {**self.form.bundled(), **self._more},
            "tolerance_ms": self.tolerance,
            "once": self.form.timed if self.once is None else self.once,
            "body_bytes": self.body_bytes,
            "forward": self.forward,
        }
