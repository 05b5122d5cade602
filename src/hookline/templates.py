"""Texts with holes: ``{{ event.body.pusher.name }} pushed to {{ event.body.ref }}``. No logic, no calls, no loops.

What strangers wrote fills the holes, so every value is escaped for the channel that the text goes to, and the result
has an end. A field that is not there is empty.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from hookline.errors import ConfigError
from hookline.model import Event
from hookline.payload import dig, visible

MAX_RESULT = 65_536
"""Characters of a rendered text; what is longer is cut, and says so."""
MAX_VALUE = 8_192
"""Characters of one value."""
_CUT = "…"
_HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"event(\.[^.{}\s]+)+")

Escape = Callable[[str], str]


def plain(text: str) -> str:
    """For a text/plain body: only characters that show."""
    return visible(text, keep="\n\t")


def line(text: str) -> str:
    """For a mail's subject: one line."""
    return visible(" ".join(text.split()))


def slack(text: str) -> str:
    """For Slack's mrkdwn: no links, mentions or entities of a stranger's making
    (https://docs.slack.dev/messaging/formatting-message-text#escaping)."""
    return visible(text, keep="\n").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markup(text: str) -> str:
    """For HTML, also within quotes."""
    return html.escape(visible(text, keep="\n"))


class Template:
    """A text, read once."""

    def __init__(self, text: str, where: str = "template") -> None:
        """:raises ConfigError: for a hole that no event can fill, naming ``where``."""
        self._parts: list[str | Callable[[Event], Any]] = []
        end = 0
        for hole in _HOLE.finditer(text):
            self._parts += [text[end : hole.start()], _reader(hole[1].strip(), where)]
            end = hole.end()
        rest = text[end:]
        if "{{" in rest:
            raise ConfigError(f"{where}: a {{{{ is never closed — write {{{{ event.body.name }}}}")
        self._parts.append(rest)

    def render(self, event: Event, escape: Escape) -> str:
        """The text for one event, at most 64 Ki characters."""
        shown = [part if isinstance(part, str) else escape(as_text(part(event))) for part in self._parts]
        return cut("".join(shown))

    def render_many(self, events: Sequence[Event], escape: Escape, bullet: str = "• ") -> str:
        """A line for each event; one alone without a bullet."""
        if len(events) == 1:
            return self.render(events[0], escape)
        return cut("\n".join(bullet + self.render(event, escape) for event in events))


def as_text(value: Any) -> str:
    """A value as it reads best: texts as they are, the rest as JSON, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return cut(value, MAX_VALUE)
    try:
        return cut(json.dumps(value, ensure_ascii=False), MAX_VALUE)
    except (TypeError, ValueError, RecursionError):
        return ""


def cut(text: str, limit: int = MAX_RESULT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + _CUT


_PARTS: dict[str, Callable[[Event, str], Any]] = {
    "body": lambda event, path: dig(event.body, path) if path else event.body,
    "headers": lambda event, path: event.header(path),
    "id": lambda event, path: event.id,
    "provider_id": lambda event, path: event.provider_id,
    "type": lambda event, path: event.type,
    "source": lambda event, path: event.source,
    "environment": lambda event, path: event.environment,
    "subject": lambda event, path: event.subject,
    "received_at": lambda event, path: _time(event.received_at),
    "occurred_at": lambda event, path: _time(event.occurred_at),
    "attempt": lambda event, path: event.attempt,
}


def _reader(hole: str, where: str) -> Callable[[Event], Any]:
    if not _PATH.fullmatch(hole):
        raise ConfigError(f"{where}: {{{{ {visible(hole)[:60]} }}}} is no field — write {{{{ event.body.name }}}}")
    _, name, *rest = hole.split(".")
    read = _PARTS.get(name)
    if read is None or (rest and name not in ("body", "headers")):
        raise ConfigError(f"{where}: an event has no {hole.removeprefix('event.')} — it has {', '.join(_PARTS)}")
    path = ".".join(rest)
    return lambda event: read(event, path)


def _time(moment: float | None) -> str | None:
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None
