"""The dashboard is valid for Grafana, its expressions for Prometheus, and every metric is on it or in an alert."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from app.telemetry.metrics.families import FAMILIES
from deploy.observability.generate import GROUPS, ROWS, as_yaml
from deploy.observability.grafana import COLUMNS
from deploy.observability.rules import alerts
from tests.alerts.dashboard_file import DASHBOARD, GRAFANA_BUILTINS, PANELS, VARIABLE, expressions, substituted
from tests.alerts.promql import selectors
from tests.tools.promtool import promtool

VARIABLES = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
QUERIES = [query for row in ROWS for panel in row.panels for query in panel.queries]
# Statistics of the whole database: each worker exports them, so they must not be summed.
STATISTICS = {family.name for family in FAMILIES if family.is_statistic}


def _name(panel: dict[str, Any]) -> str:
    return str(panel["title"])


# -- Grafana


def test_the_dashboard_has_grafanas_required_fields() -> None:
    assert (DASHBOARD["uid"], DASHBOARD["title"], DASHBOARD["id"]) == ("seatline", "Seatline", None)
    assert DASHBOARD["schemaVersion"] == 42
    assert DASHBOARD["links"]
    kinds = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert kinds == {"datasource": "datasource", **dict.fromkeys(("namespace", "job", "pod", "method"), "query")}


def test_panels_have_unique_ids_and_rows_their_titles() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == [row.title for row in ROWS]


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= COLUMNS for place in places)
    for one, other in combinations(places, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        ), (one, other)


@pytest.mark.parametrize("panel", PANELS, ids=_name)
def test_each_panel_has_description_unit_and_data_source(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["description"].endswith(".")
    assert defaults["unit"]
    assert defaults["min"] == 0
    assert defaults["thresholds"]["steps"][0]["value"] is None
    limits = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
    assert limits == sorted(limits)
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters) > 0
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert target["instant"] is not target["range"]


def test_all_variables_are_defined_and_used() -> None:
    text = json.dumps(DASHBOARD)
    assert set(VARIABLE.findall(text)) - GRAFANA_BUILTINS - {"__all"} == VARIABLES


# -- Prometheus


def _wrapped(asked: list[str]) -> str:
    """Return the expressions as a rule file for promtool."""
    rules = [{"record": f"panel:query:number{number}", "expr": one} for number, one in enumerate(asked)]
    return as_yaml({"groups": [{"name": "dashboard", "rules": rules}]})


def test_prometheus_accepts_every_expression(tmp_path: Path) -> None:
    rule_file = tmp_path / "panels.yaml"
    asked = [substituted(expression) for expression in expressions()]
    assert len(asked) > len(QUERIES)
    rule_file.write_text(_wrapped(asked))
    code, output = promtool("check", "rules", str(rule_file))
    assert code == 0, output
    assert f"{len(asked)} rules found" in output
    rule_file.write_text(_wrapped(["sum(rate(up))"]))
    assert promtool("check", "rules", str(rule_file))[0] != 0


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.expression)
def test_each_expression_uses_the_variables_and_counts_nothing_twice(query: Any) -> None:
    for selector in selectors(query.expression):
        chosen = {label: value for label, _, value in selector.matchers}
        assert chosen["namespace"] == "$namespace"
        if selector.metric in STATISTICS:
            assert re.search(rf"\bmax(?: by \([^)]*\))? \({selector.metric}\{{", query.expression)
            assert "pod" not in chosen, "every worker exports it"
        elif not selector.metric.startswith("namespace:"):
            assert (chosen["job"], chosen["pod"]) == ("$job", "$pod")


def test_every_metric_is_on_the_dashboard_or_in_an_alert() -> None:
    asked = [*expressions(), *(alert.expression for alert in alerts(GROUPS))]
    metrics = {
        re.sub(r"_(bucket|sum|count)$", "", selector.metric) for expression in asked for selector in selectors(expression)
    }
    assert {family.name for family in FAMILIES} <= metrics
