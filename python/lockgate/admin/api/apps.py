"""Programs of others: what they were given, what they use of it, and stopping them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from lockgate.admin import apps
from lockgate.admin.api.context import ACTOR, Body, Gate, Reason, Waiting, WithControl, Words, told
from lockgate.admin.api.problems import Problem
from lockgate.admin.app_reach import reach
from lockgate.admin.control import Control
from lockgate.policies.scopes import SCOPE
from lockgate.scalars import NAME

router = APIRouter(prefix="/v1/apps", tags=["apps"])

T = TypeVar("T")

AppId = Annotated[str, Path(pattern=f"^{NAME.pattern}$", description="The program's name.")]
Days = Annotated[int, Field(ge=1, le=3_660)]
Tier = Literal["unreviewed", "reviewed", "trusted"]
Scope = Annotated[str, Field(pattern=f"^{SCOPE.pattern}$")]
ApiName = Annotated[str, Field(min_length=1, max_length=64)]
Listed = Annotated[list[Scope], Field(max_length=apps.MAX_LISTED)]
Instant = Annotated[int, Field(gt=0, lt=2**53)]
DAY_MS = 86_400_000
REFUSED = {
    apps.AppNotFoundError: "app-not-found",
    apps.AppExistsError: "app-exists",
    apps.AppsOffError: "apps-off",
    apps.AppInConfigError: "app-in-config",
    apps.AppRuleError: "app-refused",
}


class Client(Body):
    """What an issuer calls it."""

    issuer: str = Field(pattern=f"^{NAME.pattern}$", description="A name under `issuers`.")
    client: Words = Field(description="The `client_id`, or `azp`, of its tokens.")


class App(BaseModel):
    """A program of others."""

    id: str
    source: str = Field(description="`configuration`, `operator`, or `registration` (RFC 7591).")
    name: str | None = Field(description="What people are shown.")
    owner: str = Field(description="Who answers for it.")
    purpose: str | None
    contact: str | None
    tier: Tier
    clients: list[Client]
    scopes: list[str] | None = Field(description="What it was given; null is all that its credentials say.")
    apis: list[str] | None = Field(description="APIs that it was given; null is all.")
    operations: dict[str, list[str]] = Field(description="Operations that it was given of an API, where not all.")
    redirect_uris: list[str]
    created_ms: int | None
    changed_ms: int | None
    until_ms: int | None = Field(description="When its time is over.")
    review_ms: int | None = Field(description="By when somebody looks at it again.")
    stopped_ms: int | None
    stopped_by: str | None
    stopped_reason: str | None


class Apps(BaseModel):
    """All programs."""

    items: list[App]


class ChangedApp(App):
    """A program that was changed."""

    gate: Gate
    waiting: Waiting


class Change(Body):
    """What is to be changed; what is left out stays."""

    name: Words | None = None
    owner: Words = Field(default="", description="Who answers for it.")
    purpose: Annotated[str, Field(max_length=500)] | None = None
    contact: Words | None = None
    tier: Tier = "unreviewed"
    clients: Annotated[list[Client], Field(max_length=64)] = Field(default=[])
    scopes: Listed | None = Field(default=[], description="Null gives all that its credentials say.")
    apis: Annotated[list[ApiName], Field(max_length=apps.MAX_LISTED)] | None = Field(
        default=[], description="Null gives all."
    )
    operations: dict[ApiName, Annotated[list[Words], Field(min_length=1, max_length=apps.MAX_LISTED)]] = Field(
        default={}
    )
    redirect_uris: Annotated[list[Annotated[str, Field(max_length=2_000)]], Field(max_length=64)] = Field(default=[])
    until_ms: Instant | None = None
    review_ms: Instant | None = None


class NewApp(Change):
    """A program to be registered."""

    id: str = Field(pattern=f"^{NAME.pattern}$", description="Its name, for good.")
    owner: Words = Field(description="Who answers for it.")
    apis: Annotated[list[ApiName], Field(min_length=1, max_length=apps.MAX_LISTED)] | None = Field(
        description="APIs that it is given; null gives all."
    )


class Stop(Body):
    """Why."""

    reason: Reason | None = None


class Trim(Body):
    """What counts as used."""

    days: Days = 90


class Given(BaseModel):
    """Something that it was given."""

    kind: Literal["api", "operation", "scope"]
    what: str = Field(description="The API, `API OPERATION`, or the scope.")
    first_ms: int | None
    last_ms: int | None = Field(description="When it was last used.")
    used: bool = Field(description="Whether that was within the days that were asked about.")
    dangerous: bool


class Usage(BaseModel):
    """What a program was given against what it used."""

    app: App
    days: int
    since_ms: int = Field(description="From when on uses count.")
    given: list[Given]
    unlimited: list[str] = Field(description="What nothing bounds, and so is not counted: `scopes`, `apis`.")
    over: int = Field(description="How much of what it was given it did not use, in percent.")
    trimmed: dict[str, Any] = Field(description="What trimming would leave it.")


class Trimmed(Usage):
    """The same, once it has no more than that."""

    gate: Gate
    waiting: Waiting


class Reached(BaseModel):
    """What a program has read and done, as far as events are kept."""

    app: str
    since_ms: int
    first_ms: int | None
    last_ms: int | None
    requests: int
    refused: int
    bytes_out: int
    operations: list[dict[str, Any]]
    people: list[dict[str, Any]] = Field(description="For whom it asked, the most first; 1,000 at most.")
    people_count: int
    objects: list[dict[str, Any]] = Field(description="What it asked for, the most first; 1,000 at most.")
    objects_count: int
    addresses: list[dict[str, Any]] = Field(description="Where it came from; 1,000 at most.")
    addresses_count: int
    fields: dict[str, list[str]] = Field(
        description="Fields of the answers to each operation that it used, as the API's document describes them."
    )


@router.get("")
async def list_apps(control: WithControl) -> Apps:
    """List all programs, by name."""
    return Apps(items=[App(**asdict(one)) for one in await _done(control.apps.every)])


@router.post("", status_code=201)
async def register_app(control: WithControl, new: NewApp) -> ChangedApp:
    """Register a program. With `gate: applied` every gate lets it in, as far as it was given something."""
    said = new.model_dump(exclude={"id"})
    return await _changed(control, await _done(lambda: control.apps.register(ACTOR, new.id, **said)))


@router.get("/{app_id}")
async def show_app(control: WithControl, app_id: AppId) -> App:
    """Show a program."""
    return App(**asdict(await _done(lambda: control.apps.one(app_id))))


@router.patch("/{app_id}")
async def change_app(control: WithControl, app_id: AppId, change: Change) -> ChangedApp:
    """Change what a program was given, or what is known of it."""
    said = change.model_dump(exclude_unset=True)
    return await _changed(control, await _done(lambda: control.apps.change(ACTOR, app_id, said)))


@router.delete("/{app_id}")
async def remove_app(control: WithControl, app_id: AppId) -> ChangedApp:
    """Forget a program. Its keys are revoked; its clients are nobody's from then on."""
    return await _changed(control, await _done(lambda: control.apps.remove(ACTOR, app_id)))


@router.post("/{app_id}/stop")
async def stop_app(control: WithControl, app_id: AppId, body: Stop | None = None) -> ChangedApp:
    """Stop a program everywhere. With `gate: applied` no request of it is let through, and its streams have ended."""
    reason = body.reason if body is not None else None
    return await _changed(control, await _done(lambda: control.apps.stop(ACTOR, app_id, reason)))


@router.post("/{app_id}/start")
async def start_app(control: WithControl, app_id: AppId) -> ChangedApp:
    """Let a program in again that was stopped."""
    return await _changed(control, await _done(lambda: control.apps.start(ACTOR, app_id)))


@router.get("/{app_id}/usage")
async def usage_of_app(control: WithControl, app_id: AppId, days: Annotated[Days, Query()] = 90) -> Usage:
    """Say what a program was given against what it used."""
    return Usage(**asdict(await _done(lambda: _usage(control, app_id, days))))


@router.post("/{app_id}/trim")
async def trim_app(control: WithControl, app_id: AppId, body: Trim | None = None) -> Trimmed:
    """Give a program no more than it used. A program of the configuration is refused: `usage` says what to write."""
    days = body.days if body is not None else 90

    def trim() -> Any:
        control.app_uses.round()
        return control.app_uses.trim(ACTOR, app_id, days)

    done = await _done(trim)
    settled = await told(control)
    return Trimmed(**asdict(done), gate=settled.state, waiting=list(settled.waiting))


@router.get("/{app_id}/reach")
async def reach_of_app(control: WithControl, app_id: AppId, days: Annotated[Days, Query()] = 90) -> Reached:
    """Say what a program has read and done, for whom, and from where; of one that was removed as well."""

    def work() -> Reached:
        found = reach(control.state, app_id, int(time.time() * 1_000) - days * DAY_MS)
        if found.requests == 0:
            control.apps.one(app_id)
        used = {(row["api"], row["operation"]) for row in found.operations}
        return Reached(**asdict(found), fields=control.fields_of(used))

    return await _done(work)


def _usage(control: Control, app_id: str, days: int) -> Any:
    control.app_uses.round()
    return control.app_uses.usage(app_id, days)


async def _changed(control: Control, record: apps.AppRecord) -> ChangedApp:
    settled = await told(control)
    return ChangedApp(**asdict(record), gate=settled.state, waiting=list(settled.waiting))


async def _done(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except tuple(REFUSED) as error:
        raise Problem(REFUSED[type(error)], str(error)) from error
