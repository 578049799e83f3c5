"""The parts of the benchmark, one question each.

Belongs here: which volleys are sent in which order, and which figures follow. Does not: how they are sent and counted.
"""
