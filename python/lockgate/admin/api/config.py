"""The configuration: its files as they stand, what is in force, and changes to both by tag."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field

from lockgate.admin.api.context import ACTOR, WithControl, document_of
from lockgate.admin.api.problems import Problem
from lockgate.admin.bundles import SignedBundle
from lockgate.admin.control import Control
from lockgate.admin.edit import Changes, Edited, EditError, File
from lockgate.config import ConfigErrors, Loaded
from lockgate.config.show import effective
from lockgate.config.splice import SpliceError, splice, value_of
from lockgate.rehearsal.differences import Difference, differences

T = TypeVar("T")

router = APIRouter(prefix="/v1/config", tags=["configuration"])

YAML = "application/yaml"

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The configuration's ETag that the change was made for.")
]
DryRun = Annotated[bool, Query(description="Check it and say what would become of it, and change nothing.")]
Name = Annotated[str, Path(max_length=1000, description="A file, relative to the configuration's folder.")]
Section = Annotated[
    str, Path(max_length=300, description="A section such as `events`, or one thing in it such as `apis/shop`.")
]
BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {YAML: {"schema": {"type": "string"}}}}}


MOST_DIFFERENCES = 500
"""What one answer holds of them."""


class ConfigFile(BaseModel):
    """A file of the configuration."""

    name: str = Field(description="Relative to the folder of the main file, which is the first.")
    bytes: int
    etag: str


class ConfigFiles(BaseModel):
    """The configuration as it stands on disk."""

    path: str = Field(description="The main file.")
    etag: str = Field(description="Of all files together; a change names it in If-Match.")
    files: list[ConfigFile]
    refused: list[dict[str, Any]] | None = Field(
        description="Why it is not what serves, where it is refused: every error with its place."
    )


class EffectiveConfig(BaseModel):
    """What is in force in the end."""

    sequence: int | None = Field(description="The bundle's number.")
    config: dict[str, Any] = Field(description="Defaults filled in, includes read.")
    places: dict[str, str] = Field(description="Where the file says it, by dotted path.")


class Change(BaseModel):
    """What became of a change."""

    dry_run: bool
    result: str = Field(
        description="`applied`, `unchanged` or `signed` as for a reload; of a dry run `valid`: it would be taken."
    )
    etag: str = Field(description="The configuration's, from now on.")
    changed: list[str] = Field(description="Files that differ from before.")
    differences: list[dict[str, Any]] = Field(
        description="What that means beside what was served, as `lockgate diff` says it; what opens something first."
    )
    more_differences: int = Field(description=f"How many there are besides, of more than {MOST_DIFFERENCES}.")
    sequence: int | None = Field(description="The bundle's number.")
    hash: str | None
    took_ms: int | None
    warnings: list[dict[str, Any]]
    needs_restart: list[str] = Field(description="What is not taken over before a restart, in words.")


@router.get("")
async def show_config(control: WithControl, response: Response) -> ConfigFiles:
    """List the configuration's files, with the ETag that a change must name."""
    files = await asyncio.to_thread(control.editor.files)
    tag = control.editor.etag(files)
    response.headers["ETag"] = f'"{tag}"'
    refusal = control.reloader.refusal
    return ConfigFiles(
        path=str(control.reloader.path),
        etag=tag,
        files=[ConfigFile(name=file.name, bytes=len(file.text.encode()), etag=file.etag) for file in files],
        refused=None if refusal is None else [_as_error(problem.as_json()) for problem in refusal.errors],
    )


@router.get("/effective")
async def show_effective(control: WithControl) -> EffectiveConfig:
    """Show what is in force in the end; secrets stay the references that they are."""
    loaded = control.reloader.loaded
    if loaded is None:
        raise Problem("bundle-absent", "Correct the configuration, then `lockgate reload`.")
    shown = await asyncio.to_thread(effective, loaded)
    last = control.reloader.last
    places = {".".join(path): remark for path, remark in shown.remarks.items()}
    return EffectiveConfig(sequence=None if last is None else last.sequence, config=shown.data, places=places)


@router.get("/files/{name:path}", response_class=Response, responses={200: {"content": {YAML: {}}}})
async def show_file(control: WithControl, name: Name) -> Response:
    """Give a file's text as it stands; its ETag is the whole configuration's."""
    file, tag = await _run(lambda: asyncio.to_thread(_file_and_tag, control, name))
    return Response(file.text, media_type=YAML, headers={"ETag": f'"{tag}"'})


@router.put("/files/{name:path}", openapi_extra=BODY)
async def replace_file(
    request: Request,
    response: Response,
    control: WithControl,
    name: Name,
    match: IfMatch = None,
    dry_run: DryRun = False,
) -> Change:
    """Replace a file, or add one that an `include` names; taken over at once, or nothing is changed."""
    return await _change(control, response, {name: await _text(request)}, match, dry_run=dry_run)


@router.delete("/files/{name:path}")
async def remove_file(
    response: Response, control: WithControl, name: Name, match: IfMatch = None, dry_run: DryRun = False
) -> Change:
    """Take a file away."""
    return await _change(control, response, {name: None}, match, dry_run=dry_run)


@router.get("/sections/{section:path}", response_class=Response, responses={200: {"content": {YAML: {}}}})
async def show_section(control: WithControl, section: Section) -> Response:
    """Give the text of a section as it stands; its ETag is the whole configuration's."""
    path = _section(section)
    files = await asyncio.to_thread(control.editor.files)
    for file in files:
        value = _value_of(file, path)
        if value is not None:
            tag = control.editor.etag(files)
            return Response(value, media_type=YAML, headers={"ETag": f'"{tag}"', "X-Lockgate-File": file.name})
    raise Problem("config-file-unknown", f"No file of the configuration says {section}.")


@router.put("/sections/{section:path}", openapi_extra=BODY)
async def replace_section(
    request: Request,
    response: Response,
    control: WithControl,
    section: Section,
    match: IfMatch = None,
    dry_run: DryRun = False,
) -> Change:
    """Replace a section where it stands, or add it to the main file; comments elsewhere stay."""
    text = await _text(request)
    changes = await _run(lambda: asyncio.to_thread(_spliced, control, _section(section), text))
    return await _change(control, response, changes, match, dry_run=dry_run)


@router.delete("/sections/{section:path}")
async def remove_section(
    response: Response, control: WithControl, section: Section, match: IfMatch = None, dry_run: DryRun = False
) -> Change:
    """Take a section out of the file in which it stands."""
    changes = await _run(lambda: asyncio.to_thread(_spliced, control, _section(section), None))
    return await _change(control, response, changes, match, dry_run=dry_run)


@router.post("/rollback")
async def roll_back(response: Response, control: WithControl) -> Change:
    """Put the files back as they were when they were last taken over."""
    before = await asyncio.to_thread(control.bundles.latest)
    edited = await _run(control.editor.roll_back)
    return await _changed(control, response, before, edited, "config.rollback")


async def _change(
    control: Control, response: Response, changes: Changes, match: str | None, *, dry_run: bool
) -> Change:
    tag = _tag(match)
    before = await asyncio.to_thread(control.bundles.latest)
    edited = await _run(lambda: control.editor.change(changes, unless=tag, dry_run=dry_run))
    return await _changed(control, response, before, edited, "config.change")


async def _changed(
    control: Control, response: Response, before: SignedBundle | None, edited: Edited, action: str
) -> Change:
    outcome = edited.outcome
    if outcome is not None:
        detail = {"result": outcome.result, "sequence": outcome.sequence, "files": edited.changed[:20]}
        await asyncio.to_thread(control.journal.audit, ACTOR, action, str(control.reloader.path), detail)
        if outcome.result == "refused":
            first = outcome.errors[0]["message"]
            words = f"No gate could take it, and the files are as they were: {first}"
            raise Problem("config-refused", words, errors=outcome.errors, warnings=outcome.warnings)
    response.headers["ETag"] = f'"{edited.etag}"'
    found = [] if before is None else await asyncio.to_thread(_differences, before, edited.loaded)
    return Change(
        dry_run=outcome is None,
        result="valid" if outcome is None else outcome.result,
        etag=edited.etag,
        changed=edited.changed,
        differences=[one.as_json() for one in found[:MOST_DIFFERENCES]],
        more_differences=max(0, len(found) - MOST_DIFFERENCES),
        sequence=None if outcome is None else outcome.sequence,
        hash=None if outcome is None else outcome.hash,
        took_ms=None if outcome is None else outcome.took_ms,
        warnings=edited.warnings,
        needs_restart=control.reloader.needs_restart(),
    )


def _differences(before: SignedBundle, after: Loaded) -> list[Difference]:
    return differences(document_of(before), after.compile(0, 0))


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    """What refuses a change, as an answer: every error at once, each with its pointer and its place."""
    try:
        return await work()
    except EditError as error:
        raise Problem(error.code, str(error)) from error
    except SpliceError as error:
        raise Problem("config-section-unplaced", f"{error}.") from error
    except ConfigErrors as refused:
        first, count = refused.errors[0], len(refused.errors)
        more = f" (and {count - 1} more in `errors`)" if count > 1 else ""
        raise Problem(
            "config-refused",
            f"{first.place}: {first.message}{more}",
            errors=[_as_error(problem.as_json()) for problem in refused.errors],
            warnings=[problem.as_json() for problem in refused.warnings],
        ) from refused


def _as_error(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem with the members of RFC 9457's example beside our own."""
    path = problem["path"]
    pointer = "#" if path is None else "#/" + "/".join(step.replace("~", "~0") for step in path.split("."))
    return {"pointer": pointer, "detail": problem["message"], **problem}


def _tag(match: str | None) -> str:
    if match is None:
        raise Problem("config-etag-missing", "Send If-Match with the ETag that `GET /v1/config` gave.")
    return match.strip().removeprefix("W/").strip('"')


async def _text(request: Request) -> str:
    try:
        return (await request.body()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("admin-body-malformed", "The body is not text in UTF-8.") from error


def _section(section: str) -> tuple[str, ...]:
    return tuple(section.strip("/").split("/"))


def _file_and_tag(control: Control, name: str) -> tuple[File, str]:
    return control.editor.file(name), control.editor.etag()


def _value_of(file: File, path: tuple[str, ...]) -> str | None:
    try:
        return value_of(file.text, path)
    except SpliceError:
        return None


def _spliced(control: Control, path: tuple[str, ...], value: str | None) -> Changes:
    """The file that says the section, with the new text in its place; the main file where none says it."""
    files = control.editor.files()
    for file in files:
        if _value_of(file, path) is not None:
            return {file.name: splice(file.text, path, value)}
    if value is None:
        raise EditError("config-file-unknown", f"No file of the configuration says {'/'.join(path)}.")
    return {files[0].name: splice(files[0].text, path, value)}
