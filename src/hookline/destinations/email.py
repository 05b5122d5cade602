"""A mail by SMTP: plain text, one for an event or one for all of a digest."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr

import aiosmtplib
import msgspec

from hookline import templates
from hookline.destinations.client import default_tls
from hookline.destinations.netguard import Blocked, Guard
from hookline.errors import ConfigError
from hookline.model import Claim, Event, Outcome, State
from hookline.pacing import Limits
from hookline.payload import clean
from hookline.retry import Policy
from hookline.secrets import Secret
from hookline.templates import Template

DEFAULT_SUBJECT = "{{ event.source }}: {{ event.type }}"
DEFAULT_TEXT = "{{ event.type }} from {{ event.source }} at {{ event.received_at }}\n\n{{ event.body }}\n"
PLACES = 2
PORTS = {"tls": 465, "starttls": 587, "none": 25}


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes in."""

    host: str
    port: int
    security: str = "starttls"
    """``starttls`` (refused where the server does not offer it), ``tls`` from the start, or ``none``."""
    username: str = ""
    password: Secret = Secret("")


class EmailDestination:
    """Sends to fixed people. What strangers wrote is text in the body and the subject, never a header or an address."""

    interruptible = True
    suspect_after = 2

    def __init__(
        self,
        name: str,
        server: Server,
        guard: Guard,
        *,
        sender: str,
        to: Sequence[str],
        subject: Template,
        text: Template,
        timeout: float = 15.0,
        policy: Policy | None = None,
        limits: Limits | None = None,
        digest: float | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """:raises ConfigError: for what is no address."""
        self.name = name
        self.timeout = timeout
        self.policy = policy or Policy()
        self.limits = limits or Limits()
        self.places = self.limits.concurrency or (100 if digest else PLACES)
        self.digest = digest
        self._server = server
        self._guard = guard
        self._sender = read_address(sender, f"destinations.{name}.from")
        self._to = tuple(read_address(each, f"destinations.{name}.to") for each in to)
        if not self._to:
            raise ConfigError(f'destinations.{name}.to: names nobody — write ["ops@example.com"]')
        self._subject = subject
        self._text = text
        self._tls = tls

    async def send(self, claim: Claim) -> Outcome:
        return await self.send_many([claim])

    async def send_many(self, claims: Sequence[Claim]) -> Outcome:
        message = self.message(claims)
        sent = f"mail to {', '.join(address.addr_spec for address in self._to)}\nSubject: {message['subject']}"
        handed_over: list[bool] = []
        try:
            async with asyncio.timeout(self.timeout):
                said = await self._hand_over(message, handed_over)
        except Blocked as problem:
            return Outcome(reason=f"blocked: {problem}", sent=sent)
        except TimeoutError:
            reason = f"no answer from {self._server.host} within {self.timeout:g} s"
            return Outcome(reason=reason, unknown=bool(handed_over), timed_out=True, sent=sent)
        except aiosmtplib.SMTPResponseException as problem:
            return self._refused(problem.code, problem.message, sent)
        except aiosmtplib.SMTPRecipientsRefused as problem:
            first = problem.recipients[0]
            return self._refused(first.code, first.message, sent)
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as problem:
            lost = bool(handed_over) and isinstance(problem, aiosmtplib.SMTPServerDisconnected)
            reason = clean(f"{self._server.host}: {str(problem) or type(problem).__name__}")
            return Outcome(reason=reason, unknown=lost, sent=sent)
        return Outcome(state=State.SUCCEEDED, code=250, sent=sent, received=said.encode()[:1_000])

    def _refused(self, code: int, words: str, sent: str) -> Outcome:
        """4xx is for now, 5xx is for ever (RFC 5321, 4.2.1)."""
        reason = clean(f"{self._server.host} says {code} {words}")
        return Outcome(state=State.FAILED if code >= 500 else None, reason=reason, code=code, sent=sent)

    async def _hand_over(self, message: EmailMessage, handed_over: list[bool]) -> str:
        server = self._server
        sock = await self._guard.connect(server.host, server.port)
        client = aiosmtplib.SMTP(
            sock=sock, use_tls=server.security == "tls", start_tls=False, tls_context=self._tls or default_tls(),
            timeout=self.timeout, local_hostname="localhost",
        )  # fmt: skip
        client.hostname = server.host  # the name that the certificate must be for; the socket is connected already
        try:
            await client.connect()
            if server.security == "starttls":
                await client.starttls(server_hostname=server.host, tls_context=self._tls or default_tls())
            if server.username:
                await client.login(server.username, server.password.reveal())
            handed_over.append(True)
            refused, said = await client.send_message(
                message, sender=self._sender.addr_spec, recipients=[address.addr_spec for address in self._to]
            )
        finally:
            client.close()
            sock.close()
        return said if not refused else f"{said}; refused for {', '.join(refused)}"

    def message(self, claims: Sequence[Claim]) -> EmailMessage:
        """The mail for these events. Its id stays the same over attempts, so that mailboxes may know a repetition."""
        events = [claim.event for claim in claims]
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = self._sender
        message["To"] = self._to
        message["Subject"] = self._subject_of(events)
        message["Date"] = format_datetime(datetime.fromtimestamp(events[0].received_at, UTC))
        keys = "\n".join(event.idempotency_key for event in events).encode()
        message["Message-ID"] = f"<{hashlib.sha256(keys).hexdigest()[:32]}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self._text_of(events), charset="utf-8", cte="base64")
        return message

    def _subject_of(self, events: Sequence[Event]) -> str:
        first = templates.cut(self._subject.render(events[0], templates.line), 200)
        text = first if len(events) == 1 else f"{first} (and {len(events) - 1} more)"
        return templates.line(text).encode("utf-8", "replace").decode()

    def _text_of(self, events: Sequence[Event]) -> str:
        texts = (self._text.render(event, templates.plain) for event in events)
        return templates.cut("\n--\n".join(texts)).encode("utf-8", "replace").decode()

    async def close(self) -> None:
        return None


def read_address(text: str, where: str) -> Address:
    """``Ops <ops@example.com>`` as an address. :raises ConfigError: naming ``where``."""
    name, spec = parseaddr(text)
    try:
        if any(char in text for char in "\r\n\0") or spec.count("@") != 1 or not spec.isascii():
            raise ValueError
        address = Address(display_name=name, addr_spec=spec)
        if not address.username or not address.domain:
            raise ValueError
        return address
    except (ValueError, IndexError, HeaderParseError):
        raise ConfigError(f'{where}: {clean(text)!r} is no mail address — write "ops@example.com"') from None
