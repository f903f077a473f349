"""Rules about an API's versions that look at more than one value."""

from __future__ import annotations

import difflib

from lockgate.config.check_routing import Path, unknown_upstream
from lockgate.config.document import Document
from lockgate.config.model_apis import Api
from lockgate.config.model_versions import Version, day_ms
from lockgate.scalars import shown


def check_versions(document: Document, path: Path, api: Api) -> None:
    """An API's versions: each can be reached, goes somewhere, and ends after it was said to."""
    if api.versions is None:
        _needless(document, path, api)
        return
    names = list(api.versions)
    if not names:
        where = (*path, "versions")
        document.problems.add(
            document.region(*where), "versions-empty", "`versions` names no version", hint="add one", path=where
        )
    if api.openapi is not None:
        where = (*path, "openapi")
        message = "an API with `versions` has its documents there"
        document.problems.add(
            document.region(*where), "openapi-and-versions", message, hint="move it into a version", path=where
        )
    if api.default_version is not None:
        _known(document, (*path, "default_version"), api.default_version, names)
    for name, version in api.versions.items():
        _version(document, (*path, "versions", name), name, version, api)


def _version(document: Document, path: Path, name: str, version: Version, api: Api) -> None:
    problems = document.problems
    if version.upstream is not None and not document.says("upstreams", version.upstream):
        unknown_upstream(document, (*path, "upstream"), version.upstream)
    if version.upstream is None and api.upstream is None and api.split is None:
        message = f"the version {shown(name)} has no `upstream`, and neither has its API"
        problems.add(document.region(*path), "missing-key", message, hint="add `upstream: shop`", path=path)
    if version.successor is not None:
        others = [other for other in api.versions or () if other != name]
        _known(document, (*path, "successor"), version.successor, others)
    deprecated, sunset = day_ms(version.deprecated), day_ms(version.sunset)
    if deprecated is not None and sunset is not None and sunset < deprecated:
        where = (*path, "sunset")
        message = "it would end before it is deprecated (RFC 9745, section 4)"
        problems.add(document.value_region(*where), "sunset-too-early", message, path=where)
    if version.notice is not None and deprecated is None and sunset is None:
        where = (*path, "notice")
        hint = "say `deprecated` or `sunset`, or take it out"
        message = "there is no end to read of"
        problems.add(document.region(*where), "notice-needless", message, severity="warning", hint=hint, path=where)
    for index, brownout in enumerate(version.brownouts):
        where = (*path, "brownouts", index)
        if brownout.end <= brownout.start:
            problems.add(document.value_region(*where, "end"), "brownout-empty", "it ends before it begins", path=where)


def _known(document: Document, path: Path, name: str, names: list[str]) -> None:
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    document.problems.add(
        document.value_region(*path),
        "version-not-there",
        f"there is no version {shown(name)} to be that",
        allowed=", ".join(map(shown, names)) or None,
        hint=f"did you mean {shown(close[0])}?" if close else None,
        path=path,
    )


def _needless(document: Document, path: Path, api: Api) -> None:
    for key in ("version_by", "default_version"):
        if key in api.model_fields_set:
            where = (*path, key)
            document.problems.add(
                document.region(*where), "versions-missing", f"`{key}` without `versions`", hint="add them", path=where
            )
