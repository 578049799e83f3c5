"""Series and labels that a PromQL expression selects.

Belongs here: finding them. Does not belong here: the validity of an expression, which promtool checks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_LABELS = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_GROUPED = re.compile(r"\bby\s*\(([^)]*)\)\s*\(")
_NAME = re.compile(r"(?<![\w:])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_KEYWORDS = {"and", "or", "unless", "by", "on", "without", "ignoring", "bool", "offset", "group_left", "group_right"}
# A literal value, or literal alternatives, and not a pattern.
_SPELLED_OUT = re.compile(r"\w+(\|\w+)*")


@dataclass(frozen=True)
class Selector:
    """Selector of series: metric, label matchers, and labels by which the result is grouped."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    grouped_by: frozenset[str]

    @property
    def labels(self) -> frozenset[str]:
        """All labels that the series must have."""
        return self.grouped_by | {label for label, _, _ in self.matchers}

    @property
    def values(self) -> dict[str, list[str]]:
        """Literal values of labels."""
        return {
            label: value.split("|")
            for label, operator, value in self.matchers
            if operator in ("=", "=~") and _SPELLED_OUT.fullmatch(value)
        }


def selectors(expression: str) -> list[Selector]:
    """List an expression's selectors, in order. Subqueries, and braces or brackets in quotes, are not supported."""
    bare = _blanked(expression, r"\{[^}]*\}")
    bare = _blanked(_blanked(bare, r"\[[^\]]*\]"), r"\"[^\"]*\"")
    names = _LABELS.sub(lambda found: " " * len(found[0]), bare)
    groups = list(_groups(bare))
    found = []
    for name in _NAME.finditer(names):
        if name[1] not in _KEYWORDS:
            braces = re.match(r"\s*\{([^}]*)\}", expression[name.end() :])
            matchers = tuple(_MATCHER.findall(braces[1])) if braces else ()
            grouped_by = frozenset(label for labels, start, end in groups if start <= name.start() < end for label in labels)
            found.append(Selector(name[1], matchers, grouped_by))
    return found


def unknown(
    asked: Iterable[Selector],
    series: Mapping[str, Sequence[Mapping[str, str]]],
    may_lack_values: Collection[tuple[str, str]] = (),
) -> list[str]:
    """List the metrics, labels and label values that are selected and do not exist in `series`.

    `may_lack_values` are (metric, label) pairs of which some values exist only after certain events.
    """
    wrong: set[str] = set()
    for selector in asked:
        metric, values = selector.metric, _values_by_label(series.get(selector.metric, ()))
        if metric not in values["__name__"]:
            wrong.add(metric)
            continue
        wrong.update(f"{metric} by {label}" for label in selector.labels if label not in values)
        wrong.update(
            f'{metric} with {label}="{value}"'
            for label, expected in selector.values.items()
            for value in expected
            if (metric, label) not in may_lack_values and value not in values.get(label, ())
        )
    return sorted(wrong)


def _values_by_label(series: Iterable[Mapping[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"__name__": set()}
    for sery in series:
        for label, value in sery.items():
            found.setdefault(label, set()).add(value)
    return found


def _groups(bare: str) -> Iterator[tuple[list[str], int, int]]:
    """Yield the labels of each `by (…) (…)`, with start and end of the second parenthesis."""
    for grouped in _GROUPED.finditer(bare):
        depth, end = 1, grouped.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(bare[end], 0)
            end += 1
        yield [label.strip() for label in grouped[1].split(",")], grouped.end(), end


def _blanked(text: str, pattern: str) -> str:
    return re.sub(pattern, lambda found: " " * len(found[0]), text)
