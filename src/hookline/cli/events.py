"""``hookline events``: list, show, follow, export."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from hookline.admin.objects import Event, StoryDelivery, StoryEvent
from hookline.cli import exits, output, show
from hookline.cli.client import Client, connect
from hookline.cli.options import Group, options, query, reads
from hookline.payload import safe_json, visible

LOOK = 0.5
"""Seconds between two looks while following."""
BATCH = 200


@click.group(cls=Group)
def events() -> None:
    """List, show, follow and export events.

    \b
    hookline events list -q 'source:stripe status:failed since:2h'
    hookline events show latest
    hookline events show latest invoice.paid
    hookline events tail -q type:push

    \b
    A QUERY has words like
      source:stripe  type:invoice.*  status:failed  code:5xx  since:2h  until:10m
      subject:cus_123  body.amount:>=1000  is:retrying  -is:duplicate  "free text"
    A space is "and"; OR and ( ) are understood, a minus before a word turns it round.

    An ID is evt_…, the provider's own id, `latest`, or `latest TYPE`.
    """


@events.command("list")
@query
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@reads
def list_(query: str, limit: int) -> None:
    """List events, the newest first."""
    with connect() as client:
        rows = client.rows("list_events", limit, q=query)
        if options().json:
            output.objects(rows)
            return
        found = list(rows)
    show.events(found, time.time())
    if not found:
        output.chatter(
            "no event" + (f" for {visible(query)}" if query else " yet: `hookline trigger SOURCE` sends one")
        )


@events.command("show")
@click.argument("id", nargs=-1, required=True)
@click.option("--raw", is_flag=True, help="Write the exact bytes of its body to stdout.")
@reads
def show_(id: tuple[str, ...], raw: bool) -> None:
    """Show one event: what it is, its content, and where it went."""
    with connect() as client:
        if raw:
            content = client.call("raw_event", id=" ".join(id)).content
            sys.stdout.buffer.write(content)
            return
        event: StoryEvent = client.call("show_event", id=" ".join(id))
    if options().json:
        output.objects([event])
        return
    _show(event, time.time())


def _show(event: StoryEvent, now: float) -> None:
    output.fields(
        [
            ("id", event.id),
            ("source", f"{event.source} ({event.environment})"),
            ("type", event.type),
            ("status", event.status),
            ("reason", event.reason),
            ("provider id", event.provider_id),
            ("subject", event.subject),
            ("occurred", show.when(event.occurred_at, now)),
            ("received", show.when(event.received_at, now)),
            ("duplicates", event.duplicates or None),
            ("origin", event.origin if event.origin != "provider" else None),
            ("size", output.size(event.size)),
        ]
    )
    if event.deliveries:
        output.say()
        show.deliveries(event.deliveries, now)
        for delivery in event.deliveries:
            _tries(delivery, now)
    if event.headers:
        output.say(f"\n{output.paint('headers', 'dim')}")
        for name, value in event.headers:
            output.say(f"  {visible(name)}: {visible(value)}")
    if event.body is not None:
        output.say(f"\n{output.paint('body', 'dim')}")
        output.say(msgspec.json.format(safe_json(event.body), indent=2))


def _tries(delivery: StoryDelivery, now: float) -> None:
    for attempt in delivery.tries:
        if attempt.error or attempt.received:
            output.say(f"\n{output.paint(f'attempt {attempt.number} at {visible(delivery.destination)}', 'dim')}")
            for part in (attempt.sent, attempt.received, attempt.error):
                if part:
                    output.say("  " + output.text(part.rstrip()).replace("\n", "\n  "))


@events.command()
@query
@click.option("--for", "seconds", type=float, hidden=True, help="Stop after so many seconds.")
@reads
def tail(query: str, seconds: float | None) -> None:
    """Follow events as they arrive, until Ctrl-C."""
    started = time.monotonic()
    with connect() as client:
        last = next(iter(client.rows("list_events", 1)), None)
        after = last.id if last else ""
        if not options().json:
            output.chatter("waiting for events; Ctrl-C ends")
        while seconds is None or time.monotonic() - started < seconds:
            rows = _newer(client, query, after)
            for row in rows:
                after = row.id
                output.say(safe_json(row) if options().json else _line(row))
            if len(rows) < BATCH:
                time.sleep(LOOK)


def _newer(client: Client, query: str, after: str) -> list[Event]:
    """What came since, as soon as the server can be reached: a laptop that slept goes on where it was."""
    told = False
    while True:
        try:
            rows: list[Event] = client.call("list_events", q=query, after=after, limit=BATCH).data
        except exits.Stop as trouble:
            if trouble.code != exits.UNREACHABLE:
                raise
            if not told:
                output.chatter(f"{trouble}; trying again until Ctrl-C")
            told = True
            time.sleep(LOOK)
        else:
            if told:
                output.chatter("connected again")
            return rows


def _line(event: Event) -> str:
    clock = show.clock(event.received_at)
    status = output.paint_state(event.status.ljust(12))
    tail = f"  {visible(event.reason)}" if event.reason else ""
    return f"{clock}  {status} {visible(event.source)} {visible(event.type)}  {event.id}{tail}"


@events.command()
@query
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="A file, not stdout.")
@click.option("--bodies", is_flag=True, help="With headers, body, deliveries and attempts of each.")
@reads
def export(query: str, target: Path | None, bodies: bool) -> None:
    """Write all events that a query finds as JSON, one a line."""
    with connect() as client, output.Progress("exported", None) as progress:
        lines = _export(client, query, bodies, progress)
        if target is None:
            for line in lines:
                output.say(line)
            return
        try:
            with target.open("x", encoding="utf-8") as file:
                for line in lines:
                    file.write(line + "\n")
        except FileExistsError:
            raise exits.Stop(exits.FAILURE, f"{target} is there already: name another file") from None
        except OSError as problem:
            raise exits.Stop(exits.FAILURE, f"{target}: {problem.strerror}") from None


def _export(client: Client, query: str, bodies: bool, progress: output.Progress) -> Any:
    for count, row in enumerate(client.rows("list_events", 1 << 62, q=query), 1):
        yield safe_json(client.call("show_event", id=row.id) if bodies else row)
        progress.to(count)
