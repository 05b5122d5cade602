"""The same ingest behind an ASGI server."""

from __future__ import annotations

import asyncio
from typing import Any

from hall import Hall, raw
from starlette.applications import Starlette
from starlette.routing import Mount

from hookline.door.asgi import Face
from hookline.door.limits import Limits


async def call(face: Any, request: bytes, *, root: str = "", scheme: str = "http", pieces: int = 0) -> tuple[int, Any]:
    """Play the server: parse just enough of a raw request."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *rest = head.split(b"\r\n")
    method, target, _ = line.split(b" ")
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "method": method.decode(),
        "path": path.decode(),
        "raw_path": path,
        "root_path": root,
        "query_string": query,
        "scheme": scheme,
        "http_version": "1.1",
        "headers": [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in rest)],
        "client": ("192.0.2.7", 4711),
    }
    step = pieces or max(1, len(body))
    parts = [body[start : start + step] for start in range(0, len(body), step)] or [b""]
    messages = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1} for index, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await face(scope, receive, send)
    return sent[0]["status"], sent


async def test_a_genuine_request_is_stored_and_acknowledged(hall: Hall):
    status, _ = await call(Face(hall.ingest), raw(hall.signed(), target=b"/webhooks/github?x=%20"), pieces=7)
    assert status == 200
    [arrival] = hall.store.arrivals
    assert arrival.request.target == b"/webhooks/github?x=%20"
    assert arrival.request.body == hall.signed().body
    assert arrival.request.peer == "192.0.2.7"


async def test_it_may_be_mounted_anywhere(hall: Hall):
    request = raw(hall.signed(), target=b"/in%20side/webhooks/github")
    assert (await call(Face(hall.ingest), request, root="/in side"))[0] == 200
    assert (await call(Face(hall.ingest), request, root="/elsewhere"))[0] == 404


async def test_the_answers_are_those_of_the_door(hall: Hall):
    good = raw(hall.signed())
    fine = Face(hall.ingest)
    assert (await call(fine, good.replace(b"sha256=", b"sha256=0")))[0] == 401
    assert (await call(fine, good.replace(b"POST", b"PUT")))[0] == 405
    assert (await call(fine, good.replace(b"application/json", b"text/plain")))[0] == 415
    assert (await call(fine, raw(hall.signed(), target=b"/nowhere")))[0] == 404
    assert (await call(fine, raw(hall.signed(b" " * 1_100_000))))[0] == 413
    assert (await call(fine, raw(hall.signed(b" " * 1_100_000), length=False), pieces=65_536))[0] == 413
    assert (await call(fine, raw(hall.signed(), (b"X-Hub-Signature-256", b"x"))))[0] == 400
    assert (await call(fine, raw(hall.signed(), *[(b"X-A", b"v")] * 100)))[0] == 431
    assert (await call(fine, raw(hall.signed(), (b"Transfer-Encoding", b"chunked"))))[0] == 400
    assert (await call(fine, b"GET /healthz HTTP/1.1\r\nHost: a"))[0] == 200
    assert (await call(Face(), good))[0] == 503
    assert hall.store.arrivals == []


async def test_a_sender_that_leaves_early_is_not_answered(hall: Hall):
    async def gone() -> Any:
        return {"type": "http.disconnect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/webhooks/github", "headers": [(b"host", b"a")]}
    await Face(hall.ingest)(scope, gone, send)
    assert sent == []


async def test_a_body_that_does_not_come_is_408(hall: Hall):
    async def never() -> Any:
        await asyncio.Event().wait()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/github",
        "headers": [(b"host", b"a"), (b"content-length", b"9")],
    }
    await Face(hall.ingest, limits=Limits(body=0.0))(scope, never, send)
    assert sent[0]["status"] == 408


async def test_a_starlette_application_can_mount_it(hall: Hall):
    app = Starlette(routes=[Mount("/hooks", app=Face(hall.ingest))])
    assert (await call(app, raw(hall.signed(), target=b"/hooks/webhooks/github")))[0] == 200
    _, sent = await call(app, b"HEAD /hooks/healthz HTTP/1.1\r\nHost: a")
    assert (b"content-length", b"3") in sent[0]["headers"]
    assert sent[1]["body"] == b""
