"""Proofs that an API asks people for, and that no session of its sign-in ever says: who signs in gets no further."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.model_sign_in import PASSWORD, SignIn
from lockgate.config.placed import Path
from lockgate.policies import Session
from lockgate.scalars import shown


class Asked(NamedTuple):
    """A proof, and where it is asked for."""

    path: Path
    amr: list[str]
    acr: list[str]
    within: bool


def check_proofs(document: Document, apis: list[EffectiveApi]) -> None:
    """Warn of each: other ways of the API may still reach it."""
    for api in apis:
        sessions = [way.policy for way in api.authenticate if isinstance(way.policy, Session)]
        for asked in _asked(api):
            for session in sessions:
                said = document.sign_in.get(session.sign_in)
                if said is not None:
                    _check(document, asked, session.sign_in, said)


def _asked(api: EffectiveApi) -> Iterator[Asked]:
    if api.step_up is not None:
        for number, rule in enumerate(api.step_up.policy.rules):
            yield Asked((*api.step_up.path, "rules", number), rule.amr, rule.acr, rule.within is not None)
    if api.risk is not None and api.risk.policy.step_up_at is not None:
        yield Asked(api.risk.path, api.risk.policy.amr, api.risk.policy.acr, within=True)
    if api.device is not None:
        policy = api.device.policy
        if "step_up" in {policy.new, policy.changed, policy.travel}:
            yield Asked(api.device.path, policy.amr, policy.acr, within=False)


def _check(document: Document, asked: Asked, name: str, said: SignIn) -> None:
    issuers = [document.issuers[one] for one in said.issuers if one in document.issuers]
    passwords = bool(issuers) and all(issuer.by_password for issuer in issuers)
    own = said.own_means | ({PASSWORD} if passwords and "amr" in said.claims else set())
    here = own & set(asked.amr) if asked.amr else said.own_means
    wanted = {
        "acr": ("acr", bool(asked.acr)),
        "amr": ("amr", bool(asked.amr) and not here),
        # A second factor that is shown here says when, but of no class.
        "within": ("auth_time", asked.within and (not here or bool(asked.acr))),
    }
    for key, (claim, is_wanted) in wanted.items():
        by_nobody = passwords and claim != "auth_time"
        if not is_wanted or (claim in said.claims and not by_nobody):
            continue
        if by_nobody:
            why = f"people sign in to {shown(name)} by passwords, of which none says the `{claim}` that this asks for"
            factors = f"add `second_factor` to `sign_in.{name}`, with what proves it"
            hint = (
                f"{factors}, or take it out" if claim == "amr" else "take it out, or let people sign in at a provider"
            )
        else:
            why = (
                f"no session of the sign-in {shown(name)} holds the `{claim}` that this asks for: `claims` leave it out"
            )
            hint = f"add `{claim}` to `sign_in.{name}.claims`"
        path = (*asked.path, key)
        document.problems.add(
            document.value_region(*path),
            "step-up-never-said",
            f"{why}; so nobody who signs in there gets any further",
            severity="warning",
            hint=hint,
            path=path,
        )
