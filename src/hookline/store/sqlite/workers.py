"""Who works, and on what: how "no worker has app.paid" is known before anybody wonders."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hookline.store.sqlite.tx import Tx


def worker_seen(tx: Tx, name: str, pid: int, destinations: Sequence[str]) -> None:
    """A worker says that it is there, and what it can deliver to. To be said again within a minute."""
    tx.run("worker_seen", name=name, pid=pid, destinations=json.dumps(sorted(destinations)), now=tx.now)


def worker_gone(tx: Tx, name: str) -> None:
    """A worker leaves in good order."""
    tx.run("worker_gone", name=name)


def anybody_works(tx: Tx) -> bool:
    """Whether any worker has said within the last minute that it works."""
    return tx.one("anybody_works", now=tx.now) is not None


def open_deliveries(tx: Tx) -> int:
    """How many deliveries wait, run or are to be tried again, by the counts that every write adds to."""
    row = tx.one("open_deliveries")
    assert row is not None
    return int(row[0])
