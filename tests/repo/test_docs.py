"""The documentation's links lead somewhere, and its configurations are good ones."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from lockgate.config import ConfigErrors, load
from lockgate.rehearsal.read import read
from support import places
from support.certificates import Authority
from support.tree import ROOT, matching, text

PAGES = matching(r"(docs/.*|examples/.*|changes/README|[A-Z_]+)\.md$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w+)[ \t]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def without_code(page: str) -> str:
    return BLOCK.sub("", page)


def anchors(page: str) -> set[str]:
    """The fragments that a page's headings make, as the usual renderers do."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    plain = [re.sub(r"[`*]", "", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.casefold()).replace(" ", "-") for heading in plain}


def blocks(kind: str, mark: str) -> list[tuple[str, str]]:
    found = []
    for path in PAGES:
        matches = [each for each in BLOCK.finditer(text(path)) if each[1] == kind and each[2].strip() == mark]
        found += [(f"{path}:{number}", each[3]) for number, each in enumerate(matches, 1)]
    return found


def test_there_are_pages() -> None:
    assert len(PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(without_code(text(page))):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (ROOT / page.parent / name) if name else ROOT / page
        if not file.exists() or (
            fragment and file.suffix == ".md" and fragment not in anchors(file.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    assert not broken


def test_every_page_can_be_reached() -> None:
    """A page that no other links to is not found by anybody."""
    linked = {
        (ROOT / page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in LINK.findall(without_code(text(page)))
        if not target.startswith("http")
    }
    lonely = [str(page) for page in PAGES if (ROOT / page) not in linked and page.as_posix() != "README.md"]
    assert not lonely


CONFIGURATIONS = blocks("yaml", "lockgate.yaml")


def test_there_are_configurations() -> None:
    assert len(CONFIGURATIONS) >= 3


# Warnings that come with what a page shows, and that the page repeats.
ON_PURPOSE = {"public-port-udp"}


@pytest.mark.parametrize(("place", "block"), CONFIGURATIONS, ids=[place for place, _ in CONFIGURATIONS])
def test_configurations_in_the_docs_are_good(place: str, block: str, tmp_path: Path) -> None:
    file = tmp_path / "lockgate.yaml"
    file.write_text(block, encoding="utf-8")
    # Files that the page shows beside it.
    for each in BLOCK.finditer(text(Path(place.partition(":")[0]))):
        name = each[2].strip()
        if re.fullmatch(r"[\w.-]+\.(cedar|csv|yaml)", name) and name != file.name:
            (tmp_path / name).write_text(each[3], encoding="utf-8")
    # The module that pages name is the one of the examples.
    shutil.copy(ROOT / "examples/plugins/my_checks.py", tmp_path)
    for name in ("oidc.secret", "webhook.secret", "ldap.password"):
        (tmp_path / name).write_text("hush", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    # And so is the certificate.
    (tmp_path / "certs").mkdir()
    authority = Authority(tmp_path / "certs")
    authority.issue("api", "api.example.com")
    shutil.copy(authority.pem, tmp_path / "front.pem")
    # And so are the databases.
    (tmp_path / "geo").mkdir()
    located = {"192.0.2.0/24": {"country": "DE", "network": 64500}}
    places.countries(tmp_path / "geo" / "country.mmdb", located)
    places.networks(tmp_path / "geo" / "asn.mmdb", located)
    try:
        # The secrets that pages name are there.
        secrets = dict.fromkeys(("OIDC_SECRET", "SHOP_SECRET", "WEBHOOK_SECRET"), "hush")
        loaded = load(file, environment={**os.environ, **secrets})
    except ConfigErrors as refused:
        pytest.fail(f"{place}: {refused}")
    told = [warning.message for warning in loaded.warnings if warning.code not in ON_PURPOSE]
    assert not told, f"{place}: {told}"


TABLES = blocks("yaml", "lockgate.tests.yaml")


@pytest.mark.parametrize(("place", "block"), TABLES, ids=[place for place, _ in TABLES])
def test_tables_of_tests_in_the_docs_are_good(place: str, block: str, tmp_path: Path) -> None:
    file = tmp_path / "lockgate.tests.yaml"
    file.write_text(block, encoding="utf-8")
    try:
        assert read([file])
    except ConfigErrors as refused:
        pytest.fail(f"{place}: {refused}")


def test_there_are_tables_of_tests() -> None:
    assert TABLES
