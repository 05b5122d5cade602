"""Time and crowds: the sweep is stepped by hand."""

from __future__ import annotations

from hall import Hall, make_hall, raw

from hookline.door import Limits

POST = b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\n"
START = 1_000.0


def advance(hall: Hall, seconds: float) -> None:
    hall.door.tick(hall.door.now + seconds)


async def test_who_says_nothing_is_closed(hall: Hall):
    _, wire = hall.connect()
    advance(hall, 4.9)
    assert not wire.over
    advance(hall, 0.2)
    assert wire.over
    assert wire.sent == b""


async def test_a_head_has_ten_seconds_however_it_drips(hall: Hall):
    connection, wire = hall.connect()
    for byte in POST + b"X":
        connection.data_received(bytes([byte]))
        advance(hall, 0.2)
    advance(hall, 3)
    assert wire.statuses() == [408]
    assert wire.over


async def test_blank_lines_win_no_time(hall: Hall):
    connection, wire = hall.connect()
    for _ in range(12):
        connection.data_received(b"\r\n")
        advance(hall, 0.5)
    assert wire.over


async def test_a_body_that_does_not_come_is_408(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(POST + b"Content-Length: 100\r\n\r\n")
    advance(hall, 4.9)
    assert not wire.over
    advance(hall, 0.5)
    assert wire.statuses() == [408]


async def test_a_body_has_thirty_seconds_however_busily_it_drips(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(POST + b"Content-Length: 1000000\r\n\r\n")
    for _ in range(29):
        connection.data_received(b"a" * 600)
        advance(hall, 1)
    assert not wire.over
    connection.data_received(b"a" * 600)
    advance(hall, 1)
    assert wire.statuses() == [408]


async def test_keep_alive_ends_after_fifteen_idle_seconds(hall: Hall):
    connection, wire = hall.connect()
    for _ in range(3):
        connection.data_received(raw(hall.signed()))
        await hall.settle()
        advance(hall, 14.9)
        assert not wire.over
    advance(hall, 0.2)
    assert wire.over
    assert wire.statuses() == [200] * 3


async def test_proxies_keep_their_connections_longer_and_bring_more():
    hall = make_hall(door_limits=Limits(per_address=2), trusted=["10.0.0.0/8"])
    proxies = [hall.connect("10.0.0.1") for _ in range(5)]
    advance(hall, 74)
    assert not any(wire.over for _, wire in proxies)
    advance(hall, 2)
    assert all(wire.over for _, wire in proxies)


async def test_who_comes_over_a_unix_socket_is_a_proxy_of_this_machine(hall: Hall):
    for _ in range(70):
        connection, wire = hall.connect("")
        assert not wire.over
    connection.data_received(raw(hall.signed(), (b"X-Forwarded-For", b"198.51.100.7")))
    await hall.settle()
    assert wire.statuses() == [200]
    assert hall.store.arrivals[0].request.peer == "198.51.100.7"


async def test_nobody_is_cut_off_while_we_owe_an_answer(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(raw(hall.signed()))
    advance(hall, 100)
    assert not wire.over
    await hall.settle()
    assert wire.statuses() == [200]


async def test_one_address_has_so_many_connections():
    hall = make_hall(door_limits=Limits(per_address=2))
    first = [hall.connect() for _ in range(2)]
    _, third = hall.connect()
    assert third.statuses() == [503]
    assert third.over
    assert hall.connect("198.51.100.1")[1].sent == b""
    for connection, _ in first:
        connection.connection_lost(None)
    assert hall.connect()[1].sent == b""


async def test_neighbours_in_ipv6_count_as_one():
    hall = make_hall(door_limits=Limits(per_address=2))
    wires = [hall.connect(f"2001:db8::{number}")[1] for number in range(1, 4)]
    assert [wire.statuses() for wire in wires] == [[], [], [503]]


async def test_all_together_have_so_many_connections():
    hall = make_hall(door_limits=Limits(connections=3), trusted=["10.0.0.0/8"])
    wires = [hall.connect(f"10.0.0.{number}")[1] for number in range(1, 5)]
    assert [wire.statuses() for wire in wires] == [[], [], [], [503]]


async def test_unfinished_bodies_have_a_limit_together():
    hall = make_hall(door_limits=Limits(buffered_bytes=250_000))
    people = [hall.connect() for _ in range(3)]
    for connection, _ in people:
        connection.data_received(POST + b"Content-Length: 200000\r\n\r\n" + b"a" * 100_000)
    assert [wire.statuses() for _, wire in people] == [[], [], [503]]
    for connection, _ in people:
        connection.connection_lost(None)
    assert hall.door.buffered == 0


async def test_a_finished_body_is_no_longer_counted(hall: Hall):
    connection, wire = hall.connect()
    whole = raw(hall.signed())
    connection.data_received(whole[:-5])
    assert hall.door.buffered > 0
    connection.data_received(whole[-5:])
    assert hall.door.buffered == 0
    await hall.settle()
    assert wire.statuses() == [200]


async def test_after_the_last_answer_we_listen_for_a_moment_and_go(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(b"nonsense\r\n\r\n")
    assert wire.half_closed
    connection.data_received(b"and more of it")
    assert not wire.closed
    advance(hall, 2.1)
    assert wire.aborted


async def test_a_sender_that_does_not_stop_is_cut_off(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(b"nonsense\r\n\r\n")
    for _ in range(10):
        connection.data_received(b"a" * 65_536)
    assert wire.aborted


async def test_who_does_not_read_our_answers_is_not_read_either(hall: Hall):
    connection, wire = hall.connect()
    connection.pause_writing()
    assert not wire.reading
    connection.data_received(raw(hall.signed()))
    await hall.settle()
    assert not wire.reading
    connection.resume_writing()
    assert wire.reading


async def test_a_stopping_door_answers_and_closes(hall: Hall):
    busy, wire = hall.connect()
    busy.data_received(raw(hall.signed()))
    hall.door.draining = True
    await hall.settle()
    assert wire.statuses() == [200]
    assert b"connection: close\r\n" in wire.sent
    assert wire.half_closed


async def test_the_answer_to_somebody_who_has_gone_is_dropped(hall: Hall):
    connection, wire = hall.connect()
    connection.data_received(raw(hall.signed()))
    connection.connection_lost(None)
    await hall.settle()
    assert wire.sent == b""
    assert len(hall.store.arrivals) == 1
