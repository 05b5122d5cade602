"""What only those know who use a setting: providers of secrets, filters of clauses, destinations of targets."""

from __future__ import annotations

import time

from hookline import filters, providers
from hookline.config import Config, Problem, Source, resolve
from hookline.config.settings import Level
from hookline.errors import ConfigError
from hookline.providers.base import refuse_options
from hookline.routing import matches_any
from hookline.secrets import is_placeholder, is_reference

NEEDS_AN_ANSWER = {"stripe": ("issuing_authorization.request",), "discord": ("*",)}
"""Events whose sender wants a decision in the answer: a queue cannot give one."""


def problems_of(config: Config, now: float | None = None, *, secrets: bool = True) -> list[Problem]:
    """Every problem of a configuration whose shape is right. ``secrets`` False looks for none of them."""
    now = time.time() if now is None else now
    found: list[Problem] = []
    for source in config.sources.values():
        found += _of_source(config, source, now, secrets)
    for index, route in enumerate(config.routes):
        if route.when is not None:
            try:
                filters.compile(route.when)
            except ConfigError as problem:
                found.append(_said(config, f"routes[{index}].when", problem))
    return found


def _of_source(config: Config, source: Source, now: float, secrets: bool) -> list[Problem]:
    key = f"sources.{source.name}"
    row = providers.PROVIDERS.get(source.provider)
    found: list[Problem] = []
    texts: list[str] = []
    for index, ref in enumerate(source.secrets if secrets else ()):
        where = f"{key}.secrets[{index}]"
        if ref.until is not None and ref.until <= now:
            found.append(_problem(config, where, "has ended", "take it out", level="warning"))
            continue
        try:
            text = resolve(ref.ref)
        except ConfigError as problem:
            found.append(_problem(config, where, str(problem), "set it", level="secret"))
            continue
        if is_placeholder(text):
            found.append(_problem(config, where, "is what stands in examples", f"put in {_credential(row)}", "secret"))
        elif not is_reference(ref.ref):
            cure = "move it to an environment variable or a file: env:NAME, file:PATH"
            found.append(_problem(config, where, "stands in the settings file", cure, level="warning"))
        texts.append(text)
    usable = secrets and not any(problem.level == "secret" for problem in found)
    try:
        if usable or row is None:
            providers.bind(source, texts)
        else:
            refuse_options(row, source.options, key)
            if row.configure is not None:
                row.configure(row, source.options, key)
    except ConfigError as problem:
        found.append(_said(config, key, problem))
    asked = NEEDS_AN_ANSWER.get(source.provider, ())
    wanted = [kind for kind in asked if kind == "*" or (source.events and matches_any(source.events, kind))]
    if wanted:
        kinds = "its events" if wanted == ["*"] else ", ".join(wanted)
        what = f"{kinds} want a decision in the answer, which a queue cannot give"
        found.append(_problem(config, key, what, "let your application answer them itself", level="warning"))
    return found


def _credential(row: providers.Provider | None) -> str:
    return row.credential if row is not None else "the real one"


def _said(config: Config, key: str, problem: ConfigError) -> Problem:
    """What a room raised, as a row: ``sources.x.id: what — cure``."""
    text = str(problem)
    named, colon, rest = text.partition(": ")
    if colon and " " not in named and named.split(".")[0] in ("sources", "routes", "destinations", "server"):
        key, text = named, rest
    what, _, cure = text.partition(" — ")
    return _problem(config, key, what, cure, level="secret" if ".secrets" in key else "error")


def _problem(config: Config, key: str, what: str, cure: str, level: Level = "error") -> Problem:
    return Problem(key=key, what=what, cure=cure, place=_place(config, key), level=level)


def _place(config: Config, key: str) -> str:
    """Where the key is written, or the nearest table around it."""
    while key:
        if key in config.places:
            return config.places[key]
        cut = max(key.rfind("."), key.rfind("["))
        key = key[:cut] if cut > 0 else ""
    return ""
