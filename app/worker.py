"""The worker: what goes on without anybody asking.

Belongs here: which work there is, who does it and how often. Does not: the work itself (`app/usecases`), nor the process that
it runs in (`server.py`, `cli/`).
"""

import os
import socket
import time
from collections.abc import Callable
from datetime import datetime

from app.config import Settings
from app.store.store import Store
from app.usecases.following import SETTLE_PAYMENT, FanOut, Following
from app.usecases.handlers import Sweep
from app.usecases.paying import Paying
from app.usecases.working import Worker, WorkerBounds

# Each look costs about two milliseconds of processor time.
_FOLLOW_UP_SECONDS = 0.5
_TIDY_SECONDS = 1.0
_COPY_SECONDS = 5.0
_LET_GO_SECONDS = 30.0


def make_worker(
    store: Store,
    paying: Paying,
    fan_out: FanOut,
    clock: Callable[[], datetime],
    settings: Settings,
    *,
    sweeps: tuple[Sweep, ...] = (),
) -> Worker:
    """A worker over a store; any number of them may share it. `sweeps` are done besides its own."""
    following = Following(store, paying, fan_out, clock, time.monotonic)
    return Worker(
        store.jobs,
        {SETTLE_PAYMENT: following.settle_payments},
        clock,
        WorkerBounds(
            batch_max=settings.job_batch_max,
            batches_max=settings.job_batches_max,
            lease_seconds=settings.job_lease_seconds,
            poll_seconds=settings.job_poll_seconds,
            attempts_max=settings.job_attempts_max,
            grace_seconds=settings.drain_seconds,
        ),
        f"{socket.gethostname()}/{os.getpid()}",
        sweeps=(
            Sweep("follow up events", _FOLLOW_UP_SECONDS, following.follow_up),
            Sweep("tidy runs", _TIDY_SECONDS, following.tidy),
            Sweep("copy what was left", _COPY_SECONDS, following.copy_what_was_left),
            Sweep("let go of payments", _LET_GO_SECONDS, paying.let_go),
            *sweeps,
        ),
    )
