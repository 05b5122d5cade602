"""Every vector that somebody else made is judged as its maker says."""

from __future__ import annotations

import pytest
from provider_vectors import VECTORS, Vector

from hookline import providers
from hookline.errors import ConfigError, Rejected
from hookline.model import Reply, Verified

REASONS = {
    "sns-certhost": "foreign certificate",
    "sns-topic": "wrong topic",
    "sns-ver": "wrong algorithm",
    "box-old": "stale timestamp",
    "box-alg": "wrong algorithm",
    "circleci-v2-only": "malformed signature",
    "contentful-stale": "stale timestamp",
    "discord-nothex": "malformed signature",
    "github-no-prefix": "malformed signature",
    "github-sha1-only": "missing signature",
    "gitlab-notoken": "missing signature",
    "pubsub-email": "wrong account",
    "pubsub-unverified": "wrong account",
    "pubsub-exp": "stale timestamp",
    "hubspot-v3-stale": "stale timestamp",
    "jira-connect-expired": "stale timestamp",
    "lemonsqueezy-missing": "missing signature",
    "linear-stale": "stale timestamp",
    "mandrill-missing": "missing signature",
    "mollie-missing": "missing signature",
    "msgraph-rich-appid": "wrong publisher",
    "msgraph-rich-notoken": "missing token",
    "msgraph-empty": "missing signature",
    "msgraph-rich-exp": "stale timestamp",
    "netlify-iss": "wrong issuer",
    "pagerduty-missing": "missing signature",
    "paypal-certhost": "foreign certificate",
    "plaid-stale": "stale timestamp",
    "shopify-missing": "missing signature",
    "slack-future": "timestamp in the future",
    "slack-301s": "stale timestamp",
    "slack-v1": "malformed signature",
    "stripe-missing": "missing signature",
    "stripe-bad-header": "malformed signature",
    "stripe-stale": "stale timestamp",
    "svix-new": "timestamp in the future",
    "svix-no-ts": "missing timestamp",
    "svix-no-id": "missing id",
    "twilio-sharedkey-unknown-alg": "wrong algorithm",
    "twitter-missing": "missing signature",
    "typeform-missing": "missing signature",
    "whatsapp-missing": "missing signature",
    "zoom-stale": "stale timestamp",
}
"""Why the others are refused than for a signature that does not fit: each for its own reason, not for a side effect."""


def test_the_vectors_cover_sixty_four_providers_that_we_all_know():
    names = {vector.provider for vector in VECTORS}
    assert len(names) == 64
    assert names <= set(providers.PROVIDERS)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.expect == "accept"], ids=lambda v: v.id)
def test_genuine_requests_are_accepted(vector: Vector):
    result = vector.verifier().check(vector.request, vector.now)
    assert isinstance(result, Verified | Reply)
    if isinstance(result, Verified):
        assert result.events
        assert all(event.type for event in result.events)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.expect == "reject"], ids=lambda v: v.id)
def test_forged_requests_are_rejected(vector: Vector):
    try:
        verifier = vector.verifier()
    except ConfigError:
        pytest.fail("the secrets of a vector can be bound")
    with pytest.raises(Rejected) as no:
        verifier.check(vector.request, vector.now)
    assert no.value.reason == REASONS.get(vector.id, "bad signature")
    assert 400 <= no.value.status < 500


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.id)
def test_the_spelling_and_order_of_headers_change_nothing(vector: Vector):
    request = vector.request
    shuffled = [(name.swapcase(), value) for name, value in reversed(request.headers)]
    other = type(request)(
        method=request.method,
        target=request.target,
        headers=[(b"X-Before", b"1"), *shuffled, (b"X-After", b"2")],
        body=request.body,
        received_at=request.received_at,
    )
    verifier = vector.verifier()
    assert outcome(verifier, other, vector.now) == outcome(verifier, request, vector.now)


def outcome(verifier: providers.Verifier, request: object, now: float) -> object:
    try:
        return verifier.check(request, now)
    except Rejected as no:
        return no.reason
