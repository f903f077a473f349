"""Two ways to the same certificates: a running admin API, and the state folder itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from lockgate.cli._admin import Admin, NotRunningError, RefusedError, StartingError
from lockgate.cli._report import leave
from lockgate.cli._state import state_or_exit

if TYPE_CHECKING:
    from lockgate.admin.certificates.rows import Row as CertificateRow
    from lockgate.admin.journal import Journal
    from lockgate.certificates import Store
    from lockgate.state import StateFolder

Row = dict[str, Any]


def tried_again(row: Row) -> str:
    """When what failed is tried again, for the end of a line; nothing where it is not, by itself."""
    if row["working"]:
        return "; it is being tried now"
    at = row["next_attempt_ms"]
    if at is None:
        return ""
    return f"; tried again at {datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


class CertificateStore(Protocol):
    """What the commands do with certificates; rows are those of the admin API."""

    def every(self) -> list[Row]:
        """All of them."""

    def one(self, name: str) -> Row:
        """One, by its name or a host, with its chain."""

    def renew(self, name: str, *, force: bool) -> Row:
        """Begin to renew one."""

    def take_in(self, certificates: str, key: str | None) -> Row:
        """Import one."""

    def request(self, hosts: list[str]) -> Row:
        """A certificate signing request."""


class RunningCertificates:
    """Through the admin API: gates show what is imported at once."""

    def __init__(self, admin: Admin) -> None:
        """`admin` answers."""
        self._admin = admin

    def every(self) -> list[Row]:
        """All of them."""
        items: list[Row] = self._admin.get("/v1/certificates")["items"]
        return items

    def one(self, name: str) -> Row:
        """One, by its name or a host, with its chain."""
        return self._admin.get(f"/v1/certificates/{quote(name)}")

    def renew(self, name: str, *, force: bool) -> Row:
        """Begin to renew one."""
        return self._admin.post(f"/v1/certificates/{quote(name)}/renew", {"force": force})

    def take_in(self, certificates: str, key: str | None) -> Row:
        """Import one."""
        return self._admin.post("/v1/certificates/import", {"certificates": certificates, "key": key})

    def request(self, hosts: list[str]) -> Row:
        """A certificate signing request."""
        return self._admin.post("/v1/certificates/requests", {"hosts": hosts})


class FolderCertificates:
    """In the state folder itself, while no control process runs on it; what listeners want is not known here."""

    def __init__(self, store: Store, journal: Journal) -> None:
        """The folder's lock is held."""
        from lockgate.admin.journal import admin_actor

        self._store = store
        self._journal = journal
        self._actor = admin_actor()

    def every(self) -> list[Row]:
        """All of them."""
        return [asdict(row) for row in self._rows()]

    def _rows(self) -> list[CertificateRow]:
        from lockgate.admin.certificates.rows import of_store

        return [of_store(kept) for kept in self._store.all() if kept.chain is not None]

    def one(self, name: str) -> Row:
        """One, by its name or a host, with its chain."""
        from lockgate.admin.certificates.rows import called

        found = called(self._rows(), name)
        if not found:
            leave(f"The state folder holds no certificate {name!r}; `lockgate certs list` names those that it does.")
        return asdict(found[0])

    def renew(self, name: str, *, force: bool) -> Row:
        """Begin to renew one."""
        leave(f"No control process runs, which would renew {name!r}{' now' * force}: `lockgate run` starts it.")

    def take_in(self, certificates: str, key: str | None) -> Row:
        """Import one."""
        import datetime as dt

        from lockgate.admin.certificates.rows import of_store

        kept = self._store.take_in(certificates, key, dt.datetime.now(dt.UTC))
        detail = {"hosts": list(kept.names), "fingerprint": kept.chain.fingerprint if kept.chain else None}
        self._journal.audit(self._actor, "certificate.import", str(kept.names), detail)
        return asdict(of_store(kept))

    def request(self, hosts: list[str]) -> Row:
        """A certificate signing request."""
        from lockgate.certificates import Names

        names = Names.of(hosts)
        pem = self._store.request(names)
        self._journal.audit(self._actor, "certificate.request", str(names), {"hosts": list(names)})
        return {"hosts": hosts, "request": pem}


@contextmanager
def certificate_store(given: Path | None) -> Iterator[CertificateStore]:
    """The certificates of the folder that `--state` names; what is refused ends the command with one line."""
    from lockgate.state import StateError

    state = state_or_exit(given)
    with ExitStack() as stack:
        try:
            yield _open(state, stack)
        except NotRunningError as error:
            leave(str(error), code=error.exit_code)
        except (RefusedError, StateError) as error:
            leave(str(error))
        except ValueError as error:
            leave(f"{error}.")


def _open(state: StateFolder, stack: ExitStack) -> CertificateStore:
    from lockgate.admin.journal import EventJournal
    from lockgate.certificates import Store

    try:
        admin = Admin.of(state)
    except StartingError:
        raise
    except NotRunningError:
        if state.enrolment_file.exists():
            raise  # Its certificates are its control process's.
        stack.enter_context(state.lock("control"))
        return FolderCertificates(Store.open(state), stack.enter_context(EventJournal(state)))
    return RunningCertificates(admin)
