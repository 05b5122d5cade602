"""Tokens of the API, kept as hashes, and the log of what people changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.payload import clean
from hookline.store.records import AuditRow, Cursor, Found, TokenRow
from hookline.store.sqlite.tx import Row, Tx

_END = 1 << 62


def create_token(tx: Tx, name: str, role: str, hashed: bytes, expires_at: float | None, *, who: str) -> int:
    """Keep a token by its hash; the audit log says who made it. Returns its id."""
    [number] = tx.ids(1)
    tx.run("create_token", id=number, name=name, role=role, hash=hashed, now=tx.now, expires_at=expires_at)
    write_audit(tx, who, "token created", name, {"role": role, "expires_at": expires_at})
    return number


def find_token(tx: Tx, hashed: bytes) -> TokenRow | None:
    """The token of that hash, unless it has expired or was revoked."""
    row = tx.one("find_token", hash=hashed, now=tx.now)
    return TokenRow(*row) if row is not None else None


def touch_token(tx: Tx, number: int) -> None:
    """It was used, as of a minute ago or less: not every use is worth a write."""
    tx.run("touch_token", id=number, now=tx.now)


def list_tokens(tx: Tx) -> list[TokenRow]:
    """All that were ever made, the newest first."""
    return [TokenRow(*row) for row in tx.run("list_tokens")]


def revoke_token(tx: Tx, number: int, *, who: str) -> bool:
    """End a token; False where there is none to end."""
    tx.run("revoke_token", id=number, now=tx.now)
    if not tx.changes():
        return False
    write_audit(tx, who, "token revoked", str(number), {})
    return True


def count_tokens(tx: Tx) -> int:
    """Tokens that still open the door."""
    row = tx.one("count_tokens", now=tx.now)
    assert row is not None
    return int(row[0])


def write_audit(tx: Tx, who: str, action: str, target: str, detail: Mapping[str, Any]) -> None:
    """Note a change, in the transaction that makes it."""
    [number] = tx.ids(1)
    text = msgspec.json.encode(detail).decode()
    tx.run("write_audit", id=number, now=tx.now, who=clean(who), action=action, target=clean(target), detail=text)


def list_audit(tx: Tx, limit: int, cursor: Cursor | None) -> Found[AuditRow]:
    """A page of the audit log, the newest first."""
    rows = tx.run("list_audit", before=cursor.event if cursor is not None else _END, limit=limit + 1)
    found = [_audit_row(row) for row in rows[:limit]]
    return Found(data=found, next=Cursor(found[-1].id).dump() if len(rows) > limit else None)


def _audit_row(row: Row) -> AuditRow:
    number, at, who, action, target, detail = row
    return AuditRow(number, at, who, action, target, msgspec.json.decode(detail))
