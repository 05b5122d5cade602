from __future__ import annotations

import tomllib
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.config.lines import lines_of


def test_every_kind_of_key_has_its_line() -> None:
    lines = lines_of(
        dedent('''\
            # a comment
            top = 1

            [server]
            public = "a:1" # = not here
            "quoted key" = [
              1,   # one
              { deep = 2 },
            ]
            a.b = """
            [not.a.table]
            x = 1
            """

            [sources.'my.source']
            secrets = ["env:A", { ref = "env:B", until = 2026-12-15 }]

            [[routes]]
            from = "a"
            [[routes]]
            from = "b"
            [routes.when]
            x = 1979-05-27 07:32:00
        ''')
    )
    assert lines["top",] == 2
    assert lines["server", "public"] == 5
    assert lines["server", "quoted key", 0] == 7
    assert lines["server", "quoted key", 1, "deep"] == 8
    assert lines["server", "a", "b"] == 10
    assert lines["sources", "my.source", "secrets", 1, "until"] == 16
    assert lines["routes", 0, "from"] == 19
    assert lines["routes", 1] == 20
    assert lines["routes", 1, "when", "x"] == 23
    assert ("not",) not in lines


KEYS = st.sampled_from(["a", "b", "c-d", "e_f", "1"]) | st.text("abc.= '#[é", min_size=1, max_size=4)
LEAVES = st.one_of(
    st.integers(-(10**6), 10**6),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20),
    st.dates(),
)
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
    ),
    max_size=4,
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def inline(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{quoted(key)} = {inline(item)}" for key, item in value.items()) + " }"
    return str(value)


def paths(value: Any, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in paths(item, (*path, key)))]


@given(tree=TREES, blank=st.integers(0, 3))
def test_every_path_of_a_valid_text_has_the_line_it_was_written_on(tree: dict[str, Any], blank: int) -> None:
    texts = ["# start"]
    expected = {}
    for key, value in tree.items():
        texts += ["", "  # = [x]"] * blank
        texts.append(f" {quoted(key)} = {inline(value)} # end")
        expected |= dict.fromkeys(paths(value, (key,)), len(texts))
    text = "\n".join(texts)
    assert tomllib.loads(text) == tree
    assert lines_of(text) == expected


@given(text=st.text() | st.text('a.=[]{}"\'\\\n ,#1"""', max_size=60))
def test_any_text_ends_in_some_lines(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in lines_of(text).values())


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "{a=" * 50_000, "[" * 100_000])
def test_a_text_nested_too_deeply_ends_too(text: str) -> None:
    assert len(lines_of(text)) < 100_000
