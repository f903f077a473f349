"""What one configuration changes against another, in words: bundle against bundle.

Two bundles are compared, not two files: what was only moved or written
otherwise is no difference, and defaults, includes and inherited policies are
in it. Each change says whether it opens something that was closed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from lockgate.rehearsal.waf.changes import changes
from lockgate.scalars import say_duration, say_rate, say_size

Effect = Literal["opens", "closes", "changes"]

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One change."""

    effect: Effect
    """`opens` lets something through that was refused, or may; `closes` refuses more; `changes` is neither, or
    cannot be told."""
    object: str
    """What it is about, as a dotted path: `apis.shop.body_limit`."""
    message: str
    place: str | None = None
    """`file:line` of the new configuration, where it says it."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"effect": self.effect, "object": self.object, "message": self.message, "place": self.place}


SIZES: Final = frozenset({"head_bytes", "bytes", "retain_bytes", "token_bytes"})
RATES: Final = frozenset({"body_rate_min"})
FLOORS: Final = frozenset({"body_rate_min"})
"""Numbers of which a smaller one bounds less; of all other bounds a larger one does."""
IGNORED: Final = frozenset(
    {"span", "authorize_span", "route", "sequence", "created_ms", "sources", "bundle_version", "name"}
)
"""What says nothing of how requests are treated."""
NO_PLACES: Final[Mapping[str, Sequence[Any]]] = {"allow_countries": (), "deny_countries": (), "deny_networks": ()}
"""Rules of places where there are none."""
SHOWN: Final = 200
"""Characters of a value that nothing here knows how to say."""
STRICTNESS: Final[Mapping[str, int]] = {"enforce": 2, "observe": 1, "off": 0}


def differences(before: Node, after: Node) -> list[Difference]:
    """Everything that `after` changes, what opens something first."""
    found = list(_Comparison(before, after).all())
    order: dict[Effect, int] = {"opens": 0, "closes": 1, "changes": 2}
    return sorted(found, key=lambda one: order[one.effect])


class _Comparison:
    def __init__(self, before: Node, after: Node) -> None:
        self._before = before
        self._after = after
        self._sources: Sequence[str] = after["sources"]

    def all(self) -> Iterator[Difference]:
        yield from self._named("apis", "API", self._api, added="opens", removed="closes")
        yield from self._named("listeners", "listener", self._listener, added="opens", removed="closes")
        yield from self._named("upstreams", "upstream", self._upstream, added="changes", removed="changes")
        yield from self._named("issuers", "issuer", self._issuer, added="changes", removed="changes")
        # What a document says counts where an API is held to it.
        # And what a plugin is, where an API asks it.
        # And rules, where an API's `waf` has them.
        known = {"apis", "listeners", "upstreams", "issuers", "documents", "plugins", "rule_sets", *IGNORED}
        for name in dict.fromkeys([*self._before, *self._after]):
            if name not in known:
                yield from self._values(name, self._before.get(name), self._after.get(name), self._whole)

    def _named(
        self,
        section: str,
        what: str,
        compare: Callable[[str, Node, Node], Iterator[Difference]],
        *,
        added: Effect,
        removed: Effect,
    ) -> Iterator[Difference]:
        before, after = ({_called(one): one for one in side.get(section, ())} for side in (self._before, self._after))
        for name, one in before.items():
            if name not in after:
                yield Difference(removed, f"{section}.{name}", f"{what} {name} is gone{_served(one)}")
        for name, one in after.items():
            if name not in before:
                yield self._of(added, f"{section}.{name}", f"{what} {name} is new{_served(one)}{_open(one)}", one)
            else:
                yield from compare(f"{section}.{name}", before[name], one)

    def _api(self, at: str, before: Node, after: Node) -> Iterator[Difference]:
        handled = {"hosts", "paths", "methods", "public", "policies", "authorize", "openapi", *IGNORED}
        yield from self._set(f"{at}.hosts", "host", before["hosts"], after["hosts"], after, all_if_empty=True)
        yield from self._set(f"{at}.path", "path", _paths(before), _paths(after), after)
        yield from self._set(f"{at}.methods", "method", before["methods"], after["methods"], after, all_if_empty=True)
        yield from self._waiver(f"{at}.public", "anyone may call", before["public"], after["public"], after)
        yield from self._policies(at, before["policies"], after["policies"], after)
        yield from self._openapi(f"{at}.openapi", before.get("openapi"), after.get("openapi"), after)
        for name in dict.fromkeys([*before, *after]):
            if name not in handled:
                yield from self._values(f"{at}.{name}", before.get(name), after.get(name), after)

    def _openapi(self, at: str, old: Node | None, new: Node | None, api: Node) -> Iterator[Difference]:
        """What its document has is let in, and nothing else."""
        if old is None and new is None:
            return
        before = _operations(self._before, old) if old is not None else set()
        after = _operations(self._after, new) if new is not None else set()
        if old is None:
            yield self._of("closes", at, f"only the {len(after)} operations of a document, instead of all", api)
        elif new is None:
            yield self._of("opens", at, "all that its routes take, not a document's operations alone", api)
        else:
            yield from self._set(at, "operation", sorted(before), sorted(after), api)
            for name in dict.fromkeys([*old, *new]):
                if name not in {"document", *IGNORED}:
                    yield from self._values(f"{at}.{name}", old.get(name), new.get(name), api)

    def _policies(self, at: str, before: Node, after: Node, api: Node) -> Iterator[Difference]:
        for room in dict.fromkeys([*before, *after]):
            old, new = before.get(room), after.get(room)
            if room == "authenticate":
                yield from self._ways(f"{at}.{room}", old or [], new or [], api)
            elif room == "together":
                yield from self._together(f"{at}.authenticate", before, after, api)
            elif room == "plugins":
                yield from self._plugins(f"{at}.{room}", old or [], new or [], api)
            elif isinstance(old, list) or isinstance(new, list):
                yield from self._several(f"{at}.{room}", room, old or [], new or [], api)
            elif old is None and new is not None:
                yield self._of("closes", f"{at}.{room}", f"{room} is asked now: {_config(new)}", new)
            elif old is not None and new is None:
                yield self._of("opens", f"{at}.{room}", f"{room} is not asked any more", api)
            elif old is not None and new is not None:
                yield from self._placed(f"{at}.{room}", room, old, new)

    def _ways(self, at: str, before: Sequence[Node], after: Sequence[Node], api: Node) -> Iterator[Difference]:
        """Any one of these is enough: one more opens, one less closes."""
        old, new = [_way(way) for way in before], [_way(way) for way in after]
        for room, placed in old:
            if not any(other == room and same["config"] == placed["config"] for other, same in new):
                message = f"{room} ({_config(placed)}) proves nobody any more"
                yield self._of("closes", at, message, api)
        for room, placed in new:
            same = next((one for other, one in old if other == room and one["config"] == placed["config"]), None)
            if same is not None:
                yield from self._modes(f"{at}.{room}", room, same, placed)
            else:
                # Where there was none, anyone could call, or nobody.
                effect: Effect = "opens" if old else "changes"
                yield self._of(effect, at, f"{room} ({_config(placed)}) proves who calls", placed)

    def _together(self, at: str, before: Node, after: Node, api: Node) -> Iterator[Difference]:
        """What must hold together is less than either alone."""
        old, new = _joined(before), _joined(after)
        for words in old - new:
            yield self._of("opens", at, f"{words} need not hold together any more", api)
        for words in new - old:
            yield self._of("closes", at, f"{words} must hold together now", api)

    def _several(
        self, at: str, room: str, before: Sequence[Node], after: Sequence[Node], api: Node
    ) -> Iterator[Difference]:
        """Policies of one room that are told apart by their names, such as limits."""
        old, new = ({one["config"]["name"]: one for one in policies} for policies in (before, after))
        for name in old:
            if name not in new:
                yield self._of("opens", f"{at}.{name}", f"{room} {name} is not asked any more", api)
        for name, placed in new.items():
            here = f"{at}.{name}"
            if name not in old:
                yield self._of("closes", here, f"{room} {name} is asked now: {_config(placed)}", placed)
                continue
            yield from self._modes(here, f"{room} {name}", old[name], placed)
            yield from self._limit(here, old[name]["config"], placed["config"], placed)

    def _plugins(self, at: str, before: Sequence[Node], after: Sequence[Node], api: Node) -> Iterator[Difference]:
        old, new = _by_class(before), _by_class(after)
        for name in old:
            if name not in new:
                yield self._of("opens", f"{at}.{name}", f"plugin {name} is not asked any more", api)
        for name, placed in new.items():
            here = f"{at}.{name}"
            if name not in old:
                yield self._of("closes", here, f"plugin {name} is asked now", placed)
                continue
            yield from self._modes(here, f"plugin {name}", old[name], placed)
            was, now = old[name]["config"], placed["config"]
            yield from self._values(f"{here}.deadline_ms", was["deadline_ms"], now["deadline_ms"], placed)
            yield from self._set(f"{here}.credentials", "field", was["credentials"], now["credentials"], placed)
            if _options(self._before, was) != _options(self._after, now):
                yield self._of("changes", f"{here}.options", f"plugin {name} is made with other options", placed)
            if was["digest"] != now["digest"]:
                yield self._of("changes", here, f"the code of plugin {name} has changed", placed)

    def _limit(self, at: str, before: Node, after: Node, said: Node) -> Iterator[Difference]:
        rates = before["allow"] / before["per_ms"], after["allow"] / after["per_ms"]
        if rates[0] != rates[1]:
            effect: Effect = "opens" if rates[1] > rates[0] else "closes"
            yield self._of(effect, f"{at}.allow", f"it allows {_rate(after)} instead of {_rate(before)}", said)
        yield from self._values(f"{at}.burst", before["burst"], after["burst"], said, bounds=True)
        yield from self._set(f"{at}.exempt", "uncounted network", before["exempt"], after["exempt"], said)
        for name in dict.fromkeys([*before, *after]):
            if name not in {"allow", "per_ms", "burst", "exempt", "scope", *IGNORED}:
                yield from self._values(f"{at}.{name}", before.get(name), after.get(name), said)

    def _placed(self, at: str, room: str, before: Node, after: Node) -> Iterator[Difference]:
        yield from self._modes(at, room, before, after)
        if room == "ip_filter":
            yield from self._addresses(at, before["config"], after["config"], after)
            return
        if room == "cors":
            yield from self._cors(at, before["config"], after["config"], after)
            return
        if room == "waf":
            bundles = (self._before, self._after)
            for effect, field, message, said in changes(before["config"], after["config"], bundles, after):
                yield self._of(effect, f"{at}.{field}", message, said)
            return
        yield from self._values(at, before["config"], after["config"], after)

    def _modes(self, at: str, room: str, before: Node, after: Node) -> Iterator[Difference]:
        old, new = before["mode"], after["mode"]
        if old != new:
            effect: Effect = "opens" if STRICTNESS[new] < STRICTNESS[old] else "closes"
            yield self._of(effect, f"{at}.mode", f"{room} goes from {old} to {new}", after)
        old, new = before["on_error"], after["on_error"]
        if old != new:
            effect = "opens" if new == "allow" else "closes"
            yield self._of(effect, f"{at}.on_error", f"what fails of {room} itself: {new} instead of {old}", after)
        words = f"{room} is not enforced"
        yield from self._waiver(f"{at}.waiver", words, before["waiver"], after["waiver"], after)

    def _addresses(self, at: str, before: Node, after: Node, said: Node) -> Iterator[Difference]:
        was, now = ({**NO_PLACES, **(side.get("geo") or {})} for side in (before, after))
        # An address is let in by itself or by its country: it takes neither list for all to be.
        every = not ((before["allow"] or was["allow_countries"]) and (after["allow"] or now["allow_countries"]))
        yield from self._set(
            f"{at}.allow", "allowed network", before["allow"], after["allow"], said, all_if_empty=every
        )
        countries = was["allow_countries"], now["allow_countries"]
        yield from self._set(f"{at}.geo.allow_countries", "allowed country", *countries, said, all_if_empty=every)
        denied = [
            (f"{at}.deny", before["deny"], after["deny"]),
            (f"{at}.geo.deny_countries", was["deny_countries"], now["deny_countries"]),
            (
                f"{at}.geo.deny_networks",
                [f"AS{number}" for number in was["deny_networks"]],
                [f"AS{number}" for number in now["deny_networks"]],
            ),
        ]
        for place, listed, listed_now in denied:
            old, new = set(listed), set(listed_now)
            if old - new:
                yield self._of("opens", place, f"denied no more: {_listed(old - new)}", said)
            if new - old:
                yield self._of("closes", place, f"denied now: {_listed(new - old)}", said)

    def _cors(self, at: str, before: Node, after: Node, said: Node) -> Iterator[Difference]:
        """Whose pages may call, and what of it."""
        lists = {"origins": "origin", "headers": "header", "expose": "readable header", "methods": "method"}
        for name, what in lists.items():
            every = name == "methods"
            yield from self._set(f"{at}.{name}", what, before[name], after[name], said, all_if_empty=every)
        for name in ("credentials", "private_network"):
            if before[name] != after[name]:
                effect: Effect = "opens" if after[name] else "closes"
                yield self._of(effect, f"{at}.{name}", f"{name} is {_value(name, after[name])} now", said)
        for name in dict.fromkeys([*before, *after]):
            if name not in {*lists, "credentials", "private_network"}:
                yield from self._values(f"{at}.{name}", before.get(name), after.get(name), said)

    def _listener(self, at: str, before: Node, after: Node) -> Iterator[Difference]:
        handled = {"trusted_proxies", "insecure", "limits", "address", "socket", *IGNORED}
        if before["address"] != after["address"]:
            effect: Effect = "opens" if _loopback(before["address"]) and not _loopback(after["address"]) else "changes"
            message = f"it listens on {after['address']} instead of {before['address']}"
            yield self._of(effect, f"{at}.address", message, after)
        yield from self._door(f"{at}.socket", before.get("socket"), after.get("socket"), after)
        trusted = (before["trusted_proxies"], after["trusted_proxies"])
        yield from self._set(f"{at}.trusted_proxies", "believed proxy", *trusted, after)
        yield from self._waiver(f"{at}.insecure", "plain HTTP is taken", before["insecure"], after["insecure"], after)
        yield from self._values(f"{at}.limits", before["limits"], after["limits"], after, bounds=True)
        for name in dict.fromkeys([*before, *after]):
            if name not in handled:
                yield from self._values(f"{at}.{name}", before.get(name), after.get(name), after)

    def _door(self, at: str, old: Any, new: Any, said: Node) -> Iterator[Difference]:
        """Who may connect to a Unix socket; bundles from before there were any say nothing."""
        if not isinstance(old, Mapping) or not isinstance(new, Mapping) or old == new:
            return
        if old["mode"] != new["mode"]:
            more = new["mode"] & ~old["mode"] & 0o222
            message = f"its mode is {new['mode']:04o} instead of {old['mode']:04o}"
            yield self._of("opens" if more else "closes", f"{at}.mode", message, said)
        for name in ("owner", "group"):
            yield from self._values(f"{at}.{name}", old[name], new[name], said)

    def _issuer(self, at: str, before: Node, after: Node) -> Iterator[Difference]:
        """Whose tokens are believed, and what is demanded of them."""
        old, new = before["rules"], after["rules"]
        if old["issuer"] != new["issuer"]:
            message = f"tokens of {new['issuer']} are believed, those of {old['issuer']} no more"
            yield self._of("opens", f"{at}.issuer", message, after)
        if old["keys"] != new["keys"]:
            (was,), (now,) = old["keys"].values(), new["keys"].values()
            yield self._of("opens", f"{at}.keys", f"its keys are {now} instead of {was}", after)
        for name, what in (("audiences", "audience"), ("algorithms", "algorithm"), ("types", "type")):
            yield from self._set(f"{at}.{name}", what, old[name], new[name], after)
        was, now = set(old["require"]), set(new["require"])
        if was - now:
            yield self._of("opens", f"{at}.require", f"demanded no more: {_listed(was - now)}", after)
        if now - was:
            yield self._of("closes", f"{at}.require", f"demanded now: {_listed(now - was)}", after)
        ages = old["max_age_ms"], new["max_age_ms"]
        if ages[0] != ages[1]:
            # None is as old as its `exp` lets it be.
            effect: Effect = "opens" if ages[1] is None or (ages[0] is not None and ages[1] > ages[0]) else "closes"
            message = f"max_age is {_value('max_age_ms', ages[1])} instead of {_value('max_age_ms', ages[0])}"
            yield self._of(effect, f"{at}.max_age", message, after)
        said = {"issuer", "keys", "audiences", "algorithms", "types", "require", "max_age_ms"}
        for name in dict.fromkeys([*old, *new]):
            if name not in said:
                yield from self._values(f"{at}.{name}", old.get(name), new.get(name), after, bounds=True)

    def _upstream(self, at: str, before: Node, after: Node) -> Iterator[Difference]:
        yield from self._waiver(f"{at}.insecure", "plain HTTP is spoken", before["insecure"], after["insecure"], after)
        for name in dict.fromkeys([*before, *after]):
            if name not in {"insecure", *IGNORED}:
                yield from self._values(f"{at}.{name}", before.get(name), after.get(name), after)

    def _waiver(self, at: str, what: str, old: Node | None, new: Node | None, said: Node) -> Iterator[Difference]:
        if old is None and new is not None:
            yield self._of("opens", at, f"{what}, until {_day(new)} ({new['owner']}: {new['reason']})", new)
        elif old is not None and new is None:
            yield self._of("closes", at, f"no more: {what}", said)
        elif old is not None and new is not None and old["until_ms"] != new["until_ms"]:
            effect: Effect = "opens" if new["until_ms"] > old["until_ms"] else "closes"
            yield self._of(effect, at, f"{what}, until {_day(new)} instead of {_day(old)}", new)
        elif old is not None and new is not None and (old["owner"], old["reason"]) != (new["owner"], new["reason"]):
            yield self._of("changes", at, f"{what}: {new['owner']} answers for it ({new['reason']})", new)

    def _set(
        self, at: str, what: str, old: Sequence[str], new: Sequence[str], said: Node, *, all_if_empty: bool = False
    ) -> Iterator[Difference]:
        """A list of what is let in; an empty one may mean all."""
        before, after = set(old), set(new)
        if before == after:
            return
        if all_if_empty and not after:
            yield self._of("opens", at, f"any {what}, instead of {_listed(before)}", said)
        elif all_if_empty and not before:
            yield self._of("closes", at, f"only {what} {_listed(after)}, instead of any", said)
        else:
            if after - before:
                yield self._of("opens", at, f"{what} {_listed(after - before)} is new", said)
            if before - after:
                yield self._of("closes", at, f"{what} {_listed(before - after)} is gone", said)

    def _values(self, at: str, old: Any, new: Any, said: Node, *, bounds: bool = False) -> Iterator[Difference]:
        """Any two values; of what this does not know it says what they are, and no more."""
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            for name in dict.fromkeys([*old, *new]):
                if name not in IGNORED:
                    below = f"{at}.{name}"
                    yield from self._values(below, old.get(name), new.get(name), said, bounds=bounds)
            return
        if _bare(old) == _bare(new):
            return
        name = at.rpartition(".")[2]
        message = f"{name} is {_value(name, new)} instead of {_value(name, old)}"
        yield self._of(_effect(name, old, new, bounds=bounds or ".body_limit." in at), at, message, said)

    @property
    def _whole(self) -> Node:
        return {}

    def _of(self, effect: Effect, at: str, message: str, said: Node) -> Difference:
        span = said.get("span")
        place = f"{self._sources[span['file']]}:{span['line']}" if span is not None else None
        return Difference(effect, at, message, place)


def _joined(policies: Node) -> set[str]:
    """The ways to authenticate that must hold together, in words."""
    ways = [_way(way) for way in policies.get("authenticate", [])]
    return {
        " and ".join(f"{room} ({_config(placed)})" for room, placed in ways[one["first"] : one["first"] + one["count"]])
        for one in policies.get("together", [])
    }


def _operations(bundle: Node, attached: Node) -> set[str]:
    operations = bundle["documents"][attached["document"]]["operations"]
    return {f"{one['method']} {one['path']} ({one['name']})" for one in operations}


def _rate(limit: Node) -> str:
    return f"{limit['allow']} in {say_duration(limit['per_ms'])}"


def _effect(name: str, old: object, new: object, *, bounds: bool) -> Effect:
    if not bounds or not isinstance(old, int) or not isinstance(new, int):
        return "changes"
    larger = new > old
    return "opens" if larger != (name in FLOORS) else "closes"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if name in SIZES:
            return say_size(value)
        if name in RATES:
            return say_rate(value)
        return say_duration(value) if name.endswith("_ms") else str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return _listed(value)
    # What this does not know it shows as it is, without the places.
    text = json.dumps(_bare(value), ensure_ascii=False) if isinstance(value, Mapping | list) else str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _bare(one) for name, one in value.items() if name != "span"}
    return [_bare(one) for one in value] if isinstance(value, list) else value


def _listed(values: set[str] | Sequence[str]) -> str:
    most = 8
    ordered = sorted(values) if isinstance(values, set) else list(values)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more if ordered else "none"


def _config(placed: Node) -> str:
    config = placed["config"]
    said = [f"{name} {_value(name, value)}" for name, value in config.items() if value not in (None, [], {})]
    return ", ".join(said) or "by its defaults"


def _way(way: Node) -> tuple[str, Node]:
    ((room, placed),) = way.items()
    return room, placed


def _by_class(placed: Sequence[Node]) -> dict[str, Node]:
    """Plugins by their class; one that is asked several times is told apart by which time it is."""
    found: dict[str, Node] = {}
    for one in placed:
        name = one["config"]["name"]
        time = sum(1 for known in found if known.partition(" (")[0] == name) + 1
        found[name if time == 1 else f"{name} ({time})"] = one
    return found


def _options(bundle: Node, config: Node) -> object:
    return bundle["plugins"]["plugins"][config["plugin"]]["options"]


def _called(one: Node) -> str:
    """Its name; of a route that has policies of its own, its API's before it."""
    return f"{one['name']}.{one['route']}" if one.get("route") else str(one["name"])


def _paths(api: Node) -> list[str]:
    return [
        pattern if kind != "exact" else f"{pattern} alone" for match in api["paths"] for kind, pattern in match.items()
    ]


def _served(one: Node) -> str:
    return (
        f": {_listed(_paths(one))} of {_listed(one['hosts']) if one['hosts'] else 'any host'}" if "paths" in one else ""
    )


def _open(one: Node) -> str:
    public = one.get("public")
    return f"; anyone may call, until {_day(public)}" if public is not None else ""


def _day(waiver: Node) -> str:
    return datetime.fromtimestamp(waiver["until_ms"] / 1000, UTC).strftime("%Y-%m-%d")


def _loopback(address: str) -> bool:
    return address.startswith(("127.", "[::1]", "localhost", "unix:"))
