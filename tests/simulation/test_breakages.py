"""The simulation finds every rule that is broken on purpose, within some hundred histories."""

import pytest

import app.usecases.payments
import app.usecases.verification.payments  # it imports VOID_AFTER_SECONDS by name
from app.domain.rules import departures
from tests.simulation.breakages import BREAKAGES, Breakage
from tests.simulation.broken import broken, broken_constant
from tests.simulation.disruption_breakages import DISRUPTION_BREAKAGES
from tests.simulation.layout_breakages import LAYOUT_BREAKAGES
from tests.simulation.seeds import first_failure_of
from tests.support.long_mode import is_long

HISTORIES_MAX = 400
# Layouts change in half of the histories, and runs are cancelled in a sixth; some rules need two callers who meet in a second.
RARE_HISTORIES_MAX = 1_500
# Histories that found the rarest breakages, those that find most first. They shorten the search; where they find nothing, all
# others follow. A long test run has no such help.
LIKELY = () if is_long() else (959, 80, 454, 262, 201, 409, 191, 246, 159, 145, 71, 118, 21, 68, 46, 251)


@pytest.mark.parametrize(
    "breakage", [*BREAKAGES, *LAYOUT_BREAKAGES, *DISRUPTION_BREAKAGES], ids=lambda breakage: breakage.__name__
)
def test_the_simulation_finds_within_some_hundred_histories_that(breakage: Breakage) -> None:
    with breakage():
        count = HISTORIES_MAX if breakage in BREAKAGES else RARE_HISTORIES_MAX
        failure = first_failure_of([*LIKELY, *range(count)])
    assert failure, f"{count} histories show no violation"


def test_a_breakage_that_nothing_calls_fails() -> None:
    with (
        pytest.raises(AssertionError, match="nothing has called what replaces require_running"),
        broken(departures, "require_running", lambda run, journey, now: None),  # the rules have imported their own
    ):
        first_failure_of(range(20))


def test_a_breakage_that_takes_other_arguments_fails() -> None:
    with (
        pytest.raises(AssertionError, match="what replaces require_not_cancelled is called with other arguments"),
        broken(departures, "require_not_cancelled", lambda run: None),
    ):
        first_failure_of(range(400))


def test_a_breakage_of_a_constant_that_others_imported_fails() -> None:
    with (
        pytest.raises(AssertionError, match=r"stays as it is in app\.usecases\.verification\.payments"),
        broken_constant(app.usecases.payments, "VOID_AFTER_SECONDS", 0),
    ):
        pass
