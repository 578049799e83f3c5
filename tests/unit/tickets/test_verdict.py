"""The verdict of an inspector without a connection: never a wrong no."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.booking import Booking
from app.domain.run.train_run import TrainRun
from app.domain.ticket.code import SignedCode, bytes_to_sign, code_of, code_text, read_code
from app.domain.ticket.inspection import MalformedListError, decode_list, encode_list
from app.domain.ticket.verdict import InspectionTerms, SignatureCheck, Verdict, judge
from app.tickets.signing import TicketKeys
from tests.support.builders import (
    LILLE,
    LONDON,
    NOW,
    a_run,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    move,
)
from tests.support.tickets import a_list, a_signer, a_ticket, tickets_of

RUN_ID = "es9014:2026-09-01"


def verdict_of(signed: SignedCode, terms: InspectionTerms) -> Verdict:
    """Return the verdict on a code by the keys of this service."""
    return judge(signed, a_signer().keys.check_code(signed), terms).verdict


def the_code(run: TrainRun, booking: Booking, position: int = 0) -> SignedCode:
    """Return the code of a passenger."""
    return read_code(a_signer().ticket_code(tickets_of(run, booking)[position]))


def test_a_ticket_in_a_new_list_is_valid() -> None:
    run = a_run()
    code = the_code(run, book(run, "jane"))

    assert verdict_of(code, InspectionTerms(NOW, RUN_ID, a_list(run))) is Verdict.VALID
    assert verdict_of(code, InspectionTerms(NOW, "", a_list(run))) is Verdict.VALID


def test_a_ticket_of_another_seat_is_superseded_after_the_seat_changed() -> None:
    run = a_run()
    booking = book(run, "jane")
    before = the_code(run, booking)
    after = the_code(run, move(run, booking, section="A", number=3))
    terms = InspectionTerms(NOW, RUN_ID, a_list(run))

    judgement = judge(before, a_signer().keys.check_code(before), terms)

    assert (judgement.verdict, judgement.reason) == (Verdict.SUPERSEDED, "there is a newer ticket, with seat A-3")
    assert verdict_of(after, terms) is Verdict.VALID


def test_a_ticket_with_the_same_seat_stays_valid_whatever_else_changed() -> None:
    run = a_run()
    booking = book(run, "jane", "joe")
    code = the_code(run, booking)
    cancel(run, booking, 2)

    assert current_booking(run, booking).revision > code.code.revision
    assert verdict_of(code, InspectionTerms(NOW, RUN_ID, a_list(run))) is Verdict.VALID


def test_a_cancelled_passenger_and_a_cancelled_booking_are_cancelled() -> None:
    run = a_run()
    booking = book(run, "jane", "joe")
    jane, joe = the_code(run, booking), the_code(run, booking, 1)

    cancel(run, booking, 2)
    assert verdict_of(joe, InspectionTerms(NOW, RUN_ID, a_list(run))) is Verdict.CANCELLED

    cancel(run, booking)
    assert verdict_of(jane, InspectionTerms(NOW, RUN_ID, a_list(run))) is Verdict.CANCELLED


def test_a_ticket_whose_seat_was_taken_away_is_superseded() -> None:
    run = a_run("A4")
    code = the_code(run, book(run, "jane"))
    listed = a_list(run)
    (entry,) = listed.tickets
    without_seat = replace(listed, tickets=(replace(entry, seat=None, revision=entry.revision + 1),))

    assert verdict_of(code, InspectionTerms(NOW, RUN_ID, without_seat)) is Verdict.SUPERSEDED


def test_a_seat_whose_coach_was_renamed_stays_valid() -> None:
    run = a_run()
    code = the_code(run, book(run, "jane"))
    listed = a_list(run)
    (entry,) = listed.tickets
    assert entry.seat is not None
    renamed = replace(entry, seat=replace(entry.seat, coach="12"), revision=entry.revision + 1)

    assert verdict_of(code, InspectionTerms(NOW, RUN_ID, replace(listed, tickets=(renamed,)))) is Verdict.VALID


def test_a_ticket_for_another_run_is_for_the_wrong_train_even_without_a_list() -> None:
    run = a_run()
    code = the_code(run, book(run, "jane"))

    assert verdict_of(code, InspectionTerms(NOW, "es9014:2026-09-02")) is Verdict.WRONG_TRAIN
    assert verdict_of(code, InspectionTerms(NOW, "es9016:2026-09-01", a_list(run))) is Verdict.WRONG_TRAIN


def test_what_a_list_cannot_know_is_unknown() -> None:
    run = a_run()
    empty = a_list(run)
    booking = book(run, "jane")
    code = the_code(run, booking)
    first = a_list(run)
    newer = the_code(run, move(run, booking, section="A", number=3))
    hour = timedelta(minutes=limits.INSPECTION_LIST_MINUTES_MAX)

    for terms, signed in {
        "no list": (InspectionTerms(NOW, RUN_ID), code),
        "not in the list": (InspectionTerms(NOW, RUN_ID, empty), code),
        "newer than the list": (InspectionTerms(NOW, RUN_ID, first), newer),
        "an old list": (InspectionTerms(NOW + hour + timedelta(seconds=1), RUN_ID, first), code),
        "a list from the future": (InspectionTerms(NOW - hour, RUN_ID, first), code),
        "a list of another day": (InspectionTerms(NOW, RUN_ID, replace(first, travel_date="2026-09-02")), code),
    }.values():
        assert verdict_of(signed, terms) is Verdict.UNKNOWN
    assert verdict_of(code, InspectionTerms(NOW + hour, RUN_ID, first)) is Verdict.VALID


def test_an_old_list_does_not_make_a_cancelled_ticket_wrong() -> None:
    run = a_run()
    booking = book(run, "jane")
    code = the_code(run, booking)
    cancel(run, booking)

    assert verdict_of(code, InspectionTerms(NOW + timedelta(days=1), RUN_ID, a_list(run))) is Verdict.UNKNOWN


def test_a_forged_code_is_invalid_and_says_nothing() -> None:
    ticket = a_ticket()
    content = bytes_to_sign(code_of(ticket, a_signer().key_id))
    forged = read_code(code_text(content, a_signer("forger").sign(content)))

    judgement = judge(forged, a_signer().keys.check_code(forged), InspectionTerms(NOW))

    assert (judgement.verdict, judgement.code) == (Verdict.INVALID, None)


def test_every_changed_byte_of_a_code_is_noticed() -> None:
    signed = read_code(a_signer().ticket_code(a_ticket()))

    for index in range(len(signed.signed_bytes)):
        changed = bytearray(signed.signed_bytes)
        changed[index] ^= 1
        assert a_signer().keys.check(a_signer().key_id, bytes(changed), signed.signature) is SignatureCheck.FORGED


def test_a_key_that_the_inspector_does_not_have_yet_is_no_reason_to_say_no() -> None:
    signed = read_code(a_signer("next").ticket_code(a_ticket()))

    assert judge(signed, a_signer().keys.check_code(signed), InspectionTerms(NOW)).verdict is Verdict.UNKNOWN


def test_tickets_of_the_key_before_stay_valid_after_a_rotation() -> None:
    run = a_run()
    signed = read_code(a_signer("before").ticket_code(tickets_of(run, book(run, "jane"))[0]))
    keys = TicketKeys((*a_signer().keys.public_keys.values(), *a_signer("before").keys.public_keys.values()))

    assert judge(signed, keys.check_code(signed), InspectionTerms(NOW, RUN_ID, a_list(run))).verdict is Verdict.VALID


def test_a_ticket_ends_when_no_delay_can_keep_the_train_on_its_way() -> None:
    run = a_run()
    code = the_code(run, book(run, "jane"))
    latest = code.code.valid_until
    fresh = replace(a_list(run), issue_time=latest)

    assert latest - run.schedule.scheduled_arrive_time == timedelta(minutes=limits.ARRIVAL_LATE_MINUTES_MAX)
    assert verdict_of(code, InspectionTerms(latest, RUN_ID, fresh)) is Verdict.VALID
    assert verdict_of(code, InspectionTerms(latest + timedelta(seconds=1), RUN_ID, fresh)) is Verdict.INVALID


def test_a_list_can_be_read_back_and_names_nobody() -> None:
    run = a_run("A2")
    book(run, "jane", origin=LONDON, destination=LILLE)
    fill(run)
    book_waitlisted(run, "walter")
    listed = a_list(run)

    content = encode_list(listed)

    assert decode_list(content) == listed
    assert {ticket.state.value for ticket in listed.tickets} == {"CONFIRMED", "WAITLISTED"}
    for personal in (b"jane", b"Jane", b"Doe", b"walter", b"example.com"):
        assert personal not in content


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b'{"tickets":1}', b"\xff", b"[" * 100_000])
def test_other_bytes_are_no_list(content: bytes) -> None:
    with pytest.raises(MalformedListError):
        decode_list(content)


def test_a_list_with_an_impossible_ticket_is_no_list() -> None:
    run = a_run()
    book(run, "jane")
    content = encode_list(a_list(run))

    for before, after in ((b'"CONFIRMED"', b'"ODD"'), (b'"legs":7', b'"legs":"7"'), (b"+00:00", b"")):
        assert before in content
        with pytest.raises(MalformedListError):
            decode_list(content.replace(before, after))
