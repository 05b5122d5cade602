"""What the processes do besides the walk: reload, metrics of all of them, keys that must be fetched."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest

from hookline.destinations.client import Client
from hookline.destinations.netguard import Guard
from hookline.errors import Unavailable
from hookline.providers import Keys
from hookline.providers.keys import MAX_WANTED
from hookline.runtime.counting import Counting, others
from hookline.runtime.keyring import MOST, fetch_due
from rig import Gateway, github, wait_for

APP = """
    from hookline import Hookline

    hooks = Hookline()


    @hooks.on("*")
    async def handle(event):
        pass
"""

KEY_SET = (
    b'{"keys": [{"kty": "EC", "crv": "P-256", "kid": "one",'
    b' "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",'
    b' "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}]}'
)


async def test_the_counters_of_a_process_are_found_by_the_others_and_forgotten_with_it(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio, pathlib, sys\n"
            "from hookline import telemetry\n"
            "from hookline.model import RequestOutcome\n"
            "from hookline.runtime.counting import Counting\n"
            "telemetry.requested('github', RequestOutcome.ACCEPTED, '', 200, 0.001, 7)\n"
            "async def main():\n"
            f"    await Counting(pathlib.Path({str(store)!r}), 'ingest').start()\n"
            "    print('ready', flush=True)\n"
            "    await asyncio.Event().wait()\n"
            "asyncio.run(main())\n",
        ],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    await asyncio.to_thread(child.stdout.readline)
    mine = Counting(store, "admin")
    await mine.start()
    try:
        [text] = await others(store)()
        assert re.search(r'hookline_requests_total{.*source="github".*} 1\.0', text)
    finally:
        child.kill()
        child.communicate()
    assert await others(store)() == []
    assert len(list((tmp_path / "store.db-metrics").iterdir())) == 1
    mine.stop()


async def test_a_key_that_is_wanted_is_fetched_once_a_minute_at_most() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(KEY_SET) + KEY_SET)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    client, keys, fetched = Client(Guard(["127.0.0.1"])), Keys(), dict[str, float]()
    with pytest.raises(Unavailable):
        keys.get(url, "one")
    await fetch_due(client, keys, fetched, 1_000.0)
    assert keys.get(url, "one")
    for moment, requests in ((1_001.0, 1), (1_059.0, 1), (1_061.0, 2)):
        with pytest.raises(Unavailable):
            keys.get(url, "a stranger's invention")
        await fetch_due(client, keys, fetched, moment)
        assert len(asked) == requests
    await client.close()
    server.close()


async def test_a_key_for_customers_is_asked_for_by_its_id() -> None:
    asked: list[dict[str, str]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: ([0-9]+)", head.lower())
        assert found is not None
        asked.append(json.loads(await reader.readexactly(int(found[1]))))
        known = asked[-1]["key_id"] == "one"
        body = json.dumps({"key": json.loads(KEY_SET)["keys"][0]}).encode() if known else b"{}"
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (200 if known else 400, len(body)) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/key"
    client, keys = Client(Guard(["127.0.0.1"])), Keys()
    keys.questions[url] = {"client_id": "us", "secret": "api-secret"}
    for kid in ("one", "a stranger's invention"):
        with pytest.raises(Unavailable):
            keys.get(url, kid)
    await fetch_due(client, keys, {}, 0.0)
    assert keys.get(url, "one")
    assert not keys.wanted
    assert sorted(one["key_id"] for one in asked) == ["a stranger's invention", "one"]
    assert {one["secret"] for one in asked} == {"api-secret"}
    await client.close()
    server.close()


async def test_keys_are_not_fetched_from_inside() -> None:
    client, keys, fetched = Client(Guard([])), Keys(), dict[str, float]()
    with pytest.raises(Unavailable):
        keys.get("http://127.0.0.1:1/keys", "one")
    await fetch_due(client, keys, fetched, 0.0)
    assert fetched
    with pytest.raises(Unavailable):
        keys.get("http://127.0.0.1:1/keys", "one")
    await client.close()


async def test_urls_that_strangers_invent_do_not_keep_out_the_one_that_is_needed() -> None:
    client, keys, fetched = Client(Guard([])), Keys(), dict[str, float]()
    invented = [f"http://127.0.0.1:1/{number}" for number in range(MAX_WANTED)]
    for moment in (0.0, 1.0):  # those that failed a second ago are wanted again
        for url in invented:
            with pytest.raises(Unavailable):
                keys.get(url)
        await fetch_due(client, keys, fetched, moment)
        with pytest.raises(Unavailable):
            keys.get("http://127.0.0.1:1/needed")
        assert "http://127.0.0.1:1/needed" in keys.wanted
        keys.wanted.clear()
    await client.close()


async def test_only_so_many_urls_of_strangers_are_fetched_a_minute() -> None:
    client, keys, fetched = Client(Guard([])), Keys(), dict[str, float]()
    for moment in range(10):
        for number in range(20):
            with pytest.raises(Unavailable):
                keys.get(f"http://127.0.0.1:1/{moment}-{number}")
        await fetch_due(client, keys, fetched, float(moment))
    assert len(fetched) == MOST
    keys.wanted.clear()
    with pytest.raises(Unavailable):
        keys.get("http://127.0.0.1:1/later")
    await fetch_due(client, keys, fetched, 70.0)
    assert list(fetched) == ["http://127.0.0.1:1/later"]
    await client.close()


def test_a_reload_takes_the_new_file_and_refuses_a_faulty_one(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP)
    try:
        serving = gateway.start("serve", "app:hooks")
        gateway.wait_until_ready()
        file = tmp_path / "hookline.toml"
        good = file.read_text()
        file.write_text(good + "\n[sources.nonsense]\nprovider = 7\n")
        serving.send_signal(signal.SIGHUP)
        wait_for(lambda: "not reloaded" in gateway.log, "the refusal")
        assert gateway.post(github({"a": 1}, "one"))[0] == 200
        file.write_text(good + '\n[sources.second]\nprovider = "github"\nsecrets = ["env:HOOKS_SECRET"]\n')
        serving.send_signal(signal.SIGHUP)
        wait_for(lambda: gateway.send("POST", "/webhooks/second", {}, b"{}")[0] == 401, "the new source")
        assert gateway.post(github({"a": 2}, "two"))[0] == 200
    finally:
        gateway.stop()


def test_events_that_came_before_the_app_could_be_loaded_are_delivered_once_it_is(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app="this is no Python")
    try:
        serving = gateway.start("serve", "app:hooks")
        gateway.wait_until_ready()
        assert gateway.post(github({"a": 1}, "early"))[0] == 200
        assert gateway.rows("select status, hold from events") == [("needs_review", "app not loaded")]
        (tmp_path / "app.py").write_text(dedent(APP))
        serving.send_signal(signal.SIGHUP)
        wait_for(lambda: gateway.rows("select status from events") == [("processed",)], "the delivery")
    finally:
        gateway.stop()


def test_events_that_came_before_the_app_could_be_loaded_are_delivered_after_a_restart_too(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app="this is no Python")
    try:
        gateway.start("serve", "app:hooks")
        gateway.wait_until_ready()
        assert gateway.post(github({"a": 1}, "early"))[0] == 200
        gateway.kill_all()
        (tmp_path / "app.py").write_text(dedent(APP))  # by the next start, the app is published before the door opens
        gateway.start("serve", "app:hooks")
        wait_for(lambda: gateway.rows("select status from events") == [("processed",)], "the delivery")
    finally:
        gateway.stop()


def test_a_secret_that_comes_by_handshake_is_taken_once_and_only_while_it_is_expected(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP, config='[sources.asana]\nprovider = "asana"\n')
    shake = {"X-Hook-Secret": "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5"}
    try:
        gateway.start("serve", "app:hooks")
        gateway.wait_until_ready()
        assert gateway.send("POST", "/webhooks/asana", shake, b"{}")[0] == 503  # no secret yet, and none expected
        assert gateway.run("sources", "expect", "asana", "--yes").returncode == 0
        answer = wait_for(
            lambda: (found := gateway.send("POST", "/webhooks/asana", shake, b"{}"))[0] == 200 and found,
            "the handshake",
        )
        assert answer[1]["x-hook-secret"] == shake["X-Hook-Secret"]
        body = b'{"events": [{"action": "changed", "resource": {"gid": "1", "resource_type": "task"}}]}'
        signature = hmac.digest(shake["X-Hook-Secret"].encode(), body, "sha256").hex()
        wait_for(
            lambda: gateway.send("POST", "/webhooks/asana", {"X-Hook-Signature": signature}, body)[0] == 200, "an event"
        )
        other = {"X-Hook-Secret": "another-secret-of-a-stranger-0123456789"}
        assert gateway.send("POST", "/webhooks/asana", other, b"{}")[0] == 401
        assert gateway.run("sources", "expect", "nobody").returncode == 4
    finally:
        gateway.stop()


def test_two_ingest_processes_store_an_event_once_whichever_gets_its_copies(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app=APP, environment={"HOOKLINE_SERVER__INGEST": "2"})
    try:
        gateway.start("serve", "app:hooks")
        gateway.wait_until_ready()
        wait_for(lambda: len(gateway.playing("ingest")) == 2, "two ingest processes")
        copies = [github({"n": number}, f"event-{number}") for number in range(60) for _ in range(4)]
        with ThreadPoolExecutor(16) as senders:
            answers = Counter(answer[0] for answer in senders.map(gateway.post, copies))
        assert answers == {200: 240}
        assert gateway.rows("select count(*), sum(duplicates) from events") == [(60, 180)]
    finally:
        gateway.stop()


def test_strict_refuses_to_start_with_an_app_that_cannot_be_imported(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, app="this is no Python")
    refused = gateway.run("serve", "app:hooks", "--strict")
    assert refused.returncode == 3
    assert "SyntaxError" in refused.stderr
