"""Chat, mail, Apprise and digests: what strangers write arrives as text and nothing else."""

from __future__ import annotations

import email
import email.policy
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from evil import Evil, evil
from worker_rig import deliveries, opened, put, rows, tries, worker_of

from hookline.config import Config, Server
from hookline.config import Destination as Settings
from hookline.destinations import build
from hookline.errors import ConfigError
from hookline.model import Claim, Event, Outcome, State, Trigger
from hookline.store.base import Want
from hookline.store.clock import FakeClock

NOW = 1_800_000_000.0
LOCAL = Config(server=Server(allow_private=("127.0.0.1", "localhost", "::1")))


def made(type: str, *, timeout: float = 5.0, name: str = "chat", **options: Any) -> Any:
    return build(Settings(name=name, type=type, timeout=timeout, options=options), LOCAL, now=lambda: NOW)


def claim(body: object, number: int = 1) -> Claim:
    raw = json.dumps(body).encode()
    event = Event(
        id=f"evt_{number}",
        source="github",
        environment="production",
        type="push",
        provider_id="d-1",
        subject="repo",
        occurred_at=None,
        received_at=NOW,
        raw=raw,
        item=raw,
        headers=[(b"Content-Type", b"application/json")],
        method="POST",
        target=b"/",
        idempotency_key=f"evt_{number}:chat",
    )
    return Claim(
        delivery=number,
        lease=1,
        destination="chat",
        route="",
        event=event,
        event_number=number,
        attempt=1,
        trigger=Trigger.INITIAL,
        first_due_at=NOW,
    )


@pytest.fixture
async def endpoint() -> AsyncIterator[Evil]:
    async with evil() as server:
        yield server


# -- Slack --------------------------------------------------------------------------------------------------------


async def test_slack_gets_a_text_with_everything_of_a_stranger_escaped(endpoint: Evil):
    chat = made("slack", url=endpoint.url("/services/T0/B0/token"), text="*{{ event.body.who }}* pushed")
    outcome = await chat.send(claim({"who": "<!channel> & <http://evil|me>"}))
    await chat.close()
    assert outcome.ok
    [got] = endpoint.received
    assert json.loads(got.body) == {
        "text": "*&lt;!channel&gt; &amp; &lt;http://evil|me&gt;* pushed",
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert "token" not in outcome.sent + outcome.reason


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        ("404 Not Found", b"no_service", State.FAILED),
        ("403 Forbidden", b"action_prohibited", State.FAILED),
        ("410 Gone", b"channel_is_archived", State.FAILED),
        ("400 Bad Request", b"invalid_payload", State.FAILED),
        ("429 Too Many Requests", b"rate_limited", None),
        ("500 Server Error", b"rollup_error", None),
        ("404 Not Found", b"<html>a proxy</html>", None),
    ],
)
async def test_slack_says_what_is_for_ever_and_what_passes(
    endpoint: Evil, status: str, body: bytes, state: State | None
):
    answer = f"HTTP/1.1 {status}\r\nRetry-After: 7\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    endpoint.answers["/hook"] = answer
    chat = made("slack", url=endpoint.url("/hook"))
    outcome = await chat.send(claim({}))
    await chat.close()
    assert (outcome.state, outcome.code, outcome.retry_after) == (state, int(status[:3]), 7)


# -- digests ------------------------------------------------------------------------------------------------------


async def test_a_digest_tells_the_events_of_its_window_in_one_message(endpoint: Evil, tmp_path: Path):
    clock = FakeClock(NOW + 20)
    chat = made("slack", url=endpoint.url("/"), text="{{ event.body }}", digest="1m")
    async with opened(tmp_path, clock) as store:
        worker = worker_of(store, chat)
        await put(store, 1, 2, to="chat")
        assert await worker.step() == 2
        assert endpoint.received == []
        clock.advance(20)
        await put(store, 3, to="chat")
        await worker.step()
        assert await worker.step() == 0
        clock.advance(20)  # the window's end
        assert await worker.step() == 3
        [got] = endpoint.received
        assert json.loads(got.body)["text"] == "• 1\n• 2\n• 3"
        assert await deliveries(store) == [("succeeded", "")] * 3
        waits = [("pending", "waits for its digest", 0), ("succeeded", "", 1)]
        assert await tries(store) == waits * 3
        assert await rows(store, "select attempts from deliveries") == [(1,)] * 3
    await chat.close()


async def test_a_digest_does_not_tell_again_what_must_not_be_told_twice(endpoint: Evil, tmp_path: Path):
    clock = FakeClock(NOW + 60)
    chat = made("slack", url=endpoint.url("/"), text="{{ event.body }}", digest="1m", on_unknown="hold")
    async with opened(tmp_path, clock) as store:
        await put(store, 1, to="chat")
        await store.claim("dead", {"chat": Want(slots=1)}, 60)
        clock.advance(61)
        await put(store, 2, to="chat")
        clock.advance(60)
        assert await worker_of(store, chat).step() == 2
        assert await deliveries(store) == [("needs_review", "may have been done: lease ran out"), ("succeeded", "")]
        [got] = endpoint.received
        assert json.loads(got.body)["text"] == "2"
    await chat.close()


async def test_a_digest_that_fails_is_retried_event_by_event_and_together(endpoint: Evil, tmp_path: Path):
    clock = FakeClock(NOW + 59)
    endpoint.answers["/"] = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    chat = made("slack", url=endpoint.url("/"), digest="1m")
    async with opened(tmp_path, clock) as store:
        worker = worker_of(store, chat)
        await put(store, 1, 2, to="chat")
        await worker.step()
        clock.advance(1)
        await worker.step()
        assert await deliveries(store) == [("pending", "Slack says 500")] * 2
        del endpoint.answers["/"]
        clock.advance(6)
        assert await worker.step() == 2
        assert await deliveries(store) == [("succeeded", "")] * 2
        assert len(endpoint.received) == 2
    await chat.close()


# -- mail ---------------------------------------------------------------------------------------------------------


class Mailbox:
    """Keeps what comes; ``refuse`` is said instead."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], bytes]] = []
        self.refuse = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return self.refuse
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return "250 OK"


class Post(Controller):
    def __init__(self, mailbox: Mailbox, **more: Any) -> None:
        super().__init__(mailbox, hostname="127.0.0.1", port=0, ready_timeout=10, **more)
        self.mailbox = mailbox

    def _trigger_server(self) -> None:
        """The port is known only now: it was 0."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def post():
    controller = Post(Mailbox())
    controller.start()
    yield controller
    controller.stop()


def mail(port: int, **options: Any) -> Any:
    options = {"security": "none", "from": "Hookline <hooks@example.com>", "to": ["ops@example.com"], **options}
    return made("email", host="127.0.0.1", port=port, **options)


async def test_a_mail_is_plain_text_to_fixed_people(post: Post):
    body = {"title": "Überfällig\r\nBcc: evil@example.com", "text": "line\n.\nQUIT\r\n\x00 end"}
    outcome = await mail(
        post.port,
        to=["Ops <ops@example.com>", "team@example.com"],
        subject="{{ event.body.title }}",
        text="{{ event.body.text }}",
    ).send(claim(body))
    assert outcome.ok, outcome
    [(sender, recipients, content)] = post.mailbox.mails
    assert (sender, recipients) == ("hooks@example.com", ["ops@example.com", "team@example.com"])
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["subject"] == "Überfällig Bcc: evil@example.com"
    assert message["bcc"] is None
    assert message["to"] == "Ops <ops@example.com>, team@example.com"
    assert message["auto-submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == "line\n.\nQUIT\\x0d\n\\x00 end\n"
    assert "Subject: Überfällig" in outcome.sent


async def test_attempts_of_one_event_are_one_message_to_a_mailbox(post: Post):
    destination = mail(post.port)
    await destination.send(claim({"n": 1}))
    await destination.send(claim({"n": 1}))
    await destination.send(claim({"n": 2}, number=2))
    ids = [email.message_from_bytes(content)["message-id"] for _, _, content in post.mailbox.mails]
    assert ids[0] == ids[1] != ids[2]


async def test_a_digest_mail_tells_them_all(post: Post):
    await mail(post.port, digest="1h", text="{{ event.body.n }}").send_many([claim({"n": n}, n) for n in (1, 2, 3)])
    [(_, _, content)] = post.mailbox.mails
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["subject"] == "github: push (and 2 more)"
    assert message.get_content().replace("\r\n", "\n") == "1\n--\n2\n--\n3\n"


@pytest.mark.parametrize(("said", "state"), [("451 try later", None), ("554 no such thing", State.FAILED)])
async def test_a_server_says_what_passes_and_what_is_for_ever(post: Post, said: str, state: State | None):
    post.mailbox.refuse = said
    outcome = await mail(post.port).send(claim({}))
    assert (outcome.state, outcome.code, outcome.unknown) == (state, int(said[:3]), False)
    assert said[4:] in outcome.reason


async def test_no_server_and_a_blocked_one():
    async with evil() as nobody:
        port = nobody.port
    gone = await mail(port).send(claim({}))
    assert (gone.state, gone.unknown) == (None, False)
    assert gone.reason.startswith("127.0.0.1: ")
    closed = Settings(
        name="m",
        type="email",
        options={"host": "127.0.0.1", "security": "none", "from": "a@b.example", "to": "c@d.example"},
    )
    blocked = await build(closed, Config()).send(claim({}))
    assert blocked.reason.startswith("blocked: 127.0.0.1 is a loopback address")


async def test_a_password_goes_only_over_tls(tmp_path: Path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    seen: list[LoginPassword] = []

    def authenticator(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        seen.append(data)
        return AuthResult(success=data.password == b"right", handled=False)

    post = Post(Mailbox(), tls_context=context, require_starttls=True, authenticator=authenticator)
    post.start()
    try:
        more = {"security": "starttls", "ca": str(tmp_path / "ca.pem"), "username": "me"}
        good = await mail(post.port, password="right", **more).send(claim({}))
        wrong = await mail(post.port, password="wrong-canary", **more).send(claim({}))
        told = len(seen)
        stranger = await mail(post.port, password="right", security="starttls", username="me").send(claim({}))
    finally:
        post.stop()
    assert good.ok, good
    assert (wrong.state, wrong.code) == (State.FAILED, 535), wrong
    assert "canary" not in repr(wrong)
    assert not stranger.ok
    assert len(seen) == told  # nothing was said to a server without a valid certificate


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": []}, "destinations.chat.to: names nobody"),
        ({"to": ["nobody"]}, "is no mail address"),
        ({"to": ["a@b.example\r\nBcc: c@d.example"]}, "is no mail address"),
        ({"from": "x"}, "destinations.chat.from"),
        ({"subject": "{{ nope }}"}, "destinations.chat.subject"),
        ({"security": "ssl"}, 'security: is "ssl" — write starttls or tls or none'),
        ({"host": "mail.example", "password": "x"}, 'security: is "none", and there is a password'),
        ({"port": "smtp"}, "port: is no whole number"),
        ({"digest": "soon"}, "destinations.chat.digest"),
    ],
)
def test_a_mail_destination_that_cannot_work_says_so(options: dict[str, Any], message: str):
    everything = {"host": "127.0.0.1", "security": "none", "from": "a@b.example", "to": ["c@d.example"], **options}
    with pytest.raises(ConfigError) as problem:
        made("email", **everything)
    assert message in str(problem.value)


# -- Apprise ------------------------------------------------------------------------------------------------------


of_others = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Apprise's own imports


async def notify(urls: Sequence[str], body: object) -> Outcome:
    destination = made("notify", urls=list(urls), title="{{ event.body.t }}", text="{{ event.body.b }}")
    outcome: Outcome = await destination.send(claim(body))
    await destination.close()
    return outcome


@of_others
async def test_apprise_reaches_what_it_knows(endpoint: Evil):
    outcome = await notify([f"json://127.0.0.1:{endpoint.port}/x"], {"t": "Title", "b": "<b>text</b>"})
    assert outcome.ok
    [got] = endpoint.received
    sent = json.loads(got.body)
    assert (sent["title"], sent["message"]) == ("Title", "<b>text</b>")


@of_others
async def test_what_apprise_could_not_deliver_is_retried(endpoint: Evil):
    endpoint.answers["/x"] = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    outcome = await notify([f"json://user:canary@127.0.0.1:{endpoint.port}/x"], {})
    assert outcome.state is None
    assert "not taken by" in outcome.reason
    assert "canary" not in repr(outcome)


@of_others
def test_a_url_that_apprise_does_not_know_is_named():
    with pytest.raises(ConfigError, match=r"destinations\.chat\.urls\[0\]: Apprise does not know"):
        made("notify", urls=["nonsense://x"])
