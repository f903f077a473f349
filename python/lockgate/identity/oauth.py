"""The authorization server: what Authlib leaves to who embeds it, and what OAuth 2.1 takes out of OAuth 2.0.

Codes with PKCE (S256) alone, redirect URIs letter by letter, refresh tokens that count once, `iss` in every answer
(RFC 9207). Access tokens are JWTs (RFC 9068) that gates verify by themselves.
"""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Payload,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.authenticate_client import ClientAuthentication
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from starlette.responses import JSONResponse, RedirectResponse, Response

from lockgate.config.grants import GrantSetup
from lockgate.identity.grant_store import Grant, GrantStore, Person, Program, Redeemed, Wish
from lockgate.identity.own_keys import OwnKeys

MAX_FIELDS: Final = 32
FIELD_BYTES: Final = 4_096
REFRESH: Final = "refresh_token"
METHODS: Final = ["client_secret_basic", "client_secret_post", "none"]
NO_STORE: Final = {"Cache-Control": "no-store"}
UNPROVEN: Final = (
    "There is no such program, it was stopped, or its secret is wrong or missing: one that has a secret shows it in "
    "every request, by client_secret_basic or client_secret_post, and one that has none sends its client_id alone."
)
"""Which of these it is would tell who makes names up which there are."""
_NOBODY: Final = Program("", "", "", None, "", "", (), frozenset(), has_secret=True)
"""A program that can show nothing."""
PROGRAM: Final = "app:"
"""What `sub` begins with where a program acts for itself."""
_OWN_MACHINE: Final = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\])(:[1-9][0-9]{0,4})?(?P<rest>[/?][^#]*)?")
_PLAIN: Final = re.compile(r"[ !#-\[\]-~]*")
"""What an error may repeat (RFC 6749 section 4.1.2.1)."""
_REPEATED: Final = ("client_id", "redirect_uri", "response_type", "scope", "code_challenge_method", "grant_type")


class Payload(OAuth2Payload):
    """Parameters, each once (RFC 6749 sections 3.1 and 3.2)."""

    def __init__(self, text: str) -> None:
        """Raises `InvalidRequestError` where one is there twice, or what they say cannot be said."""
        try:
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=MAX_FIELDS)
        except ValueError:
            raise InvalidRequestError("The parameters are not as a form has them.") from None
        self._data = dict(pairs)
        if len(self._data) < len(pairs):
            raise InvalidRequestError("A parameter is there twice.")
        if any(len(value) > FIELD_BYTES for value in self._data.values()):
            raise InvalidRequestError("A parameter is too long.")
        if not all(_PLAIN.fullmatch(self._data.get(name, "")) for name in _REPEATED):
            raise InvalidRequestError("A parameter has letters that it cannot have.")

    @property
    def data(self) -> dict[str, str]:
        """By name."""
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        """By name, in lists."""
        return defaultdict(list, {name: [value] for name, value in self._data.items()})


class Asked(OAuth2Request):
    """A request, as Authlib wants it."""

    def __init__(self, method: str, issuer: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        """`text` is the query of an authorization request, or the body of any other."""
        # What it is compared with by Authlib is whether it came over TLS, which the gate sees to.
        super().__init__(method, f"https://{urlsplit(issuer).netloc}/", headers=dict(headers or {}))
        self.payload = Payload(text)

    @property
    def args(self) -> dict[str, str]:
        """The query's."""
        return self.payload.data if self.method == "GET" else {}

    @property
    def form(self) -> dict[str, str]:
        """The body's."""
        return self.payload.data if self.method == "POST" else {}


class Client(ClientMixin):
    """A program, as Authlib asks about it."""

    def __init__(self, program: Program, setup: GrantSetup, store: GrantStore) -> None:
        """`setup` is of the issuer that is asked."""
        self.program = program
        self._offered = [scope for scope, _ in setup.scopes]
        self._store = store

    def get_client_id(self) -> str:
        """Its name."""
        return self.program.id

    def get_default_redirect_uri(self) -> None:
        """None: each request says where it goes."""
        return

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What it may be given of that; none where that is nothing."""
        wanted = scope.split() if scope else self._offered
        given = self.program.scopes
        left = [one for one in dict.fromkeys(wanted) if one in self._offered and (given is None or one in given)]
        return " ".join(left) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Letter by letter; but for the port of a program on the person's own machine (RFC 8252 section 7.3)."""
        own = self.program.redirect_uris
        plain = _portless(redirect_uri)
        return redirect_uri in own or (plain is not None and plain in map(_portless, own))

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether it is one of its own."""
        return self._store.is_secret(self.program.id, client_secret)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Who has a secret shows it, everywhere."""
        return (method != "none") == self.program.has_secret

    def check_response_type(self, response_type: str) -> bool:
        """Codes alone."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """For people where it says where they come back to; for itself where it has a secret, and is not a stranger."""
        if grant_type == "client_credentials":
            return self.program.has_secret and self.program.source != "registration"
        return grant_type in {"authorization_code", REFRESH} and bool(self.program.redirect_uris)


class Nobody(Client):
    """A program that there is not, or that was stopped: it is looked at like any other, and is never who it says."""

    def check_client_secret(self, client_secret: str) -> bool:
        """Never; but that takes as long."""
        super().check_client_secret(client_secret)
        return False


def _portless(uri: str) -> str | None:
    found = _OWN_MACHINE.fullmatch(uri)
    return found["host"] + (found["rest"] or "") if found is not None else None


class _Code:
    """What Authlib wants to know of a code."""

    def __init__(self, redeemed: Redeemed) -> None:
        self.grant = redeemed.grant
        self._redirect_uri = redeemed.redirect_uri
        self.code_challenge = redeemed.challenge
        self.code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        return self._redirect_uri

    def get_scope(self) -> str:
        return " ".join(self.grant.scopes)


class _Refreshing:
    """The same of a refresh token."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant

    def get_scope(self) -> str:
        return " ".join(self.grant.scopes)

    def check_client(self, client: Client) -> bool:
        return self.grant.program == client.program.id


class Challenge(CodeChallenge):
    """PKCE, always, and S256 (RFC 9700 section 2.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD: Final = ["S256"]

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """A challenge must be there, and say that it is S256."""
        said = grant.request.payload.data
        if not said.get("code_challenge") or said.get("code_challenge_method") != "S256":
            raise InvalidRequestError("It takes a code_challenge, with code_challenge_method S256.")
        super().validate_code_challenge(grant, redirect_uri)


class CodeGrant(AuthorizationCodeGrant):
    """Somebody lets a program in."""

    TOKEN_ENDPOINT_AUTH_METHODS: Final = METHODS
    server: Server

    def generate_authorization_code(self) -> str:
        """Kept and made in one."""
        wish = Wish(
            self.request.client.program.id,
            tuple(self.request.scope.split()),
            self.request.payload.redirect_uri,
            self.request.payload.data["code_challenge"],
        )
        code = self.server.store.allow(self.server.setup.name, self.request.user, wish)
        if code is None:
            words = "This was allowed too often within an hour."
            said = self.request.payload
            raise OAuth2Error(words, error="temporarily_unavailable", redirect_uri=said.redirect_uri, state=said.state)
        return code

    def save_authorization_code(self, code: str, request: Any) -> None:
        """It is."""

    def query_authorization_code(self, code: str, client: Client) -> _Code | None:
        """It counts once."""
        redeemed = self.server.store.redeem(self.server.setup.name, client.program.id, code)
        return _Code(redeemed) if redeemed is not None else None

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        """It counts no more."""

    def authenticate_user(self, authorization_code: _Code) -> Grant:
        """For whom it is."""
        return authorization_code.grant


class RenewGrant(RefreshTokenGrant):
    """A program goes on."""

    TOKEN_ENDPOINT_AUTH_METHODS: Final = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True
    server: Server

    def authenticate_refresh_token(self, refresh_token: str) -> _Refreshing | None:
        """It counts once; a slip in the scopes does not cost it."""
        name, program = self.server.setup.name, self.request.client.program.id
        scope = self.request.payload.scope
        wanted = scope.split() if scope else []
        allowed = self.server.store.renewable(name, program, refresh_token)
        if allowed is not None:
            if (scope and not wanted) or not allowed.issuperset(wanted):
                raise InvalidScopeError("Nobody allowed that.")
            if self.request.client.get_allowed_scope(" ".join(wanted or sorted(allowed))) is None:
                raise InvalidScopeError("Nothing of that is left to the program.")
        grant = self.server.store.renew(name, program, refresh_token)
        return _Refreshing(grant) if grant is not None else None

    def authenticate_user(self, refresh_token: _Refreshing) -> Grant:
        """For whom it is."""
        return refresh_token.grant

    def revoke_old_credential(self, refresh_token: _Refreshing) -> None:
        """It counts no more."""


class OwnGrant(ClientCredentialsGrant):
    """A program for itself."""

    TOKEN_ENDPOINT_AUTH_METHODS: Final = METHODS[:2]


class GiveBack(RevocationEndpoint):
    """A program gives back what it was allowed (RFC 7009). A token of either kind ends all that came of it."""

    CLIENT_AUTH_METHODS: Final = METHODS

    def authenticate_token(self, request: Any, _client: Client) -> str:
        """Whose it is, is looked at where it is kept."""
        if not request.form.get("token"):
            raise InvalidRequestError("There is no token.")
        return str(request.form["token"])

    def revoke_token(self, token: str, request: Any) -> None:
        """End it."""
        server: Server = self.server
        own, name = request.client.program.id, server.setup.name
        said = server.keys.read(token) if token.count(".") == 2 else None
        if said is None:
            server.store.end_by_token(name, own, token, None)
        elif "sid" in said:
            server.store.end_by_token(name, own, None, str(said["sid"]))
        elif said.get("client_id") == own and int(said["exp"]) > server.now():
            server.store.end_token(name, own, str(said["jti"]))


class Server(AuthorizationServer):
    """One issuer's. What it asks of the store takes a while: it runs in threads."""

    def __init__(self, setup: GrantSetup, store: GrantStore, keys: OwnKeys, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since the epoch."""
        super().__init__()
        self.setup, self.store, self.keys = setup, store, keys
        self._clock = clock
        self.register_token_generator("default", self._tokens)
        self.register_grant(CodeGrant, [Challenge(required=True)])
        self.register_grant(RenewGrant)
        self.register_grant(OwnGrant)
        self.register_endpoint(GiveBack)

    def now(self) -> int:
        """Seconds since the epoch."""
        return int(self._clock())

    def metadata(self) -> dict[str, Any]:
        """What programs have to know of it (RFC 8414)."""
        base, methods = self.setup.issuer, list(METHODS)
        said = {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "revocation_endpoint": f"{base}/revoke",
            "jwks_uri": f"{base}/jwks.json",
            "scopes_supported": [scope for scope, _ in self.setup.scopes],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", REFRESH, "client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        if self.setup.registration is not None:
            said["registration_endpoint"] = f"{base}/register"
        return said

    def query_client(self, client_id: str) -> Client | None:
        """The program of that name."""
        program = self.store.program(client_id)
        return Client(program, self.setup, self.store) if program is not None else None

    def authenticate_client(self, request: Asked, methods: list[str], endpoint: str = "token") -> Client:
        """A name that nobody has goes the way of one whose secret is wrong: same steps, same answer, same time."""
        found: Client = ClientAuthentication(self._named)(request, methods, endpoint)
        return found

    def _named(self, client_id: str) -> Client:
        return self.query_client(client_id) or Nobody(replace(_NOBODY, id=client_id), self.setup, self.store)

    def validate_requested_scope(self, scope: str | None) -> None:
        """What nobody can be asked for is a slip; what this program was not given is left out."""
        offered = {one for one, _ in self.setup.scopes}
        if scope and not offered.issuperset(scope.split()):
            raise InvalidScopeError("There is no such scope.")

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        """Access tokens are not kept, and refresh tokens are already."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Asked) -> Asked:
        """It is one."""
        return request

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Response:
        """As Starlette has it; `iss` stands in every address that somebody is sent to (RFC 9207)."""
        said = dict(headers)
        if "Location" in said:
            return RedirectResponse(add_params_to_uri(said["Location"], {"iss": self.setup.issuer}), 303, NO_STORE)
        return JSONResponse(dict(body), status, {**said, **NO_STORE})

    def handle_error_response(self, request: Asked, error: OAuth2Error) -> Response:
        """Authlib's words name its own methods, and not what to look at."""
        if error.error == "invalid_client":
            error.description = UNPROVEN
        response: Response = super().handle_error_response(request, error)
        return response

    def _tokens(
        self,
        client: Client,
        user: Grant | None = None,
        scope: str | None = None,
        include_refresh_token: bool = True,
        **_said: Any,
    ) -> dict[str, Any]:
        """What a program gets."""
        allowed = client.get_allowed_scope(scope)
        if allowed is None:
            raise InvalidScopeError("Nothing of that is left to the program.")
        now, life = self.now(), self.setup.access_ms // 1000
        claims: dict[str, Any] = {
            "iss": self.setup.issuer,
            "aud": self.setup.audience,
            # Nobody who signs in is called so (RFC 9068 section 5).
            "sub": user.person.subject if user is not None else f"{PROGRAM}{client.program.id}",
            "client_id": client.program.id,
            "scope": allowed,
            "iat": now,
            "exp": now + life,
            "jti": secrets.token_hex(16),
        }
        if user is not None:
            claims |= {"sid": user.id, "idp": user.person.iss}
            claims["exp"] = min(claims["exp"], user.until_ms // 1000)
            if user.person.auth_time is not None:
                claims["auth_time"] = user.person.auth_time
        made = {"token_type": "Bearer", "access_token": self.keys.sign(claims), "expires_in": claims["exp"] - now}
        if user is not None and include_refresh_token:
            made[REFRESH] = self.store.refresh(user.id)
        return {**made, "scope": allowed}


def refused(server: Server, error: OAuth2Error) -> Response:
    """An error, as a program is told it."""
    return server.handle_response(*error())


__all__ = ["Asked", "Client", "OAuth2Error", "Person", "Server", "refused"]
