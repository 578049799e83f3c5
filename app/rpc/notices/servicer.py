"""The calls of NoticeService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages, who may call (`app/rpc/policies.py`).
"""

from app.domain.refusals import Reason, Refusal
from app.pb.seatline.v1 import notice_pb2
from app.rpc.context import CallContext


class NoticeServicer:
    """The methods of NoticeServic."""

    async def ListNotices(self, request: notice_pb2.ListNoticesRequest, context: CallContext) -> notice_pb2.ListNoticesResponse:
        """Refuse."""
        raise Refusal(Reason.TICKETS_UNAVAILABLE, "not built yet")

    async def GetNotificationPreferences(
        self, request: notice_pb2.GetNotificationPreferencesRequest, context: CallContext
    ) -> notice_pb2.NotificationPreferences:
        """Refuse."""
        raise Refusal(Reason.TICKETS_UNAVAILABLE, "not built yet")

    async def UpdateNotificationPreferences(
        self, request: notice_pb2.UpdateNotificationPreferencesRequest, context: CallContext
    ) -> notice_pb2.NotificationPreferences:
        """Refuse."""
        raise Refusal(Reason.TICKETS_UNAVAILABLE, "not built yet")

    async def UnsubscribeByToken(
        self, request: notice_pb2.UnsubscribeByTokenRequest, context: CallContext
    ) -> notice_pb2.UnsubscribeByTokenResponse:
        """Refuse."""
        raise Refusal(Reason.TICKETS_UNAVAILABLE, "not built yet")

    async def PreviewNotice(
        self, request: notice_pb2.PreviewNoticeRequest, context: CallContext
    ) -> notice_pb2.PreviewNoticeResponse:
        """Refuse."""
        raise Refusal(Reason.TICKETS_UNAVAILABLE, "not built yet")
