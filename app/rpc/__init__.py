"""The gRPC edge: a folder for each resource, and what all calls share beside them.

Belongs here: everything that knows protobuf or gRPC. Does not belong here: what a request means (`app/usecases`,
`app/domain`).
"""
