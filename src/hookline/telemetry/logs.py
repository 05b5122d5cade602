"""Logs, configured once: JSON lines for machines, short coloured lines on a terminal."""

from __future__ import annotations

import datetime as dt
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from hookline.payload import safe_json, visible
from hookline.secrets import KEPT

_context: dict[str, str] = {}
_as_json = True
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31"}


def configure(role: str, *, level: str = "info", json: bool | None = None) -> None:
    """Set up structlog and the standard library's logging for this process.

    ``role`` is written on every line; ``json`` decides the form, by default JSON unless stderr is a terminal.
    """
    global _as_json
    _as_json = not sys.stderr.isatty() if json is None else json
    _context["role"] = role
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    _configure_structlog(number)
    root = logging.getLogger()
    root.handlers[:] = [_Passing()]
    root.setLevel(max(number, logging.WARNING))


def configure_for_guests() -> None:
    """For a process that is not ours, or only a command: what its owner has set up stays. Where nobody has, structlog
    would print the values of local variables beside each traceback, and secrets are among them."""
    import structlog

    global _as_json
    if not structlog.is_configured():
        _as_json = not sys.stderr.isatty()
        _configure_structlog(logging.INFO)


def _configure_structlog(level: int) -> None:
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _as_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_printer,
        cache_logger_on_first_use=False,
    )


def _printer(*_names: object) -> Any:
    import structlog

    return structlog.PrintLogger(sys.stderr)


def _as_line(_logger: Any, _method: str, event: Mapping[str, Any]) -> str:
    found = dict(event)
    level = str(found.pop("level", "info"))
    line = {"message": found.pop("event", ""), **found}  # structlog's word for it; an event is something else here
    return render(dt.datetime.now(dt.UTC).timestamp(), level, line).rstrip("\n")


def render(at: float, level: str, line: Mapping[str, Any]) -> str:
    """One finished line, with its line end; ``at`` is unix seconds."""
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    if _as_json:
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        full = {"time": stamp, "level": level, **_context, **{k: _plain(v) for k, v in line.items() if _said(v)}}
        return scrub(safe_json(full)) + "\n"
    return scrub(_short(moment, level, line)) + "\n"


def _short(moment: dt.datetime, level: str, line: Mapping[str, Any]) -> str:
    rest = dict(line)
    message = visible(rest.pop("message", ""))
    trace = rest.pop("exception", "")
    shown = " ".join(f"{key}={visible(_plain(value))}" for key, value in rest.items() if _said(value))
    mark = f"\x1b[{_COLOURS.get(level, '0')}m{level:<8}\x1b[0m" if _colour() else f"{level:<8}"
    local = moment.astimezone().strftime("%H:%M:%S")
    tail = "\n" + visible(trace, keep="\n\t") if trace else ""
    return f"{local} {mark} {_context.get('role', ''):<7} {message}  {shown}".rstrip() + tail


def _colour() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _said(value: object) -> bool:
    return value is not None and value != ""


def _plain(value: Any) -> Any:
    """What JSON can hold; anything else by its text."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)


def scrub(line: str) -> str:
    """A text with every secret that this process knows of masked."""
    for secret in tuple(KEPT):  # another thread may learn one meanwhile
        if secret in line:
            line = line.replace(secret, "***")
    return line


class _Passing(logging.Handler):
    """Hands what libraries log to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        import structlog

        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
