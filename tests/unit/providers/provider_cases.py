"""A verifier for every provider with secrets to practise with, and bodies that it can sign."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from hookline import providers
from hookline.config import Source
from hookline.model import Request

NOW = 1_767_225_600.0
NAMES = sorted(providers.PROVIDERS)


def practised(name: str, **changes: Any) -> providers.Verifier:
    practice = providers.practice(name)
    source = Source(
        name=name,
        provider=name,
        environment="production",
        path=f"/webhooks/{name}",
        url=f"https://hooks.example.com/webhooks/{name}",
        options=practice.options,
        **changes,
    )
    return providers.bind(source, practice.secrets, practice.keys)


BODIES: dict[str, Any] = {
    "adyen": {
        "live": "false",
        "notificationItems": [
            {"NotificationRequestItem": {"pspReference": "7914", "eventCode": "CAPTURE", "success": "true"}},
        ],
    },
    "mailgun": {"event-data": {"event": "opened", "id": "DACS", "timestamp": NOW}},
    "msgraph": {"value": [{"id": "1", "changeType": "created", "resource": "me/messages"}]},
    "aws-sns": {"Type": "Notification", "Message": "m", "MessageId": "i", "Timestamp": "2026-01-01T00:00:00Z"},
    "linear": {"type": "Issue", "action": "create", "webhookTimestamp": int(NOW * 1000)},
    "sendgrid": [{"event": "open", "sg_event_id": "s1"}],
    "mandrill": [{"event": "open", "_id": "m1", "ts": 1}],
    "hubspot": [{"subscriptionType": "deal.creation", "eventId": 1, "subscriptionId": 2, "occurredAt": 3}],
}
FORMS = {"twilio", "mailchimp"}


def body_for(name: str) -> bytes:
    if name == "braintree":
        return b"<notification><kind>check</kind><timestamp>2026-01-01T00:00:00Z</timestamp></notification>"
    if name in FORMS:
        return b"type=subscribe&MessageSid=SM1&Body=h%C3%A9llo&data%5Bid%5D=8"
    return json.dumps(
        BODIES.get(name, {"id": "e1", "type": "thing.made", "note": "h\u00e9llo"}), ensure_ascii=False
    ).encode()


def content_type_for(name: str) -> str:
    return "application/x-www-form-urlencoded" if name in FORMS else "application/json"


def signed(name: str, verifier: providers.Verifier | None = None, **more: Any) -> Request:
    verifier = verifier or practised(name)
    more = {"now": NOW, "type": "thing.made", "id": "msg_1", "content_type": content_type_for(name)} | more
    return verifier.sign(more.pop("body", body_for(name)), **more).request(NOW)


def changed(request: Request, **changes: Any) -> Request:
    return msgspec.structs.replace(request, **changes)
