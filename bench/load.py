"""The load generator: one process, one thread, non-blocking sockets, keep-alive, no pipelining.

It is kept cheap (a send, a receive and a few comparisons a request) because it shares the machine with what it
measures. ``closed`` sends the next request when the answer is in; ``opened`` sends at fixed times, whatever comes back,
and counts latency from the intended time, so that a stall is seen by everybody who would have met it.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from multiprocessing import get_context
from typing import Any, NamedTuple


class Load(NamedTuple):
    """What the generator saw."""

    seconds: float
    answers: dict[int, int]
    """Count by HTTP status; 0 for a broken connection."""
    latencies: array[float]
    """Seconds, of 2xx answers."""
    cpu: float
    """CPU seconds of the generator itself."""
    refused: int
    """Connections that were not accepted."""
    late: float
    """Open loop: how far the generator itself fell behind its times, at worst (seconds)."""

    @property
    def good(self) -> int:
        return sum(count for status, count in self.answers.items() if 200 <= status < 300)

    @property
    def rate(self) -> float:
        return self.good / self.seconds if self.seconds else 0.0

    def quantile(self, q: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


class Connection:
    """A keep-alive connection with at most one request on its way."""

    __slots__ = ("address", "buffer", "expected", "pending", "sent_at", "sock")

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.sock = socket.create_connection(address, timeout=5)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.expected = 0
        self.pending: memoryview | None = None
        self.sent_at = 0.0

    def send(self, request: bytes, at: float) -> None:
        self.sent_at = at
        try:
            sent = self.sock.send(request)
        except BlockingIOError:
            sent = 0
        if sent < len(request):
            self.pending = memoryview(request)[sent:]
            self.finish_sending()

    def finish_sending(self) -> None:
        """The rest of a request that the socket's buffer did not hold; rare, so it may wait."""
        self.sock.settimeout(10)
        try:
            self.sock.sendall(self.pending or b"")
        finally:
            self.sock.setblocking(False)
            self.pending = None

    def receive(self) -> int | None:
        """The status of a complete answer; None while it is incomplete. Raises OSError when the connection is gone."""
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError
        if not self.buffer and len(data) == self.expected:
            return int(data[9:12])
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return None
        wanted = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                wanted = int(value)
            elif name.lower() == b"transfer-encoding":
                if not body.endswith(b"0\r\n\r\n"):
                    return None
                wanted = len(body)
        if len(body) < wanted:
            return None
        self.expected = len(self.buffer)
        self.buffer = b""
        return int(head[9:12])

    def close(self) -> None:
        self.sock.close()


def closed(
    address: tuple[str, int], requests: Sequence[bytes], connections: int, seconds: float, warm: float = 0.0
) -> Load:
    """As many as ``connections`` allow for ``seconds`` (after ``warm`` uncounted ones), or until ``requests`` end."""
    gc.disable()
    poll = select.epoll()
    open_: dict[int, Connection] = {}
    answers: Counter[int] = Counter()
    latencies = array("d")
    waiting = iter(requests)
    refused = 0
    clock = time.perf_counter

    def connect() -> Connection | None:
        nonlocal refused
        try:
            connection = Connection(address)
        except OSError:
            refused += 1
            return None
        open_[connection.sock.fileno()] = connection
        poll.register(connection.sock.fileno(), select.EPOLLIN)
        return connection

    for _ in range(connections):
        connect()
    begin = clock()
    start, end = begin + warm, begin + warm + seconds
    cpu = time.process_time()
    for connection, request in zip(open_.values(), waiting, strict=False):
        connection.send(request, clock())
    counting = warm == 0
    now = begin
    while now < end and open_:
        for fileno, _ in poll.poll(0.5):
            current = open_[fileno]
            try:
                status = current.receive()
            except BlockingIOError:
                continue
            except OSError:
                answers[0] += 1
                poll.unregister(fileno)
                del open_[fileno]
                current.close()
                reconnected = connect()
                if reconnected is not None and (request := next(waiting, None)) is not None:
                    reconnected.send(request, clock())
                continue
            if status is None:
                continue
            now = clock()
            if counting:
                answers[status] += 1
                if 200 <= status < 300:
                    latencies.append(now - current.sent_at)
            request = next(waiting, None)
            if request is None:
                poll.unregister(fileno)
                del open_[fileno]
                current.close()
                continue
            current.send(request, now)
        now = clock()
        if not counting and now >= start:
            counting, start, cpu = True, now, time.process_time()
    took = min(now, end) - start if open_ else now - start
    for connection in open_.values():
        connection.close()
    gc.enable()
    return Load(took, dict(answers), latencies, time.process_time() - cpu, refused, 0.0)


def opened(
    address: tuple[str, int],
    requests: Sequence[bytes],
    connections: int,
    rate: float,
    seconds: float,
    warm: float = 0.0,
) -> Load:
    """``rate`` a second at even times. A request whose time comes while all connections are busy waits: that counts."""
    gc.disable()
    poll = select.epoll()
    open_ = {}
    for _ in range(connections):
        connection = Connection(address)
        open_[connection.sock.fileno()] = connection
        poll.register(connection.sock.fileno(), select.EPOLLIN)
    free = deque(open_.values())
    answers: Counter[int] = Counter()
    latencies = array("d")
    clock = time.perf_counter
    total = min(len(requests), int(rate * (warm + seconds)))
    begin = clock() + 0.05
    start = begin + warm
    cpu = time.process_time()
    step, due, done, late = 1.0 / rate, 0, 0, 0.0
    deadline = begin + warm + seconds + 10
    while done < total and clock() < deadline:
        now = clock()
        while due < total and free and begin + due * step <= now:
            intended = begin + due * step
            if len(free) > 1:
                late = max(late, now - intended)
            free.popleft().send(requests[due], intended)
            due += 1
            now = clock()
        wait = 0.5 if due >= total or not free else max(0.0, begin + due * step - clock())
        # select on the epoll itself: epoll's own timeout counts whole milliseconds.
        if not select.select([poll], [], [], wait)[0]:
            continue
        for fileno, _ in poll.poll(0):
            current = open_[fileno]
            try:
                status = current.receive()
            except BlockingIOError:
                continue
            except OSError:
                status = 0
                poll.unregister(fileno)
                del open_[fileno]
                current.close()
                current = Connection(address)
                open_[current.sock.fileno()] = current
                poll.register(current.sock.fileno(), select.EPOLLIN)
            if status is None:
                continue
            done += 1
            if current.sent_at >= start or not status:
                answers[status] += 1
                if 200 <= status < 300:
                    latencies.append(clock() - current.sent_at)
            free.append(current)
    took = clock() - start
    for connection in open_.values():
        connection.close()
    gc.enable()
    return Load(took, dict(answers), latencies, time.process_time() - cpu, 0, late)


def apart(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a generator in a process of its own (forked, so the requests are not copied) and return what it saw."""
    return Apart(function, *args, **kwargs).wait()


class Apart:
    """A generator at work in a process of its own."""

    def __init__(self, function: Any, *args: Any, **kwargs: Any) -> None:
        context = get_context("fork")
        self._answer, answer = context.Pipe(duplex=False)
        self._process = context.Process(target=self._work, args=(answer, function, args, kwargs), daemon=True)
        self._process.start()
        answer.close()

    @staticmethod
    def _work(answer: Any, function: Any, args: Any, kwargs: Any) -> None:
        answer.send(function(*args, **kwargs))
        answer.close()

    def wait(self) -> Any:
        load = self._answer.recv()
        self._process.join()
        return load
