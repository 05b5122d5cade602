"""Where people and their robots talk."""

from __future__ import annotations

from hookline.model import Reply
from hookline.providers import handshakes
from hookline.providers.base import Provider
from hookline.providers.facts import Facts
from hookline.providers.fields import Time, first, join, whole
from hookline.providers.items import meta_changes
from hookline.providers.schemes.base import Stamp
from hookline.providers.schemes.hmac import Hmac
from hookline.providers.schemes.publickey import Asymmetric
from hookline.providers.schemes.shared import Token

POST_AND_GET = frozenset({"POST", "GET"})


def slack_type(facts: Facts) -> str | None:
    """``message.channel_join``, ``block_actions`` and, for the command ``/deploy``, ``slash_command.deploy``."""
    command = facts.form_value("command") if facts.body[:1] not in (b"{", b"[") else None
    if command:
        return "slash_command." + command.lstrip("/")
    value = facts.json
    if not isinstance(value, dict):
        return None
    event = value.get("event")
    if value.get("type") == "event_callback" and isinstance(event, dict):
        parts = [part for part in (event.get("type"), event.get("subtype")) if isinstance(part, str)]
        return ".".join(parts) or None
    kind = value.get("type")
    return kind if isinstance(kind, str) else None


SLACK = Provider(
    name="slack",
    title="Slack (events, slash commands, interactivity)",
    docs="https://docs.slack.dev/authentication/verifying-requests-from-slack",
    scheme=Hmac(
        header="X-Slack-Signature",
        prefix="v0=",
        signs="v0:{timestamp}:{body}",
        time=Stamp(header="X-Slack-Request-Timestamp"),
    ),
    credential="the app's signing secret, used as text",
    type=slack_type,
    id=first("body.event_id", "body.trigger_id", "form.trigger_id"),
    occurred_at=Time("body.event_time"),
    subject=first("body.event.channel", "body.event.channel_id", "body.channel.id", "form.channel_id"),
    payload_field="payload",
    unsigned_handshake=handshakes.slack_ssl_check,
    handshake=handshakes.slack,
    content_types=frozenset({b"application/json", b"application/x-www-form-urlencoded"}),
    tolerance=300,
    deadline=3,
    signs_time=True,
    signs_id=True,
    notes="Slash commands and interactivity are never sent again. An empty answer is the neutral one.",
)

DISCORD_INTERACTIONS = {2: "application_command", 3: "message_component", 4: "autocomplete", 5: "modal_submit"}


def discord_type(facts: Facts) -> str | None:
    value = facts.json
    if not isinstance(value, dict):
        return None
    event = value.get("event")
    if isinstance(event, dict):
        return str(event.get("type", "")).lower() or None
    return DISCORD_INTERACTIONS.get(value.get("type", 0))


DISCORD = Provider(
    name="discord",
    title="Discord (webhook events, interactions)",
    docs="https://discord.com/developers/docs/interactions/overview",
    scheme=Asymmetric(
        kind="ed25519",
        header="X-Signature-Ed25519",
        encoding="hex",
        signs="{timestamp}{body}",
        time=Stamp(header="X-Signature-Timestamp"),
    ),
    credential="the application's public key, in hex",
    type=discord_type,
    id="body.id",
    occurred_at=Time("body.event.timestamp", "iso"),
    subject=first("body.guild_id", "body.event.data.user.id"),
    handshake=handshakes.discord,
    ack=Reply(204),
    tolerance=300,
    deadline=3,
    signs_time=True,
    signs_id=True,
    notes="Probes with wrong signatures and removes a URL that accepts them. Interactions want their answer at once.",
)

_TELEGRAM = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
)


def telegram_type(facts: Facts) -> str | None:
    """An update has one key beside its number, and that is its kind."""
    value = facts.json
    if not isinstance(value, dict):
        return None
    known = next((kind for kind in _TELEGRAM if kind in value), None)
    return known or next((key for key in value if key != "update_id"), None)


TELEGRAM = Provider(
    name="telegram",
    title="Telegram bots",
    docs="https://core.telegram.org/bots/api#setwebhook",
    scheme=Token(place="header.X-Telegram-Bot-Api-Secret-Token"),
    credential="the secret_token given to setWebhook",
    type=telegram_type,
    id="body.update_id",
    occurred_at=Time(first("body.message.date", "body.edited_message.date", "body.channel_post.date"), "s"),
    subject=first("body.message.chat.id", "body.callback_query.message.chat.id", "body.channel_post.chat.id"),
    bodies_repeat=False,
)

WHATSAPP = Provider(
    name="whatsapp",
    title="WhatsApp and other Meta webhooks",
    docs="https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
    scheme=Hmac(header="X-Hub-Signature-256", prefix="sha256="),
    credential="the app secret",
    type=join(".", "envelope.object", "body.field"),
    id=first(
        "body.value.messages.0.id",
        whole(":", "body.value.statuses.0.id", "body.value.statuses.0.status"),
        "body.message.mid",
    ),
    occurred_at=Time(
        first("body.value.messages.0.timestamp", "body.value.statuses.0.timestamp", "body.timestamp", "body.time")
    ),
    subject=first("body.value.metadata.phone_number_id", "envelope.entry.0.id"),
    split=meta_changes,
    item="entry.0.changes.0",
    unsigned_handshake=handshakes.hub,
    methods=POST_AND_GET,
    deadline=5,
    options=frozenset({"verify_token"}),
    notes="verify_token is the word that you type into Meta's form. A batch may hold a thousand changes.",
)


def twitter_type(facts: Facts) -> str | None:
    value = facts.json
    return next((key for key in value if key.endswith("_events")), None) if isinstance(value, dict) else None


TWITTER = Provider(
    name="twitter",
    title="X (Twitter) account activity",
    docs="https://docs.x.com/x-api/account-activity/introduction",
    scheme=Hmac(header="x-twitter-webhooks-signature", prefix="sha256=", encoding="base64"),
    credential="the app's consumer secret",
    type=twitter_type,
    id=first("body.tweet_create_events.0.id_str", "body.direct_message_events.0.id"),
    subject="body.for_user_id",
    unsigned_handshake=handshakes.crc,
    methods=POST_AND_GET,
)

ZOOM = Provider(
    name="zoom",
    title="Zoom",
    docs="https://developers.zoom.us/docs/api/webhooks/",
    scheme=Hmac(
        header="x-zm-signature",
        prefix="v0=",
        signs="v0:{timestamp}:{body}",
        time=Stamp(header="x-zm-request-timestamp"),
    ),
    credential="the app's secret token",
    type="body.event",
    id=whole(":", "body.event", "body.event_ts", first("body.payload.object.uuid", "body.payload.object.id")),
    occurred_at=Time("body.event_ts", "ms"),
    subject=first("body.payload.object.id", "body.payload.account_id"),
    handshake=handshakes.zoom,
    tolerance=300,
    deadline=3,
    signs_time=True,
    signs_id=True,
)


def twitch_type(facts: Facts) -> str | bytes | None:
    """What was subscribed to; or ``revocation``, which carries the subscription as well."""
    kind = facts.found.get(b"twitch-eventsub-message-type")
    if kind not in (None, b"notification"):
        return kind
    value = facts.json
    subscription = value.get("subscription") if isinstance(value, dict) else None
    said = subscription.get("type") if isinstance(subscription, dict) else None
    return said if isinstance(said, str) else kind


TWITCH = Provider(
    name="twitch",
    title="Twitch EventSub",
    docs="https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
    scheme=Hmac(
        header="Twitch-Eventsub-Message-Signature",
        prefix="sha256=",
        signs="{header.Twitch-Eventsub-Message-Id}{timestamp}{body}",
        time=Stamp(header="Twitch-Eventsub-Message-Timestamp", unit="iso"),
        also=("Twitch-Eventsub-Message-Type",),
    ),
    credential="the secret given when subscribing",
    type=twitch_type,
    id="header.Twitch-Eventsub-Message-Id",
    subject="body.event.broadcaster_user_id",
    handshake=handshakes.twitch,
    tolerance=600,
    signs_time=True,
    signs_id=True,
)

INTERCOM = Provider(
    name="intercom",
    title="Intercom",
    docs="https://developers.intercom.com/docs/references/webhooks/webhook-models",
    scheme=Hmac(header="X-Hub-Signature", algorithm="sha1", prefix="sha1="),
    credential="the app's client secret",
    type="body.topic",
    id="body.id",
    occurred_at=Time("body.created_at", "s"),
    subject="body.data.item.id",
    volatile=("delivery_attempts", "delivered_at", "delivery_status", "first_sent_at"),
    unsigned_handshake=handshakes.methods("HEAD"),
    methods=frozenset({"POST", "HEAD"}),
    deadline=5,
    signs_id=True,
)

ROWS = (SLACK, DISCORD, TELEGRAM, WHATSAPP, TWITTER, ZOOM, TWITCH, INTERCOM)
