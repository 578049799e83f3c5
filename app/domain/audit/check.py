"""Checks and findings of the audit: what a rule is, how rules are run, and what they report.

Belongs here: the names of the checks, what a finding is, and running a list of rules over a record. Does not belong here: the
rules (the other modules of this folder), or which rules there are (`rules.py` lists them all).

A rule looks at one record together with what it is compared with, and yields a line for each contradiction. It never repairs
anything and never stops at the first contradiction. Its record may be broken in any way: what a rule cannot evaluate is a
finding, too.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Generic, TypeVar

from app.domain.refusals import Refusal
from app.domain.values import value

RecordT = TypeVar("RecordT")


class Check(StrEnum):
    """The invariants, by the names that findings carry."""

    READABLE = "readable"  # the service can decode every document
    SOLD_ONCE = "sold-once"  # no seat is sold twice on a leg
    SOLD_LEGS = "sold-legs"  # the sold legs of each seat are those of its bookings, holds and reservation
    INVENTORY = "inventory"  # counter, freed legs and sold legs account for every seat
    RETIRED_SEATS = "retired-seats"  # seats that were removed are sold to nobody
    ONE_BOOKING = "one-booking"  # no passenger is on two live bookings of a run
    PASSENGER_NUMBERS = "passenger-numbers"  # each passenger of a booking has a number of its own
    WAITLIST = "waitlist"  # the waitlist consists of the run's waitlisted bookings
    PROMOTIONS = "promotions"  # no booking waits while its seats are free and the waitlist is open
    REVISIONS = "revisions"  # no booking is newer than its run
    REFERENCES = "references"  # a reference stands for one booking of one run
    BALANCE = "balance"  # captures and refunds are those that bookings state
    RECORDED = "recorded"  # every charge has a payment
    CHARGED_FOR = "charged-for"  # no money is captured without a booking
    CAPTURED_ONCE = "captured-once"  # no money is captured twice for a booking
    VOIDED = "voided"  # authorizations without a booking are voided
    LEDGER = "ledger"  # ledger entries agree with payments
    FIELDS = "fields"  # fields that a record stores twice agree
    SHAPE = "shape"  # a record is one that the service could have stored
    JOURNEYS = "journeys"  # bookings have the stops, legs and times of their run
    COACHES = "coaches"  # seats are in the coach that contains them
    FARES = "fares"  # fares are those of the section; charges and refunds follow from them
    NAMES = "names"  # references and payment ids follow from their requests
    STATES = "states"  # the fields of a booking are possible in its state
    HISTORY = "history"  # bookings agree with their events
    LAYOUT = "layout"  # a run has the stops, sections and terms of its train, or a layout of its own that is possible
    TRAIN_VERSIONS = "train-versions"  # earlier versions of a train are those that it had
    LAYOUT_JOBS = "layout-jobs"  # layout jobs and their outcomes agree with trains and runs, and come to an end
    MOMENTS = "moments"  # the times of a run's document agree with its contents
    DELAYS = "delays"  # delays and arrivals of a run are possible, and those of its events
    CLOCK = "clock"  # a run departs and ends by its expected times
    CANCELLATIONS = "cancellations"  # a cancelled run leaves nobody on it, and everybody got everything back once
    SALES_WINDOWS = "sales-windows"  # nobody bought before the sale opened
    HOLDS = "holds"  # holds are for a journey, at its fare, and end in time
    ATTEMPTS = "attempts"  # the state of a payment follows from the provider's answers
    JOB_FIELDS = "job-fields"  # the state of a job follows from its attempts and its event
    DELIVERIES = "deliveries"  # the state of a delivery follows from its attempts and its event
    NOTICE_FIELDS = "notice-fields"  # the id, state and times of a notice follow from its cause and its attempts
    NOTICES = "notices"  # notices are about a booking and what happened to it, go to its people, and none is lost
    EVENTS = "events"  # events are processed soon
    JOBS = "jobs"  # no job is dead
    DUE = "due"  # holds expire and waitlists close in time


class WarningText(str):
    """A line that asks an operator to check, and by itself contradicts nothing."""

    __slots__ = ()


@value(frozen=True, slots=True)
class Finding:
    """One contradiction: the check that found it, the record that it is about, and a line of text."""

    check: Check
    subject: str
    text: str
    is_warning: bool = False


@value(frozen=True, slots=True)
class Rule(Generic[RecordT]):
    """A rule of a check. `find_problems` yields a line for each contradiction; a WarningText becomes a warning."""

    check: Check
    find_problems: Callable[[RecordT], Iterator[str]]


def run_rules(rules: Sequence[Rule[RecordT]], subject: str, record: RecordT) -> list[Finding]:
    """Run each rule over the record, and return its findings under `subject`."""
    findings: list[Finding] = []
    for rule in rules:
        try:
            findings.extend(
                Finding(rule.check, subject, str(text), isinstance(text, WarningText)) for text in rule.find_problems(record)
            )
        except (Refusal, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            findings.append(Finding(rule.check, subject, f"cannot be checked: {error!r}"))
    return findings
