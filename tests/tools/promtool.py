"""promtool, Prometheus's own tool for looking at its files.

Belongs here: calling it. Not here: what it is shown.
"""

from __future__ import annotations

import subprocess

from tests.tools.prometheus import find_programs

SECONDS_MAX = 60


def promtool(*arguments: str, shown: str = "") -> tuple[int, str]:
    """Its exit code and all that it said, when it is shown this text."""
    command = [str(find_programs().promtool), *arguments]
    done = subprocess.run(command, input=shown, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
    return done.returncode, done.stdout + done.stderr
