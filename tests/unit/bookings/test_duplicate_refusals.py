"""The limit on how often a caller may ask for passengers who are booked already."""

from datetime import timedelta

from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.usecases import duplicate_refusals
from app.usecases.duplicate_refusals import REFUSALS_MAX, REFUSALS_TIME, DuplicateRefusals
from tests.support.builders import NOW, a_caller, an_operator

BOOKED_ALREADY = Refusal(Reason.PASSENGER_ALREADY_BOOKED, "booked already")


def refuse(refusals: DuplicateRefusals, caller: Caller, times: int, refusal: Refusal = BOOKED_ALREADY) -> None:
    for second in range(times):
        refusals.record(caller, refusal, NOW + timedelta(seconds=second))


def test_after_too_many_refusals_a_caller_waits_until_the_first_is_an_hour_old() -> None:
    refusals, jane = DuplicateRefusals(), a_caller()
    refuse(refusals, jane, REFUSALS_MAX - 1)
    assert refusals.refusal_for(jane, NOW) is None
    refuse(refusals, jane, 1)
    must_wait = refusals.refusal_for(jane, NOW + timedelta(minutes=10))
    assert must_wait is not None
    assert (must_wait.reason, must_wait.retry_seconds) == (Reason.TOO_MANY_REFUSALS, 50 * 60)
    assert refusals.refusal_for(jane, NOW + REFUSALS_TIME) is None


def test_callers_are_distinguished_by_address_as_compared() -> None:
    refusals = DuplicateRefusals()
    refuse(refusals, a_caller("jane"), REFUSALS_MAX)
    assert refusals.refusal_for(a_caller("JANE@example.com"), NOW) is not None
    assert refusals.refusal_for(a_caller("joe"), NOW) is None


def test_other_refusals_and_operators_are_not_counted() -> None:
    refusals = DuplicateRefusals()
    refuse(refusals, a_caller(), REFUSALS_MAX, Refusal(Reason.SECTION_FULL, "full"))
    refuse(refusals, an_operator(), REFUSALS_MAX)
    assert refusals.refusal_for(a_caller(), NOW) is None
    assert refusals.refusal_for(an_operator(), NOW) is None


def test_the_oldest_caller_is_forgotten_first_so_that_memory_is_bounded() -> None:
    refusals = DuplicateRefusals()
    refuse(refusals, a_caller("first"), REFUSALS_MAX)
    for number in range(duplicate_refusals.CALLERS_MAX):
        refuse(refusals, a_caller(f"p{number}"), 1)
    assert len(refusals._times) == duplicate_refusals.CALLERS_MAX
    assert refusals.refusal_for(a_caller("first"), NOW) is None
