"""`apis` and `defaults`: what is answered to, who may call, where it goes."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lockgate.addresses import Host, Method, is_server, parse_target
from lockgate.config.later import BOUND
from lockgate.config.model_authorize import AUTHORIZE, Authorize
from lockgate.config.model_openapi import OPENAPI, Openapi, parse_openapi
from lockgate.config.model_routing import Goes, NormalForm
from lockgate.config.model_versions import VERSION_BY, Version, VersionBy
from lockgate.paths import PATH, PATHS, PathMatch, parse_paths
from lockgate.policies import (
    ApiKey,
    Authentication,
    Basic,
    BodyLimit,
    Compress,
    Cors,
    Device,
    Grpc,
    Headers,
    Inflate,
    Introspection,
    IpFilter,
    Jwt,
    Limit,
    Minimise,
    Mtls,
    PluginEntry,
    Session,
    Settings,
    Signature,
    StepUp,
    Waf,
    Waiver,
    Webhook,
    WebSocket,
)
from lockgate.scalars import Name, Scalar, ShortForm, parse_name, refusal, shown

SERVER: Final = re.compile(r"[A-Za-z0-9.-]+:[0-9]+")
WAYS: Final = ("api_key", "jwt", "introspection", "basic", "signature", "webhook", "session", "mtls")
BARE: Final = ("api_key", "mtls")
"""Those that a name alone says."""
FEWEST_TOGETHER: Final = 2
PUBLIC_EXAMPLE: Final = {"owner": "shop-team", "reason": "the public catalogue", "until": "2027-01-01"}


def parse_upstream(value: object) -> str:
    """An upstream's name, or one server directly."""
    if isinstance(value, str) and is_server(value):
        return parse_target(value)
    allowed = "a name under `upstreams`, or one server such as `http://127.0.0.1:9000`"
    try:
        return parse_name(value)
    except PydanticCustomError as error:
        hint = f"write `http://{value}`" if isinstance(value, str) and SERVER.fullmatch(value) else None
        message = f"{shown(value)} is not an upstream"
        raise refusal("upstream-malformed", message, allowed=allowed, hint=hint) from error


class Way(Settings):
    """One way to prove who calls: one key, the policy's name."""

    api_key: ApiKey | None = Field(
        default=None, description="A key that Lockgate made.", examples=[{"header": "X-API-Key"}]
    )
    jwt: Jwt | None = Field(
        default=None, description="A signed token of an identity provider.", examples=[{"issuer": "company"}]
    )
    introspection: Introspection | None = Field(
        default=None,
        description="A token that its identity provider is asked about (RFC 7662).",
        examples=[{"issuer": "company"}],
    )
    basic: Basic | None = Field(
        default=None,
        description="A name and a password with each request (RFC 7617).",
        examples=[{"issuer": "people"}],
    )
    signature: Signature | None = Field(
        default=None,
        description="A signature over the request (RFC 9421).",
        examples=[{"keys": {"partner": {"algorithm": "hmac-sha256", "secret": "${env:PARTNER_SECRET}"}}}],
    )
    webhook: Webhook | None = Field(
        default=None,
        description="A sender's signature over a webhook.",
        examples=[{"secrets": ["${env:WEBHOOK_SECRET}"]}],
    )
    session: Session | None = Field(
        default=None,
        description="The cookie of a person who has signed in with a browser.",
        examples=[{"sign_in": "staff"}],
    )
    mtls: Mtls | None = Field(
        default=None,
        description="The certificate that the client shows in its handshake.",
        examples=[{"allow": [{"dns": "*.partners.example.com"}]}],
    )

    @property
    def policy(self) -> Authentication | None:
        """The one that it names."""
        policies = (getattr(self, name) for name in WAYS)
        return next((policy for policy in policies if policy is not None), None)


def _authenticator(value: object) -> object:
    """Turn the short form, a policy's name alone, into the long one."""
    allowed = ", ".join(f"`{way}`" for way in WAYS)
    if isinstance(value, str):
        if value not in WAYS:
            hint = f"write {BOUND}" if value.lower() == "dpop" else None
            words = f"there is no authentication {shown(value)}"
            raise refusal("authenticator-unknown", words, allowed=allowed, hint=hint)
        if value == "session":
            hint = "write `session: {sign_in: NAME}`, with a name under `sign_in`"
            raise refusal("authenticator-malformed", "`session` wants to know where people sign in", hint=hint)
        if value == "signature":
            hint = "write `signature: {keys: {NAME: {algorithm: …, key: …}}}`"
            raise refusal("authenticator-malformed", "`signature` wants to know whose keys are taken", hint=hint)
        if value == "webhook":
            hint = 'write `webhook: {secrets: ["${env:NAME}"]}`'
            raise refusal("authenticator-malformed", "`webhook` wants to know what secret is shared", hint=hint)
        if value not in BARE:
            hint = f"write `{value}: {{issuer: NAME}}`, with a name under `issuers`"
            what = "people" if value == "basic" else "tokens"
            raise refusal("authenticator-malformed", f"`{value}` wants to know whose {what} are taken", hint=hint)
        return {value: {}}
    if isinstance(value, dict) and len(value) > 1:
        raise refusal("authenticator-malformed", "each entry names one policy", hint="begin each with its own `-`")
    if isinstance(value, dict) and not value:
        raise refusal("authenticator-malformed", "this entry is empty", allowed=allowed)
    return value


def _together(value: object) -> object:
    entries = value if isinstance(value, list) else []
    if len(entries) < FEWEST_TOGETHER:
        raise refusal(
            "authenticate-together",
            "`all` says which ways must hold together, and this is not two of them",
            hint="write `- all: [mtls, {jwt: {issuer: NAME}}]`; one that is enough stands by itself",
        )
    if any(isinstance(entry, dict) and "all" in entry for entry in entries):
        raise refusal("authenticate-together", "`all` stands within `all`", hint="name all of them in one list")
    return value


class Authenticator(Way):
    """One way to prove who calls, or several that must hold together."""

    all: Annotated[
        list[Annotated[Way, BeforeValidator(_authenticator), ShortForm({"enum": list(BARE)})]] | None,
        BeforeValidator(_together),
    ] = Field(
        default=None,
        max_length=8,
        description="Ways that must hold together. The first of them says who calls.",
        examples=[["mtls", {"jwt": {"issuer": "company"}}]],
    )

    @property
    def ways(self) -> list[Way]:
        """The way, or all of them."""
        return self.all or [self]


def _authenticators(value: object) -> object:
    nobody = isinstance(value, str) and value.lower() in {"none", "no", "off", "public", "anonymous"}
    if nobody or value == [] or value is False:
        raise refusal(
            "authenticate-empty",
            "the list of authentications is empty" if value == [] else f"`authenticate` is a list, not {shown(value)}",
            hint="name one, such as `- api_key`; or say who opens the API with `public: {owner, reason, until}`",
        )
    if isinstance(value, str | dict):
        raise refusal(
            "authenticate-malformed", "`authenticate` is a list", hint="begin the entry with `-`, as in `- api_key`"
        )
    return value


def _methods(value: object) -> object:
    if value == []:
        raise refusal(
            "methods-empty",
            "an empty `methods` would mean none or any, depending on who reads it",
            hint="name the methods that it answers to, or leave `methods` out for any",
        )
    return value


class Defaults(Settings):
    """Policies for every API."""

    ip_filter: IpFilter | None = Field(
        default=None, description="Which addresses may call.", examples=[{"deny": ["203.0.113.0/24"]}]
    )
    cors: Cors | None = Field(
        default=None,
        description="Which web pages of other origins may call.",
        examples=[{"origins": ["https://shop.example.com"]}],
    )
    websocket: WebSocket | None = Field(
        default=None,
        description="Takes WebSockets; left out, the API takes none.",
        examples=[{"origins": ["https://shop.example.com"]}],
    )
    inflate: Inflate | None = Field(
        default=None,
        description="Unpacks packed bodies of requests; left out, they go on as they are.",
        examples=[{"codings": ["gzip"], "ratio": 50}],
    )
    compress: Compress | None = Field(
        default=None,
        description="Packs answers for clients that ask for it; left out, they go on as they are.",
        examples=[{"codings": ["br", "gzip"]}],
    )
    body_limit: BodyLimit | None = Field(
        default=None, description="Size of a request's body.", examples=[{"bytes": "10MiB"}]
    )
    grpc: Grpc | None = Field(
        default=None,
        description="Takes calls of gRPC alone, and bounds them; left out, they pass as any request does.",
        examples=[{"message_bytes": "1MiB", "deadline": "30s", "web": True}],
    )
    waf: Waf | None = Field(
        default=None,
        description="Looks for attacks; left out, nothing does.",
        examples=[{"rules": "core", "paranoia": 2}],
    )
    device: Device | None = Field(
        default=None,
        description="From which devices it is called, and what becomes of those that something speaks against.",
        examples=[{"new": "step_up", "travel": "deny", "most": 5}],
    )
    step_up: StepUp | None = Field(
        default=None,
        description="What wants a newer or stronger proof of who calls.",
        examples=[{"rules": [{"operations": ["refund"], "within": "5m", "amr": ["mfa"]}]}],
    )
    headers: Headers | None = Field(
        default=None,
        description="Header fields set, added and taken off, both ways.",
        examples=[{"response": {"hide": ["Server", "X-Powered-By"]}}],
    )
    limits: list[Limit] = Field(
        default=[],
        description="How much may come. Those of `defaults` count over all APIs together; an API refines them by name.",
        examples=[[{"name": "per-client", "by": "client", "allow": "100/s", "burst": 200}]],
    )


class Route(Goes):
    """A part of an API, whose hosts and policies hold for it."""

    path: Annotated[list[Annotated[PathMatch, PATH]], BeforeValidator(parse_paths), PATHS] | None = Field(
        default=None,
        description="Paths it answers to, written as the API's are; left out, those of the API.",
        examples=["/orders/search"],
    )
    methods: Annotated[list[Method], BeforeValidator(_methods)] = Field(
        default=[],
        description="Methods it answers to; left out, any.",
        examples=[["GET"]],
        json_schema_extra={"minItems": 1},
    )
    upstream: Name | None = Field(
        default=None,
        description="Where it goes: a name under `upstreams`; left out, where the API goes.",
        examples=["search"],
    )


class Api(Defaults, Goes):
    """One API. Without `authenticate` it is refused, unless it says who opened it with `public`."""

    hosts: list[Host] = Field(
        default=[],
        description="Hosts it answers to; left out, any.",
        examples=[["shop.example.com", "*.shop.example.com"]],
    )
    path: Annotated[list[Annotated[PathMatch, PATH]], BeforeValidator(parse_paths), PATHS] = Field(
        default=[PathMatch("prefix", "/")],
        description='Paths it answers to: a prefix, or `{exact: /x}`, `{prefix: /x}`, `{template: "/x/{id}"}`, '
        '`{regex: "/x/[0-9]+"}`, or a list of these. `/.lockgate` is the gate\'s own.',
        examples=["/orders", {"exact": "/health"}, [{"template": "/orders/{id}"}]],
        json_schema_extra={"default": "/"},
    )
    methods: Annotated[list[Method], BeforeValidator(_methods)] = Field(
        default=[],
        description="Methods it answers to; left out, any.",
        examples=[["GET", "POST"]],
        json_schema_extra={"minItems": 1},
    )
    upstream: Annotated[str, Scalar(parse_upstream, {"type": "string"})] | None = Field(
        default=None,
        description="Where it goes: a name under `upstreams`, or one server.",
        examples=["shop", "http://127.0.0.1:9000"],
    )
    normal_form: NormalForm = Field(
        default=NormalForm(),
        description="What is done with targets that servers read in different ways.",
        examples=[{"encoded_slash": "keep"}],
    )
    routes: dict[Name, Route] = Field(
        default={},
        description="Requests of the API that go elsewhere or are changed; the API's policies hold for them.",
        examples=[{"search": {"path": "/search", "upstream": "search"}}],
    )
    openapi: Annotated[Openapi | None, BeforeValidator(parse_openapi), OPENAPI] = Field(
        default=None,
        description="The OpenAPI document whose operations it has: a file, or `{file: …, base: …, mode: …}`. What the "
        "document does not know is refused.",
        examples=["openapi.yaml", {"file": "openapi.yaml", "mode": "observe"}],
    )
    versions: dict[Name, Version] | None = Field(
        default=None,
        description="Its versions, by name, each with its upstream, its document and its end.",
        examples=[{"v2": {"upstream": "orders"}, "v1": {"upstream": "orders-old", "sunset": "2027-01-01"}}],
    )
    version_by: Annotated[VersionBy, *VERSION_BY] = Field(
        default=VersionBy(),
        description="What says which version is asked for: `path`, the first segment behind the API's prefix; or "
        "`{header: …}`, `{media_type: …}`, `{query: …}`.",
        examples=["path", {"header": "X-API-Version"}],
        json_schema_extra={"default": "path"},
    )
    default_version: Name | None = Field(
        default=None,
        description="The version of requests that name none; left out, they are refused.",
        examples=["v2"],
    )
    client_cert: Literal["certificate", "chain"] | None = Field(
        default=None,
        description="Tells the upstream which certificate the client showed (RFC 9440): `certificate` in "
        "`Client-Cert`, `chain` those too that came with it, in `Client-Cert-Chain`. Left out, it is told nothing; "
        "what clients send under these names never arrives.",
        examples=["certificate"],
    )
    minimise: Minimise | None = Field(
        default=None,
        description="Which fields of answers who may read; left out, answers go out as the API gives them.",
        examples=[{"fields": {"scope profile:read": ["id", "name"], "scope support": ["id", "name", "email"]}}],
    )
    public: Waiver | None = Field(
        default=None, description="Open to anyone: who answers for it, why, and until when.", examples=[PUBLIC_EXAMPLE]
    )
    authenticate: Annotated[
        list[Annotated[Authenticator, BeforeValidator(_authenticator), ShortForm({"enum": list(BARE)})]] | None,
        BeforeValidator(_authenticators),
    ] = Field(
        default=None,
        description="Ways to prove who calls; any one of them is enough, and a refusal names them all "
        "(`WWW-Authenticate`). Those within `all` must hold together.",
        examples=[["api_key"], [{"all": ["mtls", {"jwt": {"issuer": "company"}}]}, "api_key"]],
    )
    plugins: list[PluginEntry] = Field(
        default=[],
        description="The operator's own checks in Python, asked in this order once every other policy has let the "
        "request through.",
        examples=[["my_checks:TenantHeader"]],
    )
    authorize: Annotated[Authorize | None, *AUTHORIZE] = Field(
        default=None,
        description="What those may do who are known: `authenticated`, everything; or a mapping that says which scopes "
        "and roles open what.",
        examples=["authenticated", {"scopes": "from_openapi"}, {"roles": {"support": ["GET"]}}],
    )
