"""What expressions ask for is found, with all labels that they take for granted."""

from __future__ import annotations

import pytest

from tests.alerts.promql import selectors


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
    assert [one.metric for one in selectors(expression)] == metrics


def test_labels_are_those_of_matchers_and_of_the_groups_around() -> None:
    found = selectors('sum by (n, p) (rate(a{x="1", y=~"2|3", z!="4", w=~".*"}[5m])) / on (n) max by (n) (b)')
    assert [one.labels for one in found] == [{"n", "p", "x", "y", "z", "w"}, {"n"}]
    assert [one.values for one in found] == [{"x": ["1"], "y": ["2", "3"]}, {}]
