"""The independent vectors as requests, sources and keys."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from hookline import providers
from hookline.config import Source
from hookline.model import Request

DATA = Path(__file__).parent.parent / "data"

PLAID_KEYS = "https://production.plaid.com/webhook_verification_key/get"
GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
MICROSOFT_KEYS = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
JWKS = {"plaid": PLAID_KEYS, "google-pubsub": GOOGLE_KEYS, "msgraph": MICROSOFT_KEYS}


class Vector(msgspec.Struct, kw_only=True):
    id: str
    provider: str
    method: str
    url: str
    headers: dict[str, str]
    body_b64: str
    secrets: list[str]
    now_unix: float | None
    expect: str
    why: str
    config: dict[str, Any] = {}

    @property
    def body(self) -> bytes:
        return base64.b64decode(self.body_b64)

    @property
    def now(self) -> float:
        """The vector's own clock; where it has none, the moment at which the request says it was signed."""
        if self.now_unix is not None:
            return self.now_unix
        stamps = [v for k, v in self.headers.items() if "timestamp" in k.lower() and re.fullmatch("[0-9]{10}", v)]
        return float(stamps[0]) if stamps else 1_767_225_600.0

    @property
    def request(self) -> Request:
        path, _, query = self.url.partition("://")[2].partition("/")[2].partition("?")
        return Request(
            method=self.method,
            target=("/" + path + ("?" + query if query else "")).encode(),
            headers=[(name.encode(), value.encode()) for name, value in self.headers.items()],
            body=self.body,
            received_at=self.now,
        )

    def verifier(self) -> providers.Verifier:
        options = {key: value for key, value in self.config.items() if key not in ("jwks", "note")}
        keys = providers.Keys()
        if "jwks" in self.config:
            keys.put(JWKS[self.provider], json.dumps(self.config["jwks"]).encode())
        secrets = self.secrets
        if self.provider in ("aws-sns", "paypal"):  # the certificate that would have been fetched
            for url in (self.headers.get("PAYPAL-CERT-URL"), _certificate_url(self.body)):
                if url:
                    keys.put(url, self.secrets[0].encode())
        if self.provider in ("aws-sns", "paypal", "plaid", "google-pubsub"):
            secrets = []
        source = Source(
            name=self.provider,
            provider=self.provider,
            environment="production",
            path="/",
            url=self.url.partition("?")[0],
            options=options,
        )
        return providers.bind(source, secrets, keys)


def _certificate_url(body: bytes) -> str | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value.get("SigningCertURL") if isinstance(value, dict) else None


def _lines(name: str) -> list[bytes]:
    return (DATA / name).read_bytes().splitlines()


VECTORS = [msgspec.json.decode(line, type=Vector) for line in _lines("vectors.jsonl")]
HANDSHAKES: list[dict[str, Any]] = [json.loads(line) for line in _lines("handshakes.jsonl")]
