"""A table of cases from who may call what: each role and each operation, with the verdict that the engine gives."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from lockgate._native import access
from lockgate.config.model_sign_in import SignIn
from lockgate.rehearsal.callers import Caller, callers
from lockgate.rehearsal.credentials import api_of
from lockgate.rehearsal.read import read
from lockgate.rehearsal.run import HOST_UNSAID, Result, Run

HEAD: Final = """\
# Who may call what: `lockgate test` fails where that changes.
# Written by `lockgate access matrix --tests` from the configuration as it stood. After a change that you meant, write
# it anew, and read the difference.
version: 1

"""
MAX_CASES: Final = 20_000
"""Room for a hundred roles and two hundred operations; whoever has more writes a table for each API."""
NO_CREDENTIAL: Final = "no credential"
NO_ROLE: Final = "no role"

Part = Mapping[str, Any]
Bundle = Mapping[str, Any]


class TooManyCasesError(ValueError):
    """There would be more cases than anybody reads; the message says what to do."""


class Drafted(NamedTuple):
    """A case that is to be run."""

    name: str
    part: Part
    caller: Caller | None
    listener: str | None

    def text(self, expect: str) -> str:
        """As it stands in a table."""
        request = self.part["request"]
        headers = dict(request["headers"])
        host = headers.pop("Host", HOST_UNSAID)
        said: dict[str, Any] = {"request": f"{request['method']} {request['target']}"}
        said |= {"host": host} if host != HOST_UNSAID else {}
        said |= {"headers": headers} if headers else {}
        said |= {"listener": self.listener} if self.listener is not None else {}
        said |= self.caller.as_case() if self.caller is not None else {}
        lines = [f"    {key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in said.items()]
        return f"  - name: {json.dumps(self.name, ensure_ascii=False)}\n{''.join(lines)}    expect: {expect}\n"


@dataclass(slots=True)
class People:
    """Callers of one API, or of one route of it."""

    api: Bundle
    parts: list[Part]
    roles: dict[str, list[Caller]] = field(default_factory=dict)
    """Of each role those that the engine takes for somebody who has it."""
    known: list[Caller] = field(default_factory=list)
    """Somebody of no role."""


@dataclass(slots=True)
class RoleTable:
    """Writes the table of a bundle."""

    bundle: Bundle
    sign_in: Mapping[str, SignIn] = field(default_factory=lambda: MappingProxyType({}))
    only: str | None = None
    """The API that alone is written of."""
    missing: list[str] = field(default_factory=list)
    """Of whom no caller could be made up, in words."""
    count: int = 0
    """The cases that were written."""

    def text(self) -> str:
        """The table; raises `TooManyCasesError` where it would be too long."""
        parts = [part for part in access(json.dumps(self.bundle).encode()) if self.only in {None, part["api"]}]
        reached = [part for part in parts if part["request"] is not None]
        self.missing += [f"no request for {called(part)} could be made up" for part in parts if part["request"] is None]
        drafted = [case for people in self._people(reached) for case in self._cases(people)]
        if len(drafted) > MAX_CASES:
            words = f"{len(drafted)} cases would be too many to read (at most {MAX_CASES})"
            raise TooManyCasesError(f"{words}: write a table for each API, with `--api NAME`")
        texts = []
        for case, result in self._run(drafted):
            if (told := result.explained) is None:
                self.missing.append(f"{case.name}: {result.broken}")
                continue
            reason = told["reason"]
            texts.append(case.text(told["verdict"] if reason is None else reason["code"]))
        self.count = len(texts)
        notes = "".join(f"# No case: {' '.join(words.split())}\n" for words in dict.fromkeys(self.missing))
        return HEAD + notes + ("\n" if notes else "") + ("cases:\n" if texts else "cases: []\n") + "".join(texts)

    def _people(self, parts: Sequence[Part]) -> list[People]:
        """The callers of each API; a role has those whom the engine takes for somebody who has it."""
        of: dict[tuple[str, str | None], People] = {}
        for part in parts:
            if (api := api_of(self.bundle, {"api": part["api"], "route": part["route"]})) is not None:
                of.setdefault((part["api"], part["route"]), People(api, [])).parts.append(part)
        probes: list[tuple[Drafted, Caller, People, str]] = []
        for people in of.values():
            people.known = list(callers(people.api, ()))
            for role in self.bundle["roles"] if people.api["policies"].get("roles") else ():
                probes += [(*probe, people, role["name"]) for probe in _probes(people, role)]
        results = self._run([probe._replace(name=str(number)) for number, (probe, *_) in enumerate(probes)])
        for (probe, caller, people, role), (_, result) in zip(probes, results, strict=True):
            there = people.roles.setdefault(role, [])
            if caller not in there and _is(result, role, probe.part):
                there.append(caller)
        for people in of.values():
            self._note(people)
        return list(of.values())

    def _note(self, people: People) -> None:
        """Says of whom there is nobody."""
        name = f"{people.api['name']}.{people.api['route']}" if people.api["route"] else people.api["name"]
        if people.api["policies"]["authenticate"] and not people.known:
            self.missing.append(f"{name} takes no token, session, password or key that a case could bring")
            return
        for role in self.bundle["roles"] if people.api["policies"].get("roles") else ():
            if role["who"] and not people.roles.get(role["name"]):
                self.missing.append(f"of the role {role['name']} no caller of {name} can be made up offline")

    def _cases(self, people: People) -> Iterator[Drafted]:
        for part in people.parts:
            listener = listener_of(self.bundle, part)
            what = called(part)
            yield Drafted(f"{NO_CREDENTIAL}: {what}", part, None, listener)
            everyone = {NO_ROLE: people.known, **people.roles}
            for role, those in everyone.items():
                if those:
                    yield Drafted(f"{role}: {what}", part, _scoped(part, those[0]), listener)
            yield from _of_scopes(part, what, everyone, listener)

    def _run(self, drafted: Sequence[Drafted]) -> list[tuple[Drafted, Result]]:
        return list(zip(drafted, run_drafted(self.bundle, drafted, self.sign_in), strict=True))


def run_drafted(bundle: Bundle, drafted: Sequence[Drafted], sign_in: Mapping[str, SignIn]) -> list[Result]:
    """What comes of each case; their names have to differ."""
    if not drafted:
        return []
    with tempfile.TemporaryDirectory(prefix="lockgate-test-") as folder:
        table = Path(folder) / "lockgate.tests.yaml"
        table.write_text(HEAD + "cases:\n" + "".join(case.text("allow") for case in drafted), encoding="utf-8")
        return list(Run(bundle, read([table]), sign_in))


def listener_of(bundle: Bundle, part: Part) -> str | None:
    """Where a part's request arrives, where that is not the first listener."""
    named: str | None = part["request"]["listener"]
    return named if named != bundle["listeners"][0]["name"] else None


def called(part: Part) -> str:
    """A part of an API, for people."""
    what = f"{part['method']} {part['path']}"
    if part["operation"] not in {None, what}:
        what = f"{part['operation']} ({what})"
    more = "".join(f" {part[key]}" for key in ("route", "version") if part[key] is not None)
    return f"{what} of {part['api']}{more}"


def _probes(people: People, role: Mapping[str, Any]) -> Iterator[tuple[Drafted, Caller]]:
    """Candidates for somebody who has a role, each with what shows whether they are."""
    opened = [part for part in people.parts if _opens(part, role["name"])]
    for caller in (one for who in role["who"] for one in callers(people.api, who)):
        # What takes no such credential shows nothing of this one.
        fitting = [part for part in opened if _scopes(part, caller) is not None]
        for part in (fitting or opened or people.parts)[:1]:
            yield Drafted("", part, _scoped(part, caller), None), caller


def _of_scopes(
    part: Part, what: str, everyone: Mapping[str, Sequence[Caller]], listener: str | None
) -> Iterator[Drafted]:
    """Cases that tell what scopes do: somebody who may by their role, without them and with each that is enough."""
    ways = [way for rule in _rules(part, "scopes") for way in rule["ways"] if way["fits"]]
    roles = [role for rule in _rules(part, "roles") for role in rule["roles"]]
    able = [(one["role"], caller) for one in roles for caller in everyone.get(one["role"], ())]
    able = able if roles else [(NO_ROLE, caller) for caller in everyone[NO_ROLE]]
    if not ways or not able:
        return
    able_first = dict(reversed(able)).items()
    scoped = next(((role, caller) for role, caller in able if _scopes(part, caller)), None)
    if scoped is not None:
        yield Drafted(f"{scoped[0]} without scopes: {what}", part, scoped[1], listener)
    # What the cases of roles have shown already.
    told = [_way(part, caller) for _, caller in able_first]
    for way in ways:
        role, caller = next(((role, caller) for role, caller in able if _meets(way, caller)), (None, None))
        if caller is not None and way not in told:
            scopes = [scope for shown in way["all"] for scope in shown["scopes"]]
            yield Drafted(f"{role} with {way['words']}: {what}", part, caller.with_scopes(scopes), listener)


def _is(result: Result, role: str, part: Part) -> bool:
    """Whether the engine takes the caller for somebody who has the role."""
    told = result.explained
    if told is None or told["identity"] is None:
        return False
    if not _opens(part, role):
        return True
    said = [step for step in told["steps"] if step["policy"] == "roles"]
    enforced = any(rule["mode"] == "enforce" for rule in _rules(part, "roles"))
    return any(step["verdict"] == "allow" and (f"role {role}" in step["grounds"] or not enforced) for step in said)


def _opens(part: Part, role: str) -> bool:
    return any(one["role"] == role for rule in _rules(part, "roles") for one in rule["roles"])


def _rules(part: Part, policy: str) -> list[Any]:
    return [rule for rule in part["rules"] if rule["policy"] == policy and rule["mode"] != "off"]


def _scoped(part: Part, caller: Caller) -> Caller:
    """The caller with the scopes that the part asks for, so that it is the role that decides."""
    return caller.with_scopes(_scopes(part, caller) or ())


def _scopes(part: Part, caller: Caller) -> list[str] | None:
    """Scopes that are enough of a caller's credential; nothing where none are."""
    way = _way(part, caller)
    if way is None:
        return None if _rules(part, "scopes") else []
    return [scope for shown in way["all"] for scope in shown["scopes"]]


def _way(part: Part, caller: Caller) -> Mapping[str, Any] | None:
    """The first of what is enough that the caller's credential can meet."""
    ways = (way for rule in _rules(part, "scopes") for way in rule["ways"] if _meets(way, caller))
    return next(ways, None)


def _meets(way: Mapping[str, Any], caller: Caller) -> bool:
    return all(shown["ways"] is None or caller.way in shown["ways"] for shown in way["all"])
