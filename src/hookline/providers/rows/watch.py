"""What watches systems, and wakes people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.providers.base import Provider
from hookline.providers.fields import Time, first, join, whole
from hookline.providers.rows.generic import header, placed
from hookline.providers.schemes.base import Stamp
from hookline.providers.schemes.hmac import Hmac, Items
from hookline.providers.schemes.shared import Authorization, Token

SENTRY = Provider(
    name="sentry",
    title="Sentry",
    docs="https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
    scheme=Hmac(header="Sentry-Hook-Signature"),
    credential="the integration's client secret",
    type=join(".", "header.Sentry-Hook-Resource", "body.action"),
    id="header.Request-ID",
    subject=first("body.data.issue.id", "body.data.error.issue_id", "body.data.event.issue_id"),
    deadline=1,
    retries=False,
    bodies_repeat=False,
    notes="Wants its answer within one second and never tries again.",
)

PAGERDUTY = Provider(
    name="pagerduty",
    title="PagerDuty",
    docs="https://developer.pagerduty.com/docs/verifying-webhook-signatures",
    scheme=Hmac(header="X-PagerDuty-Signature", items=Items(signature="v1")),
    credential="the secret shown when the subscription was made",
    type="body.event.event_type",
    id=first("body.event.id", "header.X-Webhook-Id"),
    occurred_at=Time("body.event.occurred_at", "iso"),
    subject="body.event.data.id",
    deadline=5,
    signs_id=True,
)


def _grafana(row: Provider, options: Mapping[str, Any], where: str) -> Provider:
    if "timestamp_header" not in options:
        return row
    name = header({"header": options["timestamp_header"]}, f"{where}.timestamp_header")
    scheme = Hmac(
        header="X-Grafana-Alerting-Signature",
        signs="{timestamp}:{body}",
        time=Stamp(header=name),
    )
    return msgspec.structs.replace(row, scheme=scheme, signs_time=True, tolerance=300.0)


GRAFANA = Provider(
    name="grafana",
    title="Grafana alerting",
    docs="https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/",
    scheme=Hmac(header="X-Grafana-Alerting-Signature"),
    credential="the contact point's HMAC secret",
    type="body.status",
    id=whole(":", "body.groupKey", "body.status", "body.alerts.0.fingerprint", "body.alerts.0.startsAt"),
    occurred_at=Time("body.alerts.0.startsAt", "iso"),
    subject="body.groupKey",
    options=frozenset({"timestamp_header"}),
    configure=_grafana,
    notes='Set timestamp_header = "X-Grafana-Alerting-Timestamp" on both sides, so that the time is signed too.',
)

ALERTMANAGER = Provider(
    name="alertmanager",
    title="Prometheus Alertmanager",
    docs="https://prometheus.io/docs/alerting/latest/configuration/#webhook_config",
    scheme=Authorization(forms=("basic", "bearer")),
    credential="user:password of basic_auth, or the bearer credentials of http_config",
    type="body.status",
    occurred_at=Time("body.alerts.0.startsAt", "iso"),
    subject="body.groupKey",
    notes="Signs nothing. Repeats a firing alert at every repeat_interval with the same body: that is not a duplicate.",
)

DATADOG = Provider(
    name="datadog",
    title="Datadog",
    docs="https://docs.datadoghq.com/integrations/webhooks/",
    scheme=Token(place="header.X-Hook-Token"),
    credential="a word of your own, sent as a custom header",
    type=first("body.event_type", "body.alert_transition"),
    id=whole(":", "body.id", "body.alert_transition", "body.last_updated"),
    occurred_at=Time(first("body.date", "body.last_updated")),
    subject=first("body.alert_id", "body.aggreg_key"),
    deadline=15,
    options=frozenset({"token"}),
    configure=placed,
    notes='Signs nothing, and the body is your template: name its fields as here, or set type = "body.…".',
)

ROWS = (SENTRY, PAGERDUTY, GRAFANA, ALERTMANAGER, DATADOG)
