"""The JSON match of ``when``."""

from __future__ import annotations

import datetime as dt
import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline import filters
from hookline.errors import ConfigError
from hookline.model import Event

PUSH = {
    "ref": "refs/heads/main",
    "size": 3,
    "forced": False,
    "gone": None,
    "labels": ["bug", "urgent"],
    "pusher": {"name": "Ada", "a.b": 1},
    "commits": [{"id": "c1", "n": 1}, {"id": "c2", "n": 2}],
}


def event(body: object = PUSH, **changes) -> Event:
    parts = {
        "id": "evt_1",
        "source": "github",
        "environment": "production",
        "type": "push",
        "provider_id": "d-1",
        "subject": "repo/1",
        "occurred_at": None,
        "received_at": 0.0,
        "raw": b"",
        "item": body if isinstance(body, bytes) else json.dumps(body).encode(),
        "headers": [(b"X-GitHub-Event", b"push"), (b"x-github-event", b"second")],
        "method": "POST",
        "target": b"/webhooks/github?team=a&tag=x&tag=y",
    }
    return Event(**{**parts, **changes})


def judge(when: dict, body: object = PUSH, **changes) -> str | None:
    return filters.compile(when).judge(event(body, **changes))


@pytest.mark.parametrize(
    "when",
    [
        {"body": {"ref": "refs/heads/main"}},
        {"body.ref": "refs/heads/main"},
        {"body": {"ref": "refs/heads/main", "size": 3}},
        {"body": {"size": 3.0}},
        {"body": {"forced": False}},
        {"body": {"gone": {"$eq": None}}},
        {"body": {"never": None}},
        {"body": {"labels": "bug"}},
        {"body": {"labels": ["bug", "urgent"]}},
        {"body": {"labels": {"$in": ["urgent", "x"]}}},
        {"body": {"pusher": {"name": "Ada"}}},
        {"body": {"pusher.name": "Ada"}},
        {"body": {"pusher": {"a.b": 1}}},
        {"body": {"commits": {"1": {"id": "c2"}}}},
        {"body.commits.0.id": "c1"},
        {"body": {"size": {"$gte": 3, "$lt": 4}}},
        {"body": {"size": {"$gt": 2.5}}},
        {"body": {"size": {"$neq": 4}}},
        {"body": {"size": {"$nin": [1, 2]}}},
        {"body": {"ref": {"$startsWith": "refs/heads/"}}},
        {"body": {"ref": {"$endsWith": "/main"}}},
        {"body": {"ref": {"$gte": "refs/heads/a"}}},
        {"body": {"pusher": {"$exists": True}}},
        {"body": {"nobody": {"$exists": False}}},
        {"body": {"gone": {"$exists": False}}},
        {"body": {"size": {"$or": [{"$lt": 1}, {"$gt": 2}]}}},
        {"body": {"$not": {"forced": True}}},
        {"$or": [{"body": {"size": 1}}, {"body": {"size": 3}}]},
        {"$and": [{"type": "push"}, {"source": "github"}]},
        {"$not": {"body": {"ref": "refs/heads/dev"}}},
        {"headers": {"X-GitHub-Event": "push"}},
        {"headers.X-GitHub-Event": "push"},
        {"query": {"team": "a", "tag": "y"}},
        {"id": "d-1", "subject": "repo/1", "environment": "production", "method": "POST", "origin": "provider"},
        tomllib.loads('when = { body.ref = "refs/heads/main", body.size = { "$gte" = 1 } }')["when"],
    ],
)
def test_what_fits_passes(when):
    assert judge(when) is None


@pytest.mark.parametrize(
    ("when", "clause"),
    [
        ({"body": {"ref": "refs/heads/dev"}}, 'body.ref = "refs/heads/dev"'),
        ({"body": {"size": {"$gte": 4}}}, "body.size $gte 4"),
        ({"body": {"size": "3"}}, 'body.size = "3"'),
        ({"body": {"size": True}}, "body.size = true"),
        ({"body": {"forced": 0}}, "body.forced = 0"),
        ({"body": {"forced": {"$lt": 1}}}, "body.forced $lt 1"),
        ({"body": {"ref": {"$gt": 1}}}, "body.ref $gt 1"),
        ({"body": {"never": {"$gt": 1}}}, "body.never $gt 1"),
        ({"body": {"never": {"$exists": True}}}, "body.never $exists true"),
        ({"body": {"labels": ["bug"]}}, 'body.labels = ["bug"]'),
        ({"body": {"labels": {"$neq": "bug"}}}, 'body.labels $neq "bug"'),
        ({"body": {"pusher": {"name": "Eve"}}}, 'body.pusher.name = "Eve"'),
        ({"body": {"commits": {"7": {"id": "c2"}}}}, 'body.commits.7.id = "c2"'),
        ({"type": "issues", "body": {"size": 9}}, 'type = "issues"'),
        ({"body": {"$not": {"ref": "refs/heads/main"}}}, 'not: body $not {"ref": "refs/heads/main"}'),
        ({"$or": [{"type": "a"}, {"type": "b"}]}, 'none of: type = "a"; type = "b"'),
    ],
)
def test_the_clause_that_said_no_is_named(when, clause):
    assert judge(when) == clause


def test_nothing_of_the_event_appears_in_the_answer():
    assert "hunter2" not in (judge({"body": {"password": "x"}}, {"password": "hunter2"}) or "")


def test_a_form_matches_its_fields():
    body = b"From=%2B49&Body=hi"
    form = event(body, raw=body, headers=[(b"Content-Type", b"application/x-www-form-urlencoded")])
    assert filters.compile({"body": {"From": "+49"}}).judge(form) is None


def test_a_body_that_is_no_json_fits_no_clause_about_it():
    assert judge({"body": {"a": 1}}, b"\xff\x00") == "body.a = 1"


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({}, "at least one key"),
        ({"bdy": {"a": 1}}, "has no 'bdy'; it has body, headers"),
        ({"body": {}}, "body wants an object"),
        ({"body": {"a": {"$regex": "x"}}}, "body.a has the unknown operator $regex"),
        ({"body": {"a": {"$gt": True}}}, "body.a $gt wants a number or a text"),
        ({"body": {"a": {"$gt": [1]}}}, "wants a number or a text"),
        ({"body": {"a": {"$in": "x"}}}, "wants a list"),
        ({"body": {"a": {"$startsWith": 1}}}, "wants a text"),
        ({"body": {"a": {"$exists": 1}}}, "wants true or false"),
        ({"$or": []}, "$or wants a list of objects"),
        ({"$or": {"body": 1}}, "$or wants a list of objects"),
        ({"$or": ["x"]}, "wants an object"),
        ({"$nor": []}, "unknown operator $nor"),
        ({"body": {"at": dt.date(2026, 1, 1)}}, "write it as a text"),
        ({"body": {0: 2}}, "which is no text"),
    ],
)
def test_a_clause_that_cannot_work_says_so_before_the_first_event(when, message):
    with pytest.raises(ConfigError) as problem:
        filters.compile(when)
    assert message in str(problem.value)


def test_clauses_without_end_are_refused():
    when: dict = {"a": 1}
    for _ in range(2_000):
        when = {"a": when}
    with pytest.raises(ConfigError, match="nested more than"):
        filters.compile({"body": when})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b", "0"]), inner, max_size=3)
    ),
    max_leaves=8,
)
OPERATORS = st.sampled_from(["$eq", "$neq", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$startsWith", "$exists"])


@given(
    when=st.dictionaries(OPERATORS | st.sampled_from(["a", "a.b", "$or", "$not", "$and"]), JSON, min_size=1), body=JSON
)
def test_any_clause_on_any_body_is_a_yes_a_no_or_a_config_error(when, body):
    try:
        compiled = filters.compile({"body": when})
    except ConfigError:
        return
    assert compiled.judge(event(body)) in (None, compiled.judge(event(body)))


@given(st.binary())
def test_any_bytes_are_judged(body):
    assert judge({"body": {"a": {"b": 1}}}, body) in (None, "body.a.b = 1")


@given(JSON, st.sampled_from(["$eq", "$gt", "$lte", "$in", "$exists"]))
def test_not_turns_every_answer_round(body, operator):
    asked = {"$in": [1, "x"], "$exists": True}.get(operator, 1)
    plain = judge({"body": {"a": {operator: asked}}}, body)
    turned = judge({"body": {"$not": {"a": {operator: asked}}}}, body)
    assert (plain is None) is not (turned is None)
