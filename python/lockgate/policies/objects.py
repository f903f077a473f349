"""`objects`: whose is it. What a request is about must belong to who asks for it."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import override

from lockgate.policies._base import Authorization, Lists, Settings
from lockgate.policies._parts import MAX_PARTS, PartText, parse_parts
from lockgate.scalars import NAME, Flag, Name, Scalar, ShortForm, Text, refusal, shown, size

KINDS: Final = ("path", "query", "body", "response")
"""Where it may stand whose something is."""
WORDS: Final = ("owner", "app", "credential")
CLAIM: Final = "claim:"
VIA: Final = " via "
MAX_VIA: Final = 4
"""Person, team, account, tenant are three steps apart; the core says the same."""
ROLE: Final = "role:"
MAX_STEPS: Final = 16
MAX_BODY: Final = 16 * 2**10
_CONTENT_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]{1,100}/[A-Za-z0-9.+-]{1,100}(?: ?; ?[A-Za-z0-9.+=\"-]{1,100})*")
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")


class Known(NamedTuple):
    """What is verified of a caller."""

    text: str
    path: tuple[str, ...] = ()
    """Names of claims, each within the one before; none where it is no claim."""
    via: tuple[str, ...] = ()
    """Relations that lead on from it."""

    def said(self) -> object:
        """As the bundle writes it, but for what leads on."""
        return {"claim": list(self.path)} if self.path else self.text.partition(VIA)[0]


def parse_known(value: object) -> Known:
    """A claim, or one of the words for what else is known; and relations that lead on from it."""
    if isinstance(value, Known):
        return value
    if isinstance(value, str) and VIA in value:
        first, *via = value.split(VIA)
        if len(via) > MAX_VIA or not all(map(NAME.fullmatch, via)):
            raise refusal(
                "objects-via",
                f"{shown(value)} leads nowhere",
                allowed=f"one to {MAX_VIA} names under `relations`, such as `claim:sub via teams via accounts`",
            )
        if twice := next((one for one in via if via.count(one) > 1), None):
            raise refusal(
                "objects-via",
                f"{shown(value)} goes through {shown(twice)} twice",
                hint="a relation leads from one thing to another kind of thing: name each once",
            )
        return parse_known(first)._replace(text=value, via=tuple(via))
    if isinstance(value, str) and value in WORDS:
        return Known(value)
    if isinstance(value, str) and value.startswith(CLAIM) and len(value) > len(CLAIM):
        name = value.removeprefix(CLAIM)
        path = (name,) if "://" in name else tuple(name.split("."))
        if all(path) and len(path) <= MAX_STEPS:
            return Known(value, path)
    close = f"write `claim:{value}`" if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.]*", value) else None
    raise refusal(
        "objects-known",
        f"{shown(value)} is nothing that is verified of a caller",
        allowed="`claim:NAME` (dots lead inwards), `owner`, `app`, `credential`; ` via RELATION` behind it",
        hint=close,
    )


def is_pointer(value: str) -> bool:
    """Whether it is a JSON Pointer (RFC 6901) to something within a document."""
    return _POINTER.fullmatch(value) is not None and value.count("/") <= 2 * MAX_STEPS


def parse_pointer(value: object) -> str:
    """A JSON Pointer (RFC 6901)."""
    if isinstance(value, str) and is_pointer(value):
        return value
    hint = f"write `/{value.replace('.', '/').removeprefix('$/')}`" if isinstance(value, str) and value else None
    raise refusal(
        "objects-pointer",
        f"{shown(value)} is no place in a JSON document",
        allowed="a JSON Pointer such as `/customer_id` or `/orders/*/customer_id`, where `*` is every item of a list",
        hint=hint,
    )


def parse_role(value: object) -> str:
    """A role; `role:NAME` is the same."""
    name = value.removeprefix(ROLE) if isinstance(value, str) else value
    if isinstance(name, str) and name:
        return name
    raise refusal("objects-role", f"{shown(value)} is not the name of a role", allowed="a name under `roles`")


def parse_content_type(value: object) -> str:
    """A media type, with what stands behind it."""
    if isinstance(value, str) and _CONTENT_TYPE.fullmatch(value):
        return value
    raise refusal(
        "content-type", f"{shown(value)} is no `Content-Type`", allowed="such as `application/json; charset=utf-8`"
    )


def parse_body(value: object) -> str:
    """The body of an answer; nothing at all is one, too."""
    if isinstance(value, str) and len(value.encode()) <= MAX_BODY:
        return value
    raise refusal("objects-body", f"{shown(value)} is no body of an answer", allowed="a text of at most 16 KiB")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Pointer = Annotated[str, Scalar(parse_pointer, {"type": "string", "pattern": "^/"})]
_KNOWN_SCHEMA: Final = {"type": "string", "pattern": "^(claim:.+|(owner|app|credential)( via .+)?)$"}
KnownText = Annotated[Known, Scalar(parse_known, _KNOWN_SCHEMA, lambda one: one.text)]
RoleText = Annotated[str, Scalar(parse_role, {"type": "string"})]


class ObjectRule(Settings):
    """Of what, where it stands whose it is, and what that must be."""

    operations: Annotated[
        list[PartText], BeforeValidator(parse_parts), Field(max_length=MAX_PARTS), ShortForm({"type": "string"})
    ] = Field(
        description="What it is for: operations of the document, methods, paths, permissions.",
        examples=[["getOrder"], "GET /orders/{id}"],
    )
    path: Name | None = Field(
        default=None, description="A name in the braces of the operation's path.", examples=["customer_id"]
    )
    query: Text | None = Field(default=None, description="A parameter of the query.", examples=["customer"])
    body: Pointer | None = Field(default=None, description="A place in the JSON body.", examples=["/customer_id"])
    response: Pointer | None = Field(
        default=None,
        description="A place in the API's JSON answer, `*` for every item of a list. For `GET` and `HEAD` alone: "
        "whatever else was asked for is done by then.",
        examples=["/customer_id", "/orders/*/customer_id"],
    )
    must_equal: KnownText | None = Field(
        default=None,
        description="What it must be: `claim:NAME`, `owner`, `app` or `credential`.",
        examples=["claim:sub"],
    )
    must_be_in: KnownText | None = Field(
        default=None,
        description="A claim that is a list, in which it must be; or ` via RELATION` behind a claim, `owner`, `app` or "
        "`credential`: it must be among what `relations` lead to from there.",
        examples=["claim:accounts", "claim:sub via teams", "claim:sub via teams via accounts"],
    )
    filter: Flag = Field(
        default=False,
        description="Items of others are taken out of the answer's list, and it is not refused for them.",
        examples=[True],
    )
    unless: Annotated[list[RoleText], BeforeValidator(_listed), Field(max_length=64)] = Field(
        default=[], description="Roles that the rule is not for.", examples=[["support"]]
    )
    hidden: Flag = Field(
        default=False,
        description="A refusal says that there is no such thing (404), so that nobody learns what there is.",
        examples=[True],
    )

    @property
    def kind(self) -> str:
        """Where it stands whose it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            said = " and ".join(f"`{kind}`" for kind in kinds) or "nothing"
            hint = "write one of these, such as `response: /customer_id`"
            raise refusal(
                "objects-rule",
                f"{said} says whose it is",
                allowed="one of `path`, `query`, `body`, `response`",
                hint=hint,
            )
        if (self.must_equal is None) == (self.must_be_in is None):
            hint = "write `must_equal: claim:sub`, or `must_be_in: claim:accounts` where the claim is a list"
            raise refusal("objects-rule", "a rule says what it must be, in one way", hint=hint)
        if self.must_equal is not None and self.must_equal.via:
            hint = f"write `must_be_in: {self.must_equal.text}`"
            raise refusal("objects-rule", "a relation may lead to several, and nothing equals those", hint=hint)
        if self.must_be_in is not None and not (self.must_be_in.path or self.must_be_in.via):
            raise refusal("objects-rule", f"`{self.must_be_in.text}` is no list", hint="write `must_equal`")
        if self.body is not None and "*" in self.body.split("/"):
            hint = "write a rule for each place, or judge such lists in the API"
            raise refusal("objects-rule", "a `*` stands for items of an answer's list, not of a body's", hint=hint)
        starred = self.response is not None and "*" in self.response.split("/")
        if self.filter and not starred:
            hint = "name the items with a `*`, as in `response: /orders/*/customer_id`"
            raise refusal("objects-rule", "there is no list that could be filtered", hint=hint)
        return self

    def said(self) -> dict[str, Any]:
        """As the bundle writes it, but for what it is for and where it stands."""
        answer = {"answer": {"pointer": self.response, "filter": self.filter}}
        return {
            "whose": answer if self.response is not None else {self.kind: getattr(self, self.kind)},
            "must": self._must(),
            "unless": self.unless,
            "hidden": self.hidden,
        }

    def _must(self) -> dict[str, Any]:
        if self.must_be_in is None:
            return {"equal": self.must_equal.said() if self.must_equal is not None else None}
        if self.must_be_in.via:
            return {"related": {"known": self.must_be_in.said(), "via": list(self.must_be_in.via)}}
        return {"be_in": self.must_be_in.said()}


class NotFound(Settings):
    """What the API says of what there is not."""

    content_type: Annotated[str, Scalar(parse_content_type, {"type": "string"})] = Field(
        default="application/json",
        description="What kind of a body that is, as the API's `Content-Type` has it.",
        examples=["application/json; charset=utf-8"],
    )
    body: Annotated[str, Scalar(parse_body, {"type": "string", "maxLength": MAX_BODY})] = Field(
        description="The body, byte by byte.", examples=['{"error": "no such order"}']
    )


class Objects(Authorization):
    """Whose is it: what a request is about must belong to who asks for it."""

    room: ClassVar[str] = "objects"

    rules: list[ObjectRule] = Field(
        min_length=1,
        max_length=1_000,
        description="The rules; of all that are for a request each must hold.",
        examples=[[{"operations": ["getOrder"], "response": "/customer_id", "must_equal": "claim:sub"}]],
    )
    body: Annotated[int, size(1, 16 * 2**20)] = Field(
        default=2**20,
        description="Longest body that is looked at; it is awaited whole where a rule does.",
        examples=["64KiB"],
        json_schema_extra={"default": "1MiB"},
    )
    answer: Annotated[int, size(1, 16 * 2**20)] = Field(
        default=2**20,
        description="Longest answer that is looked at, unpacked; a longer one is refused. It is held until it is known "
        "whose it is.",
        examples=["4MiB"],
        json_schema_extra={"default": "1MiB"},
    )

    not_found: NotFound | None = Field(
        default=None,
        description="What the API says of what there is not, so that rules with `hidden` say the same; left out, a "
        "problem (RFC 9457) that tells no more than its status.",
        examples=[{"body": '{"error": "no such order"}'}],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for its rules, whose operations the API tells."""
        hidden = {"not_found": self.not_found.model_dump()} if self.not_found is not None else {}
        return {"body_bytes": self.body, "answer_bytes": self.answer, **hidden}


def _long(value: object) -> object:
    return {"rules": value} if isinstance(value, list) else value


OBJECTS: Final = (BeforeValidator(_long), ShortForm({"type": "array", "items": {"type": "object"}}))
