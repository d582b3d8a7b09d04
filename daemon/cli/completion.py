"""The `completion` command: what a shell and `man` need to know about the commands."""

from __future__ import annotations

import click

PROGRAM = "lipdrop"
VARIABLE = "_LIPDROP_COMPLETE"
"""The environment variable by which the shell's script asks the program; click derives it from the name."""

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("kind", type=click.Choice([*SHELLS, "man"]))
def completion(kind: str) -> None:
    """Print the completion script of a shell, or the man page.

    To install, for example: lipdrop completion bash >~/.local/share/bash-completion/completions/lipdrop
    """
    from daemon.cli.main import cli
    from daemon.cli.man_page import man_page

    if kind == "man":
        click.echo(man_page(cli), nl=False)
        return
    from click.shell_completion import get_completion_class

    script = get_completion_class(kind)
    assert script is not None
    click.echo(script(cli, {}, PROGRAM, VARIABLE).source())
