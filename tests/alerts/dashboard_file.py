"""The generated dashboard file and its expressions.

Belongs here: reading the file. Does not belong here: checks of it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from deploy.observability.generate import CHART_FILES

DASHBOARD: dict[str, Any] = json.loads((CHART_FILES / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# References to variables. Grafana itself defines __rate_interval.
VARIABLE = re.compile(r"\$\{?(\w+)")
GRAFANA_BUILTINS = {"__rate_interval"}
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")


def substituted(expression: str, rate_interval: str = "5m") -> str:
    """Return an expression as Grafana sends it when all values are selected."""
    return VARIABLE.sub(lambda found: rate_interval if found[1] in GRAFANA_BUILTINS else ".*", expression)


def expressions() -> list[str]:
    """List all expressions: of panels, annotations and variables."""
    found = [target["expr"] for panel in PANELS for target in panel["targets"]]
    found += [marks["expr"] for marks in DASHBOARD["annotations"]["list"]]
    for variable in DASHBOARD["templating"]["list"]:
        found += [f"group by ({label}) ({series})" for series, label in _LABEL_VALUES.findall(variable.get("definition", ""))]
    return found
