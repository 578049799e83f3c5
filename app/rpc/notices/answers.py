"""Answers around notices: values of the domain to messages.

Belongs here: the messages Notice, NotificationPreferences and PreviewNoticeResponse. Does not belong here: what decides
anything. No answer has an address, except that of the preferences that were asked for.
"""

from app.domain.notices.notice import WHOLE_BOOKING, Notice, NoticeChannelName, message_id
from app.domain.notices.preferences import NotificationPreferences
from app.pb.seatline.v1 import notice_pb2
from app.ports.notices import NoticeText
from app.rpc.notices import wire_names
from app.rpc.wire_values import timestamp


def notice(value: Notice, *, for_operator: bool, sender_domain: str) -> notice_pb2.Notice:
    """Return a notice. Operators see the last attempt's answer; `sender_domain` is empty where no sender is known."""
    is_mail = value.channel is NoticeChannelName.EMAIL and bool(sender_domain)
    detail = value.attempts[-1].detail if for_operator and value.attempts else ""
    return notice_pb2.Notice(
        notice_id=value.notice_id,
        kind=wire_names.KINDS[value.kind],
        reference=value.reference,
        passenger_numbers=value.passenger_numbers,
        is_whole_booking=value.addressee == WHOLE_BOOKING,
        channel=wire_names.CHANNELS[value.channel],
        state=wire_names.STATES[value.state],
        skip_reason=wire_names.SKIP_REASONS[value.skip_reason],
        due_time=timestamp(value.due_time),
        create_time=timestamp(value.create_time),
        final_time=None if value.final_time is None else timestamp(value.final_time),
        attempt_count=value.attempt_count,
        last_detail=detail,
        message_id=message_id(value.notice_id, sender_domain) if is_mail else "",
    )


def preferences(address: str, value: NotificationPreferences) -> notice_pb2.NotificationPreferences:
    """Return what the person with that address wants."""
    return notice_pb2.NotificationPreferences(
        email=address,
        language=value.language.value,
        channels=[wire_names.CHANNELS[channel] for channel in value.channels],
        phone=value.phone,
        departure_reminders=value.departure_reminders,
        arrival_reminders=value.arrival_reminders,
        small_delays=value.small_delays,
        etag=value.etag,
    )


def preview(text: NoticeText) -> notice_pb2.PreviewNoticeResponse:
    """Return the words of a notice."""
    return notice_pb2.PreviewNoticeResponse(subject=text.subject, plain_text=text.plain, html=text.html, short_text=text.short)
