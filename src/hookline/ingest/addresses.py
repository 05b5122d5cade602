"""Addresses of senders: read, compared with networks, and counted by neighbourhood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hookline.errors import ConfigError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def networks(texts: Iterable[str], key: str) -> tuple[Network, ...]:
    """:raises ConfigError: naming ``key``, for what is no address or network."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError as problem:
            raise ConfigError(f"{key}: {text!r} is no address or network ({problem}): write 10.0.0.0/8") from problem
    return tuple(found)


@lru_cache(maxsize=4_096)
def address(text: str) -> Address | None:
    """An address, IPv4 where it is one in IPv6's clothes, or None."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def within(text: str, among: Sequence[Network]) -> bool:
    """Is this an address in one of the networks?"""
    found = address(text)
    return found is not None and any(found in network for network in among)


@lru_cache(maxsize=4_096)
def neighbourhood(text: str) -> str:
    """What limits per address count by: an IPv4 address, or the /64 that one IPv6 customer has."""
    found = address(text)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return text if found is None else str(found)
