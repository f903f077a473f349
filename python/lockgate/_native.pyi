"""Lockgate's core, built from `crates/lockgate-py`. `make check` compares this file with what was built."""

from os import PathLike
from typing import Any, Final, Literal, Self, TypedDict, final, type_check_only

__all__ = [
    "Engine",
    "EventWriter",
    "Gate",
    "LockgateError",
    "__version__",
    "bundle_schema",
    "check_bundle",
    "event_schema",
    "events_durable_until",
    "find_event",
    "key_digest",
    "last_events",
    "mint_key",
    "pipeline",
    "policies",
    "read_events",
    "reasons",
    "reserved_header",
]

__version__: Final[str]

@type_check_only
class Step(TypedDict):
    """A step of the pipeline."""

    name: str
    phase: str
    policy: bool
    why: str

@type_check_only
class Reason(TypedDict):
    """Why a request is refused."""

    code: str
    status: int
    title: str
    room: str
    fault: Literal["client", "upstream", "gate"]
    advice: str

@type_check_only
class BundleProblem(TypedDict):
    """What the core refuses in a bundle, by a JSON pointer into it."""

    code: str
    path: str
    message: str
    span: dict[str, int] | None

class LockgateError(Exception):
    """What the core refuses. Branch on `code`."""

    code: str
    path: str | None
    span: tuple[int, int, int] | None
    cause: str | None

def pipeline() -> list[Step]:
    """The steps that a request passes, in order."""

def policies() -> list[str]:
    """The names of the policies."""

def reasons() -> list[Reason]:
    """Every reason that a gate can give."""

def reserved_header(name: str) -> Literal["framing", "hop-by-hop", "written", "identity"] | None:
    """What the gate itself does with a header of this name, in any spelling; nothing to most."""

def bundle_schema() -> str:
    """The bundle's JSON Schema."""

def event_schema() -> str:
    """The JSON Schema of an event's JSON form."""

def check_bundle(bundle: bytes) -> list[BundleProblem]:
    """Everything that is wrong with a bundle; an empty list if nothing is."""

def mint_key(pepper: bytes, environment: str = "live") -> tuple[str, str]:
    """Make a key and its digest under `pepper`."""

def key_digest(key: str, pepper: bytes) -> str:
    """Give the digest of a key under `pepper`, after its checksum was verified."""

def read_events(
    directory: str | PathLike[str],
    *,
    after: str | None = None,
    limit: int = 1000,
    filter: dict[str, Any] | None = None,
) -> tuple[list[dict[str, Any]], str]:
    """Read the next events after a cursor, and say where to go on."""

def last_events(
    directory: str | PathLike[str], count: int = 100, *, filter: dict[str, Any] | None = None
) -> tuple[list[dict[str, Any]], str]:
    """Read the last events, oldest first, and say where to follow from."""

def find_event(directory: str | PathLike[str], id: str) -> dict[str, Any] | None:
    """Find the newest event with this id."""

def events_durable_until(directory: str | PathLike[str]) -> str | None:
    """Give the cursor below which every event survives a crash."""

@final
class Engine:
    """The gate's engine without a gate."""

    def __new__(cls, bundle: bytes, *, facts: list[bytes] = ..., pepper: bytes = ...) -> Self: ...
    def evaluate(self, request: dict[str, Any], *, now_ms: int | None = None) -> dict[str, Any]:
        """Say what would become of a request, step by step."""

@final
class Gate:
    """A gate: native threads that serve, and what they are told."""

    def __new__(
        cls,
        *,
        state_dir: str | PathLike[str],
        pepper: bytes,
        public_key: bytes,
        workers: int | None = None,
        plugin_command: list[str] | None = None,
    ) -> Self: ...
    def load(self, signed: bytes) -> dict[str, Any]:
        """Serve by this bundle; where it is refused, the old one goes on."""

    def apply_facts(self, facts: list[bytes]) -> int:
        """Take facts in, and give the last one's number."""

    def facts_seq(self) -> int:
        """Give the last fact's number."""

    def bundle_info(self) -> dict[str, Any] | None:
        """Say which bundle is served."""

    def contact(self) -> None:
        """Note that facts are complete as of now."""

    def addresses(self) -> dict[str, str]:
        """Give each listener's name and where it really listens."""

    def stats(self) -> dict[str, Any]:
        """Give numbers for people."""

    def metrics(self) -> str:
        """Give numbers for Prometheus."""

    def alive(self) -> bool:
        """Whether every worker thread is."""

    def drain(self, timeout_s: float) -> bool:
        """Take no more and finish what was begun; whether all was finished in time."""

@final
class EventWriter:
    """Writes events into a folder of its own."""

    def __new__(cls, directory: str | PathLike[str], retain_bytes: int, *, node: str = "control") -> Self: ...
    def append(self, event: dict[str, Any], durable: bool = False) -> None:
        """Write an event; with `durable`, return once it is on disk."""

    def flush(self) -> None:
        """Bring what was written to disk."""

    def close(self) -> None:
        """Write the rest and end."""
