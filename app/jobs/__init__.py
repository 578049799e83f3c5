"""The job engine.

Belongs here: leases, handlers, attempts and periodic tasks, for whatever jobs there are. Does not belong here: any particular
job (`app/usecases`), when a job is due or dead (`app/domain/jobs.py`), nor statements (`app/store/jobs.py`).

    worker.py           takes due jobs under leases, runs them, and records what they came to
    runner.py           runs one batch of jobs of one kind, and turns what the handler does into outcomes
    handlers.py         the protocol of a handler
    periodic_tasks.py   functions that run at a fixed interval
"""
