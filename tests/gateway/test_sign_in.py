"""People sign in at a real provider, and the gate knows them by their cookie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.harness.upstream import AutoUpstream
from support.processes import Processes
from support.sign_in import SignInPlace

pytestmark = pytest.mark.full


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


def test_a_person_signs_in_and_comes_back_to_the_page(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    with place.browser() as browser:
        page = browser.sign_in("ada", "/orders?q=1&x=a%20b")
        assert (page.status_code, str(page.request.url)) == (200, f"{place.base}/orders?q=1&x=a%20b")
        assert browser.session is not None
