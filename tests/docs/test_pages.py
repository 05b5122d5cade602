"""Every page does what it says."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import DOCS, Reader

from hookline.testing import signed
from rig import wait_for


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.leave()


def test_the_tutorial_leads_to_a_handled_webhook(reader: Reader) -> None:
    reader.follow("tutorial.md")
    assert "was pushed to" in reader.log()
    assert wait_for(lambda: "paid: in_1" in reader.log(), "the second attempt")


def test_handlers_can_be_tested_as_the_page_says(reader: Reader) -> None:
    reader.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = ""
    reader.follow("how-to/test-your-handlers.md")
    assert "5 passed" in reader._output("pytest -q")


def test_a_fastapi_app_receives_and_its_worker_handles(reader: Reader) -> None:
    reader.follow("how-to/fastapi.md")
    reader._start("uvicorn web:web")
    secret = reader.environment["GITHUB_WEBHOOK_SECRET"]
    sample = signed("github", "push", secret)
    headers = {name.decode(): value.decode() for name, value in sample.headers}
    request = urllib.request.Request(f"{reader.web_url}/hooks/webhooks/github", sample.body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    wait_for(lambda: "was pushed to" in reader.log(), "the worker to handle it")


PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", [*PAGES, "../README.md", "../CHANGELOG.md", "../CONTRIBUTING.md"])
def test_every_link_of_a_page_leads_to_a_page(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (DOCS / page).read_text()):
        assert (DOCS / page).parent.joinpath(target).exists(), f"{page} links to {target}"


def test_every_page_is_in_the_index() -> None:
    listed = set(re.findall(r"\]\(([^)#]+\.md)\)", (DOCS / "README.md").read_text()))
    assert listed == set(PAGES) - {"README.md"}


def test_what_is_written_in_a_transaction_is_written_once(reader: Reader) -> None:
    reader.follow("how-to/write-exactly-once.md")
