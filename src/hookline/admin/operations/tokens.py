"""Tokens, and the log of what people changed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hookline.admin import auth, dress
from hookline.admin.objects import Done, Entry, NewToken, Page, Role, Token, at, moment
from hookline.admin.operations.base import Ask, Desk, NotFound, Nothing, Trouble, operation
from hookline.admin.operations.find import ById, Cursor, Limit, number_of
from hookline.ids import show
from hookline.store.records import CursorError

DAY = 86_400.0


class Create(Ask):
    name: Annotated[str, Meta(min_length=1, max_length=100, description="Whose or what it is.")]
    role: Annotated[Role, Meta(description="What it may do.")] = "viewer"
    days: Annotated[int, Meta(ge=1, le=3_650, description="When it ends; null for never.")] | None = None


@operation("GET", "/tokens", role="admin")
async def list_tokens(desk: Desk, ask: Nothing) -> Page[Token]:
    """List the tokens that count, the newest first."""
    rows = await desk.store.list_tokens()
    return Page(data=[dress.token(row) for row in rows if row.revoked_at is None])


@operation("POST", "/tokens", role="admin", status=201)
async def create_token(desk: Desk, ask: Create) -> NewToken:
    """Make a token. Its text is in this answer and nowhere else: only a hash is kept."""
    text, hashed = auth.make_token()
    expires_at = None if ask.days is None else desk.now + ask.days * DAY
    if not ask.name.strip():
        raise Trouble("name: say whose or what it is")
    number = await desk.store.create_token(ask.name, ask.role, hashed, expires_at, who=desk.who.name)
    return NewToken(
        id=show("tok", number),
        name=ask.name,
        role=ask.role,
        created_at=at(desk.now),
        expires_at=moment(expires_at),
        token=text,
    )


@operation("DELETE", "/tokens/{id}", role="admin")
async def revoke_token(desk: Desk, ask: ById) -> Done:
    """End a token. It stops working within seconds."""
    if not await desk.store.revoke_token(number_of("tok", ask.id), who=desk.who.name):
        raise NotFound(f"there is no token {ask.id} to revoke")
    return Done(count=1)


class AuditListing(Ask):
    limit: Limit = 50
    cursor: Cursor | None = None


@operation("GET", "/audit", role="admin")
async def list_audit(desk: Desk, ask: AuditListing) -> Page[Entry]:
    """What people changed, the newest first."""
    try:
        found = await desk.store.list_audit(limit=ask.limit, cursor=ask.cursor)
    except CursorError as problem:
        raise Trouble(f"cursor: {problem}") from None
    return Page(data=[dress.entry(row) for row in found.data], next=found.next)
