"""Shops."""

from __future__ import annotations

from hookline.providers import handshakes
from hookline.providers.base import Provider
from hookline.providers.fields import Flag, Time, first, join
from hookline.providers.schemes.hmac import Hmac

SHOPIFY = Provider(
    name="shopify",
    title="Shopify",
    docs="https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
    scheme=Hmac(header="X-Shopify-Hmac-SHA256", others=("Shopify-Hmac-Sha256",), encoding="base64"),
    credential="the app's client secret (or the shop's, for hooks made in its settings)",
    type=first("header.X-Shopify-Topic", join("/", "header.Shopify-Topic", "header.Shopify-Action")),
    id=first("header.X-Shopify-Webhook-Id", "header.Shopify-Webhook-Id"),
    occurred_at=Time(first("header.X-Shopify-Triggered-At", "header.Shopify-Triggered-At", "body.updated_at"), "iso"),
    subject=first("body.admin_graphql_api_id", "body.id"),
    live=Flag("header.X-Shopify-Test", live=(), test=("true",)),
    deadline=5,
    bodies_repeat=False,
    notes="Deliveries may be hours late: never judged by age. Eight failures in a row delete the subscription.",
)

WOOCOMMERCE = Provider(
    name="woocommerce",
    title="WooCommerce",
    docs="https://woocommerce.com/document/webhooks/",
    scheme=Hmac(header="X-WC-Webhook-Signature", encoding="base64"),
    credential="the webhook's secret",
    type="header.X-WC-Webhook-Topic",
    id="header.X-WC-Webhook-Delivery-ID",
    occurred_at=Time(first("body.date_modified_gmt", "body.date_created_gmt"), "iso"),
    subject="body.id",
    unsigned_handshake=handshakes.woocommerce,
    retries=False,
    bodies_repeat=False,
    notes="Switched off after five failures in a row.",
)

ROWS = (SHOPIFY, WOOCOMMERCE)
