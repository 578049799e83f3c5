"""The parts of the benchmark, one question each.

Belongs here: which volleys are sent, in which order, and the figures that follow from them. Does not belong here: how they are
sent and counted.
"""
