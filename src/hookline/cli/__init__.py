"""The command line: one table of commands, each imported only when it is used.

``hookline --help`` reads this table and nothing else, so that it answers at once however much the commands need.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import click

from hookline.cli import exits
from hookline.cli.options import Group, writes


class Place(NamedTuple):
    """Where a command is found, and what the overview says about it."""

    module: str
    help: str


SECTIONS: dict[str, dict[str, Place]] = {
    "Start": {
        "demo": Place("serve", "Start everything and play signed sample traffic."),
        "init": Place("project", "Write a first hookline.toml and app.py."),
        "check": Place("project", "List every problem of the configuration at once."),
        "doctor": Place("doctor", "Look at store, versions, clock, secrets, disk and reachability."),
    },
    "Run": {
        "serve": Place("serve", "Run everything on one machine."),
        "ingest": Place("serve", "Run the public door alone."),
        "worker": Place("serve", "Run a worker alone."),
        "admin": Place("serve", "Run the admin door alone."),
    },
    "Look": {
        "status": Place("status", "Show what waits, what runs and what failed."),
        "events": Place("events", "List, show, follow and export events."),
        "requests": Place("requests", "List and show what arrived, also what was rejected, and judge it again."),
        "deliveries": Place("deliveries", "List and cancel deliveries."),
        "explain": Place("explain", "Tell the story of one event."),
        "verify": Place("verify", "Say by name why a signature fails, and the cure."),
    },
    "Act": {
        "trigger": Place("trigger", "Send a correctly signed sample to the public door."),
        "replay": Place("replay", "Deliver again, with the plan first."),
        "sources": Place("sources", "List where events come from."),
        "destinations": Place("destinations", "List, pause, resume and test where events go."),
    },
    "Administer": {
        "tokens": Place("tokens", "Create, list and revoke tokens for the API."),
        "db": Place("db", "Migrate, check, back up and restore the store."),
        "erase": Place("erase", "Remove the content of what a query finds."),
        "completion": Place("completion", "Print the completion script of a shell."),
    },
}
COMMANDS: dict[str, Place] = {name: place for section in SECTIONS.values() for name, place in section.items()}


class Overview(Group):
    """The top of the command line: knows all names, imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        found = getattr(importlib.import_module(f"hookline.cli.{place.module}"), cmd_name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), place.help) for name, place in section.items()])


@click.group(
    cls=Overview,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with `hookline demo`, or `hookline init` and `hookline serve app:hooks`.",
)
@writes
@click.version_option(None, "-V", "--version", package_name="hookline", message="hookline %(version)s")
def cli() -> None:
    """Hookline receives webhooks, keeps them, and delivers them until each has come to an end.

    Commands work on the store that hookline.toml names; with --server URL (and a token in HOOKLINE_TOKEN) they
    work through the API of a running Hookline, with the same output.
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The ``hookline`` command. Ends the process with one of the exit codes of :mod:`hookline.cli.exits`."""
    sys.exit(exits.guarded(lambda: cli.main(args=args, prog_name="hookline", standalone_mode=False)))
