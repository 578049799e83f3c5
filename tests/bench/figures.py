"""Figures from records.

Belongs here: percentiles, medians of ratios, and the figures of one volley. Does not belong here: measuring, judging
(`floors.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from tests.bench.load.calls import STATUS_LOST, STATUS_OK, STATUS_RESET
from tests.bench.load.fleet import Part
from tests.bench.load.headers import STATUS_MISSING

STATUS_WORDS = {STATUS_MISSING: "no grpc-status", STATUS_RESET: "stream reset", STATUS_LOST: "connection lost"}


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all values do not exceed (nearest rank); zero for no values."""
    if not ascending:
        return 0.0
    return ascending[max(0, ceil(share * len(ascending)) - 1)]


def median_ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Return the median of the ratios of each round: both sides of a round ran under the same load of the machine."""
    return median(a / b for a, b in zip(over, under, strict=True))


@dataclass(frozen=True)
class Volley:
    """The figures of one volley of calls. Rates count calls answered with OK."""

    sent_count: int
    ok_count: int
    rate: float
    rate_while_all: float
    """The rate of all processes together until the first one has sent all its calls."""
    share_min: float
    """The smallest share that a process has of it, times the number of processes: 1 is fair, 0 is starved."""
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    generator_us_per_call: float
    problems: tuple[str, ...]
    server_us_per_call: float = 0.0
    database_us_per_call: float = 0.0


def volley_of(parts: Sequence[Part], seconds_max: float | None = None) -> Volley:
    """Combine the records of all processes.

    With `seconds_max`, later answers count as calls and as latencies but not in the rate: fewer calls were under way by then.
    """
    records = [part.record for part in parts]
    start_ns = min(record.start_ns for record in records)
    ends = [end for record in records for end in record.end_ns]
    last_ns = max(ends, default=start_ns)
    if seconds_max is not None:
        last_ns = min(last_ns, start_ns + int(seconds_max * 1e9))
    first_done_ns = min(max(record.end_ns, default=start_ns) for record in records)
    answered = [ok_until(part, first_done_ns) for part in parts]
    latencies = sorted(value for record in records for value in record.latency_ns)
    ok_count = sum(list(record.status).count(STATUS_OK) for record in records)
    return Volley(
        sent_count=len(ends),
        ok_count=ok_count,
        rate=rate(sum(ok_until(part, last_ns) for part in parts), last_ns - start_ns),
        rate_while_all=rate(sum(answered), first_done_ns - start_ns),
        share_min=min(answered) * len(answered) / max(1, sum(answered)),
        p50_ms=percentile(latencies, 0.5) / 1e6,
        p99_ms=percentile(latencies, 0.99) / 1e6,
        slowest_ms=percentile(latencies, 1.0) / 1e6,
        generator_us_per_call=sum(record.cpu_seconds for record in records) * 1e6 / max(1, len(ends)),
        problems=tuple(problems_of(parts, may_leave_calls=seconds_max is not None)),
    )


def ok_until(part: Part, end_ns: int) -> int:
    """Return how many calls were answered with OK by then."""
    record = part.record
    return sum(1 for status, at in zip(record.status, record.end_ns, strict=True) if status == STATUS_OK and at <= end_ns)


def rate(count: int, span_ns: int) -> float:
    """Return calls a second."""
    return count * 1e9 / span_ns if span_ns > 0 else 0.0


def problems_of(parts: Sequence[Part], *, may_leave_calls: bool) -> list[str]:
    """Return what makes the figures doubtful: refusals, lost connections, calls that were never sent."""
    refusals: Counter[tuple[int, str]] = Counter()
    for part in parts:
        refusals.update(part.record.refusals)
    found = [f"{count} x {status_word(status)}: {text}" for (status, text), count in refusals.most_common()]
    lost = sum(part.record.connections_lost for part in parts)
    if lost:
        found.append(f"{lost} connections lost")
    unsent = sum(part.record.unsent for part in parts)
    if unsent and not may_leave_calls:
        found.append(f"{unsent} calls were not sent in time")
    return found + [note for part in parts for note in part.record.notes]


def status_word(status: int) -> str:
    """Return the text of a status."""
    return STATUS_WORDS.get(status, f"grpc-status {status}")
