"""Random walks of the store beside a model that fits on one page."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contract.say import arrival, event, settled
from hookline.model import Claim, NewDelivery, Receipt, RequestOutcome, State
from hookline.store import open_store
from hookline.store.base import Want
from hookline.store.clock import FakeClock
from hookline.store.records import ReplayOptions
from hookline.store.sqlite.store import SqliteStore

LEASE = 60.0
MEMORY = Path("/dev/shm")  # a thousand commits that need not outlive the test
PLACES = ("plain", "ordered")
NAMES = st.sampled_from([f"{letter}{number}" for letter in "ab" for number in range(4)])


QUERIES = st.sampled_from(
    ["id:a0", "id:b1", "destination:ordered", "destination:plain", "state:failed", "state:pending", "state:succeeded"]
)


class Modelled(msgspec.Struct):
    """A delivery as the model sees it."""

    name: str
    destination: str
    key: str | None
    due_at: float
    number: int
    state: State = State.PENDING
    attempts: int = 0
    leased_until: float | None = None
    lease: int = 0


class Walk(RuleBasedStateMachine):
    """Accept, claim, renew, wait, settle, replay, cancel; after each step both tell the same."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.clock = FakeClock()
        self.loop = asyncio.new_event_loop()
        self.store: SqliteStore = self.do(
            open_store(f"sqlite:///{self.folder.name}/s.db", role="cli", clock=self.clock)
        )
        self.events: dict[str, int] = {}
        self.duplicates = 0
        self.deliveries: list[Modelled] = []
        """In the order of their arrival."""
        self.held: list[Claim] = []
        """Every claim that was ever made, lost ones too."""

    def do(self, act: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(act)

    def teardown(self) -> None:
        self.do(self.store.close())
        self.loop.close()
        self.folder.cleanup()

    # -- the model -----------------------------------------------------------------------------------------------

    def claimable(self, destination: str) -> list[Modelled]:
        """What is free, due and first of its key; leases that ran out count as free."""
        found, seen = [], set()
        for delivery in self.deliveries:
            if delivery.destination != destination or delivery.state is not State.PENDING:
                continue
            first = delivery.key is None or delivery.key not in seen
            seen.add(delivery.key)
            free = delivery.leased_until is None or delivery.leased_until <= self.clock.now()
            if first and free and delivery.due_at <= self.clock.now():
                found.append(delivery)
        return found

    def modelled(self, claim: Claim) -> Modelled:
        name = claim.event.provider_id
        return next(one for one in self.deliveries if (one.name, one.destination) == (name, claim.destination))

    # -- steps ---------------------------------------------------------------------------------------------------

    @rule(names=st.lists(NAMES, min_size=1, max_size=5))
    def accept(self, names: list[str]) -> None:
        batch = [
            arrival(event(name, deliveries=(NewDelivery("plain"), NewDelivery("ordered", "", name[0]))))
            for name in names
        ]
        for name, receipt in zip(names, self.do(self.store.accept(batch)), strict=True):
            assert isinstance(receipt, Receipt)
            if name in self.events:
                assert (receipt.outcome, receipt.events) == (RequestOutcome.DUPLICATE, (self.events[name],))
                self.duplicates += 1
                self.run_failed_again(name)
            else:
                assert receipt.outcome is RequestOutcome.ACCEPTED
                [self.events[name]] = receipt.events
                first = len(self.deliveries)
                self.deliveries.append(Modelled(name, "plain", None, self.clock.now(), first))
                self.deliveries.append(Modelled(name, "ordered", name[0], self.clock.now(), first + 1))

    def run_failed_again(self, name: str) -> None:
        """A redelivery goes to the end of its line."""
        for delivery in [one for one in self.deliveries if one.name == name and one.state is State.FAILED]:
            delivery.state, delivery.attempts, delivery.due_at = State.PENDING, 0, self.clock.now()
            self.deliveries.remove(delivery)
            self.deliveries.append(delivery)

    @rule(destination=st.sampled_from(PLACES), slots=st.integers(1, 4), worker=st.sampled_from("xy"))
    def claim(self, destination: str, slots: int, worker: str) -> None:
        expected = self.claimable(destination)
        taken = self.do(self.store.claim(worker, {destination: Want(slots=slots, breaker=False)}, LEASE))
        assert len(taken) == min(slots, len(expected))
        for claim in taken:
            delivery = self.modelled(claim)
            assert delivery in expected
            assert claim.lease > delivery.lease
            assert claim.attempt == delivery.attempts + 1
            delivery.lease, delivery.leased_until = claim.lease, self.clock.now() + LEASE
        self.held += taken

    @precondition(lambda self: self.held)
    @rule(data=st.data(), state=st.sampled_from([*State]), wait=st.integers(0, 90))
    def settle(self, data: st.DataObject, state: State, wait: int) -> None:
        claims = data.draw(st.lists(st.sampled_from(self.held), min_size=1, max_size=3, unique_by=id))
        due_at = self.clock.now() + wait
        mine = self.do(self.store.settle([settled(claim, state, due_at=due_at) for claim in claims]))
        for claim, own in zip(claims, mine, strict=True):
            delivery = self.modelled(claim)
            assert own == (delivery.leased_until is not None and delivery.lease == claim.lease)
            if own:
                delivery.state, delivery.leased_until = state, None
                delivery.attempts += 1
                delivery.due_at = due_at if state is State.PENDING else delivery.due_at

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.held))
        delivery = self.modelled(claim)
        own = delivery.leased_until is not None and delivery.lease == claim.lease
        assert self.do(self.store.renew([(claim.delivery, claim.lease)], LEASE)) == [own]
        if own:
            delivery.leased_until = self.clock.now() + LEASE

    @rule(query=QUERIES, again=st.booleans())
    def replay(self, query: str, again: bool) -> None:
        """In the order of their arrival; what had ended goes to the end of its line."""
        job = self.do(self.store.create_replay(query, ReplayOptions(again=again), who="ann"))
        while job.state == "running":
            job = self.do(self.store.advance_replay(job.id))
        repeated = {State.FAILED, State.NEEDS_REVIEW, State.CANCELLED} | ({State.SUCCEEDED} if again else set())
        for delivery in sorted(self.meant(query), key=lambda one: one.number):
            if delivery.state in repeated:
                delivery.state, delivery.attempts, delivery.due_at = State.PENDING, 0, self.clock.now()
                self.deliveries.remove(delivery)
                self.deliveries.append(delivery)
            elif delivery.state is State.PENDING and delivery.leased_until is None:
                delivery.due_at = min(delivery.due_at, self.clock.now())

    @rule(query=QUERIES)
    def cancel(self, query: str) -> None:
        ended = [one for one in self.meant(query) if one.state in (State.PENDING, State.NEEDS_REVIEW)]
        assert self.do(self.store.cancel(query, who="ann")) == len(ended)
        for delivery in ended:
            delivery.state, delivery.leased_until = State.CANCELLED, None

    def meant(self, query: str) -> list[Modelled]:
        field, _, value = query.partition(":")
        at = {"id": "name", "destination": "destination", "state": "state"}[field]
        return [one for one in self.deliveries if getattr(one, at) == value]

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    # -- what must always hold -----------------------------------------------------------------------------------

    @invariant()
    def both_tell_the_same(self) -> None:
        rows = self.do(
            self.store.read(
                lambda tx: tx.sql(
                    "select e.provider_id, d.destination, d.state, d.attempts, d.lease_until is not null"
                    " from deliveries d join events e on e.id = d.event"
                )
            )
        )
        told = {(one.name, one.destination): (one.state, one.attempts) for one in self.deliveries}
        assert {(name, place): (state, attempts) for name, place, state, attempts, _ in rows} == told

    @invariant()
    def an_events_counts_are_its_deliveries(self) -> None:
        wrong = self.do(
            self.store.read(
                lambda tx: tx.sql(
                    "select e.id from events e where e.pending <>"
                    " (select count(*) from deliveries where event = e.id and state = 'pending')"
                    " or e.pending + e.succeeded + e.failed + e.ignored + e.needs_review + e.cancelled <> 2"
                )
            )
        )
        assert wrong == []

    @invariant()
    def the_roll_ups_add_up(self) -> None:
        text = (
            "select destination, state, sum(count) from delivery_counts group by 1, 2 having sum(count) <> 0"
            " except select destination, state, count(*) from deliveries group by 1, 2"
        )
        assert self.do(self.store.read(lambda tx: tx.sql(text))) == []
        [(duplicates,)] = self.do(self.store.read(lambda tx: tx.sql("select coalesce(sum(duplicates), 0) from events")))
        assert duplicates == self.duplicates


Walk.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestWalk = Walk.TestCase
