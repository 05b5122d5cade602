"""Hookline within a web app: the door opens when it is asked to, or at the first request, and says who works."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from asgi import ask, lifespan
from hookline import Event, Hookline
from hookline.app import mount
from hookline.config import load
from hookline.store import open_store

SECRET = "a-secret-of-decent-length"
hooks: Hookline


async def push(event: Event) -> None: ...


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> Iterator[Hookline]:
    """The app of a web process, in this module's name ``hooks``."""
    made = Hookline(
        {
            "server": {"store": f"sqlite:///{tmp_path}/hookline.db"},
            "sources": {"github": {"provider": "github", "secrets": [SECRET]}},
        },
    )
    made.on("github", "push", name="push")(push)
    globals()["hooks"] = made
    yield made
    del globals()["hooks"]


BODY = b'{"ref": "refs/heads/main"}'


def signed(delivery: str) -> dict[str, str]:
    """The headers of a push."""
    return {
        "content-type": "application/json",
        "x-github-event": "push",
        "x-github-delivery": delivery,
        "x-hub-signature-256": "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest(),
    }


async def stored(app: Hookline) -> list[tuple[str, str]]:
    """Provider's id and destination of every delivery."""
    config, _ = app.load(env={})
    assert config is not None
    store = await open_store(config.server.store, role="cli")
    text = "select e.provider_id, d.destination from events e join deliveries d on d.event = e.id order by e.id"
    try:
        return [(str(row[0]), str(row[1])) for row in await store.read(lambda tx: tx.sql(text))]
    finally:
        await store.close()


async def post(host: Any, path: str, delivery: str, body: bytes = BODY, **more: Any) -> int:
    return (await ask(host, "POST", path, signed(delivery), body, **more)).status


async def test_a_mounted_door_opens_at_its_first_request(app: Hookline) -> None:
    host = Starlette(routes=[Mount("/hooks", app.asgi)])
    assert await post(host, "/hooks/webhooks/github", "d1") == 200
    assert await post(host, "/hooks/webhooks/github", "d1") == 200
    assert await post(host, "/hooks/webhooks/github", "d2", b"{}") == 401
    assert await post(host, "/hooks/webhooks/gitlab", "d3") == 404
    await app.asgi.stop()
    assert await stored(app) == [("d1", "push")]


async def test_many_first_requests_open_one_door(app: Hookline, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    make = mount.Open.make

    async def counted(*given: Any, **named: Any) -> mount.Open:
        opened.append(given)
        return await make(*given, **named)

    monkeypatch.setattr(mount.Open, "make", counted)
    posts = (post(app.asgi, "/webhooks/github", f"d{number}") for number in range(5))
    assert await asyncio.gather(*posts) == [200] * 5
    await app.asgi.stop()
    assert len(opened) == 1


async def test_lifespans_compose_and_hand_the_hosts_state_through(app: Hookline) -> None:
    told = []

    @asynccontextmanager
    async def own(host: Starlette) -> AsyncIterator[dict[str, str]]:
        told.append(f"in: {type(host).__name__}")
        yield {"colour": "blue"}
        told.append("out")

    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.colour)

    routes = [Mount("/hooks", app.asgi), Route("/", page)]
    host = Starlette(routes=routes, lifespan=app.lifespan(then=own))
    async with lifespan(host) as state:
        assert (await ask(host, "GET", "/", state=state)).body == b"blue"
        assert await post(host, "/hooks/webhooks/github", "d1") == 200
    assert told == ["in: Starlette", "out"]
    assert await stored(app) == [("d1", "push")]


async def test_a_lifespan_needs_no_arguments(app: Hookline) -> None:
    host = Starlette(routes=[Mount("/hooks", app.asgi)], lifespan=app.lifespan)
    async with lifespan(host):
        assert (await ask(host, "GET", "/hooks/readyz")).status == 200


async def test_the_door_is_an_app_of_its_own_too(app: Hookline) -> None:
    async with lifespan(app.asgi):
        assert await post(app.asgi, "/webhooks/github", "d1") == 200


def test_a_client_that_starts_a_loop_for_each_request_is_served(app: Hookline) -> None:
    host = Starlette(routes=[Mount("/hooks", app.asgi)])
    for number in range(3):
        assert asyncio.run(post(host, "/hooks/webhooks/github", f"d{number}")) == 200
    assert len(asyncio.run(stored(app))) == 3


async def test_a_faulty_configuration_stops_the_host_with_every_problem(app: Hookline) -> None:
    app.config["sources"] = {"github": {"secrets": []}, "stripe": {"provider": 1}}
    for host in (Starlette(lifespan=app.lifespan), app.asgi):
        with pytest.raises(RuntimeError) as caught:
            async with lifespan(host):
                pass
        assert "sources.github" in str(caught.value)
        assert "sources.stripe.provider" in str(caught.value)


async def test_a_faulty_configuration_of_an_unopened_door_answers_503(
    app: Hookline, capfd: pytest.CaptureFixture[str]
) -> None:
    app.config["server"] = {"store": "nowhere"}
    assert await post(app.asgi, "/webhooks/github", "d1") == 503
    assert await post(app.asgi, "/webhooks/github", "d1") == 503
    told = "".join(capfd.readouterr())
    assert told.count("the door does not open") == 1
    assert "server.store" in told


async def test_the_handlers_of_a_mounted_app_are_published(app: Hookline) -> None:
    await app.asgi.start()
    opened = app.asgi._open
    assert opened is not None
    [published] = await opened.store.published_apps()
    await app.asgi.stop()
    assert published.app == app.reference == f"{__name__}:hooks"
    assert [route.name for route in published.handlers] == ["push"]


async def test_handlers_of_another_app_are_routed_to_as_well(app: Hookline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mount, "LOOK", 0.001)
    await app.asgi.start()
    opened = app.asgi._open
    assert opened is not None
    other = Hookline()
    other.on("github", name="elsewhere.push")(push)
    await opened.store.publish_app("elsewhere:hooks", 1, other.routes())
    while len(opened.ingest.router.route("github", "production", "push")[0]) < 2:
        await asyncio.sleep(0)
    await app.asgi.stop()


async def test_that_nobody_works_is_said_aloud(
    app: Hookline, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mount, "LOOK", 0.001)
    monkeypatch.setattr(mount, "PATIENCE", 0.0)
    await app.asgi.start()
    told = ""
    while "nobody works" not in told:
        await asyncio.sleep(0.001)
        told += "".join(capfd.readouterr())
    await app.asgi.stop()
    assert f"hookline worker {__name__}:hooks" in told


def test_an_app_that_no_module_keeps_cannot_have_a_worker() -> None:
    lonely = Hookline({"server": {"store": "sqlite:///x.db"}})
    assert lonely.reference is None


def test_settings_in_code_reach_other_processes(app: Hookline) -> None:
    """As JSON, through the environment of a child."""
    handed = {"HOOKLINE_CODE": json.dumps(app.config)}
    config, problems = load([], handed)
    assert problems == []
    assert config is not None
    assert list(config.sources) == ["github"]
    _, [problem] = load([], {"HOOKLINE_CODE": "["})
    assert str(problem) == "environment HOOKLINE_CODE: is no table of settings — unset it"
