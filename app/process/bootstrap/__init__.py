"""Build a process from its settings.

Belongs here: every object that a process is made of. This is the only place that builds anything. Does not belong here: serving
and working (`server.py`, `worker_process.py`).

    application.py   what servers and workers share: database, store, command bus, payment provider, tracing, metrics
    edge.py          the gRPC server with its services
    work.py          the lists of the worker: channels, subscribers, job handlers, periodic tasks
    notices.py       the channels of notices
    notice_work.py   the worker's work of notices
    tickets.py       what tickets are signed and drawn with
"""

from app.config import Settings
from app.process.bootstrap.application import build_application
from app.process.bootstrap.edge import build_edge
from app.process.bootstrap.notices import check_notices
from app.process.bootstrap.work import build_worker
from app.process.server import Server
from app.process.worker_process import WorkerProcess
from app.rpc.services import method_types
from app.store.driver import Client


async def build_server(settings: Settings, client: Client | None = None) -> Server:
    """Build a server that does not serve yet, over the database of `client` if one is given. Raise StartError."""
    if settings.with_worker:
        check_notices(settings)
    application = await build_application(settings, client, method_types())
    try:
        return Server(application, build_edge(application), lambda: build_worker(application))
    except BaseException:
        await application.close()
        raise


async def start_server(settings: Settings, client: Client | None = None) -> Server:
    """Build a server and start it. Raise StartError."""
    server = await build_server(settings, client)
    try:
        await server.start()
    except BaseException:
        await server.stop()
        raise
    return server


async def build_worker_process(settings: Settings, client: Client | None = None) -> WorkerProcess:
    """Build a worker process that does not work yet, over the database of `client` if one is given. Raise StartError."""
    check_notices(settings)
    application = await build_application(settings, client, {})
    return WorkerProcess(application, lambda: build_worker(application))
