"""The pages on which people let programs in, and take that back: forms, without scripts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlsplit

from lockgate.identity.grant_store import Grant, Program
from lockgate.identity.pages import page


def consent(
    place: str,
    account: str,
    program: Program,
    redirect_uri: str,
    scopes: Sequence[tuple[str, str]],
    asked: str,
    manage: str,
) -> str:
    """Asks whether somebody lets a program in; `scopes` have the words that people read.

    `manage` is where it is taken back.
    """
    wishes = "".join(f"<li>{escape(words)} <code>{escape(scope)}</code></li>" for scope, words in scopes)
    stranger = ""
    if program.tier == "unreviewed":
        stranger = (
            "<p><strong>Nobody here has looked at this program yet.</strong> Let it in only if you were just using it "
            "and trust who runs it.</p>"
        )
    purpose = f"<p>{escape(program.purpose)}</p>" if program.purpose and program.source != "registration" else ""
    own = " It calls itself so." if program.source == "registration" else ""
    hidden = f'<input type="hidden" name="asked" value="{escape(asked)}">'
    return page(
        f"Let {program.title} in?",
        f"<p><strong>{escape(program.title)}</strong> wants to do this at {escape(place)} for you, "
        f"{escape(account)}:{own}</p><ul>{wishes}</ul>{purpose}{stranger}"
        f'<form method="post">{hidden}<button name="do" value="allow">Allow</button>'
        '<button name="do" value="deny">Do not allow</button></form>'
        f'<p class="small">Then you go on to <code>{escape(_goes_to(redirect_uri))}</code>. '
        f'You can <a href="{escape(manage)}">take this back</a> at any time.</p>',
    )


def grants(
    place: str,
    account: str,
    own: Sequence[Grant],
    programs: Mapping[str, Program],
    words: Mapping[str, str],
    links: Sequence[tuple[str, str]],
) -> str:
    """What somebody has allowed, with a way to take it back."""
    parts = [f"<p>These do something at {escape(place)} for {escape(account)}.</p>"]
    parts.append(f"<ul>{''.join(_row(one, programs.get(one.program), words) for one in own)}</ul>")
    if not own:
        parts.append("<p>There are none.</p>")
    parts += [f'<a class="choice" href="{escape(url)}">{escape(text)}</a>' for url, text in links]
    return page("Programs that you let in", "".join(parts))


def _row(one: Grant, program: Program | None, words: Mapping[str, str]) -> str:
    title = program.title if program is not None else one.program
    off = "" if program is not None else " (stopped)"
    may = ", ".join(words.get(scope, scope) for scope in one.scopes)
    used = f", last used {_day(one.used_ms)}" if one.used_ms is not None else ", never used"
    return (
        f"<li><strong>{escape(title)}</strong>{off}<p>{escape(may)}</p>"
        f'<p class="small">Since {_day(one.created_ms)}{used}, until {_day(one.until_ms)}</p>'
        f'<form method="post"><input type="hidden" name="id" value="{escape(one.id)}">'
        '<button name="do" value="revoke">Take it back</button></form></li>'
    )


def _goes_to(redirect_uri: str) -> str:
    url = urlsplit(redirect_uri)
    return url.netloc or f"{url.scheme}:"


def _day(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d")
