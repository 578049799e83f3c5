"""The load generator: several processes that speak raw HTTP/2 and gRPC at little CPU.

Belongs here: sending prepared calls and recording how each ended. Does not belong here: what is sold, what records mean.
"""
