"""Scalars of the configuration that name places on the network and in a URL.

As in `scalars`, each is parsed once into its canonical form: networks without
stray host bits, hosts in lower case, targets with their port.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from lockgate.scalars import Scalar, refusal, shown

MAX_PORT: Final = 65_535
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
MAX_OCTET: Final = 255
IPV4_BITS: Final = 32
MAX_SOCKET_PATH: Final = 107
"""Bytes of a Unix socket's path: Linux has 108, one of them the final zero. Where it is less, the gate says so."""
UNIX: Final = "unix:"
ANY_CALLER: Final = "unix"
"""Among trusted proxies: whoever may connect to the Unix socket."""
MAX_MODE: Final = 0o777
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"})
_RARE: Final = """
    ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF
    MKWORKSPACE MOVE ORDERPATCH PROPFIND PROPPATCH REBIND REPORT SEARCH UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE
    UPDATEREDIRECTREF VERSION-CONTROL
"""
RARE_METHODS: Final = frozenset(_RARE.split())
"""The rest of IANA's registry. A method in neither is taken too, unless it looks like a slip of the pen."""

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PREFIX_LENGTH: Final = re.compile(r"[0-9]{1,3}")
_OCTET: Final = "(0|[1-9][0-9]{0,2})"
_PLAIN_IPV4: Final = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?:/(0|[1-9][0-9]?))?")
_PORT: Final = re.compile(r"[0-9]{1,5}")


def parse_network(value: object) -> str:
    """A network (`10.0.0.0/8`, `2001:db8::/32`) or one address, in canonical form."""
    if isinstance(value, str) and _is_plain_ipv4(value):
        return value
    allowed = "an address such as `203.0.113.7`, or a network such as `10.0.0.0/8` or `2001:db8::/32`"
    if not isinstance(value, str):
        raise refusal("network-malformed", f"{shown(value)} is not a network", allowed=allowed)
    address, slash, length = value.partition("/")
    try:
        ip = ipaddress.ip_address(address)
    except ValueError as error:
        raise refusal("network-malformed", f"{shown(value)} is not a network", allowed=allowed) from error
    if "%" in address:
        raise refusal("network-malformed", f"{shown(value)} names an interface", hint="leave out the part from `%` on")
    if not slash:
        return str(ip)
    if not _PREFIX_LENGTH.fullmatch(length) or int(length) > ip.max_prefixlen:
        raise refusal("network-malformed", f"{shown(value)} has no such prefix", allowed=f"/0 to /{ip.max_prefixlen}")
    network = ipaddress.ip_network(f"{ip}/{int(length)}", strict=False)
    if network.network_address != ip:
        raise refusal(
            "network-host-bits",
            f"{shown(value)} has bits set beyond its prefix length",
            hint=f"did you mean `{network}`, or the one address `{ip}`?",
        )
    return str(network)


def _is_plain_ipv4(text: str) -> bool:
    """Whether the text is a canonical IPv4 network. A list may hold a million, and `ipaddress` takes 8 µs for each."""
    found = _PLAIN_IPV4.fullmatch(text)
    if found is None:
        return False
    number = 0
    for octet in found.group(1, 2, 3, 4):
        part = int(octet)
        if part > MAX_OCTET:
            return False
        number = number << 8 | part
    length = IPV4_BITS if found[5] is None else int(found[5])
    return length <= IPV4_BITS and number & (1 << (IPV4_BITS - length)) - 1 == 0


def parse_listen(value: object) -> str:
    """Where to listen: an IP address and a port."""
    allowed = "an IP address and a port, such as `127.0.0.1:8080` or `[::1]:8080`"
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    host, _, port = text.rpartition(":")
    if not _PORT.fullmatch(port):
        hint = f"write `{text}:8080`" if text and not host and not port.startswith("[") else None
        raise refusal("address-malformed", f"{shown(value)} has no port", allowed=allowed, hint=hint)
    if int(port) > MAX_PORT:
        raise refusal("address-malformed", f"there is no port {shown(port)}", allowed=f"ports up to {MAX_PORT}")
    if not host:
        hint = f"write `127.0.0.1:{port}`"
        raise refusal("address-malformed", f"{shown(value)} has no address", allowed=allowed, hint=hint)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError as error:
        hint = f"write `127.0.0.1:{port}`" if bare == "localhost" else None
        raise refusal("address-malformed", f"{shown(host)} is not an IP address", allowed=allowed, hint=hint) from error
    if (ip.version == 6) != host.startswith("["):
        raise refusal(
            "address-malformed", f"{shown(value)} is ambiguous", allowed=allowed, hint="an IPv6 address wants `[…]`"
        )
    return f"[{ip}]:{int(port)}" if ip.version == 6 else f"{ip}:{int(port)}"


def parse_listener(value: object) -> str:
    """Where requests are taken: an IP address and a port, or `unix:` with the path of a socket."""
    if isinstance(value, str) and value.startswith(("unix:", "/", "@")):
        return parse_socket(value, "address-malformed", "unix:/run/lockgate/gate.sock")
    return parse_listen(value)


def parse_socket(value: str, code: str, example: str) -> str:
    """`unix:` with an absolute path that fits into a socket's address."""
    path = value.removeprefix(UNIX)
    length = len(path.encode())
    allowed = f"`unix:` with an absolute path of at most {MAX_SOCKET_PATH} bytes, such as `{example}`"
    hint = None
    if not value.startswith(UNIX):
        hint = f"write `{UNIX}{value}`" if value.startswith("/") else "write the path of a file: only that has an owner"
    elif path.startswith("@"):
        hint = "write the path of a file: any user of this machine may connect to an abstract name"
    elif length > MAX_SOCKET_PATH:
        message = f"this path has {length} bytes, and a socket's address has room for {MAX_SOCKET_PATH}"
        raise refusal(code, message, allowed=allowed, hint="choose a shorter folder, such as /run/lockgate")
    elif path.startswith("/") and not path.startswith("//") and not path.endswith("/") and path.isprintable():
        return value
    raise refusal(code, f"{shown(value)} is not a socket", allowed=allowed, hint=hint)


def parse_clamd(value: object) -> str:
    """Where a virus scanner listens: `unix:` with the path of its socket, or an IP address and a port."""
    if isinstance(value, str) and value.startswith(("unix:", "/", "@")):
        return parse_socket(value, "address-malformed", "unix:/run/clamav/clamd.ctl")
    address = parse_listen(value)
    if address.endswith(":0"):
        raise refusal("address-malformed", "there is nothing at port `0`", allowed="a port from 1 to 65535")
    return address


def parse_proxy(value: object) -> str:
    """Who may be believed: a network, or `unix`."""
    return value if isinstance(value, str) and value == ANY_CALLER else parse_network(value)


def parse_mode(value: object) -> int:
    """A file's mode, in octal digits however they are written."""
    digits = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    allowed = 'octal digits as `chmod` takes them, such as `"0660"`'
    if not re.fullmatch(r"(0o)?[0-7]{1,4}", digits):
        raise refusal("mode-malformed", f"{shown(value)} is not the mode of a file", allowed=allowed)
    mode = int(digits.removeprefix("0o"), 8)
    if mode > MAX_MODE or not mode & 0o222:
        raise refusal(
            "mode-malformed",
            f"{shown(value)} lets nobody write, and who cannot write cannot connect"
            if mode <= MAX_MODE
            else f"{shown(value)} has more than the rights of owner, group and others",
            allowed=allowed,
        )
    return mode


def say_mode(mode: int) -> str:
    """A file's mode as `chmod` takes it."""
    return f"{mode:04o}"


def parse_account(value: object) -> str:
    """The name or number of a user or group."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    number = re.fullmatch(r"[0-9]{1,10}", text) is not None and int(text) < 2**32
    if number or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?", text):
        return text
    raise refusal(
        "account-malformed", f"{shown(value)} is not a user or group", allowed="a name such as `www-data`, or a number"
    )


def parse_target(value: object) -> str:
    """An upstream's server: `https://host:port`, `http://` or `tcp://`, `unix:/path`, `https+srv://name` and such."""
    if isinstance(value, str) and value.startswith("unix:"):
        return parse_socket(value, "target-malformed", "unix:/run/shop.sock")
    if isinstance(value, str) and value.lower().startswith(("http+srv://", "https+srv://", "tcp+srv://")):
        return _service(value)
    allowed = (
        "`https://` or `http://` with a host and, if it is not the usual one, a port, such as `http://10.0.0.5:9000`; "
        "or `unix:` with a socket's path, such as `unix:/run/shop.sock`"
    )
    if not isinstance(value, str):
        raise refusal("target-malformed", f"{shown(value)} is not the address of a server", allowed=allowed)
    try:
        parts = urlsplit(value)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise refusal("target-malformed", f"{shown(value)} is not the address of a server", allowed=allowed) from error
    if parts.scheme == "tcp" and port is None:
        message = f"{shown(value)} has no port"
        raise refusal("target-malformed", message, allowed="`tcp://` with a host and a port", hint="say which port")
    usual = port if parts.scheme == "tcp" else DEFAULT_PORTS.get(parts.scheme)
    if usual is None or not value.lower().startswith(f"{parts.scheme}://"):
        hint = f"write `http://{value}`" if re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?", value) else None
        message = f"{shown(value)} begins with neither `https://` nor `http://`"
        raise refusal("target-malformed", message, allowed=allowed, hint=hint)
    if "@" in parts.netloc:
        raise refusal("target-credential", "a target must not hold a user or password", hint="use `credential`")
    if parts.path not in {"", "/"} or "?" in value or "#" in value:
        raise refusal(
            "target-with-path",
            f"{shown(value)} has more than a host and a port",
            allowed=allowed,
            hint="an API's `path` says which requests go there; they are forwarded with their own path",
        )
    if port == 0 or (port or usual) > MAX_PORT or not _is_host(host):
        raise refusal("target-malformed", f"{shown(value)} is not the address of a server", allowed=allowed)
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port or usual}"


def is_address(name: str) -> bool:
    """Whether it is an IP address, which is not asked for by name in TLS (RFC 6066 section 3)."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_server(upstream: str) -> bool:
    """Whether it is a server itself, and not the name of an upstream."""
    return "://" in upstream or upstream.startswith(UNIX)


def is_secure(target: str) -> bool:
    """Whether a target is spoken to over TLS."""
    return target.startswith(("https://", "https+srv://"))


def is_tcp(target: str) -> bool:
    """Whether connections are carried to a target unread, and no requests."""
    return target.startswith(("tcp://", "tcp+srv://"))


def is_local(target: str) -> bool:
    """Whether a target is on this machine, for sure."""
    return target.startswith("unix:") or is_loopback(place_of(target).rpartition(":")[0])


def is_inside(address: str) -> bool:
    """Whether nobody comes to a listening address from another machine."""
    return address.startswith(UNIX) or is_loopback(address.rpartition(":")[0])


def place_of(target: str) -> str:
    """Host and port of a target."""
    return target.partition("://")[2] or target


def _service(value: str) -> str:
    scheme, _, rest = value.lower().partition("://")
    name = rest.rstrip("/")
    if "." in name and not name.startswith("*") and _is_host(name):
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return f"{scheme}://{name}"
    raise refusal(
        "target-malformed",
        f"{shown(value)} is not the name of a service",
        allowed="`http+srv://` with a name that DNS has SRV records for, such as `http+srv://_http._tcp.shop.internal`",
        hint="leave the port out: the records have it" if ":" in name else None,
    )


def parse_host(value: object) -> str:
    """A host to answer to: `shop.example.com`, `*.example.com` or `*`."""
    allowed = "a name such as `shop.example.com`, `*.example.com` for every name below it, or `*` for any"
    if not isinstance(value, str):
        raise refusal("host-malformed", f"{shown(value)} is not a host", allowed=allowed)
    host = value.lower()
    if host == "*":
        return host
    if not host.isascii():
        try:
            hint = f"write it as `{host.encode('idna').decode()}`"
        except UnicodeError:
            hint = None
        raise refusal("host-malformed", f"{shown(value)} has letters beyond ASCII", allowed=allowed, hint=hint)
    if "://" in host or "/" in host:
        raise refusal(
            "host-malformed", f"{shown(value)} is not a host alone", allowed=allowed, hint="leave out scheme and path"
        )
    name = host.removeprefix("*.")
    if re.fullmatch(r"[^:\]]*:[0-9]+|\[.*\]:[0-9]+", name):
        raise refusal(
            "host-malformed",
            f"{shown(value)} has a port",
            allowed=allowed,
            hint="leave it out: a host matches on every port, and the listener says which there are",
        )
    if name.endswith("."):
        raise refusal("host-malformed", f"{shown(value)} ends in a dot", allowed=allowed, hint="leave the dot out")
    if not _is_host(name[1:-1] if name.startswith("[") and name.endswith("]") else name):
        raise refusal("host-malformed", f"{shown(value)} is not a host", allowed=allowed)
    return host


def parse_method(value: object) -> str:
    """A request method, in upper case."""
    allowed = "a method in upper case, such as `GET` or `POST`"
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", value):
        raise refusal("method-malformed", f"{shown(value)} is not a method", allowed=allowed)
    if value != value.upper():
        raise refusal("method-malformed", f"{shown(value)} is not in upper case", hint=f"write `{value.upper()}`")
    if value in METHODS or value in RARE_METHODS:
        return value
    if value == "CONNECT":
        raise refusal(
            "method-malformed", "`CONNECT` asks for a tunnel, and nothing in a tunnel can be checked", allowed=allowed
        )
    close = difflib.get_close_matches(value, sorted(METHODS), n=1, cutoff=0.65)
    if close:
        raise refusal("method-unknown", f"there is no method {shown(value)}", hint=f"did you mean `{close[0]}`?")
    return value


def is_loopback(host: str) -> bool:
    """Whether a host (name or address, without port) can only be this machine."""
    try:
        ip = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # A name that is all digits at its end would be read as an address by some and not by others.
        labels = host.split(".")
        return len(host) <= 253 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    return "%" not in host


Network = Annotated[str, Scalar(parse_network, {"type": "string"})]
Listen = Annotated[str, Scalar(parse_listen, {"type": "string"})]
Listener = Annotated[str, Scalar(parse_listener, {"type": "string"})]
Clamd = Annotated[str, Scalar(parse_clamd, {"type": "string"})]
Proxy = Annotated[str, Scalar(parse_proxy, {"type": "string"})]
Mode = Annotated[int, Scalar(parse_mode, {"type": ["string", "integer"], "pattern": "^(0o)?[0-7]{1,4}$"}, say_mode)]
Account = Annotated[str, Scalar(parse_account, {"type": ["string", "integer"]})]
Target = Annotated[str, Scalar(parse_target, {"type": "string", "pattern": "^(https?|tcp)(\\+srv)?://|^unix:/"})]
Host = Annotated[str, Scalar(parse_host, {"type": "string"})]
Method = Annotated[str, Scalar(parse_method, {"type": "string", "pattern": "^[A-Z]"})]
