"""``hookline trigger``: a correctly signed sample through the public door."""

from __future__ import annotations

import json
from typing import Any

import click

from hookline.admin.operations.trigger import Samples, Triggered
from hookline.cli import exits, output
from hookline.cli.client import connect
from hookline.cli.options import confirm, options, writes
from hookline.payload import visible


@click.command()
@click.argument("source")
@click.argument("type", default="")
@click.option("--set", "changes", multiple=True, metavar="PATH=VALUE", help="Change a field of the sample; repeats.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 1_000), help="How many.")
@click.option("--tamper", type=click.Choice(["body", "signature", "time"]), help="Spoil it, to see it rejected.")
@click.option("--run/--no-run", default=None, help="Deliver it, or only keep it. Default: keep on a live source.")
@click.option("--types", is_flag=True, help="List the types that there are samples of.")
@writes
def trigger(
    source: str, type: str, changes: tuple[str, ...], count: int, tamper: str | None, run: bool | None, types: bool
) -> None:
    """Send a correctly signed sample of TYPE to SOURCE at the public door.

    \b
    hookline trigger github push
    hookline trigger stripe invoice.paid --set data.object.amount_paid=100 --count 10
    hookline trigger stripe --tamper body
    hookline trigger stripe --types

    On a live source it asks first, and nothing is delivered without --run.
    """
    fields = dict(_change(text) for text in changes)
    with connect() as client:
        known: Samples = client.call("list_samples", name=source)
        if types:
            if options().json:
                output.objects([known])
            else:
                output.say("\n".join(visible(name) for name in known.types))
            return
        if known.live:
            what = "deliver it to its real destinations" if run else "keep it, and deliver nothing"
            confirm(f"{source} is a live source. Send a sample to it and {what}?")
        done: Triggered = client.call(
            "trigger_source",
            name=source,
            type=type,
            set=fields,
            count=count,
            tamper=tamper,
            run=run,
        )
    if options().json:
        output.objects([done])
    else:
        times = f" × {done.count}" if done.count > 1 else ""
        kept = "" if done.runs or done.status >= 300 else "; kept, nothing runs (--run delivers it)"
        output.say(
            f"{done.status}  {visible(done.source)} {visible(done.type)}{times}  {output.ago(done.ms / 1000)}{kept}"
        )
    if (done.status >= 300) != bool(tamper):
        wanted = "rejected" if tamper else "accepted"
        raise exits.Stop(exits.FAILURE, f"the door answered {done.status}: it should have been {wanted}")


def _change(text: str) -> tuple[str, Any]:
    """``a.b=1`` → ``("a.b", 1)``: JSON where it is JSON, else text."""
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise exits.Stop(exits.USAGE, f"--set {text}: write PATH=VALUE, such as data.object.amount=100")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value
