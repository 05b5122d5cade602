from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.config import kinds
from hookline.config.kinds import (
    read_address,
    read_duration,
    read_flag,
    read_moment,
    read_networks,
    read_rate,
    read_schedule,
    read_share,
    read_size,
    read_store_url,
    read_table,
    read_texts,
    read_url,
)

ALL = [
    kinds.TEXT,
    kinds.TEXTS,
    kinds.FLAG,
    kinds.WHOLE,
    kinds.SHARE,
    kinds.DURATION,
    kinds.SCHEDULE,
    kinds.SIZE,
    kinds.RATE,
    kinds.ADDRESS,
    kinds.URL,
    kinds.STORE,
    kinds.NETWORKS,
    kinds.TABLE,
    kinds.choice("a", "b"),
]

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.datetimes(), st.times(), st.binary()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("1h30m", 5400), ("30d", 2_592_000), ("2w", 1_209_600), ("1.5h", 5400), (7, 7)],
)
def test_durations_read_as_people_write_them(written: object, seconds: float) -> None:
    assert read_duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["5x", "", "-5s", -1, "5 s", "s", True, None, "1e3s", float("nan"), "٣s", [], "101w" * 99]
)
def test_what_is_no_duration_is_told_so(written: object) -> None:
    with pytest.raises(ValueError, match=r"duration|hundred years"):
        read_duration(written)


def test_a_schedule_is_a_text_or_a_list() -> None:
    assert read_schedule("5s 5m, 30m") == read_schedule(["5s", 300, "30m"]) == (5, 300, 1800)
    assert read_schedule("") == ()


@pytest.mark.parametrize(
    ("written", "size"), [("25MiB", 26_214_400), ("512 MB", 512_000_000), ("16kib", 16_384), (7, 7)]
)
def test_sizes_count_in_both_units(written: object, size: int) -> None:
    assert read_size(written) == size


@pytest.mark.parametrize(("written", "rate"), [("10/s", 10), ("600/m", 10), ("7200 / h", 2), (0.5, 0.5)])
def test_rates_are_per_second(written: object, rate: float) -> None:
    assert read_rate(written) == rate


@pytest.mark.parametrize("written", ["0/s", "10", "10/y", -1, True])
def test_what_is_no_rate_is_told_so(written: object) -> None:
    with pytest.raises(ValueError, match="no rate"):
        read_rate(written)


def test_an_environment_variable_can_say_a_list() -> None:
    assert read_texts("a, b") == read_texts('["a", "b"]') == read_texts(["a", "b"]) == ("a", "b")
    assert read_texts("alone") == ("alone",)


def test_an_environment_variable_can_say_a_table() -> None:
    assert read_table('{ status = 200, body = "ok" }') == read_table('{"status": 200, "body": "ok"}')


@pytest.mark.parametrize("written", ["true", "Yes", "1", "on", True])
def test_flags_read_as_people_write_them(written: object) -> None:
    assert read_flag(written) is True


def test_shares_are_numbers_or_percentages() -> None:
    assert read_share("70%") == read_share(0.7) == read_share("0.7") == 0.7
    with pytest.raises(ValueError):
        read_share("170%")


@pytest.mark.parametrize("written", ["127.0.0.1:8080", "[::1]:80", ":8080", "unix:/run/hookline.sock", "localhost:0"])
def test_addresses_of_every_family(written: str) -> None:
    assert read_address(written) == written


@pytest.mark.parametrize("written", ["8080", "::1:80", "host:99999", "host:", "unix:", 8080])
def test_what_is_no_address_is_told_so(written: object) -> None:
    with pytest.raises(ValueError, match="no address"):
        read_address(written)


def test_a_final_slash_of_a_url_is_not_part_of_it() -> None:
    assert read_url("https://hooks.example.com/") == "https://hooks.example.com"
    assert read_url("") == ""


@pytest.mark.parametrize(
    "written", ["hooks.example.com", "ftp://x", "https://", "https://a b", "https://x:y", "http://[::1"]
)
def test_what_is_no_url_is_told_so(written: str) -> None:
    with pytest.raises(ValueError, match="no URL"):
        read_url(written)


def test_a_store_is_sqlite_or_postgresql() -> None:
    assert read_store_url("sqlite:///a.db") == "sqlite:///a.db"
    with pytest.raises(ValueError, match="no store"):
        read_store_url("mysql://host/db")


def test_networks_are_checked_when_they_are_read() -> None:
    assert read_networks(["10.0.0.0/8", "::1"]) == ("10.0.0.0/8", "::1")
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        read_networks(["10.0.0.1/8"])


def test_a_date_lasts_until_its_end_in_utc() -> None:
    end = dt.datetime(2026, 12, 16, tzinfo=dt.UTC).timestamp()
    assert read_moment(dt.date(2026, 12, 15)) == read_moment("2026-12-15") == end
    assert read_moment("2026-12-15T12:00:00+02:00") == dt.datetime(2026, 12, 15, 10, tzinfo=dt.UTC).timestamp()
    assert read_moment(dt.datetime(2026, 12, 15)) == end - 86_400


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
@given(value=VALUES)
@example(value=10**5000)
@example(value="1" * 5000)
def test_every_reader_ends_in_a_value_or_a_sentence(kind: kinds.Kind, value: object) -> None:
    assert told(kind.read, value) != ""


@given(value=VALUES)
def test_every_moment_ends_in_a_value_or_a_sentence(value: object) -> None:
    assert "is no date" in (told(read_moment, value) or "is no date")


def told(read: Callable[[object], object], value: object) -> str | None:
    """What a reader says against a value; None where it takes it."""
    try:
        read(value)
    except ValueError as trouble:
        return str(trouble)
    return None


@given(seconds=st.integers(1, 10**9))
def test_a_shown_duration_reads_as_the_same(seconds: int) -> None:
    assert read_duration(kinds.show_duration(seconds)) == seconds


@given(size=st.integers(0, 1 << 50))
def test_a_shown_size_reads_as_the_same(size: int) -> None:
    assert read_size(kinds.show_size(size)) == size


def test_an_acknowledgement_is_checked_when_it_is_read() -> None:
    assert kinds.read_reply({}) == {"status": 200, "content_type": "", "body": ""}
    assert kinds.read_reply("{ status = 204 }")["status"] == 204


@pytest.mark.parametrize("reply", [{"status": 500}, {"code": 200}, {"content_type": "a\r\nb: c"}, {"body": 1}, "ok"])
def test_what_is_no_acknowledgement_is_told_so(reply: object) -> None:
    assert told(kinds.read_reply, reply)
