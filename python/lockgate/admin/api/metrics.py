"""Numbers for Prometheus. They tell who uses what, so they want the credential like all else.

Scrape with `authorization: {credentials_file: …/.lockgate/admin.token}`.
"""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from lockgate.admin.api.context import WithControl
from lockgate.admin.metrics import CONTENT_TYPE, exposition

router = APIRouter(tags=["metrics"])


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(control: WithControl) -> PlainTextResponse:
    """Give the gate's and the control process's metrics as Prometheus text."""
    return PlainTextResponse(await exposition(control), media_type=CONTENT_TYPE)
