"""What one stranger may ask of the door, and for how long."""

from __future__ import annotations

import msgspec

from hookline.config import Config

KIB = 1 << 10
MIB = 1 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds. The body's limit is its source's (``max_body``)."""

    headers: int = 100
    head_bytes: int = 32 * KIB
    line_bytes: int = 8 * KIB
    """One header, name and value."""
    target_bytes: int = 8 * KIB
    unknown_body: int = 64 * KIB
    """The body of a request to a path that nobody has: kept for the request log, so not much of it."""
    buffered_bytes: int = 256 * MIB
    """Unfinished bodies of all connections together: above this, who sends more is answered 503."""
    chunks: int = 10_000
    small_chunks: int = 1_000
    """So many chunks may be small; after them the mean must be ``chunk_mean``."""
    chunk_mean: int = 16
    pipelined: int = 16
    """Requests of one connection that may wait for their answers; then we stop reading."""

    first_byte: float = 5.0
    head: float = 10.0
    body: float = 30.0
    """For the whole body, however busily it drips."""
    slow_after: float = 5.0
    slow_rate: float = 500.0
    """Bytes a second that a body must have come at, once it takes longer than ``slow_after``."""
    idle: float = 15.0
    proxy_idle: float = 75.0
    """Keep-alive towards trusted proxies: longer than they keep it, so that it is they who close."""
    linger: float = 2.0
    """How long we listen on after a last answer, so that the answer is not lost to a reset."""
    handshake: float = 10.0
    """TLS."""

    connections: int = 1_024
    per_address: int = 64
    """Connections of one address (IPv6: one /64); trusted proxies have no such limit."""

    @classmethod
    def of(cls, config: Config) -> Limits:
        """The settings of ``[limits]``, as the door calls them."""
        limits = config.limits
        return cls(
            headers=limits.headers,
            head_bytes=limits.header_bytes,
            head=limits.header_timeout,
            body=limits.body_timeout,
            idle=limits.idle_timeout,
            proxy_idle=limits.proxy_idle_timeout,
            connections=limits.connections,
            per_address=limits.connections_per_address,
        )
