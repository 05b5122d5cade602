"""Jira: webhooks of administrators and the REST API, and those of Connect apps, which carry a token."""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from urllib.parse import quote, unquote_plus

from hookline.errors import Rejected
from hookline.providers.base import Provider
from hookline.providers.facts import BAD, Draft, Facts
from hookline.providers.fields import Time, first
from hookline.providers.schemes.base import Binding
from hookline.providers.schemes.hmac import Hmac
from hookline.providers.schemes.jwt import Claims, Jwt, expect

_SUBJECT = first("body.issue.key", "body.project.key", "body.version.id", "body.sprint.id", "body.board.id")

JIRA = Provider(
    name="jira",
    title="Jira",
    docs="https://developer.atlassian.com/cloud/jira/platform/webhooks/",
    scheme=Hmac(header="X-Hub-Signature", prefix="sha256="),
    credential="the text given as the webhook's secret",
    type=first("body.webhookEvent", "body.issue_event_type_name"),
    id="header.X-Atlassian-Webhook-Identifier",
    occurred_at=Time("body.timestamp", "ms"),
    subject=_SUBJECT,
    deadline=20,
    bodies_repeat=False,
    notes="Signs only if a secret was given. Webhooks made by apps expire after thirty days.",
)


def query_hash(method: str, path: str, query: str) -> str:
    """Atlassian's ``qsh``: SHA-256 of the method, the path, and the query sorted and encoded their way."""
    values: dict[str, list[str]] = {}
    for pair in query.split("&")[:1_000] if query else []:
        name, _, value = pair.partition("=")
        values.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    values.pop("jwt", None)
    listed = sorted((_encode(name), ",".join(sorted(map(_encode, given)))) for name, given in values.items())
    canonical = "&".join(f"{name}={value}" for name, value in listed)
    clean_path = (path.rstrip("/") or "/").replace("&", "%26")
    return sha256(f"{method.upper()}&{clean_path}&{canonical}".encode("utf-8", "replace")).hexdigest()


def _encode(text: str) -> str:
    return quote(text, safe="~-._", errors="replace")


def _hash_of(method: str, target: bytes, binding: Binding) -> str:
    path, _, query = target.decode("utf-8", "replace").partition("?")
    base = str(binding.options.get("base_path", "")).rstrip("/")
    return query_hash(method, path.removeprefix(base) or "/", query)


def _judge(claims: Claims, facts: Facts, binding: Binding) -> None:
    expect(claims, "iss", binding.options.get("client_key"), "wrong issuer")
    if claims.get("exp") is None:
        raise Rejected("missing timestamp")
    said = str(claims.get("qsh", "")).encode("utf-8", "replace")
    if not compare_digest(said, _hash_of(facts.request.method, facts.request.target, binding).encode()):
        raise Rejected(BAD)


def _claims(draft: Draft, binding: Binding) -> Claims:
    now = int(draft.now)
    return {
        "iss": binding.options.get("client_key", "hookline"),
        "iat": now,
        "exp": now + 180,
        "qsh": _hash_of(draft.method, draft.request().target, binding),
    }


JIRA_CONNECT = Provider(
    name="jira-connect",
    title="Jira (Connect apps)",
    docs="https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/",
    scheme=Jwt(algorithm="HS256", prefix="JWT ", query="jwt", judge=_judge, claims=_claims),
    credential="the sharedSecret of the app's installed callback",
    type=first("body.webhookEvent", "body.eventType"),
    id="header.X-Atlassian-Webhook-Identifier",
    occurred_at=Time("body.timestamp", "ms"),
    subject=_SUBJECT,
    deadline=20,
    signs_time=True,
    bodies_repeat=False,
    options=frozenset({"client_key", "base_path"}),
    notes="The token covers the URL, not the body. base_path is the path of the app's baseUrl, if it has one.",
)
