"""``hookline demo``: a project of its own, everything started, and signed traffic of every provider that has samples.

Nothing is faked: the requests are signed as the providers sign, go through the public door, and are handled by the
workers of a real ``hookline serve``.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from hookline import providers, samples, sockets
from hookline.config import Source
from hookline.errors import ConfigError
from hookline.supervisor import this_hookline

MARK = "# made by `hookline demo`: every run writes this folder afresh\n"
PATIENCE = 60.0
"""Seconds for everything to start, and again for everything to be settled."""

APP = '''\
"""The demo's handlers: what you would write in an app of your own."""

from hookline import Event, Hookline, Ignore

hooks = Hookline()


@hooks.on("stripe", retry="1s 2s 4s")
def stripe(event: Event) -> None:
    """Fails at first: see how it is tried again."""
    if event.attempt == 1:
        raise ConnectionError("the shop's database is not up yet")


@hooks.on("github", "push", ordering_key="body.repository.full_name")
async def pushed(event: Event) -> Ignore | None:
    """One push of a repository after the other."""
    if event.body.get("deleted"):
        return Ignore("a branch was deleted")
    return None


@hooks.on("*")
async def journal(event: Event) -> None:
    """Gets everything."""
    print(event.source, event.type, event.id)
'''


_TELLING = {
    "github": ("issues.opened", "pull_request.opened"),
    "stripe": ("invoice.paid", "charge.refunded"),
    "shopify": ("orders/create", "orders/paid"),
    "slack": ("app_mention", "message"),
    "twilio": ("message.received", "call.completed"),
}
"""Types that people know; of the others the first two."""


class Player(msgspec.Struct, frozen=True):
    """One provider of the demo: its source and how to sign as it does."""

    source: Source
    secret: str


class Sent(msgspec.Struct, frozen=True):
    """One request that was played, and its answer."""

    source: str
    what: str
    status: int
    wanted: int
    ms: float

    @property
    def right(self) -> bool:
        return self.status == self.wanted


def run(folder: str, *, once: bool) -> int:
    """Play; then stay until Ctrl-C, or end with 0 if all came as it should where ``once`` is set."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminal that closes ends what was started, too
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    home = Path(folder).absolute()
    public, admin = _free_address(8080), _free_address(8081)
    players, left_out = _players(f"http://{public}")
    _write(home, public, admin, players)
    token = "demo-" + secrets.token_urlsafe(24)
    with (home / "hookline.log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603  our own command line
            this_hookline("serve", "app:hooks"),
            cwd=home,
            env={**os.environ, "HOOKLINE_ADMIN_TOKEN": token},
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches us, and we let it drain
        )
    try:
        _wait(lambda: _answers(public, "/readyz") and _answers(admin, "/healthz"), server, home, "everything to start")
        say(f"Hookline runs in {home}: {len(players)} sources.\n")
        sent = [_show(item) for item in _play(public, players)]
        for name in left_out:
            say(f"  {name:<20} left out: its keys live at the provider")
        _wait(lambda: _settled(admin, token), server, home, "everything to be settled")
        fine = all(item.right for item in sent)
        _tell(home, public, admin, token, sent)
        if once:
            return 0 if fine else 1
        say("\nCtrl-C ends it.")
        server.wait()
        return server.returncode
    except KeyboardInterrupt:
        return 0
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def say(text: str) -> None:
    print(text, flush=True)


# -- the project -----------------------------------------------------------------------------------------------------


def _players(public_url: str) -> tuple[list[Player], list[str]]:
    """A player for each provider that has samples and whose secrets a source can hold; and the names of the others."""
    found, left_out = [], []
    for name in samples.providers():
        practice = providers.practice(name)
        path = f"/webhooks/{name}"
        source = Source(
            name=name,
            provider=name,
            environment="production",
            path=path,
            url=public_url + path,
            options=practice.options,
        )
        if practice.published:
            left_out.append(name)
        else:
            found.append(Player(source, practice.secrets[0]))
    return found, left_out


def _write(home: Path, public: str, admin: str, players: list[Player]) -> None:
    settings = home / "hookline.toml"
    if home.exists() and any(home.iterdir()) and not (settings.exists() and settings.read_text().startswith(MARK)):
        raise ConfigError(f"{home}: is not empty and was not made by the demo: name another folder with --folder")
    shutil.rmtree(home, ignore_errors=True)
    try:
        (home / "secrets").mkdir(parents=True)
    except OSError as trouble:
        raise ConfigError(f"{home}: {trouble.strerror}: name another folder with --folder") from None
    lines = [
        MARK,
        "[server]",
        f'public = "{public}"',
        f'admin = "{admin}"',
        f'public_url = "http://{public}"',
        'store = "sqlite:///hookline.db"',
        "workers = 1",
    ]
    for player in players:
        source = player.source
        secret = home / "secrets" / source.name
        secret.touch(mode=0o600)
        secret.write_text(player.secret)
        lines += ["", f"[sources.{source.name}]", f'provider = "{source.provider}"']
        lines.append(f'secrets = ["file:secrets/{source.name}"]')
        lines += [f"{key} = {_toml(value)}" for key, value in source.options.items()]
    settings.write_text("\n".join(lines) + "\n")
    (home / "app.py").write_text(APP)


def _toml(value: Any) -> str:
    """A value of an option, as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def _free_address(port: int) -> str:
    """This port, or any that is free."""
    try:
        with sockets.listen(f"127.0.0.1:{port}", "demo"):
            return f"127.0.0.1:{port}"
    except ConfigError:
        with sockets.listen("127.0.0.1:0", "demo") as sock:
            return sockets.shown(sock)


# -- the traffic -----------------------------------------------------------------------------------------------------


def _play(public: str, players: list[Player]) -> Iterator[Sent]:
    for player in players:
        verifier = providers.bind(player.source, (player.secret,))
        kinds = samples.types(player.source.provider)
        for kind in _TELLING.get(player.source.provider, tuple(kinds[:2])):
            yield _send(
                public, player.source, kind, _signed(verifier, player.source.provider, kind), verifier.ack.status
            )
        if player.source.provider == "github":
            request = _signed(verifier, "github", "push")
            yield _send(public, player.source, "push", request, 200)
            yield _send(public, player.source, "the same again: a duplicate", request, 200)
        if player.source.provider == "shopify":
            request = _signed(verifier, "shopify", kinds[0])
            forged = msgspec.structs.replace(request, body=request.body.replace(b"{", b'{"forged": true, ', 1))
            yield _send(public, player.source, "a forged body", forged, 401)


def _signed(verifier: providers.Verifier, provider: str, kind: str) -> providers.Signed:
    now = time.time()
    live = {"livemode": True} if provider == "stripe" else {}  # Adyen's stay test events: see how those are held
    sample = samples.fresh(samples.load(provider, kind), set=live, now=now, id=secrets.token_hex(8))
    return verifier.sign(sample.body, now=now, type=kind, id=sample.id, content_type=sample.content_type)


def _send(public: str, source: Source, what: str, request: providers.Signed, wanted: int) -> Sent:
    target = urllib.parse.urlsplit(request.url)
    path = target.path + (f"?{target.query}" if target.query else "")
    with closing(http.client.HTTPConnection(public, timeout=10)) as connection:
        began = time.perf_counter()
        connection.putrequest(request.method, path, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name.decode("latin-1"), value)
        connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        status = connection.getresponse().status
        return Sent(source.name, what, status, wanted, (time.perf_counter() - began) * 1000)


def _show(item: Sent) -> Sent:
    note = "" if item.right else f"   expected {item.wanted}!"
    say(f"  {item.source:<20} {item.what:<46.46} {item.status}  {item.ms:6.1f} ms{note}")
    return item


# -- what came of it -------------------------------------------------------------------------------------------------


def _answers(address: str, path: str) -> bool:
    try:
        return _get(address, path)[0] == 200
    except OSError:
        return False


def _settled(admin: str, token: str) -> bool:
    status, body = _get(admin, "/api/v1/events?q=status%3Apending&limit=1", token)
    return status == 200 and json.loads(body)["data"] == []


def _get(address: str, path: str, token: str = "") -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(address, timeout=5)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read()


def _wait(condition: Any, server: subprocess.Popen[bytes], home: Path, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if server.poll() is not None or time.monotonic() > end:
            sys.stderr.write((home / "hookline.log").read_text(errors="replace")[-4_000:])
            raise ConfigError(f"demo: waited in vain for {what}; see {home / 'hookline.log'}")
        time.sleep(0.05)


def _command(folder: Path) -> str:
    """How this very command line is called from ``folder``: by its path where its name alone would not do."""
    ours = Path(sys.argv[0]).absolute()
    on_path = shutil.which("hookline")
    if ours.name != "hookline" or (on_path and os.path.samefile(on_path, ours)):
        return "hookline"
    return shlex.quote(os.path.relpath(ours, folder))


def _tell(home: Path, public: str, admin: str, token: str, sent: list[Sent]) -> None:
    took = sorted(item.ms for item in sent)
    here = os.path.relpath(home)
    ours = _command(home)
    say(
        f"\n{len(sent)} requests, each on disk before its answer (median {took[len(took) // 2]:.1f} ms)."
        " Where to look:\n"
        f"\n  http://{admin}/   any user name, the password {token}"
        f"\n  {here}/hookline.toml and {here}/app.py: what you would write"
        f"\n\n  cd {here}"
        f"\n  {ours} events list                          what came, and what became of it"
        f"\n  {ours} explain latest charge.refunded       the story of one that failed at first"
        f"\n  {ours} events list -q status:needs_review   test events on a production source: kept, not run"
        f"\n  {ours} requests list -q outcome:rejected    what was turned away"
        f"\n\nWebhooks go to http://{public}/webhooks/<source>."
    )
