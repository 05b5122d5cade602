"""``hookline destinations``: where events go; hold them back, let them go, try them out."""

from __future__ import annotations

import time

import click

from hookline.admin.objects import Destination, Trial
from hookline.cli import exits, output, show
from hookline.cli.client import connect
from hookline.cli.options import Group, options, reads, writes
from hookline.payload import visible


@click.group(cls=Group)
def destinations() -> None:
    """List, pause, resume and test where events go.

    \b
    hookline destinations pause deploy --reason "CI is being moved"
    hookline destinations resume deploy
    """


@destinations.command("list")
@reads
def list_() -> None:
    """List destinations with what waits for them."""
    with connect() as client:
        rows = client.call("list_destinations").data
    if options().json:
        output.objects(rows)
        return
    show.destinations(rows, time.time())
    if not rows:
        output.chatter("no destination yet: write a handler, or add a [destinations.NAME] table and a route to it")


@destinations.command()
@click.argument("name")
@click.option("--reason", default="", help="Shown to everybody who wonders.")
@writes
def pause(name: str, reason: str) -> None:
    """Hold back deliveries to NAME. They stay in the queue and use up no attempt."""
    _change("pause_destination", name=name, reason=reason)


@destinations.command()
@click.argument("name")
@writes
def resume(name: str) -> None:
    """Let deliveries to NAME go again. This also closes its breaker."""
    _change("resume_destination", name=name)


def _change(operation: str, **given: str) -> None:
    with connect() as client:
        row: Destination = client.call(operation, **given)
    if options().json:
        output.objects([row])
    else:
        output.chatter(f"{visible(row.name)} is {row.state}; {row.deliveries.pending:,} wait")


@destinations.command()
@click.argument("name")
@writes
def test(name: str) -> None:
    """Send one made-up event to NAME now, outside the queue. Ends with 1 if it does not succeed."""
    with connect() as client:
        trial: Trial = client.call("test_destination", name=name)
    if options().json:
        output.objects([trial])
    else:
        output.fields([("result", "succeeded" if trial.ok else "failed"), ("reason", trial.reason)])
        output.fields([("code", trial.code), ("took", f"{trial.ms:.0f} ms")])
        for part in (trial.sent, trial.received):
            if part:
                output.say("\n" + output.text(part.rstrip()))
    if not trial.ok:
        raise exits.Stop(exits.FAILURE)
