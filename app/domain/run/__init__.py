"""The train run as one value: its seats, bookings, holds and waitlist, and what a batch changed in it.

Belongs here: the state that rules read and change. Does not belong here: the rules (`app/domain/rules`), how a run is stored.
"""
