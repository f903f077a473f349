"""The pages of people with passwords: forms, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lockgate.identity.pages import page

_NEW = (
    '<label>New password<input type="password" name="password" autocomplete="new-password" maxlength="1024" required '
    '{focus}></label><label>Once more<input type="password" name="again" autocomplete="new-password" '
    'maxlength="1024" required></label>'
    '<p class="small">Take some words that do not belong together. Length is what counts; there are no other rules.</p>'
)
_SIGN_IN = (
    '<form method="post"><label>Name<input name="name" autocomplete="username" autocapitalize="none" '
    'spellcheck="false" maxlength="256" required autofocus></label>'
    '<label>Password<input type="password" name="password" autocomplete="current-password" maxlength="1024" '
    'required></label><button type="submit">Sign in</button></form>'
)


def sign_in(place: str, others: Sequence[tuple[str, str]], forgotten: str | None, wrong: str | None) -> str:
    """Asks for a name and a password; `others` are who else signs people in."""
    parts = [
        _wrong(wrong),
        _SIGN_IN,
    ]
    if forgotten is not None:
        parts.append(f'<p class="small"><a href="{escape(forgotten)}">I have forgotten my password</a></p>')
    if others:
        parts.append("<p>Or by</p>")
        parts += [f'<a class="choice" href="{escape(url)}">{escape(name)}</a>' for name, url in others]
    return page(f"Sign in to {place}", "".join(parts))


def set_password(place: str, name: str, kind: str, wrong: str | None) -> str:
    """Asks for a password, by a link."""
    title = f"Welcome to {place}" if kind == "invitation" else "Choose a new password"
    return page(
        title,
        f'{_wrong(wrong)}<form method="post">{_own(name)}'
        f'{_NEW.format(focus="autofocus")}<button type="submit">Set the password</button></form>',
    )


def password_set(place: str, again: str) -> str:
    """Says that it is done."""
    return page(
        "The password is set",
        f"<p>Wherever you were signed in to {escape(place)}, you are not any more.</p>"
        f'<a class="choice" href="{escape(again)}">Sign in</a>',
    )


def change(place: str, name: str, wrong: str | None) -> str:
    """Asks for the present password and another."""
    return page(
        "Change your password",
        f'{_wrong(wrong)}<form method="post">{_own(name)}'
        '<label>Present password<input type="password" name="present" autocomplete="current-password" '
        f'maxlength="1024" required autofocus></label>{_NEW.format(focus="")}'
        f'<button type="submit">Change it</button></form><p class="small">You will have to sign in to {escape(place)} '
        "again, everywhere.</p>",
    )


def forgotten(place: str) -> str:
    """Asks who it is."""
    return page(
        "A new password",
        f"<p>For {escape(place)}. We send a link to your mailbox.</p>"
        '<form method="post"><label>Name, or address of your mailbox<input name="name" autocomplete="username" '
        'autocapitalize="none" spellcheck="false" maxlength="320" required autofocus></label>'
        '<button type="submit">Send it</button></form>',
    )


def on_its_way(place: str, again: str) -> str:
    """Says what is said to everybody."""
    return page(
        "Look into your mailbox",
        f"<p>If somebody with that name has a mailbox at {escape(place)}, a link is on its way to it. It is good for a "
        f'short time, and once.</p><a class="choice" href="{escape(again)}">Sign in</a>',
    )


def _own(name: str) -> str:
    """Whose password it is: for people, and for what keeps passwords for them."""
    return f'<label>Name<input name="name" autocomplete="username" value="{escape(name)}" readonly></label>'


def _wrong(text: str | None) -> str:
    return f'<p role="alert"><strong>{escape(text)}</strong></p>' if text else ""
