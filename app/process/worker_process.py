"""A worker without a server: waits for the database, works, and stops in an orderly way.

Belongs here: the life of such a process. Does not belong here: the work (`worker.py`), nor building it (`bootstrap/`).
"""

import logging
from collections.abc import Callable

from app.process.application import Application
from app.process.worker import BackgroundWork

_log = logging.getLogger(__name__)


class WorkerProcess:
    """A worker process. Its metrics are shown from the beginning; it is ready while the database is available."""

    def __init__(self, application: Application, make_worker: Callable[[], BackgroundWork]) -> None:
        self.application, self._make_worker = application, make_worker
        self._worker: BackgroundWork | None = None
        if application.metrics is not None:
            monitor = application.monitor
            application.metrics.watch(application.bus, lambda: monitor.is_available, lambda: monitor.is_available)

    async def start(self) -> None:
        """Wait until the database is available, then start the work."""
        await self.application.monitor.wait_until_available()
        self._worker = self._make_worker()
        self._worker.start()
        self.application.monitor.start()
        _log.info("working")

    async def stop(self) -> None:
        """Finish the work in progress, and close everything."""
        await self.application.monitor.stop()
        if self._worker is not None:
            await self._worker.stop()
        await self.application.close()
