"""`lockgate config`: what a configuration may say, and what it says in the end."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from lockgate.cli._report import ConfigFile, Json, load_or_exit

app = typer.Typer(
    help="Print the configuration's schema, or what is in force in the end.\n\nExample: lockgate config show",
    no_args_is_help=True,
)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a configuration, for editors.

    With the YAML language server, the first line of a configuration may be:
    # yaml-language-server: $schema=lockgate.schema.json

    Example: lockgate config schema > lockgate.schema.json
    """
    from lockgate.config import schema as made

    typer.echo(json.dumps(made(), indent=2, ensure_ascii=False))


@app.command()
def show(file: ConfigFile = Path("lockgate.yaml"), as_json: Json = False) -> None:
    """Print what is in force in the end: defaults filled in, includes read, each with its place.

    Secrets are shown as the references that they are; they are never read.

    Example: lockgate config show lockgate.yaml
    """
    from lockgate.config.show import as_yaml, effective

    loaded = load_or_exit(file)
    shown = effective(loaded)
    typer.echo(json.dumps(shown.data, indent=2, ensure_ascii=False) if as_json else as_yaml(shown), nl=as_json)
