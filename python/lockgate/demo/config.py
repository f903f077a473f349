"""The configuration that ``lockgate demo`` writes, and the ports that it takes."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

EXCEPTION_DAYS = 30
"""How long the open health check and the key of the demonstration last."""

MARK = "# Written by `lockgate demo`."

_TEMPLATE = """\
{mark} It is written anew at each start.
version: 1

listeners:
  public:
    address: 127.0.0.1:{gate}

admin:
  address: 127.0.0.1:{admin}

upstreams:
  shop:
    targets: [http://127.0.0.1:{shop}]

apis:
  # Everything in the shop wants a key ...
  shop:
    path: /
    upstream: shop
    authenticate:
      - api_key: {{header: X-API-Key}}
    authorize: authenticated
    body_limit: {{bytes: 1GiB}}

  # ... but its health check, which tells nothing. Whoever opens an API says why, and for how long.
  health:
    path: {{exact: /healthz}}
    methods: [GET]
    upstream: shop
    public:
      owner: demo
      reason: A health check tells nothing about anybody.
      until: {until}
"""


class ForeignConfigError(Exception):
    """The folder holds a configuration that the demonstration did not write."""


def write_config(folder: Path, *, gate: int, admin: int, shop: int) -> Path:
    """Write ``lockgate.yaml`` into the folder; never over somebody's own."""
    path = folder / "lockgate.yaml"
    if path.exists() and not path.read_text(encoding="utf-8").startswith(MARK):
        raise ForeignConfigError(
            f"{path} was not written by `lockgate demo`: "
            "give another folder with --dir, or serve this one with `lockgate run`."
        )
    until = (datetime.now(UTC) + timedelta(days=EXCEPTION_DAYS)).date()
    text = _TEMPLATE.format(mark=MARK, gate=gate, admin=admin, shop=shop, until=until)
    path.write_text(text, encoding="utf-8")
    return path


def choose_port(wanted: int) -> int:
    """The wanted loopback port, or a free one where it is taken (or 0)."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # A port whose last connections are still closing may be taken at once.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("No loopback port is free: stop something that listens, then try again.")
