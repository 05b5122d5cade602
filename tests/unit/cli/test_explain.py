"""The story of an event: what came, what was tried, what happens next, each with its time."""

from __future__ import annotations

import re

import pytest

from hookline.admin.objects import Attempt, StoryDelivery, StoryEvent, at
from hookline.cli.explain import tell

NOW = 1_800_000_000.0
ID, DELIVERY = "evt_0samqje4s775f", "dlv_0samqje4s775g"


def story(status="processed", deliveries=(), **more):
    more.setdefault("received_at", at(NOW - 60))
    more.setdefault("type", "invoice.paid")
    event = StoryEvent(id=ID, source="stripe", environment="production", status=status, **more)
    event.deliveries = list(deliveries)
    return "\n".join(tell(event, NOW))


def delivery(state="succeeded", tries=(), **more):
    return StoryDelivery(id=DELIVERY, event=ID, destination="app.paid", state=state, tries=list(tries), **more)


def attempt(number=1, state="succeeded", after=0.0, **more):
    return Attempt(number=number, started_at=at(NOW - 60 + after), ms=12.0, trigger="initial", state=state, **more)


def test_a_success_is_told_from_the_provider_to_the_handler():
    told = story(deliveries=[delivery(tries=[attempt(after=1)])], occurred_at=at(NOW - 65))
    assert "received, 5.0s later, found genuine, stored" in told
    assert re.search(r"attempt 1 after 1\.0s, succeeded in 12ms", told)
    assert told.endswith("Now: processed.")


def test_a_handler_is_its_own_route_and_said_once():
    assert "To app.paid (dlv" in story(deliveries=[delivery(route="app.paid")])
    assert "To app.paid, by the route stripe:1 (dlv" in story(deliveries=[delivery(route="stripe:1")])


def test_a_retry_says_what_failed_and_when_it_is_tried_again():
    tries = [attempt(state="pending", reason="503 from the shop", code=503)]
    waiting = delivery("pending", tries, phase="retrying", due_at=at(NOW + 300))
    told = story("pending", [waiting])
    assert "did not succeed in 12ms: 503 from the shop" in told
    assert "will be tried again in 5m" in told
    assert "Next: in 5m." in told


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        ("paused", "because the destination is paused"),
        ("ordered", "waits for an earlier event with the same key"),
        ("no worker", "no worker has app.paid"),
        ("running", "is running now"),
        ("due", "is due"),
    ],
)
def test_whoever_waits_says_for_what(phase, says):
    assert says in story("pending", [delivery("pending", phase=phase, ordering_key="cus_1")])


def test_nothing_ends_without_a_next_step():
    assert "hookline replay" in story("failed", [delivery("failed", reason="gave up after 10 attempts")])
    assert "hookline replay" in story("needs_review", reason="replayed body")
    assert "--reroute" in story("ignored", reason="no route")


def test_duplicates_and_samples_are_told():
    told = story(duplicates=2, origin="trigger")
    assert "it came again 2 times; stored once" in told
    assert "trigger, not sent by the provider" in told


def test_no_payload_steers_the_story():
    told = story(type="x\x1b[2J", reason="\u202eevil")
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_what_is_due_is_due_now_and_what_cannot_go_says_so():
    late = story("pending", [delivery("pending", phase="due", due_at=at(NOW - 3))])
    assert "is due, since 3.0s" in late
    assert late.endswith("Next: now.")
    assert story("pending", [delivery("pending", phase="no worker")]).endswith("It goes on when that changes.")


def test_who_cancelled_is_said_once():
    told = story("ignored", [delivery("cancelled", reason="cancelled by ada")], reason="cancelled by ada")
    assert told.count("cancelled") == 1


def test_a_failure_is_said_once():
    told = story(
        "failed", [delivery("failed", [attempt(state="failed", reason="said no")], reason="said no")], reason="said no"
    )
    assert told.count("said no") == 1
