"""How the first person comes in: a token from the environment, from the command line, or shown once on a terminal."""

from __future__ import annotations

import io

import pytest
from api_rig import ADMIN_TOKEN, Served

from hookline import admin
from hookline.admin.auth import hash_of
from hookline.errors import ConfigError
from hookline.store import open_store


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
async def store(tmp_path, monkeypatch):
    monkeypatch.delenv("HOOKLINE_ADMIN_TOKEN", raising=False)
    opened = await open_store(f"sqlite:///{tmp_path}/hookline.db", role="admin")
    yield opened
    await opened.close()


def test_the_start_page_shows_what_is_not_well(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOKLINE_ADMIN_TOKEN", ADMIN_TOKEN)
    with Served(tmp_path).running() as served, served.client(None) as client:
        page = client.get("/", auth=("anybody", ADMIN_TOKEN)).text
    assert "source broken" in page
    assert "webhooks are answered 503" in page
    assert "All is well" not in page
    assert "`" not in page


async def test_the_first_token_is_shown_once_on_a_terminal(store, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    await admin.first_token(store)
    [token] = [line.strip() for line in terminal.getvalue().splitlines() if line.strip().startswith("hkl_")]
    row = await store.find_token(hash_of(token))
    assert (row.name, row.role) == ("first", "admin")
    await admin.first_token(store)
    assert terminal.getvalue().count("hkl_") == 1


async def test_no_token_is_made_where_only_a_log_would_see_it(store, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    await admin.first_token(store)
    assert await store.count_tokens() == 0
    assert "hkl_" not in log.getvalue()


async def test_the_environments_token_makes_another_needless(store, monkeypatch):
    monkeypatch.setenv("HOOKLINE_ADMIN_TOKEN", "a-token-of-some-length")
    monkeypatch.setattr("sys.stderr", Terminal())
    await admin.first_token(store)
    assert await store.count_tokens() == 0


def test_an_admin_token_that_could_be_guessed_stops_the_start(monkeypatch):
    monkeypatch.setenv("HOOKLINE_ADMIN_TOKEN", "hunter2")
    with pytest.raises(ConfigError, match="7 characters"):
        admin.build(None, lambda: None)
