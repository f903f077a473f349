"""Why signing in or out did not work: what the person is told, and what the operator can do.

These are the pages' own; what the gate refuses is in `lockgate._native.reasons()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """One of them."""

    code: str
    status: int
    title: str
    """For the person in front of the browser."""
    advice: str
    """For whoever looks after the gate."""


REASONS: Final = (
    Reason(
        "sign-in-state-unknown",
        400,
        "This sign-in was not begun in this browser, or too long ago.",
        "The answer of the provider belongs to no cookie: ten minutes have passed, it was answered before, cookies are "
        "blocked, or somebody else's link was opened. Begin anew. Where it happens to everybody, look whether the "
        "host that people use is the one that the provider sends them back to.",
    ),
    Reason(
        "sign-in-refused",
        403,
        "The provider did not sign you in.",
        "The provider's own word stands beside it: `access_denied` is the person's choice or the provider's rule; "
        "`invalid_client` and `unauthorized_client` are what `issuers.NAME.client` says; `invalid_grant` is a code "
        "that was used before, or is old.",
    ),
    Reason(
        "sign-in-token-refused",
        502,
        "What the provider answered is not to be trusted.",
        "The ID token is not signed in a way that `algorithms` names, not for this client, not in time, or not for "
        "this sign-in; the detail says which. Compare the clocks, and `issuers.NAME`.",
    ),
    Reason(
        "sign-in-provider-unavailable",
        503,
        "The provider cannot be reached at the moment.",
        "It is down, slow, or answers what no provider answers; the control process's log says which. Who is signed in "
        "already notices nothing of it.",
    ),
    Reason(
        "sign-in-too-large",
        500,
        "What the provider says of you does not fit into a session.",
        "A cookie has room for 3.8 KiB. Name fewer under `sign_in.NAME.claims`: long lists of groups are the usual "
        "cause; let the provider send only those that matter here.",
    ),
    Reason(
        "sign-in-malformed",
        400,
        "This address is not complete.",
        "A page of the sign-in was asked for with parameters that are missing, twice there or too long. Links come "
        "from the gate itself: begin at `/.lockgate/NAME/sign-in`.",
    ),
    Reason(
        "sign-in-wrong",
        403,
        "The name or the password is not right.",
        "So it is said for a wrong password, for a name that nobody has, for a person who is suspended and while an "
        "account waits after failures. Which it was stands in the event `login-refused`, with the address that it came "
        "from. A wait ends by itself, after fifteen minutes at the latest, and with a new password.",
    ),
    Reason(
        "sign-in-busy",
        503,
        "Nobody can be signed in at the moment.",
        "So many passwords are being looked at that this one would have waited too long, or the directory does not "
        "answer: a finding says so.",
    ),
    Reason(
        "sign-in-cross-site",
        403,
        "Another site wanted to send this form.",
        "Names and passwords are sent by forms of the gate's own pages. A program that sends one says by "
        "`Sec-Fetch-Site: same-origin`, or by the gate's own address in `Origin`, that no other site had it sent.",
    ),
    Reason(
        "link-not-good",
        403,
        "This link is not good any more.",
        "It was used, has had its time, or another was made after it. An operator makes one with `lockgate users "
        "invite` or `lockgate users reset`.",
    ),
    Reason(
        "password-unfit",
        422,
        "This password cannot be taken.",
        "It is too short, nearly the person's own name or that of the place, or on the list of passwords that others "
        "have lost (`issuers.NAME.users.leaked`). The page says which.",
    ),
    Reason(
        "step-up-not-given",
        403,
        "The provider did not give the proof that is wanted.",
        "It signed the person in anew, and what it says of how (`amr`, `acr`, `auth_time`) is not what the rule of "
        "`step_up` asks for. Let it say so in its ID token; or let people prove it here with "
        "`sign_in.NAME.second_factor`; or ask for what there is.",
    ),
    Reason(
        "factor-locked",
        429,
        "There were too many wrong codes.",
        "Five failures in a row, then a wait that doubles up to an hour. Whoever has lost their factors and codes is "
        "helped by an operator: `lockgate factors remove --subject …`, after making sure who asks.",
    ),
    Reason(
        "factor-wrong",
        403,
        "This is not the code.",
        "The code was mistyped, is more than a minute old, or was used before; or the passkey's answer does not hold. "
        "Codes of an app go by its clock.",
    ),
    Reason(
        "factor-cross-site",
        403,
        "Another site wanted this.",
        "Second factors are added, used and taken away by forms of the gate's own pages.",
    ),
    Reason(
        "device-unknown",
        404,
        "You have no such device.",
        "It was revoked or forgotten meanwhile, in another tab or by an operator; or it is somebody else's. Open the "
        "list anew: `/.lockgate/NAME/devices`.",
    ),
    Reason(
        "device-cross-site",
        403,
        "Another site wanted this.",
        "Devices are named and revoked by forms of the gate's own pages.",
    ),
    Reason(
        "authorize-malformed",
        400,
        "The program that sent you here did not ask as it must.",
        "The detail says what is wrong with its request: a client that nobody registered or that was stopped, a "
        "`redirect_uri` that is not one of its own letter by letter, or no PKCE (`code_challenge_method=S256`). Nobody "
        "is sent back to an address that is not the program's.",
    ),
    Reason(
        "grant-unknown",
        404,
        "You have let in no such program.",
        "It was taken back meanwhile, in another tab or by an operator; or it is somebody else's. Open the list anew: "
        "`/.lockgate/NAME/grants`.",
    ),
    Reason(
        "grant-cross-site",
        403,
        "Another site wanted this.",
        "Programs are let in, and that is taken back, by forms of the gate's own pages.",
    ),
    Reason(
        "sign-out-cross-site",
        403,
        "Another site wanted to sign you out.",
        "Signing out is a form of the gate's own page. An application links to `/.lockgate/NAME/sign-out`, and the "
        "page asks the person.",
    ),
)

_BY_CODE: Final = {reason.code: reason for reason in REASONS}


def reason(code: str) -> Reason:
    """The reason of this code."""
    return _BY_CODE[code]
