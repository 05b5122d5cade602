"""When the disk is full or broken: 503, never a 2xx for an event that could be lost, and back without a restart."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

from checker import APP, Sender, examine, settle_everything

from rig import Gateway, github, until, wait_for

BROKEN = str(Path(__file__).with_name("broken_disk.py"))


async def test_a_full_disk_is_a_503_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP)
    try:
        gateway.publish()
        door = gateway.start("ingest", "app:hooks")
        gateway.start("worker", "app:hooks")
        gateway.wait_until_ready()
        # No file of the door's process may grow beyond what the log has now and a little: as if the disk were full.
        resource.prlimit(door.pid, resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        async with Sender(gateway.port, 3) as sender:
            await until(lambda: sender.answers[503] > 50, "the door to say that it is full")
            full = sender.acknowledged
            assert set(sender.answers) <= {200, 503}, sender.answers
            resource.prlimit(door.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await sender.more(100)
            assert sender.acknowledged > full
        await settle_everything(gateway)
        assert door.poll() is None, "it needed a restart"
    finally:
        gateway.stop()
    findings = examine(gateway, sender.sent)
    assert findings.clean, str(findings)


def test_a_refusal_for_a_full_disk_tells_when_to_come_again(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP, config='[limits]\ndisk_refuse = "1000TiB"\ndisk_warn = "1001TiB"\n')
    try:
        gateway.start("ingest", "app:hooks")
        wait_for(gateway.listens, "the door")
        status, headers, _ = gateway.post(github({"ref": "full"}, "d1"))
        assert status == 503
        assert int(headers["retry-after"]) > 0
        assert gateway.get("/readyz")[0] == 503
        assert gateway.get("/healthz")[0] == 200
        assert gateway.rows("select count(*) from events") == [(0,)]
    finally:
        gateway.stop()


def test_after_a_failed_fsync_nothing_is_acknowledged_until_the_process_is_replaced(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP)
    try:
        broken = gateway.start("ingest", "app:hooks", program=[BROKEN])
        gateway.wait_until_ready()
        assert gateway.post(github({"ref": "before"}, "before"))[0] == 200
        (tmp_path / "fail-fsync").touch()
        assert gateway.post(github({"ref": "during"}, "during"))[0] == 503
        (tmp_path / "fail-fsync").unlink()
        # The disk seems well again, but what this process wrote before may be gone: it must not go on as before.
        with suppress(OSError):
            assert gateway.post(github({"ref": "after"}, "after"))[0] == 503
        wait_for(lambda: broken.poll() not in (None, 0), "its end, which a supervisor sees")
        gateway.kill_all()
        gateway.start("ingest", "app:hooks")
        gateway.wait_until_ready()
        assert gateway.post(github({"ref": "during"}, "during"))[0] == 200
        assert {name for (name,) in gateway.rows("select provider_id from events")} == {"before", "during"}
    finally:
        gateway.stop()
