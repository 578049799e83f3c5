"""The verdict on a code: whether it is a ticket, as far as one can know without a connection.

Belongs here: the rules. Does not belong here: checking signatures (`app/tickets/signing.py`), reading files, printing.

There is never a wrong no. A list that is missing, old, of another run, or older than the code gives UNKNOWN: then ask a server.
The rules, in order:

1. No code, a damaged one, or a signature that its key did not make: INVALID. A key or version that is not known here: UNKNOWN.
2. The end of its validity has passed: INVALID. It is so late that the train has arrived, whatever its delay.
3. A code of another run than the one that is named: WRONG_TRAIN.
4. No list, one of another run, or one that is not new enough: UNKNOWN.
5. The passenger is not in the list, or the code is newer than what the list says of the passenger: UNKNOWN.
6. The list says that the passenger is cancelled: CANCELLED.
7. The list has the same seat and legs: VALID, whatever the revision. Names and times do not matter here.
8. The list has a higher revision with another seat, no seat, or other legs: SUPERSEDED. Else: UNKNOWN.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from app.domain import limits
from app.domain.ticket.code import MalformedCodeError, NewerCodeError, SignedCode, TicketCode
from app.domain.ticket.inspection import InspectionList, ListedState, ListedTicket
from app.domain.values import value


class Verdict(StrEnum):
    """What a code is."""

    VALID = "VALID"
    SUPERSEDED = "SUPERSEDED"  # there is a newer ticket, with another seat or journey
    CANCELLED = "CANCELLED"
    WRONG_TRAIN = "WRONG_TRAIN"
    INVALID = "INVALID"
    UNKNOWN = "UNKNOWN"  # nothing wrong was found, and nothing proves it: ask a server


class SignatureCheck(StrEnum):
    """What the check of a signature gave."""

    GENUINE = "GENUINE"
    FORGED = "FORGED"
    UNKNOWN_KEY = "UNKNOWN_KEY"


@value(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason, a sentence without a full stop. `code` is what the code says; None where it says nothing.

    For SUPERSEDED, `listed` is what holds instead.
    """

    verdict: Verdict
    reason: str
    code: TicketCode | None = None
    listed: ListedTicket | None = None


@value(frozen=True, slots=True)
class InspectionTerms:
    """What a code is judged by: the run on which the inspector is, empty for any; a list with a good signature; its age."""

    now: datetime
    run_id: str = ""
    inspection_list: InspectionList | None = None
    list_age_max: timedelta = timedelta(minutes=limits.INSPECTION_LIST_MINUTES_MAX)


def judge_unreadable(error: MalformedCodeError) -> Judgement:
    """Return the judgement of a text that is no code."""
    return Judgement(Verdict.UNKNOWN if isinstance(error, NewerCodeError) else Verdict.INVALID, str(error))


def judge(signed: SignedCode, check: SignatureCheck, terms: InspectionTerms) -> Judgement:
    """Return the judgement of a code."""
    code = signed.code
    if check is SignatureCheck.UNKNOWN_KEY:
        return Judgement(Verdict.UNKNOWN, f"key {code.key_id} is not among the keys; get the newest ones from a server", code)
    if check is SignatureCheck.FORGED:
        return Judgement(Verdict.INVALID, f"key {code.key_id} did not sign this code", None)
    if terms.now > code.valid_until:
        return Judgement(Verdict.INVALID, f"it was valid until {code.valid_until:%Y-%m-%d %H:%M} UTC", code)
    if terms.run_id and terms.run_id != code.run_id:
        return Judgement(Verdict.WRONG_TRAIN, f"it is for {code.run_id}, not for {terms.run_id}", code)
    reason = _fault_of_list(code, terms)
    return Judgement(Verdict.UNKNOWN, reason, code) if reason else _judge_by_list(code, terms.inspection_list)


def _fault_of_list(code: TicketCode, terms: InspectionTerms) -> str:
    """Return why the list cannot decide on the code; empty where it can."""
    inspection = terms.inspection_list
    if inspection is None:
        return "the signature is good; without a list, nobody knows whether it still holds"
    if inspection.run_id != code.run_id:
        return f"the signature is good; the list is of {inspection.run_id}, the code of {code.run_id}"
    age = terms.now - inspection.issue_time
    if age > terms.list_age_max:
        return f"the signature is good; the list is {age // timedelta(minutes=1)} minutes old"
    if -age > timedelta(seconds=limits.REPORT_AHEAD_SECONDS_MAX):
        return "the signature is good; the list comes from the future: set the clock of this machine"
    return ""


def _judge_by_list(code: TicketCode, inspection: InspectionList | None) -> Judgement:
    listed = inspection.find(code.reference, code.passenger_number) if inspection else None
    if listed is None:
        return Judgement(Verdict.UNKNOWN, "the signature is good; the list does not have it, so it may be newer", code)
    if code.revision > listed.revision:
        return Judgement(Verdict.UNKNOWN, "the signature is good; the code is newer than the list", code)
    if listed.state is ListedState.CANCELLED:
        return Judgement(Verdict.CANCELLED, "it was cancelled", code, listed)
    if _is_same_place(code, listed):
        return Judgement(Verdict.VALID, "the list has it with this seat", code, listed)
    if code.revision < listed.revision:
        instead = f"seat {listed.seat.label}" if listed.seat else "no seat"
        return Judgement(Verdict.SUPERSEDED, f"there is a newer ticket, with {instead}", code, listed)
    return Judgement(Verdict.UNKNOWN, "the signature is good; code and list contradict each other", code, listed)


def _is_same_place(code: TicketCode, listed: ListedTicket) -> bool:
    """Whether seat and legs are the same. Coaches may be renamed; a seat's section and number stay its own."""
    if listed.seat is None or listed.legs != code.legs:
        return False
    return (listed.seat.section, listed.seat.number) == (code.seat.section, code.seat.number)
