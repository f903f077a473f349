"""Signing in as people do it: Chromium, a real provider, and what another site tries meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from support.processes import Processes
from support.sign_in import SignInPlace

CHROMIUM = shutil.which("chromium")
PICTURES = os.environ.get("LOCKGATE_PICTURES")
"""A folder for pictures of what people see: docs/guides/sign-in.md shows them."""

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        CHROMIUM is None, reason="wants Debian's chromium (scripts/system-packages.sh installs it where it may)"
    ),
]

PORTAL = b"""<!doctype html><title>Portal</title><h1>Orders</h1>
<button onclick="fetch('/orders', {method: 'POST'}).then(got => document.title = 'sent ' + got.status)">Send</button>
<a href="/.lockgate/staff/sign-out">Sign out</a>"""


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser that nobody has used before."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 720, "height": 460})
        context.set_default_timeout(60_000)
        yield context.new_page()
        browser.close()


def picture(page: Page, name: str) -> None:
    if PICTURES is not None:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


def served(asked: Message) -> bytes:
    return answer(PORTAL, "Content-Type: text/html")


def test_a_person_signs_in_works_and_leaves(processes: Processes, tmp_path: Path, page: Page) -> None:
    with AutoUpstream(served) as portal:
        place = SignInPlace(processes, tmp_path, portal.port, sign_in={"title": "the Example portal"})
        trap = (
            f'<!doctype html><form method="post" action="{place.base}/orders"></form>'
            "<script>document.forms[0].submit()</script>"
        ).encode()
        evil = AutoUpstream(lambda _: answer(trap, "Content-Type: text/html"))
        page.goto(f"{place.base}/orders?page=2")
        assert page.title() == "Provider"
        picture(page, "sign-in-provider")
        page.fill("input[name=login]", "ada")
        page.click("text=Enter")
        page.wait_for_url(f"{place.base}/orders?page=2")
        assert page.title() == "Portal"
        assert page.evaluate("document.cookie") == "", "no script can read the session"
        picture(page, "sign-in-portal")

        # Its own page may change something; another site, with the same browser, may not.
        page.click("text=Send")
        page.wait_for_function("document.title == 'sent 200'")
        sent = [asked.first for asked in portal.requests if asked.first.startswith("POST")]
        with evil:
            page.goto(f"http://127.0.0.1:{evil.port}/")
            page.wait_for_url(f"{place.base}/orders")
            assert '"reason":"session-' in page.content().replace(" ", "")
        assert sent == [asked.first for asked in portal.requests if asked.first.startswith("POST")]

        page.goto(f"{place.base}/orders")
        page.click("text=Sign out")
        assert page.inner_text("h1") == "Sign out of the Example portal?"
        picture(page, "sign-out-question")
        page.click("button")
        page.click("text=Leave the provider")
        page.wait_for_url("**/signed-out*")
        assert page.inner_text("h1") == "You are signed out of the Example portal"
        picture(page, "sign-out-done")
        page.go_back()
        page.goto(f"{place.base}/orders")
        assert page.title() == "Provider"


def test_a_person_chooses_who_signs_in(processes: Processes, tmp_path: Path, page: Page) -> None:
    with AutoUpstream(served) as portal:
        place = SignInPlace(processes, tmp_path, portal.port)
        place.config["issuers"]["partner"] = {"issuer": "http://localhost:1", "client": {"id": "gate"}}
        place.config["sign_in"]["staff"]["issuers"] = ["company", "partner"]
        place.write()
        with place.running.admin as admin:
            admin.post("/v1/reload").raise_for_status()
        page.goto(f"{place.base}/orders")
        assert page.inner_text("h1") == f"Sign in to localhost:{place.port}"
        picture(page, "sign-in-choose")
        page.click("text=partner")
        assert "sign-in-provider-unavailable" in page.inner_text("main")
        picture(page, "sign-in-unavailable")
        page.click("text=Try again")
        page.click("text=company")
        page.fill("input[name=login]", "bob")
        page.click("text=Enter")
        page.wait_for_url(f"{place.base}/orders")
