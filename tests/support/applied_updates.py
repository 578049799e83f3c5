"""Apply the update of a commit as MongoDB does.

Belongs here: `$set` and `$unset` on dotted paths, applied to a dictionary. Does not belong here: which updates
there are (`app/store/run_updates.py`).
"""

from typing import Any


def applied(document: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Return the document after the update, with `$set` and `$unset` on dotted paths."""
    assert set(update) <= {"$set", "$unset"}
    for operator, values in update.items():
        for path, value in values.items():
            *parents, last = path.split(".")
            parent: Any = document
            for step in parents:
                parent = parent[int(step)] if isinstance(parent, list) else parent[step]
            if operator == "$unset":
                parent.pop(last, None)
            elif isinstance(parent, list):
                parent[int(last)] = value
            else:
                parent[last] = value
    return document
