"""Where values are found: the quick way reads what the slow way would, and nothing makes either fail."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.model import Request
from hookline.payload import dig, parse
from hookline.providers.facts import Facts, Plan
from hookline.providers.fields import First, Flag, Join, Peek, Readers, Time, first, join, moment, paths, text, whole
from hookline.providers.items import Listed

names = st.sampled_from(["a", "b", "c", "a.b", "a.b.c", "a.0", "b.1.c", "c.a.0.b", "@x.y", "0"])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(fields=st.lists(names, max_size=4), value=values)
def test_a_peek_reads_what_a_full_decode_would(fields: list[str], value: Any):
    document = json.dumps(value).encode()
    peek = Peek(fields)
    assert peek(document) == tuple(dig(parse(document), field) for field in peek.fields)


@settings(max_examples=100, deadline=None)
@given(
    fields=st.lists(names, max_size=4),
    document=st.binary(max_size=40) | st.sampled_from([b"[" * 9_999, b'{"a":' * 9_999]),
)
def test_a_peek_survives_anything(fields: list[str], document: bytes):
    assert len(Peek(fields)(document)) == len(set(fields))


def facts(
    body: bytes, readers: Readers, headers: list[tuple[bytes, bytes]] | None = None, target: bytes = b"/"
) -> Facts:
    peek, envelope = readers.peeks()
    plan = Plan(frozenset(readers.headers), frozenset(), peek, envelope, "https://h.example/")
    request = Request(method="POST", target=target, headers=headers or [], body=body, received_at=0)
    return Facts(plan, request, 0.0)


def read(field: Any, body: bytes, **more: Any) -> Any:
    readers = Readers()
    get = readers.add(field)
    assert get is not None
    return get(facts(body, readers, **more))


def test_fields_come_from_body_header_form_and_query():
    assert read("body.a.b", b'{"a":{"b":7}}') == 7
    assert read("header.X-Name", b"", headers=[(b"x-NAME", b"v")]) == b"v"
    assert read("form.a[b]", b"a%5Bb%5D=1&a%5Bb%5D=2") == "1"
    assert read("query.q", b"", target=b"/?q=%20x") == " x"
    assert read("query.q", b"", target=b"/?q=\xff") is None


def test_first_takes_the_first_that_is_there():
    field = first("body.a", "body.b")
    assert read(field, b'{"a":"","b":"x"}') == "x"
    assert read(field, b'{"a":0,"b":"x"}') == 0
    assert read(field, b"{}") is None


def test_a_key_of_several_fields_is_whole_or_none():
    assert read(join(".", "body.a", "body.b"), b'{"a":"x"}') == "x"
    assert read(whole(":", "body.a", "body.b"), b'{"a":"x"}') is None
    assert read(whole(":", "body.a", "body.b"), b'{"a":"x","b":false}') == "x:false"


def test_a_flag_is_yes_no_or_unsaid():
    field = Flag("body.mode", live=("live",), test=("sandbox",))
    assert [read(field, body) for body in (b'{"mode":"live"}', b'{"mode":"sandbox"}', b'{"mode":"x"}', b"{}")] == [
        True,
        False,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("value", "unit", "seconds"),
    [
        (1767225600, "s", 1767225600.0),
        ("1767225600.5", "s", 1767225600.5),
        (1767225600123, "ms", 1767225600.123),
        (1767225600, "any", 1767225600.0),
        (1767225600123, "any", 1767225600.123),
        ("2026-01-01T00:00:00Z", "any", 1767225600.0),
        ("2026-01-01T00:00:00Z", "iso", 1767225600.0),
        ("2026-01-01T00:00:00", "iso", 1767225600.0),
        ("2026-01-01 00:00:00", "iso", 1767225600.0),
        ("2026-01-01T00:00:00.123456789Z", "iso", 1767225600.123456),
        ("2026-01-01T01:00:00+01:00", "iso", 1767225600.0),
        ("2026-01-01T01:00:00+0100", "iso", 1767225600.0),
        ("2025-12-31T17:00:00-07:00", "iso", 1767225600.0),
        ("1767225600", "iso", None),
        ("20260101", "iso", None),
        ("2026-13-01T00:00:00Z", "iso", None),
        ("0001-01-01T00:00:00+14:00", "iso", None),
        ("soon", "any", None),
        ("nan", "s", None),
        ("inf", "s", None),
        (-1, "s", None),
        (1e30, "s", None),
        ("9" * 400, "s", None),
        ([], "s", None),
        (None, "any", None),
        (10**400, "s", None),
    ],
)
def test_a_time_is_read_as_it_is_written(value: object, unit: str, seconds: float | None):
    found = moment(value, unit)
    assert found == pytest.approx(seconds) if seconds is not None else found is None


@given(value=values | st.binary(max_size=9) | st.integers() | st.floats())
def test_any_scalar_is_text_and_nothing_else_is(value: Any):
    said = text(value)
    assert said is None or said
    if isinstance(value, list | dict):
        assert said is None
    assert moment(value, "any") is None or moment(value, "any") is not None


def test_paths_of_a_field_are_all_that_it_looks_at():
    assert paths(Time(First(("body.a", Join(":", ("header.X", "body.b")))))) == ["body.a", "header.X", "body.b"]
    assert paths(None) == []


@settings(max_examples=100, deadline=None)
@given(items=st.lists(values, max_size=5), path=st.sampled_from(["", "a", "a.b"]))
def test_a_batch_is_taken_apart_without_re_writing_it(items: list[Any], path: str):
    spelled = [json.dumps(item, indent=1).encode() for item in items]
    document = b"[ " + b" , ".join(spelled) + b"\n]"
    for key in reversed(path.split(".") if path else []):
        document = b'{"z":1, "' + key.encode() + b'": ' + document + b"}"
    split = Listed(path)
    assert split(facts(document, Readers())) == spelled


@pytest.mark.parametrize("document", [b"", b"{}", b'{"a":null}', b'{"a":{"b":1}}', b"[", b"\xff", b'{"a":' * 3_000])
def test_what_is_no_batch_is_one_event(document: bytes):
    assert Listed("a.b")(facts(document, Readers())) is None


def test_an_item_keeps_the_envelope_beside_it():
    readers = Readers()
    item, outer = readers.add("body.x"), readers.add("envelope.live")
    assert item is not None
    assert outer is not None
    whole_request = facts(b'{"live":true,"items":[{"x":1,"live":false}]}', readers)
    inside = whole_request.of(b'{"x":1,"live":false}')
    assert (item(inside), outer(inside)) == (1, True)
    assert msgspec.json.decode(inside.document) == {"x": 1, "live": False}
