"""Runs the cases of tables through the gate's engine."""

from __future__ import annotations

import difflib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from lockgate._native import Engine, LockgateError, Plugins, access
from lockgate.config.model_sign_in import SignIn
from lockgate.plugin.launch import COMMAND
from lockgate.rehearsal.asked import Explanation, NoListenerError, arrives_at, explanation, other_methods
from lockgate.rehearsal.certificates import asks, thumbprint
from lockgate.rehearsal.certificates import made as made_certificate
from lockgate.rehearsal.credentials import PEPPER, CaseError, ScratchKeys, api_of, key_headers
from lockgate.rehearsal.devices import standing
from lockgate.rehearsal.model import Case, Expect, Key, Token
from lockgate.rehearsal.people import known, signed_in
from lockgate.rehearsal.read import Read
from lockgate.rehearsal.signers import Fields, ScratchSigners
from lockgate.rehearsal.tokens import Prover, ScratchTokens, taken_by

HOST_UNSAID: Final = "localhost"

LOOKED_AT: Final[Mapping[str, Callable[[Explanation], object]]] = {
    "verdict": lambda told: told["verdict"],
    "reason": lambda told: (told["reason"] or {}).get("code"),
    "code": lambda told: (told["reason"] or {}).get("own"),
    "status": lambda told: told["status"],
    "api": lambda told: (told["route"] or {}).get("api"),
    "route": lambda told: (told["route"] or {}).get("pattern"),
    "operation": lambda told: ((told["route"] or {}).get("operation") or {}).get("name"),
    "upstream": lambda told: (told["upstream"] or {}).get("name"),
    "target": lambda told: (told["upstream"] or {}).get("target"),
    "location": lambda told: told["location"],
    "owner": lambda told: (told["identity"] or {}).get("owner"),
}
"""Where an explanation says what a case may expect."""


@dataclass(frozen=True, slots=True)
class Miss:
    """Something that came out otherwise than expected."""

    field: str
    expected: object
    found: object

    @property
    def words(self) -> str:
        """The two, for a person."""
        found = "none" if self.found is None else self.found
        if self.field == "verdict":
            return f"expected `{self.expected}`, but the verdict is `{found}`"
        hint = ""
        if self.field in {"api", "route", "upstream"} and isinstance(self.found, str):
            close = difflib.get_close_matches(str(self.expected), [self.found], n=1, cutoff=0.7)
            hint = " (a slip?)" if close else ""
        return f"expected {self.field} `{self.expected}`, but it is `{found}`{hint}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case."""

    read: Read
    misses: list[Miss]
    explained: Explanation | None
    """What the engine said, of the last time where it was sent more than once."""
    broken: str | None = None
    """Why it could not be sent at all."""
    broken_at: tuple[str, ...] = ("request",)
    """Where in the case that is."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.misses and self.broken is None


@dataclass(slots=True)
class Run:
    """A configuration, and the tables that it is held against."""

    bundle: Mapping[str, Any]
    cases: Sequence[Read]
    sign_in: Mapping[str, SignIn] = field(default_factory=dict)
    """The ways to sign in: of one that is not here, sessions may say anything."""
    explained: list[Explanation] = field(default_factory=list)
    """Everything that the engine said, for coverage; of a case that is repeated the first and the last."""

    def __iter__(self) -> Iterator[Result]:
        """Run each case, in the order of the tables."""
        keys = ScratchKeys()
        made = [keys.make(one.case.key) if one.case.key is not None else None for one in self.cases]
        with tempfile.TemporaryDirectory(prefix="lockgate-test-") as folder:
            tokens = ScratchTokens(self.bundle, Path(folder))
            facts = [*keys.facts, *tokens.facts(len(keys.facts), self._wanted_tokens())]
            yield from self._results(made, facts, tokens, ScratchSigners(Path(folder)))

    def _wanted_tokens(self) -> list[Token]:
        return [one.case.token for one in self.cases if one.case.token is not None]

    def _results(
        self, keys: Sequence[str | None], facts: list[bytes], tokens: ScratchTokens, signers: ScratchSigners
    ) -> Iterator[Result]:
        text = json.dumps(signers.instead(tokens.instead(self.bundle))).encode()
        # One process for them all: starting one takes longer than a hundred cases.
        plugins = Plugins(list(COMMAND)) if self.bundle.get("plugins") is not None else None

        def engine() -> Engine:
            return Engine(text, facts=facts, pepper=PEPPER, plugins=plugins)

        shared = engine()
        counts = any(_counts(api) for api in self.bundle["apis"])
        for one, key in zip(self.cases, keys, strict=True):
            began = time.perf_counter()
            try:
                # What is counted by the engine must not reach from one case into the next.
                told = self._told(engine() if counts or one.case.repeat > 1 else shared, one, key, (tokens, signers))
            except CaseError as error:
                yield Result(one, [], None, broken=str(error), broken_at=error.path)
                continue
            except LockgateError as error:
                yield Result(one, [], None, broken=str(error))
                continue
            yield Result(one, missed(one.case.expect, told), told, seconds=time.perf_counter() - began)

    def outline(self) -> list[dict[str, Any]]:
        """What a request can meet of this configuration."""
        with tempfile.TemporaryDirectory(prefix="lockgate-test-") as folder:
            bundle = ScratchTokens(self.bundle, Path(folder)).instead(self.bundle)
            return Engine(json.dumps(ScratchSigners(Path(folder)).instead(bundle)).encode()).outline()

    def parts(self) -> list[dict[str, Any]]:
        """Who may call what under this configuration."""
        return access(json.dumps(self.bundle).encode())

    def _told(
        self, engine: Engine, one: Read, key: str | None, scratch: tuple[ScratchTokens, ScratchSigners]
    ) -> Explanation:
        tokens, signers = scratch
        request = request_of(one)
        try:
            listener = arrives_at(self.bundle, one.case.request[1], request["listener"])
        except NoListenerError as error:
            raise CaseError(str(error), "listener") from error
        request["listener"] = listener["name"]
        self._check_key(one.case.key)
        at = one.case.at if one.case.at is not None else one.defaults.at
        now = at if at is not None else time.time_ns() // 1_000_000
        if one.case.certificate is not None:
            if not asks(self.bundle, request["listener"]):
                raise CaseError(
                    "the listener asks no client for a certificate; see its `tls.client_certificates`", "certificate"
                )
            request["certificate"] = made_certificate(one.case.certificate, now)
        request["device"] = standing(one.case.device)
        request["others"] = one.case.others
        request["decision"] = one.case.decision.told() if one.case.decision is not None else None
        prover = self._carry(engine, one, key, request, tokens, now)
        told: Explanation = {}
        for number in range(one.case.repeat):
            at = now + number * one.case.every
            more = [("DPoP", prover.proof(at))] if prover is not None else []
            more += self._signed(engine, one, signers, request, at)
            told = engine.evaluate({**request, "headers": [*request["headers"], *more]}, now_ms=at)
            if number == 0 or number == one.case.repeat - 1:
                self.explained.append(told)
        self._check_elsewhere(one.case, told)
        return explanation(told, listener, request, other_methods(engine, self.bundle, request, told))

    def _carry(
        self, engine: Engine, one: Read, key: str | None, request: dict[str, Any], tokens: ScratchTokens, now: int
    ) -> Prover | None:
        """Puts the case's credentials into the request; what proves that a token is the caller's, where it must be."""
        case = one.case
        if key is None and case.token is None and case.session is None and case.basic is None:
            return None
        # Which header carries it, the API says; so the API is asked for first.
        asked = engine.evaluate({**request, "body": None}, now_ms=now)
        route = asked["route"]
        if route is None:
            return None
        lasts = case.repeat * case.every
        if key is not None:
            names = key_headers(self.bundle, route)
            if not names:
                raise CaseError(f"the API `{route['api']}` takes no keys; see its `authenticate`", "key")
            request["headers"] += [(name, key) for name in names]
        if case.session is not None:
            request["headers"] = signed_in(case.session, self.bundle, route, request, now, lasts, self.sign_in)
        if case.basic is not None:
            person = known(case.basic, self.bundle, route)
            engine.hear(person.issuer, person.credential.encode(), json.dumps(person.answer).encode())
            request["headers"].append(("Authorization", f"Basic {person.credential}"))
        if case.token is None:
            return None
        taken = taken_by(self.bundle, route, case.token)
        bound = _bound(taken.bound, request.get("certificate"))
        prover: Prover | None = None
        if "dpop" in taken.bound and bound is None:
            prover = Prover()
            bound = prover.bound
        if taken.opaque:
            made, answer = tokens.make_opaque(case.token, taken, now, lasts_ms=lasts, bound=bound)
            engine.hear(taken.issuer, made.encode(), json.dumps(answer).encode())
        else:
            made = tokens.make(case.token, taken.issuer, now, lasts_ms=lasts, bound=bound)
        if prover is not None:
            prover.proves(made, asked["request"], self._scheme(request["listener"]))
            taken = taken._replace(before=taken.before.replace("Bearer", "DPoP"))
        request["headers"].append((taken.header, taken.before + made))
        return prover

    def _signed(self, engine: Engine, one: Read, signers: ScratchSigners, request: dict[str, Any], at: int) -> Fields:
        """What signs the request, made anew each time that it is sent."""
        signature, webhook = one.case.signature, one.case.webhook
        if signature is None and webhook is None:
            return []
        route = engine.evaluate({**request, "body": None}, now_ms=at)["route"]
        made: Fields = []
        if route is not None and signature is not None:
            asked = (self.bundle, route, self._scheme(request["listener"]), request)
            made += signers.sign(signature, asked, at)
        if route is not None and webhook is not None:
            made += signers.deliver(webhook, (self.bundle, route, request), at)
        return made

    def _scheme(self, listener: str) -> str:
        """What clients of a listener speak."""
        (named,) = (item for item in self.bundle["listeners"] if item["name"] == listener)
        return "http" if named["tls"] is None else "https"

    def _check_key(self, key: Key | None) -> None:
        if key is None:
            return
        names = {api["name"] for api in self.bundle["apis"]}
        for name in key.apis or ():
            if name not in names:
                raise CaseError(f"the key opens `{name}`, but there is no such API{_meant(name, names)}", "key", "apis")
        programs = {one["name"] for one in (self.bundle.get("apps") or {"named": []})["named"]}
        if key.app is not None and key.app not in programs:
            words = f"the key is of `{key.app}`, but `apps` names no such program{_meant(key.app, programs)}"
            raise CaseError(words, "key", "app")

    def _check_elsewhere(self, case: Case, told: Explanation) -> None:
        """Refuse what is stated of somebody whom the API does not ask."""
        api = api_of(self.bundle, told["route"]) if told["route"] is not None else None
        if "device" in case.model_fields_set and api is not None and api["policies"].get("device") is None:
            words = f"the API `{api['name']}` asks about no device: take this out, or say `device` there"
            raise CaseError(words, "device")
        if case.decision is not None and api is not None and not api["policies"].get("decide"):
            words = f"the API `{api['name']}` asks no decision point: take this out, or say `decide` in its `authorize`"
            raise CaseError(words, "decision")
        if case.others and api is not None and not api["policies"].get("users"):
            words = f"the API `{api['name']}` has no cap on users: take this out, or say `users` in its `authorize`"
            raise CaseError(words, "others")


def _bound(ways: Sequence[str], certificate: bytes | None) -> dict[str, str] | None:
    """What a token says that it is bound to, where that is the certificate that the case shows (RFC 8705)."""
    if "mtls" not in ways or certificate is None:
        return None
    return {"x5t#S256": thumbprint(certificate)}


def _meant(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _counts(api: Mapping[str, Any]) -> bool:
    """Whether it has a policy that counts."""
    policies = api["policies"]
    return any(policies.get(room) for room in ("limits", "penalty", "users", "enumeration"))


def request_of(one: Read) -> dict[str, Any]:
    """The case's request as the engine takes it, without its credential."""
    case, defaults = one.case, one.defaults
    method, url = case.request
    target, host = url, None
    if "://" in url:
        host = urlsplit(url).netloc
        target = url.partition("://")[2][len(host) :] or "/"
        target = f"/{target}" if target.startswith("?") else target
    headers = [*_pairs(defaults.headers, besides=case.headers), *_pairs(case.headers)]
    named = {name.lower() for name, _ in headers}
    body = body_of(case)
    if host is not None and "host" in named:
        # A gate takes the two only where they agree; here one of them would be looked at by nobody.
        raise CaseError("the URL names a host, and so does a `Host` header: keep one of them", "request")
    if "host" not in named:
        headers.insert(0, ("Host", host or case.host or defaults.host or HOST_UNSAID))
    if case.json_ is not None and "content-type" not in named:
        headers.append(("Content-Type", "application/json"))
    return {
        "method": method,
        "target": target,
        "headers": headers,
        "peer": case.peer or defaults.peer,
        "listener": case.listener or defaults.listener,
        "body": body,
    }


def missed(expect: Expect, told: Explanation) -> list[Miss]:
    """What of the expectation did not come about, the verdict first."""
    wanted = {name: value for name in LOOKED_AT if (value := getattr(expect, name)) is not None}
    if "reason" in wanted or "code" in wanted:
        wanted.setdefault("verdict", "deny")
    found = {name: LOOKED_AT[name](told) for name in wanted}
    return [
        Miss(name, wanted[name], found[name]) for name in LOOKED_AT if name in wanted and wanted[name] != found[name]
    ]


def _pairs(headers: Mapping[str, Iterable[str]], *, besides: Iterable[str] = ()) -> list[tuple[str, str]]:
    left = {name.lower() for name in besides}
    return [(name, value) for name, values in headers.items() if name.lower() not in left for value in values]


def body_of(case: Case) -> bytes | None:
    """What the case sends."""
    if case.bytes is not None:
        return b"x" * case.bytes
    if case.json_ is not None:
        return json.dumps(case.json_, separators=(",", ":"), ensure_ascii=False).encode()
    return case.body.encode() if case.body is not None else None
