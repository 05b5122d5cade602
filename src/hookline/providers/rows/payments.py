"""Money."""

from __future__ import annotations

from hookline.providers.base import Provider
from hookline.providers.fields import Time, first
from hookline.providers.schemes.base import Stamp
from hookline.providers.schemes.hmac import Hmac, Items

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
    occurred_at=Time(first("body.created")),
    subject=first("body.data.object.id", "body.related_object.id"),
    live="body.livemode",
    volatile=("pending_webhooks",),
    tolerance=300,
    signs_time=True,
    signs_id=True,
    notes="One secret for each endpoint. issuing_authorization.request wants its decision in the answer.",
)

ROWS = (STRIPE,)
