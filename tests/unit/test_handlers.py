from __future__ import annotations

import pytest

from hookline.handlers import Fail, HandlerOutcome, Ignore, NeedsReview, Retry, outcome_of
from hookline.model import State


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        (Ignore("not ours"), State.IGNORED, "not ours"),
        (Fail("no such order"), State.FAILED, "no such order"),
        (NeedsReview("too much money"), State.NEEDS_REVIEW, "too much money"),
        (Retry("busy"), None, "busy"),
        (Ignore, State.IGNORED, "Ignore"),
        (Retry, None, "the handler asked for a retry"),
        (None, State.SUCCEEDED, ""),
        ({"ok": True}, State.SUCCEEDED, ""),
        (ValueError, State.SUCCEEDED, ""),
    ],
)
def test_what_a_handler_returns_is_an_outcome(said: object, state: State | None, reason: str) -> None:
    outcome = outcome_of(said)
    assert (outcome.state, outcome.reason) == (state, reason)


def test_outcomes_can_be_raised() -> None:
    with pytest.raises(HandlerOutcome) as caught:
        raise Fail("no such order")
    assert caught.value.outcome().state is State.FAILED


@pytest.mark.parametrize(("after", "seconds"), [("5m", 300.0), (1.5, 1.5), (None, None)])
def test_a_retry_may_say_when(after: float | str | None, seconds: float | None) -> None:
    assert Retry("later", after=after).outcome().retry_after == seconds


def test_a_retry_after_nonsense_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="no duration"):
        Retry(after="soon")
