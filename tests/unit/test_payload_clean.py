"""Text that is safe to store and show."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from hookline.payload import _UNSAFE, clean


def test_nothing_unsafe_counts_as_printable():
    assert not [char for char in map(chr, range(sys.maxunicode + 1)) if _UNSAFE.match(char) and char.isprintable()]


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 300))
def test_clean_text_is_short_and_has_nothing_unsafe(text: str, limit: int):
    cleaned = clean(text, limit)
    assert cleaned == _UNSAFE.sub("", text[: limit * 2])[:limit]
    assert len(cleaned) <= limit
