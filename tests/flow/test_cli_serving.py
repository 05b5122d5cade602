"""Commands against a running Hookline: a sample goes through the real door, fails, is explained, and is replayed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from rig import SECRET, Gateway, wait_for

APP = """
    from pathlib import Path
    from hookline import Fail, Hookline

    hooks = Hookline()

    @hooks.on("github", "push")
    def pushed(event):
        if not Path("mended").exists():
            raise Fail("the shop is closed")
"""
ADMIN_TOKEN = "admin-token-of-these-tests"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    running = Gateway(
        tmp_path_factory.mktemp("serving"),
        app=APP,
        environment={"HOOKLINE_ADMIN_TOKEN": ADMIN_TOKEN, "HOOKLINE_TOKEN": ADMIN_TOKEN},
    )
    running.start("serve", "app:hooks")
    try:
        running.wait_until_ready()
        wait_for(lambda: running.run("events", "list", *server(running)).returncode == 0, "the admin door")
        yield running
    finally:
        running.stop(signal.SIGTERM)


def server(gateway):
    return ("--server", f"http://127.0.0.1:{gateway.admin_port}")


def objects(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_sample_is_sent_fails_is_explained_and_replayed(gateway):
    [sent] = objects(gateway.run("trigger", "github", "push", "--run", "--yes", "--json"))
    assert (sent["status"], sent["runs"]) == (200, True)
    wait_for(lambda: objects(gateway.run("events", "list", "--json"))[0]["status"] == "failed", "the failure")
    story = gateway.run("explain", "latest", *server(gateway)).stdout
    assert "trigger, not sent by the provider" in story
    assert "the shop is closed" in story
    (gateway.directory / "mended").touch()
    [job] = objects(gateway.run("replay", sent["provider_id"], "--json", *server(gateway)))
    assert job["state"] == "done"
    wait_for(lambda: objects(gateway.run("events", "show", "latest", "--json"))[0]["status"] == "processed", "success")
    assert "replayed by hand" in gateway.run("explain", "latest").stdout


def test_a_sample_of_a_live_source_runs_nothing_unless_told(gateway):
    assert gateway.run("trigger", "github", "push").returncode == 2, "nobody is here to answer"
    [sent] = objects(gateway.run("trigger", "github", "push", "--yes", "--json", *server(gateway)))
    assert not sent["runs"]
    [event] = objects(gateway.run("events", "show", sent["provider_id"], "--json"))
    assert (event["status"], event["origin"], event["deliveries"]) == ("ignored", "trigger", [])
    assert "not to be run" in event["reason"]


@pytest.mark.parametrize("how", ["body", "signature"])
def test_a_spoiled_sample_is_rejected_and_its_fault_named(gateway, how):
    assert gateway.run("trigger", "github", "--tamper", how, "--yes").returncode == 0
    wait_for(lambda: objects(gateway.run("requests", "list", "-q", "outcome:rejected", "--json")), "the request log")
    done = gateway.run("verify", "latest")
    assert done.returncode == 3
    assert "not genuine" in done.stdout


def test_tail_follows_what_arrives(gateway):
    process = subprocess.Popen(
        [sys.executable, "-m", "hookline", "events", "tail", "--json", *server(gateway)],
        cwd=gateway.directory,
        env={**gateway.environment, "PYTHONUNBUFFERED": "1", "PATH": ""},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        seen: list[str] = []

        def arrived():
            [sent] = objects(gateway.run("trigger", "github", "push", "--yes", "--json"))
            seen.append(sent["provider_id"])
            return len(seen) > 1

        wait_for(arrived, "two samples")
        assert json.loads(process.stdout.readline())["provider_id"] in seen
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_doctor_finds_a_running_installation_well(gateway):
    done = gateway.run("doctor", "--json")
    found = {row["name"]: row for row in objects(done)} if done.returncode == 0 else {}
    assert found, done.stdout + done.stderr
    assert (found["public door"]["state"], found["admin door"]["state"]) == ("ok", "ok")


def test_metrics_sum_the_processes(gateway):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=10)
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'hookline_requests_total{outcome="accepted",reason="",source="github"}' in text
    assert 'hookline_attempts_total{destination="app.pushed"' in text


def test_no_log_line_carries_a_secret(gateway):
    for canary in (SECRET, ADMIN_TOKEN):
        assert canary not in gateway.log
    assert '"message":"attempt"' in gateway.log, "there was something to say"
