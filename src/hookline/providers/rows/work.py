"""Tickets, documents, forms and calendars."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hookline.errors import Rejected
from hookline.model import Reply
from hookline.providers import handshakes
from hookline.providers.base import Provider
from hookline.providers.facts import Draft, Facts
from hookline.providers.fields import Time, first, join, whole
from hookline.providers.items import Listed
from hookline.providers.rows.hubspot import HUBSPOT
from hookline.providers.rows.jira import JIRA, JIRA_CONNECT
from hookline.providers.schemes.base import Stamp
from hookline.providers.schemes.hmac import Hmac, Items
from hookline.providers.schemes.shared import Authorization, Token

LINEAR = Provider(
    name="linear",
    title="Linear",
    docs="https://linear.app/developers/webhooks#securing-webhooks",
    scheme=Hmac(header="Linear-Signature", time=Stamp(body="webhookTimestamp", unit="ms")),
    credential="the webhook's signing secret",
    type=join(".", "body.type", "body.action"),
    id="header.Linear-Delivery",
    occurred_at=Time("body.createdAt", "iso"),
    subject="body.data.id",
    volatile=("webhookTimestamp",),
    tolerance=60,
    deadline=5,
    signs_time=True,
    bodies_repeat=False,
)

NOTION = Provider(
    name="notion",
    title="Notion",
    docs="https://developers.notion.com/reference/webhooks",
    scheme=Hmac(header="X-Notion-Signature", prefix="sha256="),
    credential="the verification token, which Notion sends when the subscription is made",
    type="body.type",
    id="body.id",
    occurred_at=Time("body.timestamp", "iso"),
    subject="body.entity.id",
    volatile=("attempt_number",),
    unsigned_handshake=handshakes.notion,
    options=frozenset({"expect_until"}),
    signs_id=True,
)

ASANA = Provider(
    name="asana",
    title="Asana",
    docs="https://developers.asana.com/docs/webhooks-guide",
    scheme=Hmac(header="X-Hook-Signature"),
    credential="X-Hook-Secret, which Asana sends when the webhook is made",
    type=join(".", "body.resource.resource_type", "body.action"),
    id=whole(":", "body.resource.gid", "body.action", "body.created_at"),
    occurred_at=Time("body.created_at", "iso"),
    subject="body.resource.gid",
    split=Listed("events"),
    unsigned_handshake=handshakes.asana,
    options=frozenset({"expect_until"}),
    signs_id=True,
    notes="An empty list of events is a heartbeat.",
)

TRELLO = Provider(
    name="trello",
    title="Trello",
    docs="https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
    scheme=Hmac(header="X-Trello-Webhook", algorithm="sha1", encoding="base64", signs="{body}{url}"),
    credential="the application's secret",
    type="body.action.type",
    id="body.action.id",
    occurred_at=Time("body.action.date", "iso"),
    subject=first("body.action.data.card.id", "body.model.id"),
    unsigned_handshake=handshakes.methods("HEAD"),
    methods=frozenset({"POST", "HEAD"}),
    signs_id=True,
    signs_url=True,
    notes="Signs the callback URL as registered.",
)

ZENDESK = Provider(
    name="zendesk",
    title="Zendesk",
    docs="https://developer.zendesk.com/documentation/webhooks/verifying/",
    scheme=Hmac(
        header="X-Zendesk-Webhook-Signature",
        encoding="base64",
        signs="{timestamp}{body}",
        time=Stamp(header="X-Zendesk-Webhook-Signature-Timestamp", unit="iso"),
    ),
    credential="the webhook's signing secret, used as text",
    type="body.type",
    id=first("header.X-Zendesk-Webhook-Invocation-Id", "body.id"),
    occurred_at=Time("body.time", "iso"),
    subject=first("body.subject", "body.detail.id"),
    signs_time=True,
    notes='A trigger\'s body is your own template: set type = "body.…" to what you put there.',
)


def contentful_parts(facts: Facts, time: bytes) -> Sequence[bytes]:
    """METHOD, path, the signed headers and the body, on lines of their own."""
    names = facts.found.get(b"x-contentful-signed-headers", b"").split(b",")
    names = [name.strip().lower() for name in names[:32]]
    if b"x-contentful-timestamp" not in names:
        raise Rejected("missing timestamp")
    headers = b";".join(name + b":" + (facts.request.header(name) or b"").strip() for name in names)
    return (facts.request.method.encode(), b"\n", facts.request.target, b"\n", headers, b"\n", facts.body)


def contentful_fill(draft: Draft) -> None:
    names = ["x-contentful-signed-headers", "x-contentful-timestamp", "x-contentful-topic"]
    draft.set("x-contentful-signed-headers", ",".join(names))


CONTENTFUL = Provider(
    name="contentful",
    title="Contentful",
    docs="https://www.contentful.com/developers/docs/webhooks/request-verification/",
    scheme=Hmac(
        header="x-contentful-signature",
        signs=contentful_parts,
        also=("x-contentful-signed-headers",),
        time=Stamp(header="x-contentful-timestamp", unit="ms"),
        fill=contentful_fill,
    ),
    credential="the space's signing secret, 64 characters",
    type=lambda facts: _after(facts.found.get(b"x-contentful-topic"), b"ContentManagement."),
    id=whole(":", "body.sys.id", "body.sys.revision", "header.X-Contentful-Topic"),
    occurred_at=Time("body.sys.updatedAt", "iso"),
    subject="body.sys.id",
    stamp=lambda draft: draft.set("X-Contentful-Topic", f"ContentManagement.{draft.type or 'Entry.publish'}"),
    tolerance=30,
    deadline=30,
    signs_time=True,
    notes="Its time is good for thirty seconds. Signs the path as it arrives: a proxy must not change it.",
)


def _after(value: bytes | None, prefix: bytes) -> bytes | None:
    return value.removeprefix(prefix) if value else None


BOX = Provider(
    name="box",
    title="Box",
    docs="https://developer.box.com/guides/webhooks/v2/signatures-v2/",
    scheme=Hmac(
        header="Box-Signature-Primary",
        others=("Box-Signature-Secondary",),
        encoding="base64",
        signs="{body}{timestamp}",
        time=Stamp(header="Box-Delivery-Timestamp", unit="iso"),
        fixed=(("Box-Signature-Algorithm", "HmacSHA256"), ("Box-Signature-Version", "1")),
    ),
    credential="the app's primary or secondary signature key; give both",
    type="body.trigger",
    id=first("body.id", "header.Box-Delivery-Id"),
    occurred_at=Time("body.created_at", "iso"),
    subject="body.source.id",
    tolerance=600,
    deadline=30,
    signs_time=True,
    signs_id=True,
)

DROPBOX = Provider(
    name="dropbox",
    title="Dropbox",
    docs="https://www.dropbox.com/developers/reference/webhooks",
    scheme=Hmac(header="X-Dropbox-Signature"),
    credential="the app secret",
    type=lambda facts: "list_folder",
    subject="body.list_folder.accounts.0",
    unsigned_handshake=handshakes.echo_query("challenge"),
    methods=frozenset({"POST", "GET"}),
    notes="Says only that an account has changes: ask its API for them.",
)

DOCUSIGN = Provider(
    name="docusign",
    title="DocuSign Connect",
    docs="https://developers.docusign.com/platform/webhooks/connect/validate/",
    scheme=Hmac(
        header="X-DocuSign-Signature-1",
        others=tuple(f"X-DocuSign-Signature-{number}" for number in range(2, 9)),
        encoding="base64",
    ),
    credential="a Connect HMAC key",
    type="body.event",
    id=whole(":", "body.data.envelopeId", "body.event", "body.generatedDateTime"),
    occurred_at=Time("body.generatedDateTime", "iso"),
    subject="body.data.envelopeId",
    volatile=("retryCount",),
    deadline=100,
    signs_id=True,
)

CALENDLY = Provider(
    name="calendly",
    title="Calendly",
    docs="https://developer.calendly.com",
    scheme=Hmac(
        header="Calendly-Webhook-Signature",
        items=Items(signature="v1", time="t"),
        signs="{timestamp}.{body}",
        time=Stamp(),
    ),
    credential="the subscription's signing key",
    type="body.event",
    id=whole(":", "body.event", "body.payload.uri"),
    occurred_at=Time("body.created_at", "iso"),
    subject="body.payload.uri",
    tolerance=300,
    signs_time=True,
    signs_id=True,
)

TYPEFORM = Provider(
    name="typeform",
    title="Typeform",
    docs="https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
    scheme=Hmac(header="Typeform-Signature", prefix="sha256=", encoding="base64"),
    credential="the webhook's secret",
    type="body.event_type",
    id="body.event_id",
    occurred_at=Time("body.form_response.submitted_at", "iso"),
    subject=first("body.form_response.form_id"),
    deadline=30,
    signs_id=True,
)

PIPEDRIVE = Provider(
    name="pipedrive",
    title="Pipedrive",
    docs="https://pipedrive.readme.io/docs/guide-for-webhooks-v2",
    scheme=Authorization(forms=("basic",)),
    credential="user:password of the webhook's HTTP authentication",
    type=first("body.event", join(".", "body.meta.action", "body.meta.entity")),
    id="body.meta.id",
    occurred_at=Time("body.meta.timestamp"),
    subject=first("body.meta.entity_id", "body.data.id"),
    notes="Signs nothing.",
)

_NOTIFICATION_ID = re.compile(rb"<Id>([A-Za-z0-9]{15,18})</Id>")
_OBJECT = re.compile(rb'<sObject\b[^>]{0,200}\bxsi:type="(?:[A-Za-z0-9_]{1,20}:)?([A-Za-z0-9_]{1,80})"')


def _found(pattern: re.Pattern[bytes], facts: Facts) -> bytes | None:
    found = pattern.search(facts.body)
    return found[1] if found else None


SALESFORCE = Provider(
    name="salesforce-outbound",
    title="Salesforce outbound messages",
    docs="https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm",
    scheme=Token(place="query.secret"),
    credential="a word of your own, put into the URL as ?secret=…",
    type=lambda facts: _found(_OBJECT, facts),
    id=lambda facts: _found(_NOTIFICATION_ID, facts),
    ack=Reply(
        200,
        b'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
        b'<soapenv:Body><notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
        b"</notificationsResponse></soapenv:Body></soapenv:Envelope>",
        ((b"content-type", b"text/xml"),),
    ),
    deadline=60,
    notes="Signs nothing. One message may hold a hundred notifications; it is kept as one event.",
)

ROWS = (
    JIRA,
    JIRA_CONNECT,
    LINEAR,
    NOTION,
    ASANA,
    TRELLO,
    ZENDESK,
    HUBSPOT,
    CONTENTFUL,
    BOX,
    DROPBOX,
    DOCUSIGN,
    CALENDLY,
    TYPEFORM,
    PIPEDRIVE,
    SALESFORCE,
)
