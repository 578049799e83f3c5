"""Selectors of PromQL expressions are found, and so are selectors of series that do not exist."""

from __future__ import annotations

import pytest

from tests.alerts.promql import selectors, unknown


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        ("up", ["up"]),
        ("sum(rate(a_total[5m])) / sum by (x) (b:rate5m)", ["a_total", "b:rate5m"]),
        ("a and on (x) group by (y) (last_over_time(b[1d]))", ["a", "b"]),
        ('histogram_quantile(0.99, sum by (le) (rate(a_bucket{b="or c"}[5m])))', ["a_bucket"]),
        ("time() - max by (n) (a) > 1e3 unless b offset 5m", ["a", "b"]),
        ("1 - 2", []),
    ],
)
def test_metrics_are_found(expression: str, metrics: list[str]) -> None:
    assert [selector.metric for selector in selectors(expression)] == metrics


def test_labels_come_from_matchers_and_from_surrounding_groups() -> None:
    found = selectors('sum by (n, p) (rate(a{x="1", y=~"2|3", z!="4", w=~".*"}[5m])) / on (n) max by (n) (b)')
    assert [selector.labels for selector in found] == [{"n", "p", "x", "y", "z", "w"}, {"n"}]
    assert [selector.values for selector in found] == [{"x": ["1"], "y": ["2", "3"]}, {}]


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ('sum by (state) (jobs{state="dead"})', []),
        ('jobs{state=~"dead|waiting"} or jobs{state=~"x.*"}', []),
        ('job{state="dead"}', ["job"]),
        ("sum by (status) (jobs)", ["jobs by status"]),
        ('jobs{stat="dead"}', ["jobs by stat", 'jobs with stat="dead"']),
        ('jobs{state=~"dead|gone"}', ['jobs with state="gone"']),
        ('jobs{state!="gone", pod="p2"}', ['jobs with pod="p2"']),
    ],
)
def test_unknown_metrics_labels_and_values_are_found(expression: str, wrong: list[str]) -> None:
    series = {"jobs": [{"__name__": "jobs", "state": state, "pod": "p1"} for state in ("dead", "waiting")]}
    assert unknown(selectors(expression), series) == wrong


def test_exempt_labels_may_lack_values_but_must_exist() -> None:
    series = {"calls": [{"__name__": "calls", "code": "OK"}]}
    asked = selectors('calls{code="Internal", kind="x"}')
    assert unknown(asked, series, {("calls", "code")}) == ["calls by kind", 'calls with kind="x"']
