"""Errors of the API: problem details (RFC 9457)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, kw_only=True):
    """What went wrong and what to do (RFC 9457)."""

    type: Annotated[str, Meta(description="`about:blank`: the title says what kind of problem it is.")] = "about:blank"
    title: str
    status: int
    detail: str = ""


def response(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode(Problem(title=title, status=status, detail=detail))
    return Response(body, status, headers, CONTENT_TYPE)
