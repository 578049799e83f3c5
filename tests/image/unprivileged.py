"""Commands as a user who owns nothing.

Belongs here: the way from root to a numeric user, and making files that user's own. Not here: which commands, and which files.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class User:
    """A user by number. Whoever is not root cannot become another, and remains who they are."""

    uid: int
    gid: int

    def command(self, words: list[str]) -> list[str]:
        """The command as this user's, without any capability to write.

        Where this machine's Python lies in a folder that only root may enter, reading what others own is left to the user.
        """
        if os.geteuid() != 0:
            return words
        steps = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        kept = "-all" if _is_open(Path(sys.base_prefix)) else "-all,+dac_read_search"
        return [*steps, f"--inh-caps={kept}", f"--ambient-caps={kept}", *words]

    def own(self, path: Path) -> None:
        """Makes a file or a folder this user's own."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def _is_open(folder: Path) -> bool:
    """Whether everybody may enter the folder and all that it is in."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (folder, *folder.parents))
