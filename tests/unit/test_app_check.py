from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from hookline import Event, Hookline
from hookline.app.check import check
from hookline.config import Problem, load
from hookline.providers import PROVIDERS
from hookline.providers.base import COMMON_OPTIONS

SECRET = "a-secret-of-decent-length"
NOW = 1_800_000_000.0

GITHUB = """\
    [sources.github]
    provider = "github"
    secrets = ["env:SECRET"]

    [[routes]]
    from = "github"
    to = ["deploy"]

    [destinations.deploy]
    type = "http"
    url = "https://ci.example.com"
"""


def problems(
    folder: Path, text: str, *, env: dict[str, str] | None = None, app: Hookline | None = None, secrets: bool = True
) -> list[Problem]:
    file = folder / "hookline.toml"
    file.write_text(dedent(text))
    return check([file], {"SECRET": SECRET} if env is None else env, now=NOW, app=app, secrets=secrets)[1]


def keys(found: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.level, problem.key) for problem in found]


async def sent(event: Event) -> None: ...


def test_nothing_is_wrong_with_what_works(tmp_path: Path) -> None:
    assert problems(tmp_path, GITHUB) == []


def test_a_provider_that_nobody_knows_is_guessed_at(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, GITHUB.replace('"github"\n    secrets', '"gihub"\n    secrets'))
    assert (problem.level, problem.key, problem.place[-2:]) == ("error", "sources.github.provider", ":2")
    assert "github" in problem.cure


def test_a_key_that_the_provider_does_not_know_is_a_problem(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, GITHUB.replace("secrets =", "colour = 'blue'\n    secrets ="))
    assert (problem.level, problem.key, problem.place[-2:]) == ("error", "sources.github.colour", ":3")


def test_reading_and_checking_tell_all_they_find(tmp_path: Path) -> None:
    text = GITHUB.replace('["deploy"]', '["nowhere"]').replace("secrets =", "colour = 'blue'\n    secrets =")
    assert keys(problems(tmp_path, text, env={})) == [
        ("error", "sources.github.colour"),
        ("secret", "sources.github.secrets[0]"),
        ("error", "routes[0].to[0]"),
    ]


def test_every_missing_secret_is_named(tmp_path: Path) -> None:
    text = GITHUB.replace('["env:SECRET"]', '["env:A", "env:B", { ref = "env:C", until = 2020-01-01 }]')
    assert keys(problems(tmp_path, text)) == [
        ("secret", "sources.github.secrets[0]"),
        ("secret", "sources.github.secrets[1]"),
    ]


def test_without_secrets_only_they_go_unchecked(tmp_path: Path) -> None:
    text = GITHUB.replace("secrets =", "colour = 'blue'\n    secrets =")
    assert keys(problems(tmp_path, GITHUB, env={}, secrets=False)) == []
    assert keys(problems(tmp_path, text, env={}, secrets=False)) == [("error", "sources.github.colour")]


@pytest.mark.parametrize(
    ("secret", "level", "word"),
    [
        ("short", "warning", "only 5 characters"),
        (f" {SECRET}", "warning", "white space"),
        (f'"{SECRET}"', "warning", "quotes"),
        ("changeme", "secret", "placeholder"),
        ("", "secret", "empty"),
    ],
)
def test_a_secret_that_is_not_worth_its_name_is_told_without_showing_it(
    tmp_path: Path, secret: str, level: str, word: str
) -> None:
    [problem] = problems(tmp_path, GITHUB, env={"SECRET": secret})
    assert keys([problem]) == [(level, "sources.github.secrets[0]")]
    assert word in problem.what
    assert not secret.strip() or secret not in str(problem)


def test_a_secret_in_the_file_and_an_ended_one_are_warnings(tmp_path: Path) -> None:
    text = GITHUB.replace('["env:SECRET"]', f'["{SECRET}", {{ ref = "env:OLD", until = 2020-01-01 }}]')
    assert keys(problems(tmp_path, text)) == [
        ("warning", "sources.github.secrets[0]"),
        ("warning", "sources.github.secrets[1]"),
    ]


def test_a_source_that_nobody_listens_to_is_a_warning(tmp_path: Path) -> None:
    text = GITHUB.replace('from = "github"', 'from = "git*"\n    environment = "test"')
    [problem] = problems(tmp_path, text)
    assert keys([problem]) == [("warning", "sources.github")]
    assert "in its environment, production" in problem.what


def test_an_app_listens_too(tmp_path: Path) -> None:
    text = '[sources.github]\nprovider = "github"\nsecrets = ["env:SECRET"]\n'
    hooks = Hookline()
    hooks.on("github", "push")(sent)
    assert keys(problems(tmp_path, text)) == [("warning", "sources.github")]
    assert problems(tmp_path, text, app=hooks) == []
    [problem] = problems(tmp_path, '[server]\napp = "no_such_shop:hooks"\n' + text)
    assert problem.key == "app no_such_shop:hooks"
    assert "there is no module" in problem.what


def test_a_handler_for_a_source_that_is_not_there_names_its_line(tmp_path: Path) -> None:
    hooks = Hookline()
    hooks.on("gihub", "push", name="push")(sent)
    [problem] = problems(tmp_path, GITHUB, app=hooks)
    assert str(problem).endswith(': handler push: there is no source "gihub" — did you mean "github"?')
    assert problem.place.startswith("tests/unit/test_app_check.py:")


def test_a_handler_cannot_have_the_name_of_a_destination(tmp_path: Path) -> None:
    hooks = Hookline()
    hooks.on("github", name="deploy")(sent)
    assert keys(problems(tmp_path, GITHUB, app=hooks)) == [("error", "destinations.deploy")]


def test_a_filter_that_cannot_be_compiled_has_its_line(tmp_path: Path) -> None:
    text = GITHUB.replace('to = ["deploy"]', 'to = ["deploy"]\n    when = { body.a = { "$bigger" = 1 } }')
    [problem] = problems(tmp_path, text)
    assert (problem.key, problem.place[-2:]) == ("routes[0].when", ":8")


def test_answers_that_decide_are_advised_against(tmp_path: Path) -> None:
    hooks = Hookline()
    hooks.on("stripe", "issuing_authorization.*")(sent)
    text = '[sources.stripe]\nprovider = "stripe"\nsecrets = ["env:SECRET"]\n'
    [problem] = problems(tmp_path, text, app=hooks)
    assert problem.level == "warning"
    assert "issuing_authorization.request" in problem.what


def test_https_that_nobody_can_prove_refuses_everybody(tmp_path: Path) -> None:
    text = "[server]\nrequire_https = true\n" + dedent(GITHUB)
    assert keys(problems(tmp_path, text)) == [("error", "server.require_https")]
    assert problems(tmp_path, text.replace("true", 'true\ntrusted_proxies = ["10.0.0.0/8"]')) == []


@pytest.mark.parametrize("provider", ["twilio", "square", "mandrill", "hubspot", "trello"])
def test_whoever_signs_the_url_needs_to_be_told_it(tmp_path: Path, provider: str) -> None:
    text = GITHUB.replace('provider = "github"', f'provider = "{provider}"')
    [problem] = problems(tmp_path, text)
    assert keys([problem]) == [("error", "sources.github")]
    assert problem.cure == "set server.public_url"
    assert problems(tmp_path, '[server]\npublic_url = "https://hooks.example.com"\n' + dedent(text)) == []


def test_a_destination_that_cannot_be_made_is_told_with_its_key(tmp_path: Path) -> None:
    text = GITHUB.replace('type = "http"', 'type = "htp"')
    assert keys(problems(tmp_path, text)) == [("error", "destinations.deploy.type")]
    text = GITHUB.replace('"https://ci.example.com"', '"env:CI_URL"')
    assert keys(problems(tmp_path, text)) == [("secret", "destinations.deploy.url")]
    assert problems(tmp_path, text, secrets=False) == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_key_of_a_provider_is_taken_for_a_slip_of_the_pen(tmp_path: Path, provider: str) -> None:
    file = tmp_path / "hookline.toml"
    keys = "".join(f'{name} = "x"\n' for name in PROVIDERS[provider].options | COMMON_OPTIONS)
    file.write_text(f'[sources.a]\nprovider = "{provider}"\n{keys}')
    config, problems = load([file], {})
    assert problems == []
    assert config is not None
    assert config.sources["a"].options.keys() == PROVIDERS[provider].options | COMMON_OPTIONS


def test_a_secret_that_the_provider_will_send_is_asked_for_not_missed(tmp_path: Path) -> None:
    asana = GITHUB.replace('"github"\n    secrets = ["env:SECRET"]', '"asana"')
    [problem] = problems(tmp_path, asana)
    assert (problem.level, problem.key) == ("warning", "sources.github.secrets")
    assert "`hookline sources expect github`" in problem.cure


def test_a_missing_secret_hides_nothing_else_of_its_source(tmp_path: Path) -> None:
    found = problems(tmp_path, GITHUB.replace('provider = "github"', 'provider = "gihub"'), env={})
    assert keys(found) == [("error", "sources.github.provider"), ("secret", "sources.github.secrets[0]")]


def test_a_store_that_cannot_be_opened_here_is_a_problem(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, '[server]\nstore = "postgresql://me:hunter2@db/hooks"')
    assert (problem.level, problem.key) == ("error", "server.store")
    assert "hunter2" not in str(problem)


def test_a_faulty_filter_is_named_once(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, GITHUB.replace("to = ", 'when = { body.amount = { "$gtt" = 1 } }\n    to = '))
    assert str(problem).endswith("$not")
    assert "when: when" not in str(problem)
