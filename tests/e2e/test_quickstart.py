"""The first minutes with the project, at a terminal: `make run`, Ctrl-C, and the steps that the documents show."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.replica_set import LOOPBACK, free_ports
from tests.support.server_processes import REPOSITORY, environment

BASH = shutil.which("bash") or ""
SERVES = "press Ctrl-C to stop."
START_SECONDS_MAX = 60.0  # for a MongoDB and a server, on a busy machine
STEPS_SECONDS_MAX = 240.0  # for the dozen programs of a document, on a busy machine
_SERVING = re.compile(r"Serving on (\S+);")
_REFERENCE = re.compile(r"Receipt ([0-9A-Z]{6,8}) ")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


# Run in a process without other threads: forking is safe there.
_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


class Terminal:
    """A program at its own terminal: its output, keys, and its exit code."""

    def __init__(self, folder: Path, command: list[str], **settings: str) -> None:
        self.output = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TERMINAL, *command],
            cwd=folder,
            env=settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._keys, self._screen = self._process.stdin, self._process.stdout

    def read_until(self, text: str) -> None:
        """Return when the output has the text; fail when the program ends before, or takes too long."""
        end = time.monotonic() + START_SECONDS_MAX
        while text not in self.output:
            assert time.monotonic() < end, self.output
            assert self._read(), self.output

    def press_ctrl_c(self) -> None:
        self._keys.write(b"\x03")

    def exit_code(self) -> int:
        """Return the exit code, once it has ended."""
        while self._read():
            pass
        self._keys.close()
        self._screen.close()
        return self._process.wait(START_SECONDS_MAX)

    def _read(self) -> bool:
        """Append what comes next to `output`; return False at the end."""
        ready, _, _ = select.select([self._screen], [], [], START_SECONDS_MAX)
        assert ready, f"nothing was said for {START_SECONDS_MAX} s, after {self.output}"
        told = self._screen.read(65_536)
        self.output += _COLOURS.sub("", told.decode(errors="replace"))
        return bool(told)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile's `run`, and this environment instead of the one that it would install."""
    recipe = re.search(r"^run: .*\n\t(.+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    programs = Path(sys.executable).parent
    (tmp_path / "Makefile").write_text(f"BIN := {programs}\nrun:\n\t{recipe[1]}\n")
    return tmp_path


def start(folder: Path, **settings: str) -> Terminal:
    make = shutil.which("make")
    assert make is not None
    return Terminal(folder, [make, "run"], **environment(folder / "data", PYTHONPATH=str(REPOSITORY), **settings))


@contextlib.contextmanager
def somebody_else() -> Iterator[tuple[int, list[bytes]]]:
    """Another program that listens on a port, and what it receives."""
    sent: list[bytes] = []
    with socket.create_server((LOOPBACK, 0)) as listener:

        def take() -> None:
            with contextlib.suppress(OSError):  # the listener is closed at the end
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        sent.append(connection.recv(1_000))

        threading.Thread(target=take, daemon=True).start()
        yield listener.getsockname()[1], sent


def test_make_run_sells_one_ticket_and_ctrl_c_is_no_error(folder: Path) -> None:
    [port] = free_ports(1)
    references = []
    with somebody_else() as (other, sent):
        for presses in (1, 2):
            terminal = start(folder, SEATLINE_LISTEN=f"{LOOPBACK}:{port}", SEATLINE_TARGET=f"{LOOPBACK}:{other}")
            terminal.read_until(SERVES)
            references += _REFERENCE.findall(terminal.output)
            assert_mail_is_kept(terminal.output, references[-1])
            verify = re.search(r"^ +(SEATLINE_MONGODB_URI=.* verify)\s*$", terminal.output, re.MULTILINE)
            assert verify is not None
            done = subprocess.run([BASH, "-c", verify[1]], cwd=folder, capture_output=True, text=True, check=False)
            assert (done.returncode, "1 booking" in done.stdout) == (0, True), done.stdout + done.stderr
            for _ in range(presses):
                terminal.press_ctrl_c()
            assert terminal.exit_code() == 0, terminal.output
            assert "***" not in terminal.output  # make's mark of an error
            assert "Traceback" not in terminal.output
            assert f"export SEATLINE_TARGET={LOOPBACK}:{port}" in terminal.output
        assert sent == []
    assert len(references) == 2
    assert references[0] == references[1]


def assert_mail_is_kept(output: str, reference: str) -> None:
    """The folder that `make run` prints has the ticket's mail, its page for a browser, and the ticket as PDF."""
    printed = [Path(line.strip()) for line in output.splitlines() if f"/ticket-{reference}-" in line]
    assert {path.suffix for path in printed} == {".eml", ".html", ".pdf", ".ics"}, output
    assert all(path.stat().st_size for path in printed)


def test_ctrl_c_while_the_service_starts_is_no_error(folder: Path) -> None:
    terminal = start(folder)
    terminal.read_until("Starting the service")
    terminal.press_ctrl_c()
    assert terminal.exit_code() == 0, terminal.output
    assert "***" not in terminal.output
    assert "Traceback" not in terminal.output


@pytest.mark.parametrize("host", [LOOPBACK, "localhost", "0.0.0.0"])  # noqa: S104 - nothing listens there
def test_the_error_of_a_used_port_names_its_process_and_a_free_port_and_nothing_is_sent_there(folder: Path, host: str) -> None:
    with somebody_else() as (port, sent):
        terminal = start(folder, SEATLINE_LISTEN=f"{host}:{port}", SEATLINE_TRUST_CALLER_METADATA="true")
        assert terminal.exit_code() == 2
        assert sent == []
    assert f"port {port} is in use by process {os.getpid()}" in terminal.output
    assert re.search(r"SEATLINE_LISTEN=\S+:\d+ make run", terminal.output)
    assert "Starting" not in terminal.output


@pytest.mark.parametrize("page", ["README.md", "docs/usage.md"])
def test_the_steps_of_the_documents_run_as_written(folder: Path, page: str) -> None:
    terminal = start(folder)
    terminal.read_until(SERVES)
    target = _SERVING.findall(terminal.output)[0]
    text = (REPOSITORY / page).read_text()
    steps = "\n".join(block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "make run" not in block)
    steps = steps.replace("127.0.0.1:50051", target)
    steps = steps.replace("REFERENCE", _REFERENCE.findall(terminal.output)[0])
    for command in ("seatline cancel", "seatline ticket get"):
        steps = steps.replace(command, f"{command} --user jane.doe@example.com")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    known = environment(folder, PYTHONPATH=str(REPOSITORY), SEATLINE_TARGET=target)
    done = subprocess.run(
        [BASH, "-ec", steps], cwd=folder, env=known, capture_output=True, text=True, check=False, timeout=STEPS_SECONDS_MAX
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Receipt" in done.stdout or "Booked" in done.stdout
    terminal.press_ctrl_c()
    assert terminal.exit_code() == 0


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_an_install_fetches_only_what_is_locked(lock: str) -> None:
    assert re.search(r"^setuptools==\S+ \\\n +--hash=sha256:", (REPOSITORY / lock).read_text(), re.MULTILINE)
    pip = re.findall(r"pip install (.*?)(?: &&.*)?\\?$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert pip
    for options in pip:
        assert "--require-hashes" in options or {"--no-index", "--no-build-isolation"} <= set(options.split())
