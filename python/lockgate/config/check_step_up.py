"""`step_up`: rules that would never ask anybody. A slip in a name must not leave open what it should close."""

from __future__ import annotations

import difflib
from typing import Final

from lockgate.config.check_callers import check_callers
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.model_sign_in import SignIn
from lockgate.config.openapi import Documents
from lockgate.config.openapi.documents import places
from lockgate.config.placed import Path, Placed
from lockgate.policies import Introspection, Jwt, Session, StepUp
from lockgate.scalars import shown

PEOPLE: Final = (Introspection, Jwt, Session)
"""Ways by which the caller may be a person."""


def check_step_up(document: Document, apis: list[EffectiveApi], documents: Documents) -> None:
    """Run the rules that look at an API's documents as well."""
    for api in apis:
        placed = api.step_up
        if placed is None:
            continue
        for way in api.authenticate:
            said = document.sign_in.get(way.policy.sign_in) if isinstance(way.policy, Session) else None
            if isinstance(way.policy, Session) and said is not None:
                _never_said(document, placed, way.policy.sign_in, said)
        if placed.inherited:
            continue
        check_callers(
            document,
            api,
            placed.path,
            PEOPLE,
            unknown="who could prove more",
            others="whoever calls by that can prove no more",
            add="that people can prove more by: `session`, `jwt` or `introspection`",
        )
        read = [documents.named.get(path) for path, _ in places(api.name, api.api)]
        if None in read:
            continue  # What is wrong with a document is told already.
        names = [operation.name for one in read if one is not None for operation in one.operations]
        for number, rule in enumerate(placed.policy.rules):
            for index, name in enumerate(rule.operations):
                if name not in names:
                    _unknown(document, (*placed.path, "rules", number, "operations", index), name, names)


def _never_said(document: Document, placed: Placed[StepUp], name: str, said: SignIn) -> None:
    """Rules that want what no session of the sign-in ever says."""
    for number, rule in enumerate(placed.policy.rules):
        here = said.own_means & set(rule.amr) if rule.amr else said.own_means
        wanted = {
            "acr": ("acr", bool(rule.acr)),
            "amr": ("amr", bool(rule.amr) and not here),
            # A second factor that is shown here says when, but of no class.
            "within": ("auth_time", rule.within is not None and (not here or bool(rule.acr))),
        }
        for key, (claim, is_wanted) in wanted.items():
            if not is_wanted or claim in said.claims:
                continue
            path = (*placed.path, "rules", number, key)
            document.problems.add(
                document.value_region(*path),
                "step-up-never-said",
                f"no session of the sign-in {shown(name)} holds `{claim}`, which this asks for: its `claims` leave it "
                "out, so nobody who signs in there gets any further",
                severity="warning",
                hint=f"add `{claim}` to `sign_in.{name}.claims`",
                path=path,
            )


def _unknown(document: Document, path: Path, name: str, names: list[str]) -> None:
    close = difflib.get_close_matches(name, names, n=1)
    document.problems.add(
        document.value_region(*path),
        "operation-unknown",
        f"no document of the API has an operation {shown(name)}, so nobody would be asked for more",
        allowed=", ".join(map(shown, names[:20])) if names else "operations of a document that `openapi` names",
        hint=f"did you mean {shown(close[0])}?" if close else None,
        path=path,
    )
