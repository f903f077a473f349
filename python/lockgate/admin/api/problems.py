"""Refusals of the admin API: problem+json, each with a stable code.

`CODES` is the whole list; the reference page has a heading for each, and a test
compares the two.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

TYPE_BASE = "/v1/problems/"

CODES: Mapping[str, tuple[int, str]] = {
    "access-unknown": (404, "The configuration has no such API or operation"),
    "admin-body-malformed": (422, "The request's body or parameters are not as they should be"),
    "admin-body-too-large": (413, "The request's body is too large"),
    "admin-credential-missing": (401, "The admin credential is missing"),
    "admin-credential-wrong": (401, "The admin credential is wrong"),
    "admin-host-unknown": (421, "The Host is not one of the admin API's own"),
    "admin-internal": (500, "The control process failed"),
    "admin-method-not-allowed": (405, "The resource does not know this method"),
    "admin-not-found": (404, "There is nothing here"),
    "admin-origin-foreign": (403, "The request comes from another site's page"),
    "admin-request-malformed": (400, "The request is not as it should be"),
    "api-unknown": (422, "The configuration has no such API"),
    "app-exists": (409, "There is such a program already"),
    "app-in-config": (409, "The configuration names the program, and is where it is changed"),
    "app-not-found": (404, "There is no such program"),
    "app-refused": (422, "The program cannot be given that"),
    "grant-not-found": (404, "There is no such grant"),
    "apps-off": (409, "The configuration holds no program to anything"),
    "bundle-absent": (409, "No configuration has been taken over yet"),
    "certificate-busy": (409, "The certificate is being worked on, or cannot be kept"),
    "certificate-not-found": (404, "There is no such certificate"),
    "certificate-not-renewable": (409, "No authority is asked for the certificate"),
    "certificate-refused": (422, "The certificate, or the names, cannot be used"),
    "config-etag-missing": (428, "A change must say which configuration it was made for"),
    "config-etag-stale": (412, "The configuration has changed meanwhile"),
    "config-file-not-included": (409, "The configuration includes no such file"),
    "config-file-outside": (403, "The file is not one that the API may name"),
    "config-file-unknown": (404, "The configuration has no such file or section"),
    "config-file-unwritable": (409, "The file cannot be written"),
    "config-plugins-closed": (403, "Plugins cannot be changed through the API"),
    "config-rollback-absent": (409, "There is no good configuration to go back to"),
    "config-section-unplaced": (422, "The section cannot be put into the file as it stands"),
    "config-refused": (422, "The configuration is refused; the one before goes on serving"),
    "device-limit": (409, "Its owner has as many approved devices as one may have"),
    "device-look": (409, "It is not clear which look of the device is approved"),
    "device-not-found": (404, "There is no such device"),
    "device-revoked": (409, "The device was revoked, and that is for good"),
    "device-unfit": (422, "A device cannot be called so"),
    "event-not-found": (404, "No kept event has that request id"),
    "factor-not-found": (404, "There is no such factor"),
    "gate-name-refused": (409, "No gate can have that name now"),
    "gate-not-found": (404, "There is no such gate"),
    "gates-closed": (409, "The control process takes no gates from elsewhere"),
    "issuer-not-found": (404, "There is no issuer of that name whose keys are fetched"),
    "issuer-unknown": (422, "The configuration has no such issuer"),
    "key-closed": (409, "The key was revoked, and that is for good"),
    "key-grace-absent": (409, "The key has no other secret that still opens"),
    "key-grace-running": (409, "The key has another secret that still opens: end its grace first"),
    "key-lifetime-exceeded": (422, "The key would be good for longer than the configuration allows"),
    "key-not-found": (404, "There is no such key"),
    "key-rule-refused": (422, "What the key should be for is nothing that a gate understands"),
    "request-unreadable": (422, "The request to explain is not one that a client could send"),
    "revocation-not-found": (404, "There is no such revocation"),
    "session-not-found": (404, "There is no such session"),
    "user-exists": (409, "There is somebody of that name, or there was"),
    "user-issuer-unknown": (422, "The configuration has no such issuer with people of its own"),
    "user-not-found": (404, "There is nobody of that name"),
    "user-password-refused": (422, "The password cannot be taken"),
    "user-state": (409, "That cannot be done with a person in that state"),
    "user-unfit": (422, "What was said of the person cannot be kept"),
}

log = structlog.get_logger("lockgate.control")


class Problem(Exception):  # noqa: N818 -- RFC 9457's word for it.
    """A refusal, raised where it is known and turned into an answer here."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        """`code` is one of `CODES`; `members` stand in the answer beside the standard ones."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = headers
        self.members = members

    def response(self) -> Response:
        """The answer."""
        status, title = CODES[self.code]
        body = {
            "type": TYPE_BASE + self.code,
            "title": title,
            "status": status,
            "code": self.code,
            "detail": self.detail,
            **self.members,
        }
        return JSONResponse(body, status, self.headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Make every refusal of the framework look like ours."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)


async def _problem(_request: Request, problem: Exception) -> Response:
    if not isinstance(problem, Problem):
        raise problem
    return problem.response()


async def _invalid(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [{"pointer": _pointer(found["loc"]), "detail": found["msg"]} for found in error.errors()]
    detail = "; ".join(f"{found['pointer']}: {found['detail']}" for found in errors[:5])
    return Problem("admin-body-malformed", detail, errors=errors).response()


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    known = {404: "admin-not-found", 405: "admin-method-not-allowed", 413: "admin-body-too-large"}
    code = known.get(error.status_code, "admin-request-malformed")
    detail = f"{request.method} {request.url.path}: {HTTPStatus(error.status_code).phrase}; see /v1/openapi.json"
    return Problem(code, detail, headers=error.headers).response()


async def _internal(request: Request, error: Exception) -> Response:
    log.error("admin-internal", method=request.method, path=request.url.path, exc_info=error)
    detail = "The control process's log has the cause. The gate is not concerned."
    return Problem("admin-internal", detail).response()


def _pointer(location: Sequence[Any]) -> str:
    """A JSON Pointer (RFC 6901) into the body, or the name of a parameter."""
    where, *path = location
    escaped = [str(part).replace("~", "~0").replace("/", "~1") for part in path]
    return "#/" + "/".join(escaped) if where == "body" else f"{where}:{'/'.join(escaped)}"
