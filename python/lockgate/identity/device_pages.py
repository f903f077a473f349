"""The page of one's own devices: a list and forms, without scripts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape

from lockgate.identity.devices import NAME_CHARACTERS, WORDS, Device
from lockgate.identity.pages import page


def devices(
    place: str,
    account: str,
    own: Sequence[Device],
    this: str | None,
    links: Sequence[tuple[str, str]],
    wrong: str | None,
) -> str:
    """Lists them; `links` are where to go from here, `this` is the id of the one that looks at the page."""
    parts = [f'<p role="alert"><strong>{escape(wrong)}</strong></p>'] if wrong else []
    parts.append(f"<p>With these, {escape(account)} comes to {escape(place)}. Revoke what you do not know.</p>")
    parts.append(f"<ul>{''.join(_row(one, is_this=one.id == this) for one in own)}</ul>")
    if not own:
        parts.append("<p>There are none yet: the next sign-in is the first.</p>")
    parts += [f'<a class="choice" href="{escape(url)}">{escape(words)}</a>' for url, words in links]
    return page("Your devices", "".join(parts))


def _row(one: Device, *, is_this: bool) -> str:
    kind = one.agent or WORDS[one.kind]
    marks = [word for word, holds in (("this one", is_this), (one.state, one.state != "new")) if holds]
    said = f" ({', '.join(marks)})" if marks else ""
    where = ", ".join(escape(word) for word in (one.country, one.address) if word)
    more = f"{escape(kind)}, added {_day(one.first_ms)}, last used {_minute(one.last_ms)}"
    hidden = f'<input type="hidden" name="id" value="{escape(one.id)}">'
    revoke = "Revoke, and sign out" if is_this else "Revoke"
    return (
        f"<li><strong>{escape(one.name)}</strong>{said}"
        f'<p class="small">{more}{f" from {where}" if where else ""}{_warning(one)}</p>{_looks(one)}'
        f'<form method="post">{hidden}<label>What to call it<input name="name" maxlength="{NAME_CHARACTERS}" '
        f'value="{escape(one.name)}" required></label><button name="do" value="name">Name it</button></form>'
        f'<form method="post">{hidden}<button name="do" value="revoke">{revoke}</button></form></li>'
    )


def _warning(one: Device) -> str:
    words = []
    if one.changed_ms is not None:
        words.append(f"It looks otherwise than before since {_minute(one.changed_ms)}.")
    if one.travel_ms is not None:
        words.append(f"It was used far from your other devices at {_minute(one.travel_ms)}.")
    return "".join(f"<br><strong>{word}</strong>" for word in words)


def _looks(one: Device) -> str:
    """Where there are several it says which: who has copied the session is one of them."""
    if len(one.looks) < 2:
        return ""
    rows = []
    for look in one.looks:
        where = ", ".join(escape(word) for word in (look.country, look.network, look.address) if word)
        odd = " <strong>(not as before)</strong>" if look.changed or look.travel else ""
        said = f"{escape(look.agent or WORDS[one.kind])}{f' from {where}' if where else ''}"
        rows.append(f'<li class="small">{said}, last seen {_minute(look.last_ms)}{odd}</li>')
    return f'<p class="small">It was seen as:</p><ul>{"".join(rows)}</ul>'


def _day(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d")


def _minute(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
