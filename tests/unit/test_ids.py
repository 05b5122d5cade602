"""Ids grow, read back, and sort as text the way they sort as numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hookline import ids


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_shown_ids_read_back_and_sort_like_their_numbers(a: int, b: int) -> None:
    assert ids.read(ids.show("evt", a)) == ("evt", a)
    assert (ids.show("evt", a) < ids.show("evt", b)) == (a < b)


@given(st.text())
def test_reading_is_total(text: str) -> None:
    found = ids.read(text)
    assert found is None or ids.show(*found) == text


def test_ids_grow_even_when_the_clock_steps_back() -> None:
    maker = ids.IdMaker(seed=1)
    taken = maker.take(1_800_000_000.5, 3) + maker.take(1_700_000_000.0, 3) + maker.take(1_800_000_000.6)
    assert taken == sorted(set(taken))


def test_an_id_knows_its_moment() -> None:
    [number] = ids.IdMaker().take(1_800_000_000.25)
    assert ids.when(number) == 1_800_000_000.25
    assert ids.first_at(1_800_000_000.25) <= number < ids.first_at(1_800_000_000.251)


async def test_coroutines_are_run() -> None:
    """The positive control of the test set-up: a coroutine test that is not awaited would pass whatever it says."""
    import asyncio

    assert asyncio.get_running_loop() is not None


def test_an_id_that_another_process_took_is_not_given_out_again() -> None:
    ours, others = ids.IdMaker(1), ids.IdMaker(2)
    [last] = ours.take(1_800_000_000.0)
    for _ in range(3):
        [theirs] = others.take(1_799_999_999.0, above=last)
        [last] = ours.take(1_800_000_000.0, above=theirs)
        assert last > theirs
