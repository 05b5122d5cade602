"""HTTP destinations against a real endpoint that behaves, and one that does not."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import trustme
from evil import Evil, evil
from hypothesis import given
from hypothesis import strategies as st
from worker_rig import deliveries, opened, put, rows, worker_of

from hookline.config import Config, DeliverySettings, SecretRef, Server, Source
from hookline.config import Destination as Settings
from hookline.destinations import build
from hookline.destinations.http import read_retry_after
from hookline.errors import ConfigError
from hookline.model import Claim, Event, Outcome, State, Trigger
from hookline.store.clock import FakeClock

NOW = 1_800_000_000.0
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
SECRET = "It's a Secret to Everybody"


def config(**more: Any) -> Config:
    return Config(
        server=Server(allow_private=("127.0.0.1",)),
        delivery=DeliverySettings(connect_timeout=1.0),
        sources={
            "github": Source(
                name="github",
                provider="github",
                environment="production",
                path="/webhooks/github",
                url="https://hooks.example.com/webhooks/github",
                secrets=(SecretRef(ref=SECRET),),
            ),
            "stripe": Source(
                name="stripe",
                provider="stripe",
                environment="production",
                path="/webhooks/stripe",
                url="https://hooks.example.com/webhooks/stripe",
                secrets=(SecretRef(ref="whsec_" + "a" * 32),),
            ),
        },
        **more,
    )


def http(url: str, *, timeout: float = 5.0, now: float = NOW, **options: Any) -> Any:
    settings = Settings(name="ci", type="http", timeout=timeout, options={"url": url, **options})
    return build(settings, config(), now=lambda: now)


def claim(body: bytes = b'{"n": 1}', *, headers: list[tuple[bytes, bytes]] | None = None, **more: Any) -> Claim:
    event = Event(
        id="evt_0000000000001",
        source=more.pop("source", "github"),
        environment="production",
        type="push",
        provider_id="d-1",
        subject=None,
        occurred_at=None,
        received_at=more.pop("received_at", NOW),
        raw=more.pop("raw", body),
        item=body,
        headers=headers if headers is not None else [(b"Content-Type", b"application/json")],
        method="POST",
        target=b"/webhooks/github",
        idempotency_key="evt_0000000000001:ci",
    )
    return Claim(
        delivery=5,
        lease=1,
        destination="ci",
        route="",
        event=event,
        event_number=1,
        attempt=2,
        trigger=Trigger.RETRY,
        first_due_at=NOW,
        **more,
    )


async def send(destination: Any, claimed: Claim | None = None) -> Outcome:
    try:
        return await destination.send(claimed or claim())
    finally:
        await destination.close()


@pytest.fixture
async def endpoint():
    async with evil() as server:
        yield server


async def test_the_bytes_and_headers_arrive_as_they_came(endpoint: Evil):
    headers = [
        (b"X-GitHub-Event", b"push"),
        (b"X-Hub-Signature-256", b"sha256=00"),
        (b"x-twice", b"1"),
        (b"X-Twice", b"2"),
        (b"User-Agent", b"GitHub-Hookshot/1"),
        (b"Content-Type", b"application/json"),
    ]
    body = b'{ "spaces":  "kept", "nul": "\\u0000" }\n'
    outcome = await send(http(endpoint.url("/build?x=1")), claim(body, headers=headers))
    assert (outcome.state, outcome.code) == (State.SUCCEEDED, 200)
    assert outcome.received == b"ok"
    [got] = endpoint.received
    assert got.line == "POST /build?x=1 HTTP/1.1"
    assert got.body == body
    assert [(k, v) for k, v in got.headers if k.startswith("x-") or k in ("user-agent", "content-type")] == [
        ("x-github-event", "push"),
        ("x-hub-signature-256", "sha256=00"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("user-agent", "GitHub-Hookshot/1"),
        ("content-type", "application/json"),
    ]
    assert got.all("host") == [f"127.0.0.1:{endpoint.port}"]
    assert got.header("idempotency-key") == "evt_0000000000001:ci"
    assert got.header("hookline-event-id") == "evt_0000000000001"
    assert got.header("hookline-delivery-id") == "dlv_0000000000005"
    assert got.header("hookline-attempt") == "2"
    assert got.header("hookline-hop") == "1"


CREDENTIALS = [
    "Authorization",
    "Cookie",
    "X-Api-Key",
    "X-Gitlab-Token",
    "X-Auth-Token",
    "Proxy-Authorization",
    "apikey",
]
ENDS_HERE = ["Host", "Content-Length", "Connection", "Transfer-Encoding", "Expect", "X-Forwarded-For", "Forwarded"]


async def test_credentials_and_hop_headers_of_the_sender_end_here(endpoint: Evil):
    headers = [(name.encode(), b"7") for name in (*CREDENTIALS, *ENDS_HERE, "Idempotency-Key", "Hookline-Event-Id")]
    await send(http(endpoint.url("/")), claim(headers=headers))
    [got] = endpoint.received
    assert sorted(name for name, _ in got.headers) == [
        "content-length",
        "hookline-attempt",
        "hookline-delivery-id",
        "hookline-event-id",
        "hookline-hop",
        "host",
        "idempotency-key",
    ]


async def test_a_credential_goes_on_where_it_is_named(endpoint: Evil):
    headers = [(b"Authorization", b"Bearer x"), (b"Cookie", b"y")]
    await send(http(endpoint.url("/"), forward_headers=["authorization"]), claim(headers=headers))
    [got] = endpoint.received
    assert (got.header("authorization"), got.header("cookie")) == ("Bearer x", None)


async def test_own_headers_replace_the_senders(endpoint: Evil):
    destination = http(endpoint.url("/"), headers={"Authorization": "Bearer ours", "User-Agent": "ours"})
    await send(destination, claim(headers=[(b"User-Agent", b"theirs")]))
    [got] = endpoint.received
    assert (got.all("authorization"), got.all("user-agent")) == (["Bearer ours"], ["ours"])


async def test_a_secret_adds_a_signature_that_the_official_library_takes(endpoint: Evil):
    import time

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    destination = http(endpoint.url("/"), secret=secret, now=time.time())
    await send(destination, claim(b'{"n": 1}', headers=[(b"webhook-id", b"theirs"), (b"webhook-signature", b"v1,x")]))
    [got] = endpoint.received
    assert standardwebhooks.Webhook(secret).verify(got.body, dict(got.headers)) == {"n": 1}
    assert len(got.all("webhook-id")) == len(got.all("webhook-signature")) == 1


async def test_an_attempt_too_late_for_the_providers_tolerance_is_signed_afresh(endpoint: Evil):
    import stripe

    body = b'{"id": "evt_1", "object": "event"}'
    headers = [(b"Stripe-Signature", b"t=1,v1=00"), (b"Content-Type", b"application/json")]
    early = await send(http(endpoint.url("/")), claim(body, headers=headers, source="stripe", received_at=NOW - 100))
    late = await send(http(endpoint.url("/")), claim(body, headers=headers, source="stripe", received_at=NOW - 200))
    first, second = endpoint.received
    assert first.all("stripe-signature") == ["t=1,v1=00"]
    assert "afresh" not in early.sent
    assert "signed afresh" in late.sent
    [signature] = second.all("stripe-signature")
    stripe.WebhookSignature.verify_header(body.decode(), signature, "whsec_" + "a" * 32, tolerance=None)
    assert signature.startswith(f"t={int(NOW)},")


async def test_a_signature_without_a_time_never_gets_late(endpoint: Evil):
    headers = [(b"X-Hub-Signature-256", b"sha256=00")]
    await send(http(endpoint.url("/")), claim(headers=headers, received_at=NOW - 86_400))
    assert endpoint.received[0].all("x-hub-signature-256") == ["sha256=00"]


async def test_an_item_of_a_batch_goes_as_its_own_json_without_the_batchs_signature(endpoint: Evil):
    headers = [(b"X-Hub-Signature-256", b"sha256=00"), (b"Content-Type", b"text/plain"), (b"X-GitHub-Event", b"push")]
    await send(http(endpoint.url("/")), claim(b'{"item": 1}', raw=b'[{"item": 1}, {"item": 2}]', headers=headers))
    [got] = endpoint.received
    assert got.body == b'{"item": 1}'
    assert got.all("content-type") == ["application/json"]
    assert got.header("x-hub-signature-256") is None


async def test_an_event_that_goes_in_circles_is_stopped(endpoint: Evil):
    await send(http(endpoint.url("/")), claim(headers=[(b"Hookline-Hop", b"4")]))
    assert endpoint.received[0].header("hookline-hop") == "5"
    for value in (b"5", b"99", b"x", b"9" * 5_000):
        outcome = await send(http(endpoint.url("/")), claim(headers=[(b"Hookline-Hop", value)]))
        assert outcome.state is State.FAILED
        assert "in circles" in outcome.reason
    assert len(endpoint.received) == 1


async def test_a_connection_serves_many_events(endpoint: Evil):
    destination = http(endpoint.url("/"))
    for _ in range(10):
        assert (await destination.send(claim())).ok
    await destination.close()
    assert endpoint.connections == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_unseen(endpoint: Evil):
    destination = http(endpoint.url("/"))
    endpoint.answers["/"] = Evil.then(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Evil.close)
    for _ in range(5):
        assert (await destination.send(claim())).ok
    await destination.close()


@pytest.mark.parametrize("on_unknown", ["retry", "hold"])
async def test_a_kept_connection_that_closes_under_a_request(endpoint: Evil, on_unknown: str):
    destination = http(endpoint.url("/"), on_unknown=on_unknown)
    assert (await destination.send(claim())).ok
    endpoint.answers["/"] = Evil.close
    outcome = await destination.send(claim())
    await destination.close()
    assert (outcome.unknown, outcome.ok) == (True, False)
    assert len(endpoint.received) == (3 if on_unknown == "retry" else 2)


def reply(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply("500 Internal Server Error", body=b"boom"), "HTTP 500 Internal Server Error"),
        (reply("404 Not Found"), "HTTP 404 Not Found"),
        (reply("410 Gone"), "HTTP 410 Gone"),
        (reply("302 Found", "Location: http://169.254.169.254/"), "redirects are not followed (to http://169.254"),
        (reply("301 Moved"), "redirects are not followed (to nowhere)"),
        (reply("304 Not Modified"), "HTTP 304"),
        (reply("999 Odd"), "HTTP 999 Odd"),
        (b"HTTP/1.1 500 \x1b[31mred\r\nContent-Length: 0\r\n\r\n", "HTTP 500"),
    ],
)
async def test_any_answer_but_2xx_is_a_failure_with_its_reason(endpoint: Evil, answer: bytes, reason: str):
    endpoint.answers["/"] = answer
    outcome = await send(http(endpoint.url("/")))
    assert outcome.state is None
    assert reason in outcome.reason
    assert "\x1b" not in outcome.reason
    assert not outcome.unknown
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        ("99999999999", 1e10),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ]
    + [
        (garbage, None)
        for garbage in ("", "soon", "-5", "1.5", "1e9", "٣", "Fri, 99 Xxx 2027 00:00:00 GMT", "x" * 9_999)
    ],
)
async def test_retry_after_is_read_or_ignored(endpoint: Evil, value: str, seconds: float | None):
    endpoint.answers["/"] = reply("429 Too Many", "Retry-After: " + value.encode().decode("latin-1"))
    outcome = await send(http(endpoint.url("/")))
    assert (outcome.code, outcome.retry_after) == (429, seconds)


@given(st.binary(max_size=80) | st.none())
def test_any_retry_after_is_a_time_or_nothing(value):
    seconds = read_retry_after(value, NOW)
    assert seconds is None or seconds >= 0


async def test_a_refused_connection_is_known_not_to_have_been_made():
    async with evil() as gone:
        url = gone.url("/")
    outcome = await send(http(url))
    assert "connection refused" in outcome.reason
    assert (outcome.state, outcome.unknown) == (None, False)


@pytest.mark.parametrize(
    ("path", "unknown", "reason"),
    [
        ("/hang", True, "no answer within 0.2 s"),
        ("/half-a-head", True, "no answer within 0.2 s"),
        ("/close", True, "connection closed before an answer"),
        ("/reset", True, "connection closed before an answer"),
        ("/reset-in-head", True, "connection closed before an answer"),
        ("/garbage", True, "not HTTP"),
        ("/http2", True, "not HTTP"),
        ("/switch", True, "switches protocols"),
        ("/endless-head", True, "headers have no end"),
        ("/endless-100", True, "no end"),
    ],
)
async def test_no_proper_answer_may_have_been_acted_on(endpoint: Evil, path: str, unknown: bool, reason: str):
    endpoint.answers = {
        "/hang": endpoint.hang,
        "/half-a-head": Evil.then(b"HTTP/1.1 200 OK\r\nContent-", endpoint.hang),
        "/close": Evil.close,
        "/reset": Evil.reset,
        "/reset-in-head": Evil.then(b"HTTP/1.1 200 OK\r\nContent-", Evil.reset),
        "/garbage": b"\x00\x01garbage\r\n\r\n",
        "/http2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        "/switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "/endless-head": Evil.endless_head,
        "/endless-100": b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000,
    }
    outcome = await send(http(endpoint.url(path), timeout=0.2))
    assert reason in outcome.reason
    assert (outcome.state, outcome.unknown) == (None, unknown)
    assert outcome.timed_out is ("within" in reason)


@pytest.mark.parametrize("path", ["/hang-in-body", "/reset-in-body", "/endless", "/huge", "/until-close", "/short"])
async def test_the_status_counts_whatever_becomes_of_the_body(endpoint: Evil, path: str):
    endpoint.answers = {
        "/hang-in-body": Evil.then(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", endpoint.hang),
        "/reset-in-body": Evil.then(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", Evil.close),
        "/endless": Evil.endless,
        "/huge": reply("200 OK", body=b"x" * 10_000_000),
        "/until-close": Evil.then(b"HTTP/1.1 200 OK\r\n\r\nabc", Evil.close),
        "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcEXTRA",
    }
    outcome = await send(http(endpoint.url(path), timeout=0.3))
    assert (outcome.state, outcome.code, outcome.reason) == (State.SUCCEEDED, 200, "")
    assert len(outcome.received) <= 16_384


async def test_an_interim_answer_is_not_the_answer(endpoint: Evil):
    endpoint.answers["/"] = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    assert (await send(http(endpoint.url("/")))).code == 503


async def test_bytes_nobody_asked_for_end_the_connection(endpoint: Evil):
    endpoint.answers["/"] = reply("200 OK", body=b"a") + reply("500 Smuggled")
    destination = http(endpoint.url("/"))
    assert [(await destination.send(claim())).code for _ in range(3)] == [200, 200, 200]
    await destination.close()
    assert endpoint.connections == 3


async def test_an_inner_address_is_not_called_unless_the_operator_says_so(endpoint: Evil):
    settings = Settings(name="ci", type="http", options={"url": endpoint.url("/")})
    outcome = await send(build(settings, Config()))
    assert outcome.reason.startswith("blocked: 127.0.0.1 is a loopback address: add it to [server] allow_private")
    assert endpoint.connections == 0


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


async def test_tls_is_verified_by_name(authority: trustme.CA, tmp_path: Path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with evil(context) as endpoint:
        url = endpoint.url("/", "https")
        assert (await send(http(url, ca=str(tmp_path / "ca.pem")))).ok
        unknown_authority = await send(http(url))
        assert "TLS: the certificate is not valid" in unknown_authority.reason
        assert (unknown_authority.state, unknown_authority.unknown) == (None, False)


async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, tmp_path: Path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    async with evil(context) as endpoint:
        outcome = await send(http(endpoint.url("/", "https"), ca=str(tmp_path / "ca.pem")))
    assert "TLS: the certificate is not valid" in outcome.reason
    assert endpoint.received == []


async def test_plain_http_at_a_tls_port_is_a_failure(endpoint: Evil):
    outcome = await send(http(endpoint.url("/", "https"), timeout=0.2))
    assert (outcome.reason, outcome.unknown) == ("no connection to 127.0.0.1 within 0.2 s", False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "destinations.ci.url: is missing"),
        ({"url": "ftp://x"}, "destinations.ci.url: not a plain http"),
        ({"url": "https://user:pass@x.example"}, "must not carry a user"),
        ({"url": "https://127.1/"}, "address in disguise"),
        ({"url": "https://x.example", "methd": "PUT"}, "methd: is not known — did you mean method?"),
        ({"url": "https://x.example", "method": "GET"}, 'method: is "GET" — write POST or PUT or PATCH'),
        ({"url": "https://x.example", "headers": {"Host": "y"}}, "sets this header itself"),
        ({"url": "https://x.example", "headers": {"X-A": "a\r\nX-B: b"}}, "one line"),
        ({"url": "https://x.example", "headers": {"X A": "a"}}, "no header name"),
        ({"url": "https://x.example", "headers": {"webhook-id": "a"}}, "sets this header itself"),
        ({"url": "https://x.example", "secret": "whsec_?"}, "destinations.ci.secret"),
        ({"url": "https://x.example", "ca": "/nowhere.pem"}, "cannot be used"),
        ({"url": "https://x.example", "on_unknown": "maybe"}, "write retry or hold"),
    ],
)
def test_a_destination_that_cannot_work_says_so_at_once(options: dict[str, Any], message: str):
    with pytest.raises(ConfigError) as problem:
        build(Settings(name="ci", type="http", options=options), config())
    assert message in str(problem.value)


async def test_the_whole_way_from_the_store_to_an_endpoint_and_back(endpoint: Evil, tmp_path: Path):
    endpoint.answers["/down"] = reply("503 Busy", "Retry-After: 120", body=b"later")
    async with opened(tmp_path) as store:
        up, down = http(endpoint.url("/up")), http(endpoint.url("/down"))
        up.name, down.name = "up", "down"
        await put(store, {"n": 1}, to=["up", "down"])
        await worker_of(store, up, down).step()
        assert sorted(await deliveries(store)) == [("pending", "HTTP 503 Busy"), ("succeeded", "")]
        attempts = await rows(store, "select code, received, sent from attempts order by code")
        assert [(code, received) for code, received, _ in attempts] == [(200, b"ok"), (503, b"later")]
        assert attempts[0][2] == f"POST http://127.0.0.1:{endpoint.port}/up"
    assert [json.loads(got.body) for got in endpoint.received] == [{"n": 1}, {"n": 1}]
    await asyncio.gather(up.close(), down.close())


async def test_an_endpoint_that_fails_is_left_alone_then_probed_then_given_more(endpoint: Evil, tmp_path: Path):
    clock = FakeClock(NOW)
    endpoint.answers["/"] = reply("500 Oops")
    destination = http(endpoint.url("/"))
    async with opened(tmp_path, clock) as store:
        await put(store, *range(40), to="ci")
        worker = worker_of(store, destination)
        assert await worker.step() == 32  # its places; all fail, and that is enough to judge
        assert await worker.step() == 0
        clock.advance(29)
        assert await worker.step() == 0
        clock.advance(1)
        assert await worker.step() == 1  # a probe, which fails
        clock.advance(31)
        assert await worker.step() == 0  # the pause has doubled
        del endpoint.answers["/"]
        clock.advance(30)
        assert [await worker.step(), await worker.step()] == [1, 2]  # a good probe, then a little
        clock.advance(10)
        assert await worker.step() == 4
        clock.advance(60)
        while await worker.step():
            pass
        states = await rows(store, "select state, count(*) from deliveries group by 1")
        assert states == [("succeeded", 40)]
        assert await rows(store, "select max(attempts) from deliveries") == [(2,)]
    await destination.close()
