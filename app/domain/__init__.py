"""The rules of selling seats: pure functions and values, standard library only.

Belongs here: every decision about trains, seats, bookings and people. Does not: I/O, asyncio, clocks, randomness, protobuf,
BSON. The moment (`now`) and the caller come in as arguments.
"""
