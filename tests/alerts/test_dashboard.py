"""The dashboard: Grafana can read it, Prometheus each of its expressions, and nothing that is measured is left out."""

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
# Each worker tells them of the whole database, and so more than once.
STATISTICS = {family.name for family in FAMILIES if family.is_statistic}


def _name(panel: dict[str, Any]) -> str:
    return str(panel["title"])


# -- Grafana


def test_the_dashboard_says_what_grafana_wants_to_know() -> None:
    assert (DASHBOARD["uid"], DASHBOARD["title"], DASHBOARD["id"]) == ("seatline", "Seatline", None)
    assert DASHBOARD["schemaVersion"] == 42
    assert DASHBOARD["links"]
    kinds = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert kinds == {"datasource": "datasource", **dict.fromkeys(("namespace", "job", "pod", "method"), "query")}


def test_panels_have_numbers_of_their_own_and_the_rows_their_titles() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == [row.title for row in ROWS]


def test_panels_stand_beside_each_other() -> None:
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
def test_a_panel_says_what_it_shows_in_which_unit_and_from_where(panel: dict[str, Any]) -> None:
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


def test_all_variables_are_there_and_all_are_used() -> None:
    text = json.dumps(DASHBOARD)
    assert set(VARIABLE.findall(text)) - GRAFANA_BUILTINS - {"__all"} == VARIABLES


# -- Prometheus


def _wrapped(asked: list[str]) -> str:
    """Expressions as a file of rules, which promtool looks at."""
    rules = [{"record": f"panel:query:number{number}", "expr": one} for number, one in enumerate(asked)]
    return as_yaml({"groups": [{"name": "dashboard", "rules": rules}]})


def test_prometheus_can_read_every_expression(tmp_path: Path) -> None:
    rule_file = tmp_path / "panels.yaml"
    asked = [substituted(expression) for expression in expressions()]
    assert len(asked) > len(QUERIES)
    rule_file.write_text(_wrapped(asked))
    code, said = promtool("check", "rules", str(rule_file))
    assert code == 0, said
    assert f"{len(asked)} rules found" in said
    rule_file.write_text(_wrapped(["sum(rate(up))"]))
    assert promtool("check", "rules", str(rule_file))[0] != 0


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.expression)
def test_an_expression_keeps_to_what_is_chosen_and_counts_nothing_twice(query: Any) -> None:
    for selector in selectors(query.expression):
        chosen = {label: value for label, _, value in selector.matchers}
        assert chosen["namespace"] == "$namespace"
        if selector.metric in STATISTICS:
            assert re.search(rf"\bmax(?: by \([^)]*\))? \({selector.metric}\{{", query.expression)
            assert "pod" not in chosen, "any worker says it"
        elif not selector.metric.startswith("namespace:"):
            assert (chosen["job"], chosen["pod"]) == ("$job", "$pod")


def test_everything_that_is_measured_is_shown_or_alerts() -> None:
    asked = [*expressions(), *(alert.expression for alert in alerts(GROUPS))]
    metrics = {
        re.sub(r"_(bucket|sum|count)$", "", selector.metric) for expression in asked for selector in selectors(expression)
    }
    assert {family.name for family in FAMILIES} <= metrics
