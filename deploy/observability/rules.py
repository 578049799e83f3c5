"""Format of the rules for Prometheus, and of the table of alerts in the documentation.

Belongs here: converting described rules to these formats. Does not belong here: any rule (`*_alerts.py`, `objective.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from deploy.observability.description import Alert, Group

# Value of the label `service`, by which Alertmanager's routes tell these alerts from others.
SERVICE = "seatline"
_EVALUATION_SECONDS = 30


def rules(groups: Sequence[Group]) -> dict[str, Any]:
    """Return the document of a Prometheus rule file."""
    return {"groups": [_group(group) for group in groups]}


def alerts(groups: Sequence[Group]) -> list[Alert]:
    """List the alerts of all groups, in order."""
    return [alert for group in groups for alert in group.alerts]


def labels(alert: Alert) -> dict[str, str]:
    """Return the labels that an alert adds to those of its series."""
    return {"severity": alert.severity.value, "service": SERVICE}


def texts(alert: Alert) -> dict[str, str]:
    """Return an alert's annotations, as Prometheus templates."""
    return {"summary": alert.summary, "description": alert.description, "runbook": alert.runbook}


def alerts_table(groups: Sequence[Group]) -> str:
    """Return the Markdown table of all alerts: name and severity, impact, action."""
    head = ("| alert | impact | what to do |", "|---|---|---|")
    rows = (f"| `{alert.name}`, {alert.severity.value} | {alert.impact} | {alert.action} |" for alert in alerts(groups))
    return "\n".join((*head, *rows))


def _group(group: Group) -> dict[str, Any]:
    return {"name": group.name, "interval": f"{_EVALUATION_SECONDS}s", "rules": list(_rules(group))}


def _rules(group: Group) -> Iterator[dict[str, Any]]:
    for recording in group.recordings:
        yield {"record": recording.name, "expr": recording.expression}
    for alert in group.alerts:
        yield {
            "alert": alert.name,
            "expr": alert.expression,
            "for": alert.pending_for,
            "labels": labels(alert),
            "annotations": texts(alert),
        }
