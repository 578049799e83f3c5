"""The simulation finds every rule that is broken on purpose, within some hundred histories."""

import pytest

from tests.simulation.breakages import BREAKAGES, Breakage
from tests.simulation.layout_breakages import LAYOUT_BREAKAGES
from tests.simulation.seeds import first_failure_of

HISTORIES_MAX = 800


@pytest.mark.parametrize("breakage", [*BREAKAGES, *LAYOUT_BREAKAGES], ids=lambda breakage: breakage.__name__)
def test_the_simulation_finds_within_some_hundred_histories_that(breakage: Breakage) -> None:
    with breakage():
        failure = first_failure_of(range(HISTORIES_MAX))
    assert failure, f"{HISTORIES_MAX} histories show no violation"
