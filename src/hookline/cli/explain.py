"""``hookline explain``: the story of one event in plain words, with times."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click

from hookline.admin.objects import Attempt, StoryDelivery, StoryEvent, seconds_of
from hookline.cli import output
from hookline.cli.client import connect
from hookline.cli.options import options, reads
from hookline.cli.output import plural
from hookline.cli.show import since
from hookline.payload import visible

TRIGGERS = {
    "replay": "replayed by hand",
    "redelivery": "run again, because the provider sent the event again",
    "reconcile": "run, because a reconcile found it missing",
    "trigger": "run for a triggered sample",
}

NEXT_STEPS = {
    "failed": "`hookline replay {id}` tries again once the cause is gone",
    "needs_review": "Look at it, then `hookline replay {id}`",
    "no route": "Add a route or handler, then `hookline replay {id} --reroute`",
}


@click.command()
@click.argument("id", nargs=-1, required=True)
@reads
def explain(id: tuple[str, ...]) -> None:
    """Tell the story of one event: what came, how it was judged, where it went, and what happens next.

    \b
    hookline explain evt_…
    hookline explain latest invoice.paid
    """
    with connect() as client:
        event: StoryEvent = client.call("show_event", id=" ".join(id))
    if options().json:
        output.objects([event])
        return
    for line in tell(event, time.time()):
        output.say(line)


def tell(event: StoryEvent, now: float) -> Iterator[str]:
    """The story, a line each. ``now`` is unix seconds."""
    start = seconds_of(event.received_at)
    yield f"{visible(event.type)} from {visible(event.source)} ({visible(event.environment)}), {event.id}"
    yield ""
    if event.occurred_at:
        late = start - seconds_of(event.occurred_at)
        yield f"{event.occurred_at}  it happened at the provider"
        lag = f", {output.ago(late)} later" if late > 0 else ""
    else:
        lag = ""
    origin = "" if event.origin == "provider" else f" ({event.origin}, not sent by the provider)"
    yield f"{event.received_at}  received{lag}, found genuine, stored{origin}"
    if event.duplicates:
        yield f"{'':24}  it came again {plural(event.duplicates, 'time')}; stored once"
    if event.reason and event.reason not in {delivery.reason for delivery in event.deliveries}:
        yield f"{'':24}  {event.status.replace('_', ' ')}: {visible(event.reason)}"
    for delivery in event.deliveries:
        yield ""
        yield from _delivery(delivery, start, now)
    yield ""
    yield f"Now: {output.paint_state(event.status)}. {_next(event, now)}".rstrip()


def _delivery(delivery: StoryDelivery, start: float, now: float) -> Iterator[str]:
    by_route = delivery.route and delivery.route != delivery.destination  # a handler is its own route
    route = f", by the route {visible(delivery.route)}" if by_route else ""
    yield f"To {visible(delivery.destination)}{route} ({delivery.id})"
    last = start
    for attempt in delivery.tries:
        began = seconds_of(attempt.started_at)
        yield f"  {attempt.started_at}  {_attempt(attempt, began - last)}"
        last = began + attempt.ms / 1000
    ended = [attempt.state for attempt in delivery.tries[-1:] if attempt.state != "pending"]
    if ended != [delivery.state]:  # else the last attempt has said so
        yield f"  {'':24}  {_state(delivery, now)}"


def _attempt(attempt: Attempt, waited: float) -> str:
    who = TRIGGERS.get(attempt.trigger, "")
    after = f"after {output.ago(waited)}" if waited >= 0.001 else "at once"
    said = f": {visible(attempt.reason)}" if attempt.reason else ""
    code = f" ({attempt.code})" if attempt.code is not None and str(attempt.code) not in said else ""
    became = {"succeeded": "succeeded", "pending": "did not succeed"}.get(
        attempt.state, attempt.state.replace("_", " ")
    )
    by = f", {who}" if who else ""
    return f"attempt {attempt.number} {after}{by}, {became} in {output.ago(attempt.ms / 1000)}{code}{said}"


def _state(delivery: StoryDelivery, now: float) -> str:
    reason = f": {visible(delivery.reason)}" if delivery.reason else ""
    if delivery.state != "pending":
        state = delivery.state.replace("_", " ")
        if (delivery.reason or "").startswith(state):  # "cancelled by ada" says both
            return output.paint(visible(delivery.reason), "dim")
        return f"{output.paint_state(state)}{reason}"
    match delivery.phase:
        case "paused":
            return "waits, because the destination is paused" + reason
        case "ordered":
            return f"waits for an earlier event with the same key {visible(delivery.ordering_key or '')}"
        case "no worker":
            return f"waits, because no worker has {visible(delivery.destination)}"
        case "running":
            return "is running now"
        case "retrying":
            return f"will be tried again {since(delivery.due_at, now)}"
        case _:
            wait = seconds_of(delivery.due_at) - now if delivery.due_at else 0.0
            return f"is due in {output.ago(wait)}" if wait > 0 else f"is due, since {output.ago(wait)}"


def _next(event: StoryEvent, now: float) -> str:
    if event.status == "pending":
        waiting = [delivery for delivery in event.deliveries if delivery.state == "pending"]
        moving = [delivery for delivery in waiting if delivery.phase not in ("paused", "no worker", "ordered")]
        if waiting and not moving:
            return "It goes on when that changes."
        due = [delivery.due_at for delivery in moving if delivery.due_at]
        return f"Next: {since(min(due), now) if seconds_of(min(due)) > now else 'now'}." if due else ""
    step = NEXT_STEPS.get(event.status) or (NEXT_STEPS["no route"] if event.reason == "no route" else "")
    return step.format(id=event.id)
