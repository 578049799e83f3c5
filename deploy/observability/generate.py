"""Writes what Grafana and Prometheus read, from the description.

Belongs here: which file is made of what. Does not: the description itself (`*_rows.py`, `*_alerts.py`), nor the formats
(`grafana.py`, `rules.py`).

    python -m deploy.observability.generate              writes the chart's files and the README's table
    python -m deploy.observability.generate --out DIR    writes only the files, to DIR (the freshness test compares them)
"""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from deploy.observability import background_alerts, background_rows, sales_alerts, sales_rows
from deploy.observability.grafana import dashboard
from deploy.observability.rules import alerts_table, rules

REPOSITORY = Path(__file__).resolve().parents[2]
CHART_FILES = REPOSITORY / "deploy" / "helm" / "seatline" / "files"
README = REPOSITORY / "README.md"
README_BEGIN, README_END = "<!-- alerts -->", "<!-- /alerts -->"
ROWS = (*sales_rows.ROWS, *background_rows.ROWS)
GROUPS = (*sales_alerts.GROUPS, *background_alerts.GROUPS)
_HEAD = "# Made by deploy/observability/generate.py; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as people write them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def files() -> dict[str, str]:
    """The names and the texts of all that is made."""
    return {
        "dashboard.json": f"{json.dumps(dashboard(ROWS), indent=2, ensure_ascii=False)}\n",
        "alerts.yaml": _HEAD + as_yaml(rules(GROUPS)),
    }


def as_yaml(document: Any) -> str:
    """A document as YAML, in the order in which it was made."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)


def alerts_section() -> str:
    """What stands in the README, with its markers."""
    return f"{README_BEGIN}\n{alerts_table(GROUPS)}\n{README_END}"


def with_alerts_section(text: str) -> str:
    """The README with the part in its place. Raises ValueError where the markers are missing."""
    begin, end = text.index(README_BEGIN), text.index(README_END) + len(README_END)
    return text[:begin] + alerts_section() + text[end:]


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    folder = out or CHART_FILES
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
    if out is None:
        README.write_text(with_alerts_section(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
