"""What the models refuse, said with a place in the file and what to do next."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Container, Iterator, Sequence
from functools import cache
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lockgate.config.later import ADVICE, HERE, MEANT, VALUES, why_later
from lockgate.config.models import Config
from lockgate.config.problems import Problems, Region
from lockgate.config.tree import Item
from lockgate.scalars import refused, shown

MAX_SHOWN: Final = 60
"""Characters of a value that a hint repeats."""

MAX_EXAMPLE: Final = 120
"""Characters of an example."""

MAX_HOMES: Final = 3
"""A key that is at home in more places (`owner`) tells nothing of where it belongs."""

TURNED_ON: Final = frozenset({"true", "yes", "on", "enabled"})
"""How people say that a thing is to be there, where its settings are wanted."""

IDLE: Final = frozenset({"headers", "ip_filter", "rewrite"})
"""Policies that change nothing without a word of what to change."""

_KINDS: Final = {
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
}


def translate(found: Sequence[ErrorDetails], root: Item, path: tuple[str, ...], problems: Problems) -> None:
    """Note each of pydantic's errors, whose places are relative to `path`, where `root` lies."""
    slips = {
        (*location[:-1], slip_for(str(location[-1]), _fields((*path, *location[:-1]))))
        for location in (tuple(error["loc"]) for error in found if error["type"] == "extra_forbidden")
    }
    for error in found:
        location = tuple(error["loc"])
        placed = _placed(root, location)
        item, depth = root.find(placed)
        if not item.whole:
            continue  # What is broken here was already told.
        if error["type"] == "missing" and location in slips:
            problems.partial = True
            continue  # It is there, and misspelt: that is told.
        above, _ = root.find(placed[:-1])
        beside = above.children if isinstance(above.children, dict) else ()
        _note(error, item, placed, depth, (*path, *location), problems, beside)


def _placed(root: Item, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The place in the file: what stands alone there is the first of a list to its model."""
    placed: tuple[int | str, ...] = ()
    for step in location:
        item, depth = root.find(placed)
        alone = step == 0 and depth == len(placed) and isinstance(item.children, dict)
        placed = placed if alone else (*placed, step)
    return placed


def unknown_key(
    item: Item, path: tuple[object, ...], allowed: Sequence[str], problems: Problems, beside: Container[str] = ()
) -> None:
    """Note a key that nothing reads, with what it may have been meant to be; `beside` are its neighbours."""
    key = str(path[-1])
    hint = None
    if why := why_later(tuple(path)):
        problems.add(item.key_region, "not-yet", f"{shown(key)}: {why}", path=path)
        return
    advice = [words for beside_it, words in ADVICE.get(key, ()) if beside_it in allowed]
    if advice:
        hint = advice[0]
    elif slip := slip_for(key, allowed):
        hint = f"did you mean `{slip}`?"
    elif inner := [name for name in allowed if name in beside and key in _fields((*path[:-1], name))]:
        hint = f"it belongs under `{inner[0]}`: indent it further than that"
    elif (meant := MEANT.get(key)) and (homes := _at_home(meant)):
        hint = f"did you mean `{meant}`? It belongs under {homes}"
    elif homes := _at_home(key):
        hint = f"it belongs under {homes}"
    else:
        close = difflib.get_close_matches(key, _homes(), n=1, cutoff=0.8)
        if close and (homes := _at_home(close[0])):
            hint = f"did you mean `{close[0]}`? It belongs under {homes}"
    where = f"`{'.'.join(map(str, path[:-1]))}`" if len(path) > 1 else "the document"
    problems.add(
        item.key_region,
        "unknown-key",
        f"there is no {shown(key)} in {where}",
        allowed=", ".join(f"`{name}`" for name in allowed),
        hint=hint,
        path=path,
    )


def slip_for(key: str, allowed: Sequence[str]) -> str | None:
    """The key that an unknown one was meant to be, if that can be told."""
    for meant in (MEANT.get(key), *HERE.get(key, ())):
        if meant in allowed:
            return meant
    close = difflib.get_close_matches(key, allowed, n=1, cutoff=0.6)
    if close:
        return close[0]
    # A part of one name alone, such as `idle` of `idle_timeout`, is that one.
    whole = [name for name in allowed if name.startswith(f"{key}_") or name.endswith(f"_{key}")]
    return whole[0] if len(whole) == 1 and not whole[0].startswith("unsafe_") else None


def _at_home(key: str) -> str | None:
    """Where a key belongs, unless that is in too many places to tell anything."""
    homes = _homes().get(key, [])
    return " or ".join(f"`{home}`" for home in homes) if 0 < len(homes) <= MAX_HOMES else None


def _note(
    error: ErrorDetails,
    item: Item,
    location: tuple[int | str, ...],
    depth: int,
    path: tuple[int | str, ...],
    problems: Problems,
    beside: Container[str],
) -> None:
    kind = error["type"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        unknown_key(item, path, _fields(path[:-1]), problems, beside)
    elif kind == "missing":
        if depth < len(location):
            _missing(item, path, problems)
    elif kind == "literal_error":
        _not_one_of(item, path, re.findall(r"'([^']*)'", str(context.get("expected", ""))), problems)
    elif kind in _KINDS:
        want = _KINDS[kind]
        hint = _as_list_or_mapping(item, path, want)
        what = f"{called(path)} must be {want}, not {shown(item.data)}"
        problems.add(item.region, "wrong-kind", what, allowed=_keys_or(path, want), hint=hint, path=path)
    else:
        said = refused(error)
        region = _place(item)
        if said.at:
            region, path = item.find(said.at)[0].region, (*path, *said.at)
        problems.add(region, said.code, said.message, allowed=said.allowed, hint=said.hint, path=path)


def _place(item: Item) -> Region:
    """The value that is wrong; in a mapping of one key, such as `{exact: orders}`, the value there."""
    if isinstance(item.children, dict) and len(item.children) == 1:
        return next(iter(item.children.values())).region
    return item.region


def _missing(item: Item, path: tuple[int | str, ...], problems: Problems) -> None:
    name = str(path[-1])
    example = _example(path)
    problems.add(
        item.key_region,
        "missing-key",
        f"{called(path[:-1])} has no {shown(name)}",
        hint=f"add `{name}: {example}`" if example else f"add `{name}`",
        path=path,
    )


def _not_one_of(item: Item, path: tuple[int | str, ...], allowed: list[str], problems: Problems) -> None:
    said = str(item.data).lower()
    close: list[str] = [meant for meant in VALUES.get(said, ()) if meant in allowed]
    close = close or difflib.get_close_matches(said, allowed, n=1, cutoff=0.5)
    problems.add(
        item.region,
        "not-a-choice",
        f"{shown(item.data)} is not a choice for {called(path)}",
        allowed=", ".join(f"`{choice}`" for choice in allowed),
        hint=f"did you mean `{close[0]}`?" if close else None,
        path=path,
    )


def _as_list_or_mapping(item: Item, path: tuple[int | str, ...], want: str) -> str | None:
    """How to write a value that is good, but stands alone."""
    if want == "a list" and isinstance(item.data, dict):
        return "begin it with `- `: then it is the first of a list"
    if not _is_scalar(item):
        return None
    value = _flow(item.data)
    if len(value) > MAX_SHOWN or not value.isprintable():
        return None
    if want == "a list":
        return f"put it in brackets: [{value}]" if _may_be_listed(path, item.data) else None
    if not isinstance(path[-1], str):
        return None
    if str(item.data).lower() in TURNED_ON:
        return f"write `{path[-1]}: {{}}`: the rest has defaults" if _is_on_when_empty(path) else None
    field = _field_for(path, item.data)
    return f"write `{path[-1]}: {{{field}: {value}}}`" if field is not None else None


def _is_on_when_empty(path: Sequence[object]) -> bool:
    """Whether an empty mapping is taken, and does something that leaving it out does not."""
    above, name = _model_at(path[:-1]), str(path[-1])
    field = above.model_fields.get(name) if above is not None else None
    if name in IDLE or (field is not None and field.get_default(call_default_factory=False) is not None):
        return False
    return _takes(_model_at(path), {}) is not None


def _may_be_listed(path: Sequence[object], value: object) -> bool:
    """Whether a list of the value would be taken, as far as can be told."""
    model, name = _model_at(path[:-1]), str(path[-1])
    if model is None:
        return isinstance(value, str)
    try:
        model.model_validate({name: [value]})
    except ValidationError as error:
        return all(found["loc"][:1] != (name,) for found in error.errors(include_url=False, include_input=False))
    return True


def _takes(model: type[BaseModel] | None, value: dict[str, object]) -> BaseModel | None:
    try:
        return model.model_validate(value) if model is not None else None
    except ValidationError:
        return None


def _field_for(path: Sequence[object], value: object) -> str | None:
    """The one field that takes the value, of a mapping that wants nothing else.

    Never one that is true or false: it may turn a safeguard off, or agree to something in somebody's name.
    """
    model = _model_at(path)
    taking = []
    for name in model.model_fields if model is not None else ():
        made = _takes(model, {name: value})
        if made is not None and not isinstance(getattr(made, name), bool):
            taking.append(name)
    return taking[0] if len(taking) == 1 and not taking[0].startswith("unsafe_") else None


def _is_scalar(item: Item) -> bool:
    return isinstance(item.data, str | int | float | bool)


def called(path: Sequence[object]) -> str:
    """The place as a message may quote it: the names that lead there."""
    names = [step for step in path if isinstance(step, str)]
    return f"`{'.'.join(names)}`" if names else "the document"


def _keys_or(path: tuple[int | str, ...], kind: str) -> str | None:
    if kind == "a list":
        example = _example(path)
        return f"a list, such as `{example}`" if example is not None and len(example) <= MAX_EXAMPLE else None
    fields = _fields(path)
    return f"a mapping with {', '.join(f'`{name}`' for name in fields)}" if fields else None


def _fields(path: Sequence[object]) -> list[str]:
    model = _model_at(path)
    return list(model.model_fields) if model is not None else []


def _example(path: Sequence[object]) -> str | None:
    model = _model_at(path[:-1])
    field = model.model_fields.get(str(path[-1])) if model is not None else None
    return _flow(field.examples[0]) if field is not None and field.examples else None


def _flow(value: object) -> str:
    """The example as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f'"{text}"' if set(text) & set("{}[],#&*!|>%@`") else text


def _model_at(path: Sequence[object]) -> type[BaseModel] | None:
    """The model that reads what lies at the path."""
    here: Any = Config
    for step in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(step))
            if field is None:
                return None
            here = _inner(field.annotation)
        else:
            arguments = get_args(here)
            if not arguments:
                return None
            here = _inner(arguments[-1])
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _inner(annotation: Any) -> Any:
    """The annotation without `Annotated` and without `None`."""
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if get_origin(annotation) in {Union, types.UnionType}:
        kept = [kind for kind in get_args(annotation) if kind is not type(None)]
        return _inner(kept[0])
    return annotation


@cache
def _homes() -> dict[str, list[str]]:
    """For each key of the document, where it belongs; for keys set down at the wrong level."""
    homes: dict[str, list[str]] = {}
    for name, home in _walk(Config, ()):
        homes.setdefault(name, []).append(home)
    return homes


def _walk(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        yield name, ".".join(path) or "the document's first level"
        here = _inner(field.annotation)
        below = (*path, name)
        if get_origin(here) is dict:
            here = _inner(get_args(here)[1])
            below = (*below, "NAME")
        if isinstance(here, type) and issubclass(here, BaseModel) and len(path) < 4:
            yield from _walk(here, below)
