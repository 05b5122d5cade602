"""A positive control: Hookline with one fault built in, to see that the checker notices.

``python early_ack.py ingest app:hooks`` is ``hookline ingest app:hooks``, but acknowledges before the commit.
"""

from __future__ import annotations

from hookline.cli import main
from hookline.ingest.committer import Committer, Finish
from hookline.model import Arrival, Receipt, RequestOutcome

_put = Committer.put


def _put_after_answering(self: Committer, arrival: Arrival, size: int, finish: Finish) -> None:
    finish(Receipt(RequestOutcome.ACCEPTED, ()))
    _put(self, arrival, size, lambda _: None)


Committer.put = _put_after_answering  # type: ignore[method-assign]  # the fault

if __name__ == "__main__":
    main()
