"""Server processes as the benchmark sees them.

Belongs here: starting and stopping `host.py`, its ports, memory and CPU time. Does not belong here: what it serves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from tests.bench.load.fleet import ROOT

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0


class Host:
    """One server process."""

    def __init__(self, mongodb_uri: str, data_dir: Path, name: str, **variables: str) -> None:
        untraced = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
        environment = untraced | {
            "SEATLINE_MONGODB_URI": mongodb_uri,
            "SEATLINE_LISTEN": "127.0.0.1:0",
            "SEATLINE_CONNECTION_SECONDS_MAX": "0",  # the generator keeps its connections
            "SEATLINE_DATA_DIR": str(data_dir / name),
            **variables,
        }
        self.log_path = data_dir / f"{name}.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.host"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        ports = self._read_ports()
        self.service, self.echo, self.naive = int(ports["service"]), int(ports["echo"]), int(ports["naive"])
        self.database = ports["database"]

    @property
    def rss_mb(self) -> float:
        """Resident memory in MB."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def stop(self) -> None:
        """Stop the process; kill it where it does not stop in time."""
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read_ports(self) -> dict[str, str]:
        """Return the first line that is JSON; the service may print other lines before."""
        # Kills a server that neither answers nor ends, which closes the pipe.
        watchdog = threading.Timer(START_SECONDS_MAX, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout or ():
                if line.startswith(b'{"service"'):
                    ports: dict[str, str] = json.loads(line)
                    return ports
        finally:
            watchdog.cancel()
        self.process.kill()
        tail = self.log_path.read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"the server did not start (exit code {self.process.wait()}):\n{tail}")


def cpu_seconds(process_id: int) -> float:
    """Return the CPU time of a process so far, in user and system mode."""
    times = psutil.Process(process_id).cpu_times()
    return float(times.user + times.system)
