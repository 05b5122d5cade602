"""Money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.providers.base import Provider
from hookline.providers.facts import Facts
from hookline.providers.fields import Flag, Time, first, join, whole
from hookline.providers.items import Listed
from hookline.providers.schemes.base import Binding, Stamp
from hookline.providers.schemes.hmac import Hmac, Items
from hookline.providers.schemes.jwt import Claims, Jwt, body_hash, expect_hash
from hookline.providers.schemes.publickey import Asymmetric

STRIPE = Provider(
    name="stripe",
    title="Stripe",
    docs="https://docs.stripe.com/webhooks",
    scheme=Hmac(
        header="Stripe-Signature",
        items=Items(separator=",", assign="=", signature="v1", time="t"),
        signs="{timestamp}.{body}",
        time=Stamp(),
    ),
    credential="the endpoint's signing secret, whsec_…, used as it is",
    type="body.type",
    id="body.id",
    occurred_at=Time("body.created"),
    subject=first("body.data.object.id", "body.related_object.id"),
    live="body.livemode",
    volatile=("pending_webhooks",),
    tolerance=300,
    signs_time=True,
    signs_id=True,
    notes="One secret for each endpoint. issuing_authorization.request wants its decision in the answer.",
)

PADDLE = Provider(
    name="paddle",
    title="Paddle Billing",
    docs="https://developer.paddle.com/webhooks/signature-verification",
    scheme=Hmac(
        header="Paddle-Signature",
        items=Items(separator=";", assign="=", signature="h1", time="ts"),
        signs="{timestamp}:{body}",
        time=Stamp(),
    ),
    credential="the destination's secret key, pdl_ntfset_…, whole",
    type="body.event_type",
    id="body.event_id",
    occurred_at=Time("body.occurred_at", "iso"),
    subject="body.data.id",
    volatile=("notification_id",),
    tolerance=300,
    deadline=5,
    signs_time=True,
    signs_id=True,
    notes="Paddle's own libraries allow 5 seconds; set tolerance if you want it as tight.",
)

LEMONSQUEEZY = Provider(
    name="lemonsqueezy",
    title="Lemon Squeezy",
    docs="https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
    scheme=Hmac(header="X-Signature"),
    credential="the webhook's signing secret",
    type=first("body.meta.event_name", "header.X-Event-Name"),
    id=whole(":", "body.meta.event_name", "body.data.id", "body.data.attributes.updated_at"),
    occurred_at=Time("body.data.attributes.updated_at", "iso"),
    subject="body.data.id",
    live=Flag("body.meta.test_mode", live=("false",), test=("true",)),
    signs_id=True,
)

SQUARE = Provider(
    name="square",
    title="Square",
    docs="https://developer.squareup.com/docs/webhooks/step3validate",
    scheme=Hmac(header="x-square-hmacsha256-signature", encoding="base64", signs="{url}{body}"),
    credential="the subscription's signature key",
    type="body.type",
    id="body.event_id",
    occurred_at=Time("body.created_at", "iso"),
    subject="body.data.id",
    live=Flag("header.square-environment", live=("Production",), test=("Sandbox",)),
    signs_id=True,
    signs_url=True,
    notes="Signs the URL as registered, to the last slash.",
)

RAZORPAY = Provider(
    name="razorpay",
    title="Razorpay",
    docs="https://razorpay.com/docs/webhooks/validate-test/",
    scheme=Hmac(header="X-Razorpay-Signature"),
    credential="the webhook's secret",
    type="body.event",
    id="header.x-razorpay-event-id",
    occurred_at=Time("body.created_at", "s"),
    subject=first("body.payload.payment.entity.id", "body.payload.order.entity.id", "body.payload.refund.entity.id"),
    deadline=5,
    bodies_repeat=False,
)

COINBASE = Provider(
    name="coinbase-commerce",
    title="Coinbase Commerce",
    docs="https://docs.cdp.coinbase.com/commerce/docs/webhooks-security",
    scheme=Hmac(header="X-CC-Webhook-Signature"),
    credential="the webhook's shared secret",
    type="body.event.type",
    id="body.event.id",
    occurred_at=Time("body.event.created_at", "iso"),
    subject=first("body.event.data.id", "body.event.data.code"),
    volatile=("id", "attempt_number", "scheduled_for"),
    signs_id=True,
)

GOCARDLESS = Provider(
    name="gocardless",
    title="GoCardless",
    docs="https://developer.gocardless.com/getting-started/api/staying-up-to-date-with-webhooks",
    scheme=Hmac(header="Webhook-Signature"),
    credential="the endpoint's secret",
    type=join(".", "body.resource_type", "body.action"),
    id="body.id",
    occurred_at=Time("body.created_at", "iso"),
    subject=first("body.links.payment", "body.links.mandate", "body.links.subscription", "body.links.payout"),
    split=Listed("events"),
    refuse=498,
    signs_id=True,
    notes="Wants 498 for a bad signature.",
)

MOLLIE = Provider(
    name="mollie",
    title="Mollie",
    docs="https://docs.mollie.com/reference/webhooks-new",
    scheme=Hmac(header="X-Mollie-Signature", prefix="sha256=", repeats=True),
    credential="the webhook's signing secret",
    type="body.type",
    id="body.id",
    occurred_at=Time("body.createdAt", "iso"),
    subject="body.entityId",
    deadline=15,
    signs_id=True,
    notes="Classic webhooks (a form with an id) are not signed: use the generic token and fetch the payment.",
)

XERO = Provider(
    name="xero",
    title="Xero",
    docs="https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/",
    scheme=Hmac(header="x-xero-signature", encoding="base64"),
    credential="the app's webhooks key",
    type=join(".", "body.eventCategory", "body.eventType"),
    id=whole(":", "body.eventCategory", "body.eventType", "body.resourceId", "body.eventDateUtc"),
    occurred_at=Time("body.eventDateUtc", "iso"),
    subject="body.resourceId",
    split=Listed("events"),
    deadline=5,
    signs_id=True,
    notes="Before it sends events it tests with right and wrong signatures and no events: both get their answer.",
)

WISE = Provider(
    name="wise",
    title="Wise",
    docs="https://docs.wise.com/api-docs/webhooks-notifications/event-handling",
    scheme=Asymmetric(kind="rsa", header="X-Signature-SHA256"),
    credential="Wise's public key for webhooks, in PEM (one for production, one for the sandbox)",
    type="body.event_type",
    id="header.X-Delivery-Id",
    occurred_at=Time(first("body.data.occurred_at", "body.sent_at"), "iso"),
    subject="body.data.resource.id",
    live=Flag("header.X-Test-Notification", live=(), test=("true",)),
)


def _plaid(claims: Claims, facts: Facts, binding: Binding) -> None:
    expect_hash(claims, "request_body_sha256", facts.body)


PLAID_KEYS = "https://production.plaid.com/webhook_verification_key/get"
PLAID_SANDBOX_KEYS = "https://sandbox.plaid.com/webhook_verification_key/get"


def _plaid_question(binding: Binding) -> dict[str, str] | None:
    """Plaid gives its keys one by one, to its customers only."""
    client = binding.options.get("client_id")
    if not isinstance(client, str) or not binding.secrets:
        return None
    return {"client_id": client, "secret": binding.secrets[0]}


def _plaid_row(row: Provider, options: Mapping[str, Any], where: str) -> Provider:
    if not options.get("sandbox"):
        return row
    assert isinstance(row.scheme, Jwt)
    return msgspec.structs.replace(row, scheme=msgspec.structs.replace(row.scheme, keys_url=PLAID_SANDBOX_KEYS))


PLAID = Provider(
    name="plaid",
    title="Plaid",
    docs="https://plaid.com/docs/api/webhooks/webhook-verification/",
    scheme=Jwt(
        algorithm="ES256",
        header="Plaid-Verification",
        prefix="",
        keys_url=PLAID_KEYS,
        question=_plaid_question,
        judge=_plaid,
        claims=lambda draft, binding: {"iat": int(draft.now), "request_body_sha256": body_hash(draft.body)},
        max_age=300,
    ),
    credential="the API secret, with client_id, by which Plaid's verification keys are fetched",
    no_secret=True,
    type=join(".", "body.webhook_type", "body.webhook_code"),
    subject=first("body.item_id", "body.transfer_id", "body.asset_report_id"),
    live=Flag("body.environment", live=("production",), test=("sandbox",)),
    options=frozenset({"client_id", "sandbox"}),
    configure=_plaid_row,
    signs_time=True,
    notes="sandbox = true fetches the keys of Plaid's sandbox.",
)


ROWS = (
    STRIPE,
    PADDLE,
    LEMONSQUEEZY,
    SQUARE,
    RAZORPAY,
    COINBASE,
    GOCARDLESS,
    MOLLIE,
    XERO,
    WISE,
    PLAID,
)
