"""The server process: the service, with the bare echo and the naive sale on other ports of the same process.

Belongs here: starting and stopping them. Does not belong here: measuring.

The service is configured by the environment, as in production; the ports are printed as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from app.config import load_settings
from app.process.bootstrap import start_server
from app.process.interpreter import tune_interpreter
from tests.bench.echo import start_echo
from tests.bench.naive import start_naive


async def serve() -> None:
    """Serve until SIGTERM or SIGINT, or until the benchmark ends and closes stdin."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_reader(sys.stdin, stopped.set)
    server = await start_server(load_settings())
    tune_interpreter()
    echo, echo_port = await start_echo()
    naive, naive_port = await start_naive(server.database)
    ports = {"service": server.port, "echo": echo_port, "naive": naive_port, "database": server.database.name}
    print(json.dumps(ports), flush=True)  # noqa: T201 - the line that the benchmark waits for
    await stopped.wait()
    loop.remove_reader(sys.stdin)
    await echo.stop(0)
    await naive.stop(0)
    await server.stop()


if __name__ == "__main__":
    asyncio.run(serve())
