from __future__ import annotations

import base64
import json
import pickle
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.config import Destination, SecretRef, Source, resolved_destination, resolved_source
from hookline.errors import ConfigError
from hookline.secrets import Secret, is_placeholder, mask_password, resolve
from hookline.telemetry import scrub


def test_a_secret_shows_as_stars_wherever_it_turns_up() -> None:
    secret = Secret("hunter2")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>9}", "%s" % secret, repr([secret]), repr({"a": secret})]  # noqa: UP031  every way
    shown += [pickle.dumps(secret).decode("latin-1"), json.dumps({"a": secret}, default=str)]
    assert "hunter2" not in "".join(shown)
    assert "***" in shown[0]
    assert pickle.loads(pickle.dumps(secret)).reveal() == "***"
    assert secret.reveal() == "hunter2"


def test_a_secret_does_not_show_in_a_traceback() -> None:
    secret = Secret("hun" + "ter2")
    with pytest.raises(ValueError) as caught:
        raise ValueError(secret)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_secrets_compare_by_what_they_hold() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert len(Secret("abc")) == 3


def test_a_reference_is_resolved_where_it_points() -> None:
    assert resolve("env:A", {"A": "x"}) == "x"
    assert resolve("the text itself") == "the text itself"


@pytest.mark.parametrize("content", ["secret", "secret\n", "secret\r\n"])
def test_one_final_newline_of_a_file_is_not_part_of_the_secret(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    assert resolve(f"file:{tmp_path}/secret") == "secret"


def test_what_else_stands_in_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" a\n\n")
    assert resolve(f"file:{tmp_path}/secret") == " a\n"


@pytest.mark.parametrize(
    ("ref", "word"),
    [("env:GONE", "not set"), ("env:EMPTY", "empty"), ("file:/nowhere/x", "No such file"), ("file:/", "read")],
)
def test_what_cannot_be_resolved_names_the_reference(ref: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        resolve(ref, {"EMPTY": ""})
    assert ref in str(caught.value)


def test_bytes_that_are_no_text_are_told_without_showing_them(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hunter2\xff")
    with pytest.raises(ConfigError, match="UTF-8") as caught:
        resolve(f"file:{tmp_path}/secret")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "***",
        "changeme",
        "CHANGE_ME",
        "your-secret",
        "your_webhook_secret",
        "<secret>",
        "${SECRET}",
        "xxxx",
        "...",
    ],
)
def test_what_stands_in_examples_is_no_secret(text: str) -> None:
    assert is_placeholder(text)


@given(text=st.text("abcdef0123456789", min_size=16))
def test_what_is_generated_is_a_secret(text: str) -> None:
    assert not is_placeholder(text)


def source(*refs: SecretRef, **options: object) -> Source:
    return Source(
        name="a", provider="hmac", environment="production", path="/a", url="", secrets=refs, options=dict(options)
    )


def test_a_source_has_its_secrets_newest_first_until_they_end() -> None:
    both = source(SecretRef(ref="env:NEW"), SecretRef(ref="env:OLD", until=100.0))
    env = {"NEW": "n" * 16, "OLD": "o" * 16}
    assert resolved_source(both, 99.9, lambda ref: resolve(ref, env))[1] == ("n" * 16, "o" * 16)
    assert resolved_source(both, 100.0, lambda ref: resolve(ref, env))[1] == ("n" * 16,)


def test_an_ended_secret_need_not_be_found_any_more() -> None:
    ended = source(SecretRef(ref="a-real-secret"), SecretRef(ref="env:GONE", until=1.0))
    assert resolved_source(ended, 2.0)[1] == ("a-real-secret",)


def test_a_source_whose_secrets_have_all_ended_has_none() -> None:
    with pytest.raises(ConfigError, match=r"sources\.a\.secrets: every secret has ended"):
        resolved_source(source(SecretRef(ref="x", until=1.0)), 2.0)


def test_a_placeholder_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match=r"sources\.a\.secrets\[0\]: env:A holds a placeholder") as caught:
        resolved_source(source(SecretRef(ref="env:A")), 0.0, lambda ref: "changeme")
    assert "changeme" not in str(caught.value)


def test_options_are_resolved_however_deep_they_lie() -> None:
    options = {"signature": {"keys": ["env:A", 1]}, "id": "header.X"}
    found, _ = resolved_source(source(**options), 0.0, lambda ref: f"<{ref}>")
    assert found.options == {"signature": {"keys": ["<env:A>", 1]}, "id": "header.X"}
    destination = Destination(name="b", type="http", options={"headers": {"x": "env:GONE"}})
    with pytest.raises(ConfigError, match=r"destinations\.b\.headers\.x: env:GONE"):
        resolved_destination(destination, lambda ref: resolve(ref, {}))


def test_a_password_in_a_url_is_masked() -> None:
    assert mask_password("postgresql://me:hunter2@host/db") == "postgresql://me:***@host/db"
    assert mask_password("https://host/a:b@c") == "https://host/a:b@c"


def test_what_a_reference_stood_for_is_masked_in_log_lines() -> None:
    resolved_source(source(SecretRef(ref="env:A")), 0.0, lambda ref: "0123456789-kept")
    assert scrub("Traceback: 0123456789-kept") == "Traceback: ***"


@pytest.mark.parametrize(
    "shown",
    [
        "{0}",
        "Basic {1}",
        "sender:{0}",
        "key%3D{0}",
        "https://chat.example.com/services/T0/{2}?wait=1",
        "wait=1&key={3}",
    ],
)
def test_no_spelling_of_what_a_reference_stood_for_is_logged(shown: str) -> None:
    password, long, key = "pass/word of a sender", "B0123456789abcdefghij", "0123456789-abcdefgh"
    env = {"A": f"sender:{password}", "B": f"https://chat.example.com/services/T0/{long}?wait=1&key={key}"}
    options = {"headers": {"authorization": "env:A"}, "url": "env:B"}
    resolved_destination(Destination(name="d", type="http", options=options), lambda ref: resolve(ref, env))
    pair = base64.b64encode(env["A"].encode()).decode()
    line = shown.format(password, pair, long, key)
    assert not any(each in scrub(line) for each in (password, pair[:-4], long, key))
    assert not any(each in scrub(json.dumps(line)) for each in (password, pair[:-4], long, key))


def test_credentials_that_stand_in_the_file_itself_are_not_logged_either() -> None:
    written = {
        "url": "https://me:the-password-in-it@example.com/build?key=the-key-in-the-query&branch=main",
        "password": "a-password-written-out",
        "headers": {"X-Api-Key": "an-api-key-written-out", "X-Team": "a-team-of-ours"},
    }
    resolved_destination(Destination(name="d", type="http", options=written))
    for word in ("the-password-in-it", "the-key-in-the-query", "a-password-written-out", "an-api-key-written-out"):
        assert scrub(f"POST {word}") == "POST ***"
    assert scrub("a-team-of-ours builds main") == "a-team-of-ours builds main"
