"""``python -m hookline.app.publish app:hooks``: a short-lived process that publishes an app's handlers to the store.

The door routes by what is published and never imports user code, so that an app which hangs, leaks or dies at import
takes nothing with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence

from hookline import telemetry
from hookline.app.imports import ImportTrouble, app_name, find_app
from hookline.config import load
from hookline.errors import ConfigError, HooklineError
from hookline.model import HandlerRoute
from hookline.store import open_store

OK, FAILURE, PROBLEMS = 0, 1, 3


async def publish(reference: str, routes: Sequence[HandlerRoute], url: str, generation: int, *, only: bool) -> bool:
    """Write an app's handlers to the store at ``url``; False where a newer generation was there first. ``only`` forgets
    all other apps: right where this app is the store's only one."""
    store = await open_store(url, role="publish")
    try:
        published = await store.publish_app(reference, generation, routes)
        if only and published:
            await store.forget_other_apps(reference)
        return published
    finally:
        await store.close()


async def note_error(reference: str, url: str, generation: int, error: str) -> None:
    """Leave the last good handlers where they are, with why the new ones did not come."""
    store = await open_store(url, role="publish")
    try:
        await store.note_app_error(reference, generation, error)
    finally:
        await store.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when published (or when somebody newer was faster), 3 when the app cannot be imported."""
    parser = argparse.ArgumentParser(prog="python -m hookline.app.publish", description=__doc__)
    parser.add_argument("app", help="module:attribute, such as app:hooks")
    parser.add_argument("--config", "-c", action="append", default=[], help="a settings file, for its store; repeats")
    parser.add_argument("--store", help="the store's URL, instead of the settings' one")
    parser.add_argument("--generation", type=int, help="a newer one replaces, the same one adds; default: now")
    parser.add_argument("--settings", action="store_true", help="publish nothing: print what the app says of settings")
    parser.add_argument("--only", action="store_true", help="forget the handlers of other apps")
    given = parser.parse_args(arguments)
    telemetry.configure_for_guests()
    generation = int(time.time() * 1000) if given.generation is None else given.generation
    if given.settings:
        return _tell_settings(given.app)
    try:
        name = app_name(given.app)
        url = given.store or _store(given.config)
    except ConfigError as trouble:
        print(f"hookline: {trouble}", file=sys.stderr)
        return PROBLEMS
    try:
        routes = find_app(name).routes()
        done = asyncio.run(publish(name, routes, url, generation, only=given.only))
    except ImportTrouble as trouble:
        print(f"{trouble.detail}hookline: {trouble}", file=sys.stderr)
        asyncio.run(note_error(name, url, generation, str(trouble)))
        return PROBLEMS
    except ConfigError as trouble:
        print(f"hookline: {trouble}", file=sys.stderr)
        return PROBLEMS
    except HooklineError as trouble:
        print(f"hookline: {trouble}", file=sys.stderr)
        return FAILURE
    names = ", ".join(route.name for route in routes) or "no handlers"
    print(f"published {name}: {names}" if done else f"{name}: a newer generation is published already")
    return OK


def _tell_settings(reference: str) -> int:
    """As JSON on stdout: ``Hookline(config, files=…)`` for processes that do not import the app."""
    try:
        hooks = find_app(reference)
        told = {"config": hooks.config, "files": [os.path.abspath(name) for name in hooks.files]}
        print(json.dumps(told, default=str))
    except ConfigError as trouble:
        print(f"hookline: {trouble}", file=sys.stderr)
        return PROBLEMS
    return OK


def _store(files: Sequence[str]) -> str:
    """The store that the settings name. What else is wrong with them is not our business here."""
    config, problems = load(files)
    if config is None:
        raise ConfigError("\n".join(str(problem) for problem in problems if problem.level == "error"))
    return config.server.store


if __name__ == "__main__":
    raise SystemExit(main())
