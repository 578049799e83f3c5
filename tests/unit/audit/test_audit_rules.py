"""The table of audit rules: every rule and every check is in it once, and running it never fails."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from app.domain.audit import (
    bookings,
    events,
    jobs,
    layout_jobs,
    layouts,
    money,
    notices,
    notification_preferences,
    payments,
    rules,
    run_cancellations,
    run_delays,
    run_events,
    runs,
    sales_windows,
    seats,
    trains,
    users,
    waitlist,
    webhooks,
)
from app.domain.audit.check import Check, Finding, Rule, WarningText, run_rules

MODULES = (
    bookings,
    events,
    jobs,
    layout_jobs,
    layouts,
    money,
    notices,
    notification_preferences,
    payments,
    run_cancellations,
    run_delays,
    run_events,
    runs,
    sales_windows,
    seats,
    trains,
    users,
    waitlist,
    webhooks,
)
# Every list, without the one that only joins the lists about runs.
LISTS: dict[str, Sequence[Rule[Any]]] = {
    name: listed for name, listed in vars(rules).items() if name.endswith("_RULES") and name != "RUN_RULES"
}
LISTED = [rule for listed in LISTS.values() for rule in listed]
# Found while documents are read, before there is a record that a rule could take. (Check.FIELDS is found there, too.)
FOUND_BY_READING = {Check.READABLE}


def is_rule(function: Callable[..., object]) -> bool:
    """Return whether a function takes one record and yields lines, as rules do."""
    returned = inspect.signature(function).return_annotation
    return len(inspect.signature(function).parameters) == 1 and returned in (Iterator[str], "Iterator[str]")


def test_every_rule_of_every_module_is_listed_once() -> None:
    written = {
        function
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and is_rule(function)
    }
    assert Counter(rule.find_problems for rule in LISTED) == Counter(written)


def test_every_check_has_a_rule_or_is_found_by_reading() -> None:
    assert {rule.check for rule in LISTED} == set(Check) - FOUND_BY_READING


def test_the_list_about_runs_joins_all_lists_with_their_record() -> None:
    joined = [
        *rules.RUN_INVENTORY_RULES,
        *rules.RUN_BOOKING_RULES,
        *rules.RUN_DOCUMENT_RULES,
        *rules.RUN_DISRUPTION_RULES,
    ]
    assert list(rules.RUN_RULES) == joined


# -- running rules


def two_problems(record: str) -> Iterator[str]:
    yield f"{record} is wrong"
    yield WarningText(f"{record} is odd")


def fails(record: str) -> Iterator[str]:
    yield f"{record} begins"
    raise KeyError(record)


def test_each_line_is_a_finding_and_a_warning_text_a_warning() -> None:
    assert run_rules([Rule(Check.FARES, two_problems)], "booking A", "it") == [
        Finding(Check.FARES, "booking A", "it is wrong"),
        Finding(Check.FARES, "booking A", "it is odd", is_warning=True),
    ]


def test_a_rule_that_fails_is_a_finding_and_the_next_rule_still_runs() -> None:
    findings = run_rules([Rule(Check.FARES, fails), Rule(Check.NAMES, two_problems)], "booking A", "it")
    assert [(finding.check, finding.text) for finding in findings] == [
        (Check.FARES, "it begins"),
        (Check.FARES, "cannot be checked: KeyError('it')"),
        (Check.NAMES, "it is wrong"),
        (Check.NAMES, "it is odd"),
    ]
