"""Everything that is wrong with a configuration, at once: what the files say, what providers and destinations make of
it, whether the names of the app fit, and advice. ``hookline check`` prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from msgspec.structs import replace

from hookline import filters, providers
from hookline.app import Hookline
from hookline.app.imports import find_app
from hookline.config import Config, Problem, SecretRef, Source, read, resolved_destination, resolved_source
from hookline.config.settings import Level
from hookline.destinations import build
from hookline.errors import ConfigError
from hookline.handlers import Handler
from hookline.providers.binding import configured
from hookline.routing import matches, matches_any
from hookline.secrets import is_reference, resolve
from hookline.store import path_of

SHORTEST = 16
"""Characters: what people make up by hand is shorter, what providers and password managers make is longer."""

_ENDED = "ended"

ANSWER_NOW = {
    "stripe": ("issuing_authorization.request", "approves or declines a card payment by the answer, within 2 s"),
    "discord": ("*", "shows the answer to the user: an interaction is lost without one within 3 s"),
}
"""Types whose answer is a decision: what is only queued answers too late, whatever the handler decides."""


def check(
    paths: Sequence[str | Path] = (),
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    *,
    now: float,
    app: Hookline | str | None = None,
    secrets: bool = True,
) -> tuple[Config, list[Problem]]:
    """The readable part of a configuration, and every problem that it has, in the order of the file.

    ``secrets=False`` looks up no secret and says nothing about them: for machines that have none, such as CI. ``app``,
    or its ``module:attribute`` (``server.app`` where nobody says), brings its own settings and its handlers' names; one
    that cannot be imported is a problem like any other.
    """
    found: list[Problem] = []
    name = app if isinstance(app, str) else ""
    if app is None:
        config, _ = read(paths, env, flags)
        name = config.server.app
    if name:
        app = _imported(name, found)
    hooks = app if isinstance(app, Hookline) else None
    config, problems = read(paths or (hooks.files if hooks else ()), env, flags, hooks.config if hooks else None)
    found += (problem for problem in problems if secrets or problem.level != "secret")
    found += judge(config, env, now=now, app=hooks, secrets=secrets, unheard=bool(name) and hooks is None)
    return config, sorted(set_of(found), key=Problem.order)


def judge(
    config: Config,
    env: Mapping[str, str] | None = None,
    *,
    now: float,
    app: Hookline | None = None,
    secrets: bool = True,
    unheard: bool = False,
) -> list[Problem]:
    """What is wrong with a configuration that could be read. ``unheard``: there is an app that could not be asked."""
    handlers = list(app.handlers.values()) if app else []
    return [
        *(problem for source in config.sources.values() for problem in _source(config, source, env, now, secrets)),
        *(problem for name in config.destinations for problem in _destination(config, name, env, secrets)),
        *_store(config),
        *_filters(config),
        *_handlers(config, handlers),
        *([] if unheard else _unrouted(config, handlers, app is not None)),
        *_advice(config, handlers),
        *_https(config),
    ]


def _imported(name: str, problems: list[Problem]) -> Hookline | None:
    try:
        return find_app(name)
    except ConfigError as trouble:
        what, _, cure = str(trouble).partition(" — ")
        problems.append(Problem(key=f"app {name}", what=what, cure=cure))
        return None


def set_of(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Each problem once: what a file says wrongly may upset more than one who reads it."""
    seen = set()
    for problem in problems:
        if (identity := (problem.key, problem.what)) not in seen:
            seen.add(identity)
            yield problem


def _source(
    config: Config, source: Source, env: Mapping[str, str] | None, now: float, secrets: bool
) -> Iterator[Problem]:
    """Whether the source's verifier can be made, and whether its secrets are worth that name."""
    texts: tuple[str, ...] = ()
    bound = source
    if secrets:
        missing = list(_missing(config, source, env, now))
        yield from missing
        if missing:
            yield from _shape(config, source)
            return
        bound, texts = resolved_source(source, now, lambda ref: resolve(ref, env))
    try:
        verifier = providers.bind(bound, texts)
    except ConfigError as trouble:
        about_secret = str(trouble).startswith(f"sources.{source.name}.secret")
        if secrets or not about_secret:
            level: Level = "secret" if about_secret and source.secrets else "error"
            if about_secret and not source.secrets and providers.PROVIDERS[source.provider].learns_secret:
                level = "warning"  # the store may have it already: a handshake brings it, not the file
            yield problem_of(config, str(trouble), level, f"sources.{source.name}")
    else:
        if not source.url and verifier.provider.signs_url:
            key = f"sources.{source.name}"
            what = f"{source.provider} signs the URL that it calls, and there is none to compare with"
            yield Problem(key=key, what=what, cure="set server.public_url", place=config.place(key))
    for index, text in enumerate(texts):
        if doubt := _doubt(text):
            key = f"sources.{source.name}.secrets[{index}]"
            yield _warning(config, key, doubt, "copy it again, or make a longer one where it is yours to choose")
    for index, secret in enumerate(source.secrets):
        key = f"sources.{source.name}.secrets[{index}]"
        if secret.until is not None and secret.until <= now:
            yield _warning(config, key, "has ended", "take it out")
        elif not is_reference(secret.ref):
            yield _warning(config, key, "is written out in the file", 'keep it elsewhere: "env:NAME" or "file:PATH"')


def _shape(config: Config, source: Source) -> Iterator[Problem]:
    """What is wrong with a source besides the texts that it refers to and that cannot be had."""
    plain = {key: value for key, value in source.options.items() if not is_reference(value)}
    try:
        configured(replace(source, options=plain))
    except ConfigError as trouble:
        yield problem_of(config, str(trouble), "error", f"sources.{source.name}")


def _destination(config: Config, name: str, env: Mapping[str, str] | None, secrets: bool) -> Iterator[Problem]:
    """Whether the destination can be made. Where no secret is looked up, any text stands in for it."""
    key = f"destinations.{name}"
    try:
        found = resolved_destination(
            config.destinations[name], lambda ref: resolve(ref, env) if secrets else "https://secret.example"
        )
    except ConfigError as trouble:
        yield problem_of(config, str(trouble), "secret", key)
        return
    try:
        build(found, config)
    except ConfigError as trouble:
        if secrets or found == config.destinations[name]:
            yield problem_of(config, str(trouble), "error", key)


def _missing(config: Config, source: Source, env: Mapping[str, str] | None, now: float) -> Iterator[Problem]:
    """Every text that the source refers to and that cannot be had."""
    alone = [replace(source, secrets=(), options={key: value}) for key, value in source.options.items()]
    for index, secret in enumerate(source.secrets):
        if secret.until is None or secret.until > now:
            earlier = (SecretRef(ref=_ENDED, until=now),) * index  # so that this one keeps its number
            alone.append(replace(source, secrets=(*earlier, secret), options={}))
    if not any(secret.until is None or secret.until > now for secret in source.secrets):
        alone.append(replace(source, options={}))
    for part in alone:
        try:
            resolved_source(part, now, lambda ref: resolve(ref, env))
        except ConfigError as trouble:
            yield problem_of(config, str(trouble), "secret", f"sources.{source.name}")


def _doubt(secret: str) -> str:
    """What is suspicious about a secret, without a word of it."""
    if secret != secret.strip():
        return "begins or ends with white space"
    if len(secret) > 1 and secret[0] == secret[-1] and secret[0] in "\"'":
        return "stands in quotes, which are then part of it"
    if len(secret) < SHORTEST:
        return f"has only {len(secret)} characters"
    return ""


def _store(config: Config) -> Iterator[Problem]:
    """A store that the settings may name and that cannot be opened here."""
    try:
        path_of(config.server.store)
    except ConfigError as trouble:
        yield problem_of(config, str(trouble), "error", "server.store")


def _filters(config: Config) -> Iterator[Problem]:
    for number, route in enumerate(config.routes):
        if route.when is not None:
            try:
                filters.compile(route.when)
            except ConfigError as trouble:
                what, _, cure = str(trouble).removeprefix("when: ").partition(" — ")
                key = f"routes[{number}].when"
                yield Problem(key=key, what=what, cure=cure, place=config.place(key))


def _handlers(config: Config, handlers: Sequence[Handler]) -> Iterator[Problem]:
    """Handlers whose source is not there, or whose name is taken."""
    for handler in handlers:
        if not any(matches(handler.source, name) for name in config.sources):
            near = get_close_matches(handler.source, config.sources, n=1)
            cure = f'did you mean "{near[0]}"?' if near else f"add [sources.{handler.source}]"
            what = f'there is no source "{handler.source}"'
            yield Problem(key=f"handler {handler.name}", what=what, cure=cure, place=handler.place)
        if handler.name in config.destinations:
            key = f"destinations.{handler.name}"
            what = f"is the name of a handler too ({handler.place})"
            yield Problem(key=key, what=what, cure="rename one of them", place=config.place(key))


def _unrouted(config: Config, handlers: Sequence[Handler], app_is_here: bool) -> Iterator[Problem]:
    """Sources whose events nobody wants."""
    here = config.server.environment
    wanted = [(route.source, route.environment or here) for route in config.routes]
    wanted += [(handler.source, handler.environment or here) for handler in handlers]
    for source in config.sources.values():
        if source.retired:
            continue
        if not any(matches(name, source.name) and environment == source.environment for name, environment in wanted):
            what = "has no route and no handler"
            if any(matches(name, source.name) for name, _ in wanted):
                what = f"has no route and no handler in its environment, {source.environment}"
            cure = "its events would end as ignored: add [[routes]] or @hooks.on"
            if not app_is_here:
                cure += ", or name the app that has them: hookline check app:hooks"
            yield _warning(config, f"sources.{source.name}", what, cure)


def _advice(config: Config, handlers: Sequence[Handler]) -> Iterator[Problem]:
    """Events that want their answer at once."""
    for source in config.sources.values():
        if source.provider not in ANSWER_NOW:
            continue
        type, why = ANSWER_NOW[source.provider]
        asked = [route.events for route in config.routes if matches(route.source, source.name)]
        asked += [handler.types for handler in handlers if matches(handler.source, source.name)]
        named = [patterns for patterns in asked if patterns and matches_any(patterns, type)]
        if type == "*" or named or (source.events and matches_any(source.events, type)):
            what = f"{source.provider} {why}" if type == "*" else f"{type}: {source.provider} {why}"
            yield _warning(
                config, f"sources.{source.name}", what, "answer those in your own web app; queue the rest here"
            )


def _https(config: Config) -> Iterator[Problem]:
    server = config.server
    if server.certificate or server.trusted_proxies or server.public.startswith("unix:"):
        return
    strict = ["server.require_https"] if server.require_https else []
    strict += [f"sources.{name}.require_https" for name, source in config.sources.items() if source.require_https]
    for key in strict[:1]:
        what = "refuses everybody: there is no certificate, and no proxy is trusted to say that it was HTTPS"
        cure = "set server.certificate, or server.trusted_proxies"
        yield Problem(key=key, what=what, cure=cure, place=config.place(key))


def problem_of(config: Config, message: str, level: Level, around: str) -> Problem:
    """A ConfigError's ``key: what — cure`` as a problem, with its place."""
    key, colon, text = message.partition(": ")
    if not colon or not key.startswith(around):
        key, text = around, message
    what, _, cure = text.partition(" — ")
    place = config.place(key)
    return Problem(key=key, what=what, cure=cure, place=place, level=level)


def _warning(config: Config, key: str, what: str, cure: str) -> Problem:
    return Problem(key=key, what=what, cure=cure, place=config.place(key), level="warning")
