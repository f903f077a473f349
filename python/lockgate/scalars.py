"""Scalars of the configuration: sizes, durations, rates, dates, addresses, names.

Each is parsed once, when the file is read, into the plain value that the rest
of the program uses (bytes, milliseconds, a date, a canonical network), so that
nothing behind the loader has to doubt it. A refusal says what is allowed.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from lockgate.printable import printable

_SIZE_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_DURATION_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_UNIT_WORDS: Final = {"s": "seconds", "ms": "milliseconds", "m": "minutes", "h": "hours", "d": "days"}
_SIZE: Final = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,3}))? ?([A-Za-z]{0,3})")
_DURATION: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,3}))? ?([A-Za-z]{1,2})")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

NAME_RULE: Final = "letters, digits, `_`, `-` and `.`, beginning with a letter or digit, at most 64"
MAX_TEXT: Final = 1_000
"""Characters of a free text such as a waiver's reason; it travels in every event that cites it."""


def refusal(
    code: str,
    message: str,
    *,
    hint: str | None = None,
    allowed: str | None = None,
    at: tuple[str | int, ...] | None = None,
) -> PydanticCustomError:
    """The refusal of a value: `message` says what is wrong, `allowed` what would be right, `hint` what to do.

    `at` is where in the value it is to be shown, if not at the whole of it.
    """
    context: dict[str, Any] = {"message": message}
    if at is not None:
        context["at"] = at
    if hint is not None:
        context["hint"] = hint
    if allowed is not None:
        context["allowed"] = allowed
    return PydanticCustomError(code, "{message}", context)


class Refused(NamedTuple):
    """What is wrong with a value, as a person is told of it."""

    code: str
    message: str
    allowed: str | None
    hint: str | None
    at: tuple[str | int, ...]


def refused(error: ErrorDetails) -> Refused:
    """What `refusal` said; of a bound that pydantic itself looks at, the same in plain words."""
    context = error.get("ctx", {})
    code, message = error["type"], str(context.get("message", error["msg"]))
    least, most, length = (context.get(key) for key in ("min_length", "max_length", "actual_length"))
    allowed = context.get("allowed")
    if code == "too_short":
        code, message = "list-too-short", f"this has {length} entries" if length else "this list is empty"
        allowed = f"at least {least} {'entry' if least == 1 else 'entries'}"
    elif code == "too_long":
        code, message = "list-too-long", "this is too long" if length is None else f"this has {length} entries"
        allowed = f"at most {most}"
    elif code == "string_too_long":
        code, message, allowed = "text-too-long", "this text is too long", f"at most {most} characters"
    return Refused(code, message, allowed, context.get("hint"), tuple(context.get("at", ())))


def shown(value: object) -> str:
    """The value as a message may quote it: short, on one line, and of the file's own words."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = printable(text)
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}…`"


def some(value: object) -> object:
    """A list that may not be empty."""
    if value == []:
        raise refusal("list-empty", "this list is empty", allowed="at least one entry")
    return value


def parse_size(value: object) -> int:
    """Bytes, from `10MiB`, `32 KiB`, `1.5GB` or a plain number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    unit = _SIZE_UNITS.get(found[3].upper()) if found else None
    if found is None or unit is None:
        raise refusal(
            "size-malformed",
            f"{shown(value)} is not a size",
            allowed="a number of bytes, or with a unit: B, KB, MB, GB, TB (1000) or KiB, MiB, GiB, TiB (1024)",
            hint="write it like `10MiB`",
        )
    return _scaled(found[1], found[2], unit)


def parse_duration(value: object, meant: str | None = "s") -> int:
    """Milliseconds, from `10s`, `500ms`, `1.5m`, `24h` or `7d`; a number alone is guessed to be in `meant`, if any."""
    if value in (0, "0") and not isinstance(value, bool):
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        raise refusal(
            "duration-without-unit",
            f"{shown(value)} has no unit",
            allowed="a number and a unit: ms, s, m, h or d",
            hint=f"write `{value}{meant}` if you mean {_UNIT_WORDS[meant]}" if meant else None,
        )
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    unit = _DURATION_UNITS.get(found[3]) if found else None
    if found is None or unit is None:
        raise refusal(
            "duration-malformed",
            f"{shown(value)} is not a duration",
            allowed="a number and a unit: ms, s, m, h or d",
            hint="write it like `10s`",
        )
    return _scaled(found[1], found[2], unit)


def parse_rate(value: object) -> int:
    """Bytes a second, from `1KiB/s`; 0 turns a floor off."""
    if value in (0, "0") and not isinstance(value, bool):
        return 0
    if isinstance(value, str) and value.endswith("/s"):
        try:
            return parse_size(value[:-2].rstrip())
        except PydanticCustomError:
            pass  # The refusal below names the rate's own spelling.
    raise refusal(
        "rate-malformed",
        f"{shown(value)} is not a rate",
        allowed="a size for each second, such as `1KiB/s`, or `0` for none",
        hint="write it like `1KiB/s`",
    )


def parse_date(value: object) -> dt.date:
    """A day, written `2027-01-01`; it begins at 00:00 UTC."""
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError as error:
            allowed = "a day of the calendar: YYYY-MM-DD"
            raise refusal("date-unknown", f"there is no day {shown(value)}", allowed=allowed) from error
    raise refusal(
        "date-malformed",
        f"{shown(value)} is not a date",
        allowed="a day, written YYYY-MM-DD",
        hint="write it like `2027-01-01`",
    )


def parse_count(value: object) -> int:
    """A whole number; also one that came out of a reference, where everything is text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        return int(value)
    raise refusal("number-malformed", f"{shown(value)} is not a whole number", allowed="a whole number, such as `100`")


def parse_flag(value: object) -> bool:
    """`true` or `false`; YAML 1.1's other words for them are refused, since they surprise."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    raise refusal("flag-malformed", f"{shown(value)} is neither `true` nor `false`", allowed="`true` or `false`")


def parse_name(value: object) -> str:
    """A name of something in the file."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    hint = "name it under `upstreams`, and write that name here" if isinstance(value, str) and "://" in value else None
    raise refusal("name-malformed", f"{shown(value)} is not a name", allowed=NAME_RULE, hint=hint)


def parse_text(value: object) -> str:
    """Words for people: not empty, on one line."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise refusal("text-malformed", f"{shown(value)} is not a text", allowed="a text on one line")
    if not value.strip():
        raise refusal("text-empty", "this must not be empty", allowed="a text on one line")
    if len(value) > MAX_TEXT:
        raise refusal("text-too-long", f"this has {len(value)} characters", allowed=f"at most {MAX_TEXT} characters")
    if not value.isprintable():
        raise refusal("text-malformed", "this has a line break or a control character", allowed="a text on one line")
    return value


def _scaled(whole: str, fraction: str | None, unit: int) -> int:
    """`whole.fraction` units, rounded down, without floating point."""
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def bounded(parse: Callable[[object], int], low: int, high: int, say: Callable[[int], str], value: object) -> int:
    """What `parse` makes of the value, refused outside of `low` to `high`."""
    number = parse(value)
    if low <= number <= high:
        return number
    raise refusal(
        "out-of-range",
        f"{shown(value)} is {'too small' if number < low else 'too large'}",
        allowed=f"from {say(low)} to {say(high)}",
    )


def say_size(count: int) -> str:
    """A size in the largest unit that divides it."""
    for unit, step in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count and count % step == 0:
            return f"{count // step}{unit}"
    return f"{count}B"


def say_duration(count: int) -> str:
    """A duration in the largest unit that divides it."""
    for unit, step in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if count and count % step == 0:
            return f"{count // step}{unit}"
    return f"{count}ms" if count else "0s"


def say_rate(count: int) -> str:
    """A rate in the largest unit that divides it."""
    return f"{say_size(count)}/s" if count else "0"


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """How pydantic reads a scalar, for use within `Annotated`: one function, a schema for editors, and the way back.

    No two are equal: `typing` hands out the `Annotated` that was made first of equal ones, with its schema.
    """

    parse: Callable[[object], object]
    schema: Mapping[str, Any]
    say: Callable[[Any], str] = str
    """The parsed value in the file's spelling."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The function alone: it takes any value and returns the parsed one."""
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, made: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The file's spelling, not the parsed value."""
        return dict(self.schema)


@dataclass(frozen=True, slots=True, eq=False)
class ShortForm:
    """Besides the long form, a mapping, editors are told of a short one. A validator turns it into the long."""

    schema: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, made: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either form."""
        return {"anyOf": [dict(self.schema), handler(made)]}


def size(low: int, high: int) -> Scalar:
    """A size within bounds."""
    schema = {"type": ["integer", "string"], "pattern": r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?)?B?$"}
    return Scalar(functools.partial(bounded, parse_size, low, high, say_size), schema, say_size)


def duration(low: int, high: int) -> Scalar:
    """A duration within bounds, in milliseconds."""
    schema = {"type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$"}

    def parse(value: object) -> int:
        number = value if isinstance(value, int) else 0
        likely = ("s", say_duration(low).lstrip("0123456789"), *_UNIT_WORDS)
        fits = (unit for unit in likely if low <= number * _DURATION_UNITS[unit] <= high)
        return parse_duration(value, next(fits, None))

    return Scalar(functools.partial(bounded, parse, low, high, say_duration), schema, say_duration)


def rate(low: int, high: int) -> Scalar:
    """A rate within bounds, in bytes a second."""
    schema = {"type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?)?B?/s$"}
    return Scalar(functools.partial(bounded, parse_rate, low, high, say_rate), schema, say_rate)


def count(low: int, high: int) -> Scalar:
    """A whole number within bounds."""
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Scalar(functools.partial(bounded, parse_count, low, high, str), schema)


Date = Annotated[dt.date, Scalar(parse_date, {"type": "string", "format": "date"})]
Flag = Annotated[bool, Scalar(parse_flag, {"type": "boolean"})]
Name = Annotated[str, Scalar(parse_name, {"type": "string", "pattern": f"^{NAME.pattern}$"})]
Text = Annotated[str, Scalar(parse_text, {"type": "string", "minLength": 1, "maxLength": MAX_TEXT})]


REFERENCE: Final = re.compile(r"\$\{(env|file):([^${}]+)\}")
"""`${env:NAME}` or `${file:path}`, as a whole value."""


def parse_secret(value: object) -> str:
    """A reference to a secret. The value itself is refused, since a file with it would be copied and kept."""
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value
    # The value is not quoted here: it may be the secret.
    raise refusal(
        "secret-literal",
        "a secret must not stand in the file",
        allowed="`${env:NAME}` or `${file:path}`",
        hint='put it into a variable or a file of mode 0600, and write "${env:NAME}" here',
    )


Secret = Annotated[
    str,
    Scalar(parse_secret, {"type": "string", "pattern": r"^\$\{(env|file):[^${}]+\}$", "secret": True}),
]


_PIN: Final = re.compile(r"sha256/([A-Za-z0-9+/]{43}=)")


def parse_pin(value: object) -> str:
    """The SHA-256 of a public key, hexadecimal, from its usual spelling (RFC 7469)."""
    found = _PIN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise refusal(
            "pin-malformed",
            f"{shown(value)} is not the hash of a key",
            allowed="`sha256/` and the SHA-256 of the public key in base64",
            hint="make it with: openssl x509 -in CERT -noout -pubkey | openssl pkey -pubin -outform DER | "
            "openssl dgst -sha256 -binary | base64",
        )
    return base64.b64decode(found[1]).hex()


def say_pin(pin: str) -> str:
    """A pin in its usual spelling."""
    return f"sha256/{base64.b64encode(bytes.fromhex(pin)).decode()}"


Pin = Annotated[str, Scalar(parse_pin, {"type": "string", "pattern": "^sha256/[A-Za-z0-9+/]{43}=$"}, say_pin)]
