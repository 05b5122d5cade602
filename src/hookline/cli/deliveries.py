"""``hookline deliveries``: what goes where, and calling it off."""

from __future__ import annotations

import time

import click

from hookline.cli import exits, output, show
from hookline.cli.client import connect
from hookline.cli.options import Group, confirm, options, query, reads, writes
from hookline.cli.output import plural
from hookline.payload import visible


@click.group(cls=Group)
def deliveries() -> None:
    """List and cancel deliveries.

    \b
    hookline deliveries list -q 'status:failed destination:deploy'
    hookline deliveries cancel dlv_…
    hookline deliveries cancel -q 'destination:deploy is:pending'
    """


@deliveries.command("list")
@query
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@reads
def list_(query: str, limit: int) -> None:
    """List deliveries, the newest first."""
    with connect() as client:
        rows = client.rows("list_deliveries", limit, q=query)
        if options().json:
            output.objects(rows)
            return
        found = list(rows)
    show.deliveries(found, time.time())
    if not found:
        output.chatter("no delivery" + (f" for {visible(query)}" if query else " yet"))


@deliveries.command()
@click.argument("ids", nargs=-1)
@query
@writes
def cancel(ids: tuple[str, ...], query: str) -> None:
    """Cancel pending deliveries: nothing will be tried again. A replay brings them back."""
    if bool(ids) == bool(query):
        raise exits.Stop(exits.USAGE, "say which: some ids, or a query with -q")
    chosen = {"ids": list(ids)} if ids else {"q": query}
    with connect() as client:
        count = client.call("cancel_deliveries", **chosen, dry_run=True).count
        if not count:
            raise exits.Stop(exits.NOT_FOUND, "no pending delivery among them")
        confirm(f"Cancel {plural(count, 'delivery')}?")
        done = client.call("cancel_deliveries", **chosen)
    if options().json:
        output.objects([done])
    else:
        output.chatter(f"cancelled {plural(done.count, 'delivery')}")
    if ids and done.count < len(ids):
        raise exits.Stop(exits.PARTIAL, f"{len(ids) - done.count} of {len(ids)} had ended already")
