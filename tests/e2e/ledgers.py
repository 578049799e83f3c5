"""Comparisons of what the service stores: bookings, payments, the ledger, events and jobs.

Belongs here: reading all of it, and describing what is unfinished or does not add up. Not here: what `seatline verify` proves
about seats, waitlists and each payment; the causes; and waiting.

`verify` tolerates unfinished work for a while; this does not. Tests repeat it until all work is done.
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
    """All stored records by key. `archived` has the archived bookings, `bookings` the current ones."""

    runs: dict[str, Document]
    archived: dict[str, Document]
    payments: dict[str, Document]
    ledger: dict[str, Document]
    events: dict[str, Document]
    jobs: dict[str, Document]

    @property
    def bookings(self) -> dict[str, Document]:
        return self.archived | {booking["_id"]: booking for run in self.runs.values() for booking in run["recent"]}


def read_books(database: MongoDatabase) -> Books:
    """Read all collections, one after the other: they may be inconsistent while the service works."""
    names = ("train_runs", "bookings", "payments", "ledger", "jobs")
    runs, archived, payments, ledger, jobs = [{record["_id"]: record for record in database[name].find()} for name in names]
    events = {event["_id"]: event for event in events_of_batches(database["events"].find())}
    return Books(runs, archived, payments, ledger, events, jobs)


def find_inconsistencies(database: MongoDatabase) -> list[str]:
    """Describe everything that is unfinished or does not add up."""
    books = read_books(database)
    return [*_money(books), *_totals(books), *_events(books), *_jobs(books), *_copies(books)]


def _money(books: Books) -> Iterator[str]:
    """Check that every charge is captured, every refund is made, and no other money is authorized."""
    paying = {booking["payment_id"]: booking for booking in books.bookings.values() if booking.get("payment_id")}
    for payment_id, booking in paying.items():
        payment = books.payments.get(payment_id)
        if payment is None or payment["state"] != "CAPTURED":
            yield f"{booking['_id']} is not paid: {payment and payment['state']}"
            continue
        refunds = {refund["id"] for refund in booking.get("refunds", [])}
        done = {refund["id"] for refund in payment["refunds"] if refund["state"] == "DONE"}
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
    given_back = sum(refund["amount_minor"] for entry in books.ledger.values() for refund in entry["refunds"])
    live = [booking for booking in books.bookings.values() if booking["state"] in LIVE]
    prices = sum(passenger["fare_minor"] for booking in live for passenger in booking["passengers"])
    if taken - given_back != prices:
        yield f"{taken} was taken and {given_back} given back for seats and places of {prices}"


def _events(books: Books) -> Iterator[str]:
    """Check that each booking has one event of its creation and one of its present state, and that all events are processed."""
    for run in books.runs.values():
        for event in events_of_batches(run["outbox"]):
            if event["_id"] not in books.events:
                yield f"{event['_id']} is not copied yet"
    made = Counter(event["subject"] for event in books.events.values() if event["type"] in NEW_BOOKING)
    # The second part of an event's id is the version of its commit.
    last = {(event["subject"], int(event["_id"].split(":")[-2])) for event in books.events.values()}
    for reference, booking in books.bookings.items():
        if made[reference] != 1:
            yield f"{reference} has {made[reference]} events as new"
        if (reference, booking["revision"]) not in last:
            yield f"{reference}: no event has revision {booking['revision']}"
    for reference in made.keys() - books.bookings.keys():
        yield f"{reference} has events and does not exist"
    for event in books.events.values():
        if "is_new" in event:
            yield f"{event['_id']} is not followed up"


def _jobs(books: Books) -> Iterator[str]:
    """Check that there is a job for each event about money, and that all are done."""
    for event_id, event in books.events.items():
        if event["data"].get("payment_id") and f"{SETTLE_PAYMENT} {event_id}" not in books.jobs:
            yield f"nobody was asked to settle {event_id}"
    for job_id, job in books.jobs.items():
        if job["kind"] == SETTLE_PAYMENT and job["state"] != "DONE":
            yield f"{job_id} is {job['state']}: {job['last_error']}"


def _copies(books: Books) -> Iterator[str]:
    """Check that every booking in a run's document is archived."""
    for run in books.runs.values():
        for booking in run["recent"]:
            if books.archived.get(booking["_id"], {"revision": 0})["revision"] < booking["revision"]:
                yield f"{booking['_id']} is not archived"
