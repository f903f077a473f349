"""Second factors of people who sign in: kept sealed, counted once, locked after failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from lockgate.admin.clock import now_ms
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.admin.store.models import SecondFactor, SecondFactorFailures
from lockgate.state import StateFolder

if TYPE_CHECKING:
    from lockgate.identity.factors import Factor, Kind, Owner
    from lockgate.identity.sealed import Sealer

FREE_FAILURES: Final = 5
FIRST_WAIT_MS: Final = 30_000
LONGEST_WAIT_MS: Final = 3_600_000


class FactorNotFoundError(LookupError):
    """No factor has that id."""


class Factors:
    """The second factors of one installation; what the identity pages call a `FactorStore`."""

    def __init__(self, state: StateFolder, store: Store, journal: Journal) -> None:
        """Keeps them in `store`, sealed under a key made of the pepper in `state`."""
        self._state = state
        self._store = store
        self._journal = journal

    def of(self, owner: Owner) -> list[Factor]:
        """All that a person has."""
        query = select(SecondFactor).where(SecondFactor.iss == owner.iss, SecondFactor.subject == owner.subject)
        with self._store.read() as database:
            return [self._opened(row) for row in database.scalars(query.order_by(SecondFactor.created_ms))]

    def add(self, owner: Owner, factors: Sequence[Factor]) -> None:
        """Keep some. Raises `FactorError` where a passkey is somebody's already."""
        from lockgate.identity.factors import FactorError

        sealer = self._sealer()
        try:
            with self._store.write() as database:
                for factor in factors:
                    database.add(
                        SecondFactor(
                            id=factor.id,
                            iss=owner.iss,
                            subject=owner.subject,
                            kind=factor.kind,
                            name=factor.name,
                            mark=factor.mark,
                            secret=sealer.seal_kept(factor.secret),
                            counter=factor.counter,
                            created_ms=factor.created_ms,
                        )
                    )
                database.flush()
                self._audit(owner, "factor.add", [one for one in factors if one.kind != "recovery"])
        except IntegrityError as error:
            raise FactorError("This passkey is kept already.") from error

    def remove(self, owner: Owner, factor_id: str) -> bool:
        """Forget one; whether it was there."""
        meant = (SecondFactor.id == factor_id, SecondFactor.iss == owner.iss, SecondFactor.subject == owner.subject)
        with self._store.write() as database:
            row = database.scalar(select(SecondFactor).where(*meant))
            if row is None:
                return False
            action = "factor.use" if row.kind == "recovery" else "factor.remove"
            self._audit(owner, action, [self._opened(row)])
            database.delete(row)
        return True

    def forget(self, owner: Owner, kind: Kind) -> None:
        """Forget all of a kind."""
        meant = (SecondFactor.iss == owner.iss, SecondFactor.subject == owner.subject, SecondFactor.kind == kind)
        with self._store.write() as database:
            database.execute(delete(SecondFactor).where(*meant))

    def used(self, factor: Factor, counter: int) -> bool:
        """Note its use; false where the counter was reached before, so that it was used already."""
        # Many passkeys do not count: theirs is 0 for ever (WebAuthn section 6.1.1).
        never = factor.kind == "passkey" and counter == 0 and factor.counter == 0
        meant = [SecondFactor.id == factor.id] + ([] if never else [SecondFactor.counter < counter])
        with self._store.write() as database:
            done = database.execute(update(SecondFactor).where(*meant).values(counter=counter, used_ms=now_ms()))
            return bool(done.rowcount)  # type: ignore[attr-defined]

    def attempt(self, owner: Owner) -> int:
        """Count an attempt before it is looked at; until when none is looked at, or 0. Raced ones count one by one."""
        with self._store.write() as database:
            row = database.get(SecondFactorFailures, (owner.iss, owner.subject))
            if row is None:
                row = SecondFactorFailures(iss=owner.iss, subject=owner.subject, failures=0, until_ms=0)
                database.add(row)
            if row.until_ms > now_ms():
                return row.until_ms
            row.failures += 1
            beyond = row.failures - FREE_FAILURES
            if beyond >= 0:
                row.until_ms = now_ms() + min(FIRST_WAIT_MS * 2 ** min(beyond, 20), LONGEST_WAIT_MS)
                actor = f"{owner.iss} {owner.subject}"
                self._journal.audit(actor, "factor.lock", owner.subject, {"failures": row.failures})
            return 0

    def succeeded(self, owner: Owner) -> None:
        """Forget failures."""
        meant = (SecondFactorFailures.iss == owner.iss, SecondFactorFailures.subject == owner.subject)
        with self._store.write() as database:
            database.execute(delete(SecondFactorFailures).where(*meant))

    def page(
        self, *, subject: str | None, iss: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[SecondFactor]:
        """Up to `limit` factors, without recovery codes, by id; `iss` is whose person it is, as tokens say it."""
        query = select(SecondFactor).where(SecondFactor.kind != "recovery").order_by(SecondFactor.id).limit(limit)
        if subject is not None:
            query = query.where(SecondFactor.subject == subject)
        if iss is not None:
            query = query.where(SecondFactor.iss == iss)
        if after is not None:
            query = query.where(SecondFactor.id > after)
        with self._store.read() as database:
            rows = list(database.scalars(query))
            database.expunge_all()
            return rows

    def take_away(self, actor: str, factor_id: str) -> SecondFactor:
        """Forget one for a person who has lost it; recovery codes go with the last. Raises `FactorNotFoundError`."""
        with self._store.write() as database:
            row = database.get(SecondFactor, factor_id)
            if row is None:
                raise FactorNotFoundError(factor_id)
            detail = {"kind": row.kind, "name": row.name, "iss": row.iss, "subject": row.subject}
            self._journal.audit(actor, "factor.remove", row.id, detail)
            owners = (SecondFactor.iss == row.iss, SecondFactor.subject == row.subject)
            database.delete(row)
            database.flush()
            if (
                database.scalar(select(SecondFactor.id).where(*owners, SecondFactor.kind != "recovery").limit(1))
                is None
            ):
                database.execute(delete(SecondFactor).where(*owners))
            failures = (SecondFactorFailures.iss == row.iss, SecondFactorFailures.subject == row.subject)
            database.execute(delete(SecondFactorFailures).where(*failures))
            database.expunge(row)
            return row

    def forget_all(self, actor: str, iss: str, subject: str) -> None:
        """Forget all of a person who is gone."""
        meant = (SecondFactor.iss == iss, SecondFactor.subject == subject)
        failures = (SecondFactorFailures.iss == iss, SecondFactorFailures.subject == subject)
        with self._store.write() as database:
            for row in list(database.scalars(select(SecondFactor).where(*meant, SecondFactor.kind != "recovery"))):
                detail = {"kind": row.kind, "name": row.name, "iss": iss, "subject": subject}
                self._journal.audit(actor, "factor.remove", row.id, detail)
            database.execute(delete(SecondFactor).where(*meant))
            database.execute(delete(SecondFactorFailures).where(*failures))

    def _audit(self, owner: Owner, action: str, factors: Sequence[Factor]) -> None:
        for factor in factors:
            detail = {"kind": factor.kind, "name": factor.name, "iss": owner.iss, "subject": owner.subject}
            self._journal.audit(f"{owner.iss} {owner.subject}", action, factor.id, detail)

    def _opened(self, row: SecondFactor) -> Factor:
        from lockgate.identity.factors import Factor

        return Factor(
            id=row.id,
            kind=row.kind,  # type: ignore[arg-type]
            name=row.name,
            mark=row.mark,
            secret=self._sealer().open_kept(row.secret) or "",
            counter=row.counter,
            created_ms=row.created_ms,
            used_ms=row.used_ms,
        )

    def _sealer(self) -> Sealer:
        from lockgate.identity.sealed import Sealer

        return Sealer(self._state.pepper())
