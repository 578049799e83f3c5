"""The page of a train run, and rows of the list: delays, arrivals, cancellations, sales."""

from __future__ import annotations

import datetime
import io

import pytest
from rich.console import Console, RenderableType

from app.cli.render.run_pages import cancelled_text, concerned_text, run_page
from app.cli.render.train_runs import runs_table
from app.pb.seatline.v1 import train_run_pb2
from tests.support.shown_runs import a_cancelled_run, a_delayed_run, a_run, a_run_before_its_sale, later

NOW = datetime.datetime(2030, 3, 1, tzinfo=datetime.UTC)
RULE = "─"


def lines_of(page: RenderableType, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, record=True)
    console.print(page)
    return [RULE if line.startswith(RULE) else line.rstrip() for line in console.export_text().splitlines()]


def shown(run: train_run_pb2.TrainRun, now: datetime.datetime = NOW) -> list[str]:
    return lines_of(run_page(run, now))


def row_of(run: train_run_pb2.TrainRun, now: datetime.datetime = NOW) -> str:
    table = runs_table([run], Console(), origin="", destination="", now=now)
    return "\n".join(lines_of(table, 140))


def test_a_run_as_scheduled_shows_each_time_once() -> None:
    assert shown(a_run()) == [
        "ES 9014 (es9014), Mon 01 Jul 2030",
        "",
        "State     scheduled",
        "Waitlist  until Mon 01 Jul 2030 06:24 BST",
        "",
        "Stop                Arrives     Departs",
        RULE,
        "London St Pancras               10:24 BST",
        "Ashford             10:55 BST   10:58 BST",
        "Lille               12:48 CEST  12:52 CEST",
        "Paris Gare du Nord  13:56 CEST",
        "",
        "Section  Free seats  Fare       Sales",
        RULE,
        "A        120/224     USD 20.00  open until Mon 01 Jul 2030 09:54 BST",
        "B        224/224     USD 20.00  open until Mon 01 Jul 2030 09:54 BST",
    ]


def test_expected_times_stand_below_the_scheduled_ones_from_the_late_stop_on() -> None:
    lines = shown(a_delayed_run(70, from_stop=2))
    assert lines[2:5] == [
        "State     delayed",
        "Delay     70 min at Paris Gare du Nord, infrastructure",
        "Reported  Mon 01 Jul 2030 08:12 BST",
    ]
    assert lines[lines.index("Ashford             10:55 BST            10:58 BST") :][:5] == [
        "Ashford             10:55 BST            10:58 BST",
        "Lille               12:48 CEST           12:52 CEST",
        "                    expected 13:58 CEST  expected 14:02 CEST",
        "Paris Gare du Nord  13:56 CEST",
        "                    expected 15:06 CEST",
    ]


def test_a_reported_arrival_is_shown_also_when_it_was_on_time() -> None:
    run = a_run()
    run.stops[1].has_arrived = True
    run.stops[2].has_arrived = True
    run.stops[2].expected_arrive_time.CopyFrom(later(run.stops[2].arrive_time, 7))
    text = "\n".join(shown(run))
    assert "arrived 10:55 BST" in text
    assert "arrived 12:55 CEST" in text
    assert "expected" not in text


def test_a_delay_that_has_ended_is_none() -> None:
    run = a_run()
    run.delay.report_time.CopyFrom(run.stops[0].depart_time)
    lines = shown(run)
    assert lines[3:5] == ["Delay     none", "Reported  Mon 01 Jul 2030 10:24 BST"]


def test_a_cancelled_run_says_what_everybody_gets_back_and_whether_it_is_complete() -> None:
    lines = shown(a_cancelled_run(1_234))
    assert lines[2:8] == [
        "State      cancelled",
        "Cancelled  extreme weather",
        "Evidence   https://weather.example.com/report/17",
        "Since      Sun 30 Jun 2030 19:00 BST",
        "Bookings   1,234 bookings cancelled: 2,468 passengers, USD 49360.00 back",
        "Complete   not yet",
    ]
    assert lines[-2:] == ["A        120/224     USD 20.00  closed", "B        224/224     USD 20.00  closed"]
    assert "\n".join(lines).count("\n                    cancelled") == 3  # the three stops with an arrival
    assert "Complete   Sun 30 Jun 2030 19:01 BST" in shown(a_cancelled_run(1, is_complete=True))


def test_a_run_that_ends_early_arrives_at_its_last_stop_and_is_cancelled_beyond() -> None:
    lines = shown(a_cancelled_run(from_lille=True))
    assert "Cancelled  from Lille on, extreme weather" in lines
    lille = lines.index("Lille               12:48 CEST  12:52 CEST")
    assert lines[lille:][:4] == [
        "Lille               12:48 CEST  12:52 CEST",
        "                                cancelled",
        "Paris Gare du Nord  13:56 CEST",
        "                    cancelled",
    ]


def test_sales_that_open_later_are_told_apart_from_those_that_are_closed() -> None:
    lines = shown(a_run_before_its_sale())
    assert lines[3:5] == [
        "Sales window  open 90 days before at 09:00, close 30 min before departure",
        "              section B: open Wed 01 Jan 2020 00:00 UTC, close at departure",
    ]
    assert lines[-3:] == [
        "A        120/224     USD 20.00  opens Tue 02 Apr 2030 09:00 BST",
        "                                closes Mon 01 Jul 2030 09:54 BST",
        "B        224/224     USD 20.00  closed",
    ]
    after = shown(a_run_before_its_sale(), NOW + datetime.timedelta(days=300))
    assert after[-2] == "A        120/224     USD 20.00  closed"


def test_an_older_service_sends_neither_expected_times_nor_sales() -> None:
    run = a_run()
    for stop in run.stops:
        stop.ClearField("expected_arrive_time")
        stop.ClearField("expected_depart_time")
    for section in run.sections:
        section.ClearField("sales_close_time")
        section.on_sale = False
    text = "\n".join(shown(run))
    assert "expected" not in text
    assert "closed" not in text
    run.ClearField("sales_close_time")
    assert row_of(run).count("(") == 1  # that of the train number: no expected time


def test_the_list_shows_expected_times_states_and_when_sales_open() -> None:
    late = row_of(a_delayed_run())
    assert "10:24 BST (11:34) London St Pancras" in late
    assert "13:56 CEST (15:06) Paris Gare du Nord" in late
    assert "delayed" in late
    assert "sales" not in late
    early = row_of(a_run_before_its_sale())
    assert "sales open" in early
    assert "02 Apr 2030 09:00" in early
    assert "sales closed" in row_of(a_run_before_its_sale(), NOW + datetime.timedelta(days=300))
    cancelled = row_of(a_cancelled_run())
    assert "cancelled" in cancelled
    assert "sales" not in cancelled
    late_and_cancelled = a_cancelled_run()
    late_and_cancelled.stops[0].expected_depart_time.seconds += 600
    assert "10:24 BST London St Pancras" in row_of(late_and_cancelled)
    assert "ends at Lille" in row_of(a_cancelled_run(from_lille=True))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("run", [a_delayed_run(), a_cancelled_run(1_234), a_run_before_its_sale()])
def test_no_line_is_wider_than_the_terminal(run: train_run_pb2.TrainRun, width: int) -> None:
    assert max(map(len, lines_of(run_page(run, NOW), width))) <= width


def test_a_text_of_the_service_cannot_control_the_terminal() -> None:
    run = a_cancelled_run()
    run.cancellation.evidence = "\x1b[2J"
    run.stops[0].name = "A\nB\x1b[31m"
    run.number = "\x9b1m"
    run.sections[0].section = "\x1b]0;title\x07"
    assert not {"\x1b", "\x9b", "\x07"} & set("\n".join(shown(run)))


def test_a_run_without_stops_and_sections_is_shown() -> None:
    assert shown(train_run_pb2.TrainRun(train_id="es9014", number="ES 9014", travel_date="2030-07-01"))[2:] == [
        "State  unspecified"
    ]


def test_who_is_asked_to_cancel_learns_how_many_seats_it_concerns() -> None:
    run = a_run()
    assert concerned_text(run) == "\nThis concerns 104 seats sold or held."
    run.sections[0].waiting_count = 3
    assert concerned_text(run) == "\nThis concerns 104 seats sold or held, and waitlisted bookings."
    assert cancelled_text(train_run_pb2.RunCancellation()) == ""
