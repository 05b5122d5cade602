"""``hookline requests``: what arrived at the door, also what was turned away."""

from __future__ import annotations

import time

import click
import msgspec

from hookline.admin.objects import Finding, StoryRequest, Verdict
from hookline.cli import exits, output, show
from hookline.cli.client import connect
from hookline.cli.options import Group, options, query, reads, writes
from hookline.payload import safe_json, visible


@click.group(cls=Group)
def requests() -> None:
    """List and show what arrived, also what was rejected, and judge it again.

    \b
    hookline requests list -q 'outcome:rejected since:1h'
    hookline requests show req_…
    hookline requests reverify req_…
    """


@requests.command("list")
@query
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@reads
def list_(query: str, limit: int) -> None:
    """List requests, the newest first."""
    with connect() as client:
        rows = client.rows("list_requests", limit, q=query)
        if options().json:
            output.objects(rows)
            return
        found = list(rows)
    show.requests(found, time.time())
    if not found:
        output.chatter("no request" + (f" for {visible(query)}" if query else " yet"))


@requests.command("show")
@click.argument("id")
@reads
def show_(id: str) -> None:
    """Show one request exactly as it came. `latest` is the last that arrived."""
    with connect() as client:
        if id == "latest":
            rows = client.call("list_requests", limit=1).data
            if not rows:
                raise exits.Stop(exits.NOT_FOUND, "there is no request yet")
            id = rows[0].id
        request: StoryRequest = client.call("show_request", id=id)
    if options().json:
        output.objects([request])
        return
    output.fields(
        [
            ("id", request.id),
            ("source", request.source),
            ("outcome", request.outcome),
            ("reason", request.reason),
            ("hint", request.hint),
            ("answered", request.status),
            ("from", request.peer),
            ("received", show.when(request.received_at, time.time())),
            ("events", ", ".join(request.events)),
        ]
    )
    output.say(f"\n{visible(request.method)} {visible(request.path)}")
    for name, value in request.headers:
        output.say(f"{visible(name)}: {visible(value)}")
    if request.body is not None:
        output.say("\n" + msgspec.json.format(safe_json(request.body), indent=2))
    elif request.text:
        output.say("\n" + output.text(request.text))


@requests.command()
@click.argument("ids", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only judge; keep nothing.")
@writes
def reverify(ids: tuple[str, ...], dry_run: bool) -> None:
    """Judge rejected requests again, as of their arrival, with the secrets of now.

    Those that are genuine after all become events, as if they had just come. Ends with 3 where one is not.
    """
    verdicts: list[Verdict] = []
    with connect() as client:
        for id in ids:
            verdicts.append(client.call("reverify_request", id=id, dry_run=dry_run))
    if options().json:
        output.objects(verdicts)
    else:
        for verdict in verdicts:
            tell(verdict)
    refused = sum(not verdict.genuine for verdict in verdicts)
    if refused:
        raise exits.Stop(exits.PROBLEMS if refused == len(verdicts) else exits.PARTIAL)


def tell(verdict: Verdict) -> None:
    if verdict.genuine:
        became = f": now {', '.join(verdict.events)}" if verdict.events else ""
        output.say(f"{verdict.request}  {output.paint('genuine', 'green')}{became}")
        return
    output.say(f"{verdict.request}  {output.paint('not genuine', 'red')}: {visible(verdict.reason or '')}")
    findings(verdict.findings)


def findings(rows: list[Finding]) -> None:
    for row in rows:
        output.say(f"  {output.paint(visible(row.name), 'bold')}: {visible(row.what)}")
        if row.cure:
            output.say(f"    → {visible(row.cure)}")
