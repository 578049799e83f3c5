"""Commands as an unprivileged user.

Belongs here: switching from root to a numeric user, and changing the owner of files. Does not belong here: the commands.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class User:
    """A numeric user. If the tests do not run as root, commands run as the current user."""

    uid: int
    gid: int

    def command(self, words: list[str]) -> list[str]:
        """Return a command that runs `words` as this user, without the capability to write others' files.

        If only root may enter the folder of this machine's Python, the user keeps the capability to read others' files.
        """
        if os.geteuid() != 0:
            return words
        steps = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        capabilities = "-all" if _is_open(Path(sys.base_prefix)) else "-all,+dac_read_search"
        return [*steps, f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}", *words]

    def own(self, path: Path) -> None:
        """Make this user the owner of a file or folder."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def _is_open(folder: Path) -> bool:
    """Whether everybody may enter the folder and all of its parents."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (folder, *folder.parents))
