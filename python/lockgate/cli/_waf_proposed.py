"""The plan of `lockgate waf exclude`: what is proposed, what it would let in, and the file as it would be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lockgate.cli._report import leave, load_or_exit, tables
from lockgate.cli._waf_event import Asked, elsewhere, of_api

if TYPE_CHECKING:
    from lockgate.config import Loaded
    from lockgate.config.exclusions import Written
    from lockgate.rehearsal.waf.probe import Tried
    from lockgate.rehearsal.waf.proposal import Exclusion, Said, Unblocked, Unit
    from lockgate.rehearsal.waf.setup import Cure


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was told."""

    rules: frozenset[str]
    at: str | None
    requests: str | None
    every_request: bool
    broad: bool
    since: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is proposed, and what it comes to."""

    told: Asked
    loaded: Loaded
    config: Path
    settings: tuple[Cure, ...]
    """What to set in place of exclusions: then a whole kind of request is what the API takes."""
    exclusions: tuple[Exclusion, ...]
    already: tuple[Said, ...]
    unblocked: Unblocked
    tried: tuple[Tried, ...]
    since: str
    passes: bool
    """Whether the event's request would pass, by what the event tells."""
    looks: tuple[bool, bool]
    """Whether rules look there, and whether detectors do."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "id": self.told.event["id"],
            "api": self.told.event["api"],
            "setup": [one.as_json() for one in self.settings],
            "exclude": [one.as_json() for one in self.exclusions],
            "already": [{**one.exclusion.as_json(), "said_in": one.place} for one in self.already],
            "request_would_pass": self.passes,
            "recorded": {
                "judged_by": "events",
                "since": self.since,
                "refused": self.unblocked.refused,
                "would_pass": [event["id"] for event in self.unblocked.passing],
                "unclear": self.unblocked.unclear,
            },
            "attacks": [one.as_json() for one in self.tried],
        }

    def show(self) -> None:
        """As a person reads it."""
        from rich.markup import escape

        from lockgate.cli._waf_impact import attack_lines, recorded_lines, waf_line
        from lockgate.cli._waf_shown import setting_lines
        from lockgate.printable import printable
        from lockgate.rehearsal.waf.found import SCANNER, named

        console = tables()
        for said in self.already:
            there = f"in {escape(said.place)}, until {said.until}"
            console.print(f"[yellow]Said already[/] {there}: {waf_line(said.exclusion)}")
        api = escape(str(self.told.event["api"]))
        for cure in self.settings:
            console.print(
                f"[bold]To be set[/] for the API {api}, by hand: rule {cure.rule} holds requests against what is the "
                "API's to say"
            )
            for line in setting_lines(cure):
                console.print(f"  {line}", soft_wrap=True)
            placeless = any(one.rule == cure.rule and not one.places for one in self.told.inspected.findings)
            words = f"--rule {cure.rule}{' --broad' * placeless}"
            console.print(
                f"  [dim]For these requests alone: lockgate waf exclude {self.told.event['id']} {words}[/]",
                soft_wrap=True,
            )
        if not self.exclusions:
            if not self.passes:
                console.print("  [yellow]The request would still be refused: other findings count enough.[/]")
            return
        console.print(f"[bold]Proposed[/] for the API {api}")
        for one in self.exclusions:
            where = named(one.at) if one.at is not None else "every value"
            of = one.request or "every request"
            console.print(f"  {escape(one.rule)} leaves alone: {escape(printable(where))}, of {escape(printable(of))}")
        if any(one.rule == SCANNER for one in self.exclusions):
            console.print("  [yellow]Files there are not scanned any more: whatever malware comes there goes on.[/]")
        if not self.passes:
            console.print("  [yellow]The request would still be refused: other findings count enough.[/]")
        console.print()
        for line in recorded_lines(self.unblocked, self.since):
            console.print(line)
        console.print()
        for line in attack_lines(self.tried, self.looks):
            console.print(line)

    def written(self, owner: str, reason: str, until: dt.date) -> Written:
        """The file with the exclusions, checked: nothing else in the configuration means anything else."""
        from lockgate.cli._waf_exclude import entries
        from lockgate.config.exclusions import line, written
        from lockgate.config.splice import SpliceError

        added = entries(self.exclusions, owner, reason, until)
        api = str(self.told.event["api"])
        by_hand = "\n".join(f"  - {line(one)}" for one in added)
        try:
            change = written(self.loaded.document, api, added, _inherited(self.loaded, api))
        except SpliceError as error:
            leave(f"{error}: add this to `apis.{api}.waf.exclude` by hand:\n{by_hand}")
        _check(self.config, self.loaded, change, api, len(added), by_hand)
        return change


def proposed(told: Asked, config: Path, options: Options) -> Plan:
    """What would let the request pass; leaves where nothing can be proposed, or where it is too broad."""
    from lockgate.rehearsal.waf.found import about, waf_of
    from lockgate.rehearsal.waf.probe import probe
    from lockgate.rehearsal.waf.proposal import Exclusion, covered, exclusion, requests_like, unblocked, units
    from lockgate.rehearsal.waf.setup import cures

    since_ms = _checked(options)
    event, inspected = told.event, told.inspected
    api = str(event["api"])
    loaded = load_or_exit(config)
    bundle = loaded.compile(0, 0)
    placed = waf_of(bundle, api)
    if placed is None:
        leave(f"The API `{api}` has no `waf` in {config}: the event is another configuration's. Name it with --config.")
    known = about(bundle, placed, [one.rule for one in inspected.findings])
    settings = {} if options.rules else cures(inspected.findings, known, event, placed)
    wanted = _wanted(told, options, settings)
    set_ = [settings[rule] for rule in dict.fromkeys(unit.rule for unit in wanted) if rule in settings]
    cured = [unit for unit in wanted if unit.rule in settings]
    wanted = [unit for unit in wanted if unit.rule not in settings]
    request = None if options.every_request else options.requests or requests_like(event, told.bundle or bundle)
    every = [exclusion(unit, request) for unit in wanted]
    if options.at is not None:
        every = [Exclusion(one.rule, options.at, one.request) for one in every]
        _found_at(options.at, wanted)
    every = list(dict.fromkeys(every))
    _known_rules(every, bundle, placed)
    said = list(_said(loaded, api))
    now = dt.datetime.now(dt.UTC).date()
    already = [found for one in every if (found := covered(one, said, now)) is not None]
    new = [one for one in every if covered(one, said, now) is None]
    if not new and not set_:
        there = "\n".join(f"  {one.place}, until {one.until}" for one in already)
        leave(
            f"All of it is left alone already:\n{there}\nWhere the request is still refused, the gate has not taken "
            "the file up (`lockgate status`), or the exclusion is for other requests.",
            code=1,
        )
    if not options.broad and options.at is None:
        _unnamed(wanted)
    if not options.broad and (wide := next((one for one in new if one.broad is not None), None)) is not None:
        _too_broad(wide)
    method, path = str(event["method"]), str(event["path"])
    gone = [
        unit
        for unit in units(inspected)
        if any(one.leaves_alone(unit.rule, unit.place, method, path) for one in (*new, *(s.exclusion for s in already)))
    ]
    places = list(dict.fromkeys(unit.place for unit in gone if unit.place is not None))
    return Plan(
        told=told,
        loaded=loaded,
        config=config,
        settings=tuple(set_),
        exclusions=tuple(new),
        already=tuple(already),
        unblocked=unblocked(of_api(told.state, api, since_ms), new),
        tried=tuple(probe(bundle, placed, new, places, (method, path))) if new else (),
        since=options.since,
        passes=_passes(told, [*gone, *cured]),
        looks=(placed["config"]["set"] is not None, bool(placed["config"]["native"])),
    )


def _checked(options: Options) -> int:
    """What was asked for, read before anything takes time; leaves where it cannot be."""
    from lockgate._native import LockgateError, waf_leaves_alone
    from lockgate.cli._events import BadFilterError, moment_ms

    for option, at, request in (("--at", options.at, None), ("--requests", None, options.requests)):
        try:
            waf_leaves_alone("", "GET", "/", at=at, request=request)
        except LockgateError as wrong:
            leave(f"{option}: {wrong}")
    try:
        return moment_ms(options.since)
    except BadFilterError as wrong:
        leave(f"--since: {wrong}")


def _wanted(told: Asked, options: Options, settings: Container[str]) -> list[Unit]:
    from lockgate.rehearsal.waf.proposal import needed, units

    inspected = told.inspected
    if (decided := elsewhere(told)) is not None and not options.rules:
        leave(decided, code=1)
    if not options.rules:
        found = needed(inspected, settings)
        if not found:
            leave(
                f"Nothing refuses request {told.event['id']}: {inspected.arithmetic()}. Name what is to be left alone "
                "with --rule, if it is.",
                code=1,
            )
        return found
    there = [unit for unit in units(inspected) if unit.rule in options.rules]
    missing = options.rules - {unit.rule for unit in there}
    if missing:
        names = ", ".join(dict.fromkeys(unit.rule for unit in units(inspected))) or "nothing"
        leave(f"--rule: {', '.join(sorted(missing))} found nothing that counts in this request; what did: {names}.")
    return there


def _passes(told: Asked, gone: Sequence[Unit]) -> bool:
    """By what its event tells."""
    from lockgate.rehearsal.waf.proposal import removed, units

    inspected = told.inspected
    kept = [unit for unit in units(inspected) if unit not in gone]
    if inspected.decider is not None and any(unit.rule == inspected.by for unit in kept):
        return False
    left = inspected.score - removed(inspected, gone)[0]
    return not inspected.threshold or left < inspected.threshold


def _unnamed(units: Sequence[Unit]) -> None:
    """Leave where a name cannot be written, and what stands for it would mean others too."""
    for unit in units:
        if unit.place is not None and any("*" in step for step in unit.place.split("/")[1:]):
            leave(
                f"`{unit.rule}` found something at a name that cannot be written down, so that it is known as "
                f"{unit.place}, and that would leave others alone as well. Name the value with --at; --broad does it "
                "all the same."
            )


def _found_at(at: str, units: Sequence[Unit]) -> None:
    """Leave where nothing of it was found at the place that was named."""
    from lockgate._native import waf_leaves_alone

    places = list(dict.fromkeys(unit.place for unit in units if unit.place is not None))
    if places and not any(waf_leaves_alone(place, "GET", "/", at=at) for place in places):
        leave(f"--at: nothing was found at {at} in this request; it was at {', '.join(places)}.")


def _too_broad(one: Exclusion) -> NoReturn:
    if one.at is None and one.request is not None and not one.request.rstrip().endswith("/**"):
        leave(
            f"{one.broad}, of {one.request}: what `{one.rule}` found stands in no value that could be named, so it is "
            "left out for these requests as a whole, or not at all. --broad does it; `lockgate waf why` says what the "
            "rule looks for."
        )
    leave(
        f"{one.broad}: attacks there would pass as well. Name the value with --at, or the requests with --requests; "
        "--broad does it all the same."
    )


def _said(loaded: Loaded, api: str) -> Iterator[Said]:
    """What the API leaves alone already."""
    from lockgate.rehearsal.waf.proposal import Exclusion, Said

    for effective in loaded.apis:
        if effective.name != api or effective.waf is None:
            continue
        for index, one in enumerate(effective.waf.policy.exclude):
            region = loaded.document.region(*effective.waf.path, "exclude", index)
            place = f"{loaded.sources[region.file].name}:{region.line}"
            yield Said(Exclusion(one.rule, one.at, one.request), one.until, place)


def _inherited(loaded: Loaded, api: str) -> list[dict[str, object]]:
    """Those of `defaults`, where the API says none of its own."""
    own = loaded.document.apis[api].waf
    default = loaded.document.defaults.waf
    if default is None or (own is not None and "exclude" in own.model_fields_set):
        return []
    return [one.model_dump(exclude_none=True) for one in default.exclude]


def _known_rules(every: Sequence[Exclusion], bundle: Mapping[str, Any], placed: Mapping[str, Any]) -> None:
    """Leave where a rule is not there any more: other rules were installed since."""
    from lockgate.rehearsal.waf.found import about

    known = about(bundle, placed, [one.rule for one in every])
    gone = [one.rule for one in every if one.rule not in known]
    if gone:
        leave(f"The API's rules have no {', '.join(gone)} any more: they have changed since the request.")


def _check(config: Path, before: Loaded, change: Written, api: str, more: int, by_hand: str) -> None:
    """Leave where the file would be refused, or would mean anything else than what is wanted."""
    from lockgate.config import ConfigErrors, load

    try:
        after = load(config, instead={change.path: change.after.encode()})
    except ConfigErrors as refused:
        first = refused.errors[0]
        leave(f"With it the configuration would be refused ({first.message}); nothing is written. By hand:\n{by_hand}")
    was, now = (_meaning(one, api) for one in (before, after))
    if was[0] != now[0] or len(now[1]) != len(was[1]) + more or now[1][: len(was[1])] != was[1]:
        leave(f"{change.path} cannot be changed so that it says this and nothing else; add it by hand:\n{by_hand}")


def _meaning(loaded: Loaded, api: str) -> tuple[Any, list[Any]]:
    """Everything but what the API's policy leaves alone, and that; without the places."""
    bundle = loaded.compile(0, 0)
    apis = [dict(one) for one in bundle["apis"]]
    exclude: list[Any] = []
    for one in apis:
        waf = one["policies"]["waf"]
        if one["name"] == api and waf is not None:
            exclude = _bare(waf["config"]["exclude"])
            bare = {**waf, "config": {**waf["config"], "exclude": []}}
            one["policies"] = {**one["policies"], "waf": bare}
    return _bare({**bundle, "apis": apis, "sources": None}), exclude


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _bare(one) for name, one in value.items() if name != "span"}
    return [_bare(one) for one in value] if isinstance(value, list) else value
