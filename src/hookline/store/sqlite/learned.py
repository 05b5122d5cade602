"""Secrets that arrive by handshake (Asana, Notion): taken while an operator expects one, never replaced in silence."""

from __future__ import annotations

from hookline.store.sqlite.tokens import write_audit
from hookline.store.sqlite.tx import Tx

_EXPECTED, _LEARNED = "expected:", "learned:"


def expect_secret(tx: Tx, source: str, until: float, *, who: str) -> None:
    """For as long as that, the next handshake may bring the source's secret, also in the place of an older one."""
    tx.run("set_meta", name=_EXPECTED + source, value=repr(until))
    write_audit(tx, who, "secret expected", source, {"until": until})


def expected_secrets(tx: Tx) -> dict[str, float]:
    """Until when (unix seconds) each source may learn one."""
    found = {name.removeprefix(_EXPECTED): float(value) for name, value in tx.run("meta_like", prefix=_EXPECTED)}
    return {source: until for source, until in found.items() if until > tx.now}


def learn_secret(tx: Tx, source: str, secret: str) -> bool:
    """Keep it, if it is expected; one handshake is all that an expectation lets in."""
    if source not in expected_secrets(tx):
        return False
    tx.run("set_meta", name=_LEARNED + source, value=secret)
    tx.run("drop_meta", name=_EXPECTED + source)
    write_audit(tx, "the provider", "secret learned", source, {})
    return True


def learned_secrets(tx: Tx) -> dict[str, str]:
    """What each source has learned."""
    return {name.removeprefix(_LEARNED): value for name, value in tx.run("meta_like", prefix=_LEARNED)}
