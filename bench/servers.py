"""What is measured: Hookline and its peers, each as processes that are started, timed and stopped alike."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

from bench import machine, payloads

PEERS = Path(__file__).parent / ".venv-peers" / "bin"
HOOKLINE = (sys.executable, "-m", "hookline")


class Server:
    """A running server in a directory of its own."""

    def __init__(self, name: str, port: int, directory: Path) -> None:
        self.name = name
        self.address = ("127.0.0.1", port)
        self.directory = directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._before = machine.Usage(0.0, 0.0)

    def start(self, role: str, *argv: str | Path, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.directory / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(
                [str(part) for part in argv],
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": f"{machine.ROOT}:{machine.ROOT / 'src'}", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.processes[role]

    def wait_until_open(self, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(OSError):
                socket.create_connection(self.address, timeout=1).close()
                return
            for role, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{self.name}: {role} ended with {process.returncode}:\n{self.log(role)}")
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not listen:\n" + "\n".join(map(self.log, self.processes)))

    def log(self, role: str) -> str:
        return (self.directory / f"{role}.log").read_text(errors="replace")[-3000:]

    def usage(self) -> machine.Usage:
        each = [machine.usage(process.pid) for process in self.processes.values()]
        return machine.Usage(sum(one.cpu for one in each), sum(one.memory for one in each))

    def stop(self, role: str | None = None, number: int = signal.SIGTERM) -> None:
        chosen = [role] if role else list(self.processes)
        for each in chosen:
            with suppress(ProcessLookupError):
                self.processes[each].send_signal(number)
        for each in chosen:
            process = self.processes.pop(each)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def fresh(name: str, make: Callable[..., Server] = Server) -> Server:
    machine.WORK.mkdir(exist_ok=True)
    return make(name, free_port(), Path(tempfile.mkdtemp(prefix=f"{name}-", dir=machine.WORK)))


# -- Hookline -----------------------------------------------------------------------------------------------------


class Hookline(Server):
    """Our own processes, as their commands start them."""

    @property
    def database(self) -> Path:
        return self.directory / "bench.db"

    def write_config(self, extra: str = "") -> None:
        (self.directory / "hookline.toml").write_text(
            dedent(f"""
                [server]
                public = "{self.address[0]}:{self.address[1]}"
                admin = "127.0.0.1:{free_port()}"
                store = "sqlite:///bench.db"
                allow_private = ["127.0.0.1"]

                [limits]
                connections_per_address = 1024

                [sources.github]
                provider = "github"
                secrets = ["env:BENCH_SECRET"]

                [sources.stripe]
                provider = "stripe"
                secrets = ["env:BENCH_SECRET"]
                tolerance = "1h"
            """)
            + dedent(extra)
        )

    def wait_until_ready(self, seconds: float = 20.0) -> None:
        """Until the door could commit an event: under ``serve`` it listens before anybody answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(self.address, timeout=seconds) as sock:
                sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if sock.recv(4096)[9:12] == b"200":
                    return
            time.sleep(0.02)
        raise RuntimeError("not ready:\n" + "\n".join(map(self.log, self.processes)))

    def run(self, role: str, *arguments: str, settings: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        environment = {"BENCH_SECRET": payloads.SECRET.decode(), "BENCH_OUT": str(self.directory), **(settings or {})}
        return self.start(role, *HOOKLINE, role, *arguments, environment=environment)


def hookline(
    *roles: str,
    config: str = "",
    app: str | None = "bench.handlers:hooks",
    settings: dict[str, str] | None = None,
) -> Hookline:
    """A running Hookline: ``serve``, or roles alone such as ``ingest`` and ``worker``. ``settings`` go into the
    environment."""
    server = fresh("hookline", Hookline)
    assert isinstance(server, Hookline)
    server.write_config(config)
    if app:
        server.start("publish", sys.executable, "-m", "hookline.app.publish", app, "--only").wait()
        del server.processes["publish"]
    for role in roles or ("ingest",):
        server.run(role, *([app] if app else []), settings=settings)
    server.wait_until_open()
    server.wait_until_ready()
    return server


def two_doors() -> Hookline:
    """``hookline serve`` with two ingest processes and no worker."""
    return hookline("serve", settings={"HOOKLINE_SERVER__INGEST": "2", "HOOKLINE_SERVER__WORKERS": "0"})


# -- limits: servers that keep nothing --------------------------------------------------------------------------------


def uvicorn(python: Path | None = None) -> Server:
    """Bare uvicorn on uvloop and httptools: reads the body, answers 204."""
    server = fresh("uvicorn")
    (server.directory / "bare.py").write_text(
        dedent("""
            async def app(scope, receive, send):
                while (await receive()).get("more_body"):
                    pass
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body"})
        """)
    )
    server.start(
        "uvicorn", python or sys.executable, "-m", "uvicorn", "bare:app", "--port", str(server.address[1]), "--loop",
        "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning", "--lifespan", "off",
        "--timeout-keep-alive", "75", environment={"PYTHONPATH": str(server.directory)},
    )  # fmt: skip
    server.wait_until_open()
    return server


def nginx() -> Server:
    """One nginx worker: reads the body, answers 204."""
    server = fresh("nginx")
    (server.directory / "nginx.conf").write_text(
        dedent(f"""
            worker_processes 1; daemon off; pid nginx.pid; error_log stderr error;
            events {{ worker_connections 1024; }}
            http {{ access_log off; keepalive_requests 100000000; client_body_buffer_size 64k;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
                scgi_temp_path scgi;
                server {{ listen 127.0.0.1:{server.address[1]}; location / {{ return 204; }} }} }}
        """)
    )
    server.start("nginx", shutil.which("nginx") or "/usr/sbin/nginx", "-p", server.directory, "-c", "nginx.conf")
    server.wait_until_open()
    return server


# -- peers: what else one can install --------------------------------------------------------------------------------


def hookspool() -> Server:
    """PyPI hookspool: commits to SQLite before it answers."""
    server = fresh("hookspool")
    (server.directory / "secret").write_bytes(payloads.SECRET)
    (server.directory / "secret").chmod(0o600)
    (server.directory / "config.toml").write_text(
        dedent(f"""
            [intake]
            listen = "127.0.0.1:{server.address[1]}"
            threads = 64
            [bobbins.github]
            bobbin = "github.repo"
            secrets = {{ secret = {{ file = "{server.directory}/secret" }} }}
            outputs = {{ "*" = "sink" }}
            [destinations.sink]
            type = "http"
            url = "http://127.0.0.1:9/"
        """)
    )
    environment = {"HOOKSPOOL_HOME": str(server.directory)}
    subprocess.run(
        [PEERS / "hookspool", "migrate"], check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    server.start("intake", PEERS / "hookspool", "intake", environment=environment)
    server.wait_until_open()
    return server


def hookrelay() -> Server:
    """PyPI hookrelay on FastAPI, uvicorn and SQLite: commits before it answers, checks no signature."""
    server = fresh("hookrelay")
    (server.directory / "relay.py").write_text(
        dedent("""
            from contextlib import asynccontextmanager
            from fastapi import FastAPI
            from hookrelay.backends.sqlite import SQLiteBackend
            from hookrelay.fastapi import create_webhook_router
            from sqlalchemy.ext.asyncio import create_async_engine

            backend = SQLiteBackend(create_async_engine("sqlite+aiosqlite:///relay.db"))

            @asynccontextmanager
            async def lifespan(app):
                await backend.init_schema()
                yield

            app = FastAPI(lifespan=lifespan)
            app.include_router(create_webhook_router(backend=backend, source="github"), prefix="/webhooks/github")
        """)
    )
    server.start(
        "hookrelay", PEERS / "python", "-m", "uvicorn", "relay:app", "--port", str(server.address[1]),
        "--no-access-log", "--log-level", "warning", environment={"PYTHONPATH": str(server.directory)},
    )  # fmt: skip
    server.wait_until_open()
    return server


def webhook() -> Server:
    """Debian's webhook (adnanh/webhook): verifies and starts a command, keeps nothing."""
    server = fresh("webhook")
    (server.directory / "hooks.json").write_text(
        '[{"id":"github","execute-command":"/bin/true","trigger-rule":{"match":{"type":"payload-hmac-sha256",'
        f'"secret":"{payloads.SECRET.decode()}","parameter":{{"source":"header","name":"X-Hub-Signature-256"}}}}}}}}]'
    )
    server.start(
        "webhook", shutil.which("webhook") or "/usr/bin/webhook", "-hooks", "hooks.json", "-ip", "127.0.0.1",
        "-port", str(server.address[1]),
    )  # fmt: skip
    server.wait_until_open()
    return server


class Peer:
    """How a peer is started, where it takes webhooks, and whether it is there."""

    def __init__(self, start: Callable[[], Server], path: str, needs: str | Path, durable: bool) -> None:
        self.start = start
        self.path = path
        self.needs = needs
        self.durable = durable

    @property
    def present(self) -> bool:
        return Path(self.needs).exists() or shutil.which(str(self.needs)) is not None


PEERS_TABLE: dict[str, Peer] = {
    "hookspool": Peer(hookspool, "/hooks/github", PEERS / "hookspool", True),
    "hookrelay": Peer(hookrelay, "/webhooks/github/", PEERS / "uvicorn", True),
    "webhook": Peer(webhook, "/hooks/github", "webhook", False),
}


def main(argv: Sequence[str]) -> None:
    """``python -m bench.servers NAME``: start one and serve until it is interrupted, for a look by hand."""
    makers: dict[str, Callable[[], Server]] = {"hookline": hookline, "uvicorn": uvicorn, "nginx": nginx}
    makers |= {name: peer.start for name, peer in PEERS_TABLE.items()}
    with makers[argv[0]]() as server, suppress(KeyboardInterrupt):
        print(f"{server.name} on http://{server.address[0]}:{server.address[1]} in {server.directory}", flush=True)
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
