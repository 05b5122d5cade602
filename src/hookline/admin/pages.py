"""The start page and the API's own page: rendered here, readable without a script, styled by one file of ours.

A browser cannot send a bearer token by itself. It asks for a name and password instead, and the password is a token;
what changes anything wants a bearer token, so that no other site's form can act in the reader's name.
"""

from __future__ import annotations

import time
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hookline.admin import auth, objects, problems
from hookline.admin.guard import is_loopback, is_within
from hookline.admin.http import Reception
from hookline.admin.openapi import document
from hookline.admin.operations import OPERATIONS
from hookline.admin.operations.base import Desk, Trouble, perform
from hookline.config import Config
from hookline.payload import visible

if TYPE_CHECKING:
    import jinja2

ASK = {"www-authenticate": 'Basic realm="Hookline: any name, a token as password", charset="UTF-8"'}
LOG_IN = """\
Hookline's pages want a token: any user name, the token as password.

    hookline tokens create NAME --role viewer     makes one, beside the store
"""


def version() -> str:
    return metadata.version("hookline")


@cache
def _templates() -> jinja2.Environment:
    import jinja2  # where nobody looks at pages it takes no memory

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hookline.admin", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    environment.filters["ago"] = _ago
    return environment


def _shown(value: Any) -> Any:
    """Text of strangers in pages: escapes for what hides or turns the direction of reading."""
    return visible(value, keep="\n\t") if type(value) is str else "" if value is None else value


def _ago(moment: str | None, now: float) -> str:
    if moment is None:
        return "never"
    import datetime as dt

    seconds = now - dt.datetime.fromisoformat(moment).timestamp()
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def render(name: str, **values: Any) -> Response:
    text = _templates().get_template(name).render(version=version(), **values)
    return Response(text.encode("utf-8", "replace"), media_type="text/html; charset=utf-8")


def routes(reception: Reception) -> list[BaseRoute]:
    async def start(request: Request) -> Response:
        desk = await reader(reception, request)
        if isinstance(desk, Response):
            return desk
        since = objects.at(desk.now - 86_400)
        return render(
            "start.html",
            now=time.time(),
            who=desk.who,
            sources=(await _ask(desk, "list_sources")).data,
            destinations=(await _ask(desk, "list_destinations")).data,
            stats=await _ask(desk, "show_stats", since=since),
            events=(await _ask(desk, "list_events", limit=20)).data,
            checks=[check for check in (await _ask(desk, "show_health")).checks if check.state != "ok"],
        )

    async def openapi(_request: Request) -> Response:
        return Response(msgspec.json.encode(document(OPERATIONS.values(), version())), media_type="application/json")

    async def reference(_request: Request) -> Response:
        return render("api.html", document=document(OPERATIONS.values(), version()))

    async def style(_request: Request) -> Response:
        headers = {"cache-control": "no-cache"}
        return Response(_asset("style.css"), headers=headers, media_type="text/css; charset=utf-8")

    async def healthz(_request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    return [
        Route("/", start),
        Route("/api/openapi.json", openapi),
        Route("/api/docs", reference),
        Route("/static/style.css", style),
        Route("/healthz", healthz),
    ]


@cache
def _asset(name: str) -> bytes:
    return resources.files("hookline.admin").joinpath("static", name).read_bytes()


async def _ask(desk: Desk, name: str, **given: Any) -> Any:
    return await perform(OPERATIONS[name], desk, given, strict=True)


async def reader(reception: Reception, request: Request) -> Desk | Response:
    """The desk of whoever reads a page, or the answer that asks who it is."""
    header = request.headers.get("authorization")
    token = auth.password(header)
    try:
        if token is None and header is not None:
            token = auth.bearer(header)
        if token is None:
            return Response(LOG_IN, 401, ASK, "text/plain")
        if not _private(request, reception.config()):
            return problems.response(403, "Plain HTTP", "a token may cross the network over HTTPS only")
        return await reception.desk(token)
    except Trouble as problem:
        return Response(f"{problem.detail}\n\n{LOG_IN}", 401, ASK, "text/plain")


def _private(request: Request, config: Config) -> bool:
    """Whether nobody on the way can read a password: loopback, or HTTPS as far as a trusted proxy tells."""
    peer = request.client.host if request.client else ""
    if request.headers.get("x-forwarded-for") is None and is_loopback(peer):
        return True
    told = is_loopback(peer) or is_within(peer, config.server.trusted_proxies)
    return told and request.headers.get("x-forwarded-proto", "").lower() == "https"
