"""Run a process until a signal ends it.

Belongs here: what `seatline serve` and `seatline worker` start. Does not belong here: building a process (`bootstrap/`).
"""

import asyncio
import logging
from collections.abc import Callable

from app.config import Settings
from app.ports.background_task import BackgroundTask
from app.process.bootstrap import build_worker_process, start_server
from app.process.connections import raise_descriptor_limit
from app.process.interpreter import tune_interpreter
from app.process.signals import StopSignals
from app.process.start_error import StartError
from app.telemetry.logs.format import configure_logging

_log = logging.getLogger(__name__)

# Called in a thread with the port and the URI of our own MongoDB, None for any other database.
OnServing = Callable[[int, str | None], None]


def run_server(settings: Settings, on_serving: OnServing | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raise StartError when the server cannot start.

    `on_serving` is called once in a thread. What it raises ends the server, and is raised.
    """
    configure_logging(settings.log_level, settings.log_format)
    raise_descriptor_limit()
    asyncio.run(_serve(settings, on_serving))


def run_worker(settings: Settings) -> None:
    """Work without serving until SIGTERM or SIGINT. Raise StartError when the worker cannot start."""
    configure_logging(settings.log_level, settings.log_format)
    asyncio.run(_work(settings))


async def _serve(settings: Settings, on_serving: OnServing | None) -> None:
    signals = StopSignals()
    server = await start_server(settings)
    if not settings.listens_on_loopback:
        _log.warning(
            "%s is open to other machines, and callers name themselves without proof: anybody may do anything", settings.listen
        )
    tune_interpreter()
    _log.info("serving seatline.v1 on %s, port %d", settings.listen, server.port)
    try:
        if on_serving is not None and not signals.stop_requested.is_set():
            await asyncio.to_thread(on_serving, server.port, server.application.embedded_uri)
        await signals.stop_requested.wait()
    finally:
        _log.info("stopping")
        await server.stop(signals.hurry_requested)
        signals.ignore_from_now_on()


async def _work(settings: Settings) -> None:
    signals = StopSignals()
    if not settings.mongodb_uri:
        raise StartError("SEATLINE_MONGODB_URI: a worker process needs the database that its servers use")
    worker = await build_worker_process(settings)
    starting = BackgroundTask("start the worker", worker.start)
    starting.start()
    await signals.stop_requested.wait()
    _log.info("stopping")
    await starting.stop()
    await worker.stop()
    signals.ignore_from_now_on()
