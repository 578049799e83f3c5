"""The simulation: random histories of the whole service, each repeatable by its seed.

Belongs here: servers, workers, callers, a database and a payment provider in one thread without a clock, faults between any
two statements, and the invariants that are checked after each of them. The servers and workers are the service's own code,
from the use cases down to the statements. What they run on is simulated: the event loop, the clock, the database and the
provider. Does not belong here: any rule of the service.
"""
