"""A command: an argument list, the body on stdin, facts in the environment. Never a shell, nothing of the payload in an
argument."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

from hookline import ids
from hookline.errors import ConfigError
from hookline.model import Claim, Outcome, State
from hookline.pacing import Limits
from hookline.payload import clean
from hookline.retry import Policy

PLACES = 4
MAX_OUTPUT = 16_384
"""Bytes of what it prints that are kept; the rest is read and thrown away, so that it never blocks."""
PATH = "/usr/local/bin:/usr/bin:/bin"
AFTERMATH = 1.0
"""Seconds to wait for the end of its output, once it has ended: a child of its own may keep the pipe open for ever."""


class CommandDestination:
    """Exit status 0 is success, any other is retried."""

    interruptible = True
    suspect_after = 2

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        timeout: float = 15.0,
        policy: Policy | None = None,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
    ) -> None:
        """:raises ConfigError: for a command that cannot be run."""
        where = f"destinations.{name}.command"
        if not command or any("\0" in part for part in command):
            raise ConfigError(f'{where}: is no list of texts — write ["/usr/local/bin/deploy", "--quiet"]')
        if not os.path.isabs(command[0]):
            raise ConfigError(f"{where}: {command[0]!r} is no absolute path — nothing is looked up in PATH")
        if not os.access(command[0], os.X_OK) or os.path.isdir(command[0]):
            raise ConfigError(f"{where}: {command[0]} cannot be executed — is it there, and may this user run it?")
        self.name = name
        self.timeout = timeout
        self.policy = policy or Policy()
        self.limits = limits or Limits()
        self.places = self.limits.concurrency or PLACES
        self._command = tuple(command)
        self._environment = dict(environment or {})
        self._directory = directory

    async def send(self, claim: Claim) -> Outcome:
        sent = " ".join(self._command)
        output = Output()
        try:
            process = await self._start(claim, await output.open())
        except (OSError, ValueError) as problem:
            output.close()
            return Outcome(reason=f"cannot start: {getattr(problem, 'strerror', None) or problem}", sent=sent)
        try:
            async with asyncio.timeout(self.timeout):
                await _feed(process, claim.event.item)
                code = await process.wait()
        except TimeoutError:
            reason = f"not done within {self.timeout:g} s, so it was killed"
            return Outcome(reason=reason, timed_out=True, unknown=True, sent=sent, received=bytes(output.data))
        finally:
            if process.returncode is None:
                _kill_group(process.pid)
                await process.wait()
            await output.finish()
        return self._judge(code, bytes(output.data), sent)

    async def _start(self, claim: Claim, output: int) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self._facts(claim),
                cwd=self._directory,
                start_new_session=True,  # a group of its own, which can be ended as a whole
            )
        finally:
            os.close(output)

    def _judge(self, code: int, output: bytes, sent: str) -> Outcome:
        if code == 0:
            return Outcome(state=State.SUCCEEDED, code=0, sent=sent, received=output)
        how = f"exit status {code}" if code > 0 else f"died of {_signal(-code)}"
        last = output.decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = clean(f"{how}: {last}") if last else how
        return Outcome(reason=reason, code=code, unknown=code < 0, sent=sent, received=output)

    def _facts(self, claim: Claim) -> dict[str, str]:
        """The whole environment of the command: ours is none of its business. Provider's words are single lines."""
        event = claim.event
        facts = {
            "EVENT_ID": event.id,
            "DELIVERY_ID": ids.show("dlv", claim.delivery),
            "ATTEMPT": str(claim.attempt),
            "IDEMPOTENCY_KEY": event.idempotency_key,
            "SOURCE": event.source,
            "ENVIRONMENT": event.environment,
            "TYPE": event.type,
            "SUBJECT": event.subject or "",
            "PROVIDER_ID": event.provider_id or "",
            "CONTENT_TYPE": event.content_type if event.item == event.raw else "application/json",
            "RECEIVED_AT": f"{event.received_at:.3f}",
        }
        return (
            {"PATH": PATH, "LANG": "C.UTF-8"}
            | self._environment
            | {f"HOOKLINE_{k}": clean(v) for k, v in facts.items()}
        )

    async def close(self) -> None:
        return None


async def _feed(process: asyncio.subprocess.Process, body: bytes) -> None:
    """The body on stdin; a command that does not want it may close it or end."""
    assert process.stdin is not None
    gone = contextlib.suppress(
        BrokenPipeError, ConnectionResetError, RuntimeError
    )  # RuntimeError: uvloop's word for it
    with gone:
        process.stdin.write(body)
        await process.stdin.drain()
    with gone:
        process.stdin.close()
        await process.stdin.wait_closed()


class Output(asyncio.Protocol):
    """What a command prints, up to a cap. A pipe of our own: it can be closed while a stray child still holds it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._transport: asyncio.ReadTransport | None = None
        self._ended = asyncio.get_running_loop().create_future()

    async def open(self) -> int:
        """The end to write to."""
        read_end, write_end = os.pipe()
        try:
            pipe = os.fdopen(read_end, "rb", 0)
            self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: self, pipe)
        except BaseException:
            os.close(write_end)
            raise
        return write_end

    async def finish(self) -> None:
        """Wait a moment for the rest of it, then close."""
        await asyncio.wait([self._ended], timeout=AFTERMATH)
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self.data += data[: MAX_OUTPUT - len(self.data)]

    def connection_lost(self, problem: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
