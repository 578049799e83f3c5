"""Settings of the Python interpreter for a process that serves.

Belongs here: garbage collection, thread switching and scheduling, each with the measured reason. Does not belong here: anything
that a deployment may want to change (`app/config/`).
"""

import gc
import os
import sys
import threading
from contextlib import suppress

# A server allocates a few hundred long-lived objects a call and hardly a reference cycle. The collector's default, a collection
# of the young generation every 700 allocations, costs some percent of all calls.
_GC_THRESHOLDS = (50_000, 20, 50)
# The driver works in threads. A thread that has its answer waits for the interpreter lock until the busy main thread gives it
# up, by default after 5 ms; a commit takes that wait several times over.
_SWITCH_SECONDS = 0.0005
# gRPC's own thread is woken about five times a call, and would take the processor from the main thread each time. Threads with
# this policy wait for the main thread's time slice to end; where another processor is free, they still run at once. It saves a
# sixth of the processor time of a call.
_SCHEDULING_POLICY = getattr(os, "SCHED_BATCH", None)  # Linux only


def tune_interpreter() -> None:
    """Set up this process for serving. Call it once, after everything is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    if _SCHEDULING_POLICY is not None:
        for thread in threading.enumerate():
            with suppress(OSError):  # a thread that has just ended, or a sandbox that forbids it
                os.sched_setscheduler(thread.native_id or 0, _SCHEDULING_POLICY, os.sched_param(0))
