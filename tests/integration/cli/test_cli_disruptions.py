"""Commands on delays, arrivals, cancellations and sales windows, against the scripted service.

Belongs here: what each command sends and prints. Does not belong here: the page of a run (`tests/unit/cli`), the question of
`run cancel` (`test_cli_disruptions_terminal.py`).
"""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from app.cli import progress
from app.pb.seatline.v1 import booking_pb2, disruption_pb2, payment_pb2, train_run_pb2
from tests.support.scripted_service import FARE, Refusal, ScriptedService, ann, at, booking_of, receipt_of
from tests.support.shown_runs import a_cancelled_run, a_delayed_run, a_run, a_run_before_its_sale, later

RUN = ("es9014", "2030-07-01")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.0)


# -- run status


def test_status_shows_the_run_as_a_page_or_as_json(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetTrainRun"] = a_delayed_run()
    shown = seatline("run", "status", *RUN, "--from", "STP", "--to", "LIL").stdout
    assert "70 min at Paris Gare du Nord, infrastructure" in shown
    assert "expected 15:06 CEST" in shown
    asked = service.requests("GetTrainRun")[0]
    assert (asked.train_id, asked.travel_date, asked.origin, asked.destination) == (*RUN, "STP", "LIL")
    answer = json.loads(seatline("run", "status", *RUN, "--json").stdout)
    assert (answer["state"], answer["delay"]["minutes"]) == ("RUN_STATE_DELAYED", 70)


def test_status_watches_a_cancellation_until_it_is_complete(service: ScriptedService, seatline: Any) -> None:
    runs = iter([a_cancelled_run(), a_cancelled_run(200), a_cancelled_run(400, is_complete=True)])
    service.answers["GetTrainRun"] = lambda _: next(runs, a_cancelled_run(400, is_complete=True))
    shown = seatline("run", "status", *RUN, "--watch")
    assert (shown.exit_code, len(service.requests("GetTrainRun"))) == (0, 4)
    assert "400 bookings cancelled: 800 passengers, USD 16000.00 back" in shown.stdout


def test_watching_a_run_that_is_not_cancelled_ends_at_once(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetTrainRun"] = a_run()
    assert seatline("run", "status", *RUN, "--watch").exit_code == 0
    assert len(service.requests("GetTrainRun")) == 2


def test_a_cancellation_without_progress_is_given_up(
    service: ScriptedService, seatline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STALLED_SECONDS_MAX", 0.0)
    service.answers["GetTrainRun"] = a_cancelled_run(200)
    result = seatline("run", "status", *RUN, "--watch")
    assert result.exit_code == 3
    assert "The cancellation of es9014 on 2030-07-01 made no progress for 0 s. Is a worker running?" in result.stderr
    assert "see 'seatline run status es9014 2030-07-01 --watch'" in result.stderr


def test_a_run_that_ends_early_is_shown_for_the_journey_to_its_end(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetTrainRun"] = a_cancelled_run(from_lille=True)
    assert seatline("run", "status", *RUN).exit_code == 0
    assert seatline("run", "status", *RUN, "--from", "AFK", "--to", "PNO").exit_code == 0
    asked = [(request.origin, request.destination) for request in service.requests("GetTrainRun")]
    assert asked == [("", ""), ("", "Lille"), ("AFK", "PNO")]


# -- run delay


def test_delay_sends_what_was_typed(service: ScriptedService, seatline: Any) -> None:
    service.answers["SetDelay"] = a_delayed_run(25, 2)
    options = ("--from-stop", "LIL", "--reason", "People-On-Track", "--evidence", "report 7", "--reported", "2030-07-01T07:12Z")
    result = seatline("run", "delay", *RUN, "25", *options)
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("SetDelay")
    assert asked == train_run_pb2.SetDelayRequest(
        train_id="es9014",
        travel_date="2030-07-01",
        minutes=25,
        from_stop="LIL",
        reason=disruption_pb2.DISRUPTION_REASON_PEOPLE_ON_TRACK,
        evidence="report 7",
        report_time=at("2030-07-01T07:12:00Z"),
    )
    assert "25 min at Paris Gare du Nord" in result.stdout


def test_a_delay_of_0_is_sent_and_needs_no_reason(service: ScriptedService, seatline: Any) -> None:
    service.answers["SetDelay"] = a_run()
    assert seatline("run", "delay", *RUN, "0").exit_code == 0
    (asked,) = service.requests("SetDelay")
    assert (asked.HasField("minutes"), asked.minutes, asked.reason, asked.HasField("report_time")) == (True, 0, 0, False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("1441",), "'MINUTES': Input should be less than or equal to 1440"),
        (("--", "-5"), "'MINUTES': Input should be greater than or equal to 0"),
        (("soon",), "'MINUTES': Input should be a valid integer"),
        (("70", "--reason", "leaves"), "'leaves' is not one of 'extreme-weather', 'natural-disaster'"),
        (("70", "--reported", "10:24"), "--reported: '10:24' is not an instant; write it like 2026-12-01T09:00+01:00"),
        (("70", "--reported", "2030-07-01T10:24"), "--reported: '2030-07-01T10:24' is not an instant"),
    ],
)
def test_a_delay_that_cannot_be_meant_is_not_sent(
    service: ScriptedService, seatline: Any, arguments: tuple[str, ...], text: str
) -> None:
    result = seatline("run", "delay", *RUN, *arguments)
    assert (result.exit_code, text in result.stderr) == (2, True), result.stderr
    assert service.requests("SetDelay") == []


def test_a_late_message_is_refused_with_its_reason(service: ScriptedService, seatline: Any) -> None:
    text = "report_time: a newer report is known, of 2030-07-01T07:12:00Z"
    service.answers["SetDelay"] = Refusal(grpc.StatusCode.ABORTED, "REPORT_STALE", message=text)
    result = seatline("run", "delay", *RUN, "70", "--reason", "staff")
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {text} (REPORT_STALE). See 'seatline run status' for what is known.\n",
    )


# -- run arrive


@pytest.mark.parametrize(
    ("stop", "typed", "sent"),
    [
        ("LIL", "14:01", "2030-07-01T12:01:00Z"),  # local time of Lille
        ("afk", "10:57", "2030-07-01T09:57:00Z"),  # local time of Ashford
        ("Paris Gare du Nord", "00:10", "2030-07-01T22:10:00Z"),  # after midnight
        ("LIL", "2030-07-01T13:05:30+01:00", "2030-07-01T12:05:30Z"),
    ],
)
def test_an_arrival_is_typed_in_local_time_of_its_stop(
    service: ScriptedService, seatline: Any, stop: str, typed: str, sent: str
) -> None:
    service.answers["GetTrainRun"] = a_delayed_run()
    service.answers["RecordArrival"] = a_delayed_run()
    result = seatline("run", "arrive", *RUN, stop, typed)
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("RecordArrival")
    assert (asked.stop, asked.arrive_time) == (stop, at(sent))


def test_the_time_of_a_very_late_arrival_is_that_near_the_expected_one(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetTrainRun"] = a_delayed_run(1_000)  # Lille: 05:28 on the next day instead of 12:48
    service.answers["RecordArrival"] = a_run()
    assert seatline("run", "arrive", *RUN, "LIL", "05:40").exit_code == 0
    assert service.requests("RecordArrival")[0].arrive_time == at("2030-07-02T03:40:00Z")


def test_an_arrival_without_a_time_is_now(service: ScriptedService, seatline: Any) -> None:
    service.answers["RecordArrival"] = a_run()
    assert seatline("run", "arrive", *RUN, "LIL").exit_code == 0
    (asked,) = service.requests("RecordArrival")
    now = at("2020-01-01T00:00:00Z")
    now.GetCurrentTime()
    assert 0 <= now.seconds - asked.arrive_time.seconds < 60
    assert (asked.arrive_time.nanos, service.requests("GetTrainRun")) == (0, [])


def test_a_time_that_is_none_is_not_sent(service: ScriptedService, seatline: Any) -> None:
    result = seatline("run", "arrive", *RUN, "PNO", "noon")
    assert (result.exit_code, "TIME: 'noon' is not a time; write a local time like 14:21" in result.stderr) == (2, True)
    assert service.requests("RecordArrival") == []


# -- run cancel


def test_cancel_with_yes_asks_nobody_and_waits_until_all_are_cancelled(service: ScriptedService, seatline: Any) -> None:
    runs = iter([a_cancelled_run(), a_cancelled_run(200)])
    service.answers["CancelTrainRun"] = a_cancelled_run()
    service.answers["GetTrainRun"] = lambda _: next(runs, a_cancelled_run(300, is_complete=True))
    options = ("--reason", "extreme-weather", "--evidence", "report 17", "--from-stop", "Lille", "--yes")
    result = seatline("run", "cancel", *RUN, *options)
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("CancelTrainRun")
    assert asked == train_run_pb2.CancelTrainRunRequest(
        train_id="es9014",
        travel_date="2030-07-01",
        reason=disruption_pb2.DISRUPTION_REASON_EXTREME_WEATHER,
        evidence="report 17",
        from_stop="Lille",
    )
    assert "300 bookings cancelled: 600 passengers" in result.stdout


def test_cancel_as_json_does_not_wait(service: ScriptedService, seatline: Any) -> None:
    service.answers["CancelTrainRun"] = a_cancelled_run()
    result = seatline("run", "cancel", *RUN, "--reason", "staff", "--yes", "--json")
    assert json.loads(result.stdout)["state"] == "RUN_STATE_CANCELLED"
    assert service.requests("GetTrainRun") == []


def test_a_dry_run_changes_nothing(service: ScriptedService, seatline: Any) -> None:
    service.answers["CancelTrainRun"] = a_cancelled_run(from_lille=True)
    result = seatline("run", "cancel", *RUN, "--reason", "staff", "--from-stop", "LIL", "--dry-run")
    assert result.stdout.startswith("Dry run, nothing was changed: ES 9014")
    (asked,) = service.requests("CancelTrainRun")
    assert (asked.validate_only, asked.from_stop) == (True, "LIL")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_cancel_is_refused_where_nobody_can_be_asked(service: ScriptedService, seatline: Any, options: tuple[str, ...]) -> None:
    result = seatline("run", "cancel", *RUN, "--reason", "staff", *options)
    assert (result.exit_code, "nobody can be asked here: add --yes, or --dry-run" in result.stderr) == (2, True)
    assert service.asked == []


def test_a_refused_cancellation_is_not_followed(service: ScriptedService, seatline: Any) -> None:
    text = "the train has left its first stop; name from_stop"
    service.answers["CancelTrainRun"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "RUN_DEPARTED", message=text)
    result = seatline("run", "cancel", *RUN, "--reason", "staff", "--yes")
    assert (result.exit_code, result.stderr) == (1, f"Error: {text} (RUN_DEPARTED)\n")
    assert service.requests("GetTrainRun") == []


# -- run sales


def test_sales_sends_the_window_as_typed(service: ScriptedService, seatline: Any) -> None:
    service.answers["SetSalesWindow"] = a_run_before_its_sale()
    typed = [
        ("--opens", "90d 9:00", "--closes", "30m"),
        ("--section", "b", "--opens", "2030-04-02T09:00+01:00"),
        ("--closes", "1h 30m"),
        ("--always",),
        ("--reset", "--section", "B"),
    ]
    for options in typed:
        result = seatline("run", "sales", *RUN, *options)
        assert result.exit_code == 0, result.stderr
    days, instant, closing, always, reset = service.requests("SetSalesWindow")
    assert (days.sales_window.opens_before.days_before, days.sales_window.opens_before.local_time) == (90, "09:00")
    assert (days.sales_window.closes_before.seconds, days.section) == (1_800, "")
    assert (instant.sales_window.open_time, instant.section) == (at("2030-04-02T08:00:00Z"), "B")
    assert (closing.sales_window.WhichOneof("opening"), closing.sales_window.closes_before.seconds) == (None, 5_400)
    assert always.HasField("sales_window")
    assert always.sales_window.ListFields() == []
    assert (reset.HasField("sales_window"), reset.section) == (False, "B")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "give the new sales window with --opens, --closes or both; or --always; or --reset"),
        (("--opens", "90d", "--reset"), "give the new sales window"),
        (("--always", "--reset"), "give the new sales window"),
        (("--opens", "tomorrow"), '--opens: "tomorrow" is not an opening of sales; write it like 90d, 90d 09:00'),
        (("--opens", "90d 25:00"), '--opens: "90d 25:00" is not an opening of sales'),
        (("--closes", "soon"), '--closes: "soon" is not a duration; write it like 4h, 90m or 1h 30m'),
    ],
)
def test_a_window_that_cannot_be_meant_is_not_sent(
    service: ScriptedService, seatline: Any, options: tuple[str, ...], text: str
) -> None:
    result = seatline("run", "sales", *RUN, *options)
    assert (result.exit_code, text in result.stderr) == (2, True), result.stderr
    assert service.asked == []


def test_a_sale_that_is_not_open_is_refused_with_the_opening_time(service: ScriptedService, seatline: Any) -> None:
    text = "sales open at 2030-04-02T08:00:00Z"
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "SALES_NOT_OPEN", message=text)
    result = seatline("book", *RUN, "--from", "STP", "--to", "PNO", "--passenger", "Ann Lee <ann@example.com>")
    assert (result.exit_code, result.stderr) == (1, f"Error: {text} (SALES_NOT_OPEN)\n")


# -- bookings and receipts of such runs


def test_a_receipt_shows_the_scheduled_and_the_expected_times(service: ScriptedService, seatline: Any) -> None:
    receipt = receipt_of(ann())
    receipt.run_state = train_run_pb2.RUN_STATE_DELAYED
    receipt.expected_depart_time.CopyFrom(later(receipt.depart_time, 70))
    receipt.expected_arrive_time.CopyFrom(later(receipt.arrive_time, 70))
    service.answers["GetReceipt"] = receipt
    service.answers["ListReceipts"] = booking_pb2.ListReceiptsResponse(receipts=[receipt])
    shown = seatline("receipt", "7K2M9Q").stdout
    for text in (
        "delayed",
        "Mon 01 Jul 2030 10:24 BST",
        "expected Mon 01 Jul 2030 11:34 BST",
        "expected Mon 01 Jul 2030 15:06",
    ):
        assert text in shown
    assert "expected Mon 01 Jul 2030 11:34 BST" in seatline("receipts", "ann@example.com").stdout
    receipt.run_state = train_run_pb2.RUN_STATE_COMPLETED
    shown = seatline("receipt", "7K2M9Q").stdout
    assert ("actual Mon 01 Jul 2030 15:06 CEST" in shown, "expected" in shown) == (True, False)


def test_a_receipt_as_scheduled_has_no_further_times(service: ScriptedService, seatline: Any) -> None:
    receipt = receipt_of(ann())
    receipt.run_state = train_run_pb2.RUN_STATE_SCHEDULED
    receipt.expected_depart_time.CopyFrom(receipt.depart_time)
    receipt.expected_arrive_time.CopyFrom(receipt.arrive_time)
    service.answers["GetReceipt"] = receipt
    shown = seatline("receipt", "7K2M9Q").stdout
    assert "expected" not in shown
    assert "scheduled" not in shown


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (train_run_pb2.RUN_STATE_CANCELLED, "the train is cancelled"),
        (train_run_pb2.RUN_STATE_SCHEDULED, "the train does not run all of this journey"),
    ],
)
def test_a_cancelled_journey_is_said_with_the_refund(service: ScriptedService, seatline: Any, state: Any, text: str) -> None:
    receipt = receipt_of(ann())
    receipt.run_state, receipt.journey_cancelled = state, True
    receipt.expected_depart_time.CopyFrom(later(receipt.depart_time, 70))  # a time that nobody needs any more
    refund = receipt.refunds.add(state=payment_pb2.REFUND_STATE_DONE, amount=FARE)
    refund.reason = payment_pb2.REFUND_REASON_RUN_CANCELLED
    service.answers["GetReceipt"] = receipt
    service.answers["ListReceipts"] = booking_pb2.ListReceiptsResponse(receipts=[receipt])
    shown = seatline("receipt", "7K2M9Q").stdout
    assert text in shown
    assert "USD 20.00, done; in full, because the train is cancelled" in " ".join(shown.replace("│", " ").split())
    assert "expected" not in shown
    assert text in seatline("receipts", "ann@example.com").stdout


def test_a_quote_says_why_everything_is_refunded(service: ScriptedService, seatline: Any) -> None:
    answer = booking_pb2.CancelBookingResponse(
        booking=booking_of(ann()), refund=FARE, validate_only=True, refund_reason=payment_pb2.REFUND_REASON_DELAY
    )
    service.answers["CancelBooking"] = answer
    assert "in full, because the train is an hour late or more" in seatline("cancel", "7K2M9Q", "--quote").stdout
    answer.validate_only = False
    shown = seatline("cancel", "7K2M9Q").stdout
    assert "The refund is USD 20.00, in full, because the train is an hour late or more." in shown
