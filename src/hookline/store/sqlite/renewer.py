"""Prolongs leases from a plain thread, whatever the event loop and the writer are busy with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from hookline.store.clock import Clock
from hookline.store.sqlite.claim import renew
from hookline.store.sqlite.connect import connect, explain
from hookline.store.sqlite.turnstile import Turnstile
from hookline.store.sqlite.tx import Tx


class Renewer:
    """A connection and a place at the turnstile, for one thread."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._connection = connect(path, cache_kib=1_000)
        self._turnstile = Turnstile(path)

    def renew(self, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]:
        """True for each lease that is still the holder's. Unavailable where it cannot be written now."""
        connection = self._connection
        try:
            with self._turnstile:
                connection.execute("begin immediate")
                try:
                    kept = renew(Tx(connection, self._clock.now()), claims, lease_seconds)
                    connection.execute("commit")
                finally:
                    if connection.in_transaction:
                        connection.execute("rollback")
        except apsw.Error as problem:
            raise explain(problem, self._path) from problem
        return kept

    def close(self) -> None:
        self._connection.close()
        self._turnstile.close()
