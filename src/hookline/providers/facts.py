"""What a check may look at, and what a signature is written onto."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec

from hookline.errors import Rejected
from hookline.model import Headers, Request
from hookline.payload import MAX_FORM_FIELDS, parse, parse_form
from hookline.providers.fields import Peek

MISSING = "missing signature"
MALFORMED = "malformed signature"
BAD = "bad signature"
NO_TIME = "missing timestamp"
BAD_TIME = "malformed timestamp"
STALE = "stale timestamp"
AHEAD = "timestamp in the future"
REPEATED = "repeated header"

CLOCK_REASONS = frozenset({STALE, AHEAD})
"""Said only of requests whose signature is right: many of them at once mean that our clock is wrong."""


class Plan(msgspec.Struct, frozen=True):
    """What the facts of one source are gathered by: made once, at bind."""

    wanted: frozenset[bytes]
    """Lower-case names of the headers that anything here reads."""
    repeated: frozenset[bytes]
    """Those of them that may come several times; their values are joined with a comma."""
    peek: Peek
    envelope_peek: Peek
    url: str
    """What the provider was told to call."""
    payload_field: str = ""
    """The form field that holds the JSON, where the provider sends forms."""


class Facts:
    """One request, read lazily: headers of interest, and form, query and JSON when somebody asks."""

    __slots__ = ("_document", "_envelope", "_form", "_query", "_values", "body", "found", "now", "plan", "request")

    def __init__(self, plan: Plan, request: Request, now: float) -> None:
        found: dict[bytes, bytes] = {}
        wanted = plan.wanted
        for name, value in request.headers:
            key = name.lower()
            if key in wanted:
                if key in found:
                    if key not in plan.repeated:
                        raise Rejected(REPEATED, 400)
                    value = found[key] + b"," + value
                found[key] = value
        self.plan = plan
        self.request = request
        self.body = request.body
        self.now = now
        self.found = found
        self._document: bytes | None = None
        self._values: tuple[Any, ...] | None = None
        self._envelope: tuple[Any, ...] | None = None
        self._form: dict[str, list[str]] | None = None
        self._query: dict[str, list[str]] | None = None

    @property
    def document(self) -> bytes:
        """The JSON: the body, or the form field that holds it, or the item of a batch at hand."""
        if self._document is None:
            field = self.plan.payload_field
            inside = self.form_value(field) if field and self.body[:1] not in (b"{", b"[") else None
            self._document = self.body if inside is None else inside.encode("utf-8", "surrogatepass")
        return self._document

    def of(self, item: bytes) -> Facts:
        """The same request with one item of its batch as the document."""
        facts = Facts.__new__(Facts)
        for slot in Facts.__slots__:
            setattr(facts, slot, getattr(self, slot))
        facts._envelope = self.envelope_values
        facts._document = item
        facts._values = None
        return facts

    @property
    def values(self) -> tuple[Any, ...]:
        """What the row's fields name in the document."""
        if self._values is None:
            self._values = self.plan.peek(self.document)
        return self._values

    @property
    def envelope_values(self) -> tuple[Any, ...]:
        """What the row's fields name in the whole request, where the document is one item of it."""
        if self._envelope is None:
            self._envelope = self.plan.envelope_peek(self.document)
        return self._envelope

    @property
    def json(self) -> Any:
        """The whole document; None if it is not JSON."""
        return parse(self.document)

    @property
    def form(self) -> dict[str, list[str]]:
        if self._form is None:
            self._form = parse_form(self.body) or {}
        return self._form

    @property
    def query(self) -> dict[str, list[str]]:
        if self._query is None:
            self._query = _query(self.raw_query)
        return self._query

    def form_value(self, name: str) -> str | None:
        values = self.form.get(name)
        return values[0] if values else None

    def query_value(self, name: str) -> str | None:
        values = self.query.get(name)
        return values[0] if values else None

    @property
    def raw_query(self) -> bytes:
        return self.request.target.partition(b"?")[2]

    @property
    def content_type(self) -> bytes:
        """Without its parameters, lower case."""
        return (self.request.header(b"content-type") or b"").partition(b";")[0].strip().lower()

    @property
    def url(self) -> bytes:
        """The URL that a provider signs: as configured, never as the Host header says; with the query that came."""
        url = self.plan.url.encode("utf-8", "surrogatepass")
        query = self.raw_query
        return url if b"?" in url or not query else url + b"?" + query


class Draft:
    """A request being signed. Schemes add headers, and where the signature lives inside, change the body or the URL."""

    def __init__(
        self, *, method: str, url: str, headers: Headers, body: bytes, now: float, id: str | None, type: str | None
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.now = now
        self.id = id
        self.type = type

    def header(self, name: bytes) -> bytes | None:
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def set(self, name: str, value: str | bytes) -> None:
        """Replaces a header, or adds it at the end."""
        raw = value if isinstance(value, bytes) else value.encode("utf-8")
        key = name.encode("latin-1")
        self.headers[:] = [pair for pair in self.headers if pair[0].lower() != key.lower()]
        self.headers.append((key, raw))

    def request(self) -> Request:
        """The draft as it would arrive."""
        return arriving(self.method, self.url, self.headers, self.body, self.now)


def arriving(method: str, url: str, headers: Headers, body: bytes, received_at: float) -> Request:
    """A request to this URL as the door sees it: the target is the URL's path and query."""
    target = "/" + url.partition("://")[2].partition("/")[2]
    return Request(
        method=method,
        target=target.encode("utf-8", "surrogatepass"),
        headers=headers,
        body=body,
        received_at=received_at,
    )


_NOTHING = Peek(())


def draft_facts(draft: Draft) -> Facts:
    """The draft seen as the receiver will see it, so that both sides compute the same text."""
    names = frozenset(name.lower() for name, _ in draft.headers)
    return Facts(Plan(names, names, _NOTHING, _NOTHING, draft.url), draft.request(), draft.now)


def _query(raw: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        return {}
