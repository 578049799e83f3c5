"""Invariants of delays, cancellations and the clock, as functions over stored documents.

Belongs here: what a report, a cancellation or the clock may change, and what a cancelled run leaves. Does not belong here: the
expected times (`run_times.py`), who may buy when (`sales_invariants.py`), nor when these are checked (`record.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.simulation.invariants import Bookings, Document, is_live, price_minor, refunds_minor
from tests.simulation.run_times import (
    LATE_MINUTES_REFUNDED,
    clock_due,
    clock_state_at,
    compacted_at,
    delay_of,
    departs_at,
    ends_at,
    expected_times,
    is_cancellation_open,
    is_cancelled,
    last_stop,
    late_minutes,
    missing_legs,
)

Change = tuple[Document, Document]

# Bookings that one commit of a cancellation looks at, in a simulation.
CANCELLED_PER_COMMIT = 2
_RUN_CANCELLED = "run_cancelled"


def is_disrupted(before: Document, run: Document) -> bool:
    """Whether a commit changed what is expected or cancelled, so that its parts were decided by different times.

    A claim of the next turn changes only itself: nothing was decided, also where the commit before changed the times.
    """
    is_claim = run.get("claimed_turn", {}).get("version") == run["version"]
    return is_claim or delay_of(before) != delay_of(run) or missing_legs(before) != missing_legs(run)


# -- delays and arrivals


def reports_go_forward(before: Document, run: Document, emitted: Iterable[Document]) -> Iterator[str]:
    """Scheduled times stay. Of two reports of one thing, the later counts; and there is an event of what changes."""
    if before["stops"] != run["stops"]:
        yield "the scheduled times have changed"
    old, new = delay_of(before), delay_of(run)
    kinds = {event["type"] for event in emitted}
    is_repeated = run.get("eventless_version") == run["version"]
    if old["minutes"] != new["minutes"] and "run.delayed" not in kinds:
        yield f"the delays go from {old['minutes']} to {new['minutes']} without an event"
    if old["report_time"] is not None and (new["report_time"] is None or new["report_time"] < old["report_time"]):
        yield f"a delay of {new['report_time']} replaces one of {old['report_time']}"
    if old["report_time"] != new["report_time"] and "run.delayed" not in kinds and not is_repeated:
        yield "a delay was reported again, and the commit has no sign of it"
    known = {stop: (time, reported) for stop, time, reported in new["arrivals"]}
    for stop, time, reported in old["arrivals"]:
        if stop not in known or known[stop][1] < reported:
            yield f"the arrival at stop {stop} of {reported} is replaced by {known.get(stop)}"
        elif known[stop][0] != time and "run.arrived" not in kinds:
            yield f"the arrival at stop {stop} goes from {time} to {known[stop][0]} without an event"


def expected_times_are_possible(run: Document) -> Iterator[str]:
    """No train leaves early, runs backwards, or is expected after it was seen further on."""
    latest: datetime | None = None
    for stop, (arrive, depart) in zip(run["stops"], expected_times(run), strict=True):
        for time in (arrive, depart):
            if time is not None and latest is not None and time < latest:
                yield f"the train is expected at {stop['name']} at {time}, and before at {latest}"
            latest = time or latest
        if depart is not None and depart < stop["depart"]:
            yield f"the train is expected to leave {stop['name']} at {depart}, before {stop['depart']}"


def delay_events_are_true(run: Document, emitted: Sequence[Document]) -> Iterator[str]:
    """The last report of a commit names the times that are expected then, at all stops that the train serves."""
    reports = [event for event in emitted if event["type"] in ("run.delayed", "run.arrived")]
    if not reports:
        return
    data, times = reports[-1]["data"], expected_times(run)
    if reports[-1]["type"] == "run.arrived":
        stop = [stop["name"] for stop in run["stops"]].index(data["stop"])
        said = data["arrive_time"], data["late_minutes"]
        arrive = times[stop][0]
        known = arrive.isoformat() if arrive else None, late_minutes(run, 1 << stop - 1)
        if said != known:
            yield f"an event says that the train arrives at {data['stop']} at {said}; it does at {known}"
        return
    stops = [(stop["name"], stop["expected_arrive_time"], stop["expected_depart_time"]) for stop in data["stops"]]
    expected = [
        (stop["name"], arrive and arrive.isoformat(), depart and depart.isoformat())
        for stop, (arrive, depart) in zip(run["stops"], times, strict=True)
    ][: last_stop(run) + 1]
    if stops != expected:
        yield f"an event says that {stops} are expected; {expected} are"


# -- the clock


def clock_is_followed(
    before: Document, run: Document, emitted: Iterable[Document], decided_at: datetime, now: datetime
) -> Iterator[str]:
    """A run departs and completes by its expected times, each once, and only a later report turns the clock back."""
    old, new = before.get("clock_state"), run.get("clock_state")
    kinds = [event["type"] for event in emitted if event["type"] in ("run.departed", "run.completed")]
    order = ["SCHEDULED", "DEPARTED", "COMPLETED"]
    if new not in order:
        yield f"the clock state is {new}"
        return
    if len(set(kinds)) < len(kinds) or ("run.departed" in kinds and old not in (None, "SCHEDULED")):
        yield f"the run was {old}, and the commit says {kinds}"
    if order.index(new) > order.index(clock_state_at(run, now)):
        yield f"the run is {new} before {now}, expected from {departs_at(run)} to {ends_at(run)}"
    if is_disrupted(before, run):
        return
    if old is not None and order.index(new) < order.index(old):
        yield f"the clock goes back from {old} to {new}, and nothing was reported"
    wanted = [
        kind for kind, state in (("run.departed", "DEPARTED"), ("run.completed", "COMPLETED")) if _passes(old, new, state)
    ]
    if kinds != wanted:
        yield f"the run goes from {old} to {new}, and the commit says {kinds}"
    if kinds and new != clock_state_at(run, decided_at):
        yield f"the run is {new} at {decided_at}, expected from {departs_at(run)} to {ends_at(run)}"


def _passes(old: str | None, new: str, state: str) -> bool:
    order = ["SCHEDULED", "DEPARTED", "COMPLETED"]
    return order.index(old or "SCHEDULED") < order.index(state) <= order.index(new)


def clock_is_not_late(before: Document, run: Document, emitted: Sequence[Document], decided_at: datetime) -> Iterator[str]:
    """Each commit first does what the clock has made due. The end of a cancellation makes a run that is over due anew."""
    if not emitted and run.get("eventless_version") != run["version"]:
        yield "a commit has no event, and no sign of it"
    due, is_new = clock_due(run), is_disrupted(before, run) or is_cancellation_open(before) != is_cancellation_open(run)
    if due is not None and due <= decided_at and not is_new and before.get("clock_state") is not None:
        yield f"the clock was due at {due}, and is left by a commit of {decided_at}: {run.get('clock_state')}"


def only_runs_that_are_over_are_compacted(before: Document, run: Document, now: datetime) -> Iterator[str]:
    """A run loses what only sales need a day after its end. Nothing of that comes back, and no bookings go."""
    if not run.get("is_compacted"):
        if before.get("is_compacted"):
            yield "the run was compacted, and is not any more"
        return
    if not before.get("is_compacted"):
        if compacted_at(run) > now:
            yield f"the run is compacted before {compacted_at(run)}"
        if is_cancellation_open(run):
            yield "the run is compacted while its bookings are being cancelled"
        if _freed(before) & _freed(run):  # what the same commit frees afterwards is noted
            yield "the run is compacted, and keeps the order of its freed seats"
    if run["holds"] or run.get("ended_holds") or run.get("layout", {}).get("requests") or "layout_reservation" in run:
        yield "the run is compacted, and has holds, or what is known of layout changes"


def _freed(run: Document) -> set[tuple[str, int]]:
    return {
        (section["name"], sequence)
        for section in run["sections"]
        for entries in section["freed"].values()
        for sequence, _ in entries
    }


# -- cancellations


def cancellations_go_forward(before: Document, run: Document, emitted: Sequence[Document]) -> Iterator[str]:
    """A cancellation is never undone; it only grows, with an event, and its counts only rise."""
    old, new = before.get("cancellation"), run.get("cancellation")
    said = [event for event in emitted if event["type"] == "run.cancelled"]
    if new is None:
        if old is not None or said:
            yield "the run was cancelled, and is not any more"
        return
    is_wider = old is None or new["from_stop"] < old["from_stop"]
    if is_wider != (len(said) == 1) or len(said) > 1:
        yield f"the cancellation goes from {old} to {new}, with the events {said}"
    if old is None:
        return
    if is_cancelled(before) and any(event["type"] == "layout.changed" for event in emitted):
        yield "the layout of a cancelled run is changed"
    if new["from_stop"] > old["from_stop"] or (new["time"] != old["time"] and not is_wider) or new["time"] < old["time"]:
        yield f"the cancellation of {old['time']} from stop {old['from_stop']} shrinks to {new}"
    if any(new[name] < old[name] for name in ("booking_count", "passenger_count", "refunded_minor")):
        yield f"the counts of the cancellation fall from {old} to {new}"
    if not is_wider and (new["cursor"] < old["cursor"] or (old["complete_time"] and new != old)):
        yield f"the cancellation goes back from {old} to {new}"


def cancelled_bookings_are_counted(before: Document, run: Document, ended: Sequence[Change]) -> Iterator[str]:
    """The counts rise by what a commit cancels; each commit ends a few, all of each, with everything back, by one refund."""
    if len(ended) > CANCELLED_PER_COMMIT:
        yield f"one commit cancels {len(ended)} bookings with the run"
    old = before.get("cancellation") or {"booking_count": 0, "passenger_count": 0, "refunded_minor": 0}
    new = run.get("cancellation") or old
    rises = {name: new[name] - old[name] for name in ("booking_count", "passenger_count", "refunded_minor")}
    counted = {
        "booking_count": len(ended),
        "passenger_count": sum(len(booking["passengers"]) for _, booking in ended),
        "refunded_minor": sum(price_minor(waited) for waited, _ in ended),
    }
    if rises != counted:
        yield f"the cancellation counts {rises} more, and the commit cancelled {counted}"
    for waited, booking in ended:
        back, fares = refunds_minor(booking) - refunds_minor(waited), price_minor(waited)
        refunds = booking.get("refunds", [])[len(waited.get("refunds", [])) :]
        if is_live(booking) or len(booking["passengers"]) != len(waited["passengers"]):
            yield f"{booking['_id']} ends with the run, and is {booking['state']} with other passengers than before"
        if back != fares or len(refunds) != bool(fares) or any(refund.get("reason") != "RUN_CANCELLED" for refund in refunds):
            yield f"{booking['_id']} ends with the run; it paid {fares}, and gets {refunds}"
        if not booking["legs"] & missing_legs(run):
            yield f"{booking['_id']} ends with the run, and the train runs on its legs"


def cancelled_legs_are_left(run: Document, bookings: Bookings) -> Iterator[str]:
    """Nobody holds a cancelled leg. As far as the cancellation has come, nobody has or waits for one."""
    missing, cancellation = missing_legs(run), run.get("cancellation")
    if cancellation is None:
        return
    for key, hold in run["holds"].items():
        if hold["legs"] & missing:
            yield f"hold {key} is for cancelled legs"
    if is_cancelled(run) and "layout_reservation" in run:
        yield "the run is cancelled, and reserves seats for a layout plan"
    is_complete = cancellation["complete_time"] is not None
    for booking in bookings.values():
        is_reached = is_complete or booking["_id"] <= cancellation["cursor"]
        if is_live(booking) and is_reached and booking["legs"] & missing:
            yield f"{booking['_id']} is {booking['state']}, and its legs are cancelled"


# -- refunds


def refund_reasons_are_true(run: Document, change: Change, events: Sequence[Document]) -> Iterator[str]:
    """Each refund says why it is given."""
    before, booking = change
    given = booking.get("refunds", [])[len(before.get("refunds", [])) :]
    if not given or len(events) != 1 or is_unpaid_end(booking):
        return
    event = events[0]
    possible = _reasons_of(run, before, booking, event["type"], event["data"])
    for refund in given:
        if refund.get("reason") not in possible:
            yield f"{booking['_id']} gets {refund}, by {event['type']}; the reason is {' or '.join(sorted(possible))}"


def is_unpaid_end(booking: Document) -> bool:
    return not is_live(booking) and booking["charged_minor"] == 0


def _reasons_of(run: Document, before: Document, booking: Document, kind: str, data: Mapping[str, Any]) -> set[str]:
    match kind, data.get("cause"):
        case _, "layout":
            return {"LAYOUT", "RUN_CANCELLED"} if booking["legs"] & missing_legs(run) else {"LAYOUT"}
        case _, "run_cancelled":
            return {"RUN_CANCELLED"}
        case "booking.expired", _:
            return {"WAITLIST"}
        case (("booking.promoted" | "booking.changed"), _):
            return {"FARE_DIFFERENCE"}
        case _:
            return _reasons_of_cancelling(run, before, booking)


def _reasons_of_cancelling(run: Document, before: Document, booking: Document) -> set[str]:
    left = booking["cancelled_passengers"][len(before["cancelled_passengers"]) :]
    left = [*left, *([] if is_live(booking) else booking["passengers"])]
    reasons = set() if any("number" in passenger for passenger in left) else {"WAITLIST"}  # by the end of the waitlist, too
    if booking["legs"] & missing_legs(run):
        reasons.add("RUN_CANCELLED")
    elif late_minutes(run, booking["legs"]) >= LATE_MINUTES_REFUNDED:
        reasons.add("DELAY")
    elif before.get("free_cancellation"):
        reasons.add("LAYOUT")
    return reasons or {"TERMS"}


def nobody_leaves_a_train_that_has_left(run: Document, change: Change, event: Document) -> Iterator[str]:
    """Who has a seat cancels before the train is expected to leave; on cancelled legs at any time."""
    before, booking = change
    if event["type"] != "booking.cancelled" or event["data"].get("cause") is not None or is_unpaid_end(booking):
        return
    left = booking["cancelled_passengers"][len(before["cancelled_passengers"]) :]
    left = [*left, *([] if is_live(booking) else booking["passengers"])]
    is_missing = booking["legs"] & missing_legs(run)
    if (
        any("number" in passenger for passenger in left)
        and not is_missing
        and departs_at(run, booking["legs"]) <= event["time"]
    ):
        yield f"{booking['_id']} is cancelled at {event['time']}, after {departs_at(run, booking['legs'])}"


def nobody_changes_seats_on_a_train_that_does_not_come(before: Document, change: Change, event: Document) -> Iterator[str]:
    """Seats are changed before the train is expected to leave, and not on cancelled legs."""
    legs, name = change[1]["legs"], change[1]["_id"]
    if event["type"] != "booking.changed" or event["data"].get("cause") != "seat_change":
        return
    if legs & missing_legs(before):
        yield f"{name} changes a seat on cancelled legs"
    if departs_at(before, legs) <= event["time"]:
        yield f"{name} changes a seat at {event['time']}, after {departs_at(before, legs)}"


# -- at the end of a history


def cancellations_have_ended(runs: Iterable[Document], now: datetime) -> Iterator[str]:
    """Every cancellation is complete, and every run is as far as the clock is."""
    for run in runs:
        if is_cancellation_open(run):
            yield f"the cancellation of {run['_id']} has not come to an end: {run['cancellation']}"
        due = clock_due(run)
        if due is not None and due <= now and run["version"] > 1:
            yield f"the clock of {run['_id']} was due at {due}: {run.get('clock_state')}"
