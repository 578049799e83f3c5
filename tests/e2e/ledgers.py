"""The books of the service, held against each other: bookings, payments, the ledger, events and jobs.

Belongs here: reading what is kept, and sentences for what is not done yet, and for sums over all books. Not here: what
`seatline verify` proves of seats, lines and each payment; how it came about; and waiting.

While the service still works, `verify` has patience with it, and this has none: whoever asks, asks again until all is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.event_batches import events_of_batches
from tests.support.replica_set import MongoDatabase

Document = dict[str, Any]

LIVE = ("CONFIRMED", "WAITLISTED")
NEW_BOOKING = ("booking.confirmed", "booking.waitlisted")
SETTLE_PAYMENT = "settle payment"


@dataclass(frozen=True)
class Books:
    """All that is kept, by key. `at_rest` are bookings as they were copied; `bookings` as they are."""

    runs: dict[str, Document]
    at_rest: dict[str, Document]
    payments: dict[str, Document]
    ledger: dict[str, Document]
    events: dict[str, Document]
    jobs: dict[str, Document]

    @property
    def bookings(self) -> dict[str, Document]:
        return self.at_rest | {one["_id"]: one for run in self.runs.values() for one in run["recent"]}


def read_books(database: MongoDatabase) -> Books:
    """The books as they are. They are read one after the other, so they may disagree while the service works."""
    names = ("train_runs", "bookings", "payments", "ledger", "jobs")
    runs, at_rest, payments, ledger, jobs = [{one["_id"]: one for one in database[name].find()} for name in names]
    events = {one["_id"]: one for one in events_of_batches(database["events"].find())}
    return Books(runs, at_rest, payments, ledger, events, jobs)


def find_inconsistencies(database: MongoDatabase) -> list[str]:
    """All that is not done yet, or does not add up, in sentences."""
    books = read_books(database)
    return [*_money(books), *_totals(books), *_events(books), *_jobs(books), *_copies(books)]


def _money(books: Books) -> Iterator[str]:
    """All that bookings charge is taken, all that they give back is given back, and no other money is set aside."""
    paying = {one["payment_id"]: one for one in books.bookings.values() if one.get("payment_id")}
    for payment_id, booking in paying.items():
        payment = books.payments.get(payment_id)
        if payment is None or payment["state"] != "CAPTURED":
            yield f"{booking['_id']} is not paid: {payment and payment['state']}"
            continue
        refunds = {one["id"] for one in booking.get("refunds", [])}
        done = {one["id"] for one in payment["refunds"] if one["state"] == "DONE"}
        if done != refunds:
            yield f"{booking['_id']} gives back {sorted(refunds)}, and done is {sorted(done)}"
    for payment_id, payment in books.payments.items():
        if payment_id not in paying and payment["state"] == "AUTHORIZED":
            yield f"{payment_id} is AUTHORIZED for nothing"
    known_entries = {payment["authorization_id"] for payment in books.payments.values()}
    for key, entry in books.ledger.items():
        if key not in known_entries and entry["state"] == "AUTHORIZED":
            yield f"the ledger's {key} is AUTHORIZED for no payment"


def _totals(books: Books) -> Iterator[str]:
    """All money that was taken and not given back is the price of somebody's seat or place in a line.

    That is so where everybody who cancels gets everything back, which tests do long before the train leaves.
    """
    taken = sum(entry["captured_minor"] for entry in books.ledger.values())
    given_back = sum(one["amount_minor"] for entry in books.ledger.values() for one in entry["refunds"])
    live = [one for one in books.bookings.values() if one["state"] in LIVE]
    prices = sum(passenger["fare_minor"] for one in live for passenger in one["passengers"])
    if taken - given_back != prices:
        yield f"{taken} was taken and {given_back} given back for seats and places of {prices}"


def _events(books: Books) -> Iterator[str]:
    """Each booking was told of once when it was made and again as it is now, and all that was told is followed up."""
    for run in books.runs.values():
        for event in events_of_batches(run["outbox"]):
            if event["_id"] not in books.events:
                yield f"{event['_id']} is not copied yet"
    made = Counter(event["subject"] for event in books.events.values() if event["type"] in NEW_BOOKING)
    # The version of the commit that told of it is the second part of an event's name.
    last = {(event["subject"], int(event["_id"].split(":")[-2])) for event in books.events.values()}
    for reference, booking in books.bookings.items():
        if made[reference] != 1:
            yield f"{reference} was told of {made[reference]} times as new"
        if (reference, booking["revision"]) not in last:
            yield f"{reference}: nobody was told of revision {booking['revision']}"
    for reference in made.keys() - books.bookings.keys():
        yield f"{reference} was told of and does not exist"
    for event in books.events.values():
        if "is_new" in event:
            yield f"{event['_id']} is not followed up"


def _jobs(books: Books) -> Iterator[str]:
    """There is a job for each event about money, and all of them are done."""
    for event_id, event in books.events.items():
        if event["data"]["payment_id"] and f"{SETTLE_PAYMENT} {event_id}" not in books.jobs:
            yield f"nobody was asked to settle {event_id}"
    for job_id, job in books.jobs.items():
        if job["kind"] == SETTLE_PAYMENT and job["state"] != "DONE":
            yield f"{job_id} is {job['state']}: {job['last_error']}"


def _copies(books: Books) -> Iterator[str]:
    """What is still in a run's document rests outside of it as well."""
    for run in books.runs.values():
        for one in run["recent"]:
            if books.at_rest.get(one["_id"], {"revision": 0})["revision"] < one["revision"]:
                yield f"{one['_id']} is not at rest"
