"""Results: what was measured, as plain data.

Belongs here: the collection of measurements and ratios, and its form in JSON. Does not belong here: taking them, judging
(`floors.py`) or showing them (`table.py`, `chart.py`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from statistics import median

from tests.bench.figures import Volley


@dataclass(frozen=True)
class Measurement:
    """One figure."""

    name: str
    value: float
    unit: str


@dataclass
class Results:
    """All figures of one run of the benchmark."""

    measurements: list[Measurement] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    rss_mb_after_100k: float | None = None

    def add(self, name: str, value: float, unit: str) -> None:
        """Add a figure."""
        self.measurements.append(Measurement(name, round(value, 4), unit))

    def add_ratio(self, name: str, value: float) -> None:
        """Add a ratio."""
        self.ratios[name] = round(value, 4)

    def add_volleys(self, name: str, volleys: list[Volley]) -> None:
        """Add the medians over the rounds of one kind of call."""
        columns = {
            "rate": "calls/s",
            "p50_ms": "ms",
            "p99_ms": "ms",
            "slowest_ms": "ms",
            "server_us_per_call": "us",
            "database_us_per_call": "us",
            "generator_us_per_call": "us",
        }
        for column, unit in columns.items():
            label = column.removesuffix("_ms")
            self.add(f"{name}_{label}", median(float(getattr(volley, column)) for volley in volleys), unit)
        self.add(f"{name}_calls", sum(volley.sent_count for volley in volleys), "calls")
        for volley in volleys:
            self.problems += [f"{name}: {problem}" for problem in volley.problems]

    def value(self, name: str) -> float | None:
        """Return the figure of that name; None where it was not measured."""
        return next((measured.value for measured in self.measurements if measured.name == name), None)

    def to_json(self, floors: list[dict[str, object]], about: dict[str, object]) -> str:
        """Return the JSON file for other tools."""
        content = {
            "about": about,
            "ratios": self.ratios,
            "rss_mb_after_100k": self.rss_mb_after_100k,
            "floors": floors,
            "problems": self.problems,
            "measurements": [asdict(measured) for measured in self.measurements],
        }
        return json.dumps(content, indent=2) + "\n"
