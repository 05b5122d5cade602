"""A source with its secrets, as the door has it: those of the file and the one that a handshake brought."""

from __future__ import annotations

from hookline.admin.operations.base import Desk
from hookline.config import Source, resolved_source
from hookline.secrets import keep


async def with_secrets(desk: Desk, source: Source) -> tuple[Source, tuple[str, ...]]:
    """The source with its options resolved, and its secrets.

    :raises ConfigError: where one of them cannot be had.
    """
    return joined(desk, source, await desk.store.learned_secrets())


def joined(desk: Desk, source: Source, learned: dict[str, str]) -> tuple[Source, tuple[str, ...]]:
    """The same where what was learned is known already."""
    bound, texts = resolved_source(source, desk.now)
    if source.name not in learned:
        return bound, texts
    keep(learned[source.name])
    return bound, (learned[source.name], *texts)
