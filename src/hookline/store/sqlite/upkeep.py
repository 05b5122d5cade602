"""What keeps a store in order: who may use it, what is kept for how long, copies of it, and checks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hookline.store.records import AuditRow, Cursor, Dropped, Finding, Found, Keep, TokenRow
from hookline.store.sqlite import backup, learned, retention, tokens
from hookline.store.sqlite.keyruns import tidy_keys
from hookline.store.sqlite.training import train_dictionaries
from hookline.store.sqlite.turnstile import only_one

T = TypeVar("T")


class Upkeep:
    """The part of :class:`hookline.store.sqlite.store.SqliteStore` that administrators and periodic jobs use."""

    path: Path

    async def read(self, act: Callable[..., T], *values: Any, **named: Any) -> T:
        raise NotImplementedError

    async def write(self, act: Callable[..., T], *values: Any, **named: Any) -> T:
        raise NotImplementedError

    def now(self) -> float:
        raise NotImplementedError

    # -- tokens and audit ----------------------------------------------------------------------------------------

    async def create_token(self, name: str, role: str, hashed: bytes, expires_at: float | None, *, who: str) -> int:
        """Keep a token by its SHA-256; returns its id."""
        return await self.write(tokens.create_token, name, role, hashed, expires_at, who=who)

    async def find_token(self, hashed: bytes) -> TokenRow | None:
        """The token of that hash, unless it has expired or was revoked; notes that it was used."""
        found = await self.read(tokens.find_token, hashed)
        if found is not None and (found.used_at is None or found.used_at < self.now() - 60):
            await self.write(tokens.touch_token, found.id)
        return found

    async def list_tokens(self) -> list[TokenRow]:
        """All that were ever made, the newest first."""
        return await self.read(tokens.list_tokens)

    async def revoke_token(self, number: int, *, who: str) -> bool:
        """False where there is none to end."""
        return await self.write(tokens.revoke_token, number, who=who)

    async def count_tokens(self) -> int:
        """Tokens that still open the door."""
        return await self.read(tokens.count_tokens)

    async def write_audit(self, who: str, action: str, target: str, detail: Mapping[str, Any]) -> None:
        """Note what somebody changed."""
        await self.write(tokens.write_audit, who, action, target, detail)

    async def list_audit(self, *, limit: int = 50, cursor: str | None = None) -> Found[AuditRow]:
        """Newest first."""
        return await self.read(tokens.list_audit, limit, Cursor.load(cursor) if cursor is not None else None)

    # -- secrets that arrive by handshake ------------------------------------------------------------------------

    async def expect_secret(self, source: str, until: float, *, who: str) -> None:
        """Until then (unix seconds) a handshake may bring the source's secret."""
        await self.write(learned.expect_secret, source, until, who=who)

    async def expected_secrets(self) -> dict[str, float]:
        """Until when each source may learn one."""
        return await self.read(learned.expected_secrets)

    async def learn_secret(self, source: str, secret: str) -> bool:
        """Keep what a handshake brought; False where nobody expects it."""
        return await self.write(learned.learn_secret, source, secret)

    async def learned_secrets(self) -> dict[str, str]:
        """What each source has learned."""
        return await self.read(learned.learned_secrets)

    # -- keeping and letting go ----------------------------------------------------------------------------------

    async def retain(self, keep: Keep) -> Dropped | None:
        """Let go of what is old enough. None where another process is at it."""
        with only_one(self.path, "retention") as mine:
            return await retention.retain(self, keep, self.now()) if mine else None

    async def tidy_keys(self) -> int:
        """Sort and merge dedupe keys (see :mod:`hookline.store.sqlite.keyruns`). Every few seconds (what
        is not sorted yet, every process that accepts keeps in memory); where another
        process is at it, nothing is done."""
        with only_one(self.path, "keys") as mine:
            return await tidy_keys(self) if mine else 0

    async def train_dictionaries(self) -> list[str]:
        """Train what is worth it, and return the sources' names. Every ten minutes; where another process is at it,
        nothing is done."""
        with only_one(self.path, "training") as mine:
            trained = await train_dictionaries(self) if mine else []
        self._dictionaries_at = 0.0
        return trained

    async def erase(self, events: Sequence[int], *, who: str) -> int:
        """Remove the content of these events for good; returns how many there were. Backups made before still hold
        it."""
        erased = await retention.erase(self, events)
        await self.write_audit(who, "erased", f"{erased} events", {"events": list(events[:100])})
        return erased

    async def back_up(self, target: Path, progress: backup.Progress = lambda done, total: None) -> int:
        """A copy of this moment at ``target``, while everything runs; returns its bytes."""
        return await asyncio.to_thread(backup.back_up, self.path, target, progress)

    async def check(self) -> list[Finding]:
        """What is wrong with this store; reads all of it."""
        return await asyncio.to_thread(backup.check, self.path)
