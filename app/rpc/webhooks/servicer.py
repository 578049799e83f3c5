"""The calls of WebhookService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`).
"""

from app.pb.seatline.v1 import webhook_pb2
from app.rpc import fields, page_filling, paging
from app.rpc.context import CallContext
from app.rpc.webhooks import answers, requests
from app.store.deliveries import delivery_key
from app.usecases.webhooks import WebhookUseCases

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200
DELIVERIES_PAGE_SIZE_MAX = 100  # with up to 18 attempts each, of 300 characters of any script


class WebhookServicer:
    """The methods of WebhookService."""

    def __init__(self, use_cases: WebhookUseCases) -> None:
        self._webhooks = use_cases

    async def CreateWebhook(self, request: webhook_pb2.CreateWebhookRequest, context: CallContext) -> webhook_pb2.Webhook:
        """Create a webhook."""
        request_id = fields.request_id(request.request_id)
        url, event_types = requests.new_webhook(request.webhook)
        validate_only = request.validate_only
        created = await self._webhooks.create(context.caller, url, event_types, request_id, validate_only=validate_only)
        return answers.webhook(created, with_secret=not validate_only, validate_only=validate_only)

    async def GetWebhook(self, request: webhook_pb2.GetWebhookRequest, context: CallContext) -> webhook_pb2.Webhook:
        """Return a webhook."""
        return answers.webhook(await self._webhooks.get(requests.webhook_id(request.webhook_id)))

    async def ListWebhooks(
        self, request: webhook_pb2.ListWebhooksRequest, context: CallContext
    ) -> webhook_pb2.ListWebhooksResponse:
        """List all webhooks."""
        found, after = await page_filling.fill_page(
            self._webhooks.list_page,
            answers.webhook,
            lambda webhook: (webhook.webhook_id,),
            after=paging.WEBHOOKS.decode(request.page_token),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
        )
        return webhook_pb2.ListWebhooksResponse(webhooks=found, next_page_token=paging.WEBHOOKS.encode(after))

    async def UpdateWebhook(self, request: webhook_pb2.UpdateWebhookRequest, context: CallContext) -> webhook_pb2.Webhook:
        """Change a webhook."""
        webhook_id, change = requests.webhook_id(request.webhook_id), requests.webhook_change(request)
        return answers.webhook(await self._webhooks.update(webhook_id, change, request.etag))

    async def DeleteWebhook(
        self, request: webhook_pb2.DeleteWebhookRequest, context: CallContext
    ) -> webhook_pb2.DeleteWebhookResponse:
        """Delete a webhook."""
        await self._webhooks.delete(requests.webhook_id(request.webhook_id), request.etag)
        return webhook_pb2.DeleteWebhookResponse()

    async def RotateWebhookSecret(
        self, request: webhook_pb2.RotateWebhookSecretRequest, context: CallContext
    ) -> webhook_pb2.Webhook:
        """Replace the secret of a webhook."""
        webhook_id = requests.webhook_id(request.webhook_id)
        return answers.webhook(await self._webhooks.rotate_secret(webhook_id, request.etag), with_secret=True)

    async def ListWebhookDeliveries(
        self, request: webhook_pb2.ListWebhookDeliveriesRequest, context: CallContext
    ) -> webhook_pb2.ListWebhookDeliveriesResponse:
        """List the deliveries of a webhook."""
        webhook_id = requests.webhook_id(request.webhook_id)
        found, after = await page_filling.fill_page(
            lambda after, limit: self._webhooks.list_deliveries(webhook_id, after, limit),
            answers.delivery,
            delivery_key,
            after=paging.DELIVERIES.decode(request.page_token, webhook_id),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=DELIVERIES_PAGE_SIZE_MAX),
        )
        return webhook_pb2.ListWebhookDeliveriesResponse(
            deliveries=found, next_page_token=paging.DELIVERIES.encode(after, webhook_id)
        )
