"""What the identity pages share: where they are, what a browser sends and gets, and how a page refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lockgate.config.grants import GrantSetup
from lockgate.config.sign_in import SignInSetup
from lockgate.identity.provider import OpenIdProvider
from lockgate.identity.reasons import reason
from lockgate.policies.session import session_cookie

PREFIX: Final = "/.lockgate"
PROOFS: Final = frozenset({"factors", "step-up", "password", "devices", "authorize", "grants"})
TARGET_BYTES: Final = 2_048
FORM_BYTES: Final = 32 * 2**10
"""A passkey's answer has some 2 KiB, the longest name and password 8, written as a form."""
FORM_FIELDS: Final = 16


@dataclass(slots=True)
class Site:
    """One way to sign in, ready to serve."""

    setup: SignInSetup
    providers: Mapping[str, OpenIdProvider]
    grants: GrantSetup | None = None
    """How people let programs in, where they do."""

    @property
    def issuers(self) -> frozenset[str]:
        """Names of all who sign people in."""
        return frozenset(self.providers) | {known.name for known in self.setup.people}


class Refusal(Exception):  # noqa: N818 -- It is no error of ours: it is what the page says.
    """What a page says in place of what was wanted."""

    def __init__(self, code: str, detail: str | None = None, *, again: str | None = None) -> None:
        """`detail` is safe to show."""
        super().__init__(code)
        self.reason = reason(code)
        self.detail = detail
        self.again = again


def target(wanted: str, name: str) -> str:
    """Where to come back to: a path of this very host, and never another (open redirects, CWE-601)."""
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isascii()
    # Its own pages alone where a person was on the way to more of a proof: the others would lead in a circle.
    own = wanted.startswith(f"{PREFIX}/{name}/") and wanted.partition("?")[0].rpartition("/")[2] not in PROOFS
    return wanted if plain and wanted.isprintable() and "\\" not in wanted and not own else "/"


def parameter(request: Request, name: str, most: int) -> str | None:
    """A parameter of the query that stands there once."""
    values = request.query_params.getlist(name)
    if len(values) > 1 or (values and len(values[0]) > most):
        raise Refusal("sign-in-malformed", f"The parameter {name!r} is there twice, or too long.")
    return values[0] if values else None


def word(text: str) -> str:
    """OAuth's own words alone are repeated."""
    return text if re.fullmatch(r"[a-z_]{1,64}", text) else "something that is no word of OAuth's"


def host_of(request: Request) -> str:
    """The host as the browser asked for it."""
    host = request.headers.get("host", "")
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?", host):
        raise HTTPException(400)
    return host


def base_of(request: Request) -> str:
    """The host as browsers know it; the gate says whether it came over TLS."""
    scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else "http"
    return f"{scheme}://{host_of(request)}"


def same_origin(request: Request) -> bool:
    """Whether a page of this very host wanted the request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    return request.headers.get("origin") == base_of(request)


async def form_of(request: Request) -> dict[str, str]:
    """A form's fields, each once."""
    body = await request.body()  # The gate has bounded it already.
    if len(body) > FORM_BYTES:
        raise Refusal("sign-in-malformed", "The form is too large.")
    try:
        said = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS, errors="strict")
    except ValueError:
        raise Refusal("sign-in-malformed", "The form is not as a browser sends it.") from None
    return {name: values[0] for name, values in said.items() if len(values) == 1}


def client_address(request: Request) -> str:
    """Who asks, as the gate says it: the first of the list is whom it believes to be the client."""
    return request.headers.get("x-forwarded-for", "").partition(",")[0].strip()


def session_name(site: Site) -> str:
    """The cookie of a session."""
    return session_cookie(site.setup.name)


def flow_prefix(site: Site) -> str:
    """How cookies of sign-ins under way begin."""
    return f"{session_name(site)}.flow-"


def flow_name(site: Site, state: str) -> str:
    """The cookie of one of them."""
    return f"{flow_prefix(site)}{quote(state[:8], safe='')}"


def cookie(response: Response, name: str, value: str, seconds: int) -> None:
    """Give the browser a cookie that no script reads and no other site sends."""
    fields = f"{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"
    response.headers.append("set-cookie", fields)


def forget(response: Response, name: str) -> None:
    """Take a cookie back."""
    cookie(response, name, "", 0)
