"""Who signs requests and webhooks: where the secrets of `signature` and `webhook` are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lockgate.config.document import Document
from lockgate.config.placed import Path, Placed
from lockgate.config.references import References, secret_reference
from lockgate.policies import Authentication, Signature, Webhook


def resolved(
    document: Document, placed: Placed[Authentication], config: dict[str, Any], references: References
) -> dict[str, Any]:
    """The policy's part of the bundle, with references as the gate reads them."""

    def reference(value: str, *place: str | int) -> str:
        return secret_reference(value, document.item(*placed.path, *place), references)

    if isinstance(placed.policy, Webhook):
        secrets = enumerate(placed.policy.secrets)
        return {**config, "secrets": [reference(secret, "secrets", index) for index, secret in secrets]}
    keys = []
    for key in config["keys"]:
        shared = key["key"].get("secret")
        if shared is not None:
            found = reference(shared["reference"], "keys", key["name"], "secret")
            key = {**key, "key": {"secret": {**shared, "reference": found}}}  # noqa: PLW2901 -- A copy of the entry.
        keys.append(key)
    return {**config, "keys": keys}


def secrets(document: Document) -> Iterator[tuple[Path, str, str]]:
    """Where each secret stands, its reference, and what happens while it is not there."""
    for api, said in document.apis.items():
        for index, way in enumerate(said.authenticate or ()):
            place: Path = ("apis", api, "authenticate", index)
            if isinstance(way.signature, Signature):
                for name, key in way.signature.keys.items():
                    if key.secret is not None:
                        meanwhile = "what is signed with this key is answered 503"
                        yield (*place, "signature", "keys", name, "secret"), key.secret, meanwhile
            if isinstance(way.webhook, Webhook):
                for number, secret in enumerate(way.webhook.secrets):
                    meanwhile = "webhooks that are signed with it are refused"
                    yield (*place, "webhook", "secrets", number), secret, meanwhile
