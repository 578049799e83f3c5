"""Requests around users: messages to values of the domain.

Belongs here: the update mask. Does not belong here: what a well-formed field is (`app/rpc/fields.py`).
"""

from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import user_pb2

_CHANGEABLE = frozenset(("first_name", "last_name"))


def update_mask(request: user_pb2.UpdateUserRequest) -> frozenset[str]:
    """Return the fields that the mask names; an empty mask names all that can change (google.aip.dev/134)."""
    for index, path in enumerate(request.update_mask.paths):
        if path not in _CHANGEABLE:
            known = " and ".join(sorted(_CHANGEABLE))
            raise InvalidField(f"update_mask.paths[{index}]", f"{path!r} cannot be updated; {known} can")
    return frozenset(request.update_mask.paths or _CHANGEABLE)
