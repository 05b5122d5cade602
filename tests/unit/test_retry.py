"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.model import Outcome, State
from hookline.retry import LONGEST_WAIT, Policy, decide, wait

NOW = 1_800_000_000.0
POLICY = Policy(schedule=(5.0, 300.0, 1_800.0))


def middle() -> float:
    return 0.5


def test_a_success_is_final():
    decision = decide(Outcome(state=State.SUCCEEDED), 1, POLICY, NOW, middle)
    assert (decision.state, decision.due_at) == (State.SUCCEEDED, None)


@pytest.mark.parametrize("state", [State.IGNORED, State.FAILED, State.NEEDS_REVIEW])
def test_a_final_answer_is_taken_as_it_is(state):
    decision = decide(Outcome(state=state, reason="said so"), 1, POLICY, NOW, middle)
    assert (decision.state, decision.reason, decision.due_at) == (state, "said so", None)


def test_retry_waits_for_its_time():
    decision = decide(Outcome(reason="500"), 2, POLICY, NOW, middle)
    assert (decision.state, decision.due_at) == (State.PENDING, NOW + 300)


def test_after_the_last_wait_it_has_failed():
    assert decide(Outcome(reason="500"), 3, POLICY, NOW, middle).state is State.PENDING
    last = decide(Outcome(reason="500 Internal Server Error"), 4, POLICY, NOW, middle)
    assert last.state is State.FAILED
    assert last.reason == "gave up after 4 attempts: 500 Internal Server Error"


def test_an_empty_schedule_tries_once():
    assert decide(Outcome(reason="no"), 1, Policy(schedule=()), NOW, middle).reason == "gave up after 1 attempt: no"


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 240.0), (0.5, 300.0), (0.999999, 359.9999)])
def test_jitter_moves_a_wait_by_a_fifth(chance, seconds):
    assert wait(Outcome(), 2, POLICY, lambda: chance) == pytest.approx(seconds, abs=0.001)


def test_gone_stops():
    assert decide(Outcome(code=410), 1, POLICY, NOW, middle).state is State.FAILED


@pytest.mark.parametrize("outcome", [Outcome(code=429), Outcome(timed_out=True)])
def test_who_is_overloaded_gets_a_minute(outcome):
    assert wait(outcome, 1, POLICY, middle) == 60
    assert wait(outcome, 2, POLICY, middle) == 300


@pytest.mark.parametrize(
    ("asked", "attempt", "seconds"),
    [(0, 1, 5), (30, 1, 30), (3_600, 1, 3_600), (86_400, 1, 3_600), (10, 2, 300), (1e12, 3, 3_600), (2_000, 3, 2_000)],
)
def test_retry_after_counts_between_our_wait_and_an_hour_or_twice_it(asked, attempt, seconds):
    assert wait(Outcome(code=503, retry_after=asked), attempt, POLICY, middle) == seconds


def test_retry_after_of_a_late_attempt_is_clamped_to_a_day():
    late = Policy(schedule=(72_000.0,))
    assert wait(Outcome(code=503, retry_after=1e9), 1, late, middle) == LONGEST_WAIT


def test_a_handler_is_taken_at_its_word():
    ours = Policy(schedule=(300.0,), trusting=True)
    assert wait(Outcome(retry_after=2), 1, ours, middle) == 2
    assert wait(Outcome(), 1, ours, middle) == 300


def test_an_unknown_effect_is_held_where_the_destination_says_so():
    unknown = Outcome(unknown=True, timed_out=True, reason="no answer within 15 s")
    held = decide(unknown, 1, Policy(on_unknown="hold"), NOW, middle)
    assert (held.state, held.reason) == (State.NEEDS_REVIEW, "may have been done: no answer within 15 s")
    assert decide(unknown, 1, Policy(), NOW, middle).state is State.PENDING


@given(
    st.builds(
        Outcome,
        code=st.none() | st.integers(-1, 700),
        retry_after=st.none() | st.floats(allow_nan=False),
        unknown=st.booleans(),
        timed_out=st.booleans(),
    ),
    st.integers(-3, 20),
    st.builds(Policy, trusting=st.booleans(), on_unknown=st.sampled_from(["retry", "hold"])),
    st.floats(0, 1, exclude_max=True),
)
def test_every_outcome_has_an_end_or_a_time(outcome, attempt, policy, chance):
    decision = decide(outcome, attempt, policy, NOW, lambda: chance)
    if decision.state is State.PENDING:
        assert decision.due_at is not None
        assert NOW <= decision.due_at <= NOW + 30 * LONGEST_WAIT
    else:
        assert decision.due_at is None
