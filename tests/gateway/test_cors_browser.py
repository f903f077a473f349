"""Whether pages may call is for a browser to say: Chromium itself asks a gate."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate, key_put
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from lockgate import _native
from lockgate.config.bundle_types import PlacedCors
from support.waiting import until

CHROMIUM = shutil.which("chromium")
START_SECONDS = 60.0
"""A browser's first start on a busy machine."""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="wants Debian's chromium (scripts/system-packages.sh installs it where it may)"
)

PAGE = """<!doctype html><script>
const ask = async ([url, options, wanted]) => {
  try {
    const got = await fetch(url, options);
    const said = (got.headers.get("content-type") || "").includes("json") ? await got.json() : await got.text();
    return {status: got.status, said, read: wanted.map((name) => got.headers.get(name))};
  } catch (error) { return {failed: error.name}; }
};
(async () => {
  const found = [];
  for (const each of ASKED) found.push(await ask(each));
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
})();
</script>"""


class Site:
    """A web site with one page that asks, and hands back what it could read."""

    def __init__(self) -> None:
        self.page = b""
        self.found: list[Any] | None = None
        self.server = AutoUpstream(self._serve)

    def _serve(self, asked: Message) -> bytes:
        if asked.target == "/found":
            self.found = json.loads(asked.body)
            return answer(b"")
        return answer(self.page, "Content-Type: text/html")

    @property
    def origin(self) -> str:
        """As a browser says it. Not 127.0.0.1: that is where the gate is."""
        return f"http://localhost:{self.server.port}"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    with made.server:
        yield made


def seen(site: Site, folder: Path, asked: list[tuple[str, dict[str, Any], list[str]]]) -> list[Any]:
    """What a page of the site reads of each question."""
    assert CHROMIUM is not None
    site.page = PAGE.replace("ASKED", json.dumps(asked)).encode()
    command = [
        *[CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"],
        *["--remote-debugging-port=0", "--disable-background-networking", f"--user-data-dir={folder / 'profile'}"],
        site.origin + "/",
    ]
    with (folder / "chromium.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as browser:
        try:
            return until(lambda: site.found, "the page's answer", within=START_SECONDS)
        finally:
            browser.terminate()
            browser.wait(START_SECONDS)


def pages(origin: str, *, credentials: bool = False) -> PlacedCors:
    """The policy for pages of this origin."""
    return bundles.cors(
        {
            "origins": [origin],
            "methods": [],
            "headers": ["content-type"],
            "expose": ["x-request-id"],
            "credentials": credentials,
            "max_age_s": 0,
            "private_network": True,
        }
    )


def test_a_page_calls_and_reads_also_what_is_refused(gate: Gate, site: Site, tmp_path: Path) -> None:
    key, digest = _native.mint_key(gate.pepper)
    with AutoUpstream(
        lambda _request: answer(b"ok", "Access-Control-Allow-Origin: https://theirs.example")
    ) as upstream:
        told = [
            bundles.api("open", "/open", keys=[bundles.api_key()], pages=pages(site.origin)),
            bundles.api("other", "/other", keys=[bundles.api_key()], pages=pages("https://other.example")),
            bundles.api("none", "/none"),
        ]
        gate.load(bundles.bundle(told, [bundles.upstream(upstream.port)]))
        gate.facts(key_put(1, "key_1", digest))
        at = f"http://127.0.0.1:{gate.port()}"
        keyed = {"method": "PUT", "headers": {"X-API-Key": key, "Content-Type": "application/json"}, "body": "{}"}
        found = seen(
            site,
            tmp_path,
            [
                (f"{at}/open", keyed, ["x-request-id"]),
                (f"{at}/open", {}, ["x-request-id"]),
                (f"{at}/open", {**keyed, "headers": {"X-API-Key": key, "X-Else": "1"}}, []),
                (f"{at}/other", keyed, []),
                (f"{at}/other", {}, []),
                (f"{at}/none", {}, []),
                (f"{at}/nowhere", keyed, []),
            ],
        )
    called, unproved, header, elsewhere, unread, without, nowhere = found
    assert (called["status"], called["said"]) == (200, "ok")
    assert len(called["read"][0]) == 26, "an exposed header is read"
    assert (unproved["status"], unproved["said"]["reason"]) == (401, "key-missing")
    assert unproved["said"]["instance"] == unproved["read"][0]
    for refused in (header, elsewhere, unread, without, nowhere):
        assert refused == {"failed": "TypeError"}, "a browser shows a page nothing of what it may not read"
    gate.refused("cors-header-not-allowed")
    gate.refused("cors-origin-not-allowed")


def test_cookies_come_along_where_they_may(gate: Gate, auto: AutoUpstream, site: Site, tmp_path: Path) -> None:
    told = [
        bundles.api("with", "/with", pages=pages(site.origin, credentials=True)),
        bundles.api("without", "/without", pages=pages(site.origin)),
    ]
    gate.load(bundles.bundle(told, [bundles.upstream(auto.port)]))
    at = f"http://127.0.0.1:{gate.port()}"
    included = {"credentials": "include"}
    found = seen(site, tmp_path, [(f"{at}/with", included, []), (f"{at}/without", included, [])])
    assert found[0]["status"] == 200
    assert found[1] == {"failed": "TypeError"}
