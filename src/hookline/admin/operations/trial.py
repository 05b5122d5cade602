"""Trying a destination out: one made-up event, sent now, outside the queue; nothing of it is stored."""

from __future__ import annotations

import time

import msgspec

from hookline import ids
from hookline.admin.objects import Trial
from hookline.admin.operations.base import Conflict, Desk, NotFound, operation
from hookline.admin.operations.trigger import Name, unknown
from hookline.config import resolved_destination
from hookline.model import Claim, Event, Trigger

BODY = {"type": "hookline.test", "text": "This is a test of a destination. Nothing has happened."}


@operation("POST", "/destinations/{name}/test", role="operator")
async def test_destination(desk: Desk, ask: Name) -> Trial:
    """Send one made-up event to a destination now, outside the queue.

    A handler in Python cannot be tried like this, since only workers import the app: trigger a sample at its source.
    """
    from hookline.destinations import build  # brings the HTTP client with it
    from hookline.destinations.hush import hushed

    destination = desk.config.destinations.get(ask.name)
    if destination is None:
        if any(handler.name == ask.name for app in await desk.store.published_apps() for handler in app.handlers):
            raise Conflict(f"{ask.name} is a handler in Python: `hookline trigger SOURCE` sends it a sample")
        raise NotFound(unknown("destination", ask.name, desk.config.destinations))
    target = build(resolved_destination(destination), desk.config)
    began = time.perf_counter()
    try:
        outcome = hushed(await target.send(_claim(ask.name, desk.now)))
    finally:
        await target.close()
    return Trial(
        destination=ask.name,
        ok=outcome.ok,
        reason=outcome.reason,
        code=outcome.code,
        ms=round((time.perf_counter() - began) * 1000, 2),
        sent=outcome.sent or None,
        received=outcome.received.decode("utf-8", "replace") or None,
    )


def _claim(destination: str, now: float) -> Claim:
    body = msgspec.json.encode(BODY)
    number = ids.first_at(now)
    event = Event(
        id=ids.show("evt", number),
        source="test",
        environment="test",
        type="hookline.test",
        provider_id=None,
        subject=None,
        occurred_at=now,
        received_at=now,
        raw=body,
        item=body,
        headers=[(b"Content-Type", b"application/json")],
        method="POST",
        target=b"/webhooks/test",
        origin="trigger",
        idempotency_key=ids.show("dlv", number),
    )
    return Claim(
        delivery=number,
        lease=0,
        destination=destination,
        route="",
        event=event,
        event_number=number,
        attempt=1,
        trigger=Trigger.TRIGGER,
        first_due_at=now,
    )
