"""A real Hookline for tests: its own directory, its own processes, the real door. And senders that sign."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

import apsw
import psutil

SECRET = "a-secret-of-these-tests-0123456789"
Answer = tuple[int, dict[str, str], bytes]
T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """The first true value of ``condition``; looked at often, and an error that says what never came."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.01)
    return value


async def until(condition: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """:func:`wait_for` beside a running loop."""
    return await asyncio.to_thread(wait_for, condition, what, seconds)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


class Gateway:
    """Hookline as its commands start it, in a directory with a hookline.toml and an app.py."""

    def __init__(
        self, directory: Path, *, app: str, config: str = "", environment: dict[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.port, self.admin_port = free_ports(2)
        self.environment = {"HOOKS_SECRET": SECRET, **(environment or {})}
        self.processes: list[subprocess.Popen[bytes]] = []
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "app.py").write_text(dedent(app))
        (directory / "hookline.toml").write_text(
            dedent(f"""
                [server]
                public = "127.0.0.1:{self.port}"
                admin = "127.0.0.1:{self.admin_port}"
                store = "sqlite:///hookline.db"
                allow_private = ["127.0.0.1"]

                [sources.github]
                provider = "github"
                secrets = ["env:HOOKS_SECRET"]

                [sources.stripe]
                provider = "stripe"
                secrets = ["env:HOOKS_SECRET"]

                [sources.billing]
                provider = "hmac"
                secrets = ["env:HOOKS_SECRET"]
                timestamp = {{ header = "X-Time", tolerance = "5m" }}
                id = "header.X-Id"
                type = "body.event"

                [sources.billing.signature]
                header = "X-Sig"
                algorithm = "sha256"
                prefix = "sha256="
                encoding = "hex"
                signs = "{{timestamp}}.{{body}}"
            """)
            + dedent(config)
        )

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    @property
    def database(self) -> Path:
        return self.directory / "hookline.db"

    def start(self, *arguments: str, program: Sequence[str] = ("-m", "hookline")) -> subprocess.Popen[bytes]:
        """``start("serve", "app:hooks")``; the process leads a group of its own."""
        return self.start_command([sys.executable, *program, *arguments])

    def start_command(self, argv: Sequence[str], pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            process = subprocess.Popen(
                argv,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self.processes.append(process)
        return process

    def publish(self, app: str = "app:hooks") -> None:
        """Write the app's handlers into the store, as ``serve`` does before it starts the roles."""
        published = self.run(app, "--only", program=("-m", "hookline.app.publish"))
        assert published.returncode == 0, published.stderr

    def wait_until_ready(self, seconds: float = 30.0) -> None:
        def ready() -> bool:
            self.check_alive()
            with suppress(OSError, http.client.HTTPException):
                return self.get("/readyz")[0] == 200
            return False

        wait_for(ready, "the door to be ready", seconds)

    def listens(self) -> bool:
        """Whether the door answers at all."""
        self.check_alive()
        with suppress(OSError, http.client.HTTPException):
            return self.get("/healthz")[0] == 200
        return False

    def check_alive(self) -> None:
        for process in self.processes:
            if process.poll() not in (None, 0, -signal.SIGKILL, -signal.SIGTERM):
                raise AssertionError(f"{process.args!r} ended with {process.returncode}:\n{self.log[-4000:]}")

    def get(self, path: str) -> Answer:
        return self.send("GET", path, {}, b"")

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes, timeout: float = 10.0) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    def post(self, signed: tuple[str, dict[str, str], bytes]) -> Answer:
        path, headers, body = signed
        return self.send("POST", path, headers, body)

    def run(self, *arguments: str, program: Sequence[str] = ("-m", "hookline")) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself."""
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=self.directory,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def rows(self, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
        """What the store holds, read from outside."""
        connection = apsw.Connection(str(self.database), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(5000)
            return list(connection.execute(sql, bindings))
        finally:
            connection.close()

    def playing(self, role: str) -> list[psutil.Process]:
        """The living processes of a role (``ingest``, ``worker``, ``admin``), below any of ours."""
        found = []
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                root = psutil.Process(process.pid)
                for each in (root, *root.children(recursive=True)):
                    with suppress(psutil.NoSuchProcess):
                        if role in each.cmdline()[1:5] and each.status() != psutil.STATUS_ZOMBIE:
                            found.append(each)
        return found

    def stop(self, number: int = signal.SIGTERM, seconds: float = 40.0) -> list[int]:
        """Signal what we started and return the exit codes."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)
        codes = []
        for process in self.processes:
            try:
                codes.append(process.wait(seconds))
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        self.processes.clear()
        return codes

    def kill_all(self) -> None:
        """As if the machine had lost every process at once: SIGKILL to whole groups."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.wait()
        self.processes.clear()


# -- senders ------------------------------------------------------------------------------------------------------


def github(
    body: dict[str, Any], delivery: str, event: str = "push", secret: str = SECRET
) -> tuple[str, dict[str, str], bytes]:
    """A request as GitHub makes it: path, headers, body."""
    raw = json.dumps(body, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/1c8e1f5",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), raw, "sha256").hex(),
    }
    return "/webhooks/github", headers, raw


def stripe(
    body: dict[str, Any], moment: float | None = None, secret: str = SECRET
) -> tuple[str, dict[str, str], bytes]:
    """A request as Stripe makes it, signed at ``moment`` (now)."""
    raw = json.dumps(body, indent=1).encode()
    signed_at = int(time.time() if moment is None else moment)
    signature = hmac.digest(secret.encode(), b"%d." % signed_at + raw, hashlib.sha256).hex()
    headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": f"t={signed_at},v1={signature}"}
    return "/webhooks/stripe", headers, raw


def stripe_event(number: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "object": "event",
        "api_version": "2026-08-26.dahlia",
        "created": int(time.time()),
        "data": {"object": {"object": kind.partition(".")[0], **fields}},
        "livemode": True,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def billing(
    body: dict[str, Any], number: str, moment: float | None = None, secret: str = SECRET
) -> tuple[str, dict[str, str], bytes]:
    """A request of an in-house system whose scheme hookline.toml describes."""
    raw = json.dumps(body).encode()
    signed_at = str(int(time.time() if moment is None else moment))
    signature = hmac.digest(secret.encode(), signed_at.encode() + b"." + raw, "sha256").hex()
    headers = {
        "Content-Type": "application/json",
        "X-Time": signed_at,
        "X-Id": number,
        "X-Sig": f"sha256={signature}",
    }
    return "/webhooks/billing", headers, raw


def numbered(prefix: str) -> Iterator[str]:
    return (f"{prefix}{number:06}" for number in itertools.count(1))
