"""Cases for alerts: what Prometheus has seen, and what it says of it, as promtool's tests.

Belongs here: the value, and how it is written down for promtool. Not here: any case (`*_cases.py`).

Values are in promtool's notation: `0+2x60` begins with 0 and grows by 2 sixty times, `5x10` stays, `_` is no sample, `stale` is
the end of a series; one sample for each step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.observability.description import Alert
from deploy.observability.rules import labels, texts

_VALUE = re.compile(r"\{\{ \$value[^}]*\}\}")
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")

Seen = Mapping[str, str]


@dataclass(frozen=True)
class Firing:
    """One thing that is wrong: its labels, and the value as the alert's text shows it."""

    labels: Mapping[str, str]
    value: str = ""


@dataclass(frozen=True)
class Case:
    """Of an alert, a sentence: given these series, it fires at that time for these, or is silent for none."""

    alert: str
    says: str
    seen: Seen
    at: str
    firing: Sequence[Firing] = ()
    step: str = "1m"


def in_production(value: str = "", **labels_of_it: str) -> tuple[Firing]:
    """The one thing that is wrong, in the namespace that most cases are about."""
    return (Firing({"namespace": "prod", **labels_of_it}, value),)


def series(name: str, **labels_of_it: str) -> str:
    """A series as a process in production tells it; other labels are added, and win."""
    chosen = {"namespace": "prod", "job": "seatline", "pod": "seatline-0", "instance": "10.0.0.1:9464", **labels_of_it}
    inside = ", ".join(f'{label}="{value}"' for label, value in chosen.items())
    return f"{name}{{{inside}}}"


def promtool_document(cases: Sequence[Case], alerts: Mapping[str, Alert], rule_file: str) -> dict[str, Any]:
    """The cases as a file of tests. All have the same step."""
    (step,) = {case.step for case in cases}
    return {
        "rule_files": [rule_file],
        "evaluation_interval": step,
        "tests": [_test(case, alerts[case.alert]) for case in cases],
    }


def _test(case: Case, alert: Alert) -> dict[str, Any]:
    expected = [
        {"exp_labels": {**labels(alert), **one.labels}, "exp_annotations": _rendered(texts(alert), one)} for one in case.firing
    ]
    return {
        "name": case.says,
        "interval": case.step,
        "input_series": [{"series": name, "values": values} for name, values in case.seen.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }


def _rendered(written: Mapping[str, str], firing: Firing) -> dict[str, str]:
    return {
        name: _LABEL.sub(lambda found: firing.labels[found[1]], _VALUE.sub(firing.value, text))
        for name, text in written.items()
    }
