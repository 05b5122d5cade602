"""What strangers and full disks can make ingest do, and keep."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.errors import ConfigError, Unavailable
from hookline.ingest.addresses import neighbourhood, networks, within
from hookline.ingest.entries import nearest
from hookline.ingest.health import BALLAST, Clock, Disk
from hookline.ingest.leaks import Needles, without_secret
from hookline.ingest.pace import Bucket, Seldom, Strangers
from hookline.ingest.requestlog import LONGEST_BODY, MOST_NOTES, RequestLog
from hookline.model import Request, RequestOutcome, Verified, VerifiedEvent
from hookline.store.base import RequestNote


def request(body: bytes = b"", value: bytes = b"v") -> Request:
    return Request(method="POST", target=b"/a", headers=[(b"X-A", value)], body=body, received_at=0.0)


def note(body: bytes = b"") -> RequestNote:
    return RequestNote(
        source=None, outcome=RequestOutcome.REJECTED, reason="unknown path", status=404, request=request(body)
    )


class Paper:
    """A store's request log."""

    def __init__(self) -> None:
        self.notes: list[RequestNote] = []
        self.full = False

    async def note(self, notes: Sequence[RequestNote]) -> None:
        if self.full:
            raise Unavailable("disk full")
        self.notes += notes


async def test_the_request_log_is_bounded_in_memory():
    log = RequestLog(Paper())
    for _ in range(MOST_NOTES + 10):
        log.put(note())
    assert log.dropped == 10
    while await log.write():
        pass
    large = RequestLog(Paper())
    for _ in range(MOST_NOTES):
        large.put(note(b"a" * (1 << 20)))
    assert large.dropped > 0
    await large.write()


async def test_of_an_unverified_body_only_the_start_is_kept():
    paper = Paper()
    log = RequestLog(paper)
    log.put(note(b"a" * (LONGEST_BODY + 1)))
    await log.write()
    assert len(paper.notes[0].request.body) == LONGEST_BODY


async def test_what_the_store_cannot_take_is_dropped_and_counted():
    paper = Paper()
    paper.full = True
    log = RequestLog(paper)
    log.put(note())
    assert await log.write() == 1
    assert log.dropped == 1
    assert await log.write() == 0


def test_each_address_has_its_share_of_the_log_every_hour():
    log = RequestLog(Paper(), per_hour=2)
    asked = [log.room("github", "bad signature", "192.0.2.1", second) for second in (0.0, 1.0, 2.0, 3_601.0)]
    assert asked == [True, True, False, True]
    assert log.room("github", "missing signature", "192.0.2.1", 2.0)
    assert log.room("github", "bad signature", "192.0.2.2", 2.0)


def test_a_bucket_gives_its_rate_and_a_burst():
    bucket = Bucket(2.0)
    assert [bucket.take(100.0) for _ in range(3)] == [True, True, False]
    assert bucket.wait() == 1
    assert bucket.take(100.5)
    assert not bucket.take(100.5)
    assert [bucket.take(1_000.0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_steps_back_gives_no_tokens_and_takes_none():
    bucket = Bucket(1.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert bucket.take(51.0)


def test_a_flood_of_addresses_is_forgotten_and_not_stored():
    strangers = Strangers(1.0)
    for number in range(25_000):
        strangers.take(f"2001:db8:{number:x}::/64", 0.0)
    assert len(strangers._buckets) <= 10_000


def test_what_strangers_cause_is_said_once_a_minute():
    seldom = Seldom()
    assert [seldom("bug", "github", now) for now in (5.0, 6.0, 64.0, 66.0)] == [True, False, False, True]
    assert seldom("bug", "stripe", 6.0)


def test_a_disk_is_low_below_its_mark_and_recovers():
    free = [3_000, 1_500, 900, 900, 1_500]
    disk = Disk("/", refuse=1_000, warn=2_000, free=lambda _: free.pop(0))
    seen = []
    for _ in range(5):
        disk.look()
        seen.append(disk.low)
    assert seen == [False, False, True, True, False]


def test_a_disk_that_cannot_be_measured_stays_as_it_was():
    def fail(_: str) -> int:
        raise OSError("gone")

    disk = Disk("/", refuse=1, warn=2, free=fail)
    disk.low = True
    disk.look()
    assert disk.low
    assert not Disk(None, refuse=1 << 60, warn=0).low


def test_one_stale_sender_does_not_make_our_clock_wrong():
    clock = Clock()
    assert not any(clock.stale(float(second)) for second in range(4))
    for second in range(10):
        clock.fresh(float(second))
    assert not clock.stale(11.0)
    assert [clock.stale(200.0) for _ in range(6)] == [False] * 4 + [True] * 2  # the minute before last is forgotten


@given(st.lists(st.tuples(st.floats(0, 1_000), st.booleans()), max_size=1_500))
def test_the_clock_counts_what_it_remembers(seen: list[tuple[float, bool]]):
    clock = Clock()
    for now, stale in seen:
        clock.stale(now) if stale else clock.fresh(now)
    assert clock._stale == sum(stale for _, stale in clock._seen) >= 0


SECRET = "It's a Secret to Everybody"


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET.encode(),
        base64.b64encode(SECRET.encode()),
        base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"="),
        SECRET.encode().hex().encode(),
        quote(SECRET, safe="").encode(),
        quote(SECRET, safe="")
        .lower()
        .replace("it", "It")
        .replace("secret", "Secret")
        .replace("everybody", "Everybody")
        .encode(),
        base64.b64encode(b"us:" + SECRET.encode()),
        base64.b64encode(b"user:" + SECRET.encode() + b"\n"),
        base64.b64encode(b"a user:" + SECRET.encode()),
    ],
)
def test_a_leaked_secret_is_found_and_masked_in_every_spelling(spelling: bytes):
    needles = Needles([SECRET])
    for leaking in (request(b"a" + spelling + b"b"), request(value=b"x " + spelling)):
        assert needles.within(leaking)
        clean = needles.redact(leaking)
        assert not needles.within(clean)
        assert spelling.rstrip(b"=") not in clean.body + clean.headers[0][1]
        assert len(clean.body) < 20
    assert not needles.within(request(b"It's no secret"))


def test_a_standard_webhooks_secret_is_found_without_its_prefix():
    key = base64.b64encode(b"0123456789abcdef01234567").decode()
    needles = Needles(["whsec_" + key])
    for text in ("whsec_" + key, key, b"0123456789abcdef01234567".hex()):
        assert needles.within(request(text.encode()))


def test_a_secret_that_is_read_from_a_request_is_masked_in_what_was_read():
    leaking = request(b"{}", SECRET.encode())
    event = VerifiedEvent(id=f"1-{SECRET}", type=f"paid {SECRET}", subject=SECRET, body=leaking.body)
    _, found = without_secret(Needles([SECRET]), leaking, Verified(events=[event]))
    assert [(one.id, one.type, one.subject) for one in found.events] == [("1-***", "paid ***", "***")]


def test_a_secret_that_json_escapes_is_found_as_it_is_written_there():
    secret = 'say "friend" \\ and enter, Melón'
    for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert Needles([secret]).within(request(text.encode()))


def test_the_password_of_a_pair_is_found_alone():
    assert Needles(["sender:pass-word-of-the-sender"]).within(request(b"pass-word-of-the-sender"))


def test_a_short_secret_is_not_looked_for():
    assert not Needles(["abc"]).within(request(b"abcdef"))


def test_addresses_are_compared_whatever_they_wear():
    nets = networks(["10.0.0.0/8", "2001:db8::/32"], "key")
    assert within("::ffff:10.1.2.3", nets)
    assert within("2001:db8::1", nets)
    assert not within("192.0.2.1", nets)
    assert not within("not an address", nets)
    assert neighbourhood("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("fe80::1%eth0").startswith("fe80::")
    assert neighbourhood("") == ""
    with pytest.raises(ConfigError, match=r"sources\.a\.addresses: 'nonsense'"):
        networks(["nonsense"], "sources.a.addresses")


def test_the_nearest_path_is_one_that_a_person_may_have_meant():
    entries = dict.fromkeys((b"/webhooks/github", b"/webhooks/stripe", b"/old/hooks/"))
    assert nearest(b"/webhooks/github/", entries) == "/webhooks/github"
    assert nearest(b"/WEBHOOKS/GitHub", entries) == "/webhooks/github"
    assert nearest(b"/webhook/strip", entries) == "/webhooks/stripe"
    assert nearest(b"/.env", entries) == ""
    assert nearest(b"\xff" * 10_000, entries) == ""


def test_a_full_disk_gets_the_ballast_back(tmp_path: Path) -> None:
    free = [10 << 20, 10 << 20, 1 << 20, 1 << 20, 10 << 20]
    disk = Disk(str(tmp_path), refuse=1_000, warn=2_000, ballast=4 << 20, free=lambda _: free.pop(0))
    ballast = tmp_path / BALLAST
    sizes = []
    while free:
        disk.look()
        sizes.append(ballast.stat().st_size if ballast.exists() else 0)
    assert sizes == [4 << 20, 4 << 20, 0, 0, 4 << 20]


def test_a_disk_that_is_filling_up_takes_no_ballast(tmp_path: Path) -> None:
    Disk(str(tmp_path), refuse=1, warn=2_000_000, ballast=4 << 20, free=lambda _: 5 << 20).look()
    assert not (tmp_path / BALLAST).exists()
