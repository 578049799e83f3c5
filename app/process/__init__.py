"""The processes: server and worker.

Belongs here: building them from the settings, serving, draining, signals, health checks, metrics. Does not belong here:
anything that a call or a job does.

    bootstrap/           builds everything
    application.py       what servers and workers share
    server.py            serves and drains
    worker.py            the worker's part; worker_process.py runs it alone
    run.py               runs a process until a signal ends it
    verification.py      runs `seatline verify`
"""
