"""The admin door over a real store, served by a real uvicorn, for tests that ask it things."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner, Result

from hookline import admin
from hookline.admin.auth import hash_of
from hookline.cli import cli, exits
from hookline.config import Config, load
from hookline.model import (
    Arrival,
    HandlerRoute,
    NewDelivery,
    NewEvent,
    Origin,
    Outcome,
    Request,
    RequestOutcome,
    Settlement,
    State,
)
from hookline.store import open_store
from hookline.store.base import RequestNote, Want
from hookline.store.sqlite.store import SqliteStore

SECRET = "canary-secret-of-github-0123456789"
STRIPE_SECRET = "whsec_canaryCanaryCanaryCanaryCanary12"
OUT_SECRET = "whsec_bG9uZyBlbm91Z2ggY2FuYXJ5IHNlY3JldA=="
MARKED = "marked@example.org"
ADMIN_TOKEN = "admin-token-of-these-tests"
TOKENS = {role: f"hkl_{role}_of_these_tests" for role in ("viewer", "operator", "admin")}
NASTY = "push\u202e<script>alert(1)</script>\x1b[31m"

CONFIG = """
[server]
environment = "production"
public = "127.0.0.1:1"

[sources.github]
provider = "github"
secrets = ["env:GITHUB_SECRET"]
redact = ["body.customer.email", "header.X-Marked"]

[sources.stripe]
provider = "stripe"
secrets = ["env:STRIPE_SECRET"]
environment = "test"

[sources.broken]
provider = "shopify"
secrets = ["env:NOT_SET_ANYWHERE"]

[destinations.deploy]
type = "http"
url = "http://127.0.0.1:9/build"
secret = "env:OUT_SECRET"

[[routes]]
from = "github"
events = ["push"]
to = ["deploy"]
"""
ENVIRONMENT = {"GITHUB_SECRET": SECRET, "STRIPE_SECRET": STRIPE_SECRET, "OUT_SECRET": OUT_SECRET}


def write_project(folder: Path) -> Path:
    """A settings file in ``folder``."""
    file = folder / "hookline.toml"
    file.write_text(CONFIG)
    return file


def configured(folder: Path) -> Config:
    config, problems = load([write_project(folder)])
    assert config is not None, problems
    return config


def event(key: str, type: str = "push", body: bytes = b"{}", **more: Any) -> NewEvent:
    more.setdefault("deliveries", (NewDelivery("deploy", "github:1"),))
    return NewEvent(key=key, digest=hashlib.md5(body).digest(), type=type, provider_id=key, **more)


def arrival(one: NewEvent, body: bytes = b"{}", source: str = "github", **more: Any) -> Arrival:
    headers = [(b"Content-Type", b"application/json"), (b"X-Marked", MARKED.encode())]
    request = Request(
        method="POST",
        target=b"/webhooks/" + source.encode(),
        headers=headers,
        body=body,
        received_at=time.time(),
        peer="192.0.2.7",
    )
    return Arrival(source=source, environment="production", request=request, events=[one], **more)


async def fill(store: SqliteStore) -> None:
    """Three events (succeeded, failed, with a nasty type) and two requests that were turned away."""
    await store.publish_app("app:hooks", 1, [HandlerRoute(name="app.paid", source="stripe", types=("invoice.paid",))])
    body = json.dumps({"ref": "refs/heads/main", "amount": 12, "customer": {"email": MARKED}}).encode()
    await store.accept([arrival(event("delivery-1", body=body), body)])
    [claim] = await store.claim("worker-1", {"deploy": Want(slots=1)}, 60.0)
    await settle(store, claim, State.SUCCEEDED, f"200 OK to {MARKED}")
    await store.accept([arrival(event("delivery-2", body=b"[2]"), b"[2]")])
    [claim] = await store.claim("worker-1", {"deploy": Want(slots=1)}, 60.0)
    await settle(store, claim, State.FAILED, f"error {MARKED}")
    nasty = event("delivery-3", NASTY, b'"\x1b[2J\xe2\x80\xae"', deliveries=(), reason="no route")
    await store.accept([arrival(nasty, b'"\x1b[2J\xe2\x80\xae"', origin=Origin.TRIGGER)])
    signature = b"sha256=" + hmac.digest(SECRET.encode(), b'{"zen": 1}', "sha256").hex().encode()
    await store.note(
        [
            rejected("github", "bad signature", 401),
            rejected(None, "unknown path", 404),
            rejected("github", "the secret was another one then", 401, signature),
        ]
    )
    for role, token in TOKENS.items():
        await store.create_token(role, role, hash_of(token), None, who="test")


async def settle(store: SqliteStore, claim: Any, state: State, error: str) -> None:
    outcome = Outcome(state=state, reason="said so", code=200, sent="POST /build", received=b"answer", error=error)
    now = time.time()
    await store.settle(
        [
            Settlement(
                claim=claim,
                outcome=outcome,
                state=state,
                reason=f"said so to {MARKED}",
                started_at=now,
                finished_at=now + 0.01,
            )
        ]
    )


def rejected(source: str | None, reason: str, status: int, signature: bytes = b"sha256=" + b"0" * 64) -> RequestNote:
    request = Request(
        method="POST",
        target=b"/webhooks/github" if source else b"/webhooks/githib?\x1b[31m",
        headers=[(b"X-Hub-Signature-256", signature), (b"X-GitHub-Event", b"ping"), (b"X-GitHub-Delivery", b"late")],
        body=b'{"zen": 1}',
        received_at=time.time(),
        peer="192.0.2.8",
    )
    outcome = RequestOutcome.REJECTED
    return RequestNote(source=source, outcome=outcome, reason=reason, status=status, request=request)


class Served:
    """A running admin door: its URL, its configuration, and clients for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = configured(folder)
        self.url = ""
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None

    def client(self, role: str | None = "admin") -> httpx.Client:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30.0)

    @contextlib.contextmanager
    def running(self) -> Iterator[Served]:
        thread = threading.Thread(target=self._run, name="admin door")
        thread.start()
        assert self._ready.wait(30)
        try:
            if self._failure is not None:
                raise self._failure
            yield self
        finally:
            if self._loop is not None and self._stop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(30)
            assert not thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as problem:
            self._failure = problem
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        store = await open_store(self.config.server.store, role="admin")
        await fill(store)
        server = admin.server(admin.build(store, lambda: self.config))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            self._ready.set()
            await self._stop.wait()
            server.should_exit = True
            await serving
        await store.close()


def hookline(*arguments: str, config: Path | None = None, input: str | None = None) -> Result:
    """The command line as :func:`hookline.cli.main` runs it, without a process of its own."""
    runner = CliRunner()
    ended: list[int] = []

    def run() -> object:
        return cli.main(args=[*arguments, *where], prog_name="hookline", standalone_mode=False)

    where = ["--config", str(config)] if config else []
    with runner.isolation(input=input) as streams:
        ended.append(exits.guarded(run))
        out, err = streams[0].getvalue(), streams[1].getvalue()
    return Result(runner, out, err, b"", None, ended[0], None)  # type: ignore[arg-type]
