"""What a control process does for gates while a configuration serves, besides handing out its bundle.

It is kept with the bundle, so that one that starts beside a refused configuration goes on with the last good one's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lockgate.config.bundle_types import Clients
from lockgate.config.grants import GrantSetup
from lockgate.config.issuers import AskedIssuer, KeyOrigin
from lockgate.config.people import People
from lockgate.config.sign_in import SignInSetup
from lockgate.config.upstream_tokens import TokenSetup
from lockgate.outgoing import Rules


@dataclass(frozen=True, slots=True)
class Duties:
    """Keys that are fetched, issuers and responders that are asked; there is no secret in it."""

    outgoing: Rules = field(default_factory=Rules)
    """What calls of its own may reach."""
    key_origins: tuple[KeyOrigin, ...] = ()
    """Where the keys of each issuer are, but for those with a shared secret."""
    ocsp_rules: Mapping[str, Clients] = field(default_factory=dict)
    """The rules for clients by which responders are asked, by their path in the configuration."""
    sign_ins: tuple[SignInSetup, ...] = ()
    """How people sign in; secrets are named in it, and stand elsewhere."""
    upstream_tokens: tuple[TokenSetup, ...] = ()
    """Tokens that upstreams are given."""
    asked_issuers: tuple[AskedIssuer, ...] = ()
    """How issuers are asked about tokens."""
    people: tuple[People, ...] = ()
    """Issuers that know people by passwords."""
    grants: tuple[GrantSetup, ...] = ()
    """Issuers of tokens for programs that people let in."""
    apps: Mapping[str, Any] | None = None
    """Programs that the configuration names, and how others are held; none where none are."""
    key_lifetime_ms: int | None = None
    """How long API keys are good of which nobody says it; none is for ever."""
    key_lifetime_max_ms: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "outgoing": {"allow": [str(network) for network in self.outgoing.allow], "trust": self.outgoing.trust},
            "key_origins": [asdict(origin) for origin in self.key_origins],
            "asked_issuers": [asdict(issuer) for issuer in self.asked_issuers],
            "ocsp_rules": dict(self.ocsp_rules),
            "sign_ins": [asdict(one) for one in self.sign_ins],
            "upstream_tokens": [asdict(one) for one in self.upstream_tokens],
            "people": [asdict(one) for one in self.people],
            "grants": [asdict(one) for one in self.grants],
            "apps": self.apps,
            "key_lifetime_ms": self.key_lifetime_ms,
            "key_lifetime_max_ms": self.key_lifetime_max_ms,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Duties | None:
        """What `as_json` wrote; none where another version did, and in other words."""
        try:
            allow = tuple(ipaddress.ip_network(network) for network in kept["outgoing"]["allow"])
            return cls(
                outgoing=Rules(allow, kept["outgoing"]["trust"]),
                key_origins=tuple(KeyOrigin(**origin) for origin in kept["key_origins"]),
                # Of the version before, which asked nobody.
                asked_issuers=tuple(AskedIssuer(**issuer) for issuer in kept.get("asked_issuers", ())),
                ocsp_rules=kept["ocsp_rules"],
                upstream_tokens=tuple(TokenSetup.from_json(one) for one in kept.get("upstream_tokens", ())),
                sign_ins=tuple(SignInSetup.from_json(one) for one in kept.get("sign_ins", ())),
                # Not there in those of the version before.
                people=tuple(People.from_json(one) for one in kept.get("people", ())),
                grants=tuple(GrantSetup.from_json(one) for one in kept.get("grants", ())),
                apps=kept.get("apps"),
                key_lifetime_ms=kept.get("key_lifetime_ms"),
                key_lifetime_max_ms=kept.get("key_lifetime_max_ms"),
            )
        except (KeyError, TypeError, ValueError):
            return None
