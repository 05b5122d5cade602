"""Mail, sent and tracked."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote_from_bytes

from hookline.payload import parse_form
from hookline.providers import handshakes
from hookline.providers.base import Provider
from hookline.providers.facts import Draft, Facts
from hookline.providers.fields import Time, first, whole
from hookline.providers.items import Listed
from hookline.providers.rows.mailgun import MAILGUN
from hookline.providers.schemes.base import Stamp
from hookline.providers.schemes.hmac import Hmac
from hookline.providers.schemes.publickey import Asymmetric
from hookline.providers.schemes.shared import Authorization, Token
from hookline.providers.schemes.standard import StandardWebhooks

FORM = frozenset({b"application/x-www-form-urlencoded"})

MAILCHIMP = Provider(
    name="mailchimp",
    title="Mailchimp Marketing",
    docs="https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/",
    scheme=Token(place="query.secret"),
    credential="a word of your own, put into the URL as ?secret=…",
    type="form.type",
    id=whole(":", "form.type", "form.fired_at", "form.data[list_id]", first("form.data[id]", "form.data[email]")),
    occurred_at=Time("form.fired_at", "iso"),
    subject=first("form.data[email]", "form.data[new_email]", "form.data[id]"),
    # the URL is validated by a GET, and HEAD has been seen; the secret in the URL must be right in any case
    handshake=handshakes.methods("GET", "HEAD"),
    methods=frozenset({"POST", "GET", "HEAD"}),
    notes="Signs nothing: the URL is the secret.",
)


def mandrill_parts(facts: Facts, time: bytes) -> Sequence[bytes]:
    """The URL as configured, then every field's name and value, sorted by name."""
    parts = [facts.url]
    for name, values in sorted((parse_form(facts.body) or {}).items()):
        parts.append(name.encode("utf-8", "surrogatepass"))
        parts.append(values[0].encode("utf-8", "surrogatepass"))
    return parts


def mandrill_form(draft: Draft) -> None:
    """Events given as JSON become the form that Mandrill sends."""
    if draft.body[:1] in (b"[", b"{"):
        events = draft.body if draft.body[:1] == b"[" else b"[" + draft.body + b"]"
        draft.body = b"mandrill_events=" + quote_from_bytes(events, safe="").encode()
        draft.set("Content-Type", "application/x-www-form-urlencoded")


MANDRILL = Provider(
    name="mandrill",
    title="Mailchimp Transactional (Mandrill)",
    docs="https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/#authenticating-webhook-requests",
    scheme=Hmac(header="X-Mandrill-Signature", algorithm="sha1", encoding="base64", signs=mandrill_parts),
    credential="the webhook's key",
    type=first("body.event", "body.type"),
    id=first(
        whole(":", "body._id", "body.event", "body.ts"),
        whole(":", "body.type", "body.action", "body.reject.email", "body.ts"),
    ),
    occurred_at=Time("body.ts", "s"),
    subject=first("body.msg.email", "body.reject.email"),
    payload_field="mandrill_events",
    split=Listed(),
    unsigned_handshake=handshakes.any_of(handshakes.methods("HEAD"), handshakes.mandrill_test),
    methods=frozenset({"POST", "HEAD"}),
    content_types=FORM,
    stamp=mandrill_form,
    signs_id=True,
    signs_url=True,
    notes='Signs the URL as registered; with basic authentication in it, set public_url = "https://user:password@…".',
)

SENDGRID = Provider(
    name="sendgrid",
    title="Twilio SendGrid",
    docs="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
    scheme=Asymmetric(
        kind="ecdsa",
        header="X-Twilio-Email-Event-Webhook-Signature",
        signs="{timestamp}{body}",
        time=Stamp(header="X-Twilio-Email-Event-Webhook-Timestamp"),
    ),
    credential="the verification key of the signed event webhook",
    type="body.event",
    id="body.sg_event_id",
    occurred_at=Time("body.timestamp", "s"),
    subject="body.email",
    split=Listed(),
    signs_time=True,
    signs_id=True,
    notes="The body ends with CR LF, which is signed: a proxy that trims it breaks every signature.",
)


def postmark_inbound(facts: Facts) -> str | None:
    """Received mail is the one kind that does not say what it is."""
    value = facts.json
    return "Inbound" if isinstance(value, dict) and "OriginalRecipient" in value else None


POSTMARK = Provider(
    name="postmark",
    title="Postmark",
    docs="https://postmarkapp.com/developer/webhooks/webhooks-overview",
    scheme=Authorization(forms=("basic",)),
    credential="user:password, put into the URL as https://user:password@…",
    type=first("body.RecordType", postmark_inbound),
    id=first(
        whole(":", "body.RecordType", "body.ID"),
        whole(
            ":",
            "body.RecordType",
            "body.MessageID",
            first("body.DeliveredAt", "body.ReceivedAt", "body.BouncedAt", "body.ChangedAt", "body.Date"),
        ),
    ),
    occurred_at=Time(
        first("body.DeliveredAt", "body.ReceivedAt", "body.BouncedAt", "body.ChangedAt"),
        "iso",
    ),
    subject=first("body.MessageID"),
    notes="Signs nothing.",
)

RESEND = Provider(
    name="resend",
    title="Resend",
    docs="https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
    scheme=StandardWebhooks(prefixes=("svix-", "webhook-")),
    credential="the webhook's signing secret, whsec_…",
    type="body.type",
    id=first("header.svix-id", "header.webhook-id"),
    occurred_at=Time("body.created_at", "iso"),
    subject="body.data.email_id",
    tolerance=300,
    deadline=15,
    signs_time=True,
    signs_id=True,
)

ROWS = (MAILCHIMP, MANDRILL, SENDGRID, MAILGUN, POSTMARK, RESEND)
