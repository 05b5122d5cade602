"""The door's page says every reason that the door can give, and the limits that it has."""

from __future__ import annotations

import re
from pathlib import Path

import hookline
from hookline.door import Limits
from hookline.providers import facts

PAGE = (Path(__file__).parents[2] / "docs/reference/door.md").read_text()
SAID = re.compile(
    r'fault\(\d+, "([^"]+)"|Refusal\(.*, "([^"]+)"\)|_unavailable\(\w+, \w+, "([^"]+)"|note\(\w+, request, "([^"]+)"|'
    r'REJECTED, "([^"]+)"|(?:closed =|return) "((?:backlog|stopping|[a-z]+ [a-z ]+))"'
)
DENIED = re.compile(r'(?:Rejected|Unavailable)\("([^"]+)"')


def room(name: str) -> str:
    """Everything that its modules say."""
    return "\n".join(file.read_text() for file in (Path(hookline.__file__).parent / name).rglob("*.py"))


def test_every_reason_of_the_door_is_explained():
    said = {next(filter(None, found)) for found in SAID.findall(room("door") + room("ingest"))}
    said |= set(DENIED.findall(room("providers"))) | facts.CLOCK_REASONS
    said |= {facts.MISSING, facts.MALFORMED, facts.BAD, facts.NO_TIME, facts.BAD_TIME, facts.REPEATED}
    said -= {"handshake"}  # of `hookline.verify`, which has no door to answer one
    assert len(said) > 45
    assert [reason for reason in sorted(said) if f"`{reason}`" not in PAGE] == []


def test_the_limits_are_those_of_the_code():
    limits = Limits()
    for text in (
        f"{limits.headers} fields, {limits.head_bytes >> 10} KiB together, {limits.line_bytes >> 10} KiB each",
        f"{limits.first_byte:g} s, {limits.head:g} s",
        f"{limits.body:g} s, and {limits.slow_rate:g} bytes a second once it takes longer than {limits.slow_after:g} s",
        f"{limits.idle:g} s; for trusted proxies {limits.proxy_idle:g} s",
        f"{limits.connections:,}; {limits.per_address} per address",
        f"{limits.buffered_bytes >> 20} MiB together",
        f"to unknown paths {limits.unknown_body >> 10} KiB",
    ):
        assert text in PAGE
