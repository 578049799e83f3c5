"""The simulation finds what is broken on purpose, each within so many histories; and what is known to be broken, too."""

import pytest

from tests.simulation.breakages import BREAKAGES, Breakage
from tests.simulation.mends import FOUND_SOON, mended
from tests.simulation.seeds import first_failure_of

HISTORIES_MAX = 400


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_it_is_found_within_some_hundred_histories_that(breakage: Breakage) -> None:
    with mended(), breakage():
        failure = first_failure_of(range(HISTORIES_MAX))
    assert failure, f"{HISTORIES_MAX} histories show nothing of it"


@pytest.mark.parametrize("name", FOUND_SOON)
def test_a_known_fault_is_still_there_and_its_mend_is_needed(name: str) -> None:
    with mended(but=name):
        failure = first_failure_of(range(HISTORIES_MAX))
    assert failure, "the service is mended now: take this out of tests/simulation/mends.py"
