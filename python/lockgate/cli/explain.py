"""`lockgate explain`: why a request is, or was, answered as it is."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli._known import known, store_of
from lockgate.cli._report import Json, leave, load_or_exit
from lockgate.cli._state import StateDir, state_path

if TYPE_CHECKING:
    from lockgate.admin.explain import Asked
    from lockgate.config import Loaded


def explain(
    method: Annotated[str | None, typer.Argument(metavar="METHOD", help="Such as GET.")] = None,
    url: Annotated[str | None, typer.Argument(metavar="URL", help="A path, or a whole URL with its host.")] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="HEADER", help="A header: `Name: value`.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY",
            help="An API key. Others see it in the list of processes: LOCKGATE_KEY or --key-file.",
        ),
    ] = None,
    key_file: Annotated[
        str | None,
        typer.Option("--key-file", metavar="FILE", help="A file that holds the API key; `-` for standard input."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="The client certificate that is shown, PEM, with those that vouch for it behind.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="WORDS",
            help="What the caller's device is taken for where an API asks: `confirmed` (as if nothing is said), or "
            "some of `new,approved,changed,travel,revoked,4 at once`.",
        ),
    ] = None,
    decision: Annotated[
        str | None,
        typer.Option(
            "--decision",
            metavar="WORD",
            help="What decision points are taken to say where an API asks them: `allow`, `deny`, or JSON such as "
            '`{"allow": true, "headers": {..}}`. Nobody is asked.',
        ),
    ] = None,
    others: Annotated[
        int | None,
        typer.Option(
            "--others",
            metavar="NUMBER",
            min=0,
            max=2**32 - 1,
            help="How many other users are taken to be there, and to have come today, where an API caps them "
            "(`users`); without it nobody is.",
        ),
    ] = None,
    peer: Annotated[
        str, typer.Option("--peer", metavar="ADDRESS", help="The address that the request comes from.")
    ] = "127.0.0.1",
    listener: Annotated[
        str | None,
        typer.Option(
            "--listener", metavar="NAME", help="Where it arrives; by default on the URL's port, or at the first."
        ),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            "--body", help="The request's body: a text, `@FILE` for what is in a file, `@-` for standard input."
        ),
    ] = None,
    body_raw: Annotated[
        str | None, typer.Option("--body-raw", help="The request's body as it stands, also where it begins with `@`.")
    ] = None,
    request: Annotated[
        str | None, typer.Option("--request", metavar="ID", help="Explain the request with this id instead.")
    ] = None,
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")] = Path(
        "lockgate.yaml"
    ),
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Say what the gate would do with a request, or did with one: route, each policy, and the line that decided.

    With METHOD and URL the configuration is asked as it stands in the file; nothing
    needs to run, and nothing is sent. With --request it is told from the event.

    Exits with 0 if the request is let through or carried on, or the gate answers it
    by itself (a redirect, a preflight), 1 if it is refused, 2 if there is nothing to explain.

    Example: lockgate explain GET /orders -H "X-Trace: 1" --peer 203.0.113.9

    Example: lockgate explain POST /orders -H "Content-Type: application/json" --body @order.json
    """
    folder = state_path(state, config=config)
    bundle: dict[str, Any] | None = None
    if request is not None:
        said = (method, header, key, key_file, certificate, device, decision, others, listener, body, body_raw)
        if any(part is not None for part in said):
            leave("--request ID explains a request that was: leave METHOD, URL and what belongs to them out.")
        explained = _of_request(folder, request)
    elif method is not None and url is not None:
        from lockgate.admin.explain import Asked
        from lockgate.cli._body import STDIN, body_of
        from lockgate.cli._completed import completed
        from lockgate.rehearsal.devices import USUAL

        if (key_file, body) == ("-", STDIN):
            leave("--key-file and --body both read standard input: name a file for one of them.")
        content = body_of(body, body_raw)
        asked = Asked(
            method=method,
            url=url,
            headers=[_header(text) for text in header or []],
            key=_key(key, key_file),
            peer=peer,
            listener=listener,
            body=content,
            certificate=_certificate(certificate) if certificate is not None else None,
            device=USUAL if device is None else device.split(","),
            decision=decision,
            others=others or 0,
        )
        explained, bundle = _offline(config, folder, asked)
        explained = completed(explained, bundle, content, asked.device)
    else:
        leave("Say METHOD and URL, such as `lockgate explain GET /orders`, or --request ID.")
    if as_json:
        typer.echo(json.dumps(explained, indent=2))
    else:
        from lockgate.cli._explained import show

        show(explained, bundle)
    raise typer.Exit(0 if explained["verdict"] in {"allow", "passthrough", "respond"} else 1)


def _offline(config: Path, folder: Path, asked: Asked) -> tuple[dict[str, Any], dict[str, Any]]:
    """The explanation, and the bundle that it is by."""
    from lockgate.admin.explain import UnreadableError, offline
    from lockgate.admin.responders import asked_once
    from lockgate.state import StateError

    loaded = load_or_exit(config)
    bundle: dict[str, Any] = {**loaded.compile(0, 0)}
    try:
        with contextlib.ExitStack() as stack:
            explained = offline(
                json.dumps(bundle),
                asked,
                lambda: known(loaded, folder, stack),
                lambda clients, shown: asked_once(loaded.outgoing, clients, shown),
                loaded.managed.ended,
                lambda issuer, token: _asked(loaded, issuer, token),
            )
            return {**explained}, bundle
    except (UnreadableError, StateError) as error:
        leave(str(error))


def _asked(loaded: Loaded, name: str, token: str) -> tuple[str | None, str | None]:
    """What an issuer answers about a token, asked from here as the control process would."""
    from lockgate.admin.introspections import asked_once

    issuer = next((each for each in loaded.asked_issuers if each.name == name), None)
    if any(people.name == name for people in loaded.duties.people):
        return None, "only a running control process looks at passwords"
    if issuer is None:
        return None, "the configuration does not say how it is asked"
    told = asked_once(loaded.outgoing, issuer, token)
    return told.answer, told.why


def _of_request(folder: Path, request_id: str) -> dict[str, Any]:
    """From the segments themselves: a request is explained whether or not anything runs."""
    from lockgate.admin.bundles import text_of
    from lockgate.admin.event_log import faults, find
    from lockgate.admin.explain import of_event
    from lockgate.state import StateError, StateFolder

    try:
        state = StateFolder.existing(folder)
    except StateError as error:
        leave(str(error))
    event = find(state, request_id)
    if event is None:
        leave(
            "There is no event with that id. Events are written within a second and kept up to `events.retain`; "
            "answered requests only where `events.access` is true. They stay on the machine of the gate that wrote "
            "them: ask there, with --state, where it is another; what runs inside an application writes none."
        )
    with contextlib.ExitStack() as stack:
        store = store_of(state, stack)
        bundle = None if store is None else text_of(store, event["bundle"])
        return of_event(event, bundle, faults(state, event))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        # The text is not repeated: what follows a slip in a header's name may be a key.
        leave("A header has no colon behind its name; write it like `-H 'Name: value'`.")
    return name.strip(), value.strip()


def _certificate(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        leave(f"--certificate: {file} cannot be read: {error.strerror or error}")


def _key(given: str | None, file: str | None) -> str | None:
    if given is not None:
        return given
    if file == "-":
        return sys.stdin.readline().strip()
    if file is not None:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            leave(f"--key-file: {file} cannot be read: {error.strerror or error}")
        except UnicodeDecodeError:
            leave(f"--key-file: {file} cannot be read: it is no text in UTF-8")
    return os.environ.get("LOCKGATE_KEY") or None
