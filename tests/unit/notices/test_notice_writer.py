"""Notices in words: every kind in every situation and language, and what each has to say."""

from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest

from app.domain.booking import RefundReason
from app.domain.notices.notice import NoticeKind
from app.domain.notices.preferences import Language
from app.domain.people import Person
from app.notifications.mail_message import MailSender
from app.notifications.notice_writer import SHORT_TEXT_LENGTH_MAX, open_notice_writer
from app.ports.notices import DocumentError, NoticeContent, NoticeText
from tests.support.builders import NOW, a_run, a_stop, book
from tests.support.notice_contents import (
    JANE,
    REFUNDS,
    SITUATIONS,
    a_cancelled_booking,
    a_content,
    a_waitlisted_booking,
    an_expired_booking,
    cancelled_from,
    late_by,
)

WRITER = open_notice_writer(MailSender("tickets@rail.example", "Rail"))
VOID = frozenset({"meta", "br"})
ATTACK = Person('<script>alert("x")</script>', "{reference} {{ 7 * 7 }} & %s", "eve@example.com")
NAMES = ("Zoë Müller", "Νίκος", "Дмитрий", "Nguyễn", "محمد", "שרה", "हिन्दी", "สมชาย", "山田 太郎", "김민준")


class Page(HTMLParser):
    """Reads a page: its open elements, which have to match, its text, links and number of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links.extend(value or "" for name, value in attrs if name == "href")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def write(kind: NoticeKind, *people: Person, **changed: Any) -> NoticeText:
    return WRITER.write(a_content(kind, *people, **changed))


def all_contents() -> Iterator[NoticeContent]:
    for kind, make, language in product(NoticeKind, SITUATIONS.values(), Language):
        yield replace(make(kind), language=language)


def test_every_kind_is_written_in_every_situation_and_language() -> None:
    for content in all_contents():
        text = WRITER.write(content)
        page = Page(text.html)

        assert page.open == []
        assert len(text.short) <= SHORT_TEXT_LENGTH_MAX
        assert content.booking.reference in text.subject
        assert content.booking.reference in text.short
        for part in (text.subject, text.plain, page.text.replace("@media (prefers-color-scheme: dark) {", ""), text.short):
            assert "None" not in part
            assert "{reference}" not in part
        assert "\n\n\n" not in text.plain


def test_every_kind_has_bare_facts_in_every_situation() -> None:
    for content in all_contents():
        facts = WRITER.write_facts(content)

        assert content.booking.reference in facts.subject
        assert "2026-09-01" in facts.plain
        assert len(facts.short) <= SHORT_TEXT_LENGTH_MAX


def test_no_subject_and_no_sms_names_anybody() -> None:
    for content in all_contents():
        text, facts = WRITER.write(content), WRITER.write_facts(content)

        assert not [part for part in (text.subject, text.short, facts.subject, facts.short) if "Jane" in part or "Doe" in part]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_is_shown_as_it_is(name: str) -> None:
    text = write(NoticeKind.TICKET, Person(name, "X", "jane@example.com"), recipient_name=name)

    assert name in text.plain
    assert f"<bdi>{name} X</bdi>" in text.html
    assert f"<bdi>{name}</bdi>" in text.html


def test_a_long_name_may_break_anywhere() -> None:
    html = write(NoticeKind.TICKET, Person("W" * 100, "Doe", "w@example.com")).html

    (cell,) = [line for line in html.splitlines() if "W" * 100 in line and 'scope="row"' in line]
    assert "overflow-wrap:anywhere" in cell


def test_no_name_is_read_as_markup_or_template() -> None:
    stops = (a_stop("<i>Here</i>", depart="10:00"), a_stop("There & {x}", arrive="11:00"))
    run = a_run("A9", stops=stops)
    booking = book(run, ATTACK, origin="<i>Here</i>", destination="There & {x}")
    name = f"{ATTACK.first_name} {ATTACK.last_name}"

    text = WRITER.write(a_content(run=run, booking=booking, recipient_name=name))
    facts = WRITER.write_facts(a_content(run=run, booking=booking, recipient_name=name))

    page = Page(text.html)
    assert "script" not in page.seen + Page(facts.html).seen
    assert "i" not in page.seen + Page(facts.html).seen
    assert name in page.text
    assert name in text.plain


def test_a_mail_is_readable_by_a_screen_reader() -> None:
    html = write(NoticeKind.TICKET, language=Language.FRENCH).html

    assert '<html lang="fr"' in html
    assert html.count('role="presentation"') == 3
    assert "<h1" in html
    assert html.count('scope="col"') == 2
    assert '<meta name="color-scheme" content="light dark">' in html


def test_a_group_reads_all_its_seats() -> None:
    text = write(NoticeKind.TICKET)

    assert "Your 2 tickets" in text.subject
    assert "- Jane Doe, coach 1, seat A-1" in text.plain
    assert "- Tom Doe, coach 1, seat A-2" in text.plain
    assert text.short.endswith("Seats: A-1, A-2.")


def test_who_travels_alone_reads_of_one_ticket() -> None:
    assert write(NoticeKind.TICKET, JANE).subject.startswith("Your ticket ")
    assert "Votre billet est joint" in write(NoticeKind.TICKET, JANE, language=Language.FRENCH).plain


def test_times_are_those_of_the_stations() -> None:
    text = write(NoticeKind.TICKET)

    assert "Departs 10:24 London St Pancras" in text.plain
    assert "Arrives 13:56 Paris Gare du Nord" in text.plain


def test_an_arrival_on_the_next_day_says_its_date() -> None:
    stops = (a_stop("Paris", "Europe/Paris", depart="22:00"), a_stop("Wien", "Europe/Vienna", arrive="08:00+1"))
    run = a_run("A9", stops=stops)
    booking = book(run, origin="Paris", destination="Wien")

    assert "Arrives 08:00, 2 Sept Wien" in WRITER.write(a_content(run=run, booking=booking)).plain


def test_a_late_train_reads_both_times() -> None:
    text = write(NoticeKind.DELAYED, schedule=late_by(40))

    assert text.subject.startswith("40 minutes late")
    assert "Departs 10:24 London St Pancras (expected 11:04)" in text.plain
    assert "Reason: a fault of tracks or signals." in text.plain
    assert "(40 minutes late)" in text.short


def test_a_train_that_makes_up_its_time_is_late_at_its_departure() -> None:
    assert write(NoticeKind.DELAYED, schedule=late_by(10, 5, 0, 0)).subject.startswith("10 minutes late")


def test_a_delay_that_ended_is_said_as_such() -> None:
    text = write(NoticeKind.DELAYED, schedule=late_by(0))

    assert text.subject.startswith("On time again")
    assert "expected 1" not in text.plain
    assert "Reason" not in text.plain


@pytest.mark.parametrize(("minutes", "is_free"), [(59, False), (60, True)])
def test_a_very_late_train_may_be_cancelled_free_of_charge(minutes: int, is_free: bool) -> None:
    assert ("free of charge" in write(NoticeKind.DELAYED, schedule=late_by(minutes)).plain) == is_free


def test_a_ticket_for_a_late_train_says_so() -> None:
    assert "expected 40 minutes late at Paris" in write(NoticeKind.TICKET, schedule=late_by(40)).plain


def test_a_place_on_the_waitlist_is_said() -> None:
    text = write(NoticeKind.WAITLISTED, booking=a_waitlisted_booking(), waitlist_position=3, tickets=())

    assert "You are number 3 on the waitlist." in text.plain
    assert "- Jane Doe, on the waitlist" in text.plain
    assert "PDF" not in text.plain


def test_a_booking_that_ended_has_no_place_any_more() -> None:
    expired = write(NoticeKind.WAITLIST_EXPIRED, booking=an_expired_booking(), tickets=())
    refunded = write(NoticeKind.REFUNDED, booking=a_cancelled_booking(), refunds=REFUNDS, tickets=())

    assert "- Jane Doe, no seat" in expired.plain
    assert "- Jane Doe, cancelled" in refunded.plain


def test_whoever_lost_a_seat_reads_what_follows() -> None:
    text = write(NoticeKind.MOVED, booking=a_waitlisted_booking(), tickets=())

    assert "does not have seats for all of you" in text.plain
    assert "They get the next seats" in text.plain


def test_new_seats_make_old_tickets_useless() -> None:
    assert "show the old seats" in write(NoticeKind.SEAT_CHANGED).plain
    assert "show the old seats" not in write(NoticeKind.TICKET).plain


def test_a_cancelled_train_says_why() -> None:
    text = write(NoticeKind.RUN_CANCELLED, schedule=cancelled_from(0), tickets=())

    assert "is cancelled. So is your booking" in text.plain
    assert "Reason: a strike." in text.plain


def test_a_train_that_ends_early_says_where() -> None:
    assert "ends at Lille" in write(NoticeKind.RUN_CANCELLED, schedule=cancelled_from(2), tickets=()).plain


def test_those_who_still_travel_are_told_apart_from_those_who_do_not() -> None:
    both = a_content()
    text = WRITER.write(
        replace(both, kind=NoticeKind.PASSENGERS_CANCELLED, passengers=both.passengers[1:], tickets=both.tickets[:1])
    )

    assert "Passengers\n- Tom Doe, cancelled" in text.plain
    assert "Still travelling\n- Jane Doe, coach 1, seat A-1" in text.plain


def test_refunds_are_listed_with_their_sum() -> None:
    text = write(NoticeKind.REFUNDED, booking=a_cancelled_booking(), refunds=REFUNDS, tickets=())

    assert "- Cancellation, by the terms of sale, US$12.34" in text.plain
    assert "- Total, US$32.34" in text.plain
    assert "US$32.34 in all" in text.short


def test_only_the_booker_reads_of_money() -> None:
    text = write(NoticeKind.BOOKING_CANCELLED, booking=a_cancelled_booking(), refunds=REFUNDS, is_whole_booking=False)

    assert "US$" not in text.plain + text.html


def test_a_cancellation_without_refund_says_so() -> None:
    booking = replace(a_cancelled_booking(), refunds=(), charged_minor=4_000)

    assert "no money is returned" in write(NoticeKind.BOOKING_CANCELLED, booking=booking, tickets=()).plain


@pytest.mark.parametrize("reason", list(RefundReason))
def test_every_reason_of_a_refund_is_said(reason: RefundReason) -> None:
    refunds = (replace(REFUNDS[0], reason=reason, time=NOW),)

    assert "US$12.34" in write(NoticeKind.REFUNDED, refunds=refunds).plain


def test_a_mail_without_its_pdf_says_that_it_follows() -> None:
    text = write(NoticeKind.TICKET, has_pdf=False, pdf_follows=True)

    assert "They follow in a mail of their own" in text.plain
    assert "give your booking reference" in text.plain
    assert "attached as a PDF" not in text.plain


def test_only_a_reminder_offers_to_be_stopped() -> None:
    reminder = write(NoticeKind.DEPARTURE_REMINDER, unsubscribe_token="token")

    assert Page(reminder.html).links == ["mailto:tickets@rail.example?subject=unsubscribe%20token"]
    assert Page(write(NoticeKind.TICKET).html).links == []


def test_a_gateway_is_linked_where_there_is_one() -> None:
    writer = open_notice_writer(MailSender("tickets@rail.example", "Rail", "https://rail.example/stop/{token}"))

    html = writer.write(a_content(NoticeKind.DELAYED, schedule=late_by(5), unsubscribe_token="a+b")).html

    assert Page(html).links == ["https://rail.example/stop/a%2Bb"]
    assert "Stop mails about small delays" in html


def test_an_sms_stays_short_whatever_the_names() -> None:
    long, longer = "L" * 100, "M" * 100
    run = a_run("A9", stops=(a_stop(long, depart="10:00"), a_stop(longer, arrive="11:00")))
    booking = book(run, *(Person(f"P{number}", "Doe", "") for number in range(8)), JANE, origin=long, destination=longer)

    for kind in NoticeKind:
        text = WRITER.write(a_content(kind, run=run, booking=booking)).short
        assert len(text) <= SHORT_TEXT_LENGTH_MAX
        assert booking.reference in text


def with_unknown_zone() -> NoticeContent:
    """Return a content that no words can be made of: its stations have a zone that this process does not know."""
    content = a_content()
    content.schedule.stops = tuple(replace(stop, time_zone="Mars/Olympus") for stop in content.schedule.stops)
    return content


def test_a_fault_of_the_texts_is_an_error_that_names_nobody() -> None:
    with pytest.raises(DocumentError) as raised:
        WRITER.write(with_unknown_zone())

    assert str(raised.value) == "KeyError in the texts of TICKET"


def test_bare_facts_of_a_booking_that_ended_have_no_places() -> None:
    assert "- Tom Doe: coach 1, seat A-2" in WRITER.write_facts(a_content()).plain
    assert "- Tom Doe\n" in WRITER.write_facts(a_content(NoticeKind.REFUNDED, booking=a_cancelled_booking())).plain
    assert "- Tom Doe\n" in WRITER.write_facts(a_content(NoticeKind.WAITLIST_EXPIRED, booking=an_expired_booking())).plain


def test_bare_facts_do_not_need_a_known_zone() -> None:
    assert "2026-09-01 09:24 UTC London St Pancras" in WRITER.write_facts(with_unknown_zone()).plain
