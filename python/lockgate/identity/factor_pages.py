"""The pages of second factors. They have the one script that passkeys cannot do without; all else is forms."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from lockgate.identity import pages
from lockgate.identity.factors import Factor

SCRIPT: Final = """\
for (const form of document.querySelectorAll("form[data-options]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form.querySelector("[role=status]");
    try {
      const options = JSON.parse(form.dataset.options);
      const made = form.dataset.kind === "create"
        ? await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})
        : await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)});
      form.elements.credential.value = JSON.stringify(made.toJSON());
      form.submit();
    } catch (error) {
      said.textContent = error.name === "InvalidStateError" ? "This device has a passkey for you already."
        : error.name === "NotAllowedError" ? "That was not done, or took too long. Try again."
        : "This browser or device cannot do that (" + error.name + ").";
    }
  });
}
"""
_SCRIPT_HASH: Final = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()


def headers() -> dict[str, str]:
    """As those of all pages, with the one script."""
    found = pages.headers()
    policy = found["Content-Security-Policy"]
    return {**found, "Content-Security-Policy": f"{policy}; script-src 'sha256-{_SCRIPT_HASH}'"}


def none_yet(add: str) -> str:
    """Says that a second factor is wanted, and there is none."""
    return pages.page(
        "One more proof is wanted",
        "<p>What you want to do asks for a second factor, and you have none yet. It takes a minute.</p>"
        f'<a class="choice" href="{escape(add)}">Add one</a>',
    )


def prove(wanted: Mapping[str, str], options: str | None, wrong: str | None, *, codes: bool) -> str:
    """Asks for a second factor."""
    del wanted  # It is in the address, where the form goes to as well.
    parts = [_wrong(wrong), "<p>For this we want to be sure that it is you.</p>"]
    if options is not None:
        parts.append(
            f'<form method="post" data-kind="get" data-options="{escape(options)}">'
            '<input type="hidden" name="credential"><button type="submit" autofocus>Use a passkey</button>'
            '<p role="status" class="small"></p></form>'
        )
    if codes:
        parts.append(
            '<form method="post"><label>Code of your app, or a recovery code'
            '<input name="code" autocomplete="one-time-code" inputmode="text" maxlength="32" required></label>'
            '<button type="submit">Go on</button></form>'
        )
    return pages.page("Is it you?", "".join(parts) + _script(options))


def manage(
    own: Sequence[Factor],
    left: int,
    options: str | None,
    wrong: str | None,
    links: tuple[str | None, str | None, str],
    *,
    totp: bool,
) -> str:
    """Lists factors, and lets people add and take away some.

    `links` are where to go on to, where to show a passkey first, before more are added, and where one's devices are.
    """
    back, first, devices = links
    parts = [_wrong(wrong)]
    if own:
        parts.append(f"<ul>{''.join(map(_row, own))}</ul>")
        again = '<form method="post"><button name="do" value="recovery">New recovery codes</button></form>'
        parts.append(f'<p class="small">{left} recovery codes are left.</p>{again}')
    else:
        parts.append("<p>A second factor keeps others out who have learned your password.</p>")
    if options is not None:
        parts.append(
            f'<form method="post" data-kind="create" data-options="{escape(options)}">'
            '<input type="hidden" name="credential"><input type="hidden" name="do" value="passkey">'
            '<label>What to call it<input name="name" maxlength="40" placeholder="My laptop"></label>'
            '<button type="submit">Add a passkey</button><p role="status" class="small"></p></form>'
        )
    if first is not None:
        parts.append(
            f'<p><a class="choice" href="{escape(first)}">Show a passkey</a></p>'
            '<p class="small">Passkeys are added and taken away by one that you have. Ask whoever runs this for help '
            "where all are lost.</p>"
        )
    if totp:
        parts.append('<form method="post"><button name="do" value="totp-begin">Add an app with codes</button></form>')
    if back is not None and own:
        parts.append(f'<a class="choice" href="{escape(back)}">Go on</a>')
    parts.append(f'<p class="small"><a href="{escape(devices)}">Your devices</a></p>')
    return pages.page("Your second factors", "".join(parts) + _script(options))


def scan(picture: str, secret: str, address: str, wrong: str | None) -> str:
    """Shows a secret as a picture that apps read, and asks for the first code."""
    grouped = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return pages.page(
        "Scan this with your app",
        f'{_wrong(wrong)}<p><a href="{escape(address)}">{picture}</a></p>'
        f'<p class="small">Or type it in: <code>{escape(grouped)}</code></p>'
        '<form method="post"><input type="hidden" name="do" value="totp">'
        '<label>The code that it shows<input name="code" inputmode="numeric" autocomplete="one-time-code" '
        'maxlength="7" required autofocus></label>'
        '<label>What to call it<input name="name" maxlength="40" placeholder="My phone"></label>'
        '<button type="submit">Add it</button></form>',
    )


def keep_codes(codes: Sequence[str], back: str) -> str:
    """Shows recovery codes, this once."""
    return pages.page(
        "Keep these codes",
        "<p>Each is good once, when your other factors are lost. They are not shown again: print them, or put them "
        f"into a password manager.</p><pre>{escape(chr(10).join(codes))}</pre>"
        f'<a class="choice" href="{escape(back)}">I have kept them</a>',
    )


def _row(factor: Factor) -> str:
    kind = "passkey" if factor.kind == "passkey" else "app"
    used = f", used {_day(factor.used_ms)}" if factor.used_ms is not None else ""
    return (
        f"<li>{escape(factor.name)} ({kind}, added {_day(factor.created_ms)}{used})"
        f'<form method="post"><input type="hidden" name="id" value="{escape(factor.id)}">'
        '<button name="do" value="remove">Take away</button></form></li>'
    )


def _day(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d")


def _wrong(text: str | None) -> str:
    return f'<p role="alert"><strong>{escape(text)}</strong></p>' if text else ""


def _script(options: str | None) -> str:
    return f"<script>{SCRIPT}</script>" if options is not None else ""
