"""A positive control: ``python unfenced.py worker app:hooks`` is ``hookline worker app:hooks`` without the fence.

It settles whatever it has in its hands, whoever owns it by now, and never hears that it lost a lease.
"""

from __future__ import annotations

from collections.abc import Sequence

from hookline.cli import main
from hookline.store.sqlite.queries import queries
from hookline.store.sqlite.renewer import Renewer

FENCE = """
where deliveries.id = done.id and deliveries.lease = done.lease
  and deliveries.state = 'pending' and deliveries.lease_until is not null"""


def _always_ours(self: Renewer, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]:
    return [True] * len(claims)


statements = queries()  # the one dictionary that all statements are taken from
assert FENCE in statements["settle"], "the fence looks different now: this control must take it out again"
statements["settle"] = statements["settle"].replace(FENCE, "\nwhere deliveries.id = done.id")
INSERT = "insert into attempts"
assert statements["insert_attempts"].startswith(INSERT), "the number of a try is a fence too: take it out again"
statements["insert_attempts"] = statements["insert_attempts"].replace(INSERT, "insert or replace into attempts")
Renewer.renew = _always_ours  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
