"""The settings table: every setting's name, kind, default and help, once.

The file, the environment, the flags, ``hookline check`` and the reference page are all read from here: a field with a
:class:`Setting` is a key that a user may write, its default is the default. Everything is frozen; a reload makes a new
:class:`Config`.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from hookline.config import kinds
from hookline.config.kinds import Kind
from hookline.secrets import MASK, is_reference, mask_password, show_reference


class Setting(msgspec.Struct, frozen=True):
    """What there is to know of one key."""

    kind: Kind
    help: str
    key: str = ""
    """The key in the file, where a Python field cannot be called that."""
    default: str = ""
    """How the default reads, where it is not a plain value."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the file. Its repr shows nothing that could be a secret."""

    def __repr__(self) -> str:
        fields = (f"{name}={_shown(name, getattr(self, name))}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(fields)})"


def _shown(name: str, value: object) -> str:
    if name == "options" and isinstance(value, dict):
        return repr({key: item if is_reference(item) else MASK for key, item in value.items()})
    return repr(mask_password(value) if isinstance(value, str) else value)


@cache
def settings_of(table: type[Table]) -> tuple[tuple[str, str, Setting, Any], ...]:
    """The rows of one table: field, key in the file, setting, default (``msgspec.NODEFAULT`` for a required key)."""
    rows = []
    defaults = {field.name: field for field in msgspec.structs.fields(table)}
    for name, hint in get_type_hints(table, include_extras=True).items():
        if get_origin(hint) is Annotated and isinstance(setting := get_args(hint)[1], Setting):
            field = defaults[name]
            factory = field.default_factory
            default = field.default if factory is msgspec.NODEFAULT else factory()
            rows.append((name, setting.key or name, setting, default))
    return tuple(rows)


class SecretRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret is found: ``env:NAME``, ``file:PATH`` or the text itself; and until when it counts."""

    ref: str
    until: float | None = None
    """Unix seconds; None for ever."""

    def __repr__(self) -> str:
        return f"SecretRef(ref={show_reference(self.ref)!r}, until={self.until})"


class Server(Table, frozen=True, kw_only=True):
    """The machine: its doors, its store, its processes."""

    public: Annotated[str, Setting(kinds.ADDRESS, "The public door: webhooks and inspection URLs, nothing else.")] = (
        "127.0.0.1:8080"
    )
    admin: Annotated[str, Setting(kinds.ADDRESS, "The admin door: pages, API, metrics. Keep it off the internet.")] = (
        "127.0.0.1:8081"
    )
    public_url: Annotated[
        str,
        Setting(kinds.URL, "What providers call, as they call it. URL-signing providers are checked against this."),
    ] = ""
    admin_url: Annotated[
        str, Setting(kinds.URL, "The admin door's own URL. Its host and loopback names are the only ones answered.")
    ] = ""
    store: Annotated[
        str, Setting(kinds.STORE, "Where everything is kept. A relative path starts at the first settings file.")
    ] = "sqlite:///hookline.db"
    environment: Annotated[
        str, Setting(kinds.TEXT, "The environment of sources, routes and handlers that name none.")
    ] = "production"
    app: Annotated[
        str, Setting(kinds.TEXT, "Where the handlers are, `module:attribute`. `hookline serve APP` says the same.")
    ] = ""
    ingest: Annotated[
        int,
        Setting(
            kinds.whole(1, 64),
            "Ingest processes on this machine. More than one only helps where cores are idle; rates and limits of "
            "connections count in each.",
        ),
    ] = 1
    workers: Annotated[
        int | None, Setting(kinds.whole(0, 256), "Worker processes on this machine.", default="one per core, at most 4")
    ] = None
    metrics: Annotated[
        str, Setting(kinds.ADDRESS, "Serve `/metrics` here, without a token.", default="the admin door")
    ] = ""
    certificate: Annotated[
        str, Setting(kinds.TEXT, "TLS at the public door: the certificate chain, a PEM file.", default="plain HTTP")
    ] = ""
    certificate_key: Annotated[
        str, Setting(kinds.TEXT, "The certificate's private key, a PEM file.", default="in the certificate's file")
    ] = ""
    require_https: Annotated[
        bool, Setting(kinds.FLAG, "Answer 403 to webhooks that came over plain HTTP, as far as proxies tell.")
    ] = False
    allow_private: Annotated[
        tuple[str, ...],
        Setting(kinds.TEXTS, "Internal hosts, addresses and networks that destinations may reach."),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Setting(kinds.NETWORKS, "Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."),
    ] = ()
    drain: Annotated[float, Setting(kinds.DURATION, "How long running work may take to finish after SIGTERM.")] = 30.0


class Limits(Table, frozen=True, kw_only=True):
    """What the public door takes, and when it says that it is full."""

    body: Annotated[
        int, Setting(kinds.SIZE, "Largest body, for sources that do not say `max_body`. At most 25MiB.")
    ] = 1 << 20
    headers: Annotated[int, Setting(kinds.whole(10, 1_000), "Most header fields of a request.")] = 100
    header_bytes: Annotated[int, Setting(kinds.SIZE, "Most bytes of request line and headers together.")] = 32 << 10
    header_timeout: Annotated[
        float, Setting(kinds.DURATION, "How long the headers of a request may take to arrive.")
    ] = 10.0
    body_timeout: Annotated[float, Setting(kinds.DURATION, "How long a whole body may take to arrive.")] = 30.0
    idle_timeout: Annotated[float, Setting(kinds.DURATION, "How long a connection may wait between requests.")] = 15.0
    proxy_idle_timeout: Annotated[
        float, Setting(kinds.DURATION, "The same for trusted proxies, which keep connections open.")
    ] = 75.0
    connections: Annotated[int, Setting(kinds.whole(1, 1 << 20), "Most connections at once.")] = 1_024
    connections_per_address: Annotated[
        int, Setting(kinds.whole(1, 1 << 20), "Most connections of one address at once; trusted proxies have no limit.")
    ] = 64
    unverified_rate: Annotated[
        float, Setting(kinds.RATE, "Requests of one address that may fail verification before it gets 429.")
    ] = 20.0
    waiting: Annotated[
        int, Setting(kinds.whole(1, 1 << 20), "Most requests that wait for a commit; beyond that the answer is 503.")
    ] = 2_000
    waiting_bytes: Annotated[int, Setting(kinds.SIZE, "Most bytes of their bodies.")] = 64 << 20
    backlog: Annotated[
        int | None,
        Setting(kinds.whole(1), "Most open deliveries; beyond that the answer is 503.", default="no limit"),
    ] = None
    disk_refuse: Annotated[
        int, Setting(kinds.SIZE, "Answer 503 while the store's disk has less free space than this.")
    ] = 512_000_000
    disk_warn: Annotated[int, Setting(kinds.SIZE, "Warn below this much free space.")] = 2_000_000_000
    disk_ballast: Annotated[
        int, Setting(kinds.SIZE, "Space in a file that is given up when the disk is full, so that retention can run.")
    ] = 64_000_000


class Retention(Table, frozen=True, kw_only=True):
    """How long things are kept. Nothing with an open delivery is ever dropped."""

    events: Annotated[float, Setting(kinds.DURATION, "Events: bodies, deliveries, attempts.")] = 30 * 86_400.0
    failed: Annotated[
        float, Setting(kinds.DURATION, "`failed` and `needs_review` deliveries after their last change, at least.")
    ] = 30 * 86_400.0
    ids: Annotated[
        float, Setting(kinds.DURATION, "Ids and digests, by which a late duplicate is known; at least `events` + 15d.")
    ] = 45 * 86_400.0
    rejected: Annotated[float, Setting(kinds.DURATION, "Rejected requests.")] = 7 * 86_400.0
    rejected_rows: Annotated[int, Setting(kinds.whole(0), "Rejected requests kept for a source.")] = 10_000
    rejected_bytes: Annotated[int, Setting(kinds.SIZE, "Bytes of rejected requests kept for a source.")] = 64 << 20
    rejected_per_hour: Annotated[
        int,
        Setting(kinds.whole(0), "Rejected requests kept in an hour for one address and reason; others are counted."),
    ] = 100


class DeliverySettings(Table, frozen=True, kw_only=True):
    """How deliveries are tried, for destinations and handlers that say nothing of their own."""

    timeout: Annotated[float, Setting(kinds.DURATION, "How long one attempt may take.")] = 15.0
    connect_timeout: Annotated[float, Setting(kinds.DURATION, "How long connecting may take within it.")] = 5.0
    response: Annotated[int, Setting(kinds.SIZE, "How much of an answer is kept with the attempt.")] = 16 << 10
    schedule: Annotated[
        tuple[float, ...],
        Setting(kinds.SCHEDULE, "How long to wait after each failure; after the last the delivery is `failed`."),
    ] = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
    jitter: Annotated[float, Setting(kinds.SHARE, "By how much each wait varies, up and down.")] = 0.2
    breaker_share: Annotated[
        float, Setting(kinds.SHARE, "A destination pauses when this share of its attempts fails…")
    ] = 0.7
    breaker_least: Annotated[int, Setting(kinds.whole(1), "…of at least this many…")] = 10
    breaker_window: Annotated[float, Setting(kinds.DURATION, "…within this time.")] = 300.0
    breaker_pause: Annotated[
        float, Setting(kinds.DURATION, "How long it pauses before one probe tells whether it works again.")
    ] = 30.0
    lease: Annotated[
        float, Setting(kinds.DURATION, "How long a claimed delivery stays with a worker that went silent.")
    ] = 60.0
    renew: Annotated[float, Setting(kinds.DURATION, "How often a worker that is not silent renews it.")] = 15.0
    crashes: Annotated[
        int, Setting(kinds.whole(1), "A delivery that was running in this many crashes needs review.")
    ] = 5
    no_worker_alarm: Annotated[
        float, Setting(kinds.DURATION, "Alarm when deliveries wait this long for a handler that no worker has.")
    ] = 300.0


class Alerts(Table, frozen=True, kw_only=True):
    """Who hears that something is wrong."""

    heartbeat_url: Annotated[
        str,
        Setting(kinds.TEXT, "Pinged every minute while all is well: a dead gateway alerts nobody.", default="none"),
    ] = ""


class Doc(Table, frozen=True, kw_only=True):
    """What people need to know of a source."""

    owner: Annotated[str, Setting(kinds.TEXT, "Who is told when something is wrong with it.")] = ""
    purpose: Annotated[str, Setting(kinds.TEXT, "What it is for.")] = ""
    rotate_every: Annotated[
        float | None, Setting(kinds.DURATION, "How often its secret should change.", default="never")
    ] = None
    on_failure: Annotated[str, Setting(kinds.TEXT, "What breaks when its events do not come, and what to do.")] = ""
    runbook: Annotated[str, Setting(kinds.TEXT, "Where to read more.")] = ""


class Source(Table, frozen=True, kw_only=True):
    """Where events come from."""

    name: str
    provider: Annotated[
        str, Setting(kinds.TEXT, "Who sends: `github`, `stripe`, …, or `hmac`, `token`, `basic`, `ed25519`, `jwt`.")
    ]
    environment: Annotated[
        str, Setting(kinds.TEXT, "Its environment: `production`, `test`, …", default="`server.environment`")
    ]
    path: Annotated[str, Setting(kinds.TEXT, "Its path at the public door.", default="`/webhooks/<name>`")]
    url: Annotated[
        str, Setting(kinds.TEXT, "Its URL as the provider calls it.", default="`server.public_url` and `path`")
    ]
    secrets: Annotated[
        tuple[SecretRef, ...],
        Setting(
            Kind("list of secrets", lambda value: value, str),
            "What it signs with: `env:NAME`, `file:PATH`; while rotating several, the newest first, "
            'the old one as `{ ref = "env:OLD", until = 2026-12-15 }`.',
            default="none",
        ),
    ] = ()
    events: Annotated[
        tuple[str, ...],
        Setting(kinds.TEXTS, "Types wanted (`invoice.*`); others are acknowledged and `ignored`.", default="all"),
    ] = ()
    redact: Annotated[
        tuple[str, ...],
        Setting(kinds.TEXTS, "Fields masked for people below `operator`: `body.customer.email`, `header.X-Token`."),
    ] = ()
    batch: Annotated[
        str, Setting(kinds.choice("split", "whole"), "Whether a request of many items is many events or one.")
    ] = "split"
    reply: Annotated[
        dict[str, Any] | None,
        Setting(
            kinds.REPLY,
            'The acknowledgement: `{ status = 200, content_type = "text/xml", body = "<Response/>" }`.',
            default="the provider's own",
        ),
    ] = None
    addresses: Annotated[
        tuple[str, ...], Setting(kinds.NETWORKS, "Senders allowed; others get 403.", default="all")
    ] = ()
    require_https: Annotated[
        bool, Setting(kinds.FLAG, "Answer 403 to plain HTTP.", default="`server.require_https`")
    ] = False
    max_body: Annotated[int, Setting(kinds.SIZE, "Largest body, at most 25MiB.", default="`limits.body`")] = 1 << 20
    rate: Annotated[
        float | None, Setting(kinds.RATE, "Most verified requests; beyond that the answer is 429.", default="no limit")
    ] = None
    tolerance: Annotated[
        float | None,
        Setting(kinds.DURATION, "How old a signed time may be.", default="the provider's own, mostly 5m"),
    ] = None
    dedupe_window: Annotated[
        float, Setting(kinds.DURATION, "How long a digest stands in for an id where the provider sends none.")
    ] = 900.0
    replayed_body: Annotated[
        str,
        Setting(kinds.choice("hold", "accept"), "A known body under a new id, where neither id nor time is signed."),
    ] = "hold"
    wrong_environment: Annotated[
        str,
        Setting(kinds.choice("hold", "ignore"), "An event of the provider's test mode in production, or the reverse."),
    ] = "hold"
    on_duplicate: Annotated[
        str,
        Setting(kinds.choice("redeliver", "ignore"), "Whether a duplicate runs deliveries that had failed again."),
    ] = "redeliver"
    retired: Annotated[bool, Setting(kinds.FLAG, "Answer 410: the provider may forget the URL.")] = False
    doc: Doc = Doc()
    options: dict[str, Any] = {}
    """The provider's own keys: ``signature``, ``timestamp``, ``id``, ``type``, ``topic_arn``, …"""


class Route(Table, frozen=True, kw_only=True):
    """Which events go where."""

    name: Annotated[str, Setting(kinds.TEXT, "Its name, shown with deliveries.", default="`<from>:<number>`")]
    source: Annotated[str, Setting(kinds.TEXT, "A source name or pattern (`stripe*`).", key="from")]
    events: Annotated[tuple[str, ...], Setting(kinds.TEXTS, "Types or patterns wanted.", default="all")] = ()
    when: Annotated[
        dict[str, Any] | None,
        Setting(kinds.TABLE, 'A JSON match: `{ body.amount = { "$gte" = 1000 } }`.', default="always"),
    ] = None
    to: Annotated[tuple[str, ...], Setting(kinds.TEXTS, "Destinations.")] = ()
    ordering_key: Annotated[
        str | None,
        Setting(kinds.TEXT, "A path (`body.customer`): events with the same value keep their order.", default="none"),
    ] = None
    environment: Annotated[
        str | None, Setting(kinds.TEXT, "Whose events it takes.", default="`server.environment`")
    ] = None


class Destination(Table, frozen=True, kw_only=True):
    """Where events go."""

    name: str
    type: Annotated[str, Setting(kinds.TEXT, "`http`, `slack`, `email`, `notify` or `command`.")]
    schedule: tuple[float, ...] | None = None
    jitter: float | None = None
    timeout: Annotated[
        float, Setting(kinds.DURATION, "How long one attempt may take.", default="`delivery.timeout`")
    ] = 15.0
    concurrency: Annotated[
        int | None,
        Setting(kinds.whole(1, 100_000), "Most attempts at once, in all workers together.", default="no limit"),
    ] = None
    rate: Annotated[
        float | None, Setting(kinds.RATE, "Most attempts, in all workers together.", default="no limit")
    ] = None
    options: dict[str, Any] = {}
    """What its type wants: ``url``, ``secret``, ``text``, …; texts may be references (see :mod:`hookline.secrets`)."""


class Retry(Table, frozen=True, kw_only=True):
    """When a destination is tried again. `retry = "5s 5m 30m"` says the schedule alone."""

    schedule: Annotated[
        tuple[float, ...] | None,
        Setting(kinds.SCHEDULE, "How long to wait after each failure.", default="`delivery.schedule`"),
    ] = None
    jitter: Annotated[
        float | None, Setting(kinds.SHARE, "By how much each wait varies.", default="`delivery.jitter`")
    ] = None


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that code, files, environment and flags say, checked for shape."""

    server: Server = Server()
    limits: Limits = Limits()
    retention: Retention = Retention()
    delivery: DeliverySettings = DeliverySettings()
    alerts: Alerts = Alerts()
    sources: dict[str, Source] = {}
    routes: tuple[Route, ...] = ()
    destinations: dict[str, Destination] = {}
    files: tuple[str, ...] = ()
    """The settings files, as given."""
    places: dict[str, str] = {}
    """``sources.stripe.secrets`` → ``hookline.toml:12``: where people find what is wrong."""

    def place(self, key: str) -> str:
        """Where a key, or the nearest table around it, was written; empty where nobody did."""
        while key and key not in self.places:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.places.get(key, "")


TABLES: dict[str, type[Table]] = {
    "server": Server,
    "limits": Limits,
    "retention": Retention,
    "delivery": DeliverySettings,
    "alerts": Alerts,
}
"""The tables that stand once in a file, in the order of the reference page."""

Level = Literal["error", "secret", "warning"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with the configuration: where, what, and what to do."""

    key: str
    """``sources.stripe.secrets[0]``; empty for a whole file."""
    what: str
    cure: str = ""
    place: str = ""
    """``hookline.toml:12``, or ``environment`` or ``flags``; empty where nobody wrote it."""
    level: Level = "error"
    """``error`` stops a start; ``secret`` only what needs that secret (and ``check``); ``warning`` nothing."""

    def order(self) -> tuple[str, int]:
        """By file and line: as people walk through a file."""
        file, _, line = self.place.rpartition(":")
        return (file, int(line)) if line.isdecimal() else (self.place, 0)

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.place, self.key) if part)
        text = f"{where}: {self.what}" if where else self.what
        return f"{text} — {self.cure}" if self.cure else text
