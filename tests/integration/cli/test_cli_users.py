"""Commands on users, against the scripted service: register, rename.

Belongs here: what each command sends and prints. Does not belong here: what all commands share (`test_cli_calls.py`).
"""

from __future__ import annotations

import json
from typing import Any

from app.pb.seatline.v1 import user_pb2
from tests.support.scripted_service import (
    USER,
    ScriptedService,
)


def test_register_uses_the_users_address_by_default(service: ScriptedService, seatline: Any) -> None:
    service.answers["RegisterUser"] = USER
    assert (
        "Ann Lee <ann@example.com>"
        in seatline("register", "--user", "op@example.com", "--first-name", "Ann", "--last-name", "Lee").stdout
    )
    assert service.requests("RegisterUser")[0].email == "op@example.com"


def test_rename_sends_only_the_given_fields(service: ScriptedService, seatline: Any) -> None:
    service.answers["UpdateUser"] = user_pb2.User(first_name="Ann", last_name="Lee", email="ann@example.com", etag="2")
    result = seatline("rename", "--last-name", "Lee", "--user", "ann@example.com", "--etag", "1")
    assert (result.exit_code, result.stdout) == (0, "Registered as Ann Lee <ann@example.com>.\n")
    request = service.requests("UpdateUser")[0]
    assert (request.email, request.user.last_name, list(request.update_mask.paths)) == ("ann@example.com", "Lee", ["last_name"])
    assert request.etag == "1"
    assert json.loads(seatline("rename", "--first-name", "Ann", "--json").stdout)["etag"] == "2"
    assert seatline("rename", "--user", "ann@example.com").exit_code == 2
