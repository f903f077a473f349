"""The admin API, put together."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from lockgate import __version__
from lockgate.admin.api import (
    access,
    apis,
    apps,
    certificates,
    config,
    devices,
    events,
    explain,
    factors,
    findings,
    gates,
    grants,
    health,
    issuers,
    keys,
    metrics,
    problems,
    reload,
    routes,
    sessions,
    status,
    tls,
    tokens,
    users,
)
from lockgate.admin.api.guard import Guard
from lockgate.admin.control import Control

RESOURCES = (
    status,
    routes,
    apis,
    access,
    apps,
    grants,
    issuers,
    certificates,
    keys,
    tokens,
    sessions,
    factors,
    devices,
    users,
    reload,
    config,
    explain,
    findings,
    tls,
    gates,
    events,
    metrics,
    health,
)

DESCRIPTION = """\
Lockgate's admin API. It listens on a loopback address alone and speaks plain HTTP. Every request but
`/healthz` and `/readyz` wants `Authorization: Bearer` with what the state folder's `admin.token` holds.
Refusals are `application/problem+json` with a stable `code`."""


def make_app(control: Control, *, address: str) -> ASGIApp:
    """The guarded API of a control process that listens at `address`."""
    app = make_resources()
    app.state.control = control
    return Guard(app, token=control.state.admin_token(), address=address, counters=control.counters)


def make_resources() -> FastAPI:
    """The resources alone, without a control process behind them; enough for their OpenAPI document."""
    app = FastAPI(
        title="Lockgate admin API",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    for resource in RESOURCES:
        app.include_router(resource.router)
    return app
