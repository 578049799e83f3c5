"""The rules of selling seats: pure functions and values, standard library only.

Belongs here: every rule about trains, runs, bookings, money and people. Does not belong here: I/O, asyncio, clocks, randomness,
protobuf, BSON. The moment (`now`) and the caller are arguments.
"""
