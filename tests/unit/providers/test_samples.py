"""Every sample that we ship, signed by us, is what its provider would have sent."""

from __future__ import annotations

import msgspec
import pytest
from provider_cases import NOW, practised

from hookline import providers, samples
from hookline.errors import ConfigError
from hookline.model import Verified, VerifiedEvent
from hookline.providers.fields import Time

ALL = [(name, kind) for name in samples.providers() for kind in samples.types(name)]
LATER = 1_893_456_000.0  # 2030


def arrive(sample: samples.Sample, now: float = NOW) -> VerifiedEvent:
    verifier = practised(sample.provider)
    signed = verifier.sign(sample.body, now=now, type=sample.type, id=sample.id, content_type=sample.content_type)
    result = verifier.check(signed.request(now), now)
    assert isinstance(result, Verified)
    return result.events[0]


def test_every_provider_has_a_sample():
    assert samples.providers() == sorted(providers.PROVIDERS)


@pytest.mark.parametrize(("name", "kind"), ALL, ids=lambda part: part)
def test_a_sample_is_accepted_under_its_type(name: str, kind: str):
    event = arrive(samples.fresh(samples.load(name, kind), id="fresh1", now=NOW))
    assert event.type == kind


@pytest.mark.parametrize("name", samples.providers())
def test_two_fresh_samples_are_two_events(name: str):
    sample = samples.load(name, samples.types(name)[0])
    one, two = (arrive(samples.fresh(sample, id=name, now=NOW)) for name in ("one", "two"))
    if one.id is None:
        assert name in WITHOUT_ID
    elif name not in ONLY_A_TIME:
        assert one.id != two.id


WITHOUT_ID = {"alertmanager", "discord", "dropbox", "mandrill", "msgraph", "plaid", "twitter", "websub"}
"""Some of whose events have nothing that names them: the digest of body and signed time does."""
ONLY_A_TIME = {"docker-hub"}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in samples.providers()
        if isinstance(providers.PROVIDERS[name].occurred_at, Time) and name not in ("datadog", "mandrill", "postmark")
    ],
)
def test_a_fresh_sample_happened_now(name: str):
    for kind in samples.types(name):
        old = arrive(samples.load(name, kind)) if name != "linear" else None
        if old is not None and old.occurred_at is None:
            continue
        event = arrive(samples.fresh(samples.load(name, kind), now=LATER), LATER)
        assert event.occurred_at is not None
        assert abs(event.occurred_at - LATER) < 1, kind


def test_fields_can_be_set_by_path():
    sample = samples.fresh(samples.load("stripe", "invoice.paid"), set={"data.object.amount_paid": 7, "new.deep": [1]})
    value = msgspec.json.decode(sample.body)
    assert value["data"]["object"]["amount_paid"] == 7
    assert value["new"] == {"deep": [1]}


def test_fields_of_a_batch_count_from_its_first_item():
    sample = samples.fresh(samples.load("sendgrid", "open"), set={"email": "jo@example.com"}, id="s1")
    item = msgspec.json.decode(sample.body)[0]
    assert (item["email"], item["sg_event_id"]) == ("jo@example.com", "s1")


def test_fields_of_a_form_can_be_set():
    sample = samples.fresh(samples.load("twilio", "message.received"), set={"Body": "Hi & bye"}, id="SM9")
    assert b"Body=Hi+%26+bye" in sample.body
    assert arrive(sample).id == "SM9"


def test_a_prefix_of_an_id_is_kept():
    event = arrive(samples.fresh(samples.load("stripe", "invoice.paid"), id="7"))
    assert event.id == "evt_7"


def test_a_path_that_leads_nowhere_is_said():
    with pytest.raises(ConfigError, match="no such place"):
        samples.fresh(samples.load("stripe", "invoice.paid"), set={"data.object.id.x": 1})


def test_a_missing_sample_names_those_that_are_there():
    with pytest.raises(ConfigError, match=r"invoice\.paid"):
        samples.load("stripe", "nope")
    with pytest.raises(ConfigError, match="none"):
        samples.load("nobody", "nope")
