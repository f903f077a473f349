#!/usr/bin/env python3
"""Make a web site of the documentation: `make site`, then open target/site/html/index.html.

The pages are those of the repository, so there is one text of each. Links that
lead out of the documentation lead to the repository, and the order of the
navigation is that of the folders below.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = ("guides", "concepts", "policies", "reference", "decisions")
PROJECT = ("ARCHITECTURE.md", "THREAT_MODEL.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
FIRST = ("first-gate.md", "life-of-a-request.md", "config.md", "README.md")
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)?(#[^)\s]*)?(\))")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
# A block that is a file says its name behind the language; the site's generator wants that as a title.
NAMED = re.compile(r"\A```(\w+) ([\w.]+)$", re.MULTILINE)
TITLED = r'```\1 title="\2"'
# Diagrams are drawn in the reader's browser; its program is put beside the pages, so that no page asks a stranger.
MERMAID = "mermaid@11"


def main() -> int:
    """Stage the pages, write the settings, build."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/site"
    source = out / "pages"
    shutil.rmtree(out, ignore_errors=True)
    places = dict(staged())
    for origin, place in places.items():
        to = source / place
        to.parent.mkdir(parents=True, exist_ok=True)
        if origin.suffix == ".md":
            to.write_text(rewritten(origin, place, places), encoding="utf-8")
            for picture in pictures(origin):
                kept = source / "assets" / picture.name
                kept.parent.mkdir(exist_ok=True)
                shutil.copyfile(ROOT / picture, kept)
        else:
            shutil.copyfile(ROOT / origin, to)
    scripts = ["assets/mermaid.min.js"] if mermaid(source / "assets") else []
    (out / "zensical.toml").write_text(settings(places, scripts), encoding="utf-8")
    program = Path(sys.executable).with_name("zensical")
    built = subprocess.run([program, "build", "--strict", "-f", out / "zensical.toml"], cwd=out, check=False)
    if built.returncode == 0:
        print(f"The site is in {out / 'html'}: open index.html there.")
    return built.returncode


def staged() -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Each file of the repository that the site shows, and where in the site it stands."""
    yield PurePosixPath("docs/README.md"), PurePosixPath("index.md")
    for path in sorted((ROOT / "docs").rglob("*")):
        inside = path.relative_to(ROOT / "docs")
        if path.is_file() and inside.as_posix() != "README.md":
            name = "index.md" if path.name == "README.md" else path.name
            yield PurePosixPath(path.relative_to(ROOT)), PurePosixPath(inside.parent, name)
    for name in PROJECT:
        yield PurePosixPath(name), PurePosixPath("project", name.lower().replace("_", "-"))


def rewritten(origin: PurePosixPath, place: PurePosixPath, places: dict[PurePosixPath, PurePosixPath]) -> str:
    """The page, its links as the site has them."""
    repository = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["repository"]

    def link(found: re.Match[str]) -> str:
        before, target, fragment, after = found.groups()
        if target is None or re.match(r"[a-z]+:", target):
            return found[0]
        leads = PurePosixPath(os.path.normpath(PurePosixPath(origin.parent, target)))
        new = places.get(leads) or places.get(leads / "README.md")
        if before.startswith("!"):
            new = PurePosixPath("assets", leads.name)
        where = os.path.relpath(new, place.parent) if new else f"{repository}/blob/main/{leads}"
        return f"{before}{where}{fragment or ''}{after}"

    parts = FENCE.split((ROOT / origin).read_text(encoding="utf-8"))
    return "".join(NAMED.sub(TITLED, part) if part.startswith("```") else LINK.sub(link, part) for part in parts)


def pictures(origin: PurePosixPath) -> list[PurePosixPath]:
    """The pictures that a page shows; they may stand beside what they were made of."""
    shown = [found[2] for found in LINK.finditer((ROOT / origin).read_text(encoding="utf-8")) if found[1][0] == "!"]
    return [PurePosixPath(os.path.normpath(origin.parent / name)) for name in shown if ":" not in name]


def settings(places: dict[PurePosixPath, PurePosixPath], scripts: list[str]) -> str:
    """The generator's settings, with the navigation."""
    nav: list[dict[str, object]] = [{"Home": "index.md"}]
    for section in SECTIONS:
        pages = [place for place in places.values() if place.parts[0] == section and place.suffix == ".md"]
        entries = [{title(ROOT / origin_of(places, page)): str(page)} for page in sorted(pages, key=ordered)]
        nav.append({section.capitalize(): entries})
    nav.append({"Performance": "performance.md"})
    project = [place for place in places.values() if place.parts[0] == "project"]
    nav.append({"Project": [{title(ROOT / origin_of(places, page)): str(page)} for page in project]})
    return f"""\
[project]
site_name = "Lockgate"
site_description = "An API security gateway: lets in who may, refuses the rest, and says why."
docs_dir = "pages"
site_dir = "html"
use_directory_urls = false
extra_javascript = {json.dumps(scripts)}
nav = {inline(nav)}

[project.theme]
# No font or icon is fetched from elsewhere: reading the documentation tells nobody.
font = false
features = ["navigation.sections", "navigation.top", "navigation.footer", "content.code.copy", "search.highlight"]

[[project.theme.palette]]
media = "(prefers-color-scheme: light)"
scheme = "default"
toggle = {{ icon = "lucide/sun", name = "Switch to dark" }}

[[project.theme.palette]]
media = "(prefers-color-scheme: dark)"
scheme = "slate"
toggle = {{ icon = "lucide/moon", name = "Switch to light" }}
"""


def inline(value: object) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def ordered(page: PurePosixPath) -> tuple[bool, str]:
    """What a reader begins with stands first; the rest by name."""
    return page.name not in FIRST and page.name != "index.md", str(page)


def origin_of(places: dict[PurePosixPath, PurePosixPath], page: PurePosixPath) -> PurePosixPath:
    """The file that a page was made of."""
    return next(origin for origin, place in places.items() if place == page)


def title(path: Path) -> str:
    """A page's first heading."""
    found = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].replace("`", "") if found else path.stem


def mermaid(folder: Path) -> bool:
    """Put the program that draws diagrams into the folder; without npm, a diagram stays its text."""
    npm = shutil.which("npm")
    if npm is None:
        print("site: npm is not there, so diagrams are shown as their text")
        return False
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", MERMAID, "--silent", "--pack-destination", scratch]
        if subprocess.run(command, cwd=scratch, capture_output=True, check=False, timeout=300).returncode != 0:
            print(f"site: npm did not give {MERMAID}, so diagrams are shown as their text")
            return False
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(next(Path(scratch).glob("*.tgz"))) as archive:
            member = archive.extractfile("package/dist/mermaid.min.js")
            if member is None:
                return False
            (folder / "mermaid.min.js").write_bytes(member.read())
    return True


if __name__ == "__main__":
    sys.exit(main())
