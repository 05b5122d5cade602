"""The reference page of the command line, from the commands themselves: ``python -m hookline.cli.reference``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from hookline import search
from hookline.cli import SECTIONS, cli

EXITS = """\
| Code | Means |
|---|---|
| 0 | ok |
| 1 | failure |
| 2 | usage: the command line itself is wrong |
| 3 | a check found problems: a failed `verify`, a faulty configuration, `doctor` |
| 4 | not found |
| 5 | not allowed |
| 6 | partial success |
| 7 | server unreachable |
| 130 | interrupted |
"""

GRAMMAR = """\
`-q` on the command line, `?q=` in the API. A space is and, `OR` and `( )` are understood, a minus before a word turns
it round, `*` stands for any text, quotes keep words together.

    source:stripe type:invoice.* status:failed code:5xx since:2h body.amount:>=1000 -is:duplicate "free text"
"""

INTRODUCTION = """\
# Command line

<!-- Written by `python -m hookline.cli.reference`; a test compares. -->

Commands work on the store that `hookline.toml` names; with `--server URL` and a token in `HOOKLINE_TOKEN` they work
through the API of a running Hookline, with the same output. Data goes to stdout, chatter to stderr; `--json` prints the
objects of the [API](api.md), one a line; colour and progress are for terminals, and `NO_COLOR` is honoured. Whatever
changes many things counts them first and asks; `--yes` answers. These four options, `--config` among them, may also
stand before the command.

An ID is `evt_…`, `dlv_…`, `req_…`, the provider's own id, `latest`, or `latest invoice.paid`.
"""


def page() -> str:
    """The whole page, Markdown."""
    parts = [INTRODUCTION, "## Exit codes\n", EXITS, *_grammar()]
    root = click.Context(cli, info_name="hookline")
    for title, section in SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in section:
            command = cli.get_command(root, name)
            assert command is not None
            parts += _command(command, click.Context(command, info_name=name, parent=root), 3)
    return "\n".join(parts).rstrip() + "\n"


def _grammar() -> Iterator[str]:
    yield "## Search\n"
    yield GRAMMAR
    yield "| Word | Finds by |\n|---|---|"
    for name, field in search.FIELDS.items():
        choices = search.FLAGS if name == "is" else field.choices
        told = f": {', '.join(f'`{choice}`' for choice in choices)}" if choices else ""
        yield f"| `{name}:` | {_cell(field.help + told)} |"
    yield "| `body.path:` | a field of the payload |\n| `header.name:` | a header |\n"


def _command(command: click.Command, context: click.Context, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} `{context.command_path}`\n"
    if not isinstance(command, click.Group):
        usage = " ".join(piece for piece in command.collect_usage_pieces(context))
        yield f"    {context.command_path} {usage}\n"
    yield _prose(command.help or "")
    rows = [param.get_help_record(context) for param in command.get_params(context)]
    options = [row for row in rows if row is not None and row[1] and "--help" not in row[0]]
    if options:
        yield "| Option | |\n|---|---|"
        yield "\n".join(f"| `{_cell(name)}` | {_cell(text)} |" for name, text in options) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, info_name=name, parent=context), depth + 1)


def _prose(text: str) -> str:
    """A docstring as Markdown: what stands after ``\\b`` is shown as it is."""
    found = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            found.append("\n".join(f"    {line}" for line in paragraph.splitlines()[1:]))
        else:
            found.append(paragraph)
    return "\n\n".join(found) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(page(), end="")
