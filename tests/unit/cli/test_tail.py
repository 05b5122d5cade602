"""Following events goes on after the server was away, and misses nothing."""

from __future__ import annotations

import pytest

from hookline.admin.objects import Event, Page, at
from hookline.cli import events, exits


class Flaky:
    """A client whose answers are given beforehand."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def call(self, name, **given):
        self.asked.append(given["after"])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(events.time, "sleep", lambda seconds: None)


def page(*ids):
    rows = [
        Event(id=id, source="github", environment="test", type="push", status="pending", received_at=at(0))
        for id in ids
    ]
    return Page(data=rows)


def test_a_server_that_was_away_is_asked_again_from_the_same_place(capsys):
    away = exits.Stop(exits.UNREACHABLE, "http://x: cannot be reached")
    client = Flaky(away, away, page("evt_2"))
    assert [row.id for row in events._newer(client, "", "evt_1")] == ["evt_2"]
    assert client.asked == ["evt_1"] * 3
    said = capsys.readouterr().err
    assert said.count("cannot be reached") == 1
    assert "connected again" in said


def test_any_other_trouble_ends_it():
    client = Flaky(exits.Stop(exits.NOT_ALLOWED, "no"))
    with pytest.raises(exits.Stop):
        events._newer(client, "", "evt_1")
