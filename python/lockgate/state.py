"""The state folder: where a gate and its control process keep what must survive.

The folder is made with mode 0700 and every file in it with 0600, because it
holds secrets: the admin credential, the pepper under which key digests are
made, and the key that signs bundles. They are made at first start, at random,
and no command prints them.
"""

import errno
import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STATE_DIR = Path(".lockgate")
"""Beside the configuration, so that one folder is one gate."""

FOLDER_MODE = 0o700
FILE_MODE = 0o600


class StateError(Exception):
    """The state folder cannot be used; the message says what to do."""


class StateInUseError(StateError):
    """Another process holds the part of the state folder that was asked for."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths of one state folder. Making the value touches nothing; `open` does."""

    root: Path

    @classmethod
    def open(cls, root: Path | str) -> "StateFolder":
        """Make the folder and its secrets where they are missing, and check what is there."""
        state = cls.without_secrets(root)
        if state.enrolment_file.exists():
            return state  # Its secrets are its control process's, and came with its enrolment.
        _make_once(state.admin_token_file, lambda: f"lgadm_{secrets.token_urlsafe(32)}")
        if state.database.exists() and not state.pepper_file.exists():
            raise StateError(
                f"{state.pepper_file} is missing, and every key that was made depends on it: put it back from a "
                f"backup. Without one, move {state.database} away and make new keys"
            )
        _make_once(state.pepper_file, lambda: secrets.token_hex(32))
        _make_once(state.signing_key_file, lambda: secrets.token_hex(32))
        _write_public_key(state)
        return state

    @classmethod
    def without_secrets(cls, root: Path | str) -> "StateFolder":
        """Make the folder alone: a gate that enrols gets its secrets from its control process."""
        state = cls(Path(root).absolute())
        for folder in (state.root, state.secrets, state.control, state.control_events, state.gate):
            private_folder(folder)
        return state

    @classmethod
    def existing(cls, root: Path | str) -> "StateFolder":
        """The folder of something that was started before; refuses where there is none."""
        state = cls(Path(root).absolute())
        if not state.root.is_dir():
            raise StateError(
                f"{state.root} is not there: start `lockgate run` or `lockgate init` first, "
                "or name the folder with --state"
            )
        private_folder(state.root)
        return state

    @property
    def admin_token_file(self) -> Path:
        """The admin API's bearer token."""
        return self.root / "admin.token"

    @property
    def admin_address_file(self) -> Path:
        """Where the admin API listens; written by the control process once it does."""
        return self.root / "admin.address"

    @property
    def link_socket(self) -> Path:
        """The socket between the control process and the gate."""
        return self.root / "link.sock"

    @property
    def identity_socket(self) -> Path:
        """The socket of the identity pages, for the gate alone."""
        return self.root / "identity.sock"

    @property
    def supervisor_file(self) -> Path:
        """What the supervisor has seen: its processes and how often each was restarted."""
        return self.root / "supervisor.json"

    @property
    def secrets(self) -> Path:
        """Secrets that never leave this machine."""
        return self.root / "secrets"

    @property
    def pepper_file(self) -> Path:
        """Hex of the 32 bytes under which key digests are made."""
        return self.secrets / "key-pepper"

    @property
    def signing_key_file(self) -> Path:
        """Hex of the Ed25519 seed that signs bundles."""
        return self.secrets / "bundle-signing.key"

    @property
    def public_key_file(self) -> Path:
        """Hex of the Ed25519 public key that a gate believes."""
        return self.secrets / "bundle-signing.pub"

    @property
    def control(self) -> Path:
        """The control process's own part."""
        return self.root / "control"

    @property
    def database(self) -> Path:
        """Keys, facts, bundles and findings."""
        return self.control / "lockgate.db"

    @property
    def control_events(self) -> Path:
        """Audit and system events of the control process."""
        return self.control / "events"

    @property
    def history(self) -> Path:
        """Events in Parquet files by day, kept longer than the segments that they come from."""
        return self.control / "history"

    @property
    def certificates(self) -> Path:
        """Certificates with their keys, and the accounts with those who issue them."""
        return self.root / "certificates"

    @property
    def gate(self) -> Path:
        """The gate's own part: its last good bundle, its facts, its events."""
        return self.root / "gate"

    @property
    def gate_places(self) -> Path:
        """A file for each gate process that lives, by its number; `gate_process` holds one."""
        return self.gate / "processes"

    @property
    def enrolment_file(self) -> Path:
        """To whom a gate on a machine of its own belongs; not there where the control process is beside it."""
        return self.gate / "enrolment.json"

    @property
    def enrolment_authority_file(self) -> Path:
        """The certificate by which such a gate knows its control process."""
        return self.gate / "enrolment-authority.pem"

    @property
    def enrolment_certificate_file(self) -> Path:
        """Its own certificate and key."""
        return self.gate / "enrolment.pem"

    @property
    def gates_address_file(self) -> Path:
        """Where the control process listens for gates elsewhere, as it last was."""
        return self.control / "gates.address"

    @property
    def gate_events(self) -> Path:
        """Access, security and system events of the gate."""
        return self.gate / "events"

    def admin_token(self) -> str:
        """The admin API's bearer token."""
        return read_secret(self.admin_token_file)

    def pepper(self) -> bytes:
        """The 32 bytes under which key digests are made."""
        return _read_hex32(self.pepper_file)

    def signing_key(self) -> bytes:
        """The Ed25519 seed that signs bundles."""
        return _read_hex32(self.signing_key_file)

    def public_key(self) -> bytes:
        """The Ed25519 public key that a gate believes."""
        return _read_hex32(self.public_key_file)

    @contextmanager
    def lock(self, part: str) -> Iterator[int]:
        """Hold `part` (`gate`, `control`, `database`) against any other process; its descriptor.

        The lock is the kernel's (flock), so a killed holder leaves nothing behind. It is the
        descriptor's: whoever is passed that holds the part too, and `inherited` is how.
        """
        path = self.root / f"{part}.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                raise StateInUseError(_in_use(self.root, part, fd)) from error
            _name_holder(fd)
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def inherited(self, fd: int) -> Iterator[int]:
        """Hold a part whose descriptor another process has passed on."""
        try:
            _name_holder(fd)
            yield fd
        finally:
            os.close(fd)

    def is_held(self, part: str) -> bool:
        """Whether a process holds `part` at this moment."""
        return _is_locked(self.root / f"{part}.lock")

    @contextmanager
    def gate_process(self) -> Iterator[None]:
        """Count this process among the gates of the folder, for as long as it lives and however it ends.

        While one gate follows another there are two, and each may serve before or after it has
        a link. Whoever wants to know that all have heard something asks `gate_processes`.
        """
        try:
            private_folder(self.gate_places)
            for left in self._gate_files():
                if not _is_locked(left):
                    left.unlink(missing_ok=True)
            fd, name = tempfile.mkstemp(dir=self.gate_places, prefix=".")
        except OSError as error:
            raise StateError(f"{self.gate_places} cannot be written to ({error.strerror})") from error
        place = self.gate_places / str(os.getpid())
        try:
            # Locked before it has its name: nobody can find it there and take it for a dead one's.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(name).replace(place)
            yield
        finally:
            place.unlink(missing_ok=True)
            os.close(fd)

    def gate_processes(self) -> set[int]:
        """The gate processes that live, whether they serve already, or serve no more but what they had begun.

        Raises `OSError` where that cannot be told.
        """
        try:
            return {int(place.name) for place in self._gate_files() if _is_locked(place)}
        except FileNotFoundError:
            if self.is_held("gate"):
                raise  # A gate lives, and somebody has taken its file away.
            return set()

    def _gate_files(self) -> list[Path]:
        """Without one that is being made: it has no number yet, and no lock."""
        return [place for place in self.gate_places.iterdir() if place.name.isdecimal() and place.is_file()]

    def holder(self, part: str) -> int | None:
        """The process that holds `part` at this moment."""
        if not self.is_held(part):
            return None
        try:
            return int((self.root / f"{part}.lock").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None


def _is_locked(path: Path) -> bool:
    try:
        # Never to wait: what lies there may be a pipe that nobody writes to.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # Nobody can tell, so it counts: "held by nobody" would be a promise.
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _name_holder(fd: int) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)


def private_folder(path: Path) -> None:
    """Make a folder that nobody else may look into, or see to it that it is one; raises `StateError`."""
    try:
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{path} cannot be made ({error.strerror}); choose --state") from error
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise StateError(
            f"{path} belongs to user {status.st_uid}, not to you: run as that user, or choose "
            "another folder with --state"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        path.chmod(FOLDER_MODE)


def read_secret(path: Path) -> str:
    """The text of a secret's file; refuses one that others on this machine can read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise StateError(f"{path} cannot be read ({error.strerror})") from error
    with os.fdopen(fd, encoding="ascii") as file:
        if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
            raise StateError(
                f"{path} can be read by other users: run `chmod 600 {path}`, and replace the "
                "secret if somebody else uses this machine"
            )
        return file.read().strip()


def write_private(path: Path, text: str) -> None:
    """Replace `path` at once and for good, readable by its owner only."""
    name = _temporary(path, text)
    name.replace(path)
    _sync_folder(path.parent)


_HELD_FOR = {
    "control": "a control process, or a command that changes keys",
    "database": "a control process, or a command that changes keys",
    "gate": "a gate, which may be finishing its requests",
}
"""What holds a part, as a person would say it."""


def _in_use(root: Path, part: str, fd: int) -> str:
    holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    who = f"process {holder}" if holder.isdigit() else "another process"
    if part.startswith("supervisor-"):
        return (
            f"`lockgate run` is running on {root} already, as {who}. Stop that one first (Ctrl-C where it runs, or "
            f"`kill {holder or 'PID'}`), or start this one with another --state folder"
        )
    return f"{root} is in use by {who} ({_HELD_FOR.get(part, part)}). Wait for it or stop it, or choose another --state"


def _make_once(path: Path, make: Callable[[], str]) -> None:
    """Write a new secret unless there is one.

    Gate and control process may start at the same moment; `link` fails where
    the name exists, so exactly one of two writers wins and neither sees half.
    """
    if path.exists():
        return
    name = _temporary(path, make() + "\n")
    try:
        os.link(name, path)
    except FileExistsError:
        return
    finally:
        name.unlink()
    _sync_folder(path.parent)


def _write_public_key(state: StateFolder) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(state.signing_key())
    public = key.public_key().public_bytes_raw().hex()
    if not state.public_key_file.exists() or read_secret(state.public_key_file) != public:
        write_private(state.public_key_file, public + "\n")


def _temporary(path: Path, text: str) -> Path:
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read_hex32(path: Path) -> bytes:
    try:
        value = bytes.fromhex(read_secret(path))
    except ValueError as error:
        raise StateError(f"{path} is damaged: it should hold 64 hex digits") from error
    if len(value) != 32:
        raise StateError(f"{path} is damaged: it should hold 64 hex digits")
    return value
