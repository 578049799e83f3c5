"""What has to hold, as plain functions over documents as the database keeps them.

Belongs here: rules written a second time, from what a passenger or an accountant would say, without the code that is to keep
them. Each yields a line for everything that is wrong. Does not: when they are checked (`record.py`, `ending.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.provider import Account

Document = dict[str, Any]
Bookings = Mapping[str, Document]

LIVE = ("CONFIRMED", "WAITLISTED")


def is_live(booking: Document) -> bool:
    return booking["state"] in LIVE


def price_minor(booking: Document) -> int:
    """What those who travel on it, or wait to, have paid for."""
    return sum(passenger["fare_minor"] for passenger in booking["passengers"]) if is_live(booking) else 0


def refunds_minor(booking: Document) -> int:
    return sum(refund["minor"] for refund in booking.get("refunds", []))


# -- a run, after each commit


def seats_are_sold_once(run: Document, bookings: Bookings) -> Iterator[str]:
    """No leg of a seat is anybody's twice, and what is sold is what bookings and holds have, to the leg."""
    taken = {section["name"]: [0] * len(section["sold_legs"]) for section in run["sections"]}
    owners = [
        (booking["_id"], passenger["section"], passenger["number"], booking["legs"])
        for booking in bookings.values()
        if booking["state"] == "CONFIRMED"
        for passenger in booking["passengers"]
    ]
    owners += [
        (f"hold {key}", section, number, hold["legs"])
        for key, hold in run["holds"].items()
        for section, _, number in hold["seats"]
    ]
    for owner, section, number, legs in owners:
        if taken[section][number - 1] & legs:
            yield f"seat {section}-{number} is sold twice; {owner} has it, too"
        taken[section][number - 1] |= legs
    for section in run["sections"]:
        if section["sold_legs"] != taken[section["name"]]:
            yield f"section {section['name']} has {section['sold_legs']} sold; bookings and holds have {taken[section['name']]}"


def counter_and_freed_seats_account_for_all(run: Document) -> Iterator[str]:
    """Below the counter, each unsold leg came free once; ahead of it, nothing did."""
    all_legs = (1 << len(run["stops"]) - 1) - 1
    for section in run["sections"]:
        for number, sold in enumerate(section["sold_legs"], 1):
            entries = section["freed"].get(str(number), [])
            together = sum(legs for _, legs in entries)
            expected = all_legs & ~sold if number < section["next_number"] else 0
            if together != expected or any(not legs for _, legs in entries):
                yield f"seat {section['name']}-{number} has {expected:b} free behind the counter; came free: {entries}"
            if any(sequence > run["freed_sequence"] for sequence, _ in entries):
                yield f"seat {section['name']}-{number} came free in the future: {entries}"


def waitlist_matches_bookings(run: Document, bookings: Bookings) -> Iterator[str]:
    """Each place in the line is a waiting booking's, and each waiting booking has one."""
    places = {
        reference: [int(number), section, legs, count] for number, (reference, section, legs, count) in run["waiting"].items()
    }
    waiting = {
        booking["_id"]: [
            booking.get("waiting_number", 0),
            booking.get("wanted_section", ""),
            booking["legs"],
            len(booking["passengers"]),
        ]
        for booking in bookings.values()
        if booking["state"] == "WAITLISTED"
    }
    if places != waiting or len(places) != len(run["waiting"]):
        yield f"the line is {run['waiting']}; those who wait are {waiting}"
    if any(int(number) > run["waiting_number"] for number in run["waiting"]):
        yield f"a place in {run['waiting']} was never given out: the last one was {run['waiting_number']}"


def nobody_waits_for_free_seats(run: Document, decided_at: datetime) -> Iterator[str]:
    """Until the line closes, what is free fits nobody who waits; afterwards nobody waits. (A decision ends some hundred.)"""
    if decided_at >= waitlist_closes_at(run):
        yield from (f"{place[0]} waits though the line is closed" for place in run["waiting"].values())
        return
    for reference, wanted, legs, count in run["waiting"].values():
        for section in run["sections"]:
            free = sum(1 for sold in section["sold_legs"] if not sold & legs)
            if wanted in ("", section["name"]) and free >= count:
                yield f"{reference} waits for {count}, and section {section['name']} has {free} free"


def nobody_is_overtaken(run: Document, promoted: Iterable[tuple[Document, Document]]) -> Iterator[str]:
    """Of two who wait for the same, the one who came first gets a seat first. `promoted`: as they waited, and as they are."""
    for waited, booking in promoted:
        demand = [booking.get("wanted_section", ""), booking["legs"], len(booking["passengers"])]
        for number, (reference, *other) in run["waiting"].items():
            if other == demand and int(number) < waited["waiting_number"]:
                yield f"{booking['_id']} got seats before {reference}, who waited for longer"


def waitlist_closes_at(run: Document) -> datetime:
    depart: datetime = run["stops"][0]["depart"]
    return depart - timedelta(minutes=run["terms"]["waitlist_closes_minutes_before"])


def no_hold_is_expired(run: Document, decided_at: datetime) -> Iterator[str]:
    """What is decided on a run is decided without holds that were over by then."""
    for key, hold in run["holds"].items():
        if hold["expire_time"] <= decided_at:
            yield f"hold {key} was over at {hold['expire_time']}, and is there after a commit of {decided_at}"


def holds_stay_within_their_share(run: Document) -> Iterator[str]:
    """No more seats are on hold than the train's terms allow; nine always may be."""
    held = {(section, number) for hold in run["holds"].values() for section, _, number in hold["seats"]}
    size = sum(len(section["sold_legs"]) for section in run["sections"])
    if len(held) > 9 and 100 * (len(held) - 1) >= size * run["terms"]["hold_percent_max"]:
        yield f"{len(held)} of {size} seats are on hold"


def holds_are_not_renewed_without_end(before: Document, run: Document, decided_at: datetime) -> Iterator[str]:
    """Whose hold ran out holds none of its seats again for a quarter of an hour; a used hold is not placed again."""
    for key, hold in run["holds"].items():
        if key in before["holds"]:
            continue
        places = [[section, number] for section, _, number in hold["seats"]]
        for owner, legs, ended, expire_time, was_used in before["ended_holds"].values():
            is_again = (
                owner == hold["owner_key"] and not was_used and legs & hold["legs"] and any(one in places for one in ended)
            )
            if is_again and expire_time <= decided_at < expire_time + timedelta(minutes=15):
                yield f"hold {key} has seats of a hold that ran out at {expire_time}"
            if is_again and decided_at < expire_time < hold["expire_time"]:
                yield f"hold {key} lasts longer than the one that was released, until {expire_time}"
        if key in before["ended_holds"] and before["ended_holds"][key][4]:
            yield f"hold {key} was used, and is placed again"


def holds_that_end_are_remembered(before: Document, run: Document, decided_at: datetime) -> Iterator[str]:
    """What was a hold and is none any more is among those that ended, for a quarter of an hour."""
    for key, hold in before["holds"].items():
        is_recent = decided_at < hold["expire_time"] + timedelta(minutes=15)
        if is_recent and key not in run["holds"] and key not in run["ended_holds"]:
            yield f"hold {key} is over and forgotten"


def next_due_is_recorded(run: Document) -> Iterator[str]:
    """The sweep that looks for what is due will find the run."""
    moments = [hold["expire_time"] for hold in run["holds"].values()]
    moments += [waitlist_closes_at(run)] if run["waiting"] else []
    if run.get("next_due") != min(moments, default=None):
        yield f"next_due is {run.get('next_due')}; it should be {min(moments, default=None)}"


# -- a booking, from one commit to the next


def booking_state_changes_are_allowed(before: Document | None, booking: Document) -> Iterator[str]:
    """Whatever happens to a booking: what is final stays, names and legs stay, refunds are only added."""
    name = booking["_id"]
    if before is None:
        if not is_live(booking) and len(booking.get("refunds", [])) > 1 and booking["charged_minor"] == 0:
            yield f"{name} begins with refunds and without money"
        return
    if not is_live(before) and not is_unpaid(booking):
        yield f"{name} was {before['state']} and is changed to {booking['state']}"
    if before["state"] == "CONFIRMED" and booking["state"] in ("WAITLISTED", "EXPIRED"):
        yield f"{name} had seats and is {booking['state']}"
    for field in ("request_id", "fingerprint", "run_id", "legs", "payment_id", "create_time", "wanted_section"):
        if before.get(field) != booking.get(field):
            yield f"{name} has another {field}: {before.get(field)}, {booking.get(field)}"
    if is_unpaid(booking):
        return
    if booking["charged_minor"] != before["charged_minor"]:
        yield f"{name} was charged {before['charged_minor']}, and now {booking['charged_minor']}"
    if booking.get("refunds", [])[: len(before.get("refunds", []))] != before.get("refunds", []):
        yield f"{name} gave back {before['refunds']}, and now {booking['refunds']}"


def is_unpaid(booking: Document) -> bool:
    """Whether it was ended because its money never came."""
    return not is_live(booking) and booking["charged_minor"] == 0


def booking_amounts_add_up(booking: Document) -> Iterator[str]:
    """What was charged and not given back pays for those who travel; what is kept besides is of those who left."""
    if is_unpaid(booking):
        if booking.get("refunds", []):
            yield f"{booking['_id']} was never paid and gives back {booking['refunds']}"
        return
    kept = booking["charged_minor"] - refunds_minor(booking) - price_minor(booking)
    left = [*booking["cancelled_passengers"], *([] if is_live(booking) else booking["passengers"])]
    most = 0 if booking["state"] == "EXPIRED" and not left else sum(one["fare_minor"] for one in left)
    if not 0 <= kept <= most:
        yield f"{booking['_id']} keeps {kept}; those who left paid {most}"


def refund_matches_the_terms(
    run: Document, before: Document, booking: Document, decided_at: datetime, step_minor: int
) -> Iterator[str]:
    """After one change of one booking: everything to who waited, a tier's share to who travelled, cheaper fares to all.

    A share is rounded up to what the provider can give back.
    """
    if is_unpaid(booking):
        return
    left = booking["cancelled_passengers"][len(before["cancelled_passengers"]) :]
    left = [*left, *([] if is_live(booking) else booking["passengers"])]
    cheaper = sum(one["fare_minor"] for one in before["passengers"]) - sum(one["fare_minor"] for one in left)
    expected = cheaper - price_minor(booking)
    for one in left:
        percent = 100 if before["state"] == "WAITLISTED" else _percent(run, booking["depart_time"] - decided_at)
        expected += -(-one["fare_minor"] * percent // (100 * step_minor)) * step_minor
    given = refunds_minor(booking) - refunds_minor(before)
    if given != expected:
        yield f"{booking['_id']} gives back {given} more; its terms say {expected}"


def _percent(run: Document, left: timedelta) -> int:
    reached = [percent for hours, percent in run["terms"]["refund_tiers"] if left >= timedelta(hours=hours)]
    return int(reached[0]) if reached and left > timedelta(0) else 0


# -- what a commit tells, and where things rest


def events_match_the_commit(run: Document, told: Iterable[Document]) -> Iterator[str]:
    """The events of a commit are named after it, one by one, and their numbers rise."""
    told = list(told)
    names = [event["_id"] for event in told]
    if names != [f"{run['_id']}:{run['version']}:{index}" for index in range(len(told))]:
        yield f"commit {run['version']} tells {names}"
    sequences = [event["sequence"] for event in told]
    if sequences != sorted(set(sequences)) or any(one // 100_000 != run["version"] for one in sequences):
        yield f"the events of commit {run['version']} have the numbers {sequences}"


def changes_have_events(changed: Iterable[Document], told: Iterable[Document]) -> Iterator[str]:
    """Whatever changed on a booking is told of, and what is told of last is what it is."""
    last = {event["subject"]: event["data"] for event in told}
    for booking in changed:
        data = last.get(booking["_id"])
        if data is None:
            yield f"{booking['_id']} changed, and nothing tells of it"
        elif data["state"] != booking["state"]:
            yield f"{booking['_id']} is {booking['state']}; it is told as {data}"


def nothing_is_lost(committed: Bookings, run: Document, at_rest: Mapping[str, Document]) -> Iterator[str]:
    """Each committed booking is found in its newest revision: in the run's document, or where it rests."""
    recent = {booking["_id"]: booking["revision"] for booking in run["recent"]}
    for reference, booking in committed.items():
        rests = at_rest.get(reference)
        found = recent.get(reference, rests["revision"] if rests else 0)
        if found != booking["revision"]:
            yield f"{reference} is found in revision {found}; revision {booking['revision']} was committed"


# -- when everything has come to rest


def is_never_paid(booking: Document, payments: Mapping[str, Document]) -> bool:
    """Whether its money was refused for good when it was over already: then nothing is taken, and so nothing is given back."""
    payment = payments.get(booking.get("payment_id", ""))
    return not is_live(booking) and payment is not None and payment["state"] in ("VOIDED", "DECLINED")


def money_is_where_bookings_say(bookings: Iterable[Document], accounts: Mapping[str, Account]) -> Iterator[str]:
    """At the provider, each booking has cost what it says, and nothing is held or was taken that no booking rests on."""
    rested_on: set[str] = set()
    for booking in bookings:
        key = f"{booking.get('payment_id', '')}:authorize"
        account = accounts.get(key)
        if booking["charged_minor"] == 0:
            continue
        rested_on.add(key)
        if account is None:
            yield f"{booking['_id']} was charged {booking['charged_minor']}, and nothing was ever set aside"
            continue
        paid = account.captured_minor, account.refunded_minor
        if paid != (booking["charged_minor"], refunds_minor(booking)):
            said = f"{booking['charged_minor']} and {refunds_minor(booking)}"
            yield f"{booking['_id']} says {said} were taken and given back; the provider says {paid[0]} and {paid[1]}"
    for key, account in accounts.items():
        if key not in rested_on and account.state != "voided":
            yield f"{key} is {account.state}, and no booking rests on it"


def sums_agree(bookings: Iterable[Document], accounts: Mapping[str, Account]) -> Iterator[str]:
    """What the provider took less what it gave back is what travellers paid and what was kept of those who left."""
    bookings = list(bookings)
    taken = sum(account.captured_minor - account.refunded_minor for account in accounts.values())
    due = sum(booking["charged_minor"] - refunds_minor(booking) for booking in bookings)
    if taken != due:
        yield f"the provider holds {taken} for us; bookings say {due}"


def paid_bookings_are_kept(revisions: Iterable[Document], able: Iterable[str]) -> Iterator[str]:
    """No booking is ended as unpaid whose money could have been had: `able` are those of cards that pay."""
    charged: set[str] = set()
    unpaid: set[str] = set()
    for booking in revisions:
        (unpaid if is_unpaid(booking) else charged).add(booking["_id"])
        if not is_unpaid(booking) and not booking["charged_minor"]:
            charged.discard(booking["_id"])
    yield from (f"{reference} was ended as unpaid, and its card pays" for reference in sorted(charged & unpaid & set(able)))


def no_open_waitlist_is_left(run: Document, now: datetime) -> Iterator[str]:
    """Once it is closed, a line is ended, also where nobody asks for anything."""
    if now >= waitlist_closes_at(run) and run["waiting"]:
        yield f"the line of {run['_id']} is closed, and {run['waiting']} still wait"


def payments_agree(bookings: Iterable[Document], payments: Mapping[str, Document]) -> Iterator[str]:
    """Our own records of payments say the same as the bookings, and nothing is left to be asked."""
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
            yield f"payment {paid['_id']} took {paid['captured_minor']} and gave {given}; {booking['_id']} says otherwise"


def all_events_are_delivered(
    committed: Mapping[str, Document], kept: Mapping[str, Document], told: Mapping[str, Any]
) -> Iterator[str]:
    """What was committed is kept and told, and nothing else is."""
    for name, other in (("kept", kept), ("told", told)):
        if committed.keys() != other.keys():
            yield f"committed and not {name}: {sorted(committed.keys() - other.keys())}"
            yield f"{name} and not committed: {sorted(other.keys() - committed.keys())}"
    yield from (f"event {key} is still new" for key, event in kept.items() if "is_new" in event)


def no_work_is_left(runs: Iterable[Document], jobs: Iterable[Document]) -> Iterator[str]:
    """No run carries what should rest, no job is owed."""
    for run in runs:
        if run["recent"] or run["outbox"] or "unsettled_since" in run:
            names = [booking["_id"] for booking in run["recent"]], [news["_id"] for news in run["outbox"]]
            yield f"run {run['_id']} still carries {names}, since {run.get('unsettled_since')}"
    yield from (f"job {job['_id']} is {job['state']}: {job['last_error']}" for job in jobs if job["state"] != "DONE")
