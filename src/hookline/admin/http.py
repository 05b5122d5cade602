"""The admin door over HTTP: routes made from the table of operations, problem details, tokens.

The same operations serve the command line directly; nothing here decides anything about events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hookline.admin import auth, problems
from hookline.admin.guard import TooLarge
from hookline.admin.openapi import PREFIX
from hookline.admin.operations import OPERATIONS
from hookline.admin.operations.base import Bytes, Desk, Operation, Person, Trouble, Unauthorized, perform
from hookline.config import Config
from hookline.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from hookline.store.sqlite.store import SqliteStore as Store

log = structlog.get_logger("hookline.admin")

Answer = Callable[[Request], Awaitable[Response]]
_TOKEN_SECONDS = 5.0
"""How long a token that was looked up is believed: a revoked one ends within this time."""


class Reception:
    """What all requests to the admin door share: the store, the configuration of now, and who may come in."""

    def __init__(self, store: Store, config: Callable[[], Config], environment: auth.Environment) -> None:
        self.store = store
        self.config = config
        self.environment = environment
        self._known: dict[bytes, tuple[float, Person]] = {}

    async def desk(self, token: str) -> Desk:
        """The desk of whoever holds ``token``. Unauthorized where nobody does."""
        return Desk(store=self.store, config=self.config(), who=await self._person(token), now=time.time())

    async def _person(self, token: str) -> Person:
        hashed = auth.hash_of(token)
        own = self.environment.person(hashed)
        if own is not None:
            return own
        now = time.monotonic()
        until, person = self._known.get(hashed, (0.0, None))
        if person is not None and now < until:
            return person
        row = await self.store.find_token(hashed)
        if row is None:
            self._known.pop(hashed, None)
            raise Unauthorized(
                "this token is not known, has expired or was revoked; `hookline tokens create` makes one"
            )
        person = Person(row.name, row.role)
        if len(self._known) > 1_000:
            self._known.clear()
        self._known[hashed] = (now + _TOKEN_SECONDS, person)
        return person


def routes(reception: Reception) -> list[BaseRoute]:
    """A route for each operation."""
    return [
        Route(PREFIX + row.path, _endpoint(row, reception), methods=[row.method], name=row.name)
        for row in OPERATIONS.values()
    ]


def _endpoint(row: Operation, reception: Reception) -> Answer:
    async def endpoint(request: Request) -> Response:
        desk = await reception.desk(auth.bearer(request.headers.get("authorization")))
        given, strict = await _given(row, request)
        result = await perform(row, desk, given, strict=strict)
        if isinstance(result, Bytes):
            return Response(result.content, row.status, {"content-disposition": "attachment"}, result.content_type)
        return Response(msgspec.json.encode(result), row.status, media_type="application/json")

    return endpoint


async def _given(row: Operation, request: Request) -> tuple[dict[str, Any], bool]:
    """What was asked with, and whether its values have types already. Path parameters are text in any case."""
    path = dict(request.path_params)
    if row.reads:
        query = request.query_params.multi_items()
        names = [name for name, _ in query]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise Trouble(f"{twice}: comes twice")
        return {**dict(query), **path}, False
    if request.query_params:
        raise Trouble("this takes a JSON body, no query string")
    raw = await request.body()
    if not raw:
        return path, True
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send Content-Type: application/json")
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Trouble(f"the body is not JSON: {problem}") from None
    if not isinstance(body, dict):
        raise Trouble("the body must be a JSON object")
    return {**body, **path}, True


async def on_trouble(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Trouble)
    headers = {"www-authenticate": 'Bearer realm="hookline"'} if problem.status == 401 else None
    return problems.response(problem.status, problem.title, problem.detail, headers)


async def on_http(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    titles = {404: "Not found", 405: "Method not allowed", 415: "Unsupported media type"}
    detail = "there is nothing at this path; see /api/openapi.json" if problem.status_code == 404 else problem.detail
    headers = dict(problem.headers) if isinstance(problem.headers, Mapping) else None
    return problems.response(problem.status_code, titles.get(problem.status_code, "Error"), detail, headers)


async def on_unavailable(_request: Request, problem: Exception) -> Response:
    after = str(problem.retry_after) if isinstance(problem, Unavailable) else "5"
    return problems.response(503, "Unavailable", f"{problem}; nothing was changed", {"retry-after": after})


async def on_config(_request: Request, problem: Exception) -> Response:
    return problems.response(422, "Configuration", str(problem))


async def on_too_large(_request: Request, _problem: Exception) -> Response:
    return problems.response(413, "Too large", "the body has more than a mebibyte")


async def on_gone(_request: Request, _problem: Exception) -> Response:
    return Response(status_code=499)  # nobody is there to read it


async def on_bug(request: Request, problem: Exception) -> Response:
    log.error("bug", path=request.url.path, method=request.method, exc_info=problem)
    return problems.response(500, "Bug", "this is ours, not yours: the log of the admin process says more")


HANDLERS: dict[Any, Any] = {
    Trouble: on_trouble,
    HTTPException: on_http,
    Unavailable: on_unavailable,
    ConfigError: on_config,
    TooLarge: on_too_large,
    ClientDisconnect: on_gone,
    asyncio.TimeoutError: on_unavailable,
    Exception: on_bug,
}


def application(more: list[BaseRoute], reception: Reception) -> Starlette:
    return Starlette(routes=[*routes(reception), *more], exception_handlers=HANDLERS)
