"""What commands use to ask a running control process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from lockgate.cli._report import leave
from lockgate.cli._state import state_or_exit
from lockgate.state import StateError, StateFolder, read_secret

TIMEOUT = 60.0
"""A reload of a very large configuration takes some seconds."""


class NotRunningError(Exception):
    """No control process answers for this state folder."""

    exit_code = 2


class StartingError(NotRunningError):
    """No control process answers at this moment, but a supervisor is there that starts it."""

    exit_code = 1


class RefusedError(Exception):
    """The admin API refused; `problem` is its answer."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """The message is the answer's detail."""
        super().__init__(str(problem.get("detail") or problem.get("title") or f"status {status}"))
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin API of one state folder."""

    address: str
    token: str
    state: StateFolder

    @classmethod
    def of(cls, state: StateFolder) -> Admin:
        """The one that runs on this folder; raises `NotRunningError` where none does."""
        try:
            address = read_secret(state.admin_address_file)
        except StateError as error:
            raise _absent(state, "") from error
        if not state.is_held("control"):
            # A control process that was killed left its address behind. Another account's program may listen there
            # by now, and would be sent the credential.
            raise _absent(state, " any more")
        return cls(address, state.admin_token(), state)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The answer to a GET."""
        said = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(said)}" if said else path, None)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a POST."""
        return self._ask("POST", path, body)

    def post_each(self, path: str, body: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The answers to a POST of a list, one to each of its items."""
        content = self._asked("POST", path, body)
        if not isinstance(content, list):
            raise self._stranger()
        return content

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a PATCH."""
        return self._ask("PATCH", path, body)

    def delete(self, path: str) -> dict[str, Any]:
        """The answer to a DELETE."""
        return self._ask("DELETE", path, None)

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        after: Any = None
        while True:
            page = self.get(path, after=after, limit=1000, **query)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        content = self._asked(method, path, body)
        if not isinstance(content, dict):
            raise self._stranger()
        return content

    def _stranger(self) -> NotRunningError:
        return NotRunningError(f"what answers at {self.address} is not Lockgate's admin API")

    def _asked(self, method: str, path: str, body: object) -> Any:
        # Here, since every command imports this module to be listed by --help.
        import http.client

        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            content = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not self.state.is_held("control"):
                raise _absent(self.state, " any more") from error
            raise NotRunningError(f"the admin API at {self.address} does not answer ({error})") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise RefusedError(answer.status, content)
        return content


def _absent(state: StateFolder, more: str) -> NotRunningError:
    """Why no control process answers: a supervisor's lock tells whether one is to come."""
    if state.is_held("supervisor-control"):
        pid = state.holder("supervisor-control")
        who = f" (process {pid})" if pid is not None else ""
        return StartingError(
            f"the control process is not there at this moment: `lockgate run`{who} is starting it. A gate that serves "
            "is not concerned. Ask again in a few seconds; its log says more"
        )
    if state.enrolment_file.exists():
        runs = "serves" if state.is_held("gate") else "does not run at this moment (`lockgate run --role gate`)"
        return NotRunningError(
            f"{state.root} is that of a gate which has enrolled, and {runs}: its control process is on another "
            "machine, where `lockgate gates list` and `lockgate status` tell of it"
        )
    if state.is_held("gate"):
        return NotRunningError(
            f"a gate serves on {state.root}, but no control process runs{more}: `lockgate run --role control` starts it"
        )
    return NotRunningError(f"nothing runs on {state.root}{more}: `lockgate run` starts it")


def running(state: Path | None) -> Admin:
    """The admin API of the folder that `--state` names, for commands that want one."""
    try:
        return Admin.of(state_or_exit(state))
    except NotRunningError as error:
        leave(str(error), code=error.exit_code)
    except StateError as error:
        leave(str(error))


@contextmanager
def asking(state: Path | None) -> Iterator[Admin]:
    """The running admin API; what it refuses ends the command."""
    try:
        yield running(state)
    except RefusedError as refused:
        leave(str(refused))
    except NotRunningError as error:
        leave(str(error), code=error.exit_code)
