"""Apply the update of a commit as MongoDB does.

Belongs here: `$set` and `$unset` on dotted paths, done by hand. Does not: which updates there are (`app/store/run_updates.py`).
"""

from typing import Any


def applied(document: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Return the document after the update, with `$set` and `$unset` on dotted paths."""
    assert set(update) <= {"$set", "$unset"}
    for operator, values in update.items():
        for path, value in values.items():
            *parents, last = path.split(".")
            place: Any = document
            for step in parents:
                place = place[int(step)] if isinstance(place, list) else place[step]
            if operator == "$unset":
                place.pop(last, None)
            elif isinstance(place, list):
                place[int(last)] = value
            else:
                place[last] = value
    return document
