"""The control process's main: store, link, configuration, admin API, in that order.

A gate that is already serving notices nothing of any of it.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from lockgate import log as logs
from lockgate.admin import connections
from lockgate.admin.api.app import make_app
from lockgate.admin.bundles import SignedBundle
from lockgate.admin.control import Control
from lockgate.admin.listen import DEFAULT_ADDRESS, CannotStartError, bind, name_of
from lockgate.admin.reload import Outcome, Reloader
from lockgate.config.render import Renderer, colour_wanted
from lockgate.gate.parent import Parent
from lockgate.state import StateError, StateFolder, StateInUseError, write_private

EXIT_FATAL = 2
"""Starting again would not help: a person must change something first."""

LOCK_SECONDS = 10.0
"""How long to wait for a command that is at work on the state folder."""

log = structlog.get_logger("lockgate.control")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a control process until it is told to stop."""
    options = _options(arguments)
    os.umask(0o077)
    logs.configure("control")
    if options.parent_fd is not None:
        # Ctrl-C reaches the whole terminal; the supervisor decides who stops when.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = Parent(options.parent_fd) if options.parent_fd is not None else None
    try:
        state = StateFolder.open(options.state)
        with ExitStack() as stack:
            _hold_lock(state, stack)
            # One that was killed leaves it behind; who has taken its port meanwhile must not be sent the credential.
            state.admin_address_file.unlink(missing_ok=True)
            asyncio.run(_serve(state, options.config.absolute(), parent))
    except (CannotStartError, StateError) as error:
        if parent is not None:
            parent.report("fatal", code="control", message=str(error))
        else:
            sys.stderr.write(f"{error}\n")
        return EXIT_FATAL
    return 0


async def _serve(state: StateFolder, config: Path, parent: Parent | None) -> None:
    control = Control.open(state, config)
    with contextlib.closing(control):
        notes: list[str] = []
        control.link.decided = False
        await control.link.start()
        try:
            address = await _first_load(control, notes)
            await control.link.decide()
            with bind(address) as listener:
                await _run(control, listener, parent, notes)
        finally:
            await control.key_sets.close()
            await control.revocations.close()
            await control.orders.close()
            await control.sign_ins.close()
            await control.introspections.close()
            await control.people.close()
            await control.key_uses.close()
            await control.certificates.close()
            await control.link.stop()


async def _first_load(control: Control, notes: list[str]) -> str:
    """Load the configuration, or go on with the last good one; where the admin API is to listen."""
    last_good = control.bundles.latest()
    outcome = await control.reloader.reload("start")
    if outcome.result != "refused":
        loaded = control.reloader.loaded
        return loaded.admin_address if loaded is not None else DEFAULT_ADDRESS
    if last_good is None:
        raise CannotStartError(_why_refused(control.reloader))
    notes.append(_serves_last_good(control.reloader.path, last_good))
    if last_good.duties is not None:
        await control.follow(last_good.duties)
    return last_good.admin_address


async def _run(control: Control, listener: socket.socket, parent: Parent | None, notes: list[str]) -> None:
    """Serve the admin API and watch the configuration, until told to stop."""
    address = name_of(listener)
    control.reloader.admin_address = address
    server = connections.Server(connections.config(make_app(control, address=address), control.counters))
    stop = asyncio.Event()
    with _signals(control, stop), _parent_line(parent, control, stop):
        write_private(control.state.admin_address_file, f"{address}\n")
        control.journal.system("control-started", "The control process has started.", {"pid": os.getpid()})
        log.info("control-ready", admin=address)
        if parent is not None:
            parent.report("ready", admin=address, credential=str(control.state.admin_token_file), notes=notes)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        works = (
            stop.wait(),
            control.watch_files(),
            control.try_again(),
            control.watch_waivers(),
            control.watch_upstreams(),
            control.gates.follow(control.reloader),
            control.keep_history(),
            control.app_uses.keep(),
            control.certificates.watch(),
        )
        others = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait([serving, *others], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # A part that failed ends the process: the supervisor starts it again.
        finally:
            control.state.admin_address_file.unlink(missing_ok=True)
            server.should_exit = True
            for task in others:
                task.cancel()
            await asyncio.gather(serving, *others, return_exceptions=True)
            await control.gates.listener.close()
            control.journal.system("control-stopped", "The control process has stopped.", {"pid": os.getpid()})


@contextmanager
def _signals(control: Control, stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[Outcome]] = set()

    def reload() -> None:
        task = loop.create_task(control.reloader.reload("signal"))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextmanager
def _parent_line(parent: Parent | None, control: Control, stop: asyncio.Event) -> Iterator[None]:
    if parent is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def hear() -> None:
        messages = parent.messages()
        if messages is None:
            log.info("control-stopping", why="the supervisor is gone")
            loop.remove_reader(parent.socket)
            stop.set()
        for said in messages or []:
            if said["type"] == "restarted":
                sentence = f"The {said['name']} process had died and is started again."
                control.journal.system("process-restarted", sentence, said)

    loop.add_reader(parent.socket, hear)
    try:
        yield
    finally:
        loop.remove_reader(parent.socket)


def _hold_lock(state: StateFolder, stack: ExitStack) -> None:
    """Hold the control part; a command that makes a key holds it for an instant."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            stack.enter_context(state.lock("control"))
        except StateInUseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _why_refused(reloader: Reloader) -> str:
    """Every error as `lockgate check` shows it."""
    refused = reloader.refusal
    if refused is None:
        return f"{reloader.path} could not be taken over"
    renderer = Renderer(colour=colour_wanted(sys.stderr.isatty()))
    count = len(refused.errors)
    end = f"{reloader.path} is refused: {count} error{'s' * (count != 1)}. Nothing was started."
    return "\n".join([*renderer.problems(refused.errors), end])


def _serves_last_good(path: Path, bundle: SignedBundle) -> str:
    made = datetime.fromtimestamp(bundle.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"ATTENTION: {path} is refused (`lockgate check` shows why). What is served is the last good "
        f"configuration, bundle {bundle.sequence} of {made}."
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lockgate.admin", description="A control process.")
    parser.add_argument("--state", type=Path, required=True, help="the state folder")
    parser.add_argument("--config", type=Path, required=True, help="the main configuration file")
    parser.add_argument("--parent-fd", type=int, default=None, help="set by the supervisor")
    return parser.parse_args(arguments)
