"""`step_up`: what matters wants a newer or stronger proof of who calls."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator
from typing_extensions import override

from lockgate.policies._base import Lists, Policy, Settings
from lockgate.scalars import Scalar, Text, duration, refusal, shown

WORD: Final = re.compile(r"[!#-\[\]-~]{1,128}")
DAY_MS: Final = 86_400_000
MEANT: Final = {
    **dict.fromkeys(("totp", "code", "authenticator"), "`otp`"),
    **dict.fromkeys(("passkey", "webauthn", "fido2"), "`hwk` and `swk`"),
    **dict.fromkeys(("2fa", "second_factor", "mfaa"), "`mfa`"),
}
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def parse_word(value: object) -> str:
    """A value of `amr` or `acr` that a header can say."""
    if isinstance(value, str) and WORD.fullmatch(value):
        return value
    raise refusal(
        "step-up-malformed",
        f"{shown(value)} is no plain word",
        allowed="a word without blanks and quotes, such as `mfa` or `urn:example:gold`",
    )


def parse_method(value: object) -> str:
    """A method. One that is misspelt would ask nobody, so only those that there are are taken."""
    if isinstance(value, str) and value in METHODS:
        return value
    close = value.upper() if isinstance(value, str) and value.upper() in METHODS else None
    raise refusal(
        "method-unknown",
        f"{shown(value)} is no method that a rule can be for",
        allowed=", ".join(METHODS),
        hint=f"write {close}" if close else None,
    )


def parse_means(value: object) -> str:
    """A value of `amr`. What is called otherwise there would never be said, and everybody asked in vain."""
    if isinstance(value, str) and value.lower() in MEANT:
        raise refusal(
            "step-up-malformed",
            f"no credential says {shown(value)} of itself",
            hint=f"write {MEANT[value.lower()]}, as RFC 8176 calls it",
        )
    return parse_word(value)


Word = Annotated[str, Scalar(parse_word, {"type": "string", "pattern": f"^{WORD.pattern}$"})]
Means = Annotated[str, Scalar(parse_means, {"type": "string", "pattern": f"^{WORD.pattern}$"})]


class StepUpRule(Settings):
    """What is asked for some requests; all that is said must hold."""

    operations: list[Text] = Field(
        default=[],
        max_length=1_000,
        description="Operations of the API's OpenAPI document (`operationId`) that it is asked for; left out, all.",
        examples=[["refund"]],
    )
    methods: list[Annotated[str, Scalar(parse_method, {"type": "string", "enum": list(METHODS)})]] = Field(
        default=[],
        max_length=32,
        description="Methods that it is asked for; left out, all.",
        examples=[["POST", "DELETE"]],
    )
    within: Annotated[int, duration(1_000, 30 * DAY_MS)] | None = Field(
        default=None,
        description="How long ago the caller may have been authenticated (the claim `auth_time`).",
        examples=["5m"],
    )
    amr: list[Means] = Field(
        default=[],
        max_length=32,
        description="Means of which one must have been used (the claim `amr`, RFC 8176), word by word: `mfa` "
        "is said by every second factor here, and by providers as they please; `otp` is a one-time code, `hwk` or "
        "`swk` a passkey.",
        examples=[["mfa"]],
    )
    acr: list[Word] = Field(
        default=[],
        max_length=32,
        description="Classes of which one must have been reached (the claim `acr`), in the provider's own words.",
        examples=[["urn:example:gold"]],
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.within is None and not self.amr and not self.acr:
            raise refusal(
                "step-up-malformed", "this rule asks for nothing", hint="say `within`, `amr` or `acr`, or take it out"
            )
        return self


class StepUp(Policy):
    """Asks for more of a proof where more is at stake."""

    room: ClassVar[str] = "step_up"

    rules: list[StepUpRule] = Field(
        min_length=1,
        max_length=64,
        description="What is asked for what; of all rules that fit a request each must hold.",
        examples=[[{"operations": ["refund"], "within": "5m", "amr": ["mfa"]}]],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it; the sign-in is the API's."""
        return {
            "rules": [
                {
                    "operations": rule.operations,
                    "methods": rule.methods,
                    "within_s": None if rule.within is None else rule.within // 1000,
                    "amr": rule.amr,
                    "acr": rule.acr,
                }
                for rule in self.rules
            ],
            "sign_in": None,
        }
