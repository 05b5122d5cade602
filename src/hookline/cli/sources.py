"""``hookline sources``: where events come from."""

from __future__ import annotations

import time

import click

from hookline.cli import output, show
from hookline.cli.client import connect
from hookline.cli.options import Group, options, reads


@click.group(cls=Group)
def sources() -> None:
    """List where events come from."""


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
