"""The benchmark.

Belongs here: what a sale costs in proportion to a bare call on the same machine, and the proof that no booking is lost
meanwhile. Does not belong here: anything that the service itself runs.
"""
