"""What each request of the public door is answered, and what is kept of it."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hall import SECRET, Hall, make_hall, raw, source

from hookline.config import Limits, SecretRef
from hookline.errors import Unavailable
from hookline.ingest.replies import OK
from hookline.model import Arrival, HandlerRoute, Receipt, RequestOutcome

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def opened(*args: Any, **kwargs: Any):
    hall = make_hall(*args, **kwargs)
    await hall.ingest.start()
    yield hall
    await hall.ingest.stop()


async def ask(hall: Hall, data: bytes, host: str = "192.0.2.7") -> tuple[int, bytes]:
    """The status and the whole answer."""
    connection, wire = hall.connect(host)
    connection.data_received(data)
    await hall.settle()
    connection.connection_lost(None)
    [status] = wire.statuses()
    return status, wire.sent


async def notes(hall: Hall) -> list[Any]:
    await hall.ingest.request_log.write()
    return hall.store.notes


def forged(hall: Hall) -> bytes:
    return raw(hall.signed()).replace(b"sha256=", b"sha256=0")


# -- what has no source ----------------------------------------------------------------------------------------------


async def test_an_unknown_path_is_404_and_noted_with_a_hint(hall: Hall):
    status, _ = await ask(hall, raw(hall.signed(), target=b"/webhook/github"))
    assert status == 404
    [note] = await notes(hall)
    assert (note.source, note.reason, note.status) == (None, "unknown path", 404)
    assert note.hint == "looks like GitHub; did you mean /webhooks/github?"
    assert note.request.body == hall.signed().body


async def test_a_hint_goes_by_the_provider_where_the_path_says_nothing(hall: Hall):
    await ask(hall, raw(hall.signed(), target=b"/hooks/from/elsewhere"))
    await ask(hall, GET % b"/.env")
    assert [note.hint for note in await notes(hall)] == ["looks like GitHub; did you mean /webhooks/github?", ""]


async def test_an_inspection_url_that_is_not_there_is_404_and_not_noted(hall: Hall):
    assert (await ask(hall, raw(hall.signed(), target=b"/i/abc")))[0] == 404
    assert await notes(hall) == []


async def test_health_answers_any_host(hall: Hall):
    for path in (b"/healthz", b"/readyz"):
        status, answer = await ask(hall, (GET % path).replace(b"Host: a", b"Host: 10.1.2.3:8080"))
        assert status == 200
        assert answer.endswith(OK.body)


async def test_not_ready_while_nothing_could_be_committed(hall: Hall):
    hall.ingest.disk.low = True
    assert (await ask(hall, GET % b"/readyz"))[0] == 503
    assert (await ask(hall, GET % b"/healthz"))[0] == 200
    hall.ingest.disk.low = False
    hall.store.answer = unavailable
    await ask(hall, raw(hall.signed()))
    assert (await ask(hall, GET % b"/readyz"))[0] == 503
    hall.store.answer = None
    await ask(hall, raw(hall.signed()))
    assert (await ask(hall, GET % b"/readyz"))[0] == 200


# -- what the head decides -------------------------------------------------------------------------------------------


async def test_a_wrong_method_is_405_and_told_the_right_one(hall: Hall):
    status, answer = await ask(hall, raw(hall.signed()).replace(b"POST", b"PUT"))
    assert status == 405
    assert b"allow: POST\r\n" in answer


async def test_a_wrong_content_type_is_415(hall: Hall):
    assert (await ask(hall, raw(hall.signed()).replace(b"application/json", b"text/plain")))[0] == 415
    assert [note.reason for note in await notes(hall)] == ["content type"]


async def test_a_content_type_may_have_parameters(hall: Hall):
    request = raw(hall.signed()).replace(b"application/json", b"Application/JSON; charset=utf-8")
    assert (await ask(hall, request))[0] == 200


async def test_a_compressed_body_is_415(hall: Hall):
    assert (await ask(hall, raw(hall.signed(), (b"Content-Encoding", b"gzip"))))[0] == 415


async def test_a_sender_that_is_not_on_the_list_is_403():
    async with opened(source(addresses=("198.51.100.0/24", "2001:db8::/32"))) as hall:
        assert (await ask(hall, raw(hall.signed()), "192.0.2.7"))[0] == 403
        assert (await ask(hall, raw(hall.signed()), "198.51.100.9"))[0] == 200
        assert (await ask(hall, raw(hall.signed()), "::ffff:198.51.100.9"))[0] == 200
        assert (await ask(hall, raw(hall.signed()), "2001:db8::1"))[0] == 200


async def test_a_list_of_addresses_looks_behind_trusted_proxies_only():
    async with opened(source(addresses=("198.51.100.0/24",)), trusted=["10.0.0.0/8"]) as hall:
        through = (b"X-Forwarded-For", b"198.51.100.9")
        pretended = (b"X-Forwarded-For", b"198.51.100.9, 203.0.113.1")
        assert (await ask(hall, raw(hall.signed(), through), "192.0.2.7"))[0] == 403
        assert (await ask(hall, raw(hall.signed(), through), "10.0.0.1"))[0] == 200
        assert (await ask(hall, raw(hall.signed(), pretended), "10.0.0.1"))[0] == 403
        assert hall.store.arrivals[0].request.peer == "198.51.100.9"


async def test_plain_http_is_403_where_https_is_required():
    async with opened(source(require_https=True), trusted=["10.0.0.0/8"]) as hall:
        https = (b"X-Forwarded-Proto", b"https")
        assert (await ask(hall, raw(hall.signed())))[0] == 403
        assert (await ask(hall, raw(hall.signed(), https)))[0] == 403
        assert (await ask(hall, raw(hall.signed(), https), "10.0.0.1"))[0] == 200
        connection, wire = hall.connect(tls=True)
        connection.data_received(raw(hall.signed()))
        await hall.settle()
        assert wire.statuses() == [200]


async def test_a_retired_source_is_410():
    async with opened(source(retired=True)) as hall:
        assert (await ask(hall, b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"))[0] == 410


# -- what the signature decides --------------------------------------------------------------------------------------


async def test_the_reason_of_a_refusal_stays_in_the_log(hall: Hall):
    status, answer = await ask(hall, forged(hall))
    assert status == 401
    assert answer.endswith(b"unauthorized\n")
    unsigned, other = await ask(hall, b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert (unsigned, other.partition(b"content")[2]) == (401, answer.partition(b"content")[2])
    assert [note.reason for note in await notes(hall)] == ["bad signature", "missing signature"]


async def test_a_flood_of_forgeries_gets_429_and_the_genuine_from_there_200():
    async with opened(limits=Limits(unverified_rate=2.0)) as hall:
        statuses = [(await ask(hall, forged(hall)))[0] for _ in range(8)]
        assert statuses == [401] * 4 + [429] * 4
        assert (await ask(hall, raw(hall.signed())))[0] == 200
        assert (await ask(hall, forged(hall), "198.51.100.1"))[0] == 401
        assert len(await notes(hall)) == 5


async def test_the_request_log_takes_so_many_of_an_address_and_a_reason(hall: Hall):
    for _ in range(150):
        await ask(hall, raw(hall.signed(), target=b"/nowhere"))
    await ask(hall, raw(hall.signed(), target=b"/nowhere"), "198.51.100.1")
    await hall.ingest.request_log.write()
    assert len(await notes(hall)) == 101


async def test_a_request_over_the_rate_is_429_and_told_when_to_come_again():
    async with opened(source(rate=2.0)) as hall:
        answers = [await ask(hall, raw(hall.signed(id=f"d-{n}"))) for n in range(4)]
        assert [status for status, _ in answers] == [200, 200, 429, 429]
        assert b"retry-after: 1\r\n" in answers[-1][1]
        assert (await ask(hall, forged(hall)))[0] == 401


async def test_a_source_without_its_secret_is_503_while_the_others_serve():
    broken = source("broken", secrets=(SecretRef(ref="env:HOOKLINE_NO_SUCH_SECRET"),))
    async with opened(source(), broken) as hall:
        status, answer = await ask(hall, raw(hall.signed(), target=b"/webhooks/broken"))
        assert status == 503
        assert b"retry-after: " in answer
        assert (await ask(hall, raw(hall.signed())))[0] == 200


async def test_a_secret_counts_until_its_end():
    async with opened(source(secrets=(SecretRef(ref=SECRET, until=1_799_999_999.0),))) as hall:
        body = b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        assert (await ask(hall, body))[0] == 503


async def test_the_same_duplicate_gets_the_same_answer(hall: Hall):
    async def duplicate(arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        return [Receipt(RequestOutcome.DUPLICATE, (1,)) for _ in arrivals]

    _, first = await ask(hall, raw(hall.signed()))
    hall.store.answer = duplicate
    _, second = await ask(hall, raw(hall.signed()))
    assert first == second


# -- what the store decides ------------------------------------------------------------------------------------------


async def unavailable(_: Sequence[Arrival]) -> list[Receipt | Exception]:
    raise Unavailable("disk full", 7)


async def test_what_cannot_be_kept_is_503(hall: Hall):
    hall.store.answer = unavailable
    status, answer = await ask(hall, raw(hall.signed()))
    assert status == 503
    assert b"retry-after: 7\r\n" in answer


@pytest.mark.parametrize("trouble", [RuntimeError("bug"), ValueError("no such thing")])
async def test_a_bug_in_the_store_is_503_and_the_door_lives_on(hall: Hall, trouble: Exception):
    async def broken(_: Sequence[Arrival]) -> list[Receipt | Exception]:
        raise trouble

    hall.store.answer = broken
    assert (await ask(hall, raw(hall.signed())))[0] == 503
    hall.store.answer = None
    assert (await ask(hall, raw(hall.signed())))[0] == 200


async def test_a_data_error_fails_only_its_own_request(hall: Hall):
    async def second_fails(arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        results: list[Receipt | Exception] = [Receipt(RequestOutcome.ACCEPTED, (1,)) for _ in arrivals]
        results[1] = ValueError("not storable")
        return results

    hall.store.answer = second_fails
    connection, wire = hall.connect()
    connection.data_received(raw(hall.signed()) * 3)
    await hall.settle()
    assert wire.statuses() == [200, 503, 200]


async def test_too_few_receipts_acknowledge_nobody(hall: Hall):
    async def short(arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        return [Receipt(RequestOutcome.ACCEPTED, (1,))]

    hall.store.answer = short
    connection, wire = hall.connect()
    connection.data_received(raw(hall.signed()) * 2)
    await hall.settle()
    assert wire.statuses() == [503, 503]


async def test_everything_that_waits_shares_the_next_commit(hall: Hall):
    gate = asyncio.Event()
    batches = []

    async def slow(arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        batches.append(len(arrivals))
        await gate.wait()
        return [Receipt(RequestOutcome.ACCEPTED, (1,)) for _ in arrivals]

    hall.store.answer = slow
    people = [hall.connect(f"192.0.2.{number % 250}") for number in range(300)]
    people[0][0].data_received(raw(hall.signed()))
    await hall.settle()
    for connection, _ in people[1:]:
        connection.data_received(raw(hall.signed()))
    gate.set()
    await hall.settle()
    assert batches == [1, 256, 43]
    assert all(wire.statuses() == [200] for _, wire in people)


async def test_too_many_waiting_are_503():
    async with opened(limits=Limits(waiting=3)) as hall:
        gate = asyncio.Event()

        async def slow(arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
            await gate.wait()
            return [Receipt(RequestOutcome.ACCEPTED, (1,)) for _ in arrivals]

        hall.store.answer = slow
        connection, wire = hall.connect()
        connection.data_received(raw(hall.signed()))
        await hall.settle()
        connection.data_received(raw(hall.signed()) * 6)
        gate.set()
        await hall.settle()
        assert wire.statuses() == [200, 200, 200, 200, 200, 503, 503]


async def test_a_nearly_full_disk_is_503(hall: Hall):
    hall.ingest.disk.low = True
    assert (await ask(hall, raw(hall.signed())))[0] == 503
    assert (await ask(hall, forged(hall)))[0] == 401


# -- what is kept ----------------------------------------------------------------------------------------------------


async def test_an_event_of_the_wrong_side_is_held():
    stripe = source("stripe", "stripe", environment="test", secrets=(SecretRef(ref="whsec_abcdefgh12345678"),))
    handler = HandlerRoute(name="app.paid", source="stripe", types=(), environment="test")
    async with opened(stripe, handlers=[handler]) as hall:
        verifier = hall.ingest.entries[b"/webhooks/stripe"].verifier
        assert verifier is not None
        for live in (b"true", b"false"):
            body = b'{"id": "evt_%s", "type": "invoice.paid", "livemode": %s, "created": 1}' % (live, live)
            signed = verifier.sign(body, now=time.time())
            assert (await ask(hall, raw(signed, target=b"/webhooks/stripe")))[0] == 200
        held, fine = [arrival.events[0] for arrival in hall.store.arrivals]
        assert held.hold is not None
        assert held.hold.startswith("wrong environment")
        assert fine.hold is None
        assert [delivery.destination for delivery in fine.deliveries] == ["app.paid"]


async def test_events_wait_for_an_app_that_has_not_been_seen():
    async with opened(handlers=None) as hall:
        await ask(hall, raw(hall.signed()))
        assert hall.store.arrivals[0].events[0].hold == "app not loaded"


async def test_an_event_without_an_id_is_known_by_its_content_for_a_while():
    billing = source(
        "billing",
        "hmac",
        options={"signature": {"header": "X-Sig", "algorithm": "sha256", "encoding": "hex", "signs": "{body}"}},
        dedupe_window=600.0,
    )
    async with opened(billing) as hall:
        verifier = hall.ingest.entries[b"/webhooks/billing"].verifier
        assert verifier is not None
        for body in (b"one", b"two", b"one"):
            await ask(hall, raw(verifier.sign(body, now=0.0, content_type="text/plain"), target=b"/webhooks/billing"))
        one, two, again = [arrival.events[0] for arrival in hall.store.arrivals]
        assert one.key == again.key != two.key
        assert (one.type, one.provider_id, one.key_seconds) == ("unknown", None, 600.0)


async def test_a_secret_within_a_request_is_masked_before_it_is_stored(hall: Hall):
    encoded = base64.b64encode(SECRET.encode())
    body = b'{"oops": "%s"}' % SECRET.encode()
    assert (await ask(hall, raw(hall.signed(body), (b"X-Github-Encoded-Secret", encoded))))[0] == 200
    [arrival] = hall.store.arrivals
    assert arrival.request.body == b'{"oops": "***"}'
    assert (b"X-Github-Encoded-Secret", b"***=") in arrival.request.headers
    assert arrival.events[0].body is None
    assert hall.ingest.leaked == 1
    await ask(hall, raw(hall.signed(body), (b"X-A", encoded)).replace(b"sha256=", b"sha256=0"))
    [note] = await notes(hall)
    assert SECRET.encode() not in note.request.body


async def test_a_secret_that_went_to_a_wrong_path_is_masked_too(hall: Hall):
    for target in (b"/webhooks/githib", b"/elsewhere?key=" + SECRET.encode().replace(b" ", b"%20")):
        await ask(hall, raw(hall.signed(), (b"X-Token", SECRET.encode()), target=target))
    for note in await notes(hall):
        assert note.source is None
        assert (b"X-Token", b"***") in note.request.headers
        assert SECRET.encode() not in note.request.target


async def test_our_own_clock_is_doubted_before_all_senders_are():
    stripe = source("stripe", "stripe", secrets=(SecretRef(ref="whsec_abcdefgh12345678"),))
    async with opened(stripe) as hall:
        verifier = hall.ingest.entries[b"/webhooks/stripe"].verifier
        assert verifier is not None

        async def sent(now: float) -> int:
            signed = verifier.sign(b'{"id": "evt_1", "type": "a.b", "livemode": true}', now=now)
            return (await ask(hall, raw(signed, target=b"/webhooks/stripe")))[0]

        assert [await sent(time.time() - 9_000) for _ in range(8)] == [401] * 4 + [503] * 4
        assert [await sent(time.time()) for _ in range(12)] == [200] * 12
        assert await sent(time.time() - 9_000) == 401
