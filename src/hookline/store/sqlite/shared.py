"""What the processes of one store know and nobody else does."""

from __future__ import annotations

import secrets

from hookline.store.sqlite.tx import Tx


def shared_key(tx: Tx) -> bytes:
    """32 random bytes, made by whoever asks first: what marks a sample of our own at the door."""
    row = tx.one("meta", name="shared_key")
    if row is not None:
        return bytes.fromhex(row[0])
    key = secrets.token_bytes(32)
    tx.run("set_meta", name="shared_key", value=key.hex())
    return key
