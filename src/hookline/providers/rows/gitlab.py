"""GitLab: a plain token, and since version 19 a signature the Standard Webhooks way. A source may have both."""

from __future__ import annotations

import msgspec

from hookline.errors import Rejected
from hookline.providers.base import Provider
from hookline.providers.facts import MISSING, Draft, Facts
from hookline.providers.fields import Time, first
from hookline.providers.schemes.base import Binding, Check, Match
from hookline.providers.schemes.shared import Token
from hookline.providers.schemes.standard import StandardWebhooks

_TOKEN = Token(place="header.X-Gitlab-Token")
_SIGNED = StandardWebhooks()


class GitLab(msgspec.Struct, frozen=True):
    """Secrets that begin with ``whsec_`` are signing tokens and never accepted in the clear; the others are tokens."""

    def headers(self) -> tuple[str, ...]:
        return (*_TOKEN.headers(), *_SIGNED.headers())

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> GitLabCheck:
        signing = [i for i, secret in enumerate(binding.need_secrets()) if secret.startswith("whsec_")]
        plain = [i for i, secret in enumerate(binding.secrets) if not secret.startswith("whsec_")]
        checks: list[tuple[Check, list[int]]] = []
        for scheme, chosen in ((_SIGNED, signing), (_TOKEN, plain)):
            if chosen:
                part = msgspec.structs.replace(binding, secrets=[binding.secrets[i] for i in chosen])
                checks.append((scheme.bind(part), chosen))
        return GitLabCheck(checks)


class GitLabCheck:
    def __init__(self, checks: list[tuple[Check, list[int]]]) -> None:
        self.checks = checks
        self.sends_secret = any(check.sends_secret for check, _ in checks)

    def check(self, facts: Facts) -> Match:
        problem = Rejected(MISSING)
        for check, secrets in self.checks:
            try:
                match = check.check(facts)
            except Rejected as no:
                if no.reason != MISSING:
                    problem = no
            else:
                return Match(secrets[match.secret], match.signed_at)
        raise problem

    def sign(self, draft: Draft) -> None:
        first_check = min(self.checks, key=lambda entry: entry[1][0])[0]
        first_check.sign(draft)


def stamp(draft: Draft) -> None:
    draft.set("X-Gitlab-Event", f"{(draft.type or 'push').replace('_', ' ').title()} Hook")
    if draft.id is not None:
        draft.set("Idempotency-Key", draft.id)


GITLAB = Provider(
    name="gitlab",
    title="GitLab",
    docs="https://docs.gitlab.com/user/project/integrations/webhooks/",
    scheme=GitLab(),
    credential="the signing token (whsec_…), or the secret token",
    type=first("body.object_kind", "body.event_name", "header.X-Gitlab-Event"),
    id=first("header.webhook-id", "header.Idempotency-Key"),
    occurred_at=Time(first("body.object_attributes.updated_at"), "iso"),
    subject=first("body.project.path_with_namespace", "body.project.id", "body.path_with_namespace"),
    stamp=stamp,
    tolerance=300,
    bodies_repeat=False,
    notes="A secret token is sent in the clear: prefer a signing token (GitLab 19).",
)
