"""The door as users start it: TLS from files, renewed by SIGHUP; proxies; a stop that answers first."""

from __future__ import annotations

import http.client
import signal
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trustme

from rig import Answer, Gateway, github, wait_for

APP = '''
from hookline import Event, Hookline
hooks = Hookline()

@hooks.on("github")
def seen(event: Event) -> None:
    """Nothing to do."""
'''


class TlsGateway(Gateway):
    """A gateway whose door speaks TLS, and a client who trusts its authority."""

    authority: trustme.CA

    def issue(self, name: str) -> None:
        issued = self.authority.issue_cert(name, "127.0.0.1")
        (self.directory / "door.key").write_bytes(issued.private_key_pem.bytes())
        (self.directory / "door.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def connection(self) -> http.client.HTTPSConnection:
        trusting = ssl.create_default_context()
        self.authority.configure_trust(trusting)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=trusting)

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes, timeout: float = 10.0) -> Answer:
        with closing(self.connection()) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    def shown_names(self) -> set[str]:
        """Of the certificate that the next caller sees."""
        with closing(self.connection()) as connection:
            connection.connect()
            found = connection.sock.getpeercert()
        return {value for kind, value in found["subjectAltName"] if kind == "DNS"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[TlsGateway]:
    gateway = TlsGateway(tmp_path / "tls", app=APP, config="")
    gateway.authority = trustme.CA()
    gateway.issue("old.test")
    file = gateway.directory / "hookline.toml"
    file.write_text(
        file.read_text()
        .replace("[server]", '[server]\ncertificate = "door.pem"\ncertificate_key = "door.key"', 1)
        .replace("[sources.github]", "[sources.github]\nrequire_https = true", 1)
    )
    gateway.publish()
    gateway.start("ingest", "app:hooks")
    gateway.wait_until_ready()
    yield gateway
    gateway.stop()


def test_tls_from_files_is_renewed_by_a_signal(gateway: TlsGateway):
    assert gateway.post(github({"n": 1}, "tls-1"))[0] == 200
    assert gateway.shown_names() == {"old.test"}
    gateway.issue("new.test")
    gateway.processes[0].send_signal(signal.SIGHUP)
    wait_for(lambda: gateway.shown_names() == {"new.test"}, "the new certificate")
    (gateway.directory / "door.pem").write_text("no certificate")
    gateway.processes[0].send_signal(signal.SIGHUP)
    wait_for(lambda: "certificate not renewed" in gateway.log, "the refusal of a broken certificate")
    assert gateway.shown_names() == {"new.test"}
    assert gateway.post(github({"n": 2}, "tls-2"))[0] == 200


def test_plain_http_behind_a_proxy_counts_as_what_the_proxy_says(tmp_path: Path):
    gateway = Gateway(tmp_path / "proxied", app=APP)
    file = gateway.directory / "hookline.toml"
    file.write_text(
        file.read_text()
        .replace("[server]", '[server]\ntrusted_proxies = ["127.0.0.1"]', 1)
        .replace("[sources.github]", '[sources.github]\nrequire_https = true\naddresses = ["192.0.2.0/24"]', 1)
    )
    gateway.publish()
    gateway.start("ingest", "app:hooks")
    try:
        gateway.wait_until_ready()
        path, headers, body = github({"n": 1}, "proxied-1")

        def sent(**extra: str) -> int:
            named = {name.replace("_", "-"): value for name, value in extra.items()}
            return gateway.send("POST", path, {**headers, **named}, body)[0]

        assert sent() == 403
        assert sent(X_Forwarded_Proto="https") == 403
        assert sent(X_Forwarded_Proto="https", X_Forwarded_For="198.51.100.1") == 403
        assert sent(X_Forwarded_Proto="http", X_Forwarded_For="192.0.2.9") == 403
        assert sent(X_Forwarded_Proto="https", X_Forwarded_For="192.0.2.9") == 200
    finally:
        gateway.stop()


def test_a_stopping_door_answers_a_connection_once_more(tmp_path: Path):
    gateway = Gateway(tmp_path / "stopping", app=APP)
    gateway.publish()
    process = gateway.start("ingest", "app:hooks")
    gateway.wait_until_ready()
    path, headers, body = github({"n": 1}, "stop-1")
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)) as connection:
        connection.request("POST", path, body, headers)
        assert connection.getresponse().read() is not None
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not _listens(gateway), "the door to stop listening")
        with suppress(http.client.RemoteDisconnected, ConnectionError):  # or it was closed, as idle ones are after 1 s
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            assert response.status == 200
            assert response.getheader("connection") == "close"
    assert process.wait(20) == 0


def _listens(gateway: Gateway) -> bool:
    try:
        gateway.get("/healthz")
    except OSError:
        return False
    return True
