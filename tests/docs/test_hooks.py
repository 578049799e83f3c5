"""The hooks before a commit run programs that `make test` installs, and download nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.markdown import ROOT

HOOKS = [hook for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"] for hook in repo["hooks"]]


def test_every_hook_is_local() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_every_hook_runs_a_program_of_the_environment(hook: dict[str, str]) -> None:
    program, *arguments = hook["entry"].split()
    assert program.startswith(".venv/bin/")
    installed = Path(sys.executable).parent / Path(program).name
    assert installed.exists()
    done = subprocess.run([installed, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
