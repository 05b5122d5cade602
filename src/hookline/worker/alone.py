"""Attempts in a process of their own: for what was running when a process crashed.

Each suspect runs by itself. An innocent one succeeds; a poisonous one takes nobody with it but its own process, and
after five of those it waits for a person. The parent holds the lease and settles; the child only tries.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from hookline.destinations.base import Destination
from hookline.destinations.python import too_late
from hookline.model import Claim, Outcome

ANSWER_ENV = "HOOKLINE_ANSWER_FD"
START_SECONDS = 60.0
"""For a child to import its app; added to twice the destination's timeout."""

_LENGTH = struct.Struct(">Q")
_encode = msgspec.msgpack.Encoder().encode


class Crash(msgspec.Struct, frozen=True):
    """How a child died without an answer."""

    how: str


class Alone:
    """Starts ``argv`` for one attempt at a time and hands it the claim; its program calls :func:`answer`."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._turn = asyncio.Lock()

    async def __call__(self, claim: Claim, timeout: float) -> Outcome | Crash:  # noqa: ASYNC109  the destination's
        async with self._turn:
            return await self._ask(claim, 2 * timeout + START_SECONDS, timeout)

    async def _ask(self, claim: Claim, patience: float, timeout: float) -> Outcome | Crash:  # noqa: ASYNC109
        loop = asyncio.get_running_loop()
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(write_end,),
                env={**os.environ, ANSWER_ENV: str(write_end)},
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        reading = loop.run_in_executor(None, _read_all, read_end)
        try:
            assert process.stdin is not None
            data = _encode(claim)
            process.stdin.write(_LENGTH.pack(len(data)) + data)  # and stays open: its end tells the child of our death
            async with asyncio.timeout(patience):
                code = await process.wait()
        except TimeoutError:
            return too_late(timeout)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            answer = await reading
        if not answer:
            return Crash(_how(code))
        return msgspec.msgpack.decode(answer, type=Outcome)


def answer(find: Callable[[str], Awaitable[Destination]]) -> None:
    """The child's side: read one claim, try it with the destination of its name, tell the outcome, and end."""
    answer_to = int(os.environ.pop(ANSWER_ENV))
    os.set_inheritable(answer_to, False)
    (size,) = _LENGTH.unpack(sys.stdin.buffer.read(_LENGTH.size))
    claim = msgspec.msgpack.decode(sys.stdin.buffer.read(size), type=Claim)
    threading.Thread(target=_die_with_parent, daemon=True).start()

    async def attempt() -> Outcome:
        destination = await find(claim.destination)
        return await destination.send(claim)

    outcome = asyncio.run(attempt())
    with os.fdopen(answer_to, "wb") as pipe:
        pipe.write(_encode(outcome))
    sys.stdout.flush()
    os._exit(0)  # threads and atexit handlers of the app have no say any more


def _die_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


def _read_all(file: int) -> bytes:
    with os.fdopen(file, "rb") as pipe:
        return pipe.read()


def _how(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        return f"its process died of {signal.Signals(-code).name}"
    except ValueError:
        return f"its process died of signal {-code}"
