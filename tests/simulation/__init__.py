"""The simulation: whole histories of the service, run by a seed.

Belongs here: servers, workers, passengers, a database and a payment provider in one thread without a clock, every fault that
can be thought of between any two statements, and what has to hold after each of them. The servers and workers are the service's
own code, from the use cases down to the statements; what is simulated is what they stand on. Does not: any rule of the service.
"""
