"""The documentation becomes a web site: whole, with links that lead somewhere, asking no stranger for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.tree import ROOT

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("site")]
LINK = re.compile(r"""<(?:a|link|script|img)\b[^>]*?\b(?:href|src)=["']?([^"'\s>]+)""")
FETCHED = re.compile(r"""<(?:link|script|img)\b[^>]*?\b(?:href|src)=["']?(https?:[^"'\s>]+)""")


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "built"
    command = [sys.executable, str(ROOT / "tools/website.py"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


def pages(html: Path) -> list[Path]:
    return [page for page in html.rglob("*.html") if page.name != "404.html"]


def test_every_page_of_the_documentation_is_there(html: Path) -> None:
    wanted = sum(1 for _ in (ROOT / "docs").rglob("*.md"))
    assert len(pages(html)) >= wanted


def test_links_lead_to_pages_that_are_there(html: Path) -> None:
    broken = []
    for page in pages(html):
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" in link:
                continue
            parts = urlsplit(link)
            if parts.scheme or not parts.path:
                continue
            to = html / parts.path.lstrip("/") if parts.path.startswith("/") else page.parent / unquote(parts.path)
            if not to.exists():
                broken.append(f"{page.relative_to(html)}: {link}")
    assert not broken


def test_reading_asks_no_other_host(html: Path) -> None:
    fetched = [
        f"{page.relative_to(html)}: {address}"
        for page in pages(html)
        for address in FETCHED.findall(page.read_text(encoding="utf-8"))
    ]
    assert not fetched


def test_every_code_block_is_one(html: Path) -> None:
    spilt = [page.name for page in pages(html) if "```" in page.read_text(encoding="utf-8")]
    assert not spilt


def test_diagrams_become_pictures(html: Path) -> None:
    """The page carries the diagram for the program that draws it, as no other code block is carried."""
    page = (html / "project/architecture.html").read_text(encoding="utf-8")
    assert re.search(r'<pre class="?mermaid', page)
