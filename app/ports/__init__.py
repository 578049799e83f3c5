"""What one room needs of another: protocols, and the values that they pass.

Belongs here: protocols that rooms of the same layer share, and the background task that all of them use. Does not belong here:
implementations with I/O of their own.

    call_observer.py, lane_observer.py, driver_observer.py, work_observer.py   who observes calls, lanes, the driver, the worker
    payment_provider.py, ledger_store.py                                       payments
    jobs.py, outbox.py, channel.py, deliveries.py, webhooks.py                 jobs, events and their delivery
    mongod_admin.py                                                            the start of our own mongod
    clock.py, background_task.py                                               the time, and tasks of a process
    trace_attributes.py                                                        names of span attributes that channels set
"""
