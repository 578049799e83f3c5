"""The alerts: their files are those of the description, promtool is content with them, and each fires when it should."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability.generate import CHART_FILES, GROUPS, REPOSITORY, ROWS, as_yaml
from deploy.observability.rules import alerts
from tests.alerts import background_cases, sales_cases
from tests.alerts.cases import Case, promtool_document
from tests.tools.promtool import promtool

ALERTS = {alert.name: alert for alert in alerts(GROUPS)}
CASES = [*sales_cases.CASES, *background_cases.CASES]
RULES = CHART_FILES / "alerts.yaml"
# A row of the dashboard is named in runbooks by its title.
_ROW = re.compile(r"\b[Rr]ow ([A-Z][\w ]*?)(?=[:;,.)]| and row )")


def rules_of(name: str, **instead: str) -> dict[str, Any]:
    """An alert's rule out of the file, maybe with other values in it, and the recordings that it rests on.

    promtool evaluates all it is given at every step.
    """
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    (alert,) = (rule for rule in rules if rule.get("alert") == name)
    kept = [{**alert, **instead}]
    for rule in reversed(rules):
        if any(rule.get("record", "no name") in one["expr"] for one in kept):
            kept.insert(0, rule)
    return {"groups": [{"name": name, "rules": kept}]}


def tried(cases: Sequence[Case], folder: Path, rules: dict[str, Any]) -> tuple[int, str]:
    """What promtool says of the cases, in a file for each step."""
    rule_file = folder / "rules.yaml"
    rule_file.write_text(as_yaml(rules))
    paths = []
    for step, alike in groupby(sorted(cases, key=lambda case: case.step), lambda case: case.step):
        paths.append(folder / f"cases_{step}.yaml")
        paths[-1].write_text(as_yaml(promtool_document(list(alike), ALERTS, str(rule_file))))
    return promtool("test", "rules", *map(str, paths))


# -- the files


def test_the_files_are_those_of_the_description(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.observability.generate", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    stale = [made.name for made in tmp_path.iterdir() if made.read_bytes() != (CHART_FILES / made.name).read_bytes()]
    assert not stale, f"run `make observability`; these files differ: {', '.join(sorted(stale))}"
    assert {made.name for made in tmp_path.iterdir()} == {"alerts.yaml", "dashboard.json"}


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    code, said = promtool("check", "rules", str(RULES))
    assert code == 0, said
    assert "SUCCESS" in said


def test_promtool_would_notice_what_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(RULES.read_text().replace("sum by (namespace)", "sumby (namespace)", 1))
    assert promtool("check", "rules", str(broken))[0] != 0


# -- each alert


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_when_it_should_and_only_then(name: str, tmp_path: Path) -> None:
    code, said = tried([case for case in CASES if case.alert == name], tmp_path, rules_of(name))
    assert code == 0, said


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_cases_in_which_it_fires_is_silent_and_sees_nothing(name: str) -> None:
    cases = [case for case in CASES if case.alert == name]
    assert any(case.firing for case in cases)
    assert any(not case.firing and case.seen for case in cases)
    assert any(not case.seen for case in cases)


def test_there_are_no_cases_for_alerts_that_are_gone() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_the_cases_notice_an_alert_that_never_fires_and_one_that_always_does(name: str, tmp_path: Path) -> None:
    for fires, broken in ((True, "vector(1) < 0"), (False, 'label_replace(vector(1), "namespace", "prod", "", "")')):
        cases = [case for case in CASES if case.alert == name and bool(case.firing) is fires]
        code, said = tried(cases[:1], tmp_path, rules_of(name, expr=broken, **{"for": "0s"}))
        assert code != 0, said


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_means_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert.checks, "where to look"
    assert alert.remedies, "what to do"
    for sentence in (alert.summary, alert.description, alert.impact, alert.action, *alert.checks, *alert.remedies):
        assert sentence.endswith((".", "?")), sentence
        assert "|" not in sentence.replace("{{ $value |", "{{ $value"), "it stands in a table"
    assert re.fullmatch(r"\d+[smh]", alert.pending_for)


def test_runbooks_name_rows_that_the_dashboard_has() -> None:
    titles = {row.title for row in ROWS}
    named = {title for alert in ALERTS.values() for title in _ROW.findall(alert.runbook)}
    assert named <= titles
    assert len(named) > 3, "the pattern finds them"
