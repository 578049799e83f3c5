"""The enums of notices on the wire, and the values that they stand for.

Belongs here: one table for each enum of `notice.proto`. Does not belong here: messages (`requests.py`, `answers.py`).
"""

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.notices.notice import NoticeChannelName, NoticeKind, NoticeState, SkipReason
from app.pb.seatline.v1 import notice_pb2

KINDS: Mapping[NoticeKind, notice_pb2.NoticeKind.ValueType] = MappingProxyType(
    {
        NoticeKind.TICKET: notice_pb2.NOTICE_KIND_TICKET,
        NoticeKind.WAITLISTED: notice_pb2.NOTICE_KIND_WAITLISTED,
        NoticeKind.PROMOTED: notice_pb2.NOTICE_KIND_PROMOTED,
        NoticeKind.WAITLIST_EXPIRED: notice_pb2.NOTICE_KIND_WAITLIST_EXPIRED,
        NoticeKind.SEAT_CHANGED: notice_pb2.NOTICE_KIND_SEAT_CHANGED,
        NoticeKind.MOVED: notice_pb2.NOTICE_KIND_MOVED,
        NoticeKind.BOOKING_UPDATED: notice_pb2.NOTICE_KIND_BOOKING_UPDATED,
        NoticeKind.PASSENGERS_CANCELLED: notice_pb2.NOTICE_KIND_PASSENGERS_CANCELLED,
        NoticeKind.BOOKING_CANCELLED: notice_pb2.NOTICE_KIND_BOOKING_CANCELLED,
        NoticeKind.RUN_CANCELLED: notice_pb2.NOTICE_KIND_RUN_CANCELLED,
        NoticeKind.REFUNDED: notice_pb2.NOTICE_KIND_REFUNDED,
        NoticeKind.DELAYED: notice_pb2.NOTICE_KIND_DELAYED,
        NoticeKind.DEPARTURE_REMINDER: notice_pb2.NOTICE_KIND_DEPARTURE_REMINDER,
        NoticeKind.ARRIVAL_REMINDER: notice_pb2.NOTICE_KIND_ARRIVAL_REMINDER,
    }
)
KINDS_BY_NUMBER: Mapping[int, NoticeKind] = MappingProxyType({number: kind for kind, number in KINDS.items()})
STATES: Mapping[NoticeState, notice_pb2.NoticeState.ValueType] = MappingProxyType(
    {
        NoticeState.SCHEDULED: notice_pb2.NOTICE_STATE_SCHEDULED,
        NoticeState.SENDING: notice_pb2.NOTICE_STATE_SENDING,
        NoticeState.SENT: notice_pb2.NOTICE_STATE_SENT,
        NoticeState.SKIPPED: notice_pb2.NOTICE_STATE_SKIPPED,
        NoticeState.FAILED: notice_pb2.NOTICE_STATE_FAILED,
    }
)
SKIP_REASONS: Mapping[SkipReason | None, notice_pb2.NoticeSkipReason.ValueType] = MappingProxyType(
    {
        None: notice_pb2.NOTICE_SKIP_REASON_UNSPECIFIED,
        SkipReason.SUPERSEDED: notice_pb2.NOTICE_SKIP_REASON_SUPERSEDED,
        SkipReason.CANCELLED: notice_pb2.NOTICE_SKIP_REASON_CANCELLED,
        SkipReason.LATE: notice_pb2.NOTICE_SKIP_REASON_LATE,
        SkipReason.SHORT: notice_pb2.NOTICE_SKIP_REASON_SHORT,
        SkipReason.UNSUBSCRIBED: notice_pb2.NOTICE_SKIP_REASON_UNSUBSCRIBED,
        SkipReason.NO_CHANGE: notice_pb2.NOTICE_SKIP_REASON_NO_CHANGE,
    }
)
CHANNELS: Mapping[NoticeChannelName, notice_pb2.NoticeChannel.ValueType] = MappingProxyType(
    {
        NoticeChannelName.EMAIL: notice_pb2.NOTICE_CHANNEL_EMAIL,
        NoticeChannelName.SMS: notice_pb2.NOTICE_CHANNEL_SMS,
        NoticeChannelName.LOG: notice_pb2.NOTICE_CHANNEL_LOG,
    }
)
# Those that people may choose, by number.
CHOOSABLE_BY_NUMBER: Mapping[int, NoticeChannelName] = MappingProxyType(
    {CHANNELS[channel]: channel for channel in (NoticeChannelName.EMAIL, NoticeChannelName.SMS)}
)
