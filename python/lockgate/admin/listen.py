"""The admin API's socket: loopback only, and a clear word where the port is taken."""

import ipaddress
import socket

DEFAULT_ADDRESS = "127.0.0.1:8081"


class CannotStartError(Exception):
    """The control process cannot start; the message is for the person who started it."""


def bind(address: str) -> socket.socket:
    """A socket bound to `host:port`; port 0 takes a free one."""
    host, _, port = address.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    if not ipaddress.ip_address(host).is_loopback:
        raise CannotStartError(
            f"admin.address {address} is not a loopback address: the admin API speaks plain HTTP, so it listens on "
            "127.0.0.1 or [::1] alone. Reach it from elsewhere through an SSH tunnel"
        )
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # A control process that is started again must not wait for its old connections to be forgotten.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise CannotStartError(
            f"the admin API cannot listen on {address} ({error.strerror}): stop what listens there, or set "
            "admin.address to another port"
        ) from error
    return listener


def elsewhere(wanted: str, real: str) -> bool:
    """Whether the wanted address is another than the one that is really listened on; port 0 is any port."""
    host, _, port = wanted.rpartition(":")
    real_host, _, real_port = real.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host
    return host != real_host or port not in {real_port, "0"}


def name_of(listener: socket.socket) -> str:
    """Where it really listens, as `host:port`."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
