"""``hookline tokens``: who may use the API and the pages."""

from __future__ import annotations

import time

import click

from hookline.admin.objects import NewToken
from hookline.cli import output, show
from hookline.cli.client import connect
from hookline.cli.options import Group, confirm, options, reads, writes


@click.group(cls=Group)
def tokens() -> None:
    """Create, list and revoke tokens for the API.

    \b
    hookline tokens create grafana
    hookline tokens create deploy-bot --role operator --days 90
    """


@tokens.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), default="viewer", show_default=True)
@click.option("--days", type=click.IntRange(1, 3_650), help="When it ends; never without it.")
@writes
def create(name: str, role: str, days: int | None) -> None:
    """Make a token. Its text goes to stdout, this once: only its hash is kept."""
    with connect() as client:
        token: NewToken = client.call("create_token", name=name, role=role, days=days)
    if options().json:
        output.objects([token])
        return
    output.say(token.token)
    output.chatter(f"{token.role} token {token.id}; it is not shown again")


@tokens.command("list")
@reads
def list_() -> None:
    """List tokens that count."""
    with connect() as client:
        rows = client.call("list_tokens").data
    if options().json:
        output.objects(rows)
        return
    show.tokens(rows, time.time())
    if not rows:
        output.chatter("no token yet: `hookline tokens create NAME --role admin` makes one")


@tokens.command()
@click.argument("id")
@writes
def revoke(id: str) -> None:
    """End a token, by its id. It stops working within seconds."""
    confirm(f"Revoke {id}?")
    with connect() as client:
        done = client.call("revoke_token", id=id)
    if options().json:
        output.objects([done])
    else:
        output.chatter("revoked")
