"""Positive controls: a fault that the crash tests are there to find is built in, and must be found."""

from __future__ import annotations

import random
from pathlib import Path

from checker import APP, Sender, examine, settle_everything

from rig import Gateway

EARLY = str(Path(__file__).with_name("early_ack.py"))


async def test_answering_before_the_commit_is_found_out(tmp_path: Path) -> None:
    chance = random.Random(7)
    gateway = Gateway(tmp_path, app=APP)
    lost: list[str] = []
    try:
        gateway.publish()
        gateway.start("worker", "app:hooks")
        gateway.start("ingest", "app:hooks", program=[EARLY])
        gateway.wait_until_ready()
        async with Sender(gateway.port, 7) as sender:
            for _ in range(20):
                await sender.more(chance.randint(20, 200))
                gateway.kill_all()
                stored = {name for (name,) in gateway.rows("select provider_id from events")}
                lost = [name for name, entry in sender.sent.items() if entry.acknowledged and name not in stored]
                gateway.start("ingest", "app:hooks", program=[EARLY])
                gateway.start("worker", "app:hooks")
                if lost:
                    break
        await settle_everything(gateway)
    finally:
        gateway.stop()
    assert lost, "twenty kills and nothing lost: the checker would not notice an early answer"
    assert not examine(gateway, sender.sent).clean
