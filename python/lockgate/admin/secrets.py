"""Secrets that the configuration names, read at the moment of their use by the control process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECRET_BYTES: Final = 64 * 2**10
"""A private key in PEM has some 3 KiB."""


def read_reference(reference: str, environment: Mapping[str, str]) -> str:
    """What `env:NAME` or `file:/path` holds; raises `ValueError` where there is nothing.

    It reads a file: not to be called in the event loop.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = environment.get(name)
        if value is None:
            raise ValueError(f"the environment of the control process has no variable {name}")
        return value.strip()
    try:
        with Path(name).open("rb") as stream:
            return stream.read(SECRET_BYTES).decode("ascii").strip()
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"what {name} holds is no plain text") from None
