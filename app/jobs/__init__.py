"""The job engine: leases, attempts, periodic tasks.

Belongs here: when a job is taken, attempted and given up. Does not belong here: what any job does (`app/usecases`).
"""
