"""The configuration that ``lockgate demo`` writes, and the ports that it takes."""

import json
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lockgate.demo.authority import FOLDER

PROGRAM = "crm-sync"
SCOPES = ("orders:read", "orders:write", "customers:read")
"""Of the program of somebody else's."""
EXCEPTION_DAYS = 30
"""How long the open health check and the key of the demonstration last."""

MARK = "# Written by `lockgate demo`."

_TEMPLATE = """\
{mark} It is written anew at each start, until somebody changes it.
version: 1

listeners:
  public:
    address: 127.0.0.1:{gate}
{secure}
admin:
  address: 127.0.0.1:{admin}

upstreams:
  shop:
    targets: [http://127.0.0.1:{shop}]

# A program of somebody else's, and what it was given. It uses less: `lockgate apps usage crm-sync`.
apps:
  {program}:
    owner: sales@example.com
    title: CRM Sync
    purpose: copies orders to the sales team's CRM
    tier: reviewed
    clients: []                # it comes with a key
    apis: [partners]
    scopes: {scopes}

apis:
  # Everything in the shop wants a key.
  shop:
    path: /
    upstream: shop
    authenticate:
      - api_key: {{header: X-API-Key}}
    authorize: authenticated
    body_limit: {{bytes: 1GiB}}
    # What looks like an attack is refused. Photos may be large: they are judged by their beginning.
    waf: {{rules: native, longer: begin}}

  # Programs of others do no more than they were given, and no more than these scopes open.
  partners:
    path: /partners
    strip_path: true
    upstream: shop
    authenticate:
      - api_key: {{header: X-API-Key}}
    authorize:
      apps: required
      scopes:
        "orders:read": ["GET /partners/orders", "GET /partners/orders/{{order}}"]
        "orders:write": ["POST /partners/orders"]
        "customers:read": ["GET /partners/customers", "GET /partners/customers/{{customer}}"]
    waf: {{rules: native}}

  # But its health check, which tells nothing. Whoever opens an API says why, and for how long.
  health:
    path: {{exact: /healthz}}
    methods: [GET]
    upstream: shop
    public:
      owner: demo
      reason: A health check tells nothing about anybody.
      until: {until}
"""


_SECURE = """\
  # The same over TLS, with HTTP/2. Browsers and curl have to be told to trust who vouches for it.
  secure:
    address: 127.0.0.1:{port}
    tls: {{certificate: {{chain: {chain}, key: {key}}}}}
"""
_GIVEN = {"program": PROGRAM, "scopes": json.dumps(SCOPES)}
_CHAIN, _KEY = f".lockgate/{FOLDER}/localhost.pem", f".lockgate/{FOLDER}/localhost.key"
"""From the configuration's folder."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the gate, the admin API and the shop listen; None is for the one who asks to choose."""

    gate: int
    admin: int
    shop: int | None
    secure: int | None = None
    """Where it speaks TLS."""


class ForeignConfigError(Exception):
    """The folder holds a configuration that the demonstration did not write."""


def write_config(folder: Path, *, gate: int, admin: int, shop: int, secure: int | None = None) -> Path:
    """Write ``lockgate.yaml`` into the folder; never over somebody's own, nor over an edited one.

    With a port that is `secure`, TLS is spoken there.
    """
    path = folder / "lockgate.yaml"
    if path.exists() and not _ours(path.read_text(encoding="utf-8")):
        raise ForeignConfigError(
            f"{path} was not written by `lockgate demo`: "
            "give another folder with --dir, or serve this one with `lockgate run`."
        )
    until = (datetime.now(UTC) + timedelta(days=EXCEPTION_DAYS)).date()
    also = "" if secure is None else _SECURE.format(port=secure, chain=_CHAIN, key=_KEY)
    text = _TEMPLATE.format(mark=MARK, gate=gate, admin=admin, shop=shop, until=until, secure=also, **_GIVEN)
    path.write_text(text, encoding="utf-8")
    return path


def edited(folder: Path) -> bool:
    """Whether somebody has changed the configuration since it was written here."""
    path = folder / "lockgate.yaml"
    if not path.exists():
        return False
    text = path.read_text(encoding="utf-8")
    fields = {"gate": r"\d+", "admin": r"\d+", "shop": r"\d+", "until": r"\d{4}-\d\d-\d\d", "mark": re.escape(MARK)}
    secure = _form(_SECURE, {"port": r"\d+", "chain": re.escape(_CHAIN), "key": re.escape(_KEY)})
    fields |= {name: re.escape(value) for name, value in _GIVEN.items()}
    pattern = _form(_TEMPLATE, {**fields, "secure": f"({secure})?"})
    return _ours(text) and re.fullmatch(pattern, text) is None


def _form(template: str, fields: dict[str, str]) -> str:
    """A regular expression for what a template is filled into."""
    pattern = re.escape(template).replace(r"\{\{", r"\{").replace(r"\}\}", r"\}")
    for name, form in fields.items():
        pattern = pattern.replace(rf"\{{{name}\}}", form)
    return pattern


def ports_of(path: Path) -> Ports:
    """The ports that an edited configuration names; raises `lockgate.config.ConfigErrors` where it is refused."""
    from lockgate.config import load

    loaded = load(path)
    bundle = loaded.compile(0, 0)
    upstream: list[dict[str, object]] = [each for each in bundle["upstreams"] if each["name"] == "shop"]
    shop = re.search(r"127\.0\.0\.1:(\d+)", str(upstream))
    gate = str(bundle["listeners"][0]["address"])
    secure = [_port(str(each["address"])) for each in bundle["listeners"] if each["tls"] is not None]
    return Ports(
        _port(gate),
        _port(loaded.admin_address),
        int(shop[1]) if shop is not None else None,
        secure[0] if secure else None,
    )


def wants_authority(folder: Path) -> bool:
    """Whether the configuration names the certificates of the demonstration's own authority."""
    path = folder / "lockgate.yaml"
    return path.exists() and FOLDER in path.read_text(encoding="utf-8")


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
