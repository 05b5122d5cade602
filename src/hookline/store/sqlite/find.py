"""Compiles a search to SQLite: what columns can tell becomes SQL, what only the payload tells is judged afterwards.

Searches walk events (or requests) newest first in windows of ids, along the narrowest index that the query allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hookline import ids, search
from hookline.store.judge import Both, Fast, Node, Not, Payload, Slow, judge

SLACK = 3_600.0
"""Seconds that an id's own time may be away from ``received_at`` (a stepped clock, a spool)."""

END = 1 << 62
"""Above every id."""

PAYLOAD = ("body", "header", "text")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled search."""

    tree: Node
    where: str
    """True for every row that may be wanted."""
    truths: tuple[str, ...]
    """Expressions to select beside a row for :meth:`wants`; empty where ``where`` says it all."""
    values: Mapping[str, Any]
    low: int
    """Ids at or above this,"""
    high: int
    """and below this."""
    terms: tuple[search.Term, ...]
    """Those that every row must meet: what an index can be picked by."""

    @property
    def slow(self) -> bool:
        return bool(self.truths)

    def wants(self, truths: Sequence[Any], payload: Callable[[], Payload]) -> bool:
        """The verdict on a row of a slow search."""
        return judge(self.tree, truths, payload)

    def required(self, field: str) -> str | None:
        """The exact value that every row has in a field."""
        return next((term.value for term in self.terms if term.field == field and term.op == "="), None)


class Target(msgspec.Struct, frozen=True):
    """What is searched for, and what its columns are called."""

    noun: str
    columns: Mapping[str, str]
    """Field to SQL expression."""
    flags: Mapping[str, str]
    many: Mapping[str, str] = {}
    """Fields of the deliveries of an event: those of one ``All`` are asked of the same delivery."""
    ids: Mapping[str, str] = {}
    """Prefix to condition on ``{}``."""


_STATUSES = {
    "needs_review": "(e.needs_review > 0 or e.hold is not null) and e.status = 'needs_review'",
    "failed": "e.failed > 0 and e.status = 'failed'",
    **{name: f"e.status = '{name}'" for name in ("pending", "processed", "ignored")},
}
_RETRYING = "d.state = 'pending' and d.tries > 0 and d.lease_until is null"
_RUNNING = "coalesce(d.lease_until, 0) > :now"
_EVENT_COLUMNS = {
    "source": "e.source",
    "environment": "e.environment",
    "type": "e.type",
    "duplicates": "e.duplicates",
    "size": "e.size",
    "since": "e.received_at",
    "until": "e.received_at",
    "subject": "e.subject",
    "provider_id": "e.provider_id",
    "origin": "e.origin",
}
_DELIVERY_COLUMNS = {
    "state": "d.state",
    "code": "d.code",
    "attempts": "d.attempts",
    "destination": "d.destination",
    "route": "d.route",
    "ordering_key": "d.ordering_key",
    "trigger": "d.trigger",
}
_EVENT_FLAGS = {"duplicate": "e.duplicates > 0", "held": "e.hold is not null", **_STATUSES}
_DELIVERY_FLAGS = {
    "retrying": _RETRYING,
    "running": _RUNNING,
    "replayed": "d.replays > 0",
    "superseded": "d.superseded = 1",
}
_SOME = "exists (select 1 from deliveries d where d.event = e.id and {})"

EVENTS = Target(
    noun="events",
    columns={
        **_EVENT_COLUMNS,
        "reason": "coalesce(e.hold, '') || ' ' || coalesce(e.reason, '') || ' ' ||"
        " coalesce((select group_concat(d.reason) from deliveries d where d.event = e.id), '')",
        "peer": "(select q.peer from requests q where q.id = e.request)",
        "method": "(select q.method from requests q where q.id = e.request)",
    },
    flags=_EVENT_FLAGS | {name: _SOME.format(sql) for name, sql in _DELIVERY_FLAGS.items()},
    many=_DELIVERY_COLUMNS,
    ids={
        "evt": "e.id = {}",
        "req": "e.request = {}",
        "dlv": "e.id = (select d.event from deliveries d where d.id = {})",
    },
)
DELIVERIES = Target(
    noun="deliveries",
    columns={
        **_EVENT_COLUMNS,
        **_DELIVERY_COLUMNS,
        "reason": "coalesce(d.reason, '')",
        "peer": EVENTS.columns["peer"],
        "method": EVENTS.columns["method"],
    },
    flags=_EVENT_FLAGS | _DELIVERY_FLAGS,
    ids={"evt": "e.id = {}", "req": "e.request = {}", "dlv": "d.id = {}"},
)
REQUESTS = Target(
    noun="requests",
    columns={
        "source": "r.source",
        "environment": "r.environment",
        "outcome": "r.outcome",
        "code": "r.status",
        "reason": "coalesce(r.reason, '')",
        "size": "r.size",
        "since": "r.received_at",
        "until": "r.received_at",
        "peer": "r.peer",
        "method": "r.method",
    },
    flags={"duplicate": "r.outcome = 'duplicate'"},
    ids={"req": "r.id = {}", "evt": "(r.event = {0} or r.id = (select x.request from events x where x.id = {0}))"},
)


def compile(query: search.Node, target: Target, now: float) -> Plan:
    """:raises search.SearchError: for a field that ``target`` does not have."""
    compiler = _Compiler(target, now)
    tree = compiler.node(query)
    terms = tuple(_required(query))
    slow = compiler.slow
    return Plan(
        tree=tree,
        where=_relaxed(tree, up=True),
        truths=tuple(compiler.truths) or ("1",) if slow else (),
        values=compiler.values,
        low=max([0, *(first_id(term.numbers[0] - SLACK) for term in terms if term.field == "since")]),
        high=min([END, *(first_id(term.numbers[0] + SLACK) for term in terms if term.field == "until")]),
        terms=terms,
    )


def first_id(moment: float) -> int:
    """The smallest id of a moment, of whatever year."""
    return min(ids.first_at(moment), END)


class _Compiler:
    def __init__(self, target: Target, now: float) -> None:
        self.target = target
        self.values: dict[str, Any] = {"now": now}
        self.truths: list[str] = []
        self.slow = False

    def node(self, node: search.Node) -> Node:
        match node:
            case search.Term():
                return self.leaf(node)
            case search.Not():
                return Not(self.node(node.node))
            case search.Either():
                return Both(tuple(self.node(part) for part in node.nodes), False)
            case search.All():
                same = [part for part in node.nodes if isinstance(part, search.Term) and part.field in self.target.many]
                rest = [part for part in node.nodes if part not in same]
                leaves = [self.same_delivery(same)] if same else []
                return Both((*leaves, *(self.node(part) for part in rest)), True)

    def leaf(self, term: search.Term) -> Node:
        if term.field in PAYLOAD:
            self.slow = True
            return Slow(term)
        if term.field in self.target.many:
            return self.same_delivery([term])
        if term.field == "is":
            sql = self.target.flags.get(term.value)
        elif term.field == "status":
            sql = self.target.flags.get(term.value) if "failed" in self.target.flags else None
        elif term.field == "id":
            sql = self.target.ids.get(term.path)
            sql = sql.format(self.bind(term.numbers[0])) if sql is not None else None
        else:
            column = self.target.columns.get(term.field)
            sql = self.compared(column, term) if column is not None else None
        if sql is None:
            raise search.SearchError(term.at, f"{self.target.noun} have no {term.field}:{term.value}: leave it out")
        return self.fast(sql)

    def same_delivery(self, terms: Sequence[search.Term]) -> Node:
        parts = [self.compared(self.target.many[term.field], term) for term in terms]
        return self.fast(_SOME.format(" and ".join(parts)))

    def fast(self, sql: str) -> Fast:
        self.truths.append(f"({sql})")
        return Fast(f"({sql})", len(self.truths) - 1)

    def compared(self, column: str, term: search.Term) -> str:
        """Never null, so that "not" means what it says."""
        kind = search.FIELDS[term.field].kind
        if term.field == "since":
            return f"{column} >= {self.bind(term.numbers[0])}"
        if term.field == "until":
            return f"{column} < {self.bind(term.numbers[0])}"
        if kind == "phrase":
            return f"instr(lower({column}), lower({self.bind(term.value)})) > 0"
        if term.op == "like":
            return f"coalesce({column} glob {self.bind(_glob(term.value))}, 0)"
        if term.op == "between":
            low, high = term.numbers
            return f"coalesce({column} between {self.bind(low)} and {self.bind(high)}, 0)"
        if term.numbers:
            return f"coalesce({column} {term.op} {self.bind(term.numbers[0])}, 0)"
        return f"{column} is {self.bind(term.value)}"

    def bind(self, value: Any) -> str:
        if isinstance(value, str):  # what no text column holds, nothing equals
            value = value.encode("utf-8", "replace").decode("utf-8")
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def _glob(value: str) -> str:
    return value.replace("[", "[[]").replace("?", "[?]")


def _required(node: search.Node) -> list[search.Term]:
    if isinstance(node, search.Term):
        return [node]
    if isinstance(node, search.All):
        return [term for part in node.nodes for term in _required(part)]
    return []


def _relaxed(node: Node, *, up: bool) -> str:
    """SQL that is true for all that may match: what is not known yet counts as true (as false under a "not")."""
    match node:
        case Fast():
            return node.sql
        case Slow():
            return "1" if up else "0"
        case Not():
            return f"not ({_relaxed(node.node, up=not up)})"
        case Both():
            word = " and " if node.every else " or "
            return "(" + (word.join(_relaxed(part, up=up) for part in node.nodes) or "1") + ")"
