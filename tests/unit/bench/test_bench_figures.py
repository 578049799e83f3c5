"""Figures of the benchmark: percentiles, ratios, volleys, floors, and the audit of the database."""

import json
from typing import Any

import pytest

from tests.bench.audit import count_sold, disagreements
from tests.bench.figures import median_ratio, percentile, volley_of
from tests.bench.floors import FLOORS, judge
from tests.bench.load.calls import Orders, Record
from tests.bench.load.fleet import Part
from tests.bench.parts.memory import orders_for
from tests.bench.results import Results
from tests.bench.run import main, parts_of
from tests.bench.table import figure

SECOND_NS = 1_000_000_000


def part(ends_ns: list[int], statuses: list[int] | None = None) -> Part:
    record = Record(start_ns=0, cpu_seconds=0.001)
    for index, end_ns in enumerate(ends_ns):
        record.finish(index, 0, end_ns, statuses[index] if statuses else 0, "no")
    return Part(Orders("127.0.0.1", 1, [], 1), record)


def run_document(*bookings: dict[str, Any], sold_legs: tuple[int, ...] = (3, 0)) -> dict[str, Any]:
    stops = [{"name": name} for name in ("London", "Lille", "Paris")]
    sections = [{"name": "A", "sold_legs": list(sold_legs)}]
    return {"_id": "t:2031-05-01", "stops": stops, "sections": sections, "bookings": list(bookings)}


def booking(reference: str, number: int, origin: str = "London", destination: str = "Paris", **more: Any) -> dict[str, Any]:
    passenger = {"section": "A", "number": number, "email": f"{reference}@example.com"}
    journey = {"origin": origin, "destination": destination}
    return {"reference": reference, "state": "CONFIRMED", "passengers": [passenger], **journey, **more}


def test_a_percentile_is_the_smallest_value_that_enough_others_do_not_exceed() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]
    assert percentile([7.0], 0.5) == 7
    assert percentile([], 0.5) == 0


def test_the_median_of_ratios_ignores_a_round_in_which_the_machine_was_busy() -> None:
    assert median_ratio([100, 10, 300], [200, 200, 600]) == 0.5


def test_rounds_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        median_ratio([1, 2], [1])


def test_a_volley_counts_only_calls_answered_with_ok() -> None:
    volley = volley_of([part([SECOND_NS // 2, SECOND_NS], [0, 9]), part([SECOND_NS, 2 * SECOND_NS])])
    assert (volley.sent_count, volley.ok_count, volley.rate) == (4, 3, 1.5)
    assert volley.problems == ("1 x grpc-status 9: no",)
    assert volley.slowest_ms == 2_000
    assert volley.generator_us_per_call == pytest.approx(500)


def test_two_processes_are_compared_while_both_are_busy() -> None:
    fast, slow = part([SECOND_NS // 4 * tick for tick in range(1, 5)]), part([SECOND_NS, 3 * SECOND_NS])
    volley = volley_of([fast, slow])
    assert volley.rate_while_all == 5
    assert volley.share_min == pytest.approx(2 / 5)


def test_answers_after_time_was_up_do_not_raise_the_rate() -> None:
    assert volley_of([part([SECOND_NS, 2 * SECOND_NS, 9 * SECOND_NS])], seconds_max=2.0).rate == 1


def test_a_floor_holds_on_its_own_side_and_an_unmeasured_one_does_not_fail() -> None:
    results = Results()
    results.add_ratio("hot_run_to_echo_256", 0.69)
    results.add_ratio("seats_2000_to_100", 1.3)
    verdicts = {verdict.floor.name: verdict for verdict in judge(results)}
    assert len(verdicts) == len(FLOORS)
    assert not verdicts["hot_run_to_echo_256"].is_met
    assert verdicts["seats_2000_to_100"].is_met
    assert verdicts["rss_mb_after_100k"].is_met
    assert verdicts["rss_mb_after_100k"].to_dict()["met"] is None


def test_the_file_has_every_figure_with_its_unit_and_the_ratios_by_name() -> None:
    results = Results(rss_mb_after_100k=120.5)
    results.add_volleys("echo_64", [volley_of([part([SECOND_NS])])])
    results.add_ratio("hot_run_to_echo_64", 0.8)
    content = json.loads(results.to_json([], {}))
    assert {"name": "echo_64_rate", "value": 1.0, "unit": "calls/s"} in content["measurements"]
    assert content["ratios"] == {"hot_run_to_echo_64": 0.8}
    assert content["rss_mb_after_100k"] == 120.5


def test_a_run_that_matches_the_answers_has_no_problem() -> None:
    upstream, downstream = booking("AAA", 1, destination="Lille"), booking("BBB", 1, origin="Lille")
    sold = count_sold([run_document(upstream, downstream, booking("CCC", 2, state="CANCELLED"))])
    assert sold.passengers == 2
    assert disagreements(sold, {"AAA", "BBB"}) == []


def test_a_seat_sold_twice_on_a_leg_is_found() -> None:
    sold = count_sold([run_document(booking("AAA", 1), booking("BBB", 1, destination="Lille"))])
    assert any("A-1 sold twice" in problem for problem in sold.problems)


def test_a_seat_that_does_not_match_its_bookings_is_found() -> None:
    assert any("A-2 does not match" in problem for problem in count_sold([run_document(booking("AAA", 2))]).problems)
    assert any("A-3 does not exist" in problem for problem in count_sold([run_document(booking("AAA", 3))]).problems)


def test_a_lost_and_an_unknown_booking_are_found() -> None:
    found = disagreements(count_sold([run_document(booking("AAA", 1))]), {"BBB"})
    assert "1 acknowledged bookings are not in the database, such as BBB" in found
    assert "1 bookings in the database were never acknowledged, such as AAA" in found


def test_figures_have_three_digits() -> None:
    assert [figure(value) for value in (None, 0.1234, 12.34, 123.4, 12_345.6)] == ["-", "0.123", "12.3", "123", "12,346"]


def test_an_unknown_part_is_refused() -> None:
    assert parts_of("a, b") == {"a", "b"}
    with pytest.raises(SystemExit):
        main(["--only", "z"])


def test_calls_that_were_not_sent_are_a_problem_unless_the_volley_had_a_time_limit() -> None:
    late = part([SECOND_NS])
    late.record.unsent = 3
    assert volley_of([late]).problems == ("3 calls were not sent in time",)
    assert volley_of([late], seconds_max=2.0).problems == ()


def test_runs_are_sold_group_by_group_with_one_booking_for_each_seat() -> None:
    runs = [("t", str(number)) for number in range(5)]
    orders = orders_for(runs, seats=10, at_once=2)
    assert sorted(orders) == sorted(runs * 10)
    assert set(orders[:20]) == set(runs[:2])
    assert orders[:20] != sorted(orders[:20])
