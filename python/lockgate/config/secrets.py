"""Whether the secrets that a configuration names are there. None is ever read here."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

from lockgate.config import signers
from lockgate.config.document import Document
from lockgate.config.model_issuers import Issuer
from lockgate.config.references import References
from lockgate.scalars import REFERENCE, shown

Place = tuple[str | int, ...]


def check(document: Document, references: References) -> None:
    """Warn of each secret that the gate will not find: it serves on, and answers 503 on the routes that want it."""
    for name, upstream in document.upstreams.items():
        if upstream.credential is not None:
            path = ("upstreams", name, "credential", "value")
            _look(document, references, path, upstream.credential.value, "requests to this upstream are answered 503")
    for name, issuer in document.issuers.items():
        if issuer.secret is not None:
            _look(
                document,
                references,
                ("issuers", name, "secret"),
                issuer.secret,
                "this issuer's tokens are answered 503",
            )
        for key in ("secret", "key") if issuer.client is not None else ():
            value = getattr(issuer.client, key)
            if value is not None:
                meanwhile = "nobody can sign in by it, and tokens that it is asked about are answered 503"
                _look(document, references, ("issuers", name, "client", key), value, meanwhile)

        _of_people(document, references, name, issuer)
    for name, listener in document.listeners.items():
        acme = listener.tls.acme if listener.tls is not None else None
        if acme is not None and acme.external_account is not None:
            place = ("listeners", name, "tls", "acme", "external_account", "hmac_key")
            _look(document, references, place, acme.external_account.hmac_key, "no certificate can be had")
    for where, value, meanwhile in signers.secrets(document):
        _look(document, references, where, value, meanwhile)


def _of_people(document: Document, references: References, name: str, issuer: Issuer) -> None:
    """Those of an issuer that knows people by passwords."""
    if issuer.users is not None and issuer.users.mail is not None:
        for key in ("secret", "password"):
            value = getattr(issuer.users.mail, key)
            if value is not None:
                _look(document, references, ("issuers", name, "users", "mail", key), value, "no mail is sent")
    if issuer.ldap is not None and issuer.ldap.bind is not None:
        place = ("issuers", name, "ldap", "bind", "password")
        _look(document, references, place, issuer.ldap.bind.password, "nobody of this directory can sign in")


def _look(document: Document, references: References, path: Place, value: str, meanwhile: str) -> None:
    item = document.item(*path)
    found = REFERENCE.fullmatch(value)
    if item is None or found is None:
        return
    if found[1] == "file":
        target = references.absolute(found[2], item.file)
        _file(document, path, target, references.say(target), meanwhile)
    elif found[2] not in references.environment:
        what = f"the environment has no variable {shown(found[2])}; until there is one, {meanwhile}"
        _warn(document, path, "secret-missing", what, f"set it where `lockgate run` is started: {found[2]}=…")


def _file(document: Document, path: Place, target: Path, said: str, meanwhile: str) -> None:
    try:
        status = target.stat()
    except (OSError, ValueError):
        what = f"there is no file {said}; until there is one, {meanwhile}"
        _warn(document, path, "secret-missing", what, "write the secret into it, mode 0600")
        return
    if not stat.S_ISREG(status.st_mode):
        what = f"{said} is not a regular file; until there is one, {meanwhile}"
        _warn(document, path, "secret-missing", what, "name a file")
    else:
        warn_of_readers(document, path, target, said)


def warn_of_readers(document: Document, path: Place, target: Path, said: str) -> None:
    """Warn of a file with a secret that every user of this machine can read; `said` is how it is told of."""
    try:
        mode = target.stat().st_mode
    except (OSError, ValueError):
        return
    if mode & stat.S_IROTH:
        # Quoted for a shell: backticks would have it run the file.
        hint = f"chmod 600 {shlex.quote(said.strip('`'))}"
        _warn(document, path, "secret-readable", f"{said} can be read by everybody", hint)


def _warn(document: Document, path: Place, code: str, message: str, hint: str) -> None:
    document.problems.add(document.value_region(*path), code, message, severity="warning", hint=hint, path=path)
