"""Rendering of the chart by Helm, without a cluster.

Belongs here: rendering, and finding objects and their fields. `python -m tests.chart.rendering FOLDER` writes the objects of
every values file to the folder, for scanners. Does not belong here: assertions.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "seatline"
RELEASE, NAMESPACE = "sales", "tickets"
NOTES = "seatline/templates/NOTES.txt"

KubernetesObject = dict[str, Any]
Values = dict[str, Any]


def values_files() -> list[str]:
    """List the names of the chart's example values files, such as "full"."""
    return sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))


def values_of(name: str, **more: Any) -> Values:
    """Return the values of a file, overridden by `more`; dotted names reach nested values."""
    values: Values = copy.deepcopy(yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8")))
    return with_values(values, more)


def with_values(values: Values, more: Mapping[str, Any]) -> Values:
    """Override `values` in place and return them; dotted names reach nested values."""
    for dotted, value in more.items():
        *above, last = dotted.split(".")
        at = values
        for name in above:
            at = at.setdefault(name, {})
        at[last] = value
    return values


@cache
def _chart() -> helm.Chart:
    return helm.Chart.load(CHART)


def rendered(values: Values, *, release: str = RELEASE, namespace: str = NAMESPACE) -> dict[str, str]:
    """Render the chart: text by template path. Raises HelmError if the chart refuses the values."""
    return _chart().render(values, name=release, namespace=namespace)


def default_values() -> Values:
    """Return the chart's default values."""
    return _chart().values


def objects(values: Values, *, release: str = RELEASE, namespace: str = NAMESPACE) -> list[KubernetesObject]:
    """Return a fresh copy of all objects of a release, including the test pod."""
    return copy.deepcopy(_objects(json.dumps(values), release, namespace))


@cache  # parsing the dashboard and the alerts is the slowest part
def _objects(values: str, release: str, namespace: str) -> list[KubernetesObject]:
    texts = rendered(json.loads(values), release=release, namespace=namespace)
    found = (yaml.load(text, Loader=yaml.CSafeLoader) for path, text in texts.items() if path != NOTES)
    return [document for document in found if document]


def only(found: list[KubernetesObject], kind: str, ending: str = "") -> KubernetesObject:
    """Return the only object of that kind whose name has that ending."""
    (match,) = [each for each in found if each["kind"] == kind and each["metadata"]["name"].endswith(ending)]
    return match


def pod_templates(found: list[KubernetesObject]) -> dict[str, KubernetesObject]:
    """Return metadata and spec of all pods, by component."""
    pods = [each if each["kind"] == "Pod" else each["spec"]["template"] for each in found if _has_pods(each)]
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in pods}


def _has_pods(found: KubernetesObject) -> bool:
    return found["kind"] in ("Pod", "Deployment", "StatefulSet")


def container(pod: KubernetesObject) -> KubernetesObject:
    """Return the only container of a pod."""
    (only_container,) = pod["spec"]["containers"]
    return dict(only_container)


def values_at(found: object, key: str) -> Iterator[Any]:
    """Yield every value under `key`, at any depth."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name == key:
                yield value
            yield from values_at(value, key)
    elif isinstance(found, list):
        for value in found:
            yield from values_at(value, key)


def write(folder: Path) -> None:
    """Write each object of each values file to a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.yaml"):
        stale.unlink()
    for name in values_files():
        for path, text in rendered(values_of(name)).items():
            if path != NOTES and yaml.safe_load(text):
                flat = path.removeprefix("seatline/templates/").replace("/", "-")
                (folder / f"{name}-{flat}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
