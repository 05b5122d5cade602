"""GitHub's own package in Node agrees with us. ``make`` installs it where npm is; elsewhere there is nothing to ask."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from provider_cases import NOW, practised

from hookline import providers
from hookline.errors import Rejected
from hookline.model import Request

MODULES = Path(sys.prefix) / "node" / "node_modules"
SECRET = providers.practice("github").secrets[0]

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (MODULES / "@octokit").is_dir(),
    reason="Node or the Octokit package is not here",
)

PROGRAM = """
import { sign, verify } from "@octokit/webhooks-methods";
import { readFileSync } from "node:fs";
const answers = [];
for (const { secret, body, signature } of JSON.parse(readFileSync(0, "utf8"))) {
  const asked = signature === null ? sign(secret, body) : verify(secret, body, signature).catch(() => false);
  answers.push(await asked);
}
console.log(JSON.stringify(answers));
"""


def octokit(*questions: dict[str, str | None]) -> list[object]:
    """Signatures for questions without one, verdicts for the others."""
    program = MODULES.parent / "oracle.mjs"
    program.write_text(PROGRAM)
    asked = subprocess.run(
        ["node", str(program)], input=json.dumps(questions), capture_output=True, text=True, check=True, timeout=60
    )
    answers: list[object] = json.loads(asked.stdout)
    return answers


def we_accept(body: str, signature: str) -> bool:
    headers = [
        (b"X-GitHub-Event", b"push"),
        (b"X-GitHub-Delivery", b"1"),
        (b"X-Hub-Signature-256", signature.encode()),
    ]
    request = Request(method="POST", target=b"/webhooks/github", headers=headers, body=body.encode(), received_at=NOW)
    try:
        practised("github").check(request, NOW)
    except Rejected:
        return False
    return True


def bodies(count: int) -> list[str]:
    chance = random.Random(20261123)
    alphabet = 'abc{}":, \n\t\u00e9\u4e16\U0001f600\\/'
    return ["".join(chance.choices(alphabet, k=chance.randint(1, 200))) for _ in range(count)]


def test_what_octokit_signs_is_accepted() -> None:
    texts = bodies(50)
    signatures = octokit(*({"secret": SECRET, "body": text, "signature": None} for text in texts))
    assert all(we_accept(text, str(signature)) for text, signature in zip(texts, signatures, strict=True))


def test_we_and_octokit_judge_alike() -> None:
    texts = bodies(40)
    right = octokit(*({"secret": SECRET, "body": text, "signature": None} for text in texts))
    cases = []
    for text, signature in zip(texts, map(str, right), strict=True):
        flipped = signature[:-1] + ("0" if signature[-1] != "0" else "1")
        cases += [
            (text, signature),
            (text, flipped),
            (text + " ", signature),
            (text, signature[:-2]),
            (text, signature.removeprefix("sha256=")),
            (text, "sha256=" + "0" * 64),
        ]
    verdicts = octokit(*({"secret": SECRET, "body": body, "signature": said} for body, said in cases))
    assert [we_accept(body, said) for body, said in cases] == verdicts
    assert verdicts.count(True) == len(texts)
