"""One way to ask, two ways to get there: the store that hookline.toml names, or the API of a running Hookline."""

from __future__ import annotations

import asyncio
import getpass
import http.client
import json
import os
import ssl
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from hookline.admin.openapi import PREFIX
from hookline.admin.operations import OPERATIONS
from hookline.admin.operations.base import Bytes, Desk, Operation, Person, Trouble, perform
from hookline.cli import exits
from hookline.cli.options import options
from hookline.cli.project import configuration
from hookline.config import Config
from hookline.store import open_store, path_of

EXIT_OF_STATUS = {
    400: exits.USAGE,
    401: exits.NOT_ALLOWED,
    403: exits.NOT_ALLOWED,
    404: exits.NOT_FOUND,
    413: exits.USAGE,
    422: exits.PROBLEMS,
}
_PATIENCE = 30.0
_PAGE = 200


class Client:
    """Asks for an operation by its name and gets its typed answer. Used in a ``with``."""

    def call(self, name: str, /, **given: Any) -> Any:
        """The answer of one operation; what is None is not sent.

        :raises Stop: with the exit code and a sentence.
        """
        return self._do(OPERATIONS[name], {key: value for key, value in given.items() if value is not None})

    def rows(self, name: str, /, limit: int, **given: Any) -> Iterator[Any]:
        """Rows of a list, page after page, until ``limit`` or the end."""
        cursor = None
        while limit > 0:
            page = self.call(name, limit=min(limit, _PAGE), cursor=cursor, **given)
            yield from page.data
            limit -= len(page.data)
            cursor = page.next
            if cursor is None:
                return

    def _do(self, row: Operation, given: dict[str, Any]) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Local(Client):
    """Works on the store itself, as the user of this machine."""

    def __init__(self, config: Config) -> None:
        from hookline import telemetry

        telemetry.quiet()
        telemetry.configure_for_guests()
        self.config = config
        self.runner = asyncio.Runner()
        try:
            self.store = self.runner.run(open_store(config.server.store, role="cli"))
        except BaseException:
            self.runner.close()
            raise

    def _do(self, row: Operation, given: dict[str, Any]) -> Any:
        desk = Desk(store=self.store, config=self.config, who=Person(_user(), "admin"), now=time.time())
        try:
            return self.runner.run(perform(row, desk, given, strict=True))
        except Trouble as problem:
            raise exits.Stop(EXIT_OF_STATUS.get(problem.status, exits.FAILURE), problem.detail) from problem

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()


class Remote(Client):
    """Works through the API of an admin door."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise exits.Stop(exits.USAGE, f"--server {url}: write a URL, such as https://hookline.internal")
        if not token:
            raise exits.Stop(
                exits.NOT_ALLOWED, "set HOOKLINE_TOKEN to a token of that server (`hookline tokens create`)"
            )
        self.url, self.base = url, parts.path.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self.connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self.connection = http.client.HTTPSConnection(parts.netloc, timeout=_PATIENCE, context=context)
        else:
            self.connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE)

    def _do(self, row: Operation, given: dict[str, Any]) -> Any:
        path = row.path
        rest = dict(given)
        for name in row.parameters:
            path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
        body, headers = None, dict(self.headers)
        if row.reads:
            path += f"?{urlencode({key: _text(value) for key, value in rest.items()})}" if rest else ""
        else:
            body = msgspec.json.encode(rest)
            headers["Content-Type"] = "application/json"
        status, content_type, content = self._send(row.method, self.base + PREFIX + path, body, headers)
        if status != row.status:
            raise exits.Stop(EXIT_OF_STATUS.get(status, exits.FAILURE), self._detail(status, content))
        if row.answer is Bytes:
            return Bytes(content, content_type)
        try:
            return msgspec.json.decode(content, type=row.answer)
        except msgspec.DecodeError as problem:
            raise exits.Stop(
                exits.FAILURE, f"{self.url} does not answer like a Hookline admin door: {problem}"
            ) from None

    def _send(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str, bytes]:
        try:
            try:
                self.connection.request(method, target, body, headers)
                answer = self.connection.getresponse()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.connection.close()
                if method != "GET":
                    raise
                self.connection.request(method, target, body, headers)  # an idle connection had been closed
                answer = self.connection.getresponse()
            return answer.status, answer.getheader("Content-Type", ""), answer.read()
        except (OSError, http.client.HTTPException) as problem:
            self.connection.close()
            why = problem if str(problem) else type(problem).__name__
            raise exits.Stop(exits.UNREACHABLE, f"{self.url}: cannot be reached: {why}") from None

    def _detail(self, status: int, content: bytes) -> str:
        try:
            problem = json.loads(content)
            return str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            return f"{self.url} answered {status}: is this the URL of the admin door?"

    def close(self) -> None:
        self.connection.close()


def connect() -> Client:
    """The client that the command line asks for: ``--server``, or else the configured store."""
    chosen = options()
    if chosen.server:
        return Remote(chosen.server, chosen.token)
    config = configuration()
    named = config.files or "HOOKLINE_SERVER__STORE" in os.environ
    if not named and not path_of(config.server.store).exists():
        raise exits.Stop(
            exits.NOT_FOUND,
            "there is neither a hookline.toml nor a store here: go where Hookline runs, name its settings with"
            " --config, or begin with `hookline init`",
        )
    return Local(config)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _user() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:{os.getuid()}"
