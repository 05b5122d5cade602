"""Clouds, and who is allowed into what."""

from __future__ import annotations

from hookline.errors import Rejected
from hookline.providers import handshakes
from hookline.providers.base import Provider
from hookline.providers.facts import Facts
from hookline.providers.fields import Time, first, whole
from hookline.providers.items import Listed
from hookline.providers.rows.generic import placed
from hookline.providers.schemes.base import Binding
from hookline.providers.schemes.jwt import Claims, Jwt, expect
from hookline.providers.schemes.shared import Authorization, Token
from hookline.providers.schemes.standard import StandardWebhooks

GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")


def _google(claims: Claims, facts: Facts, binding: Binding) -> None:
    expect(claims, "iss", GOOGLE_ISSUERS, "wrong issuer")
    expect(claims, "aud", binding.options.get("audience"), "wrong audience")
    expect(claims, "email", binding.options.get("email"), "wrong account")
    if claims.get("email_verified") is not True:
        raise Rejected("wrong account")
    if claims.get("exp") is None:
        raise Rejected("missing timestamp")


PUBSUB = Provider(
    name="google-pubsub",
    title="Google Cloud Pub/Sub push",
    docs="https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
    scheme=Jwt(
        algorithm="RS256",
        keys_url=GOOGLE_KEYS,
        judge=_google,
        claims=lambda draft, binding: {
            "iss": GOOGLE_ISSUERS[0],
            "aud": binding.options["audience"],
            "email": binding.options["email"],
            "email_verified": True,
            "iat": int(draft.now),
            "exp": int(draft.now) + 3600,
        },
        needs=("audience", "email"),
    ),
    credential="none: Google's keys are fetched; audience and email (the service account) say whose token it must be",
    no_secret=True,
    type=first("body.message.attributes.eventType", "body.message.attributes.type", lambda facts: "message"),
    id="body.message.messageId",
    occurred_at=Time("body.message.publishTime", "iso"),
    subject=first("body.message.attributes.objectId", "body.subscription"),
    options=frozenset({"audience", "email"}),
    notes="The token covers neither body nor URL. The message's data is base64.",
)

EVENT_GRID = Provider(
    name="azure-event-grid",
    title="Azure Event Grid",
    docs="https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery",
    scheme=Token(place="query.secret"),
    credential="a word of your own, put into the URL as ?secret=…",
    type=first("body.eventType", "body.type"),
    id="body.id",
    occurred_at=Time(first("body.eventTime", "body.time"), "iso"),
    subject="body.subject",
    split=Listed(),
    unsigned_handshake=handshakes.cloud_events,
    handshake=handshakes.event_grid,
    methods=frozenset({"POST", "OPTIONS"}),
    deadline=30,
    options=frozenset({"token"}),
    configure=placed,
    notes="Signs nothing: the URL is the secret.",
)

CLOUDEVENTS = Provider(
    name="cloudevents",
    title="CloudEvents over HTTP",
    docs="https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md",
    scheme=Authorization(forms=("bearer",)),
    credential="the bearer token that the sender was given",
    type=first("header.ce-type", "body.type"),
    id=first(whole(":", "header.ce-source", "header.ce-id"), whole(":", "body.source", "body.id")),
    occurred_at=Time(first("header.ce-time", "body.time"), "iso"),
    subject=first("header.ce-subject", "body.subject", "header.ce-source", "body.source"),
    split=Listed(),
    unsigned_handshake=handshakes.cloud_events,
    methods=frozenset({"POST", "OPTIONS"}),
    options=frozenset({"token"}),
    configure=placed,
    notes="Signs nothing. Binary, structured and batched events are understood.",
)

OKTA = Provider(
    name="okta",
    title="Okta event hooks",
    docs="https://developer.okta.com/docs/concepts/event-hooks/",
    scheme=Authorization(forms=("raw",)),
    credential="the value of the Authorization header that you gave Okta",
    type="body.eventType",
    id="body.uuid",
    occurred_at=Time("body.published", "iso"),
    subject=first("body.target.0.id", "body.actor.id"),
    split=Listed("data.events"),
    handshake=handshakes.okta,
    methods=frozenset({"POST", "GET"}),
    deadline=3,
    notes="Signs nothing.",
)

AUTH0 = Provider(
    name="auth0",
    title="Auth0 log streams",
    docs="https://auth0.com/docs/customize/log-streams/custom-log-streams",
    scheme=Authorization(forms=("raw", "bearer")),
    credential="the authorization token of the log stream",
    type="body.data.type",
    id=first("body.log_id", "body.data.log_id"),
    occurred_at=Time("body.data.date", "iso"),
    subject=first("body.data.user_id", "body.data.client_id"),
    split=Listed(),
    notes="Signs nothing. Choose JSON Array as the content format.",
)

CLERK = Provider(
    name="clerk",
    title="Clerk",
    docs="https://clerk.com/docs/webhooks/overview",
    scheme=StandardWebhooks(prefixes=("svix-", "webhook-")),
    credential="the endpoint's signing secret, whsec_…",
    type="body.type",
    id=first("header.svix-id", "header.webhook-id"),
    occurred_at=Time("body.timestamp", "ms"),
    subject="body.data.id",
    tolerance=300,
    deadline=15,
    signs_time=True,
    signs_id=True,
)

ROWS = (PUBSUB, EVENT_GRID, CLOUDEVENTS, OKTA, AUTH0, CLERK)
