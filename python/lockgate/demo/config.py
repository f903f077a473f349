"""The configuration that ``lockgate demo`` writes, and the ports that it takes."""

import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

EXCEPTION_DAYS = 30
"""How long the open health check and the key of the demonstration last."""

MARK = "# Written by `lockgate demo`."

_TEMPLATE = """\
{mark} It is written anew at each start, until somebody changes it.
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


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the gate, the admin API and the shop listen; None is for the one who asks to choose."""

    gate: int
    admin: int
    shop: int | None


class ForeignConfigError(Exception):
    """The folder holds a configuration that the demonstration did not write."""


def write_config(folder: Path, *, gate: int, admin: int, shop: int) -> Path:
    """Write ``lockgate.yaml`` into the folder; never over somebody's own, nor over an edited one."""
    path = folder / "lockgate.yaml"
    if path.exists() and not _ours(path.read_text(encoding="utf-8")):
        raise ForeignConfigError(
            f"{path} was not written by `lockgate demo`: "
            "give another folder with --dir, or serve this one with `lockgate run`."
        )
    until = (datetime.now(UTC) + timedelta(days=EXCEPTION_DAYS)).date()
    text = _TEMPLATE.format(mark=MARK, gate=gate, admin=admin, shop=shop, until=until)
    path.write_text(text, encoding="utf-8")
    return path


def edited(folder: Path) -> bool:
    """Whether somebody has changed the configuration since it was written here."""
    path = folder / "lockgate.yaml"
    if not path.exists():
        return False
    text = path.read_text(encoding="utf-8")
    fields = {"gate": r"\d+", "admin": r"\d+", "shop": r"\d+", "until": r"\d{4}-\d\d-\d\d", "mark": re.escape(MARK)}
    pattern = re.escape(_TEMPLATE).replace(r"\{\{", r"\{").replace(r"\}\}", r"\}")
    for name, form in fields.items():
        pattern = pattern.replace(rf"\{{{name}\}}", form)
    return _ours(text) and re.fullmatch(pattern, text) is None


def ports_of(path: Path) -> Ports:
    """The ports that an edited configuration names; raises `lockgate.config.ConfigErrors` where it is refused."""
    from lockgate.config import load

    loaded = load(path)
    bundle = loaded.compile(0, 0)
    upstream: list[dict[str, object]] = [each for each in bundle["upstreams"] if each["name"] == "shop"]
    shop = re.search(r"127\.0\.0\.1:(\d+)", str(upstream))
    gate = str(bundle["listeners"][0]["address"])
    return Ports(_port(gate), _port(loaded.admin_address), int(shop[1]) if shop is not None else None)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _ours(text: str) -> bool:
    return text.startswith(MARK)


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
