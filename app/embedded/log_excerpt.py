"""Quotes of mongod's log.

Belongs here: the lines that say why a start failed. Does not belong here: writing the log.
"""

import json
from pathlib import Path

# What is read back from the log of a failed start: the cause stands in the first errors, before the stack traces.
_LOG_BYTES_MAX, _LINES_MAX, _LINE_CHARACTERS_MAX = 256 * 1024, 4, 400


def log_excerpt(home: Path) -> list[str]:
    """Return the lines that say why a start failed: the first errors, else the last lines."""
    with (home / "mongod.log").open("rb") as log:
        lines = log.read(_LOG_BYTES_MAX).decode(errors="replace").splitlines()
    entries = [_parse(line) for line in lines if line.strip()]
    return [text for is_error, text in entries if is_error][:_LINES_MAX] or [text for _, text in entries[-_LINES_MAX:]]


def _parse(line: str) -> tuple[bool, str]:
    """Return whether a log line is an error, and its text without the JSON around it."""
    try:
        entry = json.loads(line)
        detail = entry.get("attr", {})
        if isinstance(detail.get("message"), dict):  # the storage engine wraps its text (a full disk, say) once more
            detail = [detail["message"].get("msg"), detail["message"].get("error_str")]
        text = f"{entry['msg']} {json.dumps(detail)}" if detail else str(entry["msg"])
        return entry["s"] in ("E", "F"), " ".join(text.split())[:_LINE_CHARACTERS_MAX]
    except (ValueError, KeyError, TypeError, AttributeError):
        # Not mongod's format: it is from the loader, the shell or the supervisor, and those write only errors.
        return True, line[:_LINE_CHARACTERS_MAX]
