"""Phrases that are not accepted stand nowhere, and the check notices each of them."""

import re

import pytest

from tests.phrases import PHRASES, ROOT, Phrase, check_text, checked_files, is_checked, problems


def test_no_file_has_a_phrase_that_is_not_accepted() -> None:
    found = problems(checked_files())
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "path",
    [
        "app/domain/booking.py",
        "tests/support/builders.py",
        "README.md",
        "docs/glossary.md",
        "proto/seatline/v1/booking.proto",
        "deploy/helm/seatline/values.yaml",
        "deploy/helm/seatline/files/alerts.yaml",
    ],
)
def test_the_check_reads_code_tests_documents_and_contract(path: str) -> None:
    assert is_checked(ROOT / path)


@pytest.mark.parametrize("path", ["app/pb/seatline/v1/booking_pb2.py", "tests/phrases.py", "tests/bench/chart.svg", "LICENSE"])
def test_the_check_skips_generated_files_and_itself(path: str) -> None:
    assert not is_checked(ROOT / path)


@pytest.mark.parametrize(
    "line",
    [
        "# the bookings at hand",
        "run.put_at_hand(bookings)",
        "What rests does not change.",
        "the booking comes to nothing",
        "Callers are told UNAVAILABLE.",
        "self._rival_seen = now",
        "def tidy(run):",
        "class Tidy:",
        "It was booked elsewhere.",
        '    """Has exactly these legs of a seat be sold."""',
        "What is not there does not exist.",
        '    """The other way."""',
        "self._tell(event)",
        "[one.name for one in alerts]",
        "Money was set aside.",
        "Payments are let go of.",
        "let_go",
        "app/store/census.py",
        "Who waits has no seat.",
        "run.leave_line(number)",
        "class HopelessJobError(Exception):",
        "What becomes of it is the caller's matter.",
        "Where nobody looks, nothing is counted.",
    ],
)
def test_a_phrase_that_is_not_accepted_is_noticed(line: str) -> None:
    assert check_text("app/x.py", line)


@pytest.mark.parametrize(
    "line",
    [
        "The arrival of a run.",
        "The rest of the bookings.",
        "for booking in bookings:",
        "A waitlisted booking has no seat.",
        "Void the authorization.",
    ],
)
def test_plain_words_are_accepted(line: str) -> None:
    assert check_text("app/x.py", line) == []


@pytest.mark.parametrize("phrase", PHRASES, ids=[phrase.pattern for phrase in PHRASES])
def test_every_phrase_has_a_reason_and_a_replacement(phrase: Phrase) -> None:
    assert re.compile(phrase.pattern)
    assert phrase.instead
    assert phrase.reason
