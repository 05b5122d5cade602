"""``hookline sources``: where events come from."""

from __future__ import annotations

import time

import click

from hookline.cli import output, show
from hookline.cli.client import connect
from hookline.cli.options import Group, options, reads, writes


@click.group(cls=Group)
def sources() -> None:
    """List where events come from, and let one learn its secret."""


@sources.command("list")
@reads
def list_() -> None:
    """List sources: what they are, whether they can be used, and when they were heard of last."""
    with connect() as client:
        rows = client.call("list_sources").data
    if options().json:
        output.objects(rows)
        return
    show.sources(rows, time.time())
    if not rows:
        output.chatter("no source yet: add a [sources.NAME] table to hookline.toml; `hookline init` writes a first one")


@sources.command("expect")
@click.argument("name")
@writes
def expect(name: str) -> None:
    """Let the next handshake of a source bring its secret.

    Asana and Notion send the secret themselves when a webhook is created. It is taken within ten minutes of this
    command, and never otherwise.

    \b
    hookline sources expect asana
    """
    with connect() as client:
        client.call("expect_secret", name=name)
    output.chatter(f"{name} takes the secret of the next handshake, for ten minutes: create the webhook now")
