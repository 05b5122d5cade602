"""Where code lives, is built and is watched."""

from __future__ import annotations

from hookline.providers.base import Provider
from hookline.providers.fields import first, join
from hookline.providers.schemes.hmac import Hmac

JSON_OR_FORM = frozenset({b"application/json", b"application/x-www-form-urlencoded"})

GITHUB = Provider(
    name="github",
    title="GitHub",
    docs="https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries",
    scheme=Hmac(header="X-Hub-Signature-256", prefix="sha256="),
    credential="the text typed into the hook's Secret field",
    type=join(".", "header.X-GitHub-Event", "body.action"),
    # One event that two hooks subscribe to carries one GUID: through the second hook it is a duplicate.
    id="header.X-GitHub-Delivery",
    subject=first("body.repository.full_name", "body.organization.login"),
    payload_field="payload",
    # What an organisation's or an app's hook adds to the same event.
    volatile=("installation", "organization", "enterprise"),
    content_types=JSON_OR_FORM,
    retries=False,
    bodies_repeat=False,
    notes="Never redelivers by itself. Sends SHA-1 beside SHA-256; SHA-1 alone is refused. Drops events above 25 MB.",
)

ROWS = (GITHUB,)
