"""Why a request was, or would be, answered as it is."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from lockgate.admin import event_log
from lockgate.admin.api.context import WithControl, current_bundle
from lockgate.admin.api.problems import Problem
from lockgate.admin.control import Control
from lockgate.admin.explain import Ask, Asked, Known, Standing, UnreadableError, of_event, offline
from lockgate.admin.keys import KnownKeys
from lockgate.config.bundle_types import Clients

router = APIRouter(prefix="/v1/explain", tags=["explain"])


class Question(BaseModel):
    """A request to be explained."""

    model_config = ConfigDict(extra="forbid")

    method: str = Field(default="GET", min_length=1, max_length=64)
    url: str = Field(min_length=1, max_length=65536, description="A path, or a whole URL.")
    headers: list[tuple[str, str]] = Field(default=[], max_length=1000)
    key: SecretStr | None = Field(default=None, description="An API key, put where the API looks for it.")
    peer: str = Field(default="127.0.0.1", description="The address that it comes from.")
    listener: str | None = None
    body: str | None = None
    certificate: str | None = Field(
        default=None,
        max_length=65536,
        description="The client's certificate, PEM, with those that vouch for it behind.",
    )


class Explanation(BaseModel):
    """The whole decision."""

    model_config = ConfigDict(extra="allow")

    id: str | None = Field(description="The request's id, where it is one that was.")
    at_ms: int | None
    request: dict[str, Any]
    route: dict[str, Any] | None
    steps: list[dict[str, Any]] = Field(description="Each policy in the pipeline's order, and what it said.")
    verdict: str = Field(description="`allow`, `deny`, `respond`, or `failed` where the API could not be reached.")
    status: int | None
    reason: dict[str, Any] | None = Field(description="Why, with the file and line that decided.")
    errors: list[str] = Field(description="What policies met that could not decide.")
    identity: dict[str, Any] | None
    upstream: dict[str, Any] | None
    location: str | None = Field(default=None, description="Where a redirect leads to; not kept of past requests.")
    other_methods: dict[str, str] | None = Field(
        description="With a 405: the methods that the Allow header names, each with the API that takes it."
    )
    bundle: str = Field(description="Hash of the bundle that judged it.")


@router.post("")
async def explain(control: WithControl, question: Question) -> Explanation:
    """Say what the gate would do with a request now."""
    asked = Asked(
        method=question.method,
        url=question.url,
        headers=question.headers,
        key=question.key.get_secret_value() if question.key is not None else None,
        peer=question.peer,
        listener=question.listener,
        body=question.body.encode() if question.body is not None else None,
        certificate=question.certificate.encode() if question.certificate is not None else None,
    )
    loop, responders = asyncio.get_running_loop(), control.revocations.responders

    def standing(clients: Clients, shown: bytes) -> tuple[str, str]:
        return asyncio.run_coroutine_threadsafe(responders.explained(clients, shown), loop).result()

    def ask(issuer: str, token: str) -> tuple[str | None, str | None]:
        told = asyncio.run_coroutine_threadsafe(control.introspections.about(issuer, token), loop).result()
        return told.answer, told.why

    return Explanation(**await asyncio.to_thread(_offline, control, asked, standing, ask))


@router.get("/{request_id}")
async def explain_request(
    control: WithControl, request_id: Annotated[str, Path(min_length=1, max_length=256)]
) -> Explanation:
    """Say what the gate did with a request."""
    event = await asyncio.to_thread(event_log.find, control.state, request_id)
    if event is None:
        raise Problem("event-not-found", "It is not written down yet, was deleted for its age, or never was.")
    bundle = await asyncio.to_thread(control.bundles.text_of, event["bundle"])
    met = await asyncio.to_thread(event_log.faults, control.state, event)
    return Explanation(**of_event(event, bundle, met))


def _offline(control: Control, asked: Asked, standing: Standing, ask: Ask) -> dict[str, Any]:
    bundle = current_bundle(control)
    keys, loaded = KnownKeys(control.store), control.reloader.loaded
    ended = loaded.managed.ended if loaded is not None else None
    try:
        return offline(
            bundle.text, asked, lambda: Known(keys, control.state.pepper(), keys.key_sets()), standing, ended, ask
        )
    except UnreadableError as error:
        raise Problem("request-unreadable", str(error)) from error
