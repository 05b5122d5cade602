"""What people read: safe on any terminal, whatever a payload holds."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.cli import output
from hookline.payload import safe_json, visible

STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)
ANY_TEXT = st.text(st.characters())
TERMINAL_ATTACKS = [
    "\x1b]0;owned\x07",  # the title
    "\x1b[2J\x1b[H",  # the screen
    "\x9b31m",  # the same in one C1 byte
    "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",  # a link
    "\x1b]52;c;ZXZpbA==\x07",  # the clipboard
    "invoice.\u202egnp.exe",  # reading direction
    "a\rb",  # overwrites the line
    "\x08\x08\x08",
]


@given(ANY_TEXT)
def test_visible_text_steers_nothing(text):
    assert not STEERS.search(visible(text))
    assert "\n" not in visible(text)


@given(ANY_TEXT)
def test_several_lines_keep_their_line_ends_only(text):
    assert not STEERS.search(output.text(text))


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(), lambda s: st.lists(s)))
def test_json_for_a_terminal_is_the_same_json(value):
    line = safe_json(value)
    assert json.loads(line) == value
    assert not STEERS.search(line)
    assert "\n" not in line


@pytest.mark.parametrize("attack", TERMINAL_ATTACKS)
def test_a_table_shows_an_attack_instead_of_running_it(attack, capsys):
    output.table(("type", "reason"), [(attack, attack)])
    output.fields([("type", attack)])
    output.complain(attack)
    printed = capsys.readouterr()
    assert not STEERS.search(printed.out + printed.err)


@given(ANY_TEXT, st.integers(1, 40))
def test_a_cell_fits_its_column(text, columns):
    shown = visible(text)
    assert output.width_of(output.fit(shown, columns)) == columns


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0021, "2ms"), (1.5, "1.5s"), (42, "42s"), (75, "1m 15s"), (3_600, "1h"), (90_061, "1d 1h"), (-30, "30s")],
)
def test_spans_are_told_in_two_units(seconds, shown):
    assert output.ago(seconds) == shown


@pytest.mark.parametrize(
    ("count", "noun", "shown"),
    [
        (1, "delivery", "1 delivery"),
        (2, "delivery", "2 deliveries"),
        (0, "event", "0 events"),
        (1200, "event", "1,200 events"),
    ],
)
def test_nouns_are_counted_as_people_do(count, noun, shown):
    assert output.plural(count, noun) == shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.coloured(Terminal())
    assert not output.coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.coloured(Terminal())


def test_progress_draws_on_terminals_only(monkeypatch):
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        monkeypatch.setattr("sys.stderr", stream)
        with output.Progress("replaying", 10) as progress:
            progress.to(10)
    assert "10 of 10" in terminal.getvalue()
    assert pipe.getvalue() == ""
