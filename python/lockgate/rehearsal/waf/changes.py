"""What one `waf` changes against another, in the configuration's own words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from lockgate.policies.waf import OWN
from lockgate.rehearsal.waf.proposal import Exclusion
from lockgate.scalars import say_duration, say_size

Effect = Literal["opens", "closes", "changes"]
Change = tuple[Effect, str, str, Mapping[str, Any]]
"""What it does, below which field, in words, and where the new configuration says it."""

LOOSER: Final = {"threshold": 1, "answer_threshold": 1, "paranoia": -1, "sampling": -1}
"""Numbers by which less is refused: the larger ones (1), the smaller ones (-1)."""


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], bundles: tuple[Mapping[str, Any], Mapping[str, Any]], said: Any
) -> Iterator[Change]:
    """Of two configs: `bundles` are those that they stand in, `said` is what tells where the new one is."""
    yield from ((*change, said) for change in _who_looks(old, new, bundles))
    yield from ((*change, said) for change in _numbers(old, new))
    yield from _exclusions(old["exclude"], new["exclude"], said)
    yield from ((*change, said) for change in _bodies(old, new))


def _who_looks(
    old: Mapping[str, Any], new: Mapping[str, Any], bundles: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Iterator[tuple[Effect, str, str]]:
    if old["native"] != new["native"]:
        yield ("closes", "rules", "detectors look too") if new["native"] else ("opens", "rules", "no detectors look")
    was, now = (_rules(bundle, config["set"]) for bundle, config in zip(bundles, (old, new), strict=True))
    if was is None and now is not None:
        yield "closes", "rules", f"rules look too ({now['name']})"
    elif was is not None and now is None:
        yield "opens", "rules", f"no rules look any more ({was['name']})"
    elif was is not None and now is not None and (message := _other_files(was, now)):
        yield "changes", "rules", message
    if old["overrule"] != new["overrule"]:
        words = "what detectors find clean" if new["overrule"] else "whatever detectors say, what rules find"
        counts = "counts nothing for rules now" if new["overrule"] else "counts now"
        yield "opens" if new["overrule"] else "closes", "overrule", f"{words} {counts}"


def _rules(bundle: Mapping[str, Any], number: int | None) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = None if number is None else bundle["rule_sets"][number]
    return found


def _other_files(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    was, now = ({each["name"].removeprefix("own/"): each["text"] for each in one["files"]} for one in (old, new))
    parts = [
        (word, [name for name in names if name])
        for word, names in (
            ("new", [name for name in now if name not in was]),
            ("gone", [name for name in was if name not in now]),
            ("changed", [name for name in now if name in was and was[name] != now[name]]),
        )
    ]
    told = [f"{word}: {_some(names)}" for word, names in parts if names]
    return f"its rule files are others ({'; '.join(told)})" if told else None


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _numbers(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[Effect, str, str]]:
    was, now = old["variables"], new["variables"]
    if old["threshold"] != new["threshold"]:
        yield _number("threshold", old["threshold"], new["threshold"])
    for name in dict.fromkeys([*was, *now]):
        before, after = was.get(name), now.get(name)
        field = OWN.get(name)
        if before == after or field == "threshold":
            continue
        if field is None:
            yield "changes", f"setup.{name}", _setting(name, before, after)
        elif before is not None and after is not None:  # They come and go with the rules that read them.
            yield _number(field, int(before), int(after))


def _number(field: str, old: int, new: int) -> tuple[Effect, str, str]:
    way = LOOSER.get(field)
    effect: Effect = "changes" if way is None else "opens" if (new - old) * way > 0 else "closes"
    return effect, field, f"{field} is {new} instead of {old}"


def _setting(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return f"{name} is {new}, instead of what the rules have"
    if new is None:
        return f"{name} is what the rules have, instead of {old}"
    was, now = old.split(), new.split()
    if len(was) == len(now) == 1:
        return f"{name} is {new} instead of {old}"
    more, gone = ([one for one in a if one not in b] for a, b in ((now, was), (was, now)))
    parts = [f"{word} {' '.join(words)}" for word, words in (("with", more), ("without", gone)) if words]
    return f"{name} is {' and '.join(parts) or 'in another order'} now"


def _exclusions(old: list[Any], new: list[Any], said: Any) -> Iterator[Change]:
    was, now = ({_exclusion(one): one["waiver"] for one in each} for each in (old, new))
    gone = [one for one in was if one not in now]
    for one, waiver in now.items():
        where = waiver if waiver.get("span") is not None else said
        if one in was:
            yield from ((effect, "exclude", words, where) for effect, words in _renewed(one, was[one], waiver))
            continue
        before = next((other for other in gone if other.rule == one.rule), None)
        answers = f"until {_day(waiver)} ({waiver['owner']}: {waiver['reason']})"
        if before is None:
            yield "opens", "exclude", f"{one.rule} leaves alone {_words(one)}, {answers}", where
            continue
        gone.remove(before)
        instead = f"{one.rule} leaves alone {_words(one)}, instead of {_words(before)}"
        if _within(one, before):
            yield "closes", "exclude", f"{instead}: less than before", where
        else:
            more = ": more than before" if _within(before, one) else ", which it did not before"
            yield "opens", "exclude", f"{instead}{more}", where
    for one in gone:
        yield "closes", "exclude", f"{one.rule} leaves alone no more: {_words(one)}", said


def _exclusion(one: Mapping[str, Any]) -> Exclusion:
    return Exclusion(one["rule"], one["at"], one["request"])


def _renewed(one: Exclusion, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[Effect, str]]:
    what = f"{one.rule} leaves alone {_words(one)}"
    if old["until_ms"] != new["until_ms"]:
        longer = new["until_ms"] > old["until_ms"]
        yield "opens" if longer else "closes", f"{what}, until {_day(new)} instead of {_day(old)}"
    elif (old["owner"], old["reason"]) != (new["owner"], new["reason"]):
        yield "changes", f"{what}: {new['owner']} answers for it ({new['reason']})"


def _within(one: Exclusion, other: Exclusion) -> bool:
    """Whether all that one leaves alone, the other does as well."""
    if one.at is None and other.at is not None:
        return False
    if one.request is None and other.request is not None:
        return False
    method, path = _parts(one.request or "/")
    if not method and _parts(other.request or "/")[0]:
        return False
    return other.leaves_alone(other.rule, one.at or "path", method or "GET", path)


def _parts(request: str) -> tuple[str, str]:
    method, _, path = request.rpartition(" ")
    return method.strip(), path


def _words(one: Exclusion) -> str:
    return f"{one.at or 'every value'}, of {one.request or 'every request'}"


def _bodies(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[Effect, str, str]]:
    if old["inspect_bytes"] != new["inspect_bytes"]:
        was, now = say_size(old["inspect_bytes"]), say_size(new["inspect_bytes"])
        # With `longer: refuse` a larger one takes longer bodies, and looks at all of them.
        yield "changes", "inspect_bytes", f"{now} of a body are looked at instead of {was}"
    if old["longer"] != new["longer"]:
        begins = new["longer"] == "begin"
        message = "a longer body is judged by its beginning" if begins else "a longer body is refused"
        yield "opens" if begins else "closes", "longer", message
    for field, what in (("answers", "answers are looked at"), ("scan", "files are scanned for viruses")):
        was, now = old[field], new[field]
        if was is None and now is not None:
            yield "closes", field, f"{what} now"
        elif was is not None and now is None:
            yield "opens", field, f"{what} no more"
        elif was is not None and now is not None:
            yield from ((effect, f"{field}.{name}", words) for effect, name, words in _parts_of(was, now))


def _parts_of(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[Effect, str, str]]:
    for name in old:
        was, now = old[name], new[name]
        if was == now:
            continue
        if name == "on_error":
            passes = now == "pass"
            words = "what cannot be scanned passes" if passes else "what cannot be scanned is refused"
            yield "opens" if passes else "closes", name, words
        elif name == "types":
            less = set(was) - set(now)
            yield "opens" if less else "closes", name, f"types are {', '.join(now)} instead of {', '.join(was)}"
        else:
            field = name.removesuffix("_ms")
            yield "changes", field, f"{field} is {_say(name, now)} instead of {_say(name, was)}"


def _say(name: str, value: Any) -> str:
    if name == "bytes":
        return say_size(value)
    return say_duration(value) if name.endswith("_ms") else value if isinstance(value, str) else json.dumps(value)


def _day(waiver: Mapping[str, Any]) -> str:
    return datetime.fromtimestamp(waiver["until_ms"] / 1000, UTC).strftime("%Y-%m-%d")
