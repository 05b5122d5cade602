"""The processes: what each role opens, runs and closes. Each function returns an exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hookline.runtime import lean  # noqa: F401  before anything imports structlog

from hookline.config import Config  # isort: skip
from hookline.errors import ConfigError
from hookline.runtime.start import complain, hand_down, load
from hookline.supervisor import BAD_CONFIG

__all__ = ["demo", "run_admin", "run_ingest", "run_worker", "serve"]

Paths = Sequence[str]
Flags = Mapping[str, object]


def serve(paths: Paths, flags: Flags, app: str | None, *, strict: bool = False) -> int:
    """Everything on one machine: the door, the workers and the admin door under one parent."""
    from hookline.runtime.serve import run

    paths = hand_down(app, paths)
    return _play("serve", paths, flags, lambda config: run(config, paths, flags, app, strict=strict), strict=strict)


def run_ingest(paths: Paths, flags: Flags, app: str | None) -> int:
    """The public door alone."""
    from hookline.runtime.ingest import run

    paths = hand_down(app, paths)
    return _play("ingest", paths, flags, lambda config: run(config, paths, flags, app))


def run_worker(paths: Paths, flags: Flags, app: str | None) -> int:
    """A worker alone, with the handlers of ``app``."""
    from hookline.runtime.work import run

    paths = hand_down(app, paths)
    return _play("worker", paths, flags, lambda config: run(config, paths, flags, app))


def run_admin(paths: Paths, flags: Flags) -> int:
    """The admin door alone."""
    from hookline.runtime.pages import run

    return _play("admin", paths, flags, lambda config: run(config, paths, flags))


def demo(folder: str = "demo", *, once: bool = False) -> int:
    """Everything in a folder of its own, with signed sample traffic. ``once`` ends when the traffic is settled."""
    from hookline.runtime.demo import run

    try:
        return run(folder, once=once)
    except ConfigError as problem:
        complain(str(problem))
        return BAD_CONFIG


def _play(role: str, paths: Paths, flags: Flags, act: Callable[[Config], int], *, strict: bool = False) -> int:
    from hookline import telemetry

    telemetry.configure(role)
    try:
        config = load(paths, flags, strict=strict)
        return BAD_CONFIG if config is None else act(config)
    except ConfigError as problem:
        complain(str(problem))
        return BAD_CONFIG
    finally:
        telemetry.flush()
