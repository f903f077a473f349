"""The engine of one application: loaded like a gate's, and asked for each request."""

from __future__ import annotations

import difflib
import json
import logging
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lockgate import _native
from lockgate.inprocess.facts import Keeper, KeyFiles, StoredFacts

if TYPE_CHECKING:
    from lockgate.config import KeyOrigin, Loaded

STATE_VARIABLE: Final = "LOCKGATE_STATE"

Own = tuple[int, list[tuple[bytes, bytes]], bytes]
"""An answer of the engine's own: status, fields, body."""

log = logging.getLogger("lockgate")


class Engine:
    """Judges an application's requests. One for each process is enough, whatever threads it has."""

    def __init__(
        self,
        config: str | os.PathLike[str],
        *,
        api: str | Sequence[str] | None = None,
        state: str | os.PathLike[str] | None = None,
        listener: str | None = None,
    ) -> None:
        """Load the configuration, and the keys that it needs; raises what is wrong with either."""
        loaded = _loaded(Path(config))
        bundle = loaded.compile(0, 0)
        if not loaded.document.says("facts", "then"):
            # No control process can be away: what is not read for so long is out of order.
            bundle["facts"]["then"] = "deny"
        names = None if api is None else [api] if isinstance(api, str) else list(api)
        _known("API", names or (), {one["name"] for one in bundle["apis"]})
        _known("listener", [] if listener is None else [listener], {one["name"] for one in bundle["listeners"]})
        wanting, origins = _needs(bundle, names, loaded.key_origins)
        # Where nothing of an installation is wanted, nothing may hold that anybody could have made.
        stored, pepper = None, os.urandom(32)
        if wanting or any(origin.kind != "file" for origin in origins):
            stored, pepper = _stored(Path(config), state, _why(wanting, origins))
        self.native = _native.InProcess(json.dumps(bundle).encode(), pepper=pepper, apis=names, listener=listener)
        files = [origin for origin in origins if origin.kind == "file"]
        self._keeper = Keeper(self.native, stored, KeyFiles(files)) if stored is not None or files else None
        if self._keeper is not None:
            self._keeper.refresh()
            weakref.finalize(self, self._keeper.stop)

    def begin(
        self,
        method: str,
        target: bytes,
        headers: Iterable[Sequence[bytes]],
        *,
        peer: str | None,
        old: bool = False,
        body: bool = False,
        content: bytes | None = None,
    ) -> tuple[_native.Call, Own | None]:
        """Judge a request's head; with the answer, where the engine gives it.

        `body` is whether one may follow of which no header tells, `content` the body
        where `wants` asks for it. Whatever fails here refuses the request.
        """
        if self._keeper is not None and not self._keeper.running:
            self._keeper.start()
        try:
            call = self.native.begin(method, target, headers, peer=peer, old=old, body=body, content=content)
        except Exception:
            log.exception("the engine failed, so the request is refused")
            call = self.native.failed()
            return call, call.fail()
        own = call.answer()
        if own is not None:
            self.note(call)
        elif call.failed_policies:
            self._note_errors(call)
        return call, own

    def wants(
        self,
        method: str,
        target: bytes,
        headers: Iterable[Sequence[bytes]],
        *,
        peer: str | None,
        old: bool = False,
        body: bool = False,
    ) -> int | None:
        """How many bytes of the body are wanted at most before it can be said who calls; nothing for nearly all."""
        try:
            return self.native.wants(method, target, headers, peer=peer, old=old, body=body)
        except Exception:
            # Without the body a policy that wants it refuses.
            log.exception("the engine failed to say whether it wants the body")
            return None

    def note(self, call: _native.Call) -> None:
        """Write down that a request was refused."""
        self._note_errors(call)
        told = call.account()
        if told["reason"] is None:
            return  # A policy answered, such as a preflight or a redirect.
        level = logging.ERROR if told["status"] == 500 else logging.INFO
        log.log(
            level,
            "refused %s %s by %s (%s): %s %s from %s, request %s",
            told["status"],
            told["reason"],
            told["policy"],
            told["place"] or "built in",
            told["method"],
            told["path"],
            told["client"],
            told["request_id"],
            extra={"lockgate": told},
        )

    def _note_errors(self, call: _native.Call) -> None:
        for error in call.errors() if call.failed_policies else ():
            log.error("%s (request %s)", error, call.id)


def _loaded(config: Path) -> Loaded:
    from lockgate.config import ConfigErrors, load
    from lockgate.config.render import Renderer

    try:
        loaded = load(config)
    except ConfigErrors as refused:
        # Shown below the traceback, as `lockgate check` shows it.
        for text in Renderer().problems(refused.errors):
            refused.add_note(text)
        raise
    for warning in loaded.warnings:
        log.warning("%s: %s", warning.place, warning.message)
    return loaded


def _known(what: str, wanted: Iterable[str], there: set[str]) -> None:
    for name in wanted:
        if name not in there:
            close = difflib.get_close_matches(name, there, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(sorted(there))}"
            raise ValueError(f"the configuration has no {what} {name!r}{hint}")


def _for_a_gate(api: Mapping[str, Any]) -> None:
    """Refuse what a gate alone can do."""
    if api["policies"].get("device") is not None:
        raise ValueError(
            f"the API {api['name']!r} asks from which device it is called (`device`), which a control process "
            "knows for gates: run a gate before the application"
        )
    objects = api["policies"].get("objects")
    if objects is not None and any("answer" in rule["whose"] for rule in objects["config"]["rules"]):
        raise ValueError(
            f"the API {api['name']!r} has a rule of `objects` that looks at answers (`response`), which a gate "
            "holds until it is known whose they are: run a gate before the application"
        )
    if api["policies"].get("decide"):
        raise ValueError(
            f"the API {api['name']!r} asks a decision point (`decide`), which a gate does: run a gate before the "
            "application"
        )
    if api["policies"].get("minimise") is not None:
        raise ValueError(
            f"the API {api['name']!r} cuts fields out of answers (`minimise`), which a gate does before they go "
            "out: run a gate before the application"
        )
    properties = api["policies"].get("properties")
    if properties is not None and any(rule["drop"] for rule in properties["config"]["rules"]):
        raise ValueError(
            f"the API {api['name']!r} has a rule of `properties` that leaves fields out of bodies (`otherwise: "
            "drop`), which a gate does: run a gate before the application, or refuse such bodies"
        )


def _needs(
    bundle: Mapping[str, Any], names: Sequence[str] | None, origins: Iterable[KeyOrigin]
) -> tuple[list[str], list[KeyOrigin]]:
    """What APIs want of the installation, and the issuers whose published keys are wanted."""
    wanting: dict[str, None] = {}
    issuers: set[str] = set()
    for api in bundle["apis"]:
        if names is not None and api["name"] not in names:
            continue
        _for_a_gate(api)
        for way in api["policies"]["authenticate"]:
            if "introspection" in way:
                raise ValueError(
                    f"the API {api['name']!r} has an issuer asked about tokens (`introspection`), which a control "
                    "process does for gates: run a gate before the application, or take signed tokens (`jwt`)"
                )
            if "basic" in way:
                raise ValueError(
                    f"the API {api['name']!r} takes names and passwords (`basic`), which a control process looks at "
                    "for gates: run a gate before the application"
                )
            if "api_key" in way:
                wanting[f"the API {api['name']!r} wants API keys"] = None
            elif "session" in way:
                wanting[f"the API {api['name']!r} takes sessions, which are sealed under the installation's secret"] = (
                    None
                )
            elif "jwt" in way:
                issuers.add(way["jwt"]["config"]["issuer"])
            elif "signature" in way and way["signature"]["config"]["issuer"] is not None:
                issuers.add(way["signature"]["config"]["issuer"])
    return list(wanting), [origin for origin in origins if origin.name in issuers]


def _why(wanting: Sequence[str], origins: Sequence[KeyOrigin]) -> str:
    if wanting:
        return wanting[0]
    fetched = next(origin for origin in origins if origin.kind != "file")
    return (
        f"the keys of the issuer {fetched.name!r} are fetched by the control process (`jwks: {{file: …}}` needs none)"
    )


def _stored(config: Path, state: str | os.PathLike[str] | None, why: str) -> tuple[StoredFacts, bytes]:
    """What the state folder knows, and the secret under which it knows keys."""
    from lockgate.state import DEFAULT_STATE_DIR, StateError, StateFolder

    given = state if state is not None else os.environ.get(STATE_VARIABLE) or config.parent / DEFAULT_STATE_DIR
    folder = Path(given)
    if not folder.is_dir():
        raise StateError(
            f"{why}, and there is no state folder {folder.absolute()}: `lockgate keys create` or `lockgate run` makes "
            f"it, or name the one that there is: Middleware(app, state=…) or {STATE_VARIABLE}"
        )
    existing = StateFolder.existing(folder)
    if existing.enrolment_file.exists():
        raise StateError(
            f"{why}, and {existing.root} belongs to a gate of another machine's control process, which has the keys: "
            "run a gate before the application, or name a folder of this machine's own"
        )
    if not existing.database.is_file():
        raise StateError(f"{why}, and {existing.root} has no keys yet: `lockgate keys create` makes the first")
    return StoredFacts(existing), existing.pepper()
