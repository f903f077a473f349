"""`${env:NAME}` and `${file:path}`: values that the file does not hold itself.

They are resolved after parsing and stand for whole scalars only, so that no
value from outside can become syntax. A secret's reference is not read here at
all: the gate resolves it in its own memory.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lockgate.config.problems import Problems
from lockgate.printable import printable
from lockgate.scalars import REFERENCE, shown

if TYPE_CHECKING:
    from lockgate.config.document import Document
    from lockgate.config.fence import Fence
    from lockgate.config.model_sign_in import Client
    from lockgate.config.tree import Item

SECRETS: Final = (
    ("upstreams", "*", "credential", "value"),
    ("issuers", "*", "secret"),
    ("issuers", "*", "client", "secret"),
    ("issuers", "*", "client", "key"),
    ("issuers", "*", "users", "mail", "secret"),
    ("issuers", "*", "users", "mail", "password"),
    ("issuers", "*", "ldap", "bind", "password"),
    ("listeners", "*", "tls", "acme", "external_account", "hmac_key"),
    ("apis", "*", "authenticate", "*", "signature", "keys", "*", "secret"),
    ("apis", "*", "authenticate", "*", "webhook", "secrets", "*"),
    ("apis", "*", "authenticate", "*", "all", "*", "signature", "keys", "*", "secret"),
    ("apis", "*", "authenticate", "*", "all", "*", "webhook", "secrets", "*"),
)
"""Where secrets stand; a test compares it with the models' own marks."""

_SECRET_SECTIONS: Final = frozenset(secret[0] for secret in SECRETS)

MAX_FILE: Final = 2**20
"""A value is a line or a token; a megabyte is a wrong path."""

MAX_SHOWN: Final = 200
"""Characters of a path in a message; its end tells the most."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ALLOWED: Final = "`${env:NAME}` or `${file:path}`, as the whole value"


@dataclass(slots=True)
class References:
    """Resolves references, and remembers which files they named."""

    problems: Problems
    environment: Mapping[str, str]
    files: list[Path] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    """As the gate reads them."""
    patterns: list[str] = field(default_factory=list)
    """Patterns of files that were read, absolute: a new one that matches changes something too."""
    looked_at: list[Path] = field(default_factory=list)
    """Files that are not read, such as programs: whether they are there and can be run counts."""
    fence: Fence | None = None
    """What may be named, where not everything may."""

    def name(self, target: Path) -> None:
        """Note a file before it is opened; raises `OutsideError` for one behind the fence."""
        if self.fence is not None:
            self.fence.file(target)
        self.files.append(target)

    def resolve(self, text: str, item: Item, path: tuple[str | int, ...]) -> str | None:
        """What the scalar stands for; `None`, with a problem noted, where it cannot be had."""
        found = REFERENCE.fullmatch(text)
        if found is None:
            self._refuse(text, item, path)
            return None
        if found[1] == "env" and not _VARIABLE.fullmatch(found[2]):
            self._add(item, path, "reference-malformed", f"{shown(found[2])} is not a variable's name")
            return None
        if is_secret(path):
            self._secret(secret_reference(text, item, self))
            return text
        if found[1] == "env":
            return self._variable(found[2], item, path)
        return self._content(found[2], item, path)

    def absolute(self, name: str, file: int) -> Path:
        """The path, relative to the folder of the file that says it."""
        return Path(os.path.normpath(self.problems.sources[file].path.parent / name))

    def say(self, target: Path) -> str:
        """A file as a message names it: as the bundle does where it lies below the main file's folder."""
        main = self.problems.sources[0].path.parent
        name = str(target.relative_to(main) if target.is_relative_to(main) else target)
        name = printable(name)
        return f"`{name if len(name) <= MAX_SHOWN else '…' + name[-MAX_SHOWN:]}`"

    def _secret(self, reference: str) -> None:
        if self.fence is not None:
            self.fence.secret(reference)
        self.secrets.append(reference)

    def _variable(self, name: str, item: Item, path: tuple[str | int, ...]) -> str | None:
        if self.fence is not None:
            self.fence.variable(name)
        self.variables.append(name)
        value = self.environment.get(name)
        if value is None:
            self._add(
                item,
                path,
                "reference-missing",
                f"the environment has no variable {shown(name)}",
                hint=f"set it: export {name}=…",
            )
        return value

    def _content(self, name: str, item: Item, path: tuple[str | int, ...]) -> str | None:
        target = self.absolute(name, item.file)
        self.name(target)
        try:
            if not target.exists():
                self._add(item, path, "reference-missing", f"there is no file {self.say(target)}")
                return None
            # A pipe or a device may never end, and a folder holds no value.
            if not target.is_file():
                self._add(item, path, "reference-unreadable", f"{self.say(target)} is not a regular file")
                return None
            with target.open("rb") as stream:
                content = stream.read(MAX_FILE + 1)
            if len(content) > MAX_FILE:
                self._add(item, path, "reference-unreadable", f"{self.say(target)} is larger than 1MiB")
                return None
            return content.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            self._add(item, path, "reference-unreadable", f"{self.say(target)} cannot be read: {why}")
            return None

    def _refuse(self, text: str, item: Item, path: tuple[str | int, ...]) -> None:
        kind = re.fullmatch(r"\$\{([a-z]+):[^{}]*\}", text)
        if kind is not None and kind[1] not in {"env", "file"}:
            message = f"there are no references of the kind {shown(kind[1])}"
            self._add(item, path, "reference-kind", message, allowed=_ALLOWED)
        elif (bare := re.fullmatch(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", text)) is not None:
            hint = f"write `${{env:{bare[1]}}}`"
            self._add(item, path, "reference-kind", "a reference says what kind it is", allowed=_ALLOWED, hint=hint)
        elif REFERENCE.search(text):
            message = "a reference cannot be a part of a longer text"
            hint = "put the whole text into the variable or the file"
            self._add(item, path, "reference-within-text", message, allowed=_ALLOWED, hint=hint)
        else:
            self._add(item, path, "reference-malformed", "`${` begins a reference, and this is none", allowed=_ALLOWED)

    def _add(
        self,
        item: Item,
        path: tuple[str | int, ...],
        code: str,
        message: str,
        *,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problems.add(item.region, code, message, allowed=allowed, hint=hint, path=path)


def secret_reference(value: str, item: Item | None, references: References) -> str:
    """The reference that stands there, as the gate reads it: `env:NAME` or `file:/absolute/path`."""
    found = REFERENCE.fullmatch(value)
    if found is None:
        message = "a secret that is no reference passed the checks"
        raise ValueError(message)
    return f"env:{found[2]}" if found[1] == "env" else f"file:{references.absolute(found[2], item.file if item else 0)}"


def client_references(
    document: Document, name: str, client: Client, references: References
) -> tuple[str | None, str | None]:
    """What a client proves itself by, as the control process reads it: a secret, or a private key."""

    def reference(kind: str, said: str | None) -> str | None:
        if said is None:
            return None
        return secret_reference(said, document.item("issuers", name, "client", kind), references)

    return reference("secret", client.secret), reference("key", client.key)


def is_secret(path: tuple[str | int, ...]) -> bool:
    """Whether a secret stands at this place."""
    return any(
        len(path) == len(secret) and all(want in {"*", step} for want, step in zip(secret, path, strict=True))
        for secret in SECRETS
    )


def _may_be_signers(path: tuple[str | int, ...]) -> bool:
    """The same within `signature` and `webhook`, whatever the key is called."""
    if len(path) > 6 and path[4] == "all":
        path = (*path[:4], *path[6:])
    if len(path) < 6 or path[2] != "authenticate":
        return False
    if path[4] == "webhook":
        return path[5] not in _plain_signers()
    return path[4:6] == ("signature", "keys") and len(path) > 7 and path[7] not in _plain_signers()


@functools.cache
def _plain_signers() -> frozenset[str]:
    from lockgate.policies import Signature, Webhook
    from lockgate.policies.signature import SigningKey

    fields = {*Webhook.model_fields, *Signature.model_fields, *SigningKey.model_fields}
    # A secret may stand where a public key is wanted.
    return frozenset(fields) - {"secret", "secrets", "key", "public_keys"}


@functools.cache
def _plain_fields() -> frozenset[str]:
    """What an issuer has besides its secret, and addresses in which a password may stand."""
    from lockgate.config.model_issuers import Issuer

    return frozenset(Issuer.model_fields) - {"secret", "client", "introspection", "jwks", "issuer", "users", "ldap"}


def may_be_secret(path: tuple[str | int, ...]) -> bool:
    """Whether a secret may stand at this place by mistake, for example under a misspelt key."""
    if not path or path[0] not in _SECRET_SECTIONS:
        return False  # Asked for every scalar of the document.
    if path[0] == "issuers" and len(path) > 2 and path[2] in _plain_fields():
        return False
    if path[0] == "apis":
        return _may_be_signers(path)
    # Within these only their own secrets stand, at places of their own.
    within = path[2] if path[0] == "issuers" and len(path) > 2 and path[2] in {"users", "ldap"} else None
    return any(
        len(path) >= len(secret)
        and path[-1] != "header"
        and (within is None or secret[2] == within)
        and all(want in {"*", step} for want, step in zip(secret[:-1], path, strict=False))
        for secret in SECRETS
    )
