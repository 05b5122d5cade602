"""Which dedupe keys are known, at a cost that does not grow with their number.

An index on random keys touches a page of its own for each key that is written: at two million keys it writes a third
of what an empty one does. So the newest keys lie in the order in which they came, and every process that accepts knows
them by heart; a background job (:mod:`hookline.store.sqlite.keyruns`) sorts them into runs and merges those. A run is
asked only if its filter says that it may hold the key.

A key is 8 bytes of hash over kind, source and key. Two keys that meet there (one chance in a million at ten million
keys) make the later event ``same id, other body``: held for a person, never dropped.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence

import msgspec

from hookline.store.sqlite.tx import Tx

RECORD = struct.Struct(">8sQ16sI")
"""Hash, event, digest, expiry in unix seconds. Records sort by hash, then by age."""

BITS_PER_KEY = 16
PROBES = 6
_SMALL = (1 << 30) - 1  # more bytes than any filter has, and still a number that Python adds fast


class Known(msgspec.Struct, frozen=True):
    """What is remembered of a key."""

    event: int
    digest: bytes
    expires_at: int


def key_hash(source: str, key: str) -> bytes:
    """Of a dedupe key within a source."""
    return hashlib.blake2b(f"k\0{source}\0{key}".encode("utf-8", "replace"), digest_size=8).digest()


def body_hash(source: str, digest: bytes) -> bytes:
    """Of a body, where a known body under a new key is to be held."""
    return hashlib.blake2b(b"b\0%b\0%b" % (source.encode("utf-8", "replace"), digest), digest_size=8).digest()


def record(hashed: bytes, event: int, digest: bytes, expires_at: float) -> bytes:
    return RECORD.pack(hashed, event, digest, min(int(expires_at) + 1, 0xFFFF_FFFF))


def known(data: bytes) -> Known:
    _, event, digest, expires_at = RECORD.unpack(data)
    return Known(event, digest, expires_at)


class Filter:
    """Six bits for each hash in a run: says no with certainty, and yes wrongly once in a thousand. A wrong yes may cost
    a read of the disk."""

    def __init__(self, bits: bytes | bytearray) -> None:
        self._bits = bits
        self._mask = len(bits) * 8 - 1

    @classmethod
    def of(cls, count: int) -> Filter:
        """An empty one for ``count`` keys."""
        return cls(bytearray(1 << max(7, (count * BITS_PER_KEY - 1).bit_length() - 3)))

    def add(self, hashes: Iterable[bytes]) -> None:
        bits, mask = self._bits, self._mask
        assert isinstance(bits, bytearray)
        for hashed in hashes:
            number = int.from_bytes(hashed, "big")
            step = number >> 32 | 1
            for place in range(number, number + PROBES * step, step):
                at = place & mask
                bits[at >> 3] |= 1 << (at & 7)

    def may_hold(self, hashed: bytes) -> bool:
        return self._holds(int.from_bytes(hashed, "big"))

    def _holds(self, number: int) -> bool:
        bits, mask = self._bits, self._mask
        step = number >> 32 | 1
        return all(
            bits[(place & mask) >> 3] >> (place & 7) & 1 for place in range(number, number + PROBES * step, step)
        )

    def dump(self) -> bytes:
        return bytes(self._bits)


def doubtful(filters: dict[int, Filter], hashes: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Which runs may hold which of the hashes, as (run, hash).

    The first two bits are looked up here, with everything that does not depend on the filter worked out before: a dozen
    filters are asked for every key that comes, and nine of ten say no by then.
    """
    found = []
    entries = [(run, held, held._bits, held._mask >> 3) for run, held in filters.items()]
    for hashed in hashes:
        number = int.from_bytes(hashed, "big")
        following = number + (number >> 32 | 1)
        byte, bit = number >> 3 & _SMALL, 1 << (number & 7)
        next_byte, next_bit = following >> 3 & _SMALL, 1 << (following & 7)
        for run, held, bits, mask in entries:
            if bits[byte & mask] & bit and bits[next_byte & mask] & next_bit and held._holds(number):
                found.append((run, hashed))
    return found


class KeyBook:
    """One process's knowledge of the keys.

    It belongs to the thread that writes. Only :meth:`seems_new` is asked from elsewhere, and what it said is confirmed
    by :meth:`confirm` in the transaction.
    """

    def __init__(self) -> None:
        self.highest = 0
        """The highest id of the file, as far as we know."""
        self.version = 0
        """Grows with everything that we learn from others, and not with what we write ourselves."""
        self.pending: set[bytes] = set()
        """Hashes of plans that are under way. Belongs to the event loop."""
        self._fresh: dict[bytes, int] = {}
        """Hash → row of fresh_keys."""
        self._read_to = 0
        self._filters: dict[int, Filter] = {}
        self._runs: list[int] = []
        self._tx: Tx | None = None
        self._unsure: dict[bytes, int] = {}
        self._unsure_to = 0

    # -- on the event loop ---------------------------------------------------------------------------------------

    def seems_new(self, hashes: Sequence[bytes]) -> list[tuple[int, bytes]] | None:
        """None if one of them is known; else the runs that must still be asked, as (run, hash)."""
        fresh = self._fresh
        if not self.pending.isdisjoint(hashes) or any(hashed in fresh for hashed in hashes):
            return None
        return doubtful(self._filters, hashes)

    # -- in the thread that writes -------------------------------------------------------------------------------

    def confirm(
        self, tx: Tx, version: int, first_id: int, hashes: Sequence[bytes], doubtful: Sequence[tuple[int, bytes]]
    ) -> bool:
        """Whether what :meth:`seems_new` said when the book had that version holds, and ids from ``first_id`` on are
        free: nobody has written one of these keys since, and nobody else any key or id. We ourselves may have: a caller
        that ran out of patience has left ``pending``, and its commit came through all the same."""
        if version != self.version or not self._fresh.keys().isdisjoint(hashes):
            return False
        row = tx.one("as_of")
        assert row is not None
        newest_key, highest, runs = row
        if newest_key > self._read_to or highest >= first_id or runs != (self._runs[0] if self._runs else 0):
            return False
        return not any(self._page_record(tx, run, hashed) for run, hashed in doubtful)

    def wrote(self, hashes: Sequence[bytes], last_id: int) -> None:
        """These went into fresh_keys after what we knew, and are committed."""
        self._fresh.update(zip(hashes, range(self._read_to + 1, self._read_to + 1 + len(hashes)), strict=True))
        self._read_to += len(hashes)
        self.highest = max(self.highest, last_id)

    def find(self, tx: Tx, hashes: Sequence[bytes]) -> dict[bytes, Known]:
        """The unexpired ones among ``hashes``, as of this transaction."""
        self.catch_up(tx)
        found: dict[bytes, Known] = {}
        for hashed in hashes:
            row = self._unsure.get(hashed) or self._fresh.get(hashed)
            entry = self._fresh_entry(tx, row) if row is not None else None
            if entry is None and self._runs:
                entry = self._from_runs(tx, hashed)
            if entry is not None and entry.expires_at > tx.now:
                found[hashed] = entry
        return found

    @staticmethod
    def _fresh_entry(tx: Tx, row: int) -> Known | None:
        found = tx.one("fresh_key", seq=row)
        return known(found[0]) if found is not None else None

    def _from_runs(self, tx: Tx, hashed: bytes) -> Known | None:
        """Newest run first: a key that had expired may stand in an older one too."""
        for run in self._runs:
            if self._filters[run].may_hold(hashed) and (data := self._page_record(tx, run, hashed)) is not None:
                return known(data)
        return None

    @staticmethod
    def _page_record(tx: Tx, run: int, hashed: bytes) -> bytes | None:
        page = tx.one("key_page", run=run, hash=hashed)
        return find_record(page[0], hashed) if page is not None else None

    def catch_up(self, tx: Tx) -> None:
        """Learn what was written since, by us or by others. Nothing that was read may be taken back while the
        transaction goes on.

        What is learned within a transaction counts only once that is committed: a key of a commit that failed would
        turn the next genuine event into a duplicate of nothing.
        """
        if self._tx is not tx:
            self._tx, self._unsure, self._unsure_to = tx, {}, self._read_to
        for seq, hashed in tx.run("fresh_hashes", after=self._unsure_to):
            self._unsure[hashed] = seq
            self._unsure_to = seq
        row = tx.one("as_of")
        assert row is not None
        highest = row[1]
        tx.after_commit(lambda: self._keep(highest))
        runs = [row[0] for row in tx.run("live_runs")]
        if runs != self._runs:
            self._learn_runs(tx, runs)

    def _keep(self, highest: int) -> None:
        self._fresh.update(self._unsure)
        self._read_to = max(self._read_to, self._unsure_to)
        self._unsure = {}
        self.highest = max(self.highest, highest)
        self.version += 1

    def _learn_runs(self, tx: Tx, runs: list[int]) -> None:
        """Runs are immutable, and live only once committed: what is read of them stays true."""
        filters = dict(self._filters)
        for run in runs:
            if run not in filters:
                row = tx.one("run_filter", run=run)
                assert row is not None
                filters[run] = Filter(row[0])
        # New dictionaries, not changed ones: another thread may be walking through the old ones.
        self._filters = {run: filters[run] for run in runs}
        self._runs = runs
        self.version += 1
        oldest = tx.one("oldest_fresh_key")
        first = oldest[0] if oldest is not None and oldest[0] is not None else self._read_to + 1
        self._fresh = {hashed: seq for hashed, seq in self._fresh.items() if seq >= first}


def find_record(page: bytes, hashed: bytes) -> bytes | None:
    """The newest record of a hash within a page of a run."""
    at = page.find(hashed)
    while at >= 0:
        if at % RECORD.size == 0:
            return page[at : at + RECORD.size]
        at = page.find(hashed, at + 1)
    return None
