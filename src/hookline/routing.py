"""Who wants an event: pure, and prepared so that most events cost one dictionary lookup."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from hookline.config import Route
from hookline.model import HandlerRoute, NewDelivery, Request, VerifiedEvent
from hookline.payload import clean, dig, parse

NO_ROUTE = "no route"
NOT_WANTED = "type not wanted"
NOT_LOADED = "app not loaded"
"""The one reason that holds an event (``needs_review``) instead of ignoring it."""

Reader = Callable[[str], Any]
"""Reads one path of an event: ``body.a.b``, ``header.X-Name``, ``subject``, ``type``; None where there is nothing."""

_MOST_PAIRS = 10_000
"""Types come from strangers' payloads: the cache starts afresh rather than grow for ever."""


def matches(pattern: str, name: str) -> bool:
    """``invoice.*`` and the like: ``*`` is any text; case counts, as it does for the providers."""
    if "*" not in pattern:
        return pattern == name
    return fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))


def matches_any(patterns: Sequence[str], name: str) -> bool:
    """True for no patterns at all: who names none wants everything."""
    return not patterns or any(matches(pattern, name) for pattern in patterns)


class _Line(msgspec.Struct, frozen=True):
    """One delivery that a (source, type) leads to."""

    destination: str
    route: str
    ordering_key: str | None


class _Plan(msgspec.Struct, frozen=True):
    lines: tuple[_Line, ...]
    fixed: tuple[NewDelivery, ...] | None
    """The deliveries themselves where no line wants an ordering key: the same objects for every event."""
    reason: str


class Router:
    """Built once per (re)load; ``route`` decides from names alone. Body filters are the worker's."""

    def __init__(
        self,
        routes: Sequence[Route],
        handlers: Sequence[HandlerRoute] | None,
        environment: str,
        *,
        wanted: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """``handlers`` is None while an app is expected that has never been published; ``()`` where there is none.
        ``environment`` is the server's; ``wanted`` are the type patterns of sources that do not take everything."""
        self._environment = environment
        self._loaded = handlers is not None
        self._wanted = {name: tuple(patterns) for name, patterns in (wanted or {}).items() if patterns}
        self._rules: list[tuple[str, str, tuple[str, ...], tuple[_Line, ...]]] = [
            *((r.source, r.environment or environment, r.events, _route_lines(r)) for r in routes),
            *((h.source, h.environment or environment, h.types, _handler_lines(h)) for h in handlers or ()),
        ]
        self._plans: dict[tuple[str, str, str], _Plan] = {}

    def route(
        self, source: str, environment: str, type: str, reader: Reader | None = None
    ) -> tuple[tuple[NewDelivery, ...], str]:
        """The deliveries of one event, or none and why: ``no route``, ``type not wanted``, ``app not loaded``."""
        plan = self._plans.get((source, environment, type))
        if plan is None:
            plan = self._remember(source, environment, type)
        if plan.fixed is not None:
            return plan.fixed, plan.reason
        return tuple(
            NewDelivery(line.destination, line.route, _key(reader, line.ordering_key)) for line in plan.lines
        ), plan.reason

    def _remember(self, source: str, environment: str, type: str) -> _Plan:
        if len(self._plans) >= _MOST_PAIRS:
            self._plans.clear()
        plan = self._plans[source, environment, type] = self._plan(source, environment, type)
        return plan

    def _plan(self, source: str, environment: str, type: str) -> _Plan:
        if not matches_any(self._wanted.get(source, ()), type):
            return _Plan((), (), NOT_WANTED)
        lines: dict[str, _Line] = {}  # one event goes to a destination once, by the first route that says so
        for pattern, wanted_environment, types, rule_lines in self._rules:
            if wanted_environment == environment and matches(pattern, source) and matches_any(types, type):
                for line in rule_lines:
                    lines.setdefault(line.destination, line)
        if not lines:
            return _Plan((), (), NO_ROUTE if self._loaded else NOT_LOADED)
        found = tuple(lines.values())
        if any(line.ordering_key is not None for line in found):
            return _Plan(found, None, "")
        return _Plan(found, tuple(NewDelivery(line.destination, line.route) for line in found), "")


def reader(event: VerifiedEvent, request: Request) -> Reader:
    """Reads an event for its ordering key; the body is parsed at the first path that needs it, and only once."""
    parsed: list[Any] = []

    def read(path: str) -> Any:
        root, _, rest = path.partition(".")
        if root == "body":
            if not parsed:
                content = (request.header(b"content-type") or b"").decode("latin-1")
                whole = event.body == request.body  # an item of a batch is JSON, whatever it came in
                parsed.append(parse(event.body, content.partition(";")[0].strip().lower() if whole else ""))
            return dig(parsed[0], rest) if rest else parsed[0]
        if root == "header":
            value = request.header(rest.lower().encode("latin-1", "replace"))
            return None if value is None else value.decode("latin-1")
        return {"type": event.type, "subject": event.subject, "id": event.id}.get(root)

    return read


def _key(reader: Reader | None, path: str | None) -> str | None:
    """An ordering key as text; an event that has none where its route wants one is not ordered."""
    if path is None or reader is None:
        return None
    value = reader(path)
    if isinstance(value, list) and len(value) == 1:  # a form's field
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        return None
    return clean(value) or None


def _route_lines(route: Route) -> tuple[_Line, ...]:
    return tuple(_Line(destination, route.name, route.ordering_key) for destination in route.to)


def _handler_lines(handler: HandlerRoute) -> tuple[_Line, ...]:
    return (_Line(handler.name, handler.name, handler.ordering_key),)
