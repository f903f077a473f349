"""The part of the state folder that holds certificates, their keys and accounts.

    certificates/
    ├── accounts/<digest>.json      an account's key and where it is; one file, replaced at once
    ├── locks/                      one file per certificate and account; never removed
    └── <names>/
        ├── certificate.pem         key and chain in one file, so that they cannot come apart
        ├── status.json             when to renew, what failed last
        └── request.key             the key of a signing request that was exported

Folders have mode 0700, files 0600; a secret that others can read is refused.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from pydantic import BaseModel

from lockgate.certificates import locks
from lockgate.certificates.chain import (
    Chain,
    PrivateKey,
    check_pair,
    check_usable,
    key_pem,
    make_request,
    new_key,
    read_chain,
    read_key,
)
from lockgate.certificates.names import Names
from lockgate.certificates.records import Account, Kept, Status
from lockgate.state import StateError, StateFolder, private_folder, read_secret, write_private

WAIT_SECONDS: Final = 900.0
"""For another process's order; longer than any order may take."""
ACCOUNT_SECONDS: Final = 150.0

_CERTIFICATE_MARK: Final = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Store:
    """Certificates under one folder. Its methods touch the disk; none waits but `held` and `held_account`."""

    root: Path

    @classmethod
    def open(cls, state: StateFolder) -> Store:
        """Make the folder where it is missing; raises `StateError` where it cannot be used."""
        store = cls(state.certificates)
        for folder in (store.root, store._accounts, store._locks):
            private_folder(folder)
        return store

    def all(self) -> list[Kept]:
        """Every certificate of the store, by its folder's name."""
        found = []
        for folder in sorted(self.root.iterdir()):
            status = folder / "status.json"
            if status.is_file():
                found.append(self.load(Names.of(_read_status(status).names)))
        return found

    def load(self, names: Names) -> Kept:
        """What there is for these names; a damaged certificate counts as none, and the status says so.

        Raises `StateError` for files that others can read.
        """
        folder = self._folder(names)
        status = _read_status(folder / "status.json", names)
        path = folder / "certificate.pem"
        if not path.exists():
            return Kept(names, status.model_copy(update={"source": None, "window": None}))
        try:
            key, mark, chain_text = read_secret(path).partition(_CERTIFICATE_MARK)
            chain = read_chain(mark + chain_text)
            if key.strip():
                check_pair(chain, read_key(key))
        except ValueError as error:
            return Kept(names, status.model_copy(update={"last_error": f"{path} is damaged: {error}", "window": None}))
        if status.fingerprint != chain.fingerprint:
            # Written before the status was, or put there by hand: what is known is of another certificate.
            status = status.model_copy(
                update={"fingerprint": chain.fingerprint, "window": None, "next_check": None, "check_failures": 0}
            )
        return Kept(names, status, chain, key.strip() + "\n" if key.strip() else None)

    def put(self, kept: Kept) -> None:
        """Write a certificate, its key and its status; whoever reads meanwhile sees the old or the new."""
        if kept.chain is None:
            raise ValueError("there is no certificate to put into the store")
        folder = self._make(kept.names)
        write_private(folder / "certificate.pem", (kept.key_pem or "") + kept.chain.pem)
        self.note(kept.names, kept.status)

    def note(self, names: Names, status: Status) -> None:
        """Write down how a certificate is."""
        write_private(self._make(names) / "status.json", _json(status))

    def request(self, names: Names) -> str:
        """A certificate signing request in PEM for another authority; its key stays here.

        The same key each time, until a certificate for it was imported. Raises `StateInUseError` while
        an order for the names is under way.
        """
        with locks.held_now(self.lock_file(names), f"the certificate for {names}"):
            path = self._make(names) / "request.key"
            if path.exists():
                key = _known_key(path)
            else:
                key = new_key()
                write_private(path, key_pem(key))
            if not (self._folder(names) / "status.json").exists():
                self.note(names, Status(names=names.all))
        return make_request(names, key).public_bytes(serialization.Encoding.PEM).decode()

    def take_in(self, certificates_pem: str | bytes, key: str | bytes | None, now: datetime) -> Kept:
        """Import a certificate from elsewhere: the chain, leaf first, and the key, or nothing for `request`'s.

        Raises `ValueError` for a chain that is not in order, has expired, is for no names or not for servers,
        and for a key that is not the certificate's; `StateInUseError` while an order is under way.
        """
        chain = read_chain(certificates_pem)
        check_usable(chain, now)
        with locks.held_now(self.lock_file(chain.names), f"the certificate for {chain.names}"):
            exported = self._folder(chain.names) / "request.key"
            if key is not None:
                private = read_key(key)
            elif exported.exists():
                private = _known_key(exported)
            else:
                raise ValueError(f"the key of the certificate for {chain.names} is wanted: no request was made here")
            check_pair(chain, private)
            status = Status(names=chain.names.all, source="imported", fingerprint=chain.fingerprint, issued=now)
            kept = Kept(chain.names, status, chain, key_pem(private))
            self.put(kept)
            if key is None:
                exported.unlink(missing_ok=True)
        return kept

    def remove(self, names: Names) -> None:
        """Forget a certificate, its key and its status; raises `StateInUseError` while an order is under way."""
        with locks.held_now(self.lock_file(names), f"the certificate for {names}"):
            shutil.rmtree(self._folder(names), ignore_errors=True)

    def held(self, names: Names, within: float = WAIT_SECONDS) -> AbstractAsyncContextManager[bool]:
        """Hold the names against every other process; gives whether another held them first.

        Raises `StateInUseError`, which names the holder, where they are not to be had within so many seconds.
        """
        return locks.held(self.lock_file(names), f"the certificate for {names}", within)

    def held_account(self, identifier: str) -> AbstractAsyncContextManager[bool]:
        """Hold an account, as `held` does a certificate."""
        return locks.held(self._locks / f"account-{identifier}.lock", "the account", ACCOUNT_SECONDS)

    def holder(self, names: Names) -> int | None:
        """The process that works on the certificate at this moment."""
        return locks.holder(self.lock_file(names))

    def lock_file(self, names: Names) -> Path:
        """The file by which a certificate is held."""
        return self._locks / f"{names.folder}.lock"

    def account(self, identifier: str) -> Account | None:
        """The account that was kept under an identifier; raises `StateError` for one that cannot be read."""
        path = self._accounts / f"{identifier}.json"
        if not path.exists():
            return None
        try:
            return Account.model_validate_json(read_secret(path))
        except ValueError:
            # Without the cause: it quotes what it could not read, and that may be the key.
            raise StateError(f"{path} is damaged; move it away, and a new account is made") from None

    def put_account(self, identifier: str, account: Account) -> None:
        """Keep an account."""
        write_private(self._accounts / f"{identifier}.json", _json(account))

    def sweep(self) -> int:
        """Remove what a process that was killed while it wrote has left; how many files that were.

        To be called once at start, by the one control process.
        """
        left = [path for folder in self._folders() for path in folder.glob(".*.*") if path.is_file()]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    @property
    def _accounts(self) -> Path:
        return self.root / "accounts"

    @property
    def _locks(self) -> Path:
        return self.root / "locks"

    def _folders(self) -> Iterable[Path]:
        return (path for path in self.root.iterdir() if path.is_dir() and path != self._locks)

    def _folder(self, names: Names) -> Path:
        return self.root / names.folder

    def _make(self, names: Names) -> Path:
        folder = self._folder(names)
        private_folder(folder)
        return folder


def issued(names: Names, chain: Chain, key: str | None, directory: str, profile: str | None, now: datetime) -> Kept:
    """A certificate that an authority has just given."""
    status = Status(
        names=names.all, source="acme", directory=directory, profile=profile, fingerprint=chain.fingerprint, issued=now
    )
    return Kept(names, status, chain, key)


def _json(record: BaseModel) -> str:
    # In ASCII, as every file of the state folder that is private.
    return json.dumps(record.model_dump(mode="json"), indent=1) + "\n"


def _read_status(path: Path, names: Names | None = None) -> Status:
    try:
        return Status.model_validate_json(read_secret(path))
    except ValueError as error:
        if names is None:
            raise StateError(f"{path} is damaged; remove it, and it is written anew") from error
        # Nothing in it is beyond recovery: it is found out again by asking.
        return Status(names=names.all, last_error=f"{path} was damaged, and is written anew")
    except StateError:
        if names is None or path.exists():
            raise
        return Status(names=names.all)


def _known_key(path: Path) -> PrivateKey:
    try:
        return read_key(read_secret(path))
    except ValueError as error:
        raise StateError(f"{path} is damaged: {error}; move it away, and a new key is made") from error
