"""The clock of the primary, as a server measures it."""

import logging
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.ports.clock import ClockMeasurement
from app.process.clock import PrimaryClock

MILLISECOND_NS = 1_000_000
START = datetime(2026, 11, 1, 12, tzinfo=UTC)  # of the primary, at 100 s of the monotonic clock
START_NS = 100_000 * MILLISECOND_NS
WRONG = START + timedelta(hours=1)  # on the clock of the host
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The monotonic clock, in nanoseconds, as the only entry of a list."""
    moment = [START_NS]
    monkeypatch.setattr(time, "monotonic_ns", lambda: moment[0])
    return moment


def measured(sent: int, received: int, shown: int, primary: str = "a:1") -> ClockMeasurement:
    """A measurement, all in milliseconds after the start."""
    begin, end = (START_NS + number * MILLISECOND_NS for number in (sent, received))
    return ClockMeasurement(begin, end, START + shown * MILLISECOND, primary)


def test_the_time_is_that_of_the_host_until_the_first_measurement(monotonic: list[int]) -> None:
    assert PrimaryClock(lambda: START - timedelta(hours=1))() == START - timedelta(hours=1)


@pytest.mark.parametrize("host_ahead", [timedelta(seconds=90), timedelta(hours=-5)])
def test_the_time_is_that_of_the_primary_whatever_the_host_says(monotonic: list[int], host_ahead: timedelta) -> None:
    clock = PrimaryClock(lambda: START + host_ahead)
    clock.correct(measured(0, 0, 0))
    monotonic[0] += 5_000 * MILLISECOND_NS
    assert clock() == START + timedelta(seconds=5)


@pytest.mark.parametrize(("host_ahead", "believed"), [(6, True), (-6, True), (7, False), (-7, False)])
def test_a_host_is_believed_as_far_as_a_measurement_cannot_tell(monotonic: list[int], host_ahead: int, believed: bool) -> None:
    host = START + host_ahead * MILLISECOND
    clock = PrimaryClock(lambda: host)
    clock.correct(measured(-5, 5, 0))
    assert clock() == (host if believed else START)


def test_a_host_whose_clock_is_set_is_no_longer_believed(monotonic: list[int]) -> None:
    hosts = [START]
    clock = PrimaryClock(lambda: hosts[0])
    clock.correct(measured(0, 0, 0))
    hosts[0] = WRONG
    clock.correct(measured(0, 0, 0))
    assert clock() == START


def test_the_primary_answered_halfway_between_question_and_answer(monotonic: list[int]) -> None:
    clock = PrimaryClock(lambda: WRONG)
    clock.correct(measured(0, 10, 5))
    assert clock() == START


def test_the_quickest_of_the_last_measurements_counts(monotonic: list[int]) -> None:
    clock = PrimaryClock(lambda: WRONG)
    clock.correct(measured(0, 2, 1))
    for number in range(7):  # slow answers that are wrong by 40 milliseconds
        clock.correct(measured(number, number + 80, number))
        assert clock() == START
    clock.correct(measured(0, 80, 0))  # the quick one was too long ago
    assert clock() == START - 40 * MILLISECOND


def test_the_clock_of_another_primary_counts_at_once(monotonic: list[int]) -> None:
    clock = PrimaryClock(lambda: WRONG)
    clock.correct(measured(0, 2, 1))
    clock.correct(measured(0, 80, 140, "b:1"))
    assert clock() == START + 100 * MILLISECOND


@pytest.mark.parametrize(("host_ahead", "words"), [(90, "90.0 s ahead of"), (-90, "90.0 s behind"), (0, "")])
def test_a_host_whose_clock_is_wrong_is_named_once(
    monotonic: list[int], caplog: pytest.LogCaptureFixture, host_ahead: int, words: str
) -> None:
    clock = PrimaryClock(lambda: START + timedelta(seconds=host_ahead))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            clock.correct(measured(0, 0, 0))
    assert [words in record.getMessage() for record in caplog.records] == ([True] if words else [])
