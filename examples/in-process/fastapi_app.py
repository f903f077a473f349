"""FastAPI with the gate's policies within: `uvicorn fastapi_app:app`."""

from pathlib import Path

from fastapi import FastAPI, Request

from lockgate.asgi import Judged, Middleware

api = FastAPI()


@api.get("/orders")
def orders(request: Request) -> dict[str, object]:
    """Say whose orders these are: the credential was checked before the application was asked."""
    judged: Judged = request.state.lockgate
    return {"owner": judged.identity.owner if judged.identity else None, "orders": []}


@api.post("/orders")
async def order(request: Request) -> dict[str, int]:
    """Take an order as it comes, piece by piece."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return {"bytes": size}


@api.get("/healthz")
def health() -> dict[str, str]:
    """Say that all is well."""
    return {"status": "ok"}


app = Middleware(api, Path(__file__).with_name("lockgate.yaml"))
