"""The APIs of the configuration that is served, each with its policies."""

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lockgate.admin.api.context import WithControl, current_bundle, document_of
from lockgate.admin.api.problems import Problem
from lockgate.admin.routes import place

router = APIRouter(prefix="/v1/apis", tags=["apis"])


class Api(BaseModel):
    """One API."""

    name: str
    hosts: list[str] = Field(description="Hosts it answers to; empty means any.")
    paths: list[dict[str, str]] = Field(description="What paths it answers to.")
    methods: list[str] = Field(description="Methods it answers to; empty means any.")
    upstream: str
    targets: list[str] = Field(description="Where its upstream's servers are.")
    public: dict[str, Any] | None = Field(description="The waiver, where anyone may call it.")
    policies: dict[str, Any] = Field(description="Its policies, as the bundle holds them.")
    file: str
    line: int


class Apis(BaseModel):
    """All APIs."""

    bundle: str = Field(description="Hash of the bundle that they come from.")
    items: list[Api]


@router.get("")
async def list_apis(control: WithControl) -> Apis:
    """List the APIs."""
    bundle = await asyncio.to_thread(current_bundle, control)
    document = document_of(bundle)
    return Apis(bundle=bundle.hash, items=[_api(document, api) for api in document["apis"]])


@router.get("/{name}")
async def one_api(control: WithControl, name: str) -> Api:
    """Show one API."""
    document = document_of(await asyncio.to_thread(current_bundle, control))
    for api in document["apis"]:
        if api["name"] == name:
            return _api(document, api)
    raise Problem("admin-not-found", f"The configuration has no API {name!r}.")


def _api(document: dict[str, Any], api: dict[str, Any]) -> Api:
    file, line = place(document, api["span"])
    targets = [
        [target["url"] for target in item["targets"]]
        for item in document["upstreams"]
        if item["name"] == api["upstream"]
    ]
    return Api(
        name=api["name"],
        hosts=api["hosts"],
        paths=api["paths"],
        methods=api["methods"],
        upstream=api["upstream"],
        targets=targets[0] if targets else [],
        public=api["public"],
        policies=api["policies"],
        file=file,
        line=line,
    )
