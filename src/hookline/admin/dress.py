"""From the store's rows to the objects that people read: ids with prefixes, times as text, marked fields masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from hookline.admin import objects
from hookline.admin.masking import HIDDEN, hides, is_batch, marks_bodies, masked, masked_form, masked_headers
from hookline.admin.objects import at, moment
from hookline.admin.operations.base import Desk
from hookline.ids import show
from hookline.model import Headers
from hookline.payload import FORM, parse
from hookline.store import records

MOST_TEXT = 65_536
"""Characters of a body that is no JSON, shown in one piece."""


def event(desk: Desk, row: records.EventRow) -> objects.Event:
    return objects.Event(**_event(row, bool(hides(desk, row.source))))


def _event(row: records.EventRow, hidden: bool) -> dict[str, Any]:
    return {
        "id": show("evt", row.id),
        "source": row.source,
        "environment": row.environment,
        "type": row.type,
        "status": row.status,
        "reason": _shown(row.reason, hidden),
        "provider_id": row.provider_id,
        "subject": row.subject,
        "occurred_at": moment(row.occurred_at),
        "received_at": at(row.received_at),
        "duplicates": row.duplicates,
        "origin": row.origin,
        "size": row.size,
    }


def delivery(desk: Desk, row: records.DeliveryRow) -> objects.Delivery:
    """In a list nothing tells the delivery's source: where any has marked fields, a viewer sees no reason."""
    return objects.Delivery(**_delivery(row, bool(hides(desk, None))))


def _delivery(row: records.DeliveryRow, hidden: bool) -> dict[str, Any]:
    return {
        "id": show("dlv", row.id),
        "event": show("evt", row.event),
        "destination": row.destination,
        "route": row.route or None,
        "state": row.state,
        "phase": row.phase,
        "reason": _shown(row.reason, hidden and row.attempts > 0),
        "attempts": row.attempts,
        "due_at": moment(row.due_at),
        "changed_at": at(row.changed_at),
        "ordering_key": row.ordering_key,
        "code": row.code,
    }


def attempt(row: records.AttemptRow, hidden: bool) -> objects.Attempt:
    """``hidden``: what a handler or an endpoint said may quote the payload, and is not for viewers then."""
    return objects.Attempt(
        number=row.number,
        started_at=at(row.started_at),
        ms=round((row.finished_at - row.started_at) * 1000, 2),
        trigger=row.trigger,
        state=row.state,
        reason=_shown(row.reason, hidden),
        code=row.code,
        worker=row.worker or None,
        sent=_shown(row.sent, hidden),
        received=_shown(row.received.decode("utf-8", "replace") if row.received else None, hidden),
        error=_shown(row.error, hidden),
    )


def _shown(text: str | None, hidden: bool) -> str | None:
    if not text:
        return None
    return HIDDEN if hidden else text


def story(desk: Desk, told: records.EventStory) -> objects.StoryEvent:
    hidden = hides(desk, told.event.source)
    own = told.item if told.item is not None else told.raw
    return objects.StoryEvent(
        **_event(told.event, bool(hidden)),
        request=show("req", told.event.request),
        headers=_headers(masked_headers(told.headers, hidden)),
        content_type=told.content_type,
        body=None if own is None else _body(own, told.content_type, hidden),
        deliveries=[
            objects.StoryDelivery(
                **_delivery(found.delivery, bool(hidden)), tries=[attempt(row, bool(hidden)) for row in found.attempts]
            )
            for found in told.deliveries
        ],
    )


def _body(content: bytes, kind: str, hidden: Sequence[str]) -> Any:
    """What a body says, without its marked fields."""
    return (masked_form if kind == FORM else masked)(parse(content, kind), hidden)


def request(row: records.RequestRow) -> objects.Request:
    return objects.Request(**_request(row))


def _request(row: records.RequestRow) -> dict[str, Any]:
    return {
        "id": show("req", row.id),
        "source": row.source,
        "outcome": row.outcome,
        "reason": row.reason or None,
        "status": row.status,
        "hint": row.hint or None,
        "method": row.method,
        "path": row.target.decode("latin-1"),
        "peer": row.peer,
        "received_at": at(row.received_at),
        "size": row.size,
        "events": [show("evt", row.event)] if row.event is not None else [],
    }


def request_story(desk: Desk, told: records.RequestStory) -> objects.StoryRequest:
    hidden = hides(desk, told.request.source)
    kind = _content_type(told.headers)
    body = text = None
    if marks_bodies(hidden) and is_batch(desk, told.request.source):
        text = HIDDEN
    elif told.body is not None:
        body = _body(told.body, kind, hidden)
        if body is None and told.body:
            text = HIDDEN if hidden else told.body.decode("utf-8", "replace")[:MOST_TEXT]
    return objects.StoryRequest(
        **{**_request(told.request), "events": [show("evt", number) for number in told.events]},
        headers=_headers(masked_headers(told.headers, hidden)),
        body=body,
        text=text,
    )


def _content_type(headers: Headers) -> str:
    value = next((value for name, value in headers if name.lower() == b"content-type"), b"")
    return value.decode("latin-1").partition(";")[0].strip().lower()


def _headers(headers: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def token(row: records.TokenRow) -> objects.Token:
    return objects.Token(**token_fields(row))


def token_fields(row: records.TokenRow) -> dict[str, Any]:
    return {
        "id": show("tok", row.id),
        "name": row.name,
        "role": cast(objects.Role, row.role),
        "created_at": at(row.created_at),
        "used_at": moment(row.used_at),
        "expires_at": moment(row.expires_at),
    }


def entry(row: records.AuditRow) -> objects.Entry:
    return objects.Entry(
        id=show("aud", row.id), at=at(row.at), who=row.who, action=row.action, target=row.target, detail=row.detail
    )


def replay(row: records.ReplayRow) -> objects.Replay:
    return objects.Replay(
        id=show("rpl", row.id),
        state=row.state,
        query=row.query,
        total=row.total,
        done=row.done,
        who=row.who,
        created_at=at(row.created_at),
        finished_at=moment(row.finished_at),
        error=row.error or None,
    )


def plan(row: records.ReplayPlan) -> objects.Plan:
    return objects.Plan(
        events=row.events,
        deliveries=row.deliveries,
        destinations=row.destinations,
        environments=row.environments,
        left_out=row.left_out,
    )


def durations(found: records.Percentiles | None) -> dict[str, float]:
    """Percentiles in milliseconds; nothing where nothing was measured."""
    if found is None or not found.count:
        return {}
    return {name: round(getattr(found, name) * 1000, 2) for name in ("p50", "p95", "p99")}
