"""Requests to send: signed, distinct, and varied enough that compression gains what it would gain in life.

A payload here is shaped like the provider's own: the addresses of a repository repeat within and between events (of
sixty repositories and two hundred people), hashes and ids are random, texts are drawn from a vocabulary by Zipf's law.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import random
import time
from collections.abc import Callable
from functools import lru_cache

SECRET = b"bench-secret-that-is-long-enough"
HOST = b"hooks.example.com"

_REPOSITORY_PATHS = (
    "forks", "keys{/key_id}", "collaborators{/collaborator}", "teams", "hooks", "issues/events{/number}", "events",
    "assignees{/user}", "branches{/branch}", "tags", "git/blobs{/sha}", "git/tags{/sha}", "git/refs{/sha}",
    "git/trees{/sha}", "statuses/{sha}", "languages", "stargazers", "contributors", "subscribers", "subscription",
    "commits{/sha}", "git/commits{/sha}", "comments{/number}", "issues/comments{/number}", "contents/{+path}",
    "compare/{base}...{head}", "merges", "{archive_format}{/ref}", "downloads", "issues{/number}", "pulls{/number}",
    "milestones{/number}", "notifications{?since,all,participating}", "labels{/name}", "releases{/id}", "deployments",
)  # fmt: skip
_USER_PATHS = (
    "followers", "following{/other_user}", "gists{/gist_id}", "starred{/owner}{/repo}", "subscriptions", "orgs",
    "repos", "events{/privacy}", "received_events",
)  # fmt: skip


class Varied:
    """The chance behind a series of payloads: one seed, one series."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        words = random.Random(7)
        self.vocabulary = [
            "".join(words.choices("etaoinshrdlucmfwypvbgkjq", k=words.randint(2, 10))) for _ in range(3000)
        ]
        self.weights = list(itertools.accumulate(1 / (rank + 2) for rank in range(3000)))
        self.users = [self.user(name) for name in self.vocabulary[500:700]]
        self.repositories = [self.repository(name) for name in self.vocabulary[800:860]]

    def text(self, words: int) -> str:
        return " ".join(self.random.choices(self.vocabulary, cum_weights=self.weights, k=words))

    def sha(self) -> str:
        return f"{self.random.getrandbits(160):040x}"

    def number(self, below: int = 10**9) -> int:
        return int(self.random.random() * below)

    def user(self, name: str) -> tuple[str, str]:
        number = self.number()
        base = f"https://api.github.com/users/{name}"
        addresses = ",".join(f'"{path.partition("{")[0]}_url":"{base}/{path}"' for path in _USER_PATHS)
        return name, (
            f'{{"login":"{name}","id":{number},"node_id":"MDQ6VXNlcj{number}","avatar_url":"https://avatars1.'
            f'githubusercontent.com/u/{number}?v=4","gravatar_id":"","url":"{base}","html_url":"https://github.com/{name}",'
            f'{addresses},"type":"User","site_admin":false}}'
        )

    def repository(self, name: str) -> tuple[str, str]:
        full = f"{name}/{name}-service"
        base = f"https://api.github.com/repos/{full}"
        addresses = ",".join(
            f'"{path.partition("{")[0].strip("/").replace("/", "_")}_url":"{base}/{path}"' for path in _REPOSITORY_PATHS
        )
        return full, (
            f'{{"id":{self.number()},"name":"{name}-service","full_name":"{full}","private":false,"owner":'
            f'{self.user(name)[1]},"html_url":"https://github.com/{full}","description":"{self.text(8)}","fork":false,'
            f'"url":"{base}",{addresses},"created_at":{self.number()},"git_url":"git://github.com/{full}.git",'
            f'"ssh_url":"git@github.com:{full}.git","clone_url":"https://github.com/{full}.git","homepage":null,'
            '"language":"Python","has_issues":true,"has_projects":true,"has_downloads":true,"has_wiki":true,'
            '"has_pages":false,"mirror_url":null,"archived":false,"disabled":false,"license":null,'
            '"default_branch":"main","master_branch":"main"'
        )

    def commit(self, full: str) -> str:
        sha, user = self.sha(), self.random.choice(self.users)[0]
        person = f'{{"name":"{user}","email":"{user}@users.noreply.github.com","username":"{user}"}}'
        return (
            f'{{"id":"{sha}","tree_id":"{self.sha()}","distinct":true,"message":"{self.text(14)}","timestamp":'
            f'"2026-11-{1 + self.number(28):02}T{self.number(24):02}:{self.number(60):02}:{self.number(60):02}Z","url":'
            f'"https://github.com/{full}/commit/{sha}","author":{person},"committer":{person},"added":[],"removed":[],'
            f'"modified":["src/{self.text(1)}/{self.text(1)}.py"]}}'
        )

    def push(self) -> bytes:
        """A GitHub push of one commit: about 7 KB."""
        full, repository = self.random.choice(self.repositories)
        sender, sender_json = self.random.choice(self.users)
        commit = self.commit(full)
        before, after = self.sha(), self.sha()
        return (
            f'{{"ref":"refs/heads/{self.text(1)}","before":"{before}","after":"{after}","created":false,"deleted":false,'
            f'"forced":false,"base_ref":null,"compare":"https://github.com/{full}/compare/{before[:12]}...{after[:12]}",'
            f'"commits":[{commit}],"head_commit":{commit},"repository":{repository},"updated_at":'
            f'"2026-11-{1 + self.number(28):02}T{self.number(24):02}:10:11Z","pushed_at":{self.number()},"size":'
            f'{self.number(99999)},"stargazers_count":{self.number(9999)},"watchers_count":{self.number(9999)},'
            f'"forks_count":{self.number(999)},"open_issues_count":{self.number(99)}}},"pusher":{{"name":"{sender}",'
            f'"email":"{sender}@users.noreply.github.com"}},"sender":{sender_json}}}'
        ).encode()

    def refund(self, number: int) -> bytes:
        """A Stripe event of about 1 KB."""
        charge, created = f"ch_{self.sha()[:24]}", int(time.time())
        return (
            f'{{\n "id": "evt_{self.sha()[:16]}{number:08x}",\n "object": "event",\n "api_version": "2026-08-26",\n'
            f' "created": {created},\n "data": {{\n  "object": {{\n   "amount": {self.number(100000)},\n'
            f'   "balance_transaction": "txn_{self.sha()[:20]}",\n   "charge": "{charge}",\n   "created": {created},\n'
            '   "currency": "eur",\n   "destination_details": {\n    "card": {\n     "type": "reversal"\n    },\n'
            f'    "type": "card"\n   }},\n   "id": "re_{self.sha()[:9]}",\n   "metadata": {{"order": "{self.number()}",'
            f' "note": "{self.text(18)}"}},\n   "object": "refund",\n   "payment_intent": "pi_{self.sha()[:22]}",\n'
            f'   "reason": "{self.text(4)}",\n   "receipt_number": null,\n   "source_transfer_reversal": null,\n'
            '   "status": "succeeded",\n   "transfer_reversal": null,\n'
            f'   "customer": "cus_{self.sha()[:14]}",\n   "customer_account": null,\n   "method": null\n  }}\n }},\n'
            f' "livemode": true,\n "pending_webhooks": 1,\n "request": {{\n  "id": "req_{self.sha()[:14]}",\n'
            '  "idempotency_key": null\n },\n "type": "refund.created"\n}'
        ).encode()


def github_headers(body: bytes, delivery: str) -> bytes:
    """What GitHub sends beside the body, less the request line and Content-Length."""
    signature = hmac.digest(SECRET, body, "sha256").hex()
    return (
        f"User-Agent: GitHub-Hookshot/1c8e1f5\r\nAccept: */*\r\nX-GitHub-Delivery: {delivery}\r\n"
        "X-GitHub-Event: push\r\n"
        f"X-GitHub-Hook-ID: 292430182\r\nX-GitHub-Hook-Installation-Target-ID: 79929171\r\n"
        f"X-GitHub-Hook-Installation-Target-Type: repository\r\nX-Hub-Signature-256: sha256={signature}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()


def stripe_headers(body: bytes) -> bytes:
    """What Stripe sends beside the body, signed for this second."""
    moment = int(time.time())
    signature = hmac.digest(SECRET, b"%d." % moment + body, hashlib.sha256).hex()
    return (
        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nAccept: */*; q=0.5, application/xml\r\n"
        f"Cache-Control: no-cache\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Stripe-Signature: t={moment},v1={signature}\r\n"
    ).encode()


def post(path: str, headers: bytes, body: bytes) -> bytes:
    """A whole HTTP/1.1 request."""
    return b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
        path.encode(), HOST, len(body), headers, body,
    )  # fmt: skip


def github7k(path: str, count: int, seed: int = 1) -> list[bytes]:
    """``count`` signed pushes of about 7 KB, each with its own delivery id and body."""
    varied = Varied(seed)
    run = varied.random.getrandbits(48)
    requests = []
    for number in range(count):
        body = varied.push()
        requests.append(post(path, github_headers(body, f"{number:08x}-72b5-11ee-9051-{run:012x}"), body))
    return requests


def stripe1k(path: str, count: int, seed: int = 1) -> list[bytes]:
    """``count`` signed Stripe events of about 1 KB; the signatures hold for five minutes."""
    varied = Varied(seed)
    requests = []
    for number in range(count):
        body = varied.refund(number)
        requests.append(post(path, stripe_headers(body), body))
    return requests


KINDS: dict[str, Callable[..., list[bytes]]] = {"github": github7k, "stripe": stripe1k}


@lru_cache(maxsize=6)
def kept(kind: str, path: str, count: int, seed: int) -> list[bytes]:
    """The same series again without making it again. Not for Stripe: its signatures age."""
    return KINDS[kind](path, count, seed)
