"""Local users as people meet them: Chromium, from the invitation to a password that was changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from gateway.test_second_factor import RULES, code_of
from gateway.test_sign_in_browser import CHROMIUM, PORTAL, picture
from support.people import GOOD, OTHER, PeoplePlace
from support.processes import Processes

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        CHROMIUM is None, reason="wants Debian's chromium (scripts/system-packages.sh installs it where it may)"
    ),
]


def served(asked: Message) -> bytes:
    return answer(PORTAL, "Content-Type: text/html")


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


def somebody(browser: Browser) -> Page:
    """A browser that nobody has used before."""
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 720, "height": 560})
    context.set_default_timeout(60_000)
    return context.new_page()


def sign_in(page: Page, password: str) -> None:
    page.fill("input[name=name]", "ann")
    page.fill("input[name=password]", password)
    page.click("button")


def test_from_the_invitation_to_another_password(processes: Processes, tmp_path: Path, browser: Browser) -> None:
    with AutoUpstream(served) as portal:
        place = PeoplePlace(
            processes,
            tmp_path,
            portal.port,
            sign_in={"second_factor": ["totp"]},
            portal={"step_up": RULES},
        )
        place.users("add", "ann", "--email", "ann@example.com", "--display", "Ann Example")
        page, elsewhere = somebody(browser), somebody(browser)

        page.goto(place.base + place.link("ann"))
        assert page.inner_text("h1") == "Welcome to the Example portal"
        page.fill("input[name=password]", "too short")
        page.fill("input[name=again]", "too short")
        page.click("button")
        assert "at least 12 characters" in page.inner_text("[role=alert]")
        page.fill("input[name=password]", GOOD)
        page.fill("input[name=again]", GOOD)
        picture(page, "users-invitation")
        page.click("button")
        assert page.inner_text("h1") == "The password is set"

        for one in (page, elsewhere):
            one.goto(f"{place.base}/orders")
            assert one.inner_text("h1") == "Sign in to the Example portal"
        sign_in(page, "a wrong password")
        assert page.inner_text("[role=alert]") == "The name or the password is not right."
        picture(page, "users-sign-in-wrong")
        sign_in(page, GOOD)
        page.wait_for_url(f"{place.base}/orders")
        assert page.title() == "Portal"
        picture(elsewhere, "users-sign-in")
        sign_in(elsewhere, GOOD)
        elsewhere.wait_for_url(f"{place.base}/orders")

        # What the rule asks for: a second factor.
        page.click("text=Send")
        page.wait_for_function("document.title == 'sent 401'")
        page.goto(f"{place.base}/.lockgate/staff/factors")
        page.click("text=Add an app with codes")
        secret = page.inner_text("code").replace(" ", "")
        page.fill("input[name=code]", code_of(secret))
        page.click("text=Add it")
        page.click("text=I have kept them")
        page.goto(f"{place.base}/orders")
        page.click("text=Send")
        page.wait_for_function("document.title == 'sent 200'")

        # Another browser of hers has to prove it, with the same factor.
        elsewhere.goto(f"{place.base}/.lockgate/staff/step-up?amr=mfa&to=/orders")
        elsewhere.fill("input[name=code]", code_of(secret, ahead=1))
        elsewhere.click("text=Go on")
        elsewhere.wait_for_url(f"{place.base}/orders")
        elsewhere.click("text=Send")
        elsewhere.wait_for_function("document.title == 'sent 200'")

        page.goto(f"{place.base}/.lockgate/staff/password")
        picture(page, "users-change")
        page.fill("input[name=present]", GOOD)
        page.fill("input[name=password]", OTHER)
        page.fill("input[name=again]", OTHER)
        page.click("button")
        assert page.inner_text("h1") == "The password is set"
        for one in (page, elsewhere):
            one.goto(f"{place.base}/orders")
            assert one.inner_text("h1") == "Sign in to the Example portal", "sessions ended, everywhere"
        sign_in(page, GOOD)
        assert page.inner_text("[role=alert]") == "The name or the password is not right."
        sign_in(page, OTHER)
        page.wait_for_url(f"{place.base}/orders")
