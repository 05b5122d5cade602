"""Trains a compression dictionary for each source from what it has sent lately."""

from __future__ import annotations

import asyncio

from hookline.store.compress import FEWEST_SAMPLES, PLAIN, Codec, train
from hookline.store.sqlite.claim import learn_dictionary
from hookline.store.sqlite.tx import Transactions, Tx

SAMPLES = 1_000
"""Requests to learn from."""
SAMPLE_BYTES = 8 << 20
"""Of all samples together; a body longer than 64 KiB counts with its start."""
LONGEST_SAMPLE = 65_536
GAIN = 0.9
"""A new dictionary must make what came lately this much smaller than the old one."""


async def train_dictionaries(store: Transactions) -> list[str]:
    """A dictionary for every source that has sent enough and whose present one (or none) does worse; returns their
    names. What is stored already stays as it is."""
    trained = []
    for source in await store.read(_sources):
        samples = await store.read(_samples, source)
        made = await asyncio.to_thread(_better, *samples)
        if made is not None:
            await store.write(_keep, source, made)
            trained.append(source)
    return trained


def _sources(tx: Tx) -> list[str]:
    return [row[0] for row in tx.run("event_sources")]


def _samples(tx: Tx, source: str) -> tuple[list[bytes], bytes | None]:
    """What the source sent lately, and its present dictionary."""
    codec = Codec()
    samples: list[bytes] = []
    size = 0
    for dictionary, packed in tx.run("lately", source=source, limit=SAMPLES):
        if not codec.knows(dictionary):
            learn_dictionary(tx, codec, dictionary)
        sample = codec.unpack(dictionary, packed)[:LONGEST_SAMPLE]
        size += len(sample)
        if size > SAMPLE_BYTES:
            break
        samples.append(sample)
    present = tx.one("present_dictionary", source=source)
    return samples, present[0] if present is not None else None


def _better(samples: list[bytes], present: bytes | None) -> bytes | None:
    """A new dictionary, if it is worth a new one. Judged on samples that it was not made from."""
    if len(samples) < FEWEST_SAMPLES:
        return None
    judged, learned = samples[::5], [sample for index, sample in enumerate(samples) if index % 5]
    made = train(learned)
    return made if made is not None and _size(made, judged) < GAIN * _size(present, judged) else None


def _size(dictionary: bytes | None, samples: list[bytes]) -> int:
    codec = Codec()
    if dictionary is not None:
        codec.learn(PLAIN + 1, "", dictionary)
    return sum(len(codec.pack("", sample)[1][0]) for sample in samples)


def _keep(tx: Tx, source: str, data: bytes) -> None:
    tx.run("insert_dictionary", source=source, now=tx.now, data=data)
