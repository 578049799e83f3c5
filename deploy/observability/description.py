"""What a description is made of: rows of panels, and groups of rules.

Belongs here: the values, and nothing of the formats they end in (`grafana.py`, `rules.py`). Does not: any panel or alert.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a panel shows what it asks for: over time, or as one number."""

    OVER_TIME = "timeseries"
    NUMBER = "stat"


class Unit(StrEnum):
    """Grafana's names for what an axis counts in."""

    COUNT = "short"
    SECONDS = "s"
    BYTES = "bytes"
    SHARE = "percentunit"
    PER_SECOND = "ops"
    PER_MINUTE = "opm"
    CALLS_PER_SECOND = "reqps"
    YES_OR_NO = "bool_yes_no"


class Severity(StrEnum):
    """What an alert may do: wake somebody, or wait for working hours."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Query:
    """A line, or several, of a panel. `legend` is Grafana's pattern, such as {{grpc_method}}."""

    expression: str
    legend: str
    has_exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. The axis begins at 0 and ends at `axis_max`, or with the data.

    `width` is in Grafana's columns, 24 to a row. From `warning_from` and `critical_from` on, the value is shown in amber and
    red; below them where `is_good_when_high`.
    """

    title: str
    description: str
    unit: Unit
    queries: Sequence[Query]
    kind: Kind = Kind.OVER_TIME
    width: int = 8
    height: int = 8
    axis_max: float | None = None
    is_stacked: bool = False
    warning_from: float | None = None
    critical_from: float | None = None
    is_good_when_high: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together, under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Recording:
    """An expression that Prometheus keeps under a name."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Alert:
    """A symptom that somebody has to do something about.

    `expression` gives a series for each thing that is wrong; what has been so for `pending_for` alerts. `summary` and
    `description`
    are Prometheus's templates. `impact` says what users or operators notice; `checks` and `remedies` are the steps of the
    runbook, in
    their order; `action` is all of them in a sentence, for the table of the README.
    """

    name: str
    severity: Severity
    expression: str
    pending_for: str
    summary: str
    description: str
    impact: str
    checks: Sequence[str]
    remedies: Sequence[str]
    action: str

    @property
    def runbook(self) -> str:
        """The steps as text: what it means, where to look, what to do."""
        checks, remedies = (
            "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)) for steps in (self.checks, self.remedies)
        )
        return f"What it means: {self.impact}\n\nLook:\n{checks}\n\nDo:\n{remedies}\n"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that Prometheus evaluates together, in their order."""

    name: str
    recordings: Sequence[Recording] = ()
    alerts: Sequence[Alert] = ()
