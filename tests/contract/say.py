"""Short words for what tests put into a store."""

from __future__ import annotations

import hashlib
from typing import Any

from hookline.model import Arrival, Claim, NewDelivery, NewEvent, Outcome, Request, Settlement, State
from hookline.store.base import Want
from hookline.store.sqlite.store import SqliteStore

NOW = 1_800_000_000.0
WANT = Want(slots=100)


def event(key: str, body: bytes = b"{}", to: tuple[str, ...] = ("app.paid",), **more: Any) -> NewEvent:
    more.setdefault("deliveries", tuple(NewDelivery(name, "route", more.pop("ordering_key", None)) for name in to))
    more.setdefault("provider_id", key)
    return NewEvent(key=key, digest=hashlib.md5(body).digest(), type=more.pop("type", "push"), **more)


def arrival(
    *events: NewEvent, body: bytes = b"{}", source: str = "github", at: float = 1_800_000_000.0, **more: Any
) -> Arrival:
    headers = [(b"Content-Type", b"application/json"), (b"X-Twice", b"1"), (b"x-twice", b"2")]
    request = Request(
        method="POST", target=b"/webhooks/x?a=%00", headers=headers, body=body, received_at=at, peer="192.0.2.1"
    )
    return Arrival(source=source, environment="production", request=request, events=list(events), **more)


async def accept_one(store: SqliteStore, key: str, body: bytes = b"{}", **more: Any) -> Any:
    [receipt] = await store.accept([arrival(event(key, body, **more), body=body)])
    return receipt


async def claim(
    store: SqliteStore, *names: str, seconds: float = 60, want: Want = WANT, worker: str = "w1"
) -> list[Claim]:
    return await store.claim(worker, dict.fromkeys(names or ("app.paid",), want), seconds)


def settled(claim: Claim, state: State = State.SUCCEEDED, at: float = NOW, **more: Any) -> Settlement:
    outcome = more.pop("outcome", Outcome(state=None if state is State.PENDING else state))
    return Settlement(
        claim=claim,
        outcome=outcome,
        state=state,
        reason=more.pop("reason", "said so"),
        started_at=at,
        finished_at=at + 0.5,
        **more,
    )


async def counts(store: SqliteStore, number: int) -> dict[str, int]:
    """The counters of an event that are not 0."""
    columns = ("pending", "succeeded", "failed", "ignored", "needs_review", "cancelled")
    [row] = await store.read(lambda tx: tx.sql(f"select {', '.join(columns)} from events where id = ?", (number,)))
    return {name: count for name, count in zip(columns, row, strict=True) if count}
