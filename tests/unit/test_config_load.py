from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hookline
from hookline.config import Config, Problem, load
from hookline.config.reference import page
from hookline.config.settings import TABLES, settings_of

EXAMPLE = """\
    [server]
    public_url = "https://hooks.example.com"
    trusted_proxies = ["10.0.0.0/8"]

    [sources.stripe]
    provider = "stripe"
    secrets = ["env:NEW", { ref = "env:OLD", until = 2026-12-15 }]
    events = ["invoice.*"]

    [sources.stripe.doc]
    owner = "team-billing"
    rotate_every = "90d"

    [sources.billing]
    provider = "hmac"
    path = "/old/hooks/"
    secrets = ["file:secret.txt"]
    signature = { header = "X-Sig", encoding = "hex" }

    [[routes]]
    from = "stripe"
    when = { body.ref = "refs/heads/main" }
    to = ["deploy"]

    [destinations.deploy]
    type = "http"
    url = "https://ci.internal/build"
    retry = { schedule = "5s 5m" }
    timeout = "20s"
    rate = "600/m"
"""


def write(directory: Path, text: str, name: str = "hookline.toml") -> Path:
    path = directory / name
    path.write_text(dedent(text))
    return path


def good(*paths: Path, env: dict[str, str] | None = None, flags: dict[str, object] | None = None) -> Config:
    config, problems = load(paths, env or {}, flags)
    assert config is not None, [str(problem) for problem in problems]
    return config


def bad(text: str, directory: Path, env: dict[str, str] | None = None) -> list[Problem]:
    config, problems = load([write(directory, text)], env or {})
    assert config is None or not any(problem.level == "error" for problem in problems)
    return problems


def test_a_file_says_everything(tmp_path: Path) -> None:
    config = good(write(tmp_path, EXAMPLE))
    stripe = config.sources["stripe"]
    assert stripe.url == "https://hooks.example.com/webhooks/stripe"
    assert [secret.ref for secret in stripe.secrets] == ["env:NEW", "env:OLD"]
    assert stripe.secrets[1].until == dt.datetime(2026, 12, 16, tzinfo=dt.UTC).timestamp()
    assert (stripe.doc.owner, stripe.doc.rotate_every) == ("team-billing", 90 * 86_400)
    assert config.sources["billing"].options == {"signature": {"header": "X-Sig", "encoding": "hex"}}
    deploy = config.destinations["deploy"]
    assert (deploy.schedule, deploy.timeout, deploy.rate) == ((5, 300), 20, 10)
    assert deploy.options == {"url": "https://ci.internal/build"}
    assert config.routes[0].when == {"body": {"ref": "refs/heads/main"}}
    assert config.routes[0].name == "stripe:1"


def test_nothing_at_all_is_a_configuration_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, problems = load([], {})
    assert problems == []
    assert config is not None
    assert config.server.store == f"sqlite:///{tmp_path}/hookline.db"


def test_relative_paths_start_at_the_first_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    config = good(write(tmp_path / "sub", EXAMPLE), write(tmp_path, "server.certificate = 'a.pem'", "second.toml"))
    assert config.server.store == f"sqlite:///{tmp_path}/sub/hookline.db"
    assert config.server.certificate == f"{tmp_path}/sub/a.pem"
    assert config.sources["billing"].secrets[0].ref == f"file:{tmp_path}/sub/secret.txt"


def test_an_absolute_store_stays_where_it_is(tmp_path: Path) -> None:
    assert good(write(tmp_path, 'server.store = "sqlite:////var/a.db"')).server.store == "sqlite:////var/a.db"


def test_code_gives_way_to_files_to_the_environment_to_flags(tmp_path: Path) -> None:
    code = {"server": {"public": "code:1", "admin": "code:2", "environment": "code", "app": "code"}}
    file = write(tmp_path, '[server]\nadmin = "there:1"\nenvironment = "file"\napp = "file"')
    env = {"HOOKLINE_SERVER__ENVIRONMENT": "env", "HOOKLINE_SERVER__APP": "env"}
    config, problems = load([file], env, {"server.app": "flag", "server.public": None}, code)
    assert problems == []
    assert config is not None
    server = config.server
    assert (server.public, server.admin, server.environment, server.app) == ("code:1", "there:1", "env", "flag")


def test_later_files_win_key_by_key(tmp_path: Path) -> None:
    override = write(tmp_path, '[sources.stripe]\nenvironment = "test"\n[sources.stripe.doc]\nowner = "me"', "b.toml")
    stripe = good(write(tmp_path, EXAMPLE), override).sources["stripe"]
    assert (stripe.environment, stripe.provider, stripe.doc.owner) == ("test", "stripe", "me")
    assert stripe.doc.rotate_every is not None


def test_routes_of_several_files_add_up_and_names_replace(tmp_path: Path) -> None:
    first = write(tmp_path, EXAMPLE + '\n    [[routes]]\n    name = "b"\n    from = "billing"\n    to = ["deploy"]\n')
    second = write(
        tmp_path,
        '[[routes]]\nname = "b"\nfrom = "billing"\nto = ["deploy"]\nevents = ["x"]\n'
        '[[routes]]\nfrom = "stripe*"\nto = ["nowhere"]\n',
        "b.toml",
    )
    _, problems = load([first, second], {})
    assert [(problem.key, problem.place) for problem in problems] == [("routes[2].to[0]", f"{second}:8")]
    second.write_text(second.read_text().replace("nowhere", "deploy"))
    config = good(first, second)
    assert [(route.name, route.events) for route in config.routes] == [
        ("stripe:1", ()),
        ("b", ("x",)),
        ("stripe*:3", ()),
    ]


def test_the_environment_finds_names_whatever_their_case(tmp_path: Path) -> None:
    file = write(tmp_path, '[destinations.team-Chat]\ntype = "slack"\nurl = "env:URL"')
    env = {
        "HOOKLINE_DESTINATIONS__TEAM_CHAT__RATE": "1/m",
        "HOOKLINE_SOURCES__NEW__PROVIDER": "github",
        "HOOKLINE_SOURCES__NEW__SECRETS": "env:A, env:B",
        "HOOKLINE_TOKEN": "no setting",
    }
    config = good(file, env=env)
    assert config.destinations["team-Chat"].rate == 1 / 60
    assert [secret.ref for secret in config.sources["new"].secrets] == ["env:A", "env:B"]


def test_what_is_text_in_a_file_stays_text(tmp_path: Path) -> None:
    text = """\
        [sources.a]
        provider = "hmac"
        secrets = "a secret, with a comma"
        [destinations.chat]
        type = "slack"
        text = " [1, 2] "
        title = "{{ event.type }}"
    """
    config = good(write(tmp_path, text), env={"HOOKLINE_DESTINATIONS__CHAT__LIST": '["a", "b"]'})
    assert [secret.ref for secret in config.sources["a"].secrets] == ["a secret, with a comma"]
    options = config.destinations["chat"].options
    assert options == {"text": " [1, 2] ", "title": "{{ event.type }}", "list": ["a", "b"]}


def test_any_text_may_be_a_reference(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://hooks.example.com\n")
    file = write(tmp_path, '[server]\nstore = "env:DB"\npublic_url = "file:url"')
    config = good(file, env={"DB": "sqlite:////x.db"})
    assert (config.server.store, config.server.public_url) == ("sqlite:////x.db", "https://hooks.example.com")
    [problem] = bad('[server]\nstore = "env:DB"', tmp_path)
    assert str(problem).endswith(
        "hookline.toml:2: server.store: env:DB: the environment variable is not set — set it where Hookline runs"
    )


def test_every_problem_is_listed_at_once_with_its_line_and_its_cure(tmp_path: Path) -> None:
    problems = bad(
        """\
        [serevr]
        public = "x"

        [server]
        public = 8080
        drain = "5 minutes"

        [sources.github]
        provider = "github"
        secret = "env:A"

        [sources.other]
        secrets = ["env:A", { ref = "env:B", untl = 2026-01-01 }]
        max_body = "1GiB"

        [[routes]]
        from = "githb"
        to = ["chatt"]
        event = ["push"]

        [destinations.chat]
        type = "slack"
        retry = { shedule = "5s" }
        """,
        tmp_path,
    )
    told = [str(problem).removeprefix(f"{tmp_path}/hookline.toml:") for problem in problems]
    assert told == [
        '1: serevr: is no setting — did you mean "server"?',
        '5: server.public: is no address — write "127.0.0.1:8080", "[::1]:8080" or "unix:/run/hookline.sock"',
        '6: server.drain: is no duration — write "500ms", "30s", "5m", "2h", "30d" or a number of seconds',
        '10: sources.github.secret: is no setting — did you mean "secrets"?',
        '12: sources.other: has no provider — add provider = "github" or "stripe" or "hmac" or …',
        '13: sources.other.secrets[1]: has an unknown key, "untl" — there are "ref" and "until"',
        "14: sources.other.max_body: is more than 25MiB — no provider sends more",
        '17: routes[0].from: there is no source "githb" — did you mean "github"?',
        '18: routes[0].to[0]: there is no destination "chatt" — did you mean "chat"?',
        '19: routes[0].event: is no setting — did you mean "events"?',
        '23: destinations.chat.retry.shedule: is no setting — did you mean "schedule"?',
    ]


def test_a_problem_of_the_environment_names_the_variable(tmp_path: Path) -> None:
    problems = bad("", tmp_path, {"HOOKLINE_SERVER__DRAIN": "x", "HOOKLINE_SERVR__DRAIN": "5s", "HOOKLINE_A____B": ""})
    assert [(problem.place, problem.key) for problem in problems] == [
        ("environment HOOKLINE_A____B", ""),
        ("environment HOOKLINE_SERVER__DRAIN", "server.drain"),
        ("environment HOOKLINE_SERVR__DRAIN", "servr"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a = 1\nb = nope\n", 2, "quotes"),
        ("[a]\n[a]\n", 2, "second time"),
        ("a\n", 1, "write key"),
        ("a = [1,\n", 2, "is not TOML"),
    ],
)
def test_a_file_that_is_no_toml_says_where(tmp_path: Path, text: str, line: int, word: str) -> None:
    [problem] = bad(text, tmp_path)
    assert problem.place == f"{tmp_path}/hookline.toml:{line}"
    assert word in str(problem)


def test_a_file_that_is_not_there_or_not_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"a = 1\nb = '\xe9'\n")
    config, problems = load([tmp_path / "none.toml", tmp_path / "latin.toml", tmp_path], {})
    assert config is None
    assert [problem.place.removeprefix(str(tmp_path)) for problem in problems] == ["", "/latin.toml:2", "/none.toml"]


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "hookline.toml"
    path.write_bytes(b'\xef\xbb\xbf[server]\r\n\r\nenvironment = "x"\r\ndrain = "y"\r\n')
    config, [problem] = load([path], {})
    assert config is None
    assert problem.place == f"{path}:4"


def test_two_sources_cannot_share_a_path(tmp_path: Path) -> None:
    [problem] = bad(
        '[sources]\na = { provider = "hmac", path = "/x" }\nb = { provider = "hmac", path = "/x" }', tmp_path
    )
    assert problem.key == "sources.b.path"
    assert "sources.a" in problem.what


@pytest.mark.parametrize("path", ["/", "/i/abc", "/healthz", "/webhooks", "relative", "/a?b", "/a b", "/ä"])
def test_a_source_cannot_take_a_path_of_ours(tmp_path: Path, path: str) -> None:
    [problem] = bad(f'[sources.a]\nprovider = "hmac"\npath = "{path}"', tmp_path)
    assert problem.key == "sources.a.path"


def test_ids_outlive_events_so_that_late_duplicates_are_known(tmp_path: Path) -> None:
    [problem] = bad('[retention]\nevents = "40d"', tmp_path)
    assert problem.key == "retention.ids"


def test_a_configuration_shows_no_secret(tmp_path: Path) -> None:
    text = """\
        [server]
        store = "postgresql://me:hunter2@host/db"
        [sources.a]
        provider = "hmac"
        secrets = ["hunter2"]
        client_state = "hunter2"
        [destinations.b]
        type = "http"
        secret = "hunter2"
        headers = { Authorization = "hunter2" }
    """
    assert "hunter2" not in repr(good(write(tmp_path, text)))


def test_a_wrong_value_is_not_repeated_in_its_problem(tmp_path: Path) -> None:
    problems = bad('[server]\ndrain = "hunter2"\npublic_url = "hunter2"\n[sources.a]\nprovider = ["hunter2"]', tmp_path)
    assert len(problems) == 3
    assert "hunter2" not in str(problems)


def test_the_reference_page_is_what_the_table_says() -> None:
    written = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
    assert written.read_text() == page(), "run: python -m hookline.config > docs/reference/configuration.md"


@pytest.mark.parametrize("name", TABLES)
def test_every_default_can_be_written_as_it_is_shown(name: str, tmp_path: Path) -> None:
    for _, key, setting, default in settings_of(TABLES[name]):
        if default not in (None, "", ()):
            config = good(write(tmp_path, f"[{name}]\n{key} = {setting.kind.show(default)}"))
            if (name, key) != ("server", "store"):
                assert getattr(getattr(config, name), key) == default


PIECES = st.sampled_from(
    [
        "[server]",
        "[sources.a]",
        "[[routes]]",
        "[destinations.a]",
        "[sources]",
        "[limits]",
        "sources = 1",
        "routes = [1]",
    ]
    + [
        f"{key} = {value}"
        for key in ("provider", "from", "to", "secrets", "doc", "retry", "store", "body", "type", "when")
        for value in ('"x"', "1", "[]", "{}", "true", '["env:A", 1, {}]', "1979-05-27", "{ref = 1}", '"file:"', "nan")
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    text=st.text() | st.lists(PIECES, max_size=8).map("\n".join),
    env=st.dictionaries(
        st.text()
        | st.sampled_from(
            [
                "HOOKLINE_SERVER__STORE",
                "HOOKLINE_SOURCES__A",
                "HOOKLINE_SOURCES__A__DOC",
                "HOOKLINE_ROUTES__0",
                "HOOKLINE_SERVER",
                "HOOKLINE_LIMITS__BODY",
                "A",
            ]
        )
        | st.text("AB_-.", max_size=6).map("HOOKLINE_{}".format)
        | st.text("AB_", max_size=6).map("HOOKLINE_SOURCES__{}".format),
        st.text() | st.sampled_from(["[", "{", '{"a": 1}', "env:A", "file:/", "1"]),
        max_size=4,
    ),
    flags=st.dictionaries(st.text() | st.sampled_from(["server.store", "sources", "a.b.c"]), st.integers() | st.text()),
)
def test_whatever_stands_in_file_and_environment_loading_ends(
    tmp_path: Path, text: str, env: dict[str, str], flags: dict[str, object]
) -> None:
    path = tmp_path / "hookline.toml"
    path.write_text(text, "utf-8", errors="surrogatepass")
    config, problems = load([path], env, flags)
    assert (config is None) == any(problem.level == "error" for problem in problems)
    assert all(str(problem) for problem in problems)
    repr(config)


@pytest.mark.parametrize("text", ["a = " + "[" * 5_000, "[" + "a." * 5_000 + "b]", "a = {" + "b = {" * 5_000])
def test_a_file_nested_too_deeply_is_a_problem(text: str, tmp_path: Path) -> None:
    assert bad(text, tmp_path)


@pytest.mark.parametrize("name", TABLES)
def test_no_setting_is_there_for_nothing(name: str) -> None:
    """Whoever writes a setting expects that somebody reads it."""
    package = Path(hookline.__file__).parent
    sources = [path for path in package.rglob("*.py") if "config" not in path.relative_to(package).parts]
    code = "\n".join(path.read_text() for path in sources)
    unread = [field for field, *_ in settings_of(TABLES[name]) if not re.search(rf"\.{field}\b", code)]
    assert unread == []
