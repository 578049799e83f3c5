"""The alerts' file is current and valid, and each alert fires exactly when it should."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability.generate import CHART_FILES, GROUPS, REPOSITORY, ROWS, as_yaml
from deploy.observability.rules import alerts
from tests.alerts import background_cases, notice_cases, sales_cases
from tests.alerts.cases import Case, promtool_document
from tests.tools.promtool import promtool

ALERTS = {alert.name: alert for alert in alerts(GROUPS)}
CASES = [*sales_cases.CASES, *background_cases.CASES, *notice_cases.CASES]
RULES = CHART_FILES / "alerts.yaml"
# Runbooks name rows of the dashboard by title.
_ROW = re.compile(r"\b[Rr]ow ([A-Z][\w ]*?)(?=[:;,.)]| and row )")


@cache
def all_rules() -> list[dict[str, Any]]:
    """Return all rules of the file. They are shared: nobody changes them."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def rules_of(name: str, **instead: str) -> dict[str, Any]:
    """Return a rule file with one alert, with fields replaced by `instead`, and the recording rules that it uses.

    promtool evaluates every rule at every step, so the others are left out.
    """
    rules = all_rules()
    (alert,) = (rule for rule in rules if rule.get("alert") == name)
    needed = [{**alert, **instead}]
    for rule in reversed(rules):
        if any(rule.get("record", "no name") in user["expr"] for user in needed):
            needed.insert(0, rule)
    return {"groups": [{"name": name, "rules": needed}]}


def run_promtool_tests(cases: Sequence[Case], folder: Path, rules: dict[str, Any]) -> tuple[int, str]:
    """Run promtool on the cases, in one file per step. Return its exit code and output."""
    rule_file = folder / "rules.yaml"
    rule_file.write_text(as_yaml(rules))
    paths = []
    for step, alike in groupby(sorted(cases, key=lambda case: case.step), lambda case: case.step):
        paths.append(folder / f"cases_{step}.yaml")
        paths[-1].write_text(as_yaml(promtool_document(list(alike), ALERTS, str(rule_file))))
    return promtool("test", "rules", *map(str, paths))


# -- the files


def test_the_generated_files_are_current(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.observability.generate", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    stale = [made.name for made in tmp_path.iterdir() if made.read_bytes() != (CHART_FILES / made.name).read_bytes()]
    assert not stale, f"run `make observability`; these files differ: {', '.join(sorted(stale))}"
    assert {made.name for made in tmp_path.iterdir()} == {"alerts.yaml", "dashboard.json"}


def test_promtool_accepts_the_rules() -> None:
    code, output = promtool("check", "rules", str(RULES))
    assert code == 0, output
    assert "SUCCESS" in output


def test_promtool_rejects_a_broken_rule(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(RULES.read_text().replace("sum by (namespace)", "sumby (namespace)", 1))
    assert promtool("check", "rules", str(broken))[0] != 0


# -- each alert


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_when_it_should_and_only_then(name: str, tmp_path: Path) -> None:
    code, output = run_promtool_tests([case for case in CASES if case.alert == name], tmp_path, rules_of(name))
    assert code == 0, output


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_cases_with_firing_without_firing_and_without_metrics(name: str) -> None:
    cases = [case for case in CASES if case.alert == name]
    assert any(case.firing for case in cases)
    assert any(not case.firing and case.input_series for case in cases)
    assert any(not case.input_series for case in cases)


def test_every_case_is_of_an_existing_alert() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_the_cases_detect_an_alert_that_never_or_always_fires(name: str, tmp_path: Path) -> None:
    for fires, broken in ((True, "vector(1) < 0"), (False, 'label_replace(vector(1), "namespace", "prod", "", "")')):
        cases = [case for case in CASES if case.alert == name and bool(case.firing) is fires]
        code, output = run_promtool_tests(cases[:1], tmp_path, rules_of(name, expr=broken, **{"for": "0s"}))
        assert code != 0, output


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_impact_checks_and_remedies(name: str) -> None:
    alert = ALERTS[name]
    assert alert.checks, "where to look"
    assert alert.remedies, "what to do"
    for sentence in (alert.summary, alert.description, alert.impact, alert.action, *alert.checks, *alert.remedies):
        assert sentence.endswith((".", "?")), sentence
        assert "|" not in sentence.replace("{{ $value |", "{{ $value"), "the table of alerts uses | as separator"
    assert re.fullmatch(r"\d+[smh]", alert.pending_for)


def test_runbooks_name_existing_rows_of_the_dashboard() -> None:
    titles = {row.title for row in ROWS}
    named = {title for alert in ALERTS.values() for title in _ROW.findall(alert.runbook)}
    assert named <= titles
    assert len(named) > 3, "the pattern matches rows"
