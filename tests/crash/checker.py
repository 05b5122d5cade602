"""What must hold after any crash: a sender's own log of what was acknowledged, compared with what we find afterwards.

The log lives in the test's process, so no crash of the server can touch it. Only acknowledgements that the sender saw
in full before the fault count.

    I1  what was acknowledged is stored, with the same bytes
    I2  every stored event reaches a final state
    I3  a transactional effect happened once
    I4  every event was handled at least once, all its attempts under one idempotency key
    I5  effects of one ordering key happened in the order in which its events arrived
    I6  the database is sound
    I7  nothing is held by a lease that ran out
    I8  nothing is stored that was never sent
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from typing import Any

import msgspec

from rig import Gateway, github, until

APP = '''
"""The effects of the crash tests go into a database of their own, through an inbox: that is the user's side of
exactly-once. Every call is written down too, so that the checker sees what ran twice."""
import hashlib
import sqlite3
import threading
from hookline import Event, Hookline

hooks = Hookline()
_db = sqlite3.connect("effects.db", isolation_level=None, timeout=30, check_same_thread=False)
_lock = threading.Lock()
_db.execute("pragma journal_mode = wal")
_db.execute("pragma synchronous = normal")  # processes are killed here, not machines
_db.executescript("""
create table if not exists calls (delivery_id text, key text, digest text);
create table if not exists inbox (key text primary key) without rowid;
create table if not exists effects (delivery_id text, key text);
""")


@hooks.on("github", "push")
def handle(event: Event) -> None:
    with _lock:
        _db.execute("begin immediate")
        digest = hashlib.sha256(event.raw).hexdigest()
        _db.execute("insert into calls values (?, ?, ?)", (event.provider_id, event.idempotency_key, digest))
        if _db.execute("insert or ignore into inbox values (?)", (event.idempotency_key,)).rowcount:
            _db.execute("insert into effects values (?, ?)", (event.provider_id, event.idempotency_key))
        _db.execute("commit")
'''

IN_THE_STORE = '''
"""The effects of the crash tests as rows of the store itself, in the transaction that ends the delivery: no inbox.
Each client's events in their order."""
import hashlib
from hookline import Event, Hookline

hooks = Hookline()


@hooks.on("github", "push", transaction="store", ordering_key="body.client")
def handle(event: Event, tx) -> None:
    tx.execute("create table if not exists crash_effects (delivery_id text, key text, digest text)")
    digest = hashlib.sha256(event.raw).hexdigest()
    tx.execute("insert into crash_effects values (?, ?, ?)", (event.provider_id, event.idempotency_key, digest))
'''


class Sent(msgspec.Struct):
    """What the sender knows of one webhook."""

    digest: str
    acknowledged: bool = False
    tries: int = 0


class Sender:
    """Behaves like a good provider: sends an event until it is acknowledged, under one id, and sometimes once more."""

    def __init__(self, port: int, seed: int, clients: int = 16) -> None:
        self.port = port
        self.sent: dict[str, Sent] = {}
        self.answers: Counter[int] = Counter()
        self.refused = 0
        self.acknowledged = 0
        self.waiting: list[tuple[int, asyncio.Event]] = []
        self._random = random.Random(seed)
        self._clients = clients
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def __aenter__(self) -> Sender:
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        done, _ = await asyncio.wait(self._tasks, timeout=20)
        for task in self._tasks:
            task.cancel()
        for task in done:
            task.result()

    async def more(self, count: int, seconds: float = 30.0) -> None:
        """Wait until ``count`` more events were acknowledged."""
        arrived = asyncio.Event()
        self.waiting.append((self.acknowledged + count, arrived))
        try:
            await asyncio.wait_for(arrived.wait(), seconds)
        except TimeoutError:
            so_far = f"{self.acknowledged} so far, answers {dict(self.answers)}, refused {self.refused}"
            raise AssertionError(f"waited {seconds:g} s in vain for {count} more acknowledgements: {so_far}") from None

    async def _client(self, number: int) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        count = 0
        while not self._stopping:
            count += 1
            name = f"{number}-{count}"
            text = "".join(self._random.choices("abcdefghij \n", k=self._random.choice((20, 300, 5000))))
            path, headers, body = github({"ref": name, "client": number, "text": text}, name)
            head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
            request = (
                f"POST {path} HTTP/1.1\r\nHost: hooks\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body
            )
            entry = self.sent[name] = Sent(hashlib.sha256(body).hexdigest())
            copies = 2 if self._random.random() < 0.05 else 1
            while copies and not (self._stopping and entry.tries):
                entry.tries += 1
                if connection is not None and connection[1].is_closing():
                    connection = None
                try:
                    connection = connection or await asyncio.open_connection("127.0.0.1", self.port)
                    status = await asyncio.wait_for(self._exchange(*connection, request), 10)
                except ConnectionRefusedError:
                    self.refused += 1
                    connection = None
                    await asyncio.sleep(0.02)  # what a sender does between tries, not a wait of the test
                    continue
                except (OSError, TimeoutError, EOFError):
                    if connection is not None:
                        connection[1].close()
                    connection = None
                    await asyncio.sleep(0.02)
                    continue
                self.answers[status] += 1
                if 200 <= status < 300:
                    copies -= 1
                    if not entry.acknowledged:
                        entry.acknowledged = True
                        self._count_acknowledged()
                else:
                    await asyncio.sleep(0.02)
        if connection is not None:
            connection[1].close()

    @staticmethod
    async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                await reader.readexactly(int(line[15:]))
        if b"connection: close" in head.lower():
            writer.close()
        return int(head[9:12])

    def _count_acknowledged(self) -> None:
        self.acknowledged += 1
        for target, arrived in self.waiting:
            if self.acknowledged >= target:
                arrived.set()
        self.waiting = [(target, arrived) for target, arrived in self.waiting if self.acknowledged < target]


FAULTS = ("lost", "other_bytes", "never_sent", "doubled", "keys_changed", "disordered", "unsound")


class Findings(msgspec.Struct):
    """What the checker found. The lists, FAULTS, must be empty."""

    lost: list[str]
    other_bytes: list[str]
    never_sent: list[str]
    doubled: list[str]
    keys_changed: list[str]
    disordered: list[str]
    unsound: list[str]

    acknowledged: int
    stored: int
    handled: int
    handled_again: int

    @property
    def clean(self) -> bool:
        return not any(getattr(self, name) for name in FAULTS)

    def __str__(self) -> str:
        bad = {name: f"{len(value)}: {value[:3]}" for name in FAULTS if (value := getattr(self, name))}
        return (
            f"{self.acknowledged} acknowledged, {self.stored} stored, {self.handled} handled, {self.handled_again} of"
            f" them more than once; {bad or 'nothing lost, nothing doubled'}"
        )


class Target:
    """An HTTP endpoint that remembers who called, under which key and with what, and honours the key."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Target:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def config(self) -> str:
        return (
            '[[routes]]\nfrom = "github"\nto = ["target"]\n[destinations.target]\ntype = "http"\n'
            f'url = "http://127.0.0.1:{self.port}/"\nretry = {{ schedule = "100ms 100ms 1s 1s 1s 1s 1s" }}\n'
        )

    @property
    def effects(self) -> list[tuple[str, str]]:
        return sorted({(name, key) for name, key, _ in self.calls})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                digest = hashlib.sha256(body).hexdigest()
                self.calls.append((headers["x-github-delivery"], headers["idempotency-key"], digest))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()


def out_of_order(names: list[str]) -> list[str]:
    """Effects that came after one of a later event of the same client: each client sends one after the other."""
    latest: dict[str, int] = {}
    found = []
    for name in names:
        client, _, number = name.partition("-")
        if int(number) < latest.get(client, 0):
            found.append(name)
        latest[client] = max(int(number), latest.get(client, 0))
    return found


def examine(
    gateway: Gateway, sent: dict[str, Sent], target: Target | None = None, *, ordered: bool = False
) -> Findings:
    """Compare the sender's log with the store and the effects, once the store is at rest."""
    stored = {name for (name,) in gateway.rows("select provider_id from events")}
    calls, effects = read_effects(gateway) if target is None else (list(target.calls), list(target.effects))
    acknowledged = {name for name, entry in sent.items() if entry.acknowledged}
    keys: dict[str, set[str]] = {}
    for name, key, _ in calls:
        keys.setdefault(name, set()).add(key)
    handled = Counter(name for name, _, _ in calls)
    return Findings(
        lost=sorted((acknowledged - stored) | (acknowledged - handled.keys())),
        other_bytes=sorted({name for name, _, digest in calls if name in sent and digest != sent[name].digest}),
        never_sent=sorted(stored - sent.keys()),
        doubled=sorted(name for name, count in Counter(name for name, _ in effects).items() if count > 1),
        keys_changed=sorted(name for name, found in keys.items() if len(found) > 1),
        disordered=out_of_order([name for name, _ in effects]) if ordered else [],
        unsound=[str(row) for (row,) in gateway.rows("pragma integrity_check") if row != "ok"],
        acknowledged=len(acknowledged),
        stored=len(stored),
        handled=len(handled),
        handled_again=sum(1 for count in handled.values() if count > 1),
    )


def read_effects(gateway: Gateway) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """(id, key, digest) of every call that is known of, and (id, key) of every effect."""
    outside = gateway.directory / "effects.db"
    if not outside.exists():
        calls = gateway.rows("select delivery_id, key, digest from crash_effects order by rowid")
        return calls, [call[:2] for call in calls]
    with closing(sqlite3.connect(outside)) as connection:
        return (
            connection.execute("select delivery_id, key, digest from calls").fetchall(),
            connection.execute("select delivery_id, key from effects").fetchall(),
        )


async def settle_everything(gateway: Gateway, seconds: float = 90.0) -> None:
    """Wait until every stored event has come to its end (I2): leases that ran out are part of the way there (I7)."""
    sql = "select count(*) from deliveries where state = 'pending' or lease_until is not null"
    await until(lambda: gateway.rows(sql) == [(0,)], "every delivery to be settled", seconds)
