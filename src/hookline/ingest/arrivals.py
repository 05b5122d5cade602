"""From a verified request to what the store takes: keys, holds and deliveries. Pure."""

from __future__ import annotations

from hookline.ingest.entries import Entry
from hookline.model import Arrival, NewEvent, Origin, Request, Verified, VerifiedEvent
from hookline.providers import Verifier
from hookline.routing import NOT_LOADED, Router, reader

LIVE_HERE = "wrong environment: a live event on a source that is not"
TEST_HERE = "wrong environment: a test event on a live source"
NOT_RUN = "trigger: not to be run"


def arrival(
    entry: Entry,
    verifier: Verifier,
    request: Request,
    verified: Verified,
    router: Router,
    *,
    trigger: str | None = None,
) -> Arrival:
    """The unit that the store takes or refuses. ``trigger`` is None for what the provider sent, else ``run`` or
    ``keep``: a sample of our own, and whether its deliveries are to be made."""
    events = [_event(entry, verifier, request, verified, event, router, trigger) for event in verified.events]
    return Arrival(
        source=entry.name,
        environment=entry.environment,
        request=request,
        events=events,
        origin=Origin.PROVIDER if trigger is None else Origin.TRIGGER,
        secret=verified.secret,
        on_duplicate=entry.on_duplicate,
    )


def _event(
    entry: Entry,
    verifier: Verifier,
    request: Request,
    verified: Verified,
    event: VerifiedEvent,
    router: Router,
    trigger: str | None,
) -> NewEvent:
    digest = verifier.digest(event)
    deliveries, reason = router.route(entry.name, entry.environment, event.type, reader(event, request))
    hold = verified.note or (NOT_LOADED if reason == NOT_LOADED else None)
    if event.live is not None and event.live is not entry.live:
        wrong = LIVE_HERE if event.live else TEST_HERE
        if entry.source.wrong_environment == "ignore":
            deliveries, reason, hold = (), wrong, None
        else:
            hold = hold or wrong
    if trigger == "keep":
        deliveries, reason, hold = (), NOT_RUN, None
    known = event.id is not None
    return NewEvent(
        key=event.id if event.id is not None else f"digest:{digest.hex()}:{verified.signed_at or ''}",
        digest=digest,
        type=event.type,
        deliveries=deliveries,
        provider_id=event.id,
        subject=event.subject,
        occurred_at=event.occurred_at,
        body=None if event.body is request.body or event.body == request.body else event.body,
        hold=hold,
        reason=reason or None,
        key_seconds=entry.ids_seconds if known else entry.source.dedupe_window,
        body_key=entry.body_key and known and trigger is None,  # a sample's body comes again and again
    )
