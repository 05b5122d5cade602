"""Adyen: payments sign eight fields of every item; platforms sign the body in a header."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

import msgspec

from hookline.errors import ConfigError, Rejected
from hookline.model import Reply
from hookline.payload import dig, parse
from hookline.providers.base import Provider
from hookline.providers.facts import BAD, MALFORMED, MISSING, Draft, Facts
from hookline.providers.fields import Flag, Time, first, text, whole
from hookline.providers.items import UNREADABLE
from hookline.providers.schemes.base import Binding, Match
from hookline.providers.schemes.mac import Mac, base64_text, decode_key

_SIGNED = (
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "amount.value",
    "amount.currency",
    "eventCode",
    "success",
)
MAX_SIGNED_ITEMS = 100


class _Item(msgspec.Struct):
    raw: msgspec.Raw = msgspec.field(name="NotificationRequestItem")


class _Items(msgspec.Struct):
    items: list[_Item] = msgspec.field(name="notificationItems")


_decode = msgspec.json.Decoder(_Items).decode


def items(facts: Facts) -> list[bytes] | None:
    try:
        return [bytes(item.raw) for item in _decode(facts.document).items]
    except UNREADABLE:
        return None


class Adyen(msgspec.Struct, frozen=True):
    def headers(self) -> tuple[str, ...]:
        return ("HmacSignature", "Protocol")

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> AdyenCheck:
        keys = [decode_key(s, "hex", binding.secret_at(i)) for i, s in enumerate(binding.need_secrets())]
        return AdyenCheck([Mac(key) for key in keys])


class AdyenCheck:
    sends_secret = False

    def __init__(self, macs: list[Mac]) -> None:
        self.macs = macs

    def check(self, facts: Facts) -> Match:
        given = facts.found.get(b"hmacsignature")
        if given is not None:
            if facts.found.get(b"protocol", b"HmacSHA256").lower() != b"hmacsha256":
                raise Rejected("wrong algorithm")
            return Match(self._matching((facts.body,), given))
        found = items(facts)
        if not found:
            raise Rejected(MISSING)
        if len(found) > MAX_SIGNED_ITEMS:
            raise Rejected(MALFORMED)
        return Match(max(self._item(raw) for raw in found))  # one bad item refuses them all

    def sign(self, draft: Draft) -> None:
        """The items of a payments notification; any other body in the header."""
        value = parse(draft.body)
        listed = value.get("notificationItems") if isinstance(value, dict) else None
        if not isinstance(listed, list):
            draft.set("Protocol", "HmacSHA256")
            draft.set("HmacSignature", base64_text(self.macs[0].digest((draft.body,))))
            return
        for entry in listed:
            item = dig(entry, "NotificationRequestItem")
            if not isinstance(item, dict):
                raise ConfigError("notificationItems: every one holds a NotificationRequestItem")
            signature = base64_text(self.macs[0].digest((_joined(item),)))
            item["additionalData"] = (item.get("additionalData") or {}) | {"hmacSignature": signature.decode()}
        draft.body = msgspec.json.encode(value)

    def _item(self, raw: bytes) -> int:
        item = parse(raw)
        signature = dig(item, "additionalData.hmacSignature")
        if not isinstance(signature, str):
            raise Rejected(MISSING)
        return self._matching((_joined(item),), signature.encode("utf-8", "surrogatepass"))

    def _matching(self, parts: Sequence[bytes], given: bytes) -> int:
        fits = [compare_digest(base64_text(mac.digest(parts)), given) for mac in self.macs]
        if True not in fits:
            raise Rejected(BAD)
        return fits.index(True)


def _joined(item: Any) -> bytes:
    """Eight fields with colons between them, nothing escaped, the missing ones empty."""
    return ":".join(text(dig(item, path)) or "" for path in _SIGNED).encode("utf-8", "surrogatepass")


ADYEN = Provider(
    name="adyen",
    title="Adyen",
    docs="https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures/",
    scheme=Adyen(),
    credential="the webhook's HMAC key, in hex",
    type=first("body.eventCode", "body.type"),
    id=whole(":", "body.pspReference", "body.eventCode", "body.success"),
    occurred_at=Time(first("body.eventDate", "body.createdAt"), "iso"),
    subject=first("body.pspReference", "body.data.id", "body.data.accountHolder.id"),
    live=Flag(first("envelope.live", "body.environment"), live=("true", "live"), test=("false", "test")),
    split=items,
    item="notificationItems.0.NotificationRequestItem",
    ack=Reply(202),
    signs_id=True,
    notes="Payments sign eight fields of an item and nothing else of it: do not trust the others.",
)

ROWS = (ADYEN,)
