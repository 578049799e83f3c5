"""The load generator: several processes that speak raw HTTP/2 and gRPC at little CPU.

Belongs here: sending prepared calls and recording what became of each. Does not belong here: what is sold, and what the records
mean.
"""
