from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from hookline import ConfigError, Event, Hookline, Ignore


async def sent(event: Event) -> None: ...


def test_a_handler_is_named_after_its_function() -> None:
    hooks = Hookline()

    @hooks.on("github", "push")
    async def push(event: Event) -> None: ...

    hooks.on("github")(sent)
    assert list(hooks.handlers) == [f"{__name__}.test_a_handler_is_named_after_its_function.push", f"{__name__}.sent"]
    assert hooks.handlers[f"{__name__}.sent"].place == f"tests/unit/test_app.py:{sent.__code__.co_firstlineno}"


def test_a_decorated_function_stays_what_it_was() -> None:
    def paid(event: Event) -> Ignore:
        return Ignore("later")

    assert Hookline().on("stripe")(paid) is paid


def test_everything_that_on_takes_is_kept() -> None:
    hooks = Hookline()
    hooks.on(
        "stripe*",
        "invoice.*",
        "charge.refunded",
        name="billing.paid",
        ordering_key="body.data.object.customer",
        timeout="30s",
        retry="5s 5m",
        concurrency=3,
        when={"body.amount": {"$gte": 1000}},
        environment="test",
    )(sent)
    handler = hooks.handlers["billing.paid"]
    assert (handler.source, handler.types) == ("stripe*", ("invoice.*", "charge.refunded"))
    assert (handler.timeout, handler.schedule, handler.concurrency) == (30.0, (5.0, 300.0), 3)
    [route] = hooks.routes()
    assert (route.name, route.source, route.types, route.environment) == (
        "billing.paid",
        "stripe*",
        ("invoice.*", "charge.refunded"),
        "test",
    )
    assert (route.ordering_key, route.when) == ("body.data.object.customer", {"body.amount": {"$gte": 1000}})


def test_plain_and_async_functions_are_told_apart() -> None:
    class Called:
        async def __call__(self, event: Event) -> None: ...

    def plain(event: Event) -> None: ...

    hooks = Hookline()
    for number, function in enumerate([plain, sent, functools.partial(sent), Called()]):
        hooks.on("a", name=str(number))(function)
    assert [handler.is_async for handler in hooks.handlers.values()] == [False, True, True, True]


def test_a_handler_may_write_within_the_store() -> None:
    hooks = Hookline()
    hooks.on("github", name="two", transaction="store")(two)
    assert hooks.handlers["two"].transaction == "store"


def test_two_handlers_of_one_name_are_both_named() -> None:
    hooks = Hookline()
    hooks.on("a")(sent)
    with pytest.raises(ConfigError) as caught:
        hooks.on("b")(sent)
    line = f"tests/unit/test_app.py:{sent.__code__.co_firstlineno}"
    assert str(caught.value).startswith(f"{line} and {line}: both handlers are called {__name__}.sent — ")


def two(event: Event, tx: object) -> None: ...


async def two_async(event: Event, tx: object) -> None: ...


def none() -> None: ...


def yields(event: Event) -> Any:
    yield event


@pytest.mark.parametrize(
    ("function", "given", "told"),
    [
        (sent, {"source": ""}, "a source first"),
        (sent, {"types": (["push"],)}, "types are texts"),
        (sent, {"types": ("",)}, "types are texts"),
        (sent, {"name": "a b"}, "cannot be a handler's name"),
        (sent, {"timeout": "soon"}, "timeout= is no duration"),
        (sent, {"retry": "soon"}, "retry= is no duration"),
        (sent, {"retry": {"times": 3}}, "retry= takes"),
        (sent, {"concurrency": 0}, "concurrency= is 0"),
        (sent, {"ordering_key": "data.customer"}, "leads nowhere"),
        (sent, {"when": {"body.a": {"$bigger": 1}}}, "bigger"),
        (two_async, {"transaction": "store"}, "for plain functions"),
        (sent, {"transaction": "store"}, "two arguments"),
        (two, {"transaction": object()}, "transaction=: object is not known"),
        (two, {}, "one argument"),
        (none, {}, "one argument"),
        (yields, {}, "yields"),
    ],
)
def test_what_could_not_work_is_told_at_once_with_its_place(function: Any, given: dict[str, Any], told: str) -> None:
    source, types = given.pop("source", "github"), given.pop("types", ())
    with pytest.raises(ConfigError, match=told) as caught:
        Hookline().on(source, *types, **given)(function)
    assert str(caught.value).startswith(f"tests/unit/test_app.py:{function.__code__.co_firstlineno}: ")


def test_making_an_app_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookline.toml").write_text("no toml at all")
    hooks = Hookline(files="hookline.toml")
    config, [problem] = hooks.load(env={})
    assert config is None
    assert "hookline.toml:1" in problem.place


def test_an_app_may_be_configured_in_code_alone() -> None:
    hooks = Hookline({"sources": {"github": {"provider": "github", "secrets": ["env:A"]}}})
    config, problems = hooks.load([], env={"HOOKLINE_SOURCES__GITHUB__ENVIRONMENT": "test"})
    assert problems == []
    assert config is not None
    assert config.sources["github"].environment == "test"


def test_a_problem_in_code_says_that_it_is_in_code() -> None:
    _, [problem] = Hookline({"sources": {"github": {"provider": 1}}}).load(env={})
    assert str(problem) == "code: sources.github.provider: is the number 1 — write text in quotes"
