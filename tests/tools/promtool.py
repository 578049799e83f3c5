"""promtool, Prometheus's tool that checks rule files.

Belongs here: running it. Does not belong here: the files.
"""

from __future__ import annotations

import subprocess

from tests.tools.prometheus import find_programs

SECONDS_MAX = 60


def promtool(*arguments: str, stdin: str = "") -> tuple[int, str]:
    """Run promtool with `stdin` as input. Return its exit code and its output."""
    command = [str(find_programs().promtool), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
    return done.returncode, done.stdout + done.stderr
