"""The chart as Helm renders it, without a cluster.

Belongs here: rendering, and finding objects and what they hold. `python -m tests.chart.rendering FOLDER` writes the objects of
every values file into the folder, for programs that read files. Not here: any assertion.
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
    """The names of the values files that the chart is checked with, such as "full"."""
    return sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))


def values_of(name: str, **more: Any) -> Values:
    """The values of a file, with `more` over them; a dotted name goes into the depth."""
    values: Values = copy.deepcopy(yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8")))
    return with_values(values, more)


def with_values(values: Values, more: Mapping[str, Any]) -> Values:
    """`values` with others over them; a dotted name goes into the depth."""
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
    """What each template makes of the values, by its path. Raises HelmError where the chart refuses them."""
    return _chart().render(values, name=release, namespace=namespace)


def default_values() -> Values:
    """The chart's own values."""
    return _chart().values


def objects(values: Values, *, release: str = RELEASE, namespace: str = NAMESPACE) -> list[KubernetesObject]:
    """All objects of a release, the test's pod among them. Each caller has its own."""
    return copy.deepcopy(_objects(json.dumps(values), release, namespace))


@cache  # reading the dashboard and the alerts takes longer than anything else here
def _objects(values: str, release: str, namespace: str) -> list[KubernetesObject]:
    texts = rendered(json.loads(values), release=release, namespace=namespace)
    found = (yaml.load(text, Loader=yaml.CSafeLoader) for path, text in texts.items() if path != NOTES)
    return [one for one in found if one]


def only(found: list[KubernetesObject], kind: str, ending: str = "") -> KubernetesObject:
    """The one object of that kind whose name ends so."""
    (one,) = [each for each in found if each["kind"] == kind and each["metadata"]["name"].endswith(ending)]
    return one


def pod_templates(found: list[KubernetesObject]) -> dict[str, KubernetesObject]:
    """Metadata and spec of all pods, by the component that they are."""
    pods = [each if each["kind"] == "Pod" else each["spec"]["template"] for each in found if _has_pods(each)]
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in pods}


def _has_pods(found: KubernetesObject) -> bool:
    return found["kind"] in ("Pod", "Deployment", "StatefulSet")


def container(pod: KubernetesObject) -> KubernetesObject:
    """The only container of a pod."""
    (one,) = pod["spec"]["containers"]
    return dict(one)


def values_at(found: object, key: str) -> Iterator[Any]:
    """Everything that stands under `key`, at any depth."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name == key:
                yield value
            yield from values_at(value, key)
    elif isinstance(found, list):
        for value in found:
            yield from values_at(value, key)


def write(folder: Path) -> None:
    """Writes each object of each values file into a file of its own."""
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
