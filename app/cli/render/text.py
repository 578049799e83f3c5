"""Texts of single values: money, times, states, seats, people, terms of sale.

Pure: values of the contract in, text out. Does not belong here: tables, pages and colours (the modules beside this one).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from app.cli.failures import printable
from app.pb.seatline.v1 import (
    booking_pb2,
    disruption_pb2,
    notice_pb2,
    passenger_pb2,
    payment_pb2,
    sales_window_pb2,
    seat_pb2,
    train_pb2,
    train_run_pb2,
    user_pb2,
    webhook_pb2,
)

NANOS_PER_UNIT = 10**9
# ISO 4217 currencies whose amounts do not have two decimals.
_DECIMALS = {"CLP": 0, "ISK": 0, "JPY": 0, "KRW": 0, "VND": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}
_DECIMALS_USUAL = 2
_PAYMENT_STATES: dict[int, str] = {
    payment_pb2.PAYMENT_STATE_AUTHORIZED: "authorized, not captured yet",
    payment_pb2.PAYMENT_STATE_CAPTURED: "captured",
    payment_pb2.PAYMENT_STATE_VOIDED: "voided, nothing was charged",
    payment_pb2.PAYMENT_STATE_DECLINED: "declined, the booking is being cancelled",
}
_REFUND_REASONS: dict[int, str] = {
    payment_pb2.REFUND_REASON_TERMS: "by the refund terms",
    payment_pb2.REFUND_REASON_WAITLIST: "in full, from the waitlist",
    payment_pb2.REFUND_REASON_DELAY: "in full, because the train is an hour late or more",
    payment_pb2.REFUND_REASON_RUN_CANCELLED: "in full, because the train is cancelled",
    payment_pb2.REFUND_REASON_LAYOUT: "because seats of the train were changed",
    payment_pb2.REFUND_REASON_FARE_DIFFERENCE: "because the new seat costs less",
}
_SKIP_REASONS: dict[int, str] = {
    notice_pb2.NOTICE_SKIP_REASON_SUPERSEDED: "newer content was sent",
    notice_pb2.NOTICE_SKIP_REASON_CANCELLED: "cancelled",
    notice_pb2.NOTICE_SKIP_REASON_LATE: "too late to be of use",
    notice_pb2.NOTICE_SKIP_REASON_SHORT: "the journey is short",
    notice_pb2.NOTICE_SKIP_REASON_UNSUBSCRIBED: "not wanted",
    notice_pb2.NOTICE_SKIP_REASON_NO_CHANGE: "nothing to tell any more",
}
_NOTICE_CHANNELS: dict[int, str] = {
    notice_pb2.NOTICE_CHANNEL_EMAIL: "mail",
    notice_pb2.NOTICE_CHANNEL_SMS: "SMS",
    notice_pb2.NOTICE_CHANNEL_LOG: "file",
}
_MINUTES_PER_HOUR = 60


def money_text(money: Money) -> str:
    """Return such as "USD 20.00", with the currency's decimals, or more if the amount has more."""
    nanos_total = money.units * NANOS_PER_UNIT + money.nanos
    units, nanos = divmod(abs(nanos_total), NANOS_PER_UNIT)
    digits = f"{nanos:09d}".rstrip("0").ljust(_DECIMALS.get(money.currency_code, _DECIMALS_USUAL), "0")
    sign = "-" if nanos_total < 0 else ""
    amount = f"{sign}{units}.{digits}" if digits else f"{sign}{units}"
    return f"{printable(money.currency_code)} {amount}".strip()


def money_sum(amounts: Iterable[Money]) -> Money:
    """Add amounts of one currency."""
    currency, nanos_total = "", 0
    for amount in amounts:
        currency, nanos_total = amount.currency_code, nanos_total + amount.units * NANOS_PER_UNIT + amount.nanos
    sign = -1 if nanos_total < 0 else 1
    units, nanos = divmod(abs(nanos_total), NANOS_PER_UNIT)
    return Money(currency_code=currency, units=sign * units, nanos=sign * nanos)


def zone_by_name(name: str) -> datetime.tzinfo:
    """Return the IANA zone `name`, or UTC if this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.UTC


def instant_text(instant: Timestamp, zone: datetime.tzinfo = datetime.UTC) -> str:
    """Return such as "Fri 12 Dec 2025 10:24 GMT"."""
    return _local(instant, zone).strftime("%a %d %b %Y %H:%M %Z")


def short_instant_text(instant: Timestamp, zone: datetime.tzinfo) -> str:
    """Return such as "12 Dec 2025 10:24", for narrow columns that have the time zone in another cell."""
    return _local(instant, zone).strftime("%d %b %Y %H:%M")


def instant_text_with_seconds(instant: Timestamp, zone: datetime.tzinfo = datetime.UTC) -> str:
    """Return such as "Fri 12 Dec 2025 10:24:37 GMT", for times of which minutes matter."""
    return _local(instant, zone).strftime("%a %d %b %Y %H:%M:%S %Z")


def local_time_text(instant: Timestamp, zone: datetime.tzinfo, travel_date: str, *, with_zone: bool = True) -> str:
    """Return such as "10:24 GMT", or "00:40 CET +1" one day after `travel_date`."""
    local = _local(instant, zone)
    try:
        days = (local.date() - datetime.date.fromisoformat(travel_date)).days
    except ValueError:
        days = 0
    return local.strftime("%H:%M %Z" if with_zone else "%H:%M") + (f" {days:+d}" if days else "")


def _local(instant: Timestamp, zone: datetime.tzinfo) -> datetime.datetime:
    return instant.ToDatetime(tzinfo=datetime.UTC).astimezone(zone)


def date_text(travel_date: str) -> str:
    """Return such as "Fri 12 Dec 2025". A text that is not a date is returned unchanged."""
    try:
        return datetime.date.fromisoformat(travel_date).strftime("%a %d %b %Y")
    except ValueError:
        return printable(travel_date)


def booking_state_text(state: int) -> str:
    """Return such as "confirmed", or the number of a state that this program does not know."""
    return _enum_text(booking_pb2.BookingState, "BOOKING_STATE_", state)


def state_and_position_text(state: int, waitlist_position: int) -> str:
    """Return the state of a booking with its waitlist position: "waitlisted, position 2"."""
    if state != booking_pb2.BOOKING_STATE_WAITLISTED or not waitlist_position:
        return booking_state_text(state)
    return f"{booking_state_text(state)}, position {waitlist_position:,}"


def waiting_text(count: int) -> str:
    """Return such as "1 passenger waits for a seat", or an empty text for none."""
    if not count:
        return ""
    return "1 passenger waits for a seat" if count == 1 else f"{count} passengers wait for seats"


def dry_run_text(noun: str, *, exists_already: bool) -> str:
    """Say that a dry run created nothing."""
    earlier = f" An earlier request with this id created the {noun}." if exists_already else ""
    return f"Dry run: nothing was created.{earlier}"


def payment_text(payment: payment_pb2.Payment) -> str:
    """Return such as "USD 20.00, captured", or the number of a state that this program does not know."""
    if payment.state == payment_pb2.PAYMENT_STATE_UNSPECIFIED:
        return "no payment was needed"
    return f"{money_text(payment.amount)}, {_PAYMENT_STATES.get(payment.state, f'state {payment.state}')}"


def refund_text(refund: payment_pb2.Refund) -> str:
    """Return such as "USD 10.00, pending since Fri 12 Dec 2025 10:24 UTC; by the refund terms"."""
    since = f" since {instant_text(refund.create_time)}" if refund.state == payment_pb2.REFUND_STATE_PENDING else ""
    reason = refund_reason_text(refund.reason)
    return f"{money_text(refund.amount)}, {refund_state_text(refund.state)}{since}{f'; {reason}' if reason else ''}"


def refunds_text(refunds: Sequence[payment_pb2.Refund]) -> str:
    """Summarize refunds, such as "USD 10.00 refunded, pending". Empty without refunds; "done" only if all are done."""
    if not refunds:
        return ""
    states = {refund.state for refund in refunds}
    state = "done" if states == {payment_pb2.REFUND_STATE_DONE} else "pending"
    if payment_pb2.REFUND_STATE_FAILED in states:
        state = "failed" if len(states) == 1 else "partly failed"
    return f"{money_text(money_sum(refund.amount for refund in refunds))} refunded, {state}"


def refund_state_text(state: int) -> str:
    """Return such as "pending", or the number of a state that this program does not know."""
    return _enum_text(payment_pb2.RefundState, "REFUND_STATE_", state)


def refund_reason_text(reason: int) -> str:
    """Return such as "by the refund terms", or an empty text for a reason that is not stated."""
    return _REFUND_REASONS.get(reason, f"reason {reason}") if reason else ""


def disruption_reason_text(reason: int) -> str:
    """Return such as "people on track", or the number of a reason that this program does not know."""
    return _enum_text(disruption_pb2.DisruptionReason, "DISRUPTION_REASON_", reason, "reason")


def run_state_text(state: int) -> str:
    """Return such as "scheduled", or the number of a state that this program does not know."""
    return _enum_text(train_run_pb2.RunState, "RUN_STATE_", state)


def webhook_state_text(state: int) -> str:
    """Return such as "active", or the number of a state that this program does not know."""
    return _enum_text(webhook_pb2.WebhookState, "WEBHOOK_STATE_", state)


def delivery_state_text(state: int) -> str:
    """Return such as "pending", or the number of a state that this program does not know."""
    return _enum_text(webhook_pb2.WebhookDeliveryState, "WEBHOOK_DELIVERY_STATE_", state)


def notice_kind_text(kind: int) -> str:
    """Return such as "departure reminder", or the number of a kind that this program does not know."""
    return _enum_text(notice_pb2.NoticeKind, "NOTICE_KIND_", kind, "kind")


def notice_state_text(state: int) -> str:
    """Return such as "scheduled", or the number of a state that this program does not know."""
    return _enum_text(notice_pb2.NoticeState, "NOTICE_STATE_", state)


def notice_skip_reason_text(reason: int) -> str:
    """Return such as "newer content was sent", or the number of a reason that this program does not know."""
    return _SKIP_REASONS.get(reason, f"reason {reason}")


def notice_channel_text(channel: int) -> str:
    """Return such as "mail", or the number of a channel that this program does not know."""
    return _NOTICE_CHANNELS.get(channel, f"channel {channel}")


def _enum_text(kind: object, prefix: str, value: int, noun: str = "state") -> str:
    try:
        name: str = kind.Name(value)  # type: ignore[attr-defined]
    except ValueError:
        return f"{noun} {value}"
    return name.removeprefix(prefix).lower().replace("_", " ")


def refund_terms_text(tiers: Iterable[train_pb2.RefundTier]) -> str:
    """Return such as "100 % up to 24 h before departure, 50 % up to departure"."""
    return ", ".join(
        f"{tier.percent} % up to {f'{tier.hours_before:,} h before ' if tier.hours_before else ''}departure" for tier in tiers
    )


def waitlist_terms_text(train: train_pb2.Train) -> str:
    """Return such as "up to 500 waitlisted bookings, until 4 h before departure". Unset terms are omitted."""
    terms = [f"up to {train.waitlist_max:,} waitlisted bookings"] if train.HasField("waitlist_max") else []
    if train.HasField("waitlist_closes_before"):
        minutes = train.waitlist_closes_before.seconds // 60
        terms.append(f"until {f'{duration_text(minutes)} before ' if minutes else ''}departure")
    return ", ".join(terms)


def hold_terms_text(train: train_pb2.Train) -> str:
    """Return such as "up to 25 % of the seats at a time", or an empty text if unset."""
    return f"up to {train.hold_percent_max} % of the seats at a time" if train.HasField("hold_percent_max") else ""


def sales_window_text(window: sales_window_pb2.SalesWindow) -> str:
    """Return such as "open 90 days before at 09:00, close 30 min before departure", of which sales are the subject."""
    opens = "open at once"
    if window.HasField("opens_before"):
        days, local_time = window.opens_before.days_before, window.opens_before.local_time or "00:00"
        day = f"{days:,} {'day' if days == 1 else 'days'} before" if days else "on the travel date"
        opens = f"open {day} at {printable(local_time)}"
    elif window.HasField("open_time"):
        opens = f"open {instant_text(window.open_time)}"
    minutes = window.closes_before.seconds // 60
    return f"{opens}, close {f'{duration_text(minutes)} before' if minutes else 'at'} departure"


def duration_text(minutes_total: int) -> str:
    """Return such as "4 h", "1 h 30 min" or "45 min"."""
    hours, minutes = divmod(minutes_total, _MINUTES_PER_HOUR)
    parts = [f"{hours:,} h"] if hours else []
    return " ".join([*parts, f"{minutes} min"] if minutes or not hours else parts)


def seat_text(seat: seat_pb2.Seat) -> str:
    """Return such as "A-17"."""
    return printable(seat.label) or (f"{printable(seat.section)}-{seat.number}" if seat.number else "no seat")


def seat_and_coach_text(seat: seat_pb2.Seat) -> str:
    """Return such as "A-17, coach 2"."""
    return seat_text(seat) + (f", coach {printable(seat.coach)}" if seat.coach else "")


def seats_text(seats: Iterable[seat_pb2.Seat]) -> str:
    """Return such as "A-1, A-2"."""
    return ", ".join(seat_text(seat) for seat in seats)


def person_text(person: user_pb2.User | passenger_pb2.Passenger) -> str:
    """Return such as "Ann Lee <ann@example.com>", or the address if the name is unknown."""
    name, address = person_name(person), printable(person.email)
    return f"{name} <{address}>" if name and address else name or address


def person_name(person: user_pb2.User | passenger_pb2.Passenger) -> str:
    """Return such as "Ann Lee"."""
    return printable(f"{person.first_name} {person.last_name}".strip())
