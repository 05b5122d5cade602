"""What a user's code talks to: ``hooks = Hookline()`` and ``@hooks.on(...)``."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hookline import filters
from hookline.config import Config, Problem, kinds, load
from hookline.errors import ConfigError
from hookline.handlers import Handler
from hookline.model import HandlerRoute

if TYPE_CHECKING:
    from hookline.app.mount import Asgi, Lifespan

Function = TypeVar("Function", bound=Callable[..., Any])

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_ORDERING_ROOTS = ("body", "header", "type", "subject", "id")


class Hookline:
    """Handlers and configuration of one app.

    Files are read at start, not at import: making one of these costs nothing and fails for nothing.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        files: str | Path | Sequence[str | Path] = (),
    ) -> None:
        """``config`` says in code what a file would say (``{"sources": {"github": {...}}}``); files, environment and
        flags go over it. ``files`` are read instead of ``hookline.toml``."""
        self.config = dict(config or {})
        self.files: tuple[str | Path, ...] = (files,) if isinstance(files, str | Path) else tuple(files)
        self._handlers: dict[str, Handler] = {}
        self._asgi: Asgi | None = None
        self._module = str(sys._getframe(1).f_globals.get("__name__", ""))

    def __repr__(self) -> str:
        return f"Hookline({len(self._handlers)} handlers)"

    # -- handlers ------------------------------------------------------------------------------------------------

    def on(
        self,
        source: str,
        *types: str,
        name: str | None = None,
        ordering_key: str | None = None,
        timeout: float | str | None = None,
        retry: str | Sequence[float | str] | Mapping[str, Any] | None = None,
        concurrency: int | None = None,
        when: Mapping[str, Any] | None = None,
        environment: str | None = None,
        transaction: Any = None,
    ) -> Callable[[Function], Function]:
        """Call the function below for events of ``source`` (a name or pattern such as ``"stripe*"``) that have one of
        ``types`` (``"invoice.*"``); without types, for all of them.

        :param name: what its destination is called; ``module.function`` otherwise.
        :param ordering_key: a path such as ``body.customer``: events with the same value run one after the other.
        :param timeout: seconds, or ``"30s"``, for one attempt.
        :param retry: the waits after each failure: ``"5s 5m 30m"``. ``""`` for one attempt only.
        :param concurrency: how many may run at once, in all workers together.
        :param when: a JSON match over the event: ``{"body.amount": {"$gte": 1000}}``.
        :param environment: whose events it gets; ``server.environment`` otherwise.
        :param transaction: what the handler's writes commit with; the transaction is then its second argument. A
            SQLAlchemy engine, a psycopg or asyncpg pool, ``"django:default"``, or ``"store"`` for tables in the store
            itself. What is written through it happens once for each event, whatever crashes; any outcome but success
            rolls back.
        :raises ConfigError: for anything that could not work, with the place and the cure.
        """

        def register(function: Function) -> Function:
            self._add(
                _handler(
                    function,
                    source=source,
                    types=types,
                    name=name,
                    ordering_key=ordering_key,
                    timeout=timeout,
                    retry=retry,
                    concurrency=concurrency,
                    when=when,
                    environment=environment,
                    transaction=transaction,
                )
            )
            return function

        return register

    def _add(self, handler: Handler) -> None:
        known = self._handlers.get(handler.name)
        if known is not None:
            raise ConfigError(
                f"{known.place} and {handler.place}: both handlers are called {handler.name} — "
                'give one of them a name of its own: @hooks.on(..., name="…")'
            )
        self._handlers[handler.name] = handler

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """By name: what a worker looks up for a claim's destination."""
        return self._handlers

    def routes(self) -> tuple[HandlerRoute, ...]:
        """What ingest needs to know of the handlers, as it is published to the store."""
        return tuple(
            HandlerRoute(
                name=handler.name,
                source=handler.source,
                types=handler.types,
                environment=handler.environment,
                ordering_key=handler.ordering_key,
                when=handler.when,
            )
            for handler in self._handlers.values()
        )

    # -- configuration -------------------------------------------------------------------------------------------

    def load(
        self,
        paths: Sequence[str | Path] = (),
        env: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> tuple[Config | None, list[Problem]]:
        """This app's configuration and its problems: code < ``paths`` (or its own files) < environment < flags."""
        return load(paths or self.files, env, flags, self.config)

    # -- within another web app ----------------------------------------------------------------------------------

    @property
    def asgi(self) -> Asgi:
        """The public door as an ASGI app: ``app.mount("/hooks", hooks.asgi)``. It starts at its first request, or
        with ``lifespan``."""
        if self._asgi is None:
            from hookline.app.mount import Asgi

            self._asgi = Asgi(self)
        return self._asgi

    def lifespan(self, app: Any = None, *, work: bool = False, then: Any = None) -> Lifespan:
        """For ``FastAPI(lifespan=hooks.lifespan)``. ``hooks.lifespan(work=True)`` starts a worker process as well, one
        a machine; ``then=`` is the host's own lifespan, which runs inside."""
        from hookline.app.mount import Lifespan

        opening = Lifespan(self, work=work, then=then)
        return opening if app is None else opening(app)

    @property
    def reference(self) -> str | None:
        """``module:attribute`` under which another process finds this app; None where no module keeps it."""
        modules = sorted(sys.modules.items(), key=lambda item: item[0] != self._module)
        for module, content in modules:
            for attribute, value in list(getattr(content, "__dict__", {}).items()):
                if value is self and attribute.isidentifier():
                    return f"{_importable(module)}:{attribute}"
        return None


def _importable(module: str) -> str:
    """The name of a module for others: ``python app.py`` runs it as ``__main__``."""
    main = sys.modules.get("__main__")
    if module != "__main__" or main is None:
        return module
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    return Path(file).stem if file else module


def _handler(function: Callable[..., Any], **given: Any) -> Handler:
    place = _place(function)
    try:
        return _checked(function, place, **given)
    except (ValueError, ConfigError) as trouble:
        raise ConfigError(f"{place}: {trouble}") from None


def _checked(
    function: Callable[..., Any],
    place: str,
    *,
    source: Any,
    types: tuple[Any, ...],
    name: str | None,
    ordering_key: str | None,
    timeout: float | str | None,
    retry: Any,
    concurrency: int | None,
    when: Mapping[str, Any] | None,
    environment: str | None,
    transaction: Any,
) -> Handler:
    if not isinstance(source, str) or not source:
        raise ConfigError('write @hooks.on("github", "push"): a source first, then types')
    if bad := [item for item in types if not isinstance(item, str) or not item]:
        raise ConfigError(
            f'types are texts, one after the other: "push", "issues"; one here is {kinds.described(bad[0])}'
        )
    name = name or _name(function)
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{kinds.quoted(name)} cannot be a handler's name: use letters, digits, '_', '-' and '.'")
    if ordering_key is not None and ordering_key.partition(".")[0] not in _ORDERING_ROOTS:
        raise ConfigError(f"ordering_key={ordering_key!r} leads nowhere — begin it with body., header., or subject")
    if when is not None:
        filters.compile(when)
    _check_signature(function, arguments=1 if transaction is None else 2)
    _check_transaction(function, transaction)
    if isinstance(retry, Mapping):
        if retry.keys() != {"schedule"}:
            raise ConfigError('retry= takes "5s 5m 30m" or {"schedule": "5s 5m 30m"}')
        retry = retry["schedule"]
    return Handler(
        name=name,
        function=function,
        is_async=_is_async(function),
        source=source,
        types=types,
        ordering_key=ordering_key,
        timeout=_read("timeout", kinds.DURATION, timeout),
        schedule=_read("retry", kinds.SCHEDULE, retry),
        concurrency=_read("concurrency", kinds.whole(1, 100_000), concurrency),
        when=dict(when) if when is not None else None,
        environment=environment,
        transaction=transaction,
        place=place,
    )


def _read(name: str, kind: kinds.Kind, value: object) -> Any:
    try:
        return None if value is None else kind.read(value)
    except ValueError as trouble:
        raise ConfigError(f"{name}= {trouble}") from None


def _check_transaction(function: Callable[..., Any], transaction: Any) -> None:
    if transaction == "store" and _is_async(function):
        raise ConfigError('transaction="store" is for plain functions, it holds a lock that the door needs — use def')
    if transaction not in (None, "store"):
        from hookline.destinations.transaction import begin

        begin(transaction, is_async=_is_async(function))


def _check_signature(function: Callable[..., Any], arguments: int) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError("a handler that yields is never run to its end — return instead")
    try:
        inspect.signature(function).bind(*[object()] * arguments)
    except TypeError:
        called = "one argument: def handler(event)" if arguments == 1 else "two arguments: def handler(event, tx)"
        raise ConfigError(f"this handler is called with {called}") from None
    except ValueError:
        pass  # a builtin that does not tell


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004  not asking whether, but how


def _name(function: Any) -> str:
    inner = getattr(function, "func", function)  # functools.partial
    name = getattr(inner, "__qualname__", None) or type(inner).__name__
    return f"{inner.__module__}.{name}".replace("<locals>.", "").replace("<lambda>", "lambda")


def _place(function: Any) -> str:
    """``app.py:12``, from the working directory where it lies below it."""
    code = getattr(inspect.unwrap(getattr(function, "func", function)), "__code__", None)
    if code is None:
        return str(getattr(function, "__module__", "?"))
    path = os.path.relpath(code.co_filename)
    return f"{code.co_filename if path.startswith('..') else path}:{code.co_firstlineno}"
