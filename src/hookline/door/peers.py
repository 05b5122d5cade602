"""Who is at the other end: the address that called, or the one that a trusted proxy names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hookline.ingest.addresses import Network, address, within
from hookline.model import Headers

_MOST_REMEMBERED = 4_096


class Peers:
    """Judges addresses and remembers the judgement: proxies repeat themselves with every request."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._known: dict[tuple[str, bytes], str] = {}

    def trusts(self, text: str) -> bool:
        """Is this address one of the trusted proxies?"""
        return within(text, self._trusted)

    def sender(self, proxy: str, names: Mapping[bytes, bytes], headers: Headers) -> str:
        """The address for which a trusted proxy speaks: the last in ``X-Forwarded-For`` that is no trusted proxy
        itself. Whatever stands before it, the sender may have written there."""
        if b"x-forwarded-for" not in names:
            return proxy
        chain = b",".join(value for name, value in headers if name.lower() == b"x-forwarded-for")
        known = self._known.get((proxy, chain))
        if known is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[proxy, chain] = self._walk(proxy, chain)
        return known

    def _walk(self, proxy: str, chain: bytes) -> str:
        nearest = proxy
        for hop in reversed(chain.decode("latin-1").split(",")):
            found = address(_bare(hop.strip()))
            if found is None:
                break
            nearest = str(found)
            if not self.trusts(nearest):
                break
        return nearest


def said_https(names: Mapping[bytes, bytes]) -> bool:
    """Did a trusted proxy (the nearest one has the last word) receive this over TLS?"""
    return names.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().lower() == b"https"


def _bare(text: str) -> str:
    """``1.2.3.4:567`` and ``[::1]:567`` without their ports."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
