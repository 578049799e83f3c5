"""How many ticket mails does a worker send, and how much memory does it need?

Belongs here: a worker that finds the events of many sales, and sends each ticket with PDF, QR and calendar entry to a mail
server. Does not belong here: sales. The worker also settles the payments of these sales, as it does in production.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from aiosmtpd.controller import Controller

from app.tickets.signing import make_key_file
from tests.bench.host_process import STOP_SECONDS_MAX, Host
from tests.bench.load.fleet import ROOT
from tests.bench.stage import Stage

CALLERS = 64
SECONDS_MAX = 120.0
POLL_SECONDS = 0.05


class MailCounter:
    """A mail server's handler that counts the mails that it accepts."""

    def __init__(self) -> None:
        self.count = self.byte_count = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the name of aiosmtpd
        """Accept a mail."""
        self.count += 1
        self.byte_count += len(envelope.content)
        return "250 OK"


def measure_ticket_mails(stage: Stage) -> None:
    """Sell tickets, then start a worker, and wait until all are sent. The ratio needs the figure of `measure_ticket_pdf`."""
    mails = stage.scale.ticket_mails
    host = stage.start_host("ticket_mails")
    stage.sell(stage.fresh_runs(stage.scale.sale_seats) * mails, CALLERS, [host])
    counter = MailCounter()
    server = Controller(counter, hostname="127.0.0.1", port=_free_port())
    server.start()
    try:
        with _worker(stage, host, server.port) as worker:
            _wait_for(counter, 1)
            before, begun, sent_before = worker.cpu_times(), time.monotonic(), counter.count
            peak_mb = _wait_for(counter, mails, worker)
            after, seconds = worker.cpu_times(), time.monotonic() - begun
    finally:
        server.stop()
    sent = counter.count - sent_before
    cpu_seconds = after.user + after.system - before.user - before.system
    stage.results.add("ticket_mails_per_second", sent / seconds, "mails/s")
    stage.results.add("ticket_mails_per_second_and_core", sent / cpu_seconds, "mails/s")
    pdf_ms = stage.results.value("ticket_pdf_p50")
    if pdf_ms:
        stage.results.add_ratio("ticket_mail_to_pdf", cpu_seconds * 1e3 / sent / pdf_ms)
    stage.results.add("ticket_mail_size", counter.byte_count / counter.count / 1e3, "kB")
    stage.results.add("ticket_mail_worker_rss_peak", peak_mb, "MB")
    host.stop()


def _free_port() -> int:
    """Return a port that is free: the mail server's library wants to be given one."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def _worker(stage: Stage, host: Host, smtp_port: int) -> Iterator[psutil.Process]:
    """Run a worker on the host's database until the block ends."""
    key_file: Path = stage.data_dir / "bench-ticket-key.pem"
    make_key_file(key_file)
    settings = {
        "MONGODB_URI": stage.mongod.uri,
        "MONGODB_DATABASE": host.database,
        "DATA_DIR": str(stage.data_dir / "worker"),
        "NOTICE_CHANNELS": "email",
        "NOTICE_SENDER": "tickets@example.com",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(smtp_port),
        "SMTP_SECURITY": "none",
        "SMTP_PER_SECOND_MAX": "1000",
        "TICKET_KEY_FILE": str(key_file),
    }
    environment = os.environ | {f"SEATLINE_{name}": text for name, text in settings.items()}
    with (stage.data_dir / "ticket_mails_worker.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "app", "worker"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS_MAX)


def _wait_for(counter: MailCounter, mails: int, worker: psutil.Process | None = None) -> float:
    """Wait until so many mails were accepted; return the worker's highest resident memory in MB meanwhile."""
    end, peak_mb = time.monotonic() + SECONDS_MAX, 0.0
    while counter.count < mails:
        if time.monotonic() > end:
            raise TimeoutError(f"{counter.count} of {mails} mails were sent; ticket_mails_worker.log says why")
        if worker is not None:
            peak_mb = max(peak_mb, worker.memory_info().rss / 1e6)
        time.sleep(POLL_SECONDS)
    return peak_mb
