"""Whose things are, proposed from what was seen: rules of `objects`, each with what speaks for it and against it.

The gate notes of some requests where they, or the API's answers, say what is verified of their callers
(`authorize.suggest`). A place that says it nearly always tells whose something is; the requests in which it does
not are the attacks, those who help, or the sign that it tells nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, Field

from lockgate.history.reader import History
from lockgate.printable import printable
from lockgate.state import StateFolder

MOST: Final = 100_000
"""Different sorts of requests that are looked at, the most frequent first."""
CANDIDATES: Final = 64
"""Pairs of a place and a claim that are weighed for one operation."""
SHOWN: Final = 5
"""Callers and requests that are named where they speak against a rule."""
LEAST: Final = 0.5
"""A place that says it less often than this tells nothing."""
CALLERS: Final = ("claim:sub", "owner")
"""What differs from caller to caller, whatever the issuer."""
KINDS: Final = ("path", "query", "response")
"""Where it is told earliest first."""

Confidence = Literal["high", "medium", "low"]
ORDER: Final[tuple[Confidence, ...]] = ("high", "medium", "low")


class Proposal(BaseModel):
    """A rule of `objects`, with its evidence."""

    api: str
    operation: str
    rule: dict[str, Any] = Field(description="As `authorize.objects` takes it.")
    confidence: Confidence
    why: str = Field(description="The evidence, in words.")
    seen: int = Field(description="Requests, or answers, in which it could have been so.")
    own: int = Field(description="In how many of them it was.")
    partly: int = Field(description="Lists of which some items were the caller's, and others were not.")
    callers: int = Field(description="How many callers it was so for.")
    against: int = Field(description="In how many it was not: attacks, those who help, or a rule that is wrong.")
    against_callers: list[str] = Field(description="Whose those were; some.")
    against_requests: list[str] = Field(description="Their ids, for `lockgate explain --request`; some.")
    unread: int = Field(description="Answers that were not looked at: no JSON, too long, or slow.")
    ruled: bool = Field(description="Whether a rule of `objects` is for the operation already.")


class Suggestions(BaseModel):
    """What was learnt."""

    since_ms: int
    requests: int = Field(description="Requests of which something was noted.")
    items: list[Proposal]
    yaml: str = Field(description="The rules for operations that have none, ready to be pasted; empty without any.")


@dataclass(frozen=True, slots=True)
class Sort:
    """Requests of one operation and caller in which the same was seen."""

    api: str
    operation: str
    method: str
    answered: bool
    own: frozenset[str]
    partly: frozenset[str]
    empty: frozenset[str]
    caller: str
    requests: int
    id: str


@dataclass(slots=True)
class Count:
    """What was seen of one place and claim."""

    own: int = 0
    partly: int = 0
    against: int = 0
    unread: int = 0
    callers: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """In how many it could have been so."""
        return self.own + self.partly + self.against

    @property
    def share(self) -> float:
        """How often it was, or would be once items of others are taken out."""
        return (self.own + self.partly) / self.seen if self.seen else 0.0


def suggestions(
    state: StateFolder, bundle: Mapping[str, Any] | None, since_ms: int, api: str | None = None
) -> Suggestions:
    """What events since then tell; `bundle` says for what there are rules."""
    with History.open(state, sources=("gate",)) as history:
        rows = history.rows(
            "SELECT api, operation, method, looked, noted_own, noted_partly, noted_empty, "  # noqa: S608 -- Our own words.
            "coalesce(identity, '') AS caller, count(*)::BIGINT AS requests, max(id) AS id FROM events "
            "WHERE class IN ('access', 'security') AND looked IS NOT NULL AND operation IS NOT NULL AND at_ms >= $1 "
            "AND reason IS NULL AND status BETWEEN 200 AND 299 AND ($2::VARCHAR IS NULL OR api = $2) "
            f"GROUP BY ALL ORDER BY requests DESC, id LIMIT {MOST}",
            [since_ms, api],
        )
    sorts = [_sort(row) for row in rows]
    items = proposals(sorts, ruled(bundle))
    requests = sum(sort.requests for sort in sorts)
    return Suggestions(since_ms=since_ms, requests=requests, items=items, yaml=as_yaml(items))


def _sort(row: Mapping[str, Any]) -> Sort:
    own, partly, empty = (frozenset(row[name] or ()) for name in ("noted_own", "noted_partly", "noted_empty"))
    return Sort(
        api=row["api"],
        operation=row["operation"],
        method=row["method"],
        answered=row["looked"] == "answer",
        own=own,
        partly=partly,
        empty=empty,
        caller=row["caller"],
        requests=int(row["requests"]),
        id=row["id"],
    )


def ruled(bundle: Mapping[str, Any] | None) -> frozenset[tuple[str, str]]:
    """Operations for which there are rules, by their API."""
    found = set()
    for api in bundle["apis"] if bundle is not None else ():
        objects = api["policies"].get("objects")
        for rule in objects["config"]["rules"] if objects else ():
            found |= {(api["name"], name) for only in rule["what"] for name in only["operations"]}
    return frozenset(found)


def proposals(sorts: Iterable[Sort], ruled: frozenset[tuple[str, str]] = frozenset()) -> list[Proposal]:
    """The best rule of each operation, those first that are certain."""
    by_operation: dict[tuple[str, str], list[Sort]] = {}
    for sort in sorts:
        by_operation.setdefault((sort.api, sort.operation), []).append(sort)
    found = [one for (api, name), some in by_operation.items() if (one := _best(api, name, some, (api, name) in ruled))]
    return sorted(found, key=lambda one: (one.api, ORDER.index(one.confidence), one.operation))


def as_yaml(items: Sequence[Proposal]) -> str:
    """The rules that are missing, each below its evidence."""
    lines = ["apis:"]
    for api in dict.fromkeys(one.api for one in items if not one.ruled):
        lines += [f"  {_flow(api)}:", "    authorize:", "      objects:"]
        for one in items:
            if one.api == api and not one.ruled:
                lines += [f"        # {one.confidence}: {one.why}", f"        - {_flow(one.rule)}"]
    return "".join(f"{line}\n" for line in lines) if len(lines) > 1 else ""


def _best(api: str, operation: str, sorts: list[Sort], ruled: bool) -> Proposal | None:
    often: Counter[str] = Counter()
    for sort in sorts:
        for one in sort.own | sort.partly:
            often[one] += sort.requests
    made = []
    for one, _ in often.most_common(CANDIDATES):
        place, _, claim = one.partition(" ")
        kind = place.partition(":")[0]
        count = _counted(one, place, kind, sorts)
        if kind in KINDS and count.share >= LEAST:
            made.append((place, claim, count))
    if not made:
        return None
    place, claim, count = min(made, key=lambda each: _rank(*each))
    kind, _, name = place.partition(":")
    must = {"must_be_in": claim.removesuffix("[]")} if claim.endswith("[]") else {"must_equal": claim}
    rule: dict[str, Any] = {"operations": [operation], kind: name, **must}
    if count.partly:
        rule["filter"] = True
    return Proposal(
        api=api,
        operation=operation,
        rule=rule,
        confidence=_confidence(claim, count),
        why=_why(kind, claim, count),
        seen=count.seen,
        own=count.own,
        partly=count.partly,
        callers=len(count.callers),
        against=count.against,
        against_callers=[name for name, _ in count.others.most_common(SHOWN)],
        against_requests=count.ids[:SHOWN],
        unread=count.unread,
        ruled=ruled,
    )


def _counted(one: str, place: str, kind: str, sorts: list[Sort]) -> Count:
    count = Count()
    lists = list(_lists(place))
    for sort in sorts:
        # A rule for answers is for GET alone.
        if kind == "response" and sort.method != "GET":
            continue
        if one in sort.own:
            count.own += sort.requests
            count.callers.add(sort.caller)
        elif kind == "response" and not sort.answered:
            count.unread += sort.requests
        elif one in sort.partly:
            count.partly += sort.requests
            count.callers.add(sort.caller)
        elif sort.empty.isdisjoint(lists):
            count.against += sort.requests
            count.others[sort.caller] += sort.requests
            count.ids.append(sort.id)
    return count


def _lists(place: str) -> Iterator[str]:
    """The lists that a place is within, as they are noted where they are empty."""
    for index, letter in enumerate(place):
        if letter == "*" and place[index - 1] == "/":
            yield place[: index + 1]


def _rank(place: str, claim: str, count: Count) -> tuple[Any, ...]:
    """What comes first is proposed: the surest, then what is told earliest, then the plainest claim."""
    kind = place.partition(":")[0]
    plain = CALLERS.index(claim) if claim in CALLERS else len(CALLERS)
    return (
        ORDER.index(_confidence(claim, count)),
        -round(count.share, 2),
        KINDS.index(kind),
        plain,
        place.count("/"),
        place,
        claim,
    )


def _confidence(claim: str, count: Count) -> Confidence:
    if count.share < 0.95 or len(count.callers) < 3 or count.own + count.partly < 10:
        return "low"
    sure = not (count.against or count.partly or count.unread) and claim in CALLERS
    return "high" if sure and len(count.callers) >= 5 and count.own >= 20 else "medium"


def _why(kind: str, claim: str, count: Count) -> str:
    what = "answers" if kind == "response" else "requests"
    words = [f"{count.own} of {count.seen} {what}, of {_number(len(count.callers), 'caller')}"]
    if count.partly:
        words.append(f"{count.partly} lists held others' items as well")
    if count.against:
        names = ", ".join(printable(name) or "nobody" for name, _ in count.others.most_common(SHOWN))
        words.append(f"{count.against} {'speaks' if count.against == 1 else 'speak'} against it, of {names}")
    if count.unread:
        words.append(f"{count.unread} could not be looked at")
    if len(count.callers) == 1:
        words.append("of one caller alone anything looks so")
    elif claim not in CALLERS and not claim.endswith("[]"):
        words.append("look whether callers differ in it")
    return "; ".join(words)


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _flow(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")
