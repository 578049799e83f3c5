"""The calls of NoticeService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`).
"""

from app.domain.notices.preferences import Language
from app.pb.seatline.v1 import notice_pb2
from app.rpc import fields, page_filling, paging
from app.rpc.context import CallContext
from app.rpc.notices import answers, requests
from app.rpc.notices.wire_names import KINDS
from app.store.notices import notice_key
from app.usecases.notices.notices import NoticeUseCases

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200


class NoticeServicer:
    """The methods of NoticeService. `sender_domain` is the domain of Message-IDs; empty where no sender is known."""

    def __init__(self, notices: NoticeUseCases, sender_domain: str) -> None:
        self._notices, self._sender_domain = notices, sender_domain

    async def ListNotices(self, request: notice_pb2.ListNoticesRequest, context: CallContext) -> notice_pb2.ListNoticesResponse:
        """List notices, the newest first."""
        caller = context.caller
        email = requests.optional_email(request.email, "email")
        reference = requests.optional_reference(request.reference)
        found, after = await page_filling.fill_page(
            lambda after, limit: self._notices.list_page(caller, email, reference, after, limit),
            lambda notice: answers.notice(notice, for_operator=caller.is_operator, sender_domain=self._sender_domain),
            notice_key,
            after=paging.NOTICES.decode(request.page_token, email, reference),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
        )
        return notice_pb2.ListNoticesResponse(notices=found, next_page_token=paging.NOTICES.encode(after, email, reference))

    async def GetNotificationPreferences(
        self, request: notice_pb2.GetNotificationPreferencesRequest, context: CallContext
    ) -> notice_pb2.NotificationPreferences:
        """Return what a person wants."""
        email = requests.optional_email(request.email, "email")
        return answers.preferences(*await self._notices.get_preferences(context.caller, email))

    async def UpdateNotificationPreferences(
        self, request: notice_pb2.UpdateNotificationPreferencesRequest, context: CallContext
    ) -> notice_pb2.NotificationPreferences:
        """Change what a person wants."""
        email = requests.optional_email(request.preferences.email, "preferences.email")
        changes = requests.preference_changes(request)
        return answers.preferences(*await self._notices.update_preferences(context.caller, email, changes, request.etag))

    async def UnsubscribeByToken(
        self, request: notice_pb2.UnsubscribeByTokenRequest, context: CallContext
    ) -> notice_pb2.UnsubscribeByTokenResponse:
        """End what a token names."""
        kind = await self._notices.unsubscribe(requests.token(request.token))
        return notice_pb2.UnsubscribeByTokenResponse(kind=KINDS[kind])

    async def PreviewNotice(
        self, request: notice_pb2.PreviewNoticeRequest, context: CallContext
    ) -> notice_pb2.PreviewNoticeResponse:
        """Return the words of a notice."""
        kind, reference = requests.kind(request.kind), requests.optional_reference(request.reference)
        language = requests.language(request.language, "language") if request.language else Language.ENGLISH
        return answers.preview(await self._notices.preview(context.caller, kind, reference, language))
