"""``hookline replay``: deliver again, with the plan first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from hookline.admin.objects import Plan, Replay
from hookline.cli import exits, output
from hookline.cli.client import Client, connect
from hookline.cli.options import confirm, options, query, writes
from hookline.cli.output import plural
from hookline.payload import visible

PREFIXES = ("evt_", "dlv_", "req_")
LOOK = 0.2
"""Seconds between two tries at a job that its rate holds back."""


@click.command()
@click.argument("ids", nargs=-1)
@query
@click.option("--again", is_flag=True, help="Repeat succeeded deliveries too, under a new idempotency key.")
@click.option("--reroute", is_flag=True, help="Apply today's routes: the cure for `no route`.")
@click.option("--to", metavar="DESTINATION", help="Only to this destination; adds a delivery where there is none.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events a second; no limit without it.")
@writes
def replay(
    ids: tuple[str, ...], query: str, again: bool, reroute: bool, to: str | None, dry_run: bool, rate: float | None
) -> None:
    """Deliver events again: those given, or all that a query finds.

    \b
    hookline replay evt_…
    hookline replay -q 'destination:deploy status:failed since:2h' --rate 10
    hookline replay latest invoice.paid --again

    Without more, only deliveries that are failed, cancelled or need review are repeated, in place and under the same
    idempotency key, and a waiting retry is brought forward.
    """
    ids = with_types(ids)
    if bool(ids) == bool(query):
        raise exits.Stop(exits.USAGE, "say which: some ids, or a query with -q")
    chosen: dict[str, Any] = {"ids": list(ids)} if ids else {"q": query}
    chosen |= {"again": again, "reroute": reroute, "to": to}
    with connect() as client:
        plan: Plan = client.call("plan_replay", **chosen)
        if options().json and dry_run:
            output.objects([plan])
        elif not options().json:
            describe(plan)
        if dry_run:
            return
        if not plan.deliveries:
            raise exits.Stop(exits.NOT_FOUND, nothing(plan))
        if len(ids) != 1:
            confirm(f"Replay {plural(plan.deliveries, 'delivery')}?")
        job: Replay = client.call("create_replay", **chosen, rate=rate)
        job = follow(client, job)
    if options().json:
        output.objects([job])
    else:
        output.chatter(f"{job.state}: {plural(job.done, 'event')} of {job.total:,} ({job.id})")
    if job.state != "done":
        raise exits.Stop(exits.PARTIAL, job.error or "stopped before its end")


def with_types(words: Sequence[str]) -> tuple[str, ...]:
    """Ids as they were meant: ``latest`` takes the word behind it as its type, unless that is an id of ours."""
    ids: list[str] = []
    for word in words:
        if ids and ids[-1] == "latest" and word != "latest" and not word.startswith(PREFIXES):
            ids[-1] = f"latest {word}"
        else:
            ids.append(word)
    return tuple(ids)


def describe(plan: Plan) -> None:
    """The plan, for people: on stderr, since it is no result yet."""
    output.chatter(f"{plural(plan.deliveries, 'delivery')} of {plural(plan.events, 'event')}")
    for name, count in plan.destinations.items():
        output.chatter(f"  to {visible(name)}: {count:,}")
    if len(plan.environments) > 1:
        for name, count in plan.environments.items():
            output.chatter(f"  in {visible(name)}: {count:,}")
    for reason, count in plan.left_out.items():
        output.chatter(f"  left out, {visible(reason)}: {count:,}")


def nothing(plan: Plan) -> str:
    """Why there is nothing to do, and what would change that."""
    if plan.left_out.get("succeeded"):
        return "nothing to repeat: all have succeeded; --again repeats them under a new idempotency key"
    if plan.left_out:
        return f"nothing to repeat: {', '.join(plan.left_out)}"
    return "nothing to repeat: no such delivery; --reroute applies today's routes, --to adds a delivery"


def follow(client: Client, job: Replay) -> Replay:
    """Until the job has ended, with a progress bar on a terminal."""
    with output.Progress("replaying", job.total) as progress:
        while job.state == "running":
            progress.to(job.done)
            before = job.done
            job = client.call("advance_replay", id=job.id)
            if job.done == before and job.state == "running":
                time.sleep(LOOK)
        progress.to(job.done)
    return job
