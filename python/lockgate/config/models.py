"""The whole document, as models: the one declaration of what a configuration may say.

The JSON Schema for editors and the reference page are made from it. Every
field has a description, an example and, where it may be left out, a default.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lockgate.addresses import Listen
from lockgate.config.model_apis import Api, Defaults
from lockgate.config.model_apps import App, ThirdParty
from lockgate.config.model_issuers import Issuer, Outgoing
from lockgate.config.model_listeners import Listener
from lockgate.config.model_relations import Relation
from lockgate.config.model_roles import Role
from lockgate.config.model_sign_in import SignIn
from lockgate.config.model_upstreams import Upstream
from lockgate.policies import Settings
from lockgate.scalars import Flag, Name, Scalar, Text, duration, refusal, shown, size

DAY_MS = 86_400_000


def parse_version(value: object) -> int:
    """The version of the spelling."""
    if value == 1 and not isinstance(value, bool):
        return 1
    hint = "write 1 without quotes: `version: 1`" if isinstance(value, str) and value.strip() in {"1", "1.0"} else None
    message = f"{shown(value)} is not a version that this Lockgate reads"
    if hint is not None:
        message = f"the version is a number, not the text {shown(value)}"
    raise refusal("version-unknown", message, allowed="`1`", hint=hint)


def parse_base(value: object) -> str:
    """What the `type` of a refusal begins with."""
    beginning = r"(/|https?://[A-Za-z0-9.\[])"
    if isinstance(value, str) and re.fullmatch(beginning + r"([!$-;=@-\[\]_a-z~]*/)?", value) and value.endswith("/"):
        return value
    raise refusal(
        "base-malformed",
        f"{shown(value)} is not a base for refusals",
        allowed="a path or an `http(s)://` URL that ends in `/`, such as `/.lockgate/reasons/`",
    )


def parse_advertised(value: object) -> str:
    """Where others reach a port."""
    if isinstance(value, str) and (found := re.fullmatch(ADVERTISED, value)) and 0 < int(found[1]) < 65_536:
        return value
    raise refusal(
        "address-malformed",
        f"{shown(value)} is no host and port",
        allowed="a host and a port such as `control.example.com:8444`",
    )


ADVERTISED = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:.]{2,45}\]):([0-9]{1,5})"
Advertised = Annotated[str, Scalar(parse_advertised, {"type": "string", "pattern": f"^{ADVERTISED}$"})]


class Admin(Settings):
    """The admin API: loopback only, its credential in a file of the state folder."""

    address: Listen = Field(
        default="127.0.0.1:8081",
        description="Where the admin API listens: a loopback address and a port.",
        examples=["127.0.0.1:8081"],
    )


class Gates(Settings):
    """Gates on other machines, which enrol with this control process."""

    address: Listen | None = Field(
        default=None,
        description="Where the control process listens for them, with TLS of its own; left out, nowhere.",
        examples=["0.0.0.0:8444"],
    )
    advertise: Advertised | None = Field(
        default=None,
        description="The `host:port` under which gates reach it, as tokens tell them; by default `address` itself.",
        examples=["control.example.com:8444"],
    )


class Assertions(Settings):
    """Who speaks where upstreams are told who calls (`upstreams.NAME.assertion`)."""

    issuer: Text = Field(
        default="lockgate",
        max_length=255,
        description="What upstreams see in `iss`. The keys are at `/.lockgate/jwks.json` of every listener.",
        examples=["https://gate.example.com"],
    )
    rotation: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1,
        description="The number of the key that signs. Add one for another key: the keys before and after it are "
        "published with it, so nothing is refused meanwhile.",
        examples=[2],
    )


class Facts(Settings):
    """Keys and revocations reach the gate as facts; this says what happens when it hears no more of them."""

    max_age: Annotated[int, duration(1_000, 366 * DAY_MS)] = Field(
        default=DAY_MS,
        description="How long the gate may hear nothing from the control process.",
        examples=["24h"],
        json_schema_extra={"default": "24h"},
    )
    then: Literal["deny", "continue"] = Field(
        default="continue",
        description="What then happens to requests that need facts: `deny` refuses them with `facts-stale`, "
        "`continue` serves on with the last known ones.",
        examples=["deny"],
    )


class ApiKeys(Settings):
    """How long keys are good that are made or changed from now on."""

    default_lifetime: Annotated[int, duration(60_000, 3660 * DAY_MS)] | None = Field(
        default=None,
        description="How long a key is good of which nobody says it; left out, `max_lifetime`, and without that for "
        "ever.",
        examples=["90d"],
    )
    max_lifetime: Annotated[int, duration(60_000, 3660 * DAY_MS)] | None = Field(
        default=None,
        description="How long a key is good at most, from when that is said; left out, for ever. Keys that are there "
        "already stay as they are.",
        examples=["365d"],
    )

    @model_validator(mode="after")
    def _within(self) -> Self:
        usual, most = self.default_lifetime, self.max_lifetime
        if usual is not None and most is not None and usual > most:
            raise refusal("lifetime-too-long", "this is longer than `max_lifetime` allows", at=("default_lifetime",))
        return self


class Events(Settings):
    """What is written down."""

    access: Flag = Field(
        default=True,
        description="Whether answered requests are written down. Refusals always are.",
        examples=[False],
    )
    header_order: Flag = Field(
        default=False,
        description="Whether they tell in which order, and with which letters, clients write the fields of their "
        "requests (`header_order`): programs differ there.",
        examples=[True],
    )
    retain: Annotated[int, size(2**20, 2**50)] = Field(
        default=2**30,
        description="How much is kept; beyond it the oldest is deleted.",
        examples=["1GiB"],
        json_schema_extra={"default": "1GiB"},
    )
    history: Annotated[int, size(0, 2**50)] = Field(
        default=4 * 2**30,
        description="How much is kept for longer, in Parquet files by day; beyond it the oldest is deleted, and "
        "counted. `0` takes nothing more in.",
        examples=["20GiB"],
        json_schema_extra={"default": "4GiB"},
    )


class Geo(Settings):
    """Databases in MaxMind's format (`.mmdb`) that tell where addresses are. None comes with Lockgate."""

    countries: Text | None = Field(
        default=None,
        description="A database of countries or cities, relative to the file that names it. Every gate has it at this "
        "path on its own machine, and looks at it again when it changes.",
        examples=["geo/GeoLite2-Country.mmdb"],
    )
    networks: Text | None = Field(
        default=None,
        description="A database of autonomous systems, in the same way.",
        examples=["geo/GeoLite2-ASN.mmdb"],
    )


class ProblemAnswers(Settings):
    """Answers that the gate makes itself (RFC 9457)."""

    base: Annotated[str, Scalar(parse_base, {"type": "string", "pattern": "^(/|https?://).*/$"})] = Field(
        default="/.lockgate/reasons/",
        description="What the `type` of a refusal begins with: a path or a URL, ending in `/`.",
        examples=["https://docs.example.com/refusals/"],
    )


class Config(Settings):
    """A Lockgate configuration."""

    version: Annotated[Literal[1], Scalar(parse_version, {"const": 1})] = Field(
        description="The version of this spelling; always `1`.", examples=[1]
    )
    include: list[Text] | Text = Field(
        default=[],
        description="Other files, or patterns of them, relative to this one. Each is checked as if written here; "
        "what two files say of one section is put together, and a key that both say is an error.",
        examples=[["apis/*.yaml"]],
    )
    listeners: dict[Name, Listener] = Field(
        default={},
        description="Where the gate listens, by name. Left out, one named `public` on 127.0.0.1:8080.",
        examples=[{"public": {"address": "127.0.0.1:8080"}}],
    )
    admin: Admin = Field(default=Admin(), description="The admin API.", examples=[{"address": "127.0.0.1:8081"}])
    gates: Gates = Field(
        default=Gates(), description="Gates on other machines.", examples=[{"address": "0.0.0.0:8444"}]
    )
    facts: Facts = Field(
        default=Facts(), description="How old the gate's knowledge of keys may be.", examples=[{"max_age": "24h"}]
    )
    api_keys: ApiKeys = Field(
        default=ApiKeys(), description="How long API keys are good.", examples=[{"max_lifetime": "365d"}]
    )
    events: Events = Field(default=Events(), description="What is written down.", examples=[{"retain": "1GiB"}])
    geo: Geo = Field(
        default=Geo(),
        description="Where it is looked up where addresses are.",
        examples=[{"countries": "geo/GeoLite2-Country.mmdb"}],
    )
    problems: ProblemAnswers = Field(
        default=ProblemAnswers(), description="The gate's own answers.", examples=[{"base": "/.lockgate/reasons/"}]
    )
    outgoing: Outgoing = Field(
        default=Outgoing(), description="What Lockgate's own calls may reach.", examples=[{"allow": ["10.0.0.0/8"]}]
    )
    issuers: dict[Name, Issuer] = Field(
        default={},
        description="Whose tokens are believed, by name.",
        examples=[
            {"company": {"issuer": "https://login.example.com/realms/main", "audience": "https://api.example.com"}}
        ],
    )
    sign_in: dict[Name, SignIn] = Field(
        default={},
        description="How people sign in with a browser, by name.",
        examples=[{"staff": {"issuers": ["company"]}}],
    )
    assertions: Assertions = Field(
        default=Assertions(),
        description="Who speaks where upstreams are told who calls.",
        examples=[{"issuer": "https://gate.example.com"}],
    )
    upstreams: dict[Name, Upstream] = Field(
        default={},
        description="What the gate forwards to, by name.",
        examples=[{"shop": {"targets": ["http://127.0.0.1:9000"]}}],
    )
    defaults: Defaults = Field(
        default=Defaults(),
        description="Policies for every API. An API that names one of them refines it key by key.",
        examples=[{"body_limit": {"bytes": "10MiB"}}],
    )
    roles: dict[Name, Role] = Field(
        default={},
        description="What callers can be, by name, and who is; `authorize.roles` of an API says what that opens.",
        examples=[
            {
                "support": {"who": {"claim": "groups", "contains": "support"}},
                "manager": {"who": {"claim": "groups", "contains": "managers"}, "includes": ["support"]},
            }
        ],
    )
    relations: dict[Name, Relation] = Field(
        default={},
        description="What leads to what, by name: people to their teams, teams to their accounts. Rules of "
        "`authorize.objects` look it up. All together have 200,000 pairs at most.",
        examples=[{"teams": {"file": "relations/teams.csv"}, "accounts": {"pairs": {"red": ["a1", "a2"]}}}],
    )
    apps: dict[Name, App] = Field(
        default={},
        description="Programs of others that use the APIs, by name, and what each was given. With this or "
        "`third_party` in it, a configuration holds programs to what they were given; `apps: {}` is enough where all "
        "are registered with `lockgate apps`.",
        examples=[{"crm-sync": {"owner": "sales@example.com", "apis": ["orders"], "scopes": ["orders:read"]}}],
    )
    third_party: ThirdParty = Field(
        default=ThirdParty(),
        description="How programs of others are held: what bounds each tier, and what becomes of what is not used.",
        examples=[{"tiers": {"unreviewed": {"rate": "30/m"}}}],
    )
    apis: dict[Name, Api] = Field(
        description="The APIs, by name.",
        examples=[{"shop": {"upstream": "shop", "authenticate": ["api_key"]}}],
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, for editors."""
    made = Config.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lockgate configuration",
        **{key: value for key, value in without_null(made).items() if key != "title"},
    }


def without_null(node: Any) -> Any:
    """`null` is how the models say "left out"; in a file it is refused, and so it is here."""
    if isinstance(node, list):
        return [without_null(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    node = {
        key: without_null(value)
        for key, value in node.items()
        if not (key == "default" and (value is None or isinstance(value, dict)))
    }
    kinds = node.get("anyOf")
    if isinstance(kinds, list) and {"type": "null"} in kinds:
        rest = [kind for kind in kinds if kind != {"type": "null"}]
        del node["anyOf"]
        return {**rest[0], **node} if len(rest) == 1 else {**node, "anyOf": rest}
    return node
