"""`examples/shop/openapi.json`, from the sample shop."""

from __future__ import annotations

import json
from pathlib import Path

from lockgate.demo.shop import create_app


def files(_root: Path) -> dict[str, str]:
    """The shop's OpenAPI document."""
    return {"examples/shop/openapi.json": json.dumps(create_app().openapi(), indent=2, ensure_ascii=False) + "\n"}
