"""``lockgate demo``: a sample shop, the gate before it, and what to try."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Keep everything in this folder; what you edit in it stays."),
    ] = None,
    port: Annotated[int, typer.Option(help="The gate's port; where it is taken, or 0, a free one.")] = 8080,
    tls: Annotated[
        bool, typer.Option("--tls", help="Speak TLS too, with a certificate of an authority made for this machine.")
    ] = False,
    tls_port: Annotated[int, typer.Option(help="The port for --tls; where it is taken, or 0, a free one.")] = 8443,
    admin_port: Annotated[int, typer.Option(help="The admin API's port; where it is taken, or 0, a free one.")] = 8081,
) -> None:
    """Start a sample shop with the gate before it, and say what to try.

    Everything listens on 127.0.0.1 alone. Ctrl-C stops all of it.

    Example: lockgate demo --tls
    """
    from lockgate.demo.config import ForeignConfigError
    from lockgate.demo.left import PREFIX, remove_left
    from lockgate.demo.run import run_demo

    if folder is None:
        remove_left()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        try:
            code = run_demo(
                place.resolve(),
                gate_port=port,
                admin_port=admin_port,
                echo=typer.echo,
                tls_port=tls_port if tls else None,
            )
        except ForeignConfigError as foreign:
            typer.echo(str(foreign), err=True)
            raise typer.Exit(2) from foreign
    raise typer.Exit(code)
