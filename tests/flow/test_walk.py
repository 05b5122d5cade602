"""The whole walk with real processes: a request at the real door, a handler in a worker, a state in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import Answer, Gateway, billing, github, stripe, stripe_event, wait_for

APP = '''
"""Handlers that write what they saw into files, so that the test can read it."""
import json
from pathlib import Path
from hookline import Event, Fail, Hookline, Ignore, Retry

hooks = Hookline()


def note(name, event, **more):
    line = {"handler": name, "id": event.provider_id, "type": event.type, "attempt": event.attempt,
            "key": event.idempotency_key, "raw": event.raw.decode(), "source": event.source, **more}
    with Path("seen.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\\n")


@hooks.on("github", "push")
async def push(event: Event) -> None:
    note("push", event, ref=event.body["ref"])


@hooks.on("stripe", "invoice.paid")
def paid(event: Event):
    note("paid", event)
    if event.attempt == 1:
        return Retry("no such order yet", after=0.1)


@hooks.on("stripe", "invoice.voided")
async def voided(event: Event):
    note("voided", event)
    if not Path("cured").exists():
        return Fail("the order is gone")


@hooks.on("stripe", "charge.refunded")
async def refunded(event: Event):
    note("refunded", event)
    raise Ignore("refunds are somebody else's")


@hooks.on("billing", "order.*")
def order(event: Event) -> None:
    note("order", event)


@hooks.on("billing", "slow.work")
async def slow(event: Event) -> None:
    import asyncio
    note("slow started", event)
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    note("slow done", event)
'''


def seen(gateway: Gateway, handler: str | None = None) -> list[dict]:
    path = gateway.directory / "seen.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if handler in (None, line["handler"])]


def states(gateway: Gateway) -> dict[str, str]:
    """Status by the provider's id, from the counts of the event's row."""
    return dict(gateway.rows(STATUS))


STATUS = """
select provider_id, case
  when needs_review > 0 or hold is not null then 'needs_review'
  when failed > 0 then 'failed'
  when pending > 0 then 'pending'
  when succeeded > 0 then 'processed'
  else 'ignored' end
from events
"""


def settled(gateway: Gateway, provider_id: str, status: str) -> None:
    wait_for(lambda: states(gateway).get(provider_id) == status, f"{provider_id} to be {status}")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("walk"), app=APP)
    gateway.start("serve", "app:hooks")
    try:
        gateway.wait_until_ready()
        yield gateway
    finally:
        gateway.stop()


def ok(answer: Answer) -> bool:
    return 200 <= answer[0] < 300


def test_a_push_from_github_reaches_its_handler_byte_for_byte(gateway: Gateway) -> None:
    signed = github({"ref": "refs/heads/main", "note": "naïve ☃"}, "d1")
    assert ok(gateway.post(signed))
    [line] = wait_for(lambda: seen(gateway, "push"), "the handler")
    assert (line["id"], line["type"], line["ref"]) == ("d1", "push", "refs/heads/main")
    assert line["raw"].encode() == signed[2]
    settled(gateway, "d1", "processed")


def test_a_second_copy_is_acknowledged_and_runs_nothing(gateway: Gateway) -> None:
    signed = github({"ref": "refs/heads/copy"}, "d2")
    first, second = gateway.post(signed), gateway.post(signed)
    assert first[0] == second[0]
    settled(gateway, "d2", "processed")
    assert len([line for line in seen(gateway, "push") if line["id"] == "d2"]) == 1


def test_a_handler_that_asks_for_a_retry_is_called_again_with_the_same_key(gateway: Gateway) -> None:
    assert ok(gateway.post(stripe(stripe_event("1", "invoice.paid", id="in_1"))))
    calls = wait_for(lambda: len(seen(gateway, "paid")) == 2 and seen(gateway, "paid"), "the second attempt")
    assert [call["attempt"] for call in calls] == [1, 2]
    assert calls[0]["key"] == calls[1]["key"] != ""
    settled(gateway, "evt_1", "processed")


def test_a_failed_event_is_replayed_after_the_cure(gateway: Gateway) -> None:
    assert ok(gateway.post(stripe(stripe_event("2", "invoice.voided", id="in_2"))))
    settled(gateway, "evt_2", "failed")
    (gateway.directory / "cured").touch()
    replayed = gateway.run("replay", "evt_2", "--yes")
    assert replayed.returncode == 0, replayed.stderr
    settled(gateway, "evt_2", "processed")
    first, second = seen(gateway, "voided")
    assert first["key"] == second["key"]


def test_an_ignored_event_says_so(gateway: Gateway) -> None:
    assert ok(gateway.post(stripe(stripe_event("3", "charge.refunded", id="ch_3"))))
    settled(gateway, "evt_3", "ignored")


def test_an_event_nobody_wants_is_kept_as_ignored(gateway: Gateway) -> None:
    assert ok(gateway.post(stripe(stripe_event("4", "customer.created", id="cus_4"))))
    settled(gateway, "evt_4", "ignored")


def test_a_scheme_from_the_file_is_verified(gateway: Gateway) -> None:
    assert ok(gateway.post(billing({"event": "order.shipped", "id": 7}, "b1")))
    settled(gateway, "b1", "processed")
    assert [line["type"] for line in seen(gateway, "order")] == ["order.shipped"]


@pytest.mark.parametrize("sender", ["github", "stripe", "billing"])
def test_a_bad_signature_is_refused_and_nothing_is_kept(gateway: Gateway, sender: str) -> None:
    make = {
        "github": lambda secret: github({"ref": "forged"}, "forged-g", secret=secret),
        "stripe": lambda secret: stripe(stripe_event("forged-s", "invoice.paid"), secret=secret),
        "billing": lambda secret: billing({"event": "order.forged"}, "forged-b", secret=secret),
    }[sender]
    status, _, body = gateway.post(make("not the secret"))
    assert status == 401
    assert b"sha256" not in body
    assert b"signature" not in body.lower()
    assert not any("forged" in (provider_id or "") for provider_id in states(gateway))


@pytest.mark.parametrize("age", [-3600, 3600])
def test_a_stale_or_future_timestamp_is_refused(gateway: Gateway, age: int) -> None:
    assert gateway.post(stripe(stripe_event("stale", "invoice.paid"), moment=time.time() + age))[0] == 401
    assert gateway.post(billing({"event": "order.stale"}, "stale", moment=time.time() + age))[0] == 401
    assert "stale" not in str(states(gateway))


def test_an_unknown_path_is_404_and_a_wrong_method_405(gateway: Gateway) -> None:
    assert gateway.send("POST", "/webhooks/nobody", {}, b"{}")[0] == 404
    status, headers, _ = gateway.get("/webhooks/github")
    assert (status, headers["allow"]) == (405, "POST")


def test_sigterm_lets_the_running_handler_end_and_keeps_what_waits(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP)
    gateway.start("serve", "app:hooks")
    try:
        gateway.wait_until_ready()
        assert ok(gateway.post(billing({"event": "slow.work"}, "s1")))
        wait_for(lambda: seen(gateway, "slow started"), "the handler to start")
        [server] = gateway.processes
        server.terminate()
        wait_for(lambda: not gateway.playing("ingest"), "the door to close")
        assert server.poll() is None, "it left while a handler was running"
        (gateway.directory / "go").touch()
        assert server.wait(40) == 0
        assert len(seen(gateway, "slow done")) == 1
        settled(gateway, "s1", "processed")
    finally:
        gateway.stop()
