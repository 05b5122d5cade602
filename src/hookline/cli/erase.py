"""``hookline erase``: remove the content of what a query finds, for good."""

from __future__ import annotations

import click

from hookline.cli import exits, output
from hookline.cli.client import connect
from hookline.cli.options import confirm, options, query, writes
from hookline.cli.output import plural


@click.command()
@query
@click.option("--dry-run", is_flag=True, help="Count and stop.")
@writes
def erase(query: str, dry_run: bool) -> None:
    """Remove bodies, headers, reasons, answers and tracebacks of the events that a query finds, for good.

    \b
    hookline erase -q 'subject:cus_123'

    Ids and digests stay, so that a late copy of an erased event stays gone. Backups that were made before still hold
    the content.
    """
    if not query:
        raise exits.Stop(exits.USAGE, "say which with -q; nothing is erased without a query")
    with connect() as client:
        count = client.call("erase_events", q=query, dry_run=True).count
        if dry_run:
            done = client.call("erase_events", q=query, dry_run=True)
            output.objects([done]) if options().json else output.say(f"{plural(count, 'event')} would be erased")
            return
        if not count:
            raise exits.Stop(exits.NOT_FOUND, "no such event")
        confirm(f"Erase the content of {plural(count, 'event')}, for good?")
        done = client.call("erase_events", q=query)
    if options().json:
        output.objects([done])
    else:
        output.chatter(f"erased {plural(done.count, 'event')}; backups made before still hold them")
