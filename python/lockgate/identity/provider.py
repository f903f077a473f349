"""An OpenID provider as its client sees it: the authorization code flow with PKCE, and what ends a session.

OpenID Connect Core, RFC 6749, RFC 7636 (PKCE), RFC 9126 (pushed requests), RFC 9207 (`iss` in the answer), RFC 7523
(`private_key_jwt`), OpenID Connect RP-Initiated and Back-Channel Logout 1.0, under the advice of RFC 9700.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from lockgate.config.sign_in import Provider
from lockgate.identity.client import Proof, method_of, prove
from lockgate.identity.discovery import OK, DiscoveryError, Metadata, discover
from lockgate.outgoing import Answer, Outgoing, OutgoingError

METADATA_SECONDS: Final = 600.0
KEYS_PAUSE_SECONDS: Final = 5.0
"""Between two fetches of keys that unknown names ask for: whoever makes names up costs the provider no more."""
FLOW_SECONDS: Final = 600
"""From leaving for the provider to coming back: what was new then may be so old."""
TOKEN_BYTES: Final = 32 * 2**10
TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
TYPES: Final = "urn:ietf:params:oauth:token-type"
YEAR_SECONDS: Final = 366 * 86_400
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
CREATED: Final = 201
SERVER_FAULT: Final = 500


OURS_TO_MEND: Final = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unsupported_grant_type",
        "unsupported_token_type",
    }
)
"""What a provider says where the configuration or the registration there is wrong, whoever calls."""


class ProviderError(Exception):
    """The provider could not be asked, or answered what no provider should: nothing that the person could mend."""


class RefusedError(Exception):
    """The provider said no, or what was brought is not what it gave."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is OAuth's or our own; both are safe to show."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Begun:
    """What a browser takes along to the provider, and brings back: kept sealed in a cookie meanwhile."""

    issuer: str
    """The configuration's name."""
    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    to: str
    max_age_s: int | None = None
    """How long ago the person may have been there at most, where that was asked for."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in."""

    claims: dict[str, Any]
    """Of the ID token and of userinfo, verified."""
    id_token: str = field(repr=False)
    given: Given


@dataclass(frozen=True, slots=True)
class Given:
    """What the token endpoint gives."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    expires_ms: int | None
    """When the access token ends; nothing where that is not said."""


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """What a logout token ends."""

    issuer: str
    """`iss`."""
    subject: str | None
    session: str | None
    token_id: str
    until_s: int


class OpenIdProvider:
    """One provider. `secret` and `key` are the client's own, already read; `clock` gives seconds since the epoch."""

    def __init__(
        self,
        said: Provider,
        outgoing: Outgoing,
        *,
        secret: Callable[[str], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`secret` reads what a reference names; it raises `ValueError` where there is nothing."""
        self.said = said
        self.outgoing = outgoing
        self._secret = secret
        self._clock = clock
        self._metadata: Metadata | None = None
        self._metadata_at = 0.0
        self._keys: jwk.KeySet | None = None
        self._keys_at = -KEYS_PAUSE_SECONDS

    async def metadata(self) -> Metadata:
        """Its discovery document. One that was had before serves while the provider is away."""
        now = self._clock()
        if self._metadata is not None and now - self._metadata_at < METADATA_SECONDS:
            return self._metadata
        try:
            self._metadata = await discover(self.said.issuer, self.outgoing)
            self._metadata_at = now
        except (DiscoveryError, OutgoingError) as error:
            if self._metadata is None:
                raise ProviderError(str(error)) from error
        return self._metadata

    async def begin(
        self, redirect_uri: str, to: str, scopes: tuple[str, ...], more: Mapping[str, str] | None = None
    ) -> tuple[str, Begun]:
        """Where to send the browser, and what to keep of it meanwhile. `more` is asked for besides."""
        begun = Begun(
            issuer=self.said.name,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            redirect_uri=redirect_uri,
            to=to,
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        wanted = {
            "response_type": "code",
            "client_id": self.said.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **(more or {}),
        }
        metadata = await self.metadata()
        pushed = metadata.offered("pushed_authorization_request_endpoint")
        if pushed is not None:
            wanted = {"client_id": self.said.client_id, "request_uri": await self._push(pushed, wanted)}
        place = self._address(metadata, "authorization_endpoint")
        return f"{place}{'&' if urlsplit(place).query else '?'}{urlencode(wanted)}", begun

    async def redeem(self, begun: Begun, code: str, said_iss: str | None) -> Person:
        """Who it is that came back with a code. Raises `RefusedError` or `ProviderError`."""
        metadata = await self.metadata()
        # RFC 9207: else one provider's code could be brought to another (mix-up).
        wants_iss = metadata.members.get("authorization_response_iss_parameter_supported") is True
        if (said_iss is None and wants_iss) or (said_iss is not None and said_iss != self.said.issuer):
            raise RefusedError("iss_mismatch", "the answer is not from the provider that was asked")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect_uri,
            "code_verifier": begun.verifier,
        }
        given = await self._token(form)
        if given.id_token is None:
            raise ProviderError("the token endpoint gave no ID token")
        claims = await self._verified(given.id_token)
        self._belongs(claims, nonce=begun.nonce)
        self._is_new(claims, begun.max_age_s)
        return Person(claims, given.id_token, given)

    async def refresh(self, refresh_token: str) -> Given:
        """Tokens anew (RFC 6749 section 6). Raises `RefusedError`, or `ProviderError`."""
        return await self._token({"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def exchange(
        self, token: str, audience: Sequence[str], resource: Sequence[str], scopes: Sequence[str]
    ) -> Given:
        """Another access token in exchange for one (RFC 8693 section 2.1). Raises as `refresh` does."""
        form: dict[str, str | list[str]] = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": f"{TYPES}:access_token",
            "requested_token_type": f"{TYPES}:access_token",
        }
        if audience:
            form["audience"] = list(audience)
        if resource:
            form["resource"] = list(resource)
        if scopes:
            form["scope"] = " ".join(scopes)
        return await self._token(form, exchanged=True)

    async def still(self, id_token: str, subject: str) -> dict[str, Any]:
        """What an ID token says that came with a refreshed one (OpenID Connect Core section 12.2)."""
        claims = await self._verified(id_token)
        self._belongs(claims, nonce=None)
        if claims.get("sub") != subject:
            raise RefusedError("invalid_token", "the provider's new ID token is somebody else's")
        return claims

    async def userinfo_of(self, access_token: str, subject: str) -> dict[str, Any] | None:
        """What userinfo says of a person, and of nobody else; nothing where there is none."""
        place = (await self.metadata()).offered("userinfo_endpoint")
        if place is None:
            return None
        answer = await self._call("GET", place, {"Authorization": f"Bearer {access_token}"}, None)
        said = _object(answer, "userinfo endpoint")
        if said.get("sub") != subject:
            raise ProviderError("the userinfo endpoint speaks of somebody else")
        return said

    async def userinfo(self, person: Person) -> Person:
        """The same person with what userinfo says besides; of nobody else (OpenID Connect Core section 5.3.2)."""
        said = await self.userinfo_of(person.given.access_token, person.claims["sub"])
        return person if said is None else replace(person, claims={**said, **person.claims})

    async def sign_out_address(self, id_token: str | None, back_to: str) -> str | None:
        """Where the browser signs out of the provider as well (RP-Initiated Logout); none where it offers nothing."""
        place = (await self.metadata()).offered("end_session_endpoint")
        if place is None or urlsplit(place).scheme not in {"https", "http"}:
            return None
        wanted = {"client_id": self.said.client_id, "post_logout_redirect_uri": back_to}
        if id_token is not None:
            wanted["id_token_hint"] = id_token
        return f"{place}{'&' if urlsplit(place).query else '?'}{urlencode(wanted)}"

    async def logged_out(self, token: str) -> LoggedOut:
        """What a logout token ends (Back-Channel Logout section 2.6). Raises `RefusedError` for what is none."""
        claims = await self._verified(token, kinds={"logout+jwt", "jwt", None}, stranger=True)
        self._belongs(claims, nonce=None)
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise RefusedError("invalid_request", "it is no logout token")
        if "nonce" in claims:
            # An ID token must never be taken for one.
            raise RefusedError("invalid_request", "a logout token has no `nonce`")
        subject, session, token_id = (_text(claims, name) for name in ("sub", "sid", "jti"))
        if token_id is None or (subject is None and session is None):
            raise RefusedError("invalid_request", "it does not say whose session ends")
        return LoggedOut(self.said.issuer, subject, session, token_id, int(claims["exp"]))

    async def _token(self, form: Mapping[str, str | list[str]], *, exchanged: bool = False) -> Given:
        metadata = await self.metadata()
        answer = await self._post(self._address(metadata, "token_endpoint"), form, metadata)
        said = _object(answer, "token endpoint")
        access_token, expires_in = said.get("access_token"), said.get("expires_in")
        if not isinstance(access_token, str) or not is_token(access_token):
            raise ProviderError("the token endpoint gave no access token")
        kind = said.get("issued_token_type")
        if exchanged and kind not in {None, f"{TYPES}:access_token", f"{TYPES}:jwt"}:
            # RFC 8693 section 2.2.1: something else than was asked for, which the upstream would not look for.
            raise ProviderError("the token endpoint gave another kind of token than an access token")
        if str(said.get("token_type", "")).lower() not in {"bearer", "n_a", ""}:
            raise ProviderError("the token endpoint gave a token that is bound to a key that nobody here has")
        texts = (said.get(name) for name in ("refresh_token", "id_token"))
        refresh_token, id_token = (one if isinstance(one, str) else None for one in texts)
        seconds = expires_in if isinstance(expires_in, int) and not isinstance(expires_in, bool) else None
        expires_ms = None if seconds is None else int((self._clock() + max(min(seconds, YEAR_SECONDS), 0)) * 1000)
        return Given(access_token, refresh_token, id_token, expires_ms)

    async def _push(self, place: str, wanted: Mapping[str, str]) -> str:
        answer = await self._post(place, wanted, await self.metadata(), ok=CREATED)
        uri = _object(answer, "pushed authorization request endpoint").get("request_uri")
        if not isinstance(uri, str):
            raise ProviderError("the pushed authorization request endpoint gave no `request_uri`")
        return uri

    async def _post(self, place: str, form: Mapping[str, str | list[str]], metadata: Metadata, ok: int = OK) -> Answer:
        # It reads a file, and may sign.
        proof = await asyncio.to_thread(self._proof, metadata)
        headers = {**proof.headers, "Content-Type": "application/x-www-form-urlencoded"}
        return await self._call("POST", place, headers, urlencode({**form, **proof.form}, doseq=True).encode(), ok)

    async def _call(
        self, method: str, place: str, headers: Mapping[str, str], content: bytes | None, ok: int = OK
    ) -> Answer:
        try:
            answer = await self.outgoing.send(
                method, place, headers={"Accept": "application/json", **headers}, content=content, limit=TOKEN_BYTES * 8
            )
        except OutgoingError as error:
            raise ProviderError(str(error)) from error
        if answer.status == ok:
            return answer
        word = _error(answer)
        if word is not None and answer.status < SERVER_FAULT:
            told = _told(answer)
            raise RefusedError(word, f"the provider refused it: {word}{f' ({told})' if told else ''}")
        raise ProviderError(f"{urlsplit(place)._replace(query='').geturl()} answers with status {answer.status}")

    def _proof(self, metadata: Metadata) -> Proof:
        """What proves this client."""
        method = method_of(self.said, metadata.listed("token_endpoint_auth_methods_supported"))
        algorithms = metadata.listed("token_endpoint_auth_signing_alg_values_supported")
        try:
            return prove(self.said, method, self._secret, algorithms=algorithms, now=self._clock())
        except ValueError as error:
            raise ProviderError(str(error)) from error

    async def _verified(
        self, token: str, kinds: set[str | None] | None = None, *, stranger: bool = False
    ) -> dict[str, Any]:
        """What a token of the provider's says, its signature verified with a key that it published."""
        if len(token) > TOKEN_BYTES:
            raise RefusedError("invalid_token", "the token is too long")
        header = _header(token)
        algorithm = header.get("alg")
        if algorithm not in self.said.algorithms:
            raise RefusedError("invalid_token", "the token is signed in a way that `algorithms` does not name")
        if kinds is not None and _lower(header.get("typ")) not in kinds:
            raise RefusedError("invalid_token", "the token is of another kind")
        if "crit" in header or "b64" in header:
            raise RefusedError("invalid_token", "the token wants what is not known here to be understood")
        refused = RefusedError("invalid_token", "the token's signature does not hold")
        for again in (False, True):
            # A token that came from the provider itself may have a key that is minutes old; a stranger's has to wait.
            if again and stranger and self._clock() - self._keys_at < KEYS_PAUSE_SECONDS:
                break
            keys = await self._key_set(again=again)
            try:
                # Nothing that the token brings along is a key: `jwk`, `jku` and `x5u` are not looked at.
                return dict(jwt.decode(token, keys, algorithms=[str(algorithm)]).claims)
            except (JoseError, ValueError, RecursionError) as error:
                refused.__cause__ = error
        raise refused

    def _belongs(self, claims: Mapping[str, Any], *, nonce: str | None) -> None:
        """Whether a verified token is for us, and now (OpenID Connect Core section 3.1.3.7)."""
        audience = claims.get("aud")
        named = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
        now, skew = self._clock(), self.said.skew_ms / 1000
        expires, issued = _time(claims, "exp"), _time(claims, "iat")
        wrong = None
        if claims.get("iss") != self.said.issuer:
            wrong = "it is of another issuer"
        elif self.said.client_id not in named:
            wrong = "it is for another client"
        elif claims.get("azp", self.said.client_id) != self.said.client_id or (len(named) > 1 and "azp" not in claims):
            wrong = "it was asked for by another client"
        elif expires is None or expires + skew <= now:
            wrong = "it has expired"
        elif issued is None or issued - skew > now:
            wrong = "its `iat` is ahead of our clock"
        elif nonce is not None and not secrets.compare_digest(str(claims.get("nonce", "")), nonce):
            wrong = "its `nonce` is not the one that was asked with"
        elif nonce is not None and _text(claims, "sub") is None:
            wrong = "it does not say who signed in"
        if wrong is not None:
            raise RefusedError("invalid_token", f"the provider's token is not taken: {wrong}")

    def _is_new(self, claims: Mapping[str, Any], max_age_s: int | None) -> None:
        """Whether the provider did what it was asked for: the address can be edited on the way to it (Core 3.1.3.7)."""
        if max_age_s is None:
            return
        at, skew = _time(claims, "auth_time"), max(self.said.skew_ms / 1000, 1)
        if at is None:
            raise RefusedError("invalid_token", "the provider does not say when the person was there (`auth_time`)")
        if self._clock() - at > max_age_s + skew + FLOW_SECONDS:
            raise RefusedError("invalid_token", "the provider did not ask the person anew, as it was asked to")

    async def _key_set(self, *, again: bool) -> jwk.KeySet:
        if self._keys is not None and not again:
            return self._keys
        place = self._address(await self.metadata(), "jwks_uri")
        self._keys_at = self._clock()
        try:
            answer = await self.outgoing.get(place)
            if answer.status != OK:
                raise ProviderError(f"{place} answers with status {answer.status}")
            said = json.loads(answer.body)
            usable = [one for one in said["keys"] if isinstance(one, dict) and one.get("kty") in {"EC", "RSA", "OKP"}]
            usable = [one for one in usable if one.get("use", "sig") == "sig"]
            self._keys = jwk.KeySet.import_key_set({"keys": usable})
        except (OutgoingError, JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderError(f"the provider's keys cannot be had: {error}") from error
        return self._keys

    def _address(self, metadata: Metadata, name: str) -> str:
        try:
            return metadata.address(name)
        except DiscoveryError as error:
            raise ProviderError(str(error)) from error


def _object(answer: Answer, what: str) -> dict[str, Any]:
    try:
        said = json.loads(answer.body)
    except ValueError as error:
        raise ProviderError(f"the {what} answers what is not JSON") from error
    if not isinstance(said, dict):
        raise ProviderError(f"the {what} answers what is no JSON object")
    return said


def _error(answer: Answer) -> str | None:
    """OAuth's own word for what went wrong (RFC 6749 section 5.2), where it is one."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        return None
    word = said.get("error") if isinstance(said, dict) else None
    return word if isinstance(word, str) and word.isascii() and word.replace("_", "").isalnum() else None


def _told(answer: Answer) -> str | None:
    """OAuth's own description of it, for the operator's log; nobody else is shown it."""
    words = json.loads(answer.body).get("error_description")
    return words[:300] if isinstance(words, str) and words.isprintable() else None


def is_token(text: str) -> bool:
    """Whether it is one that a header can carry (RFC 6750 section 2.1)."""
    return len(text) <= TOKEN_BYTES and TOKEN.fullmatch(text) is not None


def _header(token: str) -> dict[str, Any]:
    """A token's header; nothing of it is verified."""
    part = token.partition(".")[0]
    try:
        said = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError) as error:
        raise RefusedError("invalid_token", "this is no token") from error
    if not isinstance(said, dict) or token.count(".") != 2:
        raise RefusedError("invalid_token", "this is no token")
    return said


def _lower(value: object) -> str | None:
    return value.lower().removeprefix("application/") if isinstance(value, str) else None


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable() else None


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2); a text that looks like one is none."""
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
