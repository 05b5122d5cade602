"""What a destination is to the worker: something that tries once and tells what came of it."""

from __future__ import annotations

from typing import Protocol

from hookline.model import Claim, Outcome
from hookline.retry import Policy


class Destination(Protocol):
    """One try at a time; never raises for trouble on the other side."""

    name: str
    policy: Policy

    async def send(self, claim: Claim) -> Outcome: ...

    async def close(self) -> None: ...
