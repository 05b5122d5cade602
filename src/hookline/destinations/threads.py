"""Threads for plain functions. Daemons: one that never returns must not keep a process from ending."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Starts a thread when none is idle, and keeps it. The callers bound how many there are."""

    def __init__(self, name: str = "handler") -> None:
        self._name = name
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._count = 0

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """The result of ``function``, called in a thread. A cancelled wait leaves the thread to finish by itself."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def call() -> None:
            try:
                result = context.run(function, *args)
            except BaseException as problem:
                tell(loop, future, None, problem)
            else:
                tell(loop, future, result, None)

        self._queue.put(call)
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._count += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._count}", daemon=True).start()
        return await future

    def close(self) -> None:
        """Let idle threads go; busy ones go when they are done."""
        with self._lock:
            for _ in range(self._count):
                self._queue.put(None)
            self._count = self._idle = 0

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            call()
            del call
            with self._lock:
                self._idle += 1


def tell(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], result: Any, problem: BaseException | None
) -> None:
    """Hand a result to a future of another thread's loop, which may be gone by now."""

    def done() -> None:
        if future.done():
            return
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(result)

    try:
        loop.call_soon_threadsafe(done)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return
