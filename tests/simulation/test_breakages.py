"""The simulation finds what is broken on purpose, each within so many histories."""

import pytest

from tests.simulation.breakages import BREAKAGES, Breakage
from tests.simulation.seeds import first_failure_of

HISTORIES_MAX = 400


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_it_is_found_within_some_hundred_histories_that(breakage: Breakage) -> None:
    with breakage():
        failure = first_failure_of(range(HISTORIES_MAX))
    assert failure, f"{HISTORIES_MAX} histories show nothing of it"
