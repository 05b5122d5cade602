"""The tools for users' tests, used as users would."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hookline import ConfigError, Event, Hookline, Ignore, NeedsReview, Rejected, Retry, samples, verify
from hookline.providers import PROVIDERS, practice
from hookline.store.sqlite.within import StoreTransaction
from hookline.testing import Webhooks, signed

CONFIG = {
    "sources": {
        "github": {"provider": "github", "secrets": ["env:NOT_SET_HERE"]},
        "stripe": {"provider": "stripe", "secrets": ["env:NOT_SET_HERE"]},
        "billing": {
            "provider": "hmac",
            "secrets": ["env:NOT_SET_HERE"],
            "signature": {"header": "X-Sig", "signs": "{body}"},
            "type": "body.event",
            "id": "body.id",
        },
    },
    "routes": [{"from": "github", "events": ["push"], "to": ["chat"]}],
    "destinations": {"chat": {"type": "slack", "url": "env:NOT_SET_HERE", "text": "pushed"}},
}


@pytest.fixture
def calls() -> list[Event]:
    return []


@pytest.fixture
def hookline_app(calls: list[Event]) -> Hookline:
    hooks = Hookline(CONFIG)

    @hooks.on("stripe", "invoice.paid", name="paid", retry="5s 5m")
    def paid(event: Event) -> Retry | None:
        calls.append(event)
        return Retry("no such order yet") if event.attempt == 1 else None

    @hooks.on("billing", "order.*", name="order", ordering_key="body.customer", when={"body.amount": {"$gte": 10}})
    async def order(event: Event) -> Ignore | NeedsReview | None:
        calls.append(event)
        await asyncio.sleep(0)
        if event.body["amount"] > 1000:
            raise NeedsReview("that is a lot")
        return None

    @hooks.on("billing", "broken", name="broken", retry="")
    def broken(event: Event) -> None:
        raise ZeroDivisionError("of course")

    return hooks


def test_a_sample_reaches_its_handler_with_the_fields_that_were_set(webhooks: Webhooks, calls: list[Event]) -> None:
    sent = webhooks.send("stripe", "invoice.paid", set={"data.object.id": "in_1"})
    assert sent.status == 200
    assert calls[0].body["data"]["object"]["id"] == "in_1"
    assert (sent.event.event.type, sent.event.event.status) == ("invoice.paid", "pending")


def test_time_passes_only_when_the_test_says_so(webhooks: Webhooks, calls: list[Event]) -> None:
    sent = webhooks.send("stripe", "invoice.paid")
    assert (sent.state(), sent.reason()) == ("pending", "no such order yet")
    assert webhooks.run() == 0
    assert webhooks.advance("4s") == 0
    assert webhooks.advance("1s") == 1
    assert sent.state("paid") == "succeeded"
    assert [event.attempt for event in calls] == [1, 2]


def test_a_body_of_ones_own_is_signed_as_the_source_is_configured(webhooks: Webhooks, calls: list[Event]) -> None:
    sent = webhooks.send("billing", body={"event": "order.shipped", "id": "o1", "amount": 10, "customer": "c"})
    assert sent.state() == "succeeded"
    assert calls[0].provider_id == "o1"


def test_outcomes_filters_and_tracebacks_are_there_to_be_compared(webhooks: Webhooks) -> None:
    def order(amount: int) -> str:
        return webhooks.send("billing", body={"event": "order.new", "id": str(amount), "amount": amount}).state()

    assert [order(amount) for amount in (9, 10, 1001)] == ["ignored", "succeeded", "needs_review"]
    broken = webhooks.send("billing", body={"event": "broken", "id": "b"})
    assert broken.state() == "failed"
    assert 'raise ZeroDivisionError("of course")' in broken.error()


def test_a_duplicate_and_a_forgery_are_treated_as_in_life(webhooks: Webhooks, calls: list[Event]) -> None:
    request = signed("github", "push", "practice-makes-perfect", now=webhooks.clock.now())
    first, second = webhooks.post("github", request), webhooks.post("github", request)
    assert (first.status, second.status) == (200, 200)
    assert first.event.event.id == second.event.event.id
    assert second.event.event.duplicates == 1
    forged = webhooks.post("github", msgspec.structs.replace(request, body=b"{}"))
    assert forged.status == 401
    assert forged.events == []
    with pytest.raises(LookupError, match="HTTP 401"):
        forged.state()


def test_what_would_leave_is_recorded(webhooks: Webhooks) -> None:
    sent = webhooks.send("github", "push", set={"ref": "refs/heads/main"})
    assert sent.state("chat") == "succeeded"
    [recorded] = webhooks.recorded
    assert (recorded.destination, recorded.event.body["ref"]) == ("chat", "refs/heads/main")


def test_an_event_of_the_wrong_side_is_held_as_in_life(webhooks: Webhooks) -> None:
    body = {"id": "evt_1", "type": "invoice.paid", "livemode": False}
    assert webhooks.send("stripe", "invoice.paid").state() == "pending"
    assert webhooks.send("stripe", body=body).state() == "needs_review"


def test_an_event_can_wait_until_the_test_lets_it_run(webhooks: Webhooks, calls: list[Event]) -> None:
    sent = webhooks.send("stripe", "invoice.paid", run=False)
    assert (sent.state(), calls) == ("pending", [])
    assert webhooks.run() == 1


async def test_tests_of_any_colour_can_wait(webhooks: Webhooks) -> None:
    assert webhooks.send("stripe", "invoice.paid").status == 200


def test_a_source_or_delivery_that_is_not_there_is_told(webhooks: Webhooks) -> None:
    with pytest.raises(ConfigError, match="there are github, stripe, billing"):
        webhooks.send("shopify", "orders/create")
    with pytest.raises(ConfigError, match="which type"):
        webhooks.send("stripe")
    with pytest.raises(ConfigError, match="no sample"):
        webhooks.send("stripe", "invoice.payed")
    with pytest.raises(LookupError, match="no delivery to nobody: there are paid"):
        webhooks.send("stripe", "invoice.paid").state("nobody")
    with pytest.raises(LookupError, match="no route"):
        webhooks.send("billing", body={"event": "unheard.of"}).state()


def test_a_faulty_configuration_is_told_whole(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Webhooks(Hookline({"sources": {"a": {}}, "destinations": {"b": {}}}), tmp_path)
    assert "sources.a" in str(caught.value)
    assert "destinations.b" in str(caught.value)


@pytest.mark.parametrize("provider", [name for name in samples.providers() if not PROVIDERS[name].no_secret])
def test_every_sample_is_signed_as_its_provider_signs(provider: str) -> None:
    practised = practice(provider)
    for type in samples.types(provider):
        request = signed(provider, type, now=1_800_000_000.0)
        given = {"secrets": practised.secrets, "keys": practised.keys, "now": 1_800_000_000.0, **practised.options}
        headers = request.headers
        try:
            verified = verify(
                provider, method=request.method, url=request.url, headers=headers, body=request.body, **given
            )
        except Rejected as no:
            assert no.reason == "handshake"  # noqa: PT017  a sample may be one
        else:
            assert verified.events


def test_the_plugin_costs_next_to_nothing_where_it_is_not_used() -> None:
    program = (
        "import sys, hookline.testing.plugin; print([name for name in sys.modules if name.startswith('hookline.')])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['hookline.testing', 'hookline.testing.plugin']"


def test_what_a_handler_writes_in_the_store_is_undone_with_it(tmp_path: Path) -> None:
    hooks = Hookline(CONFIG)
    seen: list[list[tuple[object, ...]]] = []

    @hooks.on("github", "push", name="counted", transaction="store", retry="5s 5m")
    def counted(event: Event, tx: StoreTransaction) -> Retry | None:
        tx.execute("create table if not exists pushes (ref text)")
        tx.execute("insert into pushes values (?)", (event.body["ref"],))
        seen.append(tx.execute("select ref from pushes"))
        return Retry("once more") if event.attempt == 1 else None

    with Webhooks(hooks, tmp_path) as webhooks:
        sent = webhooks.send("github", "push", set={"ref": "main"})
        assert sent.state("counted") == "pending"
        webhooks.advance("5s")
        assert sent.state("counted") == "succeeded"
    assert seen == [[("main",)], [("main",)]]
