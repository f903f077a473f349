"""Fields of documents, and who may have them: what `properties` and `minimise` say alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from lockgate.policies.objects import is_pointer
from lockgate.scalars import Scalar, ShortForm, refusal, shown

ANYONE: Final = "anyone"
ALL: Final = "all"
WHOLE: Final = ("",)
"""The pointer that `all` stands for: that of a whole document (RFC 6901)."""
MAX_FIELDS: Final = 2_000
"""Of one rule, as the gate has it."""
MAX_HOLDERS: Final = 64
_WHO: Final = re.compile(r"(role|scope)[ :] *(\S.*)")
_PLAIN: Final = re.compile(r"[^/~*.]+")


class Holder(NamedTuple):
    """To whom fields are open."""

    kind: Literal["anyone", "role", "scope"]
    name: str = ""

    def said(self) -> object:
        """As the bundle writes it."""
        return {self.kind: self.name} if self.name else self.kind


def parse_holder(value: object) -> Holder:
    """`anyone`, `role NAME` or `scope NAME`; a colon may stand in place of the blank."""
    if value == ANYONE:
        return Holder("anyone")
    if isinstance(value, str) and (found := _WHO.fullmatch(value)):
        return Holder("role" if found[1] == "role" else "scope", found[2])
    raise refusal(
        "fields-holder",
        f"{shown(value)} does not say to whom fields are open",
        allowed="`anyone`, `role NAME`, `scope NAME`",
        hint=f"write `role {value}` or `scope {value}`" if isinstance(value, str) and value else None,
    )


def parse_field(value: object) -> str:
    """A JSON Pointer, in which `*` is every item of a list, or the name of a member."""
    if (
        isinstance(value, str)
        and len(value) <= 1_000
        and (value in WHOLE or is_pointer(value) or _PLAIN.fullmatch(value))
    ):
        return value
    meant = value.removeprefix("$").strip("./").replace(".", "/") if isinstance(value, str) else ""
    raise refusal(
        "fields-field",
        f"{shown(value)} is no field of a JSON document",
        allowed="a name such as `email`, of an object and of each item where the document is a list, or a JSON "
        "Pointer such as `/address/city` or `/orders/*/total`",
        hint=f"write `/{meant}`" if is_pointer(f"/{meant}") else None,
    )


def parse_fields(value: object) -> object:
    """One field alone is a list of one; `all` is everything."""
    if value == ALL:
        return list(WHOLE)
    if value == []:
        raise refusal("fields-empty", "this opens nothing", hint="name fields, or take it out")
    return [value] if isinstance(value, str) else value


FieldText = Annotated[str, Scalar(parse_field, {"type": "string", "maxLength": 1_000})]
FieldList = Annotated[
    list[FieldText], BeforeValidator(parse_fields), Field(max_length=MAX_FIELDS), ShortForm({"type": "string"})
]


def holders(value: object) -> object:
    """That there is somebody, and that each is told in one way."""
    if not isinstance(value, Mapping):
        return value
    if not value:
        raise refusal("fields-empty", "nothing here is open to anybody", hint="write `anyone: [id]`, or take it out")
    if len(value) > MAX_HOLDERS:
        raise refusal("fields-many", f"at most {MAX_HOLDERS} are told apart", hint="give some of them one role")
    said: dict[Holder, object] = {}
    for key in value:
        holder = parse_holder(key)
        if holder in said:
            raise refusal("fields-twice", f"{shown(key)} is {shown(said[holder])} once more", at=(key,))
        said[holder] = key
    return value


def few(opened: dict[str, list[str]]) -> dict[str, list[str]]:
    """That the gate can hold them."""
    if sum(len(pointers(field)) for fields in opened.values() for field in fields) > MAX_FIELDS:
        hint = "a name counts twice; write pointers such as `/id`, or open what holds them as a whole"
        raise refusal("fields-many", f"a rule has at most {MAX_FIELDS} fields", hint=hint)
    return opened


OpenFields = Annotated[
    dict[str, FieldList],
    BeforeValidator(holders),
    AfterValidator(few),
    ShortForm({"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "array"}]}}),
]


def said(opened: Mapping[str, list[str]]) -> list[Any]:
    """Who may have what, as the bundle writes it."""
    return [
        {
            "to": parse_holder(who).said(),
            "fields": [pointer for field in fields for pointer in pointers(field)],
        }
        for who, fields in opened.items()
    ]


def pointers(field: str) -> list[str]:
    """What a field stands for: a bare name is that of the document, and of each item where it is a list."""
    return [field] if field in WHOLE or field.startswith("/") else [f"/{field}", f"/*/{field}"]


def roles_of(opened: Mapping[str, object]) -> list[tuple[str, str]]:
    """The roles that are named, each with the key that names it."""
    parsed = [(key, parse_holder(key)) for key in opened]
    return [(key, holder.name) for key, holder in parsed if holder.kind == "role"]
