"""gRPC: messages to commands and back, refusals to statuses, and the servicers between them.

Belongs here: all that knows protobuf or gRPC. Does not: what a request means (`app/usecases`, `app/domain`).
"""
