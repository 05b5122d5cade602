"""Marked fields: what ``redact`` names is masked for everybody below ``operator``, wherever a payload is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookline import search
from hookline.admin.operations.base import Desk, NotAllowed
from hookline.model import Headers
from hookline.secrets import MASK

HIDDEN = "(hidden below operator: this source has marked fields)"


def masked(body: Any, paths: Sequence[str]) -> Any:
    """``body`` with what ``body.…`` paths lead to replaced; ``*`` stands for every key or item. Nothing is changed in
    place."""
    for path in paths:
        root, _, rest = path.partition(".")
        if root == "body":
            body = _without(body, rest.split(".") if rest else [])
    return body


def _without(value: Any, path: list[str]) -> Any:
    if not path:
        return MASK
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        hit = value.keys() if head == "*" else {head} & value.keys()
        return {key: _without(item, rest) if key in hit else item for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, rest) if head in ("*", str(index)) else item for index, item in enumerate(value)]
    return value


def masked_headers(headers: Headers, paths: Sequence[str]) -> Headers:
    """``headers`` with the values of those that ``header.…`` paths name replaced."""
    names = {path.partition(".")[2].lower().encode() for path in paths if path.lower().startswith("header.")}
    return [(name, MASK.encode() if name.lower() in names else value) for name, value in headers]


def hides(desk: Desk, source: str | None) -> tuple[str, ...]:
    """The marked paths of a source that whoever asks may not see; a source that the file no longer knows is judged by
    all that are marked anywhere."""
    if desk.who.may("operator"):
        return ()
    known = desk.config.sources.get(source or "")
    if known is not None:
        return known.redact
    return tuple(path for other in desk.config.sources.values() for path in other.redact)


def allow_search(desk: Desk, node: search.Node) -> None:
    """Refuse what would find out a marked field by asking for it, letter by letter."""
    if desk.who.may("operator") or not any(source.redact for source in desk.config.sources.values()):
        return
    if any(term.field in ("body", "header", "text", "reason") for term in _terms(node)):
        raise NotAllowed("this search looks into payloads, of which some fields are marked: it needs the role operator")


def _terms(node: search.Node) -> list[search.Term]:
    match node:
        case search.Term():
            return [node]
        case search.Not():
            return _terms(node.node)
        case _:
            return [term for part in node.nodes for term in _terms(part)]
