"""Counters and histograms that only the event loop changes.

Belongs here: counting at the cost of an addition, and showing the counts to Prometheus. Does not belong here: the families
(`families.py`), nor what is counted.

The counters of the library take a lock and some function calls for each change, since any thread may change them. A busy server
changes half a dozen of them for each booking, which took three microseconds, and more with cold caches. Here a change is an
addition. A scrape reads the counts from another thread: each number is what it was at some moment, and the count of a histogram
is always the sum of its buckets.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client.core import Exemplar, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class LoopCounter:
    """A counter. To count, add to its `value`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class LoopHistogram:
    """A histogram. The last of `counts` is for values above all `bounds`; `exemplars` has the latest of each bucket."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * len(self.counts)
        self.total = 0.0

    def observe(self, value: float) -> int:
        """Count a value; return the index of its bucket."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.total += value
        return bucket


class LoopFamily(Collector):
    """All counters or histograms of one name, by the values of their labels. A family of histograms has `bounds`."""

    def __init__(self, name: str, description: str, labels: Sequence[str], bounds: Sequence[float] = ()) -> None:
        self._name, self._description, self._labels, self._bounds = (
            name.removesuffix("_total"),
            description,
            tuple(labels),
            bounds,
        )
        self._counts: dict[tuple[str, ...], LoopCounter] = {}
        self._histograms: dict[tuple[str, ...], LoopHistogram] = {}

    def count(self, *values: str) -> LoopCounter:
        """Return the counter with these label values; it is shown from now on."""
        return self._counts.setdefault(self._checked(values), LoopCounter())

    def histogram(self, *values: str) -> LoopHistogram:
        """Return the histogram with these label values; it is shown from now on."""
        return self._histograms.setdefault(self._checked(values), LoopHistogram(self._bounds))

    def collect(self) -> Iterator[Metric]:
        """Yield the current values, for a scrape."""
        metric = Metric(self._name, self._description, "histogram" if self._bounds else "counter")
        for values, count in list(self._counts.items()):
            metric.add_sample(f"{self._name}_total", dict(zip(self._labels, values, strict=True)), count.value)
        for values, histogram in list(self._histograms.items()):
            self._add(metric, dict(zip(self._labels, values, strict=True)), histogram)
        yield metric

    def _add(self, metric: Metric, labels: dict[str, str], histogram: LoopHistogram) -> None:
        count, total = 0, histogram.total
        for bound, own, exemplar in zip(
            (*histogram.bounds, float("inf")), list(histogram.counts), list(histogram.exemplars), strict=True
        ):
            count += own
            metric.add_sample(f"{self._name}_bucket", {**labels, "le": _text(bound)}, count, exemplar=exemplar)
        metric.add_sample(f"{self._name}_count", labels, count)
        metric.add_sample(f"{self._name}_sum", labels, total)

    def _checked(self, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}, which differ in number from the values {values}")
        return values


def _text(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]  # the format of the library
