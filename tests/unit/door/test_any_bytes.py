"""Whatever a stranger sends, in whatever pieces: no exception, no event that nobody signed, the same answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hall import Hall, make_hall, raw
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookline.door.peers import Peers
from hookline.door.replies import encode
from hookline.ingest.addresses import neighbourhood, networks
from hookline.model import Arrival, Receipt, Reply, RequestOutcome


def instant_hall() -> Hall:
    """Commits without a loop: at once."""
    hall = make_hall()

    def put(arrival: Arrival, size: int, finish: Callable[[Receipt | Exception], None]) -> None:
        hall.store.arrivals.append(arrival)
        finish(Receipt(RequestOutcome.ACCEPTED, (1,)))

    hall.ingest.committer.put = put  # type: ignore[method-assign]
    return hall


GENUINE = raw(instant_hall().signed())
BODY = instant_hall().signed().body

line = st.sampled_from(
    [
        b"Host: a",
        b"Host: b",
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Content-Length: 1000000000",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: Upgrade",
        b"Upgrade: h2c",
        b"Upgrade: websocket",
        b"Expect: 100-continue",
        b"Expect: nothing",
        b"X-Forwarded-For: 1.2.3.4",
        b"X-Hub-Signature-256: sha256=00",
        b"Content-Type: application/json",
        b" folded",
        b"",
        b": nameless",
        b"X: \0",
        b"X-Y: " + b"z" * 9_000,
    ]
) | st.binary(max_size=40)
start = st.sampled_from(
    [
        b"POST /webhooks/github HTTP/1.1",
        b"POST /webhooks/github HTTP/1.0",
        b"GET /healthz HTTP/1.1",
        b"HEAD / HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT a:1 HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"POST http://a/webhooks/github HTTP/1.1",
        b"BREW /pot HTTP/1.1",
    ]
) | st.binary(max_size=40)
tail = st.sampled_from(
    [
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;x=y\r\nhello\r\n0\r\nX-T: v\r\n\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
    ]
) | st.binary(max_size=60)
request = st.builds(
    lambda start, lines, tail: b"\r\n".join([start, *lines, b"", b""]) + tail, start, st.lists(line, max_size=8), tail
)
stream = st.lists(request | st.just(GENUINE) | st.binary(max_size=200), max_size=4).map(b"".join)


def told(hall: Hall, data: bytes, cuts: list[int]) -> tuple[list[int], bool]:
    connection, wire = hall.connect()
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for begin, end in pairwise(places):
        connection.data_received(data[begin:end])
        if wire.closed:
            break
    hall.door.tick(hall.door.now + 1)
    if not wire.closed:
        connection.eof_received()
    connection.connection_lost(None)
    return wire.statuses(), wire.over


@given(stream, st.lists(st.integers(0, 2_000), max_size=12))
@settings(max_examples=400, deadline=None)
@example(GENUINE + b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + GENUINE, [])
def test_pieces_are_told_the_same_as_the_whole(data: bytes, cuts: list[int]):
    whole, pieces = instant_hall(), instant_hall()
    assert told(whole, data, []) == told(pieces, data, cuts)
    assert [a.request.body for a in whole.store.arrivals] == [a.request.body for a in pieces.store.arrivals]
    assert whole.door.buffered == pieces.door.buffered == 0
    assert not whole.door.connections


@given(stream)
@settings(max_examples=300, deadline=None)
def test_only_what_was_signed_becomes_an_event(data: bytes):
    hall = instant_hall()
    told(hall, data, [])
    assert all(arrival.request.body == BODY for arrival in hall.store.arrivals)
    assert len(hall.store.arrivals) <= data.count(BODY)


@given(
    st.integers(0, len(GENUINE) - 1),
    st.integers(0, 3),
    st.binary(max_size=6),
    st.lists(st.integers(0, 400), max_size=4),
)
@settings(max_examples=400, deadline=None)
def test_a_damaged_request_is_the_signed_one_or_none(place: int, cut: int, put: bytes, cuts: list[int]):
    hall = instant_hall()
    statuses, _ = told(hall, GENUINE[:place] + put + GENUINE[place + cut :], cuts)
    assert len(statuses) <= 2
    assert all(arrival.request.body == BODY for arrival in hall.store.arrivals)
    assert statuses.count(200) == len(hall.store.arrivals)


@given(st.integers(1, 30), st.lists(st.integers(0, 12_000), max_size=30))
@settings(max_examples=100, deadline=None)
def test_pipelined_requests_survive_any_cuts(count: int, cuts: list[int]):
    hall = instant_hall()
    assert told(hall, GENUINE * count, cuts)[0] == [200] * count
    assert len(hall.store.arrivals) == count


@given(
    st.integers(100, 599),
    st.binary(max_size=50),
    st.lists(st.tuples(st.just(b"x-echo"), st.binary(max_size=50)), max_size=3),
)
def test_a_reply_never_grows_a_second_one(status: int, body: bytes, headers: list[tuple[bytes, bytes]]):
    start, rest = encode(Reply(status, body, tuple(headers)), False, False)
    head, _, sent = rest.partition(b"\r\n\r\n")
    assert start.count(b"\r\n") == 1
    assert sent == (b"" if status in (204, 304) else body)
    assert head.count(b"\n") <= len(headers) + 1


@given(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"10.0.0.1", b"1.2.3.4", b"[::1]:8", b"5.6.7.8:99", b"unknown", b""])),
)
def test_any_chain_of_proxies_names_an_address(junk: bytes, hops: list[bytes]):
    peers = Peers(networks(["10.0.0.0/8"], "trusted"))
    chain = b", ".join([junk, *hops])
    sender = peers.sender("10.9.9.9", {b"x-forwarded-for": chain}, [(b"X-Forwarded-For", chain)])
    assert networks([sender], "sender")
    assert neighbourhood(sender)
