"""Lines of deliveries with the same destination and ordering key: who is first, and who comes next.

A pending head holds its line, retries included; one that has ended does not. Arrival is the order of transactions.
"""

from __future__ import annotations

from hookline.store.sqlite.tx import Tx

Key = tuple[str, str]
"""Destination and ordering key."""


class Lines:
    """The lines that one transaction touches: read once, written once by :meth:`save`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._lines: dict[Key, tuple[int, int]] = {}
        self._changed: set[Key] = set()

    def join(self, destination: str, ordering_key: str, delivery: int) -> tuple[int, bool]:
        """The turn of a new pending delivery, and whether it is the head of its line."""
        key = (destination, ordering_key)
        line = self._lines.get(key)
        if line is None:
            row = self._tx.one("head", destination=destination, ordering_key=ordering_key)
            line = (row[0], row[1]) if row is not None else (delivery, 0)
        head, turn = line
        self._lines[key] = (head, turn + 1)
        self._changed.add(key)
        return turn + 1, head == delivery

    def save(self) -> None:
        rows = [(*key, *self._lines[key]) for key in sorted(self._changed)]
        if rows:
            self._tx.bulk("set_heads", rows)


def leave(tx: Tx, destination: str, ordering_key: str, delivery: int) -> bool:
    """``delivery`` is not pending any more (its row says so already). True if another became the head."""
    row = tx.one("head", destination=destination, ordering_key=ordering_key)
    if row is None or row[0] != delivery:
        return False
    following = tx.one("next_in_line", destination=destination, ordering_key=ordering_key)
    if following is None:
        tx.run("drop_head", destination=destination, ordering_key=ordering_key)
        return False
    tx.run("make_head", id=following[0])
    tx.bulk("set_heads", [(destination, ordering_key, following[0], row[1])])
    return True
