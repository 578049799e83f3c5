"""Value types that describe the dashboard and the alerts: rows of panels, groups of rules.

Belongs here: the types. Does not belong here: any panel or alert, and the file formats (`grafana.py`, `rules.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Form of a panel: lines over time, or one number."""

    OVER_TIME = "timeseries"
    NUMBER = "stat"


class Unit(StrEnum):
    """Unit of an axis, by Grafana's name."""

    COUNT = "short"
    SECONDS = "s"
    BYTES = "bytes"
    SHARE = "percentunit"
    PER_SECOND = "ops"
    PER_MINUTE = "opm"
    CALLS_PER_SECOND = "reqps"
    YES_OR_NO = "bool_yes_no"


class Severity(StrEnum):
    """Urgency of an alert: a critical one wakes the operator, a warning waits for working hours."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Query:
    """Query of a panel; it draws one line or several. `legend` is a Grafana pattern, such as {{grpc_method}}."""

    expression: str
    legend: str
    has_exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the dashboard. Its axis starts at 0 and ends at `axis_max` if given, otherwise at the largest value.

    `width` counts Grafana's columns, 24 to a row. Values from `warning_from` on are amber, values from `critical_from` on are
    red; with `is_good_when_high`, values below these limits are.
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
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Recording:
    """Recording rule: an expression whose result Prometheus stores under a name."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Alerting rule: a symptom that an operator must act on.

    `expression` returns one series per problem; the alert fires once a series has existed for `pending_for`. `summary` and
    `description` are Prometheus templates. `impact` says what users or operators notice. `checks` and `remedies` are the steps
    of the runbook, in order; `action` sums them up in one sentence for the table of alerts.
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
        """Impact, checks and remedies as one text with numbered steps."""
        checks, remedies = (_numbered(steps) for steps in (self.checks, self.remedies))
        return f"Impact: {self.impact}\n\nCheck:\n{checks}\n\nAct:\n{remedies}\n"


def _numbered(steps: Sequence[str]) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that Prometheus evaluates together, in order."""

    name: str
    recordings: Sequence[Recording] = ()
    alerts: Sequence[Alert] = ()
