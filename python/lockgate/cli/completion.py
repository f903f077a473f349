"""`lockgate completion`: what a shell wants in order to complete our commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """Shells that we have a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.", show_default=False)]) -> None:
    """Print a script by which a shell completes commands, options and their values.

    The script is complete in itself: pressing Tab starts no program. Make it anew after an upgrade.

    bash: lockgate completion bash > ~/.local/share/bash-completion/completions/lockgate
    zsh:  lockgate completion zsh > ~/.zfunc/_lockgate   (with ~/.zfunc in $fpath, before compinit)
    fish: lockgate completion fish > ~/.config/fish/completions/lockgate.fish

    Example: lockgate completion bash
    """
    from lockgate.cli._completion import script

    typer.echo(script(shell.value), nl=False)
