"""The background work of a process: jobs, outbox, deliveries and statistics, from start to stop.

Belongs here: in which order the parts start and stop. Does not belong here: what the parts are (`bootstrap/`), the work
itself (`app/usecases`), nor the process that it runs in (`server.py`, `worker_process.py`).
"""

from collections.abc import Sequence

from app.jobs.worker import JobWorker
from app.ports.closable import Closable
from app.usecases.outbox_listener import OutboxListener
from app.usecases.statistics import StatisticsTask


class BackgroundWork:
    """Everything that a process does without callers. Any number of processes may share a store.

    `closables` are what the work holds, such as channels. `statistics` is None in a process that shows no metrics.
    """

    def __init__(
        self,
        worker: JobWorker,
        listener: OutboxListener,
        closables: Sequence[Closable],
        statistics: StatisticsTask | None = None,
    ) -> None:
        self._worker, self._listener, self._closables, self._statistics = worker, listener, closables, statistics

    def start(self) -> None:
        """Start every part."""
        self._worker.start()
        self._listener.start()
        if self._statistics is not None:
            self._statistics.start()

    async def stop(self) -> None:
        """Finish the jobs in progress, and close what they used."""
        if self._statistics is not None:
            await self._statistics.stop()
        await self._listener.stop()
        await self._worker.stop()
        for closable in self._closables:
            await closable.close()
