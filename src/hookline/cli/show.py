"""How the objects of the API look as tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from hookline.admin.objects import Delivery, Destination, Event, Request, Source, Token, seconds_of
from hookline.cli import output


def clock(moment: str) -> str:
    """The local time of day."""
    return dt.datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")


def since(moment: str | None, now: float) -> str:
    """``"3m ago"`` or ``"in 5m"``; empty where there is no time."""
    if moment is None:
        return ""
    span = seconds_of(moment) - now
    return f"in {output.ago(span)}" if span > 0 else f"{output.ago(span)} ago"


def when(moment: str | None, now: float) -> str | None:
    """The moment itself and how far away it is."""
    return f"{moment} ({since(moment, now)})" if moment else None


def events(rows: Sequence[Event], now: float) -> None:
    if rows:
        output.table(
            ("received", "source", "type", "status", "id", "reason"),
            [(since(row.received_at, now), row.source, row.type, row.status, row.id, row.reason) for row in rows],
        )


def requests(rows: Sequence[Request], now: float) -> None:
    if rows:
        output.table(
            ("received", "source", "outcome", "status", "from", "path", "id", "reason"),
            [
                (
                    since(row.received_at, now),
                    row.source or "-",
                    row.outcome,
                    row.status,
                    row.peer,
                    row.path,
                    row.id,
                    ": ".join(filter(None, (row.reason, row.hint))),
                )
                for row in rows
            ],
        )


def deliveries(rows: Sequence[Delivery], now: float) -> None:
    if rows:
        output.table(
            ("destination", "state", "attempts", "next", "changed", "id", "reason"),
            [
                (
                    row.destination,
                    row.state if row.phase in (None, "due") else f"{row.state} ({row.phase})",
                    row.attempts,
                    _next(row, now),
                    since(row.changed_at, now),
                    row.id,
                    row.reason,
                )
                for row in rows
            ],
        )


def _next(row: Delivery, now: float) -> str:
    """When it is tried next, for what waits for nothing but its time."""
    if row.phase not in ("due", "retrying") or row.due_at is None:
        return ""
    return since(row.due_at, now) if seconds_of(row.due_at) > now else "now"


def sources(rows: Sequence[Source], now: float) -> None:
    if rows:
        output.table(
            ("source", "provider", "environment", "state", "last event", "url", "reason"),
            [
                (
                    row.name,
                    row.provider,
                    row.environment,
                    row.state,
                    since(row.last_event_at, now) or "never",
                    row.url or row.path,
                    row.reason,
                )
                for row in rows
            ],
        )


def destinations(rows: Sequence[Destination], now: float) -> None:
    if rows:
        output.table(
            ("destination", "type", "state", "pending", "oldest", "succeeded", "failed", "review", "workers", "reason"),
            [
                (
                    row.name,
                    row.type,
                    row.state,
                    row.deliveries.pending,
                    since(row.oldest_pending_at, now),
                    row.deliveries.succeeded,
                    row.deliveries.failed,
                    row.deliveries.needs_review,
                    row.workers,
                    row.reason,
                )
                for row in rows
            ],
        )


def tokens(rows: Sequence[Token], now: float) -> None:
    if rows:
        output.table(
            ("name", "role", "created", "used", "expires", "id"),
            [
                (
                    row.name,
                    row.role,
                    since(row.created_at, now),
                    since(row.used_at, now) or "never",
                    since(row.expires_at, now) or "never",
                    row.id,
                )
                for row in rows
            ],
        )
