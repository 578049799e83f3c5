"""Test cases of alerts: input series and expected firing alerts, in promtool's format.

Belongs here: the types, and the conversion for promtool. Does not belong here: any case (`*_cases.py`).

Values are in promtool's notation, one sample per step: `0+2x60` starts at 0 and grows by 2 sixty times, `5x10` repeats 5, `_`
is no sample, `stale` ends the series.
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

# Values by series name.
InputSeries = Mapping[str, str]


@dataclass(frozen=True)
class Firing:
    """One expected firing alert: its labels, and the value as the alert's text shows it."""

    labels: Mapping[str, str]
    value: str = ""


@dataclass(frozen=True)
class Case:
    """Test case: with these input series, the alert fires at time `at` as in `firing`; it does not if `firing` is empty."""

    alert: str
    situation: str
    input_series: InputSeries
    at: str
    firing: Sequence[Firing] = ()
    step: str = "1m"


def in_production(value: str = "", **labels_of_it: str) -> tuple[Firing]:
    """Return one firing alert in the namespace `prod`."""
    return (Firing({"namespace": "prod", **labels_of_it}, value),)


def series(name: str, **labels_of_it: str) -> str:
    """Name a series of a process in production. `labels_of_it` override its labels."""
    chosen = {"namespace": "prod", "job": "seatline", "pod": "seatline-0", "instance": "10.0.0.1:9464", **labels_of_it}
    inside = ", ".join(f'{label}="{value}"' for label, value in chosen.items())
    return f"{name}{{{inside}}}"


def promtool_document(cases: Sequence[Case], alerts: Mapping[str, Alert], rule_file: str) -> dict[str, Any]:
    """Return the cases as a test file of promtool. All must have the same step."""
    (step,) = {case.step for case in cases}
    return {
        "rule_files": [rule_file],
        "evaluation_interval": step,
        "tests": [_test(case, alerts[case.alert]) for case in cases],
    }


def _test(case: Case, alert: Alert) -> dict[str, Any]:
    expected = [
        {"exp_labels": {**labels(alert), **firing.labels}, "exp_annotations": _rendered(texts(alert), firing)}
        for firing in case.firing
    ]
    return {
        "name": case.situation,
        "interval": case.step,
        "input_series": [{"series": name, "values": values} for name, values in case.input_series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }


def _rendered(templates: Mapping[str, str], firing: Firing) -> dict[str, str]:
    return {
        name: _LABEL.sub(lambda found: firing.labels[found[1]], _VALUE.sub(firing.value, text))
        for name, text in templates.items()
    }
