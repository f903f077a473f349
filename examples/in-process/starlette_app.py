"""Starlette with the gate's policies within: `uvicorn starlette_app:app`."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from lockgate.asgi import Judged, Middleware


async def orders(request: Request) -> JSONResponse:
    """Say whose orders these are, or take one as it comes, piece by piece."""
    judged: Judged = request.state.lockgate
    if request.method == "GET":
        return JSONResponse({"owner": judged.identity.owner if judged.identity else None, "orders": []})
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return JSONResponse({"bytes": size})


async def watch(socket: WebSocket) -> None:
    """Tell a WebSocket whose orders it watches: its handshake was judged like any request."""
    judged: Judged = socket.state.lockgate
    await socket.accept()
    await socket.send_json({"owner": judged.identity.owner if judged.identity else None})
    await socket.close()


async def health(_request: Request) -> JSONResponse:
    """Say that all is well."""
    return JSONResponse({"status": "ok"})


routes = [
    Route("/orders", orders, methods=["GET", "POST"]),
    WebSocketRoute("/orders/watch", watch),
    Route("/healthz", health),
]
app = Middleware(Starlette(routes=routes), Path(__file__).with_name("lockgate.yaml"))
