"""What Prometheus scrapes: valid, summed over processes, served by a listener that no silent peer can hold."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from hookline.telemetry.counters import Counters
from hookline.telemetry.exposition import Counted, Summed, exposition, listen


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_buckets_are_cumulative_and_end_in_the_count():
    counters = Counters()
    for seconds in (0.0001, 0.003, 0.003, 1_000.0):
        counters.observe("request_seconds", ("github",), seconds)
    found = samples(exposition(Counted(counters)).decode())
    bucket = "hookline_request_seconds_bucket"
    assert found[bucket, (("le", "0.0005"), ("source", "github"))] == 1
    assert found[bucket, (("le", "0.005"), ("source", "github"))] == 3
    assert found[bucket, (("le", "+Inf"), ("source", "github"))] == 4
    assert found["hookline_request_seconds_count", (("source", "github"),)] == 4


def test_processes_are_summed_sample_by_sample():
    one, two = Counters(), Counters()
    one.add("attempts", ("deploy", "succeeded"), 2)
    two.add("attempts", ("deploy", "succeeded"), 3)
    two.add("attempts", ("deploy", "failed"))
    two.observe("attempt_seconds", ("deploy",), 0.1)
    scrapes = [exposition(Counted(counters)).decode() for counters in (one, two)]
    found = samples(exposition(Summed(scrapes)).decode())
    assert found["hookline_attempts_total", (("destination", "deploy"), ("result", "succeeded"))] == 5
    assert found["hookline_attempts_total", (("destination", "deploy"), ("result", "failed"))] == 1
    assert found["hookline_attempt_seconds_count", (("destination", "deploy"),)] == 1


@given(st.text(max_size=50))
def test_any_label_survives_the_text_format(name):
    counters = Counters()
    counters.add("request_bytes", (name,), 7)
    text = exposition(Counted(counters)).decode("utf-8", "surrogatepass")
    assert samples(text)["hookline_request_bytes_total", (("source", name),)] == 7


async def get(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_listener_serves_metrics_and_health_and_nothing_else():
    counters = Counters()
    counters.add("requests", ("github", "accepted", ""))
    server = await listen(counters)
    port = server.sockets[0].getsockname()[1]
    async with server:
        metrics = await get(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert metrics.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'hookline_requests_total{outcome="accepted",reason="",source="github"} 1.0' in metrics
        assert (await get(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for other in (b"POST /metrics HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n"):
            assert (await get(port, other)).startswith(b"HTTP/1.1 404")
        assert await get(port, b"x" * 20_000) == b"", "an endless head is dropped"
