"""Sales windows and disruption reasons on the command line: their syntax, in timetable files, and their texts."""

from __future__ import annotations

from typing import get_args

import pytest

from app.cli.disruptions import ReasonChoice, reason_number
from app.cli.failures import UsageError
from app.cli.render.text import disruption_reason_text, refund_reason_text, sales_window_text
from app.cli.render.trains import train_text, updated_text
from app.cli.timetable_file import file_path_of_field, parse_train
from app.pb.seatline.v1 import disruption_pb2, payment_pb2, sales_window_pb2, train_pb2
from tests.support.scripted_service import at
from tests.unit.cli.test_cli_timetable_file import GOOD, problems_of

WITH_WINDOWS = GOOD.replace("fare: USD 20.50", "fare: USD 20.50, sales_window: {opens: 2026-12-01T09:00+01:00}") + (
    "sales_window: {opens: 90d 9:00, closes: 1h 30m}\nschedule_horizon_days: 60\n"
)


def test_a_file_can_say_when_a_train_and_its_sections_are_on_sale() -> None:
    train = parse_train(WITH_WINDOWS, source="f")
    assert (train.sales_window.opens_before.days_before, train.sales_window.opens_before.local_time) == (90, "09:00")
    assert train.sales_window.closes_before.seconds == 5_400
    assert train.sections[0].sales_window.open_time == at("2026-12-01T08:00:00Z")
    assert train.schedule_horizon_days == 60


def test_windows_and_horizon_that_are_left_out_are_not_set() -> None:
    for text in (GOOD, GOOD + "sales_window: ~\nschedule_horizon_days:\n"):
        train = parse_train(text, source="f")
        assert not train.HasField("sales_window")
        assert not train.HasField("schedule_horizon_days")
        assert not train.sections[0].HasField("sales_window")


def test_an_empty_window_is_always_open_and_a_horizon_of_0_is_one() -> None:
    train = parse_train(GOOD + "sales_window: {}\nschedule_horizon_days: 0\n", source="f")
    assert train.HasField("sales_window")
    assert (train.sales_window.WhichOneof("opening"), train.sales_window.closes_before.seconds) == (None, 0)
    assert (train.HasField("schedule_horizon_days"), train.schedule_horizon_days) == (True, 0)


def test_days_before_without_a_time_begin_at_midnight() -> None:
    window = parse_train(GOOD + "sales_window: {opens: 0d}\n", source="f").sales_window
    assert (window.opens_before.days_before, window.opens_before.local_time) == (0, "00:00")


def test_every_problem_of_a_window_has_its_path_in_the_file() -> None:
    bad = GOOD.replace("fare: USD 20.50", "fare: USD 20.50, sales_window: {closes: soon}") + (
        "sales_window: {opens: 2026-12-01T09:00, closed: 30m}\nschedule_horizon_days: many\n"
    )
    assert problems_of(bad) == {
        "sections[0].sales_window.closes": '"soon" is not a duration; write it like 4h, 90m or 1h 30m',
        "sales_window.opens": '"2026-12-01T09:00" is not an opening of sales; '
        "write it like 90d, 90d 09:00 or 2026-12-01T09:00+01:00",
        "sales_window.closed": "unknown key; did you mean closes?",
        "schedule_horizon_days": '"many" is not a whole number',
    }
    assert problems_of(GOOD + "sales_window: always\n") == {"sales_window": "must be a mapping with opens, closes"}


@pytest.mark.parametrize(
    ("contract", "file"),
    [
        ("train.sales_window.opens_before.days_before", "sales_window.opens"),
        ("train.sections[1].sales_window.opens_before.local_time", "sections[1].sales_window.opens"),
        ("train.sales_window.open_time", "sales_window.opens"),
        ("train.sales_window.closes_before", "sales_window.closes"),
        ("train.waitlist_closes_before", "waitlist_closes_before"),
    ],
)
def test_a_path_of_the_contract_becomes_one_of_the_file(contract: str, file: str) -> None:
    assert file_path_of_field(contract) == file


def test_a_window_is_said_with_its_opening_and_closing() -> None:
    window = parse_train(WITH_WINDOWS, source="f").sales_window
    assert sales_window_text(window) == "open 90 days before at 09:00, close 1 h 30 min before departure"
    window.opens_before.days_before = 1
    assert sales_window_text(window).startswith("open 1 day before at 09:00,")
    window.opens_before.days_before = 0
    assert sales_window_text(window).startswith("open on the travel date at 09:00,")
    window.open_time.CopyFrom(at("2026-12-01T08:00:00Z"))
    assert sales_window_text(window).startswith("open Tue 01 Dec 2026 08:00 UTC,")
    assert sales_window_text(sales_window_pb2.SalesWindow()) == "open at once, close at departure"


def test_a_train_shows_its_windows_and_how_far_ahead_it_is_scheduled() -> None:
    lines = train_text(parse_train(WITH_WINDOWS, source="f"), is_dry_run=False).splitlines()
    assert lines[-2:] == [
        "Sales: open 90 days before at 09:00, close 1 h 30 min before departure; "
        "section N: open Tue 01 Dec 2026 08:00 UTC, close at departure.",
        "Runs: scheduled 60 days ahead.",
    ]
    text = updated_text(train_pb2.Train(train_id="es9014"), ["sales_window", "sections.sales_window"], is_dry_run=False)
    assert text.startswith("Train es9014 has changed its sales window, sections sales window.")


def test_the_reasons_of_the_command_line_are_those_of_the_contract() -> None:
    numbers = [reason_number(reason) for reason in get_args(ReasonChoice)]
    assert numbers == sorted(disruption_pb2.DisruptionReason.values())[1:]
    assert reason_number(None) == disruption_pb2.DISRUPTION_REASON_UNSPECIFIED
    assert disruption_reason_text(disruption_pb2.DISRUPTION_REASON_PEOPLE_ON_TRACK) == "people on track"
    assert disruption_reason_text(99) == "reason 99"


def test_every_reason_of_a_refund_has_a_text() -> None:
    texts = [refund_reason_text(reason) for reason in payment_pb2.RefundReason.values()]
    assert texts[0] == ""
    assert not [text for text in texts if text.startswith("reason ")]
    assert refund_reason_text(99) == "reason 99"


def test_a_timetable_with_many_problems_is_no_train() -> None:
    with pytest.raises(UsageError, match=r"f: 1 invalid field"):
        parse_train(GOOD + "sales_window: [30m]\n", source="f")
