"""What the middlewares have in common: an application, and the engine that judges for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Generic, TypeVar

from lockgate.inprocess.engine import Engine

App = TypeVar("App")


class Guarded(Generic[App]):
    """An application whose requests are judged first, as a gate before it would."""

    def __init__(
        self,
        app: App,
        config: str | os.PathLike[str] = "lockgate.yaml",
        *,
        api: str | Sequence[str] | None = None,
        state: str | os.PathLike[str] | None = None,
        listener: str | None = None,
    ) -> None:
        """Load the configuration; raises `ConfigErrors` with every error, as `lockgate check` shows them.

        `api` names the APIs of the configuration that the application serves:
        requests for others are refused; all are served where it is left out.
        `state` is the state folder, where keys are kept: by default
        LOCKGATE_STATE, or `.lockgate` beside the configuration. `listener` is the
        listener whose `trusted_proxies` and `limits` hold: by default the first.
        """
        self._app = app
        self._engine = Engine(config, api=api, state=state, listener=listener)
