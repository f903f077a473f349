"""`lockgate waf`: the rules that look for attacks: have them, see what they found, and what to leave alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lockgate.cli._report import Json, leave
from lockgate.cli._state import CONFIG
from lockgate.cli._waf_exclude import exclude
from lockgate.cli._waf_update import update
from lockgate.cli._waf_why import why

app = typer.Typer(
    help="Install the rules of the policy `waf`, see why a request was refused, and leave alone what was no attack."
    "\n\nExample: lockgate waf why REQUEST_ID",
    no_args_is_help=True,
)
app.command()(why)
app.command()(exclude)
app.command()(update)

ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration; the rules lie beside it.")
]
Checksum = Annotated[
    str | None,
    typer.Option("--checksum", metavar="SUM", help="SHA-256 of the archive in hexadecimal; `h1:…` of a Go module."),
]


@app.command()
def install(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A version, an https URL, an archive (.tar.gz, .zip), a folder, or `package` for that of this "
            "machine's distribution. Left out, the version that this Lockgate knows best.",
        ),
    ] = None,
    checksum: Checksum = None,
    plugin: Annotated[
        str | None,
        typer.Option("--plugin", metavar="SOURCE", help="Adds a plugin instead: a URL, an archive or a folder."),
    ] = None,
    without_plugin: Annotated[
        str | None, typer.Option("--without-plugin", metavar="NAME", help="Takes a plugin away instead.")
    ] = None,
    previous: Annotated[
        bool, typer.Option("--previous", help="Goes back to the rules that were there before instead.")
    ] = False,
    config: ConfigFile = CONFIG,
    as_json: Json = False,
) -> None:
    """Install the OWASP Core Rule Set, for `waf: {rules: core}`, into .lockgate/rules/core beside the configuration.

    A version is had as a Go module: from Go's cache on this machine, or from the proxies that GOPROXY names. What
    comes in an archive is held against its checksum before it is unpacked: of some versions it is known here, of
    others --checksum gives it, or Go has kept it beside the module (`go mod download`). The engine reads and compiles
    all rules before they take the place of those that are there, which are kept: `--previous` goes back. Plugins and a
    changed crs-setup.conf go along. A gate that runs takes the rules up by itself.

    Exits with 0 if they are in place, 2 if they cannot be had, are not what they should be, or cannot be run.

    Example: lockgate waf install

    Example: lockgate waf install 4.24.0 --checksum h1:…
    """
    from lockgate.cli import _waf_rules as rules
    from lockgate.rules import RulesError

    if [source is not None, plugin is not None, without_plugin is not None, previous].count(True) > 1:
        leave("One at a time: SOURCE, --plugin, --without-plugin or --previous.")
    try:
        if previous:
            told = rules.go_back(config)
        elif plugin is not None:
            told = rules.add_plugin(config, plugin, checksum)
        elif without_plugin is not None:
            told = rules.remove_plugin(config, without_plugin)
        else:
            told = rules.put(config, source, checksum)
    except RulesError as error:
        leave(f"Nothing was changed: {error}")
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        rules.tell(told)


@app.command()
def status(config: ConfigFile = CONFIG, as_json: Json = False) -> None:
    """Show which rules are installed, what each API has of them, and what became of attacks that it was tried with.

    Exits with 0 if all is well, 1 if an API lets an attack through that it must refuse, or if rules were changed by
    hand, 2 if the configuration or the rules cannot be used.

    Example: lockgate waf status
    """
    from lockgate.cli import _waf_status as shown
    from lockgate.rules import RulesError

    try:
        told = shown.status(config)
    except RulesError as error:
        leave(str(error))
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        shown.tell(told)
    raise typer.Exit(shown.exit_code(told))
