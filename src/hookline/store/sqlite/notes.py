"""The request log: what was rejected or answered at the door, bounded for each source, address and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hookline.store.base import RequestNote
from hookline.store.compress import Codec, content
from hookline.store.rollup import Rollup
from hookline.store.sqlite.accept import text
from hookline.store.sqlite.requeue import save
from hookline.store.sqlite.tx import Tx

MOST_ROWS = 10_000
MOST_BYTES = 64 << 20
"""Of a source."""
AN_HOUR = 100
"""Rows of one address and reason. All are counted, the others are not kept."""
_BITE = 500


class NoteLimits:
    """The bounds, what one process has written in this hour, and since it last looked at them."""

    def __init__(self, rows: int = MOST_ROWS, size: int = MOST_BYTES, an_hour: int = AN_HOUR) -> None:
        """``rows`` and ``size`` (bytes) of a source; ``an_hour`` rows of one address and reason."""
        self.rows = rows
        self.size = size
        self._an_hour = an_hour
        self._hour = 0
        self._written: Counter[tuple[str, str]] = Counter()
        self._unchecked: Counter[str | None] = Counter()

    def admits(self, note: RequestNote, now: float) -> bool:
        if int(now // 3600) != self._hour:
            self._hour = int(now // 3600)
            self._written.clear()
        key = (note.request.peer, note.reason)
        self._written[key] += 1
        return self._written[key] <= self._an_hour

    def due(self, source: str | None) -> bool:
        """Whether the source's bounds should be looked at: every hundredth row."""
        self._unchecked[source] += 1
        return self._unchecked[source] % 100 == 0


def note(tx: Tx, notes: Sequence[RequestNote], codec: Codec, limits: NoteLimits) -> None:
    """Count them all, keep those that the bounds admit, and drop the oldest beyond."""
    rollup = Rollup(tx.now)
    kept = []
    for entry in notes:
        rollup.count("requests", entry.source or "", "", entry.outcome.value)
        if limits.admits(entry, tx.now):
            kept.append(entry)
    ids = tx.ids(len(kept)) if kept else []
    rows = []
    for number, entry in zip(ids, kept, strict=True):
        request = entry.request
        dictionary, [packed] = codec.pack(entry.source or "", content(request.headers, request.body))
        rows.append(
            (
                number,
                text(entry.source),
                None,
                entry.outcome.value,
                request.received_at,
                text(request.peer),
                text(request.method),
                0,
                len(request.body),
                None,
                entry.status,
                text(entry.reason),
                text(entry.hint) or None,
                dictionary,
                request.target,
                packed,
            )
        )
    if rows:
        tx.bulk("insert_requests", rows)
    save(tx, rollup)
    for source in {entry.source for entry in kept if limits.due(entry.source)}:
        _shorten(tx, source, limits)


def _shorten(tx: Tx, source: str | None, limits: NoteLimits) -> None:
    row = tx.one("logged_of", source=source)
    assert row is not None
    count, size = row
    while count and (count > limits.rows or size > limits.size):
        over = max(count - limits.rows, _BITE if size > limits.size else 0)
        tx.run("drop_oldest_logged", source=source, count=min(over, count))
        row = tx.one("logged_of", source=source)
        assert row is not None
        count, size = row
