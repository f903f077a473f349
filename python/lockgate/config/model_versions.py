"""`versions`: several versions of one API, each with its upstream, its document and its end."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from lockgate.config.model_openapi import OPENAPI, Openapi, parse_openapi
from lockgate.headers import Header
from lockgate.policies import Settings
from lockgate.scalars import Date, Name, Scalar, ShortForm, refusal, shown

MAX_BROWNOUTS: Final = 1_000
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})")
_TOKEN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_URL: Final = re.compile(r"https?://[!#$%&'()*+,./0-9:;=?@A-Z_a-z~\[\]-]{1,1000}")


def parse_moment(value: object) -> int:
    """A moment with its zone, as milliseconds since the epoch."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return int(dt.datetime.fromisoformat(value).timestamp() * 1000)
        except ValueError as error:
            raise refusal("moment-unknown", f"there is no moment {shown(value)}") from error
    raise refusal(
        "moment-malformed",
        f"{shown(value)} is not a moment",
        allowed="a day, a time and a zone (RFC 3339)",
        hint="write it like `2026-10-01T09:00:00Z`",
    )


def say_moment(value: int) -> str:
    """A moment in UTC."""
    return dt.datetime.fromtimestamp(value / 1000, dt.UTC).isoformat().replace("+00:00", "Z")


def _parse_token(value: object) -> str:
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        return value
    raise refusal(
        "parameter-malformed", f"{shown(value)} is not a parameter's name", allowed="a word such as `version`"
    )


def _parse_url(value: object) -> str:
    if isinstance(value, str) and _URL.fullmatch(value):
        return value
    raise refusal("url-malformed", f"{shown(value)} is not a URL", allowed="`https://` and where it leads")


Moment = Annotated[int, Scalar(parse_moment, {"type": "string", "format": "date-time"}, say_moment)]
Token = Annotated[str, Scalar(_parse_token, {"type": "string", "pattern": f"^{_TOKEN.pattern}$"})]
Url = Annotated[str, Scalar(_parse_url, {"type": "string", "format": "uri"})]


class VersionBy(Settings):
    """What says which version is asked for: one key, or `path` alone."""

    header: Header | None = Field(default=None, description="A header.", examples=["X-API-Version"])
    media_type: Token | None = Field(
        default=None,
        description="A parameter of a media type in `Accept`, or else in `Content-Type`.",
        examples=["version"],
    )
    query: Token | None = Field(default=None, description="A parameter of the query.", examples=["api-version"])


def _version_by(value: object) -> object:
    allowed = "`path`, or one of `{header: …}`, `{media_type: …}`, `{query: …}`"
    if value == "path":
        return {}
    if not isinstance(value, dict) or len(value) != 1:
        raise refusal("version-by-malformed", f"{shown(value)} does not say what names the version", allowed=allowed)
    return value


class Brownout(Settings):
    """A while in which a version is refused, so that those who still use it notice before it ends."""

    start: Moment = Field(description="Its beginning.", examples=["2026-10-01T09:00:00Z"])
    end: Moment = Field(description="Its end.", examples=["2026-10-01T10:00:00Z"])


def _brownouts(value: object) -> object:
    if isinstance(value, list) and len(value) > MAX_BROWNOUTS:
        allowed = f"at most {MAX_BROWNOUTS}"
        raise refusal("brownouts-malformed", f"these are {len(value)} brownouts", allowed=allowed)
    return value


class Version(Settings):
    """One version of an API."""

    upstream: Name | None = Field(
        default=None,
        description="Where it goes: a name under `upstreams`. Left out, where the API goes.",
        examples=["orders"],
    )
    openapi: Annotated[Openapi | None, BeforeValidator(parse_openapi), OPENAPI] = Field(
        default=None,
        description="The OpenAPI document whose operations it has. What the document does not know is refused.",
        examples=["openapi/orders-v2.yaml"],
    )
    deprecated: Date | None = Field(
        default=None,
        description="Since when it should not be used any more: every answer says so (`Deprecation`, RFC 9745).",
        examples=["2026-06-01"],
    )
    sunset: Date | None = Field(
        default=None,
        description="The day from which it is refused with 410; until then every answer says so (`Sunset`, RFC 8594).",
        examples=["2027-01-01"],
    )
    brownouts: Annotated[list[Brownout], BeforeValidator(_brownouts)] = Field(
        default=[],
        description="Whiles in which it is refused with 503 before it ends.",
        examples=[[{"start": "2026-10-01T09:00:00Z", "end": "2026-10-01T10:00:00Z"}]],
    )
    successor: Name | None = Field(
        default=None,
        description="The version to use instead. Where path or query say the version, answers link to the same thing "
        "in it.",
        examples=["v2"],
    )
    notice: Url | None = Field(
        default=None,
        description="Where people read of its end; answers link to it.",
        examples=["https://docs.example.com/orders-v1"],
    )


VERSION_BY: Final = (BeforeValidator(_version_by), ShortForm({"const": "path"}))


def day_ms(day: dt.date | None) -> int | None:
    """The beginning of a day, milliseconds since the epoch."""
    if day is None:
        return None
    return int(dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp() * 1000)
