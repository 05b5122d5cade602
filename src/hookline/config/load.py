"""From layers to a :class:`Config`, with every problem at once: nothing stops at the first."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hookline.config import kinds, layers
from hookline.config.layers import Keys, Layers, show_keys
from hookline.config.settings import (
    TABLES,
    Config,
    Destination,
    Doc,
    Problem,
    Retry,
    Route,
    SecretRef,
    Server,
    Source,
    Table,
    settings_of,
)
from hookline.errors import ConfigError
from hookline.secrets import is_reference, resolve

T = TypeVar("T", bound=Table)

MAX_BODY = 25 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,254}")
_OURS = re.compile(r"/(?:webhooks/?|healthz|readyz|i/.*)?")


def load(
    paths: Sequence[str | Path] = (),
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    code: Mapping[str, Any] | None = None,
) -> tuple[Config | None, list[Problem]]:
    """The configuration of ``code`` < the files at ``paths``, later ones win < ``env`` < ``flags`` (dotted keys), and
    every problem that it has. Without paths ``hookline.toml`` is read where there is one, without ``env`` the
    process's own, and without ``code`` what a parent process handed down.

    The configuration is None while any problem is an ``error``. Problems of level ``secret`` and ``warning`` leave it
    usable. Never raises, whatever the files and the environment hold.
    """
    config, problems = read(paths, env, flags, code)
    return (None if any(problem.level == "error" for problem in problems) else config), problems


def read(
    paths: Sequence[str | Path] = (),
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    code: Mapping[str, Any] | None = None,
) -> tuple[Config, list[Problem]]:
    """The same, with whatever could be read: for a check that goes on to look for more problems. Not to be run."""
    env = os.environ if env is None else env
    problems: list[Problem] = []
    files = layers.read_files(paths, problems)
    said = Layers()
    for layer in (layers.from_code(code, env, problems), *(layer for _, layer in files)):
        said.add(layer)
    said.add(layers.from_environment(env, said.data, problems))
    said.add(layers.from_flags(flags or {}, problems))
    base = Path(files[0][0]).absolute().parent if files else Path.cwd()
    config = _Reading(said, env, base, problems).config(tuple(name for name, _ in files))
    problems.sort(key=Problem.order)
    return config, problems


class _Reading:
    """One reading of all layers; ``problems`` grows on the way."""

    def __init__(self, said: Layers, env: Mapping[str, str], base: Path, problems: list[Problem]) -> None:
        self.said = said
        self.env = env
        self.base = base
        self.problems = problems

    def config(self, files: tuple[str, ...]) -> Config:
        for key in self.said.data:
            if key not in layers.SECTIONS:
                self._unknown((key,), layers.SECTIONS)
        tables: dict[str, Any] = {
            name: self._struct(table, self._table((name,)), (name,)) for name, table in TABLES.items()
        }
        self._relations(tables)
        server = self._server(tables["server"])
        limits, delivery = tables["limits"], tables["delivery"]
        sources = self._named("sources", lambda name, data: self._source(name, data, server, limits.body))
        destinations = self._named("destinations", lambda name, data: self._destination(name, data, delivery))
        routes = self._routes(sources, destinations)
        self._paths(sources)
        places = {show_keys(keys): place for keys, place in self.said.places.items() if place}
        return Config(
            **{**tables, "server": server},
            sources=sources,
            destinations=destinations,
            routes=routes,
            files=files,
            places=places,
        )

    # -- tables ------------------------------------------------------------------------------------------------------

    def _table(self, keys: Keys) -> Mapping[Any, Any]:
        """The table at a top-level key, empty where there is none."""
        return self._as_table(self.said.data.get(str(keys[0]), {}), keys)

    def _as_table(self, value: object, keys: Keys) -> Mapping[Any, Any]:
        if isinstance(value, Mapping):
            return value
        self._problem(keys, f"is {kinds.described(value)}", f"make it a table: [{show_keys(keys)}]")
        return {}

    def _values(self, table: type[Table], data: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
        """The fields of ``table`` that are written in ``data`` and can be read."""
        values = {}
        for field, key, setting, _ in settings_of(table):
            if key not in data or field == "secrets":
                continue
            try:
                values[field] = setting.kind.read(self._resolved(data[key]))
            except (ValueError, ConfigError) as trouble:
                self._wrong((*keys, key), str(trouble))
            except RecursionError:
                self._wrong((*keys, key), "is nested too deeply: make it flatter")
        return values

    def _struct(self, table: type[T], data: Mapping[str, Any], keys: Keys) -> T:
        """A table that has no keys but its settings."""
        known = [key for _, key, _, _ in settings_of(table)]
        for key in data:
            if key not in known:
                self._unknown((*keys, key), known)
        return table(**self._values(table, data, keys))

    def _named(self, section: str, read: Callable[[str, Mapping[Any, Any]], T | None]) -> dict[str, T]:
        """``[sources.x]`` and ``[destinations.x]``: by name, those that can be read."""
        found = {}
        for name, data in self._table((section,)).items():
            keys = (section, name)
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                cure = "letters, digits, '-', '_' and '.', at most 64, beginning with a letter or digit"
                self._problem(keys, f"{kinds.quoted(name)[:80]} cannot be a name", cure)
            elif (item := read(name, self._as_table(data, keys))) is not None:
                found[name] = item
        return found

    # -- what is what ------------------------------------------------------------------------------------------------

    def _server(self, server: Server) -> Server:
        store = server.store
        if store.startswith("sqlite:///") and not store.startswith("sqlite:////"):
            store = f"sqlite:///{self.base / store.removeprefix('sqlite:///')}"
        paths = {
            name: str(self.base / value)
            for name in ("certificate", "certificate_key")
            if (value := getattr(server, name))
        }
        if server.certificate_key and not server.certificate:
            self._problem(("server", "certificate_key"), "stands without a certificate", "add server.certificate")
        return msgspec.structs.replace(server, store=store, **paths)

    def _source(self, name: str, data: Mapping[str, Any], server: Server, body: int) -> Source | None:
        keys = ("sources", name)
        values = self._values(Source, data, keys)
        if "provider" not in data:
            self._problem(keys, "has no provider", 'add provider = "github" or "stripe" or "hmac" or …')
        values["secrets"] = self._secrets(data.get("secrets"), (*keys, "secrets"))
        values["doc"] = self._struct(Doc, self._as_table(data.get("doc", {}), (*keys, "doc")), (*keys, "doc"))
        values["options"] = self._options(Source, data, keys, ("doc",))
        if values.get("max_body", 0) > MAX_BODY:
            self._wrong((*keys, "max_body"), "is more than 25MiB: no provider sends more")
        path = values.setdefault("path", f"/webhooks/{name}")
        if not _PATH.fullmatch(path) or _OURS.fullmatch(path):
            self._wrong((*keys, "path"), f'is no path of yours: write "/old/hooks", or drop it for /webhooks/{name}')
        values.setdefault("url", server.public_url + path if server.public_url else "")
        values.setdefault("environment", server.environment)
        values.setdefault("max_body", body)
        values.setdefault("require_https", server.require_https)
        return Source(name=name, **values) if "provider" in values else None

    def _destination(self, name: str, data: Mapping[str, Any], delivery: Any) -> Destination | None:
        keys = ("destinations", name)
        values = self._values(Destination, data, keys)
        if "type" not in data:
            self._problem(keys, "has no type", 'add type = "http" or "slack" or "email" or "notify" or "command"')
        given = data.get("retry", {})
        given = {"schedule": given} if isinstance(given, str | list) else given
        retry = self._struct(Retry, self._as_table(given, (*keys, "retry")), (*keys, "retry"))
        values["schedule"] = delivery.schedule if retry.schedule is None else retry.schedule
        values["jitter"] = delivery.jitter if retry.jitter is None else retry.jitter
        values.setdefault("timeout", delivery.timeout)
        values["options"] = self._options(Destination, data, keys, ("retry",))
        return Destination(name=name, **values) if "type" in values else None

    def _routes(self, sources: Mapping[str, Source], destinations: Mapping[str, Destination]) -> tuple[Route, ...]:
        written = self.said.data.get("routes", [])
        if not isinstance(written, list):
            self._problem(("routes",), f"is {kinds.described(written)}", "begin each route with [[routes]]")
            return ()
        routes: list[Route] = []
        for number, data in enumerate(written):
            keys: Keys = ("routes", number)
            if not isinstance(data, Mapping):
                self._problem(keys, f"is {kinds.described(data)}", "begin each route with [[routes]]")
            elif (route := self._route(number, data, keys)) is not None:
                self._check_route(route, keys, sources, destinations, {known.name for known in routes})
                routes.append(route)
        return tuple(routes)

    def _route(self, number: int, data: Mapping[str, Any], keys: Keys) -> Route | None:
        known = [key for _, key, _, _ in settings_of(Route)]
        for key in data:
            if key not in known:
                self._unknown((*keys, key), known)
        values = self._values(Route, data, keys)
        if "from" not in data:
            self._problem(keys, "does not say from which source", 'add from = "github"')
        if not data.get("to"):
            self._problem((*keys, "to"), "does not say to which destinations", 'add to = ["…"]')
        if "source" not in values:
            return None
        values.setdefault("name", f"{values['source']}:{number + 1}")
        return Route(**values)

    def _check_route(
        self,
        route: Route,
        keys: Keys,
        sources: Mapping[str, Source],
        destinations: Mapping[str, Destination],
        names: set[str],
    ) -> None:
        """Names that lead nowhere. Of a table that could not be read the name is good enough here."""
        written = self._table(("destinations",)).keys() | destinations.keys()
        for index, name in enumerate(route.to):
            if name not in written:
                what = f"there is no destination {kinds.quoted(name)}"
                self._unknown((*keys, "to", index), sorted(written), what, name)
        known = self._table(("sources",)).keys() | sources.keys()
        if "*" not in route.source and route.source not in known:
            what = f"there is no source {kinds.quoted(route.source)}"
            self._unknown((*keys, "from"), sorted(known), what, route.source)
        if route.name in names:
            what = f"{kinds.quoted(route.name)} is the name of another route"
            self._problem((*keys, "name"), what, "give it its own")

    # -- secrets and options -----------------------------------------------------------------------------------------

    def _secrets(self, value: object, keys: Keys) -> tuple[SecretRef, ...]:
        if value is None:
            return ()
        if isinstance(value, Mapping) or (isinstance(value, str) and not self._from_environment(keys)):
            value = [value]  # a secret may have commas; only a variable has no other way to say several
        items = kinds.listed(value)
        if items is None:
            self._wrong(keys, 'is no list: write ["env:NAME"]')
            return ()
        refs = []
        for index, item in enumerate(items):
            try:
                refs.append(self._secret(item))
            except ValueError as trouble:
                self._wrong((*keys, index), str(trouble))
        return tuple(refs)

    def _secret(self, item: object) -> SecretRef:
        until = None
        if isinstance(item, Mapping):
            if extra := sorted(str(key) for key in item.keys() - {"ref", "until"}):
                raise ValueError(f'has an unknown key, {kinds.quoted(extra[0])}: there are "ref" and "until"')
            if "until" in item:
                until = kinds.read_moment(item["until"])
            item = item.get("ref")
        ref = self._absolute(kinds.read_text(item))
        if ref in ("", "env:", "file:"):
            raise ValueError('is empty: write "env:NAME" or "file:PATH"')
        return SecretRef(ref=ref, until=until)

    def _options(
        self, table: type[Table], data: Mapping[str, Any], keys: Keys, also: tuple[str, ...]
    ) -> dict[str, Any]:
        """The keys that are not ours: the provider's, or the destination type's. Those who know them judge them
        later; here only slips of the pen on our own are found."""
        known = [key for _, key, _, _ in settings_of(table)] + list(also)
        options = {}
        for key, value in data.items():
            if key in known:
                continue
            if get_close_matches(str(key).lower(), known, n=1, cutoff=0.8):
                self._unknown((*keys, key), known)
            else:
                if isinstance(value, str) and self._from_environment((*keys, key)):
                    value = kinds.from_text(value)
                options[str(key)] = self._absolute_all(value)
        return options

    def _from_environment(self, keys: Keys) -> bool:
        return self.said.place(keys).startswith("environment ")

    def _resolved(self, value: Any) -> Any:
        return resolve(self._absolute(value), self.env) if isinstance(value, str) and is_reference(value) else value

    def _absolute(self, ref: str) -> str:
        """``file:`` paths start at the first settings file."""
        if ref.startswith("file:") and len(ref) > 5:
            return f"file:{self.base / ref.removeprefix('file:')}"
        return ref

    def _absolute_all(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self._absolute(value)
        if depth < layers.MAX_DEPTH:
            if isinstance(value, Mapping):
                return {str(key): self._absolute_all(item, depth + 1) for key, item in value.items()}
            if isinstance(value, list | tuple):
                return [self._absolute_all(item, depth + 1) for item in value]
        return value

    # -- what hangs together -----------------------------------------------------------------------------------------

    def _relations(self, tables: Mapping[str, Any]) -> None:
        limits, retention, delivery = tables["limits"], tables["retention"], tables["delivery"]
        if limits.body > MAX_BODY:
            self._wrong(("limits", "body"), "is more than 25MiB: no provider sends more")
        if retention.ids < retention.events + 15 * 86_400:
            what = "is less than retention.events + 15d: a late duplicate would run again"
            self._wrong(("retention", "ids"), what + ": make it longer")
        if delivery.renew * 2 > delivery.lease:
            self._wrong(("delivery", "renew"), "is more than half of delivery.lease: make it shorter")
        if limits.disk_warn < limits.disk_refuse:
            self._wrong(("limits", "disk_warn"), "is less than limits.disk_refuse: make it more")

    def _paths(self, sources: Mapping[str, Source]) -> None:
        taken: dict[str, str] = {}
        for name, source in sources.items():
            other = taken.setdefault(source.path, name)
            if other != name:
                what = f"is the path of sources.{other} too"
                self._problem(("sources", name, "path"), what, "give one of them another path")

    # -- saying so ---------------------------------------------------------------------------------------------------

    def _wrong(self, keys: Keys, trouble: str) -> None:
        """A problem whose cure stands behind the colon of a reader, or the dash of a ConfigError."""
        what, _, cure = trouble.partition(" — " if is_reference(trouble) else ": ")
        self._problem(keys, what, cure)

    def _unknown(self, keys: Keys, known: Sequence[str], what: str = "is no setting", name: str = "") -> None:
        near = get_close_matches(str(name or keys[-1]).lower(), known, n=1, cutoff=0.6)
        cure = f"did you mean {kinds.quoted(near[0])}?" if near else ""
        if not cure and len(known) <= 12:
            cure = f"there are {', '.join(known)}" if known else "there are none yet"
        self._problem(keys, what, cure)

    def _problem(self, keys: Keys, what: str, cure: str = "") -> None:
        self.problems.append(Problem(key=show_keys(keys), what=what, cure=cure, place=self.said.place(keys)))
