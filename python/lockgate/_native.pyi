"""Lockgate's core, built from `crates/lockgate-py`. `make check` compares this file with what was built."""

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, Final, Literal, Self, TypedDict, final, type_check_only

__all__ = [
    "Call",
    "Engine",
    "EventWriter",
    "Gate",
    "InProcess",
    "LockgateError",
    "Plugins",
    "Replay",
    "__version__",
    "access",
    "bundle_schema",
    "check_app_fact",
    "check_bundle",
    "check_client_trust",
    "check_geo",
    "check_key_fact",
    "claims",
    "client_refusal",
    "event_schema",
    "events_durable_until",
    "export_events",
    "find_event",
    "imported_key_digest",
    "key_digest",
    "key_form",
    "last_events",
    "matches_scope",
    "mint_key",
    "open_session",
    "packing_memory",
    "packing_turn",
    "pattern_fault",
    "pipeline",
    "policies",
    "proved_at",
    "read_certificate",
    "read_events",
    "read_introspection",
    "read_key_set",
    "read_rules",
    "read_token",
    "reasons",
    "reserved_header",
    "rule_language",
    "rule_notices",
    "seal_session",
    "waf_detectors",
    "waf_leaves_alone",
    "waf_rules",
    "wanted_rule_files",
]

__version__: Final[str]

@type_check_only
class Step(TypedDict):
    """A step of the pipeline."""

    name: str
    part: str
    """Which part of a room that has several places; else empty."""
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
class Export(TypedDict):
    """What was written, and where to go on."""

    events: int
    cursor: str
    more: bool
    damaged_bytes: int
    unreadable: int
    gap: bool

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

def claims() -> dict[str, list[str]]:
    """Ways whose callers have these claims and no others, by their names."""

def reasons() -> list[Reason]:
    """Every reason that a gate can give."""

def pattern_fault(text: str) -> tuple[str, str, str] | None:
    """Why a text is no regular expression that can be used: a code, what is wrong, what to do."""

def reserved_header(name: str) -> Literal["framing", "hop-by-hop", "written", "identity"] | None:
    """What the gate itself does with a header of this name, in any spelling; nothing to most."""

def packing_turn(coding: str, level: int) -> int | None:
    """Bytes of an answer that are packed before others have a turn, at this level of a coding."""

def packing_memory(coding: str, level: int) -> int | None:
    """Most bytes of memory that packing one answer takes, at this level of a coding."""

def bundle_schema() -> str:
    """The bundle's JSON Schema."""

def event_schema() -> str:
    """The JSON Schema of an event's JSON form."""

def read_rules(rule_set: bytes) -> dict[str, Any]:
    """What a rule set of a bundle says, given as its JSON: `rules`, `notices` and `errors`, one of these empty."""

def rule_notices(rule_set: bytes) -> list[dict[str, Any]]:
    """Say what of a rule set, given as its JSON, requests meet otherwise than its files have it."""

def wanted_rule_files(rule_set: bytes) -> list[str]:
    """Files that a rule set, given as its JSON, asks for and does not have; and the patterns that it includes by."""

def rule_language() -> list[dict[str, Any]]:
    """Every word of the rule language: its kind, its name, what it does, and whether it does so here."""

def access(bundle: bytes, *, request: dict[str, Any] | None = None, now_ms: int | None = None) -> list[dict[str, Any]]:
    """Say who may call what under a bundle: a row for each operation, or for each part that rules name.

    With a request, as `Engine.evaluate` takes it, who may make that: one row, or none where it comes to no API.
    """

def check_bundle(bundle: bytes) -> list[BundleProblem]:
    """Everything that is wrong with a bundle; an empty list if nothing is."""

def mint_key(pepper: bytes, environment: str = "live") -> tuple[str, str]:
    """Make a key and its digest under `pepper`."""

def imported_key_digest(sha256: bytes, pepper: bytes) -> str:
    """Give the digest of a key of another form, of which the SHA-256 is known."""

def key_form(key: str) -> str | None:
    """Give the environment of a key of ours, `""` for a text that may be one of another form, else nothing."""

def check_key_fact(fact: str) -> None:
    """Raise `LockgateError` for the JSON of a key's fact that no gate would take."""

def key_digest(key: str, pepper: bytes) -> str:
    """Give the digest of a key under `pepper`, after its checksum was verified."""

def read_certificate(chain: bytes, key: bytes, host: bool) -> dict[str, Any]:
    """What a chain and its key, both PEM, are good for; raises `LockgateError` where they are good for nothing."""

def check_client_trust(trust: list[bytes], crl: list[bytes], *, certain: bool = False) -> None:
    """Refuses authorities and revocation lists, all PEM, by which no client could be judged.

    `certain` is whether it has to be known of each that it was not revoked.
    """

def check_geo(content: bytes, kind: str) -> None:
    """Look through a database (`.mmdb`) of `countries` or `networks`; raise `LockgateError` for one of no use."""

def client_refusal(chain: bytes, trust: list[bytes], crl: list[bytes], *, certain: bool = False) -> str | None:
    """Why a client that shows this chain, PEM, is turned away: the reason's code, or none where it comes in."""

def read_introspection(answer: bytes) -> bool:
    """Say whether an issuer's answer is that a token is active; raise `LockgateError` for what is no answer."""

def read_key_set(text: bytes) -> dict[str, Any]:
    """Say which keys of a published set (RFC 7517) a gate can use, and why not the others."""

def check_app_fact(app: str) -> None: ...
def matches_scope(pattern: str, scope: str) -> bool: ...
def read_token(token: bytes) -> list[dict[str, str]]:
    """Say every way of telling a token: `issuer`, `by`, `value`. Nothing of it is verified."""

def seal_session(pepper: bytes, sign_in: str, session: bytes) -> str:
    """Seal a session (JSON: `issuer`, `until_ms`, `claims`) into a cookie's value."""

def open_session(pepper: bytes, sign_in: str, cookie: bytes) -> dict[str, Any]:
    """Say what a cookie's value holds, and every way of telling it (`meant`); whether it holds is not looked at."""

def proved_at(claims: bytes, amr: list[str], acr: list[str]) -> int | None:
    """Say when, in seconds since the epoch, what is wanted was proved, by a session's claims (JSON)."""

def waf_detectors() -> list[dict[str, Any]]:
    """Say what detectors of attacks there are: `name`, `title`, `tag`, `score`."""

def waf_rules(rule_set: bytes, ids: list[int]) -> list[dict[str, Any]]:
    """Say what is known of rules of a rule set, which is JSON as a bundle has it."""

def waf_leaves_alone(place: str, method: str, path: str, *, at: str | None = None, request: str | None = None) -> bool:
    """Say whether an exclusion leaves alone what stands at a place that an event names."""

def read_events(
    directory: str | PathLike[str],
    *,
    after: str | None = None,
    limit: int = 1000,
    filter: dict[str, Any] | None = None,
) -> tuple[list[dict[str, Any]], str]:
    """Read the next events after a cursor, and say where to go on."""

def export_events(
    directory: str | PathLike[str],
    file: str | PathLike[str],
    *,
    after: str | None = None,
    until: str | None = None,
    limit: int = 100_000,
    filter: dict[str, Any] | None = None,
) -> Export:
    """Write the events after a cursor, and before another, to a new file, each a line of JSON."""

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

    def __new__(
        cls, bundle: bytes, *, facts: list[bytes] = ..., pepper: bytes = ..., plugins: Plugins | None = None
    ) -> Self: ...
    def hear(self, issuer: str, token: bytes, answer: bytes) -> None:
        """Take what an issuer would answer about a token, for good; raise `LockgateError` for what is no answer."""

    def outline(self) -> list[dict[str, Any]]:
        """Give each API's routes and policies: what a request can meet."""

    def guards(self, *, now_ms: int | None = None) -> list[dict[str, Any]]:
        """Try each API's `waf` with attacks that it must refuse, and say which it let through, and why."""

    def evaluate(self, request: dict[str, Any], *, now_ms: int | None = None) -> dict[str, Any]:
        """Say what would become of a request, step by step."""

@final
class InProcess:
    """The gate's engine, for one application."""

    def __new__(
        cls,
        bundle: bytes,
        *,
        pepper: bytes = ...,
        apis: list[str] | None = None,
        listener: str | None = None,
    ) -> Self: ...
    def apply_facts(self, facts: list[bytes]) -> int:
        """Take facts in, and give the last one's number."""

    def put_key_set(self, keys: bytes) -> None:
        """Take an issuer's keys that were read from a file."""

    def contact(self) -> None:
        """Note that facts are complete as of now."""

    def keys(self) -> int:
        """Say how many API keys are known."""

    def begin(
        self,
        method: str,
        target: bytes,
        headers: Iterable[Sequence[bytes]],
        *,
        peer: str | None = None,
        old: bool = False,
        body: bool = False,
        now_ms: int | None = None,
        content: bytes | None = None,
    ) -> Call:
        """Judge a request's head. `body` is whether one may follow of which no header tells.

        `content` is the body, where it was wanted.
        """

    def wants(
        self,
        method: str,
        target: bytes,
        headers: Iterable[Sequence[bytes]],
        *,
        peer: str | None = None,
        old: bool = False,
        body: bool = False,
        now_ms: int | None = None,
    ) -> int | None:
        """Say how many bytes of the body are wanted at most before it can be said who calls, if any are."""

    def failed(self) -> Call:
        """Give a call for a request that could not even be shown to the engine."""

@final
class Call:
    """One request and its answer."""

    @property
    def id(self) -> str:
        """The request's id."""

    @property
    def api(self) -> str | None:
        """The API that it is for."""

    @property
    def route(self) -> str | None:
        """The pattern of the path that matched."""

    @property
    def version(self) -> str | None:
        """The version of the API that it asks for."""

    @property
    def operation(self) -> str | None:
        """The operation of the API's document that it is."""

    @property
    def client(self) -> str:
        """The client's address."""

    @property
    def failed_policies(self) -> bool:
        """Whether a policy could not decide."""

    @property
    def length(self) -> int | None:
        """The length that the head tells of the body."""

    @property
    def target(self) -> bytes | None:
        """Path and query, where they are not what arrived."""

    @property
    def watches(self) -> bool:
        """Whether a policy watches the body."""

    def identity(self) -> tuple[str, str, str, str | None, dict[str, Any]] | None:
        """Say who calls: owner, credential, what proved it, app, claims."""

    def answer(self) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        """Give the engine's own answer, once, where there is one: status, fields, body."""

    def fail(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Give the answer to an application, or an engine, that failed."""

    def errors(self) -> list[str]:
        """Say why policies could not decide."""

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Give the request's fields, as the application may see them."""

    def body(self, piece: bytes, end: bool) -> tuple[bytes | None, tuple[int, list[tuple[bytes, bytes]], bytes] | None]:
        """Show a piece of the body: what is left of it, and the answer given instead; neither if it passes as it is."""

    def edit(self, fields: Iterable[Sequence[bytes]]) -> list[tuple[bytes, bytes]]:
        """Make the changes that policies want in an answer's fields."""

    def account(self) -> dict[str, Any]:
        """Say what was decided, for the log."""

@final
class Plugins:
    """A process for plugins that engines without a gate share; it starts with the first question."""

    def __new__(cls, command: list[str], *, state_dir: str | PathLike[str] = ...) -> Self: ...

@final
class Replay:
    """A proposed bundle that judges what was."""

    def __new__(cls, bundle: bytes, *, before: dict[str, str] = ..., grants: dict[str, str] = ...) -> Self: ...
    def folder(
        self, directory: str | PathLike[str], *, after: str | None = None, filter: dict[str, Any] | None = None
    ) -> tuple[int, str, bool]:
        """Judge the next events of a folder: how many they were, where to go on, whether there is more."""

    def lines(self, text: bytes) -> int:
        """Judge events that come as lines of JSON, and say how many lines were none."""

    def summary(self) -> dict[str, Any]:
        """Say what became of all so far."""

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
        sockets: list[tuple[str, str, list[int]]] = ...,
        plugin_command: list[str] = ...,
        closed: bool = False,
    ) -> Self: ...
    def let_in(self) -> bool:
        """Let clients in by the last good bundle, where a gate that began `closed` has none yet; whether it was so."""

    def load(self, signed: bytes) -> dict[str, Any]:
        """Serve by this bundle; where it is refused, the old one goes on."""

    def apply_facts(self, facts: list[bytes]) -> int:
        """Take facts in, and give the last one's number."""

    def secure_listeners(self) -> list[str]:
        """Names of the listeners that speak TLS."""

    def put_certificates(self, text: bytes) -> None:
        """Take certificates and challenges (JSON) in the place of those before; at work when it returns."""

    def renew_secrets(self) -> bool:
        """Put secrets to work whose files have changed; whether there were any."""

    def facts_seq(self) -> int:
        """Give the last fact's number."""

    def bundle_info(self) -> dict[str, Any] | None:
        """Say which bundle is served."""

    def key_uses(self, most: int) -> list[tuple[str, int, bool]]:
        """Tell up to `most` uses of API keys for the first time: id, hour, whether by the secret before."""

    def wishes(self) -> list[str]:
        """Take the issuers whose keys are wanted anew."""

    def wishes_fd(self) -> int:
        """Give a descriptor that can be read while there are wishes."""

    def refetched(self, issuer: str) -> None:
        """Note that an issuer's keys were looked for, whatever was found."""

    def questions(self) -> list[tuple[str, str, list[bytes]]]:
        """Take the certificates that responders are to be asked about: answer's name, rules, what was shown (DER)."""

    def questions_fd(self) -> int:
        """Give a descriptor that can be read while there are questions."""

    def answered(self, question: str, standing: str, again_ms: int, holds_ms: int) -> bool:
        """Note what came of a question; false where it could not be understood."""

    def introspections(self) -> list[tuple[str, str, str, str | None]]:
        """Take the tokens that issuers are to be asked about: answer's name, issuer, token, where it came from."""

    def introspections_fd(self) -> int:
        """Give a descriptor that can be read while there are any."""

    def introspected(
        self, question: str, issuer: str, outcome: str, *, answer: str | None = None, retry_s: int = 1
    ) -> bool:
        """Note what came of one: `answered`, `unavailable` or `busy`; false where it could not be understood."""

    def orders(self) -> list[tuple[str, str, str, str, str]]:
        """Take the sessions to renew and tokens to get: name, what, about whom, of whom, what is shown."""

    def orders_fd(self) -> int:
        """Give a descriptor that can be read while there are any."""

    def brought(
        self,
        order: str,
        goods: str,
        about: str,
        outcome: str,
        *,
        got: str | None = None,
        until_ms: int = 0,
        retry_s: int = 1,
    ) -> bool:
        """Note what came of one: `got`, `refused`, `unavailable` or `busy`; false where it could not be understood."""

    def linked(self) -> None:
        """Have everything told again that was not answered: another control process is there."""

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

    def sockets(self) -> list[tuple[str, str, list[int]]]:
        """Give the listening sockets once more, for the gate that comes after; the caller closes them."""

    def release(self) -> None:
        """Let go of the files that only one gate may write, and serve on."""

    def reclaim(self) -> None:
        """Take the files back that `release` let go of."""

    def retire(self, rest_s: float, timeout_s: float) -> bool:
        """Drain, but for `rest_s` seconds tell a resting connection with its next answer only."""

    def adopt(self) -> bool:
        """Take the events that a retired gate has written; whether none still writes."""

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
