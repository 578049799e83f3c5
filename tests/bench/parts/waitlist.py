"""What do holds and the waitlist cost?

Belongs here: holding seats and booking them, joining the waitlist and promotion, each against the bare echo of the same round.
Does not belong here: plain sales (`sale.py`).
"""

from __future__ import annotations

from collections import defaultdict

from app.pb.seatline.v1 import hold_pb2
from tests.bench import requests
from tests.bench.figures import Volley, median_ratio
from tests.bench.stage import Stage

CALLERS = 256
SOLD_OUT_SEATS = 500
"""As many bookings are then cancelled in one burst. Each promotes one on the waitlist."""


def measure_waitlist(stage: Stage) -> None:
    """Measure rounds of echo, hold and book, joining the waitlist, and cancellations that promote it."""
    rates: dict[str, list[float]] = defaultdict(list)
    volleys: dict[str, list[Volley]] = defaultdict(list)
    for _ in range(stage.scale.rounds):
        echo = stage.echo(stage.scale.waitlist_calls, CALLERS)
        rates["echo"].append(echo.rate)
        held, booked = _hold_and_book(stage, stage.scale.waitlist_calls)
        volleys["hold_seats"].append(held)
        volleys["book_held_seats"].append(booked)
        # A buyer needs both calls: this is the number of buyers a second.
        rates["hold_and_book"].append(1 / (1 / held.rate + 1 / booked.rate))
        joined, promoted = _join_and_promote(stage)
        volleys["join_waitlist"].append(joined)
        volleys["promote"].append(promoted)
        rates["join_waitlist"].append(joined.rate)
        rates["promote"].append(promoted.rate)
    for name, rounds in volleys.items():
        stage.results.add_volleys(name, rounds)
    for name in ("hold_and_book", "join_waitlist", "promote"):
        stage.results.add_ratio(f"{name}_to_echo", median_ratio(rates[name], rates["echo"]))


def _hold_and_book(stage: Stage, buyers: int) -> tuple[Volley, Volley]:
    run = stage.fresh_runs(stage.scale.sale_seats)[0]
    people = requests.new_people(buyers)
    answers: list[bytes] = []
    held = stage.fire([stage.host.service], requests.hold_calls(run, people), CALLERS, keep=answers)
    holds = [hold_pb2.Hold.FromString(answer).hold_id for answer in answers]
    calls = requests.held_booking_calls(run, people, holds)
    booked = stage.fire([stage.host.service], calls, CALLERS)
    if booked.ok_count != buyers:
        stage.results.problems.append(f"hold and book: {booked.ok_count} of {buyers} held seats were booked")
    return held, booked


def _join_and_promote(stage: Stage) -> tuple[Volley, Volley]:
    """Sell a train out, put as many bookings on the waitlist, and cancel all confirmed bookings at once."""
    run = stage.fresh_runs(SOLD_OUT_SEATS)[0]
    stage.sell([run] * SOLD_OUT_SEATS, CALLERS)
    sold = stage.acknowledged(run)
    joined = stage.sell([run] * SOLD_OUT_SEATS, CALLERS)
    promoted = stage.fire([stage.host.service], requests.cancel_calls(sold), CALLERS)
    states = stage.states_of(run)
    if states != {"CANCELLED": SOLD_OUT_SEATS, "CONFIRMED": SOLD_OUT_SEATS}:
        stage.results.problems.append(f"promotion: the bookings are {states}")
    return joined, promoted
