"""Shell completion: prints the script, installs nothing."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from hookline.cli import output


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash   eval "$(hookline completion bash)"             in ~/.bashrc
    zsh    eval "$(hookline completion zsh)"              in ~/.zshrc
    fish   hookline completion fish | source             in ~/.config/fish/config.fish
    """
    from hookline.cli import cli

    found = get_completion_class(shell)
    assert found is not None
    output.say(found(cli, {}, "hookline", "_HOOKLINE_COMPLETE").source())
