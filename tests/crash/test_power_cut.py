"""The power goes at every moment of a store's life: what was promised before is there afterwards, the file is sound."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import apsw
import pytest
from power import Step, after_the_cut, remembering

from hookline.model import Arrival, NewDelivery, NewEvent, Outcome, Request, Settlement, State
from hookline.store import open_store
from hookline.store.base import Want
from hookline.store.sqlite import connect

FULL = {"synchronous": 2}
OFF = {"synchronous": 0}


def arrived(name: str, moment: float, chance: random.Random) -> Arrival:
    body = json.dumps({"name": name, "text": chance.randbytes(chance.choice((20, 700, 4000))).hex()}).encode()
    request = Request(
        method="POST",
        target=b"/webhooks/github",
        headers=[(b"X-GitHub-Delivery", name.encode()), (b"Content-Type", b"application/json")],
        body=body,
        received_at=moment,
        peer="192.0.2.1",
    )
    digest = hashlib.blake2b(body, digest_size=16).digest()
    event = NewEvent(
        key=name,
        provider_id=name,
        digest=digest,
        type="push",
        deliveries=(NewDelivery("app.push", "app.push"), NewDelivery("app.ordered", "app.ordered", "one key")),
        body_key=True,
    )
    return Arrival(source="github", environment="production", request=request, events=[event])


async def live(folder: Path, log: list[Step], rounds: int) -> None:
    """Receive, deliver, settle, check-point; a promise in the log for everything that somebody was told."""
    chance = random.Random(11)
    store = await open_store(f"sqlite:///{folder / 'x.db'}", role="test")
    wants = {"app.push": Want(10), "app.ordered": Want(10)}
    for number in range(rounds):
        names = [f"{number}-{each}" for each in range(3)]
        for receipt in await store.accept([arrived(name, store.now(), chance) for name in names]):
            assert not isinstance(receipt, Exception), receipt
        log.extend(Step("promise", name) for name in names)
        claims = await store.claim("worker", wants, 60.0)
        settlements = []
        for claim in claims:
            state = chance.choice((State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.PENDING))
            settlements.append(
                Settlement(
                    claim=claim,
                    outcome=Outcome(state=state if state is not State.PENDING else None, reason="so it was"),
                    state=state,
                    reason="so it was",
                    started_at=store.now(),
                    finished_at=store.now(),
                    due_at=store.now() if state is State.PENDING else None,
                )
            )
        for settlement, kept in zip(settlements, await store.settle(settlements), strict=True):
            assert kept
            log.append(Step("promise", f"delivery {settlement.claim.delivery}", data=settlement.state.value.encode()))
        if number % 8 == 7:
            connection = apsw.Connection(str(folder / "x.db"))
            connection.execute("pragma wal_checkpoint(restart)").fetchall()
            connection.close()
    await store.close()


def faults(files: dict[str, bytearray], log: list[Step], folder: Path) -> list[str]:
    """What is wrong with what was found after the cut."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        if not name.endswith("-shm"):
            (folder / name).write_bytes(content)
    names = {step.file for step in log if step.what == "promise" and not step.data}
    ends = {int(step.file.split()[1]): step.data.decode() for step in log if step.what == "promise" and step.data}
    connection = apsw.Connection(str(folder / "x.db"))
    try:
        found = [row for (row,) in connection.execute("pragma integrity_check") if row != "ok"]
        if not names and not connection.execute("select 1 from sqlite_schema where name = 'events'").fetchall():
            return found  # it had not begun to live
        stored = {name for (name,) in connection.execute("select provider_id from events")}
        found += [f"lost: event {name}" for name in sorted(names - stored)]
        states = dict(connection.execute("select id, state from deliveries"))
        found += [
            f"lost: delivery {number} was {state}, is {states.get(number)}"
            for number, state in ends.items()
            if state != "pending" and states.get(number) != state
        ]
        found += [f"counts of event {row[0]}" for row in connection.execute(COUNTS)]
    except apsw.Error as problem:
        return [f"lost, all of it: {type(problem).__name__}: {problem}"]
    finally:
        connection.close()
    return found


COUNTS = """
select e.id from events e left join deliveries d on d.event = e.id group by e.id
having e.pending <> count(*) filter (where d.state = 'pending')
    or e.succeeded <> count(*) filter (where d.state = 'succeeded')
    or e.failed <> count(*) filter (where d.state = 'failed')
"""


async def cut(tmp_path: Path, pragmas: dict[str, int], monkeypatch: pytest.MonkeyPatch, states: int) -> list[str]:
    """The faults of ``states`` moments of a power cut (0: all of them), each told with its place in the log."""
    for name, value in pragmas.items():
        monkeypatch.setitem(connect._PRAGMAS, name, value)
    (tmp_path / "life").mkdir()
    (tmp_path / "after").mkdir()
    with remembering() as log:
        await live(tmp_path / "life", log, rounds=8 if states else 30)
    chance = random.Random(3)
    moments = [(place, mode) for place in range(1, len(log) + 1) for mode in ("nothing", "some", "torn")]
    if states:
        moments = chance.sample(moments, states)
    found = []
    for place, mode in moments:
        before = log[:place]
        files = after_the_cut(before, None if mode == "nothing" else chance, torn=mode == "torn")
        found += [f"step {place}, {mode}: {fault}" for fault in faults(files, before, tmp_path / "after")]
    print(f"{len(log)} steps, {len(moments)} moments, {len(found)} faults")
    return found


@pytest.mark.parametrize("states", [300, pytest.param(0, marks=(pytest.mark.slow, pytest.mark.timeout(600)))])
async def test_no_moment_of_a_power_cut_loses_what_was_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: int
) -> None:
    found = await cut(tmp_path, FULL, monkeypatch, states)
    assert not found, "\n".join(found[:20])


async def test_without_syncs_it_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: synchronous=OFF."""
    found = await cut(tmp_path, OFF, monkeypatch, 300)
    assert any("lost" in fault for fault in found), "the test above would not notice a missing sync"
