"""People who are made up for one case: who has signed in with a browser, and who has a password."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from lockgate._native import LockgateError, seal_session
from lockgate.config.model_sign_in import KEPT, PASSWORD, SignIn
from lockgate.config.people import asked_at
from lockgate.policies.session import session_cookie
from lockgate.rehearsal.credentials import PEPPER, CaseError, api_of
from lockgate.rehearsal.model import ByPassword, SignedIn

SUBJECT: Final = "tests@example.com"
LIFE_MS: Final = 300_000
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 section 9.2.1): whoever wanted such a request is not asked about."""
HELD: Final = frozenset({"iss", "sub", "jti", "iat", "sid", "device"})
"""Claims that a session has whatever its sign-in's `claims` say."""
BROWSER: Final = "0" * 32
"""The mark of a browser that none has."""

Fields = list[tuple[str, str]]


def signed_in(
    wanted: SignedIn,
    bundle: Mapping[str, Any],
    route: Mapping[str, Any],
    request: Mapping[str, Any],
    now_ms: int,
    lasts_ms: int = 0,
    sign_in: Mapping[str, SignIn] = MappingProxyType({}),
) -> Fields:
    """The request's headers with the session that an API of the bundle takes.

    `sign_in` are the ways to sign in by name: a session says what signing in there leaves in it, and no more. Raises
    `CaseError` where the case says more, the API takes none, or it is larger than a cookie may be.
    """
    ways = _ways(bundle, route, "session")
    way = next((way for way in ways if wanted.sign_in in {None, way["sign_in"]}), None)
    if way is None:
        whose = f" of `{wanted.sign_in}`" if wanted.sign_in else ""
        taken = f", but of {_listed(way['sign_in'] for way in ways)}" if ways else ""
        words = f"the API `{route['api']}` takes no sessions{whose}{taken}; see its `authenticate`"
        raise CaseError(words, "session", "sign_in")
    issuer = wanted.issuer or way["issuers"][0]
    if issuer not in way["issuers"]:
        words = f"nobody signs in by `{issuer}` there, but by {_listed(way['issuers'])}"
        raise CaseError(words, "session", "issuer")
    rules = next(one["rules"] for one in bundle["issuers"] if one["name"] == issuer)
    claims = {
        "iss": rules["issuer"],
        "sub": SUBJECT,
        "jti": "session-case",
        "device": BROWSER,
    }
    by_password = rules["keys"] == {"published": asked_at(rules["issuer"])}
    kept = Kept(way["sign_in"], sign_in.get(way["sign_in"]), issuer if by_password else None)
    if "ago" in wanted.model_fields_set or kept.takes("auth_time", wanted.claims):
        kept.check("auth_time", wanted.claims, "ago")
        claims["auth_time"] = (now_ms - wanted.ago) // 1000
    for name in wanted.claims:
        kept.check(name, wanted.claims, "claims", name)
    claims |= wanted.claims
    said = {
        "issuer": issuer,
        "until_ms": now_ms - 1 if wanted.expired else now_ms + lasts_ms + LIFE_MS,
        "claims": {name: value for name, value in claims.items() if name not in wanted.without},
    }
    pepper = PEPPER[::-1] if wanted.forged else PEPPER
    try:
        sealed = seal_session(pepper, way["sign_in"], json.dumps(said).encode())
    except LockgateError as error:
        raise CaseError(str(error), "session") from error
    return _from_own_pages(request, _with_cookie(request["headers"], f"{session_cookie(way['sign_in'])}={sealed}"))


class Kept(NamedTuple):
    """What a session of a sign-in says of a person."""

    name: str
    said: SignIn | None
    """Nothing where it is not known: then all is taken."""
    passwords: str | None = None
    """The issuer, where it knows people by passwords."""

    def takes(self, claim: str, beside: Mapping[str, Any]) -> bool:
        """Whether signing in there, or a second factor that it has, leaves the claim beside these."""
        if self.said is None or claim in HELD:
            return True
        means = beside.get("amr", [])
        shown = {str(one) for one in (means if isinstance(means, list) else [means])}
        if self.passwords is not None and claim in {"amr", "acr"}:
            by = self.said.own_means | ({PASSWORD} if claim in self.said.claims else frozenset())
            return claim == "amr" and bool(shown) and shown <= by
        if claim in self.said.claims:
            return True
        proved = bool(shown) and shown <= self.said.own_means
        return proved and claim in {"amr", "auth_time", "earlier_auth"}

    def check(self, claim: str, beside: Mapping[str, Any], *path: str) -> None:
        """Raises `CaseError` where it does not, at the path below `session`."""
        if self.takes(claim, beside):
            return
        words = f"no session of `{self.name}` holds `{claim}`"
        if self.passwords is not None and claim in {"amr", "acr"}:
            words += f" that says so: `{self.passwords}` knows people by passwords (`{PASSWORD}`), and "
            words += f"`sign_in.{self.name}.second_factor` names nothing that would say it"
        elif claim not in KEPT:
            words += f", since `sign_in.{self.name}.claims` leaves it out: add it there, or take it out here"
        raise CaseError(words, "session", *path)


class Known(NamedTuple):
    """Somebody with a password."""

    issuer: str
    credential: str
    """What stands behind `Basic`."""
    answer: dict[str, Any]
    """What whoever knows them would say."""


def known(wanted: ByPassword, bundle: Mapping[str, Any], route: Mapping[str, Any]) -> Known:
    """The name and the password that an API of the bundle takes, and what is said of them.

    Raises `CaseError` where it takes none.
    """
    issuers = [way["issuer"] for way in _ways(bundle, route, "basic")]
    issuer = next((one for one in issuers if wanted.issuer in {None, one}), None)
    if issuer is None:
        whose = f" of `{wanted.issuer}`" if wanted.issuer else ""
        taken = f", but of {_listed(issuers)}" if issuers else ""
        words = f"the API `{route['api']}` takes no passwords{whose}{taken}; see its `authenticate`"
        raise CaseError(words, "basic", "issuer")
    claims = {"sub": SUBJECT, **wanted.claims}
    # Another for each case: what is said of one must not be said of the next.
    credential = base64.b64encode(f"{claims['sub']}:{secrets.token_urlsafe(12)}".encode()).decode("ascii")
    return Known(issuer, credential, {"active": False} if wanted.wrong else {"active": True, **claims})


def _ways(bundle: Mapping[str, Any], route: Mapping[str, Any], room: str) -> list[dict[str, Any]]:
    api = api_of(bundle, route)
    return [way[room]["config"] for way in (api["policies"]["authenticate"] if api else []) if room in way]


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _with_cookie(headers: Fields, cookie: str) -> Fields:
    """Beside other cookies, in one line, as browsers send them (RFC 6265 section 5.4)."""
    lines = [value for name, value in headers if name.lower() == "cookie"]
    return [(name, value) for name, value in headers if name.lower() != "cookie"] + [
        ("Cookie", "; ".join([*lines, cookie]))
    ]


def _from_own_pages(request: Mapping[str, Any], headers: Fields) -> Fields:
    said = {name.lower() for name, _ in headers}
    if request["method"] in SAFE or {"sec-fetch-site", "origin"} & said:
        return headers
    return [*headers, ("Sec-Fetch-Site", "same-origin")]
