"""A Slack incoming webhook: one message for an event, or for all of a digest.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hookline import templates
from hookline.destinations.client import CallFailed, Client
from hookline.destinations.http import read_retry_after
from hookline.destinations.netguard import Blocked, Target
from hookline.model import Claim, Outcome, State
from hookline.pacing import Limits
from hookline.payload import clean
from hookline.retry import Policy
from hookline.templates import Template

DEFAULT_TEXT = "{{ event.source }}: {{ event.type }} {{ event.subject }}"
MAX_TEXT = 39_000
"""Slack cuts messages at 40,000 characters."""
PLACES = 2
_FOR_EVER = frozenset(
    b"invalid_token no_service no_active_hooks no_team team_disabled action_prohibited channel_not_found"
    b" channel_is_archived posting_to_general_channel_denied user_not_found invalid_payload no_text"
    b" too_many_attachments".split()
)
_HEADERS = ((b"Content-Type", b"application/json; charset=utf-8"), (b"User-Agent", b"Hookline"))


class SlackDestination:
    """Posts text. The URL is the credential, so it is never shown."""

    interruptible = True
    suspect_after = 2

    def __init__(
        self,
        name: str,
        target: Target,
        client: Client,
        *,
        text: Template,
        timeout: float = 15.0,
        policy: Policy | None = None,
        limits: Limits | None = None,
        digest: float | None = None,
        now: Callable[[], float],
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.policy = policy or Policy()
        self.limits = limits or Limits()
        self.places = self.limits.concurrency or (100 if digest else PLACES)
        self.digest = digest
        self._target = target
        self._client = client
        self._text = text
        self._now = now

    async def send(self, claim: Claim) -> Outcome:
        return await self.send_many([claim])

    async def send_many(self, claims: Sequence[Claim]) -> Outcome:
        text = self._text.render_many([claim.event for claim in claims], templates.slack)
        message = {"text": templates.cut(text, MAX_TEXT), "unfurl_links": False, "unfurl_media": False}
        sent = f"POST {self._target.origin}/…\n{text[:2_000]}"
        try:
            answer = await self._client.send(
                "POST", self._target, _HEADERS, msgspec.json.encode(message), seconds=self.timeout
            )
        except Blocked as problem:
            return Outcome(reason=f"blocked: {problem}", sent=sent)
        except CallFailed as problem:
            return Outcome(reason=problem.reason, unknown=problem.unknown, timed_out=problem.timed_out, sent=sent)
        if answer.status == 200:
            return Outcome(state=State.SUCCEEDED, code=200, sent=sent, received=answer.body[:1_000])
        said = clean(answer.body[:100].decode("utf-8", "replace"))
        return Outcome(
            state=State.FAILED if answer.body.strip() in _FOR_EVER else None,
            reason=f"Slack says {answer.status} {said}".rstrip(),
            code=answer.status,
            retry_after=read_retry_after(answer.header(b"retry-after"), self._now()),
            sent=sent,
            received=answer.body[:1_000],
        )

    async def close(self) -> None:
        await self._client.close()
