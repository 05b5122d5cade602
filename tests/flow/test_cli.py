"""The command line beside the store and through the API: the same words, the same output, the promised exit codes."""

from __future__ import annotations

import json
import re

import pytest
from api_rig import ADMIN_TOKEN, ENVIRONMENT, MARKED, SECRET, TOKENS, Served, hookline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookline.cli import cli, exits

STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "HOOKLINE_ADMIN_TOKEN": ADMIN_TOKEN}.items():
            patch.setenv(name, value)
        patch.delenv("HOOKLINE_TOKEN", raising=False)
        with Served(tmp_path_factory.mktemp("cli")).running() as running:
            yield running


@pytest.fixture
def local(served):
    """Runs a command beside the store."""

    def run(*arguments, **more):
        return hookline(*arguments, config=served.folder / "hookline.toml", **more)

    return run


@pytest.fixture
def remote(served, monkeypatch):
    """Runs a command through the API, as an admin unless told otherwise."""

    def run(*arguments, role="admin", **more):
        monkeypatch.setenv("HOOKLINE_TOKEN", TOKENS[role])
        return hookline(*arguments, "--server", served.url, **more)

    return run


def rows(result):
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


READS = [
    ("events", "list"),
    ("events", "list", "-q", "status:failed"),
    ("events", "list", "-n", "1"),
    ("events", "show", "delivery-1"),
    ("events", "show", "latest"),
    ("events", "export"),
    ("events", "export", "--bodies"),
    ("requests", "list"),
    ("requests", "list", "-q", "outcome:rejected"),
    ("deliveries", "list"),
    ("destinations", "list"),
    ("sources", "list"),
    ("explain", "delivery-2"),
    ("replay", "-q", "status:failed", "--dry-run"),
    ("erase", "-q", "type:push", "--dry-run"),
    ("trigger", "github", "--types"),
]


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_the_store_and_the_api_say_the_same(local, remote, command):
    assert rows(local(*command, "--json")) == rows(remote(*command, "--json"))


@pytest.mark.parametrize("command", [*READS, ("status",), ("tokens", "list")], ids=" ".join)
def test_no_payload_steers_the_terminal(local, command):
    for form in ((), ("--json",)):
        result = local(*command, *form)
        assert result.exit_code == 0, result.stderr
        assert not STEERS.search(result.stdout + result.stderr)


@pytest.mark.parametrize("command", [*READS, ("status",), ("tokens", "list"), ("doctor", "--offline")], ids=" ".join)
def test_no_secret_is_printed(local, command):
    for form in ((), ("--json",)):
        result = local(*command, *form)
        for canary in (*ENVIRONMENT.values(), *TOKENS.values(), ADMIN_TOKEN):
            assert canary not in result.stdout + result.stderr


def test_a_viewer_sees_no_marked_field(remote):
    assert MARKED not in remote("events", "show", "delivery-1", "--json", role="viewer").stdout
    assert MARKED in remote("events", "show", "delivery-1", "--json", role="operator").stdout


def test_data_goes_to_stdout_and_chatter_to_stderr(local):
    empty = local("events", "list", "-q", "type:nothing")
    assert (empty.stdout, empty.exit_code) == ("", 0)
    assert "no event" in empty.stderr


def test_the_raw_body_is_written_byte_for_byte(local):
    result = local("events", "show", "delivery-1", "--raw")
    assert json.loads(result.stdout_bytes)["customer"]["email"] == MARKED
    assert not result.stdout_bytes.endswith(b"\n")


def test_explain_tells_the_story_in_plain_words(local):
    story = local("explain", "delivery-2").stdout
    assert "received" in story
    assert "To deploy, by the route github:1" in story
    assert re.search(r"attempt 1 .*failed in .*said so", story)
    assert "hookline replay evt_" in story


def test_a_replay_shows_its_plan_asks_and_reports(local):
    asked = local("replay", "-q", "status:failed", input="n\n")
    assert asked.exit_code == exits.USAGE, "nobody answers: stdin is no terminal"
    assert "to deploy: 1" in asked.stderr
    done = local("replay", "-q", "status:failed", "--yes", "--json")
    [job] = rows(done)
    assert (job["state"], job["done"]) == ("done", 1)
    again = local("replay", "-q", "status:failed", "--yes")
    assert again.exit_code == exits.NOT_FOUND
    [cancelled] = rows(local("deliveries", "cancel", "-q", "state:pending", "--yes", "--json"))
    assert cancelled == {"count": 1}
    back = rows(local("replay", "delivery-2", "--json"))
    assert back[0]["done"] == 1, "one id needs no question"


def test_a_succeeded_delivery_is_repeated_only_with_again(local):
    result = local("replay", "delivery-1")
    assert result.exit_code == exits.NOT_FOUND
    assert "--again" in result.stderr
    [plan] = rows(local("replay", "delivery-1", "--again", "--dry-run", "--json"))
    assert plan["deliveries"] == 1


def test_a_destination_is_paused_and_resumed(local, remote):
    assert local("destinations", "pause", "deploy", "--reason", "moving").exit_code == 0
    [row] = [row for row in rows(remote("destinations", "list", "--json")) if row["name"] == "deploy"]
    assert (row["state"], row["reason"]) == ("paused", "moving")
    assert remote("destinations", "resume", "deploy").exit_code == 0


def test_a_token_is_printed_once_and_works_until_revoked(local, served, monkeypatch):
    made = local("tokens", "create", "bot", "--role", "operator")
    token = made.stdout.strip()
    assert token.startswith("hkl_")
    monkeypatch.setenv("HOOKLINE_TOKEN", token)
    assert hookline("events", "list", "--server", served.url).exit_code == 0
    assert hookline("tokens", "list", "--server", served.url).exit_code == exits.NOT_ALLOWED
    [row] = [row for row in rows(local("tokens", "list", "--json")) if row["name"] == "bot"]
    assert token not in json.dumps(row)
    assert local("tokens", "revoke", row["id"], "--yes").exit_code == 0


def test_verify_says_why_and_ends_with_3(local, remote):
    for run in (local, remote):
        [stored] = rows(run("requests", "list", "-q", 'reason:"bad signature"', "--json"))
        assert run("verify", stored["id"]).exit_code == exits.PROBLEMS
        assert run("verify", "latest").exit_code == 0, "the last one is genuine with the secret of now"
        found = run("verify", "--source", "github", "--body", "{}", "-H", "X-Hub-Signature-256: sha256=" + "0" * 64)
        assert found.exit_code == exits.PROBLEMS
        assert "not genuine" in found.stdout
        assert "→" in found.stdout, "a cure"


def test_verify_needs_no_settings_file(tmp_path, monkeypatch):
    import hashlib
    import hmac

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("S", SECRET)
    body = tmp_path / "body.json"
    body.write_bytes(b'{"zen": true}\n')
    signature = hmac.new(SECRET.encode(), b'{"zen": true}', hashlib.sha256).hexdigest()
    header = f"X-Hub-Signature-256: sha256={signature}"
    arguments = ("verify", "--provider", "github", "--secret", "env:S", "-H", header, "--json")
    [verdict] = [json.loads(line) for line in hookline(*arguments, "--body", f"@{body}").stdout.splitlines()]
    assert not verdict["genuine"]
    assert "newline" in verdict["findings"][0]["what"].lower() + verdict["findings"][0]["name"].lower()
    assert hookline(*arguments, "--body", '{"zen": true}').exit_code == 0


def test_verify_takes_no_secret_that_all_users_could_read_in_the_process_list():
    refused = hookline("verify", "--provider", "github", "--secret", SECRET, "--body", "{}")
    assert refused.exit_code == exits.USAGE
    assert "env:NAME" in refused.stderr
    assert SECRET not in refused.stderr + refused.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("events", "show", "evt_0000000000000"), exits.NOT_FOUND, "no event"),
        (("events", "list", "-q", "colour:red"), exits.USAGE, "colour"),
        (("events", "list", "-n", "0"), exits.USAGE, "0"),
        (("replay",), exits.USAGE, "say which"),
        (("erase",), exits.USAGE, "query"),
        (("verify",), exits.USAGE, "say which"),
        (("destinations", "pause", "deplyo"), exits.NOT_FOUND, "did you mean 'deploy'"),
        (("trigger", "githb"), exits.NOT_FOUND, "did you mean 'github'"),
        (("trigger", "github", "nothing", "--yes"), exits.NOT_FOUND, "--types` lists them"),
        (("trigger", "github", "push", "--yes"), exits.FAILURE, "is `hookline serve` running?"),
        (("trigger", "github", "push", "--tamper", "time", "--yes"), exits.USAGE, "signs no time"),
        (("trigger", "github", "push", "--set", "ref.x=1", "--yes"), exits.PROBLEMS, "no such place"),
        (("trigger", "broken", "--yes"), exits.PROBLEMS, "NOT_SET_ANYWHERE"),
        (("trigger", "github", "push", "--set", "x"), exits.USAGE, "PATH=VALUE"),
        (("deliveries", "cancel", "dlv_0000000000000"), exits.NOT_FOUND, "no pending"),
        (("requests", "show", "evt_0000000000000"), exits.NOT_FOUND, "req_"),
        (("tokens", "revoke", "tok_0000000000000", "--yes"), exits.NOT_FOUND, "no token"),
    ],
)
def test_every_mistake_has_its_exit_code_and_a_line(local, remote, arguments, code, says):
    for run in (local, remote):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert says in result.stderr
        assert "Traceback" not in result.stderr


@given(st.text(max_size=40))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_query_finds_something_or_says_where_it_is_wrong(local, query):
    result = local("events", "list", f"--query={query}", "--json")
    assert result.exit_code in (0, exits.USAGE)
    assert "Traceback" not in result.stderr
    assert not STEERS.search(result.stdout + result.stderr)


def test_an_export_never_overwrites_a_file(local, tmp_path):
    target = tmp_path / "events.jsonl"
    assert local("events", "export", "-o", str(target)).exit_code == 0
    assert len(target.read_text().splitlines()) == 3
    again = local("events", "export", "-o", str(target))
    assert again.exit_code == exits.FAILURE
    assert "is there already" in again.stderr


def test_a_server_that_is_not_there_is_7(monkeypatch):
    monkeypatch.setenv("HOOKLINE_TOKEN", "x" * 20)
    result = hookline("events", "list", "--server", "http://127.0.0.1:9")
    assert result.exit_code == exits.UNREACHABLE
    assert "127.0.0.1:9" in result.stderr


def test_a_server_without_a_token_or_with_a_wrong_one_is_5(served, monkeypatch):
    monkeypatch.delenv("HOOKLINE_TOKEN", raising=False)
    assert hookline("events", "list", "--server", served.url).exit_code == exits.NOT_ALLOWED
    monkeypatch.setenv("HOOKLINE_TOKEN", "wrong")
    assert hookline("events", "list", "--server", served.url).exit_code == exits.NOT_ALLOWED


def test_a_faulty_settings_file_lists_every_problem_and_ends_with_3(tmp_path):
    file = tmp_path / "hookline.toml"
    file.write_text('[sources.a]\nprovider = "githb"\n[server]\npublic = "nowhere"\n')
    result = hookline("check", config=file)
    assert result.exit_code == exits.PROBLEMS
    assert "hookline.toml:2" in result.stdout
    assert "hookline.toml:4" in result.stdout
    assert hookline("events", "list", config=file).exit_code == exits.PROBLEMS


def test_a_look_where_nothing_is_makes_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in (("status",), ("events", "list"), ("doctor", "--offline")):
        result = hookline(*command)
        assert result.exit_code == exits.NOT_FOUND, command
        assert "neither a hookline.toml nor a store" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_latest_request_is_shown(local, remote):
    [newest] = rows(local("requests", "list", "-n", "1", "--json"))
    for run in (local, remote):
        assert newest["id"] in run("requests", "show", "latest").stdout


def test_status_and_doctor_say_of_what_they_warn(local, remote):
    for run in (local, remote):
        assert "source broken: webhooks are answered 503" in run("status").stdout
    said = local("doctor", "--offline").stdout.splitlines()
    assert len(said) == len(set(said))
    assert not any("has no route" in line for line in said)  # what the app handles is known to the app alone


def test_only_a_provider_that_sends_a_secret_is_expected_to(local):
    result = local("sources", "expect", "github", "--yes")
    assert result.exit_code == exits.USAGE
    assert "GitHub sends no secret" in result.stderr


def test_an_unknown_sample_names_the_near_one_and_no_other(local):
    result = local("trigger", "stripe", "invoice.payd", "--yes")
    assert result.exit_code == exits.NOT_FOUND
    assert "did you mean 'invoice.paid'? `hookline trigger stripe --types`" in result.stderr


def test_the_bare_command_shows_its_help(capfd):
    assert exits.guarded(lambda: cli.main(args=[], prog_name="hookline", standalone_mode=False)) == exits.USAGE
    said = capfd.readouterr()
    assert said.err.startswith("Usage: hookline")
    assert said.out == ""


def test_init_writes_a_project_that_check_accepts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_" + "a" * 32)
    assert hookline("init", "shop", "--provider", "stripe").exit_code == 0
    monkeypatch.chdir(tmp_path / "shop")
    assert hookline("check", "app:hooks").exit_code == 0
    assert hookline("init").exit_code == exits.FAILURE, "it is there already"
    assert hookline("init", "--provider", "strip").exit_code == exits.USAGE


def test_a_backup_is_made_checked_and_put_back(local, served, tmp_path, monkeypatch):
    copy = tmp_path / "copy.db"
    assert local("db", "backup", str(copy)).exit_code == 0
    assert local("db", "backup", str(copy)).exit_code == exits.PROBLEMS, "nothing is overwritten"
    assert local("db", "check").exit_code == 0
    (tmp_path / "hookline.toml").write_text((served.folder / "hookline.toml").read_text())
    there = tmp_path / "hookline.toml"
    assert hookline("db", "check", config=there).exit_code == exits.NOT_FOUND
    assert hookline("db", "restore", str(copy), config=there).exit_code == 0
    assert len(rows(hookline("events", "list", "--json", config=there))) == 3


def test_tail_prints_what_arrives(local):
    assert local("events", "tail", "--for", "0").exit_code == 0
