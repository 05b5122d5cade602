"""What an operation is: one thing that the API and the command line can do, said once.

A function's annotations say what it takes and gives; its decorator says how it is reached and who may. Routes, OpenAPI,
role checks, the command line's local and remote client: all are read from the table that the decorators fill.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import msgspec

from hookline.config import Config
from hookline.errors import HooklineError

if TYPE_CHECKING:
    from hookline.store.sqlite.store import SqliteStore as Store

ROLES = ("viewer", "operator", "admin")
MAX_LIMIT = 500


class Person(msgspec.Struct, frozen=True):
    """Who asks: a token's name, or the user of the machine, and what they may do."""

    name: str
    role: str

    def may(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation works with: the store, the configuration as it is now, who asks, and when."""

    store: Store
    config: Config
    who: Person
    now: float


class Trouble(HooklineError):
    """An operation that cannot be done, as an HTTP status and a sentence that says what to do."""

    status = 400
    title = "Bad request"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(Trouble):
    status, title = 404, "Not found"


class NotAllowed(Trouble):
    status, title = 403, "Not allowed"


class Unauthorized(Trouble):
    status, title = 401, "No valid token"


class Conflict(Trouble):
    status, title = 409, "Conflict"


class Ask(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of what operations take: path and query parameters, or path parameters and the fields of a JSON body."""


class Nothing(Ask):
    """An operation that takes nothing."""


class Bytes(msgspec.Struct):
    """An answer that is no JSON: exact bytes."""

    content: bytes
    content_type: str = "application/octet-stream"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table."""

    name: str
    method: str
    path: str
    """Below ``/api/v1``, with ``{parameters}``."""
    role: str
    tag: str
    summary: str
    description: str
    ask: type[Ask]
    answer: Any
    status: int
    run: Callable[[Desk, Any], Awaitable[Any]]

    @property
    def parameters(self) -> list[str]:
        """Names of the path's parameters."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def reads(self) -> bool:
        return self.method == "GET"


OPERATIONS: dict[str, Operation] = {}
Run = TypeVar("Run", bound=Callable[[Desk, Any], Awaitable[Any]])


def operation(method: str, path: str, *, role: str = "viewer", status: int = 200) -> Callable[[Run], Run]:
    """Put a function into the table. Its first docstring paragraph is the summary, the rest the description."""

    def add(run: Run) -> Run:
        name = getattr(run, "__name__")  # noqa: B009  Run is any callable to mypy
        hints = get_type_hints(run, include_extras=True)
        summary, _, description = inspect.cleandoc(run.__doc__ or "").partition("\n\n")
        OPERATIONS[name] = Operation(
            name=name,
            method=method,
            path=path,
            role=role,
            tag=path.split("/")[1],
            summary=" ".join(summary.split()),
            description=description,
            ask=hints["ask"],
            answer=hints["return"],
            status=status,
            run=run,
        )
        return run

    return add


async def perform(operation: Operation, desk: Desk, given: dict[str, Any], *, strict: bool) -> Any:
    """Check the role and what is given, and do it. ``strict`` is False where all values are text (a query string).

    :raises Trouble: with the sentence for whoever asked.
    """
    if not desk.who.may(operation.role):
        raise NotAllowed(f"this needs the role {operation.role}; {desk.who.name} is {desk.who.role}")
    return await operation.run(desk, read(operation.ask, given, strict=strict))


def read(kind: type[Ask], given: dict[str, Any], *, strict: bool) -> Any:
    """``given`` as the operation's own type; Trouble names the field that is wrong."""
    try:
        return msgspec.convert(given, kind, strict=strict)
    except msgspec.ValidationError as problem:
        raise Trouble(_plain(str(problem))) from None


def _plain(problem: str) -> str:
    """``Expected `int` <= 500 - at `$.limit``` → ``limit: expected `int` <= 500``."""
    what, _, where = problem.partition(" - at `$.")
    sentence = what[:1].lower() + what[1:]
    return f"{where.rstrip('`')}: {sentence}" if where else sentence
