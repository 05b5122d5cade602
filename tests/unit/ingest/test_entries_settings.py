"""What the settings say reaches ingest, and what it hands to the store."""

from __future__ import annotations

from pathlib import Path

from hookline import Hookline
from hookline.config import load
from hookline.ingest.arrivals import arrival
from hookline.ingest.entries import build
from hookline.model import Verified
from hookline.routing import Router
from hookline.testing import Webhooks, signed

SECRET = "a-secret-of-decent-length"


def test_an_id_counts_as_long_as_the_settings_say() -> None:
    source = {"provider": "github", "secrets": [SECRET], "path": "/g"}
    config, problems = load([], {}, code={"retention": {"ids": "60d"}, "sources": {"g": source}})
    assert config is not None, problems
    entry = build(config, 0.0)[b"/g"]
    assert entry.verifier is not None
    request = signed("github", "push", SECRET, now=1_800_000_000).request(1_800_000_000)
    verified = entry.verifier.check(request, 1_800_000_000)
    assert isinstance(verified, Verified)
    made = arrival(entry, entry.verifier, request, verified, Router((), (), "production"))
    assert [event.key_seconds for event in made.events] == [60 * 86_400]


def test_a_door_with_too_many_open_deliveries_answers_503_and_stays_unready(tmp_path: Path) -> None:
    source = {"provider": "github", "secrets": [SECRET]}
    with Webhooks(Hookline({"sources": {"github": source}}), tmp_path) as webhooks:
        ingest = webhooks._inside._ingest
        ingest.overfull = True
        assert webhooks.send("github", "push").status == 503
        assert ingest.trouble() == "backlog"
        ingest.overfull = False
        assert webhooks.send("github", "push").status == 200
        assert ingest.trouble() is None
