"""A maker per type of destination: reads its options, refuses what it does not know, and brings what all share."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, overload

from hookline.config import Config, Destination, Source, resolved_source
from hookline.config.kinds import read_duration
from hookline.destinations import base
from hookline.destinations.client import Client, make_tls
from hookline.destinations.netguard import Blocked, Guard, Target, read_url
from hookline.errors import ConfigError
from hookline.pacing import Judge, Limits
from hookline.retry import Policy
from hookline.secrets import Secret
from hookline.templates import Template

if TYPE_CHECKING:  # the table of providers is large, and only HTTP destinations sign
    from hookline.providers.base import Verifier

Maker = Callable[[Destination, "Options", "Surroundings"], base.Destination]


class Options:
    """A destination's own keys. Each is read by its kind, once; what nobody read is a mistake."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.where = where
        self._values = dict(values)
        self._known: list[str] = []

    def take(self, key: str) -> Any:
        self._known.append(key)
        return self._values.pop(key, None)

    @overload
    def text(self, key: str, default: str) -> str: ...
    @overload
    def text(self, key: str, default: None = None) -> str | None: ...
    def text(self, key: str, default: str | None = None) -> str | None:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, str) or not value:
            raise self.problem(key, "is no text")
        return value

    def needed(self, key: str, example: str) -> str:
        value = self.text(key)
        if value is None:
            raise self.problem(key, f"is missing — write {key} = {example}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a single one is a list of one."""
        value = self.take(key)
        if value is None:
            return ()
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, Sequence) or not all(isinstance(item, str) for item in found):
            raise self.problem(key, "is no list of texts")
        return tuple(found)

    def table(self, key: str) -> dict[str, str]:
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
            raise self.problem(key, "is no table of texts")
        return dict(value)

    def choice(self, key: str, *choices: str) -> str:
        value = self.text(key, choices[0])
        if value not in choices:
            raise self.problem(key, f'is "{value}" — write {" or ".join(choices)}')
        return value

    def duration(self, key: str) -> float | None:
        value = self.take(key)
        if value is None:
            return None
        try:
            return read_duration(value)
        except ValueError as problem:
            raise self.problem(key, str(problem).replace(":", " —", 1)) from None

    def number(self, key: str, default: int) -> int:
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, str) and value.isdecimal() and len(value) < 10:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.problem(key, "is no whole number")
        return value

    def template(self, key: str, default: str) -> Template:
        return Template(self.text(key, default), f"{self.where}.{key}")

    def problem(self, key: str, what: str) -> ConfigError:
        return ConfigError(f"{self.where}.{key}: {what}")

    def refuse_the_rest(self) -> None:
        for key in self._values:
            near = get_close_matches(key, self._known, n=1)
            cure = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(self._known))}"
            raise self.problem(key, f"is not known — {cure}")


class Surroundings:
    """What destinations share: the guard, the clock, and the verifiers that can sign as a provider does."""

    def __init__(self, config: Config, now: Callable[[], float]) -> None:
        self.config = config
        self.now = now
        self.guard = Guard(config.server.allow_private)
        self._verifiers: dict[str, Verifier | None] = {}

    def client(self, options: Options, policy: Policy) -> Client:
        authorities = options.text("ca")
        return Client(
            self.guard,
            connect_timeout=self.config.delivery.connect_timeout,
            tls=_tls(authorities, options) if authorities else None,
            repeat_stale=policy.on_unknown != "hold",
        )

    def verifier(self, source: str) -> Verifier | None:
        """The verifier of a source, to sign with; None where it cannot be made."""
        from hookline import providers

        if source not in self._verifiers:
            made = None
            if source in self.config.sources:
                try:
                    bound, secrets = resolved_source(self.config.sources[source], self.now())
                    made = providers.bind(bound, secrets)
                except ConfigError:  # the door says so; what was accepted earlier goes out as it came
                    made = None
            self._verifiers[source] = made
        return self._verifiers[source]

    def signer(self, name: str, secret: str) -> Verifier:
        """Signs as Standard Webhooks says."""
        from hookline import providers

        source = Source(name=name, provider="standard-webhooks", environment="", path="/", url="")
        try:
            return providers.bind(source, [secret])
        except ConfigError as problem:
            what = str(problem).partition(": ")[2] or str(problem)
            raise ConfigError(f"destinations.{name}.secret: {what}") from None


def _policy(destination: Destination, options: Options, config: Config) -> Policy:
    delivery = config.delivery
    return Policy(
        schedule=delivery.schedule if destination.schedule is None else destination.schedule,
        jitter=delivery.jitter if destination.jitter is None else destination.jitter,
        on_unknown=options.choice("on_unknown", "retry", "hold"),
    )


def _limits(destination: Destination, config: Config, default: Limits | None = None) -> Limits:
    default = default or Limits()
    delivery = config.delivery
    return Limits(
        concurrency=destination.concurrency if destination.concurrency is not None else default.concurrency,
        rate=destination.rate if destination.rate is not None else default.rate,
        judge=Judge(
            share=delivery.breaker_share,
            least=delivery.breaker_least,
            window=delivery.breaker_window,
            pause=delivery.breaker_pause,
        ),
    )


def _target(url: str, options: Options, key: str = "url") -> Target:
    try:
        return read_url(url)
    except Blocked as problem:
        raise options.problem(key, str(problem)) from None


def _http(destination: Destination, options: Options, around: Surroundings) -> base.Destination:
    from hookline.destinations.http import HttpDestination

    policy = _policy(destination, options, around.config)
    secret = options.text("secret")
    return HttpDestination(
        destination.name,
        _target(options.needed("url", '"https://example.com/hooks"'), options),
        around.client(options, policy),
        timeout=destination.timeout,
        policy=policy,
        limits=_limits(destination, around.config),
        method=options.choice("method", "POST", "PUT", "PATCH"),
        headers=options.table("headers"),
        forward_headers=options.texts("forward_headers"),
        signer=around.signer(destination.name, secret) if secret else None,
        verifiers=around.verifier,
        resign=options.choice("resign", "auto", "always", "never"),
        keep=around.config.delivery.response,
        now=around.now,
    )


def _slack(destination: Destination, options: Options, around: Surroundings) -> base.Destination:
    from hookline.destinations.slack import DEFAULT_TEXT, SlackDestination

    policy = _policy(destination, options, around.config)
    digest = options.duration("digest")
    return SlackDestination(
        destination.name,
        _target(options.needed("url", '"env:SLACK_WEBHOOK_URL"'), options),
        around.client(options, policy),
        text=options.template("text", DEFAULT_TEXT),
        timeout=destination.timeout,
        policy=policy,
        limits=_limits(
            destination, around.config, Limits() if digest else Limits(rate=1.0)
        ),  # what Slack allows a webhook
        digest=digest,
        now=around.now,
    )


def _email(destination: Destination, options: Options, around: Surroundings) -> base.Destination:
    from hookline.destinations.email import DEFAULT_SUBJECT, DEFAULT_TEXT, PORTS, EmailDestination, Server

    security = options.choice("security", "starttls", "tls", "none")
    host = options.needed("host", '"smtp.example.com"')
    username, password = options.text("username", ""), options.text("password", "")
    if password and security == "none" and not _is_loopback(host):
        raise options.problem("security", 'is "none", and there is a password — write "starttls" or "tls"')
    authorities = options.text("ca")
    return EmailDestination(
        destination.name,
        Server(
            host=host,
            port=options.number("port", PORTS[security]),
            security=security,
            username=username,
            password=Secret(password),
        ),
        around.guard,
        sender=options.needed("from", '"hookline@example.com"'),
        to=options.texts("to"),
        subject=options.template("subject", DEFAULT_SUBJECT),
        text=options.template("text", DEFAULT_TEXT),
        timeout=destination.timeout,
        policy=_policy(destination, options, around.config),
        limits=_limits(destination, around.config),
        digest=options.duration("digest"),
        tls=_tls(authorities, options) if authorities else None,
    )


def _command(destination: Destination, options: Options, around: Surroundings) -> base.Destination:
    from hookline.destinations.command import CommandDestination

    directory = options.text("directory")
    if directory is not None and not os.path.isdir(directory):
        raise options.problem("directory", f"{directory} is no folder")
    return CommandDestination(
        destination.name,
        options.texts("command"),
        timeout=destination.timeout,
        policy=_policy(destination, options, around.config),
        limits=_limits(destination, around.config),
        environment=options.table("environment"),
        directory=directory,
    )


def _notify(destination: Destination, options: Options, around: Surroundings) -> base.Destination:
    from hookline.destinations.email import DEFAULT_SUBJECT, DEFAULT_TEXT
    from hookline.destinations.notify import NotifyDestination

    return NotifyDestination(
        destination.name,
        options.texts("urls"),
        title=options.template("title", DEFAULT_SUBJECT),
        text=options.template("text", DEFAULT_TEXT),
        timeout=destination.timeout,
        policy=_policy(destination, options, around.config),
        limits=_limits(destination, around.config),
        digest=options.duration("digest"),
    )


def _tls(authorities: str, options: Options) -> ssl.SSLContext:
    try:
        return make_tls(authorities)
    except (OSError, ssl.SSLError) as problem:
        raise options.problem("ca", f"{authorities} cannot be used ({problem.strerror or problem})") from None


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


MAKERS: dict[str, Maker] = {"http": _http, "slack": _slack, "email": _email, "command": _command, "notify": _notify}
