"""Concurrency, rate and breaker of a destination."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.pacing import (
    FIRST_PAUSE,
    RAMP_STEP,
    WINDOW,
    Judge,
    Limits,
    Pace,
    Phase,
    closed,
    learn,
    next_chance,
    room,
    take,
)

NOW = 1_800_000_000.0
FREE = Limits()


def broken(now: float = NOW) -> Pace:
    return learn(Pace(), 3, 7, now)


def test_nothing_set_is_no_limit():
    assert room(Pace(), FREE, 1_000, NOW) is None


def test_concurrency_counts_open_claims_of_everybody():
    limits = Limits(concurrency=5)
    assert [room(Pace(), limits, n, NOW) for n in (0, 4, 5, 9)] == [5, 1, 0, 0]


def test_a_rate_starts_with_one_second_of_it():
    limits = Limits(rate=10)
    pace = take(Pace(), limits, 10, NOW)
    assert room(pace, limits, 0, NOW) == 0
    assert room(pace, limits, 0, NOW + 0.35) == 3
    assert room(pace, limits, 0, NOW + 100) == 10
    assert next_chance(pace, limits, NOW) == pytest.approx(NOW + 0.1)


def test_a_slow_rate_still_lets_one_through():
    limits = Limits(rate=0.1)
    assert room(Pace(), limits, 0, NOW) == 1
    pace = take(Pace(), limits, 1, NOW)
    assert room(pace, limits, 0, NOW + 9.9) == 0
    assert room(pace, limits, 0, NOW + 10.1) == 1


def test_a_clock_that_steps_back_takes_no_tokens():
    limits = Limits(rate=10)
    pace = take(Pace(), limits, 5, NOW)
    assert room(pace, limits, 0, NOW - 60) == 5


def test_nine_failures_are_too_few_to_judge():
    assert learn(Pace(), 0, 9, NOW).phase is Phase.CLOSED
    assert learn(learn(Pace(), 0, 9, NOW), 0, 1, NOW).phase is Phase.OPEN


def test_seven_of_ten_open_it():
    assert learn(Pace(), 4, 6, NOW).phase is Phase.CLOSED
    assert broken().phase is Phase.OPEN


def test_what_is_older_than_five_minutes_is_forgotten():
    old = learn(Pace(), 0, 9, NOW)
    assert learn(old, 0, 1, NOW + WINDOW + 60).phase is Phase.CLOSED


def test_an_open_breaker_waits_then_sends_one_probe():
    pace = broken()
    assert room(pace, FREE, 0, NOW + FIRST_PAUSE - 1) == 0
    assert next_chance(pace, FREE, NOW) == NOW + FIRST_PAUSE
    probing = take(pace, FREE, 1, NOW + FIRST_PAUSE)
    assert (room(pace, FREE, 0, NOW + FIRST_PAUSE), probing.phase) == (1, Phase.HALF_OPEN)
    assert room(probing, FREE, 1, NOW + FIRST_PAUSE + 1) == 0


def test_a_probe_that_never_came_back_is_replaced():
    probing = take(broken(), FREE, 1, NOW + FIRST_PAUSE)
    assert room(probing, FREE, 0, NOW + FIRST_PAUSE + 61) == 1


def test_each_failed_probe_doubles_the_pause():
    pace, now = broken(), NOW
    for seconds in (30, 60, 120, 240, 480, 900, 900):
        assert room(pace, FREE, 0, now + seconds - 1) == 0
        now += seconds
        assert room(pace, FREE, 0, now) == 1
        pace = learn(take(pace, FREE, 1, now), 0, 1, now)


def test_a_good_probe_ramps_up_and_closes():
    now = NOW + FIRST_PAUSE
    pace = learn(take(broken(), FREE, 1, now), 1, 0, now)
    assert pace.phase is Phase.RAMP
    assert [room(pace, FREE, 0, now + step * RAMP_STEP) for step in range(4)] == [2, 4, 8, 16]
    assert learn(pace, 5, 0, now + 6 * RAMP_STEP).phase is Phase.CLOSED


def test_a_relapse_while_ramping_opens_it_again_for_longer():
    now = NOW + FIRST_PAUSE
    pace = learn(learn(take(broken(), FREE, 1, now), 1, 0, now), 0, 10, now + 1)
    assert (pace.phase, pace.pauses) == (Phase.OPEN, 2)


def test_stragglers_do_not_move_an_open_breaker():
    assert learn(broken(), 20, 0, NOW + 1).phase is Phase.OPEN


def test_without_a_breaker_nothing_holds_it_back():
    assert room(broken(), Limits(breaker=False), 0, NOW) is None


def test_somebody_may_close_it():
    assert room(closed(broken(), NOW), FREE, 0, NOW) is None


def test_it_survives_its_row():
    pace = take(learn(broken(), 0, 0, NOW), Limits(rate=3), 1, NOW)
    assert msgspec.json.decode(msgspec.json.encode(pace), type=Pace) == pace


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 20), st.floats(-100, 1_000)), max_size=30),
    st.builds(
        Limits,
        concurrency=st.none() | st.integers(1, 100),
        rate=st.none() | st.floats(0.001, 1e4),
        burst=st.none() | st.floats(1, 1e4),
        breaker=st.booleans(),
    ),
)
def test_whatever_happens_it_is_never_shut_for_ever(steps, limits):
    pace, now = Pace(), NOW
    for taken, good, bad, later in steps:
        now += later
        allowed = room(pace, limits, 0, now)
        pace = take(pace, limits, taken if allowed is None else min(taken, allowed), now)
        pace = learn(pace, good, bad, now)
        assert len(pace.counts) <= 6
    now = max(now, pace.since, pace.probe_at, pace.filled_at)
    assert room(pace, limits, 0, now + 2_000) != 0


def test_the_breaker_judges_by_what_the_last_claim_was_told() -> None:
    strict = Limits(judge=Judge(share=0.5, least=2, window=60.0, pause=5.0))
    pace = take(Pace(), strict, 1, NOW)
    pace = learn(learn(pace, 1, 0, NOW), 0, 1, NOW)
    assert pace.phase is Phase.OPEN
    assert room(pace, strict, 0, NOW + 4.9) == 0
    assert room(pace, strict, 0, NOW + 5) == 1
    assert msgspec.json.decode(msgspec.json.encode(pace), type=Pace) == pace


def test_a_window_of_another_length_begins_afresh() -> None:
    pace = learn(Pace(), 3, 3, NOW)
    assert take(pace, Limits(judge=Judge(window=60.0)), 1, NOW).counts == ()
    assert take(pace, Limits(), 1, NOW).counts == pace.counts
