"""Counters and histograms that the event loop alone changes.

Belongs here: counting at the cost of an addition, and showing it to Prometheus. Does not: which families there are
(`families.py`), nor what is counted.

Those of the library take a lock and some function calls for each change, since any thread may change them. A hot server changes
half a dozen of them for each booking, which took it three microseconds, and more where memory is not warm; here a change is an
addition. A scrape reads them from another thread: each number is what it was at some moment, and a histogram's count is always
the sum of its buckets.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client.core import Exemplar, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class LoopCounter:
    """A counter; whoever counts adds to its `value`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class LoopHistogram:
    """A histogram; `counts` has one more for what is above all `bounds`. `exemplars` has the latest of each bucket."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * len(self.counts)
        self.total = 0.0

    def observe(self, value: float) -> int:
        """Counts a value; gives the number of its bucket."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.total += value
        return bucket


class LoopFamily(Collector):
    """All counters, or all histograms, of one name, by the values of their labels. Histograms have `bounds`."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str], bounds: Sequence[float] = ()) -> None:
        self._name, self._meaning, self._labels, self._bounds = name.removesuffix("_total"), meaning, tuple(labels), bounds
        self._counts: dict[tuple[str, ...], LoopCounter] = {}
        self._histograms: dict[tuple[str, ...], LoopHistogram] = {}

    def count(self, *values: str) -> LoopCounter:
        """The counter with these labels, which there is from now on."""
        return self._counts.setdefault(self._checked(values), LoopCounter())

    def histogram(self, *values: str) -> LoopHistogram:
        """The histogram with these labels, which there is from now on."""
        return self._histograms.setdefault(self._checked(values), LoopHistogram(self._bounds))

    def collect(self) -> Iterator[Metric]:
        """What there is at the moment."""
        metric = Metric(self._name, self._meaning, "histogram" if self._bounds else "counter")
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
            raise ValueError(f"{self._name} has the labels {self._labels}, and not as many as {values}")
        return values


def _text(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]  # the library's own way to write it
