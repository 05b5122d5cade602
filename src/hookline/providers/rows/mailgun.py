"""Mailgun: the signature is inside the body and covers a time and a token of its own, not the event."""

from __future__ import annotations

import re
from hmac import compare_digest
from urllib.parse import parse_qsl, urlencode

import msgspec

from hookline.errors import Rejected
from hookline.payload import parse
from hookline.providers.base import Provider
from hookline.providers.facts import BAD, MALFORMED, MISSING, Draft, Facts
from hookline.providers.fields import Time, first
from hookline.providers.items import UNREADABLE
from hookline.providers.schemes.base import Binding, Match, Stamp, within
from hookline.providers.schemes.mac import Mac, decode_key, hexadecimal

_STAMP = Stamp()
_TOKEN = re.compile("[0-9a-zA-Z_-]{1,128}").fullmatch


class _Signature(msgspec.Struct):
    timestamp: str | int
    token: str
    signature: str
    parent: str = msgspec.field(name="parent-signature", default="")
    """By the key of the primary account, where a subaccount's event is told."""


class _Body(msgspec.Struct):
    signature: _Signature


_decode = msgspec.json.Decoder(_Body).decode


class Inside(msgspec.Struct, frozen=True):
    """``signature.timestamp``, ``.token`` and ``.signature`` in JSON, or the three fields in a form."""

    def headers(self) -> tuple[str, ...]:
        return ()

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> InsideCheck:
        macs = [Mac(decode_key(s, "text", binding.secret_at(i))) for i, s in enumerate(binding.need_secrets())]
        return InsideCheck(macs, binding.tolerance)


class InsideCheck:
    sends_secret = False

    def __init__(self, macs: list[Mac], tolerance: float | None) -> None:
        self.macs = macs
        self.tolerance = tolerance

    def check(self, facts: Facts) -> Match:
        said = _read(facts)
        if not _TOKEN(said.token):
            raise Rejected(MALFORMED)
        raw_time = str(said.timestamp).encode("utf-8", "surrogatepass")
        signed_at = _STAMP.read(raw_time)
        given = [one.encode("utf-8", "surrogatepass") for one in (said.signature, said.parent)]
        matched = -1
        for index, mac in enumerate(self.macs):
            expected = hexadecimal(mac.digest((raw_time, said.token.encode())))
            if sum(compare_digest(expected, one) for one in given) and matched < 0:
                matched = index
        if matched < 0:
            raise Rejected(BAD)
        within(signed_at, facts.now, self.tolerance)
        return Match(matched, signed_at)

    def sign(self, draft: Draft) -> None:
        """Puts a fresh signature into a JSON object or a form."""
        time = _STAMP.write(draft.now)
        token = re.sub("[^0-9a-zA-Z]", "0", draft.id or "token").ljust(50, "0")[:50]
        signature = hexadecimal(self.macs[0].digest((time.encode(), token.encode()))).decode()
        fresh = {"timestamp": time, "token": token, "signature": signature}
        value = parse(draft.body)
        if isinstance(value, dict):
            draft.body = msgspec.json.encode(value | {"signature": fresh})
        else:
            pairs = [pair for pair in parse_qsl(draft.body.decode("utf-8", "replace")) if pair[0] not in fresh]
            draft.body = urlencode([*pairs, *fresh.items()]).encode()
            draft.set("Content-Type", "application/x-www-form-urlencoded")


def _read(facts: Facts) -> _Signature:
    if facts.body[:1] == b"{":
        try:
            return _decode(facts.body).signature
        except UNREADABLE as problem:
            raise Rejected(MISSING) from problem
    values = [facts.form_value(name) for name in ("timestamp", "token", "signature")]
    if not all(values):
        raise Rejected(MISSING)
    return _Signature(*(str(value) for value in values))


MAILGUN = Provider(
    name="mailgun",
    title="Mailgun",
    docs="https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
    scheme=Inside(),
    credential="the account's HTTP webhook signing key",
    type=first("body.event-data.event", "form.event"),
    id=first("body.event-data.id", "form.token"),
    occurred_at=Time(first("body.event-data.timestamp", "form.timestamp"), "s"),
    subject=first("body.event-data.recipient", "form.recipient"),
    volatile=("signature",),
    # Mailgun asks not to be strict here; its retries go on for eight hours.
    tolerance=43_200,
    signs_time=True,
    notes="The signature does not cover the event itself: whoever has seen one could write another. Insist on HTTPS.",
)
