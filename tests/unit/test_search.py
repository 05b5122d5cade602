"""The search grammar: what people type, as a tree; and for everything else, where it is wrong and how to cure it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookline import ids
from hookline.search import EVERYTHING, FIELDS, All, Either, Node, Not, SearchError, Term, parse

NOW = 1_800_000_000.0


def search(text: str) -> Node:
    return parse(text, NOW)


def one(text: str) -> tuple[str, str, str, str]:
    term = search(text)
    assert isinstance(term, Term)
    return term.field, term.path, term.op, term.value


def numbers(text: str) -> tuple[str, tuple[float, ...]]:
    term = search(text)
    assert isinstance(term, Term)
    return term.op, term.numbers


def wrong(text: str) -> SearchError:
    with pytest.raises(SearchError) as caught:
        search(text)
    return caught.value


def test_nothing_means_everything() -> None:
    assert search("") == search("   ") == EVERYTHING


def test_a_space_is_and() -> None:
    node = search("source:stripe type:invoice.*")
    assert isinstance(node, All)
    assert [(term.field, term.op, term.value) for term in node.nodes if isinstance(term, Term)] == [
        ("source", "=", "stripe"),
        ("type", "like", "invoice.*"),
    ]


def test_or_binds_weaker_than_a_space() -> None:
    node = search("source:a type:b OR source:c")
    assert isinstance(node, Either)
    assert isinstance(node.nodes[0], All)
    assert isinstance(node.nodes[1], Term)


def test_parentheses_group_and_minus_excludes_what_follows() -> None:
    node = search("-(source:a OR source:b) type:c")
    assert isinstance(node, All)
    assert isinstance(node.nodes[0], Not)
    assert isinstance(node.nodes[0].node, Either)


def test_or_as_a_part_of_a_word_is_a_word() -> None:
    assert one("ORDER") == ("text", "", "=", "ORDER")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("body.data.amount:>=1000", ("body", "data.amount", ">=", "1000")),
        ("body.ref:refs/heads/*", ("body", "ref", "like", "refs/heads/*")),
        ('body.ref:"a*b c"', ("body", "ref", "=", "a*b c")),
        ("body.note:=x", ("body", "note", "=", "x")),
        ("body.a-b.0:x", ("body", "a-b.0", "=", "x")),
        ("header.X-GitHub-Event:push", ("header", "x-github-event", "=", "push")),
        ("subject:cus_123", ("subject", "", "=", "cus_123")),
        ('subject:"with space"', ("subject", "", "=", "with space")),
        ('"free \\"text\\""', ("text", "", "=", 'free "text"')),
        ("plain", ("text", "", "=", "plain")),
        ("id:pi_1", ("provider_id", "", "=", "pi_1")),
        ("is:retrying", ("is", "", "=", "retrying")),
    ],
)
def test_terms(text: str, found: tuple[str, str, str, str]) -> None:
    assert one(text) == found


def test_codes_have_classes_and_comparisons() -> None:
    assert numbers("code:5xx") == ("between", (500.0, 599.0))
    assert numbers("code:>=400") == (">=", (400.0,))
    assert numbers("attempts:>=3") == (">=", (3.0,))


def test_times_count_back_from_now_or_are_rfc_3339() -> None:
    assert numbers("since:2h") == ("=", (NOW - 7_200,))
    assert numbers("until:10m") == ("=", (NOW - 600,))
    assert numbers("since:2027-01-15T08:00:00Z") == ("=", (NOW,))
    assert numbers("since:2027-01-15T09:00:00+01:00") == ("=", (NOW,))
    assert numbers("since:2027-01-15") == ("=", (NOW - 8 * 3_600,))


def test_our_own_ids_are_numbers() -> None:
    term = search(f"id:{ids.show('dlv', 42)}")
    assert isinstance(term, Term)
    assert (term.field, term.path, term.numbers) == ("id", "dlv", (42.0,))


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("type:x statuss:failed", 7, "did you mean status:"),
        ("https://example.com", 0, "in quotes"),
        ("status:faild", 7, "did you mean failed"),
        ("code:abc", 5, "code:5xx"),
        ("since:yesterday", 6, "2h"),
        ("(source:a", 0, "never closed"),
        ("source:a)", 8, "closes nothing"),
        ("source:a OR", 11, "missing"),
        ("OR", 0, "missing"),
        ("()", 1, "missing"),
        ("source:", 7, "source:stripe"),
        ('"open', 0, "never closed"),
        ("- x", 1, "right before"),
        ("header.x:>1", 0, "headers are text"),
        ("x " * 61, 120, "60 terms"),
        ("(" * 30, 20, "deep"),
        ("a" * 2_001, 2_000, "2,000"),
    ],
)
def test_what_is_wrong_has_a_place_and_a_cure(text: str, at: int, says: str) -> None:
    problem = wrong(text)
    assert problem.at == at
    assert says in problem.what


_PIECES = st.sampled_from(
    [
        *(f"{name}:" for name in FIELDS),
        "body.a:",
        "header.b:",
        "OR",
        " ",
        "(",
        ")",
        "-",
        '"',
        ">=",
        "5xx",
        "2h",
        "*",
        "\\",
    ]
)


@given(st.text() | st.lists(_PIECES | st.text(max_size=3)).map("".join))
@example("since:0001-01-01T00:00:00+23:59")
@example("since:9999-12-31T23:59:59-23:59")
@example("id:evt_zzzzzzzzzzzzz")
def test_any_text_ends_in_a_tree_or_a_search_error(text: str) -> None:
    try:
        search(text)
        return
    except SearchError as problem:
        at = problem.at
    assert 0 <= at <= len(text)


@given(st.text(min_size=1).filter(str.strip))
def test_anything_can_be_searched_for_in_quotes(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if len(quoted) <= 2_000:
        assert one(quoted) == ("text", "", "=", text)
