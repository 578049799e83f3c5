"""Access over the wire: the policy of each method decides who may call it, before the request is checked."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from app.rpc.policies import POLICIES, Access
from tests.support.clients import RefusedCall, refusal
from tests.support.world import World

UNNAMED = (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
NOT_PERMITTED = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
JANE = (("x-seatline-user", "jane@example.com"),)
OPERATOR = (*JANE, ("x-seatline-roles", "operator"))
NEEDS_CALLER = [method for method, policy in POLICIES.items() if policy.access is not Access.ANYONE]
NEEDS_OPERATOR = [method for method, policy in POLICIES.items() if policy.access is Access.OPERATOR]
OPEN = [method for method, policy in POLICIES.items() if policy.access is Access.ANYONE]


async def _call(world: World, method: str, metadata: Any = ()) -> RefusedCall | None:
    """Send an empty request; return its refusal, None where it is answered."""
    call: Any = world.channel.unary_unary(method)
    try:
        await call(b"", metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        return await refusal(_raise(error))
    return None


async def _raise(error: grpc.aio.AioRpcError) -> None:
    raise error


async def test_a_method_that_needs_a_caller_refuses_everybody_else(world: World) -> None:
    for method in NEEDS_CALLER:
        refused = await _call(world, method)
        assert refused is not None
        assert refused.says == UNNAMED, method
    assert len(NEEDS_CALLER) > len(NEEDS_OPERATOR) > 10


async def test_a_method_that_needs_an_operator_refuses_everybody_else(world: World) -> None:
    for method in NEEDS_OPERATOR:
        refused = await _call(world, method, JANE)
        assert refused is not None
        assert (refused.says, refused.message) == (NOT_PERMITTED, "only operators may do this"), method


async def test_whoever_may_call_is_told_what_is_wrong_with_the_request_instead(world: World) -> None:
    for method in POLICIES:
        refused = await _call(world, method, OPERATOR)
        assert refused is None or refused.reason == "INVALID_FIELD", (method, refused)


@pytest.mark.parametrize("metadata", [(), JANE], ids=["nobody", "jane"])
async def test_anyone_may_call_an_open_method(world: World, metadata: Any) -> None:
    assert OPEN
    for method in OPEN:
        refused = await _call(world, method, metadata)
        assert refused is None or refused.reason == "INVALID_FIELD", (method, refused)


async def test_a_bad_name_is_refused_by_an_open_method_too(world: World) -> None:
    for method in OPEN:
        refused = await _call(world, method, (("x-seatline-user", "no address"),))
        assert refused is not None
        assert refused.says == UNNAMED, method
