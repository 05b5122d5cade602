"""Texts with holes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline import templates
from hookline.errors import ConfigError
from hookline.model import Event
from hookline.templates import MAX_RESULT, Template


def event(body: object = None, **changes) -> Event:
    parts = {
        "id": "evt_1",
        "source": "github",
        "environment": "production",
        "type": "push",
        "provider_id": "d-1",
        "subject": "repo",
        "occurred_at": None,
        "received_at": 1_800_000_000.0,
        "raw": b"",
        "item": body if isinstance(body, bytes) else json.dumps(body).encode(),
        "headers": [(b"X-GitHub-Event", b"push")],
        "method": "POST",
        "target": b"/",
    }
    return Event(**{**parts, **changes})


def show(text: str, body: object = None, escape: templates.Escape = templates.plain) -> str:
    return Template(text).render(event(body), escape)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("no holes }} at all", "no holes }} at all"),
        ("{{ event.body.pusher.name }} pushed", "Ada pushed"),
        ("{{event.body.n}}/{{  event.body.list.1  }}", "1.5/b"),
        ("[{{ event.body.nothing.here }}]", "[]"),
        ("{{ event.body.flag }} {{ event.body.none }}", "true "),
        ("{{ event.body.pusher }}", '{"name": "Ada"}'),
        ("{{ event.type }} {{ event.source }} {{ event.id }} {{ event.subject }}", "push github evt_1 repo"),
        ("{{ event.headers.x-github-event }}", "push"),
        ("{{ event.received_at }}", "2027-01-15T08:00:00+00:00"),
        ("{{ event.occurred_at }}", ""),
    ],
)
def test_holes_are_filled(text, shown):
    body = {"pusher": {"name": "Ada"}, "n": 1.5, "list": ["a", "b"], "flag": True, "none": None}
    assert show(text, body) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ event.body.a", "never closed"),
        ("{{ }}", "is no field"),
        ("{{ body.a }}", "is no field"),
        ("{{ event }}", "is no field"),
        ("{{ event.body.a | upper }}", "is no field"),
        ("{{ event.body['a'] }}", "an event has no body['a']"),
        ("{{ event.body.__class__() }}{{ 7*7 }}", "is no field"),
        ("{{ event.bdy }}", "an event has no bdy — it has body"),
        ("{{ event.type.upper }}", "an event has no type.upper"),
    ],
)
def test_what_no_event_can_fill_is_a_configuration_error(text, message):
    with pytest.raises(ConfigError) as problem:
        Template(text, "destinations.chat.text")
    assert message in str(problem.value)
    assert str(problem.value).startswith("destinations.chat.text: ")


def test_values_are_never_read_as_templates():
    assert show("{{ event.body.a }}", {"a": "{{ event.body.b }}", "b": "secret"}) == "{{ event.body.b }}"


def test_slack_gets_no_links_and_no_mentions_of_strangers():
    text = "<https://ours.example|build> {{ event.body.a }}"
    shown = show(text, {"a": "<!channel> <http://evil|x> &lt; @here"}, templates.slack)
    assert shown == "<https://ours.example|build> &lt;!channel&gt; &lt;http://evil|x&gt; &amp;lt; @here"


def test_html_gets_no_markup_of_strangers():
    assert show("<b>{{ event.body.a }}</b>", {"a": "<i x='\">"}, templates.markup) == "<b>&lt;i x=&#x27;&quot;&gt;</b>"


def test_a_subject_is_one_line():
    assert show("{{ event.body.a }}", {"a": "a\r\nBcc: b@example.com\n"}, templates.line) == "a Bcc: b@example.com"


@pytest.mark.parametrize("escape", [templates.plain, templates.line, templates.slack, templates.markup])
def test_control_and_bidi_characters_are_shown_not_obeyed(escape):
    shown = show("{{ event.body.a }}", {"a": "\x1b[31m\u202e\x00"}, escape)
    assert not set(shown) & {"\x1b", "\u202e", "\x00"}


def test_a_text_has_an_end():
    assert len(show("{{ event.body.a }}" * 100, {"a": "x" * 100_000})) == MAX_RESULT


def test_several_events_are_a_list():
    template = Template("{{ event.body.n }}")
    events = [event({"n": n}) for n in range(3)]
    assert template.render_many(events, templates.plain) == "• 0\n• 1\n• 2"
    assert template.render_many(events[:1], templates.plain) == "0"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.text() | st.text(alphabet="{} evntbody.a_[]'|%"))
def test_any_text_is_a_template_or_a_configuration_error(text):
    try:
        template = Template(text)
    except ConfigError:
        return
    assert len(template.render(event({"a": 1}), templates.plain)) <= MAX_RESULT


@given(st.binary() | JSON, st.sampled_from([templates.plain, templates.line, templates.slack, templates.markup]))
def test_any_body_fills_a_template_with_something_that_can_be_sent(body, escape):
    text = show("{{ event.body }} {{ event.body.a.0.b }}", body, escape)
    assert len(text) <= MAX_RESULT
    text.encode()
