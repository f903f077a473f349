"""The shop on a loopback port, in a thread of its own."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn

from lockgate.demo.shop.app import create_app


def listen(port: int) -> socket.socket:
    """Take a loopback port; 0 asks for a free one."""
    # By its protocol asyncio knows that it may set TCP_NODELAY on what is accepted: without, the body of a small answer
    # waits for the acknowledgement of its head (40 ms on a kept connection).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def server(*, event_interval: float = 1.0) -> uvicorn.Server:
    """The shop's server, which logs only what went wrong."""
    config = uvicorn.Config(
        create_app(event_interval=event_interval),
        log_level="warning",
        access_log=False,
        lifespan="off",
        # Follow-order streams end by themselves; a stop need not wait for them.
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def running(*, port: int = 0, event_interval: float = 1.0) -> Iterator[int]:
    """Serve the shop while the block runs; gives its port.

    The socket is listening before the block begins, so that nobody is refused.
    """
    listener = listen(port)
    shop = server(event_interval=event_interval)
    thread = threading.Thread(target=shop.run, kwargs={"sockets": [listener]}, name="shop", daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        shop.should_exit = True
        thread.join(timeout=5)
        listener.close()
