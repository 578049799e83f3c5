"""Invariants of runs, bookings and money, as functions over stored documents.

Belongs here: the rules written a second time, as a passenger or an accountant would state them, without the code under test.
Each function yields a line for every violation. Does not belong here: when they are checked (`record.py`, `final_state.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.simulation import run_times
from tests.simulation.provider import Account

Document = dict[str, Any]
Bookings = Mapping[str, Document]

LIVE = ("CONFIRMED", "WAITLISTED")


def is_live(booking: Document) -> bool:
    return booking["state"] in LIVE


def price_minor(booking: Document) -> int:
    """Return the fares of the live passengers of a booking."""
    return sum(passenger["fare_minor"] for passenger in booking["passengers"]) if is_live(booking) else 0


def retired_numbers(section: Document) -> set[int]:
    """Return the numbers of the seats of a section that were removed."""
    return {number for first, last in section.get("retired", []) for number in range(first, last + 1)}


def refunds_minor(booking: Document) -> int:
    return sum(refund["minor"] for refund in booking.get("refunds", []))


# -- a run, after each commit


def seats_are_sold_once(run: Document, bookings: Bookings) -> Iterator[str]:
    """No leg of a seat is sold twice. The sold legs are exactly those of bookings, holds, reservation and retired seats."""
    all_legs = (1 << len(run["stops"]) - 1) - 1
    taken = {section["name"]: [0] * len(section["sold_legs"]) for section in run["sections"]}
    for section in run["sections"]:
        for number in retired_numbers(section):
            taken[section["name"]][number - 1] = all_legs
    owners = [
        (booking["_id"], passenger["section"], passenger["number"], booking["legs"])
        for booking in bookings.values()
        if booking["state"] == "CONFIRMED"
        for passenger in booking["passengers"]
        if "number" in passenger
    ]
    owners += [("reservation", *claim) for claim in run.get("layout_reservation", {}).get("claims", [])]
    owners += [
        (f"hold {key}", section, number, hold["legs"])
        for key, hold in run["holds"].items()
        for section, _, number in hold["seats"]
    ]
    for owner, section, number, legs in owners:
        if number > len(taken.get(section, ())):
            yield f"{owner} has seat {section}-{number}, which the run does not have"
            continue
        if taken[section][number - 1] & legs:
            yield f"seat {section}-{number} is sold twice; {owner} has it as well"
        taken[section][number - 1] |= legs
    for section in run["sections"]:
        if section["sold_legs"] != taken[section["name"]]:
            yield f"section {section['name']} has {section['sold_legs']} sold; bookings and holds have {taken[section['name']]}"


def counter_and_freed_seats_account_for_all(run: Document) -> Iterator[str]:
    """Below the counter each unsold leg is a freed one, listed once; above the counter none is."""
    all_legs = (1 << len(run["stops"]) - 1) - 1
    for section in run["sections"]:
        for number, sold in enumerate(section["sold_legs"], 1):
            entries = section["freed"].get(str(number), [])
            together = sum(legs for _, legs in entries)
            expected = all_legs & ~sold if number < section["next_number"] else 0
            if run.get("is_compacted"):  # what only came free afterwards is noted
                expected &= together
            if together != expected or any(not legs for _, legs in entries):
                yield f"seat {section['name']}-{number} has {expected:b} free below the counter; freed entries: {entries}"
            if any(sequence > run["freed_sequence"] for sequence, _ in entries):
                yield f"seat {section['name']}-{number} has a freed entry with a number that was never given: {entries}"


def no_hold_is_expired(run: Document, decided_at: datetime) -> Iterator[str]:
    """No commit leaves a hold that had expired when it was decided."""
    for key, hold in run["holds"].items():
        if hold["expire_time"] <= decided_at:
            yield f"hold {key} expired at {hold['expire_time']}, and is left by a commit of {decided_at}"


def holds_stay_within_their_share(run: Document) -> Iterator[str]:
    """No more seats are on hold than the train's terms allow; nine are always allowed."""
    held = {(section, number) for hold in run["holds"].values() for section, _, number in hold["seats"]}
    size = sum(len(section["sold_legs"]) for section in run["sections"])
    if len(held) > 9 and 100 * (len(held) - 1) >= size * run["terms"]["hold_percent_max"]:
        yield f"{len(held)} of {size} seats are on hold"


def holds_are_not_renewed_without_end(before: Document, run: Document, decided_at: datetime) -> Iterator[str]:
    """A caller whose hold expired holds none of its seats for a quarter of an hour. A used hold is not placed again."""
    for key, hold in run["holds"].items():
        if key in before["holds"]:
            continue
        seats = [[section, number] for section, _, number in hold["seats"]]
        for owner, legs, ended, expire_time, was_used in before["ended_holds"].values():
            is_renewed = (
                owner == hold["owner_key"] and not was_used and legs & hold["legs"] and any(seat in seats for seat in ended)
            )
            if is_renewed and expire_time <= decided_at < expire_time + timedelta(minutes=15):
                yield f"hold {key} has seats of a hold that expired at {expire_time}"
            if is_renewed and decided_at < expire_time < hold["expire_time"]:
                yield f"hold {key} lasts longer than the one that was released, until {expire_time}"
        if key in before["ended_holds"] and before["ended_holds"][key][4]:
            yield f"hold {key} was used, and is placed again"


def holds_that_end_are_remembered(before: Document, run: Document, decided_at: datetime) -> Iterator[str]:
    """A hold that has ended is among the ended ones for a quarter of an hour."""
    for key, hold in before["holds"].items():
        is_recent = decided_at < hold["expire_time"] + timedelta(minutes=15)
        if is_recent and key not in run["holds"] and key not in run["ended_holds"] and not run.get("is_compacted"):
            yield f"hold {key} has ended and is not among the ended ones"


def next_due_is_recorded(run: Document) -> Iterator[str]:
    """The run says when its next hold or its reservation expires, its waitlist closes, a section opens for its waitlist, the
    clock changes it, or its bookings are to be cancelled, so that workers find it.
    """
    times = [hold["expire_time"] for hold in run["holds"].values()]
    times += [run["layout_reservation"]["expire_time"]] if "layout_reservation" in run else []
    times += [run_times.waitlist_closes_at(run)] if run["waiting"] else []
    times += [due for due in (run_times.clock_due(run), run_times.next_opening(run)) if due is not None]
    times += [run["cancellation"]["time"]] if run_times.is_cancellation_open(run) else []
    if run.get("next_due") != min(times, default=None):
        yield f"next_due is {run.get('next_due')}; it should be {min(times, default=None)}"


# -- a booking, from one commit to the next


def booking_state_changes_are_allowed(before: Document | None, booking: Document, *, is_layout_change: bool) -> Iterator[str]:
    """Final states, names and legs never change, and refunds are only added. Only a layout change takes seats away."""
    name = booking["_id"]
    if before is None:
        if not is_live(booking) and len(booking.get("refunds", [])) > 1 and booking["charged_minor"] == 0:
            yield f"{name} is created with refunds and without a charge"
        return
    if not is_live(before) and not is_unpaid(booking):
        yield f"{name} was {before['state']} and is changed to {booking['state']}"
    lost = ("EXPIRED",) if is_layout_change else ("EXPIRED", "WAITLISTED")
    if before["state"] == "CONFIRMED" and booking["state"] in lost and not _is_partly_waiting(before):
        yield f"{name} was CONFIRMED and is {booking['state']}"
    same = ("request_id", "fingerprint", "run_id", "legs", "payment_id", "create_time", "wanted_section")
    for field in (*same, "depart_time", "arrive_time"):
        if before.get(field) != booking.get(field):
            yield f"{name} has its {field} changed from {before.get(field)} to {booking.get(field)}"
    if is_unpaid(booking):
        return
    if booking["charged_minor"] != before["charged_minor"]:
        yield f"{name} was charged {before['charged_minor']}, and now {booking['charged_minor']}"
    if booking.get("refunds", [])[: len(before.get("refunds", []))] != before.get("refunds", []):
        yield f"{name} had the refunds {before['refunds']}, and now {booking['refunds']}"


def _is_partly_waiting(booking: Document) -> bool:
    return any("number" not in passenger for passenger in booking["passengers"])


def is_unpaid(booking: Document) -> bool:
    """Whether the booking was cancelled because its payment failed."""
    return not is_live(booking) and booking["charged_minor"] == 0


def booking_amounts_add_up(booking: Document) -> Iterator[str]:
    """The charge less the refunds covers the live passengers; what is retained besides comes from passengers who left."""
    if is_unpaid(booking):
        if booking.get("refunds", []):
            yield f"{booking['_id']} was never paid and refunds {booking['refunds']}"
        return
    retained = booking["charged_minor"] - refunds_minor(booking) - price_minor(booking)
    has_left = booking["state"] == "CANCELLED"
    left = [*booking["cancelled_passengers"], *(booking["passengers"] if has_left else [])]
    retained_max = sum(passenger["fare_minor"] for passenger in left)
    if not 0 <= retained <= retained_max:
        yield f"{booking['_id']} retains {retained}; the passengers who left paid {retained_max}"


def refund_matches_the_terms(
    run: Document, before: Document, booking: Document, decided_at: datetime, step_minor: int
) -> Iterator[str]:
    """One change of a booking refunds all to who had no seat or lost it, a tier's share to others, and lower fares to all.

    A share is rounded up to an amount that the provider can refund.
    """
    if is_unpaid(booking):
        return
    left = booking["cancelled_passengers"][len(before["cancelled_passengers"]) :]
    left = [*left, *([] if is_live(booking) else booking["passengers"])]
    cheaper = sum(passenger["fare_minor"] for passenger in before["passengers"])
    cheaper -= sum(passenger["fare_minor"] for passenger in left)
    expected = cheaper - price_minor(booking)
    for passenger in left:
        time_left = run_times.departs_at(run, booking["legs"]) - decided_at
        percent = 100 if _is_refunded_in_full(run, before, passenger) else _percent(run, time_left)
        expected += -(-passenger["fare_minor"] * percent // (100 * step_minor)) * step_minor
    given = refunds_minor(booking) - refunds_minor(before)
    if given != expected:
        yield f"{booking['_id']} refunds {given} more; its terms say {expected}"


def _is_refunded_in_full(run: Document, before: Document, passenger: Document) -> bool:
    """Whether the passenger had no seat, or lost it, may cancel free of charge, or the train is late or does not run."""
    legs = before["legs"]
    is_late = run_times.late_minutes(run, legs) >= run_times.LATE_MINUTES_REFUNDED
    if is_late or legs & run_times.missing_legs(run):
        return True
    sections = [*run["sections"], *run.get("retired_sections", [])]
    name, number = passenger.get("section"), passenger.get("number", 0)
    is_removed = any(section["name"] == name and number in retired_numbers(section) for section in sections)
    return not number or is_removed or before.get("free_cancellation", False)


def _percent(run: Document, left: timedelta) -> int:
    reached = [percent for hours, percent in run["terms"]["refund_tiers"] if left >= timedelta(hours=hours)]
    return int(reached[0]) if reached and left > timedelta(0) else 0


# -- events of a commit, and the archive


def events_match_the_commit(run: Document, emitted: Iterable[Document]) -> Iterator[str]:
    """The events of a commit have ids that follow from the commit, and rising sequence numbers."""
    emitted = list(emitted)
    event_ids = [event["_id"] for event in emitted]
    if event_ids != [f"{run['_id']}:{run['version']}:{index}" for index in range(len(emitted))]:
        yield f"commit {run['version']} emits {event_ids}"
    sequences = [event["sequence"] for event in emitted]
    if sequences != sorted(set(sequences)) or any(number // 100_000 != run["version"] for number in sequences):
        yield f"the events of commit {run['version']} have the sequence numbers {sequences}"


def changes_have_events(changed: Iterable[Document], emitted: Iterable[Document]) -> Iterator[str]:
    """Each change of a booking emits an event, and the last one has the state of the booking."""
    last = {event["subject"]: event["data"] for event in emitted}
    for booking in changed:
        data = last.get(booking["_id"])
        if data is None:
            yield f"{booking['_id']} changed without an event"
        elif data["state"] != booking["state"]:
            yield f"{booking['_id']} is {booking['state']}; its last event says {data}"


def nothing_is_lost(committed: Bookings, run: Document, archived: Mapping[str, Document]) -> Iterator[str]:
    """Each committed booking is found in its newest revision, in the run's document or in the archive."""
    recent = {booking["_id"]: booking["revision"] for booking in run["recent"]}
    for reference, booking in committed.items():
        copy = archived.get(reference)
        found = recent.get(reference, copy["revision"] if copy else 0)
        if found != booking["revision"]:
            yield f"{reference} is found in revision {found}; revision {booking['revision']} was committed"


# -- at the end of a history


def is_never_paid(booking: Document, payments: Mapping[str, Document]) -> bool:
    """Whether its payment failed after it had ended: then nothing is captured, and nothing refunded."""
    payment = payments.get(booking.get("payment_id", ""))
    return not is_live(booking) and payment is not None and payment["state"] in ("VOIDED", "DECLINED")


def money_is_where_bookings_say(bookings: Iterable[Document], accounts: Mapping[str, Account]) -> Iterator[str]:
    """The provider has captured and refunded what each booking says, and holds nothing that belongs to no booking."""
    paid_for: set[str] = set()
    for booking in bookings:
        key = f"{booking.get('payment_id', '')}:authorize"
        account = accounts.get(key)
        if booking["charged_minor"] == 0:
            continue
        paid_for.add(key)
        if account is None:
            yield f"{booking['_id']} was charged {booking['charged_minor']}, and nothing was ever authorized"
            continue
        paid = account.captured_minor, account.refunded_minor
        if paid != (booking["charged_minor"], refunds_minor(booking)):
            said = f"{booking['charged_minor']} and {refunds_minor(booking)}"
            yield f"{booking['_id']} says {said} were captured and refunded; the provider says {paid[0]} and {paid[1]}"
    for key, account in accounts.items():
        if key not in paid_for and account.state != "voided":
            yield f"{key} is {account.state}, and belongs to no booking"


def sums_agree(bookings: Iterable[Document], accounts: Mapping[str, Account]) -> Iterator[str]:
    """The provider's captures less its refunds are the bookings' charges less their refunds."""
    bookings = list(bookings)
    captured = sum(account.captured_minor - account.refunded_minor for account in accounts.values())
    due = sum(booking["charged_minor"] - refunds_minor(booking) for booking in bookings)
    if captured != due:
        yield f"the provider holds {captured}; the bookings say {due}"


def paid_bookings_are_kept(revisions: Iterable[Document], payable: Iterable[str]) -> Iterator[str]:
    """No booking is cancelled as unpaid whose card pays: `payable` are the references of these."""
    charged: set[str] = set()
    unpaid: set[str] = set()
    for booking in revisions:
        (unpaid if is_unpaid(booking) else charged).add(booking["_id"])
        if not is_unpaid(booking) and not booking["charged_minor"]:
            charged.discard(booking["_id"])
    yield from (
        f"{reference} was cancelled as unpaid, and its card pays" for reference in sorted(charged & unpaid & set(payable))
    )


def payments_agree(bookings: Iterable[Document], payments: Mapping[str, Document]) -> Iterator[str]:
    """The service's payments say the same as the bookings, and none is open."""
    for payment in payments.values():
        if payment["state"] in ("AUTHORIZING", "AUTHORIZED"):
            yield f"payment {payment['_id']} is still {payment['state']}"
        if any(refund["state"] != "DONE" for refund in payment["refunds"]):
            yield f"payment {payment['_id']} has refunds that are not done"
    for booking in bookings:
        if not booking["charged_minor"]:
            continue
        paid = payments.get(booking.get("payment_id", ""))
        if paid is None:
            yield f"{booking['_id']} was charged, and there is no payment {booking.get('payment_id', '')}"
            continue
        given = sum(refund["minor"] for refund in paid["refunds"])
        if (paid["captured_minor"], given) != (booking["charged_minor"], refunds_minor(booking)):
            moved = f"captured {paid['captured_minor']} and refunded {given}"
            yield f"payment {paid['_id']} {moved}; {booking['_id']} says otherwise"


def all_events_are_delivered(
    committed: Mapping[str, Document], stored: Mapping[str, Document], delivered: Mapping[str, Any]
) -> Iterator[str]:
    """All committed events are stored and delivered, and no others."""
    for name, other in (("stored", stored), ("delivered", delivered)):
        if committed.keys() != other.keys():
            yield f"committed and not {name}: {sorted(committed.keys() - other.keys())}"
            yield f"{name} and not committed: {sorted(other.keys() - committed.keys())}"
    yield from (f"event {key} is not processed" for key, event in stored.items() if "is_new" in event)


def no_work_is_left(runs: Iterable[Document], jobs: Iterable[Document]) -> Iterator[str]:
    """No run has anything that is not archived, and every job is done."""
    for run in runs:
        if run["recent"] or run["outbox"] or "unsettled_since" in run:
            names = [booking["_id"] for booking in run["recent"]], [commit["_id"] for commit in run["outbox"]]
            yield f"run {run['_id']} still has {names}, since {run.get('unsettled_since')}"
    yield from (f"job {job['_id']} is {job['state']}: {job['last_error']}" for job in jobs if job["state"] != "DONE")
