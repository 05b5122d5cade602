"""Whatever Apprise can reach (170 services, https://github.com/caronc/apprise): the extra ``hookline[notify]``.

Apprise opens its own connections, so the address guard does not see them: its URLs are the operator's, and nothing of
an event ever becomes a part of one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from hookline import templates
from hookline.destinations.threads import Threads
from hookline.errors import ConfigError
from hookline.model import Claim, Outcome, State
from hookline.pacing import Limits
from hookline.retry import Policy
from hookline.templates import Template

PLACES = 2


class NotifyDestination:
    """One notification to every URL; all of them must take it."""

    interruptible = True
    suspect_after = 2

    def __init__(
        self,
        name: str,
        urls: Sequence[str],
        *,
        title: Template,
        text: Template,
        timeout: float = 15.0,
        policy: Policy | None = None,
        limits: Limits | None = None,
        digest: float | None = None,
    ) -> None:
        """:raises ConfigError: without the extra, or for a URL that Apprise does not know."""
        try:
            import apprise
        except ImportError:
            raise ConfigError(
                f'destinations.{name}.type: "notify" needs an extra package — pip install "hookline[notify]"'
            ) from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines show URLs, which are credentials
        self.name = name
        self.timeout = timeout
        self.policy = policy or Policy()
        self.limits = limits or Limits()
        self.places = self.limits.concurrency or (100 if digest else PLACES)
        self.digest = digest
        self._title = title
        self._text = text
        self._plain = apprise.NotifyFormat.TEXT
        self._services = []
        self._threads = Threads("notify")
        for index, url in enumerate(urls):
            service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
            if service is None:
                raise ConfigError(f"destinations.{name}.urls[{index}]: Apprise does not know this URL — see its list")
            self._services.append(service)
        if not self._services:
            raise ConfigError(f'destinations.{name}.urls: is empty — write ["ntfys://ntfy.sh/our-topic"]')

    async def send(self, claim: Claim) -> Outcome:
        return await self.send_many([claim])

    async def send_many(self, claims: Sequence[Claim]) -> Outcome:
        events = [claim.event for claim in claims]
        title = templates.cut(self._title.render(events[0], templates.line), 200)
        text = self._text.render_many(events, templates.plain)
        refused: list[str] = []
        sent = f"{title}\n{text[:2_000]}"
        try:
            async with asyncio.timeout(self.timeout):
                for service in self._services:
                    if not await self._threads.run(self._notify, service, title, text):
                        refused.append(str(service.service_name))
        except TimeoutError:
            return Outcome(reason=f"not done within {self.timeout:g} s", timed_out=True, unknown=True, sent=sent)
        if refused:
            return Outcome(reason=f"not taken by {', '.join(refused)}", sent=sent)
        return Outcome(state=State.SUCCEEDED, sent=sent)

    def _notify(self, service: Any, title: str, text: str) -> bool:
        import apprise

        one = apprise.Apprise()
        one.add(service)
        return bool(one.notify(title=title, body=text, body_format=self._plain))

    async def close(self) -> None:
        self._threads.close()
