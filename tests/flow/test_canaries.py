"""No secret shows anywhere: marked ones go through a real Hookline, and everything that it writes, says and answers is
searched for them. One that is planted on purpose shows that the search finds what is there."""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import secrets
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import apsw
import psutil
import pytest

from hookline import ids
from hookline.store.compress import zstd
from rig import Gateway, billing, github, stripe, stripe_event, wait_for

PLANTED = f"planted-{secrets.token_hex(8)}"


def _made(name: str) -> str:
    return f"canary-{name}-{secrets.token_hex(12)}"


CANARIES = {
    "HOOKS_SECRET": _made("hooks"),
    "TOKEN_SECRET": _made("token"),
    "QUERY_SECRET": 'canary query/+&="é"-' + secrets.token_hex(8),
    "BASIC_SECRET": "sender:" + _made("basic"),
    "STANDARD_SECRET": "whsec_" + base64.b64encode(_made("std").encode()).decode(),
    "ENDED_SECRET": _made("ended"),
    "DEPLOY_SECRET": "whsec_" + base64.b64encode(_made("deploy").encode()).decode(),
    "DEPLOY_TOKEN": "Bearer " + _made("bearer"),
    "SMTP_PASSWORD": _made("smtp"),
    "COMMAND_TOKEN": _made("command"),
    "HOOKLINE_ADMIN_TOKEN": _made("admin"),
}
SLACK, CHAT, INLINE = _made("slack"), _made("chat"), _made("inline")
LEARNED = _made("learned")

APP = f"""
    import logging
    import os
    from hookline import Fail, Hookline

    hooks = Hookline()

    @hooks.on("github", "push")
    async def pushed(event):
        password = os.environ["SMTP_PASSWORD"]
        raise RuntimeError("cannot log in with " + password + " {PLANTED}")

    @hooks.on("stripe")
    def paid(event):
        logging.getLogger("shop").error("token is %s, {PLANTED}", os.environ["DEPLOY_TOKEN"])
        return Fail("the token " + os.environ["DEPLOY_TOKEN"] + " is refused")
"""


def config(port: int, mail_port: int) -> str:
    return f"""
        [sources.token]
        provider = "token"
        secrets = ["env:TOKEN_SECRET"]
        token = {{ header = "X-Token" }}

        [sources.query]
        provider = "token"
        secrets = ["env:QUERY_SECRET"]
        token = {{ query = "key" }}

        [sources.basic]
        provider = "basic"
        secrets = ["env:BASIC_SECRET"]

        [sources.standard]
        provider = "standard-webhooks"
        secrets = ["env:STANDARD_SECRET", "env:ENDED_SECRET"]

        [sources.asana]
        provider = "asana"

        [[routes]]
        from = "github"
        to = ["deploy", "chat", "team", "mail", "script", "userinfo"]

        [destinations.deploy]
        type = "http"
        url = "http://127.0.0.1:{port}/deploy?key={INLINE}"
        secret = "env:DEPLOY_SECRET"
        headers = {{ Authorization = "env:DEPLOY_TOKEN" }}

        [destinations.chat]
        type = "http"
        url = "env:CHAT_URL"

        [destinations.team]
        type = "slack"
        url = "env:SLACK_URL"

        [destinations.mail]
        type = "email"
        host = "127.0.0.1"
        port = {mail_port}
        security = "none"
        username = "hookline"
        password = "env:SMTP_PASSWORD"
        from = "hookline@example.com"
        to = ["ops@example.com"]

        [destinations.script]
        type = "command"
        command = ["/bin/sh", "-c", "env; exit 1"]
        environment = {{ TOKEN = "env:COMMAND_TOKEN" }}

        [destinations.userinfo]
        type = "http"
        url = "http://someone:{INLINE}@127.0.0.1:{port}/"
    """


# -- what is outside ----------------------------------------------------------------------------------------------


class Echo(http.server.BaseHTTPRequestHandler):
    """An endpoint that refuses, and says everything that it was told."""

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length", 0))
        told = f"{self.path}\n{self.headers}\n".encode() + self.rfile.read(size)
        self.send_response(500, "no " + self.headers.get("authorization", ""))
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Mailbox(socketserver.StreamRequestHandler):
    """A mail server that repeats the password that it refuses."""

    def handle(self) -> None:
        self.wfile.write(b"220 mail\r\n")
        for line in self.rfile:
            words = line.split()
            if words[0].upper() in (b"EHLO", b"HELO"):
                self.wfile.write(b"250-mail\r\n250 AUTH PLAIN\r\n")
            elif words[0].upper() == b"AUTH":
                plain = base64.b64decode(words[-1]).replace(b"\0", b" ")
                self.wfile.write(b"535 who is %b, or %b?\r\n" % (words[-1], plain))
            else:
                self.wfile.write(b"221 bye\r\n")


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield int(server.server_address[1])  # type: ignore[index]  # of an internet socket
    finally:
        server.shutdown()
        server.server_close()


# -- the traffic --------------------------------------------------------------------------------------------------


def play(gateway: Gateway) -> list[bytes]:
    """Good, bad, repeated and hostile requests; what was answered."""
    answers: list[bytes] = []
    env, key = CANARIES, CANARIES["HOOKS_SECRET"]

    def send(path: str, headers: dict[str, str], body: bytes = b'{"a": 1}', status: int | None = None) -> None:
        code, told, said = gateway.send("POST", path, {"Content-Type": "application/json", **headers}, body)
        answers.append(repr(told).encode() + said)
        assert status is None or code == status, (path, code)

    leak = {"X-Secret": base64.b64encode(b"x:" + key.encode()).decode(), "X-Hex": key.encode().hex()}
    path, headers, body = github(
        {"planted": PLANTED, "leak": key, "url": f"https://u:{quote(key)}@host"}, "one", secret=key
    )
    send(path, headers | leak, body, 200)
    send(path, headers | leak, body, 200)  # the same again
    send(path, headers | leak | {"X-Hub-Signature-256": "sha256=" + "0" * 64}, body, 401)
    send("/webhooks/githib", headers | leak, body, 404)
    send("/webhooks/githib?secret=" + quote(key), headers | leak, body, 404)
    path, headers, body = stripe(stripe_event("1", "invoice.paid", note=key), secret=key)
    send(path, headers | leak, body, 200)
    path, headers, body = stripe(stripe_event(key, f"invoice.{key}", customer=key), secret=key)
    send(path, headers, body, 200)
    path, headers, body = stripe(stripe_event("2", "invoice.paid"), moment=time.time() - 9_000, secret=key)
    send(path, headers | {"X-A": key}, body, 401)
    path, headers, body = billing({"event": "paid", "leak": key}, "first", secret=key)
    send(path, headers, body, 200)
    send(path, headers | {"X-Sig": key}, body, 401)
    token = {"X-Token": env["TOKEN_SECRET"]}
    send("/webhooks/token", token, status=200)
    send("/webhooks/tokens", token, status=404)
    send("/webhooks/token", {"Authorization": f"Bearer {env['TOKEN_SECRET']}"}, status=401)
    send("/webhooks/basic", token, status=401)
    for spelled in (quote(env["QUERY_SECRET"], safe=""), quote_plus(env["QUERY_SECRET"])):
        send(f"/webhooks/query?key={spelled}", {}, json.dumps({"k": env["QUERY_SECRET"], "s": spelled}).encode(), 200)
        send(f"/webhooks/queries?key={spelled}", {}, status=404)
        send(f"/webhooks/query?key=no&key={spelled}", {})
    pair = {"Authorization": "Basic " + base64.b64encode(env["BASIC_SECRET"].encode()).decode()}
    password = env["BASIC_SECRET"].partition(":")[2]
    send("/webhooks/basic", pair, json.dumps({"password": password}).encode(), 200)
    send("/webhooks/basics", pair, status=404)
    mistyped = base64.b64encode(f"other:{password}".encode()).decode()
    send("/webhooks/basic", {"Authorization": f"Basic {mistyped}"}, status=401)
    send("/webhooks/standard", {"webhook-id": env["STANDARD_SECRET"], "webhook-signature": env["STANDARD_SECRET"]})
    send("/webhooks/asana", {"X-Hook-Secret": LEARNED}, b"{}")  # once more, when nobody expects it
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)) as connection:
        connection.request("PUT", "/webhooks/token?x=" + quote(key), b"{}", token)
        answers.append(connection.getresponse().read())
    return answers


# -- everything that can be seen ----------------------------------------------------------------------------------

COMMANDS = (
    "check",
    "check --json",
    "doctor",
    "doctor --json",
    "status --json",
    "events list",
    "events list --json",
    "events show one",
    "events show one --json",
    "events show latest",
    "events export --bodies",
    "requests list",
    "requests list --json",
    "requests show latest --json",
    "deliveries list --json",
    "destinations list --json",
    "destinations test deploy --yes",
    "destinations test chat --json --yes",
    "destinations test team --json --yes",
    "destinations test mail --json --yes",
    "destinations test script --json --yes",
    "destinations test userinfo --json --yes",
    "sources list --json",
    "tokens list --json",
    "explain one",
    "explain one --json",
    "verify latest",
    "verify latest --json",
    "trigger github push --run --yes --json",
    "trigger query --yes --json",
    "trigger basic --tamper signature --yes --json",
    "replay one --dry-run --json",
)
READS = (
    "/",
    "/metrics",
    "/api/openapi.json",
    "/api/docs",
    "/api/v1/events?limit=100",
    "/api/v1/requests?limit=100",
    "/api/v1/requests?q=outcome:rejected",
    "/api/v1/deliveries?limit=100",
    "/api/v1/sources",
    "/api/v1/destinations",
    "/api/v1/stats",
    "/api/v1/health",
    "/api/v1/tokens",
    "/api/v1/audit",
    "/api/v1/replays",
    "/api/v1/events/nothing",
    "/api/v1/events?q=" + quote("body.a:"),
)


def look_everywhere(gateway: Gateway, bearer: str) -> dict[str, bytes]:
    """Everything that somebody may see, by the place where it was seen."""
    seen: dict[str, bytes] = {}
    for command in COMMANDS:
        done = gateway.run(*command.split())
        assert "No such" not in done.stderr, done.stderr
        seen[f"hookline {command}"] = (done.stdout + done.stderr).encode("utf-8", "replace")
    for command in ("events export --bodies", "explain one --json", "verify latest --json"):
        done = gateway.run(*command.split(), "--server", f"http://127.0.0.1:{gateway.admin_port}")
        seen[f"hookline {command} --server"] = (done.stdout + done.stderr).encode("utf-8", "replace")

    def ask(path: str, method: str = "GET", body: object = None) -> bytes:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=20)) as connection:
            headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            assert answer.status not in (401, 403, 421), path
            seen[f"{method} {path}"] = said = repr(answer.getheaders()).encode() + answer.read()
            return said

    for path in READS:
        ask(path)
    for kind, name in (("events", "evt"), ("requests", "req")):
        for number in gateway.rows(f"select id from {kind}"):
            shown = ids.show(name, number[0])
            ask(f"/api/v1/{kind}/{shown}")
            if kind == "events":
                ask(f"/api/v1/events/{shown}/raw")
            else:
                ask(f"/api/v1/requests/{shown}/reverify", "POST", {"dry_run": True})
    headers = [["X-Token", "wrong"], ["Authorization", "Bearer wrong"]]
    for source in ("github", "stripe", "token", "query", "basic", "standard", "asana"):
        ask(f"/api/v1/sources/{source}/verify", "POST", {"headers": headers, "body": "{}"})
    assert gateway.run("db", "backup", "copy.db").returncode == 0
    wait_for(lambda: gateway.rows("select count(*) from attempts")[0][0] >= 6, "the attempts")
    for file in ("hookline.db", "copy.db"):
        seen |= {f"{file}: {place}": content for place, content in stored(gateway.directory / file)}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            seen[f"process {process.pid}"] = "\0".join(process.cmdline()).encode()
    seen["log"] = gateway.log.encode()
    return seen


def stored(file: Path) -> Iterator[tuple[str, bytes]]:
    """Every text and blob of a database, as it is and, where it is compressed, opened."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(5_000)
    tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    for table in tables:
        pieces: list[bytes] = []
        for row in connection.execute(f"select * from {table}"):
            if table == "meta" and str(row[0]).startswith("learned:"):
                continue  # where it belongs
            for value in row:
                raw = value.encode() if isinstance(value, str) else value
                if isinstance(raw, bytes):
                    pieces.append(raw)
                    with contextlib.suppress(zstd.ZstdError):
                        pieces.append(zstd.decompress(raw))
        yield table, b"\n".join(pieces)
    connection.close()


def spelled(text: str) -> set[bytes]:
    """A text in the ways in which it could be written down."""
    raw = text.encode()
    found = {raw, raw.hex().encode(), quote(text, safe="").encode(), quote_plus(text).encode()}
    found |= {json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode()}
    for before in (b"", b"u", b"u:"):
        whole = base64.b64encode(before + raw)
        found |= {whole[4:-4], whole[4:-4].translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def finds(seen: dict[str, bytes], text: str) -> list[str]:
    words = spelled(text)
    return [place for place, content in seen.items() if any(word in content for word in words)]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, bytes], str]]:
    """What was seen, and a token that the command line made."""
    directory = tmp_path_factory.mktemp("canaries")
    quiet: Callable[..., socketserver.BaseServer] = socketserver.ThreadingTCPServer
    with (
        serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as port,
        serving(quiet(("127.0.0.1", 0), Mailbox)) as mail_port,
    ):
        urls = {
            "SLACK_URL": f"http://127.0.0.1:{port}/services/T0/{SLACK}",
            "CHAT_URL": f"http://127.0.0.1:{port}/hooks/{CHAT}/github?token={CHAT}",
        }
        gateway = Gateway(directory, app=APP, config=config(port, mail_port), environment=CANARIES | urls)
        planted = subprocess.Popen([sys.executable, "-c", "input()", PLANTED], stdin=subprocess.PIPE)
        try:
            gateway.start("serve", "app:hooks")
            gateway.wait_until_ready()
            assert gateway.run("sources", "expect", "asana", "--yes").returncode == 0
            made = gateway.run("tokens", "create", "reader", "--role", "admin").stdout.strip()
            wait_for(
                lambda: gateway.send("POST", "/webhooks/asana", {"X-Hook-Secret": LEARNED}, b"{}")[0] == 200,
                "the handshake",
            )
            answers = play(gateway)
            wait_for(lambda: gateway.rows("select count(*) from attempts")[0][0] >= 6, "the attempts")
            seen = look_everywhere(gateway, made) | {"answers of the door": b"\n".join(answers)}
        finally:
            planted.communicate(b"\n")
            gateway.stop()
        seen["log to the end"] = gateway.log.encode()
        yield seen, made


@pytest.mark.parametrize("name", [*CANARIES, "SLACK", "CHAT", "INLINE", "LEARNED", "made"])
def test_a_secret_shows_nowhere(walked: tuple[dict[str, bytes], str], name: str) -> None:
    seen, made = walked
    own = {"SLACK": SLACK, "CHAT": CHAT, "INLINE": INLINE, "LEARNED": LEARNED, "made": made}
    secret = own.get(name) or CANARIES[name]
    words = {secret, secret.partition(":")[2] or secret, secret.removeprefix("Bearer "), secret.removeprefix("whsec_")}
    for word in words:
        assert finds(seen, word) == []


def test_what_is_planted_on_purpose_is_found(walked: tuple[dict[str, bytes], str]) -> None:
    seen, _ = walked
    found = " ".join(finds(seen, PLANTED))
    places = (
        "log",
        "hookline.db: requests",
        "hookline.db: attempts",
        "copy.db: requests",
        "explain",
        "export",
        "process",
        "/raw",
    )
    assert [place for place in places if place not in found] == []
    for spelling in spelled(PLANTED):
        assert finds({"a place": b"..." + spelling + b"..."}, PLANTED)
