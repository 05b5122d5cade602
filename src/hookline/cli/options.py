"""What all commands share: the common options, groups that guess what you meant, and the questions we ask."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from hookline.cli import exits
from hookline.payload import visible

F = TypeVar("F", bound=Callable[..., Any])


class Options(msgspec.Struct):
    """The common options, wherever on the line they were given."""

    config: tuple[str, ...] = ()
    server: str | None = None
    json: bool = False
    yes: bool = False

    @property
    def token(self) -> str | None:
        """``HOOKLINE_TOKEN``: from the environment only, so that it shows in no process list."""
        return os.environ.get("HOOKLINE_TOKEN")


def options() -> Options:
    """The common options of the running command."""
    ctx = click.get_current_context()
    found = ctx.find_root().ensure_object(Options)
    assert isinstance(found, Options)
    return found


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    shared = ctx.find_root().ensure_object(Options)
    assert isinstance(shared, Options)
    assert param.name is not None
    if param.name == "config":
        shared.config += tuple(value)
    elif value:
        setattr(shared, param.name, value)


def _option(*names: str, **settings: Any) -> Callable[[F], F]:
    def add(function: F) -> F:
        return click.option(*names, expose_value=False, callback=_keep, **settings)(function)

    return add


_config = _option("--config", "-c", multiple=True, metavar="FILE", help="Settings file; repeats, later ones win.")
_server = _option("--server", metavar="URL", help="Work through the API of this admin door (token: HOOKLINE_TOKEN).")
as_json = _option("--json", is_flag=True, help="Print JSON, one object a line.")
without_questions = _option("--yes", "-y", is_flag=True, help="Do not ask.")


def files(function: F) -> F:
    """Adds ``--config`` alone: for commands that run here whatever is configured."""
    return _config(function)


def common(function: F) -> F:
    """Adds ``--config`` and ``--server``."""
    return _config(_server(function))


def reads(function: F) -> F:
    """Adds the options of a command that shows something."""
    return common(as_json(function))


def writes(function: F) -> F:
    """Adds the options of a command that changes something."""
    return common(as_json(without_questions(function)))


query = click.option(
    "-q", "--query", "query", metavar="QUERY", default="", help="What to find; see `hookline events --help`."
)


class Group(click.Group):
    """A group that keeps its order and guesses what you meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(ctx), n=1)
            raise click.UsageError(f"No such command {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)


def confirm(question: str) -> None:
    """Ask before a change; ``--yes`` answers. Without a terminal nobody can answer, so that it is a usage error."""
    if options().yes:
        return
    if not sys.stdin.isatty():
        raise exits.Stop(exits.USAGE, f"{question} Nobody is here to answer: add --yes to go ahead.")
    if not click.confirm(visible(question), default=False, err=True):
        raise exits.Stop(exits.FAILURE, "nothing was changed")
