"""Wide lines: one per request and attempt, within a budget, never a stranger's control character, never a secret."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline import secrets, telemetry
from hookline.secrets import keep
from hookline.telemetry import logs
from hookline.telemetry.lines import FINE_A_SECOND, INTERVAL, Lines

FINE = int(FINE_A_SECOND * INTERVAL)
KIND = ("request", "github", "accepted")


@pytest.fixture(autouse=True)
def machine_form(monkeypatch):
    monkeypatch.setattr(logs, "_as_json", True)
    monkeypatch.setattr(logs, "_context", {"role": "ingest"})
    monkeypatch.setattr(secrets, "KEPT", kept := set())
    monkeypatch.setattr(logs, "KEPT", kept)


@pytest.fixture
def written():
    return []


@pytest.fixture
def lines(written):
    return Lines(written.append, threaded=False)


def test_a_line_is_one_json_object_with_time_level_and_role(lines, written):
    assert lines.room(True, KIND)
    lines.put(1_700_000_000.25, "info", {"message": "request", "source": "github", "reason": "", "code": None})
    lines.flush(now=1.0)
    [text] = written
    assert text.endswith("\n")
    assert json.loads(text) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "role": "ingest",
        "message": "request",
        "source": "github",
    }


def test_what_is_over_the_budget_is_counted_in_one_line(lines, written):
    for _ in range(FINE + 7):
        if lines.room(True, KIND):
            lines.put(0.0, "info", {"message": "request"})
    lines.flush(now=1.0)
    *kept, summary = [json.loads(line) for line in "".join(written).splitlines()]
    assert len(kept) == FINE
    assert (summary["message"], summary["of"], summary["outcome"], summary["more"]) == ("requests", *KIND[1:], 7)


def test_good_news_never_use_up_the_room_of_trouble(lines):
    while lines.room(True, KIND):
        pass
    assert lines.room(False, ("request", "github", "rejected"))


def test_the_budget_is_refilled_once_an_interval(lines):
    lines.flush(now=1.0)
    while lines.room(True, KIND):
        pass
    lines.flush(now=1.0 + INTERVAL / 2)
    assert not lines.room(True, KIND)
    lines.flush(now=1.0 + 2 * INTERVAL)
    assert lines.room(True, KIND)


def test_a_secret_never_reaches_a_line():
    keep("whsec_4f7b", "abc")
    line = logs.render(0.0, "error", {"message": "boom", "exception": "ValueError: whsec_4f7b in abc"})
    assert "whsec_4f7b" not in line
    assert "abc" in line, "too short to be told from a word"


@given(st.text(st.characters()), st.booleans())
def test_no_text_can_steer_a_terminal(text, as_json):
    logs._as_json = as_json
    line = logs.render(0.0, "info", {"message": text, "type": text, "exception": text})
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", line)


def test_requests_are_counted_by_source_outcome_and_reason(monkeypatch):
    counters = telemetry.Counters()
    monkeypatch.setattr(telemetry, "counters", counters)
    monkeypatch.setattr(telemetry, "_lines", Lines(lambda text: None, threaded=False))
    telemetry.requested("stripe", "rejected", "bad signature", 401, 0.0004, 12)
    telemetry.requested(None, "rejected", "unknown path", 404, 0.0004, 0)
    assert counters.sums["requests"] == {
        ("stripe", "rejected", "bad signature"): 1,
        ("", "rejected", "unknown path"): 1,
    }
