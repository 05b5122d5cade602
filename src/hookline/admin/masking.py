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


def marks_bodies(paths: Sequence[str]) -> bool:
    return any(path.partition(".")[0] == "body" for path in paths)


def masked_form(form: Any, paths: Sequence[str]) -> Any:
    """The same for a form, some of whose fields may be documents of their own: GitHub and Slack send JSON in one, and
    paths count from there."""
    if not marks_bodies(paths) or not isinstance(form, dict):
        return masked(form, paths)
    return masked({name: [_unless_json(text) for text in texts] for name, texts in form.items()}, paths)


def _unless_json(text: str) -> str:
    return HIDDEN if text.lstrip()[:1] in ("{", "[") else text


def is_batch(desk: Desk, source: str | None) -> bool:
    """Whether a request of the source may hold many events: paths count from each, not from the request's body. What
    is not known any more may be anything."""
    from hookline.providers import PROVIDERS  # only for those who may not see all

    known = desk.config.sources.get(source or "")
    row = PROVIDERS.get(known.provider) if known is not None else None
    return row is None or (row.split is not None and known is not None and known.batch == "split")


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
