"""`roles`: what callers can be, and who is."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from lockgate.policies import Settings
from lockgate.policies.scopes import Scope, Way
from lockgate.scalars import Flag, Name, Scalar, ShortForm, Text, refusal, shown

MAX_STEPS: Final = 16
MAX_LISTED: Final = 1_000
LARGEST: Final = 2**63 - 1
TESTS: Final = ("equals", "one_of", "contains", "at_least", "at_most", "present")
"""What a claim can be held against."""
OTHERS: Final = ("issuer", "app", "owner", "credential", "way", "scope")
"""What else can be asked of somebody."""
Literally = str | int | float | bool


def parse_claim(value: object) -> list[str]:
    """Where a claim is. Dots lead inwards, but for a name that is a URL."""
    steps = [value] if isinstance(value, str) and "://" in value else value
    steps = steps.split(".") if isinstance(steps, str) else steps
    if isinstance(steps, list) and 0 < len(steps) <= MAX_STEPS and all(isinstance(one, str) and one for one in steps):
        return list(steps)
    raise refusal(
        "claim-malformed",
        f"{shown(value)} is not the name of a claim",
        allowed="a name such as `groups`, dots to lead inwards (`realm_access.roles`), or a list of names where one "
        "has a dot in it",
    )


def parse_literal(value: object) -> Literally:
    """A text, a number or a truth value, as claims have them."""
    if isinstance(value, str | bool) or (isinstance(value, int) and abs(value) <= LARGEST):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return value
    raise refusal("claim-value", f"{shown(value)} is no value to compare with", allowed="a text, a number, true, false")


def parse_number(value: object) -> int | float:
    """A number. One in quotes is a text, which no number is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = parse_literal(value)
        if isinstance(number, int | float):
            return number
    hint = f"write it without quotes: {value}" if isinstance(value, str) and value.strip().isdecimal() else None
    raise refusal("claim-number", f"{shown(value)} is not a number", hint=hint)


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


_LITERAL: Final = {"type": ["string", "number", "boolean"]}
Texts = Annotated[
    list[Text], BeforeValidator(_listed), Field(min_length=1, max_length=MAX_LISTED), ShortForm({"type": "string"})
]
Value = Annotated[Literally, Scalar(parse_literal, _LITERAL)]
Values = Annotated[
    list[Value], BeforeValidator(_listed), Field(min_length=1, max_length=MAX_LISTED), ShortForm(_LITERAL)
]
Number = Annotated[int | float, Scalar(parse_number, {"type": "number"})]


class One(Settings):
    """What must hold of somebody; all that is said must."""

    claim: Annotated[list[str], Scalar(parse_claim, {"type": ["string", "array"]}, ".".join)] | None = Field(
        default=None,
        description="A claim of the credential, that one of the tests beside it is for. Dots lead inwards; a list "
        "names the steps where a name has a dot in it.",
        examples=["groups", "realm_access.roles", ["resource_access", "my.app", "roles"]],
    )
    equals: Value | None = Field(default=None, description="The claim is this.", examples=["acme"])
    one_of: Annotated[list[Value], Field(min_length=1, max_length=MAX_LISTED)] | None = Field(
        default=None, description="The claim is one of these.", examples=[["care", "sales"]]
    )
    contains: Values | None = Field(
        default=None, description="The claim is a list with this in it, or one of these.", examples=["support"]
    )
    at_least: Number | None = Field(default=None, description="The claim is a number, and no smaller.", examples=[18])
    at_most: Number | None = Field(default=None, description="The claim is a number, and no larger.", examples=[3])
    present: Flag | None = Field(default=None, description="The claim is there, or is not.", examples=[True])
    issuer: Texts | None = Field(
        default=None, description="The credential is of this issuer, by its name under `issuers`.", examples=["company"]
    )
    app: Texts | None = Field(default=None, description="The program that calls.", examples=["crm-sync"])
    owner: Texts | None = Field(
        default=None,
        description="Who answers for the credential: the person of a token, the owner of a key.",
        examples=["sales@example.com"],
    )
    credential: Texts | None = Field(
        default=None, description="The credential, by its public id.", examples=["key_7Gq2mZ"]
    )
    way: Annotated[list[Way], BeforeValidator(_listed), Field(min_length=1), ShortForm({"type": "string"})] | None = (
        Field(default=None, description="The way that proved who calls.", examples=["mtls"])
    )
    scope: (
        Annotated[
            list[Scope],
            BeforeValidator(_listed),
            Field(min_length=1, max_length=MAX_LISTED),
            ShortForm({"type": "string"}),
        ]
        | None
    ) = Field(default=None, description="The credential has one of these scopes.", examples=["support"])

    @model_validator(mode="after")
    def _something(self) -> Self:
        tests = [name for name in TESTS if getattr(self, name) is not None]
        if self.claim is not None and not tests:
            hint = "add what it must be: `contains: support`, `equals: acme`, `one_of: […]`, `at_least: 18`"
            raise refusal("role-who", f"nothing is said of the claim `{'.'.join(self.claim)}`", hint=hint)
        if self.claim is None and tests:
            raise refusal("role-who", f"`{tests[0]}` is not said of a claim", hint="add `claim: NAME` beside it")
        if not self.model_fields_set and type(self) is One:
            raise refusal("role-who", "this is said of nobody", hint="write `claim: groups` and `contains: support`")
        return self

    def said(self) -> list[dict[str, Any]]:
        """As the bundle writes it: each of these must hold."""
        made: list[dict[str, Any]] = [
            {"claim": {"path": self.claim, "test": {name: _tested(name, getattr(self, name))}}}
            for name in TESTS
            if self.claim is not None and getattr(self, name) is not None
        ]
        return made + [{name: value} for name in OTHERS if (value := getattr(self, name)) is not None]


class Who(One):
    """One way to have a role."""

    all: Annotated[list[One], Field(min_length=1, max_length=MAX_STEPS)] | None = Field(
        default=None,
        description="Several things that must hold together, where two claims are asked for.",
        examples=[[{"claim": "groups", "contains": "support"}, {"claim": "region", "equals": "eu"}]],
    )

    def everything(self) -> list[dict[str, Any]]:
        """All that must hold, as the bundle writes it."""
        return [*self.said(), *(one for each in self.all or () for one in each.said())]


class Role(Settings):
    """What callers can be."""

    who: Annotated[list[Who], BeforeValidator(_listed), Field(max_length=MAX_LISTED), ShortForm({"type": "object"})] = (
        Field(
            default=[],
            description="Who has it: any one of these is enough. Left out, it is had by those alone who "
            "have a role that includes it.",
            examples=[{"claim": "groups", "contains": "support"}],
        )
    )
    includes: Annotated[list[Name], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = Field(
        default=[],
        description="Roles whose rights it has as well.",
        examples=[["viewer"]],
    )
    description: Text | None = Field(default=None, description="What it is for.", examples=["answers customers"])


def literal(value: Literally) -> dict[str, Any]:
    """A value as the bundle writes it, with its kind."""
    if isinstance(value, bool):
        return {"truth": value}
    return {"text": value} if isinstance(value, str) else {"number": value}


def _tested(name: str, value: Any) -> object:
    """What a claim is held against, as the bundle writes it."""
    if name == "equals":
        return literal(value)
    return [literal(one) for one in value] if isinstance(value, list) else value
