"""What programs say of themselves when they register (RFC 7591 section 2), as far as it is taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lockgate.identity.grant_store import RegistrationError
from lockgate.redirects import MOST, parse_redirect

BYTES: Final = 16_384
DEFAULT: Final = "client_secret_basic"


def _shown(value: str) -> str:
    # What turns the direction of letters or has no width would pass for another's name.
    if not value.isprintable():
        raise ValueError("has letters that cannot be shown")
    return value


def _page(value: str) -> str:
    if not _shown(value).startswith(("https://", "http://")):
        raise ValueError("is no address of a page")
    return value


Text = Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_shown)]


class ClientMetadata(BaseModel):
    """Of one program; what is not named here is left out."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    redirect_uris: Annotated[list[Annotated[str, AfterValidator(parse_redirect)]], Field(min_length=1, max_length=MOST)]
    client_name: Text | None = None
    client_uri: Annotated[Text, AfterValidator(_page)] | None = None
    contacts: Annotated[list[Text], Field(max_length=16)] = []
    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post", "none"] = DEFAULT
    grant_types: list[Literal["authorization_code", "refresh_token"]] = ["authorization_code"]
    response_types: list[Literal["code"]] = ["code"]
    scope: Text | None = None


def taken(metadata: dict[str, Any], scopes: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """What is taken of it, and those of `scopes` that it is given.

    Raises:
        RegistrationError: it cannot be taken; says what, as RFC 7591 section 3.2.2 has it.
    """
    if len(json.dumps(metadata)) > BYTES:
        raise RegistrationError("invalid_client_metadata", "It says too much.")
    try:
        said = ClientMetadata.model_validate(metadata)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "it"
        code = "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"
        raise RegistrationError(code, f"{name}: {first['msg']}") from error
    wanted = said.scope.split() if said.scope is not None else scopes
    given = [scope for scope in dict.fromkeys(wanted) if scope in scopes]
    told = said.model_dump(exclude_none=True) | {
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": " ".join(given),
    }
    return told, given
