"""The rules as Prometheus reads them, and the README's table of alerts.

Belongs here: how they are written down. Does not: which there are (`alerts_*.py`, `objective.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from deploy.observability.description import Alert, Group

# The service's name as a label, so that routes of Alertmanager can tell these alerts from others.
SERVICE = "seatline"
_RECORDING_SECONDS = 30


def rules(groups: Sequence[Group]) -> dict[str, Any]:
    """A file of rules."""
    return {"groups": [_group(group) for group in groups]}


def alerts(groups: Sequence[Group]) -> list[Alert]:
    """All alerts, in their order."""
    return [alert for group in groups for alert in group.alerts]


def labels(alert: Alert) -> dict[str, str]:
    """What an alert says of itself, besides the labels of what is wrong."""
    return {"severity": alert.severity.value, "service": SERVICE}


def texts(alert: Alert) -> dict[str, str]:
    """The texts of an alert, with Prometheus's templates in them."""
    return {"summary": alert.summary, "description": alert.description, "runbook": alert.runbook}


def alerts_table(groups: Sequence[Group]) -> str:
    """The README's table: what each alert means and asks."""
    head = ("| alert | what it means | what it asks of you |", "|---|---|---|")
    rows = (f"| `{one.name}`, {one.severity.value} | {one.impact} | {one.action} |" for one in alerts(groups))
    return "\n".join((*head, *rows))


def _group(group: Group) -> dict[str, Any]:
    return {"name": group.name, "interval": f"{_RECORDING_SECONDS}s", "rules": list(_rules(group))}


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
