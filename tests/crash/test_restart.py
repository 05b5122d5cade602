"""A restart of any process refuses no connection: the listening socket outlives whoever serves it."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

from checker import APP, Sender, examine, settle_everything

from rig import Gateway


async def test_no_connection_is_refused_while_the_door_restarts(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP)
    gateway.start("serve", "app:hooks")
    try:
        gateway.wait_until_ready()
        async with Sender(gateway.port, 1) as sender:
            for _ in range(4):
                await sender.more(100)
                [door] = gateway.playing("ingest")
                door.kill()
            for _ in range(2):
                await sender.more(100)
                [door] = gateway.playing("ingest")
                door.terminate()
            await sender.more(100)
        await settle_everything(gateway)
    finally:
        gateway.stop()
    assert sender.refused == 0
    assert examine(gateway, sender.sent).clean


async def test_no_connection_is_refused_while_serve_restarts_on_a_socket_of_systemd(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP)
    with socket.create_server(("127.0.0.1", gateway.port), backlog=1024) as public:
        # systemd hands its sockets down as descriptor 3 and on, and names the process that they are for.
        command = 'exec 3<&"$0"; LISTEN_FDS=1 LISTEN_FDNAMES=public LISTEN_PID=$$ exec "$@"'
        serve = ["bash", "-c", command, str(public.fileno()), sys.executable, "-m", "hookline", "serve", "app:hooks"]
        try:
            gateway.start_command(serve, pass_fds=(public.fileno(),))
            gateway.wait_until_ready()
            async with Sender(gateway.port, 2) as sender:
                for end in (gateway.stop, gateway.kill_all, gateway.stop):
                    await sender.more(100)
                    await asyncio.to_thread(end)
                    gateway.start_command(serve, pass_fds=(public.fileno(),))
                await sender.more(100)
            await settle_everything(gateway)
        finally:
            gateway.stop()
    assert sender.refused == 0
    assert examine(gateway, sender.sent).clean
