"""The pages that people see: plain HTML without scripts, readable by everything, in light and dark."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Final

from lockgate.identity.reasons import Reason

STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;display:grid;min-height:100vh;place-items:center}"
    "main{max-width:26rem;padding:2rem}"
    "h1{font-size:1.4rem;line-height:1.3;margin:0 0 1rem}"
    "a.choice,button{display:block;width:100%;box-sizing:border-box;margin:.75rem 0;padding:.7rem 1rem;"
    "border:1px solid #7778;border-radius:.5rem;background:#7771;color:inherit;font:inherit;text-align:center;"
    "text-decoration:none;cursor:pointer}"
    "a.choice:hover,button:hover,a.choice:focus,button:focus{border-color:currentColor}"
    "label{display:block;margin:.75rem 0}input:not([type=hidden]){display:block;width:100%;box-sizing:border-box;"
    "padding:.6rem;font:inherit;border:1px solid #7778;border-radius:.5rem;background:transparent;color:inherit}"
    "ul{list-style:none;padding:0}li{border-top:1px solid #7774;padding:.5rem 0}pre{font-size:1.1rem;line-height:1.7}"
    "svg{display:block;margin:auto;max-width:100%}"
    "p.small{font-size:.85rem;opacity:.75}code{font-size:.9em}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def headers(form_action: str = "'self'") -> dict[str, str]:
    """What goes with every page: nothing may be loaded, framed, kept or told to others."""
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action}; "
        "frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def choose(place: str, choices: Sequence[tuple[str, str]]) -> str:
    """Lets a person choose who signs them in: names with where they lead."""
    links = "".join(f'<a class="choice" href="{escape(url)}">{escape(name)}</a>' for name, url in choices)
    return page(f"Sign in to {place}", f"<p>Who knows you?</p>{links}")


def confirm_sign_out(place: str, devices: str) -> str:
    """Asks before signing out: another site must not do it. `devices` is where the person's devices are."""
    return page(
        f"Sign out of {place}?",
        '<form method="post"><button type="submit">Sign out</button></form>'
        f'<p class="small">Signed in elsewhere? <a href="{escape(devices)}">Your devices</a></p>',
    )


def signed_out(place: str, again: str) -> str:
    """Says that it is done."""
    return page(
        f"You are signed out of {place}",
        f'<p>You can close this page.</p><a class="choice" href="{escape(again)}">Sign in again</a>',
    )


def refused(reason: Reason, detail: str | None, request_id: str | None, again: str | None) -> str:
    """Says what went wrong, and by which words an operator finds it."""
    said = f"<p>{escape(detail)}</p>" if detail else ""
    link = f'<a class="choice" href="{escape(again)}">Try again</a>' if again else ""
    number = f" · request <code>{escape(request_id)}</code>" if request_id else ""
    return page(reason.title, f'{said}{link}<p class="small">Reason <code>{escape(reason.code)}</code>{number}</p>')


def page(title: str, body: str) -> str:
    """A page of this look."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
