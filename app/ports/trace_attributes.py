"""Trace attributes that channels set: the names of OpenTelemetry's semantic conventions, and the service's own.

Belongs here: names that a room other than telemetry needs. Does not belong here: all other names
(`app/telemetry/tracing/conventions.py`, whose test also checks these).
"""

# HTTP clients (stable). Not `url.full`: receivers of webhooks put secrets into theirs.
HTTP_REQUEST_METHOD = "http.request.method"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
# Ours.
WEBHOOK_ID = "seatline.webhook.id"
