"""Start the shop and a gate before it, say what to try, and stop all again."""

import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

import httpx

from lockgate.admin.keys import create_key
from lockgate.config import ConfigErrors
from lockgate.demo.authority import DAYS, FOLDER, Files, local_authority
from lockgate.demo.config import (
    EXCEPTION_DAYS,
    PROGRAM,
    SCOPES,
    Ports,
    choose_port,
    edited,
    ports_of,
    wants_authority,
    write_config,
)
from lockgate.demo.news import News
from lockgate.demo.shop import serve
from lockgate.state import StateError, StateFolder, read_secret

START_SECONDS = 30
STOP_SECONDS = 15
KEY_NAME = "demo"


class DemoError(Exception):
    """The demonstration could not start; its text says what to do."""


@dataclass(frozen=True)
class Place:
    """Where the demonstration lives."""

    folder: Path
    config: Path
    log: Path
    gate: int
    admin: int
    secure: int | None = None
    """The port of the gate that speaks TLS."""

    @property
    def state(self) -> Path:
        """The folder for keys, events and the last good bundle."""
        return self.folder / ".lockgate"


def run_demo(
    folder: Path, *, gate_port: int, admin_port: int, echo: Callable[[str], None], tls_port: int | None = None
) -> int:
    """Run until interrupted; gives the exit code. With a `tls_port` the gate speaks TLS there too."""
    stop = threading.Event()
    try:
        if tls_port is not None or wants_authority(folder):
            local_authority(folder / ".lockgate")  # Before the configuration is read, which names its files.
        kept = _kept(folder, echo)
        with _stopped_by_signals(stop), _shop(kept) as shop_port:
            place = _prepare(folder, (gate_port, admin_port, tls_port), shop_port, echo, kept)
            key = _make_key(place)
            with _gate(place) as gate:
                _wait_until_ready(place, gate, stop)
                if not stop.is_set():
                    _copy_orders(place)
                    echo(what_to_try(place, key, shop_port))
                _wait_until_stopped(place, gate, stop, echo)
    except DemoError as failed:
        echo(str(failed))
        return 1
    echo("Stopped.")
    return 0


def what_to_try(place: Place, key: str, shop_port: int) -> str:
    """The words shown once everything answers."""
    url = f"http://127.0.0.1:{place.gate}"
    command, of_this = _own_command(), f"--config {shlex.quote(str(place.config))}"
    return f"""
The gate   {url}  (before the shop on http://127.0.0.1:{shop_port})
The admin  http://127.0.0.1:{place.admin}  (its credential: {place.state / "admin.token"})
The files  {place.config}  (change it: the gate takes it up at once, or says here why not)
The log    {place.log}
A key      {key}

Without the key it is refused, and says why:
  curl -i {url}/products

With the key the shop answers:
  curl -i -H 'X-API-Key: {key}' '{url}/products?limit=2'

What looks like an attack is refused, whoever sends it:
  curl -i -H 'X-API-Key: {key}' '{url}/products?search=x%27%20UNION%20SELECT%20password%20FROM%20users--'

What would happen, and which line decides, without sending anything:
  {command} explain {of_this} GET {url}/products

What happened, how it is, and which keys there are:
  {command} logs {of_this}
  {command} status {of_this}
  {command} keys list {of_this}

What a program of somebody else's was given, and what it uses of it (its key is another one):
  {command} apps usage {of_this} {PROGRAM}

An order's way to the door, as it happens:
  curl -N -H 'X-API-Key: {key}' {url}/orders/o-000001/events
{_over_tls(place, key)}
Ctrl-C stops everything.
"""


def _over_tls(place: Place, key: str) -> str:
    if place.secure is None:
        return ""
    trust, url = shlex.quote(str(Files(place.state / FOLDER).authority)), f"https://localhost:{place.secure}"
    return f"""
Over TLS, with HTTP/2 (the certificate is of this demonstration's own authority):
  curl -i --cacert {trust} -H 'X-API-Key: {key}' '{url}/products?limit=2'
  curl -i --cacert {trust} --http1.1 https://127.0.0.1:{place.secure}/healthz

To open {url}/healthz in a browser, have it trust the authority. That can vouch for
this machine alone (localhost, 127.0.0.1), ends after {DAYS} days, and its key was thrown away:
  Firefox         Settings, Certificates, Authorities, Import: {trust}
  Chrome, Linux   certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n lockgate-demo -i {trust}
  macOS           security add-trusted-cert -k ~/Library/Keychains/login.keychain-db {trust}
  Windows         certutil -user -addstore Root {trust}
"""


def _own_command() -> str:
    """How the reader's shell finds this program: by its name, or where it lies."""
    if shutil.which("lockgate"):
        return "lockgate"
    program = Path(sys.argv[0])
    return shlex.quote(str(program)) if program.name == "lockgate" else f"{shlex.quote(sys.executable)} -m lockgate"


def _kept(folder: Path, echo: Callable[[str], None]) -> Ports | None:
    """The ports of a configuration that somebody has changed, which is kept; None where it is written anew."""
    if not edited(folder):
        return None
    path = folder / "lockgate.yaml"
    echo(f"Kept: {path} was changed, and is served as it stands, with its ports. Delete it for a new one.")
    try:
        ports = ports_of(path)
    except ConfigErrors as refused:
        words = "\n".join(f"  {problem.place}: {problem.message}" for problem in refused.errors)
        raise DemoError(f"{path} is refused; `{_own_command()} check {shlex.quote(str(path))}`:\n{words}") from refused
    return ports


@contextmanager
def _shop(kept: Ports | None) -> Iterator[int]:
    """The shop, where an edited configuration looks for it."""
    wanted = kept.shop if kept is not None and kept.shop is not None else 0
    if wanted and choose_port(wanted) != wanted:
        raise DemoError(f"Port {wanted}, on which the configuration looks for the shop, is taken: change it there.")
    with serve.running(port=wanted) as port:
        yield port


def _prepare(
    folder: Path,
    wanted_ports: tuple[int, int, int | None],
    shop_port: int,
    echo: Callable[[str], None],
    kept: Ports | None,
) -> Place:
    if kept is not None:
        return Place(folder, folder / "lockgate.yaml", folder / "lockgate.log", kept.gate, kept.admin, kept.secure)
    ports = []
    for wanted, what in zip(wanted_ports, ("gate", "admin API", "gate's TLS"), strict=True):
        if wanted is None:
            continue
        port = choose_port(wanted)
        if wanted not in (0, port):
            echo(f"Port {wanted} is taken: the {what} listens on {port} instead.")
        ports.append(port)
    gate, admin, *secure = ports
    config = write_config(folder, gate=gate, admin=admin, shop=shop_port, secure=next(iter(secure), None))
    return Place(folder, config, folder / "lockgate.log", gate, admin, next(iter(secure), None))


@contextmanager
def _gate(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """``lockgate run`` as a child, its output in a file so that ours stays readable."""
    command = [sys.executable, "-m", "lockgate", "run"]
    # However we end, our end of the pipe ends with us, and the gate stops too.
    command += ["--config", str(place.config), "--state", str(place.state), "--stop-with-stdin"]
    with place.log.open("wb") as log:
        # A session of its own: Ctrl-C reaches us alone, and we stop it in order.
        child = subprocess.Popen(  # noqa: S603 - our own program, our own arguments
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            finally:
                if child.stdin is not None:
                    child.stdin.close()


def _admin(place: Place, method: str, path: str, body: object = None) -> httpx.Response:
    """What the admin API answers."""
    state = StateFolder(place.state)
    token = {"Authorization": f"Bearer {state.admin_token()}"}
    url = f"http://{read_secret(state.admin_address_file)}{path}"
    return httpx.request(method, url, json=body, headers=token, timeout=5)


def _wait_until_ready(place: Place, gate: subprocess.Popen[bytes], stop: threading.Event) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not stop.is_set():
        if gate.poll() is not None:
            raise DemoError(_ended(place, gate))
        if _serves(place):
            return
        if time.monotonic() > deadline:
            raise DemoError(f"The gate did not answer within {START_SECONDS} s: see {place.log}.")
        stop.wait(0.05)


def _serves(place: Place) -> bool:
    """Whether the gate serves, and knows the key: started again, it serves first what it knew before."""
    state = StateFolder(place.state)
    if not state.is_held("control"):
        return False  # The address may be that of one that was killed, and the credential is for nobody else.
    try:
        told = _admin(place, "GET", "/v1/status")
        gate = told.json()["gate"] if told.is_success else {}
    except (httpx.HTTPError, StateError):
        return False
    return bool(gate.get("bundle")) and gate.get("facts_behind") is False


def _copy_orders(place: Place) -> None:
    """What the program of somebody else's does, so that there is something to be told of it."""
    until_ms = int((time.time() + EXCEPTION_DAYS * 86_400) * 1000)
    new = {"name": PROGRAM, "owner": "sales@example.com", "app": PROGRAM, "apis": ["partners"]}
    made = _admin(place, "POST", "/v1/keys", {**new, "scopes": list(SCOPES), "expires_ms": until_ms})
    if not made.is_success:
        return  # The configuration was changed, and has no such program any more.
    key = made.json()["key"]
    with httpx.Client(base_url=f"http://127.0.0.1:{place.gate}", headers={"X-API-Key": key}, timeout=5) as program:
        for path in ("/partners/orders", "/partners/orders/o-000001"):
            with suppress(httpx.HTTPError):
                program.get(path)


def _wait_until_stopped(
    place: Place, gate: subprocess.Popen[bytes], stop: threading.Event, echo: Callable[[str], None]
) -> None:
    news = News(place.log)
    while not stop.wait(0.5):
        for line in news.lines():
            echo(line)
        if gate.poll() is not None:
            raise DemoError(_ended(place, gate))


def _make_key(place: Place) -> str:
    """A key for the shop alone, before anything runs: the gate learns of it when it starts."""
    days = timedelta(days=EXCEPTION_DAYS)
    try:
        return create_key(place.state, name=KEY_NAME, owner=KEY_NAME, apis=["shop"], expires=days).key
    except StateError as unusable:
        raise DemoError(f"No key could be made: {unusable}") from unusable


def _ended(place: Place, gate: subprocess.Popen[bytes]) -> str:
    lines = place.log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines if not line.startswith("{")] or lines
    words = "\n".join(f"  {line}" for line in said[-20:])
    return f"`lockgate run` ended by itself with {gate.returncode}. Its last words:\n{words}"


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set the event while the block runs."""

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
