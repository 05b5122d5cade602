"""Standard Webhooks (https://www.standardwebhooks.com), which many speak: HMAC (v1) and Ed25519 (v1a)."""

from __future__ import annotations

import base64
import re
from hmac import compare_digest

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519

from hookline.errors import ConfigError, Rejected
from hookline.providers.facts import BAD, MALFORMED, MISSING, Draft, Facts
from hookline.providers.schemes.base import MAX_SIGNATURES, Binding, Match, Stamp, within
from hookline.providers.schemes.mac import Mac, base64_text, decode_key
from hookline.providers.schemes.publickey import strict_base64, verify

Key = Mac | ed25519.Ed25519PublicKey
_STAMP = Stamp()
# An id with a dot could be split from its timestamp elsewhere: one signature for two messages.
_ID = re.compile(rb"[!-\-/-~]{1,256}").fullmatch


class StandardWebhooks(msgspec.Struct, frozen=True, kw_only=True):
    """Headers ``<prefix>id``, ``<prefix>timestamp`` and ``<prefix>signature``; the first prefix signs."""

    prefixes: tuple[str, ...] = ("webhook-",)

    def headers(self) -> tuple[str, ...]:
        return tuple(prefix + name for prefix in self.prefixes for name in ("id", "timestamp", "signature"))

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> StandardCheck:
        keys: list[Key] = []
        private = None
        for index, secret in enumerate(binding.need_secrets()):
            key, seed = _read(secret, binding.secret_at(index))
            keys.append(key)
            private = seed if index == 0 else private
        return StandardCheck(self, keys, private, binding)


class StandardCheck:
    sends_secret = False

    def __init__(
        self,
        scheme: StandardWebhooks,
        keys: list[Key],
        private: ed25519.Ed25519PrivateKey | None,
        binding: Binding,
    ) -> None:
        self.keys = keys
        self.private = private
        self.tolerance = binding.tolerance
        self.where = binding.where
        self.prefix = scheme.prefixes[0]
        self._names = [
            (f"{prefix}id".encode(), f"{prefix}timestamp".encode(), f"{prefix}signature".encode())
            for prefix in scheme.prefixes
        ]

    def check(self, facts: Facts) -> Match:
        found = facts.found
        names = next((names for names in self._names if names[2] in found), None)
        if names is None:
            raise Rejected(MISSING)
        id_name, time_name, signature_name = names
        name = found.get(id_name)
        if name is None:
            raise Rejected("missing id")
        if not _ID(name):
            raise Rejected("malformed id")
        raw_time = found.get(time_name)
        signed_at = _STAMP.read(raw_time)
        start = name + b"." + (raw_time or b"") + b"."
        macs, signatures = _split(found[signature_name])
        if not macs and not signatures:
            raise Rejected(MALFORMED)
        matched = -1
        for index, key in enumerate(self.keys):
            if self._fits(key, start, facts.body, macs, signatures) and matched < 0:
                matched = index
        if matched < 0:
            raise Rejected(BAD)
        within(signed_at, facts.now, self.tolerance)
        return Match(matched, signed_at)

    def _fits(self, key: Key, start: bytes, body: bytes, macs: list[bytes], signatures: list[bytes]) -> bool:
        if isinstance(key, Mac):
            expected = base64_text(key.digest((start, body)))
            return sum(compare_digest(expected, given) for given in macs) > 0
        return sum(verify(key, signature, start + body) for signature in signatures) > 0

    def sign(self, draft: Draft) -> None:
        name = draft.id or "msg_test"
        written = _STAMP.write(draft.now)
        start = f"{name}.{written}.".encode()
        key = self.keys[0]
        if isinstance(key, Mac):
            signature = b"v1," + base64_text(key.digest((start, draft.body)))
        elif self.private is not None:
            signature = b"v1a," + base64.b64encode(self.private.sign(start + draft.body))
        else:
            raise ConfigError(f"{self.where}: only the provider has the private key, so nothing can be signed here")
        draft.set(f"{self.prefix}id", name)
        draft.set(f"{self.prefix}timestamp", written)
        draft.set(f"{self.prefix}signature", signature)


def _split(header: bytes) -> tuple[list[bytes], list[bytes]]:
    """The v1 signatures as sent, and the v1a ones decoded. Others are not ours to judge; odd ones are skipped."""
    macs: list[bytes] = []
    signatures: list[bytes] = []
    for item in header.split(b" ", MAX_SIGNATURES)[:MAX_SIGNATURES]:
        version, _, value = item.partition(b",")
        if version == b"v1":
            macs.append(value)
        elif version == b"v1a":
            try:
                raw = strict_base64(value)
            except ValueError:
                continue
            if base64.b64encode(raw) == value:
                signatures.append(raw)
    return macs, signatures


def _read(secret: str, where: str) -> tuple[Key, ed25519.Ed25519PrivateKey | None]:
    """``whsec_`` (or bare base64) is shared; ``whpk_`` and ``whsk_`` are the halves of an Ed25519 key."""
    if not secret.startswith(("whpk_", "whsk_")):
        return Mac(decode_key(secret, "whsec", where)), None
    prefix, _, rest = secret.partition("_")
    raw = decode_key(rest, "base64", where)
    if prefix == "whpk" and len(raw) == 32:
        return ed25519.Ed25519PublicKey.from_public_bytes(raw), None
    if prefix == "whsk" and len(raw) in (32, 64):
        private = ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32])
        return private.public_key(), private
    raise ConfigError(f'{where}: 32 bytes are wanted after "{prefix}_", these are {len(raw)} — copy it again')
