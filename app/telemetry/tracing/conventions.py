"""Names of span attributes, from OpenTelemetry's semantic conventions.

Belongs here: the names, the version that they are from, and our own names. Does not belong here: setting them.

The names are written here instead of imported: those of RPC are in a part of the package that may change with any release. A
test compares each with the installed package. Those that channels set, too, stand in
`app/ports/trace_attributes.py`.
"""

from app.ports import trace_attributes

# The version of the conventions that all names below are from.
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
SCOPE = "seatline"

# What channels set, too.
HTTP_REQUEST_METHOD = trace_attributes.HTTP_REQUEST_METHOD
HTTP_RESPONSE_STATUS_CODE = trace_attributes.HTTP_RESPONSE_STATUS_CODE
SERVER_ADDRESS = trace_attributes.SERVER_ADDRESS
SERVER_PORT = trace_attributes.SERVER_PORT

# RPC (development) and what goes with it. `rpc.service`, `rpc.system` and `rpc.grpc.status_code` are deprecated.
RPC_SYSTEM_NAME = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code"
ERROR_TYPE = "error.type"
ERROR_TYPE_OTHER = "_OTHER"

# Database clients (stable).
DB_SYSTEM_NAME = "db.system.name"
DB_NAMESPACE = "db.namespace"
DB_COLLECTION_NAME = "db.collection.name"
DB_OPERATION_NAME = "db.operation.name"
DB_OPERATION_BATCH_SIZE = "db.operation.batch.size"

# Messaging (development) and CloudEvents (development).
MESSAGING_BATCH_MESSAGE_COUNT = "messaging.batch.message_count"
CLOUDEVENTS_EVENT_ID = "cloudevents.event_id"
CLOUDEVENTS_EVENT_TYPE = "cloudevents.event_type"

# Ours.
REASON = "seatline.reason"
RUN_ID = "seatline.run_id"
SWAPS_LOST = "seatline.swaps_lost"
PAYMENT_OPERATION = "seatline.payment.operation"
PAYMENT_PROVIDER = "seatline.payment.provider"
PAYMENT_ID = "seatline.payment.id"
NOTICE_ID = "seatline.notice.id"
NOTICE_KIND = "seatline.notice.kind"
NOTICE_STATUS = "seatline.notice.status"
