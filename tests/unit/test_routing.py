"""Who wants an event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.config import Route
from hookline.model import HandlerRoute, NewDelivery, Request, VerifiedEvent
from hookline.routing import Router, matches, reader

PUSH = Route(name="routes[0]", source="github", events=("push",), to=("deploy", "chat"))
PAID = HandlerRoute(name="app.paid", source="stripe*", types=("invoice.*",))


def destinations(router: Router, source: str, type: str, environment: str = "production") -> list[str]:
    return [delivery.destination for delivery in router.route(source, environment, type)[0]]


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("push", "push", True),
        ("push", "Push", False),
        ("invoice.*", "invoice.paid", True),
        ("invoice.*", "invoice", False),
        ("*", "", True),
        ("*.paid", "invoice.paid", True),
        ("stripe*", "stripe", True),
        ("a?c", "abc", False),
        ("a?c*", "a?cd", True),
        ("[ab]*", "a", False),
        ("[ab]*", "[ab]c", True),
    ],
)
def test_a_star_is_any_text_and_the_only_magic(pattern, name, fits):
    assert matches(pattern, name) is fits


def test_a_route_sends_an_event_to_all_its_destinations():
    deliveries, reason = Router([PUSH], (), "production").route("github", "production", "push")
    assert deliveries == (NewDelivery("deploy", "routes[0]"), NewDelivery("chat", "routes[0]"))
    assert reason == ""


def test_handlers_and_file_routes_both_get_it():
    router = Router([Route(name="all", source="*", to=("archive",))], [PAID], "production")
    assert destinations(router, "stripe-eu", "invoice.paid") == ["archive", "app.paid"]


def test_two_routes_to_one_destination_are_one_delivery():
    router = Router([PUSH, Route(name="again", source="*", to=("deploy",))], (), "production")
    assert destinations(router, "github", "push") == ["deploy", "chat"]


def test_nobody_wants_it():
    assert Router([PUSH], (), "production").route("github", "production", "issues") == ((), "no route")


def test_its_source_does_not_want_the_type():
    router = Router([PUSH], (), "production", wanted={"github": ["issues.*"]})
    assert router.route("github", "production", "push") == ((), "type not wanted")


def test_an_app_that_never_loaded_holds_what_no_file_route_wants():
    router = Router([PUSH], None, "production")
    assert router.route("stripe", "production", "invoice.paid") == ((), "app not loaded")
    assert destinations(router, "github", "push") == ["deploy", "chat"]


def test_events_of_another_environment_are_not_for_us():
    test_route = Route(name="test", source="github", to=("sandbox",), environment="test")
    router = Router([PUSH, test_route], (), "production")
    assert destinations(router, "github", "push") == ["deploy", "chat"]
    assert destinations(router, "github", "push", "test") == ["sandbox"]


def test_equal_events_share_their_deliveries():
    router = Router([PUSH], (), "production")
    first, _ = router.route("github", "production", "push")
    assert router.route("github", "production", "push")[0] is first


def test_the_body_is_read_only_where_a_route_wants_an_ordering_key():
    def never(path: str) -> None:
        raise AssertionError(path)

    assert Router([PUSH], (), "production").route("github", "production", "push", never)[0]
    ordered = HandlerRoute(name="app.o", source="s", types=(), ordering_key="body.customer")
    [delivery] = Router([], [ordered], "production").route(
        "s", "production", "t", lambda path: {"body.customer": "c1"}[path]
    )[0]
    assert delivery == NewDelivery("app.o", "app.o", "c1")


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("c1", "c1"),
        (7, "7"),
        (None, None),
        ("", None),
        (True, None),
        ({}, None),
        (["c"], "c"),
        (["a", "b"], None),
        ("\x00", None),
    ],
)
def test_only_a_text_or_a_number_orders(value, key):
    ordered = Route(name="r", source="s", to=("d",), ordering_key="body.k")
    [delivery] = Router([ordered], (), "production").route("s", "production", "t", lambda path: value)[0]
    assert delivery.ordering_key == key


def test_a_reader_finds_body_header_and_names():
    request = Request(
        method="POST",
        target=b"/webhooks/s",
        headers=[(b"Content-Type", b"application/json; charset=utf-8"), (b"X-Shop", b"one")],
        body=b"",
        received_at=0.0,
    )
    event = VerifiedEvent(id="e1", type="t", body=b'{"a":{"b":[1,2]}}', subject="cus_1")
    read = reader(event, request)
    paths = ("body.a.b.1", "header.x-shop", "subject", "type", "id", "nothing.here", "body.x")
    assert [read(path) for path in paths] == [2, "one", "cus_1", "t", "e1", None, None]


@pytest.mark.parametrize(("body", "value"), [(b"a=1", ["1"]), (b'{"a": 2}', 2)])
def test_an_item_of_a_form_is_json_and_the_form_itself_is_one(body, value):
    form = Request(
        method="POST",
        target=b"/webhooks/mandrill",
        headers=[(b"Content-Type", b"application/x-www-form-urlencoded")],
        body=b"a=1",
        received_at=0.0,
    )
    assert reader(VerifiedEvent(id=None, type="t", body=body), form)("body.a") == value


@given(st.text(), st.text(), st.text())
def test_any_names_have_an_answer(source, environment, type):
    deliveries, reason = Router([PUSH], [PAID], "production").route(source, environment, type)
    assert bool(deliveries) is not bool(reason)


def test_types_of_strangers_do_not_grow_the_cache_for_ever():
    router = Router([PUSH], (), "production")
    for number in range(25_000):
        router.route("github", "production", f"t{number}")
    assert destinations(router, "github", "push") == ["deploy", "chat"]
    assert len(router._plans) <= 10_000
