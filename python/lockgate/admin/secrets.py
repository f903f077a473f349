"""Secrets that the configuration names, read at the moment of their use by the control process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECRET_BYTES: Final = 64 * 2**10
"""A private key in PEM has some 3 KiB."""


def read_secret(reference: str, environment: Mapping[str, str] = os.environ) -> str:
    """What `env:NAME` or `file:/path` holds; raises `ValueError` where there is nothing.

    It reads a file: not to be called in the event loop.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = environment.get(name, "").strip()
        if not value:
            raise ValueError(f"the environment of the control process has no variable {name}")
        return value
    try:
        with Path(name).open("rb") as stream:
            value = stream.read(SECRET_BYTES).decode().strip()
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"what {name} holds is no text in UTF-8") from None
    if not value:
        raise ValueError(f"{name} is empty")
    return value
