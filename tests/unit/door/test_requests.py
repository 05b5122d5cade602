"""Requests through the protocol: accepted, pipelined, split, and everything that is refused for its form."""

from __future__ import annotations

import pytest
from hall import Hall, make_hall, raw, source

from hookline.model import RequestOutcome

POST = b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\n"


async def told(hall: Hall, data: bytes, pieces: int = 0) -> tuple[list[int], bool]:
    """The statuses that the bytes get, and whether the connection is over; ``pieces`` > 0 splits them so small."""
    connection, wire = hall.connect()
    step = pieces or len(data)
    for start in range(0, len(data), step):
        connection.data_received(data[start : start + step])
    await hall.settle()
    return wire.statuses(), wire.over


async def test_a_genuine_request_is_stored_and_then_acknowledged(hall: Hall):
    signed = hall.signed()
    assert await told(hall, raw(signed)) == ([200], False)
    [arrival] = hall.store.arrivals
    assert arrival.source == "github"
    assert arrival.request.body == signed.body
    assert arrival.request.target == b"/webhooks/github"
    assert arrival.request.headers[0] == (b"Host", b"hooks.example.com")
    assert arrival.request.peer == "192.0.2.7"
    assert arrival.events[0].key == "d-1"


async def test_nothing_is_said_before_the_store_has_answered(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(raw(hall.signed()))
    assert wire.sent == b""
    await hall.settle()
    assert wire.statuses() == [200]


async def test_a_forged_request_gets_401_and_is_not_stored(hall: Hall):
    request = raw(hall.signed()).replace(b"sha256=", b"sha256=00")
    assert await told(hall, request) == ([401], False)
    assert hall.store.arrivals == []


async def test_byte_at_a_time_is_the_same_request(hall: Hall):
    signed = hall.signed()
    assert await told(hall, raw(signed), pieces=1) == ([200], False)
    assert hall.store.arrivals[0].request.body == signed.body
    assert hall.store.arrivals[0].request.headers[1:-1] == signed.headers


async def test_chunks_are_put_together(hall: Hall):
    signed = hall.signed(b'{"a": 1}')
    head = raw(signed, (b"Transfer-Encoding", b"chunked"), length=False).removesuffix(signed.body)
    assert await told(hall, head + b'3\r\n{"a\r\n5;ext=1\r\n": 1}\r\n0\r\n\r\n') == ([200], False)
    assert hall.store.arrivals[0].request.body == b'{"a": 1}'


async def test_pipelined_requests_are_answered_in_order(hall: Hall):
    good, bad = raw(hall.signed()), raw(hall.signed()).replace(b"sha256=", b"sha256=00")
    assert (await told(hall, good + bad + good + bad))[0] == [200, 401, 200, 401]


async def test_many_pipelined_requests_stop_the_reading_until_they_are_answered(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(raw(hall.signed()) * 40)
    assert not wire.reading
    await hall.settle()
    assert wire.reading
    assert wire.statuses() == [200] * 40


async def test_a_body_reaches_no_other_request(hall: Hall):
    inner = b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    assert (await told(hall, POST + b"Content-Length: %d\r\n\r\n" % len(inner) + inner))[0] == [401]


async def test_close_is_answered_and_nothing_after_it_is_read(hall: Hall):
    closing = raw(hall.signed(), (b"Connection", b"close"))
    connection, wire = hall.connect()
    connection.data_received(closing + raw(hall.signed()))
    await hall.settle()
    assert wire.statuses() == [200]
    assert b"connection: close" in wire.sent
    assert wire.half_closed
    assert len(hall.store.arrivals) == 1


async def test_http_1_0_is_answered_and_closed(hall: Hall):
    request = raw(hall.signed()).replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: hooks.example.com\r\n", b"")
    assert await told(hall, request) == ([200], True)


async def test_a_half_closed_connection_still_gets_its_answer(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(raw(hall.signed()))
    assert connection.eof_received()
    await hall.settle()
    assert wire.statuses() == [200]


async def test_continue_is_said_after_the_checks_of_the_head(hall: Hall):
    signed = hall.signed()
    request = raw(signed, (b"Expect", b"100-continue"))
    connection, wire = hall.connect()
    connection.data_received(request.removesuffix(signed.body))
    assert wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(signed.body)
    await hall.settle()
    assert wire.statuses() == [100, 200]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n", 404),
        (b"PUT /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n", 405),
        (POST + b"Content-Length: 9999999\r\n", 413),
    ],
)
async def test_continue_is_not_said_to_what_is_declined(hall: Hall, head: bytes, status: int):
    assert await told(hall, head + b"Expect: 100-continue\r\n\r\n") == ([status], True)


async def test_an_offered_upgrade_is_ignored_and_the_body_read(hall: Hall):
    upgrade = [(b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAMAAABk")]
    request = raw(hall.signed(), *upgrade)
    for pieces in (0, 1, 50):
        assert await told(hall, request * 2, pieces) == ([200, 200], False)
    assert hall.store.arrivals[-1].request.target == b"/webhooks/github"
    assert hall.store.arrivals[-1].request.body == hall.signed().body


async def test_an_upgraded_chunked_body_is_read_too(hall: Hall):
    signed = hall.signed(b'{"a": 1}')
    offer = [(b"Connection", b"Upgrade"), (b"Upgrade", b"h2c"), (b"Transfer-Encoding", b"chunked")]
    head = raw(signed, *offer, length=False).removesuffix(signed.body)
    request = head + b'8\r\n{"a": 1}\r\n0\r\n\r\n'
    for pieces in (0, 1):
        assert (await told(hall, request + raw(signed), pieces))[0] == [200, 200]


BAD = {
    "length and chunks": (
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        400,
    ),
    "coding of another kind": (POST + b"Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 400),
    "coding upon coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 400),
    "coding twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding in HTTP/1.0": (
        b"POST /webhooks/github HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "length twice": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "length as a list": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "length with a sign": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "length in hex": (POST + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "length below nothing": (POST + b"Content-Length: -1\r\n\r\nhello", 400),
    "length beyond all": (POST + b"Content-Length: 99999999999999999999999\r\n\r\nhello", 400),
    "bare line feeds": (b"POST /webhooks/github HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello", 400),
    "folded header": (POST + b"X-A: a\r\n b\r\nContent-Length: 0\r\n\r\n", 400),
    "NUL in a header": (POST + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n", 400),
    "CR in a header": (POST + b"X-A: a\rb\r\nContent-Length: 0\r\n\r\n", 400),
    "no host": (b"POST /webhooks/github HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
    "two hosts": (POST + b"Host: b\r\nContent-Length: 0\r\n\r\n", 400),
    "a path as host": (b"POST /webhooks/github HTTP/1.1\r\nHost: a/../x?\r\nContent-Length: 0\r\n\r\n", 400),
    "signature twice": (POST + b"X-Hub-Signature-256: a\r\nx-hub-signature-256: b\r\nContent-Length: 0\r\n\r\n", 400),
    "content type twice": (POST + b"Content-Type: a/b\r\nContent-Type: a/c\r\nContent-Length: 0\r\n\r\n", 400),
    "absolute target": (b"POST http://a/webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400),
    "connect": (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "raw utf-8 path": ("POST /wébhooks HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode(), 400),
    "unknown method": (b"FOO /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400),
    "method of another world": (b"PROPFIND /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
    "HTTP/9.9": (b"POST /webhooks/github HTTP/9.9\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400),
    "HTTP/2.0": (b"POST /webhooks/github HTTP/2.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS to a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, 400),
    "chunk size in hex notation": (POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk without an end": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", 400),
    "line feed in a chunk extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    "chunks with bare line feeds": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n", 400),
    "chunk size beyond all": (POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    "trailer": (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Hub-Signature-256: evil\r\n\r\n", 400),
    "chunk storm": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 2_000, 400),
    "endless extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 3_000_000, 400),
    "endless trailer": (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: " + b"a" * 3_000_000, 400),
    "101 headers": (POST + b"".join(b"X-%d: v\r\n" % n for n in range(100)) + b"\r\n", 431),
    "a long header": (POST + b"X-A: " + b"a" * 8_192 + b"\r\nContent-Length: 0\r\n\r\n", 431),
    "40 KiB of headers": (POST + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 4_000) for n in range(10)) + b"\r\n", 431),
    "a header without end": (POST + b"X-A: " + b"a" * (1 << 20), 431),
    "a long target": (b"POST /" + b"a" * 8_192 + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 414),
    "an odd expectation": (POST + b"Expect: miracles\r\nContent-Length: 0\r\n\r\n", 417),
    "a declared large body": (POST + b"Content-Length: 2000000\r\n\r\n" + b"a" * 10, 413),
    "a large body in chunks": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"a" * 65_536 + b"\r\n") * 17,
        413,
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_malformed_requests_are_answered_and_closed(hall: Hall, name: str):
    data, status = BAD[name]
    for pieces in (0, 65_536, 1_000):
        assert await told(hall, data, pieces) == ([status], True)
    assert hall.store.arrivals == []


@pytest.mark.parametrize("name", [name for name in BAD if len(BAD[name][0]) < 2_000])
async def test_a_bad_request_after_a_good_one_takes_nothing_from_it(hall: Hall, name: str):
    data, status = BAD[name]
    assert await told(hall, raw(hall.signed()) + data) == ([200, status], True)
    assert len(hall.store.arrivals) == 1


async def test_paths_are_compared_as_they_are(hall: Hall):
    for target in (
        b"//webhooks/github",
        b"/webhooks/github/",
        b"/WEBHOOKS/github",
        b"/webhooks/%67ithub",
        b"/webhooks/../webhooks/github",
        b"/webhooks/github;a=1",
        b"/webhooks/github%00",
        b"/webhooks/github#x",
    ):
        assert await told(hall, raw(hall.signed(), target=target)) == ([404], False), target
    assert hall.store.arrivals == []


async def test_a_query_leads_to_the_source_and_is_kept(hall: Hall):
    assert (await told(hall, raw(hall.signed(), target=b"/webhooks/github?a=%20b")))[0] == [200]
    assert hall.store.arrivals[0].request.target == b"/webhooks/github?a=%20b"


async def test_a_header_with_underscores_is_another_header(hall: Hall):
    request = raw(hall.signed()).replace(b"X-Hub-Signature-256", b"X_Hub_Signature_256")
    assert (await told(hall, request))[0] == [401]


async def test_what_is_refused_for_its_form_is_noted_when_its_source_is_known(hall: Hall):
    await told(hall, POST + b"Content-Length: 2000000\r\n\r\n")
    await hall.ingest.request_log.write()
    [note] = hall.store.notes
    assert (note.source, note.outcome, note.reason, note.status) == (
        "github",
        RequestOutcome.REJECTED,
        "too large",
        413,
    )


async def test_the_largest_allowed_request_is_accepted():
    hall = make_hall(source(max_body=3_000_000))
    await hall.ingest.start()
    signed = hall.signed(b"[" + b" " * 2_999_998 + b"]")
    headers = [(b"X-%d" % number, b"v" * 300) for number in range(90)]
    assert await told(hall, raw(signed, *headers), pieces=262_144) == ([200], False)
    await hall.ingest.stop()


async def test_head_is_answered_like_get_without_a_body(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 3\r\n" in wire.sent
    assert wire.sent.endswith(b"\r\n\r\n")
